# SPDX-License-Identifier: Apache-2.0
"""Both ends of HTTP/2 by hand: frames (RFC 9113) with header blocks (RFC 7541) as a test wants them.

Fields are spelled out and enter no table, unless `kept`: then the far end's table, and whoever reads
along, may be told of them by a number.
"""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
CANCEL = 8


def frame(kind, flags=0, stream=0, payload=b""):
    return (len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") +
            payload)


def text(value):
    value = value.encode()
    assert len(value) < 127
    return bytes([len(value)]) + value


def field(name, value, kept=False):
    return (b"\x40" if kept else b"\x00") + text(name) + text(value)


def block(fields, kept=False):
    return b"".join(field(name, value, kept) for name, value in fields)


def headers(stream, fields, end=False, kept=False):
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block(fields, kept))


def opening():
    """What a client sends first."""
    return PREFACE + frame(SETTINGS)


def request(stream, path, method="GET", kept=False):
    return headers(stream, [(":method", method), (":scheme", "http"), (":path", path),
                            (":authority", "a")], end=True, kept=kept)


def response(stream, status=200, body=b"x"):
    return (headers(stream, [(":status", str(status))], end=not body) +
            (frame(DATA, END_STREAM, stream, body) if body else b""))


def call(stream, method, message=b"\0\0\0\0\1x"):
    """Of gRPC."""
    return (headers(stream, [(":method", "POST"), (":scheme", "http"), (":path", f"/{method}"),
                             ("content-type", "application/grpc"), ("te", "trailers")]) +
            frame(DATA, END_STREAM, stream, message))


def returned(stream, status=0, message=b"\0\0\0\0\1y"):
    """What a call is answered with."""
    return (headers(stream, [(":status", "200"), ("content-type", "application/grpc")]) +
            frame(DATA, 0, stream, message) +
            headers(stream, [("grpc-status", str(status))], end=True))
