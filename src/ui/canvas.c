#include "ui/canvas.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define ELLIPSIS 0x2026u
#define REPLACEMENT 0xFFFDu

static const struct cell blank = {.chars = {' '}, .width = 1};

int canvas_init(struct canvas *canvas, int width, int height)
{
    if (width < 1 || height < 1 || width > CANVAS_MAX || height > CANVAS_MAX)
        return -EINVAL;
    struct cell *cells = calloc((size_t)width * (size_t)height, sizeof(*cells));
    if (cells == NULL)
        return -ENOMEM;
    *canvas = (struct canvas){.cells = cells, .stride = width, .width = width, .height = height};
    for (int i = 0; i < width * height; i++)
        cells[i] = blank;
    return 0;
}

void canvas_done(struct canvas *canvas)
{
    free(canvas->cells);
    *canvas = (struct canvas){0};
}

struct canvas canvas_part(const struct canvas *canvas, int x, int y, int width, int height)
{
    if (x < 0) {
        width += x;
        x = 0;
    }
    if (y < 0) {
        height += y;
        y = 0;
    }
    if (width > canvas->width - x)
        width = canvas->width - x;
    if (height > canvas->height - y)
        height = canvas->height - y;
    if (width <= 0 || height <= 0)
        return (struct canvas){0};
    return (struct canvas){.cells = canvas->cells + y * canvas->stride + x,
                           .stride = canvas->stride,
                           .width = width,
                           .height = height};
}

static struct cell *cell_at(const struct canvas *canvas, int x, int y)
{
    return canvas->cells + y * canvas->stride + x;
}

static void cell_blank(struct cell *cell)
{
    cell->chars[0] = ' ';
    cell->chars[1] = cell->chars[2] = 0;
    cell->width = 1;
}

/* Half of a wide character must not stay behind. */
static void cell_break(struct cell *cell)
{
    if (cell->width == 0)
        cell_blank(&cell[-1]);
    else if (cell->width == 2)
        cell_blank(&cell[1]);
}

void canvas_clear(struct canvas *canvas, enum ground ground)
{
    for (int y = 0; y < canvas->height; y++) {
        for (int x = 0; x < canvas->width; x++) {
            struct cell *cell = cell_at(canvas, x, y);
            if (x == 0 || x == canvas->width - 1)
                cell_break(cell);
            *cell = blank;
            cell->ground = (uint8_t)ground;
        }
    }
}

void canvas_ground(struct canvas *canvas, enum ground ground)
{
    for (int y = 0; y < canvas->height; y++)
        for (int x = 0; x < canvas->width; x++)
            cell_at(canvas, x, y)->ground = (uint8_t)ground;
}

void canvas_role(struct canvas *canvas, enum role role)
{
    for (int y = 0; y < canvas->height; y++)
        for (int x = 0; x < canvas->width; x++)
            cell_at(canvas, x, y)->role = (uint8_t)role;
}

static int combine(struct canvas *canvas, int x, int y, uint32_t ch)
{
    /* Joiners and variation selectors make some terminals draw wider than we count. */
    if (x <= 0 || x > canvas->width || ch == 0x00AD || (ch >= 0x200B && ch <= 0x200D) ||
        (ch >= 0xFE00 && ch <= 0xFE0F))
        return 0;
    struct cell *cell = cell_at(canvas, x - 1, y);
    if (cell->width == 0)
        cell--;
    if (cell->chars[1] == 0)
        cell->chars[1] = ch;
    else if (cell->chars[2] == 0)
        cell->chars[2] = ch;
    return 0;
}

int canvas_char(struct canvas *canvas, int x, int y, uint32_t ch, enum role role)
{
    int width = text_char_width(ch);
    if (width < 0) {
        ch = REPLACEMENT;
        width = 1;
    }
    if (y < 0 || y >= canvas->height)
        return 0;
    if (width == 0)
        return combine(canvas, x, y, ch);
    if (x < 0 || x + width > canvas->width)
        return 0;
    struct cell *cell = cell_at(canvas, x, y);
    for (int i = 0; i < width; i++)
        cell_break(cell + i);
    cell->chars[0] = ch;
    cell->chars[1] = cell->chars[2] = 0;
    cell->width = (uint8_t)width;
    cell->role = (uint8_t)role;
    if (width == 2) {
        cell[1].chars[0] = cell[1].chars[1] = cell[1].chars[2] = 0;
        cell[1].width = 0;
        cell[1].role = (uint8_t)role;
    }
    return width;
}

