# SPDX-License-Identifier: Apache-2.0
"""What the dashboards and alert rules of packaging/ ask for, held against the daemon's catalogue.

Every check returns the faults that it found, as texts.
"""

import json
import os
import re
import subprocess

PACKAGING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "packaging")
GRAFANA = os.path.join(PACKAGING, "grafana", "sockeye.json")
DATADOG = os.path.join(PACKAGING, "datadog", "sockeye.json")
RULES = os.path.join(PACKAGING, "prometheus", "sockeye.rules.yaml")

PREFIX = "sockeye."
# What a page has of each kind, with labels beside those of the tags.
SUFFIXES = {"counter": {"": set()}, "gauge": {"": set()},
            "distribution": {"_bucket": {"le"}, "_count": set(), "_sum": set()}}
SCRAPED = {"instance", "job"}
# What Prometheus makes itself, with labels of any name.
ANY = None
FOREIGN = {"up": SCRAPED, "ALERTS": ANY}

# What stands for the variables of a dashboard when a query is asked.
EVERYTHING = {"$__rate_interval": "1m", "$instance": ".*", "$service": ".*"}


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


class Metric:
    """An entry of `sockeye metrics --json`."""

    def __init__(self, entry):
        self.name, self.kind = entry["name"], entry["kind"]
        self.tags = {tag["name"] for tag in entry["tags"]}
        self.datadog = PREFIX + self.name.removeprefix(PREFIX)
        labels = SCRAPED | {tag["prometheus"] for tag in entry["tags"]}
        # {name in Prometheus: labels}
        self.series = {entry["prometheus"] + suffix: labels | more
                       for suffix, more in SUFFIXES[self.kind].items()}


def catalogue(sockeye):
    """The metrics that a daemon can emit."""
    text = subprocess.run((sockeye, "metrics", "--json"), stdout=subprocess.PIPE, text=True,
                          timeout=60, check=True).stdout
    return [Metric(entry) for entry in json.loads(text)["metrics"]]


def series_of(metrics):
    """{name in Prometheus: labels} of them all."""
    return {**FOREIGN, **{name: labels for metric in metrics
                          for name, labels in metric.series.items()}}


# ---- PromQL: names and labels; whether it is PromQL at all is for Prometheus to say ----

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[a-zA-Z_:][a-zA-Z0-9_:]*|[0-9][0-9a-z.]*'
                    r'|=~|!~|!=|\S')
_GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_KEYWORDS = {"and", "or", "unless", "offset", "bool"}
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")



class Query:
    """`selectors`: [(metric, {label: value})], `groupings`: labels of by() and the like, `made`:
    labels that label_replace() adds, `windows`: texts like "[5m]"."""

    def __init__(self, text):
        self.selectors, self.windows = [], []
        self.groupings, self.made = set(), set()
        tokens = _TOKEN.findall(text)
        at = 0
        while at < len(tokens):
            at = self._take(tokens, at)

    def _take(self, tokens, at):
        word, following = tokens[at], tokens[at + 1:at + 2]
        if word == "{":
            return self._take_labels(tokens, at, None)
        if word.startswith("["):
            self.windows.append(word)
        if word in _GROUPING:
            end = tokens.index(")", at)
            self.groupings.update(name for name in tokens[at + 2:end] if name != ",")
            return end + 1
        if not _NAME.match(word) or word in _KEYWORDS:
            return at + 1
        if following == ["("] or set(following) & _GROUPING:
            if word == "label_replace":
                self._find_made(tokens, at + 1)
            return at + 1
        if following == ["{"]:
            return self._take_labels(tokens, at + 1, word)
        self.selectors.append((word, {}))
        return at + 1

    def _take_labels(self, tokens, opening, name):
        """Of a selector without a name the label __name__ has it."""
        end = tokens.index("}", opening)
        inside = tokens[opening + 1:end]
        labels = {inside[i]: inside[i + 2].strip('"') for i in range(0, len(inside), 4)}
        self.selectors.append((name or labels.pop("__name__"), labels))
        return end + 1

    def _find_made(self, tokens, opening):
        """The second argument of the call whose parenthesis is there."""
        depth = 0
        for i in range(opening, len(tokens)):
            depth += tokens[i] in "({"
            depth -= tokens[i] in ")}"
            if depth == 1 and tokens[i] == ",":
                self.made.add(tokens[i + 1].strip('"'))
                return


