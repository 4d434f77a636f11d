/* OpenSSH's known_hosts files: the keys that a host has in them, with file and line. */
#ifndef REMOTE_KNOWN_HOSTS_H
#define REMOTE_KNOWN_HOSTS_H

#include <libssh/libssh.h>
#include <stddef.h>

enum known_marker {
    KNOWN_PLAIN,
    KNOWN_AUTHORITY, /* @cert-authority: certificates are not supported, so it vouches for nothing
                      */
    KNOWN_REVOKED,
};
struct known_host {
    enum known_marker marker;
    ssh_key key;
    char *file;
    int line; /* from 1 */
};
struct known_hosts {
    struct known_host *entries;
    size_t count;
};

/* Adds what `file` has for `name` ("host", "[host]:port", or a HostKeyAlias; hashed names and
 * patterns match). A file that is not there has nothing. Returns 0 or a negative errno. */
int known_hosts_read(struct known_hosts *known, const char *file, const char *name);
void known_hosts_done(struct known_hosts *known);

/* Appends a line; makes the file (0600) and its directory (0700) where they are missing. */
int known_hosts_add(const char *file, const char *name, ssh_key key);

#endif
