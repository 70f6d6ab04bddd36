/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Head (footer copy and header) and table are collected, everything behind only counted; the last
 * footer is what the stream's kept tail ends with.
 */
#include "common/format/vhd.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/num.h"
#include "common/format/late_error.h"
#include "common/format/vhd_inside.h"

#include "common/base/poison.h"

#define VERSION  0x00010000u
#define ROUNDING (2u << 20)

/* Offsets in the footer. */
#define FOOTER_DATA_OFFSET 16
#define FOOTER_VERSION     12
#define FOOTER_SIZE        48
#define FOOTER_TYPE        60
#define FOOTER_SUM         64

/* Offsets in the header that matter here alone. */
#define HEADER_VERSION 24
#define HEADER_SUM     36

struct vhd_check {
    enum vhd_kind kind;
    uint64_t want_bytes;
    uint64_t at;
    unsigned char head[VHD_HEAD_BYTES];
    struct vhd_summary summary;
    uint64_t table_at;
    uint32_t entries_n;
    unsigned char *table; /* big-endian as read, then sorted sector numbers */
    uint64_t last_end;    /* behind the last block, the table at least */
    uint64_t table_end;
    uint64_t stride; /* of a block with its bitmap */
    bool is_table_read;
    struct late_error late;
};

/* One's complement of the sum of all bytes but the sum's own. */
static bool sum_is_right(const unsigned char *bytes, size_t n, size_t sum_at)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < n; i++)
        if (i < sum_at || i >= sum_at + 4)
            sum += bytes[i];
    return vhd_get32(bytes + sum_at) == ~sum;
}

static int bad(struct error *err, const char *what)
{
    return error_set(err, ERROR_CORRUPT, "vhd: %s", what);
}

struct vhd_check *vhd_check_new(enum vhd_kind kind, uint64_t disk_bytes)
{
    struct vhd_check *check = mem_zero(1, sizeof *check);

    check->kind = kind;
    check->want_bytes = disk_bytes;
    return check;
}

void vhd_check_free(struct vhd_check *check)
{
    if (!check)
        return;
    mem_free_void(&check->table);
    mem_free_void(&check);
}

void vhd_check_clean(struct vhd_check **check)
{
    vhd_check_free(*check);
    *check = NULL;
}

static int check_size(const struct vhd_check *check, uint64_t size, struct error *err)
{
    uint64_t want = check->want_bytes;
    uint64_t rounded = want + (ROUNDING - want % ROUNDING) % ROUNDING;

    if (!want || size == want || size == rounded)
        return 0;
    return error_set(err, ERROR_CORRUPT,
                     "vhd: the disk has %" PRIu64 " bytes, %" PRIu64 " were expected", size, want);
}

static int check_footer(struct vhd_check *check, struct error *err)
{
    const unsigned char *footer = check->head;
    uint32_t type = vhd_get32(footer + FOOTER_TYPE);

    if (memcmp(footer, "conectix", 8) != 0)
        return bad(err, "does not begin with a footer");
    if (!sum_is_right(footer, VHD_SECTOR, FOOTER_SUM))
        return bad(err, "the footer's checksum is wrong");
    if (vhd_get32(footer + FOOTER_VERSION) != VERSION ||
        vhd_get64(footer + FOOTER_DATA_OFFSET) != VHD_HEADER_AT)
        return bad(err, "the footer is of an unknown version");
    if (type != VHD_DYNAMIC && type != VHD_DIFFERENCING)
        return error_set(err, ERROR_CORRUPT,
                         "vhd: type %" PRIu32 " is neither dynamic nor differencing", type);
    if (check->kind == VHD_DIFFERENCING && type != VHD_DIFFERENCING)
        return bad(err, "is a whole disk, not the difference that was asked for");
    if (check->kind == VHD_DYNAMIC && type != VHD_DYNAMIC)
        return bad(err, "is a difference, not the whole disk that was asked for");
    check->summary.kind = (enum vhd_kind)type;
    check->summary.disk_bytes = vhd_get64(footer + FOOTER_SIZE);
    return check_size(check, check->summary.disk_bytes, err);
}

static int check_header(struct vhd_check *check, struct error *err)
{
    const unsigned char *header = check->head + VHD_HEADER_AT;
    uint32_t block = vhd_get32(header + VHD_HEADER_BLOCK);
    uint64_t room;

    if (memcmp(header, "cxsparse", 8) != 0 || vhd_get32(header + HEADER_VERSION) != VERSION)
        return bad(err, "there is no header behind the first footer");
    if (!sum_is_right(header, VHD_HEADER_BYTES, HEADER_SUM))
        return bad(err, "the header's checksum is wrong");
    if (block < VHD_BLOCK_MIN || block > VHD_BLOCK_MAX || (block & (block - 1)))
        return bad(err, "the block size is no power of two between 4 KiB and 256 MiB");
    check->entries_n = vhd_get32(header + VHD_HEADER_ENTRIES);
    check->table_at = vhd_get64(header + VHD_HEADER_TABLE);
    check->summary.block_bytes = block;
    if (check->entries_n > VHD_ENTRIES_MAX)
        return error_set(err, ERROR_LIMIT, "vhd: a table of %" PRIu32 " blocks, more than %u",
                         check->entries_n, VHD_ENTRIES_MAX);
    if (!num_mul(check->entries_n, block, &room) || room < check->summary.disk_bytes)
        return bad(err, "the table is too small for the disk");
    if (check->table_at < VHD_HEAD_BYTES || check->table_at % VHD_SECTOR ||
        check->table_at > ROUNDING)
        return bad(err, "the table does not stand behind the header");
    check->last_end = check->table_at + (uint64_t)check->entries_n * 4;
    check->last_end += (VHD_SECTOR - check->last_end % VHD_SECTOR) % VHD_SECTOR;
    check->table_end = check->last_end;
    check->is_table_read = check->entries_n == 0;
    check->table = mem_try((size_t)check->entries_n * 4, err);
    return check->table ? 0 : -1;
}

