/* collect/host_parse: what recorded and mistreated answers of the host's scripts say. */
#include "tests/unit/fake_engine.h"

#include "collect/host_parse.h"

#define assert_real(a, b) assert_true((a) > (b)-0.001 && (a) < (b) + 0.001)

static void now_of(const char *file, struct host_now *ret)
{
    char *text = read_data(file, NULL);
    host_now_parse(text, ret);
    free(text);
}

static void debian_says_all(void **state)
{
    struct host_now now;
    (void)state;
    now_of("host/debian-now.txt", &now);
    assert_true(now.whole);
    assert_true(now.clock_fine);
    assert_true(now.clock_us > INT64_C(1700000000000000));
    assert_true(now.cpu.known && now.cpu.total > now.cpu.busy && now.cpu.busy > 0);
    assert_int_equal(now.host.memory_bytes, INT64_C(24684084) * 1024);
    assert_true(KNOWN(&now.host, HOST_memory_available_bytes));
    assert_true(KNOWN(&now.host, HOST_swap_used_bytes)); /* none is known to be none */
    assert_int_equal(now.host.swap_bytes, 0);
    assert_true(KNOWN(&now.host, HOST_io_pressure_percent));
    assert_true(KNOWN(&now.host, HOST_uptime_seconds) && now.host.uptime_seconds > 1000);
    assert_true(KNOWN(&now.host, HOST_processes) && now.host.processes > 100);
    assert_int_equal(now.n_nics, 1);
    assert_string_equal(now.nics[0].name, "eth0");
    assert_true(now.nics[0].rx_bytes > now.nics[0].tx_bytes && now.nics[0].tx_bytes > 0);
}

static void busybox_has_whole_seconds_only(void **state)
{
    struct host_now now;
    (void)state;
    now_of("host/busybox-now.txt", &now);
    assert_true(now.whole);
    assert_false(now.clock_fine);
    assert_int_equal(now.clock_us, INT64_C(1795508024) * 1000000);
    assert_real(now.host.load_1m, 2.69);
    assert_real(now.host.load_15m, 1.06);
    assert_int_equal(now.host.processes, 767);
    assert_real(now.host.cpu_pressure_percent, 19.37);
    assert_int_equal(now.host.uptime_seconds, 2633);
}

static void an_old_kernel_leaves_gaps(void **state)
{
    struct host_now now;
    (void)state;
    /* RHEL 6: no MemAvailable, no pressure, no steal; names stick to their numbers. */
    host_now_parse("clock 1500000000.5\n"
                   "stat cpu  100 0 50 800 50\n"
                   "load 0.10 0.20 0.30 2/99 1234\n"
                   "mem MemTotal: 1000 kB\nmem MemFree: 100 kB\nmem Buffers: 50 kB\n"
                   "mem Cached: 200 kB\n"
                   "nic eth0 123456 7 0 0 0 0 0 0 654321 7 0 2 0 0 0 0\n"
                   "end\n",
                   &now);
    assert_int_equal(now.clock_us, INT64_C(1500000000500000));
    assert_int_equal(now.host.memory_available_bytes, 350 * 1024);
    assert_false(KNOWN(&now.host, HOST_swap_bytes));
    assert_false(KNOWN(&now.host, HOST_swap_used_bytes));
    assert_false(KNOWN(&now.host, HOST_cpu_pressure_percent));
    assert_false(KNOWN(&now.host, HOST_uptime_seconds));
    assert_int_equal(now.cpu.total, 1000);
    assert_int_equal(now.cpu.busy, 150);
    assert_int_equal(now.nics[0].tx_bytes, 654321);
    assert_int_equal(now.nics[0].errors, 2);
}

static void garbage_is_unknown(void **state)
{
    static const char *const texts[] = {
        "",
        "\n\n\n",
        "stat cpu\nstat cpu x y z\nload\nload a b c\nmem MemTotal:\nmem MemTotal: -5 kB\nnic\n",
        "stat cpu 1 2\nload 1.0\nuptime x\npsi_cpu full avg10=1\nnic eth0 1 2 3\nclock now\n",
        "mem MemTotal: 99999999999999999999 kB\nclock 99999999999999999999.1\n"
        "stat cpu 99999999999999999999 0 0 0\nuptime -1\nclock -5\nclock 0\n",
        "load 0.1 0.2 0.3 1/2 3", /* cut off: no newline */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct host_now now;
        host_now_parse(texts[i], &now);
        if (now.host.e.known != 0 || now.cpu.known || now.n_nics != 0 || now.clock_us != 0)
            fail_msg("text %zu: known %llx", i, (unsigned long long)now.host.e.known);
        assert_false(now.whole);
    }
}

/* Every prefix of a real answer, and every answer with one byte changed, is survived. */
static void cut_and_bent_answers_are_survived(void **state)
{
    struct host_now now;
    struct host_facts facts;
    struct host_disk *disks = calloc(HOST_DISKS_MAX, sizeof(*disks));
    static const char *const files[] = {"host/debian-now.txt", "host/debian-facts.txt",
                                        "host/debian-disks.txt"};
    bool whole;
    (void)state;
    for (size_t f = 0; f < 3; f++) {
        size_t len;
        char *text = read_data(files[f], &len);
        for (size_t i = 0; i < len; i++) {
            char kept = text[i];
            for (int byte = 0; byte < 256; byte += 51) { /* 0: a cut */
                text[i] = (char)byte;
                char *copy = strdup(text); /* so that a read beyond it is seen */
                host_now_parse(copy, &now);
                host_facts_parse(copy, &facts);
                host_disks_parse(copy, disks, HOST_DISKS_MAX, &whole);
                free(copy);
            }
            text[i] = kept;
        }
        free(text);
    }
    free(disks);
}

