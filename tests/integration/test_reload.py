# SPDX-License-Identifier: Apache-2.0
"""Another configuration while the daemon runs and is busy."""

import collections
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import unittest
import unittest.mock

import harness
from harness import (EXIT_FAILURE, EXIT_OK, Daemon, Nginx, free_port, sockeye, temporary_folder,
                     wait_until)
from test_lifecycle import held_ids

SITE = "access_log access.log; server {{ listen 127.0.0.1:{}; location / {{ return 200 'ok'; }} }}"


class Traffic:
    """Connections of this process to itself, and requests to nginx, until it is told to stop."""

    def __init__(self, test, nginx):
        self.port = free_port()
        self.connections = self.requests = 0
        self._nginx = nginx
        self._listener = harness.listen(test, self.port)
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._connect),
                         threading.Thread(target=self._request)]
        for thread in self._threads:
            thread.start()
        test.addCleanup(self.stop)

    def _connect(self):
        while not self._stopping.is_set():
            with socket.create_connection(("127.0.0.1", self.port)) as client:
                server, _ = self._listener.accept()
                client.sendall(b"x")
                server.recv(1)
                server.close()
            self.connections += 1

    def _request(self):
        connection = http.client.HTTPConnection("127.0.0.1", self._nginx.port)
        while not self._stopping.is_set():
            connection.request("GET", f"/users/{self.requests}/orders")
            connection.getresponse().read()
            self.requests += 1
        connection.close()

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()


def counted(path, metric, **tags):
    """Sum of the increases that a file exporter wrote."""
    wanted = {name: str(value) for name, value in tags.items()}.items()
    total = 0
    with open(path, encoding="utf-8") as file:
        for line in file:
            point = json.loads(line)
            if point["metric"].removeprefix("sockeye.") == metric and \
                    wanted <= point["tags"].items():
                total += point["value"] if point["kind"] == "counter" else point["count"]
    return total


