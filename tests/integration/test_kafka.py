# SPDX-License-Identifier: Apache-2.0
"""Kafka: every operation is counted once at each end, under its name, its topic and its error,
exactly as many as the clients say that they asked for. The brokers are those of librdkafka's mock
cluster, which speak over TCP; the clients are librdkafka, python3-kafka, and for versions that these
do not speak a socket of our own. (No broker of Kafka's own is packaged.)
"""

import collections
import json
import socket
import statistics
import struct
import textwrap
import threading
import types
import unittest

import harness
import kafka_cluster
from bad_wire import BadWire
from harness import Daemon, need, spawn_python, tell
from random_faults import RandomFaults

CLIENT, SERVER = "messaging.client.operation.duration", "messaging.server.operation.duration"
EMPTY, UNACKNOWLEDGED = "kafka.polls.empty", "kafka.sends.unacknowledged"
CONSOLE = harness.console_of("messaging.*", "kafka.*", "usm.lost", "sockeye.kernel.lost")

# What librdkafka says itself of how many requests of each kind it has sent, to all brokers.
STATISTICS = """
import collections, confluent_kafka, json, sys, time
brokers = {}
def note(text):
    brokers.clear()  # of one that was known by its address alone the name changes
    brokers.update((name, broker["req"]) for name, broker in json.loads(text)["brokers"].items())
def requests():
    counts = collections.Counter()
    for sent in brokers.values():
        counts.update(sent)
    return counts
"""

# Takes a line "TOPIC COUNT" to send so many messages, each in a request of its own, and tells what
# became of them: [errors, seconds of each, requests by kind].
PRODUCER = STATISTICS + """
settings = json.loads(sys.argv[1])
producer = confluent_kafka.Producer({"linger.ms": 0, "retries": 0, "statistics.interval.ms": 20,
                                     "log_level": 0, "stats_cb": note, **settings})
for line in sys.stdin:
    topic, count = line.split()
    outcomes, seconds = [], []
    for number in range(int(count)):
        begin = time.monotonic()
        producer.produce(topic, b"value %d" % number,
                         callback=lambda error, _: outcomes.append(error and error.name()))
        while len(outcomes) <= number:
            producer.poll(1)
        seconds.append(time.monotonic() - begin)
    end = time.monotonic() + 0.1
    while time.monotonic() < end:
        producer.poll(0.02)
    print(json.dumps([outcomes, seconds, requests()]), flush=True)
"""

# Reads COUNT messages of TOPIC, then stops to ask for more, and tells the requests by kind.
CONSUMER = STATISTICS + """
broker, topic, count = sys.argv[1:]
consumer = confluent_kafka.Consumer({
    "bootstrap.servers": broker, "group.id": "a-group", "auto.offset.reset": "earliest",
    "enable.auto.commit": False, "statistics.interval.ms": 50, "fetch.wait.max.ms": 100,
    "log_level": 0, "stats_cb": note})
partitions = [confluent_kafka.TopicPartition(topic, 0, 0)]
consumer.assign(partitions)
got = 0
while got < int(count):
    message = consumer.poll(1)
    got += message is not None and message.error() is None
while True:
    try:
        consumer.commit(asynchronous=False)
        break
    except confluent_kafka.KafkaException:
        time.sleep(0.05)  # it is still looking for the group's coordinator
def stay(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        consumer.poll(0.02)
stay(0.5)  # there is nothing more: several fetches wait in vain
consumer.pause(partitions)
stay(0.5)
print(json.dumps([got, requests()]), flush=True)
sys.stdin.read()
consumer.close()
"""

# Another implementation: sends COUNT messages to TOPIC one by one, and reads as many.
PYTHON_CLIENT = """
import kafka, sys
broker, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
producer = kafka.KafkaProducer(bootstrap_servers=broker, linger_ms=0)
for number in range(count):
    producer.send(topic, b"value %d" % number).get(10)
producer.close()
consumer = kafka.KafkaConsumer(topic, bootstrap_servers=broker, auto_offset_reset="earliest",
                               fetch_max_wait_ms=100)
print(sum(1 for _ in zip(range(count), consumer)), flush=True)
sys.stdin.read()
consumer.close()
"""

