# SPDX-License-Identifier: Apache-2.0
"""From a cell to what its guest said: kernel, base, modules and payload put together and booted."""

import glob
import json
import os
import re

import archive
import boot
import cache
import cross
import modules
import packages
import userland
from initramfs import Archive

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
# Five times what a free machine needs: only a guest that hangs is ended.
GUEST_SECONDS = 1500
# Of x86-64; the daemon opens it when it reads code.
DECODER = re.compile(rb"libZydis\.so\.[0-9.]+")


class Guests:
    """Makes them of a kernel, the base of its architecture, and the daemon with its tests."""

    def __init__(self, folder, binary, other, scratch):
        self._cache = folder
        self._scratch = scratch
        self._other = other
        self._binaries = {"amd64": binary}
        self._release = archive.codename()
        self._roots = {}
        with cache.locked(folder):
            self._qemu = boot.Qemu(folder, self._release)

    def _root(self, architecture):
        """(programs and libraries, path of the base archive), made once."""
        if architecture not in self._roots:
            path = "/"
            if architecture not in self._binaries:
                path = cross.tree(self._cache, self._release)
                self._binaries[architecture] = cross.build(SOURCE, path)
            root = userland.Root(path, architecture)
            shell = packages.Suite(self._cache, [self._release], architecture).tree(
                ["busybox-static"])
            busybox = userland.Root(shell, architecture).program("busybox")
            init = os.path.join(HERE, "guest", "init")
            self._roots[architecture] = root, userland.base(self._cache, root, init, busybox)
        return self._roots[architecture]

    def _payload(self, cell, root):
        """The daemon, the live tests, and the plan of this cell."""
        payload = Archive()
        root.add_program(payload, self._binaries[cell.architecture], "usr/bin/sockeye")
        with open(self._binaries[cell.architecture], "rb") as daemon:
            root.add_libraries(payload, {name.decode() for name in DECODER.findall(daemon.read())})
        if self.try_other(cell):
            root.add_program(payload, self._other, "usr/bin/sockeye.other")
        for path in glob.glob(os.path.join(SOURCE, "tests", "integration", "*.py")):
            payload.file(f"tests/integration/{os.path.basename(path)}", path)
        for name in ("guest.py", "instructions.py"):
            payload.file(f"tests/{name}", os.path.join(HERE, "guest", name))
        payload.text("tests/plan.json", json.dumps({
            "tests": cell.tests, "rights": cell.rights, "other": self.try_other(cell)}))
        target = os.path.join(self._scratch, f"{cell.name.replace(' ', '-')}.cpio")
        payload.write(target)
        return target

    def try_other(self, cell):
        """Whether the other daemon is probed in this cell."""
        return bool(self._other) and cell.other

    def run(self, cell):
        """Prepares and boots a cell."""
        with cache.locked(self._cache):
            tree = packages.kernel(self._cache, cell.suite, cell.architecture)
            root, base = self._root(cell.architecture)
            archives = [base, modules.modules(self._cache, tree), self._payload(cell, root)]
        guest = boot.boot(self._qemu, cell.architecture, modules.image(tree), archives, cell.cpus,
                          cell.append, cell.counted, GUEST_SECONDS)
        self._keep(cell, guest)
        return guest

    def _keep(self, cell, guest):
        """The last run of a cell, to be read when its verdict does not tell enough."""
        folder = os.path.join(self._cache, "last")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, cell.name.replace(" ", "-"))
        for kind, text in (("results", "\n".join(guest.results)), ("console", guest.console)):
            with open(f"{path}.{kind}", "w", encoding="utf-8") as file:
                file.write(text)
