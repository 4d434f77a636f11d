/* Forwards: a listening AF_UNIX socket whose connections become channels. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "remote/transport.h"

#define FORWARD_BACKLOG 64

/* One accepted connection. */
struct carried {
    struct carried *next;
    struct forward *forward;
    struct channel *channel;
};

struct forward {
    struct forward *next;
    struct remote *remote;
    uv_poll_t poll;
    int fd;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    uint64_t refused;
    struct error error;
    struct carried *carried;
    char address[]; /* behind the struct */
};

static void on_opened(void *ctx, struct channel *channel)
{
    struct carried *carried = ctx;
    (void)channel;
    carried->forward->error = (struct error){0};
}

static void carried_free(struct carried *carried)
{
    struct carried **at = &carried->forward->carried;
    while (*at != carried)
        at = &(*at)->next;
    *at = carried->next;
    free(carried);
}

static void on_ended(void *ctx, struct channel *channel, const struct channel_end *end)
{
    struct carried *carried = ctx;
    (void)channel;
    if (end->error.code < 0)
        carried->forward->error = end->error;
    carried_free(carried);
}

static void carry(struct forward *forward, int fd)
{
    static const struct channel_events events = {.opened = on_opened, .ended = on_ended};
    struct carried *carried = calloc(1, sizeof(*carried));
    if (carried == NULL) {
        close(fd);
        return;
    }
    *carried = (struct carried){.next = forward->carried, .forward = forward};
    forward->carried = carried;
    carried->channel = remote_stream(forward->remote, forward->address, fd, &events, carried);
    if (carried->channel == NULL)
        carried_free(carried);
}

/* The path is closed to other users by its directory; this closes it to other programs of the same
 * user, too: a forwarded docker.sock is root on the host. */
static bool is_ours(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.pid == getpid() &&
           peer.uid == getuid();
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct forward *forward = poll->data;
    (void)status;
    (void)events;
    int fd;
    while ((fd = accept4(forward->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        if (is_ours(fd)) {
            carry(forward, fd);
        } else {
            forward->refused++;
            close(fd);
        }
    }
}

static int listen_at(struct forward *forward)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, forward->path, sizeof(name.sun_path));
    forward->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (forward->fd < 0)
        return -errno;
    if (bind(forward->fd, (struct sockaddr *)&name, sizeof(name)) < 0 ||
        listen(forward->fd, FORWARD_BACKLOG) < 0)
        return -errno;
    return uv_poll_init(forward->remote->loop, &forward->poll, forward->fd);
}

struct forward *forward_new(struct remote *remote, const char *address, struct error *error)
{
    struct address parsed;
    if (address_parse(address, &parsed, error) < 0)
        return NULL;
    size_t size = strlen(address) + 1;
    struct forward *forward = calloc(1, sizeof(*forward) + size);
    if (forward == NULL) {
        error_set(error, -ENOMEM, "no memory for a forward to %s", address);
        return NULL;
    }
    memcpy(forward->address, address, size);
    forward->remote = remote;
    snprintf(forward->path, sizeof(forward->path), "%s/%u", remote->rundir.path,
             ++remote->forwards_made);
    int status = listen_at(forward);
    if (status < 0) {
        error_set(error, status, "cannot listen on %s: %s", forward->path, strerror(-status));
        fd_close(forward->fd);
        free(forward);
        return NULL;
    }
    forward->poll.data = forward;
    uv_poll_start(&forward->poll, UV_READABLE, on_connection);
    forward->next = remote->forwards;
    remote->forwards = forward;
    return forward;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void forward_free(struct forward *forward)
{
    if (forward == NULL)
        return;
    struct forward **at = &forward->remote->forwards;
    while (*at != forward)
        at = &(*at)->next;
    *at = forward->next;
    while (forward->carried != NULL) {
        /* The analyzer does not see that it was taken out of the list before it was freed. */
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        channel_cancel(forward->carried->channel);
        carried_free(forward->carried);
    }
    unlink(forward->path);
    uv_poll_stop(&forward->poll);
    close(forward->fd);
    uv_close((uv_handle_t *)&forward->poll, on_closed);
}

const char *forward_path(const struct forward *forward)
{
    return forward->path;
}

uint64_t forward_refused(const struct forward *forward)
{
    return forward->refused;
}

const struct error *forward_error(const struct forward *forward)
{
    return &forward->error;
}
