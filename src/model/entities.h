/* What a host consists of, as plain data. A row F(type, member, unit, words, title, help) makes the
 * struct's member, its index (CONTAINER_name) and its line in the descriptor table. */
#ifndef MODEL_ENTITIES_H
#define MODEL_ENTITIES_H

#include "model/field.h"

enum entity_kind {
    KIND_SOURCE,    /* where observations come from, and how that goes */
    KIND_LINK,      /* the connection to the host: exactly one, its id is the target */
    KIND_HOST,      /* the machine: exactly one, its id is the host name */
    KIND_DISK,      /* id: mount point */
    KIND_NIC,       /* id: interface */
    KIND_CONTAINER, /* id: full container id */
    KIND_EVENT,     /* id: a number that grows */
    KIND__COUNT,
};

extern const struct entity_type entity_types[KIND__COUNT];

/* A source that is not SOURCE_OK makes what it reported stale. */
enum source_state { SOURCE_WAITING, SOURCE_OK, SOURCE_LOST, SOURCE_FAILED };
#define SOURCE_FIELDS(F)                                                                           \
    F(ENUM, state, NONE, source_state_words, "State", "Whether this source answers")               \
    F(TEXT, message, NONE, NULL, "Message", "What went wrong and what to do, or empty")            \
    F(INT, interval_ms, MS, NULL, "Interval", "Reads every so many ms; 0: told by events")         \
    F(INT, good_at_ms, MS, NULL, "Good at", "Monotonic ms when it was last known to be right")

enum link_state { LINK_IDLE, LINK_CONNECTING, LINK_UP, LINK_LOST, LINK_STOPPED };
#define LINK_FIELDS(F)                                                                             \
    F(ENUM, state, NONE, link_state_words, "State", "State of the connection")                     \
    F(TEXT, transport, NONE, NULL, "Transport", "ssh, local or demo")                              \
    F(TEXT, address, NONE, NULL, "Address", "user@host:port that was connected to")                \
    F(REAL, rtt_ms, MS, NULL, "Round trip", "Round trip of the connection, apart from services")   \
    F(TEXT, message, NONE, NULL, "Message", "Why it is not up, and what to do")                    \
    F(TIME, since, NONE, NULL, "Since", "When this state began")                                   \
    F(TIME, retry_at, NONE, NULL, "Retry at", "When the next attempt begins")                      \
    F(INT, attempts, COUNT, NULL, "Attempts", "Attempts since it was last up")                     \
    F(REAL, rx_bytes_per_s, BYTES_PER_S, NULL, "Received", "Bytes received on the link a second")  \
    F(REAL, tx_bytes_per_s, BYTES_PER_S, NULL, "Sent", "Bytes sent on the link a second")

#define HOST_FIELDS(F)                                                                             \
    F(TEXT, name, NONE, NULL, "Host", "Host name as the host itself says")                         \
    F(TEXT, os, NONE, NULL, "OS", "Name and version of the distribution")                          \
    F(TEXT, kernel, NONE, NULL, "Kernel", "Kernel release")                                        \
    F(TEXT, docker_version, NONE, NULL, "Docker", "Version of the Docker Engine")                  \
    F(TEXT, docker_api, NONE, NULL, "API", "API version in use")                                   \
    F(TEXT, zone, NONE, NULL, "Zone", "The host's time zone as +hhmm")                             \
    F(INT, uptime_seconds, SECONDS, NULL, "Uptime", "Time since boot")                             \
    F(INT, cpus, COUNT, NULL, "CPUs", "Processors online")                                         \
    F(REAL, cpu_percent, PERCENT, NULL, "CPU", "Busy share of all processors")                     \
    F(REAL, iowait_percent, PERCENT, NULL, "IO wait", "Share of time waiting for disks")           \
    F(REAL, steal_percent, PERCENT, NULL, "Steal", "Share of time taken by the hypervisor")        \
    F(REAL, load_1m, NONE, NULL, "Load 1m", "Load average over 1 minute")                          \
    F(REAL, load_5m, NONE, NULL, "Load 5m", "Load average over 5 minutes")                         \
    F(REAL, load_15m, NONE, NULL, "Load 15m", "Load average over 15 minutes")                      \
    F(INT, processes, COUNT, NULL, "Processes", "Threads that exist")                              \
    F(INT, memory_bytes, BYTES, NULL, "Memory", "Memory installed")                                \
    F(INT, memory_available_bytes, BYTES, NULL, "Available", "Memory that programs could get")     \
    F(INT, swap_bytes, BYTES, NULL, "Swap", "Swap space")                                          \
    F(INT, swap_used_bytes, BYTES, NULL, "Swap used", "Swap space in use")                         \
    F(REAL, cpu_pressure_percent, PERCENT, NULL, "CPU psi", "Time some task waited for a CPU")     \
    F(REAL, memory_pressure_percent, PERCENT, NULL, "Mem psi", "Time some task waited for memory") \
    F(REAL, io_pressure_percent, PERCENT, NULL, "IO psi", "Time some task waited for I/O")         \
    F(REAL, clock_offset_ms, MS, NULL, "Clock", "The host's clock less ours")

