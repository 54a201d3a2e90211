#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sockeye on the kernels that people have: a guest for each, under QEMU without KVM.

In each: `probe --json`, the daemon, and the project's own live tests, unchanged. It fails when a
scenario is not exact, when probe and the live run disagree, or when a program comes near the
verifier's limit. A kernel that the mirror does not have is skipped, with the reason.
"""

import argparse
import concurrent.futures
import os
import sys
import tempfile
import time

import archive
import cache
import packages
import report
from cells import CELLS
from guests import Guests

AT_ONCE = 2
OTHER = "other clang"  # as guest.py calls it


class Verdict:
    """One cell's end: no `faults` when all is well; `skipped` is the reason when it did not run."""

    def __init__(self, cell, faults=(), skipped="", found=None, seconds=0.0):
        self.cell = cell
        self.faults = list(faults)
        self.skipped = skipped
        self.found = found
        self.seconds = seconds

    @property
    def rows(self):
        """This cell's rows of the table: one for each compiler of the programs."""
        release = self.found.system["release"]
        rows = [(self.cell.name, release, self.found.programs())] if self.cell.rights else []
        if self.found.programs(OTHER):
            rows.append((f"{self.cell.name}, {OTHER}", release, self.found.programs(OTHER)))
        return rows

    def __str__(self):
        name = f"{self.cell.name:20}"
        if self.skipped:
            return f"{name} skipped: {self.skipped}"
        state = "FAILED" if self.faults else "ok"
        lines = [f"{name} {state:6} {self.seconds:4.0f} s  {self._scenarios()}"]
        said = report.printed(self.found.tests) if self.found and self.cell.prints else []
        lines += ["    " + text.replace("\n", "\n        ") for text in said + self.faults]
        return "\n".join(lines)

    def _scenarios(self):
        """What was shown, in a few words."""
        if self.found is None:
            return "no results"
        good = sum(test["outcome"] == "ok" for test in self.found.tests)
        shown = [f"{who}: tier {(self.found.probe(who) or {}).get('tier')}"
                 for who in self.cell.rights]
        if self.cell.tests:
            count = max(len(self.found.tests), len(self.cell.tests))
            shown.append(f"{good} of {count} scenarios exact")
        return ", ".join(shown)


def judge_rights(found, cell, who):
    """Probe and daemon with one kind of rights."""
    probe, live = found.probe(who), found.live(who)
    faults = report.wrong_tier(probe, "none" if who == "nobody" else cell.tier)
    if probe and probe.get("tier") == "socket-storage":
        faults += report.wrong_look(probe, cell.look)
    faults += report.disagreements(probe, live)
    if who == "nobody":
        faults += report.wrong_refusal(probe, live)
    return faults


def judge(cell, guest, other):
    """Compares what a guest said with what must hold in its cell."""
    found = report.Report(guest.results)
    faults = []
    if guest.exit_code != 0:
        end = "died" if guest.exit_code is None else f"ended with {guest.exit_code}"
        faults.append("\n".join([f"the guest {end}", *found.noise, "console:", *guest.tail]))
    if found.system is None:
        return Verdict(cell, faults, seconds=guest.seconds)
    if cell.lockdown and f"[{cell.lockdown}]" not in found.system["lockdown"]:
        faults.append(f"lockdown is {found.system['lockdown']}, not {cell.lockdown}")
    faults += [f"{who}: {fault}" for who in cell.rights for fault in judge_rights(found, cell, who)]
    if other:
        faults += [f"{OTHER}: {fault}" for fault in
                   report.wrong_tier(found.probe(OTHER), cell.tier)
                   + report.over_budget(found.programs(OTHER))]
    faults += report.over_budget(found.programs())
    faults += report.inexact(found.tests, cell.tests)
    return Verdict(cell, faults, found=found, seconds=guest.seconds)


def is_time_left():
    """As in packaging/dev.d/run_parts.sh."""
    return time.time() < float(os.environ.get("EYE_TEST_UNTIL", "inf"))


def try_cell(guests, cell):
    """Runs and judges one cell; whatever goes wrong is this cell's fault or reason to skip."""
    if not is_time_left():
        return Verdict(cell, skipped="no time was left for it (EYE_TEST_UNTIL)")
    try:
        return judge(cell, guests.run(cell), guests.try_other(cell))
    except archive.Unavailable as missing:
        return Verdict(cell, skipped=str(missing))
    except (packages.Failed, OSError) as failure:
        return Verdict(cell, faults=[str(failure)])


def run_cell(guests, cell):
    verdict = try_cell(guests, cell)
    print(verdict, flush=True)
    return verdict


def run_all(cells, folder, binary, other):
    """Every cell, some at once; returns the verdicts in the order of the cells."""
    with tempfile.TemporaryDirectory(prefix="sockeye-vm-") as scratch:
        guests = Guests(folder, binary, other, scratch)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda cell: run_cell(guests, cell), cells))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sockeye", required=True, help="the daemon under test (amd64)")
    parser.add_argument("--other", help="the same with kernel programs that another clang compiled: "
                        "each is tried on each kernel (amd64)")
    parser.add_argument("--cache", default=cache.FOLDER, help="kept from run to run (%(default)s)")
    parser.add_argument("--only", action="append", metavar="NAME",
                        help="this cell; may be repeated", choices=[cell.name for cell in CELLS])
    return parser.parse_args()


def main():
    options = arguments()
    if os.uname().machine != "x86_64":
        print("tests/vm: guests take their programs from an x86_64 host", file=sys.stderr)
        return 1
    for path in filter(None, (options.sockeye, options.other)):
        if not os.access(path, os.X_OK):
            print(f"tests/vm: {path} is no program: build it first", file=sys.stderr)
            return 1
    start = time.monotonic()
    cells = [cell for cell in CELLS if not options.only or cell.name in options.only]
    folder = cache.made(options.cache)
    cache.prune(folder)
    try:
        verdicts = run_all(cells, folder, os.path.abspath(options.sockeye),
                           options.other and os.path.abspath(options.other))
    except (archive.Unavailable, packages.Failed) as failure:
        print(f"tests/vm: no cell can run: {failure}", file=sys.stderr)
        return 1
    print("\ninstructions that the verifier processed, by kernel and program:")
    print(report.table([row for verdict in verdicts if verdict.found for row in verdict.rows]))
    failed = sum(bool(verdict.faults) for verdict in verdicts)
    skipped = sum(bool(verdict.skipped) for verdict in verdicts)
    print(f"\n{len(verdicts) - failed - skipped} cells ok, {failed} failed, {skipped} skipped; "
          f"{time.monotonic() - start:.0f} s")
    return 1 if failed or skipped == len(verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