class Reload(unittest.TestCase):

    def setUp(self):
        self.folder = temporary_folder(self)
        self.socket = self.path("control.sock")
        self.config = self.path("sockeye.yaml")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, text):
        with open(self.config + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(self.config + ".new", self.config)

    def start(self, text):
        """With all settings in the file, where a reload finds others."""
        self.write(text)
        kept = [setting for setting in harness.SETTINGS
                if not setting.startswith(("protocols.http", "limits."))]
        with unittest.mock.patch.object(harness, "SETTINGS", kept):
            return Daemon(self, console=None, arguments=("-c", self.config, "--set",
                                                         f"control.socket={self.socket}"))

    def reload(self):
        return sockeye("reload", "--socket", self.socket)

    def status(self):
        return json.loads(sockeye("status", "--json", "--socket", self.socket).stdout)


class UnderLoad(Reload):
    RELOADS = 100

    @staticmethod
    def version(number, folder):
        """One file always stays, one changes each time, one comes and goes; so do all other keys
        that may change."""
        routes = ("[{pattern: '/users/*/orders', route: '/orders'}]", "[]")[number % 2]
        coming = f"  - {{type: file, name: coming, path: {folder}/coming.json}}\n"
        return (f"tags: [\"version:{number // 50}\"]\nprotocols: {{http: true}}\n"
                f"log: {{level: {('info', 'debug', 'warning')[number % 3]}}}\n"
                f"http: {{routes: {routes}}}\n"
                f"limits: {{series: {2000 + number}, idle: {300 + number}s}}\n"
                f"connections: {{remote: {('none', 'zone')[number // 10 % 2]}}}\n"
                f"shutdown_timeout: {5 + number % 2}s\n"
                "exporters:\n"
                f"  - {{type: file, name: stays, path: {folder}/stays.json, max_size: 1GiB}}\n"
                f"  - {{type: file, name: changes, path: {folder}/changes.json, "
                f"max_size: {500 + number}MiB}}\n" + (coming if number % 2 else ""))

    def held(self, daemon):
        kinds = collections.Counter(kind for kind, _ in held_ids(daemon.pid))
        return {"descriptors": len(harness.descriptors(daemon.pid)),
                "threads": len(os.listdir(f"/proc/{daemon.pid}/task")), **kinds}

    def wait_for_intervals(self, count):
        first = self.status()["interval"]["number"]
        wait_until(lambda: self.status()["interval"]["number"] >= first + count, 60, "intervals")

    def test_no_count_is_lost(self):
        port = free_port()
        nginx = Nginx(self, port, SITE.format(port))
        daemon = self.start(self.version(0, self.folder))
        traffic = Traffic(self, nginx)
        self.wait_for_intervals(2)
        before = self.held(daemon)
        slowest = 0
        for number in range(1, self.RELOADS + 1):
            self.write(self.version(number, self.folder))
            begin = time.monotonic()
            done = self.reload()
            slowest = max(slowest, time.monotonic() - begin)
            self.assertEqual(done.returncode, EXIT_OK, done.stderr)
            change = (1, 1, 1, 0) if number % 2 else (1, 0, 1, 1)
            if number % 50 == 0:  # tags of all points
                change = (0, 0, 2, 1)
            self.assertIn("exporters: {} kept, {} added, {} changed, {} removed".format(*change),
                          done.stdout)
        self.write(self.version(0, self.folder))
        self.assertEqual(self.reload().returncode, EXIT_OK)
        self.wait_for_intervals(2)
        after = self.held(daemon)
        traffic.stop()
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertEqual(after, before)
        for name in ("stays", "changes"):
            path = self.path(f"{name}.json")
            # Of busy CPUs; whose they were nobody knows.
            lost = sum(counted(path, "kernel.lost", program="tcp", reason=reason)
                       for reason in ("recursion", "vanished"))
            for direction in ("incoming", "outgoing"):
                for what in ("opened", "closed"):
                    count = counted(path, f"tcp.connections.{what}", port=traffic.port,
                                    direction=direction)
                    self.assertIn(traffic.connections - count, range(lost + 1),
                                  (name, direction, what))
            self.assertEqual(counted(path, "http.server.request.duration", port=nginx.port),
                             traffic.requests, name)
        print(f"{self.RELOADS} reloads, {traffic.connections} connections, {traffic.requests} "
              f"requests, slowest reload {slowest:.2f} s", end="; ")


class Refused(Reload):
    TEXT = "exporters: [{{type: file, path: {}/one.json}}]\n"

    def assert_unchanged(self, daemon, *said):
        before = self.status()
        done = self.reload()
        self.assertEqual((done.returncode, done.stdout), (EXIT_FAILURE, ""))
        for words in said:
            self.assertIn(words, done.stderr)
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: any("reload: " in line and said[0] in line
                               for line in list(daemon.log)), 30, "the log")
        after = self.status()
        self.assertIn("the last reload was refused: ", after["problems"][0])
        self.assertIn(said[0], after["reload"]["message"])
        for key in ("pid", "tier", "config_file"):
            self.assertEqual(before[key], after[key])
        self.assertEqual([exporter["name"] for exporter in before["exporters"]],
                         [exporter["name"] for exporter in after["exporters"]])

    def test_invalid_ones(self):
        text = self.TEXT.format(self.folder)
        daemon = self.start(text)
        self.write("interval: 10\n" + text)
        self.assert_unchanged(daemon, f"{self.config}:1:11: ")
        self.write(text + "unknown: 1\n")
        self.assert_unchanged(daemon, f'{self.config}:2:1: unknown key "unknown"')
        self.write(text + "source:\n  proc: /proc/1/root/proc\n  root: /mnt\n")
        self.assert_unchanged(daemon, *(
            f"{self.config}:{line}:3: {key} cannot change while the daemon runs; restart it"
            for line, key in ((3, "source.proc"), (4, "source.root"))))
        self.write("control: {token_file: /nowhere}\n" + text)
        self.assert_unchanged(daemon, f"{self.config}:1:11: control.token_file ")
        self.write("")
        self.assert_unchanged(daemon, f"{self.config}: no exporter is configured (is the file whole?)")
        self.write("exporters: [\n")
        self.assert_unchanged(daemon, f"{self.config}:")
        os.unlink(self.config)
        self.assert_unchanged(daemon, f"{self.config}: cannot be read: No such file")
        self.write(text)
        self.assertEqual(self.reload().returncode, EXIT_OK)
        self.assertEqual(self.status()["problems"], [])

    def test_words_and_the_log(self):
        """What is most likely not meant is a warning, for who asked and in the log, which looks as
        the new configuration says."""
        text = self.TEXT.format(self.folder)
        daemon = self.start(text)
        self.write("log: {format: json, level: warning}\nexporters: [{type: file, "
                   f"path: {self.folder}/one.json, metrics: {{deny: ['*', nothing.at.all]}}}}]\n")
        done = self.reload()
        self.assertEqual(done.returncode, EXIT_OK, done.stderr)
        *warned, last = done.stdout.splitlines()
        self.assertIn("nothing.at.all", warned[0])
        self.assertIn("exporter file nothing to send", warned[1])
        self.assertIn("the configuration is in force", last)
        def logged():
            return [line for line in list(daemon.log) if line.startswith("{")]
        wait_until(lambda: len(logged()) >= len(warned), 10, lambda: str(daemon.log))
        self.assertEqual([(line["level"], line["message"]) for line in map(json.loads, logged())],
                         [("warning", f"reload: {words}") for words in warned])
        self.write(f"log: {{format: text, level: debug}}\n{text}")
        self.assertEqual(self.reload().returncode, EXIT_OK)
        wait_until(lambda: any(" sockeye info: reload: the configuration is in force" in line
                               for line in list(daemon.log)), 10, lambda: str(daemon.log))
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertTrue(any(" sockeye debug: " in line for line in daemon.log))

    def test_exporters_that_cannot_be(self):
        """An address that is taken: what ran goes on, and no count is lost."""
        taken = free_port()
        listener = harness.listen(self, taken)
        text = self.TEXT.format(self.folder)
        daemon = self.start(text)
        port = free_port()
        own = harness.listen(self, port)
        self.write(f"interval: 2s\nexporters:\n  - {{type: file, path: {self.folder}/one.json, "
                   f"max_size: 5MiB}}\n  - {{type: openmetrics, listen: '127.0.0.1:{taken}'}}\n")
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port)):
                own.accept()[0].close()
            self.assert_unchanged(daemon, f"cannot listen on 127.0.0.1:{taken}")
        listener.close()
        self.assertEqual(self.reload().returncode, EXIT_OK)
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertEqual(counted(self.path("one.json"), "tcp.connections.opened", port=port,
                                 direction="incoming"), 5)

    def test_two_at_once_and_an_end_between(self):
        daemon = self.start(self.TEXT.format(self.folder))
        reloads = [threading.Thread(target=self.reload) for _ in range(8)]
        for thread in reloads:
            thread.start()
        daemon.process.send_signal(signal.SIGHUP)
        time.sleep(0.05)
        self.assertEqual(daemon.stop(), EXIT_OK)
        for thread in reloads:
            thread.join()