#define DISK_FIELDS(F)                                                                             \
    F(TEXT, mount, NONE, NULL, "Mount", "Where it is mounted")                                     \
    F(TEXT, device, NONE, NULL, "Device", "What is mounted")                                       \
    F(TEXT, filesystem, NONE, NULL, "Type", "Kind of filesystem")                                  \
    F(INT, size_bytes, BYTES, NULL, "Size", "Size of the filesystem")                              \
    F(INT, used_bytes, BYTES, NULL, "Used", "Bytes in use")                                        \
    F(INT, available_bytes, BYTES, NULL, "Free", "Bytes an ordinary user can still write")         \
    F(REAL, used_percent, PERCENT, NULL, "Use", "Share in use, as df counts it")                   \
    F(INT, inodes, COUNT, NULL, "Inodes", "Inodes in all")                                         \
    F(REAL, inodes_used_percent, PERCENT, NULL, "IUse", "Share of inodes in use")

#define NIC_FIELDS(F)                                                                              \
    F(TEXT, name, NONE, NULL, "Interface", "Name of the interface")                                \
    F(REAL, rx_bytes_per_s, BYTES_PER_S, NULL, "In", "Bytes received a second")                    \
    F(REAL, tx_bytes_per_s, BYTES_PER_S, NULL, "Out", "Bytes sent a second")                       \
    F(INT, rx_bytes, BYTES, NULL, "In all", "Bytes received since boot")                           \
    F(INT, tx_bytes, BYTES, NULL, "Out all", "Bytes sent since boot")                              \
    F(INT, errors, COUNT, NULL, "Errors", "Receive and send errors and drops since boot")

enum container_state {
    CONTAINER_CREATED,
    CONTAINER_RUNNING,
    CONTAINER_PAUSED,
    CONTAINER_RESTARTING,
    CONTAINER_REMOVING,
    CONTAINER_EXITED,
    CONTAINER_DEAD,
};
enum container_health { HEALTH_NONE, HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY };
#define CONTAINER_FIELDS(F)                                                                        \
    F(TEXT, name, NONE, NULL, "Name", "Name of the container")                                     \
    F(TEXT, image, NONE, NULL, "Image", "Image it was made from")                                  \
    F(ENUM, state, NONE, container_state_words, "State", "State as the engine says")               \
    F(ENUM, health, NONE, container_health_words, "Health", "Result of its health check")          \
    F(TEXT, health_output, NONE, NULL, "Check says", "Last output of its health check")            \
    F(INT, exit_code, NONE, NULL, "Exit", "Exit code of its last run; null while it runs first")   \
    F(BOOL, oom_killed, NONE, NULL, "OOM", "Its last run was killed for memory")                   \
    F(TEXT, error, NONE, NULL, "Error", "Why the engine could not start it")                       \
    F(INT, restarts, COUNT, NULL, "Restarts", "Restarts by its restart policy")                    \
    F(TEXT, restart_policy, NONE, NULL, "Policy", "Its restart policy")                            \
    F(TIME, created_at, NONE, NULL, "Created", "When it was made")                                 \
    F(TIME, started_at, NONE, NULL, "Started", "When its present or last run began")               \
    F(TIME, finished_at, NONE, NULL, "Finished", "When its last run ended")                        \
    F(LIST, ports, NONE, NULL, "Ports", "Published ports, host->container/protocol")               \
    F(TEXT, project, NONE, NULL, "Project", "Compose project")                                     \
    F(TEXT, service, NONE, NULL, "Service", "Compose service")                                     \
    F(TEXT, command, NONE, NULL, "Command", "Command it runs")                                     \
    F(LIST, networks, NONE, NULL, "Networks", "Networks it is on")                                 \
    F(LIST, addresses, NONE, NULL, "Addresses", "network=address, one for each network")           \
    F(LIST, aliases, NONE, NULL, "Aliases", "Names it answers to on its networks")                 \
    F(INT, pid, NONE, NULL, "PID", "Its first process on the host")                                \
    F(REAL, cpu_percent, PERCENT, NULL, "CPU", "Processor time, 100 is one core")                  \
    F(INT, memory_bytes, BYTES, NULL, "Memory", "Memory in use less inactive file cache")          \
    F(INT, memory_limit_bytes, BYTES, NULL, "Limit", "Memory it may use at most")

