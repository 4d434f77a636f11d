/* A picture of a canvas as SVG: the screen as a document shows it, made by the program itself. */
#ifndef UI_SVG_H
#define UI_SVG_H

#include "ui/canvas.h"
#include "ui/theme.h"

/* Appends the picture in 24-bit colours. Returns 0 or an error of buf. */
int svg_export(const struct canvas *canvas, const struct theme *theme, struct buf *out);

#endif
