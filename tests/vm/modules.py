# SPDX-License-Identifier: Apache-2.0
"""The modules of one kernel that the guests need, and what these depend on."""

import glob
import hashlib
import lzma
import os
import shutil

import packages
from cache import kept
from initramfs import Archive
from packages import Unavailable

# What the live tests use: veth pairs, nftables with its expressions, sock_diag for ss, TLS with its
# cipher.
WANTED = (
    "veth", "tcp_diag", "inet_diag", "nf_tables", "nft_reject", "nft_reject_inet",
    "nft_reject_ipv4", "nft_reject_ipv6", "nft_numgen", "nft_ct", "nft_counter", "nft_chain_nat",
    "nft_nat", "nft_masq", "nft_redir", "crc32c_generic", "libcrc32c",
    "tls", "gcm", "ctr", "ghash_generic",
)
INDEXES = ("modules.alias", "modules.symbols", "modules.softdep", "modules.builtin",
           "modules.builtin.modinfo", "modules.order")


def image(tree):
    """The kernel in an unpacked package: where it lies differs by release."""
    for pattern in ("boot/vmlinuz-*", "lib/modules/*/vmlinuz"):
        for path in glob.glob(os.path.join(tree, pattern)):
            return path
    raise Unavailable(f"no vmlinuz in {tree}")


def release(tree):
    """uname -r of an unpacked kernel, and the folder of its modules."""
    for path in glob.glob(os.path.join(tree, "lib/modules/*")):
        return os.path.basename(path), path
    raise Unavailable(f"no modules in {tree}")


def _plain(name):
    """A module's file name without its compression."""
    return name.removesuffix(".xz")


def _content(path):
    if path.endswith(".xz"):
        with lzma.open(path) as file:
            return file.read()
    with open(path, "rb") as file:
        return file.read()


def dependencies(text):
    """{module: [path, paths that it needs ...]} of a modules.dep."""
    found = {}
    for line in text.splitlines():
        path, _, needs = line.partition(":")
        name = os.path.basename(_plain(path)).removesuffix(".ko").replace("-", "_")
        found[name] = [path, *needs.split()]
    return found


def _index(folder, version):
    """depmod(8) where the package was unpacked: Debian runs it at installation only."""
    if not os.path.exists(os.path.join(folder, "modules.dep")):
        top = folder.removesuffix(f"/lib/modules/{version}")
        packages.run(shutil.which("depmod", path="/usr/sbin:/sbin:/usr/bin") or "depmod",
                     "-b", top, version)
    with open(os.path.join(folder, "modules.dep"), encoding="utf-8") as file:
        return file.read()


def modules(cache, tree):
    """The path of the archive with a kernel's modules."""
    version, folder = release(tree)
    wanted = hashlib.sha256(" ".join(WANTED).encode()).hexdigest()[:16]
    target = os.path.join(cache, f"modules-{version}-{wanted}-{os.path.basename(tree)}.cpio")
    if kept(target):
        return target
    archive = Archive()
    index = _index(folder, version)
    known = dependencies(index)
    place = f"usr/lib/modules/{version}"
    for path in sorted({path for name in WANTED for path in known.get(name, ())}):
        archive.data(f"{place}/{_plain(path)}", _content(os.path.join(folder, path)))
    archive.text(f"{place}/modules.dep", index.replace(".ko.xz", ".ko"))
    for name in INDEXES:
        if os.path.exists(os.path.join(folder, name)):
            archive.file(f"{place}/{name}", os.path.join(folder, name))
    archive.write(target)
    return target
