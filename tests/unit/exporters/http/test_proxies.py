#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Which way a request takes: a table of the environment and the key `proxy`, with a tinyproxy.

    test_proxies.py HTTP_SEND_PROGRAM
"""
import http.server
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PROGRAM = ""
DIRECT, PROXY, REFUSED = "directly", "by the proxy", "by a proxy that refuses"

# Where the words PROXY and NOBODY stand, the address of the proxy, and of a port that refuses.
# name of the row, environment, the key `proxy`, where to, the way
TABLE = (
    ("nothing is set", {}, None, "http://127.0.0.1", DIRECT),
    ("http_proxy", {"http_proxy": "http://PROXY"}, None, "http://127.0.0.1", PROXY),
    ("without a scheme", {"http_proxy": "PROXY"}, None, "http://127.0.0.1", PROXY),
    ("a CGI's client chooses HTTP_PROXY", {"HTTP_PROXY": "http://PROXY"}, None,
     "http://127.0.0.1", DIRECT),
    ("all_proxy", {"all_proxy": "http://PROXY"}, None, "http://127.0.0.1", PROXY),
    ("ALL_PROXY", {"ALL_PROXY": "http://PROXY"}, None, "http://127.0.0.1", PROXY),
    ("the scheme's own wins over all", {"http_proxy": "http://PROXY", "ALL_PROXY": "http://NOBODY"},
     None, "http://127.0.0.1", PROXY),
    ("lower case wins", {"all_proxy": "http://PROXY", "ALL_PROXY": "http://NOBODY"}, None,
     "http://127.0.0.1", PROXY),
    ("https_proxy is not for http", {"https_proxy": "http://PROXY"}, None,
     "http://127.0.0.1", DIRECT),
    ("HTTPS_PROXY is not for http", {"HTTPS_PROXY": "http://PROXY"}, None,
     "http://127.0.0.1", DIRECT),
    ("http_proxy is not for https", {"http_proxy": "http://PROXY"}, None,
     "https://127.0.0.1", DIRECT),
    ("https_proxy", {"https_proxy": "http://PROXY"}, None, "https://127.0.0.1", PROXY),
    ("HTTPS_PROXY", {"HTTPS_PROXY": "http://PROXY"}, None, "https://127.0.0.1", PROXY),
    ("ALL_PROXY for https", {"ALL_PROXY": "http://PROXY"}, None, "https://127.0.0.1", PROXY),
    ("NO_PROXY: address", {"http_proxy": "http://PROXY", "NO_PROXY": "127.0.0.1"}, None,
     "http://127.0.0.1", DIRECT),
    ("no_proxy: CIDR", {"http_proxy": "http://PROXY", "no_proxy": "10.0.0.0/8,127.0.0.0/8"}, None,
     "http://127.0.0.1", DIRECT),
    ("no_proxy: another CIDR", {"http_proxy": "http://PROXY", "no_proxy": "10.0.0.0/8"}, None,
     "http://127.0.0.1", PROXY),
    ("no_proxy: blanks", {"http_proxy": "http://PROXY", "no_proxy": "a.b, 127.0.0.1 ,c"}, None,
     "http://127.0.0.1", DIRECT),
    ("no_proxy: name", {"http_proxy": "http://PROXY", "no_proxy": "localhost"}, None,
     "http://localhost", DIRECT),
    ("no_proxy: what is below a name", {"http_proxy": "http://PROXY", "no_proxy": "localhost"},
     None, "http://sub.localhost", DIRECT),
    ("no_proxy: what is below a dot", {"http_proxy": "http://PROXY", "no_proxy": ".localhost"},
     None, "http://sub.localhost", DIRECT),
    # The proxy itself may know no such name.
    ("no_proxy: no part of a name", {"http_proxy": "http://NOBODY", "no_proxy": "host"}, None,
     "http://localhost", REFUSED),
    ("no_proxy: *", {"http_proxy": "http://PROXY", "no_proxy": "*"}, None,
     "http://127.0.0.1", DIRECT),
    ("no_proxy wins over NO_PROXY", {"http_proxy": "http://PROXY", "no_proxy": "a.b",
                                     "NO_PROXY": "*"}, None, "http://127.0.0.1", PROXY),
    ("the key", {}, "http://PROXY", "http://127.0.0.1", PROXY),
    ("the key, for https", {}, "http://PROXY", "https://127.0.0.1", PROXY),
    ("the key wins over http_proxy", {"http_proxy": "http://NOBODY"}, "http://PROXY",
     "http://127.0.0.1", PROXY),
    ("the key wins over NO_PROXY", {"NO_PROXY": "127.0.0.1"}, "http://PROXY",
     "http://127.0.0.1", PROXY),
    ("the key wins over no_proxy: *", {"no_proxy": "*"}, "http://PROXY",
     "http://127.0.0.1", PROXY),
)


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):  # pylint: disable=invalid-name # the name that its base wants
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.ways.append(PROXY if "Via" in self.headers else DIRECT)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):  # pylint: disable=arguments-differ # standard error is the test's
        pass


def free_port():
    """Bound and not listening: whoever connects is refused."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return holder, holder.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"tinyproxy does not listen on {port}")


class Proxies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        cls.server.ways = []
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.server.server_close)
        cls.addClassCleanup(cls.server.shutdown)
        holder, cls.nobody = free_port()
        cls.addClassCleanup(holder.close)
        cls.start_proxy()

    @classmethod
    def start_proxy(cls):
        holder, cls.proxy = free_port()
        holder.close()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        path = os.path.join(folder.name, "tinyproxy.conf")
        with open(path, "w", encoding="utf-8") as out:
            # No CONNECT but to a port that nobody uses: https shows by what it is refused.
            out.write(f'Port {cls.proxy}\nListen 127.0.0.1\nTimeout 20\nMaxClients 20\n'
                      f'Allow 127.0.0.1\nConnectPort 1\nLogFile "{folder.name}/log"\n')
        # pylint: disable-next=consider-using-with # it lives until the last test
        process = subprocess.Popen(["tinyproxy", "-d", "-c", path], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        cls.addClassCleanup(process.wait)
        cls.addClassCleanup(process.terminate)
        wait_for(cls.proxy)

    def fill_in(self, text):
        return text.replace("PROXY", f"127.0.0.1:{self.proxy}").replace(
            "NOBODY", f"127.0.0.1:{self.nobody}")

    def send(self, environment, proxy, where):
        words = [PROGRAM, f"{where}:{self.server.server_port}/"]
        if proxy is not None:
            words.append(self.fill_in(proxy))
        return subprocess.run(
            words, env={name: self.fill_in(value) for name, value in environment.items()},
            stdout=subprocess.PIPE, text=True, timeout=30, check=True).stdout

    def way_of(self, environment, proxy, where):
        self.server.ways.clear()
        said = self.send(environment, proxy, where)
        if where.startswith("https:"):
            return {"tls": DIRECT, "unreachable": PROXY}.get(said.split(":")[0], said)
        if said.startswith("refused:"):
            return REFUSED
        self.assertEqual(said, "answer 200\n")
        return self.server.ways[0]

    def test_the_table(self):
        for name, environment, proxy, where, way in TABLE:
            with self.subTest(name):
                self.assertEqual(self.way_of(environment, proxy, where), way)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
