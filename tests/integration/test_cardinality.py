# SPDX-License-Identifier: Apache-2.0
"""A hundred thousand paths and hostile ones: bounded series, exact sums, outputs that parse.

Issue: "100 000 distinct paths and 20 hostile ones (`|`, `,`, LF, `"`, `\\`, UTF-8, control bytes,
8 KiB long): series stay within budget, the sums equal the truth, each exporter's output still
parses".

The module runs in a cgroup of its own (own_cgroup.py): there is no HTTP but the test's.
"""

import itertools
import socket
import string
import unittest

import harness
import own_cgroup
import receivers
from conversation import Conversation, answer, head

SERVER = "http.server.request.duration"
CLIENT = "http.client.request.duration"
ENDS = (SERVER, CLIENT)
OTHER = "__other__"

DISTINCT = 100_000
AT_ONCE = 8

HOSTILE = (
    b"/pipe|c", b"/comma,a", b"/line%0afeed", b'/quote"', b"/back\\slash", b"/back\\", b"/back\\n",
    "/caf\u00e9/\u65e5\u672c".encode(), b"/half\xc3", b"/latin\xe9\xff", b"/over\xc0\x80long",
    b"/nul\0", b"/escape\x1b[31m", b"/return\rx", b"/tab\tx", b"/del\x7f", "/c1\u0085".encode(),
    b"/colon:1|g|#a:b", b"/curly{le=\"1\"} 1", b"/" + b"long" * 2048,
)
assert len(HOSTILE) == 20


def setUpModule():  # pylint: disable=invalid-name
    harness.keep_default_limits(unittest.addModuleCleanup)
    own_cgroup.enter(unittest.addModuleCleanup)


def distinct_paths(count):
    """Paths that look like names: no digits, nothing that a route replaces by *."""
    letters = itertools.product(string.ascii_lowercase, repeat=4)
    return ["/p-" + "".join(four) for four in itertools.islice(letters, count)]


