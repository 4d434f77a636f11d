"""The two checkouts in ~/apps with their compose files and bare remotes, and ~/infrastructure.

The compose files describe the very containers of the table, so that the runbook's commands
("docker compose ... restart", "up -d --build") work on them. The containers themselves come up
through the engine's API, which is several times quicker; they carry the labels compose looks for.
"""
import os
import shutil
import subprocess

import containers

# project -> checkout, remote (or None), the file each part goes to
PROJECTS = {
    "huleedu": ("home/olof/apps/huleedu", "huleedu", "docker-compose.yml", "docker-compose.prod.yml"),
    "skriptoteket": ("home/olof/apps/skriptoteket", "skriptoteket", "compose.prod.yaml", None),
    "infra": ("home/olof/infrastructure", None, "docker-compose.yml", None),
}
DOCKERFILE = """# Programs come from /usr, mounted: there is no image registry in the lab.
FROM hemma/base:latest
LABEL org.opencontainers.image.title="{title}"
COPY VERSION /app/VERSION
"""
COMPOSE_PLUGIN = """#!/bin/sh
# "docker compose" by Debian's docker-compose, as a plugin of the docker command.
if [ "$1" = docker-cli-plugin-metadata ]; then
    echo '{"SchemaVersion":"0.1.0","Vendor":"lab","Version":"1.29.2","ShortDescription":"Docker Compose"}'
    exit
fi
shift
exec docker-compose "$@"
"""


