# SPDX-License-Identifier: Apache-2.0
"""Packages of npm without what they depend on: no script of theirs runs, and only what is wanted is
unpacked, because some have thousands of files.
"""

import os
import shutil
import subprocess
import tarfile
import unittest


def fetch(folder, package, version, wanted):
    """Unpacks the files of a package whose path `wanted` takes below folder/node_modules, once.

    Skips the test, with npm's words, when the package cannot be had.
    """
    target = os.path.join(folder, "node_modules", package)
    if os.path.isdir(target):
        return
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            raise unittest.SkipTest(f"{tool} is not installed")
    os.makedirs(folder, exist_ok=True)
    done = subprocess.run(("npm", "pack", "--silent", f"{package}@{version}"), cwd=folder,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                          check=False)
    if done.returncode != 0:
        raise unittest.SkipTest(f"npm cannot fetch {package}@{version}: {done.stderr.strip()}")
    archive = os.path.join(folder, done.stdout.split()[-1])
    _unpack(archive, target, wanted)
    os.unlink(archive)


def _unpack(archive, target, wanted):
    """Whole or not at all; the first folder of an npm archive is the package."""
    partly = target + ".partly"
    shutil.rmtree(partly, ignore_errors=True)
    with tarfile.open(archive) as files:
        for member in files:
            path = member.name.partition("/")[2]
            if not member.isfile() or not wanted(path) or ".." in path.split("/"):
                continue
            os.makedirs(os.path.dirname(os.path.join(partly, path)), exist_ok=True)
            with files.extractfile(member) as source, open(os.path.join(partly, path),
                                                           "wb") as file:
                shutil.copyfileobj(source, file)
    os.rename(partly, target)
