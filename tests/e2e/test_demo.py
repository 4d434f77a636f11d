"""The demo host: the whole program without a server, a network or a file."""
import json
import os
import re
import signal
import time
import unittest

from terminal import HEMMA_TOP, Terminal, run


class Snapshot(unittest.TestCase):
    def test_text_without_a_terminal(self):
        result = run("demo")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("nginx-proxy", result.stdout)
        self.assertNotIn("\x1b", result.stdout)

    def test_json(self):
        result = run("snapshot", "demo", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        data = json.loads(result.stdout)
        self.assertEqual(data["schema"], "hemma-top/1")
        self.assertEqual(data["target"], "demo")
        by_name = {c["name"]: c for c in data["containers"]}
        self.assertEqual(by_name["huleedu_spellchecker_service"]["exit_code"], 137)
        self.assertIs(by_name["huleedu_spellchecker_service"]["oom_killed"], True)
        # What runs for the first time has no exit code: null, not 0.
        self.assertIsNone(by_name["nginx-proxy"]["exit_code"])
        self.assertEqual(data["verdict"], "down")

    def test_seed_decides(self):
        def cpu(seed):
            return json.loads(run("snapshot", "demo", "--json", "--seed", seed).stdout)["host"]["cpu_percent"]
        self.assertEqual(cpu("7"), cpu("7"))
        self.assertNotEqual(cpu("7"), cpu("8"))

    def test_usage_errors(self):
        for args in (["--nonsense"], ["a", "b"], ["demo", "--seed", "x"], ["snapshot", "--json", "--text"]):
            result = run(*args)
            self.assertEqual(result.returncode, 64, args)
            self.assertIn(args[-1].lstrip("-"), result.stderr)
            self.assertEqual(result.stdout, "")

    def test_help_and_version(self):
        self.assertIn("usage: hemma-top", run("--help").stdout)
        self.assertRegex(run("--version").stdout, r"^hemma-top \d+\.\d+\.\d+\n$")


class Dashboard(unittest.TestCase):
    def test_first_frame_and_quit(self):
        for cols, rows in ((140, 42), (100, 30), (80, 24)):
            with Terminal("demo", cols=cols, rows=rows) as t:
                t.wait("nginx-proxy", 0.5)
                t.wait("unhealthy", 0.5)
                t.keys("q")
                self.assertEqual(t.wait_exit(1), 0)
                self.assertIn(b"\x1b[?1049l", t.raw[-400:], "left the alternate screen")

    def test_filter_counts_and_negates(self):
        with Terminal("demo") as t:
            t.wait("nginx-proxy", 0.5)
            t.keys("/", "kafka")
            t.wait(r"\b1/19\b", 0.5)
            t.wait("only kafka", 0.5, lambda s: "nginx-proxy" not in s.row(r"[●*].*nginx"))
            t.keys("enter", "/", "!kafka", "enter")
            t.wait(r"\b18/19\b", 0.5)
            t.keys("esc")
            t.wait("no filter", 0.5, lambda s: "18/19" not in s.text())
            self.assertIsNone(t.poll(), "Esc never quits")

    def test_help_lists_keys(self):
        with Terminal("demo", cols=80, rows=24) as t:
            t.wait("nginx-proxy", 0.5)
            t.keys("?")
            t.wait(r"(?i)help", 0.5)
            t.wait(r"/ .*filter", 0.5)
            t.keys("q")
            t.wait("back from help", 0.5, lambda s: s.poll() is None and "nginx-proxy" in s.text())

    def test_zoom_focus_details(self):
        with Terminal("demo") as t:
            t.wait("nginx-proxy", 0.5)
            t.keys("2", "z")
            t.wait("zoomed: containers gone", 0.5, lambda s: "huleedu_redis" not in s.text())
            t.keys("z", "1")
            t.wait("huleedu_redis", 0.5)
            t.keys("/", "spellchecker", "enter", "enter")
            t.wait(r"(?i)137", 0.5)
            t.keys("esc")
            t.wait("details closed", 0.5, lambda s: s.row(r"1/19"))

    def test_no_colour(self):
        with Terminal("demo", env={"NO_COLOR": "1"}) as t:
            t.wait("nginx-proxy", 0.5)
            t.pump(0.5)
            # Attributes are allowed, colours are not.
            for parameters in re.findall(rb"\x1b\[([0-9;]*)m", bytes(t.raw)):
                for number in parameters.split(b";"):
                    self.assertFalse(number and 30 <= int(number) <= 48 and int(number) not in (39,),
                                     parameters)

    def test_ascii_in_a_c_locale(self):
        with Terminal("demo", env={"LANG": "C"}) as t:
            t.wait("nginx-proxy", 0.5)
            t.pump(0.5)
            self.assertTrue(all(byte < 128 for byte in t.raw))

    def test_resize(self):
        with Terminal("demo") as t:
            t.wait("nginx-proxy", 0.5)
            for cols, rows in ((80, 24), (38, 9), (200, 60), (40, 10), (100, 30)):
                t.resize(cols, rows)
                t.wait(f"drawn at {cols}x{rows}", 0.5,
                       lambda s: "too small" in s.text() if rows < 10 else s.row("restarting"))
            t.wait("nginx-proxy", 0.5)

    def test_suspend_and_resume(self):
        with Terminal("--norc", "-i", program="/bin/bash", env={"PS1": "ready> "}) as t:
            t.wait("ready>", 2)
            t.keys(f"{HEMMA_TOP} demo", "enter")
            t.wait("huleedu_redis", 1)
            t.keys("ctrl-z")
            t.wait("Stopped", 1)  # the shell says so
            self.assertIn(b"\x1b[?1049l", t.raw, "left the alternate screen")
            del t.raw[:]
            t.keys("fg", "enter")
            t.wait("drawn anew", 1, lambda s: b"\x1b[?1049h" in s.raw and b"huleedu_redis" in s.raw)
            t.keys("q")
            t.wait("back at the shell", 1, lambda s: b"\x1b[?1049l" in s.raw)

    def test_terminal_that_goes_away(self):
        t = Terminal("demo")
        t.wait("nginx-proxy", 0.5)
        os.close(t.fd)
        t.fd = -1
        start = time.monotonic()
        while t.poll() is None and time.monotonic() - start < 5:
            time.sleep(0.02)
        self.assertIsNotNone(t.poll(), "still running without a terminal")
        print(f"    {time.monotonic() - start:6.2f} s (target 1 s): exit")

    def test_signals_restore_the_terminal(self):
        for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            with Terminal("demo") as t:
                t.wait("nginx-proxy", 0.5)
                os.kill(t.pid, sig)
                t.wait_exit(1)
                self.assertIn(b"\x1b[?1049l", t.raw[-400:], sig)

    def test_nothing_is_sent_when_nothing_moves(self):
        with Terminal("demo") as t:
            t.wait("nginx-proxy", 0.5)
            t.pump(1)
            before = len(t.raw)
            t.pump(5)
            rate = (len(t.raw) - before) / 5
            print(f"    {rate:.0f} bytes/s to the terminal")
            self.assertLess(rate, 5 * 1536)

    def test_stopped_terminal_stops_nothing_else(self):
        with Terminal("demo") as t:
            t.wait("nginx-proxy", 0.5)
            # Nobody reads the terminal; keys make frames until every buffer on the way is full.
            for _ in range(400):
                t.keys("z")
                time.sleep(0.002)
            time.sleep(2)
            start = time.monotonic()
            t.keys("q")
            while t.poll() is None and time.monotonic() - start < 5:
                time.sleep(0.02)
            self.assertEqual(t.poll(), 0, "a key was not answered while the terminal stood still")
            print(f"    {time.monotonic() - start:6.2f} s (target 1 s): quit with a stopped terminal")


if __name__ == "__main__":
    unittest.main()
