# SPDX-License-Identifier: Apache-2.0
"""ARCHITECTURE.md's table of owners, row by row: who is named when a socket has gone through several
hands. (fork after connect, exec with a connection, closing what others used, MPTCP and used pids are
in test_owners.py, other pid namespaces in test_containers.py.)

Each row has a port of its own; one daemon sees them all, and is looked at when it has stopped.
"""

import os
import socket
import unittest

import harness
from harness import Daemon, command, free_port, read_word, spawn_python, tell, temporary_folder

HERE = os.path.dirname(os.path.abspath(__file__))
CONSOLE = harness.console_of("tcp.connections.closed", "tcp.sent.bytes", "udp.sent.bytes")
HOST = "127.0.0.1"

# Serves one connection of the listener that is its descriptor 0.
WORKER = """
import socket
listener = socket.socket(fileno=0)
print("ready", flush=True)
connection, _ = listener.accept()
connection.recv(100)
connection.sendall(b"answer")
connection.close()
"""
# Serves the connection that is its descriptor 0, as inetd's children do.
SERVANT = """
import socket
connection = socket.socket(fileno=0)
connection.recv(100)
connection.sendall(b"answer")
connection.close()
"""
# Has a port of its own among several, and serves one connection.
SHARER = """
import socket, sys
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()
print("ready", flush=True)
sys.stdin.readline()
listener.setblocking(False)
served = 0
while True:
    try:
        connection, _ = listener.accept()
    except BlockingIOError:
        break
    connection.setblocking(True)
    connection.recv(100)
    connection.sendall(b"answer")
    connection.close()
    served += 1
print(served, flush=True)
"""
# Gets a connection by a message.
RECEIVER = """
import array, socket
inbox = socket.socket(fileno=0)
print("ready", flush=True)
_, ancillary, _, _ = inbox.recvmsg(1, socket.CMSG_SPACE(4))
number = array.array("i")
number.frombytes(ancillary[0][2][:4])
connection = socket.socket(fileno=number[0])
connection.sendall(b"from another")
connection.close()
"""
# Threads call themselves anything.
RENAMED = """
import ctypes, socket, sys, threading
def work():
    ctypes.CDLL(None).prctl(15, b"not-a-service", 0, 0, 0)
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
        connection.sendall(b"by a thread")
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
# Sends by a socket that somebody else made.
SENDER = """
import socket, sys
socket.socket(fileno=0).sendto(b"heir", ("127.0.0.1", int(sys.argv[1])))
"""


class Table(unittest.TestCase):
    """Whoever uses a socket is named, from its first use on."""

    def listen(self, port):
        listener = socket.socket()
        self.addCleanup(listener.close)
        listener.bind((HOST, port))
        listener.listen()
        return listener

    def ask(self, port):
        """A question of the test's own, and its answer."""
        with socket.create_connection((HOST, port)) as client:
            client.sendall(b"question")
            while client.recv(100):
                pass

    def activated(self):
        """Socket activation, and prefork: another program called listen()."""
        port = free_port()
        with self.listen(port) as listener:
            worker = spawn_python(self, WORKER, service="activated", stdin=listener)
            read_word(worker, "ready")
            self.ask(port)
            worker.wait(20)
        return {(port, "incoming"): {"activated": 1}}

    def inetd(self):
        """Another program accepted, and gives the connection to a child."""
        port = free_port()
        with self.listen(port) as listener, socket.create_connection((HOST, port)) as client:
            connection, _ = listener.accept()
            client.sendall(b"question")
            servant = spawn_python(self, SERVANT, service="inetd-child", stdin=connection)
            connection.close()
            client.recv(100)
            servant.wait(20)
        return {(port, "incoming"): {"inetd-child": 1}}

    def sharing(self):
        """Three workers of one port, each with its own connections."""
        port, asked = free_port(), 12
        workers = {f"sharer-{letter}": spawn_python(self, SHARER, port, service=f"sharer-{letter}")
                   for letter in "abc"}
        for worker in workers.values():
            read_word(worker, "ready")
        clients = [socket.create_connection((HOST, port)) for _ in range(asked)]
        for client in clients:
            client.sendall(b"question")
        for worker in workers.values():
            tell(worker, "")
        served = {service: int(worker.stdout.readline()) for service, worker in workers.items()}
        for client in clients:
            client.close()
        self.assertEqual(sum(served.values()), asked)
        return {(port, "incoming"): {service: count for service, count in served.items() if count}}

    def handed_on(self):
        """A connection that comes in a message (SCM_RIGHTS)."""
        port = free_port()
        here, there = socket.socketpair()
        with self.listen(port) as listener, socket.create_connection((HOST, port)) as client:
            receiver = spawn_python(self, RECEIVER, service="receiver", stdin=there)
            read_word(receiver, "ready")
            connection, _ = listener.accept()
            socket.send_fds(here, [b"x"], [connection.fileno()])
            connection.close()
            client.recv(100)
            receiver.wait(20)
        here.close(), there.close()
        return {(port, "incoming"): {"receiver": 1}}

    def renamed(self):
        """The program's executable, whatever its threads call themselves."""
        port = free_port()
        with self.listen(port) as listener:
            harness.spawn_python(self, RENAMED, port).wait(20)
            listener.accept()[0].close()
        return {(port, "outgoing"): {os.path.basename(os.path.realpath(harness.PYTHON)): 1}}

    def by_uring(self):
        """Workers of the kernel's that belong to the program."""
        harness.need("gcc")
        port, folder = free_port(), temporary_folder(self)
        program = os.path.join(folder, "ringer")
        command("gcc", "-O1", "-Wall", "-Werror", os.path.join(HERE, "uring.c"), "-o", program)
        with self.listen(port) as listener:
            command(program, str(port))
            listener.accept()[0].close()
        return {(port, "outgoing"): {"ringer": 1}}

    def test_connections(self):
        daemon = Daemon(self, console=CONSOLE)
        truth = {}
        for row in (self.activated, self.inetd, self.sharing, self.handed_on, self.renamed,
                    self.by_uring):
            truth |= row()
        self.assertEqual(daemon.stop(), 0)
        for (port, direction), expected in truth.items():
            found = {own["service"]: entry[1] for own, entry in daemon.series(
                "tcp.connections.closed", port=port, direction=direction)}
            with self.subTest(expected):
                self.assertEqual(found, expected)

    def test_datagrams(self):
        """A socket of another's making, bound or not: who sends is named."""
        ports = free_port(), free_port()
        daemon = Daemon(self, console=CONSOLE)
        for port, address in zip(ports, (None, (HOST, 0))):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                if address:
                    udp.bind(address)
                spawn_python(self, SENDER, port, service="heir", stdin=udp).wait(20)
        self.assertEqual(daemon.stop(), 0)
        for port in ports:
            self.assertEqual({own["service"]: entry[1] for own, entry in
                              daemon.series("udp.sent.bytes", port=port, direction="outgoing")},
                             {"heir": 4})


if __name__ == "__main__":
    unittest.main()
