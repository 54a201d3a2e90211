#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The picture of the README, made by hand: as root, with the Debian package chromium.

    SOCKEYE=build/release/sockeye tests/integration/picture.py packaging/prometheus/graph.png

Two queries of the Grafana dashboard on Prometheus' own page, of nginx with clients for two minutes.
"""

import os
import sys
import threading
import time
import urllib.parse

import harness
import receivers
import test_delivery

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "reference"))
import dashboards  # pylint: disable=wrong-import-position,import-error

SECONDS = 120
SHOWN = (("Requests by status", "A"), ("Time to answer", "C"))
# Tall enough for all: else the page is scrolled, and its beginning is missing.
SIZE = "1040,1600"
NGINX = """
    access_log off;
    server {{
        listen 127.0.0.1:{port};
        location = /hello {{ return 200 "hello\\n"; }}
        location = /late {{ return 503; }}
    }}"""


def traffic(port, ended):
    """Now more, now less of it, and some requests that fail."""
    loads = ((4, "/hello"), (8, "/hello"), (2, "/late"), (16, "/hello"))
    while not ended.is_set():
        for connections, path in loads:
            harness.command("wrk", "-t1", f"-c{connections}", "-d6s",
                            f"http://127.0.0.1:{port}{path}")


def address(prometheus):
    queries = {(panel["title"], target["refId"]): target["expr"]
               for panel, target in dashboards.targets_of(dashboards.load(dashboards.GRAFANA))}
    values = {**dashboards.EVERYTHING, "$__rate_interval": "10s", "$service": "nginx|wrk"}
    words = {}
    for number, name in enumerate(SHOWN):
        words |= {f"g{number}.expr": dashboards.fill_in(queries[name], values),
                  f"g{number}.tab": 0, f"g{number}.range_input": f"{SECONDS}s"}
    return f"http://127.0.0.1:{prometheus.port}/classic/graph?{urllib.parse.urlencode(words)}"


def main(path):
    harness.need("chromium", "wrk", "nginx")
    with harness.Scope() as scope:
        page, port, ended = receivers.Page(), harness.free_port(), threading.Event()
        harness.Daemon(scope, console=None, exporters=(page.exporter,))
        prometheus = test_delivery.Prometheus(scope, page)
        harness.Nginx(scope, port, NGINX.format(port=port))
        thread = threading.Thread(target=traffic, args=(port, ended))
        thread.start()
        time.sleep(SECONDS)
        harness.command(
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking",
            f"--user-data-dir={harness.temporary_folder(scope)}", f"--window-size={SIZE}",
            "--virtual-time-budget=8000", f"--screenshot={os.path.abspath(path)}",
            address(prometheus))
        ended.set()
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
