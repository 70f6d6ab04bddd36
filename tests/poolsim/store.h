/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pool's objects: XAPI's database.
 *
 * An object has a class, a reference, a uuid and one value per field of its class: text (text,
 * date, ref, enum), number (int, bool), float, set or map. Back references (VM.VBDs, VDI.VBDs,
 * SR.VDIs, VM.snapshots, host.resident_VMs ...) are kept by the store itself: set the forward
 * field (VBD.VM, VDI.SR, VM.snapshot_of, VM.resident_on ...) and never the set. allowed_operations
 * are worked out when read (operations.h). Every change is seen by event.from and wakes waiters.
 *
 * Lock:  the pool's lock is held for every call.
 * Owns:  texts, sets and maps that are read are borrowed until the next change of that field;
 *        copy them before unlocking. Object pointers end with store_destroy: across an unlock keep
 *        the reference and look it up again.
 */
#ifndef ONYX_TESTS_POOLSIM_STORE_H
#define ONYX_TESTS_POOLSIM_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text_list.h"
#include "common/base/text_map.h"
#include "tests/poolsim/pool.h"
#include "tests/poolsim/schema.h"

#define REF_NULL "OpaqueRef:NULL"

struct object;

/* New object with a fresh reference and uuid (where the class has one) and the type's defaults.
 * The add event is seen once the lock is given up: fill it in the same locked section. */
struct object *store_create(struct pool *pool, enum class_id class);
/* With a uuid of the caller (restore=true, pool file). NULL uuid: fresh. */
struct object *store_create_with_uuid(struct pool *pool, enum class_id class, const char *uuid);
void store_destroy(struct pool *pool, struct object *object);

struct object *store_find(struct pool *pool, enum class_id class, const char *ref);
struct object *store_find_uuid(struct pool *pool, enum class_id class, const char *uuid);
/* By reference or uuid, as the data handlers' "vdi=" takes them. */
struct object *store_find_any(struct pool *pool, enum class_id class, const char *ref_or_uuid);
struct object *store_first(struct pool *pool, enum class_id class);
struct object *store_next(struct pool *pool, const struct object *object);
size_t store_count(struct pool *pool, enum class_id class);

enum class_id object_class(const struct object *object);
const char *object_ref(const struct object *object);
const char *object_uuid(const struct object *object); /* "" if the class has none */

/* Read. Text: KIND_TEXT, DATE, REF (REF_NULL when unset), ENUM. Sets and maps are never NULL. */
const char *object_text(const struct object *object, enum field_id field);
int64_t object_int(const struct object *object, enum field_id field);
bool object_bool(const struct object *object, enum field_id field);
double object_float(const struct object *object, enum field_id field);
const struct text_list *object_set(const struct object *object, enum field_id field);
const struct text_map *object_map(const struct object *object, enum field_id field);
const char *object_map_get(const struct object *object, enum field_id field, const char *key);
/* The object that a ref field points at; NULL for null and dead references. */
struct object *object_follow(struct pool *pool, const struct object *object, enum field_id field);

/* Change. Setting the value that is there already makes no event. */
void object_set_text(struct pool *pool, struct object *object, enum field_id field,
                     const char *text);
void object_set_int(struct pool *pool, struct object *object, enum field_id field, int64_t value);
void object_set_bool(struct pool *pool, struct object *object, enum field_id field, bool value);
void object_set_float(struct pool *pool, struct object *object, enum field_id field, double value);
void object_set_set(struct pool *pool, struct object *object, enum field_id field,
                    const struct text_list *items); /* NULL: empty */
void object_set_map(struct pool *pool, struct object *object, enum field_id field,
                    const struct text_map *pairs); /* NULL: empty */
void object_set_add(struct pool *pool, struct object *object, enum field_id field,
                    const char *item);
void object_set_remove(struct pool *pool, struct object *object, enum field_id field,
                       const char *item);
void object_map_put(struct pool *pool, struct object *object, enum field_id field, const char *key,
                    const char *value);
void object_map_remove(struct pool *pool, struct object *object, enum field_id field,
                       const char *key);

/* Say that the object changed without changing it (event.inject, computed fields). */
void object_touch(struct pool *pool, struct object *object);

/* The record as XML-RPC value text ("<value><struct>...", as ova.xml has its snapshots). Appends.
 */
struct str;
void object_format_xml(struct pool *pool, const struct object *object, struct str *out);
/* The record as JSON text. Appends. */
void object_format_json(struct pool *pool, const struct object *object, struct str *out);

#endif