enum event_level { EVENT_INFO, EVENT_GOOD, EVENT_WARNING, EVENT_BAD };
#define EVENT_FIELDS(F)                                                                            \
    F(TIME, time, NONE, NULL, "Time", "When it happened, by the host's clock")                     \
    F(ENUM, level, NONE, event_level_words, "Level", "How bad it is")                              \
    F(TEXT, subject, NONE, NULL, "What", "Name of the thing it happened to")                       \
    F(TEXT, subject_id, NONE, NULL, "Id", "Id of the thing it happened to")                        \
    F(TEXT, action, NONE, NULL, "Event", "What happened")                                          \
    F(TEXT, detail, NONE, NULL, "Detail", "More of it, in words")

#define FIELD_C_TEXT const char *
#define FIELD_C_LIST const char *
#define FIELD_C_INT int64_t
#define FIELD_C_REAL double
#define FIELD_C_BOOL bool
#define FIELD_C_TIME int64_t
#define FIELD_C_ENUM int
#define FIELD_MEMBER(type, member, unit, words, title, help) FIELD_C_##type member;

#define ENTITY(KIND, name)                                                                         \
    struct name {                                                                                  \
        struct entity e;                                                                           \
        KIND##_FIELDS(FIELD_MEMBER)                                                                \
    };

ENTITY(SOURCE, source)
ENTITY(LINK, link)
ENTITY(HOST, host)
ENTITY(DISK, disk)
ENTITY(NIC, nic)
ENTITY(CONTAINER, container)
ENTITY(EVENT, event)

/* The index of a field, e.g. CONTAINER_exit_code. */
#define SOURCE_INDEX(type, member, unit, words, title, help) SOURCE_##member,
#define LINK_INDEX(type, member, unit, words, title, help) LINK_##member,
#define HOST_INDEX(type, member, unit, words, title, help) HOST_##member,
#define DISK_INDEX(type, member, unit, words, title, help) DISK_##member,
#define NIC_INDEX(type, member, unit, words, title, help) NIC_##member,
#define CONTAINER_INDEX(type, member, unit, words, title, help) CONTAINER_##member,
#define EVENT_INDEX(type, member, unit, words, title, help) EVENT_##member,
enum { SOURCE_FIELDS(SOURCE_INDEX) SOURCE__COUNT };
enum { LINK_FIELDS(LINK_INDEX) LINK__COUNT };
enum { HOST_FIELDS(HOST_INDEX) HOST__COUNT };
enum { DISK_FIELDS(DISK_INDEX) DISK__COUNT };
enum { NIC_FIELDS(NIC_INDEX) NIC__COUNT };
enum { CONTAINER_FIELDS(CONTAINER_INDEX) CONTAINER__COUNT };
enum { EVENT_FIELDS(EVENT_INDEX) EVENT__COUNT };

extern const char *const source_state_words[];
extern const char *const link_state_words[];
extern const char *const container_state_words[];
extern const char *const container_health_words[];
extern const char *const event_level_words[];

#endif
