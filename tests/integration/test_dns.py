# SPDX-License-Identifier: Apache-2.0
"""DNS: every question is counted once at each end, under whose it is and what became of
it; what is no DNS, what nobody asked for and what nobody answers is counted as that.

Port 53 is in namespaces of the tests' own. Clients and servers are children with services of their
own, since every other process of the machine may ask as well.
"""

import collections
import json
import os
import unittest

import dns_peer
import harness
from harness import Daemon, Namespace, read_word, spawn

CONSOLE = harness.console_of("dns.*", "usm.lost", "sockeye.kernel.lost")
HERE = os.path.dirname(os.path.abspath(__file__))
DNS = ("protocols.dns=true", "dns.timeout=1s")
CLIENT, SERVER = "dns.lookup.duration", "dns.server.lookup.duration"


def service(part):
    return f"dns-{part}-{os.getpid()}"


class Case(unittest.TestCase):
    """Daemons, and clients and servers in namespaces of their own."""

    maxDiff = None

    def child(self, namespace, name, *words):
        return spawn(self, *namespace.prefix, *words, cwd=HERE,
                     env=harness.clean_environment(DD_SERVICE=service(name)))

    def serve(self, name, port=53):
        """A namespace with a server in it."""
        namespace = Namespace(self)
        read_word(self.child(namespace, f"{name}-server", harness.PYTHON, "dns_peer.py", "::",
                             str(port)), "ready")
        return namespace

    def begin(self, namespace, name, source):
        """A client that runs by itself."""
        return self.child(namespace, f"{name}-client", harness.PYTHON, "-c",
                          "import json, random, time\nfrom dns_peer import *\n" + source)

    def finish(self, client):
        """What it has printed at its end."""
        said, _ = client.communicate(timeout=harness.HANG_SECONDS)
        self.assertEqual(client.returncode, 0)
        return json.loads(said) if said else None

    def seen(self, daemon, metric, name):
        """{(type, rcode or error_type ...): count}."""
        seen = collections.Counter()
        for tags, (_, count, _) in daemon.series(metric, service=service(name)):
            self.assertEqual(tags["port"], "53")
            outcome = [tags[key] for key in ("rcode", "error_type") if key in tags]
            outcome += ["tcp"] if tags["transport"] == "tcp" else []
            seen[tags["type"], *outcome] += count
        return dict(seen)

    def lost(self, daemon, name, direction):
        lost = collections.Counter()
        for tags, (_, amount, _) in daemon.series("usm.lost", service=service(name),
                                                  direction=direction):
            self.assertEqual(tags["port"], "53")
            lost[tags["reason"]] += amount
        return dict(lost)

    def check(self, daemon, name, expected, lost=None):
        """Both ends saw the same, and neither is the other one."""
        for metric, other, end, direction in ((CLIENT, SERVER, "client", "outgoing"),
                                              (SERVER, CLIENT, "server", "incoming")):
            with self.subTest(name, end=end):
                self.assertEqual(self.seen(daemon, metric, f"{name}-{end}"), expected)
                self.assertEqual(self.seen(daemon, other, f"{name}-{end}"), {})
                self.assertEqual(self.lost(daemon, f"{name}-{end}", direction), lost or {})


