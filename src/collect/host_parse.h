/* The host's numbers: the scripts that ask for them, and what their answers say. Pure: no I/O. */
#ifndef COLLECT_HOST_PARSE_H
#define COLLECT_HOST_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/probe.h"
#include "model/entities.h"

/* What changes all the time; what hardly ever changes; how full disks are. */
extern const struct probe_script host_now_script, host_facts_script, host_disks_script;

#define HOST_NICS_MAX 64
#define HOST_DISKS_MAX 128

/* Times in clock ticks since boot. */
struct host_cpu {
    bool known;
    uint64_t busy, total, iowait, steal;
};

struct host_nic {
    char name[32];
    uint64_t rx_bytes, tx_bytes, errors;
};

struct host_now {
    struct host host; /* gauges, each with its known bit */
    int64_t clock_us; /* unix time by the host's clock, 0: not said */
    bool clock_fine;  /* with a fraction of a second */
    struct host_cpu cpu;
    struct host_nic nics[HOST_NICS_MAX];
    size_t n_nics;
    bool whole; /* the answer came to its end */
};
/* Reads an answer of host_now_script; what is missing or makes no sense stays unknown. */
void host_now_parse(const char *text, struct host_now *ret);

/* Sets in `ret` what two readings say together: CPU shares. A counter that went backwards (a
 * container host that migrated, a bug of the kernel) leaves its share unknown. */
void host_cpu_shares(const struct host_cpu *before, const struct host_cpu *after, struct host *ret);

struct host_facts {
    struct host host; /* points into `text` below */
    char name[256], os[256], kernel[256], zone[16];
};
void host_facts_parse(const char *text, struct host_facts *ret);

struct host_disk {
    struct disk disk; /* points into the texts below */
    char mount[512], device[256], filesystem[64];
};
/* Returns how many disks were read into `disks`, at most `max`. `ret_whole`: it came to its end. */
size_t host_disks_parse(const char *text, struct host_disk *disks, size_t max, bool *ret_whole);

#endif
