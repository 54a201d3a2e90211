# SPDX-License-Identifier: Apache-2.0
"""Runs a command for which bpf(2) is refused, as container runtimes' seccomp filters do.

    without_bpf.py COMMAND [ARGUMENT]...
"""

import ctypes
import errno
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
BPF_NUMBER = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7fff0000, 0x00050000 | errno.EPERM


def refuse_bpf():
    """A filter that looks at the number of the system call alone."""
    code = b"".join(struct.pack("<HBBI", *words) for words in (
        (LOAD, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, BPF_NUMBER), (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, ALLOW)))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("<HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or \
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    refuse_bpf()
    os.execvp(sys.argv[1], sys.argv[1:])
