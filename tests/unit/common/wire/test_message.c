/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages both ways: every field, every rule, the ceiling, and bytes that nobody of ours wrote.
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

static void assert_job_equal(const struct job *a, const struct job *b)
{
    assert_string_equal(a->id, b->id);
    assert_string_equal(a->run, b->run);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->attempt, b->attempt);
    assert_int_equal(a->lease, b->lease);
    assert_true(str_equal(a->vm_uuid, b->vm_uuid));
    assert_true(str_equal(a->vm_name, b->vm_name));
    assert_true(str_equal(a->host_uuid, b->host_uuid));
    assert_true(str_equal(a->folder, b->folder));
    assert_true(str_equal(a->stem, b->stem));
    assert_true(str_equal(a->chosen_by, b->chosen_by));
    assert_true(str_equal(a->hook, b->hook));
    assert_int_equal(a->compress, b->compress);
    assert_int_equal(a->disk_format, b->disk_format);
    assert_int_equal(a->ways.keeps_ova, b->ways.keeps_ova);
    assert_int_equal(a->ways.raw_source, b->ways.raw_source);
    assert_int_equal(a->ways.is_deep, b->ways.is_deep);
    assert_int_equal(a->estimate_bytes, b->estimate_bytes);
    assert_int_equal(a->idle_timeout_ms, b->idle_timeout_ms);
    assert_int_equal(a->space_threshold_percent, b->space_threshold_percent);
    assert_int_equal(a->hard_floor_percent, b->hard_floor_percent);
    assert_memory_equal(&a->tuning, &b->tuning, sizeof a->tuning);
    assert_int_equal(a->disks_n, b->disks_n);
    for (size_t i = 0; i < a->disks_n; i++) {
        assert_string_equal(a->disks[i].device, b->disks[i].device);
        assert_string_equal(a->disks[i].vdi_uuid, b->disks[i].vdi_uuid);
        assert_int_equal(a->disks[i].virtual_size_bytes, b->disks[i].virtual_size_bytes);
    }
    assert_int_equal(a->remains_n, b->remains_n);
    for (size_t i = 0; i < a->remains_n; i++) {
        assert_string_equal(a->remains[i].job, b->remains[i].job);
        assert_int_equal(a->remains[i].attempt, b->remains[i].attempt);
        assert_true(str_equal(a->remains[i].vm_uuid, b->remains[i].vm_uuid));
        assert_true(str_equal(a->remains[i].folder, b->remains[i].folder));
        assert_true(str_equal(a->remains[i].stem, b->remains[i].stem));
    }
}

static void assert_copied_equal(const struct job_copied *a, size_t a_n, const struct job_copied *b,
                                size_t b_n)
{
    assert_int_equal(a_n, b_n);
    for (size_t i = 0; i < a_n; i++) {
        assert_string_equal(a[i].file, b[i].file);
        assert_int_equal(a[i].size_bytes, b[i].size_bytes);
        assert_string_equal(a[i].job, b[i].job);
    }
}

static void assert_error_equal(const struct error *a, const struct error *b)
{
    assert_int_equal(a->code, b->code);
    assert_int_equal(a->sys, b->sys);
    assert_string_equal(a->origin, b->origin);
    assert_string_equal(a->text, b->text);
}

static void assert_report_equal(const struct job_report *a, const struct job_report *b)
{
    assert_string_equal(a->id, b->id);
    assert_int_equal(a->attempt, b->attempt);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->phase, b->phase);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->started_at, b->started_at);
    assert_int_equal(a->finished_at, b->finished_at);
    assert_int_equal(a->snapshot_at, b->snapshot_at);
    assert_int_equal(a->stream_ms, b->stream_ms);
    assert_int_equal(a->consistency, b->consistency);
    assert_int_equal(a->is_clean, b->is_clean);
    assert_int_equal(a->is_hung, b->is_hung);
    assert_int_equal(a->files_n, b->files_n);
    for (size_t i = 0; i < a->files_n; i++) {
        assert_string_equal(a->files[i].name, b->files[i].name);
        assert_int_equal(a->files[i].size_bytes, b->files[i].size_bytes);
        assert_string_equal(a->files[i].sha256, b->files[i].sha256);
        assert_true(str_equal(a->files[i].stream_xxh128, b->files[i].stream_xxh128));
        assert_string_equal(a->files[i].proof, b->files[i].proof);
    }
    assert_int_equal(a->gone.n, b->gone.n);
    for (size_t i = 0; i < a->gone.n; i++)
        assert_string_equal(a->gone.items[i], b->gone.items[i]);
    assert_int_equal(a->warnings.n, b->warnings.n);
    for (size_t i = 0; i < a->warnings.n; i++)
        assert_string_equal(a->warnings.items[i], b->warnings.items[i]);
    assert_error_equal(&a->error, &b->error);
}

