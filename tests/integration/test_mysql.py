# SPDX-License-Identifier: Apache-2.0
"""MySQL and MariaDB: every command is counted once at each end, under its name and its error,
exactly as many as the clients sent and the server says it has executed; logins, files and what has
no answer shift nothing. The server is Debian's MariaDB, of our own data; the clients are mariadb,
mysqlslap, pymysql, and a socket of our own for what these never do.
"""

import collections
import os
import pwd
import socket
import struct
import subprocess
import time
import types
import unittest

import pymysql
from pymysql.constants import CLIENT as CAPABILITIES

import harness
from bad_wire import BadWire
from dropped import assert_seen_or_lost
from harness import Daemon, clean_environment, command, need, spawn, wait_until
from random_faults import RandomFaults, class_wire

CONSOLE = harness.console_of("db.*", "usm.lost", "sockeye.kernel.lost")
CLIENT, SERVER = "db.client.operation.duration", "db.server.operation.duration"
ENDS = {"outgoing": CLIENT, "incoming": SERVER}
PROTOCOL_41, SECURE, PLUGIN = 0x200, 0x8000, 0x80000
DEPRECATE_EOF, MULTI_RESULTS = 0x1000000, 0x60000
BULK, CACHED_COLUMNS = 4, 16  # of MariaDB's own capabilities


class Connection:
    """A client of our own, without a password: what it sends, and the packets that come."""

    def __init__(self, test, connected, capabilities=0, of_mariadb=0):
        self.eofs = not capabilities & DEPRECATE_EOF
        self.socket = connected
        test.addCleanup(self.socket.close)
        self.file = self.socket.makefile("rb")
        test.addCleanup(self.file.close)
        self.packet()
        capabilities |= PROTOCOL_41 | SECURE | PLUGIN | MULTI_RESULTS
        answer = struct.pack("<IIB19xI", capabilities, 1 << 24, 45, of_mariadb)
        self.send(answer + b"eye\0\0mysql_native_password\0", number=1)
        assert self.packet()[0] == 0

    def send(self, *bodies, number=0):
        self.socket.sendall(b"".join(struct.pack("<I", len(body) | number << 24) + body
                                     for body in bodies))

    def packet(self):
        head = struct.unpack("<I", self.file.read(4))[0]
        return self.file.read(head & 0xffffff)

    def answers(self, results=1):
        """The first byte of each packet of so many results that have rows."""
        kinds, ends = b"", 0
        while ends < results * (2 if self.eofs else 1):
            body = self.packet()
            kinds += body[:1]
            if body[0] == 0xff or body[0] == 0xfe and len(body) == 5 and body[3] & 0x40:
                break  # an error, or a cursor
            ends += body[0] == 0xfe and len(body) < 9
        return kinds

    def prepare(self, text):
        self.send(b"\x16" + text)
        body = self.packet()
        assert body[0] == 0, body
        statement, columns, parameters = struct.unpack("<IHH", body[1:9])
        for count in (parameters, columns):
            for _ in range(count + bool(self.eofs and count)):
                self.packet()
        return statement


def execute(statement, flags=0, parameters=b""):
    return b"\x17" + struct.pack("<IBI", statement, flags, 1) + parameters


