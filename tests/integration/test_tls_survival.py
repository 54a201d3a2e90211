# SPDX-License-Identifier: Apache-2.0
"""Who is probed lives on: programs that leave and enter their library of TLS in unusual ways, what
they have counted themselves, and many of them.

Each program is compiled here, and ends with 0 when all that it has read was right.
"""

import concurrent.futures
import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import unittest

import harness
import test_tls
from harness import clean_environment, command, free_port, need, wait_until
from test_tls import ENDS

# What is used of OpenSSL 3, whose headers need not be here, and one request at a time.
HEADER = r"""
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif
typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_method_st SSL_METHOD;
typedef struct bio_st BIO;
typedef struct bio_method_st BIO_METHOD;
const SSL_METHOD *TLS_client_method(void);
SSL_CTX *SSL_CTX_new(const SSL_METHOD *);
SSL *SSL_new(SSL_CTX *);
void SSL_free(SSL *);
void SSL_CTX_free(SSL_CTX *);
int SSL_connect(SSL *);
int SSL_read(SSL *, void *, int);
int SSL_write(SSL *, const void *, int);
int SSL_set_fd(SSL *, int);
void SSL_set_bio(SSL *, BIO *, BIO *);
BIO *BIO_new(const BIO_METHOD *);
const BIO_METHOD *BIO_s_mem(void);
BIO_METHOD *BIO_meth_new(int, const char *);
int BIO_meth_set_read(BIO_METHOD *, int (*)(BIO *, char *, int));
int BIO_meth_set_write(BIO_METHOD *, int (*)(BIO *, const char *, int));
int BIO_meth_set_ctrl(BIO_METHOD *, long (*)(BIO *, int, long, void *));
void BIO_set_init(BIO *, int);
void BIO_set_data(BIO *, void *);
void *BIO_get_data(BIO *);

static void demand(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "failed: %s (errno %d)\n", what, errno);
        _exit(1);
    }
}

static int connect_to(int port)
{
    struct sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons((unsigned short)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    demand(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect");
    return fd;
}

static SSL_CTX *the_context(void)
{
    static SSL_CTX *context;
    context = context ? context : SSL_CTX_new(TLS_client_method());
    return context;
}

static SSL *open_session(int port)
{
    SSL *session = SSL_new(the_context());
    demand(SSL_set_fd(session, connect_to(port)) == 1 && SSL_connect(session) == 1, "handshake");
    return session;
}

static long control(BIO *bio, int what, long number, void *more)
{
    (void)bio, (void)number, (void)more;
    return what == 11; /* BIO_CTRL_FLUSH */
}

static int write_plainly(BIO *bio, const char *buffer, int length)
{
    return (int)write((int)(long)BIO_get_data(bio), buffer, (size_t)length);
}

/* A session over a BIO with this function to read. */
static SSL *open_session_over(int port, int (*reading)(BIO *, char *, int))
{
    BIO_METHOD *method = BIO_meth_new(0x400 | 120, "eye");
    BIO_meth_set_read(method, reading);
    BIO_meth_set_write(method, write_plainly);
    BIO_meth_set_ctrl(method, control);
    BIO *bio = BIO_new(method);
    BIO_set_data(bio, (void *)(long)connect_to(port));
    BIO_set_init(bio, 1);
    SSL *session = SSL_new(the_context());
    SSL_set_bio(session, bio, bio);
    demand(SSL_connect(session) == 1, "handshake");
    return session;
}

static void ask(SSL *session, const char *path)
{
    char text[256];
    int length = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    demand(SSL_write(session, text, length) == length, "SSL_write");
}

/* Whether all of an answer is there, which has to be the one to this path. */
static int is_answer(const char *text, size_t length, const char *path)
{
    const char *body = strstr(text, "\r\n\r\n");
    const char *bytes = strstr(text, "Content-Length: ");
    if (!body || !bytes || length < (size_t)(body + 4 - text) + (size_t)atoi(bytes + 16)) {
        return 0;
    }
    int missing = strcmp(path, "/missing") == 0;
    demand(strncmp(text, missing ? "HTTP/1.1 404 " : "HTTP/1.1 200 ", 13) == 0, text);
    demand(missing || strncmp(body + 4, "hello", 5) == 0, text);
    return 1;
}

static void hear(SSL *session, const char *path, int (*reading)(SSL *, void *, int))
{
    char text[1 << 16] = "";
    size_t length = 0;
    do {
        int more = reading(session, text + length, (int)(sizeof(text) - 1 - length));
        demand(more > 0, "SSL_read");
        length += (size_t)more;
        text[length] = 0;
    } while (!is_answer(text, length, path));
}

/* Answers that are taken for others' have another status. */
__attribute__((unused)) static const char *nth_path(int number)
{
    return number % 3 ? "/there" : "/missing";
}
#ifdef __cplusplus
}
#endif
"""