class Cardinality(unittest.TestCase):
    def start(self, *limits):
        self.agent = receivers.Agent(self)
        self.page = receivers.Page()
        # On a slow machine those that were asked first would make room, and their counts be gone.
        self.daemon = harness.Daemon(self, *limits, "limits.idle=1h",
                                     exporters=(self.agent.exporter, self.page.exporter))
        self.answered = 0
        self.ports = []

    # ---- traffic ----

    def ask_nginx(self, paths):
        """All of them over one connection, eight at once."""
        port = harness.free_port()
        harness.Nginx(self, port, f"""
    keepalive_requests 1000000000; access_log off;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "x"; }} }}""")
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            size = self.answer_size(connection)
            for start in range(0, len(paths), AT_ONCE):
                some = paths[start:start + AT_ONCE]
                connection.sendall(b"".join(self.request(path.encode()) for path in some))
                harness.receive_exactly(connection, size * len(some))
        self.answered += len(paths) + 1
        self.ports.append(port)

    @staticmethod
    def request(path):
        return b"GET " + path + b" HTTP/1.1\r\nHost: test\r\n\r\n"

    def answer_size(self, connection):
        """All answers of this server are of one length."""
        connection.sendall(self.request(b"/"))
        text = connection.recv(65536)
        self.assertTrue(text.startswith(b"HTTP/1.1 200 OK\r\n") and text.endswith(b"\r\n\r\nx"))
        return len(text)

    def ask_hostile(self):
        """Each path as it is, a connection each: none hides behind what another one does."""
        for path in HOSTILE:
            talk = Conversation(self)
            for _ in range(2):
                talk.exchange(self.request(path), answer(200, b"x"))
            talk.close()
            self.answered += 2
            self.ports.append(talk.port)

    def ask_with_a_raw_line_feed(self):
        """That is no request; its answer stands alone."""
        talk = Conversation(self)
        talk.exchange(self.request(b"/line\nfeed"), head("HTTP/1.1 400 Bad", "Content-Length: 0"))
        talk.close()

    # ---- what came of it ----

    def assert_within(self, series_limit, values_limit):
        """What the console has shown of all series that there were."""
        for metric in ENDS:
            series = self.daemon.series(metric)
            routes = set(self.daemon.values(metric, "route"))
            print(f"{metric}: {len(series)} series, {len(routes)} routes")
            self.assertLessEqual(len(series), series_limit)
            self.assertLessEqual(len(routes - {OTHER}), values_limit)
            self.assertIn(OTHER, routes)
        self.assertGreater(self.daemon.total("sockeye.series.overflow"), DISTINCT // 2)

    def assert_console(self):
        self.assertEqual(self.daemon.lines, [], "lines that are no JSON")
        for metric in ENDS:
            self.assertEqual(self.daemon.distribution(metric)[0], self.answered + self.scraped,
                             metric)

    def assert_openmetrics(self, kind, text):
        self.assertTrue(kind.startswith("application/openmetrics-text"), kind)
        samples = receivers.parse_openmetrics(text)
        self.assertEqual(receivers.duplicates(text), [])
        gone = self.daemon.total("sockeye.series.expired")
        for metric in ENDS:
            name = metric.replace(".", "_") + "_seconds_count"
            shown = receivers.sum_samples(samples, name)
            # On a slow machine series are idle before all are asked for, and make room.
            self.assertLessEqual(shown, self.answered, metric)
            self.assertTrue(shown == self.answered or gone > 0, (metric, shown, self.answered))
        print(f"OpenMetrics page: {len(text)} bytes, {len(samples)} samples")

    def assert_text(self, kind, text):
        self.assertTrue(kind.startswith("text/plain"), kind)
        self.assertEqual(receivers.promtool_says(text), "")
        self.assertEqual(receivers.duplicates(text), [])

    def assert_dogstatsd(self):
        sums = self.agent.sums
        print(f"DogStatsD: {sums.datagrams} datagrams, {sums.lines} lines, largest {sums.largest}")
        self.assertEqual(sums.malformed, [])
        self.assertLessEqual(sums.largest, 1432)
        for metric in ENDS:
            self.assertEqual(self.agent.weight(metric), self.answered + self.scraped, metric)

    def assert_everything(self, series_limit, values_limit):
        harness.wait_until(lambda: all(self.daemon.distribution(metric)[0] >= self.answered
                                       for metric in ENDS), 60, "what was answered")
        self.daemon.wait_for_snapshots(4)  # the thread that writes the page may be behind
        pages = self.page.get(receivers.OPENMETRICS), self.page.get(receivers.TEXT)
        self.scraped = len(pages)  # these are requests too
        self.assertEqual(self.daemon.stop(), 0)
        self.agent.down()
        self.assertEqual(self.daemon.losses().get(("http", "response_alone")), 2)
        self.assertEqual([self.daemon.unpaired(port=port) for port in self.ports],
                         [{}] * len(self.ports))
        self.assert_within(series_limit, values_limit)
        self.assert_console()
        self.assert_openmetrics(*pages[0])
        self.assert_text(*pages[1])
        self.assert_dogstatsd()

    def run_with(self, *limits, series, values):
        self.start(*limits)
        self.ask_hostile()
        self.ask_with_a_raw_line_feed()
        self.ask_nginx(distinct_paths(DISTINCT))
        self.assert_everything(series, values)

    def test_default_limits(self):
        self.run_with(series=2000, values=1000)
        for metric in ENDS:
            once = [entry[1] for tags, entry in self.daemon.series(metric, port=self.ports[-1])
                    if tags["route"].startswith("/p-")]
            self.assertEqual(set(once), {1}, "a path that was asked for once")
            alive = self.daemon.last_gauge("sockeye.series", metric=metric)
            self.assertLessEqual(alive, len(self.daemon.series(metric)))

    def test_small_limits(self):
        self.run_with("limits.series=40", "limits.tag_values=15", series=40, values=15)

    def test_more_values_than_series(self):
        self.run_with("limits.series=100", "limits.tag_values=100000", series=100, values=100)

    def test_hostile_routes_are_shown_clean(self):
        """Nothing that would end a line, a tag or a label in any format."""
        self.start()
        self.ask_hostile()
        self.assertEqual(self.daemon.stop(), 0)
        self.agent.down()
        self.assertEqual(self.agent.sums.malformed, [])
        for metric in ENDS:
            shown = set(self.daemon.values(metric, "route"))
            print(metric, sorted(shown))
            self.assertEqual(self.daemon.distribution(metric)[0], 2 * len(HOSTILE))
            for route in shown:
                self.assertTrue(route.isascii() and route.isprintable(), route)
                self.assertFalse(set(route) & set('|,"\\'), route)
