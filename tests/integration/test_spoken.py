# SPDX-License-Identifier: Apache-2.0
"""What a connection speaks: the tag `protocol` of TCP, and the same word where connections are
listed; what turns into something else is followed; what a load balancer puts before the first byte
costs no request. Servers are nginx, haproxy, redis-server and the TLS of Python.
"""

import functools
import os
import socket
import ssl
import threading
import unittest

import harness
import http2_peer
from conversation import Conversation
from harness import (Daemon, Nginx, command, free_port, make_certificate, need, spawn,
                     temporary_folder, wait_until)
from test_connections_view import Watcher

CONSOLE = harness.console_of("tcp.*", "http.*", "db.*", "usm.*", "sockeye.kernel.lost")
TAGS = "connections.tags=[direction, service, port, protocol]"
LOADED = ("protocols.http=true", "protocols.http2=true", "protocols.redis=true",
          "protocols.postgres=true")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

HAPROXY = """
defaults
    mode tcp
    timeout connect 20s
    timeout client 20s
    timeout server 20s
"""
LISTEN = """
listen to{there}
    bind 127.0.0.1:{here}
    server behind 127.0.0.1:{there} {how}
"""


class Certificate:
    """Of nobody in particular, for both ends of the test's own TLS."""

    def __init__(self, test):
        folder = temporary_folder(test)
        make_certificate(f"{folder}/certificate", f"{folder}/key")
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(f"{folder}/certificate", f"{folder}/key")
        self.client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.client.check_hostname = False
        self.client.verify_mode = ssl.CERT_NONE

    def talk(self, talk):
        """TLS over the two ends of a conversation, and some words in it."""
        def serve():
            with self.server.wrap_socket(talk.server, server_side=True) as end:
                for _ in range(3):
                    end.sendall(end.recv(100))
                end.recv(100)
        thread = threading.Thread(target=serve)
        thread.start()
        with self.client.wrap_socket(talk.client) as end:
            for _ in range(3):
                end.sendall(b"words")
                end.recv(100)
        thread.join(30)
        talk.close()


