# SPDX-License-Identifier: Apache-2.0
"""Requests inside TLS: real servers and clients, with what both ends have counted themselves.

Of a library that nobody has loaded there is nothing to probe, so each test begins with a process that
has it: this one has OpenSSL.
"""

import concurrent.futures
import contextlib
import http.client
import os
import re
import ssl
import subprocess
import unittest

import harness
import test_reload
from harness import Daemon, command, free_port, need, spawn, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
HANGING = os.path.join(HERE, "hanging_mount.py")
SSL_PEER = os.path.join(HERE, "ssl_peer.c")
READ = re.compile(r"inside TLS: (\S+) of (\S+) is read by its (\S+)")
ENDS = ("http.server.request.duration", "http.client.request.duration")

ASYNCIO = """
import asyncio, ssl, sys
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[2])
async def serve(reader, writer):
    while not reader.at_eof():
        try:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
        except asyncio.IncompleteReadError:
            return
        status = b"404 Not" if b"/missing" in head else b"200 OK"
        writer.write(b"HTTP/1.1 " + status + b"\\r\\nContent-Length: 40000\\r\\n\\r\\n" + b"x" * 40000)
        await writer.drain()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), ssl=context)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()
asyncio.run(main())
"""

FORWARD = """
import socket, sys, threading
def pass_on(source, target):
    while data := source.recv(65536):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
    print("ready", flush=True)
    while True:
        client = listener.accept()[0]
        server = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
        for ends in ((client, server), (server, client)):
            threading.Thread(target=pass_on, args=ends, daemon=True).start()
"""

APACHE = """
ServerName localhost
Listen 127.0.0.1:{port}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule socache_shmcb_module {modules}/mod_socache_shmcb.so
LoadModule ssl_module {modules}/mod_ssl.so
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
DocumentRoot {folder}
SSLEngine on
SSLCertificateFile {pem}
SSLCertificateKeyFile {pem}
MaxKeepAliveRequests 0
"""

NODE = """
const fs = require('fs'), https = require('https'), http2 = require('http2');
const pem = fs.readFileSync(process.argv[3]);
const answer = (request, response) => {
    response.writeHead(request.url === '/missing' ? 404 : 200);
    response.end('x'.repeat(5000));
};
https.createServer({key: pem, cert: pem}, answer).listen(+process.argv[2], '127.0.0.1', () => {
    http2.createSecureServer({key: pem, cert: pem}, answer).listen(+process.argv[2] + 1, '127.0.0.1',
        () => console.log('ready'));
});
"""

# GETs of argv[3] and more paths, one after another, over one connection.
NODE_CLIENT = """
const http2 = require('http2'), https = require('https');
const [,, kind, port, ...paths] = process.argv;
const one = {
    https(path, done) {
        const agent = one.agent ??= new https.Agent({keepAlive: true, maxSockets: 1});
        https.get({port, path, agent, host: '127.0.0.1', rejectUnauthorized: false},
                  (response) => response.on('data', () => 0).on('end', done));
    },
    http2(path, done) {
        const session = one.session ??= http2.connect(`https://127.0.0.1:${port}`, {rejectUnauthorized: false});
        session.request({':path': path}).on('data', () => 0).on('end', done);
    },
};
const next = () => paths.length ? one[kind](paths.shift(), next) : process.exit(0);
next();
"""


# A library whose reads bring more than was asked for.
LIAR = """
int SSL_read(void *session, void *buffer, int length) { return length < 0 ? -1 : length + 1; }
int SSL_write(void *session, const void *buffer, int length) { return length < 0 ? -1 : length; }
__attribute__((optimize("O2")))
char *SSL_get_client_random(char *session) { return session + 0x160; }
__attribute__((optimize("O2")))
int SSL_is_server(int *session) { return session[14]; }
void SSL_free(int *session) { if (session) { *session = 0; } }
"""


# One whose calls are left by a jump, and who does that: in as many threads as it is told.
LEAPING_LIBRARY = """
void (*leap)(void);
int SSL_read(void *session, void *buffer, int length)
{
    if (leap) { leap(); }
    return length < 0 ? -1 : length;
}
int SSL_write(void *session, const void *buffer, int length) { return length < 0 ? -1 : length; }
__attribute__((optimize("O2")))
char *SSL_get_client_random(char *session) { return session + 0x160; }
__attribute__((optimize("O2")))
int SSL_is_server(int *session) { return session[14]; }
void SSL_free(int *session) { if (session) { *session = 0; } }
"""

