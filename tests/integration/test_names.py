# SPDX-License-Identifier: Apache-2.0
"""Receivers of different families agree for every series of one live run.

A real Prometheus scrapes the page and takes remote write; a receiver of OTLP, one of Graphite and
one of DogStatsD get the same. What each has is called as Prometheus calls it, by the rules that the
receivers publish: https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
for OTLP, and for the others name, kind and unit of `sockeye metrics`.
"""

import collections
import json
import math
import re
import time
import unittest
import urllib.parse

import harness
import payloads
import receivers
import test_delivery
import test_otlp
from line_server import LineServer
from traffic import Truth

SECONDS = 4
WORDS = {"seconds": "seconds", "bytes": "bytes", "ratio": "ratio"}
UCUM_WORDS = {"s": "seconds", "By": "bytes"}
TAGS = {attribute: tag for tag, attribute in payloads.Otlp.ATTRIBUTES.items()}
SEMANTIC = payloads.Otlp.SEMANTIC
SCRAPED, WRITTEN = "page", "sockeye"  # jobs


def catalogue():
    """{name: (kind, word of the unit, tags)}"""
    text = harness.sockeye("metrics").stdout
    found = {}
    for entry in text.strip().split("\n\n"):
        name, kind, unit = re.match(r"(\S+)\s+(\w+)(?:, (\w+))?", entry).groups()
        tags = re.search(r"^ +tags: (.*)$", entry, re.MULTILINE)
        found[name] = (kind, WORDS.get(unit, ""), tags[1].split(", ") if tags else [])
    return found


def underscored(name):
    return re.sub(r"[^a-zA-Z0-9]", "_", name)


def key_of(name, labels):
    """A series as Prometheus has it; boundaries as numbers, since "1" and "1.0" are one."""
    return name, frozenset((label, float(value) if label == "le" else value)
                           for label, value in labels.items() if label not in ("job", "instance"))


class Prometheus(test_delivery.Prometheus):
    """Scrapes a page every second and takes what is written to it."""

    def __init__(self, test, page):
        super().__init__(test, page, SCRAPED, ("--web.enable-remote-write-receiver",))

    def exporter(self):
        return f"{{type: remote_write, url: 'http://127.0.0.1:{self.port}/api/v1/write'}}"

    def samples(self, job):
        """{time: {series: value}} of the last minute, as it was stored."""
        text = self.get("/api/v1/query?" + urllib.parse.urlencode(
            {"query": f"{{job='{job}'}}[1m]"}))
        found = collections.defaultdict(dict)
        for entry in json.loads(text)["data"]["result"]:
            name = entry["metric"].pop("__name__")
            if job == SCRAPED and re.match("up$|scrape_", name):
                continue
            for moment, value in entry["values"]:
                found[moment][key_of(name, entry["metric"])] = float(value)
        return found


def close(one, other):
    """Equal, as far as decimal figures and sums of them can be."""
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


def all_series(written):
    return {key for samples in written.values() for key in samples}


class Names:
    """What Prometheus would call what other receivers have."""

    def __init__(self):
        self.catalogue = catalogue()

    @staticmethod
    def _histogram(name, labels, value):
        below = 0
        yield key_of(name + "_sum", labels), value["sum"]
        yield key_of(name + "_count", labels), value["count"]
        for bound, count in zip([*value["bounds"], math.inf], value["counts"]):
            below += count
            yield key_of(name + "_bucket", {**labels, "le": bound}), below

    def otlp_name(self, metric, unit, kind):
        """What a receiver of OTLP calls a metric."""
        name = underscored(metric)
        word = UCUM_WORDS.get(unit, "ratio" if (unit, kind) == ("1", "gauge") else "")
        name += f"_{word}" if word and word not in name.split("_") else ""
        return name + ("_total" if kind == "counter" else "")

    def otlp_label(self, attribute):
        return underscored(attribute)

    def of_otlp(self, point):
        """[(series, value)] of a point, with the service as our label."""
        own = point.metric.removeprefix("sockeye.")
        own = own if own in self.catalogue else point.metric
        semantic = point.metric.startswith(SEMANTIC)
        name = self.otlp_name(point.metric, point.unit,
                              "counter" if point.monotonic else point.kind)
        attributes = dict(point.attributes)
        if "service" in self.catalogue[own][2]:
            attributes["service.name"] = point.resource["service.name"]
        labels = {self.otlp_label(key if semantic else TAGS.get(key, key)): str(value)
                  for key, value in attributes.items()}
        if point.kind == "histogram":
            yield from self._histogram(name, labels, point.value)
        else:
            yield key_of(name, labels), point.value

    def _find(self, path):
        """The metric with this dotted name, with or without a prefix."""
        return next((name for name in (path, path.removeprefix("sockeye."), f"sockeye.{path}")
                     if name in self.catalogue), None)

    def of_path(self, path, tags):
        """The series of a dotted name; None: Prometheus has none (percentiles, the greatest)."""
        name, part = self._find(path), ""
        if name is None:
            path, _, part = path.rpartition(".")
            name = self._find(path)
            if part not in ("count", "sum"):
                return None
        kind, word, _ = self.catalogue[name]
        semantic = name.startswith(SEMANTIC)
        labels = {underscored(payloads.Otlp.ATTRIBUTES.get(tag, tag)) if semantic else tag: value
                  for tag, value in tags.items() if tag != "host"}
        own = underscored(name if semantic else f"sockeye.{name.removeprefix('sockeye.')}")
        own += f"_{word}" if word and not own.endswith(f"_{word}") else ""
        return key_of(own + (f"_{part}" if part else "_total" if kind == "counter" else ""), labels)


