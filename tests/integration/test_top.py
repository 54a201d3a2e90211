# SPDX-License-Identifier: Apache-2.0
"""`sockeye top`: what it shows in a terminal (tmux), of a recorded daemon, of a live one and of its own."""

import contextlib
import http.server
import json
import os
import pathlib
import re
import shlex
import signal
import socket
import socketserver
import subprocess
import threading
import unittest
import urllib.error
import urllib.request

import jsonschema

import harness
import own_cgroup
from harness import (EXIT_FAILURE, EXIT_OK, EXIT_PARTLY, EXIT_USAGE, UNPRIVILEGED, Daemon,
                     clean_environment, command, free_port, listen, need, sockeye, temporary_folder,
                     transfer, wait_until)
from test_control import SCHEMAS, Connection

RECORDED = pathlib.Path(__file__).resolve().parents[1] / "data/top"
HINTS = "q end  ? help"
BYTES = 1_000_000
REQUESTS = 40


def setUpModule():  # pylint: disable=invalid-name
    # Of a service that others' tests have, too, so many unknown paths are told.
    own_cgroup.enter(unittest.addModuleCleanup)


class Terminal:
    """A shell in a terminal of its own, 80 columns and 24 lines at first."""

    def __init__(self, test, **environment):
        need("tmux")
        self._socket = os.path.join(temporary_folder(test), "tmux")
        changes = {"LC_ALL": "C.UTF-8", **environment}
        # The server's environment is that of its first session.
        self._environment = clean_environment(**changes)
        self._environment.pop("TMUX", None)
        test.addCleanup(self._tmux, "kill-server", check=False)
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24",
                   "PS1='prompt> ' exec bash --norc --noprofile -i")
        self.wait_for("prompt>")

    def _tmux(self, *words, **options):
        return command("tmux", "-u", "-S", self._socket, *words, env=self._environment,
                       **options).stdout

    def press(self, *keys):
        self._tmux("send-keys", *keys)

    def type(self, text):
        self._tmux("send-keys", "-l", text)

    def run(self, *words):
        self.type(" ".join(map(shlex.quote, words)))
        self.press("Enter")

    def resize(self, width, height):
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def text(self, *options):
        """The lines that are seen, without blanks at their ends."""
        lines = self._tmux("capture-pane", "-p", *options).split("\n")
        return "\n".join(line.rstrip() for line in lines).rstrip("\n")

    def is_alternate(self):
        return self._tmux("display-message", "-p", "#{alternate_on}").strip() == "1"

    def wait_for(self, *texts, without=()):
        """The screen that has all of them, and none of those."""
        def seen():
            text = self.text()
            return text if all(one in text for one in texts) and \
                not any(one in text for one in without) else None
        return wait_until(seen, 20, lambda: f"{texts} on the screen:\n{self.text()}")

    def first_row_matches(self, pattern):
        wait_until(lambda: re.search(pattern, "\n".join(self.text().split("\n")[4:5])), 20,
                   lambda: f"a first row like {pattern}:\n{self.text()}")

    def is_full(self, lines):
        """Its last line is at the bottom of so many."""
        wait_until(lambda: [number for number, line in enumerate(self.text().split("\n"), 1)
                            if HINTS in line] == [lines], 20,
                   lambda: f"hints in line {lines} alone:\n{self.text()}")

    def shows(self, screen):
        """Waits for all of it: a word of it may be there while the rest is still being drawn."""
        wait_until(lambda: self.text() == screen, 20,
                   lambda: f"the screen\n{screen}\ninstead of\n{self.text()}")