static void assert_log_equal(const struct wire_log_line *a, const struct wire_log_line *b)
{
    assert_int_equal(a->at, b->at);
    assert_int_equal(a->level, b->level);
    assert_string_equal(a->job, b->job);
    assert_string_equal(a->room, b->room);
    assert_string_equal(a->text, b->text);
}

static void assert_sync_equal(const struct wire_sync *a, const struct wire_sync *b)
{
    assert_int_equal(a->seq, b->seq);
    assert_string_equal(a->version, b->version);
    assert_int_equal(a->lease, b->lease);
    assert_int_equal(a->slots, b->slots);
    assert_int_equal(a->free_slots, b->free_slots);
    assert_int_equal(a->load_percent, b->load_percent);
    assert_int_equal(a->is_draining, b->is_draining);
    assert_int_equal(a->is_partial, b->is_partial);
    assert_string_equal(a->store.root, b->store.root);
    assert_string_equal(a->store.uuid, b->store.uuid);
    assert_string_equal(a->store.nonce, b->store.nonce);
    assert_int_equal(a->store.free_bytes, b->store.free_bytes);
    assert_int_equal(a->store.total_bytes, b->store.total_bytes);
    assert_error_equal(&a->store.error, &b->store.error);
    assert_int_equal(a->reports_n, b->reports_n);
    for (size_t i = 0; i < a->reports_n; i++)
        assert_report_equal(&a->reports[i], &b->reports[i]);
    assert_int_equal(a->log_n, b->log_n);
    for (size_t i = 0; i < a->log_n; i++)
        assert_log_equal(&a->log[i], &b->log[i]);
}

static void assert_orders_equal(const struct wire_orders *a, const struct wire_orders *b)
{
    assert_int_equal(a->lease, b->lease);
    assert_string_equal(a->run, b->run);
    assert_string_equal(a->store_root, b->store_root);
    assert_string_equal(a->store_uuid, b->store_uuid);
    assert_int_equal(a->next_ms, b->next_ms);
    assert_int_equal(a->assign_n, b->assign_n);
    for (size_t i = 0; i < a->assign_n; i++)
        assert_job_equal(&a->assign[i], &b->assign[i]);
    assert_int_equal(a->cancel_n, b->cancel_n);
    for (size_t i = 0; i < a->cancel_n; i++) {
        assert_string_equal(a->cancel[i].id, b->cancel[i].id);
        assert_int_equal(a->cancel[i].attempt, b->cancel[i].attempt);
    }
    assert_int_equal(a->forget_n, b->forget_n);
    for (size_t i = 0; i < a->forget_n; i++) {
        assert_string_equal(a->forget[i].id, b->forget[i].id);
        assert_int_equal(a->forget[i].attempt, b->forget[i].attempt);
    }
}

static void assert_task_equal(const struct wire_task *a, const struct wire_task *b)
{
    assert_job_equal(&a->job, &b->job);
    assert_string_equal(a->host_uuid, b->host_uuid);
    assert_string_equal(a->session, b->session);
    assert_true(str_equal(a->xapi_socket, b->xapi_socket));
    assert_true(str_equal(a->xapi_url, b->xapi_url));
    assert_true(str_equal(a->xapi_certificate, b->xapi_certificate));
    assert_int_equal(a->xapi_tls_port, b->xapi_tls_port);
    assert_string_equal(a->store_root, b->store_root);
    assert_string_equal(a->store_uuid, b->store_uuid);
    assert_string_equal(a->store_nonce, b->store_nonce);
    assert_int_equal(a->log_level, b->log_level);
    assert_int_equal(a->settings.n, b->settings.n);
    for (size_t i = 0; i < a->settings.n; i++) {
        assert_string_equal(a->settings.pairs[i].key, b->settings.pairs[i].key);
        assert_string_equal(a->settings.pairs[i].value, b->settings.pairs[i].value);
    }
}

