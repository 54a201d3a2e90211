# SPDX-License-Identifier: Apache-2.0
"""The dashboards and alert rules of packaging/ before a real Prometheus that scrapes live daemons:
every query returns something, alerts fire in a made outage and resolve after it.

Three daemons: one that sees traffic and whose receivers are away, one on a host that allows little,
and one that goes and comes back.
"""

import contextlib
import json
import os
import re
import signal
import socket
import struct
import sys
import threading
import time
import unittest
import urllib.parse

import accounts
import dns_peer
import http2_peer
import fault_server
import harness
import payloads
import receivers
import test_delivery
import test_pressure
from conversation import Conversation, answer, get
from test_probe import WITHOUT_CGROUP2, mounts_changed
from test_spoken import Certificate
from traffic import Truth

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", folder) for folder in ("reference", "bench")]
import dashboards  # pylint: disable=wrong-import-position,import-error
from machine import bpf_stats  # pylint: disable=wrong-import-position,import-error

# Rules as they are, but for how long things take.
FASTER = ((r"\bfor: \w+", "for: 1s"), (r"\[10m\]", "[10s]"), (r"offset 10m", "offset 10s"),
          (r"\[1h\]", "[1m]"))
FIRING_SECONDS, RESOLVED_SECONDS, QUERY_SECONDS = 60, 60, 60

# Fire while all is bad; of these only the outages are over in the end.
OUTAGES = {"SockeyeExporterFailing", "SockeyePointsDropped", "SockeyeKernelLosses",
           "SockeyeRequestsLost", "SockeyeSeriesOverflow", "SockeyeLogDropped"}
LASTING = {"SockeyeProgramNotAttached", "SockeyeFeatureMissing"}
GONE = {"SockeyeNotReady", "SockeyeGone"}
# A daemon that is well has no way into these; what they ask for is there, and promtool has them
# fire (tests/reference/test_alerts.py).
NOT_MADE = {"SockeyeRingNearlyFull", "SockeyeSamplesLost", "SockeyeExporterBehind", "SockeyeMemory",
            "SockeyeCpu"}

# Datadog gets no counter that never moved, and these do not on a daemon that is well, and on a host
# without containers.
NOT_COUNTED = {"sockeye.processes.forgotten", "sockeye.names.forgotten", "sockeye.log.dropped",
               "sockeye.exporter.spool.replayed", "sockeye.containers.lookups",
               "sockeye.nat.lookups", "sockeye.nat.dumps", "sockeye.nat.lost",
               *(f"sockeye.usm.process_monitor.{trouble}"
                 for trouble in ("restart", "reinit_failed", "process_scan_failed", "lost"))}


class Prometheus(test_delivery.Store):
    """One with our rules, and pages of several daemons."""

    def __init__(self, test, pages):
        harness.need("prometheus")
        super().__init__(test, None, "sockeye")
        with open(dashboards.RULES, encoding="utf-8") as file:
            rules = file.read()
        for old, new in FASTER:
            rules, changes = re.subn(old, new, rules)
            test.assertGreater(changes, 0, old)
        self.rules = os.path.join(self.folder, "rules.yaml")
        with open(self.rules, "w", encoding="utf-8") as file:
            file.write(rules)
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s",
                                  "evaluation_interval": "1s"},
                       "rule_files": [self.rules],
                       "scrape_configs": [{"job_name": "sockeye", "static_configs": [
                           {"targets": [f"127.0.0.1:{page.port}" for page in pages]}]}]}, file)
        self.start("prometheus", f"--config.file={self.config}",
                   f"--storage.tsdb.path={self.folder}/data",
                   f"--web.listen-address=127.0.0.1:{self.port}",
                   "--web.enable-remote-write-receiver", ready="/-/ready")

    def api(self, path, **words):
        text = self.get(f"/api/v1/{path}?{urllib.parse.urlencode(words)}")
        return json.loads(text)["data"] if text else None

    def result(self, query):
        """[(labels, value)]; None when it is no PromQL."""
        data = self.api("query", query=query)
        return data and [(entry["metric"], float(entry["value"][1])) for entry in data["result"]]

    def firing(self):
        """{name: one of them}"""
        return {alert["labels"]["alertname"]: alert
                for alert in self.api("alerts")["alerts"] if alert["state"] == "firing"}

    def rule_queries(self):
        """{alert: query}"""
        return {rule["name"]: rule["query"] for group in self.api("rules")["groups"]
                for rule in group["rules"]}


