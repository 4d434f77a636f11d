#include "collect/demo.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)
#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* Sources carry the names of the collectors that they stand for. */
static const char docker[] = "docker", host_source[] = "host";

struct actor {
    const char *name, *project, *service, *image, *networks, *ports;
    int state, health;
    int64_t age_ms; /* of its present or last run at the demo's birth */
    double cpu;     /* percent it usually takes, 100 is one core */
    int64_t memory, limit;
    int exit_code, restarts;
    bool oom_killed;
};

static const struct actor actors[] = {
    {"nginx-proxy", "infra", "nginx-proxy", "nginxproxy/nginx-proxy:1.6", "hule-network",
     "80->80/tcp\n443->443/tcp", CONTAINER_RUNNING, HEALTH_NONE, 21 * DAY, 1.2, 48 * MIB, 0, 0, 0,
     false},
    {"acme-companion", "infra", "acme", "nginxproxy/acme-companion:2.4", "hule-network", "",
     CONTAINER_RUNNING, HEALTH_NONE, 21 * DAY, 0.0, 22 * MIB, 0, 0, 0, false},
    {"shared-postgres", "infra", "postgres", "postgres:15", "hule-network",
     "127.0.0.1:5432->5432/tcp", CONTAINER_RUNNING, HEALTH_HEALTHY, 21 * DAY, 7.5, 812 * MIB,
     4 * GIB, 0, 0, false},
    {"prometheus", "infra", "prometheus", "prom/prometheus:v2.53.1", "hule-network", "",
     CONTAINER_RUNNING, HEALTH_NONE, 13 * DAY, 2.1, 384 * MIB, 1 * GIB, 0, 0, false},
    {"jaeger", "infra", "jaeger", "jaegertracing/all-in-one:1.58", "hule-network", "",
     CONTAINER_RUNNING, HEALTH_NONE, 13 * DAY, 0.9, 231 * MIB, 512 * MIB, 0, 0, false},
    {"skriptoteket-web", "skriptoteket", "web", "skriptoteket-web:latest", "hule-network", "",
     CONTAINER_RUNNING, HEALTH_HEALTHY, 2 * DAY, 4.4, 296 * MIB, 1 * GIB, 0, 0, false},
    {"skriptoteket-runner", "skriptoteket", "runner", "skriptoteket-runner:latest",
     "hule-network\nhuleedu_internal_network", "", CONTAINER_RUNNING, HEALTH_HEALTHY, 2 * DAY, 11.8,
     524 * MIB, 2 * GIB, 0, 1, false},
    {"huleedu_kafka", "huleedu", "kafka", "apache/kafka:3.9.0", "huleedu_internal_network", "",
     CONTAINER_RUNNING, HEALTH_HEALTHY, 6 * DAY, 9.6, 1126 * MIB, 2 * GIB, 0, 0, false},
    {"huleedu_redis", "huleedu", "redis", "redis:7-alpine", "huleedu_internal_network", "",
     CONTAINER_RUNNING, HEALTH_HEALTHY, 6 * DAY, 0.8, 34 * MIB, 256 * MIB, 0, 0, false},
    {"huleedu_api_gateway", "huleedu", "api_gateway", "huleedu/api-gateway:latest",
     "hule-network\nhuleedu_internal_network", "", CONTAINER_RUNNING, HEALTH_HEALTHY, 5 * HOUR, 3.3,
     142 * MIB, 512 * MIB, 0, 0, false},
    {"huleedu_bff_teacher", "huleedu", "bff_teacher", "huleedu/bff-teacher:latest",
     "hule-network\nhuleedu_internal_network", "", CONTAINER_RUNNING, HEALTH_HEALTHY, 5 * HOUR, 2.7,
     138 * MIB, 512 * MIB, 0, 0, false},
    {"huleedu_content_service", "huleedu", "content_service", "huleedu/content-service:latest",
     "huleedu_internal_network", "", CONTAINER_RUNNING, HEALTH_HEALTHY, 5 * HOUR, 1.9, 121 * MIB,
     512 * MIB, 0, 0, false},
    {"huleedu_essay_lifecycle_service", "huleedu", "essay_lifecycle_service",
     "huleedu/essay-lifecycle:latest", "huleedu_internal_network", "", CONTAINER_RUNNING,
     HEALTH_HEALTHY, 5 * HOUR, 2.2, 133 * MIB, 512 * MIB, 0, 0, false},
    {"huleedu_identity_service", "huleedu", "identity_service", "huleedu/identity:latest",
     "huleedu_internal_network", "", CONTAINER_RUNNING, HEALTH_HEALTHY, 5 * HOUR, 0.6, 97 * MIB,
     256 * MIB, 0, 0, false},
    {"huleedu_nlp_service", "huleedu", "nlp_service", "huleedu/nlp-service:latest",
     "huleedu_internal_network", "", CONTAINER_RUNNING, HEALTH_UNHEALTHY, 41 * MINUTE, 86.0,
     1740 * MIB, 2 * GIB, 0, 2, false},
    {"huleedu_spellchecker_service", "huleedu", "spellchecker_service",
     "huleedu/spellchecker:latest", "huleedu_internal_network", "", CONTAINER_EXITED, HEALTH_NONE,
     17 * MINUTE, 0, 0, 512 * MIB, 137, 3, true},
    {"huleedu_batch_conductor", "huleedu", "batch_conductor", "huleedu/batch-conductor:latest",
     "huleedu_internal_network", "", CONTAINER_RESTARTING, HEALTH_NONE, 6000, 0, 0, 256 * MIB, 1,
     14, false},
    {"huleedu_email_service", "huleedu", "email_service", "huleedu/email:latest",
     "huleedu_internal_network", "", CONTAINER_RUNNING, HEALTH_STARTING, 9000, 0.4, 71 * MIB,
     256 * MIB, 0, 0, false},
    {"huleedu_migrate", "huleedu", "migrate", "huleedu/migrate:latest", "huleedu_internal_network",
     "", CONTAINER_EXITED, HEALTH_NONE, 5 * HOUR, 0, 0, 0, 0, 0, false},
};
#define N_ACTORS (sizeof(actors) / sizeof(actors[0]))

