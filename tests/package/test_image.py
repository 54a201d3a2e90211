# SPDX-License-Identifier: Apache-2.0
"""The image, built by buildah from the Dockerfile, and run as the chart's pod: its user, its
capabilities, its volumes, its configuration; its probes are answered, and what it sees is right.

Of the Dockerfile's first stage only what it leaves is here, made by `packaging/dev build image` on
this machine: no base image can be had. What is not as in a cluster: no kubelet has made the
volumes, the node's network is one of the test's own, and there is no seccomp filter, since the one of
this buildah lets bpf through for CAP_SYS_ADMIN alone.
EYE_NOT_LIVE says why the kernel of this machine cannot be observed; empty: it can.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import tempfile
import time
import unittest

import chart
import roots
from roots import run
from test_chart import EVERYTHING, container, pod

NOT_LIVE = os.environ["EYE_NOT_LIVE"]
IMAGE = chart.ROOT / "build/image"
PROGRAM = "/usr/sbin/sockeye"
USER = 64000
# What is there, and whose it is.
FILES = {"etc/passwd": 0, "etc/group": 0, "etc/sockeye/sockeye.yaml": 0, "etc/sockeye/conf.d": 0,
         "etc/ssl/certs/ca-certificates.crt": 0, "usr/sbin/sockeye": 0,
         "usr/share/licenses/sockeye/LICENSE": 0, "run/sockeye": USER, "var/lib/sockeye": USER}
# buildah's own, which a pod's "drop: [ALL]" takes away.
USUAL = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID",
         "SETPCAP", "SETUID", "SYS_CHROOT"}
# Numbers of linux/capability.h.
CAPABILITIES = {"DAC_READ_SEARCH": 2, "NET_ADMIN": 12, "SYS_PTRACE": 19, "PERFMON": 38, "BPF": 39}
READY_SECONDS = 40

ASK = """
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=5).status)
except urllib.error.HTTPError as error:
    print(error.code)
except OSError as error:
    print(error)
"""


class Store:
    """Images and containers of the test's own."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="sockeye-images-")
        self.command = ("buildah", "--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run",
                        "--storage-driver", "vfs")

    def __call__(self, *words, code=0):
        return run(*self.command, *map(str, words), code=code).stdout

    def build(self):
        """The Dockerfile's stage "build" is a folder."""
        stage = pathlib.Path(self.folder, "stage")
        shutil.copytree(IMAGE, stage / "sockeye/build/image", dirs_exist_ok=True)
        self("build", "--isolation", "chroot", "--format", "docker", "--timestamp", "0",
             "--build-context", f"build={stage}",
             "--file", chart.ROOT / "packaging/image/Dockerfile", "--tag", "sockeye",
             chart.ROOT / "packaging/image")

    def remove(self):
        self("rm", "--all")
        shutil.rmtree(self.folder)


def setUpModule():
    global store  # pylint: disable=global-statement
    store = Store()
    unittest.addModuleCleanup(store.remove)
    store.build()


class Image(unittest.TestCase):
    maxDiff = None

    @staticmethod
    def inspect():
        return json.loads(store("inspect", "--type", "image", "sockeye"))

    def test_the_same_from_the_same(self):
        """Its layers; buildah notes of what folder and container it made them."""
        layers = self.inspect()["Docker"]["rootfs"]["diff_ids"]
        store.build()
        self.assertEqual(self.inspect()["Docker"]["rootfs"]["diff_ids"], layers)

    def test_what_it_says_of_itself(self):
        config = self.inspect()["Docker"]["config"]
        self.assertEqual((config["User"], config["Entrypoint"], config["Cmd"]),
                         (f"0:{USER}", [PROGRAM], ["run"]))
        self.assertEqual(config["Healthcheck"]["Test"], ["CMD", PROGRAM, "status"])
        version = re.search(r"^project\(sockeye VERSION (\S+)",
                            (chart.ROOT / "CMakeLists.txt").read_text(), re.M)[1]
        labels = {key.rpartition(".")[2]: value for key, value in config["Labels"].items()
                  if key.startswith("org.opencontainers.image.")}
        self.assertEqual((labels["title"], labels["licenses"], labels["version"]),
                         ("sockeye", "Apache-2.0", version))

    def test_files(self):
        name = store("from", "sockeye").strip()
        root = pathlib.Path(store("mount", name).strip())
        found = {str(path.relative_to(root)): path.stat().st_uid for path in root.rglob("*")
                 if path.is_file() or (path.is_dir() and not any(path.iterdir()))}
        self.assertEqual(found, FILES)
        self.assertEqual((root / "var/lib/sockeye").stat().st_mode & 0o777, 0o700)


