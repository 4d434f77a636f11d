/* `hemma-top snapshot`: one reading, printed, then exit. */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include "cli.h"

/* Returns the exit code: the verdict's, EXIT_HEALTHY for the demo. */
int snapshot_run(const struct cli *cli);

#endif
