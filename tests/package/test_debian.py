# SPDX-License-Identifier: Apache-2.0
"""Debian's package in a clean root: installed, run as the unit would, upgraded, removed, purged.

EYE_PACKAGES is the folder of packages. EYE_NOT_LIVE says why the kernel of this machine cannot be
observed; empty: it can.
"""

import os
import pathlib
import re
import socket
import time
import unittest

import roots
from roots import SERVICE, WITHIN, Root, fields, run

PACKAGE = roots.package("*.deb")
NOT_LIVE = os.environ["EYE_NOT_LIVE"]

CONFFILE = "etc/sockeye/sockeye.yaml"
UNIT = "usr/lib/systemd/system/sockeye.service"
# What an administrator, the daemon and systemd add to what the package brought.
ADDED = ("etc/sockeye/conf.d/mine.yaml", "var/lib/sockeye/spool/1")
# What deb-systemd-helper notes of a unit that it enabled.
LINK = "etc/systemd/system/multi-user.target.wants/sockeye.service"
ENABLED = {LINK,
           "var/lib/systemd/deb-systemd-helper-enabled/multi-user.target.wants/sockeye.service",
           "var/lib/systemd/deb-systemd-helper-enabled/sockeye.service.dsh-also"}
# Numbers of linux/capability.h.
CAPABILITIES = {"CAP_DAC_READ_SEARCH": 2, "CAP_NET_ADMIN": 12, "CAP_SYS_PTRACE": 19,
                "CAP_PERFMON": 38, "CAP_BPF": 39}
READY_SECONDS = 60

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


def setUpModule():
    global installed  # pylint: disable=global-statement
    installed = Root(roots.equipped().path)
    unittest.addModuleCleanup(installed.remove)
    installed.before = installed.files()
    installed.install(PACKAGE)
    installed.after = installed.files()


class Minimal(unittest.TestCase):
    """A host without systemd gets a program that makes users, and no service manager."""

    def test_what_comes_with_it(self):
        bare = Root(roots.BASE)
        self.addCleanup(bare.remove)
        planned = bare.install(PACKAGE, "--simulate").stdout
        self.assertIn("\nInst systemd-standalone-sysusers ", planned)
        self.assertNotIn("\nInst systemd ", planned)


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
        return roots.start(self, command)

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
        process = self.service()
        self.wait_ready(process)
        page = roots.talk(process)
        status = fields(pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8"))
        said = roots.stop(process)
        self.assertEqual(set(status["Uid"].split()), {self.user()[2]})
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(roots.opened(page), roots.TRUTH, said + page[-3000:])

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
