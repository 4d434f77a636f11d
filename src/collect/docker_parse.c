#include "collect/docker_parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define LIST_MAX 4000 /* bytes; the model's ceiling for a text */
#define PORTS_MAX 64

static void row_init(struct docker_row *row)
{
    *row = (struct docker_row){0};
    struct buf *bufs[] = {&row->ports,   &row->networks, &row->addresses, &row->aliases,
                          &row->command, &row->policy,   &row->output};
    for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++)
        buf_init(bufs[i], LIST_MAX);
}

void docker_row_done(struct docker_row *row)
{
    buf_done(&row->ports);
    buf_done(&row->networks);
    buf_done(&row->addresses);
    buf_done(&row->aliases);
    buf_done(&row->command);
    buf_done(&row->policy);
    buf_done(&row->output);
}

/* --- JSON */

const char *json_text(json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

json_t *json_at(json_t *object, const char *name, ...)
{
    va_list names;
    va_start(names, name);
    for (; name != NULL && object != NULL; name = va_arg(names, const char *))
        object = json_object_get(object, name);
    va_end(names);
    return object;
}

static bool json_number_is(json_t *json, int64_t *ret)
{
    if (!json_is_integer(json))
        return false;
    *ret = json_integer_value(json);
    return true;
}

bool docker_id_is_valid(const char *id)
{
    size_t len = id != NULL ? strlen(id) : 0;
    return len > 0 && len <= DOCKER_ID_MAX &&
           strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") == len;
}

/* --- words into enums; a word that is new is unknown */

static int word_index(const char *const *words, const char *word)
{
    for (int i = 0; word != NULL && words[i] != NULL; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}

static void set_state(struct docker_row *row, const char *word)
{
    int state = word_index(container_state_words, word);
    row->mask |= FIELD_BIT(CONTAINER_state);
    if (state >= 0)
        SET(row->container, CONTAINER, state, state);
    row->running = state == CONTAINER_RUNNING || state == CONTAINER_PAUSED;
}

static void set_health(struct docker_row *row, const char *word)
{
    int health = word_index(container_health_words, word);
    row->mask |= FIELD_BIT(CONTAINER_health);
    /* One that does not run keeps its last health in the Engine; it says nothing any more. */
    if (health >= 0 && row->running)
        SET(row->container, CONTAINER, health, health);
}

/* --- lists */

/* Adds an item to a list; a newline within would make two of it. */
static void list_add(struct buf *list, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void list_add(struct buf *list, const char *format, ...)
{
    va_list args;
    char item[512];
    va_start(args, format);
    vsnprintf(item, sizeof(item), format, args);
    va_end(args);
    for (char *c = item; *c != '\0'; c++)
        if (*c == '\n')
            *c = ' ';
    size_t len = strlen(item);
    if (list->len + len + 1 > list->max) {
        list->dropped += len; /* whole items or none */
        return;
    }
    if (list->len > 0)
        buf_adds(list, "\n");
    buf_adds(list, item);
}

static const char *text_of(const struct buf *buf)
{
    return buf->data != NULL ? buf->data : "";
}

static bool list_has(const struct buf *list, const char *item)
{
    size_t len = strlen(item);
    for (const char *at = text_of(list); *at != '\0';) {
        size_t n = strcspn(at, "\n");
        if (n == len && memcmp(at, item, n) == 0)
            return true;
        at += n + (at[n] == '\n');
    }
    return false;
}

struct port {
    const char *address;
    int64_t on_host, inside;
    const char *protocol;
};

static int compare_ports(const void *a_, const void *b_)
{
    const struct port *a = a_, *b = b_;
    if (a->inside != b->inside)
        return a->inside < b->inside ? -1 : 1;
    if (a->on_host != b->on_host)
        return a->on_host < b->on_host ? -1 : 1;
    return strcmp(a->protocol, b->protocol);
}

/* "8080->80/tcp", and the address before it where it is one in particular. IPv4 and IPv6 of one
 * publication are one item. */
static void set_ports(struct docker_row *row, struct port *ports, size_t n)
{
    qsort(ports, n, sizeof(ports[0]), compare_ports);
    for (size_t i = 0; i < n; i++) {
        const struct port *port = &ports[i];
        const char *address = port->address != NULL ? port->address : "";
        bool any =
            *address == '\0' || strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
        char item[160];
        snprintf(item, sizeof(item), "%.64s%s%lld->%lld/%.16s", any ? "" : address, any ? "" : ":",
                 (long long)port->on_host, (long long)port->inside, port->protocol);
        if (!list_has(&row->ports, item))
            list_add(&row->ports, "%s", item);
    }
    SET(row->container, CONTAINER, ports, text_of(&row->ports));
}

static void set_networks(struct docker_row *row, json_t *networks)
{
    const char *name;
    json_t *network, *alias;
    size_t i;
    if (!json_is_object(networks))
        return;
    json_object_foreach(networks, name, network)
    {
        const char *address = json_text(network, "IPAddress");
        if (address == NULL || *address == '\0')
            address = json_text(network, "GlobalIPv6Address");
        list_add(&row->networks, "%s", name);
        if (address != NULL && *address != '\0')
            list_add(&row->addresses, "%s=%s", name, address);
        json_array_foreach(json_object_get(network, "Aliases"), i, alias)
        {
            const char *text = json_string_value(alias);
            /* The Engine adds the short id by itself: nobody calls it by that. */
            if (text != NULL && *text != '\0' &&
                strncmp(row->container.e.id, text, strlen(text)) != 0 &&
                !list_has(&row->aliases, text))
                list_add(&row->aliases, "%s", text);
        }
    }
    row->mask |= FIELD_BIT(CONTAINER_networks) | FIELD_BIT(CONTAINER_addresses);
    SET(row->container, CONTAINER, networks, text_of(&row->networks));
    SET(row->container, CONTAINER, addresses, text_of(&row->addresses));
    SET(row->container, CONTAINER, aliases, text_of(&row->aliases));
}

static void set_labels(struct docker_row *row, json_t *labels)
{
    const char *project = json_text(labels, "com.docker.compose.project");
    const char *service = json_text(labels, "com.docker.compose.service");
    if (project != NULL)
        SET(row->container, CONTAINER, project, project);
    if (service != NULL)
        SET(row->container, CONTAINER, service, service);
}

/* The Engine's names begin with a slash; more of them are legacy links. */
static void set_name(struct docker_row *row, const char *name)
{
    if (name != NULL)
        SET(row->container, CONTAINER, name, *name == '/' ? name + 1 : name);
}

/* --- one item of the list */

/* "Up 2 hours (healthy)", "Exited (137) 3 minutes ago": what the list says in words only. */
static void parse_status(struct docker_row *row, const char *status)
{
    const char *brace = status != NULL ? strchr(status, '(') : NULL;
    if (status == NULL)
        return;
    if (brace != NULL && isdigit((unsigned char)brace[1]) &&
        (strncmp(status, "Exited ", 7) == 0 || strncmp(status, "Restarting ", 11) == 0))
        SET(row->container, CONTAINER, exit_code, strtol(brace + 1, NULL, 10));
    if (strncmp(status, "Up ", 3) != 0 || !row->running)
        return;
    if (strstr(status, "(unhealthy)") != NULL)
        SET(row->container, CONTAINER, health, HEALTH_UNHEALTHY);
    else if (strstr(status, "(healthy)") != NULL)
        SET(row->container, CONTAINER, health, HEALTH_HEALTHY);
    else if (strstr(status, "(health: starting)") != NULL)
        SET(row->container, CONTAINER, health, HEALTH_STARTING);
    else if (brace == NULL)
        SET(row->container, CONTAINER, health, HEALTH_NONE);
}

static void parse_item_ports(struct docker_row *row, json_t *list)
{
    struct port ports[PORTS_MAX];
    size_t n = 0, i;
    json_t *item;
    if (!json_is_array(list))
        return;
    json_array_foreach(list, i, item)
    {
        struct port port = {.address = json_text(item, "IP"), .protocol = json_text(item, "Type")};
        if (n < PORTS_MAX && port.protocol != NULL &&
            json_number_is(json_object_get(item, "PublicPort"), &port.on_host) &&
            json_number_is(json_object_get(item, "PrivatePort"), &port.inside))
            ports[n++] = port;
    }
    set_ports(row, ports, n);
}

int docker_parse_item(json_t *item, struct docker_row *ret)
{
    const char *id = json_text(item, "Id");
    int64_t created;
    row_init(ret);
    if (!docker_id_is_valid(id))
        return -EINVAL;
    struct container *container = &ret->container;
    container->e.id = id;
    set_name(ret, json_string_value(json_array_get(json_object_get(item, "Names"), 0)));
    const char *image = json_text(item, "Image"), *command = json_text(item, "Command");
    if (image != NULL)
        SET(*container, CONTAINER, image, image);
    if (command != NULL)
        SET(*container, CONTAINER, command, command);
    if (json_number_is(json_object_get(item, "Created"), &created) && created > 0 &&
        created < INT64_MAX / 1000)
        SET(*container, CONTAINER, created_at, created * 1000);
    set_state(ret, json_text(item, "State"));
    parse_status(ret, json_text(item, "Status"));
    parse_item_ports(ret, json_object_get(item, "Ports"));
    set_labels(ret, json_object_get(item, "Labels"));
    set_networks(ret, json_at(item, "NetworkSettings", "Networks", NULL));
    /* Aliases are in the inspection only. */
    container->e.known &= ~FIELD_BIT(CONTAINER_aliases);
    ret->mask |= container->e.known;
    return 0;
}

/* --- an inspection */

static void parse_inspect_ports(struct docker_row *row, json_t *map)
{
    struct port ports[PORTS_MAX];
    const char *key;
    json_t *bindings, *binding;
    size_t n = 0, i;
    if (!json_is_object(map))
        return;
    json_object_foreach(map, key, bindings)
    {
        const char *slash = strchr(key, '/');
        json_array_foreach(bindings, i, binding)
        {
            const char *on_host = json_text(binding, "HostPort");
            struct port port = {
                .address = json_text(binding, "HostIp"),
                .on_host = on_host != NULL ? strtol(on_host, NULL, 10) : 0,
                .inside = strtol(key, NULL, 10),
                .protocol = slash != NULL ? slash + 1 : "tcp",
            };
            if (n < PORTS_MAX && port.on_host > 0)
                ports[n++] = port;
        }
    }
    set_ports(row, ports, n);
}

static void parse_command(struct docker_row *row, json_t *json)
{
    const char *path = json_text(json, "Path");
    json_t *arg;
    size_t i;
    if (path == NULL)
        return;
    buf_adds(&row->command, path);
    json_array_foreach(json_object_get(json, "Args"), i, arg)
    {
        if (json_is_string(arg))
            buf_addf(&row->command, " %s", json_string_value(arg));
    }
    SET(row->container, CONTAINER, command, text_of(&row->command));
}

static void parse_policy(struct docker_row *row, json_t *policy)
{
    const char *name = json_text(policy, "Name");
    int64_t most = 0;
    if (name == NULL)
        return;
    json_number_is(json_object_get(policy, "MaximumRetryCount"), &most);
    buf_adds(&row->policy, *name != '\0' ? name : "no");
    if (most > 0)
        buf_addf(&row->policy, ":%lld", (long long)most);
    SET(row->container, CONTAINER, restart_policy, text_of(&row->policy));
}

static void parse_health(struct docker_row *row, json_t *health)
{
    json_t *log = json_object_get(health, "Log");
    const char *word = json_text(health, "Status");
    set_health(row, word != NULL ? word : "none");
    row->mask |= FIELD_BIT(CONTAINER_health_output);
    const char *output = json_array_size(log) > 0
                             ? json_text(json_array_get(log, json_array_size(log) - 1), "Output")
                             : NULL;
    if (output == NULL || !row->running)
        return;
    size_t len = strlen(output);
    while (len > 0 && (output[len - 1] == '\n' || output[len - 1] == ' '))
        len--;
    buf_add(&row->output, output, len);
    SET(row->container, CONTAINER, health_output, text_of(&row->output));
}

/* Returns 0, -ENODATA for the Engine's "never", or -EINVAL. */
static int parse_time(struct docker_row *row, json_t *object, const char *name, int64_t *member,
                      int index)
{
    const char *text = json_text(object, name);
    int status = text != NULL ? clock_parse_rfc3339(text, member) : -EINVAL;
    row->mask |= FIELD_BIT(index);
    if (status == 0)
        row->container.e.known |= FIELD_BIT(index);
    return status;
}

static void parse_state(struct docker_row *row, json_t *state)
{
    struct container *container = &row->container;
    int64_t code, pid;
    if (!json_is_object(state))
        return;
    set_state(row, json_text(state, "Status"));
    parse_health(row, json_object_get(state, "Health"));
    parse_time(row, state, "StartedAt", &container->started_at, CONTAINER_started_at);
    int ended_before =
        parse_time(row, state, "FinishedAt", &container->finished_at, CONTAINER_finished_at);
    row->mask |= FIELD_BIT(CONTAINER_pid);
    if (json_number_is(json_object_get(state, "Pid"), &pid) && pid > 0)
        SET(*container, CONTAINER, pid, pid);
    const char *error = json_text(state, "Error");
    if (error != NULL)
        SET(*container, CONTAINER, error, error);
    /* While it runs the Engine has forgotten how its last run ended: it says 0 and false. What an
     * event told of that stays. */
    json_t *oom = json_object_get(state, "OOMKilled");
    bool ended =
        KNOWN(container, CONTAINER_state) && !row->running && container->state != CONTAINER_CREATED;
    if (ended && json_number_is(json_object_get(state, "ExitCode"), &code))
        SET(*container, CONTAINER, exit_code, code);
    if (json_is_boolean(oom) && (ended || json_is_true(oom)))
        SET(*container, CONTAINER, oom_killed, json_is_true(oom));
    else if (json_is_boolean(oom) && ended_before == -ENODATA)
        SET(*container, CONTAINER, oom_killed, false); /* no run of it has ended yet */
}

int docker_parse_inspect(json_t *json, struct docker_row *ret)
{
    const char *id = json_text(json, "Id");
    int64_t number;
    row_init(ret);
    if (!docker_id_is_valid(id))
        return -EINVAL;
    struct container *container = &ret->container;
    container->e.id = id;
    set_name(ret, json_text(json, "Name"));
    const char *image = json_string_value(json_at(json, "Config", "Image", NULL));
    if (image != NULL)
        SET(*container, CONTAINER, image, image);
    parse_time(ret, json, "Created", &container->created_at, CONTAINER_created_at);
    parse_state(ret, json_object_get(json, "State"));
    parse_command(ret, json);
    if (json_number_is(json_object_get(json, "RestartCount"), &number) && number >= 0)
        SET(*container, CONTAINER, restarts, number);
    json_t *config = json_object_get(json, "HostConfig");
    parse_policy(ret, json_object_get(config, "RestartPolicy"));
    ret->mask |= FIELD_BIT(CONTAINER_memory_limit_bytes);
    if (json_number_is(json_object_get(config, "Memory"), &number) && number > 0)
        SET(*container, CONTAINER, memory_limit_bytes, number); /* 0: none, which is no number */
    set_labels(ret, json_at(json, "Config", "Labels", NULL));
    parse_inspect_ports(ret, json_at(json, "NetworkSettings", "Ports", NULL));
    set_networks(ret, json_at(json, "NetworkSettings", "Networks", NULL));
    ret->mask |= container->e.known;
    return 0;
}
