#include "app.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "ask.h"
#include "base/clock.h"
#include "session.h"
#include "ui/screen.h"
#include "ui/term.h"

#define FRAME_MS 50  /* frames from data: one in this time, 20 a second, ... */
#define BURST_MS 100 /* ... which a few after a quiet time may be ahead of */
#define GATHER_MS 5  /* what changes together is drawn together */
#define PLAIN_MS 300 /* how long the first connection may take before the screen comes up */
#define COST_MS 5000 /* how often our own cost is measured */
#define ANSWER_MAX 1024

static const int signals[] = {SIGWINCH, SIGINT, SIGTERM, SIGHUP};
#define N_SIGNALS (sizeof(signals) / sizeof(signals[0]))

struct app {
    const struct cli *cli;
    uv_loop_t loop;
    struct session *session;
    struct screen *screen;
    struct term *term; /* NULL before the screen comes up */
    struct canvas canvas;
    uv_poll_t input, ready;
    uv_timer_t frame; /* the next frame, or whatever changes by itself */
    uv_timer_t esc;   /* when a lone Escape becomes a key */
    uv_timer_t plain; /* the end of the time before the screen */
    uv_timer_t cost;
    uv_signal_t signals[N_SIGNALS];
    bool asked_plainly; /* the operator answers on the plain terminal: the screen can wait */
    bool ready_is_polled;
    int64_t frames_until;       /* monotonic ms up to which the frames so far use up their rate */
    int64_t frame_at;           /* when the frame timer comes, while it is active */
    int64_t cost_at, cost_used; /* us */
    int code;
};

static void schedule(struct app *app);

static void stop(struct app *app, int code)
{
    app->code = code;
    uv_stop(&app->loop);
}

/* Our own processor time so far, in us. */
static int64_t cost_now(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static void on_cost(uv_timer_t *timer)
{
    struct app *app = timer->data;
    int64_t at = clock_mono_us(), used = cost_now();
    screen_set_cost(app->screen,
                    100.0 * (double)(used - app->cost_used) / (double)(at - app->cost_at));
    app->cost_at = at;
    app->cost_used = used;
}

/* The writer has sent the last frame. */
static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct app *app = poll->data;
    if (!term_ready(app->term))
        return;
    uv_poll_stop(poll);
    app->ready_is_polled = false;
    schedule(app);
}

static void draw(struct app *app)
{
    int width, height;
    if (!term_ready(app->term)) {
        /* A terminal that stands still: the newest frame is made when it has taken the last. */
        if (!app->ready_is_polled)
            uv_poll_start(&app->ready, UV_READABLE, on_ready);
        app->ready_is_polled = true;
        return;
    }
    term_size(app->term, &width, &height);
    if (app->canvas.width != width || app->canvas.height != height) {
        canvas_done(&app->canvas);
        if (canvas_init(&app->canvas, width, height) < 0)
            return;
    }
    screen_render(app->screen, &app->canvas);
    term_draw(app->term, &app->canvas);
    int64_t now = clock_mono_ms();
    app->frames_until = (app->frames_until > now ? app->frames_until : now) + FRAME_MS;
}

static void on_frame(uv_timer_t *timer)
{
    struct app *app = timer->data;
    screen_tick(app->screen, clock_mono_ms(), clock_wall_ms());
    if (screen_dirty(app->screen))
        draw(app);
    schedule(app);
}

/* Sets the timer for the next frame: soon when something is to be seen, else when the screen
 * changes by itself (clocks, ages). Nothing is drawn in between. */
static void schedule(struct app *app)
{
    if (app->term == NULL || app->ready_is_polled)
        return;
    int64_t now = clock_mono_ms(), at = screen_deadline(app->screen);
    if (screen_dirty(app->screen)) {
        at = app->frames_until - BURST_MS;
        if (at < now + GATHER_MS)
            at = now + GATHER_MS;
    }
    if (at == INT64_MAX)
        uv_timer_stop(&app->frame);
    else if (!uv_is_active((uv_handle_t *)&app->frame) || at < app->frame_at) {
        app->frame_at = at;
        uv_timer_start(&app->frame, on_frame, at > now ? (uint64_t)(at - now) : 0, 0);
    }
}

