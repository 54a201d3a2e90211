# SPDX-License-Identifier: Apache-2.0
"""packaging/sockeye.service under a real systemd as process 1, in namespaces and a root of its own.

SOCKEYE is the daemon under test, SYSTEMD_ROOT a root of the same Debian (debian_root in
packaging/dev.d/debian.sh), which is not written to. The network is the host's, so that the page of
metrics is read from here. The pid namespace of the box is not the host's: only what the kernel tells
has names of services there. live.py runs tests of tests/integration inside.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import time
import unittest
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

import harness  # pylint: disable=wrong-import-position
from harness import wait_until  # pylint: disable=wrong-import-position

UNIT = HERE.parents[1] / "packaging" / "sockeye.service"
CAPABILITIES = ("CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH")
BOOT_SECONDS = 90


def cgroup2():
    """Where the host has the cgroup v2 tree."""
    with open("/proc/self/mounts", encoding="ascii") as file:
        return next(line.split()[1] for line in file if line.split()[2] == "cgroup2")


class Box:
    """systemd that runs until close(); nothing of it stays behind."""

    def __init__(self):
        self.cgroup = pathlib.Path(cgroup2()) / f"sockeye-test-{os.getpid()}"
        self.cgroup.mkdir()
        self.outer = subprocess.Popen(
            ["sh", "-c", 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"', "sh", self.cgroup,
             "unshare", "-m", "-p", "-u", "-i", "-C", "-f", "--kill-child", "--propagation",
             "private", HERE / "box.sh", os.environ["SYSTEMD_ROOT"], harness.binary(), UNIT,
             HERE.parent],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.first = None

    def boot(self):
        """Returns when systemd has started what there is."""
        wait_until(self._find_first, BOOT_SECONDS, "the first process of the box")
        wait_until(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip()
                   in ("running", "degraded"), BOOT_SECONDS, self._said)

    def _said(self):
        self.outer.kill()
        return "systemd runs: " + self.outer.stdout.read().decode(errors="replace")[-4000:]

    def _find_first(self):
        if self.outer.poll() is not None:
            raise AssertionError(self._said())
        path = f"/proc/{self.outer.pid}/task/{self.outer.pid}/children"
        children = pathlib.Path(path).read_text(encoding="ascii").split()
        if not children:
            return False
        name = pathlib.Path(f"/proc/{children[0]}/comm").read_text(encoding="ascii").strip()
        self.first = children[0]
        return name == "systemd"

    def run(self, *words, **options):
        """A command inside; its CompletedProcess."""
        return harness.command(*self._enter, *words, **options)

    def show(self, *words, **options):
        """The same, and what it says is said here; its exit code."""
        return subprocess.call((*self._enter, *words), stdin=subprocess.DEVNULL, **options)

    @property
    def _enter(self):
        return ("nsenter", "-t", self.first, "-m", "-p", "-u", "-i", "-C", "-r", "-w")

    def write(self, path, text):
        target = pathlib.Path(f"/proc/{self.first}/root") / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def read(self, path):
        return (pathlib.Path(f"/proc/{self.first}/root") / path.lstrip("/")).read_text("utf-8")

    def close(self):
        self.outer.kill()  # and with it all that is in its pid namespace
        self.outer.wait()
        self.outer.stdout.close()
        wait_until(self._removed, 30, f"{self.cgroup} empty")

    def _removed(self):
        for folder, _, _ in os.walk(self.cgroup, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                return False
        return True


BOX = None


def setUpModule():  # pylint: disable=invalid-name
    global BOX  # pylint: disable=global-statement
    harness.need("unshare", "nsenter")
    BOX = Box()
    unittest.addModuleCleanup(BOX.close)
    BOX.boot()


class Service(unittest.TestCase):
    """Each test has the unit stopped, without drop-ins, and a page of metrics at self.port."""

    DROP_IN = "/etc/systemd/system/sockeye.service.d/test.conf"
    CONFIG = "/etc/sockeye/sockeye.yaml"

    def setUp(self):
        self.port = harness.free_port()
        self.configure()
        self.mark()
        self.addCleanup(self.reset)

    def configure(self, more=""):
        BOX.write(self.CONFIG,
                  "interval: 1s\nexporters:\n"
                  f"  - {{type: openmetrics, listen: '127.0.0.1:{self.port}'}}\n{more}")

    def reset(self):
        BOX.run("systemctl", "stop", "sockeye")
        BOX.run("rm", "-rf", os.path.dirname(self.DROP_IN))
        BOX.run("systemctl", "daemon-reload")
        BOX.run("systemctl", "reset-failed", "sockeye", check=False)

    def drop_in(self, *lines):
        BOX.write(self.DROP_IN, "[Service]\n" + "\n".join(lines) + "\n")
        BOX.run("systemctl", "daemon-reload")

    def start(self):
        BOX.run("systemctl", "start", "sockeye")

    @staticmethod
    def show(name):
        return BOX.run("systemctl", "show", "-P", name, "sockeye").stdout.strip()

    def mark(self):
        """What is in the journal now is not asked for any more."""
        BOX.run("journalctl", "--sync")
        last = json.loads(BOX.run("journalctl", "-n", "1", "-o", "json").stdout)
        self.marked_us = int(last["__REALTIME_TIMESTAMP"])

    def journal(self):
        """[(priority, message)] since the mark: what the daemon wrote, not systemd of it. (Of a
        process that ends at once the journal knows its stream alone, and not what it was.)"""
        BOX.run("journalctl", "--sync")
        lines = BOX.run("journalctl", "-o", "json", "-t", "sockeye").stdout.splitlines()
        return [(int(entry["PRIORITY"]), entry["MESSAGE"]) for entry in map(json.loads, lines)
                if int(entry["__REALTIME_TIMESTAMP"]) > self.marked_us]

    def page(self):
        """The metrics as text; empty before the first interval is over."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as got:
                return got.read().decode()
        except OSError:
            return ""

    def value(self, name, *labels):
        """Sum of the samples of a metric that have all the labels, written as 'port="80"'."""
        return sum(float(line.split()[-1]) for line in self.page().splitlines()
                   if re.match(rf"{name}[{{ ]", line) and all(label in line for label in labels))


