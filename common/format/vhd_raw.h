/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A raw disk made from a VHD that flows by: what the VHD holds as data, and runs of zeros as such.
 *
 * For streams of XAPI, whose blocks stand in ascending order: one that they don't is refused, since
 * nothing here is kept but the table and a bitmap. Whether the VHD is whole is vhd_check's affair;
 * nothing that it would pass is misread here.
 * Source: as common/format/vhd.h; bitmap: one bit a sector, the highest first, 0 reads as zeros.
 */
#ifndef ONYX_COMMON_FORMAT_VHD_RAW_H
#define ONYX_COMMON_FORMAT_VHD_RAW_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"

struct error;
struct vhd_raw;

/* Takes the disk from its first byte to its last; bytes NULL: n zeros. 0, or -1 to stop. */
typedef int vhd_raw_sink_fn(void *context, const void *bytes, size_t n, struct error *err);

/* disk_bytes: the disk's size; a VHD that was rounded up is cut to it. */
struct vhd_raw *vhd_raw_new(uint64_t disk_bytes);
void vhd_raw_free(struct vhd_raw *raw);
#define CLEAN_VHD_RAW CLEANUP(vhd_raw_clean)
void vhd_raw_clean(struct vhd_raw **raw);

/* ERROR_CORRUPT, ERROR_LIMIT, ERROR_UNSUPPORTED (blocks out of order), or what the sink says. */
int vhd_raw_feed(struct vhd_raw *raw, const void *bytes, size_t n, vhd_raw_sink_fn *sink,
                 void *context, struct error *err);

/* The stream has ended: zeros up to the disk's end. ERROR_SHORT when a block is cut. */
int vhd_raw_finish(struct vhd_raw *raw, vhd_raw_sink_fn *sink, void *context, struct error *err);

#endif
