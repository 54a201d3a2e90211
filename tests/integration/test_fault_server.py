# SPDX-License-Identifier: Apache-2.0
"""The fault server itself, asked by curl: each behaviour is what it says it is."""

import os
import socket
import time
import types
import unittest
import zlib

import fault_server
import harness
import name_server
import payloads
import snappy
from fault_server import FaultServer

PATH = "/api/v2/series"
EXIT_OK = 0
COULD_NOT_RESOLVE, COULD_NOT_CONNECT, UNSUPPORTED = 6, 7, 1
PARTIAL, TIMEOUT, EMPTY, SEND_ERROR, RECEIVE_ERROR, BAD_CERTIFICATE = 18, 28, 52, 55, 56, 60


class Curl:
    """What curl said of one request."""

    def __init__(self, server, *words, body=b"{}", scheme="http"):
        done = harness.command(
            "curl", "-sS", "-i", "--max-time", "1", "-H", "Expect:", *words, "--data-binary",
            body.decode("latin-1"), f"{scheme}://127.0.0.1:{server.port}{PATH}", check=False)
        self.code, self.text = done.returncode, done.stdout


class Behaviours(unittest.TestCase):

    def setUp(self):
        harness.need("curl", "openssl")
        self.server = FaultServer(self)

    def ask(self, behaviour, *words):
        self.server.script(PATH, behaviour)
        return Curl(self.server, *words)

    def test_usual_answer_takes_the_body(self):
        self.assertEqual(Curl(self.server, body=b"some").code, EXIT_OK)
        self.assertEqual([request.body for request in self.server.taken], [b"some"])

    def test_status_with_headers(self):
        asked = self.ask(fault_server.answer(429, headers=("Retry-After: 7",)))
        self.assertIn("429", asked.text.splitlines()[0])
        self.assertIn("Retry-After: 7", asked.text)
        self.assertEqual((self.server.taken, len(self.server.refused)), ([], 1))

    def test_interim_answer_comes_first(self):
        asked = self.ask(fault_server.answer(interim=(102, 103)))
        self.assertRegex(asked.text, r"(?s)102 .*103 .*202 ")

    def test_script_is_played_once(self):
        codes = [asked.text.split()[1] for asked in (self.ask(fault_server.answer(503)),
                                                     Curl(self.server))]
        self.assertEqual(codes, ["503", "202"])
        self.assertEqual(self.server.played[PATH], 1)

    def test_resets_and_cuts(self):
        for behaviour, codes in (
                (fault_server.reset("before"), (RECEIVE_ERROR, SEND_ERROR)),
                (fault_server.reset("answer"), (RECEIVE_ERROR,)),
                (fault_server.half_close(), (EMPTY,)),
                (fault_server.truncated(), (PARTIAL,)),
                (fault_server.garbage(), (UNSUPPORTED,))):
            with self.subTest(codes=codes):
                self.assertIn(self.ask(behaviour).code, codes)

    def test_reset_in_the_middle_of_the_request(self):
        self.server.script(PATH, fault_server.reset("request"))
        path = os.path.join(harness.temporary_folder(self), "body")
        with open(path, "wb") as file:
            file.write(bytes(50_000_000))
        self.assertIn(Curl(self.server, body=f"@{path}".encode()).code,
                      (SEND_ERROR, RECEIVE_ERROR))

    def test_waits(self):
        for behaviour in (fault_server.silence(), fault_server.drip(),
                          fault_server.answer(pause=10)):
            with self.subTest():
                self.assertEqual(self.ask(behaviour).code, TIMEOUT)

    def test_endless_answer_is_counted(self):
        asked = self.ask(fault_server.endless(), "--limit-rate", "4M")
        self.assertEqual(asked.code, TIMEOUT)
        self.assertGreater(self.server.streamed, 1_000_000)

    def test_deaf(self):
        with self.server.deaf():
            self.assertEqual(Curl(self.server).code, TIMEOUT)
        self.assertEqual(Curl(self.server).code, EXIT_OK)

    def test_down_and_up(self):
        self.server.down()
        self.assertEqual(Curl(self.server).code, COULD_NOT_CONNECT)
        self.server.up()
        self.assertEqual(Curl(self.server).code, EXIT_OK)

    def test_certificates(self):
        authority = fault_server.Authority(self)
        for context, code in ((authority.context(), EXIT_OK),
                              (authority.context(expired=True), BAD_CERTIFICATE),
                              (authority.context(self_signed=True), BAD_CERTIFICATE),
                              (authority.context("DNS:elsewhere.test"), BAD_CERTIFICATE)):
            with self.subTest(code=code):
                self.server.tls = context
                asked = Curl(self.server, "--cacert", authority.certificate, scheme="https")
                self.assertEqual(asked.code, code)

    def tearDown(self):
        self.assertEqual(self.server.errors, [])


