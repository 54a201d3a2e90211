#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints what the daemon costs: figures, and ratios against a base measured in the same run.

Base and daemon run by turns on the same cores (pairs.py); where a figure is about the kernel
programs, the kernel's own run-time statistics are switched on for a run of their own, since they
cost time themselves. Nothing passes or fails here on time: the exit code is 0 unless something
could not be measured.
"""

import argparse
import contextlib
import http.client
import json
import itertools
import os
import shutil
import socket
import ssl  # pylint: disable=unused-import  # so that there is a libssl to probe
import statistics
import sys
import tempfile
import time
import traceback

import conntrack
import pairs
from databases import Kafka, Mysql, Postgres, Redis
from daemon import JSON_CONSOLE, Daemon, Tcplife, program_cost, programs_of
from machine import (NGINX_PORT, ClosingNginx, EncryptedNginx, Failed, Generator, GoServer, Iperf,
                     ManySockets, Nghttpd, Nginx, Programs, Sockets, Talk, bpf_stats, command,
                     compile_loads, enter_own_namespace, floor, need, own_library, say)
from table import (Row, at_least, at_most, count, mebibytes, microseconds, milliseconds,
                   nanoseconds, print_table)

MIB = 2**20
RR_CONNECTIONS = 8
STARTS = 5
# Asked one after the other.
STATUS_REQUESTS = 100
LOOKS = 20
FOLLOWED = "requests of HTTP/1 are seen from now on"
LIVE_CONNECTIONS = 5000       # 10 000 sockets
MEMORY_CONNECTIONS = 9000     # 18 000 sockets: all that the descriptors of one process allow
MANY_CONNECTIONS = 50000      # 100 000 sockets
SNAPSHOT_CONNECTIONS = (5000, 25000, MANY_CONNECTIONS)
ENTRIES = 1000000             # of conntrack
MEMORY_PORTS = 142            # seven series per port and direction: 2 000 of them


def build_folder(path):
    """The CMake build folder that a file lies in."""
    folder = os.path.dirname(path)
    while folder != os.path.dirname(folder):
        if os.path.exists(os.path.join(folder, "CMakeCache.txt")):
            return folder
        folder = os.path.dirname(folder)
    raise Failed(f"{path} lies in no build folder")


class Bench:
    """What every part needs: the daemon's path, the lengths, a folder for files."""

    def __init__(self, options, folder):
        self.sockeye = os.path.abspath(options.sockeye)
        self.deliver = options.deliver
        self.pairs, self.seconds = options.pairs, options.seconds
        self.folder = folder
        self.loads = compile_loads(folder)

    def measure(self, load, *settings):
        return self.measure_under(load, lambda: Daemon(self.sockeye, settings=settings))

    def measure_under(self, load, start):
        return pairs.measure(load, start, self.pairs, self.seconds)

    def program(self, name):
        """The path of a program of this folder, built beside the daemon."""
        folder = build_folder(self.sockeye)
        say(f"building {name}")
        command("cmake", "--build", folder, "--target", name)
        return os.path.join(folder, "tests/bench", name)

    def generator(self, name, what, unit, *arguments):
        return Generator(what, unit, self.loads[name], *arguments)


# ---- on and off ----

def rate_row(load, measured, target):
    base, observed, ratio = measured.rates()
    return at_least(f"{load.name}, on / off", ratio, target, used=measured.used,
                    base=f"{count(base)} {load.unit}", observed=f"{count(observed)} {load.unit}")


def tcp_rows(bench):
    with Iperf() as load:
        yield rate_row(load, bench.measure(load), 0.99)
    load = bench.generator("rr", "TCP request/response", "/s", RR_CONNECTIONS)
    yield rate_row(load, bench.measure(load), 0.98)


def udp_rows(bench):
    """Datagrams without payload that anybody follows, and what the programs of DNS add to them."""
    for way, what, target in (("pair", "UDP between two sockets", 0.90),
                              ("fresh", "UDP, a socket per question and answer", 0.85)):
        for dns, word in (("false", ""), ("true", ", protocols.dns on")):
            load = bench.generator("udp", what + word, "datagrams/s", way)
            yield rate_row(load, bench.measure(load, f"protocols.dns={dns}"), target)