class LifeCycle(Service):
    def test_start_returns_when_it_observes_and_stop_is_a_success(self):
        self.start()
        self.assertEqual(self.show("ActiveState"), "active")
        messages = [text for _, text in self.journal()]
        self.assertTrue(any(harness.OBSERVING in text for text in messages), messages)
        wait_until(lambda: re.fullmatch(r"\d+ connections? active, \d+ series",
                                        self.show("StatusText")), 30,
                   lambda: self.show("StatusText"))
        self.assertIn('Status: "', BOX.run("systemctl", "status", "sockeye").stdout)
        BOX.run("systemctl", "stop", "sockeye")
        self.assertEqual((self.show("Result"), self.show("ExecMainStatus")), ("success", "0"))
        self.assertIn((6, "stopping on SIGTERM"), self.journal())

    def test_the_journal_has_priorities_and_no_times(self):
        self.start()
        entries = self.journal()
        self.assertIn(6, {priority for priority, _ in entries})
        # The box is a part of the host: that is a warning.
        self.assertIn(4, {priority for priority, _ in entries})
        for _, text in entries:
            self.assertNotRegex(text, r"^(<\d>|\d{4}-)")

    def test_a_long_stop_is_waited_for(self):
        """A receiver that takes and does not answer, longer than systemd would wait, and longer
        than the watchdog, which nobody feeds any more."""
        listener = harness.listen(self, harness.free_port())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/metrics"
        self.configure(f"  - {{type: otlp, url: '{url}', timeout: 1m}}\nshutdown_timeout: 5s\n")
        self.drop_in("TimeoutStopSec=1", "WatchdogSec=2")
        self.start()
        wait_until(lambda: self.value("sockeye_exporter_queued", 'exporter="otlp"') > 0, 30,
                   "something for the receiver that hangs")
        begun = time.monotonic()
        BOX.run("systemctl", "stop", "sockeye")
        self.assertGreater(time.monotonic() - begun, 4)
        self.assertEqual(self.show("Result"), "success")

    def test_the_watchdog_restarts_what_stands_still(self):
        self.drop_in("WatchdogSec=1", "RestartSec=100ms")
        self.start()
        before = self.show("MainPID")
        time.sleep(2.5)
        self.assertEqual((self.show("MainPID"), self.show("NRestarts")), (before, "0"))
        BOX.run("kill", "-STOP", before)
        wait_until(lambda: self.show("NRestarts") == "1" and self.show("ActiveState") == "active",
                   30, lambda: self.show("ActiveState"))
        self.assertNotEqual(self.show("MainPID"), before)
        said = BOX.run("journalctl", "-u", "sockeye", "-o", "cat").stdout
        self.assertIn("Watchdog timeout (limit 1s)!", said)

    def test_who_it_is(self):
        """Its own user, whose socket is its group's, too; it hands on nothing of what it may, and
        reads again what root alone may read."""
        BOX.run("chmod", "600", self.CONFIG)
        self.addCleanup(BOX.run, "chmod", "644", self.CONFIG)
        self.start()
        pid = self.show("MainPID")
        self.assertEqual(BOX.run("stat", "-c", "%U:%G %a", "/run/sockeye/control.sock").stdout,
                         "sockeye:sockeye 660\n")
        handed_on = ("sh", "-c", f"grep -hE '^Cap(Inh|Amb):' /proc/{pid}/task/*/status")
        wait_until(lambda: set(BOX.run(*handed_on).stdout.split()) ==
                   {"CapInh:", "CapAmb:", f"{0:016x}"}, 20, lambda: BOX.run(*handed_on).stdout)
        self.port = harness.free_port()
        self.configure()
        BOX.run("systemctl", "reload", "sockeye")
        wait_until(self.page, 30, "a page at the new port")
        self.assertEqual((self.show("MainPID"), self.show("NRestarts")), (pid, "0"))

    def test_an_invalid_configuration_stays_failed(self):
        self.configure("intervall: 5s\n")
        started = BOX.run("systemctl", "start", "sockeye", check=False)
        self.assertNotEqual(started.returncode, 0)
        time.sleep(3)  # longer than RestartSec
        self.assertEqual((self.show("ActiveState"), self.show("ExecMainStatus"),
                          self.show("NRestarts")), ("failed", "78", "0"))
        self.assertIn('unknown key "intervall"', "\n".join(text for _, text in self.journal()))


