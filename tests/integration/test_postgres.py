# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL: every operation is counted once at each end, under its name and its SQLSTATE, exactly
as many as the clients asked for; what is not asked for shifts nothing. The server is Debian's, a
cluster of our own; the clients are psql, pgbench, pg8000, pgbouncer in between, and a socket of our
own for what they never do.
"""

import collections
import contextlib
import glob
import os
import pwd
import re
import socket
import statistics
import struct
import subprocess
import time
import types
import unittest

import pg8000

import harness
from bad_wire import BadWire
from dropped import assert_seen_or_lost
from harness import Daemon, clean_environment, command, need, spawn, wait_until
from random_faults import RandomFaults, class_wire

CONSOLE = harness.console_of("db.*", "usm.lost", "sockeye.kernel.lost")
CLIENT, SERVER = "db.client.operation.duration", "db.server.operation.duration"
ENDS = {"outgoing": CLIENT, "incoming": SERVER}
# Debian keeps those of each version apart, and links none of them.
FOLDER = max(glob.glob("/usr/lib/postgresql/*/bin"), default="/usr/lib/postgresql")
INITDB, POSTGRES = os.path.join(FOLDER, "initdb"), os.path.join(FOLDER, "postgres")


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def parse(name, text):
    return message(b"P", name + b"\0" + text + b"\0\0\0")


def bind(name=b"", portal=b""):
    return message(b"B", portal + b"\0" + name + b"\0" + bytes(6))


def execute(rows=0, portal=b""):
    return message(b"E", portal + b"\0" + struct.pack("!I", rows))


def query(text):
    return message(b"Q", text + b"\0")


SYNC, FLUSH = message(b"S"), message(b"H")


class Connection:
    """A client of our own: what it sends, and the types of the messages that come."""

    def __init__(self, test, connected):
        self.socket = connected
        test.addCleanup(self.socket.close)
        self.file = self.socket.makefile("rb")
        test.addCleanup(self.file.close)
        start = struct.pack("!I", 196608) + b"user\0postgres\0database\0postgres\0\0"
        self.socket.sendall(struct.pack("!I", len(start) + 4) + start)
        self.until(b"Z")

    def until(self, last):
        kinds = b""
        while not kinds.endswith(last):
            kinds += self.file.read(1)
            self.file.read(struct.unpack("!I", self.file.read(4))[0] - 4)
        return kinds

    def ask(self, *messages, last=b"Z"):
        self.socket.sendall(b"".join(messages))
        return self.until(last)


class Server(unittest.TestCase):
    """One server for all tests, and what both ends have seen of its port."""

    maxDiff = None
    ADDRESS = "127.0.0.1"
    RUNNER = ()  # of the server

    @classmethod
    def setUpClass(cls):
        need("psql", "pgbench", "pgbouncer", "setpriv", INITDB, POSTGRES)
        cls.port = harness.free_port()
        all_tests = types.SimpleNamespace(addCleanup=cls.addClassCleanup)
        cls.folder = harness.temporary_folder(all_tests)
        user = pwd.getpwnam("nobody")
        os.chown(cls.folder, user.pw_uid, user.pw_gid)
        data = os.path.join(cls.folder, "data")
        cls.unprivileged = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}",
                            "--clear-groups")
        command(*cls.unprivileged, INITDB, "-D", data, "-U", "postgres",
                "-A", "trust", "--no-sync", "--no-locale", "-E", "UTF8", cwd=cls.folder)
        with open(os.path.join(data, "pg_hba.conf"), "a", encoding="utf-8") as file:
            file.write(f"host all all {cls.ADDRESS}/24 trust\n")
        with open(os.path.join(cls.folder, "log"), "w", encoding="utf-8") as log:
            spawn(all_tests, *cls.RUNNER, *cls.unprivileged, POSTGRES, "-D", data, "-k", cls.folder,
                  "-p", str(cls.port), "-c", "fsync=off", "-c", "autovacuum=off", "-c",
                  f"listen_addresses={cls.ADDRESS}", stdout=log, stderr=log,
                  env=clean_environment(DD_SERVICE=f"postgres-{cls.port}"))
        unseen = cls.options(cls.folder)
        wait_until(lambda: command("psql", *unseen, "-c", "select 1", check=False).returncode == 0,
                   30, "PostgreSQL")
        command("psql", *unseen, "-c",
                "create table t (a int primary key, b text); create table log (a text)")

    @classmethod
    def options(cls, host=None):
        return "-X", "-q", "-h", host or cls.ADDRESS, "-p", str(cls.port), "-U", "postgres"

    def setUp(self):
        self.expected = collections.Counter()
        command("psql", *self.options(self.folder), "-c", "truncate t; truncate log")

    def connect(self):
        return Connection(self, socket.create_connection((self.ADDRESS, self.port), 30))

    def start(self):
        self.daemon = Daemon(self, "protocols.postgres=true", console=CONSOLE, interval="1h")

    def psql(self, *texts, given=""):
        """Each text is a query of its own, of one connection; what they print."""
        arguments = [part for text in texts for part in ("-c", text)]
        return subprocess.run(["psql", *self.options(), *arguments], input=given, text=True,
                              check=False, capture_output=True,
                              timeout=harness.HANG_SECONDS).stdout

    def expect(self, operation, state="", count=1):
        self.expected[operation, state] += count

    def seen(self, metric, port=None):
        """{(operation, state): count}"""
        seen = collections.Counter()
        for tags, (_, count, _) in self.daemon.series(metric, port=port or self.port):
            self.assertEqual(tags["db_system"], "postgresql")
            seen[tags["operation"], tags.get("status", tags.get("error_type", ""))] += count
        return dict(seen)

    def summaries(self, metric, port=None):
        """{what statements are about: count}"""
        summaries = collections.Counter()
        for tags, (_, count, _) in self.daemon.series(metric, port=port or self.port):
            summaries[tags.get("summary", "")] += count
        return dict(summaries)

    def lost(self, direction):
        return self.daemon.unpaired(port=self.port, direction=direction)

    def assert_seen_or_lost(self):
        """As assert_seen(), but the client's socket may have dropped what it had no room for."""
        self.daemon.stop()
        self.assertEqual((self.seen(SERVER), self.lost("incoming")), (dict(self.expected), {}))
        assert_seen_or_lost(self, self.expected, self.seen(CLIENT), self.lost("outgoing"))

    def assert_seen(self, lost=None):
        self.daemon.stop()
        for direction, metric in ENDS.items():
            with self.subTest(end=direction):
                self.assertEqual((self.seen(metric), self.lost(direction)),
                                 (dict(self.expected), lost or {}))