# What librdkafka calls requests of which our names are others.
OPERATIONS = {"Produce": "send", "Fetch": "poll", "OffsetCommit": "commit",
              "ApiVersion": "api_versions", "Metadata": "metadata", "ListOffsets": "list_offsets",
              "FindCoordinator": "find_coordinator", "OffsetFetch": "offset_fetch"}


def read_json(process):
    return json.loads(process.stdout.readline())


class Kafka(unittest.TestCase):
    """A cluster of one broker, and what both ends have seen of it."""

    maxDiff = None

    def setUp(self):
        need(harness.PYTHON)
        self.own = harness.free_port()  # of nobody: makes services of this test's own
        self.broker, self.client = f"broker-{self.own}", f"client-{self.own}"

    def start(self):
        self.daemon = Daemon(self, "protocols.kafka=true", console=CONSOLE, interval="1h")

    def start_cluster(self, *topics):
        self.cluster = kafka_cluster.start(self, *topics, service=self.broker)
        self.address = self.cluster.stdout.readline().strip()

    def tell_cluster(self, *words):
        tell(self.cluster, " ".join(map(str, words)))
        harness.read_word(self.cluster, "ok")

    def start_client(self, source, *arguments):
        return spawn_python(self, textwrap.dedent(source), *arguments, service=self.client)

    def start_producer(self, **settings):
        settings = {"bootstrap.servers": self.address, **settings}
        return self.start_client(PRODUCER, json.dumps(settings))

    def send(self, producer, topic, count):
        tell(producer, f"{topic} {count}")
        return read_json(producer)

    def seen(self, metric, **tags):
        """{(operation, topic, error): count}"""
        seen = collections.Counter()
        for tags, (_, count, _) in self.daemon.series(metric, **tags):
            self.assertEqual(tags["messaging_system"], "kafka")
            seen[tags["operation"], tags.get("destination", ""), tags.get("error_type", "")] += count
        return dict(seen)

    def stop(self):
        self.daemon.stop()
        for service in (self.client, self.broker):
            self.assertEqual([entry for entry in self.daemon.series("usm.lost", service=service)], [])

    @staticmethod
    def named(requests):
        """Those of librdkafka's statistics, under our names; without what it asks for on its own,
        perhaps after it has told them."""
        return {OPERATIONS[kind]: count for kind, count in requests.items()
                if count and kind != "Metadata"}

    def by_operation(self, *metrics):
        """{operation: count} at the client's end, of several metrics; without what a client left
        behind when it went, which it has not told either."""
        counts = collections.Counter()
        for metric in metrics:
            for (operation, _, error), count in self.seen(metric, service=self.client).items():
                counts[operation] += count if error != "cancelled" else 0
        self.assertGreaterEqual(counts.pop("metadata", 0), 1)
        return dict(counts)


