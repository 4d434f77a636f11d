#include "ui/term.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#define NCURSES_WIDECHAR 1
#include <curses.h>

#include "ui/terminfo.h"
#include "ui/writer.h"

#define DRAIN_MS 500 /* as long as we wait for a terminal when we leave it */
#define PASTE_ON "\033[?2004h"
#define PASTE_OFF "\033[?2004l"

struct term {
    int tty;     /* opened by ourselves, so that O_NONBLOCK is not the shell's too */
    bool shared; /* could not be: the flags are restored at the end */
    int shared_flags;
    struct termios plain, raw;
    int frame_fd; /* curses writes here: a memory file takes everything at once */
    FILE *out, *in;
    SCREEN *screen;
    bool entered, ascii;
    const struct theme *theme;
    enum theme_depth depth;
    int n_pairs;
    struct {
        int foreground, background;
    } pairs[ROLE__COUNT * GROUND__COUNT + 1];
    struct canvas shown; /* what the last frame showed; */
    bool all;            /* ... or nothing is known of that */
    struct input input;
    bool gone;
    struct writer *writer;
};

/* For the signal handler, which cannot be told otherwise. */
static struct {
    volatile sig_atomic_t armed;
    int tty;
    struct termios plain;
    char text[256];
    size_t len;
} rescue;

static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
#define N_FATAL (sizeof(fatal_signals) / sizeof(fatal_signals[0]))

void term_options_from_environment(struct term_options *options)
{
    const char *no_color = getenv("NO_COLOR"), *color = getenv("COLORTERM");
    options->no_color = no_color != NULL && no_color[0] != '\0';
    options->truecolor =
        color != NULL && (strcmp(color, "truecolor") == 0 || strcmp(color, "24bit") == 0);
}

/* ---- drawing ---- */

bool term_ready(struct term *term)
{
    return writer_ready(term->writer);
}

int term_ready_fd(const struct term *term)
{
    return writer_ready_fd(term->writer);
}

/* Hands what curses wrote to the writer, which must be ready. Returns its bytes. */
static int send_frame(struct term *term)
{
    off_t len = lseek(term->frame_fd, 0, SEEK_CUR);
    if (len <= 0)
        return len < 0 ? -errno : 0;
    char *room = writer_room(term->writer, (size_t)len);
    if (room == NULL)
        return -ENOMEM;
    ssize_t n = pread(term->frame_fd, room, (size_t)len, 0);
    if (n != len || ftruncate(term->frame_fd, 0) < 0 || lseek(term->frame_fd, 0, SEEK_SET) < 0)
        return -EIO;
    writer_send(term->writer, (size_t)len);
    return (int)len;
}

static int pair_for(struct term *term, const struct theme_ink *ink)
{
    int i;
    for (i = 1; i <= term->n_pairs; i++)
        if (term->pairs[i].foreground == ink->foreground &&
            term->pairs[i].background == ink->background)
            return i;
    if (i >= COLOR_PAIRS || init_extended_pair(i, ink->foreground, ink->background) == ERR)
        return 0;
    term->pairs[i].foreground = ink->foreground;
    term->pairs[i].background = ink->background;
    term->n_pairs = i;
    return i;
}

static void put_cell(struct term *term, int x, int y, const struct cell *cell)
{
    static const struct {
        unsigned look;
        attr_t attr;
    } map[] = {{LOOK_BOLD, A_BOLD},
               {LOOK_DIM, A_DIM},
               {LOOK_UNDERLINE, A_UNDERLINE},
               {LOOK_REVERSE, A_REVERSE}};
    struct theme_ink ink = theme_ink(term->theme, term->depth, cell->role, cell->ground);
    int pair = term->depth == DEPTH_MONO ? 0 : pair_for(term, &ink);
    attr_t attrs = 0;
    for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
        attrs |= ink.attrs & map[i].look ? map[i].attr : 0;
    cchar_t out;
    wchar_t text[4] = {0};
    for (int i = 0; i < 3; i++)
        text[i] = (wchar_t)cell->chars[i];
    if (!term->ascii) {
        setcchar(&out, text, attrs, 0, &pair);
        mvadd_wch(y, x, &out);
        return;
    }
    text[0] = (wchar_t)(unsigned char)canvas_ascii(cell->chars[0]);
    text[1] = 0;
    setcchar(&out, text, attrs, 0, &pair);
    for (int i = 0; i < cell->width; i++)
        mvadd_wch(y, x + i, &out);
}