class Pod:
    """What the chart renders, as the runtime of a node would start it."""

    def __init__(self, test, *settings):
        self.objects = chart.rendered(*settings)
        self.spec = container(self.objects)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sockeye-pod-"))
        test.addCleanup(shutil.rmtree, self.folder)
        self.name = store("from", "--security-opt", "seccomp=unconfined", "sockeye").strip()

    def _volume(self, volume):
        """The path on the node."""
        if "hostPath" in volume:
            return volume["hostPath"]["path"]
        folder = self.folder / volume["name"]
        if not folder.exists():
            folder.mkdir()
            # An emptyDir is everybody's.
            folder.chmod(0o755 if "configMap" in volume else 0o777)
            for name, text in self.objects["ConfigMap"]["data"].items() if "configMap" in volume else ():
                (folder / name).write_text(text, encoding="utf-8")
        return str(folder)

    def command(self, *words):
        """Runs the words in the container, or what the pod runs."""
        context = self.spec["securityContext"]
        assert context["capabilities"]["drop"] == ["ALL"]
        wanted = set(context["capabilities"]["add"])
        rights = [f"--cap-add=CAP_{name}" for name in sorted(wanted - USUAL)]
        rights += [f"--cap-drop=CAP_{name}" for name in sorted(USUAL - wanted)]
        volumes = {each["name"]: self._volume(each) for each in pod(self.objects)["volumes"]}
        mounts = [f"--volume={volumes[mount['name']]}:{mount['mountPath']}"
                  + (":ro" if mount.get("readOnly") else "") for mount in self.spec["volumeMounts"]]
        return (*store.command, "run", "--isolation", "chroot",
                "--user", f"{context['runAsUser']}:{context['runAsGroup']}", *rights, *mounts,
                self.name, "--", PROGRAM, *(words or self.spec["args"]))


class Running(unittest.TestCase):
    def test_the_chart_s_configuration_is_valid(self):
        values = tempfile.NamedTemporaryFile("w", suffix=".yaml")
        self.addCleanup(values.close)
        values.write(EVERYTHING)
        values.flush()
        for settings, says in (((), "1 exporter (openmetrics), interval 10 s"),
                               (("--values", values.name), "1 exporter (otlp), interval 30 s")):
            done = run(*Pod(self, *settings).command("check", "-c", "/etc/sockeye/sockeye.yaml"))
            self.assertIn(says, done.stdout)

    def ask(self, daemon, probe):
        """The code of its answer."""
        where = probe["httpGet"]
        url = f"http://{where['host']}:{where['port']}{where['path']}"
        return run("nsenter", "--target", str(daemon.pid), "--net", "/usr/bin/python3", "-c", ASK,
                   url).stdout.strip()

    def wait_ready(self, daemon, probe):
        deadline = time.monotonic() + READY_SECONDS
        while (answer := self.ask(daemon, probe)) != "200":
            self.assertIsNone(daemon.poll())
            self.assertLess(time.monotonic(), deadline, answer)
            time.sleep(0.2)

    def kill_below(self, pid):
        """buildah's death is not that of what it started."""
        for child in self.children(pid):
            self.kill_below(child)
            os.kill(child, signal.SIGKILL)

    @staticmethod
    def children(pid):
        return [int(child) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children")
                for child in path.read_text().split()]

    def sockeye(self, pid):
        """The daemon's own process, below that of buildah."""
        if os.readlink(f"/proc/{pid}/exe").endswith(PROGRAM):
            return pid
        return next(filter(None, map(self.sockeye, self.children(pid))), None)

    @unittest.skipIf(NOT_LIVE, NOT_LIVE)
    def test_as_the_pod(self):
        here = Pod(self, "--set", "config.interval=1s")
        self.assertTrue(pod(here.objects)["hostPID"] and pod(here.objects)["hostNetwork"])
        alone = ("unshare", "--net", "sh", "-ec", 'ip link set lo up; exec "$@"', "sh")
        daemon = roots.start(self, (*alone, *here.command()))
        self.addCleanup(self.kill_below, daemon.pid)
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            self.wait_ready(daemon, here.spec[probe])

        pid = self.sockeye(daemon.pid)
        page = roots.talk(daemon)
        status = roots.fields(pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
        health = run(*here.command("status"))
        os.kill(pid, signal.SIGTERM)
        self.assertEqual(daemon.wait(timeout=30), 0)

        self.assertEqual(roots.opened(page), roots.TRUTH, page[-3000:])
        self.assertEqual(set(status["Uid"].split() + status["Gid"].split()), {str(USER)})
        unneeded = int(status["CapPrm"], 16) & ~sum(1 << bit for bit in CAPABILITIES.values())
        self.assertEqual(unneeded, 0, status)
        self.assertIn("is healthy", health.stdout)
        self.assertNotIn("cgroup", health.stdout)
        self.assertIn("is not running", run(*here.command("status"), code=3).stdout)


if __name__ == "__main__":
    unittest.main()