class Clients(Kafka):
    """What librdkafka and python3-kafka do, held against what they say of it."""

    def test_producer(self):
        self.start_cluster("orders", "returns")
        self.start()
        producer = self.start_producer()
        self.send(producer, "orders", 30)
        self.tell_cluster("errors", 0, 10, 87, 87, 19)
        outcomes, _, _ = self.send(producer, "orders", 6)
        self.assertEqual(outcomes, ["MSG_SIZE_TOO_LARGE", "INVALID_RECORD", "INVALID_RECORD",
                                    "NOT_ENOUGH_REPLICAS", None, None])
        _, _, requests = self.send(producer, "returns", 7)
        harness.end_process(producer)
        self.stop()
        sent = {("send", "orders", ""): 32, ("send", "orders", "MESSAGE_TOO_LARGE"): 1,
                ("send", "orders", "INVALID_RECORD"): 2,
                ("send", "orders", "NOT_ENOUGH_REPLICAS"): 1, ("send", "returns", ""): 7}
        for metric, service in ((CLIENT, self.client), (SERVER, self.broker)):
            seen = self.seen(metric, service=service)
            self.assertEqual({what: count for what, count in seen.items() if what[0] == "send"},
                             sent)
            self.assertIn(("api_versions", "", "UNSUPPORTED_VERSION"), seen)
        self.assertEqual(self.by_operation(CLIENT), self.named(requests))

    def test_consumer(self):
        self.start_cluster("orders")
        self.start()
        producer = self.start_producer()
        self.send(producer, "orders", 20)
        harness.end_process(producer)
        before = self.client
        self.client = f"consumer-{self.own}"
        consumer = self.start_client(CONSUMER, self.address, "orders", 20)
        got, requests = read_json(consumer)
        self.assertEqual(got, 20)
        tell(consumer, "")
        consumer.stdin.close()
        consumer.wait(timeout=harness.HANG_SECONDS)
        self.stop()
        self.assertEqual(self.by_operation(CLIENT, EMPTY), self.named(requests))
        polls = self.seen(CLIENT, service=self.client)["poll", "orders", ""]
        empty = self.seen(EMPTY, service=self.client)["poll", "orders", ""]
        self.assertGreaterEqual(polls, 1)
        self.assertGreaterEqual(empty, 1)
        # What waited for nothing, 100 ms each, is in no latency.
        point = self.daemon.last_point(CLIENT, service=self.client, operation="poll")
        self.assertLess(point["p50"], 0.1)
        self.assertEqual(self.seen(SERVER, service=self.broker)["poll", "orders", ""], polls)
        self.assertEqual(self.seen(EMPTY, service=self.broker)["poll", "orders", ""], empty)
        self.assertEqual(self.seen(CLIENT, service=before)["send", "orders", ""], 20)

    def test_unacknowledged(self):
        self.start_cluster("orders")
        self.start()
        producer = self.start_producer(acks=0)
        outcomes, _, _ = self.send(producer, "orders", 15)
        self.assertEqual(outcomes, [None] * 15)
        harness.end_process(producer)
        self.stop()
        for service, metric in ((self.client, CLIENT), (self.broker, SERVER)):
            self.assertEqual(self.seen(UNACKNOWLEDGED, service=service), {("send", "orders", ""): 15})
            self.assertNotIn("send", {operation for operation, _, _ in self.seen(metric, service=service)})

    def test_python(self):
        self.start_cluster("orders")
        self.start()
        client = self.start_client(PYTHON_CLIENT, self.address, "orders", 25)
        self.assertEqual(client.stdout.readline().strip(), "25")
        client.stdin.close()
        client.wait(timeout=harness.HANG_SECONDS)
        self.stop()
        for metric, service in ((CLIENT, self.client), (SERVER, self.broker)):
            seen = self.seen(metric, service=service)
            self.assertEqual(seen["send", "orders", ""], 25)
            self.assertGreaterEqual(seen["poll", "orders", ""], 1)

    def test_joined_late(self):
        self.start_cluster("orders")
        producer = self.start_producer()
        self.send(producer, "orders", 5)
        self.start()
        self.send(producer, "orders", 40)
        harness.end_process(producer)
        self.stop()
        for metric, service in ((CLIENT, self.client), (SERVER, self.broker)):
            self.assertEqual(self.seen(metric, service=service), {("send", "orders", ""): 40})

    def test_latency(self):
        self.start_cluster("orders")
        self.start()
        producer = self.start_producer()
        self.send(producer, "orders", 1)
        self.tell_cluster("slow", 150)
        _, seconds, _ = self.send(producer, "orders", 10)
        harness.end_process(producer)
        self.stop()
        point = self.daemon.last_point(CLIENT, service=self.client, operation="send")
        mine = statistics.median(seconds)
        print(f"{mine * 1000:.3f} ms by the client, {point['p50'] * 1000:.3f} ms seen")
        self.assertEqual(point["count"], 11)
        harness.assert_waited(self, point["p50"], 0.15, mine)


def ask(key, version, number, body, tags=b"\0"):
    text = struct.pack("!HHIH", key, version, number, 3) + b"own" + tags + body
    return struct.pack("!I", len(text)) + text


def answer(number, body):
    return struct.pack("!II", len(body) + 5, number) + b"\0" + body


def compact(text):
    return bytes([len(text) + 1]) + text


TOPIC_ID = bytes(range(100, 116))
BROKERS = b"\x02" + struct.pack("!I", 1) + compact(b"127.0.0.1") + struct.pack("!I", 9092) + b"\0\0"
PARTITION = struct.pack("!HIII", 0, 0, 1, 0) + (b"\x02" + struct.pack("!I", 1)) * 3 + b"\0"
METADATA = (bytes(4) + BROKERS + compact(b"cluster") + struct.pack("!I", 1) + b"\x02" + bytes(2) +
            compact(b"orders") + TOPIC_ID + b"\0" + b"\x02" + PARTITION + bytes(4) + b"\0" + b"\0")
