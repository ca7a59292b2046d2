#!/usr/bin/env python3
"""Writes the golden values beside this file; see README.md.

It is deterministic for given versions of torch, transformers and tokenizers,
which each golden file names.
"""

import json
import os
import pathlib
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

import safetensors.torch
import tokenizers
import torch
import transformers
from tokenizers import (Regex, decoders, models, normalizers, pre_tokenizers,
                        trainers)

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SMOLLM2 = ROOT / "models" / "SmolLM2-135M-Instruct"

VERSIONS = {
    "torch": torch.__version__,
    "transformers": transformers.__version__,
    "tokenizers": tokenizers.__version__,
}

# Texts on which tokenizers tend to be wrong: contractions, runs of white space
# of every kind, digits of several scripts, combining marks, joined emoji, text
# that looks like special tokens, and text that no training data contains.
TRICKY = [
    "",
    " ",
    "  ",
    "a",
    " a",
    "Hello, world!",
    "Hello world  how   are    you",
    "It's they're we've I'm you'll he'd can't IT'S THEY'RE",
    "'s't're 'x ''s",
    "The quick brown fox jumps over the lazy dog.",
    "12",
    "1234567890",
    "3+5+9+2+7? 1,234.56 -7e10",
    "x1y22z333 4444 a5",
    "tabs\tand\t\ttabs \t mixed",
    "lines\nand\n\nlines\r\nand \n spaces \n\n",
    "trailing spaces   ",
    "   leading spaces",
    "\n\n\n",
    " \n \n ",
    "def f(x):\n    return x  # comment\n",
    "Grüße aus Österreich, naïve café",
    "e\u0301 decomposed, \u00e9 composed",
    "Ελληνικά кириллица العربية עברית",
    "中文字符和日本語のテキスト 한국어",
    "हिन्दी ไทย",
    "٣٤٥ ४५६ Ⅳ ½ ²",
    "emoji 😀 👨‍👩‍👧‍👦 🏳️‍🌈 👍🏽",
    "math ∑∫√≠∞ → ⇒ 𝔸𝕓",
    "no\u00a0break\u2003em\u3000ideographic\u2028line\u0085next\u180emongolian",
    "zero\u200bwidth\u200djoiner\ufeffbom",
    "\u0000\u0001\u007f controls",
    "a" * 300,
    "ab" * 150 + " " * 100 + "!" * 50,
    "<|endoftext|>",
    "<|im_start|>user\nhi<|im_end|>\n",
    "a<|im_start|>b <|im_end|> c<|im_end|>",
    "<|im_start|<|im_end|>|>",
    "< |im_end|> <|im_end |>",
    "<think>3+5=8</think><answer>8</answer>",
    "http://example.com/a_b?c=d&e=f#g",
    "snake_case camelCase SCREAMING_CASE kebab-case",
    "\\n \\t \"quoted\" 'single' `code`",
    "$5.99 100% #1 @you & me * 2",
    "word" + "\u0301" * 5,
    "\U0010ffff\U000e0001",
    "bytes that SmolLM2's vocabulary lacks: \u0004",
    "and \U00040000 \U00080000",
]

# Texts that the small vocabularies cannot spell are left to these tokenizers.
CHARACTERS = [
    "", "1+2=3\n", "<think>3+5=8;8+9=7</think><answer>7</answer><eos>",
    "<think", "<<eos>>", " ~!@#$%^&*()_+", "<answer></answer",
]

CHATS = [
    [{"role": "user", "content": "What is 2+2?"}],
    [{"role": "system", "content": "Be terse."},
     {"role": "user", "content": "Name a colour."}],
    [{"role": "user", "content": "Hi"},
     {"role": "assistant", "content": "Hello!"},
     {"role": "user", "content": "line one\nline two  "}],
]

PROMPTS = [
    "The capital of France is Paris, and the capital of Italy is Rome.",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14",
    "def add(a, b):\n    return a + b\n",
]

