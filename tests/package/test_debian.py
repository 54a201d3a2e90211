# SPDX-License-Identifier: Apache-2.0
"""Debian's package in a clean root: installed, run as the unit would, upgraded, removed, purged.

EYE_PACKAGE is the package, EYE_BASE a root made by debootstrap (minbase), which stays as it is.
EYE_NOT_LIVE says why the kernel of this machine cannot be observed; empty: it can.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

PACKAGE = os.environ["EYE_PACKAGE"]
BASE = os.environ["EYE_BASE"]
NOT_LIVE = os.environ["EYE_NOT_LIVE"]

CONFFILE = "etc/sockeye/sockeye.yaml"
UNIT = "usr/lib/systemd/system/sockeye.service"
# What an administrator, the daemon and systemd add to what the package brought.
ADDED = ("etc/sockeye/conf.d/mine.yaml", "var/lib/sockeye/spool/1")
# What apt, dpkg, systemctl and useradd keep for themselves.
OF_THE_SYSTEM = re.compile(
    r"var/(lib/(dpkg|apt)|cache|log)/|run/systemd/|etc/(passwd|shadow|group|gshadow)-$")
# What deb-systemd-helper notes of a unit that it enabled.
LINK = "etc/systemd/system/multi-user.target.wants/sockeye.service"
ENABLED = {LINK,
           "var/lib/systemd/deb-systemd-helper-enabled/multi-user.target.wants/sockeye.service",
           "var/lib/systemd/deb-systemd-helper-enabled/sockeye.service.dsh-also"}
# Numbers of linux/capability.h.
CAPABILITIES = {"CAP_DAC_READ_SEARCH": 2, "CAP_NET_ADMIN": 12, "CAP_SYS_PTRACE": 19,
                "CAP_PERFMON": 38, "CAP_BPF": 39}
CONNECTIONS = 7
READY_SECONDS = 60
SCRAPE_SECONDS = 40

MOUNTS = """root=$1 && shift
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
exec chroot "$root" env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
"""
WITHIN = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
          "sh", "-ec", 'mount -t proc proc "$1/proc"\n' + MOUNTS, "sh")
# In a network of its own, where no port is taken; it sees the processes of the host, as a service
# does. Without a fork: whoever starts it has the daemon's own pid.
SERVICE = ("unshare", "--mount", "--propagation", "private", "--net",
           "sh", "-ec", 'ip link set lo up\nmount --rbind /proc "$1/proc"\n' + MOUNTS, "sh")

# What OpenRC makes at a boot; then the service is started, looked at and stopped.
OPENRC = r"""
mount -t tmpfs tmpfs /run
mkdir -p /run/openrc
for name in exclusive started starting stopping inactive wasinactive failed hotplugged daemons \
    scheduled options tmp; do
    mkdir /run/openrc/$name
done
touch /run/openrc/softlevel
install -m 755 /usr/share/doc/sockeye/examples/openrc /etc/init.d/sockeye
daemons() { find /proc -maxdepth 2 -name exe -lname /usr/sbin/sockeye -printf '%h\n' 2>/dev/null; }
rc-service sockeye start
while [ -z "$(daemons)" ]; do sleep 0.1; done
echo "Mode: $(stat -c '%n %U %a' /run/sockeye /var/lib/sockeye | paste -sd ' ')"
# Beside it there may be a child for a moment, by which it tries what the kernel allows.
cat "$(daemons | sort -V | head -n 1)/status"
rc-service sockeye stop
echo "Left: $(daemons)"
echo '[' >/etc/sockeye/conf.d/broken.yaml
rc-service sockeye start || echo "Refused: $?"
"""

# Run beside the daemon: makes connections, then reads its page until they are there.
CLIENT = r"""
import socket, sys, time, urllib.request, urllib.error
count, seconds = int(sys.argv[1]), int(sys.argv[2])
listener = socket.create_server(("127.0.0.1", 4242))
deadline = time.monotonic() + seconds
def page():
    try:
        return urllib.request.urlopen("http://127.0.0.1:9464/metrics", timeout=5).read().decode()
    except (urllib.error.URLError, OSError):
        return ""
while not page() and time.monotonic() < deadline:
    time.sleep(0.2)
for _ in range(count):
    client = socket.create_connection(("127.0.0.1", 4242))
    server, _ = listener.accept()
    client.sendall(b"x" * 1000)
    server.recv(1000)
    client.close()
    server.close()
text = ""
while 'port="4242"' not in text and time.monotonic() < deadline:
    time.sleep(0.2)
    text = page()
