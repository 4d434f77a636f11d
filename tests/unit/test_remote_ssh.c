/* The SSH transport against OpenSSH's own sshd. */
#include "sshd.h"

#include <sys/un.h>

static struct sshd sshd;
static struct world world;
static int fds_before, threads_before;
static pid_t agent; /* of the test that runs, 0 = none */

/* Deadlines are five times the targets: the machine may be busy. */
#define SOON 5000

static int group_setup(void **state)
{
    (void)state;
    const char *lab = getenv("HEMMA_LAB");
    if (access(SSHD, X_OK) < 0 && lab != NULL && strcmp(lab, "required") == 0) {
        fprintf(stderr, "%s is missing, and HEMMA_LAB=required\n", SSHD);
        return -1;
    }
    unsetenv("SSH_AUTH_SOCK");
    /* libuv opens some descriptors once for all. */
    world_init(&world);
    world_done(&world);
    if (access(SSHD, X_OK) == 0) {
        sshd_init(&sshd);
        setenv("XDG_RUNTIME_DIR", sshd.dir, 1);
        sshd_start(&sshd);
    }
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    if (sshd.dir[0] != '\0')
        sshd_done(&sshd);
    return 0;
}

static void *no_work(void *arg)
{
    return arg;
}

static int setup(void **state)
{
    (void)state;
    if (sshd.dir[0] == '\0')
        return 0;
    if (sshd.pid == 0)
        sshd_start(&sshd);
    sshd_known(&sshd, "host_ed25519.pub");
    sshd_client(&sshd, "key", "yes", "");
    fds_before = count_entries("/proc/self/fd");
    /* The first thread ever brings ThreadSanitizer's own with it. */
    pthread_t first;
    assert_int_equal(pthread_create(&first, NULL, no_work, NULL), 0);
    pthread_join(first, NULL);
    threads_before = count_entries("/proc/self/task");
    world_init(&world);
    return 0;
}

/* Nothing is left: no descriptor, no thread, no file in the runtime directory; and remote_free()
 * is quick in every state. */
static int teardown(void **state)
{
    (void)state;
    if (sshd.dir[0] == '\0')
        return 0;
    /* It is setgid, so no death signal of ours reaches it. */
    if (agent > 0) {
        kill(agent, SIGKILL);
        waitpid(agent, NULL, 0);
        agent = 0;
    }
    int64_t took = world_done(&world);
    if (took > 1000) {
        fprintf(stderr, "remote_free() took %d ms\n", (int)took);
        return -1;
    }
    int fds = count_entries("/proc/self/fd"), threads = count_entries("/proc/self/task");
    int left = count_entries(sshd_path(&sshd, "hemma-top"));
    /* One that resolves a name goes by itself. */
    for (int i = 0; i < 100 && threads > threads_before; i++) {
        usleep(10000);
        threads = count_entries("/proc/self/task");
    }
    if (fds != fds_before || threads != threads_before || left != 2) {
        fprintf(stderr, "left behind: %d descriptors, %d threads, %d directories\n",
                fds - fds_before, threads - threads_before, left - 2);
        return -1;
    }
    return 0;
}

static void start(const char *target, bool batch)
{
    if (sshd.dir[0] == '\0')
        skip();
    struct error error = {0};
    struct remote_options options = {
        .target = target, .ssh_config = sshd_path(&sshd, "config"), .batch = batch};
    world.remote = remote_ssh_new(&world.loop, &options, &world_events, &world, &error);
    if (world.remote == NULL)
        fail_msg("%s", error.text);
}

static void wait_state(enum remote_state expected)
{
    world_until(&world, world.status.state == expected, SOON);
}

static void start_up(void)
{
    start("test", true);
    wait_state(REMOTE_UP);
}

