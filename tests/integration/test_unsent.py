# SPDX-License-Identifier: Apache-2.0
"""Connects that end before anything is sent: each counted once, as `local`, by whom and whereto."""

import contextlib
import errno
import socket
import unittest

from harness import Daemon, Namespace, console_of, free_port, listen, spawn_python

FAILED = "tcp.connections.failed"
CONSOLE = console_of("tcp.connections.*")
COUNT = 3
# What a routing table can say, and what connect() returns then.
ROUTES = {"unreachable": errno.EHOSTUNREACH, "prohibit": errno.EACCES, "blackhole": errno.EINVAL}
CLIENT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])))
except OSError:
    print("refused", flush=True)
"""


class Unsent(unittest.TestCase):
    """In namespaces whose routing tables refuse."""

    def attempt(self, address, expected, client):
        with self.assertRaises(OSError) as caught:
            client.connect(address)
        self.assertEqual(caught.exception.errno, expected)

    def attempts(self, namespace, host, port, expected):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        for _ in range(COUNT):
            with contextlib.closing(namespace.socket(family)) as client:
                self.attempt((host, port), expected, client)

    def test_routes(self):
        namespace, expected = Namespace(self), {}
        daemon = Daemon(self, console=CONSOLE)
        for number, (route, error) in enumerate(ROUTES.items(), 1):
            for prefix, host, kind in ((f"10.9.{number}.0/24", f"10.9.{number}.1", "-4"),
                                       (f"fd99:{number}::/64", f"fd99:{number}::1", "-6")):
                namespace.run("ip", kind, "route", "add", route, prefix)
                port = free_port()
                self.attempts(namespace, host, port, error)
                expected[port] = "ipv6" if ":" in host else "ipv4"
        for host in ("192.0.2.1", "::ffff:192.0.2.1"):
            no_route = free_port()
            self.attempts(namespace, host, no_route, errno.ENETUNREACH)
            expected[no_route] = "ipv4"
        self.assertEqual(daemon.stop(), 0)
        for port, family in expected.items():
            tags = {"port": port, "reason": "local", "direction": "outgoing", "family": family}
            self.assertEqual(daemon.total(FAILED, **tags), COUNT, tags)
            self.assertEqual(daemon.total(FAILED, port=port), COUNT)
            self.assertEqual(daemon.total("tcp.connections.opened", port=port), 0)

    def test_again_on_one_socket(self):
        """The last attempt succeeds; connected, it is none of these."""
        namespace, port = Namespace(self), free_port()
        with namespace.entered():
            listen(self, port)
        daemon = Daemon(self, console=CONSOLE)
        with contextlib.closing(namespace.socket()) as client:
            for _ in range(COUNT):
                self.attempt(("192.0.2.1", port), errno.ENETUNREACH, client)
            client.connect(("127.0.0.1", port))
            self.attempt(("192.0.2.1", port), errno.EISCONN, client)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(daemon.total(FAILED, port=port, reason="local"), COUNT)
        self.assertEqual(daemon.total(FAILED, port=port), COUNT)
        self.assertEqual(daemon.total("tcp.connections.opened", port=port, direction="outgoing"), 1)

    def test_who(self):
        """A program that ends at once is named all the same, and so is whom it tried."""
        namespace, port = Namespace(self), free_port()
        daemon = Daemon(self, "connections.remote=ip", console=CONSOLE)
        with namespace.entered():
            client = spawn_python(self, CLIENT, "192.0.2.7", port, service="seeker")
        client.wait(20)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(daemon.total(FAILED, port=port, service="seeker", remote="192.0.2.7",
                                      reason="local"), 1)


if __name__ == "__main__":
    unittest.main()
