/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One attempt at a file on a share, for the tests of publish and settle.
 */
#ifndef ONYX_TESTS_STORE_SHARE_ATTEMPT_H
#define ONYX_TESTS_STORE_SHARE_ATTEMPT_H

#include "tests/unit/common/store/share.h"

#include "common/base/fd.h"
#include "common/format/meta.h"
#include "common/model/backup.h"
#include "common/store/publish.h"
#include "common/store/settle.h"
#include "common/store/settle_find.h"

#define JOB "0123456789abcdef"
#define STEM "backup_20261122-202734"
#define FILE_NAME STEM ".xva"
#define DATA "the bytes of a disk"
#define PARTIAL_NAME FILE_NAME "." JOB "-2.partial"

static const struct publish_place place = {
    .folder = "web1", .stem = STEM, .suffix = ".xva", .job = JOB, .attempt = 2};

static inline void make_meta_of(struct str *text, const char *file, const char *job, uint32_t attempt,
                         uint64_t size)
{
    CLEAN_META struct meta meta = {.is_ours = true, .compress = JOB_COMPRESS_NONE};
    meta.backup.file = mem_dup(file);
    meta.backup.kind = JOB_BACKUP_VM;
    meta.backup.vm_uuid = mem_dup("11111111-2222-4333-8444-555555555555");
    meta.backup.size_bytes = size;
    meta.backup.sha256 =
        mem_dup("caaa1ec72aad941131c793afeb7ec92a569dfd2759a58ce5d61fbf82f2d436d2");
    meta.backup.proof = mem_dup("blocks");
    meta.backup.consistency = JOB_CRASH_CONSISTENT;
    (void)str_copy(meta.backup.job, sizeof meta.backup.job, job);
    (void)str_copy(meta.backup.run, sizeof meta.backup.run, job);
    meta.backup.attempt = attempt;
    meta.backup.started_at = meta.backup.finished_at = meta.backup.snapshot_at = 1700000000000;
    meta.tool = mem_dup("onyxpool test");
    meta_format(&meta, text);
}

static inline void make_meta(struct str *text, const char *job, uint32_t attempt, uint64_t size)
{
    make_meta_of(text, FILE_NAME, job, attempt, size);
}

/* One whole attempt; gives its result. abandons: does what a living writer does after a failure. */
static inline int run_attempt(struct share *share, bool abandons, struct error *err)
{
    CLEAN_STORE struct store *store = share_store(share);
    CLEAN_PUBLISH struct publish *publish = NULL;
    CLEAN_STR struct str meta = STR_INIT;
    make_meta(&meta, JOB, 2, strlen(DATA));
    int result = publish_begin(store, &place, &publish, err);
    if (result == 0)
        result = publish_write(publish, DATA, strlen(DATA), err);
    if (result == 0)
        result = publish_end_data(publish, err);
    if (result == 0)
        result = publish_commit(publish, str_text(&meta), meta.len, err);
    if (result != 0 && abandons && publish != NULL)
        (void)publish_abandon(publish, NULL);
    return result;
}

static inline enum settle_outcome settle(struct share *share)
{
    CLEAN_STORE struct store *store = share_store(share);
    enum settle_outcome outcome = SETTLE_FOREIGN_DATA;
    struct error err = ERROR_INIT;
    if (settle_attempt(store, "web1", STEM, JOB, 2, &outcome, &err) != 0)
        fail_msg("%s", err.text);
    return outcome;
}

/* A whole pair or nothing, no partial in either case. Gives which. */
static inline bool assert_whole_or_nothing(struct share *share)
{
    bool data = share_has(share, "web1/" FILE_NAME), meta = share_has(share, "web1/" STEM ".meta");
    assert_int_equal(data, meta);
    assert_false(share_has(share, "web1/" PARTIAL_NAME));
    assert_false(share_has(share, "web1/" STEM ".meta.partial"));
    return data;
}

static inline int count_steps(void)
{
    struct share share;
    struct error err = ERROR_INIT;
    share_init(&share);
    assert_int_equal(run_attempt(&share, false, &err), 0);
    assert_true(assert_whole_or_nothing(&share));
    int steps = share.step;
    share_done(&share);
    return steps;
}

#endif
