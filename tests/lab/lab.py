"""What up, down and ctl share: paths, cgroups, the engine's API, waiting."""
import glob
import hashlib
import http.client
import json
import os
import re
import signal
import socket
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))


class Failure(Exception):
    """Something a user can act on; printed without a traceback."""


class Lab:
    """One lab is one directory; everything else is named after it."""

    def __init__(self, directory=None):
        directory = directory or os.environ.get("LAB_DIR") or os.path.join(PROJECT, "build/lab")
        self.dir = os.path.realpath(directory)
        # $LAB_EXEC is used unquoted and the path goes into config files.
        if not re.fullmatch(r"[A-Za-z0-9_./+-]+", self.dir):
            raise Failure("the lab's directory may not have blanks or special characters: %s"
                          % self.dir)
        if len(self.dir) > 80:
            raise Failure("the lab's directory is too long for a Unix socket in it: %s" % self.dir)
        self.id = hashlib.sha1(self.dir.encode()).hexdigest()[:8]
        self.cgroup = "hemma-lab-" + self.id

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as out:
            out.write(text)
        os.chmod(path, mode)

    def read(self, name, default=""):
        try:
            with open(self.path(name)) as source:
                return source.read()
        except OSError:
            return default

    # --- cgroups: every process of the lab is below one group in each hierarchy, so that
    # "down" finds all of them even when a pid file is stale or was never written.

    @staticmethod
    def hierarchies():
        """The cgroup mounts of this machine: [(mount point, is version 2)]."""
        found, seen = [], set()
        with open("/proc/self/mountinfo") as mounts:
            for line in mounts:
                fields, _, rest = line.partition(" - ")
                kind = rest.split()[0]
                device, point = fields.split()[2], fields.split()[4]
                if kind in ("cgroup", "cgroup2") and device not in seen:
                    seen.add(device)
                    found.append((point, kind == "cgroup2"))
        # A version 2 tree without controllers beside version 1 (the "hybrid" layout) is unused.
        if any(not v2 for _, v2 in found):
            found = [(point, v2) for point, v2 in found if not v2]
        return found

    def cgroup_dirs(self):
        return [os.path.join(point, self.cgroup) for point, _ in self.hierarchies()]

    def make_cgroups(self):
        points = self.hierarchies()
        if not points:
            raise Failure("no cgroup hierarchy is mounted; Docker needs one")
        for point, _ in points:
            group = os.path.join(point, self.cgroup)
            os.makedirs(group, exist_ok=True)
            # A new cpuset has no CPUs and takes no process until it gets some.
            for name in ("cpuset.cpus", "cpuset.mems"):
                parent, own = os.path.join(point, name), os.path.join(group, name)
                if os.path.exists(parent) and os.path.exists(own):
                    with open(parent) as source, open(own, "w") as out:
                        out.write(source.read())

    def enter_cgroups(self):
        for group in self.cgroup_dirs():
            with open(os.path.join(group, "cgroup.procs"), "w") as out:
                out.write("0")

    def entrances(self):
        """The groups a process may enter: in version 2 only a leaf takes any."""
        return [os.path.join(point, self.cgroup, "init.scope") if v2
                else os.path.join(point, self.cgroup) for point, v2 in self.hierarchies()]

    def processes(self):
        pids = set()
        for group in self.cgroup_dirs():
            for folder, _, _ in os.walk(group):
                try:
                    with open(os.path.join(folder, "cgroup.procs")) as source:
                        pids.update(int(line) for line in source)
                except OSError:
                    pass
        pids.discard(0)
        return pids

    def remove_cgroups(self):
        for group in self.cgroup_dirs():
            for folder, _, _ in os.walk(group, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass
        return [group for group in self.cgroup_dirs() if os.path.exists(group)]

    def init_pid(self):
        """The lab's init as this PID namespace numbers it, or None."""
        for pid in sorted(self.processes()):
            try:
                with open("/proc/%d/status" % pid) as status:
                    numbers = re.search(r"^NSpid:\s*(.*)$", status.read(), re.M).group(1).split()
                with open("/proc/%d/cmdline" % pid) as source:
                    command = source.read()
            except (OSError, AttributeError):
                continue
            # Two numbers and 1 inside: the init, not a container's first process.
            own_depth = len(nspid_of(os.getpid()))
            if len(numbers) == own_depth + 1 and numbers[-1] == "1" and "inside" in command:
                return pid
        return None

    # --- talking to what runs in the lab

    def engine(self, method, path, body=None, timeout=30, raw=None, ok=(200, 201, 204, 304)):
        """One request to the Docker engine; the decoded answer."""
        connection = UnixHTTP(self.path("docker.sock"), timeout)
        headers = {}
        data = raw
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body), "application/json"
        elif raw is not None:
            headers["Content-Type"] = "application/x-tar"
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        finally:
            connection.close()
        if answer.status not in ok:
            raise Failure("docker: %s %s: %d %s" % (method, path, answer.status, text.strip()))
        try:
            return json.loads(text)
        except ValueError:
            return text

    def control(self, *words, timeout=20):
        """One request to the lab's init; its decoded answer."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(timeout)
            link.connect(self.path("ctl.sock"))
            link.sendall(json.dumps(words).encode() + b"\n")
            data = b""
            while not data.endswith(b"\n"):
                part = link.recv(65536)
                if not part:
                    raise Failure("the lab's init closed the control connection")
                data += part
        answer = json.loads(data)
        if "error" in answer:
            raise Failure(answer["error"])
        return answer


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("docker", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def nspid_of(pid):
    with open("/proc/%d/status" % pid) as status:
        return re.search(r"^NSpid:\s*(.*)$", status.read(), re.M).group(1).split()


def wait_for(what, test, seconds, pause=0.05):
    """Call test until it is true; its value. Never a fixed sleep, always a deadline."""
    end = time.monotonic() + seconds
    last = None
    while True:
        try:
            value = test()
            if value:
                return value
            last = None
        except (OSError, Failure, http.client.HTTPException) as error:
            last = error
        if time.monotonic() > end:
            raise Failure("waited %d s for %s%s" % (seconds, what, ": %s" % last if last else ""))
        time.sleep(pause)


def tail(path, lines=15):
    try:
        with open(path, errors="replace") as source:
            return "".join(source.readlines()[-lines:])
    except OSError:
        return ""


def show_logs(lab, lines=15, out=sys.stderr):
    for path in sorted(glob.glob(lab.path("*.log"))):
        text = tail(path, lines)
        if text:
            print("--- %s" % path, file=out)
            print(text, end="", file=out)


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
