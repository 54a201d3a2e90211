#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The exact-counts test again and again while every CPU is busy: nothing may be missing uncounted.

Kernel programs that are interrupted show only under load, and then rarely. By hand, as root:
    tests/soak/exact_counts.py --sockeye build/release/sockeye --runs 200
It ends with 1 when a run lost a connection that no counter tells of.
"""

import argparse
import glob
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))

# pylint: disable=wrong-import-position
import harness
import test_connections

SPIN = "while True: pass"

# What else happens on the machine may not take the test's ports their names.
UNLIMITED = ("limits.series=1000000", "limits.tag_values=1000000")


def recursion_misses(pid):
    """How often the kernel skipped a program of this process because it was running already."""
    misses = 0
    for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
        with open(path, encoding="ascii") as file:
            misses += sum(int(line.split()[1]) for line in file
                          if line.startswith("recursion_misses:"))
    return misses


class Run:
    """One run: how many ends were not seen closed, and what the daemon says it lost."""

    def __init__(self):
        with harness.Scope() as scope:
            for _ in range(os.cpu_count()):
                self._spin(scope)
            test = test_connections.ExactCounts()
            daemon = harness.Daemon(scope, *UNLIMITED)
            hosts = (("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "::ffff:127.0.0.1"))
            kinds = [test_connections.Exchange(scope, *pair) for pair in hosts]
            test.exchange(kinds)
            daemon.wait_for_snapshots(3)
            self.misses = recursion_misses(daemon.pid)
            assert daemon.stop() == 0
            self.ends = 2 * sum(kind.count for kind in kinds)
            self.missing = self.ends - sum(daemon.total(test_connections.CLOSED, port=kind.port)
                                           for kind in kinds)
            self.losses = {reason: amount for (program, reason), amount in daemon.losses().items()
                           if program == "tcp"}

    @staticmethod
    def _spin(scope):
        child = subprocess.Popen([harness.PYTHON, "-c", SPIN])
        scope.callback(child.wait)
        scope.callback(child.kill)

    @property
    def is_honest(self):
        return 0 <= self.missing <= sum(self.losses.values())


def main():
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # what was started ends, too
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sockeye", required=True, help="the daemon under test")
    parser.add_argument("--runs", type=int, default=200, help="default: %(default)s")
    options = parser.parse_args()
    os.environ["SOCKEYE"] = os.path.abspath(options.sockeye)
    runs = []
    for number in range(1, options.runs + 1):
        run = Run()
        runs.append(run)
        print(f"run {number}: {run.ends} ends, missing {run.missing}, counted {run.losses}, "
              f"recursion_misses {run.misses}", flush=True)
    exact = sum(run.missing == 0 for run in runs)
    honest = sum(run.is_honest for run in runs)
    print(f"{len(runs)} runs: {exact} exact, {honest - exact} with each missing one counted, "
          f"{len(runs) - honest} silently wrong")
    return 0 if honest == len(runs) else 1


if __name__ == "__main__":
    sys.exit(main())
