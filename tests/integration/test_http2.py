# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 and gRPC: what real clients asked and real servers answered is told exactly, at both ends;
what a connection told before the daemon came is unknown and never wrong; and a bad wire makes no
wrong pair.
"""

import collections
import random
import re
import socket
import threading
import time
import unittest

import h2.config
import h2.connection
import h2.events

import grpc_peer
import harness
import http2_peer
from bad_wire import BadWire
from conversation import Conversation
from harness import Daemon, free_port
from test_bad_wire import STATUS_OF, STATUSES, path_of

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
        found = collections.Counter()
        for own, (_, count, _) in self.daemon.series("usm.lost", port=port, direction=ENDS[end]):
            found[own["reason"]] += count
        return dict(found)

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


class Clients(Case):
    """nghttp2's server, and three clients."""

    def serve(self):
        harness.need("nghttpd", "nghttp", "h2load", "curl")
        root, port = harness.temporary_folder(self), free_port()
        with open(f"{root}/page", "w", encoding="ascii") as page:
            page.write("x" * 3000)
        harness.spawn(self, "nghttpd", "--no-tls", "-d", root, str(port))
        harness.wait_until(lambda: self.listens(port))
        return port

    @staticmethod
    def listens(port):
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    def load(self, port, requests, *words):
        """What h2load says that was answered with 2xx."""
        said = harness.command("h2load", "-n", str(requests), *words,
                               f"http://127.0.0.1:{port}/page").stdout
        return int(re.search(r"status codes: (\d+) 2xx", said)[1])

    def test_counts(self):
        port = self.serve()
        self.start()
        pages = self.load(port, 5000, "-c", "5", "-m", "10")
        pages += self.load(port, 2000, "-c", "1", "-m", "50")
        pages += self.load(port, 500, "-c", "1", "-m", "1", "--header-table-size=64",
                           "--encoder-header-table-size=64")
        self.assertEqual(pages, 7500)
        url = f"http://127.0.0.1:{port}"
        harness.command("nghttp", "-n", "--continuation", f"{url}/page", f"{url}/missing")
        curl = ("curl", "-s", "-o", "/dev/null", "--http2-prior-knowledge")
        harness.command(*curl, "-X", "DELETE", f"{url}/users/12345")
        harness.command(*curl, "-X", "PURGE", f"{url}/page?secret=1")
        harness.command(*curl, "--data-binary", "@/bin/true", f"{url}/upload")
        self.assertEqual(self.daemon.stop(), 0)
        self.assert_requests(port, {
            ("GET", "200", "/page"): pages + 1, ("GET", "404", "/missing"): 1,
            ("DELETE", "404", "/users/*"): 1, ("_OTHER", "200", "/page"): 1,
            ("POST", "404", "/upload"): 1})

    def test_many_at_once(self):
        """A hundred wait on one connection, which nearly all of them have room for."""
        port = self.serve()
        self.start()
        pages = self.load(port, 4000, "-c", "1", "-m", "100")
        self.assertEqual(self.daemon.stop(), 0)
        for end in ENDS:
            told = self.daemon.distribution(f"http.{end}.request.duration", port=port)[0]
            lost = self.lost(port, end)
            print(f"{end}: {told} of {pages} told, lost {lost}")
            self.assertEqual(told + lost.pop("pipeline_full", 0), pages)
            self.assertEqual(lost, {})
            self.assertGreater(told, pages * 0.95)


