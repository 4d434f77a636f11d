/* Channels on the session's thread: each pump moves bytes between a descriptor of ours and a
 * channel of libssh.
 *
 * From the host: libssh hands over what came in a callback; it goes straight to the descriptor.
 * What does not fit stays in libssh's buffer, which the channel's window bounds (1.28 MB): so a
 * slow reader slows the host down and costs no memory. To the host: a descriptor is read only while
 * the window is open and libssh has nothing left to write. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "remote/ssh.h"

/* sshd's MaxSessions is 10 by default; forwards do not count. */
#define EXECS_MAX 8
#define CHUNK (64 * 1024)
/* How libssh numbers the channels of a session. It does not tell; a wrong number costs no more than
 * the reason in a sentence. */
#define FIRST_CHANNEL 43

enum pump_state {
    PUMP_WAITING, /* for one of the EXECS_MAX places */
    PUMP_OPENING,
    PUMP_REQUESTING,
    PUMP_OPEN,
    PUMP_CLOSING, /* we have closed it: waits for the host to do so, too */
    PUMP_DEAD,    /* to be freed */
};

/* One direction from the host: stdout or stderr. */
struct outlet {
    int fd;
    size_t held;     /* bytes that libssh keeps because the descriptor was full */
    struct buf rest; /* taken out of libssh, not written yet */
};

struct pump {
    struct pump *next;
    struct ssh_link *link;
    struct ssh_note *note; /* the request; NULL once its end was told, or nobody wants to know */
    uint64_t id;
    struct address address; /* `rest` is in `text` */
    ssh_channel channel;
    struct ssh_channel_callbacks_struct callbacks;
    enum pump_state state;
    unsigned number; /* libssh's */
    struct outlet outlets[2];
    bool counted;   /* among link->execs */
    bool local_eof; /* nothing more to read from the descriptor */
    bool eof_sent;
    bool local_gone; /* nobody reads what we write */
    bool remote_eof, remote_closed;
    bool shut;         /* the end of the host's stream was passed on */
    struct buf unsent; /* read from the descriptor, not yet taken by libssh (it exchanges keys) */
    int exit_status;
    char signal[16];
    char text[];
};

static bool is_exec(const struct pump *pump)
{
    return pump->address.kind == ADDRESS_EXEC;
}

static void close_fds(struct pump *pump)
{
    fd_close(pump->outlets[0].fd);
    fd_close(pump->outlets[1].fd);
    pump->outlets[0].fd = pump->outlets[1].fd = -1;
}

/* Tells the loop how it ended. The descriptors are closed before. */
static void tell_end(struct pump *pump, const struct error *error)
{
    struct ssh_note *note = pump->note;
    close_fds(pump);
    pump->note = NULL;
    if (note == NULL)
        return;
    note->kind = NOTE_ENDED;
    note->end = (struct channel_end){.exit_status = pump->exit_status};
    if (error != NULL)
        note->end.error = *error;
    memcpy(note->end.signal, pump->signal, sizeof(note->end.signal));
    door_send(pump->link->door, note);
}

static void uncount(struct pump *pump)
{
    if (pump->counted)
        pump->link->execs--;
    pump->counted = false;
}

/* Frees what libssh has of it, except where the session is gone with all its channels. */
static void release_channel(struct pump *pump)
{
    if (pump->channel != NULL && pump->link->session != NULL) {
        /* libssh may keep the channel until the host has closed it, and would call us. */
        ssh_remove_channel_callbacks(pump->channel, &pump->callbacks);
        ssh_channel_free(pump->channel);
    }
    pump->channel = NULL;
}

static void pump_free(struct pump *pump)
{
    uncount(pump);
    release_channel(pump);
    close_fds(pump);
    buf_done(&pump->outlets[0].rest);
    buf_done(&pump->outlets[1].rest);
    buf_done(&pump->unsent);
    note_free(pump->note);
    free(pump);
}

