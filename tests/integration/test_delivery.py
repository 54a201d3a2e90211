# SPDX-License-Identifier: Apache-2.0
"""What receivers get: a real Prometheus, and a DogStatsD receiver that is away for a while.

Figures are asked for by ports that only the test uses; other traffic of the machine is welcome.
"""

import json
import os
import re
import time
import unittest
import urllib.parse
import urllib.request

import harness
import receivers
from traffic import Truth

DOWN_SECONDS = 60


class Store:
    """A server that scrapes a page (if there is one) every second, its data in a folder of the
    test's own."""

    def __init__(self, test, page, job):
        self.test = test
        self.folder = harness.temporary_folder(test)
        self.port = harness.free_port()
        self.config = os.path.join(self.folder, "prometheus.yml")
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                       "scrape_configs": [{
                           "job_name": job,
                           "static_configs": [{"targets": [f"127.0.0.1:{page.port}"]}]}]
                       if page else []}, file)
        self.log = os.path.join(self.folder, "log")

    def start(self, *words, ready):
        """@ready: the path that is answered as soon as it is."""
        with open(self.log, "w", encoding="utf-8") as log:
            harness.spawn(self.test, *words, stdout=log, stderr=log)
        harness.wait_until(lambda: self.get(ready) is not None, 60, self.said)

    def said(self):
        with open(self.log, encoding="utf-8") as log:
            return log.read()

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as text:
                return text.read().decode()
        except OSError:
            return None


