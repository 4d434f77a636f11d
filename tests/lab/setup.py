"""Everything a lab needs on disk before it starts: keys, users, configs, homes."""
import os
import shutil
import subprocess

import containers
import repos

PASSWORD = "hemma-lab"
USERS = [  # name, uid, in group docker, password: what each is for is in README.md
    ("olof", 1000, True, ""),
    ("lena", 1001, True, PASSWORD),
    ("gast", 1002, False, ""),
    ("nofwd", 1003, True, ""),
]
# ssh_config alias -> user, port, how it logs in
ALIASES = [
    ("hemma", "olof", "main", "publickey"),
    ("hemma-root", "root", "main", "publickey"),
    ("hemma-password", "lena", "main", "password"),
    ("hemma-keyboard", "lena", "pam", "keyboard-interactive"),
    ("hemma-nodocker", "gast", "main", "publickey"),
    ("hemma-nofwd", "nofwd", "main", "publickey"),
]


def run(*command, **more):
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **more).stdout.decode()


def keys(lab):
    """Kept from one up to the next, so that known_hosts stays right."""
    os.makedirs(lab.path("keys"), exist_ok=True)
    os.makedirs(lab.path("ssh"), exist_ok=True)
    wanted = [("keys/host_ed25519", "ed25519"), ("keys/host_rsa", "rsa"), ("ssh/id_ed25519", "ed25519")]
    for name, kind in wanted:
        if not os.path.exists(lab.path(name + ".pub")):
            run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "hemma-lab", "-f", lab.path(name))
    if not os.path.exists(lab.path("tls/server.crt")):
        tls(lab)


def tls(lab):
    """A certificate authority of the lab (its key is not kept) and nginx-proxy's certificate."""
    os.makedirs(lab.path("tls"), exist_ok=True)
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
           "-nodes", "-days", "3650"]
    ca_key, ca = lab.path("tls/ca.key"), lab.path("tls/ca.crt")
    run(*new, "-subj", "/CN=hemma lab CA", "-keyout", ca_key, "-out", ca)
    names = ",".join("DNS:" + name for name in ["hemma.hule.education", *containers.DOMAINS])
    lab.write("tls/ext", "subjectAltName=%s\nbasicConstraints=CA:FALSE\n" % names)
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-subj", "/CN=hemma.hule.education", "-keyout", lab.path("tls/server.key"),
        "-out", lab.path("tls/csr"))
    # 60 days: what a certificate of Let's Encrypt has left soon after its renewal.
    run("openssl", "x509", "-req", "-in", lab.path("tls/csr"), "-CA", ca, "-CAkey", ca_key,
        "-set_serial", "1", "-days", "60", "-extfile", lab.path("tls/ext"),
        "-out", lab.path("tls/server.crt"))
    for name in ("tls/ca.key", "tls/csr", "tls/ext"):
        os.unlink(lab.path(name))


def etc(lab):
    """What replaces or joins the machine's /etc inside."""
    shutil.rmtree(lab.path("etc"), ignore_errors=True)
    passwd, group, shadow = [], [], []
    with open("/etc/passwd") as source:
        for line in source:
            fields = line.strip().split(":")
            if len(fields) == 7 and (int(fields[2]) < 1000 or fields[0] == "nobody"):
                if fields[0] == "root":
                    fields[5:] = ["/root", "/bin/bash"]
                passwd.append(":".join(fields))
                shadow.append("%s:*:19000:0:99999:7:::" % fields[0])
    members = ",".join(name for name, _, docker, _ in USERS if docker)
    with open("/etc/group") as source:
        for line in source:
            fields = line.strip().split(":")
            if len(fields) == 4 and (int(fields[2]) < 1000 or fields[0] == "nogroup"):
                fields[3] = members if fields[0] == "docker" else fields[3]
                group.append(":".join(fields))
    if not any(line.startswith("docker:") for line in group):
        group.append("docker:x:998:" + members)
    for name, uid, _, password in USERS:
        passwd.append("%s:x:%d:%d::/home/%s:/bin/bash" % (name, uid, uid, name))
        group.append("%s:x:%d:" % (name, uid))
        # "*" is no password but not "locked": sshd refuses locked users even with a key.
        crypted = run("openssl", "passwd", "-6", password).strip() if password else "*"
        shadow.append("%s:%s:19000:0:99999:7:::" % (name, crypted))
    lab.write("etc/passwd", "\n".join(passwd) + "\n")
    lab.write("etc/group", "\n".join(group) + "\n")
    lab.write("etc/shadow", "\n".join(shadow) + "\n", 0o600)
    lab.write("etc/hostname", "hemma\n")
    lab.write("etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.1.1 hemma\n"
              "192.168.50.10 hemma.hule.education %s\n" % " ".join(containers.DOMAINS))
    # The lab's own (inside.py), which knows no name outside; Docker hands it to containers.
    lab.write("etc/resolv.conf", "nameserver 192.168.50.10\noptions timeout:1 attempts:1\n")
    lab.write("etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
              "services: files\nprotocols: files\n")
    lab.write("etc/bash.bashrc", "")
    lab.write("etc/profile", "PATH=/usr/local/bin:/usr/bin:/bin\nexport PATH\n")
    lab.write("etc/pam.d/sshd", "auth required pam_unix.so\naccount required pam_unix.so\n"
              "session required pam_unix.so\n")
    with open(lab.path("ssh/id_ed25519.pub")) as source:
        public = source.read()
    for name in ["root"] + [user[0] for user in USERS]:
        # lena has a key too: only her aliases insist on the password.
        lab.write("etc/ssh/authorized/" + name, public)
    sshd(lab)


