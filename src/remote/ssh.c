/* The SSH transport, the loop's side: what comes in goes to the session's thread, and what the
 * thread has to tell goes to the callbacks. */
#include "remote/ssh.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

/* libssh keeps its buffers on the heap; what is on the stack is small. */
#define THREAD_STACK (256 * 1024)

struct ssh_remote {
    struct remote base;
    struct ssh_door door;
    struct ssh_link link; /* the thread's, from its start to its end */
    pthread_t thread;
    bool started;
    char *target, *config_file;
};

struct ssh_note *note_new(enum ssh_note_kind kind, uint64_t id, const char *text)
{
    size_t size = text != NULL ? strlen(text) + 1 : 1;
    struct ssh_note *note = calloc(1, sizeof(*note) + size);
    if (note == NULL)
        return NULL;
    note->kind = kind;
    note->id = id;
    if (text != NULL)
        memcpy(note->text, text, size);
    return note;
}

void note_free(struct ssh_note *note)
{
    if (note == NULL)
        return;
    if (note->kind == NOTE_OPEN) {
        fd_close(note->open.fd);
        fd_close(note->open.error_fd);
    }
    free(note);
}

void queue_init(struct ssh_queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
}

void queue_push(struct ssh_queue *queue, struct ssh_note *note)
{
    note->next = NULL;
    *queue->last = note;
    queue->last = &note->next;
}

struct ssh_note *queue_pop(struct ssh_queue *queue)
{
    struct ssh_note *note = queue->first;
    if (note == NULL)
        return NULL;
    queue->first = note->next;
    if (queue->first == NULL)
        queue->last = &queue->first;
    return note;
}

void door_send(struct ssh_door *door, struct ssh_note *note)
{
    if (note == NULL)
        return;
    pthread_mutex_lock(&door->lock);
    queue_push(&door->notes, note);
    pthread_mutex_unlock(&door->lock);
    uv_async_send(door->wake);
}

bool door_stopped(struct ssh_door *door)
{
    pthread_mutex_lock(&door->lock);
    bool stopped = door->stop;
    pthread_mutex_unlock(&door->lock);
    return stopped;
}

static void door_wake(struct ssh_door *door)
{
    uint64_t one = 1;
    /* A full counter wakes as well. */
    ssize_t ignored = write(door->wake_fd, &one, sizeof(one));
    (void)ignored;
}

static void door_command(struct ssh_door *door, struct ssh_note *note)
{
    pthread_mutex_lock(&door->lock);
    queue_push(&door->commands, note);
    pthread_mutex_unlock(&door->lock);
    door_wake(door);
}

