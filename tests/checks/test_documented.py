#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every default and every boundary of the configuration: one table, which `check --default`,
`check` itself, config/config.h and README.md agree with.

A new key is a line here. The daemon is found through the environment variable SOCKEYE.
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "vm"))
import cells  # pylint: disable=wrong-import-position

# `least` and `most` are taken, `below` and `above` are not. Without a unit it is a count.
Range = collections.namedtuple("Range", "default below least most above")
# The first one is the default.
Choice = collections.namedtuple("Choice", "default others")
# Any of `listed`, together.
Flags = collections.namedtuple("Flags", "default listed")
# A text, a list or a truth value, without limits that could be written here.
Plain = collections.namedtuple("Plain", "default")

NONE = Plain("null")
LIST = Plain("[]")


def choice(*values):
    return Choice(values[0], values[1:])


DAEMON = {
    "interval": Range("10s", "999ms", "1s", "1h", "3601s"),
    "shutdown_timeout": Range("5s", "-1s", "0s", "5m", "301s"),
    "tags": LIST,
    "log.level": Choice("info", ("error", "warning", "debug")),
    "log.format": Choice("auto", ("text", "json", "journal")),
    "control.socket": Plain("/run/sockeye/control.sock"),
    "control.listen": NONE,
    "control.token_file": NONE,
    "run.user": NONE,
    "source.tier": choice("auto", "socket-storage", "sock-diag"),
    "source.proc": Plain("/proc"),
    "source.root": Plain("/"),
    "source.cgroup": NONE,
    "source.processes": choice("auto", "tracepoints", "connector", "none"),
    "source.nat": choice("auto", "ebpf", "netlink", "mirror", "none"),
    "source.look": choice("auto", "storage", "tables"),
    "connections.tags": Flags("[direction, service, port, family]",
                              ("direction", "service", "port", "family", "process", "container",
                               "pod", "namespace", "netns", "nat", "protocol")),
    "connections.remote": choice("none", "zone", "cidr", "ip", "name"),
    "connections.networks": LIST,
    "connections.include": LIST,
    "connections.exclude": LIST,
    "connections.udp": Plain("true"),
    "protocols.http": choice("auto", "true", "false"),
    "protocols.http2": choice("auto", "true", "false"),
    "protocols.dns": choice("auto", "true", "false"),
    "protocols.redis": choice("auto", "true", "false"),
    "protocols.mysql": choice("auto", "true", "false"),
    "protocols.postgres": choice("auto", "true", "false"),
    "protocols.kafka": choice("auto", "true", "false"),
    "protocols.ports": LIST,
    "protocols.tls": Plain("false"),
    "protocols.tls.exclude": LIST,
    "dns.timeout": Range("5s", "999ms", "1s", "1m", "61s"),
    "limits.series": Range("2000", "9", "10", "1000000", "1000001"),
    "limits.tag_values": Range("1000", "0", "1", "1000000", "1000001"),
    "limits.idle": Range("5m", "9999ms", "10s", "1d", "86401s"),
    "http.routes": LIST,
}

COMMON = {
    "prefix": Plain("sockeye."),
    "tags": LIST,
    "metrics.allow": LIST,
    "metrics.deny": LIST,
    "queue.snapshots": Range("60", "0", "1", "10000", "10001"),
    "queue.size": Range("32MiB", "65535B", "64KiB", "4GiB", "4294967297B"),
    "queue.max_age": Range("null", "999ms", "1s", "30d", "2592001s"),
    "spool.path": NONE,
    "spool.max_size": Range("256MiB", "65535B", "64KiB", "1TiB", "1099511627777B"),
    "spool.max_age": Range("24h", "999ms", "1s", "30d", "2592001s"),
}

TLS = {"tls.ca_file": NONE, "tls.cert_file": NONE, "tls.key_file": NONE,
       "tls.verify": Plain("true")}

HTTP = {
    "timeout": Range("10s", "99ms", "100ms", "5m", "301s"),
    "proxy": NONE,
    "headers": LIST,
    "basic_auth.user": NONE,
    "basic_auth.password_file": NONE,
    "bearer_token_file": NONE,
    **TLS,
}

# 0: a size that fits the transport. That less than 512B is refused is seen when it is opened.
PAYLOAD = Range("0", "511B", "512B", "65467B", "65468B")

