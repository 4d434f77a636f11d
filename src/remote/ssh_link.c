/* The session's thread: from a destination to a logged-in session, serving its channels until it
 * dies, and again. All libssh calls of a session are made here; libssh runs non-blocking. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "remote/ssh.h"

#define BACKOFF_FIRST_MS 200
#define BACKOFF_MAX_MS 3000
/* A request for the round trip each second; a link that is silent for the other time while one is
 * open is dead: noticed within 5 s. */
#define PING_US (1000 * 1000)
#define SILENCE_US (4 * 1000 * 1000)
/* libssh reads 4 KiB a turn; so many turns before the channels have their say. */
#define FEED_TURNS 64
#define FEED_CHUNK 4096

int link_fail(struct ssh_link *link, int code, const char *format, ...)
{
    char text[sizeof(link->error.text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return error_set(&link->error, code, "%s", text);
}

void link_notice(struct ssh_link *link, const char *format, ...)
{
    char raw[512], text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof(raw), format, args);
    va_end(args);
    text_clean(text, sizeof(text), raw, SIZE_MAX);
    door_send(link->door, note_new(NOTE_NOTICE, 0, text));
}

static void write_address(const struct ssh_link *link, char *out, size_t size)
{
    const struct ssh_settings *settings = &link->settings;
    char text[512];
    if (!link->configured)
        snprintf(text, sizeof(text), "%s", link->target);
    else if (strchr(settings->host, ':') != NULL)
        snprintf(text, sizeof(text), "%s@[%s]:%d", settings->user, settings->host, settings->port);
    else
        snprintf(text, sizeof(text), "%s@%s:%d", settings->user, settings->host, settings->port);
    text_clean(out, size, text, SIZE_MAX);
}

const char *link_reason(const struct ssh_link *link)
{
    const char *reason = ssh_get_error(link->session);
    return reason[0] != '\0' ? reason : "no reason given";
}

static void send_state(struct ssh_link *link, enum remote_state state, int64_t retry_at)
{
    struct ssh_note *note = note_new(NOTE_STATE, 0, NULL);
    if (note == NULL)
        return;
    note->status =
        (struct remote_status){.state = state, .retry_at = retry_at, .attempts = link->attempts};
    if (state == REMOTE_LOST || state == REMOTE_STOPPED)
        note->status.error = link->error;
    write_address(link, note->status.address, sizeof(note->status.address));
    door_send(link->door, note);
}

int link_poll(struct ssh_link *link, struct pollfd *fds, nfds_t count, int64_t deadline)
{
    fds[0] = (struct pollfd){.fd = link->door->wake_fd, .events = POLLIN};
    for (;;) {
        int64_t left = deadline - clock_mono_ms();
        int ready = poll(fds, count, left < 0 ? 0 : left > 60000 ? 60000 : (int)left);
        if (fds[0].revents != 0) {
            uint64_t value;
            ssize_t ignored = read(link->door->wake_fd, &value, sizeof(value));
            (void)ignored;
            if (door_stopped(link->door))
                return -ECANCELED;
        }
        if (ready != 0 || clock_mono_ms() >= deadline)
            return ready < 0 ? 0 : ready;
    }
}

bool link_congested(struct ssh_link *link)
{
    return (ssh_get_poll_flags(link->session) & SSH_WRITE_PENDING) != 0;
}

/* sshd switches Nagle's algorithm off with its first session channel only: until then its small
 * answers wait for our acknowledgements, which Linux likes to hold back for 40 ms. The option does
 * not last, so it is set at each turn. */
static void acknowledge(struct ssh_link *link)
{
    int on = 1;
    if (!link->settled)
        setsockopt(ssh_get_fd(link->session), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static struct pollfd link_pollfd(struct ssh_link *link)
{
    short events = link_congested(link) ? POLLIN | POLLOUT : POLLIN;
    return (struct pollfd){.fd = ssh_get_fd(link->session), .events = events};
}

int link_wait(struct ssh_link *link, int64_t deadline)
{
    struct pollfd fds[2] = {{0}, link_pollfd(link)};
    acknowledge(link);
    int ready = link_poll(link, fds, 2, deadline);
    if (ready < 0)
        return ready;
    return ready == 0 ? -ETIMEDOUT : 0;
}

int link_feed(struct ssh_link *link)
{
    for (int i = 0; i < FEED_TURNS && ssh_is_connected(link->session); i++) {
        uint64_t before = link->counter.in_bytes;
        int status = ssh_event_dopoll(link->event, 0);
        if (status == SSH_AGAIN || link->counter.in_bytes - before < FEED_CHUNK)
            break;
    }
    acknowledge(link);
    return ssh_is_connected(link->session) ? 0 : -ECONNRESET;
}

int link_step(struct ssh_link *link, ssh_step_fn *step, void *arg, int timeout_ms)
{
    int64_t deadline = clock_mono_ms() + timeout_ms;
    for (;;) {
        int status = step(link, arg);
        if (status != SSH_AUTH_AGAIN)
            return status;
        int waited = link_wait(link, deadline);
        if (waited < 0)
            return link_fail(link, waited, "%s did not answer the login for %d s",
                             link->settings.host, timeout_ms / 1000);
    }
}

int link_ask(struct ssh_link *link, const struct remote_question *question, char *ret_answer,
             size_t size)
{
    struct ssh_door *door = link->door;
    if (link->batch || link->settings.batch)
        return -ENOKEY;
    struct ssh_note *note = note_new(NOTE_QUESTION, 0, NULL);
    if (note == NULL)
        return -ENOMEM;
    note->question = *question;
    pthread_mutex_lock(&door->lock);
    door->asking = true;
    door->answered = false;
    pthread_mutex_unlock(&door->lock);
    door_send(door, note);
    int status = 0;
    bool answered = false;
    char *answer = NULL;
    while (status == 0 && !answered) {
        status = link_wait(link, INT64_MAX);
        if (status == 0)
            status = link_feed(link);
        pthread_mutex_lock(&door->lock);
        answered = door->answered;
        answer = door->answer;
        if (answered || status < 0) {
            door->asking = false;
            door->answer = NULL;
        }
        pthread_mutex_unlock(&door->lock);
    }
    if (status == 0 && answer == NULL)
        status = -EPERM;
    if (status == 0)
        snprintf(ret_answer, size, "%s", answer);
    else if (status == -ECONNRESET)
        link_fail(link, status, "%s closed the connection while a question was open: %s",
                  link->settings.host, link_reason(link));
    if (answer != NULL)
        explicit_bzero(answer, strlen(answer));
    free(answer);
    return status;
}

static int set_option(struct ssh_link *link, enum ssh_options_e option, const char *name,
                      const char *value)
{
    if (value[0] == '\0' || ssh_options_set(link->session, option, value) == SSH_OK)
        return 0;
    link->fatal = true;
    return link_fail(link, -EINVAL, "%s of your ssh_config cannot be used for %s: \"%.200s\"", name,
                     link->settings.host, value);
}

static int set_options(struct ssh_link *link, int fd)
{
    const struct ssh_settings *settings = &link->settings;
    const struct {
        enum ssh_options_e option;
        const char *name, *value;
    } options[] = {
        {SSH_OPTIONS_HOST, "HostName", settings->host},
        {SSH_OPTIONS_USER, "User", settings->user},
        {SSH_OPTIONS_CIPHERS_C_S, "Ciphers", settings->ciphers},
        {SSH_OPTIONS_CIPHERS_S_C, "Ciphers", settings->ciphers},
        {SSH_OPTIONS_HMAC_C_S, "MACs", settings->macs},
        {SSH_OPTIONS_HMAC_S_C, "MACs", settings->macs},
        {SSH_OPTIONS_KEY_EXCHANGE, "KexAlgorithms", settings->kex},
        {SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES, "PubkeyAcceptedAlgorithms", settings->pubkeys},
        {SSH_OPTIONS_COMPRESSION, "Compression", settings->compression ? "yes" : "no"},
        /* Ours are compared in ssh_hostkey.c: libssh knows one file and no HostKeyAlias. */
        {SSH_OPTIONS_KNOWNHOSTS, "UserKnownHostsFile", "/dev/null"},
        {SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "GlobalKnownHostsFile", "/dev/null"},
    };
    bool no = false;
    ssh_options_set(link->session, SSH_OPTIONS_FD, &fd);
    ssh_options_set(link->session, SSH_OPTIONS_PROCESS_CONFIG, &no);
    ssh_options_set(link->session, SSH_OPTIONS_PORT, &settings->port);
    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
        int status = set_option(link, options[i].option, options[i].name, options[i].value);
        if (status < 0)
            return status;
    }
    return 0;
}

/* libssh closes the descriptor on errors and leaves it open in order. */
static void drop_session(struct ssh_link *link)
{
    if (link->session == NULL)
        return;
    link->rx_before += link->counter.in_bytes;
    link->tx_before += link->counter.out_bytes;
    ssh_event_free(link->event);
    link->event = NULL;
    int fd = ssh_get_fd(link->session);
    if (fd >= 0)
        fd_set_nonblocking(fd, true);
    ssh_disconnect(link->session);
    ssh_free(link->session);
    link->session = NULL;
    fd_close(fd);
}

static int make_session(struct ssh_link *link, int fd)
{
    link->session = ssh_new();
    if (link->session == NULL) {
        close(fd);
        return link_fail(link, -ENOMEM, "no memory for a session");
    }
    link->counter = (struct ssh_counter_struct){0};
    ssh_set_counters(link->session, &link->counter, NULL);
    ssh_set_blocking(link->session, 0);
    int status = set_options(link, fd);
    if (status == 0)
        status = hostkey_prepare(link);
    if (status < 0)
        close(fd); /* libssh has not taken it yet */
    return status;
}

static int explain_handshake(struct ssh_link *link, int status)
{
    const struct ssh_settings *settings = &link->settings;
    if (status == -ECANCELED)
        return status;
    const char *banner = ssh_get_serverbanner(link->session);
    if (status == -ETIMEDOUT)
        return link_fail(link, status,
                         "%s port %d accepts connections but does not speak SSH within %d s: is it "
                         "the right port, is the host overloaded?",
                         settings->host, settings->port, settings->connect_timeout_ms / 1000);
    if (banner == NULL)
        return link_fail(link, -EPROTO,
                         "%s port %d is no SSH server, or it hangs up on you (%s): check the port, "
                         "and sshd's MaxStartups and address rules",
                         settings->host, settings->port, link_reason(link));
    return link_fail(link, -EPROTO, "the key exchange with %s port %d failed: %s", settings->host,
                     settings->port, link_reason(link));
}

static int handshake(struct ssh_link *link)
{
    int64_t deadline = clock_mono_ms() + link->settings.connect_timeout_ms;
    for (;;) {
        int status = ssh_connect(link->session);
        /* libssh sets the descriptor back to blocking in there: a write to a stalled peer would
         * hold this thread. */
        fd_set_nonblocking(ssh_get_fd(link->session), true);
        if (status == SSH_OK)
            break;
        if (status != SSH_AGAIN)
            return explain_handshake(link, -EPROTO);
        status = link_wait(link, deadline);
        if (status < 0)
            return explain_handshake(link, status);
    }
    link->event = ssh_event_new();
    if (link->event == NULL || ssh_event_add_session(link->event, link->session) != SSH_OK)
        return link_fail(link, -ENOMEM, "no memory for a session");
    return 0;
}

static int establish(struct ssh_link *link)
{
    if (!link->configured) {
        int status = link_configure(link);
        if (status < 0) {
            link->fatal = true;
            return status;
        }
        link->configured = true;
    }
    int fd = link_connect(link);
    if (fd < 0)
        return fd;
    int status = make_session(link, fd);
    if (status == 0)
        status = handshake(link);
    if (status == 0)
        status = hostkey_check(link);
    if (status == 0)
        status = link_login(link);
    return status;
}

static void report(struct ssh_link *link, int64_t rtt_us)
{
    struct ssh_door *door = link->door;
    pthread_mutex_lock(&door->lock);
    door->measured = rtt_us >= 0;
    door->rtt_ms = rtt_us < 0 ? -1 : (double)rtt_us / 1000;
    door->rx_bytes = link->rx_before + link->counter.in_bytes;
    door->tx_bytes = link->tx_before + link->counter.out_bytes;
    pthread_mutex_unlock(&door->lock);
    if (rtt_us >= 0)
        uv_async_send(door->wake);
}

/* The round trip is that of a request sshd itself answers at once. Cancelling a forward that was
 * never made is one, and libssh says of it whether the answer is there; of a keepalive it does not.
 * Returns 0, or -ECONNRESET when the peer is silent for too long. */
static int ping(struct ssh_link *link)
{
    int64_t now = clock_mono_us();
    if (link->counter.in_bytes != link->heard_bytes) {
        link->heard_bytes = link->counter.in_bytes;
        link->heard = now;
    }
    if (link->pinged == 0 && now < link->ping_at)
        return 0;
    if (link->pinged == 0) {
        link->pinged = now;
        if (link->heard < now)
            link->heard = now;
    }
    if (ssh_channel_cancel_forward(link->session, "", 0) != SSH_AGAIN) {
        now = clock_mono_us();
        report(link, now - link->pinged);
        link->ping_at = link->pinged + PING_US;
        link->pinged = 0;
    } else if (now - link->heard > SILENCE_US) {
        return link_fail(link, -ECONNRESET, "%s is silent for %d s: the link is lost",
                         link->settings.host, SILENCE_US / 1000000);
    }
    return 0;
}

static int64_t next_ping_ms(const struct ssh_link *link)
{
    int64_t at = link->pinged == 0 ? link->ping_at : link->heard + SILENCE_US + 1000;
    return (at + 999) / 1000;
}

static void take_commands(struct ssh_link *link)
{
    struct ssh_door *door = link->door;
    struct ssh_queue taken;
    struct ssh_note *note;
    queue_init(&taken);
    pthread_mutex_lock(&door->lock);
    while ((note = queue_pop(&door->commands)) != NULL)
        queue_push(&taken, note);
    pthread_mutex_unlock(&door->lock);
    while ((note = queue_pop(&taken)) != NULL) {
        if (note->kind == NOTE_OPEN) {
            pumps_begin(link, note);
        } else {
            pumps_close(link, note->id);
            note_free(note);
        }
    }
}

static int serve_once(struct ssh_link *link, struct pollfd *fds)
{
    /* The analyzer does not see that the caller's first round always makes room for two. */
    fds[1] = link_pollfd(link); /* NOLINT(clang-analyzer-core.NullDereference) */
    nfds_t count = pumps_watch(link, fds + 2);
    int ready = link_poll(link, fds, 2 + count, next_ping_ms(link));
    if (ready < 0)
        return ready;
    int status = fds[1].revents != 0 ? link_feed(link) : 0;
    if (status == 0)
        pumps_run(link, fds + 2, count);
    if (status == 0 && ssh_is_connected(link->session))
        status = ping(link);
    if (status == 0 && !ssh_is_connected(link->session))
        status = -ECONNRESET;
    if (status == -ECONNRESET && link->error.code == 0)
        link_fail(link, status, "%s closed the connection: %s", link->settings.host,
                  link_reason(link));
    return status;
}

static int serve(struct ssh_link *link)
{
    struct pollfd *fds = NULL;
    nfds_t size = 0;
    int status;
    link->error = (struct error){0};
    link->pinged = 0;
    link->ping_at = link->heard = clock_mono_us();
    link->opens = 0;
    report(link, -1);
    do {
        take_commands(link);
        nfds_t need = 2 + pumps_count(link);
        if (need > size) {
            struct pollfd *more = realloc(fds, need * 2 * sizeof(*fds));
            if (more == NULL) {
                status = link_fail(link, -ENOMEM, "no memory for channels");
                break;
            }
            fds = more;
            size = need * 2;
        }
        status = serve_once(link, fds);
    } while (status == 0);
    free(fds);
    return status;
}

/* One connection, from its beginning to its end. */
static int run_session(struct ssh_link *link)
{
    link->error = (struct error){0};
    link->fatal = false;
    link->settled = false;
    int status = establish(link);
    if (status == 0) {
        link->attempts = 0;
        send_state(link, REMOTE_UP, 0);
        status = serve(link);
    }
    drop_session(link);
    pumps_lost(link);
    return status;
}

static int64_t backoff_ms(int attempts)
{
    int64_t delay = BACKOFF_MAX_MS;
    if (attempts < 5)
        delay = BACKOFF_FIRST_MS << (attempts > 0 ? attempts - 1 : 0);
    if (delay > BACKOFF_MAX_MS)
        delay = BACKOFF_MAX_MS;
    unsigned char random = 0;
    if (getrandom(&random, 1, GRND_NONBLOCK) != 1)
        random = 0;
    return delay - delay * random / 1024; /* up to a quarter less: many clients must not march */
}

/* Waits for the next attempt. */
static int pause_link(struct ssh_link *link)
{
    struct ssh_door *door = link->door;
    int64_t delay = link->fatal ? 0 : backoff_ms(link->attempts);
    send_state(link, link->fatal ? REMOTE_STOPPED : REMOTE_LOST,
               link->fatal ? 0 : clock_wall_ms() + delay);
    int64_t deadline = link->fatal ? INT64_MAX : clock_mono_ms() + delay;
    struct pollfd fds[1];
    for (;;) {
        int ready = link_poll(link, fds, 1, deadline);
        if (ready < 0)
            return ready;
        pthread_mutex_lock(&door->lock);
        bool retry = door->retry;
        door->retry = false;
        pthread_mutex_unlock(&door->lock);
        if (retry)
            link->configured = false; /* ssh_config may be what was mended */
        if (retry || clock_mono_ms() >= deadline)
            break;
    }
    send_state(link, link->fatal ? REMOTE_CONNECTING : REMOTE_LOST, 0);
    return 0;
}

void *link_main(void *arg)
{
    struct ssh_link *link = arg;
    while (run_session(link) != -ECANCELED) {
        link->attempts++;
        if (pause_link(link) < 0)
            break;
    }
    return NULL;
}
