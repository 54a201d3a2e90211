# SPDX-License-Identifier: Apache-2.0
"""Queues of listeners: what waits, for how much there is room, and what was dropped, as the kernel
itself counts it."""

import contextlib
import socket
import unittest

import harness
from harness import Daemon, Namespace, free_port

CONSOLE = harness.console_of("tcp.listen.*", "sockeye.kernel.lost")
HOST = "127.0.0.1"


def listener_drops(namespace):
    """What the namespace's kernel counted (TcpExtListenDrops)."""
    names, values = (line.split()[1:] for line in namespace.run("cat", "/proc/net/netstat")
                     .stdout.splitlines() if line.startswith("TcpExt:"))
    return dict(zip(names, map(int, values)))["ListenDrops"]


class Queues(unittest.TestCase):
    """Listeners that do not accept."""

    def listen(self, namespace, port, backlog):
        with namespace.entered():
            listener = socket.socket()
        self.addCleanup(listener.close)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((HOST, port))
        listener.listen(backlog)
        return listener

    def knock(self, namespace, port, count):
        """That many SYNs, without waiting for what becomes of them."""
        for _ in range(count):
            with namespace.entered():
                client = socket.socket()
            self.addCleanup(client.close)
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect((HOST, port))

    def stand_still(self, namespace, still):
        namespace.run("ip", "link", "set", "lo", "down" if still else "up")

    def test_overflow(self):
        namespace = Namespace(self)
        older_port, port, closed_port = free_port(), free_port(), free_port()
        older = self.listen(namespace, older_port, 2)
        self.knock(namespace, older_port, 10)
        # Whoever was not let in comes again and again: not between the looks at the counters, the
        # daemon's and ours.
        self.stand_still(namespace, True)
        dropped_before = listener_drops(namespace)
        self.assertGreater(dropped_before, 0)
        daemon = Daemon(self, console=CONSOLE)
        self.stand_still(namespace, False)
        self.listen(namespace, port, 3)
        self.knock(namespace, port, 20)
        closed = self.listen(namespace, closed_port, 1)
        self.knock(namespace, closed_port, 10)
        # What it dropped since the last look is told at its end.
        closed.close()
        harness.wait_until(lambda: daemon.last_gauge("tcp.listen.queue", port=port) == 4, 20,
                           lambda: f"a full queue: {daemon.series('tcp.listen.queue')}")
        self.assertEqual(daemon.last_gauge("tcp.listen.queue.limit", port=port), 3)
        self.assertEqual(daemon.last_gauge("tcp.listen.queue", port=older_port), 3)
        # Accepted, none of them waits; what its clients send again takes its place later.
        for _ in range(3):
            self.addCleanup(older.accept()[0].close)
        self.stand_still(namespace, True)
        self.assertEqual(daemon.stop(), 0)
        drops = {one: daemon.total("tcp.listen.drops", port=one, direction="incoming")
                 for one in (older_port, port, closed_port)}
        self.assertEqual(sum(drops.values()), listener_drops(namespace) - dropped_before)
        self.assertGreater(min(drops[port], drops[closed_port]), 0, drops)
        self.assertIn(daemon.last_gauge("tcp.listen.queue", port=closed_port), (None, 0))

    def test_shared_port(self):
        """Workers that have the port together count together."""
        namespace, port = Namespace(self), free_port()
        for _ in range(3):
            self.listen(namespace, port, 16)
        self.knock(namespace, port, 12)
        daemon = Daemon(self, console=CONSOLE)
        daemon.wait_for_snapshots(1)
        self.assertEqual(daemon.last_gauge("tcp.listen.queue", port=port), 12)
        self.assertEqual(daemon.last_gauge("tcp.listen.queue.limit", port=port), 48)
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    unittest.main()
