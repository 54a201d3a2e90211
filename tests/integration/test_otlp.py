# SPDX-License-Identifier: Apache-2.0
"""OTLP over HTTP to a receiver of our own, which reads every request by protoc or json and knows
the rules of both temporalities. What it knows in the end is the truth of live traffic."""

import time
import unittest

import harness
import payloads
from fault_server import FaultServer, answer, reset
from payloads import otlp
from traffic import Truth

PATH = payloads.Otlp.PATH


class Collector(payloads.Otlp):
    """Takes requests on a loopback port."""

    def __init__(self, test):
        super().__init__()
        self.server = FaultServer(test)
        self.server.usual = answer(200, b"")
        self._read = 0      # requests of server.taken in `points`

    @property
    def url(self):
        return self.server.url + PATH

    def exporter(self, *settings):
        inside = "".join(f", {setting}" for setting in settings)
        return f"{{type: otlp, url: '{self.url}'{inside}}}"

    def read(self):
        """Reads what has come since."""
        taken = list(self.server.taken)
        for request in taken[self._read:]:
            self.add(request)
        self._read = len(taken)

    def matching(self, metric, tags):
        self.read()
        return super().matching(metric, tags)


class Live(unittest.TestCase):
    """Issue: "OTLP/HTTP: protobuf and JSON, gzip, exponential histograms resampled from our bins,
    delta or cumulative, semantic-convention names and resource attributes"."""

    def deliver(self, *settings, environment=None, exporter=None):
        collector = Collector(self)
        self.daemon = harness.Daemon(self, exporters=(exporter or collector.exporter(*settings),),
                                     environment={
                                         "OTEL_EXPORTER_OTLP_ENDPOINT": collector.server.url,
                                         "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test",
                                         **(environment or {})})
        self.truth = Truth()
        for _ in range(4):
            self.truth.add(self, 20)
            self.daemon.wait_for_snapshots(1)
        self.assertEqual(self.daemon.stop(), 0)
        return collector

    def check(self, collector):
        self.assertEqual(self.truth.difference(collector), [])
        self.assertEqual(collector.malformed, [])
        self.assertEqual(collector.server.errors, [])
        for point in collector.points:
            self.assertEqual(point.resource["deployment.environment"], "test")
            self.assertIn("host.name", point.resource)
            self.assertEqual(point.resource["service.instance.id"], point.resource["host.name"])
            self.assertEqual(point.scope, "sockeye")
        seen, points = (self.daemon.total(f"sockeye.exporter.{name}", exporter="otlp")
                        for name in ("points.seen", "points"))
        dropped = self.daemon.total("sockeye.exporter.dropped", exporter="otlp")
        self.assertEqual(seen, points + dropped)
        self.assertGreater(points, 0)
        print(f"{len(collector.server.taken)} requests, {len(collector.points)} points; "
              f"{self.truth.connections} connections and {self.truth.requests} requests as they were")

    def check_resources(self, collector, own):
        """Numbers of the daemon are of its resource; a request has each resource once, and those
        of the services that talked."""
        services = {point.resource["service.name"] for point in collector.points
                    if point.attributes.get("server.port") == self.truth.port}
        self.assertGreater(len(services - {own}), 0)
        for point in collector.points:
            if point.metric in ("sockeye.cpu.time", "sockeye.series"):
                self.assertEqual(point.resource["service.name"], own)
            self.assertEqual("service.version" in point.resource,
                             point.resource["service.name"] == own)

    def test_protobuf_cumulative_gzip(self):
        collector = self.deliver()
        self.check(collector)
        headers = collector.server.taken[0].headers
        self.assertEqual(headers["content-type"], "application/x-protobuf")
        self.assertEqual(headers["content-encoding"], "gzip")
        self.assertEqual({point.temporality for point in collector.points}, {0, 2})
        self.check_resources(collector, "sockeye")

    def test_json_delta(self):
        collector = self.deliver("encoding: json", "temporality: delta", "compression: none")
        self.check(collector)
        headers = collector.server.taken[0].headers
        self.assertEqual(headers["content-type"], "application/json")
        self.assertNotIn("content-encoding", headers)
        self.assertEqual({point.temporality for point in collector.points}, {0, 1})

    def test_explicit_histograms(self):
        collector = self.deliver("histograms: explicit")
        self.check(collector)
        self.assertIn("histogram", {point.kind for point in collector.points})

    def test_environment(self):
        """Everything from OTEL_*: url, encoding, temporality, headers, the service's name."""
        collector = self.deliver(exporter="{type: otlp}", environment={
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=s3cret%20key",
            "OTEL_SERVICE_NAME": "watcher"})
        self.check(collector)
        request = collector.server.taken[0]
        self.assertEqual(request.path, PATH)
        self.assertEqual(request.headers["api-key"], "s3cret key")
        self.check_resources(collector, "watcher")
        self.assertEqual([line for line in self.daemon.log if "s3cret" in line], [])

    def check_quantiles(self, collector, metric):
        """Of the last interval: p50 and p99 within 2 % of the console's."""
        tags = {**Truth.HTTP, "port": self.truth.port}
        point = self.daemon.last_point(metric, **tags)
        value = list(collector.matching(metric, tags))[-1].value
        self.assertEqual(value["count"], point["count"])
        for q, name in ((0.5, "p50"), (0.99, "p99")):
            self.assertLess(abs(otlp.quantile(value, q) / point[name] - 1), 0.02, name)

    def test_quantiles(self):
        collector = self.deliver("temporality: delta")
        self.check(collector)
        self.check_quantiles(collector, "http.server.request.duration")
        self.check_quantiles(collector, "http.client.request.duration")


