#!/usr/bin/env python3
"""Runs a Python reward function for Aha's reward service.

    aha-reward-python.py FILE.py FUNCTION

It speaks the protocol of docs/rewards.md on stdin and stdout and calls
FUNCTION of FILE.py once for each batch, with TRL's signature of reward
functions:

    def score(prompts, completions, completion_ids, **fields):
        return [1.0 if "42" in text else 0.0 for text in completions]

Each argument is a list with an element for each completion.  In a job whose
prompts are conversations, a prompt is a list of messages and a completion is a
list of one message.  The fields are the further keys of the prompts' lines; the
reference answer is there as `answer`, `solution`, `target` and `ground_truth`,
unless the line has such a key itself.  A function that has no **fields gets
only what it has parameters for.  The result is a list of numbers or None (the
completion is not for this function); the function may be async.

What the function prints goes into the log of the reward service.
"""

import asyncio
import importlib.util
import inspect
import json
import math
import os
import sys
import traceback

REFERENCE_NAMES = ("answer", "solution", "target", "ground_truth")


def load(path, name):
    """The function, from a file outside of any package."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    spec = importlib.util.spec_from_file_location("aha_reward", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["aha_reward"] = module
    spec.loader.exec_module(module)
    function = module
    for part in name.split("."):
        function = getattr(function, part, None)
    if not callable(function):
        sys.exit(f"{path} has no function {name}")
    return function


def columns(requests):
    """The keyword arguments of TRL's signature."""
    arguments = {
        "prompts": [r.get("messages", r["prompt"]) for r in requests],
        "completions": [
            [{"role": "assistant", "content": r["completion"]}]
            if "messages" in r else r["completion"] for r in requests],
        "completion_ids": [r["completion_ids"] for r in requests],
    }
    names = {name: None for r in requests for name in r["fields"]}
    for name in (*names, *REFERENCE_NAMES):
        absent = "reference" if name in REFERENCE_NAMES else None
        arguments.setdefault(
            name, [r["fields"].get(name, r.get(absent)) for r in requests])
    # What a trainer of TRL gives, too; nothing is made of it here.
    arguments.setdefault("trainer_state", None)
    arguments.setdefault("log_extra", lambda column, values: None)
    arguments.setdefault("log_metric", lambda name, value: None)
    return arguments


def accepted(function, arguments):
    """The arguments that the function has parameters for."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return arguments
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return arguments
    return {p.name: arguments[p.name] for p in parameters
            if p.name in arguments}


def scores_of(function, requests, loop):
    """A number or None for each request."""
    result = function(**accepted(function, columns(requests)))
    if inspect.isawaitable(result):
        async def finished(awaitable):
            return await awaitable
        result = loop.run_until_complete(finished(result))
    scores = list(result)
    if len(scores) != len(requests):
        raise ValueError(f"it returned {len(scores)} scores for "
                         f"{len(requests)} completions")
    scores = [None if score is None else float(score) for score in scores]
    for score in scores:
        if score is not None and not math.isfinite(score):
            raise ValueError(f"it returned the score {score}")
    return scores


def replies_to(function, requests, loop):
    try:
        scores = scores_of(function, requests, loop)
    except Exception as error:
        traceback.print_exc()
        text = f"{type(error).__name__}: {error}"
        return [{"id": r["id"], "error": text} for r in requests]
    return [{"id": r["id"], "score": score}
            for r, score in zip(requests, scores)]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    # What the function prints must not be taken for replies.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    function = load(sys.argv[1], sys.argv[2])
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    batch = []
    for line in sys.stdin.buffer:
        batch.append(json.loads(line))
        if batch[-1]["more"] > 0:
            continue
        for reply in replies_to(function, batch, loop):
            replies.write(json.dumps(reply) + "\n")
        replies.flush()
        batch = []


if __name__ == "__main__":
    main()
