#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""README's first command in a clean clone, as a newcomer types it.

    first_command.py CLONE

It builds, observes for RUN_SECONDS, is stopped with Ctrl-C. Meanwhile a connection that was there
before it keeps sending; both its ends must be in the table that is printed, as active.
"""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import harness  # pylint: disable=wrong-import-position

COMMAND = ("packaging/dev", "run")
BUILD_SECONDS = 900
RUN_SECONDS = 15
STOP_SECONDS = 30
PIECE, PAUSE_SECONDS = 64 * 1024, 0.02

# direction  service  port  family (if there is room)  active
ROW = re.compile(r"^(incoming|outgoing)\s+\S.*?\s+(\d+)\s+(?:ipv[46]\s+)?(-?\d+)\s", re.MULTILINE)

# What is configured on this machine is no matter of a newcomer.
UNCONFIGURED = ("unshare", "--mount", "--propagation", "private", "sh", "-c",
                'mount -t tmpfs none /etc/sockeye && exec "$@"', "sh")


class Connection:
    """An old connection over loopback that sends enough to be high in the table."""

    def __init__(self):
        self.port = harness.free_port()
        self._stopping = threading.Event()
        with socket.create_server(("127.0.0.1", self.port)) as listener:
            self._client = socket.create_connection(("127.0.0.1", self.port))
            self._server, _ = listener.accept()
        self._threads = [threading.Thread(target=work) for work in (self._send, self._receive)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _send(self):
        with self._client:
            while not self._stopping.wait(PAUSE_SECONDS):
                self._client.sendall(bytes(PIECE))

    def _receive(self):
        with self._server:
            while self._server.recv(PIECE):
                pass


class FirstCommand:
    """The command, and what it says."""

    def __init__(self, clone):
        words = (*UNCONFIGURED, *COMMAND) if os.path.isdir("/etc/sockeye") else COMMAND
        self.process = subprocess.Popen(words, cwd=clone, text=True, env=harness.clean_environment(),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, start_new_session=True)
        self.observing = threading.Event()
        self.tables = []
        self._readers = [threading.Thread(target=work) for work in (self._table, self._log)]
        for reader in self._readers:
            reader.start()

    def _table(self):
        for line in self.process.stdout:
            self.tables.append(line)

    def _log(self):
        for line in self.process.stderr:
            print(line, end="", file=sys.stderr, flush=True)
            if harness.OBSERVING in line:
                self.observing.set()

    def wait_until_observing(self):
        end = time.monotonic() + BUILD_SECONDS
        while not self.observing.wait(0.1):
            if self.process.poll() is not None:
                sys.exit(f"{' '.join(COMMAND)}: exit {self.process.returncode}: see above")
            if time.monotonic() > end:
                sys.exit(f"{' '.join(COMMAND)}: does not observe after {BUILD_SECONDS} s")

    def stop(self):
        """Ctrl-C; returns all tables."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(STOP_SECONDS)
        self.end()
        if code != 0:
            sys.exit(f"{' '.join(COMMAND)}: exit {code} after Ctrl-C")
        return "".join(self.tables)

    def end(self):
        """With all that it started, a compiler perhaps."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for reader in self._readers:
            reader.join()


def active_ends(tables, port):
    """{direction: the most that a table shows as active on the port}"""
    ends = {}
    for direction, row_port, active in ROW.findall(tables):
        if int(row_port) == port:
            ends[direction] = max(ends.get(direction, 0), int(active))
    return ends


def main(clone):
    with Connection() as connection:
        command = FirstCommand(clone)
        try:
            command.wait_until_observing()
            time.sleep(RUN_SECONDS)
            tables = command.stop()
        finally:
            command.end()
    print(tables)
    ends = active_ends(tables, connection.port)
    if ends.get("incoming", 0) < 1 or ends.get("outgoing", 0) < 1:
        sys.exit(f"the connection on 127.0.0.1:{connection.port} is not in the table as active at "
                 f"both ends, only: {ends or 'at none'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
