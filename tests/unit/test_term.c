/* ui/term on a real pseudo-terminal: what is sent, what is not, and a terminal that stands still.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "ui/term.h"

#define WIDTH 100
#define HEIGHT 30

static int master, slave;
static struct termios before;
static struct term *term;
static struct canvas canvas;
static char got[1 << 20]; /* what the terminal received last */

static int open_pty(void **state)
{
    (void)state;
    struct winsize size = {.ws_col = WIDTH, .ws_row = HEIGHT};
    if (openpty(&master, &slave, NULL, NULL, &size) < 0)
        return -1;
    fcntl(master, F_SETFL, O_NONBLOCK);
    tcgetattr(slave, &before);
    term = NULL;
    return canvas_init(&canvas, WIDTH, HEIGHT);
}

static int close_pty(void **state)
{
    (void)state;
    term_free(term);
    canvas_done(&canvas);
    if (master >= 0)
        close(master);
    close(slave);
    return 0;
}

static void start(const char *type, bool no_color, bool ascii)
{
    struct error error = {0};
    struct term_options options = {
        .fd = slave, .type = type, .no_color = no_color, .ascii = ascii, .theme = &theme_default};
    if (term_new(&options, &term, &error) < 0)
        fail_msg("%s", error.text);
}

/* Reads what the terminal gets until it has been quiet for `ms`. */
static size_t receive(int ms)
{
    size_t n = 0;
    struct pollfd fd = {.fd = master, .events = POLLIN};
    while (n < sizeof(got) - 1 && poll(&fd, 1, ms) > 0) {
        ssize_t used = read(master, got + n, sizeof(got) - 1 - n);
        if (used <= 0)
            break;
        n += (size_t)used;
    }
    got[n] = '\0';
    return n;
}

static void wait_until_ready(void)
{
    int64_t end = clock_mono_ms() + 5000;
    while (!term_ready(term)) {
        struct pollfd fds[] = {{.fd = term_ready_fd(term), .events = POLLIN},
                               {.fd = master, .events = POLLIN}};
        assert_true(clock_mono_ms() < end);
        poll(fds, 2, 100);
        if (fds[1].revents & POLLIN)
            receive(0);
    }
}

static void test_only_changes_are_sent(void **state)
{
    (void)state;
    start("xterm-256color", false, false);
    canvas_text(&canvas, 0, 0, 20, "hello ●", ROLE_OK);
    assert_true(term_draw(term, &canvas) > 0);
    receive(200);
    assert_non_null(strstr(got, "hello ●"));
    assert_non_null(strstr(got, "\033[?1049h"));
    assert_non_null(strstr(got, "\033[?2004h"));
    wait_until_ready();
    assert_int_equal(term_draw(term, &canvas), 0); /* nothing changed: nothing sent */
    canvas_text(&canvas, 4, 0, 1, "!", ROLE_OK);
    int sent = term_draw(term, &canvas);
    assert_in_range(sent, 1, 40);
    receive(200);
    assert_non_null(strchr(got, '!'));
    assert_null(strstr(got, "hell"));
    wait_until_ready();
    term_redraw(term);
    assert_true(term_draw(term, &canvas) > 0);
    receive(200);
    assert_non_null(strstr(got, "hell!"));
}

static void test_gives_the_terminal_back(void **state)
{
    (void)state;
    struct termios after;
    start("xterm-256color", false, false);
    canvas_text(&canvas, 0, 0, 20, "x", ROLE_OK);
    term_draw(term, &canvas);
    tcgetattr(slave, &after);
    assert_false(after.c_lflag & (ICANON | ECHO | ISIG));
    receive(200);
    term_free(term);
    term = NULL;
    receive(200);
    assert_non_null(strstr(got, "\033[?1049l"));
    assert_non_null(strstr(got, "\033[?2004l"));
    tcgetattr(slave, &after);
    assert_int_equal(after.c_lflag, before.c_lflag);
    assert_int_equal(after.c_iflag, before.c_iflag);
    assert_false(fcntl(slave, F_GETFL) & O_NONBLOCK); /* the shell's descriptor is as it was */
}

static void fill(char c)
{
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            canvas_char(&canvas, x, y, (uint32_t)(c + (x + y) % 20), (enum role)(x % ROLE__COUNT));
}

/* Nobody reads the terminal: no call may wait for it, keys still come, and afterwards it shows the
 * newest frame, not all that were missed. */