static void sync_comes_back_as_it_went(void **state)
{
    (void)state;
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    CLEAN_WIRE_SYNC struct wire_sync back = {0};
    CLEAN_STR struct str bytes = STR_INIT;
    struct wire_packed packed;
    struct error err = ERROR_INIT;
    sample_sync(&sync);
    assert_int_equal(wire_sync_pack(&sync, 0, &bytes, &packed, &err), 0);
    assert_int_equal(packed.reports_n, 2);
    assert_int_equal(packed.log_n, 1);
    assert_int_equal(wire_sync_unpack(bytes.data, bytes.len, &back, &err), 0);
    assert_sync_equal(&sync, &back);
}

static void empty_sync_passes_when_nothing_runs(void **state)
{
    (void)state;
    CLEAN_WIRE_SYNC struct wire_sync sync = {.seq = 1};
    CLEAN_WIRE_SYNC struct wire_sync back = {0};
    CLEAN_STR struct str bytes = STR_INIT;
    struct wire_packed packed;
    sync.version = mem_dup("1");
    assert_int_equal(wire_sync_pack(&sync, 5, &bytes, &packed, NULL), 0);
    assert_int_equal(wire_sync_unpack(bytes.data, bytes.len, &back, NULL), 0);
    assert_null(back.store.root);
    assert_false(back.is_partial);
    assert_int_equal(back.store.error.code, ERROR_NONE);
}

static void orders_come_back_as_they_went(void **state)
{
    (void)state;
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    CLEAN_WIRE_ORDERS struct wire_orders back = {0};
    CLEAN_STR struct str bytes = STR_INIT;
    struct error err = ERROR_INIT;
    sample_orders(&orders);
    assert_int_equal(wire_orders_pack(&orders, &bytes, &err), 0);
    assert_int_equal(wire_orders_unpack(bytes.data, bytes.len, &back, &err), 0);
    assert_orders_equal(&orders, &back);
}

static void notes_come_back_as_they_went(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    for (int kind = WIRE_NOTE_TASK; kind <= WIRE_NOTE_PACE; kind++) {
        CLEAN_WIRE_NOTE struct wire_note note = {.kind = (enum wire_note_kind)kind};
        CLEAN_WIRE_NOTE struct wire_note back = {0};
        CLEAN_STR struct str bytes = STR_INIT;
        if (kind == WIRE_NOTE_TASK)
            sample_task(&note.task);
        else if (kind == WIRE_NOTE_REPORT)
            sample_report_done(&note.report);
        else if (kind == WIRE_NOTE_LOG)
            sample_log(&note.line);
        else
            note.rate_limit = UINT64_C(5) << 30;
        assert_int_equal(wire_note_pack(&note, &bytes, &err), 0);
        assert_int_equal(wire_note_unpack(bytes.data, bytes.len, &back, &err), 0);
        assert_int_equal(back.kind, kind);
        if (kind == WIRE_NOTE_TASK)
            assert_task_equal(&note.task, &back.task);
        else if (kind == WIRE_NOTE_REPORT)
            assert_report_equal(&note.report, &back.report);
        else if (kind == WIRE_NOTE_LOG)
            assert_log_equal(&note.line, &back.line);
        assert_true(note.rate_limit == back.rate_limit);
    }
}

static void limits_of_rate_come_back_as_they_went(void **state)
{
    (void)state;
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0}, orders_back = {0};
    CLEAN_WIRE_SYNC struct wire_sync sync = {0}, sync_back = {0};
    CLEAN_STR struct str bytes = STR_INIT;
    struct wire_packed packed;
    struct error err = ERROR_INIT;
    sample_orders(&orders);
    orders.rate_limit = 100 << 20;
    orders.assign[0].tuning.max_rate = 50 << 20;
    assert_int_equal(wire_orders_pack(&orders, &bytes, &err), 0);
    assert_int_equal(wire_orders_unpack(bytes.data, bytes.len, &orders_back, &err), 0);
    assert_int_equal(orders_back.rate_limit, 100 << 20);
    assert_int_equal(orders_back.assign[0].tuning.max_rate, 50 << 20);
    sample_sync(&sync);
    sync.rate_limit = 7 << 20;
    sync.cpu_percent = 93;
    sync.hold_back = mem_dup("CPU at 93 %");
    sync.reports[0].throttled_ms = 1234;
    sync.reports[0].rate_limit = 6 << 20;
    str_clear(&bytes);
    assert_int_equal(wire_sync_pack(&sync, 0, &bytes, &packed, &err), 0);
    assert_int_equal(wire_sync_unpack(bytes.data, bytes.len, &sync_back, &err), 0);
    assert_int_equal(sync_back.rate_limit, 7 << 20);
    assert_int_equal(sync_back.cpu_percent, 93);
    assert_string_equal(sync_back.hold_back, "CPU at 93 %");
    assert_int_equal(sync_back.reports[0].throttled_ms, 1234);
    assert_int_equal(sync_back.reports[0].rate_limit, 6 << 20);
    sync.cpu_percent = 101;
    assert_int_equal(wire_sync_pack(&sync, 0, &bytes, &packed, &err), -1);
    assert_text_has(err.text, "sync.cpu_percent");
}

