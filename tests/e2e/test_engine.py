"""Engines that misbehave, played by a test double on a Unix socket: each gives a sentence in its pane,
and the rest of the screen lives on."""
import json
import os
import re
import shutil
import socket
import tempfile
import threading
import unittest

from terminal import Terminal, run

CONTAINER = {
    "Id": "a" * 64, "Names": ["/web"], "Image": "web:1", "Command": "run", "Created": 1700000000,
    "State": "running", "Status": "Up 3 hours", "Ports": [], "Labels": {},
    "NetworkSettings": {"Networks": {}},
}


class Engine:
    """Answers each request by answer(path) -> (status, body), or None to hang. A body of None opens a
    stream in which nothing happens."""

    def __init__(self, answer):
        self.directory = tempfile.mkdtemp()
        self.path = os.path.join(self.directory, "docker.sock")
        self.answer = answer
        self.asked = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        shutil.rmtree(self.directory)

    @property
    def env(self):
        return {"DOCKER_HOST": f"unix://{self.path}"}

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        data = b""
        try:
            while True:
                while b"\r\n\r\n" not in data:
                    more = connection.recv(65536)
                    if not more:
                        return
                    data += more
                head, data = data.split(b"\r\n\r\n", 1)
                method, path, _ = head.split(b"\r\n")[0].decode().split(" ", 2)
                self.asked.append((method, path))
                answer = self.answer(path)
                if answer is None:
                    threading.Event().wait(30)
                    return
                status, body = answer
                if body is None:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    threading.Event().wait(30)
                    return
                connection.sendall(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"
                                   b"Content-Length: %d\r\n\r\n" % (status, len(body)) + body)
        except OSError:
            pass
        finally:
            connection.close()


def healthy(path):
    if path.endswith("/version"):
        return 200, b'{"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12"}'
    if "/events" in path:
        return 200, None
    if "/containers/json" in path:
        return 200, json.dumps([CONTAINER]).encode()
    if path.endswith("/json"):
        name = path.split("/")[-2]
        state = "levitating" if name[0] == "c" else "running"
        return 200, json.dumps({"Id": name, "State": {"Status": state, "ExitCode": 0}}).encode()
    return 404, b'{"message":"no such thing"}'


class Misbehaving(unittest.TestCase):
    def shown(self, answer, pattern, target=2):
        with Engine(answer) as engine, Terminal("local", env=engine.env) as t:
            t.wait(pattern, target)
            t.wait("the host lives on", 2, lambda s: re.search(r"(?i)load", s.text()))
            t.keys("?")
            t.wait("(?i)help", 0.5)
            t.keys("q", "q")
            self.assertEqual(t.wait_exit(1), 0)
            self.assertTrue(all(method == "GET" for method, _ in engine.asked), engine.asked)

    def test_garbage(self):
        self.shown(lambda path: (200, b"\x1b[31m<html>\x00\xff"), r"(?i)json|answer")

    def test_error_500(self):
        self.shown(lambda path: (500, b'{"message":"the disk is on fire \\u001b[2J"}'), r"500|on fire")

    def test_wrong_types(self):
        self.shown(lambda path: (200, b'{"a":[1,2,{"b":null}]}'), r"(?i)json|answer|list|array|expect")

    def test_hanging(self):
        self.shown(lambda path: None, "did not answer", target=15)

    def test_api_too_old_is_negotiated(self):
        def answer(path):
            if path.startswith("/v1.41/"):
                return 400, b'{"message":"client version 1.41 is too old. Minimum supported API version is 1.44, please upgrade"}'
            return healthy(path)
        with Engine(answer) as engine:
            data = json.loads(run("snapshot", "local", "--json", env=engine.env).stdout)
            self.assertEqual([c["name"] for c in data["containers"]], ["web"])

    def test_members_are_missing_or_of_another_type(self):
        broken = [{}, {"Id": 7}, {"Id": "b" * 64}, {"Id": "c" * 64, "Names": None, "State": "levitating"}, CONTAINER]

        def answer(path):
            if "/containers/json" in path:
                return 200, json.dumps(broken).encode()
            return healthy(path)
        with Engine(answer) as engine:
            data = json.loads(run("snapshot", "local", "--json", env=engine.env).stdout)
            by_id = {c["id"]: c for c in data["containers"]}
            self.assertEqual(by_id["a" * 64]["name"], "web")
            self.assertIsNone(by_id["c" * 64]["state"], "a word that is not known is unknown")

    def test_invalid_utf8_hides_nothing_else(self):
        body = json.dumps([dict(CONTAINER, Id="d" * 64, Names=["/b@d"]), CONTAINER]).encode().replace(b"b@d", b"b\xffd")

        def answer(path):
            return (200, body) if "/containers/json" in path else healthy(path)
        with Engine(answer) as engine:
            data = json.loads(run("snapshot", "local", "--json", env=engine.env).stdout)
            self.assertEqual(len(data["containers"]), 2)
            self.assertIn("web", [c["name"] for c in data["containers"]])

    def test_huge_answer(self):
        self.shown(lambda path: (200, b"[" + b" " * (100 << 20) + b"]") if "containers/json" in path
                   else healthy(path), r"(?i)large|big|MiB|MB|more than")


if __name__ == "__main__":
    unittest.main()
