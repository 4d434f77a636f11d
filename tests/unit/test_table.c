/* ui/table: order, filter, groups, and a selection that stays with its entity. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/pane.h"

static struct model *model;
static struct table table;
static struct pane_context context;

static const struct column columns[] = {
    {"Name", CONTAINER_name, 1, 6, 20, 0, NULL, NULL},
    {"CPU", CONTAINER_cpu_percent, 2, 6, 6, COLUMN_NUMBER | COLUMN_DOWNWARD, NULL, NULL},
    {"Project", CONTAINER_project, 3, 8, 12, COLUMN_FIXED, NULL, NULL},
    {"Image", CONTAINER_image, 4, 10, 30, COLUMN_TAIL, NULL, NULL},
};

static struct table_options options = {
    .kind = KIND_CONTAINER,
    .columns = columns,
    .n_columns = 4,
    .sort = 0,
    .name_field = CONTAINER_name,
    .group_field = CONTAINER_project,
};

static void put(const char *name, double cpu, const char *project)
{
    struct container c = {.e.id = name};
    SET(c, CONTAINER, name, name);
    SET(c, CONTAINER, project, project);
    SET(c, CONTAINER, image, "registry/image:1");
    if (cpu >= 0)
        SET(c, CONTAINER, cpu_percent, cpu);
    int status = model_upsert(model, KIND_CONTAINER, "docker", &c.e);
    assert_true(status >= 0 || status == -ENOBUFS);
}

static void gone(const char *name)
{
    model_apply(model, &(struct obs){
                           .kind = KIND_CONTAINER, .op = OBS_GONE, .id = name, .source = "docker"});
}

static int set_up(void **state)
{
    (void)state;
    model = model_new();
    context = (struct pane_context){.model = model, .focused = true};
    table_init(&table, &options);
    put("web", 5, "shop");
    put("cache", 50, "shop");
    put("db", -1, "infra");
    put("api", 7, "shop");
    table_recalc(&table, &context);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    table_done(&table);
    model_free(model);
    return 0;
}

static const char *order(void)
{
    static char line[256];
    size_t n = 0;
    line[0] = '\0';
    for (size_t i = 0; i < table.n; i++) {
        const struct table_row *row = &table.rows[i];
        if (row->entity == NULL)
            n += (size_t)snprintf(line + n, sizeof(line) - n, "[%s %d] ", row->group, row->members);
        else
            n += (size_t)snprintf(line + n, sizeof(line) - n, "%s ", row->entity->id);
    }
    return line;
}

static const char *selected(void)
{
    const struct entity *entity = table_selected(&table);
    return entity != NULL ? entity->id : "(none)";
}

static void test_sort(void **state)
{
    (void)state;
    assert_string_equal(order(), "api cache db web ");
    table_sort_next(&table);
    table_recalc(&table, &context);
    assert_string_equal(table_sort_title(&table), "CPU");
    assert_string_equal(order(), "cache api web db "); /* unknown is last ... */
    table.reversed = true;
    table_recalc(&table, &context);
    assert_string_equal(order(), "web api cache db "); /* ... whichever way round */
    table_sort_next(&table);                           /* the project column cannot be sorted by */
    assert_string_equal(table_sort_title(&table), "Image");
    table_recalc(&table, &context);
    assert_string_equal(order(), "api cache db web "); /* equal: by name */
}

static void test_filter(void **state)
{
    (void)state;
    char count[32];
    table_set_filter(&table, "INFRA");
    table_recalc(&table, &context);
    assert_string_equal(order(), "db ");
    assert_string_equal(table_count(&table, count, sizeof(count)), "1/4");
    table_set_filter(&table, "!shop");
    table_recalc(&table, &context);
    assert_string_equal(order(), "db ");
    table_set_filter(&table, "!");
    table_recalc(&table, &context);
    assert_int_equal(table.matches, 4);
    table_set_filter(&table, "no such thing");
    table_recalc(&table, &context);
    assert_int_equal(table.n, 0);
    table_move(&table, 1);
    table_last(&table);
    assert_string_equal(selected(), "(none)");
}

static void test_selection_stays(void **state)
{
    (void)state;
    assert_string_equal(selected(), "api");
    table_move(&table, 1);
    assert_string_equal(selected(), "cache");
    put("aaa", 1, "shop"); /* comes before it */
    table_recalc(&table, &context);
    assert_string_equal(selected(), "cache");
    table_sort_next(&table);
    table_recalc(&table, &context);
    assert_string_equal(selected(), "cache");
    assert_int_equal(table.cursor, 0);
}

