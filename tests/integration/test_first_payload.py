# SPDX-License-Identifier: Apache-2.0
"""Connections whose first bytes come before their socket: servers that defer the accept, TCP Fast
Open, a handshake whose last acknowledgement is lost or withheld, SYN cookies.

The truth is the server's access log, or what the test's own server has served. The module runs in
a cgroup of its own (own_cgroup.py), so that the loss counters are exact.
"""

import collections
import concurrent.futures
import os
import re
import socket
import struct
import subprocess
import threading
import unittest

import harness
import own_cgroup
from conversation import answer, get, head, post
from harness import Daemon, Nginx, Pair, Server, free_port, wait_until

SERVER = "http.server.request.duration"
CLIENT = "http.client.request.duration"
OPENED = "tcp.connections.opened"
CLOSED = "tcp.connections.closed"

TCP_FASTOPEN = 23           # linux/tcp.h
MSG_FASTOPEN = 0x20000000   # linux/socket.h

# As deep as a pipeline is followed (EYE_HTTP_PIPELINE).
PIPELINE = 16

# The acknowledgement that ends a handshake, and others without data; a small request has PSH, too.
BARE = "tcp flags & (fin | syn | rst | psh | ack) == ack"


def setUpModule():  # pylint: disable=invalid-name
    own_cgroup.enter(unittest.addModuleCleanup)


def read_answers(connection, count):
    """Reads so many responses with a length, and returns their statuses."""
    statuses = []
    with connection.makefile("rb") as stream:
        for _ in range(count):
            statuses.append(int(stream.readline().split()[1]))
            fields = dict(line.lower().split(b":", 1) for line in iter(stream.readline, b"\r\n"))
            stream.read(int(fields[b"content-length"]))
    return statuses


def counter_of(namespace, name):
    """One of /proc/net/netstat."""
    with namespace.entered(), open("/proc/thread-self/net/netstat", encoding="ascii") as file:
        lines = file.read().splitlines()
    for names, values in zip(lines[::2], lines[1::2]):
        if name in names.split():
            return int(values.split()[names.split().index(name)])
    raise AssertionError(f"no {name} in /proc/net/netstat")


def set_ipv4(namespace, name, value):
    with namespace.entered(), open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as file:
        file.write(str(value))


def withhold_acknowledgement(client):
    """The handshake's last acknowledgement waits for the first data (TCP_DEFER_ACCEPT of a
    client, tcp_rcv_synsent_state_process)."""
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)


def retransmits_of(connection):
    """tcpi_total_retrans of struct tcp_info (linux/tcp.h)."""
    return struct.unpack_from("I", connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104),
                              100)[0]


class Web:
    """Answers requests without a body; what it served is in `served`, `received` and `sent`.

    once: closes behind the first answer. gate: an event to wait for before the first one.
    """

    REQUEST = re.compile(rb"(\w+) (\S+) HTTP/1.1\r\n(?:[^\r]+\r\n)*\r\n")

    def __init__(self, test, listener, once=False, gate=None):
        self.once, self.gate = once, gate
        self.served = collections.Counter()
        self.connections = self.received = self.sent = 0
        self._lock = threading.Lock()
        self.server = Server(test, listener, self._serve)

    def _serve(self, connection):
        buffer = b""
        with self._lock:
            self.connections += 1
        while data := connection.recv(1 << 16):
            if self.gate:
                self.gate.wait(30)
            buffer = self._answer(connection, buffer, data)
            if self.once and not buffer:
                return

    def _answer(self, connection, buffer, data):
        """Answers the requests that are whole now; returns the rest."""
        buffer += data
        found = list(self.REQUEST.finditer(buffer))
        answers = b"".join(answer(200, match[2]) for match in found)
        with self._lock:
            self.received += len(data)
            self.sent += len(answers)
            self.served.update((match[1].decode(), "200", match[2].decode()) for match in found)
        connection.sendall(answers)
        return buffer[found[-1].end():] if found else buffer


