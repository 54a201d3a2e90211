# SPDX-License-Identifier: Apache-2.0
"""Traffic between processes that are pinned to a CPU each; what it amounts to is known beforehand.

As a program it makes the traffic of a plan (JSON, its one argument: a list of Talk's fields), says
"listening", waits for a line, and says "done" when every process has ended well.
"""

import dataclasses
import json
import os
import socket
import sys
import traceback

# Requests that wait for their responses at once; the daemon follows 16.
IN_FLIGHT = 12
# Long, so that a ring is full after few records.
PATH = "/cpus/" + "x" * 140
REQUEST = f"GET {PATH} HTTP/1.1\r\nHost: test\r\n\r\n".encode()
END = b"\r\n\r\n"


def response(number):
    body = b"y" * (number * 37 % 2000)
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@dataclasses.dataclass(frozen=True)
class Talk:
    """One client and one server. `count` are the requests of the kinds keep_alive and pipelined
    (one connection), the connections of each (a request on each) and plain (no HTTP)."""

    kind: str
    port: int
    server_cpu: int
    client_cpu: int
    count: int

    KINDS = ("keep_alive", "pipelined", "each", "plain")

    @property
    def requests(self):
        return 0 if self.kind == "plain" else self.count

    @property
    def connections(self):
        return self.count if self.kind in ("each", "plain") else 1

    @property
    def to_server(self):
        """Bytes."""
        return sum(map(len, map(self._up, range(self.count))))

    @property
    def from_server(self):
        """Bytes."""
        return sum(map(len, map(self._down, range(self.count))))

    def _up(self, number):
        return bytes(1 + number * 53 % 3000) if self.kind == "plain" else REQUEST

    def _down(self, number):
        return bytes(1 + number * 71 % 3000) if self.kind == "plain" else response(number)

    # ---- the client ----

    def ask(self):
        os.sched_setaffinity(0, {self.client_cpu})
        if self.connections == 1:
            with self._connect() as connection:
                self._ask_over(connection)
            return
        for number in range(self.count):
            with self._connect() as connection:
                connection.sendall(self._up(number))
                if self.kind == "plain":
                    connection.shutdown(socket.SHUT_WR)
                _receive(connection, self._down(number))

    def _connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=120)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _ask_over(self, connection):
        depth = IN_FLIGHT if self.kind == "pipelined" else 1
        for number in range(self.count):
            if number >= depth:
                _receive(connection, self._down(number - depth))
            connection.sendall(self._up(number))
        for number in range(max(0, self.count - depth), self.count):
            _receive(connection, self._down(number))

    # ---- the server ----

    def serve(self, listener):
        os.sched_setaffinity(0, {self.server_cpu})
        number = 0
        for _ in range(self.connections):
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(120)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self.kind == "plain":
                    _receive(connection, self._up(number))
                    assert connection.recv(1) == b""
                    connection.sendall(self._down(number))
                    number += 1
                else:
                    number = self._answer(connection, number)

    def _answer(self, connection, number):
        """Until the client closes; returns the number of the next request."""
        kept = b""
        while part := connection.recv(65536):
            *whole, kept = (kept + part).split(END)
            for _ in whole:
                connection.sendall(self._down(number))
                number += 1
        assert kept == b""
        return number


def _receive(connection, wanted):
    """Exactly these bytes."""
    left = len(wanted)
    while left > 0:
        part = connection.recv(left)
        if not part:
            raise AssertionError(f"the stream ended {left} bytes early")
        left -= len(part)


def _fork(function, *arguments):
    child = os.fork()
    if child == 0:
        try:
            function(*arguments)
            os._exit(0)
        except BaseException:  # pylint: disable=broad-except
            traceback.print_exc()
            os._exit(1)
    return child


def main():
    talks = [Talk(**fields) for fields in json.loads(sys.argv[1])]
    children = []
    for talk in talks:
        with socket.create_server(("127.0.0.1", talk.port)) as listener:
            children.append(_fork(talk.serve, listener))
    print("listening", flush=True)
    sys.stdin.readline()
    children += [_fork(talk.ask) for talk in talks]
    codes = [os.waitpid(child, 0)[1] for child in children]
    print("done" if not any(codes) else f"ended with {codes}", flush=True)


if __name__ == "__main__":
    main()
