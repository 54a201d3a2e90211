# SPDX-License-Identifier: Apache-2.0
"""Packages of npm, for what Debian has no package of."""

import shutil
import tempfile
import unittest

import harness


def install(case, package):
    """The folder in which `package` (NAME@VERSION) is in node_modules, gone with the class `case`,
    which is skipped when npm cannot have it."""
    harness.need("node", "npm")
    folder = tempfile.mkdtemp(prefix="sockeye-npm-")
    case.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
    done = harness.command("npm", "i", "--ignore-scripts", "--no-audit", "--no-fund",
                           "--omit=optional", package, cwd=folder, check=False, timeout=300)
    if done.returncode != 0:
        raise unittest.SkipTest(f"npm cannot install {package}: {done.stderr.strip()}")
    return folder
