# SPDX-License-Identifier: Apache-2.0
"""What carbon (Debian's graphite-carbon) keeps of the exporter "graphite", read with whisper-fetch.

Figures are asked for by ports that only the test uses; other traffic of the machine is welcome.
"""

import collections
import contextlib
import datetime
import glob
import io
import json
import os
import re
import runpy
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import unittest
import unittest.mock

import harness
from conversation import Conversation, answer, post
from test_delivery import Truth

HOST = "web1.example"
KEPT_SECONDS = 900


def program(name, *arguments):
    """What a program in Python prints, in this process: it runs once for each series, and to begin
    takes it longer than all else."""
    pipe = signal.getsignal(signal.SIGPIPE)  # they change that
    text = io.StringIO()
    try:
        with unittest.mock.patch.object(sys, "argv", [name, *arguments]), \
                contextlib.redirect_stdout(text):
            runpy.run_path(shutil.which(name), run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise AssertionError(f"{name} {' '.join(arguments)}: {end.code}") from end
    finally:
        signal.signal(signal.SIGPIPE, pipe)
    return text.getvalue()


class Carbon:
    """carbon-cache on lines over TCP and UDP and on pickle."""

    def __init__(self, test, slot="1s", kept=f"{KEPT_SECONDS}s"):
        harness.need("carbon-cache", "whisper-fetch", "whisper-dump")
        self.test = test
        self.folder = harness.temporary_folder(test)
        self.line_port, self.pickle_port = harness.free_port(), harness.free_port()
        self._write("storage-schemas.conf",
                    f"[all]\npattern = .*\nretentions = {slot}:{kept}\n")
        self._write("carbon.conf", "\n".join((
            "[cache]", *(f"{name} = {self.folder}/{where}" for name, where in (
                ("STORAGE_DIR", ""), ("LOCAL_DATA_DIR", "whisper/"), ("CONF_DIR", ""),
                ("LOG_DIR", "log/"), ("PID_DIR", ""))),
            "USER =", "DATABASE = whisper", "MAX_CREATES_PER_MINUTE = inf",
            "MAX_UPDATES_PER_SECOND = inf", "ENABLE_TAGS = False", "ENABLE_UDP_LISTENER = True",
            *(f"{kind}_RECEIVER_INTERFACE = 127.0.0.1" for kind in ("LINE", "UDP", "PICKLE")),
            "CACHE_QUERY_INTERFACE = 127.0.0.1", f"CACHE_QUERY_PORT = {harness.free_port()}",
            f"LINE_RECEIVER_PORT = {self.line_port}", f"UDP_RECEIVER_PORT = {self.line_port}",
            f"PICKLE_RECEIVER_PORT = {self.pickle_port}", "")))
        os.mkdir(os.path.join(self.folder, "log"))
        self.process = None
        self.start()

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def start(self):
        self.process = harness.spawn(
            self.test, "carbon-cache", f"--config={self.folder}/carbon.conf", "--nodaemon", "start",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        harness.wait_until(self._listens, 60, self.said)

    def _listens(self):
        for port in (self.line_port, self.pickle_port):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) != 0:
                    return False
        return True

    def stop(self):
        """Everything received is on disk when this returns."""
        self.process.terminate()
        self.process.wait(240)  # it writes all that it has, after all others that write
        # A pid file that is left would keep the next one from starting.
        for path in glob.glob(os.path.join(self.folder, "*.pid")):
            os.unlink(path)

    def said(self):
        """The logs of all its parts."""
        texts = []
        for path in glob.glob(os.path.join(self.folder, "log", "**", "*.log"), recursive=True):
            with open(path, encoding="utf-8", errors="replace") as file:
                texts.append(file.read())
        return "\n".join(texts)

    def _find(self, path):
        """The file of a path; None without any."""
        from carbon.util import TaggedSeries  # pylint: disable=import-outside-toplevel
        if ";" in path:
            path = TaggedSeries.parse(path).path
        for hash_only in (True, False):
            file = os.path.join(self.folder, "whisper",
                                TaggedSeries.encode(path, os.sep, hash_only) + ".wsp")
            if os.path.exists(file):
                return file
        return None

    def dump(self, path):
        """{time: value} of a path, also of slots that are still to come."""
        file = self._find(path)
        text = program("whisper-dump", file) if file else ""
        points = re.findall(r"^\d+: (\d+), +([^ \n]+)$", text, re.MULTILINE)
        return {int(time): float(value) for time, value in points if time != "0"}

    def fetch(self, path):
        """{time: value} that whisper keeps of a path; empty when it keeps none."""
        file = self._find(path)
        if file is None:
            return {}
        read = json.loads(program("whisper-fetch", "--json", "--from=0", file))
        times = range(read["start"], read["end"], read["step"])
        return {time: value for time, value in zip(times, read["values"]) if value is not None}


class Terminator:
    """TLS before carbon, which knows none, with a certificate of its own for "localhost",
    whose addresses libcurl knows without /etc/hosts."""

    def __init__(self, test, carbon):
        harness.need("openssl")
        folder = harness.temporary_folder(test)
        self.certificate, key = (os.path.join(folder, name) for name in ("cert.pem", "key.pem"))
        harness.command("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                        "-keyout", key, "-out", self.certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.port = harness.free_port()
        self._carbon = carbon
        listener = context.wrap_socket(harness.listen(test, self.port), server_side=True)
        harness.Server(test, listener, self._forward)

    def _forward(self, connection):
        with socket.create_connection(("127.0.0.1", self._carbon.line_port)) as carbon:
            while part := connection.recv(1 << 16):
                carbon.sendall(part)


class Recorder(harness.Daemon):
    """Keeps every point of the console."""

    def __init__(self, *arguments, **options):
        self.points = collections.defaultdict(dict)  # (metric, tags) -> {time: point}
        super().__init__(*arguments, **options)

    def _take(self, point):
        end = datetime.datetime.fromisoformat(point["time"].replace("Z", "+00:00")).timestamp()
        key = (point["metric"], tuple(sorted(point["tags"].items())))
        self.points[key][end] = point
        super()._take(point)


class CarbonKeepsTheSame(unittest.TestCase):
    """Issue: "carbon-cache over TCP, UDP and pickle (values read back with whisper-fetch)"."""

    def setUp(self):
        self.first = 0  # end of the first interval

    def run_against(self, carbon, url, settings="", path_of=None, restart=False):
        """Traffic, and what carbon keeps of it when the daemon and carbon have stopped."""
        truth, hostile_port = Truth(), harness.free_port()
        daemon = Recorder(self, truth.alone(hostile_port), exporters=(
            f"{{type: graphite, url: '{url}', tags: ['host:{HOST}'], retention: 1s, {settings}}}",))
        for rounds in (5, 300, 40):
            truth.add(self, rounds)
            daemon.wait_for_snapshots(1)
            if restart:
                self.restart(carbon, daemon, truth)
        self.send_hostile_path(hostile_port)
        daemon.wait_for_snapshots(2)
        self.assertEqual(daemon.stop(), 0)
        carbon.stop()
        self.assertNotIn("invalid", carbon.said())
        self.assert_kept(carbon, daemon, truth, path_of or self.tagged)

    def restart(self, carbon, daemon, truth):
        """Away for two intervals, with traffic in them; all of it is delivered in the end."""
        def recoveries():
            return sum("delivering again" in line for line in list(daemon.log))
        before = recoveries()
        # Intervals end with the second: what carbon has read when it is told to stop, it writes.
        time.sleep(1.4 - time.time() % 1)
        carbon.stop()
        truth.add(self, 7)
        daemon.wait_for_snapshots(2)
        carbon.start()
        harness.wait_until(lambda: recoveries() > before, 60, lambda: "\n".join(daemon.log))
        daemon.wait_for_snapshots(1)

    def send_hostile_path(self, port):
        conversation = Conversation(self, port)
        conversation.exchange(post("/x;y=z~{a=\"b\"}!^ 1 2\xe2\x80\xa8", b""), answer(201, b""))
        conversation.close()

    def paths(self, daemon, path_of, truth):
        """[(metric, tags, path)] of the test's own series."""
        return [(metric, tags, path_of(metric, dict(tags))) for metric, tags in daemon.points
                if dict(tags).get("port") == str(truth.port)]

    def assert_kept(self, carbon, daemon, truth, path_of):
        sums = collections.Counter()
        compared = 0
        self.first = min(end for points in daemon.points.values() for end in points)
        for metric, tags, path in self.paths(daemon, path_of, truth):
            points = daemon.points[metric, tags]
            kind = next(iter(points.values()))["kind"]
            key = (metric.removeprefix("sockeye."), dict(tags).get("direction"))
            if kind == "counter":
                kept = carbon.fetch(path(""))
                sums[key] += sum(kept.values())
                compared += self.compare(kept, points, "value")
            elif kind == "distribution":
                kept = carbon.fetch(path(".count"))
                sums[key] += sum(kept.values())
                compared += self.compare(kept, points, "count")
                for ending in ("p50", "p99", "sum"):
                    compared += self.compare(carbon.fetch(path(f".{ending}")), points, ending)
        for metric, tags, value in truth.counters + truth.distributions:
            key = (metric, tags.get("direction"))
            self.assertEqual(sums[key], value, key)
        print(f"{compared} values compared, sums of {len(sums)} series equal the truth")
        self.assertGreater(compared, 30)

    def compare(self, kept, points, field):
        """Each whole interval of the console against the slot that begins with it, behind the first
        two, which share one. Durations go out in whole nanoseconds."""
        whole = {end: point for end, point in points.items()
                 if end == int(end) and end > self.first + 1 and point[field]}
        for end, point in whole.items():
            self.assertAlmostEqual(kept[int(end) - 1], point[field], delta=1e-9)
        return len(whole)

    @staticmethod
    def tagged(metric, tags):
        every = {"host": HOST, **tags}
        clean = str.maketrans({mark: "_" for mark in ";=!^~{}[]()<>,'\"`|\\ "})
        inside = "".join(f";{key}={value.translate(clean)}" for key, value in every.items())
        return lambda ending: f"{metric}{ending}{inside}"

    @staticmethod
    def dotted(metric, tags):
        parts = ["web1_example", metric, tags.get("direction"), tags["port"]]
        return lambda ending: ".".join(filter(None, parts)) + ending

    DOTTED = "style: dotted, template: '{host}.{metric}.{direction}.{port}'"

    def test_tagged_over_tcp(self):
        carbon = Carbon(self)
        self.run_against(carbon, f"tcp://127.0.0.1:{carbon.line_port}")

    def test_dotted_over_udp(self):
        carbon = Carbon(self)
        self.run_against(carbon, f"udp://127.0.0.1:{carbon.line_port}", self.DOTTED, self.dotted)

    def test_tagged_by_pickle(self):
        carbon = Carbon(self)
        self.run_against(carbon, f"pickle://127.0.0.1:{carbon.pickle_port}")

    def test_lines_over_tls(self):
        carbon = Carbon(self)
        tls = Terminator(self, carbon)
        self.run_against(carbon, f"tls://localhost:{tls.port}",
                         f"tls: {{ca_file: {tls.certificate}}}")

    def test_carbon_that_restarts(self):
        """What was counted while it was away stands where it belongs."""
        carbon = Carbon(self)
        self.run_against(carbon, f"tcp://127.0.0.1:{carbon.line_port}", self.DOTTED, self.dotted,
                         restart=True)

    def test_defaults_of_both(self):
        """As Debian installs carbon it keeps one point a minute: their sum is the truth."""
        carbon = Carbon(self, "60s", "1d")
        daemon = harness.Daemon(self, exporters=(
            f"{{type: graphite, url: 'tcp://127.0.0.1:{carbon.line_port}', {self.DOTTED}, "
            "tags: ['host:web1_example']}",))
        truth = Truth()
        for rounds in (5, 300, 40):
            truth.add(self, rounds)
            daemon.wait_for_snapshots(1)
        daemon.wait_for_snapshots(1)  # what comes with the stop carbon may not read any more
        self.assertEqual(daemon.stop(), 0)
        carbon.stop()
        for metric, tags, value in truth.counters + truth.distributions:
            path = self.dotted(f"sockeye.{metric}", {
                key: str(text) for key, text in tags.items()})
            kept = carbon.dump(path("" if (metric, tags, value) in truth.counters else ".count"))
            self.assertEqual(sum(kept.values()), value, (metric, tags, kept))


if __name__ == "__main__":
    unittest.main()
