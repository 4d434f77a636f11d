#include "ui/input.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define BYTES_MAX 65536 /* as much as is read before it is understood */
#define PASTE_MAX 65536
#define ESC_MS 25 /* as long as a terminal takes to send the rest of a sequence */
#define TORN_MS                                                                                    \
    1000 /* how late the rest may come over a slow link, and be known for what it is               \
          */
#define SEQUENCE_MAX 64
#define PASTE_END "\033[201~"

void input_init(struct input *input)
{
    *input = (struct input){0};
    buf_init(&input->bytes, BYTES_MAX);
    buf_init(&input->paste, PASTE_MAX);
}

void input_done(struct input *input)
{
    input_clear(input);
    buf_done(&input->bytes);
    buf_done(&input->paste);
}

void input_clear(struct input *input)
{
    /* A password may be among it. */
    if (input->bytes.data != NULL)
        explicit_bzero(input->bytes.data, input->bytes.size);
    if (input->paste.data != NULL)
        explicit_bzero(input->paste.data, input->paste.size);
    buf_clear(&input->bytes);
    buf_clear(&input->paste);
    input->pasting = input->pasted = false;
}

void input_feed(struct input *input, const void *bytes, size_t len, int64_t now)
{
    buf_add(&input->bytes, bytes, len);
    input->since = now;
}

static uint32_t csi_key(const char *params, size_t len, char final)
{
    int number = 0;
    for (size_t i = 0; i < len && params[i] >= '0' && params[i] <= '9' && number < 1000; i++)
        number = number * 10 + (params[i] - '0');
    switch (final) {
    case 'A':
        return INPUT_UP;
    case 'B':
        return INPUT_DOWN;
    case 'C':
        return INPUT_RIGHT;
    case 'D':
        return INPUT_LEFT;
    case 'H':
        return INPUT_HOME;
    case 'F':
        return INPUT_END;
    case 'Z':
        return INPUT_SHIFT_TAB;
    case 'P':
    case 'Q':
    case 'R':
    case 'S':
        return INPUT_F1 + (uint32_t)(final - 'P');
    case '~':
        break;
    default:
        return 0;
    }
    static const uint32_t numbered[] = {
        [1] = INPUT_HOME,    [2] = INPUT_INSERT,    [3] = INPUT_DELETE,   [4] = INPUT_END,
        [5] = INPUT_PAGE_UP, [6] = INPUT_PAGE_DOWN, [7] = INPUT_HOME,     [8] = INPUT_END,
        [11] = INPUT_F1,     [12] = INPUT_F1 + 1,   [13] = INPUT_F1 + 2,  [14] = INPUT_F1 + 3,
        [15] = INPUT_F1 + 4, [17] = INPUT_F1 + 5,   [18] = INPUT_F1 + 6,  [19] = INPUT_F1 + 7,
        [20] = INPUT_F1 + 8, [21] = INPUT_F1 + 9,   [23] = INPUT_F1 + 10, [24] = INPUT_F12,
        [200] = INPUT_PASTE,
    };
    return (size_t)number < sizeof(numbered) / sizeof(numbered[0]) ? numbered[number] : 0;
}

/* Reads a sequence from its '[' or 'O' on. Returns its bytes, or 0 when its end is not there yet;
 * `ret_key` is 0 for one that means nothing here. */
static size_t sequence(const char *text, size_t len, uint32_t *ret_key)
{
    *ret_key = 0;
    if (len < 2)
        return 0;
    if (text[0] == 'O') { /* SS3 */
        *ret_key = csi_key("", 0, text[1]);
        return 2;
    }
    if (text[1] == '[') { /* the function keys of the Linux console */
        if (len < 3)
            return 0;
        if (text[2] >= 'A' && text[2] <= 'E')
            *ret_key = INPUT_F1 + (uint32_t)(text[2] - 'A');
        return 3;
    }
    for (size_t i = 1; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x40 && c <= 0x7E) {
            *ret_key = csi_key(text + 1, i - 1, text[i]);
            return i + 1;
        }
        if (c < 0x20 || c > 0x7E || i > SEQUENCE_MAX)
            return i; /* broken off: what came of it vanishes */
    }
    return 0;
}

static bool emit(struct input *input, struct key_event *ret, uint32_t key, size_t used)
{
    buf_consume(&input->bytes, used);
    if (key == INPUT_PASTE) {
        input->pasting = true;
        buf_clear(&input->paste);
        return false;
    }
    if (key == '\n')
        key = INPUT_ENTER;
    else if (key == '\b')
        key = INPUT_BACKSPACE;
    *ret = (struct key_event){.key = key};
    return key != 0;
}

