"""A small HTTP service: every service of the lab that is not the real server is this program.

Set by the environment: SERVICE_NAME, PORT (8000), LOG_FORMAT (json or text), TICK (seconds
between idle log lines, 0 for none), ANSWERS (JSON: path to answer, beside the health paths).
Told what to do by files in /flags, so that a test needs no API:
  unhealthy  the health paths answer 503        crash  exit with status 1 soon after the start
  oom        take memory until the kernel ends us      flood  log that many lines a second
"""
import json
import os
import random
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = os.environ.get("SERVICE_NAME", "service")
PORT = int(os.environ.get("PORT", "8000"))
JSON = os.environ.get("LOG_FORMAT", "json") == "json"
TICK = float(os.environ.get("TICK", "0"))
ANSWERS = json.loads(os.environ.get("ANSWERS", "{}"))
FLAGS = os.environ.get("FLAGS", "/flags")
HEALTH = ("/healthz", "/health", "/v1/health", "/-/healthy", "/api/health")
STARTED = time.time()
counts = {"requests": 0, "errors": 0}
lock = threading.Lock()


def flag(name):
    """The text of a flag, or None when it is not set."""
    try:
        with open(os.path.join(FLAGS, name)) as source:
            return source.read().strip()
    except OSError:
        return None


def line(level, event, **more):
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + ".%06dZ" % (now % 1 * 1e6)
    if JSON:
        return json.dumps(dict({"timestamp": stamp, "level": level, "service": NAME,
                                "event": event}, **more)) + "\n"
    extra = "".join(" %s=%s" % item for item in more.items())
    return "%s %-7s [%s] %s%s\n" % (stamp, level.upper(), NAME, event, extra)


def log(level, event, **more):
    stream = sys.stderr if level in ("error", "critical") else sys.stdout
    with lock:
        stream.write(line(level, event, **more))
        stream.flush()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "lab"

    def answer(self, status, body, kind="application/json"):
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        counts["requests"] += 1
        counts["errors"] += status >= 500

    def do_GET(self):
        path = self.path.split("?")[0]
        if path in HEALTH and flag("unhealthy") is not None:
            return self.answer(503, {"status": "unhealthy", "service": NAME})
        if path in ANSWERS:
            return self.answer(200, ANSWERS[path])
        if path in HEALTH:
            return self.answer(200, {"status": "healthy", "service": NAME,
                                     "uptime_seconds": round(time.time() - STARTED, 1)})
        if path == "/metrics":
            return self.answer(200, metrics(), "text/plain; version=0.0.4")
        started = time.perf_counter()
        self.answer(200 if path == "/" else 404, {"service": NAME, "path": path})
        log("info", "request", method=self.command, path=path,
            ms=round((time.perf_counter() - started) * 1e3, 2))

    do_HEAD = do_POST = do_GET

    def log_message(self, *_):
        pass  # the health checks would fill the log


def metrics():
    return ("# TYPE http_requests_total counter\n"
            'http_requests_total{service="%s"} %d\n'
            'http_errors_total{service="%s"} %d\n'
            "process_start_time_seconds %.3f\n"
            % (NAME, counts["requests"], NAME, counts["errors"], STARTED))


def eat():
    """Touch memory until the kernel's limit ends this process."""
    log("warning", "dictionary cache grows", entries=10 ** 7)
    held = []
    while True:
        held.append(bytearray(os.urandom(4096) * 256))


def flood(number):
    """Lines in bursts of a twentieth of a second, numbered so that a loss shows."""
    try:
        rate = float(flag("flood") or 1000)
    except ValueError:
        rate = 1000.0
    burst = max(1, int(rate / 20))
    with lock:
        sys.stdout.write("".join(line("info", "mail queued", number=number + i,
                                      recipient="pupil%d@example.org" % (i % 97))
                                 for i in range(burst)))
        sys.stdout.flush()
    return number + burst, burst / rate


def main():
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    log("info", "service starting", port=PORT, environment=os.environ.get("ENVIRONMENT", "-"))
    if flag("exit") is not None:
        log("error", "cannot read settings", error="KeyError: FILE_SERVICE_STORAGE_PATH")
        sys.exit(1)
    server = ThreadingHTTPServer(("", PORT), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    log("info", "service ready", port=PORT)
    number, due, tick = 0, time.monotonic(), time.monotonic() + TICK
    while True:
        if flag("crash") is not None:
            time.sleep(0.3)
            log("critical", "unhandled exception", error="ConnectionRefusedError: shared-postgres")
            sys.exit(1)
        if flag("oom") is not None:
            eat()
        now = time.monotonic()
        if TICK and now >= tick:
            tick = now + TICK
            log("info", "idle", queue_depth=random.randrange(4), correlation_id="%08x" %
                random.getrandbits(32))
        if flag("flood") is not None:
            number, pause = flood(number)
            due = max(due + pause, now - 1)
            time.sleep(max(0, due - time.monotonic()))
        else:
            due = now
            time.sleep(0.25)


if __name__ == "__main__":
    main()
