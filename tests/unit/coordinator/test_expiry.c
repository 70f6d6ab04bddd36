/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From rows of a real catalog to verdicts and the expire job: mixed files, copies that lack a disk,
 * found ones, and what an expire job's report does to the rows.
 */
#include "coordinator/expiry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "coordinator/catalog/catalog.h"

#define DAY INT64_C(86400000)
#define NOW INT64_C(1763856000000)

struct lab {
    char folder[64];
    char *path;
    struct catalog *catalog;
    unsigned next; /* ids */
};

static int begin(void **state)
{
    struct lab *lab = mem_zero(1, sizeof *lab);
    str_copy(lab->folder, sizeof lab->folder, "/tmp/onyx-expiry-XXXXXX");
    assert_non_null(mkdtemp(lab->folder));
    lab->path = str_format("%s/catalog.db", lab->folder);
    assert_int_equal(catalog_open(lab->path, CATALOG_WRITE, &lab->catalog, NULL), 0);
    *state = lab;
    return 0;
}

static int end(void **state)
{
    struct lab *lab = *state;
    CLEAN_CHAR char *clear = str_format("rm -r '%s'", lab->folder);
    catalog_close(&lab->catalog);
    assert_int_equal(system(clear), 0);
    free(lab->path);
    free(lab);
    return 0;
}

static void add_run(struct lab *lab, const char *id)
{
    CLEAN_CATALOG_RUN struct catalog_run run = {.state = CATALOG_RUN_RUNNING, .started_at = NOW};
    run.selection = mem_dup("all");
    str_copy(run.id, sizeof run.id, id);
    assert_int_equal(catalog_add_run(lab->catalog, &run, NULL), 0);
}

static char *make_id(unsigned number)
{
    return str_format("%016x", number);
}

/* A job of a run in folder "web1"; gives its id. */
static char *add_job(struct lab *lab, unsigned run, enum job_kind kind, enum job_state job_state)
{
    CLEAN_CATALOG_JOB struct catalog_job job = {.state = JOB_STATE_PLANNED};
    CLEAN_CHAR char *run_id = make_id(run);
    char *id = make_id(++lab->next + 1000);
    str_copy(job.job.id, sizeof job.job.id, id);
    str_copy(job.job.run, sizeof job.job.run, run_id);
    job.job.kind = kind;
    job.job.folder = mem_dup("web1");
    job.job.vm_uuid = kind == JOB_EXPIRE ? NULL : mem_dup("vm-1");
    job.job.compress = JOB_COMPRESS_NONE;
    job.job.disk_format = JOB_DISK_RAW;
    assert_int_equal(catalog_put_job(lab->catalog, &job, NULL), 0);
    assert_int_equal(catalog_set_job_state(lab->catalog, id, job_state, NULL, NULL), 0);
    return id;
}

/* A file of run n, taken on day n; run 0: found, of no run. */
static void add_file(struct lab *lab, unsigned run, enum job_kind kind, const char *file,
                     enum backup_state backup_state)
{
    CLEAN_BACKUP struct backup backup = {.kind = kind, .state = backup_state};
    CLEAN_CHAR char *run_id = make_id(run);
    CLEAN_CHAR char *job = run != 0 ? add_job(lab, run, kind, JOB_STATE_DONE) : mem_dup("");
    backup.folder = mem_dup("web1");
    backup.file = mem_dup(file);
    backup.vm_uuid = mem_dup("vm-1");
    backup.size_bytes = 100 + run;
    backup.attempt = 1;
    backup.snapshot_at = NOW + (int64_t)run * DAY;
    backup.finished_at = backup.snapshot_at + 1000;
    str_copy(backup.job, sizeof backup.job, job);
    str_copy(backup.run, sizeof backup.run, run != 0 ? run_id : "");
    assert_int_equal(catalog_add_backup(lab->catalog, &backup, NULL), 0);
}

static void add_runs(struct lab *lab, unsigned n)
{
    for (unsigned i = 1; i <= n; i++) {
        CLEAN_CHAR char *id = make_id(i);
        add_run(lab, id);
    }
}

static void judge(struct lab *lab, int64_t max_backups, struct expiry *expiry)
{
    const struct retain_rules rules = {.max_backups = max_backups, .expire_max = 99};
    struct error err = ERROR_INIT;
    if (expiry_judge(lab->catalog, "web1", &rules, expiry, &err) < 0)
        fail_msg("%s", err.text);
}

static const struct retain_verdict *verdict_of(const struct expiry *expiry, const char *file)
{
    for (size_t i = 0; i < expiry->n; i++)
        if (strcmp(expiry->backups[i].file, file) == 0)
            return &expiry->verdicts[i];
    fail_msg("no file %s", file);
    return NULL;
}