static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t len,
                   int is_stderr, void *ctx)
{
    struct pump *pump = ctx;
    struct outlet *outlet = &pump->outlets[is_stderr != 0];
    (void)session;
    (void)channel;
    outlet->held = 0;
    if (outlet->fd < 0 || pump->state == PUMP_CLOSING || (!is_stderr && pump->local_gone))
        return (int)len; /* nobody wants it */
    if (outlet->rest.len > 0) {
        outlet->held = len;
        return 0;
    }
    ssize_t written = write(outlet->fd, data, len);
    if (written < 0 && errno != EAGAIN && errno != EINTR) {
        if (is_stderr) {
            close(outlet->fd);
            outlet->fd = -1;
        } else {
            pump->local_gone = true;
        }
        return (int)len;
    }
    if (written < 0)
        written = 0;
    outlet->held = len - (size_t)written;
    return (int)written;
}

static void on_eof(ssh_session session, ssh_channel channel, void *ctx)
{
    struct pump *pump = ctx;
    (void)session;
    (void)channel;
    pump->remote_eof = true;
}

static void on_close(ssh_session session, ssh_channel channel, void *ctx)
{
    struct pump *pump = ctx;
    (void)session;
    (void)channel;
    pump->remote_eof = true;
    pump->remote_closed = true;
}

static void on_exit_status(ssh_session session, ssh_channel channel, int status, void *ctx)
{
    struct pump *pump = ctx;
    (void)session;
    (void)channel;
    pump->exit_status = status & 0xff;
}

static void on_exit_signal(ssh_session session, ssh_channel channel, const char *name, int core,
                           const char *message, const char *language, void *ctx)
{
    struct pump *pump = ctx;
    (void)session;
    (void)channel;
    (void)core;
    (void)message;
    (void)language;
    text_clean(pump->signal, sizeof(pump->signal), name, SIZE_MAX);
}

static void pump_close(struct pump *pump)
{
    if (pump->state == PUMP_WAITING) {
        pump->state = PUMP_DEAD;
    } else if (pump->state == PUMP_REQUESTING || pump->state == PUMP_OPEN) {
        ssh_channel_close(pump->channel);
        pump->state = PUMP_CLOSING;
    }
    /* One that is still opening is closed once that is answered: sshd would keep it else. */
}

void pumps_close(struct ssh_link *link, uint64_t id)
{
    struct pump *pump = link->pumps;
    while (pump != NULL && pump->id != id)
        pump = pump->next;
    if (pump == NULL || pump->note == NULL)
        return;
    note_free(pump->note);
    pump->note = NULL;
    close_fds(pump);
    pump_close(pump);
}

void pumps_lost(struct ssh_link *link)
{
    struct error error = link->error;
    struct pump *pump;
    if (error.code != 0)
        error.code = -ECONNRESET;
    while ((pump = link->pumps) != NULL) {
        link->pumps = pump->next;
        tell_end(pump, &error);
        pump_free(pump);
    }
}

/* sshd's reason codes (RFC 4254, 5.1). libssh's error text is the session's, and may be that of
 * another channel: it is ours only with our number in it. */