static void too_many_interfaces_are_cut(void **state)
{
    struct host_now now;
    struct buf text;
    (void)state;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 500; i++)
        buf_addf(&text, "nic nic%d 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n", i);
    buf_adds(&text, "nic a-name-that-is-longer-than-any-interface 1 2 3 4 5 6 7 8 9 10 11 12\n");
    host_now_parse(text.data, &now);
    assert_int_equal(now.n_nics, HOST_NICS_MAX);
    assert_string_equal(now.nics[HOST_NICS_MAX - 1].name, "nic63");
    buf_done(&text);
}

static void shares_need_two_readings_that_go_forward(void **state)
{
    struct host_cpu none = {0}, first = {true, 100, 1000, 10, 1}, later = {true, 150, 1200, 30, 3};
    struct host host = {0};
    (void)state;
    host_cpu_shares(&none, &first, &host);
    host_cpu_shares(&first, &first, &host);
    host_cpu_shares(&later, &first, &host); /* backwards */
    assert_int_equal(host.e.known, 0);
    host_cpu_shares(&first, &later, &host);
    assert_real(host.cpu_percent, 25);
    assert_real(host.iowait_percent, 10);
    assert_real(host.steal_percent, 1);
    /* The kernel's iowait is known to go backwards by itself: only that is unknown then. */
    struct host again = {0};
    later.iowait = 5;
    host_cpu_shares(&first, &later, &again);
    assert_true(KNOWN(&again, HOST_cpu_percent));
    assert_false(KNOWN(&again, HOST_iowait_percent));
}

static void facts_are_read(void **state)
{
    struct host_facts facts;
    char *text = read_data("host/debian-facts.txt", NULL);
    (void)state;
    host_facts_parse(text, &facts);
    free(text);
    assert_string_equal(facts.host.name, "hemma");
    assert_string_equal(facts.host.os, "Debian GNU/Linux 12 (bookworm)");
    assert_string_equal(facts.host.zone, "+0000");
    assert_int_equal(facts.host.cpus, 2);
    assert_true(KNOWN(&facts.host, HOST_kernel));

    host_facts_parse("NAME='Alpine Linux'\nhostname \nkernel 5.15\ncpus \nzone UTC\n", &facts);
    assert_string_equal(facts.host.os, "Alpine Linux");
    assert_false(KNOWN(&facts.host, HOST_name));
    assert_false(KNOWN(&facts.host, HOST_cpus));
    assert_false(KNOWN(&facts.host, HOST_zone));

    host_facts_parse("PRETTY_NAME=\"A \\\"quoted\\\" \\$ name\"\n", &facts);
    assert_string_equal(facts.host.os, "A \"quoted\" $ name");
}

static void disks_are_read(void **state)
{
    struct host_disk *disks = calloc(HOST_DISKS_MAX, sizeof(*disks));
    bool whole;
    (void)state;
    static const char *const files[] = {"host/debian-disks.txt", "host/busybox-disks.txt"};
    for (size_t i = 0; i < 2; i++) {
        char *text = read_data(files[i], NULL);
        assert_int_equal(host_disks_parse(text, disks, HOST_DISKS_MAX, &whole), 1);
        free(text);
        assert_true(whole);
        assert_string_equal(disks[0].disk.e.id, "/");
        assert_string_equal(disks[0].disk.filesystem, "ext4");
        assert_string_equal(disks[0].disk.device, "/dev/vda");
        assert_int_equal(disks[0].disk.size_bytes, INT64_C(264212084) * 1024);
        assert_int_equal(disks[0].disk.inodes, 16777216);
        assert_real(disks[0].disk.inodes_used_percent, 3);
    }
    /* A name with a blank; btrfs without inodes; one that df could not tell about. */
    const char *text = "mount ext4 /srv/my data\nmount btrfs /data\nmount xfs /gone\n"
                       "blocks\nFilesystem 1024-blocks Used Available Capacity Mounted on\n"
                       "/dev/sdb1 1000 900 50 95% /srv/my data\n/dev/sdc 2000 - - - /data\n"
                       "inodes\nFilesystem Inodes IUsed IFree IUse% Mounted on\n"
                       "/dev/sdb1 100 99 1 99% /srv/my data\n/dev/sdc 0 0 0 - /data\n";
    assert_int_equal(host_disks_parse(text, disks, HOST_DISKS_MAX, &whole), 3);
    assert_false(whole); /* no end: what it does not name may be there still */
    assert_string_equal(disks[0].disk.mount, "/srv/my data");
    assert_real(disks[0].disk.used_percent, 95);
    assert_int_equal(disks[0].disk.available_bytes, 50 * 1024);
    assert_true(KNOWN(&disks[1].disk, DISK_size_bytes));
    assert_false(KNOWN(&disks[1].disk, DISK_used_percent));
    assert_false(KNOWN(&disks[1].disk, DISK_inodes));
    assert_false(KNOWN(&disks[2].disk, DISK_size_bytes));
    free(disks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(debian_says_all),
        cmocka_unit_test(busybox_has_whole_seconds_only),
        cmocka_unit_test(an_old_kernel_leaves_gaps),
        cmocka_unit_test(garbage_is_unknown),
        cmocka_unit_test(cut_and_bent_answers_are_survived),
        cmocka_unit_test(too_many_interfaces_are_cut),
        cmocka_unit_test(shares_need_two_readings_that_go_forward),
        cmocka_unit_test(facts_are_read),
        cmocka_unit_test(disks_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
