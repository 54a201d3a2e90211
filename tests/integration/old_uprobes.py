# SPDX-License-Identifier: Apache-2.0
"""Runs a command as kernels before 6.6 would, which have no links of many uprobes; with --none, as
those before 5.15, which have no links of perf events either.

    old_uprobes.py [--none] COMMAND [ARGUMENT]...
"""

import errno
import struct
import sys

import old_bpf

LINK_CREATE = 28
PERF_EVENT, UPROBE_MULTI = 41, 48


def refuse(thread, arguments, attach_types):
    """The errno of a bpf(2) with these arguments, or 0."""
    command, attributes, _ = arguments[:3]
    if command != LINK_CREATE:
        return 0
    with open(f"/proc/{thread}/mem", "rb") as memory:
        memory.seek(attributes)
        _program, _target, attach_type = struct.unpack("<3I", memory.read(12))
    return errno.EINVAL if attach_type in attach_types else 0


if __name__ == "__main__":
    NONE = sys.argv[1] == "--none"
    REFUSED = {UPROBE_MULTI, PERF_EVENT} if NONE else {UPROBE_MULTI}
    old_bpf.run(sys.argv[1 + NONE:], lambda *call: refuse(*call, REFUSED))
