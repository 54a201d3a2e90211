# SPDX-License-Identifier: Apache-2.0
"""A file system (FUSE, linux/fuse.h) with one program, which one process waits for in vain.

    hanging_mount.py FOLDER PROGRAM PID

Mounts itself at FOLDER, where every name is a file with the bytes of PROGRAM, and says "ready".
Whoever opens one gets it, but for threads of PID: their opens are never answered, and it says "hangs".
"""

import ctypes
import errno
import os
import stat
import struct
import sys

HEAD = struct.Struct("=IIQQIIII")  # fuse_in_header
ANSWER = struct.Struct("=IiQ")  # fuse_out_header
ROOT = 1  # the folder's node; those of files have the next numbers
LOOKUP, GETATTR, OPEN, READ, INIT, FLUSH, RELEASE = 1, 3, 14, 15, 26, 25, 18
REQUEST_BYTES = 1 << 20
VALID_S = 3600


def attributes(node, size):
    """struct fuse_attr"""
    kind = stat.S_IFDIR if node == ROOT else stat.S_IFREG
    return struct.pack("=6Q10I", node, size, 0, 0, 0, 0, 0, 0, 0, kind | 0o755, 1, 0, 0, 0, 4096, 0)


class Mount:
    def __init__(self, folder, program, pid):
        with open(program, "rb") as file:
            self.bytes = file.read()
        self.pid = pid
        self.names = []
        self.fd = os.open("/dev/fuse", os.O_RDWR)
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0".encode()
        if libc.mount(b"hanging", os.fsencode(folder), b"fuse", 0, options) != 0:
            raise OSError(ctypes.get_errno(), "mount")

    def is_kept_waiting(self, thread):
        return os.path.exists(f"/proc/{self.pid}/task/{thread}")

    def lookup(self, name):
        if name not in self.names:
            self.names.append(name)
        node = ROOT + 1 + self.names.index(name)
        entry = struct.pack("=4QII", node, 0, VALID_S, VALID_S, 0, 0)
        return entry + attributes(node, len(self.bytes))

    def answer(self, code, node, body):
        """The body of the answer; None: nobody needs one."""
        if code == INIT:
            return struct.pack("=4I2H8I4x", 7, 31, 0, 0, 1, 1, 4096, 0, 0, 0, 0, 0, 0, 0)
        if code == LOOKUP:
            return self.lookup(body)
        if code == GETATTR:
            return struct.pack("=QII", VALID_S, 0, 0) + attributes(node, len(self.bytes))
        if code == OPEN:
            return struct.pack("=QII", 0, 0, 0)
        if code == READ:
            _, offset, size = struct.unpack_from("=QQI", body)
            return self.bytes[offset:offset + size]
        return b"" if code in (FLUSH, RELEASE) else None

    def serve(self):
        while True:
            request = os.read(self.fd, REQUEST_BYTES)
            _, code, unique, node, _, _, thread, _ = HEAD.unpack_from(request)
            if code == OPEN and self.is_kept_waiting(thread):
                print("hangs", flush=True)
                continue
            body = self.answer(code, node, request[HEAD.size:])
            error = -errno.ENOSYS if body is None else 0
            body = body or b""
            os.write(self.fd, ANSWER.pack(ANSWER.size + len(body), error, unique) + body)


if __name__ == "__main__":
    mount = Mount(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    print("ready", flush=True)
    mount.serve()
