#include "model/json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "model/judge.h"

#define SCHEMA "hemma-top/1"

static json_t *time_json(int64_t ms)
{
    char text[40];
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL)
        return json_null();
    size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof(text) - n, ".%03dZ", (int)(((ms % 1000) + 1000) % 1000));
    return json_string(text);
}

static json_t *list_json(const char *list)
{
    json_t *array = json_array();
    while (*list != '\0') {
        size_t n = strcspn(list, "\n");
        json_array_append_new(array, json_stringn(list, n));
        list += n + (list[n] == '\n');
    }
    return array;
}

static json_t *field_json(const struct field *field, const struct entity *entity)
{
    switch (field->type) {
    case FIELD_TEXT:
        return json_string(field_text(field, entity));
    case FIELD_LIST:
        return list_json(field_text(field, entity));
    case FIELD_INT:
        return json_integer(field_int(field, entity));
    case FIELD_REAL:
        return json_real(field_number(field, entity));
    case FIELD_BOOL:
        return json_boolean(field_int(field, entity));
    case FIELD_TIME:
        return time_json(field_int(field, entity));
    case FIELD_ENUM:
        return json_string(field->words[field_int(field, entity)]);
    }
    return json_null();
}

json_t *entity_json(const struct model *model, const struct entity *entity, int64_t now)
{
    json_t *object = json_object();
    json_object_set_new(object, "id", json_string(entity->id));
    for (size_t i = 0; i < entity->type->n_fields; i++) {
        const struct field *field = &entity->type->fields[i];
        bool known = (entity->known & FIELD_BIT(i)) != 0;
        json_t *value = known ? field_json(field, entity) : json_null();
        /* jansson refuses what it cannot print, such as NaN: that is not a value either. */
        json_object_set_new(object, field->name, value != NULL ? value : json_null());
    }
    int64_t age = model_stale_ms(model, entity, now);
    if (age > 0)
        json_object_set_new(object, "age_ms", json_integer(age));
    return object;
}

static json_t *kind_json(const struct model *model, enum entity_kind kind, int64_t now)
{
    json_t *array = json_array();
    for (size_t i = 0; i < model_count(model, kind); i++)
        json_array_append_new(array, entity_json(model, model_at(model, kind, i), now));
    return array;
}

static json_t *findings_json(const struct judgement *judgement)
{
    static const char *const levels[] = {"ok", "warning", "critical", "unknown"};
    json_t *array = json_array();
    for (size_t i = 0; i < judgement->n; i++) {
        const struct finding *finding = &judgement->findings[i];
        json_array_append_new(array,
                              json_pack("{s:s, s:s, s:s, s:s}", "level", levels[finding->level],
                                        "kind", entity_types[finding->kind].name, "id", finding->id,
                                        "text", finding->text));
    }
    return array;
}

json_t *model_json(const struct model *model, const char *target, int64_t now, int64_t wall)
{
    static const char *const verdicts[] = {"ok", "degraded", "down", "unknown"};
    struct judgement judgement;
    model_judge(model, now, &judgement);

    json_t *object = json_object();
    if (object == NULL)
        return NULL;
    json_object_set_new(object, "schema", json_string(SCHEMA));
    json_object_set_new(object, "time", time_json(wall));
    json_object_set_new(object, "target", json_string(target));
    json_object_set_new(object, "verdict", json_string(verdicts[judgement.verdict]));
    json_object_set_new(object, "findings", findings_json(&judgement));
    const struct link *link = model_link(model);
    json_object_set_new(object, "link", link ? entity_json(model, &link->e, now) : json_null());
    const struct host *host = model_host(model);
    json_object_set_new(object, "host", host ? entity_json(model, &host->e, now) : json_null());
    for (enum entity_kind kind = 0; kind < KIND__COUNT; kind++)
        if (kind != KIND_LINK && kind != KIND_HOST)
            json_object_set_new(object, entity_types[kind].plural, kind_json(model, kind, now));
    return object;
}