class Observing(Service):
    SERVER = ("import http.server, sys\n"
              "class Handler(http.server.BaseHTTPRequestHandler):\n"
              "    def do_GET(self):\n"
              "        self.send_response(200)\n"
              "        self.send_header('Content-Length', '0')\n"
              "        self.end_headers()\n"
              "    def log_message(self, *words): pass\n"
              "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()\n")
    CLIENT = ("import sys, urllib.request\n"
              "for _ in range(7):\n"
              "    urllib.request.urlopen(f'http://127.0.0.1:{sys.argv[1]}/seen').read()\n")

    def test_connections_and_requests_are_delivered(self):
        port = harness.free_port()
        self.configure("protocols: {http: true}\n")
        self.start()
        BOX.run("systemd-run", "--unit=web", "/usr/bin/python3", "-c", self.SERVER, str(port))
        self.addCleanup(BOX.run, "systemctl", "stop", "web")
        wait_until(lambda: harness.command("ss", "-Htln", f"sport = :{port}").stdout.strip(), 30,
                   "the server")
        BOX.run("systemd-run", "--wait", "/usr/bin/python3", "-c", self.CLIENT, str(port))
        wait_until(lambda: self.value("sockeye_tcp_connections_closed_total",
                                      f'port="{port}"') >= 14, 30, self.page)
        self.assertEqual(self.value("sockeye_tcp_connections_opened_total", f'port="{port}"'), 14)
        for side in ("server", "client"):
            self.assertEqual(self.value(f"http_{side}_request_duration_seconds_count",
                                        f'port="{port}"', 'route="/seen"', 'code="200"'), 7,
                             self.page())


