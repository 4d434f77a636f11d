"""The lab as the tests use it: its addresses, its controls, and commands inside it."""
import json
import os
import shlex
import subprocess
import time
import unittest

from terminal import ROOT, BUILD

LAB_DIR = os.environ.get("LAB_DIR", os.path.join(BUILD, "lab"))
if not os.path.isabs(LAB_DIR):
    LAB_DIR = os.path.join(ROOT, LAB_DIR)
REQUIRED = os.environ.get("HEMMA_LAB") == "required"


def load():
    """The assignments of the lab's env file; {} when it is not up."""
    try:
        with open(os.path.join(LAB_DIR, "env")) as f:
            lines = [line.strip() for line in f if "=" in line]
    except OSError:
        return {}
    return {k: shlex.split(v)[0] for k, v in (line.split("=", 1) for line in lines)}


ENV = load()


def needs_lab(test):
    """Without a lab the test is skipped with a reason; with HEMMA_LAB=required it fails."""
    if ENV or REQUIRED:
        return test
    return unittest.skip("the lab is not up (make lab; needs root and Docker)")(test)


def inside(*args, check=True, **kwargs):
    """Runs a command inside the lab's namespaces."""
    result = subprocess.run([*shlex.split(ENV["LAB_EXEC"]), *args], capture_output=True, text=True,
                            timeout=60, **kwargs)
    if check and result.returncode != 0:
        raise AssertionError(f"{args} in the lab: {result.returncode}: {result.stderr}")
    return result.stdout


def ctl(*args):
    subprocess.run([os.path.join(ROOT, "tests/lab/ctl"), *args], check=True, timeout=120,
                   env=dict(os.environ, LAB_DIR=LAB_DIR), capture_output=True)


def docker(*args, check=True):
    return inside("docker", *args, check=check)


def inspect(name):
    return json.loads(docker("inspect", name))[0]


def target(name="hemma"):
    """The arguments that lead hemma-top to a host of the lab's ssh_config."""
    return ["-F", ENV["LAB_SSH_CONFIG"], name]


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"after {seconds} s still not: {what}")
