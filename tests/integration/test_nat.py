# SPDX-License-Identifier: Apache-2.0
"""What the NAT of a socket's own namespace does to connections: the tag `nat`, and the remote end
and the port behind it, by each way to know (source.nat)."""

import contextlib
import json
import os
import signal
import socket
import unittest

import harness
import test_probe
from conversation import answer, post
from harness import Daemon, Namespace, Pair, free_port

CONSOLE = harness.console_of("tcp.*", "http.*", "sockeye.nat.*")
SETTINGS = ("connections.tags=[direction, port, nat]", "connections.remote=ip")
ASKED, ASKED6 = "203.0.113.1", "2001:db8::1"  # nobody has them
SOURCE = "10.99.0.77"     # what packets are sent from, by a rule
ELSEWHERE = "10.99.1.50"  # of the left namespace, and what the right one cannot answer
COUNT, QUESTION, ANSWER = 3, post("/orders", b"q" * 700), answer(201, b"a" * 1900)
RULES = """
    table inet nat {{
        chain output {{
            type nat hook output priority -100;
            ip daddr 203.0.113.1 tcp dport {asked} dnat ip to 10.99.0.2:{given}
            ip daddr 203.0.113.1 tcp dport {asked_back} dnat ip to 10.99.0.1:{given_back}
            ip6 daddr 2001:db8::1 tcp dport {asked} dnat ip6 to [fd99::2]:{given}
        }}
        chain prerouting {{
            type nat hook prerouting priority -100;
            tcp dport {redirected} redirect to :{served}
        }}
        chain postrouting {{
            type nat hook postrouting priority 100;
            tcp dport {snat} snat ip to 10.99.0.77
            tcp dport {given_back} ct status dnat snat ip to 10.99.0.77
            ip saddr 10.99.1.50 masquerade
        }}
    }}"""