class Odd:
    """Traffic of all the kinds that a dashboard has a panel for."""

    ROUTES = 30

    def __init__(self, test):
        self.test = test
        self.port, self.other_port, self.closed_port = (harness.free_port() for _ in range(3))
        self.number = 0
        self.names = harness.Namespace(test)
        self.certificate = Certificate(test)

    def once(self):
        with harness.Scope() as scope:
            self.failing_requests(scope)
            self.cut_off(scope)
            self.unpaired(scope)
            self.unknown(scope)
            self.crowd(scope)
            self.datagrams(scope)
            self.lookups(scope)
            self.calls(scope)
            self.operations(scope)
            self.messages(scope)
            self.encrypted(scope)
        with contextlib.suppress(ConnectionRefusedError), socket.socket() as refused:
            refused.connect(("127.0.0.1", self.closed_port))

    def crowd(self, scope):
        """A listener that has no room."""
        listener = harness.listen(scope, harness.free_port(), backlog=1)
        for _ in range(5):
            client = socket.socket()
            scope.addCleanup(client.close)
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(listener.getsockname())

    def datagrams(self, scope):
        """To a group, and more than a program has room for."""
        listener, sender = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        scope.addCleanup(listener.close)
        scope.addCleanup(sender.close)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", harness.free_port()))
        for _ in range(50):
            sender.sendto(bytes(500), listener.getsockname())

    def lookups(self, scope):
        """A name that is known, and an answer that is cut."""
        server, client = (self.names.socket(kind=socket.SOCK_DGRAM) for _ in range(2))
        scope.addCleanup(server.close)
        scope.addCleanup(client.close)
        server.bind(("127.0.0.1", 53))
        for flags in (0, dns_peer.TRUNCATED):
            client.sendto(dns_peer.question(1, "name.example"), server.getsockname())
            asked, address = server.recvfrom(1000)
            server.sendto(dns_peer.answer(asked, flags=flags), address)
            client.recv(1000)

    def calls(self, scope):
        """Of gRPC: one that is answered, and one that is not."""
        talk = Conversation(scope, self.port)
        talk.exchange(http2_peer.opening() + http2_peer.call(1, "a.B/C"), http2_peer.returned(1))
        talk.client_sends(http2_peer.call(3, "a.B/C"))
        talk.server.close()
        talk.close()

    def operations(self, scope):
        """Of Redis: one that works, one that fails, and one that is not answered; of PostgreSQL one
        with a table."""
        talk = Conversation(scope, self.port)
        talk.exchange(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", b"$1\r\nv\r\n")
        talk.exchange(b"*2\r\n$4\r\nINCR\r\n$1\r\nk\r\n",
                      b"-WRONGTYPE it is none\r\n")
        talk.client_sends(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")
        talk.server.close()
        talk.close()

        def message(kind, text):
            return kind + struct.pack("!I", 4 + len(text)) + text
        talk = Conversation(scope, self.port)
        talk.exchange(message(b"Q", b"select a from orders\0"),
                      message(b"C", b"SELECT 0\0") + message(b"Z", b"I"))
        talk.close()

    def messages(self, scope):
        """Of Kafka: sent to a topic that is there, to one that is not, and without an answer; a poll
        that gets something, one that gets nothing, and one that is not answered."""
        def ask(key, version, number, body):
            head = struct.pack("!HHIH", key, version, number, 3) + b"own"
            return struct.pack("!I", len(head + body)) + head + body

        def told(number, body):
            return struct.pack("!II", len(body) + 4, number) + body
        topic = struct.pack("!IH", 1, 6) + b"orders" + struct.pack("!II", 1, 0)
        poll = bytes(12) + topic + bytes(12)
        talk = Conversation(scope, self.port)
        for number, error in ((1, 0), (2, 3)):
            talk.exchange(ask(0, 0, number, b"\0\1" + bytes(4) + topic + bytes(4)),
                          told(number, topic + struct.pack("!HQ", error, 1)))
        talk.client_sends(ask(0, 0, 3, b"\0\0" + bytes(4) + topic + bytes(4)))
        for number, records in ((4, b"records"), (5, b"")):
            talk.exchange(ask(1, 0, number, poll), told(number, topic + bytes(10) + struct.pack(
                "!I", len(records)) + records))
        talk.client_sends(ask(1, 0, 6, poll))
        talk.server.close()
        talk.close()

    def encrypted(self, scope):
        """A session of TLS."""
        self.certificate.talk(Conversation(scope, self.port))

    def failing_requests(self, scope):
        """Of more routes than there is room for."""
        talk = Conversation(scope, self.port)
        for _ in range(5):
            self.number += 1
            name = "".join(chr(ord("a") + int(digit)) for digit in str(self.number % self.ROUTES))
            talk.exchange(get(f"/list/{name * 3}"), answer(500))
        talk.close()

    def cut_off(self, scope):
        talk = Conversation(scope, self.port)
        talk.exchange(get("/a"), answer())
        talk.client_sends(get("/a"))
        talk.server.close()
        talk.close()

    def unpaired(self, scope):
        """Answers that nobody asked for."""
        talk = Conversation(scope, self.port)
        talk.exchange(get("/a"), answer())
        for _ in range(10):
            talk.server_sends(answer())
        talk.close()

    def unknown(self, scope):
        talk = Conversation(scope, self.other_port)
        for _ in range(20):
            talk.exchange(b"\0\0\0\1question", b"\0\0\0\2answer")
        talk.close()

    @contextlib.contextmanager
    def live(self):
        ended, errors = threading.Event(), []

        def go_on():
            try:
                while not ended.wait(0.1):
                    self.once()
            except Exception as error:  # pylint: disable=broad-except
                errors.append(error)
        thread = threading.Thread(target=go_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
        self.test.assertEqual(errors, [])


class Live(unittest.TestCase):
    def setUp(self):
        self.pages = [receivers.Page() for _ in range(3)]
        self.prometheus = Prometheus(self, self.pages)
        folder = harness.temporary_folder(self)
        self.agent = receivers.Agent(self, path=os.path.join(folder, "agent"), up=False)
        self.refusing = fault_server.FaultServer(self)
        self.refusing.usual = fault_server.answer(400, b"not these")
        self.away = fault_server.FaultServer(self, up=False)
        self.away.usual = fault_server.answer(200)
        self.intake = fault_server.FaultServer(self)
        self.spool, self.control = (os.path.join(folder, name) for name in ("spool", "control"))

    # ---- the daemons ----

    def start_seeing(self):
        key = accounts.write_secret(self, "0123456789abcdef0123456789abcdef")
        return harness.Daemon(
            self, "protocols.dns=true", "protocols.http2=true", "protocols.redis=true",
            "protocols.kafka=true", "protocols.postgres=true", "protocols.tls=true",
            "connections.remote=name", "limits.tag_values=40",
            "limits.idle=10s", f"control.socket={self.control}",
            console=None, exporters=(
                self.pages[0].exporter, self.agent.exporter,
                f"{{type: remote_write, url: '{self.refusing.url}/api/v1/write'}}",
                f"{{type: otlp, url: '{self.away.url}/v1/metrics', "
                f"spool: {{path: '{self.spool}'}}}}",
                f"{{type: datadog, url: '{self.intake.url}', encoding: json, "
                f"api_key_file: '{key}'}}"))

    def start_blind(self):
        """It sees no cgroup, and nobody takes its log."""
        daemon = harness.Daemon(
            self, "source.cgroup=null", console=None, exporters=(self.pages[1].exporter,),
            prefix=mounts_changed(WITHOUT_CGROUP2.replace('exec "$@"', 'exec "$@" 2>/dev/full')),
            wait=False)
        harness.wait_until(lambda: self.prometheus.result(self.up(1)), 60, "its page")
        return daemon

    def start_passing(self):
        """Nothing keeps its idle series alive."""
        return harness.Daemon(self, "limits.idle=10s", console=None, exporters=(
            self.pages[2].exporter, "{type: remote_write, url: "
            f"'http://127.0.0.1:{self.prometheus.port}/api/v1/write'}}"))

    def up(self, number):
        return f'up{{instance="127.0.0.1:{self.pages[number].port}"}} == 1'

    # ---- what happens ----

    def lose_in_the_kernel(self, daemon):
        """More connections end than the ring holds while the daemon does not read."""
        crowd = test_pressure.RingFull
        child = harness.spawn_python(self, crowd.SOURCE, harness.free_port(), crowd.EARLIER,
                                     crowd.MEANWHILE, crowd.KEPT)
        harness.read_word(child, "open")
        daemon.process.send_signal(signal.SIGSTOP)
        harness.tell(child, "close")
        harness.read_word(child, "closed")
        daemon.process.send_signal(signal.SIGCONT)
        harness.tell(child, "end")

    def lose_on_the_wire(self):
        pair, port = harness.Pair(self), harness.free_port()
        ends = pair.connect(self, port)
        pair.set_loss(port, True)
        for source, target in (ends, ends[::-1]):
            harness.transfer(source, target, 700_000)
        pair.set_loss(port, False)

    # ---- what is shown ----

    def wait_for_alerts(self, expected, timeout, daemons=()):
        """All of these fire; returns one of each."""
        def missing():
            for daemon in daemons:  # a line for its log
                daemon.process.send_signal(signal.SIGHUP)
            return expected - set(self.prometheus.firing())
        started = time.monotonic()
        harness.wait_until(lambda: not missing(), timeout,
                           lambda: f"{missing()}; {self.prometheus.said()[-2000:]}", step=0.5)
        print(f"{len(expected)} alerts fire after {time.monotonic() - started:.0f} s", end="; ")
        return self.prometheus.firing()

    def wait_for_resolution(self, alerts, timeout):
        started = time.monotonic()
        harness.wait_until(lambda: not alerts & set(self.prometheus.firing()), timeout,
                           lambda: [alert for name, alert in self.prometheus.firing().items()
                                    if name in alerts], step=0.5)
        print(f"{len(alerts)} resolved after {time.monotonic() - started:.0f} s", end="; ")

    def check_grafana(self):
        """Every query of every panel has a result; what Grafana offers as values as well."""
        dashboard = dashboards.load(dashboards.GRAFANA)
        queries = {f"{panel['title']} {target['refId']}": dashboards.fill_in(target["expr"])
                   for panel, target in dashboards.targets_of(dashboard)}
        left = dict(queries)

        def ask():
            harness.command("curl", "-sSf", "--unix-socket", self.control, "http://x/health")
            for name in [name for name, query in left.items() if self.prometheus.result(query)]:
                del left[name]
            return not left
        harness.wait_until(ask, QUERY_SECONDS, lambda: f"without a result: {left}", step=1)
        print(f"{len(queries)} queries of Grafana have results", end="; ")
        for variable in dashboard["templating"]["list"][1:]:
            match, label = re.fullmatch(r"label_values\((.+), (\w+)\)",
                                        variable["query"]["query"]).groups()
            self.assertTrue(self.prometheus.api(f"label/{label}/values",
                                                **{"match[]": dashboards.fill_in(match)}))

    def check_rules(self):
        """What each rule asks for is there, whether it fires or not."""
        queries = self.prometheus.rule_queries()
        self.assertEqual(set(queries),
                         OUTAGES | LASTING | GONE | NOT_MADE | {"SockeyeAbsent"})
        for alert, query in queries.items():
            for name, labels in dashboards.Query(query).selectors:
                having = ", ".join(f'{label}!=""' for label in labels)
                self.assertTrue(self.prometheus.result(f"{name}{{{having}}}"), (alert, name))

    def check_datadog(self):
        """Metrics and tags of its queries are those that came to the intake."""
        came = payloads.DatadogIntake.of(self.intake.taken)
        tags = {}
        for points in (came.series, came.sketches):
            for metric, values in points.values.items():
                tags[f"sockeye.{metric}"] = {name for own, _ in values for name, _ in own}
        asked = dashboards.asked_of_datadog(dashboards.load(dashboards.DATADOG))
        parts = [dashboards.datadog_parts(text) for text in asked]
        self.assertLessEqual({metric for metric, _ in parts} - set(tags), NOT_COUNTED)
        for metric, wanted in parts:
            self.assertLessEqual(wanted, tags.get(metric, wanted) | {"host"}, metric)
        print(f"{len(asked)} queries of Datadog name what came", end="; ")
        self.assertEqual(self.intake.errors, [])

    # ---- all of it ----

    def test_outage(self):
        with bpf_stats(True):
            self.wait_for_alerts({"SockeyeAbsent"}, FIRING_SECONDS)
            seeing, blind, passing = self.start_seeing(), self.start_blind(), self.start_passing()
            self.wait_for_resolution({"SockeyeAbsent"}, RESOLVED_SECONDS)
            truth = Truth()
            with Odd(self).live(), truth.live(self, rounds=5, pause=0.5):
                self.lose_on_the_wire()
                self.lose_in_the_kernel(seeing)
                told = self.wait_for_alerts(OUTAGES | LASTING, FIRING_SECONDS, daemons=[blind])
                self.check_grafana()
                self.check_rules()
                self.assertEqual(passing.stop(), 0)
                told.update(self.wait_for_alerts(GONE, FIRING_SECONDS))
            for alert in told.values():
                self.assertNotIn("error expanding", "".join(alert["annotations"].values()))
                self.assertIn("sockeye", alert["annotations"]["summary"])
            self.agent.up()
            self.away.up()
            self.refusing.usual = fault_server.answer(204, b"")
            self.start_passing()
            self.wait_for_resolution(OUTAGES | GONE, RESOLVED_SECONDS)
            self.assertLessEqual(LASTING, set(self.prometheus.firing()))
            self.assertEqual(seeing.stop(), 0)
            self.check_datadog()


if __name__ == "__main__":
    unittest.main(verbosity=2)
