/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where in an array the things of an id stand: a hash table from text to numbers.
 *
 * One id may have several numbers. The table keeps no texts: what it gives is to be compared.
 * Nothing is ever taken out.
 */
#ifndef ONYX_COORDINATOR_ID_INDEX_H
#define ONYX_COORDINATOR_ID_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct id_index_slot {
    uint64_t hash;
    size_t number_1; /* number + 1; 0: free */
};

struct id_index {
    struct id_index_slot *slots; /* as many as a power of two */
    size_t cap;
    size_t n;
};

#define ID_INDEX_NONE SIZE_MAX

void id_index_done(struct id_index *index);
void id_index_add(struct id_index *index, const char *id, size_t number);

/* The next number that may be of this id, or ID_INDEX_NONE; *cursor is 0 at first. */
size_t id_index_next(const struct id_index *index, const char *id, size_t *cursor);

#endif
