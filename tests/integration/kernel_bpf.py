# SPDX-License-Identifier: Apache-2.0
"""bpf(2) for programs of a few instructions that a test puts in the daemon's way."""

import ctypes
import os
import struct

MAP_CREATE, MAP_UPDATE, PROG_LOAD, PROG_ATTACH, PROG_DETACH = 0, 2, 5, 8, 9
NUMBER = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
ATTRIBUTES_BYTES = 72
_libc = ctypes.CDLL(None, use_errno=True)


def call(operation, attributes):
    """bpf(2); OSError when it refuses."""
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result = _libc.syscall(NUMBER, operation, buffer, len(attributes))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf({operation})")
    return result


def instruction(code, target=0, source=0, value=0):
    """struct bpf_insn, without an offset."""
    return struct.pack("<BBhi", code, target | source << 4, 0, value)


def move(register, value):
    return instruction(0xb7, register, value=value)


def load_map(register, map_fd):
    return instruction(0x18, register, 1, map_fd) + instruction(0)


def helper(number):
    return instruction(0x85, value=number)


EXIT = instruction(0x95)


def load(test, kind, place, *instructions):
    """The descriptor of a program, for as long as the test runs."""
    code, license_ = map(ctypes.create_string_buffer, (b"".join(instructions), b"GPL"))
    program = call(PROG_LOAD, struct.pack(
        "<IIQQIIQIIIII", kind, len(code) // 8, ctypes.addressof(code),
        ctypes.addressof(license_), 0, 0, 0, 0, 0, 0, 0, place)[:ATTRIBUTES_BYTES])
    test.addCleanup(os.close, program)
    return program


def make_map(test, kind, key_bytes, value_bytes, entries):
    """The descriptor of a map, likewise."""
    made = call(MAP_CREATE, struct.pack("<IIIII", kind, key_bytes, value_bytes, entries, 0))
    test.addCleanup(os.close, made)
    return made


def update(map_fd, key, value):
    """Both of four bytes."""
    parts = [ctypes.create_string_buffer(struct.pack("<I", number), 4) for number in (key, value)]
    call(MAP_UPDATE, struct.pack("<IIQQQ", map_fd, 0, *map(ctypes.addressof, parts), 0))
