# SPDX-License-Identifier: Apache-2.0
"""HTTP over a wire that loses, delays, repeats, reorders and spoils: what cannot be followed may be
missing, counted, but no request ever gets another one's answer.

A request's path spells the status of its answer, so a wrong pair shows.
"""

import collections
import os
import random
import socket
import struct
import threading
import unittest

import harness
import own_cgroup
from bad_wire import BadWire
from conversation import Conversation, answer, get

ENDS = {"server": "incoming", "client": "outgoing"}
# Requests of the soak; more by hand.
SOAK_REQUESTS = int(os.environ.get("SOCKEYE_SOAK_REQUESTS", "800"))
STATUSES = range(210, 250)
# More than a segment, and more than two.
REQUEST_BYTES, RESPONSE_BYTES = 2000, 3500


def setUpModule():  # pylint: disable=invalid-name
    own_cgroup.enter(unittest.addModuleCleanup)


def path_of(status):
    """Letters, because digits would become a star: 214 is /cbe."""
    return "/" + "".join(chr(ord("a") + int(digit)) for digit in str(status))


STATUS_OF = {path_of(status): status for status in STATUSES}


class WireCase(unittest.TestCase):
    def setUp(self):
        self.wire = BadWire(self)
        self.daemon = harness.Daemon(self)

    def assert_accounts(self, port, exchanges):
        """At each end: no wrong pair, and every missing exchange is counted.

        A request that was seen is paired or alone, and one that was not seen lies in a gap; the
        same goes for responses.
        """
        self.assertEqual(self.daemon.stop(), 0)
        for end, direction in ENDS.items():
            pairs = collections.Counter()
            for tags, (_, count, _) in self.daemon.series(f"http.{end}.request.duration",
                                                          port=port):
                pairs[tags["route"], tags.get("status", tags.get("error_type"))] += count
            lost = collections.Counter(self.daemon.unpaired(port=port, direction=direction))
            missing = exchanges - pairs.total()
            print(f"{end}: {pairs.total()} of {exchanges} exchanges paired, lost {dict(lost)}")
            wrong = {pair: count for pair, count in pairs.items()
                     if pair[1] != str(STATUS_OF.get(pair[0]))}
            self.assertEqual(wrong, {}, f"wrong pairs at the {end}")
            hidden = lost["gap"] + lost["malformed"]
            for reason in ("request_alone", "response_alone"):
                self.assertLessEqual(lost[reason], missing, f"{end}: counted twice")
                self.assertGreaterEqual(lost[reason] + hidden, missing, f"{end}: not counted")
            yield end, pairs.total()


class EachSegment(WireCase):
    """Issue: "loss, delay, reordering and duplication at each segment of a conversation"."""

    EXCHANGES = 4

    def converse(self, port=None):
        talk = Conversation(self, port, (BadWire.RIGHT, BadWire.LEFT),
                            (self.wire.right.socket, self.wire.left.socket))
        for status in STATUSES[:self.EXCHANGES]:
            talk.exchange(get(path_of(status), "X: " + "x" * REQUEST_BYTES),
                          answer(status, b"y" * RESPONSE_BYTES))
        talk.close()
        return talk.port

    def test_one_fault_at_each_place(self):
        self.wire.fault("none", -1)
        port = self.converse()
        places = self.wire.passed()
        self.assertGreaterEqual(places, self.EXCHANGES * 5)
        runs = 1
        for kind in ("lost", "late", "twice", "spoiled"):
            for place in range(places):
                self.wire.fault(kind, place)
                self.converse(port)
                runs += 1
        print(f"{runs} conversations, a fault at each of {places} segments")
        for _, pairs in self.assert_accounts(port, runs * self.EXCHANGES):
            # A fault costs one exchange, or the one before it that it casts doubt on as well.
            self.assertGreaterEqual(pairs, runs * (self.EXCHANGES - 2))


