/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages by their rules: what breaks one is refused by the name of its field.
 */
#include "common/wire/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/common/wire/samples.h"

#define assert_text_has(text, part) assert_non_null(strstr(text, part))

static void a_verdict_that_does_not_fit_its_report_is_refused(void **state)
{
    (void)state;
    static const struct {
        enum job_verdict_kind kind;
        enum job_state state;
        const char *field;
    } cases[] = {
        {JOB_VERDICT_PROVEN, JOB_STATE_FAILED, "verdict.kind"},
        {JOB_VERDICT_PROVEN, JOB_STATE_RUNNING, "verdict.kind"},
        {JOB_VERDICT_READABLE, JOB_STATE_CANCELLED, "verdict.kind"},
        {JOB_VERDICT_DAMAGED, JOB_STATE_DONE, "verdict.kind"},
        {(enum job_verdict_kind)9, JOB_STATE_DONE, "verdict.kind"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEAN_WIRE_NOTE struct wire_note note = {.kind = WIRE_NOTE_REPORT};
        CLEAN_STR struct str bytes = STR_INIT;
        struct error err = ERROR_INIT;
        sample_verdict(&note.report, cases[i].kind);
        note.report.state = cases[i].state;
        assert_int_equal(wire_note_pack(&note, &bytes, &err), -1);
        assert_non_null(strstr(err.text, cases[i].field));
    }
    for (int part = 0; part < 3; part++) { /* what a good verdict must tell */
        CLEAN_WIRE_NOTE struct wire_note note = {.kind = WIRE_NOTE_REPORT};
        CLEAN_STR struct str bytes = STR_INIT;
        struct error err = ERROR_INIT;
        sample_verdict(&note.report, JOB_VERDICT_PROVEN);
        mem_set(part == 0   ? &note.report.verdict.sha256
                : part == 1 ? &note.report.verdict.proof
                            : &note.report.verdict.file,
                part == 2 ? "../backup.xva" : NULL);
        assert_int_equal(wire_note_pack(&note, &bytes, &err), -1);
        assert_non_null(strstr(err.text, "verdict."));
    }
}

/* The change that a rule must see, and the field its error names. */
struct job_rule {
    const char *field;
    void (*spoil)(struct job *job);
};

#define SPOIL(name, statement)                                                                     \
    static void name(struct job *job)                                                              \
    {                                                                                              \
        statement;                                                                                 \
    }

SPOIL(job_no_id, job->id[0] = '\0')
SPOIL(job_odd_id, job->id[3] = 'X')
SPOIL(job_odd_run, job->run[3] = 'X')
SPOIL(job_attempt_zero, job->attempt = 0)
SPOIL(job_attempt_high, job->attempt = JOB_ATTEMPTS_MAX + 1)
SPOIL(job_kind_unknown, job->kind = (enum job_kind)77)
SPOIL(job_kind_without_row, job->kind = JOB_RESTORE)
SPOIL(job_no_vm, mem_set(&job->vm_uuid, NULL))
SPOIL(job_no_vm_name, mem_set(&job->vm_name, NULL))
SPOIL(job_odd_vm, mem_set(&job->vm_uuid, "web1"))
SPOIL(job_odd_host, mem_set(&job->host_uuid, "h1"))
SPOIL(job_no_folder, mem_set(&job->folder, NULL))
SPOIL(job_empty_folder, mem_set(&job->folder, ""))
SPOIL(job_up_folder, mem_set(&job->folder, ".."))
SPOIL(job_hidden_folder, mem_set(&job->folder, ".onyxpool"))
SPOIL(job_deep_folder, mem_set(&job->folder, "a/b"))
SPOIL(job_line_folder, mem_set(&job->folder, "a\nb"))
SPOIL(job_latin_folder, mem_set(&job->folder, "caf\xe9"))
SPOIL(job_no_stem, mem_set(&job->stem, NULL))
SPOIL(job_up_stem, mem_set(&job->stem, "../x"))
SPOIL(job_no_compress, job->compress = (enum job_compress)0)
SPOIL(job_odd_compress, job->compress = (enum job_compress)9)
SPOIL(job_odd_format, job->disk_format = (enum job_disk_format)9)
SPOIL(job_odd_source, job->ways.raw_source = (enum job_raw_source)3)
SPOIL(job_huge_estimate, job->estimate_bytes = UINT64_MAX)
SPOIL(job_huge_timeout, job->idle_timeout_ms = UINT64_MAX)
SPOIL(job_high_threshold, job->space_threshold_percent = 101)
SPOIL(job_high_floor, job->hard_floor_percent = 101)
SPOIL(job_high_level, job->tuning.compress_level = JOB_COMPRESS_LEVEL_MAX + 1)
SPOIL(job_many_threads, job->tuning.compress_threads = JOB_COMPRESS_THREADS_MAX + 1)
SPOIL(job_odd_effort, job->tuning.gzip_effort = (enum job_gzip_effort)3)
SPOIL(job_small_ring, job->tuning.ring_mib = JOB_RING_MIB_MIN - 1)
SPOIL(job_huge_ring, job->tuning.ring_mib = JOB_RING_MIB_MAX + 1)
SPOIL(job_odd_digest, job->tuning.file_digest = (enum job_file_digest)3)
SPOIL(job_odd_hook, mem_set(&job->hook, "../mysql"))
SPOIL(job_no_device, mem_set(&job->disks[0].device, NULL))
SPOIL(job_up_device, mem_set(&job->disks[0].device, "../a"))
SPOIL(job_no_vdi, mem_set(&job->disks[0].vdi_uuid, NULL))
SPOIL(job_huge_disk, job->disks[0].virtual_size_bytes = UINT64_MAX)
SPOIL(job_host_without_host, job->kind = JOB_BACKUP_HOST)
SPOIL(job_disk_without_format, job->kind = JOB_BACKUP_DISK;
      job->disk_format = (enum job_disk_format)0)
SPOIL(job_cleanup_of_nothing, job->kind = JOB_CLEANUP)

static const struct job_rule job_rules[] = {
    {"job.id", job_no_id},
    {"job.id", job_odd_id},
    {"job.run", job_odd_run},
    {"job.attempt", job_attempt_zero},
    {"job.attempt", job_attempt_high},
    {"job.kind", job_kind_unknown},
    {"job.kind", job_kind_without_row},
    {"job.vm_uuid", job_no_vm},
    {"job.vm_name", job_no_vm_name},
    {"job.vm_uuid", job_odd_vm},
    {"job.host_uuid", job_odd_host},
    {"job.folder", job_no_folder},
    {"job.folder", job_empty_folder},
    {"job.folder", job_up_folder},
    {"job.folder", job_hidden_folder},
    {"job.folder", job_deep_folder},
    {"job.folder", job_line_folder},
    {"job.folder", job_latin_folder},
    {"job.stem", job_no_stem},
    {"job.stem", job_up_stem},
    {"job.compress", job_no_compress},
    {"job.compress", job_odd_compress},
    {"job.disk_format", job_odd_format},
    {"job.raw_source", job_odd_source},
    {"job.estimate_bytes", job_huge_estimate},
    {"job.idle_timeout_ms", job_huge_timeout},
    {"job.space_threshold_percent", job_high_threshold},
    {"job.hard_floor_percent", job_high_floor},
    {"job.compress_level", job_high_level},
    {"job.compress_threads", job_many_threads},
    {"job.gzip_effort", job_odd_effort},
    {"job.ring_mib", job_small_ring},
    {"job.ring_mib", job_huge_ring},
    {"job.file_digest", job_odd_digest},
    {"job.hook", job_odd_hook},
    {"disk.device", job_no_device},
    {"disk.device", job_up_device},
    {"disk.vdi_uuid", job_no_vdi},
    {"disk.virtual_size_bytes", job_huge_disk},
    {"job.host_uuid", job_host_without_host},
    {"job.disk_format", job_disk_without_format},
    {"job.remains", job_cleanup_of_nothing},
};

SPOIL(verify_no_folder, mem_set(&job->folder, NULL))
SPOIL(verify_no_file, mem_set(&job->subject.file, NULL))
SPOIL(verify_up_file, mem_set(&job->subject.file, "../web2/backup.xva"))
SPOIL(verify_short_sum, mem_set(&job->subject_sha256, "abc"))
SPOIL(verify_huge, job->subject.size_bytes = UINT64_MAX)
SPOIL(verify_of_other_kind, job->kind = JOB_CLEANUP)

static const struct job_rule verify_rules[] = {
    {"job.folder", verify_no_folder},       {"copied.file", verify_no_file},
    {"copied.file", verify_up_file},        {"job.subject_sha256", verify_short_sum},
    {"copied.size_bytes", verify_huge},     {"job.subject", verify_of_other_kind},
};

static void a_bad_verify_job_is_refused_by_the_name_of_its_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof verify_rules / sizeof verify_rules[0]; i++) {
        CLEAN_JOB struct job job = {.id = ""};
        struct error err = ERROR_INIT;
        sample_verify_job(&job);
        assert_int_equal(wire_job_check(&job, &err), 0);
        verify_rules[i].spoil(&job);
        assert_int_equal(wire_job_check(&job, &err), -1);
        assert_non_null(strstr(err.text, verify_rules[i].field));
    }
}