SEND = (b"\0" + struct.pack("!HI", 0xffff, 1000) + b"\x02" + TOPIC_ID + b"\x02" + bytes(4) +
        compact(bytes(40)) + b"\0\0\0")
SENT = b"\x02" + TOPIC_ID + b"\x02" + bytes(4) + bytes(2) + bytes(24) + b"\0\0\0\0" + bytes(4) + b"\0"
# Of a session that asks for nothing new.
POLL = struct.pack("!IIIBII", 500, 1, 1 << 20, 0, 77, 5) + b"\1\1\1\0"


def polled(records):
    return (bytes(6) + struct.pack("!I", 77) + b"\x02" + TOPIC_ID + b"\x02" + bytes(30) + b"\1" +
            b"\xff" * 4 + compact(records) + b"\0\0\0")


class OwnEnds(Kafka):
    """What no packaged client or broker speaks: both ends are ours."""

    def exchange(self, request, reply):
        self.ends[0].sendall(request)
        harness.receive_exactly(self.ends[1], len(request))
        self.ends[1].sendall(reply)
        harness.receive_exactly(self.ends[0], len(reply))

    def connect(self):
        with socket.create_server(("127.0.0.1", self.own)) as listener:
            client = socket.create_connection(listener.getsockname())
            self.ends = (client, listener.accept()[0])
        for end in self.ends:
            self.addCleanup(end.close)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def test_names_are_learnt(self):
        self.connect()
        self.start()
        self.exchange(ask(0, 13, 900, SEND), answer(900, SENT))
        self.exchange(ask(3, 12, 901, b"\0\0\0\0"), answer(901, METADATA))
        for number in range(902, 912):
            self.exchange(ask(0, 13, number, SEND), answer(number, SENT))
        self.exchange(ask(1, 17, 912, POLL), answer(912, polled(bytes(60))))
        self.exchange(ask(1, 17, 913, POLL), answer(913, bytes(6) + struct.pack("!I", 77) + b"\1\0"))
        self.exchange(ask(1, 17, 914, POLL), answer(914, polled(b"")))
        self.exchange(ask(1, 17, 915, POLL),
                      answer(915, bytes(4) + struct.pack("!HI", 106, 77) + b"\1\0"))
        self.exchange(ask(68, 0, 916, b"x" * 40), answer(916, bytes(4) + struct.pack("!H", 110)))
        self.stop()
        expected = {("send", "unknown", ""): 1, ("send", "orders", ""): 10, ("metadata", "", ""): 1,
                    ("poll", "orders", ""): 1, ("poll", "", "FETCH_SESSION_TOPIC_ID_ERROR"): 1,
                    ("consumer_group_heartbeat", "", "FENCED_MEMBER_EPOCH"): 1}
        self.assertEqual(self.seen(CLIENT, port=self.own), expected)
        self.assertEqual(self.seen(SERVER, port=self.own), expected)
        self.assertEqual(self.seen(EMPTY, port=self.own), {("poll", "", ""): 2, ("poll", "orders", ""): 2})
        self.assertEqual(self.daemon.total("sockeye.samples", outcome="malformed"), 0)

    def test_newer_than_we_know(self):
        self.connect()
        self.start()
        self.exchange(ask(12, 4, 900, bytes(20)), answer(900, bytes(6)))
        for number, (key, version) in enumerate(((300, 0), (10003, 200), (12, 90), (12, 300)), 901):
            self.exchange(ask(key, version, number, bytes(20)), answer(number, bytes(8)))
        self.exchange(ask(12, 4, 1 << 31, bytes(20)), answer(1 << 31, struct.pack("!IH", 0, 27)))
        self.stop()
        expected = {("heartbeat", "", ""): 3, ("_OTHER", "", ""): 2,
                    ("heartbeat", "", "REBALANCE_IN_PROGRESS"): 1}
        self.assertEqual(self.seen(CLIENT, port=self.own), expected)
        self.assertEqual(self.seen(SERVER, port=self.own), expected)
        self.assertEqual(self.daemon.series("usm.lost", port=self.own), [])

    def test_nobody_ever_answers(self):
        self.start()
        self.connect()
        for number in range(1, 11):
            key, version, body = send_to(b"orders", acks=0)
            request = ask(key, version, number, body, tags=b"")
            for part in (request[:40], request[40:]):
                self.ends[0].sendall(part)
                harness.receive_exactly(self.ends[1], len(part))
        self.stop()
        for direction in ("incoming", "outgoing"):
            self.assertEqual(self.seen(UNACKNOWLEDGED, port=self.own, direction=direction),
                             {("send", "orders", ""): 10})
        self.assertEqual(self.daemon.series("usm.lost", port=self.own), [])

    def test_zookeeper(self):
        self.start()
        self.connect()
        for number, kind in ((1, 1), (2, 8), (3, 3), (4, 4), (5, 4)):
            body = struct.pack("!II", number, kind) + struct.pack("!I", 4) + b"/ids" + b"\0"
            reply = struct.pack("!IQI", number, 0x100000000 + number, 0)
            self.exchange(struct.pack("!I", len(body)) + body, struct.pack("!I", len(reply)) + reply)
        self.stop()
        for metric in (CLIENT, SERVER, EMPTY, UNACKNOWLEDGED, "usm.lost"):
            self.assertEqual(self.daemon.series(metric, port=self.own), [])


