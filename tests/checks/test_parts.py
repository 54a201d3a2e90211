#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The shell functions of packaging/dev.d: what fails is told, what is skipped does not fail.

Each test runs the functions in a bash of its own, with those that would install, build or change
owners replaced.
"""

import os
import pathlib
import subprocess
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "dev.d"
# As packaging/dev begins.
BEGINNING = "set -euo pipefail\n" + "\n".join(
    f". {SCRIPTS}/{name}.sh"
    for name in ("packages", "build", "parts", "run_parts", "debian", "static", "package"))
# Parts of our own; nothing is installed, built or handed back.
PARTS = """
parts="
good     test  dev    -     one that passes
bad      test  dev    -     one that fails
absent   test  dev    -     one that cannot be tried here
partly   deep  -      -     one that tries a part
unbuilt  deep  broken -     one whose preset does not build
again    deep  broken -     another one of it
"
part_good() { echo good words; }
part_bad() { echo first words; false; echo never said; }
part_absent() { skip no such kernel; echo never said; }
part_partly() { remark without this; remark without that; }
part_unbuilt() { echo never said; }
part_again() { echo never said; }
need() { echo "need $*" >"$PWD/needed"; }
build() { echo "build $1" >>"$PWD/built"; [ "$1" != broken ]; }
hand_back() { echo back >>"$PWD/handed"; }
"""


class Shell(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sockeye-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def bash(self, script, code=0):
        """What the script printed; its exit code is what was expected."""
        done = subprocess.run(["bash", "-c", BEGINNING + "\n" + script], cwd=self.folder, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60,
                              env={**os.environ, "TMPDIR": str(self.folder)})
        self.assertEqual(done.returncode, code, done.stdout)
        return done.stdout

    def said(self, name):
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []


class Parts(Shell):
    """run_parts, step, skip, remark, summary."""

    def run_parts(self, *names, code, stubs=""):
        return self.bash(f"{PARTS}\n{stubs}\nrun_parts {' '.join(names)}", code)

    def result(self, output, part):
        """What the table says of a part."""
        lines = [line for line in output.splitlines() if line.startswith(f"{part:<14} ")]
        self.assertEqual(len(lines), 1, output)
        return lines[0].split(" s  ", 1)[1]

    def test_a_part_that_passes(self):
        output = self.run_parts("good", code=0)
        self.assertEqual(self.result(output, "good"), "ok")
        self.assertEqual(self.result(output, "all"), "0 failed, 0 skipped")
        self.assertIn("good words", output)

    def test_a_part_that_fails_makes_the_whole_fail(self):
        output = self.run_parts("bad", "good", code=1)
        self.assertEqual(self.result(output, "bad"), "FAILED")
        self.assertEqual(self.result(output, "good"), "ok")
        self.assertEqual(self.result(output, "all"), "1 failed, 0 skipped")
        self.assertNotIn("never said", output)

    def test_its_last_words_stand_at_the_end(self):
        talk = 'part_bad() { seq -f "word %.0f" 100; false; }; last_words=7'
        output = self.run_parts("bad", "good", code=1, stubs=talk)
        end = output[output.index("good words"):]
        self.assertIn("== bad FAILED; its last 7 lines:\nword 94\n", end)
        self.assertIn("word 100\n", end)
        self.assertNotIn("word 93\n", end)

    def test_a_skipped_one_does_not_fail(self):
        output = self.run_parts("absent", "good", code=0)
        self.assertEqual(self.result(output, "absent"), "skipped: no such kernel")
        self.assertEqual(self.result(output, "good"), "ok")
        self.assertEqual(self.result(output, "all"), "0 failed, 1 skipped")
        self.assertNotIn("never said", output)

    def test_remarks_are_all_told(self):
        output = self.run_parts("partly", "good", code=0)
        self.assertEqual(self.result(output, "partly"), "ok, without this;without that")
        self.assertEqual(self.result(output, "good"), "ok")
        self.assertEqual(self.result(output, "all"), "0 failed, 1 skipped")

    def test_what_has_not_begun_in_time_is_skipped(self):
        output = self.run_parts("good", code=0, stubs="EYE_TEST_UNTIL=1")
        self.assertEqual(self.result(output, "good"),
                         "skipped: no time was left for it (EYE_TEST_UNTIL)")
        self.assertEqual(self.result(output, "all"), "0 failed, 1 skipped")
        self.assertNotIn("good words", output)

    def test_a_preset_is_built_once(self):
        self.run_parts("good", "absent", code=0)
        self.assertEqual(self.said("built"), ["build dev"])

    def test_a_preset_that_does_not_build_fails_its_parts(self):
        output = self.run_parts("unbuilt", "again", "good", code=1)
        self.assertEqual(self.said("built"), ["build broken", "build dev"])
        for part in ("unbuilt", "again"):
            self.assertIn("not run: the preset broken does not build", self.result(output, part))
        self.assertEqual(self.result(output, "good"), "ok")
        self.assertEqual(self.result(output, "all"), "3 failed, 0 skipped")
        self.assertNotIn("never said", output)

    def test_without_its_packages_nothing_is_run(self):
        output = self.run_parts("good", code=1, stubs="need() { echo no network; false; }")
        self.assertEqual(self.result(output, "install"), "FAILED")
        self.assertIn("== install FAILED; its last 60 lines:\nno network\n", output)
        self.assertNotIn("good words", output)

    def test_a_skip_within_the_shell_of_a_part_is_no_failure_of_its_caller(self):
        inner = "part_bad() { inner; echo never said; }; inner() { skip deep inside; }"
        output = self.run_parts("bad", code=0, stubs=inner)
        self.assertEqual(self.result(output, "bad"), "skipped: deep inside")

    def test_what_root_built_is_handed_back_whatever_comes(self):
        for name, code in (("good", 0), ("bad", 1), ("absent", 0)):
            (self.folder / "handed").unlink(missing_ok=True)
            self.run_parts(name, code=code)
            self.assertEqual(self.said("handed"), ["back"], name)

    def test_nothing_of_its_own_is_left(self):
        self.run_parts("bad", "good", code=1)
        self.assertEqual(sorted(os.listdir(self.folder)), ["built", "handed", "needed"])

    def test_tests_that_skipped_themselves_are_a_remark(self):
        log = self.folder / "log"
        log.write_text("test_a (m.A) ... skipped 'no kernel'\nskipped: no disk\ntest_b ... ok\n")
        output = self.run_parts("good", code=0, stubs=f"part_good() {{ remark_skips {log}; }}")
        self.assertEqual(self.result(output, "good"), "ok, 2 tests skipped: 'no kernel';no disk")


class Names(Shell):
    """expand_parts, packages_of."""

    def test_words_for_several_parts(self):
        self.assertEqual(self.bash(f"{PARTS}\nexpand_parts").split(), ["good", "bad", "absent"])
        self.assertEqual(self.bash(f"{PARTS}\nexpand_parts deep bad").split(),
                         ["partly", "unbuilt", "again", "bad"])

    def test_an_unknown_part_is_told(self):
        output = self.bash(f"{PARTS}\nexpand_parts good gone", code=2)
        self.assertIn("unknown part 'gone'; there are: deep good bad", output)

    def test_packages_of_live_tests_are_roots(self):
        for root, installed in (("true", True), ("false", False)):
            packages = self.bash(f"is_root() {{ {root}; }}\npackages_of unit live").split()
            self.assertEqual("wrk" in packages, installed)
            self.assertIn("libcmocka-dev", packages)


class Packages(Shell):
    """need."""

    def need(self, stubs, code=0):
        return self.bash('is_installed() { [ "$1" = here ]; }\n'
                         'install_idle() { echo "$*" >"$PWD/installed"; }\n'
                         f"is_root() {{ true; }}\n{stubs}\nneed here gone away; echo went on", code)

    def test_only_what_is_missing_is_installed(self):
        self.assertIn("went on", self.need(""))
        self.assertEqual(self.said("installed"), ["gone away"])

    def test_nothing_is_done_when_all_is_there(self):
        output = self.need("is_installed() { true; }; is_root() { false; }")
        self.assertEqual(output, "went on\n")
        self.assertEqual(self.said("installed"), [])

    def test_whoever_is_not_root_is_told_what_is_missing(self):
        output = self.need("is_root() { false; }", code=1)
        self.assertIn("missing packages: gone away", output)
        self.assertNotIn("went on", output)
        self.assertEqual(self.said("installed"), [])

    def test_an_installation_that_fails_says_why(self):
        output = self.need("install_idle() { echo E: no such package; return 100; }", code=1)
        self.assertIn("E: no such package\n", output)
        self.assertIn("apt-get cannot install gone away", output)
        self.assertNotIn("went on", output)
        self.assertEqual(os.listdir(self.folder), [])


class HandBack(Shell):
    """hand_back."""

    def hand_back(self, owner, root="true", build=True):
        if build:
            (self.folder / "build").mkdir(exist_ok=True)
        return self.bash(f"""
is_root() {{ {root}; }}
stat() {{ if [ "$2" = %u ]; then echo {owner}; else echo {owner}:100; fi; }}
chown() {{ echo "chown $*"; }}
hand_back""")

    def test_the_owner_of_the_clone_gets_it_all(self):
        self.assertEqual(self.hand_back(1000), "chown -hR 1000:100 build\n")

    def test_roots_own_clone_stays(self):
        self.assertEqual(self.hand_back(0), "")

    def test_only_root_can(self):
        self.assertEqual(self.hand_back(1000, root="false"), "")

    def test_without_a_build_there_is_nothing(self):
        self.assertEqual(self.hand_back(1000, build=False), "")


if __name__ == "__main__":
    unittest.main()