class Faults(unittest.TestCase):
    """Issue: "partial_success counted and not retried", and what the specification says about
    statuses; after recovery counters at the receiver equal the truth."""

    def start(self, *settings):
        self.collector = Collector(self)
        self.daemon = harness.Daemon(self, exporters=(self.collector.exporter(*settings),))
        self.truth = Truth()

    def talk(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.truth.add(self, 10)
            time.sleep(0.2)

    def test_recovers_from_what_passes(self):
        self.start("temporality: delta", "metrics: {deny: ['sockeye.*']}")
        self.collector.server.script(PATH, answer(503, headers=("Retry-After: 1",)), answer(429),
                                     reset("before"), answer(502), answer(504))
        self.talk(3)
        harness.wait_until(lambda: self.collector.server.left(PATH) == 0, 60, "all faults met")
        self.talk(1)
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.truth.difference(self.collector), [])
        self.assertEqual(self.collector.malformed, [])
        dropped = self.daemon.total("sockeye.exporter.dropped", exporter="otlp")
        self.assertEqual(dropped, 0)

    def test_partial_success(self):
        """Two points of the first request are rejected: \\x0a\\x08 {1: 2, 2: "late"}."""
        self.start("metrics: {deny: ['sockeye.*']}")
        self.collector.server.script(PATH, answer(200, b"\x0a\x08\x08\x02\x12\x04late"))
        self.talk(3)
        self.daemon.wait_for_snapshots(3)
        self.assertEqual(self.daemon.stop(), 0)
        dropped = self.daemon.total("sockeye.exporter.dropped", exporter="otlp", reason="rejected")
        self.assertEqual(dropped, 2)
        said = [line for line in self.daemon.log if "late" in line]
        self.assertEqual(len(said), 1, self.daemon.log)
        self.assertEqual(self.truth.difference(self.collector), [])

    def test_final_statuses_are_not_retried(self):
        """Cumulative values are complete again with the next request."""
        self.start("metrics: {deny: ['sockeye.*']}")
        self.collector.server.script(PATH, answer(500), answer(400), answer(404))
        self.talk(5)
        self.daemon.wait_for_snapshots(2)
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.collector.server.left(PATH), 0)
        self.assertEqual(self.truth.difference(self.collector), [])
        self.assertGreater(self.daemon.total("sockeye.exporter.dropped", exporter="otlp"), 0)


if __name__ == "__main__":
    unittest.main()
