# SPDX-License-Identifier: Apache-2.0
"""The control socket and the commands that ask it."""

import contextlib
import fcntl
import http.client
import json
import os
import pathlib
import pty
import re
import socket
import stat
import subprocess
import threading
import time
import unittest

import jsonschema

import harness
from harness import (EXIT_CONFIG, EXIT_FAILURE, EXIT_OK, Daemon, free_port, sockeye, temporary_folder,
                     wait_until)

SCHEMAS = pathlib.Path(__file__).resolve().parents[1] / "data/schemas"
EXIT_NOT_RUNNING = 3
GROUP = 64123
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
MEMBER = ("setpriv", "--reuid=65534", "--regid=65534", f"--groups={GROUP}", "--")
AWAY = '{{type: graphite, url: "tcp://127.0.0.1:{}"}}'


class Connection(http.client.HTTPConnection):
    """HTTP over the socket at a path."""

    def __init__(self, path):
        super().__init__("sockeye", timeout=20)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Control(unittest.TestCase):
    """A daemon with a control socket of its own."""

    def setUp(self):
        self.folder = temporary_folder(self)
        self.path = os.path.join(self.folder, "control.sock")

    def start(self, *settings, **options):
        return Daemon(self, f"control.socket={self.path}", *settings, **options)

    def ask(self, target, method="GET", **options):
        """(status, headers, body)"""
        connection = Connection(self.path)
        self.addCleanup(connection.close)
        # Who is refused before all is read is answered all the same.
        with contextlib.suppress(BrokenPipeError):
            connection.request(method, target, **options)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()

    def send(self, text):
        """The beginning of what comes back."""
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(20)
            one.connect(self.path)
            one.sendall(text.encode())
            return one.recv(65536)

    def get(self, target):
        """The JSON of an answer that is as its schema says."""
        status, headers, body = self.ask(target)
        self.assertEqual((status, headers["Content-Type"]), (200, "application/json"), body)
        document = json.loads(body)
        schema = json.loads((SCHEMAS / f"{target[1:]}.json").read_text(encoding="utf-8"))
        jsonschema.validate(document, schema, cls=jsonschema.Draft7Validator)
        return document

    def command(self, *words, **options):
        return sockeye(*words, "--socket", self.path, **options)


class Answers(Control):

    def test_every_path(self):
        daemon = self.start("tags=[env:prod]", 'exporters=[{type: console, format: json}, '
                            '{type: otlp, url: "http://127.0.0.1:9/v1?token=secret"}]')
        daemon.wait_for_snapshots(1)
        self.assertEqual(self.get("/health"), {"alive": True})
        self.assertEqual(self.get("/ready"), {"ready": True})
        status = self.get("/status")
        self.assertEqual((status["pid"], status["tier"]), (daemon.pid, "socket-storage"))
        self.assertGreaterEqual(status["interval"]["number"], 2)
        self.assertEqual([program["name"] for program in status["programs"]
                          if not program["attached"]], [])
        self.assertIn("tcp_state", [program["name"] for program in status["programs"]])
        self.assertIsNotNone(self.get("/requests")["ended"])
        config = self.get("/config")
        self.assertEqual((config["keys"]["tags"], config["keys"]["interval"]), (["env:prod"], 1))
        self.assertEqual([exporter["name"] for exporter in config["exporters"]],
                         ["console", "otlp"])
        self.assertEqual(config["exporters"][1]["url"], "http://127.0.0.1:9/v1")
        self.assertNotIn("secret", json.dumps(config))
        code, headers, page = self.ask("/metrics")
        self.assertEqual(code, 200)
        self.assertIn("openmetrics-text", headers["Content-Type"])
        self.assertTrue(page.endswith("# EOF\n"))
        self.assertIn('sockeye_bpf_attached{program="tcp_state",env="prod"} 1\n', page)

    def test_says_what_metrics_say(self):
        daemon = self.start(exporters=[AWAY.format(free_port())])
        wait_until(lambda: daemon.total("exporter.failures", exporter="graphite") >= 2, 30,
                   "failures")
        status = self.get("/status")
        graphite = status["exporters"][1]
        self.assertEqual(set(graphite["failures"]), {"refused"})
        self.assertIsNone(graphite["last_success"])
        self.assertRegex(graphite["failing_since"], r"^\d{4}-")
        console = status["exporters"][0]
        self.assertIsNone(console["failing_since"])
        self.assertRegex(console["last_success"], r"^\d{4}-")
        self.assertEqual(status["status"], "degraded")
        self.assertRegex(status["problems"][0],
                         r"^exporter graphite fails, \d+ attempts in a row: cannot connect to ")
        self.assertIn("Connection refused", graphite["last_error"])
        daemon.stop()
        self.assertEqual(daemon.total("exporter.snapshots", exporter="console",
                                      outcome="delivered"),
                         max(daemon.snapshots - 1, 0))
        for loss in status["losses"]:
            self.assertGreaterEqual(
                daemon.total("kernel.lost", program=loss["program"], reason=loss["reason"]),
                loss["total"])

    def test_reading_changes_nothing(self):
        """Every counter of the daemon's own goes on as before, but that of requests."""
        daemon = self.start()
        daemon.wait_for_snapshots(1)
        for _ in range(50):
            for path in ("/health", "/ready", "/status", "/config", "/metrics"):
                self.ask(path)
        wait_until(lambda: daemon.total("control.requests", outcome="answered") == 250, 10,
                   "all requests")
        self.assertEqual(daemon.values("control.requests", "outcome"), ["answered"])
        intervals = daemon.intervals[1:-1]
        self.assertTrue(all(0.5 < interval < 1.5 for interval in intervals), intervals)
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertFalse(os.path.exists(self.path))


