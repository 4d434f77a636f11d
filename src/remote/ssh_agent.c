/* Keys of the agent. libssh asks the agent itself, and waits for it inline: it is given one end of
 * a socketpair, and a thread of ours relays to the real agent. So a wait can be ended (an agent may
 * wait for a touch), and of the list of keys only those go on that may be used, the configured ones
 * first. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "remote/ssh.h"

#define AGENT_MAX (256 * 1024) /* OpenSSH's own limit of a message */
#define AGENT_IDENTITIES 12    /* SSH_AGENT_IDENTITIES_ANSWER */
#define AGENT_STACK (128 * 1024)
#define AGENT_TIMEOUT_S 120
#define AGENT_QUIET_MS 1500

struct blob {
    char *data; /* without its length */
    size_t len;
};
struct relay {
    struct ssh_link *link; /* for a notice only */
    int libssh_fd;         /* our end */
    int agent_fd;
    bool only_known; /* IdentitiesOnly */
    struct blob known[SSH_SETTINGS_FILES];
    int known_count;
    int offered;
};

static int read_all(int fd, char *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t got = read(fd, data + done, len - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -EPIPE;
        done += (size_t)got;
    }
    return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t put = send(fd, data + done, len - done, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return -EPIPE;
        done += (size_t)put;
    }
    return 0;
}

static uint32_t get_u32(const char *data)
{
    uint32_t value;
    memcpy(&value, data, sizeof(value));
    return be32toh(value);
}

static void put_u32(char *data, uint32_t value)
{
    value = htobe32(value);
    memcpy(data, &value, sizeof(value));
}

/* Takes a length-prefixed string off the front. */
static int take_string(const char **data, size_t *len, const char **ret_string, size_t *ret_len)
{
    if (*len < 4 || get_u32(*data) > *len - 4)
        return -EBADMSG;
    *ret_string = *data + 4;
    *ret_len = get_u32(*data);
    *data += 4 + *ret_len;
    *len -= 4 + *ret_len;
    return 0;
}

static bool is_known(const struct relay *relay, const char *key, size_t len)
{
    for (int i = 0; i < relay->known_count; i++) {
        if (relay->known[i].len == len && memcmp(relay->known[i].data, key, len) == 0)
            return true;
    }
    return false;
}

/* Copies the keys that are configured, or the others, to `out`. Returns how many. */
static int copy_keys(const struct relay *relay, const char *data, size_t len, bool known, char *out,
                     size_t *used)
{
    int count = 0;
    while (len > 0) {
        const char *start = data, *key, *comment;
        size_t key_len, comment_len;
        if (take_string(&data, &len, &key, &key_len) < 0 ||
            take_string(&data, &len, &comment, &comment_len) < 0)
            break;
        if (is_known(relay, key, key_len) != known)
            continue;
        memcpy(out + *used, start, (size_t)(data - start));
        *used += (size_t)(data - start);
        count++;
    }
    return count;
}

/* Rewrites a list of keys in place: its size never grows. Returns the new length. */
static size_t filter(struct relay *relay, char *message, size_t len)
{
    if (len < 5 || message[0] != AGENT_IDENTITIES)
        return len;
    char *out = malloc(len);
    if (out == NULL)
        return len;
    size_t used = 5;
    int count = copy_keys(relay, message + 5, len - 5, true, out, &used);
    if (!relay->only_known)
        count += copy_keys(relay, message + 5, len - 5, false, out, &used);
    out[0] = AGENT_IDENTITIES;
    put_u32(out + 1, (uint32_t)count);
    memcpy(message, out, used);
    free(out);
    relay->offered = count;
    return used;
}

/* One message from one side to the other. */
static int pass(struct relay *relay, int from, int to, bool answer)
{
    char size[4];
    if (read_all(from, size, sizeof(size)) < 0)
        return -EPIPE;
    size_t len = get_u32(size);
    if (len == 0 || len > AGENT_MAX)
        return -EBADMSG;
    char *message = malloc(len);
    if (message == NULL)
        return -ENOMEM;
    int status = read_all(from, message, len);
    if (status == 0 && answer)
        len = filter(relay, message, len);
    put_u32(size, (uint32_t)len);
    if (status == 0)
        status = write_all(to, size, sizeof(size));
    if (status == 0)
        status = write_all(to, message, len);
    free(message);
    return status;
}

