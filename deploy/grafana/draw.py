#!/usr/bin/env python3
"""Draws the dashboards as SVG, without Grafana.

The panels come from the JSON that Grafana reads and the data from a real
Prometheus.

  draw.py URL JOB DIRECTORY            run.svg, pipeline.svg and index.html
  draw.py URL JOB DIRECTORY --every 10 again every ten seconds, until killed
"""

import argparse
import html
import math
import os
import sys
import time

import queries

WIDTH, GAP, UNIT = 1440, 8, 30  # Pixels; Grafana has 24 columns, rows of 30.
COLUMN = WIDTH / 24
COLORS = ["#73bf69", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#fade2a",
          "#8ab8ff", "#c4162a", "#37872d", "#e0b400"]
TEXT, FAINT, GRID, PANEL, PAGE = ("#ccccdc", "#8e8e9c", "#2c3036", "#181b1f",
                                  "#111217")


def shown(value, unit):
    """Formats a value for a reader: 0.25 percentunit is 25 %."""
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit in ("bytes", "Bps"):
        per = "/s" if unit == "Bps" else ""
        for name in ("B", "KiB", "MiB", "GiB"):
            if abs(value) < 1024 or name == "GiB":
                return f"{value:.4g} {name}{per}"
            value /= 1024
    suffix = ""
    if unit == "s":
        suffix = " s"
        for limit, factor, name in ((1e-3, 1e6, " µs"), (1, 1e3, " ms")):
            if 0 < abs(value) < limit:
                value, suffix = value * factor, name
                break
    elif abs(value) >= 1e4:
        value, suffix = value / 1e3, " k"
    elif 0 < abs(value) < 1e-3:
        return f"{value:.1e}"
    return f"{value:.4g}" + suffix


def ticks(low, high, unit, most=5):
    """Returns round numbers from low to high."""
    raw = (high - low) / most
    power = 1
    if unit in ("bytes", "Bps"):
        power = 1024 ** max(0, math.floor(math.log(raw, 1024)))
    power *= 10 ** math.floor(math.log10(raw / power))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw)
    first = math.ceil(low / step - 1e-9)
    return [step * i for i in range(first, math.floor(high / step + 1e-9) + 1)]


def legend(text, labels):
    for name, value in labels.items():
        text = text.replace("{{" + name + "}}", value)
    return text


class Svg:
    def __init__(self):
        self.parts = []

    def text(self, x, y, words, size=12, color=TEXT, anchor="start", bold=False):
        weight = 600 if bold else 400
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}" '
            f'text-anchor="{anchor}" font-weight="{weight}">'
            f"{html.escape(words)}</text>")

    def rect(self, x, y, w, h, color, border="none", radius=0):
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" '
            f'rx="{radius}" fill="{color}" stroke="{border}"/>')

    def line(self, points, color, width=1.5):
        at = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{at}" fill="none" '
                          f'stroke="{color}" stroke-width="{width}"/>')

    def area(self, points, color):
        at = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polygon points="{at}" fill="{color}" '
                          f'fill-opacity="0.45"/>')


def stacked(series):
    """Stacks the series: [(labels, [(time, bottom, top)])]."""
    sums, result = {}, []
    for name, points in series:
        layer = []
        for t, value in points:
            bottom = sums.get(t, 0)
            sums[t] = bottom + value
            layer.append((t, bottom, sums[t]))
        result.append((name, layer))
    return result


def pieces(points, gap):
    """Cuts a series where samples are missing."""
    start = 0
    for i in range(1, len(points) + 1):
        if i == len(points) or points[i][0] - points[i - 1][0] > gap:
            yield points[start:i]
            start = i


def draw_chart(svg, panel, series, box, span):
    x, y, w, h = box
    start, end, step = span
    defaults = panel["fieldConfig"]["defaults"]
    unit = defaults["unit"]
    layers = (stacked(series) if "stacking" in defaults["custom"] else
              [(name, [(t, None, v) for t, v in points])
               for name, points in series])
    values = [v for _, layer in layers for _, b, v in layer]
    values += [b for _, layer in layers for _, b, _ in layer if b is not None]
    low, high = min(values), max(values)
    low = min(low, defaults.get("min", low))
    high = max(high, defaults.get("max", high))
    if high - low < 1e-12 * max(1, abs(high)):
        low, high = low - (0 if "min" in defaults else 1), high + 1
    high += 0.05 * (high - low)
    left, right, top = x + 76, x + w - 12, y + 34
    rows = layout(layers, right - x - 12)
    bottom = y + h - 24 - 16 * len(rows)

    def px(t):
        return left + (right - left) * (t - start) / max(1e-9, end - start)

    def py(v):
        return bottom - (bottom - top) * (v - low) / (high - low)

    for tick in ticks(low, high, unit):
        svg.line([(left, py(tick)), (right, py(tick))], GRID, 1)
        svg.text(left - 6, py(tick) + 4, shown(tick, unit), 11, FAINT, "end")
    for i in range(5):
        t = start + (end - start) * i / 4
        clock = time.strftime("%H:%M:%S", time.gmtime(t))
        svg.text(px(t), bottom + 15, clock, 10, FAINT,
                 ("start", "middle", "middle", "middle", "end")[i])
    for i, (_, layer) in enumerate(layers):
        color = COLORS[i % len(COLORS)]
        for piece in pieces(layer, 2.5 * step):
            above = [(px(t), py(v)) for t, _, v in piece]
            if len(above) == 1:
                above = [(above[0][0] - 1, above[0][1]),
                         (above[0][0] + 1, above[0][1])]
            if piece[0][1] is not None:
                below = [(px(t), py(b)) for t, b, _ in piece]
                svg.area(above + below[::-1], color)
            svg.line(above, color)
    for row, entries in enumerate(rows):
        for at, i, name in entries:
            base = bottom + 32 + 16 * row
            svg.rect(x + 12 + at, base - 5, 12, 3, COLORS[i % len(COLORS)])
            svg.text(x + 28 + at, base, name, 11)


