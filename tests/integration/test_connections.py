# SPDX-License-Identifier: Apache-2.0
"""TCP connections on the live kernel: what the daemon reports is what really happened.

The truth comes from the test's own ends of the connections and from `ss`. All looks go by ports
that the test owns, so that other traffic of the machine does not matter.
"""

import collections
import concurrent.futures
import contextlib
import errno
import os
import random
import re
import select
import socket
import struct
import time
import unittest

import harness
from conversation import answer, get
from harness import Daemon, Namespace, Pair, Peer, Server, free_port, wait_until

OPENED = "tcp.connections.opened"
CLOSED = "tcp.connections.closed"
FAILED = "tcp.connections.failed"
ACTIVE = "tcp.connections.active"
SENT = "tcp.sent.bytes"
RECEIVED = "tcp.received.bytes"
BPF_PROG_TYPE_TRACING = 26  # linux/bpf.h
# From here on a task may interrupt the tracing programs of another one on its CPU.
PREEMPTS_PROGRAMS = (7, 0)


def active(daemon, **tags):
    """Open connections; a gauge without series is none."""
    return daemon.last_gauge(ACTIVE, **tags) or 0


def wait_for_active(daemon, count, **tags):
    wait_until(lambda: active(daemon, **tags) == count, 20,
               lambda: f"{count} active {tags}, are {active(daemon, **tags)}")


def close_with_reset(connection):
    """RST instead of FIN (SO_LINGER with no time)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def resets_sent():
    """How often this thread's network namespace has sent RST."""
    with open("/proc/thread-self/net/snmp", encoding="ascii") as file:
        names, values = [line.split() for line in file if line.startswith("Tcp:")]
    return int(values[names.index("OutRsts")])


def kernel_release():
    """(6, 18) of 6.18.5-200.fc43."""
    return tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))


def changes_lost(daemon):
    """Changes of states that no program was told of, as the daemon counts them."""
    return sum(daemon.losses().get(("tcp", reason), 0) for reason in ("recursion", "vanished"))


def recursion_misses(daemon):
    """How many runs of its tracing programs the kernel has skipped because they would have
    interrupted themselves; None when it does not say so (fdinfo, kernel 5.12+)."""
    every = [int(fields.get("recursion_misses", -1)) for fields in daemon.programs().values()
             if int(fields["prog_type"]) == BPF_PROG_TYPE_TRACING]
    return sum(every) if every and min(every) >= 0 else None


class Exchange:
    """Connections of random sizes to one port; the client's first bytes tell both sizes."""

    HEADER = struct.Struct("!QQ?")

    def __init__(self, test, listen_host, connect_host):
        self.port = free_port()
        self.host = connect_host
        self.count = 0
        self.up = 0
        self.down = 0
        self.server = Server(test, harness.listen(test, self.port, listen_host), self._serve)

    def _serve(self, connection):
        header = harness.receive_exactly(connection, self.HEADER.size)
        up, down, server_first = self.HEADER.unpack(header)
        harness.receive_exactly(connection, up - self.HEADER.size)
        if not server_first:
            assert connection.recv(1) == b""
        connection.sendall(bytes(down))

    def plan(self, generator):
        """Sizes, who sends the first FIN, and the pause that makes some live over intervals."""
        sizes = (0, 1, 1448, 20_000, 300_000)
        up = self.HEADER.size + generator.randint(0, generator.choice(sizes))
        down = generator.randint(0, generator.choice(sizes))
        self.count += 1
        self.up += up
        self.down += down
        return up, down, generator.random() < 0.5, 1.3 if generator.random() < 0.1 else 0

    def run(self, up, down, server_first, pause):
        with socket.create_connection((self.host, self.port), timeout=60) as client:
            client.sendall(self.HEADER.pack(up, down, server_first))
            time.sleep(pause)
            client.sendall(bytes(up - self.HEADER.size))
            if not server_first:
                client.shutdown(socket.SHUT_WR)
            assert len(harness.receive_all(client)) == down