/* What happened before the demo began, newest last. */
static const struct {
    int64_t ago_ms;
    int level;
    const char *subject, *action, *detail;
} history[] = {
    {5 * HOUR, EVENT_INFO, "huleedu_migrate", "exited", "exit code 0"},
    {5 * HOUR - 2 * MINUTE, EVENT_GOOD, "huleedu_api_gateway", "healthy", ""},
    {2 * HOUR + 8 * MINUTE, EVENT_INFO, "skriptoteket-runner", "started", ""},
    {41 * MINUTE, EVENT_WARNING, "huleedu_nlp_service", "restarted", "by its policy, 2nd time"},
    {17 * MINUTE, EVENT_BAD, "huleedu_spellchecker_service", "out of memory", "limit 512M"},
    {17 * MINUTE - 300, EVENT_BAD, "huleedu_spellchecker_service", "exited",
     "exit code 137, killed for memory"},
    {4 * MINUTE, EVENT_WARNING, "huleedu_nlp_service", "unhealthy",
     "GET /healthz: timed out after 3 s"},
    {9000, EVENT_INFO, "huleedu_email_service", "started", ""},
    {6000, EVENT_BAD, "huleedu_batch_conductor", "exited", "exit code 1"},
};

struct demo {
    struct model *model;
    uint64_t random;
    int64_t birth, wall, steps, events;
    double busy, memory, load; /* of the host: they wander */
    uint64_t rx, tx;
};