static bool next_paste(struct input *input, struct key_event *ret)
{
    struct buf *bytes = &input->bytes;
    const char *end =
        bytes->len > 0 ? memmem(bytes->data, bytes->len, PASTE_END, sizeof(PASTE_END) - 1) : NULL;
    /* The end mark may be cut in two: hold back as much of it as could be. */
    size_t held = sizeof(PASTE_END) - 2;
    size_t n = end != NULL         ? (size_t)(end - bytes->data)
               : bytes->len > held ? bytes->len - held
                                   : 0;
    if (n > 0)
        buf_add(&input->paste, bytes->data, n);
    buf_consume(bytes, end != NULL ? n + sizeof(PASTE_END) - 1 : n);
    if (end == NULL)
        return false;
    input->pasting = false;
    input->pasted = true;
    buf_add(&input->paste, "", 0);
    *ret = (struct key_event){.key = INPUT_PASTE,
                              .text = input->paste.data != NULL ? input->paste.data : "",
                              .len = input->paste.len};
    return true;
}

/* After an Escape. Returns the bytes used, 0 = wait for more. */
static size_t escape(struct input *input, int64_t now, uint32_t *ret_key)
{
    const char *text = input->bytes.data;
    size_t len = input->bytes.len;
    bool waited = now - input->since >= ESC_MS;
    *ret_key = INPUT_ESC;
    if (len == 1) {
        if (waited)
            input->esc_at = now;
        return waited ? 1 : 0;
    }
    if (text[1] == '[' || text[1] == 'O') {
        size_t used = sequence(text + 1, len - 1, ret_key);
        if (used == 0 && now - input->since < TORN_MS)
            return 0;
        return used > 0 ? used + 1 : len;
    }
    if (text[1] == 0x1B)
        return 1;
    uint32_t ch;
    size_t used = text_decode(text + 1, len - 1, &ch);
    *ret_key = ch | INPUT_ALT;
    return used + 1;
}

bool input_next(struct input *input, struct key_event *ret, int64_t now)
{
    if (input->pasted) { /* it was handed out by the last call */
        explicit_bzero(input->paste.data, input->paste.size);
        buf_clear(&input->paste);
        input->pasted = false;
    }
    struct buf *bytes = &input->bytes;
    while (bytes->len > 0) {
        uint32_t key;
        size_t used;
        if (input->pasting) {
            if (next_paste(input, ret))
                return true;
            if (input->pasting)
                return false;
            continue;
        }
        const char *text = bytes->data;
        /* A slow link tore a sequence: the Escape was taken for the key, and this is the rest of
         * it. "D" of a Left must not be taken for the key D. */
        bool torn = (text[0] == '[' || text[0] == 'O') && input->esc_at != 0 &&
                    input->since - input->esc_at < TORN_MS;
        if (text[0] == 0x1B) {
            used = escape(input, now, &key);
        } else if (torn && bytes->len > 1) {
            used = sequence(text, bytes->len, &key);
            input->esc_at = 0;
        } else {
            used = text_decode(text, bytes->len, &key);
            bool cut = (unsigned char)text[0] >= 0xC2 && used == 1 && bytes->len < 4;
            if (cut && now - input->since < ESC_MS)
                return false;
        }
        if (used == 0)
            return false;
        if (emit(input, ret, key, used))
            return true;
    }
    return false;
}

int64_t input_deadline(const struct input *input)
{
    if (input->bytes.len == 0 || input->pasting)
        return INT64_MAX;
    return input->since + (input->bytes.len == 1 ? ESC_MS : TORN_MS);
}

const char *input_name(uint32_t key, char *out, size_t size)
{
    static const char *const names[] = {
        [0] = "↑",
        [INPUT_DOWN - INPUT_UP] = "↓",
        [INPUT_LEFT - INPUT_UP] = "←",
        [INPUT_RIGHT - INPUT_UP] = "→",
        [INPUT_HOME - INPUT_UP] = "Home",
        [INPUT_END - INPUT_UP] = "End",
        [INPUT_PAGE_UP - INPUT_UP] = "PgUp",
        [INPUT_PAGE_DOWN - INPUT_UP] = "PgDn",
        [INPUT_INSERT - INPUT_UP] = "Ins",
        [INPUT_DELETE - INPUT_UP] = "Del",
        [INPUT_SHIFT_TAB - INPUT_UP] = "Shift-Tab",
    };
    size_t n = 0;
    if (key >= INPUT_F1 && key <= INPUT_F12)
        snprintf(out, size, "F%u", key - INPUT_F1 + 1);
    else if (key >= INPUT_UP && key < INPUT_F1)
        snprintf(out, size, "%s", names[key - INPUT_UP]);
    else if (key == INPUT_TAB || key == INPUT_ENTER || key == INPUT_ESC || key == ' ' ||
             key == INPUT_BACKSPACE)
        snprintf(out, size, "%s",
                 key == INPUT_TAB     ? "Tab"
                 : key == INPUT_ENTER ? "Enter"
                 : key == INPUT_ESC   ? "Esc"
                 : key == ' '         ? "Space"
                                      : "Backspace");
    else if (key < 0x20)
        snprintf(out, size, "Ctrl-%c", (int)(key + '@'));
    else if (size > 4 && (n = text_encode(key & ~(uint32_t)INPUT_ALT, out)) > 0)
        out[n] = '\0';
    else
        snprintf(out, size, "?");
    return out;
}
