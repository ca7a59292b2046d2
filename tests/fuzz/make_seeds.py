#!/usr/bin/env python3
"""Writes the seeds of tests/fuzz/corpus: one plausible input for each parser.

Inputs that fuzzing found are committed beside them by hand. It needs protoc.
"""
import gzip
import json
import pathlib
import struct
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "fuzz" / "corpus"


def write(fuzzer, name, data):
    path = CORPUS / fuzzer / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def copy(fuzzer, source):
    write(fuzzer, pathlib.Path(source).name, (ROOT / source).read_bytes())


def encode(message, file, text):
    """Returns a message of proto/aha/v1/FILE.proto as bytes."""
    return subprocess.run(
        ["protoc", f"-I{ROOT}/proto", f"--encode=aha.v1.{message}",
         f"{ROOT}/proto/aha/v1/{file}.proto"],
        input=text.encode(), stdout=subprocess.PIPE, check=True).stdout


def story(*messages):
    """Encodes (kind, bytes) pairs as messages.h reads them."""
    return b"".join(bytes([kind]) + struct.pack("<H", len(data)) + data
                    for kind, data in messages)


def context(slot, consumer="learner:0"):
    return f"""key {{ step: 0 slot: {slot} }} policy {{ version: 0 }}
      prompt_id: "p" prompt: "1+1=" reference: "2" prompt_token_ids: [1, 2]
      num_generations: 2 consumer: "{consumer}" epoch: 1"""


def trajectory(sample):
    return f"""sample: {sample} token_ids: [3, 4] finish_reason:
      FINISH_REASON_STOP completion: "2"
      logprobs: "\\000\\000\\200\\277\\000\\000\\000\\277" """


def scored_group(slot):
    scored = "".join(
        f"trajectories {{ trajectory {{ {trajectory(i)} }} reward: {i} "
        f'parts {{ name: "accuracy" value: {i} }} }}' for i in (0, 1))
    return encode("DeliverRequest", "rollout",
                  f"group {{ context {{ {context(slot)} }} {scored} }}")


def reward_wire():
    def submit(text):
        return encode("SubmitRequest", "reward", text)
    sample = "trajectory {{ key {{ slot: 0 }} trajectory {{ {} }} }}"
    write("reward_wire_fuzz", "one_group", story(
        (0, submit(f"open {{ {context(0)} }}")),
        *((0, submit(sample.format(trajectory(i)))) for i in (0, 1)),
        (8, b""), (8, b"")))
    write("reward_wire_fuzz", "two_streams", story(
        (0, submit(f"open {{ {context(0)} }}")),
        (1, submit(f"open {{ {context(0, 'other:1')} }}")),
        (1, submit(sample.format(trajectory(1)))), (12, b""), (8, b"")))


def learner_wire():
    write("learner_wire_fuzz", "a_step",
          story((0, scored_group(0)), (0, scored_group(1)), (7, b"")))


def actor_wire():
    lease = encode("Lease", "coordinator", f"""lease_id: 1
      group {{ {context(0)} }} reward_address: "reward:0" sampling
      {{ temperature: 1 top_p: 1 top_k: 0 max_completion_length: 8 }}""")
    chunk = "id {{ version: 1 }} epoch: 1 total_bytes: 8 checksum: \
      \"0123456789abcdef\" offset: {} data: \"1234\""
    chunks = [encode("WeightsChunk", "weights", chunk.format(offset))
              for offset in (0, 4)]
    write("actor_wire_fuzz", "lease_and_weights",
          story((0, lease), *((1, c) for c in chunks)))


