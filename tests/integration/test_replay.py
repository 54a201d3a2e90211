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

CONSOLE = harness.console_of("http.*", "rpc.*", "db.*", "messaging.*", "kafka.*", "dns.*", "usm.lost",
                             "sockeye.kernel.lost")
ENDS = {"server": "incoming", "client": "outgoing"}
METRICS = {end: (f"http.{end}.request.duration", f"rpc.{end}.call.duration",
                 f"db.{end}.operation.duration", f"messaging.{end}.operation.duration") for end in ENDS}
METRICS["server"] += ("dns.server.lookup.duration",)
METRICS["client"] += ("dns.lookup.duration",)
MAYBE = ("kafka.polls.empty", "usm.lost")
ON = [f"protocols.{name}=true" for name in harness.PROTOCOLS]


def without_mock_port(series):
    """The mock cluster of Kafka chooses an ephemeral port: which servers are there to stay is known
    on a live host only."""
    merged = collections.Counter()
    for (metric, tags), count in series.items():
        of_kafka = ("messaging_system", "kafka") in tags
        merged[metric, tuple(tag for tag in tags if not of_kafka or tag[0] != "port")] += count
    return dict(merged)


class LiveAndReplay(test_postgres.Server):
    """The cluster of PostgreSQL is test_postgres'."""

    ROUNDS = 3

    def told(self, end):
        """As series_of(), of one end and our peers alone: of DNS, whose port is everybody's, and
        Kafka, whose mock cluster chooses an ephemeral one, by the names of the services."""
        told = collections.Counter()
        found = [(metric, *series) for metric in (*METRICS[end], *MAYBE)
                 for series in self.daemon.series(metric)]
        for metric, tags, (_, count, _) in found:
            service = tags.pop("service", "")
            ours = service in self.services or tags["port"] in self.ports
            if ours and tags.get("direction", ENDS[end]) == ENDS[end]:
                told[metric, tuple(sorted(tags.items()))] += count
        return without_mock_port(told)

    def test_same_series(self):
        peers = {name: protocol(self) for name, protocol in captured.PROTOCOLS.items()}
        by_name = [peers.pop(name) for name in ("dns", "kafka")]
        self.services = {service for peer in by_name for service in (peer.server, peer.client)}
        self.ports = {str(peer.port) for peer in peers.values()}
        peers = [*peers.values(), *by_name]
        self.daemon = Daemon(self, *ON, console=CONSOLE, interval="1h")
        path = os.path.join(harness.temporary_folder(self), "live.pcap")
        capture = captured.Capture(self, path, " or ".join(f"({peer.filter})" for peer in peers))
        for peer in peers:
            peer.speak(self.ROUNDS)
        capture.stop()
        self.assertEqual(self.daemon.stop(), 0)
        for end in ENDS:
            with self.subTest(end=end):
                document = replayed(path, "--end", end)
                told = self.told(end)
                print(f"{end}: {len(told)} series, {sum(told.values())} values")
                self.assertEqual(without_mock_port(series_of(document)), told)
                self.assertEqual({name for name, _ in told}, set(METRICS[end]))
                self.assertEqual((document["unused"]["unanswered"], document["connections"]["guessed"]), (0, 0))
