/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One object with a reference for each thread and one for the caller; whoever comes last frees it.
 * So a writer that hangs in the share can be left behind: when its call returns at last it finds
 * the rings stopped, releases the sink and goes.
 *
 * The digest has a thread of its own: without the processor's SHA instructions it is slower than
 * the share, and with them it is still the slowest part of a plain stream.
 */
#include "agent/pipeline/output.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/pipeline/packers.h"
#include "agent/pipeline/ring.h"
#include "common/base/wait.h"
#include "common/format/pack.h"

#include "common/base/poison.h"

#define WRITER   0 /* numbers of readers */
#define DIGESTER 1
#define HOLE_BYTES                                                                                 \
    65536 /* the shortest run of zeros that is skipped; a ring's block is a multiple */
#define PACKED_SPARE 4 /* packed blocks beside those that are being filled */

struct output {
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    int references;
    int running;
    struct ring *ring;
    struct ring *packed; /* NULL: plain */
    struct packers *packers;
    struct pipeline_sink sink;
    struct digest *digest; /* NULL: none */
    struct error error;    /* the first of any thread */
    char sha256[DIGEST_TEXT_MAX];
};

typedef int part_fn(struct output *output, struct error *err);

static void output_free(struct output *output)
{
    if (output->sink.release != NULL)
        output->sink.release(output->sink.context);
    packers_free(output->packers);
    ring_free(output->packed);
    ring_free(output->ring);
    digest_free(output->digest);
    pthread_cond_destroy(&output->ended);
    pthread_mutex_destroy(&output->mutex);
    free(output);
}

void output_drop(struct output *output)
{
    pthread_mutex_lock(&output->mutex);
    int left = --output->references;
    pthread_mutex_unlock(&output->mutex);
    if (left == 0)
        output_free(output);
}

struct ring *output_ring(struct output *output)
{
    return output->ring;
}

size_t output_zeros_max(const struct output *output)
{
    return output->packers != NULL ? ring_block_bytes(output->ring) : SIZE_MAX;
}

bool output_has_moved(struct output *output, uint64_t *last)
{
    uint64_t now = ring_freed(output->ring);
    if (output->packed != NULL)
        now += ring_freed(output->packed);
    bool has_moved = now != *last;
    *last = now;
    return has_moved;
}

void output_end(struct output *output)
{
    ring_end(output->ring);
}

void output_stop(struct output *output, const struct error *reason)
{
    ring_stop(output->ring, reason);
    if (output->packed != NULL)
        ring_stop(output->packed, reason);
}

/* What is written and digested. */
static struct ring *last_ring(struct output *output)
{
    return output->packed != NULL ? output->packed : output->ring;
}

/* --- the writer ------------------------------------------------------------------------------ */

/* As few calls as there are runs of data and of zeros. */
static int write_around_holes(const struct pipeline_sink *sink, const unsigned char *bytes,
                              size_t n, struct error *err)
{
    for (size_t from = 0; from < n;) {
        size_t part = n - from < HOLE_BYTES ? n - from : HOLE_BYTES;
        bool is_hole = mem_is_zero(bytes + from, part);
        size_t to = from + part;
        for (; to < n; to += part) {
            part = n - to < HOLE_BYTES ? n - to : HOLE_BYTES;
            if (mem_is_zero(bytes + to, part) != is_hole)
                break;
        }
        int result = is_hole ? sink->skip(sink->context, to - from, err)
                             : sink->write(sink->context, bytes + from, to - from, err);
        if (result != 0)
            return -1;
        from = to;
    }
    return 0;
}

static int write_zeros(const struct pipeline_sink *sink, uint64_t n, struct error *err)
{
    static const unsigned char zeros[HOLE_BYTES];
    while (n > 0) {
        size_t part = n < sizeof zeros ? (size_t)n : sizeof zeros;
        if (sink->write(sink->context, zeros, part, err) != 0)
            return -1;
        n -= part;
    }
    return 0;
}

static int write_block(struct output *output, const struct ring_block *block, struct error *err)
{
    const struct pipeline_sink *sink = &output->sink;
    bool may_skip = sink->skip != NULL && output->packed == NULL;
    if (block->n == 0)
        return 0;
    if (block->is_zeros)
        return may_skip ? sink->skip(sink->context, block->n, err)
                        : write_zeros(sink, block->n, err);
    if (may_skip)
        return write_around_holes(sink, block->bytes, block->n, err);
    return sink->write(sink->context, block->bytes, block->n, err);
}

static int write_all(struct output *output, struct error *err)
{
    struct ring *ring = last_ring(output);
    struct ring_block *block = NULL;
    int got;
    while ((got = ring_get(ring, WRITER, &block, err)) == 1) {
        if (write_block(output, block, err) != 0)
            return -1;
        ring_release(ring, block);
    }
    return got == 0 ? output->sink.finish(output->sink.context, err) : -1;
}

/* --- the others ------------------------------------------------------------------------------ */

static int digest_all(struct output *output, struct error *err)
{
    struct ring *ring = last_ring(output);
    struct ring_block *block = NULL;
    int got;
    while ((got = ring_get(ring, DIGESTER, &block, err)) == 1) {
        if (block->is_zeros)
            digest_zeros(output->digest, block->n);
        else
            digest_update(output->digest, block->bytes, block->n);
        ring_release(ring, block);
    }
    if (got == 0)
        digest_final(output->digest, output->sha256);
    return got;
}

static int pack_all(struct output *output, struct error *err)
{
    if (packers_work(output->packers, err) == 0)
        return 0;
    packers_give_up(output->packers);
    return -1;
}

