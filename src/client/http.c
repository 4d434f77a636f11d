#include "client/http.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/buf.h"

#define CONNECT_TIMEOUT_MS 10000
#define HEADERS_MAX 65536

struct http {
    uv_loop_t *loop;
    uv_timer_t *timer;
    CURLM *multi;
    bool delivering; /* a callback runs: the one time when http_free() must not */
    LIST_HEAD(, http_request) requests;
};

struct http_request {
    LIST_ENTRY(http_request) link;
    struct http *http;
    struct http_options options; /* socket, path and peer are our copies */
    CURL *easy;
    struct buf body;
    size_t header_bytes;
};

/* --- libcurl's side: these only collect and watch; no callback of ours from here. */

static int status_of(struct http_request *request)
{
    long status = 0;
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
    struct http_request *request = ctx;
    return buf_add(&request->body, data, size * n) < 0 ? 0 : size * n;
}

/* libcurl itself would keep headers without an end. */
static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
    struct http_request *request = ctx;
    (void)data;
    request->header_bytes += size * n;
    return request->header_bytes > HEADERS_MAX ? 0 : size * n;
}

static void handle_free(uv_handle_t *handle)
{
    free(handle);
}

static void deliver(struct http *http);

static void act(struct http *http, curl_socket_t fd, int what)
{
    int running;
    curl_multi_socket_action(http->multi, fd, what, &running);
    deliver(http);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    int what = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
               (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)poll, &fd) == 0)
        act(poll->data, fd, status < 0 ? CURL_CSELECT_ERR : what);
}

static int on_watch(CURL *easy, curl_socket_t fd, int what, void *ctx, void *fd_ctx)
{
    struct http *http = ctx;
    uv_poll_t *poll = fd_ctx;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        /* libcurl may close this socket and open another of the same number: a stale handle on it
         * would be silent, so a handle never outlives its watch. */
        if (poll != NULL) {
            curl_multi_assign(http->multi, fd, NULL);
            uv_close((uv_handle_t *)poll, handle_free);
        }
        return 0;
    }
    if (poll == NULL) {
        poll = calloc(1, sizeof(*poll));
        if (poll == NULL || uv_poll_init(http->loop, poll, fd) < 0) {
            free(poll);
            return -1;
        }
        poll->data = http;
        curl_multi_assign(http->multi, fd, poll);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(poll, events, on_poll) < 0 ? -1 : 0;
}

