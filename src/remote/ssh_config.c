#include "remote/ssh_config.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "remote/address.h"

#define CONNECT_TIMEOUT_S 10
#define PROMPTS 3

static void copy(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text);
}

static bool is_on(const char *value)
{
    return strcmp(value, "yes") == 0 || strcmp(value, "true") == 0;
}

static const char *home(void)
{
    const struct passwd *user;
    const char *dir = getenv("HOME");
    if (dir == NULL && (user = getpwuid(getuid())) != NULL)
        dir = user->pw_dir;
    return dir != NULL ? dir : "/";
}

static const char *local_user(void)
{
    const struct passwd *user = getpwuid(getuid());
    return user != NULL ? user->pw_name : "";
}

/* `ssh -G` leaves ~ and the tokens of IdentityFile, IdentityAgent and the like unexpanded. */
static int expand(const struct ssh_settings *settings, const char *text, char *out, size_t size)
{
    struct {
        char token;
        const char *value;
    } tokens[] = {{'%', "%"},
                  {'d', home()},
                  {'h', settings->host},
                  {'n', settings->alias},
                  {'r', settings->user},
                  {'u', local_user()},
                  {'k', settings->known_as[0] ? settings->known_as : settings->alias}};
    size_t len = 0;
    if (text[0] == '~' && (text[1] == '/' || text[1] == '\0')) {
        len = (size_t)snprintf(out, size, "%s", home());
        text++;
    }
    for (; *text != '\0' && len < size; text++) {
        if (*text != '%') {
            out[len++] = *text;
            continue;
        }
        text++;
        const char *value = NULL;
        char number[16];
        for (size_t i = 0; i < sizeof(tokens) / sizeof(*tokens); i++) {
            if (tokens[i].token == *text)
                value = tokens[i].value;
        }
        snprintf(number, sizeof(number), "%d", *text == 'p' ? settings->port : (int)getuid());
        if (*text == 'p' || *text == 'i')
            value = number;
        if (value == NULL)
            return -EINVAL;
        len += (size_t)snprintf(out + len, size - len, "%s", value);
    }
    if (len >= size)
        return -ENAMETOOLONG;
    out[len] = '\0';
    return 0;
}

static void add_file(const struct ssh_settings *settings, struct ssh_files *files, const char *path)
{
    if (files->count < SSH_SETTINGS_FILES && strcmp(path, "none") != 0 &&
        expand(settings, path, files->path[files->count], SSH_SETTINGS_PATH) == 0)
        files->count++;
}

/* Several names on one line; one with blanks in it stands in quotes. */
static void add_files(const struct ssh_settings *settings, struct ssh_files *files, char *value)
{
    while (*value != '\0') {
        const char *stop = *value == '"' ? "\"" : " ";
        value += *value == '"';
        size_t len = strcspn(value, stop);
        char *next = value + len + (value[len] != '\0');
        value[len] = '\0';
        if (len > 0)
            add_file(settings, files, value);
        value = next;
    }
}

static void parse_strict(struct ssh_settings *settings, const char *value)
{
    if (is_on(value))
        settings->strict = STRICT_YES;
    else if (strcmp(value, "accept-new") == 0)
        settings->strict = STRICT_ACCEPT_NEW;
    else if (strcmp(value, "ask") == 0)
        settings->strict = STRICT_ASK;
    else
        settings->strict = STRICT_NO;
}

/* Options that change how OpenSSH connects and that have no effect here, with the value that means
 * "not set". Those that Debian sets for everyone (GSSAPI, SendEnv) are not worth a word. */
static const struct {
    const char *key, *name, *off;
} unsupported[] = {
    {"controlmaster", "ControlMaster", "false"},
    {"certificatefile", "CertificateFile", "none"},
    {"knownhostscommand", "KnownHostsCommand", "none"},
    {"bindaddress", "BindAddress", "none"},
    {"bindinterface", "BindInterface", "none"},
    {"pkcs11provider", "PKCS11Provider", "none"},
    {"verifyhostkeydns", "VerifyHostKeyDNS", "false"},
    {"remotecommand", "RemoteCommand", "none"},
    {"localforward", "LocalForward", "none"},
    {"remoteforward", "RemoteForward", "none"},
    {"dynamicforward", "DynamicForward", "none"},
};

