# SPDX-License-Identifier: Apache-2.0
"""Connections that nobody listens for, and sockets whose data others have taken: each counted once,
with the bytes that went by TCP."""

import contextlib
import errno
import select
import socket
import struct
import unittest

import harness
import kernel_bpf
from harness import Daemon, Namespace, Pair, console_of, free_port

HOST = "127.0.0.1"
CONSOLE = console_of("tcp.connections.*", "tcp.sent.bytes", "tcp.received.bytes",
                     "sockeye.kernel.lost")


class Case(unittest.TestCase):
    """One daemon."""

    def check(self, daemon, port, way, sent, received):
        """One connection, of that way alone."""
        tags = {"port": port, "direction": way}
        for metric, value in (("tcp.connections.opened", 1), ("tcp.connections.closed", 1),
                              ("tcp.sent.bytes", sent), ("tcp.received.bytes", received)):
            self.assertEqual(daemon.total(metric, **tags), value, (metric, tags))

    def lost(self, daemon):
        """Of connections: what was lost of requests may be others'."""
        return {reason: amount for (program, reason), amount in daemon.losses().items()
                if program == "tcp"}

    def connected(self, namespace):
        """(client, server, port)"""
        port = free_port()
        with namespace.entered(), contextlib.closing(harness.listen(self, port)) as listener:
            client = socket.create_connection((HOST, port))
            server, _ = listener.accept()
        for end in (client, server):
            self.addCleanup(end.close)
            end.settimeout(30)
        return client, server, port


class Callers(Case):
    """Nobody listens: who calls is answered by a call."""

    SYN_LOST = """
        table inet calls {
            chain input {
                type filter hook input priority 0;
                tcp flags & (syn | ack) == syn drop
            }
        }"""

    def call(self, namespace, address, other):
        client = namespace.socket()
        self.addCleanup(client.close)
        client.bind(address)
        client.setblocking(False)
        self.assertEqual(client.connect_ex(other), errno.EINPROGRESS)
        return client

    def test_two_that_call_each_other(self):
        """Their first SYNs are lost, so that both have sent one before either hears the other's."""
        harness.need("nft")
        pair = Pair(self)
        daemon = Daemon(self, console=CONSOLE)
        ends = (Pair.LEFT, free_port()), (Pair.RIGHT, free_port())
        for namespace in (pair.left, pair.right):
            namespace.run("nft", self.SYN_LOST)
        left = self.call(pair.left, *ends)
        right = self.call(pair.right, *reversed(ends))
        for namespace in (pair.left, pair.right):
            namespace.run("nft", "flush ruleset")
        for end in (left, right):
            self.assertTrue(select.select([], [end], [], 30)[1], "not connected")
            end.settimeout(30)
        left.sendall(bytes(700))
        right.sendall(bytes(300))
        harness.receive_exactly(left, 300)
        harness.receive_exactly(right, 700)
        left.close()
        self.assertEqual(right.recv(1), b"")
        right.close()
        self.assertEqual(daemon.stop(), 0)
        self.check(daemon, ends[1][1], "outgoing", 700, 300)
        self.check(daemon, ends[0][1], "outgoing", 300, 700)
        self.assertEqual(self.lost(daemon), {})

    def test_one_that_calls_itself(self):
        namespace, port = Namespace(self), free_port()
        daemon = Daemon(self, console=CONSOLE)
        with contextlib.closing(namespace.socket()) as client:
            client.bind((HOST, port))
            client.connect((HOST, port))
            client.sendall(bytes(500))
            harness.receive_exactly(client, 500)
        self.assertEqual(daemon.stop(), 0)
        self.check(daemon, port, "outgoing", 500, 500)
        self.assertEqual(self.lost(daemon), {})


class Sockmap(Case):
    """Sockets that a BPF program has in a sockmap: what it passes on goes by TCP, and counts; what
    it redirects does not, and nothing counts it."""

    SOCKMAP, SK_MSG, VERDICT = 15, 16, 7
    PASS, REDIRECT_MAP, INGRESS = 1, 60, 1
    BEFORE, AFTER = 1000, 5000

    def take(self, client, server, redirects):
        """From now on what `client` sends is judged."""
        sockets = kernel_bpf.make_map(self, self.SOCKMAP, 4, 4, 2)
        words = [kernel_bpf.move(0, self.PASS)]
        if redirects:
            words = [kernel_bpf.load_map(2, sockets), kernel_bpf.move(3, 1),
                     kernel_bpf.move(4, self.INGRESS), kernel_bpf.helper(self.REDIRECT_MAP)]
        program = kernel_bpf.load(self, self.SK_MSG, self.VERDICT, *words, kernel_bpf.EXIT)
        kernel_bpf.call(kernel_bpf.PROG_ATTACH,
                        struct.pack("<IIII", sockets, program, self.VERDICT, 0))
        for key, end in enumerate((client, server)):
            kernel_bpf.update(sockets, key, end.fileno())

    def test_passed_and_redirected(self):
        namespace = Namespace(self)
        daemon = Daemon(self, console=CONSOLE)
        counted = {}
        for redirects in (False, True):
            client, server, port = self.connected(namespace)
            client.sendall(bytes(self.BEFORE))
            harness.receive_exactly(server, self.BEFORE)
            self.take(client, server, redirects)
            client.sendall(bytes(self.AFTER))
            harness.receive_exactly(server, self.AFTER)
            client.close()
            server.close()
            counted[port] = self.BEFORE + (0 if redirects else self.AFTER)
        self.assertEqual(daemon.stop(), 0)
        for port, size in counted.items():
            self.check(daemon, port, "outgoing", size, 0)
            self.check(daemon, port, "incoming", 0, size)
        self.assertEqual(self.lost(daemon), {})


class KernelTls(Case):
    """Bytes are those of TCP: with TLS in the kernel (TCP_ULP) those of its records."""

    TCP_ULP, SOL_TLS, TLS_TX, TLS_RX = 31, 282, 1, 2
    # linux/tls.h: TLS 1.2, AES-128-GCM; initialisation vector, key, salt, number of the record.
    KEYS = struct.pack("<HH8s16s4s8s", 0x0303, 51, bytes(8), b"k" * 16, b"salt", bytes(8))
    # RFC 5246, 6.2.3.3, RFC 5288: header, explicit nonce, tag.
    RECORD_BYTES = 5 + 8 + 16

    def encrypt(self, end, way):
        try:
            end.setsockopt(socket.IPPROTO_TCP, self.TCP_ULP, b"tls")
        except OSError as error:
            if error.errno == errno.ENOENT:
                self.skipTest("this kernel has no TLS")
            raise
        end.setsockopt(self.SOL_TLS, way, self.KEYS)

    def test_records(self):
        namespace = Namespace(self)
        client, server, _ = self.connected(namespace)
        self.encrypt(client, self.TLS_TX)
        daemon = Daemon(self, console=CONSOLE)
        client, server, port = self.connected(namespace)
        self.encrypt(client, self.TLS_TX)
        self.encrypt(server, self.TLS_RX)
        sizes = (100, 5000, 16384)
        for size in sizes:
            client.sendall(bytes(size))
            harness.receive_exactly(server, size)
        client.close()
        server.close()
        self.assertEqual(daemon.stop(), 0)
        size = sum(sizes) + len(sizes) * self.RECORD_BYTES
        self.check(daemon, port, "outgoing", size, 0)
        self.check(daemon, port, "incoming", 0, size)


if __name__ == "__main__":
    unittest.main()
