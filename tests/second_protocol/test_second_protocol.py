# SPDX-License-Identifier: Apache-2.0
"""A protocol is a folder on each side and a line: the line protocol beside this file is added to a
copy of the source, as "Add a protocol" of CONTRIBUTING.md says, and observed live.

Nothing else of the source is touched. The daemon under test is the one that is built here.
"""

import collections
import os
import shutil
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(SOURCE, "tests", "integration"))
import harness  # pylint: disable=wrong-import-position,import-error
import own_cgroup  # pylint: disable=wrong-import-position,import-error
from conversation import (Conversation, answer,  # pylint: disable=wrong-import-position,import-error
                          get)

FOLDERS = ("bpf/usm/line", "collector/usm/line")
# file -> (the line that the new one follows, the new one, which may be cut)
LINES = {
    "bpf/protocols.h": (
        "    /* What begins with words of its own stands before what may begin with any. */",
        ['EACH(X, LINE, line, "the line protocol")']),
    "collector/telemetry/catalogue.h": (
        "#define EYE_METRICS(X)",
        ['X(LINE_DURATION, "line.request.duration", USM, DISTRIBUTION, SECONDS, 1,',
         "  EYE_TAGS_HTTP | EYE_TAG_BIT(DIRECTION), BUDGETED, EXPERIMENTAL,",
         '  "first byte of the question to first byte of the answer")']),
}

TREE = []  # the copy
SERVICE = os.path.basename(os.path.realpath(harness.PYTHON))

METRIC = "line.request.duration"
HTTP = ("http.server.request.duration", "http.client.request.duration")
ENDS = ("incoming", "outgoing")