CORPUS = [
    "the theory that there then was the thing that they thought of",
    "in the inning of the singing king a ring was bringing things in",
    "12 + 34 = 46; 7 + 8 = 15; 100 + 200 = 300 and 3.14 is not 22/7",
    "don't can't won't it's he's she'll we're they've I'm you'd",
    "def function(argument):\n    return argument  # a comment\n",
    "Grüße, café, naïve: 日本語 中文 😀😀 👍🏽",
] * 20


def write(name, value):
    value = {"versions": VERSIONS, **value}
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    (HERE / name).write_text(text.replace("},{", "},\n{") + "\n")
    print(f"{name}: {len(text)} bytes")


def floats(tensor):
    """Nine digits restore an fp32 exactly."""
    return [float(f"{x:.9g}") for x in tensor.double().flatten().tolist()]


def encodings(tokenizer, texts):
    out = []
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        out.append({
            "text": text,
            "ids": ids,
            "decoded": tokenizer.decode(ids, skip_special_tokens=False),
        })
    return out


def train_bpe(pre_tokenizer, ignore_merges):
    tokenizer = tokenizers.Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=420, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"]))
    tokenizer.add_tokens([
        tokenizers.AddedToken("<think>", normalized=False),
        tokenizers.AddedToken("</think>", normalized=False, lstrip=True),
        tokenizers.AddedToken("camel", normalized=True, rstrip=True),
    ])
    return tokenizer


# What matters to tokenizers that write a space as U+2581.
SPACES = ["\u2581", " \u2581a", "a\u2581\u2581b", "<0x41>", "<bos>a", "a<bos> b",
          "\n\n\n", "a\n\n", "\U0001f9ff\u0378", "  <unk> <0x0A>"]


