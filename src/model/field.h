/* One table describes an entity: its fields with type, unit, title and help. JSON output, table
 * columns, sort, filter and documentation derive from it; adding a field is one line in
 * model/entities.h.
 *
 * Validity is a bit a field (entity.known): what was not read is unknown, never zero. */
#ifndef MODEL_FIELD_H
#define MODEL_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
    FIELD_TEXT, /* const char *, owned by the entity */
    FIELD_LIST, /* const char *, items separated by '\n'; "" is the empty list */
    FIELD_INT,  /* int64_t */
    FIELD_REAL, /* double */
    FIELD_BOOL, /* bool */
    FIELD_TIME, /* int64_t, unix time in ms */
    FIELD_ENUM, /* int, an index into field.words */
};

/* Units are those of the value itself; names of JSON members carry them. */
enum field_unit {
    UNIT_NONE,
    UNIT_BYTES,
    UNIT_BYTES_PER_S,
    UNIT_PERCENT,
    UNIT_MS,
    UNIT_SECONDS,
    UNIT_COUNT,
};

struct field {
    const char *name; /* the member's name, which is the JSON key */
    enum field_type type;
    enum field_unit unit;
    size_t offset;            /* of the member in the entity's struct */
    const char *const *words; /* FIELD_ENUM: the words, NULL-terminated */
    const char *title;        /* column head, short */
    const char *help;         /* one sentence */
};

struct entity_type {
    const char *name;   /* "container" */
    const char *plural; /* "containers": the JSON array */
    size_t size;        /* of the struct */
    size_t max;         /* ceiling of how many are kept; more are dropped and counted */
    bool keep_newest;   /* at the ceiling the oldest makes place (events) */
    const struct field *fields;
    size_t n_fields; /* <= 64: a bit each */
};

/* The head of every entity. */
struct entity {
    const struct entity_type *type;
    const char *id;     /* unique in its kind on its host */
    const char *source; /* id of the `struct source` that reports it */
    uint64_t known;     /* bit i: field i holds a value */
    int64_t seen;       /* monotonic ms of the last observation */
    uint64_t serial;    /* grows with every entity made: a new one never takes an old one's */
    uint64_t pass;      /* internal to model_apply: the list that last named it */
};

#define FIELD_BIT(index) (UINT64_C(1) << (index))
/* Is the field known? `entity` is any entity struct, `index` its CONTAINER_name and the like. */
#define KNOWN(entity_ptr, index) (((entity_ptr)->e.known & FIELD_BIT(index)) != 0)
/* Sets a member of an observation's payload and marks it known. */
#define SET(object, KIND, member, value)                                                           \
    ((object).member = (value), (object).e.known |= FIELD_BIT(KIND##_##member))

/* The member's value. The type must be the field's. */
const char *field_text(const struct field *field, const struct entity *entity);
int64_t field_int(const struct field *field, const struct entity *entity);
double field_number(const struct field *field, const struct entity *entity); /* any number type */

/* Prints a value as people read it, units short, printable; "–" where unknown ("-" in ASCII is the
 * canvas's business). Times print as seconds since 1970: a pane shows an age or a clock instead.
 * Returns `out`. */
const char *field_print(const struct field *field, const struct entity *entity, char *out,
                        size_t size);

/* Orders two entities of one type by a field: <0, 0, >0. Unknown sorts last. */
int field_compare(const struct field *field, const struct entity *a, const struct entity *b);

#endif
