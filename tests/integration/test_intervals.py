# SPDX-License-Identifier: Apache-2.0
"""The collector's clock: where intervals begin and end, and since when it counts."""

import datetime
import itertools
import json
import os
import re
import socket
import time
import unittest

import harness
import payloads
import test_otlp
import test_outage
from harness import Daemon
from line_server import LineServer

# Times are written in milliseconds.
ROUNDING = 0.002


def read_spans(path):
    """[(end, seconds)] of the intervals in a file of JSON lines."""
    with open(path, encoding="utf-8") as file:
        points = [json.loads(line) for line in file]
    return sorted({(datetime.datetime.fromisoformat(point["time"].replace("Z", "+00:00"))
                    .timestamp(), point["interval"]) for point in points})


def nice_of_thread(pid, name):
    """The nice value of a thread of a process."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii") as file:
            before, after = file.read().rsplit(")", 1)
        if before.split("(", 1)[1] == name:
            return int(after.split()[16])
    raise AssertionError(f"no thread {name}")


class Timer:
    """A timerfd of a process, as /proc/PID/fdinfo/FD shows it (proc_pid_fdinfo(5))."""

    ABSTIME, CANCEL_ON_SET = 1, 2  # linux/timerfd.h

    def __init__(self, text):
        times = [int(seconds) + int(nanoseconds) / 1e9 for seconds, nanoseconds
                 in re.findall(r"\((\d+), (\d+)\)", text)]
        self.clock = int(re.search(r"^clockid: (\d+)", text, re.MULTILINE)[1])
        self.flags = int(re.search(r"^settime flags: (\d+)", text, re.MULTILINE)[1], 8)
        self.left, self.period = times

    @staticmethod
    def every(pid):
        """{clock: timer} of a process that has one of each clock."""
        timers = {}
        for name in os.listdir(f"/proc/{pid}/fdinfo"):
            with open(f"/proc/{pid}/fdinfo/{name}", encoding="ascii") as file:
                text = file.read()
            if "clockid:" in text:
                timer = Timer(text)
                timers[timer.clock] = timer
        return timers


class Intervals(unittest.TestCase):
    """They lie at multiples of the interval; each begins where the one before ended; the first
    begins with the daemon and the last ends with it."""

    SECONDS = 2
    DRAIN_SECONDS = 0.1
    IDLE = 100  # connections

    def check_timers(self, daemon):
        """What would show only when somebody sets the clock, or when the collector is too late:
        as the kernel has it."""
        before = time.time()
        timers = Timer.every(daemon.pid)
        after = time.time()
        interval, drain = timers[time.CLOCK_REALTIME], timers[time.CLOCK_MONOTONIC]
        self.assertEqual(interval.flags, Timer.ABSTIME | Timer.CANCEL_ON_SET)
        self.assertEqual((interval.period, drain.period), (0, self.DRAIN_SECONDS))
        # Due between before + left and after + left: there is an end of an interval.
        due = (after + interval.left + ROUNDING) // self.SECONDS * self.SECONDS
        self.assertGreaterEqual(due, before + interval.left - ROUNDING)

    def connect_idle(self):
        listener = harness.listen(self, harness.free_port())
        for _ in range(self.IDLE):
            client = socket.create_connection(listener.getsockname())
            self.addCleanup(client.close)
            self.addCleanup(listener.accept()[0].close)

    def test_times(self):
        path = os.path.join(harness.temporary_folder(self), "lines")
        collector, carbon = test_otlp.Collector(self), payloads.Carbon()
        lines = LineServer(self, carbon.add)
        self.connect_idle()
        begin = time.time()
        daemon = Daemon(self, "protocols.http=false", interval=f"{self.SECONDS}s", exporters=(
            f"{{type: file, path: '{path}'}}", collector.exporter("encoding: json"),
            f"{{type: graphite, retention: {self.SECONDS}s, url: 'tcp://127.0.0.1:{lines.port}'}}"))
        harness.wait_until(lambda: nice_of_thread(daemon.pid, "eye:collector") == -10, 30,
                           "the collector's precedence")
        daemon.wait_for_snapshots(2)
        self.check_timers(daemon)
        records = daemon.total("kernel.records", ring="live")
        self.assertGreaterEqual(records, 2 * self.IDLE)
        stopping = time.time()
        self.assertEqual(daemon.stop(), 0)
        # The last interval counts afresh what is active: also those that did nothing.
        self.assertGreaterEqual(daemon.total("kernel.records", ring="live"),
                                records + 2 * self.IDLE)
        spans = read_spans(path)
        print([(f"{end:.3f}", f"{seconds:.3f}") for end, seconds in spans], end="; ")
        start = spans[0][0] - spans[0][1]
        self.assertGreaterEqual(start, begin - ROUNDING)
        for (before, _), (end, seconds) in itertools.pairwise(spans):
            self.assertAlmostEqual(end - before, seconds, delta=ROUNDING)
        for end, _ in spans[:-1]:
            self.assertAlmostEqual(end % self.SECONDS, 0, delta=ROUNDING)
        self.assertGreaterEqual(spans[-1][0], stopping - ROUNDING)
        self.assertLessEqual(spans[-1][0], time.time() + ROUNDING)
        # Carbon's slots lie around the middles of intervals: each whole one has its own.
        self.assertGreaterEqual(len(carbon.series.times()), 2)
        self.assertEqual(carbon.overwritten, [])
        collector.read()
        self.assertEqual(collector.malformed, [])
        first = min(point.start for point in collector.points if point.start)
        self.assertAlmostEqual(first / 1e9, start, delta=ROUNDING)


class SetBack(unittest.TestCase):
    """Somebody sets the wall clock back: times are what it says from then on, and intervals are as
    long as the other clock says."""

    BACK_SECONDS = 3 * 3600

    def test_lengths_and_times(self):
        path = os.path.join(harness.temporary_folder(self), "lines")
        clock, carbon = test_outage.SetClock(self), payloads.Carbon()
        lines = LineServer(self, carbon.add)
        begin, begin_monotonic = time.time(), time.monotonic()
        daemon = Daemon(self, "protocols.http=false", environment=clock.environment, exporters=(
            f"{{type: file, path: '{path}'}}",
            f"{{type: graphite, retention: 1s, url: 'tcp://127.0.0.1:{lines.port}'}}"))
        daemon.wait_for_snapshots(2)
        clock.advance(-self.BACK_SECONDS)
        harness.wait_until(lambda: carbon.series.times()[0] < begin - 60, 30, "an earlier time")
        self.assertEqual(daemon.stop(), 0)
        seconds = time.monotonic() - begin_monotonic
        spans = read_spans(path)
        print([(f"{end:.3f}", f"{length:.3f}") for end, length in spans], end="; ")
        self.assertLessEqual(sum(length for _, length in spans), seconds)
        for times in ([end for end, _ in spans], carbon.series.times()):
            before = [moment for moment in times if moment < begin - 60]
            self.assertGreaterEqual((len(before), len(times) - len(before)), (1, 2))
            for moment in times:
                since = moment - begin + (self.BACK_SECONDS if moment in before else 0)
                self.assertTrue(-1 <= since <= seconds + 1, (moment, begin))


if __name__ == "__main__":
    unittest.main(verbosity=2)
