/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a run does on the share itself: see that it is the right one, write its nonce, and leave
 * digests and a copy of the catalog behind.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/store/mount.h"
#include "common/store/scan.h"
#include "common/store/sums.h"
#include "coordinator/run/run_inside.h"
#include "coordinator/pins.h"
#include "coordinator/verified.h"

#include "common/base/poison.h"

#define CATALOG_COPY_FILE "catalog.db"
#define CATALOG_COPY_MAX (1u << 30)

static int run_note_folder(void *context, const char *name)
{
    if (name[0] != '.')
        text_list_add(context, name);
    return 0;
}

static int run_note_found(void *context, const struct scan_file *file, struct error *err)
{
    bool *has_found = context;

    (void)err;
    *has_found = *has_found || file->kind == SCAN_FOUND;
    return 0;
}

/* Whether OnyxBackupVM has backed up to there. */
static int run_find_found(struct run *run, bool *ret_has, struct error *err)
{
    CLEAN_TEXT_LIST struct text_list names = TEXT_LIST_INIT;
    bool has_found = false;

    if (store_list(run->store, -1, run_note_folder, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.n && !has_found; i++) {
        struct error why = ERROR_INIT; /* a file, a link: none of ours to judge */

        (void)scan_folder(run->store, names.items[i], run_note_found, &has_found, &why);
    }
    *ret_has = has_found;
    return 0;
}

/*
 * An unmarked folder becomes this pool's store where there is no doubt that it is meant: a share of
 * share_type is mounted there, or OnyxBackupVM's backups are there; never on the device of "/",
 * where both may be what an unmounted share once caused. Else marker_check says what to do.
 */
static int run_mark_share(struct run *run, const struct mount *mount, struct error *err)
{
    struct marker marker = {.created_at = clock_wall_ms(run->clock)};
    bool is_on_root = false, has_found = false;
    bool is_share = mount_is_share(mount, run->settings.share);

    if (store_is_on_root_device(run->store, &is_on_root, err) < 0)
        return -1;
    if (is_on_root)
        return 0;
    if (!is_share && run_find_found(run, &has_found, err) < 0)
        return -1;
    if (!is_share && !has_found)
        return 0;
    (void)random_uuid(run->random, marker.store_uuid);
    str_copy(marker.pool_uuid, sizeof marker.pool_uuid, run->pool_uuid);
    if (!is_share)
        str_copy(marker.accepted, sizeof marker.accepted, mount->type);
    log_info("store", "%s, where %s, becomes the store %s of this pool", run->settings.store_root,
             is_share ? "the share is mounted" : "OnyxBackupVM's backups are", marker.store_uuid);
    return marker_write(run->store, &marker, err);
}

static int judge_store(struct run *run, struct error *err)
{
    CLEAN_MOUNT struct mount mount = {0};

    if (!run->settings.require_mount)
        return marker_check(run->store, run->pool_uuid, &run->marker, err);
    if (store_mount(run->store, &mount, err) < 0)
        return -1;
    int found = marker_read(run->store, &run->marker, err);
    if (found < 0 || (found == 0 && run_mark_share(run, &mount, err) < 0))
        return -1;
    if (marker_check(run->store, run->pool_uuid, &run->marker, err) < 0)
        return -1;
    return marker_judge_mount(&run->marker, &mount, run->settings.share, run->settings.store_root,
                              err);
}

/* A catalog that was lost is made anew in silence: its backups stand in the store alone then. */
static int run_tell_lost_catalog(struct run *run, struct error *err)
{
    const struct store_ops *ops = store_ops(run->store);
    CLEAN_CATALOG_RUN struct catalog_run last = {.state = CATALOG_RUN_RUNNING};
    CLEAN_FD int own = -1;
    struct stat copy;
    int found = catalog_find_run(run->catalog, NULL, &last, err);

    if (found != 0)
        return found < 0 ? -1 : 0;
    if (store_open_own(run->store, false, &own, err) < 0)
        return -1;
    if (ops->stat(ops->context, own, CATALOG_COPY_FILE, &copy) != 0)
        return 0;
    CLEAN_CHAR char *text = str_format(
        "the catalog %s is new and knows none of the backups that stand in the store, which was "
        "written to with another one: `onyxpool adopt` makes them known",
        run->settings.catalog_path);
    run_warn(run, text);
    return 0;
}

int run_check_store(struct run *run, struct error *err)
{
    run_tell_stage(run, RUN_STAGE_STORE, run->settings.store_root);
    if (store_open(run->settings.store_root, NULL, &run->store, err) < 0 ||
        judge_store(run, err) < 0)
        return -1;
    return run_tell_lost_catalog(run, err);
}

int run_write_nonce(struct run *run, struct error *err)
{
    if (marker_write_nonce(run->store, run->record.id, run->random, &run->nonce, err) < 0)
        return error_add(err, "store %s", run->settings.store_root);
    return 0;
}

struct run_sums {
    struct sums_entry *entries;
    size_t n, cap;
    struct text_list texts; /* of the entries, three each */
};

static const char *run_keep_text(struct run_sums *sums, const char *text)
{
    text_list_add(&sums->texts, text);
    return sums->texts.items[sums->texts.n - 1];
}

static int run_add_sum(void *context, const struct backup *backup, struct error *err)
{
    struct run_sums *sums = context;

    (void)err;
    if (!backup->sha256)
        return 0;
    sums->entries = mem_grow(sums->entries, &sums->cap, sums->n + 1, sizeof *sums->entries);
    sums->entries[sums->n++] =
        (struct sums_entry){.folder = run_keep_text(sums, backup->folder),
                            .file = run_keep_text(sums, backup->file),
                            .sha256 = run_keep_text(sums, backup->sha256)};
    return 0;
}

static void run_sums_done(struct run_sums *sums)
{
    text_list_done(&sums->texts);
    free(sums->entries);
}

static int run_is_gone(void *context, const char *path, struct error *err)
{
    struct run *run = context;
    CLEAN_CHAR char *folder = mem_dup(path);
    char *slash = strchr(folder, '/');

    if (!slash)
        return 0;
    *slash = '\0';
    return catalog_is_expired(run->catalog, folder, slash + 1, err);
}

/* All that stand; and whatever line an earlier run could not take away goes now. */
static int run_write_sums(struct run *run, struct error *err)
{
    CLEANUP(run_sums_done) struct run_sums sums = {0};
    const struct catalog_backup_filter standing = {.store = run->marker.store_uuid};

    if (catalog_each_backup(run->catalog, &standing, run_add_sum, &sums, err) < 0)
        return -1;
    return sums.n > 0
               ? sums_update(run->store, sums.entries, sums.n, run_is_gone, run, err)
               : 0;
}

/* By way of a local file: SQLite's own locks are not to be trusted on a share. */
static int run_copy_catalog(struct run *run, struct error *err)
{
    CLEAN_CHAR char *path = str_format("%s.copy", run->settings.catalog_path);
    CLEAN_STR struct str bytes = STR_INIT;
    CLEAN_FD int own = -1;

    if (catalog_copy(run->catalog, path, err) < 0)
        return -1;
    int result = fd_read_file(path, CATALOG_COPY_MAX, &bytes, err);
    (void)unlink(path);
    if (result < 0 || store_open_own(run->store, true, &own, err) < 0)
        return -1;
    return store_replace_small(run->store, own, CATALOG_COPY_FILE, 0600, bytes.data, bytes.len,
                               err);
}

int run_publish(struct run *run, struct error *err)
{
    if (run_write_sums(run, err) < 0)
        return error_add(err, "write the digests");
    if (pins_publish(run->catalog, run->store, err) < 0 ||
        verified_publish(run->catalog, run->store, run->marker.store_uuid, err) < 0)
        return -1;
    if (run_copy_catalog(run, err) < 0)
        return error_add(err, "copy the catalog into the store");
    return 0;
}
