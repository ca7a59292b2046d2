#!/usr/bin/env python3
"""Draws docs/curves.svg: what GRPO did, step by step, in real runs.

  docs/curves.py -o docs/curves.svg "seed 1=runs/quickstart" "seed 2=runs/seed2"

Each argument is LABEL=RUN_DIRECTORY.  Solid lines are the job itself; labels
that begin with "control" are drawn dashed.  Reads metrics.jsonl and nothing
else; only Python's standard library is needed.
"""
import argparse
import html
import json
import pathlib

PANELS = [
    ("rewards/accuracy/mean", "share of right answers", 1.0, "{:.0%}"),
    ("reward", "reward", 1.2, "{:.1f}"),
    ("completions/mean_length", "completion length, tokens", 48.0, "{:.0f}"),
]
COLORS = ["#2563eb", "#059669", "#d97706", "#7c3aed", "#dc2626", "#475569"]
WIDTH, HEIGHT, LEFT, TOP, GAP = 300, 190, 52, 34, 56


def read(run):
    """metric -> its values over the grpo steps of a run directory."""
    rows = []
    for line in pathlib.Path(run, "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        if "rewards/accuracy/mean" in row:
            rows.append(row)
    if not rows:
        raise SystemExit(f"{run}: metrics.jsonl has no step of type grpo")
    return {name: [row[name] for row in rows] for name, _, _, _ in PANELS}


def text(x, y, words, anchor="middle", size=11, color="#334155"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
            f'font-size="{size}" fill="{color}">{html.escape(words)}</text>')


def panel(index, name, title, top, form, runs):
    left = LEFT + index * (WIDTH + GAP)
    steps = max(len(curves[name]) for _, curves in runs)
    out = [text(left + WIDTH / 2, TOP - 12, title, size=13, color="#0f172a")]
    for tick in range(5):
        value = top * tick / 4
        y = TOP + HEIGHT * (1 - tick / 4)
        out.append(f'<path d="M{left} {y:.1f}H{left + WIDTH}" stroke="#e2e8f0"/>')
        out.append(text(left - 6, y + 4, form.format(value), "end"))
    for tick in range(0, steps + 1, max(1, steps // 4)):
        out.append(text(left + WIDTH * tick / steps, TOP + HEIGHT + 16, str(tick)))
    out.append(text(left + WIDTH / 2, TOP + HEIGHT + 32, "GRPO step"))
    for color, (label, curves) in zip(COLORS, runs):
        points = " ".join(
            f"{left + WIDTH * i / max(1, steps - 1):.1f},"
            f"{TOP + HEIGHT * (1 - min(value, top) / top):.1f}"
            for i, value in enumerate(curves[name]))
        dash = ' stroke-dasharray="5 3"' if label.startswith("control") else ""
        out.append(f'<polyline points="{points}" fill="none" stroke="{color}" '
                   f'stroke-width="1.6"{dash}/>')
    return out


def draw(runs):
    width = LEFT + 3 * WIDTH + 2 * GAP + 20
    height = TOP + HEIGHT + 72
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
           f'font-family="ui-sans-serif, system-ui, sans-serif">',
           f'<rect width="{width}" height="{height}" fill="#ffffff"/>']
    for index, (name, title, top, form) in enumerate(PANELS):
        out += panel(index, name, title, top, form, runs)
    x = LEFT
    for color, (label, _) in zip(COLORS, runs):
        y = height - 16
        dash = ' stroke-dasharray="5 3"' if label.startswith("control") else ""
        out.append(f'<path d="M{x} {y - 4}h24" stroke="{color}" stroke-width="2"{dash}/>')
        out.append(text(x + 30, y, label, "start", 12))
        x += 52 + 6.6 * len(label)
    return "\n".join(out + ["</svg>", ""])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", required=True, help="SVG file to write")
    parser.add_argument("runs", nargs="+", metavar="LABEL=RUN_DIRECTORY")
    arguments = parser.parse_args()
    if len(arguments.runs) > len(COLORS):
        parser.error(f"at most {len(COLORS)} runs, got {len(arguments.runs)}")
    runs = []
    for run in arguments.runs:
        label, equals, directory = run.partition("=")
        if not equals:
            parser.error(f"must be LABEL=RUN_DIRECTORY, got {run!r}")
        runs.append((label, read(directory)))
    pathlib.Path(arguments.output).write_text(draw(runs))


if __name__ == "__main__":
    main()
