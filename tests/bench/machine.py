# SPDX-License-Identifier: Apache-2.0
"""The ground of a run: a network namespace of its own, the BPF run-time statistics, the loads.

The benchmark moves itself into a fresh network namespace, which goes with its last process: no
port is anybody else's and nothing has to be cleaned up.
"""

import contextlib
import ctypes
import os
import re
import shutil
import socket
import subprocess
import sys
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BPF_STATS = "/proc/sys/kernel/bpf_stats_enabled"
CLONE_NEWNET = 0x40000000
NGINX_PORT = 8080
STATUS_PORT = 8081
TLS_PORT = 8443

NGINX_CONFIG = f"""
worker_processes 2;
worker_cpu_affinity auto;
daemon off;
pid {{folder}}/nginx.pid;
error_log stderr crit;
user root;
events {{{{ worker_connections 1024; }}}}
http {{{{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {{folder}}/body;
    proxy_temp_path {{folder}}/proxy;
    fastcgi_temp_path {{folder}}/fastcgi;
    uwsgi_temp_path {{folder}}/uwsgi;
    scgi_temp_path {{folder}}/scgi;
    server {{{{
        listen 127.0.0.1:{NGINX_PORT} reuseport;
        location / {{{{ return 200 "hello, world\\n"; }}}}
    }}}}
    {{more}}
    server {{{{
        listen 127.0.0.1:{STATUS_PORT};
        location / {{{{ stub_status; }}}}
    }}}}
}}}}
"""

TLS_SERVER = f"""
    server {{{{
        listen 127.0.0.1:{TLS_PORT} ssl reuseport;
        ssl_certificate {{folder}}/certificate.pem;
        ssl_certificate_key {{folder}}/key.pem;
        location / {{{{ return 200 "hello, world\\n"; }}}}
    }}}}
"""

# wrk calls this when it is done; the times are in microseconds.
WRK_SCRIPT = """
function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format("figures %d %d %.3f %d\\n", summary.requests, summary.duration,
        latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


class Failed(Exception):
    """Something could not be measured; the text says what and why."""


def say(text):
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


def need(*programs):
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        raise Failed(f"not installed: {', '.join(missing)} (packaging/dev bench installs them)")


def command(*words, timeout=600, **options):
    """Runs a command; returns what it printed."""
    done = subprocess.run(words, timeout=timeout, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(words)}: exit {done.returncode}: "
                     f"{(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def enter_own_namespace():
    """A fresh network namespace for this process and its children.

    Without TIME_WAIT in it: the connection load reuses ports faster than these would expire.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise Failed(f"cannot make a network namespace: {os.strerror(ctypes.get_errno())}; "
                     "run as root")
    command("ip", "link", "set", "lo", "up")
    write("/proc/sys/net/ipv4/tcp_max_tw_buckets", "0")


@contextlib.contextmanager
def bpf_stats(wanted):
    """kernel.bpf_stats_enabled as wanted, and as it was afterwards."""
    with open(BPF_STATS, encoding="ascii") as file:
        before = file.read().strip()
    write(BPF_STATS, str(int(wanted)))
    try:
        yield
    finally:
        write(BPF_STATS, before)


def compile_loads(folder):
    """The load generators, compiled into a folder: {name: path}."""
    need("gcc")
    loads = {}
    for name, libraries in (("conn", ()), ("rr", ()), ("udp", ()), ("idle", ()), ("map", ()),
                            ("tls_pair", ("-lssl", "-lcrypto"))):
        loads[name] = os.path.join(folder, name)
        command("gcc", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE",
                "-pthread", f"-I{ROOT}", os.path.join(ROOT, "tests/bench", f"{name}.c"),
                os.path.join(ROOT, "collector/base/parse.c"), "-o", loads[name], *libraries)
    return loads