class Refusals(Control):

    def test_what_is_no_request_of_ours(self):
        daemon = self.start()
        for target, method, options, expected in (
                ("/nothing", "GET", {}, 404), ("/", "GET", {}, 404),
                ("/status", "POST", {}, 405), ("/reload", "GET", {}, 405),
                ("/status", "DELETE", {}, 405), ("/reload", "HEAD", {}, 405),
                ("/reload", "POST", {"headers": {"Content-Length": "1000000"}}, 413),
                ("/reload", "POST", {"headers": {"Transfer-Encoding": "chunked"}}, 413)):
            status, headers, _ = self.ask(target, method, **options)
            self.assertEqual(status, expected, (target, method))
            if status == 405:
                self.assertIn(headers["Allow"], ("GET, HEAD", "POST"))
        status, headers, body = self.ask("/config", "HEAD")
        self.assertEqual((status, body), (200, ""))
        self.assertEqual(int(headers["Content-Length"]), len(self.ask("/config")[2]))
        self.assertEqual(self.ask("/reload", "POST", headers={"Origin": "null"})[0], 403)
        for lines in ("Content-Length: 0\r\nContent-Length: 5", "Content-Length: 0\r\n"
                      "content-length: 0", "Content-Length: 0\r\nTransfer-Encoding: chunked"):
            self.assertIn(b" 400 ", self.send(f"POST /reload HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n"
                                              "0\r\n\r\n"), lines)
        # The library refuses these by itself.
        self.assertEqual(self.ask("/" + "x" * 20000)[0], 414)
        self.assertEqual(self.ask("/status", headers={"A": "x" * 20000})[0], 431)
        with socket.socket(socket.AF_UNIX) as garbage:
            garbage.connect(self.path)
            garbage.sendall(b"\x00\xff\r\n\r\n" * 100)
            garbage.settimeout(20)
            with contextlib.suppress(ConnectionResetError):
                while garbage.recv(65536):
                    pass
        wait_until(lambda: daemon.total("control.requests", outcome="refused") >= 7, 10,
                   "all refusals")
        self.assertTrue(self.get("/health")["alive"])

    def with_group(self):
        """Words to run where there is a group of the daemon's."""
        groups = os.path.join(self.folder, "group")
        with open(groups, "w", encoding="ascii") as file:
            file.write(f"root:x:0:\nsockeye:x:{GROUP}:\n")
        return ("unshare", "--mount", "sh", "-c", f'mount --bind {groups} /etc/group; exec "$@"',
                "sh")

    def test_stranger(self):
        os.chmod(self.folder, 0o755)
        daemon = self.start("log.level=debug", prefix=self.with_group())
        state = os.stat(self.path)
        self.assertEqual((state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode)),
                         (0, GROUP, 0o660))
        done = self.command("status", prefix=NOBODY)
        self.assertEqual(done.returncode, EXIT_FAILURE)
        self.assertIn("Permission denied; it is for root and the group sockeye", done.stderr)
        daemon.wait_for_snapshots(1)
        done = self.command("status", prefix=MEMBER)
        self.assertEqual((done.returncode, done.stderr), (EXIT_OK, ""))
        self.leave_early()
        self.assertTrue(self.get("/health")["alive"])
        # At debug, too: some clients do so for each request.
        self.assertEqual([line for line in daemon.log if "libmicrohttpd" in line], [])

    def leave_early(self):
        """In a head, before a body, before the answer."""
        for text in (b"GET /metr", b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
                     b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(self.path)
                client.sendall(text)

    def get_in_a_crowd(self, target):
        """Who has not asked yet gives way as others do: an interpreter that does something else
        between connect() and send() may be the one that was silent for longest."""
        for _ in range(20):
            with contextlib.suppress(http.client.RemoteDisconnected, BrokenPipeError,
                                     ConnectionResetError):
                return self.get(target)
        return self.get(target)

    def test_crowd(self):
        """A thousand at once that say nothing, and some that drip: whoever asks is answered, and the
        daemon keeps 96 connections at most."""
        daemon = self.start()
        held = []
        self.addCleanup(lambda: [one.close() for one in held])

        def come():
            for _ in range(250):
                one = socket.socket(socket.AF_UNIX)
                one.settimeout(30)
                one.connect(self.path)
                held.append(one)
        crowd = [threading.Thread(target=come) for _ in range(4)]
        for thread in crowd:
            thread.start()
        worst = 0
        while any(thread.is_alive() for thread in crowd):
            begin = time.monotonic()
            self.assertTrue(self.get_in_a_crowd("/health")["alive"])
            worst = max(worst, time.monotonic() - begin)
            self.assertLess(len(os.listdir(f"/proc/{daemon.pid}/fd")), 200)
        for thread in crowd:
            thread.join()
        self.assertEqual(len(held), 1000)
        self.assertTrue(self.get("/health")["alive"])
        wait_until(lambda: daemon.total("control.requests", outcome="busy") >= 900, 20,
                   "connections that gave way")
        print(f"longest answer {worst:.3f} s", end="; ")

    def test_drip(self):
        """A byte a second: ended at the deadline of a head, however it drips."""
        self.start()
        with socket.socket(socket.AF_UNIX) as slow:
            slow.connect(self.path)
            slow.settimeout(1)
            begin = time.monotonic()
            ended = False
            while not ended and time.monotonic() - begin < 30:
                try:
                    slow.sendall(b"G")
                    ended = slow.recv(1) == b""
                except socket.timeout:
                    continue
                except OSError:
                    ended = True
            self.assertTrue(ended)
            self.assertGreater(time.monotonic() - begin, 8)


class Port(Control):
    """The same by TCP, where no file's mode keeps anybody out."""

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.token = os.path.join(self.folder, "token")
        with open(self.token, "w", encoding="ascii") as file:
            file.write("secret\n")
        os.chmod(self.token, 0o600)

    def code(self, method, target, token=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        self.addCleanup(connection.close)
        if token is not None:
            headers["Authorization"] = token
        connection.request(method, target, headers=headers)
        return connection.getresponse().status

    def test_token(self):
        daemon = self.start(f"control.listen=127.0.0.1:{self.port}",
                            f"control.token_file={self.token}")
        self.assertEqual((self.code("GET", "/health"), self.code("GET", "/ready")), (200, 200))
        for token in (None, "", "Xearer secret", "Bearer", "Bearer ", "Bearer secre", "Bearer secrets",
                      "Basic secret", "secret"):
            for method, target in (("GET", "/status"), ("GET", "/config"), ("GET", "/metrics"),
                                   ("POST", "/reload")):
                self.assertEqual(self.code(method, target, token), 401, (token, target))
        self.assertEqual(self.code("GET", "/status", "Bearer secret", Host="any.example"), 200)
        self.assertEqual(self.code("POST", "/reload", "Bearer secret", Origin="http://x"), 403)
        with open(self.token, "w", encoding="ascii") as file:
            file.write("another\n")
        self.assertEqual(self.code("GET", "/status", "Bearer secret"), 401)
        self.assertEqual(self.code("GET", "/status", "bearer another"), 200)
        self.assertEqual(self.get("/status")["pid"], daemon.pid)

    def test_loopback_without_a_token(self):
        self.start(f"control.listen=127.0.0.1:{self.port}")
        self.assertEqual(self.code("GET", "/status"), 200)
        self.assertEqual(self.code("POST", "/reload"), 403)
        # What a page says whose name was led here.
        for host, expected in (("evil.example", 421), (f"evil.example:{self.port}", 421),
                               ("localhost.evil.example", 421), ("", 421), ("127.0.0.1.x", 421),
                               (f"localhost:{self.port}", 200), ("LOCALHOST", 200),
                               ("127.0.0.1", 200), ("[::1]", 200), ("[::1]:80", 200),
                               (f"10.0.0.1:{self.port}", 200)):
            self.assertEqual(self.code("GET", "/config", Host=host), expected, host)
        self.assertEqual(self.code("GET", "/health", Host="evil.example"), 200)
        with socket.create_connection(("127.0.0.1", self.port), 20) as old:  # no page is without
            old.sendall(b"GET /config HTTP/1.0\r\n\r\n")
            self.assertIn(b" 200 ", old.recv(15))

    def test_what_is_no_configuration(self):
        for settings, said in (
                (["control.listen=0.0.0.0:1"], "--set control.listen: control.listen 0.0.0.0:1 can be reached from"),
                (["control.listen='[::]:1'"], "can be reached from elsewhere; set"),
                (["control.listen=128.0.0.1:1"], "can be reached from elsewhere; set"),
                ([f"control.token_file={self.token}"], "has no use without control.listen")):
            words = [word for setting in settings for word in ("--set", setting)]
            for command in ("check", "run"):
                done = sockeye(command, "-c", "/dev/null", *words)
                self.assertEqual(done.returncode, EXIT_CONFIG, settings)
                self.assertIn(said, done.stderr)
        done = sockeye("check", "-c", "/dev/null", "--set", "control.listen='[::1]:1'")
        self.assertEqual(done.returncode, EXIT_OK, done.stderr)


class Commands(Control):

    def test_healthy(self):
        daemon = self.start()
        daemon.wait_for_snapshots(1)
        done = self.command("status")
        self.assertEqual((done.returncode, done.stderr), (EXIT_OK, ""))
        self.assertIn(f"is healthy, process {daemon.pid}, up ", done.stdout)
        self.assertNotIn("\x1b", done.stdout)
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 100)
        for word in ("tier socket-storage", "console (console): last success ",
                     " work\n", "memory "):
            self.assertIn(word, done.stdout)
        done = self.command("status", "--json")
        jsonschema.validate(json.loads(done.stdout),
                            json.loads((SCHEMAS / "status.json").read_text(encoding="utf-8")))
        self.assertEqual(done.returncode, EXIT_OK)

    def test_degraded(self):
        daemon = self.start(exporters=["{type: openmetrics, listen: '127.0.0.1:%d'}" % free_port(),
                                       AWAY.format(free_port())])
        wait_until(lambda: daemon.total("exporter.failures", exporter="graphite") >= 2, 30,
                   "failures")
        wait_until(lambda: self.get("/status")["exporters"][-2]["last_success"], 20, "the page")
        done = self.command("status")
        self.assertEqual(done.returncode, EXIT_FAILURE)
        self.assertIn("is degraded", done.stdout)
        self.assertIn("Problems\n  exporter graphite fails, ", done.stdout)
        self.assertIn("Connection refused", done.stdout)
        self.assertIn("failures: refused ", done.stdout)
        self.compare_with_readme(done.stdout)

    def compare_with_readme(self, said):
        """Its screen is of such a daemon: all is the same but numbers, and what was lost there."""
        def shape(text):
            text = re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z", "TIME", text)
            text = re.sub(r"\d+(\.\d+)?( [KMG]iB| B\b| [mu]?s\b)?", "N", text)
            return [re.sub("configuration .*", "configuration FILE", line.strip())
                    for line in text.splitlines() if line.strip()]
        readme = (SCHEMAS.parents[2] / "README.md").read_text(encoding="utf-8")
        screen, = re.findall(r"(?:^    .*\n|^\n)+", readme[readme.index("    sockeye 0.1.0 is "):]
                             .partition("\n**")[0] + "\n", re.M)
        screen = re.sub(r"    Lost in the kernel\n(    .+\n)+", "", screen)
        self.assertEqual([line for line in shape(screen) if line not in shape(said)], [], said)

    def test_what_is_full(self):
        """Log, status and metric name the key to raise."""
        port = free_port()
        listener = harness.listen(self, port)
        daemon = self.start("limits.tag_values=1", "connections.tags=[direction, port]")
        for _ in range(2):
            socket.create_connection(("127.0.0.1", port)).close()
            listener.accept()[0].close()
            harness.listen(self, free_port())
        full = wait_until(lambda: self.get("/status")["budgets"], 20, "a full limit")
        row = next(row for row in full if row["limit"] == "limits.tag_values")
        tags = {key: row[key] for key in ("metric", "tag", "limit")}
        self.assertRegex(self.command("status").stdout,
                         rf"\n  {row['metric']} +{row['tag']} +[0-9 ]+  limits.tag_values\n")
        wait_until(lambda: daemon.total("series.overflow", **tags) > 0, 20, "the metric")
        def said():
            return [line for line in list(daemon.log) if "limits.tag_values is used up: " in line]
        wait_until(said, 20, "the log")
        daemon.wait_for_snapshots(1)
        self.assertEqual(len(said()), 1, daemon.log)

    def test_not_running(self):
        for command in ("status", "reload"):
            done = self.command(command)
            self.assertEqual((done.returncode, done.stdout), (EXIT_NOT_RUNNING, ""))
            self.assertEqual(done.stderr, "sockeye: sockeye is not running: nobody listens on "
                                          f"{self.path}\n")

    def test_colour_on_a_terminal_alone(self):
        self.start().wait_for_snapshots(1)
        for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False),
                                      ({"NO_COLOR": ""}, True)):
            master, slave = pty.openpty()
            with os.fdopen(master, "rb", buffering=0) as terminal:
                subprocess.run([harness.binary(), "status", "--socket", self.path], stdout=slave,
                               check=True, timeout=30,
                               env=harness.clean_environment(TERM="xterm", **environment))
                os.close(slave)
                self.assertEqual(b"\x1b[32mhealthy" in terminal.read(65536), coloured)


