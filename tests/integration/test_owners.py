# SPDX-License-Identifier: Apache-2.0
"""Names that can be trusted: whose a connection is, when its process is gone, executed another
program, forked, or had its pid before.

The truth is what the test started. All looks go by ports that the test owns.
"""

import os
import shutil
import time
import unittest

import harness
from harness import Daemon, free_port, wait_until
from test_connections import ACTIVE, CLOSED, FAILED, OPENED, RECEIVED, SENT

OUTGOING = {"direction": "outgoing"}
PYTHON_NAME = os.path.basename(os.path.realpath(harness.PYTHON))
# More than the 300 of a usual run only for a person who wants to see it.
RUNS = int(os.environ.get("SOCKEYE_TEST_RUNS", "300"))


def serve(test, port, host="127.0.0.1"):
    """Reads until the client's end, then closes."""
    return harness.Server(test, harness.listen(test, port, host), harness.receive_all)


def copy_of_bash(test, *names):
    """Paths of copies of one program under other names."""
    harness.need("bash")
    folder = harness.temporary_folder(test)
    return [shutil.copy(shutil.which("bash"), os.path.join(folder, name)) for name in names]


def run_once(program, port, **environment):
    """A process of some milliseconds that connects, sends one byte, ends."""
    harness.command(program, "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}; echo -n x >&3",
                    env=harness.clean_environment(**environment))


def counts(daemon, metric, port, **tags):
    """{service: count}."""
    found = {}
    for own, entry in daemon.series(metric, port=port, **tags):
        found[own["service"]] = found.get(own["service"], 0) + entry[1]
    return found


