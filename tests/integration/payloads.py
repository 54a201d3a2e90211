# SPDX-License-Identifier: Apache-2.0
"""What receivers know after what they took, each by its own rules.

All answer total(metric, **tags) and weight(metric, **tags) in the daemon's names, so that one truth
can be compared with all of them. Those over HTTP have of(requests) that makes them, `count`, the
points that came, and `overwritten`, repeated points that came with another value.
"""

import collections
import itertools
import json
import math
import os
import re
import struct
import sys
import threading

import snappy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))
import otlp  # pylint: disable=wrong-import-position,wrong-import-order,import-error

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def fields(data):
    """(number, value) of each field of a protobuf message: int, 8 or 4 bytes, or bytes."""
    at = 0
    while at < len(data):
        key, at = snappy.read_varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = snappy.read_varint(data, at)
        else:
            if kind == _BYTES:
                size, at = snappy.read_varint(data, at)
            else:
                size = {_FIXED64: 8, _FIXED32: 4}[kind]
            value, at = data[at:at + size], at + size
            if len(value) != size:
                raise ValueError("a field is longer than its message")
        yield number, value


def grouped(data):
    """{number: [values]} of a message."""
    found = collections.defaultdict(list)
    for number, value in fields(data):
        found[number].append(value)
    return found


def double(data):
    return struct.unpack("<d", data)[0]


def varints(data):
    """A packed repeated field."""
    at, values = 0, []
    while at < len(data):
        value, at = snappy.read_varint(data, at)
        values.append(value)
    return values


class Points:
    """Points by (metric, tags, time). Sent twice the last one counts, as the intake, Carbon and
    Prometheus have it; a repeated point with another value is in `overwritten`. What is older than
    `oldest`, in the receiver's unit, is thrown away.
    """

    def __init__(self):
        self.oldest = 0
        self.too_old = 0
        self.values = collections.defaultdict(dict)  # metric -> (tags, time) -> value
        self.overwritten = []  # (metric, (tags, time), old value, new value)
        self.count = 0         # points, repeated ones included

    def add(self, metric, tags, time, value):
        values, key = self.values[metric.removeprefix("sockeye.")], (frozenset(tags.items()), time)
        if time < self.oldest:
            self.too_old += 1
            return
        old = values.get(key)
        if old is not None and old != value:
            self.overwritten.append((metric, key, old, value))
        values[key] = value
        self.count += 1

    def __len__(self):
        """Points, repeated ones counted once."""
        return sum(map(len, self.values.values()))

    def select(self, metric, tags):
        """[(tags, time, value)]"""
        wanted = {(name, str(value)) for name, value in tags.items()}
        values = self.values[metric.removeprefix("sockeye.")]
        return [(own, time, value) for (own, time), value in list(values.items())
                if wanted <= own]

    def times(self):
        """Every time of a point, in order."""
        return sorted({time for values in self.values.values() for _, time in values})


class DatadogIntake:
    """/api/v2/series as JSON, /api/beta/sketches as protobuf."""

    SERIES, SKETCHES = "/api/v2/series", "/api/beta/sketches"
    COUNT, GAUGE = 1, 3

    def __init__(self):
        self.series = Points()
        self.sketches = Points()

    @classmethod
    def of(cls, requests):
        intake = cls()
        for request in requests:
            intake.add(request)
        return intake

    def add(self, request):
        if request.path == self.SERIES:
            for entry in json.loads(request.body)["series"]:
                self._add_series(entry)
        elif request.path == self.SKETCHES:
            for number, sketch in fields(request.body):
                if number == 1:
                    self._add_sketch(grouped(sketch))

    @staticmethod
    def _tags(texts):
        return dict(text.partition(":")[::2] for text in texts)

    def _add_series(self, entry):
        if entry["type"] != self.GAUGE and (entry["type"], entry["interval"] >= 1) != (
                self.COUNT, True):
            raise ValueError(f"no gauge, nor a count of an interval: {entry}")
        for point in entry["points"]:
            self.series.add(entry["metric"], self._tags(entry.get("tags", ())),
                            point["timestamp"], point["value"])

    def _add_sketch(self, sketch):
        tags = self._tags(text.decode() for text in sketch[4])
        for point in sketch[7]:
            own = grouped(point)
            count, bins = own[2][0], [n for part in own[8] for n in (
                varints(part) if isinstance(part, bytes) else [part])]
            if sum(bins) != count:
                raise ValueError(f"bins of {sum(bins)} values, not {count}")
            self.sketches.add(sketch[1][0].decode(), tags, own[1][0], count)

    def total(self, metric, /, **tags):
        """Sum over the points of counts."""
        return sum(value for _, _, value in self.series.select(metric, tags))

    def weight(self, metric, /, **tags):
        """Values in the sketches."""
        return sum(value for _, _, value in self.sketches.select(metric, tags))

    @property
    def count(self):
        return self.series.count + self.sketches.count

    @property
    def overwritten(self):
        return self.series.overwritten + self.sketches.overwritten


