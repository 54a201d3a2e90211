# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 with both ends in the hands of the test: times, ends without an answer, what a header table
held before the daemon came. It needs nothing but Python, so guests run it, too.
"""

import collections
import socket
import time
import unittest

import harness
import http2_peer
from conversation import Conversation
from harness import Daemon, free_port

LOADED = "protocols.http2=true"
CONSOLE = harness.console_of("http.*", "rpc.*", "usm.lost", "sockeye.kernel.lost")
ENDS = {"server": "incoming", "client": "outgoing"}


class Case(unittest.TestCase):
    def start(self, *settings):
        self.daemon = Daemon(self, LOADED, *settings, console=CONSOLE)

    def told(self, metric, port, *tags):
        """{values of the tags: requests}; None for a tag that is not there."""
        found = collections.Counter()
        for own, (_, count, _) in self.daemon.series(metric, port=port):
            found[tuple(own.get(tag) for tag in tags)] += count
        return dict(found)

    def lost(self, port, end):
        return self.daemon.unpaired(port=port, direction=ENDS[end])

    def assert_requests(self, port, truth):
        """truth: {(method, status or error, route): requests}, the same at both ends; no losses."""
        for end in ENDS:
            found = collections.Counter()
            metric = f"http.{end}.request.duration"
            for (method, status, error, route, version), count in self.told(
                    metric, port, "method", "status", "error_type", "route", "version").items():
                self.assertEqual(version, "2")
                found[method, status or error, route] += count
            self.assertEqual(dict(found), truth, end)
            self.assertEqual(self.lost(port, end), {}, end)

    def assert_calls(self, port, end, truth):
        found = collections.Counter()
        for (method, status, error), count in self.told(f"rpc.{end}.call.duration", port, "method",
                                                        "status", "error_type").items():
            found[method, status or error] += count
        self.assertEqual(dict(found), truth, end)


class ByHand(Case):
    """Both ends are the test's."""

    def converse(self):
        talk = Conversation(self)
        self.addCleanup(talk.close)
        return talk

    def test_time_to_the_first_byte(self):
        """A body that trickles does not count, nor does what an interim answer says."""
        self.start()
        talk = self.converse()
        talk.client_sends(http2_peer.opening())
        waited = 0
        for stream in (1, 3, 5):
            begin = time.monotonic()
            talk.client_sends(http2_peer.request(stream, "/slow"))
            talk.server_sends(http2_peer.headers(stream, [(":status", "103")]))
            time.sleep(0.2)
            answer = http2_peer.response(stream, body=b"x" * 100)
            talk.server_sends(answer[:-50])
            waited += time.monotonic() - begin
            time.sleep(0.1)
            talk.server_sends(answer[-50:])
        talk.close()
        self.assertEqual(self.daemon.stop(), 0)
        self.assert_requests(talk.port, {("GET", "200", "/slow"): 3})
        for end in ENDS:
            seconds = self.daemon.distribution(f"http.{end}.request.duration", port=talk.port)[1]
            harness.assert_waited(self, seconds, 3 * 0.2, waited)

    def unanswered(self, end, path="/wait"):
        """A connection with an answered request, one whose answer has begun, and one that waits."""
        talk = self.converse()
        talk.exchange(http2_peer.opening() + http2_peer.request(1, path), http2_peer.response(1))
        talk.exchange(http2_peer.request(3, "/begun"),
                      http2_peer.headers(3, [(":status", "200")]))
        talk.client_sends(http2_peer.request(5, path))
        talk.exchange(http2_peer.call(7, "a.B/C"), http2_peer.headers(
            7, [(":status", "200"), ("content-type", "application/grpc")]))
        end(talk)
        talk.close()
        return talk.port

    def test_unanswered(self):
        """What ends a request without an answer: its connection, or somebody's reset."""
        def reset(talk):
            harness.disconnect(talk.server)

        def take_back(talk):
            talk.client_sends(b"".join(
                http2_peer.frame(http2_peer.RST_STREAM, 0, stream,
                                 http2_peer.CANCEL.to_bytes(4, "big")) for stream in (3, 5, 7)))
        self.start()
        ports = {"closed": self.unanswered(lambda talk: talk.server.close()),
                 "cancelled": self.unanswered(lambda talk: talk.client.close()),
                 "reset": self.unanswered(reset)}
        taken_back = self.unanswered(take_back)
        self.assertEqual(self.daemon.stop(), 0)
        for error, port in (*ports.items(), ("cancelled", taken_back)):
            with self.subTest(error, port=port):
                self.assert_requests(port, {("GET", "200", "/wait"): 1, ("GET", "200", "/begun"): 1,
                                            ("GET", error, "/wait"): 1})
                for end in ENDS:
                    self.assert_calls(port, end, {
                        ("a.B/C", "CANCELLED" if port == taken_back else error): 1})

    def test_taken_back_among_many(self):
        """More than usually wait; the odd ones are answered, the others taken back, from either end:
        told while the connection lives, and room for as many again."""
        self.start()
        talk = self.converse()
        talk.client_sends(http2_peer.opening())
        count = 50
        for first in (1, 1 + 2 * count, 1 + 4 * count):
            streams = range(first, first + 2 * count, 2)
            talk.client_sends(b"".join(http2_peer.request(stream, "/a") for stream in streams))
            talk.server_sends(b"".join(http2_peer.response(stream) for stream in streams[::2]))
            cancel = [http2_peer.frame(http2_peer.RST_STREAM, 0, stream,
                                       http2_peer.CANCEL.to_bytes(4, "big"))
                      for stream in streams[1::2]]
            talk.client_sends(b"".join(cancel[::2]))
            talk.server_sends(b"".join(cancel[1::2]))
        self.assertEqual(self.daemon.stop(), 0)
        self.assert_requests(talk.port, {("GET", "200", "/a"): 75, ("GET", "cancelled", "/a"): 75})

    def test_joined_late(self):
        """A path that entered the table before is unknown, one that is spelled out has its name."""
        talk = self.converse()
        talk.exchange(http2_peer.opening() + http2_peer.request(1, "/early", kept=True),
                      http2_peer.response(1))
        self.start()
        indexed = bytes([0x80 | 62 + 1])  # the authority is newer
        for stream in range(3, 23, 4):
            talk.exchange(http2_peer.frame(
                http2_peer.HEADERS, http2_peer.END_HEADERS | http2_peer.END_STREAM, stream,
                b"\x82\x86" + indexed), http2_peer.response(stream))
            talk.exchange(http2_peer.request(stream + 2, "/late"), http2_peer.response(stream + 2))
        talk.close()
        self.assertEqual(self.daemon.stop(), 0)
        self.assert_requests(talk.port, {("GET", "200", "unknown"): 5, ("GET", "200", "/late"): 5})

    def test_first_payload_before_the_socket(self):
        """The listener gets it, and what it tells of the table stays."""
        self.start()
        port = free_port()
        listener = harness.listen(self, port)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 10)
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(http2_peer.opening() + http2_peer.request(1, "/kept", kept=True))
            server, _ = listener.accept()
            with server:
                server.recv(1000)
                server.sendall(http2_peer.response(1))
                client.recv(1000)
                client.sendall(http2_peer.frame(
                    http2_peer.HEADERS, http2_peer.END_HEADERS | http2_peer.END_STREAM, 3,
                    b"\x82\x86\xbf"))
                server.recv(1000)
                server.sendall(http2_peer.response(3))
                client.recv(1000)
        self.assertEqual(self.daemon.stop(), 0)
        self.assert_requests(port, {("GET", "200", "/kept"): 2})


if __name__ == "__main__":
    unittest.main()