class ShortRuns(unittest.TestCase):
    """Processes that are gone long before the interval ends."""

    @staticmethod
    def lost(daemon):
        """Ends of connections that the kernel did not tell of, under load, on the whole host."""
        return sum(daemon.losses().get(("tcp", reason), 0)
                   for reason in ("ring_full", "recursion", "vanished"))

    def finish(self, daemon, port, runs):
        wait_until(lambda: daemon.total(CLOSED, port=port) + self.lost(daemon) >= 2 * runs, 60,
                   lambda: f"{2 * runs} ends, are {daemon.total(CLOSED, port=port)}, "
                           f"losses: {daemon.losses()}")
        self.assertEqual(daemon.stop(), 0)

    def check(self, daemon, metric, port, expected):
        """Every count under its own name; what is missing was counted as lost, and who is unknown
        was, too."""
        found = counts(daemon, metric, port, **OUTGOING)
        unknown = found.pop("unknown", 0)
        self.assertLessEqual(unknown, daemon.losses().get(("owner", "ring_full"), 0))
        self.assertEqual(found.keys(), expected.keys(), (found, daemon.losses()))
        missing = {name: expected[name] - found[name] for name in expected}
        self.assertGreaterEqual(min(missing.values()), 0, found)
        self.assertLessEqual(sum(missing.values()) - unknown, self.lost(daemon),
                             (missing, daemon.losses()))

    def test_three_programs_are_three_services(self):
        programs = copy_of_bash(self, "collect", "import", "report")
        # Of the second the name stands behind 20 KiB of other variables.
        environments = ({}, {f"A_LONG_LIST_OF_SERVICES_{i}": "x" * 100 for i in range(160)}, {})
        port = free_port()
        serve(self, port)
        daemon = Daemon(self, interval="5s")
        start = time.monotonic()
        for i in range(RUNS):
            run_once(programs[i % 3], port, **environments[i % 3], DD_SERVICE=f"service-{i % 3}")
        seconds = time.monotonic() - start
        self.finish(daemon, port, RUNS)
        expected = {f"service-{i}": len(range(i, RUNS, 3)) for i in range(3)}
        for metric in (OPENED, CLOSED, SENT):
            self.check(daemon, metric, port, expected)
        print(f"{RUNS} runs in {seconds:.1f} s: {counts(daemon, OPENED, port, **OUTGOING)}, "
              f"losses {daemon.losses()}", end="; ")

    def test_without_a_service_a_program_has_its_executables_name(self):
        names = ("a-program-with-quite-a-long-name", "kernel", "unknown")
        port = free_port()
        serve(self, port)
        daemon = Daemon(self, interval="5s")
        for program in copy_of_bash(self, *names):
            for _ in range(4):
                run_once(program, port)
        self.finish(daemon, port, 12)
        self.check(daemon, OPENED, port, {names[0]: 4, "kernel_": 4, "unknown_": 4})

    SOURCE = """
import ctypes, os, socket, sys, threading, time

def connect():
    ctypes.CDLL(None).prctl(15, sys.argv[2].encode())
    socket.create_connection(("127.0.0.1", int(sys.argv[1]))).send(b"x")
    time.sleep(float(sys.argv[3]))
    os._exit(0)

ctypes.CDLL(None).prctl(15, b"renamed")
threading.Thread(target=connect).start()
"""

    def test_twelve_runs_of_one_program_are_one_service(self):
        """Its threads have names of their own; one of the runs outlives the interval."""
        port = free_port()
        serve(self, port)
        daemon = Daemon(self, interval="1s")
        for i in range(12):
            harness.command(harness.PYTHON, "-c", self.SOURCE, str(port), f"worker-{i}",
                            "2.5" if i == 0 else "0", env=harness.clean_environment())
        self.finish(daemon, port, 12)
        self.check(daemon, OPENED, port, {PYTHON_NAME: 12})

    NEEDED = "+bpf,+perfmon,+net_admin"
    LEAST_RIGHTS = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                    f"--inh-caps={NEEDED}", f"--ambient-caps={NEEDED}")

    def test_with_the_least_rights(self):
        """The environment is read by the kernel: no right to read /proc is needed."""
        program, = copy_of_bash(self, "collect")
        old, port = free_port(), free_port()
        serve(self, port)
        older = harness.spawn_python(self, LISTEN, old, service="older")
        harness.read_word(older, "listening")
        daemon = Daemon(self, prefix=self.LEAST_RIGHTS)
        for _ in range(5):
            run_once(program, port, DD_SERVICE="shop")
            run_once(program, old, DD_SERVICE="shop")
        self.finish(daemon, port, 5)
        self.check(daemon, OPENED, port, {"shop": 5})
        # The executable comes with the seed, the environment with the first use of a socket.
        seen = daemon.values(OPENED, "service", port=old, direction="incoming")
        self.assertIn("older", seen)
        self.assertLessEqual(set(seen), {"older", PYTHON_NAME})
        self.assertTrue(any("environment of other users" in line for line in daemon.log),
                        daemon.log)

    # Neither closes: the first one answers on what it accepts, the other one sends on a connection
    # that is older than the daemon.
    OLDER = """
import socket, sys
if sys.argv[1] == "answer":
    listener = socket.create_server(("127.0.0.1", int(sys.argv[2])))
    print("ready", flush=True)
    connection = listener.accept()[0]
else:
    connection = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    print("ready", flush=True)
    sys.stdin.readline()
connection.send(b"x")
sys.stdin.readline()
"""

    def test_older_programs_have_their_service_when_they_send(self):
        """With the least rights, too: /proc/PID/environ is not needed."""
        accepts, connects = free_port(), free_port()
        serve(self, connects)
        older = {}
        for how, port in (("answer", accepts), ("connect", connects)):
            older[how] = harness.spawn_python(self, self.OLDER, how, port, service=how)
            harness.read_word(older[how], "ready")
        daemon = Daemon(self, prefix=self.LEAST_RIGHTS)
        with harness.socket.create_connection(("127.0.0.1", accepts)) as client:
            harness.receive_exactly(client, 1)
            harness.tell(older["connect"], "send")
            for port, tags, expected in ((accepts, {"direction": "incoming"}, {"answer": 1}),
                                         (connects, OUTGOING, {"connect": 1})):
                def active(port=port, tags=tags):
                    return {own["service"]: entry[1] for own, entry in
                            daemon.series(ACTIVE, port=port, **tags) if entry[1]}
                wait_until(lambda: active() == expected, 10,
                           lambda: f"{expected}, is {active()}")
        self.assertEqual(daemon.stop(), 0)


