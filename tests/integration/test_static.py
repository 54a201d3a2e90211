# SPDX-License-Identifier: Apache-2.0
"""The static binary, in a root that has nothing but it, /proc and /sys: it needs no library, no
resolver, no authorities of its host, and whatever the host has configured does not end it.
"""

import os
import shutil
import ssl
import subprocess
import unittest
import urllib.request

import fault_server
import harness
import payloads
import receivers
from traffic import Truth

# 10.8 MB now, of which the kernel programs of a protocol are some 0.2 each, those for plaintext inside TLS as much again and
# 0.4 more, and libpcap is 0.2. Much more, and a library was linked that nobody meant.
BINARY_MAX_BYTES = 11_400_000

# The mounts end with the daemon; $2 is where the binary is outside.
ENTER = """
root=$1
shift 2
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
exec chroot "$root" /sockeye "$@"
"""

# The name server that is asked without a resolv.conf is 127.0.0.1, where nobody listens.
NAME = "receiver.test"
HOSTILE_NSSWITCH = """
passwd: systemd files
group: systemd files
initgroups: systemd
hosts: mdns4_minimal [NOTFOUND=return] resolve [!UNAVAIL=return] files myhostname dns
services: db files
"""
# What the words above name. Opened into a program with another libc such a module ends it; this one
# always does.
MODULES = ("mdns4_minimal", "resolve", "systemd", "myhostname", "db", "files", "dns")
MODULE = "__attribute__((constructor)) static void end(void) { __builtin_trap(); }"

AUTHORITIES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
               "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem")


