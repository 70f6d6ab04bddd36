/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The name stands behind the last colon, so whatever a regex holds before it stays whole.
 */
#include "coordinator/policy/hook_list.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/model/pool.h"
#include "coordinator/policy/entry.h"
#include "coordinator/policy/select.h"

#include "common/base/poison.h"

#define NAME_MAX_BYTES 32

static int parse(const char *text, struct entry *entry, char **ret_name, struct error *err)
{
    const char *colon = strrchr(text, ':');
    CLEAN_TEXT_LIST struct text_list ignored = TEXT_LIST_INIT;
    CLEAN_CHAR char *name = mem_dup(colon != NULL ? colon + 1 : "");
    const char *trimmed = str_trim(name);
    size_t n = strlen(trimmed);
    if (colon == NULL || n == 0 || n > NAME_MAX_BYTES ||
        strspn(trimmed, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != n)
        return error_set(err, ERROR_BAD_INPUT, "entry \"%s\": it is NAME-OR-REGEX:HOOK", text);
    CLEAN_CHAR char *pattern = mem_dup_n(text, (size_t)(colon - text));
    if (entry_parse(pattern, entry, &ignored, err) < 0)
        return -1;
    *ret_name = mem_dup(trimmed);
    return 0;
}

static int give(const struct entry *entry, const char *name, const struct pool *pool,
                struct selected_list *list, struct error *err)
{
    for (size_t i = 0; i < list->n; i++) {
        struct selected *item = &list->items[i];
        int matches = entry_match(entry, pool->vms[item->vm].name, err);
        if (matches < 0)
            return -1;
        if (matches == 1 && item->hook == NULL)
            item->hook = mem_dup(name);
    }
    return 0;
}

int hook_list_apply(const struct text_list *texts, const struct pool *pool, bool is_strict,
                    struct selection *selection, struct error *err)
{
    for (size_t i = 0; texts != NULL && i < texts->n; i++) {
        CLEAN_ENTRY struct entry entry = {0};
        CLEAN_CHAR char *name = NULL;
        struct error why = ERROR_INIT;
        if (parse(texts->items[i], &entry, &name, &why) == 0 &&
            give(&entry, name, pool, &selection->vdi_exports, &why) == 0 &&
            give(&entry, name, pool, &selection->vm_exports, &why) == 0)
            continue;
        if (is_strict)
            return error_set(err, ERROR_SETTINGS, "hooks: %s", why.text);
        text_list_add_format(&selection->warnings, "hooks: %s; skipped", why.text);
    }
    return 0;
}
