# SPDX-License-Identifier: Apache-2.0
"""Runs a command as kernels before 5.19 would: every bpf(2) of a thread without CAP_BPF is refused.

    old_bpf.py COMMAND [ARGUMENT]...

A child answers for the kernel (seccomp_unotify(2)); it ends when nothing is left of the command.
"""

import array
import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import sys

from filtered import ALLOW, LOAD, JUMP_IF_EQUAL, NUMBER_OFFSET, NUMBERS, RETURN

ASK = 0x7fc00000
SECCOMP = {"x86_64": 317, "aarch64": 277}[os.uname().machine]
SET_MODE_FILTER, NEW_LISTENER = 1, 1 << 3
RECEIVE, SEND, GO_ON = 0xc0502100, 0xc0182101, 1
# In struct seccomp_notif.
ARGUMENTS_OFFSET = 32
CAP_BPF = 39


def install():
    """The filter, in this process; returns the descriptor to answer at."""
    code = b"".join(struct.pack("<HBBI", *words) for words in (
        (LOAD, 0, 0, NUMBER_OFFSET), (JUMP_IF_EQUAL, 0, 1, NUMBERS["bpf"]), (RETURN, 0, 0, ASK),
        (RETURN, 0, 0, ALLOW)))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("<HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    listener = libc.syscall(SECCOMP, SET_MODE_FILTER, NEW_LISTENER, program)
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return listener


def has_cap_bpf(thread):
    with open(f"/proc/{thread}/status", encoding="utf-8") as status:
        effective = next(line for line in status if line.startswith("CapEff:"))
    return int(effective.split()[1], 16) >> CAP_BPF & 1 == 1


def refuse_without_cap_bpf(thread, _arguments):
    """The errno of a bpf(2) with these arguments, or 0."""
    return 0 if has_cap_bpf(thread) else errno.EPERM


def answer(listener, refuse):
    """One call of one thread; it may be gone by now."""
    request = bytearray(80)
    try:
        fcntl.ioctl(listener, RECEIVE, request)
        number, thread = struct.unpack_from("<QI", request)
        error = refuse(thread, struct.unpack_from("<6Q", request, ARGUMENTS_OFFSET))
        verdict = (-error, 0) if error else (0, GO_ON)
        fcntl.ioctl(listener, SEND, struct.pack("<QqiI", number, 0, *verdict))
    except (FileNotFoundError, ProcessLookupError):
        pass


def supervise(end, refuse):
    _, passed, _, _ = end.recvmsg(1, socket.CMSG_SPACE(4))
    listener = array.array("i", passed[0][2])[0]
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while poll.poll()[0][1] & select.POLLIN:
        answer(listener, refuse)


def run(words, refuse):
    """Becomes the command; a child asks refuse(thread, arguments) about each bpf(2)."""
    own, other = socket.socketpair()
    if os.fork() == 0:
        own.close()
        supervise(other, refuse)
        os._exit(0)
    listener = install()
    own.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))])
    os.close(listener)
    os.execvp(words[0], words)


if __name__ == "__main__":
    run(sys.argv[1:], refuse_without_cap_bpf)