class ExactCounts(unittest.TestCase):
    """1 000 connections of known random sizes, both directions, IPv4 and IPv6, both ends on the
    host: bytes, opened, closed equal the truth exactly."""

    COUNT = 1000
    ATTEMPTS = 3

    def exchange(self, kinds):
        seed = random.randrange(1 << 32)
        print(f"seed {seed}", end="; ")
        generator = random.Random(seed)
        plans = []
        for _ in range(self.COUNT):
            kind = generator.choice(kinds)
            plans.append((kind, kind.plan(generator)))
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            list(pool.map(lambda plan: plan[0].run(*plan[1]), plans))
        for kind in kinds:
            kind.server.join()
            self.assertEqual(kind.server.errors, [])

    def check_end(self, daemon, kind, direction, sent, received, family):
        lost = f"losses: {daemon.losses()}"
        tags = {"port": kind.port, "direction": direction, "family": family}
        for metric, value in ((OPENED, kind.count), (CLOSED, kind.count), (SENT, sent),
                              (RECEIVED, received)):
            self.assertEqual(daemon.total(metric, **tags), value, f"{metric}, {lost}")
        self.assertEqual(daemon.distribution("tcp.connection.duration", **tags)[0], kind.count)
        connects = kind.count if direction == "outgoing" else 0
        self.assertEqual(daemon.distribution("tcp.connect.duration", **tags)[0], connects)

    def check(self, daemon, kind, family):
        self.check_end(daemon, kind, "outgoing", kind.up, kind.down, family)
        self.check_end(daemon, kind, "incoming", kind.down, kind.up, family)
        self.assertEqual(daemon.total(OPENED, port=kind.port), 2 * kind.count)
        self.assertEqual(daemon.total(FAILED, port=kind.port), 0)
        self.assertEqual(active(daemon, port=kind.port), 0)
        print(f"{family} to {kind.host}: {kind.count} connections, {kind.up} bytes up, "
              f"{kind.down} down, both ends exact", end="; ")

    def check_counted(self, daemon, kinds):
        """What is missing is counted; never is more seen than was made."""
        missing = [2 * kind.count - daemon.total(CLOSED, port=kind.port) for kind in kinds]
        print(f"ends not closed {missing}, counted {changes_lost(daemon)}", end="; ")
        self.assertGreaterEqual(min(missing), 0)
        self.assertLessEqual(sum(missing), changes_lost(daemon))
        for kind in kinds:
            for metric in (SENT, RECEIVED):
                self.assertLessEqual(daemon.total(metric, port=kind.port), kind.up + kind.down)

    def observe(self):
        """True: every end is exact. Else what is missing is counted, as it may be where the kernel
        lets a task interrupt the programs of another one: neither program hears of such a change,
        and the kernel says so."""
        daemon = Daemon(self)
        kinds = {Exchange(self, "127.0.0.1", "127.0.0.1"): "ipv4",
                 Exchange(self, "::1", "::1"): "ipv6",
                 Exchange(self, "::", "::ffff:127.0.0.1"): "ipv4"}
        self.exchange(list(kinds))
        ends = sum(2 * kind.count for kind in kinds)
        def state():
            found = [(kind.port, 2 * kind.count, *(daemon.total(metric, port=kind.port)
                                                   for metric in (OPENED, CLOSED, FAILED)))
                     for kind in kinds]
            return f"port, ends, opened, closed, failed: {found}; lost {daemon.losses()}"
        harness.wait_until(lambda: sum(daemon.total(CLOSED, port=kind.port) for kind in kinds) +
                           changes_lost(daemon) >= ends, 30, state)
        print(f"recursion_misses {recursion_misses(daemon)}", end="; ")
        self.assertEqual(daemon.stop(), 0)
        if changes_lost(daemon) > 0 and kernel_release() >= PREEMPTS_PROGRAMS:
            self.check_counted(daemon, kinds)
            return False
        for kind, family in kinds.items():
            self.check(daemon, kind, family)
        return True

    def test_bytes_opened_closed_equal_the_truth(self):
        self.assertTrue(any(self.observe() for _ in range(self.ATTEMPTS)))


class Churn(unittest.TestCase):
    """Connections as fast as they come while every CPU is busy: each is closed, or counted lost.

    Softirqs interrupt the kernel programs then, and whatever a kernel does not tell them of must
    show in the balance of what entered and what left.
    """

    CHILDREN = 3
    SECONDS = 5
    SOURCE = """
import os, socket, sys, threading, time
if len(sys.argv) > 3:
    os.sched_setaffinity(0, {int(sys.argv[3])})
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)

def serve():
    while True:
        listener.accept()[0].close()

threading.Thread(target=serve, daemon=True).start()
made, end = 0, time.monotonic() + int(sys.argv[2])
while time.monotonic() < end:
    socket.create_connection(listener.getsockname()).close()
    made += 1
time.sleep(1)
print(made)
"""

    def check(self, daemon, made):
        """made: {port: connections}. Closed or counted, none twice, and no failure of ours."""
        self.assertEqual(daemon.stop(), 0)
        missing = [2 * count - daemon.total(CLOSED, port=port) for port, count in made.items()]
        lost = sum(daemon.losses().get(("tcp", reason), 0)
                   for reason in ("ring_full", "recursion", "vanished"))
        print(f"{sum(made.values())} connections, ends not closed {missing}, counted lost {lost}",
              end="; ")
        self.assertGreaterEqual(min(missing), 0)
        # By table, where a process hides its network namespace, they may be there: told as that.
        by_table = "tcp_live_table" in daemon.values("bpf.attached", "program")
        if not (by_table and ("tcp", "look_incomplete") in daemon.losses()):
            self.assertLessEqual(sum(missing), lost)
        for port in made:
            self.assertEqual(active(daemon, port=port), 0)
            self.assertLessEqual(set(daemon.values(FAILED, "reason", port=port)), {"reset"})

    def test_closed_or_counted(self):
        daemon = Daemon(self, "protocols.http=false")
        resets = resets_sent()
        ports = [free_port() for _ in range(self.CHILDREN)]
        children = [harness.spawn_python(self, self.SOURCE, port, self.SECONDS) for port in ports]
        made = {port: int(child.stdout.readline()) for port, child in zip(ports, children)}
        time.sleep(2)
        self.check(daemon, made)
        # A host whose TIME_WAIT buckets are full (a small guest's are) answers late FINs with RST.
        failed = sum(daemon.total(FAILED, port=port) for port in ports)
        self.assertLessEqual(failed, resets_sent() - resets)

    def test_interrupted(self):
        """One CPU handles what all the others receive: its softirqs interrupt the programs of the
        process that runs there, and the kernel skips state changes by hundreds. They are healed:
        hardly one is lost, and none is handled twice."""
        if os.cpu_count() < 2:
            self.skipTest("one CPU does not interrupt another")
        daemon = Daemon(self, "protocols.http=false")
        before = recursion_misses(daemon)
        if before is None:
            self.skipTest("this kernel does not count what it skips")
        namespace = Namespace(self)
        namespace.run("sh", "-c", "echo 2 > /sys/class/net/lo/queues/rx-0/rps_cpus")  # CPU 1
        ports = [free_port(), free_port()]
        children = [harness.spawn(self, *namespace.prefix, harness.PYTHON, "-c", self.SOURCE,
                                  str(port), str(self.SECONDS), str(cpu))
                    for cpu, port in enumerate(ports)]
        made = {port: int(child.stdout.readline()) for port, child in zip(ports, children)}
        time.sleep(2)
        skipped = recursion_misses(daemon) - before
        self.check(daemon, made)
        print(f"recursion_misses {skipped}", end="; ")
        if skipped == 0:
            self.skipTest("this kernel does not count what it skips of these programs (before 6.7)")
        self.assertLess(daemon.losses().get(("tcp", "recursion"), 0), skipped / 10)


