# SPDX-License-Identifier: Apache-2.0
"""Counts while something is in the way: a daemon that does not read, an iterator that meets a
close, a receiver that is away while series expire, packets with unusual heads.
"""

import datetime
import json
import os
import signal
import socket
import subprocess
import time
import unittest

import accounts
import fault_server
import harness
import payloads
import receivers
from conversation import Conversation, answer, get
from harness import Daemon, free_port
from test_connections import ACTIVE, CLOSED, FAILED, OPENED, RECEIVED, SENT, active
from test_probe import probe


def live_reader():
    """The path of the program that is built beside the daemon."""
    beside = os.path.join(os.path.dirname(harness.binary()), "../tests/integration/live_reader")
    return os.environ.get("EYE_LIVE_READER", beside)


class RingFull(unittest.TestCase):
    """More connections end than the ring holds while the daemon does not read: each of them is
    closed or counted lost, and what is active is right with the next interval."""

    EARLIER, MEANWHILE, KEPT = 200, 4000, 5
    SOURCE = """
import socket, sys
address = ("127.0.0.1", int(sys.argv[1]))
listener = socket.create_server(address, backlog=4096)

def pairs(count):
    made = []
    for _ in range(count):
        client = socket.create_connection(address)
        made.append((client, listener.accept()[0]))
    return made

def close(made):
    for client, server in made:
        client.close()
        server.close()

earlier, meanwhile, kept = map(int, sys.argv[2:])
held = pairs(kept)
old = pairs(earlier)
print("open", flush=True)
sys.stdin.readline()
for _ in range(meanwhile):
    close(pairs(1))
close(old)
print("closed", flush=True)
sys.stdin.readline()
"""

    @staticmethod
    def records(daemon):
        """How many connections of the whole machine ended in front of a daemon."""
        return (daemon.total(CLOSED) + daemon.total(FAILED)
                + daemon.losses().get(("tcp", "ring_full"), 0))

    def test_closed_or_counted_lost(self):
        daemon = Daemon(self, "protocols.http=false")
        # Counts what others on this machine do meanwhile.
        witness = Daemon(self, "protocols.http=false")
        port = free_port()
        child = harness.spawn_python(self, self.SOURCE, port, self.EARLIER, self.MEANWHILE,
                                     self.KEPT)
        harness.read_word(child, "open")
        before = 2 * (self.EARLIER + self.KEPT)
        harness.wait_until(lambda: active(daemon, port=port) == before, 30,
                           lambda: f"{before} active, are {active(daemon, port=port)}")
        daemon.process.send_signal(signal.SIGSTOP)
        harness.tell(child, "close")
        harness.read_word(child, "closed")
        daemon.process.send_signal(signal.SIGCONT)
        # The interval that ends now, and the one after it.
        daemon.wait_for_snapshots(2)
        self.assertEqual(active(daemon, port=port), 2 * self.KEPT)
        self.assertEqual(daemon.last_gauge(ACTIVE, port=port, direction="incoming"), self.KEPT)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(witness.stop(), 0)
        truth = 2 * (self.EARLIER + self.MEANWHILE)
        others = self.records(witness) - truth
        closed, opened = daemon.total(CLOSED, port=port), daemon.total(OPENED, port=port)
        lost = daemon.losses().get(("tcp", "ring_full"), 0)
        print(f"{truth} ends and {others} of others, closed {closed}, lost {lost}", end="; ")
        self.assertGreater(truth - closed, 0)
        self.assertLessEqual(truth - closed, lost)
        self.assertLessEqual(lost, truth - closed + others)
        # Of those that were open before, the opening was reported in time.
        self.assertGreaterEqual(opened, before)
        self.assertLessEqual(opened, truth + 2 * self.KEPT)
        self.assertEqual(daemon.total(FAILED, port=port), 0)


