# SPDX-License-Identifier: Apache-2.0
"""Receivers of lines over TCP and Unix sockets that block, reset, half-close or go away."""

import os
import unittest

import accounts
import harness
import line_server
import payloads
import receivers
from line_server import LineServer
from traffic import Truth

RECOVERY_SECONDS = 60
INTERVALS_AWAY = 3


class Newest(payloads.Carbon):
    """Graphite with `counters: total`: the newest point of a series is all there is to know."""

    def total(self, metric, /, **tags):
        newest = {}
        for own, time, value in sorted(self.series.select(metric, tags), key=lambda row: row[1]):
            newest[own] = value
        return sum(newest.values())


class Statsd(receivers.Known):
    """What StatsD servers would delete from tags comes as underscores."""

    def series(self, name, **tags):
        return super().series(name, **{key: str(value).replace("/", "_").replace("*", "_")
                                       for key, value in tags.items()})


class Streams(unittest.TestCase):
    """One daemon with an exporter for each receiver; traffic is live all the time."""

    maxDiff = None

    def setUp(self):
        self.truth = Truth()
        self.folder = harness.temporary_folder(self)

    def carbon(self, name, known, *settings):
        server = LineServer(self, known.add)
        self.exporters.append(f"{{type: graphite, name: '{name}', url: "
                              f"'tcp://127.0.0.1:{server.port}'"
                              f"{''.join(', ' + text for text in settings)}}}")
        return server

    def agents(self):
        """{name: (what is known, receiver)} of DogStatsD and StatsD, which all go away."""
        stream, frames = Statsd(), receivers.Known()
        gram = receivers.Agent(self, path=os.path.join(self.folder, "datagram"))
        tcp = LineServer(self, lambda line: stream.sums.add(line + b"\n"))
        unix = LineServer(self, frames.sums.add, split=line_server.frames,
                          path=os.path.join(self.folder, "stream"))
        self.exporters += [
            "{type: statsd, name: tcp, dialect: datadog, distributions: samples, "
            f"url: 'tcp://127.0.0.1:{tcp.port}'}}",
            f"{{type: dogstatsd, name: frames, url: 'unixstream://{unix.path}'}}",
            gram.exporter.replace("{type", "{name: datagrams, type")]
        return {"tcp": (stream, tcp), "frames": (frames, unix), "datagrams": (gram, gram)}

    def test_all_of_them(self):
        self.exporters = []
        blocked, reset, polite = payloads.Carbon(), Newest(), payloads.Carbon()
        blocked_server = self.carbon("blocked", blocked)
        reset_server = self.carbon("reset", reset, "counters: total")
        polite_server = self.carbon("polite", polite)
        agents = self.agents()
        blocked_server.reading.clear()
        reset_server.rude = 3
        polite_server.closing = 3
        self.daemon = harness.Daemon(self, exporters=self.exporters)
        self.books = accounts.Accounts(self.daemon)
        footprint = accounts.Footprint(self, self.daemon.pid)
        with self.truth.live(self):
            self.daemon.wait_for_snapshots(2)
            for _, server in agents.values():
                server.down()
            self.daemon.wait_for_snapshots(INTERVALS_AWAY)
            for _, server in agents.values():
                server.up()
            harness.wait_until(lambda: self.books.failures("blocked"), RECOVERY_SECONDS, "blocked")
            blocked_server.reading.set()
            for name in ("blocked", "reset", *agents):
                harness.wait_until(lambda: self.books.is_delivering(name), RECOVERY_SECONDS,
                                   lambda: name + ": " + "\n".join(self.daemon.log))
        self.daemon.wait_for_snapshots(2)
        self.assertEqual(self.daemon.stop(), 0)
        footprint.end()
        for server in (blocked_server, reset_server, polite_server,
                       *(server for _, server in agents.values())):
            server.down()
        self.check("blocked", blocked, ["timeout"])
        self.check("reset", reset, ["reset"])
        self.check("polite", polite, [])
        self.assertEqual((polite_server.closing, polite_server.torn), (0, []))
        for name, (known, _) in agents.items():
            self.check(name, known, ["refused"], ["reset", "busy"])
            with self.subTest(exporter=name):
                self.assertEqual(known.sums.malformed, [])
        self.assertEqual(footprint.most_threads, footprint.first_threads)

    def check(self, name, known, reasons, possible=()):
        """`possible` is what else a receiver shows: it goes away just when something is sent, or
        finds no processor to read on."""
        with self.subTest(exporter=name):
            print(f"  {name}: {self.books.failures(name)}")
            self.assertEqual([reason for reason in self.books.failures(name)
                              if reason not in possible], reasons)
            self.assertEqual(self.books.dropped(name), {})
            self.assertEqual(self.books.problems(name), [])
            self.assertEqual(self.truth.difference(known), [], self.daemon.log)
            outages = self.books.said(name, "cannot deliver")
            # The last of these come behind the last count of failures.
            busy = [line for line in outages if "Resource temporarily unavailable" in line]
            self.assertEqual(len(outages) - len(busy) * ("busy" in possible), len(reasons), outages)
            self.assertEqual(len(self.books.said(name, "delivering again")), len(outages), outages)
            if isinstance(known, payloads.Carbon):
                self.assertEqual((known.malformed, known.overwritten), ([], []))


if __name__ == "__main__":
    unittest.main(verbosity=2)
