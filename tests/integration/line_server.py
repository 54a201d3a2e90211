# SPDX-License-Identifier: Apache-2.0
"""A receiver of a stream, TCP or Unix, that can be away, blocked, rude or too polite."""

import contextlib
import os
import socket
import struct
import threading

import harness


def lines(data):
    """(whole lines without LF, what comes behind them)"""
    *whole, rest = data.split(b"\n")
    return whole, rest


def frames(data):
    """The same for messages behind their length, 4 bytes, little-endian."""
    whole = []
    while len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[:4], "little"):
        size = int.from_bytes(data[:4], "little")
        whole.append(data[4:4 + size])
        data = data[4 + size:]
    return whole, data


class LineServer:
    """Hands each whole message to `take`; what connections leave behind in parts is in `torn`.

    `split` tells what a message is, `path` makes it a Unix socket. down() and up() keep the
    address. While `reading` is cleared nothing is read. As soon as they have sent something,
    `rude` connections more are reset, and `closing` more get our FIN, and are read to the end.
    What a connection left behind is read before the next one.
    """

    RECEIVE_BUFFER_BYTES = 4096
    PAUSE_SECONDS = 0.05  # without anything new, when it is going down
    TURN_SECONDS = 5      # at most, for the connection before to end, and for a peer to leave

    def __init__(self, test, take, split=lines, path=None, up=True):
        self._take = take
        self._split = split
        self.path = path
        self.port = harness.free_port() if path is None else None
        self.connections = 0
        self.torn = []
        self.reading = threading.Event()
        self.reading.set()
        self.rude = 0
        self.closing = 0
        self._accepting = None
        self._live = {}  # {thread: its connection}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        test.addCleanup(self.down)
        if up:
            self.up()

    def _listen(self):
        if self.path is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(self.path)
        else:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.RECEIVE_BUFFER_BYTES)
            listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        return listener

    def up(self):
        self._ended = threading.Event()
        self._accepting = threading.Thread(target=self._accept, args=(self._listen(), self._ended),
                                           daemon=True)
        self._accepting.start()

    def down(self):
        """Ends after what connections have sent is read: of one that waits to be accepted, too,
        since the kernel has acknowledged that. First nobody can connect any more, then peers get
        our FIN and are read to their end, so that nothing is acknowledged that nobody reads."""
        self._ended.set()
        self.reading.set()
        if self._accepting is not None:
            self._accepting.join()
            self._accepting = None
        with self._lock:
            live = dict(self._live)
            for connection in live.values():
                with contextlib.suppress(OSError):  # it is over
                    connection.shutdown(socket.SHUT_WR)
        for thread in live:
            thread.join()

    def _accept(self, listener, ended):
        listener.settimeout(self.PAUSE_SECONDS)
        before = None
        with listener:
            while True:
                over = ended.is_set()  # before: who has come until then waits there
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    if over:
                        return
                    continue
                thread = threading.Thread(target=self._serve, args=(connection, ended, before),
                                          daemon=True)
                before = thread
                with self._lock:
                    self.connections += 1
                    self._live[thread] = connection
                thread.start()

    def _serve(self, connection, ended, before):
        connection.settimeout(self.PAUSE_SECONDS)
        self.reading.wait()
        if before is not None:
            before.join(self.TURN_SECONDS)
        rest = self._read(connection, ended)
        with self._lock:
            connection.close()
            if rest:
                self.torn.append(rest)
            del self._live[threading.current_thread()]

    def _read(self, connection, ended):
        """What came after the last whole message."""
        rest = b""
        patience = self.TURN_SECONDS / self.PAUSE_SECONDS
        while True:
            self.reading.wait()
            try:
                part = connection.recv(1 << 16)
            except TimeoutError:
                patience -= ended.is_set()
                if patience <= 0:
                    return rest
                continue
            except OSError:
                return rest
            if not part or self._misbehaves(connection):
                return rest
            whole, rest = self._split(rest + part)
            for message in whole:
                self._take(message)

    def _misbehaves(self, connection):
        """Whether the connection is over."""
        with self._lock:
            is_rude, is_closing = self.rude > 0, self.closing > 0
            self.rude -= is_rude
            self.closing -= is_closing
        if is_rude:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif is_closing:
            connection.shutdown(socket.SHUT_WR)
        return is_rude