static void test_stopped_terminal(void **state)
{
    (void)state;
    int64_t longest = 0;
    int made = 0, keys = 0;
    start("xterm-256color", false, false);
    for (int i = 0; i < 400; i++) {
        struct key_event event;
        int64_t began = clock_mono_us();
        fill((char)('0' + i % 40));
        made += term_draw(term, &canvas) > 0;
        if (i % 10 == 0)
            assert_int_equal(write(master, "j", 1), 1);
        assert_int_equal(term_read(term, clock_mono_ms()), 0);
        while (term_key(term, &event, clock_mono_ms()))
            keys++;
        int64_t took = clock_mono_us() - began;
        longest = took > longest ? took : longest;
        usleep(500);
    }
    print_message("stopped terminal: %d of 400 frames made, longest step %lld us\n", made,
                  (long long)longest);
    assert_in_range(made, 1, 20);
    assert_int_equal(keys, 40);
    assert_true(longest < 1000 * 1000); /* blocked, it would be for ever */
    assert_false(term_ready(term));
    wait_until_ready();
    canvas_clear(&canvas, GROUND_NORMAL);
    canvas_text(&canvas, 0, 0, 20, "newest", ROLE_NORMAL);
    assert_true(term_draw(term, &canvas) > 0);
    receive(300);
    assert_non_null(strstr(got, "newest"));
}

/* Quitting while it stands still takes half a second a step at most, not for ever. */
static void test_leaves_a_stopped_terminal(void **state)
{
    (void)state;
    start("xterm-256color", false, false);
    for (int i = 0; i < 100 && term_ready(term); i++) {
        fill((char)('0' + i % 40));
        term_draw(term, &canvas);
        usleep(5000);
    }
    assert_false(term_ready(term));
    int64_t began = clock_mono_ms();
    term_free(term);
    term = NULL;
    int64_t took = clock_mono_ms() - began;
    print_message("leaving a stopped terminal took %lld ms\n", (long long)took);
    assert_true(took < 2500);
    struct termios after;
    tcgetattr(slave, &after);
    assert_int_equal(after.c_lflag, before.c_lflag);
}

static void test_hang_up(void **state)
{
    (void)state;
    start("xterm-256color", false, false);
    assert_int_equal(term_read(term, 1), 0);
    close(master);
    master = -1;
    assert_int_equal(term_read(term, 1), -EIO);
    assert_int_equal(term_read(term, 1), -EIO);
}

static void test_resize(void **state)
{
    (void)state;
    int width, height;
    start("xterm-256color", false, false);
    assert_false(term_resize(term));
    ioctl(master, TIOCSWINSZ, &(struct winsize){.ws_col = 60, .ws_row = 20});
    assert_true(term_resize(term));
    term_size(term, &width, &height);
    assert_int_equal(width, 60);
    assert_int_equal(height, 20);
    fill('0'); /* the canvas still has the old size: what is over is not shown */
    assert_true(term_draw(term, &canvas) > 0);
}

static void test_discard(void **state)
{
    (void)state;
    struct key_event event;
    start("xterm-256color", false, false);
    assert_int_equal(write(master, "yyy", 3), 3);
    usleep(20000);
    term_read(term, 1);
    assert_int_equal(write(master, "yyy", 3), 3);
    usleep(20000);
    term_discard(term);
    term_read(term, 1);
    assert_false(term_key(term, &event, 1));
}

static void test_plain_and_back(void **state)
{
    (void)state;
    struct termios mode;
    start("xterm-256color", false, false);
    canvas_text(&canvas, 0, 0, 20, "hello", ROLE_NORMAL);
    term_draw(term, &canvas);
    receive(200);
    term_leave(term);
    receive(200);
    assert_non_null(strstr(got, "\033[?1049l"));
    tcgetattr(slave, &mode);
    assert_int_equal(mode.c_lflag, before.c_lflag);
    assert_int_equal(term_draw(term, &canvas), -EAGAIN); /* it is someone else's now */
    term_enter(term);
    assert_true(term_draw(term, &canvas) > 0);
    receive(200);
    assert_non_null(strstr(got, "\033[?1049h"));
    assert_non_null(strstr(got, "hello"));
}

static void draw_sample(void)
{
    canvas_text(&canvas, 0, 0, 20, "● bad", ROLE_BAD);
    struct canvas line = canvas_part(&canvas, 0, 1, 20, 1);
    canvas_ground(&line, GROUND_SELECTED);
    canvas_text(&canvas, 0, 1, 20, "chosen", ROLE_NORMAL);
    assert_true(term_draw(term, &canvas) > 0);
    receive(200);
}