def connection_rows(bench):
    load = bench.generator("conn", "TCP connections", "/s")
    measured = bench.measure(load)
    yield rate_row(load, measured, 0.94)
    bare = bench.generator("conn", "TCP connections, no process monitor", "/s")
    yield rate_row(bare, bench.measure(bare, "source.processes=none"), 0.94)
    yield tcplife_row(bench, measured)
    yield at_most("daemon CPU per closed connection, both its ends",
                  measured.cpu_ns_per_count(), 150, nanoseconds, used=measured.used)
    yield from program_rows(bench, load, "connection without payload", 1500)


def tcplife_row(bench, ours):
    """What is left of the rate under sockeye, against what is left of it under tcplife."""
    path = shutil.which("tcplife")
    if path is None:
        return Row("    no ratio to tcplife: it is not installed (Debian: libbpf-tools)")
    load = bench.generator("conn", "TCP connections, tcplife", "/s")
    try:
        measured = bench.measure_under(load, lambda: Tcplife(path))
    except Failed as error:
        return Row(f"    no ratio to tcplife: {error}")
    base, observed, ratio = measured.rates()
    return Row(f"    under sockeye / under tcplife of libbpf-tools, whose own on / off is "
               f"{ratio:.3f}", f"{ours.rates()[2] / ratio:.3f}", used=measured.used,
               base=f"{count(base)} {load.unit}", observed=f"{count(observed)} {load.unit}")


def http_rows(bench):
    with Nginx(bench.folder) as load:
        measured = bench.measure(load)
        yield rate_row(load, measured, 0.95)
        base, observed, ratio = measured.means("p99")
        yield at_most("p99 latency in the same runs, on / off", ratio, 1.05, "{:.3g}".format,
                      base=microseconds(base), observed=microseconds(observed),
                      used=measured.used)
        yield at_most("daemon CPU per HTTP request, both ends",
                      measured.cpu_ns_per_count(), 60, nanoseconds, used=measured.used)
        yield from program_rows(bench, load, "HTTP request", 600)
        yield seen_row(bench, load)


def http2_rows(bench):
    setting = "protocols.http2=true"
    with Nghttpd(bench.folder) as load:
        measured = bench.measure(load, setting)
        yield rate_row(load, measured, 0.95)
        yield at_most("daemon CPU per HTTP/2 request, both ends", measured.cpu_ns_per_count(), 150,
                      nanoseconds, used=measured.used)
        yield from program_rows(bench, load, "HTTP/2 request", 900, setting)


def database_rows(bench, load, what, target, setting):
    measured = bench.measure(load, setting)
    yield rate_row(load, measured, 0.95)
    yield at_most(f"daemon CPU per {what}, both ends", measured.cpu_ns_per_count(), 150,
                  nanoseconds, used=measured.used)
    yield from program_rows(bench, load, what, target, setting)


def redis_rows(bench):
    for pipeline, target in ((1, 500), (16, 120)):
        with Redis(pipeline) as load:
            yield from database_rows(bench, load, f"command by {pipeline}", target,
                                     "protocols.redis=true")


def mysql_rows(bench):
    with Mysql(bench.folder) as load:
        yield from database_rows(bench, load, "simple query", 800, "protocols.mysql=true")


def postgres_rows(bench):
    with Postgres(bench.folder, "PostgreSQL, simple queries", "queries/s") as load:
        yield from database_rows(bench, load, "simple query", 800, "protocols.postgres=true")
    rows = "select generate_series(1, 10000);"
    with Postgres(bench.folder, "PostgreSQL, results of 10 000 rows", "rows/s", rows, 10000) as load:
        yield from program_rows(bench, load, "row", 30, "protocols.postgres=true")


