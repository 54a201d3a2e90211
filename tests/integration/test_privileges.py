# SPDX-License-Identifier: Apache-2.0
"""What each thread may do beyond its user, and what a right that is not there costs."""

import base64
import http.client
import json
import os
import pathlib
import pwd
import shutil
import socket
import ssl  # so that there is a library to be probed  # pylint: disable=unused-import
import unittest

import harness
import own_cgroup
from harness import EXIT_FAILURE, EXIT_OK, Daemon, command, free_port, wait_until
from test_probe import looks_by_table, used
from traffic import talk

# Numbers of linux/capability.h, of those that a daemon has a use for.
NUMBERS = {"dac_override": 1, "dac_read_search": 2, "net_bind_service": 10, "net_admin": 12,
           "sys_ptrace": 19, "sys_admin": 21, "perfmon": 38, "bpf": 39}
LOADING = {"bpf", "perfmon", "net_admin"}
READING = {"sys_ptrace", "dac_read_search"}
# Thread: (effective, permitted), once everything runs. Every other one speaks with the network.
THREADS = {"sockeye": (set(), LOADING | READING | {"sys_admin", "net_bind_service"}),
           "eye:collector": (READING, READING | LOADING),
           "eye:attacher": (set(), LOADING)}
# Of a daemon that is root itself: what its files need.
OF_ROOT = {"dac_override"}
ALL = sorted(LOADING | READING | {"sys_admin"})

HERE = os.path.dirname(os.path.abspath(__file__))
USER = "daemon"
AUTO = "protocols.http=auto"
SEEN = "requests of HTTP/1 are seen from now on"
OLDER = """
import socket
import sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    connection, _ = listener.accept()
    connection.sendall(connection.recv(1))
    connection.close()
"""


def setUpModule():  # pylint: disable=invalid-name
    harness.need("setpriv")
    own_cgroup.enter(unittest.addModuleCleanup)


def names_of(mask):
    known = {name for name, number in NUMBERS.items() if mask >> number & 1}
    rest = mask & ~sum(1 << number for number in NUMBERS.values())
    return known | ({hex(rest)} if rest else set())


def threads_of(pid):
    """{name: {(effective, permitted)}} and what is inheritable or ambient in any of them."""
    found, handed_on = {}, 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            text = (task / "status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # a resolver that is done
        status = dict(line.split(":", 1) for line in text.splitlines())
        sets = tuple(frozenset(names_of(int(status[key], 16))) for key in ("CapEff", "CapPrm"))
        found.setdefault(status["Name"].strip(), set()).add(sets)
        handed_on |= int(status["CapInh"], 16) | int(status["CapAmb"], 16)
    return found, handed_on


def plain(*capabilities, uid=64000):
    """Words to run as a plain user with these capabilities, as systemd's AmbientCapabilities=."""
    granted = "-all" + "".join(f",+{name}" for name in capabilities)
    return ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
            f"--inh-caps={granted}", f"--ambient-caps={granted}")


def public_copy(test):
    """A copy of the daemon that everybody can reach."""
    path = os.path.join(harness.temporary_folder(test), "sockeye")
    shutil.copy(harness.binary(), path)
    os.chmod(path, 0o755)
    return path


def run_copy(path, *prefix):
    """Words before the binary, which run a copy of it instead."""
    return (*prefix, "sh", "-c", f'shift; exec {path} "$@"', "sh")


