# SPDX-License-Identifier: Apache-2.0
"""What etsy's own StatsD server (npm statsd 0.9.0) makes of the exporter "statsd".

Figures are asked for by ports that only the test uses; other traffic of the machine is welcome.
"""

import collections
import json
import os
import unittest

import harness
import npm
from conversation import Conversation, answer, post
from test_delivery import Truth

PACKAGE = "statsd@0.9.0"
# Sent by datagrams to a server whose buffer is a small one: no more than is compared.
KNOWN = f"metrics: {{allow: {Truth().metrics}}}"

# Writes what each flush has as one line of JSON.
BACKEND = """'use strict';
const fs = require('fs');
exports.init = function (startup, config, events) {
    events.on('flush', function (time, metrics) {
        const { counters, gauges, timers, timer_data } = metrics;
        fs.appendFileSync(config.flushFile,
                          JSON.stringify({ counters, gauges, timers, timer_data }) + '\\n');
    });
    return true;
};
"""


class Statsd:
    """The server, listening on UDP and TCP; it adds up over all flushes."""

    def __init__(self, test, folder):
        self.folder = harness.temporary_folder(test)
        self.flushes = os.path.join(self.folder, "flushes")
        self.port = harness.free_port()
        module = os.path.join(folder, "node_modules", "statsd")
        self._write("backend.js", BACKEND)
        self._write("config.js", json.dumps({
            "servers": [{"server": f"./servers/{kind}", "address": "127.0.0.1", "port": self.port}
                        for kind in ("udp", "tcp")],
            "mgmt_address": "127.0.0.1", "mgmt_port": harness.free_port(),
            "backends": [os.path.join(self.folder, "backend.js")],
            "flushInterval": 1000, "flushFile": self.flushes,
            "percentThreshold": [50, 95]}))
        log = open(os.path.join(self.folder, "log"), "w", encoding="utf-8")
        test.addCleanup(log.close)
        self.process = harness.spawn(
            test, "node", os.path.join(module, "stats.js"), os.path.join(self.folder, "config.js"),
            stdout=log, stderr=log, cwd=module)
        harness.wait_until(lambda: self.read(), 30, "the first flush")

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def read(self):
        """[flush], whole lines only."""
        if not os.path.exists(self.flushes):
            return []
        with open(self.flushes, encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.endswith("\n")]

    def settle(self):
        """What was sent before is in a flush when this returns."""
        count = len(self.read())
        harness.wait_until(lambda: len(self.read()) >= count + 2, 30, "two more flushes")

    def counters(self):
        """{name: sum over the flushes}"""
        sums = collections.Counter()
        for flush in self.read():
            sums.update(flush["counters"])
        return sums

    def gauges(self):
        return self.read()[-1]["gauges"]

    def timers(self):
        """{name: (count, [values as sent])}"""
        result = {}
        for flush in self.read():
            for name, data in flush["timer_data"].items():
                count, values = result.get(name, (0, []))
                result[name] = (count + data["count"], values + flush["timers"][name])
        return result


