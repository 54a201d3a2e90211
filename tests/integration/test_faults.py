# SPDX-License-Identifier: Apache-2.0
"""Receivers that misbehave in every way: after each fault nothing is lost that was not counted.

One daemon has an exporter of each kind for each fault of a table, and each fault has a receiver of
its own, which tells the kinds apart by their paths. Traffic of the test is live all the time.
Exporters "datadog" have two lanes, series and sketches.
"""

import collections
import json
import time
import unittest

import accounts
import fault_frame
import fault_server
import harness
import name_server
import payloads
from fault_frame import RECOVERY_SECONDS, Lane
from fault_server import FaultServer, answer
from traffic import Truth

KEY = "0123456789abcdef0123456789abcdef"
LANES = {"series": payloads.DatadogIntake.SERIES, "sketches": payloads.DatadogIntake.SKETCHES}
# What Truth knows: the kinds beside Datadog send nothing else, to be read soon.
METRICS = Truth().metrics
REQUEST_TIMEOUT = "1s"

# What a receiver can make a daemon read of one answer: 64 KiB, and what buffers held.
STREAMED_MAX_BYTES = 16 * 1024 * 1024

# Of exporters over HTTP that share the table of exporters/http/http.h.
FINAL = {400, 403, 422, 501}
# https://opentelemetry.io/docs/specs/otlp/#failures-1: all that are not for later.
OTLP_FINAL = {301, 307, 400, 401, 403, 404, 407, 408, 422, 425, 500, 501}

# Exporters "type" at the server's url + `path`; `lanes` are {what follows the name: path}. `lacks`
# are settings that it does not have, `final` the statuses after which points are given up. An
# attempt that meets a status of `requests` is made of so many requests: a Pushgateway that cannot
# read a page gets it again as text.
Kind = collections.namedtuple("Kind", "type path lanes settings lacks receiver final requests")

KINDS = (
    Kind("datadog", "", {f".{lane}": path for lane, path in LANES.items()},
         ("metrics: {deny: ['sockeye.exporter.*']}",), (),
         payloads.DatadogIntake, FINAL, {}),
    Kind("otlp", payloads.Otlp.PATH, {"": payloads.Otlp.PATH},
         ("encoding: json", "temporality: delta", f"metrics: {{allow: {METRICS}}}"), (),
         payloads.Otlp, OTLP_FINAL, {}),
    Kind("pushgateway", "", {"": payloads.Gateway.PATH},
         ("instance: test", "delete_on_stop: false", f"metrics: {{allow: {METRICS}}}"),
         ("compression: none",), payloads.Gateway, FINAL, {400: 2}))

# Each of `behaviours` is met once in each lane. `failures` is (least, most) of attempts with
# `reason`: libcurl repeats by itself what failed on an old connection before a byte came back.
# `long`: requests are long, and the receiver takes them in small pieces.
Fault = collections.namedtuple("Fault", "name behaviours reason failures status pause long",
                               defaults=(0, 0, False))


def exactly(name, reason, *behaviours, code=0, pause=0):
    return Fault(name, behaviours, reason, (len(behaviours), len(behaviours)), code, pause)


def about(name, reason, *behaviours, long=False):
    return Fault(name, behaviours, reason, (1, len(behaviours)), long=long)


def status(code, reason):
    return exactly(f"status-{code}", reason, *[answer(code, b"for the test\n")] * 2, code=code)


def date_in(seconds):
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds))


def retry_at(exchange):
    """503 with Retry-After as a date."""
    return answer(503, headers=(f"Retry-After: {date_in(4)}",))(exchange)


def partial_success(rejected):
    """Of OTLP: so many points were taken out."""
    return answer(200, json.dumps({"partialSuccess": {"rejectedDataPoints": str(rejected),
                                                      "errorMessage": "late"}}).encode())


