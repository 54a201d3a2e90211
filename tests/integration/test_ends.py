# SPDX-License-Identifier: Apache-2.0
"""The ends of connections: whose they are then, and what is active afterwards."""

import unittest

from harness import Daemon, Peer, free_port
from test_connections import CLOSED, FAILED, active, wait_for_active


class Ends(unittest.TestCase):

    COUNT = 3

    def setUp(self):
        self.daemon = Daemon(self, "protocols.http=false")
        self.port = free_port()
        self.server, self.client = Peer(self, "ending-server"), Peer(self, "ending-client")
        self.server.listen("127.0.0.1", self.port)
        self.client.connect("127.0.0.1", self.port, self.COUNT)
        self.server.accept(self.COUNT)

    def test_active_is_right_before_anything_is_counted_afresh(self):
        """The last interval counts afresh, and one each minute: the gauge is looked at before."""
        wait_for_active(self.daemon, 2 * self.COUNT, port=self.port)
        self.client.close()
        self.server.close()
        self.daemon.wait_for_total(CLOSED, 2 * self.COUNT, port=self.port)
        self.daemon.wait_for_snapshots(1)
        self.assertEqual(active(self.daemon, port=self.port), 0)
        self.assertEqual(self.daemon.stop(), 0)

    def test_what_others_end_stays_with_its_owner(self):
        """A reset takes the server's sockets away while the client's process is running."""
        wait_for_active(self.daemon, self.COUNT, port=self.port, service="ending-server")
        self.client.abort()
        self.daemon.wait_for_total(CLOSED, 2 * self.COUNT, port=self.port)
        self.assertEqual(self.daemon.stop(), 0)
        for direction, service in (("incoming", "ending-server"), ("outgoing", "ending-client")):
            tags = {"port": self.port, "direction": direction}
            self.assertEqual(self.daemon.values(CLOSED, "service", **tags), [service])
        self.assertEqual(self.daemon.total(FAILED, port=self.port, reason="reset",
                                           service="ending-server"), self.COUNT)


if __name__ == "__main__":
    unittest.main(verbosity=2)