@contextlib.contextmanager
def reading_tls(bench, library="OpenSSL", *settings):
    """A daemon with its probes in a library."""
    with Daemon(bench.sockeye, settings=("protocols.tls=true", *settings)) as daemon:
        for _ in range(600):
            if daemon.said(f"inside TLS: {library}"):
                break
            time.sleep(0.1)
        else:
            raise Failed(f"{library} is not probed")
        yield daemon


def tls_load_rows(bench, load, target):
    """On and off, and beside it what is left by empty probes at entries and returns."""
    program = bench.program("bench_returns")
    library = own_library("libssl.so")
    ours = bench.measure_under(load, lambda: reading_tls(bench))
    theirs = bench.measure_under(load, lambda: Programs(program, library))
    yield rate_row(load, ours, target)
    base, observed, ratio = theirs.rates()
    yield Row("    with empty probes at entries and returns of SSL_read and SSL_write, on / off",
              f"{ratio:.3f}", base=f"{count(base)} {load.unit}",
              observed=f"{count(observed)} {load.unit}", used=theirs.used)
    added = [1e9 / observed - 1e9 / base for base, observed, _ in (ours.rates(), theirs.rates())]
    yield at_most(f"    time added to each of {load.unit.split('/')[0]} by sockeye / by those",
                  added[0] / added[1], 0.2, "{:.3f}".format, base=nanoseconds(added[1]),
                  observed=nanoseconds(added[0]))


def tls_rows(bench):
    for size in (64, 16000):
        yield from tls_load_rows(bench, bench.generator(
            "tls_pair", f"SSL_write and SSL_read of {size} bytes", "pairs/s", size), 0.2)
    with EncryptedNginx(bench.folder) as load:
        yield from tls_load_rows(bench, load, 0.8)
    with GoServer(bench.folder) as load:  # wrk, which has libssl, is left alone
        yield rate_row(load, bench.measure_under(load, lambda: reading_tls(
            bench, "crypto/tls", "protocols.tls.exclude=['*/libssl*']")), 0.85)
    load = bench.generator("map", "mapping code, and taking it away", "times/s")
    measured = bench.measure_under(load, lambda: reading_tls(bench))
    yield rate_row(load, measured, 0.8)
    base, observed, _ = measured.rates()
    yield at_most("    time added to each mapping of code", 1e9 / observed - 1e9 / base, 1000,
                  nanoseconds, used=measured.used)


def churn_rows(bench):
    with ClosingNginx(bench.folder) as load:
        yield rate_row(load, bench.measure(load), 0.94)
        yield from program_rows(bench, load, "connection with a request", 3500)


# ---- kernel programs ----

def program_cost_of(bench, load, *settings):
    """One run of the load under a daemon: (its count, program_cost(), their sum in ns)."""
    with bpf_stats(True), Daemon(bench.sockeye, settings=settings) as daemon:
        load.run(1)
        before = daemon.programs()
        run = load.run(bench.seconds)
        cost = program_cost(before, daemon.programs())
    return run["count"], cost, total_of(cost)


def floor_cost_of(bench, load):
    """The same of empty programs: what the kernel's statistics cost, and calling them."""
    with bpf_stats(True), floor(bench.program("bench_floor")) as empty:
        load.run(1)
        before = programs_of(empty.pid)
        run = load.run(bench.seconds)
        cost = program_cost(before, programs_of(empty.pid))
    return run["count"], cost, total_of(cost)


def total_of(cost):
    return sum(ns for ns, _ in cost.values())


