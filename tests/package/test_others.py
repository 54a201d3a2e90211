# SPDX-License-Identifier: Apache-2.0
"""What other distributions get, in roots that are empty, and in one that has systemd: the RPM
installed, verified, upgraded and erased; the archive unpacked, and its program run.

EYE_PACKAGES is the folder of packages, EYE_BUILD the build folder that they were packed from.
EYE_NOT_LIVE says why the kernel of this machine cannot be observed; empty: it can.
"""

import os
import pathlib
import re
import shutil
import tempfile
import unittest

import roots
from roots import run

RPM = roots.package("*.rpm")
ARCHIVE = roots.package("*.tar.gz")
BUILD = os.environ["EYE_BUILD"]
NOT_LIVE = os.environ["EYE_NOT_LIVE"]

CONFFILE = "etc/sockeye/sockeye.yaml"
PROGRAM = "usr/sbin/sockeye"
FILES = {CONFFILE, PROGRAM, "etc/sockeye/conf.d",
         "usr/lib/systemd/system/sockeye.service", "usr/lib/sysusers.d/sockeye.conf",
         "usr/share/bash-completion/completions/sockeye",
         "usr/share/zsh/site-functions/_sockeye",
         "usr/share/fish/vendor_completions.d/sockeye.fish",
         "usr/share/man/man5/sockeye.yaml.5.gz", "usr/share/man/man8/sockeye.8.gz",
         "usr/share/doc/sockeye/README.md", "usr/share/doc/sockeye/examples/openrc",
         "usr/share/licenses/sockeye/LICENSE"}
LINK = "etc/systemd/system/multi-user.target.wants/sockeye.service"
# Debian's rpm has another place for it.
DATABASE = "/var/lib/rpm"
# How CPack is told of a next version, whose configuration is another one.
CHANGE = """file(GLOB files ${CPACK_TEMPORARY_DIRECTORY}/etc/sockeye/sockeye.yaml)
file(APPEND ${files} "## Of the next version.\\n")
"""


def temporary_folder(test):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sockeye-root-"))
    test.addCleanup(shutil.rmtree, folder)
    return folder


def content(root):
    """Files, and folders that have none."""
    return {str(path.relative_to(root)) for path in root.rglob("*")
            if not path.is_dir() or not any(path.iterdir())}


class Rpm:
    """The packages of a root, as rpm has them."""

    def __init__(self, root):
        self.root = root
        self("--initdb")

    def __call__(self, *words, code=0):
        return run("rpm", "--root", str(self.root), "--dbpath", DATABASE, *words, code=code).stdout


def next_version(test):
    folder = temporary_folder(test)
    change = folder / "change.cmake"
    change.write_text(CHANGE, encoding="utf-8")
    strip = re.search(r'set\(CPACK_PRE_BUILD_SCRIPTS "(.*)"\)',
                      pathlib.Path(BUILD, "CPackConfig.cmake").read_text(encoding="utf-8"))[1]
    run("cpack", "--config", f"{BUILD}/CPackConfig.cmake", "-G", "RPM", "-B", str(folder),
        "-D", "CPACK_RPM_PACKAGE_RELEASE=2", "-D", f"CPACK_PRE_BUILD_SCRIPTS={strip};{change}")
    package, = folder.glob("*.rpm")
    return str(package)


class EmptyRoot(unittest.TestCase):
    """Nothing is there but the package: no script can run, and none has to."""
    maxDiff = None

    def setUp(self):
        self.root = temporary_folder(self)
        self.rpm = Rpm(self.root)
        self.rpm("--install", "--nodeps", "--noscripts", RPM)

    def test_files(self):
        self.assertEqual({path for path in content(self.root) if not path.startswith(DATABASE[1:])}, FILES)
        listed = {path.lstrip("/") for path in self.rpm("-ql", "sockeye").split()}
        self.assertLessEqual(FILES, listed)
        shared = {path for path in listed - FILES if "sockeye" not in path}
        self.assertEqual(shared, set(), "folders of the system's own")
        self.assertEqual(self.rpm("-qc", "sockeye").split(), ["/" + CONFFILE])

    def test_verify(self):
        self.assertEqual(self.rpm("--verify", "--nodeps", "sockeye"), "")
        with open(self.root / CONFFILE, "a", encoding="utf-8") as file:
            file.write("tags: [env:mine]\n")
        self.assertRegex(self.rpm("--verify", "--nodeps", "sockeye", code=1),
                         rf"^S\.5\S* +c /{CONFFILE}\n$")

    def test_asks_for_no_library(self):
        wanted = {line for line in self.rpm("-q", "--requires", "sockeye").splitlines()
                  if not line.startswith("rpmlib(")}
        self.assertEqual(wanted, {"/bin/sh", "systemd"})


class Life(unittest.TestCase):
    """In a root with a systemd of its own, which does not run."""
    maxDiff = None

    def test_install_upgrade_erase(self):
        root = roots.Root(roots.equipped().path)
        self.addCleanup(root.remove)
        rpm = Rpm(root.path)
        before = root.files()

        rpm("--install", "--nodeps", RPM)
        self.assertIn("sockeye:", root.read("etc/passwd"))
        self.assertTrue((root.path / LINK).is_symlink())
        self.assertEqual(root.run("systemd-analyze", "verify", "/lib/systemd/system/sockeye.service").stdout, "")

        changed = root.read(CONFFILE) + "tags: [env:mine]\n"
        root.write(CONFFILE, changed)
        root.run("systemctl", "disable", "sockeye.service")
        rpm("--upgrade", "--nodeps", next_version(self))
        self.assertEqual(rpm("-q", "--qf", "%{release}", "sockeye"), "2")
        self.assertEqual(root.read(CONFFILE), changed)
        self.assertIn("Of the next version", root.read(CONFFILE + ".rpmnew"))
        self.assertFalse((root.path / LINK).is_symlink())

        rpm("--erase", "--nodeps", "sockeye")
        self.assertEqual(root.read(CONFFILE + ".rpmsave"), changed)
        left = {path for path in root.files() - before if not (root.path / path).is_dir()}
        self.assertEqual({path for path in left if not path.startswith(DATABASE[1:])},
                         {CONFFILE + ".rpmsave", CONFFILE + ".rpmnew"})


class Archive(unittest.TestCase):
    def setUp(self):
        self.root = temporary_folder(self)
        run("tar", "-xzf", ARCHIVE, "-C", str(self.root))

    def test_files(self):
        self.assertEqual(content(self.root), FILES)
        modes = {path: oct((self.root / path).stat().st_mode & 0o7777) for path in FILES}
        runs = {path for path, mode in modes.items() if mode == "0o755"}
        self.assertEqual(runs, {PROGRAM, "etc/sockeye/conf.d"})
        self.assertEqual({modes[path] for path in FILES - runs}, {"0o644"})
        self.assertEqual({path.stat().st_uid for path in self.root.rglob("*")}, {0})

    @unittest.skipIf(NOT_LIVE, NOT_LIVE)
    def test_it_observes(self):
        for name in ("proc", "sys", "run"):
            (self.root / name).mkdir()
        process = roots.start(self, (*roots.EMPTY, str(self.root), "/" + PROGRAM, "run",
                                     "-c", "/" + CONFFILE), SOCKEYE_INTERVAL="1s")
        page = roots.talk(process)
        self.assertEqual(roots.opened(page), roots.TRUTH, roots.stop(process) + page[-3000:])


if __name__ == "__main__":
    unittest.main()
