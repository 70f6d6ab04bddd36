/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Values of one object: reading with defaults, changing with notice.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "tests/poolsim/store.h"
#include "tests/poolsim/store_inside.h"

#include "common/base/poison.h"

static const struct text_list empty_set = TEXT_LIST_INIT;
static const struct text_map empty_map = TEXT_MAP_INIT;

static bool is_text_kind(enum kind kind)
{
    return kind == KIND_TEXT || kind == KIND_DATE || kind == KIND_REF || kind == KIND_ENUM ||
           kind == KIND_OPTION;
}

static const union value *value_of(const struct object *object, enum field_id field)
{
    assert(FIELD_CLASS(field) == object->class);
    return &object->values[FIELD_INDEX(field)];
}

static union value *value_to_change(struct object *object, enum field_id field)
{
    assert(FIELD_CLASS(field) == object->class);
    return &object->values[FIELD_INDEX(field)];
}

void object_free(struct object *object)
{
    const struct class_schema *schema = schema_class(object->class);

    for (int i = 0; i < schema->fields_n; i++) {
        union value *value = &object->values[i];
        enum kind kind = schema->fields[i].type.kind;
        if (is_text_kind(kind)) {
            free(value->text);
        } else if (kind == KIND_SET && value->set) {
            text_list_done(value->set);
            free(value->set);
        } else if (kind == KIND_MAP && value->map) {
            text_map_done(value->map);
            free(value->map);
        }
    }
    free(object);
}

enum class_id object_class(const struct object *object)
{
    return object->class;
}

const char *object_ref(const struct object *object)
{
    return object->ref;
}

const char *object_uuid(const struct object *object)
{
    return object->uuid;
}

const char *object_text(const struct object *object, enum field_id field)
{
    const struct field *row = schema_field(field);
    const char *text = value_of(object, field)->text;

    assert(is_text_kind(row->type.kind));
    if (FIELD_INDEX(field) == 0 && strcmp(row->name, "uuid") == 0)
        return object->uuid;
    return text ? text : row->default_text;
}

int64_t object_int(const struct object *object, enum field_id field)
{
    assert(schema_field(field)->type.kind == KIND_INT);
    return value_of(object, field)->number;
}

bool object_bool(const struct object *object, enum field_id field)
{
    assert(schema_field(field)->type.kind == KIND_BOOL);
    return value_of(object, field)->number != 0;
}

double object_float(const struct object *object, enum field_id field)
{
    assert(schema_field(field)->type.kind == KIND_FLOAT);
    return value_of(object, field)->real;
}

const struct text_list *object_set(const struct object *object, enum field_id field)
{
    const struct text_list *set = value_of(object, field)->set;

    assert(schema_field(field)->type.kind == KIND_SET);
    return set ? set : &empty_set;
}

const struct text_map *object_map(const struct object *object, enum field_id field)
{
    const struct text_map *map = value_of(object, field)->map;

    assert(schema_field(field)->type.kind == KIND_MAP);
    return map ? map : &empty_map;
}

const char *object_map_get(const struct object *object, enum field_id field, const char *key)
{
    return text_map_get(object_map(object, field), key);
}

struct object *object_follow(struct pool *pool, const struct object *object, enum field_id field)
{
    enum class_id class;

    assert(schema_field(field)->type.kind == KIND_REF);
    if (!schema_find_class(schema_field(field)->type.of, &class))
        return NULL;
    return store_find(pool, class, object_text(object, field));
}

void object_set_text(struct pool *pool, struct object *object, enum field_id field,
                     const char *text)
{
    union value *value = value_to_change(object, field);
    const struct field *row = schema_field(field);
    char *old = value->text;

    assert(is_text_kind(row->type.kind));
    if (!text)
        text = row->default_text;
    if (strcmp(object_text(object, field), text) == 0)
        return;
    value->text = strcmp(text, row->default_text) == 0 ? NULL : mem_dup(text);
    store_move_back_reference(pool, object, field, old, value->text);
    free(old);
    store_note_change(pool, object);
}

void object_set_int(struct pool *pool, struct object *object, enum field_id field, int64_t number)
{
    union value *value = value_to_change(object, field);

    assert(schema_field(field)->type.kind == KIND_INT);
    if (value->number == number)
        return;
    value->number = number;
    store_note_change(pool, object);
}

