#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The names that others build upon, as the daemon and its tables tell them now, and as the lists in
tests/data/contract/ promise them. Without arguments: writes the lists, unless that would break a
promise.

A line is `stable|experimental NAME WORD=VALUE...`; values of `tags`, `choices` and the like are
sets, separated by commas. The daemon is found through SOCKEYE, the printer of its tables through
EYE_CONTRACT_TABLES.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LISTS = ROOT / "tests/data/contract"
SCHEMAS = ROOT / "tests/data/schemas"

# Words whose values are sets: they may grow.
SETS = ("tags", "prometheus", "otlp", "choices", "values")
# Words that promise nothing, whatever the line begins with.
FREE = ("experimental_tags",)

# Keys that stand in no table, because their values are no single ones; test_contract.py tries each.
FORMS = {
    "exporters": ("stable", "exporters=[]"),
    "exporters.*.name": ("stable", "exporters=[{type: console, name: x}]"),
    "exporters.*.type": ("stable", "exporters=[{type: console}]"),
    "http.routes": ("stable", "http.routes=[{pattern: /a, route: b}]"),
    "http.routes.names": ("experimental", "http.routes={names: listed}"),
    "http.routes.rules": ("stable", "http.routes={rules: [{pattern: /a, route: b}]}"),
    "http.routes.rules.pattern": ("stable", "http.routes=[{pattern: /a, route: b}]"),
    "http.routes.rules.route": ("stable", "http.routes=[{pattern: /a, route: b}]"),
}

OPTION = re.compile(r"^  (?:-(\w), |    )--([\w-]+)(?: (\S+))?  *(.*)$", re.M)
COMMAND = re.compile(r"^  (\w+) +(.*)$", re.M)

HOW_TO_GO_ON = """\
Experimental names may change; stable ones stay (README.md, "Contract"): keep the old one and add the
new one beside it. Where that cannot be, it waits for the next major version: then change the line in
tests/data/contract by hand, and say so in the commit."""
OUT_OF_DATE = """\
Nothing stable is broken, but the lists in tests/data/contract are not what the tables say. This
writes them: cmake --build build/dev --target contract"""