class PassedOver(unittest.TestCase):
    """Thousands of connections end while the daemon looks at the live sockets. The kernel's
    iterator goes on by a number of entries then, and passes over as many others as are gone: what
    is active is true in the very snapshot, and nothing has vanished."""

    ROUNDS, KEPT, BRIEF = 4, 1000, 1500  # connections of each round
    SOURCE = """
import json, resource, socket, struct, sys, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
rounds, kept, brief = map(int, sys.argv[3:])

def make(listener, count):
    ends = []
    for _ in range(count):
        client = socket.create_connection(listener.getsockname())
        ends += [client, listener.accept()[0]]
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return ends

keeping, passing = (socket.create_server(("127.0.0.1", int(port)), backlog=4096)
                    for port in sys.argv[1:3])
held, truth = [], {}
for number in range(rounds + 1):
    held += make(keeping, kept)
    ends = make(passing, brief)
    if number == rounds:
        print(json.dumps(truth), flush=True)
        sys.stdin.readline()
    else:
        tick = int(time.time() + 1.1)
        truth[tick] = len(held)
        time.sleep(tick - time.time())
    for end in ends:
        end.close()
    if number < rounds:
        time.sleep(max(0, tick + 0.5 - time.time()))  # a busy daemon looks late
print("closed", flush=True)
sys.stdin.readline()
"""

    @staticmethod
    def read_active(path, port):
        """{end of the interval: what is active on the port}"""
        found = {}
        with open(path, encoding="utf-8") as file:
            for point in map(json.loads, file):
                if point["metric"].endswith(ACTIVE) and point["tags"].get("port") == str(port):
                    end = datetime.datetime.fromisoformat(point["time"].replace("Z", "+00:00"))
                    found.setdefault(end.timestamp(), 0)
                    found[end.timestamp()] += point["value"]
        return found

    def test_active_and_vanished(self):
        path = os.path.join(harness.temporary_folder(self), "lines")
        daemon = Daemon(self, "protocols.http=false",
                        exporters=(f"{{type: file, path: '{path}'}}",))
        port = free_port()
        child = harness.spawn_python(self, self.SOURCE, port, free_port(), self.ROUNDS, self.KEPT,
                                     self.BRIEF)
        truth = {float(tick): count for tick, count in json.loads(child.stdout.readline()).items()}
        harness.tell(child, "close")
        self.assertEqual(daemon.stop(), 0)
        harness.read_word(child, "closed")
        found = self.read_active(path, port)
        # A daemon that gets no processor may join two intervals.
        seen = {tick: (found[tick], count) for tick, count in truth.items() if tick in found}
        print(f"active, truth: {list(seen.values())}, losses {daemon.losses()}", end="; ")
        self.assertGreater(len(seen), 0)
        for is_active, count in seen.values():
            self.assertEqual(is_active, count)
        self.assertEqual(active(daemon, port=port), 2 * self.KEPT * (self.ROUNDS + 1))
        for reason in ("vanished", "look_incomplete"):
            self.assertNotIn(("tcp", reason), daemon.losses())


class HandOver(unittest.TestCase):
    """Connections end while the live iterator is at them, thousands of passes a second: each byte,
    each opening and each end is reported once, by the one or by the other."""

    SECONDS = 3
    SIZE = 700
    SOURCE = """
import socket, sys, time
address, size = ("127.0.0.1", int(sys.argv[1])), int(sys.argv[2])
listener = socket.create_server(address, backlog=4096)
made, end, data = 0, time.monotonic() + float(sys.argv[3]), bytes(size)
while time.monotonic() < end:
    batch = []
    for _ in range(16):
        client = socket.create_connection(address)
        batch.append((client, listener.accept()[0]))
    for client, server in batch:
        client.sendall(data)
        server.recv(size, socket.MSG_WAITALL)
        client.close()
        server.close()
    made += len(batch)
print(made)
"""

    def read_beside(self, daemon, port):
        if probe()["look"] != "storage":
            self.skipTest("this kernel does not survive a walk over socket storage")
        reader = harness.spawn(self, live_reader(), str(daemon.pid), str(port))
        harness.read_word(reader, "reading")
        return reader

    def test_each_byte_once(self):
        left = 3600 - time.time() % 3600
        time.sleep(left if left < 30 else 0)  # the daemon itself looks at the hour, and in the end
        daemon = Daemon(self, "protocols.http=false", interval="1h")
        port = free_port()
        reader = self.read_beside(daemon, port)
        child = harness.spawn_python(self, self.SOURCE, port, self.SIZE, self.SECONDS)
        made = int(child.stdout.readline())
        said, _ = reader.communicate("", timeout=harness.HANG_SECONDS)
        self.assertEqual(reader.returncode, 0)
        passes, opened, sent, received = map(int, said.split())
        self.assertEqual(daemon.stop(), 0)
        losses = daemon.losses()
        print(f"{made} connections, {passes} passes, {opened} openings seen by them; "
              f"losses {losses}", end="; ")
        self.assertGreater(opened, 0)
        found = {CLOSED: daemon.total(CLOSED, port=port),
                 OPENED: daemon.total(OPENED, port=port) + opened,
                 SENT: daemon.total(SENT, port=port) + sent,
                 RECEIVED: daemon.total(RECEIVED, port=port) + received}
        truth = {CLOSED: 2 * made, OPENED: 2 * made, SENT: made * self.SIZE,
                 RECEIVED: made * self.SIZE}
        # On a machine that is too busy for the daemon the ring may overflow; then some are missing.
        if lost := losses.get(("tcp", "ring_full"), 0):
            self.assertGreaterEqual(found[CLOSED] + lost, truth[CLOSED])
            for metric, value in truth.items():
                self.assertLessEqual(found[metric], value, metric)
        else:
            self.assertEqual(found, truth)
        self.assertEqual(daemon.total(FAILED, port=port), 0)
        self.assertEqual(active(daemon, port=port), 0)


