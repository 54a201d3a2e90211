#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests of the OTLP encoder, read by protoc with an independent schema and by json, say field by
field what went in; both encodings say the same.

usage: test_otlp_request.py OTLP_REQUEST_PROGRAM
"""
import bisect
import math
import random
import subprocess
import sys
import unittest

import otlp

PROGRAM = sys.argv.pop(1) if len(sys.argv) > 1 else ""

START, FIRST, SECOND = (1785672000 * 10 ** 9 + step * 10 ** 10 for step in range(3))
BOUNDS = [1e-05, 2.5e-05, 5e-05, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
          0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
HOSTILE = [b'quote " backslash \\ }]', b"line\nbreak\r\tand \x1b[2J", "caf\u00e9 \u4f60".encode(),
           b"\x0a\x08injected", b'"}}],"asInt":"9"', b"x" * 200, b"=,;|#:"]


def request(points, encoding="protobuf", temporality="cumulative", histograms="exponential"):
    lines = [point if point == "-" else "\t".join(
        [point[0], repr(point[1])] + [part for tag, value in point[2].items()
                                      for part in (tag, value.hex())]) for point in points]
    body = subprocess.run([PROGRAM, encoding, temporality, histograms],
                          input="\n".join(lines).encode() + b"\n", capture_output=True, check=True,
                          timeout=120).stdout
    content_type = "application/json" if encoding == "json" else "application/x-protobuf"
    return otlp.read(body, content_type)


class Fields(unittest.TestCase):
    ENCODINGS = ("protobuf", "json")

    def one_point(self, *points, **settings):
        found = request(points, **settings)
        self.assertEqual(len(found), 1)
        return found[0]

    def test_counter(self):
        for encoding in self.ENCODINGS:
            point = self.one_point(("tcp.sent.bytes", 5, {"port": b"80"}),
                                   ("tcp.sent.bytes", 7, {"port": b"80"}), encoding=encoding)
            self.assertEqual(point, ({"service.name": "reference"}, "sockeye",
                                     "sockeye.tcp.sent.bytes", "By", "sum", 2, True,
                                     {"server.port": 80}, START, FIRST, 12))

    def test_large_and_scaled_counters(self):
        for encoding in self.ENCODINGS:
            point = self.one_point(("tcp.sent.bytes", 2.0 ** 62, {}), encoding=encoding)
            self.assertEqual(point.value, 2 ** 62)
            point = self.one_point(("sockeye.cpu.time", 15e6, {}), encoding=encoding)
            self.assertAlmostEqual(point.value, 0.015, places=12)
            self.assertEqual(point.unit, "s")

    def test_delta(self):
        for encoding in self.ENCODINGS:
            point = self.one_point(("tcp.sent.bytes", 5, {}), "-", ("tcp.sent.bytes", 7, {}),
                                   encoding=encoding, temporality="delta")
            self.assertEqual((point.temporality, point.start, point.time, point.value),
                             (1, FIRST, SECOND, 7))

    def test_gauge(self):
        for encoding in self.ENCODINGS:
            for value in (0, 3.25, -1.5, 1e300, 2.5e-9):
                point = self.one_point(("tcp.connections.active", value, {}), encoding=encoding)
                self.assertEqual((point.kind, point.monotonic, point.temporality), ("gauge", False,
                                                                                   0))
                self.assertTrue(math.isclose(point.value, value, rel_tol=1e-14))

    def test_semantic_attributes(self):
        tags = {"method": b"GET", "status": b"404", "route": b"/a/*", "service": b"api",
                "port": b"8080"}
        for encoding in self.ENCODINGS:
            point = self.one_point(("http.server.request.duration", 0.1, tags), encoding=encoding)
            self.assertEqual(point.metric, "http.server.request.duration")
            self.assertEqual(point.attributes, {
                "http.request.method": "GET", "http.response.status_code": 404,
                "http.route": "/a/*", "server.port": 8080})
            self.assertEqual(point.resource["service.name"], "api")
            tags = {"status": b"__other__", "port": b"99999999999999999999"}
            point = self.one_point(("http.server.request.duration", 0.1, tags), encoding=encoding)
            self.assertEqual(point.attributes, {"http.response.status_code": "__other__",
                                                "server.port": "99999999999999999999"})
            tags = {"method": b"GET", "status": b"404", "route": b"/a/*", "service": b"api",
                    "port": b"8080"}

    def test_hostile_values(self):
        for encoding in self.ENCODINGS:
            for tag, key in (("process", "process.executable.name"), ("service", "service.name")):
                points = request([("tcp.connections.opened", number + 1, {tag: value})
                                  for number, value in enumerate(HOSTILE)] +
                                 [("tcp.connections.opened", 99, {tag: b"\xff\xc0\x80a"})],
                                 encoding=encoding)
                found = {point.value: {**point.resource, **point.attributes}[key]
                         for point in points}
                self.assertEqual(found, {number + 1: value.decode()
                                         for number, value in enumerate(HOSTILE)} |
                                 {99: "\ufffd\ufffd\ufffda"})

    def test_resource_for_each_service(self):
        series = [(metric, place + 1, {"port": b"%d" % place, **service})
                  for metric in ("tcp.connections.opened", "tcp.sent.bytes")
                  for place in range(3)
                  for service in ({"service": b"web"}, {"service": b"db"}, {})]
        for encoding in self.ENCODINGS:
            points = request(series, encoding=encoding)
            found = {(point.metric, point.value, point.attributes["server.port"],
                      point.resource["service.name"]) for point in points}
            self.assertEqual(found, {
                (f"sockeye.{metric}", value, int(tags["port"]),
                 tags.get("service", b"reference").decode()) for metric, value, tags in series})
            self.assertFalse(any("service.name" in point.attributes or "service" in
                                 point.attributes for point in points))


class Distributions(unittest.TestCase):
    def setUp(self):
        rng = random.Random(1)
        self.values = [0.0, 1.0, 60.0, 100.0] + [10 ** rng.uniform(-6, 2) for _ in range(1500)]
        self.points = [("tcp.rtt", value, {}) for value in self.values]

    def check_quantiles(self, value, values):
        values = sorted(values)
        for q in (0.01, 0.25, 0.5, 0.9, 0.99):
            exact = values[int(q * (len(values) - 1))]
            self.assertLess(abs(otlp.quantile(value, q) / exact - 1), 0.02, q)

    def test_exponential(self):
        for encoding in Fields.ENCODINGS:
            value = request(self.points, encoding=encoding)[0].value
            self.assertEqual((value["count"], value["zero"], value["scale"]),
                             (len(self.values), 1, 5))
            self.assertEqual(value["zero_threshold"], 1e-9)
            self.assertAlmostEqual(value["sum"], sum(self.values), places=6)
            self.assertNotIn("min", value)
            self.check_quantiles(value, self.values)

    def test_exponential_delta(self):
        for encoding in Fields.ENCODINGS:
            value = request([("tcp.rtt", 1e-6, {}), ("tcp.rtt", 1e6, {}), "-", *self.points[1:]],
                            encoding=encoding, temporality="delta")[0].value
            self.assertEqual(value["count"], len(self.values) - 1)
            self.assertLess(abs(value["min"] / min(self.values[1:]) - 1), 0.008)
            self.assertLess(abs(value["max"] / max(self.values) - 1), 0.008)
            self.check_quantiles(value, self.values[1:])

    def test_explicit(self):
        for encoding in Fields.ENCODINGS:
            value = request(self.points, encoding=encoding, histograms="explicit")[0].value
            self.assertEqual(value["bounds"], BOUNDS)
            below = 0
            values = sorted(self.values)
            for bound, count in zip(BOUNDS, value["counts"]):
                below += count
                # A value moves by half a bin at most.
                self.assertLessEqual(bisect.bisect_right(values, bound * 0.992), below)
                self.assertGreaterEqual(bisect.bisect_right(values, bound * 1.008), below)

    def test_encodings_say_the_same(self):
        points = [*self.points, ("tcp.connections.active", 7, {"port": b"1"}),
                  ("tcp.sent.bytes", 9, {"port": b"1"})]
        for histograms in ("exponential", "explicit"):
            protobuf, json = (request(points, encoding, "cumulative", histograms)
                              for encoding in Fields.ENCODINGS)
            for left, right in zip(protobuf, json):
                if isinstance(left.value, dict):
                    self.assertTrue(math.isclose(left.value.pop("sum"), right.value.pop("sum"),
                                                 rel_tol=1e-14))
                self.assertEqual(left, right)
            self.assertEqual(len(protobuf), len(json))


if __name__ == "__main__":
    unittest.main()
