#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The strict reader of DogStatsD accepts what is legal and nothing else."""
import json
import os
import socket
import subprocess
import sys
import time
import unittest

import dogstatsd

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dogstatsd.py")


class Legal(unittest.TestCase):
    def parse_one(self, datagram):
        metrics = dogstatsd.parse_datagram(datagram)
        self.assertEqual(len(metrics), 1)
        return metrics[0]

    def test_counter(self):
        metric = self.parse_one(b"tcp.sent.bytes:1500|c|#service:api,port:80\n")
        self.assertEqual(metric, ("tcp.sent.bytes", "c", (1500.0,), 1.0, 1,
                                  ("service:api", "port:80"), {}))

    def test_packed_values_and_weight(self):
        metric = self.parse_one(b"a:1:2.5:-3e-2|d|@0.0107|#x\n")
        self.assertEqual(metric.values, (1.0, 2.5, -0.03))
        self.assertEqual(metric.weight, 93)

    def test_weight_is_truncated(self):
        self.assertEqual(self.parse_one(b"a:1|d|@%.17g\n" % (1 / 93)).weight, 92)

    def test_fields_in_any_order(self):
        metric = self.parse_one(b"a:1|h|#k:v|@0.5\n")
        self.assertEqual((metric.weight, metric.tags), (2, ("k:v",)))

    def test_set_keeps_its_text(self):
        self.assertEqual(self.parse_one(b"a:x:y|s\n").values, ("x:y",))

    def test_values_of_tags(self):
        for tag in ("k:a:b", "k:/users/*", "k:two words", "k:caf\u00e9", "alone", "k:v@x"):
            metric = self.parse_one(f"a:1|c|#{tag}\n".encode())
            self.assertEqual(metric.tags, (tag,))

    def test_fields_of_later_versions(self):
        fields = self.parse_one(b"a:1|c|T1785672010|#k:v|c:in-42|e:it-false,cn-x|card:low\n").fields
        self.assertEqual(fields, {"T": "1785672010", "c:": "in-42", "e:": "it-false,cn-x",
                                  "card:": "low"})
        self.parse_one(b"a:1|d|c:ci-" + b"0a" * 32 + b"\n")

    def test_event(self):
        event = self.parse_one("_e{5,6}:caf\u00e9|a\\nb c|d:1785672010|t:info|p:low|#k:v|card:low\n"
                               .encode())
        self.assertEqual(event[:3], ("caf\u00e9", "a\nb c", ("k:v",)))
        self.assertEqual(event.fields["t:"], "info")

    def test_check(self):
        check = self.parse_one(b"_sc|a.up|2|d:1785672010|#k:v|m:why\n")
        self.assertEqual(check[:3], ("a.up", 2, ("k:v",)))

    def test_limits(self):
        self.parse_one(b"a" * 200 + b":1|c\n")
        self.parse_one(b"a:1|c|#k:" + b"v" * 198 + b"\n")

    def test_lines(self):
        self.assertEqual(len(dogstatsd.parse_datagram(b"a:1|c\nb:2|g\n")), 2)


