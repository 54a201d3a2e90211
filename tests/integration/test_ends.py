# SPDX-License-Identifier: Apache-2.0
"""The ends of connections: whose they are then, and what is active afterwards."""

import socket
import unittest

import harness
from harness import Daemon, Peer, free_port
from test_connections import CLOSED, FAILED, active, wait_for_active


class Ends(unittest.TestCase):

    COUNT = 3

    def connected(self, name):
        """(port, server, client) of connections between two processes."""
        port = free_port()
        server, client = Peer(self, f"{name}-server"), Peer(self, f"{name}-client")
        server.listen("127.0.0.1", port)
        client.connect("127.0.0.1", port, self.COUNT)
        server.accept(self.COUNT)
        return port, server, client

    def end_some(self):
        """The port of connections that have ended just now."""
        port = free_port()
        listener = harness.listen(self, port)
        for _ in range(self.COUNT):
            socket.create_connection(("127.0.0.1", port)).close()
            listener.accept()[0].close()
        harness.wait_until(lambda: not harness.command(
            "ss", "-Htn", "state", "connected", "exclude", "time-wait",
            f"( sport = :{port} or dport = :{port} )").stdout, 20, "ends of connections", step=0)
        return port

    def test_owners_and_what_is_active(self):
        """A reset takes a server's sockets away while the client's process is running. The last
        interval counts afresh what is active, and one each minute: it is looked at before."""
        daemon = Daemon(self, "protocols.http=false")
        closed, server, client = self.connected("closing")
        reset, _, aborting = self.connected("reset")
        for port, service in ((closed, "closing-server"), (reset, "reset-server")):
            wait_for_active(daemon, self.COUNT, port=port, service=service)
        client.close()
        server.close()
        aborting.abort()
        for port in (closed, reset):
            daemon.wait_for_total(CLOSED, 2 * self.COUNT, port=port)
        daemon.wait_for_snapshots(1)
        for port in (closed, reset):
            self.assertEqual(active(daemon, port=port), 0)
        last = self.end_some()
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(daemon.total(CLOSED, port=last), 2 * self.COUNT)
        for direction, service in (("incoming", "reset-server"), ("outgoing", "reset-client")):
            tags = {"port": reset, "direction": direction}
            self.assertEqual(daemon.values(CLOSED, "service", **tags), [service])
        self.assertEqual(daemon.total(FAILED, port=reset, reason="reset", service="reset-server"),
                         self.COUNT)


if __name__ == "__main__":
    unittest.main(verbosity=2)
