/* Host keys: the known_hosts files, compared as OpenSSH does. Before anything is told to a server
 * that could be used to log in, its key is the one we know, or the operator has accepted it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "remote/known_hosts.h"
#include "remote/ssh.h"

static void known_name(const struct ssh_settings *settings, char *out, size_t size)
{
    const char *name = settings->known_as[0] != '\0' ? settings->known_as : settings->host;
    if (settings->port == 22 || settings->known_as[0] != '\0')
        snprintf(out, size, "%s", name);
    else
        snprintf(out, size, "[%s]:%d", name, settings->port);
}

static int read_known(struct ssh_link *link, struct known_hosts *known, const char *name)
{
    const struct ssh_settings *settings = &link->settings;
    const struct ssh_files *lists[] = {&settings->known_user, &settings->known_global};
    for (size_t i = 0; i < 2; i++) {
        for (int file = 0; file < lists[i]->count; file++) {
            int status = known_hosts_read(known, lists[i]->path[file], name);
            if (status < 0)
                return link_fail(link, status, "cannot read %s: %s", lists[i]->path[file],
                                 strerror(-status));
        }
    }
    return 0;
}

/* Appends to a comma-separated list what is not in it yet. */
static void add_name(char *list, size_t size, const char *name, size_t len)
{
    size_t used = strlen(list);
    for (const char *at = list; *at != '\0'; at += *at == ',') {
        size_t part = strcspn(at, ",");
        if (part == len && memcmp(at, name, len) == 0)
            return;
        at += part;
    }
    if (used + len + 2 < size)
        snprintf(list + used, size - used, "%s%.*s", used > 0 ? "," : "", (int)len, name);
}

/* An RSA key may sign with several algorithms. */
static const char *algorithms_of(ssh_key key)
{
    if (ssh_key_type(key) == SSH_KEYTYPE_RSA)
        return "rsa-sha2-512,rsa-sha2-256";
    return ssh_key_type_to_char(ssh_key_type(key));
}

static void add_names(char *list, size_t size, const char *names)
{
    while (*names != '\0') {
        size_t len = strcspn(names, ",");
        add_name(list, size, names, len);
        names += len + (names[len] == ',');
    }
}

#define HOSTKEYS_DEFAULT                                                                           \
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"                     \
    "rsa-sha2-512,rsa-sha2-256"

int hostkey_prepare(struct ssh_link *link)
{
    const char *allowed = link->settings.hostkeys;
    char name[300], list[sizeof(link->settings.hostkeys) + 256] = "";
    struct known_hosts known = {0};
    known_name(&link->settings, name, sizeof(name));
    int status = read_known(link, &known, name);
    if (allowed[0] == '\0')
        allowed = HOSTKEYS_DEFAULT;
    for (size_t i = 0; i < known.count; i++) {
        if (known.entries[i].marker == KNOWN_PLAIN)
            add_names(list, sizeof(list), algorithms_of(known.entries[i].key));
    }
    add_names(list, sizeof(list), allowed);
    known_hosts_done(&known);
    if (status < 0)
        return status;
    if (ssh_options_set(link->session, SSH_OPTIONS_HOSTKEYS, list) != SSH_OK)
        return link_fail(link, -EINVAL,
                         "HostKeyAlgorithms of your ssh_config cannot be used for %s",
                         link->settings.host);
    return 0;
}

static void fingerprint(ssh_key key, char *out, size_t size)
{
    unsigned char *hash = NULL;
    size_t len = 0;
    char *text = NULL;
    if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &len) == 0)
        text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, len);
    snprintf(out, size, "%s", text != NULL ? text : "(unknown)");
    ssh_string_free_char(text);
    ssh_clean_pubkey_hash(&hash);
}

static int refuse_changed(struct ssh_link *link, ssh_key key, const struct known_host *entry,
                          const char *name)
{
    char now[80], before[80];
    fingerprint(key, now, sizeof(now));
    fingerprint(entry->key, before, sizeof(before));
    link->fatal = true;
    return link_fail(
        link, -EKEYREJECTED,
        "THE HOST KEY OF %s HAS CHANGED: it shows %s %s, but %s:%d has %s %s. Somebody "
        "may be listening in. If the change is known to be right: ssh-keygen -f '%s' "
        "-R '%s'",
        name, ssh_key_type_to_char(ssh_key_type(key)), now, entry->file, entry->line,
        ssh_key_type_to_char(ssh_key_type(entry->key)), before, entry->file, name);
}