class Operations(Server):
    """Of psql and pgbench; of our own what libpq does not do, or not at a time that is known."""

    def test_psql(self):
        self.start()
        for texts, operation, state in (
                (["select 1", "  (select 2)", "/* a comment */ select 3", "table t"], "SELECT", ""),
                (["insert into t select generate_series(1, 100)"], "INSERT", ""),
                (["with x as (select 1) update t set b = 'secret' where a < 5"], "UPDATE", ""),
                (["delete from t where a = 7"], "DELETE", ""),
                (["vacuum t"], "VACUUM", ""), (["explain select 1"], "EXPLAIN", ""),
                (["create index on t (b)"], "CREATE", ""), (["do $$begin end$$"], "DO", ""),
                (["begin"], "BEGIN", ""), (["end"], "COMMIT", ""), (["abort"], "ROLLBACK", ""),
                (["select 1 / 0"], "SELECT", "22012"), (["select nosuch"], "SELECT", "42703"),
                (["insert into t values (1)"], "INSERT", "23505"),
                (["drop table nosuch"], "DROP", "42P01"), (["nonsense"], "_OTHER", "42601"),
                (["do $$begin raise 'x' using errcode = 'ZX9A1'; end$$"], "DO", "ZX9A1"),
                (["insert into log values ('a'); select 1; select 1 / 0"], "INSERT", "22012")):
            for text in texts:
                self.psql(text)
                self.expect(operation, state)
        self.psql("begin", "select 1", "select nosuch", "select 2", "commit")
        for operation, state in (("BEGIN", ""), ("SELECT", ""), ("SELECT", "42703"),
                                 ("SELECT", "25P02"), ("ROLLBACK", "")):
            self.expect(operation, state)
        self.assert_seen()

    def test_copies_and_big_results(self):
        self.start()
        rows = "".join(f"{a}\t{'text' * 10}\n" for a in range(30000))
        self.psql("copy t from stdin", given=rows)
        self.assertEqual(self.psql("copy t to stdout"), rows)
        self.psql("copy t from stdin", given="x\ty\n")
        for state in ("", "", "22P02"):
            self.expect("COPY", state)
        for text in ("select generate_series(1, 100000)", "select repeat('x', 1000000)",
                     "select a, b from t", "select from generate_series(1, 100000)",
                     "select repeat('x', a % 500) from t"):
            self.psql(text)
            self.expect("SELECT")
        self.assert_seen_or_lost()

    def test_pgbench(self):
        script = os.path.join(harness.temporary_folder(self), "script")
        texts = ("select count(*) from t where a = 1;", "insert into log values ('x');",
                 "update t set b = 'y' where a = 1;")
        self.start()
        done = 0
        for mode in ("simple", "extended", "prepared"):
            for pipeline in (False, True):
                if pipeline and mode == "simple":
                    continue
                lines = ["\\startpipeline", *texts * 3, "\\endpipeline"] if pipeline else texts * 3
                with open(script, "w", encoding="utf-8") as file:
                    file.write("\n".join(lines) + "\n")
                os.chmod(script, 0o644)
                output = command("pgbench", *self.options()[2:], "-n", "-f", script, "-M", mode,
                                 "-c", "4", "-t", "100", "postgres").stdout
                done += int(re.search(r"actually processed: (\d+)/400", output).group(1))
        self.assertEqual(done, 5 * 400)
        summaries = {"SELECT t": 3 * done, "INSERT log": 3 * done, "UPDATE t": 3 * done}
        for summary, count in summaries.items():
            self.expect(summary.split()[0], count=count)
        self.assert_seen()
        for metric in ENDS.values():
            self.assertEqual(self.summaries(metric), summaries)

    def test_prepared_before_the_daemon(self):
        own = self.connect()
        own.ask(parse(b"s", b"select a from t"), parse(b"i", b"insert into log values ('x')"),
                parse(b"f", b"select 1 / (count(*) - count(*)) from t"), SYNC)
        self.start()
        for _ in range(10):
            own.ask(bind(b"s"), execute(), SYNC)
            own.ask(bind(b"i"), execute(), bind(b"s"), execute(), SYNC)
        own.ask(bind(b"f"), execute(), SYNC)
        self.expect("SELECT", count=20)
        self.expect("INSERT", count=10)
        self.expect("unknown", "22012")
        self.assert_seen()
        self.assertEqual(self.summaries(SERVER), {"": 31})

    def test_pipelines(self):
        self.start()
        own = self.connect()
        # The second one fails, the third one is passed over; the next batch is under way.
        own.socket.sendall(b"".join((
            parse(b"", b"insert into log values ('x')"), bind(), execute(),
            parse(b"", b"select 1 / (count(*) - count(*)) from t"), bind(), execute(),
            parse(b"", b"delete from t"), bind(), execute(), SYNC,
            parse(b"", b"update t set b = ''"), bind(), execute(), SYNC)))
        self.assertEqual(own.until(b"Z"), b"12C12EZ")
        self.assertEqual(own.until(b"Z"), b"12CZ")
        self.expect("INSERT")
        self.expect("SELECT", "22012")
        self.expect("UPDATE")
        # What cannot be prepared counts, what can does not; nor does a Sync.
        self.assertEqual(own.ask(parse(b"", b"selec"), SYNC), b"EZ")
        self.expect("_OTHER", "42601")
        self.assertEqual(own.ask(parse(b"", b"select 1"), SYNC), b"1Z")
        self.assertEqual(own.ask(SYNC), b"Z")
        self.assertEqual(own.ask(query(b"begin")), b"CZ")
        own.ask(parse(b"", b"select generate_series(1, 5)"), bind(portal=b"p"), SYNC)
        self.assertEqual(own.ask(execute(2, b"p"), FLUSH, last=b"s"), b"DDs")
        self.assertEqual(own.ask(execute(2, b"p"), SYNC), b"DDsZ")
        self.assertEqual(own.ask(execute(2, b"p"), SYNC), b"DCZ")
        self.assertEqual(own.ask(query(b"commit")), b"CZ")
        self.expect("BEGIN")
        self.expect("COMMIT")
        self.expect("SELECT", count=3)
        # The server passes over the first Sync.
        self.assertEqual(own.ask(parse(b"", b"copy t from stdin"), bind(), execute(), SYNC,
                                 last=b"G"), b"12G")
        self.assertEqual(own.ask(message(b"d", b"1\tx\n"), message(b"c"), SYNC), b"CZ")
        self.expect("COPY")
        # Beyond the queue: counted, and nothing is shifted behind them.
        own.ask(*(parse(b"", b"select 1"), bind(), execute()) * 100, SYNC)
        self.expect("SELECT", count=16)
        own.ask(query(b"show all"))
        self.expect("SHOW")
        self.assert_seen({"request_alone": 1, "pipeline_full": 84})

    def test_unasked(self):
        self.start()
        listener, own = self.connect(), self.connect()
        listener.ask(query(b"listen channel"))
        for _ in range(10):
            own.ask(query(b"notify channel, 'secret'"))
            self.assertEqual(listener.until(b"A"), b"A")
            listener.ask(query(b"do $$begin raise notice 'x'; end$$"))
        self.assertEqual(listener.ask(query(b"set timezone to 'UTC'")), b"CSZ")
        # A request to cancel comes on a connection of its own.
        with socket.create_connection(("127.0.0.1", self.port), 30) as cancel:
            cancel.sendall(struct.pack("!IIII", 16, 80877102, 1, 2))
            self.assertEqual(cancel.recv(10), b"")
        self.expect("LISTEN")
        self.expect("NOTIFY", count=10)
        self.expect("DO", count=10)
        self.expect("SET")
        self.assert_seen()

    def test_latency(self):
        self.start()
        own = self.connect()
        waited = []
        for _ in range(11):
            begin = time.monotonic()
            own.ask(query(b"select pg_sleep(0.2)"))
            waited.append(time.monotonic() - begin)
        self.daemon.stop()
        point = self.daemon.last_point(CLIENT, port=self.port, operation="SELECT")
        mine = statistics.median(waited)
        print(f"{mine * 1000:.3f} ms by the client, {point['p50'] * 1000:.3f} ms seen")
        self.assertEqual(point["count"], 11)
        harness.assert_waited(self, point["p50"], 0.2, mine)

    def test_pg8000(self):
        """Prepares each statement once under a name, and fetches what it has to say of it."""
        self.start()
        with contextlib.closing(pg8000.connect(user="postgres", host=self.ADDRESS,
                                               port=self.port)) as client:
            cursor = client.cursor()
            for number in range(20):
                cursor.execute("insert into t values (%s, %s)", (number, "secret"))
                cursor.execute("select b from t where a = %s", (number,))
                self.assertEqual(cursor.fetchone(), ["secret"])
                client.commit()
            for _ in range(3):
                with self.assertRaises(pg8000.ProgrammingError):
                    cursor.execute("select nosuch from t")
                client.rollback()
        for operation, state, count in (("BEGIN", "", 23), ("COMMIT", "", 20), ("INSERT", "", 20),
                                        ("SELECT", "", 20), ("SELECT", "42703", 3),
                                        ("ROLLBACK", "", 3)):
            self.expect(operation, state, count)
        self.assert_seen()

    def test_pgbouncer(self):
        """One connection of the pooler's serves four clients in turn: what they ask is counted on
        their connections, and once more on its own, with what it asks itself."""
        pooler = harness.free_port()
        settings = os.path.join(self.folder, "pgbouncer.ini")
        with open(settings, "w", encoding="utf-8") as file:
            file.write(f"[databases]\n* = host={self.ADDRESS} port={self.port} user=postgres\n"
                       "[pgbouncer]\n"
                       f"listen_addr={self.ADDRESS}\nlisten_port={pooler}\nunix_socket_dir=\n"
                       "auth_type=any\npool_mode=transaction\ndefault_pool_size=1\n"
                       "ignore_startup_parameters=extra_float_digits\n")
        self.start()
        spawn(self, *self.unprivileged, "pgbouncer", settings, stderr=subprocess.DEVNULL,
              stdout=subprocess.DEVNULL)
        wait_until(lambda: command("pg_isready", "-h", self.ADDRESS, "-p", str(pooler),
                                   check=False).returncode == 0, 10, "pgbouncer")
        script = os.path.join(harness.temporary_folder(self), "script")
        with open(script, "w", encoding="utf-8") as file:
            file.write("begin;\nselect 1;\ninsert into log values ('x');\nend;\n")
        command("pgbench", "-h", self.ADDRESS, "-p", str(pooler), "-U", "postgres", "-n", "-f",
                script, "-c", "4", "-t", "50", "postgres")
        self.daemon.stop()
        asked = {(operation, ""): 200 for operation in ("BEGIN", "SELECT", "INSERT", "COMMIT")}
        for metric in ENDS.values():
            self.assertEqual(self.seen(metric, pooler), asked)
            behind = self.seen(metric)
            self.assertEqual({operation: behind[operation] for operation in asked}, asked)
            self.assertLessEqual(set(behind) - set(asked), {("SET", ""), ("DISCARD", "")})


