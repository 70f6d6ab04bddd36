/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The catalog decides; the store's list is its copy.
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

int pins_publish(struct catalog *catalog, struct store *store, struct error *err)
{
    CLEAN_TEXT_LIST struct text_list paths = TEXT_LIST_INIT;

    if (catalog_each_backup(catalog, NULL, add_pinned, &paths, err) < 0)
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
