# SPDX-License-Identifier: Apache-2.0
"""The daemon for arm64, built on this host against unpacked packages of its own release.

dpkg is not told of another architecture: what the build links and what the guest runs come from
one tree.
"""

import os
import shutil

import packages
from packages import Unavailable

COMPILER = "aarch64-linux-gnu-gcc"
PACKAGES = (
    "libbpf-dev", "libelf-dev", "zlib1g-dev", "libyaml-dev", "libjansson-dev",
    "libmicrohttpd-dev", "libxxhash-dev", "libgnutls28-dev", "libcurl4-openssl-dev",
    "libprotobuf-c-dev", "libsnappy-dev", "libzstd-dev", "libncurses-dev", "libpcap-dev", "libc6-dev",
    "libgcc-s1", "libzydis-dev",
    "python3", "iproute2", "nftables", "mount", "util-linux", "openssl",
)


def tree(cache, release):
    """What to link against and to run: -dev packages, Python, the tools of the tests."""
    return packages.Suite(cache, [release], "arm64").tree(PACKAGES, complete=True)


def build(source, root):
    """Builds in build/arm64 beside the other presets; returns the daemon's path."""
    if shutil.which(COMPILER) is None:
        raise Unavailable(f"{COMPILER} is not installed (gcc-aarch64-linux-gnu)")
    folder = os.path.join(source, "build", "arm64")
    toolchain = os.path.join(os.path.dirname(os.path.abspath(__file__)), "aarch64.cmake")
    # --fresh: CMake would keep what it found in the tree of yesterday's packages.
    packages.run("cmake", "--fresh", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
                 "-DEYE_TESTS=OFF", f"-DCMAKE_TOOLCHAIN_FILE={toolchain}",
                 f"-DEYE_SYSROOT={root}", "-B", folder, "-S", source)
    packages.run("cmake", "--build", folder, "--target", "sockeye")
    return os.path.join(folder, "collector", "sockeye")