def end(process):
    """Ends a child that we started, and its pipes."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


class Load:
    """Something that keeps the machine busy. run(seconds) returns what it counted: "count", the
    seconds that it took, and what else it knows. Used as a context it keeps its server."""

    name = ""
    unit = ""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        return None

    def run(self, seconds):
        raise NotImplementedError


class Generator(Load):
    """One of our own C programs, which prints a count and nanoseconds."""

    def __init__(self, name, unit, path, *arguments):
        self.name, self.unit = name, unit
        self._words = [path, *map(str, arguments)]

    def run(self, seconds):
        count, nanoseconds = command(*self._words, str(seconds)).split()
        return {"count": int(count), "seconds": int(nanoseconds) / 1e9}


class Iperf(Load):
    """Bulk bytes over one connection."""

    name, unit = "TCP throughput", "bytes/s"

    def __enter__(self):
        need("iperf3")
        self._server = subprocess.Popen(["iperf3", "-s", "-p", "5201", "--forceflush"], text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        for line in self._server.stdout:
            if "listening" in line:
                break
        # Its reports go nowhere: a full pipe would stop it.
        self._drain = subprocess.Popen(["cat"], stdin=self._server.stdout,
                                       stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *unused):
        end(self._server)
        end(self._drain)

    def run(self, seconds):
        text = command("iperf3", "-c", "127.0.0.1", "-p", "5201", "-t", str(seconds), "-f", "k")
        # [  5]   0.00-2.00   sec  12345678 KBytes  50000000 Kbits/sec    receiver
        found = re.search(r"0\.00-([\d.]+)\s+sec\s.*\s([\d.]+) Kbits/sec\s+receiver", text)
        if found is None:
            raise Failed(f"iperf3 said: {text.strip()[-300:]}")
        length, kilobits = float(found[1]), float(found[2])
        return {"count": kilobits * 125 * length, "seconds": length}


class Nginx(Load):
    """HTTP/1 keep-alive at saturation: nginx with 2 workers, wrk with 1 thread, 64 connections.

    Each worker stays on a core and listens for itself, so that both get about as many connections
    in every run. Otherwise one of them may get nearly all: rates then vary by a factor of two and
    p99 by twenty (with it, by 1 and 3 %).
    """

    name, unit = "HTTP/1 keep-alive", "requests/s"
    headers = ()
    url = f"http://127.0.0.1:{NGINX_PORT}"
    more = ""

    def __init__(self, folder):
        self._folder = folder

    def __enter__(self):
        need("nginx", "wrk", "curl")
        config = os.path.join(self._folder, "nginx.conf")
        self._script = os.path.join(self._folder, "wrk.lua")
        write(config, NGINX_CONFIG.format(folder=self._folder,
                                          more=self.more.format(folder=self._folder)))
        write(self._script, WRK_SCRIPT)
        self._server = subprocess.Popen(["nginx", "-e", "stderr", "-c", config],
                                        stdin=subprocess.DEVNULL)
        command("curl", "-sS", "--retry", "20", "--retry-connrefused", "--retry-delay", "1",
                f"http://127.0.0.1:{STATUS_PORT}/")
        return self

    def __exit__(self, *unused):
        end(self._server)

    def served(self):
        """Requests that nginx has counted, this question among them."""
        text = command("curl", "-sS", f"http://127.0.0.1:{STATUS_PORT}/")
        # "server accepts handled requests" and the three numbers in the line below it.
        return int(text.splitlines()[2].split()[2])

    def run(self, seconds):
        before = self.served()
        text = command("wrk", "-t1", "-c64", f"-d{seconds}s", "-s", self._script, *self.headers,
                       f"{self.url}/hello/world?name=value")
        served = self.served() - before - 1
        found = re.search(r"^figures (\d+) (\d+) ([\d.]+) (\d+)$", text, re.M)
        if found is None or int(found[4]) > 0:
            raise Failed(f"wrk said: {text.strip()[-300:]}")
        return {"count": served, "seconds": int(found[2]) / 1e6, "p99": float(found[3]) / 1e6}


class ClosingNginx(Nginx):
    """The same with a connection for each request."""

    name = "HTTP/1, a connection per request"
    headers = ("-H", "Connection: close")


def make_certificate(key, certificate):
    """Into two files, or one."""
    text = command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=bench",
                   "-keyout", key)
    with open(certificate, "a" if certificate == key else "w", encoding="ascii") as file:
        file.write(text)


class EncryptedNginx(Nginx):
    """The same inside TLS."""

    name = "HTTP/1 inside TLS, keep-alive"
    url = f"https://127.0.0.1:{TLS_PORT}"
    more = TLS_SERVER

    def __enter__(self):
        need("openssl")
        make_certificate(f"{self._folder}/key.pem", f"{self._folder}/certificate.pem")
        return super().__enter__()


class GoServer(Load):
    """HTTP/1 inside Go's crypto/tls, keep-alive: wrk with 1 thread, 64 connections."""

    name, unit = "HTTP/1 inside TLS of Go, keep-alive", "requests/s"
    _PORT = 5281

    def __init__(self, folder):
        self._folder = folder
        self.program = os.path.join(folder, "tls_peer")

    def __enter__(self):
        need("go", "wrk", "openssl")
        pem = os.path.join(self._folder, "go.pem")
        make_certificate(pem, pem)
        command("go", "build", "-o", self.program,
                os.path.join(ROOT, "tests/integration/tls_peer.go"),
                env={**os.environ, "GO111MODULE": "off",
                     "GOCACHE": os.path.join(self._folder, "go-cache")})
        self._server = subprocess.Popen([self.program, "serve", str(self._PORT), pem],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self._server.stdout.readline()
        return self

    def __exit__(self, *unused):
        end(self._server)

    def run(self, seconds):
        text = command("wrk", "-t1", "-c64", f"-d{seconds}s",
                       f"https://127.0.0.1:{self._PORT}/small")
        found = re.search(r"^ *(\d+) requests in ([\d.]+)s", text, re.M)
        if found is None or "Socket errors" in text:
            raise Failed(f"wrk said: {text.strip()[-300:]}")
        return {"count": int(found[1]), "seconds": float(found[2])}


class Nghttpd(Load):
    """HTTP/2 at saturation: nghttpd with one worker, h2load with 1 thread, 8 connections, 10
    requests at once on each."""

    name, unit = "HTTP/2", "requests/s"
    _PORT = 5280

    def __init__(self, folder):
        self._folder = folder

    def __enter__(self):
        need("nghttpd", "h2load", "curl")
        write(os.path.join(self._folder, "page"), "x" * 100)
        self._server = subprocess.Popen(
            ["nghttpd", "--no-tls", "-d", self._folder, str(self._PORT)],
            stdin=subprocess.DEVNULL)
        command("curl", "-sS", "--retry", "20", "--retry-connrefused", "--retry-delay", "1",
                "--http2-prior-knowledge", f"http://127.0.0.1:{self._PORT}/page")
        return self

    def __exit__(self, *unused):
        end(self._server)

    def run(self, seconds):
        text = command("h2load", "-t1", "-c8", "-m10", f"--duration={seconds}",
                       f"http://127.0.0.1:{self._PORT}/page")
        # "requests: 12 total, 12 started, 12 done, 12 succeeded, 0 failed, ..."
        found = re.search(r"^requests: .* (\d+) succeeded, 0 failed", text, re.M)
        if found is None:
            raise Failed(f"h2load said: {text.strip()[-300:]}")
        return {"count": int(found[1]), "seconds": seconds}


class Talk:
    """HTTP all the time, but hardly any: a request and its answer every 10 ms."""

    def __enter__(self):
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._talk)
        self._thread.start()
        return self

    def __exit__(self, *unused):
        self._stop.set()
        self._thread.join()

    def _talk(self):
        with socket.create_server(("127.0.0.1", 0)) as listener, \
                socket.create_connection(listener.getsockname()) as client:
            server, _ = listener.accept()
            with server:
                while not self._stop.wait(0.01):
                    client.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
                    server.recv(4096)
                    server.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                    client.recv(4096)


