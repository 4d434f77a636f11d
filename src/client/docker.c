#include "client/docker.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"
#include "client/http.h"

#define API_OLDEST_MINOR 41 /* of 1.x: Docker 20.10 */
#define API_NEWEST_MINOR 999
#define ANSWER_MAX (8u << 20)
#define EVENT_MAX (1u << 20)
#define TIMEOUT_MS 15000

/* How the Engine is reached. */
enum way { WAY_SOCKET, WAY_DIAL, WAY__COUNT };

struct docker {
    struct remote *remote;
    struct probe *probe;
    struct http *http;
    char *addresses[WAY__COUNT]; /* NULL: no such way */
    struct forward *forwards[WAY__COUNT];
    enum way way;
    bool worked; /* the present way has brought an answer before */
    bool asking; /* the probe was asked why there is no way */
    char api[16];
    uint64_t bad_lines;
    struct docker_request *reading; /* whose line is out; NULL when its receiver cancelled it */
    char peer[300];
    LIST_HEAD(, docker_request) requests; /* under way */
    LIST_HEAD(, docker_request) failed;   /* wait for the probe to explain */
};

struct docker_request {
    LIST_ENTRY(docker_request) link;
    struct docker *docker;
    char *path;
    void (*line)(void *ctx, json_t *json); /* NULL: not a stream */
    void (*done)(void *ctx, const struct docker_answer *answer);
    void *ctx;
    struct http_request *http;
    enum way way;
    bool negotiated;    /* was asked anew in another version */
    struct buf partial; /* of a line */
    bool skipping;      /* the rest of a line that is too long */
};

/* --- text into JSON */

/* The value of four hexadecimal digits after "\u", or -1. */
static long escape_at(const char *text, const char *end)
{
    static const char digits[] = "0123456789abcdef";
    if (end - text < 6 || text[0] != '\\' || text[1] != 'u')
        return -1;
    long value = 0;
    for (int i = 2; i < 6; i++) {
        const char *digit =
            text[i] != '\0' ? strchr(digits, tolower((unsigned char)text[i])) : NULL;
        if (digit == NULL)
            return -1;
        value = value * 16 + (digit - digits);
    }
    return value;
}

static size_t repair_escape(char *text, const char *end)
{
    long ch = escape_at(text, end);
    if (ch < 0xD800 || ch > 0xDFFF)
        return end - text < 2 ? 1 : 2; /* of any other escape the rest is plain */
    long next = escape_at(text + 6, end);
    if (ch < 0xDC00 && next >= 0xDC00 && next <= 0xDFFF)
        return 12;
    text[2] = text[3] = text[4] = 'F';
    text[5] = 'D';
    return 6;
}

void docker_repair(char *text, size_t len)
{
    char *end = text + len;
    while (text < end) {
        if (*text == '\\') {
            text += repair_escape(text, end);
            continue;
        }
        uint32_t ch;
        size_t used = text_decode(text, (size_t)(end - text), &ch);
        if (ch == 0xFFFD && used == 1)
            *text = '?';
        text += used;
    }
}

static json_t *parse(char *text, size_t len)
{
    docker_repair(text, len);
    return json_loadb(text, len, JSON_ALLOW_NUL, NULL);
}

/* --- ends of a request */

static void request_free(struct docker_request *request)
{
    LIST_REMOVE(request, link);
    if (request->docker->reading == request)
        request->docker->reading = NULL;
    http_cancel(request->http);
    buf_done(&request->partial);
    free(request->path);
    free(request);
}

static void finish(struct docker_request *request, const struct docker_answer *answer)
{
    void (*done)(void *, const struct docker_answer *) = request->done;
    void *ctx = request->ctx;
    request_free(request);
    done(ctx, answer);
}

static void fail(struct docker_request *request, const struct error *error)
{
    struct docker_answer answer = {.error = *error};
    finish(request, &answer);
}

/* --- why there is no way to the Engine, and what to do about it */

static const struct probe_script explain_script = {
    .name = "state of Docker's socket",
    .timeout_ms = 5000,
    .max = 4096,
    .text = "s=/var/run/docker.sock\n"
            "if [ ! -e $s ]; then echo missing\n"
            "elif [ ! -w $s ]; then echo denied\n"
            "else echo fine; fi\n"
            "id -un\n"
            "command -v docker || echo none\n",
};

static const char *host_of(struct docker *docker)
{
    const struct remote_status *status = remote_status(docker->remote);
    return strcmp(status->transport, "local") == 0 ? "this host" : status->address;
}

