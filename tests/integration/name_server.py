# SPDX-License-Identifier: Apache-2.0
"""A name server on loopback that answers what the test says, and programs that ask nobody else."""

import os
import socket
import struct
import threading

import harness

ADDRESS, PORT = "127.0.0.153", 53
_ANSWER, _NAME_OF_QUESTION, _NAME_ERROR = 0x8180, 0xC00C, 3
_TYPE_A, _CLASS_IN, _TTL = 1, 1, 1


class NameServer:
    """`addresses` are those of every name; none: there is no such name. `silent`: no answer.

    `prefix` are the words before a program that shall see this name server only, and waits for
    `patience` seconds.
    """

    MOUNTED = ('mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/nsswitch.conf || '
               'exit 90; shift 2; exec "$@"')

    def __init__(self, test, patience=1):
        harness.need("unshare")
        self.addresses = []
        self.silent = False
        self.queries = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((ADDRESS, PORT))
        self._socket.settimeout(0.1)
        self._running = True
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        test.addCleanup(self._stop)
        folder = harness.temporary_folder(test)
        files = [self._write(folder, "resolv.conf", f"nameserver {ADDRESS}\n"
                             f"options timeout:{patience} attempts:1\n"),
                 self._write(folder, "nsswitch.conf", "hosts: dns\n")]
        self.prefix = ("unshare", "--mount", "--propagation", "private", "sh", "-c", self.MOUNTED,
                       "sh", *files)

    @staticmethod
    def _write(folder, name, text):
        path = os.path.join(folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def run(self, *words, **options):
        return harness.command(*self.prefix, *words, **options)

    def _stop(self):
        self._running = False
        self._thread.join()
        self._socket.close()

    def _serve(self):
        while self._running:
            try:
                query, client = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            self.queries += 1
            if not self.silent:
                self._socket.sendto(self._answer(query), client)

    def _answer(self, query):
        """RFC 1035 section 4: the header, the question as it came, an A record for each address."""
        end = query.index(b"\0", 12) + 5
        kind = struct.unpack("!H", query[end - 4:end - 2])[0]
        records = [struct.pack("!HHHIH", _NAME_OF_QUESTION, _TYPE_A, _CLASS_IN, _TTL, 4)
                   + socket.inet_aton(address) for address in self.addresses if kind == _TYPE_A]
        flags = _ANSWER | (0 if self.addresses else _NAME_ERROR)
        return (query[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + query[12:end]
                + b"".join(records))
