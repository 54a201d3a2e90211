# SPDX-License-Identifier: Apache-2.0
"""JSON held against published types, by TypeScript's own compiler, which knows unknown names, too."""

import json
import os
import re
import subprocess

PACKAGE = ("typescript", "5.9.3", lambda path: os.path.dirname(path) == "lib")
OPTIONS = {"compilerOptions": {"noEmit": True, "strict": True, "skipLibCheck": True, "types": [],
                               "module": "esnext", "moduleResolution": "bundler",
                               "target": "es2022", "lib": ["es2022"]}, "files": ["check.ts"]}


def check(folder, types, declarations):
    """{name: what is wrong} of {name: lines of declarations, each one whole}; types are what stands
    before them. PACKAGE is in the folder, and what the types are imported from.
    """
    lines, owners = types.splitlines(), {}
    for name, declared in declarations.items():
        for line in declared:
            lines.append(line)
            owners[len(lines)] = name
    for name, content in (("check.ts", "\n".join(lines) + "\n"),
                          ("tsconfig.json", json.dumps(OPTIONS))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(content)
    done = subprocess.run(("node", "node_modules/typescript/lib/tsc.js"), cwd=folder,
                          stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    said, owner = {}, None
    for line in done.stdout.splitlines():
        place = re.match(r"check\.ts\((\d+),", line)
        if place or "error TS" in line:
            owner = owners.get(int(place[1])) if place else None
        said.setdefault(owner, []).append(line)
    if None in said:
        raise AssertionError(f"not of what was declared: {said[None]}")
    return said