def coordinator_wire():
    def call(kind, message, text):
        return (kind, encode(message, "coordinator", text))
    who = "member_id: {} epoch: 1 "
    write("coordinator_wire_fuzz", "calls", story(
        call(0, "RegisterRequest", """role: ROLE_ACTOR name: "actor-1"
          incarnation: "i" certificate { digest: "same"
          numeric_class: "class A" }"""),
        call(4, "LeaseGroupsRequest", who.format(3) + "max_groups: 2"),
        call(1, "HeartbeatRequest", who.format(3) + "lease_ids: [1, 2]"),
        (6, scored_group(0)),
        call(5, "CompleteLeaseRequest",
             who.format(3) + "lease_id: 1 key { slot: 0 }"),
        call(8, "BeginStepRequest", who.format(1)),
        (13, b"12345"), (11, b""), (15, b"123"),
        call(7, "NextStageRequest", who.format(1)),
        call(3, "ReportProblemRequest", who.format(2) + 'message: "m"'),
        call(2, "LeaveRequest", who.format(3))))
    write("coordinator_wire_fuzz", "honest_steps", story(
        (11, b""), (11, b"1"), (12, b"1"), (11, b"12"), (12, b"12"),
        (14, b""), (14, b"1"), (15, b"1" * 200)))


def safetensors():
    header = json.dumps({"a": {"dtype": "F32", "shape": [2, 3],
                               "data_offsets": [0, 24]},
                         "__metadata__": {"format": "pt"}}).encode()
    write("safetensors_fuzz", "one_tensor",
          struct.pack("<Q", len(header)) + header + bytes(24))


def gguf():
    def text(value):
        return struct.pack("<Q", len(value)) + value
    metadata = (text(b"general.architecture") + struct.pack("<I", 8)
                + text(b"llama")
                + text(b"tokens") + struct.pack("<IIQ", 9, 8, 2)
                + text(b"a") + text(b"b"))
    # The tensor has two dimensions and type Q4_1 (3), at offset 0.
    tensor = text(b"w") + struct.pack("<IQQIQ", 2, 32, 2, 3, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 2) + metadata + tensor
    write("gguf_fuzz", "one_tensor",
          head + bytes(-len(head) % 32) + bytes(range(40)))


def numbers():
    """The length of the reference, the reference, the completion."""
    def seed(name, reference, completion):
        write("number_fuzz", name, bytes([len(reference.encode())])
              + (reference + completion).encode())
    seed("fraction", "1/2", "so \\boxed{\\frac{1}{2}}")
    seed("mixed", "31/4", "It is 7 3/4 or 7\\tfrac34 or 7\u00be.")
    seed("scientific", "300000", "-3.0 \\times 10^{5}, 3e5, 3\u00d710\u2075")
    seed("thousands", "1234567", "$1{,}234,567 or 1 234 567")
    seed("minus", "-5", "x = - 5, \u22125, \u20135, -$5")
    seed("percent", "0.12", "12\\%, 12 percent, 5 \\text{ million}")
    seed("unit", "5", "\\boxed{5\\,\\mathrm{cm}^2} 90^\\circ")
    seed("answer", "7", "<think>2\\pi</think><answer>x = \uff17</answer>")
    seed("huge", "1", "1e999999999 9^{99999} " + "7" * 5000)


def formulas():
    """The length of the answer, the answer, the reference."""
    def seed(name, answer, reference):
        write("math_fuzz", name, bytes([len(answer.encode())])
              + (answer + reference).encode())
    seed("fraction", "\\frac{1}{2}", "0.5")
    seed("interval", "x \\in [-2, 7)", "-2 \\le x < 7")
    seed("set", "\\{1 \\pm \\sqrt{5}, -2\\}", "1+\\sqrt5, 1-\\sqrt5, -2")
    seed("matrix", "\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}",
         "\\begin{bmatrix}1&2\\\\3&4\\end{bmatrix}")
    seed("polynomial", "(x+1)^2 (y-\\frac{2}{3})", "x^2y+2xy+y-2/3(x+1)^2")
    seed("values", "\\sin^2 x + \\cos^2 x", "e^{\\ln 1}")
    seed("equation", "2x+4y-3=0", "y=-\\frac{1}{2}x+\\frac{3}{4}")
    seed("units", "7\\frac{3}{4}\\text{ cm}^2", "\\$5 million, 12\\%, 90^\\circ")
    seed("functions", "|\\lfloor 2.5 \\rfloor! - \\binom{5}{2}|^{1/3}",
         "\\log_2 \\sqrt[3]{0.\\overline{3}}")
    seed("union", "(-\\infty,2)\\cup(3,4]", "x<2 \\text{ or } 3<x\\le4")
    seed("names", "f(2)=3:4, A_{1}'=52_8", "\\text{(C)} and \\mathrm{e}^{i\\pi}")


