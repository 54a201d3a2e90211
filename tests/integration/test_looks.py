# SPDX-License-Identifier: Apache-2.0
"""Live sockets by the kernel's tables instead of a walk over their storage, which the newest kernels
do not survive: the same numbers, in every network namespace."""

import contextlib
import resource
import socket
import unittest

import harness
import own_cgroup
import test_connections
import test_connections_view
import test_udp
import test_privileges
import test_reload
from harness import Daemon, Namespace, free_port, listen
from test_probe import probe

BY_TABLE = "source.look=tables"
HOST = "127.0.0.1"


def setUpModule():  # pylint: disable=invalid-name
    own_cgroup.enter(unittest.addModuleCleanup)
    harness.SETTINGS.append(BY_TABLE)
    unittest.addModuleCleanup(harness.SETTINGS.remove, BY_TABLE)


class Live(test_connections.LiveConnection):
    """Bytes, segments, retransmissions and round trips are those of ss."""


class Datagrams(test_udp.Counts):
    """Of live UDP sockets."""


class Rows(test_connections_view.Rows):
    """Single connections."""


def one(test, namespace=None, size=7):
    """A connection over which `size` bytes went: its port and its ends."""
    port = free_port()
    with namespace.entered() if namespace else contextlib.nullcontext():
        listener = listen(test, port)
        client = socket.create_connection((HOST, port))
    server, _ = listener.accept()
    for end in (client, server):
        test.addCleanup(end.close)
    client.sendall(bytes(size))
    harness.receive_exactly(server, size)
    return port, (client, server)


class Reloaded(test_reload.Reload):

    @staticmethod
    def text(number):
        return (f"source: {{look: tables}}\nlimits: {{series: {2000 + number}}}\n"
                "exporters:\n  - {type: 'null'}\n")

    def test_rows(self):
        """Whoever watches goes on seeing every namespace."""
        namespace = Namespace(self)
        daemon = self.start(self.text(0))
        watcher = test_connections_view.Watcher(self.socket, "reload")
        watcher.look()
        port, _ = one(self, namespace)
        for number in range(1, 20):
            self.write(self.text(number))
            self.assertEqual(self.reload().returncode, 0)
        answer = watcher.look()
        self.assertEqual(len(test_connections_view.of_port(answer, port, "open", "outgoing")), 1)
        self.assertEqual(daemon.stop(), 0)


class Tables(unittest.TestCase):
    """More sockets than one read gathers (2048), in several namespaces; and what cannot be seen."""

    COUNT = 1200
    BYTES = 7

    def connect(self, namespace, port):
        """Connections within a namespace: (client, server)."""
        with namespace.entered():
            listener = listen(self, port)
            clients = [socket.create_connection((HOST, port)) for _ in range(self.COUNT)]
        pairs = [(client, listener.accept()[0]) for client in clients]
        for end in (end for pair in pairs for end in pair):
            self.addCleanup(end.close)
        return pairs

    def check(self, daemon, ports, rounds):
        """All that was sent is told, of both ends, while they live."""
        for port in ports:
            for direction in ("outgoing", "incoming"):
                tags = {"port": port, "direction": direction}
                self.assertEqual(daemon.last_gauge("tcp.connections.active", **tags), self.COUNT)
                sent = daemon.total("tcp.sent.bytes", **tags)
                received = daemon.total("tcp.received.bytes", **tags)
                self.assertEqual(max(sent, received), rounds * self.COUNT * self.BYTES)
                self.assertEqual(min(sent, received), 0)

    def test_in_every_namespace(self):
        room = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(room[0], 6 * self.COUNT), room[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, room)
        namespaces, ports = (Namespace(self), Namespace(self)), (free_port(), free_port())
        pairs = self.connect(namespaces[0], ports[0])  # older than the daemon
        daemon = Daemon(self)
        pairs += self.connect(namespaces[1], ports[1])
        for rounds in (1, 2, 3):
            for client, server in pairs:
                client.sendall(bytes(self.BYTES))
                harness.receive_exactly(server, self.BYTES)
            for port in ports:  # other tests have namespaces, too: a look comes later then
                daemon.wait_for_total("tcp.received.bytes", rounds * self.COUNT * self.BYTES,
                                      port=port)
            daemon.wait_for_snapshots(1)
            self.check(daemon, ports, rounds)
        self.assertEqual(daemon.stop(), 0)
        # Of namespaces of other tests, which go while they are looked at, not all is met.
        self.assertLessEqual({reason for program, reason in daemon.losses() if program == "tcp"},
                             {"look_incomplete"})

    def test_without_the_right_to_enter(self):
        """What is open elsewhere is seen when it ends, and a line and a counter say so."""
        namespace = Namespace(self)
        daemon = Daemon(self, "protocols.http=false", prefix=test_privileges.run_copy(
            test_privileges.public_copy(self),
            *test_privileges.plain("bpf", "perfmon", "net_admin", "sys_ptrace")))
        ports, ends = zip(one(self, size=self.BYTES), one(self, namespace, self.BYTES))
        daemon.wait_for_snapshots()
        self.assertEqual([daemon.total("tcp.sent.bytes", port=port) for port in ports],
                         [self.BYTES, 0])
        self.assertGreater(daemon.losses().get(("tcp", "look_incomplete"), 0), 0)
        self.assertIn("nothing is seen before they end", "\n".join(daemon.log))
        for end in (end for pair in ends for end in pair):
            end.close()
        for port in ports:
            daemon.wait_for_total("tcp.connections.closed", 2, port=port)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual([daemon.total("tcp.sent.bytes", port=port) for port in ports],
                         [self.BYTES, self.BYTES])

    def test_probe_says_so(self):
        said = probe()
        names = {program["name"] for program in said["programs"]}
        self.assertEqual(said["look"], "tables")
        self.assertLessEqual({"tcp_live_table", "udp_live_table", "row_open_table"}, names)
        self.assertEqual({"tcp_live", "udp_live", "row_open"} & names, set())
