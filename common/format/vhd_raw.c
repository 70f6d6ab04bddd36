/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stream is cut into parts (head, what is behind it, table, and for each block a bitmap and its
 * data); a part that must be seen whole is collected, the others are passed on or passed over.
 */
#include "common/format/vhd_raw.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/error.h"
#include "common/format/vhd.h"
#include "common/format/vhd_inside.h"

#include "common/base/poison.h"

enum part { IN_HEAD, IN_TABLE, IN_BITMAP, IN_DATA, BEHIND_BLOCKS };

struct vhd_raw {
    uint64_t disk_bytes;
    uint64_t at;     /* of the stream */
    uint64_t out_at; /* of the disk */
    enum part part;
    uint64_t part_at, part_bytes; /* where the part begins, how long it is */
    unsigned char head[VHD_HEAD_BYTES];
    unsigned char *table;
    uint32_t entries_n, block_bytes, bitmap_bytes;
    uint32_t block; /* entry of the block being read */
    uint64_t blocks_end;
    unsigned char *bitmap;
    bool is_full; /* every bit of bitmap is set */
};

struct vhd_raw *vhd_raw_new(uint64_t disk_bytes)
{
    struct vhd_raw *raw = mem_zero(1, sizeof *raw);

    raw->disk_bytes = disk_bytes;
    raw->part_bytes = VHD_HEAD_BYTES;
    return raw;
}

void vhd_raw_free(struct vhd_raw *raw)
{
    if (!raw)
        return;
    mem_free_void(&raw->table);
    mem_free_void(&raw->bitmap);
    mem_free_void(&raw);
}