class ServerCountsTheSame(unittest.TestCase):
    """Issue: "npm statsd 0.9.0 (`bad_lines_seen` 0, counters and timers equal ours)"."""

    @classmethod
    def setUpClass(cls):
        cls.folder = npm.install(cls, PACKAGE)

    def run_daemon(self, settings, scheme="udp"):
        """The server after traffic, the truth of it, and the daemon, which is stopped."""
        server = Statsd(self, self.folder)
        truth, hostile_port = Truth(), harness.free_port()
        daemon = harness.Daemon(self, truth.alone(hostile_port), exporters=(
            f"{{type: statsd, url: '{scheme}://127.0.0.1:{server.port}', {settings}}}",))
        for rounds in (5, 300, 40):
            truth.add(self, rounds)
            daemon.wait_for_snapshots(1)
        self.send_hostile_path(hostile_port)
        daemon.wait_for_snapshots(1)
        self.assertEqual(daemon.stop(), 0)
        server.settle()
        self.assertEqual(server.counters()["statsd.bad_lines_seen"], 0)
        self.assertGreater(server.counters()["statsd.metrics_received"], 100)
        return server, truth, daemon

    def send_hostile_path(self, port):
        conversation = Conversation(self, port)
        conversation.exchange(post("/x:1|c|#a:b,c;d=e@0.1[f]{g}", b""), answer(201, b""))
        conversation.close()

    def assert_timer(self, timer, count, ours):
        """@ours: (count, sum in seconds) on the console."""
        self.assertAlmostEqual(timer[0], count, delta=1e-6)
        self.assertEqual(ours[0], count)
        self.assertTrue(all(value >= 0 for value in timer[1]))

    def assert_sum(self, timer, ours):
        """Each value is a line as long as there are few; bins are 1.6 % wide."""
        self.assertAlmostEqual(sum(timer[1]) / (ours[1] * 1000), 1, delta=0.01)

    def test_tags_in_names(self):
        server, truth, daemon = self.run_daemon(
            f"distributions: samples, {KNOWN}, template: '{{metric}}.{{direction}}.{{port}}'")
        counters, timers = server.counters(), server.timers()
        for metric, tags, value in truth.counters:
            name = f"sockeye.{metric}.{tags['direction']}.{tags['port']}"
            self.assertEqual(counters[name], value, name)
        for metric, tags, count in truth.distributions:
            direction = f".{tags['direction']}" if "direction" in tags else ""
            timer = timers[f"sockeye.{metric}{direction}.{tags['port']}"]
            ours = daemon.distribution(metric, **tags)
            self.assert_timer(timer, count, ours)
            self.assert_sum(timer, ours)
            print(f"{metric}{direction}: {timer[0]:.9g} in {len(timer[1])} lines; ours {ours}")

    def check_dialect(self, dialect, scheme):
        """The server writes tags as ;key=value, whichever of the two ways they came in."""
        server, truth, daemon = self.run_daemon(
            f"distributions: samples, {KNOWN}, dialect: {dialect}, tags: [env:prod]", scheme)
        found = collections.Counter()
        for name, value in server.counters().items():
            metric, *tags = name.split(";")
            tags = dict(tag.split("=", 1) for tag in tags)
            if tags:
                self.assertEqual(tags["env"], "prod")
            found[metric, tags.get("direction"), tags.get("port")] += value
        for metric, tags, value in truth.counters:
            key = (f"sockeye.{metric}", tags["direction"], str(tags["port"]))
            self.assertEqual(found[key], value, key)
        timers = {name: timer for name, timer in server.timers().items()
                  if f"port={truth.port}" in name and "server.request" in name}
        self.assertEqual(len(timers), 1, timers.keys())
        name, timer = timers.popitem()
        self.assertIn(";route=_orders__", name)
        self.assert_timer(timer, truth.requests, daemon.distribution(
            "http.server.request.duration", port=truth.port))

    def test_datadog_tags(self):
        self.check_dialect("datadog", "udp")

    def test_graphite_tags_over_tcp(self):
        self.check_dialect("graphite", "tcp")

    def test_distributions_as_gauges(self):
        server, truth, daemon = self.run_daemon(
            "zero_on_stop: false, template: '{metric}.{direction}.{port}'")
        name = f"sockeye.http.server.request.duration.{truth.port}"
        last = daemon.last_point("http.server.request.duration", port=truth.port)
        self.assertEqual(server.counters()[f"{name}.count"], truth.requests)
        gauges = server.gauges()
        for ending in ("p50", "p95", "p99"):
            self.assertAlmostEqual(gauges[f"{name}.{ending}"], last[ending] * 1000, delta=1e-3)
        self.assertGreaterEqual(gauges[f"{name}.max"], gauges[f"{name}.p99"])
        self.assertAlmostEqual(gauges[f"{name}.mean"], last["sum"] / last["count"] * 1000,
                               delta=1e-3)

    def test_gauges_end_with_zero(self):
        """The server repeats a gauge for ever."""
        server, truth, _ = self.run_daemon("template: '{metric}.{direction}.{port}'")
        ours = {name: value for name, value in server.gauges().items()
                if "sockeye" in name or str(truth.port) in name}
        self.assertGreater(len(ours), 10)
        self.assertEqual(set(ours.values()), {0})
        name = f"sockeye.tcp.sent.bytes.outgoing.{truth.port}"
        self.assertGreater(server.counters()[name], 0)


if __name__ == "__main__":
    unittest.main()