class Prometheus(Store):
    """A real one."""

    def __init__(self, test, page, job="sockeye", options=()):
        harness.need("prometheus")
        super().__init__(test, page, job)
        self.start("prometheus", f"--config.file={self.config}",
                   f"--storage.tsdb.path={self.folder}/data",
                   f"--web.listen-address=127.0.0.1:{self.port}", *options, ready="/-/ready")

    def query(self, expression):
        """The value of an instant query with one result; None without."""
        answered = self.get("/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        result = json.loads(answered)["data"]["result"] if answered else []
        return float(result[0]["value"][1]) if len(result) == 1 else None


def selector(name, labels):
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{name}{{{inside}}}"


class PrometheusReadsIt(unittest.TestCase):
    """Issue: "scraped by a real Prometheus (`up == 1`, value read back through its API)"."""

    NAMES = {"tcp.connections.opened": "sockeye_tcp_connections_opened_total",
             "tcp.connections.closed": "sockeye_tcp_connections_closed_total",
             "tcp.sent.bytes": "sockeye_tcp_sent_bytes_total",
             "tcp.received.bytes": "sockeye_tcp_received_bytes_total",
             "http.server.request.duration": "http_server_request_duration_seconds_count",
             "http.client.request.duration": "http_client_request_duration_seconds_count",
             "tcp.connection.duration": "sockeye_tcp_connection_duration_seconds_count"}
    LABELS = {"method": "http_request_method", "status": "http_response_status_code",
              "route": "http_route", "port": "server_port"}

    def expression(self, metric, tags):
        semantic = metric.startswith("http.")
        labels = {self.LABELS[tag] if semantic else tag: value for tag, value in tags.items()}
        return f"sum({selector(self.NAMES[metric], labels)})"

    def test_values_read_back_through_its_api(self):
        page = receivers.Page()
        harness.Daemon(self, console=None, exporters=(page.exporter,))
        prometheus = Prometheus(self, page)
        harness.wait_until(lambda: prometheus.query("up") == 1, 60, prometheus.said)
        truth = Truth()
        for rounds in (5, 50, 100):
            truth.add(self, rounds)
            time.sleep(1)  # so that a scrape or two falls in between
        for metric, tags, value in truth.counters + truth.distributions:
            expression = self.expression(metric, tags)
            harness.wait_until(lambda: prometheus.query(expression) == value, 20,
                               lambda: f"{expression} == {value}, is "
                                       f"{prometheus.query(expression)}")
            print(f"{expression} == {value}")
        time.sleep(3)
        for metric, tags, value in truth.counters + truth.distributions:
            self.assertEqual(prometheus.query(self.expression(metric, tags)), value)
        self.assertEqual(prometheus.query("min_over_time(up[1m])"), 1)
        # 0.95 of all requests took less than 10 s: the buckets are usable.
        p95 = prometheus.query("histogram_quantile(0.95, sum by (le) ("
                               f'http_server_request_duration_seconds_bucket{{server_port="'
                               f'{truth.port}"}}))')
        print(f"p95 by Prometheus: {p95} s")
        self.assertTrue(0 < p95 < 10, p95)
        self.assertNotIn("level=error", prometheus.said())
        self.assertNotIn("err=", prometheus.said())


class Negotiation(unittest.TestCase):
    """Issue: "OpenMetrics 1.0 and text 0.0.4 by content negotiation, gzip"."""

    def setUp(self):
        harness.need("curl")
        self.page = receivers.Page()
        self.daemon = harness.Daemon(self, exporters=(self.page.exporter,))
        self.truth = Truth()
        self.truth.add(self, 20)
        self.daemon.wait_for_snapshots(2)

    def curl(self, *words):
        """(headers in lower case, body)"""
        done = harness.command("curl", "-sS", "-i", *words, self.page.address)
        headers, _, body = done.stdout.partition("\n\n")
        return headers.lower(), body

    def assert_openmetrics(self, body):
        samples = receivers.parse_openmetrics(body)
        self.assertEqual(receivers.duplicates(body), [])
        for metric, tags, value in self.truth.counters:
            name = "sockeye_" + metric.replace(".", "_") + "_total"
            self.assertEqual(receivers.sum_samples(samples, name, **tags), value, name)

    def assert_text(self, body):
        self.assertEqual(receivers.promtool_says(body), "")
        self.assertEqual(receivers.duplicates(body), [])
        self.assertNotIn("# EOF", body)

    def test_openmetrics(self):
        headers, body = self.curl("-H", "Accept: application/openmetrics-text; version=1.0.0")
        self.assertIn("content-type: application/openmetrics-text; version=1.0.0", headers)
        self.assert_openmetrics(body)

    def test_text(self):
        for accept in ("text/plain; version=0.0.4", "*/*", "text/plain",
                       "application/openmetrics-text;version=1.0.0;q=0.2,text/plain;q=0.9"):
            headers, body = self.curl("-H", f"Accept: {accept}")
            self.assertIn("content-type: text/plain; version=0.0.4", headers, accept)
            self.assert_text(body)

    def test_no_accept_header_at_all(self):
        headers, body = self.curl("-H", "Accept:")
        self.assertIn("content-type: text/plain; version=0.0.4", headers)
        self.assert_text(body)

    def test_gzip(self):
        for accept, check in (("application/openmetrics-text", self.assert_openmetrics),
                              ("text/plain", self.assert_text)):
            headers, body = self.curl("--compressed", "-H", "Accept-Encoding: gzip",
                                      "-H", f"Accept: {accept}")
            self.assertIn("content-encoding: gzip", headers)
            check(body)


class ReceiverAway(unittest.TestCase):
    """Issue: "A receiver that is down: the daemon runs on, the failure is logged once and its
    recovery once, counts stay complete"; "identity: seen = delivered + queued + dropped, also with
    a receiver that is down for 60 s of a run"."""

    def assert_equal_to(self, agent, truth):
        """Counters to the byte, distributions to the weight."""
        self.assertEqual(agent.sums.malformed, [])
        for metric, tags, value in truth.counters:
            self.assertEqual(agent.total(metric, **tags), value, (metric, tags))
        for metric, tags, count in truth.distributions:
            self.assertEqual(agent.weight(metric, **tags), count, (metric, tags))

    def said(self, pattern):
        return [line for line in self.daemon.log if re.search(pattern, line)]

    def assert_snapshots(self, exporter):
        """published = delivered + queued + skipped.

        The stats are read before a snapshot is published, so the n-th of them tells of n - 1.
        """
        delivered, skipped = (
            self.daemon.total("sockeye.exporter.snapshots", exporter=exporter, outcome=outcome)
            for outcome in ("delivered", "skipped"))
        queued = self.daemon.last_gauge("sockeye.exporter.queued", exporter=exporter)
        published = self.daemon.snapshots - 1
        print(f"{exporter}: published {published} = delivered {delivered} + queued {queued:.0f} "
              f"+ skipped {skipped}")
        self.assertEqual(delivered + queued + skipped, published)
        return delivered, skipped

    def test_away_for_60_s(self):
        agent = receivers.Agent(self)
        truth = Truth()
        self.daemon = harness.Daemon(self, exporters=(agent.exporter,))
        truth.add(self, 30)
        self.daemon.wait_for_snapshots(3)
        self.assert_equal_to(agent, truth)
        agent.down()
        end = time.monotonic() + DOWN_SECONDS
        while time.monotonic() < end:
            truth.add(self, 30)
            time.sleep(1)
        self.assertEqual(len(self.said("cannot deliver")), 1, self.daemon.log)
        self.assertEqual(self.said("delivering again"), [])
        agent.up()
        harness.wait_until(lambda: self.said("delivering again"), 30, "recovery")
        truth.add(self, 30)
        self.daemon.wait_for_snapshots(3)
        self.assertEqual(self.daemon.stop(), 0)
        agent.down()
        print(f"{truth.connections} connections, {truth.requests} requests, {truth.to_server} and "
              f"{truth.from_server} bytes; at the receiver the same")
        self.assert_equal_to(agent, truth)
        self.assertEqual(len(self.said("cannot deliver")), 1, self.daemon.log)
        self.assertEqual(len(self.said("delivering again")), 1, self.daemon.log)
        self.assert_snapshots("console")
        _, skipped = self.assert_snapshots("dogstatsd")
        self.assertGreater(skipped, 0)
        failures = self.daemon.total("sockeye.exporter.failures", exporter="dogstatsd",
                                     reason="refused")
        dropped = self.daemon.total("sockeye.exporter.dropped", exporter="dogstatsd")
        print(f"failed attempts {failures}, dropped points {dropped}")
        self.assertGreater(failures, 0)
        self.assertEqual(dropped, 0)

    def test_never_there(self):
        """The daemon runs on, says it once, and stops in time."""
        agent = receivers.Agent(self, up=False)
        self.daemon = harness.Daemon(self, "shutdown_timeout=1s", exporters=(agent.exporter,))
        truth = Truth()
        truth.add(self, 5)
        self.daemon.wait_for_snapshots(3)
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(len(self.said("cannot deliver")), 1, self.daemon.log)
        self.assertEqual(self.daemon.total("tcp.connections.opened", port=truth.port,
                                           direction="incoming"), 1)

    def test_there_only_at_the_end(self):
        """Down from the start; what was kept goes out when it comes up."""
        agent = receivers.Agent(self, up=False)
        self.daemon = harness.Daemon(self, exporters=(agent.exporter,))
        truth = Truth()
        for _ in range(4):
            truth.add(self, 10)
            time.sleep(1)
        agent.up()
        harness.wait_until(lambda: self.said("delivering again"), 30, "recovery")
        self.assertEqual(self.daemon.stop(), 0)
        agent.down()
        self.assert_equal_to(agent, truth)


class LastWords(unittest.TestCase):
    """Issue: "SIGTERM and SIGINT: a last snapshot with the open interval, delivered within
    `shutdown_timeout`, exit 0"."""

    def test_open_interval_reaches_the_receiver(self):
        """The interval is an hour: nothing comes but the flush."""
        agent = receivers.Agent(self)
        daemon = harness.Daemon(self, interval="1h", exporters=(agent.exporter,))
        truth = Truth()
        truth.add(self, 40)
        self.assertEqual(daemon.stop(), 0)
        agent.down()
        self.assertEqual(agent.sums.malformed, [])
        self.assertEqual(daemon.snapshots, 1)
        for metric, tags, value in truth.counters:
            self.assertEqual(agent.total(metric, **tags), value, (metric, tags))
            self.assertEqual(daemon.total(metric, **tags), value, (metric, tags))
        for metric, tags, count in truth.distributions:
            self.assertEqual(agent.weight(metric, **tags), count, (metric, tags))
        print(f"{agent.sums.datagrams} datagrams, {agent.sums.lines} lines")


class KernelAccounts(unittest.TestCase):
    """Issue: "identity: seen = delivered + queued + dropped": what the kernel handed on is what was
    aggregated or named as malformed."""

    def test_records_are_samples(self):
        daemon = harness.Daemon(self)
        truth = Truth()
        for _ in range(20):
            truth.add(self, 20)
        daemon.wait_for_snapshots(2)
        self.assertEqual(daemon.stop(), 0)
        requests, ring, live = (daemon.total("sockeye.kernel.records", ring=name)
                                for name in ("requests", "connections", "live"))
        samples = {(source, outcome): daemon.total("sockeye.samples", source=source,
                                                   outcome=outcome)
                   for source in ("usm", "tracer") for outcome in ("aggregated", "malformed")}
        in_series = sum(daemon.distribution(metric)[0] for metric in (
            "http.server.request.duration", "http.client.request.duration"))
        print(f"records: requests {requests}, connections {ring}, live {live}; samples {samples}; "
              f"in series of http {in_series}; lost {daemon.losses()}")
        self.assertGreaterEqual(requests, 2 * truth.requests)
        self.assertEqual(samples["usm", "aggregated"] + samples["usm", "malformed"], requests)
        # The others tell of losses, one or more each: other connections of this host may have some.
        self.assertIn(samples["usm", "aggregated"] - in_series, range(daemon.total("usm.lost") + 1))
        self.assertGreaterEqual(ring, 2 * truth.connections)
        self.assertEqual(samples["tracer", "aggregated"], ring + live)
        self.assertEqual(samples["usm", "malformed"], 0)
        self.assertEqual(samples["tracer", "malformed"], 0)
        opened = daemon.total("tcp.connections.opened", port=truth.port)
        closed = daemon.total("tcp.connections.closed", port=truth.port)
        self.assertEqual((opened, closed), (2 * truth.connections, 2 * truth.connections))
