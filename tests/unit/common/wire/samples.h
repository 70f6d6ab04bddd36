/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages with every field filled, for the tests of this folder, and a clock and a random source
 * that do as they are told.
 */
#ifndef ONYX_TESTS_UNIT_COMMON_WIRE_SAMPLES_H
#define ONYX_TESTS_UNIT_COMMON_WIRE_SAMPLES_H

#include <string.h>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/wire/message.h"

#define SAMPLE_HOST   "0b4a8c1e-5d0f-4a4e-9a57-3f1f5f2f7a10"
#define SAMPLE_HOST_2 "1c4a8c1e-5d0f-4a4e-9a57-3f1f5f2f7a11"
#define SAMPLE_VM     "7d9f2a34-52ab-4f6e-8d0b-000000000001"
#define SAMPLE_VDI    "7d9f2a34-52ab-4f6e-8d0b-000000000002"
#define SAMPLE_STORE  "7d9f2a34-52ab-4f6e-8d0b-000000000003"
#define SAMPLE_SHA    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct sample_time {
    struct clock clock;
    int64_t ms;
};

static inline int64_t sample_ms(void *context)
{
    return ((struct sample_time *)context)->ms;
}

static inline void sample_time_init(struct sample_time *time)
{
    time->ms = 1000000;
    time->clock = (struct clock){sample_ms, sample_ms, time};
}

/* Bytes that count upwards: what is made of them is the same in every run. */
static inline void sample_fill(void *context, void *bytes, size_t n)
{
    unsigned char *next = context;
    for (size_t i = 0; i < n; i++)
        ((unsigned char *)bytes)[i] = (*next)++;
}

static inline void sample_vm_job(struct job *job)
{
    str_copy(job->id, sizeof job->id, "00c0ffee00000001");
    str_copy(job->run, sizeof job->run, "feedfacefeedface");
    job->kind = JOB_BACKUP_VM;
    job->attempt = 2;
    job->lease = 41;
    job->vm_uuid = mem_dup(SAMPLE_VM);
    job->vm_name = mem_dup("W\xc3\xa4"
                           "b 1: /x");
    struct job_disk *disk = job_add_disk(job);
    disk->device = mem_dup("xvda");
    disk->vdi_uuid = mem_dup(SAMPLE_VDI);
    disk->virtual_size_bytes = UINT64_C(8) << 30;
    job->folder = mem_dup("W\xc3\xa4"
                          "b 1%3A %2Fx");
    job->stem = mem_dup("backup_20261122-202734");
    job->compress = JOB_COMPRESS_ZSTD;
    job->disk_format = JOB_DISK_VHD;
    job->estimate_bytes = 123456789;
    job->chosen_by = mem_dup("vm_exports: W.*");
    job->idle_timeout_ms = 600000;
}

static inline void sample_cleanup_job(struct job *job, size_t remains_n)
{
    str_copy(job->id, sizeof job->id, "00c0ffee00000002");
    job->kind = JOB_CLEANUP;
    job->attempt = 1;
    for (size_t i = 0; i < remains_n; i++) {
        struct job_remains *remains = job_add_remains(job);
        str_copy(remains->job, sizeof remains->job, "00c0ffee00000001");
        remains->attempt = 1;
        remains->vm_uuid = mem_dup(SAMPLE_VM);
        remains->folder = mem_dup("web1");
        remains->stem = mem_dup("backup_20261122-202700");
    }
}

static inline void sample_expire_job(struct job *job)
{
    str_copy(job->id, sizeof job->id, "00c0ffee00000007");
    str_copy(job->run, sizeof job->run, "feedfacefeedface");
    job->kind = JOB_EXPIRE;
    job->attempt = 1;
    job->folder = mem_dup("web1");
    struct job_copied *victim = job_add_victim(job);
    victim->file = mem_dup("backup_20261119-202700.xva");
    victim->size_bytes = UINT64_C(5) << 32;
    victim = job_add_victim(job);
    victim->file = mem_dup("backup_20261120-202700.xva");
    victim->size_bytes = 77;
    str_copy(victim->job, sizeof victim->job, "00c0ffee00000008");
    struct job_copied *keeper = job_add_keeper(job);
    keeper->file = mem_dup("backup_20261122-202734.xva");
    keeper->size_bytes = 78;
    str_copy(keeper->job, sizeof keeper->job, "00c0ffee00000001");
}

static inline void sample_report_expired(struct job_report *report)
{
    str_copy(report->id, sizeof report->id, "00c0ffee00000007");
    report->attempt = 1;
    report->state = JOB_STATE_FAILED;
    report->phase = JOB_PHASE_CLEAN;
    report->started_at = INT64_C(1795379254000);
    report->finished_at = INT64_C(1795379256000);
    report->consistency = JOB_CRASH_CONSISTENT;
    report->is_clean = true;
    text_list_add(&report->gone, "backup_20261119-202700.xva");
    error_set(&report->error, ERROR_IO, "remove backup_20261120-202700.xva");
}

