#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`sockeye replay` over the captures of tests/data/replay as they are, in every format, link type
and order, and over such as are cut, damaged, or none at all.

EYE_EXPECTED=write writes tests/data/replay/expected.json anew: what the captures hold, as was
compared with tshark (tests/reference/test_tshark.py).
"""

import datetime
import fcntl
import gzip
import json
import os
import pathlib
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))

from replayed import (CAPTURES, ETHERNET, in_pieces, read_pcap, replayed, run, series_of, with_link, write_pcap,  # pylint: disable=wrong-import-position
                      write_pcapng)

EXPECTED = CAPTURES / "expected.json"
NAMES = sorted(path.stem for path in CAPTURES.glob("*.pcap"))
# The parsers' own captures, for what is done to any.
FILES = {**{name: CAPTURES / f"{name}.pcap" for name in NAMES}, "kafka": CAPTURES.parent / "kafka" / "python.pcap",
         "mysql": CAPTURES.parent / "mysql" / "mariadb.pcap"}
ENDS = ("server", "client")
RST = 4
UNANSWERED = {"cancelled", "closed", "reset", "timeout"}


def listed(series):
    """As JSON has it, in one order."""
    return sorted(([metric, dict(tags), count] for (metric, tags), count in series.items()), key=str)


def flags_of(packet):
    """Of TCP, behind Ethernet and IPv4 without options; None: it is not TCP."""
    return packet.data[ETHERNET + 33] if packet.data[ETHERNET + 9] == 6 else None


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def file(self, content):
        path = self.folder / "capture"
        path.write_bytes(content)
        return path

    def replay(self, content, *options, code=0):
        return replayed(self.file(content), *options, code=code)


class Whole(Case):
    def test_expected(self):
        self.assertEqual(len(NAMES), 6)
        said = {name: {end: listed(series_of(replayed(CAPTURES / f"{name}.pcap", "--end", end)))
                       for end in ENDS} for name in NAMES}
        if os.environ.get("EYE_EXPECTED") == "write":
            EXPECTED.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
        self.assertEqual(said, json.loads(EXPECTED.read_text(encoding="utf-8")))

    def test_both_ends_say_the_same(self):
        """Under names of their own, and nothing is lost."""
        for name in NAMES:
            server, client = (series_of(replayed(CAPTURES / f"{name}.pcap", "--end", end))
                              for end in ENDS)
            self.assertEqual({(metric.replace(".server", ".client").replace("dns.client", "dns"), tags): count
                              for (metric, tags), count in server.items()}, client)
            self.assertNotIn("usm.lost", {metric for metric, _ in server})

    def test_file_formats(self):
        for name in NAMES:
            packets = read_pcap(CAPTURES / f"{name}.pcap")
            expected = replayed(CAPTURES / f"{name}.pcap")
            for content in (write_pcap(packets), write_pcap(packets, order=">"), write_pcapng(packets)):
                self.assertEqual(self.replay(content), expected)
            self.assertEqual(replayed("-", given=write_pcapng(packets)), expected)

    def test_link_types(self):
        ip4 = struct.pack("!H", 0x800)
        links = {
            "EN10MB": (1, bytes(12) + ip4), "VLAN": (1, bytes(12) + b"\x81\0\0\x07" + ip4),
            "two VLANs": (1, bytes(12) + b"\x88\xa8\0\x01\x81\0\0\x07" + ip4),
            "LINUX_SLL": (113, bytes(14) + ip4), "LINUX_SLL2": (276, ip4 + bytes(18)), "RAW": (101, b""),
            "IPV4": (228, b""), "NULL": (0, struct.pack("<I", 2)), "LOOP": (108, struct.pack("!I", 2)),
        }
        for name in ("http", "dns"):
            packets = read_pcap(CAPTURES / f"{name}.pcap")
            expected = series_of(replayed(CAPTURES / f"{name}.pcap"))
            for title, (link, head) in links.items():
                with self.subTest(link=title):
                    said = self.replay(write_pcap(with_link(packets, head), link))
                    self.assertEqual((series_of(said), sum(said["unused"].values())), (expected, 0))

    def test_table(self):
        done = run(CAPTURES / "redis.pcap")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertRegex(done.stdout.decode(), r"(?m)^redis.pcap|redis\.pcap \(EN10MB\), at the server's end: 62 packets")
        self.assertRegex(done.stdout.decode(), r"(?m)^ +1 .* service=unknown port=\d+ db_system=redis operation=SET$")
        self.assertNotIn(b"\x1b", done.stdout)

    def test_exporters(self):
        """They get what the document has, once, with the time of the last packet. A capture of
        today, since what is older than `queue.max_age` gets the oldest time that receivers take."""
        packets = read_pcap(CAPTURES / "http.pcap")
        older = int(time.time()) - packets[-1].seconds
        packets = [packet._replace(seconds=packet.seconds + older) for packet in packets]
        capture = self.file(write_pcap(packets))
        config = self.folder / "sockeye.yaml"
        lines = self.folder / "lines"
        config.write_text(f"exporters: [{{type: file, path: {lines}}}]\n", encoding="utf-8")
        done = run(capture, "--config", str(config))
        self.assertEqual((done.returncode, done.stdout), (0, b""), done.stderr)
        self.assertIn(b"34 packets", done.stderr)
        points = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
        told = {(point["metric"].removeprefix("sockeye."),
                 tuple(sorted(item for item in point["tags"].items() if item[0] != "service"))): point["count"]
                for point in points if point["kind"] == "distribution"}
        self.assertEqual(told, series_of(replayed(CAPTURES / "http.pcap")))
        last = packets[-1]
        times = {datetime.datetime.fromisoformat(point["time"]).timestamp() for point in points}
        self.assertEqual(times, {last.seconds + last.ns // 10**6 / 1000})

    def test_settings(self):
        """Protocols are switched off as for the daemon; a wrong key is 78, a wrong end 2."""
        said = replayed(CAPTURES / "redis.pcap", "--set", "protocols.redis=false")
        self.assertEqual((said["series"], said["connections"]["unrecognised"]), ([], 6))
        rule = ("--set", "protocols.ports=[{port: 24978, protocol: %s}]")
        whole = replayed(CAPTURES / "http.pcap")
        for protocol, series in ("http", whole["series"]), ("redis", []):
            said = replayed(CAPTURES / "http.pcap", rule[0], rule[1] % protocol)
            self.assertEqual([one for one in said["series"] if one["metric"] != "usm.lost"], series)
        for words, code in (("--set", "intervall=1s"), 78), (("--end", "middle"), 2):
            self.assertEqual(run(CAPTURES / "redis.pcap", *words).returncode, code)


class Unusable(Case):
    """What cannot be used is said, and what can be is not wrong."""

    def assert_none_is_wrong(self, said, name, end="server"):
        """Each series tells of requests that the whole capture has, and of no more of them: what is
        unknown of them may be anything, and so may the answer be where none was seen."""
        whole = series_of(replayed(FILES[name], "--end", end))
        for (metric, tags), count in series_of(said).items():
            known = {tag: value for tag, value in tags if value not in ("unknown", "_OTHER")}
            if known.get("error_type") in UNANSWERED:
                del known["error_type"]
            if known.get("db_system") == "mysql":
                del known["db_system"]  # that it is MariaDB stood in the greeting
            same = sum(amount for (other, others), amount in whole.items()
                       if other == metric and known.items() <= dict(others).items())
            if name == "grpc" and metric.startswith("http."):
                # That it is a call stood in a header that was missed.
                self.assertEqual(known["method"], "POST")
                same = sum(whole.values())
            if metric != "usm.lost":
                self.assertLessEqual(count, same, (metric, tags))

    def test_cut_files(self):
        content = (CAPTURES / "http.pcap").read_bytes()
        ends = {24}
        for packet in read_pcap(CAPTURES / "http.pcap"):
            ends.add(max(ends) + 16 + len(packet.data))
        for size in range(24, len(content), 97):
            said = self.replay(content[:size], code=0 if size in ends else 3)
            self.assertEqual((said["whole"], said["problem"] == ""), (size in ends, size in ends))
            self.assert_none_is_wrong(said, "http")

    def test_cut_is_said(self):
        content = (CAPTURES / "http.pcap").read_bytes()
        for options in ((), ("--json",)):
            done = run(self.file(content[:-1]), *options)
            self.assertEqual(done.returncode, 3)
            self.assertIn(b"read to packet 33 only: it ends within the next one (truncated dump file; tried to read 66 "
                          b"captured bytes, only got 65); it was copied before it was whole, or its writer was killed: "
                          b"end tcpdump by SIGINT, or let it write each packet at once (-U)\n",
                          done.stdout + done.stderr)

    def test_standard_input_has_a_name(self):
        content = (CAPTURES / "http.pcap").read_bytes()
        self.assertRegex(run("-", given=content).stdout, rb"^standard input \(EN10MB\), ")
        for given, code, words in ((content[:-1], 3, b"is read to packet 33 only: "), (b"", 1, b"is empty: "),
                                   (b"GET / HTTP/1.1\r\n\r\n", 1, b"is no capture (pcap or pcapng): "),
                                   (content[:20], 1, b"ends within its header "),
                                   (gzip.compress(content), 1, b"is packed: gzip -dc FILE | sockeye replay - reads it"),
                                   (write_pcap([], link=105), 1, b"IEEE802_11")):
            done = run("-", "--json", given=given)
            self.assertEqual((done.returncode, done.stdout == b""), (code, code == 1))
            self.assertRegex(done.stderr, rb"^sockeye replay: standard input[ :]")
            self.assertIn(words, done.stderr)

    def test_damaged_is_said(self):
        """What stands before is told, and what can be done about the rest."""
        packets = read_pcap(CAPTURES / "http.pcap")
        head = write_pcap(packets[:5])
        other = packets[5]._replace(data=packets[5].data[ETHERNET:], size=packets[5].size - ETHERNET)
        for content, count, words in (
                (head + struct.pack("<4I", 0, 0, 0x7fffffff, 60) + bytes(90), 5, b"is damaged: capture again"),
                (write_pcapng(packets[:5]) + write_pcapng([other], link=101), 5, b"into a file of its own")):
            done = run(self.file(content), "--json")
            self.assertEqual((done.returncode, json.loads(done.stdout)["packets"]), (3, count))
            self.assertIn(f"is read to packet {count} only: ".encode(), done.stderr)
            self.assertIn(words, done.stderr)

    def test_no_captures(self):
        for content, words in ((b"", b"is empty: "), (b"\0" * 64, b"unknown file format"),
                               (b"GET / HTTP/1.1\r\n\r\n" * 9, b"unknown file format"),
                               (write_pcap([], link=105), b"IEEE802_11 (105) are not read; those of EN10MB, "
                                                          b"LINUX_SLL, LINUX_SLL2, RAW, IPV4, IPV6, NULL, LOOP are"),
                               (gzip.compress(write_pcap([])), b"capture is packed: gzip -dc "),
                               (write_pcap([])[:20], b"ends within its header (truncated dump file; "),
                               (write_pcapng([])[:20], b"truncated")):
            done = run(self.file(content))
            self.assertEqual((done.returncode, done.stdout), (1, b""))
            self.assertIn(words, done.stderr)
        for path in (self.folder / "absent", self.folder):
            done = run(path)
            self.assertEqual((done.returncode, done.stdout), (1, b""))
            self.assertIn(str(path).encode(), done.stderr)

    def test_empty_capture(self):
        said = self.replay(write_pcap([]))
        self.assertEqual((said["packets"], said["series"], said["start"], said["whole"]), (0, [], None, True))

    def test_snaplen(self):
        """Of 64 nothing but headers is left; whatever is, nothing is told that was not asked."""
        for name, path in FILES.items():
            packets = read_pcap(path)
            for snaplen in (1, 13, 20, 50, 64, 70, 80, 96, 128, 200, 300):
                cut = [packet._replace(data=packet.data[:snaplen]) for packet in packets]
                said = self.replay(write_pcap(cut))
                with self.subTest(name=name, snaplen=snaplen):
                    self.assert_none_is_wrong(said, name)
                    if snaplen <= 20:
                        self.assertEqual(said["unused"]["cut_headers"], len(packets))
                    elif snaplen == 64 and name != "dns":
                        self.assertGreater(said["unused"]["cut_payloads"], 5)
                        self.assertEqual(said["series"], [])

    def test_order(self):
        """Packets in other orders, some twice, some missing."""
        for name, path in FILES.items():
            packets = read_pcap(path)
            for seed in range(12):
                chance = random.Random(f"{name} {seed}")
                changed = [packet for packet in packets for _ in range(chance.choice((0, 1, 1, 1, 1, 2)))]
                for _ in range(seed):
                    at = chance.randrange(len(changed) - 1)
                    changed[at:at + 2] = changed[at + 1], changed[at]
                for end in ENDS:
                    with self.subTest(name=name, seed=seed, end=end):
                        self.assert_none_is_wrong(self.replay(write_pcap(changed), "--end", end), name, end)

    def test_pieces(self):
        """A first payload of a few bytes may tell nothing, and then never another protocol; else all is
        told alike, however TCP cuts it."""
        for name in NAMES:
            packets = read_pcap(CAPTURES / f"{name}.pcap")
            whole = series_of(replayed(CAPTURES / f"{name}.pcap"))
            for size in (1, 2, 7, 13, 64, 1460):
                said = self.replay(write_pcap(in_pieces(packets, size)))
                with self.subTest(name=name, size=size):
                    self.assertLessEqual({metric for metric, _ in series_of(said)},
                                         {metric for metric, _ in whole} | {"usm.lost"})
                    self.assert_none_is_wrong(said, name)
                    if size >= 64:
                        self.assertEqual(series_of(said), whole)

    def test_twice(self):
        """As a capture on all interfaces may have them: retransmissions, of which nothing is made."""
        for name in NAMES:
            if name == "dns":
                continue
            twice = [packet for packet in read_pcap(CAPTURES / f"{name}.pcap") for _ in range(2)]
            self.assertEqual(series_of(self.replay(write_pcap(twice))),
                             series_of(replayed(CAPTURES / f"{name}.pcap")))

    def test_without_handshake(self):
        """The lower port is the service's. Nothing is lost of these, whose first payload is there."""
        for name, path in FILES.items():
            packets = [packet for packet in read_pcap(path)
                       if flags_of(packet) is None or not flags_of(packet) & 2]
            for end in ENDS:
                said = self.replay(write_pcap(packets), "--end", end)
                self.assertEqual(said["connections"]["guessed"], said["connections"]["seen"])
                self.assert_none_is_wrong(said, name, end)
                whole = series_of(replayed(path, "--end", end))
                told = sum(count for (metric, _), count in series_of(said).items() if metric != "usm.lost")
                with self.subTest(name=name, end=end):
                    self.assertGreaterEqual(told, sum(whole.values()) * 0.5)

    def test_without_handshake_at_high_ports(self):
        """Both ports are such as clients get, and the service's is the higher one: whoever asks is the
        client."""
        for name, path in FILES.items():
            if name == "dns":
                continue  # port 53 it is, or none
            packets = read_pcap(path)
            ports = slice(ETHERNET + 20, ETHERNET + 24)
            served = {packet.data[ports][2:] for packet in packets if flags_of(packet) == 2}
            moved = [packet._replace(data=packet.data[:ports.start] + b"".join(
                b"\xff\x00" if port in served else port for port in (packet.data[ports][:2], packet.data[ports][2:]))
                                     + packet.data[ports.stop:]) for packet in packets]
            joined = [packet for packet in moved if not flags_of(packet) & 2]
            for end in ENDS:
                with self.subTest(name=name, end=end):
                    said = series_of(self.replay(write_pcap(joined), "--end", end))
                    whole = series_of(self.replay(write_pcap(moved), "--end", end))
                    self.assertEqual(sum(whole.values()), sum(series_of(replayed(path, "--end", end)).values()))
                    self.assertEqual({series: count for series, count in said.items() if series[0] != "usm.lost"},
                                     whole)

    def test_no_ip_and_fragments(self):
        packets = read_pcap(CAPTURES / "http.pcap")
        arp = packets[0]._replace(data=packets[0].data[:12] + b"\x08\x06" + packets[0].data[14:])
        icmp = packets[0]._replace(data=packets[0].data[:23] + b"\x01" + packets[0].data[24:])
        fragment = packets[0]._replace(data=packets[0].data[:20] + b"\x20\x00" + packets[0].data[22:])
        said = self.replay(write_pcap([arp, icmp, fragment, fragment, *packets]))
        unused = {name: count for name, count in said["unused"].items() if count}
        self.assertEqual(unused, {"not_ip": 1, "other_transport": 1, "fragments": 2})
        self.assertEqual(series_of(said), series_of(replayed(CAPTURES / "http.pcap")))
        self.assertIn(b"not used: packets of neither IPv4 nor IPv6 (1); packets of neither TCP nor UDP (1); "
                      b"fragments of IP packets (2)\n", run(self.folder / "capture").stdout)

    def test_short_frames(self):
        """What is too short for its link, or for its VLAN's tag, is none of IP's others."""
        packet = read_pcap(CAPTURES / "http.pcap")[0]
        tagged = packet.data[:12] + b"\x81\0"
        for data, size, why in ((b"", 60, "cut_headers"), (packet.data[:13], 60, "cut_headers"),
                                (tagged, 60, "cut_headers"), (packet.data[:13], 13, "damaged_headers"),
                                (tagged, 14, "damaged_headers"), (packet.data[:12] + b"\x08\x06", 14, "not_ip")):
            said = self.replay(write_pcap([packet._replace(data=data, size=size)]))
            self.assertEqual({name: count for name, count in said["unused"].items() if count}, {why: 1})

    def test_ends_before_the_answer(self):
        """The capture ends: unanswered. The connection does: an error, by who ended it."""
        packets = read_pcap(CAPTURES / "http.pcap")
        asked = next(i for i, packet in enumerate(packets) if b"GET /a" in packet.data)
        said = self.replay(write_pcap(packets[:asked + 1]))
        self.assertEqual((said["series"], said["unused"]["unanswered"]), ([], 1))
        reset = bytearray(packets[asked + 1].data[:ETHERNET + 20 + 32])
        reset[ETHERNET + 33] = RST
        said = self.replay(write_pcap([*packets[:asked + 1], packets[asked + 1]._replace(
            data=bytes(reset), size=len(reset))]))
        self.assertEqual([series["tags"]["error_type"] for series in said["series"]], ["reset"])


