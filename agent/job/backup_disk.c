/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One disk after the other from one snapshot; all are published together. The VM's own metadata are
 * kept beside, since .meta lacks firmware, NVRAM and platform: their loss is a warning, no failure,
 * for the disks can be restored without.
 * A short source goes silent for ever, which the idle time-out ends.
 */
#include "agent/job/backup_disk.h"

#include "agent/job/attempt.h"
#include "agent/job/disk_stream.h"
#include "agent/vm_metadata.h"
#include "common/base/error.h"
#include "common/format/sparse_digest.h"
#include "common/xapi/record.h"

#include "common/base/poison.h"

/* A raw file has its own digest where its time and traffic follow what is allocated. */
static int stream_disk(struct attempt *attempt, size_t index, struct error *err)
{
    const struct job *job = attempt->job;
    const struct snapshot_disk *disk = &attempt->snapshot.disks[index];
    struct attempt_file *file = &attempt->files[index];
    CLEAN_DISK_STREAM struct disk_stream stream = {.query = STR_INIT};
    bool is_compressed = job->compress == JOB_COMPRESS_GZIP || job->compress == JOB_COMPRESS_ZSTD;
    enum disk_stream_way way =
        job->disk_format == JOB_DISK_VHD
            ? DISK_STREAM_VHD
            : disk_stream_choose(attempt, disk, job->ways.raw_source, is_compressed);
    if (way == DISK_STREAM_VHD && disk_stream_check_vhd(attempt, disk, err) != 0)
        return error_add(err, "disk %s", file->device);
    if (disk_stream_init(&stream, disk, way, way == DISK_STREAM_RAW_OF_VHD, err) != 0 ||
        attempt_run_stream(attempt, index, &stream.from, err) != 0)
        return error_add(err, "disk %s", file->device);
    if (stream.stages.digest != NULL)
        sparse_digest_final(stream.stages.digest, file->sparse_xxh128);
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