static inline void sample_verify_job(struct job *job)
{
    str_copy(job->id, sizeof job->id, "00c0ffee00000009");
    job->kind = JOB_VERIFY;
    job->attempt = 1;
    job->folder = mem_dup("web1");
    job->subject.file = mem_dup("backup_20261122-202734.xva");
    job->subject.size_bytes = UINT64_C(5) << 32;
    str_copy(job->subject.job, sizeof job->subject.job, "00c0ffee00000001");
    job->subject_sha256 =
        mem_dup("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static inline void sample_verdict(struct job_report *report, enum job_verdict_kind kind)
{
    bool is_good = kind != JOB_VERDICT_DAMAGED;
    str_copy(report->id, sizeof report->id, "00c0ffee00000009");
    report->attempt = 1;
    report->state = is_good ? JOB_STATE_DONE : JOB_STATE_FAILED;
    report->phase = JOB_PHASE_STREAM;
    report->started_at = INT64_C(1795379254000);
    report->finished_at = INT64_C(1795379256000);
    report->verdict.kind = kind;
    report->verdict.file = mem_dup("backup_20261122-202734.xva");
    if (is_good)
        report->verdict.sha256 =
            mem_dup("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    if (kind == JOB_VERDICT_PROVEN)
        report->verdict.proof = mem_dup("blocks");
    else
        report->verdict.text = mem_dup("it has 3 bytes, not 5");
    if (!is_good)
        error_set(&report->error, ERROR_CORRUPT, "web1/backup_20261122-202734.xva is damaged");
}

static inline void sample_report_done(struct job_report *report)
{
    str_copy(report->id, sizeof report->id, "00c0ffee00000001");
    report->attempt = 2;
    report->state = JOB_STATE_DONE;
    report->phase = JOB_PHASE_FINISH;
    report->bytes = UINT64_C(5) << 32;
    report->started_at = INT64_C(1795379254000);
    report->finished_at = INT64_C(1795379299000);
    report->snapshot_at = INT64_C(1795379255000);
    report->stream_ms = 43210;
    report->consistency = JOB_CRASH_CONSISTENT;
    report->is_clean = true;
    struct job_file *file = job_report_add_file(report);
    file->name = mem_dup("backup_20261122-202734.xva");
    file->size_bytes = UINT64_C(5) << 32;
    file->sha256 = mem_dup(SAMPLE_SHA);
    file->proof = mem_dup("blocks");
    text_list_add(&report->warnings, "the CD drive was ejected from the snapshot");
}

static inline void sample_report_failed(struct job_report *report)
{
    str_copy(report->id, sizeof report->id, "00c0ffee00000003");
    report->attempt = 1;
    report->state = JOB_STATE_FAILED;
    report->phase = JOB_PHASE_SNAPSHOT;
    report->started_at = INT64_C(1795379254000);
    report->finished_at = INT64_C(1795379256000);
    report->is_hung = true;
    error_set_sys(&report->error, ERROR_XAPI, 5, "export web2: SR_BACKEND_FAILURE_109");
    error_set_origin(&report->error, "SR_BACKEND_FAILURE_109");
}

static inline void sample_log(struct wire_log_line *line)
{
    line->at = INT64_C(1795379254321);
    line->level = LOG_LEVEL_WARN;
    str_copy(line->job, sizeof line->job, "00c0ffee00000001");
    line->room = mem_dup("snapshot");
    line->text = mem_dup("ejected a CD");
}

static inline void sample_sync(struct wire_sync *sync)
{
    sync->seq = 77;
    sync->version = mem_dup("0.1.0");
    sync->lease = 41;
    sync->slots = 2;
    sync->free_slots = 1;
    sync->load_percent = 250;
    sync->is_draining = true;
    sync->store.root = mem_dup("/mnt/backup");
    sync->store.uuid = mem_dup(SAMPLE_STORE);
    sync->store.nonce = mem_dup("00112233445566778899aabbccddeeff");
    sync->store.free_bytes = UINT64_C(1) << 40;
    sync->store.total_bytes = UINT64_C(4) << 40;
    error_set(&sync->store.error, ERROR_STORE_FOREIGN, "the store is another pool's");
    sample_report_done(wire_sync_add_report(sync));
    sample_report_failed(wire_sync_add_report(sync));
    sample_log(wire_sync_add_log(sync));
}

static inline void sample_orders(struct wire_orders *orders)
{
    orders->lease = 41;
    str_copy(orders->run, sizeof orders->run, "feedfacefeedface");
    orders->store_root = mem_dup("/mnt/backup");
    orders->store_uuid = mem_dup(SAMPLE_STORE);
    sample_vm_job(wire_orders_add_job(orders));
    sample_cleanup_job(wire_orders_add_job(orders), 2);
    wire_orders_add_cancel(orders, "00c0ffee00000004", 1);
    wire_orders_add_forget(orders, "00c0ffee00000005", 3);
    wire_orders_add_forget(orders, "00c0ffee00000006", 99);
    orders->next_ms = 1000;
}

static inline void sample_task(struct wire_task *task)
{
    sample_vm_job(&task->job);
    task->host_uuid = mem_dup(SAMPLE_HOST);
    task->session = mem_dup("OpaqueRef:7d9f2a34-52ab-4f6e-8d0b-00000000abcd");
    task->xapi_url = mem_dup("https://10.0.0.1");
    task->xapi_certificate = mem_dup("/etc/onyxpool/pool.pem");
    task->xapi_tls_port = 8443;
    task->store_root = mem_dup("/mnt/backup");
    task->store_uuid = mem_dup(SAMPLE_STORE);
    task->store_nonce = mem_dup("00112233445566778899aabbccddeeff");
    task->log_level = LOG_LEVEL_DEBUG;
    text_map_set(&task->settings, "ring_mib", "16");
    text_map_set(&task->settings, "empty", "");
}

#endif