static void parse_unsupported(struct ssh_settings *settings, const char *key, const char *value)
{
    for (size_t i = 0; i < sizeof(unsupported) / sizeof(*unsupported); i++) {
        if (strcmp(key, unsupported[i].key) != 0 || strcmp(value, unsupported[i].off) == 0 ||
            strcmp(value, "no") == 0 || strstr(settings->unsupported, unsupported[i].name) != NULL)
            continue;
        size_t len = strlen(settings->unsupported);
        snprintf(settings->unsupported + len, sizeof(settings->unsupported) - len, "%s%s",
                 len > 0 ? ", " : "", unsupported[i].name);
    }
}

static void parse_switch(struct ssh_settings *settings, const char *key, const char *value)
{
    const struct {
        const char *key;
        bool *flag;
    } switches[] = {
        {"batchmode", &settings->batch},
        {"identitiesonly", &settings->identities_only},
        {"pubkeyauthentication", &settings->pubkey},
        {"passwordauthentication", &settings->password},
        {"kbdinteractiveauthentication", &settings->interactive},
        {"compression", &settings->compression},
    };
    for (size_t i = 0; i < sizeof(switches) / sizeof(*switches); i++) {
        if (strcmp(key, switches[i].key) == 0)
            *switches[i].flag = strcmp(value, "no") != 0 && strcmp(value, "false") != 0;
    }
}

static void parse_text(struct ssh_settings *settings, const char *key, const char *value)
{
    const struct {
        const char *key;
        char *out;
        size_t size;
    } texts[] = {
        {"host", settings->alias, sizeof(settings->alias)},
        {"hostname", settings->host, sizeof(settings->host)},
        {"user", settings->user, sizeof(settings->user)},
        {"hostkeyalias", settings->known_as, sizeof(settings->known_as)},
        {"ciphers", settings->ciphers, sizeof(settings->ciphers)},
        {"macs", settings->macs, sizeof(settings->macs)},
        {"kexalgorithms", settings->kex, sizeof(settings->kex)},
        {"hostkeyalgorithms", settings->hostkeys, sizeof(settings->hostkeys)},
        {"pubkeyacceptedalgorithms", settings->pubkeys, sizeof(settings->pubkeys)},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        if (strcmp(key, texts[i].key) == 0)
            copy(texts[i].out, texts[i].size, value);
    }
}

/* A list of methods: those it leaves out are not to be used. Its order is not followed. */
static void parse_preferred(struct ssh_settings *settings, const char *value)
{
    settings->pubkey &= strstr(value, "publickey") != NULL;
    settings->interactive &= strstr(value, "keyboard-interactive") != NULL;
    settings->password &= strstr(value, "password") != NULL;
}

static void parse_value(struct ssh_settings *settings, const char *key, const char *value)
{
    int seconds;
    if (strcmp(key, "port") == 0)
        address_number(value, 1, 65535, &settings->port);
    else if (strcmp(key, "connecttimeout") == 0 && address_number(value, 1, 3600, &seconds) == 0)
        settings->connect_timeout_ms = seconds * 1000;
    else if (strcmp(key, "addressfamily") == 0)
        settings->family = strcmp(value, "inet") == 0    ? AF_INET
                           : strcmp(value, "inet6") == 0 ? AF_INET6
                                                         : AF_UNSPEC;
    else if (strcmp(key, "numberofpasswordprompts") == 0)
        address_number(value, 1, 100, &settings->prompts);
    else if (strcmp(key, "stricthostkeychecking") == 0)
        parse_strict(settings, value);
    else if (strcmp(key, "proxyjump") == 0 && strcmp(value, "none") != 0)
        copy(settings->proxy, sizeof(settings->proxy), "ProxyJump");
    else if (strcmp(key, "proxycommand") == 0 && strcmp(value, "none") != 0)
        copy(settings->proxy, sizeof(settings->proxy), "ProxyCommand");
}

/* Values that may hold tokens: read once host, user and port are known. */
static void parse_path(struct ssh_settings *settings, const char *key, char *value, bool *has_agent)
{
    if (strcmp(key, "identityfile") == 0) {
        add_file(settings, &settings->identities, value);
    } else if (strcmp(key, "userknownhostsfile") == 0) {
        add_files(settings, &settings->known_user, value);
    } else if (strcmp(key, "globalknownhostsfile") == 0) {
        add_files(settings, &settings->known_global, value);
    } else if (strcmp(key, "identityagent") == 0) {
        const char *path = value;
        if (strcmp(value, "SSH_AUTH_SOCK") == 0)
            path = getenv("SSH_AUTH_SOCK");
        else if (value[0] == '$')
            path = getenv(value + 1);
        *has_agent = true;
        settings->agent[0] = '\0';
        if (path != NULL && strcmp(path, "none") != 0 &&
            expand(settings, path, settings->agent, sizeof(settings->agent)) < 0)
            settings->agent[0] = '\0';
    }
}