/* splitmix64: small, and the same on every machine. */
static double next_random(struct demo *demo)
{
    uint64_t z = demo->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

static double wander(struct demo *demo, double value, double home, double width)
{
    return value + (home - value) * 0.15 + (next_random(demo) - 0.5) * width;
}

static int64_t demo_now(const struct demo *demo)
{
    return demo->birth + demo->steps * DEMO_STEP_MS;
}

static int observe(struct demo *demo, enum entity_kind kind, const char *source,
                   const struct entity *payload)
{
    return model_apply(demo->model, &(struct obs){.kind = kind,
                                                  .op = OBS_UPSERT,
                                                  .id = payload->id,
                                                  .source = source,
                                                  .t_host = demo->wall + demo->steps * DEMO_STEP_MS,
                                                  .t_local = demo_now(demo),
                                                  .payload = payload});
}

static void observe_event(struct demo *demo, int64_t when, int level, const char *subject,
                          const char *action, const char *detail)
{
    char id[24];
    snprintf(id, sizeof(id), "%lld", (long long)++demo->events);
    struct event event = {.e.id = id};
    SET(event, EVENT, time, when);
    SET(event, EVENT, level, level);
    SET(event, EVENT, subject, subject);
    SET(event, EVENT, action, action);
    SET(event, EVENT, detail, detail);
    for (size_t i = 0; i < N_ACTORS; i++)
        if (strcmp(actors[i].name, subject) == 0)
            SET(event, EVENT, subject_id, actors[i].name);
    observe(demo, KIND_EVENT, docker, &event.e);
}

static void observe_source(struct demo *demo, const char *id, int64_t interval_ms)
{
    struct source source = {.e.id = id};
    SET(source, SOURCE, state, SOURCE_OK);
    SET(source, SOURCE, message, "");
    SET(source, SOURCE, interval_ms, interval_ms);
    SET(source, SOURCE, good_at_ms, demo->birth);
    observe(demo, KIND_SOURCE, id, &source.e);
}

static void observe_link(struct demo *demo)
{
    struct link link = {.e.id = "link"};
    SET(link, LINK, state, LINK_UP);
    SET(link, LINK, transport, "demo");
    SET(link, LINK, address, "demo");
    SET(link, LINK, message, "");
    SET(link, LINK, since, demo->wall);
    SET(link, LINK, attempts, 0);
    SET(link, LINK, rtt_ms, 11 + next_random(demo) * 3);
    SET(link, LINK, rx_bytes_per_s, 1900 + next_random(demo) * 500);
    SET(link, LINK, tx_bytes_per_s, 240 + next_random(demo) * 60);
    observe(demo, KIND_LINK, host_source, &link.e);
}

static const char *health_output(int health)
{
    return health == HEALTH_UNHEALTHY ? "GET /healthz: timed out after 3 s" : "200 OK";
}

static void observe_actor(struct demo *demo, const struct actor *actor)
{
    int64_t began = demo->wall - actor->age_ms;
    struct container c = {.e.id = actor->name};
    SET(c, CONTAINER, name, actor->name);
    SET(c, CONTAINER, image, actor->image);
    SET(c, CONTAINER, state, actor->state);
    SET(c, CONTAINER, health, actor->health);
    if (actor->health != HEALTH_NONE)
        SET(c, CONTAINER, health_output, health_output(actor->health));
    SET(c, CONTAINER, oom_killed, actor->oom_killed);
    SET(c, CONTAINER, error, "");
    SET(c, CONTAINER, restarts, actor->restarts);
    SET(c, CONTAINER, restart_policy, strcmp(actor->service, "migrate") ? "unless-stopped" : "no");
    SET(c, CONTAINER, created_at, began - 3000);
    SET(c, CONTAINER, started_at, began);
    SET(c, CONTAINER, ports, actor->ports);
    SET(c, CONTAINER, project, actor->project);
    SET(c, CONTAINER, service, actor->service);
    SET(c, CONTAINER, networks, actor->networks);
    if (actor->state == CONTAINER_EXITED || actor->state == CONTAINER_RESTARTING) {
        SET(c, CONTAINER, exit_code, actor->exit_code);
        SET(c, CONTAINER, finished_at, began + 2000);
    }
    if (actor->limit > 0)
        SET(c, CONTAINER, memory_limit_bytes, actor->limit);
    observe(demo, KIND_CONTAINER, docker, &c.e);
}

static void observe_usage(struct demo *demo, const struct actor *actor)
{
    if (actor->state != CONTAINER_RUNNING)
        return;
    struct container c = {.e.id = actor->name};
    SET(c, CONTAINER, cpu_percent, actor->cpu * (0.8 + 0.4 * next_random(demo)));
    SET(c, CONTAINER, memory_bytes,
        (int64_t)((double)actor->memory * (0.99 + 0.02 * next_random(demo))));
    observe(demo, KIND_CONTAINER, docker, &c.e);
}

static void observe_host(struct demo *demo)
{
    demo->busy = fmin(fmax(wander(demo, demo->busy, 34, 22), 2), 99);
    demo->memory = fmin(fmax(wander(demo, demo->memory, 58, 2), 10), 97);
    demo->load = fmax(wander(demo, demo->load, 5.1, 0.8), 0.1);
    struct host host = {.e.id = "host"};
    SET(host, HOST, name, "demo.hemma");
    SET(host, HOST, os, "Debian GNU/Linux 12 (bookworm)");
    SET(host, HOST, kernel, "6.1.0-25-amd64");
    SET(host, HOST, docker_version, "27.1.1");
    SET(host, HOST, docker_api, "1.46");
    SET(host, HOST, zone, "+0100");
    SET(host, HOST, uptime_seconds, 37 * 86400 + 4 * 3600 + demo->steps * DEMO_STEP_MS / 1000);
    SET(host, HOST, cpus, 16);
    SET(host, HOST, cpu_percent, demo->busy);
    SET(host, HOST, iowait_percent, 0.6 + next_random(demo));
    SET(host, HOST, steal_percent, 0);
    SET(host, HOST, load_1m, demo->load);
    SET(host, HOST, load_5m, 4.87);
    SET(host, HOST, load_15m, 4.42);
    SET(host, HOST, processes, 1180 + (int64_t)(next_random(demo) * 20));
    SET(host, HOST, memory_bytes, 64 * GIB);
    SET(host, HOST, memory_available_bytes,
        (int64_t)((100 - demo->memory) / 100 * 64 * (double)GIB));
    SET(host, HOST, swap_bytes, 8 * GIB);
    SET(host, HOST, swap_used_bytes, 312 * MIB);
    SET(host, HOST, cpu_pressure_percent, demo->busy / 12);
    SET(host, HOST, memory_pressure_percent, 0.0);
    SET(host, HOST, io_pressure_percent, 1.2 + next_random(demo));
    SET(host, HOST, clock_offset_ms, 1.8 + next_random(demo));
    observe(demo, KIND_HOST, host_source, &host.e);
}

static void observe_disks(struct demo *demo)
{
    static const struct {
        const char *mount, *device;
        int64_t size, used;
        double inodes_used;
    } disks[] = {
        {"/", "/dev/nvme0n1p2", 467 * GIB, 203 * GIB, 11.3},
        {"/var/lib/docker", "/dev/nvme1n1p1", 916 * GIB, 806 * GIB, 34.9},
        {"/srv/backups", "/dev/sda1", 3667 * GIB, 1210 * GIB, 0.4},
    };
    for (size_t i = 0; i < sizeof(disks) / sizeof(disks[0]); i++) {
        struct disk disk = {.e.id = disks[i].mount};
        SET(disk, DISK, mount, disks[i].mount);
        SET(disk, DISK, device, disks[i].device);
        SET(disk, DISK, filesystem, "ext4");
        SET(disk, DISK, size_bytes, disks[i].size);
        SET(disk, DISK, used_bytes, disks[i].used);
        SET(disk, DISK, available_bytes, disks[i].size - disks[i].used);
        SET(disk, DISK, used_percent, 100.0 * (double)disks[i].used / (double)disks[i].size);
        SET(disk, DISK, inodes, disks[i].size / 16384);
        SET(disk, DISK, inodes_used_percent, disks[i].inodes_used);
        observe(demo, KIND_DISK, host_source, &disk.e);
    }
}

static void observe_nic(struct demo *demo)
{
    double in = 1.6e6 + next_random(demo) * 9e5, out = 4.1e6 + next_random(demo) * 2e6;
    demo->rx += (uint64_t)in;
    demo->tx += (uint64_t)out;
    struct nic nic = {.e.id = "enp5s0"};
    SET(nic, NIC, name, "enp5s0");
    SET(nic, NIC, rx_bytes_per_s, in);
    SET(nic, NIC, tx_bytes_per_s, out);
    SET(nic, NIC, rx_bytes, (int64_t)demo->rx);
    SET(nic, NIC, tx_bytes, (int64_t)demo->tx);
    SET(nic, NIC, errors, 0);
    observe(demo, KIND_NIC, host_source, &nic.e);
}

/* A small drama on a loop of two minutes, so that a demonstration has something to show. */
static void play(struct demo *demo)
{
    int64_t second = demo->steps * DEMO_STEP_MS / 1000 % 120;
    int64_t when = demo->wall + demo->steps * DEMO_STEP_MS;
    struct container c = {0};
    switch (second) {
    case 8:
        c.e.id = "huleedu_email_service";
        SET(c, CONTAINER, health, HEALTH_HEALTHY);
        SET(c, CONTAINER, health_output, health_output(HEALTH_HEALTHY));
        observe_event(demo, when, EVENT_GOOD, c.e.id, "healthy", "");
        break;
    case 20:
    case 80:
        c.e.id = "huleedu_batch_conductor";
        SET(c, CONTAINER, restarts, 15 + demo->steps * DEMO_STEP_MS / 60000);
        SET(c, CONTAINER, started_at, when);
        observe_event(demo, when, EVENT_BAD, c.e.id, "exited", "exit code 1");
        break;
    case 45:
    case 100:
        c.e.id = "huleedu_nlp_service";
        SET(c, CONTAINER, health, second == 45 ? HEALTH_HEALTHY : HEALTH_UNHEALTHY);
        SET(c, CONTAINER, health_output, health_output(c.health));
        observe_event(demo, when, second == 45 ? EVENT_GOOD : EVENT_WARNING, c.e.id,
                      second == 45 ? "healthy" : "unhealthy",
                      second == 45 ? "" : health_output(HEALTH_UNHEALTHY));
        break;
    default:
        return;
    }
    observe(demo, KIND_CONTAINER, docker, &c.e);
}

static void live(struct demo *demo)
{
    observe_link(demo);
    for (size_t i = 0; i < N_ACTORS; i++)
        observe_usage(demo, &actors[i]);
    if (demo->steps % 2 == 0) {
        observe_host(demo);
        observe_nic(demo);
        observe_disks(demo);
    }
}

struct demo *demo_new(struct model *model, uint64_t seed, int64_t now, int64_t wall)
{
    struct demo *demo = calloc(1, sizeof(*demo));
    if (demo == NULL)
        return NULL;
    *demo = (struct demo){.model = model,
                          .random = seed,
                          .birth = now,
                          .wall = wall,
                          .busy = 31,
                          .memory = 58,
                          .load = 5.3,
                          .rx = UINT64_C(9122) << 30,
                          .tx = UINT64_C(24519) << 30};
    observe_source(demo, docker, 0);
    observe_source(demo, host_source, 2000);
    for (size_t i = 0; i < N_ACTORS; i++)
        observe_actor(demo, &actors[i]);
    for (size_t i = 0; i < sizeof(history) / sizeof(history[0]); i++)
        observe_event(demo, wall - history[i].ago_ms, history[i].level, history[i].subject,
                      history[i].action, history[i].detail);
    live(demo);
    return demo;
}

void demo_free(struct demo *demo)
{
    free(demo);
}

int demo_step(struct demo *demo, int64_t now)
{
    int changed = 0;
    while (demo_now(demo) + DEMO_STEP_MS <= now) {
        demo->steps++;
        live(demo);
        play(demo);
        changed = 1;
    }
    return changed;
}
