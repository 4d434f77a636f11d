/* One host being watched: the model, what fills it (a remote and its collectors, or the demo), and
 * the wiring between them. The dashboard and the snapshot are two users of it. */
#ifndef SESSION_H
#define SESSION_H

#include <stdbool.h>
#include <uv.h>

#include "cli.h"
#include "model/model.h"
#include "remote/remote.h"

struct session;

struct session_events {
    void (*changed)(void *ctx);                                       /* the model changed */
    void (*asked)(void *ctx, const struct remote_question *question); /* session_answer() */
    void (*noticed)(void *ctx, const char *text);
};

/* Begins to connect at once. NULL and the sentence for what can never work. */
struct session *session_new(uv_loop_t *loop, const struct cli *cli, bool batch,
                            const struct session_events *events, void *ctx, struct error *error);
/* Ends everything; session_drain() afterwards. */
void session_free(struct session *session);
/* Runs the loop until nothing is left in it, and closes it. */
void session_drain(uv_loop_t *loop);

const struct model *session_model(const struct session *session);
/* NULL for the demo. */
const struct remote_status *session_status(const struct session *session);
void session_answer(struct session *session, const char *answer);
void session_retry(struct session *session);
/* Everything was read once, or cannot be. */
bool session_settled(const struct session *session);

#endif
