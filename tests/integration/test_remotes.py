# SPDX-License-Identifier: Apache-2.0
"""The other ends of connections and datagrams: by the networks of the configuration, by the names of
/etc/hosts, and what the rules of connections.include and connections.exclude leave out.

The interval is so long that every socket has one record, at its end: what was counted and what was
filtered add up exactly. The daemon is stopped, and then looked at.
"""

import contextlib
import os
import socket
import subprocess
import time
import unittest

import harness
from harness import EXIT_OK, Daemon, Peer, free_port, listen, sockeye, temporary_folder, wait_until

CONSOLE = harness.console_of("udp.*", "tcp.connections.*", "http.*", "sockeye.samples",
                             "sockeye.remote.names", "sockeye.kernel.lost")
DRAIN_SECONDS = 0.1  # DRAIN_INTERVAL_NS of collector.c
EACH = 3  # connections, and datagrams, of each address


class Case(unittest.TestCase):

    def setUp(self):
        self.folder = temporary_folder(self)
        self.config = os.path.join(self.folder, "sockeye.yaml")
        self.control = os.path.join(self.folder, "control.sock")

    def write(self, path, text):
        """In one step, as editors and kubelets do."""
        path = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(path + ".new", path)

    def start(self, text, *settings, interval=None):
        """By default no interval ends before the test: of many lengths that whose end is farthest."""
        interval = interval or "{}s".format(
            max(range(3000, 3600, 50), key=lambda seconds: seconds - time.time() % seconds))
        self.write(self.config, text)
        return Daemon(self, *settings, f"control.socket={self.control}", console=CONSOLE,
                      interval=interval, arguments=("-c", self.config))

    def reload(self, text):
        time.sleep(5 * DRAIN_SECONDS)  # a record has the name that is valid when it is read
        self.write(self.config, text)
        done = sockeye("reload", "--socket", self.control)
        self.assertEqual(done.returncode, EXIT_OK, done.stderr)

    def connect(self, port, *addresses, count=EACH, host="127.0.0.1"):
        """Short connections, from each address, whose ends close in order."""
        with listen(self, port, host) as listener:
            for address in addresses:
                for _ in range(count):
                    with contextlib.ExitStack() as both:
                        client = both.enter_context(socket.create_connection(
                            (host, port), timeout=20, source_address=(address, 0)))
                        server = both.enter_context(listener.accept()[0])
                        client.sendall(b"x")
                        self.assertEqual(server.recv(10), b"x")

    def datagrams(self, port, *addresses, count=EACH, host="127.0.0.1"):
        """To one server, from a socket of each address."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as server:
            server.bind((host, port))
            server.settimeout(20)
            for address in addresses:
                with socket.socket(family, socket.SOCK_DGRAM) as client:
                    client.bind((address, 0))
                    for _ in range(count):
                        client.sendto(bytes(10), (host, port))
                        server.recv(100)

    def found(self, daemon, metric, port, direction):
        """{remote: amount} of one end."""
        values = {}
        for tags, entry in daemon.series(metric, port=port, direction=direction):
            if entry[1]:
                values[tags.get("remote", "")] = values.get(tags.get("remote", ""), 0) + entry[1]
        return values

    def check(self, daemon, port, tcp, udp):
        """tcp, udp: {direction: {remote: count}}, the whole of the port."""
        for direction in ("incoming", "outgoing"):
            for metric, truth in (
                    ("tcp.connections.opened", tcp), ("tcp.connections.closed", tcp),
                    ("udp.received.datagrams" if direction == "incoming" else
                     "udp.sent.datagrams", udp)):
                with self.subTest(metric=metric, direction=direction):
                    self.assertEqual(self.found(daemon, metric, port, direction),
                                     truth.get(direction, {}))


class Names(Case):

    def test_networks(self):
        """The longest range, else the zone; a reload brings others."""
        networks = ("connections: {remote: cidr, networks: [{prefix: 127.1.0.0/16, name: one}, "
                    "{prefix: 127.1.2.0/24, name: two}, {prefix: 127.3.3.3, name: three}, "
                    "{prefix: '::1', name: six}]}")
        addresses = ("127.1.1.1", "127.1.2.1", "127.1.2.2", "127.3.3.3", "127.3.3.4", "127.0.0.1")
        daemon = self.start(networks)
        port, six, later = (free_port() for _ in range(3))
        self.connect(port, *addresses)
        self.datagrams(port, *addresses)
        self.connect(port, "127.0.0.1", host="127.1.2.9")
        self.datagrams(port, "127.0.0.1", host="127.1.2.9")
        self.datagrams(six, "::1", host="::1")
        self.reload(networks.replace("127.1.2.0/24", "127.1.2.2").replace("one", "other"))
        self.connect(later, *addresses)
        self.assertEqual(daemon.stop(), 0)
        # The server of 127.1.2.9 saw three more of 127.0.0.1.
        ends = {"incoming": {"one": EACH, "two": 2 * EACH, "three": EACH, "loopback": 3 * EACH},
                "outgoing": {"loopback": 6 * EACH, "two": EACH}}
        self.check(daemon, port, ends, self.after_reload(ends))
        self.check(daemon, six, {}, {"incoming": {"six": EACH}, "outgoing": {"six": EACH}})
        self.check(daemon, later, {
            "incoming": {"other": 2 * EACH, "two": EACH, "three": EACH, "loopback": 2 * EACH},
            "outgoing": {"loopback": 6 * EACH}}, {})

    def after_reload(self, ends):
        """Of a server's socket the first peer is told at its end, the others' flows by the last
        look, which comes after the reload: 127.1.2.1 is in no range of its own any more."""
        return {"outgoing": ends["outgoing"],
                "incoming": {"one": EACH, "other": EACH, "two": EACH, "three": EACH,
                             "loopback": 3 * EACH}}

    def test_hosts_file(self):
        """Read at the start, and again when it changed; what is open moves to its new name."""
        port, later = free_port(), free_port()
        self.write("root/etc/hosts", "127.1.1.1 Db.Example db\n127.1.1.2 web # a comment\n")
        daemon = self.start("", f"source.root={self.folder}/root", "connections.remote=name",
                            interval="1s")
        open_ends = contextlib.ExitStack()
        self.addCleanup(open_ends.close)
        listener = open_ends.enter_context(listen(self, later))
        open_ends.enter_context(socket.create_connection(
            ("127.0.0.1", later), timeout=20, source_address=("127.1.1.2", 0)))
        open_ends.enter_context(listener.accept()[0])
        self.connect(port, "127.1.1.1", "127.1.1.2", "127.1.1.3")
        self.datagrams(port, "127.1.1.1", "127.1.1.2", "127.1.1.3")
        active = lambda name: daemon.last_gauge("tcp.connections.active", port=later,
                                                direction="incoming", remote=name)
        wait_until(lambda: active("web") == 1, 20, "the name of before")
        self.write("root/etc/hosts", "127.1.1.2 www\n")
        wait_until(lambda: active("www") == 1, 20, "the name of after")
        self.assertIn(active("web"), (None, 0))
        self.assertEqual(daemon.stop(), 0)
        ends = {"incoming": {"db.example": EACH, "web": EACH, "loopback": EACH},
                "outgoing": {"loopback": 3 * EACH}}
        self.check(daemon, port, ends, ends)
        self.assertEqual(daemon.total("sockeye.remote.names", source="hosts", outcome="taken"), 3)

    # Asks, connects, asks again. It prints its own words for what it does, and goes on when told.
    ASKS = """
