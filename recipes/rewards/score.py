"""A reward of one's own as a Python function (docs/rewards.md), with the
signature that TRL's GRPOTrainer calls: lists in, a list of numbers out.
"""


def text_of(completion):
    """A completion is a list of messages if the prompts are conversations."""
    if isinstance(completion, str):
        return completion
    return completion[-1]["content"]


def score(completions, answer, **fields):
    """How near to ten characters the completion is; None without an answer."""
    scores = []
    for completion, reference in zip(completions, answer):
        length = len(text_of(completion))
        scores.append(1 / (1 + abs(length - 10)) if reference else None)
    return scores
