# SPDX-License-Identifier: Apache-2.0
"""What this host lets the daemon see: probe tries it, run does it, and both say the same."""

import functools
import json
import os
import re
import shutil
import struct
import time
import unittest

import harness
import kernel_bpf
import own_cgroup
from harness import (EXIT_FAILURE, EXIT_OK, EXIT_PARTLY, UNPRIVILEGED, Daemon, command, messages)
from traffic import talk

HERE = os.path.dirname(os.path.abspath(__file__))
CONNECTIONS = ("tcp_state", "tcp_state_again", "tcp_live")
OLDER = ("tcp_seed", "owner_seed")
ROWS = ("row_open", "row_ended")
PACKETS = ("payload_sent", "payload_received")
UDP = ("udp_live", "udp_flow_live", "udp_refused", "udp_bind4", "udp_bind6", "udp_released")
UNSENT = ("tcp_connect4", "tcp_connect6", "tcp_released")
PROCESSES = ("process_exec", "process_exit")
HTTP, DNS = ("http_sent", "http_received"), ("dns_sent", "dns_received")
PROTOCOLS = tuple(f"{name}_{way}" for name in harness.PROTOCOLS for way in ("sent", "received"))
ALWAYS = CONNECTIONS + OLDER + UNSENT + PROCESSES
EVERY = ALWAYS + PACKETS + UDP + PROTOCOLS
# The kernel gives up at one million; verifiers differ by a factor between releases.
BUDGET_INSTRUCTIONS = 350_000
ATTACHED = "bpf.attached"


def setUpModule():  # pylint: disable=invalid-name
    own_cgroup.enter(unittest.addModuleCleanup)


def probe(prefix=(), settings=()):
    """What `sockeye probe --json` says."""
    words = [word for setting in (*harness.SETTINGS, *settings) for word in ("--set", setting)]
    return json.loads(harness.sockeye("probe", "--json", "-c", "/dev/null", *words,
                                      prefix=prefix).stdout)


@functools.cache
def looks_by_table():
    """Whether this host lets live sockets be looked at in no other way."""
    return probe()["look"] == "tables"


def used(programs):
    """Those that are used here: each of `programs`, or its twin for tables."""
    twins = ("tcp_live", "udp_live", "row_open") if looks_by_table() else ()
    return tuple(f"{name}_table" if name in twins else name for name in programs)


def filtered(*rules):
    """The words to run where system calls are refused (filtered.py)."""
    return (harness.PYTHON, os.path.join(HERE, "filtered.py"), *rules, "--")


def limited(limit):
    """The words to run with no more descriptors than that."""
    return ("sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh")


def warnings(daemon):
    """What the daemon warned of."""
    return [match[2] for match in map(harness.LOG_LINE.fullmatch, daemon.log)
            if match and match[1] == "warning"]


def loads(daemon):
    """(asset, result) -> how many."""
    return {(tags["asset"], tags["result"]): value
            for tags, (_, value, _) in daemon.series("ebpf.core.load")}


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

    CGROUP_SKB, INGRESS, EGRESS = 8, 0, 1

    def __init__(self, test, cgroup, place=EGRESS):
        program = kernel_bpf.load(test, self.CGROUP_SKB, place, kernel_bpf.move(0, 1),
                                  kernel_bpf.EXIT)
        folder = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
        test.addCleanup(os.close, folder)
        target = struct.pack("<IIII", folder, program, place, 0)
        kernel_bpf.call(kernel_bpf.PROG_ATTACH, target)
        test.addCleanup(kernel_bpf.call, kernel_bpf.PROG_DETACH, target)


