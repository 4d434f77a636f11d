#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

void buf_done(struct buf *buf)
{
    free(buf->data);
    buf_init(buf, buf->max);
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

static int grow(struct buf *buf, size_t len)
{
    size_t need = buf->len + len + 1;
    if (need <= buf->size)
        return 0;
    size_t size = buf->size ? buf->size : 64;
    while (size < need)
        size *= 2;
    char *data = realloc(buf->data, size);
    if (data == NULL)
        return -ENOMEM;
    buf->data = data;
    buf->size = size;
    return 0;
}

int buf_add(struct buf *buf, const void *data, size_t len)
{
    size_t fits = len < buf->max - buf->len ? len : buf->max - buf->len;
    if (grow(buf, fits) < 0) {
        buf->dropped += len;
        return -ENOMEM;
    }
    if (fits > 0)
        memcpy(buf->data + buf->len, data, fits);
    buf->len += fits;
    buf->data[buf->len] = '\0';
    buf->dropped += len - fits;
    return fits < len ? -ENOBUFS : 0;
}

int buf_adds(struct buf *buf, const char *text)
{
    return buf_add(buf, text, strlen(text));
}

int buf_addf(struct buf *buf, const char *format, ...)
{
    va_list args;
    char *text;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0)
        return -ENOMEM;
    int status = buf_add(buf, text, (size_t)len);
    free(text);
    return status;
}

void buf_consume(struct buf *buf, size_t len)
{
    if (len >= buf->len) {
        buf_clear(buf);
        return;
    }
    memmove(buf->data, buf->data + len, buf->len - len + 1);
    buf->len -= len;
}