# argv: port, coroutines, requests of each, whether the stacks of later ones lie higher, whose turn
# it is. Each leaves in the middle of SSL_read; who has entered first returns first, or anybody.
COROUTINES = r"""
#include <ucontext.h>

#define MOST 16
#define STACK_BYTES (256 * 1024)

static struct coroutine {
    ucontext_t context;
    SSL *session;
    int number;
    int left; /* in this call of SSL_read */
    int over;
} all[MOST];
static ucontext_t scheduler;
static struct coroutine *running;
static int requests;
static int times_left;

static int read_later(BIO *bio, char *buffer, int length)
{
    if (running && !running->left) {
        running->left = 1;
        times_left++;
        swapcontext(&running->context, &scheduler);
    }
    return (int)read((int)(long)BIO_get_data(bio), buffer, (size_t)length);
}

static int read_in_turn(SSL *session, void *buffer, int length)
{
    running->left = 0;
    return SSL_read(session, buffer, length);
}

static void talk(void)
{
    for (int i = 0; i < requests; i++) {
        const char *path = nth_path(i + running->number);
        ask(running->session, path);
        hear(running->session, path, read_in_turn);
    }
    running->over = 1;
}

int main(int argc, char **argv)
{
    demand(argc == 6, "usage");
    int count = atoi(argv[2]), left = count, in_turn = strcmp(argv[5], "first") == 0;
    requests = atoi(argv[3]);
    char *stacks = malloc((size_t)count * STACK_BYTES);
    for (int i = 0; i < count; i++) {
        all[i].session = open_session_over(atoi(argv[1]), read_later);
        all[i].number = i;
        getcontext(&all[i].context);
        all[i].context.uc_stack.ss_sp = stacks + (atoi(argv[4]) ? i : count - 1 - i) * STACK_BYTES;
        all[i].context.uc_stack.ss_size = STACK_BYTES;
        all[i].context.uc_link = &scheduler;
        makecontext(&all[i].context, talk, 0);
    }
    for (int i = 0; left > 0; i = (in_turn ? i + 1 : rand()) % count) {
        if (!all[i].over) {
            running = &all[i];
            swapcontext(&scheduler, &running->context);
            running = NULL;
            left -= all[i].over;
        }
    }
    demand(times_left >= count * requests, "coroutines that have left");
    for (int i = 0; i < count; i++) {
        SSL_free(all[i].session);
    }
    return 0;
}
"""

# argv: port, requests, exceptions before the answer of each. They leave from other depths of the
# stack than calls that return.
THROWING = r"""
#include <stdexcept>

static int throwing;

static int read_or_throw(BIO *bio, char *buffer, int length)
{
    if (throwing) {
        throw std::runtime_error("thrown");
    }
    return (int)read((int)(long)BIO_get_data(bio), buffer, (size_t)length);
}

__attribute__((noinline, optimize("O0")))
static int read_deeply(int depth, SSL *session, void *buffer, int length)
{
    volatile char room[128] = {0};
    int result = depth == 0 ? SSL_read(session, buffer, length)
                            : read_deeply(depth - 1, session, buffer, length);
    return result + room[0];
}

static int read_most_deeply(SSL *session, void *buffer, int length)
{
    return read_deeply(12, session, buffer, length);
}

int main(int argc, char **argv)
{
    demand(argc == 4, "usage");
    SSL *session = open_session_over(atoi(argv[1]), read_or_throw);
    for (int i = 0; i < atoi(argv[2]); i++) {
        int caught = 0;
        ask(session, nth_path(i));
        throwing = 1;
        for (int j = 0; j < atoi(argv[3]); j++) {
            char byte;
            try {
                read_deeply(j % 8, session, &byte, 1);
            } catch (const std::runtime_error &) {
                caught++;
            }
        }
        throwing = 0;
        demand(caught == atoi(argv[3]), "exceptions");
        hear(session, nth_path(i), read_most_deeply);
    }
    SSL_free(session);
    session = open_session(atoi(argv[1]));
    for (int i = 0; i < atoi(argv[2]); i++) {
        ask(session, nth_path(i));
        hear(session, nth_path(i), SSL_read);
    }
    SSL_free(session);
    return 0;
}
"""