print(text)
"""


def run(*words, code=0, **options):
    done = subprocess.run(words, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if code is not None and done.returncode != code:
        raise AssertionError(f"{words[-6:]}: exit code {done.returncode}\n{done.stdout[-4000:]}")
    return done


def fields(text):
    return dict(re.findall(r"^(\w+):[ \t]*(.*)$", text, re.M))


class Root:
    """A copy of another root."""

    def __init__(self, origin):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sockeye-root-"))
        self.path = self.folder / "root"
        run("cp", "-a", "--reflink=auto", str(origin), str(self.path))
        shutil.copy("/etc/resolv.conf", self.path / "etc/resolv.conf")

    def run(self, *words, code=0):
        return run(*WITHIN, str(self.path), *words, code=code)

    def install(self, package, *options):
        shutil.copy(package, self.path / "tmp/sockeye.deb")
        return self.run("apt-get", "-qy", *options, "install", "--no-install-recommends",
                        "/tmp/sockeye.deb")

    def files(self):
        """Everything that is no directory of the system's own."""
        found = run("find", str(self.path), "-xdev", "-printf", r"%P\n").stdout.splitlines()
        return {path for path in found if not OF_THE_SYSTEM.match(path)}

    def read(self, path):
        return (self.path / path).read_text(encoding="utf-8")

    def write(self, path, text):
        (self.path / path).parent.mkdir(parents=True, exist_ok=True)
        (self.path / path).write_text(text, encoding="utf-8")

    def remove(self):
        shutil.rmtree(self.folder)


def setUpModule():
    global installed  # pylint: disable=global-statement
    installed = Root(BASE)
    unittest.addModuleCleanup(installed.remove)
    # What it depends on comes first: what is there then was not brought by the package.
    depends = run("dpkg-deb", "-f", PACKAGE, "Depends").stdout
    names = [re.split(r"[ |(]", word.strip())[0] for word in depends.split(",")]
    # The manual is looked into by systemd-analyze.
    installed.run("apt-get", "-qy", "install", "--no-install-recommends", "man-db", *names)
    installed.before = installed.files()
    installed.install(PACKAGE)
    installed.after = installed.files()