class EverySeries(unittest.TestCase):
    """Issue: "two receivers of different families agree for every series of a live run"."""

    @staticmethod
    def wrong(expected, found, absent=None):
        """@absent: what a series that the receiver does not have counts as; None: it must."""
        wrong = [(key, None, own) for key, own in found.items() if key not in expected]
        for key, value in expected.items():
            own = found.get(key, absent)
            if own is None or not close(own, value):
                wrong.append((key, value, own))
        return wrong

    def assert_same(self, expected, found, absent=None):
        wrong = self.wrong(expected, found, absent)
        self.assertEqual(wrong, [], f"{len(wrong)} of {len(expected)}")

    def run_daemon(self, *more):
        """@more: exporters beside those that are compared always."""
        self.page = receivers.Page()
        self.prometheus = Prometheus(self, self.page)
        self.collector = test_otlp.Collector(self)
        self.carbon = payloads.Carbon()
        self.agent = receivers.Agent(self)
        lines = LineServer(self, self.carbon.add)
        self.daemon = harness.Daemon(self, console=None, exporters=(
            self.page.exporter, self.prometheus.exporter(),
            self.collector.exporter("histograms: explicit"), self.agent.exporter,
            "{type: graphite, counters: total, retention: 1s, "
            f"url: 'tcp://127.0.0.1:{lines.port}'}}", *more))
        # Prometheus finds its targets some seconds after its start.
        harness.wait_until(lambda: self.prometheus.query("up") == 1, 60, self.prometheus.said)
        truth = Truth()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            truth.add(self, 20)
            time.sleep(0.3)
        self.assertEqual(self.daemon.stop(), 0)
        lines.down()
        self.agent.down()
        self.collector.read()
        return truth

    def check_written(self, truth):
        """{time: {series: value}} by remote write, which all else is compared with."""
        written = self.prometheus.samples(WRITTEN)
        self.assertGreaterEqual(len(written), SECONDS - 1)
        mine = {("port", str(truth.port)), ("server_port", str(truth.port))}
        self.assertGreaterEqual(len([key for key in all_series(written) if key[1] & mine]), 100)
        return written

    def check_scrapes(self, written, scraped):
        """Each scrape is one of the snapshots that were written, whole."""
        self.assertGreaterEqual(len(scraped), 3)
        for values in scraped.values():
            probe = {key: value for key, value in values.items()
                     if key[0] == "sockeye_cpu_time_seconds_total"}
            self.assertEqual(len(probe), 1)
            same = [moment for moment, samples in written.items()
                    if all(close(samples.get(key, math.nan), value)
                           for key, value in probe.items())]
            self.assertEqual(len(same), 1, probe)
            self.assert_same(written[same[0]], values)
        return len(scraped)

    def check_otlp(self, written, names):
        found = collections.defaultdict(dict)
        for point in self.collector.points:
            for key, value in names.of_otlp(point):
                self.assertNotIn(key, found[point.time // 10 ** 6])
                found[point.time // 10 ** 6][key] = value
        self.assertEqual(sorted(found), [round(moment * 1000) for moment in sorted(written)])
        for moment, samples in written.items():
            self.assert_same(samples, found[round(moment * 1000)])

    def check_graphite(self, written):
        names = Names()
        found = collections.defaultdict(dict)
        for name, points in self.carbon.series.values.items():
            for (tags, moment), value in points.items():
                key = names.of_path(name, dict(tags))
                if key is not None:
                    found[moment][key] = value
        # The middle of an interval says which slot it belongs to, and a middle that lies at a
        # slot's end may be of either; a run begins with a whole slot.
        self.assertGreaterEqual(len(found), len(written) - 2)
        for slot, values in found.items():
            near = [moment for moment in written if slot - 1 <= moment - 0.5 < slot + 1.02]
            wrong = [self.wrong({key: value for key, value in written[moment].items()
                                 if not key[0].endswith("_bucket")}, values) for moment in near]
            self.assertIn([], wrong, slot)

    def check_dogstatsd(self, written):
        """What it came to: increases that add up, last values, how many values."""
        names = Names()
        found = {}
        for (name, kind, tags), entry in self.agent.sums.series.items():
            if name.startswith("datadog.dogstatsd.client."):
                continue    # what the client tells of itself
            labels = dict(tag.split(":", 1) for tag in tags)
            path = f"{name}.count" if kind == "d" else name
            key = names.of_path(path, labels)
            self.assertIsNotNone(key, path)
            found[key] = entry["count" if kind == "d" else "sum"]
        last = {key: value for key, value in written[max(written)].items()
                if not key[0].endswith(("_bucket", "_sum"))}
        gauges = {key for key in last if not key[0].endswith(("_total", "_count"))}
        self.assertEqual([key for key in gauges if key not in found], [])
        self.assert_same(last, found, absent=0)

    def test_every_series(self):
        truth = self.run_daemon()
        written = self.check_written(truth)
        scrapes = self.check_scrapes(written, self.prometheus.samples(SCRAPED))
        self.check_otlp(written, Names())
        self.check_graphite(written)
        self.check_dogstatsd(written)
        self.assertEqual(self.collector.malformed + self.carbon.malformed
                         + self.agent.sums.malformed, [])
        print(f"{len(all_series(written))} series, {len(written)} snapshots, {scrapes} scrapes: "
              "page, remote write, OTLP, Graphite and DogStatsD agree")


if __name__ == "__main__":
    unittest.main()
