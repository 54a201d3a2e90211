# SPDX-License-Identifier: Apache-2.0
"""Values that the daemon pushes to a real Prometheus (remote write) and a real Pushgateway."""

import gzip
import http.server
import json
import os
import signal
import subprocess
import threading
import time
import unittest
import urllib.parse

import fault_server
import harness
import payloads
import test_delivery
from traffic import Truth

INTERVAL_SECONDS = 10
SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")
# The daemon sees whatever runs beside it: so many series that a slow receiver takes them for long.
ENDS_IN_TIME = "shutdown_timeout=50s"
NAMES = test_delivery.PrometheusReadsIt.NAMES
LABELS = test_delivery.PrometheusReadsIt.LABELS


class Prometheus(test_delivery.Prometheus):
    """One that scrapes nothing and takes what is written to it, native histograms too."""

    def __init__(self, test):
        super().__init__(test, None, options=("--web.enable-remote-write-receiver",
                                              "--enable-feature=native-histograms"))

    def exporter(self, *settings):
        inside = "".join(f", {setting}" for setting in settings)
        return (f"{{type: remote_write, url: 'http://127.0.0.1:{self.port}/api/v1/write'"
                f"{inside}}}")

    def series(self, selector, **more):
        """[(labels, value)] of an instant query."""
        path = "/api/v1/query?" + urllib.parse.urlencode({"query": selector, **more})
        return [(entry["metric"], entry.get("value"))
                for entry in json.loads(self.get(path))["data"]["result"]]