static void whole_and_single_disk_exports_share_one_count(void **state)
{
    struct lab *lab = *state;
    CLEAN_EXPIRY struct expiry expiry = {0};
    CLEAN_JOB struct job job = {.kind = JOB_EXPIRE};
    add_runs(lab, 3);
    add_file(lab, 1, JOB_BACKUP_VM, "backup_1.xva", BACKUP_PROVEN);
    add_file(lab, 2, JOB_BACKUP_DISK, "backup_xvda_2.raw", BACKUP_PROVEN);
    add_file(lab, 2, JOB_BACKUP_DISK, "backup_xvdb_2.raw", BACKUP_PROVEN);
    add_file(lab, 3, JOB_BACKUP_DISK, "backup_xvda_3.raw", BACKUP_PROVEN);
    add_file(lab, 3, JOB_BACKUP_DISK, "backup_xvdb_3.raw", BACKUP_PROVEN);
    judge(lab, 3, &expiry);
    /* Three files stay: both of run 3, one of run 2; the whole export goes in the end, as the
     * manual says. */
    assert_int_equal(verdict_of(&expiry, "backup_1.xva")->rule, RETAIN_GOES);
    assert_int_equal(verdict_of(&expiry, "backup_xvda_3.raw")->rule, RETAIN_COUNT);
    assert_int_equal(expiry_make_job(&expiry, &job), 1);
    assert_int_equal(job.victims_n, 2);
    assert_string_equal(job.victims[0].file, "backup_1.xva");
    assert_int_equal(job.victims[0].size_bytes, 101);
    assert_int_equal(job.keepers_n, 1);
    assert_int_equal(strncmp(job.keepers[0].file, "backup_xvd", 10), 0);
    assert_string_equal(job.folder, "web1");
}

static void a_copy_of_more_files_than_the_count_stays_whole_and_is_warned_of(void **state)
{
    struct lab *lab = *state;
    CLEAN_EXPIRY struct expiry expiry = {0};
    CLEAN_TEXT_LIST struct text_list warnings = TEXT_LIST_INIT;
    CLEAN_JOB struct job job = {.kind = JOB_EXPIRE};
    add_runs(lab, 1);
    add_file(lab, 1, JOB_BACKUP_DISK, "backup_xvda_1.raw", BACKUP_PROVEN);
    add_file(lab, 1, JOB_BACKUP_DISK, "backup_xvdb_1.raw", BACKUP_PROVEN);
    judge(lab, 1, &expiry);
    expiry_add_warnings(&expiry, &warnings);
    assert_int_equal(warnings.n, 1);
    assert_string_equal(warnings.items[0], "web1: 1 file beyond max_backups = 1 stays: a VM's last "
                                           "proven backup never goes");
    assert_int_equal(expiry_make_job(&expiry, &job), 0);
    assert_int_equal(job.victims_n, 0);
}

static void a_copy_that_lacks_a_disk_does_not_stand_for_a_whole_one(void **state)
{
    struct lab *lab = *state;
    CLEAN_EXPIRY struct expiry expiry = {0};
    add_runs(lab, 2);
    add_file(lab, 1, JOB_BACKUP_DISK, "backup_xvda_1.raw", BACKUP_PROVEN);
    add_file(lab, 1, JOB_BACKUP_DISK, "backup_xvdb_1.raw", BACKUP_PROVEN);
    add_file(lab, 2, JOB_BACKUP_DISK, "backup_xvda_2.raw", BACKUP_PROVEN);
    free(add_job(lab, 2, JOB_BACKUP_DISK, JOB_STATE_FAILED)); /* xvdb */
    judge(lab, 1, &expiry);
    for (size_t i = 0; i < expiry.n; i++)
        assert_int_not_equal(expiry.verdicts[i].rule, RETAIN_GOES);
    assert_int_equal(verdict_of(&expiry, "backup_xvdb_1.raw")->rule, RETAIN_LAST_COPY);
}

static void a_failed_expire_job_does_not_make_a_copy_incomplete(void **state)
{
    struct lab *lab = *state;
    CLEAN_EXPIRY struct expiry expiry = {0};
    add_runs(lab, 2);
    add_file(lab, 1, JOB_BACKUP_VM, "backup_1.xva", BACKUP_PROVEN);
    add_file(lab, 2, JOB_BACKUP_VM, "backup_2.xva", BACKUP_PROVEN);
    free(add_job(lab, 2, JOB_EXPIRE, JOB_STATE_FAILED));
    judge(lab, 1, &expiry);
    assert_int_equal(verdict_of(&expiry, "backup_1.xva")->rule, RETAIN_GOES);
}

