#include "remote/tube.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TUBE_BUFFER (64 * 1024)

struct tube;
/* One direction: a buffer is read, written, and only then the next one is read. */
struct half {
    struct tube *tube;
    uv_stream_t *from, *to;
    uv_write_t write;
    uv_shutdown_t shutdown;
    bool ended;
    char data[TUBE_BUFFER];
};

struct tube {
    struct carrier carrier;
    struct channel *channel; /* NULL once it ended */
    struct address address;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    uv_pipe_t near;
    union {
        uv_stream_t stream;
        uv_handle_t handle;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } far;
    bool far_open; /* its handle is in use */
    uv_getaddrinfo_t lookup;
    uv_connect_t connect;
    struct addrinfo *found, *next; /* addresses to try */
    int failed;                    /* how the last one failed */
    int users;                     /* handles and requests that will call back */
    bool closing;
    struct half halves[2];
};

static void tube_unref(struct tube *tube)
{
    if (--tube->users > 0)
        return;
    uv_freeaddrinfo(tube->found);
    free(tube);
}

static void on_closed(uv_handle_t *handle)
{
    tube_unref(handle->data);
}

static void tube_close(struct carrier *carrier)
{
    struct tube *tube = (struct tube *)carrier;
    tube->channel = NULL;
    if (tube->closing)
        return;
    tube->closing = true;
    uv_close((uv_handle_t *)&tube->near, on_closed);
    if (tube->far_open)
        uv_close(&tube->far.handle, on_closed);
}

static void tube_end(struct tube *tube, const struct error *error)
{
    struct channel *channel = tube->channel;
    struct channel_end end = {.exit_status = -1};
    if (error != NULL)
        end.error = *error;
    tube_close(&tube->carrier);
    if (channel != NULL) {
        channel->carrier = NULL;
        channel_finish(channel, &end);
    }
}

static void fail(struct tube *tube, int status)
{
    const char *why = status == UV_EAI_NONAME ? "unknown name" : uv_strerror(status);
    struct error error = {0};
    if (status == UV_EACCES || status == UV_EPERM)
        why = "you may not use it; for Docker's socket, be in the group docker";
    if (tube->address.kind == ADDRESS_UNIX)
        error_set(&error, status, "cannot connect to %s: %s", tube->path, why);
    else
        error_set(&error, status, "cannot connect to %s port %d: %s", tube->address.host,
                  tube->address.port, why);
    tube_end(tube, &error);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct tube *tube = handle->data;
    struct half *half = &tube->halves[handle == (uv_handle_t *)&tube->near ? 0 : 1];
    (void)size;
    *buf = uv_buf_init(half->data, sizeof(half->data));
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf);

static void on_written(uv_write_t *write, int status)
{
    struct half *half = write->data;
    struct tube *tube = half->tube;
    if (!tube->closing) {
        if (status < 0)
            tube_end(tube, NULL);
        else
            uv_read_start(half->from, on_alloc, on_read);
    }
    tube_unref(tube);
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    struct half *half = shutdown->data;
    struct tube *tube = half->tube;
    (void)status;
    half->ended = true;
    if (!tube->closing && tube->halves[0].ended && tube->halves[1].ended)
        tube_end(tube, NULL);
    tube_unref(tube);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct tube *tube = stream->data;
    struct half *half = &tube->halves[stream == (uv_stream_t *)&tube->near ? 0 : 1];
    if (len == 0)
        return;
    uv_read_stop(stream);
    int status;
    if (len > 0) {
        uv_buf_t data = uv_buf_init(buf->base, (unsigned)len);
        status = uv_write(&half->write, half->to, &data, 1, on_written);
    } else if (len == UV_EOF) {
        status = uv_shutdown(&half->shutdown, half->to, on_shutdown);
    } else {
        status = (int)len;
    }
    if (status == 0)
        tube->users++;
    else
        tube_end(tube, NULL);
}

