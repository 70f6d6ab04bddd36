/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stream's parts, put together for each way.
 * Source: xapi export_raw_vdi.ml.
 */
#include "agent/job/disk_stream.h"

#include "agent/pipeline/checks.h"
#include "common/base/error.h"
#include "common/format/sparse_digest.h"
#include "common/format/vhd.h"
#include "common/format/vhd_raw.h"
#include "common/xapi/stream.h"

#include "common/base/poison.h"

static struct raw_disk facts_of(const struct attempt *attempt, const struct snapshot_disk *disk)
{
    const struct pool *pool = &attempt->pool;
    struct raw_disk facts = {.virtual_size_bytes = disk->virtual_size_bytes};
    for (size_t i = 0; i < pool->vdis_n; i++) {
        if (!str_equal(pool->vdis[i].ref, disk->origin_ref))
            continue;
        facts.allocated_bytes = pool->vdis[i].physical_utilisation_bytes;
        facts.is_qcow2 = str_equal(pool->vdis[i].image_format, "qcow2");
        if (pool->vdis[i].sr != POOL_NONE) /* a snapshot stands beside its disk */
            facts.sr_type = pool->srs[pool->vdis[i].sr].type;
    }
    return facts;
}

int disk_stream_check_vhd(const struct attempt *attempt, const struct snapshot_disk *disk,
                          struct error *err)
{
    struct raw_disk facts = facts_of(attempt, disk);
    if (!raw_source_vhd_hangs(&facts))
        return 0;
    return error_set(err, ERROR_UNSUPPORTED,
                     "it is a QCOW2 of %llu bytes, and XAPI never ends the VHD of one whose size is "
                     "no multiple of 2 MiB: use vdi_export_format raw",
                     (unsigned long long)disk->virtual_size_bytes);
}

enum disk_stream_way disk_stream_choose(const struct attempt *attempt,
                                        const struct snapshot_disk *disk, enum job_raw_source wish,
                                        bool is_compressed)
{
    struct raw_disk facts = facts_of(attempt, disk);
    facts.is_compressed = is_compressed;
    return raw_source_is_vhd(wish, &facts) ? DISK_STREAM_RAW_OF_VHD : DISK_STREAM_RAW;
}

int disk_stream_init(struct disk_stream *stream, const struct snapshot_disk *disk,
                     enum disk_stream_way way, bool has_digest, struct error *err)
{
    uint64_t size = disk->virtual_size_bytes;
    bool is_raw = way == DISK_STREAM_RAW;
    *stream = (struct disk_stream){.query = STR_INIT};
    str_add_format(&stream->query, "/export_raw_vdi?format=%s&vdi=", is_raw ? "raw" : "vhd");
    stream_add_escaped(&stream->query, disk->ref);
    stream->vhd = is_raw ? NULL : vhd_check_new(VHD_DYNAMIC, size);
    length_check_init(&stream->length, size);
    stream->stages.raw = way == DISK_STREAM_RAW_OF_VHD ? vhd_raw_new(size) : NULL;
    stream->stages.digest = has_digest ? sparse_digest_new(err) : NULL;
    if (has_digest && stream->stages.digest == NULL)
        return -1;
    stream->stage = stages_vhd_raw(&stream->stages);
    stream->from =
        (struct attempt_stream){.query = str_text(&stream->query),
                                .check = is_raw ? checks_length(&stream->length)
                                                : checks_vhd(stream->vhd),
                                .proof = is_raw ? LENGTH_PROOF : VHD_PROOF,
                                .stage = has_digest ? &stream->stage : NULL,
                                .is_sparse = way != DISK_STREAM_VHD,
                                .has_own_digest = has_digest};
    return 0;
}

void disk_stream_done(struct disk_stream *stream)
{
    str_done(&stream->query);
    vhd_check_free(stream->vhd);
    vhd_raw_free(stream->stages.raw);
    sparse_digest_free(stream->stages.digest);
}
