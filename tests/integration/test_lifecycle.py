# SPDX-License-Identifier: Apache-2.0
"""Start, end and refusal to start: what stays behind, what is delivered, what is said."""

import array
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import time
import termios
import threading
import unittest

import harness
from fault_server import FaultServer, answer
from harness import (EXIT_CONFIG, EXIT_FAILURE, EXIT_OK, Daemon, free_port, messages, wait_until)

NULL = '{type: "null"}'
KINDS = ("prog", "map", "link")


def openmetrics(port):
    return f"{{type: openmetrics, listen: '127.0.0.1:{port}'}}"


def kernel_ids():
    """{(kind, id)} of every BPF object of the kernel."""
    found = set()
    for kind in KINDS:
        text = harness.command("bpftool", "-j", kind, "show").stdout
        found |= {(kind, entry["id"]) for entry in json.loads(text or "[]")}
    return found


def held_ids(pid):
    """{(kind, id)} of the BPF objects that a process holds by descriptor."""
    found = set()
    for name in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{name}", encoding="ascii") as file:
                text = file.read()
        except FileNotFoundError:
            continue
        # A link names its program too: that is held as well.
        found |= {(kind, int(number))
                  for kind, number in re.findall(r"^(prog|map|link)_id:\t(\d+)", text, re.M)}
    return found


def wait_until_gone(ids, timeout=20):
    """The kernel frees some objects only after a grace period."""
    wait_until(lambda: not ids & kernel_ids(), timeout,
               lambda: f"no longer in the kernel: {sorted(ids & kernel_ids())}", step=0.5)


def cgroup_programs():
    """{program id} attached anywhere in the cgroup trees."""
    text = harness.command("bpftool", "-j", "cgroup", "tree", check=False).stdout
    return {program["id"] for cgroup in json.loads(text or "[]")
            for program in cgroup.get("programs", ())}


class Connection:
    """One connection between the test and itself, from the daemon's view: port."""

    def __init__(self, test, port=None):
        self.port = port or free_port()
        listener = harness.listen(test, self.port)
        self.client = socket.create_connection(("127.0.0.1", self.port))
        self.server, _ = listener.accept()
        test.addCleanup(self.client.close)
        test.addCleanup(self.server.close)

    def send(self, size):
        """Returns when the other end has read everything."""
        self.client.sendall(bytes(size))
        harness.receive_exactly(self.server, size)


class Killed(unittest.TestCase):
    """`kill -9`: no program stays attached."""

    def test_nothing_stays_in_the_kernel(self):
        harness.need("bpftool")
        daemon = Daemon(self)
        Connection(self).send(1000)
        ids = held_ids(daemon.pid)
        programs = {number for kind, number in ids if kind == "prog"}
        self.assertTrue(ids <= kernel_ids())
        self.assertNotEqual(programs & cgroup_programs(), set())
        daemon.kill()
        wait_until_gone(ids)
        self.assertEqual(programs & cgroup_programs(), set())
        kinds = {kind: sum(1 for own, _ in ids if own == kind) for kind in KINDS}
        print(f"held and gone: {kinds}", end="; ")


