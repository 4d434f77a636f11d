#include "remote/address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int address_number(const char *text, int min, int max, int *ret_number)
{
    if (text[0] < '0' || text[0] > '9')
        return -EINVAL;
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || number < min || number > max)
        return -EINVAL;
    *ret_number = (int)number;
    return 0;
}

int address_split(const char *text, char *ret_host, size_t size, int *ret_port)
{
    const char *host = text;
    const char *colon = strrchr(text, ':');
    if (colon == NULL)
        return -EINVAL;
    size_t len = (size_t)(colon - text);
    if (host[0] == '[') {
        if (len < 3 || host[len - 1] != ']')
            return -EINVAL;
        host++;
        len -= 2;
    } else if (memchr(host, ':', len) != NULL) {
        return -EINVAL; /* an IPv6 address without brackets has no clear port */
    }
    int port;
    if (len == 0 || len >= size || memchr(host, ']', len) != NULL)
        return -EINVAL;
    if (address_number(colon + 1, 1, 65535, &port) < 0)
        return -EINVAL;
    memcpy(ret_host, host, len);
    ret_host[len] = '\0';
    *ret_port = port;
    return 0;
}

static const char *after(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

int address_parse(const char *text, struct address *ret_address, struct error *error)
{
    struct address address = {0};
    const char *rest;
    if ((rest = after(text, "unix:")) != NULL && rest[0] == '/') {
        address.kind = ADDRESS_UNIX;
        address.rest = rest;
    } else if ((rest = after(text, "exec:")) != NULL && rest[0] != '\0') {
        address.kind = ADDRESS_EXEC;
        address.rest = rest;
    } else if ((rest = after(text, "tcp:")) != NULL &&
               address_split(rest, address.host, sizeof(address.host), &address.port) == 0) {
        address.kind = ADDRESS_TCP;
    } else if ((rest = after(text, "docker://")) != NULL &&
               address_split(rest, address.host, sizeof(address.host), &address.port) == 0) {
        address.kind = ADDRESS_DOCKER;
    } else {
        return error_set(error, -EINVAL,
                         "\"%.200s\" is not an address: write tcp:HOST:PORT, unix:/PATH, "
                         "exec:COMMAND or docker://NAME:PORT",
                         text);
    }
    *ret_address = address;
    return 0;
}
