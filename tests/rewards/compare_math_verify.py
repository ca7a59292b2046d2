#!/usr/bin/env python3
"""Compares the verifier `math` with the test-suite of PyPI's math-verify.

The suite's pairs of a reference and a completion, and what it expects, are
read from its source distribution; none of it is a part of this tree:

  python3 -m venv venv && venv/bin/pip install math-verify==0.9.0 pytest \\
      antlr4-python3-runtime==4.13.2
  venv/bin/pip download --no-deps --no-binary :all: math-verify==0.9.0
  tar xf math_verify-0.9.0.tar.gz
  venv/bin/python tests/rewards/compare_math_verify.py math_verify-0.9.0 \\
      build/release/bin/ahactl

prints how many verdicts agree, and each that does not.  docs/verifiers.md has
the result.
"""
import glob
import importlib.util
import json
import os
import subprocess
import sys
import tempfile


def pairs(source):
    sys.path.insert(0, source)
    for path in sorted(glob.glob(source + "/tests/*.py")):
        name = os.path.basename(path)[:-3]
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for test in vars(module).values():
            for mark in getattr(test, "pytestmark", []):
                if mark.name != "parametrize":
                    continue
                names = mark.args[0]
                if isinstance(names, str):
                    names = [n.strip() for n in names.split(",")]
                if "gold" not in names:
                    continue  # Not a pair.
                for values in mark.args[1]:
                    row = dict(zip(names, getattr(values, "values", values)))
                    if row.get("strict") is False:
                        continue  # Another equality.
                    expected = row.get("expected", row.get("result"))
                    yield test.__name__, row["gold"], row["pred"], bool(expected)


def main():
    source, ahactl = sys.argv[1:]
    rows = list(pairs(os.path.abspath(source)))
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        for _, gold, pred, _ in rows:
            file.write(json.dumps({"completion": pred, "answer": gold}) + "\n")
        file.flush()
        out = subprocess.run(
            [ahactl, "reward", "test", file.name, "--verifier", "math", "-o",
             "json"], check=True, capture_output=True, text=True).stdout
    verdicts = json.loads(out)["verdicts"]
    agree = 0
    for (test, gold, pred, expected), verdict in zip(rows, verdicts):
        if (verdict["value"] == 1) == expected:
            agree += 1
            continue
        print("%s: expects %d\n  reference  %r\n  completion %r\n  %s: %s" %
              (test, expected, gold[-150:], pred[-150:], verdict["outcome"],
               verdict["evidence"]))
    print("%d of %d agree, %.1f %%" % (agree, len(rows),
                                       100 * agree / len(rows)))


if __name__ == "__main__":
    main()
