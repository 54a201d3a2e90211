# SPDX-License-Identifier: Apache-2.0
"""What the live tests share: the daemon under test, network namespaces, servers, children.

Every helper takes the running test first and undoes itself through addCleanup, also when the test
fails. The daemon is found through the environment variable SOCKEYE.
"""

import concurrent.futures
import collections
import contextlib
import ctypes
import faulthandler
import fcntl
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

PYTHON = "/usr/bin/python3"
JSON_CONSOLE = "{type: console, format: json}"
OBSERVING = " network namespace, tier "
# What takes longer hangs: no test is about the time of a program, and processors may be busy.
HANG_SECONDS = 180
START_SECONDS = STOP_SECONDS = HANG_SECONDS
# Waits are given as they are long on a machine that has nothing else to do.
PATIENCE = 4

# A test that hangs says where, shortly before ctest, which sets this, ends it without a word.
if "EYE_TEST_SECONDS" in os.environ:
    faulthandler.dump_traceback_later(int(os.environ["EYE_TEST_SECONDS"]) - 10)

# What the commands of the daemon exit with.
EXIT_OK, EXIT_FAILURE, EXIT_USAGE, EXIT_PARTLY, EXIT_CONFIG = 0, 1, 2, 3, 78
EXIT_RACE = 66  # of the thread sanitizer, when it has found something
# Words before a command that is to run as a user without any right.
UNPRIVILEGED = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                "--inh-caps=-all", "--bounding-set=-all")
# Assignments that every daemon under test gets before its own (own_cgroup.py has more). What is
# counted exactly must not wait until a protocol is seen: test_attacher.py is about that. Anybody on
# the machine may ask for a name, or speak another protocol: their own tests are about that.
PROTOCOLS = ("redis", "mysql", "postgres", "http", "http2", "kafka", "dns")
NO_PROTOCOLS = tuple(f"protocols.{name}=false" for name in PROTOCOLS)
SETTINGS = [*NO_PROTOCOLS, "protocols.http=true"]
# Ports of everybody on the machine share what a metric may have: a crowd of others, or other tests,
# would take it.
ROOM = ("limits.series=20000", "limits.tag_values=20000")
SETTINGS.extend(ROOM)
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d sockeye "
                      r"(error|warning|info|debug): (.*)")

# Below the ephemeral ports, so that no client's own port is taken for the test's.
FIRST_PORT, LAST_PORT = 20000, 32000
BLOCK_PORTS = 100


def console_of(*metrics):
    """One that shows these alone, and what every interval has news of: without any, none is shown,
    and nobody knows that it is over."""
    return (f"{{type: console, format: json, metrics: {{allow: [{', '.join(metrics)}, "
            "sockeye.cpu.time]}, queue: {snapshots: 1000}}")


def binary():
    """The path of the daemon under test."""
    path = os.environ.get("SOCKEYE", "")
    if not os.access(path, os.X_OK):
        raise AssertionError(f"SOCKEYE={path!r} does not name the daemon under test")
    return path


def keep_default_limits(add_cleanup):
    """Of a module that is about them, before anything else changes SETTINGS; add_cleanup is
    unittest.addModuleCleanup."""
    for setting in ROOM:
        SETTINGS.remove(setting)
    add_cleanup(SETTINGS.extend, ROOM)


def is_sanitized():
    """The daemon under test is built with a sanitizer: memory and speed are others then."""
    with open(binary(), "rb") as file:
        program = file.read()
    return b"__asan_init" in program or b"__tsan_init" in program


def has_host_pids():
    """/proc has the numbers that kernel programs tell (PROC_PID_INIT_INO of linux/nsfs.h)."""
    return os.stat("/proc/self/ns/pid").st_ino == 0xEFFFFFFC


def need(*programs):
    """Fails, naming what is missing: tests are never skipped silently."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        raise AssertionError(f"not installed: {', '.join(missing)} (packaging/dev installs them)")


def command(*words, timeout=HANG_SECONDS, check=True, **options):
    """Runs a command and returns its CompletedProcess with texts; fails with what it said."""
    options.setdefault("env", clean_environment())
    done = subprocess.run(words, timeout=timeout, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: exit {done.returncode}: {done.stderr.strip()}")
    return done


def make_certificate(certificate, key, *more, name="localhost"):
    """Signed by itself, into two files."""
    need("openssl")
    command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "2", "-subj", f"/CN={name}", *more, "-out", certificate, "-keyout",
            key)


def assert_waited(test, told, least, most):
    """What a daemon tells of waits lies between how long the server takes at least and what the
    client's own clock says around them, on however busy a machine; both but for bins (1.6 %)."""
    test.assertGreaterEqual(told, least * 0.98)
    test.assertLessEqual(told, most * 1.02)


