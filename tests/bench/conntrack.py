# SPDX-License-Identifier: Apache-2.0
"""Entries of conntrack by the million, in the network namespace that the bench has for itself."""

import socket
import struct

from machine import Failed, command

NETLINK_NETFILTER = 12
NEW, DELETE = 1 << 8, 1 << 8 | 2   # IPCTNL_MSG_CT_* of NFNL_SUBSYS_CTNETLINK
REQUEST, ACK, CREATE = 0x1, 0x4, 0x600
NESTED = 0x8000
TUPLE_ORIG, TUPLE_REPLY, TIMEOUT, NAT_DST = 1, 2, 7, 13
TCP = b"\x06"
SECONDS = struct.pack(">I", 3600)
BATCH = 256                        # messages in one send
MAXIMUM = "/proc/sys/net/netfilter/nf_conntrack_max"
OF_THE_HOST = "--net=/proc/2/ns/net"  # of the kernel's threads


def attribute(kind, payload):
    length = 4 + len(payload)
    return struct.pack("=HH", length, kind) + payload + bytes(-length % 4)


def nest(kind, *attributes):
    return attribute(kind | NESTED, b"".join(attributes))


def message(kind, flags, body):
    body = bytes((socket.AF_INET, 0, 0, 0)) + body
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 0, 0) + body


def tuple_of(kind, source, destination, ports):
    return nest(kind, nest(1, attribute(1, source), attribute(2, destination)),
                nest(2, attribute(1, TCP), *(attribute(number, struct.pack(">H", port))
                                             for number, port in zip((2, 3), ports))))


def entry(number, translated):
    client = struct.pack(">I", 0x0A000000 + (number >> 15))
    server, real = socket.inet_aton("203.0.113.1"), socket.inet_aton("198.51.100.1")
    port = 1024 + (number & 0x7FFF)
    return message(NEW, REQUEST | CREATE,
                   tuple_of(TUPLE_ORIG, client, server, (port, 80))
                   + tuple_of(TUPLE_REPLY, server, client, (80, port))
                   + attribute(TIMEOUT, SECONDS)
                   + (nest(NAT_DST, attribute(1, real)) if translated else b""))


def maximum():
    return int(command("nsenter", OF_THE_HOST, "cat", MAXIMUM))


def set_maximum(value):
    command("nsenter", OF_THE_HOST, "sh", "-c", f"echo {value} >{MAXIMUM}")


class Entries:
    """@count entries of TCP, each hundredth of them translated. The host's limit is put back."""

    def __init__(self, count):
        self._count = count
        self.translated = len(range(0, count, 100))

    def __enter__(self):
        self._before = maximum()
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        try:
            set_maximum(max(self._before, 2 * self._count))
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _make(self):
        for start in range(0, self._count, BATCH):
            numbers = range(start, min(start + BATCH, self._count))
            self._socket.send(b"".join(entry(number, number % 100 == 0) for number in numbers))
        with open("/proc/sys/net/netfilter/nf_conntrack_count", encoding="ascii") as file:
            made = int(file.read())
        if made < self._count:
            raise Failed(f"{made} of {self._count} entries of conntrack were made")

    def __exit__(self, *unused):
        self._socket.send(message(DELETE, REQUEST | ACK, b""))
        self._socket.close()
        set_maximum(self._before)