# Sentencepiece-style BPE in the three forms in which tokenizer.json has it: as
# Gemma, as Llama 2 in transformers 4, and as Llama 2 in transformers 5.
def sentencepiece_bpe(name):
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    every_byte = [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = tokenizers.Tokenizer(models.BPE(
        unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(
        Regex("\u2581"), "merged_with_next")
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=560, show_progress=False,
        special_tokens=special + every_byte))
    out = json.loads(tokenizer.to_str())
    # The bytes are tokens of the vocabulary and not looked for in texts.
    out["added_tokens"] = out["added_tokens"][:len(special)]
    if name == "gemma":
        out["added_tokens"].append(
            {**out["added_tokens"][0], "id": len(out["model"]["vocab"]),
             "content": "\n\n", "special": False})
    replace = {"type": "Replace", "pattern": {"String": " "},
               "content": "\u2581"}
    steps = [{"type": "Replace", "pattern": {"String": "\u2581"},
              "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]
    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    out["normalizer"] = replace
    out["pre_tokenizer"] = None
    if name == "gemma":
        out["pre_tokenizer"] = {
            "type": "Split", "pattern": {"String": " "},
            "behavior": "MergedWithPrevious", "invert": False}
    if name == "llama2":
        out["normalizer"] = {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u2581"}, replace]}
    if name == "metaspace":
        out["normalizer"] = None
        out["pre_tokenizer"] = {
            "type": "Metaspace", "replacement": "\u2581",
            "prepend_scheme": "first", "split": False}
    if name != "gemma":
        steps.append(strip)
    out["decoder"] = {"type": "Sequence", "decoders": steps}
    sequence = {"Sequence": {"id": "A", "type_id": 0}}
    bos = {"SpecialToken": {"id": "<bos>", "type_id": 0}}
    out["post_processor"] = {
        "type": "TemplateProcessing", "single": [bos, sequence],
        "pair": [bos, sequence, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<bos>": {"id": "<bos>", "ids": [2],
                                     "tokens": ["<bos>"]}}}
    return out


def small_tokenizers():
    llama3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
              r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    qwen2 = llama3.replace(r"\p{N}{1,3}", r"\p{N}")
    # Mistral's tekken.
    upper, lower = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
    tekken = (rf"[^\r\n\p{{L}}\p{{N}}]?[{upper}]*[{lower}]+|"
              rf"[^\r\n\p{{L}}\p{{N}}]?[{upper}]+[{lower}]*|"
              r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    byte_level = pre_tokenizers.ByteLevel
    split = pre_tokenizers.Split
    kinds = {
        "gpt2": (byte_level(add_prefix_space=False), False),
        "prefix-space": (byte_level(add_prefix_space=True), False),
        "digits": (pre_tokenizers.Sequence([
            pre_tokenizers.Digits(individual_digits=True),
            byte_level(add_prefix_space=False)]), False),
        "llama3": (pre_tokenizers.Sequence([
            split(Regex(llama3), "isolated"),
            byte_level(add_prefix_space=False, use_regex=False)]), True),
        "qwen2": (pre_tokenizers.Sequence([
            split(Regex(qwen2), "isolated"),
            byte_level(add_prefix_space=False, use_regex=False)]), False),
        "tekken": (pre_tokenizers.Sequence([
            split(Regex(tekken), "isolated"),
            byte_level(add_prefix_space=False, use_regex=False)]), True),
        "previous": (pre_tokenizers.Sequence([
            split(" ", "merged_with_previous"),
            split(Regex(r"\p{P}"), "merged_with_next"),
            pre_tokenizers.Digits(individual_digits=False),
            byte_level(add_prefix_space=False, use_regex=False)]), False),
        "removed": (pre_tokenizers.Sequence([
            split(Regex(r"\s+"), "removed"),
            split(Regex(r"[a-z]"), "contiguous", invert=True),
            byte_level(add_prefix_space=False, use_regex=False)]), False),
    }
    (HERE / "bpe").mkdir(exist_ok=True)
    golden = {}
    for name, (pre_tokenizer, ignore_merges) in kinds.items():
        tokenizer = train_bpe(pre_tokenizer, ignore_merges)
        if name == "qwen2":
            tokenizer.normalizer = normalizers.NFC()
        path = HERE / "bpe" / f"{name}.json"
        tokenizer.save(str(path), pretty=False)
        golden[name] = encodings(
            tokenizers.Tokenizer.from_file(str(path)), TRICKY)
    for name in ("gemma", "llama2", "metaspace"):
        path = HERE / "bpe" / f"{name}.json"
        path.write_text(json.dumps(sentencepiece_bpe(name)))
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
        golden[name] = encodings(tokenizer, TRICKY + SPACES)
        for golden_text in golden[name]:
            golden_text["with_prefix"] = tokenizer.encode(
                golden_text["text"]).ids
    write("bpe.json", {"tokenizers": golden})


def character_tokenizer():
    """Loads Aha's own tokenizer.json into Hugging Face's library."""
    path = HERE / "bpe" / "characters.json"
    tokenizer = tokenizers.Tokenizer.from_file(str(path))
    write("characters.json", {"encodings": encodings(tokenizer, CHARACTERS)})


def randomize(model, centre=1):
    """Weights with which attention, gates, gains and biases do something.

    `centre` is the stored number of a gain of 1.
    """
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(centre + 0.1 * torch.randn_like(weight)
                         if "norm" in name
                         else 0.25 * torch.randn_like(weight))
            # The weights are exact in bf16, so that one file serves both
            # formats.
            weight.copy_(weight.bfloat16().float())


def save_tiny(model, directory):
    model.save_pretrained(HERE / directory)
    (HERE / directory / "model.safetensors").chmod(0o644)


def save_packed(model, directory):
    """The same weights with all experts of a layer in one tensor."""
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch, save_original_format=False)
        safetensors.torch.save_file(
            safetensors.torch.load_file(
                pathlib.Path(scratch) / "model.safetensors"),
            HERE / directory / "packed.safetensors")
    (HERE / directory / "packed.safetensors").chmod(0o644)


def scored_sequences(model, vocab):
    generator = torch.Generator().manual_seed(11)
    sequences = []
    for length in (1, 2, 17, 40):
        ids = torch.randint(0, vocab, (length,), generator=generator)
        with torch.no_grad():
            logits = model(ids[None]).logits[0]
        logprobs = torch.log_softmax(logits[:-1], -1)
        picked = logprobs.gather(-1, ids[1:, None])[:, 0]
        keep = logits if length <= 17 else logits[-2:]
        sequences.append({"token_ids": ids.tolist(),
                          "logprobs": floats(picked),
                          "last_logits_rows": keep.shape[0],
                          "logits": floats(keep)})
    return sequences


# GRPO as in DeepSeekMath, equation 3, on two groups of completions of one
# prompt each (algorithms.md section 3.13): clipped ratios to log-probabilities
# that are a little off, the k3 estimate of the KL divergence from others that
# are, the mean over each completion's tokens and then over completions.
EPSILON, BETA, TEMPERATURE = 0.2, 0.1, 0.8


def grpo_gradients(model, vocab, directory):
    generator = torch.Generator().manual_seed(13)

    def draw(count):
        return torch.randint(0, vocab, (count,), generator=generator).tolist()

    def near(values):
        return values + 0.25 * torch.randn(values.shape, generator=generator)

    completions = []
    for prompt_length, lengths in ((9, (5, 1, 12)), (37, (3, 20))):
        prompt = draw(prompt_length)
        for length in lengths:
            completions.append({"prompt": prompt, "tokens": draw(length)})
    advantages = torch.randn(len(completions), generator=generator)
    model.zero_grad()
    loss = torch.zeros(())
    for completion, advantage in zip(completions, advantages):
        ids = torch.tensor(completion["prompt"] + completion["tokens"])
        first = len(completion["prompt"])
        logits = model(ids[None]).logits[0][first - 1:-1] / TEMPERATURE
        logp = torch.log_softmax(logits, -1).gather(
            -1, ids[first:, None])[:, 0]
        # Log-probabilities are at most 0.
        old = near(logp.detach()).clamp(max=0)
        ref = near(logp.detach()).clamp(max=0)
        ratio = torch.exp(logp - old)
        clipped = ratio.clamp(1 - EPSILON, 1 + EPSILON)
        kl = torch.exp(ref - logp) - (ref - logp) - 1
        terms = -torch.min(ratio * advantage, clipped * advantage) + BETA * kl
        loss = loss + terms.mean() / len(completions)
        completion.update(advantage=floats(advantage[None])[0],
                          logprobs=floats(logp.detach()),
                          old_logprobs=floats(old), ref_logprobs=floats(ref))
    loss.backward()
    # Under the names of the files: transformers 5 keeps the experts of a layer
    # in one tensor and writes them one by one.
    gradients = type(model)(model.config)
    with torch.no_grad():
        for of, weight in zip(gradients.parameters(), model.parameters()):
            of.copy_(weight.grad)
    with tempfile.TemporaryDirectory() as scratch:
        gradients.save_pretrained(scratch)
        safetensors.torch.save_file(
            safetensors.torch.load_file(
                pathlib.Path(scratch) / "model.safetensors"),
            HERE / directory / "grpo_gradients.safetensors")
    (HERE / directory / "grpo_gradients.safetensors").chmod(0o644)
    return {"epsilon": EPSILON, "beta": BETA, "temperature": TEMPERATURE,
            "loss": floats(loss.detach()[None])[0],
            "completions": completions}


def tiny_llama():
    torch.manual_seed(7)
    config = transformers.LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=88,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=128, rms_norm_eps=1e-5, rope_theta=10000.0,
        tie_word_embeddings=False, bos_token_id=1, eos_token_id=2)
    model = transformers.LlamaForCausalLM(config).float().eval()
    randomize(model)
    save_tiny(model, "tiny-llama")
    write("tiny_llama.json", {"sequences": scored_sequences(model, 64)})


# Odd shapes: one head for keys and values, vocabularies that are not multiples
# of 16, head_dims of their own, scaled positions, and windows that are shorter
# than the sequences.
def family_models():
    common = {"max_position_embeddings": 128, "bos_token_id": 1,
              "eos_token_id": 2}
    return {
        "tiny-qwen2": (17, transformers.Qwen2ForCausalLM,
                       transformers.Qwen2Config(
            vocab_size=83, hidden_size=40, intermediate_size=56,
            num_hidden_layers=3, num_attention_heads=5, num_key_value_heads=1,
            rms_norm_eps=1e-6, rope_theta=1000000.0, tie_word_embeddings=True,
            use_sliding_window=False, sliding_window=64, max_window_layers=2,
            **common)),
        "tiny-qwen3": (19, transformers.Qwen3ForCausalLM,
                       transformers.Qwen3Config(
            vocab_size=75, hidden_size=32, intermediate_size=72,
            num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
            head_dim=24, rms_norm_eps=1e-6, rope_theta=1000000.0,
            tie_word_embeddings=False, **common)),
        # The factors of Llama 3.2, with an original length at which some
        # frequencies are kept, some are divided and some are mixed.
        "tiny-llama3": (23, transformers.LlamaForCausalLM,
                        transformers.LlamaConfig(
            vocab_size=71, hidden_size=32, intermediate_size=40,
            num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1,
            head_dim=48, rms_norm_eps=1e-5, rope_theta=500.0,
            rope_scaling={"rope_type": "llama3", "factor": 32.0,
                          "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                          "original_max_position_embeddings": 64},
            tie_word_embeddings=True, **common)),
        "tiny-mistral": (29, transformers.MistralForCausalLM,
                         transformers.MistralConfig(
            vocab_size=67, hidden_size=32, intermediate_size=56,
            num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=1,
            head_dim=16, rms_norm_eps=1e-5, rope_theta=10000.0,
            sliding_window=7, tie_word_embeddings=False, **common)),
        # Layers 0 and 2 of Qwen2 see everything; layer 1 has a window.
        "tiny-qwen2-window": (31, transformers.Qwen2ForCausalLM,
                              transformers.Qwen2Config(
            vocab_size=53, hidden_size=24, intermediate_size=40,
            num_hidden_layers=3, num_attention_heads=3, num_key_value_heads=1,
            rms_norm_eps=1e-6, rope_theta=10000.0, tie_word_embeddings=False,
            use_sliding_window=True, sliding_window=9,
            layer_types=["full_attention", "sliding_attention",
                         "full_attention"], **common)),
        # Every layer sparse, weights that sum to 1.
        "tiny-qwen3_moe": (43, transformers.Qwen3MoeForCausalLM,
                           transformers.Qwen3MoeConfig(
            vocab_size=59, hidden_size=32, intermediate_size=72,
            num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=1,
            head_dim=24, rms_norm_eps=1e-6, rope_theta=1000000.0,
            num_experts=6, num_experts_per_tok=2, moe_intermediate_size=40,
            norm_topk_prob=True, decoder_sparse_step=1,
            tie_word_embeddings=False, **common)),
        # Dense layers between sparse ones, weights that do not sum to 1.
        "tiny-qwen3_moe-mixed": (47, transformers.Qwen3MoeForCausalLM,
                                 transformers.Qwen3MoeConfig(
            vocab_size=53, hidden_size=24, intermediate_size=56,
            num_hidden_layers=5, num_attention_heads=3, num_key_value_heads=1,
            head_dim=16, rms_norm_eps=1e-6, rope_theta=10000.0,
            num_experts=5, num_experts_per_tok=3, moe_intermediate_size=24,
            norm_topk_prob=False, decoder_sparse_step=1,
            mlp_only_layers=[1, 3], tie_word_embeddings=True, **common)),
        "tiny-mixtral": (53, transformers.MixtralForCausalLM,
                         transformers.MixtralConfig(
            vocab_size=67, hidden_size=32, intermediate_size=40,
            num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=1,
            head_dim=16, rms_norm_eps=1e-5, rope_theta=1000000.0,
            num_local_experts=5, num_experts_per_tok=2, sliding_window=None,
            tie_word_embeddings=False, **common)),
        "tiny-gemma3_text": (37, transformers.Gemma3ForCausalLM,
                             transformers.Gemma3TextConfig(
            vocab_size=61, hidden_size=36, intermediate_size=56,
            num_hidden_layers=4, num_attention_heads=3, num_key_value_heads=1,
            head_dim=20, rms_norm_eps=1e-6, query_pre_attn_scalar=28,
            sliding_window=6, layer_types=[
                "sliding_attention", "sliding_attention", "full_attention",
                "sliding_attention"],
            rope_parameters={
                "full_attention": {"rope_type": "linear", "factor": 8.0,
                                   "rope_theta": 1000000.0},
                "sliding_attention": {"rope_type": "default",
                                      "rope_theta": 10000.0}},
            tie_word_embeddings=True, pad_token_id=None, **common)),
    }


def tiny_families(only):
    for name, (seed, kind, config) in family_models().items():
        if only and name not in only:
            continue
        torch.manual_seed(seed)
        # The plain formula: with softmax and products in fp32.
        config._attn_implementation = "eager"
        model = kind(config).float().eval()
        randomize(model, centre=0 if "gemma" in name else 1)
        save_tiny(model, name)
        if hasattr(config, "num_experts_per_tok"):
            save_packed(model, name)
        write(f"{name.replace('-', '_')}.json", {
            "sequences": scored_sequences(model, config.vocab_size),
            "grpo": grpo_gradients(model, config.vocab_size, name)})


# What transformers makes of each kind of scaled positions: the frequencies, and
# the factor of sine and cosine.
def rope_frequencies():
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
    yarn = {"rope_type": "yarn", "factor": 4.0,
            "original_max_position_embeddings": 32768}
    short = [1 + 0.05 * i for i in range(32)]
    forms = [
        {"max_position_embeddings": 2048,
         "rope_scaling": {"type": "linear", "factor": 4.0}},
        {"rope_theta": 500000.0, "max_position_embeddings": 131072,
         "rope_scaling": {"rope_type": "llama3", "factor": 32.0,
                          "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                          "original_max_position_embeddings": 8192}},
        {"rope_theta": 500000.0, "max_position_embeddings": 131072,
         "rope_parameters": {"rope_type": "llama3", "factor": 8.0,
                             "rope_theta": 300000.0, "low_freq_factor": 1.0,
                             "high_freq_factor": 4.0,
                             "original_max_position_embeddings": 8192}},
        {"max_position_embeddings": 4096,
         "rope_scaling": {"type": "dynamic", "factor": 2.0}},
        {"rope_theta": 1000000.0, "max_position_embeddings": 131072,
         "rope_scaling": yarn},
        {"rope_theta": 1000000.0, "max_position_embeddings": 131072,
         "rope_scaling": {**yarn, "truncate": False, "beta_fast": 16.0,
                          "beta_slow": 2.0, "attention_factor": 1.25}},
        {"max_position_embeddings": 163840,
         "rope_scaling": {"type": "yarn", "factor": 40.0, "mscale": 1.0,
                          "mscale_all_dim": 0.7, "beta_fast": 32,
                          "beta_slow": 1,
                          "original_max_position_embeddings": 4096}},
        {"max_position_embeddings": 131072,
         "original_max_position_embeddings": 4096,
         "rope_scaling": {"type": "longrope", "short_factor": short,
                          "long_factor": [2 * x for x in short]}},
    ]
    golden = []
    for form in forms:
        fields = {"hidden_size": 256, "num_attention_heads": 4,
                  "num_key_value_heads": 2, "intermediate_size": 64,
                  "num_hidden_layers": 1, "vocab_size": 100, **form}
        config = transformers.LlamaConfig(**json.loads(json.dumps(fields)))
        inv_freq, factor = ROPE_INIT_FUNCTIONS[
            config.rope_parameters["rope_type"]](config, "cpu")
        golden.append({"config": {"model_type": "llama", **fields},
                       "frequencies": floats(inv_freq),
                       "attention_factor": factor})
    write("rope.json", {"forms": golden})


# Random blocks of each quantized format of GGUF, and the floats that they mean
# to the package gguf, llama.cpp's own.
def gguf_blocks():
    import gguf
    import numpy
    generator = numpy.random.default_rng(41)
    golden = {}
    for name, scales in (("Q4_0", [0]), ("Q4_1", [0, 2]), ("Q5_0", [0]),
                         ("Q5_1", [0, 2]), ("Q8_0", [0]), ("Q4_K", [0, 2]),
                         ("Q5_K", [0, 2]), ("Q6_K", [208])):
        kind = gguf.GGMLQuantizationType[name]
        numbers, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = generator.integers(0, 256, (3, size), dtype=numpy.uint8)
        for at in scales:  # float16 that is finite.
            halves = generator.standard_normal(3).astype(numpy.float16)
            blocks[:, at:at + 2] = halves[:, None].view(numpy.uint8)
        values = gguf.quants.dequantize(blocks.reshape(1, -1), kind)
        golden[name] = {"type": int(kind), "numbers": 3 * numbers,
                        "bytes": blocks.tobytes().hex(),
                        "floats": floats(torch.from_numpy(values))}
    write("gguf.json", {"formats": golden})


def smollm2_tokens():
    tokenizer = transformers.AutoTokenizer.from_pretrained(SMOLLM2)
    # If the vocabulary lacks a byte, Hugging Face drops the byte and Aha
    # refuses the text.
    spelled = [t for t in TRICKY
               if tokenizer.decode(tokenizer.encode(
                   t, add_special_tokens=False)) == t]
    unspelled = [t for t in TRICKY if t not in spelled]
    chats = []
    for messages in CHATS:
        text = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True)
        chats.append({"messages": messages, "text": text,
                      "ids": tokenizer.encode(
                          text, add_special_tokens=False)})
    raw = tokenizers.Tokenizer.from_file(str(SMOLLM2 / "tokenizer.json"))
    write("smollm2_tokens.json", {"encodings": encodings(raw, spelled),
                                  "unspelled": unspelled, "chats": chats})


def smollm2_logprobs():
    tokenizer = transformers.AutoTokenizer.from_pretrained(SMOLLM2)
    texts = PROMPTS + [tokenizer.apply_chat_template(
        CHATS[0], tokenize=False, add_generation_prompt=True) + "4<|im_end|>"]
    golden = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        model = transformers.AutoModelForCausalLM.from_pretrained(
            SMOLLM2, dtype=dtype).eval()
        rows = []
        for text in texts:
            ids = tokenizer.encode(text, add_special_tokens=False)
            tensor = torch.tensor(ids)
            with torch.no_grad():
                logits = model(tensor[None]).logits[0].float()
            logprobs = torch.log_softmax(logits, -1)
            picked = logprobs[:-1].gather(-1, tensor[1:, None])[:, 0]
            rows.append({"text": text, "token_ids": ids,
                         "logprobs": floats(picked),
                         "top5": logits.topk(5).indices.tolist(),
                         "top5_logprobs":
                             [floats(r) for r in logprobs.topk(5).values]})
        golden[name] = rows
    # The greedy continuation in fp32: the tokens that generation must produce.
    model = transformers.AutoModelForCausalLM.from_pretrained(
        SMOLLM2, dtype=torch.float32).eval()
    prompt = tokenizer.encode(texts[-1].removesuffix("4<|im_end|>"),
                              add_special_tokens=False)
    with torch.no_grad():
        out = model.generate(torch.tensor([prompt]), max_new_tokens=24,
                             do_sample=False)[0].tolist()
    write("smollm2_logprobs.json", {
        **golden, "greedy": {"prompt": prompt, "tokens": out[len(prompt):]}})


def main():
    torch.set_num_threads(1)
    if sys.argv[1:] == ["tokenizers"]:
        small_tokenizers()
        return
    if len(sys.argv) > 1:  # Some of family_models() only.
        tiny_families(sys.argv[1:])
        rope_frequencies()
        gguf_blocks()
        return
    small_tokenizers()
    character_tokenizer()
    tiny_llama()
    tiny_families(only=())
    rope_frequencies()
    gguf_blocks()
    if not SMOLLM2.exists():
        sys.exit(f"{SMOLLM2} is not there: run `make models` first")
    smollm2_tokens()
    smollm2_logprobs()


if __name__ == "__main__":
    main()
