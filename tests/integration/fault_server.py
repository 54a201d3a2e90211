# SPDX-License-Identifier: Apache-2.0
"""A receiver over HTTP that misbehaves as a script says, on a loopback port.

    server = FaultServer(test)
    server.script("/api/v2/series", answer(503), reset("answer"), silence())

The first three requests of that path meet these faults, all others get `server.usual`, 202. Each
fault is a function of an Exchange: one request whose head is read and whose body is not. What the
server took is in `server.taken`, what it refused for good in `server.refused`.
"""

import collections
import contextlib
import gzip
import os
import socket
import ssl
import struct
import threading
import time
import zlib

import harness
import snappy

HEAD_MAX_BYTES = 64 * 1024
NARROW_BYTES = 1024
BODY_MAX_BYTES = 64 * 1024 * 1024
ENDLESS_BYTES = 10 * 1024 ** 3
LONGEST_WAIT = 120


class Left(Exception):
    """The client went away."""


class Request:
    """A request as it came; `body` is decoded when it was read whole."""

    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, version = lines[0].split(" ")
        if version != "HTTP/1.1":
            raise ValueError(f"not HTTP/1.1: {lines[0]!r}")
        self.headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or name.lower() in self.headers:
                raise ValueError(f"bad header {line!r}")
            self.headers[name.lower()] = value.strip()
        self.time = time.time()
        self.scripted = False  # it met a fault
        self.body = None

    @property
    def length(self):
        return int(self.headers.get("content-length", "0"))

    def decode(self, body):
        encoding = self.headers.get("content-encoding", "identity")
        self.body = {"identity": bytes, "deflate": zlib.decompress, "gzip": gzip.decompress,
                     "snappy": snappy.decompress}[encoding](body)


