#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The layer check finds what it is there to find."""

import unittest

import layers

HEAD = "/* SPDX-License-Identifier: Apache-2.0 */"


class Includes(unittest.TestCase):
    def problems(self, path, *lines):
        return list(layers.check_includes(path, [HEAD, *lines]))

    def test_a_stage_may_include_what_the_table_says(self):
        for path, included in (("collector/tracer/tracer.c", "bpf/abi.h"),
                               ("exporters/null/null.c", "collector/snapshot/snapshot.h"),
                               ("collector/aggregate/a.c", "collector/usm/usm.h"),
                               ("collector/usm/http/a.c", "bpf/usm/http/record.h"),
                               ("bpf/usm/http/a.h", "bpf/usm/pairing.h"),
                               ("collector/source/socket_storage/a.c", "bpf/socket_storage.skel.h"),
                               ("collector/source/socket_storage/a.c", "collector/payload/payload.h"),
                               ("collector/daemon.c", "exporters/engine/worker.h")):
            self.assertEqual(self.problems(path, f'#include "{included}"'), [])

    def test_a_stage_may_not_know_the_one_after_it(self):
        for path, included in (("collector/tracer/tracer.c", "collector/usm/usm.h"),
                               ("collector/usm/usm.c", "collector/tracer/tracer.h"),
                               ("collector/base/log.c", "config/config.h"),
                               ("collector/snapshot/s.c", "exporters/exporter.h"),
                               ("collector/aggregate/a.c", "bpf/abi.h"),
                               ("collector/aggregate/a.c", "collector/usm/route.h"),
                               ("collector/usm/http/a.c", "bpf/usm/http/http.h"),
                               ("collector/process/p.c", "collector/daemon.h"),
                               ("config/schema.c", "collector/source/tier.h"),
                               ("collector/payload/p.c", "collector/source/tier.h"),
                               ("collector/host/h.c", "collector/payload/payload.h"),
                               ("bpf/maps.bpf.h", "collector/base/log.h"),
                               ("bpf/usm/http/a.h", "bpf/usm/redis/redis.h"),
                               ("bpf/usm/http/a.h", "bpf/usm/records.bpf.h"),
                               ("collector/usm/http/a.c", "bpf/usm/redis/record.h"),
                               ("exporters/null/null.c", "collector/source/source.h")):
            self.assertEqual(len(self.problems(path, f'#include "{included}"')), 1, (path, included))

    def test_includes_start_at_the_root(self):
        self.assertEqual(len(self.problems("config/a.c", '#include "config.h"')), 1)


class Circles(unittest.TestCase):
    def test_each_is_found_once(self):
        self.assertEqual(layers.circles({"a": ["b", "c"], "b": ["c"], "c": ["outside"]}), [])
        self.assertEqual(layers.circles({"a": ["b"], "b": ["c"], "c": ["b"], "d": ["a", "c"]}),
                         ["b -> c -> b: a circle of includes"])
        self.assertEqual(layers.circles({"a": ["a"]}), ["a -> a: a circle of includes"])


class Form(unittest.TestCase):
    def test_bad_lines_are_found(self):
        for line in ("    strcpy(a, b);", "// comment", "typedef struct a a;", "x" * 101):
            self.assertEqual(len(list(layers.check_form("config/a.c", [HEAD, line]))), 1, line)

    def test_license_by_folder(self):
        for path in ("bpf/a.h", "tests/integration/a.bpf.c", "tests/second/bpf/usm/a/a.h"):
            self.assertEqual(len(list(layers.check_form(path, [HEAD]))), 1, path)
        self.assertEqual(list(layers.check_form("tests/unit/bpf/a.c", [HEAD])), [])


if __name__ == "__main__":
    unittest.main()