class Protocols(Reload):
    TEXT = ("protocols: {{http: {}}}\nexporters: [{{type: file, path: {}/one.json}}{}]\n")

    def names(self):
        return [program["name"] for program in self.status()["programs"] if program["attached"]]

    def test_they_come_and_go(self):
        """Loading takes rights that the main thread has not in use."""
        self.start(self.TEXT.format("false", self.folder, ""))
        for wish in ("true", "false", "true"):
            self.write(self.TEXT.format(wish, self.folder, ""))
            self.assertEqual(self.reload().returncode, EXIT_OK)
            wait_until(lambda wish=wish: ("http_sent" in self.names()) == (wish == "true"), 30,
                       lambda: str(self.names()))

    def test_refused_they_stay(self):
        """No request is lost by what was not applied."""
        port, taken = free_port(), free_port()
        nginx = Nginx(self, port, SITE.format(port))
        harness.listen(self, taken)
        daemon = self.start(self.TEXT.format("true", self.folder, ""))
        traffic = Traffic(self, nginx)
        wait_until(lambda: traffic.requests > 100, 30, "requests")
        another = f", {{type: openmetrics, listen: '127.0.0.1:{taken}'}}"
        self.write(self.TEXT.format("false", self.folder, another))
        for _ in range(5):
            done = self.reload()
            self.assertEqual(done.returncode, EXIT_FAILURE)
            self.assertIn(f"cannot listen on 127.0.0.1:{taken}: Address already in use",
                          done.stderr)
        traffic.stop()
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertEqual(counted(self.path("one.json"), "http.server.request.duration",
                                 port=nginx.port), traffic.requests)


class Receivers(Reload):

    def test_one_that_is_away(self):
        """What waits for a receiver that is away goes with the exporter that takes its place."""
        port, away = free_port(), free_port()
        own = harness.listen(self, port)
        text = ("interval: 1s\nexporters: [{{type: graphite, url: 'tcp://127.0.0.1:{}', "
                "counters: total, queue: {{snapshots: {}}}}}]\n")
        daemon = self.start(text.format(away, 60))
        for _ in range(7):
            with socket.create_connection(("127.0.0.1", port)):
                own.accept()[0].close()
        wait_until(lambda: self.status()["exporters"][0]["failing_attempts"] > 2, 30, "failures")
        receiver = harness.listen(self, free_port())
        self.write(text.format(receiver.getsockname()[1], 61))
        self.assertEqual(self.reload().returncode, EXIT_OK)
        taken, _ = receiver.accept()
        taken.settimeout(30)
        pieces = []

        def read():
            while piece := taken.recv(65536):
                pieces.append(piece)
        reader = threading.Thread(target=read)
        reader.start()
        wait_until(lambda: self.status()["exporters"][0]["snapshots"]["delivered"] >= 2, 30,
                   "deliveries")
        self.assertEqual(daemon.stop(), EXIT_OK)
        reader.join()
        taken.close()
        got = b"".join(pieces)
        opened = [float(line.split()[1]) for line in got.decode().splitlines()
                  if re.match(rf"sockeye\.tcp\.connections\.opened;.*direction=incoming.*"
                              rf"port={port}[; ]", line)]
        self.assertEqual(opened[-1], 7, got.decode()[:2000])