static bool same_cell(const struct cell *a, const struct cell *b)
{
    return a->chars[0] == b->chars[0] && a->chars[1] == b->chars[1] && a->chars[2] == b->chars[2] &&
           a->width == b->width && a->role == b->role && a->ground == b->ground;
}

/* Gives curses the cells that changed; true when there were any. */
static bool put_changes(struct term *term, const struct canvas *canvas)
{
    bool changed = false;
    int width = canvas->width < term->shown.width ? canvas->width : term->shown.width;
    int height = canvas->height < term->shown.height ? canvas->height : term->shown.height;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            const struct cell *cell = &canvas->cells[y * canvas->stride + x];
            struct cell *shown = &term->shown.cells[y * term->shown.stride + x];
            if (!term->all && same_cell(cell, shown))
                continue;
            *shown = *cell;
            changed = true;
            if (cell->width > 0)
                put_cell(term, x, y, cell);
        }
    }
    return changed;
}

int term_draw(struct term *term, const struct canvas *canvas)
{
    if (!term->entered || !term_ready(term))
        return -EAGAIN;
    if (term->all) {
        erase();
        clearok(curscr, TRUE);
    }
    if (!put_changes(term, canvas) && !term->all)
        return 0;
    term->all = false;
    wnoutrefresh(stdscr);
    doupdate();
    return send_frame(term);
}

void term_redraw(struct term *term)
{
    term->all = true;
}

void term_size(const struct term *term, int *ret_width, int *ret_height)
{
    *ret_width = term->shown.width;
    *ret_height = term->shown.height;
}

enum theme_depth term_depth(const struct term *term)
{
    return term->depth;
}

static int limit_size(int n, int otherwise)
{
    return n < 1 ? otherwise : n > CANVAS_MAX ? CANVAS_MAX : n;
}

bool term_resize(struct term *term)
{
    struct winsize size = {0};
    struct canvas canvas;
    if (ioctl(term->tty, TIOCGWINSZ, &size) < 0)
        size.ws_col = size.ws_row = 0;
    int width = limit_size(size.ws_col, 80), height = limit_size(size.ws_row, 24);
    if (width == term->shown.width && height == term->shown.height)
        return false;
    if (canvas_init(&canvas, width, height) < 0)
        return false;
    canvas_done(&term->shown);
    term->shown = canvas;
    term->all = true;
    resizeterm(height, width);
    return true;
}

/* ---- input ---- */

int term_input_fd(const struct term *term)
{
    return term->tty;
}

int term_read(struct term *term, int64_t now)
{
    char bytes[4096];
    /* Bounded: someone may hold a key down for ever, or paste a film. */
    for (int i = 0; i < 16 && !term->gone; i++) {
        ssize_t n = read(term->tty, bytes, sizeof(bytes));
        if (n > 0) {
            input_feed(&term->input, bytes, (size_t)n, now);
            explicit_bzero(bytes, (size_t)n);
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && errno == EAGAIN) {
            break;
        } else {
            term->gone = true;
        }
        if (n > 0 && (size_t)n < sizeof(bytes))
            break;
    }
    return term->gone ? -EIO : 0;
}

bool term_key(struct term *term, struct key_event *ret, int64_t now)
{
    return input_next(&term->input, ret, now);
}

int64_t term_deadline(const struct term *term)
{
    return input_deadline(&term->input);
}

void term_discard(struct term *term)
{
    tcflush(term->tty, TCIFLUSH);
    input_clear(&term->input);
}

/* ---- taking it over and giving it back ---- */

static void frame_text(struct term *term, const char *text)
{
    /* A memory file takes it whole or the machine is out of memory. */
    if (write(term->frame_fd, text, strlen(text)) < 0)
        term->all = true;
}

void term_enter(struct term *term)
{
    if (term->entered)
        return;
    tcsetattr(term->tty, TCSADRAIN, &term->raw);
    term->entered = true;
    term->all = true;
    frame_text(term, PASTE_ON);
}

