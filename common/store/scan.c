/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names first, files afterwards: no folder is held open in the middle of a listing.
 */
#include "common/store/scan.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/format/meta.h"
#include "common/model/backup.h"
#include "common/store/expire.h"
#include "common/store/publish.h"
#include "common/store/root.h"

#include "common/base/poison.h"

#define DIGITS "0123456789"

static const struct {
    const char *prefix;
    enum job_kind kind;
    const char *suffix;
} patterns[] = {
    {"backup_", JOB_BACKUP_VM, ".xva"},     {"backup_", JOB_BACKUP_VM, ".xva.gz"},
    {"backup_", JOB_BACKUP_VM, ".xva.zst"},   {"backup_", JOB_BACKUP_DISK, ".raw"},
    {"backup_", JOB_BACKUP_DISK, ".raw.gz"},  {"backup_", JOB_BACKUP_DISK, ".raw.zst"},
    {"backup_", JOB_BACKUP_DISK, ".vhd"},     {"backup_", JOB_BACKUP_DISK, ".vhd.gz"},
    {"backup_", JOB_BACKUP_DISK, ".vhd.zst"}, {"metadata_", JOB_BACKUP_POOL, ".db"},
    {"host_", JOB_BACKUP_HOST, ".xbk"},
};

/* "YYYYmmdd-HHMMSS", nothing behind it. */
static bool is_stamp(const char *text, size_t n)
{
    return n == SCAN_STAMP_MAX - 1 && strspn(text, DIGITS) == 8 && text[8] == '-' &&
           strspn(text + 9, DIGITS) >= 6;
}

/* What stands between prefix and suffix: "[device_]stamp". */
static bool parse_middle(const char *text, size_t n, struct scan_name *name)
{
    const char *under = n > SCAN_STAMP_MAX ? memrchr(text, '_', n) : NULL;
    size_t device_n = under != NULL ? (size_t)(under - text) : 0;
    const char *stamp = under != NULL ? under + 1 : text;
    size_t stamp_n = n - (size_t)(stamp - text);

    if (!is_stamp(stamp, stamp_n) || device_n >= sizeof name->device ||
        (device_n > 0 && name->kind != JOB_BACKUP_DISK) || (under != NULL && device_n == 0))
        return false;
    memcpy(name->device, text, device_n);
    memcpy(name->stamp, stamp, stamp_n);
    return true;
}

bool scan_parse_name(const char *file, struct scan_name *ret_name)
{
    size_t n = strlen(file);

    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        size_t before = strlen(patterns[i].prefix), behind = strlen(patterns[i].suffix);
        struct scan_name name = {.kind = patterns[i].kind};

        if (n <= before + behind || !str_starts(file, patterns[i].prefix) ||
            !str_ends(file, patterns[i].suffix) ||
            !parse_middle(file + before, n - before - behind, &name))
            continue;
        *ret_name = name;
        return true;
    }
    return false;
}

struct scan {
    struct store *store;
    const char *folder;
    int fd;
    struct text_list names;
    scan_file_fn *each;
    void *context;
};

static void scan_done(struct scan *scan)
{
    fd_close(&scan->fd);
    text_list_done(&scan->names);
}

static int note_name(void *context, const char *name)
{
    if (name[0] != '.')
        text_list_add(context, name);
    return 0;
}

/* 1 parsed, 0 not there or none, -1 failed. */
static int read_meta(struct scan *scan, const char *name, struct meta *ret, struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;
    struct error why = ERROR_INIT;
    int found = store_read_small(scan->store, scan->fd, name, &text, &why);

    if (found < 0 && why.code != ERROR_STORE_FOREIGN && why.code != ERROR_LIMIT) {
        *err = why;
        return -1;
    }
    return found == 1 && meta_parse(str_text(&text), text.len, ret, &why) == 0 ? 1 : 0;
}

static int tell_data(struct scan *scan, struct scan_file *file, struct error *err)
{
    CLEAN_CHAR char *meta_name = backup_meta_name(file->file);
    CLEAN_CHAR char *tombstone = str_format("%s" EXPIRE_TOMBSTONE, meta_name);
    CLEAN_META struct meta meta = {0};
    uint64_t ignored = 0;
    int found = read_meta(scan, meta_name, &meta, err);

    if (found < 0)
        return -1;
    file->kind = SCAN_STRAY;
    if (found == 1) {
        bool is_its = !meta.is_ours || (str_equal(meta.backup.file, file->file) &&
                                        meta.backup.size_bytes == file->size_bytes);
        file->kind = !is_its ? SCAN_STRAY : meta.is_ours ? SCAN_OURS : SCAN_FOUND;
        file->meta = is_its ? &meta : NULL;
    } else {
        int begun = store_file_size(scan->store, scan->fd, tombstone, &ignored, err);
        if (begun < 0)
            return -1;
        file->kind = begun ? SCAN_EXPIRED : SCAN_STRAY;
    }
    return scan->each(scan->context, file, err);
}

