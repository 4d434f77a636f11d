"""Drives hemma-top in a pseudo-terminal: keys in, screen out, read by a real terminal emulator (pyte)."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pyte

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
HEMMA_TOP = os.path.join(BUILD, "hemma-top")

# Sanitizer reports go to files: on a terminal they would be lost in the screen (see run).
SANITIZER_LOG = os.path.join(BUILD, "sanitizer-report")
SANITIZER_ENV = {
    "ASAN_OPTIONS": f"log_path={SANITIZER_LOG}:detect_leaks=1",
    "UBSAN_OPTIONS": f"log_path={SANITIZER_LOG}:print_stacktrace=1",
    "TSAN_OPTIONS": f"log_path={SANITIZER_LOG}:second_deadlock_stack=1",
}

# A sanitized or loaded machine is slower; deadlines are five times the target, as everywhere.
PATIENCE = 5

KEYS = {
    "enter": "\r", "esc": "\x1b", "tab": "\t", "backtab": "\x1b[Z", "up": "\x1b[A", "down": "\x1b[B",
    "pgup": "\x1b[5~", "pgdn": "\x1b[6~", "home": "\x1b[H", "end": "\x1b[F", "f1": "\x1bOP",
    "ctrl-c": "\x03", "ctrl-l": "\x0c", "ctrl-z": "\x1a",
}


class Screen(pyte.Screen):
    """pyte, less what it does not know: private sequences that it would print as text."""

    def report_device_status(self, *args, **kwargs):
        pass

    def select_graphic_rendition(self, *attrs, **kwargs):
        if not kwargs:
            super().select_graphic_rendition(*attrs)


class Terminal:
    """One run of a program. Use as a context manager; the program is ended at the end."""

    def __init__(self, *args, cols=140, rows=42, env=None, program=HEMMA_TOP):
        self.cols, self.rows = cols, rows
        self.screen = Screen(cols, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        self.status = None
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))}
        # Not xterm: pyte knows no REP, which xterm's terminfo has.
        environ.update({"TERM": "tmux-256color", "LANG": "C.UTF-8", **SANITIZER_ENV})
        environ.pop("NO_COLOR", None)
        environ.pop("COLORTERM", None)
        for key, value in (env or {}).items():
            if value is None:
                environ.pop(key, None)
            else:
                environ[key] = value
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                # The parent sets the size, then lets us go: the first frame has it.
                os.read(0, 1)
                os.execve(program, [program, *args], environ)
            finally:
                os._exit(127)
        self.resize(cols, rows)
        os.write(self.fd, b"\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def resize(self, cols, rows):
        self.cols, self.rows = cols, rows
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self.screen.resize(rows, cols)

    def keys(self, *keys):
        for key in keys:
            os.write(self.fd, KEYS.get(key, key).encode())

    def pump(self, seconds):
        """Reads what comes for at most so long. False at the end of the program's output."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.fd], [], [], max(left, 0))
            if not ready:
                return True
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return False
            if not data:
                return False
            self.raw += data
            self.stream.feed(data)

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def row(self, pattern):
        """The first line that holds the pattern, or ''."""
        for line in self.screen.display:
            if re.search(pattern, line):
                return line.rstrip()
        return ""

    def wait(self, what, target, condition=None):
        """Waits until a pattern (or a condition on self) holds; prints how long it took."""
        check = condition or (lambda t: re.search(what, t.text()))
        start = time.monotonic()
        while True:
            if check(self):
                took = time.monotonic() - start
                print(f"    {took:6.2f} s (target {target} s): {what}", flush=True)
                return took
            alive = self.pump(0.02)
            if not alive or time.monotonic() - start > target * PATIENCE:
                why = "deadline passed" if alive else "the program ended"
                raise AssertionError(f"{why} waiting for {what!r}; the screen:\n{self.text()}")

    def wait_exit(self, target):
        """Waits for the end of the program; returns its exit code, or minus its signal."""
        start = time.monotonic()
        while time.monotonic() - start < target * PATIENCE:
            self.pump(0.02)
            if self.poll() is not None:
                print(f"    {time.monotonic() - start:6.2f} s (target {target} s): exit")
                return self.status
        raise AssertionError(f"still running; the screen:\n{self.text()}")

    def poll(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def kill(self, sig=signal.SIGKILL):
        if self.poll() is None:
            os.kill(self.pid, sig)
            if sig == signal.SIGKILL:
                self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if sig == signal.SIGKILL and self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def run(*args, env=None, timeout=60, stdin=subprocess.DEVNULL, **kwargs):
    """Runs hemma-top without a terminal."""
    environ = {**os.environ, "LANG": "C.UTF-8", **SANITIZER_ENV, **(env or {})}
    return subprocess.run([HEMMA_TOP, *args], env=environ, timeout=timeout, stdin=stdin,
                          capture_output=True, text=True, start_new_session=True, **kwargs)
