# SPDX-License-Identifier: Apache-2.0
"""Receivers of what the daemon exports, all of them strict: DogStatsD datagrams through the
reference reader, OpenMetrics pages through the parser of python3-prometheus-client and promtool.
"""

import collections
import gzip
import os
import re
import socket
import subprocess
import sys
import threading
import urllib.request

import harness

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))
import dogstatsd  # pylint: disable=wrong-import-position,import-error

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
TEXT = "text/plain; version=0.0.4"

_RECEIVE_BUFFER_BYTES = 64 * 1024 * 1024


class Known:
    """What a DogStatsD receiver knows, in the daemon's names."""

    def __init__(self):
        self.sums = dogstatsd.Sums()

    def series(self, name, **tags):
        """[(tags, {"sum", "count"})] of one name, with the tags as a dict."""
        wanted = {key: str(value) for key, value in tags.items()}
        found = []
        for (own_name, _, own), entry in list(self.sums.series.items()):
            labels = dict(tag.split(":", 1) for tag in own)
            if own_name == f"sockeye.{name.removeprefix('sockeye.')}" and wanted.items() <= \
                    labels.items():
                found.append((labels, dict(entry)))
        return found

    def total(self, name, **tags):
        return sum(entry["sum"] for _, entry in self.series(name, **tags))

    def weight(self, name, **tags):
        """How many values distributions stand for."""
        return sum(entry["count"] for _, entry in self.series(name, **tags))


class Agent(Known):
    """A DogStatsD receiver on a loopback port, or of datagrams at a path. It can go down and come
    up again; what it has received is kept.
    """

    def __init__(self, test, path=None, up=True):
        super().__init__()
        self.path = path
        self.port = harness.free_port()
        self._socket = None
        self._thread = None
        test.addCleanup(self.down)
        if up:
            self.up()

    @property
    def exporter(self):
        """The daemon's exporter that sends here."""
        url = f"unixgram://{self.path}" if self.path else f"udp://127.0.0.1:{self.port}"
        return f"{{type: dogstatsd, url: '{url}'}}"

    def up(self):
        self._socket = socket.socket(socket.AF_UNIX if self.path else socket.AF_INET,
                                     socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, 33, _RECEIVE_BUFFER_BYTES)  # SO_RCVBUFFORCE
        self._socket.bind(self.path or ("127.0.0.1", self.port))
        self._socket.settimeout(0.1)
        self._running = True
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self):
        while True:
            running = self._running  # before: what has come until then is there
            try:
                self.sums.add(self._socket.recv(65536))
            except TimeoutError:
                if not running:
                    return

    def _refuse(self):
        """From now on the kernel refuses what is sent here; what it has taken can be read."""
        if self.path:
            self._socket.shutdown(socket.SHUT_RD)
        else:
            self._socket.connect(("127.0.0.1", self.port))

    def down(self):
        """Reads what has come, then nobody listens any more."""
        if self._socket is not None:
            self._refuse()
            self._running = False
            self._thread.join()
            self._socket.close()
            self._socket = None
            if self.path:
                os.unlink(self.path)


class Page:
    """The exporter "openmetrics" on a loopback port."""

    def __init__(self):
        self.port = harness.free_port()
        self.exporter = f"{{type: openmetrics, listen: '127.0.0.1:{self.port}'}}"
        self.address = f"http://127.0.0.1:{self.port}/metrics"

    def get(self, accept=OPENMETRICS, encoding=None):
        """(content type, text) of a scrape."""
        headers = {"Accept": accept, **({"Accept-Encoding": encoding} if encoding else {})}
        with urllib.request.urlopen(urllib.request.Request(self.address, headers=headers),
                                    timeout=harness.HANG_SECONDS) as answer:
            body = answer.read()
            if answer.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            return answer.headers["Content-Type"], body.decode("utf-8")


def parse_openmetrics(text):
    """{(sample name, frozenset of labels): value}, through the strict parser."""
    from prometheus_client.openmetrics import parser  # pylint: disable=import-outside-toplevel
    return {(sample.name, frozenset(sample.labels.items())): sample.value
            for family in parser.text_string_to_metric_families(text) for sample in family.samples}


def sum_samples(samples, name, **labels):
    """Sum over the samples of a parsed page that carry the labels."""
    wanted = {(key, str(value)) for key, value in labels.items()}
    return sum(value for (own, own_labels), value in samples.items()
               if own == name and wanted <= own_labels)


def promtool_says(text):
    """What `promtool check metrics` finds wrong with a page of text 0.0.4."""
    harness.need("promtool")
    done = subprocess.run(("promtool", "check", "metrics"), input=text, text=True, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return f"exit {done.returncode}: {done.stdout.strip()}" if done.returncode else ""


def duplicates(text):
    """Series that a page has twice, and families that it begins twice."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    series = [re.sub(r" [^ ]+$", "", line) for line in lines]
    families = [line for line in text.splitlines() if line.startswith("# TYPE ")]
    families = [line.split(" ")[2] for line in families]
    return [name for group in (series, families)
            for name, count in collections.Counter(group).items() if count > 1]
