# SPDX-License-Identifier: Apache-2.0
"""The block format of Snappy, decoded as github.com/google/snappy/format_description.txt says."""


def read_varint(data, at):
    """(value, place behind it)"""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _literal(data, at, tag):
    size = tag >> 2
    if size >= 60:
        width = size - 59
        size = int.from_bytes(data[at:at + width], "little")
        at += width
    size += 1
    return data[at:at + size], at + size


def _copy(data, at, tag, out):
    kind = tag & 3
    if kind == 1:
        size, offset = 4 + (tag >> 2 & 7), (tag >> 5) << 8 | data[at]
        at += 1
    else:
        width = 2 if kind == 2 else 4
        size, offset = 1 + (tag >> 2), int.from_bytes(data[at:at + width], "little")
        at += width
    if not 0 < offset <= len(out):
        raise ValueError(f"a copy from {offset} bytes before {len(out)}")
    pattern = out[len(out) - offset:][:size]
    out += (pattern * (size // len(pattern) + 1))[:size]  # it may reach into what it makes
    return at


def decompress(data):
    """The content of a block; ValueError or IndexError when it is none."""
    length, at = read_varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            literal, at = _literal(data, at, tag)
            out += literal
        else:
            at = _copy(data, at, tag, out)
    if len(out) != length:
        raise ValueError(f"{len(out)} bytes instead of {length}")
    return bytes(out)
