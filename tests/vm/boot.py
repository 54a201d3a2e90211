# SPDX-License-Identifier: Apache-2.0
"""One boot of a kernel under QEMU, without KVM, disk and network.

The console and the results have a serial line each, so that a warning of the kernel cannot break
a result. A guest that does not say EXIT as its last word died: then the console tells.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time

import packages

# Debian 12's own QEMU 7.2 emulates cmpxchg16b wrongly: 6.12 dies in every third boot. And it
# cannot go without: the kernel's lock-free allocator, so socket storage in tracing, needs it.
OLDEST_QEMU = 10
MACHINES = {
    "amd64": {"program": "qemu-system-x86_64", "options": ("-cpu", "max"),
              "console": "ttyS0", "results": "ttyS1"},
    "arm64": {"program": "qemu-system-aarch64", "options": ("-M", "virt", "-cpu", "cortex-a72"),
              "console": "ttyAMA0", "results": "ttyAMA1"},
}
TAIL_LINES = 15


class Qemu:
    """QEMU's programs: the host's where they are new enough, else unpacked from backports."""

    def __init__(self, cache, release):
        self._root = ""
        if not self._host_is_new_enough():
            suites = packages.Suite(cache, [release, f"{release}-backports"],
                                    status=packages.HOST_STATUS)
            self._root = suites.tree(["qemu-system-x86", "qemu-system-arm"], complete=True)

    @staticmethod
    def _host_is_new_enough():
        for machine in MACHINES.values():
            if shutil.which(machine["program"]) is None:
                return False
            found = re.search(r"version (\d+)", packages.run(machine["program"], "--version"))
            if not found or int(found[1]) < OLDEST_QEMU:
                return False
        return True

    def command(self, architecture):
        """The words that start it, and the environment that they need."""
        program = MACHINES[architecture]["program"]
        if not self._root:
            return [program], os.environ
        folders = [f"{self._root}/usr/lib/x86_64-linux-gnu", f"{self._root}/lib/x86_64-linux-gnu"]
        data = [word for name in ("qemu", "seabios") for word in
                ("-L", f"{self._root}/usr/share/{name}")]
        return ([f"{self._root}/usr/bin/{program}", *data],
                {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)})


MANY_AT_ONCE = ("-accel", "tcg,thread=multi")
COUNTED = ("-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off")


class Boot:
    """What a guest said: `results` (lines), `exit_code` (None: it died), `seconds`, `tail`."""

    def __init__(self, results, console, seconds):
        self.results = results.splitlines()
        self.console = console
        ends = [re.match(r"EXIT (\d+) ", line) for line in self.results[-1:]]
        self.exit_code = int(ends[0][1]) if ends and ends[0] else None
        self.seconds = seconds
        self.tail = console.splitlines()[-TAIL_LINES:]


def _read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read().replace("\r", "")


def boot(qemu, architecture, kernel, archives, cpus=2, append=(), counted=False, timeout=240):
    """Runs a guest until it goes off, at most `timeout` seconds. `counted`: its clock goes on by a
    nanosecond with each instruction, on one CPU."""
    machine = MACHINES[architecture]
    words, environment = qemu.command(architecture)
    with tempfile.TemporaryDirectory(prefix="sockeye-vm-") as folder:
        initrd, console, results = (os.path.join(folder, name)
                                    for name in ("initrd", "console", "results"))
        with open(initrd, "wb") as file:
            for path in archives:
                with open(path, "rb") as part:
                    shutil.copyfileobj(part, file)
        arguments = (f"console={machine['console']} eye_results={machine['results']} "
                     f"panic=-1 quiet {' '.join(append)}")
        # timeout(1) ends the guest even when this process is killed.
        words = ["timeout", "--kill-after=5", str(timeout), *words, *machine["options"],
                 *(COUNTED if counted else MANY_AT_ONCE), "-m", "1024", "-smp", str(cpus),
                 "-display", "none", "-nodefaults", "-no-reboot", "-kernel", kernel,
                 "-initrd", initrd, "-serial", f"file:{console}", "-serial", f"file:{results}",
                 "-append", arguments]
        start = time.monotonic()
        subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, check=False)
        return Boot(_read(results), _read(console), time.monotonic() - start)
