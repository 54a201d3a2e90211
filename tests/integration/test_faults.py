# SPDX-License-Identifier: Apache-2.0
"""Receivers that misbehave in every way: after each fault nothing is lost that was not counted.

One daemon has an exporter for each fault of a table, each with a receiver of its own, and traffic
of the test is live all the time. Exporters "datadog" have two lanes, series and sketches.
"""

import collections
import re
import time
import unittest

import accounts
import fault_server
import harness
import name_server
import payloads
from fault_server import FaultServer, answer
from traffic import Truth

KEY = "0123456789abcdef0123456789abcdef"
LANES = {"series": payloads.DatadogIntake.SERIES, "sketches": payloads.DatadogIntake.SKETCHES}
RECOVERY_SECONDS = 90
REQUEST_TIMEOUT = "1s"

# Each lane has a connection, a request and its answer in memory; the rest are series of the test,
# and of whatever else goes on on the machine.
GROWTH_KIB, LANE_GROWTH_KIB = 4096, 128
# What a receiver can make a daemon read of one answer: 64 KiB, and what buffers held.
STREAMED_MAX_BYTES = 16 * 1024 * 1024

# Each of `behaviours` is met once in each lane. `failures` is (least, most) of attempts with
# `reason`: libcurl repeats by itself what failed on an old connection before a byte came back.
# `long`: requests are long, and the receiver takes them in small pieces.
Fault = collections.namedtuple("Fault", "name behaviours reason failures loses pause long",
                               defaults=(False, 0, False))


def exactly(name, reason, *behaviours, loses=False, pause=0):
    return Fault(name, behaviours, reason, (len(behaviours), len(behaviours)), loses, pause)


def about(name, reason, *behaviours, long=False):
    return Fault(name, behaviours, reason, (1, len(behaviours)), long=long)


def status(code, reason, loses=False):
    return exactly(f"status-{code}", reason, *[answer(code, b"for the test\n")] * 2, loses=loses)


def date_in(seconds):
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds))


def retry_at(exchange):
    """503 with Retry-After as a date."""
    return answer(503, headers=(f"Retry-After: {date_in(4)}",))(exchange)


class Faults(unittest.TestCase):
    """The frame: begin(), what happens, finish()."""

    maxDiff = None

    def exporter(self, name, url, *settings):
        return (f"{{type: datadog, name: '{name}', url: '{url}', api_key_file: '{self.key_file}', "
                f"timeout: {REQUEST_TIMEOUT}{''.join(', ' + text for text in settings)}}}")

    def setUp(self):
        self.truth = Truth()
        self.key_file = accounts.write_secret(self, KEY)

    def begin(self, exporters, settings=(), **options):
        """The daemon with an exporter for each of (name, url, settings...)."""
        self.names = [name for name, *_ in exporters]
        self.daemon = harness.Daemon(
            self, *settings, exporters=[self.exporter(*words) for words in exporters], **options)
        self.books = accounts.Accounts(self.daemon)
        self.footprint = accounts.Footprint(self, self.daemon.pid)

    def lanes(self, name):
        return [(f"{name}.{lane}", path) for lane, path in LANES.items()]

    def wait_until_recovered(self, names=None):
        """Every lane has failed and delivers again."""
        waiting = [lane for name in names or self.names for lane, _ in self.lanes(name)]
        harness.wait_until(
            lambda: all(self.books.is_delivering(lane) for lane in waiting), RECOVERY_SECONDS,
            lambda: f"recovery of {[x for x in waiting if not self.books.is_delivering(x)]}: "
                    + "\n".join(self.daemon.log))

    def finish(self, more_threads=0):
        """Stops the daemon with two quiet intervals behind it."""
        self.truth.add(self, 10)
        self.daemon.wait_for_snapshots(2)
        self.assertEqual(self.daemon.stop(), 0)
        self.footprint.end()
        lanes = len(self.names) * len(LANES)
        print(f"{self.truth.connections} connections, {self.truth.requests} requests; "
              f"{self.footprint.first_kib} KiB + {self.footprint.grown_kib} KiB for {lanes} lanes, "
              f"{self.footprint.most_threads} threads")
        self.assertEqual(self.truth.difference(self.daemon), [])
        if not harness.is_sanitized():  # what is freed stays resident for a while then
            self.assertLessEqual(self.footprint.grown_kib, GROWTH_KIB + lanes * LANE_GROWTH_KIB)
        self.assertLessEqual(self.footprint.most_threads,
                             self.footprint.first_threads + more_threads)

    def check_receiver(self, server, requests):
        self.assertEqual(server.errors, [])
        intake = payloads.DatadogIntake.of(requests)
        self.assertEqual(intake.overwritten, [])
        self.assertEqual(self.truth.difference(intake), [])

    def check_key(self, server):
        """The key goes in its header, and only there."""
        for request in server.taken + [request for _, request in server.refused]:
            self.assertEqual(request.headers["dd-api-key"], KEY)
            self.assertNotIn(KEY, request.path)

    def check_retried(self, lane, reason, failures):
        """It failed for this reason only, said so once, and gave nothing up."""
        found = self.books.failures(lane)
        self.assertEqual(list(found), [reason], found)
        self.assertGreaterEqual(found[reason], failures[0])
        self.assertLessEqual(found[reason], failures[1])
        self.assertEqual(self.books.dropped(lane), {})
        self.assertEqual(len(self.books.said(lane, "cannot deliver")), 1, self.daemon.log)
        self.assertEqual(len(self.books.said(lane, "delivering again")), 1, self.daemon.log)
        self.assertEqual(self.books.problems(lane), [])

    def delivered_so_far(self, server, path):
        """Points that the receiver had after each request, a repeated one counted once."""
        intake, counts = payloads.DatadogIntake(), [0]
        for request in server.taken:
            if request.path == path:
                intake.add(request)
                counts.append(len(intake.series) + len(intake.sketches))
        return counts