class Faults(fault_frame.Frame):
    """Receivers over HTTP: begin(), what happens, finish()."""

    # A connection, a request and its answer, and 268 KiB of deflate.
    LANE_GROWTH_KIB = 512

    def exporter(self, kind, name, url, *settings):
        inside = [*kind.settings, *(text for text in settings if text not in kind.lacks)]
        if kind.receiver is payloads.DatadogIntake:
            inside.append(f"api_key_file: '{self.key_file}'")
        return (f"{{type: {kind.type}, name: '{name}-{kind.type}', url: '{url}{kind.path}', "
                f"timeout: {REQUEST_TIMEOUT}{''.join(', ' + text for text in inside)}}}")

    def setUp(self):
        super().setUp()
        self.key_file = accounts.write_secret(self, KEY)

    def begin(self, exporters, settings=(), **options):
        """The daemon with an exporter of each kind for each of (name, url, settings...)."""
        self.names = [name for name, *_ in exporters]
        self.start([self.exporter(kind, *words) for words in exporters for kind in KINDS],
                   settings, **options)

    def lanes(self, name):
        return [Lane(f"{name}-{kind.type}{lane}", path, kind)
                for kind in KINDS for lane, path in kind.lanes.items()]

    def check_receiver(self, server, requests):
        self.assertEqual(server.errors, [])
        for kind in KINDS:
            receiver = kind.receiver.of(requests)
            self.assertEqual(receiver.overwritten, [], kind.type)
            self.assertEqual(self.truth.difference(receiver), [], kind.type)

    def check_key(self, server):
        """The key goes in its header, and only there."""
        for request in server.taken + [request for _, request in server.refused]:
            if request.path in LANES.values():
                self.assertEqual(request.headers["dd-api-key"], KEY)
            self.assertNotIn(KEY, request.path)

    @staticmethod
    def delivered_so_far(server, lane):
        """Points of the requests that met no fault, after each of them."""
        receiver, counts = lane.kind.receiver(), [0]
        for request in server.taken:
            if request.path == lane.path and not request.scripted:
                receiver.add(request)
                counts.append(receiver.count)
        return counts


class Scripted(Faults):
    """Faults that are met a fixed number of times."""

    def show(self, *faults):
        self.faults, self.servers = faults, {}
        for fault in faults:
            server = self.servers[fault.name] = FaultServer(self, narrow=fault.long)
            for lane in self.lanes(fault.name):
                times = lane.kind.requests.get(fault.status, 1)
                server.script(lane.path, *[behaviour for behaviour in fault.behaviours
                                           for _ in range(times)])
        self.begin([(fault.name, self.servers[fault.name].url,
                     *(["compression: none"] if fault.long else [])) for fault in faults])
        with self.truth.live(self):
            harness.wait_until(self.is_over, RECOVERY_SECONDS, self.state)
        self.finish()
        for fault in faults:
            with self.subTest(fault=fault.name):
                self.check(fault, self.servers[fault.name])

    def is_over(self):
        return all(self.is_settled(fault, lane)
                   for fault in self.faults for lane in self.lanes(fault.name))

    def is_settled(self, fault, lane):
        words = ("takes all points again" if fault.status in lane.kind.final
                 else "delivering again")
        return self.servers[fault.name].left(lane.path) == 0 and self.books.said(lane.name, words)

    def state(self):
        waiting = [lane.name for fault in self.faults for lane in self.lanes(fault.name)
                   if not self.is_settled(fault, lane)]
        return f"recovery of {waiting}:\n" + "\n".join(self.daemon.log)

    def check(self, fault, server):
        self.check_key(server)
        lost = []
        for lane in self.lanes(fault.name):
            name = lane.name
            print(f"  {name}: {self.books.failures(name)} dropped {self.books.dropped(name)}")
            if fault.status in lane.kind.final:
                lost += self.check_refused(fault, server, lane)
            else:
                self.check_retried(name, fault.reason, fault.failures)
            self.assertIn(self.books.points(name), self.delivered_so_far(server, lane)[-4:])
            self.check_pause(fault, server, lane.path)
        self.check_receiver(server, server.taken + lost)

    def check_refused(self, fault, server, lane):
        """What was dropped is what stood in the requests that were refused: returns these."""
        refused = [request for _, request in server.refused if request.path == lane.path]
        points = lane.kind.receiver.of(refused).count // lane.kind.requests.get(fault.status, 1)
        name = lane.name
        self.assertEqual(self.books.failures(name), {fault.reason: fault.failures[1]})
        self.assertEqual(self.books.dropped(name), {fault.reason: points})
        self.assertEqual(len(self.books.said(name, "refuses points")), 1, self.daemon.log)
        self.assertEqual(len(self.books.said(name, "takes all points again")), 1)
        self.assertEqual(self.books.said(name, "cannot deliver"), [])
        self.assertEqual(self.books.problems(name), [])
        return refused

    def check_pause(self, fault, server, path):
        """Nothing came earlier than the receiver had asked for."""
        if fault.pause == 0:
            return
        asked = [request.time for _, request in server.refused if request.path == path]
        after = [request.time for request in server.taken if request.path == path]
        self.assertGreaterEqual(min(after) - max(asked), fault.pause)


