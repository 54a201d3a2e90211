# SPDX-License-Identifier: Apache-2.0
"""GET /connections: single connections for whoever watches, who takes nothing from anybody."""

import collections
import json
import os
import resource
import socket
import threading
import time
import unittest

import jsonschema

import harness
from harness import Daemon, free_port, listen, temporary_folder, transfer, wait_until
from test_control import SCHEMAS, Connection
from test_lifecycle import held_ids

CONNECTIONS = 2000
AT_ONCE = 4
REQUEST, RESPONSE = 100, 300

# Between connections of one thread, so that there is time to look at them.
PAUSE_SECONDS = 0.003

# A client that asks every so often, prints each answer before it acknowledges it, and is killed.
CLIENT = """
import http.client, json, socket, sys, time
path, client, pause = sys.argv[1], sys.argv[2], float(sys.argv[3])
target = f"/connections?client={client}"
while True:
    link = http.client.HTTPConnection("sockeye")
    link.sock = socket.socket(socket.AF_UNIX)
    link.sock.connect(path)
    link.request("GET", target)
    answer = json.loads(link.getresponse().read())
    print(json.dumps(answer), flush=True)
    target = f"/connections?client={client}&after={answer['number']}"
    time.sleep(pause)
"""


class Watcher:
    """A client that acknowledges all that it has got."""

    def __init__(self, path, client):
        self._path = path
        self._client = client
        self._number = None
        self.schema = json.loads((SCHEMAS / "connections.json").read_text(encoding="utf-8"))
        self.lost = 0
        self.ends = collections.Counter()

    def request(self):
        """(status, body); nothing of it is acknowledged."""
        after = "" if self._number is None else f"&after={self._number}"
        connection = Connection(self._path)
        connection.request("GET", f"/connections?client={self._client}{after}")
        answer = connection.getresponse()
        status, body = answer.status, answer.read().decode()
        connection.close()
        return status, body

    def look(self):
        """An answer, as its schema says; the next one acknowledges it."""
        status, body = self.request()
        if status != 200:
            raise AssertionError(f"{status}: {body}")
        answer = json.loads(body)
        if self._number is not None and answer["number"] != self._number + 1:
            raise AssertionError(f"answer {answer['number']} follows {self._number}")
        self.take(answer)
        return answer

    def take(self, answer):
        jsonschema.validate(answer, self.schema, cls=jsonschema.Draft7Validator)
        self._number = answer["number"]
        self.lost += answer["lost"]
        self.ends.update((row["id"], row["port"]) for row in answer["connections"]
                         if row["state"] == "closed")

    def ends_of(self, ports):
        """{id: how often it was told that this connection ended}."""
        return {end: times for (end, port), times in self.ends.items() if port in map(str, ports)}

    def look_until_all(self):
        """Answers until nothing of those that ended is cut off."""
        answer = self.look()
        while answer["truncated"]:
            answer = self.look()


def of_port(answer, port, state, direction):
    """The rows of connections to a port of this test."""
    return [row for row in answer["connections"]
            if (row["port"], row["state"], row["direction"]) == (str(port), state, direction)]


class View(unittest.TestCase):

    def setUp(self):
        self.path = os.path.join(temporary_folder(self), "control.sock")

    def start(self, **options):
        return Daemon(self, f"control.socket={self.path}", "protocols.http=false", **options)

    def connect(self, port, host="127.0.0.1"):
        """Both ends of a connection to a new listener."""
        listener = listen(self, port, host)
        client = socket.create_connection((host, port))
        server, _ = listener.accept()
        for end in (client, server):
            self.addCleanup(end.close)
        return client, server

    def one(self, answer, port, state, direction):
        rows = of_port(answer, port, state, direction)
        self.assertEqual(len(rows), 1, answer)
        return rows[0]


class Rows(View):

    def test_totals_are_what_was_sent(self):
        port, port6 = free_port(), free_port()
        self.start()
        watcher = Watcher(self.path, "one")
        begin = time.monotonic()
        client, server = self.connect(port)
        transfer(client, server, 5000)
        first = watcher.look()
        self.assertEqual((first["number"], first["elapsed_s"]), (1, 0))
        transfer(client, server, 70_000)
        transfer(server, client, 30)
        client6, _ = self.connect(port6, "::1")
        answer = watcher.look()
        self.assertGreater(answer["elapsed_s"], 0)
        outgoing = self.one(answer, port, "open", "outgoing")
        incoming = self.one(answer, port, "open", "incoming")
        for row, sent, received in ((outgoing, (75_000, 70_000), (30, 30)),
                                    (incoming, (30, 30), (75_000, 70_000))):
            self.assertEqual((row["sent_bytes"], row["sent_bytes_change"]), sent)
            self.assertEqual((row["received_bytes"], row["received_bytes_change"]), received)
        self.assertEqual(outgoing["local"], incoming["remote"])
        self.assertEqual((outgoing["local"], outgoing["remote"]),
                         (f"127.0.0.1:{client.getsockname()[1]}", f"127.0.0.1:{port}"))
        self.assertTrue(outgoing["process"].startswith("python3"), outgoing)
        self.assertEqual(outgoing["netns"], os.stat("/proc/self/ns/net").st_ino)
        self.assertGreater(outgoing["rtt_s"], 0)
        self.assertLess(0, outgoing["age_s"])
        self.assertLessEqual(outgoing["age_s"], time.monotonic() - begin)
        row6 = self.one(answer, port6, "open", "outgoing")
        self.assertEqual((row6["family"], row6["local"]),
                         ("ipv6", f"[::1]:{client6.getsockname()[1]}"))
        # The last bytes are told with the end, also to whoever lost an answer.
        transfer(client, server, 11)
        client.close()
        server.close()
        for _ in range(2):
            _, body = watcher.request()
        answer = json.loads(body)
        closed = self.one(answer, port, "closed", "outgoing")
        self.assertEqual((closed["id"], closed["sent_bytes"], closed["sent_bytes_change"]),
                         (outgoing["id"], 75_011, 11))
        self.one(answer, port, "closed", "incoming")
        watcher.take(answer)
        self.assertEqual([row for row in watcher.look()["connections"] if row["port"] == str(port)],
                         [])

    def test_requests_that_are_none(self):
        self.start()
        for target in ("", "?client=", "?client=a%2Fb", "?client=" + "a" * 33, "?client=a&after=-1",
                       "?client=a&after=x"):
            connection = Connection(self.path)
            connection.request("GET", f"/connections{target}")
            self.assertEqual(connection.getresponse().status, 400, target)
            connection.close()
        for number in range(8):
            Watcher(self.path, f"client-{number}").look()
        status, body = Watcher(self.path, "one-more").request()
        self.assertEqual(status, 503)
        self.assertIn("8 clients watch already", body)
        Watcher(self.path, "client-3").look()


