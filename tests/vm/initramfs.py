# SPDX-License-Identifier: Apache-2.0
"""Archives that the kernel unpacks into its first root file system (newc cpio).

The kernel takes several archives one behind the other, so what all guests share is made once.
They are not compressed: a guest without KVM copies memory faster than it inflates.
"""

import os
import stat


class Archive:
    """What will be in the guest, by its path there; the last one to take a path has it.

    Folders above a path come by themselves. Nothing is read before write().
    """

    # Inode, mode, owner, group, links, time, size, four device numbers, length of the name,
    # checksum: cpio(5), "New ASCII Format".
    _HEADER = "070701" + "{:08x}" * 13

    def __init__(self):
        self._entries = {}  # path without leading slash -> (mode, source path or bytes)

    def file(self, path, source, mode=None):
        """A copy of a host's file, links followed."""
        if mode is None:
            mode = stat.S_IMODE(os.stat(source).st_mode)
        self._add(path, stat.S_IFREG | mode, os.path.realpath(source))

    def text(self, path, text, mode=0o644):
        self._add(path, stat.S_IFREG | mode, text.encode())

    def data(self, path, content):
        self._add(path, stat.S_IFREG | 0o644, content)

    def link(self, path, target):
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def folder(self, path, mode=0o755):
        self._add(path, stat.S_IFDIR | mode, b"")

    def __contains__(self, path):
        return path.strip("/") in self._entries

    def _add(self, path, mode, content):
        path = path.strip("/")
        parent = os.path.dirname(path)
        if parent and parent not in self._entries:
            self.folder(parent)
        self._entries[path] = (mode, content)

    def write(self, target):
        """Whole or not at all: archives are kept from run to run."""
        unfinished = f"{target}.{os.getpid()}"
        with open(unfinished, "wb") as file:
            for number, path in enumerate(sorted(self._entries), start=1):
                self._write_entry(file, number, path, *self._entries[path])
            self._write_entry(file, 0, "TRAILER!!!", 0, b"")
        os.rename(unfinished, target)

    def _write_entry(self, file, inode, path, mode, content):
        if isinstance(content, str):
            with open(content, "rb") as source:
                content = source.read()
        name = path.encode() + b"\0"
        header = self._HEADER.format(inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0,
                                     len(name), 0)
        for part in (header.encode() + name, content):
            file.write(part + bytes(-len(part) % 4))
