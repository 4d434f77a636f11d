/* Is a terminal type described on this machine? Apart from term.c because <term.h> of curses has a
 * `struct term` of its own; and asked first because newterm() leaks when it fails. */
#ifndef UI_TERMINFO_H
#define UI_TERMINFO_H

#include <stdbool.h>

bool terminfo_exists(const char *type);

#endif