class FirstPayloadCase(unittest.TestCase):
    """A daemon, some traffic, its figures after the end."""

    def setUp(self):
        self.daemon = Daemon(self)

    def seen(self, metric, port):
        """{(method, status, route): count}."""
        seen = collections.Counter()
        for tags, (_, count, _) in self.daemon.series(metric, port=port):
            seen[tags["method"], tags["status"], tags["route"]] += count
        return seen

    def check_requests(self, port, truth, losses=None):
        """Both ends saw what was served, and nothing was lost; the daemon has ended."""
        self.assertEqual(self.daemon.stop(), 0)
        for metric in (SERVER, CLIENT):
            self.assertEqual(self.seen(metric, port), truth, metric)
        self.assertEqual(self.daemon.unpaired(port=port), losses or {})
        print(f"{sum(truth.values())} of {sum(truth.values())} requests", end="; ")

    def check_connections(self, port, web):
        """Both ends opened and closed as often as the server accepted, with its bytes."""
        self.daemon.wait_for_total(CLOSED, 2 * web.connections, port=port)
        self.daemon.stop()
        for direction, received, sent in (("incoming", web.received, web.sent),
                                          ("outgoing", web.sent, web.received)):
            tags = {"port": port, "direction": direction}
            for metric, value in ((OPENED, web.connections), (CLOSED, web.connections),
                                  ("tcp.received.bytes", received), ("tcp.sent.bytes", sent)):
                self.assertEqual(self.daemon.total(metric, **tags), value, f"{metric} {direction}")
        self.assertEqual(self.daemon.total("tcp.connections.failed", port=port), 0)
        self.assertEqual(self.daemon.last_gauge("tcp.connections.active", port=port) or 0, 0)
        self.assertEqual(web.server.errors, [])


class DeferredServers(FirstPayloadCase):
    """Real servers that accept a connection when its first data are there."""

    def connect(self, port):
        client = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.addCleanup(client.close)
        return client

    def visit(self, port):
        """Short connections, keep-alive, an upload first, a pipeline in the first segment; returns
        how many requests that were."""
        upload = post("/index.html", bytes(1_000_000))
        plans = [[get("/index.html")]] * 20 + [[get("/other.html")] * 4] * 5 + [
            [upload, get("/other.html"), get("/index.html")]] * 3
        for plan in plans:
            with self.connect(port) as client:
                for request in plan:
                    client.sendall(request)
                    self.assertEqual(read_answers(client, 1), [200])
        for _ in range(3):
            with self.connect(port) as client:
                client.sendall(get("/index.html") + get("/other.html") * 4)
                self.assertEqual(read_answers(client, 5), [200] * 5)
        return sum(map(len, plans)) + 3 * 5

    def check(self, port, read_log):
        """The log has all of the visit, and so has the daemon."""
        count = self.visit(port)
        lines = wait_until(lambda: len(read_log()) >= count and read_log(), 30,
                           lambda: f"{len(read_log())} of {count} lines in the access log")
        self.assertEqual(len(lines), count)
        self.check_requests(port, collections.Counter(tuple(line.split()) for line in lines))

    def start(self, port, *words, **options):
        process = harness.spawn(self, *words, stdin=subprocess.DEVNULL, **options)
        self.addCleanup(process.wait, 30)
        self.addCleanup(process.terminate)  # its workers go with it
        wait_until(lambda: harness.command("ss", "-Htln", f"sport = :{port}").stdout.strip(), 30,
                   f"{words[0]} on port {port}")

    APACHE = """
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/pid
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
User www-data
Group www-data
DocumentRoot {folder}
LogFormat "%m %>s %U" short
CustomLog {folder}/access short
ErrorLog {folder}/error
"""

    def test_apache(self):
        """As Debian ships it: AcceptFilter is what its build has."""
        harness.need("apache2")
        folder, port = harness.temporary_folder(self), free_port()
        for name, content in (("index.html", "index"), ("other.html", "other"),
                              ("apache.conf", self.APACHE.format(
                                  folder=folder, port=port, modules="/usr/lib/apache2/modules"))):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(content)

        def read_log():
            with open(os.path.join(folder, "access"), encoding="utf-8") as file:
                return file.read().splitlines()
        self.start(port, "apache2", "-f", os.path.join(folder, "apache.conf"), "-DFOREGROUND")
        self.check(port, read_log)

    def nginx(self, port, options):
        return Nginx(self, port, "log_format short '$request_method $status $uri';"
                     "access_log access.log short; keepalive_requests 100000; server { "
                     f"listen 127.0.0.1:{port} {options}; client_max_body_size 0; "
                     "location / { return 200 'content'; } }")

    def test_nginx_deferred(self):
        port = free_port()
        self.check(port, self.nginx(port, "deferred").log)

    HAPROXY = """
global
    log stdout format raw local0
defaults
    mode http
    log global
    log-format "%HM %ST %HP"
    timeout connect 20s
    timeout client 20s
    timeout server 20s
listen front
    bind 127.0.0.1:{port} defer-accept
    server behind 127.0.0.1:{behind}
"""

    def test_haproxy_defer_accept(self):
        harness.need("haproxy")
        folder, port, behind = harness.temporary_folder(self), free_port(), free_port()
        self.nginx(behind, "")
        config, log = os.path.join(folder, "haproxy.cfg"), os.path.join(folder, "log")
        with open(config, "w", encoding="utf-8") as file:
            file.write(self.HAPROXY.format(port=port, behind=behind))

        def read_log():
            with open(log, encoding="utf-8") as file:
                return [line for line in file.read().splitlines() if line.count(" ") == 2]
        with open(log, "w", encoding="utf-8") as file:
            self.start(port, "haproxy", "-db", "-f", config, stdout=file)
        self.check(port, read_log)


