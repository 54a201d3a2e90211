#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bodies of remote write, read by protoc with a schema of the specifications and compared field by
field with what they ought to hold.

    test_remote_write.py PROGRAM    PROGRAM: tests/reference/remote_write_body.c
"""

import math
import shutil
import struct
import subprocess
import sys
import unittest

import protoc

PROGRAM = ""
TIME, START = 1785672010123, 1785672000000
MESSAGES = {1: "WriteRequest", 2: "Request"}
BOUNDARIES = (1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1,
              0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
GAMMA = 1.015625
TYPES = {"counter": "COUNTER", "gauge": "GAUGE", "histogram": "HISTOGRAM"}


def body(version, histograms, metric, value, weight=1, **tags):
    words = [str(word) for pair in tags.items() for word in pair]
    return subprocess.run((PROGRAM, str(version), histograms, metric, str(TIME), str(START),
                           str(value), str(weight), *words), stdout=subprocess.PIPE, timeout=60,
                          check=True).stdout


def read(version, data):
    return protoc.decode("remote_write.proto", f"remote_write.{MESSAGES[version]}", data)


class Series:
    """One series of either version: labels in order, sample or histogram, metadata."""

    def __init__(self, version, message, series):
        symbols = message.get("symbols", [])
        if version == 1:
            self.labels = [(label["name"][0], label["value"][0]) for label in series["labels"]]
            self.metadata = None
        else:
            refs = [int(ref) for ref in series["labels_refs"]]
            self.labels = [(symbols[name], symbols[value])
                           for name, value in zip(refs[::2], refs[1::2])]
            own = series["metadata"][0]
            self.metadata = (own["type"][0], symbols[int(own.get("unit_ref", ["0"])[0])],
                             symbols[int(own["help_ref"][0])])
        self.samples = series.get("samples", [])
        self.histograms = series.get("histograms", [])


def read_series(version, data):
    message = read(version, data)
    return message, [Series(version, message, series) for series in message["timeseries"]]


def number(message, field):
    """A field of protoc's text; what proto3 leaves out is zero."""
    return float(protoc.one(message, field, "0"))


def key_of(value):
    """The bin of a value: reference/DDSketch of the Datadog Agent."""
    return round(math.log(value) / math.log(GAMMA)) + 1338


def bin_value(value):
    return GAMMA ** (key_of(value) - 1338)


