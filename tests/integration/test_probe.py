# SPDX-License-Identifier: Apache-2.0
"""What this host lets the daemon see: probe tries it, run does it, and both say the same."""

import ctypes
import json
import os
import re
import shutil
import struct
import time
import unittest

import harness
import own_cgroup
from harness import (EXIT_FAILURE, EXIT_OK, EXIT_PARTLY, UNPRIVILEGED, Daemon, command, messages)
from traffic import talk

HERE = os.path.dirname(os.path.abspath(__file__))
CONNECTIONS = ("tcp_state", "tcp_state_again", "tcp_live")
OLDER = ("tcp_seed", "owner_seed")
PROTOCOLS = ("payload_sent", "payload_received")
# The kernel gives up at one million; verifiers differ by a factor between releases.
BUDGET_INSTRUCTIONS = 300_000
ATTACHED = "bpf.attached"


def setUpModule():  # pylint: disable=invalid-name
    own_cgroup.enter(unittest.addModuleCleanup)


def probe(prefix=()):
    """What `sockeye probe --json` says."""
    return json.loads(harness.sockeye("probe", "--json", prefix=prefix).stdout)


def mounts_changed(script):
    """The words to run where neither mounts nor unmounts reach anybody else."""
    return ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh")


WITHOUT_CGROUP2 = """
    for mount in $(findmnt --noheadings --raw --types cgroup2 --output TARGET); do
        umount --lazy "$mount" || exit 90
    done
    exec "$@" """


class ExclusiveProgram:
    """A program on the test's cgroup that lets no other be attached beside it, as old tools do
    (BPF_PROG_ATTACH without BPF_F_ALLOW_MULTI)."""

    NUMBER = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
    PROG_LOAD, PROG_ATTACH, PROG_DETACH = 5, 8, 9
    CGROUP_SKB, INGRESS, EGRESS = 8, 0, 1
    PASS = struct.pack("<BBhi", 0xb7, 0, 0, 1) + struct.pack("<BBhi", 0x95, 0, 0, 0)

    def __init__(self, test, cgroup, place=EGRESS):
        self._libc = ctypes.CDLL(None, use_errno=True)
        code, license_ = (ctypes.create_string_buffer(data) for data in (self.PASS, b"GPL"))
        program = self._bpf(self.PROG_LOAD, struct.pack(
            "<IIQQIIQIIIII", self.CGROUP_SKB, 2, ctypes.addressof(code),
            ctypes.addressof(license_), 0, 0, 0, 0, 0, 0, 0, place)[:72])
        test.addCleanup(os.close, program)
        folder = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
        test.addCleanup(os.close, folder)
        target = struct.pack("<IIII", folder, program, place, 0)
        self._bpf(self.PROG_ATTACH, target)
        test.addCleanup(self._bpf, self.PROG_DETACH, target)

    def _bpf(self, operation, attributes):
        buffer = ctypes.create_string_buffer(attributes, len(attributes))
        result = self._libc.syscall(self.NUMBER, operation, buffer, len(attributes))
        if result < 0:
            raise OSError(ctypes.get_errno(), f"bpf({operation})")
        return result


class EveryProgram(unittest.TestCase):
    """Probe loads and attaches every program alone, and run agrees with it."""

    def test_all_work_here_within_the_budget(self):
        said = probe()
        found = {entry["name"]: entry for entry in said["programs"]}
        self.assertEqual(sorted(found), sorted(CONNECTIONS + OLDER + PROTOCOLS))
        for name, entry in found.items():
            self.assertEqual((entry["works"], entry["errno"], entry["verifier"]), ("yes", 0, ""))
            self.assertGreater(entry["instructions"], 0)
            self.assertLessEqual(entry["instructions"], BUDGET_INSTRUCTIONS)
            print(f"{name} {entry['instructions']}", end="; ")
        self.assertEqual((said["tier"], said["protocols"], said["why_not"]),
                         ("socket-storage", True, ""))

    def test_run_uses_them_all(self):
        daemon = Daemon(self)
        daemon.stop()
        self.assertEqual({tags["program"]: value for tags, (_, value, _) in
                          daemon.series(ATTACHED)},
                         dict.fromkeys(CONNECTIONS + OLDER + PROTOCOLS, 1))

    def test_what_is_not_wanted_is_not_missed(self):
        daemon = Daemon(self, "protocols.http=false")
        daemon.stop()
        self.assertEqual(daemon.values(ATTACHED, "program"), sorted(CONNECTIONS + OLDER))


