/* collect/docker_parse and docker_event: recorded answers of Docker 20.10, and hostile ones. */
#include "tests/unit/fake_engine.h"

#include <errno.h>

#include "client/docker.h"
#include "collect/docker_event.h"
#include "collect/docker_parse.h"

static json_t *json_of(const char *file)
{
    size_t len;
    char *text = read_data(file, &len);
    json_t *json = json_loadb(text, len, 0, NULL);
    free(text);
    assert_non_null(json);
    return json;
}

#define assert_text(row, KIND, member, text)                                                       \
    do {                                                                                           \
        assert_true(KNOWN(&(row).container, KIND##_##member));                                     \
        assert_string_equal((row).container.member, text);                                         \
    } while (0)
#define assert_unknown(row, member) assert_false(KNOWN(&(row).container, CONTAINER_##member))
#define assert_masked(row, member) assert_true((row).mask &FIELD_BIT(CONTAINER_##member))

static void the_list_gives_what_a_screen_needs(void **state)
{
    json_t *list = json_of("docker-20.10/list.json"), *item;
    size_t i, running = 0, healthy = 0, exited = 0;
    (void)state;
    json_array_foreach(list, i, item)
    {
        struct docker_row row;
        assert_int_equal(docker_parse_item(item, &row), 0);
        assert_true(KNOWN(&row.container, CONTAINER_name) && row.container.name[0] != '/');
        assert_true(KNOWN(&row.container, CONTAINER_state));
        running += row.container.state == CONTAINER_RUNNING;
        healthy +=
            KNOWN(&row.container, CONTAINER_health) && row.container.health == HEALTH_HEALTHY;
        if (row.container.state == CONTAINER_EXITED) {
            exited++;
            assert_true(KNOWN(&row.container, CONTAINER_exit_code)); /* from its status in words */
            assert_unknown(row, health);
        } else {
            assert_unknown(row, exit_code);
        }
        assert_unknown(row, aliases); /* not in the list: not "none" */
        if (strcmp(row.container.name, "nginx-proxy") == 0)
            assert_text(row, CONTAINER, ports, "80->80/tcp\n443->443/tcp");
        if (strcmp(row.container.name, "prometheus") == 0)
            assert_text(row, CONTAINER, ports, "127.0.0.1:9090->9090/tcp");
        docker_row_done(&row);
    }
    assert_int_equal(i, 18);
    assert_int_equal(running, 16);
    assert_int_equal(exited, 2);
    assert_int_equal(healthy, 8);
    json_decref(list);
}

static void killed_for_memory(void **state)
{
    struct docker_row row;
    json_t *json = json_of("docker-20.10/inspect-huleedu_spellchecker.json");
    (void)state;
    assert_int_equal(docker_parse_inspect(json, &row), 0);
    assert_int_equal(row.container.state, CONTAINER_EXITED);
    assert_int_equal(row.container.exit_code, 137);
    assert_true(KNOWN(&row.container, CONTAINER_oom_killed) && row.container.oom_killed);
    assert_int_equal(row.container.memory_limit_bytes, 48 << 20);
    assert_unknown(row, pid);
    assert_masked(row, pid); /* it has none: what was known before goes */
    assert_unknown(row, health);
    assert_text(row, CONTAINER, addresses, "");
    assert_text(row, CONTAINER, networks, "hule-network\nhuleedu_internal_network");
    assert_text(row, CONTAINER, service, "spellchecker_service");
    docker_row_done(&row);
    json_decref(json);
}

static void healthy_on_its_first_run(void **state)
{
    struct docker_row row;
    json_t *json = json_of("docker-20.10/inspect-shared-postgres.json");
    (void)state;
    assert_int_equal(docker_parse_inspect(json, &row), 0);
    assert_text(row, CONTAINER, name, "shared-postgres");
    assert_text(row, CONTAINER, image, "postgres:15");
    assert_int_equal(row.container.state, CONTAINER_RUNNING);
    assert_int_equal(row.container.health, HEALTH_HEALTHY);
    assert_unknown(row, exit_code); /* the Engine says 0, which is no exit code */
    assert_false(row.mask & FIELD_BIT(CONTAINER_exit_code));
    assert_unknown(row, finished_at);
    assert_true(KNOWN(&row.container, CONTAINER_started_at));
    assert_true(KNOWN(&row.container, CONTAINER_oom_killed) && !row.container.oom_killed);
    assert_text(row, CONTAINER, restart_policy, "unless-stopped");
    assert_text(row, CONTAINER, aliases, "shared-postgres"); /* without the short id */
    assert_memory_equal(row.container.addresses, "hule-network=172.", 17);
    docker_row_done(&row);
    json_decref(json);
}

static void unhealthy_with_its_words_and_a_crash_loop(void **state)
{
    struct docker_row row;
    json_t *json = json_of("docker-20.10/inspect-col-web.json");
    (void)state;
    assert_int_equal(docker_parse_inspect(json, &row), 0);
    assert_int_equal(row.container.health, HEALTH_UNHEALTHY);
    assert_text(row, CONTAINER, health_output, "connection refused");
    docker_row_done(&row);
    json_decref(json);

    json = json_of("docker-20.10/inspect-col-crash.json");
    assert_int_equal(docker_parse_inspect(json, &row), 0);
    assert_int_equal(row.container.restarts, 2);
    assert_text(row, CONTAINER, restart_policy, "on-failure:3");
    assert_true(KNOWN(&row.container, CONTAINER_finished_at)); /* of the run before */
    assert_unknown(row, oom_killed); /* of that run the Engine has forgotten it */
    docker_row_done(&row);
    json_decref(json);
}

/* Each member of a real answer in turn is made something else: never a crash, never a wrong id. */
static void bend(json_t *root, json_t *at)
{
    static const char *const others[] = {"null",
                                         "7",
                                         "-1.5",
                                         "true",
                                         "\"\\u0000\"",
                                         "[]",
                                         "{}",
                                         "[[[1]]]",
                                         "{\"a\":{\"b\":[null]}}",
                                         "\"\\u001b[31m\\n\\u202e\""};
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(at, next, key, value)
    {
        json_t *kept = json_incref(value);
        char *name = strdup(key);
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
            struct docker_row row;
            struct docker_event event;
            struct docker_words words;
            json_object_set_new(at, name,
                                json_loads(others[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL));
            if (docker_parse_inspect(root, &row) == 0)
                assert_true(docker_id_is_valid(row.container.e.id));
            docker_row_done(&row);
            docker_parse_item(root, &row);
            docker_row_done(&row);
            if (docker_event_parse(root, &event) == 0)
                docker_event_words(&event, &words);
        }
        json_object_set_new(at, name, kept);
        free(name);
        bend(root, kept);
    }
}

static void bent_answers_are_survived(void **state)
{
    (void)state;
    json_t *json = json_of("docker-20.10/inspect-col-web.json");
    bend(json, json);
    json_decref(json);
    json_t *list = json_of("docker-20.10/list.json");
    bend(json_array_get(list, 0), json_array_get(list, 0));
    json_decref(list);
}

static void new_words_are_unknown(void **state)
{
    struct docker_row row;
    json_t *json = json_loads("{\"Id\":\"abc\",\"State\":{\"Status\":\"hibernating\",\"Health\":"
                              "{\"Status\":\"bored\"}},\"Names\":[]}",
                              0, NULL);
    (void)state;
    assert_int_equal(docker_parse_inspect(json, &row), 0);
    assert_unknown(row, state);
    assert_masked(row, state);
    assert_unknown(row, health);
    assert_unknown(row, name);
    docker_row_done(&row);
    json_decref(json);
}

static void ids_stay_in_their_place(void **state)
{
    (void)state;
    assert_true(docker_id_is_valid("0123456789abcdef"));
    assert_false(docker_id_is_valid(NULL));
    assert_false(docker_id_is_valid(""));
    assert_false(docker_id_is_valid("../../secrets"));
    assert_false(docker_id_is_valid("a?b"));
    assert_false(docker_id_is_valid("a\r\nHost: x"));
    char text[DOCKER_ID_MAX + 2];
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_false(docker_id_is_valid(text));
}

static void lists_have_a_ceiling_and_whole_items(void **state)
{
    json_t *networks = json_object();
    struct docker_row row;
    (void)state;
    for (int i = 0; i < 2000; i++) {
        char name[64];
        snprintf(name, sizeof(name), "network\n%d", i);
        json_object_set_new(networks, name, json_pack("{s:s}", "IPAddress", "10.0.0.1"));
    }
    json_t *json = json_pack("{s:s,s:{s:o}}", "Id", "abc", "NetworkSettings", "Networks", networks);
    assert_int_equal(docker_parse_inspect(json, &row), 0);
    assert_true(strlen(row.container.networks) <= 4000);
    assert_true(row.networks.dropped > 0);
    assert_memory_equal(row.container.networks, "network 0\nnetwork 1\n", 20);
    docker_row_done(&row);
    json_decref(json);
}

/* --- events */

static void recorded_events_read_well(void **state)
{
    char *text = read_data("docker-20.10/events.ndjson", NULL), *rest = text, *line;
    struct buf told;
    (void)state;
    buf_init(&told, 1 << 16);
    while ((line = strsep(&rest, "\n")) != NULL) {
        struct docker_event event;
        struct docker_words words;
        json_t *json = json_loads(line, 0, NULL);
        if (json == NULL)
            continue;
        assert_int_equal(docker_event_parse(json, &event), 0);
        assert_true(event.time_ns > INT64_C(1700000000000000000));
        if (!event.is_network && docker_event_words(&event, &words))
            buf_addf(&told, "%s %s %s\n", event.name, words.action, words.detail);
        json_decref(json);
    }
    static const char *const wanted[] = {
        "col-crash created \n",
        "col-crash exited exit code 3\n",
        "col-oom out of memory a process in it was killed for memory\n",
        "col-oom exited exit code 137, signal KILL\n",
        "col-web unhealthy \n",
        "col-web paused \n",
        "col-web2 renamed was col-web\n",
        "col-web2 signalled TERM sent to it\n",
        "col-web2 restarted by command\n",
        "col-web2 removed \n",
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if (strstr(told.data, wanted[i]) == NULL)
            fail_msg("not told: %s", wanted[i]);
    buf_done(&told);
    free(text);
}

static void exits_tell_why(void **state)
{
    struct docker_words words;
    (void)state;
    docker_words_exit(0, false, false, &words);
    assert_string_equal(words.detail, "exit code 0");
    assert_int_equal(words.level, EVENT_INFO);
    docker_words_exit(137, true, false, &words);
    assert_string_equal(words.detail, "exit code 137, killed for memory");
    assert_int_equal(words.level, EVENT_BAD);
    docker_words_exit(143, false, true, &words);
    assert_string_equal(words.detail, "exit code 143 after signal TERM");
    assert_int_equal(words.level, EVENT_WARNING);
    docker_words_exit(139, false, false, &words);
    assert_string_equal(words.detail, "exit code 139, signal SEGV");
    docker_words_exit(-1, false, false, &words); /* it did not say */
    assert_string_equal(words.detail, "");
}

static void restarts_are_counted_in_english(void **state)
{
    static const struct {
        int64_t times;
        const char *text;
    } cases[] = {{1, "1st"},   {2, "2nd"},   {3, "3rd"},   {4, "4th"},     {11, "11th"},
                 {12, "12th"}, {13, "13th"}, {21, "21st"}, {111, "111th"}, {102, "102nd"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct docker_words words;
        docker_words_restarted(cases[i].times, &words);
        assert_non_null(strstr(words.detail, cases[i].text));
    }
}

static void other_events_are_refused(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "{\"Type\":\"image\",\"Action\":\"pull\",\"timeNano\":1}",
        "{\"Type\":\"container\",\"Action\":\"die\",\"timeNano\":1,\"Actor\":{\"ID\":\"../x\"}}",
        "{\"Type\":\"container\",\"Action\":\"die\",\"timeNano\":\"1\",\"Actor\":{\"ID\":\"x\"}}",
        "{\"Type\":\"container\",\"timeNano\":1,\"Actor\":{\"ID\":\"x\"}}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct docker_event event;
        json_t *json = json_loads(texts[i], 0, NULL);
        assert_int_equal(docker_event_parse(json, &event), -EINVAL);
        json_decref(json);
    }
}

static void json_is_repaired_in_place(void **state)
{
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"plain", "plain"},
        {"\xc3\xa5 \xe2\x82\xac \xf0\x9f\x90\xb3", "\xc3\xa5 \xe2\x82\xac \xf0\x9f\x90\xb3"},
        {"a\xff"
         "b\xc3",
         "a?b?"},
        {"\xed\xa0\x80", "???"},          /* a surrogate in UTF-8 */
        {"\xef\xbf\xbd", "\xef\xbf\xbd"}, /* U+FFFD itself is right */
        {"\\ud83d\\udc33", "\\ud83d\\udc33"},
        {"\\ud83dx", "\\uFFFDx"},
        {"\\udc33\\ud83d", "\\uFFFD\\uFFFD"},
        {"\\\\ud83d", "\\\\ud83d"}, /* a backslash and text */
        {"\\ud8", "\\ud8"},
        {"\\", "\\"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = strdup(cases[i].text);
        docker_repair(text, strlen(text));
        assert_string_equal(text, cases[i].wanted);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_gives_what_a_screen_needs),
        cmocka_unit_test(killed_for_memory),
        cmocka_unit_test(healthy_on_its_first_run),
        cmocka_unit_test(unhealthy_with_its_words_and_a_crash_loop),
        cmocka_unit_test(bent_answers_are_survived),
        cmocka_unit_test(new_words_are_unknown),
        cmocka_unit_test(ids_stay_in_their_place),
        cmocka_unit_test(lists_have_a_ceiling_and_whole_items),
        cmocka_unit_test(recorded_events_read_well),
        cmocka_unit_test(exits_tell_why),
        cmocka_unit_test(restarts_are_counted_in_english),
        cmocka_unit_test(other_events_are_refused),
        cmocka_unit_test(json_is_repaired_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
