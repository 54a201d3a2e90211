# SPDX-License-Identifier: Apache-2.0
"""Messages as protoc reads them with the independent schemas of tests/data.

decode(schema, message, body) -> {field: [value, ...]}: a message is such a dictionary again, a
string is str, every other value is protoc's word for it.
"""
import codecs
import os
import re
import subprocess

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")


class Malformed(ValueError):
    """Not such a message, not in the schema, or a string that is not UTF-8."""


_TOKEN = re.compile(rb'\s*(?:(\w+)\s*\{|(\})|(\w+):\s*(?:"((?:[^"\\]|\\.)*)"|(\S+)))')


def _unescape(string):
    try:
        return codecs.escape_decode(string)[0].decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(str(error)) from error


def _parse(text):
    stack = [{}]
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise Malformed(f"not protoc's text: {text[position:position + 80]!r}")
        position = match.end()
        message, closing, name, string, word = match.groups()
        field = (message or name or b"").decode()
        if field.isdigit():
            raise Malformed(f"a field that the schema does not have: {field}")
        if closing:
            stack.pop()
        elif message:
            stack.append({})
            stack[-2].setdefault(field, []).append(stack[-1])
        else:
            value = _unescape(string) if word is None else word.decode()
            stack[-1].setdefault(field, []).append(value)
    return stack[0]


def decode(schema, message, body):
    """@schema: a file of tests/data; @message: its full name."""
    done = subprocess.run(["protoc", f"--proto_path={DATA}", f"--decode={message}", schema],
                          input=body, capture_output=True, timeout=120, check=False)
    if done.returncode != 0:
        raise Malformed(done.stderr.decode())
    return _parse(done.stdout)


def one(message, field, default=None):
    """The only value of @field; what proto3 leaves out is @default."""
    values = message.get(field, [])
    if len(values) > 1:
        raise Malformed(f"{field} more than once")
    return values[0] if values else default