class EveryProgram(unittest.TestCase):
    """Probe loads and attaches every program alone, and run agrees with it."""

    def test_all_work_here_within_the_budget(self):
        said = probe()
        found = {entry["name"]: entry for entry in said["programs"]}
        self.assertEqual(sorted(found), sorted(used(EVERY + ROWS)))
        for name, entry in found.items():
            self.assertEqual((entry["works"], entry["errno"], entry["verifier"]), ("yes", 0, ""))
            self.assertGreater(entry["instructions"], 0)
            self.assertLessEqual(entry["instructions"], BUDGET_INSTRUCTIONS)
            print(f"{name} {entry['instructions']}", end="; ")
        self.assertEqual((said["tier"], said["protocols"], said["udp"], said["why_not"]),
                         ("socket-storage", True, True, ""))

    def test_run_uses_them_all(self):
        daemon = Daemon(self, *(f"protocols.{name}=true" for name in harness.PROTOCOLS))
        daemon.stop()
        self.assertEqual({tags["program"]: value for tags, (_, value, _) in
                          daemon.series(ATTACHED)},
                         dict.fromkeys(used(EVERY), 1))
        self.assertEqual(loads(daemon), dict.fromkeys(
            ((asset, "success") for asset in ("socket_storage", *harness.PROTOCOLS)), 1))

    def test_what_is_not_wanted_is_not_missed(self):
        for settings, programs in (
                (("protocols.http=false",), ALWAYS + PACKETS + UDP),
                (("protocols.http=false", "connections.udp=false", "protocols.dns=true"),
                 ALWAYS + PACKETS + DNS),
                (("connections.udp=false",), ALWAYS + PACKETS + HTTP),
                (("source.processes=connector",),
                 CONNECTIONS + OLDER + UNSENT + PACKETS + UDP + HTTP),
                (("protocols.http=false", "connections.udp=false"), ALWAYS)):
            with self.subTest(settings):
                daemon = Daemon(self, *settings)
                daemon.stop()
                self.assertEqual(daemon.values(ATTACHED, "program"), sorted(used(programs)))


class NeverSeen(unittest.TestCase):
    """What no host lets a tier see is listed, in lines that fit."""

    EVERYWHERE = ("sockmap", "SMC", "NAT")

    def check(self, tier, *words):
        done = harness.sockeye("probe", "-c", "/dev/null", "--set", f"source.tier={tier}")
        lines = done.stdout.partition("seen on no host yet\n")[2].splitlines()
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80)
        for word in (*self.EVERYWHERE, *words):
            self.assertIn(word, " ".join(lines), tier)
        return [line.strip() for line in lines]

    def test_with_ebpf(self):
        self.check("socket-storage", "TLS", "DNS over UDP", "MPTCP", "tunnels")

    def test_without(self):
        lines = self.check("sock-diag", "UDP", "protocols", "overflows", "SO_LINGER")
        self.assertEqual(probe(settings=("source.tier=sock-diag",))["never_seen"], lines)


class InsideTls(unittest.TestCase):
    """Whether probes in libraries work is tried at a place of our own."""

    WITHOUT_ZYDIS = """
        for library in $(ldconfig -p | sed -n 's/.*libZydis.* => //p'); do
            mount --bind /dev/null "$library" || exit 90
        done
        exec "$@" """

    def line(self, *settings):
        words = [word for setting in settings for word in ("--set", setting)]
        text = harness.sockeye("probe", "-c", "/dev/null", *words).stdout
        self.assertEqual(text.count("\nkTLS: "), 1)
        return re.search(r"^inside TLS: (.*(?:\n  .*)*)", text, re.M)[1]

    def test_it_works_here(self):
        said = probe()
        self.assertEqual((said["tls"], said["tls_why_not"], said["ktls"]),
                         (True, "", os.path.exists("/proc/net/tls_stat")))
        self.assertEqual(self.line(), "yes, switched off (protocols.tls: false)")

    def test_another_tier(self):
        self.assertEqual(self.line("source.tier=sock-diag"), "no, with tier sock-diag")

    @unittest.skipUnless(os.uname().machine == "x86_64", "arm64 needs no library")
    def test_without_what_reads_code(self):
        prefix = mounts_changed(self.WITHOUT_ZYDIS)
        said = probe(prefix)
        self.assertEqual((said["tls"], said["protocols"]), (False, True))
        self.assertIn("libZydis", said["tls_why_not"])


