# SPDX-License-Identifier: Apache-2.0
"""Operations of databases inside TLS: what turns into TLS after words in the clear, too."""

import os
import unittest

import harness
import test_mysql
import test_postgres
import test_tls
from harness import Daemon, command, free_port, need, spawn, wait_until
from test_tls import wait_for_libraries


def assert_operations(test, daemon, port, expected):
    """{operation of a database: count}, at each end, inside TLS."""
    metrics = ("db.server.operation.duration", "db.client.operation.duration")
    for metric in metrics:
        wait_until(lambda metric=metric: daemon.weight(metric, port=port, tls="true")
                   >= sum(expected.values()), 30,
                   lambda metric=metric: f"{daemon.series(metric, port=port)}; {daemon.losses()}")
    daemon.wait_for_snapshots(2)
    for metric in metrics:
        test.assertEqual({own["operation"]: entry[1]
                          for own, entry in daemon.series(metric, port=port)}, expected, metric)


class Redis(test_tls.Certified):
    SETTINGS = ("protocols.tls=true", "protocols.redis=true")

    def test_redis(self):
        need("redis-server", "redis-cli")
        port = free_port()
        self.start()
        with open(os.path.join(self.folder, "log"), "w", encoding="utf-8") as log:
            spawn(self, "redis-server", "--port", "0", "--tls-port", str(port), "--tls-cert-file",
                  self.pem, "--tls-key-file", self.pem, "--tls-ca-cert-file", self.pem,
                  "--tls-auth-clients", "no", "--save", "", "--dir", self.folder, stdout=log)

        def ask(*words):
            return command("redis-cli", "--tls", "--insecure", "-p", str(port), *words).stdout
        wait_until(lambda: command("ss", "-Htln", f"sport = :{port}").stdout, 30, "redis-server")
        for number in range(10):
            self.assertEqual(ask("set", "key", str(number)), "OK\n")
            self.assertEqual(ask("get", "key"), f"{number}\n")
        assert_operations(self, self.daemon, port, {"SET": 10, "GET": 10})


class Mysql(test_mysql.Server):
    """The ClientHello follows the client's own packet, without a word of the server's between."""

    def test_mariadb(self):
        self.check("protocols.mysql=true")

    def test_the_first_ones(self):
        """The packet programs come with the first greeting, which nobody has read then."""
        self.check("protocols.mysql=auto")

    def check(self, protocol):
        daemon = Daemon(self, protocol, "protocols.tls=true")
        wait_for_libraries(daemon)
        for _ in range(5):
            told = command("mariadb", "--no-defaults", "--ssl", "-h", self.ADDRESS, "-P",
                           str(self.port), "-u", "eye", "-N", "-e", "select @@version_ssl_library "
                           "is not null; insert into d.log values ('x'); "
                           "show status like 'Ssl_version'").stdout
            self.assertRegex(told, r"Ssl_version\tTLSv1\.[23]")
        assert_operations(self, daemon, self.port, {"SELECT": 5, "INSERT": 5, "SHOW": 5})


class Postgres(test_postgres.Server):
    """The handshake follows a question in the clear."""

    def test_psql(self):
        self.check("protocols.postgres=true")

    def test_the_first_ones(self):
        """The packet programs come with the question that asks for TLS: what is inside is seen."""
        self.check("protocols.postgres=auto")

    def check(self, protocol):
        pem = os.path.join(self.folder, "server")
        harness.make_certificate(pem + ".crt", pem + ".key")
        for path in (pem + ".crt", pem + ".key"):
            os.chown(path, os.stat(self.folder).st_uid, -1)
        for setting in (f"ssl_cert_file = '{pem}.crt'", f"ssl_key_file = '{pem}.key'", "ssl = on"):
            command("psql", *self.options(self.folder), "-c", f"alter system set {setting}")
        command("psql", *self.options(self.folder), "-c", "select pg_reload_conf()")
        daemon = Daemon(self, protocol, "protocols.tls=true")
        wait_for_libraries(daemon)
        for _ in range(5):
            told = command("psql", *self.options(), "-At", "-c", "select ssl from pg_stat_ssl "
                           "where pid = pg_backend_pid()", "-c", "insert into log values ('x')",
                           env={**os.environ, "PGSSLMODE": "require"}).stdout
            self.assertEqual(told.split(), ["t"])
        assert_operations(self, daemon, self.port, {"SELECT": 5, "INSERT": 5})


del test_mysql, test_postgres  # their own tests are their own

if __name__ == "__main__":
    unittest.main(verbosity=2)
