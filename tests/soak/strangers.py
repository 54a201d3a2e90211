#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The daemon with its default settings beside a churn of ports, processes and paths.

By hand, as root:
    tests/soak/strangers.py --sockeye build/release/sockeye --minutes 30
It prints page, memory and what was refused over time, and ends with 1 when a bound was passed.
"""

import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))

# pylint: disable=wrong-import-position
import harness
import soak


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--every", type=float, default=30, help="seconds between two looks")
    parser.add_argument("--interval", default="10s", help="of the daemon; default: its own")
    parser.add_argument("--sockeye", required=True, help="the daemon")
    options = parser.parse_args()
    os.environ["SOCKEYE"] = os.path.abspath(options.sockeye)
    wrong = []
    with harness.Scope() as scope:
        run = soak.Soak(scope, options.interval)
        print(f"{'second':>8} {'page KiB':>9} {'lines':>7} {'RSS KiB':>8} {'refused':>9}",
              flush=True)
        for look in run.looks(options.minutes * 60, options.every):
            print(f"{look.second:8} {look.page_bytes // 1024:9} {look.lines:7}"
                  f" {look.resident_kib:8} {look.refused:9}", flush=True)
            wrong += soak.problems(look)
        print(f"churned: {run.churn.stop()}, failed {len(run.churn.failures)}"
              f" {run.churn.failures[:1]}")
    print("\n".join(wrong) or "within bounds")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
