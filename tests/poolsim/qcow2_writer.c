/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All tables stand before the data, so presence is worked out first and kept as one bit per
 * cluster; then the tables follow from the bits, and the disk is read a second time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "tests/poolsim/qcow2.h"

#include "common/base/poison.h"

#define ENTRIES_N      (QCOW2_CLUSTER_BYTES / 8) /* of an L1 or L2 cluster */
#define REFCOUNTS_N    (QCOW2_CLUSTER_BYTES / 2) /* of a refcount block */
#define COPIED         (UINT64_C(1) << 63)
#define HEADER_BYTES   112
#define FEATURES_MAGIC 0x6803f857U
#define FEATURE_BYTES  48

struct writer {
    const struct sink *sink;
    const struct qcow2_request *request;
    uint64_t size_bytes, clusters_n, l1_n;
    uint64_t l1_tables_n, l2_tables_n, data_n;
    uint64_t ref_tables_n, ref_blocks_n, total_n;
    unsigned char *present; /* bit per cluster */
    unsigned char *cluster, *other;
};

static void put_be(unsigned char *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (unsigned char)(value >> (8 * (bytes - 1 - i)));
}

static int put_cluster(struct writer *writer, struct error *err)
{
    if (writer->sink->write(writer->sink->context, writer->cluster, QCOW2_CLUSTER_BYTES) == 0)
        return 0;
    return error_set_sys(err, ERROR_LOST, errno, "write the stream");
}

/* Whether something stands at an index: of a cluster, of a table of clusters. */
typedef bool writer_has_fn(const struct writer *writer, uint64_t index);

static bool is_present(const struct writer *writer, uint64_t index)
{
    return index < writer->clusters_n && (writer->present[index / 8] & (1U << (index % 8)));
}

/* --- presence --- */

/* A cluster's bytes; what lies behind the disk's end is zero. */
static int read_cluster(struct disk *disk, uint64_t index, unsigned char *bytes, struct error *err)
{
    uint64_t at = index * QCOW2_CLUSTER_BYTES;
    uint64_t left = at < disk_size(disk) ? disk_size(disk) - at : 0;
    size_t n = (size_t)(left < QCOW2_CLUSTER_BYTES ? left : QCOW2_CLUSTER_BYTES);

    memset(bytes + n, 0, QCOW2_CLUSTER_BYTES - n);
    return n ? disk_read(disk, at, bytes, n, err) : 0;
}

static bool has_data(struct disk *disk, uint64_t index)
{
    uint64_t at = index * QCOW2_CLUSTER_BYTES;
    uint64_t left = disk && at < disk_size(disk) ? disk_size(disk) - at : 0;

    return left && disk_has_data(disk, at, left < QCOW2_CLUSTER_BYTES ? left : QCOW2_CLUSTER_BYTES);
}

static int find_presence(struct writer *writer, uint64_t index, bool *ret_is_present,
                         struct error *err)
{
    const struct qcow2_request *request = writer->request;
    bool is_allocated = has_data(request->disk, index);

    *ret_is_present = is_allocated;
    if (!is_allocated && !has_data(request->base, index))
        return 0;
    if (request->is_qcow2_backed && !request->base)
        return 0;
    memset(writer->other, 0, QCOW2_CLUSTER_BYTES);
    if (read_cluster(request->disk, index, writer->cluster, err) ||
        (request->base && read_cluster(request->base, index, writer->other, err)))
        return -1;
    *ret_is_present = memcmp(writer->cluster, writer->other, QCOW2_CLUSTER_BYTES) != 0;
    return 0;
}

static uint64_t parts(uint64_t n, uint64_t of)
{
    return (n + of - 1) / of;
}