class SocketStatistics:
    """What `ss -tin` says of one socket, found by its own port and its peer's."""

    def __init__(self, namespace, own_port, peer_port):
        text = namespace.run("ss", "-tinH", f"sport = :{own_port} and dport = :{peer_port}").stdout
        values = dict(re.findall(r"([a-z_]+):([0-9.]+)", text.replace("retrans:0/", "retrans:")))
        self.text = text
        self.sent = int(values.get("bytes_sent", 0)) - int(values.get("bytes_retrans", 0))
        self.received = int(values.get("bytes_received", 0))
        self.sent_segments = int(values["segs_out"])
        self.received_segments = int(values["segs_in"])
        self.retransmits = int(values.get("retrans", 0))
        self.rtt = float(values["rtt"]) / 1000


class ReusedSocket(unittest.TestCase):
    """Bytes, opened, closed equal the truth exactly, also of a socket that connects twice."""

    def test_disconnect_and_connect_again(self):
        daemon = Daemon(self)
        ports = (free_port(), free_port())
        sizes = (70_001, 30_003)
        with socket.socket() as client:
            for port, size in zip(ports, sizes):
                listener = harness.listen(self, port)
                client.connect(("127.0.0.1", port))
                server, _ = listener.accept()
                with server:
                    client.sendall(bytes(size))
                    harness.receive_exactly(server, size)
                    harness.disconnect(client)
        for port in ports:
            daemon.wait_for_total(CLOSED, 2, port=port)
        self.assertEqual(daemon.stop(), 0)
        for port, size in zip(ports, sizes):
            self.assertEqual(daemon.total(SENT, port=port, direction="outgoing"), size)
            self.assertEqual(daemon.total(RECEIVED, port=port, direction="incoming"), size)
            self.assertEqual(daemon.total(OPENED, port=port), 2)
            self.assertEqual(daemon.total(CLOSED, port=port), 2)
            self.assertEqual(active(daemon, port=port), 0)


    def test_first_life_leaves_nothing(self):
        """A socket of which nothing is expected any more is looked at again in its next life."""
        daemon = Daemon(self)
        ports = (free_port(), free_port())
        with socket.socket() as client:
            for port in ports:
                listener = harness.listen(self, port)
                client.connect(("127.0.0.1", port))
                server, _ = listener.accept()
                with server:
                    for _ in range(300 if port == ports[0] else 1):
                        client.sendall(b"\x00nothing known")
                        harness.receive_exactly(server, 14)
                    if port == ports[1]:
                        client.sendall(get("/again"))
                        harness.receive_exactly(server, len(get("/again")))
                        server.sendall(answer())
                        harness.receive_exactly(client, len(answer()))
                    harness.disconnect(client)
        for port in ports:
            daemon.wait_for_total(CLOSED, 2, port=port)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(daemon.weight("http.client.request.duration", port=ports[1]), 1)