class Exact(Case):
    """A server that does as it is asked."""

    OUTCOMES = """
silent = [client() for _ in range(5)]
for one in silent:
    one.send(question(3, "silent.example", AAAA))
udp = client()
for i in range(200):
    ask(udp, question(2 * i, f"host{i}.example", A), question(2 * i + 1, f"host{i}.example", AAAA))
for host in ("127.0.0.1", "::1"):
    for i in range(20):
        ask(client(host), question(0, f"nx.{i}.example"))
unconnected = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(10):
    unconnected.sendto(question(i, "Mixed.Case.EXAMPLE"), ("127.0.0.1", 53))
    unconnected.recv(4096)
for i in range(7):
    ask(udp, question(i, "fail.example"))
    ask(udp, question(i, "cut.example"))
ask(udp, question(5, "svc.example", HTTPS), question(5, "odd.example", 999))
ask(udp, question(6, "zone.example", 6, 4 << 11), question(7, "zone.example", 6, 5 << 11))
ask(udp, question(8, ".".join(["l" * 63] * 3 + ["k" * 53, "example"])))
ask(udp, question(9, ".".join("x" * 127)))
# One id, two questions, the second one while the first one waits.
for kind in (A, AAAA):
    udp.send(question(10, "slow.example", kind))
udp.recv(4096), udp.recv(4096)
# Who asks again waits on: its answer is later than the first question's timeout.
for _ in range(2):
    udp.send(question(11, "third.example"))
    time.sleep(0.7)
ask(udp, question(11, "third.example"))
"""
    OUTCOMES_SEEN = {
        ("A", "NOERROR"): 200 + 10 + 2 + 2, ("AAAA", "NOERROR"): 200 + 1, ("A", "NXDOMAIN"): 40,
        ("A", "SERVFAIL"): 7, ("A", "NOERROR", "truncated"): 7, ("HTTPS", "NOERROR"): 1,
        ("TYPE999", "NOERROR"): 1, ("NOTIFY", "NOERROR"): 1, ("UPDATE", "NOERROR"): 1,
        ("AAAA", "timeout"): 5}

    # Nothing of it is a question, or an answer to one.
    HOSTILE = """
udp = client()
for i in range(7):
    unasked = client(seconds=0.2)
    unasked.send(question(i, "unasked.example"))
    unasked.recv(4096)
head = struct.pack("!6H", 1, 0x0100, 1, 0, 0, 0)
tail = struct.pack("!2H", 1, 1)
junk = [b"", b"x", head, head + tail, head[:11], question(1, "cut.off.junk")[:-5],
        head + b"\\xc0\\x0c" + tail, head + b"\\x01a\\xc0\\x0c" + tail,
        head + b"\\x40" + b"a" * 64 + b"\\0" + tail, head + b"\\x3f" * 300 + tail,
        head + b"\\x01a" * 255 + b"\\0" + tail, head + bytes([1]) * 2000,
        question(1, ".".join(["l" * 63] * 4)), question(1, ".".join("y" * 128)),
        question(1, "status.junk", A, 2 << 11), b"\\0\\1\\1\\0\\0\\2" + question(1, "two.junk")[6:],
        b"\\0\\1\\1\\0\\0\\1\\0\\1" + question(1, "told.junk")[8:]]
junk += [random.randbytes(2) + b"\\x78" + random.randbytes(random.randrange(500))
         for _ in range(500)]
for one in junk:
    udp.send(one)
time.sleep(1.1)
print(json.dumps(len(junk)))
"""

    def test_outcomes(self):
        daemon = Daemon(self, *DNS, console=CONSOLE)
        outcomes = self.begin(self.serve("outcomes"), "outcomes", self.OUTCOMES)
        hostile = self.begin(self.serve("hostile"), "hostile", self.HOSTILE)
        self.finish(outcomes)
        junk = self.finish(hostile)
        self.assertEqual(daemon.stop(), 0)
        self.check(daemon, "outcomes", self.OUTCOMES_SEEN)
        self.check(daemon, "hostile", {("A", "timeout"): 7},
                   {"malformed": junk, "response_alone": 7})

    def test_more_than_can_wait(self):
        """Each is told as unanswered, or counted as one for which there was no room; of sockets
        that are not counted, too."""
        daemon = Daemon(self, *DNS, "connections.udp=false", console=CONSOLE)
        self.finish(self.begin(self.serve("full"), "full", """
udp = client()
ask(udp, question(1, "host.example"))
for i in range(10_000):
    udp.send(question(i, f"silent.{i}.example"))
time.sleep(1.1)
"""))
        self.assertEqual(daemon.stop(), 0)
        told, lost = 0, 0
        for metric, end, direction in ((CLIENT, "client", "outgoing"),
                                       (SERVER, "server", "incoming")):
            seen = self.seen(daemon, metric, f"full-{end}")
            self.assertEqual(seen["A", "NOERROR"], 1)
            told += seen["A", "timeout"]
            lost += self.lost(daemon, f"full-{end}", direction)["pipeline_full"]
        self.assertEqual(told + lost, 20_000)
        self.assertGreater(lost, 0)  # no more than 16 384 wait at once, for five seconds
        self.assertEqual(daemon.series("udp.sent.datagrams"), [])


