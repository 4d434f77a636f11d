#include "ui/graph.h"

#include <math.h>

void history_add(struct history *history, double value)
{
    history->values[history->next] = (float)value;
    history->next = (history->next + 1) % HISTORY_MAX;
    if (history->n < HISTORY_MAX)
        history->n++;
}

double history_back(const struct history *history, size_t i)
{
    if (i >= history->n)
        return NAN;
    return (double)history->values[(history->next + HISTORY_MAX - 1 - i) % HISTORY_MAX];
}

enum role graph_role(double value, double middle, double high)
{
    return value >= high ? ROLE_HIGH : value >= middle ? ROLE_MIDDLE : ROLE_LOW;
}

void graph_gauge(struct canvas *canvas, int x, int y, int width, double percent, enum role role)
{
    int filled = (int)(percent / 100 * width + 0.5);
    /* A little is not nothing, and nearly full is not full. */
    if (filled == 0 && percent >= 0.5)
        filled = 1;
    if (filled >= width && percent < 99.5)
        filled = width - 1;
    for (int i = 0; i < width; i++)
        canvas_char(canvas, x + i, y, i < filled ? 0x25A0 : 0x00B7, i < filled ? role : ROLE_TRACK);
}

/* Dots of one column of a braille cell that reach up to `level` (0..4); `right`: the second column.
 */
static uint32_t dots(int level, bool right)
{
    static const uint8_t left_dots[] = {0, 0x40, 0x44, 0x46, 0x47};
    static const uint8_t right_dots[] = {0, 0x80, 0xA0, 0xB0, 0xB8};
    level = level < 0 ? 0 : level > 4 ? 4 : level;
    return right ? right_dots[level] : left_dots[level];
}

static int dot_height(double value, double max, int height)
{
    if (isnan(value))
        return 0;
    int level = (int)(value / max * height * 4 + 0.5);
    return level > 0 ? level : 1; /* a reading of zero leaves a line, no reading leaves none */
}

void graph_history(struct canvas *canvas, const struct history *history, double max, double middle,
                   double high)
{
    for (int x = 0; x < canvas->width; x++) {
        size_t back = 2 * (size_t)(canvas->width - 1 - x);
        int right = dot_height(history_back(history, back), max, canvas->height);
        int left = dot_height(history_back(history, back + 1), max, canvas->height);
        for (int y = 0; y < canvas->height; y++) {
            int base = 4 * (canvas->height - 1 - y);
            uint32_t bits = dots(left - base, false) | dots(right - base, true);
            double at = max * (base + 2) / (4.0 * canvas->height);
            if (bits != 0)
                canvas_char(canvas, x, y, 0x2800 + bits, graph_role(at, middle, high));
        }
    }
}
