#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The alert rules of packaging/: promtool finds nothing wrong with them, and each fires and
resolves when it should. A real Prometheus reads them and the queries of the Grafana dashboard.

    test_alerts.py SOCKEYE
"""

import collections
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import dashboards

SOCKEYE = ""
START_SECONDS = 60

# Series are of the host "a", a value each minute: promtool's "0x4 1+1x20" is five zeros, then 1, 2,
# ... Minutes: `pending` and `firing` at which it is so (None: never), `over` at which there is no
# alert.
Case = collections.namedtuple("Case", "alert series labels pending firing over")
HOST = {"job": "sockeye", "instance": "a"}


def case(alert, series, pending, firing, over, **labels):
    return Case(alert, series, {**HOST, **labels}, pending, firing, over)


CASES = (
    Case("SockeyeAbsent", {"sockeye_memory_resident_bytes": "_x19 9x20"}, {}, 5, 12, (22,)),
    case("SockeyeNotReady", {"up": "1x4 0x10 1x20"}, 7, 12, (2, 18)),
    # It was written here, and ends; it comes back.
    case("SockeyeGone", {"sockeye_memory_resident_bytes": "9x4 stale _x20 9x20"}, 8, 18, (2, 28)),
    # Without coming back: the hour is over.
    case("SockeyeGone", {"sockeye_memory_resident_bytes": "9x4 stale"}, 8, 40, (2, 70)),
    # A scraped one is SockeyeNotReady's.
    case("SockeyeGone", {"sockeye_memory_resident_bytes": "9x4 stale", "up": "1x4 0x60"},
         None, None, (8, 20)),
    case("SockeyeKernelLosses", {'sockeye_kernel_lost_total{program="tcp",reason="ring_full"}':
                                 "0x9 7x40"}, 11, 14, (5, 25), program="tcp", reason="ring_full"),
    case("SockeyeRequestsLost", {
        'sockeye_usm_lost_total{service="x",reason="gap"}': "0+60x40 2400x40",
        'http_server_request_duration_seconds_count{http_route="/"}': "0+600x80",
        'http_client_request_duration_seconds_count{http_route="/"}': "0+120x80"}, 8, 20, (60,)),
    case("SockeyeRingNearlyFull", {'sockeye_kernel_ring_fill_ratio{ring="requests"}':
                                   "0.1x4 0.9x10 0.1x20"}, 7, 12, (2, 18), ring="requests"),
    case("SockeyeProgramNotAttached", {'sockeye_bpf_attached{program="tcp_seed"}':
                                       "1x4 0x10 1x20"}, 7, 12, (2, 18), program="tcp_seed"),
    case("SockeyeFeatureMissing", {'sockeye_feature_available{feature="proc"}': "0x14 1x20"},
         2, 8, (18,), feature="proc"),
    case("SockeyeSamplesLost", {
        'sockeye_samples_total{source="aggregate",outcome="out_of_memory"}': "0x9 3x40",
        'sockeye_samples_total{source="tracer",outcome="aggregated"}': "0+9x49",
        'sockeye_samples_total{source="tracer",outcome="filtered"}': "0+9x49"},
         11, 14, (5, 25), source="aggregate", outcome="out_of_memory"),
    # A tag that begins to overflow, and one that did so an hour ago.
    case("SockeyeSeriesOverflow", {
        'sockeye_series_overflow_total{metric="tcp.rtt",tag="port",limit="limits.series"}':
            "_x9 5+1x20 25x40"},
         12, 25, (5, 45), metric="tcp.rtt", tag="port", limit="limits.series"),
    case("SockeyeExporterFailing", {'sockeye_exporter_failing{exporter="otlp"}':
                                    "0x4 1+1x10 0x20"}, 7, 12, (2, 18), exporter="otlp"),
    case("SockeyeExporterBehind", {
        'sockeye_exporter_queued{exporter="otlp"}': "5x30 0x20",
        'sockeye_exporter_failing{exporter="otlp"}': "1x9 0x60"}, 12, 20, (5, 35),
         exporter="otlp"),
    # Its first event makes the series: there is no increase yet.
    case("SockeyePointsDropped", {'sockeye_exporter_dropped_total{exporter="otlp",'
                                  'reason="rejected"}': "_x9 40x40"},
         11, 14, (5, 25), exporter="otlp", reason="rejected"),
    case("SockeyePointsDropped", {'sockeye_exporter_dropped_total{exporter="otlp",'
                                  'reason="rejected"}': "40x19 41x40"},
         21, 24, (15, 35), exporter="otlp", reason="rejected"),
    case("SockeyeLogDropped", {"sockeye_log_dropped_total": "0x9 4x40"}, 11, 14, (5, 25)),
    case("SockeyeMemory", {"sockeye_memory_resident_bytes": "20000000x4 200000000x20 20000000x20"},
         8, 22, (2, 30)),
    case("SockeyeCpu", {"sockeye_cpu_time_seconds_total": "0+48x40 1920x40"}, 8, 25, (60,)),
)

# What is done to the rules, and an alert whose case must fail then.
MISTAKES = (
    ("== 0\n        for: 5m\n        labels: {severity: critical}",
     "== 1\n        for: 5m\n        labels: {severity: critical}", "SockeyeNotReady"),
    ("unless on (job, instance) up", "", "SockeyeGone"),
    ("sockeye_kernel_lost_total", "sockeye_kernel_losses_total", "SockeyeKernelLosses"),
    ("ring_full|", "", "SockeyeKernelLosses"),
    ("for: 10m\n        labels: {severity: critical}", "for: 30m\n        labels: "
     "{severity: critical}", "SockeyeAbsent"),
    ("> 0.05", "> 0.5", "SockeyeRequestsLost"),
    ("by (job, instance, exporter) (sockeye_exporter_failing)",
     "by (job, instance) (sockeye_exporter_failing)", "SockeyeExporterFailing"),
    (" unless sockeye_exporter_failing > 0", "", "SockeyeExporterBehind"),
    ("sockeye_exporter_dropped_total unless", "0 * sockeye_exporter_dropped_total unless",
     "SockeyePointsDropped"),
)


def severities():
    """{alert: severity} as the file says."""
    with open(dashboards.RULES, encoding="utf-8") as file:
        return dict(re.findall(r"- alert: (\w+)\n(?:.*\n)*?\s+labels: {severity: (\w+)}",
                               file.read()))


def sample(alert, labels, state):
    inside = {"alertname": alert, "alertstate": state, "severity": severities()[alert], **labels}
    return "ALERTS{" + ",".join(f'{key}="{value}"' for key, value in inside.items()) + "}"


def unit_test(one):
    """A case as promtool reads it; what is asked for is Prometheus' own series of alerts."""
    def at(minute, *samples):
        return {"expr": f'ALERTS{{alertname="{one.alert}"}}', "eval_time": f"{minute}m",
                "exp_samples": [{"labels": text, "value": 1} for text in samples]}

    def with_host(name):
        host = 'job="sockeye",instance="a"'
        return name.replace("{", "{" + host + ",") if "{" in name else f"{name}{{{host}}}"
    return {"name": one.alert, "interval": "1m",
            "input_series": [{"series": with_host(name), "values": values}
                             for name, values in one.series.items()],
            "promql_expr_test": [
                *(at(minute, sample(one.alert, one.labels, state)) for minute, state in
                  ((one.pending, "pending"), (one.firing, "firing")) if minute is not None),
                *(at(minute) for minute in one.over)]}


