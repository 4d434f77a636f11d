#include "model/entities.h"

const char *const source_state_words[] = {"waiting", "ok", "lost", "failed", NULL};
const char *const link_state_words[] = {"idle", "connecting", "up", "lost", "stopped", NULL};
const char *const container_state_words[] = {"created",  "running", "paused", "restarting",
                                             "removing", "exited",  "dead",   NULL};
const char *const container_health_words[] = {"none", "starting", "healthy", "unhealthy", NULL};
const char *const event_level_words[] = {"info", "good", "warning", "bad", NULL};

#define ROW(struct_name, type, member, unit, words, title, help)                                   \
    {#member, FIELD_##type, UNIT_##unit, offsetof(struct struct_name, member), words, title, help},
#define SOURCE_ROW(...) ROW(source, __VA_ARGS__)
#define LINK_ROW(...) ROW(link, __VA_ARGS__)
#define HOST_ROW(...) ROW(host, __VA_ARGS__)
#define DISK_ROW(...) ROW(disk, __VA_ARGS__)
#define NIC_ROW(...) ROW(nic, __VA_ARGS__)
#define CONTAINER_ROW(...) ROW(container, __VA_ARGS__)
#define EVENT_ROW(...) ROW(event, __VA_ARGS__)

static const struct field source_fields[] = {SOURCE_FIELDS(SOURCE_ROW)};
static const struct field link_fields[] = {LINK_FIELDS(LINK_ROW)};
static const struct field host_fields[] = {HOST_FIELDS(HOST_ROW)};
static const struct field disk_fields[] = {DISK_FIELDS(DISK_ROW)};
static const struct field nic_fields[] = {NIC_FIELDS(NIC_ROW)};
static const struct field container_fields[] = {CONTAINER_FIELDS(CONTAINER_ROW)};
static const struct field event_fields[] = {EVENT_FIELDS(EVENT_ROW)};

#define TYPE(struct_name, plural_name, ceiling, newest, table)                                     \
    {                                                                                              \
        .name = #struct_name, .plural = plural_name, .size = sizeof(struct struct_name),           \
        .max = ceiling, .keep_newest = newest, .fields = table,                                    \
        .n_fields = sizeof(table) / sizeof(table[0]),                                              \
    }

const struct entity_type entity_types[KIND__COUNT] = {
    [KIND_SOURCE] = TYPE(source, "sources", 64, false, source_fields),
    [KIND_LINK] = TYPE(link, "links", 1, false, link_fields),
    [KIND_HOST] = TYPE(host, "hosts", 1, false, host_fields),
    [KIND_DISK] = TYPE(disk, "disks", 256, false, disk_fields),
    [KIND_NIC] = TYPE(nic, "nics", 256, false, nic_fields),
    [KIND_CONTAINER] = TYPE(container, "containers", 4096, false, container_fields),
    [KIND_EVENT] = TYPE(event, "events", 1000, true, event_fields),
};
