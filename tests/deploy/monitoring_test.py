#!/usr/bin/env python3
"""Executes what deploy/prometheus and deploy/grafana ship.

Files:    Prometheus accepts them, each alert fires and stays silent, and the
          dashboards' JSON is what dashboards.py writes.
Watched:  deploy/prometheus/watch watches a real job (watched.yaml) with a real
          Prometheus. Every query of every panel has data; every exported series
          is shown, alerted on or listed as deliberately neither; a fault makes
          an alert fire.

AHA_BIN_DIR names the directory of the programs. AHA_UPDATE_DOCS=1 rewrites the
table of series in docs/monitoring.md. Ports and directories are private, so it
can run beside other tests.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
import xml.etree.ElementTree

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BIN = os.environ.get("AHA_BIN_DIR", os.path.join(SOURCE, "build/release/bin"))
PROMETHEUS = os.path.join(SOURCE, "deploy/prometheus")
GRAFANA = os.path.join(SOURCE, "deploy/grafana")
DOCUMENT = os.path.join(SOURCE, "docs/monitoring.md")
sys.path.insert(0, GRAFANA)
sys.dont_write_bytecode = True
import dashboards  # noqa: E402  pylint: disable=wrong-import-position
import queries  # noqa: E402  pylint: disable=wrong-import-position

# Series that are exported and deliberately neither shown nor alerted on.
NEITHER = {
    "exposer_request_latencies": "of the exporter library; dropped by the "
                                 "scrape configuration",
    "exposer_scrapes_total": "as above",
    "exposer_transferred_bytes_total": "as above",
    "process_start_time_seconds": "standard; restarts show in the epoch, in "
                                  "lost members and in counters",
}
RUN_LIMIT = 480  # Seconds; the job takes about twenty on an idle machine.


def read(*path):
    with open(os.path.join(SOURCE, *path), encoding="utf-8") as text:
        return text.read()


def promtool(*arguments, **more):
    return subprocess.run(["promtool", *arguments], capture_output=True,
                          text=True, timeout=60, check=False, **more)


def names(expr):
    """Returns the series that a query names."""
    return set(re.findall(r"\b(?:job:)?(?:aha|process)_\w+(?::\w+)?", expr))


def alerts():
    return re.findall(r"- alert: (\w+)", read("deploy/prometheus/alerts.yml"))


def discovered(config, directory, text=None):
    """Returns the targets that Prometheus makes of a configuration: [labels]."""
    path = os.path.join(directory, config)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text or read("deploy/prometheus", config))
    for rules in ("recording.yml", "alerts.yml"):
        with open(os.path.join(directory, rules), "w", encoding="utf-8") as out:
            out.write(read("deploy/prometheus", rules))
    done = promtool("check", "service-discovery", "--timeout=4s", path, "aha")
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    # Dropped targets have no labels.
    return [one["labels"] for one in json.loads(done.stdout) if one["labels"]]


class Files(unittest.TestCase):
    def test_prometheus_accepts_rules_and_configurations(self):
        for config in ("files.yml", "static.yml"):
            done = promtool("check", "config", f"{PROMETHEUS}/{config}")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        done = promtool("check", "rules", "--lint=all", "--lint-fatal",
                        f"{PROMETHEUS}/alerts.yml",
                        f"{PROMETHEUS}/recording.yml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_each_alert_is_seen_to_fire_and_to_stay_silent(self):
        done = promtool("test", "rules", f"{PROMETHEUS}/tests.yml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        tests = re.split(r"alertname: ", read("deploy/prometheus/tests.yml"))
        for alert in alerts():
            checks = [t for t in tests if t.startswith(alert + "\n")]
            self.assertTrue(any("exp_labels" in t for t in checks), alert)
            self.assertTrue(any("exp_alerts: []" in t for t in checks), alert)

    def test_each_alert_has_its_section_in_the_document(self):
        for alert in alerts():
            self.assertIn(f"**{alert}**", read("docs/monitoring.md"))

    def test_the_dashboards_are_what_dashboards_py_writes(self):
        for path, text in dashboards.files().items():
            with open(path, encoding="utf-8") as there:
                self.assertEqual(there.read(), text,
                                 "run deploy/grafana/dashboards.py")

    def test_every_panel_says_what_it_shows_and_in_which_unit(self):
        for name, dashboard in queries.dashboards().items():
            for panel in dashboard["panels"]:
                where = f"{name}: {panel['title']}"
                self.assertTrue(panel["description"], where)
                self.assertTrue(panel["fieldConfig"]["defaults"]["unit"], where)
                for target in panel["targets"]:
                    self.assertIn('job="$job"', target["expr"], where)

    def test_the_static_list_names_every_service(self):
        with tempfile.TemporaryDirectory() as directory:
            found = discovered("static.yml", directory)
        self.assertEqual({one["service"] for one in found},
                         {"coordinator", "reward", "learner", "actor"})
        self.assertEqual({one["job"] for one in found}, {"tiny"})

    def test_kubernetes_pods_are_relabelled(self):
        """Debian's Prometheus has no Kubernetes discovery: the pods come from a
        file with the labels that discovery gives; the rest is as shipped."""

        def pod(name, port="metrics", phase="Running", app="aha"):
            meta = "__meta_kubernetes_"
            return {"targets": ["10.0.0.7:9464"], "labels": {
                meta + "namespace": "research",
                meta + "pod_name": name,
                meta + "pod_phase": phase,
                meta + "pod_container_port_name": port,
                meta + "pod_label_app_kubernetes_io_name": app,
                meta + "pod_label_app_kubernetes_io_instance": "tiny",
                meta + "pod_label_app_kubernetes_io_component": "actor"}}

        shipped = read("deploy/prometheus/kubernetes.yml")
        text = shipped.replace(
            "kubernetes_sd_configs:\n      - role: pod\n",
            "file_sd_configs:\n      - files: [pods.json]\n")
        self.assertNotEqual(text, shipped)
        with tempfile.TemporaryDirectory() as directory:
            with open(f"{directory}/pods.json", "w", encoding="utf-8") as out:
                json.dump([pod("aha-actor-5d9f"), pod("aha-actor-a", "grpc"),
                           pod("aha-actor-b", phase="Pending"),
                           pod("other", app="nginx")], out)
            found = discovered("kubernetes.yml", directory, text)
        self.assertEqual([(one["job"], one["service"], one["instance"],
                           one["namespace"]) for one in found],
                         [("tiny", "actor", "aha-actor-5d9f", "research")])


class Watch:
    """Runs deploy/prometheus/watch as a child; `url` is set once it serves."""

    def __init__(self, run, *command):
        self.process = subprocess.Popen(
            [f"{PROMETHEUS}/watch", run, *command], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True, env={**os.environ, "AHA_WATCH_LISTEN": "127.0.0.1:0",
                 "AHA_WATCH_SCRAPE": "1"})
        said = []
        for line in self.process.stdout:
            said.append(line)
            if "Grafana" in line:
                break
        found = re.search(r"query +(http://\S+)/graph", "".join(said))
        if not found:
            raise AssertionError("".join(said))
        self.url = found.group(1)
        self.prometheus = queries.Prometheus(self.url)

    def wait(self):
        said, _ = self.process.communicate(timeout=RUN_LIMIT)
        return self.process.returncode, said

    def stop(self):
        if self.process.poll() is None:
            # This ends the command too; the watchers end with the script.
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(timeout=60)
        self.process.stdout.close()


def http(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


class Watched(unittest.TestCase):
    """Uses one run for all tests and keeps what was seen during it."""

    @classmethod
    def setUpClass(cls):
        cls.texts = {}  # Maps an instance to the latest text of its endpoint.
        cls.services = {}  # Maps an instance to its service.
        cls.firing, cls.rules = set(), {}
        cls.silences = 0  # Counts how often actors were stopped.
        cls.temporary = tempfile.TemporaryDirectory()
        cls.run_directory = os.path.join(cls.temporary.name, "watched")
        cls.addClassCleanup(cls.temporary.cleanup)
        first = Watch(cls.run_directory, f"{BIN}/ahactl", "run",
                      f"{SOURCE}/tests/deploy/watched.yaml", "--dir",
                      cls.run_directory)
        cls.addClassCleanup(first.stop)
        cls.follow(first)
        cls.exit_code, cls.said = first.wait()
        # The run is shown again after the job has ended.
        cls.watch = Watch(cls.run_directory)
        cls.addClassCleanup(cls.watch.stop)
        cls.span = cls.watch.prometheus.span("watched")

    @classmethod
    def follow(cls, watch):
        stopped, began = [], time.monotonic()
        while watch.process.poll() is None:
            if time.monotonic() - began > RUN_LIMIT:
                raise AssertionError("the watched job took too long")
            time.sleep(0.3)
            try:
                cls.look(watch)
                actors = [cls.pid("actor-0"), cls.pid("actor-1")]
            except (OSError, RuntimeError, ValueError, StopIteration):
                continue  # Processes start and end at any time.
            # Both actors stop answering while they hold leases, until the alert
            # fires: if only one did, the job could end before. It is repeated
            # if they happened to hold no lease.
            if not stopped and not cls.firing and cls.steps() > 15:
                stopped, silent = actors, time.monotonic()
                cls.silences += 1
                for actor in stopped:
                    os.kill(actor, signal.SIGSTOP)
            elif stopped and (cls.firing or time.monotonic() - silent > 20):
                for actor in stopped:
                    os.kill(actor, signal.SIGCONT)
                stopped = []

    @classmethod
    def look(cls, watch):
        for target in json.loads(read(cls.run_directory, "targets.json")):
            labels, instance = target["labels"], target["labels"]["instance"]
            if cls.steps() > 20 or instance not in cls.texts:
                cls.texts[instance] = http(
                    f"http://{target['targets'][0]}/metrics")
                cls.services[instance] = labels["service"]
        for group in watch.prometheus.get("rules")["groups"]:
            for rule in group["rules"]:
                cls.rules[rule["name"]] = rule["health"], rule.get("lastError")
                if rule.get("state") == "firing":
                    cls.firing.add(rule["name"])

    @classmethod
    def steps(cls):
        try:
            return read(cls.run_directory, "metrics.jsonl").count("\n")
        except OSError:
            return 0

    @classmethod
    def pid(cls, name):
        listed = json.loads(read(cls.run_directory, "processes.json"))
        return next(one["pid"] for one in listed if one["name"] == name)

    def families(self):
        """Maps the name of each exported series to (type, services, help)."""
        found = {}
        for instance, text in self.texts.items():
            for name, words in re.findall(r"^# HELP (\S+) (.*)$", text, re.M):
                kind = re.search(rf"^# TYPE {name} (\w+)$", text, re.M).group(1)
                services = found.setdefault(name, (kind, set(), words))[1]
                services.add(self.services[instance])
        return found

    def missing(self, expr):
        """Returns why the query shows nothing, or None."""
        start, end = self.span
        query = queries.expanded(expr, "watched", 5)
        try:
            return None if self.watch.prometheus.range(
                query, start, end, 0.5) else "empty"
        except RuntimeError as error:
            return str(error)

    def test_the_job_succeeds_and_its_processes_are_found(self):
        self.assertEqual(self.exit_code, 0, self.said)
        self.assertEqual(self.services, {
            "coordinator": "coordinator", "reward-0": "reward",
            "learner-0": "learner", "learner-1": "learner",
            "actor-0": "actor", "actor-1": "actor"})

    def test_nobody_is_a_target_when_the_job_is_over(self):
        self.assertEqual(json.loads(read(self.run_directory, "targets.json")),
                         [])

    def test_every_query_of_every_panel_has_data(self):
        failed = []
        for name, dashboard in queries.dashboards().items():
            for panel in dashboard["panels"]:
                for target in panel["targets"]:
                    why = self.missing(target["expr"])
                    if why:
                        failed.append(f"{name}, {panel['title']}: "
                                      f"{target['expr']}: {why}")
        self.assertEqual(failed, [])

    def test_a_renamed_series_and_a_broken_query_would_be_noticed(self):
        self.assertEqual(self.missing('aha_stepz_total{job="$job"}'), "empty")
        self.assertIn("parse error", self.missing("sum (rate("))

    def test_every_rule_is_evaluated_without_error(self):
        self.assertEqual(set(alerts()) - set(self.rules), set())
        for name, (health, error) in self.rules.items():
            self.assertEqual((name, health, error), (name, "ok", None))

    def test_silent_actors_fire_their_alert_and_no_other(self):
        self.assertIn("AhaLeasesExpire", self.firing)
        # An actor that stops answering twice is lost twice.
        self.assertLessEqual(self.firing, {"AhaLeasesExpire"} | (
            {"AhaCrashLoop"} if self.silences > 1 else set()))

    def test_names_units_and_help_are_as_prometheus_wants_them(self):
        for instance, text in self.texts.items():
            own = re.sub(r"^.*exposer_.*\n", "", text, flags=re.M)
            done = promtool("check", "metrics", input=own)
            self.assertEqual(done.returncode, 0,
                             f"{instance}: {done.stdout}{done.stderr}")

    def shown_in(self, family):
        """Lists where a series is shown: dashboards, alerts."""
        parts = {family + end for end in ("", "_bucket", "_sum", "_count")}
        rules = read("deploy/prometheus/recording.yml")
        recorded = {}
        for record, expr in re.findall(
                r"- record: (\S+)\n +expr: ((?:.|\n)+?)(?=\n +- |\Z)", rules):
            recorded[record] = names(expr)
        where = []
        for name, dashboard in queries.dashboards().items():
            text = json.dumps([dashboard["templating"], dashboard["panels"]])
            used = names(text)
            for record in used & set(recorded):
                used |= recorded[record]
            if used & parts:
                where.append(name.capitalize())
        for alert, body in re.findall(r"- alert: (\w+)\n((?:.|\n)+?)labels:",
                                      read("deploy/prometheus/alerts.yml")):
            used = names(body)
            for record in used & set(recorded):
                used |= recorded[record]
            if used & parts:
                where.append(alert)
        return where

    def test_every_series_is_shown_alerted_on_or_deliberately_neither(self):
        unseen = {name for name in self.families() if not self.shown_in(name)}
        self.assertEqual(unseen, set(NEITHER))

    def test_alerts_ask_only_for_what_is_exported(self):
        exported = set(self.families())
        for text in ("alerts.yml", "recording.yml"):
            asked = {name for name in names(read("deploy/prometheus", text))
                     if not name.startswith("job:")}
            self.assertEqual(asked - exported, set(), text)

    def table(self):
        lines = ["| series | type | of | what | seen in |",
                 "| --- | --- | --- | --- | --- |"]
        for name, (kind, services, words) in sorted(self.families().items()):
            where = ", ".join(self.shown_in(name)) or \
                f"neither: {NEITHER.get(name)}"
            of = ", ".join(sorted(services))
            lines.append(f"| `{name}` | {kind} | {of} | {words} | {where} |")
        return "\n".join(lines) + "\n"

    def test_the_document_lists_every_series(self):
        begin, end = "<!-- series: made by monitoring_test.py -->\n", \
            "<!-- end -->\n"
        text = read("docs/monitoring.md")
        head, rest = text.split(begin)
        table, tail = rest.split(end)
        if os.environ.get("AHA_UPDATE_DOCS"):
            with open(DOCUMENT, "w", encoding="utf-8") as out:
                out.write(head + begin + self.table() + end + tail)
            return
        self.assertEqual(table, self.table(),
                         "run with AHA_UPDATE_DOCS=1 and look at the change")

    def test_both_dashboards_are_drawn_without_an_empty_panel(self):
        for name, dashboard in queries.dashboards().items():
            path = f"{self.run_directory}/prometheus/page/{name}.svg"
            svg = xml.etree.ElementTree.parse(path).getroot()
            texts = [one.text for one in svg.iter() if one.text]
            self.assertNotIn("No data", texts)
            for panel in dashboard["panels"]:
                self.assertIn(panel["title"], texts)


class WatchRefuses(unittest.TestCase):
    def test_a_port_in_use_is_one_clear_error(self):
        import socket
        with socket.socket() as taken, tempfile.TemporaryDirectory() as run:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            done = subprocess.run(
                [f"{PROMETHEUS}/watch", run, "true"], capture_output=True,
                text=True, timeout=60, check=False,
                env={**os.environ, "AHA_WATCH_LISTEN": address})
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"did not start on {address}", done.stderr)
        self.assertIn("AHA_WATCH_LISTEN", done.stderr)

    def test_a_run_that_was_never_watched_is_one_clear_line(self):
        with tempfile.TemporaryDirectory() as run:
            with open(f"{run}/job.yaml", "w", encoding="utf-8") as job:
                job.write("name: unwatched\n")
            done = subprocess.run(
                [f"{PROMETHEUS}/watch", run, "true"], capture_output=True,
                text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
                env={**os.environ, "AHA_WATCH_LISTEN": "127.0.0.1:0"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("No dashboards were drawn", done.stderr)
        self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    for needed in ("prometheus", "promtool"):
        if shutil.which(needed) is None:
            print(f"MONITORING IS NOT TESTED: {needed} is not here; run "
                  "deploy/install-packages --test")
            sys.exit(77)  # ctest reports the reason too.
    unittest.main()
