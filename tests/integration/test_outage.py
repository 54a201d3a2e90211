# SPDX-License-Identifier: Apache-2.0
"""Receivers that are away for long, with and without a spool, and beside one that is well."""

import collections
import glob
import os
import platform
import time
import unittest

import accounts
import fault_server
import harness
import payloads
from fault_server import FaultServer
from line_server import LineServer
from traffic import Truth

KEY = "0123456789abcdef0123456789abcdef"
INTERVALS_AWAY = 10
RECOVERY_SECONDS = 90


class Receivers:
    """One of each kind whose format carries the time of a point; all go down and up together."""

    # The workers of the exporters below.
    WORKERS = ("datadog.series", "datadog.sketches", "graphite", "remote_write")
    DISTRIBUTIONS = "datadog.sketches"  # has nothing to deliver in an interval without traffic

    def __init__(self, test, spool=None):
        self.carbon = payloads.Carbon()
        self.intake = FaultServer(test)
        self.prometheus = FaultServer(test)
        self.prometheus.usual = fault_server.answer(204, b"")
        self.lines = LineServer(test, self.carbon.add)
        self._all = (self.intake, self.prometheus, self.lines)
        kept = f", spool: {{path: '{spool}'}}" if spool else ""
        key_file = accounts.write_secret(test, KEY)
        self.exporters = (
            f"{{type: datadog, url: '{self.intake.url}', api_key_file: '{key_file}'{kept}}}",
            "{type: graphite, retention: 1s, "
            f"url: 'tcp://127.0.0.1:{self.lines.port}'{kept}}}",
            "{type: remote_write, version: 1, "
            f"url: '{self.prometheus.url}{payloads.RemoteWrite.PATH}'{kept}}}")

    def down(self):
        for receiver in self._all:
            receiver.down()

    def up(self):
        for receiver in self._all:
            receiver.up()

    def hush(self):
        """Those over HTTP read and do not answer any more."""
        self.intake.usual = self.prometheus.usual = fault_server.silence()

    def speak(self):
        self.intake.usual = fault_server.answer()
        self.prometheus.usual = fault_server.answer(204, b"")

    def known(self):
        """{what it is: what it knows}"""
        return {"datadog": payloads.DatadogIntake.of(self.intake.taken),
                "graphite": self.carbon,
                "remote_write": payloads.RemoteWrite.of(self.prometheus.taken)}

    def problems(self, truth):
        """What is wrong, as texts: counts that are not the truth, points that took another's place,
        bytes that no receiver would take."""
        every = self.known()
        found = [f"{name}: {row}" for name, known in every.items()
                 for row in truth.difference(known) + known.overwritten[:5]]
        return found + [str(row) for rows in (
            self.carbon.malformed, self.lines.torn, self.intake.errors, self.prometheus.errors,
            every["remote_write"].out_of_order) for row in rows[:5]]


def times_of(requests):
    """The time of each request of points, in the order in which they came."""
    found = []
    for request in requests:
        intake = payloads.DatadogIntake.of([request])
        found += intake.series.times()
    return found


class Frame(unittest.TestCase):

    maxDiff = None

    def setUp(self):
        self.truth = Truth()

    def start(self, exporters, *settings, **options):
        self.daemon = harness.Daemon(self, self.truth.alone(), *settings, exporters=exporters,
                                     **options)
        self.books = accounts.Accounts(self.daemon)

    def wait_for(self, predicate, workers):
        harness.wait_until(lambda: all(predicate(name) for name in workers), RECOVERY_SECONDS,
                           lambda: f"{[name for name in workers if not predicate(name)]}: "
                                   + "\n".join(self.daemon.log))

    def assert_in_order(self, requests):
        """Every interval came once, the older one first; returns them. What was on its way when the
        receiver went down may come again."""
        times = times_of(requests)
        self.assertEqual(times, sorted(times))
        self.assertLessEqual(len(times), len(set(times)) + 1)
        return sorted(set(times))