class Exchange:
    """One request and the connection that it came over."""

    def __init__(self, server, connection, request, rest):
        self.server = server
        self.connection = connection
        self.request = request
        self.rest = rest  # bytes behind the head that came with it

    def read_body(self):
        """Reads the request to its end."""
        parts, left = [self.rest], self.request.length - len(self.rest)
        while left > 0:
            part = receive(self.connection, left)
            parts.append(part)
            left -= len(part)
        self.request.decode(b"".join(parts))

    def send(self, data):
        try:
            self.connection.sendall(data)
        except (OSError, ssl.SSLError) as error:
            raise Left() from error

    def reset(self):
        """RST, with whatever was not read or sent yet."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def wait_for_leaving(self):
        """Reads nothing; returns when the client has closed or the server stops."""
        self.server.wait_for_leaving(self.connection)


def receive(connection, size):
    """At least one byte; Left at the end of the stream."""
    try:
        part = connection.recv(min(size, 1 << 16))
    except (OSError, ssl.SSLError) as error:
        raise Left() from error
    if not part:
        raise Left()
    return part


def head_of(status, length, *headers):
    lines = [f"HTTP/1.1 {status} Reason", *headers, f"Content-Length: {length}", "", ""]
    return "\r\n".join(lines).encode("latin-1")


# ---- Behaviours: True keeps the connection ----

def answer(status=202, body=b"{}", headers=(), interim=(), pause=0.0):
    """A whole answer, after interim ones (1xx) and a pause."""
    def behave(exchange):
        exchange.read_body()
        for code in interim:
            exchange.send(f"HTTP/1.1 {code} Interim\r\n\r\n".encode())
        exchange.server.pause(pause)
        exchange.server.keep(exchange.request, status)
        exchange.send(head_of(status, len(body), *headers) + body)
        return True
    return behave


def reset(when, status=202):
    """RST "before" the body is read, in the middle of the "request" (of one that is longer than
    what a narrow server takes at once), or of the "answer"."""
    def behave(exchange):
        if when == "request" and not exchange.rest:
            receive(exchange.connection, 1)
        elif when == "answer":
            exchange.read_body()
            exchange.server.keep(exchange.request, status)
            exchange.send(head_of(status, 1000) + b"{")
        exchange.reset()
    return behave


def half_close():
    """FIN instead of an answer; the request is read and ours is the longer patience."""
    def behave(exchange):
        exchange.read_body()
        exchange.connection.shutdown(socket.SHUT_WR)
        exchange.wait_for_leaving()
    return behave


def truncated(status=202):
    """An answer that is shorter than its Content-Length says."""
    def behave(exchange):
        exchange.read_body()
        exchange.server.keep(exchange.request, status)
        exchange.send(head_of(status, 1000) + b'{"errors":')
    return behave


def endless(status=202, part=bytes(1 << 16)):
    """10 GiB of zeros until the client leaves; server.streamed counts what it took."""
    def behave(exchange):
        exchange.read_body()
        exchange.server.keep(exchange.request, status)
        exchange.send(head_of(status, ENDLESS_BYTES))
        for _ in range(ENDLESS_BYTES // len(part)):
            exchange.send(part)
            exchange.server.count_streamed(len(part))
    return behave


def endless_head(line=b"X-More: " + b"a" * 1000 + b"\r\n"):
    """A head without end."""
    def behave(exchange):
        exchange.read_body()
        exchange.send(b"HTTP/1.1 202 Reason\r\n")
        for _ in range(ENDLESS_BYTES // len(line)):
            exchange.send(line)
            exchange.server.count_streamed(len(line))
    return behave


def garbage(data=b"\x00\xff\x15\x03\x01 this is no HTTP\r\n\r\n" * 4):
    """Bytes of another protocol."""
    def behave(exchange):
        exchange.read_body()
        exchange.send(data)
    return behave


def silence():
    """The request is never read, nor answered."""
    def behave(exchange):
        exchange.wait_for_leaving()
    return behave


def drip(status=202, length=1000, pause=0.2):
    """A byte of the answer now and then: each wait is short, all of them are long."""
    def behave(exchange):
        exchange.read_body()
        exchange.server.keep(exchange.request, status)
        exchange.send(head_of(status, length))
        for _ in range(length):
            exchange.send(b"x")
            exchange.server.pause(pause)
    return behave


# ---- The server ----

class FaultServer:
    """Up when the constructor returns; down() and up() keep port, script and records.

    A `narrow` one takes in so little at once that a client cannot send before it reads. `tls` is an
    ssl.SSLContext or None and counts from the next connection on. Everything that is wrong with a
    request is in `errors`.
    """

    def __init__(self, test, host="127.0.0.1", port=None, make_socket=socket.socket,
                 narrow=False, up=True):
        self.host = host
        self.narrow = narrow
        self.make_socket = make_socket
        self.port = port or harness.free_port()
        self.url = f"http://{host}:{self.port}"
        self.tls = None
        self.usual = answer()
        self.taken = []      # requests answered 2xx, or whose answer got lost on the way
        self.refused = []    # (status, request) of other answers
        self.played = collections.Counter()  # faults, by path
        self.connections = 0
        self.handshakes_failed = 0
        self.streamed = 0    # bytes of endless answers
        self.errors = []
        self._scripts = {}
        self._lock = threading.Lock()
        self._live = set()
        self._listener = None
        self._ended = threading.Event()
        test.addCleanup(self.down)
        if up:
            self.up()

    # ---- life ----

    def listen(self, backlog=128):
        listener = self.make_socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.narrow:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW_BYTES)
        listener.bind((self.host, self.port))
        listener.listen(backlog)
        return listener

    def up(self):
        self._ended = threading.Event()
        self._listener = self.listen()
        threading.Thread(target=self._accept, args=(self._listener, self._ended),
                         daemon=True).start()

    def down(self):
        """Nobody listens any more, and all connections are reset."""
        self._ended.set()
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            live, self._live = self._live, set()
        for connection in live:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def deaf(self):
        """Meanwhile nobody accepts: the queue of the listener is full and SYNs get no answer."""
        self.down()
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.listen(backlog=0))
            for _ in range(4):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex((self.host, self.port))
            yield
        self.up()

    # ---- what behaviours use ----

    def script(self, path, *behaviours):
        """What the next requests of @path meet, one each."""
        with self._lock:
            self._scripts.setdefault(path, collections.deque()).extend(behaviours)

    def left(self, path):
        """How many faults of @path nobody has met yet."""
        with self._lock:
            return len(self._scripts.get(path, ()))

    def keep(self, request, status):
        with self._lock:
            if 200 <= status < 300:
                self.taken.append(request)
            else:
                self.refused.append((status, request))

    def count_streamed(self, size):
        with self._lock:
            self.streamed += size

    def pause(self, seconds):
        """Ends early when the server goes down."""
        if seconds > 0 and self._ended.wait(seconds):
            raise Left()

    def wait_for_leaving(self, connection):
        connection.settimeout(0.05)
        end = time.monotonic() + LONGEST_WAIT
        while not self._ended.is_set() and time.monotonic() < end:
            state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
            if state not in (1, 4, 5):  # TCP_ESTABLISHED, and our FIN is on its way or acknowledged
                return
            self._ended.wait(0.02)

    # ---- threads ----

    def _accept(self, listener, ended):
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._live.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        connection.settimeout(LONGEST_WAIT)
        try:
            with contextlib.ExitStack() as stack:
                stack.enter_context(connection)
                talk = self._encrypt(stack, connection)
                while talk is not None and self._exchange(talk):
                    pass
        except Left:
            pass
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(repr(error))
        with self._lock:
            self._live.discard(connection)

    def _encrypt(self, stack, connection):
        if self.tls is None:
            return connection
        try:
            return stack.enter_context(self.tls.wrap_socket(connection, server_side=True))
        except (OSError, ssl.SSLError):
            with self._lock:
                self.handshakes_failed += 1
            return None

    def _exchange(self, connection):
        """One request; whether another may follow."""
        head = b""
        while b"\r\n\r\n" not in head:
            head += receive(connection, NARROW_BYTES)
            if not head.startswith((b"POST /", b"PUT /", b"GET /")) or len(head) > HEAD_MAX_BYTES:
                raise ValueError(f"no request: {head[:20]}")
        head, _, rest = head.partition(b"\r\n\r\n")
        request = Request(head)
        if request.length > BODY_MAX_BYTES or "transfer-encoding" in request.headers:
            raise ValueError(f"bad length of {request.path}")
        return self._choose(request)(Exchange(self, connection, request, rest))

    def _choose(self, request):
        with self._lock:
            script = self._scripts.get(request.path)
            if not script:
                return self.usual
            self.played[request.path] += 1
            request.scripted = True
            return script.popleft()


# ---- Certificates ----

class Authority:
    """A certificate authority of the test's own, for servers on 127.0.0.1."""

    def __init__(self, test):
        harness.need("openssl")
        self.folder = harness.temporary_folder(test)
        self.certificate = self._path("ca.pem")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-nodes", "-keyout", self._path("ca.key"), "-out", self.certificate,
                      "-subj", "/CN=test authority", "-days", "2")

    def _path(self, name):
        return os.path.join(self.folder, name)

    @staticmethod
    def _openssl(*words):
        harness.command("openssl", *words)

    def files(self, name="IP:127.0.0.1", expired=False, self_signed=False):
        """What a server shows: paths of a certificate for `name` and of its key."""
        base = self._path(f"{name.replace(':', '_')}.{expired}.{self_signed}")
        with open(base + ".ext", "w", encoding="ascii") as file:
            file.write(f"subjectAltName={name}\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-keyout", base + ".key", "-out", base + ".csr", "-subj", "/CN=server")
        files = ("-in", base + ".csr", "-out", base + ".pem", "-extfile", base + ".ext")
        if expired:
            self._sign_for_the_past(files)
        elif self_signed:
            self._openssl("x509", "-req", *files, "-days", "2", "-signkey", base + ".key")
        else:
            self._openssl("x509", "-req", *files, "-days", "2", "-CA", self.certificate, "-CAkey",
                          self._path("ca.key"), "-CAcreateserial")
        return base + ".pem", base + ".key"

    def context(self, *words, **options):
        """The same, for a server of Python's."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.files(*words, **options))
        return context

    def _sign_for_the_past(self, files):
        """openssl ca takes dates that are over; openssl x509 no longer does (3.5)."""
        with open(self._path("ca.cnf"), "w", encoding="utf-8") as file:
            file.write(f"[ca]\ndefault_ca=d\n[d]\nnew_certs_dir={self.folder}\nrand_serial=yes\n"
                       f"database={self._path('list.txt')}\ndefault_md=sha256\npolicy=p\n"
                       "unique_subject=no\n[p]\ncommonName=supplied\n")
        with open(self._path("list.txt"), "a", encoding="utf-8"):
            pass
        self._openssl("ca", "-batch", "-notext", "-config", self._path("ca.cnf"), *files,
                      "-cert", self.certificate, "-keyfile", self._path("ca.key"),
                      "-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
