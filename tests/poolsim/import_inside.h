/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inside of imports, for import_objects.c and import_vm.c only.
 */
#ifndef ONYX_TESTS_POOLSIM_IMPORT_INSIDE_H
#define ONYX_TESTS_POOLSIM_IMPORT_INSIDE_H

#include "tests/poolsim/import_objects.h"
#include "tests/poolsim/store.h"

/* Fields of a record of the file; "", 0 or false when absent. Borrowed. */
const char *import_text(const json_t *record, const char *field);
bool import_bool(const json_t *record, const char *field);
int64_t import_int(const json_t *record, const char *field);
const char *import_map_text(const json_t *record, const char *field, const char *key); /* NULL */

const json_t *import_find(const struct import *import, const char *id); /* record, NULL */
const char *import_lookup(const struct import *import, const char *id); /* reference, NULL */
int import_fail_lookup(const char *id, struct failure *failure);

/* Copy every value of the record that is no reference, but for the skipped names. */
void import_set_fields(struct import *import, struct object *object, const json_t *record,
                       const char *const *skipped);

int import_make_vdi(struct import *import, const char *id, const json_t *record,
                    struct failure *failure);
int import_make_vm(struct import *import, const char *id, const json_t *record,
                   struct failure *failure);
int import_make_vbd(struct import *import, const char *id, const json_t *record,
                    struct failure *failure);
int import_make_vif(struct import *import, const char *id, const json_t *record,
                    struct failure *failure);
int import_make_vtpm(struct import *import, const char *id, const json_t *record,
                     struct failure *failure);

/* snapshot_of and parent of what was made, once all VMs are there. */
void import_link_snapshots(struct import *import);

#endif
