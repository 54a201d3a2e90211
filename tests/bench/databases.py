# SPDX-License-Identifier: Apache-2.0
"""Databases and a broker at saturation, each under the load generator that comes with it."""

import glob
import os
import pwd
import re
import subprocess
import time

from machine import Failed, Load, command, end, need, write


PYTHON = "/usr/bin/python3"  # with Debian's modules


def wait_for(ready, what, seconds=20):
    """Asks until a command succeeds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return command(*ready)
        except Failed:
            if time.monotonic() > deadline:
                raise Failed(f"{what} does not answer") from None
            time.sleep(0.1)


class Redis(Load):
    """redis-server, redis-benchmark with 50 connections and so many GETs at once on each."""

    unit = "commands/s"
    _PORT = 6399
    _FOR_EVER = str(10**9)

    def __init__(self, pipeline):
        self.name = f"Redis, GET by {pipeline}"
        self._pipeline = str(pipeline)

    def __enter__(self):
        need("redis-server", "redis-benchmark")
        self._server = subprocess.Popen(
            ["redis-server", "--port", str(self._PORT), "--save", "", "--appendonly", "no"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_for(self._cli("ping"), "redis-server")
        return self

    def __exit__(self, *unused):
        end(self._server)

    def _cli(self, *words):
        return ["redis-cli", "-p", str(self._PORT), *words]

    def _served(self):
        found = re.search(r"cmdstat_get:calls=(\d+)",
                          command(*self._cli("info", "commandstats")))
        return int(found[1]) if found else 0

    def run(self, seconds):
        begin, before = time.monotonic(), self._served()
        client = subprocess.Popen(
            ["redis-benchmark", "-p", str(self._PORT), "-P", self._pipeline, "-n", self._FOR_EVER,
             "-t", "get", "-q"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(seconds)
        count, took = self._served() - before, time.monotonic() - begin
        if client.poll() is not None:
            raise Failed(f"redis-benchmark: exit {client.returncode}")
        end(client)
        return {"count": count, "seconds": took}


def as_nobody():
    """What a server that does not run as root is started with."""
    user = pwd.getpwnam("nobody")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def folder_of_nobody(parent, name):
    """A folder in one that is root's alone."""
    user = pwd.getpwnam("nobody")
    os.chmod(parent, 0o711)
    folder = os.path.join(parent, name)
    os.makedirs(folder, exist_ok=True)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


# Sends for as many seconds as it is told, each message in a request of its own, five of them at
# once; prints how many were acknowledged, and the seconds.
PRODUCER = """
import confluent_kafka, sys, time
producer = confluent_kafka.Producer({
    "bootstrap.servers": sys.argv[1], "linger.ms": 0, "batch.num.messages": 1, "log_level": 0})
done = [0]
def note(error, message):
    assert error is None, error
    done[0] += 1
begin = time.monotonic()
while time.monotonic() - begin < float(sys.argv[2]):
    for _ in range(64):
        producer.produce("orders", b"x" * 100, callback=note)
    while len(producer) > 64:
        producer.poll(0.1)
producer.flush()
print(done[0], time.monotonic() - begin)
"""


