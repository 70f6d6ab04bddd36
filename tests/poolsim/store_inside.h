/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inside of the store, for store.c, object.c and event.c only.
 *
 * Every object stands in three lists: its class's (in order of making), the hash of references
 * and uuids, and the list of all objects in order of their last change, which is what event.from
 * walks from its end.
 */
#ifndef ONYX_TESTS_POOLSIM_STORE_INSIDE_H
#define ONYX_TESTS_POOLSIM_STORE_INSIDE_H

#include "tests/poolsim/store.h"

#define DELETED_MAX 16384 /* deletions that event.from still tells of */

union value {
    char *text; /* NULL: the field's default */
    int64_t number;
    double real;
    struct text_list *set; /* NULL: empty */
    struct text_map *map;  /* NULL: empty */
};

struct object {
    enum class_id class;
    char ref[REF_MAX];
    char uuid[UUID_TEXT_MAX];
    uint64_t made_n;    /* number of the change that made it */
    uint64_t changed_n; /* number of its last change */
    struct object *class_next, *class_prev;
    struct object *change_next, *change_prev; /* towards the newest, the oldest */
    struct object *ref_next, *uuid_next;      /* hash chains */
    union value values[];
};

struct deletion {
    enum class_id class;
    char ref[REF_MAX];
    uint64_t made_n;
    uint64_t changed_n;
};

struct store {
    struct object *first[CLASSES_N], *last[CLASSES_N];
    size_t count[CLASSES_N];
    struct object *oldest, *newest;
    struct object **refs, **uuids; /* hash tables of the same size */
    size_t slots;
    size_t objects;
    uint64_t change_n;
    uint64_t message_n;         /* the second number of event tokens */
    struct deletion *deletions; /* ring */
    size_t deletions_n;         /* ever written */
};

struct store *store_new(void);
void store_free(struct store *store);

/* Note a change of the object: its number, its place in the list, the waiters. */
void store_note_change(struct pool *pool, struct object *object);

/* The object's place in sets that refer to it, after one of its ref fields changed from old. */
void store_move_back_reference(struct pool *pool, struct object *object, enum field_id field,
                               const char *old_ref, const char *new_ref);
void object_free(struct object *object);

/* All objects of a class in XAPI's order: references descending. *ret_n items; caller frees. */
struct object **store_sorted(struct pool *pool, enum class_id class, size_t *ret_n);

#endif