class Signals(Case):
    """Whoever ends a pipe by the keyboard ends all of it, and sees what was captured."""

    CONTENT = (CAPTURES / "http.pcap").read_bytes()

    def begin(self, given, ignored=False):
        """A process that has read @given of its standard input, and the pipe's writing end."""
        source, target = os.pipe()
        self.addCleanup(os.close, source)
        process = subprocess.Popen(  # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
            [os.environ["SOCKEYE"], "replay", "--json", "-"], stdin=source, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=(lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if ignored else None)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        os.write(target, given)
        end = time.monotonic() + 20
        while not self.blocks(process, signal.SIGTERM) or self.waits_in(source):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)
        return process, target

    @staticmethod
    def blocks(process, number):
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"SigBlk:\s*(\w+)", status)[1], 16) >> number - 1 & 1

    @staticmethod
    def waits_in(pipe):
        count = bytearray(4)
        fcntl.ioctl(pipe, termios.FIONREAD, count)
        return any(count)

    def test_what_was_read_is_told(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process, target = self.begin(self.CONTENT[:2000])
            process.send_signal(number)
            out, error = process.communicate(timeout=20)
            os.close(target)
            self.assertEqual((process.returncode, error), (3, b"sockeye replay: standard input is read to packet 8 only: "
                                                              b"a signal ended the reading\n"))
            said = json.loads(out)
            self.assertEqual((said["packets"], said["whole"], len(said["series"])), (8, False, 1))

    def test_the_writer_has_last_words(self):
        process, target = self.begin(self.CONTENT[:2000])
        process.send_signal(signal.SIGINT)
        os.write(target, self.CONTENT[2000:])
        os.close(target)
        out, _ = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(json.loads(out), replayed(CAPTURES / "http.pcap"))

    def test_before_a_byte(self):
        process, target = self.begin(b"")
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=20)
        os.close(target)
        self.assertEqual((process.returncode, out, error),
                         (1, b"", b"sockeye replay: a signal came before a byte of standard input\n"))

    def test_ignored(self):
        """As of what a shell's script starts in the background."""
        process, target = self.begin(self.CONTENT[:2000], ignored=True)
        process.send_signal(signal.SIGINT)
        time.sleep(1)
        os.write(target, self.CONTENT[2000:])
        os.close(target)
        out, _ = process.communicate(timeout=20)
        self.assertEqual((process.returncode, json.loads(out)["packets"]), (0, 34))


if __name__ == "__main__":
    unittest.main()