SPOIL(expire_no_folder, mem_set(&job->folder, NULL))
SPOIL(expire_no_keeper, free(job->keepers[0].file); job->keepers_n = 0)
SPOIL(expire_odd_keeper, job->keepers[0].job[0] = 'X')
SPOIL(expire_no_victim, free(job->victims[1].file); free(job->victims[0].file); job->victims_n = 0)
SPOIL(expire_up_victim, mem_set(&job->victims[1].file, "../web2/backup.xva"))
SPOIL(expire_hidden_victim, mem_set(&job->victims[1].file, ".meta"))
SPOIL(expire_no_name, mem_set(&job->victims[1].file, NULL))
SPOIL(expire_odd_job, job->victims[1].job[0] = 'X')
SPOIL(expire_huge, job->victims[1].size_bytes = UINT64_MAX)
SPOIL(expire_keeper, mem_set(&job->victims[1].file, job->keepers[0].file))
SPOIL(expire_of_other_kind, job->kind = JOB_CLEANUP)

static const struct job_rule expire_rules[] = {
    {"job.folder", expire_no_folder},       {"job.keepers", expire_no_keeper},
    {"copied.job", expire_odd_keeper},      {"job.victims", expire_no_victim},
    {"copied.file", expire_up_victim},      {"copied.file", expire_hidden_victim},
    {"copied.file", expire_no_name},        {"copied.job", expire_odd_job},
    {"copied.size_bytes", expire_huge},     {"job.victims", expire_keeper},
    {"job.victims", expire_of_other_kind},
};

