/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Open addressing with linear steps, at most half full; FNV-1a.
 */
#include "common/xapi/ref_table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/poison.h"

#define REF_TABLE_FIRST 64

void ref_table_done(struct ref_table *table)
{
    free(table->slots);
    memset(table, 0, sizeof *table);
}

static uint32_t ref_hash(const char *ref)
{
    uint32_t hash = 2166136261u;

    for (; *ref; ref++)
        hash = (hash ^ (unsigned char)*ref) * 16777619u;
    return hash;
}

/* The slot of ref, or the empty one where it belongs. cap > n. */
static struct ref_slot *slot_find(const struct ref_table *table, const char *ref, uint32_t hash)
{
    for (size_t i = hash & (table->cap - 1);; i = (i + 1) & (table->cap - 1)) {
        struct ref_slot *slot = &table->slots[i];

        if (!slot->ref || (slot->hash == hash && !strcmp(slot->ref, ref)))
            return slot;
    }
}

static void ref_table_grow(struct ref_table *table)
{
    struct ref_table larger = {.n = table->n, .cap = table->cap ? 2 * table->cap : REF_TABLE_FIRST};

    larger.slots = mem_zero(larger.cap, sizeof *larger.slots);
    for (size_t i = 0; i < table->cap; i++)
        if (table->slots[i].ref)
            *slot_find(&larger, table->slots[i].ref, table->slots[i].hash) = table->slots[i];
    free(table->slots);
    *table = larger;
}

void ref_table_add(struct ref_table *table, const char *ref, size_t index)
{
    uint32_t hash = ref_hash(ref);

    if (2 * (table->n + 1) > table->cap)
        ref_table_grow(table);
    struct ref_slot *slot = slot_find(table, ref, hash);

    if (slot->ref)
        return;
    *slot = (struct ref_slot){ref, index, hash};
    table->n++;
}

size_t ref_table_find(const struct ref_table *table, const char *ref)
{
    if (!ref || !table->cap)
        return REF_TABLE_NONE;
    const struct ref_slot *slot = slot_find(table, ref, ref_hash(ref));

    return slot->ref ? slot->index : REF_TABLE_NONE;
}