def promtool(*words):
    """(exit code, what it said)"""
    done = subprocess.run(("promtool", *words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60, check=False)
    return done.returncode, done.stdout


class Rules(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sockeye-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_cases(self, rules, cases):
        path = os.path.join(self.folder, "tests.json")  # JSON is YAML
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"rule_files": [rules], "evaluation_interval": "1m",
                       "tests": list(map(unit_test, cases))}, file)
        return promtool("test", "rules", path)

    def test_promtool_finds_nothing(self):
        code, said = promtool("check", "rules", "--lint=all", "--lint-fatal", dashboards.RULES)
        self.assertEqual(code, 0, said)
        self.assertIn(f"{len(severities())} rules found", said)

    def test_each_fires_and_resolves(self):
        self.assertEqual({one.alert for one in CASES}, set(severities()))
        code, said = self.run_cases(dashboards.RULES, CASES)
        self.assertEqual(code, 0, said)

    def test_mistakes_are_found(self):
        with open(dashboards.RULES, encoding="utf-8") as file:
            text = file.read()
        for old, new, alert in MISTAKES:
            self.assertIn(old, text)
            path = os.path.join(self.folder, "sockeye.rules.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace(old, new))
            code, said = self.run_cases(path, [one for one in CASES if one.alert == alert])
            self.assertNotEqual(code, 0, (old, new))
            self.assertIn("FAILED", said)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Queries(unittest.TestCase):
    """What a real Prometheus reads, against the catalogue."""

    def setUp(self):
        folder = tempfile.mkdtemp(prefix="sockeye-test-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        config = os.path.join(folder, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"rule_files": [os.path.abspath(dashboards.RULES)]}, file)
        self.url = f"http://127.0.0.1:{free_port()}"
        server = subprocess.Popen(
            ("prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address={self.url.removeprefix('http://')}"),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        end = time.monotonic() + START_SECONDS
        while self.ask("/-/ready") is None:
            self.assertLess(time.monotonic(), end, "Prometheus does not start")
            time.sleep(0.05)
        self.series = dashboards.series_of(dashboards.catalogue(SOCKEYE))

    def ask(self, path, **values):
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(values)}",
                                        timeout=30) as answer:
                return answer.read().decode()
        return None

    def test_rules_ask_for_what_there_is(self):
        groups = json.loads(self.ask("/api/v1/rules"))["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        self.assertEqual(len(rules), len(severities()))
        for rule in rules:
            with self.subTest(rule["name"]):
                self.assertEqual(dashboards.check_query(rule["query"], self.series), [])
                self.assertEqual(sorted(rule["annotations"]), ["description", "summary"])
                self.assertIn(rule["labels"]["severity"], ("critical", "warning", "info"))
                self.assertGreaterEqual(rule["duration"], 60)
        wrong = rules[0]["query"].replace("resident", "residend")
        self.assertNotEqual(dashboards.check_query(wrong, self.series), [])

    def test_queries_of_grafana_are_promql(self):
        for panel, target in dashboards.targets_of(dashboards.load(dashboards.GRAFANA)):
            text = dashboards.fill_in(target["expr"])
            self.assertIsNotNone(self.ask("/api/v1/format_query", query=text),
                                 (panel["title"], text))
        self.assertIsNone(self.ask("/api/v1/format_query", query="sum by (x) sum("))


if __name__ == "__main__":
    SOCKEYE = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