class OneAtATime(Control):

    def run_another(self, *settings):
        words = [word for setting in settings for word in ("--set", setting)]
        return sockeye("run", "-c", "/dev/null", "--set", f"control.socket={self.path}", *words)

    def test_second_one_names_the_first(self):
        daemon = self.start()
        done = self.run_another()
        self.assertEqual(done.returncode, EXIT_FAILURE)
        self.assertIn(f"sockeye runs already, as process {daemon.pid}, which listens on "
                      f"{self.path}; stop it", done.stderr)
        self.assertEqual(self.get("/status")["pid"], daemon.pid)
        self.assertEqual(self.run_another("exporters=[{type: console}]").returncode, EXIT_FAILURE)

    def test_job_beside_a_daemon(self):
        self.start()
        done = sockeye("run", "--once", "-c", "/dev/null", "--set", "interval=1s", "--set",
                       f"control.socket={self.path}", "--set", 'exporters=[{type: "null"}]')
        self.assertEqual(done.returncode, EXIT_OK, done.stderr)
        self.assertTrue(self.get("/health")["alive"])

    def test_check_beside_a_daemon(self):
        """What the running one has is its own: a note. What somebody else has is an error."""
        port, foreign, journal = free_port(), free_port(), os.path.join(self.folder, "journal")
        spool, key = (os.path.join(self.folder, name) for name in ("spool", "key"))
        pathlib.Path(key).touch(0o600)
        pathlib.Path(key).write_text("k", encoding="ascii")
        lanes = (f"{{type: datadog, url: 'http://127.0.0.1:9', api_key_file: {key}, "
                 f"spool: {{path: {spool}}}}}")
        harness.listen(self, foreign)
        self.start(exporters=(f'{{type: openmetrics, listen: "127.0.0.1:{port}"}}',
                              f"{{type: file, path: {journal}}}", lanes))

        def check(*exporters):
            return sockeye("check", "--open", "-c", "/dev/null",
                           "--set", f"exporters=[{', '.join(exporters)}]",
                           SOCKEYE_CONTROL_SOCKET=self.path)
        done = check(f'{{type: openmetrics, listen: "0.0.0.0:{port}"}}',
                     f"{{type: file, path: {journal}}}", lanes)
        self.assertEqual(done.returncode, EXIT_OK, done.stderr)
        self.assertEqual(done.stderr.count("note: --set"), 3, done.stderr)
        for name, what in (("openmetrics", f"0.0.0.0:{port}"), ("file", journal),
                           ("datadog", spool)):
            self.assertIn(f"note: --set exporters: exporter {name}: the running sockeye, which "
                          f"answers at {self.path}, has {what}", done.stderr)
        done = check(f'{{type: openmetrics, listen: "127.0.0.1:{foreign}"}}',
                     f"{{type: file, path: {journal}}}")
        self.assertEqual(done.returncode, EXIT_FAILURE)
        self.assertIn(f"cannot listen on 127.0.0.1:{foreign}: Address already in use", done.stderr)
        with socket.create_server(("127.0.0.2", port)):  # beside the daemon's 127.0.0.1
            done = check(f'{{type: openmetrics, listen: "127.0.0.2:{port}"}}')
        self.assertEqual(done.returncode, EXIT_FAILURE)
        self.assertNotIn("note: --set", done.stderr)
        done = check(f'{{type: openmetrics, name: a, listen: "127.0.0.1:{port}"}}',
                     f'{{type: openmetrics, name: b, listen: "0.0.0.0:{port}"}}')
        self.assertEqual(done.returncode, EXIT_FAILURE)
        self.assertIn(f"exporter b: cannot listen on 0.0.0.0:{port}", done.stderr)

    def test_one_that_died(self):
        first = self.start()
        first.kill()
        self.assertTrue(os.path.exists(self.path))
        self.assertEqual(self.command("status").returncode, EXIT_NOT_RUNNING)
        second = self.start()
        self.assertEqual(self.get("/status")["pid"], second.pid)

    def test_what_is_no_socket_stays(self):
        with open(self.path, "w", encoding="ascii") as file:
            file.write("mine")
        done = self.run_another()
        self.assertEqual(done.returncode, EXIT_FAILURE)
        self.assertIn(f"{self.path} is there and is no socket; remove it", done.stderr)
        self.assertEqual(pathlib.Path(self.path).read_text(encoding="ascii"), "mine")

    def test_what_others_put_there_stays(self):
        daemon = self.start()
        os.unlink(self.path)
        with open(self.path, "w", encoding="ascii") as file:
            file.write("mine")
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertEqual(pathlib.Path(self.path).read_text(encoding="ascii"), "mine")

    def test_one_that_somebody_removes_is_there_again(self):
        """Also where another one's stands, which nobody listens at; said once."""
        daemon = self.start()
        self.get("/health")
        os.unlink(self.path)
        wait_until(lambda: os.path.exists(self.path), 10, "the socket")
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o660)
        self.assertEqual(self.get("/status")["pid"], daemon.pid)
        os.unlink(self.path)
        with socket.socket(socket.AF_UNIX) as another:
            another.bind(self.path)
        wait_until(lambda: sum("it is there again" in line for line in daemon.log) == 2, 10,
                   lambda: str(daemon.log))
        self.assertEqual(self.get("/status")["pid"], daemon.pid)
        os.unlink(self.path)
        os.mkdir(self.path)
        wait_until(lambda: "is there and is no socket" in daemon.log[-1], 10,
                   lambda: str(daemon.log))
        before = len(daemon.log)
        time.sleep(1.5)
        self.assertEqual(len(daemon.log), before)
        os.rmdir(self.path)
        wait_until(lambda: os.path.exists(self.path), 10, "the socket")
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertFalse(os.path.exists(self.path))

    def test_paths_that_cannot_be(self):
        for path, said in (("/" + "x" * 150, "is longer than the 107 bytes"),
                           ("/nothing/at/all/c.sock", "cannot make /nothing/at/all")):
            done = sockeye("run", "-c", "/dev/null", "--set", f"control.socket={path}")
            self.assertEqual(done.returncode, EXIT_FAILURE)
            self.assertRegex(done.stderr, re.escape(said))

    def test_who_locks_the_folder_delays_nobody(self):
        """Whoever may read it may lock it, for as long as he likes."""
        folder = os.open(self.folder, os.O_RDONLY)
        self.addCleanup(os.close, folder)
        fcntl.flock(folder, fcntl.LOCK_EX)
        daemon = self.start()
        self.assertEqual(self.get("/status")["pid"], daemon.pid)

    def test_many_at_once(self):
        """Of several that start at the same moment one runs."""
        words = [harness.binary(), "run", "-c", "/dev/null", "--set",
                 f"control.socket={self.path}", "--set", 'exporters=[{type: "null"}]']
        ones = [harness.spawn(self, *words, stderr=subprocess.PIPE, text=True,
                              env=harness.clean_environment()) for _ in range(4)]
        wait_until(lambda: sum(one.poll() is not None for one in ones) == 3, 60, "three to give up")
        self.assertEqual(self.get("/status")["pid"],
                         next(one.pid for one in ones if one.poll() is None))