class Scripted(Faults):
    """Faults that are met a fixed number of times."""

    def show(self, *faults):
        self.faults, self.servers = faults, {}
        for fault in faults:
            server = self.servers[fault.name] = FaultServer(self, narrow=fault.long)
            for path in LANES.values():
                server.script(path, *fault.behaviours)
        self.begin([(fault.name, self.servers[fault.name].url,
                     *(["compression: none"] if fault.long else [])) for fault in faults])
        with self.truth.live(self):
            harness.wait_until(self.is_over, RECOVERY_SECONDS, self.state)
        self.finish()
        for fault in faults:
            with self.subTest(fault=fault.name):
                self.check(fault, self.servers[fault.name])

    def is_over(self):
        return all(self.is_settled(fault, lane, path)
                   for fault in self.faults for lane, path in self.lanes(fault.name))

    def is_settled(self, fault, lane, path):
        words = "takes all points again" if fault.loses else "delivering again"
        return self.servers[fault.name].left(path) == 0 and self.books.said(lane, words)

    def state(self):
        waiting = [lane for fault in self.faults for lane, path in self.lanes(fault.name)
                   if not self.is_settled(fault, lane, path)]
        return f"recovery of {waiting}:\n" + "\n".join(self.daemon.log)

    def check(self, fault, server):
        self.check_key(server)
        for lane, path in self.lanes(fault.name):
            print(f"  {lane}: {self.books.failures(lane)} dropped {self.books.dropped(lane)}")
            if fault.loses:
                self.check_refused(fault, server, lane, path)
            else:
                self.check_retried(lane, fault.reason, fault.failures)
            self.assertIn(self.books.points(lane), self.delivered_so_far(server, path)[-4:])
            self.check_pause(fault, server, path)
        lost = [request for _, request in server.refused] if fault.loses else []
        self.check_receiver(server, server.taken + lost)

    def check_refused(self, fault, server, lane, path):
        """What was dropped is what stood in the requests that were refused."""
        refused = payloads.DatadogIntake.of(
            request for _, request in server.refused if request.path == path)
        self.assertEqual(self.books.failures(lane), {fault.reason: fault.failures[1]})
        self.assertEqual(self.books.dropped(lane), {fault.reason: refused.points})
        self.assertEqual(len(self.books.said(lane, "refuses points")), 1, self.daemon.log)
        self.assertEqual(len(self.books.said(lane, "takes all points again")), 1)
        self.assertEqual(self.books.said(lane, "cannot deliver"), [])
        self.assertEqual(self.books.problems(lane), [])

    def check_pause(self, fault, server, path):
        """Nothing came earlier than the receiver had asked for."""
        if fault.pause == 0:
            return
        asked = [request.time for _, request in server.refused if request.path == path]
        after = [request.time for request in server.taken if request.path == path]
        self.assertGreaterEqual(min(after) - max(asked), fault.pause)


