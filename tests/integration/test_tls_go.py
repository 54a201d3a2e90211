# SPDX-License-Identifier: Apache-2.0
"""Requests inside Go's crypto/tls: servers and clients, stripped programs and those that can be
moved, connections that are wrapped, and goroutines whose stacks grow."""

import json
import os
import subprocess
import tempfile
import unittest

import jsonschema

import harness
import test_tls
from harness import Daemon, command, free_port, need, spawn, wait_until
from test_tls import ENDS
from test_tls_listed import SCHEMAS

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tls_peer.go")


class Go(test_tls.Certified):
    def setUp(self):
        super().setUp()
        need("go")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory(prefix="sockeye-test-go-")
        cls.addClassCleanup(folder.cleanup)
        cls.cache = folder.name

    def build(self, *options):
        """The program; each test has its own file, which nobody has probed yet."""
        path = os.path.join(self.folder, "peer")
        command("go", "build", *options, "-o", path, SOURCE, timeout=300,
                env=harness.clean_environment(GOCACHE=self.cache, GO111MODULE="off"))
        return path

    def serve(self, program, word="serve"):
        port = free_port()
        server = spawn(self, program, word, str(port), self.pem,
                       env=harness.clean_environment(DD_SERVICE="go-server"))
        harness.read_word(server, "ready")
        return port

    def talk(self, program, *words):
        """A client that waits for paths."""
        return spawn(self, program, *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                     env=harness.clean_environment(DD_SERVICE="go-client"))

    def ask(self, client, paths):
        """Over the connection of a client; returns the statuses."""
        statuses = []
        for path in paths:
            client.stdin.write(path + "\n")
            client.stdin.flush()
            statuses.append(int(client.stdout.readline()))
        return statuses

    def start_with(self, program):
        self.daemon = Daemon(self, *self.SETTINGS)
        self.wait_for(program)

    def wait_for(self, program):
        wait_until(lambda: program in test_tls.read_files(self.daemon), 60,
                   lambda: str(list(self.daemon.log)))

    def assert_inspected(self, program):
        told = json.loads(harness.sockeye("inspect", "--json", program).stdout)
        schema = json.loads((SCHEMAS / "inspect.json").read_text(encoding="utf-8"))
        jsonschema.validate(told, schema, cls=jsonschema.Draft7Validator)
        self.assertEqual((told["library"], told["joined"]), ("crypto/tls", True))

    def check(self, program):
        """A server and clients of HTTP/1 and HTTP/2, exact at both ends."""
        self.assert_inspected(program)
        port = self.serve(program)
        self.start_with(program)
        for version, tags in (("1", {}), ("2", {"version": 2})):
            client = self.talk(program, "get", version, str(port))
            self.assertEqual(self.ask(client, ["/go", "/missing"] * 25), [200, 404] * 25)
            self.assert_seen(port, {("/go", "200"): 25, ("/missing", "404"): 25}, **tags)
        for end, service in zip(ENDS, ("go-server", "go-client")):
            self.assertEqual({own["service"] for own, _ in self.daemon.series(end, port=port)},
                             {service})
            self.assertEqual(self.daemon.values(end, "tls", port=port), ["true"])
        self.assertEqual(self.daemon.unpaired(port=port), {})
        self.assertGreater(self.daemon.total("usm.tls.sessions", source="descriptor"), 0)

    def test_a_program(self):
        self.check(self.build())

    def test_stripped(self):
        """Without symbols: the table that stacks are walked by has the names."""
        self.check(self.build("-ldflags", "-s -w"))

    def test_that_can_be_moved(self):
        self.check(self.build("-buildmode=pie"))

    def test_wrapped(self):
        """Connections that hold one another, in six ways; the client's is another library."""
        program = self.build()
        port = self.serve(program, "wrap")
        self.start_with(program)
        for _ in range(12):
            self.assertEqual(self.get(port, ["/wrapped", "/missing"]), [200, 404])
        self.assert_seen(port, {("/wrapped", "200"): 12, ("/missing", "404"): 12}, ENDS[:1])

    def test_the_first_write_shakes_hands(self):
        program = self.build()
        port = self.serve(program)
        self.start_with(program)
        client = self.talk(program, "lazy", str(port))
        self.assertEqual(self.ask(client, ["/lazy"] * 10), [200] * 10)
        self.assert_seen(port, {("/lazy", "200"): 10})

    def test_feigned(self):
        """What only looks like a connection of Go's has no socket, whatever stands in it."""
        program = self.build()
        port = self.serve(program)
        self.start_with(program)
        client = self.talk(program, "feign", str(port))
        self.assertEqual(self.ask(client, ["/feigned"] * 10), [200] * 10)
        self.assert_seen(port, {("/feigned", "200"): 10}, ENDS[:1])
        self.assertEqual(self.seen(ENDS[1], port), {})
        self.assertGreaterEqual(self.daemon.losses()["tls", "unjoined"], 1)

    def test_a_crowd(self):
        """Stacks grow in the middle of it, and move; connections come where others were."""
        program = self.build()
        port = self.serve(program)
        self.start_with(program)
        told = command(program, "crowd", str(port), "500", timeout=120,
                       env=harness.clean_environment(DD_SERVICE="go-client"))
        self.assertEqual(told.returncode, 0)
        self.assert_seen(port, {("/crowd", "200"): 500})

    def test_older_connections(self):
        """What was there before the daemon goes on, and is counted from then on. A server of HTTP/2
        reads the heads of frames alone, so the first request goes by before it is recognised, and
        with it the path that later ones point to."""
        program = self.build()
        port = self.serve(program)
        clients = [self.talk(program, "get", version, str(port)) for version in "1122"]
        for client in clients:
            self.ask(client, ["/before"] * 3)
        self.start_with(program)
        for client in clients:
            self.assertEqual(self.ask(client, ["/behind"] * 10), [200] * 10)
        for metric in ENDS:
            wait_until(lambda: self.daemon.weight(metric, port=port) >= 38, 30,
                       lambda: str(self.seen(metric, port)))
            self.daemon.wait_for_snapshots(2)
            self.assertLessEqual(self.daemon.weight(metric, port=port), 40)
            self.assertGreaterEqual(self.seen(metric, port)["/behind", "200"], 20, metric)
            self.assertNotIn(("/before", "200"), self.seen(metric, port))
        for service in ("go-server", "go-client"):
            self.assertEqual(self.daemon.unpaired(port=port, service=service)["late"], 4)
        self.assertGreaterEqual(self.daemon.losses()["tls", "late"], 8)

    def test_ahead_of_its_probes(self):
        """A program that nobody has run before, and its first connections: what goes by until it is
        probed is in no number, and each end that it may be missing from says so. Every connection
        is counted, those that nobody reads as well."""
        program = self.build()
        self.start()
        port = self.serve(program)
        clients = [self.talk(program, "get", version, str(port)) for version in "12"]
        for client in clients:
            self.assertEqual(self.ask(client, ["/first"] * 20), [200] * 20)
        self.wait_for(program)
        for client in clients:
            self.assertEqual(self.ask(client, ["/first"] * 20), [200] * 20)
        self.daemon.wait_for_snapshots(3)
        for metric, service in zip(ENDS, ("go-server", "go-client")):
            missing = 80 - self.daemon.weight(metric, port=port)
            late = self.daemon.unpaired(port=port, service=service).get("late", 0)
            self.assertIn(missing, range(42))  # one more of a late server of HTTP/2, as above
            self.assertGreaterEqual(late, 2 if missing > 21 else 1 if missing > 0 else 0)
        for metric in ("usm.tls.connections", "usm.tls.sessions"):
            self.assertGreaterEqual(self.daemon.total(metric), 4)  # of the whole host


if __name__ == "__main__":
    unittest.main()