static void file_without_or_with_other_digests_comes_back_as_it_went(void **state)
{
    (void)state;
    static const char *const sums[][2] = {{NULL, NULL},
                                          {NULL, "99aa06d3014798d86001c324468d497f"},
                                          {SAMPLE_SHA, "99aa06d3014798d86001c324468d497f"}};
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
        CLEAN_WIRE_NOTE struct wire_note note = {.kind = WIRE_NOTE_REPORT};
        CLEAN_WIRE_NOTE struct wire_note back = {0};
        CLEAN_STR struct str bytes = STR_INIT;
        struct error err = ERROR_INIT;
        sample_report_done(&note.report);
        struct job_file *file = &note.report.files[0];
        mem_set(&file->sha256, sums[i][0]);
        mem_set(&file->stream_xxh128, sums[i][1]);
        assert_int_equal(wire_note_pack(&note, &bytes, &err), 0);
        assert_int_equal(wire_note_unpack(bytes.data, bytes.len, &back, &err), 0);
        assert_true(str_equal(back.report.files[0].sha256, sums[i][0]));
        assert_true(str_equal(back.report.files[0].stream_xxh128, sums[i][1]));
    }
}

static void expire_job_and_its_report_come_back_as_they_went(void **state)
{
    (void)state;
    CLEAN_WIRE_ORDERS struct wire_orders orders = {.next_ms = 1000};
    CLEAN_WIRE_ORDERS struct wire_orders back = {0};
    CLEAN_WIRE_NOTE struct wire_note note = {.kind = WIRE_NOTE_REPORT};
    CLEAN_WIRE_NOTE struct wire_note note_back = {0};
    CLEAN_STR struct str bytes = STR_INIT;
    struct error err = ERROR_INIT;
    sample_expire_job(wire_orders_add_job(&orders));
    orders.assign[0].space_threshold_percent = 20;
    orders.assign[0].hard_floor_percent = 1;
    orders.assign[0].ways =
        (struct job_ways){.keeps_ova = true, .raw_source = JOB_RAW_VHD, .is_deep = true};
    mem_set(&orders.assign[0].hook, "mysql");
    orders.assign[0].tuning = (struct job_tuning){.compress_level = 3,
                                                  .compress_threads = 2,
                                                  .gzip_effort = JOB_GZIP_SMALL,
                                                  .ring_mib = 8,
                                                  .file_digest = JOB_FILE_NO_DIGEST};
    assert_int_equal(wire_orders_pack(&orders, &bytes, &err), 0);
    assert_int_equal(wire_orders_unpack(bytes.data, bytes.len, &back, &err), 0);
    const struct job *a = &orders.assign[0], *b = &back.assign[0];
    assert_job_equal(a, b);
    assert_copied_equal(a->victims, a->victims_n, b->victims, b->victims_n);
    assert_copied_equal(a->keepers, a->keepers_n, b->keepers, b->keepers_n);
    sample_report_expired(&note.report);
    str_clear(&bytes);
    assert_int_equal(wire_note_pack(&note, &bytes, &err), 0);
    assert_int_equal(wire_note_unpack(bytes.data, bytes.len, &note_back, &err), 0);
    assert_report_equal(&note.report, &note_back.report);
}