class Handler(http.server.BaseHTTPRequestHandler):
    """A recorded daemon; `asked` are the paths, `sent` is what to change in the answers."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):  # pylint: disable=invalid-name
        path, _, query = self.path.partition("?")
        self.server.asked.append(self.path)
        document = self.server.answers.get(path)
        if path == "/connections" and document is not None:
            document = {**document, "number": len(self.server.asked), "client": query}
        body = (json.dumps(document) if document is not None else "not here\n").encode()
        self.send_response(200 if document is not None else 404)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def get_request(self):
        connection, _ = super().get_request()
        return connection, ("unix", 0)


class Recorded(unittest.TestCase):
    """Answers that were recorded, so each screen is known."""

    def setUp(self):
        self.path = os.path.join(temporary_folder(self), "control.sock")
        recorded = json.loads((RECORDED / "answers.json").read_text(encoding="utf-8"))
        self.server = UnixServer(self.path, Handler)
        self.server.asked = []
        self.server.answers = {"/ready": {"ready": True},
                               **{f"/{name}": recorded[name]
                                  for name in ("status", "connections", "requests")}}
        thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        self.addCleanup(self.stop)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def words(self, *options):
        return (harness.binary(), "top", "--socket", self.path, "--interval", "200ms", *options)

    @staticmethod
    def golden(name):
        text = (RECORDED / f"{name}.txt").read_text(encoding="utf-8")
        return "\n".join(line.rstrip() for line in text.split("\n")).rstrip("\n")

    def test_keys(self):
        terminal = Terminal(self)
        terminal.run(*self.words())
        terminal.shows(self.golden("connections_80x24"))
        terminal.press("2")
        terminal.shows(self.golden("requests_80x24"))
        terminal.press("?")
        terminal.wait_for("PgUp PgDn")
        terminal.press("?", "Tab")
        terminal.shows(self.golden("connections_80x24"))
        terminal.press("s", "s")
        terminal.wait_for("sort: rtt")
        terminal.first_row_matches(r"10\.0\.0\.8:40022")
        terminal.press("<", "<", "g")
        terminal.wait_for("sort: rate  group: service")
        terminal.first_row_matches(r"^shop +\* +\* +3 ")
        terminal.press("g", "g", "g", "/")
        terminal.type("10.0.0.9")
        terminal.wait_for("filter: 10.0.0.9_", without=("10.0.0.8",))
        terminal.press("Enter")
        terminal.wait_for("1 conns", HINTS, "filter: 10.0.0.9", without=("_",))
        terminal.first_row_matches(r"10\.0\.0\.9:5432")
        terminal.press("/", "Escape")
        terminal.wait_for("6 conns")

    def test_frozen_and_not(self):
        terminal = Terminal(self)
        terminal.run(*self.words())
        terminal.wait_for("6 conns")
        terminal.press("Space")
        terminal.wait_for("FROZEN")
        self.server.answers["/connections"]["connections"] = []
        count = len(self.server.asked)
        wait_until(lambda: len(self.server.asked) > count + 9, 20, "readings while it is frozen")
        terminal.wait_for("6 conns", "FROZEN")
        terminal.press("Space")
        terminal.wait_for("0 conns", without=("FROZEN",))
        # Each reading says which one arrived before.
        paths = [path for path in self.server.asked if path.startswith("/connections")]
        self.assertRegex(paths[0], r"^/connections\?client=top-\d+$")
        self.assertRegex(paths[1], r"^/connections\?client=top-\d+&after=\d+$")

    def test_size_stop_and_end(self):
        terminal = Terminal(self)
        terminal.run("echo", "before")
        terminal.run(*self.words())
        terminal.wait_for(HINTS)
        self.assertTrue(terminal.is_alternate())
        terminal.resize(120, 40)
        terminal.wait_for("PROCESS")
        terminal.is_full(40)
        terminal.resize(60, 10)
        terminal.wait_for(HINTS, without=("RETR",))
        terminal.is_full(10)
        terminal.resize(80, 24)
        terminal.wait_for("RETR", HINTS)
        terminal.press("C-z")
        terminal.wait_for("Stopped")
        self.assertFalse(terminal.is_alternate())
        terminal.run("fg")
        terminal.shows(self.golden("connections_80x24"))
        terminal.press("q")
        text = terminal.wait_for("before", without=(HINTS,))
        self.assertFalse(terminal.is_alternate())
        self.assertNotIn("sockeye:", text)
        terminal.type("echo code=$?")
        terminal.press("Enter")
        terminal.wait_for("code=0")

    def test_signals_give_the_terminal_back(self):
        terminal = Terminal(self)
        for key in ("C-c", "C-\\"):
            terminal.run(*self.words())
            terminal.wait_for(HINTS)
            terminal.press(key)
            terminal.wait_for("prompt>", without=(HINTS,))
            self.assertFalse(terminal.is_alternate())
            terminal.run("stty")
            terminal.wait_for("speed", without=("-echo", "-icanon"))

    def test_colours(self):
        for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
            terminal = Terminal(self, **environment)
            terminal.run(*self.words())
            terminal.wait_for(HINTS)
            self.assertEqual("\x1b[32m" in terminal.text("-e") or
                             "\x1b[1m\x1b[32m" in terminal.text("-e"), coloured)

    def test_ascii(self):
        terminal = Terminal(self)
        terminal.run("env", "LC_ALL=C", *self.words())
        self.assertIn("\n???????  ", terminal.wait_for(HINTS))

    def test_no_terminal(self):
        terminal = Terminal(self)
        terminal.run("env", "TERM=dumb", *self.words())
        terminal.wait_for("TERM=dumb: the cursor of this terminal cannot be moved; --once needs")
        terminal.run("env", "TERM=nonesuch", *self.words())
        terminal.wait_for("TERM=nonesuch: the terminal is not known")
        done = sockeye("top", "--socket", self.path)
        self.assertEqual((done.returncode, done.stdout), (EXIT_FAILURE, ""))
        self.assertEqual(done.stderr, "sockeye: standard input or output is no terminal; --once "
                                      "needs none\n")

    def test_daemon_that_goes(self):
        terminal = Terminal(self)
        terminal.run(*self.words())
        terminal.wait_for(HINTS)
        self.stop()
        os.unlink(self.path)
        terminal.wait_for("sockeye does not answer", "is not running: nobody listens")
        terminal.press("q")
        terminal.wait_for("prompt>", without=("answer",))

    def test_once(self):
        done = sockeye(*self.words("--once")[1:], LC_ALL="C.UTF-8")
        self.assertEqual((done.returncode, done.stderr), (EXIT_OK, ""))
        self.assertRegex(done.stdout, r"^6 conns ")
        self.assertIn("\n\n6 rows  7725 requests ", done.stdout)
        self.assertRegex(done.stdout, r"\n日本語サービス +GET +/データ/\* ")
        self.assertNotIn("\x1b", done.stdout)
        done = sockeye(*self.words("--json")[1:])
        document = json.loads(done.stdout)
        self.assertEqual(len(document["connections"]["connections"]), 6)
        del self.server.answers["/requests"]
        done = sockeye(*self.words("--json")[1:])
        self.assertEqual((done.returncode, done.stderr),
                         (EXIT_FAILURE, "sockeye: GET /requests: 404 not here\n"))
        document = json.loads(done.stdout)
        self.assertIsNone(document["requests"])
        self.assertEqual(document["message"], "GET /requests: 404 not here")
        for interval in ("0", "", "x", "-1", "99ms", "3601", "2h", "18446744073709551615"):
            done = sockeye("top", "--once", "--interval", interval)
            self.assertEqual(done.returncode, EXIT_USAGE, interval)


class Web(http.server.BaseHTTPRequestHandler):
    """Answers what is asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):  # pylint: disable=invalid-name
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class Live(unittest.TestCase):
    """Real traffic, a real daemon."""

    def setUp(self):
        self.path = os.path.join(temporary_folder(self), "control.sock")

    def ask(self, target):
        connection = Connection(self.path)
        self.addCleanup(connection.close)
        connection.request("GET", target)
        answer = connection.getresponse()
        body = answer.read().decode()
        self.assertEqual(answer.status, 200, body)
        return json.loads(body)

    def check(self, document, schema):
        jsonschema.validate(document, json.loads(
            (SCHEMAS / f"{schema}.json").read_text(encoding="utf-8")),
            cls=jsonschema.Draft7Validator)

    def next_interval(self):
        """What /requests says when the interval that is running has ended."""
        before = self.ask("/requests")["ended"]

        def ended():
            answer = self.ask("/requests")
            return answer if answer["ended"] not in (before, None) else None
        return wait_until(ended, 20, "the end of an interval")

    def test_beside_a_daemon(self):
        """Right numbers, in a terminal and as JSON, and the daemon counts what it would without."""
        daemon = Daemon(self, f"control.socket={self.path}", interval="2s")
        terminal = Terminal(self)
        terminal.run(harness.binary(), "top", "--socket", self.path, "--interval", "500ms")
        terminal.wait_for("healthy", HINTS)
        port, web_port = free_port(), free_port()
        listener = listen(self, port)
        client = socket.create_connection(("127.0.0.1", port))
        self.addCleanup(client.close)
        server, _ = listener.accept()
        self.addCleanup(server.close)
        web = http.server.ThreadingHTTPServer(("127.0.0.1", web_port), Web)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        self.addCleanup(web.server_close)
        self.addCleanup(web.shutdown)
        transfer(client, server, BYTES)
        self.next_interval()
        for path in ("/shown", "/missing"):
            for _ in range(REQUESTS):
                with contextlib.suppress(urllib.error.HTTPError), \
                        urllib.request.urlopen(f"http://127.0.0.1:{web_port}{path}"):
                    pass
        answer = self.next_interval()
        self.check(answer, "requests")
        rows = [(row["side"], row["method"], row["route"], row["status"], row["count"])
                for row in answer["requests"] if row["port"] == str(web_port)]
        self.assertCountEqual(rows, [(side, "GET", route, status, REQUESTS)
                                     for side in ("server", "client")
                                     for route, status in (("/shown", "200"), ("/missing", "404"))])
        terminal.press("2", "/")
        terminal.type("/missing")
        terminal.press("Enter")
        terminal.press("1", "/")
        for _ in "/missing":
            terminal.press("BSpace")
        terminal.type(f"127.0.0.1:{port}")
        terminal.press("Enter")
        terminal.wait_for("filter: 127.0.0.1", "2 conns", "977 KiB")
        done = sockeye("top", "--json", "--interval", "300ms", "--socket", self.path)
        self.assertEqual((done.returncode, done.stderr), (EXIT_OK, ""))
        document = json.loads(done.stdout)
        self.check(document, "top")
        self.check(document["connections"], "connections")
        self.check(document["requests"], "requests")
        ours = [row for row in document["connections"]["connections"] if row["port"] == str(port)]
        self.assertCountEqual([(row["direction"], row["sent_bytes"], row["received_bytes"],
                                row["state"]) for row in ours],
                              [("outgoing", BYTES, 0, "open"), ("incoming", 0, BYTES, "open")])
        done = sockeye("top", "--once", "--interval", "300ms", "--socket", self.path)
        self.assertEqual((done.returncode, done.stderr), (EXIT_OK, ""))
        self.assertRegex(done.stdout, rf"\S+ +127\.0\.0\.1:{port} +{port} ")
        terminal.press("q")
        terminal.wait_for("prompt>", without=(HINTS,))
        client.close()
        server.close()
        self.assertEqual(daemon.stop(), EXIT_OK)
        for direction, sent, received in (("outgoing", BYTES, 0), ("incoming", 0, BYTES)):
            tags = {"port": port, "direction": direction}
            self.assertEqual((daemon.total("tcp.connections.opened", **tags),
                              daemon.total("tcp.connections.closed", **tags),
                              daemon.total("tcp.sent.bytes", **tags),
                              daemon.total("tcp.received.bytes", **tags)), (1, 1, sent, received))
        for side in ("server", "client"):
            self.assertEqual(daemon.weight(f"http.{side}.request.duration", port=web_port),
                             2 * REQUESTS)