EXPORTERS = {
    "console": {"format": choice("table", "json")},
    "datadog": {"site": NONE, "url": NONE, "api_key_file": NONE,
                "encoding": choice("json", "protobuf"),
                "compression": choice("zlib", "zstd", "gzip", "none"), **HTTP},
    "dogstatsd": {"url": NONE, "payload": PAYLOAD, "origin_detection": Plain("true"),
                  "cardinality": NONE, "timestamps": Plain("false"), "telemetry": Plain("true")},
    "file": {"path": Plain("'-'"), "max_size": Plain("64MiB"),
             "keep": Range("5", "0", "1", "1000", "1001")},
    "graphite": {"url": Plain("tcp://127.0.0.1:2003"), "style": choice("tagged", "dotted"),
                 "template": NONE, "counters": choice("delta", "total"),
                 "retention": Range("60s", "999ms", "1s", "1d", "86401s"), **TLS},
    "null": {},
    "openmetrics": {"listen": Plain("127.0.0.1:9464"), "tls.cert_file": NONE, "tls.key_file": NONE,
                    "basic_auth.user": NONE, "basic_auth.password_file": NONE,
                    "created": Plain("false"), "expiry": Range("5m", "-1s", "0s", "1d", "86401s")},
    "otlp": {"url": NONE, "encoding": choice("auto", "protobuf", "json"),
             "compression": choice("auto", "gzip", "none"),
             "temporality": choice("auto", "cumulative", "delta"),
             "histograms": choice("exponential", "explicit"), **HTTP},
    "pushgateway": {"url": NONE, "job": Plain("sockeye"), "instance": NONE, "labels": LIST,
                    "delete_on_stop": Plain("true"), **HTTP},
    "remote_write": {"url": NONE, "version": choice("1", "2"),
                     "histograms": choice("classic", "native"), **HTTP},
    "statsd": {"url": Plain("udp://127.0.0.1:8125"),
               "dialect": choice("none", "datadog", "influxdb", "graphite", "signalfx", "librato"),
               "template": NONE, "distributions": choice("gauges", "samples"),
               "zero_on_stop": Plain("true"), "payload": PAYLOAD,
               "fill_up": Plain("true")},
}

UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
         "ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}

# Of a truth: both at once cannot stand there.
INSTEAD = re.compile(r"^## +In place of true: (\w+): \{(\w+): (.*)\}$")
KEY = re.compile(r"^#( +)(- )?([a-z0-9_]+):(?: (.*))?$")
# "interval: 10s (1s .. 1h)", "limits.series: per metric, 2000 (10 .. 1000000)"
HEADER_RANGE = re.compile(r"([a-z0-9_.]+): (?:[a-z ]+, )?(\w+) \((\w+) \.\. (\w+)\)")
HEADER_DEFAULT = re.compile(r"([a-z0-9_.]+): [^*]*default \"?([\w.]+)")


# Of the exporters in the default file.
FIRST = "console"


def amount(text):
    number, unit = re.fullmatch(r"(\d+)([A-Za-z]*)", text).groups()
    return int(number) * UNITS[unit]


def sockeye(*words, **variables):
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("SOCKEYE", "DD_", "OTEL_"))} | variables
    return subprocess.run((os.environ["SOCKEYE"], *words), text=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=environment)


def read_default_file(text):
    """{(exporter or None, key): (default, what is said of it)}"""
    found, section, path, said = {}, None, [], []
    for line in text.splitlines():
        if match := INSTEAD.match(line):
            key = ".".join(path + [match[1], match[2]])
            found[section, key] = (match[3], " ".join(said))
            said = []
            continue
        if line.startswith("##"):
            said.append(line[2:].strip())
            continue
        match = KEY.match(line if line.startswith("#") else f"# {line}")
        if match and match[3] == "exporters":
            section = ""
        elif match:
            depth = len(match[1]) // 2 - (0 if section is None else 2)
            if match[2]:
                section = match[4].strip('"')
            elif match[4] is None:
                path[max(depth, 0):] = [match[3]]
            else:
                key = ".".join(path[:max(depth, 0)] + [match[3]])
                found[section, key] = (match[4], " ".join(said))
        said = []
    return found


def table():
    """{(exporter or None, key): row}"""
    rows = {(None, key): row for key, row in DAEMON.items()}
    for exporter, own in EXPORTERS.items():
        rows |= {(exporter, key): row for key, row in {**own, **COMMON}.items()}
        rows[exporter, "name"] = Plain(json.dumps(exporter))
    return rows


