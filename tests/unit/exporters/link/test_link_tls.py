#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The link inside TLS, against a receiver with certificates of every kind.

    test_link_tls.py LINK_SEND_PROGRAM
"""
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import types
import unittest

PROGRAM = ""


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.key, self.cert = self.path(name + ".key"), self.path(name + ".pem")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "2", "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.cert)

    def path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, name, san, *validity):
        """Certificate and key for @san; @validity: options of openssl ca about dates."""
        key, request, cert = (self.path(name + end) for end in (".key", ".csr", ".pem"))
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={name}", "-addext", f"subjectAltName={san}",
                "-keyout", key, "-out", request)
        self.sign(request, cert, validity or ("-days", "2"))
        os.chmod(key, 0o600)
        return cert, key

    def sign(self, request, cert, validity):
        config = self.path("ca.cnf")
        with open(config, "w", encoding="utf-8") as out:
            out.write(f"[ca]\ndefault_ca=d\n[d]\nnew_certs_dir={self.folder}\n"
                      f"database={self.path('index.txt')}\nrand_serial=yes\n"
                      "default_md=sha256\npolicy=p\ncopy_extensions=copy\n"
                      "unique_subject=no\n[p]\ncommonName=supplied\n")
        with open(self.path("index.txt"), "a", encoding="utf-8"):
            pass
        openssl("ca", "-batch", "-notext", "-config", config, "-keyfile", self.key,
                "-cert", self.cert, "-in", request, "-out", cert, *validity)


class Receiver:
    """Reads what comes over TLS, one connection after the other."""

    def __init__(self, cert, key, handle=None, client_ca=None, version=None):
        self.received = b""
        self.connections = 0
        self.handle = handle or self.read
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        if client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        self.context = context
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(20)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with plain:
                plain.settimeout(20)
                try:
                    with self.context.wrap_socket(plain, server_side=True) as stream:
                        self.handle(stream)
                except OSError:
                    pass

    def read(self, stream):
        while chunk := stream.recv(65536):
            self.received += chunk

    def read_once(self, stream):
        """Ends the connection after one read, in order."""
        self.received += stream.recv(65536)
        stream.unwrap()

    def chat(self, stream):
        """Answers everything with more than was asked for."""
        while chunk := stream.recv(65536):
            self.received += chunk
            stream.sendall(b"x" * 5000)

    def stop(self):
        """Waits for what is under way; may come twice."""
        if self.listener.fileno() < 0:
            return
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)


def listening(sock):
    """What send() needs of a receiver."""
    return types.SimpleNamespace(port=sock.getsockname()[1])


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        for name in ("ours", "theirs"):
            os.mkdir(os.path.join(cls.folder.name, name))
        cls.ours = Authority(os.path.join(cls.folder.name, "ours"), "ours")
        cls.theirs = Authority(os.path.join(cls.folder.name, "theirs"), "theirs")
        cls.good = cls.ours.issue("good", "IP:127.0.0.1,DNS:localhost")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def receiver(self, *arguments, **options):
        receiver = Receiver(*arguments, **options)
        self.addCleanup(receiver.stop)
        return receiver

    def send(self, receiver, lines, host="127.0.0.1", ca=None, client=()):
        """What link_send prints about each of @lines."""
        url = f"tls://{host}:{receiver.port}"
        done = subprocess.run([PROGRAM, url, ca or self.ours.cert, *client], text=True,
                              input="".join(line + "\n" for line in lines), timeout=60,
                              stdout=subprocess.PIPE, check=False)
        self.assertGreaterEqual(done.returncode, 0, "a signal ended it")
        return done.stdout.splitlines()

    def assert_refused(self, cert, words, **options):
        receiver = self.receiver(*cert)
        said, = self.send(receiver, ["secret"], **options)
        self.assertTrue(said.startswith("tls: "), said)
        self.assertIn(words, said.lower())
        self.assertEqual(receiver.received, b"")

    def test_lines_arrive(self):
        receiver = self.receiver(*self.good)
        self.assertEqual(self.send(receiver, ["one", "two"]), ["confirmed"] * 2)
        receiver.stop()
        self.assertEqual((receiver.received, receiver.connections), (b"one\ntwo\n", 1))

    def test_name_of_the_certificate_counts(self):
        """libcurl knows the addresses of localhost by itself: /etc/hosts is not needed."""
        receiver = self.receiver(*self.good)
        self.assertEqual(self.send(receiver, ["one"], host="localhost"), ["confirmed"])

    def test_tls_1_2(self):
        receiver = self.receiver(*self.good, version=ssl.TLSVersion.TLSv1_2)
        self.assertEqual(self.send(receiver, ["one"]), ["confirmed"])

    def test_large_pieces_arrive_whole(self):
        receiver = self.receiver(*self.good)
        lines = ["x" * 60000] * 50
        self.assertEqual(self.send(receiver, lines), ["confirmed"] * 50)
        receiver.stop()
        self.assertEqual(len(receiver.received), 50 * 60001)

    def test_wrong_authority(self):
        self.assert_refused(self.theirs.issue("stranger", "IP:127.0.0.1"), "certificate")
        self.assert_refused(self.good, "certificate", ca=self.theirs.cert)

    def test_expired(self):
        cert = self.ours.issue("expired", "IP:127.0.0.1", "-startdate", "20200101000000Z",
                               "-enddate", "20200102000000Z")
        self.assert_refused(cert, "expired")

    def test_wrong_name(self):
        self.assert_refused(self.ours.issue("other", "IP:127.0.0.9"), "127.0.0.1")

    def test_not_tls_at_all(self):
        with socket.create_server(("127.0.0.1", 0)) as plain:
            def answer():
                with plain.accept()[0] as stream:
                    stream.recv(10)
                    stream.sendall(b"hello\n" * 10)
            thread = threading.Thread(target=answer)
            thread.start()
            said, = self.send(listening(plain), ["secret"])
            thread.join()
        self.assertTrue(said.startswith("tls: "), said)

    def test_handshake_that_hangs(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            start = time.monotonic()
            said, = self.send(listening(silent), ["secret"])
            took = time.monotonic() - start
        self.assertTrue(said.startswith("timeout: "), said)
        self.assertLess(took, 4)

    def test_nobody_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as gone:
            receiver = listening(gone)
        said, = self.send(receiver, ["secret"])
        self.assertTrue(said.startswith("refused: "), said)

    def test_end_is_seen_before_use(self):
        receiver = self.receiver(*self.good)
        receiver.handle = receiver.read_once
        said = self.send(receiver, ["one", "wait", "two", "wait", "three"])
        self.assertEqual(said, ["confirmed"] * 3)
        receiver.stop()
        self.assertEqual((receiver.received, receiver.connections), (b"one\ntwo\nthree\n", 3))

    def test_what_a_receiver_says_is_thrown_away(self):
        receiver = self.receiver(*self.good)
        receiver.handle = receiver.chat
        self.assertEqual(self.send(receiver, ["one", "wait"] * 5), ["confirmed"] * 5)
        receiver.stop()
        self.assertEqual(receiver.connections, 1)

    def test_certificate_of_our_own(self):
        client = self.ours.issue("client", "DNS:client")
        receiver = self.receiver(*self.good, client_ca=self.ours.cert)
        self.assertEqual(self.send(receiver, ["one"], client=client), ["confirmed"])
        receiver.stop()
        self.assertEqual(receiver.received, b"one\n")

    def test_key_that_others_may_read(self):
        cert, key = self.ours.issue("careless", "DNS:client")
        os.chmod(key, 0o644)
        said, = self.send(self.receiver(*self.good), ["one"], client=(cert, key))
        self.assertTrue(said.startswith("new: "), said)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