class Carbon:
    """Plaintext lines "path;tag=value value time": the increases of slots. Of a slot carbon keeps
    the last point, which has to count no less than those before."""

    LINE_MAX_BYTES = 16384

    def __init__(self):
        self.series = Points()
        self.malformed = []
        self._lock = threading.Lock()

    def add(self, line):
        """One line without its LF, as carbon's MetricLineReceiver takes it."""
        with self._lock:
            try:
                path, value, time = line.decode("ascii").split()
                name, *tags = path.split(";")
                number = float(value)
                if len(line) > self.LINE_MAX_BYTES or math.isnan(number):
                    raise ValueError("too long, or not a number")
                self.series.add(name, dict(tag.split("=", 1) for tag in tags), float(time), number)
            except ValueError as error:
                self.malformed.append((line[:200], str(error)))

    def total(self, metric, /, **tags):
        return sum(value for _, _, value in self.series.select(metric, tags))

    def weight(self, metric, /, **tags):
        return self.total(metric + ".count", **tags)

    @property
    def overwritten(self):
        """Counts that were replaced by smaller ones; a gauge may get smaller."""
        return [row for row in self.series.overwritten
                if row[0].endswith((".count", ".sum", ".sent.bytes")) and row[3] < row[2]]


class Otlp:
    """OTLP requests, protobuf or JSON. Of cumulative series the last value counts, for each time
    that they began; deltas add up. A delta that comes again with the same time counts once."""

    PATH = "/v1/metrics"
    ATTRIBUTES = {"method": "http.request.method", "status": "http.response.status_code",
                  "route": "http.route", "service": "service.name", "port": "server.port",
                  "family": "network.type", "error_type": "error.type"}
    SEMANTIC = ("http.server.", "http.client.")

    def __init__(self):
        self.points = []       # all of them, in order
        self.malformed = []
        self.overwritten = []  # (key, old point, new point)
        self._last = collections.defaultdict(dict)  # metric -> (series, time) -> point

    @classmethod
    def of(cls, requests):
        receiver = cls()
        for request in requests:
            if request.path == cls.PATH:
                receiver.add(request)
        if receiver.malformed:
            raise receiver.malformed[0]
        return receiver

    def add(self, request):
        try:
            points = otlp.read(request.body, request.headers["content-type"])
        except otlp.Malformed as error:
            self.malformed.append(error)
            return
        for point in points:
            series = tuple(tuple(sorted(own.items(), key=str))
                           for own in (point.resource, point.attributes))
            key = (series, point.time)
            old = self._last[point.metric].get(key, point)
            if old.value != point.value:
                self.overwritten.append((point.metric, key, old, point))
            self._last[point.metric][key] = point
        self.points += points

    @property
    def count(self):
        return len(self.points)

    def matching(self, metric, tags):
        """Points of a metric of the daemon's, repeated ones once."""
        semantic = metric.startswith(self.SEMANTIC)
        name = metric if semantic else f"sockeye.{metric.removeprefix('sockeye.')}"
        wanted = {self.ATTRIBUTES.get(tag, tag): str(value) for tag, value in tags.items()}
        for point in self._last[name].values():
            own = {key: str(value) for key, value in {**point.resource, **point.attributes}.items()}
            if wanted.items() <= own.items():
                yield point

    def _sum(self, metric, tags, measure):
        deltas, last = 0, {}
        for point in self.matching(metric, tags):
            if point.temporality == 1:
                deltas += measure(point.value)
            else:
                key = (point.resource["service.name"],
                       tuple(sorted(point.attributes.items(), key=str)), point.start)
                last[key] = measure(point.value)
        return deltas + sum(last.values())

    def total(self, metric, /, **tags):
        return self._sum(metric, tags, lambda value: value)

    def weight(self, metric, /, **tags):
        """How many values distributions stand for."""
        return self._sum(metric, tags, lambda value: value["count"])


class PrometheusNames:
    """What Prometheus calls the daemon's metrics; _last() sums the receiver's last values."""

    SEMANTIC = {"http.server.request.duration", "http.client.request.duration"}
    LABELS = {"method": "http_request_method", "status": "http_response_status_code",
              "route": "http_route", "port": "server_port"}

    def _last(self, name, tags):
        raise NotImplementedError

    def total(self, metric, /, **tags):
        return self._last("sockeye_" + metric.removeprefix("sockeye.").replace(".", "_") + "_total",
                          tags)

    def weight(self, metric, /, **tags):
        if metric not in self.SEMANTIC:
            return self._last("sockeye_" + metric.replace(".", "_") + "_seconds_count", tags)
        return self._last(metric.replace(".", "_") + "_seconds_count",
                          {self.LABELS.get(key, key): value for key, value in tags.items()})