class Statuses(Scripted):
    """The table of exporters/http/http.h."""

    def test_status_that_means_later(self):
        self.show(status(401, "unauthorized"), status(404, "rejected"),
                  status(407, "unauthorized"), status(408, "server_error"),
                  status(425, "server_error"), status(429, "throttled"),
                  status(500, "server_error"), status(502, "server_error"),
                  status(503, "server_error"), status(504, "server_error"),
                  status(301, "redirected"), status(307, "redirected"))

    def test_status_that_means_never(self):
        self.show(status(400, "rejected", loses=True), status(422, "rejected", loses=True),
                  status(501, "rejected", loses=True), status(403, "unauthorized", loses=True))

    def test_pause_that_the_receiver_asks_for(self):
        self.show(exactly("seconds-429", "throttled",
                          answer(429, headers=("Retry-After: 3",)), pause=3),
                  exactly("seconds-503", "server_error",
                          answer(503, headers=("Retry-After: 4",)), pause=4),
                  # A date has whole seconds, so up to one of the four may be over already.
                  exactly("date-503", "server_error", retry_at, pause=3),
                  exactly("nonsense", "throttled",
                          answer(429, headers=("Retry-After: soon; -1 1e99",))))


class TooLarge(Faults):
    """413: smaller payloads, until one is so small that its points are given up."""

    def test_smaller_payloads_are_taken(self):
        server = FaultServer(self)
        server.script(LANES["series"], answer(413), answer(413))
        self.begin([("some", server.url)])
        with self.truth.live(self):
            harness.wait_until(lambda: server.left(LANES["series"]) == 0, RECOVERY_SECONDS)
            self.daemon.wait_for_snapshots(3)
        self.finish()
        self.check_receiver(server, server.taken)
        self.assertEqual(self.books.failures("some.series"), {"too_large": 2})
        self.assertEqual(self.books.dropped("some.series"), {})
        sizes = [payloads.DatadogIntake.of([request]).points for request in server.taken
                 if request.path == LANES["series"]]
        refused = payloads.DatadogIntake.of([server.refused[0][1]]).points
        print(f"refused with {refused} points; then at most {max(sizes)} in one")
        self.assertLessEqual(max(sizes), refused // 4 + 1)
        self.assertEqual(self.books.problems("some.series"), [])

    def test_never_is_counted(self):
        server = FaultServer(self)
        server.usual = answer(413)
        self.begin([("none", server.url)])
        with self.truth.live(self):
            self.daemon.wait_for_snapshots(4)
        self.finish()
        self.assertEqual(server.taken, [])
        for lane, _ in self.lanes("none"):
            self.assertEqual(list(self.books.failures(lane)), ["too_large"])
            self.assertEqual(list(self.books.dropped(lane)), ["too_large"])
            self.assertEqual(self.books.points(lane), 0)
            self.assertEqual(self.books.problems(lane), [])
            self.assertEqual(len(self.books.said(lane, "refuses points")), 1, self.daemon.log)


class Answers(Scripted):
    """Connections that break, and answers that are none."""

    def test_broken(self):
        self.show(about("reset-before", "reset", *[fault_server.reset("before")] * 3),
                  about("reset-before-long", "reset", *[fault_server.reset("before")] * 3,
                        long=True),
                  about("reset-request", "reset", *[fault_server.reset("request")] * 3, long=True),
                  exactly("reset-answer", "reset", *[fault_server.reset("answer")] * 2),
                  about("half-close", "reset", *[fault_server.half_close()] * 3),
                  exactly("truncated", "reset", *[fault_server.truncated()] * 2),
                  exactly("truncated-503", "reset", *[fault_server.truncated(503)] * 2),
                  exactly("garbage", "bad_answer", *[fault_server.garbage()] * 2),
                  exactly("endless-head", "bad_answer", *[fault_server.endless_head()] * 2))
        self.assertLessEqual(self.servers["endless-head"].streamed, 4 * STREAMED_MAX_BYTES)

    def test_slow(self):
        self.show(exactly("silence", "timeout", *[fault_server.silence()] * 2),
                  about("unread", "timeout", *[fault_server.silence()] * 2, long=True),
                  exactly("slow-head", "timeout", *[answer(pause=10)] * 2),
                  exactly("slow-body", "timeout", *[fault_server.drip()] * 2))

    def test_endless_answer(self):
        """The status counts, the body is not read: 10 GiB cost neither time nor memory."""
        self.show(exactly("endless-503", "server_error", *[fault_server.endless(503)] * 2))
        self.assertLessEqual(self.servers["endless-503"].streamed, 4 * STREAMED_MAX_BYTES)

    def test_no_fault(self):
        """What must not disturb at all."""
        servers = {"interim": FaultServer(self), "endless-202": FaultServer(self),
                   "late": FaultServer(self), "long": FaultServer(self)}
        servers["interim"].usual = answer(interim=(100, 102, 103))
        servers["endless-202"].usual = fault_server.endless()
        servers["late"].usual = answer(pause=0.3)
        servers["long"].usual = answer(body=b"\x1b[2J" * 10_000)
        self.begin([(name, server.url) for name, server in servers.items()])
        with self.truth.live(self):
            self.daemon.wait_for_snapshots(5)
        self.finish()
        for name, server in servers.items():
            with self.subTest(name=name):
                self.check_receiver(server, server.taken)
                for lane, _ in self.lanes(name):
                    self.assertEqual(self.books.failures(lane), {})
                    self.assertEqual(self.books.problems(lane), [])
        streamed, requests = servers["endless-202"].streamed, len(servers["endless-202"].taken)
        print(f"of 10 GiB answers {streamed / requests:.0f} bytes each were taken")
        self.assertLessEqual(streamed, requests * STREAMED_MAX_BYTES)


class Lasting(Faults):
    """Faults that last until the test ends them."""

    def show(self, faults, **options):
        """faults: [(name, url, settings..., reason, end)] where end() ends the fault."""
        self.begin([fault[:-2] for fault in faults], **options)
        with self.truth.live(self):
            for lane in self.all_lanes():
                self.wait_for_two_failures(lane)
            for *_, end in faults:
                end()
            self.wait_until_recovered()
        self.finish()
        for name, *_, reason, _ in faults:
            with self.subTest(fault=name):
                for lane, _ in self.lanes(name):
                    print(f"  {lane}: {self.books.failures(lane)}")
                    self.check_retried(lane, reason, (1, 100))

    def wait_for_two_failures(self, lane):
        harness.wait_until(lambda: sum(self.books.failures(lane).values()) > 1, RECOVERY_SECONDS,
                           lambda: f"failures of {lane}: " + "\n".join(self.daemon.log))

    def all_lanes(self):
        return [lane for name in self.names for lane, _ in self.lanes(name)]


class Connecting(Lasting):
    """Nobody listens, nobody accepts, the name is unknown or has moved."""

    def test_refused_and_deaf(self):
        away, deaf = FaultServer(self, up=False), FaultServer(self, up=False)
        silence = deaf.deaf()
        silence.__enter__()
        self.show([("refused", away.url, "refused", away.up),
                   ("deaf", deaf.url, "timeout", lambda: silence.__exit__(None, None, None))])
        for server in (away, deaf):
            self.check_receiver(server, server.taken)

    def test_no_route(self):
        """The daemon lives in a namespace where the receiver's address comes later."""
        harness.need("ip", "nsenter")
        namespace = harness.Namespace(self)
        namespace.run("sysctl", "-q", "net.ipv4.ip_nonlocal_bind=1")
        server = FaultServer(self, host="192.0.2.1", make_socket=namespace.socket)
        appear = ("ip", "address", "add", "192.0.2.1/32", "dev", "lo")
        self.show([("no-route", server.url, "unreachable", lambda: namespace.run(*appear))],
                  prefix=("nsenter", f"--net=/run/netns/{namespace.name}"))
        self.check_receiver(server, server.taken)

    def test_name_that_comes_and_moves(self):
        names = name_server.NameServer(self)
        first = FaultServer(self, host="127.0.0.2")
        second = FaultServer(self, host="127.0.0.3", port=first.port, up=False)

        def appear():
            names.addresses = ["127.0.0.2"]
        url = f"http://intake.test:{first.port}"
        self.begin([("named", url)], prefix=names.prefix)
        with self.truth.live(self):
            self.wait_for_failures("unresolved")
            appear()
            self.wait_until_recovered()
            names.addresses = ["127.0.0.3"]
            first.down()
            second.up()
            self.wait_for_failures("refused")
            harness.wait_until(lambda: all(len(self.books.said(lane, "delivering again")) == 2
                                           for lane in self.all_lanes()), RECOVERY_SECONDS,
                               lambda: "\n".join(self.daemon.log))
        self.finish(more_threads=len(LANES))  # libcurl's resolver, one for each look-up
        self.check_receiver(second, first.taken + second.taken)
        for lane in self.all_lanes():
            self.assertEqual(len(self.books.said(lane, "cannot deliver")), 2, self.daemon.log)
            self.assertEqual(self.books.problems(lane), [])

    def test_name_server_that_is_silent(self):
        """Each look-up ends by the exporter's `timeout`, and a stop waits for none."""
        names = name_server.NameServer(self, patience=30)
        names.silent = True
        self.begin([("silent", "http://intake.test:1")], settings=["shutdown_timeout=1s"],
                   prefix=names.prefix)
        with self.truth.live(self):
            for lane in self.all_lanes():
                self.wait_for_two_failures(lane)
                self.assertLessEqual(set(self.books.failures(lane)), {"timeout", "unresolved"})
        begun = time.monotonic()
        self.assertEqual(self.daemon.stop(), 0)
        took = time.monotonic() - begun
        print(f"stopped in {took:.1f} s while the look-up hangs")
        self.assertLess(took, 5)
        self.assertEqual(self.truth.difference(self.daemon), [])
        self.assertGreater(names.queries, 0)

    def wait_for_failures(self, reason):
        for lane in self.all_lanes():
            harness.wait_until(lambda: self.books.failures(lane).get(reason, 0) > 0,
                               RECOVERY_SECONDS, lambda: f"{reason} of {lane}: "
                               + "\n".join(self.daemon.log))


class Encrypted(Lasting):
    """Certificates: only the right one is talked to, and before that not a byte is told."""

    def test_certificates(self):
        authority = fault_server.Authority(self)
        right = authority.context()
        wrong = {"expired": authority.context(expired=True),
                 "self-signed": authority.context(self_signed=True),
                 "wrong-name": authority.context("DNS:elsewhere.test"),
                 "stranger": fault_server.Authority(self).context(),
                 "plain": None}
        servers = {}
        for name, context in wrong.items():
            servers[name] = FaultServer(self)
            servers[name].tls = context

        def put_right(server):
            self.assertEqual(server.taken, [])
            server.tls = right
        self.show([(name, server.url.replace("http:", "https:"),
                    f"tls: {{ca_file: '{authority.certificate}'}}", "tls",
                    lambda server=server: put_right(server))
                   for name, server in servers.items()])
        for name, server in servers.items():
            if name == "plain":
                self.assertNotEqual(server.errors, [])
                server.errors.clear()
            self.check_receiver(server, server.taken)


class Secrets(unittest.TestCase):
    """No secret in a log, an argument, a URL or a dump; a file that others may read is refused."""

    def words(self, path, url="http://127.0.0.1:1"):
        return (f"exporters=[{{type: datadog, url: '{url}', api_key_file: '{path}'}}]",)

    def test_file_that_others_may_read(self):
        for mode in (0o644, 0o640, 0o604):
            with self.subTest(mode=oct(mode)):
                path = accounts.write_secret(self, KEY, mode)
                done = harness.sockeye("run", "-c", "/dev/null", "--once", "--set",
                                       *self.words(path))
                self.assertEqual(done.returncode, harness.EXIT_CONFIG, done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertIn(path, done.stderr)
                self.assertNotIn(KEY, done.stderr)
                print(done.stderr.strip(), end="; ")

    def test_key_is_nowhere_but_in_its_header(self):
        server = FaultServer(self)
        echo = answer(400, f"you sent {KEY}\r\n".encode())
        for path in LANES.values():
            server.script(path, echo, answer(503, KEY.encode()))
        key_file = accounts.write_secret(self, KEY)
        settings = self.words(key_file, server.url)
        checked = harness.sockeye("check", "--set", *settings)
        daemon = harness.Daemon(self, *settings, "log.level=debug", console=None)
        harness.wait_until(lambda: sum(request.path == LANES["series"]
                                       for request in server.taken) > 1, 60, "deliveries")
        with open(f"/proc/{daemon.pid}/cmdline", encoding="utf-8") as file:
            command_line = file.read()
        with open(f"/proc/{daemon.pid}/environ", encoding="utf-8") as file:
            environment = file.read()
        self.assertEqual(daemon.stop(), 0)
        for text in (checked.stdout, checked.stderr, command_line, environment,
                     "\n".join(daemon.log), "\n".join(daemon.lines)):
            self.assertNotIn(KEY, text)
        requests = server.taken + [request for _, request in server.refused]
        for request in requests:
            self.assertEqual(request.headers.pop("dd-api-key"), KEY)
            self.assertNotIn(KEY, request.path + repr(request.headers) + repr(request.body))
        self.assertTrue(any("400" in line for line in daemon.log), daemon.log)


if __name__ == "__main__":
    unittest.main(verbosity=2)