class Gateway:
    """A real Pushgateway."""

    def __init__(self, test):
        harness.need("prometheus-pushgateway")
        self.port = harness.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = harness.spawn(
            test, "prometheus-pushgateway", f"--web.listen-address=127.0.0.1:{self.port}",
            "--persistence.file=",  # Debian's default would outlive the test
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        harness.need("curl")
        harness.wait_until(lambda: self.curl("/-/ready").returncode == 0, 30, "the gateway")

    def curl(self, path):
        return harness.command("curl", "-sSf", self.url + path, check=False)

    def samples(self):
        """{line up to the value: value} of what was pushed."""
        lines = [line for line in self.curl("/metrics").stdout.splitlines()
                 if line and not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)
                if 'job="' in name}

    def total(self, name, **labels):
        """Sum of the samples that carry the labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(value for key, value in self.samples().items()
                   if key.startswith(name + "{") and all(pair in key for pair in wanted))


def labels_of(metric, tags):
    semantic = metric.startswith("http.")
    return {LABELS[tag] if semantic else tag: value for tag, value in tags.items()}


def expression_of(metric, tags, native=False):
    """What Prometheus is asked for a counter, or for the count of a distribution."""
    name, labels = NAMES[metric], labels_of(metric, tags)
    if native and name.endswith("_count"):
        return f"sum(histogram_count({test_delivery.selector(name[:-6], labels)}))"
    return f"sum({test_delivery.selector(name, labels)})"


class RemoteWrite(unittest.TestCase):
    """Issue: "Prometheus (remote write read back through its API, native histogram quantile within
    2 % of ours)"."""

    def setUp(self):
        self.prometheus = Prometheus(self)

    def assert_equal_to(self, truth, native=False):
        for metric, tags, value in truth.counters + truth.distributions:
            expression = expression_of(metric, tags, native)
            harness.wait_until(lambda: self.prometheus.query(expression) == value, 20,
                               lambda: f"{expression} == {value}, is "
                                       f"{self.prometheus.query(expression)}; "
                                       + self.prometheus.said())
            print(f"{expression} == {value}")

    def test_values_read_back(self):
        daemon = harness.Daemon(self, ENDS_IN_TIME, console=None,
                                exporters=(self.prometheus.exporter(),))
        truth = Truth()
        for rounds in (5, 50, 100):
            truth.add(self, rounds)
            time.sleep(1)
        self.assert_equal_to(truth)
        self.assertEqual({labels["job"] for labels, _ in self.prometheus.series("{job!=''}")},
                         {"sockeye"})
        p95 = self.prometheus.query("histogram_quantile(0.95, sum by (le) ("
                                    "http_server_request_duration_seconds_bucket{server_port='"
                                    f"{truth.port}'}}))")
        self.assertTrue(0 < p95 < 10, p95)
        self.assertNotIn("err=", self.prometheus.said())
        # Stale markers: nothing lingers for the five minutes that Prometheus looks back.
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual([line for line in daemon.log if "cannot deliver" in line], [])
        self.assertEqual(self.prometheus.series("{job='sockeye'}"), [])

    def test_series_that_expires_vanishes(self):
        harness.Daemon(self, "limits.idle=10s", console=None,
                       exporters=(self.prometheus.exporter(),))
        truth = Truth()
        truth.add(self, 5)
        selector = f"sockeye_tcp_connections_opened_total{{port='{truth.port}'}}"
        # No more than this, or it is gone before it is asked about.
        harness.wait_until(lambda: len(self.prometheus.series(selector)) == 2, 20, "the series")
        harness.wait_until(lambda: self.prometheus.series(selector) == [], 60, "the marker")
        self.assertNotEqual(self.prometheus.series("{job='sockeye'}"), [])

    def test_native_quantiles(self):
        daemon = harness.Daemon(self, ENDS_IN_TIME, interval=f"{INTERVAL_SECONDS}s",
                                exporters=(self.prometheus.exporter("histograms: native"),))
        truth = Truth()
        daemon.wait_for_snapshots(1)
        truth.add(self, 2000)
        self.assert_equal_to(truth, native=True)
        point = daemon.last_point("http.server.request.duration", port=truth.port)
        self.assertEqual(point["count"], truth.requests, "not within one interval")
        # Ranks are counted from 0 by one and from 1 by the other: where values are few, the next one
        # may be far.
        for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            below, value, above = (self.prometheus.query(
                f"histogram_quantile({q + ranks / truth.requests}, "
                f"http_server_request_duration_seconds{{server_port='{truth.port}'}})")
                for ranks in (-1, 0, 1))
            print(f"{name}: ours {point[name]}, Prometheus {value}, {below} to {above}")
            self.assertGreater(point[name], below * 0.98, name)
            self.assertLess(point[name], above * 1.02, name)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(self.prometheus.series("{job='sockeye'}"), [])
        self.assertNotIn("err=", self.prometheus.said())

    def test_version_2_falls_back(self):
        """2.42 takes a body of 2.0 for an empty one of 1.0 and says so by what it does not say."""
        for histograms in ("classic", "native"):
            daemon = harness.Daemon(self, console=None, exporters=(
                self.prometheus.exporter("version: 2", f"histograms: {histograms}"),))
            truth = Truth()
            truth.add(self, 20)
            self.assert_equal_to(truth, native=histograms == "native")
            self.assertEqual(daemon.stop(), 0)
            self.assertEqual([line for line in daemon.log if "cannot deliver" in line], [])


def decode(message, body):
    """The text that protoc makes of a body."""
    done = subprocess.run(("protoc", f"--proto_path={SCHEMA}", f"--decode=remote_write.{message}",
                           "remote_write.proto"), input=body, stdout=subprocess.PIPE, timeout=60,
                          check=True)
    return done.stdout.decode()


