# SPDX-License-Identifier: Apache-2.0
"""The command line: help and version everywhere, what is mistyped, output that cannot be written,
streams that whoever started us had closed."""

import os
import socket
import subprocess
import unittest

import harness
from harness import (EXIT_CONFIG, EXIT_FAILURE, EXIT_OK, EXIT_USAGE, Daemon, sockeye, wait_until)

COMMANDS = ("run", "check", "probe", "metrics", "version")
COLUMNS = 80
# What prints without looking at the kernel.
PRINTING = (("--help",), ("run", "--help"), ("version",), ("check",), ("check", "--default"),
            ("metrics",), ("metrics", "--markdown"), ("metrics", "--json"))


class Help(unittest.TestCase):
    """--help and --version answer at any place, on standard output, with exit 0."""

    def answer(self, *words):
        done = sockeye(*words)
        self.assertEqual((done.returncode, done.stderr), (EXIT_OK, ""), words)
        return done.stdout

    def test_help_of_everything(self):
        whole = self.answer("--help")
        for words in (("-h",), ("help",), ("help", "help")):
            self.assertEqual(self.answer(*words), whole)
        self.assertTrue(whole.startswith("usage: sockeye COMMAND"), whole)
        for command in COMMANDS:
            self.assertIn(f"\n  {command} ", whole)

    def test_help_of_each_command(self):
        for command in COMMANDS:
            text = self.answer(command, "--help")
            self.assertTrue(text.startswith(f"usage: sockeye {command}"), text)
            for words in ((command, "-h"), ("help", command), ("--help", command)):
                self.assertEqual(self.answer(*words), text)
        self.assertEqual(self.answer("run", "--set", "interval=5s", "--once", "more", "--help"),
                         self.answer("run", "--help"))

    def test_version_everywhere(self):
        version = self.answer("version")
        self.assertRegex(version, r"^sockeye \d")
        for words in (("--version",), ("-V",), *((command, "--version") for command in COMMANDS),
                      ("check", "-c", "/nowhere", "-V")):
            self.assertEqual(self.answer(*words), version)

    def test_every_line_fits(self):
        for words in (("--help",), *((command, "--help") for command in COMMANDS), ("probe",)):
            for line in sockeye(*words).stdout.splitlines():
                self.assertLessEqual(len(line), COLUMNS, line)

    def test_options_of_the_help_are_taken(self):
        """The list of help is the list that is read."""
        self.assertIn("--set KEY=VALUE", self.answer("check", "--help"))
        self.answer("check", "-c", "/dev/null", "--set", "interval=5s")
        self.answer("check", "-c/dev/null", "--set=exporters=[{type: console, format: json}]")


