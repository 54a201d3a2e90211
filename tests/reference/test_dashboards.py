#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The dashboards of packaging/: what they ask for is in the daemon's catalogue, and their products'
own types and client understand them. Of each kind of mistake one is planted, and found.

    test_dashboards.py SOCKEYE FOLDER    FOLDER keeps what comes from npm
"""

import copy
import json
import os
import subprocess
import sys
import unittest

import dashboards
import npm
import typescript

SOCKEYE = FOLDER = ""
PACKAGES = (
    ("@grafana/schema", "13.2.3",
     lambda path: path.startswith("dist/types/") or path == "package.json"),
    typescript.PACKAGE,
    ("@datadog/datadog-api-client", "1.64.0",
     lambda path: path.endswith(".js") and "api-client-v2" not in path and "/apis/" not in path),
    ("loglevel", "1.9.2", lambda path: path in ("package.json", "lib/loglevel.js")),
)
RAW = "./node_modules/@grafana/schema/dist/types/raw"

# An enum's values are its texts in JSON.
TYPES = f"""
import type {{ Dashboard }} from '{RAW}/dashboard/x/types.gen';
import type * as stat from '{RAW}/composable/stat/panelcfg/x/types.gen';
import type * as table from '{RAW}/composable/table/panelcfg/x/types.gen';
import type * as bargauge from '{RAW}/composable/bargauge/panelcfg/x/types.gen';
import type * as timeseries from '{RAW}/composable/timeseries/panelcfg/x/types.gen';
type Plain<T> = T extends string ? `${{T}}` :
    T extends object ? {{ [K in keyof T]: Plain<T[K]> }} : T;
