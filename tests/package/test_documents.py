# SPDX-License-Identifier: Apache-2.0
"""Manual pages and completions: no checker of theirs complains, and shells complete by them.

EYE_BUILD is a build folder.
"""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import pexpect

DOCUMENTS = pathlib.Path(os.environ["EYE_BUILD"]) / "packaging/docs"
PAGES = ("sockeye.8", "sockeye.yaml.5")
SHELLS = ("bash", "zsh", "fish")
TAB = "\t"


def run(*words, **options):
    return subprocess.run(words, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


class Pages(unittest.TestCase):
    def test_mandoc(self):
        for page in PAGES:
            done = run("mandoc", "-T", "lint", "-W", "warning", DOCUMENTS / page)
            self.assertEqual((done.returncode, done.stdout), (0, ""), page)

    def test_groff(self):
        for page in PAGES:
            done = subprocess.run(
                ("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", DOCUMENTS / page),
                text=True, timeout=60, check=False, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"})
            self.assertEqual((done.returncode, done.stderr), (0, ""), page)

    def test_every_key_and_word(self):
        """What tables have and a macro would have swallowed."""
        text = {page: run("mandoc", "-T", "ascii", "-O", "width=200", DOCUMENTS / page).stdout
                for page in PAGES}
        text = {page: re.sub(".\b", "", body) for page, body in text.items()}
        for word in ("--set KEY=VALUE", "-c FILE, --config FILE", "78",
                     "exporters=[{type: console"):
            self.assertIn(word, text["sockeye.8"])
        for word in ("limits.tag_values", "tls.key_file", "'-'", "pickle", "[::1]:9464"):
            self.assertIn(word, text["sockeye.yaml.5"])


class Shells(unittest.TestCase):
    def test_syntax(self):
        for shell in SHELLS:
            done = run(shell, "-n", DOCUMENTS / f"sockeye.{shell}")
            self.assertEqual((done.returncode, done.stdout), (0, ""), shell)


class Typed(unittest.TestCase):
    """A line is typed, the shell completes it, and what stands there then is what was meant."""

    # What is typed, what it becomes.
    LINES = (
        ("pro", "probe "),
        ("run --onc", "run --once "),
        ("run --set lim", "run --set limits."),
        ("run --set log.l", "run --set log.level="),
        ("run --set log.level=deb", "run --set log.level=debug "),
        ("run --set=log.level=deb", "run --set=log.level=debug "),
        ("check -c mi", "check -c mine.yaml "),
        ("help met", "help metrics "),
        ("replay he", "replay here.pcap "),
        ("replay --js", "replay --json "),
    )

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "mine.yaml").touch()
        (self.folder / "mint.txt").touch()
        (self.folder / "here.pcap").touch()
        (self.folder / "hers.txt").touch()

    def shell(self, *words):
        child = pexpect.spawn(words[0], list(words[1:]), cwd=str(self.folder), encoding="utf-8",
                              timeout=20, dimensions=(24, 200),
                              env={"PATH": os.environ["PATH"], "TERM": "dumb",
                                   "HOME": str(self.folder), "LC_ALL": "C.UTF-8"})
        self.addCleanup(child.close, force=True)
        return child

    def test_bash(self):
        (self.folder / "rc").write_text(
            "PS1='READY '\n"
            "bind 'set bell-style none'\nbind 'set enable-bracketed-paste off'\n"
            ". /usr/share/bash-completion/bash_completion\n"
            f". {DOCUMENTS}/sockeye.bash\n"
            "sockeye() { printf '<%s>\\n' \"$*\"; }\n")
        child = self.shell("bash", "--noprofile", "--rcfile", "rc", "-i")
        child.expect("READY ")
        for typed, meant in self.LINES:
            # A word of our own behind it shows whether a space was added.
            child.send(f"sockeye {typed}{TAB}end\n")
            child.expect(r"<(.*)>\r\n")
            self.assertEqual(child.match[1], f"{meant}end", typed)
            child.expect("READY ")

    def test_zsh(self):
        (self.folder / "_sockeye").write_text((DOCUMENTS / "sockeye.zsh").read_text())
        (self.folder / ".zshrc").write_text(
            f"PS1='READY '\nunsetopt beep\nfpath=({self.folder} $fpath)\n"
            "autoload -U compinit; compinit -u\n"
            "sockeye() { print -r -- \"<$*>\" }\n")
        child = self.shell("zsh", "-d", "-i")
        child.expect("READY ")
        for typed, meant in self.LINES:
            child.send(f"sockeye {typed}{TAB}end\r")
            child.expect(r"\n<(.*)>\r\n")
            self.assertEqual(child.match[1], f"{meant}end", typed)
            child.expect("READY ")

    def test_fish(self):
        for typed, meant in self.LINES:
            if meant.endswith("."):
                continue  # fish shows what there is and completes no part of it
            done = run("fish", "--no-config", "-c",
                       f"source {DOCUMENTS}/sockeye.fish; complete -C 'sockeye {typed}'",
                       cwd=self.folder, env={**os.environ, "HOME": str(self.folder)})
            words = [line.split("\t")[0] for line in done.stdout.splitlines()]
            wanted = meant.split()[-1]
            self.assertTrue(any(word.startswith(wanted) for word in words), (typed, done.stdout))


if __name__ == "__main__":
    unittest.main()
