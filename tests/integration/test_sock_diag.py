# SPDX-License-Identifier: Apache-2.0
"""The tier sock-diag: a user without any right in a network namespace, and root who is told to."""

import itertools
import os
import shutil
import signal
import socket
import struct
import time
import unittest

import harness
import test_listeners
from harness import EXIT_OK, UNPRIVILEGED, Daemon, Namespace

BOTH = ("incoming", "outgoing")
RESET = struct.pack("ii", 1, 0)
# Connections: their ends are more than the kernel has room for.
FLOOD = 8000
WITHOUT = ("connections.udp=false", "protocols.http=false")


def public_copy(test):
    """A copy of the daemon that everybody can reach."""
    path = os.path.join(harness.temporary_folder(test), "sockeye")
    shutil.copy(harness.binary(), path)
    os.chmod(path, 0o755)
    return path


class Traffic:
    """Connections in a namespace, both ends in this thread."""

    def __init__(self, test, namespace, family=socket.AF_INET, host="127.0.0.1"):
        self._test = test
        self.port = harness.free_port()
        self._new = lambda: namespace.socket(family) if namespace else socket.socket(family)
        self.listener = self._new()
        test.addCleanup(self.listener.close)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, self.port))
        self.listener.listen(64)
        self._address = (host, self.port)

    def connect(self):
        """(client, server)"""
        client = self._new()
        client.connect(self._address)
        return client, self.listener.accept()[0]

    def exchange(self, pair, request, response):
        client, server = pair
        client.sendall(bytes(request))
        harness.receive_exactly(server, request)
        server.sendall(bytes(response))
        harness.receive_exactly(client, response)

    def short(self, count, request, response, first=0):
        """That many, closed at once by the end `first` (0: the client)."""
        for _ in range(count):
            pair = self.connect()
            self.exchange(pair, request, response)
            pair[first].close()
            pair[1 - first].close()

    def reset(self, count, size):
        """That many, reset by the client after it has sent."""
        for _ in range(count):
            client, server = self.connect()
            client.sendall(bytes(size))
            harness.receive_exactly(server, size)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
            server.close()


    def fill(self, backlog, clients):
        """More that connect than there is room for, and nobody accepts."""
        self.listener.listen(backlog)
        for _ in range(clients):
            client = self._new()
            self._test.addCleanup(client.close)
            client.setblocking(False)
            client.connect_ex(self._address)


class Counts(unittest.TestCase):
    """Assertions on what a daemon has told."""

    def assert_counts(self, daemon, port, count, **tags):
        for direction in BOTH:
            for what in ("opened", "closed"):
                self.assertEqual(daemon.total(f"tcp.connections.{what}", port=port,
                                              direction=direction, **tags),
                                 count, (what, direction))

    def assert_bytes(self, daemon, port, request, response, connections):
        """What is sent exactly; the end of a connection may count as a byte received."""
        for direction, sent, received in (("outgoing", request, response),
                                          ("incoming", response, request)):
            tags = {"port": port, "direction": direction}
            self.assertEqual(daemon.total("tcp.sent.bytes", **tags), sent, direction)
            surplus = daemon.total("tcp.received.bytes", **tags) - received
            self.assertTrue(0 <= surplus <= connections, (direction, surplus))


