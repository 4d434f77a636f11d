#include "remote/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "remote/transport.h"

void fd_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

void fd_set_nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0)
        fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

static void deliver_stopped(struct remote *remote)
{
    struct channel *channel = remote->channels;
    while (channel != NULL && !remote->closing) {
        /* The analyzer does not see that it was taken out of the list before it was freed. */
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        if (!channel->stopped) {
            channel = channel->next;
            continue;
        }
        struct channel_end end = channel->end;
        channel_finish(channel, &end);
        channel = remote->channels; /* the callback may have changed the list */
    }
}

static void on_wake(uv_async_t *wake)
{
    struct remote *remote = wake->data;
    if (!remote->closing)
        remote->ops->woken(remote);
    deliver_stopped(remote);
}

int remote_init(struct remote *remote, const struct remote_ops *ops, uv_loop_t *loop,
                const struct remote_events *events, void *ctx, struct error *error)
{
    *remote = (struct remote){.ops = ops, .loop = loop, .events = *events, .ctx = ctx};
    remote->status.state = REMOTE_CONNECTING;
    remote->status.rtt_ms = -1;
    remote->status.since = clock_wall_ms();
    int status = rundir_init(&remote->rundir, error);
    if (status < 0)
        return status;
    status = uv_async_init(loop, &remote->wake, on_wake);
    if (status < 0) {
        rundir_done(&remote->rundir);
        return error_set(error, status, "cannot watch for events: %s", uv_strerror(status));
    }
    remote->wake.data = remote;
    return 0;
}

static void on_wake_closed(uv_handle_t *handle)
{
    struct remote *remote = handle->data;
    remote->ops->release(remote);
}

void remote_free(struct remote *remote)
{
    if (remote == NULL || remote->closing)
        return;
    remote->closing = true;
    while (remote->forwards != NULL)
        forward_free(remote->forwards);
    while (remote->channels != NULL)
        /* The analyzer does not see that it was taken out of the list before it was freed. */
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        channel_cancel(remote->channels);
    remote->ops->stop(remote);
    rundir_done(&remote->rundir);
    uv_close((uv_handle_t *)&remote->wake, on_wake_closed);
}

const struct remote_status *remote_status(const struct remote *remote)
{
    return &remote->status;
}

void remote_retry(struct remote *remote)
{
    remote->ops->retry(remote);
}

void remote_answer(struct remote *remote, const char *answer)
{
    remote->ops->answer(remote, answer);
}

void remote_set_resolver(struct remote *remote, remote_resolve_fn *resolve, void *ctx)
{
    remote->resolve = resolve;
    remote->resolve_ctx = ctx;
}

void remote_changed(struct remote *remote)
{
    if (!remote->closing && remote->events.changed != NULL)
        remote->events.changed(remote->ctx, &remote->status);
}

void remote_noticed(struct remote *remote, const char *text)
{
    if (!remote->closing && remote->events.noticed != NULL)
        remote->events.noticed(remote->ctx, text);
}

struct channel *remote_channel(struct remote *remote, uint64_t id)
{
    for (struct channel *channel = remote->channels; channel != NULL; channel = channel->next) {
        if (channel->id == id)
            return channel;
    }
    return NULL;
}

static void take_out(struct channel *channel)
{
    struct channel **at = &channel->remote->channels;
    while (*at != channel)
        at = &(*at)->next;
    *at = channel->next;
}

void channel_opened(struct channel *channel)
{
    bool first = !channel->opened;
    channel->opened = true;
    if (first && channel->events.opened != NULL)
        channel->events.opened(channel->ctx, channel);
}

void channel_finish(struct channel *channel, const struct channel_end *end)
{
    take_out(channel);
    if (channel->events.ended != NULL)
        channel->events.ended(channel->ctx, channel, end);
    free(channel);
}

void channel_cancel(struct channel *channel)
{
    if (channel == NULL)
        return;
    if (!channel->stopped)
        channel->remote->ops->close(channel->remote, channel);
    take_out(channel);
    free(channel);
}

/* Names of containers are known on the loop's thread only. */
static int resolve(struct remote *remote, struct address *address, struct error *error)
{
    if (address->kind != ADDRESS_DOCKER)
        return 0;
    if (remote->resolve == NULL)
        return error_set(error, -EHOSTUNREACH,
                         "the containers of the host are not known yet: %s:%d has no address",
                         address->host, address->port);
    char host[sizeof(address->host)];
    int status = remote->resolve(remote->resolve_ctx, address->host, host, sizeof(host), error);
    if (status < 0)
        return status;
    memcpy(address->host, host, sizeof(host));
    address->kind = ADDRESS_TCP;
    return 0;
}

/* Begins a channel, or makes one that ends with the reason in the next loop turn. */
static struct channel *channel_begin(struct remote *remote, struct address *address, int fd,
                                     int error_fd, const struct channel_events *events, void *ctx,
                                     struct error *error)
{
    struct channel *channel = calloc(1, sizeof(*channel));
    if (channel == NULL || error->code < 0 || resolve(remote, address, error) < 0) {
        fd_close(fd);
        fd_close(error_fd);
        if (channel == NULL)
            return NULL;
    }
    channel->remote = remote;
    channel->events = *events;
    channel->ctx = ctx;
    channel->id = ++remote->last_id;
    channel->next = remote->channels;
    remote->channels = channel;
    if (error->code == 0)
        remote->ops->open(remote, channel, address, fd, error_fd, error);
    if (error->code < 0) {
        channel->end = (struct channel_end){.error = *error, .exit_status = -1};
        channel->stopped = true;
        uv_async_send(&remote->wake);
    }
    return channel;
}

struct channel *remote_stream(struct remote *remote, const char *text, int fd,
                              const struct channel_events *events, void *ctx)
{
    struct error error = {0};
    struct address address = {0};
    address_parse(text, &address, &error);
    return channel_begin(remote, &address, fd, -1, events, ctx, &error);
}

struct channel *remote_exec(struct remote *remote, const char *command, int fd, int error_fd,
                            const struct channel_events *events, void *ctx)
{
    struct error error = {0};
    struct address address = {.kind = ADDRESS_EXEC, .rest = command};
    return channel_begin(remote, &address, fd, error_fd, events, ctx, &error);
}
