/* One line of text being typed. */
#ifndef UI_EDIT_H
#define UI_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "ui/canvas.h"
#include "ui/input.h"

#define EDIT_MAX 512

struct edit {
    char text[EDIT_MAX]; /* NUL-terminated, printable UTF-8 */
    size_t len;
};

void edit_set(struct edit *edit, const char *text);
/* Wipes it: it may have been a secret. */
void edit_wipe(struct edit *edit);
/* Takes a key or pasted text; false for a key that is not for an editor (Enter, Esc, ...). What
 * does not fit is refused whole, a character at a time. */
bool edit_key(struct edit *edit, const struct key_event *event);
/* Draws the end of it, with a cursor, in `width` columns; a secret as dots. */
void edit_draw(const struct edit *edit, struct canvas *canvas, int x, int y, int width,
               bool secret);

#endif
