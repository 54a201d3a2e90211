#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Feeds the sample page to parsers that are not ours.

usage: check_openmetrics.py SAMPLE_PAGE_PROGRAM

The strict OpenMetrics parser of the Prometheus Python client reads the OpenMetrics page, its
classic parser and `promtool check metrics` read the text page. Neither notices duplicate series,
so these are searched for here.
"""
import shutil
import subprocess
import sys
from collections import Counter

from prometheus_client import parser as text_parser
from prometheus_client.openmetrics import parser as openmetrics_parser


def page_of(program, page_format):
    return subprocess.run([program, page_format], check=True, stdout=subprocess.PIPE).stdout


def samples_of(families):
    return [sample for family in families for sample in family.samples]


def check_duplicates(what, samples):
    seen = Counter((sample.name, frozenset(sample.labels.items())) for sample in samples)
    duplicates = [series for series, count in seen.items() if count > 1]
    if duplicates:
        sys.exit(f"{what}: {len(duplicates)} duplicate series, the first is {duplicates[0]}")


def check_same(openmetrics, text):
    """Both formats say the same, but when series were created, which is only in OpenMetrics."""
    left = {(s.name, frozenset(s.labels.items())): s.value for s in openmetrics
            if not s.name.endswith("_created")}
    right = {(s.name, frozenset(s.labels.items())): s.value for s in text}
    if left != right:
        sys.exit(f"formats differ: {set(left.items()) ^ set(right.items())}")


def check_created(openmetrics):
    """Each counter and each histogram says when it was created."""
    ends = Counter(sample.name.rpartition("_")[2] for sample in openmetrics
                   if sample.name.endswith(("_created", "_total", "_count")))
    if ends["created"] != ends["total"] + ends["count"]:
        sys.exit(f"created: {ends}")


def check_promtool(page):
    promtool = shutil.which("promtool")
    if promtool is None:
        sys.exit("promtool is missing: install the package prometheus")
    result = subprocess.run([promtool, "check", "metrics"], input=page, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    if result.returncode != 0:
        sys.exit(f"promtool: exit code {result.returncode}\n{result.stdout.decode()}")


def main():
    program = sys.argv[1]
    page = page_of(program, "openmetrics").decode("utf-8", errors="strict")
    openmetrics = samples_of(openmetrics_parser.text_string_to_metric_families(page))
    check_duplicates("openmetrics", openmetrics)

    raw = page_of(program, "text")
    text = samples_of(text_parser.text_string_to_metric_families(raw.decode("utf-8", "strict")))
    check_duplicates("text", text)
    check_created(openmetrics)
    check_same(openmetrics, text)
    check_promtool(raw)
    print(f"{len(openmetrics)} samples in {len(page)} characters, read by three parsers")


if __name__ == "__main__":
    main()
