#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""record.py FILE COMMAND...: runs a client, in whose words BROKER stands for a broker of librdkafka's
mock cluster, and notes what both ends of its longest connection send. As root, on loopback."""
import ctypes
import socket
import struct
import subprocess
import sys
import threading


def start_cluster(topics):
    library = ctypes.CDLL("librdkafka.so.1")
    for name in ("conf_new", "new", "mock_cluster_new"):
        getattr(library, "rd_kafka_" + name).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    client = library.rd_kafka_new(0, ctypes.c_void_p(library.rd_kafka_conf_new()), None, 0)
    cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(ctypes.c_void_p(client), 1))
    for topic in topics:
        library.rd_kafka_mock_topic_create(cluster, topic, 2, 1)
    return library.rd_kafka_mock_cluster_bootstraps(cluster).decode()


def listen(packets, port, connections):
    while True:
        data = packets.recv(65536)
        if data[9] != socket.IPPROTO_TCP:
            continue
        head = (data[0] & 15) * 4
        source, target = struct.unpack(">HH", data[head:head + 4])
        length = struct.unpack(">H", data[2:4])[0]
        payload = data[head + (data[head + 12] >> 4) * 4:length]
        if payload and port in (source, target):
            connection = connections.setdefault(source + target - port, [])
            connection.append(struct.pack(">BH", source == port, len(payload)) + payload)


def main():
    path, words = sys.argv[1], sys.argv[2:]
    broker = start_cluster([b"orders"])
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    packets.bind(("lo", 0))
    connections = {}
    threading.Thread(target=listen, args=(packets, int(broker.split(":")[1]), connections),
                     daemon=True).start()
    subprocess.run([word.replace("BROKER", broker) for word in words], check=False, timeout=60)
    with open(path, "wb") as out:
        out.write(b"".join(max(connections.values(), key=lambda each: sum(map(len, each)))))


main()
