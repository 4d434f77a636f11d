"""Take a lab down and look whether anything of it is left."""
import glob
import os
import shutil
import socket
import time

import lab as common


def take_down(lab):
    """End and remove everything; a list of what is left (empty when all is well)."""
    # The init first: the kernel then ends all of its PID namespace. Whatever entered the lab
    # in another way, or a part of an up that failed, is in the lab's cgroups.
    end = time.monotonic() + 15
    while True:
        init = lab.init_pid()
        for pid in [init] if init else lab.processes():
            common.kill(pid)
        if not lab.processes() and not dwellers(lab):
            break
        if time.monotonic() > end:
            break
        if not lab.processes():
            for pid in dwellers(lab):
                common.kill(pid)
        time.sleep(0.02)
    left = []
    while time.monotonic() < end:
        left = lab.remove_cgroups()
        if not left:
            break
        time.sleep(0.05)
    remove_files(lab)
    return left_over(lab)


def dwellers(lab):
    """Processes that are in one of the lab's namespaces without being in its cgroups."""
    wanted = set(lab.read("namespaces").split())
    if not wanted:
        return []
    # A namespace's number may be given out again: ours can never be the lab's.
    wanted -= {os.readlink("/proc/self/ns/" + kind)
               for kind in ("mnt", "net", "pid", "uts", "ipc", "cgroup")}
    found = []
    for folder in glob.glob("/proc/[0-9]*"):
        for kind in ("mnt", "net", "pid"):
            try:
                if os.readlink("%s/ns/%s" % (folder, kind)) in wanted:
                    found.append(int(folder[6:]))
                    break
            except OSError:
                pass
    return found


def remove_files(lab):
    """All but the keys, the ports and the logs, which the next up or a reader may want."""
    end = time.monotonic() + 10
    for name in ("docker", "home", "root", "flags", "local", "run", "etc", "nginx", "git"):
        # The last mounts of the dead namespace may take a moment to go.
        while os.path.lexists(lab.path(name)):
            shutil.rmtree(lab.path(name), ignore_errors=True)
            if time.monotonic() > end:
                break
            if os.path.lexists(lab.path(name)):
                time.sleep(0.1)
    for name in ("complete", "docker.sock", "ctl.sock", "pid", "env", "exec", "ssh_config", "dockerd.args",
                 "services.json", "inside.sh", "inside.py", "service.py"):
        try:
            os.unlink(lab.path(name))
        except OSError:
            pass


def left_over(lab):
    left = ["process %d (%s)" % (pid, name_of(pid)) for pid in sorted(lab.processes())]
    left += ["cgroup " + group for group in lab.cgroup_dirs() if os.path.exists(group)]
    left += ["process %d (%s) in a namespace of the lab" % (pid, name_of(pid))
             for pid in dwellers(lab)]
    with open("/proc/self/mountinfo") as mounts:
        left += ["mount " + line.split()[4] for line in mounts
                 if (line.split()[4] + "/").startswith(lab.dir + "/")]
    for name in ("docker", "home", "root"):
        if os.path.lexists(lab.path(name)):
            left.append("folder " + lab.path(name))
    for item in lab.read("ports").split():
        with socket.socket() as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                door.bind(("127.0.0.1", int(item.split("=")[1])))
            except OSError:
                left.append("port " + item)
    # Bridges, interfaces and firewall rules live and die with the network namespace, of which
    # nobody holds on to when no process and no mount is left; look all the same.
    for name in os.listdir("/run/docker/netns") if os.path.isdir("/run/docker/netns") else []:
        if os.path.realpath("/run/docker/netns/" + name) in lab.read("namespaces").split():
            left.append("network namespace " + name)
    if not left:
        try:
            os.unlink(lab.path("namespaces"))
        except OSError:
            pass
    return left


def name_of(pid):
    try:
        with open("/proc/%d/comm" % pid) as comm:
            return comm.read().strip()
    except OSError:
        return "gone"
