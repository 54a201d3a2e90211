# SPDX-License-Identifier: Apache-2.0
"""Who reads standard output and standard error: pipes and terminals, read, stopped, or gone."""

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
import unittest

import harness
from harness import EXIT_FAILURE, EXIT_OK, OBSERVING, read_until, wait_until
from test_lifecycle import Connection

ESCAPE = re.compile(r"\x1b\[\d*m")
NULL = 'exporters=[{type: "null"}]'


class Terminal:
    """A terminal of the test's own, with a size."""

    def __init__(self, test, columns, rows=24):
        self.master, self.slave = pty.openpty()
        test.addCleanup(self.close)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._open = {self.master, self.slave}

    def close(self, *ends):
        """All that is still open, or these."""
        for end in ends or tuple(self._open):
            os.close(end)
            self._open.discard(end)

    def read_all(self):
        """What was written until every writer had closed it."""
        self.close(self.slave)
        text = b""
        with contextlib.suppress(OSError):
            while data := os.read(self.master, 65536):
                text += data
        return text.decode().replace("\r\n", "\n")


class Run(unittest.TestCase):
    """`sockeye run` with streams of the test's choice."""

    def start(self, *settings, stdout, stderr=subprocess.PIPE, arguments=(), **environment):
        words = [word for setting in settings for word in ("--set", setting)]
        return harness.spawn(self, harness.binary(), "run", "-c", "/dev/null", *words, *arguments,
                             stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                             env=harness.clean_environment(**environment))

    def points_file(self):
        """A path, and the setting of an exporter that writes there."""
        path = os.path.join(harness.temporary_folder(self), "points")
        return path, f"{{type: file, path: {path}}}"

    @staticmethod
    def points(path, metric):
        """The points of a metric in a file of the exporter, whole lines only."""
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file if line.endswith("\n")]
        return [line for line in lines if line["metric"] == "sockeye." + metric]

    def total(self, path, metric):
        return sum(point["value"] for point in self.points(path, metric))


class Gone(Run):
    """Nobody reads standard output any more: a daemon that writes there ends as any program in a
    pipe does, after the others got the open interval; one that does not lives on."""

    SIZE = 54_321

    def show(self, exporter, close, stdout):
        path, file_exporter = self.points_file()
        process = self.start("interval=1h", f"exporters=[{exporter}, {file_exporter}]",
                             stdout=stdout)
        read_until(process.stderr, OBSERVING)
        connection = Connection(self)
        connection.send(self.SIZE)
        close()
        self.assertEqual(process.wait(60), -signal.SIGPIPE)
        self.assertEqual(harness.messages(process.stderr.read()),
                         ["stopping: nobody reads standard output any more"])
        sent = sum(point["value"] for point in self.points(path, "tcp.sent.bytes")
                   if point["tags"]["port"] == str(connection.port))
        self.assertEqual(sent, self.SIZE)

    def show_pipe(self, exporter):
        read_end, write_end = os.pipe()
        with os.fdopen(write_end, "w") as stdout:
            def close():
                stdout.close()
                os.close(read_end)
            self.show(exporter, close, stdout)

    def test_pipe_of_the_table(self):
        self.show_pipe("{type: console}")

    def test_pipe_of_the_file_exporter(self):
        self.show_pipe("{type: file, path: '-'}")

    def test_terminal_that_is_hung_up(self):
        terminal = Terminal(self, 80)
        self.show("{type: console}", terminal.close, terminal.slave)

    def test_head(self):
        """In the middle of a table, as `| head -1` leaves it."""
        process = self.start("interval=1s", stdout=subprocess.PIPE)
        self.assertRegex(process.stdout.readline(), r"last \d")
        process.stdout.close()
        self.assertEqual(process.wait(60), -signal.SIGPIPE)

    def test_whoever_does_not_write_there_lives_on(self):
        read_end, write_end = os.pipe()
        process = self.start("interval=1s", NULL, stdout=write_end)
        os.close(write_end)
        read_until(process.stderr, OBSERVING)
        os.close(read_end)
        process.send_signal(signal.SIGHUP)
        read_until(process.stderr, "the configuration is in force")
        process.terminate()
        self.assertEqual(process.wait(60), EXIT_OK)