LISTEN = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    connection = listener.accept()[0]
    connection.recv(1)
    connection.close()
"""


class HandedOn(unittest.TestCase):
    """Connections that outlive the program that opened them. In every snapshot the sum is right,
    and no name is below zero."""

    # Connects and sends; then each line of stdin is a step.
    SOURCE = """
import os, socket, sys

def step():
    return os.read(0, 1)

connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.send(b"a")
connection.set_inheritable(True)
print("connected", flush=True)
step()
if sys.argv[2] == "fork":
    if os.fork() > 0:
        os._exit(0)
    step()
    connection.send(b"b")
    step()
else:
    os.execve("/bin/bash", ["bash", "-c", "read -n 1; echo -n b >&$0; read -n 1",
                            str(connection.fileno())], {"DD_SERVICE": "after"})
"""

    def open(self, how):
        self.port = free_port()
        serve(self, self.port)
        self.daemon = Daemon(self, interval="1s")
        self.lowest = 0
        self.opener = harness.spawn_python(self, self.SOURCE, self.port, how, service="before")
        harness.read_word(self.opener, "connected")
        self.wait_for({"before": 1})

    def active(self):
        return {own["service"]: entry[1]
                for own, entry in self.daemon.series(ACTIVE, port=self.port, **OUTGOING)}

    def wait_for(self, expected):
        """For the snapshot that shows it; each one before it has to be possible."""
        def shown():
            now = self.active()
            self.lowest = min([self.lowest, *now.values()])
            return {name: value for name, value in now.items() if value} == expected
        wait_until(shown, 20, lambda: f"{expected}, is {self.active()}")

    def step(self):
        self.opener.stdin.write("x")
        self.opener.stdin.flush()

    def close(self):
        self.step()
        self.wait_for({})
        self.daemon.wait_for_total(CLOSED, 2, port=self.port)
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.lowest, 0)
        self.assertEqual({value for value in self.active().values()} | {0}, {0})
        self.assertEqual(self.daemon.total(OPENED, port=self.port, **OUTGOING), 1)
        self.assertEqual(self.daemon.total(SENT, port=self.port, **OUTGOING), 2)

    def test_exec_with_an_open_connection(self):
        self.open("exec")
        self.step()
        self.daemon.wait_for_snapshots(2)
        self.wait_for({"before": 1})
        self.step()
        self.wait_for({"after": 1})
        self.close()
        self.assertEqual(counts(self.daemon, CLOSED, self.port, **OUTGOING), {"after": 1})

    def test_a_daemon_that_forks_after_connecting(self):
        """The opener is a zombie from then on: nothing of it can be read any more."""
        self.open("fork")
        self.step()
        wait_until(lambda: self.state_of_opener() == "Z", 10, "a zombie")
        self.daemon.wait_for_snapshots(2)
        self.wait_for({"before": 1})
        self.step()
        self.daemon.wait_for_snapshots(2)
        self.wait_for({"before": 1})
        self.close()
        self.assertEqual(counts(self.daemon, CLOSED, self.port, **OUTGOING), {"before": 1})

    def test_whoever_closes_need_not_have_used_it(self):
        """A child that holds every descriptor of its parent is the last one to close."""
        port = free_port()
        serve(self, port)
        daemon = Daemon(self, interval="1s")
        child = 'exec 3<>/dev/tcp/127.0.0.1/$0; echo -n x >&3; DD_SERVICE=heir bash -c "$1" & exit'
        harness.command("bash", "-c", child, str(port), "sleep 1.5; exec 3>&-; sleep 0.1",
                        env=harness.clean_environment(DD_SERVICE="testator"))
        daemon.wait_for_total(CLOSED, 2, port=port)
        self.assertEqual(daemon.stop(), 0)
        for metric in (OPENED, CLOSED, SENT):
            self.assertEqual(counts(daemon, metric, port, **OUTGOING), {"testator": 1}, metric)

    def test_a_stranger_that_destroys_it(self):
        harness.need("ss")
        port = free_port()
        harness.Server(self, harness.listen(self, port), harness.receive_all)
        daemon = Daemon(self, interval="1s")
        opener = harness.spawn_python(self, self.SOURCE, port, "fork", service="victim")
        harness.read_word(opener, "connected")
        harness.command("ss", "-K", "dport", "=", f":{port}",
                        env=harness.clean_environment(DD_SERVICE="destroyer"))
        daemon.wait_for_total(CLOSED, 2, port=port)
        self.assertEqual(daemon.stop(), 0)
        for metric in (OPENED, CLOSED, FAILED, SENT):
            self.assertEqual(counts(daemon, metric, port, **OUTGOING), {"victim": 1}, metric)

    def state_of_opener(self):
        with open(f"/proc/{self.opener.pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0]


class Softirq(unittest.TestCase):
    """It runs in whatever process is current: on loopback that of the other end."""

    # Reads one connection and uses the other one never.
    TAKER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
connections = [listener.accept()[0] for _ in range(2)]
size = int(sys.stdin.readline())
while size > 0:
    size -= len(connections[0].recv(65536))
print("taken", flush=True)
sys.stdin.readline()
"""
    # Sends as much as is taken, and resets the other one; what lies in its buffer goes by itself.
    GIVER = """
import socket, struct, sys
used, unused = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(2)]
unused.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
unused.close()
used.setblocking(False)
size = 0
try:
    while True:
        size += used.send(bytes(65536))
except BlockingIOError:
    print(size, flush=True)
sys.stdin.readline()
"""

    def test_the_other_end_does_not_use_it(self):
        port = free_port()
        daemon = Daemon(self)
        taker = harness.spawn_python(self, self.TAKER, port, service="taker")
        harness.read_word(taker, "listening")
        giver = harness.spawn_python(self, self.GIVER, port, service="giver")
        size = int(giver.stdout.readline())
        harness.tell(taker, str(size))
        harness.read_word(taker, "taken")
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(counts(daemon, SENT, port, **OUTGOING), {"giver": size})
        self.assertEqual(counts(daemon, CLOSED, port, direction="incoming"), {"taker": 1})


