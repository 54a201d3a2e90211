# SPDX-License-Identifier: Apache-2.0
"""Strangers cannot take what belongs to others: paths, ports and processes that somebody makes up.

The module runs in a cgroup of its own (own_cgroup.py): there is no HTTP but the test's.
"""

import os
import socket
import unittest

import churn
import harness
import own_cgroup
import soak

SERVER = "http.server.request.duration"
CLIENT = "http.client.request.duration"
OPENED = "tcp.connections.opened"
ACTIVE = "tcp.connections.active"
# So many of a service's unknown paths are told.
UNKNOWN_PATHS_MAX = 8
OTHER, UNMATCHED, EPHEMERAL = "__other__", "__unmatched__", "ephemeral"

SERVE = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *words): pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
"""

CONNECT = """
import socket, sys, time
for _ in range(40):
    socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
    time.sleep(0.1)
print("done", flush=True)
"""


def setUpModule():  # pylint: disable=invalid-name
    harness.keep_default_limits(unittest.addModuleCleanup)
    own_cgroup.enter(unittest.addModuleCleanup)


class Paths(unittest.TestCase):
    """A scanner: a thousand paths that the server does not know, and a thousand that it answers,
    whatever they are."""

    def start(self, *settings):
        self.port = harness.free_port()
        churn.PathServer(self, self.port)
        self.daemon = harness.Daemon(self, *settings)
        self.asker = churn.Asker(self.port)
        self.addCleanup(self.asker.close)
        self.asked = 0

    def ask(self, path, status=200):
        self.asked += 1
        self.asker.ask(path, status)

    def count(self, route, **tags):
        return self.daemon.weight(SERVER, port=self.port, route=route, **tags)

    def ask_another_service(self):
        """A service that nobody has seen before answers for a route."""
        port = harness.free_port()
        harness.read_word(harness.spawn_python(self, SERVE, port, service="another"), "ready")
        asker = churn.Asker(port)
        asker.ask("/basket")
        asker.close()

    def test_made_up_paths_take_nothing(self):
        self.start()
        self.ask("/real/before")
        for i in range(2000):
            self.ask(f"/{churn.word(7)}/{churn.word(7)}", 404 if i % 2 else 200)
        self.ask("/real/before", 404)
        self.ask_another_service()
        self.daemon.wait_for_snapshots(5)
        self.ask("/real/after")
        self.daemon.wait_for_snapshots(2)
        self.assertEqual(self.daemon.stop(), 0)
        routes = self.daemon.values(SERVER, "route", port=self.port)
        print(f"{len(routes)} routes, {self.count(OTHER)} requests under {OTHER}")
        self.assertIn(1000 - self.count(UNMATCHED, status=404), range(UNKNOWN_PATHS_MAX + 1))
        self.assertEqual(self.count("/real/before"), 2)
        self.assertEqual(self.count("/real/after"), 1)
        self.assertLessEqual(len(routes), 100)
        self.assertEqual(self.daemon.weight(SERVER, service="another", route="/basket"), 1)
        self.assertEqual(self.daemon.weight(SERVER, port=self.port), self.asked)
        self.assertGreaterEqual(
            self.daemon.total("sockeye.series.overflow", metric=SERVER, tag="route"),
            self.count(OTHER))

    def test_only_rules_name(self):
        rules = "{rules: [{pattern: /users/*, route: '/users/{id}'}], names: listed}"
        self.start(f"http.routes={rules}")
        for path in ("/users/ann", "/users/bob@example.com", "/secret/plan", "/"):
            self.ask(path)
        self.ask("/users/carol", 404)
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.count("/users/{id}"), 3)
        self.assertEqual(self.count(UNMATCHED), 2)
        for metric in (SERVER, CLIENT):
            self.assertEqual(self.daemon.values(metric, "route", port=self.port),
                             ["/users/{id}", UNMATCHED])

    def test_private_words_are_no_routes(self):
        self.start()
        for path in ("/u/john.doe@example.com", "/k/AKIAIOSFODNN7EXAMPLE", "/app;jsessionid=0A1B",
                     "/files/2024-05-01/report.pdf", "/share/Zm9vYmFyYmF6cXV4", "/call/+49-30-12"):
            self.ask(path)
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.daemon.values(SERVER, "route", port=self.port),
                         ["/app", "/call/*", "/files/*/*", "/k/*", "/share/*", "/u/*"])


class Processes(unittest.TestCase):
    def test_many_services_leave_a_place_for_one_that_stays(self):
        """More services at once than one tag has values, and then one more."""
        port = harness.free_port()
        churn.PathServer(self, port)
        daemon = harness.Daemon(self, "limits.tag_values=100")
        crowd = [harness.spawn(self, "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}; read",
                               env={"DD_SERVICE": f"job-{i}", "PATH": os.environ["PATH"]})
                 for i in range(120)]
        harness.wait_until(lambda: daemon.total(OPENED, service=OTHER), 30, "a crowd too large")
        self.assertGreater(daemon.total(OPENED, service=OTHER), 0)
        stays = harness.spawn_python(self, CONNECT, port, service="stays")
        harness.read_word(stays, "done")
        for process in crowd:
            harness.end_process(process)
        daemon.wait_for_snapshots(2)
        self.assertEqual(daemon.stop(), 0)
        self.assertGreater(daemon.total(OPENED, service="stays"), 0, daemon.series(OPENED))
        below = [(tags, entry) for tags, entry in daemon.series(ACTIVE) if entry[1] < 0]
        self.assertEqual(below, [])


class Ports(unittest.TestCase):
    """A number that the kernel chose is no name; one that somebody bound is."""

    @staticmethod
    def ephemeral_port():
        """One of the range that nobody listens on."""
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            first, last = map(int, file.read().split())
        for port in range(last, first, -1):
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                    return port
                except OSError:
                    continue
        raise AssertionError("every ephemeral port is taken")

    def serve(self, port):
        """A listener and a connection to it; (its number, an HTTP exchange to call)."""
        listener = socket.create_server(("127.0.0.1", port))
        self.addCleanup(listener.close)
        client = socket.create_connection(listener.getsockname())
        self.addCleanup(client.close)
        server, _ = listener.accept()
        self.addCleanup(server.close)

        def exchange():
            client.sendall(b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n")
            server.recv(65536)
            server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            client.recv(65536)
        return listener.getsockname()[1], exchange

    def test_of_new_and_older_listeners(self):
        """Each server's end by its number where that was bound; each client's end by none of the
        ephemeral range."""
        older = [self.serve(port) for port in (0, self.ephemeral_port())]
        daemon = harness.Daemon(self)
        newer = [self.serve(port) for port in (0, self.ephemeral_port())]
        for _, exchange in older + newer:
            exchange()
        daemon.wait_for_snapshots(2)
        self.assertEqual(daemon.stop(), 0)
        for chosen, bound in ((older[0][0], older[1][0]), (newer[0][0], newer[1][0])):
            with self.subTest(chosen=chosen, bound=bound):
                for metric in (OPENED, "tcp.sent.bytes", ACTIVE, SERVER, CLIENT):
                    self.assertEqual(daemon.series(metric, port=chosen), [], metric)
                    self.assertEqual(daemon.series(metric, port=bound, direction="outgoing"), [])
                self.assertEqual(daemon.weight(SERVER, port=bound, route="/page"), 1)
                self.assertEqual(daemon.weight(CLIENT, port=bound), 0)
                self.assertGreater(
                    daemon.total("tcp.sent.bytes", port=bound, direction="incoming"), 0)
        self.assertEqual(daemon.weight(SERVER, port=EPHEMERAL, route="/page"), 2)
        self.assertEqual(daemon.weight(CLIENT, port=EPHEMERAL, route="/page"), 4)
        self.assertGreaterEqual(daemon.total(OPENED, port=EPHEMERAL, direction="incoming"), 1)
        self.assertGreaterEqual(daemon.total(OPENED, port=EPHEMERAL, direction="outgoing"), 2)

    def test_a_port_that_the_kernel_chose_at_listen(self):
        """listen() without bind()."""
        daemon = harness.Daemon(self)
        with socket.socket() as listener:
            listener.listen(1)
            port = listener.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)) as client:
                server, _ = listener.accept()
                with server:
                    client.sendall(b"x")
                    server.recv(1)
        daemon.wait_for_snapshots(2)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(daemon.series(OPENED, port=port), [])
        self.assertGreaterEqual(daemon.total(OPENED, port=EPHEMERAL, direction="incoming"), 1)


class Soak(unittest.TestCase):
    """Seconds of what soak.py does for half an hour."""

    SECONDS = 6

    def test_page_and_memory_stay_within_their_bounds(self):
        run = soak.Soak(self, "1s")
        looks = list(run.looks(self.SECONDS, 2))
        counts = run.churn.stop()
        print(counts, *looks, sep="\n")
        self.assertEqual(run.churn.failures, [])
        self.assertEqual([text for look in looks for text in soak.problems(look)], [])
        self.assertGreater(looks[-1].refused, 0)
        self.assertEqual(run.daemon.stop(), 0)