LEAPER = """
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
extern void (*leap)(void);
int SSL_read(void *session, void *buffer, int length);
static __thread jmp_buf back;
static void go_back(void) { longjmp(back, 1); }
static void *talk(void *session)
{
    char bytes[7];
    for (volatile int i = 0; i < 1000; i++) {
        if (setjmp(back) == 0) { SSL_read(session, bytes, sizeof(bytes)); }
    }
    return NULL;
}
int main(void)
{
    pthread_t threads[64];
    char sessions[64];
    int count;
    leap = go_back;
    while (scanf("%d", &count) == 1) {
        for (int i = 0; i < count; i++) { pthread_create(&threads[i], NULL, talk, &sessions[i]); }
        for (int i = 0; i < count; i++) { pthread_join(threads[i], NULL); }
        puts("done");
        fflush(stdout);
    }
}
"""


def read_files(daemon):
    """Paths of the libraries that it has said to read."""
    return [match[2] for match in map(READ.search, list(daemon.log)) if match]


def wait_for_libraries(daemon, *names):
    for name in names or ("libssl",):
        wait_until(lambda name=name: any(name in path for path in read_files(daemon)), 60,
                   lambda name=name: f"{name}: {daemon.log}")


def copy_library(folder, name="copy"):
    copy = os.path.join(folder, f"libssl-{name}.so.3")
    with open("/proc/self/maps", encoding="utf-8") as maps:
        own = next(line.split()[-1] for line in maps if "/libssl" in line)
    command("cp", own, copy)
    return copy


def user_of(test, *libraries):
    """A process that has loaded them, and ends with its input."""
    user = harness.spawn_python(test, "import ctypes, sys\n"
                                      "loaded = [ctypes.CDLL(path) for path in sys.argv[1:]]\n"
                                      "print('ready', flush=True)\nsys.stdin.read()", *libraries,
                                stdin=subprocess.PIPE)
    harness.read_word(user, "ready")
    return user


def few_files(limit):
    """Words before a command that may have so many."""
    return ("sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh")


def changed_bytes(name):
    """How many bytes of this process's code are not those of the library's file."""
    changed = 0
    with open("/proc/self/maps", encoding="utf-8") as maps, open("/proc/self/mem", "rb") as memory:
        for line in maps:
            fields = line.split()
            if "x" not in fields[1] or name not in fields[-1]:
                continue
            start, end = (int(word, 16) for word in fields[0].split("-"))
            memory.seek(start)
            with open(fields[-1], "rb") as file:
                file.seek(int(fields[2], 16))
                code = file.read(end - start)
            changed += sum(ours != its for ours, its in zip(memory.read(len(code)), code))
    return changed


class Certified(unittest.TestCase):
    """A certificate, and a daemon that reads TLS."""

    maxDiff = None
    SETTINGS = ("protocols.tls=true", "protocols.http2=auto")
    PREFIX = ()

    def setUp(self):
        self.folder = harness.temporary_folder(self)
        self.pem = os.path.join(self.folder, "both.pem")
        harness.make_certificate(self.pem, self.pem + ".key")
        with open(self.pem, "a", encoding="utf-8") as both, \
                open(self.pem + ".key", encoding="utf-8") as key:
            both.write(key.read())
        self.context = ssl.create_default_context(cafile=self.pem)
        self.context.check_hostname = False

    def start(self, *libraries):
        """With probes in the libraries of these names."""
        self.daemon = Daemon(self, *self.SETTINGS, prefix=self.PREFIX)
        wait_for_libraries(self.daemon, "libssl", *libraries)

    def links(self, path=None):
        """The ids of the daemon's probes, in this file or in any, as its descriptors show them."""
        found = set()
        for name in os.listdir(f"/proc/{self.daemon.pid}/fdinfo"):
            with contextlib.suppress(FileNotFoundError), \
                    open(f"/proc/{self.daemon.pid}/fdinfo/{name}", encoding="utf-8") as file:
                fields = dict(re.findall(r"^(\w+):\s+(.*)$", file.read(), re.M))
                if fields.get("link_type") == "uprobe_multi" and path in (None, fields["path"]):
                    found.add(fields["link_id"])
        return found

    def nginx(self, port, answer="return 200 'hello';", more=""):
        need("curl", "nginx")
        return harness.Nginx(self, port, f"""
    keepalive_requests 1000000; access_log access.log;
    server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {self.pem};
              ssl_certificate_key {self.pem}; ssl_protocols TLSv1.2 TLSv1.3; {more}
              location / {{ {answer} }} location /missing {{ return 404; }} }}""",
                             service=f"nginx-{port}")

    def get(self, port, paths, context=None):
        """Over one connection of ours; returns the statuses."""
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60,
                                                 context=context or self.context)
        with contextlib.closing(connection):
            statuses = []
            for path in paths:
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
        return statuses

    def assert_seen(self, port, expected, ends=ENDS, **tags):
        """{(route, status): count}, at each end."""
        for metric in ends:
            wait_until(lambda: self.daemon.weight(metric, port=port, **tags)
                       >= sum(expected.values()), 30,
                       lambda: f"{metric} of {port}: {self.seen(metric, port)}; lost "
                               f"{self.daemon.losses()}; {list(self.daemon.log)}")
        self.daemon.wait_for_snapshots(2)
        for metric in ends:
            self.assertEqual(self.seen(metric, port, **tags), expected, metric)

    def seen(self, metric, port, **tags):
        seen = {}
        for own, entry in self.daemon.series(metric, port=port, **tags):
            key = (own["route"], own.get("status") or own.get("error_type"))
            seen[key] = seen.get(key, 0) + entry[1]
        return seen


