/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All is decided by what stands in the folder now, so settling may itself be killed at any moment
 * and repeated.
 */
#include "common/store/settle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/format/meta.h"
#include "common/model/backup.h"
#include "common/store/publish.h"
#include "common/store/root.h"
#include "common/store/scan.h"
#include "common/store/trouble.h"

#include "common/base/poison.h"

#define STRAY_JOB "0000000000000000" /* nobody's; see is_stray_meta */

/* One attempt's files in an open folder. */
struct settle {
    struct store *store;
    int folder;
    const char *stem, *job;
    uint32_t attempt;
    char *meta, *meta_partial;
    char *partial_end;            /* ".<job>-<attempt>.partial" */
    struct text_list partials;    /* data partials of this attempt */
    struct text_list data;        /* files of this stem under final names, .meta excepted */
};

static void settle_done(struct settle *settle)
{
    fd_close(&settle->folder);
    free(settle->meta);
    free(settle->meta_partial);
    free(settle->partial_end);
    text_list_done(&settle->partials);
    text_list_done(&settle->data);
}

static int note_entry(void *context, const char *name)
{
    struct settle *settle = context;
    size_t n = strlen(settle->stem);
    if (strncmp(name, settle->stem, n) != 0 || name[n] != '.')
        return 0;
    if (str_ends(name, settle->partial_end))
        text_list_add(&settle->partials, name);
    else if (!str_ends(name, PUBLISH_PARTIAL) && strcmp(name, settle->meta) != 0)
        text_list_add(&settle->data, name);
    return 0;
}

/* Whether a .meta or .meta.partial is whole and of this attempt: 1 yes (*ret_file: its data), 0 not
 * there, torn, or somebody else's (*ret_foreign), -1 failed. */
static int read_meta(struct settle *settle, const char *name, char **ret_file,
                     uint64_t *ret_bytes, bool *ret_foreign, struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_META struct meta meta = {0};
    struct error ignored = ERROR_INIT;
    int found = store_read_small(settle->store, settle->folder, name, &text, err);
    if (found != 1)
        return found;
    if (meta_parse(str_text(&text), text.len, &meta, &ignored) != 0 || !meta.is_ours)
        return 0;
    if (strcmp(meta.backup.job, settle->job) != 0 || meta.backup.attempt != settle->attempt) {
        *ret_foreign = true;
        return 0;
    }
    const char *file = meta.backup.file;
    size_t n = strlen(settle->stem);
    if (file == NULL || store_check_name(file, &ignored) != 0 ||
        strncmp(file, settle->stem, n) != 0 || file[n] != '.')
        return 0;
    *ret_file = mem_dup(file);
    *ret_bytes = meta.backup.size_bytes;
    return 1;
}

/* Open a file and fsync it: its writer may have died before. */
static int sync_file(struct settle *settle, const char *name, struct error *err)
{
    const struct store_ops *ops = store_ops(settle->store);
    CLEAN_FD int fd = ops->open(ops->context, settle->folder, name, O_RDWR | O_NONBLOCK, 0);
    if (fd < 0)
        return trouble_set(err, errno, "open %s", name);
    return store_sync(settle->store, fd, name, err);
}

static int rename_file(struct settle *settle, const char *from, const char *to, struct error *err)
{
    return store_rename(settle->store, settle->folder, from, to, err);
}

/* 1 there with exactly this size, 0 not, -1 failed. */
static int has_size(struct settle *settle, const char *name, uint64_t bytes, struct error *err)
{
    uint64_t is = 0;
    int found = store_file_size(settle->store, settle->folder, name, &is, err);
    return found == 1 && is != bytes ? 0 : found;
}

/* With a whole .meta.partial: finish the renames. 1 done, 0 the data is not there, -1 failed. */
static int roll_forward(struct settle *settle, const char *file, uint64_t bytes, struct error *err)
{
    CLEAN_CHAR char *partial = str_format("%s%s", file, settle->partial_end);
    int is_final = has_size(settle, file, bytes, err);
    if (is_final < 0)
        return -1;
    if (is_final == 0) {
        int is_partial = has_size(settle, partial, bytes, err);
        if (is_partial != 1)
            return is_partial;
        if (settle->data.n > 0) /* something else of that stem: never rename over it */
            return 0;
        if (sync_file(settle, partial, err) != 0 ||
            sync_file(settle, settle->meta_partial, err) != 0 ||
            rename_file(settle, partial, file, err) != 0)
            return -1;
    }
    if (rename_file(settle, settle->meta_partial, settle->meta, err) != 0 ||
        store_sync(settle->store, settle->folder, "the folder", err) != 0)
        return -1;
    return 1;
}

