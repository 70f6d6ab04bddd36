/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One disk after the other from one snapshot; all are published together. The VM's own metadata are
 * kept beside, since .meta lacks firmware, NVRAM and platform: their loss is a warning, no failure,
 * for the disks can be restored without.
 * Source: xapi export_raw_vdi.ml; a short source goes silent for ever, which the idle time-out
 * ends.
 */
#include "agent/job/backup_disk.h"

#include "agent/job/attempt.h"
#include "agent/job/raw_source.h"
#include "agent/pipeline/checks.h"
#include "agent/pipeline/stages.h"
#include "agent/vm_metadata.h"
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/length.h"
#include "common/format/sparse_digest.h"
#include "common/format/vhd.h"
#include "common/format/vhd_raw.h"
#include "common/xapi/record.h"
#include "common/xapi/stream.h"

#include "common/base/poison.h"

static void make_query(struct str *query, const char *format, const struct snapshot_disk *disk)
{
    str_add_format(query, "/export_raw_vdi?format=%s&vdi=", format);
    stream_add_escaped(query, disk->ref);
}

static int stream_vhd(struct attempt *attempt, size_t index, struct error *err)
{
    const struct snapshot_disk *disk = &attempt->snapshot.disks[index];
    CLEAN_VHD_CHECK struct vhd_check *check = vhd_check_new(VHD_DYNAMIC, disk->virtual_size_bytes);
    CLEAN_STR struct str query = STR_INIT;
    make_query(&query, "vhd", disk);
    struct attempt_stream from = {
        .query = str_text(&query), .check = checks_vhd(check), .proof = VHD_PROOF};
    return attempt_run_stream(attempt, index, &from, err);
}

static int stream_raw(struct attempt *attempt, size_t index, struct error *err)
{
    const struct snapshot_disk *disk = &attempt->snapshot.disks[index];
    struct length_check length;
    CLEAN_STR struct str query = STR_INIT;
    make_query(&query, "raw", disk);
    length_check_init(&length, disk->virtual_size_bytes);
    struct attempt_stream from = {.query = str_text(&query),
                                  .check = checks_length(&length),
                                  .proof = LENGTH_PROOF,
                                  .is_sparse = true};
    return attempt_run_stream(attempt, index, &from, err);
}

/* A raw file whose time and traffic follow what is allocated. The VHD is checked as one. */
static int stream_raw_of_vhd(struct attempt *attempt, size_t index, struct error *err)
{
    const struct snapshot_disk *disk = &attempt->snapshot.disks[index];
    CLEAN_VHD_CHECK struct vhd_check *check = vhd_check_new(VHD_DYNAMIC, disk->virtual_size_bytes);
    CLEAN_VHD_RAW struct vhd_raw *raw = vhd_raw_new(disk->virtual_size_bytes);
    CLEAN_SPARSE_DIGEST struct sparse_digest *digest = sparse_digest_new(err);
    CLEAN_STR struct str query = STR_INIT;
    if (digest == NULL)
        return -1;
    make_query(&query, "vhd", disk);
    struct stages_raw stages = {.raw = raw, .digest = digest};
    struct pipeline_stage stage = stages_vhd_raw(&stages);
    struct attempt_stream from = {.query = str_text(&query),
                                  .check = checks_vhd(check),
                                  .proof = VHD_PROOF,
                                  .stage = &stage,
                                  .is_sparse = true,
                                  .has_own_digest = true};
    if (attempt_run_stream(attempt, index, &from, err) != 0)
        return -1;
    sparse_digest_final(digest, attempt->files[index].sparse_xxh128);
    return 0;
}

static bool is_raw_of_vhd(const struct attempt *attempt, size_t index)
{
    const struct job *job = attempt->job;
    const struct pool *pool = &attempt->pool;
    struct raw_disk disk = {
        .virtual_size_bytes = attempt->snapshot.disks[index].virtual_size_bytes,
        .is_compressed = job->compress == JOB_COMPRESS_GZIP || job->compress == JOB_COMPRESS_ZSTD,
    };
    for (size_t i = 0; i < pool->vdis_n; i++) {
        if (!str_equal(pool->vdis[i].uuid, job->disks[index].vdi_uuid))
            continue;
        disk.allocated_bytes = pool->vdis[i].physical_utilisation_bytes;
        if (pool->vdis[i].sr != POOL_NONE)
            disk.sr_type = pool->srs[pool->vdis[i].sr].type;
    }
    return raw_source_is_vhd(job->ways.raw_source, &disk);
}

static int stream_disk(struct attempt *attempt, size_t index, struct error *err)
{
    int result = attempt->job->disk_format == JOB_DISK_VHD ? stream_vhd(attempt, index, err)
                 : is_raw_of_vhd(attempt, index)           ? stream_raw_of_vhd(attempt, index, err)
                                                           : stream_raw(attempt, index, err);
    if (result != 0)
        return error_add(err, "disk %s", attempt->files[index].device);
    return 0;
}

static void keep_metadata(struct attempt *attempt)
{
    struct error why = ERROR_INIT;
    const struct job *job = attempt->job;
    if (vm_metadata_keep(attempt->context->xapi, attempt->context->store, job, &why) != 0)
        text_list_add_format(&attempt->report->warnings,
                             "%s: its metadata (firmware, NVRAM, platform) are not kept: %s",
                             job->vm_name, why.text);
}

static int steps(struct attempt *attempt, struct error *err)
{
    const struct job *job = attempt->job;
    size_t index = 0;
    if (record_read_vm(attempt->context->xapi, job->vm_uuid, &attempt->pool, err) != 0)
        return error_add(err, "read the VM");
    for (size_t i = 0; i < job->disks_n; i++)
        if (attempt_begin_file(attempt, job->disks[i].device, &index, err) != 0)
            return -1;
    if (attempt_begin_snapshot(attempt, snapshot_begin_disks, err) != 0)
        return -1;
    keep_metadata(attempt);
    for (size_t i = 0; i < job->disks_n; i++)
        if (stream_disk(attempt, i, err) != 0)
            return -1;
    return 0;
}

int backup_disk_run(const struct job_context *context, struct job_report *report, struct error *err)
{
    return attempt_run(context, report, steps, err);
}
