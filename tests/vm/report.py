# SPDX-License-Identifier: Apache-2.0
"""What the results of a guest mean: is everything exact, and do probe and the live run agree?

Only texts and dictionaries here, no guest: test_vm.py shows that each verdict can fail.
"""

import json

# A kernel's verifier gives up at 1 000 000; one generation of it made a program 8 times as dear.
INSTRUCTIONS_MAX = 350_000
ON_DEMAND = "single connections"  # loaded while somebody watches; no metric tells of them
NEEDS = {"protocols": "packets", "UDP": "packets", "connects": "packets"}
# What each summary of the probe follows from, beside those that bring packets.
PACKET_PROGRAMS = ("payload_sent", "payload_received")
SUMMARIES = {"protocols": ("redis_sent", "redis_received", "mysql_sent", "mysql_received",
                           "postgres_sent", "postgres_received", "http_sent", "http_received",
                           "http2_sent", "http2_received",
                           "kafka_sent", "kafka_received",
                           "dns_sent", "dns_received"),
             "udp": ("udp_live", "udp_flow_live", "udp_refused", "udp_bind4", "udp_bind6",
                     "udp_released")}


class Report:
    """The results of one guest: the system, looks by whose rights they were taken, tests."""

    def __init__(self, lines):
        self.system = None
        self.tests = []
        self.noise = []
        self._looks = {}
        for line in lines:
            self._take(line)

    def _take(self, line):
        try:
            result = json.loads(line)
            kind = result["kind"]
        except (ValueError, TypeError, KeyError):
            if not line.startswith(("UP ", "EXIT ")):
                self.noise.append(line)
            return
        if kind == "test":
            self.tests.append(result)
        elif kind == "system":
            self.system = result
        else:
            self._looks[kind, result["who"]] = result

    def live(self, who="root"):
        """How the daemon fared; None when there is no result."""
        return self._looks.get(("live", who))

    def probe(self, who="root"):
        """What `probe --json` printed; None when that was no JSON object."""
        try:
            answer = json.loads(self._looks["probe", who]["text"])
        except (KeyError, ValueError):
            return None
        return answer if isinstance(answer, dict) else None

    def programs(self, who="root"):
        """{name: its part of the probe}."""
        return {program["name"]: program for program in (self.probe(who) or {}).get("programs", ())}


def _nothing_loads(probe, live):
    """The daemon must end too, and for the same reason."""
    reason = probe.get("why_not", "")
    if not live["error"]:
        return ["probe: tier none, but the daemon runs"]
    if not reason or reason not in live["error"]:
        return [f"probe says {reason!r}, the daemon ended with {live['error']!r}"]
    return []


def works(program):
    """Loaded and attached when tried alone; "unknown" (no right to try) is not yes."""
    return program.get("works") == "yes"


def disagreements(probe, live):
    """Where `probe --json` and the live daemon tell different things; empty when they agree."""
    if probe is None or live is None:
        return ["no probe to compare" if probe is None else "no live run to compare"]
    if probe.get("tier") == "none":
        return _nothing_loads(probe, live)
    if live["error"]:
        return [f"probe: tier {probe.get('tier')}, but the daemon ended: {live['error']}"]
    programs = probe.get("programs", [])
    found = [] if programs else ["probe names no programs"]
    for program in programs:
        name, purpose = program["name"], program["needed_for"]
        if purpose == ON_DEMAND:
            continue
        attached = live["attached"].get(name)
        # What one program of an ability lacks, the daemon does without all of them.
        needed = {purpose, NEEDS.get(purpose, purpose)}
        wanted = all(works(other) for other in programs if other["needed_for"] in needed)
        if attached is None:
            found.append(f"{name}: the daemon does not say whether it is attached")
        elif bool(attached) != wanted:
            found.append(f"{name}: probe says that {purpose} {'work' if wanted else 'do not work'}, "
                         f"the daemon says attached={attached:g}")
    return found + _summaries(probe)


