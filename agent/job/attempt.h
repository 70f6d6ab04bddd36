/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The life of one attempt at a backup, the same for all kinds: files begun, snapshot taken, streams
 * run, all published together, and one way out that ends whatever was begun.
 *
 * A kind gives its steps: which files, which snapshot, which streams. It never cleans up.
 */
#ifndef ONYX_AGENT_JOB_ATTEMPT_H
#define ONYX_AGENT_JOB_ATTEMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/job/table.h"
#include "agent/pipeline/pipeline.h"
#include "agent/snapshot.h"
#include "common/model/pool.h"

struct publish;

struct attempt_file {
    struct publish *publish;
    char *stem;
    const char *device; /* of a disk, borrowed from the job; NULL */
    const char *proof;
    struct pipeline_result streamed;
    char sparse_xxh128[DIGEST_TEXT_MAX]; /* "": none was taken */
};

enum attempt_reach {
    ATTEMPT_BEGUN,
    ATTEMPT_PREPARED,   /* .meta.partials are being written, or are there */
    ATTEMPT_COMMITTING, /* names may be final */
    ATTEMPT_PUBLISHED
};

struct attempt {
    const struct job_context *context;
    const struct job *job;
    struct job_report *report;
    struct pool pool; /* the VM as it was before the snapshot: vms[0]; no VM: empty */
    struct snapshot snapshot;
    bool is_asked; /* a snapshot was asked for */
    struct attempt_file *files;
    size_t files_n, files_cap;
    enum attempt_reach reach;
    uint64_t bytes_before; /* of the streams that have ended */
    int64_t clean_until_ms;
};

/* What a stream is read from and held against. */
struct attempt_stream {
    const char *query; /* "/export?ref=..." */
    struct pipeline_check check;
    const char *proof;                  /* static text */
    const struct pipeline_stage *stage; /* NULL: none */
    bool is_sparse;                     /* runs of zeros become holes in the file */
    bool has_own_digest;                /* the stage takes it; no other one is */
    bool is_never_redirected;           /* another host's bytes would be another thing */
};

typedef int attempt_steps_fn(struct attempt *attempt, struct error *err);

/* Run the steps and publish what they streamed, unless this job has published before. */
int attempt_run(const struct job_context *context, struct job_report *report,
                attempt_steps_fn *steps, struct error *err);

/* Open the partial file of a disk (device NULL: the job's only file). *ret_index in files. A store
 * that can't be written to should be found before a snapshot is asked for. */
int attempt_begin_file(struct attempt *attempt, const char *device, size_t *ret_index,
                       struct error *err);

/* One of snapshot.h's ways to begin; hooks, phase and consistency are done here. */
typedef int attempt_snapshot_fn(struct xapi *xapi, const struct job *job, const struct pool *pool,
                                struct snapshot *ret_snapshot, struct text_list *warnings,
                                struct error *err);

int attempt_begin_snapshot(struct attempt *attempt, attempt_snapshot_fn *begin, struct error *err);

/* Stream into the file until its four facts hold. */
int attempt_run_stream(struct attempt *attempt, size_t index, const struct attempt_stream *stream,
                       struct error *err);

/* Read a stream to its end and keep nothing but what its stage takes. */
int attempt_read_stream(struct attempt *attempt, const struct attempt_stream *stream,
                        struct error *err);

#endif
