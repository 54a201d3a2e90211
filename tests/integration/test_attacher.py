# SPDX-License-Identifier: Apache-2.0
"""The programs of a protocol are loaded when it is first seen: what came before is counted, what
comes after is exact."""

import os
import resource
import time
import unittest

import harness
import own_cgroup
from conversation import Conversation, answer, get
from harness import Daemon

AUTO = "protocols.http=auto"
PROGRAMS = ("http_sent", "http_received")
NOT_LOADED = ("http", "not_loaded")
REFUSED = "kernel programs of HTTP/1: cannot be loaded: Too many open files"
SEEN = "requests of HTTP/1 are seen from now on"
DURATIONS = ("http.server.request.duration", "http.client.request.duration")
LATER = 20


def setUpModule():  # pylint: disable=invalid-name
    own_cgroup.enter(unittest.addModuleCleanup)


def logs(daemon, text):
    return any(text in line for line in list(daemon.log))


class FirstSeen(unittest.TestCase):
    """A host that speaks HTTP after a while."""

    def setUp(self):
        self.daemon = Daemon(self, AUTO)
        self.conversation = Conversation(self)

    def ask(self, count):
        """That many requests, a segment each, and their answers."""
        for _ in range(count):
            self.conversation.client_sends(get("/early"))
            self.conversation.server_sends(answer(200))

    def ask_until(self, done, seconds):
        """Returns how many requests that took."""
        asked, end = 0, time.monotonic() + seconds
        while not done():
            self.assertLess(time.monotonic(), end, self.daemon.log)
            self.ask(1)
            asked += 1
            time.sleep(0.01)
        return asked

    def loaded(self):
        return logs(self.daemon, SEEN)

    def seen(self, metric):
        return self.daemon.weight(metric, port=self.conversation.port)

    def attached(self):
        """The protocol's programs that the daemon tells of, with 1 or 0."""
        told = self.daemon.values("bpf.attached", "program")
        return {name: self.daemon.last_gauge("bpf.attached", program=name)
                for name in PROGRAMS if name in told}

    def test_counted_before_and_exact_after(self):
        self.daemon.wait_for_snapshots(1)
        self.assertEqual(self.attached(), {})
        early = self.ask_until(self.loaded, 20)
        self.ask(LATER)
        self.conversation.close()
        self.daemon.wait_for_snapshots(2)
        self.assertEqual(self.daemon.stop(), harness.EXIT_OK)
        missed = self.daemon.losses()[NOT_LOADED]
        self.assertEqual(self.attached(), dict.fromkeys(PROGRAMS, 1))
        for metric in DURATIONS:
            self.assertGreaterEqual(self.seen(metric), LATER, metric)
            self.assertLessEqual(self.seen(metric), early + LATER, metric)
        # Each request and each answer passes both ends. Others on the machine may ask, too.
        port = self.conversation.port
        own = {direction: self.daemon.total("usm.lost", port=port, direction=direction,
                                            reason=NOT_LOADED[1])
               for direction in ("incoming", "outgoing")}
        self.assertEqual(own["incoming"], own["outgoing"])
        self.assertTrue(0 < own["incoming"] <= 2 * early, own)
        self.assertGreaterEqual(missed, sum(own.values()))
        self.assertEqual(self.daemon.total("usm.connections.unrecognised", port=port), 0)
        print(f"{early} requests until the programs were there, {missed} payloads counted; "
              f"then {LATER} of {LATER}", end="; ")

    def test_stopped_while_they_are_loaded(self):
        """What nobody will see is not announced."""
        self.ask(1)
        self.assertEqual(self.daemon.stop(), harness.EXIT_OK)
        self.assertFalse(self.loaded(), self.daemon.log)

    def test_what_is_refused_is_tried_again(self):
        """No descriptors at first: told once, counted for as long as it lasts."""
        few = (20, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        before = resource.prlimit(self.daemon.pid, resource.RLIMIT_NOFILE, few)
        self.ask_until(lambda: logs(self.daemon, REFUSED), 20)
        snapshots = self.daemon.snapshots
        self.daemon.wait_for_snapshots(snapshots + 2)
        self.assertEqual(self.attached(), dict.fromkeys(PROGRAMS, 0))
        resource.prlimit(self.daemon.pid, resource.RLIMIT_NOFILE, before)
        self.ask_until(self.loaded, 20)
        self.ask(LATER)
        self.conversation.close()
        self.daemon.wait_for_snapshots(2)
        self.assertEqual(self.daemon.stop(), harness.EXIT_OK)
        self.assertEqual(sum("cannot be loaded" in line for line in self.daemon.log), 1)
        self.assertEqual(self.attached(), dict.fromkeys(PROGRAMS, 1))
        self.assertEqual(self.daemon.total("ebpf.core.load", asset="http", result="success"), 1)
        self.assertGreater(self.daemon.total("ebpf.core.load", asset="http"), 1)
        for metric in DURATIONS:
            self.assertGreaterEqual(self.seen(metric), LATER, metric)


class Once(unittest.TestCase):
    """Of an interval that is the only one nothing is missed."""

    def test_is_there_before_it_is_seen(self):
        daemon = Daemon(self, AUTO, interval="2s", arguments=("--once",))
        conversation = Conversation(self)
        for _ in range(LATER):
            conversation.client_sends(get("/early"))
            conversation.server_sends(answer(200))
        conversation.close()
        self.assertEqual(daemon.wait(), harness.EXIT_OK)
        self.assertNotIn(NOT_LOADED, daemon.losses())
        self.assertEqual([line for line in daemon.log if "once it is seen" in line], [])
        for metric in DURATIONS:
            self.assertEqual(daemon.weight(metric, port=conversation.port), LATER, metric)


class Halves(unittest.TestCase):
    """Descriptors that are enough for one of the two programs."""

    def setUp(self):
        self.conversation = Conversation(self)

    def begin(self):
        """A daemon that has not seen HTTP, and the numbers of its descriptors."""
        daemon = Daemon(self, AUTO)
        return daemon, self.descriptors(daemon)

    @staticmethod
    def descriptors(daemon):
        return {int(name) for name in os.listdir(f"/proc/{daemon.pid}/fd")}

    def show(self, daemon, text):
        self.conversation.client_sends(get("/early"))
        self.conversation.server_sends(answer(200))
        harness.wait_until(lambda: logs(daemon, text), 20, lambda: daemon.log)

    def test_both_or_none(self):
        daemon, before = self.begin()
        self.show(daemon, SEEN)
        kept = self.descriptors(daemon) - before
        daemon.kill()
        self.assertEqual(len(kept), len(PROGRAMS))
        daemon, before = self.begin()
        most = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (max(kept), most))
        self.show(daemon, "cannot be loaded: Too many open files")
        self.assertEqual(self.descriptors(daemon), before)


if __name__ == "__main__":
    unittest.main(verbosity=2)
