/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SHA256SUMS read whole, its lines kept but for those of the given files, written anew.
 *
 * Lines are "<64 hex>  <folder>/<file>". A name with a backslash or a line feed would be escaped by
 * sha256sum; names in the store hold neither (common/model/name_on_share).
 */
#include "common/store/sums.h"

#include <fcntl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/store/root.h"
#include "common/store/trouble.h"

#include "common/base/poison.h"

#define DIGEST_DIGITS 64

static int read_sums(struct store *store, int own, struct str *out, struct error *err)
{
    const struct store_ops *ops = store_ops(store);
    CLEAN_FD int fd = ops->open(ops->context, own, SUMS_FILE, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return trouble_set(err, errno, "open " SUMS_FILE);
    for (;;) {
        char *room = str_reserve(out, 65536);
        ssize_t got = ops->read(ops->context, fd, room, 65536);
        if (got < 0)
            return trouble_set(err, errno, "read " SUMS_FILE);
        if (got == 0)
            return 0;
        str_set_len(out, out->len + (size_t)got);
        if (out->len > SUMS_MAX)
            return error_set(err, ERROR_LIMIT, SUMS_FILE " is larger than %u bytes", SUMS_MAX);
    }
}

static int compare_texts(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

/* Keep the old lines whose path is not in the sorted list, nor known to be gone. */
static int keep_lines(const struct str *old, const struct text_list *paths, sums_gone_fn *is_gone,
                      void *context, struct str *out, struct error *err)
{
    const char *at = str_text(old);
    const char *end = at + old->len;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((line_end != NULL ? line_end : end) - at);
        CLEAN_CHAR char *line = mem_dup_n(at, n);
        const char *path = n > DIGEST_DIGITS + 2 ? line + DIGEST_DIGITS + 2 : "";
        bool is_ours = paths->n > 0 && bsearch(&path, paths->items, paths->n,
                                               sizeof *paths->items, compare_texts) != NULL;
        int gone = is_ours || is_gone == NULL || path[0] == '\0' ? 0 : is_gone(context, path, err);
        if (gone < 0)
            return -1;
        if (n > 0 && !is_ours && gone == 0) {
            str_add(out, line);
            str_add_char(out, '\n');
        }
        at += n + 1;
    }
    return 0;
}

int sums_update(struct store *store, const struct sums_entry *entries, size_t n,
                sums_gone_fn *is_gone, void *context, struct error *err)
{
    CLEAN_FD int own = -1;
    CLEAN_STR struct str old = STR_INIT;
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_TEXT_LIST struct text_list paths = TEXT_LIST_INIT;
    for (size_t i = 0; i < n; i++) {
        if (store_check_name(entries[i].folder, err) != 0 ||
            store_check_name(entries[i].file, err) != 0)
            return -1;
        text_list_add_format(&paths, "%s/%s", entries[i].folder, entries[i].file);
    }
    text_list_sort(&paths);
    if (store_open_own(store, true, &own, err) != 0 || read_sums(store, own, &old, err) != 0 ||
        keep_lines(&old, &paths, is_gone, context, &text, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (entries[i].sha256 != NULL)
            str_add_format(&text, "%s  %s/%s\n", entries[i].sha256, entries[i].folder,
                           entries[i].file);
    return store_replace_small(store, own, SUMS_FILE, 0644, str_text(&text), text.len, err);
}

/* ---- one line of many ---- */

#define LOOK_BYTES 65536

/* Whether a line is that of path; its digest then. */
static bool is_line_of(const char *line, size_t n, const char *path, char **ret_sha256)
{
    size_t path_n = strlen(path);

    if (n != DIGEST_DIGITS + 2 + path_n || memcmp(line + DIGEST_DIGITS + 2, path, path_n) != 0)
        return false;
    *ret_sha256 = mem_dup_n(line, DIGEST_DIGITS);
    return true;
}

int sums_find(struct store *store, const char *folder, const char *file, char **ret_sha256,
              struct error *err)
{
    const struct store_ops *ops = store_ops(store);
    CLEANUP(mem_free_void) char *block = mem_zero(1, LOOK_BYTES);
    CLEAN_CHAR char *path = str_format("%s/%s", folder, file);
    struct error why = ERROR_INIT;
    CLEAN_FD int own = -1;
    size_t held = 0;

    if (store_open_own(store, false, &own, &why) != 0) {
        if (why.code == ERROR_NOT_FOUND)
            return 0;
        return error_set(err, why.code, "%s", why.text);
    }
    CLEAN_FD int fd = ops->open(ops->context, own, SUMS_FILE, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        return errno == ENOENT ? 0 : trouble_set(err, errno, "open " SUMS_FILE);
    for (;;) {
        ssize_t got = ops->read(ops->context, fd, block + held, LOOK_BYTES - held);
        if (got < 0)
            return trouble_set(err, errno, "read " SUMS_FILE);
        const char *at = block, *end = block + held + got, *line_end = NULL;
        while ((line_end = memchr(at, '\n', (size_t)(end - at))) != NULL) {
            if (is_line_of(at, (size_t)(line_end - at), path, ret_sha256))
                return 1;
            at = line_end + 1;
        }
        held = (size_t)(end - at);
        if (got == 0)
            return is_line_of(at, held, path, ret_sha256);
        if (held == LOOK_BYTES) /* no line of ours is so long */
            held = 0;
        memmove(block, at, held);
    }
}