class Live(Service):
    """Tests of tests/integration (live.py). EYE_LIVE_TESTS: these alone, as LEFT_OUT there names
    them."""

    SECONDS = 300

    def test_connections_http_and_delivery(self):
        self.assertEqual(BOX.show(
            "systemd-run", "--quiet", "--pipe", "--wait", "--unit=live",
            "--setenv=SOCKEYE=/usr/sbin/sockeye", "--setenv=PYTHONDONTWRITEBYTECODE=1",
            f"--setenv=EYE_TEST_SECONDS={self.SECONDS}", harness.PYTHON, "-u",
            "/srv/tests/systemd/live.py", *os.environ.get("EYE_LIVE_TESTS", "").split(),
            timeout=self.SECONDS), 0)


class Rights(Service):
    """Each capability taken away: what the daemon loses is what `sockeye probe` says there."""

    PROBE = "/etc/systemd/system/sockeye-probe.service"

    def probe(self, left):
        """In the same sandbox, with the same rights."""
        unit = UNIT.read_text(encoding="utf-8")
        for old, new in ((r"^Type=.*", "Type=oneshot"),
                         (r"^ExecStart=(\S+) run", r"ExecStart=\1 probe --json"),
                         (r"^(Restart|Watchdog).*\n", ""),
                         (r"^UMask=", "StandardOutput=truncate:/var/lib/sockeye-probe\nUMask="),
                         (r"^(AmbientCapabilities|CapabilityBoundingSet)=.*", rf"\1={left}")):
            unit = re.sub(old, new, unit, flags=re.M)
        BOX.write(self.PROBE, unit)
        BOX.run("systemctl", "daemon-reload")
        BOX.run("systemctl", "start", "sockeye-probe", check=False)
        return json.loads(BOX.read("/var/lib/sockeye-probe"))

    def run_without(self, left):
        self.drop_in("Restart=no", "AmbientCapabilities=", f"AmbientCapabilities={left}",
                     "CapabilityBoundingSet=", f"CapabilityBoundingSet={left}")
        BOX.run("systemctl", "start", "sockeye", check=False)

    def features(self):
        found = re.findall(r'^sockeye_feature_available\{.*feature="(\w+)".*\} (\d)', self.page(),
                           re.M)
        return {name: value == "1" for name, value in found}

    def compare(self, taken):
        left = " ".join(name for name in CAPABILITIES if name != taken)
        told = self.probe(left)
        self.mark()
        self.run_without(left)
        said = [text for priority, text in self.journal() if priority <= 4]
        if told["tier"] == "none":
            self.assertEqual((self.show("ActiveState"), self.show("ExecMainStatus")),
                             ("failed", "1"))
            self.assertEqual(said, [told["why_not"]])
            return "does not start: " + said[0]
        wait_until(self.features, 30, "the first page")
        answers = {feature["feature"]: feature["available"] == "yes"
                   for feature in told["features"] if feature["available"] != "unknown"}
        self.assertEqual(self.features(), answers)
        self.assertEqual(sorted(said), sorted(told["not_seen"]))
        missing = [name for name, available in answers.items() if not available]
        return f"no {', '.join(missing)}; {len(said)} warnings"

    def test_each_taken_away(self):
        for taken in (None, *CAPABILITIES):
            with self.subTest(taken=taken):
                print(f"without {taken}: {self.compare(taken)}")
                self.reset()


if __name__ == "__main__":
    unittest.main(verbosity=2)
