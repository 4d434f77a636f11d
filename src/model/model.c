#include "model/model.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define TEXT_MAX 4096 /* bytes of one text field; longer ones are cut */

struct store {
    struct entity **items; /* in the order in which they came */
    size_t n, size;
    void *tree; /* tsearch tree of the same pointers, by id */
    uint64_t version, dropped, pass;
};

struct model {
    struct store stores[KIND__COUNT];
    uint64_t serial;
};

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct entity *)a)->id, ((const struct entity *)b)->id);
}

static void *member(struct entity *entity, const struct field *field)
{
    return (char *)entity + field->offset;
}

static const void *const_member(const struct entity *entity, const struct field *field)
{
    return (const char *)entity + field->offset;
}

static bool is_text(const struct field *field)
{
    return field->type == FIELD_TEXT || field->type == FIELD_LIST;
}

static void entity_free(struct entity *entity)
{
    for (size_t i = 0; i < entity->type->n_fields; i++)
        if (is_text(&entity->type->fields[i]))
            free(*(char **)member(entity, &entity->type->fields[i]));
    free((char *)(uintptr_t)entity->id);
    free(entity);
}

static struct entity *entity_new(const struct entity_type *type, const char *id)
{
    struct entity *entity = calloc(1, type->size);
    if (entity == NULL)
        return NULL;
    entity->type = type;
    entity->id = text_clean_dup(id, SIZE_MAX, TEXT_MAX);
    if (entity->id == NULL) {
        free(entity);
        return NULL;
    }
    return entity;
}

/* A printable copy; a list keeps the newlines between its items. */
static char *text_copy(const struct field *field, const char *text)
{
    if (text == NULL)
        text = "";
    char *copy = text_clean_dup(text, SIZE_MAX, TEXT_MAX);
    if (copy == NULL || field->type == FIELD_TEXT)
        return copy;
    /* Cleaning keeps the number of characters, so the two run side by side. */
    char *out = copy;
    while (*out != '\0') {
        uint32_t ch;
        size_t used = text_decode(text, strlen(text), &ch);
        if (ch == '\n')
            *out = '\n';
        text += used;
        out += text_decode(out, strlen(out), &ch);
    }
    return copy;
}

static bool enum_is_valid(const struct field *field, int value)
{
    for (int i = 0; i <= value; i++)
        if (field->words[i] == NULL)
            return false;
    return value >= 0;
}

/* Sets one field from the payload. Returns 1 when its value changed, 0 when not, or -ENOMEM. */
static int field_merge(const struct field *field, struct entity *entity,
                       const struct entity *payload)
{
    static const size_t sizes[] = {
        [FIELD_INT] = sizeof(int64_t),  [FIELD_REAL] = sizeof(double), [FIELD_BOOL] = sizeof(bool),
        [FIELD_TIME] = sizeof(int64_t), [FIELD_ENUM] = sizeof(int),
    };
    void *to = member(entity, field);
    const void *from = const_member(payload, field);
    if (!is_text(field)) {
        if (memcmp(to, from, sizes[field->type]) == 0)
            return 0;
        memcpy(to, from, sizes[field->type]);
        return 1;
    }
    char **text = to;
    char *copy = text_copy(field, *(const char *const *)from);
    if (copy == NULL)
        return -ENOMEM;
    if (*text != NULL && strcmp(*text, copy) == 0) {
        free(copy);
        return 0;
    }
    free(*text);
    *text = copy;
    return 1;
}

/* Merges the masked fields. Returns 1 when anything changed, 0 when not, or -ENOMEM. */
static int entity_merge(struct entity *entity, const struct entity *payload, uint64_t mask)
{
    int changed = 0;
    for (size_t i = 0; i < entity->type->n_fields; i++) {
        const struct field *field = &entity->type->fields[i];
        uint64_t bit = FIELD_BIT(i);
        if ((mask & bit) == 0)
            continue;
        bool known = (payload->known & bit) != 0;
        if (known && field->type == FIELD_ENUM)
            known = enum_is_valid(field, *(const int *)const_member(payload, field));
        bool was_known = (entity->known & bit) != 0;
        if (!known) {
            entity->known &= ~bit;
            changed |= was_known;
            continue;
        }
        int status = field_merge(field, entity, payload);
        if (status < 0)
            return status;
        entity->known |= bit;
        changed |= status | !was_known;
    }
    return changed;
}

static void store_remove(struct store *store, size_t index)
{
    struct entity *entity = store->items[index];
    tdelete(entity, &store->tree, compare_ids);
    store->n--;
    memmove(&store->items[index], &store->items[index + 1],
            (store->n - index) * sizeof(store->items[0]));
    entity_free(entity);
    store->version++;
}

static struct entity *store_find(const struct store *store, const char *id)
{
    struct entity key = {.id = id};
    void *node = tfind(&key, &store->tree, compare_ids);
    return node != NULL ? *(struct entity **)node : NULL;
}