static void a_bad_expire_job_is_refused_by_the_name_of_its_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof expire_rules / sizeof expire_rules[0]; i++) {
        CLEAN_JOB struct job job = {.id = ""};
        struct error err = ERROR_INIT;
        sample_expire_job(&job);
        assert_int_equal(wire_job_check(&job, &err), 0);
        expire_rules[i].spoil(&job);
        assert_int_equal(wire_job_check(&job, &err), -1);
        assert_int_equal(err.code, ERROR_PROTOCOL);
        assert_text_has(err.text, expire_rules[i].field);
    }
}

static void a_bad_job_is_refused_by_the_name_of_its_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof job_rules / sizeof job_rules[0]; i++) {
        CLEAN_JOB struct job job = {.id = ""};
        struct error err = ERROR_INIT;
        sample_vm_job(&job);
        assert_int_equal(wire_job_check(&job, &err), 0);
        job_rules[i].spoil(&job);
        assert_int_equal(wire_job_check(&job, &err), -1);
        assert_int_equal(err.code, ERROR_PROTOCOL);
        assert_text_has(err.text, job_rules[i].field);
    }
}

struct report_rule {
    const char *field;
    void (*spoil)(struct job_report *report);
};

#define SPOIL_REPORT(name, statement)                                                              \
    static void name(struct job_report *report)                                                    \
    {                                                                                              \
        statement;                                                                                 \
    }

SPOIL_REPORT(report_no_id, report->id[0] = '\0')
SPOIL_REPORT(report_attempt, report->attempt = 0)
SPOIL_REPORT(report_planned, report->state = JOB_STATE_PLANNED)
SPOIL_REPORT(report_no_phase, report->phase = (enum job_phase)0)
SPOIL_REPORT(report_before_1970, report->started_at = -1)
SPOIL_REPORT(report_far_future, report->finished_at = INT64_MAX)
SPOIL_REPORT(report_odd_consistency, report->consistency = (enum job_consistency)5)
SPOIL_REPORT(report_still_running, report->finished_at = 0)
SPOIL_REPORT(report_failed_for_nothing, report->state = JOB_STATE_FAILED)
SPOIL_REPORT(report_done_with_error, error_set(&report->error, ERROR_IO, "x"))
SPOIL_REPORT(report_cancelled_with_files, report->state = JOB_STATE_CANCELLED)
SPOIL_REPORT(report_no_file_name, mem_set(&report->files[0].name, NULL))
SPOIL_REPORT(report_up_file_name, mem_set(&report->files[0].name, "../a"))
SPOIL_REPORT(report_upper_sum, mem_set(&report->files[0].sha256, "AB"))
SPOIL_REPORT(report_odd_stream_sum, mem_set(&report->files[0].stream_xxh128, SAMPLE_SHA))
SPOIL_REPORT(report_short_sum, mem_set(&report->files[0].sha256, "ab"))
SPOIL_REPORT(report_no_proof, mem_set(&report->files[0].proof, NULL))
SPOIL_REPORT(report_both_ways, text_list_add(&report->gone, "backup_1.xva"))

