# SPDX-License-Identifier: Apache-2.0
"""Each verdict of the matrix can fail: shown on texts, without a guest."""

import copy
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
import archive
import cache
import initramfs
import modules
import packages
import report

PURPOSES = {"connections": ("tcp_state", "tcp_live"), "packets": report.PACKET_PROGRAMS,
            "protocols": report.SUMMARIES["protocols"], "UDP": report.SUMMARIES["udp"]}
PACKETS = [name for purpose in ("packets", "protocols", "UDP") for name in PURPOSES[purpose]]
NAMES = [name for names in PURPOSES.values() for name in names]
PROBE = {
    "tier": "socket-storage", "protocols": True, "udp": True, "why_not": "",
    "programs": [{"name": name, "works": "yes", "errno": 0, "error": "", "instructions": 1000,
                  "verifier": "", "needed_for": purpose}
                 for purpose, names in PURPOSES.items() for name in names],
}
LIVE = {"error": "", "attached": {name: 1.0 for name in NAMES}}
NONE = {"tier": "none", "protocols": False, "why_not": "tcp_state: no BTF", "programs": []}


def changed(original, **changes):
    """A copy with other values; program__field=value changes that program's field."""
    copied = copy.deepcopy(original)
    for name, value in changes.items():
        program, _, field = name.partition("__")
        if field:
            next(one for one in copied["programs"] if one["name"] == program)[field] = value
        else:
            copied[name] = value
    return copied


class Disagreements(unittest.TestCase):
    """probe --json against the live daemon."""

    def assert_found(self, word, probe, live):
        found = report.disagreements(probe, live)
        self.assertTrue(any(word in line for line in found), found)

    def test_agreement(self):
        self.assertEqual(report.disagreements(PROBE, LIVE), [])

    def test_probe_says_yes_but_nothing_is_attached(self):
        self.assert_found("tcp_live", PROBE, {**LIVE, "attached": {**LIVE["attached"],
                                                                   "tcp_live": 0.0}})

    def test_probe_says_no_but_it_is_attached(self):
        self.assert_found("tcp_live", changed(PROBE, tcp_live__works="no"), LIVE)

    def test_an_ability_works_whole_or_not_at_all(self):
        probe = changed(PROBE, payload_sent__works="no", protocols=False, udp=False)
        without = {**LIVE["attached"], **dict.fromkeys(PACKETS, 0.0)}
        self.assertEqual(report.disagreements(probe, {**LIVE, "attached": without}), [])
        half = {**without, "payload_received": 1.0}
        self.assert_found("payload_received", probe, {**LIVE, "attached": half})

    def test_not_known_is_not_yes(self):
        self.assert_found("tcp_live", changed(PROBE, tcp_live__works="unknown"), LIVE)

    def test_a_program_that_the_daemon_does_not_name(self):
        self.assert_found("tcp_state", PROBE, {**LIVE, "attached": {}})

    def test_the_daemon_ended(self):
        self.assert_found("Invalid argument", PROBE, {"error": "Invalid argument", "attached": {}})

    def test_the_summary_contradicts_the_programs(self):
        self.assert_found("protocols", changed(PROBE, protocols=False), LIVE)
        refused = changed(PROBE, payload_sent__works="no")
        self.assert_found("protocols", refused, LIVE)

    def test_no_programs(self):
        self.assert_found("names no programs", changed(PROBE, programs=[], protocols=False), LIVE)

    def test_no_results(self):
        self.assert_found("no probe", None, LIVE)
        self.assert_found("no live run", PROBE, None)

    def test_nothing_loads_and_both_say_why(self):
        live = {"error": "the daemon ended with 1: cannot: tcp_state: no BTF", "attached": {}}
        self.assertEqual(report.disagreements(NONE, live), [])

    def test_nothing_loads_but_the_daemon_runs(self):
        self.assert_found("runs", NONE, LIVE)

    def test_nothing_loads_for_another_reason(self):
        self.assert_found("ended with", NONE, {"error": "Invalid argument", "attached": {}})
        self.assert_found("ended with", changed(NONE, why_not=""),
                          {"error": "Invalid argument", "attached": {}})