def check_query(text, series):
    """Metrics and labels are in the catalogue."""
    query, faults, grouped = Query(text), [], set()
    for pattern, labels in query.selectors:
        names = [name for name in series if re.fullmatch(pattern, name)]
        if not names:
            faults.append(f"no metric {pattern}: {text}")
        for name in names:
            if series[name] is ANY:
                return faults
            grouped |= series[name]
            faults += [f"{name} has no label {label}: {text}"
                       for label in labels if label not in series[name]]
    if not query.selectors:
        faults.append(f"asks for no metric: {text}")
    faults += [f"no label {label} to group by: {text}"
               for label in query.groupings - grouped - query.made]
    return faults


# ---- Grafana ----

def panels_of(dashboard):
    """Every panel, those of rows too."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", ())


def targets_of(dashboard):
    """(panel, target) of everything that is asked."""
    for panel in panels_of(dashboard):
        for target in panel.get("targets", ()):
            yield panel, target


def fill_in(text, values=None):
    """A query with values for its variables, as Grafana sends it."""
    for name, value in (values or EVERYTHING).items():
        text = text.replace(name, value)
    return text


def asked_of_prometheus(dashboard):
    """Names in Prometheus of what its panels ask for."""
    return {name for _, target in targets_of(dashboard)
            for name, _ in Query(target["expr"]).selectors}


def check_grafana(dashboard, series):
    faults = _check_layout(dashboard) + _check_variables(dashboard, series)
    for panel in panels_of(dashboard):
        if panel["type"] != "row":
            faults += [f"panel {panel['title']!r}: {fault}"
                       for fault in _check_panel(panel, series)]
    return faults


def _check_layout(dashboard):
    panels, faults = list(panels_of(dashboard)), []
    ids = [panel["id"] for panel in panels]
    titles = [panel["title"] for panel in panels if panel["type"] != "row"]
    for known in (ids, titles):
        faults += [f"two panels are {value!r}" for value in set(known) if known.count(value) > 1]
    taken = {}
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] + place["w"] > 24:
            faults.append(f"panel {panel['title']!r} is wider than the page")
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = taken.setdefault((x, y), panel["id"])
                if other != panel["id"]:
                    faults.append(f"panels {other} and {panel['id']} overlap")
                    return faults
    return faults


def _check_variables(dashboard, series):
    faults = []
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            text, label = re.fullmatch(r"label_values\((.+), (\w+)\)",
                                       variable["query"]["query"]).groups()
            faults += check_query(text, series) + check_query(f"sum by ({label}) ({text})", series)
    return faults


def _check_panel(panel, series):
    faults = []
    if not re.match(r"[A-Z].*\?", panel.get("description", "")):
        faults.append("its description asks no question")
    if panel["type"] != "table" and not panel["fieldConfig"]["defaults"].get("unit"):
        faults.append("no unit")
    refs = [target["refId"] for target in panel["targets"]]
    if len(set(refs)) != len(refs):
        faults.append("two queries with one refId")
    for target in panel["targets"]:
        faults += _check_target(target, series)
        if target["datasource"]["uid"] != "${datasource}":
            faults.append("a data source of its own")
    return faults


def _check_target(target, series):
    text = target["expr"]
    faults, query = check_query(text, series), Query(text)
    for name, labels in query.selectors:
        for label, value in (("instance", "$instance"), ("service", "$service"),
                             ("service_name", "$service")):
            has = label in (series.get(name) or SCRAPED)
            if has and labels.get(label) != value:
                faults.append(f"{name} is not filtered by {value}: {text}")
    faults += [f"not over $__rate_interval: {text}"
               for window in query.windows if window != "[$__rate_interval]"]
    known = query.groupings | SCRAPED
    faults += [f"legend {label} is no label of {text}"
               for label in re.findall(r"{{(\w+)}}", target["legendFormat"]) if label not in known]
    return faults


# ---- Datadog ----

_DATADOG_QUERY = re.compile(r"(?P<space>\w+):(?P<metric>[\w.]+)\{(?P<scope>[^}]*)\}"
                            r"(?: by \{(?P<by>[\w,]+)\})?(?P<way>\.as_rate\(\)|\.as_count\(\))?")
_RATE, _PLAIN = {".as_rate()", ".as_count()"}, {None}
# What may be asked of each kind, and how: by aggregation.
_SPACES = {"counter": {"sum": _RATE},
           "gauge": dict.fromkeys(("sum", "avg", "min", "max"), _PLAIN),
           "distribution": {"count": _RATE, **dict.fromkeys(("avg", "min", "max", "p50", "p75",
                                                             "p90", "p95", "p99"), _PLAIN)}}


def widgets_of(dashboard):
    """The definitions of all widgets, those in groups too."""
    for widget in dashboard["widgets"]:
        yield widget["definition"]
        yield from widgets_of(widget["definition"]) if "widgets" in widget["definition"] else ()


def asked_of_datadog(dashboard):
    """The texts of all queries."""
    return [query["query"] for widget in widgets_of(dashboard)
            for request in widget.get("requests", ()) for query in request["queries"]]


def check_datadog(dashboard, metrics):
    known = {metric.datadog: metric for metric in metrics}
    faults = []
    for widget in widgets_of(dashboard):
        found = [] if widget["type"] == "group" else _check_widget(widget, known)
        faults += [f"widget {widget['title']!r}: {fault}" for fault in found]
    return faults


def _check_widget(widget, known):
    faults = []
    if not re.match(r"[A-Z].*\?", widget.get("description", "")):
        faults.append("its description asks no question")
    for request in widget["requests"]:
        formulas = " ".join(formula["formula"] for formula in request["formulas"])
        names = [query["name"] for query in request["queries"]]
        faults += [f"no query {name}" for name in re.findall(r"query\d+", formulas)
                   if name not in names]
        faults += [f"{name} is in no formula" for name in names
                   if name not in re.findall(r"query\d+", formulas)]
        for query in request["queries"]:
            faults += _check_datadog_query(query["query"], known)
    return faults


def datadog_parts(text):
    """(metric, names of the tags that it is filtered and grouped by) of a query."""
    match = _DATADOG_QUERY.fullmatch(text)
    own = [re.match(r"!?(\w+)", part)[1] for part in _scope_of(match) if not part.startswith("$")]
    return match["metric"], {tag for tag in own + (match["by"] or "").split(",") if tag}


def _scope_of(match):
    """Commas within parentheses are those of a list of values."""
    return re.split(r",(?![^(]*\))| AND ", match["scope"])


def _check_datadog_query(text, known):
    match = _DATADOG_QUERY.fullmatch(text)
    if match is None:
        return [f"no query of metrics: {text}"]
    metric = known.get(match["metric"])
    if metric is None:
        return [f"no metric {match['metric']}: {text}"]
    faults = []
    if match["way"] not in _SPACES[metric.kind].get(match["space"], ()):
        faults.append(f"no way to ask a {metric.kind}: {text}")
    faults += [f"{metric.name} has no tag {tag}: {text}"
               for tag in datadog_parts(text)[1] - metric.tags - {"host"}]
    wanted = {"$host"} | ({"$service"} if "service" in metric.tags else set())
    if {part for part in _scope_of(match) if part.startswith("$")} != wanted:
        faults.append(f"not filtered by {' and '.join(sorted(wanted))}: {text}")
    return faults
