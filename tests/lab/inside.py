"""The lab's init: process 1 inside its namespaces.

It hands connections to sshd, starts the Docker engine and the host's own services, answers for
the name server, reaps children, and takes orders on a Unix socket (tests/lab/ctl). When it ends,
the kernel ends everything else in the lab.
"""
import ctypes
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import time

ADDRESS = "192.168.50.10"  # of eth0, see inside.sh
LAB = "/srv/lab"
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def say(text):
    print("%s %s" % (time.strftime("%H:%M:%S"), text), flush=True)


def setns(fd):
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Init:
    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.outer = int(os.environ.pop("LAB_OUTER_NET"))
        self.inner = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        os.set_inheritable(self.outer, False)
        self.ports = {}      # name -> port, kept while the door is closed
        self.doors = {}      # name -> listening socket
        for item in os.environ.pop("LAB_LISTEN").split():
            name, fd = item.split("=")
            door = socket.socket(fileno=int(fd))
            door.set_inheritable(False)
            self.ports[name] = door.getsockname()[1]
            self.open_door(name, door)
        self.engine = None
        self.services = {}

    # --- sshd: one process a connection, "inetd" style, so it needs no listener of its own

    def open_door(self, name, door=None):
        if door is None:
            setns(self.outer)  # the port is outside; the sessions are inside
            try:
                door = socket.socket()
                door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                door.bind(("127.0.0.1", self.ports[name]))
                door.listen(128)
            finally:
                setns(self.inner)
        door.setblocking(False)
        self.doors[name] = door
        self.selector.register(door, selectors.EVENT_READ, lambda: self.accept(name))

    def accept(self, name):
        try:
            link, _ = self.doors[name].accept()
        except OSError:
            return
        with link:
            link.setblocking(True)
            subprocess.Popen(
                ["/usr/sbin/sshd", "-i", "-f", "/etc/ssh/sshd_lab_" + name, "-E", LAB + "/sshd.log"],
                stdin=link, stdout=link, stderr=subprocess.DEVNULL, start_new_session=True)

    def close_doors(self):
        for door in self.doors.values():
            self.selector.unregister(door)
            # Not only close: the waiting "unshare" outside has inherited this socket.
            door.shutdown(socket.SHUT_RDWR)
            door.close()
        self.doors.clear()

    def kill_sessions(self):
        """The server's side of every connection, not what the sessions run: so a link dies."""
        count = 0
        for pid in processes():
            try:
                with open("/proc/%d/comm" % pid) as comm:
                    if comm.read().strip() == "sshd" and own_namespace(pid):
                        os.kill(pid, signal.SIGKILL)
                        count += 1
            except OSError:
                pass
        return count

    # --- the engine and the host's own services

    def start_engine(self):
        if self.engine and self.engine.poll() is None:
            return
        for name in ("docker.pid", "docker/containerd/containerd.pid"):
            try:
                os.unlink("/run/" + name)
            except FileNotFoundError:
                pass
        with open(LAB + "/dockerd.args") as source, open(LAB + "/dockerd.log", "a") as log:
            self.engine = subprocess.Popen(
                ["/usr/sbin/dockerd"] + source.read().split(), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start_services(self):
        with open(LAB + "/services.json") as source:
            for service in json.load(source):
                with open(LAB + "/services.log", "a") as log:
                    self.services[service["name"]] = subprocess.Popen(
                        service["command"], env=dict(os.environ, **service["env"]),
                        stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    # --- names: /etc/hosts for the containers, too, and a quick "no" for any other name. There
    # is no way out of here, and a resolver that asks in vain waits for seconds.

    def start_names(self):
        self.names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.names.setblocking(False)
        self.names.bind((ADDRESS, 53))
        self.selector.register(self.names, selectors.EVENT_READ, self.answer_name)

    def answer_name(self):
        try:
            question, sender = self.names.recvfrom(1500)
        except OSError:
            return
        at, labels = 12, []
        while at < len(question) and question[at]:
            labels.append(question[at + 1:at + 1 + question[at]])
            at += 1 + question[at]
        if len(question) < at + 5:
            return
        kind = struct.unpack_from(">H", question, at + 1)[0]
        with open("/etc/hosts", "rb") as source:
            known = b".".join(labels).lower() in source.read().split()
        data = b""
        if known and kind == 1:  # A; other kinds of a known name are empty, not missing
            data = struct.pack(">HHHIH", 0xc00c, 1, 1, 5, 4) + socket.inet_aton(ADDRESS)
        header = question[:2] + struct.pack(">HHHHH", 0x8580 | (0 if known else 3), 1, bool(data), 0, 0)
        try:
            self.names.sendto(header + question[12:at + 5] + data, sender)
        except OSError:
            pass

    # --- orders

    def command(self, words):
        if words == ["ping"]:
            return {"ok": True}
        if words == ["sshd", "kill"]:
            return {"ok": True, "killed": self.kill_sessions()}
        if words == ["sshd", "stop"]:
            self.close_doors()
            return {"ok": True, "killed": self.kill_sessions()}
        if words == ["sshd", "start"]:
            for name in self.ports:
                if name not in self.doors:
                    self.open_door(name)
            return {"ok": True}
        if words == ["engine", "stop"]:
            if self.engine.poll() is None:
                self.engine.terminate()
            return {"ok": True}
        if words == ["engine", "kill"]:
            if self.engine.poll() is None:
                self.engine.kill()
            return {"ok": True}
        if words == ["engine", "start"]:
            self.start_engine()
            return {"ok": True}
        if words == ["status"]:
            return {"ok": True, "ports": self.ports, "accepting": sorted(self.doors),
                    "engine": self.engine.poll() is None,
                    "services": {name: one.poll() is None for name, one in self.services.items()}}
        return {"error": "unknown order: %s" % " ".join(map(str, words))}

    def order(self, server):
        link, _ = server.accept()
        with link:
            link.settimeout(2)
            try:
                data = b""
                while not data.endswith(b"\n") and len(data) < 65536:
                    part = link.recv(4096)
                    if not part:
                        return
                    data += part
                try:
                    answer = self.command(json.loads(data))
                except Exception as error:  # an order must never end the lab
                    answer = {"error": "%s: %s" % (type(error).__name__, error)}
                link.sendall(json.dumps(answer).encode() + b"\n")
            except OSError as error:
                say("control: %s" % error)

    def reap(self, wakeup):
        try:
            while wakeup.recv(4096):
                pass
        except BlockingIOError:
            pass
        for child in [self.engine] + list(self.services.values()):
            if child and child.returncode is None and child.poll() is not None:
                say("%s ended: %s" % (child.args[0], child.returncode))
        while True:  # what was left to us: orphans, sshd's
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return

    def run(self):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        self.selector.register(ours, selectors.EVENT_READ, lambda: self.reap(ours))
        self.start_names()
        self.start_engine()
        self.start_services()
        path = LAB + "/ctl.sock"
        if os.path.exists(path):
            os.unlink(path)
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        os.chmod(path, 0o600)
        server.listen(16)
        self.selector.register(server, selectors.EVENT_READ, lambda: self.order(server))
        say("ready")
        while True:
            for key, _ in self.selector.select():
                # An earlier order of this round may have closed this door.
                if key.fileobj.fileno() >= 0:
                    key.data()


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def own_namespace(pid):
    """False for an sshd that runs in a container."""
    return os.readlink("/proc/%d/ns/mnt" % pid) == os.readlink("/proc/self/ns/mnt")


if __name__ == "__main__":
    Init().run()
