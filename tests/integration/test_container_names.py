# SPDX-License-Identifier: Apache-2.0
"""Services as people know them: real processes in cgroups that are called as container runtimes
call theirs, with the runtimes' files below a root folder of the test.
"""

import json
import os
import unittest

import harness
import own_cgroup
from harness import Daemon, read_word, tell, wait_until
from test_connections import ACTIVE, OPENED
from test_containers import REQUESTS, SERVER
from test_owners import ShortRuns

UID = "8f2c1a3b-0d4e-4f5a-9b6c-7d8e9f0a1b2c"
ESCAPED = UID.replace("-", "_")
BUNDLES = "run/containerd/io.containerd.runtime.v2.task/k8s.io"
STORAGE = "storage/overlay-containers"
TAGS = "connections.tags=[direction, service, port, container, pod, namespace]"

# Keeps one connection open all the time; each line of stdin is one more with requests.
CLIENT = """
import socket, sys

def talk():
    connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    for _ in range(REQUESTS):
        connection.sendall(b"GET /hello HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
        connection.recv(1000)
    return connection

for line in sys.stdin:
    kept = talk() if line == "keep\\n" else kept
    talk().close()
    print("done", flush=True)
""".replace("REQUESTS", str(REQUESTS))


def identifier(number):
    return f"{number:064x}"


# {what it is: (number, cgroup, file or "", what the file says or None for a link, expected tags)}
KUBERNETES = {"pod": "api-0", "namespace": "shop"}
RUNTIMES = {
    "docker": (
        1, "system.slice/docker-{id}.scope", "var/lib/docker/containers/{id}/config.v2.json",
        {"Name": "/shop-web-1", "Config": {"Labels": {}}}, {"service": "shop-web-1"}),
    "containerd": (
        2, f"kubepods-burstable-pod{ESCAPED}.slice/cri-containerd-{{id}}.scope",
        f"{BUNDLES}/{{id}}/config.json",
        {"annotations": {"io.kubernetes.cri.container-name": "api",
                         "io.kubernetes.cri.sandbox-name": "api-0",
                         "io.kubernetes.cri.sandbox-namespace": "shop"}},
        {"service": "api", **KUBERNETES}),
    "cri-o": (
        3, f"kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{ESCAPED}.slice/"
        "crio-{id}.scope/container",
        f"run/containers/{STORAGE}/{{id}}/userdata/config.json",
        {"annotations": {"io.kubernetes.container.name": "worker",
                         "io.kubernetes.pod.name": "worker-7d4", "extra": "x" * 30000,
                         "io.kubernetes.pod.namespace": "jobs"}},
        {"service": "worker", "pod": "worker-7d4", "namespace": "jobs"}),
    "kubelet": (
        4, f"kubepods/burstable/pod{UID}/{{id}}",
        "var/log/containers/cache-0_shop_redis-{id}.log", None,
        {"service": "redis", "pod": "cache-0", "namespace": "shop"}),
    "podman": (
        5, "machine.slice/libpod-{id}.scope/container",
        f"var/lib/containers/{STORAGE}/containers.json", [{"id": "{id}", "names": ["db"]}],
        {"service": "db"}),
    "lxc": (6, "lxc.payload.mail", "", None, {"service": "mail", "container": "mail"}),
    "unnamed": (7, "docker/{id}", "", None, {"service": identifier(7)[:12]}),
    "quadlet": (8, "web.service/libpod-payload-{id}", "", None, {"service": "web"}),
    "conmon": (9, "libpod-conmon-{id}.scope", "", None, {"service": "python3.", "container": ""}),
}


def setUpModule():  # pylint: disable=invalid-name
    own_cgroup.make(unittest.addModuleCleanup)