def layout(layers, width):
    """Lays the legend out in at most two lines: [[(offset, number, name)]]."""
    rows, at = [[]], 0
    for i, (name, _) in enumerate(layers):
        need = 30 + 6.1 * len(name)
        if at + need > width and rows[-1]:
            if len(rows) == 2:
                break
            rows.append([])
            at = 0
        rows[-1].append((at, i, name))
        at += need
    return rows


def draw_number(svg, panel, series, box):
    x, y, w, h = box
    defaults, mode = panel["fieldConfig"]["defaults"], panel["options"]["textMode"]
    # Show the latest value of each; a state that has ended is not shown.
    latest = max(points[-1][0] for _, points in series)
    if mode == "name":
        series = [s for s in series if s[1][-1][0] == latest]
        words = [(name, "") for name, _ in series]
    else:
        words = [(shown(points[-1][1], defaults["unit"]),
                  name if mode == "value_and_name" else "")
                 for name, points in series]
    for i, (value, name) in enumerate(words):
        middle = x + w * (2 * i + 1) / (2 * len(words))
        svg.text(middle, y + h / 2 + (18 if not name else 14), value,
                 26 if len(words) == 1 else 19, COLORS[0], "middle", True)
        svg.text(middle, y + h / 2 + 34, name, 11, FAINT, "middle")


def draw(dashboard, prometheus, job, scrape):
    start, end = prometheus.span(job)
    end = max(end, start + 1)
    step = max(scrape, (end - start) / 240)
    svg = Svg()
    rows = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in dashboard["panels"])
    height = rows * UNIT + 44
    svg.rect(0, 0, WIDTH, height, PAGE)
    svg.text(12, 28, dashboard["title"], 18, TEXT, bold=True)
    day = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(end))
    svg.text(WIDTH - 12, 28, f"job {job}, {end - start:.0f} s until {day} UTC",
             12, FAINT, "end")
    for panel in dashboard["panels"]:
        grid = panel["gridPos"]
        box = (grid["x"] * COLUMN + GAP / 2, grid["y"] * UNIT + 40 + GAP / 2,
               grid["w"] * COLUMN - GAP, grid["h"] * UNIT - GAP)
        svg.rect(*box, PANEL, GRID, 3)
        svg.text(box[0] + 12, box[1] + 20, panel["title"], 13, TEXT, bold=True)
        series = []
        for target in panel["targets"]:
            query = queries.expanded(target["expr"], job, max(4 * scrape, step))
            series += [(legend(target["legendFormat"], labels), points)
                       for labels, points in
                       prometheus.range(query, start, end, step)]
        if not series:
            svg.text(box[0] + box[2] / 2, box[1] + box[3] / 2, "No data", 13,
                     FAINT, "middle")
        elif panel["type"] == "stat":
            draw_number(svg, panel, series, box)
        else:
            draw_chart(svg, panel, series, box, (start, end, step))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
            f'height="{height}" viewBox="0 0 {WIDTH} {height}" '
            'font-family="DejaVu Sans, Helvetica, Arial, sans-serif">\n' +
            "\n".join(svg.parts) + "\n</svg>\n")


PAGE_HTML = """<!doctype html>
<title>Aha: {job}</title>
<meta http-equiv="refresh" content="10">
<style>body {{ background: #111217; margin: 0 }} img {{ width: 100% }}</style>
<img src="run.svg" alt="Run"><img src="pipeline.svg" alt="Pipeline">
"""


def write(path, text):
    with open(path + ".tmp", "w", encoding="utf-8") as out:
        out.write(text)
    os.replace(path + ".tmp", path)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("job")
    parser.add_argument("directory")
    parser.add_argument("--every", type=float, help="seconds")
    parser.add_argument("--scrape", type=float, default=5,
                        help="Prometheus's scrape_interval in seconds")
    options = parser.parse_args()
    prometheus = queries.Prometheus(options.url)
    write(os.path.join(options.directory, "index.html"),
          PAGE_HTML.format(job=html.escape(options.job)))
    while True:
        try:
            for name, dashboard in queries.dashboards().items():
                write(os.path.join(options.directory, name + ".svg"),
                      draw(dashboard, prometheus, options.job, options.scrape))
        except (RuntimeError, OSError) as error:
            # They do not exist yet, or no longer.
            if not options.every:
                sys.exit(f"draw.py: {error}")
        if not options.every:
            return
        time.sleep(options.every)


if __name__ == "__main__":
    main()
