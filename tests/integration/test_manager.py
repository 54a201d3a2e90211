# SPDX-License-Identifier: Apache-2.0
"""What a service manager hears of the daemon, with a socket of the test in systemd's place, and
what the log says for a manager's journal."""

import contextlib
import ctypes
import json
import os
import re
import signal
import socket
import threading
import time
import unittest

import harness
from harness import EXIT_FAILURE, EXIT_OK, OBSERVING, Daemon, free_port, wait_until

NULL = '{type: "null"}'
READY = "READY=1"
WATCHDOG = "WATCHDOG=1"


class Manager:
    """A socket as $NOTIFY_SOCKET names it, and every message with its time: (monotonic, text)."""

    def __init__(self, test, on_message=lambda text: None):
        self.path = os.path.join(harness.temporary_folder(test), "notify")
        self.messages = []
        self._on_message = on_message
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        test.addCleanup(self._end)

    def _read(self):
        while text := self._socket.recv(4096).decode():
            self.messages.append((time.monotonic(), text))
            self._on_message(text)

    def _end(self):
        self._socket.shutdown(socket.SHUT_RD)
        self._thread.join()
        self._socket.close()

    def environment(self, watchdog_us=None, watchdog_pid=None):
        given = {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": watchdog_us,
                 "WATCHDOG_PID": watchdog_pid}
        return {name: str(value) for name, value in given.items() if value is not None}

    def lines(self):
        """Every assignment, in order."""
        return [line for _, text in list(self.messages) for line in text.splitlines()]

    def count(self, line, since=0.0):
        return sum(line in text.splitlines() for when, text in list(self.messages) if when > since)

    def wait_for(self, pattern, timeout=60):
        return wait_until(lambda: [line for line in self.lines() if re.fullmatch(pattern, line)],
                          timeout, lambda: f"{pattern} in {self.lines()}")[-1]


def holds_cgroup_links(pid):
    """How many cgroup links the process has."""
    count = 0
    for name in os.listdir(f"/proc/{pid}/fdinfo"):
        with contextlib.suppress(FileNotFoundError), \
                open(f"/proc/{pid}/fdinfo/{name}", encoding="ascii") as file:
            count += "link_type:\tcgroup" in file.read()
    return count


class Told(unittest.TestCase):
    def test_ready_then_a_status_then_the_end(self):
        seen = []
        port = free_port()

        def on_message(text):
            if READY in text.splitlines():
                with socket.create_connection(("127.0.0.1", port), timeout=5):
                    seen.append(holds_cgroup_links(daemon.pid))

        manager = Manager(self, on_message)
        daemon = Daemon(self, console=None, environment=manager.environment(), wait=False,
                        exporters=[f"{{type: openmetrics, listen: '127.0.0.1:{port}'}}"])
        manager.wait_for(r"STATUS=\d+ connections? active, \d+ series")
        wait_until(lambda: seen, 30, "a connection to the page at READY")
        self.assertGreater(seen[0], 0, "programs on the cgroup tree at READY")
        self.assertEqual(seen, [holds_cgroup_links(daemon.pid)], "all of them at READY")
        self.assertEqual(daemon.stop(), EXIT_OK, daemon.log)
        manager.wait_for("STOPPING=1")
        lines = manager.lines()
        starting = [line for line in lines if line.startswith("STATUS=starting: ")]
        self.assertGreater(len(starting), 3, lines)
        self.assertGreater(lines.index(READY), lines.index(starting[-1]))
        self.assertEqual(lines.count("EXTEND_TIMEOUT_USEC=90000000"), len(starting))
        self.assertTrue(any(OBSERVING in line for line in lines if line.startswith("STATUS=")))
        self.assertEqual(lines[-2:], ["STOPPING=1", "EXTEND_TIMEOUT_USEC=35000000"])
        self.assertEqual(lines.count(READY), 1)
        self.assertNotIn(WATCHDOG, lines)

    def test_not_ready_without_its_listener(self):
        manager = Manager(self)
        taken = harness.listen(self, free_port())
        port = taken.getsockname()[1]
        daemon = Daemon(self, console=None, environment=manager.environment(), wait=False,
                        exporters=[f"{{type: openmetrics, listen: '127.0.0.1:{port}'}}"])
        self.assertEqual(daemon.wait(), EXIT_FAILURE)
        self.assertNotIn(READY, manager.lines())

    def test_one_that_cannot_be_told_is_named(self):
        daemon = Daemon(self, exporters=[NULL], console=None,
                        environment={"NOTIFY_SOCKET": "vsock:2:1"})
        self.assertIn("warning: NOTIFY_SOCKET=vsock:2:1: Address family not supported",
                      "\n".join(daemon.log))
        self.assertEqual(daemon.stop(), EXIT_OK)


class EndsEarly(unittest.TestCase):
    """A signal that comes during the start ends it at the next step, with exit 0."""

    STEPS = ("asking the kernel what it allows", "opening exporters", "loading programs",
             "loading programs of protocols")

    def end_at(self, step, number):
        begun = []

        def on_message(text):
            if text.startswith(f"STATUS=starting: {step}\n"):
                wait_until(lambda: begun, 30, "the daemon, which was faster than its test")
                begun[0].process.send_signal(number)

        manager = Manager(self, on_message)
        daemon = Daemon(self, console=None, exporters=[NULL], wait=False,
                        environment=manager.environment())
        begun.append(daemon)
        self.assertEqual(daemon.wait(), EXIT_OK, daemon.log)
        hint = "; a second one ends at once" if number == signal.SIGINT else ""
        self.assertEqual(harness.messages("\n".join(daemon.log)),
                         [f"stopping on {number.name}{hint}"], step)
        manager.wait_for("STOPPING=1")
        self.assertNotIn(READY, manager.lines())

    def test_at_each_step(self):
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
        for step, number in zip(self.STEPS, numbers):
            with self.subTest(step=step):
                self.end_at(step, number)


