"""The lab's delaying proxy before its sshd: a slow, dead or cut link."""
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile

import lab
from terminal import ROOT


@contextlib.contextmanager
def proxy(rtt=0):
    """The lab's delaying proxy before its sshd; yields (arguments for hemma-top, control function)."""
    directory = tempfile.mkdtemp()
    port_file, control = f"{directory}/port", f"{directory}/control"
    process = subprocess.Popen([os.path.join(ROOT, "tests/lab/proxy"), "--listen", "127.0.0.1:0",
                                "--to", f"127.0.0.1:{lab.ENV['LAB_PORT']}", "--rtt", str(rtt),
                                "--control", control, "--port-file", port_file],
                               stdout=subprocess.DEVNULL)
    try:
        port = lab.wait_until(lambda: os.path.exists(port_file) and open(port_file).read().strip(), 10,
                          "the proxy listens")
        for name in ("ssh_config", "known_hosts"):
            text = open(os.path.join(lab.LAB_DIR, name)).read()
            text = text.replace(lab.ENV["LAB_PORT"], port)
            text = text.replace(f"{lab.LAB_DIR}/known_hosts", f"{directory}/known_hosts")
            with open(f"{directory}/{name}", "w") as f:
                f.write(text)

        def say(command):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(control)
                s.sendall(command.encode() + b"\n")
                s.shutdown(socket.SHUT_WR)
                return s.recv(1000)

        yield ["-F", f"{directory}/ssh_config", "hemma"], say
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(directory)