static void expect_text(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void fingerprint_of(const char *key, char *out, size_t size)
{
    char command[256];
    const char *argv[] = {"sh", "-c", command, NULL};
    snprintf(command, sizeof(command), "ssh-keygen -lf %s | cut -d' ' -f2 > %s",
             sshd_path(&sshd, key), sshd_path(&sshd, "print"));
    assert_int_equal(run_program(argv), 0);
    read_line_of(sshd_path(&sshd, "print"), out, size);
}

/* ---- reaching the host ---- */

static void test_connect(void **state)
{
    char address[128];
    (void)state;
    start_up();
    snprintf(address, sizeof(address), "%s@127.0.0.1:%d", getpwuid(getuid())->pw_name, sshd.port);
    assert_string_equal(world.status.address, address);
    assert_string_equal(world.status.transport, "ssh");
    assert_int_equal(world.status.error.code, 0);
    world_until(&world, world.status.rtt_ms >= 0, SOON);
    assert_true(world.status.rtt_ms < 1000);
    assert_true(world.status.rx_bytes > 1000 && world.status.tx_bytes > 1000);
    uint64_t before = world.status.rx_bytes;
    world_until(&world, world.status.rx_bytes > before, SOON); /* it is measured all the time */
    assert_int_equal(world.asked, 0);
}

static void test_unknown_key_asks(void **state)
{
    char print[128];
    (void)state;
    sshd_known(&sshd, NULL);
    sshd_client(&sshd, "key", "ask", "");
    start("test", false);
    world_until(&world, world.asked == 1, SOON);
    assert_int_equal(world.question.kind, QUESTION_HOST_KEY);
    fingerprint_of("host_ed25519.pub", print, sizeof(print));
    expect_text(world.question.detail, print);
    expect_text(world.question.detail, "ssh-ed25519");
    remote_answer(world.remote, "yes");
    wait_state(REMOTE_UP);
    /* It was recorded: the next one does not ask. */
    remote_free(world.remote);
    start("test", true);
    world.status.state = REMOTE_CONNECTING;
    wait_state(REMOTE_UP);
    assert_int_equal(world.asked, 1);
}

static void test_unknown_key_declined(void **state)
{
    (void)state;
    sshd_known(&sshd, NULL);
    sshd_client(&sshd, "key", "ask", "");
    world.answer = "no";
    start("test", false);
    wait_state(REMOTE_STOPPED);
    expect_text(world.status.error.text, "was not accepted");
    world.answer = "yes";
    remote_retry(world.remote);
    wait_state(REMOTE_UP);
    assert_int_equal(world.asked, 2);
}

static void test_unknown_key_policies(void **state)
{
    (void)state;
    sshd_known(&sshd, NULL);
    start("test", false); /* StrictHostKeyChecking yes */
    wait_state(REMOTE_STOPPED);
    expect_text(world.status.error.text, "StrictHostKeyChecking");
    sshd_client(&sshd, "key", "accept-new", "");
    remote_retry(world.remote); /* reads the ssh_config again */
    wait_state(REMOTE_UP);
    assert_int_equal(world.asked, 0);
    assert_int_equal(access(sshd_path(&sshd, "known_hosts"), R_OK), 0);
}

static void test_changed_key(void **state)
{
    char now[128], before[128], place[160];
    (void)state;
    sshd_known(&sshd, "wrong.pub");
    sshd_client(&sshd, "key", "no", ""); /* even then */
    start("test", false);
    wait_state(REMOTE_STOPPED);
    fingerprint_of("host_ed25519.pub", now, sizeof(now));
    fingerprint_of("wrong.pub", before, sizeof(before));
    snprintf(place, sizeof(place), "%s:2", sshd_path(&sshd, "known_hosts"));
    expect_text(world.status.error.text, "HAS CHANGED");
    expect_text(world.status.error.text, now);
    expect_text(world.status.error.text, before);
    expect_text(world.status.error.text, place);
    expect_text(world.status.error.text, "ssh-keygen");
    assert_int_equal(world.asked, 0);
}

/* The server has two keys; the one that is known is asked for. */
static void test_known_type_is_preferred(void **state)
{
    (void)state;
    sshd_known(&sshd, "host_ecdsa.pub");
    start_up();
}

static void test_host_key_alias(void **state)
{
    char line[512], text[600];
    (void)state;
    if (sshd.dir[0] == '\0')
        skip();
    read_line_of(sshd_path(&sshd, "host_ed25519.pub"), line, sizeof(line));
    snprintf(text, sizeof(text), "the-alias %s\n", line);
    write_file(sshd_path(&sshd, "known_hosts"), text);
    sshd_client(&sshd, "key", "yes", " HostKeyAlias the-alias\n");
    start_up();
}

static void test_wrong_key(void **state)
{
    (void)state;
    sshd_client(&sshd, "wrong", "yes", "");
    start("test", false);
    wait_state(REMOTE_STOPPED);
    assert_int_equal(world.status.error.code, -EACCES);
    expect_text(world.status.error.text, "tried wrong");
    expect_text(world.status.error.text, "publickey");
    expect_text(world.status.error.text, "authorized_keys");
}

static void test_no_key(void **state)
{
    (void)state;
    sshd_client(&sshd, "no-such-key", "yes", "");
    start("test", false);
    wait_state(REMOTE_STOPPED);
    expect_text(world.status.error.text, "tried nothing");
}

static void test_passphrase(void **state)
{
    (void)state;
    sshd_client(&sshd, "locked", "yes", "");
    start("test", false);
    world_until(&world, world.asked == 1, SOON);
    assert_int_equal(world.question.kind, QUESTION_SECRET);
    expect_text(world.question.title, sshd_path(&sshd, "locked"));
    remote_answer(world.remote, "wrong");
    world_until(&world, world.asked == 2, SOON);
    expect_text(world.question.detail, "Wrong passphrase");
    remote_answer(world.remote, "open sesame");
    wait_state(REMOTE_UP);
}

static void test_passphrase_batch(void **state)
{
    (void)state;
    sshd_client(&sshd, "locked", "yes", "");
    start("test", true);
    wait_state(REMOTE_STOPPED);
    expect_text(world.status.error.text, "passphrase is needed");
    assert_int_equal(world.asked, 0);
}

/* An agent with two keys, of which the second is let in. */
static void start_agent(const char *socket)
{
    const char *argv[] = {"ssh-agent", "-D", "-a", socket, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    assert_int_equal(posix_spawnp(&agent, argv[0], &actions, NULL, (char *const *)argv, environ),
                     0);
    posix_spawn_file_actions_destroy(&actions);
    setenv("SSH_AUTH_SOCK", socket, 1);
    /* The socket is there a moment before the agent listens on it; 2 is "no agent". */
    const char *list[] = {"ssh-add", "-q", "-l", NULL};
    for (int i = 0; i < 300 && run_program(list) == 2; i++)
        usleep(10000);
    const char *wrong[] = {"ssh-add", "-q", sshd_path(&sshd, "wrong"), NULL};
    const char *right[] = {"ssh-add", "-q", sshd_path(&sshd, "key"), NULL};
    assert_int_equal(run_program(wrong), 0);
    assert_int_equal(run_program(right), 0);
    unsetenv("SSH_AUTH_SOCK");
}

static void test_agent(void **state)
{
    char more[256];
    (void)state;
    if (sshd.dir[0] == '\0')
        skip();
    start_agent(sshd_path(&sshd, "agent"));
    snprintf(more, sizeof(more), " IdentityAgent %s\n IdentitiesOnly no\n",
             sshd_path(&sshd, "agent"));
    /* The first value wins, so IdentitiesOnly stays on: the key that is configured is none. */
    sshd_client(&sshd, "no-such-key", "yes", more);
    start("test", true);
    wait_state(REMOTE_STOPPED);
    expect_text(world.status.error.text, "the agent (0 keys)");
    /* The configured key by the agent; its file is not readable. */
    const char *copy[] = {"cp", sshd_path(&sshd, "key.pub"), sshd_path(&sshd, "other.pub"), NULL};
    assert_int_equal(run_program(copy), 0);
    sshd_client(&sshd, "other", "yes", more);
    remote_retry(world.remote);
    wait_state(REMOTE_UP);
}

static void test_agent_all_keys(void **state)
{
    char text[512];
    (void)state;
    if (sshd.dir[0] == '\0')
        skip();
    start_agent(sshd_path(&sshd, "agent2"));
    snprintf(text, sizeof(text),
             "Host test\n HostName 127.0.0.1\n Port %d\n IdentityAgent %s\n IdentityFile %s\n"
             " UserKnownHostsFile %s\n",
             sshd.port, sshd_path(&sshd, "agent2"), sshd_path(&sshd, "no-such-key"),
             sshd_path(&sshd, "known_hosts"));
    write_file(sshd_path(&sshd, "config"), text);
    start_up();
}

/* ---- errors are sentences ---- */

static void expect_lost(const char *hostname, int port, int code, const char *part)
{
    char text[256];
    snprintf(text, sizeof(text), "Host test\n HostName %s\n Port %d\n ConnectTimeout 1\n", hostname,
             port);
    if (sshd.dir[0] == '\0')
        skip();
    write_file(sshd_path(&sshd, "config"), text);
    start("test", true);
    wait_state(REMOTE_LOST);
    assert_int_equal(world.status.error.code, code);
    expect_text(world.status.error.text, hostname);
    expect_text(world.status.error.text, part);
    assert_true(world.status.attempts >= 1);
    /* What is opened now fails in the next turn. */
    struct stream *stream = world_exec(&world, "true");
    assert_false(stream->ended);
    world_until(&world, stream->ended, SOON);
    assert_int_equal(stream->end.error.code, -ENOTCONN);
}

static void test_refused(void **state)
{
    (void)state;
    expect_lost("127.0.0.1", free_port(), -ECONNREFUSED, "refuses connections on port");
    world_until(&world, world.status.attempts >= 3, SOON); /* it goes on trying */
}

static void test_unknown_name(void **state)
{
    (void)state;
    expect_lost("no-such-host.invalid", 22, -EHOSTUNREACH, "is unknown");
}

/* Accepts and says nothing, or says what no SSH server says. */
static int listen_silent(int *ret_port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    *ret_port = ntohs(name.sin_port);
    return fd;
}

static void test_silent_server(void **state)
{
    int port;
    (void)state;
    int fd = listen_silent(&port);
    expect_lost("127.0.0.1", port, -ETIMEDOUT, "does not speak SSH");
    close(fd);
}

static void test_not_ssh(void **state)
{
    int port, peer = -1;
    char text[256];
    (void)state;
    if (sshd.dir[0] == '\0')
        skip();
    int fd = listen_silent(&port);
    snprintf(text, sizeof(text), "Host test\n HostName 127.0.0.1\n Port %d\n", port);
    write_file(sshd_path(&sshd, "config"), text);
    start("test", true);
    world_until(&world, (peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) >= 0, SOON);
    assert_int_equal(write(peer, "HTTP/1.1 400 Bad Request\r\n\r\n", 28), 28);
    close(peer);
    wait_state(REMOTE_LOST);
    expect_text(world.status.error.text, "is no SSH server");
    close(fd);
}

static void test_no_destination(void **state)
{
    (void)state;
    start("-oProxyCommand=false", true);
    wait_state(REMOTE_STOPPED);
    expect_text(world.status.error.text, "is not a destination");
}

static void test_proxy_jump(void **state)
{
    (void)state;
    sshd_client(&sshd, "key", "yes", " ProxyJump gate\n ControlMaster auto\n");
    start("test", true);
    wait_state(REMOTE_STOPPED);
    expect_text(world.status.error.text, "ProxyJump is not supported yet");
}

static void test_notices(void **state)
{
    (void)state;
    sshd_client(&sshd, "key", "yes", " ControlMaster auto\n CertificateFile /c\n");
    start_up();
    expect_text(world.notices, "ControlMaster, CertificateFile");
}

/* ---- channels ---- */

static void test_exec(void **state)
{
    (void)state;
    start_up();
    struct stream *stream = world_exec(&world, "cat; echo err >&2; exit 7");
    assert_int_equal(write(stream->fd, "in", 2), 2);
    shutdown(stream->fd, SHUT_WR);
    world_until(&world, stream->ended && stream->eof, SOON);
    assert_true(stream->opened);
    assert_string_equal(stream_text(&stream->in), "in");
    assert_string_equal(stream_text(&stream->errors), "err\n");
    assert_int_equal(stream->end.error.code, 0);
    assert_int_equal(stream->end.exit_status, 7);
    struct stream *killed = world_exec(&world, "kill -TERM $$");
    world_until(&world, killed->ended, SOON);
    assert_int_equal(killed->end.exit_status, -1);
    assert_string_equal(killed->end.signal, "TERM");
}

/* Requests made before the link is up are served as soon as it is. */
static void test_early_requests(void **state)
{
    (void)state;
    start("test", true);
    struct stream *first = world_exec(&world, "echo one");
    struct stream *second = world_exec(&world, "echo two");
    struct stream *cancelled = world_exec(&world, "echo three");
    channel_cancel(cancelled->channel);
    world_until(&world, first->ended && second->ended, SOON);
    assert_string_equal(stream_text(&first->in), "one\n");
    assert_string_equal(stream_text(&second->in), "two\n");
    assert_false(cancelled->ended || cancelled->opened);
}

static void pump_both_ways(struct stream *stream, const char *data, size_t size)
{
    size_t sent = 0;
    int64_t deadline = clock_mono_ms() + 60000;
    while ((!stream->ended || !stream->eof) && clock_mono_ms() < deadline) {
        ssize_t len = sent < size ? send(stream->fd, data + sent, size - sent, MSG_DONTWAIT) : 0;
        if (len > 0 && (sent += (size_t)len) == size)
            shutdown(stream->fd, SHUT_WR);
        world_turn(&world);
    }
    assert_true(stream->ended && stream->eof);
}

static void test_bulk(void **state)
{
    enum { SIZE = 20 << 20 };
    (void)state;
    start_up();
    char *data = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        data[i] = (char)(i * 31 + i / 997);
    int64_t before = clock_mono_ms();
    struct stream *stream = world_exec(&world, "cat");
    pump_both_ways(stream, data, SIZE);
    printf("20 MB there and back: %d ms\n", (int)(clock_mono_ms() - before));
    assert_int_equal(stream->in.len, SIZE);
    assert_memory_equal(stream->in.data, data, SIZE);
    free(data);
}

/* A reader that does not read holds up its own channel alone. */
static void test_slow_reader(void **state)
{
    (void)state;
    start_up();
    struct stream *slow = world_exec(&world, "head -c 30000000 /dev/zero");
    int fd = slow->fd;
    slow->fd = -1;
    world_until(&world, slow->opened, SOON);
    for (int i = 0; i < 20; i++) {
        struct stream *quick = world_exec(&world, "echo quick");
        world_until(&world, quick->ended && quick->eof, SOON);
        assert_string_equal(stream_text(&quick->in), "quick\n");
    }
    assert_false(slow->ended);
    slow->fd = fd;
    world_until(&world, slow->ended && slow->eof, 30000);
    assert_int_equal(slow->in.len, 30000000);
    assert_int_equal(slow->end.exit_status, 0);
}

/* More than sshd's MaxSessions allows: the rest waits. */
static void test_many_execs(void **state)
{
    int done = 0;
    (void)state;
    start_up();
    for (int i = 0; i < 24; i++) {
        char command[64];
        snprintf(command, sizeof(command), "sleep 0.05; echo %d", i);
        world_exec(&world, command);
    }
    int64_t deadline = clock_mono_ms() + 30000;
    while (done < 24 && clock_mono_ms() < deadline) {
        world_turn(&world);
        done = 0;
        for (int i = 0; i < 24; i++)
            done += world.streams[i].ended && world.streams[i].eof;
    }
    assert_int_equal(done, 24);
    for (int i = 0; i < 24; i++) {
        assert_int_equal(world.streams[i].end.error.code, 0);
        assert_int_equal(world.streams[i].end.exit_status, 0);
        assert_int_equal(strtol(stream_text(&world.streams[i].in), NULL, 10), i);
    }
}

/* A cancelled command's place becomes free. */
static void test_cancel_frees_place(void **state)
{
    (void)state;
    start_up();
    for (int round = 0; round < 3; round++) {
        struct stream *streams[8];
        for (int i = 0; i < 8; i++)
            streams[i] = world_exec(&world, "cat");
        for (int i = 0; i < 8; i++)
            world_until(&world, streams[i]->opened, SOON);
        for (int i = 0; i < 8; i++)
            channel_cancel(streams[i]->channel);
    }
    struct stream *last = world_exec(&world, "echo last");
    world_until(&world, last->ended && last->eof, SOON);
    assert_string_equal(stream_text(&last->in), "last\n");
}

/* The test's end is closed: the command's channel is, too, and its input ends. */
static void test_hang_up(void **state)
{
    (void)state;
    start_up();
    struct stream *stream = world_exec(&world, "cat >/dev/null; echo $$");
    world_until(&world, stream->opened, SOON);
    stream_hang_up(stream);
    world_until(&world, stream->ended, SOON);
}

static int listen_unix(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    unlink(path);
    memcpy(name.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

/* We end first; the server sees that, and answers after it. */
static void half_close(struct stream *stream, int listener)
{
    struct stream *server = stream_make(&world);
    assert_int_equal(write(stream->fd, "ask", 3), 3);
    shutdown(stream->fd, SHUT_WR);
    world_until(&world, (server->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0, SOON);
    world_until(&world, server->eof, SOON);
    assert_string_equal(stream_text(&server->in), "ask");
    assert_false(stream->eof);
    assert_int_equal(write(server->fd, "answer", 6), 6);
    stream_hang_up(server);
    world_until(&world, stream->eof, SOON);
    assert_string_equal(stream_text(&stream->in), "answer");
}

static void test_tcp(void **state)
{
    int port;
    char address[64];
    (void)state;
    start_up();
    int listener = listen_silent(&port);
    snprintf(address, sizeof(address), "tcp:127.0.0.1:%d", port);
    struct stream *stream = world_stream(&world, address);
    half_close(stream, listener);
    world_until(&world, stream->ended, SOON);
    assert_int_equal(stream->end.error.code, 0);
    close(listener);
    struct stream *refused = world_stream(&world, address);
    world_until(&world, refused->ended && refused->eof, SOON);
    assert_false(refused->opened);
    assert_int_equal(refused->end.error.code, -ECONNREFUSED);
    expect_text(refused->end.error.text, "Connection refused");
}

static void test_unix(void **state)
{
    char address[160];
    (void)state;
    start_up();
    const char *path = sshd_path(&sshd, "service");
    int listener = listen_unix(path);
    snprintf(address, sizeof(address), "unix:%s", path);
    struct stream *stream = world_stream(&world, address);
    half_close(stream, listener);
    world_until(&world, stream->ended, SOON);
    close(listener);
    struct stream *missing = world_stream(&world, "unix:/no/such/socket");
    world_until(&world, missing->ended, SOON);
    assert_int_equal(missing->end.error.code, -ECONNREFUSED);
    expect_text(missing->end.error.text, "/no/such/socket");
    expect_text(missing->end.error.text, "AllowStreamLocalForwarding");
}

static int connect_unix(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0 ? fd : -1;
}

static void test_forward(void **state)
{
    char address[160];
    struct error error = {0};
    (void)state;
    start("test", true); /* made before the link is up */
    const char *path = sshd_path(&sshd, "service");
    int listener = listen_unix(path);
    snprintf(address, sizeof(address), "unix:%s", path);
    struct forward *forward = forward_new(world.remote, address, &error);
    if (forward == NULL)
        fail_msg("%s", error.text);
    struct stream *stream = stream_make(&world);
    stream->fd = connect_unix(forward_path(forward));
    assert_true(stream->fd >= 0);
    half_close(stream, listener);
    assert_int_equal(forward_error(forward)->code, 0);
    close(listener);
    /* The service is gone: the connection ends, and the reason can be told. */
    struct stream *failed = stream_make(&world);
    failed->fd = connect_unix(forward_path(forward));
    world_until(&world, failed->eof && forward_error(forward)->code < 0, SOON);
    assert_int_equal(forward_error(forward)->code, -ECONNREFUSED);
    assert_int_equal(forward_refused(forward), 0);
    forward_free(forward);
}

/* ---- the link goes and comes ---- */

static void test_killed_and_regained(void **state)
{
    (void)state;
    start_up();
    struct forward *forward = forward_new(world.remote, "exec:cat", NULL);
    struct stream *stream = world_exec(&world, "cat");
    world_until(&world, stream->opened, SOON);
    int64_t killed = clock_mono_ms();
    sshd_kill(&sshd);
    world_until(&world, world.status.state == REMOTE_LOST, 30000);
    printf("killed to lost: %d ms\n", (int)(world.lost_at - killed));
    assert_true(stream->ended);
    assert_int_equal(world.open_at_lost, 0);
    assert_int_equal(stream->end.error.code, -ECONNRESET);
    world_until(&world, stream->eof, SOON);
    world_until(&world, world.status.attempts >= 2 && world.status.retry_at > 0, SOON);
    assert_true(world.status.retry_at <= clock_wall_ms() + 3000);
    sshd_start(&sshd);
    int64_t back = clock_mono_ms();
    world_until(&world, world.status.state == REMOTE_UP, 25000);
    printf("back to up: %d ms\n", (int)(clock_mono_ms() - back));
    assert_int_equal(world.status.attempts, 0);
    assert_int_equal(world.status.error.code, 0);
    /* Channels and forwards work again. */
    struct stream *again = world_exec(&world, "echo again");
    world_until(&world, again->ended && again->eof, SOON);
    assert_string_equal(stream_text(&again->in), "again\n");
    struct stream *carried = stream_make(&world);
    carried->fd = connect_unix(forward_path(forward));
    assert_int_equal(write(carried->fd, "x", 1), 1);
    world_until(&world, carried->in.len == 1, SOON);
}

/* A peer that is there but does not answer. */
static void test_silent_peer(void **state)
{
    (void)state;
    start_up();
    world_until(&world, world.status.rtt_ms >= 0, SOON);
    int64_t stopped = clock_mono_ms();
    signal_below(sshd.pid, SIGSTOP);
    world_until(&world, world.status.state == REMOTE_LOST, 30000);
    printf("silent to lost: %d ms\n", (int)(world.lost_at - stopped));
    expect_text(world.status.error.text, "is silent");
    signal_below(sshd.pid, SIGCONT);
    wait_state(REMOTE_UP);
}

static void test_retry_now(void **state)
{
    (void)state;
    start_up();
    sshd_kill(&sshd);
    world_until(&world, world.status.attempts >= 5, 30000);
    sshd_start(&sshd);
    int64_t before = clock_mono_ms();
    remote_retry(world.remote);
    wait_state(REMOTE_UP);
    printf("retry to up: %d ms\n", (int)(clock_mono_ms() - before));
}

/* The server goes while a question is open. */
static void test_lost_while_asked(void **state)
{
    (void)state;
    sshd_client(&sshd, "locked", "yes", "");
    start("test", false);
    world_until(&world, world.asked == 1, SOON);
    sshd_kill(&sshd);
    wait_state(REMOTE_LOST);
    expect_text(world.status.error.text, "while a question was open");
    remote_answer(world.remote, "open sesame"); /* too late: not kept for the next question */
    sshd_start(&sshd);
    world_until(&world, world.asked == 2, 25000);
    remote_answer(world.remote, "open sesame");
    wait_state(REMOTE_UP);
}

/* ---- remote_free() in every state; the teardown measures it ---- */

static void test_free_at_once(void **state)
{
    (void)state;
    start("test", true);
    world_exec(&world, "true");
}

static void test_free_while_connecting(void **state)
{
    int port;
    char text[256];
    (void)state;
    if (sshd.dir[0] == '\0')
        skip();
    int fd = listen_silent(&port);
    snprintf(text, sizeof(text), "Host test\n HostName 127.0.0.1\n Port %d\n", port);
    write_file(sshd_path(&sshd, "config"), text);
    start("test", true);
    int peer = -1;
    world_until(&world, (peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) >= 0, SOON);
    close(peer);
    close(fd);
}

static void test_free_while_asked(void **state)
{
    (void)state;
    sshd_client(&sshd, "locked", "yes", "");
    start("test", false);
    world_until(&world, world.asked == 1, SOON);
}

static void test_free_while_waiting(void **state)
{
    (void)state;
    sshd_kill(&sshd);
    start("test", true);
    world_until(&world, world.status.attempts >= 4 && world.status.retry_at > 0, SOON);
}

/* An agent that never answers: one that waits for a touch. */
static void test_free_while_agent_waits(void **state)
{
    char more[160];
    (void)state;
    if (sshd.dir[0] == '\0')
        skip();
    const char *path = sshd_path(&sshd, "stuck");
    int listener = listen_unix(path), peer = -1;
    snprintf(more, sizeof(more), " IdentityAgent %s\n", path);
    sshd_client(&sshd, "key", "yes", more);
    start("test", true);
    world_until(&world, (peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0, SOON);
    world_until(&world, strstr(world.notices, "Waiting for the SSH agent") != NULL, SOON);
    close(peer);
    close(listener);
}

static void test_free_with_channels(void **state)
{
    (void)state;
    start_up();
    for (int i = 0; i < 12; i++)
        world_exec(&world, "cat /dev/zero");
    world_until(&world, world.streams[0].in.len > 1000000, SOON);
    forward_new(world.remote, "exec:cat", NULL);
}

static void test_free_stalled(void **state)
{
    (void)state;
    start_up();
    struct stream *stream = world_exec(&world, "cat");
    world_until(&world, stream->opened, SOON);
    signal_below(sshd.pid, SIGSTOP);
    /* Until nothing more fits anywhere. */
    char *data = calloc(1, 1 << 20);
    int64_t until = clock_mono_ms() + 500;
    while (clock_mono_ms() < until) {
        send(stream->fd, data, 1 << 20, MSG_DONTWAIT);
        world_turn(&world);
    }
    free(data);
    if (world.status.state != REMOTE_UP)
        fail_msg("%d ms: %s", (int)(world.lost_at - until + 500), world.status.error.text);
    sshd_kill(&sshd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_connect),
        TEST(test_unknown_key_asks),
        TEST(test_unknown_key_declined),
        TEST(test_unknown_key_policies),
        TEST(test_changed_key),
        TEST(test_known_type_is_preferred),
        TEST(test_host_key_alias),
        TEST(test_wrong_key),
        TEST(test_no_key),
        TEST(test_passphrase),
        TEST(test_passphrase_batch),
        TEST(test_agent),
        TEST(test_agent_all_keys),
        TEST(test_refused),
        TEST(test_unknown_name),
        TEST(test_silent_server),
        TEST(test_not_ssh),
        TEST(test_no_destination),
        TEST(test_proxy_jump),
        TEST(test_notices),
        TEST(test_exec),
        TEST(test_early_requests),
        TEST(test_bulk),
        TEST(test_slow_reader),
        TEST(test_many_execs),
        TEST(test_cancel_frees_place),
        TEST(test_hang_up),
        TEST(test_tcp),
        TEST(test_unix),
        TEST(test_forward),
        TEST(test_killed_and_regained),
        TEST(test_silent_peer),
        TEST(test_retry_now),
        TEST(test_lost_while_asked),
        TEST(test_free_at_once),
        TEST(test_free_while_connecting),
        TEST(test_free_while_asked),
        TEST(test_free_while_waiting),
        TEST(test_free_while_agent_waits),
        TEST(test_free_with_channels),
        TEST(test_free_stalled),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER"));
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