class Server(unittest.TestCase):
    """One server for all tests, and what both ends have seen of its port."""

    maxDiff = None
    ADDRESS = "127.0.0.1"
    RUNNER = ()  # of the server

    @classmethod
    def setUpClass(cls):
        need("mariadb", "mariadbd", "mariadb-install-db", "mysqlslap", "setpriv", "openssl")
        cls.port = harness.free_port()
        all_tests = types.SimpleNamespace(addCleanup=cls.addClassCleanup)
        cls.folder = harness.temporary_folder(all_tests)
        user = pwd.getpwnam("nobody")
        data = os.path.join(cls.folder, "data")
        setup = os.path.join(cls.folder, "setup")
        with open(setup, "w", encoding="utf-8") as file:
            file.write("create user eye@'%';\n"
                       "grant all on *.* to eye@'%';\n"
                       "create user locked@'%' identified by 'secret';\n"
                       "create database d;\n"
                       "create table d.t (a int primary key, b longtext);\n"
                       "create table d.log (a text);\n")
        certificate = os.path.join(cls.folder, "certificate")
        harness.make_certificate(certificate + ".pem", certificate)
        os.mkdir(data)
        for path in (cls.folder, data, setup, certificate, certificate + ".pem"):
            os.chown(path, user.pw_uid, user.pw_gid)
        unprivileged = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}",
                        "--clear-groups")
        small = ("--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M",
                 "--innodb-flush-log-at-trx-commit=0", "--innodb-use-native-aio=0",
                 "--innodb-doublewrite=0")
        command(*unprivileged, "mariadb-install-db", "--no-defaults", f"--datadir={data}",
                "--auth-root-authentication-method=normal", "--skip-test-db", *small,
                cwd=cls.folder)
        with open(os.path.join(cls.folder, "log"), "w", encoding="utf-8") as log:
            spawn(all_tests, *cls.RUNNER, *unprivileged, "mariadbd", "--no-defaults", f"--datadir={data}",
                  f"--socket={cls.folder}/socket", f"--pid-file={cls.folder}/pid",
                  f"--port={cls.port}", f"--bind-address={cls.ADDRESS}", "--skip-name-resolve",
                  "--local-infile=1", "--max-allowed-packet=64M", f"--init-file={setup}",
                  f"--ssl-key={certificate}", f"--ssl-cert={certificate}.pem", *small,
                  stdout=log, stderr=log, env=clean_environment(DD_SERVICE=f"mysql-{cls.port}"))
        wait_until(lambda: cls.mariadb("select 1").returncode == 0, 30, "MariaDB")

    @classmethod
    def mariadb(cls, text, *options, given=""):
        return subprocess.run(["mariadb", "--no-defaults", "--skip-ssl", "-h", cls.ADDRESS, "-P",
                               str(cls.port), "-u", "eye", "-N", *options, "-e", text],
                              input=given, text=True, check=False, capture_output=True,
                              timeout=harness.HANG_SECONDS)

    def connect(self, **options):
        connection = pymysql.connect(host="127.0.0.1", port=self.port, user="eye",
                                     autocommit=None, **options)
        self.addCleanup(lambda: connection.open and connection.close())
        return connection

    def own(self, capabilities=0, of_mariadb=0):
        return Connection(self, socket.create_connection((self.ADDRESS, self.port), 30),
                          capabilities, of_mariadb)

    def setUp(self):
        self.expected = collections.Counter()
        self.mariadb("truncate d.t; truncate d.log")

    def start(self):
        self.daemon = Daemon(self, "protocols.mysql=true", console=CONSOLE, interval="1h")

    def expect(self, operation, status="", count=1):
        self.expected[operation, str(status)] += count

    def seen(self, metric):
        """{(operation, status): count}, and which databases."""
        seen, systems = collections.Counter(), set()
        for tags, (_, count, _) in self.daemon.series(metric, port=self.port):
            systems.add(tags["db_system"])
            seen[tags["operation"], tags.get("status", tags.get("error_type", ""))] += count
        return dict(seen), systems

    def lost(self, direction):
        return self.daemon.unpaired(port=self.port, direction=direction)

    def assert_seen(self, systems=("mariadb",)):
        self.daemon.stop()
        for direction, metric in ENDS.items():
            with self.subTest(end=direction):
                self.assertEqual((self.seen(metric), self.lost(direction)),
                                 ((dict(self.expected), set(systems)), {}))


    def assert_seen_or_lost(self):
        """As assert_seen(), but the client's socket may have dropped what it had no room for."""
        self.daemon.stop()
        self.assertEqual((self.seen(SERVER), self.lost("incoming")),
                         ((dict(self.expected), {"mariadb"}), {}))
        assert_seen_or_lost(self, self.expected, self.seen(CLIENT)[0], self.lost("outgoing"))