/* Refcounts count their own clusters too. */
static void count_tables(struct writer *writer)
{
    uint64_t others = 1 + writer->l1_tables_n + writer->l2_tables_n + writer->data_n;
    uint64_t blocks = parts(others, REFCOUNTS_N);

    for (;;) {
        writer->ref_blocks_n = blocks;
        writer->ref_tables_n = parts(blocks, ENTRIES_N);
        writer->total_n = others + writer->ref_blocks_n + writer->ref_tables_n;
        blocks = parts(writer->total_n, REFCOUNTS_N);
        if (blocks <= writer->ref_blocks_n)
            return;
    }
}

static int find_all(struct writer *writer, struct error *err)
{
    uint64_t table = UINT64_MAX;

    for (uint64_t i = 0; i < writer->clusters_n; i++) {
        bool is_there = false;
        if (find_presence(writer, i, &is_there, err))
            return -1;
        if (!is_there)
            continue;
        writer->present[i / 8] |= (unsigned char)(1U << (i % 8));
        writer->data_n++;
        writer->l2_tables_n += i / ENTRIES_N != table;
        table = i / ENTRIES_N;
    }
    count_tables(writer);
    return 0;
}

/* --- tables --- */

static void add_features(unsigned char *at)
{
    static const struct {
        unsigned char type, bit;
        const char *name;
    } features[] = {
        {0, 0, "dirty bit"},        {0, 1, "corrupt bit"},         {0, 2, "external data file"},
        {0, 3, "compression type"}, {0, 4, "extended L2 entries"}, {1, 0, "lazy refcounts"},
        {2, 0, "bitmaps"},          {2, 1, "raw external data"}};
    size_t n = sizeof features / sizeof *features;

    put_be(at, FEATURES_MAGIC, 4);
    put_be(at + 4, n * FEATURE_BYTES, 4);
    for (size_t i = 0; i < n; i++) {
        unsigned char *row = at + 8 + i * FEATURE_BYTES;
        row[0] = features[i].type;
        row[1] = features[i].bit;
        memcpy(row + 2, features[i].name, strlen(features[i].name));
    }
}

static uint64_t first_l1(const struct writer *writer)
{
    return (1 + writer->ref_tables_n + writer->ref_blocks_n) * QCOW2_CLUSTER_BYTES;
}

static int write_header(struct writer *writer, struct error *err)
{
    unsigned char *at = writer->cluster;

    memset(at, 0, QCOW2_CLUSTER_BYTES);
    memcpy(at, "QFI\xfb", 4);
    put_be(at + 4, 3, 4);
    put_be(at + 20, 16, 4); /* bits of a cluster's size */
    put_be(at + 24, writer->size_bytes, 8);
    put_be(at + 36, writer->l1_n, 4);
    put_be(at + 40, writer->l1_tables_n ? first_l1(writer) : 0, 8);
    put_be(at + 48, QCOW2_CLUSTER_BYTES, 8);
    put_be(at + 56, writer->ref_tables_n, 4);
    put_be(at + 96, 4, 4); /* refcounts of 1 << 4 bits */
    put_be(at + 100, HEADER_BYTES, 4);
    add_features(at + HEADER_BYTES);
    return put_cluster(writer, err);
}

/* n pointers to clusters that follow each other, over as many table clusters as they need. */
static int write_pointers(struct writer *writer, uint64_t n, uint64_t offset, struct error *err)
{
    for (uint64_t done = 0; done < n; done += ENTRIES_N) {
        memset(writer->cluster, 0, QCOW2_CLUSTER_BYTES);
        for (uint64_t i = 0; i < ENTRIES_N && done + i < n; i++, offset += QCOW2_CLUSTER_BYTES)
            put_be(writer->cluster + i * 8, offset, 8);
        if (put_cluster(writer, err))
            return -1;
    }
    return 0;
}