static int remove_partials(struct settle *settle, bool with_meta, size_t *ret_n,
                           struct error *err)
{
    size_t n = 0;
    int removed = 0;
    if (with_meta) {
        removed = store_unlink(settle->store, settle->folder, settle->meta_partial, err);
        n += removed == 1;
    }
    for (size_t i = 0; removed >= 0 && i < settle->partials.n; i++) {
        removed = store_unlink(settle->store, settle->folder, settle->partials.items[i], err);
        n += removed == 1;
    }
    *ret_n = n;
    return removed < 0 ? -1 : 0;
}

/* .meta has its name: so should its data. Where a power cut kept the second rename and lost the first,
 * it still has the partial name. 1 it was renamed now, 0 nothing to do, -1 failed. */
static int follow_meta(struct settle *settle, const char *file, uint64_t bytes, struct error *err)
{
    CLEAN_CHAR char *partial = str_format("%s%s", file, settle->partial_end);
    int is_partial = has_size(settle, partial, bytes, err);
    if (is_partial != 1 || settle->data.n > 0)
        return is_partial < 0 ? -1 : 0;
    if (sync_file(settle, partial, err) != 0 || rename_file(settle, partial, file, err) != 0)
        return -1;
    return 1;
}

static int decide(struct settle *settle, enum settle_outcome *ret_outcome, struct error *err)
{
    CLEAN_CHAR char *file = NULL;
    uint64_t bytes = 0;
    size_t removed = 0;
    bool meta_foreign = false, partial_foreign = false;
    int is_done = read_meta(settle, settle->meta, &file, &bytes, &meta_foreign, err);
    if (is_done < 0)
        return -1;
    if (is_done == 1) {
        int followed = follow_meta(settle, file, bytes, err);
        if (followed < 0)
            return -1;
        if (remove_partials(settle, true, &removed, err) != 0 ||
            store_sync(settle->store, settle->folder, "the folder", err) != 0)
            return -1;
        *ret_outcome = followed == 1 ? SETTLE_ROLLED_FORWARD : SETTLE_WAS_DONE;
        return 0;
    }
    int is_whole =
        read_meta(settle, settle->meta_partial, &file, &bytes, &partial_foreign, err);
    if (is_whole < 0)
        return -1;
    if (is_whole == 1 && !meta_foreign) {
        int rolled = roll_forward(settle, file, bytes, err);
        if (rolled < 0)
            return -1;
        if (rolled == 1) {
            *ret_outcome = SETTLE_ROLLED_FORWARD;
            return 0;
        }
    }
    /* Of a foreign attempt's files none is touched: neither its .meta.partial nor its data. */
    if (remove_partials(settle, !partial_foreign, &removed, err) != 0)
        return -1;
    if (settle->data.n > 0 && !meta_foreign && !partial_foreign)
        *ret_outcome = SETTLE_FOREIGN_DATA;
    else
        *ret_outcome = removed > 0 ? SETTLE_ROLLED_BACK : SETTLE_NOTHING;
    return 0;
}

/* List the attempt's files: 1, or 0 when there is no such folder. */
static int settle_open(struct settle *settle, const char *folder, struct error *err)
{
    if (store_check_name(settle->stem, err) != 0)
        return -1;
    settle->meta = str_format("%s" PUBLISH_META, settle->stem);
    settle->meta_partial = str_format("%s" PUBLISH_PARTIAL, settle->meta);
    settle->partial_end =
        str_format(".%s-%u" PUBLISH_PARTIAL, settle->job, (unsigned)settle->attempt);
    int is_there = store_find_folder(settle->store, folder, &settle->folder, err);
    if (is_there != 1)
        return is_there;
    return store_list(settle->store, settle->folder, note_entry, settle, err) != 0 ? -1 : 1;
}

int settle_attempt(struct store *store, const char *folder, const char *stem, const char *job,
                   uint32_t attempt, enum settle_outcome *ret_outcome, struct error *err)
{
    struct error own = ERROR_INIT;
    err = err != NULL ? err : &own;
    CLEANUP(settle_done) struct settle settle = {
        .store = store, .folder = -1, .stem = stem, .job = job, .attempt = attempt};
    int is_there = settle_open(&settle, folder, err);
    if (is_there < 0)
        return -1;
    if (is_there == 1)
        return decide(&settle, ret_outcome, err);
    *ret_outcome = SETTLE_NOTHING;
    return 0;
}

struct stems {
    const char *stem;
    struct text_list list;
};

static void stems_done(struct stems *stems)
{
    text_list_done(&stems->list);
}