class OlderService:
    """Another user's, with a name in its environment, before there is a daemon."""

    NAME = "older-service"

    def __init__(self, test):
        self.port = free_port()
        process = harness.spawn(test, *plain(uid=65534), harness.PYTHON, "-c", OLDER,
                                str(self.port),
                                env=harness.clean_environment(DD_SERVICE=self.NAME))
        harness.read_word(process, "listening")

    def ask(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(b"x")
            return connection.recv(1)


class WhatIsLeft(unittest.TestCase):
    """To each thread by name, while everything works that needs more in between."""

    maxDiff = None

    def setUp(self):
        self.service = OlderService(self)
        self.page = free_port()
        self.exporters = (f'{{type: openmetrics, listen: "127.0.0.1:{self.page}"}}',
                          '{type: otlp, url: "http://localhost:9/"}')

    def expect_threads(self, daemon, permitted, more=frozenset(), collector=frozenset()):
        """`permitted`: what the process began with; `more`: what threads of a root's have;
        `collector`: what the collector's has in use beyond the table."""
        def expected(name):
            effective, may = THREADS.get(name, (more, more))
            if name == "eye:collector" and looks_by_table():
                may = may | {"sys_admin"}  # to enter network namespaces
            effective = effective | collector if name == "eye:collector" else effective
            may = may | more if name == "sockeye" else may
            return {(frozenset(effective & permitted), frozenset(may & permitted))}

        def is_as_expected():
            found, handed_on = threads_of(daemon.pid)
            return handed_on == 0 and found == {name: expected(name) for name in found}

        wait_until(is_as_expected, 20, lambda: str(threads_of(daemon.pid)))
        found, _ = threads_of(daemon.pid)
        self.assertLessEqual({*THREADS, "eye:openmetrics", "eye:otlp", "eye:console"},
                             found.keys())

    def expect_work(self, daemon):
        """HTTP/1 comes late and is loaded, older programs of others are named, pages are served."""
        port, _, _ = talk(self, 1)
        wait_until(lambda: any(SEEN in line for line in list(daemon.log)), 30, lambda: daemon.log)
        talk(self, 3, port)
        self.assertEqual(self.service.ask(), b"x")
        daemon.wait_for_snapshots(2)
        self.assertGreaterEqual(daemon.weight("http.server.request.duration", port=port), 3)
        self.assertEqual(daemon.values("tcp.connections.opened", "service",
                                       port=self.service.port, direction="incoming"),
                         [OlderService.NAME])
        page = http.client.HTTPConnection("127.0.0.1", self.page, timeout=20)
        page.request("GET", "/metrics")
        self.assertEqual(page.getresponse().status, 200)
        page.close()

    def start(self, *settings, **options):
        return Daemon(self, AUTO, *settings, exporters=self.exporters, **options)

    def test_root(self):
        daemon = self.start()
        self.expect_work(daemon)
        self.expect_threads(daemon, NUMBERS.keys(), OF_ROOT)
        self.assertEqual(daemon.stop(), EXIT_OK)

    def test_a_kernel_before_5_19(self):
        """It wants CAP_BPF for every bpf(2): the collector, which goes on to read, keeps it."""
        daemon = self.start(prefix=(harness.PYTHON, os.path.join(HERE, "old_bpf.py")))
        self.expect_work(daemon)
        self.expect_threads(daemon, NUMBERS.keys(), OF_ROOT, {"bpf"})
        live, = used(("tcp_live",))
        self.assertEqual(daemon.last_gauge("bpf.attached", program=live), 1)
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertFalse([line for line in daemon.log if " error: " in line], daemon.log)

    def test_root_becomes_another_user(self):
        """All of it in one start: identity, threads, work, and files that are that user's."""
        account = pwd.getpwnam(USER)
        folder = os.path.join(harness.temporary_folder(self), "new")
        path = os.path.join(folder, "control.sock")
        config = os.path.join(harness.temporary_folder(self), "sockeye.yaml")
        pathlib.Path(config).touch(0o600)  # root's
        daemon = self.start(f"run.user={USER}", f"control.socket={path}", arguments=("-c", config))
        status = dict(line.split(":", 1) for line in
                      pathlib.Path(f"/proc/{daemon.pid}/status").read_text().splitlines())
        self.assertEqual(status["Uid"].split(), [str(account.pw_uid)] * 4)
        self.assertEqual(status["Gid"].split(), [str(account.pw_gid)] * 4)
        self.assertEqual({int(gid) for gid in status["Groups"].split()},
                         set(os.getgrouplist(USER, account.pw_gid)))
        self.assertEqual(os.stat(f"/proc/{daemon.pid}/environ").st_uid, account.pw_uid)
        self.assertEqual((os.stat(path).st_uid, os.stat(path).st_mode & 0o777),
                         (account.pw_uid, 0o660))
        self.expect_work(daemon)
        self.expect_threads(daemon, NUMBERS.keys())
        self.assertEqual(harness.sockeye("status", "--json", "--socket", path).stderr, "")
        reloaded = harness.sockeye("reload", "--socket", path)
        self.assertEqual((reloaded.returncode, reloaded.stderr), (EXIT_OK, ""))
        self.expect_threads(daemon, NUMBERS.keys())
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertEqual(os.listdir(folder), [])
        self.assertEqual([line for line in daemon.log if "warning" in line and "otlp" not in line],
                         [])

    def test_another_user_in_a_folder_of_root(self):
        """It may not take the socket away at its end: that is told, and the next start replaces it."""
        path = os.path.join(harness.temporary_folder(self), "control.sock")
        for _ in range(2):
            daemon = self.start(f"run.user={USER}", f"control.socket={path}")
            self.assertEqual(harness.sockeye("status", "--json", "--socket", path).stderr, "")
            self.assertEqual(daemon.stop(), EXIT_OK)
            self.assertTrue(os.path.exists(path))
            self.assertIn(f"the control socket {path} stays until the next start, which replaces "
                          "it: Permission denied", "\n".join(daemon.log))

    def test_plain_user(self):
        """And where CAP_SYS_ADMIN stands for the two that came out of it."""
        for given in (ALL, sorted(READING | {"net_admin", "sys_admin"})):
            with self.subTest(given):
                daemon = self.start(prefix=run_copy(public_copy(self), *plain(*given)))
                self.expect_work(daemon)
                if given == ALL:
                    self.expect_threads(daemon, set(ALL))
                self.assertEqual(daemon.stop(), EXIT_OK)


    def test_none_can_be_given_up(self):
        """A filter refuses it: that is told once, and everything works."""
        daemon = self.start(prefix=(harness.PYTHON, os.path.join(HERE, "filtered.py"),
                                    "capset=EPERM", "--"))
        self.expect_work(daemon)
        self.assertEqual(daemon.stop(), EXIT_OK)
        said = [line for line in daemon.log if "capabilities" in line]
        self.assertEqual(len(said), 1, daemon.log)
        self.assertIn("warning: cannot give up capabilities, which every thread keeps: capset: "
                      "Operation not permitted; a seccomp filter is in force", said[0])


class FilesOfOthers(unittest.TestCase):
    """What a daemon of root reads and writes of others' goes on, and what another user cannot is
    told when it starts."""

    def setUp(self):
        self.folder = os.path.join(harness.temporary_folder(self), "private")
        os.mkdir(self.folder, 0o700)
        self.path = os.path.join(self.folder, "statsd.sock")
        self.receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.receiver.close)
        self.receiver.bind(self.path)
        self.receiver.settimeout(20)
        self.secret = os.path.join(self.folder, "password")
        self.write_secret("first")
        for path in (self.folder, self.path, self.secret):
            os.chown(path, 65534, 65534)
        os.chmod(self.path, 0o600)
        self.page = free_port()
        self.exporters = (f'{{type: dogstatsd, url: "unix://{self.path}", metrics: '
                          "{allow: [sockeye.memory.*]}}",
                          f'{{type: openmetrics, listen: "127.0.0.1:{self.page}", basic_auth: '
                          f'{{user: me, password_file: {self.secret}}}}}')

    def write_secret(self, password):
        with open(self.secret, "w", encoding="ascii") as file:
            file.write(password)
        os.chmod(self.secret, 0o600)

    def scrape(self, password):
        page = http.client.HTTPConnection("127.0.0.1", self.page, timeout=20)
        word = base64.b64encode(f"me:{password}".encode()).decode()
        page.request("GET", "/metrics", headers={"Authorization": f"Basic {word}"})
        status = page.getresponse().status
        page.close()
        return status

    def test_root(self):
        daemon = Daemon(self, exporters=self.exporters)
        self.assertIn(b"sockeye.", self.receiver.recv(1 << 16))
        daemon.wait_for_snapshots(1)
        wait_until(lambda: self.scrape("first") == 200, 20, "the page")
        self.write_secret("second")
        self.assertEqual((self.scrape("second"), self.scrape("first")), (200, 401))
        self.assertEqual(daemon.stop(), EXIT_OK)
        self.assertFalse([line for line in daemon.log if "warning" in line], daemon.log)

    def test_another_user(self):
        """DAC_READ_SEARCH, which the daemon has, is for /proc: not for a secret that the thread
        which reads it again could not open."""
        other = ("--set", f"run.user={USER}")
        for name, words, binary, prefix in (("run", other, harness.binary(), ()),
                                            ("check", other, harness.binary(), ()),
                                            ("run", (), public_copy(self), plain(*ALL))):
            done = command(*prefix, binary, name, "-c", "/dev/null", *words, "--set",
                           f"exporters=[{self.exporters[1]}]", check=False,
                           env=harness.clean_environment())
            self.assertEqual(done.returncode, harness.EXIT_CONFIG, done.stderr)
            self.assertIn(f"cannot open {self.secret}: Permission denied; ", done.stderr)

    def test_a_spool_of_root(self):
        spool = os.path.join(self.folder, "spool")
        os.mkdir(spool, 0o700)
        os.chmod(self.folder, 0o755)
        os.chown(self.folder, 0, 0)
        for words in (("run",), ("check", "--open")):
            done = self.as_user(*words, exporter='{type: otlp, url: "http://127.0.0.1:9/", '
                                                 f'spool: {{path: {spool}}}}}')
            self.assertEqual(done.returncode, EXIT_FAILURE, done.stderr)
            self.assertIn(f"cannot open the spool {spool}/otlp: Permission denied", done.stderr)
        key = os.path.join(self.folder, "key")
        pathlib.Path(key).write_text("0" * 32, encoding="ascii")
        os.chmod(key, 0o600)
        os.chown(key, pwd.getpwnam(USER).pw_uid, 0)
        for words in (("run",), ("check", "--open")):
            done = self.as_user(*words, exporter=f"{{type: datadog, api_key_file: {key}, "
                                                 f"spool: {{path: {spool}}}}}")
            # Of two lanes, once.
            self.assertEqual(done.stderr.count("Permission denied"), 1, done.stderr)

    @staticmethod
    def as_user(*words, exporter):
        return harness.sockeye(*words, "-c", "/dev/null", "--set", f"run.user={USER}", "--set",
                               f"exporters=[{exporter}]")

    def test_check_opens_as_the_user(self):
        """Nothing that root may beyond it: its file is that user's, a low port nobody's."""
        path = os.path.join(self.folder, "metrics.json")
        os.chown(self.folder, pwd.getpwnam(USER).pw_uid, 0)
        done = self.as_user("check", "--open", exporter=f"{{type: file, path: {path}}}")
        self.assertEqual((done.returncode, done.stderr), (EXIT_OK, ""))
        self.assertEqual(os.stat(path).st_uid, pwd.getpwnam(USER).pw_uid)
        done = self.as_user("check", "--open",
                            exporter='{type: openmetrics, listen: "127.0.0.1:443"}')
        self.assertEqual(done.returncode, EXIT_FAILURE)
        self.assertIn("cannot listen on 127.0.0.1:443: Permission denied; without "
                      "cap_net_bind_service", done.stderr)