def wait_until(predicate, timeout=30, what="", step=0.05):
    """Returns the first true result of predicate(); fails after `timeout` seconds, and some more
    for a busy machine.

    `what` says what was waited for: a text, or a function that tells the state at the end.
    """
    end = time.monotonic() + timeout * PATIENCE
    while True:
        result = predicate()
        if result:
            return result
        if time.monotonic() > end:
            state = what() if callable(what) else what
            raise AssertionError(f"not within {timeout * PATIENCE} s: {state}")
        time.sleep(step)


_own_ports = []


def _own_block():
    """A range of ports that no other test process has meanwhile; its lock ends with this one."""
    folder = os.path.join(tempfile.gettempdir(), "sockeye-test-ports")
    os.makedirs(folder, exist_ok=True)
    firsts = range(FIRST_PORT, LAST_PORT, BLOCK_PORTS)
    for first in random.sample(firsts, len(firsts)):
        lock = os.open(os.path.join(folder, str(first)), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return random.sample(range(first, first + BLOCK_PORTS), BLOCK_PORTS)
    raise AssertionError("all ports are other tests'")


def free_port():
    """A port that nothing listens on in this namespace, IPv4 and IPv6, and no client will get. None
    is given twice, nor to two test processes: what one daemon has seen of it would be two tests' or
    two services'."""
    while True:
        if not _own_ports:
            _own_ports.extend(_own_block())
        port = _own_ports.pop()
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            probe.bind(("::", port))
            return port


def temporary_folder(test):
    folder = tempfile.mkdtemp(prefix="sockeye-test-")
    os.chmod(folder, 0o755)
    test.addCleanup(shutil.rmtree, folder, ignore_errors=True)
    return folder


def clean_environment(**changes):
    """This environment without what would configure the daemon or name a service, and without a
    control socket, which one daemon of a host has: many run here."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("SOCKEYE", "DD_", "OTEL_"))}
    return {**kept, "SOCKEYE_CONTROL_SOCKET": '""', **changes}


def sockeye(*arguments, prefix=(), timeout=60, **changes):
    """One short command of the daemon: its CompletedProcess, whatever its exit code."""
    return command(*prefix, binary(), *arguments, timeout=timeout, check=False,
                   env=clean_environment(**changes))


def messages(text):
    """The texts of log lines."""
    return [match[2] for match in map(LOG_LINE.fullmatch, text.splitlines()) if match]


def end_process(process):
    """Kills what still runs, reaps it, closes its pipes."""
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def spawn(test, *words, **options):
    """A child process with pipes for stdin and stdout, gone when the test ends."""
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True,
               "env": clean_environment(), **options}
    process = subprocess.Popen(words, **options)
    test.addCleanup(end_process, process)
    return process


def spawn_python(test, source, *arguments, service=None, **options):
    """A child process that runs Python source; `service` becomes its DD_SERVICE."""
    environment = clean_environment(**({"DD_SERVICE": service} if service else {}))
    options.setdefault("env", environment)
    return spawn(test, PYTHON, "-c", source, *map(str, arguments), **options)


def read_word(process, word):
    """Reads the child's next line and demands that it is `word`."""
    line = process.stdout.readline().strip()
    if line != word:
        raise AssertionError(f"the child said {line!r} instead of {word!r}")


def read_until(stream, words):
    """Reads a child's lines up to the first one that has `words` in it."""
    passed = []
    while not passed or words not in passed[-1]:
        passed.append(stream.readline())
        if not passed[-1]:
            raise AssertionError(f"{words!r} was not said before the end, but {passed}")


def tell(process, line):
    """Writes one line to a child."""
    process.stdin.write(line + "\n")
    process.stdin.flush()


def descriptors(pid, looks=5, pause=0.02):
    """{number: what it is} of the open files of a process. What several looks do not all find was
    open for a moment: files of /proc, while others' processes come and go."""
    def look():
        found = {}
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        return found
    kept = look()
    for _ in range(looks - 1):
        time.sleep(pause)
        again = look()
        kept = {number: what for number, what in kept.items() if again.get(number) == what}
    return kept


class Scope(contextlib.ExitStack):
    """What the harness' helpers want of a running test."""

    def addCleanup(self, function, *words, **options):  # pylint: disable=invalid-name
        self.callback(function, *words, **options)


def start_child(words, environment):
    """The daemon as a child of the test's, with pipes; `environment`: what is other there."""
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True,
                            env=clean_environment(**environment))


