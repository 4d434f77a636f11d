/* The local transport: the same by connect() and by children of ours. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "remote/transport.h"
#include "remote/tube.h"

#define KILL_AFTER_MS 1000

struct local_remote {
    struct remote base;
    bool told; /* that it is up */
};

/* A command. It outlives its channel until the system has reported its end: no zombies. */
struct child {
    struct carrier carrier;
    uv_process_t process;
    uv_timer_t patience;     /* from the request to end to the one that cannot be refused */
    struct channel *channel; /* NULL once nobody wants to know */
    int handles;
};

static void on_child_closed(uv_handle_t *handle)
{
    struct child *child = handle->data;
    if (--child->handles == 0)
        free(child);
}

static void child_close(struct child *child)
{
    uv_close((uv_handle_t *)&child->process, on_child_closed);
    uv_close((uv_handle_t *)&child->patience, on_child_closed);
}

static void signal_name(int number, char *out, size_t size)
{
    const char *name = sigabbrev_np(number);
    if (name != NULL)
        snprintf(out, size, "%s", name);
    else
        snprintf(out, size, "%d", number);
}

static void on_exit_child(uv_process_t *process, int64_t exit_status, int term_signal)
{
    struct child *child = process->data;
    struct channel *channel = child->channel;
    struct channel_end end = {.exit_status = term_signal != 0 ? -1 : (int)exit_status};
    if (term_signal != 0)
        signal_name(term_signal, end.signal, sizeof(end.signal));
    child_close(child);
    if (channel == NULL)
        return;
    channel->carrier = NULL;
    uint64_t id = channel->id;
    struct remote *remote = channel->remote;
    channel_opened(channel); /* it may have ended before it was told */
    if (!remote->closing && remote_channel(remote, id) == channel)
        channel_finish(channel, &end);
}

static void on_patience(uv_timer_t *timer)
{
    struct child *child = timer->data;
    kill(-child->process.pid, SIGKILL);
}

/* The whole process group: a shell's children, too. */
static void child_end(struct carrier *carrier)
{
    struct child *child = (struct child *)carrier;
    child->channel = NULL;
    kill(-child->process.pid, SIGTERM);
    uv_timer_start(&child->patience, on_patience, KILL_AFTER_MS, 0);
}

static const char *login_shell(void)
{
    const char *shell = getenv("SHELL");
    return shell != NULL && shell[0] == '/' && access(shell, X_OK) == 0 ? shell : "/bin/sh";
}

static int spawn(struct child *child, uv_loop_t *loop, const char *command, int fd, int error_fd)
{
    char shell[512], flag[] = "-c";
    snprintf(shell, sizeof(shell), "%s", login_shell());
    char *args[] = {shell, flag, (char *)command, NULL};
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_INHERIT_FD, .data.fd = fd},
        {.flags = UV_INHERIT_FD, .data.fd = fd},
        {.flags = error_fd >= 0 ? UV_INHERIT_FD : UV_IGNORE, .data.fd = error_fd},
    };
    uv_process_options_t options = {
        .exit_cb = on_exit_child,
        .file = shell,
        .args = args,
        .flags = UV_PROCESS_DETACHED, /* a session of its own: no terminal, one group to end */
        .stdio_count = 3,
        .stdio = stdio,
    };
    /* Our end only: what the caller keeps has flags of its own. */
    fd_set_nonblocking(fd, false);
    return uv_spawn(loop, &child->process, &options);
}

static int run(struct remote *remote, struct channel *channel, const char *command, int fd,
               int error_fd, struct error *error)
{
    struct child *child = calloc(1, sizeof(*child));
    if (child == NULL)
        return error_set(error, -ENOMEM, "no memory to run a command");
    child->process.data = child->patience.data = child;
    child->carrier.close = child_end;
    child->channel = channel;
    child->handles = 2;
    uv_timer_init(remote->loop, &child->patience);
    int status = spawn(child, remote->loop, command, fd, error_fd);
    if (status < 0) {
        child->channel = NULL;
        child_close(child);
        return error_set(error, status, "cannot run a command by %s: %s", login_shell(),
                         uv_strerror(status));
    }
    channel->carrier = &child->carrier;
    return 0;
}

static int local_open(struct remote *remote, struct channel *channel, const struct address *address,
                      int fd, int error_fd, struct error *error)
{
    if (address->kind != ADDRESS_EXEC)
        return tube_open(remote, channel, address, fd, error);
    int status = run(remote, channel, address->rest, fd, error_fd, error);
    fd_close(fd);
    fd_close(error_fd);
    if (status == 0)
        uv_async_send(&remote->wake); /* `opened` comes from there */
    return status;
}

static void local_close(struct remote *remote, struct channel *channel)
{
    (void)remote;
    if (channel->carrier != NULL)
        channel->carrier->close(channel->carrier);
    channel->carrier = NULL;
}

static void local_woken(struct remote *remote)
{
    struct local_remote *local = (struct local_remote *)remote;
    if (!local->told) {
        local->told = true;
        remote->status.state = REMOTE_UP;
        remote->status.rtt_ms = 0;
        remote_changed(remote);
    }
    struct channel *channel = remote->channels;
    while (channel != NULL && !remote->closing) {
        struct channel *next = channel->next;
        bool due = !channel->opened && !channel->stopped && channel->carrier != NULL &&
                   channel->carrier->close == child_end;
        if (due) {
            channel_opened(channel);
            next = remote->channels; /* the callback may have changed the list */
        }
        channel = next;
    }
}

static void local_retry(struct remote *remote)
{
    (void)remote;
}

static void local_answer(struct remote *remote, const char *answer)
{
    (void)remote;
    (void)answer;
}

static void local_stop(struct remote *remote)
{
    (void)remote;
}

static void local_release(struct remote *remote)
{
    free(remote);
}

static const struct remote_ops local_ops = {
    .open = local_open,
    .close = local_close,
    .woken = local_woken,
    .retry = local_retry,
    .answer = local_answer,
    .stop = local_stop,
    .release = local_release,
};

struct remote *remote_local_new(uv_loop_t *loop, const struct remote_events *events, void *ctx,
                                struct error *error)
{
    struct local_remote *local = calloc(1, sizeof(*local));
    if (local == NULL) {
        error_set(error, -ENOMEM, "no memory for a connection");
        return NULL;
    }
    if (remote_init(&local->base, &local_ops, loop, events, ctx, error) < 0) {
        free(local);
        return NULL;
    }
    char host[128] = "local";
    if (gethostname(host, sizeof(host) - 1) == 0)
        text_clean(local->base.status.address, sizeof(local->base.status.address), host, SIZE_MAX);
    memcpy(local->base.status.transport, "local", 6);
    uv_async_send(&local->base.wake);
    return &local->base;
}