class WithoutProtocols(unittest.TestCase):
    """Where the programs of the protocols cannot be had, connections are exact all the same, and
    probe, the log and a metric say what is missing."""

    def check(self, *expected, prefix=(), settings=()):
        said = probe(prefix, settings)
        self.assertEqual((said["tier"], said["protocols"], said["udp"]),
                         ("socket-storage", False, False))
        daemon = Daemon(self, *settings, prefix=prefix)
        port, to_server, from_server = talk(self, 3)
        daemon.wait_for_total("tcp.connections.closed", 2, port=port)
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertEqual(warnings(daemon), [said["why_not"]])
        for text in ("requests of protocols are not seen", *expected):
            self.assertIn(text, said["why_not"])
        self.assertEqual(daemon.total("tcp.sent.bytes", port=port, direction="incoming"),
                         from_server)
        self.assertEqual(daemon.total("tcp.sent.bytes", port=port, direction="outgoing"),
                         to_server)
        self.assertEqual(daemon.weight("http.server.request.duration", port=port), 0)
        for programs, attached in ((CONNECTIONS + OLDER, 1), (PACKETS + UDP + UNSENT + HTTP, 0)):
            for name in used(programs):
                self.assertEqual(daemon.last_gauge(ATTACHED, program=name), attached, name)
        print(said["why_not"], end="; ")

    def test_no_cgroup2(self):
        harness.need("unshare", "findmnt")
        self.check("cgroup v2 root: not mounted", "mount it", settings=("source.cgroup=null",),
                   prefix=mounts_changed(WITHOUT_CGROUP2))

    def test_once_fails(self):
        """What was to be seen once and was not."""
        for cgroup, code in (("source.cgroup=/tmp", EXIT_FAILURE), ("source.cgroup=null", EXIT_OK)):
            done = harness.sockeye("run", "--once", "--set", "interval=1s", "--set", cgroup)
            self.assertEqual(done.returncode, code, done.stderr)

    def test_configured_cgroup_is_none(self):
        self.check("cgroup v2 root: /tmp: not in a cgroup v2 tree", "set source.cgroup",
                   settings=("source.cgroup=/tmp",))
        self.assertIn("cgroup v2 root: /nonexistent: No such file or directory; set source.cgroup",
                      probe(settings=("source.cgroup=/nonexistent",))["why_not"])

    def test_cgroup_taken_by_an_exclusive_program(self):
        ExclusiveProgram(self, own_cgroup.folder())
        self.check("payload_sent", "Operation not permitted", "cannot be attached")

    def test_one_of_two_is_none(self):
        """What can be attached does not stay behind alone."""
        cgroup = own_cgroup.folder()
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
            ExclusiveProgram(hindrance, own_cgroup.folder())
            daemon, waiting = Daemon(self), Daemon(self, "protocols.http=auto")
            daemon.wait_for_snapshots(2)
            self.assertEqual(daemon.last_gauge(ATTACHED, program="payload_sent"), 0)
        both = (daemon, waiting)
        harness.wait_until(lambda: all(each.last_gauge(ATTACHED, program="payload_sent") == 1
                                       for each in both), 10, "payload_sent attached")
        port, _, _ = talk(self, 3)
        harness.wait_until(lambda: any("requests of HTTP/1 are seen" in line
                                       for line in list(waiting.log)), 10, "HTTP/1 brought")
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertIn("requests of protocols are seen from now on",
                      messages("\n".join(daemon.log)))
        self.assertEqual(daemon.weight("http.server.request.duration", port=port), 3)


