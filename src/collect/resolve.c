#include "collect/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/model.h"

static bool list_has(const char *list, const char *item)
{
    size_t len = strlen(item);
    while (list != NULL && *list != '\0') {
        size_t n = strcspn(list, "\n");
        if (n == len && memcmp(list, item, n) == 0)
            return true;
        list += n + (list[n] == '\n');
    }
    return false;
}

/* 0: does not bear the name; else the better the greater. One that runs is better than one not. */
static int match(const struct container *container, const char *name)
{
    int score = 0;
    if (KNOWN(container, CONTAINER_name) && strcmp(container->name, name) == 0)
        score = 6;
    else if (KNOWN(container, CONTAINER_aliases) && list_has(container->aliases, name))
        score = 4;
    else if (KNOWN(container, CONTAINER_service) && strcmp(container->service, name) == 0)
        score = 2;
    bool runs = KNOWN(container, CONTAINER_state) && container->state == CONTAINER_RUNNING;
    return score > 0 ? score + runs : 0;
}

/* The first address of "network=address\n...". */
static bool first_address(const struct container *container, char *out, size_t size)
{
    unsigned char binary[16];
    const char *list = KNOWN(container, CONTAINER_addresses) ? container->addresses : "";
    const char *equals = strchr(list, '=');
    if (equals == NULL) { /* on the host's own network it answers where the host does */
        bool on_host =
            KNOWN(container, CONTAINER_networks) && list_has(container->networks, "host");
        return on_host && snprintf(out, size, "127.0.0.1") > 0;
    }
    int len = (int)strcspn(equals + 1, "\n");
    int n = snprintf(out, size, "%.*s", len, equals + 1);
    return n > 0 && (size_t)n < size &&
           (inet_pton(AF_INET, out, binary) == 1 || inet_pton(AF_INET6, out, binary) == 1);
}

int collect_resolve(void *ctx, const char *name, char *ret_host, size_t size, struct error *error)
{
    const struct model *model = ctx;
    const struct container *best = NULL;
    char host[64];
    int best_score = 0;
    for (size_t i = 0; i < model_count(model, KIND_CONTAINER); i++) {
        const struct container *container =
            (const struct container *)model_at(model, KIND_CONTAINER, i);
        int score = match(container, name);
        if (score > best_score) {
            best = container;
            best_score = score;
        }
    }
    if (best == NULL)
        return error_set(error, -ENOENT, "No container, network alias or service is named %s.",
                         name);
    if (!first_address(best, host, sizeof(host)))
        return error_set(error, -EHOSTUNREACH,
                         "The container %s has no address on a network: does it run?",
                         KNOWN(best, CONTAINER_name) ? best->name : name);
    if ((size_t)snprintf(ret_host, size, "%s", host) >= size)
        return error_set(error, -ENOBUFS, "The address of %s is too long.", name);
    return 0;
}