static void verify_job_and_its_verdicts_come_back_as_they_went(void **state)
{
    (void)state;
    CLEAN_WIRE_ORDERS struct wire_orders orders = {.next_ms = 1000};
    CLEAN_WIRE_ORDERS struct wire_orders back = {0};
    CLEAN_STR struct str bytes = STR_INIT;
    struct error err = ERROR_INIT;
    sample_verify_job(wire_orders_add_job(&orders));
    assert_int_equal(wire_orders_pack(&orders, &bytes, &err), 0);
    assert_int_equal(wire_orders_unpack(bytes.data, bytes.len, &back, &err), 0);
    const struct job *a = &orders.assign[0], *b = &back.assign[0];
    assert_job_equal(a, b);
    assert_copied_equal(&a->subject, 1, &b->subject, 1);
    assert_string_equal(a->subject_sha256, b->subject_sha256);
    for (int i = JOB_VERDICT_NONE; i <= JOB_VERDICT_DAMAGED; i++) {
        CLEAN_WIRE_NOTE struct wire_note note = {.kind = WIRE_NOTE_REPORT};
        CLEAN_WIRE_NOTE struct wire_note note_back = {0};
        sample_verdict(&note.report, (enum job_verdict_kind)i);
        str_clear(&bytes);
        assert_int_equal(wire_note_pack(&note, &bytes, &err), 0);
        assert_int_equal(wire_note_unpack(bytes.data, bytes.len, &note_back, &err), 0);
        const struct job_verdict *sent = &note.report.verdict, *got = &note_back.report.verdict;
        assert_int_equal(got->kind, sent->kind);
        if (i == JOB_VERDICT_NONE)
            continue;
        assert_true(str_equal(got->file, sent->file) && str_equal(got->proof, sent->proof) &&
                    str_equal(got->sha256, sent->sha256) && str_equal(got->text, sent->text));
    }
}

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

/* ---- rules ---- */

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

/* ---- ceilings ---- */

static void a_long_list_is_told_in_turns_when_one_message_is_too_small(void **state)
{
    (void)state;
    enum { REPORTS = 400 };
    CLEAN_WIRE_SYNC struct wire_sync sync = {.seq = 1};
    bool is_seen[REPORTS] = {false};
    size_t first = 0;
    size_t turns = 0;
    sync.version = mem_dup("1");
    for (size_t i = 0; i < REPORTS; i++) {
        struct job_report *report = wire_sync_add_report(&sync);
        sample_report_done(report);
        CLEAN_CHAR char *id = str_format("%016zx", i);
        str_copy(report->id, sizeof report->id, id);
        for (size_t k = 0; k < 3; k++)
            text_list_add_format(&report->warnings, "%0500zu", k);
    }
    for (size_t told = 0; told < REPORTS; turns++) {
        CLEAN_WIRE_SYNC struct wire_sync back = {0};
        CLEAN_STR struct str bytes = STR_INIT;
        struct wire_packed packed;
        struct error err = ERROR_INIT;
        assert_int_equal(wire_sync_pack(&sync, first, &bytes, &packed, &err), 0);
        assert_true(bytes.len <= WIRE_BODY_MAX);
        assert_true(packed.reports_n > 0);
        assert_int_equal(wire_sync_unpack(bytes.data, bytes.len, &back, &err), 0);
        assert_true(back.is_partial);
        assert_int_equal(back.reports_n, packed.reports_n);
        for (size_t i = 0; i < back.reports_n; i++)
            is_seen[strtoul(back.reports[i].id, NULL, 16)] = true;
        first += packed.reports_n;
        told += packed.reports_n;
    }
    assert_true(turns > 5);
    for (size_t i = 0; i < REPORTS; i++)
        assert_true(is_seen[i]);
}

static void warnings_are_cut_and_counted_when_there_are_too_many(void **state)
{
    (void)state;
    CLEAN_WIRE_NOTE struct wire_note note = {.kind = WIRE_NOTE_REPORT};
    CLEAN_WIRE_NOTE struct wire_note back = {0};
    CLEAN_STR struct str bytes = STR_INIT;
    sample_report_done(&note.report);
    for (size_t i = 0; i < 999; i++)
        text_list_add_format(&note.report.warnings, "%02000zu", i);
    assert_int_equal(wire_note_pack(&note, &bytes, NULL), 0);
    assert_int_equal(wire_note_unpack(bytes.data, bytes.len, &back, NULL), 0);
    assert_int_equal(back.report.warnings.n, WIRE_WARNINGS_MAX);
    assert_int_equal(strlen(back.report.warnings.items[1]), WIRE_PEOPLE_MAX);
    assert_string_equal(back.report.warnings.items[WIRE_WARNINGS_MAX - 1], "(969 more warnings)");
}

