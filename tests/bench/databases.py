# SPDX-License-Identifier: Apache-2.0
"""Databases at saturation, each under the load generator that comes with it."""

import glob
import os
import pwd
import re
import subprocess
import time

from machine import Failed, Load, command, end, need, write


def wait_for(ready, what, seconds=20):
    """Asks until a command succeeds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return command(*ready)
        except Failed:
            if time.monotonic() > deadline:
                raise Failed(f"{what} does not answer") from None
            time.sleep(0.1)


class Redis(Load):
    """redis-server, redis-benchmark with 50 connections and so many GETs at once on each."""

    unit = "commands/s"
    _PORT = 6399
    _FOR_EVER = str(10**9)

    def __init__(self, pipeline):
        self.name = f"Redis, GET by {pipeline}"
        self._pipeline = str(pipeline)

    def __enter__(self):
        need("redis-server", "redis-benchmark")
        self._server = subprocess.Popen(
            ["redis-server", "--port", str(self._PORT), "--save", "", "--appendonly", "no"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_for(self._cli("ping"), "redis-server")
        return self

    def __exit__(self, *unused):
        end(self._server)

    def _cli(self, *words):
        return ["redis-cli", "-p", str(self._PORT), *words]

    def _served(self):
        found = re.search(r"cmdstat_get:calls=(\d+)",
                          command(*self._cli("info", "commandstats")))
        return int(found[1]) if found else 0

    def run(self, seconds):
        begin, before = time.monotonic(), self._served()
        client = subprocess.Popen(
            ["redis-benchmark", "-p", str(self._PORT), "-P", self._pipeline, "-n", self._FOR_EVER,
             "-t", "get", "-q"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(seconds)
        count, took = self._served() - before, time.monotonic() - begin
        if client.poll() is not None:
            raise Failed(f"redis-benchmark: exit {client.returncode}")
        end(client)
        return {"count": count, "seconds": took}


class Postgres(Load):
    """A server of PostgreSQL, pgbench with 8 connections and 1 thread. What `script` asks for is
    `units` units; without one it is a row of pgbench's own."""

    _PORT = 5499

    def __init__(self, folder, name, unit, script=None, units=1):
        self.name, self.unit = name, unit
        self._folder = os.path.join(folder, "postgres")
        self._script, self._units = script, units

    def __enter__(self):
        folders = glob.glob("/usr/lib/postgresql/*/bin")
        need("pgbench", "setpriv", *(["psql"] if folders else ["postgresql"]))
        user = pwd.getpwnam("nobody")
        data = os.path.join(self._folder, "data")
        # The folder above is root's alone.
        os.chmod(os.path.dirname(self._folder), 0o711)
        os.makedirs(self._folder, exist_ok=True)
        os.chown(self._folder, user.pw_uid, user.pw_gid)
        unprivileged = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}",
                        "--clear-groups"]
        first = not os.path.exists(data)
        if first:
            command(*unprivileged, os.path.join(max(folders), "initdb"), "-D", data, "-U",
                    "postgres", "-A", "trust", "--no-sync", cwd=self._folder)
        self._server = subprocess.Popen(
            [*unprivileged, os.path.join(max(folders), "postgres"), "-D", data, "-k", self._folder,
             "-p", str(self._PORT), "-c", "fsync=off"], cwd=self._folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(["pg_isready", *self._options()], "postgres")
        if first:
            command("pgbench", *self._options(), "-i", "-q", "postgres")
        return self

    def __exit__(self, *unused):
        end(self._server)

    def _options(self):
        return "-h", "127.0.0.1", "-p", str(self._PORT), "-U", "postgres"

    def run(self, seconds):
        asked = ["-S"]
        if self._script:
            path = os.path.join(self._folder, "script")
            write(path, self._script)
            asked = ["-f", path]
        text = command("pgbench", *self._options(), "-n", "-c", "8", "-j", "1", "-T", str(seconds),
                       *asked, "postgres")
        found = re.search(r"actually processed: (\d+)", text)
        if found is None or "number of failed transactions: 0 " not in text:
            raise Failed(f"pgbench said: {text.strip()[-300:]}")
        return {"count": int(found[1]) * self._units, "seconds": seconds}
