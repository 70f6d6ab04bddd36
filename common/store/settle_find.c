/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What stands half done says whose it is: the data by its name, a .meta.partial by its content.
 * Names that do not read as ours are other people's files.
 */
#include "common/store/settle_find.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/format/meta.h"
#include "common/model/job.h"
#include "common/store/publish.h"
#include "common/store/root.h"
#include "common/store/scan.h"

#include "common/base/poison.h"

#define STRAY_JOB "0000000000000000" /* nobody's; see is_stray_meta */

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
    return last != NULL ? str_format("%.*s%s", (int)strcspn(stem, "_"), stem, last) : mem_dup(stem);
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
