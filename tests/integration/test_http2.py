# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 and gRPC: what real clients asked and real servers answered is told exactly, at both ends;
what a connection told before the daemon came is unknown and never wrong; and a bad wire makes no
wrong pair.
"""

import collections
import os
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

import h2.config
import h2.connection
import h2.events

import grpc_peer
import harness
import npm
from bad_wire import BadWire
from harness import free_port
from random_faults import RandomFaults
from test_bad_wire import STATUS_OF, STATUSES, path_of
from test_http2_frames import ENDS, Case

SIDES = {direction: side for side, direction in ENDS.items()}


def listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class Loaded(Case):
    """nghttp2's server, and h2load."""

    def serve(self, *options):
        harness.need("nghttpd", "nghttp", "h2load", "curl")
        root, port = harness.temporary_folder(self), free_port()
        with open(f"{root}/page", "w", encoding="ascii") as page:
            page.write("x" * 3000)
        self.server_log = f"{root}/log"
        with open(self.server_log, "w", encoding="ascii") as log:
            harness.spawn(self, "nghttpd", *options, "--no-tls", "-d", root, str(port), stdout=log)
        harness.wait_until(lambda: listens(port))
        return port

    def load(self, port, requests, *words):
        """What h2load says that was answered with 2xx."""
        said = harness.command("h2load", "-n", str(requests), *words,
                               f"http://127.0.0.1:{port}/page").stdout
        return int(re.search(r"status codes: (\d+) 2xx", said)[1])


class Clients(Loaded):
    """Three clients of nghttp2's server."""

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

    def test_time(self):
        """One request after the other: what the daemon says of the client's end lies between what it
        says of the server's and the client's own clock, which has the system calls as well."""
        port = self.serve()
        self.start()
        said = harness.command("h2load", "-n", "2000", "-c", "1", "-m", "1",
                               f"http://127.0.0.1:{port}/page").stdout
        # "time for request:       27us       412us        35us        13us    95.10%"
        number, unit = re.search(r"time for request: +\S+ +\S+ +([\d.]+)(us|ms)", said).groups()
        by_client = float(number) * {"us": 1, "ms": 1000}[unit]
        self.assertEqual(self.daemon.stop(), 0)
        means = {}
        for end in ENDS:
            count, seconds = self.daemon.distribution(f"http.{end}.request.duration", port=port)
            self.assertEqual(count, 2000)
            means[end] = seconds / count * 1e6
        print(f"{means['server']:.1f} us at the server's end, {means['client']:.1f} at the "
              f"client's, {by_client:.1f} by its own clock")
        self.assertLess(means["server"], means["client"])
        self.assertLess(means["client"], by_client * 1.05)  # which it gives rounded

    def test_joined_late(self):
        """A client stands still while the daemon comes: what it asks from then on is told, of
        whatever the header tables held before."""
        requests = 20000
        port, log = self.serve("-v"), self.server_log
        client = harness.spawn(self, "h2load", "-n", str(requests), "-c", "2", "-m", "8",
                               f"http://127.0.0.1:{port}/page")

        def answered():
            with open(log, encoding="utf-8") as file:
                return sum("send HEADERS" in line for line in file)
        harness.wait_until(lambda: answered() > 100)
        client.send_signal(signal.SIGSTOP)
        before = -1
        while before != (before := answered()):
            time.sleep(0.5)
        self.start()
        client.send_signal(signal.SIGCONT)
        self.assertIn(f"{requests} 2xx", client.stdout.read())
        self.assertEqual(self.daemon.stop(), 0)
        for end in ENDS:
            found = self.told(f"http.{end}.request.duration", port, "route", "status")
            named = found.get(("/page", "200"), 0)
            print(f"{end}: {sum(found.values())} of {requests - before} told, {named} by route and "
                  "status")
            self.assertEqual(sum(found.values()), requests - before)
            self.assertEqual(self.lost(port, end), {})
            self.assertLessEqual({route for route, _ in found}, {"/page", "unknown"})
            self.assertLessEqual({status for _, status in found}, {"200", None})


class Crowded(Loaded):
    """Alone: what all daemons of the host keep of a socket shares one limit (net.core.optmem_max)."""

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


