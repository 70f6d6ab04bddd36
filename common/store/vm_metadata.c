/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Written before its backup is published and pruned by later ones: a file too many does no harm.
 */
#include "common/store/vm_metadata.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/model/backup.h"
#include "common/store/root.h"

#include "common/base/poison.h"

static int open_metadata(struct store *store, const char *folder, int *ret_fd, struct error *err)
{
    CLEAN_FD int own = -1;
    CLEAN_FD int all = -1;
    if (store_open_own(store, true, &own, err) != 0 ||
        store_open_below(store, own, VM_METADATA_FOLDER, true, &all, err) != 0)
        return -1;
    return store_open_below(store, all, folder, true, ret_fd, err);
}

int vm_metadata_write(struct store *store, const char *folder, const char *stem, const char *bytes,
                      size_t n, struct error *err)
{
    CLEAN_FD int fd = -1;
    CLEAN_CHAR char *name = str_format("%s" VM_METADATA_SUFFIX, stem);
    if (store_check_name(name, err) != 0 || open_metadata(store, folder, &fd, err) != 0)
        return -1;
    return store_replace_small(store, fd, name, 0644, bytes, n, err);
}

static int note_name(void *context, const char *name)
{
    text_list_add(context, name);
    return 0;
}

static bool is_used(const struct text_list *files, const char *stem)
{
    for (size_t i = 0; i < files->n; i++) {
        const char *file = files->items[i];
        CLEAN_CHAR char *own = str_format("%.*s", (int)strcspn(file, "."), file);
        if (backup_stem_is_of(own, stem))
            return true;
    }
    return false;
}

int vm_metadata_prune(struct store *store, const char *folder, struct error *err)
{
    CLEAN_FD int kept = -1;
    CLEAN_FD int backups = -1;
    CLEAN_TEXT_LIST struct text_list names = TEXT_LIST_INIT;
    CLEAN_TEXT_LIST struct text_list files = TEXT_LIST_INIT;
    /* What is kept is listed first: a file that comes meanwhile is not among it. */
    if (open_metadata(store, folder, &kept, err) != 0 ||
        store_list(store, kept, note_name, &names, err) != 0 ||
        store_open_folder(store, folder, false, &backups, err) != 0 ||
        store_list(store, backups, note_name, &files, err) != 0)
        return -1;
    for (size_t i = 0; i < names.n; i++) {
        const char *name = names.items[i];
        CLEAN_CHAR char *stem = str_format("%.*s", (int)strcspn(name, "."), name);
        if ((str_ends(name, VM_METADATA_SUFFIX) ||
             str_ends(name, VM_METADATA_SUFFIX STORE_BESIDE)) &&
            !is_used(&files, stem) &&
            store_unlink(store, kept, name, err) < 0)
            return -1;
    }
    return 0;
}