class Bodies(unittest.TestCase):
    LABELS = [("instance", "box"), ("job", "sockeye"), ("port", "443"), ("service", "shop")]

    def assert_series(self, series, name, labels, more=()):
        expected = sorted([("__name__", name), *labels, *more])
        self.assertEqual(series.labels, expected)
        self.assertTrue(all(value for _, value in series.labels))

    def assert_sample(self, version, series, value, start):
        self.assertEqual(len(series.samples), 1)
        self.assertEqual(series.histograms, [])
        sample = series.samples[0]
        self.assertEqual(number(sample, "value"), value)
        self.assertEqual(number(sample, "timestamp"), TIME)
        self.assertEqual(number(sample, "start_timestamp"), START if start and version == 2 else 0)

    def assert_metadata(self, version, message, series, family, kind, unit):
        if version == 1:
            self.assertEqual(len(message["metadata"]), 1)
            own = message["metadata"][0]
            self.assertEqual(own["metric_family_name"], [family])
            self.assertEqual((own["type"], own.get("unit", [""])), ([TYPES[kind]], [unit]))
            self.assertTrue(own["help"][0])
            return
        symbols = message["symbols"]
        self.assertEqual(symbols[0], "")
        self.assertEqual(len(symbols), len(set(symbols)))
        for own in series:
            self.assertEqual(own.metadata[:2], (TYPES[kind], unit))
            self.assertTrue(own.metadata[2])

    def test_counter(self):
        for version in MESSAGES:
            message, series = read_series(version, body(
                version, "classic", "tcp.sent.bytes", 9007199254740991, service="shop", port=443))
            self.assertEqual(len(series), 1)
            self.assert_series(series[0], "sockeye_tcp_sent_bytes_total", self.LABELS)
            self.assert_sample(version, series[0], 9007199254740991, start=True)
            self.assert_metadata(version, message, series, "sockeye_tcp_sent_bytes", "counter",
                                 "bytes")

    def test_gauge(self):
        for version in MESSAGES:
            for value in (0, -1.5, 1e300, 0.1):
                message, series = read_series(version, body(
                    version, "classic", "tcp.connections.active", value, service="shop", port=443))
                self.assert_series(series[0], "sockeye_tcp_connections_active", self.LABELS)
                self.assert_sample(version, series[0], value, start=False)
                self.assert_metadata(version, message, series, "sockeye_tcp_connections_active",
                                     "gauge", "")

    def test_classic_histogram(self):
        labels = [("instance", "box"), ("job", "sockeye"), ("http_request_method", "GET"),
                  ("server_port", "80")]
        family = "http_server_request_duration_seconds"
        for version in MESSAGES:
            for value, weight in ((0.0301, 7), (59, 1), (1e-6, 3), (100, 1000000)):
                message, series = read_series(version, body(
                    version, "classic", "http.server.request.duration", value, weight,
                    method="GET", port=80))
                self.assertEqual(len(series), len(BOUNDARIES) + 3)
                for own, boundary in zip(series, (*BOUNDARIES, math.inf)):
                    le = dict(own.labels)["le"]
                    self.assertEqual(float(le), boundary)
                    self.assert_series(own, family + "_bucket", labels, [("le", le)])
                    self.assert_sample(version, own,
                                       weight if bin_value(value) <= boundary else 0, start=True)
                self.assert_series(series[-2], family + "_sum", labels)
                self.assertAlmostEqual(number(series[-2].samples[0], "value") / weight, value, 9)
                self.assert_series(series[-1], family + "_count", labels)
                self.assert_sample(version, series[-1], weight, start=True)
                self.assert_metadata(version, message, series, family, "histogram", "seconds")

    def test_native_histogram(self):
        for version in MESSAGES:
            for value, weight in ((0.0301, 7), (1, 1), (1e-6, 3), (1e12, 5)):
                message, series = read_series(version, body(
                    version, "native", "tcp.rtt", value, weight, port=443, service="shop"))
                self.assertEqual(len(series), 1)
                self.assert_series(series[0], "sockeye_tcp_rtt_seconds", self.LABELS)
                self.assertEqual(series[0].samples, [])
                self.assertEqual(len(series[0].histograms), 1)
                histogram = series[0].histograms[0]
                self.assertEqual(number(histogram, "count_int"), weight)
                self.assertEqual(number(histogram, "schema"), 5)
                self.assertEqual(number(histogram, "zero_threshold"), 1e-9)
                self.assertEqual(histogram["zero_count_int"], ["0"])
                self.assertAlmostEqual(number(histogram, "sum") / weight / value, 1, 9)
                self.assertEqual(number(histogram, "timestamp"), TIME)
                self.assertEqual(number(histogram, "start_timestamp"),
                                 START if version == 2 else 0)
                self.assertEqual(histogram["positive_deltas"], [str(weight)])
                self.assertEqual(len(histogram["positive_spans"]), 1)
                span = histogram["positive_spans"][0]
                self.assertEqual(number(span, "length"), 1)
                self.assertEqual(number(span, "offset"),
                                 math.ceil(math.log2(bin_value(value)) * 32))
                self.assert_metadata(version, message, series, "sockeye_tcp_rtt_seconds",
                                     "histogram", "seconds")

    def test_zeros_alone(self):
        for version in MESSAGES:
            _, series = read_series(version, body(version, "native", "tcp.rtt", 0, 4, port=1))
            histogram = series[0].histograms[0]
            self.assertEqual((number(histogram, "count_int"), number(histogram, "zero_count_int")),
                             (4, 4))
            self.assertNotIn("positive_spans", histogram)

    def test_hostile_values(self):
        for value, label in (("a|b,c\n} 1", "a|b,c\n} 1"), ("\"},{x=\"", "\"},{x=\""),
                             ("caf\u00e9", "caf\u00e9"), ("a\x1bz", "a\ufffdz")):
            for version in MESSAGES:
                _, series = read_series(version, body(version, "classic", "tcp.rtt", 1, 1,
                                                      service=value))
                self.assertEqual(len(series), len(BOUNDARIES) + 3)
                for own in series:
                    self.assertEqual(dict(own.labels)["service"], label)

    def test_markers(self):
        """The one not-a-number that ends a series is in the bytes of each sample."""
        marker = struct.pack("<Q", 0x7FF0000000000002)
        for version in MESSAGES:
            for histograms, metric, count in (("classic", "tcp.rtt", len(BOUNDARIES) + 3),
                                              ("native", "tcp.rtt", 1),
                                              ("classic", "tcp.sent.bytes", 1)):
                data = body(version, histograms, metric, "ended", 0, port=443)
                _, series = read_series(version, data)
                self.assertEqual(len(series), count)
                self.assertEqual(data.count(marker), count)


if __name__ == "__main__":
    if shutil.which("protoc") is None:
        sys.exit("protoc is not installed (packaging/dev installs it)")
    PROGRAM = sys.argv.pop(1)
    unittest.main()