void vhd_raw_clean(struct vhd_raw **raw)
{
    vhd_raw_free(*raw);
    *raw = NULL;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Zeros up to this place of the disk. */
static int give_zeros(struct vhd_raw *raw, uint64_t to, vhd_raw_sink_fn *sink, void *context,
                      struct error *err)
{
    to = least(to, raw->disk_bytes);
    if (to <= raw->out_at)
        return 0;
    uint64_t n = to - raw->out_at;
    raw->out_at = to;
    return sink(context, NULL, (size_t)n, err);
}

/* Data that stands at this place of the disk, cut at the disk's end. */
static int give_data(struct vhd_raw *raw, uint64_t to, const unsigned char *bytes, size_t n,
                     vhd_raw_sink_fn *sink, void *context, struct error *err)
{
    if (give_zeros(raw, to, sink, context, err) != 0)
        return -1;
    uint64_t room = raw->disk_bytes - least(to, raw->disk_bytes);
    n = n < room ? n : (size_t)room;
    raw->out_at += n;
    return n ? sink(context, bytes, n, err) : 0;
}

/* A run of sectors that are all there or all absent, from byte offset in the block. */
static int give_run(struct vhd_raw *raw, uint64_t offset, const unsigned char *bytes, size_t n,
                    size_t *ret_used, vhd_raw_sink_fn *sink, void *context, struct error *err)
{
    uint64_t sector = offset / VHD_SECTOR;
    bool is_there = raw->is_full || raw->bitmap[sector / 8] & 0x80u >> sector % 8;
    size_t used = raw->is_full ? n : (size_t)least(n, VHD_SECTOR - offset % VHD_SECTOR);
    uint64_t to = (uint64_t)raw->block * raw->block_bytes + offset;

    for (uint64_t next = sector + 1; used < n; next++) {
        bool next_is_there = raw->bitmap[next / 8] & 0x80u >> next % 8;
        if (next_is_there != is_there)
            break;
        used += (size_t)least(VHD_SECTOR, n - used);
    }
    *ret_used = used;
    return is_there ? give_data(raw, to, bytes, used, sink, context, err) : 0;
}

/* The next block that the table has, or the end of blocks. */
static int begin_block(struct vhd_raw *raw, uint32_t from, struct error *err)
{
    for (raw->block = from; raw->block < raw->entries_n; raw->block++) {
        uint32_t sector = vhd_get32(raw->table + (size_t)raw->block * 4);
        if (sector == VHD_ABSENT)
            continue;
        raw->part_at = (uint64_t)sector * VHD_SECTOR;
        if (raw->part_at < raw->blocks_end)
            return error_set(err, ERROR_UNSUPPORTED,
                             "vhd: its blocks are not in ascending order: set raw_source = raw");
        raw->part = IN_BITMAP;
        raw->part_bytes = raw->bitmap_bytes;
        return 0;
    }
    raw->part = BEHIND_BLOCKS;
    raw->part_at = raw->blocks_end;
    raw->part_bytes = UINT64_MAX - raw->part_at;
    return 0;
}

static int end_head(struct vhd_raw *raw, struct error *err)
{
    const unsigned char *header = raw->head + VHD_HEADER_AT;
    uint64_t table_at = vhd_get64(header + VHD_HEADER_TABLE);

    raw->entries_n = vhd_get32(header + VHD_HEADER_ENTRIES);
    raw->block_bytes = vhd_get32(header + VHD_HEADER_BLOCK);
    if (raw->block_bytes < VHD_BLOCK_MIN || raw->block_bytes > VHD_BLOCK_MAX ||
        raw->block_bytes % VHD_BLOCK_MIN || table_at < VHD_HEAD_BYTES || table_at > VHD_BLOCK_MAX)
        return error_set(err, ERROR_CORRUPT, "vhd: its header is none");
    if (raw->entries_n > VHD_ENTRIES_MAX)
        return error_set(err, ERROR_LIMIT, "vhd: a table of %" PRIu32 " blocks", raw->entries_n);
    uint32_t bits = raw->block_bytes / VHD_SECTOR;
    raw->bitmap_bytes = (bits / 8 + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
    raw->table = mem_try((size_t)raw->entries_n * 4 + 1, err);
    raw->bitmap = raw->table ? mem_try(raw->bitmap_bytes, err) : NULL;
    if (!raw->bitmap)
        return -1;
    raw->part = IN_TABLE;
    raw->part_at = table_at;
    raw->part_bytes = (uint64_t)raw->entries_n * 4;
    raw->blocks_end = table_at + raw->part_bytes;
    return 0;
}

static void end_bitmap(struct vhd_raw *raw)
{
    size_t n = raw->block_bytes / VHD_SECTOR / 8;

    raw->is_full = raw->bitmap[0] == 0xff && memcmp(raw->bitmap, raw->bitmap + 1, n - 1) == 0;
    raw->part = IN_DATA;
    raw->part_at += raw->bitmap_bytes;
    raw->part_bytes = raw->block_bytes;
}

static int end_part(struct vhd_raw *raw, struct error *err)
{
    switch (raw->part) {
    case IN_HEAD:
        return end_head(raw, err);
    case IN_TABLE:
        return begin_block(raw, 0, err);
    case IN_BITMAP:
        end_bitmap(raw);
        return 0;
    default:
        raw->blocks_end = raw->part_at + raw->part_bytes;
        return begin_block(raw, raw->block + 1, err);
    }
}

/* Bytes of the part at this offset in it; *ret_used of them. */
static int take(struct vhd_raw *raw, uint64_t offset, const unsigned char *bytes, size_t n,
                size_t *ret_used, vhd_raw_sink_fn *sink, void *context, struct error *err)
{
    *ret_used = n;
    switch (raw->part) {
    case IN_HEAD:
        memcpy(raw->head + offset, bytes, n);
        return 0;
    case IN_TABLE:
        memcpy(raw->table + offset, bytes, n);
        return 0;
    case IN_BITMAP:
        memcpy(raw->bitmap + offset, bytes, n);
        return 0;
    case IN_DATA:
        return give_run(raw, offset, bytes, n, ret_used, sink, context, err);
    case BEHIND_BLOCKS:
        break;
    }
    return 0;
}

int vhd_raw_feed(struct vhd_raw *raw, const void *bytes, size_t n, vhd_raw_sink_fn *sink,
                 void *context, struct error *err)
{
    const unsigned char *at = bytes;

    while (n) {
        size_t used = n;
        if (raw->at < raw->part_at) { /* belongs to nothing */
            used = (size_t)least(n, raw->part_at - raw->at);
        } else {
            uint64_t offset = raw->at - raw->part_at;
            used = (size_t)least(n, raw->part_bytes - offset);
            if (used && take(raw, offset, at, used, &used, sink, context, err) != 0)
                return -1;
        }
        raw->at += used;
        at += used;
        n -= used;
        while (raw->part != BEHIND_BLOCKS && raw->at >= raw->part_at &&
               raw->at - raw->part_at == raw->part_bytes)
            if (end_part(raw, err) != 0)
                return -1;
    }
    return 0;
}

int vhd_raw_finish(struct vhd_raw *raw, vhd_raw_sink_fn *sink, void *context, struct error *err)
{
    if (raw->part != BEHIND_BLOCKS)
        return error_set(err, ERROR_SHORT, "vhd: stops at byte %" PRIu64, raw->at);
    return give_zeros(raw, raw->disk_bytes, sink, context, err);
}
