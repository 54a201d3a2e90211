# SPDX-License-Identifier: Apache-2.0
"""Base and daemon by turns: base, daemon, daemon, base. What drifts slowly falls on both alike."""

import statistics

from machine import say

# A pair whose two base runs are further apart than this tells about the machine, not about us.
BASE_SPREAD_MAX = 0.08


class Pair:
    """One ABBA round: two base runs around two with the daemon."""

    def __init__(self, base, observed):
        self.base, self.observed = base, observed

    @staticmethod
    def rate(runs):
        return sum(run["count"] for run in runs) / sum(run["seconds"] for run in runs)

    @property
    def spread(self):
        first, last = (self.rate([run]) for run in self.base)
        return abs(first - last) / max(first, last)

    @property
    def usable(self):
        return self.spread <= BASE_SPREAD_MAX


class Pairs:
    """All rounds of one load; figures are medians over the usable ones.

    When no round is usable all are taken: the table then says "0 of N", and the figures are worth
    as much as that.
    """

    def __init__(self, every):
        self.every = every
        self.usable = [pair for pair in every if pair.usable]
        self._taken = self.usable or every

    @property
    def used(self):
        return f"{len(self.usable)} of {len(self.every)}"

    def _median(self, figure):
        return statistics.median(figure(pair) for pair in self._taken)

    def rates(self):
        """Base and observed: the median rates, then the median of the rounds' ratios."""
        return (self._median(lambda pair: Pair.rate(pair.base)),
                self._median(lambda pair: Pair.rate(pair.observed)),
                self._median(lambda pair: Pair.rate(pair.observed) / Pair.rate(pair.base)))

    def means(self, key):
        """The same for a figure that each run has of its own, such as a latency."""
        def mean(runs):
            return statistics.mean(run[key] for run in runs)
        return (self._median(lambda pair: mean(pair.base)),
                self._median(lambda pair: mean(pair.observed)),
                self._median(lambda pair: mean(pair.observed) / mean(pair.base)))

    def cpu_ns_per_count(self):
        """Median over the rounds of the daemon's CPU time by what the load counted."""
        return self._median(lambda pair: sum(run["cpu_ns"] for run in pair.observed)
                            / sum(run["count"] for run in pair.observed))


def watch(daemon, load, seconds):
    """A run of the load, with the daemon's CPU time in it."""
    before = daemon.cpu_ns()
    run = load.run(seconds)
    return {**run, "cpu_ns": daemon.cpu_ns() - before}


def _round(load, start, seconds):
    first = load.run(seconds)
    with start() as daemon:
        observed = [watch(daemon, load, seconds), watch(daemon, load, seconds)]
    return Pair([first, load.run(seconds)], observed)


def measure(load, start, count, seconds):
    """`count` rounds of a load, after a short one to warm up. `start` begins what it is watched by:
    a context that knows its cpu_ns()."""
    load.run(1)
    every = []
    for number in range(1, count + 1):
        pair = _round(load, start, seconds)
        every.append(pair)
        say(f"{load.name}, round {number} of {count}: ratio "
            f"{Pair.rate(pair.observed) / Pair.rate(pair.base):.3f}"
            + ("" if pair.usable else f", dropped: base runs {pair.spread:.0%} apart"))
    return Pairs(every)
