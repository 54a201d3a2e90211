# SPDX-License-Identifier: Apache-2.0
"""The names of test_names by code of others, and a store of theirs that takes OTLP.

Debian builds Prometheus without its receiver of OTLP (bug 1080354). But the library that this
receiver names metrics and attributes with is in Debian, as Go source; and VictoriaMetrics takes
OTLP, has the rule in code of its own and scrapes pages. Both are fetched into the cache of the
other kernels and never installed.
"""

import collections
import functools
import glob
import json
import os
import re
import sys
import unittest
import urllib.parse

import harness
import receivers
import test_delivery
import test_names

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vm"))
import archive  # pylint: disable=wrong-import-position,wrong-import-order,import-error
import cache  # pylint: disable=wrong-import-position,wrong-import-order,import-error
import packages  # pylint: disable=wrong-import-position,wrong-import-order,import-error

# The first release whose VictoriaMetrics takes OTLP, and where the translator is so far.
STABLE, NEWEST = "trixie", "sid"
TRANSLATOR = "golang-github-prometheus-otlptranslator-dev"
NAMER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "namer.go")

# Folders of unpacked packages.
Fetched = collections.namedtuple("Fetched", "stable translator")


def fetch():
    folder = cache.made()
    architecture = harness.command("dpkg", "--print-architecture").stdout.strip()
    with cache.locked(folder):
        stable, newest = (packages.Suite(folder, [suite], architecture)
                          for suite in (STABLE, NEWEST))
        compiler, = stable.depends("golang-go", r"golang-[\d.]+-go")
        library = re.sub("go$", "src", compiler)
        return Fetched(stable.tree(["victoria-metrics", compiler, library]),
                       newest.tree([TRANSLATOR]))


class Translated(test_names.Names):
    """Names by Prometheus' own code."""

    def __init__(self, test, fetched):
        super().__init__()
        folder = harness.temporary_folder(test)
        root, = glob.glob(f"{fetched.stable}/usr/lib/go-*")
        program = f"{folder}/namer"
        environment = harness.clean_environment(
            GOROOT=root, GOPATH=f"{fetched.translator}/usr/share/gocode", GOENV="off",
            GOCACHE=f"{cache.made()}/go", GO111MODULE="off", GOTOOLCHAIN="local", CGO_ENABLED="0")
        harness.command(f"{root}/bin/go", "build", "-o", program, NAMER, env=environment)
        self.process = harness.spawn(test, program)

    @functools.lru_cache(maxsize=None)  # pylint: disable=method-cache-max-size-none
    def named(self, *words):
        harness.tell(self.process, "\t".join(words))
        return self.process.stdout.readline().rstrip("\n")

    def otlp_name(self, metric, unit, kind):
        return self.named(kind, metric, unit)

    def otlp_label(self, attribute):
        return self.named("label", attribute, "")


class VictoriaMetrics(test_delivery.Store):
    """Scrapes a page every second, takes OTLP and follows Prometheus' rule for its names."""

    PATH = "/opentelemetry/v1/metrics"

    def __init__(self, test, program, page):
        super().__init__(test, page, test_names.SCRAPED)
        self.start(program, "-opentelemetry.usePrometheusNaming",
                   f"-promscrape.config={self.config}", f"-storageDataPath={self.folder}/data",
                   f"-httpListenAddr=127.0.0.1:{self.port}", ready="/health")

    @property
    def exporter(self):
        return ("{type: otlp, histograms: explicit, "
                f"url: 'http://127.0.0.1:{self.port}{self.PATH}'}}")

    def samples(self):
        """(scraped, by OTLP): [(name, labels, time, value)]"""
        self.get("/internal/force_flush")
        text = self.get("/api/v1/export?" + urllib.parse.urlencode({"match[]": '{__name__!=""}'}))
        scraped, taken = [], []
        for series in map(json.loads, text.splitlines()):
            labels = series["metric"]
            name = labels.pop("__name__")
            if "job" in labels and re.match("up$|scrape_", name):
                continue
            (scraped if "job" in labels else taken).extend(
                (name, labels, moment, value)
                for moment, value in zip(series["timestamps"], series["values"])
                if value is not None)   # it is of a series that ended
        return scraped, taken

    def whole(self, moments):
        """The samples, when those by OTLP have so many times: what was just taken may not be shown
        yet. None before."""
        scraped, taken = self.samples()
        return (scraped, taken) if len({sample[2] for sample in taken}) >= moments else None


class ForeignNames(test_names.EverySeries):
    """Issue: "two receivers of different families agree for every series of a live run"."""

    @classmethod
    def setUpClass(cls):
        try:
            cls.fetched = fetch()
        except archive.Unavailable as missing:
            raise unittest.SkipTest(str(missing)) from None

    def run_daemon(self, *more):
        page = receivers.Page()
        self.store = VictoriaMetrics(self, f"{self.fetched.stable}/usr/bin/victoria-metrics", page)
        return super().run_daemon(page.exporter, self.store.exporter, *more)

    def by_snapshot(self, samples, labels_of):
        found = collections.defaultdict(dict)
        for name, labels, moment, value in samples:
            key = test_names.key_of(name, labels_of(name, labels))
            self.assertNotIn(key, found[moment / 1000])
            found[moment / 1000][key] = value
        return found

    def labels_by_otlp(self, names):
        """The function that gives labels as the page has them. Ours are other ones by design:
        attributes of TCP metrics are the conventions' by OTLP, and a service is a resource."""
        metrics = {names.of_path(name, {})[0]: (name, tags)
                   for name, (_, _, tags) in names.catalogue.items()}
        resource = {test_names.underscored(key)
                    for point in self.collector.points for key in point.resource}
        ours = {test_names.underscored(attribute): tag
                for attribute, tag in test_names.TAGS.items()}

        def labels_of(name, labels):
            whole = re.sub("_(bucket|sum|count)$", "", name)
            if name not in metrics and whole not in metrics:
                return labels   # will be told as a series that nobody expects
            path, tags = metrics.get(name) or metrics[whole]
            aside = resource - ({"service_name"} if "service" in tags else set())
            semantic = path.startswith(test_names.SEMANTIC)
            return {label if semantic else ours.get(label, label): value
                    for label, value in labels.items() if label not in aside}
        return labels_of

    def test_every_series(self):
        truth = self.run_daemon()
        written = self.check_written(truth)
        names = Translated(self, self.fetched)
        self.check_otlp(written, names)
        scraped, taken = harness.wait_until(lambda: self.store.whole(len(written)), 20,
                                            "what was taken last")
        scrapes = self.check_scrapes(written, self.by_snapshot(scraped, lambda _, labels: labels))
        taken = self.by_snapshot(taken, self.labels_by_otlp(names))
        self.assertEqual(sorted(taken), sorted(written))
        for moment, samples in written.items():
            self.assert_same(samples, taken[moment])
        metrics = {point.metric for point in self.collector.points}
        print(f"{len(metrics)} metrics, {len(test_names.all_series(written))} series, "
              f"{len(written)} snapshots, {scrapes} scrapes: remote write, OTLP by "
              "Prometheus' own names, VictoriaMetrics' page and its OTLP agree")


if __name__ == "__main__":
    unittest.main()
