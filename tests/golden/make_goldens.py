#!/usr/bin/env python3
"""Writes the golden values beside this file; see README.md.

It is deterministic for given versions of torch, transformers and tokenizers,
which each golden file names.
"""

import json
import os
import pathlib
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import safetensors.torch
import tokenizers
import torch
import transformers
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

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


def small_tokenizers():
    llama3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
              r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
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
        path = HERE / "bpe" / f"{name}.json"
        tokenizer.save(str(path), pretty=False)
        golden[name] = encodings(
            tokenizers.Tokenizer.from_file(str(path)), TRICKY)
    write("bpe.json", {"tokenizers": golden})


def character_tokenizer():
    """Loads Aha's own tokenizer.json into Hugging Face's library."""
    path = HERE / "bpe" / "characters.json"
    tokenizer = tokenizers.Tokenizer.from_file(str(path))
    write("characters.json", {"encodings": encodings(tokenizer, CHARACTERS)})


def randomize(model):
    """Weights with which attention, gates, gains and biases do something."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(1 + 0.1 * torch.randn_like(weight)
                         if "norm" in name
                         else 0.25 * torch.randn_like(weight))
            # The weights are exact in bf16, so that one file serves both
            # formats.
            weight.copy_(weight.bfloat16().float())


def save_tiny(model, directory):
    model.save_pretrained(HERE / directory)
    (HERE / directory / "model.safetensors").chmod(0o644)


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
    safetensors.torch.save_file(
        {name: weight.grad.contiguous()
         for name, weight in model.named_parameters()},
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
# of 16, a head_dim of its own.
def tiny_qwens():
    qwen2 = transformers.Qwen2Config(
        vocab_size=83, hidden_size=40, intermediate_size=56,
        num_hidden_layers=3, num_attention_heads=5, num_key_value_heads=1,
        max_position_embeddings=128, rms_norm_eps=1e-6, rope_theta=1000000.0,
        tie_word_embeddings=True, bos_token_id=1, eos_token_id=2,
        use_sliding_window=False, sliding_window=64, max_window_layers=2)
    qwen3 = transformers.Qwen3Config(
        vocab_size=75, hidden_size=32, intermediate_size=72,
        num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        head_dim=24, max_position_embeddings=128, rms_norm_eps=1e-6,
        rope_theta=1000000.0, tie_word_embeddings=False, bos_token_id=1,
        eos_token_id=2)
    for name, seed, config, kind in (
            ("tiny-qwen2", 17, qwen2, transformers.Qwen2ForCausalLM),
            ("tiny-qwen3", 19, qwen3, transformers.Qwen3ForCausalLM)):
        torch.manual_seed(seed)
        # The plain formula: with softmax and products in fp32.
        config._attn_implementation = "eager"
        model = kind(config).float().eval()
        randomize(model)
        save_tiny(model, name)
        write(f"{name.replace('-', '_')}.json", {
            "sequences": scored_sequences(model, config.vocab_size),
            "grpo": grpo_gradients(model, config.vocab_size, name)})


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
    small_tokenizers()
    character_tokenizer()
    tiny_llama()
    tiny_qwens()
    if not SMOLLM2.exists():
        sys.exit(f"{SMOLLM2} is not there: run `make smollm2` first")
    smollm2_tokens()
    smollm2_logprobs()


if __name__ == "__main__":
    main()