import sys
from dns_peer import *
port = int(sys.argv[1])
server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
held = []

def resolve(text, kind=A):
    for _ in range(200):
        try:
            return ask(client(), question(len(held), text, kind))
        except ConnectionRefusedError:
            time.sleep(0.05)

def connect(address, keep=False):
    both = [socket.create_connection((address, port), timeout=20), server.accept()[0]]
    if keep:
        held.extend(both)
    for end in both if not keep else ():
        end.close()

def step(word):
    print(word, flush=True)
    sys.stdin.readline()

connect("10.9.7.9", keep=True)
step("open")
resolve("www.names.test")
resolve("www.names.test", AAAA)
for _ in range(3):
    connect("10.9.7.7")
    connect("fd00::7")
for text in ("late.names.test", "none.names.test", "cut.names.test"):
    resolve(text)
# Nobody asked for it, and somebody else than whom was asked.
liar = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
liar.bind(("127.0.0.9", 53))
udp = client("127.0.0.9")
udp.send(question(1, "liar.names.test"))
liar.sendto(answer(question(2, "liar.names.test"))[:-4] + bytes([10, 9, 7, 8]), udp.getsockname())
udp.recv(4096)
for _ in range(3):
    connect("10.9.7.8")
step("told")
"""

    def test_answers_of_dns(self):
        """The name that was asked for, of what it is an alias too; what is open moves to it; who was
        not asked tells nothing."""
        harness.need("dnsmasq")
        daemon = self.start("", "protocols.dns=auto", "connections.remote=name", interval="1s")
        namespace, port = harness.Namespace(self), free_port()
        namespace.run("ip", "address", "add", "fd00::7/128", "dev", "lo")
        namespace.run("ip", "address", "add", "10.9.7.0/24", "dev", "lo")
        harness.spawn(
            self, *namespace.prefix, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null",
            "--no-resolv", "--no-hosts", "--port=53", "--user=root", "--listen-address=127.0.0.1",
            "--bind-interfaces", "--local=/names.test/", f"--pid-file={self.folder}/pid",
            f"--log-facility={self.folder}/log", "--local-ttl=60",
            "--host-record=db.names.test,10.9.7.7,fd00::7", "--cname=www.names.test,db.names.test",
            "--host-record=late.names.test,10.9.7.9")
        child = harness.spawn(self, *namespace.prefix, harness.PYTHON, "-c", self.ASKS, str(port),
                              cwd=os.path.dirname(os.path.abspath(__file__)))
        active = lambda name: daemon.last_gauge("tcp.connections.active", port=port,
                                                direction="outgoing", remote=name)
        harness.read_word(child, "open")
        wait_until(lambda: active("private") == 1, 20, "without a name")
        harness.tell(child, "ask")
        harness.read_word(child, "told")
        wait_until(lambda: active("late.names.test") == 1, 20, "with the name that was learned")
        self.assertIn(active("private"), (None, 0))
        harness.tell(child, "end")
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(self.found(daemon, "tcp.connections.opened", port, "outgoing"),
                         {"www.names.test": 2 * EACH, "private": EACH + 1})
        self.assertGreaterEqual(  # anybody on the machine may ask
            daemon.total("sockeye.remote.names", source="dns", outcome="taken"), 3)
        self.assertNotIn(("dns", "names_unread"), daemon.losses())


class Filters(Case):

    def ask(self, port, requests):
        """Requests on one connection."""
        with listen(self, port) as listener, \
                socket.create_connection(("127.0.0.1", port), timeout=20) as client, \
                listener.accept()[0] as server:
            for _ in range(requests):
                client.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
                server.recv(1000)
                server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                client.recv(1000)

    def talk(self, port, service):
        """A connection of two services: the other one listens."""
        server, client = Peer(self, service), Peer(self, "stays")
        server.listen("127.0.0.1", port)
        client.connect("127.0.0.1", port, 1)
        server.accept(1)
        client.close()
        server.drain()
        server.close()

    def shout(self, port):
        """One datagram of another program than ours."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", port))
            server.settimeout(20)
            subprocess.run(["/bin/bash", "-c", f"printf 123 >/dev/udp/127.0.0.1/{port}"],
                           check=True, timeout=20)
            self.assertEqual(server.recv(10), b"123")

    def filtered(self, daemon, source="tracer"):
        return daemon.total("sockeye.samples", source=source, outcome="filtered")

    def test_exclude(self):
        """A rule of each key, all in one daemon; counted and filtered are all that was."""
        by_address, by_port, by_direction, by_service, by_process, by_requests = (
            free_port() for _ in range(6))
        daemon = self.start(f"""
connections:
  exclude:
    - {{address: 127.1.0.0/16, port: {by_address}}}
    - {{port: {by_port}}}
    - {{port: {by_direction}, direction: incoming}}
    - {{port: {by_service}, service: left-*}}
    - {{port: {by_process}, process: bash}}
    - {{port: {by_requests}, address: 127.0.0.0/8}}
""")
        self.connect(by_address, "127.1.1.1", "127.2.1.1", "127.1.1.2")
        self.datagrams(by_address, "127.1.1.1", "127.2.1.1", "127.1.1.2", "127.2.1.2")
        self.connect(by_port, "127.0.0.1")
        self.datagrams(by_port, "127.0.0.1")
        self.ask(by_port, 5)
        self.connect(by_direction, "127.0.0.1")
        self.talk(by_service, "left-out")
        self.shout(by_process)
        self.ask(by_requests, 5)
        self.assertEqual(daemon.stop(), 0)
        nobody = {"incoming": {}, "outgoing": {}}
        self.check(daemon, by_address,
                   {"incoming": {"": EACH}, "outgoing": {"": 3 * EACH}},
                   {"incoming": {"": 2 * EACH}, "outgoing": {"": 4 * EACH}})
        self.check(daemon, by_port, nobody, nobody)
        self.check(daemon, by_direction, {"outgoing": {"": EACH}}, nobody)
        self.check(daemon, by_service, {"outgoing": {"": 1}}, nobody)
        self.check(daemon, by_process, nobody, {"incoming": {"": 1}})
        self.check(daemon, by_requests, nobody, nobody)
        for metric in ("http.server.request.duration", "http.client.request.duration"):
            self.assertEqual(daemon.weight(metric, port=by_port), 0)
            self.assertEqual(daemon.weight(metric, port=by_requests), 5)  # of no known address
        # A record of each end: of connections, sockets and flows of UDP; and of each listener.
        self.assertEqual(self.filtered(daemon),
                         2 * EACH + 2  # by address: one of the datagrams' peers is a flow
                         + 2 * EACH + 1 + 2 + 2 + 1  # by port: connections, datagrams, requests
                         + EACH + 1 + 1 + 1 + 1  # by direction, service, process
                         + 2)  # by address again, both ends
        self.assertEqual(self.filtered(daemon, "usm"), 2 * 5)

    def test_include(self):
        """All but what is included is left out, and active connections are counted afresh."""
        wanted, other = free_port(), free_port()
        daemon = self.start(f"connections: {{include: [{{port: {wanted}}}]}}")
        held = contextlib.ExitStack()
        self.addCleanup(held.close)
        for port in (wanted, other):
            listener = held.enter_context(listen(self, port, "127.0.0.2"))
            held.enter_context(socket.create_connection(("127.0.0.2", port), timeout=20))
            held.enter_context(listener.accept()[0])
            self.connect(port, "127.0.0.1")
            self.datagrams(port, "127.0.0.1")
        before = self.totals(daemon)
        self.reload(f"connections: {{include: [{{port: {other}}}]}}")
        for port in (wanted, other):
            self.connect(port, "127.0.0.1", count=1)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(before, {})  # no interval has ended before
        self.check_opened(daemon, wanted, EACH)
        # What was held is told by its first record, after the reload.
        self.check_opened(daemon, other, 1 + 1)
        for port, active in ((wanted, None), (other, 2)):
            self.assertIn(daemon.last_gauge("tcp.connections.active", port=port),
                          (active, active or 0))

    def totals(self, daemon):
        return {own["port"]: entry for own, entry in daemon.series("tcp.connections.opened")}

    def check_opened(self, daemon, port, count):
        for direction in ("incoming", "outgoing"):
            self.assertEqual(daemon.total("tcp.connections.opened", port=port,
                                          direction=direction), count)


if __name__ == "__main__":
    unittest.main()