class StartsAndStops(unittest.TestCase):
    """Starts and stops leak no descriptor, map or memory (valgrind or ASan run included)."""

    ROUNDS = 40
    INTERVALS = 20
    WARM_UP = 8
    SLACK_KIB, SERIES_KIB, PROCESS_KIB = 256, 4, 2
    SUPPRESSIONS = """
{
   libbpf reads what the kernel wrote through the bpf system call: verifier logs
   Memcheck:Cond
   ...
   obj:*/libbpf.so*
}
{
   libbpf passes unions of which it fills a part: expected_attach_type
   Memcheck:Param
   bpf(attr->expected_attach_type)
   ...
   obj:*/libbpf.so*
}
{
   libbpf passes unions of which it fills a part: prog_ifindex
   Memcheck:Param
   bpf(attr->prog_ifindex)
   ...
   obj:*/libbpf.so*
}
{
   libraries that an exporter opened stay open: what the loader knows of them
   Memcheck:Leak
   ...
   fun:_dl_open
   ...
}
{
   the same: their variables of the thread that ends the process
   Memcheck:Leak
   ...
   fun:__tls_get_addr
   ...
   fun:_dl_fini
   ...
}
"""

    def one_round(self, number):
        # A protocol's programs take the verifier longer than all others.
        protocols = "protocols.http=" + ("true" if number % 4 == 0 else "false")
        daemon = Daemon(self, protocols, console=None, exporters=[NULL])
        ids = held_ids(daemon.pid)
        by = signal.SIGTERM if number % 2 == 0 else signal.SIGINT
        self.assertEqual(daemon.stop(by), EXIT_OK, daemon.log)
        return ids

    def test_many_rounds_leave_nothing_in_the_kernel(self):
        harness.need("bpftool")
        ids = set()
        for number in range(self.ROUNDS):
            ids |= self.one_round(number)
        self.assertGreaterEqual(len(ids), self.ROUNDS * 10)
        wait_until_gone(ids)
        print(f"{self.ROUNDS} rounds, {len(ids)} programs, maps and links, all gone", end="; ")

    @staticmethod
    def resident_kib(pid):
        """Of its own; the kernel's rings, whose size is fixed, become resident with their use."""
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return int(re.search(r"^RssAnon:\s+(\d+)", file.read(), re.M)[1])

    def known_kib(self, daemon):
        """What the daemon may need for the series and processes that it says it remembers: other
        traffic of the machine brings new ones. Nothing in here grows with connections."""
        series = daemon.last_gauge("series") or 0
        processes = daemon.last_gauge("processes") or 0
        return self.SERIES_KIB * series + self.PROCESS_KIB * processes

    def churn(self, port, ended):
        """Short connections with a few bytes until told to end."""
        listener = harness.listen(self, port)
        listener.settimeout(10)
        while not ended.is_set():
            for _ in range(20):
                with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                    server, _ = listener.accept()
                    with server:
                        client.sendall(b"GET /churn HTTP/1.1\r\nHost: here\r\n\r\n")
                        server.recv(100)
                        server.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                        client.recv(100)
                self.churned += 1
            ended.wait(0.02)

    def test_descriptors_and_memory_are_stable_under_churn(self):
        daemon = Daemon(self)
        port = free_port()
        self.churned = 0
        ended = threading.Event()
        thread = threading.Thread(target=self.churn, args=(port, ended))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(ended.set)
        descriptors, resident, known = [], [], []
        for _ in range(self.INTERVALS):
            daemon.wait_for_snapshots(1)
            descriptors.append(sorted(what.split(":")[0] for what in
                                      harness.descriptors(daemon.pid).values()))
            resident.append(self.resident_kib(daemon.pid))
            known.append(self.known_kib(daemon))
        self.assertTrue(thread.is_alive(), "the churn has failed")
        ended.set()
        thread.join()
        for now in descriptors[self.WARM_UP:]:
            self.assertEqual(now, descriptors[self.WARM_UP])
        grown = resident[-1] - resident[self.WARM_UP]
        self.assertLessEqual(grown, self.SLACK_KIB + known[-1] - known[self.WARM_UP], resident)
        self.assertEqual(daemon.stop(), EXIT_OK)
        missing = 2 * self.churned - daemon.total("tcp.connections.closed", port=port)
        self.assertGreaterEqual(missing, 0)
        # A storm of other traffic may fill the ring of this machine: then that is said.
        self.assertLessEqual(missing, daemon.total("kernel.lost", program="tcp"), daemon.losses())
        print(f"{2 * self.churned} closes in {self.INTERVALS} intervals, {missing} missing; "
              f"{len(descriptors[-1])} descriptors; {resident[self.WARM_UP]} KiB after "
              f"{self.WARM_UP} intervals, {resident[-1]} KiB at the end, of which "
              f"{known[-1] - known[self.WARM_UP]:.0f} KiB may be new series and processes",
              end="; ")

    def test_no_memory_error_and_no_leak_under_valgrind(self):
        harness.need("valgrind")
        path = os.path.join(harness.temporary_folder(self), "libraries.supp")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.SUPPRESSIONS)
        valgrind = ("valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=all",
                    "--errors-for-leak-kinds=all", "--error-exitcode=99", "--num-callers=40",
                    "--child-silent-after-fork=yes",  # it tries system calls and is gone
                    f"--suppressions={path}")
        daemon = Daemon(self, prefix=valgrind, start_seconds=120,
                        exporters=[openmetrics(free_port()), NULL])
        connection = Connection(self)
        connection.send(10_000)
        daemon.wait_for_total("tcp.sent.bytes", 10_000, port=connection.port, timeout=60)
        code = daemon.stop()
        reports = [line for line in daemon.log if line.startswith("==")]
        self.assertEqual(reports, [])
        self.assertEqual(code, EXIT_OK, daemon.log)
        self.assertEqual(daemon.total("tcp.sent.bytes", port=connection.port), 10_000)
        print("valgrind: no error, no block left", end="; ")