static void explain_refusal(struct pump *pump, struct error *error)
{
    const struct ssh_settings *settings = &pump->link->settings;
    const char *reason = ssh_get_error(pump->link->session);
    unsigned number = 0, code = 0;
    int at = 0;
    if (strstr(reason, "not connected to an OpenSSH") != NULL)
        code = 3;
    /* A number too great for its type only loses us the reason. */
    else if (/* NOLINTNEXTLINE(cert-err34-c) */
             sscanf(reason, "Channel opening failure: channel %u error (%u) %n", &number, &code,
                    &at) < 2 ||
             number != pump->number)
        code = 0;
    const char *said = code != 0 && at > 0 ? reason + at : "no reason given";
    if (pump->address.kind == ADDRESS_UNIX && (code == 2 || code == 0)) {
        error_set(error, -ECONNREFUSED,
                  "%s does not connect to %s (%s): it does not exist, %s may not use it, or sshd "
                  "has AllowStreamLocalForwarding no",
                  settings->host, pump->address.rest, said, settings->user);
    } else if (code == 1) {
        error_set(error, -EPERM, "sshd on %s forbids it (%s): %s must be allowed", settings->host,
                  said,
                  pump->address.kind == ADDRESS_UNIX  ? "AllowStreamLocalForwarding"
                  : pump->address.kind == ADDRESS_TCP ? "AllowTcpForwarding"
                                                      : "sessions (MaxSessions)");
    } else if (code == 3) {
        error_set(error, -EOPNOTSUPP, "the SSH server on %s cannot forward to %s", settings->host,
                  pump->address.kind == ADDRESS_UNIX ? "Unix sockets" : "anything");
    } else if (is_exec(pump)) {
        error_set(error, -EAGAIN, "%s opens no further session (%s): see sshd's MaxSessions",
                  settings->host, said);
    } else {
        error_set(error, -ECONNREFUSED, "%s cannot reach %s port %d: %s", settings->host,
                  pump->address.host, pump->address.port, said);
    }
}

static int open_channel(struct pump *pump)
{
    switch (pump->address.kind) {
    case ADDRESS_EXEC:
        return ssh_channel_open_session(pump->channel);
    case ADDRESS_UNIX:
        return ssh_channel_open_forward_unix(pump->channel, pump->address.rest, "localhost", 0);
    case ADDRESS_TCP:
        return ssh_channel_open_forward(pump->channel, pump->address.host, pump->address.port,
                                        "127.0.0.1", 0);
    case ADDRESS_DOCKER: /* resolved by remote.c */
        break;
    }
    return SSH_ERROR;
}

static void pump_opened(struct pump *pump)
{
    pump->state = PUMP_OPEN;
    door_send(pump->link->door, note_new(NOTE_OPENED, pump->id, NULL));
}

static void pump_fail(struct pump *pump, const struct error *error)
{
    tell_end(pump, error);
    pump->state = PUMP_DEAD;
}

static void pump_start(struct pump *pump)
{
    struct ssh_link *link = pump->link;
    if (is_exec(pump) && link->execs >= EXECS_MAX)
        return;
    pump->channel = ssh_channel_new(link->session);
    if (pump->channel == NULL ||
        ssh_add_channel_callbacks(pump->channel, &pump->callbacks) != SSH_OK) {
        struct error error = {0};
        error_set(&error, -ENOMEM, "no memory for a channel");
        pump_fail(pump, &error);
        return;
    }
    pump->number = FIRST_CHANNEL + link->opens++;
    pump->counted = is_exec(pump);
    link->execs += pump->counted;
    pump->state = PUMP_OPENING;
}

/* Opening goes in steps, many at a time: none waits for another's answer. */
static void pump_step(struct pump *pump)
{
    struct error error = {0};
    if (pump->state == PUMP_WAITING)
        pump_start(pump);
    if (pump->state == PUMP_OPENING) {
        int status = open_channel(pump);
        if (status == SSH_OK && (is_exec(pump) || pump->note == NULL)) {
            pump->state = PUMP_REQUESTING;
            if (pump->note == NULL)
                pump_close(pump);
        } else if (status == SSH_OK) {
            pump_opened(pump);
        } else if (status != SSH_AGAIN) {
            explain_refusal(pump, &error);
            pump_fail(pump, &error);
        }
    }
    if (pump->state == PUMP_REQUESTING) {
        int status = ssh_channel_request_exec(pump->channel, pump->address.rest);
        if (status == SSH_OK) {
            pump->link->settled = true;
            pump_opened(pump);
        } else if (status != SSH_AGAIN) {
            error_set(&error, -EPERM, "%s refuses to run commands for %s",
                      pump->link->settings.host, pump->link->settings.user);
            pump_fail(pump, &error);
        }
    }
}

