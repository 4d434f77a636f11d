#include "ui/writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

struct writer {
    int fd;
    int ready_fd; /* readable: a block went out */
    int stop_fd;  /* readable: give up */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    bool busy, stop; /* under the lock; while busy, the data is the thread's */
    char *data;
    size_t len, size;
};

static void event_set(int fd)
{
    uint64_t one = 1;
    while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

static void event_clear(int fd)
{
    uint64_t count;
    while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
}

static void write_all(const struct writer *writer)
{
    const char *data = writer->data;
    size_t left = writer->len;
    while (left > 0) {
        struct pollfd fds[] = {{.fd = writer->fd, .events = POLLOUT},
                               {.fd = writer->stop_fd, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        if (fds[1].revents != 0)
            return;
        ssize_t n = write(writer->fd, data, left);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return; /* gone: whoever reads from it will hear that too */
        if (n > 0) {
            data += n;
            left -= (size_t)n;
        }
    }
}

static void *run(void *arg)
{
    struct writer *writer = arg;
    pthread_mutex_lock(&writer->lock);
    for (;;) {
        while (!writer->busy && !writer->stop)
            pthread_cond_wait(&writer->filled, &writer->lock);
        if (writer->stop)
            break;
        pthread_mutex_unlock(&writer->lock);
        write_all(writer);
        pthread_mutex_lock(&writer->lock);
        writer->busy = false;
        event_set(writer->ready_fd);
    }
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

static int start(struct writer *writer)
{
    /* Signals are the main thread's, but for those that a fault of this one would raise. */
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    sigset_t others, before;
    sigfillset(&others);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(&others, faults[i]);
    pthread_sigmask(SIG_BLOCK, &others, &before);
    int status = pthread_create(&writer->thread, NULL, run, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -status;
}

static void release(struct writer *writer)
{
    pthread_mutex_destroy(&writer->lock);
    pthread_cond_destroy(&writer->filled);
    if (writer->ready_fd >= 0)
        close(writer->ready_fd);
    if (writer->stop_fd >= 0)
        close(writer->stop_fd);
    free(writer->data);
    free(writer);
}

int writer_new(int fd, struct writer **ret)
{
    struct writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL)
        return -ENOMEM;
    writer->fd = fd;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->filled, NULL);
    writer->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    writer->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int status = writer->ready_fd < 0 || writer->stop_fd < 0 ? -errno : start(writer);
    if (status < 0) {
        release(writer);
        return status;
    }
    *ret = writer;
    return 0;
}

void writer_free(struct writer *writer)
{
    if (writer == NULL)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->stop = true;
    event_set(writer->stop_fd);
    pthread_cond_signal(&writer->filled);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    release(writer);
}

bool writer_ready(struct writer *writer)
{
    event_clear(writer->ready_fd);
    pthread_mutex_lock(&writer->lock);
    bool ready = !writer->busy;
    pthread_mutex_unlock(&writer->lock);
    return ready;
}

int writer_ready_fd(const struct writer *writer)
{
    return writer->ready_fd;
}

bool writer_wait(struct writer *writer, int ms)
{
    int64_t end = clock_mono_ms() + ms;
    while (!writer_ready(writer)) {
        int64_t left = end - clock_mono_ms();
        struct pollfd fd = {.fd = writer->ready_fd, .events = POLLIN};
        if (left <= 0 || (poll(&fd, 1, (int)left) < 0 && errno != EINTR))
            return false;
    }
    return true;
}

char *writer_room(struct writer *writer, size_t len)
{
    if (len > writer->size) {
        char *data = realloc(writer->data, len);
        if (data == NULL)
            return NULL;
        writer->data = data;
        writer->size = len;
    }
    return writer->data;
}

void writer_send(struct writer *writer, size_t len)
{
    pthread_mutex_lock(&writer->lock);
    writer->len = len;
    writer->busy = true;
    pthread_cond_signal(&writer->filled);
    pthread_mutex_unlock(&writer->lock);
}