class Console(Reload):

    def test_that_nobody_reads(self):
        """One that is added fails, and the daemon, which was not started for its reader, lives on."""
        text = self.TEXT.format("")
        self.write(text)
        read_end, write_end = os.pipe()
        os.close(read_end)
        process = harness.spawn(self, harness.binary(), "run", "-c", self.config, "--set",
                                f"control.socket={self.socket}", stdout=write_end,
                                stderr=subprocess.PIPE)
        os.close(write_end)
        harness.read_until(process.stderr, harness.OBSERVING)
        self.write(self.TEXT.format(", {type: console}"))
        self.assertEqual(self.reload().returncode, EXIT_OK)
        wait_until(lambda: self.status()["exporters"][1]["failures"].get("reset", 0) >= 2, 20,
                   lambda: str(self.status()["exporters"]))
        self.assertIn("exporter console fails", self.status()["problems"][0])
        self.write(text)
        self.assertEqual(self.reload().returncode, EXIT_OK)
        self.assertEqual(self.status()["problems"], [])
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(60), EXIT_OK)

    TEXT = "interval: 1s\nexporters: [{{type: \"null\"}}{}]\n"


class Slow(Reload):
    """A receiver that takes what is sent and never answers, so whoever changes its exporter waits
    for all of shutdown_timeout."""
    TEXT = ("interval: 1s\nshutdown_timeout: {}s\nlog: {{level: {}}}\nexporters:\n"
            "  - {{type: otlp, url: 'http://127.0.0.1:{}/v1/metrics', timeout: 60s, "
            "queue: {{snapshots: {}}}}}\n"
            "  - {{type: file, path: {}/one.json, max_size: {}MiB}}\n")

    def begin(self, timeout):
        """The daemon, once an answer is waited for."""
        self.port = free_port()
        self.receiver = harness.listen(self, self.port)
        self.version(timeout, 1)
        with open(self.config, encoding="utf-8") as file:
            daemon = self.start(file.read())
        self.taken, _ = self.receiver.accept()
        self.addCleanup(self.taken.close)
        return daemon

    def version(self, timeout, number):
        self.write(self.TEXT.format(timeout, ("info", "debug")[number % 2],
                                    self.port, 50 + number, self.folder,
                                    number))

    def ask_for_reload(self):
        return harness.spawn(self, harness.binary(), "reload", "--socket", self.socket,
                             stderr=subprocess.PIPE)

    def test_others_are_answered(self):
        """And no count of another exporter that changes, too, is lost; who asks meanwhile gets what
        is in the file by then."""
        daemon = self.begin(2)
        own = harness.listen(self, free_port())
        self.version(2, 2)
        begin = time.monotonic()
        first = self.ask_for_reload()
        wait_until(lambda: first.poll() is not None or time.monotonic() > begin + 0.3, 5)
        self.version(2, 3)
        second = self.ask_for_reload()
        asked = early = 0
        while first.poll() is None and time.monotonic() < begin + 20:
            self.assertEqual(len(self.status()["exporters"]), 2)
            asked += 1
            early += first.poll() is None
            with socket.create_connection(own.getsockname()):
                own.accept()[0].close()
            time.sleep(0.02)
        took = time.monotonic() - begin
        self.assertGreater(took, 1.9)
        self.assertIsNotNone(first.poll(), "it waits longer than shutdown_timeout")
        self.assertGreater(early, 0, f"{asked} asked, none answered before the reload had ended")
        self.receiver.close()
        for one in (first, second):
            self.assertEqual(one.wait(20), EXIT_OK, one.stderr.read())
            self.assertIn("exporters: 0 kept, 0 added, 2 changed, 0 removed", one.stdout.read())
        wait_until(lambda: sum("is in force" in line for line in list(daemon.log)) == 2, 5,
                   "the second one's own")
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertEqual(counted(self.path("one.json"), "tcp.connections.opened",
                                 port=own.getsockname()[1], direction="incoming"), asked)

    def test_an_end_meanwhile(self):
        """All of it within shutdown_timeout, and who waits is told."""
        daemon = self.begin(1)
        self.version(1, 2)
        waiting = [self.ask_for_reload()]
        time.sleep(0.2)
        waiting.append(self.ask_for_reload())
        time.sleep(0.2)
        self.assertEqual([one.poll() for one in waiting], [None, None])
        begin = time.monotonic()
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertLess(time.monotonic() - begin, 60)  # of the receiver
        for one in waiting:
            self.assertEqual(one.wait(20), EXIT_FAILURE)
            self.assertIn("the daemon stops", one.stderr.read())
        self.assertNotIn(" error: ", "\n".join(daemon.log))
        self.assertIn("stopping on SIGTERM", harness.messages("\n".join(daemon.log)))
