/* From a name to a connected socket. Names are resolved on a thread of their own, because nothing
 * can interrupt getaddrinfo() and remote_free() must not wait for it; addresses are tried side by
 * side, each a little after the one before, so that a dead IPv6 route costs no ten seconds. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "remote/ssh.h"

#define TRIES 8
#define STAGGER_MS 250
#define LOOKUP_STACK (256 * 1024)

/* Shared by two threads; the one that leaves last frees it. */
struct lookup {
    atomic_int users;
    int done_fd;
    char host[256];
    char port[8];
    int family;
    int status;
    struct addrinfo *found;
};

static void lookup_unref(struct lookup *lookup)
{
    if (atomic_fetch_sub(&lookup->users, 1) > 1)
        return;
    if (lookup->found != NULL)
        freeaddrinfo(lookup->found);
    fd_close(lookup->done_fd);
    free(lookup);
}

static void lookup_run(struct lookup *lookup, int flags)
{
    struct addrinfo hints = {.ai_family = lookup->family,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV | flags};
    lookup->status = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->found);
}

static void *lookup_main(void *arg)
{
    struct lookup *lookup = arg;
    lookup_run(lookup, 0);
    uint64_t one = 1;
    ssize_t ignored = write(lookup->done_fd, &one, sizeof(one));
    (void)ignored;
    lookup_unref(lookup);
    return NULL;
}

static int lookup_start(struct lookup *lookup)
{
    pthread_attr_t attr;
    pthread_t thread;
    if (pthread_attr_init(&attr) != 0)
        return -ENOMEM;
    pthread_attr_setstacksize(&attr, LOOKUP_STACK);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    atomic_store(&lookup->users, 2);
    int status = pthread_create(&thread, &attr, lookup_main, lookup);
    if (status != 0)
        atomic_store(&lookup->users, 1);
    pthread_attr_destroy(&attr);
    return -status;
}

static int lookup_wait(struct ssh_link *link, struct lookup *lookup, int64_t deadline)
{
    const struct ssh_settings *settings = &link->settings;
    int status = lookup_start(lookup);
    if (status < 0)
        return link_fail(link, status, "cannot start a thread: %s", strerror(-status));
    struct pollfd fds[2] = {{0}, {.fd = lookup->done_fd, .events = POLLIN}};
    int ready = 0;
    do {
        ready = link_poll(link, fds, 2, deadline);
    } while (ready > 0 && fds[1].revents == 0);
    if (ready < 0)
        return ready;
    if (ready == 0)
        return link_fail(link, -ETIMEDOUT,
                         "the name %s was not resolved in %d s: is the name server reachable?",
                         settings->host, settings->connect_timeout_ms / 1000);
    /* What the other thread wrote before it wrote here is ours after this read. */
    uint64_t one;
    ssize_t ignored = read(lookup->done_fd, &one, sizeof(one));
    (void)ignored;
    return 0;
}

static int resolve(struct ssh_link *link, struct lookup *lookup, int64_t deadline)
{
    const struct ssh_settings *settings = &link->settings;
    lookup->family = settings->family;
    memcpy(lookup->host, settings->host, sizeof(lookup->host));
    snprintf(lookup->port, sizeof(lookup->port), "%d", settings->port);
    lookup_run(lookup, AI_NUMERICHOST);
    if (lookup->status == 0)
        return 0;
    int status = lookup_wait(link, lookup, deadline);
    if (status < 0)
        return status;
    if (lookup->status != 0)
        return link_fail(link, -EHOSTUNREACH,
                         "the host name %s is unknown (%s): check its spelling, the HostName in "
                         "your ssh_config and the name server",
                         settings->host, gai_strerror(lookup->status));
    return 0;
}

static int begin(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    /* Small requests and answers on one connection: waiting to fill segments costs 40 ms each. */
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS) {
        int status = -errno;
        close(fd);
        return status;
    }
    return fd;
}

static int socket_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? -errno : -error;
}

/* A connection to a local port where nobody listens may be given that very port as its own, and
 * then has itself as its peer: it would keep a server from coming back there. */
