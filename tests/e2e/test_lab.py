"""A real host over real SSH: what the engine says is what is shown, and faults are survived."""
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import lab
from lab import ctl, docker, inside, inspect, needs_lab, target, wait_until
from link import proxy
from terminal import Terminal, run


def rows_of(t, name):
    return t.row(r"\b" + re.escape(name) + r"\b")


@needs_lab
class Snapshot(unittest.TestCase):
    def test_json_is_what_docker_says(self):
        result = run("snapshot", *target(), "--json")
        self.assertIn(result.returncode, (1, 2), result.stderr)
        data = json.loads(result.stdout)
        self.assertEqual(data["link"]["state"], "up")
        self.assertGreater(data["link"]["rtt_ms"], 0)
        ids = docker("ps", "-aq", "--no-trunc").split()
        theirs = {c["Id"]: c for c in json.loads(docker("inspect", *ids))}
        ours = {c["id"]: c for c in data["containers"]}
        self.assertEqual(set(ours), set(theirs))
        self.assertGreaterEqual(len(ours), 12)
        for key, c in ours.items():
            their = theirs[key]
            name = their["Name"].lstrip("/")
            with self.subTest(name):
                self.assertEqual(c["name"], name)
                self.assertEqual(c["image"], their["Config"]["Image"])
                self.assertEqual(c["state"], their["State"]["Status"])
                self.assertEqual(c["oom_killed"], their["State"]["OOMKilled"])
                self.assertEqual(c["restarts"], their["RestartCount"])
                self.assertEqual(sorted(c["networks"]), sorted(their["NetworkSettings"]["Networks"]))
                self.assertEqual(c["project"], their["Config"]["Labels"].get("com.docker.compose.project"))
                self.assertEqual(c["started_at"][:19], their["State"]["StartedAt"][:19])
                if their["State"]["Status"] == "exited":
                    self.assertEqual(c["exit_code"], their["State"]["ExitCode"])
                health = their["State"].get("Health")
                if health:
                    self.assertEqual(c["health"], health["Status"])

    def test_host_is_what_proc_says(self):
        host = json.loads(run("snapshot", *target(), "--json").stdout)["host"]
        meminfo = dict(re.findall(r"(\w+):\s+(\d+) kB", inside("cat", "/proc/meminfo")))
        self.assertEqual(host["memory_bytes"], int(meminfo["MemTotal"]) * 1024)
        self.assertEqual(host["swap_bytes"], int(meminfo["SwapTotal"]) * 1024)
        self.assertEqual(host["kernel"], inside("uname", "-r").strip())
        self.assertEqual(host["name"], inside("uname", "-n").strip())
        self.assertEqual(host["cpus"], int(inside("nproc").strip()))
        uptime = float(inside("cat", "/proc/uptime").split()[0])
        self.assertAlmostEqual(host["uptime_seconds"], uptime, delta=10)
        self.assertLess(abs(host["clock_offset_ms"]), 1000)  # it is this machine's own clock

    def test_text(self):
        result = run("snapshot", *target(), "--text")
        self.assertIn("nginx-proxy", result.stdout)
        self.assertNotIn("\x1b", result.stdout)

    def test_local_and_over_ssh_agree(self):
        env = {"DOCKER_HOST": lab.ENV["LAB_DOCKER_HOST"]}
        local = json.loads(run("snapshot", "local", "--json", env=env).stdout)
        remote = json.loads(run("snapshot", *target(), "--json").stdout)
        self.assertEqual({c["id"]: c["name"] for c in local["containers"]},
                         {c["id"]: c["name"] for c in remote["containers"]})
        self.assertEqual(local["link"]["transport"], "local")