class Intervals(unittest.TestCase):
    """No interval is so short that what came in a moment becomes a rate that nobody sent."""

    def test_once_sends_one_whole_interval_and_ends(self):
        daemon = Daemon(self, arguments=["--once"])
        connection = Connection(self)
        connection.send(10_000)
        self.assertEqual(daemon.wait(), EXIT_OK)
        self.assertEqual(daemon.snapshots, 1)
        self.assertGreaterEqual(daemon.intervals[0], 1.0)
        self.assertEqual(daemon.total("tcp.sent.bytes", port=connection.port), 10_000)
        self.assertEqual(daemon.lines, [])

    def test_once_that_is_interrupted_sends_what_there_is(self):
        daemon = Daemon(self, arguments=["--once"], interval="1h")
        connection = Connection(self)
        connection.send(10_000)
        self.assertEqual(daemon.stop(signal.SIGINT), EXIT_OK)
        self.assertEqual(daemon.snapshots, 1)
        self.assertEqual(daemon.total("tcp.sent.bytes", port=connection.port), 10_000)

    def test_once_that_cannot_be_delivered_is_a_failure(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            process = harness.spawn(self, harness.binary(), "run", "-c", "/dev/null", "--once",
                                    "--set", "interval=1s", "--set", "shutdown_timeout=200ms",
                                    stdin=None, stdout=full, stderr=subprocess.PIPE)
            _, said = process.communicate(timeout=harness.HANG_SECONDS)
        self.assertEqual(process.returncode, EXIT_FAILURE, said)
        self.assertIn("No space left on device", said)

    def test_once_whose_points_are_refused_is_a_failure(self):
        for status, code in ((200, EXIT_OK), (400, EXIT_FAILURE)):
            with self.subTest(status=status):
                server = FaultServer(self)
                server.usual = answer(status)
                done = harness.sockeye(
                    "run", "-c", "/dev/null", "--once", "--set", "interval=1s", "--set",
                    f"exporters=[{{type: otlp, url: '{server.url}/v1/metrics'}}]")
                said = messages(done.stderr)
                self.assertEqual(done.returncode, code, said)
                self.assertEqual(any("refuses points: answer 400" in text for text in said),
                                 code == EXIT_FAILURE, said)

    def test_once_that_a_spool_took_is_sent_later(self):
        folder = harness.temporary_folder(self)
        os.chmod(folder, 0o700)
        done = harness.sockeye(
            "run", "-c", "/dev/null", "--once", "--set", "interval=1s", "--set",
            "shutdown_timeout=200ms", "--set",
            f"exporters=[{{type: graphite, url: 'tcp://127.0.0.1:{free_port()}', "
            f"spool: {{path: {folder}/spool}}}}]")
        said = messages(done.stderr)
        self.assertEqual(done.returncode, EXIT_OK, said)
        self.assertEqual([text for text in said if "spool" in text],
                         ["exporter graphite: what could not be delivered waits in its spool for "
                          "the next run: 1 snapshot"])

    def test_the_first_interval_is_no_moment(self):
        """Wherever between two boundaries the daemon happens to be ready."""
        daemons = []
        for _ in range(4):
            daemons.append(Daemon(self, wait=False))
            time.sleep(0.3)
        for daemon in daemons:
            wait_until(lambda daemon=daemon: daemon.intervals, 60, "a first interval")
            self.assertEqual(daemon.stop(), EXIT_OK, daemon.log)
        first = [daemon.intervals[0] for daemon in daemons]
        self.assertGreaterEqual(min(first), 0.5)
        print(f"first intervals {first}", end="; ")


class Signals(unittest.TestCase):
    """SIGTERM, SIGINT, SIGQUIT and what else ends programs: a last snapshot with the open interval,
    delivered within `shutdown_timeout`, exit 0. A second SIGINT does not wait. Others do not end
    it."""

    SIZE = 123_457
    # Two SIGINT this near to each other are one wish of a person.
    NEAR_SECONDS = 0.05

    def show(self, by):
        daemon = Daemon(self, interval="1h")
        open_one, closed_one = Connection(self), Connection(self)
        for connection in (open_one, closed_one):
            connection.send(self.SIZE)
        closed_one.client.close()
        closed_one.server.close()
        self.assertEqual(daemon.stop(by), EXIT_OK)
        for connection, closed in ((open_one, 0), (closed_one, 2)):
            tags = {"port": connection.port}
            self.assertEqual(daemon.total("tcp.sent.bytes", **tags), self.SIZE)
            self.assertEqual(daemon.total("tcp.received.bytes", **tags), self.SIZE)
            self.assertEqual(daemon.total("tcp.connections.opened", **tags), 2)
            self.assertEqual(daemon.total("tcp.connections.closed", **tags), closed)
        self.assertEqual(daemon.last_gauge("tcp.connections.active", port=open_one.port), 2)
        self.assertEqual(daemon.lines, [])
        stopping = [text for text in messages("\n".join(daemon.log)) if "stopping" in text]
        hint = "; a second one ends at once" if by == signal.SIGINT else ""
        self.assertEqual(stopping, [f"stopping on {by.name}{hint}"])
        print(f"{by.name}: {self.SIZE} bytes of the open interval delivered, exit 0", end="; ")

    def test_sigterm(self):
        self.show(signal.SIGTERM)

    def test_sigint(self):
        self.show(signal.SIGINT)

    def test_sigquit(self):
        self.show(signal.SIGQUIT)

    def test_what_else_ends_programs(self):
        daemons = {}
        for by in (signal.SIGALRM, signal.SIGIO, signal.SIGPROF, signal.SIGRTMIN,
                   signal.SIGRTMAX):
            daemons[by] = Daemon(self, interval="1h", wait=False)
        for daemon in daemons.values():
            wait_until(lambda daemon=daemon: self.said(daemon, "observing"), 60, "observing")
        for by, daemon in daemons.items():
            self.assertEqual((daemon.stop(by), daemon.snapshots), (EXIT_OK, 1), by)
            self.assertEqual(len(self.said(daemon, "stopping on SIG")), 1, daemon.log)

    def test_others_do_not_end_it(self):
        daemon = Daemon(self, interval="1h")
        connection = Connection(self)
        connection.send(self.SIZE)
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGXFSZ,
                       signal.SIGWINCH):
            daemon.process.send_signal(number)
        for count in (1, 2):
            daemon.process.send_signal(signal.SIGHUP)
            wait_until(lambda count=count: len(self.said(daemon, "the configuration is in force")) == count, 30,
                       lambda: "\n".join(daemon.log))
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertEqual(daemon.total("tcp.sent.bytes", port=connection.port), self.SIZE)

    def test_a_hangup_during_the_start_does_not_end_it(self):
        daemon = Daemon(self, wait=False)
        wait_until(lambda: self.catches(daemon.pid, signal.SIGHUP), 30, "SIGHUP blocked")
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.said(daemon, "the configuration is in force"), 60, "the reload")
        self.assertEqual(daemon.stop(), EXIT_OK)

    @staticmethod
    def said(daemon, words):
        return [text for text in messages("\n".join(list(daemon.log))) if words in text]

    @staticmethod
    def catches(pid, number):
        """The main thread has it blocked: a signalfd reads it."""
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            blocked = int(re.search(r"^SigBlk:\s+(\w+)", file.read(), re.M)[1], 16)
        return blocked >> (number - 1) & 1 == 1

    def test_a_second_sigint_ends_at_once(self):
        listener = harness.listen(self, free_port())
        port = listener.getsockname()[1]
        daemon = Daemon(self, "shutdown_timeout=1m", exporters=[
            f"{{type: otlp, url: 'http://127.0.0.1:{port}/v1/metrics'}}"])
        daemon.wait_for_snapshots(1)
        daemon.process.send_signal(signal.SIGINT)
        wait_until(lambda: self.said(daemon, "stopping on SIGINT"), 30, "stopping")
        for _ in range(50):
            time.sleep(0.2)
            if daemon.process.poll() is not None:
                break
            daemon.process.send_signal(signal.SIGINT)
        self.assertEqual(daemon.wait(), -signal.SIGINT)

    def test_the_first_process_of_a_container_ends_at_once_too(self):
        """To which the kernel does nothing unless it has a handler."""
        harness.need("unshare")
        listener = harness.listen(self, free_port())
        port = listener.getsockname()[1]
        daemon = Daemon(self, "shutdown_timeout=1m", prefix=("unshare", "--pid", "--fork"),
                        exporters=[f"{{type: otlp, url: 'http://127.0.0.1:{port}/v1/metrics'}}"])
        daemon.wait_for_snapshots(1)
        with open(f"/proc/{daemon.pid}/task/{daemon.pid}/children", encoding="ascii") as file:
            first = int(file.read())
        os.kill(first, signal.SIGINT)
        wait_until(lambda: self.said(daemon, "stopping on SIGINT"), 30, "stopping")
        for _ in range(50):
            time.sleep(0.2)
            if daemon.process.poll() is not None:
                break
            os.kill(first, signal.SIGINT)
        self.assertEqual(daemon.wait(), 128 + signal.SIGINT)

    def test_two_that_come_together_are_one(self):
        """As timeout(1) sends them: to its child, then to the group that the child is in."""
        for _ in range(5):
            daemon = Daemon(self, interval="1h")
            connection = Connection(self)
            connection.send(self.SIZE)
            start = time.monotonic()
            daemon.process.send_signal(signal.SIGINT)
            time.sleep(0.005)
            daemon.process.send_signal(signal.SIGINT)
            near = time.monotonic() - start < self.NEAR_SECONDS
            code = daemon.wait()
            if near:
                break
        self.assertTrue(near, "this machine could not send two signals together")
        self.assertEqual(code, EXIT_OK)
        self.assertEqual(daemon.total("tcp.sent.bytes", port=connection.port), self.SIZE)

    def test_shutdown_timeout_bounds_a_reader_that_stalls(self):
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
        process = harness.spawn(
            self, harness.binary(), "run", "-c", "/dev/null", "--set", "interval=1s", "--set",
            "shutdown_timeout=1s", "--set", f"exporters=[{harness.JSON_CONSOLE}]",
            stdin=None, stdout=write_end, stderr=subprocess.PIPE)
        os.close(write_end)
        harness.read_until(process.stderr, harness.OBSERVING)
        wait_until(lambda: self.is_stuck(read_end), 30, "a full pipe")
        process.terminate()
        self.assertEqual(process.wait(60), EXIT_FAILURE)
        said = "\n".join(messages(process.stderr.read()))
        self.assertIn("cannot write to standard output: nobody reads it", said)
        self.assertIn("exporter console could not write everything", said)
        self.assertIn("shutdown_timeout", said)
        print(said.replace("\n", "; "), end="; ")

    def is_stuck(self, pipe):
        """Something is waiting, and in two intervals nothing came to it: a line of up to 4096 bytes is
        written whole or not at all, so the pipe is full before its last byte is used."""
        before = self.waiting(pipe)
        time.sleep(2)
        return self.waiting(pipe) == before > 0

    @staticmethod
    def waiting(pipe):
        """Bytes that nobody has read yet."""
        count = array.array("i", [0])
        fcntl.ioctl(pipe, termios.FIONREAD, count)
        return count[0]