static void suspend(struct app *app)
{
    term_suspend(app->term);
    if (term_resize(app->term))
        term_redraw(app->term);
    app->cost_at = clock_mono_us();
    app->cost_used = cost_now();
}

static void on_esc(uv_timer_t *timer);

static void handle_keys(struct app *app)
{
    struct key_event event;
    int64_t now = clock_mono_ms();
    while (term_key(app->term, &event, now)) {
        switch (screen_key(app->screen, &event, now, clock_wall_ms())) {
        case SCREEN_NOTHING:
            break;
        case SCREEN_QUIT:
            stop(app, 0);
            return;
        case SCREEN_SUSPEND:
            suspend(app);
            break;
        case SCREEN_REDRAW:
            term_redraw(app->term);
            break;
        case SCREEN_RETRY:
            session_retry(app->session);
            break;
        }
    }
    int64_t deadline = term_deadline(app->term);
    if (deadline != INT64_MAX)
        uv_timer_start(&app->esc, on_esc, deadline > now ? (uint64_t)(deadline - now) : 0, 0);
    /* A key is answered at once. */
    screen_tick(app->screen, now, clock_wall_ms());
    draw(app);
    schedule(app);
}

static void on_esc(uv_timer_t *timer)
{
    handle_keys(timer->data);
}

static void on_input(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct app *app = poll->data;
    if (status < 0 || term_read(app->term, clock_mono_ms()) < 0)
        stop(app, 0); /* the terminal is gone, and so are we */
    else
        handle_keys(app);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct app *app = handle->data;
    if (number != SIGWINCH) {
        stop(app, 128 + number);
    } else if (app->term != NULL && term_resize(app->term)) {
        screen_tick(app->screen, clock_mono_ms(), clock_wall_ms());
        draw(app);
        schedule(app);
    }
}

static void discard_input(void *ctx)
{
    struct app *app = ctx;
    if (app->term != NULL)
        term_discard(app->term);
}

/* From the plain terminal to the screen. */
static void start_screen(struct app *app)
{
    struct term_options options = {
        .fd = STDIN_FILENO,
        .ascii = app->cli->ascii,
        .theme = &theme_default,
    };
    struct error error;
    uv_timer_stop(&app->plain);
    term_options_from_environment(&options);
    if (term_new(&options, &app->term, &error) < 0) {
        dprintf(STDERR_FILENO, "hemma-top: %s\n", error.text);
        stop(app, EXIT_SOFTWARE);
        return;
    }
    term_guard(app->term);
    uv_poll_init(&app->loop, &app->input, term_input_fd(app->term));
    uv_poll_init(&app->loop, &app->ready, term_ready_fd(app->term));
    app->input.data = app->ready.data = app;
    uv_poll_start(&app->input, UV_READABLE | UV_DISCONNECT, on_input);
    app->cost_at = clock_mono_us();
    app->cost_used = cost_now();
    uv_timer_start(&app->cost, on_cost, COST_MS, COST_MS);
    screen_tick(app->screen, clock_mono_ms(), clock_wall_ms());
    draw(app);
    schedule(app);
}

static void on_plain(uv_timer_t *timer)
{
    struct app *app = timer->data;
    if (app->term == NULL && !app->asked_plainly)
        start_screen(app);
}

static void on_changed(void *ctx)
{
    struct app *app = ctx;
    if (app->session == NULL)
        return;
    if (app->term == NULL) {
        const struct remote_status *status = session_status(app->session);
        if (status == NULL || status->state != REMOTE_CONNECTING)
            start_screen(app);
        return;
    }
    screen_tick(app->screen, clock_mono_ms(), clock_wall_ms());
    /* A question of a connection that is gone can no longer be answered. */
    const struct remote_status *status = session_status(app->session);
    if (status != NULL && status->state != REMOTE_CONNECTING)
        screen_unask(app->screen);
    schedule(app);
}