void term_leave(struct term *term)
{
    if (!term->entered)
        return;
    term->entered = false;
    writer_wait(term->writer, DRAIN_MS);
    endwin();
    frame_text(term, PASTE_OFF);
    /* When a stalled terminal still holds the last frame, nothing more can be sent. */
    if (term_ready(term) && send_frame(term) >= 0)
        writer_wait(term->writer, DRAIN_MS);
    tcsetattr(term->tty, TCSANOW, &term->plain);
}

void term_suspend(struct term *term)
{
    term_leave(term);
    /* The whole group, as the terminal does it (`make demo` is in it too). The main thread is the
     * kernel's first choice for it, so we stand still right here. Where no shell would ever
     * continue us, the kernel ignores it. */
    kill(0, SIGTSTP);
    term_enter(term);
    term_resize(term);
}

static void add_capability(const char *name)
{
    const char *text = tigetstr(name);
    if (text == NULL || text == (const char *)-1)
        return;
    while (*text != '\0' && rescue.len < sizeof(rescue.text)) {
        if (text[0] == '$' && text[1] == '<') /* padding */
            text += strcspn(text, ">") + (strchr(text, '>') != NULL);
        else
            rescue.text[rescue.len++] = *text++;
    }
}

static void on_fatal(int signal_number)
{
    if (rescue.armed) {
        rescue.armed = 0;
        ssize_t ignored = write(rescue.tty, rescue.text, rescue.len);
        (void)ignored;
        tcsetattr(rescue.tty, TCSANOW, &rescue.plain);
    }
    /* The handler was reset when it was called: this one is final. */
    raise(signal_number);
}

void term_guard(struct term *term)
{
    static const char *const capabilities[] = {"sgr0", "op", "cnorm", "rmcup"};
    rescue.tty = term->tty;
    rescue.plain = term->plain;
    rescue.len = 0;
    for (size_t i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++)
        add_capability(capabilities[i]);
    for (const char *c = PASTE_OFF; *c != '\0' && rescue.len < sizeof(rescue.text); c++)
        rescue.text[rescue.len++] = *c;
    rescue.armed = 1;
    struct sigaction action = {.sa_handler = on_fatal, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
    for (size_t i = 0; i < N_FATAL; i++)
        sigaction(fatal_signals[i], &action, NULL);
}

/* Our own descriptor of the same terminal: its O_NONBLOCK must not become the shell's. */
static int open_tty(struct term *term, int fd)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    term->tty = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (term->tty >= 0)
        return 0;
    /* After `su` it belongs to someone else. */
    term->tty = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (term->tty < 0)
        return -errno;
    term->shared_flags = fcntl(term->tty, F_GETFL);
    term->shared = true;
    return fcntl(term->tty, F_SETFL, term->shared_flags | O_NONBLOCK) < 0 ? -errno : 0;
}

static void make_raw(struct termios *mode)
{
    cfmakeraw(mode); /* Ctrl-S is a key too: it cannot freeze the screen */
    mode->c_oflag |= OPOST;
    mode->c_cc[VMIN] = 1;
    mode->c_cc[VTIME] = 0;
}

/* "xterm-256color" becomes "xterm-direct", whose description can express 24-bit colours. */
static SCREEN *open_direct(struct term *term, const char *type)
{
    char name[64];
    size_t stem = strcspn(type, "-");
    if (strlen(type) > 40)
        return NULL;
    snprintf(name, sizeof(name), "%.*s-direct", (int)stem, type);
    return terminfo_exists(name) ? newterm(name, term->out, term->in) : NULL;
}