class Own(unittest.TestCase):
    """No daemon runs."""

    # Whatever runs on this host: nobody listens at the usual place.
    ALONE = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh")

    def setUp(self):
        self.before = set(pathlib.Path("/tmp").glob("sockeye-top-*"))

    def left(self):
        return set(pathlib.Path("/tmp").glob("sockeye-top-*")) - self.before

    @staticmethod
    def children(pid):
        """Those of top: what is before it in ALONE has others."""
        with open(f"/proc/{pid}/comm", encoding="ascii") as file:
            if file.read() != "sockeye\n":
                return []
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]

    def test_watches_and_leaves_nothing(self):
        port = free_port()
        listener = listen(self, port)
        client = socket.create_connection(("127.0.0.1", port))
        self.addCleanup(client.close)
        server, _ = listener.accept()
        self.addCleanup(server.close)
        process = harness.spawn(self, *self.ALONE, harness.binary(), "top", "--json",
                                "--interval", "3", stderr=subprocess.PIPE)
        child = wait_until(lambda: self.children(process.pid), 20, "a daemon of its own")[0]
        folder = wait_until(self.left, 20, "its folder").pop()
        self.assertEqual(os.stat(folder).st_mode & 0o777, 0o700)
        wait_until((folder / "control.sock").exists, 20, "its socket")
        transfer(client, server, BYTES)
        text, said = process.communicate(timeout=harness.HANG_SECONDS)
        self.assertEqual((process.returncode, said), (EXIT_OK, ""), text)
        ours = [row for row in json.loads(text)["connections"]["connections"]
                if row["port"] == str(port) and row["direction"] == "outgoing"]
        self.assertEqual([row["sent_bytes"] for row in ours], [BYTES])
        self.assertFalse(os.path.exists(f"/proc/{child}"))
        self.assertFalse(folder.exists())

    def test_ends_with_top_however_that_ends(self):
        process = harness.spawn(self, *self.ALONE, harness.binary(), "top", "--json",
                                "--interval", "60")
        child = wait_until(lambda: self.children(process.pid), 20, "a daemon of its own")[0]
        folder = wait_until(self.left, 20, "its folder").pop()
        self.addCleanup(lambda: folder.exists() and os.rmdir(folder))
        wait_until((folder / "control.sock").exists, 20, "its socket")
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_until(lambda: not os.path.exists(f"/proc/{child}") or
                   pathlib.Path(f"/proc/{child}/stat").read_text(encoding="ascii")
                   .rpartition(")")[2].split()[0] == "Z", 20, "the end of its daemon")
        self.assertFalse((folder / "control.sock").exists())

    def test_signal_while_it_starts(self):
        process = harness.spawn(self, *self.ALONE, harness.binary(), "top", "--json",
                                stderr=subprocess.PIPE)
        wait_until(lambda: self.children(process.pid), 20, "a daemon of its own")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.communicate(timeout=harness.HANG_SECONDS), ("", ""))
        self.assertEqual(process.returncode, EXIT_FAILURE)
        self.assertEqual(self.left(), set())

    def test_log_of_one_that_cannot_start(self):
        done = sockeye("top", "--once",
                       prefix=(*self.ALONE, "setpriv", "--bounding-set=-all", "--inh-caps=-all"))
        self.assertEqual((done.returncode, done.stdout), (EXIT_FAILURE, ""))
        self.assertRegex(done.stderr, "^sockeye: no daemon runs, and one could not be started: "
                                      ".*sockeye error: ")
        self.assertEqual(self.left(), set())

    def test_a_socket_that_is_named_and_not_there(self):
        """A daemon of its own would be another one than was asked for."""
        path = os.path.join(temporary_folder(self), "typo.sock")
        done = sockeye("top", "--once", "--socket", path)
        self.assertEqual((done.returncode, done.stdout), (EXIT_PARTLY, ""))
        self.assertEqual(done.stderr,
                         f"sockeye: sockeye is not running: nobody listens on {path}\n")
        self.assertEqual(self.left(), set())

    def test_stranger(self):
        done = sockeye("top", "--once", prefix=(*self.ALONE, *UNPRIVILEGED))
        self.assertEqual((done.returncode, done.stdout), (EXIT_PARTLY, ""))
        self.assertRegex(done.stderr, "nobody listens on .*; as root top starts a daemon for "
                                      "itself\n$")
        self.assertEqual(self.left(), set())
