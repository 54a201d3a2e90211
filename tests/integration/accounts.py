# SPDX-License-Identifier: Apache-2.0
"""What a daemon says about its exporters: figures, log lines, memory and threads."""

import os
import re
import threading

import harness


class Accounts:
    """The books of one daemon, by name of exporter (with a dot and the lane, where it has lanes).

    The stats in a snapshot are read before it is published: the n-th tells of n - 1.
    """

    def __init__(self, daemon):
        self.daemon = daemon

    def _exporter(self, metric, name, **tags):
        return self.daemon.total(f"sockeye.exporter.{metric}", exporter=name, **tags)

    def failures(self, name):
        """{reason: attempts}, without zeros."""
        return {own["reason"]: entry[1] for own, entry in self.daemon.series(
            "sockeye.exporter.failures", exporter=name) if entry[1]}

    def dropped(self, name):
        """{reason: points}, without zeros."""
        return {own["reason"]: entry[1] for own, entry in self.daemon.series(
            "sockeye.exporter.dropped", exporter=name) if entry[1]}

    def points(self, name):
        return self._exporter("points", name)

    def replayed(self, name):
        return self._exporter("spool.replayed", name)

    def skipped(self, name):
        return self._exporter("snapshots", name, outcome="skipped")

    def queued(self, name):
        return self.daemon.last_gauge("sockeye.exporter.queued", exporter=name)

    def said(self, name, *words):
        """Log lines about an exporter that hold all the words."""
        return [line for line in list(self.daemon.log)
                if f"exporter {name}:" in line and all(word in line for word in words)]

    def is_delivering(self, name):
        """It has failed, and said that this is over."""
        return len(self.said(name, "delivering again")) > 0

    def problems(self, name):
        """Identities that do not hold, as texts:

        seen = points + dropped; published + replayed = delivered + refused + queued + skipped.
        """
        seen = self._exporter("points.seen", name)
        points, dropped = self.points(name), sum(self.dropped(name).values())
        published = self.daemon.snapshots - 1 + self.replayed(name)
        delivered = self._exporter("snapshots", name, outcome="delivered")
        refused = self._exporter("snapshots", name, outcome="refused")
        queued, skipped = self.queued(name), self.skipped(name)
        found = []
        if seen != points + dropped or seen == 0:
            found.append(f"{name}: seen {seen} != points {points} + dropped {dropped}")
        if published != delivered + refused + queued + skipped:
            found.append(f"{name}: published {published} != delivered {delivered} + refused "
                         f"{refused} + queued {queued} + skipped {skipped}")
        return found


class Footprint:
    """Memory and threads of a process, looked at ten times a second while it lives; without the
    thread that goes into other network namespaces and ends there, which may have no name yet:
    whoever is met by two looks counts."""

    VISITOR = "eye:namespaces"

    def __init__(self, test, pid):
        self._folder = f"/proc/{pid}"
        self._threads = self._read_threads()
        self.first_kib, self.first_threads = self._read()
        self.most_kib, self.most_threads = self.first_kib, self.first_threads
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        test.addCleanup(self.end)

    def _read(self):
        with open(f"{self._folder}/status", encoding="ascii") as file:
            kib = int(re.search(r"^VmHWM:\s+(\d+)", file.read(), re.M)[1])
        before, self._threads = self._threads, self._read_threads()
        return kib, len(before & self._threads)

    def _read_threads(self):
        return {thread for thread in os.listdir(f"{self._folder}/task")
                if self._name(thread) not in (None, self.VISITOR)}

    def _name(self, thread):
        """None: it has ended."""
        try:
            with open(f"{self._folder}/task/{thread}/comm", encoding="ascii") as file:
                return file.read().strip()
        except OSError:
            return None

    def _watch(self):
        while not self._ended.wait(0.1):
            try:
                kib, threads = self._read()
            except (OSError, TypeError):
                return
            self.most_kib = max(self.most_kib, kib)
            self.most_threads = max(self.most_threads, threads)

    def end(self):
        self._ended.set()
        self._thread.join()

    @property
    def grown_kib(self):
        return self.most_kib - self.first_kib


def write_secret(test, text, mode=0o600):
    """The path of a file with a secret."""
    path = f"{harness.temporary_folder(test)}/secret"
    with open(path, "w", encoding="ascii") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text + "\n")
    return path
