/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One stream a disk, into the digest that the archive's check has taken of the same disk.
 */
#include "agent/job/deep_check.h"

#include "agent/job/attempt.h"
#include "agent/job/raw_source.h"
#include "agent/pipeline/checks.h"
#include "agent/pipeline/stages.h"
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/length.h"
#include "common/format/sparse_digest.h"
#include "common/format/vhd.h"
#include "common/format/vhd_raw.h"
#include "common/format/xva.h"
#include "common/xapi/stream.h"

#include "common/base/poison.h"

/* The SR of the disk that this one is a snapshot of: a snapshot stands beside it. */
static const char *sr_type(const struct attempt *attempt, const struct snapshot_disk *disk)
{
    const struct pool *pool = &attempt->pool;
    for (size_t i = 0; i < pool->vdis_n; i++)
        if (pool->vdis[i].sr != POOL_NONE && str_equal(pool->vdis[i].ref, disk->origin_ref))
            return pool->srs[pool->vdis[i].sr].type;
    return NULL;
}

static int read_disk(struct attempt *attempt, const struct snapshot_disk *disk,
                     char text[DIGEST_TEXT_MAX], struct error *err)
{
    struct raw_disk facts = {.sr_type = sr_type(attempt, disk),
                             .virtual_size_bytes = disk->virtual_size_bytes};
    bool is_vhd = raw_source_is_vhd(JOB_RAW_VHD, &facts);
    CLEAN_VHD_CHECK struct vhd_check *vhd = vhd_check_new(VHD_DYNAMIC, disk->virtual_size_bytes);
    CLEAN_VHD_RAW struct vhd_raw *raw = vhd_raw_new(disk->virtual_size_bytes);
    CLEAN_SPARSE_DIGEST struct sparse_digest *digest = sparse_digest_new(err);
    CLEAN_STR struct str query = STR_INIT;
    struct length_check length;
    if (digest == NULL)
        return -1;
    length_check_init(&length, disk->virtual_size_bytes);
    str_add_format(&query, "/export_raw_vdi?format=%s&vdi=", is_vhd ? "vhd" : "raw");
    stream_add_escaped(&query, disk->ref);
    struct stages_raw stages = {.raw = is_vhd ? raw : NULL, .digest = digest};
    struct pipeline_stage stage = stages_vhd_raw(&stages);
    struct attempt_stream from = {.query = str_text(&query),
                                  .check = is_vhd ? checks_vhd(vhd) : checks_length(&length),
                                  .stage = &stage,
                                  .has_own_digest = true};
    if (attempt_read_stream(attempt, &from, err) != 0)
        return -1;
    sparse_digest_final(digest, text);
    return 0;
}

int deep_check(struct attempt *attempt, const struct xva_check *check, struct error *err)
{
    for (size_t i = 0; i < attempt->snapshot.disks_n; i++) {
        const struct snapshot_disk *disk = &attempt->snapshot.disks[i];
        const char *archived = xva_check_disk_digest(check, disk->uuid);
        char text[DIGEST_TEXT_MAX];
        if (disk->virtual_size_bytes == 0)
            continue;
        if (read_disk(attempt, disk, text, err) != 0)
            return error_add(err, "read disk %zu a second time (deep_check)", i);
        if (!str_equal(archived, text))
            return error_set(err, ERROR_CORRUPT,
                             "deep_check: disk %zu (VDI %s) is not what its snapshot gives when it "
                             "is read again: blocks are missing in the archive",
                             i, disk->uuid);
    }
    return 0;
}