static void sentence(struct docker *docker, const char *found, struct error *ret)
{
    char state[16] = "", user[64] = "", command[256] = "";
    const char *host = host_of(docker);
    sscanf(found, "%15s %63s %255s", state, user, command);
    if (strcmp(state, "missing") == 0)
        error_set(ret, -ECONNREFUSED,
                  "There is no /var/run/docker.sock on %s: start Docker there (systemctl start "
                  "docker), or install it.",
                  host);
    else if (strcmp(state, "denied") == 0)
        error_set(ret, -ECONNREFUSED,
                  "%s may not use Docker on %s: add the account to the group docker there "
                  "(usermod -aG docker %s) and log in anew.",
                  user, host, user);
    else if (strcmp(state, "fine") == 0 && command[0] == '/')
        error_set(ret, -ECONNREFUSED,
                  "The Docker Engine on %s does not answer on its socket: is it running "
                  "(systemctl status docker)?",
                  host);
    else if (strcmp(state, "fine") == 0)
        error_set(ret, -ECONNREFUSED,
                  "Docker's socket on %s cannot be reached: the Engine is not running (systemctl "
                  "status docker), or sshd forwards no sockets (AllowStreamLocalForwarding yes in "
                  "its sshd_config, or install the docker command there).",
                  host);
    else
        error_set(ret, -ECONNREFUSED, "The Docker Engine on %s cannot be reached.", host);
}

static void on_explained(void *ctx, const struct probe_answer *answer)
{
    struct docker *docker = ctx;
    struct docker_request *request;
    struct error error;
    sentence(docker, answer->text, &error);
    docker->asking = false;
    if (docker->way != WAY_SOCKET) {
        docker->way = WAY_SOCKET; /* next time both are tried again */
        docker->worked = false;
    }
    while ((request = LIST_FIRST(&docker->failed)) != NULL)
        fail(request, &error); /* NOLINT: the analyzer does not see that LIST_REMOVE unlinks it */
}

/* Fails the request with the reason, which may have to be asked for first. */
static void explain(struct docker_request *request)
{
    struct docker *docker = request->docker;
    const struct error *why =
        docker->forwards[WAY_SOCKET] != NULL ? forward_error(docker->forwards[WAY_SOCKET]) : NULL;
    struct error error;
    int code = why != NULL ? why->code : 0;
    const char *path = docker->addresses[WAY_SOCKET] + strlen("unix:");
    if (strcmp(remote_status(docker->remote)->transport, "local") == 0) {
        if (code == -ENOENT)
            error_set(&error, -ECONNREFUSED,
                      "There is no %s here: start Docker (systemctl start docker), or set "
                      "DOCKER_HOST=unix:///PATH.",
                      path);
        else if (code == -EACCES || code == -EPERM)
            error_set(&error, -ECONNREFUSED,
                      "You may not use %s: add your account to the group docker (usermod -aG "
                      "docker NAME) and log in anew.",
                      path);
        else
            error_set(&error, -ECONNREFUSED,
                      "The Docker Engine does not answer on %s: is it running (systemctl status "
                      "docker)?",
                      path);
        fail(request, &error);
        return;
    }
    if (!docker->asking)
        docker->asking = probe_ask(docker->probe, &explain_script, on_explained, docker) == 0;
    if (docker->asking) {
        LIST_REMOVE(request, link);
        LIST_INSERT_HEAD(&docker->failed, request, link);
    } else {
        sentence(docker, "", &error);
        fail(request, &error);
    }
}

/* --- a request's way */

static void on_data(void *ctx, const char *data, size_t len);
static void on_done(void *ctx, const struct http_result *result);

/* Sends the request on the present way. False: no memory or no descriptor for it. */
static bool attempt(struct docker_request *request, struct error *error)
{
    struct docker *docker = request->docker;
    struct forward **forward = &docker->forwards[docker->way];
    request->way = docker->way;
    snprintf(docker->peer, sizeof(docker->peer), "The Docker Engine on %s", host_of(docker));
    if (*forward == NULL)
        *forward = forward_new(docker->remote, docker->addresses[docker->way], error);
    if (*forward == NULL)
        return false;
    char *path;
    bool plain = strcmp(request->path, "/version") == 0;
    error_set(error, -ENOMEM, "There is no memory for a request to Docker.");
    if (asprintf(&path, "%s%s%s", plain ? "" : "/v", plain ? "" : docker->api, request->path) < 0)
        return false;
    struct http_options options = {
        .socket = forward_path(*forward),
        .path = path,
        .peer = docker->peer,
        .timeout_ms = TIMEOUT_MS,
        .max = ANSWER_MAX,
        .data = request->line != NULL ? on_data : NULL,
        .done = on_done,
        .ctx = request,
    };
    request->http = http_get(docker->http, &options);
    free(path);
    return request->http != NULL;
}