def written():
    """The rows that the default file has: what every exporter takes stands with the first one."""
    return {(exporter, key): row for (exporter, key), row in table().items()
            if exporter in (None, FIRST) or key in EXPORTERS[exporter]}


class Documented(unittest.TestCase):
    """What is written about a key is its row."""

    maxDiff = None

    def test_every_default(self):
        found = read_default_file(sockeye("check", "--default").stdout)
        self.assertEqual({key: default for key, (default, _) in found.items()},
                         {key: row.default for key, row in written().items()})

    def test_as_it_stands_it_is_a_service(self):
        text = sockeye("check", "--default").stdout
        self.assertEqual([line for line in text.splitlines() if line and line[0] != "#"],
                         ["exporters:", '  - type: "openmetrics"'])

    def test_every_range_and_choice(self):
        found = read_default_file(sockeye("check", "--default").stdout)
        for key, row in written().items():
            said = found[key][1]
            with self.subTest(key=key):
                limits = re.search(r"From (\w+) to (\w+)\.", said)
                choices = re.search(r"One of ([^.]+)\.", said)
                flags = re.search(r"A list of ([^.]+)\.", said)
                self.assertEqual([bool(limits), bool(choices), bool(flags)],
                                 [isinstance(row, kind) for kind in (Range, Choice, Flags)])
                if limits:
                    self.assertEqual([amount(text) for text in limits.groups()],
                                     [amount(row.least), amount(row.most)])
                if choices:
                    self.assertEqual(set(choices[1].split(", ")), {row.default, *row.others})
                if flags:
                    self.assertEqual(tuple(flags[1].split(", ")), row.listed)

    def test_the_header_for_readers_of_the_code(self):
        text = re.sub(r"\s+", " ", (ROOT / "config/config.h").read_text(encoding="utf-8"))
        comments = re.findall(r"/\* (.*?) ?\*/", text)
        rows, ranges, defaults = {**COMMON, **DAEMON}, 0, 0
        for comment in comments:
            if match := HEADER_RANGE.match(comment):
                row, ranges = rows[match[1]], ranges + 1
                self.assertEqual(
                    [amount(part) for part in match.groups()[1:]],
                    [amount(row.default), amount(row.least), amount(row.most)], comment)
            elif (match := HEADER_DEFAULT.match(comment)) and match[1] in COMMON:
                self.assertEqual(match[2], COMMON[match[1]].default, comment)
                defaults += 1
        self.assertGreaterEqual(ranges, 5)
        self.assertGreaterEqual(defaults, 6)

    def test_readme(self):
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        self.assertEqual(re.findall(r"an interval of (\d+) s", text),
                         [DAEMON["interval"].default.removesuffix("s")])
        self.assertEqual(set(re.findall(r"^\| `([a-z_`, ]+)` \|", text, re.M)),
                         {*EXPORTERS, "console`, `null"} - {"console", "null"})


class Tested(unittest.TestCase):
    """README's matrix of kernels is what tests/vm boots."""

    def test_every_cell(self):
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| (\d+) \| ", text, re.M)
        self.assertEqual(rows, [(cell.name, ", ".join(cell.rights) or "-", str(len(cell.tests)))
                                for cell in cells.CELLS])


def reasons_in_the_code():
    """{(metric, reason)}, as the macros and tables of names have them."""
    def read(path):
        return (ROOT / path).read_text(encoding="utf-8")

    losses = re.findall(r"^ +X\(\w+, \"(\w+)\", \"(\w+)\"\)", read("bpf/abi.h"), re.M)
    losses += [("a protocol", reason) for reason in
               re.findall(r"^ +X\(protocol##\w+, #name, \"(\w+)\"\)", read("bpf/abi.h"), re.M)]
    translations = re.findall(r"^ +X\([A-Z_]+, \"(\w+)\"\)",
                              read("collector/nat/conntracker.h"), re.M)
    failures = re.findall(r"\[EYE_FAILURE_\w+\] = \"(\w+)\"", read("collector/tracer/tracer.c"))
    drops = re.findall(r"\[DROP_\w+\] = \"(\w+)\"", read("collector/aggregate/aggregate.c"))
    errors = re.findall(r"\[EYE_REQUEST_\w+\] = \"(\w+)\"", read("collector/usm/protocol.c"))
    lookups = ["timeout", *re.findall(r"EYE_TAG_ERROR, \"(\w+)\"", read("collector/usm/dns/dns.c"))]
    exports = re.findall(r"^ +X\([A-Z_]+, \"(\w+)\"\)", read("exporters/exporter.h"), re.M)
    return ([(f"`kernel.lost`, {program}", reason) for program, reason in losses],
            [("`nat.lost`", reason) for reason in translations],
            [("`tcp.connections.failed`", reason) for reason in failures],
            [("`udp.dropped`", reason) for reason in drops],
            [("`http.*.request.duration`", reason) for reason in errors],
            [("`dns.*lookup.duration`", reason) for reason in lookups],
            [("`exporter.*`", reason) for reason in exports])


