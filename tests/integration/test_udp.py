# SPDX-License-Identifier: Apache-2.0
"""UDP: bytes and datagrams equal what the programs sent and got, in every way in which these are
sent and got; what they never got is counted by reason; and the direction is right.

One daemon watches all cases of a class, each on ports of its own; it is stopped, and then looked at:
so the last records of sockets, and those that are open still, are in the numbers.
"""

import contextlib
import json
import os
import socket
import struct
import subprocess
import unittest

import harness
from harness import Daemon, Namespace, free_port

UDP_SEGMENT, UDP_GRO, UDP_CORK = 103, 104, 1
SO_ZEROCOPY, MSG_ZEROCOPY = 60, 0x4000000
FAMILIES = {"ipv4": (socket.AF_INET, "127.0.0.1"), "ipv6": (socket.AF_INET6, "::1")}
PEERS = 10_000
CONSOLE = harness.console_of("udp.*", "sockeye.kernel.lost")


def bound(family, host, port=0):
    udp = socket.socket(family, socket.SOCK_DGRAM)
    udp.settimeout(20)
    udp.bind((host, port))
    return udp


class Case(unittest.TestCase):
    """What all have: sockets that end with the test, and a truth that is held against the daemon."""

    def udp(self, family=socket.AF_INET, host=None, port=0):
        """A socket; with a host it is bound."""
        udp = bound(family, host, port) if host else socket.socket(family, socket.SOCK_DGRAM)
        udp.settimeout(20)
        self.addCleanup(udp.close)
        return udp

    def check(self, daemon, truth):
        """truth: {(port, direction, other tags ...): {metric: value}}, the whole of these ports."""
        for (port, direction, *more), values in truth.items():
            tags = {"port": port, "direction": direction, **dict(more)}
            found = {metric: daemon.total(f"udp.{metric}", **tags) for metric in values}
            with self.subTest(**tags):
                self.assertEqual(found, values, daemon.series("udp.sent.bytes", port=port))


def amounts(sent=0, sent_bytes=0, received=0, received_bytes=0):
    return {"sent.datagrams": sent, "sent.bytes": sent_bytes,
            "received.datagrams": received, "received.bytes": received_bytes}


def both_ends(port, to_server, from_server=(0, 0)):
    """The truth of an exchange: (datagrams, bytes) each way."""
    return {(port, "outgoing"): amounts(*to_server, *from_server),
            (port, "incoming"): amounts(*from_server, *to_server)}