static void again(struct docker_request *request)
{
    struct error error;
    if (!attempt(request, &error))
        fail(request, &error);
}

static bool link_is_up(struct docker *docker)
{
    return remote_status(docker->remote)->state == REMOTE_UP;
}

/* There was no connection, or it ended before an answer. */
static void no_way(struct docker_request *request, const struct error *error)
{
    struct docker *docker = request->docker;
    struct error lost;
    if (!link_is_up(docker)) {
        error_set(&lost, -ENOTCONN, "The link to %s was lost.", host_of(docker));
        fail(request, &lost);
    } else if (request->way != docker->way) {
        again(request); /* another request has found that this way is closed */
    } else if (docker->worked && error->code == -ECONNRESET &&
               forward_error(docker->forwards[docker->way])->code == 0) {
        fail(request, error); /* the way is right, the Engine hung up */
    } else if (docker->way == WAY_SOCKET && !docker->worked && docker->addresses[WAY_DIAL]) {
        docker->way = WAY_DIAL;
        again(request);
    } else {
        explain(request);
    }
}

/* The Engine's own word of an error: {"message": "..."}. */
static void error_from_engine(struct docker_request *request, const struct http_result *result,
                              struct error *error)
{
    struct docker *docker = request->docker;
    json_t *json = parse(result->body, result->len);
    const char *message = json_string_value(json_object_get(json, "message"));
    error_set(error, result->status == 404 ? -ENOENT : -EIO, "%s answered GET %.*s with %d%s%.200s",
              docker->peer, (int)strcspn(request->path, "?"), request->path, result->status,
              message ? ": " : ".", message ? message : "");
    json_decref(json);
}

/* A status of 400 may be about the version. True when the request is on its way again, or failed.
 */
static bool negotiate(struct docker_request *request, const struct http_result *result)
{
    struct docker *docker = request->docker;
    const char *oldest = strcasestr(result->body, "minimum supported API version is 1.");
    const char *newest = strcasestr(result->body, "maximum supported API version is 1.");
    const char *said = oldest != NULL ? oldest : newest;
    if (said == NULL)
        return false;
    unsigned long minor = strtoul(strstr(said, " 1.") + 3, NULL, 10);
    if (minor < API_OLDEST_MINOR || minor > API_NEWEST_MINOR || request->negotiated) {
        struct error error;
        error_set(&error, -EPROTONOSUPPORT,
                  "%s speaks API 1.%lu at %s, and 1.%d is needed: Docker 20.10 or newer.",
                  docker->peer, minor, oldest != NULL ? "least" : "most", API_OLDEST_MINOR);
        fail(request, &error);
        return true;
    }
    snprintf(docker->api, sizeof(docker->api), "1.%lu", minor);
    request->negotiated = true;
    again(request);
    return true;
}

static void on_done(void *ctx, const struct http_result *result)
{
    struct docker_request *request = ctx;
    struct docker *docker = request->docker;
    struct docker_answer answer = {.error = result->error};
    request->http = NULL;
    if (result->status == 0 &&
        (result->error.code == -ECONNREFUSED || result->error.code == -ECONNRESET)) {
        no_way(request, &result->error);
        return;
    }
    docker->worked = docker->worked || result->status != 0;
    if (result->status == 400 && result->error.code == 0 && negotiate(request, result))
        return;
    if (result->error.code == 0 && result->status / 100 != 2) {
        error_from_engine(request, result, &answer.error);
    } else if (result->error.code == 0 && request->line != NULL) {
        error_set(&answer.error, -ECONNRESET, "%s ended its stream of events.", docker->peer);
    } else if (result->error.code == 0) {
        answer.json = parse(result->body, result->len);
        if (answer.json == NULL)
            error_set(&answer.error, -EBADMSG, "%s answered GET %.*s with what is not JSON.",
                      docker->peer, (int)strcspn(request->path, "?"), request->path);
    }
    json_t *json = answer.json;
    finish(request, &answer);
    json_decref(json);
}

