# SPDX-License-Identifier: Apache-2.0
"""The frame of tests of faults: one daemon with an exporter for each of them, beside live traffic,
and what must hold of every lane (an exporter's worker) whatever its receiver is."""

import collections
import unittest

import accounts
import harness
from traffic import Truth

RECOVERY_SECONDS = 90

# The series of the test, and of whatever else goes on on the machine.
GROWTH_KIB = 4096

# `path` and `kind` are the test's own.
Lane = collections.namedtuple("Lane", "name path kind", defaults=(None, None))


class Frame(unittest.TestCase):
    """start(), what happens, finish(). `names` are the faults, lanes(name) those that meet one."""

    maxDiff = None

    LANE_GROWTH_KIB = 0  # what each lane may have in memory

    def setUp(self):
        self.truth = Truth()
        self.names = []

    def lanes(self, name):
        raise NotImplementedError

    def start(self, exporters, settings=(), **options):
        self.daemon = harness.Daemon(self, *settings, exporters=exporters, **options)
        self.books = accounts.Accounts(self.daemon)
        self.footprint = accounts.Footprint(self, self.daemon.pid)

    def all_lanes(self):
        return [lane.name for name in self.names for lane in self.lanes(name)]

    def wait_for_two_failures(self, lane):
        harness.wait_until(lambda: sum(self.books.failures(lane).values()) > 1, RECOVERY_SECONDS,
                           lambda: f"failures of {lane}: " + "\n".join(self.daemon.log))

    def wait_until_recovered(self, waiting=None):
        """Every lane has failed and delivers again."""
        waiting = self.all_lanes() if waiting is None else waiting
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
        lanes = len(self.all_lanes())
        print(f"{self.truth.connections} connections, {self.truth.requests} requests; "
              f"{self.footprint.first_kib} KiB + {self.footprint.grown_kib} KiB for {lanes} lanes, "
              f"{self.footprint.most_threads} threads")
        self.assertEqual(self.truth.difference(self.daemon), [])
        if not harness.is_sanitized():  # what is freed stays resident for a while then
            self.assertLessEqual(self.footprint.grown_kib,
                                 GROWTH_KIB + lanes * self.LANE_GROWTH_KIB)
        self.assertLessEqual(self.footprint.most_threads,
                             self.footprint.first_threads + more_threads)

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
