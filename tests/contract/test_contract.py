#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What stable names promise holds, the lists of them are those of the tables, JSON is as its schemas
say; and each kind of breach is found."""

import contextlib
import copy
import functools
import io
import json
import os
import pathlib
import subprocess
import tempfile
import unittest
from unittest import mock

import jsonschema

import contract

KINDS = ("metric", "tag", "key", "option", "exit", "field")


@functools.lru_cache
def lists():
    return {kind: contract.format_list(entries) for kind, entries in contract.now().items()}


def schema(name):
    return json.loads((contract.SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))


class Contract(unittest.TestCase):
    """Of the daemon that is built here."""

    maxDiff = None

    def test_promises_are_kept(self):
        problems = contract.all_broken(lists())
        if problems:
            self.fail("\n".join(("", *problems, contract.HOW_TO_GO_ON)))

    def test_lists_are_those_of_the_tables(self):
        self.assertEqual(set(lists()), set(KINDS))
        for kind, text in lists().items():
            self.assertGreaterEqual(len(text.splitlines()), 5, kind)
            self.assertEqual(contract.path_of(kind).read_text(encoding="utf-8"), text,
                             contract.OUT_OF_DATE)

    def test_keys_that_stand_in_no_table_are_taken(self):
        for name, (_, form) in contract.FORMS.items():
            done = subprocess.run((os.environ["SOCKEYE"], "check", "-c", "/dev/null", "--set", form),
                                  check=False, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, (name, done.stderr))

    def test_every_command_and_option_is_listed(self):
        found = contract.parse_list(lists()["option"])
        for name in ("run", "run:--once", "check:--default", "probe:--json", "metrics:--json",
                     "version:--version", "help"):
            self.assertIn(name, found)
        self.assertEqual(found["run:--config"][1], {"short": "c", "value": "yes"})

    def test_marks_in_help(self):
        """A command's holds for its options, an option's for itself."""
        options = "      --old          kept\n  -n, --new FILE     tried (experimental)\n"
        found = contract.options_of("  watch    looks (experimental)\n  run      runs\n",
                                    lambda command: options)
        self.assertEqual({name: stability for name, (stability, _) in found.items()},
                         {"watch": "experimental", "watch:--old": "experimental",
                          "watch:--new": "experimental", "run": "stable", "run:--old": "stable",
                          "run:--new": "experimental"})
        self.assertEqual(found["run:--new"][1], {"short": "n", "value": "yes"})


class Json(unittest.TestCase):
    """What is printed is what its schema says, and no field of a schema is never there."""

    def look_at(self, name, documents):
        known = schema(name)
        jsonschema.Draft7Validator.check_schema(known)
        seen = set()
        for document in documents:
            jsonschema.validate(document, known, cls=jsonschema.Draft7Validator)
            seen |= set(document)
        self.assertEqual(seen, set(known["properties"]))

    def test_probe(self):
        probe = json.loads(contract.sockeye("probe", "--json"))
        self.assertTrue(probe["features"] and probe["programs"])
        self.look_at("probe", [probe])

    def test_metrics(self):
        self.look_at("metrics", [json.loads(contract.sockeye("metrics", "--json"))])

    def test_replay(self):
        captures = contract.ROOT / "tests" / "data" / "replay"
        documents = [json.loads(contract.sockeye("replay", "--json", str(path)))
                     for path in sorted(captures.glob("*.pcap"))]
        self.assertEqual(len(documents), 6)
        self.look_at("replay", documents)

    def test_inspect(self):
        library = next(pathlib.Path("/usr/lib").glob("*/libgnutls.so.30"))
        self.look_at("inspect", [json.loads(contract.sockeye("inspect", "--json", str(library)))])

    def test_lines(self):
        lines = [json.loads(line) for line in contract.tables("lines").splitlines()]
        self.assertEqual(sorted(line["kind"] for line in lines),
                         ["counter"] * 4 + ["distribution"] * 2 + ["gauge"] * 2)
        self.look_at("line", lines)

    def test_no_other_field_is_taken(self):
        probe = json.loads(contract.sockeye("probe", "--json"))
        for change in ({"kernel": 6}, {"unknown": ""}):
            with self.assertRaises(jsonschema.ValidationError):
                jsonschema.validate({**probe, **change}, schema("probe"))


class Breaches(unittest.TestCase):
    """Each kind of them, in the lists as they are."""

    def broken(self, kind, change):
        before = contract.parse_list(lists()[kind])
        after = copy.deepcopy(before)
        change(after)
        return list(contract.broken(kind, before, after))

    def assert_broken(self, kind, change, expected):
        self.assertEqual(self.broken(kind, change), [expected])

    def rename(self, name):
        return lambda entries: entries.update({f"{name}_new": entries.pop(name)})

    def word(self, name, /, **words):
        return lambda entries: entries[name][1].update(words)

    def test_a_name_that_is_gone(self):
        for kind, name in (("metric", "tcp.rtt"), ("tag", "service"), ("key", "limits.idle"),
                           ("key", "exporters.otlp.url"), ("option", "check:--open"), ("exit", "78"),
                           ("field", "metrics.metrics[].name")):
            self.assert_broken(kind, self.rename(name), f"stable {kind} {name} is gone")

    def test_a_word_that_changed(self):
        for kind, name, word, before, after in (
                ("metric", "tcp.rtt", "kind", "distribution", "gauge"),
                ("metric", "tcp.rtt", "unit", "s", "ms"),
                ("metric", "tcp.rtt", "otlp", "sockeye.tcp.rtt", "tcp.rtt"),
                ("tag", "service", "prometheus", "service,service_name", "service"),
                ("key", "interval", "default", "10s", "15s"),
                ("key", "interval", "type", "duration", "count"),
                ("key", "connections.remote", "choices", "cidr,ip,name,none,zone", "ip,none"),
                ("option", "run:--config", "short", "c", "f"),
                ("exit", "3", "name", "partly", "degraded"),
                ("field", "line.metric", "always", "yes", "no")):
            self.assert_broken(kind, self.word(name, **{word: after}),
                               f"stable {kind} {name}: {word} was {before} and is {after}")

    def test_a_default_where_there_was_none(self):
        self.assert_broken("key", self.word("tags", default="[a:b]"),
                           "stable key tags: default was none and is [a:b]")

    def test_a_tag_that_a_metric_lost(self):
        tags = contract.parse_list(lists()["metric"])["tcp.rtt"][1]["tags"].split(",")
        self.assertEqual(len(self.broken("metric", self.word("tcp.rtt", tags=",".join(tags[1:])))), 1)

    def test_stable_that_became_experimental(self):
        def change(entries):
            entries["tcp.rtt"] = ("experimental", entries["tcp.rtt"][1])
        self.assert_broken("metric", change, "stable metric tcp.rtt is experimental now")

    def test_what_may_happen(self):
        tags = contract.parse_list(lists()["metric"])["tcp.rtt"][1]["tags"]
        for kind, change in (
                ("metric", lambda entries: entries.update({"new": ("stable", {})})),
                ("metric", lambda entries: entries.pop("usm.lost")),
                ("metric", self.word("usm.lost", kind="gauge")),
                ("metric", self.word("tcp.rtt", tags=f"{tags},pod")),
                ("metric", self.word("tcp.rtt", experimental_tags="")),
                ("key", self.word("connections.remote", choices="cidr,country,ip,name,none,zone")),
                ("key", lambda entries: entries.pop("source.tier"))):
            self.assertEqual(self.broken(kind, change), [])


class Writing(unittest.TestCase):
    """contract.py writes what was added, and nothing at all when a promise would be broken."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        place = mock.patch.object(contract, "LISTS", self.folder)
        place.start()
        self.addCleanup(place.stop)

    def write(self):
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            return contract.main(), said.getvalue()

    def test_added(self):
        self.assertEqual(self.write(), (0, ""))
        path = self.folder / "metrics.txt"
        whole = path.read_text(encoding="utf-8")
        path.write_text("".join(whole.splitlines(True)[1:]), encoding="utf-8")
        self.assertEqual(self.write(), (0, ""))
        self.assertEqual(path.read_text(encoding="utf-8"), whole)

    def test_broken(self):
        path = self.folder / "metrics.txt"
        path.write_text("stable tcp.gone kind=counter\n", encoding="utf-8")
        code, said = self.write()
        self.assertEqual((code, said.splitlines()[0]), (1, "stable metric tcp.gone is gone"))
        self.assertIn("change the line", said)
        self.assertEqual([item.name for item in self.folder.iterdir()], ["metrics.txt"])


if __name__ == "__main__":
    unittest.main()
