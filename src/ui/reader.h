/* Text that is read and scrolled: lines of "label  text", the text wrapped. It is laid out anew
 * each time it is drawn, so it holds nothing but where it stands. */
#ifndef UI_READER_H
#define UI_READER_H

#include "ui/canvas.h"

struct reader {
    struct canvas canvas; /* where it goes; an empty one only measures */
    int label;            /* columns of the label */
    int skip, y;          /* lines scrolled past; lines so far */
};

struct reader reader_begin(const struct canvas *canvas, int width, int label, int skip);
/* `label` "" leaves it out, NULL lets the text have the whole width. */
void reader_line(struct reader *reader, const char *label, enum role label_role, const char *text,
                 enum role role);

#endif