class Counts(Case):
    """All ways to send and to get, in one run."""

    def echo(self, family, host, peers, connected):
        """A server without connections, and a socket of its own for each peer."""
        port = free_port()
        server = self.udp(family, host, port)
        for peer in range(peers):
            with contextlib.closing(socket.socket(family, socket.SOCK_DGRAM)) as client:
                client.settimeout(20)
                if connected:
                    client.connect((host, port))
                    client.send(bytes(peer % 100))
                else:
                    client.sendto(bytes(peer % 100), (host, port))
                _, address = server.recvfrom(2000)
                server.sendto(bytes(33), address)
                client.recv(2000)
        sent = sum(peer % 100 for peer in range(peers))
        return both_ends(port, (peers, sent), (peers, 33 * peers))

    def older(self):
        """Sockets from before the daemon: only what comes after counts."""
        port = free_port()
        server, client = self.udp(socket.AF_INET, "127.0.0.1", port), self.udp()
        client.connect(("127.0.0.1", port))
        client.send(b"before")
        server.recv(100)

        def after():
            # The server speaks first: by that alone it would be the client.
            server.sendto(bytes(10), client.getsockname())
            client.recv(100)
            client.send(bytes(7))
            server.recv(100)
            return both_ends(port, (1, 7), (1, 10))
        return after

    def segmented(self, family, host, joined):
        """One send of many datagrams; joined or single at the other end."""
        port = free_port()
        server, client = self.udp(family, host, port), self.udp(family)
        if joined:
            server.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        client.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
        client.connect((host, port))
        for size in (10_500, 1000, 400):
            client.send(bytes(size))
        got = 0
        while got < 11_900:
            got += len(server.recv(70_000))
        return both_ends(port, (11 + 1 + 1, 11_900))

    def pieces(self, family, host):
        """Of what is put together from pieces only the whole is a datagram."""
        port = free_port()
        server, client = self.udp(family, host, port), self.udp(family)
        client.connect((host, port))
        client.send(b"a" * 10, socket.MSG_MORE)
        client.send(b"b" * 20, socket.MSG_MORE)
        client.send(b"c" * 30)
        client.setsockopt(socket.IPPROTO_UDP, UDP_CORK, 1)
        client.send(b"d" * 5)
        client.send(b"e" * 6)
        client.setsockopt(socket.IPPROTO_UDP, UDP_CORK, 0)
        client.send(b"")
        self.assertEqual([len(server.recv(100)) for _ in range(3)], [60, 11, 0])
        return both_ends(port, (3, 71))

    def looked_at(self):
        """Who peeks, or reads a part, has got one datagram."""
        port = free_port()
        server, client = self.udp(socket.AF_INET, "127.0.0.1", port), self.udp()
        client.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
        client.connect(("127.0.0.1", port))
        client.send(bytes(20_000), MSG_ZEROCOPY)
        for flags in (socket.MSG_PEEK, socket.MSG_PEEK | socket.MSG_TRUNC, 0):
            server.recv(10, flags)
        return both_ends(port, (1, 20_000))

    def fragmented(self):
        """A datagram counts before it is cut and after it was put together."""
        namespace = Namespace(self)
        namespace.run("ip", "link", "set", "lo", "mtu", "1500")
        truth = {}
        for family, host in FAMILIES.values():
            port = free_port()
            with namespace.entered():
                server, client = self.udp(family, host, port), self.udp(family)
            client.sendto(bytes(20_000), (host, port))
            self.assertEqual(len(server.recv(65_000)), 20_000)
            truth.update(both_ends(port, (1, 20_000)))
        return truth

    def extended(self):
        """Destination options stand before UDP."""
        port = free_port()
        server, client = self.udp(socket.AF_INET6, "::1", port), self.udp(socket.AF_INET6)
        client.setsockopt(socket.IPPROTO_IPV6, 59, bytes([0, 0, 1, 4, 0, 0, 0, 0]))
        client.sendto(bytes(100), ("::1", port))
        server.recv(1000)
        return both_ends(port, (1, 100))

    def mapped(self):
        """IPv4 at a socket of IPv6, beside IPv6: each under its own family."""
        port = free_port()
        server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.addCleanup(server.close)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", port))
        self.udp(socket.AF_INET6).sendto(bytes(6), ("::1", port))
        self.udp(socket.AF_INET).sendto(bytes(4), ("127.0.0.1", port))
        server.recv(100), server.recv(100)
        return {(port, direction, ("family", family)): amounts(**values)
                for family, size in (("ipv4", 4), ("ipv6", 6))
                for direction, values in (("outgoing", {"sent": 1, "sent_bytes": size}),
                                          ("incoming", {"received": 1, "received_bytes": size}))}

    def grouped(self):
        """To a group, three of whom listen: apart from what else the sockets do."""
        port, group = free_port(), "239.7.7.7"
        member = socket.inet_aton(group) + socket.inet_aton("127.0.0.1")
        for _ in range(3):
            listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.addCleanup(listener.close)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("", port))
            listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        sender = self.udp()
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        for _ in range(4):
            sender.sendto(bytes(50), (group, port))
        return {(port, "outgoing", ("cast", "multicast")): amounts(sent=4, sent_bytes=200),
                (port, "incoming", ("cast", "multicast")): amounts(received=12, received_bytes=600)}

    def overflowing(self):
        """A receive buffer that is full: what is refused was not received."""
        port = free_port()
        server, client = self.udp(socket.AF_INET, "127.0.0.1", port), self.udp()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(200):
            client.sendto(bytes(500), ("127.0.0.1", port))
        got = 0
        server.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            while True:
                server.recv(1000)
                got += 1
        self.assertGreater(got, 0)
        self.dropped = (port, 200 - got)
        return both_ends(port, (200, 100_000)) | {
            (port, "incoming"): amounts(received=got, received_bytes=500 * got)}

    def overflowing_beside(self):
        """The same, of others than the socket's first peer."""
        port = free_port()
        server = self.udp(socket.AF_INET6)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        server.bind(("::", port))
        self.udp(socket.AF_INET6).sendto(b"first", ("::1", port))
        self.assertEqual(server.recv(10), b"first")
        client = self.udp()
        for _ in range(50):
            client.sendto(bytes(500), ("127.0.0.1", port))
        got = 0
        server.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while server.recv(1000):
                got += 1
        self.dropped_beside = port, 50 - got
        return {(port, "incoming", ("family", "ipv6")): amounts(received=1, received_bytes=5),
                (port, "incoming", ("family", "ipv4")): amounts(received=got,
                                                                received_bytes=500 * got)}

    def cast(self):
        """To all of a network, and to a group of IPv6's."""
        namespace, group = Namespace(self), "ff15::77"
        namespace.run("ip", "link", "add", "here", "type", "veth", "peer", "name", "there")
        for device, prefix in (("here", "10.77.0.1/24"), ("there", "10.77.0.2/24")):
            namespace.run("ip", "address", "add", prefix, "dev", device)
            namespace.run("ip", "address", "add", f"fd77::{prefix[8]}/64", "dev", device, "nodad")
            namespace.run("ip", "link", "set", device, "up")
        everybody, few = free_port(), free_port()
        with namespace.entered():
            server, member = self.udp(), self.udp(socket.AF_INET6, "::", few)
            client, sender = self.udp(), self.udp(socket.AF_INET6)
            here, there = (socket.if_nametoindex(name) for name in ("here", "there"))
        namespace.run("sysctl", "-qw", "net.ipv4.conf.there.accept_local=1")
        server.bind(("", everybody))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"here\0")
        for address in ("255.255.255.255", "10.77.0.255"):
            client.sendto(bytes(8), (address, everybody))
        # Each comes twice: by the other device, and back to who has sent it. What came back from a
        # directed one looks like any other.
        self.assertEqual([len(server.recv(100)) for _ in range(4)], [8] * 4)
        member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                          socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", here))
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, here)
        sender.sendto(bytes(9), (group, few))
        member.recv(100)
        return {(everybody, "outgoing", ("cast", "broadcast")): amounts(1, 8),
                (everybody, "incoming"): amounts(0, 0, 4, 32),
                (everybody, "incoming", ("cast", "broadcast")): amounts(0, 0, 3, 24),
                (few, "outgoing", ("cast", "multicast")): amounts(1, 9),
                (few, "incoming", ("cast", "multicast")): amounts(0, 0, 1, 9)}

    def spoiled(self, close=False):
        """A wrong checksum: the kernel drops it when the program reads, if it is a long one. (Of
        short ones it looks before it knows whose they are.)"""
        port = free_port()
        server = self.udp(socket.AF_INET, "127.0.0.1", port)
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_RAW,
                                              socket.IPPROTO_UDP)) as raw:
            for _ in range(10):
                raw.sendto(struct.pack("!HHHH", 9, port, 208, 0xdead) + bytes(200),
                           ("127.0.0.1", port))
        server.settimeout(0.2)
        with self.assertRaises(TimeoutError):
            server.recv(100)
        if close:  # before anybody looks at it
            server.close()
        self.wrong.append(port)
        return {(port, "outgoing"): amounts()}

    def test_counts(self):
        after_the_start = self.older()
        daemon = Daemon(self, console=CONSOLE, interval="1s")
        truth, self.wrong = after_the_start(), []
        for family, host in FAMILIES.values():
            truth |= self.echo(family, host, PEERS // 2, connected=False)
            truth |= self.echo(family, host, 100, connected=True)
            truth |= self.segmented(family, host, joined=False)
            truth |= self.segmented(family, host, joined=True)
            truth |= self.pieces(family, host)
        for case in (self.looked_at, self.fragmented, self.extended, self.mapped, self.grouped,
                     self.cast, self.overflowing, self.overflowing_beside, self.spoiled):
            truth |= case()
        truth |= self.spoiled(close=True)
        self.assertEqual(daemon.stop(), 0)
        self.check(daemon, truth)
        for (port, dropped), tags in ((self.dropped, {}),
                                      (self.dropped_beside, {"family": "ipv4"})):
            self.assertGreater(dropped, 0)
            self.assertEqual(daemon.total("udp.dropped", port=port, reason="buffer", **tags),
                             dropped)
        for port in self.wrong:
            self.assertEqual(daemon.total("udp.dropped", port=port, reason="other"), 10)
        self.assertEqual({loss: amount for loss, amount in daemon.losses().items()
                          if loss[0] == "udp"}, {})


class ManyFlows(Case):
    """More peers of one socket than one run of the walk over flows can tell (2048)."""

    PEERS, SIZE, ROUNDS = 5000, 9, 4
    SOURCE = """
import socket, sys
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in sys.stdin:
    for peer in range(int(sys.argv[1])):
        udp.sendto(bytes(int(sys.argv[2])), ("127.0.0.1", 60000 - peer))
    print("sent", flush=True)
"""

    def test_each_once(self):
        daemon = Daemon(self, console=CONSOLE, interval="1s")
        tags = {"service": f"flows-{os.getpid()}", "direction": "outgoing"}
        client = harness.spawn_python(self, self.SOURCE, self.PEERS, self.SIZE,
                                      service=tags["service"])
        for rounds in range(self.ROUNDS):
            daemon.wait_for_total("udp.sent.datagrams", rounds * self.PEERS, **tags)
            harness.tell(client, "again")
            harness.read_word(client, "sent")
        self.assertEqual(daemon.stop(), 0)  # in one look
        self.assertEqual(daemon.total("udp.sent.datagrams", **tags), self.ROUNDS * self.PEERS)
        self.assertEqual(daemon.total("udp.sent.bytes", **tags),
                         self.ROUNDS * self.PEERS * self.SIZE)


class Extensions(Case):
    """Behind more headers of IPv6 than are followed."""

    def test_too_far(self):
        port = free_port()
        daemon = Daemon(self, console=CONSOLE, interval="1s")
        server, client = self.udp(socket.AF_INET6, "::1", port), self.udp(socket.AF_INET6)
        skipped = bytes([0x1e, 255]) + bytes(255)  # an option that nobody knows
        client.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS,
                          bytes([0, 1032 // 8 - 1]) + skipped * 4 + bytes(2))
        client.sendto(bytes(100), ("::1", port))
        server.recv(1000)
        self.assertEqual(daemon.stop(), 0)
        self.check(daemon, {(port, "outgoing"): amounts(), (port, "incoming"): amounts()})
        lost = daemon.losses()
        # By either end. As datagrams, and as segments: nobody knows what it was.
        self.assertEqual(lost.get(("udp", "extension_headers")), 2, lost)
        self.assertEqual(lost.get(("http", "extension_headers")), 2, lost)


class Directions(Case):
    """Whose port it is: who asked for it, and who spoke first."""

    HOST = "127.0.0.1"

    def exchange(self, first, second, *targets):
        for a, b, target in ((first, second, targets[0]), (second, first, targets[1])):
            a.sendto(bytes(9), (self.HOST, target))
            b.recv(100)

    def server_and_client(self):
        port = free_port()
        server, client = self.udp(socket.AF_INET, self.HOST, port), self.udp()
        client.sendto(bytes(9), (self.HOST, port))
        _, address = server.recvfrom(100)
        server.sendto(bytes(9), address)
        return both_ends(port, (1, 9), (1, 9))

    def client_with_an_address(self):
        """bind() to port 0 leaves the port to the kernel."""
        port = free_port()
        server = self.udp(socket.AF_INET, self.HOST, port)
        client = self.udp(socket.AF_INET, self.HOST, 0)
        client.sendto(bytes(9), (self.HOST, port))
        server.recv(100)
        return both_ends(port, (1, 9))

    def client_with_a_port(self):
        """As NTP's: both ends asked for their ports."""
        client_port, port = free_port(), free_port()
        server = self.udp(socket.AF_INET, self.HOST, port)
        client = self.udp(socket.AF_INET, self.HOST, client_port)
        self.exchange(client, server, port, client_port)
        return both_ends(port, (1, 9), (1, 9)) | {
            (client_port, "incoming"): amounts(), (client_port, "outgoing"): amounts()}

    def client_of_two(self, refused=False):
        """Asks both before one has answered, from a port that it asked for, or was refused."""
        ports = free_port(), free_port()
        servers = [self.udp(socket.AF_INET, self.HOST, port) for port in ports]
        client = self.udp(socket.AF_INET, None if refused else self.HOST, free_port())
        if refused:
            with self.assertRaises(OSError):
                client.bind((self.HOST, ports[0]))
        for port in ports:
            client.sendto(bytes(9), (self.HOST, port))
        for server in servers:
            server.sendto(bytes(5), server.recvfrom(100)[1])
            client.recv(100)
        return both_ends(ports[0], (1, 9), (1, 5)) | both_ends(ports[1], (1, 9), (1, 5))

    def client_that_was_refused(self):
        return self.client_of_two(refused=True)

    def resolver(self):
        """Asks from the port that it serves: from the first stranger's question on it is a server."""
        port, upstream_port = free_port(), free_port()
        resolver = self.udp(socket.AF_INET, self.HOST, port)
        upstream = self.udp(socket.AF_INET, self.HOST, upstream_port)
        self.exchange(resolver, upstream, upstream_port, port)
        client = self.udp()
        client.sendto(bytes(9), (self.HOST, port))
        resolver.recv(100)
        return {(port, "incoming"): amounts(1, 9, 2, 18),
                (upstream_port, "incoming"): amounts(1, 9, 1, 9)}

    def listener_by_chance(self):
        """A server on a port that the kernel chose: the number is no name."""
        server = self.udp(socket.AF_INET, self.HOST, 0)
        self.udp().sendto(bytes(4321), (self.HOST, server.getsockname()[1]))
        server.recv(5000)
        self.chance = [server.getsockname()[1]]
        # The port that it asked for was another's, and the one that it speaks from is by chance.
        refused, port = self.udp(), free_port()
        self.udp(socket.AF_INET, self.HOST, port)
        with self.assertRaises(OSError):
            refused.bind((self.HOST, port))
        refused.sendto(bytes(9), (self.HOST, port))
        self.chance.append(refused.getsockname()[1])
        self.udp().sendto(bytes(9), (self.HOST, self.chance[1]))
        refused.recv(100)
        return {}

    def inherited(self):
        """Who sends last has the socket, and what it says to others than the first peer."""
        client, first, self.heirs = self.udp(), free_port(), free_port()
        for port in (first, self.heirs):
            self.udp(socket.AF_INET, self.HOST, port)
            client.sendto(bytes(1), (self.HOST, port))
        heir = harness.spawn_python(
            self, "import socket, sys\nsocket.socket(fileno=int(sys.argv[1])).sendto(bytes(2), "
            "('127.0.0.1', int(sys.argv[2])))", client.fileno(), self.heirs, service="heir",
            pass_fds=(client.fileno(),))
        self.assertEqual(heir.wait(20), 0)
        return both_ends(first, (1, 1)) | both_ends(self.heirs, (2, 3))

    def many_ports(self):
        """One socket asks many services: each of its own port."""
        client = self.udp()
        truth = {}
        for size in (1, 2, 3):
            port = free_port()
            self.udp(socket.AF_INET, self.HOST, port)
            client.sendto(bytes(size), (self.HOST, port))
            truth |= both_ends(port, (1, size))
        return truth

    def test_directions(self):
        daemon = Daemon(self, console=CONSOLE)
        truth = {}
        for case in (self.server_and_client, self.client_with_an_address, self.client_with_a_port,
                     self.client_of_two, self.client_that_was_refused, self.inherited,
                     self.resolver, self.listener_by_chance, self.many_ports):
            truth |= case()
        self.assertEqual(daemon.stop(), 0)
        self.check(daemon, truth)
        self.assertGreaterEqual(
            daemon.total("udp.sent.bytes", port=self.heirs, service="heir"), 2)
        for port in self.chance:
            self.assertEqual(daemon.total("udp.received.bytes", port=port, direction="incoming"), 0)
        self.assertGreaterEqual(
            daemon.total("udp.received.bytes", port="ephemeral", direction="incoming"), 4321)


class Remotes(Case):
    """Peers told apart by their addresses."""

    def test_addresses(self):
        daemon = Daemon(self, "connections.remote=ip", console=CONSOLE)
        port = free_port()
        server = self.udp(socket.AF_INET, "0.0.0.0", port)
        truth = {}
        for last in range(1, 51):
            host = f"127.0.1.{last}"
            client = self.udp(socket.AF_INET, host)
            for _ in range(2):
                client.sendto(bytes(last), ("127.0.0.1", port))
                _, address = server.recvfrom(1000)
                server.sendto(bytes(5), address)
                client.recv(100)
            truth[(port, "incoming", ("remote", host))] = amounts(2, 10, 2, 2 * last)
        # A client that asks from place to place.
        client = self.udp()
        for last in range(1, 21):
            client.sendto(bytes(last), (f"127.0.0.{last}", port))
            truth[(port, "outgoing", ("remote", f"127.0.0.{last}"))] = amounts(1, last)
        truth[(port, "outgoing", ("remote", "127.0.0.1"))] = amounts(101, 2550 + 1, 100, 500)
        self.assertEqual(daemon.stop(), 0)
        self.check(daemon, truth)


class Iperf(Case):
    """A flood, in a namespace whose own counters tell how much of it found no room."""

    def kernel(self, namespace):
        """What the namespace itself counted: {name: value} of UDP."""
        names, values = (line.split()[1:] for line in namespace.run("cat", "/proc/net/snmp")
                         .stdout.splitlines() if line.startswith("Udp:"))
        return dict(zip(names, map(int, values)))

    def test_flood(self):
        harness.need("iperf3")
        port, namespace = free_port(), Namespace(self)
        daemon = Daemon(self, console=CONSOLE)
        server = harness.spawn(self, *namespace.prefix, "iperf3", "-s", "-1", "-p", str(port),
                               stdout=subprocess.DEVNULL)
        harness.wait_until(lambda: namespace.run("ss", "-Hltn", f"sport = :{port}").stdout,
                           what="iperf3's server")
        client = namespace.run("iperf3", "-u", "-b", "0", "-P", "2", "-t", "2", "-l", "1400",
                               "-c", "127.0.0.1", "-p", str(port), "--json")
        server.wait(20)
        said = json.loads(client.stdout)["end"]["streams"]
        self.assertEqual(daemon.stop(), 0)
        sent = sum(stream["udp"]["packets"] for stream in said)
        # And a greeting of four bytes for each stream, answered.
        tags = {"port": port, "direction": "outgoing"}
        self.assertEqual(daemon.total("udp.sent.datagrams", **tags), sent + 2)
        self.assertEqual(daemon.total("udp.sent.bytes", **tags), 1400 * sent + 2 * 4)
        came = daemon.total("udp.received.datagrams", port=port, direction="incoming")
        dropped = daemon.total("udp.dropped", port=port, reason="buffer")
        self.assertEqual(came + dropped, sent + 2)
        self.assertEqual(dropped, self.kernel(namespace)["RcvbufErrors"])
        # What is dropped behind the last one that it read the server cannot know.
        self.assertGreaterEqual(dropped, sum(stream["udp"]["lost_packets"] for stream in said))


class Quic(Case):
    """The handshake of QUIC is known by its first datagram."""

    def test_initial(self):
        daemon = Daemon(self, console=CONSOLE)
        port, other_port = free_port(), free_port()
        server, other = (self.udp(socket.AF_INET, "127.0.0.1", number)
                         for number in (port, other_port))
        # RFC 9001, A.2: a long header of version 1, an id of 8 bytes; filled up to 1200.
        initial = bytes.fromhex("c300000001088394c8f03e5157080000449e") + os.urandom(1182)
        client = self.udp()
        # Of connections that are older than the daemon: short headers, short and long.
        for size in (*[30] * 20, *[1200] * 10):
            client.sendto(b"\x40" + bytes(size - 1), ("127.0.0.1", port))
            server.recv(2000)
        # They used up what is looked at in an interval, and in no longer time.
        daemon.wait_for_snapshots(2)
        client.sendto(initial, ("127.0.0.1", port))
        _, address = server.recvfrom(2000)
        server.sendto(initial, address)
        client.sendto(b"\x40" + bytes(20), ("127.0.0.1", port))
        later = {}
        for version in ("6b3343cf", "ff00001d"):  # 2, and a draft
            number = free_port()
            self.udp(socket.AF_INET, "127.0.0.1", number)
            self.udp().sendto(b"\xc3" + bytes.fromhex(version) + initial[5:],
                              ("127.0.0.1", number))
            later[number, "incoming", ("protocol", "quic")] = amounts(0, 0, 1, 1200)
        # As long, and something else.
        self.udp().sendto(b"\xc3" + os.urandom(4) + bytes(1195), ("127.0.0.1", other_port))
        other.recv(2000), server.recv(2000)
        self.assertEqual(daemon.stop(), 0)
        self.check(daemon, later | {
            (port, "outgoing", ("protocol", "quic")): amounts(2, 1221, 1, 1200),
            (port, "incoming", ("protocol", "quic")): amounts(1, 1200, 2, 1221),
            (other_port, "incoming"): amounts(received=1, received_bytes=1200)})
        self.assertEqual(daemon.values("udp.received.bytes", "protocol", port=other_port), [""])


if __name__ == "__main__":
    unittest.main()