static int write_refcounts(struct writer *writer, struct error *err)
{
    if (write_pointers(writer, writer->ref_blocks_n,
                       (1 + writer->ref_tables_n) * QCOW2_CLUSTER_BYTES, err))
        return -1;
    for (uint64_t done = 0; done < writer->ref_blocks_n * REFCOUNTS_N; done += REFCOUNTS_N) {
        memset(writer->cluster, 0, QCOW2_CLUSTER_BYTES);
        for (uint64_t i = 0; i < REFCOUNTS_N && done + i < writer->total_n; i++)
            put_be(writer->cluster + i * 2, 1, 2);
        if (put_cluster(writer, err))
            return -1;
    }
    return 0;
}

static bool has_l2(const struct writer *writer, uint64_t l1)
{
    for (uint64_t i = 0; i < ENTRIES_N; i++)
        if (is_present(writer, l1 * ENTRIES_N + i))
            return true;
    return false;
}

/* A table that tells, for each of the indexes from first, where what is there begins; *offset is where
 * the next of them does. */
static int put_table(struct writer *writer, uint64_t first, uint64_t end, writer_has_fn *has,
                     uint64_t *offset, struct error *err)
{
    memset(writer->cluster, 0, QCOW2_CLUSTER_BYTES);
    for (uint64_t i = 0; i < ENTRIES_N && first + i < end; i++) {
        if (!has(writer, first + i))
            continue;
        put_be(writer->cluster + i * 8, *offset | COPIED, 8);
        *offset += QCOW2_CLUSTER_BYTES;
    }
    return put_cluster(writer, err);
}

static int write_l1(struct writer *writer, struct error *err)
{
    uint64_t offset = first_l1(writer) + writer->l1_tables_n * QCOW2_CLUSTER_BYTES;

    for (uint64_t table = 0; table < writer->l1_tables_n; table++)
        if (put_table(writer, table * ENTRIES_N, writer->l1_n, has_l2, &offset, err))
            return -1;
    return 0;
}

static int write_l2(struct writer *writer, struct error *err)
{
    uint64_t offset =
        first_l1(writer) + (writer->l1_tables_n + writer->l2_tables_n) * QCOW2_CLUSTER_BYTES;

    for (uint64_t l1 = 0; l1 < writer->l1_n; l1++)
        if (has_l2(writer, l1) &&
            put_table(writer, l1 * ENTRIES_N, writer->clusters_n, is_present, &offset, err))
            return -1;
    return 0;
}

static int write_data(struct writer *writer, struct error *err)
{
    const struct qcow2_request *request = writer->request;

    for (uint64_t i = 0; i < writer->clusters_n; i++) {
        if (!is_present(writer, i))
            continue;
        if ((request->step && request->step(request->step_context, i * QCOW2_CLUSTER_BYTES, err)) ||
            read_cluster(request->disk, i, writer->cluster, err) || put_cluster(writer, err))
            return -1;
    }
    return 0;
}

int qcow2_write(const struct sink *sink, const struct qcow2_request *request, struct error *err)
{
    struct writer writer = {.sink = sink, .request = request};
    int failed = -1;

    writer.size_bytes = (disk_size(request->disk) + 511) / 512 * 512;
    writer.clusters_n = parts(writer.size_bytes, QCOW2_CLUSTER_BYTES);
    writer.l1_n = parts(writer.clusters_n, ENTRIES_N);
    writer.l1_tables_n = parts(writer.l1_n, ENTRIES_N);
    writer.present = mem_try((size_t)(writer.clusters_n / 8 + 1), err);
    writer.cluster = writer.present ? mem_try(QCOW2_CLUSTER_BYTES, err) : NULL;
    writer.other = writer.cluster ? mem_try(QCOW2_CLUSTER_BYTES, err) : NULL;
    if (writer.other) {
        memset(writer.present, 0, (size_t)(writer.clusters_n / 8 + 1));
        failed = find_all(&writer, err) || write_header(&writer, err) ||
                         write_refcounts(&writer, err) || write_l1(&writer, err) ||
                         write_l2(&writer, err) || write_data(&writer, err)
                     ? -1
                     : 0;
    }
    free(writer.present);
    free(writer.cluster);
    free(writer.other);
    return failed;
}