class Hosts(unittest.TestCase):
    """On the left somebody asks through NAT; on the right nothing is tracked."""

    WAY = None

    def start(self, *settings):
        return Daemon(self, *SETTINGS, f"source.nat={self.WAY}", *settings, console=CONSOLE)

    def setUp(self):
        harness.need("nft")
        self.pair = Pair(self)
        self.left, self.right = self.pair.left, self.pair.right
        self.ports = {name: free_port() for name in
                      ("asked", "given", "asked_back", "given_back", "snat", "masqueraded",
                       "redirected", "served", "plain")}
        self.left.run("ip", "address", "add", f"{SOURCE}/32", "dev", "left")
        self.left.run("ip", "address", "add", f"{ELSEWHERE}/32", "dev", "left")
        self.left.run("ip", "route", "add", "default", "via", Pair.RIGHT)
        self.left.run("ip", "-6", "route", "add", "default", "via", Pair.RIGHT6)
        self.left.run("nft", RULES.format(**self.ports))

    def talk(self, targets, server, source="", count=COUNT, client_place=None):
        """@targets and @server: (address, port); the server on the right unless it has an address
        of the left, the client on the left unless said otherwise."""
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        place = self.left if server[0] == Pair.LEFT else self.right
        with contextlib.closing(place.socket(family)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(server)
            listener.listen(1)
            for target in targets * count:
                with contextlib.closing((client_place or self.left).socket(family)) as client:
                    client.settimeout(20)
                    client.bind((source, 0))
                    client.connect(target)
                    self.exchange(client, listener)

    @staticmethod
    def exchange(client, listener):
        with contextlib.closing(listener.accept()[0]) as server:
            client.sendall(QUESTION)
            harness.receive_exactly(server, len(QUESTION))
            server.sendall(ANSWER)
            harness.receive_exactly(client, len(ANSWER))
            client.close()
            server.recv(1)

    def wake(self, daemon):
        """What the first packet of a tracked connection asks for is there an interval later."""
        if self.WAY != "ebpf":
            return
        port = free_port()
        self.talk([(Pair.RIGHT, port)], (Pair.RIGHT, port), count=1)
        daemon.wait_for_snapshots(2)

    def assert_counted(self, daemon, count=COUNT, **tags):
        outgoing = tags["direction"] == "outgoing"
        sent, received = (QUESTION, ANSWER) if outgoing else (ANSWER, QUESTION)
        for metric, value in (("tcp.connections.opened", count), ("tcp.connections.closed", count),
                              ("tcp.sent.bytes", count * len(sent)),
                              ("tcp.received.bytes", count * len(received))):
            self.assertEqual(daemon.total(metric, **tags), value, (metric, tags))

    def check_both_ends(self):
        daemon = self.start()
        ports = self.ports
        self.wake(daemon)
        self.talk([(Pair.RIGHT, ports["plain"])], (Pair.RIGHT, ports["plain"]))
        self.talk([(ASKED, ports["asked"])], (Pair.RIGHT, ports["given"]))
        self.talk([(ASKED6, ports["asked"])], (Pair.RIGHT6, ports["given"]))
        self.talk([(Pair.RIGHT, ports["snat"])], (Pair.RIGHT, ports["snat"]))
        self.talk([(Pair.RIGHT, ports["masqueraded"])], (Pair.RIGHT, ports["masqueraded"]),
                  ELSEWHERE)
        self.talk([(ASKED, ports["asked_back"]), (Pair.LEFT, ports["given_back"])],
                  (Pair.LEFT, ports["given_back"]))
        self.assertEqual(daemon.stop(), 0)
        self.assertIn(f"NAT by {self.WAY}", "".join(daemon.log))
        for direction, port, nat, remote in (
                ("outgoing", "plain", "none", Pair.RIGHT),
                ("incoming", "plain", "none", Pair.LEFT),
                ("outgoing", "given", "destination", Pair.RIGHT),
                ("incoming", "given", "none", Pair.LEFT),
                ("outgoing", "given", "destination", Pair.RIGHT6),
                ("incoming", "given", "none", Pair.LEFT6),
                ("outgoing", "snat", "source", Pair.RIGHT),
                ("incoming", "snat", "none", SOURCE),
                ("outgoing", "masqueraded", "source", Pair.RIGHT),
                ("incoming", "masqueraded", "none", Pair.LEFT),
                ("outgoing", "given_back", "none", Pair.LEFT),
                ("incoming", "given_back", "none", Pair.LEFT),
                ("outgoing", "given_back", "both", Pair.LEFT),
                ("incoming", "given_back", "both", SOURCE)):
            self.assert_counted(daemon, direction=direction, port=ports[port], nat=nat,
                                remote=remote)
        if self.WAY == "ebpf":  # requests know what packets tell; both families
            self.assertEqual(daemon.distribution("http.client.request.duration",
                                                 port=ports["given"])[0], 2 * COUNT)
        for port in ("asked", "asked_back"):
            self.assertEqual(daemon.total("tcp.connections.opened", port=ports[port]), 0)
        for port in ports.values():
            self.assertIn(daemon.last_gauge("tcp.connections.active", port=port), (0, None))


class Translated(Hosts):
    """Packets show it to the kernel programs."""

    WAY = "ebpf"

    def test_both_ends(self):
        self.check_both_ends()

    def test_counted_before(self):
        """A connection stays what it was counted as: one that is older than the daemon, whose
        packets tell of NAT afterwards, and one that was translated from its start on."""
        ports = self.ports
        with contextlib.closing(self.right.socket()) as listener:
            listener.bind((Pair.RIGHT, ports["given"]))
            listener.listen(2)
            older, newer = (self.left.socket() for _ in range(2))
            older.settimeout(20)
            newer.settimeout(20)
            older.connect((ASKED, ports["asked"]))
            daemon = self.start()
            self.wake(daemon)
            newer.connect((ASKED, ports["asked"]))
            daemon.wait_for_snapshots(2)
            self.exchange(older, listener)
            self.exchange(newer, listener)
        daemon.wait_for_snapshots(2)
        for port, nat in (("asked", "none"), ("given", "destination")):
            tags = {"direction": "outgoing", "port": ports[port], "nat": nat}
            self.assertEqual(daemon.total("tcp.sent.bytes", **tags), len(QUESTION), tags)
            self.assertEqual(daemon.total("tcp.connections.closed", **tags), 1, tags)
            self.assertIn(daemon.last_gauge("tcp.connections.active", **tags), (0, None), tags)
        self.assertEqual(daemon.stop(), 0)


    def test_redirected(self):
        """A server that the host's own rule gave the connection to, for another port."""
        ports = self.ports
        daemon = self.start()
        self.wake(daemon)
        self.talk([(Pair.LEFT, ports["redirected"])], (Pair.LEFT, ports["served"]),
                  client_place=self.right)
        self.assertEqual(daemon.stop(), 0)
        self.assert_counted(daemon, direction="incoming", port=ports["served"],
                            nat="destination", remote=Pair.RIGHT)
        self.assert_counted(daemon, direction="outgoing", port=ports["redirected"], nat="none",
                            remote=Pair.LEFT)


class ByNetlink(Hosts):
    """Conntrack is asked for each connection."""

    WAY = "netlink"

    def test_both_ends(self):
        self.check_both_ends()

    def test_older(self):
        """One that is older than the daemon is known, too."""
        ports = self.ports
        with contextlib.closing(self.right.socket()) as listener:
            listener.bind((Pair.RIGHT, ports["given"]))
            listener.listen(1)
            client = self.left.socket()
            client.settimeout(20)
            client.connect((ASKED, ports["asked"]))
            daemon = self.start()
            self.exchange(client, listener)
        self.assertEqual(daemon.stop(), 0)
        tags = {"direction": "outgoing", "port": ports["given"], "nat": "destination",
                "remote": Pair.RIGHT}
        self.assertEqual(daemon.total("tcp.sent.bytes", **tags), len(QUESTION))
        self.assertEqual(daemon.total("tcp.connections.closed", **tags), 1)

    def test_sock_diag(self):
        """The tier that has no programs learns it as well."""
        ports = self.ports
        daemon = self.start("source.tier=sock-diag")
        self.talk([(ASKED, ports["asked"])], (Pair.RIGHT, ports["given"]))
        tags = {"direction": "outgoing", "port": ports["given"], "nat": "destination",
                "remote": Pair.RIGHT}
        daemon.wait_for_total("tcp.connections.closed", COUNT, **tags)  # a kernel thread tells
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(daemon.total("tcp.connections.closed", **tags), COUNT)
        self.assertEqual(daemon.total("tcp.sent.bytes", **tags), COUNT * len(QUESTION))
        # Connections of others, too: in namespaces that are new, and answered late where it is busy.
        lost = {tags["reason"] for tags, entry in daemon.series("sockeye.nat.lost") if entry[1]}
        self.assertLessEqual(lost, {"no_namespace", "timeout"})


class ByMirror(Hosts):
    """Conntrack tells by itself."""

    WAY = "mirror"
    BURST = 30000  # twice what 16 MiB hold, and each of them has an entry of its own

    def test_both_ends(self):
        self.check_both_ends()

    def burst(self):
        with contextlib.closing(self.left.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
            for port in range(harness.LAST_PORT + 1, harness.LAST_PORT + 1 + self.BURST):
                sender.sendto(b"?", (Pair.RIGHT, port))

    def test_overflow(self):
        """What comes while the daemon does not read is too much for the socket: it reads the table
        again, and knows what was translated meanwhile."""
        ports = self.ports
        daemon = self.start()
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            self.burst()
            self.talk([(ASKED, ports["asked"])], (Pair.RIGHT, ports["given"]))
            self.talk([(Pair.RIGHT, ports["snat"])], (Pair.RIGHT, ports["snat"]))
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        self.assertEqual(daemon.stop(), 0)
        self.assertGreater(daemon.total("sockeye.nat.lost", reason="overflow"), 0)
        for port, nat, remote in (("given", "destination", Pair.RIGHT),
                                  ("snat", "source", Pair.RIGHT)):
            self.assert_counted(daemon, direction="outgoing", port=ports[port], nat=nat,
                                remote=remote)


class Choice(unittest.TestCase):
    """Who tells is the first that can, or nobody; `probe`, the log and `status` say who, and why
    nobody better."""

    REFUSED = "netlink: conntrack cannot be asked: Operation not permitted; grant cap_net_admin"
    NO_PROGRAM = "ebpf: no program of the tier reads it from packets here"
    SOCK_DIAG = "source.tier=sock-diag"

    def test_probe(self):
        for prefix, settings, nat, why in (
                ((), (), "ebpf", ""),
                ((), (self.SOCK_DIAG,), "netlink", self.NO_PROGRAM),
                ((), (self.SOCK_DIAG, "source.nat=mirror"), "mirror", ""),
                ((), (self.SOCK_DIAG, "source.nat=none"), "none", ""),
                (harness.UNPRIVILEGED, (self.SOCK_DIAG,), "none", self.NO_PROGRAM),
                (harness.UNPRIVILEGED, (self.SOCK_DIAG, "source.nat=netlink"), "none",
                 self.REFUSED)):
            with self.subTest(settings=settings, rights=not prefix):
                said = test_probe.probe(prefix, settings)
                self.assertEqual((said["nat"], said["nat_why_not"]), (nat, why))

    def test_daemon(self):
        path = os.path.join(harness.temporary_folder(self), "control.sock")
        for prefix, settings, nat, why in (
                ((), (f"control.socket={path}",), "netlink", self.NO_PROGRAM),
                (harness.UNPRIVILEGED, ("source.nat=netlink",), "none", self.REFUSED)):
            daemon = Daemon(self, self.SOCK_DIAG, *settings, prefix=prefix)
            if not prefix:
                told = harness.sockeye("status", "--json", "--socket", path).stdout
                self.assertEqual(json.loads(told)["nat"], nat)
            self.assertEqual(daemon.stop(), 0)
            log = "".join(daemon.log)
            self.assertIn(f"NAT by {nat}", log)
            self.assertEqual(log.count(f"what NAT does is told by {nat}, because it is not by "
                                       f"{why}"), 1, log)


class Untracked(unittest.TestCase):
    """A kernel that tracks nothing says so."""

    def test_none(self):
        namespace, port = Namespace(self), free_port()
        daemon = Daemon(self, *SETTINGS, console=CONSOLE)
        with namespace.entered():
            listener = harness.listen(self, port)
        with contextlib.closing(namespace.socket()) as client:
            client.connect(("127.0.0.1", port))
            Translated.exchange(client, listener)
        self.assertEqual(daemon.stop(), 0)
        for direction in ("outgoing", "incoming"):
            self.assertEqual(daemon.total("tcp.connections.closed", port=port, nat="none",
                                          direction=direction), 1)


if __name__ == "__main__":
    unittest.main()