class LiveConnection(unittest.TestCase):
    """A live connection's bytes, segments, retransmits and RTT equal `ss -tin`."""

    def setUp(self):
        harness.need("nft", "ss")
        self.daemon = Daemon(self)
        self.pair = Pair(self)
        self.port = free_port()

    def quiet(self, client, server):
        """ss of both ends, when two looks a while apart agree."""
        local = client.getsockname()[1]

        def look():
            return (SocketStatistics(self.pair.left, local, self.port),
                    SocketStatistics(self.pair.right, self.port, local))

        def settled():
            before = look()
            time.sleep(0.5)
            after = look()
            segments = [[end.sent_segments, end.received_segments, end.retransmits]
                        for ends in (before, after) for end in ends]
            return after if segments[:2] == segments[2:] else None
        return wait_until(settled, 30, "quiet")

    def check(self, direction, truth):
        tags = {"port": self.port, "direction": direction}
        for metric, value in ((SENT, truth.sent), (RECEIVED, truth.received),
                              ("tcp.sent.segments", truth.sent_segments),
                              ("tcp.received.segments", truth.received_segments),
                              ("tcp.retransmits", truth.retransmits)):
            # A look by table at another namespace than the daemon's own may be late.
            self.daemon.wait_for_total(metric, value, 60, **tags)
            self.assertEqual(self.daemon.total(metric, **tags), value, f"{metric}: {truth.text}")
        # Gauges are those of the last snapshot that is whole.
        wait_until(lambda: active(self.daemon, **tags) == 1, 60, "one that lives")
        print(f"{direction}: {truth.sent}/{truth.received} bytes, {truth.sent_segments}/"
              f"{truth.received_segments} segments, {truth.retransmits} retransmits", end="; ")

    def check_rtt(self, direction, truth):
        point = self.daemon.last_point("tcp.rtt", port=self.port, direction=direction)
        self.assertEqual(point["count"], 1)
        self.assertAlmostEqual(point["sum"], truth.rtt, delta=0.6e-6)
        self.assertLessEqual(abs(point["p50"] / truth.rtt - 1), 0.008)
        print(f"{direction} rtt {truth.rtt * 1e6:.0f} us, shown {point['p50'] * 1e6:.1f}", end="; ")

    def test_counters_and_rtt_equal_ss(self):
        client, server = self.pair.connect(self, self.port)
        harness.transfer(client, server, 1_000_000)
        self.pair.set_loss(self.port, True)
        harness.transfer(client, server, 1_500_000)
        harness.transfer(server, client, 700_000)
        self.pair.set_loss(self.port, False)
        harness.transfer(server, client, 300_000)
        outgoing, incoming = self.quiet(client, server)
        self.daemon.wait_for_snapshots(2)
        self.assertGreater(outgoing.retransmits, 0)
        self.assertEqual((outgoing.sent, outgoing.received), (2_500_000, 1_000_000))
        self.check("outgoing", outgoing)
        self.check("incoming", incoming)
        self.check_rtt("outgoing", outgoing)
        self.check_rtt("incoming", incoming)