class Calls(Case):
    """gRPC by its C core at both ends."""

    CALLS = (("Echo", 200, "OK"), ("Refuse", 20, "PERMISSION_DENIED"),
             ("Missing", 20, "UNIMPLEMENTED"), ("Stream", 10, "OK"),
             ("Sleep", 3, "DEADLINE_EXCEEDED"))

    def setUp(self):
        self.port = free_port()
        self.server = harness.spawn(self, harness.PYTHON, grpc_peer.__file__, "serve",
                                    str(self.port))
        harness.read_word(self.server, "ready")
        self.client = harness.spawn(self, harness.PYTHON, grpc_peer.__file__, "call",
                                    str(self.port))

    def call(self, method, count, status):
        """Seconds that the client's clock says."""
        harness.tell(self.client, f"{method} {count}")
        said = [word.split(":") for word in self.client.stdout.readline().split()]
        self.assertEqual([word for word, _ in said], [status] * count)
        return sum(float(seconds) for _, seconds in said)

    def test_counts(self):
        self.start()
        seconds = {method: self.call(method, count, status) for method, count, status in self.CALLS}
        self.client.stdin.close()
        self.client.wait()
        self.assertEqual(self.daemon.stop(), 0)
        truth = {(f"{grpc_peer.SERVICE}/{method}", status): count
                 for method, count, status in self.CALLS}
        sleep = f"{grpc_peer.SERVICE}/Sleep"
        for end in ENDS:
            # A client whose time is over takes its call back; some servers say so first.
            found = self.told(f"rpc.{end}.call.duration", self.port, "method", "status")
            taken_back = found.pop((sleep, "CANCELLED"), 0)
            taken_back += found.pop((sleep, "DEADLINE_EXCEEDED"), 0)
            self.assertEqual(found | {(sleep, "DEADLINE_EXCEEDED"): taken_back}, truth, end)
            self.assertEqual(self.lost(self.port, end), {}, end)
        for method, count, _ in self.CALLS:
            own = self.daemon.distribution("rpc.client.call.duration", port=self.port,
                                           method=f"{grpc_peer.SERVICE}/{method}")[1]
            print(f"{method}: {own / count * 1e3:.3f} ms, {seconds[method] / count * 1e3:.3f} by "
                  "the client, which is Python")
            self.assertLess(own, seconds[method])
        self.assertGreater(self.daemon.distribution(
            "rpc.server.call.duration", port=self.port,
            method=f"{grpc_peer.SERVICE}/Stream")[1], 10 * (grpc_peer.CHUNKS - 1) * grpc_peer.PAUSE)

    def test_joined_late(self):
        """Names that were told before stay unknown; what is new is named; all are counted."""
        self.call("Echo", 3, "OK")
        self.start()
        for method, count, status in self.CALLS:
            self.call(method, count, status)
        self.client.stdin.close()
        self.client.wait()
        self.assertEqual(self.daemon.stop(), 0)
        calls = {method: count for method, count, _ in self.CALLS}
        total = sum(calls.values())
        statuses = {f"{grpc_peer.SERVICE}/{method}": {status} for method, _, status in self.CALLS}
        statuses[f"{grpc_peer.SERVICE}/Sleep"].add("CANCELLED")
        for end in ENDS:
            found = self.told(f"rpc.{end}.call.duration", self.port, "method", "status")
            self.assertEqual(sum(found.values()), total, found)
            self.assertEqual(self.told(f"http.{end}.request.duration", self.port), {})
            unknown = sum(count for (method, _), count in found.items() if method == "unknown")
            nameless = sum(count for (_, status), count in found.items() if status is None)
            print(f"{end}: {total} calls told, {unknown} without a method, {nameless} without a "
                  "status")
            self.assertEqual(unknown, calls["Echo"], found)
            for (method, status), count in found.items():
                if method != "unknown" and status is not None:
                    self.assertIn(status, statuses[method], found)
                    self.assertLessEqual(count, calls[method.rpartition("/")[2]])


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
        for stream in (1, 3, 5):
            talk.client_sends(http2_peer.request(stream, "/slow"))
            talk.server_sends(http2_peer.headers(stream, [(":status", "103")]))
            time.sleep(0.2)
            answer = http2_peer.response(stream, body=b"x" * 100)
            talk.server_sends(answer[:-50])
            time.sleep(0.1)
            talk.server_sends(answer[-50:])
        talk.close()
        self.assertEqual(self.daemon.stop(), 0)
        self.assert_requests(talk.port, {("GET", "200", "/slow"): 3})
        for end in ENDS:
            seconds = self.daemon.distribution(f"http.{end}.request.duration", port=talk.port)[1]
            self.assertGreaterEqual(seconds / 3, 0.195)
            self.assertLess(seconds / 3, 0.29)

    def unanswered(self, end, path="/wait"):
        """A connection with an answered request, one whose answer has begun, and one that waits."""
        talk = self.converse()
        talk.exchange(http2_peer.opening() + http2_peer.request(1, path), http2_peer.response(1))
        talk.exchange(http2_peer.request(3, "/begun"),
                      http2_peer.headers(3, [(":status", "200")]))
        talk.client_sends(http2_peer.request(5, path))
        talk.exchange(http2_peer.call(7, "a.B/C"),
                      http2_peer.headers(7, [(":status", "200")]))
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


