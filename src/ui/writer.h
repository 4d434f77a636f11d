/* A thread that writes one block of bytes at a time to a descriptor which may not take them for as
 * long as it likes: a terminal that was stopped. The caller never waits for it. */
#ifndef UI_WRITER_H
#define UI_WRITER_H

#include <stdbool.h>
#include <stddef.h>

struct writer;

/* `fd` is non-blocking and stays the caller's. Returns 0 or a negative errno. */
int writer_new(int fd, struct writer **ret);
/* Ends it, even in the middle of a block. NULL is allowed. */
void writer_free(struct writer *writer);

/* Is the last block out? When not: poll writer_ready_fd() for reading, it tells when to ask again
 * (and writer_ready() resets it). */
bool writer_ready(struct writer *writer);
int writer_ready_fd(const struct writer *writer);
/* Waits until it is ready, at most `ms`. */
bool writer_wait(struct writer *writer, int ms);

/* Only when ready: room for a block of `len` bytes, or NULL when memory is out; then send it. */
char *writer_room(struct writer *writer, size_t len);
void writer_send(struct writer *writer, size_t len);

#endif