static int refuse_revoked(struct ssh_link *link, const struct known_host *entry, const char *name)
{
    link->fatal = true;
    return link_fail(link, -EKEYREVOKED, "the host key of %s is revoked by %s:%d: do not connect",
                     name, entry->file, entry->line);
}

static int record(struct ssh_link *link, ssh_key key, const char *name)
{
    if (link->settings.known_user.count == 0)
        return 0;
    const char *file = link->settings.known_user.path[0];
    int status = known_hosts_add(file, name, key);
    if (status < 0)
        link_notice(link, "Cannot write %s (%s): the key of %s will be asked for again.", file,
                    strerror(-status), name);
    return 0;
}

static int ask_unknown(struct ssh_link *link, ssh_key key, const char *name)
{
    char print[80], answer[16] = "";
    const char *type = ssh_key_type_to_char(ssh_key_type(key));
    struct remote_question question = {.kind = QUESTION_HOST_KEY};
    fingerprint(key, print, sizeof(print));
    text_clean(question.title, sizeof(question.title), "Unknown host key", SIZE_MAX);
    char detail[sizeof(question.detail)];
    snprintf(detail, sizeof(detail),
             "%s is not in %s. It shows the %s key %s. Is that the right one?", name,
             link->settings.known_user.count > 0 ? link->settings.known_user.path[0]
                                                 : "any known_hosts file",
             type, print);
    text_clean(question.detail, sizeof(question.detail), detail, SIZE_MAX);
    int status = link_ask(link, &question, answer, sizeof(answer));
    if (status == -ECANCELED || status == -ECONNRESET)
        return status;
    link->fatal = true;
    if (status == -ENOKEY)
        return link_fail(link, status,
                         "the host key of %s is not known (%s %s), and nobody is there to ask: "
                         "connect once with ssh, or set StrictHostKeyChecking accept-new",
                         name, type, print);
    if (status < 0 || strcmp(answer, "yes") != 0)
        return link_fail(link, -EPERM, "the host key of %s (%s %s) was not accepted", name, type,
                         print);
    link->fatal = false;
    return record(link, key, name);
}

static int meet_unknown(struct ssh_link *link, ssh_key key, const char *name)
{
    char print[80];
    switch (link->settings.strict) {
    case STRICT_YES:
        fingerprint(key, print, sizeof(print));
        link->fatal = true;
        return link_fail(link, -ENOKEY,
                         "the host key of %s is not known (%s %s), and StrictHostKeyChecking yes "
                         "refuses unknown ones: add it to %s",
                         name, ssh_key_type_to_char(ssh_key_type(key)), print,
                         link->settings.known_user.count > 0 ? link->settings.known_user.path[0]
                                                             : "a known_hosts file");
    case STRICT_ASK:
        return ask_unknown(link, key, name);
    case STRICT_ACCEPT_NEW:
    case STRICT_NO:
        break;
    }
    return record(link, key, name);
}

static int compare(struct ssh_link *link, ssh_key key, const struct known_hosts *known,
                   const char *name)
{
    const struct known_host *other = NULL;
    bool found = false;
    for (size_t i = 0; i < known->count; i++) {
        const struct known_host *entry = &known->entries[i];
        bool same = ssh_key_cmp(key, entry->key, SSH_KEY_CMP_PUBLIC) == 0;
        if (entry->marker == KNOWN_REVOKED && same)
            return refuse_revoked(link, entry, name);
        if (entry->marker != KNOWN_PLAIN)
            continue;
        found |= same;
        /* The key of the same type tells most about what changed. */
        if (other == NULL || ssh_key_type(entry->key) == ssh_key_type(key))
            other = entry;
    }
    if (found)
        return 0;
    return other != NULL ? refuse_changed(link, key, other, name) : meet_unknown(link, key, name);
}

int hostkey_check(struct ssh_link *link)
{
    char name[300];
    struct known_hosts known = {0};
    ssh_key key = NULL;
    known_name(&link->settings, name, sizeof(name));
    int status = read_known(link, &known, name);
    if (status == 0 && ssh_get_server_publickey(link->session, &key) != SSH_OK)
        status = link_fail(link, -EPROTO, "%s shows no host key", name);
    if (status == 0)
        status = compare(link, key, &known, name);
    ssh_key_free(key);
    known_hosts_done(&known);
    return status;
}
