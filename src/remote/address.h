/* Addresses of streams: "tcp:HOST:PORT" (IPv6 in brackets), "unix:/PATH", "exec:COMMAND" and
 * "docker://NAME:PORT". */
#ifndef REMOTE_ADDRESS_H
#define REMOTE_ADDRESS_H

#include <stddef.h>

#include "base/error.h"

enum address_kind {
    ADDRESS_TCP,
    ADDRESS_UNIX,
    ADDRESS_EXEC,
    ADDRESS_DOCKER, /* `host` is a container's name: to be resolved before use */
};
struct address {
    enum address_kind kind;
    char host[256];   /* ADDRESS_TCP, without brackets; ADDRESS_DOCKER */
    int port;         /* ADDRESS_TCP and ADDRESS_DOCKER, 1..65535 */
    const char *rest; /* ADDRESS_UNIX: the path, ADDRESS_EXEC: the command; points into the text */
};

/* Returns 0, or -EINVAL with the sentence and `ret_address` untouched. */
int address_parse(const char *text, struct address *ret_address, struct error *error);

/* Splits "HOST:PORT" or "[HOST]:PORT"; a colon is needed. Returns 0 or -EINVAL. */
int address_split(const char *text, char *ret_host, size_t size, int *ret_port);

/* A whole decimal number within min..max; -EINVAL for anything else. */
int address_number(const char *text, int min, int max, int *ret_number);

#endif