def _summaries(probe):
    """They must follow from the programs, whichever of two is used."""
    working = {program["name"].removesuffix("_table") for program in probe.get("programs", ())
               if works(program)}
    all_work = {name: working.issuperset(PACKET_PROGRAMS + programs)
                for name, programs in SUMMARIES.items()}
    return [f"probe: {name}={probe.get(name)}, its programs say {all_work[name]}"
            for name in SUMMARIES if bool(probe.get(name)) != all_work[name]]


def wrong_tier(probe, tier):
    """What this kernel must allow; where anything is allowed at all, protocols too."""
    if probe is None:
        return ["probe --json printed no JSON object"]
    if probe.get("tier") != tier:
        return [f"probe: tier {probe.get('tier')!r}, wanted is {tier!r}: {probe.get('why_not')}"]
    return [f"probe: no {name}: {refusals(probe)}" for name in SUMMARIES
            if tier != "none" and probe.get(name) is not True]


def wrong_look(probe, look):
    """A kernel that does not survive a walk over socket storage must not be asked for one."""
    found = (probe or {}).get("look")
    return [] if found == look else [f"probe: live sockets by {found!r}, wanted is {look!r}"]


def refusals(probe):
    """The verifier's last words on each program that does not load."""
    return "; ".join(f"{program['name']}: errno {program['errno']} {program['error']} "
                     f"{program['verifier']}" for program in probe.get("programs", ())
                     if not works(program))


def over_budget(programs):
    """Programs that the verifier may soon refuse."""
    return [f"{name}: {program['instructions']} instructions, more than {INSTRUCTIONS_MAX}"
            for name, program in programs.items() if program["instructions"] > INSTRUCTIONS_MAX]


def inexact(tests, planned):
    """Scenarios that failed, were skipped, or never came to an end."""
    ended = {test["name"] for test in tests}
    found = [_failure(test) for test in tests if test["outcome"] != "ok"]
    return found + [f"{name}: no result" for name in planned
                    if not any(end == name or end.startswith(name + ".") for end in ended)]


def _failure(test):
    return (f"{test['name']}: {test['outcome']}; sockeye.kernel.lost: "
            f"{test['losses'] or 'nothing'}\n{test['text'].strip()}\n{test['printed'].strip()}".rstrip())


def printed(tests):
    """What the tests that went well have to say, and how long they took; those that did not say it
    with their failure."""
    return [f"{test['name']}, {test['seconds']:.0f} s\n{test['printed'].strip()}" for test in tests
            if test["outcome"] == "ok"]


def wrong_refusal(probe, live):
    """Without rights: exit 1 with one line that names the capabilities, and nothing is concluded
    about what could not be tried."""
    if probe is None or live is None:
        return ["no result"]
    lines = live["log"]
    found = []
    if live["code"] != 1 or len(lines) != 1 or "cap_" not in lines[0]:
        found.append(f"exit {live['code']} with {lines}: wanted is exit 1 and one line that names "
                     "the missing capabilities")
    known = [program["name"] for program in probe.get("programs", ())
             if program.get("works") != "unknown"]
    return found + [f"probe concludes on {name} without the right to try it" for name in known]


def table(rows):
    """Kernels by programs: [(cell, release, programs)] as aligned text."""
    names = list(dict.fromkeys(name for _, _, programs in rows for name in programs))
    cells = [["cell", "kernel", *names]]
    for cell, release, programs in rows:
        cells.append([cell, release, *(_entry(programs.get(name)) for name in names)])
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return "\n".join("  ".join(text.ljust(width) if column < 2 else text.rjust(width)
                               for column, (text, width) in enumerate(zip(row, widths))).rstrip()
                     for row in cells)


def _entry(program):
    if program is None:
        return "-"
    return str(program["instructions"]) if works(program) else f"errno {program['errno']}"