# argv: port, requests, "strict" (read, write, exit and sigreturn alone) or "filter".
CONFINED = r"""
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define ALLOW(number)                                                                              \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),                                             \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void confine(int strictly)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(SYS_read),         ALLOW(SYS_write), ALLOW(SYS_exit),   ALLOW(SYS_exit_group),
        ALLOW(SYS_rt_sigreturn), ALLOW(SYS_brk),   ALLOW(SYS_mmap),   ALLOW(SYS_munmap),
        ALLOW(SYS_futex),        ALLOW(SYS_getrandom), ALLOW(SYS_clock_gettime),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};
    if (strictly) {
        demand(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0, "strict");
        return;
    }
    demand(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no new privileges");
    demand(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "filter");
}

static void talk(SSL *session, int requests)
{
    for (int i = 0; i < requests; i++) {
        ask(session, nth_path(i));
        hear(session, nth_path(i), SSL_read);
    }
}

int main(int argc, char **argv)
{
    demand(argc == 4, "usage");
    mallopt(M_TOP_PAD, 16 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    SSL *session = open_session(atoi(argv[1]));
    talk(session, 1); /* whatever is made for the first one */
    confine(strcmp(argv[3], "strict") == 0);
    talk(session, atoi(argv[2]));
    syscall(SYS_exit, 0);
    return 1;
}
"""

# argv: how many at a time, how many in all. Tells how many have not ended with 0.
STORM = r"""
#include <sys/wait.h>

static int be_one(void)
{
    char byte;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *session = SSL_new(context);
    SSL_set_bio(session, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    demand(SSL_connect(session) < 0 && SSL_read(session, &byte, 1) < 0, "no peer");
    SSL_free(session);
    SSL_CTX_free(context);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        return be_one();
    }
    int most = atoi(argv[1]), left = atoi(argv[2]), running = 0, failed = 0, status;
    while (left > 0 || running > 0) {
        if (left > 0 && running < most) {
            pid_t pid = fork();
            if (pid == 0) {
                execl("/proc/self/exe", argv[0], (char *)NULL);
                _exit(127);
            }
            demand(pid > 0, "fork");
            left--;
            running++;
            continue;
        }
        failed += wait(&status) < 0 || status != 0;
        running--;
    }
    printf("%d\n", failed);
    return 0;
}
"""

# argv: port, requests, whether its session is left as it is.
CLIENT = r"""
int main(int argc, char **argv)
{
    demand(argc == 4, "usage");
    SSL *session = open_session(atoi(argv[1]));
    for (int i = 0; i < atoi(argv[2]); i++) {
        ask(session, nth_path(i));
        hear(session, nth_path(i), SSL_read);
    }
    if (atoi(argv[3])) {
        _exit(0);
    }
    SSL_free(session);
    return 0;
}
"""


def expected(requests, first=0):
    """What nth_path() gives, as assert_seen() wants it."""
    missing = sum(number % 3 == 0 for number in range(first, first + requests))
    return {("/there", "200"): requests - missing, ("/missing", "404"): missing}


class Survival(test_tls.Certified):
    def compile(self, source, compiler="cc"):
        """The path of the program."""
        need(compiler)
        path = os.path.join(self.folder, "program")
        suffix = {"cc": ".c", "c++": ".cc"}[compiler]
        with open(path + suffix, "w", encoding="utf-8") as file:
            file.write(HEADER + source)
        command(compiler, "-O1", "-g", "-o", path, path + suffix, "-l:libssl.so.3",
                "-l:libcrypto.so.3")
        return path

    def both_ends(self, port, wanted):
        """{metric: {(route, status): count}}, when the server's end has all of it."""
        wait_until(lambda: self.daemon.weight(ENDS[0], port=port) >= sum(wanted.values()), 30,
                   lambda: str(self.seen(ENDS[0], port)))
        self.daemon.wait_for_snapshots(2)
        return {metric: self.seen(metric, port) for metric in ENDS}