class InsideTls(unittest.TestCase):
    """The thread that attaches probes: CAP_SYS_ADMIN stays with it where that takes perf events."""

    OLDER_KERNEL = (harness.PYTHON, os.path.join(HERE, "old_uprobes.py"))

    def start(self, *prefix):
        return Daemon(self, "protocols.tls=true", prefix=prefix)

    def expect_probes(self, daemon, permitted):
        wait_until(lambda: any("is read by its" in line for line in list(daemon.log)), 60,
                   lambda: str(daemon.log))
        found, _ = threads_of(daemon.pid)
        self.assertEqual(found["eye:insider"], {(frozenset(), frozenset(permitted))})
        self.assertEqual(daemon.stop(), EXIT_OK)

    def test_root(self):
        multi = LOADING | READING
        self.expect_probes(self.start(*self.OLDER_KERNEL), multi | {"sys_admin"})
        self.expect_probes(self.start(), multi)

    def test_plain_user(self):
        run = run_copy(public_copy(self))
        self.expect_probes(self.start(*self.OLDER_KERNEL, *plain(*ALL), *run), ALL)
        without = sorted(LOADING | READING)
        self.expect_probes(self.start(*plain(*without), *run), without)
        daemon = self.start(*self.OLDER_KERNEL, *plain(*without), *run)
        wait_until(lambda: any("nothing is seen inside TLS: probes cannot be attached: " in line
                               and line.endswith("perf_event_open of a uprobe: Permission denied; "
                                                 "run as root or grant cap_sys_admin+ep")
                               for line in list(daemon.log)), 60, lambda: str(daemon.log))
        self.assertEqual(daemon.stop(), EXIT_OK)


