"""The lab's containers: the table, and how they come to be."""
import concurrent.futures
import glob
import io
import os
import pwd
import tarfile
import urllib.parse

import lab as common
from lab import wait_for

DATABASES = ("batch_conductor batch_orchestrator cj_assessment class_management content email "
             "entitlements essay_lifecycle file_service identity nlp result_aggregator "
             "spellchecker").split()
DOMAINS = {  # name in DNS -> container and port, the runbook's nginx-proxy routing
    "skriptoteket.hule.education": "skriptoteket-web:8000",
    "huleedu.hule.education": "huleedu_bff_teacher_service:4101",
    "api.huleedu.hule.education": "huleedu_api_gateway_service:8080",
    "ws.huleedu.hule.education": "huleedu_websocket_service:8080",
}
HULE, INNER = "hule-network", "huleedu_internal_network"
BOTH = HULE + " " + INNER
SERVICE = ["python3", "/app/service.py"]
NGINX = ["nginx", "-c", "/etc/nginx/nginx.conf", "-g", "daemon off;"]
REDIS = ["redis-server", "--save", "", "--appendonly", "no", "--bind", "0.0.0.0", "--protected-mode", "no"]
POSTGRES = ["sh", "/app/postgres.sh"]
HTTP = ["CMD", "curl", "-fsS", "http://127.0.0.1:{port}/healthz"]

# One line a container: name, image, compose project / service, networks, command; then what is
# particular. standin=True: service.py answers in place of the real server. health: seconds
# between checks (each costs ~60 ms of CPU: few are quick). flags: set when it first starts.
TABLE = [
    ("nginx-proxy", "nginxproxy/nginx-proxy:1.6", "infra/nginx-proxy", HULE, NGINX, dict(publish="80 443", mounts="nginx:/etc/nginx tls:/etc/certs")),
    ("shared-postgres", "postgres:15", "infra/shared-postgres", HULE, POSTGRES, dict(port=5432, health=5, check="pg_isready -q -U postgres", user="postgres", volume="shared-postgres-data:/var/lib/postgresql/data")),
    ("jaeger", "jaegertracing/all-in-one:1.57", "infra/jaeger", HULE, SERVICE, dict(port=16686, standin=True, publish="16686")),
    ("prometheus", "prom/prometheus:v2.53.0", "infra/prometheus", HULE, SERVICE, dict(port=9090, standin=True, publish="127.0.0.1:9090")),
    ("skriptoteket-web", "skriptoteket/web:latest", "skriptoteket/web", HULE, SERVICE, dict(port=8000, health=2, log="text", tick=10)),
    ("skriptoteket-runner", "skriptoteket/runner:latest", "skriptoteket/runner", BOTH, SERVICE, dict(port=8000, log="text")),
    ("huleedu_kafka", "apache/kafka:3.9.0", "huleedu/kafka", INNER, SERVICE, dict(port=9092, standin=True, log="text")),
    ("huleedu_redis", "redis:7-alpine", "huleedu/redis", INNER, REDIS, dict(port=6379, health=5, check="redis-cli ping", volume="huleedu-redis-data:/data")),
    ("huleedu_content_service", "huleedu/content-service:latest", "huleedu/content_service", BOTH, SERVICE, dict(port=8000, health=2, tick=5)),
    ("huleedu_nlp_service", "huleedu/nlp-service:latest", "huleedu/nlp_service", BOTH, SERVICE, dict(port=8000, health=2, tick=7, gpu=True)),
    ("huleedu_essay_lifecycle_service", "huleedu/essay-lifecycle-service:latest", "huleedu/essay_lifecycle_service", BOTH, SERVICE, dict(port=8000, health=5)),
    ("huleedu_bff_teacher_service", "huleedu/bff-teacher-service:latest", "huleedu/bff_teacher_service", BOTH, SERVICE, dict(port=4101, health=5)),
    ("huleedu_api_gateway_service", "huleedu/api-gateway-service:latest", "huleedu/api_gateway_service", BOTH, SERVICE, dict(port=8080, health=5)),
    ("huleedu_websocket_service", "huleedu/websocket-service:latest", "huleedu/websocket_service", BOTH, SERVICE, dict(port=8080)),
    # The characters: in trouble on demand (ctl crashloop, flood, oom) or from the start.
    ("huleedu_batch_conductor", "huleedu/batch-conductor-service:latest", "huleedu/batch_conductor_service", BOTH, SERVICE, dict(port=8000, restart="always")),
    ("huleedu_email_service", "huleedu/email-service:latest", "huleedu/email_service", BOTH, SERVICE, dict(port=8000)),
    ("huleedu_file_service", "huleedu/file-service:latest", "huleedu/file_service", BOTH, SERVICE, dict(port=8000, restart="no", flags="exit")),
    ("huleedu_spellchecker", "huleedu/spellchecker-service:latest", "huleedu/spellchecker_service", BOTH, SERVICE, dict(port=8000, restart="no", flags="oom", memory=48 << 20)),
]
WORKDIR = {"infra": "/home/olof/infrastructure", "skriptoteket": "/home/olof/apps/skriptoteket",
           "huleedu": "/home/olof/apps/huleedu"}