class Names(unittest.TestCase):
    """The name server answers what it is told."""

    def test_answers(self):
        server = name_server.NameServer(self)
        server.addresses = ["127.0.0.2", "127.0.0.3"]
        asked = server.run("getent", "ahostsv4", "intake.test")
        self.assertEqual({line.split()[0] for line in asked.stdout.splitlines()},
                         {"127.0.0.2", "127.0.0.3"})
        server.addresses = []
        self.assertNotEqual(server.run("getent", "ahostsv4", "intake.test", check=False).returncode,
                            EXIT_OK)
        self.assertGreater(server.queries, 0)


class Decoders(unittest.TestCase):

    def test_snappy(self):
        # "abc" as a literal, then 9 bytes from 3 before: the copy overlaps itself.
        block = bytes((12, 2 << 2)) + b"abc" + bytes((9 - 4 << 2 | 1, 3))
        self.assertEqual(snappy.decompress(block), b"abc" * 4)
        with self.assertRaises(ValueError):
            snappy.decompress(bytes((9, 5 << 2 | 1, 3)))

    def test_protobuf(self):
        message = bytes((1 << 3, 150, 1, 2 << 3 | 2, 2)) + b"hi"
        self.assertEqual(list(payloads.fields(message)), [(1, 150), (2, b"hi")])
        with self.assertRaises(ValueError):
            list(payloads.fields(message[:-1]))

    def test_points_sent_twice_count_once(self):
        points = payloads.Points()
        for value in (3, 3, 4):
            points.add("sockeye.a", {"x": "1"}, 7, value)
        self.assertEqual([value for _, _, value in points.select("a", {"x": 1})], [4])
        self.assertEqual((points.count, len(points), len(points.overwritten)), (3, 1, 1))

    def test_carbon(self):
        carbon = payloads.Carbon()
        for line in (b"sockeye.a;x=1 3 7", b"sockeye.a;x=1 4 8", b"sockeye.a 1", b"a nan 1"):
            carbon.add(line)
        self.assertEqual((carbon.total("a", x=1), len(carbon.malformed)), (7, 2))

    def test_pushed_page(self):
        """What was put last counts, whatever the order of the answers."""
        pages = [types.SimpleNamespace(
            method="PUT", path=payloads.Gateway.PATH, time=second,
            headers={"content-type": "text/plain; version=0.0.4"}, body=(
                "# TYPE sockeye_a_total counter\n"
                f'sockeye_a_total{{x="1"}} {second}\nsockeye_a_total{{x="2"}} 2\n'
                "# TYPE sockeye_d_seconds histogram\n"
                f'sockeye_d_seconds_bucket{{x="1",le="+Inf"}} {second}\n'
                f'sockeye_d_seconds_sum{{x="1"}} 1\nsockeye_d_seconds_count{{x="1"}} {second}\n'
            ).encode()) for second in (7, 5)]
        gateway = payloads.Gateway.of(pages)
        self.assertEqual((gateway.total("a", x=1), gateway.total("a"), gateway.weight("d")),
                         (7, 9, 7))
        self.assertEqual((gateway.count, gateway.overwritten), (6, []))
        pages[0].time = 4
        self.assertEqual([row[1:] for row in payloads.Gateway.of(pages).overwritten], [(7, 5)])

    def test_lines(self):
        line = '{"metric":"sockeye.a","time":"%d","tags":{"x":"1"},"value":3}\n'
        lines = payloads.Lines([line % 1 + line % 2, line % 3])
        self.assertEqual((lines.total("a", x=1), lines.counts(), lines.problems),
                         (9, [1, 2, 3], []))
        self.assertEqual(len(payloads.Lines([line % 1, line % 1]).problems), 1)
        self.assertEqual(len(payloads.Lines([line % 1, (line % 2)[:-1], '{"met']).problems), 2)


class Streams(unittest.TestCase):
    """A request whose body is compressed and comes in pieces."""

    def test_pieces(self):
        server = FaultServer(self)
        body = zlib.compress(b"body" * 1000)
        with socket.create_connection(("127.0.0.1", server.port), 10) as client:
            text = f"POST {PATH} HTTP/1.1\r\nContent-Length: {len(body)}\r\n" \
                   "Content-Encoding: deflate\r\n\r\n"
            for piece in (text[:20].encode(), text[20:].encode(), body[:7], body[7:]):
                client.sendall(piece)
                time.sleep(0.02)
            self.assertIn(b"202", client.recv(1000))
        self.assertEqual(server.taken[0].body, b"body" * 1000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