def run(*words):
    done = subprocess.run(words, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode not in (0, 1, 3):  # probe
        raise AssertionError(f"{words}: exit code {done.returncode}: {done.stderr}")
    return done.stdout


def sockeye(*words):
    return run(os.environ["SOCKEYE"], *words)


def tables(what):
    return run(os.environ["EYE_CONTRACT_TABLES"], what)


# ---- What is there now: {name: (stability, {word: value})} ----

def joined(values):
    return ",".join(sorted(set(values)))


def metrics_of(document):
    stability = {tag["name"]: tag["stability"] for tag in document["tags"]}
    return {metric["name"]: (metric["stability"], {
        "kind": metric["kind"], "unit": metric["ucum"],
        "prometheus": metric["prometheus"], "otlp": metric["otlp"],
        **{word: joined(tag["name"] for tag in metric["tags"] if stability[tag["name"]] == kind)
           for word, kind in (("tags", "stable"), ("experimental_tags", "experimental"))},
    }) for metric in document["metrics"]}


def tags_of(document):
    """What each is called at receivers, on whatever metric."""
    called = {tag["name"]: [] for tag in document["tags"]}
    for metric in document["metrics"]:
        for tag in metric["tags"]:
            called[tag["name"]].append(tag)
    return {tag["name"]: (tag["stability"], {
        word: joined(use[word] for use in called[tag["name"]]) for word in ("prometheus", "otlp")
    }) for tag in document["tags"]}


def keys_of(text):
    rows = [line.split("\t") for line in text.splitlines()]
    found = {name: (stability, {"type": "special"}) for name, (stability, _) in FORMS.items()}
    found["exporters.*.type"][1]["choices"] = joined(row[1] for row in rows if row[0] == "type")
    for _, stability, name, kind, default, choices in (row for row in rows if row[0] == "key"):
        found[name] = (stability, {"type": kind, "default": default.replace(" ", ""),
                                   "choices": joined(choices.split(","))})
    return found


def exits_of(text):
    rows = (line.split("\t") for line in text.splitlines())
    return {row[2]: (row[1], {"name": row[3].lower()}) for row in rows if row[0] == "exit"}


def stability_in(meaning):
    return "experimental" if meaning.endswith("(experimental)") else "stable"


def options_of(usage, help_of):
    """What `help` and `help COMMAND` show is what is read."""
    found = {}
    for command, meaning in COMMAND.findall(usage):
        found[command] = (stability_in(meaning), {})
        for letter, name, value, about in OPTION.findall(help_of(command)):
            worse = min(stability_in(meaning), stability_in(about))  # in the order of the alphabet
            found[f"{command}:--{name}"] = (worse, {
                "short": letter, "value": "yes" if value else "no"})
    return found


def fields_of(schema, path, experimental=False):
    """Those of a JSON schema. `"experimental": true` of a field holds for all that is in it."""
    for name, field in schema.get("properties", {}).items():
        own = experimental or field.get("experimental", False)
        kind = field["type"] if isinstance(field["type"], str) else joined(field["type"])
        yield f"{path}.{name}", ("experimental" if own else "stable", {
            "type": kind, "always": "yes" if name in schema.get("required", ()) else "no",
            "values": joined(field.get("enum", ()))})
        inner, suffix = (field["items"], "[]") if field["type"] == "array" else (field, "")
        yield from fields_of(inner, f"{path}.{name}{suffix}", own)


def json_fields():
    return {name: entry for path in sorted(SCHEMAS.glob("*.json"))
            for name, entry in fields_of(json.loads(path.read_text(encoding="utf-8")), path.stem)}


def now():
    """{list: {name: (stability, words)}}"""
    document, names = json.loads(sockeye("metrics", "--json")), tables("names")
    return {
        "metric": metrics_of(document), "tag": tags_of(document), "key": keys_of(names),
        "exit": exits_of(names), "field": json_fields(),
        "option": options_of(sockeye("help"), lambda command: sockeye("help", command)),
    }


# ---- Lists ----

def format_list(entries):
    lines = (" ".join((stability, name,
                       *(f"{word}={value}" for word, value in words.items() if value)))
             for name, (stability, words) in entries.items())
    return "".join(f"{line}\n" for line in sorted(lines, key=lambda line: line.split()[1]))


def parse_list(text):
    rows = (line.split(" ") for line in text.splitlines())
    return {name: (stability, dict(word.split("=", 1) for word in words))
            for stability, name, *words in rows}


def path_of(kind):
    return LISTS / f"{kind}s.txt"


def promised(kind):
    return parse_list(path_of(kind).read_text(encoding="utf-8"))


# ---- Comparison ----

def word_is_broken(word, before, after):
    if word in FREE:
        return False
    if word in SETS:
        return not set(before.split(",")) <= set((after or "").split(","))
    return before != after


def broken_words(name, before, after):
    for word in sorted(set(before) | set(after)):
        if word in before and word_is_broken(word, before[word], after.get(word)):
            yield f"{name}: {word} was {before[word]} and is {after.get(word, 'none')}"
        elif word == "default" and word not in before:
            yield f"{name}: {word} was none and is {after[word]}"


def broken(kind, before, after):
    """What of the promises in `before` does not hold in `after`."""
    for name, (stability, words) in before.items():
        if stability != "stable":
            continue
        if name not in after:
            yield f"stable {kind} {name} is gone"
        elif after[name][0] != "stable":
            yield f"stable {kind} {name} is experimental now"
        else:
            yield from broken_words(f"stable {kind} {name}", words, after[name][1])


def all_broken(lists):
    return [line for kind, text in lists.items() if path_of(kind).exists()
            for line in broken(kind, promised(kind), parse_list(text))]


def main():
    lists = {kind: format_list(entries) for kind, entries in now().items()}
    problems = all_broken(lists)
    if problems:
        print(*problems, HOW_TO_GO_ON, sep="\n", file=sys.stderr)
        return 1
    for kind, text in lists.items():
        path_of(kind).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
