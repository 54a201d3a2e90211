# SPDX-License-Identifier: Apache-2.0
"""What a request costs the kernel programs, in instructions of the processor.

The clock of this guest goes on by a nanosecond with each instruction (QEMU, `-icount shift=0`), so
the kernel's statistics of programs (`kernel.bpf_stats_enabled`) count instructions: of the
programs, and of the kernel's functions that they call. The same programs give the same figures on
every machine, however busy it is, but for the ticks that fall into them (less than a hundredth);
what caches and mispredicted branches cost is not in them.

Both ends of a connection are the test's, say what a real client and server say, and are counted.
"""

import collections.abc
import dataclasses
import socket
import struct
import unittest

import harness
from http2_peer import (ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS,
                        frame)

HTTP_REQUEST = b"GET /page HTTP/1.1\r\nHost: 127.0.0.1:18080\r\n\r\n"
HTTP_ANSWER = (b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 28 Nov 2026 16:50:00 GMT\r\n"
               b"Content-Type: text/plain\r\nContent-Length: 200\r\n"
               b"Last-Modified: Sat, 28 Nov 2026 16:20:00 GMT\r\nConnection: keep-alive\r\n"
               b"ETag: \"6749a1b0-c8\"\r\nAccept-Ranges: bytes\r\n\r\n" + b"x" * 200)
REDIS_REQUEST = b"*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000001\r\n"
REDIS_ANSWER = b"$3\r\nabc\r\n"


def postgres(kind, body):
    return kind + struct.pack("!I", len(body) + 4) + body


def postgres_answer(rows):
    row = postgres(b"D", struct.pack("!HI", 1, 4) + b"1234")
    return (postgres(b"T", struct.pack("!H", 1) + b"abalance\0" + bytes(18)) + row * rows
            + postgres(b"C", b"SELECT %d\0" % rows) + postgres(b"Z", b"I"))


POSTGRES_REQUEST = postgres(b"Q", b"SELECT abalance FROM pgbench_accounts WHERE aid = 12345;\0")


def mysql(number, body):
    return struct.pack("<I", len(body))[:3] + bytes([number]) + body


MYSQL_REQUEST = mysql(0, b"\x03SELECT c FROM sbtest1 WHERE id=5012")
MYSQL_COLUMN = (b"\x03def\x04test\x07sbtest1\x07sbtest1\x01c\x01c"
                b"\x0c\x21\0\x68\x01\0\0\xfe\x01\0\0\0\0")
MYSQL_END = b"\xfe\0\0\2\0"
MYSQL_ANSWER = b"".join(mysql(number, body) for number, body in enumerate(
    (b"\x01", MYSQL_COLUMN, MYSQL_END, b"\x05abcde", MYSQL_END), 1))


def http2_exchange(number):
    """The first one fills both header tables, all others refer to them."""
    stream = 2 * number + 1
    body = frame(DATA, END_STREAM, stream, b"x" * 200)
    if number == 0:
        return (PREFACE + frame(SETTINGS)
                + frame(HEADERS, END_HEADERS | END_STREAM, stream,
                        b"\x82\x86\x41\x0f127.0.0.1:18080\x44\x05/page"),
                frame(SETTINGS) + frame(SETTINGS, ACK)
                + frame(HEADERS, END_HEADERS, stream,
                        b"\x88\x5f\x0atext/plain\x5c\x03200") + body)
    return (frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\x82\x86\xbf\xbe"),
            frame(HEADERS, END_HEADERS, stream, b"\x88\xbf\xbe") + body)


def spent(daemon):
    """Nanoseconds of all its programs."""
    return sum(int(fields.get("run_time_ns", 0)) for fields in daemon.programs().values())


def send(sender, receiver, data):
    sender.sendall(data)
    left = len(data)
    while left > 0:
        left -= len(receiver.recv(1 << 16))


HTTP = ("http.client.request.duration", "http.server.request.duration")
DATABASE = ("db.client.operation.duration", "sockeye.db.server.operation.duration")


@dataclasses.dataclass
class Talk:
    """What is said on one connection: exchange(number) gives a request and its answer; `metrics`
    count `each` operations of it."""

    metrics: tuple
    exchange: collections.abc.Callable
    each: int = 1
    port: int = 0
    cost: float = 0.0  # of an exchange, in instructions


class Costs(unittest.TestCase):
    """Of both ends together, which is what a host pays that has both. The limits are what was
    measured and a twentieth: whoever makes something dearer on purpose raises them."""

    WARM_UP = 10
    EXCHANGES = 100
    PROTOCOLS = ("http", "http2", "redis", "postgres", "mysql")

    def talk(self, talk):
        talk.port = harness.free_port()
        listener = harness.listen(self, talk.port)
        client = socket.create_connection(("127.0.0.1", talk.port))
        server, _ = listener.accept()
        before = 0
        with client, server:
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for number in range(self.WARM_UP + self.EXCHANGES):
                if number == self.WARM_UP:
                    before = spent(self.daemon)
                request, answer = talk.exchange(number)
                send(client, server, request)
                send(server, client, answer)
            talk.cost = (spent(self.daemon) - before) / self.EXCHANGES

    def check(self, what, cost, limit):
        print(f"{what}: {cost:.0f} instructions, at most {limit}")
        with self.subTest(what):
            self.assertLess(cost, limit)

    def test_costs(self):
        with open("/proc/sys/kernel/bpf_stats_enabled", "w", encoding="ascii") as file:
            file.write("1")
        http = Talk(HTTP, lambda _: (HTTP_REQUEST, HTTP_ANSWER))
        http2 = Talk(HTTP, http2_exchange)
        get = Talk(DATABASE, lambda _: (REDIS_REQUEST, REDIS_ANSWER))
        pipeline = Talk(DATABASE, lambda _: (REDIS_REQUEST * 16, REDIS_ANSWER * 16), 16)
        query = Talk(DATABASE, lambda _: (POSTGRES_REQUEST, postgres_answer(1)))
        rows = Talk(DATABASE, lambda _: (POSTGRES_REQUEST, postgres_answer(1001)))
        mysql_query = Talk(DATABASE, lambda _: (MYSQL_REQUEST, MYSQL_ANSWER))
        self.daemon = harness.Daemon(self, "source.tier=socket-storage",
                                     *(f"protocols.{name}=true" for name in self.PROTOCOLS))
        talks = (http, http2, get, pipeline, query, rows, mysql_query)
        for talk in talks:
            self.talk(talk)
        self.assertEqual(self.daemon.stop(), 0)
        for talk in talks:
            for metric in talk.metrics:
                count, _ = self.daemon.distribution(metric, port=talk.port)
                self.assertEqual(count, (self.WARM_UP + self.EXCHANGES) * talk.each, metric)
        self.check("HTTP/1, a request", http.cost, 9150)
        self.check("HTTP/2, a request", http2.cost, 11200)
        self.check("Redis, a GET", get.cost, 5930)
        self.check("Redis, a GET in a pipeline of 16", pipeline.cost / 16, 2080)
        self.check("PostgreSQL, a simple query", query.cost, 11380)
        self.check("PostgreSQL, one more row", (rows.cost - query.cost) / 1000, 310)
        self.check("MySQL, a query", mysql_query.cost, 9300)
