/* model/: the one door, validity, lists without ghosts, staleness, judgement, JSON. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "model/json.h"
#include "model/judge.h"
#include "model/model.h"

static int put(struct model *model, struct container *c, const char *id)
{
    c->e.id = id;
    return model_upsert(model, KIND_CONTAINER, "docker", &c->e);
}

static int list(struct model *model, enum obs_op op)
{
    return model_apply(model, &(struct obs){.kind = KIND_CONTAINER, .op = op, .source = "docker"});
}

static const struct container *get(struct model *model, const char *id)
{
    return (const struct container *)model_find(model, KIND_CONTAINER, id);
}

static void source(struct model *model, enum source_state state, int64_t interval, int64_t good)
{
    struct source s = {.e.id = "docker"};
    SET(s, SOURCE, state, state);
    SET(s, SOURCE, interval_ms, interval);
    SET(s, SOURCE, good_at_ms, good);
    assert_int_equal(model_upsert(model, KIND_SOURCE, "docker", &s.e), 1);
}

static void upsert_changes_masked_fields_only(void **state)
{
    (void)state;
    struct model *model = model_new();
    struct container c = {0};
    SET(c, CONTAINER, name, "web");
    SET(c, CONTAINER, exit_code, 3);
    assert_int_equal(put(model, &c, "a"), 1);
    uint64_t version = model_version(model, KIND_CONTAINER);
    assert_int_equal(put(model, &c, "a"), 0); /* nothing new, nothing to draw */
    assert_int_equal(model_version(model, KIND_CONTAINER), version);

    struct container update = {0};
    SET(update, CONTAINER, state, CONTAINER_RUNNING);
    assert_int_equal(put(model, &update, "a"), 1);
    assert_string_equal(get(model, "a")->name, "web");
    assert_true(KNOWN(get(model, "a"), CONTAINER_exit_code));
    assert_false(KNOWN(get(model, "a"), CONTAINER_cpu_percent));

    /* A masked field that the payload does not know becomes unknown. */
    struct container forget = {.e.id = "a"};
    assert_int_equal(model_apply(model, &(struct obs){.kind = KIND_CONTAINER,
                                                      .op = OBS_UPSERT,
                                                      .id = "a",
                                                      .source = "docker",
                                                      .mask = FIELD_BIT(CONTAINER_exit_code),
                                                      .payload = &forget.e}),
                     1);
    assert_false(KNOWN(get(model, "a"), CONTAINER_exit_code));
    model_free(model);
}

static void hostile_text_and_values_are_tamed(void **state)
{
    (void)state;
    struct model *model = model_new();
    struct container c = {0};
    SET(c, CONTAINER, name, "we\033[31mb");
    SET(c, CONTAINER, networks, "a\tb\nc\033d\nr\xc3\xa4");
    SET(c, CONTAINER, state, 99);
    put(model, &c, "i\033d");
    const struct container *got = (const struct container *)model_at(model, KIND_CONTAINER, 0);
    assert_null(strchr(got->name, '\033'));
    assert_null(strchr(got->e.id, '\033'));
    assert_string_equal(got->networks, "a b\nc\xEF\xBF\xBD"
                                       "d\nr\xc3\xa4");
    assert_false(KNOWN(got, CONTAINER_state));
    char out[8];
    field_print(&entity_types[KIND_CONTAINER].fields[CONTAINER_networks], &got->e, out,
                sizeof(out));
    assert_string_equal(out, "a b, c");
    assert_int_equal(model_apply(model, &(struct obs){.kind = KIND__COUNT, .source = "x"}),
                     -EINVAL);
    assert_int_equal(model_apply(model, &(struct obs){.kind = KIND_HOST, .source = "x"}), -EINVAL);
    model_free(model);
}

static void a_list_leaves_no_ghosts(void **state)
{
    (void)state;
    struct model *model = model_new();
    struct container c = {0};
    SET(c, CONTAINER, name, "x");
    put(model, &c, "old");
    put(model, &c, "stays");
    list(model, OBS_LIST_BEGIN);
    put(model, &c, "stays");
    put(model, &c, "new");
    assert_int_equal(list(model, OBS_LIST_END), 1);
    assert_null(get(model, "old"));
    assert_non_null(get(model, "stays"));
    assert_non_null(get(model, "new"));
    assert_int_equal(model_count(model, KIND_CONTAINER), 2);
    model_free(model);
}

static void ceilings_hold_and_count(void **state)
{
    (void)state;
    struct model *model = model_new();
    for (int i = 0; i < 1100; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", i);
        struct event event = {.e.id = id};
        SET(event, EVENT, action, "start");
        assert_int_equal(model_upsert(model, KIND_EVENT, "docker", &event.e), 1);
    }
    assert_int_equal(model_count(model, KIND_EVENT), 1000);
    assert_int_equal(model_dropped(model, KIND_EVENT), 100);
    assert_string_equal(model_at(model, KIND_EVENT, 0)->id, "100");
    assert_null(model_find(model, KIND_EVENT, "99"));
    struct host host = {.e.id = "one"};
    SET(host, HOST, name, "one");
    assert_int_equal(model_upsert(model, KIND_HOST, "host", &host.e), 1);
    host.e.id = "two";
    assert_int_equal(model_upsert(model, KIND_HOST, "host", &host.e), -ENOBUFS);
    assert_int_equal(model_dropped(model, KIND_HOST), 1);
    model_free(model);
}

