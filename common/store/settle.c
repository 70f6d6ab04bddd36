/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All is decided by what stands in the folder now, so settling may itself be killed at any moment
 * and repeated, and goes on while the publisher lives after all, or several settle.
 *
 * The data's partial name decides, for who takes it away is one alone: a rename to the final name
 * means forward, an unlink back. Nothing but a whole .meta.partial lets anyone rename the data, and
 * only after an unlink does .meta.partial go; so data under its final name keeps its .meta.partial
 * until that is the .meta. Whoever finds the name gone looks again, and then finds which it was.
 * Looks follow the way that things go: .meta.partial in front of .meta, partial data in front of
 * final.
 *
 * Of several files the first (backup_stem_is_before) decides for all. Its .meta.partial is made
 * first and goes last, so none of the others can look like one that stands alone; it is renamed
 * first, so no other one has a final name while the first may still go back.
 */
#include "common/store/settle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/format/meta.h"
#include "common/model/backup.h"
#include "common/store/publish.h"
#include "common/store/root.h"
#include "common/store/trouble.h"

#include "common/base/poison.h"

#define ROUNDS_MAX 64 /* each but the last one because somebody else was faster */

/* How far a file came. */
enum stage {
    STAGE_NOTHING, /* of this attempt is there */
    STAGE_WRITTEN,
    STAGE_PREPARED, /* its .meta.partial is whole, and the data is there that it speaks of */
    STAGE_PUBLISHED
};

/* What a .meta or .meta.partial is. */
enum whose {
    META_NONE,
    META_TORN,    /* or something else */
    META_FOREIGN, /* another attempt's */
    META_OURS     /* whole */
};

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
    /* What look finds. */
    enum stage stage;
    bool has_final; /* of STAGE_PREPARED: the data was renamed already */
    enum whose meta_is, meta_partial_is;
    char *file; /* data, by its .meta */
    uint64_t bytes;
};

