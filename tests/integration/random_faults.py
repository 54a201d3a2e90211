# SPDX-License-Identifier: Apache-2.0
"""Conversations of any protocol over a bad wire. What is asked for tells what its answer is called,
so that an answer that is told of another question shows: whatever becomes of packets, a pair is
right, or it is in a named loss."""

import random
import socket
import threading
import time
import types

from bad_wire import BadWire

# A tenth of the packets is lost, another tenth overtaken; some come twice, and all of them late.
CHANCES = {"loss": 0.10, "twice": 0.05, "late": 0.10, "delay_ms": 0.5}
ENDS = ("incoming", "outgoing")


def class_wire(case):
    """A wire for all tests of a class."""
    return BadWire(types.SimpleNamespace(addCleanup=case.addClassCleanup))


class RandomFaults:
    """A test case that has `wire`, `port`, `start()` for the daemon, `open()` for a connection, and
    `ask(connection, questions, at_once)`, which returns when the answers are there. `ANSWERS` is
    {question: what the pair is called}, `told(end)` {what pairs are called: count} and `lost(end)`
    {reason: count}."""

    CONNECTIONS, ROUNDS, AT_ONCE = 5, 60, 3

    def connect_over_wire(self):
        connected = self.wire.left.socket()
        connected.settimeout(60)
        connected.connect((BadWire.RIGHT, self.port))
        self.connected.append(connected)
        return connected

    def _converse(self, connection, seed):
        noise = random.Random(seed)
        for number in range(self.ROUNDS):
            questions = noise.choices(list(self.ANSWERS), k=self.AT_ONCE)
            # One of the clients sends several before the answers: behind a gap it gives no proof.
            self.ask(connection, questions, seed == 0 and number % 2 == 1)
        self.finished.append(seed)

    def suffer(self):
        """All connections at once, to their end. Returns how many questions were asked."""
        self.start()
        self.connected, self.finished = [], []
        connections = [self.open() for _ in range(self.CONNECTIONS)]
        self.wire.chances(**CHANCES)
        threads = [threading.Thread(target=self._converse, args=(connection, seed), daemon=True)
                   for seed, connection in enumerate(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.wire.chances()
        for connected in self.connected:  # what waits for an answer never gets one
            connected.shutdown(socket.SHUT_RDWR)
        time.sleep(1)
        self.daemon.stop()
        self.assertEqual(sorted(self.finished), list(range(self.CONNECTIONS)))
        return self.CONNECTIONS * self.ROUNDS * self.AT_ONCE

    def wrong(self, told):
        """Pairs that nobody can have seen."""
        return set(told) - set(self.ANSWERS.values())

    def test_random_faults(self):
        asked = self.suffer()
        for end in ENDS:
            told, lost = self.told(end), self.lost(end)
            total = sum(told.values())
            print(f"{end}: {total} of {asked} told, lost {lost}")
            self.assertEqual(self.wrong(told), set())
            self.assertGreater(total, asked // 4)  # HTTP/2 loses most: its answers are long
            self.assertEqual(total + lost.get("request_alone", 0), asked)