class Coroutines(Survival):
    REQUESTS = 60

    def check(self, count, upwards, turn="first", answer="return 200 'hello';"):
        port = free_port()
        program = self.compile(COROUTINES)
        self.start()
        self.nginx(port, answer)
        command(program, str(port), str(count), str(self.REQUESTS), str(upwards), turn)
        wanted = {}
        for number in range(count):
            for key, amount in expected(self.REQUESTS, number).items():
                wanted[key] = wanted.get(key, 0) + amount
        return port, wanted

    def test_two(self):
        """Whichever stack lies higher."""
        for upwards in (0, 1):
            with self.subTest(upwards=upwards):
                port, wanted = self.check(2, upwards)
                self.assert_seen(port, wanted)
                self.assertEqual(self.daemon.unpaired(port=port), {})
                self.daemon.kill()

    def check_too_many(self, count, least=0, **options):
        """More than are kept: what is missing is counted, and nothing is another's."""
        for upwards in (0, 1):
            with self.subTest(upwards=upwards):
                port, wanted = self.check(count, upwards, **options)
                seen = self.both_ends(port, wanted)
                print(seen, self.daemon.unpaired(port=port), self.daemon.losses())
                self.assertEqual(seen[ENDS[0]], wanted)
                for key, amount in seen[ENDS[1]].items():
                    self.assertLessEqual(amount, wanted.get(key, 0), seen)
                self.assertIn(("tls", "too_deep"), self.daemon.losses())
                self.assertGreaterEqual(sum(seen[ENDS[1]].values()), least)
                self.daemon.kill()

    def test_sixteen(self):
        self.check_too_many(16)

    def test_parts_of_answers(self):
        """Now and then a call is given up, in the midst of a body, too."""
        with open(os.path.join(self.folder, "there"), "w", encoding="ascii") as file:
            file.write("hello" * 10000)
        self.check_too_many(10, least=5 * self.REQUESTS, turn="any",
                            answer=f"root {self.folder};")


class Exceptions(Survival):
    def test_thrown_through_the_library(self):
        port = free_port()
        program = self.compile(THROWING, "c++")
        self.start()
        self.nginx(port)
        command(program, str(port), "20", "50")
        wanted = {key: 2 * amount for key, amount in expected(20).items()}
        self.assert_seen(port, wanted)
        self.assertEqual(self.daemon.unpaired(port=port), {})
        self.daemon.wait_for_snapshots(6)  # the library is not doubted for that
        self.assertEqual(self.get(port, ["/there"] * 5), [200] * 5)
        wanted["/there", "200"] += 5
        self.assert_seen(port, wanted)


class Confined(Survival):
    def check(self, kind):
        port = free_port()
        program = self.compile(CONFINED)
        self.start()
        self.nginx(port)
        command(program, str(port), "60", kind)
        wanted = expected(60)
        wanted["/missing", "404"] += 1
        self.assert_seen(port, wanted)

    def test_strict(self):
        self.check("strict")

    def test_filter(self):
        self.check("filter")


# Answers all requests but the last one, which it waits with.
HANGING = """
import socket, ssl, sys
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[2])
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
peer = context.wrap_socket(listener.accept()[0], server_side=True)
while request := peer.recv(4096):
    if b"/hang" not in request:
        peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
"""

ASKING = """
import socket, ssl, sys
context = ssl._create_unverified_context()
peer = context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
for path in (b"/there", b"/hang"):
    peer.sendall(b"GET " + path + b" HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
    print(path.decode() if b"hang" in path else peer.recv(4096)[:8].decode(), flush=True)
sys.stdin.read()
"""


class Killed(Survival):
    def test_what_waited_is_counted(self):
        """Nobody ends the sessions: when their processes are missed, when is not known any more."""
        port = free_port()
        self.start()
        server = harness.spawn_python(self, HANGING, str(port), self.pem)
        harness.read_word(server, "ready")
        client = harness.spawn_python(self, ASKING, str(port), stdin=subprocess.PIPE)
        for word in ("HTTP/1.1", "/hang"):
            harness.read_word(client, word)
        self.assert_seen(port, {("/there", "200"): 1})
        for process in (client, server):
            process.kill()
            process.wait()
        wait_until(lambda: self.daemon.unpaired(port=port) == {"request_alone": 2}, 90,
                   lambda: str(self.daemon.unpaired()))
        self.assert_seen(port, {("/there", "200"): 1})


class Storm(Survival):
    def test_two_thousand_processes(self):
        """Each has a library of TLS, and a session; requests go on meanwhile."""
        port = free_port()
        program = self.compile(STORM)
        self.start()
        nginx = self.nginx(port)
        storm = harness.spawn(self, program, "300", "2000", stdin=subprocess.DEVNULL)
        rounds = 0
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            while storm.poll() is None or rounds < 10:
                for statuses in pool.map(lambda _: self.get(port, ["/there", "/missing"] * 5),
                                         range(2)):
                    self.assertEqual(statuses, [200, 404] * 5)
                rounds += 1
        self.assertEqual((storm.wait(), storm.stdout.read()), (0, "0\n"))
        self.assertEqual(len(nginx.log()), 20 * rounds)
        self.assert_seen(port, {("/there", "200"): 10 * rounds, ("/missing", "404"): 10 * rounds})


