/* A growing byte buffer with a hard ceiling. What did not fit is counted, never written. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data;       /* always NUL-terminated once something was added; NULL before */
    size_t len;       /* bytes used, the terminating NUL not counted */
    size_t size;      /* bytes allocated */
    size_t max;       /* ceiling for len */
    uint64_t dropped; /* bytes that did not fit */
};

/* An empty buffer that will never hold more than `max` bytes. */
void buf_init(struct buf *buf, size_t max);
/* Frees the memory; the buffer can be used again. */
void buf_done(struct buf *buf);
/* Forgets the content, keeps the memory. */
void buf_clear(struct buf *buf);
/* Appends. Returns 0, or -ENOBUFS when a part of it was dropped, or -ENOMEM. */
int buf_add(struct buf *buf, const void *data, size_t len);
int buf_adds(struct buf *buf, const char *text);
int buf_addf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Removes `len` bytes from the front. */
void buf_consume(struct buf *buf, size_t len);

#endif
