# SPDX-License-Identifier: Apache-2.0
"""The aligned table at the end, in colour only on a terminal."""

import os

HEADINGS = ("what", "base", "with sockeye", "figure", "target", "pairs used")
LEFT = (True, False, False, False, False, False)
PLAIN, BOLD, GREEN, YELLOW = "0", "1", "32", "33"


def count(value):
    """12 345 678 as 12.3 M: three digits are all that a measurement is good for."""
    for divisor, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= divisor:
            return f"{value / divisor:.3g}{letter}" if value < divisor * 1000 else f"{value:.3g}"
    return f"{value:.3g}"


def nanoseconds(value):
    return f"{value:.0f} ns" if abs(value) < 1e5 else f"{value / 1e3:.0f} us"


def microseconds(value):
    return f"{value * 1e6:.0f} us"


def milliseconds(value):
    return f"{value * 1e3:.0f} ms"


def mebibytes(value):
    return f"{value / 2**20:.2f} MiB"


class Row:
    """One line. `met`: whether the target is reached; None without one."""

    def __init__(self, what, figure="", target="", *, base="", observed="", used="", met=None):
        self.cells = (what, base, observed, figure, target, used)
        self.met = met


def at_least(what, value, target, **rest):
    """A row with a figure that wants to be large."""
    return Row(what, f"{value:.4f}" if target > 0.998 else f"{value:.3f}", f">= {target:g}",
               met=value >= target, **rest)


def at_most(what, value, target, unit, **rest):
    """A row with a figure that wants to be small; `unit` writes both."""
    return Row(what, unit(value), f"<= {unit(target)}" if target is not None else "",
               met=None if target is None else value <= target, **rest)


def _paint(text, colour, painted):
    return f"\033[{colour}m{text}\033[0m" if painted and colour != PLAIN else text


def render(rows, painted):
    lines = [HEADINGS] + [row.cells for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    written = []
    for number, line in enumerate(lines):
        met = rows[number - 1].met if number else None
        colour = BOLD if number == 0 else {None: PLAIN, True: GREEN, False: YELLOW}[met]
        cells = [cell.ljust(width) if left else cell.rjust(width)
                 for cell, width, left in zip(line, widths, LEFT)]
        written.append(_paint("  ".join(cells).rstrip(), colour, painted))
    return "\n".join(written) + "\n"


def print_table(rows, out):
    painted = out.isatty() and "NO_COLOR" not in os.environ
    out.write(render(rows, painted))
    out.flush()
