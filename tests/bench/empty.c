/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_empty VIRTUAL_MIB DATA_MIB FOLDER: what a worker does with a raw disk whose VHD streams by.
 *
 * The VHD is made on the fly: its blocks stand spread over the disk, 2 MiB each. The product's
 * check, stage, pipeline and store make a published raw file of it. One line of JSON tells the
 * bytes of the stream, the file's size, the room it takes and the peak of this process's memory.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/pipeline/checks.h"
#include "agent/pipeline/pipeline.h"
#include "agent/pipeline/sink_file.h"
#include "agent/pipeline/stages.h"
#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/format/sparse_digest.h"
#include "common/format/vhd.h"
#include "common/format/vhd_raw.h"
#include "common/store/publish.h"
#include "common/store/root.h"
#include "tests/bench/worker.h"

#include "common/base/poison.h"

#define MIB    (UINT64_C(1) << 20)
#define BLOCK  (2 * MIB)
#define SECTOR 512
#define FOLDER "empty"
#define STEM   "backup_xvda_20261122-202734"
#define SEEDS  64 /* blocks of data that differ */

struct bench {
    uint64_t disk_bytes, entries, present;
    unsigned char footer[SECTOR];
    unsigned char *data; /* SEEDS bytes more than a block */
    uint64_t sent;
    pipeline_intake_fn *intake;
    void *intake_context;
};

static void put32(unsigned char *at, uint64_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (24 - 8 * i));
}

static void put_sum(unsigned char *bytes, size_t n, size_t at)
{
    uint32_t sum = 0;
    put32(bytes + at, 0);
    for (size_t i = 0; i < n; i++)
        sum += bytes[i];
    put32(bytes + at, (uint32_t)~sum);
}

static int send_bytes(struct bench *bench, const void *bytes, size_t n, struct error *err)
{
    bench->sent += n;
    return bench->intake(bench->intake_context, bytes, n, err);
}

static int send_head(struct bench *bench, struct error *err)
{
    unsigned char header[1536] = "cxsparse"; /* and the sector behind it */
    memset(bench->footer, 0, sizeof bench->footer);
    memcpy(bench->footer, "conectix", 8);
    put32(bench->footer + 12, 0x10000);
    put32(bench->footer + 20, 512);
    put32(bench->footer + 48, bench->disk_bytes >> 32);
    put32(bench->footer + 52, bench->disk_bytes);
    put32(bench->footer + 60, VHD_DYNAMIC);
    put_sum(bench->footer, sizeof bench->footer, 64);
    put32(header + 20, 2048);
    put32(header + 24, 0x10000);
    put32(header + 28, bench->entries);
    put32(header + 32, BLOCK);
    put_sum(header, 1024, 36);
    if (send_bytes(bench, bench->footer, sizeof bench->footer, err) != 0)
        return -1;
    return send_bytes(bench, header, sizeof header, err);
}

/* Every step-th entry is present, until all are used up. */
static int send_table(struct bench *bench, struct error *err)
{
    uint64_t n = (bench->entries * 4 + SECTOR - 1) / SECTOR * SECTOR;
    uint64_t step = bench->entries / bench->present, sector = (2048 + n) / SECTOR;
    unsigned char *table = mem_zero(n, 1);
    memset(table, 0xff, n);
    for (uint64_t i = 0; i < bench->present; i++, sector += 1 + BLOCK / SECTOR)
        put32(table + 4 * i * step, sector);
    int result = send_bytes(bench, table, n, err);
    free(table);
    return result;
}

/* In pieces as curl hands them over. */
static int send_blocks(struct bench *bench, struct error *err)
{
    unsigned char bitmap[SECTOR];
    memset(bitmap, 0xff, sizeof bitmap);
    for (uint64_t i = 0; i < bench->present; i++) {
        if (send_bytes(bench, bitmap, sizeof bitmap, err) != 0)
            return -1;
        for (uint64_t at = 0; at < BLOCK; at += 16384)
            if (send_bytes(bench, bench->data + i % SEEDS + at, 16384, err) != 0)
                return -1;
    }
    return 0;
}

