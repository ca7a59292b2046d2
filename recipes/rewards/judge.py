#!/usr/bin/env python3
"""A reward of one's own as a program (docs/rewards.md): a request a line comes
in on stdin, a reply a line goes out on stdout.  Any language can do this.

The score is the share of the reference's digits that occur in the completion.
"""
import json
import sys

for line in sys.stdin:
    request = json.loads(line)
    digits = set(request["reference"])
    found = digits & set(request["completion"])
    reply = {"id": request["id"],
             "score": len(found) / max(1, len(digits)),
             "evidence": f"found {''.join(sorted(found)) or 'none'}"}
    print(json.dumps(reply), flush=True)