def text(word):
    return struct.pack("!H", len(word)) + word


def send_to(topic, acks=1):
    return (0, 3, b"\xff\xff" + struct.pack("!HII", acks, 1000, 1) + text(topic) +
            struct.pack("!III", 1, 0, 40) + bytes(40))


def sent_to(topic, error):
    return struct.pack("!I", 1) + text(topic) + struct.pack("!IIhqqI", 1, 0, error, 0, 0, 0)


API_VERSIONS = (18, 0, b"")


class Wire(RandomFaults, Kafka):
    """The error of an answer tells what was asked, and of which topic. Both ends are ours: the mock
    cluster is on loopback."""

    # What is asked: (key, version, body). Its answer: its body.
    REPLIES = {send_to(b"orders"): sent_to(b"orders", 3), send_to(b"bills"): sent_to(b"bills", 6),
               send_to(b"notes"): sent_to(b"notes", 0),
               (12, 1, text(b"group") + bytes(4) + text(b"member")): struct.pack("!Ih", 0, 27),
               (10, 1, text(b"group") + b"\0"): struct.pack("!IhhIhI", 0, 15, -1, 0, 0, 0),
               API_VERSIONS: bytes(2) + struct.pack("!Ihhh", 1, 0, 0, 3)}
    ANSWERS = dict(zip(REPLIES, (
        ("send", "orders", "UNKNOWN_TOPIC_OR_PARTITION"), ("send", "bills", "NOT_LEADER_OR_FOLLOWER"),
        ("send", "notes", ""), ("heartbeat", "", "REBALANCE_IN_PROGRESS"),
        ("find_coordinator", "", "COORDINATOR_NOT_AVAILABLE"))))

    def setUp(self):
        super().setUp()
        self.wire = BadWire(self)
        self.port = harness.free_port()
        with self.wire.right.entered():
            self.listener = harness.listen(self, self.port, BadWire.RIGHT)

    def serve(self):
        connected, _ = self.listener.accept()
        with connected, connected.makefile("rb") as file:
            while size := file.read(4):
                data = file.read(struct.unpack("!I", size)[0])
                key, version, number = struct.unpack("!HHI", data[:8])
                reply = self.REPLIES[key, version, data[8 + 2 + len(b"own"):]]
                connected.sendall(struct.pack("!II", len(reply) + 4, number) + reply)

    def open(self):
        threading.Thread(target=self.serve, daemon=True).start()
        connection = types.SimpleNamespace(socket=self.connect_over_wire(), number=0)
        self.addCleanup(connection.socket.close)
        self.ask(connection, [API_VERSIONS], False)
        return connection

    def ask(self, connection, questions, at_once):
        for some in [questions] if at_once else [[question] for question in questions]:
            frames = []
            for key, version, body in some:
                connection.number += 1
                frames.append(ask(key, version, connection.number, body, tags=b""))
            connection.socket.sendall(b"".join(frames))
            for question in some:
                harness.receive_exactly(connection.socket, 8 + len(self.REPLIES[question]))

    def told(self, end):
        told = self.seen({"incoming": SERVER, "outgoing": CLIENT}[end], port=self.port)
        self.assertEqual(told.pop(("api_versions", "", "")), self.CONNECTIONS)
        return told

    def lost(self, end):
        return self.daemon.unpaired(port=self.port, direction=end)


if __name__ == "__main__":
    unittest.main()