static void settle_done(struct settle *settle)
{
    fd_close(&settle->folder);
    free(settle->meta);
    free(settle->meta_partial);
    free(settle->partial_end);
    free(settle->file);
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

/* Of META_OURS, file and bytes are its data. */
static int read_meta(struct settle *settle, const char *name, enum whose *ret_is, struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_META struct meta meta = {0};
    struct error ignored = ERROR_INIT;
    int found = store_read_small(settle->store, settle->folder, name, &text, err);
    if (found < 0)
        return -1;
    *ret_is = found == 0 ? META_NONE : META_TORN;
    if (found == 0 || meta_parse(str_text(&text), text.len, &meta, &ignored) != 0 || !meta.is_ours)
        return 0;
    if (strcmp(meta.backup.job, settle->job) != 0 || meta.backup.attempt != settle->attempt) {
        *ret_is = META_FOREIGN;
        return 0;
    }
    const char *file = meta.backup.file;
    size_t n = strlen(settle->stem);
    if (file == NULL || store_check_name(file, &ignored) != 0 ||
        strncmp(file, settle->stem, n) != 0 || file[n] != '.')
        return 0;
    mem_set(&settle->file, file);
    settle->bytes = meta.backup.size_bytes;
    *ret_is = META_OURS;
    return 0;
}

/* 1 there with exactly this size, 0 not, -1 failed. */
static int has_size(struct settle *settle, const char *name, uint64_t bytes, struct error *err)
{
    uint64_t is = 0;
    int found = store_file_size(settle->store, settle->folder, name, &is, err);
    return found == 1 && is != bytes ? 0 : found;
}

static char *partial_of(const struct settle *settle)
{
    return str_format("%s%s", settle->file, settle->partial_end);
}

/* Beside something else of that stem nothing is renamed. */
static int look_for_data(struct settle *settle, struct error *err)
{
    CLEAN_CHAR char *partial = partial_of(settle);
    int is_partial = has_size(settle, partial, settle->bytes, err);
    int is_final = is_partial < 0 ? -1 : has_size(settle, settle->file, settle->bytes, err);
    if (is_final < 0)
        return -1;
    settle->has_final = is_final == 1;
    if (is_final == 1 || (is_partial == 1 && settle->data.n == 0))
        settle->stage = STAGE_PREPARED;
    return 0;
}

static int look(struct settle *settle, struct error *err)
{
    if (read_meta(settle, settle->meta_partial, &settle->meta_partial_is, err) != 0 ||
        read_meta(settle, settle->meta, &settle->meta_is, err) != 0)
        return -1;
    bool is_begun = settle->partials.n > 0 || settle->meta_partial_is == META_TORN ||
                    settle->meta_partial_is == META_OURS;
    settle->stage = settle->meta_is == META_OURS ? STAGE_PUBLISHED
                    : is_begun                   ? STAGE_WRITTEN
                                                 : STAGE_NOTHING;
    if (settle->meta_is == META_NONE && settle->meta_partial_is == META_OURS)
        return look_for_data(settle, err);
    return 0;
}

/* Open a file and fsync it, for its writer may have died before: 1, 0 it is not there any more. */
static int sync_file(struct settle *settle, const char *name, struct error *err)
{
    const struct store_ops *ops = store_ops(settle->store);
    CLEAN_FD int fd = ops->open(ops->context, settle->folder, name, O_RDWR | O_NONBLOCK, 0);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return trouble_set(err, errno, "open %s", name);
    return store_sync(settle->store, fd, name, err) != 0 ? -1 : 1;
}

/* 1 renamed, 0 it is gone, or its name was taken meanwhile: look again, -1 failed. */
static int rename_data(struct settle *settle, const char *partial, struct error *err)
{
    struct error why = ERROR_INIT;
    int renamed = store_rename_new(settle->store, settle->folder, partial, settle->file, &why);
    if (renamed < 0 && why.code == ERROR_EXISTS)
        return 0;
    if (renamed < 0)
        *err = why;
    return renamed;
}

static int sync_folder(struct settle *settle, struct error *err)
{
    return store_sync(settle->store, settle->folder, "the folder", err);
}

/* Of STAGE_PREPARED: the renames that are left. 1 done, 0 look again, -1 failed. */
static int roll_forward(struct settle *settle, struct error *err)
{
    CLEAN_CHAR char *partial = partial_of(settle);
    int done = 1;
    if (!settle->has_final) {
        done = sync_file(settle, partial, err);
        if (done == 1)
            done = sync_file(settle, settle->meta_partial, err);
        if (done == 1)
            done = rename_data(settle, partial, err);
    }
    if (done == 1)
        done = store_rename_new(settle->store, settle->folder, settle->meta_partial, settle->meta,
                                err);
    if (done == 1 && sync_folder(settle, err) != 0)
        return -1;
    return done;
}

/*
 * Take the data's partial name away. 1: the attempt can't be published any more, 0: somebody gave
 * the data its final name, so look again, -1 failed. Where that is done by a link and an unlink
 * both names are there for a moment.
 */
static int withdraw(struct settle *settle, size_t *removed_n, struct error *err)
{
    size_t n = 0, finals = 0;
    for (size_t i = 0; i < settle->partials.n; i++) {
        const char *name = settle->partials.items[i];
        uint64_t bytes = 0;
        CLEAN_CHAR char *final = mem_dup_n(name, strlen(name) - strlen(settle->partial_end));
        int removed = store_unlink(settle->store, settle->folder, name, err);
        int found =
            removed < 0 ? -1 : store_file_size(settle->store, settle->folder, final, &bytes, err);
        if (found < 0)
            return -1;
        n += removed == 1;
        finals += found == 1;
    }
    *removed_n += n;
    if (n > 0 && sync_folder(settle, err) != 0)
        return -1;
    return settle->partials.n > 0 && (n == 0 || finals > 0) ? 0 : 1;
}

/* Of STAGE_PUBLISHED: .meta has its name, so should its data. Where a power cut kept the second
 * rename and lost the first, it still has the partial name. */
static int end_published(struct settle *settle, enum settle_outcome *ret_outcome, struct error *err)
{
    size_t ignored = 0;
    CLEAN_CHAR char *partial = partial_of(settle);
    int followed = has_size(settle, partial, settle->bytes, err);
    if (followed == 1)
        followed = sync_file(settle, partial, err);
    if (followed == 1)
        followed = rename_data(settle, partial, err);
    if (followed < 0 ||
        store_unlink(settle->store, settle->folder, settle->meta_partial, err) < 0 ||
        withdraw(settle, &ignored, err) < 0 || sync_folder(settle, err) != 0)
        return -1;
    *ret_outcome = followed == 1 ? SETTLE_ROLLED_FORWARD : SETTLE_WAS_DONE;
    return 1;
}

/* Of a file that is not published. */
static bool is_data_lone(const struct settle *settle)
{
    return settle->stage != STAGE_PUBLISHED && settle->data.n > 0 &&
           settle->meta_is != META_FOREIGN && settle->meta_partial_is != META_FOREIGN;
}

/* Of a foreign attempt's files none is touched: neither its .meta.partial nor its data. */
static int roll_back(struct settle *settle, enum settle_outcome *ret_outcome, struct error *err)
{
    size_t n = 0;
    int result = withdraw(settle, &n, err);
    if (result != 1)
        return result;
    if (settle->meta_partial_is != META_FOREIGN) {
        int removed = store_unlink(settle->store, settle->folder, settle->meta_partial, err);
        if (removed < 0)
            return -1;
        n += removed == 1;
    }
    *ret_outcome = is_data_lone(settle) ? SETTLE_FOREIGN_DATA
                   : n > 0              ? SETTLE_ROLLED_BACK
                                        : SETTLE_NOTHING;
    return 1;
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

/* --- the files of one attempt ----------------------------------------------------------------- */

struct whole {
    struct store *store;
    const char *folder, *stem, *job;
    uint32_t attempt;
};

static struct settle settle_of(const struct whole *whole, const char *stem)
{
    return (struct settle){.store = whole->store,
                           .folder = -1,
                           .stem = stem,
                           .job = whole->job,
                           .attempt = whole->attempt};
}

/* One file, in a course that is known: 1 settled, 0 look again, -1 failed. */
static int settle_file(const struct whole *whole, const char *stem, bool goes_back,
                       enum settle_outcome *ret_outcome, struct error *err)
{
    CLEANUP(settle_done) struct settle settle = settle_of(whole, stem);
    *ret_outcome = SETTLE_NOTHING;
    int is_there = settle_open(&settle, whole->folder, err);
    if (is_there != 1)
        return is_there < 0 ? -1 : 1;
    if (look(&settle, err) != 0)
        return -1;
    if (settle.stage == STAGE_PUBLISHED)
        return end_published(&settle, ret_outcome, err);
    if (settle.stage != STAGE_PREPARED || goes_back)
        return roll_back(&settle, ret_outcome, err);
    *ret_outcome = SETTLE_ROLLED_FORWARD;
    return roll_forward(&settle, err);
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

static int compare_stems(const void *left, const void *right)
{
    const char *a = *(char *const *)left, *b = *(char *const *)right;
    return backup_stem_is_before(a, b) ? -1 : backup_stem_is_before(b, a);
}

static void add_outcome(enum settle_outcome *all, enum settle_outcome outcome)
{
    if (telling(outcome) > telling(*all))
        *all = outcome;
}

/* The stems that have files now, in the attempt's order. */
static int list_stems(const struct whole *whole, struct stems *stems, struct error *err)
{
    CLEAN_FD int fd = -1;
    int is_there = store_find_folder(whole->store, whole->folder, &fd, err);
    if (is_there != 1)
        return is_there;
    if (store_list(whole->store, fd, note_stem, stems, err) != 0)
        return -1;
    if (stems->list.n > 1)
        qsort(stems->list.items, stems->list.n, sizeof *stems->list.items, compare_stems);
    return 0;
}

/* What the files of an attempt are like together. */
struct view {
    const char *first;  /* stem of the first of which something is there, borrowed; NULL */
    bool is_other_open; /* one behind it is not prepared */
    bool has_lone_data; /* data without a .meta, of which nothing says whose it is */
};

static int view_stems(const struct whole *whole, const struct stems *stems, struct view *ret_view,
                      struct error *err)
{
    struct view view = {.first = NULL};
    for (size_t i = 0; i < stems->list.n; i++) {
        CLEANUP(settle_done) struct settle settle = settle_of(whole, stems->list.items[i]);
        int is_there = settle_open(&settle, whole->folder, err);
        if (is_there < 0 || (is_there == 1 && look(&settle, err) != 0))
            return -1;
        view.has_lone_data = view.has_lone_data || is_data_lone(&settle);
        view.is_other_open =
            view.is_other_open || (view.first != NULL && settle.stage == STAGE_WRITTEN);
        if (view.first == NULL && settle.stage != STAGE_NOTHING)
            view.first = stems->list.items[i];
    }
    *ret_view = view;
    return 0;
}

/*
 * Whether all behind the first one are prepared: 1 yes, 0 no, -1 failed. Listed anew behind the
 * look at it, for when its .meta.partial was made all others were there, and none goes before its
 * data is withdrawn. *ret_is_first false: one in front of it has come, or a faster settler had not
 * come to it.
 */
static int are_others_ready(const struct whole *whole, const char *first, bool *ret_is_first,
                            struct error *err)
{
    CLEANUP(stems_done) struct stems stems = {.stem = whole->stem};
    struct view view;
    if (list_stems(whole, &stems, err) != 0 || view_stems(whole, &stems, &view, err) != 0)
        return -1;
    *ret_is_first = view.first != NULL && str_equal(view.first, first);
    return view.is_other_open ? 0 : 1;
}

/* Decide by the first file. 1 decided, 0 look again, -1 failed. */
static int settle_first(const struct whole *whole, const char *first, bool *ret_goes_back,
                        enum settle_outcome *ret_outcome, struct error *err)
{
    CLEANUP(settle_done) struct settle settle = settle_of(whole, first);
    bool is_first = true;
    size_t removed_n = 0;
    int is_there = settle_open(&settle, whole->folder, err);
    if (is_there != 1)
        return is_there;
    if (look(&settle, err) != 0)
        return -1;
    if (settle.stage == STAGE_PUBLISHED)
        return end_published(&settle, ret_outcome, err);
    int ready = are_others_ready(whole, first, &is_first, err);
    if (ready < 0 || !is_first)
        return ready < 0 ? -1 : 0;
    if (ready == 1 && settle.stage == STAGE_PREPARED) {
        *ret_outcome = SETTLE_ROLLED_FORWARD;
        return roll_forward(&settle, err);
    }
    *ret_goes_back = true;
    int withdrawn = withdraw(&settle, &removed_n, err);
    *ret_outcome = removed_n > 0 ? SETTLE_ROLLED_BACK : SETTLE_NOTHING;
    return withdrawn;
}

static int settle_others(const struct whole *whole, const char *first, bool goes_back,
                         enum settle_outcome *all, struct error *err)
{
    CLEANUP(stems_done) struct stems stems = {.stem = whole->stem};
    if (list_stems(whole, &stems, err) != 0)
        return -1;
    for (size_t i = 0; i < stems.list.n; i++) {
        enum settle_outcome outcome;
        if (str_equal(stems.list.items[i], first))
            continue;
        int settled = settle_file(whole, stems.list.items[i], goes_back, &outcome, err);
        if (settled != 1)
            return settled;
        add_outcome(all, outcome);
    }
    return 1;
}

/* 1 settled, 0 somebody else was faster: once more from the beginning, -1 failed. */
static int settle_round(const struct whole *whole, enum settle_outcome *all, struct error *err)
{
    CLEANUP(stems_done) struct stems stems = {.stem = whole->stem};
    enum settle_outcome outcome = SETTLE_NOTHING;
    struct view view;
    bool goes_back = false;
    if (list_stems(whole, &stems, err) != 0 || view_stems(whole, &stems, &view, err) != 0)
        return -1;
    if (view.first == NULL) {
        add_outcome(all, view.has_lone_data ? SETTLE_FOREIGN_DATA : SETTLE_NOTHING);
        return 1;
    }
    int settled = settle_first(whole, view.first, &goes_back, &outcome, err);
    if (settled != 1)
        return settled;
    add_outcome(all, outcome);
    settled = settle_others(whole, view.first, goes_back, all, err);
    if (settled == 1 && goes_back) {
        settled = settle_file(whole, view.first, true, &outcome, err);
        add_outcome(all, outcome);
    }
    return settled;
}

int settle_files(struct store *store, const char *folder, const char *stem, const char *job,
                 uint32_t attempt, enum settle_outcome *ret_outcome, struct error *err)
{
    struct error own = ERROR_INIT;
    err = err != NULL ? err : &own;
    const struct whole whole = {
        .store = store, .folder = folder, .stem = stem, .job = job, .attempt = attempt};
    enum settle_outcome all = SETTLE_NOTHING;
    if (store_check_name(stem, err) != 0)
        return -1;
    int settled = 0;
    for (int i = 0; i < ROUNDS_MAX && settled == 0; i++)
        settled = settle_round(&whole, &all, err);
    if (settled == 0)
        return error_set(err, ERROR_BUSY, "%s/%s: its files change all the time", folder, stem);
    if (settled == 1)
        *ret_outcome = all;
    return settled == 1 ? 0 : -1;
}

int settle_attempt(struct store *store, const char *folder, const char *stem, const char *job,
                   uint32_t attempt, enum settle_outcome *ret_outcome, struct error *err)
{
    struct error own = ERROR_INIT;
    err = err != NULL ? err : &own;
    const struct whole whole = {
        .store = store, .folder = folder, .stem = stem, .job = job, .attempt = attempt};
    int settled = 0;
    for (int i = 0; i < ROUNDS_MAX && settled == 0; i++)
        settled = settle_file(&whole, stem, false, ret_outcome, err);
    if (settled == 0)
        return error_set(err, ERROR_BUSY, "%s/%s: its files change all the time", folder, stem);
    return settled == 1 ? 0 : -1;
}

const char *settle_outcome_name(enum settle_outcome outcome)
{
    static const char *const names[] = {"nothing was there", "was done", "rolled forward",
                                        "rolled back", "data without .meta"};
    return names[outcome];
}