class Installed(unittest.TestCase):
    maxDiff = None

    def user(self):
        line, = [line for line in installed.read("etc/passwd").splitlines()
                 if line.startswith("sockeye:")]
        return line.split(":")

    def test_user(self):
        _, _, uid, _, _, home, shell = self.user()
        self.assertLess(int(uid), 1000)
        self.assertEqual((home, shell), ("/var/lib/sockeye", "/usr/sbin/nologin"))

    def test_files_and_modes(self):
        found = installed.run("find", "/etc/sockeye", "/usr/sbin/sockeye", "-printf",
                              r"%p %m %u:%g\n").stdout.splitlines()
        self.assertEqual(sorted(found), [
            "/etc/sockeye 755 root:root", "/etc/sockeye/conf.d 755 root:root",
            "/etc/sockeye/sockeye.yaml 644 root:root", "/usr/sbin/sockeye 755 root:root"])
        self.assertEqual(installed.run("dpkg", "--verify", "sockeye").stdout, "")

    def test_enabled(self):
        self.assertTrue((installed.path / LINK).is_symlink())

    def test_the_configuration_as_it_comes(self):
        done = installed.run("sockeye", "check", "--open")
        self.assertIn("/etc/sockeye/sockeye.yaml is valid: 1 exporter (openmetrics)", done.stdout)
        self.assertEqual(installed.run("sockeye", "check", "--default").stdout,
                         installed.read(CONFFILE))

    def test_exporters_that_push_name_the_library_that_is_missing(self):
        """Recommended only, and not in this root."""
        exporter = "exporters=[{type: otlp, url: 'http://127.0.0.1:4318/v1/metrics'}]"
        done = installed.run("sockeye", "check", "--set", exporter, code=1)
        self.assertIn("install libcurl4", done.stdout)

    def test_unit(self):
        self.assertEqual(installed.run("systemd-analyze", "verify", "/" + UNIT).stdout, "")
        done = installed.run("systemd-analyze", "security", "--offline=yes", "--threshold=30",
                             "/" + UNIT)
        print(done.stdout.splitlines()[-1])

    def capabilities(self):
        """Of the unit, as setpriv has them."""
        line, = re.findall(r"^AmbientCapabilities=(.*)$", installed.read(UNIT), re.M)
        return "-all," + ",".join("+" + name.lower().removeprefix("cap_") for name in line.split())

    def service(self):
        """ExecStart= as the unit's user, with its capabilities and no other."""
        start, = re.findall(r"^ExecStart=(.*)$", installed.read(UNIT), re.M)
        rights = self.capabilities()
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        notify = installed.path / "run/notify"
        notify.unlink(missing_ok=True)
        self.manager.bind(str(notify))
        notify.chmod(0o666)
        self.addCleanup(notify.unlink)
        command = (*SERVICE, str(installed.path), "SOCKEYE_INTERVAL=1s",
                   "NOTIFY_SOCKET=/run/notify", "setpriv",
                   "--reuid=sockeye", "--regid=sockeye", "--init-groups", "--no-new-privs",
                   f"--inh-caps={rights}", f"--ambient-caps={rights}", f"--bounding-set={rights}",
                   *start.split())
        log = tempfile.TemporaryFile("w+")
        self.addCleanup(log.close)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, log

    def wait_ready(self, process):
        """As Type=notify does."""
        self.assertIn("Type=notify\n", installed.read(UNIT))
        self.manager.settimeout(1)
        deadline, heard = time.monotonic() + READY_SECONDS, ""
        while "READY=1" not in heard.splitlines():
            self.assertIsNone(process.poll())
            self.assertLess(time.monotonic(), deadline, heard)
            try:
                heard += self.manager.recv(4096).decode() + "\n"
            except TimeoutError:
                pass

    @unittest.skipIf(NOT_LIVE, NOT_LIVE)
    def test_it_observes_as_its_unit_starts_it(self):
        process, log = self.service()
        self.wait_ready(process)
        page = run("nsenter", "--target", str(process.pid), "--net", "/usr/bin/python3", "-c",
                   CLIENT, str(CONNECTIONS), str(SCRAPE_SECONDS)).stdout
        status = fields(pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8"))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=30), 0)
        log.seek(0)
        said = log.read()
        self.assertEqual(set(status["Uid"].split()), {self.user()[2]})
        self.assertEqual(status["NoNewPrivs"], "1")
        opened = re.findall(r"^sockeye_tcp_connections_opened_total\{.*"
                            r'direction="(\w+)".*port="4242".*\} (\d+)', page, re.M)
        self.assertEqual(
            sorted(opened), [("incoming", str(CONNECTIONS)), ("outgoing", str(CONNECTIONS))],
            said + page[-3000:])

    def test_nothing_but_what_it_lists(self):
        """And the user, and that it is enabled."""
        listed = installed.run("dpkg", "-L", "sockeye").stdout.split()
        listed = {path.lstrip("/") for path in listed}
        new = {path for path in installed.after - installed.before - listed
               if not (installed.path / path).is_dir()}
        self.assertEqual(new, {"tmp/sockeye.deb", *ENABLED})


class Life(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.root = Root(installed.path)
        self.addCleanup(self.root.remove)

    def next_version(self):
        """The same with a new version and another configuration."""
        folder = self.root.folder / "next"
        run("dpkg-deb", "-R", PACKAGE, str(folder))
        control = folder / "DEBIAN/control"
        control.write_text(re.sub(r"^(Version: .*)$", r"\1.1", control.read_text(), flags=re.M))
        with open(folder / CONFFILE, "a", encoding="utf-8") as file:
            file.write("## Of the next version.\n")
        os.unlink(folder / "DEBIAN/md5sums")
        run("dpkg-deb", "--root-owner-group", "-Znone", "-b", str(folder), f"{folder}.deb")
        return f"{folder}.deb"

    def test_upgrade_remove_purge(self):
        root = self.root
        changed = root.read(CONFFILE) + "tags: [env:mine]\n"
        root.write(CONFFILE, changed)
        for path in ADDED:
            root.write(path, "tags: [team:mine]\n")
        # Somebody decided that it does not start at a boot.
        root.run("systemctl", "disable", "sockeye.service")

        root.install(self.next_version(), "-o", "Dpkg::Options::=--force-confold")
        self.assertEqual(root.read(CONFFILE), changed)
        self.assertIn("Of the next version", root.read(CONFFILE + ".dpkg-dist"))
        self.assertFalse((root.path / LINK).is_symlink())

        root.run("apt-get", "-qy", "remove", "sockeye")
        self.assertEqual(root.read(CONFFILE), changed)
        there = [path for path in (*ADDED, "usr/sbin/sockeye") if (root.path / path).exists()]
        self.assertEqual(there, list(ADDED))

        root.run("apt-get", "-qy", "purge", "sockeye")
        left = {path for path in root.files() - installed.before
                if not (root.path / path).is_dir() or "sockeye" in path}
        self.assertEqual(left, {"tmp/sockeye.deb"})
        named = run("grep", "-rl", "sockeye", "etc", "var/lib/systemd", cwd=root.path, code=None)
        self.assertEqual({path.rstrip("-") for path in named.stdout.split()},
                         {"etc/passwd", "etc/shadow", "etc/group", "etc/gshadow"})


class OpenRc(unittest.TestCase):
    """The script among the examples: the user and the capabilities that the unit gives."""

    @unittest.skipIf(NOT_LIVE, NOT_LIVE)
    def test_start_and_stop(self):
        root = Root(installed.path)
        self.addCleanup(root.remove)
        root.run("apt-get", "-qy", "install", "--no-install-recommends", "openrc")
        done = run("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh",
                   *WITHIN, str(root.path), "sh", "-c", OPENRC, code=None)
        found = fields(done.stdout)
        uid = root.run("id", "-u", "sockeye").stdout.strip()
        self.assertEqual(found.get("Uid", "").split(), [uid] * 4, done.stdout)
        names, = re.findall(r"^AmbientCapabilities=(.*)$", root.read(UNIT), re.M)
        rights = sum(1 << CAPABILITIES[name] for name in names.split())
        for kind in ("CapPrm", "CapBnd"):
            self.assertEqual(int(found[kind], 16), rights, kind)
        self.assertEqual(found["NoNewPrivs"], "1")
        self.assertEqual(found["Mode"], "/run/sockeye sockeye 755 /var/lib/sockeye sockeye 700")
        self.assertEqual((found["Left"], found["Refused"]), ("", "1"))
        self.assertIn("conf.d/broken.yaml:", done.stdout)


if __name__ == "__main__":
    unittest.main()