class Outage(Frame):
    """Issue: "receiver down for 10 intervals under live load, then up: cumulative counts
    complete"."""

    def test_ten_intervals(self):
        receivers = Receivers(self)
        self.start(receivers.exporters)
        footprint = accounts.Footprint(self, self.daemon.pid)
        with self.truth.live(self):
            self.daemon.wait_for_snapshots(2)
            receivers.down()
            self.daemon.wait_for_snapshots(INTERVALS_AWAY)
            receivers.up()
            self.wait_for(self.books.is_delivering, receivers.WORKERS)
        self.daemon.wait_for_snapshots(2)
        self.assertEqual(self.daemon.stop(), 0)
        footprint.end()
        print(f"{self.truth.connections} connections, {self.truth.requests} requests; memory "
              f"{footprint.first_kib} KiB + {footprint.grown_kib} KiB")
        self.assertEqual(receivers.problems(self.truth), [])
        times = self.assert_in_order(receivers.intake.taken)
        seconds = times[-1] - times[0] + 1
        print(f"{len(times)} intervals in {seconds} s, the newest of the outage included")
        self.assertEqual(len(times), seconds)
        for name in receivers.WORKERS:
            with self.subTest(worker=name):
                print(f"  {name}: {self.books.failures(name)}")
                self.assertEqual(self.books.problems(name), [])
                self.assertEqual(self.books.dropped(name), {})
                self.assertEqual(self.books.skipped(name), 0)
                self.assertEqual(len(self.books.said(name, "cannot deliver")), 1, self.daemon.log)
                self.assertEqual(len(self.books.said(name, "delivering again")), 1)

    def test_longer_than_the_queue(self):
        """Time resolution is lost and counted, no count is."""
        receivers = Receivers(self)
        self.start([text.replace("{type", "{queue: {snapshots: 2}, type")
                    for text in receivers.exporters])
        with self.truth.live(self):
            self.daemon.wait_for_snapshots(2)
            receivers.down()
            self.daemon.wait_for_snapshots(6)
            receivers.up()
            self.wait_for(self.books.is_delivering, receivers.WORKERS)
        self.daemon.wait_for_snapshots(2)
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(receivers.problems(self.truth), [])
        self.assert_in_order(receivers.intake.taken)
        for name in receivers.WORKERS:
            with self.subTest(worker=name):
                print(f"  {name}: skipped {self.books.skipped(name)}")
                self.assertGreater(self.books.skipped(name), 0)
                self.assertEqual(self.books.problems(name), [])