class Streams(Case):
    """Over TCP, by a real server: after an answer that was cut, several questions in one
    connection, one segment, and cut anywhere."""

    ADDRESSES, EACH = 100, 20

    SOURCE = """
def connect():
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", 53), timeout=20)
        except ConnectionRefusedError:
            time.sleep(0.05)

connect().close()
udp = client()
for i in range(EACH):
    ask(udp, question(i, "many.names.test"))
    with connect() as tcp:
        ask_stream(tcp, [frame(question(i, "many.names.test"))], 1)
with connect() as tcp:
    for i in range(EACH):
        ask_stream(tcp, [frame(question(3 * i, "one.names.test")) +
                         frame(question(3 * i + 1, "one.names.test", AAAA)) +
                         frame(question(3 * i + 2, "none.names.test"))], 3)
with connect() as tcp:
    ask_stream(tcp, [frame(question(0, "one.names.test"))], 1)
    whole = frame(question(1, "Many.Names.TEST"))
    for cut in range(1, len(whole)):
        ask_stream(tcp, [whole[:cut], whole[cut:]], 1)
    print(json.dumps(len(whole)))
with connect() as tcp:
    ask_stream(tcp, [frame(question(0, "one.names.test"))], 1)
    tcp.sendall(frame(bytes(3)) + b"GET / HTTP/1.1")
    time.sleep(0.3)
"""

    def test_over_tcp(self):
        harness.need("dnsmasq")
        daemon = Daemon(self, *DNS, console=CONSOLE)
        namespace, folder = Namespace(self), harness.temporary_folder(self)
        hosts = os.path.join(folder, "hosts")
        with open(hosts, "w", encoding="utf-8") as file:
            file.writelines(f"10.1.0.{i} many.names.test\n" for i in range(self.ADDRESSES))
            file.write("10.2.0.1 one.names.test\nfd00::1 one.names.test\n")
        self.child(namespace, "tcp-server", "dnsmasq", "--keep-in-foreground",
                   "--conf-file=/dev/null", "--no-resolv", "--no-hosts", f"--addn-hosts={hosts}",
                   "--port=53", "--user=root", "--listen-address=127.0.0.1", "--bind-interfaces",
                   "--local=/names.test/", f"--pid-file={folder}/pid",
                   f"--log-facility={folder}/log")
        cuts = self.finish(self.begin(namespace, "tcp", f"EACH = {self.EACH}\n" + self.SOURCE)) - 1
        self.assertEqual(daemon.stop(), 0)
        expected = {("A", "NOERROR", "truncated"): self.EACH,
                    ("A", "NOERROR", "tcp"): 2 * self.EACH + 1 + cuts + 1,
                    ("AAAA", "NOERROR", "tcp"): self.EACH, ("A", "NXDOMAIN", "tcp"): self.EACH}
        self.check(daemon, "tcp", expected, {"malformed": 1})


class WhenSeen(Case):
    """By itself it is not loaded before it is seen, and never when it is switched off."""

    def test_first_seen(self):
        daemon = Daemon(self, "protocols.dns=auto", console=CONSOLE)
        off = Daemon(self, console=CONSOLE)
        namespace = self.serve("first")

        def loaded():
            self.finish(self.begin(namespace, "first", "ask(client(), question(1, 'host.example'))"))
            return any("requests of DNS are seen" in line for line in daemon.log)
        harness.wait_until(loaded)
        self.finish(self.begin(namespace, "first", """
for i in range(9):
    ask(client(), question(i, "host.example", AAAA))
"""))
        self.assertEqual((daemon.stop(), off.stop()), (0, 0))
        for metric, end in ((CLIENT, "client"), (SERVER, "server")):
            self.assertEqual(self.seen(daemon, metric, f"first-{end}")["AAAA", "NOERROR"], 9)
            self.assertEqual(off.series(metric), [])
        self.assertEqual([loss for loss in off.losses() if loss[0] == "dns"], [])


