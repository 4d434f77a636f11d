/* From the bytes a terminal sends to keys. Pure: no terminal, no clock of its own. Pasted text
 * comes as one event and never as keys; escape sequences that mean nothing here vanish whole, so
 * that no part of one is taken for a key that does something. */
#ifndef UI_INPUT_H
#define UI_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* A key is a Unicode character (control characters included, e.g. 3 for Ctrl-C) or one of these. */
enum input_key {
    INPUT_TAB = '\t',
    INPUT_ENTER = '\r',
    INPUT_ESC = 0x1B,
    INPUT_BACKSPACE = 0x7F,
    INPUT_UP = 0x110000,
    INPUT_DOWN,
    INPUT_LEFT,
    INPUT_RIGHT,
    INPUT_HOME,
    INPUT_END,
    INPUT_PAGE_UP,
    INPUT_PAGE_DOWN,
    INPUT_INSERT,
    INPUT_DELETE,
    INPUT_SHIFT_TAB,
    INPUT_F1,
    INPUT_F12 = INPUT_F1 + 11,
    INPUT_PASTE,          /* the event carries text */
    INPUT_ALT = 0x200000, /* added to the key */
};
#define INPUT_CTRL(letter) ((letter)&0x1F)

struct key_event {
    uint32_t key;
    const char
        *text; /* INPUT_PASTE: what was pasted, raw and NUL-terminated; until the next call */
    size_t len;
};

struct input {
    struct buf bytes; /* not understood yet */
    struct buf paste; /* being collected */
    bool pasting, pasted;
    int64_t since;  /* when the last bytes came */
    int64_t esc_at; /* when an Escape was taken for the key, 0 = long ago */
};

void input_init(struct input *input);
void input_done(struct input *input);
/* Forgets everything not yet handed out (typed ahead of a question). */
void input_clear(struct input *input);
void input_feed(struct input *input, const void *bytes, size_t len, int64_t now);
/* The next key, or false. Call until false; again when `now` reaches input_deadline. */
bool input_next(struct input *input, struct key_event *ret, int64_t now);
/* When a lone Escape becomes a key; INT64_MAX = nothing waits. */
int64_t input_deadline(const struct input *input);

/* "Ctrl-L", "PgUp", "F1", "k", for people. `out` should hold 16 bytes. Returns `out`. */
const char *input_name(uint32_t key, char *out, size_t size);

#endif