static bool meets_itself(int fd)
{
    struct sockaddr_storage own = {0}, peer = {0};
    socklen_t own_len = sizeof(own), peer_len = sizeof(peer);
    return getsockname(fd, (struct sockaddr *)&own, &own_len) == 0 &&
           getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0 && own_len == peer_len &&
           memcmp(&own, &peer, own_len) == 0;
}

/* Waits until one is connected (its descriptor is returned, and taken out), or -ETIMEDOUT at
 * `until`, or -EAGAIN when one failed; `ret_why` is the last failure. */
static int await(struct ssh_link *link, struct pollfd *fds, int *count, int64_t until, int *ret_why)
{
    int ready = link_poll(link, fds, (nfds_t)*count, until);
    if (ready <= 0)
        return ready < 0 ? ready : -ETIMEDOUT;
    for (int i = 1; i < *count; i++) {
        if (fds[i].revents == 0)
            continue;
        int fd = fds[i].fd;
        int status = socket_error(fd);
        fds[i] = fds[--*count];
        if (status == 0 && meets_itself(fd))
            status = -ECONNREFUSED;
        if (status == 0)
            return fd;
        *ret_why = status;
        close(fd);
        return -EAGAIN;
    }
    return -EAGAIN;
}

static int race(struct ssh_link *link, const struct addrinfo *address, int64_t deadline)
{
    struct pollfd fds[1 + TRIES] = {{0}};
    int count = 1;
    int why = -ETIMEDOUT;
    int status = -EAGAIN;
    while (address != NULL || count > 1) {
        bool last = address == NULL || count == 1 + TRIES;
        if (!last) {
            int fd = begin(address);
            address = address->ai_next;
            if (fd < 0) {
                why = fd;
                continue;
            }
            fds[count++] = (struct pollfd){.fd = fd, .events = POLLOUT};
            last = address == NULL;
        }
        int64_t next = clock_mono_ms() + STAGGER_MS;
        status = await(link, fds, &count, last || next > deadline ? deadline : next, &why);
        if (status >= 0 || status == -ECANCELED || clock_mono_ms() >= deadline)
            break;
    }
    for (int i = 1; i < count; i++)
        close(fds[i].fd);
    return status != -EAGAIN ? status : why;
}

static int explain(struct ssh_link *link, int status)
{
    const struct ssh_settings *settings = &link->settings;
    switch (-status) {
    case ECANCELED:
        return status;
    case ECONNREFUSED:
        return link_fail(link, status,
                         "%s refuses connections on port %d: is sshd running there, and is it the "
                         "right port?",
                         settings->host, settings->port);
    case ETIMEDOUT:
        return link_fail(link, status,
                         "%s does not answer on port %d (waited %d s): is the host up, and does a "
                         "firewall let you through?",
                         settings->host, settings->port, settings->connect_timeout_ms / 1000);
    case EHOSTUNREACH:
    case ENETUNREACH:
        return link_fail(link, status, "there is no way to %s (%s): are you online, is the VPN up?",
                         settings->host, strerror(-status));
    default:
        return link_fail(link, status, "cannot connect to %s port %d: %s", settings->host,
                         settings->port, strerror(-status));
    }
}

int link_connect(struct ssh_link *link)
{
    int64_t deadline = clock_mono_ms() + link->settings.connect_timeout_ms;
    struct lookup *lookup = calloc(1, sizeof(*lookup));
    if (lookup == NULL)
        return link_fail(link, -ENOMEM, "no memory to resolve %s", link->settings.host);
    atomic_init(&lookup->users, 1);
    lookup->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int status = lookup->done_fd < 0 ? link_fail(link, -errno, "cannot resolve %s: %s",
                                                 link->settings.host, strerror(errno))
                                     : resolve(link, lookup, deadline);
    if (status == 0) {
        status = race(link, lookup->found, deadline);
        if (status < 0)
            explain(link, status);
    }
    lookup_unref(lookup);
    return status;
}