class OwnEnds(Certified):
    """Threads of this process are both ends: a guest of tests/vm has no more than Python."""

    def serve(self, port):
        """GETs; of "/missing" there is nothing."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.pem)

        def answer(connection):
            with context.wrap_socket(connection, server_side=True) as session:
                while head := session.recv(65536):
                    status = b"404 Not" if b"/missing" in head else b"200 OK"
                    session.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 40000\r\n\r\n"
                                    + b"x" * 40000)
        return harness.Server(self, harness.listen(self, port), answer)

    def test_counts(self):
        port = free_port()
        self.start()
        server = self.serve(port)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for statuses in pool.map(lambda _: self.get(port, ["/many", "/missing"] * 10),
                                     range(8)):
                self.assertEqual(statuses, [200, 404] * 10)
        self.assertEqual(server.errors, [])
        self.assertFalse([line for line in list(self.daemon.log) if "cannot be loaded" in line])
        self.assert_seen(port, {("/many", "200"): 80, ("/missing", "404"): 80})
        self.assertEqual(self.daemon.unpaired(port=port), {})

    def test_killed(self):
        """The kernel takes all probes out of this process's memory."""
        port = free_port()
        self.start()
        self.serve(port)
        self.assertGreater(changed_bytes("libssl"), 0)
        self.daemon.kill()
        wait_until(lambda: changed_bytes("libssl") == 0, 60,
                   lambda: f"{changed_bytes('libssl')} bytes are probes")
        self.assertEqual(self.get(port, ["/"] * 3), [200] * 3)


class OlderKernels(OwnEnds):
    """Where the kernel has no links of many places, each place has a perf event."""

    PREFIX = (harness.PYTHON, os.path.join(HERE, "old_uprobes.py"))

    def start(self, *libraries):
        super().start(*libraries)
        self.assertFalse(self.links())

    def test_room(self):
        """Half of its descriptors are for others: a file that does not fit is refused and says so,
        and is probed when there is room again."""
        copies = [copy_library(self.folder, number) for number in range(24)]
        self.PREFIX = (*few_files(320), *self.PREFIX)  # pylint: disable=invalid-name
        self.start()
        first, _ = (user_of(self, *part) for part in (copies[:12], copies[12:]))

        def read():
            return set(copies) & set(read_files(self.daemon))
        wait_until(lambda: len(self.refused()) + len(read()) == len(copies), 60,
                   lambda: str(self.daemon.log))
        self.assertTrue(read())
        refused = self.refused()
        self.assertTrue(refused)
        for line in refused:
            self.assertIn("Too many open files; allow more open files (ulimit -n", line)
        harness.end_process(first)
        wait_until(lambda: set(copies[12:]) <= read(), 120, lambda: str(self.daemon.log))

    def refused(self):
        return [line for line in list(self.daemon.log) if "probes cannot be attached" in line]

    def test_neither(self):
        """Nor of perf events: said once, and the rest of the daemon goes on."""
        port = free_port()
        self.daemon = Daemon(self, *self.SETTINGS, prefix=(*self.PREFIX, "--none"))
        wait_until(lambda: any("nothing is seen inside TLS" in line
                               for line in list(self.daemon.log)), 60, lambda: str(self.daemon.log))
        self.serve(port)
        self.assertEqual(self.get(port, ["/"] * 3), [200] * 3)
        wait_until(lambda: self.daemon.total("tcp.sent.bytes", port=port) >= 3 * 40000, 30,
                   lambda: str(self.daemon.series("tcp.sent.bytes")))
        said = [line for line in list(self.daemon.log) if "inside TLS" in line]
        self.assertEqual(len(said), 1, said)
        self.assertIn("BPF_TRACE_UPROBE_MULTI, Linux 6.6): Invalid argument; a link to a perf event: "
                      "Invalid argument; use Linux 5.15 or newer", said[0])