class Daemon:
    """`sockeye run` with the JSON console on stdout, and everything that it has told so far.

    Daemon(test, "protocols.http=false") is observing when the constructor returns. `settings` are
    --set assignments; `exporters` are YAML texts besides the console; `console=None` leaves the
    console out, `config` is the text of the configuration file (default: empty), `prefix` are the
    words before the binary (setpriv, valgrind, ...).

    Tags are given as keywords and compared as texts: total("tcp.sent.bytes", port=8080). A series
    matches when it carries all the tags given; its other tags do not matter.
    """

    # What it returns has of a Popen what is used here. tests/systemd/live.py has another one.
    starter = staticmethod(start_child)

    def __init__(self, test, *settings, interval="1s", console=JSON_CONSOLE, exporters=(),
                 config="", prefix=(), arguments=(), environment=None, wait=True,
                 start_seconds=START_SECONDS):
        self._lock = threading.Lock()
        self._series = {}      # (metric, tags) -> [kind, value or count, sum]
        self._batch = None     # (time, interval) of the snapshot that is being read
        self._gauges = {}      # gauges of that snapshot
        self._last_gauges = {}  # gauges of the last whole snapshot
        self._last_points = {}  # (metric, tags) -> the last point of it, as received
        self._snapshots = 0
        self.intervals = []    # the length in seconds of every snapshot that has begun to come
        self.log = []          # lines of stderr
        self.lines = []        # lines of stdout that are no JSON
        self.process = None
        every = [text for text in (console, *exporters) if text]
        words = ["run", "-c", self._write_config(test, config), "--set", f"interval={interval}"]
        if every:
            words += ["--set", f"exporters=[{', '.join(every)}]"]
        for setting in (*SETTINGS, *settings):
            words += ["--set", setting]
        self._start([*prefix, binary(), *words, *arguments], environment or {})
        test.addCleanup(self.kill)
        if wait:
            self.wait_until_observing(start_seconds)

    @staticmethod
    def _write_config(test, text):
        path = os.path.join(temporary_folder(test), "sockeye.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def _start(self, words, environment):
        self.process = self.starter(words, environment)
        self._readers = [threading.Thread(target=self._read_stdout, daemon=True),
                         threading.Thread(target=self._read_stderr, daemon=True)]
        for reader in self._readers:
            reader.start()

    # ---- life ----

    @property
    def pid(self):
        return self.process.pid

    def wait_until_observing(self, timeout=START_SECONDS):
        """The daemon has attached its programs, seeded, and says so."""
        def observing():
            if any(OBSERVING in line for line in list(self.log)):
                return True
            if self.process.poll() is not None:
                self._join()
                raise AssertionError(f"the daemon ended with {self.process.returncode}: "
                                     + "\n".join(self.log))
            return False
        wait_until(observing, timeout, lambda: "observing: " + "\n".join(self.log))

    def stop(self, by=signal.SIGTERM, timeout=STOP_SECONDS):
        """Stops it politely; returns the exit code when its last lines are read."""
        if self.process.poll() is None:
            self.process.send_signal(by)
        return self.wait(timeout)

    def wait(self, timeout=STOP_SECONDS):
        """Waits for its own end (--once); returns the exit code when its last lines are read."""
        code = self.process.wait(timeout)
        self._join()
        if code == EXIT_RACE:
            raise AssertionError("the thread sanitizer reports:\n" + "\n".join(self.log))
        return code

    def kill(self):
        """kill -9, as often as you like."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._join()

    def _join(self):
        for reader in self._readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()

    # ---- reading ----

    def _read_stderr(self):
        for line in self.process.stderr:
            self.log.append(line.rstrip("\n"))

    def _read_stdout(self):
        for line in self.process.stdout:
            try:
                point = json.loads(line)
            except ValueError:
                self.lines.append(line)
                continue
            with self._lock:
                self._take(point)
        with self._lock:
            self._end_batch()

    def _take(self, point):
        batch = (point["time"], point["interval"])
        if batch != self._batch:
            self._end_batch()
            self._batch = batch
            self.intervals.append(point["interval"])
        key = (point["metric"].removeprefix("sockeye."), tuple(sorted(point["tags"].items())))
        self._last_points[key] = point
        if point["kind"] == "gauge":
            self._gauges[key] = point["value"]
            return
        amount = point["value"] if point["kind"] == "counter" else point["count"]
        entry = self._series.setdefault(key, [point["kind"], 0, 0.0])
        entry[1] += amount
        entry[2] += point.get("sum", 0.0)

    def _end_batch(self):
        if self._batch is not None:
            self._last_gauges, self._gauges, self._batch = self._gauges, {}, None
            self._snapshots += 1

    # ---- asking ----

    def series(self, metric, /, **tags):
        """[(tags, value)] of everything received: counters and distributions as [kind, sum of
        increases or count, sum], gauges of the last whole snapshot as ["gauge", value, 0.0].

        Metric names go without the prefix "sockeye.".
        """
        wanted = {name: str(value) for name, value in tags.items()}
        with self._lock:
            every = {**self._series,
                     **{key: ["gauge", value, 0.0] for key, value in self._last_gauges.items()}}
            return [(dict(own), list(entry)) for (name, own), entry in every.items()
                    if name == metric.removeprefix("sockeye.")
                    and wanted.items() <= dict(own).items()]

    def total(self, metric, /, **tags):
        """Sum of the increases of all matching counters; 0 when there are none."""
        return sum(entry[1] for _, entry in self.series(metric, **tags) if entry[0] == "counter")

    def distribution(self, metric, /, **tags):
        """(count, sum) over all matching distributions."""
        found = [entry for _, entry in self.series(metric, **tags) if entry[0] == "distribution"]
        return sum(entry[1] for entry in found), sum(entry[2] for entry in found)

    def weight(self, metric, /, **tags):
        """How many values distributions stand for."""
        return self.distribution(metric, **tags)[0]

    def last_gauge(self, metric, /, **tags):
        """Sum of the matching gauges of the last whole snapshot; None when there are none."""
        found = [entry[1] for _, entry in self.series(metric, **tags) if entry[0] == "gauge"]
        return sum(found) if found else None

    def last_point(self, metric, **tags):
        """The last point as received (a dict with time, value or count, sum, p50, ...) of the one
        series that matches; None when there is none."""
        wanted = {name: str(value) for name, value in tags.items()}.items()
        with self._lock:
            found = [point for (name, own), point in self._last_points.items()
                     if name == metric.removeprefix("sockeye.") and wanted <= dict(own).items()]
        if len(found) > 1:
            raise AssertionError(f"{len(found)} series match {metric} {tags}")
        return found[0] if found else None

    def values(self, metric, tag, /, **tags):
        """The values that a tag takes in the matching series, sorted."""
        return sorted({own.get(tag, "") for own, _ in self.series(metric, **tags)})

    def programs(self):
        """{id: {field: text}} of its kernel programs, as its descriptors show them
        (/proc/PID/fdinfo)."""
        found = {}
        for name in os.listdir(f"/proc/{self.pid}/fdinfo"):
            with contextlib.suppress(OSError), open(f"/proc/{self.pid}/fdinfo/{name}",
                                                    encoding="ascii") as file:
                fields = dict(line.split(":", 1) for line in file)
                if "prog_type" in fields:
                    found[int(fields["prog_id"])] = fields
        return found

    def losses(self):
        """{(program, reason): amount} of what the kernel side lost, without zeros."""
        return {(own["program"], own["reason"]): entry[1]
                for own, entry in self.series("kernel.lost") if entry[1]}

    def unpaired(self, **tags):
        """{reason: amount} of requests and responses that are in `usm.lost` with these tags."""
        lost = collections.Counter()
        for own, (_, amount, _) in self.series("usm.lost", **tags):
            lost[own["reason"]] += amount
        return dict(lost)

    @property
    def snapshots(self):
        """How many whole snapshots were received."""
        with self._lock:
            return self._snapshots

    def wait_for_snapshots(self, count=2, timeout=60):
        """Waits for `count` more whole snapshots: what happened before is in the answers then."""
        target = self.snapshots + count
        wait_until(lambda: self.snapshots >= target or self.process.poll() is not None, timeout,
                   "more snapshots")

    def wait_for_total(self, metric, at_least, timeout=30, **tags):
        """Waits until a total has grown to `at_least`; returns it."""
        wait_until(lambda: self.total(metric, **tags) >= at_least, timeout,
                   lambda: f"{metric} {tags} >= {at_least}, is {self.total(metric, **tags)}")
        return self.total(metric, **tags)


# ---- network namespaces ----

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_numbers = itertools.count(1)


def _open(path):
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _setns(fd):
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    """A network namespace of the test's own, with loopback up.

    `with namespace.entered():` creates sockets there, in this thread; they stay there.
    namespace.run("nft", ...) runs a command there; ("ip", "netns", "exec", namespace.name, ...) is
    the prefix of one.
    """

    def __init__(self, test):
        need("ip")
        self.name = f"eye-test-{os.getpid()}-{next(_numbers)}"
        command("ip", "netns", "add", self.name)
        test.addCleanup(command, "ip", "netns", "del", self.name, check=False)
        self.prefix = ("ip", "netns", "exec", self.name)
        self.run("ip", "link", "set", "lo", "up")

    @property
    def inode(self):
        """As the tag netns shows it."""
        return os.stat(f"/run/netns/{self.name}").st_ino

    def run(self, *words, **options):
        return command(*self.prefix, *words, **options)

    @contextlib.contextmanager
    def entered(self):
        """This thread is in the namespace meanwhile."""
        before = _open("/proc/thread-self/ns/net")
        inside = _open(f"/run/netns/{self.name}")
        try:
            _setns(inside)
            yield self
        finally:
            _setns(before)
            os.close(inside)
            os.close(before)

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM):
        with self.entered():
            return socket.socket(family, kind)


class Pair:
    """Two namespaces joined by a veth pair.

    Addresses: left 10.99.0.1 and fd99::1 on device "left", right 10.99.0.2 and fd99::2 on "right".
    """

    LEFT, RIGHT = "10.99.0.1", "10.99.0.2"
    LEFT6, RIGHT6 = "fd99::1", "fd99::2"
    # Every tenth segment to or from a port is lost, in both namespaces.
    LOSS = """
        table inet loss {
            chain input {
                type filter hook input priority 0;
                tcp dport PORT numgen inc mod 10 == 9 drop
                tcp sport PORT numgen inc mod 10 == 9 drop
            }
        }"""

    def __init__(self, test):
        self.left = Namespace(test)
        self.right = Namespace(test)
        self.left.run("ip", "link", "add", "left", "type", "veth", "peer", "name", "right",
                      "netns", self.right.name)
        self._address(self.left, "left", self.LEFT, self.LEFT6)
        self._address(self.right, "right", self.RIGHT, self.RIGHT6)

    @staticmethod
    def _address(namespace, device, address, address6):
        namespace.run("ip", "address", "add", f"{address}/24", "dev", device)
        namespace.run("ip", "address", "add", f"{address6}/64", "dev", device, "nodad")
        namespace.run("ip", "link", "set", device, "up")

    def connect(self, test, port):
        """A connection over the wire: (client, on the left; server, on the right)."""
        with self.right.entered():
            listener = listen(test, port, self.RIGHT)
        client = self.left.socket()
        client.settimeout(60)
        test.addCleanup(client.close)
        client.connect((self.RIGHT, port))
        server, _ = listener.accept()
        server.settimeout(60)
        test.addCleanup(server.close)
        return client, server

    def set_loss(self, port, on):
        text = self.LOSS.replace("PORT", str(port)) if on else "flush ruleset"
        for namespace in (self.left, self.right):
            command(*namespace.prefix, "nft", text)


# ---- servers and clients ----

def listen(test, port, host="127.0.0.1", backlog=4096):
    """A listening socket; a host with ':' is IPv6, and "::" takes IPv4 too (v4-mapped)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    test.addCleanup(listener.close)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
    listener.bind((host, port))
    listener.listen(backlog)
    return listener


def receive_exactly(connection, size):
    """The next `size` bytes; fails when the stream ends before."""
    parts = []
    while size > 0:
        part = connection.recv(min(size, 1 << 16))
        if not part:
            raise AssertionError(f"the stream ended {size} bytes early")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def transfer(source, target, size):
    """So many bytes from one end to the other, whatever buffers hold."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        sending = pool.submit(source.sendall, bytes(size))
        receive_exactly(target, size)
        sending.result()


def receive_all(connection):
    """Everything until the peer's FIN."""
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def disconnect(connection):
    """connect() to no address: ends the connection by RST, and the socket can connect again."""
    if _libc.connect(connection.fileno(), bytes(16), 16) != 0:
        raise OSError(ctypes.get_errno(), "disconnect")


class Server:
    """Accepts in a thread and runs handler(connection) in one thread for each connection.

    Made before, `listener` is a listening socket (also one of another namespace). Whatever a
    handler raises is in `errors`; stop() is called when the test ends.
    """

    def __init__(self, test, listener, handler):
        self.errors = []
        self._listener = listener
        self._handler = handler
        self._stopping = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._handlers = []
        listener.settimeout(0.1)
        self._thread.start()
        test.addCleanup(self.stop)

    def _accept(self):
        while not self._stopping:
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            connection.settimeout(60)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._handlers.append(thread)
            thread.start()

    def _serve(self, connection):
        try:
            with connection:
                self._handler(connection)
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(error)

    def join(self):
        """Waits until every connection accepted so far is served."""
        for thread in list(self._handlers):
            thread.join(60)

    def stop(self):
        self._stopping = True
        self._thread.join()
        self.join()
        self._listener.close()


class Nginx:
    """nginx in a folder of its own, listening when the constructor returns.

    `http` is the content of the http block ("access_log access.log served; server { ... }"; paths
    are relative to `folder`), `main` goes before it. Logs: folder/error.log, folder/access.log.
    """

    def __init__(self, test, port, http, main="worker_processes 1;", namespace=None, service=None):
        need("nginx")
        self.folder = temporary_folder(test)
        self.port = port
        for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
            os.mkdir(os.path.join(self.folder, name))
        self._write_config(http, main)
        self._start(test, namespace, service)

    def _write_config(self, http, main):
        folder = self.folder
        temporary = "\n".join(f"    {name}_temp_path {folder}/{where};" for name, where in (
            ("client_body", "body"), ("proxy", "proxy"), ("fastcgi", "fastcgi"),
            ("uwsgi", "uwsgi"), ("scgi", "scgi")))
        with open(os.path.join(folder, "nginx.conf"), "w", encoding="utf-8") as file:
            file.write(f"daemon off;\nuser root;\npid {folder}/nginx.pid;\n"
                       f"error_log {folder}/error.log;\n{main}\n"
                       "events { worker_connections 4096; }\n"
                       f"http {{\n{temporary}\n{http}\n}}\n")

    def _start(self, test, namespace, service):
        self.process = spawn(
            test, *(namespace.prefix if namespace else ()), "nginx", "-p", self.folder + "/", "-c",
            os.path.join(self.folder, "nginx.conf"), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=clean_environment(**({"DD_SERVICE": service} if service else {})))
        test.addCleanup(self.stop)
        wait_until(lambda: self._listens(namespace), 30, lambda: f"nginx on port {self.port}")

    def _listens(self, namespace):
        if self.process.poll() is not None:
            raise AssertionError("nginx ended: " + self.process.stderr.read())
        words = ("ss", "-Htln", f"sport = :{self.port}")
        return (namespace.run(*words) if namespace else command(*words)).stdout.strip() != ""

    def stop(self):
        """All workers finish; returns when the master has ended."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def log(self, name="access.log"):
        """The lines of a log."""
        with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()


class Peer:
    """A child process that holds one end of connections (peer.py), under a service of its own.

    Each call returns when the command is done: peer.listen("127.0.0.1", port), peer.accept(3),
    peer.connect(host, port, 3), peer.send(size), peer.receive(size), peer.shutdown(), peer.drain(),
    peer.abort(), peer.close(); sizes are for each connection. begin() and finish() split a call, so
    that both ends can work at once.
    """

    def __init__(self, test, service, namespace=None):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer.py")
        prefix = namespace.prefix if namespace else ()
        self.process = spawn(test, *prefix, PYTHON, script,
                             env=clean_environment(DD_SERVICE=service))

    def begin(self, *words):
        tell(self.process, " ".join(map(str, words)))

    def finish(self):
        read_word(self.process, "ok")

    def __getattr__(self, name):
        def call(*words):
            self.begin(name, *words)
            self.finish()
        return call