class Programs:
    """Empty programs of a program of ours, while the context lasts."""

    def __init__(self, *words):
        self._process = subprocess.Popen(words, text=True, stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE)
        self.pid = self._process.pid

    @staticmethod
    def cpu_ns():
        return 0

    def __enter__(self):
        if self._process.stdout.readline().strip() != "ready":
            end(self._process)
            raise Failed("the empty programs could not be attached")
        return self

    def __exit__(self, *unused):
        end(self._process)


def floor(path):
    """Those of floor.bpf.c, at the places of the daemon's."""
    return Programs(path, command("findmnt", "-n", "-t", "cgroup2", "-o", "TARGET").split("\n")[0])


def own_library(name):
    """The path of a library that this process has loaded."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            if f"/{name}" in line:
                return line.split()[-1]
    raise Failed(f"{name} is not loaded")


class Sockets:
    """Live connections, both ends in one process, spread over some ports."""

    def __init__(self, path, connections, ports, prefix=()):
        self.sockets = 2 * connections
        self._process = subprocess.Popen([*prefix, path, str(connections), str(ports)], text=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        self._expect("ready")
        return self

    def __exit__(self, *unused):
        end(self._process)

    def _expect(self, word):
        line = self._process.stdout.readline().strip()
        if line != word:
            raise Failed(f"the socket holder said {line!r} instead of {word!r}")

    def touch(self):
        """Moves a byte over every connection."""
        self._process.stdin.write("touch\n")
        self._process.stdin.flush()
        self._expect("touched")


class ManySockets:
    """More of them than the descriptors of one process allow: several holders, each in a network
    namespace of its own, since all use the same ports."""

    OWN_NAMESPACE = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    HOLDER_MAX = 9000

    def __init__(self, path, connections, ports):
        holders = -(-connections // self.HOLDER_MAX)
        self._stack = contextlib.ExitStack()
        self._words = [(path, connections // holders, ports, self.OWN_NAMESPACE)] * holders
        self._holders = []
        self.sockets = 2 * (connections // holders) * holders

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._holders = [stack.enter_context(Sockets(*words)) for words in self._words]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *unused):
        self._stack.close()

    def touch(self):
        """Moves a byte over every connection."""
        for holder in self._holders:
            holder.touch()
