/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From which of XAPI's streams a raw file is written: raw, or the VHD, whose length follows what is
 * allocated. Pure.
 *
 * A VHD of a disk that is a QCOW2 saves nothing: vhd-tool reads all of it to find what is not zero.
 * A VHD is possible of disks up to 2040 GiB whose size is a multiple of 2 MiB (vhd-tool hangs on
 * others that are no VHDs), on SRs that keep VHDs. It costs the sha256 of the file, which would
 * have to read the holes, so without a wish it is taken where at most half of the disk is
 * allocated. Source: xapi export_raw_vdi.ml, constants.ml (2040 GiB); recorded exports of
 * raw-backed disks.
 */
#ifndef ONYX_AGENT_JOB_RAW_SOURCE_H
#define ONYX_AGENT_JOB_RAW_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/model/job.h"

struct raw_disk {
    const char *sr_type; /* NULL unknown */
    uint64_t virtual_size_bytes;
    uint64_t allocated_bytes;
    bool is_compressed; /* the file will be */
    bool is_qcow2;      /* the disk stands in no VHD, whatever the SR keeps */
};

bool raw_source_is_vhd(enum job_raw_source wish, const struct raw_disk *disk);

/* Whether the VHD of this disk is known never to end: vhd-tool goes silent at its last block. */
bool raw_source_vhd_hangs(const struct raw_disk *disk);

#endif