static void test_selection_does_not_slide(void **state)
{
    (void)state;
    table_move(&table, 1);
    gone("cache");
    table_recalc(&table, &context);
    assert_string_equal(order(), "api db web ");
    assert_string_equal(selected(), "(none)");
    put("cache", 50, "shop"); /* the very same comes back */
    table_recalc(&table, &context);
    assert_string_equal(selected(), "cache");
    gone("cache");
    table_recalc(&table, &context);
    table_move(&table, 1); /* what stands in its place, not the one after */
    assert_string_equal(selected(), "db");
    gone("web");
    gone("db");
    gone("api");
    table_recalc(&table, &context);
    table_move(&table, 1);
    assert_string_equal(selected(), "(none)");
}

static void test_moves(void **state)
{
    (void)state;
    table_last(&table);
    assert_string_equal(selected(), "web");
    table_move(&table, 1);
    assert_string_equal(selected(), "web");
    table_move(&table, -2);
    assert_string_equal(selected(), "cache");
    table_first(&table);
    assert_string_equal(selected(), "api");
    table_move(&table, 1000);
    assert_string_equal(selected(), "web");
}

static void test_groups(void **state)
{
    (void)state;
    table_sort_next(&table);
    table.grouped = true;
    table_recalc(&table, &context);
    assert_string_equal(order(), "[shop 3] cache api web [infra 1] db ");
    table_first(&table);
    assert_string_equal(selected(), "cache");
    table_move(&table, -1); /* the heading cannot be selected */
    assert_string_equal(selected(), "cache");
    table_last(&table);
    assert_string_equal(selected(), "db");
    table_move(&table, -1);
    assert_string_equal(selected(), "web");
}

static void test_follow(void **state)
{
    (void)state;
    struct table_options following = options;
    struct table list;
    following.follow = true;
    table_init(&list, &following);
    table_recalc(&list, &context);
    assert_null(table_selected(&list));
    table_move(&list, 1);
    assert_string_equal(table_selected(&list)->id, "api");
    table_first(&list); /* follows again */
    assert_null(table_selected(&list));
    table_done(&list);
}

static const char *drawn(int width, int height)
{
    static char text[8192];
    struct canvas canvas;
    struct buf out;
    buf_init(&out, sizeof(text));
    assert_int_equal(canvas_init(&canvas, width, height), 0);
    table_draw(&table, &canvas, &context);
    canvas_export(&canvas, true, &out);
    snprintf(text, sizeof(text), "%s", out.data);
    canvas_done(&canvas);
    buf_done(&out);
    return text;
}

static void test_columns_drop(void **state)
{
    (void)state;
    assert_string_equal(drawn(50, 3), " Name^      CPU  Project   Image\n"
                                      ">api       7.0%  shop      registry/image:1\n"
                                      " cache    50.0%  shop      registry/image:1      v\n");
    assert_string_equal(drawn(28, 3), " Name^      CPU  Project\n"
                                      ">api       7.0%  shop\n"
                                      " cache    50.0%  shop      v\n");
    assert_string_equal(drawn(12, 2), " Name^\n>api       v\n");
}

static void test_scroll_follows(void **state)
{
    (void)state;
    drawn(40, 3);
    table_last(&table);
    assert_string_equal(drawn(16, 3), " Name^      CPU\n db           -^\n>web       5.0%\n");
    assert_int_equal(table.top, 2);
}

/* A list as large as the model allows, sorted and filtered. */
static void test_many(void **state)
{
    (void)state;
    for (int i = 0; i < 5000; i++) {
        char name[16];
        snprintf(name, sizeof(name), "c%04d", i * 7919 % 5000);
        put(name, i % 100, i % 2 ? "odd" : "even");
    }
    table.grouped = true;
    table_recalc(&table, &context);
    assert_int_equal(table.total, 4096);
    assert_int_equal(table.n, 4096 + 4); /* shop, infra, odd, even */
    table_set_filter(&table, "c0");
    table_recalc(&table, &context);
    assert_true(table.matches > 0 && table.matches < table.total);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sort, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_filter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_selection_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_selection_does_not_slide, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_moves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_groups, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_follow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_columns_drop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_scroll_follows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