def middle(runs):
    """The run with the median of ns per count."""
    return sorted(runs, key=lambda run: run[2] / run[0])[len(runs) // 2]


def program_rows(bench, load, what, target, *settings):
    """BPF run time per count of the load, from the kernel's statistics; the parts below.

    The medians of three runs. Reading the clock twice per run of a program is part of what the
    kernel counts: so empty programs at the same places are measured by turns, and taken off.
    """
    say(f"{load.name}: run time of the kernel programs")
    runs, floors = [], []
    for _ in range(min(bench.pairs, 3)):
        runs.append(program_cost_of(bench, load, *settings))
        floors.append(floor_cost_of(bench, load))
    counted, cost, total_ns = middle(runs)
    floor_counted, _, floor_ns = middle(floors)
    base, observed = floor_ns / floor_counted, total_ns / counted
    yield at_most(f"BPF time per {what}, both ends, net of empty programs", observed - base,
                  target, nanoseconds, base=nanoseconds(base), observed=nanoseconds(observed))
    for name, (ns, times) in sorted(cost.items(), key=lambda item: -item[1][0]):
        if times / counted > 0.01:
            yield Row(f"    {name}, {times / counted:.2f} runs of {ns / times:.0f} ns",
                      nanoseconds(ns / counted))


def seen_row(bench, load):
    """Requests that the daemon reports for the port, at the end that misses more of them.

    A request that has no response when wrk hangs up counts as served but can never be reported.
    """
    say(f"{load.name}: requests seen and served")
    with Daemon(bench.sockeye, JSON_CONSOLE) as daemon:
        time.sleep(1)
        served = load.run(bench.seconds)["count"]
        time.sleep(0.5)
        daemon.stop()
    seen = min(daemon.counted(f"http.{end}.request.duration", port=NGINX_PORT)
               for end in ("server", "client"))
    lost = daemon.counted("kernel.lost", program="http")
    return at_least(f"requests seen / served ({served} served, {served - seen} missing, "
                    f"{lost} counted lost)", seen / served, 0.999)


# ---- live sockets ----

def keep_for(seconds, sockets, moving):
    """Lets time pass; returns how much. Every interval finds every socket moved, or none."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if moving:
            sockets.touch()
        time.sleep(0.2)
    return time.monotonic() - begin


def live_bpf_ns(bench, sockets, moving):
    """Run time of the iterator's program per socket."""
    with bpf_stats(True), Daemon(bench.sockeye) as daemon:
        time.sleep(2)
        before = daemon.programs()
        keep_for(bench.seconds, sockets, moving)
        ns, runs = program_cost(before, daemon.programs())["tcp_live"]
    if runs < sockets.sockets:
        raise Failed(f"no pass over the live sockets within {bench.seconds} s")
    return ns / runs


def live_cpu_ns(bench, sockets, moving):
    """The daemon's CPU time per socket and interval of one second, all that it does included."""
    with Daemon(bench.sockeye) as daemon:
        time.sleep(2)
        before = daemon.cpu_ns()
        intervals = keep_for(bench.seconds, sockets, moving)
        return (daemon.cpu_ns() - before) / intervals / sockets.sockets


def live_rows(bench):
    with Sockets(bench.loads["idle"], LIVE_CONNECTIONS, 10) as sockets:
        for moving, word in ((True, "moving"), (False, "at rest")):
            say(f"{sockets.sockets} live sockets, {word}")
            yield at_most(f"live snapshot, {sockets.sockets} sockets {word}: BPF per socket",
                          live_bpf_ns(bench, sockets, moving), 500, nanoseconds)
            yield at_most("    daemon CPU per socket and interval, BPF included",
                          live_cpu_ns(bench, sockets, moving), 500, nanoseconds)


# ---- memory, start, size ----

def settled_bytes(daemon):
    """Resident memory after a few intervals."""
    time.sleep(4)
    return daemon.resident_bytes()


def slab_bytes():
    """What the kernel has allocated and cannot take back, of everybody."""
    with open("/proc/meminfo", encoding="ascii") as file:
        fields = dict(line.split(":") for line in file)
    return int(fields["SUnreclaim"].split()[0]) * 1024


@contextlib.contextmanager
def many_sockets(bench):
    """MANY_CONNECTIONS, touched, and by how much the kernel's memory has grown with them."""
    time.sleep(4)  # sockets of before are freed late
    before = slab_bytes()
    with ManySockets(bench.loads["idle"], MANY_CONNECTIONS, 10) as many:
        many.touch()
        yield many.sockets, slab_bytes() - before


def memory_rows(bench):
    say("resident memory")
    with Daemon(bench.sockeye) as daemon:
        yield at_most("resident memory, idle", settled_bytes(daemon), 6 * MIB, mebibytes)
    # The daemon comes first, so that it sees the sockets open and has all of their series.
    with Daemon(bench.sockeye) as daemon, Daemon(bench.sockeye, JSON_CONSOLE) as counter, \
            Sockets(bench.loads["idle"], MEMORY_CONNECTIONS, MEMORY_PORTS) as sockets:
        sockets.touch()
        resident = settled_bytes(daemon)
        counter.stop()
    series = int(sum(counter.gauges("series").values()))
    yield at_most(f"resident memory, {sockets.sockets} sockets and {series} series",
                  resident, 16 * MIB, mebibytes)
    say("memory with many sockets")
    with many_sockets(bench) as (_, alone):
        pass
    with Daemon(bench.sockeye) as daemon:
        yield at_most("kernel memory of the maps, idle", daemon.map_bytes(), None, mebibytes)
        with many_sockets(bench) as (sockets, grown):
            yield at_most(f"resident memory, {sockets} sockets", settled_bytes(daemon), None,
                          mebibytes)
            yield at_most("    kernel memory of the maps, without the sockets' own storage",
                          daemon.map_bytes(), None, mebibytes)
            yield Row("    that storage: what the sockets take of the kernel, off and on",
                      mebibytes(grown - alone), base=mebibytes(alone), observed=mebibytes(grown))


# ---- a look at every socket ----

# source.look, and the program that looks then.
LOOKS = {"storage": "tcp_live", "tables": "tcp_live_table"}


def snapshot_cost(bench, connections, look):
    """(sockets, the daemon's CPU in ns per socket and interval), while all of them move.

    The daemon comes first: it sees the sockets of other namespaces open.
    """
    with Daemon(bench.sockeye, settings=(f"source.look={look}",)) as daemon, \
            ManySockets(bench.loads["idle"], connections, 10) as many:
        time.sleep(2)
        before = daemon.cpu_ns()
        intervals = keep_for(bench.seconds, many, moving=True)
        cost = (daemon.cpu_ns() - before) / intervals / many.sockets
        with bpf_stats(True):
            programs = daemon.programs()
            keep_for(2, many, moving=True)
            _, looked = program_cost(programs, daemon.programs())[LOOKS[look]]
    if looked < many.sockets:
        raise Failed(f"{many.sockets} sockets, and {looked} of them were looked at in 2 s")
    return many.sockets, cost


def snapshot_rows(bench):
    for connections, look in itertools.product(SNAPSHOT_CONNECTIONS, LOOKS):
        say(f"snapshot of {2 * connections} sockets by {look}")
        sockets, cost = snapshot_cost(bench, connections, look)
        yield at_most(f"snapshot by {look}, {sockets} sockets moving: daemon CPU per socket and "
                      "interval", cost, 500, nanoseconds)


# ---- the control socket ----

def ask(bench, path, times):
    """`sockeye status` so many times; seconds for each, the command's own start included."""
    begin = time.monotonic()
    for _ in range(times):
        command(bench.sockeye, "status", "--json", "--socket", path)
    return (time.monotonic() - begin) / times


class Watcher:
    """GET /connections, each answer of which acknowledges the last."""

    def __init__(self, path):
        self._path = path
        self._after = ""

    def look(self):
        """The answer, and its bytes."""
        connection = http.client.HTTPConnection("sockeye")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self._path)
        connection.request("GET", f"/connections?client=bench{self._after}")
        body = connection.getresponse().read()
        connection.close()
        answer = json.loads(body)
        self._after = f"&after={answer['number']}"
        return answer, len(body)


