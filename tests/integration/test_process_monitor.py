# SPDX-License-Identifier: Apache-2.0
"""The process monitor: every exec and every end is told, or counted as lost, by either way; short
programs have their own names.

What else runs on the machine starts processes, too: the counts are at least those that a test made,
and ends are no more than the kernel's own count of what was started.
"""

import os
import re
import shutil
import signal
import socket
import unittest

import harness
from harness import Daemon, Namespace, free_port, wait_until
from test_owners import copy_of_bash

WAYS = ("tracepoints", "connector")
# What was there before, or was started by a test's own command, may end meanwhile.
STRANGERS = 1000
CONSOLE = harness.console_of("usm.process_monitor.*", "udp.sent.*", "sockeye.kernel.lost")
TOLD = "ends of processes are told by the process events connector"


def burst(count):
    """Processes that are gone at once."""
    program = os.path.join(os.path.dirname(os.environ["EYE_LIVE_READER"]), "burst")
    harness.command(program, str(count), timeout=300)


def started():
    """Threads included, since the machine booted."""
    with open("/proc/stat", encoding="ascii") as file:
        return int(re.search(r"^processes (\d+)$", file.read(), re.M)[1])


def count(daemon, name):
    return daemon.total(f"usm.process_monitor.{name}")


class Case(unittest.TestCase):
    def watch(self, way, *settings, **options):
        daemon = Daemon(self, f"source.processes={way}", *settings, console=CONSOLE, **options)
        if way == "connector":
            wait_until(lambda: any(TOLD in line for line in list(daemon.log)), 20,
                       lambda: "\n".join(daemon.log))
        return daemon

    def check(self, daemon, way, made, at_most):
        """Told and lost together are all that was made."""
        lost = count(daemon, "lost")
        with self.subTest(way=way, lost=lost):
            self.assertEqual(daemon.values("usm.process_monitor.exec", "source"), [way])
            self.assertGreaterEqual(count(daemon, "exec") + lost, made)
            self.assertGreaterEqual(count(daemon, "exit") + lost, made)
            self.assertLessEqual(count(daemon, "exit"), at_most)
            self.assertGreaterEqual(count(daemon, "exec") + count(daemon, "exit") + lost, 2 * made)
            self.assertEqual(count(daemon, "events"), count(daemon, "exec") + count(daemon, "exit")
                             if way == "tracepoints" else count(daemon, "events"))
            self.assertEqual(count(daemon, "process_scan_failed"), 0)
            self.assertEqual(count(daemon, "reinit_failed"), 0)


class Bursts(Case):
    AWAKE, ASLEEP = 1_000, 6_000

    def test_all_are_told_or_counted_as_lost(self):
        """One daemon for each way, and one that watches nothing. The second way's sleeps meanwhile,
        until its socket has no room; then it goes on."""
        before = started()
        daemons = {way: self.watch(way) for way in WAYS}
        nobody = self.watch("none")
        burst(self.AWAKE)
        daemons["connector"].process.send_signal(signal.SIGSTOP)
        burst(self.ASLEEP)
        daemons["connector"].process.send_signal(signal.SIGCONT)
        burst(self.AWAKE)
        made = 2 * self.AWAKE + self.ASLEEP
        for daemon in (*daemons.values(), nobody):
            self.assertEqual(daemon.stop(), 0)
        for way, daemon in daemons.items():
            self.check(daemon, way, made, started() - before + STRANGERS)
        self.assertEqual(count(daemons["tracepoints"], "lost"), 0)
        self.assertGreater(count(daemons["connector"], "lost"), 0)
        self.assertEqual(nobody.series("usm.process_monitor.exec"), [])
        print({way: [count(daemon, name) for name in ("exec", "exit", "lost")]
               for way, daemon in daemons.items()}, end="; ")


class FiftyThousand(Case):
    def test_nobody_loses_any(self):
        before = started()
        daemons = {way: self.watch(way) for way in WAYS}
        burst(50_000)
        for way, daemon in daemons.items():
            self.assertEqual(daemon.stop(), 0)
            self.check(daemon, way, 50_000, started() - before + STRANGERS)
            self.assertEqual(count(daemon, "lost"), 0)


class Elsewhere(Case):
    def test_a_daemon_in_another_network_hears_the_hosts(self):
        """The connector tells those alone whose socket is of the root network namespace."""
        namespace = Namespace(self)
        daemon = self.watch("connector", prefix=("nsenter", f"--net=/run/netns/{namespace.name}"))
        burst(50)
        self.assertEqual(daemon.stop(), 0)
        self.assertGreaterEqual(count(daemon, "exit"), 50)


class Senders(Case):
    """Programs that send one datagram, and are gone long before the interval ends."""

    def send(self, port, programs, words, runs):
        """{service: datagrams}, and what was lost."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", port))
            daemon = self.watch("auto", interval="5s")
            for i in range(runs):
                harness.command(programs[i % len(programs)], *words,
                                env=harness.clean_environment())
            self.assertEqual(daemon.stop(), 0)
        sent = daemon.series("udp.sent.datagrams", port=port, direction="outgoing")
        return {tags["service"]: entry[1] for tags, entry in sent}, daemon.losses()

    def check_names(self, found, losses, programs, runs):
        """All were named, unless the kernel side said otherwise."""
        unknown = found.pop("unknown", 0)
        self.assertLessEqual(unknown, losses.get(("owner", "ring_full"), 0))
        self.assertEqual(found.keys(), {os.path.basename(program) for program in programs})
        self.assertEqual(sum(found.values()) + unknown + losses.get(("udp", "ring_full"), 0), runs,
                         (found, losses))


class ShortSenders(Senders):
    RUNS = 150

    def test_three_programs_are_three_services(self):
        programs = copy_of_bash(self, "collect-u", "import-u", "report-u")
        port = free_port()
        script = f"exec 3<>/dev/udp/127.0.0.1/{port}; echo -n x >&3"
        found, losses = self.send(port, programs, ("-c", script), self.RUNS)
        self.check_names(found, losses, programs, self.RUNS)


class TwoThousandSenders(ShortSenders):
    RUNS = 2000


class PythonSenders(Senders):
    """The same where there is no other shell: on kernels that introduce a sender at its exec."""

    def test_two_programs_are_two_services(self):
        folder = harness.temporary_folder(self)
        programs = [shutil.copy(os.path.realpath(harness.PYTHON), os.path.join(folder, name))
                    for name in ("collect-p", "import-p")]
        port = free_port()
        script = f"import socket; socket.socket(2, 2).sendto(b'x', ('127.0.0.1', {port}))"
        found, losses = self.send(port, programs, ("-S", "-c", script), 6)
        self.check_names(found, losses, programs, 6)