class Verdicts(unittest.TestCase):
    """Tier, budget, scenarios, rights."""

    def test_tier(self):
        self.assertEqual(report.wrong_tier(PROBE, "socket-storage"), [])
        self.assertEqual(report.wrong_tier(NONE, "none"), [])
        self.assertIn("no BTF", report.wrong_tier(NONE, "socket-storage")[0])
        self.assertTrue(report.wrong_tier(None, "none"))
        refused = changed(PROBE, protocols=False, payload_sent__works="no",
                          payload_sent__verifier="unknown func")
        self.assertIn("unknown func", report.wrong_tier(refused, "socket-storage")[0])

    def test_look(self):
        self.assertEqual(report.wrong_look({"look": "tables"}, "tables"), [])
        for probe in ({"look": "storage"}, {}, None):
            self.assertIn("wanted", report.wrong_look(probe, "tables")[0])

    def test_budget(self):
        programs = {program["name"]: program for program in
                    changed(PROBE, tcp_live__instructions=report.INSTRUCTIONS_MAX)["programs"]}
        self.assertEqual(report.over_budget(programs), [])
        programs["tcp_live"]["instructions"] += 1
        self.assertIn("tcp_live: 350001", report.over_budget(programs)[0])

    def test_scenarios(self):
        good = {"name": "module.Class.test_a", "outcome": "ok", "text": "", "printed": "",
                "losses": {}}
        self.assertEqual(report.inexact([good], ["module.Class"]), [])
        self.assertEqual(report.inexact([good], ["module.Class.test_a"]), [])
        self.assertIn("no result", report.inexact([good], ["module.Class", "module.Other"])[0])
        self.assertIn("no result", report.inexact([], ["module.Class"])[0])
        bad = {**good, "outcome": "failed", "text": "5 != 6", "losses": {"tcp/recursion": 1}}
        self.assertIn("tcp/recursion", report.inexact([bad], ["module.Class"])[0])
        self.assertTrue(report.inexact([{**good, "outcome": "skipped"}], ["module.Class"]))

    def test_a_failure_hides_no_missing_result(self):
        bad = {"name": "module.Class.test_a", "outcome": "failed", "text": "", "printed": "",
               "losses": {}}
        self.assertEqual(len(report.inexact([bad], ["module.Class", "module.Other"])), 2)

    def test_what_a_test_printed(self):
        test = {"name": "module.Class.test_a", "outcome": "ok", "text": "", "losses": {},
                "printed": "CPU 0: 7 of 7\n", "seconds": 2.0}
        self.assertIn("CPU 0: 7 of 7", report.printed([test])[0])
        test["outcome"] = "failed"
        self.assertEqual(report.printed([test]), [])
        self.assertIn("CPU 0: 7 of 7", report.inexact([test], ())[0])

    def test_refusal(self):
        line = "cannot observe the kernel: missing cap_bpf"
        probe = changed(NONE, programs=[{"name": "tcp_state", "works": "unknown"}])
        live = {"code": 1, "log": [line]}
        self.assertEqual(report.wrong_refusal(probe, live), [])
        for code, log in ((0, [line]), (1, [line, line]), (1, []), (1, ["use kernel 5.8"])):
            self.assertTrue(report.wrong_refusal(probe, {"code": code, "log": log}))
        self.assertIn("tcp_state", report.wrong_refusal(changed(probe, tcp_state__works="no"),
                                                        live)[0])
        self.assertTrue(report.wrong_refusal(None, live))
        self.assertTrue(report.wrong_refusal(probe, None))


class Reading(unittest.TestCase):
    """Lines of a guest."""

    def test_kinds(self):
        probe = {"kind": "probe", "who": "root", "text": json.dumps(PROBE)}
        test = {"kind": "test", "name": "a", "outcome": "ok"}
        found = report.Report(["UP 1", "Traceback", json.dumps(probe), json.dumps(test), "7",
                               "EXIT 0 9"])
        self.assertEqual(found.probe(), PROBE)
        self.assertIsNone(found.probe("nobody"))
        self.assertEqual(set(found.programs()), set(NAMES))
        self.assertEqual([one["name"] for one in found.tests], ["a"])
        self.assertEqual(found.noise, ["Traceback", "7"])
        self.assertIsNone(found.live())

    def test_a_probe_that_is_no_json(self):
        for text in ("", "[]", "sockeye: usage"):
            found = report.Report([json.dumps({"kind": "probe", "who": "root", "text": text})])
            self.assertIsNone(found.probe())
            self.assertEqual(found.programs(), {})

    def test_table(self):
        programs = {program["name"]: program for program in
                    changed(PROBE, payload_sent__works="no", payload_sent__errno=22)["programs"]}
        text = report.table([("6.1", "6.1.0", programs), ("5.10", "5.10.0", {})])
        self.assertIn("errno 22", text)
        self.assertEqual(len(text.splitlines()), 3)