static const struct report_rule report_rules[] = {
    {"report.id", report_no_id},
    {"report.attempt", report_attempt},
    {"report.state", report_planned},
    {"report.phase", report_no_phase},
    {"report.started_at", report_before_1970},
    {"report.finished_at", report_far_future},
    {"report.consistency", report_odd_consistency},
    {"report.finished_at", report_still_running},
    {"report.error", report_failed_for_nothing},
    {"report.error", report_done_with_error},
    {"report.files", report_cancelled_with_files},
    {"file.name", report_no_file_name},
    {"file.name", report_up_file_name},
    {"file.sha256", report_upper_sum},
    {"file.stream_xxh128", report_odd_stream_sum},
    {"file.sha256", report_short_sum},
    {"file.proof", report_no_proof},
    {"report.gone", report_both_ways},
};

static void a_bad_report_is_refused_by_the_name_of_its_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof report_rules / sizeof report_rules[0]; i++) {
        CLEAN_WIRE_SYNC struct wire_sync sync = {.seq = 1};
        CLEAN_STR struct str bytes = STR_INIT;
        struct wire_packed packed;
        struct error err = ERROR_INIT;
        sync.version = mem_dup("1");
        struct job_report *report = wire_sync_add_report(&sync);
        sample_report_done(report);
        report_rules[i].spoil(report);
        assert_int_equal(wire_sync_pack(&sync, 0, &bytes, &packed, &err), -1);
        assert_int_equal(err.code, ERROR_PROTOCOL);
        assert_text_has(err.text, report_rules[i].field);
        assert_int_equal(bytes.len, 0);
    }
}

static void odd_sync_orders_and_task_are_refused(void **state)
{
    (void)state;
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    CLEAN_WIRE_NOTE struct wire_note note = {.kind = WIRE_NOTE_TASK};
    CLEAN_STR struct str bytes = STR_INIT;
    struct wire_packed packed;
    struct error err = ERROR_INIT;
    sample_sync(&sync);
    sync.free_slots = sync.slots + 1;
    assert_int_equal(wire_sync_pack(&sync, 0, &bytes, &packed, &err), -1);
    assert_text_has(err.text, "sync.free_slots");
    sync.free_slots = 0;
    mem_set(&sync.store.root, "/mnt/../etc");
    assert_int_equal(wire_sync_pack(&sync, 0, &bytes, &packed, &err), -1);
    assert_text_has(err.text, "store.root");
    sample_orders(&orders);
    orders.next_ms = 0;
    assert_int_equal(wire_orders_pack(&orders, &bytes, &err), -1);
    assert_text_has(err.text, "orders.next_ms");
    orders.next_ms = 1000;
    orders.cancel[0].attempt = 0;
    assert_int_equal(wire_orders_pack(&orders, &bytes, &err), -1);
    assert_text_has(err.text, "orders.cancel");
    sample_task(&note.task);
    note.task.xapi_socket = mem_dup("/var/lib/xcp/xapi");
    assert_int_equal(wire_note_pack(&note, &bytes, &err), -1);
    assert_text_has(err.text, "task.xapi_socket");
    mem_set(&note.task.xapi_socket, NULL);
    mem_set(&note.task.session, NULL);
    assert_int_equal(wire_note_pack(&note, &bytes, &err), -1);
    assert_text_has(err.text, "task.session");
    assert_int_equal(bytes.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verdict_that_does_not_fit_its_report_is_refused),
        cmocka_unit_test(a_bad_verify_job_is_refused_by_the_name_of_its_field),
        cmocka_unit_test(a_bad_expire_job_is_refused_by_the_name_of_its_field),
        cmocka_unit_test(a_bad_job_is_refused_by_the_name_of_its_field),
        cmocka_unit_test(a_bad_report_is_refused_by_the_name_of_its_field),
        cmocka_unit_test(odd_sync_orders_and_task_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
