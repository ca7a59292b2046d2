#!/usr/bin/env python3
"""What ctest skipped, and why: its own summary names the tests alone.

  tests/skipped.py JUNIT_FILE      a file of `ctest --output-junit`

Prints a line for each reason, and nothing where nothing was skipped.
"""
import collections
import re
import sys
import xml.etree.ElementTree as xml


def reason(output: str) -> str:
    """What the test said: googletest's message, else its last line."""
    of_googletest = re.search(r": Skipped\n(.+?)\n\s*\[", output, re.DOTALL)
    if of_googletest:
        return " ".join(of_googletest.group(1).split())
    lines = output.strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def main() -> None:
    names = collections.defaultdict(list)
    for case in xml.parse(sys.argv[1]).iter("testcase"):
        if case.find("skipped") is not None:
            said = case.findtext("system-out") or ""
            names[reason(said)].append(case.get("name"))
    if names:
        print("\nWhat was skipped, and why:")
    for why, tests in names.items():
        more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
        print(f"  {why}\n    {tests[0]}{more}")


if __name__ == "__main__":
    main()
