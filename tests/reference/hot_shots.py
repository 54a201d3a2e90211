#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our DogStatsD bytes against those of hot-shots 17.1.1, for the types that we emit.

    hot_shots.py LINES_PROGRAM FOLDER

FOLDER keeps the npm package. Where the package cannot be had this says so and exits with 77.
Compared: names, values as text, types, rates, order of fields, order of tags, replaced characters.
Not compared, because the clients differ on purpose: packed values, numbers below 1e-6 (JavaScript
writes an exponent), "@" and control characters in tags.
"""
import json
import os
import shutil
import socket
import subprocess
import sys

import dogstatsd

PACKAGE = "hot-shots@17.1.1"
SKIPPED = 77

# type, name, value, weight, tags
POINTS = [
    ("c", "tcp.sent.bytes", 1, 1, []),
    ("c", "tcp.sent.bytes", 1500, 1, [("service", "api")]),
    ("c", "tcp.sent.bytes", 9007199254740991, 1, [("service", "api"), ("port", "80")]),
    ("c", "a_b.c", 7, 1, [("route", "/users/*"), ("status", "200")]),
    ("g", "ring.fill", 0, 1, []),
    ("g", "ring.fill", 0.125, 1, [("ring", "events")]),
    ("g", "ring.fill", 0.1, 1, [("ring", "two words")]),
    ("g", "ring.fill", 1 / 3, 1, [("ring", "a:b")]),
    ("g", "ring.fill", 0.000123, 1, [("ring", "caf\u00e9")]),
    ("g", "ring.fill", 123456789.25, 1, [("ring", "\U0001f41f")]),
    ("c", "hostile", 1, 1, [("route", "a|b,c#d\ne\rf")]),
    ("c", "hostile", 1, 1, [("service", "x\nevil:1|c|#y:z"), ("route", "|,#")]),
    ("d", "duration", 0, 1, [("route", "/a")]),
    ("d", "duration", 1, 1, []),
    ("d", "duration", 0.0123, 1, [("route", "/a"), ("method", "GET")]),
    ("d", "duration", 3600, 1, [("route", "/a")]),
    ("d", "duration", 1, 100, [("route", "/a")]),
    ("d", "duration", 0.25, 93, [("route", "/a")]),
    ("d", "duration", 42, 3125, [("route", "/a")]),
    ("d", "duration", 42, 99991, [("route", "/a")]),
]


def our_line(program, point):
    kind, name, value, weight, tags = point
    command = [program, kind, name, repr(value), str(weight)]
    command += [text for tag in tags for text in tag]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def their_points(points, lines):
    """What hot-shots shall send: the values that our lines carry, with the tags as they came."""
    result = []
    for (kind, name, _, _, tags), line in zip(points, lines):
        metric, = dogstatsd.parse_datagram(line)
        value, = metric.values
        result.append({
            "type": kind,
            "name": name,
            "value": value,
            "rate": metric.rate,
            "tags": [f"{key}:{text}" for key, text in
                     sorted(tags, key=lambda tag: line.find(tag[0].encode() + b":"))],
        })
    return result


def install(folder):
    """Path of the package in @folder, or None."""
    module = os.path.join(folder, "node_modules", "hot-shots")
    if not os.path.isdir(module):
        os.makedirs(folder, exist_ok=True)
        command = ["npm", "i", "--ignore-scripts", "--no-audit", "--no-fund", PACKAGE]
        if subprocess.run(command, cwd=folder, check=False).returncode != 0:
            return None
    return module


def hot_shots_bytes(module, points):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hot_shots.js")
    received = b""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(1)
        command = ["node", script, module, str(sock.getsockname()[1])]
        subprocess.run(command, input=json.dumps(points).encode(), check=True, timeout=30)
        try:
            while True:
                datagram = sock.recv(65536)
                received += datagram if datagram.endswith(b"\n") else datagram + b"\n"
        except socket.timeout:
            return received


def compare(ours, theirs):
    failures = 0
    for our, their in zip(ours, theirs):
        if our != their:
            failures += 1
            print(f"differs:\n  ours      {our!r}\n  hot-shots {their!r}")
    if len(ours) != len(theirs):
        failures += 1
        print(f"{len(ours)} lines of ours, {len(theirs)} of hot-shots")
    print(f"{len(ours)} lines compared, {failures} failures")
    return 1 if failures else 0


def main(program, folder):
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            print(f"skipped: {tool} is not installed")
            return SKIPPED
    module = install(folder)
    if module is None:
        print(f"skipped: npm cannot install {PACKAGE}")
        return SKIPPED
    lines = [our_line(program, point) for point in POINTS]
    theirs = hot_shots_bytes(module, their_points(POINTS, lines))
    return compare(lines, theirs.splitlines(keepends=True))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