def watch_rows(bench, path):
    """What one who watches costs, while all sockets move between two looks."""
    with Daemon(bench.sockeye, interval="1h", control=path) as daemon, \
            Sockets(bench.loads["idle"], LIVE_CONNECTIONS, 10) as sockets:
        watcher = Watcher(path)
        ask(bench, path, 1)  # loads what serves all answers
        resident = daemon.resident_bytes()
        cpu, begin = daemon.cpu_ns(), time.monotonic()
        watcher.look()
        yield at_most("the first look at single connections: the daemon's CPU, loading included",
                      daemon.cpu_ns() - cpu, None, nanoseconds)
        yield at_most("    until it was answered", time.monotonic() - begin, None, milliseconds)
        cpu, seconds, size = [], [], 0
        for _ in range(LOOKS):
            sockets.touch()
            before, begin = daemon.cpu_ns(), time.monotonic()
            answer, size = watcher.look()
            seconds.append(time.monotonic() - begin)
            cpu.append(daemon.cpu_ns() - before)
        if len(answer["connections"]) + answer["truncated"] < sockets.sockets:
            raise Failed(f"{sockets.sockets} sockets, and of so many was not told")
        told = len(answer["connections"])
        yield at_most(f"a look at {sockets.sockets} sockets that moved, {told} told of in "
                      f"{size // 1024} KiB: the daemon's CPU, median",
                      statistics.median(cpu), 20_000_000, nanoseconds)
        yield at_most("    until it was answered", statistics.median(seconds), None, milliseconds)
        yield at_most("    resident memory more", daemon.resident_bytes() - resident, 6 * MIB,
                      mebibytes)