class Soak(WireCase):
    """Issue: "pairing under 4 % loss, 20 % reordering, 10 % duplication and delays, keep-alive:
    wrong pairs 0; missing = counted"."""

    CONNECTIONS = 10

    def serve(self, listener):
        """One keep-alive connection, until its client closes."""
        noise = random.Random(listener.fileno())
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as lines:
            while line := lines.readline():
                status = STATUS_OF[line.split()[1].decode()]
                while lines.readline().strip():
                    pass
                connection.sendall(answer(status, b"y" * noise.randint(0, RESPONSE_BYTES)))

    def ask(self, port, seed, count):
        noise = random.Random(seed)
        with self.wire.left.socket() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(60)
            connection.connect((BadWire.RIGHT, port))
            self.connected.wait()
            self.wire_is_bad.wait()
            with connection.makefile("rb") as lines:
                for _ in range(count):
                    status = noise.choice(STATUSES)
                    connection.sendall(get(path_of(status),
                                           "X: " + "x" * noise.choice((10, REQUEST_BYTES))))
                    self.assertIn(str(status), lines.readline().decode())
                    size = int(lines.readline().split()[1])
                    lines.readline()
                    self.assertEqual(len(lines.read(size)), size)
        with self.lock:
            self.done += count

    def test_random_faults(self):
        self.lock, self.done = threading.Lock(), 0
        self.connected = threading.Barrier(self.CONNECTIONS + 1)
        self.wire_is_bad = threading.Event()
        port = harness.free_port()
        with self.wire.right.entered():
            listener = harness.listen(self, port, BadWire.RIGHT)
        each = SOAK_REQUESTS // self.CONNECTIONS
        threads = [threading.Thread(target=self.serve, args=(listener,), daemon=True)
                   for _ in range(self.CONNECTIONS)]
        threads += [threading.Thread(target=self.ask, args=(port, seed, each))
                    for seed in range(self.CONNECTIONS)]
        for thread in threads:
            thread.start()
        self.connected.wait()
        self.wire.chances(loss=0.04, twice=0.10, late=0.20, delay_ms=0.5)
        self.wire_is_bad.set()
        for thread in threads:
            thread.join()
        self.assertEqual(self.done, each * self.CONNECTIONS)
        for _, pairs in self.assert_accounts(port, self.done):
            self.assertGreater(pairs, self.done // 2)


def checksum(data):
    """RFC 1071, of an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def segment(source, target, sequence, data):
    """A TCP segment with an even number of bytes, as a raw socket sends it."""
    def header(check):
        return struct.pack("!HHIIBBHHH", source[1], target[1], sequence & 0xffffffff, 0, 5 << 4,
                           0x18, 1000, check, 0)
    pseudo = socket.inet_aton(source[0]) + socket.inet_aton(target[0])
    pseudo += struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(header(0)) + len(data))
    return header(checksum(pseudo + header(0) + data)) + data


class Stray(WireCase):
    """Segments that belong to no conversation, far outside of every window."""

    EXCHANGES = 5
    STRAYS = 16

    def test_stray_segments(self):
        talk = Conversation(self, None, (BadWire.RIGHT, BadWire.LEFT),
                            (self.wire.right.socket, self.wire.left.socket))
        with self.wire.left.entered():
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
        self.addCleanup(raw.close)
        for status in STATUSES[:self.EXCHANGES]:
            for place in range(self.STRAYS):
                raw.sendto(segment(talk.client.getsockname(), talk.server.getsockname(),
                                   place * (1 << 32) // self.STRAYS, b"HTTP/1.1"),
                           (BadWire.RIGHT, 0))
            talk.exchange(get(path_of(status)), answer(status))
        talk.close()
        for _, pairs in self.assert_accounts(talk.port, self.EXCHANGES):
            # One may hit the window.
            self.assertGreaterEqual(pairs, self.EXCHANGES - 1)


class Silence(WireCase):
    """A request that TCP gives up."""

    USER_TIMEOUT_MS = 500

    def test_timeout_of_tcp(self):
        talk = Conversation(self, None, (BadWire.RIGHT, BadWire.LEFT),
                            (self.wire.right.socket, self.wire.left.socket))
        talk.exchange(get(path_of(210)), answer(210))
        talk.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self.USER_TIMEOUT_MS)
        self.wire.chances(loss=1.0)
        talk.client.sendall(get("/silence"))
        with self.assertRaises(TimeoutError):
            talk.client.recv(1)
        talk.client.close()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.daemon.weight("http.client.request.duration", port=talk.port,
                                            route="/silence", error_type="timeout"), 1)


if __name__ == "__main__":
    unittest.main()
