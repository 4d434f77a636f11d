/* A client of the Docker Engine API that can only GET: it reads, and cannot change anything.
 *
 * It finds the way to the Engine by itself: the Unix socket carried by a forward, else, over SSH,
 * `docker system dial-stdio`; and the API version: 1.41, or what the Engine asks for.
 * An answer is JSON that was repaired first: a bad byte in one name hides nothing else. */
#ifndef CLIENT_DOCKER_H
#define CLIENT_DOCKER_H

#include <jansson.h>
#include <uv.h>

#include "client/probe.h"
#include "remote/remote.h"

struct docker;
struct docker_request;

struct docker_answer {
    struct error error; /* code 0: status 2xx and JSON. -ENOENT: 404. -ENOTCONN: no link.
                         * -ECONNREFUSED: no way to the Engine, with what to do about it */
    json_t *json;       /* borrowed for the call; NULL on error, and at a stream's end */
};

/* Both clients must outlive it. NULL when memory is out. */
struct docker *docker_new(uv_loop_t *loop, struct remote *remote, struct probe *probe);
/* No callback comes any more; not to be called from one. NULL is allowed. */
void docker_free(struct docker *docker);

/* Asks "/containers/json?all=1" and the like, the API version being added (but not to "/version").
 * `done` comes exactly once, in a later loop turn. NULL when memory or descriptors are out. */
struct docker_request *docker_get(struct docker *docker, const char *path,
                                  void (*done)(void *ctx, const struct docker_answer *answer),
                                  void *ctx);
/* The same for a stream of JSON values, one a line: `line` for each (borrowed), `done` at its end,
 * for which the Engine's closing it in order is an error too (-ECONNRESET). */
struct docker_request *docker_stream(struct docker *docker, const char *path,
                                     void (*line)(void *ctx, json_t *json),
                                     void (*done)(void *ctx, const struct docker_answer *answer),
                                     void *ctx);
/* Ends it without a further callback. NULL is allowed. */
void docker_cancel(struct docker_request *request);

/* The API version in use, "1.41". */
const char *docker_api(const struct docker *docker);
/* Lines of streams that were no JSON or too long, and were passed over. */
uint64_t docker_bad_lines(const struct docker *docker);

/* For tests: makes `text` acceptable to a JSON parser in place: what is no UTF-8 becomes '?', half
 * of a surrogate pair U+FFFD. */
void docker_repair(char *text, size_t len);

#endif