static void on_answer(void *ctx, const char *answer)
{
    struct app *app = ctx;
    session_answer(app->session, answer);
}

static void on_asked(void *ctx, const struct remote_question *question)
{
    static const enum screen_question kinds[] = {
        [QUESTION_SECRET] = ASK_SECRET,
        [QUESTION_TEXT] = ASK_TEXT,
        [QUESTION_HOST_KEY] = ASK_YES_NO,
    };
    struct app *app = ctx;
    if (app->term != NULL) {
        screen_ask(app->screen, kinds[question->kind], question->title, question->detail, on_answer,
                   app);
        draw(app);
        schedule(app);
        return;
    }
    char answer[ANSWER_MAX];
    app->asked_plainly = true;
    int len = ask_terminal(question, answer, sizeof(answer));
    session_answer(app->session, len >= 0 ? answer : NULL);
    explicit_bzero(answer, sizeof(answer));
    if (len < 0)
        stop(app, 128 + SIGINT);
}

static void on_noticed(void *ctx, const char *text)
{
    struct app *app = ctx;
    screen_say(app->screen, ROLE_INFO, text);
}

static void init_handles(struct app *app)
{
    uv_timer_t *timers[] = {&app->frame, &app->esc, &app->plain, &app->cost};
    for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
        uv_timer_init(&app->loop, timers[i]);
        timers[i]->data = app;
    }
    for (size_t i = 0; i < N_SIGNALS; i++) {
        uv_signal_init(&app->loop, &app->signals[i]);
        app->signals[i].data = app;
        uv_signal_start(&app->signals[i], on_signal, signals[i]);
    }
}

static void close_handles(struct app *app)
{
    uv_timer_t *timers[] = {&app->frame, &app->esc, &app->plain, &app->cost};
    for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++)
        uv_close((uv_handle_t *)timers[i], NULL);
    for (size_t i = 0; i < N_SIGNALS; i++)
        uv_close((uv_handle_t *)&app->signals[i], NULL);
}

static void done(struct app *app)
{
    /* The terminal first: it must be whole whatever else takes its time. */
    if (app->term != NULL) {
        uv_close((uv_handle_t *)&app->input, NULL);
        uv_close((uv_handle_t *)&app->ready, NULL);
        term_free(app->term);
    }
    screen_free(app->screen);
    session_free(app->session);
    canvas_done(&app->canvas);
    close_handles(app);
    session_drain(&app->loop);
}

int app_run(const struct cli *cli)
{
    static const struct session_events events = {
        .changed = on_changed,
        .asked = on_asked,
        .noticed = on_noticed,
    };
    struct app app = {.cli = cli};
    struct error error = {0};
    uv_loop_init(&app.loop);
    init_handles(&app);
    app.session = session_new(&app.loop, cli, false, &events, &app, &error);
    if (app.session != NULL)
        app.screen = screen_new(&(struct screen_options){
            .model = session_model(app.session),
            .target = cli->target,
            .read_only = true, /* there is no way yet to change anything */
            .discard_input = discard_input,
            .ctx = &app,
        });
    if (app.screen == NULL) {
        dprintf(STDERR_FILENO, "hemma-top: %s\n", error.text[0] ? error.text : "out of memory");
        app.code = EXIT_SOFTWARE;
    } else {
        const struct remote_status *status = session_status(app.session);
        /* Nothing can be asked by these: the screen comes up before any I/O. */
        if (status == NULL || strcmp(status->transport, "local") == 0)
            start_screen(&app);
        else
            uv_timer_start(&app.plain, on_plain, PLAIN_MS, 0);
        uv_run(&app.loop, UV_RUN_DEFAULT);
    }
    done(&app);
    return app.code;
}
