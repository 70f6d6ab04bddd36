/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A list of texts that owns its members: names, tags, warnings, option values.
 */
#ifndef ONYX_COMMON_BASE_TEXT_LIST_H
#define ONYX_COMMON_BASE_TEXT_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/mem.h"

struct text_list {
    char **items;
    size_t n;
    size_t cap;
};

#define TEXT_LIST_INIT                                                                             \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }
#define CLEAN_TEXT_LIST CLEANUP(text_list_done)

void text_list_done(struct text_list *list);
void text_list_add(struct text_list *list, const char *text);
void text_list_add_take(struct text_list *list, char *text);
void text_list_add_format(struct text_list *list, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool text_list_has(const struct text_list *list, const char *text);
void text_list_copy(struct text_list *to, const struct text_list *from);
void text_list_sort(struct text_list *list);

#endif
