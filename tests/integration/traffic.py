# SPDX-License-Identifier: Apache-2.0
"""Traffic of the test's own, and what it amounts to: the truth that every receiver is held to."""

import contextlib
import random
import threading
import time

import harness
from conversation import Conversation, answer, post


def talk(test, rounds, port=None):
    """HTTP over one connection, closed afterwards; returns (port, bytes to, bytes from server)."""
    conversation = Conversation(test, port)
    sizes = random.Random(rounds)
    sent = [0, 0]
    for _ in range(rounds):
        request = post("/orders/7", b"x" * sizes.randint(0, 20_000))
        response = answer(201, b"y" * sizes.randint(0, 20_000))
        conversation.exchange(request, response)
        sent[0] += len(request)
        sent[1] += len(response)
    conversation.close()
    return conversation.port, sent[0], sent[1]


class Truth:
    """What the traffic of one service amounts to, by metric and tags as the daemon has them."""

    HTTP = {"method": "POST", "status": "201", "route": "/orders/*"}

    def __init__(self):
        self.connections = self.requests = self.to_server = self.from_server = 0
        self.port = harness.free_port()

    def alone(self, *others):
        """The daemon's setting that counts nothing but this service and the ports of @others: a
        server with a small buffer for datagrams loses them where the whole machine is told of."""
        ports = ", ".join(f"{{port: {port}}}" for port in (self.port, *others))
        return f"connections.include=[{ports}]"

    def add(self, test, rounds):
        _, to_server, from_server = talk(test, rounds, self.port)
        self.connections += 1
        self.requests += rounds
        self.to_server += to_server
        self.from_server += from_server

    @property
    def counters(self):
        """[(metric, tags, value)]"""
        incoming, outgoing = ({"direction": way, "port": self.port}
                              for way in ("incoming", "outgoing"))
        return [(metric, tags, value) for tags, sent, received in (
                    (incoming, self.from_server, self.to_server),
                    (outgoing, self.to_server, self.from_server))
                for metric, value in (("tcp.connections.opened", self.connections),
                                      ("tcp.connections.closed", self.connections),
                                      ("tcp.sent.bytes", sent), ("tcp.received.bytes", received))]

    @property
    def distributions(self):
        """[(metric, tags, count)]"""
        tags = {**self.HTTP, "port": self.port}
        return [("http.server.request.duration", tags, self.requests),
                ("http.client.request.duration", tags, self.requests),
                ("tcp.connection.duration", {"direction": "incoming", "port": self.port},
                 self.connections)]

    @property
    def metrics(self):
        """The names of what is known, sorted."""
        return sorted({metric for metric, *_ in self.counters + self.distributions})

    def difference(self, receiver):
        """[(metric, tags, value, what the receiver has)] of what is not equal."""
        counters = [(metric, tags, value, receiver.total(metric, **tags))
                    for metric, tags, value in self.counters]
        distributions = [(metric, tags, count, receiver.weight(metric, **tags))
                         for metric, tags, count in self.distributions]
        return [row for row in counters + distributions if row[2] != row[3]]

    @contextlib.contextmanager
    def live(self, test, rounds=20, pause=0.2):
        """Connections one after the other, all the time."""
        ended, errors = threading.Event(), []

        def talk_on():
            try:
                while not ended.is_set():
                    self.add(test, rounds)
                    time.sleep(pause)
            except Exception as error:  # pylint: disable=broad-except
                errors.append(error)
        thread = threading.Thread(target=talk_on, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            ended.set()
            thread.join()
        test.assertEqual(errors, [])