static int compare_sectors(const void *a, const void *b)
{
    uint32_t left, right;

    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return left < right ? -1 : left > right;
}

/* Sorted by place, each block must begin where the one before has ended, or later. */
static int check_table(struct vhd_check *check, struct error *err)
{
    uint32_t sectors = check->summary.block_bytes / VHD_SECTOR;
    uint32_t bitmap_bytes = (sectors + 7) / 8;
    uint64_t stride =
        (bitmap_bytes + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR + check->summary.block_bytes;

    check->stride = stride;
    for (uint32_t i = 0; i < check->entries_n; i++) {
        uint32_t sector = vhd_get32(check->table + (size_t)i * 4);
        memcpy(check->table + (size_t)i * 4, &sector, sizeof sector);
    }
    qsort(check->table, check->entries_n, 4, compare_sectors);
    for (uint32_t i = 0; i < check->entries_n; i++) {
        uint32_t sector;
        memcpy(&sector, check->table + (size_t)i * 4, sizeof sector);
        if (sector == VHD_ABSENT)
            break;
        uint64_t begin = (uint64_t)sector * VHD_SECTOR;
        if (begin < check->last_end)
            return error_set(err, ERROR_CORRUPT,
                             "vhd: the block at byte %" PRIu64 " lies over what ends at %" PRIu64,
                             begin, check->last_end);
        check->last_end = begin + stride;
        check->summary.blocks_n++;
    }
    check->is_table_read = true;
    mem_free_void(&check->table);
    return 0;
}

/* How many of n bytes at check->at belong to [from, from + length). */
static size_t bytes_within(const struct vhd_check *check, uint64_t from, uint64_t length, size_t n)
{
    if (check->at < from || check->at >= from + length)
        return 0;
    uint64_t left = from + length - check->at;
    return left < n ? (size_t)left : n;
}

static int feed_head(struct vhd_check *check, const unsigned char *bytes, size_t n,
                     struct error *err)
{
    memcpy(check->head + check->at, bytes, n);
    check->at += n;
    if (check->at < VHD_HEAD_BYTES)
        return 0;
    return check_footer(check, err) || check_header(check, err) ? -1 : 0;
}

static int feed_table(struct vhd_check *check, const unsigned char *bytes, size_t n,
                      struct error *err)
{
    uint64_t length = (uint64_t)check->entries_n * 4;

    memcpy(check->table + (check->at - check->table_at), bytes, n);
    check->at += n;
    return check->at == check->table_at + length ? check_table(check, err) : 0;
}

static int feed(struct vhd_check *check, const unsigned char *bytes, size_t n, struct error *err)
{
    while (n) {
        size_t used = bytes_within(check, 0, VHD_HEAD_BYTES, n);
        if (used) {
            if (feed_head(check, bytes, used, err))
                return -1;
        } else if (!check->is_table_read) {
            uint64_t length = (uint64_t)check->entries_n * 4;
            used = bytes_within(check, check->table_at, length, n);
            if (used && feed_table(check, bytes, used, err))
                return -1;
            if (!used) { /* between header and table */
                used = bytes_within(check, VHD_HEAD_BYTES, check->table_at - VHD_HEAD_BYTES, n);
                check->at += used;
            }
        } else {
            used = n;
            check->at += n;
        }
        bytes += used;
        n -= used;
    }
    return 0;
}

int vhd_check_feed(struct vhd_check *check, const void *bytes, size_t n, struct error *err)
{
    struct error why = ERROR_INIT;

    late_error_feed(&check->late, bytes, n);
    if (late_error_is_holding(&check->late))
        return late_error_hold(&check->late, "vhd", NULL, err);
    if (feed(check, bytes, n, &why))
        return late_error_hold(&check->late, "vhd", &why, err);
    return 0;
}

static int check_end(const struct vhd_check *check, struct error *err)
{
    const char *last =
        check->late.tail + check->late.n - (check->late.n < VHD_SECTOR ? 0 : VHD_SECTOR);
    bool has_footer = check->late.n >= VHD_SECTOR && memcmp(last, check->head, VHD_SECTOR) == 0;

    if (!check->is_table_read || check->at < check->last_end + VHD_SECTOR)
        return error_set(err, ERROR_SHORT, "vhd: stops at byte %" PRIu64 " of at least %" PRIu64,
                         check->at, check->last_end + VHD_SECTOR);
    if (!has_footer)
        return bad(err, "does not end with the footer it begins with");
    /* Some writers align their blocks; room for a whole block more is one that was sent twice. */
    uint64_t used = check->table_end + check->summary.blocks_n * check->stride + VHD_SECTOR;
    if (check->at - used >= (check->stride ? check->stride : VHD_SECTOR))
        return error_set(err, ERROR_CORRUPT, "vhd: %" PRIu64 " bytes belong to no block",
                         check->at - used);
    return 0;
}

int vhd_check_finish(const struct vhd_check *check, struct vhd_summary *ret, struct error *err)
{
    struct error why = ERROR_INIT;

    if (late_error_is_holding(&check->late) || check_end(check, &why))
        return late_error_explain(&check->late, "vhd", &why, err);
    if (ret) {
        *ret = check->summary;
        ret->bytes = check->at;
    }
    return 0;
}