static void await_agent(struct relay *relay)
{
    struct pollfd fd = {.fd = relay->agent_fd, .events = POLLIN};
    if (poll(&fd, 1, AGENT_QUIET_MS) == 0)
        link_notice(relay->link,
                    "Waiting for the SSH agent: it may want a touch, or to be unlocked.");
}

static void *relay_main(void *arg)
{
    struct relay *relay = arg;
    while (pass(relay, relay->libssh_fd, relay->agent_fd, false) == 0) {
        await_agent(relay);
        if (pass(relay, relay->agent_fd, relay->libssh_fd, true) < 0)
            break;
    }
    shutdown(relay->libssh_fd, SHUT_RDWR); /* libssh must not wait for more */
    return NULL;
}

static int base64_value(char ch)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = ch != '\0' ? strchr(digits, ch) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* The key as it stands in the agent's list. */
static struct blob decode(const char *base64)
{
    struct blob blob = {.data = malloc(strlen(base64) + 1)};
    uint32_t bits = 0;
    int count = 0, value;
    for (; blob.data != NULL && (value = base64_value(*base64)) >= 0; base64++) {
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            blob.data[blob.len++] = (char)(bits >> count & 0xff);
        }
    }
    return blob;
}

/* The public halves of the configured identity files. */
static void load_known(struct relay *relay, const struct ssh_files *files)
{
    for (int i = 0; i < files->count; i++) {
        char path[SSH_SETTINGS_PATH + 8];
        ssh_key key = NULL;
        char *base64 = NULL;
        snprintf(path, sizeof(path), "%s.pub", files->path[i]);
        if (ssh_pki_import_pubkey_file(path, &key) != SSH_OK &&
            ssh_pki_import_pubkey_file(files->path[i], &key) != SSH_OK)
            continue;
        if (ssh_pki_export_pubkey_base64(key, &base64) == SSH_OK)
            relay->known[relay->known_count++] = decode(base64);
        ssh_string_free_char(base64);
        ssh_key_free(key);
    }
}

static int connect_agent(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(name.sun_path))
        return -ENAMETOOLONG;
    memcpy(name.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0) {
        int status = -errno;
        close(fd);
        return status;
    }
    return fd;
}

static int step_agent(struct ssh_link *link, void *arg)
{
    (void)arg;
    return ssh_userauth_agent(link->session, NULL);
}

/* From here on ssh_stop() may end the waiting. */
static bool publish(struct ssh_door *door, int fd)
{
    pthread_mutex_lock(&door->lock);
    door->agent_fd = fd;
    bool stopped = door->stop;
    pthread_mutex_unlock(&door->lock);
    return !stopped;
}

static int run(struct ssh_link *link, struct relay *relay)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return SSH_AUTH_DENIED;
    relay->libssh_fd = pair[0];
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, AGENT_STACK);
    int failed = pthread_create(&thread, &attr, relay_main, relay);
    pthread_attr_destroy(&attr);
    if (failed != 0) {
        close(pair[0]);
        close(pair[1]);
        return SSH_AUTH_DENIED;
    }
    int status = -ECANCELED;
    ssh_set_agent_socket(link->session, pair[1]); /* libssh closes it with the session */
    if (publish(link->door, relay->libssh_fd))
        status = link_step(link, step_agent, NULL, AGENT_TIMEOUT_S * 1000);
    if (!publish(link->door, -1))
        status = -ECANCELED;
    shutdown(relay->libssh_fd, SHUT_RDWR);
    shutdown(relay->agent_fd, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(relay->libssh_fd);
    return status;
}

int agent_login(struct ssh_link *link, int *ret_keys)
{
    struct relay relay = {.link = link, .only_known = link->settings.identities_only};
    struct timeval patience = {.tv_sec = AGENT_TIMEOUT_S};
    relay.agent_fd = connect_agent(link->settings.agent);
    *ret_keys = 0;
    if (relay.agent_fd < 0)
        return SSH_AUTH_DENIED; /* no agent is no error */
    setsockopt(relay.agent_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    load_known(&relay, &link->settings.identities);
    int status = run(link, &relay);
    *ret_keys = relay.offered;
    close(relay.agent_fd);
    for (int i = 0; i < relay.known_count; i++)
        free(relay.known[i].data);
    return status;
}