class Host:
    """The root folder of a host, and containers on it."""

    def __init__(self, test):
        self.test = test
        self.root = harness.temporary_folder(test)
        os.chmod(self.root, 0o755)
        self.port = harness.free_port()
        self.server = harness.spawn_python(test, SERVER, self.port, service="server")
        read_word(self.server, "listening")

    def write(self, path, content):
        """As runtimes do: in the place of what was there."""
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if content is None:
            os.symlink("/nonexistent", full)
            return
        with open(full + ".fresh", "w", encoding="utf-8") as file:
            json.dump(content, file)
        os.rename(full + ".fresh", full)

    def prefix(self, cgroup):
        """The words that put a command into a cgroup."""
        folder = own_cgroup.folder()
        for element in cgroup.split("/"):
            folder = os.path.join(folder, element)
            if not os.path.isdir(folder):
                os.mkdir(folder)
                self.test.addCleanup(os.rmdir, folder)
        return ("sh", "-c", f'echo $$ >"{folder}/cgroup.procs" && exec "$@"', "sh")

    def start(self, runtime):
        """A client in a container, which has not connected yet."""
        number, cgroup, path, content, _ = RUNTIMES[runtime]
        own = identifier(number)
        if path:
            self.write(path.replace("{id}", own),
                       json.loads(json.dumps(content).replace("{id}", own)))
        return harness.spawn(self.test, *self.prefix(cgroup.replace("{id}", own)),
                             harness.PYTHON, "-c", CLIENT, str(self.port),
                             env=harness.clean_environment())

    @staticmethod
    def talk(client, word="go"):
        tell(client, word)
        read_word(client, "done")

    def daemon(self, **options):
        return Daemon(self.test, TAGS, f"source.root={self.root}", **options)

    def seen(self, daemon, metric=OPENED):
        """[(tags, value)] of the clients."""
        return [(tags, entry[1]) for tags, entry in
                daemon.series(metric, port=self.port, direction="outgoing")]


class Names(unittest.TestCase):
    """One daemon sees them all."""

    def setUp(self):
        self.host = Host(self)

    def check_tags(self, daemon, runtime):
        """The container's one series has the tags that people expect, and requests its service."""
        number, *_, expected = RUNTIMES[runtime]
        expected = {"container": identifier(number)[:12], "pod": "", "namespace": "", **expected}
        found = [tags for tags, _ in self.host.seen(daemon)
                 if all(tags.get(tag, "").startswith(value) and bool(value) == bool(tags.get(tag))
                        for tag, value in expected.items())]
        self.assertEqual(len(found), 1, (runtime, expected, self.host.seen(daemon)))
        requests = daemon.weight("http.client.request.duration", port=self.host.port,
                                 service=found[0]["service"])
        self.assertEqual(requests, 2 * REQUESTS, found[0])

    def check_rename(self, daemon, client):
        """What is active goes to the new name, and nothing more is counted under the old one."""
        number, _, path, content, _ = RUNTIMES["docker"]
        self.host.write(path.replace("{id}", identifier(number)), {**content, "Name": "/shop"})

        def active():
            return {tags["service"]: value for tags, value in self.host.seen(daemon, ACTIVE)
                    if value}
        wait_until(lambda: active().get("shop") == 1, 15, lambda: f"renamed: {active()}")
        self.assertNotIn("shop-web-1", active())
        before = daemon.total(OPENED, service="shop-web-1", port=self.host.port)
        self.host.talk(client)
        daemon.wait_for_total(OPENED, 1, service="shop", port=self.host.port)
        self.assertEqual(daemon.total(OPENED, service="shop-web-1", port=self.host.port), before)

    def test_every_runtime_and_a_rename(self):
        clients = {runtime: self.host.start(runtime) for runtime in RUNTIMES}
        daemon = self.host.daemon()
        for client in clients.values():
            self.host.talk(client, "keep")
        wait_until(lambda: sum(value for _, value in self.host.seen(daemon)) == 2 * len(clients),
                   10, lambda: self.host.seen(daemon))
        # One that is gone at once, by an exec in the container.
        done = harness.spawn(self, *self.host.prefix(f"docker-{identifier(1)}.scope"), "bash", "-c",
                             f"exec 3<>/dev/tcp/127.0.0.1/{self.host.port}",
                             env=harness.clean_environment())
        done.wait()
        daemon.wait_for_total(OPENED, 3, service="shop-web-1", port=self.host.port)
        for runtime in RUNTIMES:
            self.check_tags(daemon, runtime)
        self.check_rename(daemon, clients["docker"])
        self.assertEqual(daemon.stop(), 0)
        named = daemon.last_gauge("containers", outcome="named")
        print(f"{len(clients)} programs, {named} containers with names", end="; ")

    def test_without_the_right_to_read(self):
        """Called by its id, and a metric says why."""
        client = self.host.start("docker")
        os.chmod(os.path.join(self.host.root, "var/lib/docker"), 0o700)
        daemon = self.host.daemon(prefix=ShortRuns.LEAST_RIGHTS)
        self.host.talk(client, "keep")
        daemon.wait_for_total(OPENED, 2, service=identifier(1)[:12], port=self.host.port)
        wait_until(lambda: daemon.total("containers.lookups", outcome="denied") >= 1, 10,
                   lambda: daemon.series("containers.lookups"))
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
