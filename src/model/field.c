#include "model/field.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"

static const void *member(const struct field *field, const struct entity *entity)
{
    return (const char *)entity + field->offset;
}

static bool is_known(const struct field *field, const struct entity *entity)
{
    return (entity->known & FIELD_BIT(field - entity->type->fields)) != 0;
}

const char *field_text(const struct field *field, const struct entity *entity)
{
    const char *text = *(const char *const *)member(field, entity);
    return text != NULL ? text : "";
}

int64_t field_int(const struct field *field, const struct entity *entity)
{
    switch (field->type) {
    case FIELD_BOOL:
        return *(const bool *)member(field, entity);
    case FIELD_ENUM:
        return *(const int *)member(field, entity);
    default:
        return *(const int64_t *)member(field, entity);
    }
}

double field_number(const struct field *field, const struct entity *entity)
{
    if (field->type == FIELD_REAL)
        return *(const double *)member(field, entity);
    return (double)field_int(field, entity);
}

static void print_number(const struct field *field, double value, char *out, size_t size)
{
    char text[TEXT_SHORT];
    switch (field->unit) {
    case UNIT_BYTES:
        snprintf(out, size, "%s", text_bytes(text, value));
        break;
    case UNIT_BYTES_PER_S:
        snprintf(out, size, "%s/s", text_bytes(text, value));
        break;
    case UNIT_PERCENT:
        snprintf(out, size, "%s%%", text_percent(text, value));
        break;
    case UNIT_MS:
        snprintf(out, size, "%s", text_latency(text, value));
        break;
    case UNIT_SECONDS:
        snprintf(out, size, "%s", text_duration(text, (int64_t)(value * 1000)));
        break;
    default:
        snprintf(out, size, field->type == FIELD_REAL ? "%.2f" : "%.0f", value);
    }
}

static void print_list(const char *list, char *out, size_t size)
{
    struct buf joined;
    buf_init(&joined, size);
    for (; *list != '\0'; list++)
        buf_add(&joined, *list == '\n' ? ", " : list, *list == '\n' ? 2 : 1);
    text_clean(out, size, joined.len > 0 ? joined.data : "", SIZE_MAX);
    buf_done(&joined);
}

const char *field_print(const struct field *field, const struct entity *entity, char *out,
                        size_t size)
{
    if (!is_known(field, entity)) {
        snprintf(out, size, "–");
        return out;
    }
    switch (field->type) {
    case FIELD_TEXT:
        text_clean(out, size, field_text(field, entity), SIZE_MAX);
        break;
    case FIELD_LIST:
        print_list(field_text(field, entity), out, size);
        break;
    case FIELD_BOOL:
        snprintf(out, size, "%s", field_int(field, entity) ? "yes" : "no");
        break;
    case FIELD_ENUM:
        snprintf(out, size, "%s", field->words[field_int(field, entity)]);
        break;
    case FIELD_TIME:
        snprintf(out, size, "%" PRId64, field_int(field, entity) / 1000);
        break;
    default:
        print_number(field, field_number(field, entity), out, size);
    }
    return out;
}

int field_compare(const struct field *field, const struct entity *a, const struct entity *b)
{
    bool known_a = is_known(field, a), known_b = is_known(field, b);
    if (!known_a || !known_b)
        return (int)known_b - (int)known_a;
    if (field->type == FIELD_TEXT || field->type == FIELD_LIST)
        return strcmp(field_text(field, a), field_text(field, b));
    double x = field_number(field, a), y = field_number(field, b);
    return (x > y) - (x < y);
}