static void stale_when_its_source_is_not_well(void **state)
{
    (void)state;
    struct model *model = model_new();
    int64_t now = clock_mono_ms();
    struct container c = {0};
    SET(c, CONTAINER, name, "x");
    put(model, &c, "a");
    source(model, SOURCE_OK, 0, now);
    /* Told by events: it may be days old and still true. */
    assert_int_equal(model_stale_ms(model, &get(model, "a")->e, now + 100000), 0);
    source(model, SOURCE_LOST, 0, now + 100000);
    assert_int_equal(model_stale_ms(model, &get(model, "a")->e, now + 107000), 7000);
    /* Read at an interval: fresh for two of them. */
    source(model, SOURCE_OK, 2000, now);
    put(model, &c, "a");
    int64_t seen = get(model, "a")->e.seen;
    assert_int_equal(model_stale_ms(model, &get(model, "a")->e, seen + 4000), 0);
    assert_int_equal(model_stale_ms(model, &get(model, "a")->e, seen + 4001), 4001);
    model_free(model);
}

static void judged_worst_first(void **state)
{
    (void)state;
    struct model *model = model_new();
    struct container sick = {0}, dead = {0}, done = {0}, stopped = {0};
    SET(sick, CONTAINER, name, "nlp");
    SET(sick, CONTAINER, state, CONTAINER_RUNNING);
    SET(sick, CONTAINER, health, HEALTH_UNHEALTHY);
    SET(sick, CONTAINER, health_output, "refused");
    put(model, &sick, "1");
    SET(dead, CONTAINER, name, "spell");
    SET(dead, CONTAINER, state, CONTAINER_EXITED);
    SET(dead, CONTAINER, exit_code, 137);
    SET(dead, CONTAINER, oom_killed, true);
    put(model, &dead, "2");
    SET(done, CONTAINER, name, "job");
    SET(done, CONTAINER, state, CONTAINER_EXITED);
    SET(done, CONTAINER, exit_code, 0);
    SET(done, CONTAINER, restart_policy, "no");
    put(model, &done, "3");
    SET(stopped, CONTAINER, name, "proxy");
    SET(stopped, CONTAINER, state, CONTAINER_EXITED);
    SET(stopped, CONTAINER, exit_code, 0);
    SET(stopped, CONTAINER, restart_policy, "always");
    put(model, &stopped, "4");

    struct judgement judgement;
    model_judge(model, clock_mono_ms(), &judgement);
    assert_int_equal(judgement.verdict, VERDICT_DOWN);
    assert_int_equal(judgement.n, 3);
    assert_string_equal(judgement.findings[0].text, "spell was killed for memory");
    assert_string_equal(judgement.findings[1].text, "nlp is unhealthy: refused");
    assert_string_equal(judgement.findings[2].text, "proxy is stopped");
    model_free(model);
}

static void unknown_is_not_down(void **state)
{
    (void)state;
    struct model *model = model_new();
    struct container c = {0};
    SET(c, CONTAINER, name, "x");
    put(model, &c, "a");
    source(model, SOURCE_FAILED, 0, 0);
    struct judgement judgement;
    model_judge(model, clock_mono_ms(), &judgement);
    assert_int_equal(judgement.verdict, VERDICT_UNKNOWN);
    assert_int_equal(judgement.criticals + judgement.warnings, 0);
    model_free(model);
}

static void json_unknown_is_null(void **state)
{
    (void)state;
    struct model *model = model_new();
    struct container c = {0};
    SET(c, CONTAINER, name, "web");
    SET(c, CONTAINER, networks, "a\nb");
    SET(c, CONTAINER, cpu_percent, NAN);
    SET(c, CONTAINER, started_at, INT64_C(1769860800123));
    put(model, &c, "id1");
    json_t *object = model_json(model, "hemma", clock_mono_ms(), 0);
    json_t *got = json_array_get(json_object_get(object, "containers"), 0);
    assert_string_equal(json_string_value(json_object_get(object, "schema")), "hemma-top/1");
    assert_string_equal(json_string_value(json_object_get(got, "id")), "id1");
    assert_true(json_is_null(json_object_get(got, "exit_code")));
    assert_true(json_is_null(json_object_get(got, "cpu_percent")));
    assert_int_equal(json_array_size(json_object_get(got, "networks")), 2);
    assert_string_equal(json_string_value(json_object_get(got, "started_at")),
                        "2026-01-31T12:00:00.123Z");
    assert_true(json_is_null(json_object_get(object, "host")));
    json_decref(object);
    model_free(model);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upsert_changes_masked_fields_only),
        cmocka_unit_test(hostile_text_and_values_are_tamed),
        cmocka_unit_test(a_list_leaves_no_ghosts),
        cmocka_unit_test(ceilings_hold_and_count),
        cmocka_unit_test(stale_when_its_source_is_not_well),
        cmocka_unit_test(judged_worst_first),
        cmocka_unit_test(unknown_is_not_down),
        cmocka_unit_test(json_unknown_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