class Gateway(PrometheusNames):
    """A group of a Pushgateway: the page that was put there last, in text 0.0.4. Requests are
    ordered by the time that they came, as an answer may be made late."""

    PATH = "/metrics/job/sockeye/instance/test"
    LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')

    def __init__(self):
        self.count = 0         # series on all the pages
        self.overwritten = []  # (series, old value, new value) of counts that got smaller
        self._samples = {}     # series with its labels -> value, of the last page

    @classmethod
    def of(cls, requests):
        receiver = cls()
        for request in sorted(requests, key=lambda request: request.time):
            if request.path == cls.PATH:
                receiver.add(request)
        return receiver

    def add(self, request):
        if request.method != "PUT" or not request.headers["content-type"].startswith("text/plain"):
            raise ValueError(f"{request.method} of {request.headers['content-type']}")
        samples, kind, family = {}, "", ""
        for line in request.body.decode("utf-8").splitlines():
            if line.startswith("# TYPE "):
                family, kind = line.split(" ")[2:4]
            elif not line.startswith("#"):
                series, _, value = line.rpartition(" ")
                name = series.partition("{")[0]
                if series in samples or not series.startswith(family):
                    raise ValueError(f"twice, or of no family: {line}")
                samples[series] = float(value)
                self.count += kind != "histogram" or name == family + "_count"
        self.overwritten += [
            (series, old, samples[series]) for series, old in self._samples.items()
            if "_total{" in series and samples.get(series, old) < old]
        self._samples = samples

    def _last(self, name, tags):
        wanted = {(key, str(value)) for key, value in tags.items()}
        return sum(value for series, value in self._samples.items()
                   if series.startswith(name + "{") and wanted <= set(self.LABEL.findall(series)))


class RemoteWrite(PrometheusNames):
    """Remote write 1.0: cumulative values. A sample that is older than one of its series that came
    before is in `out_of_order`: Prometheus would not take it."""

    PATH = "/api/v1/write"

    def __init__(self):
        self.series = Points()
        self.newest = {}
        self.out_of_order = []
        self._labels = {}  # by their bytes: they come again with each sample

    @classmethod
    def of(cls, requests, port=""):
        """Of series that have `port` in a label: all others of a busy host take minutes to read."""
        receiver = cls()
        for request in requests:
            if request.path == cls.PATH:
                receiver.add(request.body, str(port).encode())
        return receiver

    def add(self, body, holding=b""):
        for number, series in fields(body):
            if number == 1 and holding in series:
                own = grouped(series)
                for sample in own[2]:
                    self._add_sample(self._read_labels(tuple(own[1])), grouped(sample))

    def _read_labels(self, packed):
        labels = self._labels.get(packed)
        if labels is None:
            pairs = [grouped(label) for label in packed]
            labels = {pair[1][0].decode(): pair[2][0].decode() for pair in pairs}
            self._labels[packed] = labels
        return labels

    def _add_sample(self, labels, sample):
        name = labels["__name__"]
        tags = {key: value for key, value in labels.items() if key != "__name__"}
        time, value = sample[2][0], double(sample[1][0]) if sample[1] else 0.0
        key = (name, frozenset(tags.items()))
        if time < self.newest.get(key, 0):
            self.out_of_order.append((key, time))
        self.newest[key] = max(time, self.newest.get(key, 0))
        self.series.add(name, tags, time, value)

    def _last(self, name, tags):
        """Sum over series of what they came to; a run that began anew (a smaller value) adds."""
        by_series = collections.defaultdict(list)
        for own, time, value in self.series.select(name, tags):
            if not math.isnan(value):
                by_series[own].append((time, value))
        total = 0.0
        for samples in by_series.values():
            values = [value for _, value in sorted(samples)]
            total += sum(old for old, new in zip(values, values[1:]) if new < old) + values[-1]
        return total

    @property
    def overwritten(self):
        return self.series.overwritten


class Lines:
    """Lines of JSON, as exporter "file" writes them: each whole, and each point once."""

    def __init__(self, texts):
        self.series = Points()
        self.series.oldest = ""  # times are texts
        self.problems = []
        for text in texts:
            for line in text.splitlines(keepends=True):
                self._add(line)

    def _add(self, line):
        try:
            point = json.loads(line)
            value = point["value" if "value" in point else "count"]
        except (ValueError, KeyError, TypeError) as error:
            self.problems.append((line[:200], repr(error)))
            return
        before = len(self.series)
        self.series.add(point["metric"], point["tags"], point["time"], value)
        if not line.endswith("\n") or len(self.series) == before:
            self.problems.append((line[:200], "not whole, or twice"))

    @property
    def count(self):
        return self.series.count

    def counts(self):
        """How many points there were after each interval."""
        by_time = collections.Counter(time for values in self.series.values.values()
                                      for _, time in values)
        return list(itertools.accumulate(by_time[time] for time in sorted(by_time)))

    def total(self, metric, /, **tags):
        return sum(value for _, _, value in self.series.select(metric, tags))

    weight = total