static int store_add(struct store *store, const struct entity_type *type, struct entity *entity)
{
    if (store->n == type->max) {
        store->dropped++;
        if (!type->keep_newest)
            return -ENOBUFS;
        store_remove(store, 0);
    }
    if (store->n == store->size) {
        size_t size = store->size ? store->size * 2 : 16;
        struct entity **items = realloc(store->items, size * sizeof(items[0]));
        if (items == NULL)
            return -ENOMEM;
        store->items = items;
        store->size = size;
    }
    if (tsearch(entity, &store->tree, compare_ids) == NULL)
        return -ENOMEM;
    store->items[store->n++] = entity;
    return 0;
}

struct model *model_new(void)
{
    return calloc(1, sizeof(struct model));
}

void model_free(struct model *model)
{
    if (model == NULL)
        return;
    for (int kind = 0; kind < KIND__COUNT; kind++) {
        struct store *store = &model->stores[kind];
        while (store->n > 0)
            store_remove(store, store->n - 1);
        free(store->items);
    }
    free(model);
}

static int apply_upsert(struct model *model, struct store *store, const struct obs *obs)
{
    const struct entity_type *type = &entity_types[obs->kind];
    struct entity *entity = store_find(store, obs->id);
    bool is_new = entity == NULL;
    if (is_new) {
        entity = entity_new(type, obs->id);
        if (entity == NULL)
            return -ENOMEM;
        int status = store_add(store, type, entity);
        if (status < 0) {
            entity_free(entity);
            return status;
        }
        entity->serial = ++model->serial;
    }
    /* A part that another source adds (CPU to a container) leaves the entity with its owner. */
    if (is_new)
        entity->source = obs->source;
    if (entity->source == obs->source || strcmp(entity->source, obs->source) == 0)
        entity->seen = obs->t_local;
    entity->pass = store->pass;
    int changed = entity_merge(entity, obs->payload, obs->mask ? obs->mask : obs->payload->known);
    if (changed < 0)
        return changed;
    store->version += (uint64_t)(changed || is_new);
    return changed || is_new;
}

static int apply_gone(struct store *store, const char *id)
{
    for (size_t i = 0; i < store->n; i++) {
        if (strcmp(store->items[i]->id, id) != 0)
            continue;
        store_remove(store, i);
        return 1;
    }
    return 0;
}

static int apply_list_end(struct store *store, const char *source)
{
    int changed = 0;
    for (size_t i = store->n; i-- > 0;) {
        if (store->items[i]->pass == store->pass || strcmp(store->items[i]->source, source) != 0)
            continue;
        store_remove(store, i);
        changed = 1;
    }
    return changed;
}

int model_apply(struct model *model, const struct obs *obs)
{
    if ((unsigned)obs->kind >= KIND__COUNT || obs->source == NULL)
        return -EINVAL;
    struct store *store = &model->stores[obs->kind];
    switch (obs->op) {
    case OBS_UPSERT:
        if (obs->id == NULL || obs->payload == NULL)
            return -EINVAL;
        return apply_upsert(model, store, obs);
    case OBS_GONE:
        return obs->id != NULL ? apply_gone(store, obs->id) : -EINVAL;
    case OBS_LIST_BEGIN:
        store->pass++;
        return 0;
    case OBS_LIST_END:
        return apply_list_end(store, obs->source);
    }
    return -EINVAL;
}

int model_upsert(struct model *model, enum entity_kind kind, const char *source,
                 const struct entity *payload)
{
    return model_apply(model, &(struct obs){
                                  .kind = kind,
                                  .op = OBS_UPSERT,
                                  .id = payload->id,
                                  .source = source,
                                  .t_local = clock_mono_ms(),
                                  .payload = payload,
                              });
}

size_t model_count(const struct model *model, enum entity_kind kind)
{
    return model->stores[kind].n;
}

const struct entity *model_at(const struct model *model, enum entity_kind kind, size_t index)
{
    return model->stores[kind].items[index];
}

const struct entity *model_find(const struct model *model, enum entity_kind kind, const char *id)
{
    return store_find(&model->stores[kind], id);
}

static const struct entity *only_one(const struct model *model, enum entity_kind kind)
{
    return model->stores[kind].n > 0 ? model->stores[kind].items[0] : NULL;
}

const struct link *model_link(const struct model *model)
{
    return (const struct link *)only_one(model, KIND_LINK);
}

const struct host *model_host(const struct model *model)
{
    return (const struct host *)only_one(model, KIND_HOST);
}

const struct source *model_source(const struct model *model, const char *id)
{
    return (const struct source *)model_find(model, KIND_SOURCE, id);
}

uint64_t model_version(const struct model *model, enum entity_kind kind)
{
    return model->stores[kind].version;
}

uint64_t model_dropped(const struct model *model, enum entity_kind kind)
{
    return model->stores[kind].dropped;
}

int64_t model_stale_ms(const struct model *model, const struct entity *entity, int64_t now)
{
    const struct source *source =
        entity->source != NULL ? model_source(model, entity->source) : NULL;
    if (source == NULL)
        return 0;
    bool by_events = source->interval_ms == 0;
    if (source->state == SOURCE_OK) {
        int64_t age = now - entity->seen;
        return !by_events && age > 2 * source->interval_ms ? age : 0;
    }
    /* What is told by events was right until its source was last known to be. */
    int64_t good = by_events && KNOWN(source, SOURCE_good_at_ms) ? source->good_at_ms : 0;
    if (good < entity->seen)
        good = entity->seen;
    return now > good ? now - good : 1;
}