class Reasons(unittest.TestCase):
    """Whatever the tags `reason` and `error_type` may say is explained in ARCHITECTURE.md."""

    maxDiff = None

    def test_every_reason(self):
        text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| (`[^|]+) \| `(\w+)` \| (\S[^|]+) \|$", text, re.M)
        kinds = reasons_in_the_code()
        self.assertTrue(all(len(kind) > 1 for kind in kinds), kinds)
        self.assertEqual([(metric, reason) for metric, reason, _ in rows],
                         [row for kind in kinds for row in kind])

    def test_no_other_place_makes_reasons(self):
        """A new one has to be added to reasons_in_the_code()."""
        users = {str(path.relative_to(ROOT))
                 for folder in ("collector", "exporters") for path in (ROOT / folder).rglob("*.c")
                 if re.search("EYE_TAG_(REASON|ERROR)", path.read_text(encoding="utf-8"))}
        self.assertEqual(users, {"collector/aggregate/aggregate.c", "collector/health.c",
                                 "collector/control/status.c", "collector/control/requests.c",
                                 "exporters/engine/worker_report.c",
                                 "collector/usm/http_name.c",
                                 "collector/usm/http2/call.c", "collector/usm/dns/dns.c",
                                 "collector/usm/redis/redis.c",
                                 "collector/usm/mysql/mysql.c",
                                 "collector/usm/postgres/postgres.c",
                                 "collector/usm/kafka/kafka.c",
                                 "exporters/console/rows.c",
                                 "exporters/console/table.c"})


class Boundaries(unittest.TestCase):
    """What `check` takes is what is documented."""

    # What a type does not do without.
    NEEDED = {"remote_write": "url: 'http://127.0.0.1:9/'",
              "pushgateway": "url: 'http://127.0.0.1:9'", "datadog": "url: 'http://127.0.0.1:9'"}

    def setting(self, exporter, key, value):
        if exporter is None:
            return f"{key}={value}"
        *sections, name = key.split(".")
        inside = f"{name}: {value}"
        for section in reversed(sections):
            inside = f"{section}: {{{inside}}}"
        needed = f", {self.NEEDED[exporter]}" if exporter in self.NEEDED else ""
        return f"exporters=[{{type: '{exporter}', {inside}{needed}}}]"

    def check(self, exporter, key, value):
        """Whether it is valid; if not, the message names the key."""
        done = sockeye("check", "-c", "/dev/null", "--set", self.setting(exporter, key, value),
                       DD_API_KEY="0" * 32)
        if done.returncode != 0:
            self.assertIn(key, done.stderr)
        return done.returncode == 0

    def test_limits(self):
        common = {("console", key) for key in COMMON}
        for (exporter, key), row in table().items():
            if not isinstance(row, Range) or (key in COMMON and (exporter, key) not in common):
                continue
            taken = {value: self.check(exporter, key, value) for value in row}
            self.assertEqual(taken, {row.default: True, row.below: False, row.least: True,
                                     row.most: True, row.above: False}, (exporter, key))

    def test_choices(self):
        for (exporter, key), row in table().items():
            if isinstance(row, Choice):
                for value in (row.default, *row.others):
                    self.assertTrue(self.check(exporter, key, value), (exporter, key, value))
                self.assertFalse(self.check(exporter, key, "neither"), (exporter, key))
            elif isinstance(row, Flags):
                self.assertTrue(self.check(exporter, key, f"[{', '.join(row.listed)}]"))
                self.assertFalse(self.check(exporter, key, "[neither]"))


if __name__ == "__main__":
    unittest.main()