def texts():
    copy("job_fuzz", "recipes/tiny.yaml")
    copy("job_fuzz", "recipes/quickstart.yaml")
    copy("config_fuzz", "tests/golden/tiny-llama/config.json")
    for family in ("qwen2", "qwen3", "qwen3_moe", "mixtral"):
        source = ROOT / f"tests/golden/tiny-{family}/config.json"
        write("config_fuzz", f"{family}.json", source.read_bytes())
    copy("tokenizer_fuzz", "tests/golden/bpe/characters.json")
    copy("tokenizer_fuzz", "tests/golden/bpe/llama3.json")
    write("jsonl_fuzz", "prompts", '{"id": "a", "prompt": "1+1=", '
          '"reference": "2"}\n{"text": "a document"}\n')
    write("jsonl_fuzz", "array", '[{"question": "1+1=", "answer": "x\\n#### 2"'
          '},\n {"messages": [{"role": "user", "content": "hi"}]}]\n')
    table = 'question,answer\r\n"1, ""2""\n3",4\r\nplain,5\r\n'
    write("csv_rows_fuzz", "table.csv", table)
    write("reward_reply_fuzz", "score",
          '{"id": 7, "score": 0.5, "evidence": "found 7"}')
    write("reward_reply_fuzz", "outcome", '{"id": 8, "outcome": "limit"}')
    write("reward_reply_fuzz", "error", '{"id": 9, "error": "it broke"}')
    write("byte_stream_fuzz", "gzip", gzip.compress(table.encode(), mtime=0) * 2)
    # A frame of zstd with one block of plain bytes.
    block = (len(table) << 3 | 1).to_bytes(3, "little") + table.encode()
    write("byte_stream_fuzz", "zstd",
          b"\x28\xb5\x2f\xfd\x20" + bytes([len(table)]) + block)
    write("prompt_mapping_fuzz", "row", "reward_model.ground_truth\n"
          '(\\d+)\n{"prompt": [{"role": "user", "content": "1+1="}], '
          '"reward_model": {"ground_truth": "is 2"}}\n')
    zero = "0" * 32
    part = {"path": "model/model.safetensors", "bytes": 8, "xxh3_128": zero}
    write("manifest_fuzz", "manifest.json", json.dumps(
        {"format": 1, "job": "tiny", "job_fingerprint": zero, "job_text": "",
         "stage": 0, "stage_name": "grpo", "next_step": 2, "stage_done": False,
         "world_size": 1, "dtype": "F32", "weights_checksum": zero,
         "previous_checksum": zero, "chain": zero, "num_tokens": 9,
         "parts": [part], "manifest_xxh3_128": zero}))
    write("chat_template_fuzz", "chatml.jinja",
          "{% for message in messages %}{{'<|im_start|>' + message['role'] + "
          "'\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
          "{% endif %}")
    chat = pathlib.Path(__file__).parent.parent / "golden"
    for path in sorted((chat / "chat").glob("*.jinja")):
        write("chat_template_fuzz", path.name, path.read_text())
    snippets = json.loads((chat / "jinja.json").read_text())["snippets"]
    texts = [s["template"] for s in snippets if s["text"] is not None]
    for i in range(0, len(texts), 40):
        write("chat_template_fuzz", "snippets-%03d" % i,
              "\n".join(texts[i:i + 40]))
    write("state_store_fuzz", "untouched", b"")
    write("state_store_fuzz", "header", b"\x12\x00\xff\x40\x10\x00")


if __name__ == "__main__":
    for make in (reward_wire, learner_wire, actor_wire, coordinator_wire,
                 safetensors, gguf, numbers, formulas, texts):
        make()