/* --- threads --------------------------------------------------------------------------------- */

struct part {
    struct output *output;
    part_fn *run;
};

static void *run_part(void *context)
{
    struct part part = *(struct part *)context;
    struct output *output = part.output;
    struct error err = ERROR_INIT;
    free(context);
    bool has_failed = part.run(output, &err) != 0;
    pthread_mutex_lock(&output->mutex);
    if (has_failed && !error_is_set(&output->error))
        output->error = err;
    pthread_mutex_unlock(&output->mutex);
    if (has_failed)
        output_stop(output, &err);
    pthread_mutex_lock(&output->mutex);
    /* In one step with the reference, so that who saw the end is the one to release the sink. */
    output->running--;
    int left = --output->references;
    pthread_cond_broadcast(&output->ended);
    pthread_mutex_unlock(&output->mutex);
    if (left == 0)
        output_free(output);
    return NULL;
}

/* Detached: a hanging thread can't be joined. Signals stay with the main thread. */
static int start_part(struct output *output, part_fn *run, struct error *err)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, old;
    struct part *part = mem_zero(1, sizeof *part);
    *part = (struct part){output, run};
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_mutex_lock(&output->mutex);
    output->references++;
    output->running++;
    pthread_mutex_unlock(&output->mutex);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&thread, &attributes, run_part, part);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    if (failed == 0)
        return 0;
    free(part);
    pthread_mutex_lock(&output->mutex);
    output->references--;
    output->running--;
    pthread_mutex_unlock(&output->mutex);
    return error_set_sys(err, ERROR_INTERNAL, failed, "start a thread of the stream");
}

static int start_parts(struct output *output, size_t packers, struct error *err)
{
    int result = start_part(output, write_all, err);
    if (result == 0 && output->digest != NULL)
        result = start_part(output, digest_all, err);
    for (size_t i = 0; i < packers && result == 0; i++)
        result = start_part(output, pack_all, err);
    return result;
}

/* --- a new one ------------------------------------------------------------------------------- */

static int make_rings(struct output *output, const struct pipeline_settings *settings,
                      size_t packers, struct error *err)
{
    size_t last_readers = output->digest != NULL ? 2 : 1;
    size_t mib = settings->tuning.ring_mib != 0 ? settings->tuning.ring_mib : PIPELINE_BLOCKS;
    size_t blocks = settings->blocks != 0 ? settings->blocks : mib;
    size_t bytes = settings->block_bytes != 0 ? settings->block_bytes : PIPELINE_BLOCK_BYTES;
    if (packers == 0)
        return ring_new(blocks, bytes, last_readers, &output->ring, err);
    size_t packed = packers + PACKED_SPARE;
    if (ring_new(blocks, bytes, 1, &output->ring, err) != 0 ||
        ring_new(packed, PACK_ROOM, last_readers, &output->packed, err) != 0)
        return -1;
    output->packers = packers_new(settings->compress, &settings->tuning, packers, output->ring,
                                  output->packed, packed, err);
    return output->packers != NULL ? 0 : -1;
}

static struct output *make(const struct pipeline_settings *settings, size_t packers,
                           struct error *err)
{
    struct output *output = mem_zero(1, sizeof *output);
    pthread_mutex_init(&output->mutex, NULL);
    wait_init(&output->ended);
    output->references = 1;
    bool has_digest =
        !settings->has_no_digests && settings->tuning.file_digest != JOB_FILE_NO_DIGEST;
    if (has_digest)
        output->digest = digest_new(DIGEST_SHA256, err);
    if ((has_digest && output->digest == NULL) ||
        make_rings(output, settings, packers, err) != 0) {
        output_drop(output);
        return NULL;
    }
    return output;
}

int output_new(const struct pipeline_sink *sink, const struct pipeline_settings *settings,
               struct output **ret_output, struct error *err)
{
    bool is_plain = settings->compress == 0 || settings->compress == JOB_COMPRESS_NONE;
    size_t packers = is_plain ? 0 : packers_threads(&settings->tuning);
    struct output *output = make(settings, packers, err);
    if (output == NULL)
        return -1;
    output->sink = *sink;
    if (start_parts(output, packers, err) == 0) {
        *ret_output = output;
        return 0;
    }
    /* Those that did start end now, before the sink is given back. */
    output_stop(output, err);
    if (output->packers != NULL)
        packers_give_up(output->packers);
    pthread_mutex_lock(&output->mutex);
    while (output->running > 0)
        pthread_cond_wait(&output->ended, &output->mutex);
    output->sink.release = NULL;
    pthread_mutex_unlock(&output->mutex);
    output_drop(output);
    return -1;
}

bool output_wait(struct output *output, int64_t wait_ms)
{
    struct timespec until = wait_until(wait_ms);
    int late = 0;
    pthread_mutex_lock(&output->mutex);
    while (output->running > 0 && late == 0)
        late = pthread_cond_timedwait(&output->ended, &output->mutex, &until);
    bool has_ended = output->running == 0;
    pthread_mutex_unlock(&output->mutex);
    return has_ended;
}

int output_result(struct output *output, char sha256[DIGEST_TEXT_MAX], struct error *err)
{
    pthread_mutex_lock(&output->mutex);
    bool has_failed = error_is_set(&output->error);
    if (has_failed)
        *err = output->error;
    memcpy(sha256, output->sha256, DIGEST_TEXT_MAX);
    pthread_mutex_unlock(&output->mutex);
    return has_failed ? -1 : 0;
}