static int note_stem(void *context, const char *name)
{
    struct stems *stems = context;
    CLEAN_CHAR char *stem = str_format("%.*s", (int)strcspn(name, "."), name);
    if (backup_stem_is_of(stem, stems->stem) && !text_list_has(&stems->list, stem))
        text_list_add(&stems->list, stem);
    return 0;
}

/* How far one file of an attempt came. */
enum stage { STAGE_NOTHING, STAGE_WRITTEN, STAGE_PREPARED, STAGE_PUBLISHED };

static int read_stage(struct settle *settle, enum stage *ret_stage, struct error *err)
{
    CLEAN_CHAR char *published = NULL;
    CLEAN_CHAR char *prepared = NULL;
    uint64_t bytes = 0;
    bool is_foreign = false;
    int is_published = read_meta(settle, settle->meta, &published, &bytes, &is_foreign, err);
    int is_prepared = is_published != 0 ? 0
                                        : read_meta(settle, settle->meta_partial, &prepared, &bytes,
                                                    &is_foreign, err);
    if (is_published < 0 || is_prepared < 0)
        return -1;
    *ret_stage = is_published == 1        ? STAGE_PUBLISHED
                 : is_prepared == 1       ? STAGE_PREPARED
                 : settle->partials.n > 0 ? STAGE_WRITTEN
                                          : STAGE_NOTHING;
    return 0;
}

/* Nothing is renamed before all files have their .meta.partial: if one lacks it while none is
 * published, those of the others are taken back, so that no part of a VM's disks becomes a backup.
 * First all of them, then the data: killed between, the next one finds the same. */
static int withdraw_part(struct store *store, const char *folder, const struct text_list *stems,
                         const char *job, uint32_t attempt, struct error *err)
{
    size_t n[STAGE_PUBLISHED + 1] = {0};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < stems->n; i++) {
            CLEANUP(settle_done) struct settle settle = {.store = store,
                                                         .folder = -1,
                                                         .stem = stems->items[i],
                                                         .job = job,
                                                         .attempt = attempt};
            enum stage stage = STAGE_NOTHING;
            int is_there = settle_open(&settle, folder, err);
            if (is_there <= 0 || read_stage(&settle, &stage, err) != 0)
                return is_there == 0 ? 0 : -1;
            n[stage] += round == 0;
            if (round == 1 && stage == STAGE_PREPARED &&
                (store_unlink(store, settle.folder, settle.meta_partial, err) < 0 ||
                 store_sync(store, settle.folder, "the folder", err) != 0))
                return -1;
        }
        if (n[STAGE_PUBLISHED] > 0 || n[STAGE_PREPARED] == 0 || n[STAGE_WRITTEN] == 0)
            return 0;
    }
    return 0;
}

/* What a person should hear of first. */
static int telling(enum settle_outcome outcome)
{
    static const int weights[] = {[SETTLE_NOTHING] = 0,
                                  [SETTLE_WAS_DONE] = 1,
                                  [SETTLE_ROLLED_BACK] = 2,
                                  [SETTLE_ROLLED_FORWARD] = 3,
                                  [SETTLE_FOREIGN_DATA] = 4};
    return weights[outcome];
}

int settle_files(struct store *store, const char *folder, const char *stem, const char *job,
                 uint32_t attempt, enum settle_outcome *ret_outcome, struct error *err)
{
    struct error own = ERROR_INIT;
    err = err != NULL ? err : &own;
    CLEAN_FD int fd = -1;
    CLEANUP(stems_done) struct stems stems = {.stem = stem};
    enum settle_outcome all = SETTLE_NOTHING;
    if (store_check_name(stem, err) != 0)
        return -1;
    int is_there = store_find_folder(store, folder, &fd, err);
    if (is_there == 0)
        *ret_outcome = all;
    if (is_there != 1)
        return is_there;
    if (store_list(store, fd, note_stem, &stems, err) != 0)
        return -1;
    text_list_sort(&stems.list);
    if (withdraw_part(store, folder, &stems.list, job, attempt, err) != 0)
        return -1;
    for (size_t i = 0; i < stems.list.n; i++) {
        enum settle_outcome outcome;
        if (settle_attempt(store, folder, stems.list.items[i], job, attempt, &outcome, err) != 0)
            return -1;
        if (telling(outcome) > telling(all))
            all = outcome;
    }
    *ret_outcome = all;
    return 0;
}

static int note_name(void *context, const char *name)
{
    if (name[0] != '.')
        text_list_add(context, name);
    return 0;
}

