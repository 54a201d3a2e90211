# SPDX-License-Identifier: Apache-2.0
"""What is told of each file that may have TLS, and who says which ones are left alone."""

import json
import os
import pathlib
import unittest

import jsonschema

import harness
import test_reload
from harness import command, free_port, wait_until
from test_tls import Certified, Loaded, copy_library, user_of

SCHEMAS = pathlib.Path(__file__).resolve().parents[1] / "data/schemas"


class Listed(Loaded, test_reload.Reload):
    def setUp(self):
        test_reload.Reload.setUp(self)
        Certified.setUp(self)

    def files(self):
        return {file["path"]: file for file in self.status()["tls"]["files"]}

    def wait_for(self, path, **expected):
        """Until that is told of it; the file."""
        def as_expected():
            file = self.files().get(path, {})
            return expected.items() <= file.items() and file
        return wait_until(as_expected, 60, lambda: f"{path}: {self.files()}")

    def ask(self, path):
        """The paths of the files of an answer that are this test's."""
        answer = command("curl", "-sf", "--unix-socket", self.socket, f"http://localhost{path}")
        told = json.loads(answer.stdout)
        self.assert_as_promised("usm", told)
        self.assertTrue(told["tls"])
        return sorted(file["path"] for file in told["files"]
                      if file["path"].startswith(self.folder))

    @staticmethod
    def assert_as_promised(name, document):
        schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
        jsonschema.validate(document, schema, cls=jsonschema.Draft7Validator)

    def text(self, *excluded):
        return (f"interval: 1s\nprotocols: {{tls: {{exclude: {json.dumps(excluded)}}}, http: true}}\n"
                f"exporters: [{{type: file, path: {self.path('told.json')}}}]\n")

    def test_each_file(self):
        left, none = self.path("left"), self.path("libssl-none.so")
        os.mkdir(left)
        copy, spared = copy_library(self.folder), copy_library(left)
        with open(none, "wb") as file:
            file.write(b"no library")
        for library in (copy, copy, spared):
            user_of(self, library)
        self.map(none)
        self.daemon = test_reload.Reload.start(self, self.text(f"{left}/*"))

        probed = self.wait_for(copy, outcome="probed", processes=2, library="OpenSSL", reason=None)
        self.assertGreater(probed["sites"], 4)
        self.assertLessEqual(probed["stepped"], probed["sites"])
        self.assertTrue(0 < probed["took_s"] < 10, probed)
        self.wait_for(spared, outcome="excluded", processes=1, sites=0, library=None,
                      reason=f'protocols.tls.exclude has "{left}/*"')
        self.assertFalse(self.links(spared))
        refused = self.wait_for(none, outcome="refused", sites=0)
        self.assertIn("no program or library of x86-64 or arm64", refused["reason"])
        self.assertEqual(self.ask("/usm/traced_programs"), [copy])
        self.assertEqual(self.ask("/usm/blocked"), sorted((spared, none)))
        wait_until(lambda: self.status()["tls"]["excluded"] >= 1, 30, lambda: str(self.status()))
        self.assert_as_promised("status", self.status())
        shown = command(os.environ["SOCKEYE"], "status", "--socket", self.socket).stdout
        for words in (f"  probed {copy}\n    OpenSSL by its ", f"  excluded {spared}\n",
                      f"  refused {none}\n"):
            self.assertIn(words, shown)

    def test_calls_grow(self):
        port = free_port()
        self.daemon = test_reload.Reload.start(self, self.text())
        with open("/proc/self/maps", encoding="utf-8") as maps:
            own = next(line.split()[-1] for line in maps if "/libssl" in line)
        self.nginx(port)
        before = self.wait_for(own, outcome="probed")["calls"]
        self.assertEqual(self.get(port, ["/"] * 50), [200] * 50)
        # Each request and each answer is written and read, and nginx reads once more.
        wait_until(lambda: self.files()[own]["calls"] >= before + 200, 30,
                   lambda: f"{before}: {self.files()[own]}")

    def test_another_configuration(self):
        """Whoever is left alone now is let go, and whoever is no more is probed."""
        copy = copy_library(self.folder)
        user_of(self, copy)
        self.daemon = test_reload.Reload.start(self, self.text())
        for _ in range(2):
            self.wait_for(copy, outcome="probed")
            self.assertTrue(self.links(copy))
            self.write(self.text(f"{self.folder}/libssl-c*"))
            self.assertEqual(self.reload().returncode, harness.EXIT_OK)
            self.wait_for(copy, outcome="excluded", reason='protocols.tls.exclude has '
                                                           f'"{self.folder}/libssl-c*"')
            self.assertFalse(self.links(copy))
            later = self.path("libssl-cold.so.3")
            if not os.path.exists(later):
                command("cp", copy, later)
                user_of(self, later)
            self.wait_for(later, outcome="excluded")
            self.write(self.text())
            self.assertEqual(self.reload().returncode, harness.EXIT_OK)
            self.wait_for(later, outcome="probed")

    def test_mounts_that_go_soon(self):
        """Those of containerd: one is left alone until somebody has it elsewhere."""
        folder = self.path("tmpmounts/containerd-mount1")
        os.makedirs(folder)
        copy, elsewhere = copy_library(folder), self.path("libssl-elsewhere.so.3")
        os.link(copy, elsewhere)
        for library in (copy, elsewhere, copy):
            user_of(self, library)
        alone = copy_library(folder + "/..")
        os.rename(alone, folder + "/libssl-alone.so.3")
        user_of(self, folder + "/libssl-alone.so.3")
        self.daemon = test_reload.Reload.start(self, self.text())
        self.wait_for(folder + "/libssl-alone.so.3", outcome="excluded",
                      reason="it is in a mount of containerd's that goes soon")
        self.wait_for(elsewhere, outcome="probed", processes=3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