class OlderConnections(unittest.TestCase):
    """Connections opened before the start: counted as active, right owner, no spike; their later
    bytes exact."""

    COUNT = 7
    BEFORE, LATER, BACK = 1_000_000, 54_321, 12_345

    def exchange(self, source, target, size):
        target.begin("receive", size)
        source.send(size)
        target.finish()

    def older_peers(self, service, host, namespace=None, connections=COUNT):
        port = free_port()
        server = Peer(self, f"{service}-server", namespace)
        client = Peer(self, f"{service}-client", namespace)
        server.listen(host, port)
        if connections:
            client.connect(host, port, connections)
            server.accept(connections)
            self.exchange(client, server, self.BEFORE)
        return port, server, client

    def check_start(self, daemon, port, server_tags, client_tags):
        wait_for_active(daemon, self.COUNT, port=port, **server_tags)
        wait_for_active(daemon, self.COUNT, port=port, **client_tags)
        daemon.wait_for_snapshots(2)
        self.assertEqual(active(daemon, port=port), 2 * self.COUNT)
        for metric in (SENT, RECEIVED, OPENED, CLOSED, FAILED, "tcp.sent.segments"):
            self.assertEqual(daemon.total(metric, port=port), 0, metric)

    def check_later(self, daemon, port, server_tags, client_tags):
        later, back = self.COUNT * self.LATER, self.COUNT * self.BACK
        daemon.wait_for_total(CLOSED, 2 * self.COUNT, port=port)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(daemon.total(SENT, port=port, **client_tags), later)
        self.assertEqual(daemon.total(RECEIVED, port=port, **client_tags), back)
        self.assertEqual(daemon.total(SENT, port=port, **server_tags), back)
        self.assertEqual(daemon.total(RECEIVED, port=port, **server_tags), later)
        self.assertEqual(daemon.total(SENT, port=port), later + back)
        self.assertEqual(daemon.total(CLOSED, port=port), 2 * self.COUNT)
        self.assertEqual(daemon.total(OPENED, port=port), 0)
        self.assertEqual(daemon.total(FAILED, port=port), 0)
        self.assertEqual(active(daemon, port=port), 0)
        print(f"{self.COUNT} older connections: active, 0 bytes at start, then "
              f"{later} and {back} exact", end="; ")

    @staticmethod
    def tags_of_end(direction, service):
        """Until it does something, /proc alone knows whose an older connection is."""
        return {"direction": direction, **({"service": service} if harness.has_host_pids() else {})}

    def show(self, service, host, namespace=None):
        port, server, client = self.older_peers(service, host, namespace)
        server_tags = self.tags_of_end("incoming", f"{service}-server")
        client_tags = self.tags_of_end("outgoing", f"{service}-client")
        daemon = Daemon(self)
        self.check_start(daemon, port, server_tags, client_tags)
        self.exchange(client, server, self.LATER)
        self.exchange(server, client, self.BACK)
        client.close()
        server.close()
        self.check_later(daemon, port, server_tags, client_tags)

    def test_ipv4(self):
        self.show("older", "127.0.0.1")

    def test_ipv6(self):
        self.show("older6", "::1")

    def test_in_another_network_namespace(self):
        self.show("elsewhere", "127.0.0.1", Namespace(self))

    def test_in_a_namespace_without_a_process(self):
        port = free_port()
        with Namespace(self).entered():
            listener = harness.listen(self, port)
            client = socket.create_connection(("127.0.0.1", port))
        self.addCleanup(client.close)
        server, _ = listener.accept()
        self.addCleanup(server.close)
        client.sendall(bytes(self.BEFORE // 10))
        harness.receive_exactly(server, self.BEFORE // 10)
        daemon = Daemon(self)
        wait_for_active(daemon, 1, port=port, direction="incoming")
        wait_for_active(daemon, 1, port=port, direction="outgoing")
        server.sendall(bytes(self.BACK))
        harness.receive_exactly(client, self.BACK)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(daemon.total(SENT, port=port), self.BACK)
        self.assertEqual(daemon.total(RECEIVED, port=port), self.BACK)
        self.assertEqual(daemon.total(OPENED, port=port), 0)

    def connecting(self, count):
        """A pair whose port drops everything, and clients in SYN_SENT."""
        harness.need("nft")
        pair, port = Pair(self), free_port()
        pair.right.run("nft", f"table inet block {{ chain input {{ type filter hook input "
                              f"priority 0\n tcp dport {port} drop\n }}\n }}")
        clients = [pair.left.socket() for _ in range(count)]
        for client in clients:
            self.addCleanup(client.close)
            client.setblocking(False)
            self.assertEqual(client.connect_ex((Pair.RIGHT, port)), errno.EINPROGRESS)
        return pair, port, clients

    def test_connecting_at_the_start(self):
        pair, port, clients = self.connecting(3)
        with pair.right.entered():
            harness.listen(self, port, Pair.RIGHT)
        daemon = Daemon(self)
        tags = {"port": port, "direction": "outgoing"}
        clients.pop().close()
        pair.right.run("nft", "flush ruleset")
        daemon.wait_for_total(OPENED, 2, **tags)
        wait_for_active(daemon, 2, **tags)
        for client in clients:
            client.close()
        daemon.wait_for_total(CLOSED, 2, **tags)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(daemon.total(OPENED, **tags), 2)
        self.assertEqual(daemon.total(FAILED, port=port), 1)
        self.assertEqual(daemon.total(FAILED, reason="cancelled", **tags), 1)

    def test_children_of_an_older_listener_get_its_service(self):
        port, server, client = self.older_peers("listener", "127.0.0.1", connections=0)
        daemon = Daemon(self)
        tags = {"port": port, "direction": "incoming", "service": "listener-server"}
        client.connect("127.0.0.1", port, self.COUNT)
        wait_for_active(daemon, self.COUNT, **tags)
        server.accept(self.COUNT)
        self.exchange(client, server, self.LATER)
        client.close()
        server.close()
        daemon.wait_for_total(CLOSED, 2 * self.COUNT, port=port)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(daemon.total(OPENED, **tags), self.COUNT)
        self.assertEqual(daemon.total(OPENED, port=port), 2 * self.COUNT)
        self.assertEqual(daemon.total(RECEIVED, **tags), self.COUNT * self.LATER)
        self.assertEqual(daemon.total(RECEIVED, port=port), self.COUNT * self.LATER)

    SHARED = """
import os, socket, subprocess, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
listener.close()
another = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE,
                           pass_fds=(client.fileno(), server.fileno()),
                           env={**os.environ, "DD_SERVICE": "shared-by-another"})
print(another.pid, flush=True)
sys.stdin.read()
"""

    def shared(self):
        """A connection that two processes hold, and whose listener is gone: its port, and the
        service of the process with the lower pid, which the seed meets first."""
        port = free_port()
        holder = harness.spawn_python(self, self.SHARED, port, service="shared-by-one")
        another = int(holder.stdout.readline())
        return port, "shared-by-one" if holder.pid < another else "shared-by-another"

    @staticmethod
    def port_of_a_client():
        """A free one among those that the kernel gives to clients."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            return listener.getsockname()[1]

    SERVER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print(listener.getsockname()[1], flush=True)
accepted = []
while True:
    accepted.append(listener.accept())
"""

    def connect_to(self, port):
        self.addCleanup(socket.create_connection(("127.0.0.1", port)).close)

    def serve(self, service, port):
        """The port of a server with one connection."""
        server = harness.spawn_python(self, self.SERVER, port, service=service)
        port = int(server.stdout.readline())
        self.connect_to(port)
        return port

    def check_servers(self, daemon, numbered, count):
        """So many connections of each, and all of them as the server's."""
        for port, service in ((numbered, "numbered"), ("ephemeral", "chosen")):
            wait_for_active(daemon, count, port=port, direction="incoming", service=service)
            self.assertEqual(active(daemon, service=service), count)

    def test_what_only_the_listener_tells(self):
        """And the owner of what several processes hold, and who is the server without a listener.
        Children of older listeners are as the older connections are."""
        shared, holder = self.shared()
        numbered = self.serve("numbered", self.port_of_a_client())
        chosen = self.serve("chosen", 0)
        daemon = Daemon(self, "protocols.http=false")
        self.check_servers(daemon, numbered, 1)
        self.connect_to(numbered)
        self.connect_to(chosen)
        self.check_servers(daemon, numbered, 2)
        for direction in ("incoming", "outgoing"):
            self.assertEqual(active(daemon, port=shared, direction=direction, service=holder), 1)
        self.assertEqual(active(daemon, port=shared), 2)

    def test_waiting_in_the_accept_queue_at_the_start(self):
        port, server, client = self.older_peers("queued", "127.0.0.1", connections=0)
        client.connect("127.0.0.1", port, self.COUNT)
        daemon = Daemon(self)
        wait_for_active(daemon, self.COUNT, port=port, direction="incoming")
        server.accept(self.COUNT)
        self.exchange(server, client, self.BACK)
        wait_for_active(daemon, self.COUNT, port=port, service="queued-server")
        client.close()
        server.close()
        daemon.wait_for_total(CLOSED, 2 * self.COUNT, port=port)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(daemon.total(SENT, port=port, service="queued-server"),
                         self.COUNT * self.BACK)
        self.assertEqual(daemon.total(CLOSED, port=port, service="queued-server"), self.COUNT)


class AcceptedSockets(unittest.TestCase):
    """An accepted socket starts with its listener's owner and moves to the process that really
    uses it as soon as that can be known."""

    REQUEST, RESPONSE = 40_000, 90_000

    def round_trip(self, server, client, request, response):
        server.begin("receive", request)
        client.send(request)
        server.finish()
        client.begin("receive", response)
        server.send(response)
        client.finish()

    def handed_over(self, daemon):
        """A parent listens and accepts; a child of another service serves."""
        port = free_port()
        server, client = Peer(self, "parent"), Peer(self, "caller")
        server.listen("127.0.0.1", port)
        client.connect("127.0.0.1", port)
        server.accept(1)
        wait_for_active(daemon, 1, port=port, service="parent")
        server.hand_over("child")
        return port, server, client

    def test_bytes_move_to_the_serving_child(self):
        daemon = Daemon(self)
        port, server, client = self.handed_over(daemon)
        self.round_trip(server, client, 1, 1)
        wait_for_active(daemon, 1, port=port, service="child")
        self.assertEqual(active(daemon, port=port, direction="incoming"), 1)
        self.assertEqual(active(daemon, port=port, service="parent"), 0)
        sent = daemon.total(SENT, port=port, service="child")
        received = daemon.total(RECEIVED, port=port, service="child")
        self.round_trip(server, client, self.REQUEST, self.RESPONSE)
        client.close()
        server.close()
        daemon.wait_for_total(CLOSED, 2, port=port)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(daemon.total(SENT, port=port, service="child") - sent, self.RESPONSE)
        self.assertEqual(daemon.total(RECEIVED, port=port, service="child") - received,
                         self.REQUEST)
        self.assertEqual(sent, 1)
        self.assertEqual(daemon.total(SENT, port=port, service="parent"), 0)
        self.assertEqual(daemon.total(SENT, port=port, direction="incoming"), self.RESPONSE + 1)
        self.assertEqual(daemon.total(RECEIVED, port=port, direction="incoming"),
                         self.REQUEST + 1)
        self.assertEqual(daemon.total(CLOSED, port=port, service="child"), 1)
        self.assertEqual(daemon.total(OPENED, port=port, service="parent"), 1)
        self.assertEqual(daemon.total(OPENED, port=port, direction="incoming"), 1)
        self.assertEqual(active(daemon, port=port), 0)
        print(f"child: {self.RESPONSE + 1} sent, {self.REQUEST} received; parent: 0 sent", end="; ")

    def test_a_child_that_only_reads_is_known_at_the_close(self):
        daemon = Daemon(self, "protocols.http=false")
        port, server, client = self.handed_over(daemon)
        server.begin("receive", self.REQUEST)
        client.send(self.REQUEST)
        server.finish()
        server.close()
        client.close()
        daemon.wait_for_total(CLOSED, 2, port=port)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(daemon.total(CLOSED, port=port, service="child"), 1)
        self.assertEqual(daemon.total(RECEIVED, port=port, direction="incoming"), self.REQUEST)
        self.assertEqual(active(daemon, port=port), 0)


class Failures(unittest.TestCase):
    """Refused, timed out (dropped by an nft rule in a namespace), reset, unreachable, cancelled:
    each under its reason."""

    COUNT = 3
    RULES = """
        table inet block {
            chain input {
                type filter hook input priority 0;
                tcp dport DROP drop
                tcp dport UNREACHABLE reject with icmpx host-unreachable
            }
        }"""

    def setUp(self):
        self.daemon = Daemon(self, "protocols.http=false")

    def check(self, port, reason, count=COUNT, established=0):
        """So many failures, all of this reason; never opened when never established."""
        self.daemon.wait_for_total(FAILED, count, port=port)
        self.daemon.wait_for_snapshots(2)
        reasons = self.daemon.values(FAILED, "reason", port=port)
        self.assertEqual(reasons, [reason])
        self.assertEqual(self.daemon.total(FAILED, port=port, reason=reason), count)
        self.assertEqual(self.daemon.total(FAILED, port=port, direction="outgoing"), count)
        for metric in (OPENED, CLOSED):
            self.assertEqual(self.daemon.total(metric, port=port, direction="outgoing"),
                             established, metric)
        self.assertEqual(active(self.daemon, port=port, direction="outgoing"), 0)
        print(f"{reason}: {count} of {count}", end="; ")

    def blocked_pair(self):
        """Namespaces where one port is dropped and one answered by ICMP."""
        harness.need("nft")
        pair = Pair(self)
        dropped, unreachable = free_port(), free_port()
        rules = self.RULES.replace("DROP", str(dropped)).replace("UNREACHABLE", str(unreachable))
        pair.right.run("nft", rules)
        return pair, dropped, unreachable

    def fail_to_connect(self, expected, address, namespace=None, user_timeout_ms=0):
        """COUNT connects at once, each failing with this errno."""
        def connect(_):
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            with contextlib.closing(namespace.socket(family) if namespace
                                    else socket.socket(family)) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, user_timeout_ms)
                with self.assertRaises(OSError) as caught:
                    client.connect(address)
                return errno.errorcode[caught.exception.errno]
        with concurrent.futures.ThreadPoolExecutor(self.COUNT) as pool:
            results = collections.Counter(pool.map(connect, range(self.COUNT)))
        self.assertEqual(results, {errno.errorcode[expected]: self.COUNT})

    def test_refused(self):
        port = free_port()
        self.fail_to_connect(errno.ECONNREFUSED, ("127.0.0.1", port))
        self.check(port, "refused")

    def test_refused_twice_on_one_socket(self):
        port = free_port()
        with socket.socket() as client:
            for _ in range(2):
                self.assertEqual(client.connect_ex(("127.0.0.1", port)), errno.ECONNREFUSED)
        self.check(port, "refused", count=2)

    def test_refused_over_ipv6(self):
        port = free_port()
        self.fail_to_connect(errno.ECONNREFUSED, ("::1", port))
        self.check(port, "refused")
        self.assertEqual(self.daemon.values(FAILED, "family", port=port), ["ipv6"])

    def test_timed_out_after_the_last_syn(self):
        pair, port, _ = self.blocked_pair()
        pair.left.run("sysctl", "-qw", "net.ipv4.tcp_syn_retries=1")
        self.fail_to_connect(errno.ETIMEDOUT, (Pair.RIGHT, port), pair.left)
        self.check(port, "timeout")

    def test_timed_out_by_tcp_user_timeout(self):
        pair, port, _ = self.blocked_pair()
        self.fail_to_connect(errno.ETIMEDOUT, (Pair.RIGHT6, port), pair.left, user_timeout_ms=500)
        self.check(port, "timeout")

    def connected(self, listener, address, namespace=None):
        client = namespace.socket() if namespace else socket.socket()
        self.addCleanup(client.close)
        client.settimeout(30)
        client.connect(address)
        server, _ = listener.accept()
        self.addCleanup(server.close)
        return client, server

    def test_established_connection_timed_out(self):
        pair = Pair(self)
        port = free_port()
        with pair.right.entered():
            listener = harness.listen(self, port, Pair.RIGHT)
        client, server = self.connected(listener, (Pair.RIGHT, port), pair.left)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 500)
        pair.right.run("nft", f"table inet block {{ chain input {{ type filter hook input "
                              f"priority 0\n tcp dport {port} drop\n }}\n }}")
        client.sendall(b"into the void")
        with self.assertRaises(TimeoutError) as caught:
            client.recv(1)
        self.assertEqual(caught.exception.errno, errno.ETIMEDOUT)
        self.check(port, "timeout", count=1, established=1)

    def test_reset_by_the_peer(self):
        port = free_port()
        listener = harness.listen(self, port)
        for _ in range(self.COUNT):
            client, server = self.connected(listener, ("127.0.0.1", port))
            close_with_reset(server)
            with self.assertRaises(ConnectionResetError):
                client.recv(1)
        self.check(port, "reset", established=self.COUNT)
        self.assertEqual(self.daemon.total(CLOSED, port=port, direction="incoming"), self.COUNT)

    def test_reset_while_the_client_had_already_finished(self):
        port = free_port()
        listener = harness.listen(self, port)
        for _ in range(self.COUNT):
            client, server = self.connected(listener, ("127.0.0.1", port))
            client.sendall(b"never read")
            client.shutdown(socket.SHUT_WR)
            close_with_reset(server)
            with self.assertRaises(ConnectionResetError):
                client.recv(1)
        self.check(port, "reset", established=self.COUNT)

    def test_unreachable_without_neighbour(self):
        pair = Pair(self)
        port = free_port()
        self.fail_to_connect(errno.EHOSTUNREACH, ("10.99.0.77", port), pair.left)
        self.check(port, "unreachable")

    def test_unreachable_by_icmp(self):
        pair, _, port = self.blocked_pair()
        self.fail_to_connect(errno.EHOSTUNREACH, (Pair.RIGHT, port), pair.left)
        self.check(port, "unreachable")

    def test_unreachable_by_icmp6(self):
        pair, _, port = self.blocked_pair()
        self.fail_to_connect(errno.EHOSTUNREACH, (Pair.RIGHT6, port), pair.left)
        self.check(port, "unreachable")

    def connect_and_poll(self, client, address):
        """As event loops do: the errno that SO_ERROR tells when poll() says that there is one;
        None while there is none. (IPv6 does not wake the program, and tries again.)"""
        client.setblocking(False)
        self.assertEqual(client.connect_ex(address), errno.EINPROGRESS)
        poll = select.poll()
        poll.register(client, select.POLLOUT)
        if not poll.poll(300):
            return None
        return errno.errorcode.get(client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    # what the router or the other end does, address, what the program is told, reason
    ICMP = (
        ("route unreachable", "10.98.0.1", "EHOSTUNREACH", "unreachable"),
        ("route prohibit", "10.98.0.2", "EHOSTUNREACH", "unreachable"),
        ("reject with icmp net-unreachable", Pair.RIGHT, "ENETUNREACH", "unreachable"),
        ("reject with icmp port-unreachable", Pair.RIGHT, "ECONNREFUSED", "refused"),
        ("reject with icmp host-prohibited", "::ffff:10.99.0.2", "EHOSTUNREACH", "unreachable"),
        ("reject with tcp reset", Pair.RIGHT, "ECONNREFUSED", "refused"),
        ("drop", Pair.RIGHT, None, "cancelled"),
        ("reject with icmpv6 no-route", Pair.RIGHT6, "ENETUNREACH", "unreachable"),
        ("reject with icmpv6 port-unreachable", Pair.RIGHT6, "ECONNREFUSED", "refused"),
        ("reject with icmpv6 admin-prohibited", Pair.RIGHT6, "EACCES", "unreachable"),
        ("drop", Pair.RIGHT6, None, "cancelled"),
    )

    def icmp_pair(self):
        """Namespaces, and for each case of ICMP the port that the right one treats so."""
        harness.need("nft")
        pair = Pair(self)
        ports = [free_port() for _ in self.ICMP]
        rules = ""
        for (does, address, *_), port in zip(self.ICMP, ports):
            if does.startswith("route"):
                pair.right.run("ip", "route", "add", does.split()[1], address)
                pair.left.run("ip", "route", "add", address, "via", Pair.RIGHT)
            else:
                rules += f"tcp dport {port} {does}\n"
        pair.right.run("nft", f"table inet block {{ chain input {{ type filter hook input "
                              f"priority 0\n {rules} }}\n }}")
        pair.right.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0",
                       "net.ipv4.ip_forward=1")
        with contextlib.closing(pair.left.socket(socket.AF_INET6)) as client:
            client.connect_ex((Pair.RIGHT6, free_port()))  # its neighbour is known from now on
        return pair, ports

    def test_icmp_that_finds_the_socket_in_connect(self):
        pair, ports = self.icmp_pair()
        for (does, address, told, _), port in zip(self.ICMP, ports):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with contextlib.closing(pair.left.socket(family)) as client:
                heard = self.connect_and_poll(client, (address, port))
            self.assertIn(heard, (told, None) if "icmpv6" in does else (told,), does)
        refusing, dropping = ports[3], ports[6]
        with contextlib.closing(pair.left.socket()) as client:
            self.assertEqual(self.connect_and_poll(client, (Pair.RIGHT, refusing)), "ECONNREFUSED")
            harness.disconnect(client)
            self.assertIsNone(self.connect_and_poll(client, (Pair.RIGHT, dropping)))
        self.daemon.wait_for_total(FAILED, 2, port=dropping)
        self.daemon.wait_for_snapshots(1)
        seen = [(*case[:3], *self.daemon.values(FAILED, "reason", port=port))
                for case, port in zip(self.ICMP, ports)]
        self.assertEqual(seen, list(self.ICMP))
        for port in ports:
            self.assertEqual(self.daemon.total(FAILED, port=port),
                             2 if port in (refusing, dropping) else 1)

    def test_no_local_port_is_left(self):
        pair = Pair(self)
        pair.left.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40000")
        port = free_port()
        with pair.right.entered():
            harness.listen(self, port, Pair.RIGHT)
        with contextlib.closing(pair.left.socket()) as first:
            first.connect((Pair.RIGHT, port))
            self.fail_to_connect(errno.EADDRNOTAVAIL, (Pair.RIGHT, port), pair.left)
        self.check(port, "other", established=1)

    def test_cancelled_by_its_own_process(self):
        pair, port, _ = self.blocked_pair()
        for _ in range(self.COUNT):
            client = pair.left.socket()
            client.setblocking(False)
            self.assertEqual(client.connect_ex((Pair.RIGHT, port)), errno.EINPROGRESS)
            client.close()
        self.check(port, "cancelled")


if __name__ == "__main__":
    unittest.main(verbosity=2)