class Version2(unittest.TestCase):
    """A receiver that says that it wrote samples is sent 2.0 for good; others get 1.0."""

    PATH = "/api/v1/write"

    def start(self, usual):
        harness.need("protoc")
        self.server = fault_server.FaultServer(self)
        self.server.usual = usual
        self.daemon = harness.Daemon(self, console=None, exporters=(
            f"{{type: remote_write, version: 2, url: '{self.server.url}{self.PATH}'}}",))

    def versions(self):
        return [request.headers["x-prometheus-remote-write-version"]
                for request in self.server.taken]

    def test_is_kept(self):
        self.start(fault_server.answer(
            204, b"", headers=("X-Prometheus-Remote-Write-Samples-Written: 1000000",)))
        harness.wait_until(lambda: len(self.server.taken) >= 3, 30, "requests")
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(set(self.versions()), {"2.0.0"})
        for request in self.server.taken:
            self.assertEqual(request.headers["content-type"],
                             "application/x-protobuf;proto=io.prometheus.write.v2.Request")
            text = decode("Request", request.body)
            self.assertTrue(text.startswith('symbols: ""\n'))
            self.assertIn("start_timestamp", text)
        self.assertEqual(self.server.errors, [])

    def test_is_left_on_415(self):
        self.start(fault_server.answer(204, b""))
        self.server.script(self.PATH, fault_server.answer(415, b"what is this"))
        harness.wait_until(lambda: len(self.server.taken) >= 3, 30, "requests")
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(set(self.versions()), {"0.1.0"})
        self.assertEqual([request.headers["x-prometheus-remote-write-version"]
                          for _, request in self.server.refused], ["2.0.0"])
        first = decode("WriteRequest", self.server.taken[0].body)
        self.assertIn('metric_family_name: "sockeye_tcp_sent_bytes"', first)
        self.assertNotIn("metric_family_name",
                         decode("WriteRequest", self.server.taken[1].body))
        self.assertEqual(self.server.errors, [])


class Answers(unittest.TestCase):
    """The protocol: 5xx and 429 are tried again, 413 with less, other 4xx never."""

    PATH = "/api/v1/write"

    def setUp(self):
        self.server = fault_server.FaultServer(self)
        self.server.usual = fault_server.answer(204, b"")

    def start(self, *faults):
        self.server.script(self.PATH, *faults)
        return harness.Daemon(self, exporters=(
            f"{{type: remote_write, url: '{self.server.url}{self.PATH}'}}",))

    def test_what_may_be_taken_later_arrives(self):
        daemon = self.start(fault_server.answer(503), fault_server.answer(501),
                            fault_server.answer(429, headers=("Retry-After: 1",)),
                            fault_server.answer(413))
        truth = Truth()
        truth.add(self, 20)
        harness.wait_until(lambda: self.server.left(self.PATH) == 0, 30, lambda: daemon.log)

        def difference():
            return truth.difference(payloads.RemoteWrite.of(self.server.taken, truth.port))
        harness.wait_until(lambda: difference() == [], 30, difference)
        self.assertEqual([status for status, _ in self.server.refused], [503, 501, 429, 413])
        # The body that was too large came again as two.
        too_large = decode("WriteRequest", self.server.refused[-1][1].body).count("timeseries {")
        parts = [decode("WriteRequest", request.body).count("timeseries {")
                 for request in self.server.taken[:2]]
        print(f"{too_large} series were too many, then {parts}")
        self.assertLess(max(parts), too_large)
        self.assertEqual(daemon.total("sockeye.exporter.dropped", exporter="remote_write"), 0)
        self.assertEqual(self.server.errors, [])

    def test_what_is_never_taken_is_dropped_and_counted(self):
        for status in (400, 404, 401, 422):
            daemon = self.start(fault_server.answer(status, b"out of order sample"))
            dropped = daemon.wait_for_total("sockeye.exporter.dropped", 1, exporter="remote_write")
            daemon.wait_for_snapshots(2)
            points, dropped = (daemon.total(f"sockeye.exporter.{name}", exporter="remote_write")
                               for name in ("points", "dropped"))
            print(f"{status}: {points} points delivered, {dropped} dropped")
            self.assertGreater(points, dropped)
            self.assertEqual(daemon.stop(), 0)
            self.assertEqual(len([line for line in daemon.log if "refuses points" in line]), 1,
                             daemon.log)
        self.assertEqual([status for status, _ in self.server.refused], [400, 404, 401, 422])