@needs_lab
class Live(unittest.TestCase):
    def test_stop_and_start_from_outside(self):
        with Terminal(*target()) as t:
            t.wait("skriptoteket-runner", 1)
            docker("stop", "-t", "0", "huleedu_content_service")
            try:
                t.wait("row says exited", 0.5, lambda s: "exited" in rows_of(s, "huleedu_content_service"))
            finally:
                docker("start", "huleedu_content_service")
            t.wait("row says running", 0.5, lambda s: "running" in rows_of(s, "huleedu_content_service"))

    def test_health_turns(self):
        with Terminal(*target()) as t:
            t.wait("huleedu_nlp_service", 1)
            ctl("unhealthy", "huleedu_nlp_service")
            try:
                wait_until(lambda: inspect("huleedu_nlp_service")["State"]["Health"]["Status"] == "unhealthy",
                           30, "the engine calls it unhealthy")
                t.wait("unhealthy", 0.5, lambda s: "unhealthy" in rows_of(s, "huleedu_nlp_service"))
            finally:
                ctl("healthy", "huleedu_nlp_service")
            wait_until(lambda: inspect("huleedu_nlp_service")["State"]["Health"]["Status"] == "healthy",
                       30, "the engine calls it healthy")
            t.wait("healthy again", 0.5, lambda s: "unhealthy" not in rows_of(s, "huleedu_nlp_service"))

    def test_out_of_memory_is_said(self):
        with Terminal(*target()) as t:
            t.wait("OOM", 1, lambda s: re.search("OOM|137", rows_of(s, "huleedu_spellchecker")))

    def test_created_renamed_removed(self):
        # A container made from outside, and gone while it is shown.
        image = inspect("huleedu_redis")["Config"]["Image"]
        with Terminal(*target()) as t:
            t.wait("nginx-proxy", 1)
            docker("create", "--name", "aa_passing_guest", image, "true")
            try:
                t.wait("aa_passing_guest", 0.5)
                docker("rename", "aa_passing_guest", "aa_renamed_guest")
                t.wait("aa_renamed_guest", 0.5)
            finally:
                docker("rm", "-f", "aa_passing_guest", "aa_renamed_guest", check=False)
            t.wait("row gone", 0.5, lambda s: not s.row(r"[●○*·◌ ] *aa_renamed_guest.*" + re.escape(image[:8])))

    def test_events_tell(self):
        with Terminal(*target()) as t:
            t.wait("nginx-proxy", 1)
            docker("restart", "-t", "0", "huleedu_api_gateway_service")
            t.wait("event of the restart", 0.5,
                   lambda s: s.row(r"restarted\s+huleedu_api_gateway"))


@needs_lab
class Link(unittest.TestCase):
    def test_sshd_killed_and_back(self):
        with Terminal(*target()) as t:
            t.wait("huleedu_nlp_service", 1)
            ctl("sshd", "stop")
            try:
                t.wait("link lost", 6)
                t.wait("the age of what is shown", 6, lambda s: re.search(r"stale|\bold\b", s.text()))
                self.assertIn("huleedu_nlp_service", t.text(), "what was known stays on the screen")
                # Missed meanwhile: must be right after it is back.
                docker("stop", "-t", "0", "huleedu_content_service")
            finally:
                ctl("sshd", "start")
            try:
                t.wait("healed", 5, lambda s: "exited" in rows_of(s, "huleedu_content_service")
                       and not re.search(r"\bstale\b", s.text()))
            finally:
                docker("start", "huleedu_content_service")
            t.wait("collectors go on", 1, lambda s: "running" in rows_of(s, "huleedu_content_service"))

    def test_dead_peer_is_noticed(self):
        with proxy() as (args, say), Terminal(*args) as t:
            t.wait("huleedu_nlp_service", 1)
            t.pump(1)
            say("stall")
            t.wait(r"link lost", 6)
            t.keys("?")
            t.wait("(?i)help", 0.5)
            t.keys("q")
            say("cut")
            say("resume")
            t.wait("healed", 5, lambda s: not re.search(r"(?i)\blost\b|stale|reconnect", s.text()))

    def test_nothing_is_left_on_the_host(self):
        def ours():
            # Other tests' connections are over; what runs as olof is ours.
            return inside("pgrep", "-u", lab.ENV["LAB_USER"], "-a", check=False).strip()
        wait_until(lambda: not ours(), 10, f"nothing of an earlier run: {ours()}")
        for sig in (None, signal.SIGKILL):
            with Terminal(*target()) as t:
                t.wait("huleedu_nlp_service", 1)
                self.assertTrue(ours())
                if sig:
                    t.kill(sig)
                else:
                    t.keys("q")
                    t.wait_exit(1)
            start = time.monotonic()
            wait_until(lambda: not ours(), 5, f"nothing is left on the host: {ours()}")
            print(f"    {time.monotonic() - start:6.2f} s (target 1 s): nothing left on the host")

    def test_runtime_directory_is_cleaned(self):
        with tempfile.TemporaryDirectory() as runtime:
            os.chmod(runtime, 0o700)
            env = {"XDG_RUNTIME_DIR": runtime}
            with Terminal(*target(), env=env) as t:
                t.wait("huleedu_nlp_service", 1)
                self.assertTrue(glob.glob(f"{runtime}/hemma-top/*/*"))
                t.kill()
            self.assertTrue(glob.glob(f"{runtime}/hemma-top/*"), "SIGKILL leaves it")
            with Terminal(*target(), env=env) as t:
                t.wait("huleedu_nlp_service", 1)
                self.assertEqual(len(glob.glob(f"{runtime}/hemma-top/*")), 1, "a start cleans up")
                t.keys("q")
                t.wait_exit(1)
            self.assertEqual(glob.glob(f"{runtime}/hemma-top/*"), [])

    def test_another_process_cannot_use_the_forward(self):
        with tempfile.TemporaryDirectory() as runtime:
            with Terminal(*target(), env={"XDG_RUNTIME_DIR": runtime}) as t:
                t.wait("huleedu_nlp_service", 1)
                sockets = [p for p in glob.glob(f"{runtime}/hemma-top/*/*") if os.path.exists(p)
                           and not os.path.isfile(p)]
                self.assertTrue(sockets)
                for path in sockets:
                    with socket.socket(socket.AF_UNIX) as s:
                        s.settimeout(5)
                        s.connect(path)
                        with contextlib.suppress(BrokenPipeError):
                            s.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                        try:
                            self.assertEqual(s.recv(100), b"", "the socket answered a stranger")
                        except ConnectionResetError:
                            pass
                # Nothing listens on TCP.
                ports = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True).stdout
                self.assertNotIn(f"pid={t.pid},", ports)

    def test_stopped_terminal_delays_no_collector(self):
        with Terminal(*target()) as t:
            t.wait("huleedu_nlp_service", 1)

            def read_so_far():
                with open(f"/proc/{t.pid}/io") as f:
                    return int(re.search(r"rchar: (\d+)", f.read()).group(1))
            # Ten seconds in which nobody reads the terminal, full of frames.
            marks, end = [read_so_far()], time.monotonic() + 10
            while time.monotonic() < end:
                for _ in range(40):
                    t.keys("z")
                    time.sleep(0.05)
                marks.append(read_so_far())
            steps = [b - a for a, b in zip(marks, marks[1:])]
            print(f"    bytes read from the host in each two seconds: {steps}")
            self.assertTrue(all(step > 200 for step in steps), steps)
            docker("stop", "-t", "0", "huleedu_content_service")
            try:
                t.wait("still right afterwards", 0.5,
                       lambda s: "exited" in rows_of(s, "huleedu_content_service"))
            finally:
                docker("start", "huleedu_content_service")


