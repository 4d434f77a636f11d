#include "remote/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_NAME "lock"

/* Opens a directory that must be real, ours and closed to others. */
static int open_private(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct stat st;
    int status = 0;
    if (fstat(fd, &st) < 0)
        status = -errno;
    else if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        status = -EPERM;
    if (status < 0) {
        close(fd);
        return status;
    }
    return fd;
}

/* Our directories hold sockets and the lock, nothing deeper: so nothing deeper is removed. */
static void remove_dir(int base_fd, const char *name)
{
    int fd = open_private(base_fd, name);
    if (fd < 0)
        return;
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
    unlinkat(base_fd, name, AT_REMOVEDIR);
}

static int lock_in(int dir_fd, int flags)
{
    int fd = openat(dir_fd, LOCK_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int status = -errno;
        close(fd);
        return status;
    }
    return fd;
}

static bool is_stale(int base_fd, const char *name)
{
    int fd = open_private(base_fd, name);
    if (fd < 0)
        return false;
    int lock = lock_in(fd, 0);
    close(fd);
    if (lock >= 0)
        close(lock);
    return lock >= 0 || lock == -ENOENT;
}

static void remove_stale(int base_fd)
{
    DIR *dir = fdopendir(openat(base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (dir == NULL)
        return;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.' && is_stale(base_fd, entry->d_name))
            remove_dir(base_fd, entry->d_name);
    }
    closedir(dir);
}

/* Between the making of a directory and of its lock it looks stale: so a start holds the base. One
 * that is stopped in there must not stop the others for ever: they go on without removing. */
static bool lock_base(int base_fd)
{
    for (int i = 0; i < 50; i++) {
        if (flock(base_fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    }
    return false;
}

static int make_own(struct rundir *rundir, int base_fd, const char *base)
{
    uint32_t random;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -EIO;
    char name[32];
    snprintf(name, sizeof(name), "%ld-%08x", (long)getpid(), random);
    struct rundir made = {.lock_fd = -1};
    int len = snprintf(made.path, sizeof(made.path), "%s/%s", base, name);
    if (len < 0 || (size_t)len >= sizeof(made.path))
        return -ENAMETOOLONG;
    if (mkdirat(base_fd, name, 0700) < 0)
        return -errno;
    int fd = open_private(base_fd, name);
    made.lock_fd = fd < 0 ? fd : lock_in(fd, O_CREAT | O_EXCL);
    if (fd >= 0)
        close(fd);
    if (made.lock_fd < 0) {
        remove_dir(base_fd, name);
        return made.lock_fd;
    }
    *rundir = made;
    return 0;
}

int rundir_init_in(struct rundir *rundir, const char *base, struct error *error)
{
    *rundir = (struct rundir){.lock_fd = -1};
    if (mkdir(base, 0700) < 0 && errno != EEXIST)
        return error_set(error, -errno, "cannot make the runtime directory %s: %s", base,
                         strerror(errno));
    int fd = open_private(AT_FDCWD, base);
    if (fd < 0)
        return error_set(error, fd,
                         "the runtime directory %s cannot be trusted (%s): it must be a directory "
                         "of yours with mode 0700; remove it, or set XDG_RUNTIME_DIR",
                         base, fd == -EPERM ? "wrong owner or mode" : strerror(-fd));
    if (lock_base(fd))
        remove_stale(fd);
    int status = make_own(rundir, fd, base);
    close(fd);
    if (status < 0)
        return error_set(error, status, "cannot make a runtime directory in %s: %s", base,
                         strerror(-status));
    return 0;
}

int rundir_init(struct rundir *rundir, struct error *error)
{
    char base[sizeof(rundir->path) - 24]; /* room for PID-RANDOM */
    const char *xdg = getenv("XDG_RUNTIME_DIR");
    if (xdg != NULL && xdg[0] == '/') {
        int len = snprintf(base, sizeof(base), "%s/hemma-top", xdg);
        if (len > 0 && (size_t)len < sizeof(base) && rundir_init_in(rundir, base, NULL) == 0)
            return 0;
    }
    snprintf(base, sizeof(base), "/tmp/hemma-top-%lu", (unsigned long)geteuid());
    return rundir_init_in(rundir, base, error);
}

void rundir_done(struct rundir *rundir)
{
    if (rundir->path[0] == '\0')
        return;
    remove_dir(AT_FDCWD, rundir->path);
    close(rundir->lock_fd);
    *rundir = (struct rundir){.lock_fd = -1};
}