def sshd(lab):
    common = """# Written by the lab.
HostKey /srv/lab/keys/host_ed25519
HostKey /srv/lab/keys/host_rsa
AuthorizedKeysFile /etc/ssh/authorized/%u
PidFile none
PermitRootLogin prohibit-password
PubkeyAuthentication yes
PasswordAuthentication no
AllowTcpForwarding yes
AllowStreamLocalForwarding yes
UseDNS no
PrintMotd no
PrintLastLog no
LogLevel VERBOSE
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
"""
    match = """Match User nofwd
    AllowTcpForwarding no
    AllowStreamLocalForwarding no
"""
    lab.write("etc/ssh/sshd_lab_main", common + "UsePAM no\nKbdInteractiveAuthentication no\n" +
              match + "Match User lena\n    PasswordAuthentication yes\n")
    # Without PAM sshd has no keyboard-interactive to offer, hence the second port.
    lab.write("etc/ssh/sshd_lab_pam", common + "UsePAM yes\nKbdInteractiveAuthentication yes\n" + match)


def client(lab, ports):
    """What a user of the lab reads: ssh_config, known_hosts, env, exec."""
    known, config = [], ["# Written by tests/lab/up."]
    for port in ports.values():
        for kind in ("ed25519", "rsa"):
            with open(lab.path("keys/host_%s.pub" % kind)) as source:
                known.append("[127.0.0.1]:%d %s" % (port, " ".join(source.read().split()[:2])))
    lab.write("known_hosts", "\n".join(known) + "\n")
    for alias, user, door, method in ALIASES:
        config.append("""Host %s
    HostName 127.0.0.1
    Port %d
    User %s
    UserKnownHostsFile %s
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    IdentitiesOnly yes
    IdentityAgent none
    PreferredAuthentications %s""" % (alias, ports[door], user, lab.path("known_hosts"), method))
        if method == "publickey":
            config.append("    IdentityFile %s" % lab.path("ssh/id_ed25519"))
        else:
            config.append("    PubkeyAuthentication no\n    NumberOfPasswordPrompts 1")
    lab.write("ssh_config", "\n".join(config) + "\n")
    lab.write("password", PASSWORD + "\n", 0o600)
    values = {
        "LAB_DIR": lab.dir, "LAB_TARGET": "hemma", "LAB_SSH_CONFIG": lab.path("ssh_config"),
        "LAB_DOCKER_HOST": "unix://" + lab.path("docker.sock"), "LAB_EXEC": lab.path("exec"),
        "LAB_PORT": ports["main"], "LAB_PASSWORD": PASSWORD, "LAB_USER": "olof",
    }
    lab.write("env", "".join("%s='%s'\nexport %s\n" % (name, value, name)
                             for name, value in values.items()))
    lab.write("exec", """#!/bin/sh
# Runs a command inside the lab, as root or as $LAB_EXEC_USER, in the same folder if it exists.
set -eu
for group in %s; do # its cgroup, so that it is seen and ends as a process of the lab
    echo $$ >$group/cgroup.procs
done
user=${LAB_EXEC_USER:-root}
home=/root
[ "$user" = root ] || home=/home/$user
pid=$(cat '%s')
exec nsenter -t "$pid" -m -n -p -u -i -C env -i HOME="$home" USER="$user" LOGNAME="$user" \\
    SHELL=/bin/bash LANG=C.UTF-8 TERM="${TERM:-dumb}" \\
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
    setpriv --reuid "$user" --regid "$user" --init-groups \\
    sh -c 'cd "$1" 2>/dev/null || cd; shift; exec "$@"' sh "$PWD" "$@"
""" % (" ".join(lab.entrances()), lab.path("pid")), 0o755)


