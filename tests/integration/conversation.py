# SPDX-License-Identifier: Apache-2.0
"""Two ends of one TCP connection, both in the hands of the test.

The bytes go out in the segments that the test wants: TCP_NODELAY at both ends, and a piece is
read (and acknowledged) by the other end before the next one is sent.
"""

import socket
import threading

import harness

# More than this in one piece needs the receiver to read while the sender still sends.
_AT_ONCE_BYTES = 64 * 1024


def _prepare(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(60)


def _data_segments_sent(connection):
    """tcpi_data_segs_out of struct tcp_info (linux/tcp.h)."""
    offset, size = 156, 4
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return int.from_bytes(info[offset:offset + size], "little")


class Conversation:
    """client_sends() and server_sends() return when the other end has read everything.

    The listener stays open as a real service's does: it tells which end of an older connection is
    the server.
    """

    def __init__(self, test, port=None, addresses=("127.0.0.1", "127.0.0.1"), sockets=None):
        server_address, client_address = addresses
        make_server, make_client = sockets or (socket.socket, socket.socket)
        self.port = port or harness.free_port()
        self.listener, self.client = make_server(), make_client()
        test.addCleanup(self.listener.close)
        test.addCleanup(self.client.close)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((server_address, self.port))
        self.listener.listen(1)
        self.client.settimeout(60)
        self.client.bind((client_address, 0))
        self.client.connect((server_address, self.port))
        self.server, _ = self.listener.accept()
        test.addCleanup(self.server.close)
        _prepare(self.client)
        _prepare(self.server)

    def client_sends(self, *pieces):
        """Each piece starts a segment of its own."""
        self._send(self.client, self.server, pieces)

    def server_sends(self, *pieces):
        self._send(self.server, self.client, pieces)

    @staticmethod
    def _send(sender, receiver, pieces):
        for piece in pieces:
            receiver.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            if len(piece) <= _AT_ONCE_BYTES:
                sender.sendall(piece)
                harness.receive_exactly(receiver, len(piece))
                continue
            thread = threading.Thread(target=sender.sendall, args=(piece,), daemon=True)
            thread.start()
            harness.receive_exactly(receiver, len(piece))
            thread.join()

    @property
    def segments(self):
        """Data segments sent so far by (client, server)."""
        return _data_segments_sent(self.client), _data_segments_sent(self.server)

    def exchange(self, request, response):
        """One request and its response, a segment each."""
        self.client_sends(request)
        self.server_sends(response)

    def close(self):
        """The client goes first."""
        self.client.close()
        self.server.close()
        self.listener.close()


def single_bytes(data):
    """data as pieces of one byte."""
    return [data[i:i + 1] for i in range(len(data))]


def head(first_line, *headers):
    """A message head with CR LF line ends."""
    return b"\r\n".join(line.encode("latin-1") for line in (first_line, *headers, "", ""))


def get(path, *headers):
    return head(f"GET {path} HTTP/1.1", "Host: test", *headers)


def post(path, body, *headers):
    return head(f"POST {path} HTTP/1.1", "Host: test", f"Content-Length: {len(body)}",
                *headers) + body


def answer(status=200, body=b"", *headers):
    return head(f"HTTP/1.1 {status} Reason", f"Content-Length: {len(body)}", *headers) + body


def chunk(data, extension=""):
    return f"{len(data):x}{extension}\r\n".encode("latin-1") + data + b"\r\n"


def chunked(*chunks, extension="", trailers=()):
    """A body in chunks, with its end."""
    end = "".join(["0\r\n", *(f"{line}\r\n" for line in trailers), "\r\n"])
    return b"".join(chunk(data, extension) for data in chunks) + end.encode("latin-1")
