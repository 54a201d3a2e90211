# SPDX-License-Identifier: Apache-2.0
"""Either end of gRPC by its C core, as a program of its own.

grpc_peer.py serve PORT: the service test.Peer; prints "ready".
grpc_peer.py call PORT: for each line "METHOD COUNT" of its input so many calls, one after the other;
prints the names of their statuses and the seconds that they took, "OK:0.000123 ...".
"""

import sys
import time
from concurrent import futures

import grpc

SERVICE = "test.Peer"
CHUNKS, PAUSE, DEADLINE = 5, 0.02, 0.1


def same(data):
    return data


def refuse(_, context):
    context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")


def stream(*_):
    for number in range(CHUNKS):
        time.sleep(PAUSE)
        yield bytes(number)


def handler(function, streams=False):
    make = grpc.unary_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
    return make(function, same, same)


METHODS = {
    "Echo": handler(lambda data, _: data),
    "Refuse": handler(refuse),
    "Sleep": handler(lambda data, _: time.sleep(3 * DEADLINE) or data),
    "Stream": handler(stream, streams=True),
}


def serve(port):
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, METHODS),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    print("ready", flush=True)
    sys.stdin.read()
    server.stop(None)


def call(channel, method):
    """Its status and the seconds that it took."""
    begin = time.monotonic()
    path = f"/{SERVICE}/{method}"
    timeout = DEADLINE if method == "Sleep" else 30
    try:
        if method == "Stream":
            list(channel.unary_stream(path, same, same)(b"x", timeout=timeout))
        else:
            channel.unary_unary(path, same, same)(b"x", timeout=timeout)
        status = "OK"
    except grpc.RpcError as error:
        status = error.code().name
    return f"{status}:{time.monotonic() - begin:.6f}"


def make_calls(port):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for line in sys.stdin:
            method, count = line.split()
            print(*(call(channel, method) for _ in range(int(count))), flush=True)


if __name__ == "__main__":
    (serve if sys.argv[1] == "serve" else make_calls)(sys.argv[2])