class Pushgateway(unittest.TestCase):
    """Issue: "Pushgateway PUT with DELETE at stop"."""

    def setUp(self):
        self.gateway = Gateway(self)

    def start(self, *settings, more=(ENDS_IN_TIME,)):
        inside = "".join(f", {setting}" for setting in settings)
        return harness.Daemon(self, *more, console=None, exporters=(
            f"{{type: pushgateway, url: '{self.gateway.url}'{inside}}}",))

    def assert_equal_to(self, truth, **group):
        for metric, tags, value in truth.counters + truth.distributions:
            name, labels = NAMES[metric], {**labels_of(metric, tags), **group}
            harness.wait_until(lambda: self.gateway.total(name, **labels) == value, 20,
                               lambda: f"{name} {labels} == {value}, is "
                                       f"{self.gateway.total(name, **labels)}")

    def test_there_while_it_runs_and_gone_after(self):
        daemon = self.start("instance: 'a/b'", "labels: ['zone:eu west']")
        truth = Truth()
        for rounds in (5, 50):
            truth.add(self, rounds)
        self.assert_equal_to(truth, job="sockeye", instance="a/b", zone="eu west")
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual([line for line in daemon.log if "cannot deliver" in line], [])
        self.assertEqual(self.gateway.samples(), {})

    def test_page_that_stays_is_told(self):
        """A gateway that hangs when the daemon stops shows its numbers for ever."""
        daemon = self.start(more=())
        harness.wait_until(lambda: self.gateway.samples() != {}, 20, "a page")
        self.gateway.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.gateway.process.send_signal, signal.SIGCONT)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(len([line for line in daemon.log
                              if "pushgateway: the receiver goes on showing" in line]), 1,
                         daemon.log)

    def test_stays_when_told(self):
        daemon = self.start("delete_on_stop: false", "job: kept")
        truth = Truth()
        truth.add(self, 5)
        self.assert_equal_to(truth, job="kept")
        self.assertEqual(daemon.stop(), 0)
        self.assert_equal_to(truth, job="kept")

    def test_job_leaves_its_page(self):
        """What a job has pushed is what it ran for."""
        done = harness.sockeye("run", "-c", "/dev/null", "--once", "--set", "interval=1s", "--set",
                               f"exporters=[{{type: pushgateway, url: '{self.gateway.url}'}}]")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("sockeye_memory_resident_bytes",
                      {name.partition("{")[0] for name in self.gateway.samples()})


class PlainGateway(http.server.BaseHTTPRequestHandler):
    """Like a Pushgateway that cannot read a compressed page. The server's `requests` are
    (method, path, Content-Encoding or "", body)."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self):  # pylint: disable=invalid-name
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        encoding = self.headers.get("Content-Encoding", "")
        self.server.requests.append((self.command, self.path, encoding, body))
        self.send_response(400 if encoding else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_DELETE = do_PUT

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass


class PushgatewayWithoutGzip(unittest.TestCase):
    """A gateway that cannot read a compressed page gets plain ones from then on."""

    def test_is_asked_once(self):
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), PlainGateway) as server:
            server.requests = []
            threading.Thread(target=server.serve_forever, daemon=True).start()
            daemon = harness.Daemon(self, console=None, exporters=(
                "{type: pushgateway, instance: here, "
                f"url: 'http://127.0.0.1:{server.server_port}'}}",))
            harness.wait_until(lambda: len(server.requests) >= 4, 30, lambda: daemon.log)
            self.assertEqual(daemon.stop(), 0)
            server.shutdown()
        first, *middle, last = server.requests
        self.assertEqual(first[2], "gzip")
        self.assertTrue(gzip.decompress(first[3]).endswith(b"\n"))
        self.assertEqual({request[0] for request in middle}, {"PUT"})
        self.assertEqual({request[2] for request in middle}, {""})
        self.assertTrue(all(request[3].startswith(b"# TYPE ") for request in middle))
        self.assertEqual((last[0], last[3]), ("DELETE", b""))
        self.assertEqual({request[1] for request in server.requests},
                         {"/metrics/job/sockeye/instance/here"})


if __name__ == "__main__":
    unittest.main()
