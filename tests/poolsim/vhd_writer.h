/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A disk as the VHD stream that vhd-tool makes of it: footer copy, header, a zero sector, BAT,
 * blocks with their bitmaps all ones, footer.
 *
 * Source: contract 7; vhd_format/f.ml; recordings 542, 705, 723-726.
 */
#ifndef ONYX_TESTS_POOLSIM_VHD_WRITER_H
#define ONYX_TESTS_POOLSIM_VHD_WRITER_H

#include "tests/poolsim/disks.h"
#include "tests/poolsim/sink.h"
#include "tests/poolsim/vhd_format.h"

/* Asked before each block is read, with its offset on the disk; -1 and the error set ends it. */
typedef int vhd_step_fn(void *context, uint64_t offset, struct error *err);

struct vhd_request {
    struct disk *disk;
    struct disk *base;            /* NULL: all of it */
    char base_path[VHD_PATH_MAX]; /* of the base's file in dom0 */
    bool is_raw_backed;           /* the SR has no VHDs: blocks by content, size rounded up */
    unsigned char uuid[16];       /* random at each export */
    uint32_t parent_stamp;
    vhd_step_fn *step;
    void *step_context;
};

/*
 * Write the stream.
 *
 * Fails: ERROR_LOST (the sink), ERROR_IO, ERROR_SHORT (the disk), what step gave; and ERROR_TIMEOUT
 *        behind the last, incomplete block of a raw-backed disk whose size is no multiple of 2 MiB:
 *        there vhd-tool goes silent for ever (recording 542).
 */
int vhd_write(const struct sink *sink, const struct vhd_request *request, struct error *err);

#endif
