#include "ui/reader.h"

struct reader reader_begin(const struct canvas *canvas, int width, int label, int skip)
{
    struct reader reader = {.label = label, .skip = skip};
    if (canvas != NULL)
        reader.canvas = *canvas;
    reader.canvas.width = width; /* of an empty canvas too: the wrapping depends on it */
    return reader;
}

void reader_line(struct reader *reader, const char *label, enum role label_role, const char *text,
                 enum role role)
{
    int x = label != NULL ? reader->label : 0;
    int y = reader->y - reader->skip;
    if (label != NULL && y >= 0)
        canvas_text(&reader->canvas, 0, y, reader->label - 1, label, label_role);
    /* Scrolled past in part: the rest of it begins at the top. */
    int lines = canvas_paragraph(&reader->canvas, x, y > 0 ? y : 0, reader->canvas.width - x,
                                 y < 0 ? -y : 0, text, role);
    reader->y += lines > 0 ? lines : 1;
}
