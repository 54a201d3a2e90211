# SPDX-License-Identifier: Apache-2.0
"""Scraping the real daemon over TLS with a password, by curl and by Prometheus itself."""

import json
import os
import subprocess
import unittest
import urllib.parse
import urllib.request

import harness
import receivers

USER = "prometheus"
PASSWORD = "correct horse: b\u00e4ttery"


class Secured(unittest.TestCase):
    def setUp(self):
        harness.need("curl", "openssl", "prometheus")
        self.folder = harness.temporary_folder(self)
        self.certificate = os.path.join(self.folder, "certificate.pem")
        self.key = os.path.join(self.folder, "key.pem")
        self.password = self.write("password", PASSWORD + "\n", 0o600)
        self.make_certificate()
        self.port = harness.free_port()
        self.exporter = (f"{{type: openmetrics, listen: '127.0.0.1:{self.port}', created: true, "
                         f"tls: {{cert_file: {self.certificate}, key_file: {self.key}}}, "
                         f"basic_auth: {{user: {USER}, password_file: {self.password}}}}}")

    def make_certificate(self):
        harness.make_certificate(self.certificate, self.key, "-addext",
                                 "subjectAltName=IP:127.0.0.1", name="sockeye")
        os.chmod(self.key, 0o600)

    def write(self, name, text, mode):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def start(self):
        daemon = harness.Daemon(self, exporters=[self.exporter])
        daemon.wait_until_observing()
        daemon.wait_for_snapshots()
        return daemon

    def curl(self, login, *words):
        options = ("--user", login) if login else ()
        done = harness.command("curl", "-sS", "--noproxy", "*", "--cacert", self.certificate, "-w",
                               "\n%{http_code}", *options, *words,
                               f"https://127.0.0.1:{self.port}/metrics")
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    def test_curl(self):
        daemon = self.start()
        for login in (None, f"{USER}:wrong", f"root:{PASSWORD}"):
            status, body = self.curl(login)
            self.assertEqual((status, "sockeye_" in body), (401, False), login)
        status, body = self.curl(f"{USER}:{PASSWORD}", "--compressed", "-H",
                                 "Accept: application/openmetrics-text; version=1.0.0")
        self.assertEqual(status, 200)
        samples = receivers.parse_openmetrics(body)
        self.assertGreater(receivers.sum_samples(samples, "sockeye_samples_created"), 0)
        self.assertEqual(receivers.duplicates(body), [])
        self.assert_secret(daemon)
        self.make_certificate()  # curl trusts the new one alone
        self.assertEqual(self.curl(f"{USER}:{PASSWORD}")[0], 200)
        self.write("key.pem", "no key", 0o600)
        self.assertEqual(self.curl(f"{USER}:{PASSWORD}")[0], 200)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(len([line for line in daemon.log if "stays in use" in line]), 1)

    def assert_secret(self, daemon):
        with open(f"/proc/{daemon.pid}/cmdline", "rb") as file:
            self.assertNotIn(PASSWORD.encode(), file.read())
        self.assertEqual([line for line in daemon.log if PASSWORD in line], [])

    def test_prometheus(self):
        self.start()
        listen = f"127.0.0.1:{harness.free_port()}"
        config = self.write("prometheus.yml", json.dumps({"scrape_configs": [{
            "job_name": "sockeye", "scheme": "https", "scrape_interval": "1s",
            "tls_config": {"ca_file": self.certificate},
            "basic_auth": {"username": USER, "password_file": self.password},
            "static_configs": [{"targets": [f"127.0.0.1:{self.port}"]}]}]}), 0o644)
        harness.spawn(self, "prometheus", f"--config.file={config}",
                      f"--storage.tsdb.path={self.folder}/data", f"--web.listen-address={listen}",
                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL)
        query = urllib.parse.quote('up{job="sockeye"} == 1 and on() count(sockeye_samples_total)')
        url = f"http://{listen}/api/v1/query?query={query}"

        def is_up():
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    return json.load(answer)["data"]["result"]
            except OSError:
                return []
        harness.wait_until(is_up, what="Prometheus scrapes the daemon")

    def test_key_that_others_can_read(self):
        for path in (self.key, self.password):
            os.chmod(path, 0o644)
            done = harness.sockeye("run", "--set", f"exporters=[{self.exporter}]")
            self.assertGreater(done.returncode, 0)
            self.assertIn(path, done.stderr)
            self.assertNotIn(PASSWORD, done.stderr)
            os.chmod(path, 0o600)


if __name__ == "__main__":
    unittest.main()
