/* The Engine's events, and how they read in words. Pure: no I/O. */
#ifndef COLLECT_DOCKER_EVENT_H
#define COLLECT_DOCKER_EVENT_H

#include <jansson.h>

#include "model/entities.h"

/* One event. Texts belong to the JSON. */
struct docker_event {
    int64_t time_ns;    /* unix, by the host's clock */
    bool is_network;    /* else of a container */
    const char *id;     /* of the container, also in a network's connect and disconnect; or NULL */
    const char *action; /* "die" */
    const char *argument; /* "unhealthy" of "health_status: unhealthy", else "" */
    const char *name;     /* of the container or network, "" when not said */
    const char *old_name; /* rename: the name before */
    int exit_code;        /* die: else -1 */
    int signal;           /* kill: else 0 */
};

/* Returns 0, or -EINVAL for what is no event of a container or a network. */
int docker_event_parse(json_t *json, struct docker_event *ret);

/* What the words of an event consist of, apart from its time and subject. */
struct docker_words {
    enum event_level level;
    char action[32];
    char detail[400];
};

/* False when the event is not worth a line. */
bool docker_event_words(const struct docker_event *event, struct docker_words *ret);

/* These know more than the event itself says. `oom`: killed for memory; `asked`: somebody had sent
 * it a signal; `output`: what its health check printed; `times`: restarts by its policy so far. */
void docker_words_exit(int exit_code, bool oom, bool asked, struct docker_words *ret);
void docker_words_unhealthy(const char *output, struct docker_words *ret);
void docker_words_restarted(int64_t times, struct docker_words *ret);

#endif
