# SPDX-License-Identifier: Apache-2.0
"""A cgroup of the test's own that the daemon takes for the whole machine.

The loss counters of the protocol programs have no port: on a busy machine everybody's losses are
in them. So the test moves into a child cgroup and tells every daemon to watch that one alone
(source.cgroup): what is then counted as lost was lost by the test's own traffic.
"""

import os

import harness


def mount_point():
    """Where the cgroup v2 tree is mounted (proc_pid_mountinfo(5), field 5)."""
    with open("/proc/self/mountinfo", encoding="utf-8") as lines:
        for line in lines:
            if " - cgroup2 " in line:
                return line.split()[4]
    raise AssertionError("no cgroup v2 tree is mounted: mount -t cgroup2 none DIRECTORY")


def folder():
    """This process' own, made by enter() or make()."""
    return os.path.join(mount_point(), f"sockeye-test-{os.getpid()}")


def _join(where, pid):
    with open(os.path.join(where, "cgroup.procs"), "w", encoding="ascii") as file:
        file.write(str(pid))


def make(add_cleanup):
    """Moves this process, and all that it starts from now on, into a cgroup of its own."""
    own = folder()
    os.mkdir(own)
    add_cleanup(os.rmdir, own)
    _join(own, os.getpid())
    add_cleanup(_join, mount_point(), os.getpid())


def enter(add_cleanup):
    """The same, and every daemon watches it alone.

    add_cleanup is unittest.addModuleCleanup or the like.
    """
    make(add_cleanup)
    harness.SETTINGS.append(f"source.cgroup={folder()}")
    add_cleanup(harness.SETTINGS.pop)
