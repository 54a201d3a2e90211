# SPDX-License-Identifier: Apache-2.0
"""A cgroup of the test's own that the daemon takes for the whole machine.

The loss counters of the protocol programs have no port: on a busy machine everybody's losses are
in them. The daemon attaches these programs to the cgroup v2 tree of its mount table. So the test
enters a mount namespace in which that place shows a child cgroup with the test's processes only:
what the daemon then counts as lost was lost by the test's own traffic.
"""

import ctypes
import os
import subprocess

_CLONE_NEWNS = 0x00020000
_libc = ctypes.CDLL(None, use_errno=True)


def mount_point():
    """Where the cgroup v2 tree is mounted (proc_pid_mountinfo(5), field 5)."""
    with open("/proc/self/mountinfo", encoding="utf-8") as lines:
        for line in lines:
            if " - cgroup2 " in line:
                return line.split()[4]
    raise AssertionError("no cgroup v2 tree is mounted: mount -t cgroup2 none DIRECTORY")


def _join(folder, pid):
    with open(os.path.join(folder, "cgroup.procs"), "w", encoding="ascii") as file:
        file.write(str(pid))


def _mount(*words):
    subprocess.run(("mount", *words), check=True, timeout=60)


def enter(add_cleanup):
    """Moves this process, and all that it starts from now on, into a cgroup of its own.

    add_cleanup is unittest.addModuleCleanup or the like. Call it before there are threads.
    """
    tree = mount_point()
    own = os.path.join(tree, f"sockeye-test-{os.getpid()}")
    if _libc.unshare(_CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare: needs root")
    _mount("--make-rprivate", "/")
    os.mkdir(own)
    add_cleanup(os.rmdir, own)
    _join(own, os.getpid())
    add_cleanup(_join, tree, os.getpid())
    _mount("--bind", own, tree)
    add_cleanup(subprocess.run, ("umount", tree), check=True, timeout=60)
