/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A hash table from references to indexes, for pools of many thousand objects.
 *
 * Keys are borrowed: they must live as long as the table. References are random texts that XAPI
 * makes, so a plain hash will do.
 */
#ifndef ONYX_COMMON_XAPI_REF_TABLE_H
#define ONYX_COMMON_XAPI_REF_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"

#define REF_TABLE_NONE SIZE_MAX

struct ref_slot {
    const char *ref; /* NULL empty */
    size_t index;
    uint32_t hash;
};

struct ref_table {
    struct ref_slot *slots;
    size_t n;
    size_t cap; /* 0 or a power of two */
};

void ref_table_done(struct ref_table *table);

/* A reference that is there already keeps its first index. */
void ref_table_add(struct ref_table *table, const char *ref, size_t index);

/* REF_TABLE_NONE when absent or ref is NULL. */
size_t ref_table_find(const struct ref_table *table, const char *ref);

#endif