void pumps_begin(struct ssh_link *link, struct ssh_note *note)
{
    size_t size = strlen(note->text) + 1;
    struct pump *pump = calloc(1, sizeof(*pump) + size);
    if (pump == NULL) {
        struct error error = {0};
        error_set(&error, -ENOMEM, "no memory for a channel");
        fd_close(note->open.fd);
        fd_close(note->open.error_fd);
        note->kind = NOTE_ENDED;
        note->end = (struct channel_end){.error = error, .exit_status = -1};
        door_send(link->door, note);
        return;
    }
    memcpy(pump->text, note->text, size);
    pump->link = link;
    pump->note = note;
    pump->id = note->id;
    pump->address = note->open.address;
    pump->address.rest = pump->text;
    pump->outlets[0].fd = note->open.fd;
    pump->outlets[1].fd = note->open.error_fd;
    note->open.fd = note->open.error_fd = -1;
    buf_init(&pump->outlets[0].rest, CHUNK);
    buf_init(&pump->outlets[1].rest, CHUNK);
    buf_init(&pump->unsent, CHUNK);
    pump->exit_status = -1;
    pump->callbacks = (struct ssh_channel_callbacks_struct){
        .userdata = pump,
        .channel_data_function = on_data,
        .channel_eof_function = on_eof,
        .channel_close_function = on_close,
        .channel_exit_status_function = on_exit_status,
        .channel_exit_signal_function = on_exit_signal,
    };
    ssh_callbacks_init(&pump->callbacks);
    struct pump **at = &link->pumps; /* at the end: in the order of their requests */
    while (*at != NULL)
        at = &(*at)->next;
    *at = pump;
    pump_step(pump);
}

static bool is_drained(const struct outlet *outlet)
{
    return outlet->fd < 0 || (outlet->held == 0 && outlet->rest.len == 0);
}

/* Writes what libssh holds, as far as the descriptor takes it. */
static void drain(struct pump *pump, int index)
{
    struct outlet *outlet = &pump->outlets[index];
    while (outlet->fd >= 0 && !is_drained(outlet)) {
        char data[16 * 1024];
        if (outlet->rest.len == 0) {
            size_t want = outlet->held < sizeof(data) ? outlet->held : sizeof(data);
            int len = ssh_channel_read_nonblocking(pump->channel, data, (uint32_t)want, index);
            if (len <= 0) {
                outlet->held = 0;
                return;
            }
            outlet->held -= (size_t)len;
            buf_add(&outlet->rest, data, (size_t)len);
        }
        ssize_t written = write(outlet->fd, outlet->rest.data, outlet->rest.len);
        if (written < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (written < 0) {
            pump->local_gone |= index == 0;
            outlet->held = 0;
            buf_clear(&outlet->rest);
            return;
        }
        buf_consume(&outlet->rest, (size_t)written);
    }
}

static void send_unsent(struct pump *pump)
{
    if (pump->unsent.len == 0)
        return;
    int sent = ssh_channel_write(pump->channel, pump->unsent.data, (uint32_t)pump->unsent.len);
    if (sent > 0)
        buf_consume(&pump->unsent, (size_t)sent);
}

static bool may_send(struct pump *pump)
{
    return pump->state == PUMP_OPEN && !pump->local_eof && pump->unsent.len == 0 &&
           pump->outlets[0].fd >= 0 && ssh_channel_window_size(pump->channel) > 0;
}

static void take_local(struct pump *pump)
{
    char data[CHUNK];
    uint32_t window = ssh_channel_window_size(pump->channel);
    size_t want = window < sizeof(data) ? window : sizeof(data);
    ssize_t len = read(pump->outlets[0].fd, data, want);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0) {
        pump->local_eof = true;
        return;
    }
    int sent = ssh_channel_write(pump->channel, data, (uint32_t)len);
    if (sent < 0)
        sent = 0;
    if (sent < len)
        buf_add(&pump->unsent, data + sent, (size_t)(len - sent));
}