class WrittenOver(unittest.TestCase):
    """nginx writes its title over its environment; its workers are what serves."""

    def test_workers_have_the_service_of_their_master(self):
        port = free_port()
        daemon = Daemon(self)
        harness.Nginx(self, port, f"server {{ listen 127.0.0.1:{port}; "
                                  "location / { return 200 ok; } }", service="titled")
        for _ in range(3):
            harness.command("curl", "-sS", "-o", "/dev/null", f"http://127.0.0.1:{port}/")
        daemon.wait_for_total(CLOSED, 6, port=port)
        self.assertEqual(daemon.stop(), 0)
        tags = {"port": port, "direction": "incoming"}
        self.assertEqual(counts(daemon, CLOSED, **tags), {"titled": 3})
        self.assertEqual(daemon.values("http.server.request.duration", "service", port=port),
                         ["titled"])


class ReusedPid(unittest.TestCase):
    """A pid that is given again at once."""

    # One thread only: what clone3 starts here may not wait for a lock of a thread that it has not.
    SOURCE = """
import ctypes, errno, os, signal, struct, sys

CLONE3 = 435
TRIES = 50
libc = ctypes.CDLL(None, use_errno=True)

def connect(program, service):
    script = "exec 3<>/dev/tcp/127.0.0.1/" + sys.argv[3] + "; echo -n x >&3"
    return program, [program, "-c", script], {**os.environ, "DD_SERVICE": service}

def start_as(pid, program, words, environment):
    # The process with this pid (clone3(2), set_tid); 0 when the pid is taken.
    tids = (ctypes.c_int32 * 1)(pid)
    fields = struct.pack("11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(tids), 1, 0)
    got = libc.syscall(CLONE3, fields, len(fields))
    if got == 0:
        try:
            os.execve(program, words, environment)
        finally:
            os._exit(127)
    if got < 0 and ctypes.get_errno() != errno.EEXIST:
        raise OSError(ctypes.get_errno(), "clone3")
    return max(got, 0)

for runs in range(1, TRIES + 1):
    pid = os.posix_spawn(*connect(sys.argv[1], "one"))
    os.waitpid(pid, 0)
    if start_as(pid, *connect(sys.argv[2], "two")):
        os.waitpid(pid, 0)
        print(runs)
        break
else:
    sys.exit(f"each of {TRIES} pids was taken by another process")
"""

    def test_the_second_process_has_its_own_name(self):
        first, second = copy_of_bash(self, "first", "second")
        port = free_port()
        serve(self, port)
        daemon = Daemon(self, interval="2s")
        done = harness.command(harness.PYTHON, "-c", self.SOURCE, first, second, str(port),
                               env=harness.clean_environment())
        runs = int(done.stdout)
        daemon.wait_for_total(CLOSED, 2 * (runs + 1), port=port)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(counts(daemon, OPENED, port, **OUTGOING), {"one": runs, "two": 1})