static void set_defaults(struct ssh_settings *settings)
{
    *settings = (struct ssh_settings){
        .port = 22,
        .connect_timeout_ms = CONNECT_TIMEOUT_S * 1000,
        .family = AF_UNSPEC,
        .pubkey = true,
        .password = true,
        .interactive = true,
        .prompts = PROMPTS,
    };
}

static void take_agent(struct ssh_settings *settings)
{
    const char *agent = getenv("SSH_AUTH_SOCK");
    copy(settings->agent, sizeof(settings->agent), agent != NULL ? agent : "");
}

int ssh_settings_parse(struct ssh_settings *settings, char *output, struct error *error)
{
    set_defaults(settings);
    bool has_agent = false;
    /* Twice over the lines: the paths at the second time, as their tokens need the rest. */
    for (char *line = output; *line != '\0';) {
        char *next = line + strcspn(line, "\n");
        bool more = *next != '\0';
        *next = '\0';
        char *value = strchr(line, ' ');
        if (value != NULL) {
            *value++ = '\0';
            parse_text(settings, line, value);
            parse_value(settings, line, value);
            parse_switch(settings, line, value);
            parse_unsupported(settings, line, value);
            value[-1] = ' ';
        }
        *next = more ? '\n' : '\0';
        line = next + more;
    }
    for (char *line = output; *line != '\0';) {
        char *next = line + strcspn(line, "\n");
        bool more = *next != '\0';
        *next = '\0';
        char *value = strchr(line, ' ');
        if (value != NULL) {
            *value++ = '\0';
            parse_path(settings, line, value, &has_agent);
            if (strcmp(line, "preferredauthentications") == 0)
                parse_preferred(settings, value);
        }
        line = next + more;
    }
    if (settings->alias[0] == '\0')
        copy(settings->alias, sizeof(settings->alias), settings->host);
    if (!has_agent)
        take_agent(settings);
    if (settings->host[0] == '\0' || settings->user[0] == '\0')
        return error_set(error, -EINVAL, "`ssh -G` names no host: is your ssh_config right?");
    return 0;
}

static int parse_target(struct ssh_settings *settings, const char *target)
{
    char text[512];
    if (strncmp(target, "ssh://", 6) == 0)
        target += 6;
    if ((size_t)snprintf(text, sizeof(text), "%s", target) >= sizeof(text))
        return -ENAMETOOLONG;
    text[strcspn(text, "/")] = '\0';
    char *host = strrchr(text, '@');
    if (host != NULL) {
        *host++ = '\0';
        copy(settings->user, sizeof(settings->user), text);
    } else {
        host = text;
        copy(settings->user, sizeof(settings->user), local_user());
    }
    if (address_split(host, settings->host, sizeof(settings->host), &settings->port) < 0) {
        if (host[0] == '[' || strlen(host) >= sizeof(settings->host))
            return -EINVAL;
        copy(settings->host, sizeof(settings->host), host);
    }
    copy(settings->alias, sizeof(settings->alias), settings->host);
    return settings->host[0] != '\0' && settings->user[0] != '\0' ? 0 : -EINVAL;
}

int ssh_settings_default(struct ssh_settings *settings, const char *target, struct error *error)
{
    set_defaults(settings);
    int status = parse_target(settings, target);
    if (status < 0)
        return error_set(error, status, "\"%.200s\" is not a destination: write [user@]host[:port]",
                         target);
    take_agent(settings);
    add_file(settings, &settings->identities, "~/.ssh/id_rsa");
    add_file(settings, &settings->identities, "~/.ssh/id_ecdsa");
    add_file(settings, &settings->identities, "~/.ssh/id_ed25519");
    add_file(settings, &settings->known_user, "~/.ssh/known_hosts");
    add_file(settings, &settings->known_global, "/etc/ssh/ssh_known_hosts");
    return 0;
}