class Tracer:
    """Stops single threads of a process, as no signal can: ptrace(2)."""

    DETACH, SEIZE, INTERRUPT, WALL = 17, 0x4206, 0x4207, 0x40000000
    _libc = ctypes.CDLL(None, use_errno=True)

    def _ptrace(self, request, thread):
        if self._libc.ptrace(request, thread, None, None) != 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request:#x} of {thread}")

    @contextlib.contextmanager
    def stopped(self, thread):
        self._ptrace(self.SEIZE, thread)
        self._ptrace(self.INTERRUPT, thread)
        os.waitpid(thread, self.WALL)
        yield
        self._ptrace(self.DETACH, thread)


def thread_of(pid, name):
    """The number of the thread called `name`."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/comm", encoding="ascii") as file:
            if file.read().strip() == name:
                return int(thread)
    raise AssertionError(f"no thread {name} in {pid}")


class Watchdog(unittest.TestCase):
    PERIOD_US = 400_000
    SECONDS = 1.1
    # Five and a half times, on a machine that is busy.
    USUAL = range(3, 8)

    def fed(self, manager):
        """How often, from now on, in SECONDS."""
        since = time.monotonic()
        time.sleep(self.SECONDS)
        return manager.count(WATCHDOG, since)

    def test_only_a_collector_that_stands_still_starves_it(self):
        """Neither a receiver that takes everything and answers nothing, nor an exporter's thread
        that does not run at all."""
        manager = Manager(self)
        listener = harness.listen(self, free_port())
        port = listener.getsockname()[1]
        daemon = Daemon(self, "shutdown_timeout=0s", console=None, wait=False,
                        environment=manager.environment(self.PERIOD_US),
                        exporters=[f"{{type: otlp, url: 'http://127.0.0.1:{port}/v1/metrics', "
                                   "timeout: 5m}"])
        manager.wait_for(READY)
        connection, _ = listener.accept()
        self.addCleanup(connection.close)
        self.assertIn(self.fed(manager), self.USUAL, "a receiver that hangs")
        tracer = Tracer()
        with tracer.stopped(thread_of(daemon.pid, "eye:otlp")):
            self.assertIn(self.fed(manager), self.USUAL, "a thread that hangs")
        with tracer.stopped(thread_of(daemon.pid, "eye:collector")):
            time.sleep(0.2)
            self.assertEqual(self.fed(manager), 0, "the collector hangs")
        wait_until(lambda: self.fed(manager) in self.USUAL, 30, "the collector goes on")
        daemon.stop()

    def test_of_another_process_is_not_ours(self):
        manager = Manager(self)
        daemon = Daemon(self, console=None, exporters=[NULL],
                        environment=manager.environment(self.PERIOD_US // 4, 1))
        own = Manager(self)
        with_pid = ("sh", "-c", 'WATCHDOG_PID=$$ exec "$@"', "sh")
        other = Daemon(self, console=None, exporters=[NULL], prefix=with_pid,
                       environment=own.environment(self.PERIOD_US // 4))
        wait_until(lambda: own.count(WATCHDOG) > 3, 30, own.lines)
        self.assertEqual(manager.count(WATCHDOG), 0)
        self.assertEqual((daemon.stop(), other.stop()), (EXIT_OK, EXIT_OK))
        self.assertEqual(manager.count(READY), 1)


class Log(unittest.TestCase):
    def test_a_status_on_sigusr1(self):
        port = free_port()
        daemon = Daemon(self, "shutdown_timeout=0s", console=None, exporters=[
            NULL, f"{{type: otlp, url: 'http://127.0.0.1:{port}/v1/metrics'}}"])

        def said(pattern):
            return [line for line in list(daemon.log) if re.search(pattern, line)]

        def failing():
            daemon.process.send_signal(signal.SIGUSR1)
            return said(r"status: +otlp \(otlp\): failing since ")

        wait_until(failing, 30, lambda: "\n".join(daemon.log), step=0.5)
        wait_until(lambda: said(r"status: +failures: refused [1-9]"), 30, daemon.log.copy)
        self.assertTrue(said(r"status: +delivered 0, queued [1-9]"))
        self.assertTrue(said(r"status: +null \(null\): "))
        self.assertEqual(daemon.stop(), EXIT_OK)

    def test_json_is_an_object_per_line(self):
        daemon = Daemon(self, "log.format=json", "log.level=debug", console=None, exporters=[NULL])
        self.assertEqual(daemon.stop(), EXIT_OK)
        lines = [json.loads(line) for line in daemon.log]
        self.assertTrue(all(line.keys() == {"time", "level", "message"} for line in lines))
        self.assertTrue(any(OBSERVING in line["message"] for line in lines))
        self.assertIn("stopping on SIGTERM", [line["message"] for line in lines])
        # What libbpf says of a start in which all went well is for nobody.
        self.assertEqual({line["level"] for line in lines} - {"warning"}, {"info", "debug"})
        self.assertLess(len(lines), 30)

    def test_the_journal_gets_priorities(self):
        daemon = Daemon(self, "log.format=journal", console=None, exporters=[NULL])
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertTrue(all(re.match(r"<[346]>\S", line) for line in daemon.log), daemon.log)


if __name__ == "__main__":
    unittest.main(verbosity=2)
