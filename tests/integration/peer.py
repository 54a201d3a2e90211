# SPDX-License-Identifier: Apache-2.0
"""One end of TCP connections, as a process of its own that is told what to do line by line.

Run by harness.Peer. Commands come on stdin; each is answered on stdout with "ok" and perhaps a
number, or with "error NAME" for an error of the system.
"""

import errno
import os
import socket
import struct
import sys

CHUNK = bytes(range(256)) * 256


class Peer:
    """The sockets of this process, in the order in which they came."""

    def __init__(self):
        self.listeners = []
        self.connections = []

    def listen(self, host, port):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(1024)
        self.listeners.append(listener)

    def accept(self, count):
        for _ in range(int(count)):
            self.connections.append(self.listeners[-1].accept()[0])

    def connect(self, host, port, count=1):
        for _ in range(int(count)):
            connection = socket.create_connection((host, int(port)), timeout=60)
            self.connections.append(connection)
            connection.settimeout(60)

    def adopt(self, descriptor):
        """Takes over a socket that was inherited from another process."""
        self.connections.append(socket.socket(fileno=int(descriptor)))

    def send(self, size):
        """So many bytes on every connection."""
        for connection in self.connections:
            left = int(size)
            while left > 0:
                left -= connection.send(CHUNK[:left])

    def receive(self, size):
        for connection in self.connections:
            left = int(size)
            while left > 0:
                part = connection.recv(min(left, 1 << 16))
                if not part:
                    raise EOFError("the stream ended")
                left -= len(part)

    def shutdown(self):
        for connection in self.connections:
            connection.shutdown(socket.SHUT_WR)

    def drain(self):
        """Until the peer's FIN, on every connection."""
        for connection in self.connections:
            while connection.recv(1 << 16):
                pass

    def close(self):
        while self.connections:
            self.connections.pop().close()

    def abort(self):
        """RST instead of FIN, on every connection."""
        for connection in self.connections:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def hand_over(self, service):
        """Gives all connections to a new process of another service, which then reads stdin."""
        words = [f"adopt {connection.detach()}" for connection in self.connections]
        self.connections = []
        descriptors = [int(word.split()[1]) for word in words]
        child = os.fork()
        if child == 0:
            for descriptor in descriptors:
                os.set_inheritable(descriptor, True)
            environment = {**os.environ, "DD_SERVICE": service}
            os.execve(sys.executable, [sys.executable, __file__, *words], environment)
        for descriptor in descriptors:
            os.close(descriptor)
        os.waitpid(child, 0)


def answer(peer, line):
    """Runs one command; True when it went well."""
    name, *arguments = line.split()
    try:
        getattr(peer, name)(*arguments)
    except OSError as error:
        print("error", errno.errorcode.get(error.errno, str(error)), flush=True)
        return False
    return True


def main():
    """Commands of the command line first, without an answer."""
    peer = Peer()
    for line in sys.argv[1:]:
        answer(peer, line)
    if len(sys.argv) > 1:
        print("ok", flush=True)
    # readline() and no iteration, which would read ahead of a process that takes over stdin.
    stdin = open(0, "rb", buffering=0, closefd=False)
    while line := stdin.readline().decode():
        if line.strip() and answer(peer, line):
            print("ok", flush=True)


if __name__ == "__main__":
    main()
