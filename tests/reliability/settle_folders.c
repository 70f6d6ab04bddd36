/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the product makes of a store that a power cut left: settles all that stands half done, then
 * scans, for tests/powercut.
 *
 * Reads lines: "attempt FOLDER STEM JOB NUMBER" adds one that the catalog knows; "root PATH" does
 * the work on that store and answers a line "KIND FOLDER/FILE" for each file, then "end".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/store/find.h"
#include "common/store/root.h"
#include "common/store/scan.h"
#include "common/store/settle.h"
#include "common/store/settle_find.h"

#include "common/base/poison.h"

#define WORDS 5

struct work {
    struct store *store;
    struct text_list folders;
    struct text_list attempts; /* "FOLDER STEM JOB NUMBER" */
};

static void work_done(struct work *work)
{
    text_list_done(&work->folders);
    text_list_done(&work->attempts);
}

static void fail(const struct error *err)
{
    printf("error %s\n", err->text);
}

static int note_folder(void *context, const char *folder, const char *vm_uuid, struct error *err)
{
    struct work *work = context;
    (void)vm_uuid;
    (void)err;
    text_list_add(&work->folders, folder);
    return 0;
}

/* What a folder itself tells, as behind a lost catalog. */
struct found {
    struct text_list *attempts;
    const char *folder;
};

static void note_attempt(void *context, const char *stem, const char *job, uint32_t attempt)
{
    struct found *found = context;
    CLEAN_CHAR char *text = str_format("%s %s %s %u", found->folder, stem, job, (unsigned)attempt);
    if (!text_list_has(found->attempts, text))
        text_list_add(found->attempts, text);
}

static size_t split(char *line, char *words[WORDS])
{
    size_t n = 0;
    for (char *at = line; at != NULL && n < WORDS;) {
        char *space = strchr(at, ' ');
        if (space != NULL)
            *space++ = '\0';
        words[n++] = at;
        at = space;
    }
    return n;
}

static int settle_all(struct work *work, struct error *err)
{
    for (size_t i = 0; i < work->attempts.n; i++) {
        CLEAN_CHAR char *line = mem_dup(work->attempts.items[i]);
        char *words[WORDS];
        uint64_t number = 0;
        enum settle_outcome outcome;
        if (split(line, words) != 4 || num_parse_unsigned(words[3], 99, &number, err) != 0)
            return error_set(err, ERROR_BAD_INPUT, "no attempt: %s", work->attempts.items[i]);
        if (settle_files(work->store, words[0], words[1], words[2], (uint32_t)number, &outcome,
                         err) != 0)
            return -1;
    }
    return 0;
}

static int tell_file(void *context, const struct scan_file *file, struct error *err)
{
    static const char *const kinds[] = {[SCAN_OURS] = "ours",
                                        [SCAN_FOUND] = "found",
                                        [SCAN_STRAY] = "stray",
                                        [SCAN_PARTIAL] = "partial",
                                        [SCAN_EXPIRED] = "expired"};
    (void)context;
    (void)err;
    printf("%s %s/%s\n", kinds[file->kind], file->folder, file->file);
    return 0;
}

static int do_root(struct work *known, const char *root, struct error *err)
{
    CLEANUP(work_done) struct work work = {0};
    CLEAN_STORE struct store *store = NULL;
    if (store_open(root, NULL, &store, err) != 0 ||
        find_folders(store, note_folder, &work, err) != 0)
        return -1;
    work.store = store;
    for (size_t i = 0; i < work.folders.n; i++) {
        struct found found = {&work.attempts, work.folders.items[i]};
        if (settle_find(store, work.folders.items[i], note_attempt, &found, err) != 0)
            return -1;
    }
    for (size_t i = 0; i < known->attempts.n; i++)
        text_list_add(&work.attempts, known->attempts.items[i]);
    if (settle_all(&work, err) != 0)
        return -1;
    for (size_t i = 0; i < work.folders.n; i++)
        if (scan_folder(store, work.folders.items[i], tell_file, NULL, err) != 0)
            return -1;
    return 0;
}

int main(void)
{
    CLEANUP(work_done) struct work known = {0};
    char line[8192];
    while (fgets(line, sizeof line, stdin) != NULL) {
        struct error err = ERROR_INIT;
        line[strcspn(line, "\n")] = '\0';
        if (str_starts(line, "attempt ")) {
            text_list_add(&known.attempts, line + strlen("attempt "));
            continue;
        }
        if (str_starts(line, "root ") && do_root(&known, line + strlen("root "), &err) != 0)
            fail(&err);
        printf("end\n");
        fflush(stdout);
    }
    return 0;
}