class Mistakes(unittest.TestCase):
    """Unknown words end with 2, nothing on standard output, and the nearest known word."""

    def refused(self, *words):
        done = sockeye(*words)
        self.assertEqual((done.returncode, done.stdout), (EXIT_USAGE, ""), words)
        return done.stderr

    def test_nearest(self):
        for words, said in ((("rnu",), 'unknown command "rnu", did you mean "run"?'),
                            (("help", "chekc"), 'unknown command "chekc", did you mean "check"?'),
                            (("--hepl",), 'unknown option "--hepl", did you mean "--help"?'),
                            (("run", "--onec"), 'sockeye run: unknown option "--onec", did you '
                                                'mean "--once"?'),
                            (("probe", "--josn=1"), 'sockeye probe: unknown option "--josn=1", '
                                                    'did you mean "--json"?')):
            self.assertIn(said, self.refused(*words))

    def test_others(self):
        for words, said in (((), "usage: sockeye"),
                            (("nonsense",), 'unknown command "nonsense"\n'),
                            (("run", "--nonsense"), 'sockeye run: unknown option "--nonsense"\n'),
                            (("run", "--json"), 'sockeye run: unknown option "--json"'),
                            (("run", "-x"), 'sockeye run: unknown option "-x"'),
                            (("run", "-c"), 'sockeye run: "-c" wants FILE behind it'),
                            (("check", "--set"), 'sockeye check: "--set" wants KEY=VALUE'),
                            (("run", "--once=1"), "sockeye run: --once takes no value"),
                            (("check", "too-much"), 'sockeye check: unexpected argument '
                                                    '"too-much"')):
            self.assertIn(said, self.refused(*words))

    def test_too_many_assignments_are_told(self):
        many = ["--set", "interval=5s"] * 65
        self.assertIn("more than 64 --set", self.refused("check", *many))
        self.assertEqual(sockeye("check", *many[2:]).returncode, EXIT_OK)

    def test_check_exits_as_run_does(self):
        done = sockeye("check", "--set", "intervall=5s")
        self.assertEqual((done.returncode, done.stdout), (EXIT_CONFIG, ""))

    def test_counts_in_english(self):
        for exporters, said in (("{type: console}", "1 exporter (console)"),
                                ('{type: statsd}, {type: statsd}',
                                 "2 exporters (statsd, statsd-2)")):
            done = sockeye("check", "-c", "/dev/null", "--set", f"exporters=[{exporters}]",
                           SOCKEYE_CONTROL_SOCKET="")
            self.assertEqual(done.stdout, f"configuration /dev/null is valid: {said}, interval "
                                          "10 s\nover it: --set exporters\n")

    def test_job_that_nobody_can_fetch_from_is_told(self):
        """Before it is started: kept from that, since a port of another process is taken."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            fetched = f"{{type: openmetrics, listen: '127.0.0.1:{taken.getsockname()[1]}'}}"
            for exporters, words, told in (((fetched,), ("--once",), True), ((fetched,), (), False),
                                           ((fetched, "{type: 'null'}"), ("--once",), False)):
                done = sockeye("run", *words, "-c", "/dev/null", "--set",
                               f"exporters=[{', '.join(exporters)}]")
                self.assertEqual(done.returncode, EXIT_FAILURE, done.stderr)
                self.assertEqual("exporter openmetrics delivers nothing of a single interval" in done.stderr,
                                 told, done.stderr)

    def test_patterns_without_a_metric_are_told(self):
        done = sockeye("check", "-c", "/dev/null", "--set",
                       "exporters=[{type: console, metrics: {allow: [tpc.*, http.*]}}]")
        self.assertEqual(done.returncode, EXIT_OK)
        self.assertEqual(done.stderr, '--set exporters: metrics.allow of exporter console: no '
                                      'metric is called "tpc.*", did you mean "tcp.*"? ("sockeye '
                                      'metrics" lists them)\n')


class Output(unittest.TestCase):
    """Output that did not arrive is an error; a reader that has enough is none of ours."""

    def test_a_full_disk(self):
        for words in (*PRINTING, ("probe",), ("probe", "--json")):
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = subprocess.run([harness.binary(), *words], stdout=full, text=True,
                                      stderr=subprocess.PIPE, timeout=harness.HANG_SECONDS,
                                      check=False, env=harness.clean_environment())
            self.assertEqual(done.returncode, EXIT_FAILURE, words)
            self.assertEqual(done.stderr, "sockeye: cannot write to standard output: No space left "
                                          "on device\n")

    def test_a_reader_that_has_gone(self):
        for words in PRINTING:
            read_end, write_end = os.pipe()
            os.close(read_end)
            process = harness.spawn(self, harness.binary(), *words, stdin=None, stdout=write_end,
                                    stderr=subprocess.PIPE)
            os.close(write_end)
            said = process.communicate(timeout=harness.HANG_SECONDS)[1]
            self.assertEqual((said, process.returncode), ("", -13))


class ClosedStreams(unittest.TestCase):
    """0, 1 and 2 closed at the start (`>&-`, some supervisors) do not become files of ours."""

    def test_null_stands_in(self):
        folder = harness.temporary_folder(self)
        path = os.path.join(folder, "points")
        words = ["run", "-c", "/dev/null", "--set", "interval=1s", "--set",
                 f"exporters=[{{type: file, path: {path}}}, {{type: console}}]"]
        process = harness.spawn(self, "sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh",
                                harness.binary(), *words, stdin=None, stdout=None)
        wait_until(lambda: os.path.exists(path) and os.path.getsize(path) > 0, 60, "points")
        held = [os.readlink(f"/proc/{process.pid}/fd/{number}") for number in range(3)]
        process.terminate()
        self.assertEqual(process.wait(60), EXIT_FAILURE)  # the console wrote nothing
        self.assertEqual(held, ["/dev/null"] * 3)
        with open(path, encoding="utf-8") as file:
            self.assertEqual([line for line in file if not line.startswith("{")], [])

    def test_what_is_written_to_a_closed_one_is_an_error(self):
        done = harness.command("sh", "-c", 'exec "$@" 1>&-', "sh", harness.binary(), "version",
                               check=False)
        self.assertEqual((done.returncode, done.stderr), (
            EXIT_FAILURE, "sockeye: cannot write to standard output: Bad file descriptor\n"))

    def test_one_that_is_open_is_kept(self):
        done = harness.command("sh", "-c", 'exec "$@" 0<&- 2>&-', "sh", harness.binary(), "version")
        self.assertRegex(done.stdout, r"^sockeye \d")


class StartMessage(unittest.TestCase):
    def test_exporters_are_counted_as_configured(self):
        """Two lanes of one exporter are one exporter."""
        daemon = Daemon(self, "shutdown_timeout=100ms", console=None,
                        exporters=["{type: datadog, site: localhost}"],
                        environment={"DD_API_KEY": "0123456789abcdef0123456789abcdef"})
        daemon.stop()
        self.assertIn("1 exporter", daemon.log[0])
        self.assertNotIn("exporters", daemon.log[0])


class ApiKey(unittest.TestCase):
    """DD_API_KEY is never shown, whatever goes wrong with it or beside it."""

    KEY = "0123456789abcdef0123456789abcdef"
    EXPORTER = "exporters=[{type: datadog, url: 'http://127.0.0.1:9', timeout: 200ms}]"
    RUN = ("run", "--once", "--set", "interval=1s", "--set", "shutdown_timeout=200ms", "--set",
           "log.level=debug")

    def test_is_never_shown(self):
        for words, key in ((("check",), self.KEY), (("check",), f"{self.KEY}\n"),
                           (("check", "--open"), self.KEY), (self.RUN, self.KEY),
                           (("check",), f"{self.KEY}\tx"), (self.RUN, f"{self.KEY}\tx")):
            with self.subTest(words=words, key=key):
                done = sockeye(*words, "-c", "/dev/null", "--set", self.EXPORTER, DD_API_KEY=key)
                self.assertNotIn(self.KEY[:8], done.stdout + done.stderr)
                self.assertEqual("DD_API_KEY" in done.stderr, "\t" in key, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
