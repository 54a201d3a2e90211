#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every file of tests/data/config says at its top what `check` says of it; `run` says the same.

    # valid
    # invalid: LINE:COL: message        one line for each problem, in order

`run` is started without any right: what it does not refuse it takes as far as the kernel. The
daemon is found through the environment variable SOCKEYE.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "data/config"
EXIT_OK, EXIT_FAILURE, EXIT_CONFIG = 0, 1, 78
UNPRIVILEGED = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                "--inh-caps=-all", "--bounding-set=-all") if os.geteuid() == 0 else ()
NO_RIGHT = "cannot observe the kernel"


class Configurations(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        # Where a user without rights may read.
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        os.chmod(self.folder.name, 0o755)
        self.binary = shutil.copy(os.environ["SOCKEYE"], self.folder.name)

    def sockeye(self, *words, prefix=()):
        return subprocess.run(
            (*prefix, self.binary, *words), text=True, timeout=60, check=False,
            cwd=self.folder.name, env={"PATH": os.environ["PATH"]}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def copy(self, path):
        """Its text under a short name, and what its first lines say of it."""
        text = path.read_text(encoding="utf-8")
        (pathlib.Path(self.folder.name) / path.name).write_text(text, encoding="utf-8")
        lines = [line.removeprefix("# invalid: ") for line in text.splitlines()
                 if line.startswith("# invalid: ")]
        self.assertNotEqual(bool(lines), text.startswith("# valid\n"), "says what it is")
        return [f"{path.name}:{line}" for line in lines]

    def look_at(self, path):
        expected = self.copy(path)
        check = self.sockeye("check", "-c", path.name)
        # The tier that needs rights: without them it ends before it observes.
        run = self.sockeye("run", "--once", "-c", path.name, "--set", "source.tier=socket-storage",
                           prefix=UNPRIVILEGED)
        if expected:
            self.assertEqual((check.returncode, check.stdout), (EXIT_CONFIG, ""))
            self.assertEqual(check.stderr.splitlines(), expected)
            self.assertEqual((run.returncode, run.stderr), (EXIT_CONFIG, check.stderr))
        else:
            self.assertEqual(check.returncode, EXIT_OK, check.stderr)
            self.assertEqual(run.returncode, EXIT_FAILURE, run.stderr)
            self.assertIn(NO_RIGHT, run.stderr.splitlines()[-1])

    def test_check_and_run_agree(self):
        paths = sorted(FOLDER.glob("*.yaml"))
        self.assertGreaterEqual(len(paths), 100)
        for path in paths:
            with self.subTest(path.stem):
                self.look_at(path)


if __name__ == "__main__":
    unittest.main()
