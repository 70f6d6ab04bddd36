/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lists and hashes that objects stand in, and the back references between them.
 */
#include "tests/poolsim/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "tests/poolsim/store_inside.h"

#include "common/base/poison.h"

#define SLOTS_FIRST 4096

struct store *store_new(void)
{
    struct store *store = mem_zero(1, sizeof *store);

    store->slots = SLOTS_FIRST;
    store->refs = mem_zero(store->slots, sizeof *store->refs);
    store->uuids = mem_zero(store->slots, sizeof *store->uuids);
    store->deletions = mem_zero(DELETED_MAX, sizeof *store->deletions);
    return store;
}

void store_free(struct store *store)
{
    if (!store)
        return;
    for (struct object *object = store->oldest; object;) {
        struct object *next = object->change_next;
        object_free(object);
        object = next;
    }
    free(store->refs);
    free(store->uuids);
    free(store->deletions);
    free(store);
}

static size_t slot_of(const struct store *store, const char *text)
{
    uint64_t hash = UINT64_C(1469598103934665603);

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return (size_t)(hash ^ hash >> 32) % store->slots;
}

static void hash_in(struct store *store, struct object *object)
{
    size_t slot = slot_of(store, object->ref);

    object->ref_next = store->refs[slot];
    store->refs[slot] = object;
    if (object->uuid[0]) {
        slot = slot_of(store, object->uuid);
        object->uuid_next = store->uuids[slot];
        store->uuids[slot] = object;
    }
}

static void hash_out(struct store *store, struct object *object)
{
    struct object **at = &store->refs[slot_of(store, object->ref)];

    while (*at != object)
        at = &(*at)->ref_next;
    *at = object->ref_next;
    if (object->uuid[0]) {
        at = &store->uuids[slot_of(store, object->uuid)];
        while (*at != object)
            at = &(*at)->uuid_next;
        *at = object->uuid_next;
    }
}

static void hash_grow(struct store *store)
{
    free(store->refs);
    free(store->uuids);
    store->slots *= 4;
    store->refs = mem_zero(store->slots, sizeof *store->refs);
    store->uuids = mem_zero(store->slots, sizeof *store->uuids);
    for (struct object *object = store->oldest; object; object = object->change_next)
        hash_in(store, object);
}

static void change_out(struct store *store, struct object *object)
{
    if (object->change_prev)
        object->change_prev->change_next = object->change_next;
    else
        store->oldest = object->change_next;
    if (object->change_next)
        object->change_next->change_prev = object->change_prev;
    else
        store->newest = object->change_prev;
    object->change_next = object->change_prev = NULL;
}

static void change_in(struct store *store, struct object *object)
{
    object->change_prev = store->newest;
    if (store->newest)
        store->newest->change_next = object;
    else
        store->oldest = object;
    store->newest = object;
}

void store_note_change(struct pool *pool, struct object *object)
{
    struct store *store = pool->store;

    object->changed_n = ++store->change_n;
    if (store->newest != object) {
        change_out(store, object);
        change_in(store, object);
    }
    pool_notify(pool);
}

struct object *store_create_with_uuid(struct pool *pool, enum class_id class, const char *uuid)
{
    struct store *store = pool->store;
    const struct class_schema *schema = schema_class(class);
    struct object *object =
        mem_zero(1, sizeof *object + (size_t)schema->fields_n * sizeof(union value));
    char fresh[UUID_TEXT_MAX];
    enum field_id field;

    object->class = class;
    str_copy(object->ref, sizeof object->ref, "OpaqueRef:");
    str_copy(object->ref + 10, sizeof object->ref - 10, random_uuid(pool->random, fresh));
    if (schema_find_field(class, "uuid", &field))
        str_copy(object->uuid, sizeof object->uuid,
                 uuid && *uuid ? uuid : random_uuid(pool->random, fresh));
    if (store->objects >= store->slots)
        hash_grow(store);
    hash_in(store, object);
    store->objects++;
    store->count[class]++;
    object->class_prev = store->last[class];
    if (object->class_prev)
        object->class_prev->class_next = object;
    else
        store->first[class] = object;
    store->last[class] = object;
    change_in(store, object);
    object->made_n = object->changed_n = ++store->change_n;
    pool_notify(pool);
    return object;
}

struct object *store_create(struct pool *pool, enum class_id class)
{
    return store_create_with_uuid(pool, class, NULL);
}

