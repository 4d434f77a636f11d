#include "snapshot.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "ask.h"
#include "base/clock.h"
#include "model/json.h"
#include "model/judge.h"
#include "session.h"
#include "ui/screen.h"
#include "ui/svg.h"

/* One attempt, and no service may hold the rest up for longer. */
#define PATIENCE_MS 20000
#define OUTPUT_MAX (64 << 20)

struct snapshot {
    uv_loop_t loop;
    uv_timer_t patience;
    struct session *session;
};

static void check(struct snapshot *snapshot)
{
    const struct remote_status *status = session_status(snapshot->session);
    bool failed =
        status != NULL && (status->state == REMOTE_LOST || status->state == REMOTE_STOPPED);
    if (failed || session_settled(snapshot->session))
        uv_stop(&snapshot->loop);
}

static void on_changed(void *ctx)
{
    struct snapshot *snapshot = ctx;
    if (snapshot->session != NULL)
        check(snapshot);
}

static void on_asked(void *ctx, const struct remote_question *question)
{
    struct snapshot *snapshot = ctx;
    char answer[1024];
    int len = ask_terminal(question, answer, sizeof(answer));
    session_answer(snapshot->session, len >= 0 ? answer : NULL);
    explicit_bzero(answer, sizeof(answer));
}

static void on_noticed(void *ctx, const char *text)
{
    (void)ctx;
    fprintf(stderr, "hemma-top: %s\n", text);
}

static void on_patience(uv_timer_t *timer)
{
    struct snapshot *snapshot = timer->data;
    fprintf(stderr, "hemma-top: not everything answered within %d s\n", PATIENCE_MS / 1000);
    uv_stop(&snapshot->loop);
}

/* Says on standard error what could not be read. */
static void print_errors(const struct model *model)
{
    const struct link *link = model_link(model);
    if (link != NULL && link->state != LINK_UP && KNOWN(link, LINK_message)) {
        fprintf(stderr, "hemma-top: %s\n", link->message);
        return;
    }
    for (size_t i = 0; i < model_count(model, KIND_SOURCE); i++) {
        const struct source *source = (const struct source *)model_at(model, KIND_SOURCE, i);
        if (source->state == SOURCE_FAILED && KNOWN(source, SOURCE_message))
            fprintf(stderr, "hemma-top: %s: %s\n", source->e.id, source->message);
    }
}

static int print_json(const struct model *model, const char *target)
{
    json_t *object = model_json(model, target, clock_mono_ms(), clock_wall_ms());
    int status =
        object == NULL ? -1 : json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    json_decref(object);
    putchar('\n');
    return status;
}

static int print_screen(const struct model *model, const struct cli *cli)
{
    struct screen *screen = screen_new(
        &(struct screen_options){.model = model, .target = cli->target, .read_only = true});
    /* Tall enough that no container is left out. */
    int width = 140, height = 24 + (int)model_count(model, KIND_CONTAINER);
    if (cli->svg || height < 42)
        height = 42;
    struct canvas canvas;
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    int status = -1;
    if (screen != NULL &&
        canvas_init(&canvas, width, height < CANVAS_MAX ? height : CANVAS_MAX) == 0) {
        screen_tick(screen, clock_mono_ms(), clock_wall_ms());
        screen_render(screen, &canvas);
        status = cli->svg ? svg_export(&canvas, &theme_default, &out)
                          : canvas_export(&canvas, cli->ascii, &out);
        canvas_done(&canvas);
    }
    if (status == 0)
        fwrite(out.data, 1, out.len, stdout);
    buf_done(&out);
    screen_free(screen);
    return status;
}

static int print(const struct model *model, const struct cli *cli)
{
    int status = cli->json ? print_json(model, cli->target) : print_screen(model, cli);
    if (status != 0 || fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "hemma-top: the snapshot could not be written\n");
        return EXIT_SOFTWARE;
    }
    static const int codes[] = {
        [VERDICT_OK] = EXIT_HEALTHY,
        [VERDICT_DEGRADED] = EXIT_DEGRADED,
        [VERDICT_DOWN] = EXIT_DOWN,
        [VERDICT_UNKNOWN] = EXIT_UNKNOWN,
    };
    struct judgement judgement;
    model_judge(model, clock_mono_ms(), &judgement);
    return strcmp(cli->target, "demo") == 0 ? EXIT_HEALTHY : codes[judgement.verdict];
}

int snapshot_run(const struct cli *cli)
{
    static const struct session_events events = {
        .changed = on_changed,
        .asked = on_asked,
        .noticed = on_noticed,
    };
    struct snapshot snapshot = {0};
    struct error error;
    uv_loop_init(&snapshot.loop);
    snapshot.session =
        session_new(&snapshot.loop, cli, !ask_possible(), &events, &snapshot, &error);
    if (snapshot.session == NULL) {
        fprintf(stderr, "hemma-top: %s\n", error.text);
        return EXIT_UNKNOWN;
    }
    uv_timer_init(&snapshot.loop, &snapshot.patience);
    snapshot.patience.data = &snapshot;
    uv_timer_start(&snapshot.patience, on_patience, PATIENCE_MS, 0);
    check(&snapshot);
    if (!session_settled(snapshot.session))
        uv_run(&snapshot.loop, UV_RUN_DEFAULT);

    int code = print(session_model(snapshot.session), cli);
    print_errors(session_model(snapshot.session));
    session_free(snapshot.session);
    uv_close((uv_handle_t *)&snapshot.patience, NULL);
    session_drain(&snapshot.loop);
    return code;
}
