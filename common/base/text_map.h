/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A map from text to text in order of insertion, as XAPI's other_config and our settings are.
 *
 * Look-up is linear: for maps of a few dozen keys.
 */
#ifndef ONYX_COMMON_BASE_TEXT_MAP_H
#define ONYX_COMMON_BASE_TEXT_MAP_H

#include <stddef.h>

#include "common/base/mem.h"

struct text_pair {
    char *key;
    char *value;
};

struct text_map {
    struct text_pair *pairs;
    size_t n;
    size_t cap;
};

#define TEXT_MAP_INIT                                                                              \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }
#define CLEAN_TEXT_MAP CLEANUP(text_map_done)

void text_map_done(struct text_map *map);
void text_map_set(struct text_map *map, const char *key, const char *value); /* replaces */
const char *text_map_get(const struct text_map *map, const char *key);       /* NULL if absent */
void text_map_copy(struct text_map *to, const struct text_map *from);

/* As Python prints a dictionary: "{'k': 'v'}". Caller frees. */
char *text_map_format(const struct text_map *map);

#endif
