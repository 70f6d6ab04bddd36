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
#include "agent/pipeline/checks.h"
#include "agent/vm_metadata.h"
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/length.h"
#include "common/format/vhd.h"
#include "common/xapi/record.h"
#include "common/xapi/stream.h"

#include "common/base/poison.h"

static int stream_disk(struct attempt *attempt, size_t index, struct error *err)
{
    const struct snapshot_disk *disk = &attempt->snapshot.disks[index];
    bool is_vhd = attempt->job->disk_format == JOB_DISK_VHD;
    CLEAN_VHD_CHECK struct vhd_check *vhd = NULL;
    struct length_check length;
    CLEAN_STR struct str query = STR_INIT;
    str_add_format(&query, "/export_raw_vdi?format=%s&vdi=", is_vhd ? "vhd" : "raw");
    stream_add_escaped(&query, disk->ref);
    if (is_vhd)
        vhd = vhd_check_new(VHD_DYNAMIC, disk->virtual_size_bytes);
    else
        length_check_init(&length, disk->virtual_size_bytes);
    struct attempt_stream from = {
        .query = str_text(&query),
        .check = is_vhd ? checks_vhd(vhd) : checks_length(&length),
        .proof = is_vhd ? VHD_PROOF : LENGTH_PROOF,
        .is_sparse = !is_vhd,
    };
    if (attempt_run_stream(attempt, index, &from, err) != 0)
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
