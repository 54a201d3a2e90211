# SPDX-License-Identifier: Apache-2.0
"""A host on which strangers choose as much as they can: ports, processes, paths.

Each kind has a thread of its own until stop(): listeners on ports of the kernel's choice and on
numbers of their own, short processes that each name another service, and paths that nobody has
asked for before, answered with every status.
"""

import os
import random
import socket
import subprocess
import threading
import time

import harness

STATUSES = (200, 200, 301, 403, 404, 404, 404, 500)

# Per second; what a machine of two cores bears beside a test.
PORTS, PROCESSES, PATHS = 40, 20, 400


def word(length):
    """One that can be spoken: nothing that reads as a key."""
    return "".join(random.choice("aeiou" if i % 2 else "bdfghklmnprstvw") for i in range(length))


class PathServer:
    """Answers on one port, over any number of connections, with the status that X-Status asks."""

    def __init__(self, test, port):
        self.listener = harness.listen(test, port)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    @staticmethod
    def _answer(connection):
        with connection:
            while request := connection.recv(65536):
                status = request.partition(b"X-Status: ")[2][:3].decode() or "200"
                connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nok".encode())


class Asker:
    """A keep-alive connection to a PathServer."""

    def __init__(self, port):
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=60)

    def ask(self, path, status=200):
        self.connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Status: {status}\r\n\r\n".encode())
        if not self.connection.recv(65536):
            raise AssertionError(f"{path}: no answer")

    def close(self):
        self.connection.close()


def use_port(port):
    """A listener on this port (0: of the kernel's choice) and one connection that says a word."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as client:
            server, _ = listener.accept()
            with server:
                client.sendall(b"word")
                server.sendall(server.recv(16))
                client.recv(16)
    return address[1]


def short_process(service, port):
    """A program that makes one connection, as the service that it says it is."""
    return subprocess.Popen(
        ("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"), env={"DD_SERVICE": service,
                                                                   "PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Churn:
    """Runs from the constructor to stop(), which returns how many of each kind there were."""

    def __init__(self, test, port):
        self.port = port  # of a PathServer
        self.counts = {"ports": 0, "processes": 0, "paths": 0}
        self.failures = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=(each, rate), daemon=True)
                         for each, rate in ((self._use_port, PORTS),
                                            (self._run_process, PROCESSES),
                                            (self._ask_path, PATHS))]
        self._asker = Asker(port)
        test.addCleanup(self.stop)
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._asker.close()
        return self.counts

    def _repeat(self, each, rate):
        while not self._ended.is_set():
            begin = time.monotonic()
            try:
                for _ in range(max(1, rate // 10)):
                    each()
            except (OSError, AssertionError) as error:
                self.failures.append(f"{each.__name__}: {error}")
            self._ended.wait(max(0.0, begin + max(1, rate // 10) / rate - time.monotonic()))

    def _use_port(self):
        self.counts["ports"] += 1
        use_port(harness.free_port() if self.counts["ports"] % 4 == 0 else 0)

    def _run_process(self):
        self.counts["processes"] += 1
        short_process(f"job-{word(8)}", self.port).wait()

    def _ask_path(self):
        self.counts["paths"] += 1
        self._asker.ask(f"/{word(7)}/{word(5)}", random.choice(STATUSES))