/* Passes ends on, in both directions, and notices the last one. */
static void pump_finish(struct pump *pump)
{
    if (pump->local_eof && !pump->eof_sent && pump->unsent.len == 0 && !pump->remote_closed) {
        ssh_channel_send_eof(pump->channel);
        pump->eof_sent = true;
    }
    if (pump->remote_eof && is_drained(&pump->outlets[0]) && !pump->shut) {
        shutdown(pump->outlets[0].fd, SHUT_WR);
        pump->shut = true;
    }
    if (pump->remote_eof && is_drained(&pump->outlets[1]) && pump->outlets[1].fd >= 0) {
        close(pump->outlets[1].fd);
        pump->outlets[1].fd = -1;
    }
    bool drained = is_drained(&pump->outlets[0]) && is_drained(&pump->outlets[1]);
    if (pump->remote_closed && (drained || pump->local_gone)) {
        tell_end(pump, NULL);
        pump->state = PUMP_DEAD;
    } else if (pump->local_gone && !(is_exec(pump) && pump->remote_eof)) {
        tell_end(pump, NULL);
        pump_close(pump);
    }
}

static nfds_t places(const struct pump *pump)
{
    return pump->state == PUMP_OPEN ? 2 : 0;
}

nfds_t pumps_count(const struct ssh_link *link)
{
    nfds_t count = 0;
    for (const struct pump *pump = link->pumps; pump != NULL; pump = pump->next)
        count += 2;
    return count;
}

/* A descriptor with no wish is left out: a hang-up cannot be masked, and would wake us for ever. */
nfds_t pumps_watch(struct ssh_link *link, struct pollfd *fds)
{
    nfds_t count = 0;
    bool congested = link_congested(link);
    for (struct pump *pump = link->pumps; pump != NULL; pump = pump->next) {
        if (places(pump) == 0)
            continue;
        struct pollfd in = {.fd = pump->outlets[0].fd};
        struct pollfd err = {.fd = pump->outlets[1].fd};
        if (may_send(pump) && !congested)
            in.events |= POLLIN;
        if (!is_drained(&pump->outlets[0]))
            in.events |= POLLOUT;
        if (!is_drained(&pump->outlets[1]))
            err.events |= POLLOUT;
        /* After its end was read, a hang-up means that nobody is left to write to. */
        bool hang_up = pump->local_eof && !pump->shut;
        if (in.events == 0 && !hang_up)
            in.fd = -1;
        if (err.events == 0)
            err.fd = -1;
        fds[count++] = in;
        fds[count++] = err;
    }
    return count;
}

static void pump_run(struct pump *pump, const struct pollfd *fds)
{
    if (fds != NULL && fds[0].fd >= 0 && fds[0].revents != 0) {
        if ((fds[0].events & POLLIN) != 0 && may_send(pump))
            take_local(pump);
        else if ((fds[0].revents & (POLLHUP | POLLERR)) != 0 && pump->local_eof)
            pump->local_gone = true;
    }
    drain(pump, 0);
    drain(pump, 1);
    send_unsent(pump);
    pump_finish(pump);
}

void pumps_run(struct ssh_link *link, const struct pollfd *fds, nfds_t count)
{
    nfds_t used = 0;
    for (struct pump *pump = link->pumps; pump != NULL; pump = pump->next) {
        const struct pollfd *mine = places(pump) != 0 && used < count ? fds + used : NULL;
        used += mine != NULL ? 2 : 0;
        pump_step(pump);
        if (pump->state == PUMP_OPEN)
            pump_run(pump, mine);
        if (pump->state == PUMP_CLOSING && pump->remote_closed)
            pump->state = PUMP_DEAD;
    }
    for (struct pump **at = &link->pumps; *at != NULL;) {
        struct pump *pump = *at;
        if (pump->state == PUMP_DEAD) {
            *at = pump->next;
            pump_free(pump);
        } else {
            at = &pump->next;
        }
    }
    /* A place may have become free. */
    for (struct pump *pump = link->pumps; pump != NULL; pump = pump->next) {
        if (pump->state == PUMP_WAITING)
            pump_step(pump);
    }
}
