# SPDX-License-Identifier: Apache-2.0
"""What `sockeye replay` says of a capture; and captures as lists of packets, to be changed."""

import collections
import json
import os
import pathlib
import struct
import subprocess

CAPTURES = pathlib.Path(__file__).resolve().parents[1] / "data" / "replay"
ETHERNET = 14  # bytes of its header
EN10MB = 1


def run(path, *options, given=None, **changes):
    """The CompletedProcess, whatever its exit code; its output is bytes."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("SOCKEYE_", "DD_", "OTEL_"))}
    return subprocess.run([os.environ["SOCKEYE"], "replay", *options, str(path)], input=given,
                          capture_output=True, check=False, timeout=60, env={**kept, **changes})


def replayed(path, *options, code=0, given=None):
    """The document of `sockeye replay --json`."""
    done = run(path, "--json", *options, given=given)
    if done.returncode != code:
        raise AssertionError(f"exit code {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def series_of(document):
    """{(metric, tags without the service): count}"""
    found = collections.Counter()
    for series in document["series"]:
        tags = {name: value for name, value in series["tags"].items() if name != "service"}
        found[series["metric"], tuple(sorted(tags.items()))] += series["count"]
    return dict(found)


# (seconds, nanoseconds, bytes, size on the wire)
Packet = collections.namedtuple("Packet", "seconds ns data size")


def read_pcap(path):
    """Those of a file that tcpdump wrote here."""
    data = pathlib.Path(path).read_bytes()
    assert data[:4] == struct.pack("<I", 0xa1b2c3d4), data[:4]
    packets, at = [], 24
    while at < len(data):
        seconds, microseconds, captured, size = struct.unpack_from("<4I", data, at)
        at += 16
        packets.append(Packet(seconds, microseconds * 1000, data[at:at + captured], size))
        at += captured
    return packets


def write_pcap(packets, link=EN10MB, order="<"):
    """The bytes of a file, with times in nanoseconds."""
    head = struct.pack(f"{order}I2H4I", 0xa1b23c4d, 2, 4, 0, 0, 262144, link)
    return head + b"".join(
        struct.pack(f"{order}4I", packet.seconds, packet.ns, len(packet.data), packet.size)
        + packet.data for packet in packets)


def _block(kind, body):
    body += bytes(-len(body) % 4)
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size


def write_pcapng(packets, link=EN10MB):
    """The same as pcapng, times in nanoseconds (if_tsresol 9)."""
    blocks = [_block(0x0a0d0d0a, struct.pack("<I2Hq", 0x1a2b3c4d, 1, 0, -1)),
              _block(1, struct.pack("<2HI", link, 0, 0) + struct.pack("<2HI", 9, 1, 9) + bytes(4))]
    for packet in packets:
        time = packet.seconds * 10**9 + packet.ns
        blocks.append(_block(6, struct.pack("<5I", 0, time >> 32, time & 0xffffffff, len(packet.data),
                                            packet.size) + packet.data))
    return b"".join(blocks)


def in_pieces(packets, size):
    """The same bytes of TCP (behind Ethernet and IPv4 without options) in segments of @size at most."""
    for packet in packets:
        payload = ETHERNET + 20 + (packet.data[ETHERNET + 32] >> 4) * 4
        if packet.data[ETHERNET + 9] != 6 or len(packet.data) <= payload:
            yield packet
            continue
        sequence = struct.unpack_from("!I", packet.data, ETHERNET + 24)[0]
        for at in range(payload, len(packet.data), size):
            head = bytearray(packet.data[:payload])
            piece = packet.data[at:at + size]
            struct.pack_into("!H", head, ETHERNET + 2, payload - ETHERNET + len(piece))
            struct.pack_into("!I", head, ETHERNET + 24, (sequence + at - payload) % 2**32)
            yield packet._replace(data=bytes(head) + piece, size=payload + len(piece))


def with_link(packets, head):
    """Another header in place of Ethernet's."""
    return [packet._replace(data=head + packet.data[ETHERNET:],
                            size=packet.size + len(head) - ETHERNET) for packet in packets]
