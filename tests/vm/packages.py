# SPDX-License-Identifier: Apache-2.0
"""Packages of any suite and architecture, fetched and unpacked without installing them.

One private apt directory for each suite and architecture: the host's own lists, its dpkg status
and its package cache are only read. Unpacked trees are kept, each under a name made of all its
packages with their versions.
"""

import hashlib
import os
import re
import shutil
import subprocess
import time

import archive
from archive import Unavailable
from cache import kept

# Another form of the trees than the cached ones have needs another word here.
TREE_FORM = "2"
LISTS_SECONDS = 24 * 3600
HOST_STATUS = "/var/lib/dpkg/status"


class Failed(Exception):
    """A command that should have worked: a fault, not something that is missing here."""


def run(*words, **options):
    """A command's stdout; raises Failed with what it said of the error."""
    done = subprocess.run(words, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, **options)
    if done.returncode != 0:
        raise Failed(f"{words[0]} {words[-1]}: exit {done.returncode}: "
                     + last_words(done.stdout + done.stderr))
    return done.stdout


def last_words(text, count=3):
    """The last lines of a failed command that speak of an error; else its last lines."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\berror\b|^E: ", line, re.IGNORECASE)]
    return " | ".join((errors or lines)[-count:])


def _keep_links_inside(tree):
    """Makes absolute links relative: as they are they would lead to the host's own files."""
    for folder, folders, files in os.walk(tree):
        for name in folders + files:
            path = os.path.join(folder, name)
            if os.path.islink(path) and os.readlink(path).startswith("/"):
                target = tree + os.readlink(path)
                os.unlink(path)
                os.symlink(os.path.relpath(target, folder), path)


def _link_tops(tree):
    """/lib and its kind, which base-files makes from Debian 13 on; linker scripts name them."""
    for name in ("bin", "sbin", "lib", "lib64"):
        if not os.path.lexists(os.path.join(tree, name)) \
                and os.path.isdir(os.path.join(tree, "usr", name)):
            os.symlink(f"usr/{name}", os.path.join(tree, name))


class Suite:
    """The packages of one suite (or several) for one architecture.

    `status` is the dpkg status that dependencies are resolved against: the host's for what runs on
    the host, an empty one (the default) for a tree that must be complete in itself.
    """

    def __init__(self, cache, suites, architecture="amd64", status=None):
        self.suites = suites
        self.architecture = architecture
        self._folder = os.path.join(cache, "apt", f"{'+'.join(suites)}-{architecture}")
        self._archives = os.path.join(self._folder, "archives")
        self._trees = os.path.join(cache, "trees")
        self._status = status or os.path.join(self._folder, "status")
        self._options = self._prepare()
        self._update()

    def _prepare(self):
        folder = self._folder
        for name in ("lists/partial", "archives/partial"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        if self._status.startswith(folder):
            open(self._status, "w", encoding="ascii").close()
        with open(os.path.join(folder, "sources.list"), "w", encoding="utf-8") as file:
            file.writelines(archive.source_line(suite) + "\n" for suite in self.suites)
        # As root, because the cache may lie where apt's own user cannot go.
        settings = {
            "APT::Architecture": self.architecture, "APT::Architectures": self.architecture,
            "APT::Sandbox::User": "root", "APT::Install-Recommends": "false",
            "Acquire::Check-Valid-Until": "false", "Acquire::Languages": "none",
            "Dir::Etc::SourceList": f"{folder}/sources.list", "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null", "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State::Lists": f"{folder}/lists", "Dir::State::status": self._status,
            "Dir::State::extended_states": f"{folder}/extended_states",
            "Dir::Cache": folder, "Dir::Cache::archives": self._archives,
            "Debug::NoLocking": "true",
        }
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

    def _apt(self, tool, *words, **options):
        try:
            return run(tool, "-q", *self._options, *words, **options)
        except Failed as failure:
            raise Unavailable(f"{'+'.join(self.suites)} {self.architecture}: {failure}") from None

    def _update(self):
        """Fetches the lists, once a day."""
        stamp = os.path.join(self._folder, "updated")
        if os.path.exists(stamp) and time.time() - os.path.getmtime(stamp) < LISTS_SECONDS:
            return
        self._apt("apt-get", "-o", "APT::Update::Error-Mode=any", "update")
        with open(stamp, "w", encoding="ascii"):
            pass

    def depends(self, package, pattern):
        """Names of the direct dependencies of the package's newest version that match."""
        shown = self._apt("apt-cache", "--no-all-versions", "show", package)
        depends = " ".join(re.findall(r"^Depends: (.*)$", shown, re.MULTILINE))
        names = re.findall(r"[a-z0-9][a-z0-9+.-]+", re.sub(r"\([^)]*\)", "", depends))
        return [name for name in names if re.fullmatch(pattern, name)]

    def tree(self, packages, complete=False):
        """The folder with these packages unpacked; `complete`: with everything that they need."""
        words = ["download", *packages]
        if complete:
            words = ["install", "-y", "--download-only", "--reinstall", "-t", self.suites[-1],
                     *packages]
        names = self._plan(words)
        identity = " ".join([TREE_FORM, self.architecture, *names])
        tree = os.path.join(self._trees, hashlib.sha256(identity.encode()).hexdigest()[:16])
        if not kept(tree):
            self._download(words, names)
            self._unpack(names, tree)
        return tree

    def _plan(self, words):
        """The names of the .deb files, versions included; asked for an empty archive apt tells all.
        """
        nothing = os.path.join(self._folder, "nothing")
        os.makedirs(os.path.join(nothing, "partial"), exist_ok=True)
        planned = self._apt("apt-get", "-o", f"Dir::Cache::archives={nothing}", "--print-uris",
                            *words)
        return sorted(re.findall(r"^'[^']+' (\S+\.deb) ", planned, re.MULTILINE))

    def _download(self, words, names):
        self._apt("apt-get", *words, cwd=self._archives)
        missing = [name for name in names if not os.path.exists(os.path.join(self._archives, name))]
        if missing:
            raise Unavailable(f"apt-get {' '.join(words)} did not bring {', '.join(missing)}")

    def _unpack(self, names, tree):
        """Whole or not at all; the packages are not needed any more then."""
        unfinished = tree + ".unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        os.makedirs(unfinished)
        for name in names:
            run("dpkg-deb", "-x", os.path.join(self._archives, name), unfinished)
        _link_tops(unfinished)
        _keep_links_inside(unfinished)
        os.rename(unfinished, tree)
        for name in names:
            os.unlink(os.path.join(self._archives, name))


def kernel(cache, suite, architecture="amd64"):
    """The tree of the kernel for virtual machines that a suite offers today.

    linux-image-cloud-* depends on the image of today; newer releases split it further.
    """
    packages = Suite(cache, [suite], architecture)
    part = r"linux-(image|binary|modules|base-modules)-\d.*"
    images = packages.depends(f"linux-image-cloud-{architecture}", part)
    if not images:
        raise Unavailable(f"linux-image-cloud-{architecture} of {suite} depends on no image")
    more = [name for image in images for name in packages.depends(image, part)]
    return packages.tree(sorted({*images, *more}))
