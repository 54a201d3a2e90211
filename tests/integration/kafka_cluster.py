# SPDX-License-Identifier: Apache-2.0
"""A broker of librdkafka's mock cluster, as a program: prints where it listens, with the topics that
are named; then takes "errors KEY CODE..." and "slow MILLISECONDS", answers "ok".
"""

import ctypes
import sys


def start(test, *topics, service=None):
    """The process; its first line tells the address."""
    import harness  # not needed by the program
    environment = harness.clean_environment(**({"DD_SERVICE": service} if service else {}))
    return harness.spawn(test, harness.PYTHON, __file__, *topics, env=environment)


def main():
    library = ctypes.CDLL("librdkafka.so.1")
    for name in ("conf_new", "new", "mock_cluster_new"):
        getattr(library, "rd_kafka_" + name).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    conf = ctypes.c_void_p(library.rd_kafka_conf_new())
    library.rd_kafka_conf_set(conf, b"log_level", b"0", None, 0)
    cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(
        ctypes.c_void_p(library.rd_kafka_new(0, conf, None, 0)), 1))
    for topic in sys.argv[1:]:
        library.rd_kafka_mock_topic_create(cluster, topic.encode(), 1, 1)
    print(library.rd_kafka_mock_cluster_bootstraps(cluster).decode(), flush=True)
    for line in sys.stdin:
        what, *numbers = line.split()
        numbers = [int(number) for number in numbers]
        if what == "errors":
            codes = numbers[1:]
            library.rd_kafka_mock_push_request_errors_array(
                cluster, ctypes.c_int16(numbers[0]), ctypes.c_size_t(len(codes)),
                (ctypes.c_int * len(codes))(*codes))
        else:
            library.rd_kafka_mock_broker_set_rtt(cluster, 1, numbers[0])
        print("ok", flush=True)


if __name__ == "__main__":
    main()
