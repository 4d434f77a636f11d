#include "ui/svg.h"

#include "base/text.h"

#define CELL_WIDTH 8.4
#define CELL_HEIGHT 17
#define FONT_SIZE 14
#define BASELINE 13
/* What a terminal's own colours are taken to be. */
#define PAPER 0x101216
#define INK 0xD0D0D0

static int colour_of(int rgb, int fallback)
{
    return rgb == THEME_DEFAULT ? fallback : rgb;
}

static struct theme_ink ink_of(const struct theme *theme, const struct cell *cell)
{
    struct theme_ink ink =
        theme_ink(theme, DEPTH_RGB, (enum role)cell->role, (enum ground)cell->ground);
    ink.foreground = colour_of(ink.foreground, INK);
    ink.background = colour_of(ink.background, PAPER);
    if (ink.attrs & LOOK_REVERSE) {
        int swap = ink.foreground;
        ink.foreground = ink.background;
        ink.background = swap;
    }
    return ink;
}

static void add_char(struct buf *out, uint32_t ch)
{
    char bytes[4];
    if (ch == '<')
        buf_adds(out, "&lt;");
    else if (ch == '&')
        buf_adds(out, "&amp;");
    else
        buf_add(out, bytes, text_encode(ch, bytes));
}

/* The cells from `x` on that look the same. */
static int run_length(const struct cell *row, int x, int width)
{
    int n = 1;
    while (x + n < width && row[x + n].role == row[x].role && row[x + n].ground == row[x].ground)
        n++;
    return n;
}

static bool is_blank(const struct cell *cells, int n)
{
    for (int i = 0; i < n; i++)
        if (cells[i].width != 0 && cells[i].chars[0] != ' ' && cells[i].chars[0] != 0)
            return false;
    return true;
}

static void add_run(const struct cell *cells, int n, double x, int y, const struct theme_ink *ink,
                    struct buf *out)
{
    if (ink->background != PAPER)
        buf_addf(out, "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"#%06x\"/>", x,
                 y, n * CELL_WIDTH, CELL_HEIGHT, (unsigned)ink->background);
    if (is_blank(cells, n))
        return;
    /* textLength keeps the grid whatever font the reader has. */
    buf_addf(out, "<text x=\"%.1f\" y=\"%d\" textLength=\"%.1f\" fill=\"#%06x\"%s%s>", x,
             y + BASELINE, n * CELL_WIDTH, (unsigned)ink->foreground,
             ink->attrs & LOOK_BOLD ? " font-weight=\"bold\"" : "",
             ink->attrs & LOOK_UNDERLINE ? " text-decoration=\"underline\"" : "");
    for (int i = 0; i < n; i++) {
        if (cells[i].width == 0)
            continue;
        add_char(out, cells[i].chars[0] != 0 ? cells[i].chars[0] : ' ');
        for (int c = 1; c < 3 && cells[i].chars[c] != 0; c++)
            add_char(out, cells[i].chars[c]);
    }
    buf_adds(out, "</text>\n");
}

int svg_export(const struct canvas *canvas, const struct theme *theme, struct buf *out)
{
    double width = canvas->width * CELL_WIDTH;
    int height = canvas->height * CELL_HEIGHT;
    buf_addf(out,
             "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %d\" width=\"%.0f\" "
             "height=\"%d\" font-family=\"DejaVu Sans Mono,Menlo,Consolas,monospace\" "
             "font-size=\"%d\" xml:space=\"preserve\">\n"
             "<rect width=\"100%%\" height=\"100%%\" fill=\"#%06x\"/>\n",
             width, height, width, height, FONT_SIZE, PAPER);
    for (int y = 0; y < canvas->height; y++) {
        const struct cell *row = canvas->cells + (size_t)y * (size_t)canvas->stride;
        for (int x = 0; x < canvas->width;) {
            int n = run_length(row, x, canvas->width);
            struct theme_ink ink = ink_of(theme, &row[x]);
            add_run(&row[x], n, x * CELL_WIDTH, y * CELL_HEIGHT, &ink, out);
            x += n;
        }
    }
    return buf_adds(out, "</svg>\n");
}
