# SPDX-License-Identifier: Apache-2.0
"""Where this host takes its Debian packages from, and the same mirror's other suites.

The matrix wants kernels of older and newer releases than the host's. They stand in the archives
that the host's own apt sources name: only the suite is another. So whatever mirror, snapshot or
proxy the host uses is used here too.
"""

import glob
import os
import re

SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list",
           "/etc/apt/sources.list.d/*.sources")


class Unavailable(Exception):
    """What a cell needs cannot be had here; the cell is skipped with this reason."""


def codename(path="/etc/os-release"):
    """The host's release ("bookworm")."""
    with open(path, encoding="utf-8") as lines:
        found = re.search(r"^VERSION_CODENAME=(\w+)", lines.read(), re.MULTILINE)
    if not found:
        raise Unavailable(f"{path} names no VERSION_CODENAME: the matrix needs Debian")
    return found[1]


def stanzas(text):
    """(uri, suite, keyring) of every deb822 stanza (sources.list(5)) that offers binaries."""
    for stanza in re.split(r"\n\s*\n", re.sub(r"^#.*\n?", "", text, flags=re.MULTILINE)):
        fields = {name.lower(): value.split() for name, value in
                  re.findall(r"^([\w-]+):((?:.*(?:\n[ \t].*)*))", stanza, re.MULTILINE)}
        if "deb" not in fields.get("types", ()) or fields.get("enabled") == ["no"]:
            continue
        keyring = " ".join(fields.get("signed-by", ()))
        for uri in fields.get("uris", ()):
            for suite in fields.get("suites", ()):
                yield uri, suite, keyring


def lines(text):
    """(uri, suite, keyring) of every line in the one-line style."""
    for line in text.splitlines():
        found = re.match(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)", line)
        if found:
            keyring = re.search(r"signed-by=(\S+)", found["options"] or "")
            yield found["uri"], found["suite"], keyring[1] if keyring else ""


def configured(patterns=SOURCES):
    """Everything that the host's apt is told to read."""
    for pattern in patterns:
        for path in sorted(glob.glob(pattern)):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            yield from (stanzas if path.endswith(".sources") else lines)(text)


def source_line(suite, known=None, release=None):
    """The sources.list line of a suite: the host's own archive with another suite.

    Security suites stand in the archive that the host takes its own security suite from.
    """
    release = release or codename()
    wanted = f"{release}-security" if suite.endswith("-security") else release
    for uri, name, keyring in (configured() if known is None else known):
        if name == wanted:
            # A keyring may be a file or the key itself; only a file fits into a line.
            options = f"[signed-by={keyring}] " if os.path.isabs(keyring) else ""
            return f"deb {options}{uri} {suite} main"
    raise Unavailable(f"no apt source of this host names {wanted}: where {suite} is, is not known")