static void start_halves(struct tube *tube)
{
    uv_stream_t *ends[] = {(uv_stream_t *)&tube->near, &tube->far.stream};
    for (int i = 0; i < 2; i++) {
        struct half *half = &tube->halves[i];
        half->tube = tube;
        half->from = ends[i];
        half->to = ends[1 - i];
        half->write.data = half->shutdown.data = half;
        uv_read_start(half->from, on_alloc, on_read);
    }
}

static void try_next(struct tube *tube);

static void on_far_closed(uv_handle_t *handle)
{
    struct tube *tube = handle->data;
    if (!tube->closing)
        try_next(tube);
    tube_unref(tube);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct tube *tube = connect->data;
    if (tube->closing) {
        tube_unref(tube);
        return;
    }
    if (status == 0) {
        start_halves(tube);
        channel_opened(tube->channel);
    } else if (tube->next != NULL) {
        tube->failed = status;
        tube->far_open = false;
        uv_close(&tube->far.handle, on_far_closed); /* its reference goes on to that */
    } else {
        fail(tube, status);
    }
    tube_unref(tube);
}

static void try_next(struct tube *tube)
{
    struct addrinfo *address = tube->next;
    int status = uv_tcp_init(tube->near.loop, &tube->far.tcp);
    if (status == 0) {
        tube->far_open = true;
        tube->far.handle.data = tube;
        tube->users += 2;
        tube->next = address->ai_next;
        uv_tcp_nodelay(&tube->far.tcp, 1);
        status = uv_tcp_connect(&tube->connect, &tube->far.tcp, address->ai_addr, on_connected);
        if (status == 0)
            return;
        tube->users--;
    }
    fail(tube, status);
}

static void on_found(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
    struct tube *tube = lookup->data;
    tube->found = tube->next = found;
    if (!tube->closing) {
        if (status == 0)
            try_next(tube);
        else
            fail(tube, status);
    }
    tube_unref(tube);
}

static int connect_unix(struct tube *tube, const char *path)
{
    if (strlen(path) >= sizeof(tube->path))
        return UV_ENAMETOOLONG;
    memcpy(tube->path, path, strlen(path) + 1);
    int status = uv_pipe_init(tube->near.loop, &tube->far.pipe, 0);
    if (status < 0)
        return status;
    tube->far_open = true;
    tube->far.handle.data = tube;
    tube->users += 2;
    uv_pipe_connect(&tube->connect, &tube->far.pipe, tube->path, on_connected);
    return 0;
}

static int find(struct tube *tube)
{
    char port[8];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    snprintf(port, sizeof(port), "%d", tube->address.port);
    int status =
        uv_getaddrinfo(tube->near.loop, &tube->lookup, on_found, tube->address.host, port, &hints);
    if (status == 0)
        tube->users++;
    return status;
}

int tube_open(struct remote *remote, struct channel *channel, const struct address *address, int fd,
              struct error *error)
{
    struct tube *tube = calloc(1, sizeof(*tube));
    if (tube == NULL) {
        close(fd);
        return error_set(error, -ENOMEM, "no memory for a stream");
    }
    tube->carrier.close = tube_close;
    tube->address = *address;
    tube->users = 1;
    tube->near.data = tube->lookup.data = tube->connect.data = tube;
    uv_pipe_init(remote->loop, &tube->near, 0);
    int status = uv_pipe_open(&tube->near, fd);
    if (status < 0)
        close(fd);
    else
        status = address->kind == ADDRESS_UNIX ? connect_unix(tube, address->rest) : find(tube);
    if (status < 0) {
        tube_close(&tube->carrier);
        return error_set(error, status, "cannot connect to %.200s: %s",
                         address->kind == ADDRESS_UNIX ? address->rest : address->host,
                         uv_strerror(status));
    }
    tube->channel = channel;
    channel->carrier = &tube->carrier;
    return 0;
}