class Spoken(unittest.TestCase):
    """One daemon sees the traffic of all tests, each of which has its own ports. When they are over
    it ends, and what each of them expects is looked for."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        scope = harness.Scope()
        cls.addClassCleanup(scope.close)
        cls.path = os.path.join(temporary_folder(scope), "control.sock")
        cls.certificate = Certificate(scope)
        cls.known, cls.wrong = free_port(), free_port()
        rules = ", ".join(f"{{port: {port}, protocol: redis}}" for port in (cls.known, cls.wrong))
        cls.daemon = Daemon(scope, TAGS, *LOADED, f"control.socket={cls.path}",
                            f"protocols.ports=[{rules}]", console=CONSOLE, interval="1h")
        cls.checks = []  # (name of the test, function)

    @classmethod
    def tearDownClass(cls):
        failed = [] if cls.daemon.stop() == 0 else ["the daemon did not end well"]
        for name, check in cls.checks:
            try:
                check()
            except AssertionError as error:
                failed.append(f"{name}: {error}")
        if failed:
            raise AssertionError("\n".join(failed))

    def at_the_end(self, check, *words, **more):
        self.checks.append((self.id(), functools.partial(check, *words, **more)))

    def say(self, *turns, port=None):
        """A conversation whose client begins; "" is a turn in which an end says nothing."""
        talk = Conversation(self, port)
        for number, words in enumerate(turns):
            if words:
                (talk.server_sends if number % 2 else talk.client_sends)(words)
        return talk

    def check_spoken(self, port, name, count=1):
        """All ends of connections, and bytes, are told as that."""
        for direction in ("incoming", "outgoing"):
            tags = {"port": port, "direction": direction}
            for metric in ("tcp.connections.closed", "tcp.sent.segments"):
                self.assertEqual(self.daemon.values(metric, "protocol", **tags), [name],
                                 (metric, tags))
            self.assertEqual(self.daemon.total("tcp.connections.closed", **tags), count, tags)
            self.assertEqual(self.daemon.total("usm.connections.unrecognised", **tags),
                             0 if name else count, tags)
        self.assertIn(self.daemon.last_gauge("tcp.connections.active", port=port), (0, None))

    def check_requests(self, port, count, family="http", **tags):
        kind = {"http": "request", "db": "operation"}[family]
        for end in ("client", "server"):
            metric = f"{family}.{end}.{kind}.duration"
            lost = self.daemon.unpaired(port=port)
            self.assertEqual(self.daemon.weight(metric, port=port, **tags), count, (metric, lost))
            self.assertEqual(self.daemon.weight(metric, port=port), count, (metric, lost))

    def check_alone(self, port, count):
        for direction in ("incoming", "outgoing"):
            self.assertEqual(self.daemon.total("usm.lost", port=port, direction=direction,
                                               reason="response_alone"), count)

    def test_first_bytes(self):
        """Also while it is open, where single connections are told."""
        mongodb = b"\x25\0\0\0\1\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0\0" + bytes(16)
        kinds = {
            "ssh": ("", b"SSH-2.0-OpenSSH_9.2\r\n"),
            "amqp": (b"AMQP\0\0\x09\1",),
            "mqtt": (b"\x10\x10\0\4MQTT\4\2\0\x3c\0\4test",),
            "nats": ("", b'INFO {"server_id":"N"}\r\n', b"CONNECT {}\r\nPING\r\n", b"PONG\r\n"),
            "mongodb": (mongodb,),
            "websocket": (b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
                          b"HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\n\r\n",
                          b"\x81\x85\0\0\0\0hello", b"\x81\5hello"),
            "http": (b"GET / HTTP/1.1\r\n\r\n", ANSWER),
            "redis": (b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n"),
            "": (b"\0\1\2\3 what nobody knows",),
        }
        talks = {name: self.say(*turns) for name, turns in kinds.items()}
        rows = Watcher(self.path, "test").look()["connections"]
        for name, talk in talks.items():
            self.assertEqual([row["protocol"] for row in rows if row["port"] == str(talk.port)],
                             [name] * 2)
            talk.close()
            self.at_the_end(self.check_spoken, talk.port, name)

    def test_what_turns_into_tls(self):
        """From the first byte on, behind a greeting, a question of PostgreSQL's, an upgrade, in a
        tunnel, behind what a load balancer says."""
        for turns in (
                (),
                ("", b"220 mail\r\n", b"STARTTLS\r\n", b"220 go ahead\r\n"),
                ("", b'INFO {"tls_required":true}\r\n'),
                (b"\0\0\0\x08\4\xd2\x16\x2f", b"S"),
                (b"GET / HTTP/1.1\r\nUpgrade: TLS/1.0\r\n\r\n",
                 b"HTTP/1.1 101 Switching\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n\r\n"),
                (b"CONNECT there:443 HTTP/1.1\r\nHost: there\r\n\r\n",
                 b"HTTP/1.1 200 OK\r\n\r\n"),
                (b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n",)):
            talk = self.say(*turns)
            self.certificate.talk(talk)
            self.at_the_end(self.check_spoken, talk.port, "tls")

    def test_load_balancers(self):
        """haproxy puts its header before the first request of each connection to nginx: none is
        missed."""
        need("haproxy", "h2load")
        ports = {(version, how): (free_port(), free_port())
                 for version in ("1", "2") for how in ("send-proxy", "send-proxy-v2")}
        servers = "".join(
            f"server {{ listen 127.0.0.1:{there} proxy_protocol{' http2' * (version == '2')};"
            "location / { return 200 'content'; } }"
            for (version, _), (_, there) in ports.items())
        Nginx(self, next(iter(ports.values()))[1], f"access_log off; {servers}")
        config = os.path.join(temporary_folder(self), "haproxy.cfg")
        with open(config, "w", encoding="utf-8") as file:
            file.write(HAPROXY + "".join(LISTEN.format(here=here, there=there, how=how)
                                         for (_, how), (here, there) in ports.items()))
        spawn(self, "haproxy", "-db", "-f", config)
        for (version, _), (here, there) in ports.items():
            wait_until(lambda port=here: command("ss", "-Htln", f"sport = :{port}").stdout)
            words = ("--h1",) if version == "1" else ("-m", "5")
            said = command("h2load", "-n", "200", "-c", "20", *words,
                           f"http://127.0.0.1:{here}/").stdout
            self.assertIn("200 2xx", said)
            tags = {"version": "2"} if version == "2" else {}
            self.at_the_end(self.check_requests, there, 200, status="200", **tags)
            self.at_the_end(self.check_spoken, there, "http2" if version == "2" else "http",
                            count=20)

    def test_headers_of_load_balancers(self):
        """In a segment of their own, with the request, and in pieces, which HTTP/1 alone puts
        together."""
        header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10" + bytes(16)
        line = b"PROXY TCP6 " + b"ffff:f...:ffff " * 2 + b"65535 65535\r\n"
        request = b"GET / HTTP/1.1\r\n\r\n"
        for pieces in ((header, request), (header + request,), (header[:9], header[9:] + request),
                       (line, request), (line + request,), (b"PROXY UNKNOWN\r\n" + request,),
                       (b"PROXY UNKNOWN\r\n", request), (line[:20], line[20:], request)):
            talk = Conversation(self)
            talk.client_sends(*pieces)
            talk.client_sends(request * 2)  # a pipeline, of which no proof would be found later on
            talk.server_sends(ANSWER * 3)
            talk.close()
            self.at_the_end(self.check_requests, talk.port, 3, status="200")
            self.at_the_end(self.check_spoken, talk.port, "http")

    def test_server_that_is_faster_than_the_first_request(self):
        """nginx sends its settings of HTTP/2 when it has the header, which may be before the client
        asks anything."""
        talk = Conversation(self)
        talk.client_sends(b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n")
        talk.server_sends(http2_peer.frame(http2_peer.SETTINGS))
        for stream in (1, 3):
            talk.client_sends((http2_peer.opening() if stream == 1 else b"")
                              + http2_peer.request(stream, "/", kept=True))
            talk.server_sends(http2_peer.response(stream))
        talk.close()
        self.at_the_end(self.check_requests, talk.port, 2, status="200", route="/", version="2")
        self.at_the_end(self.check_spoken, talk.port, "http2")

    def test_a_port_tells(self):
        """Lines are what Redis shares with others: without a rule they decide nothing."""
        need("redis-server")
        other = free_port()
        for port, name in ((self.known, "redis"), (other, "")):
            spawn(self, "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "")
            wait_until(lambda port=port: command("ss", "-Htln", f"sport = :{port}").stdout)
            with socket.create_connection(("127.0.0.1", port), 30) as client:
                for _ in range(10):
                    client.sendall(b"ECHO hello\r\n")
                    harness.receive_exactly(client, len(b"$5\r\nhello\r\n"))
            # Of the first line nothing shows that it is a command: its answer is alone.
            self.at_the_end(self.check_requests, port, 9 if name else 0, "db")
            self.at_the_end(self.check_alone, port, 1 if name else 0)
            self.at_the_end(self.check_spoken, port, name)

    def test_nothing_else_is_taken_at_a_port(self):
        """HTTP at one that is said to be Redis'."""
        talk = self.say(*(b"GET / HTTP/1.1\r\n\r\n", ANSWER) * 30, port=self.wrong)
        talk.close()
        self.at_the_end(self.check_requests, talk.port, 0)
        self.at_the_end(self.check_requests, talk.port, 0, "db")
        self.at_the_end(self.check_spoken, talk.port, "")