static void on_line(struct docker_request *request)
{
    struct buf line = request->partial;
    buf_init(&request->partial, line.max);
    json_t *json = NULL;
    if (line.len > 0 && !request->skipping)
        json = parse(line.data, line.len);
    request->docker->bad_lines += json == NULL && (line.len > 0 || request->skipping);
    request->skipping = false;
    buf_done(&line);
    if (json != NULL)
        request->line(request->ctx, json);
    json_decref(json);
}

static void on_data(void *ctx, const char *data, size_t len)
{
    struct docker_request *request = ctx;
    struct docker *docker = request->docker;
    docker->worked = true;
    docker->reading = request;
    while (len > 0 && docker->reading == request) {
        const char *newline = memchr(data, '\n', len);
        size_t part = newline != NULL ? (size_t)(newline - data) : len;
        if (buf_add(&request->partial, data, part) < 0)
            request->skipping = true;
        data += part;
        len -= part;
        if (newline != NULL) {
            data++;
            len--;
            on_line(request);
        }
    }
    docker->reading = NULL;
}

/* --- the public face */

static char *prefixed(const char *path)
{
    char *address;
    return asprintf(&address, "unix:%s", path) < 0 ? NULL : address;
}

/* Where the Engine listens on this very machine. */
static char *local_address(void)
{
    const char *host = getenv("DOCKER_HOST"), *run = getenv("XDG_RUNTIME_DIR");
    if (host != NULL && strncmp(host, "unix://", 7) == 0)
        return prefixed(host + 7);
    char *rootless = NULL;
    if (access("/var/run/docker.sock", F_OK) != 0 && run != NULL &&
        asprintf(&rootless, "unix:%s/docker.sock", run) > 0 &&
        access(rootless + strlen("unix:"), F_OK) == 0)
        return rootless;
    free(rootless);
    return strdup("unix:/var/run/docker.sock");
}

struct docker *docker_new(uv_loop_t *loop, struct remote *remote, struct probe *probe)
{
    struct docker *docker = calloc(1, sizeof(*docker));
    if (docker == NULL)
        return NULL;
    docker->remote = remote;
    docker->probe = probe;
    snprintf(docker->api, sizeof(docker->api), "1.%d", API_OLDEST_MINOR);
    LIST_INIT(&docker->requests);
    LIST_INIT(&docker->failed);
    bool local = strcmp(remote_status(remote)->transport, "local") == 0;
    docker->addresses[WAY_SOCKET] = local ? local_address() : prefixed("/var/run/docker.sock");
    if (!local)
        docker->addresses[WAY_DIAL] = strdup("exec:docker system dial-stdio");
    docker->http = http_new(loop);
    if (docker->http == NULL || docker->addresses[WAY_SOCKET] == NULL) {
        docker_free(docker);
        return NULL;
    }
    return docker;
}

void docker_free(struct docker *docker)
{
    if (docker == NULL)
        return;
    while (!LIST_EMPTY(&docker->requests))
        docker_cancel(LIST_FIRST(&docker->requests));
    while (!LIST_EMPTY(&docker->failed))
        docker_cancel(LIST_FIRST(&docker->failed));
    probe_forget(docker->probe, docker);
    http_free(docker->http);
    for (int way = 0; way < WAY__COUNT; way++) {
        forward_free(docker->forwards[way]);
        free(docker->addresses[way]);
    }
    free(docker);
}

struct docker_request *docker_stream(struct docker *docker, const char *path,
                                     void (*line)(void *ctx, json_t *json),
                                     void (*done)(void *ctx, const struct docker_answer *answer),
                                     void *ctx)
{
    struct docker_request *request = calloc(1, sizeof(*request));
    if (request == NULL)
        return NULL;
    request->path = strdup(path);
    if (request->path == NULL) {
        free(request);
        return NULL;
    }
    request->docker = docker;
    request->line = line;
    request->done = done;
    request->ctx = ctx;
    buf_init(&request->partial, EVENT_MAX);
    LIST_INSERT_HEAD(&docker->requests, request, link);
    if (!attempt(request, NULL)) {
        request_free(request);
        return NULL;
    }
    return request;
}

struct docker_request *docker_get(struct docker *docker, const char *path,
                                  void (*done)(void *ctx, const struct docker_answer *answer),
                                  void *ctx)
{
    return docker_stream(docker, path, NULL, done, ctx);
}

void docker_cancel(struct docker_request *request)
{
    if (request != NULL)
        request_free(request);
}

const char *docker_api(const struct docker *docker)
{
    return docker->api;
}

uint64_t docker_bad_lines(const struct docker *docker)
{
    return docker->bad_lines;
}