class Ports(unittest.TestCase):
    """A port that somebody else has: said at start."""

    @staticmethod
    def refused(*words):
        return harness.sockeye(*words, "-c", "/dev/null", "--set", "interval=1s")

    def test_two_exporters_on_one_port(self):
        port = free_port()
        both = f"exporters=[{openmetrics(port)}, {openmetrics(port)}]"
        run = self.refused("run", "--once", "--set", both)
        self.assertEqual((run.returncode, run.stdout), (EXIT_CONFIG, ""))
        self.assertEqual(run.stderr, "--set exporters: listen: the openmetrics exporter at --set "
                                     f"exporters has \"127.0.0.1:{port}\" already\n")
        self.assertEqual(self.refused("check", "--set", both).stderr, run.stderr)

    def test_port_of_another_process(self):
        """What only opening can tell: `check` passes, `check --open` says what `run` says."""
        port = free_port()
        harness.listen(self, port)
        one = f"exporters=[{openmetrics(port)}]"
        run = self.refused("run", "--once", "--set", one)
        self.assertEqual((run.returncode, run.stdout), (EXIT_FAILURE, ""))
        said, = messages(run.stderr)
        self.assertIn(f"cannot listen on 127.0.0.1:{port}", said)
        self.assertEqual(self.refused("check", "--set", one).returncode, EXIT_OK)
        opened = self.refused("check", "--open", "--set", one)
        self.assertEqual(opened.returncode, EXIT_FAILURE)
        self.assertEqual(opened.stderr.splitlines()[-1], said)
        print(said, end="; ")