static int run_source(void *context, pipeline_intake_fn *intake, void *intake_context,
                      struct error *err)
{
    struct bench *bench = context;
    bench->intake = intake;
    bench->intake_context = intake_context;
    if (send_head(bench, err) != 0 || send_table(bench, err) != 0 || send_blocks(bench, err) != 0)
        return -1;
    return send_bytes(bench, bench->footer, sizeof bench->footer, err);
}

static int save(struct bench *bench, const char *folder, struct error *err)
{
    static const char meta[] = "onyxpool_format=1\n";
    CLEAN_STORE struct store *store = NULL;
    CLEAN_PUBLISH struct publish *publish = NULL;
    CLEAN_VHD_CHECK struct vhd_check *vhd = vhd_check_new(VHD_DYNAMIC, bench->disk_bytes);
    CLEAN_VHD_RAW struct vhd_raw *raw = vhd_raw_new(bench->disk_bytes);
    CLEAN_SPARSE_DIGEST struct sparse_digest *digest = sparse_digest_new(err);
    struct publish_place place = {
        .folder = FOLDER, .stem = STEM, .suffix = ".raw", .job = "0123456789abcdef", .attempt = 1};
    if (digest == NULL || store_open(folder, NULL, &store, err) != 0 ||
        publish_begin(store, &place, &publish, err) != 0)
        return -1;
    struct stages_raw stages = {.raw = raw, .digest = digest};
    struct pipeline_stage stage = stages_vhd_raw(&stages);
    struct pipeline_source source = {.run = run_source, .outcome = worker_no_task, .context = bench};
    struct pipeline_check check = checks_vhd(vhd);
    struct pipeline_sink sink = sink_file_sparse(publish);
    struct pipeline_settings settings = {.stage = &stage, .has_no_digests = true};
    struct pipeline_result result;
    if (pipeline_run(&source, &check, &sink, &settings, &result, err) != 0)
        return -1;
    return publish_commit(publish, meta, sizeof meta - 1, err);
}

static int tell(const struct bench *bench, const char *folder)
{
    CLEAN_CHAR char *path = str_format("%s/" FOLDER "/" STEM ".raw", folder);
    struct stat st;
    if (stat(path, &st) != 0 || (uint64_t)st.st_size != bench->disk_bytes) {
        fprintf(stderr, "bench_empty: %s is not the disk\n", path);
        return 1;
    }
    printf("{\"bytes\": %" PRIu64 ", \"file_bytes\": %" PRIu64 ", \"room_bytes\": %" PRIu64
           ", \"peak_kib\": %" PRIu64 "}\n",
           bench->sent, (uint64_t)st.st_size, (uint64_t)st.st_blocks * 512, worker_peak_kib());
    return 0;
}

int main(int argc, char **argv)
{
    struct error err = ERROR_INIT;
    struct bench bench = {0};
    uint64_t virtual_mib = 0, data_mib = 0;
    if (argc != 4 || num_parse_unsigned(argv[1], 2000 * 1024, &virtual_mib, NULL) != 0 ||
        num_parse_unsigned(argv[2], virtual_mib, &data_mib, NULL) != 0 || data_mib < 2 ||
        virtual_mib % 2 != 0) {
        fprintf(stderr, "bench_empty VIRTUAL_MIB DATA_MIB FOLDER\n");
        return 2;
    }
    bench.disk_bytes = virtual_mib * MIB;
    bench.entries = bench.disk_bytes / BLOCK;
    bench.present = data_mib * MIB / BLOCK;
    bench.data = mem_zero(1, BLOCK + SEEDS);
    for (size_t i = 0; i < BLOCK + SEEDS; i++)
        bench.data[i] = (unsigned char)(i * i >> 7 | 1);
    int result = save(&bench, argv[3], &err);
    if (result != 0)
        fprintf(stderr, "bench_empty: %s\n", err.text);
    free(bench.data);
    return result != 0 ? 1 : tell(&bench, argv[3]);
}
