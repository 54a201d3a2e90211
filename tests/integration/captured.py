# SPDX-License-Identifier: Apache-2.0
"""Real servers, a little traffic of each protocol, and tcpdump that watches it.

captured.py FOLDER, as root, writes a capture of each protocol into FOLDER: those of
tests/data/replay were made so, and kafka/python.pcap and mysql/mariadb.pcap beside it.
"""

import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

import grpc_peer
import harness
import kafka_cluster
import test_kafka
import test_mysql
import test_postgres
from harness import clean_environment, command, need, spawn, wait_until

LOOPBACK = "127.0.0.1"
# The kernel hands packets over in blocks, one that is not full after a second (packet_mmap(7)). Without
# blocks each packet takes room for the largest one, and there is none for a burst.
BLOCK_SECONDS = 1.3


class Capture:
    """tcpdump on loopback from now on, until stop(); `path` is whole then."""

    def __init__(self, test, path, expression):
        need("tcpdump")
        self.path = path
        self.process = spawn(test, "tcpdump", "-i", "lo", "-n", "-U", "-B", "16384", "-Z", "root", "-w", path,
                             expression,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        # "tcpdump: listening on lo, link-type ..."
        assert "listening" in self.process.stderr.readline()

    def stop(self):
        time.sleep(BLOCK_SECONDS)
        self.process.send_signal(signal.SIGINT)
        said = self.process.stderr.read()
        self.process.wait(30)
        assert "0 packets dropped by kernel" in said, said


def give(text, *words):
    """Runs a command with @text as its input."""
    subprocess.run(words, input=text, text=True, check=True, capture_output=True,
                   timeout=harness.HANG_SECONDS, env=clean_environment())


class Http:
    """nginx, and curl on one connection."""

    def __init__(self, test):
        need("curl")
        self.port = harness.free_port()
        harness.Nginx(test, self.port, f"""
access_log off;
server {{
    listen {LOOPBACK}:{self.port};
    location / {{ return 200 "hello"; }}
    location /gone {{ return 410; }}
    location /long {{ default_type text/plain; return 200 "{'x' * 3000}"; }}
}}""")
        self.filter = f"tcp port {self.port}"

    def speak(self, rounds):
        url = f"http://{LOOPBACK}:{self.port}"
        for _ in range(rounds):
            command("curl", "-s", "-o", "/dev/null", f"{url}/a", "-o", "/dev/null", f"{url}/long",
                    "-o", "/dev/null", f"{url}/gone")
            command("curl", "-s", "-o", "/dev/null", "-X", "POST", "-d", "text=1", f"{url}/form")
            command("curl", "-s", "-o", "/dev/null", "-I", f"{url}/a")


class Http2:
    """nghttpd, and nghttp and curl with prior knowledge."""

    def __init__(self, test):
        need("nghttpd", "nghttp", "curl")
        folder, self.port = harness.temporary_folder(test), harness.free_port()
        with open(f"{folder}/page", "w", encoding="ascii") as page:
            page.write("x" * 300)
        spawn(test, "nghttpd", "--no-tls", "-d", folder, str(self.port))
        wait_until(lambda: command("ss", "-Htln", f"sport = :{self.port}").stdout, 30, "nghttpd")
        self.filter = f"tcp port {self.port}"

    def speak(self, rounds):
        url = f"http://{LOOPBACK}:{self.port}"
        for _ in range(rounds):
            command("nghttp", "-n", f"{url}/page", f"{url}/missing", f"{url}/page?x=1")
            command("curl", "-s", "-o", "/dev/null", "--http2-prior-knowledge", "-X", "DELETE",
                    f"{url}/users/12345")


class Grpc:
    """Both ends by its C core."""

    def __init__(self, test):
        self.test, self.port = test, harness.free_port()
        server = spawn(test, harness.PYTHON, grpc_peer.__file__, "serve", str(self.port))
        harness.read_word(server, "ready")
        self.filter = f"tcp port {self.port}"

    def speak(self, rounds):
        client = spawn(self.test, harness.PYTHON, grpc_peer.__file__, "call", str(self.port))
        for method in ("Echo", "Refuse"):
            harness.tell(client, f"{method} {2 * rounds}")
            client.stdout.readline()
        client.stdin.close()
        client.wait(30)


class Redis:
    """redis-server and redis-cli, which reads no list of all commands when it is given one."""

    def __init__(self, test):
        need("redis-server", "redis-cli", "redis-benchmark")
        self.port, folder = harness.free_port(), harness.temporary_folder(test)
        spawn(test, "redis-server", "--port", str(self.port), "--bind", LOOPBACK, "--save", "",
              "--dir", folder, stdout=subprocess.DEVNULL)
        wait_until(lambda: command("redis-cli", "-p", str(self.port), "ping",
                                   check=False).stdout == "PONG\n", 30, "redis-server")
        self.filter = f"tcp port {self.port}"

    def speak(self, rounds):
        for _ in range(rounds):
            for words in ("set k v", "get k", "incr k", "lpush l 1 2 3", "-3 hgetall h", "ping"):
                command("redis-cli", "-p", str(self.port), *words.split())
        if rounds > 1:
            command("redis-benchmark", "-p", str(self.port), "-q", "-n", "2000", "-c", "4", "-P", "16", "-t",
                    "get,set")


class Postgres:
    """One cluster (test_postgres), and psql."""

    def __init__(self, test):
        self.psql, self.port = test.psql, test.port
        self.options = test.options
        self.filter = f"tcp port {self.port}"

    def speak(self, rounds):
        for i in range(rounds):
            self.psql(f"insert into t values ({i}, 'b')", "select * from t", "select nothing from nowhere",
                      "update t set b = 'c'", "begin", "select 1/0", "rollback")
        if rounds > 1:
            give("select a from t;\n", "pgbench", "-n", "-M", "extended", "-t", "50", "-c", "2", "-f",
                 "/dev/stdin", "-h", LOOPBACK, "-p", str(self.port), "-U", "postgres", "postgres")


class Mysql:
    """A server of test_mysql's, and mariadb."""

    def __init__(self, test):
        self.server = type("Server", (test_mysql.Server,), {"addClassCleanup": test.addCleanup})
        self.server.setUpClass()
        self.port = self.server.port
        self.filter = f"tcp port {self.port}"

    def speak(self, rounds):
        for i in range(rounds):
            for statements in (f"use d; insert into t values ({i}, 'b'); select * from t; show tables",
                               f"insert into d.t values ({i}, 'again')", "select nothing from d.t",
                               "begin; update d.t set b = 'c'; commit; delete from d.t where a < 0"):
                self.server.mariadb(statements)


class Kafka:
    """A broker of librdkafka's mock cluster, and python3-kafka."""

    def __init__(self, test):
        self.test = test
        self.server, self.client = f"kafka-server-{os.getpid()}", f"kafka-client-{os.getpid()}"
        cluster = kafka_cluster.start(test, "orders", service=self.server)
        self.address = cluster.stdout.readline().strip()
        self.port = int(self.address.rpartition(":")[2])
        self.filter = f"tcp port {self.port}"

    def speak(self, rounds):
        client = harness.spawn_python(self.test, test_kafka.PYTHON_CLIENT, self.address, "orders",
                                      rounds, service=self.client)
        client.stdout.readline()
        client.stdin.close()
        client.wait(30)


ASK = """
import socket, struct, sys
def ask(client, number, name, kind):
    text = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + bytes(1)
    return struct.pack("!6H", number, 0x100, 1, 0, 0, 0) + text + struct.pack("!2H", kind, 1)
address, rounds = sys.argv[1], int(sys.argv[2])
for i in range(rounds):
    for number, (name, kind) in enumerate((("one.names.test", 1), ("one.names.test", 28),
                                           ("none.names.test", 1))):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.connect((address, 53))
            client.send(ask(client, number, name, kind))
            client.recv(2000)
    with socket.create_connection((address, 53), 10) as client:
        message = ask(client, 9, "one.names.test", 1)
        client.sendall(struct.pack("!H", len(message)) + message)
        client.recv(2000)
"""


class Dns:
    """dnsmasq at an address of its own, and questions over UDP and TCP."""

    port = 53

    def __init__(self, test):
        need("dnsmasq")
        self.test, folder = test, harness.temporary_folder(test)
        self.address = f"127.{os.getpid() % 250 + 1}.53.1"
        hosts = os.path.join(folder, "hosts")
        with open(hosts, "w", encoding="utf-8") as file:
            file.write("10.2.0.1 one.names.test\nfd00::1 one.names.test\n")
        self.server = f"dns-server-{os.getpid()}"
        self.client = f"dns-client-{os.getpid()}"
        spawn(test, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
              "--no-hosts", f"--addn-hosts={hosts}", "--port=53", "--user=root",
              f"--listen-address={self.address}", "--bind-interfaces", "--local=/names.test/",
              f"--pid-file={folder}/pid", f"--log-facility={folder}/log",
              env=clean_environment(DD_SERVICE=self.server))
        wait_until(lambda: command("ss", "-Hulnt", "src", f"{self.address}:53").stdout.count("\n") > 1, 30,
                   "dnsmasq")
        self.filter = f"host {self.address}"

    def speak(self, rounds):
        child = harness.spawn_python(self.test, ASK, self.address, rounds, service=self.client)
        assert child.wait(30) == 0


PROTOCOLS = {"http": Http, "http2": Http2, "grpc": Grpc, "redis": Redis, "postgres": Postgres,
             "mysql": Mysql, "kafka": Kafka, "dns": Dns}


class Recording(test_postgres.Server):
    """Run by hand."""

    folder_of_captures = None

    def setUp(self):
        self.psql("truncate t")

    def record(self):
        for name, protocol in PROTOCOLS.items():
            peer = protocol(self)
            capture = Capture(self, f"{self.folder_of_captures}/{name}.pcap", peer.filter)
            peer.speak(1)
            capture.stop()


if __name__ == "__main__":
    Recording.folder_of_captures = pathlib.Path(sys.argv[1]).resolve()
    unittest.TextTestRunner(verbosity=2).run(unittest.TestSuite([Recording("record")]))
