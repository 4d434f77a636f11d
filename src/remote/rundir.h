/* The private runtime directory: where forwards have their sockets. Mode 0700, ours, with a lock
 * file that is held as long as the process lives; a start removes what dead ones left behind. */
#ifndef REMOTE_RUNDIR_H
#define REMOTE_RUNDIR_H

#include "base/error.h"

struct rundir {
    char path[80]; /* short, so that a socket's name still fits sockaddr_un; "" = none */
    int lock_fd;
};

/* Makes `$XDG_RUNTIME_DIR/hemma-top/PID-RANDOM`, or the same under `/tmp/hemma-top-UID` where the
 * former is missing, not ours or too long. Returns 0, or a negative errno with the sentence. */
int rundir_init(struct rundir *rundir, struct error *error);
/* The same below a given base directory, which is made (0700) when it is missing. */
int rundir_init_in(struct rundir *rundir, const char *base, struct error *error);
/* Removes the directory with its content and lets go of the lock. */
void rundir_done(struct rundir *rundir);

#endif