class Illegal(unittest.TestCase):
    DATAGRAMS = {
        "no LF": [b"a:1|c", b"", b"a:1|c\nb:1|c"],
        "empty line": [b"\n", b"\na:1|c\n", b"a:1|c\n\na:1|c\n"],
        "name": [b":1|c\n", b"1a:1|c\n", b"_a:1|c\n", b"a b:1|c\n", b"a-b:1|c\n",
                 "\u00e9:1|c\n".encode(), b"a" * 201 + b":1|c\n"],
        "value": [b"a:|c\n", b"a:1::2|d\n", b"a:NaN|g\n", b"a:inf|g\n", b"a:1e999|g\n",
                  b"a:0x10|c\n", b"a: 1|c\n", b"a:1_0|c\n", "a:\u0661|c\n".encode(), b"a:|s\n"],
        "type": [b"a:1|x\n", b"a:1|\n", b"a:1|C\n", b"a:1\n", b"a\n"],
        "later fields": [b"a:1|d|T1785672010\n", b"a:1|c|T0\n", b"a:1|c|T-5\n", b"a:1|c|Tx\n",
                         b"a:1|c|c:\n", b"a:1|c|c:abc\n", b"a:1|c|c:in-\n", b"a:1|c|e:\n",
                         b"a:1|c|e:a b\n", b"a:1|c|card:some\n", b"a:1|c|card:low|card:low\n"],
        "event": [b"_e{\n", b"_e{1,1}:\n", b"_e{1,1}:a\n", b"_e{1,1}:a|\n", b"_e{2,1}:a|b\n",
                  b"_e{1,1}:a|bc\n", b"_e{1,1}:a|b|x\n", b"_e{1,1}:a|b|t:sad\n",
                  b"_e{0,1}:|b\n", b"_e{3,1}:a|b|c\n", b"_e{1,1}:a|b|@0.5\n"],
        "check": [b"_sc|\n", b"_sc|a\n", b"_sc|a|\n", b"_sc|a|4\n", b"_sc||0\n",
                  b"_sc|a|0|m:why|#k:v\n", b"_sc|a|0|d:x\n"],
        "rate": [b"a:1|c|@\n", b"a:1|c|@0\n", b"a:1|c|@1.1\n", b"a:1|c|@-0.5\n",
                 b"a:1|c|@nan\n", b"a:1|d|@.5\n", b"a:1|g|@0.5\n", b"a:x|s|@0.5\n"],
        "tags": [b"a:1|c|#\n", b"a:1|c|#k:v,\n", b"a:1|c|#:v\n", b"a:1|c|#1:v\n",
                 b"a:1|c|#k:\n", b"a:1|c|#k:a#b\n", b"a:1|c|#k v:1\n",
                 b"a:1|c|#k:" + b"v" * 199 + b"\n"],
        "fields": [b"a:1|c|\n", b"a:1|c|#k:v|#l:w\n", b"a:1|d|@0.5|@0.5\n", b"a:1|c|x\n",
                   b"a:1|c|#k:a|b\n"],
        "bytes": [b"a:1|c|#k:\x00\n", b"a:1|c|#k:a\rb\n", b"a:1|c|#k:\x7f\n",
                  b"a:1|c|#k:\xff\n", b"a:1|c|#k:\xc0\xaf\n", b"a:1|c|#k:\xc2\x85\n"],
    }

    def test_is_refused(self):
        for reason, datagrams in self.DATAGRAMS.items():
            for datagram in datagrams:
                with self.subTest(reason=reason, datagram=datagram):
                    with self.assertRaises(dogstatsd.Malformed):
                        dogstatsd.parse_datagram(datagram)


class Summing(unittest.TestCase):
    def test_sums_by_type(self):
        sums = dogstatsd.Sums()
        sums.add(b"c:3|c|#a:1,b:2\nc:4|c|#b:2,a:1\n")
        sums.add(b"g:3|g\ng:5|g\nd:2:3|d|@0.5\nd:1|d\n")
        sums.add(b"_e{1,1}:a|b\n_sc|up|0\n")
        sums.add(b"broken")
        self.assertEqual(sums.series[("c", "c", ("a:1", "b:2"))], {"sum": 7.0, "count": 2})
        self.assertEqual(sums.series[("g", "g", ())]["sum"], 5.0)
        self.assertEqual(sums.series[("d", "d", ())], {"sum": 11.0, "count": 5})
        self.assertEqual((sums.datagrams, sums.lines, len(sums.malformed)), (4, 6, 1))
        self.assertEqual((len(sums.events), len(sums.checks)), (1, 1))

    def test_program_receives(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, PROGRAM, "--port", str(port), "--seconds", "2", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as program:
            sent = self.send_until_heard(port)
            result = json.loads(program.communicate()[0])
        self.assertEqual(program.returncode, 0)
        self.assertEqual(result["series"], [{"name": "a", "type": "c", "tags": ["k:v"],
                                             "sum": float(sent), "count": sent}])

    def send_until_heard(self, port):
        """One datagram that arrives: a connected socket says when nobody listens."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(("127.0.0.1", port))
            for _ in range(100):
                try:
                    sock.send(b"a:1|c|#k:v\n")
                    time.sleep(0.01)
                    sock.send(b"a:1|c|#k:v\n")
                    return 2
                except ConnectionRefusedError:
                    time.sleep(0.01)
        raise AssertionError("the program never listened")


if __name__ == "__main__":
    unittest.main()
