# SPDX-License-Identifier: Apache-2.0
"""What may happen to the file of exporter "file": nothing is lost that was not counted, each line
is whole and there once, and what is not ours stays as it is."""

import collections
import contextlib
import errno
import os
import shutil
import unittest

import fault_frame
import harness
import payloads
from traffic import Truth

TMPFS_BYTES = 2 * 1024 * 1024
TMPFS_INODES = 256
# So little that every write is to a new file.
ROTATED = ("max_size: 1KiB", "keep: 1000")
STRANGE = "not a line of the daemon\n"
ATTEMPTS_MAX = 100

# begin() and end() take the Place; failing attempts have `reason`, "": it must not disturb.
Fault = collections.namedtuple("Fault", "name begin end reason settings mounted",
                               defaults=(lambda place: None, "", (), False))


class Place:
    """The folder of one exporter, and all the files that its lines went to."""

    def __init__(self, test, mounted):
        self.folder = os.path.join(harness.temporary_folder(test), "folder")
        os.mkdir(self.folder, 0o755)
        self.path = os.path.join(self.folder, "lines")
        self._stack = contextlib.ExitStack()
        test.addCleanup(self._stack.close)
        self._gone = []
        if mounted:
            self.mount("-t", "tmpfs", "-o", f"size={TMPFS_BYTES},nr_inodes={TMPFS_INODES},mode=755",
                       "none")

    def mount(self, *words):
        harness.command("mount", *words, self.folder)
        self._stack.callback(harness.command, "umount", "--lazy", self.folder, check=False)

    def unmount(self):
        harness.command("umount", "--lazy", self.folder)

    def beside(self, name):
        return os.path.join(self.folder, name)

    def hold(self):
        """The file's lines are to be read when its name is gone."""
        self._gone.append(self._stack.enter_context(open(self.path, encoding="utf-8")))

    def texts(self):
        for file in self._gone:
            yield file.read()
        for entry in os.scandir(self.folder):
            if entry.name.startswith("lines"):
                with open(entry.path, encoding="utf-8") as file:
                    yield file.read()


def fill_blocks(place):
    with open(place.beside("ballast"), "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))


def empty_blocks(place):
    os.unlink(place.beside("ballast"))


def fill_inodes(place):
    """Then the file is rotated away: there is none for a new one."""
    try:
        for number in range(TMPFS_INODES + 1):
            with open(place.beside(f"ballast-{number}"), "wb"):
                pass
    except OSError as error:
        assert error.errno == errno.ENOSPC
    move(place)


def empty_inodes(place):
    for name in os.listdir(place.folder):
        if name.startswith("ballast-"):
            os.unlink(place.beside(name))


def move(place):
    """As logrotate does it."""
    os.rename(place.path, place.path + ".moved")


def remove(place):
    place.hold()
    os.unlink(place.path)


def replace(text):
    """Another file with this text has its name."""
    def begin(place):
        with open(place.beside("other"), "w", encoding="utf-8") as file:
            file.write(text)
        place.hold()
        os.replace(place.beside("other"), place.path)
    return begin


def take_stranger(place):
    with open(place.path, encoding="utf-8") as file:
        assert file.read() == STRANGE
    os.unlink(place.path)


def link(place):
    remove(place)
    os.symlink(place.beside("victim"), place.path)


def take_link(place):
    assert not os.path.exists(place.beside("victim"))
    os.unlink(place.path)


def make_folder(place):
    remove(place)
    os.mkdir(place.path)


def take_folder(place):
    os.rmdir(place.path)


def make_read_only(place):
    """Another mount of the folder, since a file system with an open file cannot be remounted. It
    is read-only before it gets there, where the daemon may open a file at any time."""
    aside = place.folder + ".aside"
    os.mkdir(aside)
    harness.command("mount", "--bind", place.folder, aside)
    try:
        harness.command("mount", "-o", "remount,bind,ro", aside)
        place.mount("--bind", aside)
    finally:
        harness.command("umount", aside)


def unmount(place):
    place.hold()
    place.unmount()


def move_folder(place):
    os.rename(place.folder, place.folder + ".away")


def bring_folder(place):
    os.rename(place.folder + ".away", place.folder)


def remove_folder(place):
    place.hold()
    shutil.rmtree(place.folder)


def make_new_folder(place):
    os.mkdir(place.folder, 0o755)


FAULTS = (
    Fault("full", fill_blocks, empty_blocks, "other", mounted=True),
    Fault("full-rotated", fill_blocks, empty_blocks, "other", ROTATED, mounted=True),
    Fault("no-inode", fill_inodes, empty_inodes, "other", mounted=True),
    Fault("moved", move),
    Fault("removed", remove),
    Fault("replaced", replace("")),
    Fault("stranger", replace(STRANGE), take_stranger, "other"),
    Fault("link", link, take_link, "other"),
    Fault("folder-in-place", make_folder, take_folder, "other"),
    Fault("read-only", make_read_only, Place.unmount, "other", ROTATED),
    Fault("unmounted", unmount, mounted=True),
    Fault("folder-away", move_folder, bring_folder, "refused"),
    Fault("folder-removed", remove_folder, make_new_folder, "refused"))


class Files(fault_frame.Frame):

    LANE_GROWTH_KIB = 128  # names of series and the piece that is written

    def lanes(self, name):
        return [fault_frame.Lane(name)]

    def test_faults(self):
        places = {fault.name: Place(self, fault.mounted) for fault in FAULTS}
        self.names = list(places)
        failing = [fault.name for fault in FAULTS if fault.reason]
        self.start([self.exporter(fault, places[fault.name]) for fault in FAULTS])
        with self.truth.live(self):
            self.daemon.wait_for_snapshots(1)
            for fault in FAULTS:
                fault.begin(places[fault.name])
            for name in failing:
                self.wait_for_two_failures(name)
            for fault in FAULTS:
                fault.end(places[fault.name])
            self.wait_until_recovered(failing)
        self.finish()
        for fault in FAULTS:
            with self.subTest(fault=fault.name):
                self.check(fault, payloads.Lines(places[fault.name].texts()))

    @staticmethod
    def exporter(fault, place):
        inside = "".join(f", {text}" for text in fault.settings)
        return (f"{{type: file, name: '{fault.name}', path: '{place.path}', "
                f"metrics: {{allow: {Truth().metrics}}}{inside}}}")

    def check(self, fault, lines):
        name = fault.name
        print(f"  {name}: {lines.count} lines, {self.books.failures(name)}")
        if fault.reason:
            self.check_retried(name, fault.reason, (1, ATTEMPTS_MAX))
        else:
            self.assertEqual(self.books.failures(name), {})
            self.assertEqual(self.books.dropped(name), {})
            self.assertEqual(self.books.problems(name), [])
        self.assertEqual(self.books.skipped(name), 0)
        self.assertEqual(lines.problems, [])
        self.assertEqual(self.truth.difference(lines), [])
        self.assertIn(self.books.points(name), lines.counts()[-4:])


if __name__ == "__main__":
    unittest.main(verbosity=2)