class Upgrade(Case):
    """HTTP/1 that goes on as HTTP/2: the first request is told as HTTP/1's, with its 101."""

    CONFIG = """
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/pid
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule http2_module {modules}/mod_http2.so
Protocols h2c http/1.1
User www-data
Group www-data
DocumentRoot {folder}
ErrorLog {folder}/error
"""

    def test_apache(self):
        harness.need("apache2", "nghttp")
        folder, port = harness.temporary_folder(self), free_port()
        for name, content in (("page", "x"), ("apache.conf", self.CONFIG.format(
                folder=folder, port=port, modules="/usr/lib/apache2/modules"))):
            with open(f"{folder}/{name}", "w", encoding="ascii") as file:
                file.write(content)
        server = harness.spawn(self, "apache2", "-f", f"{folder}/apache.conf", "-DFOREGROUND",
                               stdin=subprocess.DEVNULL)
        self.addCleanup(server.wait, harness.HANG_SECONDS)
        self.addCleanup(server.terminate)  # its workers go with it
        harness.wait_until(lambda: listens(port))
        self.start()
        url = f"http://127.0.0.1:{port}"
        # Not by curl: that of Debian 12 (7.88) gives up, most times, on what comes with the 101.
        for other in ("missing", "other"):
            harness.command("nghttp", "-n", "-u", f"{url}/page", f"{url}/{other}", f"{url}/page?more")
        self.assertEqual(self.daemon.stop(), 0)
        statuses = {"/page": "200", "/missing": "404", "/other": "404"}
        for end in ENDS:
            found = self.told(f"http.{end}.request.duration", port, "route", "status", "version")
            print(f"{end}: {found}")
            routes = collections.Counter()
            for (route, status, version), count in found.items():
                routes[route] += count
                # What the table was told in the segment of the 101 is not read.
                self.assertIn(status, ("101",) if version is None else (statuses[route], None))
            self.assertEqual(routes, {"/page": 4, "/missing": 1, "/other": 1})
            self.assertEqual(self.lost(port, end), {}, end)


class Calls(Case):
    """gRPC by its C core at both ends."""

    CALLS = (("Echo", 200, "OK"), ("Refuse", 20, "PERMISSION_DENIED"),
             ("Missing", 20, "UNIMPLEMENTED"), ("Stream", 10, "OK"),
             ("Sleep", 3, "DEADLINE_EXCEEDED"))

    CORE = (harness.PYTHON, grpc_peer.__file__)
    SERVER = CLIENT = CORE

    def setUp(self):
        self.port = free_port()
        self.server = self.peer(*self.SERVER, "serve")
        harness.read_word(self.server, "ready")
        self.client = self.peer(*self.CLIENT, "call")

    def peer(self, *words):
        return harness.spawn(self, *words, str(self.port))

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
        for method, count, status in self.CALLS:
            own = self.daemon.distribution("rpc.client.call.duration", port=self.port,
                                           method=f"{grpc_peer.SERVICE}/{method}")[1]
            print(f"{method}: {own / count * 1e3:.3f} ms, {seconds[method] / count * 1e3:.3f} by "
                  "the client, which is no C")
            if status != "DEADLINE_EXCEEDED":  # the caller is told before its call is taken back
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
            self.assertEqual(unknown, calls["Echo"] if self.CLIENT == self.CORE else 0, found)
            for (method, status), count in found.items():
                if method != "unknown" and status is not None:
                    self.assertIn(status, statuses[method], found)
                    self.assertLessEqual(count, calls[method.rpartition("/")[2]])


class Node(Calls):
    """grpc-js, which is another implementation of gRPC, over node's HTTP/2, calls the C core. It
    spells every path anew, so that none is unknown to who joins late."""

    PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "grpc_peer.js")
    CLIENT = ("node", PEER)

    @classmethod
    def setUpClass(cls):
        cls.folder = npm.install(cls, "@grpc/grpc-js@1.13.4")

    def peer(self, *words):
        return harness.spawn(self, *words, str(self.port), env=harness.clean_environment(
            NODE_PATH=os.path.join(self.folder, "node_modules")))


class CoreCallsNode(Node):
    """And the other way round."""

    SERVER, CLIENT = Node.CLIENT, Calls.CORE


class Wire(RandomFaults, Case):
    """A path spells the status of its answer, and both enter tables, so a wrong name shows, too."""

    ANSWERS = {path_of(status): (path_of(status), str(status)) for status in STATUSES}
    AT_ONCE = 5

    def setUp(self):
        super().setUp()
        self.wire = BadWire(self)
        self.port = free_port()
        with self.wire.right.entered():
            self.listener = harness.listen(self, self.port, BadWire.RIGHT)

    def serve(self):
        connection, _ = self.listener.accept()
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

    def open(self):
        threading.Thread(target=self.serve, daemon=True).start()
        connected, peer = self.connect_over_wire(), h2.connection.H2Connection()
        self.addCleanup(connected.close)
        peer.initiate_connection()
        return connected, peer

    def ask(self, connection, questions, at_once):
        """All of them, whatever `at_once` says: streams are answered in any order."""
        connected, peer = connection
        open_streams = set()
        for path in questions:
            stream = peer.get_next_available_stream_id()
            peer.send_headers(stream, [
                (":method", "GET"), (":scheme", "http"), (":authority", "test"), (":path", path)],
                end_stream=True)
            open_streams.add(stream)
        connected.sendall(peer.data_to_send())
        while open_streams:
            data = connected.recv(65536)
            self.assertNotEqual(data, b"", "the server has gone")
            for event in peer.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    peer.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if isinstance(event, h2.events.StreamEnded):
                    open_streams.discard(event.stream_id)
            connected.sendall(peer.data_to_send())

    def told(self, end):
        return super().told(f"http.{SIDES[end]}.request.duration", self.port, "route", "status")

    def lost(self, end):
        return self.daemon.unpaired(port=self.port, direction=end)

    def wrong(self, told):
        """What a lost segment had told is unknown, and never something else."""
        return {pair for pair in super().wrong(told) if "unknown" not in pair and None not in pair}


if __name__ == "__main__":
    unittest.main()