class Sources(unittest.TestCase):
    """The host's mirror with another suite."""

    DEB822 = """Types: deb
# a comment
URIs: http://mirror/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /k.gpg

Types: deb
URIs: http://mirror/security
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://other/debian
Suites: bookworm
"""
    LINES = """# deb http://commented/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://mirror/debian bookworm main
deb-src http://sources/debian bookworm main
deb http://mirror/security bookworm-security main
"""

    def test_both_styles(self):
        for known in (list(archive.stanzas(self.DEB822)), list(archive.lines(self.LINES))):
            self.assertEqual(archive.source_line("sid", known, "bookworm"),
                             "deb [signed-by=/k.gpg] http://mirror/debian sid main")
            self.assertEqual(archive.source_line("bullseye-security", known, "bookworm"),
                             "deb http://mirror/security bullseye-security main")

    def test_no_archive_is_a_reason_to_skip(self):
        with self.assertRaisesRegex(archive.Unavailable, "trixie"):
            archive.source_line("sid", list(archive.lines(self.LINES)), "trixie")


class Commands(unittest.TestCase):
    """What is told of a command that failed."""

    def test_last_words(self):
        self.assertEqual(packages.last_words("Reading\nE: no such suite\n\nDone\n"),
                         "E: no such suite")
        self.assertEqual(packages.last_words("a\nb\nc\nd\n\n"), "b | c | d")

    def test_failure_names_the_command(self):
        with self.assertRaisesRegex(packages.Failed, "ls /nonexistent: exit 2: .*No such file"):
            packages.run("ls", "/nonexistent")


class Cache(unittest.TestCase):
    """What is kept, and what goes."""

    def test_only_what_is_not_used_goes(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("trees/old", "trees/used"):
                os.makedirs(os.path.join(folder, name, "below"))
            for name in ("old.cpio", "trees/old", "trees/used"):
                path = os.path.join(folder, name)
                if name.endswith(".cpio"):
                    with open(path, "wb"):
                        pass
                os.utime(path, (1, 1))
            self.assertTrue(cache.kept(os.path.join(folder, "trees/used")))
            self.assertFalse(cache.kept(os.path.join(folder, "trees/none")))
            cache.prune(folder)
            self.assertEqual(os.listdir(os.path.join(folder, "trees")), ["used"])
            self.assertFalse(os.path.exists(os.path.join(folder, "old.cpio")))


class Images(unittest.TestCase):
    """Archives and modules."""

    def test_module_dependencies(self):
        found = modules.dependencies("kernel/a/tcp_diag.ko.xz: kernel/b/inet-diag.ko.xz\n"
                                     "kernel/b/inet-diag.ko.xz:\n")
        self.assertEqual(found["tcp_diag"], ["kernel/a/tcp_diag.ko.xz", "kernel/b/inet-diag.ko.xz"])
        self.assertEqual(found["inet_diag"], ["kernel/b/inet-diag.ko.xz"])

    def test_archive_layout(self):
        """newc: every header and every content starts at a multiple of four bytes."""
        made = initramfs.Archive()
        made.text("a/b/c", "hello")
        made.link("a/d", "b")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.cpio")
            made.write(path)
            self.assertEqual(os.listdir(folder), ["x.cpio"])
            with open(path, "rb") as file:
                content = file.read()
        found, place = [], 0
        while place < len(content):
            self.assertEqual(content[place:place + 6], b"070701")
            size, length = (int(content[place + 6 + 8 * field:place + 14 + 8 * field], 16)
                            for field in (6, 11))
            found.append(content[place + 110:place + 110 + length - 1].decode())
            place += (110 + length + 3) // 4 * 4 + (size + 3) // 4 * 4
        self.assertEqual(found, ["a", "a/b", "a/b/c", "a/d", "TRAILER!!!"])


if __name__ == "__main__":
    unittest.main()