class WhatIsMissing(unittest.TestCase):
    """Each capability taken away in turn from a plain user that has all: `run`, `probe` and
    `status` say the same, and no more."""

    REFUSED = ("cannot observe the kernel: capabilities: missing cap_{0}; run as root or grant "
               "cap_bpf,cap_perfmon,cap_net_admin+ep")
    NAMES = ("older services are called by their unit, container or executable only: environment "
             "of other users' processes: {0}: Permission denied; run as root or grant "
             "cap_sys_ptrace,cap_dac_read_search+ep")
    OLDER = ("connections older than the daemon are seen in its own network namespace only: "
             "entering network namespaces: {0}; run as root or grant cap_sys_admin,"
             "cap_sys_ptrace+ep")
    LIVE = ("of connections in network namespaces that cannot be entered nothing is seen before they "
            "end: live sockets are looked at by table (source.look): {0}; run as root or grant "
            "cap_sys_admin,cap_sys_ptrace+ep")
    # Capability: lines; and by table one more for each of OLDER.
    LOST = {
        "bpf": (REFUSED.format("bpf"),),
        "perfmon": (REFUSED.format("perfmon"),),
        "net_admin": (REFUSED.format("net_admin"),),
        "sys_ptrace": (NAMES.format("exe"),
                       OLDER.format("those of other users' processes: Permission denied")),
        "dac_read_search": (NAMES.format("environ"),),
        "sys_admin": (OLDER.format("setns: Operation not permitted"),),
    }

    def setUp(self):
        self.binary = public_copy(self)
        OlderService(self)
        harness.Namespace(self)

    def lines(self, missing):
        """What is told where it is missing."""
        begin, end = self.OLDER.split("{0}")
        live = [self.LIVE.format(line.removeprefix(begin).removesuffix(end))
                for line in self.LOST[missing] if line.startswith(begin)]
        return [*self.LOST[missing], *live * looks_by_table()]

    def test_each(self):
        self.assertEqual(sorted(self.LOST), ALL)
        for missing in self.LOST:
            lines = self.lines(missing)
            with self.subTest(missing):
                # CAP_SYS_ADMIN would stand in for the two that came out of it.
                gone = {missing, "sys_admin"} if missing in ("bpf", "perfmon") else {missing}
                prefix = plain(*(name for name in ALL if name not in gone))
                self.check(prefix, missing, lines)

    def probe(self, prefix):
        return json.loads(command(*prefix, self.binary, "probe", "--json", "-c", "/dev/null",
                                  "--set", "source.tier=socket-storage", check=False, env=harness.clean_environment()).stdout)

    def check(self, prefix, missing, lines):
        probe = self.probe(prefix)
        if missing in LOADING:
            self.assertEqual((probe["tier"], [probe["why_not"]]), ("none", [*lines]))
            done = command(*prefix, self.binary, "run", "-c", "/dev/null", "--set",
                           "source.tier=socket-storage", check=False,
                           env=harness.clean_environment())
            self.assertEqual((done.returncode, harness.messages(done.stderr)),
                             (EXIT_FAILURE, [*lines]))
            return
        self.assertEqual(sorted(probe["not_seen"]), sorted(lines))
        self.check_run(prefix, missing, lines)

    def check_run(self, prefix, missing, lines):
        folder = harness.temporary_folder(self)
        os.chown(folder, 64000, 64000)
        path = os.path.join(folder, "control.sock")
        daemon = Daemon(self, f"control.socket={path}", prefix=run_copy(self.binary, *prefix))
        status = json.loads(harness.sockeye("status", "--json", "--socket", path).stdout)
        self.assertEqual(daemon.stop(), EXIT_OK)
        warned = [match[2] for match in map(harness.LOG_LINE.fullmatch, daemon.log)
                  if match and match[1] == "warning"]
        self.assertEqual(status["not_seen"], warned)
        if missing == "sys_admin":
            # Where the start has met them they are counted.
            self.assertEqual(len(warned), len(lines))
            self.assertEqual(warned[:-1], lines[1:])
            self.assertRegex(warned[-1], "^connections older than the daemon are not seen in "
                                        r"\d+ network namespaces?: setns: Operation not permitted; "
                                        r"run as root or grant cap_sys_admin,cap_sys_ptrace\+ep$")
        else:
            self.assertEqual(sorted(warned), sorted(lines))


if __name__ == "__main__":
    unittest.main(verbosity=2)