static void test_depths(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        bool no_color;
        enum theme_depth depth;
        const char *has, *has_not;
    } cases[] = {
        {"xterm-256color", false, DEPTH_256, "38;5;203", "38;2"},
        {"xterm-256color", true, DEPTH_MONO, "7m", "38;5"},
        {"xterm-16color", false, DEPTH_16, "\033[91m", "38;5"},
        {"xterm", false, DEPTH_8, "\033[31m", "38;5"},
        {"vt100", false, DEPTH_MONO, "7m", "38;5"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pid_t child = fork(); /* curses does not start from nothing twice in a process */
        if (child == 0) {
            start(cases[i].type, cases[i].no_color, false);
            draw_sample();
            bool right = term_depth(term) == cases[i].depth && strstr(got, cases[i].has) != NULL &&
                         strstr(got, cases[i].has_not) == NULL;
            term_free(term);
            _exit(right ? 0 : 1);
        }
        int status;
        waitpid(child, &status, 0);
        if (status != 0)
            fail_msg("%s%s is not drawn as it should be", cases[i].type,
                     cases[i].no_color ? " with NO_COLOR" : "");
        receive(50);
    }
}

/* COLORTERM on an xterm: 24 bits where the machine describes that terminal, else 256 colours. */
static void test_true_colour(void **state)
{
    (void)state;
    struct error error = {0};
    struct term_options options = {
        .fd = slave, .type = "xterm-256color", .truecolor = true, .theme = &theme_default};
    assert_int_equal(term_new(&options, &term, &error), 0);
    draw_sample();
    if (term_depth(term) == DEPTH_RGB)
        assert_non_null(strstr(got, "38:2::255:95:95"));
    else
        assert_non_null(strstr(got, "38;5;203"));
}

static void test_ascii(void **state)
{
    (void)state;
    start("xterm-256color", false, true);
    draw_sample();
    assert_non_null(strstr(got, "* "));
    for (const char *c = got; *c != '\0'; c++)
        assert_true((unsigned char)*c < 0x80);
}

static void test_crash(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        start("xterm-256color", false, false);
        term_guard(term);
        draw_sample();
        raise(SIGABRT);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    receive(100);
    assert_non_null(strstr(got, "\033[?1049l"));
    struct termios after;
    tcgetattr(slave, &after);
    assert_int_equal(after.c_lflag, before.c_lflag);
}

static void test_errors_are_sentences(void **state)
{
    (void)state;
    struct error error = {0};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct term_options options = {.fd = null, .type = "xterm", .theme = &theme_default};
    assert_int_equal(term_new(&options, &term, &error), -ENOTTY);
    assert_string_equal(error.text, "There is no terminal to draw on.");
    close(null);
    options.fd = slave;
    options.type = "no-such-terminal";
    assert_int_equal(term_new(&options, &term, &error), -EINVAL);
    assert_non_null(strstr(error.text, "'no-such-terminal'"));
    options.type = "dumb";
    assert_int_equal(term_new(&options, &term, &error), -EINVAL);
    assert_non_null(strstr(error.text, "cannot move its cursor"));
    struct termios after;
    tcgetattr(slave, &after);
    assert_int_equal(after.c_lflag, before.c_lflag);
    assert_null(term);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_only_changes_are_sent, open_pty, close_pty),
        cmocka_unit_test_setup_teardown(test_gives_the_terminal_back, open_pty, close_pty),
        cmocka_unit_test_setup_teardown(test_stopped_terminal, open_pty, close_pty),
        cmocka_unit_test_setup_teardown(test_leaves_a_stopped_terminal, open_pty, close_pty),
        cmocka_unit_test_setup_teardown(test_hang_up, open_pty, close_pty),
        cmocka_unit_test_setup_teardown(test_resize, open_pty, close_pty),
        cmocka_unit_test_setup_teardown(test_discard, open_pty, close_pty),
        cmocka_unit_test_setup_teardown(test_plain_and_back, open_pty, close_pty),
        cmocka_unit_test_setup_teardown(test_depths, open_pty, close_pty),
        cmocka_unit_test_setup_teardown(test_true_colour, open_pty, close_pty),
        cmocka_unit_test_setup_teardown(test_ascii, open_pty, close_pty),
        cmocka_unit_test_setup_teardown(test_crash, open_pty, close_pty),
        cmocka_unit_test_setup_teardown(test_errors_are_sentences, open_pty, close_pty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
