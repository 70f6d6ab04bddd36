/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The catalog in a temporary folder: crashes, readers beside a writer, hostile texts.
 */
#include "coordinator/catalog/catalog.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fd.h"
#include "common/base/str.h"
#include "coordinator/catalog/catalog_schema.h"
#include "coordinator/catalog/catalog_sql.h"
#include "tests/unit/coordinator/catalog/catalog_place.h"

#define RUN PLACE_RUN
#define JOB "00000000000000bb"
#define NOW 1763856000000

static char *begin(struct catalog *catalog, const char *job, uint32_t attempt)
{
    char *stem = NULL;
    struct error error = ERROR_INIT;

    if (catalog_begin_attempt(catalog, job, attempt, "h1", "host one", 9, "backup_", NOW, &stem,
                              &error) < 0)
        fail_msg("%s", error.text);
    return stem;
}

static void make_report(struct job_report *report, const char *job, uint32_t attempt,
                        enum job_state state)
{
    str_copy(report->id, sizeof report->id, job);
    report->attempt = attempt;
    report->state = state;
    report->bytes = 4096;
    report->started_at = NOW + 1;
    report->finished_at = NOW + 2000;
    report->snapshot_at = NOW + 10;
    report->stream_ms = 1500;
    report->consistency = JOB_CRASH_CONSISTENT;
    report->is_clean = state == JOB_STATE_DONE;
    if (state != JOB_STATE_DONE) {
        error_set(&report->error, ERROR_XAPI, "VDI_IN_USE(OpaqueRef:1, destroy)");
        error_set_origin(&report->error, "VDI_IN_USE");
        return;
    }
    struct job_file *file = job_report_add_file(report);
    file->name = mem_dup("backup_x.xva");
    file->size_bytes = 4096;
    file->sha256 = mem_dup("ab");
    file->proof = mem_dup("blocks");
}

static void end(struct catalog *catalog, const char *job, uint32_t attempt, enum job_state state)
{
    CLEAN_JOB_REPORT struct job_report report = {0};

    make_report(&report, job, attempt, state);
    assert_int_equal(catalog_end_attempt(catalog, &report, NOW, NULL), 1);
}

static int count_backup(void *context, const struct backup *backup, struct error *err)
{
    (void)backup;
    (void)err;
    ++*(size_t *)context;
    return 0;
}

static size_t backups_n(struct catalog *catalog, const struct catalog_backup_filter *filter)
{
    size_t n = 0;

    assert_int_equal(catalog_each_backup(catalog, filter, count_backup, &n, NULL), 0);
    return n;
}

static int keep_attempt(void *context, const struct catalog_attempt *attempt, struct error *err)
{
    struct str *text = context;

    (void)err;
    str_add_format(text, "%s#%u %s %s; ", attempt->job, attempt->attempt,
                   attempt->stem ? attempt->stem : "-", job_state_name(attempt->state));
    return 0;
}

static size_t remains_n(struct catalog *catalog)
{
    CLEAN_STR struct str text = STR_INIT;
    size_t n = 0;

    assert_int_equal(catalog_each_remains(catalog, keep_attempt, &text, NULL), 0);
    for (const char *at = str_text(&text); *at; at++)
        n += *at == ';';
    return n;
}