class AsNobody(Counts):
    """No capability, nothing of eBPF, a namespace of its own."""

    def setUp(self):
        harness.need("setpriv", "nsenter")
        self.namespace = Namespace(self)

    def daemon(self, *settings):
        prefix = ("nsenter", f"--net=/run/netns/{self.namespace.name}", *UNPRIVILEGED, "sh", "-c",
                  f'shift; exec {public_copy(self)} "$@"', "sh")
        return Daemon(self, *settings, prefix=prefix)

    def kept(self, traffic, count):
        """Connections that last until the test ends, or somebody closes them."""
        pairs = [traffic.connect() for _ in range(count)]
        for end in itertools.chain(*pairs):
            self.addCleanup(end.close)
        return pairs

    def unheard(self, daemon):
        """How many ends the kernel had no room for."""
        lines = self.namespace.run("cat", "/proc/net/netlink").stdout.splitlines()[1:]
        return sum(int(words[8]) for words in map(str.split, lines)
                   if words[2] == str(daemon.process.pid))

    def is_told(self, daemon):
        """A question that is answered yes when nothing has come since it was asked before."""
        seen = [-1]

        def answer():
            seen.append(self.unheard(daemon))
            return seen[-1] == seen[-2]
        return answer

    def end(self, daemon, closed, port):
        """An end is told by a worker of the kernel, a moment later."""
        daemon.wait_for_total("tcp.connections.closed", closed, port=port)
        self.assertEqual(daemon.stop(), EXIT_OK)

    def test_short_and_reset_connections(self):
        """Between two looks, both families; what resets itself is counted as lost, and what never
        was a connection is none."""
        daemon = self.daemon()
        self.assertIn("its own network namespace, tier sock-diag", " ".join(daemon.log))
        self.assertIn("tier sock-diag, because socket-storage cannot be had: cannot observe the "
                      "kernel: capabilities: missing cap_net_admin", " ".join(daemon.log))
        traffic = Traffic(self, self.namespace)
        newer = Traffic(self, self.namespace, socket.AF_INET6, "::1")
        resets = Traffic(self, self.namespace)
        traffic.short(1000, 100, 2000)
        newer.short(100, 300, 50, first=1)
        resets.reset(50, 70)
        closed = harness.free_port()
        for _ in range(20):
            with self.namespace.socket() as client:
                self.assertNotEqual(client.connect_ex(("127.0.0.1", closed)), 0)
        self.end(daemon, 50, resets.port)
        self.assert_counts(daemon, traffic.port, 1000, family="ipv4")
        self.assert_bytes(daemon, traffic.port, 100_000, 2_000_000, 1000)
        self.assert_counts(daemon, newer.port, 100, family="ipv6")
        self.assert_bytes(daemon, newer.port, 30_000, 5_000, 100)
        tags = {"port": resets.port, "direction": "incoming"}
        self.assertEqual(daemon.total("tcp.connections.closed", **tags), 50)
        self.assertEqual(daemon.total("tcp.received.bytes", **tags), 50 * 70)
        self.assertEqual(daemon.total("tcp.connections.opened", port=closed), 0)
        self.assertEqual(daemon.losses(), {("diag", "reset"): 50})
        self.assertEqual(daemon.total("ebpf.core.load"), 1)
        self.assertEqual(daemon.total("ebpf.core.load", asset="socket_storage",
                                      result="not_tried"), 1)
        for absent in ("tcp.connections.failed", "tcp.connect.duration", "tcp.connection.duration",
                       "udp.sent.bytes"):
            self.assertEqual(daemon.series(absent), [], absent)

    def test_connections_that_last(self):
        """Older than the daemon, open over several looks, closed in the end."""
        traffic = Traffic(self, self.namespace)
        older = [traffic.connect() for _ in range(5)]
        for pair in older:
            traffic.exchange(pair, 1000, 1000)
        daemon = self.daemon(*WITHOUT)
        pairs = older + [traffic.connect() for _ in range(20)]
        for pair in pairs:
            traffic.exchange(pair, 500, 700)
        tags = {"port": traffic.port, "direction": "incoming"}
        harness.wait_until(lambda: daemon.last_gauge("tcp.connections.active", **tags) == 25, 10,
                           "25 active")
        self.assertEqual(daemon.total("tcp.sent.bytes", **tags), 25 * 700)
        for pair in pairs:
            traffic.exchange(pair, 40, 60)
        for client, server in pairs:
            client.close()
            server.close()
        self.end(daemon, 50, traffic.port)
        self.assert_bytes(daemon, traffic.port, 25 * 540, 25 * 760, 25)
        for direction in BOTH:
            tags["direction"] = direction
            self.assertEqual(daemon.total("tcp.connections.opened", **tags), 20)
            self.assertEqual(daemon.total("tcp.connections.closed", **tags), 25)
            self.assertFalse(daemon.last_gauge("tcp.connections.active", **tags))
        self.assertEqual(daemon.losses(), {})

    def test_queues_of_listeners(self):
        """Older than the daemon or not: what waits, for how much there is room, and what the kernel
        counts as dropped; why it was, nobody can tell here."""
        older = Traffic(self, self.namespace)
        older.fill(2, 10)
        self.namespace.run("ip", "link", "set", "lo", "down")
        before = test_listeners.counted(self.namespace)[0]
        self.assertGreater(before, 0)
        daemon = self.daemon(*WITHOUT)
        self.namespace.run("ip", "link", "set", "lo", "up")
        newer = Traffic(self, self.namespace)
        newer.fill(3, 20)
        harness.wait_until(
            lambda: daemon.last_gauge("tcp.listen.queue", port=newer.port) == 4, 20,
            lambda: f"a full queue: {daemon.series('tcp.listen.queue')}")
        self.assertEqual(daemon.last_gauge("tcp.listen.queue.limit", port=newer.port), 3)
        self.assertEqual(daemon.last_gauge("tcp.listen.queue", port=older.port), 3)
        # Whoever was not let in comes again: not between the daemon's last look and ours.
        self.namespace.run("ip", "link", "set", "lo", "down")
        self.assertEqual(daemon.stop(), EXIT_OK)
        drops = test_listeners.told(daemon, "tcp.listen.drops", older.port, newer.port)
        self.assertEqual(sum(drops.values()),
                         test_listeners.counted(self.namespace)[0] - before)
        self.assertGreater(drops[newer.port], 0)
        self.assertEqual(daemon.series("tcp.listen.overflows"), [])
        self.assertEqual(daemon.losses(), {})

    def test_ends_that_found_no_room(self):
        """While the daemon stands still the kernel loses what it would have told: each lost end is
        counted, what was open is closed all the same, and nothing twice."""
        daemon = self.daemon(*WITHOUT)
        traffic = Traffic(self, self.namespace)
        held = self.kept(traffic, 20)
        for pair in held:
            traffic.exchange(pair, 100, 200)
        tags = {"port": traffic.port, "direction": "incoming"}
        harness.wait_until(lambda: daemon.last_gauge("tcp.connections.active", **tags) == 20, 10,
                           "20 active")
        self.addCleanup(daemon.process.send_signal, signal.SIGCONT)
        daemon.process.send_signal(signal.SIGSTOP)
        for pair in [traffic.connect() for _ in range(10)] + held[10:]:
            for end in pair:
                end.close()
        for _ in range(FLOOD):
            for end in traffic.connect():
                end.close()
        harness.wait_until(lambda: self.unheard(daemon) > 0, 20, "a full buffer")
        for client, server in held[5:10]:
            client.close()
            server.close()
        # A worker of the kernel tells of them, when it has time for it.
        harness.wait_until(self.is_told(daemon), 20, "the last end", step=0.3)
        daemon.process.send_signal(signal.SIGCONT)
        # Two looks without them, and one that tells of it.
        harness.wait_until(lambda: daemon.losses().get(("diag", "vanished")) == 10, 10,
                           daemon.losses)
        self.assertEqual(daemon.stop(), EXIT_OK)
        for direction in BOTH:
            tags["direction"] = direction
            self.assertEqual(daemon.last_gauge("tcp.connections.active", **tags), 5)
        losses = daemon.losses()
        lost, vanished = losses.pop(("diag", "overflow")), losses.pop(("diag", "vanished"))
        self.assertEqual((losses, vanished), ({}, 10))
        self.assertGreater(lost, 0)
        ended = 2 * (FLOOD + 10 + 15)
        closed = daemon.total("tcp.connections.closed", port=traffic.port)
        self.assertEqual(closed - vanished + lost, ended)
        self.assertEqual(daemon.total("tcp.connections.opened", port=traffic.port), closed + 2 * 5)

    def test_storm(self):
        daemon = self.daemon(*WITHOUT)
        traffic = Traffic(self, self.namespace)
        began = time.monotonic()
        for _ in range(20_000):
            client, server = traffic.connect()
            client.close()
            server.close()
        seconds = time.monotonic() - began
        self.end(daemon, 40_000, traffic.port)
        print(f"{seconds / 20_000 * 1e6:.0f} us each; lost {daemon.losses()}", end="; ")
        if ("diag", "overflow") not in daemon.losses():
            self.assert_counts(daemon, traffic.port, 20_000)
            self.assertEqual(daemon.losses(), {})