static void the_largest_report_fits_a_sync(void **state)
{
    (void)state;
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    CLEAN_WIRE_SYNC struct wire_sync back = {0};
    CLEAN_STR struct str bytes = STR_INIT;
    struct wire_packed packed;
    struct error err = ERROR_INIT;
    sample_sync(&sync);
    mem_set(&sync.store.root, NULL);
    CLEAN_CHAR char *root = str_format("/%01023d", 1);
    mem_set(&sync.store.root, root);
    error_set(&sync.store.error, ERROR_IO, "%0900d", 1);
    struct job_report *report = &sync.reports[0];
    while (report->files_n < WIRE_FILES_MAX) {
        struct job_file *file = job_report_add_file(report);
        file->name = str_format("%0128zu", report->files_n);
        file->size_bytes = UINT64_C(1) << 60;
        file->sha256 = mem_dup(SAMPLE_SHA);
        file->proof = str_format("%016d", 1);
    }
    for (size_t i = 0; i < 40; i++)
        text_list_add_format(&report->warnings, "%01500zu", i);
    assert_int_equal(wire_sync_pack(&sync, 0, &bytes, &packed, &err), 0);
    assert_true(packed.reports_n >= 1);
    assert_int_equal(wire_sync_unpack(bytes.data, bytes.len, &back, &err), 0);
    assert_int_equal(back.reports[0].files_n, WIRE_FILES_MAX);
    assert_text_has(back.reports[0].warnings.items[back.reports[0].warnings.n - 1],
                    "more warnings");
}

static void orders_keep_the_ceiling_when_many_jobs_are_assigned(void **state)
{
    (void)state;
    CLEAN_WIRE_ORDERS struct wire_orders orders = {.next_ms = 1000};
    CLEAN_WIRE_ORDERS struct wire_orders back = {0};
    CLEAN_STR struct str bytes = STR_INIT;
    struct error err = ERROR_INIT;
    for (size_t i = 0; i < 10; i++)
        sample_cleanup_job(wire_orders_add_job(&orders), 150);
    for (size_t i = 0; i < 1000; i++)
        wire_orders_add_forget(&orders, "00c0ffee00000005", 3);
    assert_int_equal(wire_orders_pack(&orders, &bytes, &err), 0);
    assert_true(bytes.len <= WIRE_BODY_MAX);
    assert_int_equal(wire_orders_unpack(bytes.data, bytes.len, &back, &err), 0);
    assert_true(back.assign_n >= 1 && back.assign_n < 10);
    assert_int_equal(back.forget_n, WIRE_LIST_MAX);
}