static int put(struct canvas *canvas, int x, int y, const char *text, size_t len, enum role role)
{
    int start = x;
    while (len > 0) {
        uint32_t ch;
        size_t used = text_decode(text, len, &ch);
        x += canvas_char(canvas, x, y, ch, role);
        text += used;
        len -= used;
    }
    return x - start;
}

/* Bytes of text whose characters take at most `width` columns. */
static size_t fit(const char *text, size_t len, int width)
{
    size_t n = 0;
    while (n < len) {
        uint32_t ch;
        size_t used = text_decode(text + n, len - n, &ch);
        int w = text_char_width(ch);
        width -= w < 0 ? 1 : w;
        if (width < 0)
            break;
        n += used;
    }
    return n;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int canvas_text(struct canvas *canvas, int x, int y, int width, const char *text, enum role role)
{
    if (x < 0 || width > canvas->width - x)
        width = canvas->width - x;
    if (x < 0 || width <= 0)
        return 0;
    size_t len = strlen(text);
    size_t n = fit(text, len, width);
    if (n == len)
        return put(canvas, x, y, text, len, role);
    n = fit(text, len, width - 1);
    if (n > 0 && is_digit(text[n]))
        while (n > 0 && (is_digit(text[n - 1]) || text[n - 1] == '.'))
            n--;
    while (n > 0 && text[n - 1] == ' ')
        n--;
    int used = put(canvas, x, y, text, n, role);
    return used + canvas_char(canvas, x + used, y, ELLIPSIS, role);
}

int canvas_tail(struct canvas *canvas, int x, int y, int width, const char *text, enum role role)
{
    if (width > canvas->width - x)
        width = canvas->width - x;
    if (x < 0 || width <= 0)
        return 0;
    size_t len = strlen(text);
    if (fit(text, len, width) == len)
        return put(canvas, x, y, text, len, role);
    size_t total = text_width(text, len);
    size_t skip = fit(text, len, (int)total - width + 1);
    while (skip < len &&
           ((text[skip] & 0xC0) == 0x80 || text_width(text + skip, len - skip) > (size_t)width - 1))
        skip++;
    int used = canvas_char(canvas, x, y, ELLIPSIS, role);
    return used + put(canvas, x + used, y, text + skip, len - skip, role);
}

int canvas_number(struct canvas *canvas, int x, int y, int width, const char *text, enum role role)
{
    int w = (int)text_width(text, SIZE_MAX);
    if (w <= width)
        put(canvas, x + width - w, y, text, strlen(text), role);
    else if (width > 0)
        canvas_char(canvas, x + width - 1, y, ELLIPSIS, role);
    return width;
}

int canvas_printf(struct canvas *canvas, int x, int y, int width, enum role role,
                  const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return canvas_text(canvas, x, y, width, text, role);
}

void canvas_hline(struct canvas *canvas, int x, int y, int width, uint32_t ch, enum role role)
{
    for (int i = 0; i < width; i++)
        canvas_char(canvas, x + i, y, ch, role);
}

void canvas_box(struct canvas *canvas, enum role role)
{
    int right = canvas->width - 1, bottom = canvas->height - 1;
    canvas_hline(canvas, 1, 0, right - 1, 0x2500, role);
    canvas_hline(canvas, 1, bottom, right - 1, 0x2500, role);
    for (int y = 1; y < bottom; y++) {
        canvas_char(canvas, 0, y, 0x2502, role);
        canvas_char(canvas, right, y, 0x2502, role);
    }
    canvas_char(canvas, 0, 0, 0x256D, role);
    canvas_char(canvas, right, 0, 0x256E, role);
    canvas_char(canvas, 0, bottom, 0x2570, role);
    canvas_char(canvas, right, bottom, 0x256F, role);
}

size_t canvas_wrap(const char *text, int width, size_t *ret_len)
{
    size_t line = strcspn(text, "\n");
    size_t n = fit(text, line, width > 0 ? width : 1);
    if (n == line) {
        *ret_len = line;
        return text[line] == '\n' ? line + 1 : line;
    }
    size_t space = n;
    while (space > 0 && text[space] != ' ')
        space--;
    if (space > 0) {
        *ret_len = space;
        while (text[space] == ' ')
            space++;
        return space;
    }
    if (n == 0) { /* a wide character in a canvas of one column */
        uint32_t ch;
        n = text_decode(text, line, &ch);
    }
    *ret_len = n;
    return n;
}

int canvas_paragraph(struct canvas *canvas, int x, int y, int width, int skip, const char *text,
                     enum role role)
{
    int lines = 0;
    size_t used, len;
    for (; (used = canvas_wrap(text, width, &len)) > 0; text += used, lines++) {
        struct canvas part = canvas_part(canvas, x, y + lines - skip, width, 1);
        if (lines >= skip && part.width > 0)
            put(&part, 0, 0, text, len, role);
    }
    return lines;
}

static const struct {
    uint32_t from, to;
    char ascii;
} ascii_map[] = {
    {0x00B7, 0x00B7, '.'}, {0x2010, 0x2015, '-'}, {0x2016, 0x2016, '='}, {0x2018, 0x2019, '\''},
    {0x201C, 0x201D, '"'}, {0x2022, 0x2022, '*'}, {0x2026, 0x2026, '~'}, {0x2190, 0x2190, '<'},
    {0x2191, 0x2191, '^'}, {0x2192, 0x2192, '>'}, {0x2193, 0x2193, 'v'}, {0x21BB, 0x21BB, '@'},
    {0x2500, 0x2501, '-'}, {0x2502, 0x2503, '|'}, {0x2504, 0x2505, '-'}, {0x2506, 0x2507, '|'},
    {0x250C, 0x254B, '+'}, {0x2550, 0x2550, '='}, {0x2551, 0x2551, '|'}, {0x2552, 0x2570, '+'},
    {0x2581, 0x2584, '_'}, {0x2585, 0x2588, '#'}, {0x2589, 0x258F, '#'}, {0x2591, 0x2591, '.'},
    {0x25A0, 0x25A0, '#'}, {0x2592, 0x2593, ':'}, {0x25B2, 0x25B2, '!'}, {0x25B4, 0x25B4, '^'},
    {0x25B8, 0x25B8, '>'}, {0x25BE, 0x25BE, 'v'}, {0x25CB, 0x25CB, 'o'}, {0x25CC, 0x25CC, '?'},
    {0x25CF, 0x25CF, '*'}, {0x25D0, 0x25D0, '%'}, {0x2717, 0x2717, 'x'},
};

static char ascii_braille(uint32_t dots)
{
    /* By the highest dot that is set, so that a graph keeps its shape. */
    if (dots == 0)
        return ' ';
    if (dots & 0x09)
        return '#';
    if (dots & 0x12)
        return '=';
    return dots & 0x24 ? '-' : '_';
}

char canvas_ascii(uint32_t ch)
{
    if (ch < 0x7F)
        return (char)ch;
    if (ch >= 0x2800 && ch <= 0x28FF)
        return ascii_braille(ch - 0x2800);
    for (size_t i = 0; i < sizeof(ascii_map) / sizeof(ascii_map[0]); i++)
        if (ch >= ascii_map[i].from && ch <= ascii_map[i].to)
            return ascii_map[i].ascii;
    return '?';
}

static size_t cell_encode(const struct cell *cell, bool ascii, char *out)
{
    size_t n = 0;
    if (ascii) {
        for (int i = 0; i < cell->width; i++)
            out[n++] = canvas_ascii(cell->chars[0]);
        return n;
    }
    if (cell->width > 0)
        for (int i = 0; i < 3 && cell->chars[i] != 0; i++)
            n += text_encode(cell->chars[i], out + n);
    return n;
}

int canvas_export(const struct canvas *canvas, bool ascii, struct buf *out)
{
    int status = 0;
    for (int y = 0; y < canvas->height && status == 0; y++) {
        int end = canvas->width;
        while (end > 0 && cell_at(canvas, end - 1, y)->chars[0] == ' ')
            end--;
        for (int x = 0; x < end && status == 0; x++) {
            char bytes[12];
            status = buf_add(out, bytes, cell_encode(cell_at(canvas, x, y), ascii, bytes));
        }
        if (status == 0)
            status = buf_adds(out, "\n");
    }
    return status;
}

int canvas_export_roles(const struct canvas *canvas, struct buf *out)
{
    static const char roles[ROLE__COUNT + 1] = ".dstbfowxuia~k123-";
    static const char grounds[GROUND__COUNT + 1] = ".SRDAC";
    int status = 0;
    for (int y = 0; y < canvas->height && status == 0; y++) {
        for (int x = 0; x < canvas->width && status == 0; x++) {
            const struct cell *cell = cell_at(canvas, x, y);
            bool plain = cell->role == ROLE_NORMAL || cell->chars[0] == ' ';
            char letter = roles[cell->role];
            if (plain && cell->chars[0] == ' ' && cell->ground == GROUND_NORMAL)
                letter = ' ';
            else if (plain)
                letter = grounds[cell->ground];
            status = buf_add(out, &letter, 1);
        }
        if (status == 0)
            status = buf_adds(out, "\n");
    }
    return status;
}