def copy_source(folder):
    """What git knows, and what is new."""
    names = harness.command("git", "-c", f"safe.directory={SOURCE}", "-C", SOURCE, "ls-files", "-z",
                            "--cached", "--others", "--exclude-standard").stdout
    for name in filter(None, names.split("\0")):
        path = os.path.join(SOURCE, name)
        if os.path.isfile(path):
            target = os.path.join(folder, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(path, target)


def insert(path, before, new):
    """Lines of a macro, behind its one line that begins with `before`."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    places = [i for i, text in enumerate(lines) if text.startswith(before)]
    if len(places) != 1 or not lines[places[0]].endswith("\\"):
        raise AssertionError(f"{path}: {len(places)} lines begin with {before!r}")
    lines[places[0] + 1:places[0] + 1] = [f"    {line} \\" for line in new]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def add_protocol(folder):
    for name in FOLDERS:
        shutil.copytree(os.path.join(HERE, name), os.path.join(folder, name))
    for name, (before, new) in LINES.items():
        insert(os.path.join(folder, name), before, new)


def build(folder):
    """The daemon alone; its path."""
    target = os.path.join(folder, "build", "second")
    words = ["cmake", "-S", folder, "-B", target, "-G", "Ninja", "-DEYE_TESTS=OFF",
             "-DEYE_WERROR=ON", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"]
    if shutil.which("ccache"):
        words.append("-DCMAKE_C_COMPILER_LAUNCHER=ccache")
    environment = dict(os.environ, CCACHE_BASEDIR=folder, CCACHE_NOHASHDIR="1")
    begin = time.monotonic()
    for step in (words, ["cmake", "--build", target, "--target", "sockeye", "-j",
                         str(os.cpu_count())]):
        done = harness.command(*step, timeout=500, check=False, env=environment)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(step)}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    print(f"built in {time.monotonic() - begin:.0f} s")
    return os.path.join(target, "collector", "sockeye")


def setUpModule():  # pylint: disable=invalid-name
    harness.need("cmake", "ninja", "git")
    scope = harness.Scope()
    unittest.addModuleCleanup(scope.close)
    folder = harness.temporary_folder(scope)
    TREE.append(folder)
    copy_source(folder)
    add_protocol(folder)
    before = os.environ.get("SOCKEYE", "")
    unittest.addModuleCleanup(os.environ.__setitem__, "SOCKEYE", before)
    os.environ["SOCKEYE"] = build(folder)
    own_cgroup.enter(unittest.addModuleCleanup)


def ask(*names):
    return b"".join(b"ASK %s\n" % name.encode("ascii") for name in names)


def got(*codes):
    return b"".join(b"GOT %03d\n" % code for code in codes)


class SecondProtocol(unittest.TestCase):
    """Both ends, exactly; and HTTP as if nothing were beside it."""

    maxDiff = None

    def start(self, *settings):
        self.daemon = harness.Daemon(self, "protocols.line=true", *settings)
        self.line = Conversation(self)
        self.http = Conversation(self)

    def stop(self):
        self.line.close()
        self.http.close()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.daemon.lines, [], "lines that are no JSON")

    def seen(self, metric, port, **tags):
        """{(outcome, route): count}; every series is of this program."""
        seen = collections.Counter()
        for own, (kind, count, _) in self.daemon.series(metric, port=port, **tags):
            self.assertEqual(kind, "distribution")
            self.assertEqual(own["service"], SERVICE, own)
            seen[own.get("status", own.get("error_type")), own["route"]] += count
        return dict(seen)

    def assert_line(self, expected):
        for direction in ENDS:
            self.assertEqual(self.seen(METRIC, self.line.port, direction=direction), expected,
                             direction)
        tags = {name for own, _ in self.daemon.series(METRIC) for name in own}
        self.assertLessEqual(tags, {"direction", "service", "port", "status", "error_type",
                                    "route"})

    def assert_http(self, expected):
        for metric in HTTP:
            self.assertEqual(self.seen(metric, self.http.port), expected, metric)

    def talk_http(self):
        for status in (200, 404):
            self.http.exchange(get("/page"), answer(status, b"body"))
        self.http.client_sends(get("/first") + get("/second"))
        self.http.server_sends(answer(201) + answer(202))

    HTTP_SEEN = {("200", "/page"): 1, ("404", "/page"): 1, ("201", "/first"): 1,
                 ("202", "/second"): 1}

    def test_recognised_paired_and_named_beside_http(self):
        self.start()
        for _ in range(5):
            self.line.exchange(ask("one"), got(200))
        self.talk_http()
        self.line.client_sends(ask(*(f"pipelined-{i}" for i in range(16))))
        self.line.server_sends(got(*range(300, 316)))
        self.line.client_sends(b"ASK in-", b"pie", b"ces\n" + ask("next")[:6], ask("next")[6:])
        self.line.server_sends(b"GOT ", b"40", b"1\nGOT 4", b"02\n")
        self.line.client_sends(ask("n" * 32))
        self.line.server_sends(got(7))
        self.line.client_sends(ask("unanswered", "either"))
        self.stop()
        self.assert_line({("200", "one"): 5, ("401", "in-pieces"): 1, ("402", "next"): 1,
                          ("7", "n" * 32): 1, ("cancelled", "unanswered"): 1,
                          ("cancelled", "either"): 1,
                          **{(str(300 + i), f"pipelined-{i}"): 1 for i in range(16)}})
        self.assert_http(self.HTTP_SEEN)
        self.assertEqual(self.daemon.losses(), {})
        self.assertEqual(self.daemon.total("usm.connections.unrecognised"), 0)

    def test_measures_first_byte_to_first_byte(self):
        self.start()
        self.line.client_sends(ask("slow"))
        time.sleep(0.3)
        self.line.server_sends(got(200))
        self.stop()
        for direction in ENDS:
            count, seconds = self.daemon.distribution(METRIC, direction=direction)
            self.assertEqual(count, 1)
            self.assertTrue(0.3 <= seconds < 2, seconds)

    def test_losses_are_its_own(self):
        """What is no line of it, and more than a pipeline holds: under its own name."""
        self.start()
        self.line.exchange(ask("before"), got(200))
        self.line.client_sends(b"SING song\n")
        self.line.client_sends(ask(*["deep"] * 20))
        self.talk_http()
        self.stop()
        self.assertEqual(self.seen(METRIC, self.line.port, direction="incoming"),
                         {("200", "before"): 1})
        losses = self.daemon.losses()
        self.assertEqual({program for program, _ in losses}, {"line"})
        self.assertEqual(losses["line", "malformed"], 2)
        told = collections.Counter()
        for own, entry in self.daemon.series("usm.lost", port=self.line.port):
            told[own["reason"]] += entry[1]
        self.assertEqual(told, {reason: amount for (_, reason), amount in losses.items()})
        self.assert_http(self.HTTP_SEEN)

    def test_switched_off(self):
        self.start("protocols.line=false")
        self.line.exchange(ask("one"), got(200))
        self.talk_http()
        self.stop()
        self.assertEqual(self.daemon.series(METRIC), [])
        self.assert_http(self.HTTP_SEEN)
        self.assertEqual(self.daemon.total("usm.connections.unrecognised", port=self.line.port), 2)

    def test_http_switched_off(self):
        self.start("protocols.http=false")
        self.line.exchange(ask("one"), got(200))
        self.talk_http()
        self.stop()
        self.assert_line({("200", "one"): 1})
        self.assert_http({})

    def test_layers_are_kept(self):
        for words in (("init", "-q"), ("add", "-A")):
            harness.command("git", "-C", TREE[0], *words)
        done = harness.command(harness.PYTHON, "tests/checks/layers.py", cwd=TREE[0], check=False)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_its_key_is_known(self):
        default = harness.sockeye("check", "--default")
        self.assertEqual(default.returncode, 0, default.stderr)
        self.assertIn("the line protocol", default.stdout)
        probe = harness.sockeye("probe")
        self.assertEqual(probe.returncode, 0, probe.stdout + probe.stderr)


if __name__ == "__main__":
    unittest.main()
