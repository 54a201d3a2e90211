# SPDX-License-Identifier: Apache-2.0
"""The collector's clock: where intervals begin and end, and since when it counts."""

import datetime
import itertools
import json
import os
import time
import unittest

import harness
import payloads
import test_otlp
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


class Intervals(unittest.TestCase):
    """They lie at multiples of the interval; each begins where the one before ended; the first
    begins with the daemon and the last ends with it."""

    SECONDS = 2

    def test_times(self):
        path = os.path.join(harness.temporary_folder(self), "lines")
        collector, carbon = test_otlp.Collector(self), payloads.Carbon()
        lines = LineServer(self, carbon.add)
        begin = time.time()
        daemon = Daemon(self, "protocols.http=false", interval=f"{self.SECONDS}s", exporters=(
            f"{{type: file, path: '{path}'}}", collector.exporter("encoding: json"),
            f"{{type: graphite, url: 'tcp://127.0.0.1:{lines.port}'}}"))
        harness.wait_until(lambda: nice_of_thread(daemon.pid, "eye:collector") == -10, 30,
                           "the collector's precedence")
        daemon.wait_for_snapshots(2)
        stopping = time.time()
        self.assertEqual(daemon.stop(), 0)
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
        # Carbon's slots lie around the middles of intervals: no two are in one.
        self.assertGreaterEqual(len(carbon.series.times()), 3)
        self.assertEqual(carbon.overwritten, [])
        collector.read()
        self.assertEqual(collector.malformed, [])
        first = min(point.start for point in collector.points if point.start)
        self.assertAlmostEqual(first / 1e9, start, delta=ROUNDING)


if __name__ == "__main__":
    unittest.main(verbosity=2)