class Spool(Frame):
    """Issue: "with spool: also after `kill -9` in the middle"."""

    def setUp(self):
        super().setUp()
        self.folder = harness.temporary_folder(self)
        self.receivers = Receivers(self, self.folder)

    def waiting(self, worker="*"):
        """Segments that wait, oldest first."""
        return sorted(glob.glob(os.path.join(self.folder, worker, "*.waiting")))

    def killed_in_the_middle(self):
        """The daemon delivered something, then the receivers went away, then it was killed."""
        self.start(self.receivers.exporters)
        with self.truth.live(self):
            self.daemon.wait_for_snapshots(2)
            self.receivers.down()
            self.daemon.wait_for_snapshots(INTERVALS_AWAY // 2)
        self.daemon.wait_for_snapshots(2)
        time.sleep(0.4)  # in the middle of an interval: what was published is on disk
        self.daemon.kill()
        self.assertEqual(self.truth.difference(self.daemon), [])
        self.assertEqual({os.path.basename(os.path.dirname(path)) for path in self.waiting()},
                         set(self.receivers.WORKERS))

    def started_again(self):
        """With less traffic than before, so that cumulative counts show where they begin anew."""
        self.start(self.receivers.exporters)
        self.wait_for(lambda name: self.waiting(name) == [], self.receivers.WORKERS)
        self.truth.add(self, 10)
        self.daemon.wait_for_snapshots(3)
        self.assertEqual(self.daemon.stop(), 0)

    def assert_nothing_left(self):
        left = [name for _, _, names in os.walk(self.folder) for name in names
                if name.endswith((".waiting", ".tmp"))]
        self.assertEqual(left, [])

    def test_kill_in_the_middle(self):
        self.killed_in_the_middle()
        found = {name: len(self.waiting(name)) for name in self.receivers.WORKERS}
        self.receivers.up()
        self.started_again()
        print(f"segments replayed: {found}")
        self.assertEqual(self.receivers.problems(self.truth), [])
        self.assert_in_order(self.receivers.intake.taken)
        self.assert_nothing_left()
        for name in self.receivers.WORKERS:
            with self.subTest(worker=name):
                self.assertEqual(self.books.replayed(name), found[name])
                self.assertEqual(self.books.dropped(name), {})
                self.assertEqual(self.books.failures(name), {})
                self.assertEqual(self.books.problems(name), [])

    def test_kill_while_nobody_answers(self):
        """A request that hangs has not failed yet; what comes meanwhile is on disk all the same."""
        self.start(self.receivers.exporters)
        with self.truth.live(self):
            self.daemon.wait_for_snapshots(2)
            self.receivers.hush()
            self.daemon.wait_for_snapshots(4)
        self.daemon.wait_for_snapshots(2)
        time.sleep(0.4)  # in the middle of an interval
        self.daemon.kill()
        self.assertEqual(self.truth.difference(self.daemon), [])
        found = {name: len(self.waiting(name)) for name in self.receivers.WORKERS}
        print(f"segments on disk without a failure: {found}")
        for name in ("datadog.series", "remote_write"):
            self.assertGreaterEqual(found[name], 5)
            self.assertEqual(self.books.failures(name), {})
        self.receivers.speak()
        self.started_again()
        self.assertEqual(self.receivers.problems(self.truth), [])
        self.assert_in_order(self.receivers.intake.taken)
        self.assert_nothing_left()

    def test_corrupt_segment(self):
        """Counted and skipped; its changes go with the next one."""
        self.killed_in_the_middle()
        for name in self.receivers.WORKERS:
            path = self.waiting(name)[1]
            with open(path, "r+b") as file:
                content = bytearray(file.read())
                content[len(content) // 2] ^= 0x40
                file.seek(0)
                file.write(content)
        self.receivers.up()
        self.started_again()
        self.assertEqual(self.receivers.problems(self.truth), [])
        self.assert_nothing_left()
        for name in self.receivers.WORKERS:
            with self.subTest(worker=name):
                self.assertEqual(self.books.failures(name), {"spool": 1})
                self.assertEqual(self.books.skipped(name), 1)
                self.assertEqual(len(self.books.said(name, "skipped a segment")), 1)
                self.assertEqual(self.books.problems(name), [])

    def test_stop_leaves_it_to_the_next_run(self):
        self.start(self.receivers.exporters, "shutdown_timeout=1s")
        self.receivers.down()
        with self.truth.live(self):
            self.daemon.wait_for_snapshots(2)
        self.assertEqual(self.daemon.stop(), 0)
        for name in self.receivers.WORKERS:
            self.assertEqual(len(self.books.said(name, "waits in its spool")), 1, self.daemon.log)
        self.receivers.up()
        self.started_again()
        self.assertEqual(self.receivers.problems(self.truth), [])
        self.assert_nothing_left()

    def test_second_daemon_is_refused(self):
        self.start(self.receivers.exporters)
        done = harness.sockeye("run", "-c", "/dev/null", "--once", "--set",
                               f"exporters=[{self.receivers.exporters[1]}]")
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        self.assertIn(self.folder, done.stderr)


class SetClock:
    """The wall clock of a daemon, which a test sets; the monotonic one goes on."""

    LIBRARY = "/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1"

    def __init__(self, test):
        self._path = os.path.join(harness.temporary_folder(test), "clock")
        self.ahead = 0
        self.advance(0)
        self.environment = {"LD_PRELOAD": self.LIBRARY.format(platform.machine()),
                            "FAKETIME_TIMESTAMP_FILE": self._path, "FAKETIME_CACHE_DURATION": "1",
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def advance(self, seconds):
        self.ahead += seconds
        with open(self._path + ".new", "w", encoding="ascii") as file:
            file.write(f"{self.ahead:+}")
        os.rename(self._path + ".new", self._path)

    def now(self):
        return time.time() + self.ahead


class AgedReceivers(Receivers):
    """Take no older points than real ones do."""

    HOUR = 3600

    def __init__(self, test, clock, spool=None):
        super().__init__(test, spool)
        self._clock = clock
        self._intake, self._prometheus = payloads.DatadogIntake(), payloads.RemoteWrite()
        self._read = collections.Counter()
        if spool:
            self.exporters = [text.replace("{type", "{name: kept_%s, type" % text[7:12])
                              for text in self.exporters]

    def up(self):
        now = self._clock.now()
        self._intake.series.oldest = self._intake.sketches.oldest = now - self.HOUR
        self._prometheus.series.oldest = (now - self.HOUR) * 1000
        self.carbon.series.oldest = now - 24 * self.HOUR
        super().up()

    def read(self):
        """Takes in what came since they are up."""
        for server, add in ((self.intake, self._intake.add),
                            (self.prometheus, lambda request: self._prometheus.add(request.body))):
            requests = server.taken[self._read[server]:]
            self._read[server] += len(requests)
            for request in requests:
                add(request)

    def known(self):
        return {"datadog": self._intake, "graphite": self.carbon, "remote_write": self._prometheus}

    @property
    def too_old(self):
        return [points.too_old for points in (self._intake.series, self._intake.sketches,
                                              self._prometheus.series, self.carbon.series)]


class LongOutage(Frame):
    """Longer than the age that receivers take: counts stay whole, with a spool as without."""

    SECONDS_AWAY = (600, 7200, 93600)

    def test_ages(self):
        clock = SetClock(self)
        both = (AgedReceivers(self, clock),
                AgedReceivers(self, clock, harness.temporary_folder(self)))
        self.start([text for receivers in both for text in receivers.exporters],
                   environment=clock.environment)
        with self.truth.live(self):
            for seconds in self.SECONDS_AWAY:
                self.be_away(both, clock, seconds)
        self.daemon.wait_for_snapshots(3)
        self.assertEqual(self.daemon.stop(), 0)
        for receivers in both:
            receivers.read()
            self.assertEqual(receivers.problems(self.truth), [],
                             "\n".join([f"too old: {receivers.too_old}", *self.daemon.log]))
            self.assertEqual(receivers.too_old, [0, 0, 0, 0])

    def be_away(self, both, clock, seconds):
        self.daemon.wait_for_snapshots(1)
        time.sleep(0.4)  # in the middle of an interval: nothing is on its way
        for receivers in both:
            receivers.down()
            receivers.read()
        self.daemon.wait_for_snapshots(1)
        clock.advance(seconds)
        self.daemon.wait_for_snapshots(2)
        before = self.again()
        for receivers in both:
            receivers.up()
        harness.wait_until(lambda: len(self.again() - before) == 2 * len(Receivers.WORKERS),
                           RECOVERY_SECONDS, lambda: "\n".join(self.daemon.log))

    def again(self):
        """{worker: how often it was said to be delivering again}"""
        return collections.Counter(
            line.split("exporter ")[1].split(":")[0] for line in list(self.daemon.log)
            if "delivering again" in line)


class FullDisk(Frame):
    """A spool on a file system that is used beyond the share: not written, counted, said once."""

    SIZE = 4 * 1024 * 1024

    def test_refused_and_counted(self):
        folder = harness.temporary_folder(self)
        harness.command("mount", "-t", "tmpfs", "-o", f"size={self.SIZE}", "none", folder)
        self.addCleanup(harness.command, "umount", "--lazy", folder, check=False)
        ballast = os.path.join(folder, "ballast")
        with open(ballast, "wb") as file:
            file.write(bytes(self.SIZE * 85 // 100))
        receivers = Receivers(self, folder)
        self.start(receivers.exporters)
        with self.truth.live(self):
            receivers.down()
            self.daemon.wait_for_snapshots(5)
            self.assertEqual(glob.glob(os.path.join(folder, "*", "*.waiting")), [])
            self.wait_for(lambda name: self.books.failures(name).get("spool", 0) > 0,
                          receivers.WORKERS)
            os.unlink(ballast)
            self.wait_for(lambda name: glob.glob(os.path.join(folder, name, "*.waiting")),
                          receivers.WORKERS)
            receivers.up()
            self.wait_for(self.books.is_delivering, receivers.WORKERS)
        self.daemon.wait_for_snapshots(2)
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(receivers.problems(self.truth), [])
        for name in receivers.WORKERS:
            with self.subTest(worker=name):
                print(f"  {name}: {self.books.failures(name)}")
                self.assertEqual(len(self.books.said(name, "cannot write its spool")), 1)
                self.assertEqual(len(self.books.said(name, "can be written again")), 1)
                self.assertEqual(self.books.dropped(name), {})
                self.assertEqual(self.books.problems(name), [])


class StuckBesideHealthy(Frame):
    """Issue: "the healthy one's delivery is not delayed by one interval"."""

    INTERVAL_SECONDS = 2
    STUCK_SECONDS = 5
    INTERVALS = 6

    def test_healthy_gets_every_interval(self):
        healthy, stuck = Receivers(self), Receivers(self)
        stuck.intake.usual = stuck.prometheus.usual = fault_server.silence()
        stuck.lines.reading.clear()
        self.start([*(text.replace("{type", f"{{timeout: {self.STUCK_SECONDS}s, type")
                      if "graphite" not in text else text for text in stuck.exporters),
                    *(self.named(text) for text in healthy.exporters)],
                   "shutdown_timeout=1s", interval=f"{self.INTERVAL_SECONDS}s")
        with self.truth.live(self):
            self.daemon.wait_for_snapshots(self.INTERVALS)
        self.daemon.wait_for_snapshots(1)
        # The last one does not stand on an interval.
        requests = list(healthy.intake.taken)
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(healthy.problems(self.truth), [])
        self.assert_on_time(requests)
        for name in healthy.WORKERS:
            self.assertEqual(self.books.failures(f"healthy-{name}"), {})
        for name in ("datadog.series", "remote_write"):
            self.assertGreater(self.books.failures(name).get("timeout", 0), 0, name)

    @staticmethod
    def named(text):
        kind = text.partition("type: ")[2].partition(",")[0]
        return text.replace("{type", f"{{name: healthy-{kind}, type")

    def assert_on_time(self, requests):
        arrivals = [(payloads.DatadogIntake.of([request]).series.times()[0], request.time)
                    for request in requests if request.path == payloads.DatadogIntake.SERIES]
        steps = [later - earlier for (earlier, _), (later, _) in zip(arrivals, arrivals[1:])]
        delays = [arrived - made for made, arrived in arrivals]
        print(f"{len(arrivals)} intervals, the latest arrived after {max(delays):.3f} s")
        self.assertGreaterEqual(len(arrivals), self.INTERVALS)
        self.assertEqual(steps, [self.INTERVAL_SECONDS] * len(steps))
        self.assertLess(max(delays), self.STUCK_SECONDS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