void store_destroy(struct pool *pool, struct object *object)
{
    struct store *store = pool->store;
    const struct class_schema *schema = schema_class(object->class);
    struct deletion *deletion = &store->deletions[store->deletions_n++ % DELETED_MAX];

    for (int i = 0; i < schema->fields_n; i++)
        if (schema->fields[i].back != F_NONE)
            store_move_back_reference(pool, object, (enum field_id)((int)object->class * 256 + i),
                                      object->values[i].text, NULL);
    *deletion = (struct deletion){
        .class = object->class, .made_n = object->made_n, .changed_n = ++store->change_n};
    str_copy(deletion->ref, sizeof deletion->ref, object->ref);
    hash_out(store, object);
    change_out(store, object);
    if (object->class_prev)
        object->class_prev->class_next = object->class_next;
    else
        store->first[object->class] = object->class_next;
    if (object->class_next)
        object->class_next->class_prev = object->class_prev;
    else
        store->last[object->class] = object->class_prev;
    store->count[object->class]--;
    store->objects--;
    object_free(object);
    pool_notify(pool);
}

struct object *store_find(struct pool *pool, enum class_id class, const char *ref)
{
    struct object *object = pool->store->refs[slot_of(pool->store, ref)];

    while (object && (object->class != class || strcmp(object->ref, ref) != 0))
        object = object->ref_next;
    return object;
}

struct object *store_find_uuid(struct pool *pool, enum class_id class, const char *uuid)
{
    struct object *object = *uuid ? pool->store->uuids[slot_of(pool->store, uuid)] : NULL;

    while (object && (object->class != class || strcmp(object->uuid, uuid) != 0))
        object = object->uuid_next;
    return object;
}

struct object *store_find_any(struct pool *pool, enum class_id class, const char *ref_or_uuid)
{
    struct object *object = store_find(pool, class, ref_or_uuid);

    return object ? object : store_find_uuid(pool, class, ref_or_uuid);
}

struct object *store_first(struct pool *pool, enum class_id class)
{
    return pool->store->first[class];
}

struct object *store_next(struct pool *pool, const struct object *object)
{
    (void)pool;
    return object->class_next;
}

size_t store_count(struct pool *pool, enum class_id class)
{
    return pool->store->count[class];
}

static int compare_descending(const void *a, const void *b)
{
    const struct object *const *left = a;
    const struct object *const *right = b;

    return strcmp((*right)->ref, (*left)->ref);
}

struct object **store_sorted(struct pool *pool, enum class_id class, size_t *ret_n)
{
    size_t n = store_count(pool, class);
    struct object **objects = mem_zero(n + 1, sizeof *objects);
    size_t i = 0;

    for (struct object *object = store_first(pool, class); object; object = object->class_next)
        objects[i++] = object;
    assert(i == n);
    if (n > 1)
        qsort(objects, n, sizeof *objects, compare_descending);
    *ret_n = n;
    return objects;
}

/* Place of ref in a set kept descending; *ret_found says whether it is there. */
static size_t set_place(const struct text_list *set, const char *ref, bool *ret_found)
{
    size_t low = 0;
    size_t high = set->n;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(set->items[middle], ref);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_found = false;
    return low;
}

static void back_reference_put(struct pool *pool, struct object *target, enum field_id many,
                               const char *ref, bool is_in)
{
    union value *value = &target->values[FIELD_INDEX(many)];
    bool is_found;
    size_t place;

    if (!value->set)
        value->set = mem_zero(1, sizeof *value->set);
    place = set_place(value->set, ref, &is_found);
    if (is_found == is_in)
        return;
    if (is_in) {
        text_list_add(value->set, ref);
        char *item = value->set->items[value->set->n - 1];
        memmove(value->set->items + place + 1, value->set->items + place,
                (value->set->n - 1 - place) * sizeof(char *));
        value->set->items[place] = item;
    } else {
        free(value->set->items[place]);
        value->set->n--;
        memmove(value->set->items + place, value->set->items + place + 1,
                (value->set->n - place) * sizeof(char *));
    }
    store_note_change(pool, target);
}

void store_move_back_reference(struct pool *pool, struct object *object, enum field_id field,
                               const char *old_ref, const char *new_ref)
{
    enum field_id many = schema_field(field)->back;
    struct object *target;

    if (many == F_NONE)
        return;
    target = old_ref ? store_find(pool, FIELD_CLASS(many), old_ref) : NULL;
    if (target)
        back_reference_put(pool, target, many, object->ref, false);
    target = new_ref ? store_find(pool, FIELD_CLASS(many), new_ref) : NULL;
    if (target)
        back_reference_put(pool, target, many, object->ref, true);
}