CONFIGS = {"infra": "docker-compose.yml", "skriptoteket": "compose.prod.yaml",
           "huleedu": "docker-compose.yml,docker-compose.prod.yml"}
SECRETS = {  # made up; here so that what must be redacted can be looked for
    "HULEEDU_DB_USER": "huleedu_user", "HULEEDU_PROD_DB_PASSWORD": "lab-huleedu",
    "JWT_SECRET_KEY": "lab-jwt-5f3a9c", "HULEEDU_INTERNAL_API_KEY": "lab-internal-77e1",
}


def names():
    return [row[0] for row in TABLE]


def skeleton():
    """An image without a registry: directories and links; programs come from /usr, mounted."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        def folder(name, mode=0o755, owner="root"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            entry.uid, entry.gid = pwd.getpwnam(owner)[2:4]
            tar.addfile(entry)

        def text(name, data, mode=0o644):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))

        def host(path):
            with open(path, "rb") as source:
                return source.read()

        for name in ("usr", "etc", "proc", "sys", "dev", "run", "root", "home", "app", "flags",
                     "var", "var/lib", "var/log", "var/log/nginx", "var/lib/nginx",
                     "etc/alternatives", "etc/nginx", "etc/certs", "etc/ssl"):
            folder(name)
        for name in ("var/lib/postgresql", "var/lib/postgresql/data", "run/postgresql"):
            folder(name, 0o700 if name.endswith("data") else 0o755, "postgres")
        folder("data")
        folder("tmp", 0o1777)
        folder("var/tmp", 0o1777)
        links = {name: "usr/" + name for name in ("bin", "sbin", "lib", "lib64")}
        links["var/run"] = "/run"
        for name, target in links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
        wanted = ("root", "daemon", "www-data", "nobody", "postgres", "redis", "tty", "nogroup")
        for name in ("etc/passwd", "etc/group"):
            lines = [line for line in host("/" + name).decode().splitlines(True)
                     if line.split(":")[0] in wanted]
            text(name, "".join(lines).encode())
        text("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n")
        text("etc/ssl/openssl.cnf", b"")
        text("app/service.py", host(os.path.join(common.HERE, "service.py")))
        text("app/postgres.sh", host(os.path.join(common.HERE, "postgres.sh")), 0o755)
    return out.getvalue()


def import_image(lab, image, tar):
    name, tag = image.rsplit(":", 1)
    # An own label makes an own id, as different images have.
    query = urllib.parse.urlencode([("fromSrc", "-"), ("repo", name), ("tag", tag),
                                    ("changes", 'LABEL org.opencontainers.image.title="%s"' % name)])
    answer = lab.engine("POST", "/images/create?" + query, raw=tar)
    if "error" in str(answer):
        raise common.Failure("image %s: %s" % (image, answer))


def environment(name, project, command, more):
    values = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    if command is SERVICE:
        values.update(SERVICE_NAME=name.replace("huleedu_", ""), PORT=str(more["port"]),
                      LOG_FORMAT=more.get("log", "json"), TICK=str(more.get("tick", 0)))
    if project == "huleedu" and command is SERVICE:
        values.update(SECRETS, ENVIRONMENT="production")
    if command is POSTGRES:
        # As in the official image; Debian's psql in /usr/bin is a wrapper that wants /etc.
        newest = max(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))
        values["PATH"] = newest + ":" + values["PATH"]
        values["DATABASES"] = " ".join("huleedu_" + one for one in DATABASES)
        values["POSTGRES_PASSWORD"] = "lab-postgres"
    return ["%s=%s" % item for item in values.items()]


def description(row):
    """The body of the engine's create request."""
    name, image, where, networks, command, more = row
    project, service = where.split("/")
    first = networks.split()[0]
    labels = {
        "com.docker.compose.project": project, "com.docker.compose.service": service,
        "com.docker.compose.container-number": "1", "com.docker.compose.oneoff": "False",
        "com.docker.compose.version": "1.29.2",
        "com.docker.compose.project.working_dir": WORKDIR[project],
        "com.docker.compose.project.config_files": CONFIGS[project],
    }
    if more.get("standin"):
        labels["hemma.lab.standin"] = "true"
    mounts = ["/usr:/usr:ro", "/etc/alternatives:/etc/alternatives:ro",
              "/srv/lab/flags/%s:/flags:ro" % name]
    for pair in more.get("mounts", "").split():
        source, target = pair.split(":")
        mounts.append("/srv/lab/%s:%s:ro" % (source, target))
    if "volume" in more:
        mounts.append(more["volume"])
    ports = {}
    for one in more.get("publish", "").split():
        address, _, port = one.rpartition(":")
        ports[port + "/tcp"] = [{"HostIp": address, "HostPort": port}]
    exposed = set(ports) | ({"%d/tcp" % more["port"]} if "port" in more else set())
    body = {
        "Image": image, "Cmd": command, "Labels": labels, "User": more.get("user", ""),
        "Hostname": "", "WorkingDir": "/app", "StopTimeout": 5,
        "Env": environment(name, project, command, more),
        "ExposedPorts": {port: {} for port in sorted(exposed)},
        "HostConfig": {
            "Binds": mounts, "NetworkMode": first, "PortBindings": ports,
            "RestartPolicy": {"Name": more.get("restart", "unless-stopped")},
        },
        "NetworkingConfig": {"EndpointsConfig": {first: {"Aliases": [service]}}},
    }
    if "health" in more:
        second = 10 ** 9
        check = more.get("check")
        body["Healthcheck"] = {
            "Test": ["CMD-SHELL", "test ! -e /flags/unhealthy && " + check] if check
                    else [part.format(port=more["port"]) for part in HTTP],
            "Interval": more["health"] * second, "Timeout": 3 * second, "Retries": 2,
            "StartPeriod": second,
        }
    if "memory" in more:
        body["HostConfig"].update(Memory=more["memory"], MemorySwap=more["memory"])
    if more.get("gpu"):
        body["HostConfig"]["ExtraHosts"] = ["host.docker.internal:host-gateway"]
    return body


