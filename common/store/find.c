/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names are gathered first and files read afterwards: no folder is held open in the middle of a
 * listing.
 */
#include "common/store/find.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/format/meta.h"
#include "common/store/publish.h"
#include "common/store/root.h"

#include "common/base/poison.h"

#define FILE_SYSTEMS_OWN "lost+found"

static int note_meta(void *context, const char *name)
{
    if (name[0] != '.' && str_ends(name, PUBLISH_META))
        text_list_add(context, name);
    return 0;
}

static int note_any(void *context, const char *name)
{
    if (name[0] != '.')
        text_list_add(context, name);
    return 0;
}

/* 1 parsed, 0 gone or no .meta of any kind, -1 failed. */
static int read_meta(struct store *store, int folder, const char *name, struct meta *ret,
                     struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;
    struct error why = ERROR_INIT;
    int found = store_read_small(store, folder, name, &text, &why);
    if (found < 0 && why.code != ERROR_STORE_FOREIGN && why.code != ERROR_LIMIT) {
        if (err != NULL)
            *err = why;
        return -1;
    }
    if (found != 1)
        return 0;
    return meta_parse(str_text(&text), text.len, ret, &why) == 0 ? 1 : 0;
}

int find_backups(struct store *store, const char *folder, find_backup_fn *each, void *context,
                 struct error *err)
{
    struct error own = ERROR_INIT;
    err = err != NULL ? err : &own;
    CLEAN_FD int fd = -1;
    CLEAN_TEXT_LIST struct text_list names = TEXT_LIST_INIT;
    int is_there = store_find_folder(store, folder, &fd, err);
    if (is_there != 1)
        return is_there;
    if (store_list(store, fd, note_meta, &names, err) != 0)
        return -1;
    text_list_sort(&names);
    for (size_t i = names.n; i > 0; i--) { /* stems hold the time */
        CLEAN_META struct meta meta = {0};
        int found = read_meta(store, fd, names.items[i - 1], &meta, err);
        if (found < 0 ||
            (found == 1 && meta.is_ours && each(context, names.items[i - 1], &meta, err) != 0))
            return -1;
    }
    return 0;
}

static int tell_folder(struct store *store, const char *folder, find_folder_fn *entry,
                       void *context, struct error *err)
{
    struct error why = ERROR_INIT;
    CLEAN_FD int fd = -1;
    CLEAN_TEXT_LIST struct text_list names = TEXT_LIST_INIT;
    if (store_open_folder(store, folder, false, &fd, &why) != 0) {
        if (str_equal(folder, FILE_SYSTEMS_OWN)) /* root's alone, and root is nobody on a share */
            return 0;
        /* A file, a link, a name we could not have made, or gone meanwhile: no folder of ours. */
        if (why.code == ERROR_STORE_FOREIGN || why.code == ERROR_NOT_FOUND ||
            why.code == ERROR_BAD_INPUT)
            return 0;
        if (err != NULL)
            *err = why;
        return -1;
    }
    if (store_list(store, fd, note_meta, &names, err) != 0)
        return -1;
    text_list_sort(&names);
    for (size_t i = names.n; i > 0; i--) {
        CLEAN_META struct meta meta = {0};
        int found = read_meta(store, fd, names.items[i - 1], &meta, err);
        if (found < 0)
            return -1;
        if (found == 1 && meta.vm_uuid != NULL && meta.vm_uuid[0] != '\0')
            return entry(context, folder, meta.vm_uuid, err);
    }
    return entry(context, folder, NULL, err);
}

int find_folders(struct store *store, find_folder_fn *entry, void *context, struct error *err)
{
    CLEAN_TEXT_LIST struct text_list names = TEXT_LIST_INIT;
    if (store_list(store, -1, note_any, &names, err) != 0)
        return -1;
    text_list_sort(&names);
    for (size_t i = 0; i < names.n; i++)
        if (tell_folder(store, names.items[i], entry, context, err) != 0)
            return -1;
    return 0;
}
