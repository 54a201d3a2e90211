#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A strict reader of DogStatsD datagrams, protocol 1.6, and a UDP receiver that sums what it reads.

Where the Agent repairs or ignores something, this raises: missing LF, characters that the backend
would replace, empty packed values, fields twice. Weights are what the Agent takes: int(1 / rate).

As a program:  dogstatsd.py --port N --seconds S [--json]
"""
import argparse
import json
import math
import re
import select
import socket
import sys
import time
import unicodedata
from collections import namedtuple

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,199}\Z")
TAG_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_\-./]*\Z")
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\Z", re.ASCII)
RATE = re.compile(r"\d+(?:\.\d+)?(?:[eE]-?\d+)?\Z", re.ASCII)
TAG_MAX_CHARACTERS = 200
TYPES = ("c", "g", "ms", "h", "d", "s")
SAMPLED = ("c", "ms", "h", "d")

TIMED = ("c", "g")
ORIGIN = re.compile(r"(?:ci-[0-9a-f_-]{28,64}|in-[1-9][0-9]*)\Z")
EXTERNAL = re.compile(r"[!-{}~]+\Z")
CARDINALITIES = ("none", "low", "orchestrator", "high")
PRIORITIES = ("normal", "low")
ALERTS = ("error", "warning", "info", "success")
EVENT = re.compile(r"_e\{(\d+),(\d+)\}:", re.ASCII)
SECONDS = re.compile(r"[1-9]\d{8,10}\Z", re.ASCII)

# fields: what else a line says, by the letters in front: "T", "c:", "e:", "card:", "d:" ...
Metric = namedtuple("Metric", "name type values rate weight tags fields", defaults=({},))
Event = namedtuple("Event", "title text tags fields")
Check = namedtuple("Check", "name status tags fields")


class Malformed(ValueError):
    """The datagram is not strictly legal."""


def parse_name(text):
    if not NAME.match(text):
        raise Malformed(f"bad metric name {text!r}")
    return text


def parse_value(text):
    if not NUMBER.match(text) or not math.isfinite(float(text)):
        raise Malformed(f"bad value {text!r}")
    return float(text)


def parse_rate(text, kind):
    if kind not in SAMPLED:
        raise Malformed(f"type {kind!r} takes no rate")
    if not RATE.match(text) or not 0 < float(text) <= 1:
        raise Malformed(f"bad rate {text!r}")
    return float(text)


def parse_tag(text):
    key = text.partition(":")[0]
    if not TAG_KEY.match(key):
        raise Malformed(f"bad tag key in {text!r}")
    if len(text) > TAG_MAX_CHARACTERS or text.endswith(":") or "#" in text:
        raise Malformed(f"bad tag {text!r}")
    return text


def parse_tags(text):
    return tuple(parse_tag(tag) for tag in text.split(","))


def one_of(words):
    return lambda text: text in words


# What a field may be, by the letters in front of it.
ORIGIN_FIELDS = {
    "c:": ORIGIN.match,
    "e:": EXTERNAL.match,
    "card:": one_of(CARDINALITIES),
}
MESSAGE_FIELDS = {"d:": SECONDS.match, "h:": bool, **ORIGIN_FIELDS}
EVENT_FIELDS = {"k:": bool, "s:": bool, "p:": one_of(PRIORITIES), "t:": one_of(ALERTS),
                **MESSAGE_FIELDS}


def parse_fields(fields, known):
    """The tags, and the other fields as a dict; each at most once."""
    tags, found = None, {}
    for field in fields:
        if field.startswith("#") and tags is None:
            tags = parse_tags(field[1:])
            continue
        mark = next((mark for mark in known if field.startswith(mark)), None)
        if mark is None or mark in found or not known[mark](field[len(mark):]):
            raise Malformed(f"bad field {field!r}")
        found[mark] = field[len(mark):]
    return tags or (), found


def parse_event(line):
    """"_e{title bytes,text bytes}:title|text|fields"; the lengths are those of the bytes."""
    head = EVENT.match(line)
    if not head:
        raise Malformed(f"bad event {line!r}")
    texts = line[head.end():].encode()
    title_end, text_end = int(head[1]), int(head[1]) + 1 + int(head[2])
    title, text, rest = texts[:title_end], texts[title_end + 1:text_end], texts[text_end:]
    if not title or texts[title_end:title_end + 1] != b"|" or len(text) != int(head[2]) or \
            (rest and not rest.startswith(b"|")) or b"|" in title + text:
        raise Malformed(f"bad lengths in {line!r}")
    tags, fields = parse_fields(rest.decode().split("|")[1:], EVENT_FIELDS)
    return Event(title.decode(), text.decode().replace("\\n", "\n"), tags, fields)


def parse_check(line):
    """"_sc|name|status|fields|m:message"; the message is the last one."""
    _, name, *rest = line.split("|")
    status, *parts = rest or [""]
    if status not in ("0", "1", "2", "3"):
        raise Malformed(f"bad status in {line!r}")
    known = dict(MESSAGE_FIELDS)
    if parts and parts[-1].startswith("m:"):
        known["m:"] = bool
    tags, fields = parse_fields(parts, known)
    return Check(parse_name(name), int(status), tags, fields)


def parse_metric(line):
    head, *parts = line.split("|")
    name, colon, values = head.partition(":")
    if not colon or not parts:
        raise Malformed(f"not a metric: {line!r}")
    kind = parts[0]
    if kind not in TYPES:
        raise Malformed(f"bad type {kind!r}")
    if kind == "s":
        values = (values,)
        if not values[0]:
            raise Malformed("empty member of a set")
    else:
        values = tuple(parse_value(value) for value in values.split(":"))
    known = dict(ORIGIN_FIELDS)
    known["@"] = lambda text: parse_rate(text, kind)
    if kind in TIMED:
        known["T"] = SECONDS.match
    tags, fields = parse_fields(parts[1:], known)
    rate = float(fields.pop("@", 1))
    return Metric(parse_name(name), kind, values, rate, int(1 / rate), tags, fields)


def parse_line(line):
    """One line without its LF."""
    if line.startswith("_e{"):
        return parse_event(line)
    return parse_check(line) if line.startswith("_sc|") else parse_metric(line)


def parse_datagram(datagram):
    """
    The metrics, events and checks of a datagram (bytes), or Malformed. Datagrams may be filled up with
    empty lines: the Agent passes over them (parsePackets in comp/dogstatsd/server/server.go).
    """
    if not datagram.endswith(b"\n"):
        raise Malformed("no LF at the end")
    try:
        text = datagram.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"not UTF-8: {error}") from error
    lines = text.rstrip("\n").split("\n")
    for line in lines:
        if any(unicodedata.category(character) == "Cc" for character in line):
            raise Malformed(f"control character in {line!r}")
    return [parse_line(line) for line in lines]


class Sums:
    """What an Agent would know, by metric name, type and set of tags."""

    def __init__(self):
        self.series = {}
        self.datagrams = 0
        self.lines = 0
        self.bytes = 0
        self.largest = 0
        self.malformed = []
        self.events = []
        self.checks = []

    def add(self, datagram):
        self.datagrams += 1
        self.bytes += len(datagram)
        self.largest = max(self.largest, len(datagram))
        try:
            lines = parse_datagram(datagram)
        except Malformed as error:
            self.malformed.append(str(error))
            return
        for line in lines:
            if isinstance(line, Metric):
                self.add_metric(line)
            else:
                (self.events if isinstance(line, Event) else self.checks).append(line)

    def add_metric(self, metric):
        self.lines += 1
        key = (metric.name, metric.type, tuple(sorted(metric.tags)))
        entry = self.series.setdefault(key, {"sum": 0.0, "count": 0})
        if metric.type == "s":
            entry["count"] += 1
        elif metric.type == "g":
            entry["sum"] = metric.values[-1]
            entry["count"] += len(metric.values)
        elif metric.type == "c":
            entry["sum"] += sum(metric.values) / metric.rate
            entry["count"] += len(metric.values)
        else:
            entry["sum"] += sum(metric.values) * metric.weight
            entry["count"] += len(metric.values) * metric.weight

    def as_dict(self):
        series = [
            {"name": name, "type": kind, "tags": list(tags), **entry}
            for (name, kind, tags), entry in sorted(self.series.items())
        ]
        return {
            "datagrams": self.datagrams,
            "lines": self.lines,
            "bytes": self.bytes,
            "largest": self.largest,
            "malformed": self.malformed,
            "events": [event.title for event in self.events],
            "checks": [[check.name, check.status] for check in self.checks],
            "series": series,
        }


def receive(sock, seconds, sums):
    """Reads datagrams into @sums for so long."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([sock], [], [], left)[0]:
            sums.add(sock.recv(65536))


def print_table(result, out):
    for entry in result["series"]:
        tags = ",".join(entry["tags"])
        out.write(f"{entry['name']}|{entry['type']}|#{tags} "
                  f"sum {entry['sum']:.17g} count {entry['count']}\n")
    for message in result["malformed"]:
        out.write(f"malformed: {message}\n")


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Sums DogStatsD metrics received over UDP.")
    parser.add_argument("--port", type=int, default=8125)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    sums = Sums()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", options.port))
        receive(sock, options.seconds, sums)
    result = sums.as_dict()
    if options.json:
        print(json.dumps(result))
    else:
        print_table(result, sys.stdout)
    return 1 if result["malformed"] else 0


if __name__ == "__main__":
    sys.exit(main())
