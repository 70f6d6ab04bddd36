/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One stream a disk, into the digest that the archive's check has taken of the same disk.
 */
#include "agent/job/deep_check.h"

#include "agent/job/attempt.h"
#include "agent/job/disk_stream.h"
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/sparse_digest.h"
#include "common/format/xva.h"

#include "common/base/poison.h"

static int read_disk(struct attempt *attempt, const struct snapshot_disk *disk,
                     char text[DIGEST_TEXT_MAX], struct error *err)
{
    CLEAN_DISK_STREAM struct disk_stream stream = {.query = STR_INIT};
    enum disk_stream_way way = disk_stream_choose(attempt, disk, JOB_RAW_VHD, false);
    if (disk_stream_init(&stream, disk, way, true, err) != 0 ||
        attempt_read_stream(attempt, &stream.from, err) != 0)
        return -1;
    sparse_digest_final(stream.stages.digest, text);
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
