# SPDX-License-Identifier: Apache-2.0
"""Queues of listeners: what waits, for how much there is room, and what was dropped, as the kernel
itself counts it."""

import contextlib
import socket
import unittest

import harness
from harness import Daemon, Namespace, command, free_port

CONSOLE = harness.console_of("tcp.listen.*", "sockeye.kernel.lost")
HOST = "127.0.0.1"
# Answers to SYNs do not come back.
NO_ANSWERS = """
    table inet answers {
        chain input {
            type filter hook input priority 0;
            tcp sport PORT drop
        }
    }"""


def counted(namespace):
    """What the namespace's kernel counted: (TcpExtListenDrops, TcpExtListenOverflows)."""
    names, values = (line.split()[1:] for line in namespace.run("cat", "/proc/net/netstat")
                     .stdout.splitlines() if line.startswith("TcpExt:"))
    counters = dict(zip(names, map(int, values)))
    return counters["ListenDrops"], counters["ListenOverflows"]


def told(daemon, metric, *ports):
    """The same of each port, as the daemon tells it."""
    return {port: daemon.total(metric, port=port, direction="incoming") for port in ports}


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
        dropped_before, overflowed_before = counted(namespace)
        self.assertGreater(min(dropped_before, overflowed_before), 0)
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
        dropped, overflowed = counted(namespace)
        drops, overflows = (told(daemon, metric, older_port, port, closed_port)
                            for metric in ("tcp.listen.drops", "tcp.listen.overflows"))
        self.assertEqual(sum(drops.values()), dropped - dropped_before)
        self.assertEqual(sum(overflows.values()), overflowed - overflowed_before)
        self.assertEqual(drops, overflows)
        self.assertGreater(min(drops[port], drops[closed_port]), 0, drops)
        self.assertIn(daemon.last_gauge("tcp.listen.queue", port=closed_port), (None, 0))

    def test_drops_without_overflow(self):
        """Handshakes that nobody completes fill the other queue: with SYN cookies off that is a
        drop, and no overflow."""
        harness.need("nft")
        namespace, port, full_port = Namespace(self), free_port(), free_port()
        namespace.run("sysctl", "-qw", "net.ipv4.tcp_syncookies=0")
        command(*namespace.prefix, "nft", NO_ANSWERS.replace("PORT", str(port)))
        daemon = Daemon(self, console=CONSOLE)
        dropped_before, overflowed_before = counted(namespace)
        self.listen(namespace, port, 2)
        self.listen(namespace, full_port, 2)
        self.knock(namespace, port, 12)
        self.knock(namespace, full_port, 12)
        self.stand_still(namespace, True)
        self.assertEqual(daemon.stop(), 0)
        dropped, overflowed = counted(namespace)
        drops = told(daemon, "tcp.listen.drops", port, full_port)
        overflows = told(daemon, "tcp.listen.overflows", port, full_port)
        self.assertEqual(sum(drops.values()), dropped - dropped_before)
        self.assertEqual(overflows, {port: 0, full_port: overflowed - overflowed_before})
        self.assertGreater(min(drops.values()), 0, drops)
        self.assertGreater(overflows[full_port], 0)

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