class Wire(RandomFaults, Server):
    """Each statement fails in its own way: the operation and the summary are of what was asked, the
    SQLSTATE of the answer."""

    ADDRESS = BadWire.RIGHT
    ANSWERS = {b"select 1 / (count(*) - count(*)) from t": ("SELECT", "22012", "SELECT t"),
               b"insert into nosuch values (1)": ("INSERT", "42P01", "INSERT nosuch"),
               b"update t set nosuch = 1": ("UPDATE", "42703", "UPDATE t"),
               b"do $$begin raise 'x' using errcode = 'ZX9A1'; end$$": ("DO", "ZX9A1", "DO"),
               b"show nosuch": ("SHOW", "42704", "SHOW")}

    @classmethod
    def setUpClass(cls):
        cls.wire = class_wire(cls)
        cls.RUNNER = ("ip", "netns", "exec", cls.wire.right.name)
        super().setUpClass()

    def open(self):
        return Connection(self, self.connect_over_wire())

    def ask(self, connection, questions, at_once):
        if at_once:
            connection.socket.sendall(b"".join(part for text in questions for part in (
                parse(b"", text), bind(), execute(), SYNC)))
            for _ in questions:
                connection.until(b"Z")
        else:
            for text in questions:
                connection.ask(query(text))

    def told(self, end):
        told = collections.Counter()
        for tags, (_, count, _) in self.daemon.series(ENDS[end], port=self.port):
            told[tags["operation"], tags["status"], tags["summary"]] += count
        return told


if __name__ == "__main__":
    unittest.main()