class AsRoot(Counts):
    """Told to do without eBPF: every namespace, and names."""

    SERVER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    while connection.recv(4096):
        connection.send(b"x" * 50)
    connection.close()
"""

    @staticmethod
    def serve(test, namespace, service):
        """The port of a server that is a process of its own."""
        port = harness.free_port()
        prefix = namespace.prefix if namespace else ()
        server = harness.spawn(test, *prefix, harness.PYTHON, "-c", AsRoot.SERVER, str(port),
                               env=harness.clean_environment(DD_SERVICE=service))
        harness.read_word(server, "ready")
        return port

    @staticmethod
    def connect(namespace, port):
        client = namespace.socket() if namespace else socket.socket()
        client.settimeout(10)
        client.connect(("127.0.0.1", port))
        client.sendall(b"y" * 30)
        harness.receive_exactly(client, 50)
        return client

    def test_owners_and_namespaces(self):
        """Servers have their names for connections that no look has met, in each namespace that is
        there; one that comes later is found, one that goes is let go. A server that no look has met
        either is asked for, but for a tenth of the time at most, which others' may use up."""
        other = Namespace(self)
        daemon = Daemon(self, "source.tier=sock-diag", *WITHOUT,
                        "connections.tags=[direction, service, port, netns]")
        with harness.Scope() as scope:
            late = Namespace(scope)
            late_port = self.serve(scope, late, "diag-late")
            held = self.connect(late, late_port)
            ports = {}
            for service, namespace in (("diag-own", None), ("diag-other", other)):
                port = ports[service] = self.serve(self, namespace, service)
                for _ in range(10):
                    self.connect(namespace, port).close()
            daemon.wait_for_snapshots(2)
            early = {service: daemon.total("tcp.connections.opened", port=port, service=service,
                                           direction="incoming")
                     for service, port in ports.items()}
            for service, namespace in (("diag-own", None), ("diag-other", other)):
                for _ in range(10):
                    self.connect(namespace, ports[service]).close()
            tags = {"port": late_port, "direction": "incoming", "service": "diag-late",
                    "netns": late.inode}
            harness.wait_until(lambda: daemon.last_gauge("tcp.connections.active", **tags) == 1, 10,
                               "the late namespace's connection")
            held.close()
        for port in ports.values():
            daemon.wait_for_total("tcp.connections.closed", 2 * 20, port=port)
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertEqual(daemon.total("tcp.sent.bytes", **tags), 50)
        for service, port in ports.items():
            tags = {"port": port, "direction": "incoming"}
            told = daemon.series("tcp.connections.opened", **tags)
            named = daemon.total("tcp.connections.opened", service=service, **tags)
            self.assertEqual(named, early[service] + 10, told)
            self.assertEqual(daemon.total("tcp.connections.opened", **tags), 20, told)
            self.assertEqual(daemon.total("tcp.sent.bytes", service=service, **tags), 50 * named)
            self.assertLessEqual(set(daemon.values("tcp.connections.opened", "service", **tags)),
                                 {service, "unknown"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
