# SPDX-License-Identifier: Apache-2.0
"""What every guest of one architecture has: a shell, Python, the network tools of the live tests.

Programs come from a root: "/" for the host's own architecture, an unpacked tree for another one.
Whatever they link is found by its ELF header, because a foreign program cannot be asked (ldd).
"""

import functools
import glob
import hashlib
import os
import py_compile
import re
import sys
import tempfile

import packages
from cache import kept
from initramfs import Archive
from packages import Unavailable

# The real ones beside busybox: the tests use options that busybox does not know.
PROGRAMS = ("ip", "ss", "nft", "mount", "umount", "setpriv", "openssl")
# Opened by the C library when a thread ends; no program names it.
OPENED_LATER = ("libgcc_s.so.1",)
LEFT_OUT = ("test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "pydoc_data",
            "distutils", "ensurepip", "venv", "dist-packages", "site-packages", "__pycache__")
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}


@functools.lru_cache(maxsize=None)
def needed(path):
    """The libraries and the loader that an ELF file names."""
    text = packages.run("readelf", "-W", "-d", "-l", path)
    return (re.findall(r"\(NEEDED\).*\[(.+)\]", text)
            + [os.path.basename(loader) for loader in re.findall(r"interpreter: (\S+)\]", text)])


class Root:
    """Programs and libraries of one architecture below one folder."""

    def __init__(self, path, architecture):
        self.path = path
        self.architecture = architecture
        triplet = TRIPLETS[architecture]
        self._programs = [f"{top}{name}" for top in ("", "usr/") for name in ("bin", "sbin")]
        self._libraries = [f"{top}{name}" for top in ("", "usr/")
                           for name in (f"lib/{triplet}", "lib64", "lib")]

    def _find(self, folders, name):
        for folder in folders:
            path = os.path.join(self.path, folder, name)
            if os.path.isfile(path):
                return path
        raise Unavailable(f"{name} ({self.architecture}) is not below {self.path}")

    def program(self, name):
        return self._find(self._programs, name)

    def add_libraries(self, archive, names):
        """These libraries and what they link; /lib is a link there, so each has one place."""
        for name in names:
            place = f"usr/lib64/{name}" if name.startswith("ld-linux-x86") else f"usr/lib/{name}"
            if place not in archive:
                library = self._find(self._libraries, name)
                archive.file(place, library, 0o755)
                self.add_libraries(archive, needed(library))

    def add_program(self, archive, path, place):
        archive.file(place, path, 0o755)
        self.add_libraries(archive, needed(path))

    def python(self):
        """Its interpreter and the folder of its standard library."""
        interpreter = os.path.realpath(self.program("python3"))
        return interpreter, os.path.join(self.path, "usr/lib", os.path.basename(interpreter))


def _compiled(source, folder):
    """The module's code as a file that Python takes without its source and without checking."""
    target = os.path.join(folder, "module.pyc")
    py_compile.compile(source, target, dfile=os.path.basename(source), doraise=True,
                       invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    with open(target, "rb") as file:
        return file.read()


def _add_python(archive, root):
    """The interpreter and its library, compiled: compiling takes a guest seconds."""
    interpreter, library = root.python()
    version = os.path.basename(library)
    root.add_program(archive, interpreter, "usr/bin/python3")
    same = version == "python{}.{}".format(*sys.version_info)
    with tempfile.TemporaryDirectory() as scratch:
        for folder, folders, files in os.walk(library):
            folders[:] = [name for name in folders
                          if name not in LEFT_OUT and not name.startswith("config-")]
            for name in files:
                source = os.path.join(folder, name)
                place = f"usr/lib/{version}/{os.path.relpath(source, library)}"
                if same and name.endswith(".py"):
                    archive.data(place + "c", _compiled(source, scratch))
                else:
                    archive.file(place, source)
                if name.endswith(".so"):
                    root.add_libraries(archive, needed(source))


def _add_system(archive, init):
    for name in ("bin", "sbin", "lib", "lib64"):
        archive.link(name, f"usr/{name}")
    archive.link("usr/sbin", "bin")
    for name in ("proc", "sys", "dev", "tmp", "run", "root", "var"):
        archive.folder(name)
    archive.file("init", init, 0o755)
    archive.text("etc/passwd", "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    archive.text("etc/group", "root:x:0:\nnogroup:x:65534:\n")
    archive.text("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")


def _key(root, init, busybox):
    """What the archive is made of: programs, interpreter, this folder's code."""
    sources = [init, busybox, root.python()[0], *map(root.program, PROGRAMS),
               *glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "*.py"))]
    digest = hashlib.sha256(repr((root.path, LEFT_OUT)).encode())
    for path in sources:
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()[:16]


def base(cache, root, init, busybox):
    """The path of the archive that every guest with this root starts from."""
    target = os.path.join(cache, f"base-{root.architecture}-{_key(root, init, busybox)}.cpio")
    if not kept(target):
        archive = Archive()
        _add_system(archive, init)
        archive.file("usr/bin/busybox", busybox, 0o755)
        for name in PROGRAMS:
            root.add_program(archive, root.program(name), f"usr/bin/{name}")
        root.add_libraries(archive, OPENED_LATER)
        archive.file("usr/lib/ssl/openssl.cnf", os.path.join(root.path, "etc/ssl/openssl.cnf"))
        _add_python(archive, root)
        archive.write(target)
    return target