class Wire(Case):
    """Loss, repetition, reordering: a path spells the status of its answer, and both enter tables,
    so a wrong pair or a wrong name shows."""

    CONNECTIONS, REQUESTS, AT_ONCE = 5, 100, 5

    def serve(self, listener):
        connection, _ = listener.accept()
        peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False,
                                                                      header_encoding="utf-8"))
        with connection:
            peer.initiate_connection()
            connection.sendall(peer.data_to_send())
            while data := connection.recv(65536):
                for event in peer.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        status = STATUS_OF[dict(event.headers)[":path"]]
                        peer.send_headers(event.stream_id, [(":status", str(status))])
                        peer.send_data(event.stream_id, bytes(2000), end_stream=True)
                connection.sendall(peer.data_to_send())

    def ask(self, port, seed):
        noise = random.Random(seed)
        peer = h2.connection.H2Connection()
        with self.wire.left.socket() as connection:
            connection.settimeout(60)
            connection.connect((BadWire.RIGHT, port))
            peer.initiate_connection()
            self.connected.wait()
            self.wire_is_bad.wait()
            for _ in range(self.REQUESTS // self.AT_ONCE):
                open_streams = set()
                for _ in range(self.AT_ONCE):
                    stream = peer.get_next_available_stream_id()
                    peer.send_headers(stream, [
                        (":method", "GET"), (":scheme", "http"), (":authority", "test"),
                        (":path", path_of(noise.choice(STATUSES)))], end_stream=True)
                    open_streams.add(stream)
                connection.sendall(peer.data_to_send())
                while open_streams:
                    data = connection.recv(65536)
                    self.assertNotEqual(data, b"", "the server has gone")
                    for event in peer.receive_data(data):
                        if isinstance(event, h2.events.DataReceived):
                            peer.acknowledge_received_data(event.flow_controlled_length,
                                                           event.stream_id)
                        if isinstance(event, h2.events.StreamEnded):
                            open_streams.discard(event.stream_id)
                    connection.sendall(peer.data_to_send())
        with self.lock:
            self.done += self.REQUESTS

    def test_random_faults(self):
        self.wire = BadWire(self)
        self.start()
        self.lock, self.done = threading.Lock(), 0
        self.connected = threading.Barrier(self.CONNECTIONS + 1)
        self.wire_is_bad = threading.Event()
        port = free_port()
        with self.wire.right.entered():
            listener = harness.listen(self, port, BadWire.RIGHT)
        threads = [threading.Thread(target=self.serve, args=(listener,), daemon=True)
                   for _ in range(self.CONNECTIONS)]
        threads += [threading.Thread(target=self.ask, args=(port, seed), daemon=True)
                    for seed in range(self.CONNECTIONS)]
        for thread in threads:
            thread.start()
        self.connected.wait()
        self.wire.chances(loss=0.03, twice=0.05, late=0.05, delay_ms=0.5)
        self.wire_is_bad.set()
        for thread in threads:
            thread.join()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.done, self.CONNECTIONS * self.REQUESTS)
        for end in ENDS:
            found = self.told(f"http.{end}.request.duration", port, "route", "status")
            told, lost = sum(found.values()), self.lost(port, end)
            named = sum(count for (route, status), count in found.items()
                        if route != "unknown" and status)
            print(f"{end}: {told} of {self.done} requests told, {named} with both names, "
                  f"lost {lost}")
            wrong = {pair: count for pair, count in found.items()
                     if pair[0] != "unknown" and pair[1] and pair[1] != str(STATUS_OF[pair[0]])}
            self.assertEqual(wrong, {})
            self.assertGreater(told, self.done // 2)
            self.assertTrue(told == self.done or lost)


if __name__ == "__main__":
    unittest.main()
