/* Who a destination is: ssh_config as OpenSSH itself reads it, through `ssh -G`. */
#ifndef REMOTE_SSH_CONFIG_H
#define REMOTE_SSH_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define SSH_SETTINGS_FILES 16
#define SSH_SETTINGS_PATH 512

enum ssh_strict {
    STRICT_ASK,
    STRICT_YES,
    STRICT_ACCEPT_NEW,
    STRICT_NO,
};
struct ssh_files {
    int count;
    char path[SSH_SETTINGS_FILES][SSH_SETTINGS_PATH];
};
struct ssh_settings {
    char alias[256]; /* the destination's host part, as it was typed */
    char host[256];  /* HostName */
    char user[128];
    int port;
    char known_as[256]; /* HostKeyAlias, or "" */
    int connect_timeout_ms;
    int family; /* AF_UNSPEC, AF_INET, AF_INET6 */
    bool batch;
    bool identities_only;
    bool pubkey, password, interactive; /* allowed methods */
    int prompts;                        /* tries of a password */
    bool compression;
    char agent[SSH_SETTINGS_PATH]; /* the agent's socket, "" = none */
    struct ssh_files identities;
    struct ssh_files known_user, known_global;
    enum ssh_strict strict;
    char ciphers[1024], macs[1024], kex[1024], hostkeys[2048], pubkeys[2048];
    char unsupported[256]; /* "ControlMaster, CertificateFile": set, harmless, without effect */
    char proxy[64];        /* "ProxyJump" or "ProxyCommand": set, and needed */
};

/* Reads the output of `ssh -G`, which is changed. Unknown lines are skipped. Returns 0 or -EINVAL
 * with the sentence. */
int ssh_settings_parse(struct ssh_settings *settings, char *output, struct error *error);
/* Where there is no `ssh` program: [ssh://][user@]host[:port] and OpenSSH's defaults. */
int ssh_settings_default(struct ssh_settings *settings, const char *target, struct error *error);

#endif
