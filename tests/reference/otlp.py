# SPDX-License-Identifier: Apache-2.0
"""An independent reader of OTLP metrics requests: protobuf through protoc with the schema of
tests/data, JSON through json. Both become the same plain structure.

read(body, content_type) -> [Point]; whatever is not by the specification raises Malformed.
"""
import collections
import json
import math
import re

import protoc
from protoc import Malformed, one

Point = collections.namedtuple("Point", "resource scope metric unit kind temporality monotonic "
                                        "attributes start time value")

KINDS = ("gauge", "sum", "histogram", "exponential_histogram")
TEMPORALITIES = {"AGGREGATION_TEMPORALITY_DELTA": 1, "AGGREGATION_TEMPORALITY_CUMULATIVE": 2}


def demand(condition, what):
    if not condition:
        raise Malformed(what)


# ---- JSON, brought into the form of protoc.decode() ----

_INTEGERS_AS_TEXT = {"asInt", "count", "zeroCount", "bucketCounts", "startTimeUnixNano",
                     "timeUnixNano", "intValue"}


def _snake(name):
    return re.sub("[A-Z]", lambda letter: "_" + letter.group().lower(), name)


def _plain(name, value):
    if isinstance(value, dict):
        return {_snake(key): [_plain(key, item) for item in
                              (inner if isinstance(inner, list) else [inner])]
                for key, inner in value.items()}
    if name in _INTEGERS_AS_TEXT:
        demand(isinstance(value, str), f"{name}: 64-bit integers are strings")
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


def _no_twice(pairs):
    demand(len(dict(pairs)) == len(pairs), "a key twice")
    return dict(pairs)


def _read_json(body):
    try:
        return _plain("", json.loads(body.decode("utf-8"), object_pairs_hook=_no_twice))
    except ValueError as error:
        raise Malformed(str(error)) from error


# ---- points ----

def _value(any_value):
    demand(len(any_value) == 1, "a value of one kind")
    kind = next(iter(any_value))
    text = one(any_value, kind)
    return int(text) if kind == "int_value" else text


def _attributes(message):
    pairs = [(one(item, "key"), _value(one(item, "value", {"string_value": [""]})))
             for item in message.get("attributes", [])]
    demand(len(dict(pairs)) == len(pairs), "an attribute twice")
    return dict(pairs)


def _number(point):
    demand(("as_int" in point) != ("as_double" in point), "one value")
    return int(one(point, "as_int")) if "as_int" in point else float(one(point, "as_double"))


def _summary(point):
    value = {"count": int(one(point, "count", 0)), "sum": float(one(point, "sum", "nan"))}
    for name in ("min", "max"):
        if name in point:
            value[name] = float(one(point, name))
    return value


def _histogram(point):
    value = _summary(point)
    value["bounds"] = [float(bound) for bound in point.get("explicit_bounds", [])]
    value["counts"] = [int(count) for count in point.get("bucket_counts", [])]
    demand(len(value["counts"]) == len(value["bounds"]) + 1, "one count more than bounds")
    demand(sorted(set(value["bounds"])) == value["bounds"], "bounds ascend")
    demand(sum(value["counts"]) == value["count"], "count is the sum of the buckets")
    return value


def _exponential(point):
    value = _summary(point)
    positive = one(point, "positive", {})
    value["scale"] = int(one(point, "scale", 0))
    value["zero"] = int(one(point, "zero_count", 0))
    value["zero_threshold"] = float(one(point, "zero_threshold", 0))
    value["offset"] = int(one(positive, "offset", 0))
    value["counts"] = [int(count) for count in positive.get("bucket_counts", [])]
    demand("negative" not in point, "no negative values")
    demand(sum(value["counts"]) + value["zero"] == value["count"], "count is the sum of the buckets")
    return value


READERS = {"gauge": _number, "sum": _number, "histogram": _histogram,
           "exponential_histogram": _exponential}


def quantile(value, q):
    """Of an exponential histogram: the middle of the bucket on the logarithmic axis."""
    rank = q * (value["count"] - 1)
    seen = value["zero"]
    if seen > rank:
        return 0.0
    for place, count in enumerate(value["counts"]):
        seen += count
        if seen > rank:
            return 2 ** ((value["offset"] + place + 0.5) / 2 ** value["scale"])
    return math.inf


def _points_of(metric, resource, scope):
    kinds = [kind for kind in KINDS if kind in metric]
    demand(len(kinds) == 1, "one kind of data")
    data = one(metric, kinds[0])
    temporality = one(data, "aggregation_temporality", "0")
    temporality = TEMPORALITIES.get(temporality) or int(temporality)
    demand((temporality in (1, 2)) == (kinds[0] != "gauge"), "temporality")
    demand(data.get("data_points"), "an empty envelope")
    for point in data["data_points"]:
        start, time = (int(one(point, name, 0)) for name in ("start_time_unix_nano",
                                                             "time_unix_nano"))
        demand(time > 0 and start <= time, "times")
        yield Point(resource, scope, one(metric, "name"), one(metric, "unit", ""), kinds[0],
                    temporality, one(data, "is_monotonic") == "true", _attributes(point), start,
                    time, READERS[kinds[0]](point))


def _all_points(request):
    demand(request.get("resource_metrics"), "an empty envelope")
    for resource_metrics in request["resource_metrics"]:
        resource = _attributes(one(resource_metrics, "resource", {}))
        for scope_metrics in resource_metrics["scope_metrics"]:
            scope = one(one(scope_metrics, "scope", {}), "name")
            for metric in scope_metrics["metrics"]:
                yield from _points_of(metric, resource, scope)


def read(body, content_type):
    """All points of a request; no series twice."""
    demand(content_type in ("application/json", "application/x-protobuf"), content_type)
    request = _read_json(body) if content_type == "application/json" else \
        protoc.decode("otlp.proto", "opentelemetry.ExportMetricsServiceRequest", body)
    points = list(_all_points(request))
    resources = [tuple(sorted(_attributes(one(item, "resource", {})).items(), key=str))
                 for item in request["resource_metrics"]]
    demand(len(set(resources)) == len(resources), "a resource twice")
    keys = {(point.metric, *(tuple(sorted(attributes.items(), key=str))
                             for attributes in (point.resource, point.attributes)))
            for point in points}
    demand(len(keys) == len(points), "a series twice")
    return points