static void wipe(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

static int ssh_open(struct remote *remote, struct channel *channel, const struct address *address,
                    int fd, int error_fd, struct error *error)
{
    struct ssh_remote *ssh = (struct ssh_remote *)remote;
    struct ssh_note *note = NULL;
    int status = 0;
    /* While the first connection is made, requests wait: the thread opens them all at once. */
    if (remote->status.state != REMOTE_UP && remote->status.state != REMOTE_CONNECTING)
        status = error_set(error, -ENOTCONN, "not connected to %s", remote->status.address);
    else if ((note = note_new(NOTE_OPEN, channel->id, address->rest)) == NULL)
        status = error_set(error, -ENOMEM, "no memory for a channel");
    if (note == NULL) {
        fd_close(fd);
        fd_close(error_fd);
        return status;
    }
    fd_set_nonblocking(fd, true);
    if (error_fd >= 0)
        fd_set_nonblocking(error_fd, true);
    note->open.address = *address;
    note->open.address.rest = note->text;
    note->open.fd = fd;
    note->open.error_fd = error_fd;
    door_command(&ssh->door, note);
    return 0;
}

static void ssh_close(struct remote *remote, struct channel *channel)
{
    struct ssh_remote *ssh = (struct ssh_remote *)remote;
    struct ssh_note *note = remote->closing ? NULL : note_new(NOTE_CLOSE, channel->id, NULL);
    if (note != NULL)
        door_command(&ssh->door, note);
}

/* What was requested and what is still open belongs to a link that is gone. */
static void end_channels(struct ssh_remote *ssh, const struct error *error)
{
    struct remote *remote = &ssh->base;
    struct channel_end end = {.error = *error, .exit_status = -1};
    struct ssh_queue kept;
    struct ssh_note *note;
    if (end.error.code != -ECONNRESET)
        end.error.code = -ENOTCONN;
    queue_init(&kept);
    pthread_mutex_lock(&ssh->door.lock);
    while ((note = queue_pop(&ssh->door.commands)) != NULL) {
        if (note->kind == NOTE_OPEN)
            note_free(note);
        else
            queue_push(&kept, note);
    }
    while ((note = queue_pop(&kept)) != NULL)
        queue_push(&ssh->door.commands, note);
    pthread_mutex_unlock(&ssh->door.lock);
    struct channel *channel = remote->channels;
    while (channel != NULL && !remote->closing) {
        if (channel->stopped) {
            channel = channel->next;
            continue;
        }
        ssh_close(remote, channel);
        channel_finish(channel, &end);
        channel = remote->channels; /* the callback may have changed the list */
    }
}

static void take_state(struct ssh_remote *ssh, const struct remote_status *news)
{
    struct remote_status *status = &ssh->base.status;
    if (status->state != news->state)
        status->since = clock_wall_ms();
    status->state = news->state; /* before the channels end: no callback opens one any more */
    status->error = news->error;
    status->retry_at = news->retry_at;
    status->attempts = news->attempts;
    if (news->state != REMOTE_UP)
        status->rtt_ms = -1;
    memcpy(status->address, news->address, sizeof(status->address));
    if (news->state == REMOTE_LOST || news->state == REMOTE_STOPPED)
        end_channels(ssh, &news->error);
    remote_changed(&ssh->base);
}

static void take_note(struct ssh_remote *ssh, struct ssh_note *note)
{
    struct remote *remote = &ssh->base;
    struct channel *channel = remote_channel(remote, note->id);
    switch (note->kind) {
    case NOTE_OPENED:
        if (channel != NULL)
            channel_opened(channel);
        break;
    case NOTE_ENDED:
        if (channel != NULL)
            channel_finish(channel, &note->end);
        break;
    case NOTE_STATE:
        take_state(ssh, &note->status);
        break;
    case NOTE_QUESTION:
        if (remote->events.asked != NULL)
            remote->events.asked(remote->ctx, &note->question);
        else
            remote_answer(remote, NULL);
        break;
    case NOTE_NOTICE:
        remote_noticed(remote, note->text);
        break;
    case NOTE_OPEN:
    case NOTE_CLOSE:
        break;
    }
}

static void ssh_woken(struct remote *remote)
{
    struct ssh_remote *ssh = (struct ssh_remote *)remote;
    struct ssh_door *door = &ssh->door;
    struct ssh_note *note;
    pthread_mutex_lock(&door->lock);
    while (!remote->closing && (note = queue_pop(&door->notes)) != NULL) {
        pthread_mutex_unlock(&door->lock);
        take_note(ssh, note);
        note_free(note);
        pthread_mutex_lock(&door->lock);
    }
    bool measured = door->measured;
    door->measured = false;
    remote->status.rx_bytes = door->rx_bytes;
    remote->status.tx_bytes = door->tx_bytes;
    if (remote->status.state == REMOTE_UP && door->rtt_ms >= 0)
        remote->status.rtt_ms = door->rtt_ms;
    pthread_mutex_unlock(&door->lock);
    if (measured)
        remote_changed(remote);
}

static void ssh_retry(struct remote *remote)
{
    struct ssh_remote *ssh = (struct ssh_remote *)remote;
    pthread_mutex_lock(&ssh->door.lock);
    ssh->door.retry = true;
    pthread_mutex_unlock(&ssh->door.lock);
    door_wake(&ssh->door);
}

static void ssh_answer(struct remote *remote, const char *answer)
{
    struct ssh_remote *ssh = (struct ssh_remote *)remote;
    char *copy = answer != NULL ? strdup(answer) : NULL;
    pthread_mutex_lock(&ssh->door.lock);
    if (ssh->door.asking && !ssh->door.answered) {
        ssh->door.answered = true;
        ssh->door.answer = copy;
        copy = NULL;
    }
    pthread_mutex_unlock(&ssh->door.lock);
    wipe(copy);
    door_wake(&ssh->door);
}

static void ssh_stop(struct remote *remote)
{
    struct ssh_remote *ssh = (struct ssh_remote *)remote;
    struct ssh_door *door = &ssh->door;
    if (!ssh->started)
        return;
    pthread_mutex_lock(&door->lock);
    door->stop = true;
    if (door->agent_fd >= 0)
        shutdown(door->agent_fd, SHUT_RDWR);
    pthread_mutex_unlock(&door->lock);
    door_wake(door);
    pthread_join(ssh->thread, NULL);
    ssh->started = false;
}

static void ssh_release(struct remote *remote)
{
    struct ssh_remote *ssh = (struct ssh_remote *)remote;
    struct ssh_note *note;
    while ((note = queue_pop(&ssh->door.commands)) != NULL)
        note_free(note);
    while ((note = queue_pop(&ssh->door.notes)) != NULL)
        note_free(note);
    wipe(ssh->door.answer);
    fd_close(ssh->door.wake_fd);
    pthread_mutex_destroy(&ssh->door.lock);
    free(ssh->target);
    free(ssh->config_file);
    free(ssh);
}

static const struct remote_ops ssh_ops = {
    .open = ssh_open,
    .close = ssh_close,
    .woken = ssh_woken,
    .retry = ssh_retry,
    .answer = ssh_answer,
    .stop = ssh_stop,
    .release = ssh_release,
};

static int start_thread(struct ssh_remote *ssh)
{
    pthread_attr_t attr;
    int status = pthread_attr_init(&attr);
    if (status != 0)
        return -status;
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status = pthread_create(&ssh->thread, &attr, link_main, &ssh->link);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    ssh->started = status == 0;
    return -status;
}

static int door_init(struct ssh_door *door, uv_async_t *wake)
{
    *door = (struct ssh_door){.wake = wake, .agent_fd = -1, .rtt_ms = -1};
    queue_init(&door->commands);
    queue_init(&door->notes);
    pthread_mutex_init(&door->lock, NULL);
    door->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return door->wake_fd < 0 ? -errno : 0;
}

struct remote *remote_ssh_new(uv_loop_t *loop, const struct remote_options *options,
                              const struct remote_events *events, void *ctx, struct error *error)
{
    struct ssh_remote *ssh = calloc(1, sizeof(*ssh));
    if (ssh == NULL) {
        error_set(error, -ENOMEM, "no memory for a connection");
        return NULL;
    }
    if (remote_init(&ssh->base, &ssh_ops, loop, events, ctx, error) < 0) {
        free(ssh);
        return NULL;
    }
    struct remote_status *status = &ssh->base.status;
    memcpy(status->transport, "ssh", 4);
    int failed = door_init(&ssh->door, &ssh->base.wake);
    ssh->target = strdup(options->target);
    ssh->config_file = options->ssh_config != NULL ? strdup(options->ssh_config) : NULL;
    if (ssh->target == NULL || (options->ssh_config != NULL && ssh->config_file == NULL))
        failed = -ENOMEM;
    ssh->link = (struct ssh_link){.door = &ssh->door,
                                  .target = ssh->target,
                                  .config_file = ssh->config_file,
                                  .batch = options->batch};
    if (failed == 0) {
        text_clean(status->address, sizeof(status->address), options->target, SIZE_MAX);
        failed = start_thread(ssh);
    }
    if (failed < 0) {
        error_set(error, failed, "cannot start a connection: %s", strerror(-failed));
        remote_free(&ssh->base);
        return NULL;
    }
    return &ssh->base;
}
