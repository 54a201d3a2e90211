# SPDX-License-Identifier: Apache-2.0
"""Live tests of tests/integration, of a daemon that systemd starts by the packaged unit.

    live.py [TEST]...

Runs as root in the box of test_unit.py, as a unit of its own: a process outside of all units is not
in the box's cgroup tree. A TEST is named as LEFT_OUT names it; without any it is all of MODULES.
"""

import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import harness  # pylint: disable=wrong-import-position
from test_probe import looks_by_table  # pylint: disable=wrong-import-position

MODULES = ("test_connections", "test_http", "test_delivery")

NAMES = "the box has other pids than the kernel, so /proc does not tell whose an older socket is"
SYS_ADMIN = "looks into other network namespaces, for which the unit has no right by itself"
PARSER = "time: what a parser makes of bytes does not depend on who started it"
ALIKE = "time: others of its kind are run"

# module.class[.method]: why it is not run here. All others of the modules are.
LEFT_OUT = {
    **dict.fromkeys((
        "test_connections.OlderConnections.test_children_of_an_older_listener_get_its_service",
        "test_connections.OlderConnections.test_what_only_the_listener_tells"), NAMES),
    **dict.fromkeys((
        "test_connections.OlderConnections.test_connecting_at_the_start",
        "test_connections.OlderConnections.test_in_a_namespace_without_a_process",
        "test_connections.OlderConnections.test_in_another_network_namespace"), SYS_ADMIN),
    **dict.fromkeys(("test_http." + name for name in (
        "MessageFraming", "Retransmissions", "Multipath", "Unanswered",
        "Beginnings", "Unrecognised", "AnotherLife", "LossesOfAService", "BigTcp", "NotHttp",
        "Latency", "Saturation.test_method_status_and_route_are_exact_when_pipelined")), PARSER),
    **dict.fromkeys((
        "test_connections.ReusedSocket",
        "test_connections.OlderConnections.test_ipv6",
        "test_connections.Failures.test_established_connection_timed_out",
        "test_connections.Failures.test_no_local_port_is_left",
        "test_connections.Failures.test_refused_over_ipv6",
        "test_connections.Failures.test_refused_twice_on_one_socket",
        "test_connections.Failures.test_reset_while_the_client_had_already_finished",
        "test_connections.Failures.test_timed_out_after_the_last_syn",
        "test_connections.Failures.test_unreachable_by_icmp6",
        "test_connections.Failures.test_unreachable_without_neighbour",
        "test_http.OwnerAndRoute.test_variable_segments_become_stars",
        "test_http.Saturation.test_full_speed_for_10_s",
        "test_delivery.ReceiverAway.test_never_there",
        "test_delivery.ReceiverAway.test_away_for_60_s"), ALIKE),
    "test_connections.Churn": "time: how fast the kernel is depends on nobody's rights",
    "test_delivery.Negotiation": "time: a page is the same whoever started its server",
}
# Where live sockets are looked at by table.
LEFT_OUT_BY_TABLE = {"test_connections.LiveConnection": SYS_ADMIN}

UNIT = pathlib.Path("/etc/systemd/system/sockeye.service")
DROP_IN = pathlib.Path(f"{UNIT}.d/live.conf")
CONFIG = "/etc/sockeye/sockeye.yaml"


def show(*names):
    """Values of the unit's properties."""
    text = harness.command("systemctl", "show", "-p", ",".join(names), "sockeye").stdout
    values = dict(line.split("=", 1) for line in text.splitlines())
    return [values[name] for name in names]


def quoted(text):
    """One word (systemd.syntax(7), systemd.service(5))."""
    for plain, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$"), ("\n", "\\n")):
        text = text.replace(plain, written)
    return f'"{text}"'


class Pipe:
    """What the daemon writes; systemd opens the other end by its path."""

    def __init__(self):
        read_fd, self._write_fd = os.pipe()
        self.reader = os.fdopen(read_fd, encoding="utf-8")
        self.path = f"/proc/{os.getpid()}/fd/{self._write_fd}"

    def hand_over(self):
        """The daemon alone has the other end from now on."""
        os.close(self._write_fd)


