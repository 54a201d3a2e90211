# SPDX-License-Identifier: Apache-2.0
"""What is kept from run to run, and for how long after its last use."""

import contextlib
import fcntl
import glob
import os
import shutil
import time

FOLDER = os.environ.get("SOCKEYE_CACHE", "/var/cache/sockeye-dev")
KEPT_SECONDS = 30 * 24 * 3600


def made(cache=FOLDER):
    """The folder of what is fetched here."""
    folder = os.path.join(cache, "vm")
    os.makedirs(folder, exist_ok=True)
    return folder


def kept(path):
    """Is it there? Then it is used again from now on."""
    if not os.path.exists(path):
        return False
    os.utime(path)
    return True


@contextlib.contextmanager
def locked(folder):
    """One thread of one run at a time prepares what all share."""
    with open(os.path.join(folder, "lock"), "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def prune(folder, now=None):
    """Removes kernels and archives that no run has used for long: suites move on."""
    oldest = (now or time.time()) - KEPT_SECONDS
    for pattern in ("trees/*", "*.cpio", "last/*"):
        for path in glob.glob(os.path.join(folder, pattern)):
            if os.path.getmtime(path) >= oldest:
                continue
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
