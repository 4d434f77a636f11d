#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote/rundir.h"

static char top[64], base[80];

static int setup(void **state)
{
    (void)state;
    snprintf(top, sizeof(top), "/tmp/hemma-test-XXXXXX");
    if (mkdtemp(top) == NULL)
        return -1;
    snprintf(base, sizeof(base), "%s/b", top);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rmdir(base);
    return rmdir(top); /* fails when something was left behind */
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static void test_made_and_removed(void **state)
{
    struct rundir rundir;
    struct stat st;
    char path[sizeof(rundir.path)], file[128];
    (void)state;
    assert_int_equal(rundir_init_in(&rundir, base, NULL), 0);
    memcpy(path, rundir.path, sizeof(path));
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0700);
    snprintf(file, sizeof(file), "%s/1", path);
    close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    rundir_done(&rundir);
    assert_false(exists(path));
    rundir_done(&rundir); /* twice does no harm */
}

/* What a killed process leaves: its directory, and a lock that nobody holds. */
static void make_dead(const char *name, bool lock)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", base, name);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/%s/1", base, name);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    snprintf(path, sizeof(path), "%s/%s/lock", base, name);
    if (lock)
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static void test_stale(void **state)
{
    struct rundir first, second;
    char path[160];
    (void)state;
    assert_int_equal(rundir_init_in(&first, base, NULL), 0);
    make_dead("11-dead", true);
    make_dead("12-dead", false);
    assert_int_equal(rundir_init_in(&second, base, NULL), 0);
    snprintf(path, sizeof(path), "%s/11-dead", base);
    assert_false(exists(path));
    snprintf(path, sizeof(path), "%s/12-dead", base);
    assert_false(exists(path));
    assert_true(exists(first.path)); /* its lock is held */
    assert_true(exists(second.path));
    rundir_done(&first);
    assert_true(exists(second.path));
    rundir_done(&second);
}

/* A link among the stale ones leads nowhere. */
static void test_link_is_not_followed(void **state)
{
    struct rundir rundir;
    char victim[96], file[128], link[128];
    (void)state;
    snprintf(victim, sizeof(victim), "%s/victim", top);
    snprintf(file, sizeof(file), "%s/precious", victim);
    assert_int_equal(mkdir(base, 0700), 0);
    assert_int_equal(mkdir(victim, 0700), 0);
    close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    snprintf(link, sizeof(link), "%s/11-link", base);
    assert_int_equal(symlink(victim, link), 0);
    assert_int_equal(rundir_init_in(&rundir, base, NULL), 0);
    assert_true(exists(file));
    rundir_done(&rundir);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(victim), 0);
}

static void refused(void)
{
    struct rundir rundir;
    struct error error = {0};
    assert_int_not_equal(rundir_init_in(&rundir, base, &error), 0);
    assert_non_null(strstr(error.text, "cannot be trusted"));
    assert_string_equal(rundir.path, "");
}

/* Somebody else was there first: a link, a file, a directory that is open to others. */
static void test_bad_base(void **state)
{
    (void)state;
    assert_int_equal(symlink("/tmp", base), 0);
    refused();
    assert_int_equal(unlink(base), 0);
    close(open(base, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    refused();
    assert_int_equal(unlink(base), 0);
    assert_int_equal(mkdir(base, 0700), 0);
    assert_int_equal(chmod(base, 0755), 0);
    refused();
    if (geteuid() == 0) {
        assert_int_equal(chmod(base, 0700), 0);
        assert_int_equal(chown(base, 65534, 65534), 0);
        refused();
    }
}

static void *start_and_stop(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        struct rundir rundir;
        if (rundir_init_in(&rundir, base, NULL) != 0 || !exists(rundir.path))
            return (void *)1;
        if (!exists(rundir.path))
            return (void *)1;
        rundir_done(&rundir);
    }
    return NULL;
}

/* None removes what another has just begun to make. */
static void test_starts_at_once(void **state)
{
    pthread_t threads[4];
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, start_and_stop, NULL), 0);
    for (int i = 0; i < 4; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

/* A start that was stopped while it held the base does not stop the others. */
static void test_base_held(void **state)
{
    struct rundir rundir;
    (void)state;
    assert_int_equal(mkdir(base, 0700), 0);
    int fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(rundir_init_in(&rundir, base, NULL), 0);
    assert_true(exists(rundir.path));
    close(fd);
    rundir_done(&rundir);
}

static void test_xdg(void **state)
{
    struct rundir rundir;
    char expected[96], sub[160];
    (void)state;
    setenv("XDG_RUNTIME_DIR", top, 1);
    snprintf(expected, sizeof(expected), "%s/hemma-top/", top);
    assert_int_equal(rundir_init(&rundir, NULL), 0);
    assert_int_equal(strncmp(rundir.path, expected, strlen(expected)), 0);
    rundir_done(&rundir);
    expected[strlen(expected) - 1] = '\0';
    assert_int_equal(rmdir(expected), 0);
    /* Too long for a socket's name: the other place. */
    snprintf(sub, sizeof(sub), "%s/%050d", top, 0);
    setenv("XDG_RUNTIME_DIR", sub, 1);
    snprintf(expected, sizeof(expected), "/tmp/hemma-top-%lu/", (unsigned long)geteuid());
    assert_int_equal(rundir_init(&rundir, NULL), 0);
    assert_int_equal(strncmp(rundir.path, expected, strlen(expected)), 0);
    rundir_done(&rundir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_made_and_removed),
        TEST(test_stale),
        TEST(test_link_is_not_followed),
        TEST(test_bad_base),
        TEST(test_starts_at_once),
        TEST(test_base_held),
        TEST(test_xdg),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