static void found_ones_count_and_go_for_a_newer_proven_one_only(void **state)
{
    struct lab *lab = *state;
    CLEAN_JOB struct job job = {.kind = JOB_EXPIRE};
    add_runs(lab, 1);
    add_file(lab, 0, JOB_BACKUP_VM, "backup_0a.xva", BACKUP_FOUND);
    add_file(lab, 0, JOB_BACKUP_VM, "backup_0b.xva", BACKUP_FOUND);
    {
        CLEAN_EXPIRY struct expiry expiry = {0};
        judge(lab, 1, &expiry);
        assert_int_equal(verdict_of(&expiry, "backup_0a.xva")->rule, RETAIN_NOTHING_NEWER);
    }
    add_file(lab, 1, JOB_BACKUP_VM, "backup_1.xva", BACKUP_PROVEN);
    CLEAN_EXPIRY struct expiry expiry = {0};
    judge(lab, 1, &expiry);
    assert_int_equal(expiry_make_job(&expiry, &job), 1);
    assert_int_equal(job.victims_n, 2);
    assert_string_equal(job.victims[0].job, "");
    assert_string_equal(job.keepers[0].file, "backup_1.xva");
    assert_true(job_id_is_valid(job.keepers[0].job));
}

static void what_a_report_tells_gone_is_expired_even_when_it_failed(void **state)
{
    struct lab *lab = *state;
    CLEAN_EXPIRY struct expiry expiry = {0};
    CLEAN_JOB_REPORT struct job_report report = {.attempt = 1, .state = JOB_STATE_FAILED};
    char *stem = NULL;
    add_runs(lab, 2);
    add_file(lab, 1, JOB_BACKUP_VM, "backup_1.xva", BACKUP_PROVEN);
    add_file(lab, 1, JOB_BACKUP_VM, "backup_1b.xva", BACKUP_PROVEN);
    add_file(lab, 2, JOB_BACKUP_VM, "backup_2.xva", BACKUP_PROVEN);
    CLEAN_CHAR char *id = add_job(lab, 2, JOB_EXPIRE, JOB_STATE_PLANNED);
    assert_int_equal(catalog_begin_attempt(lab->catalog, id, 1, "h1", "host", 1, NULL, NOW, &stem,
                                           NULL),
                     0);
    str_copy(report.id, sizeof report.id, id);
    report.finished_at = NOW;
    error_set(&report.error, ERROR_IO, "remove backup_1b.xva");
    text_list_add(&report.gone, "backup_1.xva");
    text_list_add(&report.gone, "backup_never.xva");
    assert_int_equal(catalog_end_attempt(lab->catalog, &report, NOW, NULL), 1);
    judge(lab, 9, &expiry);
    assert_int_equal(expiry.n, 2);
    assert_string_equal(expiry.backups[0].file, "backup_2.xva");
    assert_string_equal(expiry.backups[1].file, "backup_1b.xva");
}

static int count_attempt(void *context, const struct catalog_attempt *attempt, struct error *err)
{
    (void)attempt;
    (void)err;
    ++*(size_t *)context;
    return 0;
}

static void a_dead_expire_leaves_nothing_for_a_cleanup(void **state)
{
    struct lab *lab = *state;
    char *stem = NULL;
    size_t n = 0;
    add_runs(lab, 1);
    CLEAN_CHAR char *id = add_job(lab, 1, JOB_EXPIRE, JOB_STATE_PLANNED);
    assert_int_equal(catalog_begin_attempt(lab->catalog, id, 1, "h1", "host", 1, NULL, NOW, &stem,
                                           NULL),
                     0);
    assert_int_equal(catalog_each_remains(lab->catalog, count_attempt, &n, NULL), 0);
    assert_int_equal(n, 0);
}

static void the_larger_number_holds_for_a_folder(void **state)
{
    (void)state;
    CLEAN_EXPIRY_RULES_LIST struct expiry_rules_list list = {0};
    const struct retain_rules rules = {.keep_daily = 7};
    expiry_rules_list_add(&list, "web1", &rules, 2);
    expiry_rules_list_add(&list, "web1", &rules, 5);
    expiry_rules_list_add(&list, "web1", &rules, 3);
    expiry_rules_list_add(&list, "web2", &rules, 1);
    assert_int_equal(expiry_rules_list_find(&list, "web1")->max_backups, 5);
    assert_int_equal(expiry_rules_list_find(&list, "web2")->max_backups, 1);
    assert_int_equal(expiry_rules_list_find(&list, "web2")->keep_daily, 7);
    assert_null(expiry_rules_list_find(&list, "web3"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(whole_and_single_disk_exports_share_one_count),
        CASE(a_copy_of_more_files_than_the_count_stays_whole_and_is_warned_of),
        CASE(a_copy_that_lacks_a_disk_does_not_stand_for_a_whole_one),
        CASE(a_failed_expire_job_does_not_make_a_copy_incomplete),
        CASE(found_ones_count_and_go_for_a_newer_proven_one_only),
        CASE(what_a_report_tells_gone_is_expired_even_when_it_failed),
        CASE(a_dead_expire_leaves_nothing_for_a_cleanup),
        cmocka_unit_test(the_larger_number_holds_for_a_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