@needs_lab
class BadHosts(unittest.TestCase):
    """Each gives a sentence that names the thing and what to do; the screen lives on."""

    def config(self, text):
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        path = os.path.join(directory, "config")
        with open(path, "w") as f:
            f.write(text + "\nInclude " + lab.ENV["LAB_SSH_CONFIG"] + "\n")
        return path, directory

    def says(self, args, *patterns, code=3):
        result = run("snapshot", *args)
        said = result.stderr + result.stdout
        self.assertEqual(result.returncode, code, said)
        for pattern in patterns:
            self.assertRegex(result.stderr, pattern)
        return result

    def shows(self, args, pattern, *keys):
        with Terminal(*args) as t:
            t.wait(pattern, 2)
            t.keys("?")
            t.wait("(?i)help", 0.5)
            t.keys("q", "q")
            t.wait_exit(1)

    def test_unknown_host(self):
        args = ["no-such-host.invalid"]
        self.says(args, r"no-such-host\.invalid")
        self.shows(args, r"no-such-host\.invalid")

    def test_refused_port(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        path, _ = self.config(f"Host nobody\n HostName 127.0.0.1\n Port {port}\n")
        self.says(["-F", path, "nobody"], rf"127\.0\.0\.1.*{port}", r"refuses")
        self.shows(["-F", path, "nobody"], r"refuses")

    def test_failed_authentication(self):
        _, directory = self.config("")
        subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", f"{directory}/wrong"], check=True)
        path, _ = self.config(f"Host wrongkey\n HostName 127.0.0.1\n Port {lab.ENV['LAB_PORT']}\n User olof\n"
                              f" IdentityFile {directory}/wrong\n IdentitiesOnly yes\n IdentityAgent none\n"
                              f" UserKnownHostsFile {lab.LAB_DIR}/known_hosts\n")
        self.says(["-F", path, "wrongkey"], r"olof", r"127\.0\.0\.1", r"publickey")

    def test_changed_host_key(self):
        _, directory = self.config("")
        subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", f"{directory}/other"], check=True)
        key = open(f"{directory}/other.pub").read().split()
        with open(f"{directory}/hosts", "w") as f:
            f.write(f"# a comment\n[127.0.0.1]:{lab.ENV['LAB_PORT']} {key[0]} {key[1]}\n")
        path, _ = self.config(f"Host changed\n HostName 127.0.0.1\n Port {lab.ENV['LAB_PORT']}\n User olof\n"
                              f" IdentityFile {lab.LAB_DIR}/ssh/id_ed25519\n IdentitiesOnly yes\n"
                              f" UserKnownHostsFile {directory}/hosts\n GlobalKnownHostsFile /dev/null\n")
        result = self.says(["-F", path, "changed"], rf"{directory}/hosts:2\b")
        self.assertGreaterEqual(len(re.findall(r"SHA256:\S+", result.stderr)), 2, result.stderr)
        self.shows(["-F", path, "changed"], r"(?i)host key")

    def test_unknown_host_key_asks(self):
        _, directory = self.config("")
        path, _ = self.config(f"Host fresh\n HostName 127.0.0.1\n Port {lab.ENV['LAB_PORT']}\n User olof\n"
                              f" IdentityFile {lab.LAB_DIR}/ssh/id_ed25519\n IdentitiesOnly yes\n"
                              f" UserKnownHostsFile {directory}/hosts\n GlobalKnownHostsFile /dev/null\n")
        self.says(["-F", path, "fresh"], r"(?i)host key")  # nobody to ask: refused
        with Terminal("-F", path, "fresh") as t:
            t.wait(r"SHA256:", 2)
            t.keys("yes", "enter")
            t.wait("huleedu_nlp_service", 2)
        self.assertIn(lab.ENV["LAB_PORT"], open(f"{directory}/hosts").read())
        with Terminal("-F", path, "fresh") as t:
            t.wait("huleedu_nlp_service", 2)  # known now

    def test_password_before_the_screen_and_after_a_lost_link(self):
        with Terminal(*target("hemma-password")) as t:
            t.wait("Password for", 2)
            t.keys(lab.ENV["LAB_PASSWORD"], "enter")
            t.wait("huleedu_nlp_service", 2)
            self.assertNotIn(lab.ENV["LAB_PASSWORD"].encode(), bytes(t.raw))
            ctl("sshd", "kill")
            t.wait("Password for", 5)
            self.assertIn("huleedu_nlp_service", t.text(), "asked on the screen")
            t.keys(lab.ENV["LAB_PASSWORD"], "enter")
            t.wait("healed", 5, lambda s: not re.search(r"Password for|\blost\b|stale", s.text()))
            self.assertNotIn(lab.ENV["LAB_PASSWORD"].encode(), bytes(t.raw))

    def test_keyboard_interactive(self):
        with Terminal(*target("hemma-keyboard")) as t:
            t.wait("Password", 2)
            t.keys("wrong", "enter")
            t.wait("does not let lena in", 5)
        with Terminal(*target("hemma-keyboard")) as t:
            t.wait("Password", 2)
            t.keys(lab.ENV["LAB_PASSWORD"], "enter")
            t.wait("huleedu_nlp_service", 2)
            self.assertNotIn(lab.ENV["LAB_PASSWORD"].encode(), bytes(t.raw))

    def test_no_permission_for_docker(self):
        result = self.says(target("hemma-nodocker"), r"may not use Docker", r"group docker")
        self.assertEqual(result.returncode, 3)
        with Terminal(*target("hemma-nodocker")) as t:
            t.wait(r"may not use Docker", 2)
            t.wait("the host lives on", 2, lambda s: re.search(r"(?i)load|mem", s.text()))

    def test_no_forwarding_falls_back_to_dial_stdio(self):
        data = json.loads(run("snapshot", *target("hemma-nofwd"), "--json").stdout)
        self.assertGreaterEqual(len(data["containers"]), 12)

    def test_no_docker_at_all(self):
        result = run("snapshot", "local", env={"DOCKER_HOST": "unix:///nonexistent/docker.sock"})
        self.assertEqual(result.returncode, 3)
        self.assertRegex(result.stderr, r"/nonexistent/docker\.sock")

    def test_hostile_names_reach_nobody(self):
        # The engine allows no escapes in names, but in labels and commands.
        image = inspect("huleedu_redis")["Config"]["Image"]
        docker("create", "--name", "aa_hostile", "--label", "com.docker.compose.project=\x1b]0;owned\x07\x1b[2J",
               image, "\x1b[31mred", "\u202eevil")
        try:
            with Terminal(*target()) as t:
                t.wait("aa_hostile", 1)
                t.keys("/", "aa_hostile", "enter", "enter")
                t.pump(1)
                self.assertNotIn(b"\x1b]0;owned", bytes(t.raw))
                self.assertNotIn(b"\x1b[31mred", bytes(t.raw))
                self.assertNotIn("\u202e".encode(), bytes(t.raw))
                self.assertIn("aa_hostile", t.text())
        finally:
            docker("rm", "-f", "aa_hostile")


if __name__ == "__main__":
    unittest.main()
