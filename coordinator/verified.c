/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Folder by folder: a folder's file says all that stands and was verified there.
 */
#include "coordinator/verified.h"

#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/model/backup.h"
#include "common/store/verdicts.h"
#include "coordinator/catalog/catalog.h"

#include "common/base/poison.h"

/* What stands in a folder and was verified. */
struct standing {
    struct backup *backups;
    size_t n, cap;
};

static void standing_done(struct standing *standing)
{
    for (size_t i = 0; i < standing->n; i++)
        backup_done(&standing->backups[i]);
    free(standing->backups);
}

static int add_folder(void *context, const struct backup *backup, struct error *err)
{
    struct text_list *folders = context;

    (void)err;
    if (folders->n == 0 || !str_equal(folders->items[folders->n - 1], backup->folder))
        text_list_add(folders, backup->folder);
    return 0;
}

static int add_standing(void *context, const struct backup *backup, struct error *err)
{
    struct standing *standing = context;

    (void)err;
    if (backup->verified_at == 0)
        return 0;
    standing->backups = mem_grow(standing->backups, &standing->cap, standing->n + 1,
                                 sizeof *standing->backups);
    backup_copy(&standing->backups[standing->n++], backup);
    return 0;
}

static enum job_verdict_kind verdict_of(const struct backup *backup)
{
    switch (backup->state) {
    case BACKUP_DAMAGED:
        return JOB_VERDICT_DAMAGED;
    case BACKUP_FOUND:
        return JOB_VERDICT_READABLE;
    case BACKUP_PROVEN:
    case BACKUP_REHEARSED:
    case BACKUP_EXPIRED:
        break;
    }
    return JOB_VERDICT_PROVEN;
}

static int publish_folder(struct catalog *catalog, struct store *store, const char *folder,
                          struct error *err)
{
    CLEANUP(standing_done) struct standing standing = {0};
    CLEANUP(mem_free_void) struct verdicts_entry *entries = NULL;
    const struct catalog_backup_filter filter = {.folder = folder};

    if (catalog_each_backup(catalog, &filter, add_standing, &standing, err) < 0)
        return -1;
    entries = mem_zero(standing.n + 1, sizeof *entries);
    for (size_t i = 0; i < standing.n; i++) {
        const struct backup *backup = &standing.backups[i];

        entries[i] = (struct verdicts_entry){.verdict = {.kind = verdict_of(backup),
                                                         .file = backup->file,
                                                         .sha256 = backup->sha256,
                                                         .proof = backup->proof,
                                                         .text = backup->verified_text},
                                             .size_bytes = backup->size_bytes,
                                             .at = backup->verified_at};
    }
    return verdicts_write(store, folder, entries, standing.n, err);
}

int verified_publish(struct catalog *catalog, struct store *store, const char *store_uuid,
                     struct error *err)
{
    CLEAN_TEXT_LIST struct text_list folders = TEXT_LIST_INIT;
    const struct catalog_backup_filter verified = {.verified_store = store_uuid};

    if (catalog_each_backup(catalog, &verified, add_folder, &folders, err) < 0)
        return -1;
    text_list_sort(&folders);
    for (size_t i = 0; i < folders.n; i++)
        if ((i == 0 || !str_equal(folders.items[i], folders.items[i - 1])) &&
            publish_folder(catalog, store, folders.items[i], err) < 0)
            return -1;
    return 0;
}

/* ---- back into a catalog ---- */

struct regain {
    struct catalog *catalog;
    const char *folder;
    struct standing standing;
};

static void regain_done(struct regain *regain)
{
    standing_done(&regain->standing);
}

static int add_unverified(void *context, const struct backup *backup, struct error *err)
{
    struct standing *standing = context;

    (void)err;
    if (backup->verified_at != 0)
        return 0;
    standing->backups = mem_grow(standing->backups, &standing->cap, standing->n + 1,
                                 sizeof *standing->backups);
    backup_copy(&standing->backups[standing->n++], backup);
    return 0;
}

static int take_entry(void *context, const struct verdicts_entry *entry, struct error *err)
{
    const struct regain *regain = context;

    for (size_t i = 0; i < regain->standing.n; i++) {
        const struct backup *backup = &regain->standing.backups[i];

        if (str_equal(backup->file, entry->verdict.file) &&
            backup->size_bytes == entry->size_bytes)
            return catalog_set_verdict(regain->catalog, regain->folder, NULL, &entry->verdict,
                                       entry->at, err);
    }
    return 0;
}

int verified_regain(struct catalog *catalog, struct store *store, struct error *err)
{
    CLEAN_TEXT_LIST struct text_list folders = TEXT_LIST_INIT;

    if (catalog_each_backup(catalog, NULL, add_folder, &folders, err) < 0)
        return -1;
    text_list_sort(&folders);
    for (size_t i = 0; i < folders.n; i++) {
        CLEANUP(regain_done) struct regain regain = {.catalog = catalog,
                                                     .folder = folders.items[i]};
        const struct catalog_backup_filter filter = {.folder = folders.items[i]};

        if (i > 0 && str_equal(folders.items[i], folders.items[i - 1]))
            continue;
        if (catalog_each_backup(catalog, &filter, add_unverified, &regain.standing, err) < 0)
            return -1;
        if (regain.standing.n > 0 &&
            verdicts_read(store, folders.items[i], take_entry, &regain, err) < 0)
            return -1;
    }
    return 0;
}