class Unit:
    """Stands in for the subprocess.Popen of a daemon. It has become active, or failed to, when the
    constructor returns. But for arguments and pipes it is the unit as it is packaged."""

    def __init__(self, words, environment):
        self._check(words, environment)
        shutil.copyfile(words[3], CONFIG)
        out, err = Pipe(), Pipe()
        self.stdout, self.stderr = out.reader, err.reader
        self._write_drop_in(words[4:], out, err)
        harness.command("systemctl", "daemon-reload")
        # Resets how often it was started, too.
        harness.command("systemctl", "reset-failed", "sockeye", check=False)
        harness.command("systemctl", "start", "sockeye", check=False)
        for pipe in (out, err):
            pipe.hand_over()
        self.pid = int(show("MainPID")[0])
        self._pidfd = os.pidfd_open(self.pid) if self.pid else None
        self.returncode = None

    @staticmethod
    def _check(words, environment):
        if words[:3] != [harness.binary(), "run", "-c"] or environment:
            raise AssertionError(f"the unit has no other program or environment: {words[0]}, "
                                 f"{environment}; a reason to be in LEFT_OUT?")
        if show("ActiveState") != ["inactive"]:
            raise AssertionError("the unit is one daemon at a time; a reason to be in LEFT_OUT?")

    @staticmethod
    def _write_drop_in(arguments, out, err):
        packaged = re.search(r"^ExecStart=.*", UNIT.read_text(encoding="utf-8"), re.M)[0]
        lines = ("[Service]", "ExecStart=", " ".join((packaged, *map(quoted, arguments))),
                 f"StandardOutput=file:{out.path}", f"StandardError=file:{err.path}")
        DROP_IN.parent.mkdir(exist_ok=True)
        DROP_IN.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _has_ended(self, timeout):
        return self._pidfd is None or select.select([self._pidfd], [], [], timeout)[0] != []

    def poll(self):
        if self.returncode is None and self._has_ended(0):
            harness.wait_until(lambda: show("MainPID") == ["0"], 10, "systemd to notice its end")
            by, status = map(int, show("ExecMainCode", "ExecMainStatus"))
            self.returncode = status if by == os.CLD_EXITED else -status
            # What failed would be started again.
            harness.command("systemctl", "stop", "sockeye")
            if self._pidfd is not None:
                os.close(self._pidfd)
        return self.returncode

    def wait(self, timeout=None):
        if self.returncode is None and not self._has_ended(timeout):
            raise subprocess.TimeoutExpired("sockeye.service", timeout)
        return self.poll()

    def send_signal(self, number):
        """SIGTERM as its manager sends it, others as anybody does."""
        if number == signal.SIGTERM:
            harness.command("systemctl", "stop", "--no-block", "sockeye")
        elif self.poll() is None:
            signal.pidfd_send_signal(self._pidfd, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def tests_of(names):
    """All there are of these names; fails on a name that there is not."""
    loader = unittest.TestLoader()
    suites, found = [loader.loadTestsFromNames(names)], []
    if loader.errors:
        raise AssertionError(loader.errors[0])
    while suites:
        for test in suites.pop():
            (suites if isinstance(test, unittest.TestSuite) else found).append(test)
    return found


def main(names):
    harness.Daemon.starter = Unit
    left_out = set()
    for name, why in (LEFT_OUT | (LEFT_OUT_BY_TABLE if looks_by_table() else {})).items():
        print(f"left out: {name}: {why}")
        left_out |= {test.id() for test in tests_of([name])}
    chosen = [test for test in tests_of(names or MODULES) if test.id() not in left_out]
    return unittest.TextTestRunner(sys.stdout, verbosity=2).run(unittest.TestSuite(chosen))


if __name__ == "__main__":
    sys.exit(not main(sys.argv[1:]).wasSuccessful())
