/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A stream can't be sought: each table must stand behind what names it, and data behind all
 * tables. Clusters are read in the order in which they lie in the stream.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "tests/poolsim/qcow2.h"

#include "common/base/poison.h"

#define HEADER_BYTES    104
#define L1_ENTRIES_MAX  (UINT64_C(4) << 20) /* 32 MiB, as QEMU has it */
#define PLACES_MAX      (UINT64_C(1) << 26)
#define OFFSET_MASK     UINT64_C(0x00fffffffffffe00)
#define COMPRESSED      (UINT64_C(1) << 62)
#define READS_AS_ZERO   1
#define CLUSTER_BITS_AT 20

struct place {
    uint64_t at;    /* in the stream */
    uint64_t index; /* of the table in L1, or of the cluster on the disk */
};

struct places {
    struct place *items;
    size_t n, room;
};

struct reader {
    const struct source *source;
    uint64_t at;
    uint64_t cluster_bytes, size_bytes, l1_n, l1_at;
    unsigned char *cluster;
    struct places tables, data;
};

static uint64_t get_be(const unsigned char *at, int bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

static int take(struct reader *reader, void *bytes, size_t n, struct error *err)
{
    if (source_read_all(reader->source, bytes, n, err))
        return -1;
    reader->at += n;
    return 0;
}

static int skip_to(struct reader *reader, uint64_t at, struct error *err)
{
    if (at < reader->at)
        return error_set(err, ERROR_CORRUPT, "the clusters are not in one sequence");
    if (source_skip(reader->source, (size_t)(at - reader->at), err))
        return -1;
    reader->at = at;
    return 0;
}

static int add(struct places *places, uint64_t at, uint64_t index, struct error *err)
{
    if (places->n >= PLACES_MAX)
        return error_set(err, ERROR_CORRUPT, "the image has too many clusters");
    places->items = mem_grow(places->items, &places->room, places->n + 1, sizeof *places->items);
    places->items[places->n++] = (struct place){at, index};
    return 0;
}

static int compare(const void *left, const void *right)
{
    const struct place *a = left;
    const struct place *b = right;

    return a->at < b->at ? -1 : a->at > b->at;
}

static void sort(struct places *places)
{
    if (places->n > 1)
        qsort(places->items, places->n, sizeof *places->items, compare);
}

static int read_header(struct reader *reader, struct error *err)
{
    unsigned char head[HEADER_BYTES];
    uint64_t bits;

    if (take(reader, head, sizeof head, err))
        return -1;
    bits = get_be(head + CLUSTER_BITS_AT, 4);
    if (memcmp(head, "QFI\xfb", 4) != 0 || get_be(head + 4, 4) < 2 || get_be(head + 4, 4) > 3)
        return error_set(err, ERROR_CORRUPT, "no QCOW2 of version 2 or 3");
    if (bits < 9 || bits > 21)
        return error_set(err, ERROR_CORRUPT, "clusters of 1 << %u bytes", (unsigned)bits);
    if (get_be(head + 8, 8) || get_be(head + 32, 4))
        return error_set(err, ERROR_CORRUPT, "a backing file or encryption");
    if (get_be(head + 4, 4) == 3 && get_be(head + 72, 8))
        return error_set(err, ERROR_CORRUPT, "features that can't be read");
    reader->cluster_bytes = UINT64_C(1) << bits;
    reader->size_bytes = get_be(head + 24, 8);
    reader->l1_n = get_be(head + 36, 4);
    reader->l1_at = get_be(head + 40, 8);
    if (reader->l1_n > L1_ENTRIES_MAX)
        return error_set(err, ERROR_CORRUPT, "an L1 table of %llu entries",
                         (unsigned long long)reader->l1_n);
    reader->cluster = mem_try((size_t)reader->cluster_bytes, err);
    return reader->cluster ? 0 : -1;
}

static int read_l1(struct reader *reader, struct error *err)
{
    unsigned char entry[8];

    if (reader->l1_n && skip_to(reader, reader->l1_at, err))
        return -1;
    for (uint64_t i = 0; i < reader->l1_n; i++) {
        if (take(reader, entry, sizeof entry, err))
            return -1;
        if ((get_be(entry, 8) & OFFSET_MASK) &&
            add(&reader->tables, get_be(entry, 8) & OFFSET_MASK, i, err))
            return -1;
    }
    sort(&reader->tables);
    return 0;
}

static int read_l2(struct reader *reader, struct error *err)
{
    uint64_t entries = reader->cluster_bytes / 8;

    for (size_t t = 0; t < reader->tables.n; t++) {
        if (skip_to(reader, reader->tables.items[t].at, err) ||
            take(reader, reader->cluster, (size_t)reader->cluster_bytes, err))
            return -1;
        for (uint64_t i = 0; i < entries; i++) {
            uint64_t entry = get_be(reader->cluster + i * 8, 8);
            uint64_t index = reader->tables.items[t].index * entries + i;
            if (entry & COMPRESSED)
                return error_set(err, ERROR_CORRUPT, "a compressed cluster");
            if (!(entry & READS_AS_ZERO) && (entry & OFFSET_MASK) &&
                add(&reader->data, entry & OFFSET_MASK, index, err))
                return -1;
        }
    }
    sort(&reader->data);
    return 0;
}

static int read_data(struct reader *reader, struct disk *disk, struct error *err)
{
    for (size_t i = 0; i < reader->data.n; i++) {
        uint64_t at = reader->data.items[i].index * reader->cluster_bytes;
        uint64_t left = at < disk_size(disk) ? disk_size(disk) - at : 0;
        if (!left)
            return error_set(err, ERROR_LIMIT, "a cluster behind the end of the disk");
        if (skip_to(reader, reader->data.items[i].at, err) ||
            take(reader, reader->cluster, (size_t)reader->cluster_bytes, err) ||
            disk_write(disk, at, reader->cluster,
                       (size_t)(left < reader->cluster_bytes ? left : reader->cluster_bytes), err))
            return -1;
    }
    return 0;
}

int qcow2_read(const struct source *source, struct disk *disk, struct error *err)
{
    struct reader reader = {.source = source};
    int failed = read_header(&reader, err) || read_l1(&reader, err) || read_l2(&reader, err) ||
                 read_data(&reader, disk, err);

    free(reader.cluster);
    free(reader.tables.items);
    free(reader.data.items);
    if (failed)
        return error_add(err, "read the QCOW2 at byte %llu", (unsigned long long)reader.at);
    return 0;
}