class Root:
    """A folder with the binary; run in it with `prefix` before the binary's own path."""

    def __init__(self, test):
        self.path = harness.temporary_folder(test)
        for name in ("proc", "sys"):
            os.mkdir(self._outside(name))
        shutil.copy(harness.binary(), self._outside("sockeye"))
        self.prefix = ("unshare", "--mount", "--propagation", "private", "sh", "-ec", ENTER, "sh",
                       self.path)

    def _outside(self, path):
        return os.path.join(self.path, path.lstrip("/"))

    def write(self, path, text, mode=0o600):
        """Returns the path, as it is inside."""
        outside = self._outside(path)
        os.makedirs(os.path.dirname(outside), exist_ok=True)
        with open(outside, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(outside, mode)
        return path

    def copy(self, source, path):
        with open(source, encoding="utf-8") as file:
            return self.write(path, file.read())

    def install_modules(self):
        """Modules of the name service switch, as any host may have them."""
        first, *others = (self._outside(f"/lib/libnss_{name}.so.2") for name in MODULES)
        os.makedirs(os.path.dirname(first), exist_ok=True)
        harness.command("gcc", "-shared", "-fPIC", "-nostdlib", "-x", "c", "-o", first,
                        self._write_module())
        for other in others:
            shutil.copy(first, other)

    def _write_module(self):
        self.write("/module.c", MODULE)
        return self._outside("/module.c")


class Daemon(harness.Daemon):
    """One whose world is a Root; its numbers come through the exporter `file` on stdout."""

    def __init__(self, test, root, **options):
        self.root = root
        super().__init__(test, console="{type: file, path: '-'}", prefix=root.prefix,
                         environment={"SSL_CERT_FILE": ""},  # a developer may have it
                         **options)

    def _write_config(self, test, text):  # pylint: disable=arguments-differ
        return self.root.write("/sockeye.yaml", text)


class Receiver:
    """An HTTP server, and what its requests amount to."""

    def __init__(self, test, reader, tls=None):
        self.server = fault_server.FaultServer(test)
        self.server.usual = fault_server.answer(200, b"")
        self.server.tls = tls
        self.reader = reader

    def url(self, host="127.0.0.1"):
        scheme = "https" if self.server.tls else "http"
        return f"{scheme}://{host}:{self.server.port}{self.reader.PATH}"

    def read(self):
        return self.reader.of(self.server.taken)


class Binary(unittest.TestCase):
    def readelf(self, *options):
        harness.need("readelf")
        return harness.command("readelf", "--wide", *options, harness.binary()).stdout

    def test_needs_no_library(self):
        headers, dynamic = self.readelf("--file-header", "--program-headers"), self.readelf("-d")
        self.assertIn("DYN (", headers)
        self.assertNotIn("INTERP", headers)
        self.assertNotIn("(NEEDED)", dynamic)
        self.assertRegex(dynamic, r"FLAGS_1.*\bNOW\b.*\bPIE\b")
        self.assertIn("GNU_RELRO", headers)

    def test_replay(self):
        """libpcap is in it, which reads a capture from the input."""
        with open(os.path.join(os.path.dirname(__file__), "..", "data", "replay", "http.pcap"), "rb") as file:
            done = subprocess.run([*Root(self).prefix, harness.binary(), "replay", "-"], stdin=file,
                                  capture_output=True, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn(b"method=POST status=200 route=/form", done.stdout)

    def test_is_small_and_stripped(self):
        self.assertLess(os.path.getsize(harness.binary()), BINARY_MAX_BYTES)
        self.assertNotIn(".symtab", self.readelf("--sections"))


class EmptyRoot(unittest.TestCase):
    def setUp(self):
        harness.need("unshare", "chroot", "openssl", "gcc")
        self.root = Root(self)
        self.truth = Truth()

    def talk(self, daemon, rounds=10):
        for _ in range(2):
            self.truth.add(self, rounds)
            daemon.wait_for_snapshots(1)

    def sockeye(self, *words):
        return harness.sockeye(*words, prefix=self.root.prefix)

    def test_commands(self):
        for words, says in ((("version",), "sockeye "),
                            (("check",), "the built-in configuration is valid"),
                            (("probe",), "socket-storage")):
            done = self.sockeye(*words)
            self.assertEqual((done.returncode, done.stderr), (0, ""), words)
            self.assertIn(says, done.stdout)

    def test_once(self):
        daemon = Daemon(self, self.root, interval="3s", arguments=("--once",))
        self.truth.add(self, 20)
        self.assertEqual(daemon.wait(), 0)
        self.assertEqual(self.truth.difference(daemon), [])

    def test_pages(self):
        authority = fault_server.Authority(self)
        certificate, key = authority.files()
        self.root.copy(certificate, "/certificate.pem")
        self.root.copy(key, "/key.pem")
        plain, secured = receivers.Page(), receivers.Page()
        secured.exporter = (f"{{type: openmetrics, name: secured, listen: '127.0.0.1:{secured.port}', "
                            "tls: {cert_file: /certificate.pem, key_file: /key.pem}}")
        daemon = Daemon(self, self.root, exporters=(plain.exporter, secured.exporter))
        self.talk(daemon)
        trusting = ssl.create_default_context(cafile=authority.certificate)
        address = f"https://127.0.0.1:{secured.port}/metrics"
        with urllib.request.urlopen(address, context=trusting, timeout=60) as answer:
            pages = (plain.get()[1], answer.read().decode())
        for page in pages:
            self.assertEqual(receivers.duplicates(page), [])
            self.assertIn(f'port="{self.truth.port}"', page)
        samples = receivers.parse_openmetrics(plain.get(encoding="gzip")[1])
        self.assertEqual(receivers.sum_samples(samples, "sockeye_tcp_connections_opened_total",
                                               port=self.truth.port, direction="incoming"),
                         self.truth.connections)

    def test_receivers(self):
        """Each of the libraries that are opened at run time elsewhere: libcurl, libsnappy."""
        authority = fault_server.Authority(self)
        otlp = Receiver(self, payloads.Otlp, authority.context())
        written = Receiver(self, payloads.RemoteWrite)
        self.root.copy(authority.certificate, "/ca.pem")
        daemon = Daemon(self, self.root, exporters=(
            f"{{type: otlp, url: '{otlp.url()}', tls: {{ca_file: /ca.pem}}}}",
            f"{{type: remote_write, url: '{written.url()}'}}"))
        self.talk(daemon)
        self.assertEqual(daemon.stop(), 0)
        for receiver in (otlp, written):
            self.assertEqual(self.truth.difference(receiver.read()), [])
            self.assertEqual(receiver.server.errors, [])

    def test_authorities(self):
        """None, and the log says where they were looked for; then there are some, and all comes."""
        authority = fault_server.Authority(self)
        receiver = Receiver(self, payloads.Otlp, authority.context())
        daemon = Daemon(self, self.root, exporters=(f"{{type: otlp, url: '{receiver.url()}'}}",))
        self.talk(daemon)
        told = harness.wait_until(lambda: [line for line in daemon.log if "authorities" in line],
                                  what="a word about authorities")
        for place in AUTHORITIES:
            self.assertIn(place, told[0])
        self.assertEqual(receiver.server.connections, 0)
        self.root.copy(authority.certificate, AUTHORITIES[1])
        harness.wait_until(lambda: receiver.server.taken, 60, lambda: "\n".join(daemon.log))
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(self.truth.difference(receiver.read()), [])

    def test_strangers_certificate(self):
        """An authority of the host's that did not sign what the receiver shows."""
        receiver = Receiver(self, payloads.Otlp, fault_server.Authority(self).context())
        self.root.copy(fault_server.Authority(self).certificate, AUTHORITIES[0])
        daemon = Daemon(self, self.root, exporters=(f"{{type: otlp, url: '{receiver.url()}'}}",))
        daemon.wait_for_total("sockeye.exporter.failures", 1, exporter="otlp", reason="tls")
        self.assertEqual(receiver.server.taken, [])

    def test_hostile_names(self):
        self.root.write("/etc/nsswitch.conf", HOSTILE_NSSWITCH)
        self.root.write("/etc/hosts", f"127.0.0.1 {NAME}\n")
        self.root.install_modules()
        agent = receivers.Agent(self)
        otlp = Receiver(self, payloads.Otlp)
        daemon = Daemon(self, self.root, exporters=(
            f"{{type: dogstatsd, url: 'udp://{NAME}:{agent.port}'}}",
            f"{{type: otlp, url: '{otlp.url(NAME)}'}}",
            "{type: otlp, name: nowhere, url: 'http://nowhere.test:4318/v1/metrics'}"))
        self.talk(daemon)
        daemon.wait_for_total("sockeye.exporter.failures", 1, exporter="nowhere",
                              reason="unresolved")
        self.assertEqual(daemon.stop(), 0)
        agent.down()
        self.assertEqual(self.truth.difference(agent), [])
        self.assertEqual(self.truth.difference(otlp.read()), [])


def mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return file.read()


class Traces(unittest.TestCase):
    def test_nothing_stays_mounted(self):
        before = mounts()
        root = Root(self)
        done = subprocess.run((*root.prefix, harness.binary(), "version"), check=True,
                              stdout=subprocess.PIPE, timeout=60)
        self.assertIn(b"sockeye", done.stdout)
        self.assertEqual(mounts(), before)
        self.assertEqual(os.listdir(os.path.join(root.path, "proc")), [])


if __name__ == "__main__":
    unittest.main()
