#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bodies of the Datadog exporter, read by protoc with a schema of our receivers and by json, say
field by field what went in.

usage: test_datadog_body.py DATADOG_BODY_PROGRAM
"""
import collections
import json
import math
import re
import subprocess
import sys
import unittest

import protoc
from protoc import one

PROGRAM = sys.argv.pop(1)

TIME = 1785672010
INTERVAL = 10

# metric, value, tags; tag values are any bytes but NUL
HOSTILE = [b"a,b|c#d", b'quote " backslash \\ brace }', b"line\nbreak\r\tand \x1b[2J", b"\xff\xfe\x80",
           "caf\u00e9 \u4f60\u597d".encode(), b"x" * 200, "\u00e9".encode() * 100, b"colon:",
           b'"}]},{"metric":"injected', b"\x0a\x08injected"]
SERIES = [
    ("tcp.connections.opened", 7, {"service": b"api", "port": b"443"}),
    ("tcp.connections.opened", 5, {"service": b"api", "port": b"443"}),
    ("tcp.sent.bytes", 2 ** 53 - 1, {"direction": b"incoming"}),
    ("tcp.connections.active", 3, {"service": b"api"}),
    ("sockeye.kernel.ring.fill", 0.1 + 0.2, {"ring": b"events"}),
    ("sockeye.kernel.ring.fill", 0, {"ring": b"idle"}),
    ("sockeye.memory.resident", 1e300, {}),
] + [("tcp.connections.closed", number + 1, {"service": value})
     for number, value in enumerate(HOSTILE)]
SKETCHES = [
    ("http.server.request.duration", 0.25, {"route": b"/users/*", "status": b"200"}),
    ("http.server.request.duration", 0.25, {"route": b"/users/*", "status": b"200"}),
    ("http.server.request.duration", 0.0001, {"route": b"/users/*", "status": b"200"}),
    ("http.server.request.duration", 31.5, {"route": b"/users/*", "status": b"200"}),
    ("tcp.rtt", 0, {}),
    ("tcp.rtt", 1e-9, {}),
    ("tcp.rtt", 1e18, {"service": b"far"}),
] + [("tcp.connect.duration", 0.001 * (number + 1), {"service": value})
     for number, value in enumerate(HOSTILE)]

KINDS = {"tcp.connections.active": "gauge", "sockeye.kernel.ring.fill": "gauge",
         "sockeye.memory.resident": "gauge"}
UNITS = {"tcp.sent.bytes": "byte", "sockeye.kernel.ring.fill": "fraction",
         "sockeye.memory.resident": "byte"}
# The daemon's tags are sorted by their place in its catalogue.
TAG_ORDER = ["direction", "service", "port", "status", "route", "ring"]


def name_of(metric):
    return metric if metric.startswith("sockeye.") else "sockeye." + metric


def clean(tag, value):
    """What a tag may look like: UTF-8 of at most 200 bytes, no control, none of , | #."""
    text = value.decode("utf-8", "surrogateescape")
    text = re.sub("[\x00-\x1f\x7f-\x9f,|#\udc80-\udcff]", "_", text)
    text = f"{tag}:{text}".encode()[:200].decode("utf-8", "ignore")
    return text[:-1] + "_" if text.endswith(":") else text


def tags_of(tags):
    return ["env:test"] + [clean(tag, tags[tag]) for tag in TAG_ORDER if tag in tags]


def body_of(encoding, points):
    lines = []
    for metric, value, tags in points:
        fields = [metric, repr(value)]
        for tag, text in tags.items():
            fields += [tag, text.hex()]
        lines.append("\t".join(fields) + "\n")
    return subprocess.run([PROGRAM, encoding], input="".join(lines).encode(), check=True,
                          capture_output=True, timeout=60).stdout


def key_of(metric, tags):
    return (name_of(metric), tuple(tags_of(tags)))


def expected_series():
    series = {}
    for metric, value, tags in SERIES:
        key = key_of(metric, tags)
        gauge = KINDS.get(metric) == "gauge"
        series[key] = (3 if gauge else 1, UNITS.get(metric, ""),
                       value if gauge else series.get(key, (0, 0, 0))[2] + value)
    return series


