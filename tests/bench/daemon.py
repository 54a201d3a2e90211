# SPDX-License-Identifier: Apache-2.0
"""The daemon under measurement: started, watched through /proc, stopped."""

import contextlib
import glob
import json
import os
import subprocess
import threading
import time

from machine import Failed, command, end

OBSERVING, TIER = "observing", "tier socket-storage"
NULL = '{type: "null"}'
JSON_CONSOLE = "{type: console, format: json}"


class Daemon:
    """`sockeye run` with nothing but the exporter given; observing when the context begins.

    `start_seconds` is the time from exec to the log line that says so. `http` is protocols.http:
    what is measured is followed from the start. `settings` are further keys and their values.
    """

    def __init__(self, path, exporter=NULL, interval="1s", http="true", control='""',
                 settings=()):
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("SOCKEYE", "DD_", "OTEL_"))}
        begin = time.monotonic()
        self._process = subprocess.Popen(
            [path, "run", "-c", os.devnull, "--set", f"interval={interval}",
             "--set", f"protocols.http={http}", "--set", f"exporters=[{exporter}]",
             "--set", f"control.socket={control}",
             *(word for setting in settings for word in ("--set", setting))],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment,
            stdout=subprocess.PIPE if exporter == JSON_CONSOLE else subprocess.DEVNULL)
        self._log = []
        self._wait_until_observing()
        self.start_seconds = time.monotonic() - begin
        self._threads = [threading.Thread(target=self._read_log, daemon=True)]
        self.points = []
        if self._process.stdout is not None:
            self._threads.append(threading.Thread(target=self._read_points, daemon=True))
        for thread in self._threads:
            thread.start()

    def _wait_until_observing(self):
        for line in self._process.stderr:
            self._log.append(line.strip())
            if OBSERVING in line:
                self._check_tier(line)
                return
        self._process.wait()
        raise Failed(f"the daemon ended with {self._process.returncode}: " + " / ".join(self._log))

    def _check_tier(self, line):
        """What another tier costs is none of the figures asked for."""
        if TIER not in line:
            self._process.kill()
            raise Failed("the daemon does not observe by eBPF: " + " / ".join(self._log))

    def _read_log(self):
        for line in self._process.stderr:
            self._log.append(line.strip())

    def _read_points(self):
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                self.points.append(json.loads(line))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()

    def stop(self):
        """Ends it politely and reads its last words: all that it saw is in `points` then."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired as error:
                self._process.kill()
                raise Failed("the daemon did not stop within 60 s") from error
        for thread in self._threads:
            thread.join()
        end(self._process)
        if self._process.returncode != 0:
            raise Failed(f"the daemon ended with {self._process.returncode}: "
                         + " / ".join(self._log))

    # ---- what it costs ----

    def cpu_ns(self):
        return cpu_ns_of(self._process.pid)

    def resident_bytes(self):
        return self._memory("VmRSS")

    def peak_bytes(self):
        return self._memory("VmHWM")

    def _memory(self, key):
        for line in _read(f"/proc/{self._process.pid}/status").splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) * 1024
        raise Failed(f"no {key} in /proc/PID/status")

    def map_bytes(self):
        """Memory of the maps, as the kernel counts it: without what each socket keeps in them."""
        maps = {fields["map_id"]: int(fields["memlock"])
                for fields in fdinfos(self._process.pid) if "map_type" in fields}
        return sum(maps.values())

    def programs(self):
        return programs_of(self._process.pid)

    def said(self, text):
        """Whether the log has it."""
        return any(text in line for line in list(self._log))

    # ---- what it saw ----

    def counted(self, metric, **tags):
        """Sum of the increases of a counter, or of the counts of a distribution."""
        wanted = {name: str(value) for name, value in tags.items()}.items()
        total = 0
        for point in self.points:
            if point["metric"].removeprefix("sockeye.") == metric and \
                    wanted <= point["tags"].items():
                total += point["value"] if point["kind"] == "counter" else point["count"]
        return total

    def gauges(self, metric):
        """{tags: value} of a gauge, each as told last."""
        return {tuple(sorted(point["tags"].items())): point["value"] for point in self.points
                if point["metric"].removeprefix("sockeye.") == metric}


class Tcplife:
    """tcplife of libbpf-tools, which prints a line for each TCP connection that has ended.

    It needs tracefs, which goes with the mount namespace of its own.
    """

    WITH_TRACEFS = ("unshare", "--mount", "sh", "-c",
                    "mountpoint -q $0 || mount -t tracefs tracefs $0; exec \"$@\"",
                    "/sys/kernel/tracing")

    def __init__(self, path):
        self._process = subprocess.Popen([*self.WITH_TRACEFS, path], stdin=subprocess.DEVNULL,
                                         text=True, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.PIPE)

    def __enter__(self):
        for _ in range(100):
            loaded = programs_of(self._process.pid)
            time.sleep(0.5)  # attaching is the next that it does, and may fail
            if self._process.poll() is not None:
                said = self._process.stderr.read().strip().split("\n")
                end(self._process)
                raise Failed(f"tcplife cannot run on this kernel: {said[0]}")
            if loaded:
                return self
        end(self._process)
        raise Failed("tcplife loaded no program within 50 s")

    def __exit__(self, *unused):
        end(self._process)

    def cpu_ns(self):
        return cpu_ns_of(self._process.pid)


def cpu_ns_of(pid):
    """CPU time of a process so far, user and system, of all threads.

    From schedstat: the same that stat shows in utime and stime, but in nanoseconds instead of
    clock ticks, of which a window has only a few.
    """
    folder = f"/proc/{pid}"
    threads = glob.glob(f"{folder}/task/*/schedstat")
    if threads:
        return sum(int(_read(path).split()[0]) for path in threads)
    fields = _read(f"{folder}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 10**9 // os.sysconf("SC_CLK_TCK")


def fdinfos(pid):
    """What the kernel says of each descriptor: {key: value}."""
    for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
        with contextlib.suppress(OSError):
            yield dict(line.split(":", 1) for line in _read(path).splitlines() if ":" in line)


def programs_of(pid):
    """{name: (run time in ns, runs)} of a process' kernel programs, as the kernel counts them."""
    ids = {int(fields["prog_id"]) for fields in fdinfos(pid) if "prog_type" in fields}
    every = json.loads(command("bpftool", "-j", "prog", "show"))
    return {program["name"]: (program.get("run_time_ns", 0), program.get("run_cnt", 0))
            for program in every if program["id"] in ids}


def _read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def program_cost(before, after):
    """{name: (ns, runs)} of what programs() grew by."""
    return {name: (after[name][0] - ns, after[name][1] - runs)
            for name, (ns, runs) in before.items() if name in after}