def start(lab, row, config_hash):
    name, _, where, networks, _, more = row
    os.makedirs(lab.path("flags", name), exist_ok=True)
    for one in more.get("flags", "").split():
        lab.write("flags/%s/%s" % (name, one), "")
    body = description(row)
    body["Labels"]["com.docker.compose.config-hash"] = config_hash
    lab.engine("POST", "/containers/create?name=" + name, body)
    for network in networks.split()[1:]:
        lab.engine("POST", "/networks/%s/connect" % network, {
            "Container": name, "EndpointConfig": {"Aliases": [where.split("/")[1]]}})
    lab.engine("POST", "/containers/%s/start" % name)


def bring_up(lab, hashes):
    """hashes is called for compose's hash of each service (repos.py)."""
    tar = skeleton()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = pool.submit(hashes, lab)
        imports = [pool.submit(import_image, lab, image, tar)
                   for image in sorted({row[1] for row in TABLE} | {"hemma/base:latest"})]
        for network in (HULE, INNER):
            lab.engine("POST", "/networks/create", {
                "Name": network, "CheckDuplicate": True, "Driver": "bridge"})
        for one in imports:
            one.result()
        # The slow starters go first: the table's order has them at the top.
        for one in [pool.submit(start, lab, row, found.result().get(row[2], ""))
                    for row in TABLE]:
            one.result()


def state(lab, name):
    return lab.engine("GET", "/containers/%s/json" % name)["State"]


def settle(lab):
    """Until every container is as the README says it is."""
    for row in TABLE:
        name, more = row[0], row[5]

        def now(field, name=name):
            return state(lab, name)[field]
        if more.get("flags") == "oom":
            wait_for(name + " to be killed for memory", lambda: now("OOMKilled"), 30)
        elif more.get("flags") == "exit":
            wait_for(name + " to exit", lambda: now("ExitCode") == 1, 20)
        elif "health" in more:
            wait_for(name + " to be healthy", lambda: now("Health")["Status"] == "healthy", 60)
        else:
            wait_for(name + " to run", lambda: now("Running"), 20)


def revive(lab):
    """Start what should run and does not; the engine did so for most of them."""
    for row in TABLE:
        if "flags" in row[5]:
            continue
        now = state(lab, row[0])
        if now["Paused"]:
            lab.engine("POST", "/containers/%s/unpause" % row[0])
        elif not now["Running"]:
            lab.engine("POST", "/containers/%s/start" % row[0])
