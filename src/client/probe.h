/* The probe shell: one long-lived POSIX shell on the host that answers questions which no protocol
 * covers (/proc, df, ...). Questions are scripts compiled into the program and change nothing.
 *
 * Requests go through one channel and are answered in order, each framed by a nonce. The shell ends
 * with its input: no orphan stays when this program or the link dies. A request that takes too long
 * fails, and the shell is replaced; the others are asked again. Works in dash, bash and BusyBox.
 *
 * One belongs to a remote and to the loop's thread. */
#ifndef CLIENT_PROBE_H
#define CLIENT_PROBE_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "remote/remote.h"

struct probe;

/* A question: POSIX shell commands, each line ended. They must not read standard input (it is
 * /dev/null), not `exit`, and leave IFS and options as they were. Standard error is thrown away. */
struct probe_script {
    const char *name; /* for sentences: "disk usage" */
    const char *text;
    int timeout_ms; /* from when its turn came */
    size_t max;     /* ceiling of its answer in bytes */
};

struct probe_answer {
    struct error error; /* code 0: answered. -ETIMEDOUT, -ENOTCONN, -ECONNRESET (no shell) */
    const char *text;   /* NUL-terminated, good for the call only; "" on error */
    size_t len;
    uint64_t dropped;             /* bytes that were above the ceiling */
    int64_t sent_us, answered_us; /* monotonic: when it was its turn, and when it was answered */
};
typedef void probe_answer_fn(void *ctx, const struct probe_answer *answer);

/* Does nothing before probe_link(true). NULL when memory is out. */
struct probe *probe_new(uv_loop_t *loop, struct remote *remote);
/* No callback comes any more. Handles close in a later loop turn. Must not be called from an
 * answer; the remote must still be there. NULL is allowed. */
void probe_free(struct probe *probe);

/* The link came up: a shell is begun at once. Or it went: what is under way fails with -ENOTCONN.
 */
void probe_link(struct probe *probe, bool up);

/* Asks. The answer comes in a later loop turn, exactly once. Returns 0, or without an answer to
 * come: -ENOTCONN while there is no link, -ENOBUFS with too many under way, -ENOMEM. */
int probe_ask(struct probe *probe, const struct probe_script *script, probe_answer_fn *answer,
              void *ctx);
/* Forgets the requests of `ctx`: they are not answered any more. */
void probe_forget(struct probe *probe, void *ctx);

#endif
