#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every live test is run by somebody: tests/integration/CMakeLists.txt names modules, classes and
methods; the kernels of tests/vm and the static binary have tests of their own."""

import ast
import pathlib
import re
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
NAME = re.compile(r"\btest_\w+(?:\.\w+){0,2}")


def registered():
    """The names that are run, without what sanitizers run, which is a part of it."""
    texts = [(TESTS / path).read_text(encoding="utf-8") for path in
             ("integration/CMakeLists.txt", "vm/cells.py", "../packaging/dev.d/parts.sh")]
    texts[0] = re.sub(r"^if\(EYE_SANITIZE\)$.*?^else\(\)$", "", texts[0], flags=re.M | re.S)
    lines = [line.partition("#")[0] for text in texts for line in text.splitlines()]
    return set(NAME.findall("\n".join(lines)))


def tests():
    """(module, class, method) of every test."""
    for path in sorted((TESTS / "integration").glob("test_*.py")):
        for case in ast.parse(path.read_text(encoding="utf-8")).body:
            for method in getattr(case, "body", ()):
                if isinstance(case, ast.ClassDef) and getattr(method, "name", "").startswith("test"):
                    yield path.stem, case.name, method.name


def main():
    names = registered()
    missing = [parts for parts in tests()
               if not names & {".".join(parts[:count]) for count in (1, 2, 3)}]
    for parts in missing:
        print(f"tests/integration/{parts[0]}.py: nobody runs {'.'.join(parts)}: "
              "tests/integration/CMakeLists.txt names those that are run")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
