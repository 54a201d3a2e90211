# SPDX-License-Identifier: Apache-2.0
"""Runs a command for which system calls are refused, as container runtimes' seccomp filters do.

    filtered.py CALL[:FIRST_ARGUMENT]=ANSWER... -- COMMAND [ARGUMENT]...

ANSWER is the name of an errno ("bpf=EPERM"; "bpf:28=EPERM": BPF_LINK_CREATE alone), or KILL.
"""

import ctypes
import errno
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE, KILL_PROCESS = 0x7fff0000, 0x00050000, 0x80000000
# Where struct seccomp_data has them; of the argument the lower half.
NUMBER_OFFSET, ARGUMENT_OFFSET = 0, 16
NUMBERS = {
    "x86_64": {"bpf": 321, "setns": 308, "clone": 56, "clone3": 435, "signalfd4": 289,
               "capset": 126},
    "aarch64": {"bpf": 280, "setns": 268, "clone": 220, "clone3": 435, "signalfd4": 74,
                "capset": 91},
}[os.uname().machine]


def rules(call, argument, verdict):
    """Instructions; a jump goes past what is left when a value is another one."""
    conditions = [(NUMBER_OFFSET, NUMBERS[call])]
    if argument:
        conditions.append((ARGUMENT_OFFSET, int(argument)))
    code = []
    for offset, value in reversed(conditions):
        code = [(LOAD, 0, 0, offset), (JUMP_IF_EQUAL, 0, len(code) or 1, value), *(
            code or [(RETURN, 0, 0, verdict)])]
    return [*code, (RETURN, 0, 0, ALLOW)]


def refuse(word):
    """One more filter; of several the strictest answer counts."""
    where, answer = word.split("=")
    call, _, argument = where.partition(":")
    verdict = KILL_PROCESS if answer == "KILL" else REFUSE | getattr(errno, answer)
    code = b"".join(struct.pack("<HBBI", *words) for words in rules(call, argument, verdict))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("<HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or \
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    END = sys.argv.index("--")
    for argv_word in sys.argv[1:END]:
        refuse(argv_word)
    os.execvp(sys.argv[END + 1], sys.argv[END + 1:])
