/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The catalog decides about what it knows; of what it does not (it was lost and is made anew) the
 * store's list goes on speaking.
 */
#include "coordinator/pins.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/store/pins.h"
#include "coordinator/catalog/catalog.h"

#include "common/base/poison.h"

static int add_pinned(void *context, const struct backup *backup, struct error *err)
{
    (void)err;
    if (backup->is_pinned)
        text_list_add_format(context, "%s/%s", backup->folder, backup->file);
    return 0;
}

static int add_unknown(struct catalog *catalog, const char *path, struct text_list *paths,
                       struct error *err)
{
    CLEAN_CHAR char *folder = mem_dup(path);
    char *slash = strchr(folder, '/');

    if (!slash)
        return 0;
    *slash = '\0';
    int known = catalog_knows_backup(catalog, folder, slash + 1, err);
    if (known == 0)
        text_list_add(paths, path);
    return known < 0 ? -1 : 0;
}

int pins_publish(struct catalog *catalog, struct store *store, struct error *err)
{
    CLEAN_TEXT_LIST struct text_list paths = TEXT_LIST_INIT;
    CLEAN_TEXT_LIST struct text_list listed = TEXT_LIST_INIT;

    if (catalog_each_backup(catalog, NULL, add_pinned, &paths, err) < 0 ||
        pins_read(store, &listed, err) < 0)
        return -1;
    for (size_t i = 0; i < listed.n; i++)
        if (add_unknown(catalog, listed.items[i], &paths, err) < 0)
            return -1;
    text_list_sort(&paths);
    return pins_write(store, &paths, err);
}

int pins_regain(struct catalog *catalog, struct store *store, struct error *err)
{
    CLEAN_TEXT_LIST struct text_list paths = TEXT_LIST_INIT;

    if (pins_read(store, &paths, err) < 0)
        return -1;
    for (size_t i = 0; i < paths.n; i++) {
        char *slash = strchr(paths.items[i], '/');
        size_t ignored = 0;

        if (!slash)
            continue;
        *slash = '\0';
        if (catalog_pin_backup(catalog, paths.items[i], slash + 1, true, &ignored, err) < 0)
            return -1;
    }
    return 0;
}