class Commands(Server):
    """Of Debian's clients and of pymysql; of our own what none of these does."""

    def executed(self):
        """What the server says it has executed, by statement."""
        lines = self.mariadb("show global status like 'Com\\_%'").stdout.splitlines()
        return {name: int(count) for name, count in (line.split("\t") for line in lines)}

    def test_statements(self):
        self.start()
        for text, operation, status in (
                ("select 1", "SELECT", ""), ("  (select 2)", "SELECT", ""),
                ("/* a comment */ select 3", "SELECT", ""), ("/*!50000 select 3 */", "SELECT", ""),
                ("insert into d.t select seq, 'secret' from d.t right join d.seq_1_to_9 on a = seq",
                 "INSERT", ""),
                ("replace into d.t values (1, 'x')", "REPLACE", ""),
                ("update d.t set b = 'secret' where a < 5", "UPDATE", ""),
                ("with x as (select 1) select * from x", "WITH", ""),
                ("delete from d.t where a = 7", "DELETE", ""), ("show tables in d", "SHOW", ""),
                ("alter table d.t add column c int default 1", "ALTER", ""),
                ("alter table d.t drop column c", "ALTER", ""),
                ("select nosuch", "SELECT", 1054), ("insert into d.t values (1, '')", "INSERT", 1062),
                ("drop table d.nosuch", "DROP", 1051), ("nonsense", "_OTHER", 1064),
                ("signal sqlstate '45000' set mysql_errno = 1234", "SIGNAL", 1234),
                ("do sleep(0)", "DO", ""), ("flush status", "FLUSH", "")):
            self.mariadb(text, "--delimiter=$", "--comments")
            self.expect(operation, status)
        self.mariadb("begin; select 1; commit; rollback", "d")
        for operation in ("BEGIN", "SELECT", "COMMIT", "ROLLBACK"):
            self.expect(operation)
        self.assert_seen()

    def test_mysqlslap(self):
        self.start()
        before = self.executed()
        output = command("mysqlslap", "--no-defaults", "--skip-ssl", "-h", "127.0.0.1", "-P",
                         str(self.port), "-u", "eye", "--create-schema=d", "--concurrency=4",
                         "--number-of-queries=2000", "--delimiter=;",
                         "--query=select count(*) from t where a = 1;insert into log values ('x');"
                         "update log set a = 'y' limit 1").stdout
        self.assertIn("seconds to run all queries", output)
        after = self.executed()
        self.daemon.stop()
        done = {name: after[f"Com_{name}"] - before[f"Com_{name}"]
                for name in ("select", "insert", "update", "drop_db", "create_db")}
        self.assertGreaterEqual(done["insert"], 600)
        for metric in ENDS.values():
            seen, _ = self.seen(metric)
            for name in ("select", "insert", "update"):
                self.assertEqual(seen[name.upper(), ""], done[name])
            for summary in ("SELECT t", "INSERT log", "UPDATE log"):
                count, _ = self.daemon.distribution(metric, port=self.port, summary=summary)
                self.assertEqual(count, done[summary.split()[0].lower()])
            self.assertEqual([key for key in seen if key[1]], [])

    def test_pymysql(self):
        rows = os.path.join(harness.temporary_folder(self), "rows")
        with open(rows, "w", encoding="utf-8") as file:
            file.writelines(f"{a}\t{'text' * 100}\n" for a in range(20000))
        with open(rows + ".empty", "w", encoding="utf-8"):
            pass
        self.start()
        connection = self.connect(local_infile=True,
                                  client_flag=CAPABILITIES.MULTI_STATEMENTS)
        cursor = connection.cursor()
        connection.ping()
        connection.select_db("d")
        with self.assertRaises(pymysql.err.OperationalError):
            connection.select_db("nosuch")
        cursor.execute(f"load data local infile '{rows}' into table t")
        self.assertEqual(cursor.rowcount, 20000)
        cursor.execute(f"load data local infile '{rows}.empty' into table t")
        cursor.execute("select 1; update log set a = ''; select 2")
        while cursor.nextset():
            pass
        for size in (0xffffff - len("\3select length('')"), (1 << 24) + 5):
            cursor.execute(f"select length('{'x' * size}')")
            self.assertEqual(cursor.fetchall(), ((size,),))
        for size in (0xffffff - 4, 0xffffff - 3, (1 << 24) + 100):
            cursor.execute(f"select repeat('x', {size})")
            self.assertEqual(len(cursor.fetchall()[0][0]), size)
        begin = time.monotonic()
        for _ in range(10):
            cursor.execute("do sleep(0.03)")
        waited = time.monotonic() - begin
        connection.close()
        for operation, status, count in (
                ("PING", "", 1), ("INIT_DB", "", 1), ("INIT_DB", 1049, 1), ("LOAD", "", 2),
                ("SELECT", "", 6), ("DO", "", 10)):
            self.expect(operation, status, count)
        self.assert_seen_or_lost()
        _, seen = self.daemon.distribution(CLIENT, port=self.port, operation="DO")
        print(f"\n    10 x 30 ms: the client waited {waited:.6f} s, seen were {seen:.6f} s")
        harness.assert_waited(self, seen, 10 * 0.03, waited)

    def test_prepared(self):
        self.start()
        for capabilities, of_mariadb in ((0, 0), (DEPRECATE_EOF, 0),
                                         (DEPRECATE_EOF, BULK | CACHED_COLUMNS),
                                         (0, BULK | CACHED_COLUMNS)):
            own = self.own(capabilities, of_mariadb)
            many = own.prepare(b"select seq, seq, 'abc' from d.seq_1_to_1000 where seq > ?")
            none = own.prepare(b"update d.log set a = 'x'")
            given = b"\0\1\x03\0" + struct.pack("<I", 500)
            for _ in range(3):
                own.send(execute(many, 0, given))
                # The definitions are left out the second time, when that was agreed on.
                kinds = own.answers()
                self.assertEqual(kinds.count(b"\0"), 500)
            own.send(execute(none))
            self.assertEqual(own.packet()[0], 0)
            # Prepared and executed at once, under the number of what was prepared last; and
            # thrown away, to which there is no answer.
            own.send(b"\x16delete from d.log", execute(0xffffffff), b"\x19" + struct.pack("<I", none),
                     b"\x0e")
            self.assertEqual([own.packet()[0] for _ in range(3)], [0, 0, 0])
            # Through a cursor, by portions.
            own.send(execute(many, 1, given))
            own.answers()
            own.send(b"\x1c" + struct.pack("<II", many, 300))
            self.assertEqual(own.packet()[0], 0)
            while own.packet()[0] != 0xfe:
                pass
            own.send(b"\x1a" + struct.pack("<I", many))
            self.assertEqual(own.packet()[0], 0)
            own.send(b"\x18" + struct.pack("<IH", many, 0) + b"5", b"\x1f")
            self.assertEqual(own.packet()[0], 0)
            own.send(execute(many, 0, given))  # which the reset has thrown away
            self.assertEqual(own.packet()[0], 0xff)
            own.send(b"\x16selec")
            self.assertEqual(own.packet()[0], 0xff)
            own.send(b"\x01")
            for operation, status, count in (
                    ("STMT_PREPARE", "", 3), ("STMT_PREPARE", 1064, 1), ("SELECT", "", 4),
                    ("UPDATE", "", 1), ("DELETE", "", 1), ("PING", "", 1), ("STMT_FETCH", "", 1),
                    ("STMT_RESET", "", 1), ("RESET_CONNECTION", "", 1), ("unknown", 1243, 1)):
                self.expect(operation, status, count)
        own = self.own(DEPRECATE_EOF, BULK)
        insert = own.prepare(b"insert into d.t values (?, 'x')")
        values = b"".join(b"\0" + struct.pack("<I", a) for a in range(100))
        self.expect("STMT_PREPARE")
        for status in ("", 1062):
            own.send(b"\xfa" + struct.pack("<IH", insert, 128) + b"\x03\0" + values)
            self.assertEqual(own.packet()[0], 0xff if status else 0)
            self.expect("INSERT", status)
        self.assert_seen()
        for metric in ENDS.values():
            for summary, count in (("SELECT", 16),  # a literal stands before the table
                                   ("UPDATE d.log", 4),
                                   ("DELETE d.log", 4), ("INSERT d.t", 2)):
                told, _ = self.daemon.distribution(metric, port=self.port, summary=summary)
                self.assertEqual(told, count, summary)

    def test_pipelines(self):
        self.start()
        own = self.own()
        texts = (b"\3select 1", b"\3select nosuch", b"\3update d.log set a = ''", b"\x0e") * 4
        own.send(*texts)
        for _ in range(4):
            own.answers()
            self.assertEqual([own.packet()[0] for _ in range(3)], [0xff, 0, 0])
        # A hundred of them, of which the queue has no room for all.
        own.send(*[b"\3do 1"] * 100)
        self.assertEqual([own.packet()[0] for _ in range(100)], [0] * 100)
        own.send(b"\3show tables in d")
        own.answers()
        self.daemon.stop()
        for direction, metric in ENDS.items():
            seen, _ = self.seen(metric)
            lost = self.lost(direction)
            self.assertEqual(seen.pop(("DO", "")) + lost.pop("pipeline_full"), 100)
            self.assertEqual(seen, {("SELECT", ""): 4, ("SELECT", "1054"): 4, ("UPDATE", ""): 4,
                                    ("PING", ""): 4, ("SHOW", ""): 1})
            self.assertEqual(lost, {})

    def test_prepared_before_the_daemon(self):
        clients = [self.own(), self.own(DEPRECATE_EOF)]
        texts = (b"select seq from d.seq_1_to_300", b"update d.log set a = 'x'")
        prepared = [[own.prepare(text) for text in texts] for own in clients]
        self.start()
        for own, (many, none) in zip(clients, prepared):
            for _ in range(10):
                own.send(execute(many))
                own.answers()
                own.send(execute(none))
                self.assertEqual(own.packet()[0], 0)
            again = own.prepare(b"select ?, 1")
            for _ in range(5):
                own.send(execute(again, 0, b"\0\1\x03\0" + bytes(4)))
                own.answers()
            own.send(b"\3select 1")
            own.answers()
            own.send(b"\3select 1 union select nosuch")
            self.assertEqual(own.answers(), b"\xff")
        self.expect("unknown", count=40)
        self.expect("STMT_PREPARE", count=2)
        self.expect("SELECT", count=12)
        self.expect("SELECT", 1054, 2)
        self.assert_seen(systems=("mysql",))

    def test_logins(self):
        """None of them is a request, whatever becomes of it; nor is what goes on behind one that is
        not to be read."""
        self.start()
        self.assertEqual(self.mariadb("select 1", "--compress").stdout, "1\n")
        self.assertEqual(self.mariadb("select 1", "--ssl").stdout, "1\n")
        with self.assertRaises(pymysql.err.OperationalError):
            pymysql.connect(host="127.0.0.1", port=self.port, user="locked", password="wrong")
        connection = self.connect()
        connection.query("select 1")
        own = self.own()
        for user, first in ((b"eye", 0), (b"locked", 0xff)):
            own.send(b"\x11" + user + b"\0\0\0\x2d\0mysql_native_password\0")
            body = own.packet()
            if body[0] == 0xfe:
                own.send(b"", number=2)
                body = own.packet()
            self.assertEqual(body[0], first)
        self.expect("CHANGE_USER")
        self.expect("CHANGE_USER", 1045)
        self.expect("SELECT")
        self.assert_seen()
        lost = {(tags["program"], tags["reason"]): amount for tags, (_, amount, _)
                in self.daemon.series("sockeye.kernel.lost", program="mysql")}
        self.assertEqual({key: amount for key, amount in lost.items() if amount},
                         {("mysql", "compressed"): 2})

    def test_big_results(self):
        self.start()
        connection = self.connect()
        cursor = connection.cursor(pymysql.cursors.SSCursor)
        done = 0
        for text in ("select 1 from d.seq_1_to_200000", "select seq, repeat('x', seq % 300) from "
                     "d.seq_1_to_30000", "select null from d.seq_1_to_100000"):
            cursor.execute(text)
            done += len(cursor.fetchall())
        self.assertEqual(done, 330000)
        self.expect("SELECT", count=3)
        self.assert_seen_or_lost()


