#include "ui/edit.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

void edit_set(struct edit *edit, const char *text)
{
    edit->len = text_clean(edit->text, sizeof(edit->text), text, SIZE_MAX);
}

void edit_wipe(struct edit *edit)
{
    explicit_bzero(edit, sizeof(*edit));
}

static void append(struct edit *edit, uint32_t ch)
{
    char bytes[4];
    size_t n = text_char_width(ch) >= 0 ? text_encode(ch, bytes) : 0;
    if (n == 0 || edit->len + n >= sizeof(edit->text))
        return;
    memcpy(edit->text + edit->len, bytes, n);
    edit->len += n;
    edit->text[edit->len] = '\0';
}

static void cut_to(struct edit *edit, size_t len)
{
    explicit_bzero(edit->text + len, edit->len - len);
    edit->len = len;
}

static size_t before_last(const struct edit *edit, size_t len)
{
    while (len > 0 && (edit->text[--len] & 0xC0) == 0x80)
        ;
    return len;
}

static size_t before_word(const struct edit *edit)
{
    size_t len = edit->len;
    while (len > 0 && edit->text[len - 1] == ' ')
        len--;
    while (len > 0 && edit->text[len - 1] != ' ')
        len--;
    return len;
}

bool edit_key(struct edit *edit, const struct key_event *event)
{
    switch (event->key) {
    case INPUT_BACKSPACE:
        cut_to(edit, before_last(edit, edit->len));
        return true;
    case INPUT_CTRL('U'):
        cut_to(edit, 0);
        return true;
    case INPUT_CTRL('W'):
        cut_to(edit, before_word(edit));
        return true;
    case INPUT_PASTE:
        /* Line ends and controls are left out: what was copied with its newline still fits. */
        for (size_t i = 0; i < event->len;) {
            uint32_t ch;
            i += text_decode(event->text + i, event->len - i, &ch);
            append(edit, ch);
        }
        return true;
    default:
        break;
    }
    if (event->key < 0x20 || event->key > 0x10FFFF)
        return false;
    append(edit, event->key);
    return true;
}

void edit_draw(const struct edit *edit, struct canvas *canvas, int x, int y, int width, bool secret)
{
    if (secret) {
        int n = 0;
        for (size_t i = 0; i < edit->len; i++)
            n += (edit->text[i] & 0xC0) != 0x80;
        n = n < width - 1 ? n : width - 1;
        canvas_hline(canvas, x, y, n, 0x2022, ROLE_NORMAL);
        x += n;
    } else {
        x += canvas_tail(canvas, x, y, width - 1, edit->text, ROLE_NORMAL);
    }
    struct canvas cursor = canvas_part(canvas, x, y, 1, 1);
    canvas_ground(&cursor, GROUND_CURSOR);
}