class Series(unittest.TestCase):
    maxDiff = None

    def check(self, found):
        self.assertEqual(len(found), len({key for key, _ in found}))
        self.assertEqual(dict(found), expected_series())

    def test_json(self):
        body = body_of("json", SERIES)
        payload = json.loads(body)
        self.assertEqual(list(payload), ["series"])
        found = []
        for entry in payload["series"]:
            self.assertLessEqual(set(entry), {"metric", "type", "unit", "resources", "tags",
                                              "interval", "points"})
            self.assertEqual(entry["resources"], [{"type": "host", "name": "reference"}])
            self.assertEqual(entry["interval"], INTERVAL)
            point, = entry["points"]
            self.assertEqual(set(point), {"timestamp", "value"})
            self.assertEqual(point["timestamp"], TIME)
            found.append(((entry["metric"], tuple(entry["tags"])),
                          (entry["type"], entry.get("unit", ""), point["value"])))
        self.check(found)

    def test_protobuf(self):
        payload = protoc.decode("datadog.proto", "reference.MetricPayload",
                                body_of("protobuf", SERIES))
        types = {"COUNT": 1, "RATE": 2, "GAUGE": 3}
        found = []
        for entry in payload.get("series", []):
            self.assertLessEqual(set(entry),
                                 {"resources", "metric", "tags", "points", "type", "unit",
                                  "interval"})
            self.assertEqual(one(entry, "resources"), {"type": ["host"], "name": ["reference"]})
            self.assertEqual(int(one(entry, "interval")), INTERVAL)
            point = one(entry, "points")
            self.assertEqual(int(one(point, "timestamp")), TIME)
            found.append(((one(entry, "metric"), tuple(entry.get("tags", []))),
                          (types[one(entry, "type")], one(entry, "unit", ""),
                           float(one(point, "value", "0")))))
        self.check(found)


def bin_key(value):
    """https://github.com/DataDog/datadog-agent pkg/util/quantile, defaults."""
    if value < 1e-9:
        return 0
    return min(4095, round(math.log(value) / math.log1p(1 / 64)) + 1338)


def bin_value(key):
    return 0 if key == 0 else (1 + 1 / 64) ** (key - 1338)


class Sketches(unittest.TestCase):
    def test_sketches(self):
        expected = collections.defaultdict(list)
        for metric, value, tags in SKETCHES:
            expected[key_of(metric, tags)].append(value)
        payload = protoc.decode("datadog.proto", "reference.SketchPayload",
                                body_of("sketches", SKETCHES))
        sketches = payload.get("sketches", [])
        self.assertEqual(len(sketches), len(expected))
        for sketch in sketches:
            self.assertLessEqual(set(sketch),
                                 {"metric", "host", "tags", "dogsketches"})
            self.assertEqual(one(sketch, "host"), "reference")
            values = expected.pop((one(sketch, "metric"), tuple(sketch.get("tags", []))))
            self.check(one(sketch, "dogsketches"), values)
        self.assertEqual(expected, {})

    def check(self, sketch, values):
        bins = sorted(collections.Counter(bin_key(value) for value in values).items())
        total = sum(values)
        mean = total / len(values)
        self.assertEqual(int(one(sketch, "ts")), TIME)
        self.assertEqual(int(one(sketch, "cnt")), len(values))
        self.assertEqual([int(key) for key in sketch.get("k", [])], [key for key, _ in bins])
        self.assertEqual([int(count) for count in sketch.get("n", [])], [n for _, n in bins])
        for field, number in (("sum", total), ("avg", mean),
                              ("min", min(bin_value(bins[0][0]), mean)),
                              ("max", max(bin_value(bins[-1][0]), mean))):
            self.assertTrue(math.isclose(float(one(sketch, field, "0")), number, rel_tol=1e-12),
                            (field, sketch, number))
        least, average, greatest = (float(one(sketch, field, "0")) for field in
                                    ("min", "avg", "max"))
        self.assertTrue(least <= average <= greatest, sketch)


if __name__ == "__main__":
    unittest.main()
