/* The command line: what was asked for, or a usage error that names the word and what to do. */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

/* Exit codes. A snapshot's are those of a monitoring plugin. */
enum {
    EXIT_HEALTHY = 0,
    EXIT_DEGRADED = 1,
    EXIT_DOWN = 2,
    EXIT_UNKNOWN = 3,
    EXIT_USAGE = 64,
    EXIT_SOFTWARE = 70,
};

enum cli_command { CLI_DASHBOARD, CLI_SNAPSHOT, CLI_HELP, CLI_VERSION };

struct cli {
    enum cli_command command;
    const char *target;     /* an ssh destination, "local" or "demo"; points into argv */
    const char *ssh_config; /* -F */
    bool json, svg;         /* snapshot: instead of text */
    bool ascii;
    uint64_t seed;
};

/* Parses argv. Returns 0, or -EINVAL with the sentence. */
int cli_parse(struct cli *ret, int argc, char **argv, struct error *error);
void cli_help(FILE *out);

#endif
