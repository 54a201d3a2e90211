# SPDX-License-Identifier: Apache-2.0
"""Messages of DNS for clients and servers of the live tests, which run as children of their own.

Run as a program it is a server: `dns_peer.py ADDRESS PORT`. The first label of a question says what
becomes of it.
"""

import collections
import socket
import struct
import sys
import time

A, AAAA, HTTPS = 1, 28, 65
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
ENDS = (b"\7example", b"x\1x")  # of the names that are answered
TRUNCATED = 0x0200
SLOW_SECONDS = 0.05
SO_RCVBUFFORCE = 33
_times = collections.Counter()


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def question(number, text, kind=A, flags=0x0100):
    return struct.pack("!6H", number, flags, 1, 0, 0, 0) + name(text) + struct.pack("!2H", kind, 1)


def answer(asked, code=NOERROR, flags=0):
    """With its question in other letters, and a record whose name is a pointer to it."""
    opcode = asked[2] << 8 & 0x7800
    head = asked[:2] + struct.pack("!5H", 0x8180 | opcode | flags | code, 1, 1, 0, 0)
    return head + asked[12:-4].swapcase() + asked[-4:] + b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + bytes(4)


def client(host="127.0.0.1", port=53, seconds=20):
    """A connected socket."""
    udp = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    udp.settimeout(seconds)
    udp.connect((host, port))
    return udp


def ask(udp, *messages):
    """Asks all at once; returns how long each answer took."""
    begin = {}
    for message in messages:
        begin[message[:2]] = time.monotonic()
        udp.send(message)
    took = []
    for _ in messages:
        got = udp.recv(4096)
        took.append(time.monotonic() - begin[got[:2]])
    return took


# linux/net_tstamp.h, linux/socket.h: the kernel's own clock at its loopback, both ways.
_TIMESTAMPING = 37
_RX_STAMPS = 1 << 3 | 1 << 4  # RX, told as software's
_STAMPS = _RX_STAMPS | 1 << 1 | 1 << 7 | 1 << 11  # TX, OPT_ID, TSONLY


def keep_stamping():
    """Returns a socket that keeps the stamps of packets that come on, once they are: the kernel's
    work queue turns them on behind the first socket that asks, and off behind the last one's end
    (net_enable_timestamp())."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    udp.settimeout(20)
    udp.setsockopt(socket.SOL_SOCKET, _TIMESTAMPING, _RX_STAMPS)
    stamped = False
    while not stamped:
        udp.sendto(b"", udp.getsockname())
        _, ancillary, _, _ = udp.recvmsg(1, 512)
        stamped = any(kind == _TIMESTAMPING for _, kind, _ in ancillary)
    return udp


def _stamp(ancillary):
    data = next(data for _, kind, data in ancillary if kind == _TIMESTAMPING)
    seconds, nanoseconds = struct.unpack("qq", data[:16])
    return seconds + nanoseconds / 1e9


def ask_stamped(udp, *messages):
    """As ask(), of a new socket, beside keep_stamping()'s; returns also how long they took by when
    packets left and came."""
    udp.setsockopt(socket.SOL_SOCKET, _TIMESTAMPING, _STAMPS)
    begin, took, came, between = {}, [], {}, []
    for message in messages:
        begin[message[:2]] = time.monotonic()
        udp.send(message)
    for _ in messages:
        got, ancillary, _, _ = udp.recvmsg(4096, 512)
        took.append(time.monotonic() - begin[got[:2]])
        came[got[:2]] = _stamp(ancillary)
    for _ in messages:
        _, ancillary, _, _ = udp.recvmsg(0, 512, socket.MSG_ERRQUEUE)
        error = next(data for level, _, data in ancillary if level == socket.IPPROTO_IP)
        number = struct.unpack("IBBBBII", error[:16])[-1]
        between.append(came[messages[number][:2]] - _stamp(ancillary))
    return took, between


def _count(asked):
    """How often it was asked by now."""
    _times[asked] += 1
    return _times[asked]


def frame(message):
    """As it goes over TCP."""
    return struct.pack("!H", len(message)) + message


def ask_stream(tcp, pieces, answers):
    """Sends each piece in a segment of its own; returns how long the answers took, any order."""
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    begin = time.monotonic()
    for number, piece in enumerate(pieces):
        if number:
            time.sleep(0.01)
        tcp.sendall(piece)
    file = tcp.makefile("rb")
    for _ in range(answers):
        file.read(struct.unpack("!H", file.read(2))[0])
    return time.monotonic() - begin


def _respond(udp, asked, address):
    if not asked[12:].lower().split(b"\0")[0].endswith(ENDS):
        return
    label = asked[13:13 + asked[12]].lower()
    if label == b"slow":
        time.sleep(SLOW_SECONDS)
    if label == b"silent" or (label == b"again" and asked not in _respond.seen):
        _respond.seen.add(asked)
    elif label == b"third" and _count(asked) < 3:
        pass
    elif label == b"nx":
        udp.sendto(answer(asked, NXDOMAIN), address)
    elif label == b"fail":
        udp.sendto(answer(asked, SERVFAIL), address)
    elif label == b"cut":
        udp.sendto(answer(asked, flags=TRUNCATED), address)
    elif label == b"unasked":
        udp.sendto(answer(bytes([asked[0] ^ 255]) + asked[1:]), address)
    else:
        udp.sendto(answer(asked), address)


_respond.seen = set()


def serve(host, port):
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    udp.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    udp.bind((host, port))
    print("ready", flush=True)
    while True:
        _respond(udp, *udp.recvfrom(65535))


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
