# SPDX-License-Identifier: Apache-2.0
"""Redis: every command is counted once at each end, under its name and its error, exactly as the
server counts them (INFO commandstats); what is not asked for, and what is not answered, shifts
nothing. The server is Debian's redis-server, the clients are redis-cli, redis-benchmark and a
socket of our own that measures by its own clock.
"""

import collections
import os
import re
import socket
import statistics
import time
import unittest

import harness
from bad_wire import BadWire
from conversation import Conversation
from harness import Daemon, clean_environment, command, need, spawn, wait_until
from random_faults import RandomFaults

CONSOLE = harness.console_of("db.*", "usm.lost", "sockeye.kernel.lost")
CLIENT, SERVER = "db.client.operation.duration", "db.server.operation.duration"
ENDS = {"outgoing": CLIENT, "incoming": SERVER}
# What the server counts, and nobody answers in its turn.
SILENT = {"subscribe", "psubscribe", "unsubscribe", "punsubscribe"}


def words(*texts):
    """A command as clients send it."""
    texts = [text if isinstance(text, bytes) else str(text).encode() for text in texts]
    return b"*%d\r\n" % len(texts) + b"".join(b"$%d\r\n%s\r\n" % (len(text), text)
                                              for text in texts)


class Connection:
    """A client of our own: what it sends, and the answers, read to their end."""

    def __init__(self, test, connected):
        self.socket = connected
        test.addCleanup(self.socket.close)
        self.file = self.socket.makefile("rb")
        test.addCleanup(self.file.close)
        self.seconds = []

    def read(self):
        """The next message: its first line, or a list."""
        line = self.file.readline()
        if line[:1] in b"*>~%|":
            count = int(line[1:]) * (2 if line[:1] in b"%|" else 1)
            return [self.read() for _ in range(count)]
        if line[:1] in b"$=!" and line != b"$-1\r\n":
            return line[:1] + self.file.read(int(line[1:]) + 2)[:-2]
        return line.rstrip(b"\r\n")

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, *texts):
        begin = time.monotonic()
        self.send(words(*texts))
        answer = self.read()
        self.seconds.append(time.monotonic() - begin)
        return answer

    def close(self):
        self.file.close()
        self.socket.close()


class Case(unittest.TestCase):
    """A server of its own for each test, and what both ends have seen of its port."""

    maxDiff = None
    ADDRESS = "127.0.0.1"
    RUNNER = ()  # of the server

    def setUp(self):
        need("redis-server", "redis-cli", "redis-benchmark")
        self.port = harness.free_port()
        self.folder = harness.temporary_folder(self)
        with open(os.path.join(self.folder, "log"), "w", encoding="utf-8") as log:
            spawn(self, *self.RUNNER, "redis-server", "--port", str(self.port), "--bind",
                  self.ADDRESS, "--unixsocket", f"{self.folder}/socket", "--protected-mode", "no",
                  "--save", "", "--dir", self.folder, stdout=log,
                  env=clean_environment(DD_SERVICE=f"redis-{self.port}"))
        wait_until(lambda: self.cli("ping", check=False) == "PONG\n", 30, "redis-server")

    def start(self):
        self.daemon = Daemon(self, "protocols.redis=true", console=CONSOLE, interval="1h")

    def cli(self, *texts, **options):
        return command("redis-cli", "-p", str(self.port), *texts, **options).stdout

    def own(self):
        return Connection(self, socket.create_connection(("127.0.0.1", self.port), 30))

    def counted(self):
        """({command: count}, {error: count}) of the server, by the names that we have."""
        text = self.cli("info", "everything")
        calls = collections.Counter({"INFO": 1})
        for name, done, refused in re.findall(
                r"cmdstat_(\S+):calls=(\d+),.*rejected_calls=(\d+)", text):
            if name not in SILENT:
                calls[name.upper().replace("|", " ")] += int(done) + int(refused)
        errors = {name: int(count)
                  for name, count in re.findall(r"errorstat_(\S+):count=(\d+)", text)}
        return dict(calls), errors

    def seen(self, metric):
        """{(operation, error): count}"""
        seen = collections.Counter()
        for tags, (_, count, _) in self.daemon.series(metric, port=self.port):
            self.assertEqual(tags["db_system"], "redis")
            seen[tags["operation"], tags.get("status", tags.get("error_type", ""))] += count
        return dict(seen)

    def lost(self, direction):
        return self.daemon.unpaired(port=self.port, direction=direction)

    def assert_seen(self, expected, lost=None):
        self.daemon.stop()
        for direction, metric in ENDS.items():
            with self.subTest(end=direction):
                self.assertEqual(self.seen(metric), expected)
                self.assertEqual(self.lost(direction), lost or {})

    def assert_counted(self, lost=None, invented=()):
        """What both ends have seen is what the server has counted since its statistics began; of
        errors, names that scripts have `invented` have none."""
        calls, errors = self.counted()
        errors["ERR"] -= 1  # in the midst of EXEC's answer
        others = sum(errors.pop(name) for name in invented)
        self.daemon.stop()
        for direction, metric in ENDS.items():
            with self.subTest(end=direction):
                seen = self.seen(metric)
                by_name, by_error = collections.Counter(), collections.Counter()
                for (operation, error), count in seen.items():
                    by_name[operation] += count
                    by_error[error] += count
                del by_error[""]
                # redis-benchmark goes while the last commands of some connections are under way.
                print(f"{by_error.pop('cancelled', 0)} were left without an answer")
                self.assertEqual(by_error.pop("_OTHER", 0), others)
                self.assertEqual(dict(by_error), errors)
                # The server does not know them either.
                self.assertEqual(by_name.pop("_OTHER", 0), self.unknown)
                self.assertEqual(dict(by_name), {name: n for name, n in calls.items() if n})
                self.assertEqual(self.lost(direction), lost or {})