static void a_job_that_can_not_cross_says_so(void **state)
{
    (void)state;
    CLEAN_JOB struct job job = {.id = ""};
    struct error err = ERROR_INIT;
    sample_cleanup_job(&job, JOB_REMAINS_MAX);
    assert_int_equal(wire_job_check(&job, &err), 0);
    for (size_t i = 0; i < job.remains_n; i++) {
        free(job.remains[i].folder);
        job.remains[i].folder = str_format("%0250d", 1);
    }
    assert_int_equal(wire_job_check(&job, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
    assert_text_has(err.text, "remains");
}

static void texts_for_people_are_mended_when_they_are_no_utf8(void **state)
{
    (void)state;
    CLEAN_WIRE_NOTE struct wire_note note = {.kind = WIRE_NOTE_LOG};
    CLEAN_WIRE_NOTE struct wire_note back = {0};
    CLEAN_STR struct str bytes = STR_INIT;
    sample_log(&note.line);
    mem_set(&note.line.text, "caf\xc3\xa9 \xff\xc3");
    assert_int_equal(wire_note_pack(&note, &bytes, NULL), 0);
    assert_int_equal(wire_note_unpack(bytes.data, bytes.len, &back, NULL), 0);
    assert_string_equal(back.line.text, "caf\xc3\xa9 ??");
}

/* ---- bytes that nobody of ours wrote ---- */

static int unpack_any(int which, const void *bytes, size_t n, struct error *err)
{
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    CLEAN_WIRE_NOTE struct wire_note note = {0};
    if (which == 0)
        return wire_sync_unpack(bytes, n, &sync, err);
    return which == 1 ? wire_orders_unpack(bytes, n, &orders, err)
                      : wire_note_unpack(bytes, n, &note, err);
}

static void hand_made_bytes_are_refused_by_rule(void **state)
{
    (void)state;
    static const struct {
        int which;
        const char *bytes;
        size_t n;
        const char *why;
    } cases[] = {
        {0, "", 0, "sync.seq"},
        {1, "", 0, "orders.next_ms"},
        {2, "", 0, "one of task, report, log and pace"},
        {0, "\xff\xff\xff\xff", 4, "no message"},
        {0,
         "\x08\x01\x12\x03"
         "a\0b",
         7, "version: holds a NUL"},
        {0, "\x08\x01\x12\x02\xc3\x28", 6, "version: is no UTF-8"},
        {0, "\x08\x01\x12\x00", 4, "sync.version: is empty"},
        {0,
         "\x08\x01\x12\x7f"
         "a",
         5, "no message"},
        {1, "\x40\x01", 2, "orders.next_ms: is out of range"},
        {1,
         "\x1a\x03"
         "abc\x40\xe8\x07",
         8, "orders.store_root: is not an absolute path"},
        {1, "\x40\xe8\x07\x2a\x00", 5, "job.id"},
        {2, "\x12\x00\x1a\x00", 4, "one of task, report, log and pace"},
        {2, "\x1a\x06\x08\x01\x10\xff\xff\x03", 8, "level: is out of range"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(unpack_any(cases[i].which, cases[i].bytes, cases[i].n, &err), -1);
        assert_int_equal(err.code, ERROR_PROTOCOL);
        assert_text_has(err.text, cases[i].why);
    }
}

/* A coordinator that is not ours checks nothing before it packs: the bytes themselves are changed. */
static void names_that_lead_out_of_the_store_are_refused_by_the_agent(void **state)
{
    static const struct {
        const char *field;
        const char *good;
        const char *bad;
    } cases[] = {
        {"job.folder", "folder-name-1", "../../../etc/"}, {"job.folder", "folder-name-1", "/etc/cron.d/x"},
        {"job.folder", "folder-name-1", "a/../../b/../"}, {"job.folder", "folder-name-1", ".onyxpool-abc"},
        {"job.stem", "the-file-stem", "../file-stem1"},   {"job.stem", "the-file-stem", "/tmp/the-stem"},
        {"job.stem", "the-file-stem", "a/the-file-st"},   {"disk.device", "xvd-device-01", "../../dev/sda"},
        {"orders.store_root", "/store-root-1", "../store-root"},
        {"orders.store_root", "/store-root-1", "/mnt/../etc/x"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEAN_WIRE_ORDERS struct wire_orders orders = {.next_ms = 1000};
        CLEAN_WIRE_ORDERS struct wire_orders back = {0};
        CLEAN_STR struct str bytes = STR_INIT;
        struct error err = ERROR_INIT;
        orders.store_root = mem_dup("/store-root-1");
        struct job *job = wire_orders_add_job(&orders);
        sample_vm_job(job);
        mem_set(&job->folder, "folder-name-1");
        mem_set(&job->stem, "the-file-stem");
        mem_set(&job->disks[0].device, "xvd-device-01");
        assert_int_equal(wire_orders_pack(&orders, &bytes, &err), 0);
        size_t n = strlen(cases[i].good);
        assert_int_equal(strlen(cases[i].bad), n);
        char *at = memmem(bytes.data, bytes.len, cases[i].good, n);
        assert_non_null(at);
        memcpy(at, cases[i].bad, n);
        assert_int_equal(wire_orders_unpack(bytes.data, bytes.len, &back, &err), -1);
        assert_int_equal(err.code, ERROR_PROTOCOL);
        assert_text_has(err.text, cases[i].field);
    }
}

static void too_many_items_are_refused(void **state)
{
    (void)state;
    CLEAN_STR struct str bytes = STR_INIT;
    struct error err = ERROR_INIT;
    str_add_n(&bytes,
              "\x08\x01\x12\x01"
              "1",
              5);
    for (size_t i = 0; i <= WIRE_REPORTS_MAX; i++)
        str_add_n(&bytes, "\x52\x00", 2);
    assert_int_equal(unpack_any(0, bytes.data, bytes.len, &err), -1);
    assert_text_has(err.text, "reports: has too many items");
}

static void memory_is_bounded_when_a_frame_describes_a_huge_tree(void **state)
{
    (void)state;
    CLEAN_STR struct str bytes = STR_INIT;
    struct error err = ERROR_INIT;
    while (bytes.len + 2 <= WIRE_BODY_MAX)
        str_add_n(&bytes, "\x52\x00", 2);
    assert_int_equal(unpack_any(0, bytes.data, bytes.len, &err), -1);
    assert_text_has(err.text, "bytes of memory");
    while (bytes.len <= WIRE_BODY_MAX)
        str_add_n(&bytes, "\x52\x00", 2);
    assert_int_equal(unpack_any(0, bytes.data, bytes.len, &err), -1);
    assert_text_has(err.text, "over the ceiling");
}

static void changed_and_random_bytes_never_do_harm(void **state)
{
    (void)state;
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    CLEAN_WIRE_NOTE struct wire_note note = {.kind = WIRE_NOTE_TASK};
    struct str good[3] = {STR_INIT, STR_INIT, STR_INIT};
    struct wire_packed packed;
    unsigned seed = 20261122;
    size_t refused = 0;
    sample_sync(&sync);
    sample_orders(&orders);
    sample_task(&note.task);
    assert_int_equal(wire_sync_pack(&sync, 0, &good[0], &packed, NULL), 0);
    assert_int_equal(wire_orders_pack(&orders, &good[1], NULL), 0);
    assert_int_equal(wire_note_pack(&note, &good[2], NULL), 0);
    for (int which = 0; which < 3; which++) {
        for (size_t n = 0; n < good[which].len; n++)
            unpack_any(which, good[which].data, n, NULL);
        for (int round = 0; round < 3000; round++) {
            CLEAN_STR struct str bytes = STR_INIT;
            str_add_n(&bytes, good[which].data, good[which].len);
            for (int k = 0; k < 1 + round % 8; k++)
                bytes.data[(size_t)rand_r(&seed) % bytes.len] = (char)rand_r(&seed);
            refused += unpack_any(which, bytes.data, bytes.len, NULL) < 0;
        }
        for (int round = 0; round < 1000; round++) {
            char noise[64];
            for (size_t k = 0; k < sizeof noise; k++)
                noise[k] = (char)rand_r(&seed);
            refused += unpack_any(which, noise, (size_t)rand_r(&seed) % sizeof noise, NULL) < 0;
        }
    }
    assert_true(refused > 3000);
    for (size_t i = 0; i < 3; i++)
        str_done(&good[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sync_comes_back_as_it_went),
        cmocka_unit_test(empty_sync_passes_when_nothing_runs),
        cmocka_unit_test(orders_come_back_as_they_went),
        cmocka_unit_test(notes_come_back_as_they_went),
        cmocka_unit_test(limits_of_rate_come_back_as_they_went),
        cmocka_unit_test(expire_job_and_its_report_come_back_as_they_went),
        cmocka_unit_test(verify_job_and_its_verdicts_come_back_as_they_went),
        cmocka_unit_test(a_verdict_that_does_not_fit_its_report_is_refused),
        cmocka_unit_test(a_bad_verify_job_is_refused_by_the_name_of_its_field),
        cmocka_unit_test(file_without_or_with_other_digests_comes_back_as_it_went),
        cmocka_unit_test(a_bad_expire_job_is_refused_by_the_name_of_its_field),
        cmocka_unit_test(a_bad_job_is_refused_by_the_name_of_its_field),
        cmocka_unit_test(a_bad_report_is_refused_by_the_name_of_its_field),
        cmocka_unit_test(odd_sync_orders_and_task_are_refused),
        cmocka_unit_test(a_long_list_is_told_in_turns_when_one_message_is_too_small),
        cmocka_unit_test(warnings_are_cut_and_counted_when_there_are_too_many),
        cmocka_unit_test(the_largest_report_fits_a_sync),
        cmocka_unit_test(orders_keep_the_ceiling_when_many_jobs_are_assigned),
        cmocka_unit_test(a_job_that_can_not_cross_says_so),
        cmocka_unit_test(texts_for_people_are_mended_when_they_are_no_utf8),
        cmocka_unit_test(hand_made_bytes_are_refused_by_rule),
        cmocka_unit_test(names_that_lead_out_of_the_store_are_refused_by_the_agent),
        cmocka_unit_test(too_many_items_are_refused),
        cmocka_unit_test(memory_is_bounded_when_a_frame_describes_a_huge_tree),
        cmocka_unit_test(changed_and_random_bytes_never_do_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