void object_set_bool(struct pool *pool, struct object *object, enum field_id field, bool is_true)
{
    union value *value = value_to_change(object, field);

    assert(schema_field(field)->type.kind == KIND_BOOL);
    if ((value->number != 0) == is_true)
        return;
    value->number = is_true;
    store_note_change(pool, object);
}

void object_set_float(struct pool *pool, struct object *object, enum field_id field, double real)
{
    union value *value = value_to_change(object, field);

    assert(schema_field(field)->type.kind == KIND_FLOAT);
    if (value->real >= real && value->real <= real)
        return;
    value->real = real;
    store_note_change(pool, object);
}

static bool sets_equal(const struct text_list *a, const struct text_list *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

void object_set_set(struct pool *pool, struct object *object, enum field_id field,
                    const struct text_list *items)
{
    union value *value = value_to_change(object, field);

    if (sets_equal(object_set(object, field), items ? items : &empty_set))
        return;
    if (!value->set)
        value->set = mem_zero(1, sizeof *value->set);
    text_list_copy(value->set, items ? items : &empty_set);
    store_note_change(pool, object);
}

static bool maps_equal(const struct text_map *a, const struct text_map *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->pairs[i].key, b->pairs[i].key) != 0 ||
            strcmp(a->pairs[i].value, b->pairs[i].value) != 0)
            return false;
    return true;
}

void object_set_map(struct pool *pool, struct object *object, enum field_id field,
                    const struct text_map *pairs)
{
    union value *value = value_to_change(object, field);

    if (maps_equal(object_map(object, field), pairs ? pairs : &empty_map))
        return;
    if (!value->map)
        value->map = mem_zero(1, sizeof *value->map);
    text_map_copy(value->map, pairs ? pairs : &empty_map);
    store_note_change(pool, object);
}

void object_set_add(struct pool *pool, struct object *object, enum field_id field, const char *item)
{
    union value *value = value_to_change(object, field);

    if (text_list_has(object_set(object, field), item))
        return;
    if (!value->set)
        value->set = mem_zero(1, sizeof *value->set);
    text_list_add(value->set, item);
    store_note_change(pool, object);
}

void object_set_remove(struct pool *pool, struct object *object, enum field_id field,
                       const char *item)
{
    struct text_list *set = value_to_change(object, field)->set;
    size_t kept = 0;

    if (!text_list_has(object_set(object, field), item))
        return;
    for (size_t i = 0; i < set->n; i++) {
        if (strcmp(set->items[i], item) == 0)
            free(set->items[i]);
        else
            set->items[kept++] = set->items[i];
    }
    set->n = kept;
    store_note_change(pool, object);
}

void object_map_put(struct pool *pool, struct object *object, enum field_id field, const char *key,
                    const char *text)
{
    union value *value = value_to_change(object, field);
    const char *old = object_map_get(object, field, key);

    if (old && strcmp(old, text) == 0)
        return;
    if (!value->map)
        value->map = mem_zero(1, sizeof *value->map);
    text_map_set(value->map, key, text);
    if (!old) { /* as XAPI's database does: a new key stands first */
        struct text_pair added = value->map->pairs[value->map->n - 1];
        memmove(value->map->pairs + 1, value->map->pairs,
                (value->map->n - 1) * sizeof *value->map->pairs);
        value->map->pairs[0] = added;
    }
    store_note_change(pool, object);
}

void object_map_remove(struct pool *pool, struct object *object, enum field_id field,
                       const char *key)
{
    struct text_map *map = value_to_change(object, field)->map;
    size_t kept = 0;

    if (!object_map_get(object, field, key))
        return;
    for (size_t i = 0; i < map->n; i++) {
        if (strcmp(map->pairs[i].key, key) == 0) {
            free(map->pairs[i].key);
            free(map->pairs[i].value);
        } else {
            map->pairs[kept++] = map->pairs[i];
        }
    }
    map->n = kept;
    store_note_change(pool, object);
}

void object_touch(struct pool *pool, struct object *object)
{
    store_note_change(pool, object);
}