class Measured(Case):
    """A real server with 10 000 names, each of both families asked for from a socket with two ids
    at once; beside it one that takes its time, and one that is reached by translation."""

    NAMES = 10_000

    DURATIONS = """
udp = client()
took = [ask(udp, question(i, "slow.example"))[0] for i in range(20)]
begin = time.monotonic()
udp.send(question(99, "again.example", AAAA))
time.sleep(0.3)
ask(udp, question(99, "again.example", AAAA))
took.append(time.monotonic() - begin)
print(json.dumps(took))
"""

    # It knows another address and port than its questions go to.
    TRANSLATED = """
for i in range(30):
    ask(client("10.9.9.9"), question(i, "host.example"))
"""

    def translated(self):
        namespace = self.serve("translated", 5398)
        namespace.run("ip", "address", "add", "10.9.9.1/32", "dev", "lo")
        namespace.run("ip", "route", "add", "10.9.9.9/32", "dev", "lo")
        namespace.run("nft", "table ip nat { chain output { type nat hook output priority -100; "
                      "ip daddr 10.9.9.9 udp dport 53 dnat to 10.9.9.1:5398; }; }")
        return namespace

    def check_durations(self, daemon, took):
        """As the client measures them; asked again, since the first time."""
        for metric, end in ((CLIENT, "client"), (SERVER, "server")):
            tags = {"service": service(f"durations-{end}")}
            count, seconds = daemon.distribution(metric, type="A", **tags)
            self.assertEqual(count, 20)
            harness.assert_waited(self, seconds, 20 * dns_peer.SLOW_SECONDS, sum(took[:20]))
            count, seconds = daemon.distribution(metric, type="AAAA", **tags)
            self.assertEqual(count, 1)
            # A server that had to wait for a processor may have taken the first one late.
            harness.assert_waited(self, seconds, 0.3 if end == "client" else 0.1, took[20])

    def check_mean(self, daemon, client, wire):
        """Of answers in microseconds: less than by the client's clock, which also has its system
        calls, and more than between its packets."""
        count, seconds = 0, 0.0
        for kind in ("A", "AAAA"):
            of_kind = daemon.distribution(CLIENT, service=service("masq-client"), type=kind)
            count, seconds = count + of_kind[0], seconds + of_kind[1]
        self.assertEqual(count, 2 * self.NAMES)
        seen = seconds / count
        print(f"{client * 1e6:.1f} us by the client, {seen * 1e6:.1f} us by the daemon, "
              f"{wire * 1e6:.1f} us between packets", end="; ")
        self.assertLess(wire, seen)
        self.assertLess(seen, client)

    def test_measured(self):
        harness.need("dnsmasq")
        daemon = Daemon(self, *DNS, console=CONSOLE)
        slow = self.begin(self.serve("durations"), "durations", self.DURATIONS)
        translated = self.begin(self.translated(), "translated", self.TRANSLATED)
        self.finish(translated)
        waits = self.finish(slow)
        namespace = Namespace(self)
        folder = harness.temporary_folder(self)
        hosts = os.path.join(folder, "hosts")
        with open(hosts, "w", encoding="utf-8") as file:
            for i in range(self.NAMES):
                file.write(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255} host{i}.names.test\n")
                file.write(f"fd00::{i:x} host{i}.names.test\n")
        self.child(namespace, "masq-server", "dnsmasq", "--keep-in-foreground",
                   "--conf-file=/dev/null", "--no-resolv", "--no-hosts", f"--addn-hosts={hosts}",
                   "--port=53", "--user=root", "--listen-address=127.0.0.1", "--bind-interfaces",
                   "--local=/names.test/", f"--pid-file={folder}/pid",
                   f"--log-facility={folder}/log")
        took = self.finish(self.begin(namespace, "masq", f"""
for _ in range(200):
    try:
        ask(client(), question(1, "first.names.test", 16))
        break
    except ConnectionRefusedError:
        time.sleep(0.05)
stamping = keep_stamping()
took = between = 0
for i in range({self.NAMES}):
    udp = client()
    text = f"host{{i}}.names.test" if i % 10 else f"none{{i}}.names.test"
    both = ask_stamped(udp, question(i, text), question(i ^ 1, text, AAAA))
    took, between = took + sum(both[0]), between + sum(both[1])
    udp.close()
print(json.dumps([took, between]))
"""))
        self.assertEqual(daemon.stop(), 0)
        found, none = self.NAMES * 9 // 10, self.NAMES // 10
        expected = {(kind, code): count for kind in ("A", "AAAA")
                    for code, count in (("NOERROR", found), ("NXDOMAIN", none))}
        for metric, end in ((CLIENT, "client"), (SERVER, "server")):
            seen = self.seen(daemon, metric, f"masq-{end}")
            self.assertEqual({key: seen[key] for key in seen if key[0] != "TXT"}, expected, metric)
        self.check_mean(daemon, *(seconds / (2 * self.NAMES) for seconds in took))
        self.assertEqual(self.lost(daemon, "masq-server", "incoming"), {})
        self.check_durations(daemon, waits)
        self.assertEqual(self.seen(daemon, CLIENT, "translated-client"), {("A", "NOERROR"): 30})
        self.assertEqual(self.lost(daemon, "translated-client", "outgoing"), {})


if __name__ == "__main__":
    unittest.main()