static void new_catalog_is_private_and_has_the_version(void **state)
{
    CLEAN_CATALOG struct catalog *catalog = place_open(*state, CATALOG_WRITE);
    const struct place *place = *state;
    struct stat facts;

    assert_int_equal(stat(place->path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    CLEAN_STATEMENT sqlite3_stmt *row = NULL;
    assert_int_equal(catalog_prepare(catalog, &row, NULL, "PRAGMA user_version", ""), 0);
    assert_int_equal(catalog_step(catalog, row, NULL), 1);
    assert_int_equal(catalog_column_int(row, 0), CATALOG_VERSION);
}

static void reading_an_absent_or_empty_catalog_says_that_there_is_none(void **state)
{
    const struct place *place = *state;
    struct catalog *catalog = NULL;
    struct error error = ERROR_INIT;

    assert_int_equal(catalog_open(place->path, CATALOG_READ, &catalog, &error), -1);
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    catalog = place_open(place, CATALOG_WRITE);
    catalog_close(&catalog);
    assert_int_equal(truncate(place->path, 0), 0);
    assert_int_equal(catalog_open(place->path, CATALOG_READ, &catalog, &error), -1);
    assert_int_equal(error.code, ERROR_NOT_FOUND);

    /* Its first run has said whose it is, and is at the tables. */
    error_clear(&error);
    catalog = place_open(place, CATALOG_WRITE);
    assert_int_equal(catalog_run_sql(catalog, NULL, "PRAGMA user_version = 0", ""), 0);
    catalog_close(&catalog);
    assert_int_equal(catalog_open(place->path, CATALOG_READ, &catalog, &error), -1);
    assert_int_equal(error.code, ERROR_NOT_FOUND);
}

static void what_is_no_catalog_of_ours_is_refused_and_left_alone(void **state)
{
    const struct place *place = *state;
    struct catalog *catalog = place_open(place, CATALOG_WRITE);
    struct error error = ERROR_INIT;

    assert_int_equal(catalog_run_sql(catalog, NULL, "PRAGMA application_id = 77", ""), 0);
    catalog_close(&catalog);
    assert_int_equal(catalog_open(place->path, CATALOG_WRITE, &catalog, &error), -1);
    assert_int_equal(error.code, ERROR_UNSUPPORTED);

    CLEAN_STR struct str noise = STR_INIT;
    for (int i = 0; i < 4096; i++)
        str_add_char(&noise, 'x');
    assert_int_equal(fd_replace_file(place->path, 0600, noise.data, noise.len, NULL), 0);
    assert_int_equal(catalog_open(place->path, CATALOG_WRITE, &catalog, &error), -1);
    assert_int_equal(error.code, ERROR_CORRUPT);
}

static void older_version_is_brought_forward_whole_or_not_at_all(void **state)
{
    CLEAN_CATALOG struct catalog *catalog = place_open(*state, CATALOG_WRITE);
    const char *steps[CATALOG_VERSION + 1];

    for (size_t i = 0; i < CATALOG_VERSION; i++)
        steps[i] = catalog_steps[i];
    place_add_run(catalog, RUN, NOW);
    steps[CATALOG_VERSION] = "CREATE TABLE extra(a); CREATE TABLE extra(a);";
    assert_int_equal(catalog_bring_forward(catalog, steps, CATALOG_VERSION + 1, NULL), -1);
    assert_int_equal(catalog_run_sql(catalog, NULL, "SELECT * FROM extra", ""), -1);
    steps[CATALOG_VERSION] = "CREATE TABLE extra(a);";
    assert_int_equal(catalog_bring_forward(catalog, steps, CATALOG_VERSION + 1, NULL), 0);
    assert_int_equal(catalog_run_sql(catalog, NULL, "INSERT INTO extra VALUES(1)", ""), 0);
    CLEAN_CATALOG_RUN struct catalog_run run = {0};
    assert_int_equal(catalog_find_run(catalog, RUN, &run, NULL), 1);
}

static void shares_are_told_by_their_file_system(void **state)
{
    (void)state;
    assert_string_equal(catalog_remote_name(0x6969), "NFS");
    assert_string_equal(catalog_remote_name(0x517b), "SMB");
    assert_string_equal(catalog_remote_name((long)0xff534d42), "SMB");
    assert_string_equal(catalog_remote_name((long)(int)0xfe534d42), "SMB");
    assert_null(catalog_remote_name(0xef53)); /* ext4 */
}

static void writer_that_is_killed_between_commits_leaves_the_last_commit(void **state)
{
    const struct place *place = *state;
    struct catalog *catalog = place_open(place, CATALOG_WRITE);
    int status = 0;

    place_add_run(catalog, RUN, NOW);
    place_add_job(catalog, JOB, "web1", "web1");
    catalog_close(&catalog);
    pid_t child = fork();
    if (child == 0) {
        struct catalog *own = NULL;
        char *stem = NULL;

        if (catalog_open(place->path, CATALOG_WRITE, &own, NULL) < 0 ||
            catalog_begin_attempt(own, JOB, 1, "h1", "h1", 1, "backup_", NOW, &stem, NULL) < 0 ||
            catalog_begin(own, NULL) < 0 ||
            catalog_begin_attempt(own, JOB, 2, "h1", "h1", 1, "backup_", NOW, &stem, NULL) < 0)
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    /* A reader comes first: it must find the log of the dead writer. */
    catalog = place_open(place, CATALOG_READ);
    CLEAN_CATALOG_JOB struct catalog_job job = {0};
    assert_int_equal(catalog_find_job(catalog, JOB, &job, NULL), 1);
    assert_int_equal(job.job.attempt, 1);
    assert_true(job.is_open);
    assert_non_null(job.open_host_uuid);
    assert_int_equal(remains_n(catalog), 1);
    catalog_close(&catalog);
    catalog = place_open(place, CATALOG_WRITE);
    CLEAN_CHAR char *stem = begin(catalog, JOB, 2);
    assert_non_null(stem);
    catalog_close(&catalog);
}

static void readers_see_the_last_commit_while_a_writer_writes(void **state)
{
    CLEAN_CATALOG struct catalog *writer = place_open(*state, CATALOG_WRITE);
    CLEAN_CATALOG struct catalog *reader = place_open(*state, CATALOG_READ);
    CLEAN_CATALOG_RUN struct catalog_run run = {0};
    int64_t before = 0;
    int64_t after = 0;

    assert_int_equal(catalog_read_stamp(reader, &before, NULL), 0);
    assert_int_equal(catalog_begin(writer, NULL), 0);
    place_add_run(writer, RUN, NOW);
    assert_int_equal(catalog_find_run(reader, RUN, &run, NULL), 0);
    assert_int_equal(catalog_commit(writer, NULL), 0);
    assert_int_equal(catalog_find_run(reader, RUN, &run, NULL), 1);
    assert_int_equal(catalog_read_stamp(reader, &after, NULL), 0);
    assert_int_not_equal(before, after);
    struct error error = ERROR_INIT;
    assert_int_equal(catalog_set_clean(reader, JOB, 1, &error), -1);
}

static void two_writers_wait_for_each_other(void **state)
{
    CLEAN_CATALOG struct catalog *one = place_open(*state, CATALOG_WRITE);
    CLEAN_CATALOG struct catalog *two = place_open(*state, CATALOG_ASK);
    char verb[] = "cancel";
    const struct catalog_request request = {.verb = verb, .pid = 1, .asked_at = NOW};
    struct error error = ERROR_INIT;
    int64_t id = 0;

    assert_int_equal(catalog_begin(one, NULL), 0);
    sqlite3_busy_timeout(two->db, 20); /* not ten seconds in a test */
    assert_int_equal(catalog_add_request(two, &request, &id, &error), -1);
    assert_int_equal(error.code, ERROR_BUSY);
    assert_int_equal(catalog_commit(one, NULL), 0);
    assert_int_equal(catalog_add_request(two, &request, &id, NULL), 0);
    CLEAN_CATALOG_REQUEST struct catalog_request found = {0};
    assert_int_equal(catalog_next_request(one, &found, NULL), 1);
    assert_int_equal(found.id, id);
    assert_int_equal(catalog_answer_request(one, id, REQUEST_ANSWERED, 0, "done", NOW, NULL), 0);
    CLEAN_CATALOG_REQUEST struct catalog_request answered = {0};
    assert_int_equal(catalog_find_request(two, id, &answered, NULL), 1);
    assert_string_equal(answered.answer, "done");
    assert_int_equal(catalog_answer_request(one, id + 5, REQUEST_ANSWERED, 0, "", NOW, NULL), -1);
}

static void undone_change_leaves_nothing(void **state)
{
    CLEAN_CATALOG struct catalog *catalog = place_open(*state, CATALOG_WRITE);
    CLEAN_CATALOG_RUN struct catalog_run run = {0};

    assert_int_equal(catalog_begin(catalog, NULL), 0);
    place_add_run(catalog, RUN, NOW);
    catalog_undo(catalog);
    assert_int_equal(catalog_find_run(catalog, RUN, &run, NULL), 0);
    assert_int_equal(catalog_begin(catalog, NULL), 0);
    assert_int_equal(catalog_commit(catalog, NULL), 0);
}

static void hostile_texts_come_back_as_they_went_in(void **state)
{
    CLEAN_CATALOG struct catalog *catalog = place_open(*state, CATALOG_WRITE);
    const char *name = "'; DROP TABLE job; -- \"\n\t\x01 \xff\xfe %s \xe2\x82\xac";

    place_add_run(catalog, RUN, NOW);
    place_add_job(catalog, JOB, name, "web1");
    assert_int_equal(catalog_set_job_state(catalog, JOB, JOB_STATE_WAITING, name, NULL), 0);
    CLEAN_CATALOG_JOB struct catalog_job job = {0};
    assert_int_equal(catalog_find_job(catalog, JOB, &job, NULL), 1);
    assert_string_equal(job.job.vm_name, name);
    assert_string_equal(job.reason, name);
    CLEAN_CATALOG_RUN struct catalog_run run = {0};
    assert_int_equal(catalog_find_run(catalog, "%", &run, NULL), 0);
    assert_int_equal(catalog_find_run(catalog, "", &run, NULL), 0);
}

static void null_texts_come_back_null(void **state)
{
    CLEAN_CATALOG struct catalog *catalog = place_open(*state, CATALOG_WRITE);
    CLEAN_CATALOG_JOB struct catalog_job job = {.state = JOB_STATE_PLANNED};

    place_add_run(catalog, RUN, NOW);
    str_copy(job.job.id, sizeof job.job.id, JOB);
    str_copy(job.job.run, sizeof job.job.run, RUN);
    job.job.kind = JOB_CLEANUP;
    struct job_remains *remains = job_add_remains(&job.job);
    str_copy(remains->job, sizeof remains->job, JOB);
    remains->attempt = 2;
    assert_int_equal(catalog_put_job(catalog, &job, NULL), 0);
    CLEAN_CATALOG_JOB struct catalog_job found = {0};
    assert_int_equal(catalog_find_job(catalog, JOB, &found, NULL), 1);
    assert_null(found.job.vm_uuid);
    assert_null(found.reason);
    assert_null(found.job.stem);
    assert_int_equal(found.job.remains_n, 1);
    assert_null(found.job.remains[0].folder);
    char *stem = NULL;
    assert_int_equal(
        catalog_begin_attempt(catalog, JOB, 1, "h", NULL, 1, NULL, NOW, &stem, NULL), 0);
    assert_null(stem);
    /* A cleanup leaves nothing of its own. */
    assert_int_equal(remains_n(catalog), 0);
}

static void job_comes_back_with_all_it_has(void **state)
{
    CLEAN_CATALOG struct catalog *catalog = place_open(*state, CATALOG_WRITE);
    CLEAN_CATALOG_JOB struct catalog_job job = {0};

    place_add_run(catalog, RUN, NOW);
    place_add_job(catalog, JOB, "web1", "web1");
    place_add_job(catalog, JOB, "web1", "web1"); /* told again: still one */
    assert_int_equal(catalog_find_job(catalog, JOB, &job, NULL), 1);
    assert_int_equal(job.position, 3);
    assert_int_equal(job.job.disks_n, 1);
    assert_string_equal(job.job.disks[0].vdi_uuid, "vdi-1");
    assert_int_equal(job.job.disks[0].virtual_size_bytes, 77);
    assert_int_equal(job.hosts.n, 2);
    assert_string_equal(job.hosts.items[1], "h2");
    assert_int_equal(job.srs.n, 1);
    assert_true(job.job.estimate_bytes == UINT64_C(5000000000));
    assert_true(job.may_be_redirected);
    assert_false(job.is_open);
}

static void stems_are_never_given_twice_in_a_folder(void **state)
{
    CLEAN_CATALOG struct catalog *catalog = place_open(*state, CATALOG_WRITE);

    place_add_run(catalog, RUN, NOW);
    place_add_job(catalog, "0000000000000001", "web1", "web1");
    place_add_job(catalog, "0000000000000002", "WEB1", "WEB1");
    place_add_job(catalog, "0000000000000003", "web2", "web2");
    CLEAN_CHAR char *one = begin(catalog, "0000000000000001", 1);
    CLEAN_CHAR char *two = begin(catalog, "0000000000000001", 2);
    CLEAN_CHAR char *other_case = begin(catalog, "0000000000000002", 1);
    CLEAN_CHAR char *elsewhere = begin(catalog, "0000000000000003", 1);
    assert_string_not_equal(one, two);
    assert_string_not_equal(one, other_case);
    assert_string_not_equal(two, other_case);
    assert_string_equal(one, elsewhere);
    assert_true(str_starts(one, "backup_"));
    struct error error = ERROR_INIT;
    char *stem = NULL;
    assert_int_equal(catalog_begin_attempt(catalog, "0000000000000001", 2, "h", "h", 1, "backup_",
                                           NOW, &stem, &error),
                     -1);
    assert_int_equal(error.code, ERROR_EXISTS);
    assert_int_equal(
        catalog_begin_attempt(catalog, "00000000000000ff", 1, "h", "h", 1, "b", NOW, &stem, &error),
        -1);
    assert_int_equal(error.code, ERROR_NOT_FOUND);
}

static void done_attempt_becomes_a_backup_once(void **state)
{
    CLEAN_CATALOG struct catalog *catalog = place_open(*state, CATALOG_WRITE);
    const struct catalog_backup_filter by_name = {.vm = "web1"};
    const struct catalog_backup_filter by_file = {.file = "web1/backup_x.xva"};
    const struct catalog_backup_filter other = {.vm = "web2"};
    CLEAN_JOB_REPORT struct job_report unknown = {.attempt = 1};
    uint64_t size = 0;

    place_add_run(catalog, RUN, NOW);
    place_add_job(catalog, JOB, "web1", "web1");
    free(begin(catalog, JOB, 1));
    assert_int_equal(remains_n(catalog), 1);
    end(catalog, JOB, 1, JOB_STATE_DONE);
    end(catalog, JOB, 1, JOB_STATE_DONE);
    end(catalog, JOB, 1, JOB_STATE_FAILED); /* a late word changes nothing */
    assert_int_equal(backups_n(catalog, NULL), 1);
    assert_int_equal(backups_n(catalog, &by_name), 1);
    assert_int_equal(backups_n(catalog, &by_file), 1);
    assert_int_equal(backups_n(catalog, &other), 0);
    assert_int_equal(remains_n(catalog), 0);
    assert_int_equal(catalog_find_last_size(catalog, "web1", JOB_BACKUP_VM, &size, NULL), 1);
    assert_int_equal(size, 4096);
    CLEAN_CATALOG_JOB struct catalog_job job = {0};
    assert_int_equal(catalog_find_job(catalog, JOB, &job, NULL), 1);
    assert_int_equal(job.state, JOB_STATE_DONE);
    place_add_job(catalog, JOB, "web1", "web1"); /* planned again by a continued run */
    CLEAN_CATALOG_JOB struct catalog_job again = {0};
    assert_int_equal(catalog_find_job(catalog, JOB, &again, NULL), 1);
    assert_int_equal(again.state, JOB_STATE_DONE);
    str_copy(unknown.id, sizeof unknown.id, "00000000000000cc");
    unknown.state = JOB_STATE_DONE;
    assert_int_equal(catalog_end_attempt(catalog, &unknown, NOW, NULL), 0);
}

static void lost_attempt_that_is_heard_of_again_counts(void **state)
{
    CLEAN_CATALOG struct catalog *catalog = place_open(*state, CATALOG_WRITE);

    place_add_run(catalog, RUN, NOW);
    place_add_job(catalog, JOB, "web1", "web1");
    free(begin(catalog, JOB, 1));
    end(catalog, JOB, 1, JOB_STATE_LOST);
    assert_int_equal(remains_n(catalog), 1);
    assert_int_equal(catalog_set_clean(catalog, JOB, 1, NULL), 0);
    assert_int_equal(remains_n(catalog), 0);
    end(catalog, JOB, 1, JOB_STATE_DONE);
    assert_int_equal(backups_n(catalog, NULL), 1);
    /* One that failed after all, and left something; then its end stands. */
    place_add_job(catalog, "00000000000000dd", "web2", "web2");
    free(begin(catalog, "00000000000000dd", 1));
    end(catalog, "00000000000000dd", 1, JOB_STATE_LOST);
    assert_int_equal(catalog_set_clean(catalog, "00000000000000dd", 1, NULL), 0);
    assert_int_equal(remains_n(catalog), 0);
    end(catalog, "00000000000000dd", 1, JOB_STATE_FAILED);
    assert_int_equal(remains_n(catalog), 1);
    assert_int_equal(catalog_set_clean(catalog, "00000000000000dd", 1, NULL), 0);
    end(catalog, "00000000000000dd", 1, JOB_STATE_FAILED);
    end(catalog, "00000000000000dd", 1, JOB_STATE_LOST);
    assert_int_equal(remains_n(catalog), 0);
    assert_int_equal(backups_n(catalog, NULL), 1);
}

static int count_damaged(void *context, const struct backup *backup, struct error *err)
{
    (void)err;
    *(size_t *)context += backup->state == BACKUP_DAMAGED;
    return 0;
}

static void verdict_on_a_file_that_the_job_is_not_about_is_not_taken(void **state)
{
    CLEAN_CATALOG struct catalog *catalog = place_open(*state, CATALOG_WRITE);
    CLEAN_CATALOG_JOB struct catalog_job job = {.state = JOB_STATE_PLANNED, .position = 4};
    CLEAN_JOB_REPORT struct job_report other = {0};
    const char *const files[] = {"backup_y.xva", "backup_x.xva"};

    place_add_run(catalog, RUN, NOW);
    place_add_job(catalog, JOB, "web1", "web1");
    free(begin(catalog, JOB, 1));
    end(catalog, JOB, 1, JOB_STATE_DONE);
    place_add_job(catalog, "00000000000000dd", "web1", "web1");
    free(begin(catalog, "00000000000000dd", 1));
    make_report(&other, "00000000000000dd", 1, JOB_STATE_DONE);
    mem_set(&other.files[0].name, "backup_y.xva");
    assert_int_equal(catalog_end_attempt(catalog, &other, NOW, NULL), 1);
    str_copy(job.job.id, sizeof job.job.id, "00000000000000ee");
    str_copy(job.job.run, sizeof job.job.run, RUN);
    job.job.kind = JOB_VERIFY;
    job.job.compress = JOB_COMPRESS_NONE;
    job.job.disk_format = JOB_DISK_RAW;
    job.job.folder = mem_dup("web1");
    job.job.subject.file = mem_dup("backup_x.xva");
    job.job.subject.size_bytes = 4096;
    assert_int_equal(catalog_put_job(catalog, &job, NULL), 0);
    for (uint32_t i = 0; i < 2; i++) {
        CLEAN_JOB_REPORT struct job_report report = {.attempt = i + 1};
        char *stem = NULL;
        str_copy(report.id, sizeof report.id, job.job.id);
        report.state = JOB_STATE_FAILED;
        report.finished_at = NOW;
        report.verdict.kind = JOB_VERDICT_DAMAGED;
        report.verdict.file = mem_dup(files[i]);
        report.verdict.text = mem_dup("it was changed");
        error_set(&report.error, ERROR_CORRUPT, "it was changed");
        assert_int_equal(catalog_begin_attempt(catalog, job.job.id, i + 1, "h1", "host one", 9, NULL,
                                               NOW, &stem, NULL),
                         0);
        free(stem);
        assert_int_equal(catalog_end_attempt(catalog, &report, NOW, NULL), 1);
        size_t damaged_n = 0;
        assert_int_equal(catalog_each_backup(catalog, NULL, count_damaged, &damaged_n, NULL), 0);
        assert_int_equal(damaged_n, i); /* the second verdict is on its own file */
    }
}

static int keep_bytes(void *context, const struct catalog_attempt *attempt, struct error *err)
{
    (void)err;
    *(uint64_t *)context = attempt->bytes;
    return 0;
}

static void bytes_of_an_attempt_that_has_ended_stand(void **state)
{
    CLEAN_CATALOG struct catalog *catalog = place_open(*state, CATALOG_WRITE);
    uint64_t bytes = 0;

    place_add_run(catalog, RUN, NOW);
    place_add_job(catalog, JOB, "web1", "web1");
    free(begin(catalog, JOB, 1));
    assert_int_equal(catalog_set_attempt_bytes(catalog, JOB, 1, 77, NULL), 0);
    assert_int_equal(catalog_each_attempt(catalog, RUN, keep_bytes, &bytes, NULL), 0);
    assert_int_equal(bytes, 77);
    end(catalog, JOB, 1, JOB_STATE_DONE);
    assert_int_equal(catalog_set_attempt_bytes(catalog, JOB, 1, 99, NULL), 0);
    assert_int_equal(catalog_each_attempt(catalog, RUN, keep_bytes, &bytes, NULL), 0);
    assert_int_equal(bytes, 4096);
}

static void unfinished_run_is_found_by_what_was_asked_for(void **state)
{
    CLEAN_CATALOG struct catalog *catalog = place_open(*state, CATALOG_WRITE);
    CLEAN_CATALOG_RUN struct catalog_run run = {0};
    const char *selection = "vm_exports: .*";

    place_add_run(catalog, "0000000000000001", NOW);
    place_add_run(catalog, "0000000000000002", NOW + 1);
    assert_int_equal(catalog_find_unfinished_run(catalog, "other", "pool", "store", 0, &run, NULL),
                     0);
    assert_int_equal(catalog_find_unfinished_run(catalog, selection, "p2", "store", 0, &run, NULL),
                     0);
    assert_int_equal(
        catalog_find_unfinished_run(catalog, selection, "pool", "store", NOW + 2, &run, NULL), 0);
    assert_int_equal(
        catalog_find_unfinished_run(catalog, selection, "pool", "store", NOW, &run, NULL), 1);
    assert_string_equal(run.id, "0000000000000002");
    assert_int_equal(catalog_abandon_runs(catalog, run.id, NOW, NULL), 0);
    run.state = CATALOG_RUN_DONE;
    run.finished_at = NOW + 5;
    text_list_add(&run.warnings, "twice");
    text_list_add(&run.warnings, "twice");
    assert_int_equal(catalog_update_run(catalog, &run, NULL), 0);
    assert_int_equal(catalog_update_run(catalog, &run, NULL), 0);
    assert_int_equal(catalog_abandon_runs(catalog, NULL, NOW, NULL), 0);
    CLEAN_CATALOG_RUN struct catalog_run newest = {0};
    assert_int_equal(catalog_find_run(catalog, NULL, &newest, NULL), 1);
    assert_int_equal(newest.state, CATALOG_RUN_DONE);
    assert_int_equal(newest.warnings.n, 1);
    CLEAN_CATALOG_RUN struct catalog_run older = {0};
    assert_int_equal(catalog_find_run(catalog, "0000000000000001", &older, NULL), 1);
    assert_int_equal(older.state, CATALOG_RUN_ABANDONED);
    struct error error = ERROR_INIT;
    CLEAN_CATALOG_RUN struct catalog_run both = {0};
    assert_int_equal(catalog_find_run(catalog, "0000", &both, &error), -1);
    assert_int_equal(error.code, ERROR_BAD_INPUT);
}

static void copy_is_one_whole_file(void **state)
{
    const struct place *place = *state;
    CLEAN_CATALOG struct catalog *catalog = place_open(place, CATALOG_WRITE);
    struct place copied = {.path = str_format("%s/copy.db", place->folder)};
    CLEAN_CHAR char *log = str_format("%s-wal", copied.path);
    CLEAN_CHAR char *partial = str_format("%s.partial", copied.path);
    CLEAN_CHAR char *nowhere = str_format("%s/none/copy.db", place->folder);

    place_add_run(catalog, RUN, NOW);
    assert_int_equal(catalog_copy(catalog, copied.path, NULL), 0);
    assert_int_equal(catalog_copy(catalog, copied.path, NULL), 0);
    assert_int_equal(access(log, F_OK), -1);
    assert_int_equal(access(partial, F_OK), -1);
    CLEAN_CATALOG struct catalog *copy = place_open(&copied, CATALOG_READ);
    CLEAN_CATALOG_RUN struct catalog_run run = {0};
    assert_int_equal(catalog_find_run(copy, RUN, &run, NULL), 1);
    assert_int_equal(catalog_copy(catalog, nowhere, NULL), -1);
    free(copied.path);
}

static int count_line(void *context, const struct catalog_line *line, struct error *err)
{
    (void)line;
    (void)err;
    ++*(size_t *)context;
    return 0;
}

static void old_lines_make_room_for_new_ones(void **state)
{
    CLEAN_CATALOG struct catalog *catalog = place_open(*state, CATALOG_WRITE);
    char text[] = "a line";
    struct catalog_line line = {.at = NOW, .level = 1, .text = text};
    size_t n = 0;

    assert_int_equal(catalog_begin(catalog, NULL), 0);
    for (int i = 0; i < CATALOG_LOG_MAX + 10; i++)
        assert_int_equal(catalog_add_line(catalog, &line, NULL), 0);
    assert_int_equal(catalog_commit(catalog, NULL), 0);
    assert_int_equal(catalog_each_line(catalog, NULL, count_line, &n, NULL), 0);
    assert_int_equal(n, CATALOG_LOG_MAX);
}

static void agent_keeps_its_first_day(void **state)
{
    CLEAN_CATALOG struct catalog *catalog = place_open(*state, CATALOG_WRITE);
    char host[] = "h1";
    char name[] = "host one";
    struct catalog_agent agent = {
        .host_uuid = host, .host_name = name, .first_seen_at = NOW, .seen_at = NOW};

    assert_int_equal(catalog_put_agent(catalog, &agent, NULL), 0);
    agent.first_seen_at = agent.seen_at = NOW + 9;
    agent.host_name = NULL;
    assert_int_equal(catalog_put_agent(catalog, &agent, NULL), 0);
    CLEAN_STATEMENT sqlite3_stmt *row = NULL;
    assert_int_equal(catalog_prepare(catalog, &row, NULL,
                                     "SELECT first_seen_at, seen_at, host_name FROM agent", ""),
                     0);
    assert_int_equal(catalog_step(catalog, row, NULL), 1);
    assert_true(catalog_column_int(row, 0) == NOW);
    assert_true(catalog_column_int(row, 1) == NOW + 9);
    assert_string_equal(catalog_column_text(row, 2), "host one");
}

static void what_was_refused_is_known_by_run(void **state)
{
    CLEAN_CATALOG struct catalog *catalog = place_open(*state, CATALOG_WRITE);
    const struct catalog_refused first = {.other_key = 1};
    const struct catalog_refused then = {1, 2, 3, 4, 5, 6, 7, 8};
    struct catalog_refused got = {.shut = 9};

    assert_int_equal(catalog_get_refused(catalog, "aa", &got, NULL), 0);
    assert_true(got.shut == 0 && got.other_key == 0);
    assert_int_equal(catalog_put_refused(catalog, "aa", &first, NULL), 0);
    assert_int_equal(catalog_put_refused(catalog, "aa", &then, NULL), 0);
    assert_int_equal(catalog_put_refused(catalog, "bb", &first, NULL), 0);
    assert_int_equal(catalog_get_refused(catalog, "aa", &got, NULL), 0);
    assert_memory_equal(&got, &then, sizeof got);
    assert_int_equal(catalog_get_refused(catalog, "bb", &got, NULL), 0);
    assert_memory_equal(&got, &first, sizeof got);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, place_set_up, place_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(new_catalog_is_private_and_has_the_version),
        CASE(reading_an_absent_or_empty_catalog_says_that_there_is_none),
        CASE(what_is_no_catalog_of_ours_is_refused_and_left_alone),
        CASE(older_version_is_brought_forward_whole_or_not_at_all),
        CASE(shares_are_told_by_their_file_system),
        CASE(writer_that_is_killed_between_commits_leaves_the_last_commit),
        CASE(readers_see_the_last_commit_while_a_writer_writes),
        CASE(two_writers_wait_for_each_other),
        CASE(undone_change_leaves_nothing),
        CASE(hostile_texts_come_back_as_they_went_in),
        CASE(null_texts_come_back_null),
        CASE(job_comes_back_with_all_it_has),
        CASE(stems_are_never_given_twice_in_a_folder),
        CASE(done_attempt_becomes_a_backup_once),
        CASE(lost_attempt_that_is_heard_of_again_counts),
        CASE(verdict_on_a_file_that_the_job_is_not_about_is_not_taken),
        CASE(bytes_of_an_attempt_that_has_ended_stand),
        CASE(unfinished_run_is_found_by_what_was_asked_for),
        CASE(copy_is_one_whole_file),
        CASE(old_lines_make_room_for_new_ones),
        CASE(agent_keeps_its_first_day),
        CASE(what_was_refused_is_known_by_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
