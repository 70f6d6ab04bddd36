/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where a VHD's fields stand, for those who read one: vhd and vhd_raw.
 * Source: as common/format/vhd.h.
 */
#ifndef ONYX_COMMON_FORMAT_VHD_INSIDE_H
#define ONYX_COMMON_FORMAT_VHD_INSIDE_H

#include <stdint.h>

#define VHD_SECTOR       512u
#define VHD_HEADER_AT    512u
#define VHD_HEADER_BYTES 1024u
#define VHD_HEAD_BYTES   (VHD_HEADER_AT + VHD_HEADER_BYTES) /* footer copy and header */
#define VHD_ABSENT       0xffffffffu                        /* in the table: no such block */
#define VHD_BLOCK_MIN    (4u << 10)
#define VHD_BLOCK_MAX    (256u << 20)

/* Offsets in the header. */
#define VHD_HEADER_TABLE   16
#define VHD_HEADER_ENTRIES 28
#define VHD_HEADER_BLOCK   32

/* Numbers are big-endian. */
static inline uint32_t vhd_get32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t vhd_get64(const unsigned char *at)
{
    return (uint64_t)vhd_get32(at) << 32 | vhd_get32(at + 4);
}

#endif