/* "FILE.<job>-<attempt>.partial", FILE a backup's name */
static bool parse_partial(const char *name, char job[JOB_ID_MAX], uint32_t *ret_attempt)
{
    struct error ignored = ERROR_INIT;
    uint64_t attempt = 0;
    CLEAN_CHAR char *text = mem_dup_n(name, strlen(name) - strlen(PUBLISH_PARTIAL));
    char *at = strrchr(text, '.');
    char *dash = at != NULL ? strchr(at, '-') : NULL;
    if (dash == NULL)
        return false;
    struct scan_name parts;
    *dash = '\0';
    *at = '\0';
    if (!scan_parse_name(text, &parts) || !job_id_is_valid(at + 1) ||
        num_parse_unsigned(dash + 1, JOB_ATTEMPTS_MAX, &attempt, &ignored) != 0 || attempt == 0)
        return false;
    (void)str_copy(job, JOB_ID_MAX, at + 1);
    *ret_attempt = (uint32_t)attempt;
    return true;
}

/* What a .meta.partial says of itself: its data may have its final name already. */
static bool read_partial_meta(struct store *store, int folder, const char *name,
                              char job[JOB_ID_MAX], uint32_t *ret_attempt)
{
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_META struct meta meta = {0};
    struct error ignored = ERROR_INIT;
    if (!str_ends(name, PUBLISH_META PUBLISH_PARTIAL) ||
        store_read_small(store, folder, name, &text, &ignored) != 1 ||
        meta_parse(str_text(&text), text.len, &meta, &ignored) != 0 || !meta.is_ours ||
        !job_id_is_valid(meta.backup.job))
        return false;
    (void)str_copy(job, JOB_ID_MAX, meta.backup.job);
    *ret_attempt = meta.backup.attempt;
    return true;
}

/* A .meta.partial that says nothing, without data of its stem under any name. While its attempt
 * lived there was data; so it was made by a call that a share which hung did late, when the attempt
 * was settled already. It says not of which: any settles it. */
static bool is_stray_meta(const struct text_list *names, const char *name, char job[JOB_ID_MAX],
                          uint32_t *ret_attempt)
{
    static const char *const suffixes[] = {".xva", ".raw", ".db", ".xbk"};
    size_t n = strcspn(name, ".");
    bool is_ours = false;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        CLEAN_CHAR char *file = str_format("%.*s%s", (int)n, name, suffixes[i]);
        struct scan_name parts;
        is_ours = is_ours || scan_parse_name(file, &parts);
    }
    if (!is_ours || strcmp(name + n, PUBLISH_META PUBLISH_PARTIAL) != 0)
        return false;
    for (size_t i = 0; i < names->n; i++)
        if (strncmp(names->items[i], name, n + 1) == 0 && strcmp(names->items[i], name) != 0)
            return false;
    (void)str_copy(job, JOB_ID_MAX, STRAY_JOB);
    *ret_attempt = 1;
    return true;
}

/* "backup_xvda_20261122-202734" to "backup_20261122-202734". */
static char *job_stem(const char *name)
{
    CLEAN_CHAR char *stem = mem_dup_n(name, strcspn(name, "."));
    const char *last = strrchr(stem, '_');
    return last != NULL ? str_format("%.*s%s", (int)strcspn(stem, "_"), stem, last)
                        : mem_dup(stem);
}

int settle_find(struct store *store, const char *folder, settle_attempt_fn *each, void *context,
                struct error *err)
{
    struct error own = ERROR_INIT;
    err = err != NULL ? err : &own;
    CLEAN_FD int fd = -1;
    CLEAN_TEXT_LIST struct text_list names = TEXT_LIST_INIT;
    int is_there = store_find_folder(store, folder, &fd, err);
    if (is_there != 1)
        return is_there;
    if (store_list(store, fd, note_name, &names, err) != 0)
        return -1;
    text_list_sort(&names);
    for (size_t i = 0; i < names.n; i++) {
        char job[JOB_ID_MAX];
        uint32_t attempt = 0;
        uint64_t bytes = 0;
        if (!str_ends(names.items[i], PUBLISH_PARTIAL) ||
            store_file_size(store, fd, names.items[i], &bytes, NULL) != 1 ||
            (!parse_partial(names.items[i], job, &attempt) &&
             !read_partial_meta(store, fd, names.items[i], job, &attempt) &&
             !is_stray_meta(&names, names.items[i], job, &attempt)))
            continue;
        CLEAN_CHAR char *stem = job_stem(names.items[i]);
        each(context, stem, job, attempt);
    }
    return 0;
}

const char *settle_outcome_name(enum settle_outcome outcome)
{
    static const char *const names[] = {"nothing was there", "was done", "rolled forward",
                                        "rolled back", "data without .meta"};
    return names[outcome];
}
