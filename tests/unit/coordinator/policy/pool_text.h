/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pools for policy tests, told in a few lines of text, and case files that hold such pools.
 *
 * Lines (names without spaces; "_" in a VM's name stays):
 *   host NAME [disabled] [down]
 *   sr NAME [iso] [nosnap] [on HOST...]
 *   vm NAME [template|control] [snapshot-of=VM] [mark=JOB/LEASE] [foreign-mark] [name=TEXT]
 *           [blocked=TEXT] [vusb] [suspended] [hour=N]
 *   disk VM DEVICE SR MIB [used=MIB] [cd] [missing] [sharable] [reset] [parent=VDI] [as=VDI]
 *           [snapshot-of=VDI] [mark=JOB/LEASE] [hour=N]          VM "-" is nobody's
 * uuids are made from the kind and the name; a mark names its bearer unless foreign.
 */
#ifndef ONYX_TESTS_UNIT_COORDINATOR_POLICY_POOL_TEXT_H
#define ONYX_TESTS_UNIT_COORDINATOR_POLICY_POOL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/model/pool.h"

/* Add what a line says; false when it is no pool line. Fails the test when it is a bad one. */
bool pool_text_add(struct pool *pool, const char *line);

/* The name behind a uuid of the pool, for printing; the uuid itself if there is none. */
const char *pool_text_name(const struct pool *pool, const char *uuid);
void pool_text_add_names(const struct pool *pool, const struct text_list *uuids, struct str *out);

/* The value of "key=value" among the words of a line, NULL if there is none. Borrowed. */
const char *pool_text_value(const struct text_list *words, const char *key);
void pool_text_words(const char *line, struct text_list *ret_words);

/*
 * Run a case file: "== NAME" begins a case, its lines follow, "--" parts them from the expected
 * text. run gets the lines of one case and appends what came out.
 */
typedef void pool_text_run_fn(const struct text_list *lines, struct str *out);
void pool_text_run_cases(const char *file, pool_text_run_fn *run);

#endif