"""
WITH_FIELDS = ("timeseries", "table")


def declarations(dashboard, name):
    """Declarations that hold only if the types do; each is one line."""
    lines = [f"const {name}: Plain<Dashboard> = {json.dumps(dashboard)};"]
    for number, panel in enumerate(dashboards.panels_of(dashboard)):
        kind = panel["type"]
        if kind == "row":
            continue
        lines.append(f"const {name}_options_{number}: Plain<{kind}.Options> = "
                     f"{json.dumps(panel['options'])};")
        if kind in WITH_FIELDS:
            lines.append(f"const {name}_fields_{number}: Plain<{kind}.FieldConfig> = "
                         f"{json.dumps(panel['fieldConfig']['defaults']['custom'])};")
    return lines


class Grafana(unittest.TestCase):
    """Types that Grafana publishes, and the catalogue."""

    @classmethod
    def setUpClass(cls):
        cls.dashboard = dashboards.load(dashboards.GRAFANA)
        cls.series = dashboards.series_of(dashboards.catalogue(SOCKEYE))

    def changed(self, change):
        """The dashboard with two of its graphs, changed."""
        dashboard = copy.deepcopy(self.dashboard)
        graphs = [panel for panel in dashboard["panels"] if panel["type"] == "timeseries"][:2]
        dashboard["panels"] = graphs
        change(dashboard, graphs)
        return dashboard

    # What is planted, and a word of what is to be said of it.
    MISTAKES = (
        (lambda d, p: d.pop("schemaVersion"), "schemaVersion"),
        (lambda d, p: d.update(panles=[]), "panles"),
        (lambda d, p: p[0].update(decription="x"), "decription"),
        (lambda d, p: d.update(graphTooltip=7), "7"),
        (lambda d, p: d["templating"]["list"][1].update(type="quary"), "quary"),
        (lambda d, p: p[0]["options"]["legend"].update(displayMode="tabel"), "tabel"),
        (lambda d, p: p[0]["fieldConfig"]["defaults"]["custom"].update(drawStyle="lines"), "lines"),
        (lambda d, p: p[0]["gridPos"].pop("w"), "'w'"),
    )
    FAULTS = (
        (lambda d, p: p[0].update(id=p[1]["id"]), "two panels"),
        (lambda d, p: p[0].update(title=p[1]["title"]), "two panels"),
        (lambda d, p: p[0]["gridPos"].update(p[1]["gridPos"]), "overlap"),
        (lambda d, p: p[0]["gridPos"].update(x=20), "wider"),
        (lambda d, p: p[0].pop("description"), "question"),
        (lambda d, p: p[0]["fieldConfig"]["defaults"].pop("unit"), "no unit"),
        (lambda d, p: p[0]["targets"][0].update(
            expr="rate(sockeye_tcp_sent_byte_total[$__rate_interval])"), "no metric"),
        (lambda d, p: p[0]["targets"][0].update(
            expr='sockeye_tcp_connections_active{instance=~"$instance", service=~"$service", '
                 'servce="x"}'), "has no label servce"),
        (lambda d, p: p[0]["targets"][0].update(
            expr=p[0]["targets"][0]["expr"].replace("by (service)", "by (servise)")), "servise"),
        (lambda d, p: p[0]["targets"][0].update(
            expr=p[0]["targets"][0]["expr"].replace("$__rate_interval", "5m")), "rate_interval"),
        (lambda d, p: p[0]["targets"][0].update(
            expr=p[0]["targets"][0]["expr"].replace('service=~"$service"', "")), "not filtered"),
        (lambda d, p: p[0]["targets"][0].update(legendFormat="{{servise}}"), "legend servise"),
        (lambda d, p: p[0]["targets"][0]["datasource"].update(uid="abc"), "data source"),
        (lambda d, p: d["templating"]["list"][2]["query"].update(
            query="label_values(sockeye_processes, service)"), "no label service"),
    )

    def test_asks_for_what_there_is(self):
        self.assertEqual(dashboards.check_grafana(self.dashboard, self.series), [])
        for change, word in self.FAULTS:
            faults = dashboards.check_grafana(self.changed(change), self.series)
            self.assertTrue(any(word in fault for fault in faults), (word, faults))

    def test_is_of_the_published_types(self):
        npm.fetch(FOLDER, PACKAGES)
        names = ["right", *(f"wrong_{i}" for i in range(len(self.MISTAKES)))]
        every = [self.dashboard, *(self.changed(change) for change, _ in self.MISTAKES)]
        said = typescript.check(FOLDER, TYPES, {
            name: declarations(dashboard, name) for name, dashboard in zip(names, every)})
        self.assertEqual(said.get("right", []), [])
        for name, (_, word) in zip(names[1:], self.MISTAKES):
            faults = said.get(name, [])
            self.assertTrue(any(word in fault for fault in faults), (word, faults))


class Complete(unittest.TestCase):
    """Every metric has a place in both dashboards."""

    def test_no_metric_is_forgotten(self):
        grafana = dashboards.asked_of_prometheus(dashboards.load(dashboards.GRAFANA))
        datadog = {dashboards.datadog_parts(text)[0] for text in
                   dashboards.asked_of_datadog(dashboards.load(dashboards.DATADOG))}
        metrics = dashboards.catalogue(SOCKEYE)
        self.assertEqual([metric.name for metric in metrics if not grafana & set(metric.series)], [])
        self.assertEqual([metric.name for metric in metrics if metric.datadog not in datadog], [])


class Datadog(unittest.TestCase):
    """Datadog's own client, and the catalogue."""

    @classmethod
    def setUpClass(cls):
        cls.dashboard = dashboards.load(dashboards.DATADOG)
        cls.metrics = dashboards.catalogue(SOCKEYE)

    def changed(self, change):
        dashboard = copy.deepcopy(self.dashboard)
        change(dashboard, [widget for widget in dashboards.widgets_of(dashboard)
                           if widget["type"] == "timeseries"][0])
        return dashboard

    MISTAKES = (
        lambda d, w: d.pop("title"),
        lambda d, w: d.update(layout_type="orderd"),
        lambda d, w: d.update(colour="red"),
        lambda d, w: w.update(type="timeserie"),
        lambda d, w: w["requests"][0].update(display_type="lines"),
        lambda d, w: w["requests"][0]["queries"][0].update(data_source="metric"),
        lambda d, w: w["requests"][0]["queries"][0].pop("query"),
        lambda d, w: w["requests"][0]["formulas"][0].update(alais="x"),
    )

    @staticmethod
    def with_query(text):
        return lambda d, w: w["requests"][0]["queries"][0].update(query=text)

    def test_asks_for_what_there_is(self):
        self.assertEqual(dashboards.check_datadog(self.dashboard, self.metrics), [])
        faults = (
            ("sum:sockeye.tcp.sent.byte{$host,$service}.as_rate()", "no metric"),
            ("sum:sockeye.tcp.sent.bytes{$host,$service,servce:x}.as_rate()", "no tag servce"),
            ("sum:sockeye.tcp.sent.bytes{$host,$service,!servce:x}.as_rate()", "no tag servce"),
            ("sum:sockeye.tcp.sent.bytes{$host,$service} by {servise}.as_rate()", "no tag servise"),
            ("sum:sockeye.tcp.sent.bytes{$host,$service}", "no way to ask"),
            ("p99:sockeye.tcp.sent.bytes{$host,$service}.as_rate()", "no way to ask"),
            ("p98:sockeye.tcp.rtt{$host,$service}", "no way to ask"),
            ("sum:sockeye.tcp.sent.bytes{$host}.as_rate()", "not filtered"),
            ("sum:sockeye.tcp.sent.bytes.as_rate()", "no query"))
        for text, word in faults:
            found = dashboards.check_datadog(self.changed(self.with_query(text)), self.metrics)
            self.assertTrue(any(word in fault for fault in found), (word, found))
        for change, word in (
                (lambda d, w: w["requests"][0]["formulas"][0].update(formula="query7"), "no query"),
                (lambda d, w: w.pop("description"), "question")):
            found = dashboards.check_datadog(self.changed(change), self.metrics)
            self.assertTrue(any(word in fault for fault in found), (word, found))

    def test_is_understood_by_the_client(self):
        npm.fetch(FOLDER, PACKAGES)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "datadog_dashboard.js")
        sent = [self.dashboard, *map(self.changed, self.MISTAKES)]
        done = subprocess.run(("node", script, os.path.join(FOLDER, "node_modules")),
                              input=json.dumps(sent), stdout=subprocess.PIPE, text=True, timeout=60,
                              check=True)
        right, *wrong = json.loads(done.stdout)
        self.assertEqual(right, [])
        for number, faults in enumerate(wrong):
            self.assertNotEqual(faults, [], f"mistake {number}")


if __name__ == "__main__":
    SOCKEYE, FOLDER = map(os.path.abspath, sys.argv[1:3])
    del sys.argv[1:3]
    unittest.main(verbosity=2)
