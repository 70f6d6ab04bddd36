/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages both ways: every field comes back as it went.
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
        cmocka_unit_test(file_without_or_with_other_digests_comes_back_as_it_went),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