class Handshakes(FirstPayloadCase):
    """Two namespaces, and handshakes that do not end as in the textbook."""

    COUNT = 10

    def setUp(self):
        harness.need("nft")
        super().setUp()
        self.pair, self.port = Pair(self), free_port()

    def web(self, host=Pair.RIGHT, fast_open=False, **options):
        with self.pair.right.entered():
            listener = harness.listen(self, self.port, host)
        if fast_open:
            listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 64)
            for namespace in (self.pair.left, self.pair.right):
                set_ipv4(namespace, "tcp_fastopen", 3)  # client and server
        return Web(self, listener, **options)

    def drop(self, namespace, rule):
        namespace.run("nft", "table inet drops { chain input { type filter hook input priority 0\n"
                             f"{rule} drop\n}}\n}}")

    def client(self, family=socket.AF_INET):
        client = self.pair.left.socket(family)
        self.addCleanup(client.close)
        return client

    def check(self, web, requests):
        for namespace in (self.pair.left, self.pair.right):
            namespace.run("nft", "flush ruleset")  # the last FIN must be acknowledged
        self.check_connections(self.port, web)
        self.assertEqual(web.connections, self.COUNT)
        self.assertEqual(sum(web.served.values()), requests)
        self.check_requests(self.port, web.served)

    def converse(self, host=Pair.RIGHT):
        """COUNT connections at once of three requests each."""
        def run(_):
            with self.client(socket.AF_INET6 if ":" in host else socket.AF_INET) as client:
                client.connect((host, self.port))
                for _ in range(3):
                    client.sendall(get("/talk"))
                    self.assertEqual(read_answers(client, 1), [200])
        with concurrent.futures.ThreadPoolExecutor(self.COUNT) as pool:
            list(pool.map(run, range(self.COUNT)))

    def test_bare_acknowledgement_lost(self):
        web = self.web()
        self.drop(self.pair.right, f"tcp dport {self.port} {BARE}")
        self.converse()
        self.check(web, 3 * self.COUNT)

    def test_bare_acknowledgement_lost_over_ipv6(self):
        web = self.web(Pair.RIGHT6)
        self.drop(self.pair.right, f"tcp dport {self.port} {BARE}")
        self.converse(Pair.RIGHT6)
        self.check(web, 3 * self.COUNT)

    def test_syn_cookies_and_bare_acknowledgement_lost(self):
        web = self.web()
        set_ipv4(self.pair.right, "tcp_syncookies", 2)  # always
        self.drop(self.pair.right, f"tcp dport {self.port} {BARE}")
        self.converse()
        self.assertEqual(counter_of(self.pair.right, "SyncookiesRecv"), self.COUNT)
        self.check(web, 3 * self.COUNT)

    def open_fast(self, *requests):
        """COUNT connections one by one; the first one gets the cookie, the others' SYN carry the
        first request."""
        for _ in range(self.COUNT):
            with self.client() as client:
                client.sendto(requests[0], MSG_FASTOPEN, (Pair.RIGHT, self.port))
                client.settimeout(60)
                self.assertEqual(read_answers(client, 1), [200])
                for request in requests[1:]:
                    client.sendall(request)
                    self.assertEqual(read_answers(client, 1), [200])
        self.assertEqual(counter_of(self.pair.right, "TCPFastOpenPassive"), self.COUNT - 1)

    def test_fast_open(self):
        web = self.web(fast_open=True)
        self.open_fast(get("/fast"), get("/slow"), get("/slow"))
        self.check(web, 3 * self.COUNT)

    def test_fast_open_answered_and_closed_before_the_handshake_ends(self):
        """SYN_RECV -> FIN_WAIT1: never established, and a connection like any other."""
        web = self.web(fast_open=True, once=True)
        self.drop(self.pair.right, f"tcp dport {self.port} {BARE}")
        self.open_fast(get("/fast"))
        self.check(web, self.COUNT)

    def test_retransmission_of_the_first_payload(self):
        """It comes to the listener, and again to its child."""
        gate = threading.Event()
        web = self.web(gate=gate)
        self.drop(self.pair.left, f"tcp sport {self.port} {BARE}")
        clients = [self.client() for _ in range(self.COUNT)]
        for client in clients:
            withhold_acknowledgement(client)
            client.connect((Pair.RIGHT, self.port))
            client.sendall(get("/again"))
        wait_until(lambda: all(map(retransmits_of, clients)), 20, "retransmissions")
        gate.set()
        for client in clients:
            self.assertEqual(read_answers(client, 1), [200])
            client.sendall(get("/once"))
            self.assertEqual(read_answers(client, 1), [200])
            client.close()
        self.check(web, 2 * self.COUNT)


