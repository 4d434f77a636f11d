/* HTTP GET over an AF_UNIX path: libcurl's multi interface on the libuv loop.
 *
 * Nothing but GET can be asked. No proxy, no redirect, no other protocol. Callbacks come on the
 * loop's thread and never from within libcurl, so they may ask and cancel freely; only http_free()
 * must not be called from one. */
#ifndef CLIENT_HTTP_H
#define CLIENT_HTTP_H

#include <stddef.h>
#include <uv.h>

#include "base/error.h"

struct http; /* connections are shared and kept alive among its requests */
struct http_request;

struct http_result {
    struct error error; /* code 0: a whole answer came, whatever its status.
                         * -ECONNREFUSED, -ECONNRESET: no connection, or it broke; -ETIMEDOUT;
                         * -EMSGSIZE: above the ceiling; -EPROTO: not HTTP; -EIO: anything else */
    int status;         /* HTTP status, 0 when none came */
    char *body;         /* NUL-terminated, never NULL; good for the call only, may be written to.
                         * Of a stream: only what came with a status other than 200 */
    size_t len;
};

struct http_options {
    const char *socket; /* AF_UNIX path */
    const char *path;   /* "/containers/json?all=1", already percent-encoded */
    const char *peer;   /* who is asked, for sentences: "The Docker Engine on hemma" */
    int timeout_ms;     /* for the whole answer; not for streams, which may last for ever */
    size_t max;         /* ceiling of the body in bytes */
    /* NULL: the body is collected. Else a stream: pieces of a body of status 200 as they come. */
    void (*data)(void *ctx, const char *data, size_t len);
    /* Exactly once, unless cancelled; the request is gone then. */
    void (*done)(void *ctx, const struct http_result *result);
    void *ctx;
};

/* NULL when memory is out. */
struct http *http_new(uv_loop_t *loop);
/* Cancels all requests. Its uv handles close in a later loop turn. NULL is allowed. */
void http_free(struct http *http);

/* Begins a GET; texts are copied. NULL when memory is out. */
struct http_request *http_get(struct http *http, const struct http_options *options);
/* Ends it without a further callback. NULL is allowed. */
void http_cancel(struct http_request *request);

#endif