def homes(lab):
    for name in ("home", "root", "flags", "local", "run"):
        shutil.rmtree(lab.path(name), ignore_errors=True)
        os.makedirs(lab.path(name))
    os.chmod(lab.path("root"), 0o700)
    for name, uid, _, _ in USERS:
        home = lab.path("home", name)
        for folder in ("", "apps", "apps/skriptoteket", "apps/huleedu", "backups", "infrastructure"):
            if folder and name != "olof":
                continue
            os.makedirs(os.path.join(home, folder), exist_ok=True)
            os.chown(os.path.join(home, folder), uid, uid)
        os.chmod(home, 0o750)
        for rc in (".bashrc", ".profile"):
            open(os.path.join(home, rc), "w").close()
            os.chown(os.path.join(home, rc), uid, uid)


def nginx(lab):
    servers = []
    for domain, upstream in containers.DOMAINS.items():
        # A variable makes nginx ask the engine's resolver at each request, so that a missing
        # container is a 502 and not a refusal to start.
        servers.append("""    server {
        listen 80;
        listen 443 ssl;
        server_name %s;
        location / { set $to %s; proxy_pass http://$to; proxy_set_header Host $host; }
    }
""" % (domain, upstream))
    lab.write("nginx/nginx.conf", """worker_processes 1;
user root;
pid /run/nginx.pid;
error_log /dev/stderr warn;
events { worker_connections 512; }
http {
    access_log /dev/stdout;
    resolver 127.0.0.11 valid=2s ipv6=off;
    ssl_certificate /etc/certs/server.crt;
    ssl_certificate_key /etc/certs/server.key;
    proxy_connect_timeout 2s;
%s    server {
        listen 80 default_server;
        listen 443 ssl default_server;
        location / { return 503; }
    }
}
""" % "".join(servers))


def services(lab):
    """The host's own services. Both are stand-ins: there is no GPU here."""
    import json
    program = ["/usr/bin/python3", "-B", "/srv/lab/service.py"]
    lab.write("services.json", json.dumps([
        {"name": "llama-server", "command": program, "env": {
            "SERVICE_NAME": "llama-server", "PORT": "8082", "LOG_FORMAT": "text",
            "FLAGS": "/srv/lab/flags/llama-server",
            "ANSWERS": json.dumps({"/props": {"model_path": "Qwen3-Coder-30B.gguf"}})}},
        {"name": "tabby", "command": program, "env": {
            "SERVICE_NAME": "tabby", "PORT": "8083", "LOG_FORMAT": "text",
            "FLAGS": "/srv/lab/flags/tabby",
            "ANSWERS": json.dumps({"/v1/health": {"model": "Qwen2.5-Coder-7B", "device": "rocm"}})}},
    ], indent=1))


def prepare(lab, ports, driver, here):
    keys(lab)
    etc(lab)
    homes(lab)
    repos.prepare(lab, USERS[0][1])
    nginx(lab)
    services(lab)
    for name in ("inside.sh", "inside.py", "service.py"):
        shutil.copy(os.path.join(here, name), lab.path(name))
    # Its data root is new at each up: importing the small images again costs less than
    # cleaning up after an engine that was killed.
    lab.write("dockerd.args", "\n".join([
        "--host=unix:///run/docker.sock", "--host=unix:///srv/lab/docker.sock", "--group=docker",
        "--data-root=/srv/lab/docker", "--exec-root=/run/docker", "--pidfile=/run/docker.pid",
        "--storage-driver=" + driver, "--exec-opt=native.cgroupdriver=cgroupfs",
        "--log-driver=json-file", "--log-opt=max-size=20m", "--log-opt=max-file=2",
        "--shutdown-timeout=5",
    ]) + "\n")
    client(lab, ports)