class WithoutProtocols(unittest.TestCase):
    """Where the programs of the protocols cannot be had, connections are exact all the same, and
    probe, the log and a metric say what is missing."""

    def check(self, *expected, prefix=()):
        said = probe(prefix)
        self.assertEqual((said["tier"], said["protocols"]), ("socket-storage", False))
        self.assertEqual(harness.sockeye("probe", prefix=prefix).returncode, EXIT_PARTLY)
        daemon = Daemon(self, prefix=prefix)
        port, to_server, from_server = talk(self, 3)
        daemon.wait_for_total("tcp.connections.closed", 2, port=port)
        self.assertEqual(daemon.stop(), EXIT_OK)
        warnings = [match[2] for match in map(harness.LOG_LINE.fullmatch, daemon.log)
                    if match and match[1] == "warning"]
        self.assertEqual(warnings, [said["why_not"]])
        for text in ("requests of protocols are not seen", *expected):
            self.assertIn(text, said["why_not"])
        self.assertEqual(daemon.total("tcp.sent.bytes", port=port, direction="incoming"),
                         from_server)
        self.assertEqual(daemon.total("tcp.sent.bytes", port=port, direction="outgoing"),
                         to_server)
        self.assertEqual(daemon.weight("http.server.request.duration", port=port), 0)
        for programs, attached in ((CONNECTIONS + OLDER, 1), (PROTOCOLS, 0)):
            for name in programs:
                self.assertEqual(daemon.last_gauge(ATTACHED, program=name), attached, name)
        print(said["why_not"], end="; ")

    def test_no_cgroup2(self):
        harness.need("unshare", "findmnt")
        self.check("cgroup v2 tree: not mounted", "mount it",
                   prefix=mounts_changed(WITHOUT_CGROUP2))

    def test_cgroup_taken_by_an_exclusive_program(self):
        ExclusiveProgram(self, own_cgroup.mount_point())
        self.check("payload_sent", "Operation not permitted", "cannot be attached")

    def test_one_of_two_is_none(self):
        """What can be attached does not stay behind alone."""
        cgroup = own_cgroup.mount_point()
        ExclusiveProgram(self, cgroup, ExclusiveProgram.INGRESS)
        daemon = Daemon(self)
        daemon.wait_for_snapshots(2)
        shown = command("bpftool", "cgroup", "show", cgroup).stdout
        self.assertNotIn("payload_sent", shown)
        self.assertEqual(daemon.last_gauge(ATTACHED, program="payload_sent"), 0)
        self.assertIn("payload_received", " ".join(daemon.log))

    def test_what_hinders_may_go(self):
        """The exclusive program is detached while the daemon runs: then requests are seen."""
        with harness.Scope() as hindrance:
            ExclusiveProgram(hindrance, own_cgroup.mount_point())
            daemon = Daemon(self)
            daemon.wait_for_snapshots(2)
            self.assertEqual(daemon.last_gauge(ATTACHED, program="payload_sent"), 0)
        harness.wait_until(lambda: daemon.last_gauge(ATTACHED, program="payload_sent") == 1, 10,
                           "payload_sent attached")
        port, _, _ = talk(self, 3)
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertIn("requests of protocols are seen from now on",
                      messages("\n".join(daemon.log)))
        self.assertEqual(daemon.weight("http.server.request.duration", port=port), 3)


class RefusedStart(unittest.TestCase):
    """Missing capability, no BTF, bpf(2) refused: one line naming the object, the cause and the
    remedy, exit 1; `probe` says and does the same."""

    WITHOUT_BTF = 'mount -t tmpfs none /sys/kernel/btf || exit 90; exec "$@"'

    def public_copy(self):
        """A copy of the daemon that everybody can reach."""
        path = os.path.join(harness.temporary_folder(self), "sockeye")
        shutil.copy(harness.binary(), path)
        os.chmod(path, 0o755)
        return path

    def run_once(self, prefix, program, *settings):
        words = [word for setting in settings for word in ("--set", setting)]
        return harness.command(*prefix, program, "run", "-c", "/dev/null", "--once", "--set",
                               "interval=1s", *words, check=False,
                               env=harness.clean_environment())

    def check(self, prefix, *expected, program=None):
        """run and probe say one line with all the words, and both fail."""
        program = program or harness.binary()
        run = self.run_once(prefix, program)
        self.assertEqual(run.returncode, EXIT_FAILURE, run.stderr)
        self.assertEqual(run.stdout, "")
        self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)
        said = messages(run.stderr)[0]
        for text in expected:
            self.assertIn(text, said)
        probe = harness.command(*prefix, program, "probe", check=False,
                                env=harness.clean_environment())
        self.assertEqual((probe.returncode, probe.stderr), (EXIT_FAILURE, ""))
        self.assertIn(said, " ".join(probe.stdout.split()))
        self.assertLessEqual(max(map(len, probe.stdout.splitlines())), 80, probe.stdout)
        as_json = json.loads(harness.command(*prefix, program, "probe", "--json", check=False,
                                             env=harness.clean_environment()).stdout)
        self.assertEqual(as_json["why_not"], said)
        print(said, end="; ")

    def test_missing_capabilities(self):
        harness.need("setpriv")
        self.check(UNPRIVILEGED, "capabilities: missing", "cap_net_admin", "cap_bpf",
                   "cap_perfmon", "run as root or", program=self.public_copy())

    def test_one_missing_capability_is_named(self):
        harness.need("setpriv")
        without = ("setpriv", "--inh-caps=-net_admin", "--bounding-set=-net_admin")
        self.check(without, "capabilities: missing cap_net_admin;", "run as root or")

    def test_the_remedy_helps(self):
        """Another user with the capabilities of the message can run the daemon."""
        harness.need("setpriv")
        refused = self.run_once(UNPRIVILEGED, self.public_copy()).stderr
        named = re.search(r"grant (cap_[a-z_,]+)\+ep", refused)[1].split(",")
        granted = "-all," + ",".join("+" + name.removeprefix("cap_") for name in named)
        prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                  f"--inh-caps={granted}", f"--ambient-caps={granted}")
        done = self.run_once(prefix, self.public_copy())
        self.assertEqual(done.returncode, EXIT_OK, done.stderr)
        self.assertIn(harness.OBSERVING, done.stderr)

    def test_no_btf(self):
        self.check(mounts_changed(self.WITHOUT_BTF), "kernel BTF: /sys/kernel/btf/vmlinux",
                   "CONFIG_DEBUG_INFO_BTF")

    def test_bpf_refused_by_seccomp(self):
        """The cause is the filter, not the kernel's version."""
        self.check((harness.PYTHON, os.path.join(HERE, "without_bpf.py")), "bpf system call",
                   "Operation not permitted", "seccomp")


if __name__ == "__main__":
    unittest.main(verbosity=2)
