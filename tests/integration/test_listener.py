# SPDX-License-Identifier: Apache-2.0
"""The port that Prometheus scrapes, between strangers that want all of it."""

import gzip
import http.client
import socket
import time
import unittest
import urllib.request

import harness
import receivers

# Connections of four kinds, each opened again when the daemon ends it: silent, a byte a second, half
# a head, a crowd of requests, not for gzip, whose answers are never read. Every second one comes
# from the scraper's own address.
HOSTILE = r"""
import select, socket, sys, time
port, count = int(sys.argv[1]), int(sys.argv[2])
head = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
poller, open_ones, begun = select.poll(), {}, 0
def begin(index):
    global begun
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.bind(("127.0.0.1" if index % 8 < 4 else f"127.0.0.{2 + index % 3}", 0))
    one.setblocking(False)
    one.connect_ex(("127.0.0.1", port))
    poller.register(one, select.POLLRDHUP | select.POLLOUT)
    open_ones[one.fileno()] = (one, index)
    begun += 1
def speak(one, index):
    try:
        if index % 4 == 2:
            one.send(head + b"A: ")
        elif index % 4 == 3:
            one.send((head + b"\r\n") * 200)
    except OSError:
        pass
    poller.modify(one, select.POLLRDHUP)
def end(one, index):
    poller.unregister(one)
    del open_ones[one.fileno()]
    one.close()
    begin(index)
for index in range(count):
    begin(index)
print("ready", flush=True)
drip_at = time.monotonic()
while True:
    for fd, events in poller.poll(10):
        one, index = open_ones[fd]
        if events & (select.POLLRDHUP | select.POLLHUP | select.POLLERR):
            end(one, index)
        else:
            speak(one, index)
    if time.monotonic() >= drip_at:
        drip_at += 1
        for one, index in list(open_ones.values()):
            try:
                if index % 4 == 1:
                    one.send(b"G")
            except OSError:
                pass
    time.sleep(0.005)
"""


class Strangers(unittest.TestCase):
    """Issue: "200 hostile connections on the listener while Prometheus scrapes every second: no
    scrape lost"."""

    HOSTILE = 200
    SECONDS = 12
    HEAD_SECONDS = 10  # EYE_PEERS_HEAD_NS
    # Of each line, so that a page is more than the kernel takes for one who does not read.
    LONG_TAGS = "tags=[" + ", ".join(f"long{i}:{'x' * 190}" for i in range(10)) + "]"
    PAGE_BYTES = 500_000

    def scrape(self):
        """The text as Prometheus asks for it, in less time than an interval of a second has."""
        request = urllib.request.Request(self.page.address, headers={
            "Accept": receivers.TEXT, "Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request, timeout=1) as answer:
            return gzip.decompress(answer.read()).decode("utf-8")

    def begin_to_drip(self):
        """A connection of an address that is in nobody's way."""
        dripping = socket.socket()
        self.addCleanup(dripping.close)
        dripping.bind(("127.0.0.9", 0))
        dripping.connect(("127.0.0.1", self.page.port))
        dripping.setblocking(False)
        return dripping

    @staticmethod
    def has_ended(dripping):
        try:
            dripping.send(b"G")
            return dripping.recv(1) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def failures(self, text, reason):
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines()
                   if line.startswith("sockeye_exporter_failures_total{")
                   and 'exporter="openmetrics"' in line and f'reason="{reason}"' in line)

    def test_no_scrape_is_lost(self):
        self.page = receivers.Page()
        daemon = harness.Daemon(self, self.LONG_TAGS, exporters=(self.page.exporter,))
        daemon.wait_for_snapshots(1)
        harness.wait_until(self.is_served, 10, "a page")
        hostile = harness.spawn_python(self, HOSTILE, self.page.port, self.HOSTILE)
        harness.read_word(hostile, "ready")
        dripping, began = self.begin_to_drip(), time.monotonic()
        lost, slowest, ended, text = [], 0, None, ""
        for second in range(self.SECONDS):
            begin = time.monotonic()
            try:
                text = self.scrape()
            except (OSError, http.client.HTTPException) as error:
                lost.append((second, repr(error)))
            slowest = max(slowest, time.monotonic() - begin)
            if ended is None and self.has_ended(dripping):
                ended = time.monotonic() - began
            time.sleep(max(0, began + second + 1 - time.monotonic()))
        # What the last interval counted is on the page behind it.
        harness.wait_until(lambda: self.failures(self.scrape(), "timeout") >= 1, 10,
                           "the one that met its deadline")
        busy, timeout = self.failures(text, "busy"), self.failures(self.scrape(), "timeout")
        print(f"slowest scrape {1000 * slowest:.0f} ms; {busy:.0f} gave way, {timeout:.0f} met "
              f"their deadline, the loner after {ended} s", end="; ")
        self.assertEqual(lost, [])
        self.assertGreater(len(text), self.PAGE_BYTES)
        self.assertGreater(busy, self.HOSTILE // 2)
        self.assertIsNotNone(ended)
        self.assertGreater(ended, self.HEAD_SECONDS - 1)
        self.assertEqual(daemon.stop(), 0)

    def is_served(self):
        try:
            return self.scrape() != ""
        except OSError:
            return False


if __name__ == "__main__":
    unittest.main(verbosity=2)