class Wire(RandomFaults, Server):
    """Each statement fails in its own way: the operation and the summary are of what was asked, the
    number of the answer."""

    ADDRESS = BadWire.RIGHT
    ANSWERS = {b"select nosuch from d.t": ("SELECT", "1054", "SELECT d.t"),
               b"insert into d.nosuch values (1)": ("INSERT", "1146", "INSERT d.nosuch"),
               b"signal sqlstate '45000' set mysql_errno = 1234": ("SIGNAL", "1234", "SIGNAL"),
               b"drop table d.nosuch": ("DROP", "1051", "DROP TABLE d.nosuch"),
               b"nonsense": ("_OTHER", "1064", None), b"use nosuch": ("USE", "1049", "USE")}

    @classmethod
    def setUpClass(cls):
        cls.wire = class_wire(cls)
        cls.RUNNER = ("ip", "netns", "exec", cls.wire.right.name)
        super().setUpClass()

    @classmethod
    def mariadb(cls, text, *options, given=""):
        return subprocess.run(["mariadb", "--no-defaults", "-S", f"{cls.folder}/socket", "-u",
                               "root", "-e", text], text=True, check=False, capture_output=True,
                              timeout=harness.HANG_SECONDS)

    def open(self):
        return Connection(self, self.connect_over_wire())

    def ask(self, connection, questions, at_once):
        for texts in [questions] if at_once else [[text] for text in questions]:
            connection.send(*[b"\3" + text for text in texts])
            for _ in texts:
                assert connection.packet()[0] == 0xff

    def told(self, end):
        told = collections.Counter()
        for tags, (_, count, _) in self.daemon.series(ENDS[end], port=self.port):
            told[tags["operation"], tags["status"], tags.get("summary")] += count
        return told


if __name__ == "__main__":
    unittest.main()
