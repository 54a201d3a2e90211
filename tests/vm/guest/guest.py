# SPDX-License-Identifier: Apache-2.0
"""The main program of a guest: probe, the live daemon, the project's own live tests.

It runs in tests/integration and prints one JSON object for each result: what the host compares.
/tests/plan.json says what to run.
"""

import contextlib
import io
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.getcwd())
import harness  # pylint: disable=wrong-import-position

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
NEEDED = "+bpf,+perfmon,+net_admin"
RIGHTS = {
    "root": (),
    "needed capabilities": (*NOBODY, f"--inh-caps={NEEDED}", f"--ambient-caps={NEEDED}"),
    "nobody": (*NOBODY, "--bounding-set=-all"),
}


def say(kind, **fields):
    """One result; whatever stdout is while a test runs."""
    print(json.dumps({"kind": kind, **fields}), file=sys.__stdout__, flush=True)


class RememberedDaemon(harness.Daemon):
    """The one that ran last, so that a failure can tell what the kernel lost meanwhile."""

    last = None

    def __init__(self, *words, **options):
        RememberedDaemon.last = self
        super().__init__(*words, **options)


harness.Daemon = RememberedDaemon
EBPF = "source.tier=socket-storage"


def system():
    """Which kernel this is, and whether it is locked down."""
    lockdown = "absent"
    with contextlib.suppress(OSError), open("/sys/kernel/security/lockdown",
                                            encoding="ascii") as file:
        lockdown = file.read().strip()
    say("system", release=os.uname().release, lockdown=lockdown)


def probe(who, program, prefix=()):
    """`sockeye probe --json` as it is. The tier without eBPF would do on every kernel, and hide what
    this one refuses."""
    start = time.monotonic()
    done = harness.command(*prefix, program, "probe", "--json", "--set", EBPF, check=False,
                           timeout=harness.HANG_SECONDS, env=harness.clean_environment())
    say("probe", who=who, text=done.stdout, seconds=time.monotonic() - start)


def live(who):
    """Does the daemon run, and which of its programs are attached?"""
    with harness.Scope() as scope:
        start = time.monotonic()
        # All of them, HTTP/1 being on anyway.
        protocols = (f"protocols.{name}=true" for name in harness.PROTOCOLS)
        daemon = harness.Daemon(scope, EBPF, *protocols, prefix=RIGHTS[who], wait=False)
        error = ""
        try:
            daemon.wait_until_observing(120)
        except AssertionError as failure:
            error = str(failure)
        seconds = time.monotonic() - start
        if not error:
            daemon.wait_for_snapshots(2)
        attached = {tags["program"]: entry[1] for tags, entry in daemon.series("bpf.attached")}
        say("live", who=who, error=error, code=daemon.process.poll(), attached=attached,
            log=daemon.log, seconds=seconds)


class Results(unittest.TestResult):
    """One line for each test, with what it printed and what the kernel lost."""

    def __init__(self, printed):
        super().__init__()
        self._printed = printed

    def startTest(self, test):
        super().startTest(test)
        self._start = time.monotonic()
        self._printed.seek(0)
        self._printed.truncate()

    def _say(self, test, outcome, text=""):
        daemon = RememberedDaemon.last
        losses = daemon.losses() if daemon else {}
        say("test", name=test.id(), outcome=outcome, text=text,
            printed=self._printed.getvalue(),
            losses={"/".join(key): value for key, value in losses.items()},
            seconds=time.monotonic() - getattr(self, "_start", time.monotonic()))

    def addSuccess(self, test):
        self._say(test, "ok")

    def addFailure(self, test, err):
        self._say(test, "failed", self._exc_info_to_string(err, test))

    addError = addFailure

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._say(subtest, "failed", self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        self._say(test, "skipped", reason)


def scenarios(names):
    """The live tests of these names, unchanged."""
    suite = unittest.defaultTestLoader.loadTestsFromNames(names)
    # say() keeps its own way out.
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        suite.run(Results(printed))


def main():
    with open("/tests/plan.json", encoding="utf-8") as file:
        plan = json.load(file)
    system()
    for who in plan["rights"]:
        probe(who, harness.binary(), RIGHTS[who])
        live(who)
    if plan["other"]:
        probe("other clang", harness.binary() + ".other")
    scenarios(plan["tests"])


main()