class Servers(Certified):
    def test_nginx(self):
        """curl and Python, HTTP/1 and HTTP/2, TLS 1.2 and 1.3: both ends are on this host."""
        port = free_port()
        self.start()
        nginx = self.nginx(port)
        for _ in range(20):
            command("curl", "-sk", "--http1.1", f"https://127.0.0.1:{port}/curl", "-o", "/dev/null")
        for options in (("--tlsv1.2", "--tls-max", "1.2"), ("--tlsv1.3",)):
            command("curl", "-sk", "--http1.1", *options, f"https://127.0.0.1:{port}/curl",
                    "-o", "/dev/null")
        self.assertEqual(self.get(port, ["/python", "/missing"] * 50), [200, 404] * 50)
        self.assert_seen(port, {("/curl", "200"): 22, ("/python", "200"): 50,
                                ("/missing", "404"): 50})
        many = [word for _ in range(30) for word in (f"https://127.0.0.1:{port}/h2", "-o",
                                                     "/dev/null")]
        command("curl", "-sk", "--http2", *many)
        self.assert_seen(port, {("/h2", "200"): 30}, version=2)
        self.assertEqual(len(nginx.log()), 22 + 100 + 30)
        self.assertEqual({own["service"] for own, _ in self.daemon.series(ENDS[0], port=port)},
                         {f"nginx-{port}"})
        self.assertIn("curl", {own["service"]
                               for own, _ in self.daemon.series(ENDS[1], port=port)})
        self.assertEqual(self.daemon.unpaired(port=port), {})
        for metric in ENDS:
            self.assertEqual(self.daemon.values(metric, "tls", port=port), ["true"])
        self.assertGreater(self.daemon.last_gauge("usm.tls.libraries", outcome="probed"), 0)
        # curl's 22, ours, and one with many requests; both ends.
        wait_until(lambda: self.daemon.total("usm.tls.sessions", source="hello")
                   >= 2 * (22 + 1 + 1), 30, lambda: str(self.daemon.series("usm.tls.sessions")))

    def build(self, *libraries):
        program = os.path.join(self.folder, "program")
        command("gcc", "-O1", "-o", program, SSL_PEER, *libraries)
        return program

    def get_by(self, program, port, path):
        """20 times, by a service of its own."""
        client = spawn(self, program, "get", str(port), path,
                       env=harness.clean_environment(DD_SERVICE="ssl-client"))
        for _ in range(20):
            harness.tell(client, "get")
            harness.read_word(client, "done")

    def test_inside_a_program(self):
        """OpenSSL is linked statically, in a program of any name: its symbols tell."""
        port = free_port()
        program = self.build("-Wl,-Bstatic", "-lssl", "-lcrypto", "-Wl,-Bdynamic")
        self.start()
        self.nginx(port)
        spawn(self, program, "get", str(port), "/")
        wait_until(lambda: program in read_files(self.daemon), 60, lambda: str(self.daemon.log))
        self.get_by(program, port, "/static")
        self.assert_seen(port, {("/static", "200"): 20})
        self.assertEqual(self.daemon.weight(ENDS[1], port=port, service="ssl-client"), 20)
        self.assertEqual(self.daemon.unpaired(port=port), {})

    def test_boringssl(self):
        """As Android has it: both ends, which a bit of a session tells apart."""
        place = "/usr/lib/x86_64-linux-gnu/android"
        program = self.build("-I/usr/include/android", f"-L{place}", f"-Wl,-rpath,{place}", "-lssl",
                             "-lcrypto")
        port = free_port()
        server = spawn(self, program, "serve", str(port), self.pem,
                       env=harness.clean_environment(DD_SERVICE="ssl-server"))
        harness.read_word(server, "ready")
        self.start()
        wait_for_libraries(self.daemon, f"{place}/libssl")
        self.get_by(program, port, "/boring")
        self.assert_seen(port, {("/boring", "200"): 20})
        for end, service in zip(ENDS, ("ssl-server", "ssl-client")):
            self.assertEqual(self.daemon.weight(end, port=port, service=service), 20)
        self.assertEqual(self.daemon.unpaired(port=port), {})

    def test_a_hello_that_is_asked_for_again(self):
        """HelloRetryRequest: the server wants another curve than the client has guessed."""
        port = free_port()
        self.start()
        self.nginx(port, more="ssl_ecdh_curve secp521r1;")
        for _ in range(10):
            self.assertEqual(self.get(port, ["/again"] * 3), [200] * 3)
        self.assert_seen(port, {("/again", "200"): 30})

    def test_haproxy(self):
        need("haproxy")
        port, behind = free_port(), free_port()
        self.start()
        harness.Nginx(self, behind, f"server {{ listen 127.0.0.1:{behind}; "
                                    "location / { return 200 'plain'; } }")
        path = os.path.join(self.folder, "haproxy.cfg")
        with open(path, "w", encoding="utf-8") as file:
            file.write("defaults\n mode http\n timeout connect 60s\n timeout client 60s\n"
                       f" timeout server 60s\nlisten all\n bind 127.0.0.1:{port} ssl crt {self.pem}\n"
                       f" server one 127.0.0.1:{behind}\n")
        spawn(self, "haproxy", "-f", path, "-db", stdout=subprocess.DEVNULL,
              stderr=subprocess.DEVNULL)
        harness.wait_until(lambda: self.answers(port), 30, "haproxy")
        before = dict(self.seen(ENDS[0], port))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for statuses in pool.map(lambda _: self.get(port, ["/p"] * 25), range(16)):
                self.assertEqual(statuses, [200] * 25)
        self.assertEqual(before.get(("/p", "200"), 0), 0)
        wait_until(lambda: self.seen(ENDS[0], port).get(("/p", "200"), 0) >= 400, 30,
                   lambda: str(self.seen(ENDS[0], port)))
        self.daemon.wait_for_snapshots(2)
        for metric in ENDS:
            self.assertEqual(self.seen(metric, port)["/p", "200"], 400, metric)
        self.assertEqual(self.seen(ENDS[0], behind)["/p", "200"], 400)
        self.assertEqual(self.daemon.values(ENDS[0], "tls", port=behind), [""])

    def test_apache(self):
        """Events and threads: a connection goes from one to another."""
        need("apache2")
        port = free_port()
        for name, content in (("there", "hello"), ("apache.conf", APACHE.format(
                folder=self.folder, port=port, pem=self.pem, modules="/usr/lib/apache2/modules"))):
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                file.write(content)
        self.start()
        server = spawn(self, "apache2", "-f", os.path.join(self.folder, "apache.conf"),
                       "-DFOREGROUND", env=harness.clean_environment(DD_SERVICE="apache"))
        self.addCleanup(server.wait, harness.HANG_SECONDS)
        self.addCleanup(server.terminate)  # its workers go with it
        wait_until(lambda: self.answers(port, "/there"), 30, "apache2")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for statuses in pool.map(lambda _: self.get(port, ["/missing", "/there"] * 10), range(10)):
                self.assertEqual(statuses, [404, 200] * 10)
        self.assert_seen(port, {("/there", "200"): 101, ("/missing", "404"): 100})
        self.assertEqual({own["service"] for own, _ in self.daemon.series(ENDS[0], port=port)},
                         {"apache"})

    def test_h2load(self):
        """Many streams at once."""
        need("h2load")
        port = free_port()
        self.start()
        self.nginx(port)
        told = command("h2load", "-n", "400", "-c", "4", "-m", "10",
                       f"https://127.0.0.1:{port}/load").stdout
        self.assertIn("400 succeeded", told)
        self.assert_seen(port, {("/load", "200"): 400}, version=2)

    def answers(self, port, path="/up"):
        with contextlib.suppress(OSError):
            return self.get(port, [path]) == [200]
        return False

    def test_asyncio(self):
        """TLS in memory: no call of the library touches a socket. Bodies of several records."""
        port = free_port()
        self.start()
        server = harness.spawn_python(self, ASYNCIO, str(port), self.pem)
        harness.read_word(server, "ready")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: self.get(port, ["/many", "/missing"] * 10), range(8)))
        self.assert_seen(port, {("/many", "200"): 80, ("/missing", "404"): 80})

    def test_node(self):
        """OpenSSL is inside the program. Servers and clients of HTTP/1 and HTTP/2."""
        need("node")
        port = free_port()
        scripts = {}
        for name, text in (("server", NODE), ("client", NODE_CLIENT)):
            scripts[name] = os.path.join(self.folder, name + ".js")
            with open(scripts[name], "w", encoding="utf-8") as file:
                file.write(text)
        server = spawn(self, "node", scripts["server"], str(port), self.pem)
        harness.read_word(server, "ready")
        self.start("node")
        paths = ["/a", "/missing"] * 10
        for kind, at in (("https", port), ("http2", port + 1)):
            command("node", scripts["client"], kind, str(at), *paths)
            self.assert_seen(at, {("/a", "200"): 10, ("/missing", "404"): 10})
        self.assertEqual(self.get(port, paths), [200, 404] * 10)
        self.assert_seen(port, {("/a", "200"): 20, ("/missing", "404"): 20})

    def test_gnutls(self):
        """wget is a client of GnuTLS, and too short for a look: the kernel tells that it has come."""
        need("wget")
        port = free_port()
        self.start()
        self.nginx(port)
        wait_until(lambda: command("wget", "-q", "--no-check-certificate", "-O", "/dev/null",
                                   f"https://127.0.0.1:{port}/first")
                   and any("libgnutls" in path for path in read_files(self.daemon)), 60,
                   lambda: str(self.daemon.log))
        for _ in range(10):
            command("wget", "-q", "--no-check-certificate", "-O", "/dev/null",
                    *[f"https://127.0.0.1:{port}/wget"] * 3)
        wait_until(lambda: self.daemon.weight(ENDS[1], port=port, route="/wget") >= 30, 30,
                   lambda: str(self.seen(ENDS[1], port)))
        self.daemon.wait_for_snapshots(2)
        for metric in ENDS:
            self.assertEqual(self.seen(metric, port)["/wget", "200"], 30, metric)
        self.assertEqual({own["service"] for own, _ in self.daemon.series(ENDS[1], port=port)},
                         {"wget"})