class StuckExporter(unittest.TestCase):
    """Series that are idle for longer than limits.idle stay until a receiver that is away has their
    last value, and no longer."""

    IDLE = 10

    def test_counts_outlive_their_series_idleness(self):
        receiver = fault_server.FaultServer(self)
        receiver.usual = fault_server.answer(204, b"")
        page = receivers.Page()
        url = receiver.url + payloads.RemoteWrite.PATH
        # Only the newest interval waits: an older one cannot bring the counts.
        daemon = Daemon(self, f"limits.idle={self.IDLE}s", "protocols.http=false", exporters=(
            f"{{type: remote_write, version: 1, url: '{url}', queue: {{snapshots: 1}}}}",
            page.exporter))
        books = accounts.Accounts(daemon)
        daemon.wait_for_snapshots(2)
        receiver.down()
        harness.wait_until(lambda: books.failures("remote_write"), 30, "the receiver is away")
        port = free_port()
        listener = harness.listen(self, port)
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port)):
                listener.accept()[0].close()
        daemon.wait_for_total(CLOSED, 6, port=port)
        daemon.wait_for_snapshots(self.IDLE + 2)
        name, labels = "sockeye_tcp_connections_closed_total", {"port": port}
        self.assertEqual(receivers.sum_samples(receivers.parse_openmetrics(page.get()[1]), name,
                                               **labels), 6)
        receiver.up()
        harness.wait_until(lambda: books.is_delivering("remote_write"), 60, "delivering again")
        harness.wait_until(lambda: not receivers.sum_samples(
            receivers.parse_openmetrics(page.get()[1]), name, **labels), 20, "series forgotten")
        self.assertEqual(daemon.stop(), 0)
        known = payloads.RemoteWrite.of(receiver.taken)
        self.assertEqual(known.total(CLOSED, port=port), 6)
        self.assertEqual(daemon.total(CLOSED, port=port), 6)


class InternetOptions(unittest.TestCase):
    """Options stand between the IPv4 and the TCP header: payloads are found behind them."""

    COUNT = 5
    # No operation; room for the addresses of one hop, and of as many as fit.
    OPTIONS = (bytes([1] * 4), bytes([1, 7, 7, 4]) + bytes(4), bytes([1, 7, 39, 4]) + bytes(36))

    def test_requests_behind_options(self):
        daemon = Daemon(self)
        ports = {}
        for options in self.OPTIONS:
            talk = Conversation(self)
            ports[talk.port] = options
            for end in (talk.client, talk.server):
                end.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, options)
            for i in range(self.COUNT):
                talk.exchange(get(f"/options/{i}"), answer(200, b"x" * 100))
            talk.close()
        self.assertEqual(daemon.stop(), 0)
        for port, options in ports.items():
            for end in ("server", "client"):
                self.assertEqual(daemon.weight(f"http.{end}.request.duration", port=port,
                                               status=200), self.COUNT, (end, options))


if __name__ == "__main__":
    unittest.main(verbosity=2)
