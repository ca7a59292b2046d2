#!/usr/bin/env python3
"""Prints which tests ctest skipped and why; ctest itself prints only names.

  tests/skipped.py JUNIT_FILE      a file of `ctest --output-junit`

It prints a line for each reason, and nothing if nothing was skipped.
"""
import collections
import re
import sys
import xml.etree.ElementTree as xml


def reason(output: str) -> str:
    """What the test said: googletest's message, else its last line."""
    """Returns googletest's message, else the last line of the output."""
    if of_googletest:
        return " ".join(of_googletest.group(1).split())
    lines = output.strip().splitlines()
    return lines[-1] if lines else "no reason was printed"


def main() -> None:
    names = collections.defaultdict(list)
    for case in xml.parse(sys.argv[1]).iter("testcase"):
        if case.find("skipped") is not None:
            said = case.findtext("system-out") or ""
            names[reason(said)].append(case.get("name"))
    if names:
        print("\nSkipped tests and the reasons:")
    for why, tests in names.items():
        more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
        print(f"  {why}\n    {tests[0]}{more}")


if __name__ == "__main__":
    main()