static SCREEN *open_screen(struct term *term, const struct term_options *options, const char *type)
{
    /* curses puts its own handlers where there is none yet: let there be some. */
    static const int signals[] = {SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
    struct sigaction before[4], ignore = {.sa_handler = SIG_IGN};
    SCREEN *screen = NULL;
    for (int i = 0; i < 4; i++)
        sigaction(signals[i], &ignore, &before[i]);
    if (options->truecolor && !options->no_color)
        screen = open_direct(term, type);
    if (screen == NULL && terminfo_exists(type))
        screen = newterm(type, term->out, term->in);
    for (int i = 0; i < 4; i++)
        sigaction(signals[i], &before[i], NULL);
    return screen;
}

static enum theme_depth find_depth(const struct term_options *options)
{
    if (options->no_color || !has_colors() || start_color() == ERR)
        return DEPTH_MONO;
    use_default_colors();
    if (COLORS > 256)
        return DEPTH_RGB;
    return COLORS >= 256 ? DEPTH_256 : COLORS >= 16 ? DEPTH_16 : DEPTH_8;
}

static int open_files(struct term *term)
{
    term->frame_fd = memfd_create("hemma-top frame", MFD_CLOEXEC);
    if (term->frame_fd < 0)
        return -errno;
    int out = fcntl(term->frame_fd, F_DUPFD_CLOEXEC, 3);
    int in = fcntl(term->tty, F_DUPFD_CLOEXEC, 3);
    term->out = out >= 0 ? fdopen(out, "w") : NULL;
    term->in = in >= 0 ? fdopen(in, "r") : NULL;
    if (term->out == NULL && out >= 0)
        close(out);
    if (term->in == NULL && in >= 0)
        close(in);
    return term->out == NULL || term->in == NULL ? -EMFILE : 0;
}

static int take_over(struct term *term, const struct term_options *options, struct error *error)
{
    const char *type = options->type != NULL ? options->type : getenv("TERM");
    if (!isatty(options->fd) || tcgetattr(options->fd, &term->plain) < 0)
        return error_set(error, -ENOTTY, "There is no terminal to draw on.");
    int status = open_tty(term, options->fd);
    if (status == 0)
        status = open_files(term);
    if (status < 0)
        return error_set(error, status, "Cannot open the terminal: %s.", strerror(-status));
    term->raw = term->plain;
    make_raw(&term->raw);
    if (type == NULL || type[0] == '\0')
        return error_set(error, -EINVAL,
                         "TERM is not set: set it to your terminal's name, "
                         "for example xterm-256color.");
    term->screen = open_screen(term, options, type);
    if (term->screen == NULL)
        return error_set(error, -EINVAL,
                         "The terminal type '%s' (TERM) is not known here: set it "
                         "to one that is, for example xterm-256color.",
                         type);
    if (tigetstr("cup") == NULL)
        return error_set(error, -EINVAL,
                         "A terminal of type '%s' (TERM) cannot move its cursor: "
                         "use `hemma-top snapshot --text`.",
                         type);
    typeahead(-1);
    curs_set(0);
    leaveok(stdscr, TRUE);
    term->depth = find_depth(options);
    term_resize(term);
    if (term->shown.cells == NULL)
        return error_set(error, -ENOMEM, "Out of memory.");
    status = writer_new(term->tty, &term->writer);
    if (status < 0)
        return error_set(error, status, "Cannot start a thread: %s.", strerror(-status));
    term_enter(term);
    return 0;
}

int term_new(const struct term_options *options, struct term **ret, struct error *error)
{
    struct term *term = calloc(1, sizeof(*term));
    if (term == NULL)
        return error_set(error, -ENOMEM, "Out of memory.");
    term->tty = term->frame_fd = -1;
    term->ascii = options->ascii;
    term->theme = options->theme;
    input_init(&term->input);
    int status = take_over(term, options, error);
    if (status < 0) {
        term_free(term);
        return status;
    }
    *ret = term;
    return 0;
}

void term_free(struct term *term)
{
    if (term == NULL)
        return;
    term_leave(term);
    if (rescue.armed && rescue.tty == term->tty) {
        rescue.armed = 0;
        for (size_t i = 0; i < N_FATAL; i++)
            signal(fatal_signals[i], SIG_DFL);
    }
    writer_free(term->writer);
    if (term->screen != NULL)
        delscreen(term->screen);
    if (term->out != NULL)
        fclose(term->out);
    if (term->in != NULL)
        fclose(term->in);
    if (term->frame_fd >= 0)
        close(term->frame_fd);
    if (term->shared)
        fcntl(term->tty, F_SETFL, term->shared_flags);
    if (term->tty >= 0)
        close(term->tty);
    canvas_done(&term->shown);
    input_done(&term->input);
    free(term);
}