class RefusedStart(unittest.TestCase):
    """Missing capability, no BTF, bpf(2) refused: one line naming the object, the cause and the
    remedy, exit 1; `probe` says and does the same."""

    # Without eBPF another tier would do.
    TIER = "source.tier=socket-storage"
    WITHOUT_BTF = 'mount -t tmpfs none /sys/kernel/btf || exit 90; exec "$@"'

    def public_copy(self):
        """A copy of the daemon that everybody can reach."""
        path = os.path.join(harness.temporary_folder(self), "sockeye")
        shutil.copy(harness.binary(), path)
        os.chmod(path, 0o755)
        return path

    def run_once(self, prefix, program, *settings):
        words = [word for setting in settings or (self.TIER,) for word in ("--set", setting)]
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
        probe = harness.command(*prefix, program, "probe", "--set", self.TIER, check=False,
                                env=harness.clean_environment())
        self.assertEqual((probe.returncode, probe.stderr), (EXIT_FAILURE, ""))
        self.assertIn(said, " ".join(probe.stdout.split()))
        self.assertLessEqual(max(map(len, probe.stdout.splitlines())), 80, probe.stdout)
        as_json = json.loads(harness.command(*prefix, program, "probe", "--json", "--set", self.TIER,
                                             check=False,
                                             env=harness.clean_environment()).stdout)
        self.assertEqual(as_json["why_not"], said)
        print(said, end="; ")

    def test_missing_capabilities(self):
        harness.need("setpriv")
        self.check(UNPRIVILEGED, "capabilities: missing", "cap_net_admin", "cap_bpf",
                   "cap_perfmon", "run as root or", program=self.public_copy())

    def test_without_it_another_tier_runs(self):
        """Whoever does not ask for eBPF has connections all the same, and is told why no more."""
        harness.need("setpriv")
        done = self.run_once(UNPRIVILEGED, self.public_copy(), "source.tier=auto",
                             *harness.NO_PROTOCOLS, "connections.udp=false")
        self.assertEqual(done.returncode, EXIT_OK, done.stderr)
        said = messages(done.stderr)
        self.assertTrue(said[0].startswith("tier sock-diag, because socket-storage cannot be had: "
                                           "cannot observe the kernel: capabilities: missing"), said)
        self.assertIn(harness.OBSERVING + "sock-diag", done.stderr)

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
        self.check(filtered("bpf=EPERM"), "bpf system call: BPF_MAP_CREATE: Operation not permitted;",
                   "seccomp filter")

    def test_bpf_filtered_away(self):
        self.check(filtered("bpf=ENOSYS"), "BPF_MAP_CREATE: Function not implemented;",
                   "seccomp filter")

    def test_bpf_kills(self):
        """A filter may end whoever calls it, as systemd's does by default."""
        self.check(filtered("bpf=KILL"), "BPF_MAP_CREATE: Bad system call (SIGSYS);",
                   "seccomp filter")

    def test_one_command_of_bpf_refused(self):
        """Numbers as in linux/bpf.h."""
        for name, number in (("MAP_LOOKUP_ELEM", 1), ("PROG_LOAD", 5), ("OBJ_GET_INFO_BY_FD", 15),
                             ("BTF_LOAD", 18), ("LINK_CREATE", 28), ("ITER_CREATE", 33)):
            with self.subTest(name):
                self.check(filtered(f"bpf:{number}=EPERM"),
                           f"bpf system call: BPF_{name}: Operation not permitted;",
                           "seccomp filter")

    def test_user_namespace(self):
        """All capabilities, and none of them is the host's."""
        self.check(("unshare", "--user", "--map-root-user"), "capabilities: those of a user namespace "
                   "that is not the host's;", "run it in the host's user namespace")

    def test_descriptors_used_up(self):
        for limit in (12, 34, 60):
            with self.subTest(limit):
                self.check(limited(limit), f"open files: Too many open files: the limit is {limit},",
                           "LimitNOFILE=")

    def test_sys_not_mounted(self):
        """Not to be blamed on the kernel."""
        self.check(mounts_changed('mount -t tmpfs none /sys || exit 90; exec "$@"'),
                   "kernel BTF: /sys/kernel/btf/vmlinux: No such file or directory",
                   "mount sysfs (mount -t sysfs sysfs /sys)")

    def test_cpus_cannot_be_counted(self):
        self.check(mounts_changed('mount -t tmpfs none /sys/devices || exit 90; exec "$@"'),
                   "number of CPUs: /sys/devices/system/cpu/possible: No such file or directory",
                   "mount sysfs")

    def test_garbage_btf(self):
        folder = harness.temporary_folder(self)
        with open("/sys/kernel/btf/vmlinux", "rb") as file:
            whole = file.read()
        for name, content in (("random", os.urandom(100_000)), ("empty", b""),
                              ("cut", whole[:len(whole) // 2])):
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(content)
            with self.subTest(name):
                self.check(mounts_changed(f"mount --bind {path} /sys/kernel/btf/vmlinux || exit 90;"
                                          'exec "$@"'),
                           "kernel BTF: /sys/kernel/btf/vmlinux: ", "mounted over it?")

    def test_no_thread(self):
        """What is short comes to light only when the thread is made."""
        done = self.run_once(filtered("clone3=ENOSYS", "clone=EAGAIN"), harness.binary())
        self.assertEqual(done.returncode, EXIT_FAILURE, done.stderr)
        said = messages(done.stderr)
        self.assertEqual(len(said), 1, said)
        for text in ("cannot start a thread for protocols: Resource temporarily unavailable;",
                     "TasksMax="):
            self.assertIn(text, said[0])

    def test_no_signals(self):
        """It would not hear of SIGTERM."""
        done = self.run_once(filtered("signalfd4=EPERM"), harness.binary())
        self.assertEqual((done.returncode, done.stdout), (EXIT_FAILURE, ""), done.stderr)
        said = messages(done.stderr)
        self.assertEqual(len(said), 1, said)
        for text in ("cannot listen for signals: Operation not permitted;", "seccomp filter"):
            self.assertIn(text, said[0])

    def test_enough_descriptors(self):
        """What probe takes for enough is enough."""
        least = next(limit for limit in range(66, 160)
                     if probe(limited(limit))["tier"] == "socket-storage")
        done = self.run_once(limited(least + 8), harness.binary())
        self.assertEqual((done.returncode, len(messages(done.stderr))), (EXIT_OK, 1), done.stderr)
        self.assertIn(harness.OBSERVING, done.stderr)


class SeenInPart(unittest.TestCase):
    """What can be done without is done without: run goes on, warns of just what probe tells, and a
    metric says so."""

    def check(self, *lines, prefix=(), settings=()):
        """For each of `lines` one with all its words, and no other; first the feature's key."""
        said = probe(prefix, settings)
        daemon = Daemon(self, *settings, prefix=prefix)
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertEqual(sorted(warnings(daemon)), sorted(said["not_seen"]))
        self.assertEqual(len(warnings(daemon)), len(lines))
        features = {entry["feature"]: entry for entry in said["features"]}
        for key, *words in lines:
            self.assertEqual(features[key]["available"], "no")
            self.assertEqual(daemon.last_gauge("feature.available", feature=key), 0)
            found = [line for line in warnings(daemon) if all(word in line for word in words)]
            self.assertEqual(len(found), 1, warnings(daemon))
            print(found[0], end="; ")

    def test_no_proc(self):
        """Without it there is no mount table either: that is not a tree that is not mounted."""
        self.check(("proc", "older services are called unknown",
                    "host's processes: /proc: not a proc file", "mount /proc (mount -t proc proc /proc)"),
                   ("cgroup2", "/proc/self/mountinfo: No such file or directory;", "mount /proc"),
                   settings=("source.cgroup=null",),
                   prefix=mounts_changed('mount -t tmpfs none /proc || exit 90; exec "$@"'))

    def test_remedies_of_what_cannot_be_tried(self):
        """No right helps who cannot see the host, nor in a user namespace of one's own."""
        blind = ("source.proc=/nonexistent",)
        for prefix, settings, remedy in (((), blind, "set source.proc to where it is"),
                                         (("unshare", "--user", "--map-root-user"), (),
                                          "run it in the host's user namespace")):
            said = {entry["feature"]: entry for entry in probe(prefix, settings)["features"]}
            self.assertEqual(said["namespaces"]["available"], "unknown")
            self.assertIn(remedy, said["namespaces"]["remedy"])

    def test_configured_proc_is_none(self):
        self.check(("proc", "host's processes: /nonexistent: No such file or directory",
                    "set source.proc"), settings=("source.proc=/nonexistent",))

    def test_setns_refused(self):
        """By the effect: every capability is there. What it costs depends on who else is there, and
        by table live sockets, too."""
        harness.Namespace(self)
        prefix = filtered("setns=EPERM")
        said = {entry["feature"]: entry for entry in probe(prefix)["features"]}["namespaces"]
        self.assertEqual((said["available"], said["detail"]),
                         ("no", "setns: Operation not permitted"))
        self.assertIn("seccomp filter", said["remedy"])
        daemon = Daemon(self, prefix=prefix)
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertGreaterEqual(daemon.last_gauge("namespaces.unseeded"), 1)
        told = warnings(daemon)
        for begin in ("connections older than the daemon are not seen in ",
                      *["of connections in network namespaces that"] * looks_by_table()):
            line = told.pop()
            for text in (begin, "network namespace", "setns: Operation not permitted;",
                         said["remedy"]):
                self.assertIn(text, line)
        self.assertEqual(told, [])

    def test_other_users_are_hidden(self):
        """hidepid=: what cannot be seen is not gone."""
        harness.need("setpriv")
        granted = "-all,+bpf,+perfmon,+net_admin"
        folder = harness.temporary_folder(self)
        shutil.copy(harness.binary(), os.path.join(folder, "sockeye"))
        for hidepid, cause in ((1, "Operation not permitted"), (2, "No such file or directory")):
            # A mount of its own: to change that of the host would change it for everybody.
            prefix = mounts_changed(f"mount -t proc -o hidepid={hidepid} proc /proc || exit 90; "
                                    "shift; exec setpriv --reuid=65534 --regid=65534 "
                                    f"--clear-groups --inh-caps={granted} --ambient-caps={granted} "
                                    f'{folder}/sockeye "$@"')
            with self.subTest(hidepid):
                said = {entry["feature"]: entry for entry in probe(prefix)["features"]}["proc"]
                self.assertEqual(said["available"], "no")
                for text in (f"/proc/2: {cause}", "hidden (hidepid)"):
                    self.assertIn(text, said["detail"])
                self.assertIn("cap_sys_ptrace", said["remedy"])
                daemon = Daemon(self, prefix=prefix)
                self.assertEqual(daemon.stop(), EXIT_OK)
                self.assertEqual(daemon.last_gauge("feature.available", feature="proc"), 0)
                self.assertIn(f"{said['cost']}: {said['name']}: {said['detail']}; {said['remedy']}",
                              warnings(daemon))


if __name__ == "__main__":
    unittest.main(verbosity=2)
