/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A small file of lines, read and replaced whole.
 */
#include "common/store/pins.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/store/root.h"
#include "common/store/trouble.h"

#include "common/base/poison.h"

/* 1 open, 0 not there (and not wanted), -1 failed. */
static int open_state(struct store *store, bool create, int *ret_fd, struct error *err)
{
    const struct store_ops *ops = store_ops(store);
    struct error why = ERROR_INIT;
    CLEAN_FD int own = -1;

    if (store_open_own(store, create, &own, &why) != 0) {
        if (why.code == ERROR_NOT_FOUND && !create)
            return 0;
        if (err != NULL)
            *err = why;
        return -1;
    }
    int fd = ops->open(ops->context, own, PINS_FOLDER, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 && errno == ENOENT && !create)
        return 0;
    if (fd < 0 && errno == ENOENT) {
        if (ops->mkdir(ops->context, own, PINS_FOLDER, 0755) != 0 && errno != EEXIST)
            return trouble_set(err, errno, "make the folder " PINS_FOLDER);
        if (store_sync(store, own, "the store's own folder", err) != 0)
            return -1;
        fd = ops->open(ops->context, own, PINS_FOLDER, O_RDONLY | O_DIRECTORY, 0);
    }
    if (fd < 0)
        return trouble_set(err, errno, "open the folder " PINS_FOLDER);
    *ret_fd = fd;
    return 1;
}

static int read_text(struct store *store, struct str *text, struct error *err)
{
    CLEAN_FD int state = -1;
    int opened = open_state(store, false, &state, err);

    if (opened != 1)
        return opened;
    return store_read_small(store, state, PINS_FILE, text, err) < 0 ? -1 : 0;
}

int pins_read(struct store *store, struct text_list *ret_paths, struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;

    if (read_text(store, &text, err) != 0)
        return error_add(err, "read the pinned backups");
    const char *at = str_text(&text);
    while (*at != '\0') {
        size_t n = strcspn(at, "\n");
        if (n > 0)
            text_list_add_take(ret_paths, mem_dup_n(at, n));
        at += at[n] == '\n' ? n + 1 : n;
    }
    return 0;
}

int pins_write(struct store *store, const struct text_list *paths, struct error *err)
{
    CLEAN_STR struct str old = STR_INIT;
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_FD int state = -1;

    for (size_t i = 0; i < paths->n; i++)
        str_add_format(&text, "%s\n", paths->items[i]);
    if (text.len > STORE_SMALL_MAX)
        return error_set(err, ERROR_LIMIT, "%zu backups are pinned: too many", paths->n);
    if (read_text(store, &old, err) != 0)
        return error_add(err, "read the pinned backups");
    if (strcmp(str_text(&old), str_text(&text)) == 0)
        return 0;
    if (open_state(store, true, &state, err) < 0 ||
        store_replace_small(store, state, PINS_FILE, 0644, str_text(&text), text.len, err) != 0)
        return error_add(err, "write the pinned backups");
    return 0;
}