def control_rows(bench):
    say("control socket")
    path = os.path.join(bench.folder, "control.sock")
    with Daemon(bench.sockeye) as daemon:
        without = settled_bytes(daemon)
    with Daemon(bench.sockeye, control=path) as daemon:
        yield at_most("resident memory more by a control socket that nobody asks",
                      settled_bytes(daemon) - without, MIB / 16, mebibytes)
        seconds = ask(bench, path, 1)
        yield at_most("    and once somebody has asked", daemon.resident_bytes() - without, None,
                      mebibytes)
        cpu = daemon.cpu_ns()
        seconds = ask(bench, path, STATUS_REQUESTS)
        cpu = (daemon.cpu_ns() - cpu) / STATUS_REQUESTS
        yield at_most("a status request: the daemon's CPU", cpu, None, nanoseconds)
        yield at_most("    until the command has ended", seconds, None, milliseconds)
    yield from watch_rows(bench, path)


def start_row(bench, what, target, http="auto"):
    """Seconds and peak memory of some starts: the medians."""
    seconds, peaks = [], []
    for _ in range(STARTS):
        with Daemon(bench.sockeye, http=http) as daemon:
            seconds.append(daemon.start_seconds)
            peaks.append(daemon.peak_bytes())
    return (at_most(f"start to observing, {what}, median of {STARTS}", statistics.median(seconds),
                    target, milliseconds), statistics.median(peaks))


def seconds_to_be_followed(bench):
    """From the first payload of a protocol until its programs are there."""
    with Daemon(bench.sockeye, http="auto") as daemon:
        with Talk():
            begin = time.monotonic()
            while not daemon.said(FOLLOWED):
                if time.monotonic() - begin > 20:
                    raise Failed(f"no word of it in 20 s: {FOLLOWED!r}")
                time.sleep(0.001)
            return time.monotonic() - begin


def instructions_at_start(bench):
    """Verified by this kernel before anything is observed."""
    said = json.loads(command(bench.sockeye, "probe", "--json", "-c", os.devnull))
    return sum(program["instructions"] for program in said["programs"]
               if not program["name"].startswith("http_"))


def start_rows(bench):
    say("start")
    quiet, peak = start_row(bench, "nothing is spoken", 0.3)
    yield quiet
    yield at_most("    peak memory", peak, 10 * MIB, mebibytes)
    yield at_most("    instructions verified", instructions_at_start(bench), 120000, count)
    with Talk():
        yield start_row(bench, "HTTP is spoken", 0.3)[0]
    yield start_row(bench, "protocols.http: true", None, http="true")[0]
    yield at_most(f"first payload of HTTP to followed, median of {STARTS}",
                  statistics.median(seconds_to_be_followed(bench) for _ in range(STARTS)), None,
                  milliseconds)
    need("strip")
    stripped = os.path.join(bench.folder, "stripped")
    command("strip", "-o", stripped, bench.sockeye)
    yield at_most("binary, stripped", os.path.getsize(stripped), 4 * MIB, mebibytes)


