/* The names by which a runbook calls containers, turned into addresses on their networks. */
#ifndef COLLECT_RESOLVE_H
#define COLLECT_RESOLVE_H

#include <stddef.h>

#include "base/error.h"

/* A remote_resolve_fn; `model` is a const struct model. The name of a container goes before a
 * network alias, that before a Compose service. Writes the numeric address. Returns 0, or -ENOENT
 * (no such name), -EHOSTUNREACH (it has no address now) with the sentence. */
int collect_resolve(void *model, const char *name, char *ret_host, size_t size,
                    struct error *error);

#endif
