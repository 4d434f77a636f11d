/* Runs `ssh -G` on the session's thread, with a deadline and cancellable. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "remote/ssh.h"

#define CONFIG_MAX (256 * 1024)
#define CONFIG_TIMEOUT_MS 10000 /* `Match exec` may run a program */

extern char **environ;

/* Starts `ssh -G`; its output and its complaints go to the two pipes. */
static int start(const struct ssh_link *link, const int pipes[2][2], pid_t *ret_pid)
{
    /* -T: no complaint that there is no terminal. */
    char program[] = "ssh", show[] = "-TG", file[] = "-F", end[] = "--";
    char *argv[8] = {program, show};
    int argc = 2;
    if (link->config_file != NULL) {
        argv[argc++] = file;
        argv[argc++] = (char *)link->config_file;
    }
    argv[argc++] = end;
    argv[argc] = (char *)link->target;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, pipes[0][1], 1);
    posix_spawn_file_actions_adddup2(&actions, pipes[1][1], 2);
    posix_spawnattr_init(&attr);
    /* This thread blocks all signals; a child must not inherit that. */
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int status = posix_spawnp(ret_pid, program, &actions, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return -status;
}

/* Reads both pipes to their ends. */
static int collect(struct ssh_link *link, const int fds[2], struct buf bufs[2])
{
    int64_t deadline = clock_mono_ms() + CONFIG_TIMEOUT_MS;
    struct pollfd poll[3] = {
        {0}, {.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLIN}};
    while (poll[1].fd >= 0 || poll[2].fd >= 0) {
        int ready = link_poll(link, poll, 3, deadline);
        if (ready <= 0)
            return ready < 0 ? ready : -ETIMEDOUT;
        for (int i = 0; i < 2; i++) {
            char data[4096];
            if (poll[1 + i].revents == 0)
                continue;
            ssize_t len = read(fds[i], data, sizeof(data));
            if (len <= 0)
                poll[1 + i].fd = -1;
            else
                buf_add(&bufs[i], data, (size_t)len);
        }
    }
    return 0;
}

static int finish(struct ssh_link *link, int status, int exit_status, struct buf bufs[2])
{
    if (status == -ECANCELED)
        return status;
    if (status < 0)
        return link_fail(link, status,
                         "`ssh -G %s` does not end: look at the Match exec lines of "
                         "your ssh_config",
                         link->target);
    if (bufs[1].len > 0)
        bufs[1].data[strcspn(bufs[1].data, "\r\n")] = '\0';
    if (!WIFEXITED(exit_status) || WEXITSTATUS(exit_status) != 0 || bufs[0].len == 0)
        return link_fail(link, -EINVAL, "`ssh -G %s` failed: %.300s", link->target,
                         bufs[1].len > 0 ? bufs[1].data : "it says nothing");
    return ssh_settings_parse(&link->settings, bufs[0].data, &link->error);
}

static int run(struct ssh_link *link)
{
    int pipes[2][2] = {{-1, -1}, {-1, -1}};
    struct buf bufs[2];
    pid_t pid = 0;
    buf_init(&bufs[0], CONFIG_MAX);
    buf_init(&bufs[1], 1024);
    int status = pipe2(pipes[0], O_CLOEXEC) < 0 || pipe2(pipes[1], O_CLOEXEC) < 0 ? -errno : 0;
    if (status == 0)
        status = start(link, (const int(*)[2])pipes, &pid);
    fd_close(pipes[0][1]);
    fd_close(pipes[1][1]);
    if (status == 0) {
        int exit_status = 0;
        status = collect(link, (const int[2]){pipes[0][0], pipes[1][0]}, bufs);
        if (status < 0)
            kill(pid, SIGKILL);
        while (waitpid(pid, &exit_status, 0) < 0 && errno == EINTR)
            ;
        status = finish(link, status, exit_status, bufs);
    } else if (status != -ENOENT) {
        link_fail(link, status, "cannot run `ssh -G`: %s", strerror(-status));
    }
    fd_close(pipes[0][0]);
    fd_close(pipes[1][0]);
    buf_done(&bufs[0]);
    buf_done(&bufs[1]);
    return status;
}

int link_configure(struct ssh_link *link)
{
    if (link->target[0] == '-' || link->target[0] == '\0')
        return link_fail(link, -EINVAL, "\"%s\" is not a destination: write [user@]host[:port]",
                         link->target);
    int status = run(link);
    if (status == -ENOENT) {
        link_notice(link, "There is no ssh program here: your ssh_config is not read.");
        status = ssh_settings_default(&link->settings, link->target, &link->error);
    }
    if (status < 0)
        return status;
    if (link->settings.proxy[0] != '\0')
        return link_fail(link, -EOPNOTSUPP,
                         "%s is not supported yet, and %s needs it: connect to a host that can be "
                         "reached directly, or run this program on the jump host",
                         link->settings.proxy, link->target);
    if (link->settings.unsupported[0] != '\0')
        link_notice(link, "Set in your ssh_config, without effect here: %s.",
                    link->settings.unsupported);
    return 0;
}