class InvalidConfiguration(unittest.TestCase):
    """An unknown key, a value out of range, a missing unit, broken YAML: `FILE:LINE:COL: message`
    with the nearest known key, exit 78, nothing started."""

    # text of the file, line, column, words of the message
    BAD = (
        ("# a comment\nintervall: 5s\n", 2, 1, ('unknown', '"interval"')),
        ("source:\n  teir: auto\n", 2, 3, ('unknown', 'tier"')),
        ("protocols: {http: true, htpt: false}\n", 1, 25, ('unknown', 'http"')),
        ("exporters:\n  - {type: consol}\n", 2, 12, ('"console"',)),
        ("exporters:\n  - {type: console, fromat: json}\n", 2, 21, ('unknown', '"format"')),
        ("interval: 2h\n", 1, 11, ("1h",)),
        ("interval: 10\n", 1, 11, ("unit",)),
        ("limits: {series: 3}\n", 1, 18, ("10",)),
        ("interval: 10s\nsource: [\n", 3, 1, ()),
        ("interval: 10s\nprotocols: {http: maybe}\n", 2, 19, ("true",)),
    )

    def write(self, text):
        path = os.path.join(harness.temporary_folder(self), "bad.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_run_starts_nothing_and_says_where(self):
        for text, line, column, words in self.BAD:
            with self.subTest(text=text):
                path = self.write(text)
                done = harness.sockeye("run", "-c", path, "--once")
                self.assertEqual(done.returncode, EXIT_CONFIG, done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertTrue(done.stderr.startswith(f"{path}:{line}:{column}: "), done.stderr)
                for word in words:
                    self.assertIn(word, done.stderr)

    def test_check_says_the_same(self):
        for text, *_ in self.BAD:
            with self.subTest(text=text):
                path = self.write(text)
                done = harness.sockeye("check", "-c", path)
                self.assertEqual((done.returncode, done.stdout), (EXIT_CONFIG, ""))
                self.assertEqual(done.stderr,
                                 harness.sockeye("run", "-c", path, "--once").stderr)

    def test_every_problem_is_told(self):
        path = self.write("intervall: 5s\nsource:\n  teir: auto\n")
        lines = harness.sockeye("check", "-c", path).stderr.splitlines()
        self.assertEqual([line.removeprefix(path).split(" ")[0] for line in lines],
                         [":1:1:", ":3:3:"])

    def test_set_and_environment_are_named(self):
        done = harness.sockeye("run", "--once", "--set", "intervall=5s")
        self.assertEqual(done.returncode, EXIT_CONFIG)
        self.assertRegex(done.stderr, r'--set.*"interval"')
        done = harness.sockeye("run", "--once", SOCKEYE_INTERVAL="5")
        self.assertEqual(done.returncode, EXIT_CONFIG)
        self.assertRegex(done.stderr, r'SOCKEYE_INTERVAL: "5" needs a unit')

    def test_variables_of_others_are_passed_over(self):
        """Kubernetes makes them for a Service of our name."""
        done = harness.sockeye("check", "-c", "/dev/null", SOCKEYE_INTERVALL="5s",
                               SOCKEYE_SERVICE_HOST="10.0.0.1")
        self.assertEqual(done.returncode, EXIT_OK)
        self.assertRegex(done.stderr, r"SOCKEYE_INTERVALL .*SOCKEYE_INTERVAL\"")
        self.assertRegex(done.stderr, r"SOCKEYE_SERVICE_HOST sets no key and is passed over")

    def test_missing_file_is_named(self):
        done = harness.sockeye("run", "-c", "/nonexistent/sockeye.yaml", "--once")
        self.assertEqual(done.returncode, EXIT_CONFIG)
        self.assertIn("/nonexistent/sockeye.yaml", done.stderr)

    def test_a_valid_file_passes(self):
        done = harness.sockeye("check", "-c", self.write("interval: 5s\n"))
        self.assertEqual((done.returncode, done.stderr), (EXIT_OK, ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
