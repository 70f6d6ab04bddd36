/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a job published before: whole, in part, of another job, or changed since.
 */
#include "agent/job/earlier.h"

#include "common/format/meta.h"
#include "common/store/publish.h"
#include "tests/unit/common/store/share.h"

#define JOB   "0123456789abcdef"
#define OTHER "fedcba9876543210"
#define STEM  "backup_20261122-202734"
#define SHA   "caaa1ec72aad941131c793afeb7ec92a569dfd2759a58ce5d61fbf82f2d436d2"

/* Publish a file of an attempt; NULL device: of the whole VM. */
static void put(struct store *store, const char *job, uint32_t attempt, const char *device)
{
    CLEAN_CHAR char *stem =
        device != NULL ? backup_disk_stem(STEM, device) : str_format("%s", STEM);
    CLEAN_CHAR char *own = str_format("%.*s%u", (int)strlen(stem) - 1, stem, (unsigned)attempt);
    const struct publish_place place = {.folder = "web1",
                                        .stem = own,
                                        .suffix = device != NULL ? ".raw" : ".xva",
                                        .job = job,
                                        .attempt = attempt};
    CLEAN_PUBLISH struct publish *publish = NULL;
    CLEAN_META struct meta meta = {.is_ours = true, .compress = JOB_COMPRESS_NONE};
    CLEAN_STR struct str text = STR_INIT;
    struct error err = ERROR_INIT;
    if (publish_begin(store, &place, &publish, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(publish_write(publish, "the bytes of a disk", 19, &err), 0);
    assert_int_equal(publish_end_data(publish, &err), 0);
    meta.backup.file = mem_dup(publish_file(publish));
    meta.backup.kind = device != NULL ? JOB_BACKUP_DISK : JOB_BACKUP_VM;
    meta.backup.device = mem_dup(device);
    meta.backup.vm_uuid = mem_dup("11111111-2222-4333-8444-555555555555");
    meta.backup.size_bytes = 19;
    meta.backup.sha256 = mem_dup(SHA);
    meta.backup.proof = mem_dup("blocks");
    meta.backup.consistency = JOB_QUIESCED;
    meta.backup.stream_ms = 7;
    meta.backup.attempt = attempt;
    meta.backup.started_at = meta.backup.snapshot_at = meta.backup.finished_at =
        INT64_C(1700000000000) + attempt * 1000;
    (void)str_copy(meta.backup.job, sizeof meta.backup.job, job);
    (void)str_copy(meta.backup.run, sizeof meta.backup.run, job);
    meta.tool = mem_dup("onyxpool test");
    meta_format(&meta, &text);
    if (publish_commit(publish, str_text(&text), text.len, &err) != 0)
        fail_msg("%s", err.text);
}

/* What a worker with such a job finds. */
static int look(struct store *store, enum job_kind kind, size_t disks_n, struct job_report *report)
{
    CLEAN_JOB struct job job = {.kind = kind, .attempt = 3};
    struct job_context context = {.store = store, .job = &job};
    struct error err = ERROR_INIT;
    (void)str_copy(job.id, sizeof job.id, JOB);
    job.folder = mem_dup("web1");
    for (size_t i = 0; i < disks_n; i++)
        job_add_disk(&job);
    int found = earlier_look(&context, report, &err);
    if (found < 0)
        fail_msg("%s", err.text);
    return found;
}

static void look_when_nothing_or_another_jobs_is_there_then_nothing(void **state)
{
    (void)state;
    struct share share;
    CLEAN_JOB_REPORT struct job_report report = {.attempt = 3};
    share_init(&share);
    CLEAN_STORE struct store *store = share_store(&share);
    assert_int_equal(look(store, JOB_BACKUP_VM, 0, &report), 0);
    put(store, OTHER, 1, NULL);
    assert_int_equal(look(store, JOB_BACKUP_VM, 0, &report), 0);
    assert_int_equal(report.files_n, 0);
    assert_int_equal(report.warnings.n, 0);
    share_done(&share);
}

static void look_when_an_attempt_had_published_then_it_is_reported(void **state)
{
    (void)state;
    struct share share;
    CLEAN_JOB_REPORT struct job_report report = {.attempt = 3};
    share_init(&share);
    CLEAN_STORE struct store *store = share_store(&share);
    put(store, JOB, 2, NULL);
    assert_int_equal(look(store, JOB_BACKUP_VM, 0, &report), 1);
    assert_int_equal(report.files_n, 1);
    assert_string_equal(report.files[0].name, "backup_20261122-202732.xva");
    assert_int_equal(report.files[0].size_bytes, 19);
    assert_string_equal(report.files[0].sha256, SHA);
    assert_string_equal(report.files[0].proof, "blocks");
    assert_int_equal(report.bytes, 19);
    assert_int_equal(report.consistency, JOB_QUIESCED);
    assert_int_equal(report.snapshot_at, INT64_C(1700000002000));
    share_done(&share);
}

static void look_when_the_data_were_cut_or_are_gone_then_it_is_made_again(void **state)
{
    (void)state;
    for (int gone = 0; gone < 2; gone++) {
        struct share share;
        CLEAN_JOB_REPORT struct job_report report = {.attempt = 3};
        share_init(&share);
        CLEAN_STORE struct store *store = share_store(&share);
        put(store, JOB, 2, NULL);
        CLEAN_CHAR char *path = str_format("%s/web1/backup_20261122-202732.xva", share.root);
        assert_int_equal(gone ? unlink(path) : truncate(path, 18), 0);
        assert_int_equal(look(store, JOB_BACKUP_VM, 0, &report), 0);
        assert_int_equal(report.files_n, 0);
        assert_int_equal(report.warnings.n, 1);
        assert_non_null(strstr(report.warnings.items[0], "does not fit its .meta"));
        share_done(&share);
    }
}

static void look_when_disks_are_missing_or_of_two_attempts_then_all_are_made_again(void **state)
{
    (void)state;
    static const char *const devices[] = {"xvda", "xvdb"};
    for (size_t older = 0; older < 2; older++) { /* whichever is come to first */
        struct share share;
        CLEAN_JOB_REPORT struct job_report report = {.attempt = 3};
        share_init(&share);
        CLEAN_STORE struct store *store = share_store(&share);
        put(store, JOB, 1, devices[older]);
        put(store, JOB, 2, devices[1 - older]);
        assert_int_equal(look(store, JOB_BACKUP_DISK, 2, &report), 0);
        assert_int_equal(report.files_n, 0);
        assert_int_equal(report.warnings.n, 1);
        assert_non_null(strstr(report.warnings.items[0], "attempt 2 had published 1 of 2 disks"));
        put(store, JOB, 2, devices[older]);
        assert_int_equal(look(store, JOB_BACKUP_DISK, 2, &report), 1);
        assert_int_equal(report.bytes, 38); /* of the newest attempt */
        share_done(&share);
    }
}

static void report_when_a_dead_attempt_had_published_then_its_own_files_alone(void **state)
{
    (void)state;
    struct share share;
    CLEAN_JOB_REPORT struct job_report report = {.attempt = 1};
    CLEAN_JOB struct job job = {.kind = JOB_CLEANUP};
    struct job_remains remains = {.attempt = 1, .folder = mem_dup("web1"), .stem = mem_dup(STEM)};
    struct error err = ERROR_INIT;
    share_init(&share);
    CLEAN_STORE struct store *store = share_store(&share);
    const struct job_context context = {.store = store, .job = &job};
    (void)str_copy(remains.job, sizeof remains.job, JOB);
    put(store, JOB, 2, NULL);
    assert_int_equal(earlier_report(&context, &remains, &report, &err), 0);
    assert_int_equal(report.files_n, 0);
    put(store, JOB, 1, NULL);
    assert_int_equal(earlier_report(&context, &remains, &report, &err), 1);
    assert_int_equal(report.files_n, 1);
    assert_string_equal(report.files[0].name, "backup_20261122-202731.xva");
    assert_int_equal(report.finished_at, INT64_C(1700000001000));
    free(remains.folder);
    free(remains.stem);
    share_done(&share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(look_when_nothing_or_another_jobs_is_there_then_nothing),
        cmocka_unit_test(look_when_an_attempt_had_published_then_it_is_reported),
        cmocka_unit_test(look_when_the_data_were_cut_or_are_gone_then_it_is_made_again),
        cmocka_unit_test(look_when_disks_are_missing_or_of_two_attempts_then_all_are_made_again),
        cmocka_unit_test(report_when_a_dead_attempt_had_published_then_its_own_files_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
