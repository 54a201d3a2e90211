# SPDX-License-Identifier: Apache-2.0
"""What the daemon tells of real servers and clients, and what `sockeye replay` makes of a capture of
the same time: the same series with the same counts, at both ends.
"""

import collections
import os
import pathlib
import sys

import captured
import harness
import test_postgres
from harness import Daemon

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from replayed import replayed, series_of  # pylint: disable=wrong-import-position

CONSOLE = harness.console_of("http.*", "rpc.*", "db.*", "dns.*", "usm.lost", "sockeye.kernel.lost")
ENDS = {"server": "incoming", "client": "outgoing"}
METRICS = {end: (f"http.{end}.request.duration", f"rpc.{end}.call.duration",
                 f"db.{end}.operation.duration") for end in ENDS}
METRICS["server"] += ("dns.server.lookup.duration",)
METRICS["client"] += ("dns.lookup.duration",)
ON = [f"protocols.{name}=true" for name in ("http", "http2", "redis", "postgres", "dns")]


class LiveAndReplay(test_postgres.Server):
    """The cluster of PostgreSQL is test_postgres'."""

    ROUNDS = 3

    def told(self, end):
        """As series_of(), of one end and our peers alone: of DNS, whose port is everybody's,
        by the names of the services."""
        told = collections.Counter()
        found = [(metric, *series) for metric in METRICS[end] for series in self.daemon.series(metric)]
        found += [("usm.lost", *series)
                  for series in self.daemon.series("usm.lost", direction=ENDS[end])]
        for metric, tags, (_, count, _) in found:
            service = tags.pop("service", "")
            if service in self.services or tags["port"] in self.ports:
                told[metric, tuple(sorted(tags.items()))] += count
        return dict(told)

    def test_same_series(self):
        peers = {name: protocol(self) for name, protocol in captured.PROTOCOLS.items()}
        self.services = {peers["dns"].server, peers["dns"].client}
        self.ports = {str(peer.port) for peer in peers.values()} - {"53"}
        self.daemon = Daemon(self, *ON, console=CONSOLE, interval="1h")
        path = os.path.join(harness.temporary_folder(self), "live.pcap")
        capture = captured.Capture(self, path, " or ".join(f"({peer.filter})" for peer in peers.values()))
        for peer in peers.values():
            peer.speak(self.ROUNDS)
        capture.stop()
        self.assertEqual(self.daemon.stop(), 0)
        for end in ENDS:
            with self.subTest(end=end):
                document = replayed(path, "--end", end)
                told = self.told(end)
                print(f"{end}: {len(told)} series, {sum(told.values())} values")
                self.assertEqual(series_of(document), told)
                self.assertEqual({name for name, _ in told}, set(METRICS[end]))
                self.assertEqual((document["unused"]["unanswered"], document["connections"]["guessed"]), (0, 0))
