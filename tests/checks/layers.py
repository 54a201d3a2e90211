#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The may-include table of ARCHITECTURE.md, and a few rules of form, as a check.

Every include of our own is written from the repository root, so each line shows its layer. A stage
may include the stages that the table gives it and nothing else.
"""

import fnmatch
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# folder -> what it may include besides itself. The longest matching folder counts. An entry that
# ends in .h is that header alone; * stands for any text.
LAYERS = {
    "bpf": [],
    "collector/base": [],
    "config": ["bpf/protocols.h", "collector/base"],
    "collector/telemetry": ["collector/base"],
    "collector/snapshot": ["collector/telemetry", "collector/base"],
    "collector/publish": ["collector/snapshot", "collector/telemetry", "collector/base"],
    "collector/process": ["bpf/abi.h", "collector/base", "collector/telemetry", "config"],
    "collector/host": ["collector/base", "config"],
    "collector/payload": ["collector/host", "collector/base", "config"],
    "collector/source": ["bpf/abi.h", "bpf/tls/abi.h", "bpf/tracer/states.h", "collector/tls", "bpf/*.skel.h", "collector/host", "collector/payload",
                         "collector/base", "config"],
    "collector/nat": ["bpf/abi.h", "collector/source", "collector/base", "config"],
    "collector/tracer": ["bpf/abi.h", "collector/base", "collector/telemetry", "config",
                         "collector/process"],
    "collector/usm": ["bpf/abi.h", "bpf/usm/*/record.h", "bpf/usm/sql.h", "collector/base", "collector/telemetry", "config",
                      "collector/process"],
    "collector/aggregate": ["collector/tracer/tracer.h", "collector/usm/usm.h",
                            "collector/usm/protocol.h", "collector/telemetry",
                            "collector/process", "config", "collector/base"],
    "collector/tls": ["bpf/tls/abi.h", "exporters/engine/shared_library.h", "collector/host", "collector/base"],
    "collector/replay": ["bpf/abi.h", "bpf/usm/*.h", "exporters/engine/shared_library.h", "collector/base"],
    "exporters/engine": ["exporters/exporter.h", "collector/publish", "collector/snapshot", "collector/telemetry",
                         "collector/base", "config"],
    "exporters/encode": ["exporters/exporter.h", "collector/snapshot", "collector/telemetry",
                         "collector/base", "config"],
    "exporters": ["collector/snapshot", "collector/telemetry", "collector/base", "config"],
    "collector/control": ["bpf/abi.h", "collector/source", "collector/host", "collector/publish", "collector/snapshot",
                          "collector/telemetry", "exporters/engine", "exporters/exporter.h", "exporters/http/secret.h", "exporters/server",
                          "exporters/openmetrics/negotiate.h", "exporters/openmetrics/page.h", "config", "collector/base"],
    "collector/top": ["collector/control/client.h", "exporters/engine/shared_library.h", "collector/base"],
    "collector": ["bpf/abi.h", "collector", "config", "exporters"],
    "packaging/docs": ["collector/commands.h", "collector/base", "config/schema.h"],
}

BANNED = re.compile(
    r"\b(atoi|atol|strtol|strtoul|strtoll|strtoull|sprintf|vsprintf|strcpy|strcat|strncpy|strncat|"
    r"strtok|strtok_r|system|popen|alloca|rand|gets)\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
PROTOCOL = re.compile(r"(bpf|collector)/usm/(\w+)/")
# possible_net_t and the like are the kernel's own names.
KERNEL_NAMES = "bpf/vmlinux.h"
LICENSES = {"bpf": "GPL-2.0-only OR BSD-2-Clause"}


def layer_of(path):
    """The table's entry for a file: the longest folder that holds it."""
    folders = [folder for folder in LAYERS if path.startswith(folder + "/")]
    return max(folders, key=len) if folders else None


def allowed(layer, included):
    """True when a file of @layer may include @included."""
    if included.startswith(layer + "/") and (layer != "collector" or "/" not in included[10:]):
        return True
    return any(fnmatch.fnmatchcase(included, entry) or included.startswith(entry + "/")
               for entry in LAYERS[layer])


def crosses_protocols(path, included):
    """True when a protocol knows another one, or its parser what only kernel programs have."""
    own, other = PROTOCOL.match(path), PROTOCOL.match(included)
    return own and (other and own[2] != other[2] or
                    own[1] == "bpf" and included.endswith(".bpf.h"))


def check_includes(path, lines):
    layer = layer_of(path)
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        included = match.group(1)
        if "/" not in included:
            yield f"{path}:{number}: include \"{included}\" from the repository root"
        elif layer is not None and not allowed(layer, included):
            yield f"{path}:{number}: {layer} may not include {included}"
        elif crosses_protocols(path, included):
            yield f"{path}:{number}: a protocol may not include {included}"


def license_of(path):
    """By folder; what tests compile into kernel programs has that of bpf/."""
    kernel = path.endswith(".bpf.c") or fnmatch.fnmatch(path, "tests/*/bpf/usm/*")
    return LICENSES.get("bpf" if kernel else path.split("/")[0], "Apache-2.0")


def check_form(path, lines):
    license_name = license_of(path)
    if f"SPDX-License-Identifier: {license_name}" not in lines[0]:
        yield f"{path}:1: first line is not SPDX-License-Identifier: {license_name}"
    for number, line in enumerate(lines, 1):
        if BANNED.search(line):
            yield f"{path}:{number}: {BANNED.search(line).group(1)} is banned, see collector/base"
        if re.match(r"\s*//", line):
            yield f"{path}:{number}: comments are /* */"
        if path != KERNEL_NAMES and re.search(r"\btypedef\s+struct\b", line):
            yield f"{path}:{number}: no typedef of a struct"
        if len(line.rstrip("\n")) > 100:
            yield f"{path}:{number}: longer than 100 columns"


def circles(includes):
    """Headers that include each other: `includes` is {path: [path]}. One problem for each circle."""
    found, done = [], set()

    def follow(path, way):
        if path in way:
            found.append(" -> ".join(way[way.index(path):] + [path]) + ": a circle of includes")
        elif path not in done:
            for included in includes.get(path, ()):
                follow(included, way + [path])
            done.add(path)

    for path in sorted(includes):
        follow(path, [])
    return found


def sources():
    """Every C file that git tracks or would track."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "*.c", "*.h"],
        capture_output=True, text=True, check=True).stdout.split()
    return sorted(path for path in set(listed) if (ROOT / path).exists())


def main():
    problems = []
    files = sources()
    includes = {}
    for path in files:
        lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        includes[path] = [found[1] for found in map(INCLUDE.match, lines) if found]
        problems += check_includes(path, lines)
        problems += check_form(path, lines)
    problems += circles(includes)
    print("\n".join(problems))
    print(f"{len(files)} files, {len(problems)} problems")
    return 1 if problems or not files else 0


if __name__ == "__main__":
    sys.exit(main())
