/* A real sshd for tests: the current user's, on a loopback port, with keys of its own in a
 * directory that goes away with it. */
#ifndef TESTS_UNIT_SSHD_H
#define TESTS_UNIT_SSHD_H

#include "remote_world.h"

#include <ctype.h>
#include <netinet/in.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/wait.h>

#define SSHD "/usr/sbin/sshd"

extern char **environ;

struct sshd {
    char dir[64];
    int port;
    pid_t pid; /* 0 = not running */
};

/* Runs a program to its end; its output is thrown away. Returns its exit status. */
static inline int run_program(const char *const *argv)
{
    pid_t pid;
    int status;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int failed = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline const char *sshd_path(const struct sshd *sshd, const char *name)
{
    static char paths[8][128]; /* so many may be in use at a time */
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", sshd->dir, name);
    return path;
}

static inline void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    chmod(path, 0600);
}

static inline void read_line_of(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(out, (int)size, file));
    out[strcspn(out, "\n")] = '\0';
    fclose(file);
}

static inline void make_key(const struct sshd *sshd, const char *name, const char *type,
                            const char *passphrase)
{
    const char *argv[] = {"ssh-keygen",          "-q", "-t", type, "-N", passphrase, "-C", "", "-f",
                          sshd_path(sshd, name), NULL};
    assert_int_equal(run_program(argv), 0);
}

/* Below the range that connections are given their own ports from: a client that tries again and
 * again could else be given the very port it tries, meet itself, and keep sshd from coming back. */
static inline int free_port(void)
{
    for (int i = 0; i < 1000; i++) {
        int port = 20000 + (getpid() * 7 + i) % 10000;
        struct sockaddr_in name = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool is_free = bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0;
        close(fd);
        if (is_free)
            return port;
    }
    fail_msg("no free port");
    return 0;
}

static inline bool port_answers(int port)
{
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answers = connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0;
    close(fd);
    return answers;
}

static inline void sshd_start(struct sshd *sshd)
{
    posix_spawn_file_actions_t actions;
    /* It ends with us, however we end. */
    const char *argv[] = {"setpriv", "--pdeathsig", "KILL", SSHD,
                          "-D",      "-e",          "-f",   sshd_path(sshd, "sshd_config"),
                          NULL};
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, sshd_path(sshd, "log"),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_int_equal(
        posix_spawnp(&sshd->pid, argv[0], &actions, NULL, (char *const *)argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < 500 && !port_answers(sshd->port); i++)
        usleep(10000);
    assert_true(port_answers(sshd->port));
}

/* Keys are exchanged anew every 4 MB, so that a bulk transfer meets that several times. Two host
 * keys, one key that is let in ("key") and one that is not ("wrong"). */
static inline void sshd_init(struct sshd *sshd)
{
    char text[1024], line[512];
    *sshd = (struct sshd){0};
    snprintf(sshd->dir, sizeof(sshd->dir), "/tmp/hemma-test-XXXXXX");
    assert_non_null(mkdtemp(sshd->dir));
    if (geteuid() == 0)
        mkdir("/run/sshd", 0755);
    make_key(sshd, "host_ed25519", "ed25519", "");
    make_key(sshd, "host_ecdsa", "ecdsa", "");
    make_key(sshd, "key", "ed25519", "");
    make_key(sshd, "locked", "ed25519", "open sesame");
    make_key(sshd, "wrong", "ed25519", "");
    read_line_of(sshd_path(sshd, "key.pub"), line, sizeof(line));
    snprintf(text, sizeof(text), "%s\n", line);
    read_line_of(sshd_path(sshd, "locked.pub"), line, sizeof(line));
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n", line);
    write_file(sshd_path(sshd, "authorized_keys"), text);
    sshd->port = free_port();
    snprintf(
        text, sizeof(text),
        "Port %d\nListenAddress 127.0.0.1\nHostKey %s\nHostKey %s\nAuthorizedKeysFile %s\n"
        "StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\n"
        "AllowTcpForwarding yes\nAllowStreamLocalForwarding yes\nPrintMotd no\nRekeyLimit 4M\n",
        sshd->port, sshd_path(sshd, "host_ed25519"), sshd_path(sshd, "host_ecdsa"),
        sshd_path(sshd, "authorized_keys"));
    write_file(sshd_path(sshd, "sshd_config"), text);
}

/* An ssh_config with one host "test"; `more` are further lines. */
static inline void sshd_client(const struct sshd *sshd, const char *key, const char *strict,
                               const char *more)
{
    char text[1024];
    snprintf(text, sizeof(text),
             "Host test\n HostName 127.0.0.1\n Port %d\n User %s\n IdentityFile %s\n"
             " IdentitiesOnly yes\n UserKnownHostsFile %s\n GlobalKnownHostsFile /dev/null\n"
             " StrictHostKeyChecking %s\n%s\n",
             sshd->port, getpwuid(getuid())->pw_name, sshd_path(sshd, key),
             sshd_path(sshd, "known_hosts"), strict, more);
    write_file(sshd_path(sshd, "config"), text);
}

/* Makes known_hosts know the host by that public key; NULL: not at all. */
static inline void sshd_known(const struct sshd *sshd, const char *key)
{
    char text[1024], line[512];
    if (key == NULL) {
        unlink(sshd_path(sshd, "known_hosts"));
        return;
    }
    read_line_of(sshd_path(sshd, key), line, sizeof(line));
    snprintf(text, sizeof(text), "# one line before\n[127.0.0.1]:%d %s\n", sshd->port, line);
    write_file(sshd_path(sshd, "known_hosts"), text);
}

/* Appends all processes that descend from `pid`, parents first. */
static inline int find_below(pid_t pid, pid_t *found, int count, int max)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL && count < max) {
        char path[300], text[512] = "";
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
        FILE *file = fopen(path, "re");
        if (file == NULL)
            continue;
        size_t len = fread(text, 1, sizeof(text) - 1, file);
        fclose(file);
        text[len] = '\0';
        const char *after = strrchr(text, ')');
        int parent = 0;
        if (after == NULL || sscanf(after + 1, " %*c %d", &parent) != 1 || parent != pid)
            continue;
        pid_t child = (pid_t)strtol(entry->d_name, NULL, 10);
        found[count++] = child;
        count = find_below(child, found, count, max);
    }
    if (dir != NULL)
        closedir(dir);
    return count;
}

/* Parents first: so no sshd tells of the end of its command. */
static inline void signal_below(pid_t pid, int number)
{
    pid_t found[256];
    int count = find_below(pid, found, 0, 256);
    for (int i = 0; i < count; i++)
        kill(found[i], number);
}

/* With its sessions. */
static inline void sshd_kill(struct sshd *sshd)
{
    if (sshd->pid == 0)
        return;
    pid_t found[256];
    int count = find_below(sshd->pid, found, 0, 256);
    kill(sshd->pid, SIGKILL);
    for (int i = 0; i < count; i++)
        kill(found[i], SIGKILL);
    waitpid(sshd->pid, NULL, 0);
    sshd->pid = 0;
}

static inline void sshd_done(struct sshd *sshd)
{
    sshd_kill(sshd);
    const char *argv[] = {"rm", "-rf", sshd->dir, NULL};
    run_program(argv);
}

#endif
