# SPDX-License-Identifier: Apache-2.0
"""A bad wire between two network namespaces: a TUN device in each, and a process in between that
loses, delays, repeats, reorders and spoils what goes by. It needs no netem in the kernel.

As a program it is that process; the tests use BadWire.
"""

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time

_TUNSETIFF = 0x400454ca
_IFF_TUN_NO_PI = 0x1001
_DEVICE = "wire"
_MTU = 1500
_PACKET_BYTES = 70_000

# Longer than what follows a packet in one flight, shorter than a retransmission.
LATE_SECONDS = 0.008
# Linux waits 200 ms at least before it sends again what was lost: too long for many losses.
_RTO_MIN = "20ms"


class BadWire:
    """The two ends (harness.Namespace) and the wire, perfect until told otherwise."""

    LEFT, RIGHT = "10.98.0.1", "10.98.0.2"

    def __init__(self, test):
        import harness  # not needed by the process in between
        self._harness = harness
        self.left, self.right = harness.Namespace(test), harness.Namespace(test)
        self._process = harness.spawn(test, harness.PYTHON, __file__, self.left.name, self.LEFT,
                                      self.right.name, self.RIGHT)
        harness.read_word(self._process, "up")

    def fault(self, kind, place):
        """The packet with payload number `place` from now on (0 is the next one), counted over
        both directions, is "lost", "late", sent "twice" or "spoiled"."""
        self._tell(f"fault {kind} {place}")

    def chances(self, loss=0.0, twice=0.0, late=0.0, delay_ms=0.0, seed=1):
        """From now on every packet suffers with these probabilities."""
        self._tell(f"chances {loss} {twice} {late} {delay_ms} {seed}")

    def passed(self):
        """How many packets with payload came since the last fault() or chances()."""
        self._harness.tell(self._process, "passed")
        return int(self._process.stdout.readline())

    def _tell(self, line):
        self._harness.tell(self._process, line)
        self._harness.read_word(self._process, "done")


# ---- the process in between ----

def _open_tun(namespace, address, peer):
    """A TUN device in a namespace; this process stays where it is."""
    libc = ctypes.CDLL(None, use_errno=True)
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    other = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if libc.setns(other, 0) != 0:
        raise OSError(ctypes.get_errno(), f"setns to {namespace}")
    try:
        tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", _DEVICE.encode(), _IFF_TUN_NO_PI))
        for words in (f"address add {address} dev {_DEVICE}",
                      f"link set {_DEVICE} mtu {_MTU} up",
                      f"route add {peer} dev {_DEVICE} rto_min {_RTO_MIN}"):
            subprocess.run(["ip", *words.split()], check=True)
    finally:
        libc.setns(own, 0)
        os.close(own)
        os.close(other)
    return tun


def _has_payload(packet):
    """An IPv4 packet of TCP that carries bytes."""
    header = (packet[0] & 15) * 4
    return packet[0] >> 4 == 4 and packet[9] == 6 and \
        len(packet) > header + (packet[header + 12] >> 4) * 4


def _spoil(packet):
    """Another letter in a request's path or a status line's version: the checksum is wrong."""
    header = (packet[0] & 15) * 4
    place = header + (packet[header + 12] >> 4) * 4 + len("GET /")
    return packet[:place] + bytes([packet[place] ^ 7]) + packet[place + 1:]


class Wire:
    def __init__(self, left, right):
        self.ends = {left: right, right: left}
        self.waiting = []  # heap of (due, number, end, packet)
        self.number = 0
        self.payloads = 0  # since the last command
        self.kind, self.place = None, -1
        self.chance = (0.0, 0.0, 0.0)
        self.delay = 0.0
        self.random = random.Random(1)

    def obey(self, line):
        """One command; returns the answer."""
        word, *rest = line.split()
        if word == "passed":
            return str(self.payloads)
        self.payloads = 0
        if word == "fault":
            self.kind, self.place = rest[0], int(rest[1])
        else:
            loss, twice, late, delay_ms = map(float, rest[:4])
            self.chance, self.delay = (loss, twice, late), delay_ms / 1000
            self.random = random.Random(int(rest[4]))
        return "done"

    def _fate(self, packet):
        """(packet, copies, seconds): what becomes of a packet."""
        loss, twice, late = (self.random.random() < chance for chance in self.chance)
        if _has_payload(packet):
            if self.payloads == self.place:
                loss, twice, late = (self.kind == kind for kind in ("lost", "twice", "late"))
                packet = _spoil(packet) if self.kind == "spoiled" else packet
            self.payloads += 1
        return packet, 0 if loss else 1 + twice, self.delay + late * LATE_SECONDS

    def take(self, end):
        packet, copies, seconds = self._fate(os.read(end, _PACKET_BYTES))
        for _ in range(copies):
            self.number += 1
            heapq.heappush(self.waiting,
                           (time.monotonic() + seconds, self.number, self.ends[end], packet))

    def deliver(self):
        """Hands over what is due; returns the seconds until the next one, None when none waits."""
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, _, end, packet = heapq.heappop(self.waiting)
            with contextlib.suppress(OSError):  # a full device loses it, as wires do
                os.write(end, packet)
        return max(0.0, self.waiting[0][0] - time.monotonic()) if self.waiting else None


def main():
    left_name, left, right_name, right = sys.argv[1:]
    wire = Wire(_open_tun(left_name, left, right), _open_tun(right_name, right, left))
    print("up", flush=True)
    while True:
        ready, _, _ = select.select([sys.stdin, *wire.ends], [], [], wire.deliver())
        for source in ready:
            if source is not sys.stdin:
                wire.take(source)
                continue
            line = os.read(sys.stdin.fileno(), 200).decode()
            if not line:
                return
            print(wire.obey(line), flush=True)


if __name__ == "__main__":
    main()