class MultipathTcp(unittest.TestCase):
    """Subflows are opened and closed by a kernel worker; they are the program's all the same."""

    SOURCE = """
import socket, sys, time
if sys.argv[1] == "listen":
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
    listener.bind(("0.0.0.0", int(sys.argv[2])))
    listener.listen()
    print("listening", flush=True)
    connection = listener.accept()[0]
    size = 0
    while part := connection.recv(65536):
        size += len(part)
else:
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
    connection.connect((sys.argv[3], int(sys.argv[2])))
    print("connected", flush=True)
    sys.stdin.readline()
    for _ in range(20):
        connection.sendall(bytes(50000))
        time.sleep(0.01)
print("done", flush=True)
sys.stdin.readline()
connection.close()
"""

    def setUp(self):
        if not os.path.exists("/proc/sys/net/mptcp/enabled"):
            self.skipTest("this kernel has no MPTCP")
        self.pair = harness.Pair(self)
        self.pair.left.run("ip", "address", "add", "10.99.0.3/24", "dev", "left")
        for side in (self.pair.left, self.pair.right):
            side.run("ip", "mptcp", "limits", "set", "subflow", "2", "add_addr_accepted", "2")
        self.pair.left.run("ip", "mptcp", "endpoint", "add", "10.99.0.3", "dev", "left", "subflow")

    def test_every_subflow_has_the_programs_name(self):
        daemon, port = Daemon(self), free_port()
        server = harness.spawn(self, *self.pair.right.prefix, harness.PYTHON, "-c", self.SOURCE,
                               "listen", str(port), env=harness.clean_environment(
                                   DD_SERVICE="multi-server"))
        harness.read_word(server, "listening")
        client = harness.spawn(self, *self.pair.left.prefix, harness.PYTHON, "-c", self.SOURCE,
                               "connect", str(port), harness.Pair.RIGHT,
                               env=harness.clean_environment(DD_SERVICE="multi-client"))
        harness.read_word(client, "connected")
        harness.tell(client, "go")
        harness.read_word(client, "done")
        daemon.wait_for_total(OPENED, 4, port=port)
        for child in (client, server):
            harness.tell(child, "end")
        harness.read_word(server, "done")
        daemon.wait_for_total(CLOSED, 4, port=port)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(counts(daemon, OPENED, port, **OUTGOING), {"multi-client": 2})
        self.assertEqual(counts(daemon, CLOSED, port, **OUTGOING), {"multi-client": 2})
        self.assertEqual(counts(daemon, OPENED, port, direction="incoming"), {"multi-server": 2})
        self.assertEqual(daemon.losses().get(("tcp", "vanished"), 0), 0)
        received = daemon.total(RECEIVED, port=port, direction="incoming")
        sent = daemon.total(SENT, port=port, direction="outgoing")
        self.assertEqual((sent, received), (1_000_000, 1_000_000), "bytes count once")
