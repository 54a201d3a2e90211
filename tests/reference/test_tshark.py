#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The captures of tests/data (replay, mysql, kafka) by two readers: what `sockeye replay` tells of
requests, answers and names, tshark's dissectors tell, too.

What they say differently, and why:
  HTTP/1, HTTP/2   a path becomes a route here: without its query, numbers as "*"
  gRPC             a call is one request of HTTP/2 there, with a number as its status
  PostgreSQL       a text of SQL becomes its operation; the start and the end of a session are none
  MySQL            the same
  Kafka            a number of an API there, its name here; topics of what is sent and polled alone
  Redis            words of a command there, its name here; HELLO and CONFIG are commands for both
  DNS              a number of a type or code there, its name here
Answers that say nothing of an error have no status here.
"""

import collections
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from replayed import CAPTURES, replayed  # pylint: disable=wrong-import-position

ELSEWHERE = {"mysql": CAPTURES.parent / "mysql" / "mariadb.pcap",
             "kafka": CAPTURES.parent / "kafka" / "python.pcap"}
MYSQL = {"2": "INIT_DB", "3": None}  # 3: what the query says
TYPES = {"1": "A", "28": "AAAA"}
CODES = {"0": "NOERROR", "3": "NXDOMAIN"}
GRPC = {"0": "OK", "7": "PERMISSION_DENIED"}
KAFKA = {"0": "send", "1": "poll", "2": "list_offsets", "3": "metadata", "18": "api_versions"}


def path_of(name):
    return ELSEWHERE.get(name, CAPTURES / f"{name}.pcap")


def route_of(path):
    return re.sub(r"/\d+", "/*", path.partition("?")[0])


class Differential(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.replays = {}

    def told(self, name, *tags):
        """{(values of tags): count} of the requests in a capture."""
        told = collections.Counter()
        for series in replayed(path_of(name))["series"]:
            told[tuple(series["tags"].get(tag, "") for tag in tags)] += series["count"]
            self.port = series["tags"]["port"]
        return told

    def dissect(self, name, protocol, *fields):
        """[(from the service?, [values of a field], ...)] of each packet of @protocol."""
        words = ["tshark", "-r", str(path_of(name)), "-Y", protocol, "-T", "fields", "-E",
                 "occurrence=a", "-E", "aggregator=|", "-d", f"tcp.port=={self.port},{protocol}",
                 "-e", "tcp.srcport"]
        words += [part for field in fields for part in ("-e", field)]
        lines = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
        for line in lines.splitlines():
            port, *values = line.split("\t")
            yield (port == self.port, *([part for part in value.split("|") if part] for value in values))

    def test_http(self):
        """Answers come in the order of requests: of each connection of this capture one at a time."""
        told = self.told("http", "method", "status", "route")
        asked, expected = [], collections.Counter()
        for answers, methods, paths, codes in self.dissect(
                "http", "http", "http.request.method", "http.request.uri", "http.response.code"):
            if answers:
                method, path = asked.pop(0)
                expected[method, codes[0], route_of(path)] += 1
            else:
                asked.append((methods[0], paths[0]))
        self.assertEqual((told, asked), (expected, []))
        self.assertEqual(sum(told.values()), 5)

    def streams(self, name, *fields):
        """{(connection, stream): [request's fields], ...} and the same of answers."""
        found = ({}, {})
        for answers, connections, *values in self.dissect(name, "http2", "tcp.stream", *fields):
            # A packet of several frames has a value for each of those that have the field.
            streams = [stream for stream in values[0]]
            found[answers][connections[0], len(found[answers])] = (streams, values[1:])
        return found

    def test_http2(self):
        told = self.told("http2", "method", "status", "route")
        asked, answered = collections.Counter(), collections.Counter()
        for answers, methods, paths, codes in self.dissect(
                "http2", "http2", "http2.headers.method", "http2.headers.path", "http2.headers.status"):
            if answers:
                answered.update(codes)
            else:
                asked.update((method, route_of(path)) for method, path in zip(methods, paths))
        ours_asked, ours_answered = collections.Counter(), collections.Counter()
        for (method, status, route), count in told.items():
            ours_asked[method, route] += count
            ours_answered[status] += count
        self.assertEqual((ours_asked, ours_answered), (asked, answered))
        self.assertEqual(sum(told.values()), 4)

    def test_grpc(self):
        told = self.told("grpc", "method", "status")
        asked, expected = [], collections.Counter()
        for answers, paths, names, values in self.dissect(
                "grpc", "http2", "http2.headers.path", "http2.header.name", "http2.header.value"):
            if not answers:
                asked += paths
            elif "grpc-status" in names:
                # Values have the separator in them nowhere: the lists are of one length.
                self.assertEqual(len(names), len(values))
                expected[asked.pop(0).strip("/"), GRPC[values[names.index("grpc-status")]]] += 1
        self.assertEqual((told, asked), (expected, []))
        self.assertEqual(sum(told.values()), 4)

    def test_redis(self):
        told = self.told("redis", "operation")
        asked, answered = collections.Counter(), 0
        for answers, words in self.dissect("redis", "resp", "resp.bulk_string.value"):
            if answers:
                answered += 1
            else:
                asked[(bytes.fromhex(words[0]).decode() if re.fullmatch("([0-9a-f]{2})+", words[0])
                       else words[0]).upper(),] += 1
        self.assertEqual((told, sum(told.values())), (asked, answered))
        self.assertEqual(answered, 7)

    def test_postgres(self):
        told = self.told("postgres", "operation", "status")
        asked, expected = [], collections.Counter()
        for answers, queries, errors, ends in self.dissect(
                "postgres", "pgsql", "pgsql.query", "pgsql.code", "pgsql.tag"):
            if not answers:
                asked += queries
            elif errors or ends:
                expected[asked.pop(0).split()[0].upper(), errors[0] if errors else ""] += 1
        self.assertEqual((told, asked), (expected, []))
        self.assertEqual(sum(told.values()), 7)

    def test_mysql(self):
        told = self.told("mysql", "operation", "status")
        asked, expected = [], collections.Counter()
        for answers, commands, queries, errors in self.dissect(
                "mysql", "mysql", "mysql.command", "mysql.query", "mysql.error_code"):
            if not answers:
                asked += [MYSQL[command] or queries[0].split()[0].upper() for command in commands
                          if command in MYSQL]
            elif asked:  # behind the login
                expected[asked.pop(0), errors[0] if errors else ""] += 1
        self.assertEqual((told, asked), (expected, []))
        self.assertEqual(sum(told.values()), 11)

    def test_kafka(self):
        told = self.told("kafka", "operation", "destination", "error_type")
        asked, expected = {}, collections.Counter()
        for answers, streams, keys, numbers, topics, errors in self.dissect(
                "kafka", "kafka", "tcp.stream", "kafka.request_key", "kafka.correlation_id",
                "kafka.topic_name", "kafka.error"):
            for number in numbers:
                if answers:
                    self.assertLessEqual(set(errors), {"0"})
                    expected[(*asked.pop((streams[0], number)), "")] += 1
                else:
                    named = keys[0] in ("0", "1")
                    asked[streams[0], number] = KAFKA[keys[0]], topics[0] if named else ""
        self.assertEqual((told, asked), (expected, {}))
        self.assertEqual(sum(told.values()), 9)

    def test_dns(self):
        told = self.told("dns", "type", "rcode", "transport")
        asked, expected = collections.Counter(), collections.Counter()
        for _, answers, kinds, codes, numbers, over_tcp in self.dissect(
                "dns", "dns", "dns.flags.response", "dns.qry.type", "dns.flags.rcode", "dns.id", "tcp.len"):
            transport = "tcp" if over_tcp else "udp"
            asked[numbers[0], transport] += -1 if answers[0] in ("1", "True") else 1
            if answers[0] in ("1", "True"):
                expected[TYPES[kinds[0]], CODES[codes[0]], transport] += 1
        self.assertEqual((told, +asked), (expected, collections.Counter()))
        self.assertEqual(sum(told.values()), 4)


if __name__ == "__main__":
    unittest.main()
