"""Runs the queries of the dashboards' panels on a Prometheus.

draw.py and tests/deploy/monitoring_test.py use it; Grafana does the same.
"""

import glob
import json
import math
import os
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
DEADLINE = 20  # Seconds that an answer may take.


def dashboards():
    """Maps the name of each committed dashboard to its content."""
    found = {}
    for path in sorted(glob.glob(os.path.join(HERE, "dashboards", "*.json"))):
        with open(path, encoding="utf-8") as text:
            found[os.path.basename(path)[:-5]] = json.load(text)
    return found


def expanded(expr, job, rate_interval):
    """Fills in Grafana's variables. rate_interval is in seconds."""
    return (expr.replace("$job", job).replace("$instance", ".*")
            .replace("$__rate_interval", f"{math.ceil(rate_interval)}s"))


class Prometheus:
    """A client of the HTTP API. A refused query raises RuntimeError."""

    def __init__(self, url):
        self.url = url.rstrip("/")

    def get(self, path, **parameters):
        url = f"{self.url}/api/v1/{path}"
        if parameters:
            url += "?" + urllib.parse.urlencode(parameters, doseq=True)
        try:
            with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(
                f"{url}: {error.read().decode(errors='replace')}") from error

    def range(self, query, start, end, step):
        """Returns [(labels, [(time, value)])] without NaN and empty series."""
        data = self.get("query_range", query=query, start=start, end=end,
                        step=step)
        series = []
        for one in data["result"]:
            points = [(float(t), float(v)) for t, v in one["values"]]
            points = [(t, v) for t, v in points if math.isfinite(v)]
            if points:
                series.append((one["metric"], points))
        return series

    def span(self, job):
        """Returns when a process of the job was (first, last) scraped."""
        up = f'up{{job="{job}"}}'
        now = float(self.get("query", query="time()")["result"][1])

        def times(query, start, end, step):
            found = [t for _, points in self.range(query, start, end, step)
                     for t, _ in points]
            if not found:
                raise RuntimeError(f"{self.url} knows nothing of job {job!r}")
            return min(found), max(found)

        # This searches coarsely and then finely, because a range may have
        # 11,000 steps.
        first, last = times(f"last_over_time({up}[300s])", now - 15 * 86400,
                            now, 300)
        start, end = first - 300, min(last + 300, now)
        return times(up, start, end, max(1, (end - start) / 2000))
