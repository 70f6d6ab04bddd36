/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Open addressing, at most half full, so that a search always meets a free slot.
 */
#include "coordinator/dispatch/id_index.h"

#include <stdlib.h>

#include "common/base/mem.h"

#include "common/base/poison.h"

#define FIRST_CAP 64

static uint64_t hash_id(const char *id)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (; *id; id++)
        hash = (hash ^ (unsigned char)*id) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

void id_index_done(struct id_index *index)
{
    free(index->slots);
    *index = (struct id_index){0};
}

static void put(struct id_index *index, uint64_t hash, size_t number_1)
{
    size_t at = (size_t)hash & (index->cap - 1);

    while (index->slots[at].number_1 != 0)
        at = (at + 1) & (index->cap - 1);
    index->slots[at] = (struct id_index_slot){hash, number_1};
}

static void grow(struct id_index *index)
{
    struct id_index old = *index;

    index->cap = old.cap ? old.cap * 2 : FIRST_CAP;
    index->slots = mem_zero(index->cap, sizeof *index->slots);
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].number_1 != 0)
            put(index, old.slots[i].hash, old.slots[i].number_1);
    free(old.slots);
}

void id_index_add(struct id_index *index, const char *id, size_t number)
{
    if (index->n * 2 >= index->cap)
        grow(index);
    put(index, hash_id(id), number + 1);
    index->n++;
}

size_t id_index_next(const struct id_index *index, const char *id, size_t *cursor)
{
    uint64_t hash = hash_id(id);

    for (; index->cap > 0; (*cursor)++) {
        const struct id_index_slot *slot =
            &index->slots[((size_t)hash + *cursor) & (index->cap - 1)];

        if (slot->number_1 == 0)
            break;
        if (slot->hash == hash) {
            (*cursor)++;
            return slot->number_1 - 1;
        }
    }
    return ID_INDEX_NONE;
}