class Stalled(Run):
    """Nobody reads for now: metrics and signals go on, lines of the log are dropped and counted."""

    def full_pipe(self):
        """(read end, write end) of a pipe that takes nothing; the write end blocks."""
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        fcntl.fcntl(write_end, fcntl.F_SETFL, os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(write_end, bytes(4096))
        fcntl.fcntl(write_end, fcntl.F_SETFL, 0)
        return read_end, write_end

    def test_stderr(self):
        path, exporter = self.points_file()
        read_end, write_end = self.full_pipe()
        process = self.start("interval=1s", f"exporters=[{exporter}]", stdout=subprocess.DEVNULL,
                             stderr=write_end)
        os.close(write_end)
        wait_until(lambda: self.total(path, "log.dropped") >= 1, 60, "a dropped line")
        fcntl.fcntl(read_end, fcntl.F_SETFL, os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.read(read_end, 65536)
        process.send_signal(signal.SIGHUP)
        text = ""
        while "the configuration is in force" not in text:
            with contextlib.suppress(BlockingIOError):
                text += os.read(read_end, 65536).decode()
            time.sleep(0.01)
        process.terminate()
        self.assertEqual(process.wait(60), EXIT_OK)
        said = harness.messages(text)
        dropped = self.total(path, "log.dropped")
        self.assertRegex(said[0], rf"^{dropped:.0f} log lines? (was|were) not written: nobody read "
                                  "standard error")
        self.assertIn("the configuration is in force", said[1])

    def test_stderr_until_the_end(self):
        path, exporter = self.points_file()
        _, write_end = self.full_pipe()
        process = self.start("interval=1s", f"exporters=[{exporter}]", stdout=subprocess.DEVNULL,
                             stderr=write_end)
        os.close(write_end)
        wait_until(lambda: self.total(path, "log.dropped") >= 1, 60, "a dropped line")
        process.terminate()
        self.assertEqual(process.wait(60), EXIT_OK)

    def test_terminal_that_is_stopped(self):
        """^S: neither table nor log line goes out, the others get their points all the same. That
        the last table went nowhere is a failure."""
        path, exporter = self.points_file()
        terminal = Terminal(self, 80)
        termios.tcflow(terminal.slave, termios.TCOOFF)
        process = self.start("interval=1s", "shutdown_timeout=500ms",
                             f"exporters=[{{type: console}}, {exporter}]", stdout=terminal.slave,
                             stderr=terminal.slave)
        wait_until(lambda: self.total(path, "exporter.failures") >= 1, 60, "a table not taken")
        wait_until(lambda: self.total(path, "log.dropped") >= 2, 60, "two lines of the log")
        process.terminate()
        self.assertEqual(process.wait(60), EXIT_FAILURE)

    def test_terminal_that_goes_on(self):
        path, exporter = self.points_file()
        terminal = Terminal(self, 80)
        termios.tcflow(terminal.slave, termios.TCOOFF)
        process = self.start("interval=1s", f"exporters=[{{type: console}}, {exporter}]",
                             stdout=terminal.slave, stderr=subprocess.DEVNULL)
        wait_until(lambda: self.total(path, "exporter.failures") >= 1, 60, "a table not taken")
        termios.tcflow(terminal.slave, termios.TCOON)
        process.terminate()
        self.assertEqual(process.wait(60), EXIT_OK)
        text = ESCAPE.sub("", terminal.read_all())
        tables = re.findall(r"^\d{4}-.*  last [\d.]+ s$", text, re.M)
        self.assertGreaterEqual(len(tables), 1)
        self.assertEqual(len(re.findall(r"^sockeye( .*|)$", text, re.M)), len(tables), text)


class Table(Run):
    """The table fits the terminal, and is coloured there and nowhere else."""

    PIECE, PAUSE_SECONDS = 1 << 20, 0.05

    def setUp(self):
        """So much traffic that its rows are on every page, whatever else this machine does."""
        self.connection = Connection(self)
        ended = threading.Event()
        thread = threading.Thread(target=self.send_until, args=(ended,))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(ended.set)

    def send_until(self, ended):
        while not ended.wait(self.PAUSE_SECONDS):
            self.connection.send(self.PIECE)

    def once(self, stdout, **environment):
        """Observes one interval, while others do."""
        return self.start("interval=1s", stdout=stdout, arguments=["--once"],
                          **{"TERM": "xterm", **environment})

    def check(self, text, columns):
        """One table, no wider than that, without colour; returns its lines."""
        lines = text.splitlines()
        self.assertEqual(len(re.findall(r"  last [\d.]+ s$", text, re.M)), 1)
        self.assertLessEqual(max(map(len, lines)), columns, text)
        row = [line for line in lines if f"  {self.connection.port}  " in line]
        self.assertEqual(len(row), 2, text)
        return lines

    def test_terminals(self):
        usual = {"narrow": Terminal(self, 80), "wide": Terminal(self, 200),
                 "unknown": Terminal(self, 0)}
        plain = {"no colour": Terminal(self, 80), "dumb": Terminal(self, 80)}
        processes = [self.once(terminal.slave) for terminal in usual.values()]
        processes += [self.once(plain["no colour"].slave, NO_COLOR="1"),
                      self.once(plain["dumb"].slave, TERM="dumb")]
        text = {name: terminal.read_all() for name, terminal in {**usual, **plain}.items()}
        self.assertEqual([process.wait(60) for process in processes], [EXIT_OK] * len(processes))
        for name in usual:
            self.assertIn("\x1b[1mTCP\x1b[0m\n", text[name])
        for name in plain:
            self.assertNotIn("\x1b", text[name])
        for name, columns in (("narrow", 80), ("unknown", 80), ("dumb", 80), ("no colour", 80)):
            lines = self.check(ESCAPE.sub("", text[name]), columns)
            self.assertTrue(any(line.startswith("no room for ") for line in lines), lines)
        self.check(ESCAPE.sub("", text["wide"]), 200)
        self.assertIn("connect p99", text["wide"])
        self.assertNotIn("no room for", text["wide"])

    def test_pipes(self):
        """Of which nobody knows how wide they are, unless $COLUMNS says it."""
        for process, columns in [(self.once(subprocess.PIPE, **environment), columns)
                                 for environment, columns in (({}, 80), ({"COLUMNS": "200"}, 200),
                                                              ({"COLUMNS": "many"}, 80))]:
            text = process.communicate(timeout=harness.HANG_SECONDS)[0]
            self.assertEqual(process.returncode, EXIT_OK)
            self.assertNotIn("\x1b", text)
            self.check(text, columns)
            self.assertEqual("no room for" in text, columns == 80)


if __name__ == "__main__":
    unittest.main(verbosity=2)
