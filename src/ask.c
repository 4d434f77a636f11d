#include "ask.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define CTRL_C 3

bool ask_possible(void)
{
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty < 0)
        return false;
    close(tty);
    return true;
}

/* Reads to the newline; the rest of a line that is too long is eaten, not kept for the next one. */
static int read_line(int tty, char *answer, size_t size)
{
    size_t n = 0;
    bool fits = true;
    for (;;) {
        char ch;
        ssize_t got = read(tty, &ch, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || ch == CTRL_C)
            return -ECANCELED;
        if (ch == '\n' || ch == '\r')
            break;
        fits = n + 1 < size;
        if (fits)
            answer[n++] = ch;
    }
    answer[n] = '\0';
    return fits ? (int)n : -E2BIG;
}

int ask_terminal(const struct remote_question *question, char *answer, size_t size)
{
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty < 0)
        return -ENOTTY;
    if (question->detail[0] != '\0')
        dprintf(tty, "%s\n", question->detail);
    dprintf(tty, "%s%s ", question->title,
            question->kind == QUESTION_HOST_KEY ? " Trust it? (yes/no)" : ":");

    /* Ctrl-C ends the line as a character, so that the terminal's state is always put back while
     * the terminal's own line editing stays. */
    struct termios before, silent;
    bool is_set = tcgetattr(tty, &before) == 0;
    if (is_set) {
        silent = before;
        silent.c_lflag &= ~(tcflag_t)ISIG;
        if (question->kind == QUESTION_SECRET)
            silent.c_lflag &= ~(tcflag_t)ECHO;
        silent.c_cc[VEOL] = CTRL_C;
        is_set = tcsetattr(tty, TCSAFLUSH, &silent) == 0;
    }
    int status = read_line(tty, answer, size);
    if (is_set)
        tcsetattr(tty, TCSAFLUSH, &before);
    if (question->kind == QUESTION_SECRET || status < 0)
        dprintf(tty, "\n");
    close(tty);
    return status;
}