class Upgrade(Survival):
    """A package's new files take the place of those that servers have open."""

    def copy(self, folder):
        """The library, and what it was built with."""
        with open("/proc/self/maps", encoding="utf-8") as maps:
            own = {line.split()[-1] for line in maps if re.search(r"/lib(ssl|crypto)\.so", line)}
        for path in own:
            new = os.path.join(folder, os.path.basename(path))
            command("cp", path, new + ".new")
            os.replace(new + ".new", new)
        return next(os.path.join(folder, os.path.basename(path)) for path in own
                    if "libssl" in path)

    def serve(self, folder, service):
        port = free_port()
        server = harness.spawn_python(self, test_tls.ASYNCIO, str(port), self.pem,
                                      env=clean_environment(LD_LIBRARY_PATH=folder,
                                                            DD_SERVICE=service))
        harness.read_word(server, "ready")
        return port, server

    def test_under_load(self):
        folder = os.path.join(self.folder, "lib")
        os.mkdir(folder)
        library = self.copy(folder)
        self.start()
        old, old_server = self.serve(folder, "old")
        wait_until(lambda: test_tls.read_files(self.daemon).count(library) == 1, 60,
                   lambda: str(self.daemon.log))
        stopping = threading.Event()

        def load():
            rounds = 0
            while not stopping.is_set():
                self.assertEqual(self.get(old, ["/there", "/missing"] * 5), [200, 404] * 5)
                rounds += 1
            return rounds
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            loads = [pool.submit(load) for _ in range(2)]
            try:
                self.copy(folder)
                new, new_server = self.serve(folder, "new")
                wait_until(lambda: test_tls.read_files(self.daemon).count(library) == 2, 60,
                           lambda: str(self.daemon.log))
                self.assertEqual(self.get(new, ["/there", "/missing"] * 20), [200, 404] * 20)
                self.daemon.wait_for_snapshots(5)
            finally:
                stopping.set()
            rounds = sum(task.result() for task in loads)
        self.assert_seen(old, {("/there", "200"): 5 * rounds, ("/missing", "404"): 5 * rounds})
        self.assert_seen(new, {("/there", "200"): 20, ("/missing", "404"): 20})
        for port, service in ((old, "old"), (new, "new")):
            self.assertEqual({own["service"] for own, _ in self.daemon.series(ENDS[0], port=port)},
                             {service})
        for server in (old_server, new_server):
            self.assertIsNone(server.poll())


class Many(Survival):
    SESSIONS = 300

    def entries(self, name):
        """Of the daemon's map with this name."""
        need("bpftool")
        ids = set()
        for entry in os.listdir(f"/proc/{self.daemon.pid}/fdinfo"):
            with contextlib.suppress(FileNotFoundError), \
                    open(f"/proc/{self.daemon.pid}/fdinfo/{entry}", encoding="ascii") as file:
                ids.update(re.findall(r"^map_id:\s+(\d+)$", file.read(), re.M))
        for number in ids:
            shown = json.loads(command("bpftool", "-j", "map", "show", "id", number).stdout)
            if shown.get("name") == name:
                return len(json.loads(command("bpftool", "-j", "map", "dump", "id",
                                              number).stdout))
        raise AssertionError(f"no map {name}")

    def descriptors(self):
        """But for probes, which others' libraries have as well."""
        return len(harness.descriptors(self.daemon.pid)) - len(self.links())

    def resident(self):
        with open(f"/proc/{self.daemon.pid}/status", encoding="ascii") as file:
            return int(re.search(r"^RssAnon:\s+(\d+)", file.read(), re.M)[1])

    def run_many(self, program, port, count):
        """Half of them end without a word to their library."""
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: command(program, str(port), "3", str(number % 2)),
                          range(count)))

    def test_nothing_stays(self):
        port = free_port()
        program = self.compile(CLIENT)
        self.start()
        self.nginx(port)
        self.run_many(program, port, 100)
        self.daemon.wait_for_snapshots(3)
        before = self.descriptors(), self.resident()
        self.run_many(program, port, self.SESSIONS)
        processes = 100 + self.SESSIONS
        self.assert_seen(port, {("/there", "200"): 2 * processes, ("/missing", "404"): processes})
        # Those of processes that are gone are looked for now and then.
        for name in ("tls_sessions", "tls_talks"):
            wait_until(lambda name=name: self.entries(name) <= 5, 120,
                       lambda name=name: f"{name}: {self.entries(name)}")
        after = self.descriptors(), self.resident()
        print(before, after)
        self.assertLessEqual(abs(after[0] - before[0]), 2)
        self.assertLess(after[1] - before[1], 4096)
        self.assertEqual(self.daemon.stop(signal.SIGTERM), harness.EXIT_OK)


if __name__ == "__main__":
    unittest.main(verbosity=2)