class Kafka(Load):
    """librdkafka's mock cluster of one broker, and a producer of the same library."""

    name, unit = "Kafka, sends of a message each", "requests/s"

    def __enter__(self):
        need("python3")
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration",
                            "kafka_cluster.py")
        self._cluster = subprocess.Popen([PYTHON, path, "orders"], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
        self._address = self._cluster.stdout.readline().strip()
        return self

    def __exit__(self, *unused):
        end(self._cluster)

    def run(self, seconds):
        done, took = command(PYTHON, "-c", PRODUCER, self._address, str(seconds)).split()
        return {"count": int(done), "seconds": float(took)}


class Mysql(Load):
    """MariaDB, mysqlslap with 8 connections, each with a simple query at a time."""

    name, unit = "MySQL, simple queries", "queries/s"
    _PORT = 5398

    def __init__(self, folder):
        self._parent = folder

    def __enter__(self):
        need("mariadbd", "mariadb-install-db", "mariadb", "mysqlslap", "setpriv")
        folder = folder_of_nobody(self._parent, "mysql")
        data = f"--datadir={folder}/data"
        setup = os.path.join(folder, "setup")
        write(setup, "create user bench@'%';\ngrant all on *.* to bench@'%';\n"
              "create database mysqlslap;\n")  # with a query of its own it makes none
        command(*as_nobody(), "mariadb-install-db", "--no-defaults", data, "--skip-test-db",
                "--auth-root-authentication-method=normal", cwd=folder)
        self._server = subprocess.Popen(
            [*as_nobody(), "mariadbd", "--no-defaults", data, f"--socket={folder}/socket",
             f"--port={self._PORT}", "--bind-address=127.0.0.1", "--skip-name-resolve",
             f"--init-file={setup}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        wait_for(self._client("mariadb", "-e", "select 1"), "mariadbd")
        return self

    def __exit__(self, *unused):
        end(self._server)

    def _client(self, program, *words):
        return [program, "--no-defaults", "--skip-ssl", "-h", "127.0.0.1", "-P", str(self._PORT),
                "-u", "bench", *words]

    def _served(self):
        text = command(*self._client("mariadb", "-N", "-e", "show global status like 'Com_select'"))
        return int(text.split()[1])

    def run(self, seconds):
        begin, before = time.monotonic(), self._served()
        client = subprocess.Popen(
            self._client("mysqlslap", "--concurrency=8", f"--number-of-queries={10**9}",
                         "--query=select 1"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        count, took = self._served() - before, time.monotonic() - begin
        if client.poll() is not None:
            raise Failed(f"mysqlslap: exit {client.returncode}")
        end(client)
        return {"count": count, "seconds": took}


class Postgres(Load):
    """A server of PostgreSQL, pgbench with 8 connections and 1 thread. What `script` asks for is
    `units` units; without one it is a row of pgbench's own."""

    _PORT = 5499

    def __init__(self, folder, name, unit, script=None, units=1):
        self.name, self.unit = name, unit
        self._parent, self._folder = folder, os.path.join(folder, "postgres")
        self._script, self._units = script, units

    def __enter__(self):
        folders = glob.glob("/usr/lib/postgresql/*/bin")
        need("pgbench", "setpriv", *(["psql"] if folders else ["postgresql"]))
        folder_of_nobody(self._parent, "postgres")
        data = os.path.join(self._folder, "data")
        unprivileged = as_nobody()
        first = not os.path.exists(data)
        if first:
            command(*unprivileged, os.path.join(max(folders), "initdb"), "-D", data, "-U",
                    "postgres", "-A", "trust", "--no-sync", cwd=self._folder)
        self._server = subprocess.Popen(
            [*unprivileged, os.path.join(max(folders), "postgres"), "-D", data, "-k", self._folder,
             "-p", str(self._PORT), "-c", "fsync=off"], cwd=self._folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(["pg_isready", *self._options()], "postgres")
        if first:
            command("pgbench", *self._options(), "-i", "-q", "postgres")
        return self

    def __exit__(self, *unused):
        end(self._server)

    def _options(self):
        return "-h", "127.0.0.1", "-p", str(self._PORT), "-U", "postgres"

    def run(self, seconds):
        asked = ["-S"]
        if self._script:
            path = os.path.join(self._folder, "script")
            write(path, self._script)
            asked = ["-f", path]
        text = command("pgbench", *self._options(), "-n", "-c", "8", "-j", "1", "-T", str(seconds),
                       *asked, "postgres")
        found = re.search(r"actually processed: (\d+)", text)
        if found is None or "number of failed transactions: 0 " not in text:
            raise Failed(f"pgbench said: {text.strip()[-300:]}")
        return {"count": int(found[1]) * self._units, "seconds": seconds}
