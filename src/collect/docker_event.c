#include "collect/docker_event.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect/docker_parse.h"

/* A number that the Engine writes as text; `unknown` when it is none. */
static int number_of(const char *text, int unknown)
{
    char *end;
    if (text == NULL || *text == '\0')
        return unknown;
    long value = strtol(text, &end, 10);
    return *end == '\0' && value >= 0 && value < 65536 ? (int)value : unknown;
}

int docker_event_parse(json_t *json, struct docker_event *ret)
{
    json_t *attributes = json_at(json, "Actor", "Attributes", NULL);
    json_t *nano = json_object_get(json, "timeNano");
    const char *type = json_text(json, "Type"), *action = json_text(json, "Action");
    const char *name = json_text(attributes, "name");
    if (type == NULL || action == NULL || !json_is_integer(nano))
        return -EINVAL;
    bool is_network = strcmp(type, "network") == 0;
    if (!is_network && strcmp(type, "container") != 0)
        return -EINVAL;
    const char *id = is_network ? json_text(attributes, "container")
                                : json_string_value(json_at(json, "Actor", "ID", NULL));
    if (!is_network && !docker_id_is_valid(id))
        return -EINVAL;
    const char *colon = strstr(action, ": ");
    *ret = (struct docker_event){
        .time_ns = json_integer_value(nano),
        .is_network = is_network,
        .id = docker_id_is_valid(id) ? id : NULL,
        .action = action,
        .argument = colon != NULL ? colon + 2 : "",
        .name = name != NULL ? name : "",
        .old_name = json_text(attributes, "oldName"),
        .exit_code = number_of(json_text(attributes, "exitCode"), -1),
        .signal = number_of(json_text(attributes, "signal"), 0),
    };
    return 0;
}

static bool is(const struct docker_event *event, const char *action)
{
    size_t len = strlen(action);
    return strncmp(event->action, action, len) == 0 &&
           (event->action[len] == '\0' || event->action[len] == ':');
}

static bool say(struct docker_words *ret, enum event_level level, const char *action,
                const char *format, ...) __attribute__((format(printf, 4, 5)));
static bool say(struct docker_words *ret, enum event_level level, const char *action,
                const char *format, ...)
{
    va_list args;
    ret->level = level;
    snprintf(ret->action, sizeof(ret->action), "%s", action);
    va_start(args, format);
    vsnprintf(ret->detail, sizeof(ret->detail), format, args);
    va_end(args);
    return true;
}

/* "TERM", or the number where there is no name. */
static const char *signal_name(int number, char *out, size_t size)
{
    const char *name = sigabbrev_np(number);
    if (name == NULL)
        snprintf(out, size, "%d", number);
    else
        snprintf(out, size, "%s", name);
    return out;
}

void docker_words_exit(int exit_code, bool oom, bool asked, struct docker_words *ret)
{
    char name[16];
    if (exit_code < 0)
        say(ret, EVENT_WARNING, "exited", "%s", oom ? "killed for memory" : "");
    else if (oom)
        say(ret, EVENT_BAD, "exited", "exit code %d, killed for memory", exit_code);
    else if (exit_code > 128 && exit_code < 128 + 65)
        say(ret, asked ? EVENT_WARNING : EVENT_BAD, "exited", "exit code %d%s signal %s", exit_code,
            asked ? " after" : ",", signal_name(exit_code - 128, name, sizeof(name)));
    else
        say(ret,
            exit_code == 0 ? EVENT_INFO
            : asked        ? EVENT_WARNING
                           : EVENT_BAD,
            "exited", "exit code %d%s", exit_code, asked ? " after a signal" : "");
}

void docker_words_unhealthy(const char *output, struct docker_words *ret)
{
    say(ret, EVENT_BAD, "unhealthy", "%.380s", output);
}

void docker_words_restarted(int64_t times, struct docker_words *ret)
{
    static const char *const ends[] = {"th", "st", "nd", "rd"};
    int64_t last = times % 100 >= 11 && times % 100 <= 13 ? 0 : times % 10;
    say(ret, EVENT_WARNING, "restarted", "by its policy, %lld%s time", (long long)times,
        ends[last < 4 ? last : 0]);
}

static bool network_words(const struct docker_event *event, struct docker_words *ret)
{
    if (is(event, "connect"))
        return say(ret, EVENT_INFO, "connected", "to network %.100s", event->name);
    if (is(event, "disconnect"))
        return say(ret, EVENT_WARNING, "disconnected", "from network %.100s", event->name);
    if (is(event, "create"))
        return say(ret, EVENT_INFO, "created", "network");
    if (is(event, "destroy"))
        return say(ret, EVENT_WARNING, "removed", "network");
    return false;
}

static bool health_words(const struct docker_event *event, struct docker_words *ret)
{
    if (strcmp(event->argument, "healthy") == 0)
        return say(ret, EVENT_GOOD, "healthy", "%s", "");
    if (strcmp(event->argument, "unhealthy") != 0)
        return false; /* "running", "starting": a check began */
    docker_words_unhealthy("", ret);
    return true;
}

bool docker_event_words(const struct docker_event *event, struct docker_words *ret)
{
    char name[16];
    *ret = (struct docker_words){0};
    if (event->is_network)
        return network_words(event, ret);
    if (is(event, "health_status"))
        return health_words(event, ret);
    if (is(event, "die")) {
        docker_words_exit(event->exit_code, false, false, ret);
        return true;
    }
    if (is(event, "kill"))
        return say(ret, EVENT_INFO, "signalled", "%s sent to it",
                   signal_name(event->signal, name, sizeof(name)));
    if (is(event, "oom"))
        return say(ret, EVENT_BAD, "out of memory", "a process in it was killed for memory");
    if (is(event, "start"))
        return say(ret, EVENT_INFO, "started", "%s", "");
    if (is(event, "stop"))
        return say(ret, EVENT_INFO, "stopped", "%s", "");
    if (is(event, "restart"))
        return say(ret, EVENT_INFO, "restarted", "by command");
    if (is(event, "create"))
        return say(ret, EVENT_INFO, "created", "%s", "");
    if (is(event, "destroy"))
        return say(ret, EVENT_INFO, "removed", "%s", "");
    if (is(event, "pause"))
        return say(ret, EVENT_WARNING, "paused", "%s", "");
    if (is(event, "unpause"))
        return say(ret, EVENT_INFO, "unpaused", "%s", "");
    if (is(event, "update"))
        return say(ret, EVENT_INFO, "updated", "its limits or restart policy were changed");
    if (is(event, "rename")) {
        const char *old = event->old_name != NULL ? event->old_name : "";
        return say(ret, EVENT_INFO, "renamed", "was %.100s", *old == '/' ? old + 1 : old);
    }
    return false;
}
