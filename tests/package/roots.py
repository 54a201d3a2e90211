# SPDX-License-Identifier: Apache-2.0
"""Roots that packages are unpacked in, and what is made of a daemon that runs in one.

EYE_PACKAGES is the folder of packages, EYE_BASE a root made by debootstrap (minbase), which stays
as it is.
"""

import atexit
import functools
import glob
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

BASE = os.environ["EYE_BASE"]
# What apt, dpkg, systemctl and useradd keep for themselves.
OF_THE_SYSTEM = re.compile(
    r"var/(lib/(dpkg|apt)|cache|log)/|run/systemd/|etc/(passwd|shadow|group|gshadow)-$")
CONNECTIONS = 7
SCRAPE_SECONDS = 40

# What a daemon has to say of what talk() does.
TRUTH = [("incoming", str(CONNECTIONS)), ("outgoing", str(CONNECTIONS))]

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
# The same where there is nothing else, not even a program that clears the environment.
EMPTY = ("unshare", "--mount", "--propagation", "private", "--net", "sh", "-ec", """
ip link set lo up
root=$1 && shift
mount --rbind /proc "$root/proc"
mount --rbind /sys "$root/sys"
exec chroot "$root" "$@"
""", "sh")

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
def told(text):
    return any("connections_opened" in line and 'port="4242"' in line for line in text.split("\n"))
while not told(text) and time.monotonic() < deadline:
    time.sleep(0.2)
    text = page()
print(text)
"""


def package(pattern):
    """The path of the only one."""
    found, = glob.glob(os.path.join(os.environ["EYE_PACKAGES"], pattern))
    return found


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


@functools.lru_cache(maxsize=None)
def equipped():
    """The base with what Debian's package depends on, which a package does not bring; for copies."""
    root = Root(BASE)
    atexit.register(root.remove)
    depends = run("dpkg-deb", "-f", package("*.deb"), "Depends").stdout
    names = [re.split(r"[ |(]", word.strip())[0] for word in depends.split(",")]
    names = [name for name in names if not name.startswith("systemd-")] + ["systemd"]
    # The manual is looked into by systemd-analyze.
    root.run("apt-get", "-qy", "install", "--no-install-recommends", "man-db", *names)
    return root


def talk(process):
    """Connections beside a daemon in a network of its own; the page that it serves of them."""
    deadline = time.monotonic() + SCRAPE_SECONDS
    while os.readlink(f"/proc/{process.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
        assert time.monotonic() < deadline, "it stays in the test's own network"
        time.sleep(0.01)
    return run("nsenter", "--target", str(process.pid), "--net", "/usr/bin/python3", "-c", CLIENT,
               str(CONNECTIONS), str(SCRAPE_SECONDS)).stdout


def opened(page):
    """What it says of those connections."""
    return sorted(re.findall(r'^sockeye_tcp_connections_opened_total\{.*direction="(\w+)".*'
                             r'port="4242".*\} (\d+)', page, re.M))


def start(test, command, **environment):
    """A daemon that ends with the test; its log is .log."""
    log = tempfile.TemporaryFile("w+")
    test.addCleanup(log.close)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                               env={**os.environ, **environment})
    test.addCleanup(process.wait)
    test.addCleanup(process.kill)
    process.log = log
    return process


def stop(process):
    """Returns what it said."""
    process.send_signal(signal.SIGTERM)
    code = process.wait(timeout=30)
    process.log.seek(0)
    said = process.log.read()
    if code != 0:
        raise AssertionError(f"exit code {code}\n{said[-4000:]}")
    return said