class Statuses(Scripted):
    """The table of exporters/http/http.h, and that of OTLP."""

    def test_status_that_means_later(self):
        """For all kinds but OTLP."""
        self.show(status(401, "unauthorized"), status(404, "rejected"),
                  status(407, "unauthorized"), status(408, "server_error"),
                  status(425, "server_error"), status(429, "throttled"),
                  status(500, "server_error"), status(502, "server_error"),
                  status(503, "server_error"), status(504, "server_error"),
                  status(301, "redirected"), status(307, "redirected"))

    def test_status_that_means_never(self):
        self.show(status(400, "rejected"), status(422, "rejected"), status(501, "rejected"),
                  status(403, "unauthorized"))

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
        name = "some-datadog.series"
        self.assertEqual(self.books.failures(name), {"too_large": 2})
        self.assertEqual(self.books.dropped(name), {})
        sizes = [payloads.DatadogIntake.of([request]).count for request in server.taken
                 if request.path == LANES["series"]]
        refused = payloads.DatadogIntake.of([server.refused[0][1]]).count
        print(f"refused with {refused} points; then at most {max(sizes)} in one")
        self.assertLessEqual(max(sizes), refused // 4 + 1)
        self.assertEqual(self.books.problems(name), [])

    def test_never_is_counted(self):
        server = FaultServer(self)
        server.usual = answer(413)
        self.begin([("none", server.url)])
        with self.truth.live(self):
            self.daemon.wait_for_snapshots(4)
        self.finish()
        self.assertEqual(server.taken, [])
        for lane in self.all_lanes():
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
        self.check_streamed("endless-head")

    def check_streamed(self, fault):
        """Two answers of each lane were without end."""
        self.assertLessEqual(self.servers[fault].streamed,
                             2 * len(self.lanes(fault)) * STREAMED_MAX_BYTES)

    def test_slow(self):
        self.show(exactly("silence", "timeout", *[fault_server.silence()] * 2),
                  about("unread", "timeout", *[fault_server.silence()] * 2, long=True),
                  exactly("slow-head", "timeout", *[answer(pause=10)] * 2),
                  exactly("slow-body", "timeout", *[fault_server.drip()] * 2))

    def test_endless_answer(self):
        """The status counts, the body is not read: 10 GiB cost neither time nor memory."""
        self.show(exactly("endless-503", "server_error", *[fault_server.endless(503)] * 2))
        self.check_streamed("endless-503")

    def test_no_fault(self):
        """What must not disturb at all."""
        servers = {"interim": FaultServer(self), "endless-202": FaultServer(self),
                   "late": FaultServer(self), "long": FaultServer(self),
                   "partly": FaultServer(self)}
        servers["interim"].usual = answer(interim=(100, 102, 103))
        servers["endless-202"].usual = fault_server.endless()
        servers["late"].usual = answer(pause=0.3)
        servers["long"].usual = answer(body=b"\x1b[2J" * 10_000)
        servers["partly"].script(payloads.Otlp.PATH, partial_success(2), partial_success(10 ** 12))
        self.begin([(name, server.url) for name, server in servers.items()])
        with self.truth.live(self):
            self.daemon.wait_for_snapshots(5)
        self.finish()
        for name, server in servers.items():
            with self.subTest(name=name):
                self.check_receiver(server, server.taken)
                for lane in self.lanes(name):
                    self.assertEqual(self.books.failures(lane.name), {})
                    self.assertEqual(self.books.problems(lane.name), [])
                    if name != "partly":
                        self.assertEqual(self.books.dropped(lane.name), {})
        self.check_partly(servers["partly"])
        streamed, requests = servers["endless-202"].streamed, len(servers["endless-202"].taken)
        print(f"of 10 GiB answers {streamed / requests:.0f} bytes each were taken")
        self.assertLessEqual(streamed, requests * STREAMED_MAX_BYTES)

    def check_partly(self, server):
        """Of two requests OTLP's receiver took out two points and all: counted, not sent again."""
        name = "partly-otlp"
        second = [request for request in server.taken if request.scripted][1]
        points = payloads.Otlp.of([second]).count
        self.assertEqual(self.books.dropped(name), {"rejected": 2 + points})
        self.assertEqual(len(self.books.said(name, "refuses points", "late")), 1, self.daemon.log)
        self.assertEqual(len(self.books.said(name, "takes all points again")), 1)
        self.assertEqual(self.books.dropped("partly-pushgateway"), {})


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
                for lane in self.lanes(name):
                    print(f"  {lane.name}: {self.books.failures(lane.name)}")
                    self.check_retried(lane.name, reason, (1, 100))


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
        self.finish(more_threads=len(self.all_lanes()))  # libcurl's resolver, one for each look-up
        self.check_receiver(second, first.taken + second.taken)
        for lane in self.all_lanes():
            self.assertEqual(len(self.books.said(lane, "cannot deliver")), 2, self.daemon.log)
            self.assertEqual(self.books.problems(lane), [])

    def test_name_server_that_is_silent(self):
        """Each look-up ends by the exporter's `timeout`, and a stop waits for none."""
        patience = 30
        names = name_server.NameServer(self, patience)
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
        self.assertLess(took, patience)
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
