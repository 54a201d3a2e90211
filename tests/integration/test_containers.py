# SPDX-License-Identifier: Apache-2.0
"""The daemon in containers of every kind: the right name or `unknown`, never somebody else's; all
requests, or a line that says which are not seen."""

import itertools
import os
import signal
import unittest

import harness
import own_cgroup
from harness import (EXIT_FAILURE, EXIT_OK, LOG_LINE, Daemon, read_word, sockeye, spawn_python, tell)


SERVER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
print("listening", flush=True)
while True:
    connection, _ = listener.accept()
    with connection:
        while connection.recv(1000):
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
"""
CLIENT = """
import socket, sys
for _ in sys.stdin:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
        for _ in range(REQUESTS):
            connection.sendall(b"GET /hello HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
            connection.recv(1000)
    print("done", flush=True)
"""
REQUESTS = 20
RIGHT = {"incoming": "real-server", "outgoing": "real-client"}
KINDS = ("pid", "cgroup", "mount", "net", "user")
CONSOLE = harness.console_of("tcp.connections.closed", "http.*", "sockeye.feature.*")
TAGS = "connections.tags=[direction, service, port, process]"
# The tier that says what it lacks, instead of the next one.
EBPF = "source.tier=socket-storage"


def setUpModule():  # pylint: disable=invalid-name
    # The namespaces' root is another cgroup than that of the traffic.
    own_cgroup.make(unittest.addModuleCleanup)
    os.mkdir(inner_cgroup())
    unittest.addModuleCleanup(os.rmdir, inner_cgroup())


def inner_cgroup():
    """Of the containers."""
    return os.path.join(own_cgroup.folder(), "container")


def warnings(daemon):
    """What the daemon warned of, apart from a reader that is slow among so many."""
    return [match[2] for match in map(LOG_LINE.fullmatch, daemon.log)
            if match and match[1] == "warning" and not match[2].startswith("exporter ")]


class Traffic:
    """A server and a client of known names, outside of every container."""

    def __init__(self, test):
        self.port = harness.free_port()
        self._server = spawn_python(test, SERVER, self.port, service=RIGHT["incoming"])
        read_word(self._server, "listening")
        self.client = spawn_python(test, CLIENT.replace("REQUESTS", str(REQUESTS)), self.port,
                                   service=RIGHT["outgoing"])

    def talk(self):
        """One connection with REQUESTS requests."""
        tell(self.client, "go")
        read_word(self.client, "done")

    def names(self, daemon, tag="service"):
        """{direction: names} as the daemon has them."""
        return {way: daemon.values("tcp.connections.closed", tag, port=self.port, direction=way)
                for way in RIGHT}

    def requests(self, daemon):
        """At both ends."""
        return sum(daemon.weight(f"http.{end}.request.duration", port=self.port)
                   for end in ("server", "client"))


class Container:
    """The words that put a command into namespaces of its own, with what a runtime mounts."""

    def __init__(self, kinds, decoy=None, script=""):
        self.kinds = frozenset(kinds)
        root = own_cgroup.mount_point()
        steps = ["mount --make-rprivate / 2>/dev/null"] if self.has("mount") else []
        steps.append(script)
        if self.has("mount", "cgroup"):
            steps.append(f"{{ umount -l {root} && mount -t cgroup2 none {root}; }} 2>/dev/null")
        if self.has("mount", "pid"):
            steps.append("mount -t proc proc /proc 2>/dev/null")
        if self.has("mount", "pid") and decoy and not self.has("user"):
            # It gets the number that the client has outside.
            steps.append(f"echo {decoy - 1} >/proc/sys/kernel/ns_last_pid; "
                         f"DD_SERVICE=decoy sleep 100 & test $! = {decoy} || exit 91")
        flags = [f"--{kind}" for kind in KINDS if kind in self.kinds]
        flags += ["--map-root-user"] if self.has("user") else []
        flags += ["--fork", "--kill-child"] if self.has("pid") else []
        self.prefix = ("sh", "-c", f'echo $$ >{inner_cgroup()}/cgroup.procs && exec "$@"', "sh",
                       "unshare", *flags, "sh", "-c", "\n".join([*steps, 'exec "$@"']), "sh")

    def has(self, *kinds):
        return self.kinds.issuperset(kinds)

    def start(self, test, *settings, wait=True):
        """A daemon inside. It tells everything when it ends: sixteen at once have much to say."""
        return Daemon(test, TAGS, EBPF, *settings, interval="1m", console=CONSOLE, prefix=self.prefix,
                      wait=wait)

    def end(self, daemon):
        """Asks it to, as its runtime would."""
        pid = daemon.pid
        if self.has("pid"):
            # unshare waits for it, and keeps signals to itself.
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                pid = int(file.read().split()[0])
        os.kill(pid, signal.SIGTERM)

    @property
    def name(self):
        return "+".join(kind for kind in KINDS if kind in self.kinds) or "none"


class EveryMix(unittest.TestCase):
    """Every mix of namespaces, all at once, beside the same traffic."""

    def setUp(self):
        harness.need("unshare", "mount", "sleep")
        self.traffic = Traffic(self)
        self.rows = []
        mixes = [Container(kinds, self.traffic.client.pid) for count in range(len(KINDS) + 1)
                 for kinds in itertools.combinations(KINDS, count)]
        self.daemons = [(mix, mix.start(self, wait=False)) for mix in mixes]

    def test_the_right_name_or_unknown_and_a_line(self):
        watching = [(mix, daemon) for mix, daemon in self.daemons if not mix.has("user")]
        for _, daemon in watching:
            daemon.wait_until_observing()
        self.traffic.talk()
        for mix, daemon in watching:
            mix.end(daemon)
        for mix, daemon in self.daemons:
            with self.subTest(mix.name):
                check = self.check_refusal if mix.has("user") else self.check_sight
                check(mix, daemon)
        print("\n" + "\n".join(self.rows))

    def add_row(self, mix, daemon, lines):
        names = self.traffic.names(daemon)
        self.rows.append(f"  {mix.name:27} {','.join(names['incoming']) or '-':12} "
                         f"{','.join(names['outgoing']) or '-':12} "
                         f"{self.traffic.requests(daemon):>3}  {'; '.join(lines) or '-'}")

    def check_refusal(self, mix, daemon):
        """In a user namespace there is no right to observe anything."""
        self.assertEqual(daemon.wait(), EXIT_FAILURE, daemon.log)
        self.assertEqual(len(daemon.log), 1, daemon.log)
        self.assertIn("user namespace that is not the host's", daemon.log[0])
        self.add_row(mix, daemon, ["refused: user namespace"])

    def check_sight(self, mix, daemon):
        self.assertEqual(daemon.wait(), EXIT_OK, daemon.log)
        blind = mix.has("mount", "pid")      # the container's own /proc
        partial = mix.has("mount", "cgroup")  # its own tree
        expected = {"of another pid namespace than the host's": blind,
                    "is a part of the host's tree": partial,
                    "host's cgroup namespace: this process": mix.has("cgroup") and not blind}
        said = warnings(daemon)
        self.add_row(mix, daemon, [text for text in expected if any(text in line for line in said)])
        for text, wanted in expected.items():
            self.assertEqual(sum(text in line for line in said), wanted, (text, said))
        self.assertEqual(len(said), sum(expected.values()), said)
        self.check_names(daemon, blind)
        self.assertEqual(self.traffic.requests(daemon), 0 if partial else 2 * REQUESTS)
        for feature, works in (("proc", not blind), ("cgroup2", not partial)):
            self.assertEqual(daemon.last_gauge("feature.available", feature=feature), works)

    def check_names(self, daemon, blind):
        for way, names in self.traffic.names(daemon).items():
            self.assertEqual(len(names), 1, names)
            self.assertIn(names[0], (RIGHT[way], "unknown") if blind else (RIGHT[way],))
        for names in self.traffic.names(daemon, "process").values():
            self.assertNotIn("sleep", names)


class HostsOwn(unittest.TestCase):
    """A container that was given what is the host's."""

    def check(self, container, *settings):
        daemon = container.start(self, *settings)
        self.traffic.talk()
        container.end(daemon)
        self.assertEqual(daemon.wait(), EXIT_OK)
        self.assertEqual({way: names[0] for way, names in self.traffic.names(daemon).items()},
                         RIGHT)
        self.assertEqual(self.traffic.requests(daemon), 2 * REQUESTS)
        return warnings(daemon)

    def setUp(self):
        self.traffic = Traffic(self)
        self.folder = harness.temporary_folder(self)

    def test_proc_and_tree_at_other_places(self):
        """source.proc names the one, the other is found; the own ones are there, too."""
        proc, tree = (os.path.join(self.folder, name) for name in ("proc", "tree"))
        script = (f"mkdir {proc} {tree} && mount --rbind /proc {proc} && "
                  f"mount --bind {own_cgroup.mount_point()} {tree}")
        container = Container(("pid", "cgroup", "mount", "net"), self.traffic.client.pid, script)
        said = self.check(container, f"source.proc={proc}")
        self.assertEqual(len(said), 1, said)
        self.assertIn("host's cgroup namespace: this process is in another one", said[0])

    def test_shared_pid_and_cgroup_namespaces(self):
        """As with --pid=host --cgroupns=host."""
        self.assertEqual(self.check(Container(("mount", "net"))), [])


class MountTable(unittest.TestCase):
    """The cgroup v2 tree is found wherever it can be reached."""

    def check(self, script, available, *expected):
        """What `probe` says of the root, when the mounts were changed by a script that has the
        tree's place as $root and an empty folder as $folder."""
        words = ("unshare", "--mount", "--propagation", "private", "sh", "-c",
                 f"root={own_cgroup.mount_point()} folder={harness.temporary_folder(self)}\n"
                 f'{script} || exit 90\nexec "$@"', "sh")
        done = sockeye("probe", "--json", "-c", "/dev/null", prefix=words)
        state = {entry["feature"]: entry
                 for entry in harness.json.loads(done.stdout)["features"]}["cgroup2"]
        self.assertEqual(state["available"], available, state)
        for text in expected:
            self.assertIn(text, state["detail"])
        return state

    def test_blanks_and_backslashes_in_the_path(self):
        self.check('umount -l $root && mkdir "$folder/a b\\\\040c" && '
                   'mount -t cgroup2 none "$folder/a b\\\\040c"', "yes", "/a b\\040c")

    def test_long_path(self):
        long = "/".join(["x" * 200] * 10)
        self.check(f"umount -l $root && mkdir -p $folder/{long} && "
                   f"mount -t cgroup2 none $folder/{long}", "yes", "/" + "x" * 200)

    def test_hidden_by_another_mount(self):
        self.check("mount -t tmpfs none $root && mount -t cgroup2 none $folder", "yes",
                   "/sockeye-test-")

    def test_hidden_and_nowhere_else(self):
        self.check("mount -t tmpfs none $root", "no", "not mounted")

    def test_root_behind_a_part(self):
        """The first line is a part of the tree only."""
        part = own_cgroup.folder()
        self.check(f"mkdir $folder/part $folder/whole && mount --bind {part} $folder/part && "
                   "umount -l $root && mount -t cgroup2 none $folder/whole", "yes", "/whole")

    def test_part_mounted_over_the_root(self):
        state = self.check(f"mount --bind {own_cgroup.folder()} $root", "no",
                           "is a part of the host's tree")
        self.assertIn("UDP and requests of protocols are seen in a part of the host only",
                      state["cost"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
