/* A stream of the local transport: two sockets, pumped on the loop. Private to src/remote/. */
#ifndef REMOTE_TUBE_H
#define REMOTE_TUBE_H

#include "remote/transport.h"

/* Connects to a TCP or Unix address and carries `fd`, which it takes over. Returns 0, or a negative
 * errno with the sentence. */
int tube_open(struct remote *remote, struct channel *channel, const struct address *address, int fd,
              struct error *error);

#endif
