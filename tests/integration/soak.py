# SPDX-License-Identifier: Apache-2.0
"""The daemon with its default settings beside a churn of ports, processes and paths: what its page
and its memory are bounded by. test_strangers runs it for seconds, tests/soak/strangers.py for long.
"""

import collections
import re
import time

import churn
import harness
import receivers

PAGE_MAX_BYTES = 4 << 20
RESIDENT_MAX_KIB = 24 << 10

Look = collections.namedtuple("Look", "second page_bytes resident_kib lines refused")


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"^VmRSS:\s+(\d+)", file.read(), re.M)[1])


class Soak:
    """The daemon, the service that is there all the time, and the churn around it."""

    def __init__(self, test, interval):
        self.page = receivers.Page()
        self.daemon = harness.Daemon(test, interval=interval, console=None,
                                     exporters=(self.page.exporter,))
        self.port = harness.free_port()
        churn.PathServer(test, self.port)
        self.churn = churn.Churn(test, self.port)
        self.begin = time.monotonic()

    def look(self):
        """What a scraper gets now, and what the daemon takes."""
        text = self.page.get()[1]
        refused = sum(float(line.rpartition(" ")[2]) for line in text.splitlines()
                      if line.startswith("sockeye_series_overflow_total{"))
        return Look(round(time.monotonic() - self.begin), len(text.encode()),
                    resident_kib(self.daemon.pid), text.count("\n"), int(refused))

    def looks(self, seconds, every):
        """Looks until the time is over."""
        while time.monotonic() < self.begin + seconds:
            time.sleep(every)
            yield self.look()


def problems(look):
    """What is wrong with it; a list of texts."""
    found = []
    if look.page_bytes > PAGE_MAX_BYTES:
        found.append(f"a page of {look.page_bytes} bytes, more than {PAGE_MAX_BYTES}")
    if look.resident_kib > RESIDENT_MAX_KIB and not harness.is_sanitized():
        found.append(f"{look.resident_kib} KiB resident, more than {RESIDENT_MAX_KIB}")
    return found
