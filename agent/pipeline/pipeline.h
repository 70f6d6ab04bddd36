/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One stream from the pool into one file, believed only when four facts agree.
 *
 * Threads joined by a bounded ring: the caller's receives and checks, others compress if asked to,
 * digest and write (output.h).
 * The facts: the stream ended in order; the pool's task was seen to succeed; the format is
 * complete; the file is durable. If the store hangs, the caller's thread does not wait for it: the
 * stream is closed, the ring is left to the hanging thread and the caller is told (is_hung).
 */
#ifndef ONYX_AGENT_PIPELINE_PIPELINE_H
#define ONYX_AGENT_PIPELINE_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/format/digest.h"
#include "common/model/job.h"

#define PIPELINE_BLOCKS      64
#define PIPELINE_BLOCK_BYTES (1u << 20)

/* What a source or a stage hands its bytes to; a failure means: close the stream and come back.
 * bytes NULL, from a stage only: n zero bytes. */
typedef int pipeline_intake_fn(void *intake, const void *bytes, size_t n, struct error *err);

struct pipeline_source {
    /* Run the stream to its end, on the caller's thread. 0 only if it ended in order. */
    int (*run)(void *context, pipeline_intake_fn *intake, void *intake_context, struct error *err);
    /* What the pool's task says: 1 success, 0 still pending after wait_ms, -1 failed (*err). */
    int (*outcome)(void *context, int64_t wait_ms, struct error *err);
    void *context;
};

struct pipeline_check {
    int (*feed)(void *context, const void *bytes, size_t n, struct error *err);
    int (*finish)(void *context, struct error *err); /* 0: the format is complete */
    void *context;
};

/* Between check and ring, on the caller's thread: what it hands to next is what is digested and
 * written; the check has seen what came in. A failure of its own is a failure of our side. */
struct pipeline_stage {
    int (*feed)(void *context, const void *bytes, size_t n, pipeline_intake_fn *next,
                void *next_context, struct error *err);
    /* The stream ended in order: hand on what is held back. */
    int (*finish)(void *context, pipeline_intake_fn *next, void *next_context, struct error *err);
    void *context;
};

/* Runs on a thread of its own. */
struct pipeline_sink {
    int (*write)(void *context, const void *bytes, size_t n, struct error *err);
    /* n zero bytes that need no room. NULL: zeros are written as what they are. Never called when
     * the stream is compressed. */
    int (*skip)(void *context, uint64_t n, struct error *err);
    int (*finish)(void *context, struct error *err); /* 0: durable */
    /* Called once, when no thread uses context any more: behind pipeline_run, or when a hanging
     * call came back. May be NULL. */
    void (*release)(void *context);
    void *context;
};

struct pipeline_settings {
    size_t blocks;              /* 0: tuning.ring_mib, or else PIPELINE_BLOCKS */
    size_t block_bytes;         /* 0: PIPELINE_BLOCK_BYTES, the most when compressing */
    int64_t hang_ms;            /* a sink that takes nothing for so long hangs; 0: 10 min */
    int64_t outcome_ms;         /* how long the task may stay pending behind the stream; 0: 60 s */
    enum job_compress compress; /* between check and digest; 0: none */
    const struct pipeline_stage *stage; /* NULL: none */
    bool has_no_digests; /* neither of file nor of stream: the stage takes one of its own */
    struct job_tuning tuning;
    /* Asked between blocks and while waiting; true: end as soon as possible. May be NULL. */
    bool (*is_cancelled)(void *context);
    /* Bytes a second that may be taken at this moment; 0: no limit. May be NULL. */
    uint64_t (*rate_limit)(void *context);
    void (*progress)(void *context, uint64_t bytes); /* after each block; may be NULL */
    void *context;
};

struct pipeline_result {
    uint64_t bytes; /* that came in */
    int64_t stream_ms;
    int64_t throttled_us; /* of it, waited for the sake of a limit of rate */
    uint64_t rate_limit;  /* the lowest one that was waited for; 0: none */
    bool stream_ended, task_succeeded, format_complete, file_durable; /* the four facts */
    bool is_hung; /* a thread was left behind in the sink, whose context is still in use */
    uint64_t stream_bytes; /* that went on to be written, not yet compressed */
    char stream_xxh128[DIGEST_TEXT_MAX]; /* of those; "": none was asked for */
    char sha256[DIGEST_TEXT_MAX]; /* of what was written; "": none was asked for */
};

/*
 * 0 if all four facts hold. *ret is filled in both cases, as far as it came.
 *
 * Fails:  with the cause that came first: what our side did (ERROR_CANCELLED, ERROR_NO_SPACE, a
 *         hanging store, a stream that stood still), else what the pool's task says, else how the
 *         stream broke, else what the check found.
 */
int pipeline_run(const struct pipeline_source *source, const struct pipeline_check *check,
                 const struct pipeline_sink *sink, const struct pipeline_settings *settings,
                 struct pipeline_result *ret, struct error *err);

#endif