# ---- conntrack ----

def conntrack_rows(bench):
    """What a way to know of NAT costs: a start, and memory, beside a table of that many entries."""
    say(f"{ENTRIES} entries of conntrack")
    for entries in (0, ENTRIES):
        with conntrack.Entries(entries) as made:
            for way in ("ebpf", "netlink", "mirror"):
                with Daemon(bench.sockeye, settings=(f"source.nat={way}",)) as daemon:
                    name = f"{entries} entries, {made.translated} translated, source.nat {way}"
                    yield at_most(f"start, {name}", daemon.start_seconds, None, milliseconds)
                    yield at_most("    resident memory", settled_bytes(daemon), None, mebibytes)


# ---- exporters ----

def kafka_rows(bench):
    with Kafka() as load:
        yield from database_rows(bench, load, "send", 900, "protocols.kafka=true")


def deliver_rows(bench):
    program = bench.deliver or bench.program("bench_deliver")
    say("exporters, all at once")
    for line in command(program).splitlines():
        if line.startswith("#") or not line.strip():
            continue
        name = line[:18].strip()
        series, _, ns, rate, size, allocations, peak = line[18:].split()
        yield at_most(f"deliver one point, {name}, {series} series", float(ns), 250, nanoseconds)
        yield Row(f"    {count(float(rate))} points/s, {float(size):.0f} bytes each, peak memory "
                  f"{float(peak) / 1024:.1f} MiB; allocations per point",
                  f"{float(allocations):.3f}", "0", met=float(allocations) < 0.01)


PARTS = {"tcp": tcp_rows, "udp": udp_rows, "connections": connection_rows, "http": http_rows,
         "http2": http2_rows, "redis": redis_rows, "mysql": mysql_rows,
         "postgres": postgres_rows, "kafka": kafka_rows, "tls": tls_rows,
         "churn": churn_rows, "live": live_rows, "memory": memory_rows, "snapshot": snapshot_rows,
         "conntrack": conntrack_rows, "control": control_rows, "start": start_rows,
         "deliver": deliver_rows}


def measure_part(name, part, bench):
    """The rows of a part, and what could not be measured."""
    rows = []
    try:
        for row in part(bench):
            rows.append(row)
    except Failed as error:
        return rows + [Row(f"{name}: not measured: {error}", met=False)], str(error)
    except Exception as error:  # the other parts are still worth their time
        traceback.print_exc()
        return rows + [Row(f"{name}: not measured: {error}", met=False)], str(error)
    return rows, None


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sockeye", required=True, help="the daemon's binary")
    parser.add_argument("--deliver", help="the program bench_deliver (default: built beside it)")
    parser.add_argument("--pairs", type=int, default=5, help="rounds per load (default 5)")
    parser.add_argument("--seconds", type=int, default=6, help="length of a run (default 6)")
    parser.add_argument("--only", action="append", choices=PARTS, help="one part; may be repeated")
    options = parser.parse_args()
    if options.pairs < 1 or options.seconds < 2:
        parser.error("at least one pair and two seconds")
    if not os.access(options.sockeye, os.X_OK):
        parser.error(f"{options.sockeye} is no program")
    return options


def main():
    options = parse_arguments()
    need("ip", "bpftool")
    enter_own_namespace()
    rows, failures = [], []
    with tempfile.TemporaryDirectory(prefix="sockeye-bench-") as folder, bpf_stats(False):
        os.chmod(folder, 0o755)
        bench = Bench(options, folder)
        for name in options.only or PARTS:
            new, failure = measure_part(name, PARTS[name], bench)
            rows += new
            failures += [failure] if failure else []
    print_table(rows, sys.stdout)
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
