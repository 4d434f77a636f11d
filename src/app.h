/* The dashboard: the loop that brings a session, the screen and the terminal together. */
#ifndef APP_H
#define APP_H

#include "cli.h"

/* Runs until the operator quits or the terminal goes away. Returns the exit code. */
int app_run(const struct cli *cli);

#endif