/* Whether some data file of this .meta's stem is there. */
static bool has_data(const struct scan *scan, const char *meta_name)
{
    for (size_t i = 0; i < scan->names.n; i++) {
        struct scan_name ignored;
        CLEAN_CHAR char *its = backup_meta_name(scan->names.items[i]);

        if (scan_parse_name(scan->names.items[i], &ignored) && strcmp(its, meta_name) == 0)
            return true;
    }
    return false;
}

static int tell_name(struct scan *scan, const char *name, struct error *err)
{
    struct scan_file file = {.kind = SCAN_STRAY, .folder = scan->folder, .file = name};
    struct error why = ERROR_INIT;
    int found = store_file_size(scan->store, scan->fd, name, &file.size_bytes, &why);

    if (found == 0)
        return 0; /* gone since it was listed */
    if (found < 0 && why.code != ERROR_STORE_FOREIGN && why.code != ERROR_BAD_INPUT) {
        *err = why;
        return -1;
    }
    if (found == 1 && scan_parse_name(name, &file.name))
        return tell_data(scan, &file, err);
    if (str_ends(name, PUBLISH_PARTIAL))
        file.kind = SCAN_PARTIAL;
    else if (str_ends(name, PUBLISH_META EXPIRE_TOMBSTONE))
        file.kind = SCAN_EXPIRED;
    else if (str_ends(name, PUBLISH_META) && has_data(scan, name))
        return 0;
    return scan->each(scan->context, &file, err);
}

int scan_folder(struct store *store, const char *folder, scan_file_fn *each, void *context,
                struct error *err)
{
    struct error own = ERROR_INIT;
    CLEANUP(scan_done) struct scan scan = {
        .store = store, .folder = folder, .fd = -1, .each = each, .context = context};

    err = err != NULL ? err : &own;
    if (store_open_folder(store, folder, false, &scan.fd, err) != 0 ||
        store_list(store, scan.fd, note_name, &scan.names, err) != 0)
        return -1;
    text_list_sort(&scan.names);
    for (size_t i = 0; i < scan.names.n; i++)
        if (tell_name(&scan, scan.names.items[i], err) != 0)
            return -1;
    return 0;
}

/* Whether a file is OnyxBackupVM's: 1 yes, 0 not, -1 failed. */
static int is_found(struct scan *scan, const char *name, struct error *err)
{
    CLEAN_CHAR char *meta_name = backup_meta_name(name);
    CLEAN_META struct meta meta = {0};
    int found = read_meta(scan, meta_name, &meta, err);

    return found == 1 && meta.is_ours ? 0 : found;
}

int scan_find_newer(struct store *store, const char *folder, int64_t since_at,
                    scan_known_fn *is_known, void *context, size_t *ret_n, char **ret_first,
                    struct error *err)
{
    struct error own = ERROR_INIT;
    CLEANUP(scan_done) struct scan scan = {.store = store, .folder = folder, .fd = -1};

    err = err != NULL ? err : &own;
    int is_there = store_find_folder(store, folder, &scan.fd, err);
    if (is_there != 1)
        return is_there;
    if (store_list(store, scan.fd, note_name, &scan.names, err) != 0)
        return -1;
    text_list_sort(&scan.names);
    for (size_t i = 0; i < scan.names.n; i++) {
        const char *name = scan.names.items[i];
        struct scan_name parts;
        int64_t at = 0;

        if (!scan_parse_name(name, &parts) || clock_parse_stamp(parts.stamp, &at, NULL) != 0 ||
            at < since_at || (is_known != NULL && is_known(context, folder, name)))
            continue;
        int found = is_found(&scan, name, err);
        if (found < 0)
            return -1;
        if (found == 1 && (*ret_n)++ == 0 && *ret_first == NULL)
            *ret_first = str_format("%s/%s", folder, name);
    }
    return 0;
}
