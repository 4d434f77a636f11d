/* Asks the operator on the plain terminal, as ssh does, before the screen starts. */
#ifndef ASK_H
#define ASK_H

#include <stdbool.h>
#include <stddef.h>

#include "remote/remote.h"

/* Is there a terminal to ask on? */
bool ask_possible(void);
/* Asks and waits for a line. Returns its length, or a negative errno (-ECANCELED for Ctrl-C, Ctrl-D
 * and an empty end; -ENOTTY where there is no terminal). The caller wipes `answer`. */
int ask_terminal(const struct remote_question *question, char *answer, size_t size);

#endif