class Beside(View):
    """Two clients, one of which dies, and exporters."""

    def churn(self, port, count):
        """Connections one after the other, each with a request and a response."""
        listener = listen(self, port)

        def serve():
            for _ in range(count):
                server, _ = listener.accept()
                harness.receive_exactly(server, REQUEST)
                server.sendall(bytes(RESPONSE))
                server.close()

        server = threading.Thread(target=serve)
        server.start()
        for _ in range(count):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(bytes(REQUEST))
                harness.receive_all(client)
            time.sleep(PAUSE_SECONDS)
        server.join()

    def numbers(self, daemon, port):
        """What the exporter tells of a port, by direction."""
        tags = [{"port": port, "direction": way} for way in ("incoming", "outgoing")]
        return [daemon.total(metric, **tag) for tag in tags for metric in (
            "tcp.connections.opened", "tcp.connections.closed", "tcp.sent.bytes",
            "tcp.received.bytes")]

    def successor(self, printed):
        """Who goes on where a client was killed: it has what that one has printed whole."""
        watcher = Watcher(self.path, "dying")
        with open(printed, encoding="utf-8") as file:
            answers = [json.loads(line) for line in file if line.endswith("\n")]
        self.assertGreater(len(answers), 2)
        for answer in answers:
            watcher.take(answer)
        return watcher

    def test_clients_and_exporters_take_nothing_from_each_other(self):
        ports = [free_port() for _ in range(AT_ONCE)]
        daemon = self.start()
        before = held_ids(daemon.pid)
        fast, slow = Watcher(self.path, "fast"), Watcher(self.path, "slow")
        for watcher in (fast, slow):
            watcher.look()
        self.assertEqual(len({kind for kind, _ in held_ids(daemon.pid) - before}), 3)
        printed = os.path.join(os.path.dirname(self.path), "printed")
        with open(printed, "wb") as file:
            dying = harness.spawn_python(self, CLIENT, self.path, "dying", "0.02", stdout=file)
        wait_until(lambda: os.path.getsize(printed) > 0, 10, "the first answer of a client")
        threads = [threading.Thread(target=self.churn, args=(port, CONNECTIONS // AT_ONCE))
                   for port in ports]
        for thread in threads:
            thread.start()
        looks = 0
        while any(thread.is_alive() for thread in threads):
            fast.look()
            looks += 1
            if looks % 5 == 0:
                slow.look()
            if looks == 8:
                dying.kill()
            time.sleep(0.03)
        self.assertGreater(looks, 16, "the traffic was over too soon")
        for watcher in (fast, slow, self.successor(printed)):
            watcher.look_until_all()
            self.assertEqual(watcher.lost, 0)
            ends = watcher.ends_of(ports)
            self.assertEqual(len(ends), 2 * CONNECTIONS)  # both ends of each
            self.assertEqual(set(ends.values()), {1})
        each = CONNECTIONS // AT_ONCE
        incoming = [each, each, each * RESPONSE, each * REQUEST]
        outgoing = [each, each, each * REQUEST, each * RESPONSE]
        for port in ports:
            wait_until(lambda port=port: self.numbers(daemon, port) == incoming + outgoing, 10,
                       lambda port=port: f"{self.numbers(daemon, port)} is {incoming + outgoing}")
        self.assertEqual(daemon.losses(), {})
        self.assertEqual([name for name in daemon.values("bpf.attached", "program")
                          if name.startswith("row_")], [])


class Refused(View):

    def test_says_why_and_tries_again(self):
        """No descriptors are left to load programs with: one, for who asks."""
        daemon = self.start()
        watcher = Watcher(self.path, "one")
        before = held_ids(daemon.pid)
        limits = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        used = max(int(name) for name in os.listdir(f"/proc/{daemon.pid}/fd"))
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (used + 4, limits[1]))
        status, body = watcher.request()
        self.assertEqual(status, 503)
        self.assertIn("single connections cannot be shown: ", body)
        self.assertEqual(held_ids(daemon.pid), before)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)
        self.assertEqual(watcher.request(), (503, body))  # not tried again at once
        wait_until(lambda: watcher.request()[0] == 200, 10, "another attempt", step=0.2)


if __name__ == "__main__":
    unittest.main()
