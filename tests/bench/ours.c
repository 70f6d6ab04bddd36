/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_ours SERVER NAME FOLDER|- [COMPRESS [RING_MIB]]: what a worker does with one export.
 *
 * SERVER is a socket's path or a URL. The product's own source, check, pipeline and store turn the stream
 * NAME into a published file below FOLDER; with - it is received and checked only. One line of JSON
 * tells bytes, the file's size and the peak of this process's memory.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/pipeline/checks.h"
#include "agent/pipeline/pipeline.h"
#include "agent/pipeline/sink_file.h"
#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/format/xva.h"
#include "common/model/backup.h"
#include "common/store/publish.h"
#include "common/store/root.h"
#include "common/xapi/session.h"
#include "common/xapi/stream.h"
#include "common/xapi/target.h"
#include "tests/bench/worker.h"

#include "common/base/poison.h"

#define IDLE_MS 60000

struct bench {
    const char *server, *name, *folder;
    enum job_compress compress;
    int64_t ring_mib; /* 0: the product's own */
    struct xapi *xapi;
    struct xva_check *check;
    uint64_t bytes, file_bytes;
    pipeline_intake_fn *intake;
    void *intake_context;
};

static int usage(void)
{
    fprintf(stderr, "bench_ours SOCKET|URL NAME FOLDER|- [none|gzip|zstd [RING_MIB]]\n");
    return 2;
}

static int parse_arguments(int argc, char **argv, struct bench *bench)
{
    if (argc < 4 || argc > 6)
        return usage();
    bench->server = argv[1];
    bench->name = argv[2];
    bench->folder = argv[3];
    bench->compress = JOB_COMPRESS_NONE;
    if (argc > 4 && !job_compress_from_name(argv[4], &bench->compress))
        return usage();
    if (argc > 5 && num_parse(argv[5], 1, 1024, &bench->ring_mib, NULL) != 0)
        return usage();
    return 0;
}

static int open_xapi(struct bench *bench, struct error *err)
{
    CLEAN_XAPI_TARGET struct xapi_target target = {0};
    if (xapi_target_parse(bench->server, &target, err) != 0)
        return -1;
    return xapi_adopt(&target, "OpaqueRef:bench", &bench->xapi, err);
}

static int hand_to_intake(void *context, const void *bytes, size_t n, struct error *err)
{
    struct bench *bench = context;
    return bench->intake(bench->intake_context, bytes, n, err);
}

static int hand_to_check(void *context, const void *bytes, size_t n, struct error *err)
{
    struct bench *bench = context;
    return xva_check_feed(bench->check, bytes, n, err);
}

static int receive(struct bench *bench, int (*hand)(void *, const void *, size_t, struct error *),
                   struct error *err)
{
    CLEAN_STREAM_FACTS struct stream_facts facts = {0};
    CLEAN_CHAR char *query = str_format("/export?ref=%s", bench->name);
    struct stream_sink sink = {.bytes = hand, .context = bench};
    int result = xapi_stream_get(bench->xapi, query, NULL, &sink, IDLE_MS, &facts, err);
    bench->bytes = facts.bytes;
    return result;
}

static int run_source(void *context, pipeline_intake_fn *intake, void *intake_context,
                      struct error *err)
{
    struct bench *bench = context;
    bench->intake = intake;
    bench->intake_context = intake_context;
    return receive(bench, hand_to_intake, err);
}

static int save(struct bench *bench, struct error *err)
{
    static const char meta[] = "onyxpool_format=1\n";
    CLEAN_STORE struct store *store = NULL;
    CLEAN_PUBLISH struct publish *publish = NULL;
    struct publish_place place = {
        .folder = bench->name,
        .stem = "backup_20261122-202734",
        .suffix = backup_suffix(JOB_BACKUP_VM, bench->compress, JOB_DISK_RAW),
        .job = "0123456789abcdef",
        .attempt = 1,
    };
    if (store_open(bench->folder, NULL, &store, err) != 0 ||
        publish_begin(store, &place, &publish, err) != 0)
        return -1;
    struct pipeline_source source = {run_source, worker_no_task, bench};
    struct pipeline_check check = checks_xva(bench->check);
    struct pipeline_sink sink = sink_file(publish);
    struct pipeline_settings settings = {.compress = bench->compress,
                                         .blocks = (size_t)bench->ring_mib};
    struct pipeline_result result;
    if (pipeline_run(&source, &check, &sink, &settings, &result, err) != 0)
        return -1;
    bench->file_bytes = publish_bytes(publish);
    return publish_commit(publish, meta, sizeof meta - 1, err);
}

int main(int argc, char **argv)
{
    struct error err = ERROR_INIT;
    struct bench bench = {0};
    if (parse_arguments(argc, argv, &bench) != 0)
        return 2;
    bench.check = xva_check_new(NULL, 0, &err);
    int result = bench.check != NULL ? open_xapi(&bench, &err) : -1;
    if (result == 0 && strcmp(bench.folder, "-") != 0)
        result = save(&bench, &err);
    else if (result == 0 && (result = receive(&bench, hand_to_check, &err)) == 0)
        result = xva_check_finish(bench.check, NULL, &err);
    if (result == 0)
        printf("{\"bytes\": %" PRIu64 ", \"file_bytes\": %" PRIu64 ", \"peak_kib\": %" PRIu64 "}\n",
               bench.bytes, bench.file_bytes, worker_peak_kib());
    else
        fprintf(stderr, "bench_ours: %s\n", err.text);
    xapi_close(bench.xapi);
    xva_check_free(bench.check);
    return result == 0 ? 0 : 1;
}