class Join(Certified):
    """A session is its own socket's, or nobody's."""

    def test_many_at_once(self):
        """Each path tells the port; sessions that are resumed, too."""
        ports = [free_port() for _ in range(3)]
        self.start()
        for port in ports:
            self.nginx(port, more="ssl_session_cache shared:s:1m;")

        def talk(number):
            port = ports[number % 3]
            return self.get(port, [f"/port-is/{'abc'[number % 3]}"] * 5)
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            for statuses in pool.map(talk, range(300)):
                self.assertEqual(statuses, [200] * 5)
        for port, letter in zip(ports, "abc"):
            resumed = command("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-reconnect",
                              "-tls1_2", check=False).stdout
            self.assertEqual(resumed.count("Reused"), 5, resumed)
            self.assert_seen(port, {(f"/port-is/{letter}", "200"): 500})

    @contextlib.contextmanager
    def older(self, port):
        """GETs of /older over a connection that was there before the daemon."""
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60,
                                                 context=self.context)
        with contextlib.closing(connection):
            connection.request("GET", "/before")
            connection.getresponse().read()
            self.start()
            for _ in range(5):
                connection.request("GET", "/older")
                connection.getresponse().read()
            yield

    def test_older_than_the_daemon(self):
        """A session that reads from a socket leads to it by its descriptor."""
        port = free_port()
        self.nginx(port)
        with self.older(port):
            self.assertEqual(self.get(port, ["/younger"] * 5), [200] * 5)
            self.assert_seen(port, {("/older", "200"): 5, ("/younger", "200"): 5})
            self.assertGreaterEqual(self.daemon.total("usm.tls.sessions", source="descriptor"), 2)
            for direction in ("incoming", "outgoing"):
                self.assertEqual(self.daemon.unpaired(port=port, direction=direction), {"late": 1})
            self.assertEqual(self.daemon.unpaired(port=port, service="nginx"), {"late": 1})

    def test_handed_on(self):
        """The same ClientHello is on four sockets of this host, as somebody hands it on as it is: it
        tells none, and descriptors tell them all."""
        port, front = free_port(), free_port()
        self.start()
        self.nginx(port)
        forwarder = harness.spawn_python(self, FORWARD, str(front), str(port))
        harness.read_word(forwarder, "ready")
        for _ in range(5):
            self.assertEqual(self.get(front, ["/handed/on"] * 2), [200] * 2)
        self.assert_seen(port, {("/handed/on", "200"): 10}, ENDS[:1])
        self.assert_seen(front, {("/handed/on", "200"): 10}, ENDS[1:])
        self.assertEqual(self.seen(ENDS[0], front), {})
        self.assertEqual(self.seen(ENDS[1], port), {})
        self.assertEqual((self.daemon.unpaired(port=port), self.daemon.unpaired(port=front)),
                         ({}, {}))

    def test_older_in_memory(self):
        """Nobody knows the server's socket: it is counted, and nothing is guessed."""
        port = free_port()
        server = harness.spawn_python(self, ASYNCIO, str(port), self.pem)
        harness.read_word(server, "ready")
        with self.older(port):
            self.assert_seen(port, {("/older", "200"): 5}, ENDS[1:])
            self.assertEqual(self.seen(ENDS[0], port), {})
            self.assertGreaterEqual(self.daemon.losses()["tls", "unjoined"], 1)