def seconds(nanoseconds):
    return "%ds" % (nanoseconds // 10 ** 9)


def quoted(text):
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")


def service(row):
    """One service in compose's words, and the lines that the production file adds."""
    name, image, where, networks, _, more = row
    body = containers.description(row)
    host = body["HostConfig"]
    lines = ["  %s:" % where.split("/")[1], "    image: " + image, "    container_name: " + name,
             "    command: [%s]" % ", ".join(quoted(word) for word in body["Cmd"])]
    if body["Image"].startswith(("huleedu/", "skriptoteket/")):
        lines += ["    build:", "      context: .", "      args: {SERVICE: %s}" % name]
    if body["User"]:
        lines.append("    user: " + body["User"])
    lines += ["    restart: " + quoted(host["RestartPolicy"]["Name"]), "    stop_grace_period: 5s"]
    if "Memory" in host:
        lines += ["    mem_limit: %d" % host["Memory"], "    memswap_limit: %d" % host["MemorySwap"]]
    if more.get("standin"):
        lines += ["    labels:", '      hemma.lab.standin: "true"']
    lines.append("    volumes:")
    lines += ["      - " + mount for mount in host["Binds"]]
    if host["PortBindings"]:
        lines.append("    ports:")
        for port, (binding,) in host["PortBindings"].items():
            address = binding["HostIp"] + ":" if binding["HostIp"] else ""
            lines.append("      - " + quoted("%s%s:%s" % (address, binding["HostPort"], port)))
    if "port" in more:
        lines.append("    expose: [%s]" % quoted(str(more["port"])))
    if "ExtraHosts" in host:
        lines.append("    extra_hosts: [%s]" % ", ".join(map(quoted, host["ExtraHosts"])))
    if "Healthcheck" in body:
        check = body["Healthcheck"]
        lines += ["    healthcheck:",
                  "      test: [%s]" % ", ".join(quoted(word) for word in check["Test"]),
                  "      interval: " + seconds(check["Interval"]),
                  "      timeout: " + seconds(check["Timeout"]),
                  "      retries: %d" % check["Retries"],
                  "      start_period: " + seconds(check["StartPeriod"])]
    lines.append("    networks: [%s]" % ", ".join(networks.split()))
    production = ["  %s:" % where.split("/")[1], "    environment:"]
    for item in body["Env"]:
        key, _, value = item.partition("=")
        # Secrets stay in .env, as in any such checkout.
        production.append("      %s: %s" % (key, "${%s}" % key if key in containers.SECRETS
                                            else quoted(value)))
    return lines, production


def compose(project):
    rows = [row for row in containers.TABLE if row[2].startswith(project + "/")]
    base, production = [], []
    for row in rows:
        one, more = service(row)
        base += one
        production += more
    foot = ["networks:"]
    for network in sorted({name for row in rows for name in row[3].split()}):
        foot += ["  %s:" % network, "    external: true"]
    volumes = [row[5]["volume"].split(":")[0] for row in rows if "volume" in row[5]]
    if volumes:
        foot.append("volumes:")
        for volume in volumes:
            foot += ["  %s:" % volume, "    external: true"]
    return base, production, foot


def text(lines, foot=()):
    return "\n".join(['version: "2.4"', "services:"] + lines + list(foot)) + "\n"


def git(folder, *words):
    who = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "HOME": "/nonexistent",
           "PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    for role in ("AUTHOR", "COMMITTER"):
        who.update({"GIT_%s_NAME" % role: "Olof", "GIT_%s_EMAIL" % role: "olof@hule.education",
                    "GIT_%s_DATE" % role: "2025-12-30T12:00:00+0100"})
    subprocess.run(["git", "-C", folder, "-c", "safe.directory=*", *words], check=True, env=who,
                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def prepare(lab, uid):
    shutil.rmtree(lab.path("git"), ignore_errors=True)
    os.makedirs(lab.path("git"))
    lab.write("local/lib/docker/cli-plugins/docker-compose", COMPOSE_PLUGIN, 0o755)
    for project, (folder, remote, first, second) in PROJECTS.items():
        base, production, foot = compose(project)
        if second:
            lab.write(os.path.join(folder, first), text(base, foot))
            lab.write(os.path.join(folder, second), text(production))
        else:
            merged = []
            for row in containers.TABLE:
                if row[2].startswith(project + "/"):
                    one, more = service(row)
                    merged += one + more[1:]
            lab.write(os.path.join(folder, first), text(merged, foot))
        lab.write(os.path.join(folder, "VERSION"), "1.4.0\n")
        lab.write(os.path.join(folder, ".gitignore"), ".env\n")
        lab.write(os.path.join(folder, ".dockerignore"), "*\n!VERSION\n")
        lab.write(os.path.join(folder, "README.md"), "# %s\n\nA checkout of the lab.\n" % project)
        lab.write(os.path.join(folder, "Dockerfile"), DOCKERFILE.format(title=project))
        values = dict(containers.SECRETS, COMPOSE_PROJECT_NAME=project)
        lab.write(os.path.join(folder, ".env"),
                  "".join("%s=%s\n" % item for item in values.items()), 0o600)
        if remote:
            history(lab, folder, remote)
        own(lab.path(folder), uid)
    own(lab.path("git"), uid)


def history(lab, folder, remote):
    where, bare = lab.path(folder), lab.path("git", remote + ".git")
    git(where, "init", "-q", "-b", "main")
    git(where, "add", "README.md", ".gitignore")
    git(where, "commit", "-q", "-m", "Start")
    git(where, "add", ".")
    git(where, "commit", "-q", "-m", "Compose files for production")
    git(where, "clone", "-q", "--bare", where, bare)
    # Inside, the remotes are at /srv/git; both paths never meet.
    git(where, "remote", "add", "origin", bare)
    git(where, "fetch", "-q")
    git(where, "branch", "-q", "--set-upstream-to=origin/main")
    git(where, "remote", "set-url", "origin", "/srv/git/%s.git" % remote)
    git(bare, "remote", "remove", "origin")


def own(top, uid):
    for folder, _, files in os.walk(top):
        os.chown(folder, uid, uid)
        for name in files:
            os.chown(os.path.join(folder, name), uid, uid)


def hashes(lab):
    """compose's own hash of each service: with it in a label, compose sees no change."""
    found = {}
    running = {}
    for project, (folder, _, first, second) in PROJECTS.items():
        files = [word for name in (first, second) if name for word in ("-f", name)]
        running[project] = subprocess.Popen(
            [lab.path("exec"), "sh", "-c", 'cd "$0" && exec docker-compose "$@" config --hash="*"',
             "/" + folder, "-p", project] + files,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for project, process in running.items():
        out, error = process.communicate(timeout=60)
        if process.returncode:
            raise containers.common.Failure("docker-compose config, %s: %s"
                                            % (project, error.decode()))
        for line in out.decode().splitlines():
            name, value = line.split()
            found["%s/%s" % (project, name)] = value
    return found