class Changes(unittest.TestCase):

    def setUp(self):
        folder = temporary_folder(self)
        self.config, self.path = (os.path.join(folder, name) for name in ("yaml", "socket"))

    def start(self, ports):
        self.write(ports)
        self.daemon = Daemon(self, TAGS, *LOADED, f"control.socket={self.path}", console=CONSOLE,
                             arguments=("-c", self.config))

    def write(self, ports):
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f"protocols: {{ports: {ports}}}\n")

    def active(self, port, **tags):
        return self.daemon.last_gauge("tcp.connections.active", port=port, **tags)

    def test_name_and_rules(self):
        """Active is what is spoken now; what came before is told under what was spoken then. A
        reload says what is spoken at a port, and takes it back."""
        talk, ruled = Conversation(self), Conversation(self)  # older than the daemon
        self.start(f"[{{port: {ruled.port}, protocol: redis}}]")
        talk.server_sends(b"220 mail\r\n")
        ruled.server_sends(b":1\r\n")
        wait_until(lambda: self.active(talk.port) == 2)
        talk.client_sends(b"SSH-2.0-client\r\n")
        wait_until(lambda: self.active(talk.port, protocol="ssh") == 2)
        self.assertEqual(self.active(talk.port), 2)
        self.assertEqual(self.active(ruled.port, protocol="redis"), 2)
        self.write("[]")
        reloaded = harness.sockeye("reload", "--socket", self.path)
        self.assertEqual(reloaded.returncode, 0, reloaded.stderr)
        with socket.create_connection(("127.0.0.1", ruled.port), 30) as client:
            server, _ = ruled.listener.accept()
            server.sendall(b":1\r\n")
            client.recv(100)
            server.close()
            client.recv(100)
        Certificate(self).talk(talk)
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.daemon.values("tcp.sent.bytes", "protocol", port=talk.port),
                         ["", "ssh", "tls"])
        self.assertEqual(self.daemon.values("tcp.connections.closed", "protocol", port=talk.port),
                         ["tls"])
        self.assertIn(self.active(talk.port), (0, None))
        self.assertEqual(self.daemon.values("tcp.connections.closed", "protocol",
                                            port=ruled.port), [""])


if __name__ == "__main__":
    unittest.main()