static void on_timer(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timeout(CURLM *multi, long timeout_ms, void *ctx)
{
    struct http *http = ctx;
    (void)multi;
    if (timeout_ms < 0)
        uv_timer_stop(http->timer);
    else
        uv_timer_start(http->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

/* --- our side: what libcurl collected goes out after it has returned. */

static void request_free(struct http_request *request)
{
    if (request == NULL)
        return;
    if (request->easy != NULL) {
        curl_multi_remove_handle(request->http->multi, request->easy);
        curl_easy_cleanup(request->easy);
    }
    free((char *)request->options.socket);
    free((char *)request->options.path);
    free((char *)request->options.peer);
    buf_done(&request->body);
    free(request);
}

/* What curl says, as a sentence that names who was asked for what. */
static void explain(struct http_request *request, CURLcode code, struct error *error)
{
    const char *peer = request->options.peer, *path = request->options.path;
    int cut = (int)strcspn(path, "?"); /* the query says nothing to a reader */
    switch (code) {
    case CURLE_OK:
        error->code = 0;
        break;
    case CURLE_COULDNT_CONNECT:
        error_set(error, -ECONNREFUSED, "%s cannot be connected to.", peer);
        break;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        error_set(error, -ECONNRESET, "%s closed the connection without an answer to GET %.*s.",
                  peer, cut, path);
        break;
    case CURLE_PARTIAL_FILE:
        error_set(error, -ECONNRESET, "%s closed the connection in the middle of GET %.*s.", peer,
                  cut, path);
        break;
    case CURLE_OPERATION_TIMEDOUT:
        error_set(error, -ETIMEDOUT, "%s did not answer GET %.*s within %d s.", peer, cut, path,
                  (request->options.data ? CONNECT_TIMEOUT_MS : request->options.timeout_ms) /
                      1000);
        break;
    case CURLE_WRITE_ERROR:
        if (request->body.dropped > 0)
            error_set(error, -EMSGSIZE, "%s answered GET %.*s with more than %zu KiB.", peer, cut,
                      path, request->options.max / 1024);
        else
            error_set(error, -EPROTO, "%s answered GET %.*s with too many headers.", peer, cut,
                      path);
        break;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
        error_set(error, -EPROTO, "%s did not answer GET %.*s in HTTP.", peer, cut, path);
        break;
    default:
        error_set(error, -EIO, "%s: GET %.*s failed: %s.", peer, cut, path,
                  curl_easy_strerror(code));
    }
}

static bool is_stream(struct http_request *request)
{
    return request->options.data != NULL && status_of(request) == 200;
}

/* Hands out what a stream brought; the callback may cancel the request. */
static void deliver_chunk(struct http_request *request)
{
    struct buf chunk = request->body;
    buf_init(&request->body, chunk.max);
    request->options.data(request->options.ctx, chunk.data, chunk.len);
    buf_done(&chunk);
}

static void deliver_end(struct http_request *request, CURLcode code)
{
    struct http_result result = {.status = status_of(request)};
    char empty[1] = "";
    explain(request, code, &result.error);
    result.body = request->body.data != NULL ? request->body.data : empty;
    result.len = request->body.len;
    LIST_REMOVE(request, link);
    request->options.done(request->options.ctx, &result);
    request_free(request);
}

static void deliver(struct http *http)
{
    struct http_request *request;
    http->delivering = true;
again:
    LIST_FOREACH(request, &http->requests, link)
    {
        /* The list may be another after a callback: begin anew; emptied streams are passed over. */
        if (request->body.len > 0 && is_stream(request)) {
            deliver_chunk(request);
            goto again;
        }
    }
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
        deliver_end(request, message->data.result);
    }
    http->delivering = false;
}

/* --- the public face */

struct http *http_new(uv_loop_t *loop)
{
    struct http *http = calloc(1, sizeof(*http));
    if (http == NULL)
        return NULL;
    http->loop = loop;
    LIST_INIT(&http->requests);
    http->timer = calloc(1, sizeof(*http->timer));
    curl_global_init(CURL_GLOBAL_NOTHING); /* counted by libcurl */
    http->multi = curl_multi_init();
    if (http->timer == NULL || http->multi == NULL) {
        free(http->timer);
        http->timer = NULL;
        http_free(http);
        return NULL;
    }
    uv_timer_init(loop, http->timer);
    http->timer->data = http;
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_watch);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 4L); /* idle ones kept */
    return http;
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;
    assert(!http->delivering);
    while (!LIST_EMPTY(&http->requests))
        http_cancel(LIST_FIRST(&http->requests));
    curl_multi_cleanup(http->multi);
    curl_global_cleanup();
    if (http->timer != NULL)
        uv_close((uv_handle_t *)http->timer, handle_free);
    free(http);
}

static CURL *easy_new(struct http_request *request)
{
    const struct http_options *options = &request->options;
    CURL *easy = curl_easy_init();
    if (easy == NULL)
        return NULL;
    struct buf url;
    buf_init(&url, 16384);
    /* The host is never looked up: it only fills the Host header. */
    bool ok = buf_addf(&url, "http://localhost%s", options->path) == 0;
    ok = ok && curl_easy_setopt(easy, CURLOPT_URL, url.data) == CURLE_OK;
    buf_done(&url);
    ok = ok && curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, options->socket) == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK;
    ok = ok && curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK;
    if (!ok) {
        curl_easy_cleanup(easy);
        return NULL;
    }
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "hemma-top/" HEMMA_VERSION);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, options->data ? 0L : (long)options->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
    return easy;
}

struct http_request *http_get(struct http *http, const struct http_options *options)
{
    struct http_request *request = calloc(1, sizeof(*request));
    if (request == NULL)
        return NULL;
    request->http = http;
    request->options = *options;
    request->options.socket = strdup(options->socket);
    request->options.path = strdup(options->path);
    request->options.peer = strdup(options->peer);
    buf_init(&request->body, options->max);
    if (request->options.socket != NULL && request->options.path != NULL &&
        request->options.peer != NULL)
        request->easy = easy_new(request);
    if (request->easy == NULL || curl_multi_add_handle(http->multi, request->easy) != CURLM_OK) {
        request_free(request);
        return NULL;
    }
    LIST_INSERT_HEAD(&http->requests, request, link);
    return request;
}

void http_cancel(struct http_request *request)
{
    if (request == NULL)
        return;
    LIST_REMOVE(request, link);
    request_free(request);
}
