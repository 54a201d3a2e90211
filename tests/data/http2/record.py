#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record.py LISTEN TARGET FILE: relays one connection and notes what either end sends."""
import select
import socket
import struct
import sys


def main():
    listen, target, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with socket.create_server(("127.0.0.1", listen)) as listener, open(path, "wb") as out:
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", target))
        ends = {client: server, server: client}
        for end in ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reading = [client, server]
        while reading:
            for end in select.select(reading, [], [])[0]:
                data = end.recv(16384)
                try:
                    if data:
                        out.write(struct.pack(">BH", end is server, len(data)) + data)
                        ends[end].sendall(data)
                    else:
                        reading.remove(end)
                        ends[end].shutdown(socket.SHUT_WR)
                except OSError:
                    reading = []


main()