class Exact(Case):
    """Counts, names and errors against the server's own."""

    unknown = 3  # commands that no server knows

    def test_against_the_server(self):
        self.start()
        own = self.own()
        self.assertEqual(own.ask("CONFIG", "RESETSTAT"), b"+OK")
        self.errors(own)
        self.transactions(own)
        self.values(own)
        self.lines(own)
        self.resp3()
        self.cli("-r", "20", "incr", "n")
        for depth, tests in ((1, "ping_mbulk,set,lpush"), (16, "get,set,mset,lrange_100")):
            command("redis-benchmark", "-p", str(self.port), "-q", "-n", "3000", "-c", "20", "-P",
                    str(depth), "-d", "100", "-t", tests)
        self.assert_counted(invented=("MYERR",))

    def errors(self, own):
        own.ask("SET", "text", "a")
        own.ask("LPUSH", "list", *range(300))
        for texts, error in (
                (("INCR", "list"), b"-WRONGTYPE"), (("LPUSH", "text", 1), b"-WRONGTYPE"),
                (("INCR", "text"), b"-ERR"), (("GET",), b"-ERR"), (("NOSUCH", "secret"), b"-ERR"),
                (("no such\r\ncommand", "x"), b"-ERR"), (("X" * 1000, "x"), b"-ERR"),
                (("EVALSHA", "f" * 40, 0), b"-NOSCRIPT"), (("AUTH", "user", "x"), b"-WRONGPASS"),
                (("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"), b"-NOGROUP"),
                (("EVAL", "return redis.error_reply('MYERR made up')", 0), b"-MYERR"),
                (("CLIENT", "SETNAME", "a b"), b"-ERR"), (("CONFIG", "SET", "nosuch", 1), b"-ERR")):
            answer = own.ask(*texts)
            self.assertTrue(answer.startswith(error), answer)

    def transactions(self, own):
        own.send(words("MULTI") + words("GET", "text") + words("INCR", "text") + words("EXEC")
                 + words("MULTI") + words("GET") + words("EXEC"))
        answers = [own.read() for _ in range(7)]
        self.assertEqual(answers[1:3], [b"+QUEUED"] * 2)
        self.assertTrue(answers[6].startswith(b"-EXECABORT"))

    def values(self, own):
        """What looks like messages, and what no segment holds."""
        for value in (b"", b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n-ERR x\r\n" * 1000, b"x" * 3000000):
            self.assertEqual(own.ask("SET", "big", value), b"+OK")
            self.assertEqual(own.ask("GET", "big"), b"$" + value)
        self.assertEqual(len(own.ask("LRANGE", "list", 0, -1)), 300)
        own.ask("RPUSH", "long", *range(20000))
        self.assertEqual(len(own.ask("LRANGE", "long", 0, -1)), 20000)
        self.assertEqual(len(own.ask("EVAL", "return {1, {2, {3, {}, {'x'}}}, {}}", 0)), 3)
        for piece in words("SET", "pieces", "in pieces"):
            own.send(bytes([piece]))
        self.assertEqual(own.read(), b"+OK")

    def lines(self, own):
        own.send(b"get text\r\nconfig get save\r\n\r\nping\n")
        self.assertEqual(own.read(), b"$a")
        self.assertEqual(len(own.read()), 2)
        self.assertEqual(own.read(), b"+PONG")

    def resp3(self):
        own = self.own()
        own.ask("HELLO", 3)
        own.ask("CLIENT", "TRACKING", "ON")
        own.ask("HSET", "hash", "a", 1, "b", 2)
        for i in range(20):
            # A push comes between the answers.
            own.send(words("GET", "text") + words("SET", "text", i) + words("HGETALL", "hash"))
            while (answer := own.read()) != [b"$a", b"$1", b"$b", b"$2"]:
                self.assertNotEqual(answer, b"")
        own.close()


class Unasked(Case):
    """What comes unasked, and what is not answered."""

    def test_messages_and_silence(self):
        self.start()
        subscriber, monitor = (self.own() for _ in range(2))
        own = self.own()
        # Only what begins as Redis does is recognised: so begins each of them.
        for one in (subscriber, monitor, own):
            one.ask("PING")
        subscriber.send(words("SUBSCRIBE", "a", "b") + words("PSUBSCRIBE", "*"))
        self.assertEqual([len(subscriber.read()) for _ in range(3)], [3] * 3)
        self.assertEqual(monitor.ask("MONITOR"), b"+OK")
        for i in range(50):
            self.assertEqual(own.ask("PUBLISH", "a", f"{i} " + "x" * 3000), b":2")
        for i in range(50):
            self.assertEqual(subscriber.read()[0], b"$message")
            self.assertEqual(subscriber.read()[0], b"$pmessage")
        for i in range(5):
            self.assertEqual(subscriber.ask("PING")[0], b"$pong")
        subscriber.send(words("UNSUBSCRIBE") + words("PUNSUBSCRIBE"))
        for _ in range(3):
            subscriber.read()
        self.assertEqual(subscriber.ask("GET", "none"), b"$-1")
        own.send(words("CLIENT", "REPLY", "OFF") + words("SET", "k", 1) * 10)
        self.assertEqual(own.ask("CLIENT", "REPLY", "ON"), b"+OK")
        own.send(words("CLIENT", "REPLY", "SKIP") + words("INCR", "k"))
        self.assertEqual(own.ask("GET", "k"), b"$2")
        # More than are remembered.
        own.send(words("STRLEN", "k") * 100)
        self.assertEqual([own.read() for _ in range(100)], [b":1"] * 100)
        self.assertEqual(own.ask("EXISTS", "k"), b":1")
        self.assert_seen({
            ("PING", ""): 3 + 5, ("MONITOR", ""): 1, ("PUBLISH", ""): 50, ("GET", ""): 2,
            ("CLIENT REPLY", ""): 1, ("STRLEN", ""): 16, ("EXISTS", ""): 1,
        }, {"request_alone": 2 + 2 + 11 + 2, "pipeline_full": 84})


class ByHand(unittest.TestCase):
    """Both ends in the test's hands: every kernel's programs take them apart in the same way."""

    seen, lost = Case.seen, Case.lost

    def test_pieces_bursts_and_values(self):
        self.daemon = Daemon(self, "protocols.redis=true", console=CONSOLE, interval="1h")
        talk = Conversation(self)
        self.port = talk.port
        asked, answered = words("GET", "key") + words("CLIENT", "ID"), b"$-1\r\n:7\r\n"
        talk.exchange(asked, answered)  # it is recognised by four bytes and more
        for place in range(1, len(asked)):
            talk.client_sends(asked[:place], asked[place:])
            place = min(place, len(answered) - 1)
            talk.server_sends(answered[:place], answered[place:])
        pairs = len(asked)
        # As many as are remembered, in one segment.
        talk.exchange(words("SET", "a", 1) * 7 + words("INCR", "a") + words("SET", "a", 2) * 8,
                      b"+OK\r\n" * 7 + b"-WRONGTYPE x\r\n" + b"+OK\r\n" * 8)
        value = b"$3\r\n+OK\r\n*1\r\n" * 20000
        talk.exchange(words("MSET", *[value] * 3), b"+OK\r\n")
        talk.exchange(words("LRANGE", "a", 0, -1),
                      b"*20002\r\n$%d\r\n%s\r\n" % (len(value), value) + b":1\r\n" * 20000
                      + b"*1\r\n*0\r\n")
        talk.exchange(words("GET", "a"), b"|1\r\n+ttl\r\n:3\r\n>2\r\n+x\r\n$-1\r\n$1\r\na\r\n")
        talk.exchange(b"*0\r\nping\r\n" + words("X" * 300, "secret"), b"+PONG\r\n-ERR x\r\n")
        talk.close()
        self.daemon.stop()
        expected = {
            ("GET", ""): pairs + 1, ("CLIENT ID", ""): pairs, ("SET", ""): 15,
            ("INCR", "WRONGTYPE"): 1, ("MSET", ""): 1, ("LRANGE", ""): 1, ("PING", ""): 1,
            ("_OTHER", "ERR"): 1,
        }
        for direction, metric in ENDS.items():
            with self.subTest(end=direction):
                self.assertEqual(self.seen(metric), expected)
                self.assertEqual(self.lost(direction), {})


class Late(Case):
    """Connections that are older than the daemon; and how long it takes, by the client's clock."""

    def test_joined_late(self):
        clients = [self.own() for _ in range(10)]
        for client in clients:
            client.ask("SET", "k", "v")
        subscriber = clients.pop()
        subscriber.send(words("SUBSCRIBE", "a"))
        subscriber.read()
        self.start()
        for _ in range(20):
            for client in clients:
                self.assertEqual(client.ask("GET", "k"), b"$v")
                self.assertEqual(client.ask("MGET", "k", "none"), [b"$v", b"$-1"])
        self.assertEqual(clients[0].ask("PUBLISH", "a", "x"), b":1")
        self.assertEqual(subscriber.read()[0], b"$message")
        self.daemon.stop()
        expected = {("GET", ""): 180, ("MGET", ""): 180, ("PUBLISH", ""): 1}
        for metric in ENDS.values():
            self.assertEqual(self.seen(metric), expected)

    # (command, how often, how long the server takes at least)
    WAITS = ((("BLPOP", "none", 0.2), 11, 0.2), (("GET", "none"), 301, 0))

    def median(self, metric, operation):
        """What is told of a command: there is one interval only."""
        return self.daemon.last_point(metric, port=self.port, operation=operation)["p50"]

    def test_latency(self):
        self.start()
        own = self.own()
        own.ask("PING")
        medians = {}
        for texts, count, _ in self.WAITS:
            own.seconds.clear()
            for _ in range(count):
                own.ask(*texts)
            medians[texts[0]] = statistics.median(own.seconds)
        self.daemon.stop()
        for (operation, _, *_), _, least in self.WAITS:
            mine = medians[operation]
            seen, served = self.median(CLIENT, operation), self.median(SERVER, operation)
            print(f"{operation}: {mine * 1e6:.0f} us by the client, {seen * 1e6:.0f} us by its "
                  f"socket, {served * 1e6:.0f} us by the server's")
            harness.assert_waited(self, seen, least, mine)
            harness.assert_waited(self, served, least, seen)


class Wire(RandomFaults, Case):
    """Each command fails in its own way: the name is of what was asked, the error of the
    answer."""

    ADDRESS = BadWire.RIGHT
    ANSWERS = {("LPUSH", "text", "x"): ("LPUSH", "WRONGTYPE"),
               ("EVALSHA", "0" * 40, "0"): ("EVALSHA", "NOSCRIPT"),
               ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"): ("XREADGROUP", "NOGROUP"),
               ("INCR", "text"): ("INCR", "ERR"), ("GET", "text"): ("GET", "")}

    def setUp(self):
        self.wire = BadWire(self)
        self.RUNNER = ("ip", "netns", "exec", self.wire.right.name)
        super().setUp()
        self.cli("set", "text", "a word")

    def cli(self, *texts, **options):
        return command("redis-cli", "-s", f"{self.folder}/socket", *texts, **options).stdout

    def open(self):
        return Connection(self, self.connect_over_wire())

    def ask(self, connection, questions, at_once):
        for some in [questions] if at_once else [[question] for question in questions]:
            connection.send(b"".join(words(*question) for question in some))
            for question in some:
                assert (connection.read()[:1] == b"-") == bool(self.ANSWERS[question][1])

    def told(self, end):
        return self.seen(ENDS[end])


if __name__ == "__main__":
    unittest.main()