class FirstSegments(FirstPayloadCase):
    """What the segment that completes a handshake may carry."""

    COUNT = 5

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.listener = harness.listen(self, self.port)

    def connect(self):
        client = socket.socket()
        self.addCleanup(client.close)
        client.settimeout(60)
        withhold_acknowledgement(client)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.connect(("127.0.0.1", self.port))
        return client

    def exchange(self, pieces, answers):
        """COUNT connections: the client sends the pieces, each when the one before was read, and
        the server the answers."""
        for _ in range(self.COUNT):
            with self.connect() as client:
                client.sendall(pieces[0])
                server, _ = self.listener.accept()
                with server:
                    harness.receive_exactly(server, len(pieces[0]))
                    for piece in pieces[1:]:
                        client.sendall(piece)
                        harness.receive_exactly(server, len(piece))
                    server.sendall(b"".join(answers))
                    self.assertEqual(len(read_answers(client, len(answers))), len(answers))

    def check(self, *expected, losses=None):
        self.check_requests(self.port, collections.Counter(expected * self.COUNT), losses)

    def test_pipeline_of_16(self):
        """Each answer goes to its own request."""
        paths = [f"/page-{letter}" for letter in "abcdefghijklmnop"]
        self.exchange([b"".join(map(get, paths))],
                      [answer(210 + i, b"b" * i) for i in range(PIPELINE)])
        self.check(*(("GET", str(210 + i), path) for i, path in enumerate(paths)))

    def test_pipeline_of_40_counts_what_is_beyond(self):
        self.exchange([get("/deep") * 40, get("/after")], [answer()] * 41)
        beyond = 40 + 1 - PIPELINE
        self.check(*[("GET", "200", "/deep")] * PIPELINE,
                   losses={"pipeline_full": 2 * beyond * self.COUNT})

    def test_second_request_in_pieces(self):
        """The first payload ends within the target of a request that stands behind another."""
        self.exchange([get("/one") + b"GET /tw", b"o HTTP/1.1\r\nHost: test\r\n\r\n"],
                      [answer(201), answer(202)])
        self.check(("GET", "201", "/one"), ("GET", "202", "/two"))

    def test_request_in_single_bytes(self):
        request = get("/bytes")
        self.exchange([request[i:i + 1] for i in range(len(request))] + [get("/whole")],
                      [answer(201), answer(202)])
        self.check(("GET", "201", "/bytes"), ("GET", "202", "/whole"))

    def test_long_head_and_body(self):
        """Larger than any copy, with the length behind other lines."""
        request = head("PUT /long HTTP/1.1", *[f"X-{i}: " + "x" * 200 for i in range(100)],
                       "Content-Length: 30000") + b"GET /trap HTTP/1.1\r\n\r\n" * 1363 + bytes(14)
        self.exchange([request, get("/after")], [answer(201), answer(202)])
        self.check(("PUT", "201", "/long"), ("GET", "202", "/after"))

    def test_what_is_no_request(self):
        """A line of a proxy, a greeting: the child looks on."""
        self.exchange([b"PROXY UNKNOWN\r\n", get("/after")], [answer()])
        self.check(("GET", "200", "/after"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
