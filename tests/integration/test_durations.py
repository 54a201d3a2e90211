# SPDX-License-Identifier: Apache-2.0
"""How long connecting took and connections lived: between what the test's own clock says before
and after, never only how many there were.

The bounds are sound on a busy machine: what the daemon measures lies within what the test does.
"""

import contextlib
import errno
import fcntl
import os
import socket
import struct
import threading
import time
import unittest

import harness
from harness import Daemon, Namespace, Pair, free_port
from test_connections import CLOSED, OPENED, close_with_reset, wait_for_active

CONNECT = "tcp.connect.duration"
LIFETIME = "tcp.connection.duration"


class SlowWire:
    """Two namespaces joined by TUN devices; what enters at one end leaves the other `delay` later,
    one packet after the other. There is no netem on every kernel.
    """

    LEFT, RIGHT = "10.98.0.1", "10.98.0.2"

    def __init__(self, test, delay):
        self.left, self.right = Namespace(test), Namespace(test)
        ends = (self._tun(test, self.left, self.LEFT, self.RIGHT),
                self._tun(test, self.right, self.RIGHT, self.LEFT))
        for source, target in (ends, reversed(ends)):
            threading.Thread(target=self._carry, args=(source, target, delay), daemon=True).start()

    @staticmethod
    def _tun(test, namespace, own, peer):
        set_iff, tun_without_header = 0x400454ca, 0x1001
        with namespace.entered():
            descriptor = os.open("/dev/net/tun", os.O_RDWR)
            test.addCleanup(os.close, descriptor)
            request = struct.pack("16sH22x", b"wire", tun_without_header)
            fcntl.ioctl(descriptor, set_iff, request)
        namespace.run("ip", "address", "add", own, "peer", peer, "dev", "wire")
        namespace.run("ip", "link", "set", "wire", "up")
        return descriptor

    @staticmethod
    def _carry(source, target, delay):
        with contextlib.suppress(OSError):  # the test has ended
            while True:
                packet = os.read(source, 1 << 16)
                time.sleep(delay)
                os.write(target, packet)


class Stopwatch:
    """Sums of what the test's clock said: connect() at most, life at least, all of it."""

    def __init__(self):
        self.most_connect = self.least_life = self.whole = 0.0


class SlowNetwork(unittest.TestCase):
    """50 ms from end to end and back: connect time and life time of both ends."""

    COUNT = 4
    DELAY = 0.025
    LIFE = 0.1

    def connection(self, wire, listener, watch):
        """One connection that the client resets after a while."""
        client = wire.left.socket()
        client.settimeout(60)
        begin = time.monotonic()
        client.connect((wire.RIGHT, listener.getsockname()[1]))
        connected = time.monotonic()
        server, _ = listener.accept()
        accepted = time.monotonic()
        time.sleep(self.LIFE)
        closing = time.monotonic()
        close_with_reset(client)
        with contextlib.closing(server), self.assertRaises(ConnectionResetError):
            server.recv(1)
        watch.most_connect += connected - begin
        watch.least_life += closing - max(connected, accepted)
        watch.whole += time.monotonic() - begin

    def test_durations(self):
        wire = SlowWire(self, self.DELAY)
        port = free_port()
        with wire.right.entered():
            listener = harness.listen(self, port, wire.RIGHT)
        daemon = Daemon(self, "protocols.http=false")
        watch = Stopwatch()
        for _ in range(self.COUNT):
            self.connection(wire, listener, watch)
        daemon.wait_for_total(CLOSED, 2 * self.COUNT, port=port)
        self.assertEqual(daemon.stop(), 0)
        count, connect = daemon.distribution(CONNECT, port=port)
        outgoing_count, outgoing = daemon.distribution(LIFETIME, port=port, direction="outgoing")
        incoming_count, incoming = daemon.distribution(LIFETIME, port=port, direction="incoming")
        print(f"connect {connect:.3f} of {watch.most_connect:.3f} s, life {outgoing:.3f} and "
              f"{incoming:.3f}, at least {watch.least_life:.3f}, in {watch.whole:.3f} s", end="; ")
        self.assertEqual((count, outgoing_count, incoming_count), (self.COUNT,) * 3)
        # It is cut to whole microseconds.
        self.assertGreaterEqual(connect, self.COUNT * (2 * self.DELAY - 1e-6))
        self.assertLessEqual(connect, watch.most_connect)
        for life in (outgoing, incoming):
            self.assertGreaterEqual(life, watch.least_life)
        # Life begins when connecting has ended.
        self.assertLessEqual(connect + outgoing, watch.whole)
        self.assertLessEqual(incoming, watch.whole - self.COUNT * self.DELAY)


class OlderConnections(unittest.TestCase):
    """What began before the daemon has no duration, rather than a wrong one."""

    def drop(self, pair, port):
        harness.need("nft")
        pair.right.run("nft", f"table inet block {{ chain input {{ type filter hook input "
                              f"priority 0\n tcp dport {port} drop\n }}\n }}")

    def test_established_and_connecting_at_the_start(self):
        pair, older_port, port = Pair(self), free_port(), free_port()
        with pair.right.entered():
            listeners = [harness.listen(self, own, Pair.RIGHT) for own in (older_port, port)]
        older, connecting = pair.left.socket(), pair.left.socket()
        # Both ports are such as services have: only the listener tells who connected.
        older.bind((Pair.LEFT, free_port()))
        older.connect((Pair.RIGHT, older_port))
        server, _ = listeners[0].accept()
        self.drop(pair, port)
        connecting.setblocking(False)
        self.assertEqual(connecting.connect_ex((Pair.RIGHT, port)), errno.EINPROGRESS)
        begin = time.monotonic()
        daemon = Daemon(self, "protocols.http=false")
        for direction in ("incoming", "outgoing"):
            wait_for_active(daemon, 1, port=older_port, direction=direction)
        pair.right.run("nft", "flush ruleset")
        connecting.setblocking(True)
        self.assertEqual(connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)
        late, _ = listeners[1].accept()
        for end in (older, server, connecting, late):
            end.close()
        daemon.wait_for_total(CLOSED, 2, port=older_port)
        daemon.wait_for_total(CLOSED, 2, port=port)
        self.assertEqual(daemon.stop(), 0)
        whole = time.monotonic() - begin
        self.assertEqual(daemon.total(OPENED, port=older_port), 0)
        self.assertEqual(daemon.distribution(LIFETIME, port=older_port), (0, 0))
        self.assertEqual(daemon.total(OPENED, port=port), 2)
        for metric in (CONNECT, LIFETIME):
            print(f"{metric}: {daemon.distribution(metric, port=port)}", end="; ")
        self.assertEqual(daemon.distribution(CONNECT, port=port), (0, 0))
        count, life = daemon.distribution(LIFETIME, port=port, direction="outgoing")
        self.assertEqual(count, 1)
        self.assertLessEqual(life, whole)


if __name__ == "__main__":
    unittest.main(verbosity=2)
