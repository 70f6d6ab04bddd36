/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SR types by name: one that we do not know is taken for one without VHDs.
 */
#include "agent/job/raw_source.h"

#include <stddef.h>

#include "common/base/str.h"

#include "common/base/poison.h"

#define VHD_SIZE_MAX  (UINT64_C(2040) << 30)
#define VHD_SIZE_UNIT (2u << 20)

static bool keeps_vhds(const char *sr_type)
{
    static const char *const types[] = {"ext",       "nfs",     "smb",      "lvm",
                                        "lvmoiscsi", "lvmohba", "lvmofcoe", "xfs",
                                        "cephfs",    "moosefs", "glusterfs"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (str_equal(sr_type, types[i]))
            return true;
    return false;
}

bool raw_source_is_vhd(enum job_raw_source wish, const struct raw_disk *disk)
{
    uint64_t size = disk->virtual_size_bytes;
    if (wish == JOB_RAW_RAW || disk->is_compressed || disk->is_qcow2 || size == 0 ||
        size > VHD_SIZE_MAX || size % VHD_SIZE_UNIT != 0 || !keeps_vhds(disk->sr_type))
        return false;
    return wish == JOB_RAW_VHD || disk->allocated_bytes <= size / 2;
}

bool raw_source_vhd_hangs(const struct raw_disk *disk)
{
    return disk->is_qcow2 && disk->virtual_size_bytes % VHD_SIZE_UNIT != 0;
}