class Loaded(Certified):
    """Processes that have loaded libraries of their own."""

    def map(self, path):
        """A process that could run code of a file, whatever that is."""
        user = harness.spawn_python(
            self, "import mmap, sys\nfile = open(sys.argv[1], 'rb')\n"
                  "area = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | "
                  "mmap.PROT_EXEC)\nprint('ready', flush=True)\nsys.stdin.read()", path,
            stdin=subprocess.PIPE)
        harness.read_word(user, "ready")

    def load(self, library):
        """As user_of(); it is probed."""
        user = user_of(self, library)
        wait_until(lambda: library in read_files(self.daemon), 60, lambda: str(self.daemon.log))
        return user


class Safety(Loaded):
    def test_killed(self):
        """Nothing stays attached, and who was probed goes on."""
        port = free_port()
        self.start()
        self.nginx(port)
        self.assertEqual(self.get(port, ["/"] * 3), [200] * 3)
        links = self.links()
        self.assertTrue(links)
        self.daemon.kill()

        def left():
            shown = command("bpftool", "link", "show").stdout
            return links & set(re.findall(r"^(\d+):", shown, re.M))
        wait_until(lambda: not left(), 30, "the kernel takes probes away")
        self.assertEqual(self.get(port, ["/"] * 3), [200] * 3)

    def test_library_that_is_gone(self):
        """A copy that nobody has loaded any more is let go."""
        copy = copy_library(self.folder)
        self.start()
        user = self.load(copy)
        self.assertTrue(self.links(copy))
        user.stdin.close()
        user.wait(30)
        wait_until(lambda: not self.links(copy), 60, lambda: str(self.links(copy)))

    def test_another_process_has_it(self):
        """Who was met first has it by a name that is gone; of whoever comes later it is opened."""
        first = copy_library(self.folder)
        second = os.path.join(self.folder, "libssl-linked.so.3")
        os.link(first, second)
        user_of(self, first)
        os.unlink(first)
        self.start()
        wait_until(lambda: any("nothing is seen of " + first in line
                               for line in list(self.daemon.log)), 60, lambda: str(self.daemon.log))
        self.load(second)

    def test_overlay_that_is_unmounted(self):
        """A container's files go with it, however long probes stay in them."""
        names = ("lower", "upper", "work", "merged")
        lower, upper, work, merged = (os.path.join(self.folder, name) for name in names)
        for folder in (lower, upper, work, merged):
            os.mkdir(folder)
        copied = copy_library(lower)
        command("mount", "-t", "overlay", "overlay", "-o",
                f"lowerdir={lower},upperdir={upper},workdir={work}", merged)
        self.addCleanup(command, "umount", "-l", merged, check=False)
        self.start()
        user = self.load(os.path.join(merged, os.path.basename(copied)))
        user.stdin.close()
        user.wait(30)
        self.assertTrue(self.links(copied))
        command("umount", merged)

    def test_library_that_lies(self):
        """It is doubted and let go; what takes its number is not."""
        need("cc")
        source, liar = (os.path.join(self.folder, name) for name in ("liar.c", "libssl-liar.so"))
        with open(source, "w", encoding="utf-8") as file:
            file.write(LIAR)
        command("cc", "-O0", "-shared", "-fPIC", "-o", liar, source)
        self.start()
        user = harness.spawn_python(
            self, "import ctypes, sys\nlibrary = ctypes.CDLL(sys.argv[1])\n"
                  "print('ready', flush=True)\nsys.stdin.readline()\n"
                  "library.SSL_read(ctypes.create_string_buffer(1024), 0x1000, 7)\n"
                  "sys.stdin.read()", liar, stdin=subprocess.PIPE)
        harness.read_word(user, "ready")
        wait_until(lambda: liar in read_files(self.daemon), 60, lambda: str(self.daemon.log))
        self.assertTrue(self.links(liar))
        user.stdin.write("\n")
        user.stdin.flush()
        wait_until(lambda: any("what cannot be" in line for line in list(self.daemon.log)), 60,
                   lambda: str(self.daemon.log))
        wait_until(lambda: not self.links(liar), 30, lambda: str(self.links(liar)))
        wait_until(lambda: self.daemon.last_gauge("usm.tls.libraries", outcome="doubted"), 30,
                   "the library is counted")
        copy = copy_library(self.folder)
        self.load(copy)
        self.daemon.wait_for_snapshots(6)
        self.assertEqual(sum("what cannot be" in line for line in list(self.daemon.log)), 1)
        self.assertTrue(self.links(copy))

    def test_library_whose_calls_do_not_end(self):
        """It is doubted and let go; not by the calls of a few threads."""
        need("cc")
        library, program = (os.path.join(self.folder, name) for name in ("libssl-leap.so", "leap"))
        for path, text, words in ((library, LEAPING_LIBRARY, ("-O0", "-shared", "-fPIC")),
                                  (program, LEAPER, ("-pthread", "-Wl,-rpath," + self.folder))):
            with open(path + ".c", "w", encoding="utf-8") as file:
                file.write(text)
            command("cc", *words, "-o", path, path + ".c", *((library,) if path == program else ()))
        self.start()
        leaper = spawn(self, program)
        wait_until(lambda: library in read_files(self.daemon), 60, lambda: str(self.daemon.log))
        for threads in (3, 8):
            harness.tell(leaper, str(threads))
            harness.read_word(leaper, "done")
            if threads == 3:
                self.daemon.wait_for_snapshots(6)
                self.assertTrue(self.links(library))
        wait_until(lambda: any(f"{library} any more: its probes see calls that do not end" in line
                               for line in list(self.daemon.log)), 60, lambda: str(self.daemon.log))
        wait_until(lambda: not self.links(library), 30, lambda: str(self.links(library)))

    def test_a_mount_that_hangs(self):
        """Files of a file system that never answers the daemon, which could not be killed then:
        nobody opens them, and of what may be a library it is said."""
        self.start()
        folder = harness.temporary_folder(self)
        mount = spawn(self, harness.PYTHON, HANGING, folder, "/bin/sleep", str(self.daemon.pid))
        harness.read_word(mount, "ready")
        self.addCleanup(command, "umount", "-l", folder)
        for name in ("program", "node"):
            spawn(self, os.path.join(folder, name), "300")
        wait_until(lambda: any(f"nothing is seen of {folder}/node: it is on a file system" in line
                               for line in list(self.daemon.log)), 60, lambda: str(self.daemon.log))
        port = free_port()
        self.nginx(port)
        self.assertEqual(self.get(port, ["/on"] * 5), [200] * 5)
        self.assert_seen(port, {("/on", "200"): 5})
        self.assertEqual(self.daemon.stop(), 0)
        harness.end_process(mount)
        self.assertNotIn(f"{folder}/program", "".join(self.daemon.log))

    def test_what_is_no_library(self):
        """Of a file that has only the name it is said, once, and nothing is attached."""
        path = os.path.join(self.folder, "libssl-none.so")
        with open(path, "wb") as file:
            file.write(os.urandom(1 << 16))
        self.map(path)
        self.start()
        wait_until(lambda: any("libssl-none" in line for line in list(self.daemon.log)), 60,
                   lambda: str(self.daemon.log))
        self.daemon.wait_for_snapshots(5)
        said = [line for line in list(self.daemon.log) if "libssl-none" in line]
        self.assertEqual(len(said), 1, said)
        self.assertGreater(self.daemon.last_gauge("usm.tls.libraries", outcome="refused"), 0)
        self.assertIn("no program or library of x86-64 or arm64", said[0])


class Reloaded(Certified, test_reload.Reload):
    def setUp(self):
        test_reload.Reload.setUp(self)
        Certified.setUp(self)

    def test_protocols_come(self):
        """None was wanted at the start, and the configuration of that is long gone."""
        port = free_port()
        path = os.path.join(self.folder, "told.json")

        def text(http, interval):
            return (f"interval: {interval}s\nprotocols: {{tls: true, http: {http}}}\n"
                    f"exporters: [{{type: file, path: {path}}}]\n")
        daemon = test_reload.Reload.start(self, text("false", 1))
        for interval in (1, 2, 1):
            self.write(text("true", interval))
            self.assertEqual(self.reload().returncode, harness.EXIT_OK)
        wait_for_libraries(daemon)
        self.nginx(port)
        self.assertEqual(self.get(port, ["/reloaded"] * 20), [200] * 20)
        self.assertEqual(daemon.stop(), harness.EXIT_OK)
        for metric in ENDS:
            self.assertEqual(test_reload.counted(path, metric, port=port, route="/reloaded"), 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
