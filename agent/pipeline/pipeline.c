/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The two threads and the order in which the facts are asked for.
 *
 * The writing thread owns half of a small shared object with two references; whoever comes last
 * frees it. So a thread that hangs in the share can be left behind: when its call returns at last
 * it finds the ring stopped, releases the sink and goes.
 *
 * Compression stands behind the ring, so it can't hold an export open longer than the share may,
 * and the check has seen the bytes as XAPI sent them.
 *
 * When the check fails in mid-stream the task is asked before the stream is closed: XAPI writes its
 * late error into the data, and after our close the task would tell of the close instead.
 */
#include "agent/pipeline/pipeline.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/pipeline/ring.h"
#include "common/base/clock.h"
#include "common/format/compress.h"

#include "common/base/poison.h"

#define HANG_MS         600000
#define OUTCOME_MS      60000
#define LATE_OUTCOME_MS 3000 /* how long the task may take to tell why the data went wrong */
#define LOOK_MS         200
#define HOLE_BYTES                                                                                 \
    65536 /* the shortest run of zeros that is skipped; a ring's block is a multiple */
#define GIVE_UP_MS 30000 /* for the store's last call behind a failed or cancelled stream */

/* Used by both threads. */
struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    int references;
    bool is_ended; /* the writing thread has finished with the sink */
    struct ring *ring;
    struct pipeline_sink sink;
    struct compress *compress; /* NULL: none */
    struct digest *digest;
    struct error error; /* of the writing thread */
    char sha256[DIGEST_TEXT_MAX];
};

/* The caller's thread. */
struct intake {
    struct shared *shared;
    const struct pipeline_source *source;
    const struct pipeline_check *check;
    const struct pipeline_settings *settings;
    struct pipeline_result *result;
    int64_t hang_ms;
    struct digest *stream_digest;
    unsigned char *block; /* being filled, NULL none */
    size_t n;
    bool is_ours; /* what ended the stream was done on our side */
    bool check_failed;
    struct error check_error;
};

static void shared_free(struct shared *shared)
{
    if (shared->sink.release != NULL)
        shared->sink.release(shared->sink.context);
    ring_free(shared->ring);
    compress_free(shared->compress);
    digest_free(shared->digest);
    pthread_cond_destroy(&shared->ended);
    pthread_mutex_destroy(&shared->mutex);
    free(shared);
}

static void shared_drop(struct shared *shared)
{
    pthread_mutex_lock(&shared->mutex);
    int left = --shared->references;
    pthread_mutex_unlock(&shared->mutex);
    if (left == 0)
        shared_free(shared);
}

static bool is_zero(const unsigned char *bytes, size_t n)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0;
}

/* As few calls as there are runs of data and of zeros. */
static int write_around_holes(const struct pipeline_sink *sink, const unsigned char *bytes,
                              size_t n, struct error *err)
{
    for (size_t from = 0; from < n;) {
        size_t part = n - from < HOLE_BYTES ? n - from : HOLE_BYTES;
        bool is_hole = is_zero(bytes + from, part);
        size_t to = from + part;
        for (; to < n; to += part) {
            part = n - to < HOLE_BYTES ? n - to : HOLE_BYTES;
            if (is_zero(bytes + to, part) != is_hole)
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

/* Bytes as they will stand in the file. */
static int write_out(void *context, const void *bytes, size_t n, struct error *err)
{
    struct shared *shared = context;
    const struct pipeline_sink *sink = &shared->sink;
    if (shared->digest != NULL)
        digest_update(shared->digest, bytes, n);
    if (sink->skip != NULL && shared->compress == NULL)
        return write_around_holes(sink, bytes, n, err);
    return sink->write(sink->context, bytes, n, err);
}

static int shared_new(const struct pipeline_sink *sink, const struct pipeline_settings *settings,
                      struct shared **ret_shared, struct error *err)
{
    CLEAN_RING struct ring *ring = NULL;
    CLEAN_COMPRESS struct compress *compress = NULL;
    struct shared *shared = mem_zero(1, sizeof *shared);
    bool is_plain = settings->compress == 0 || settings->compress == JOB_COMPRESS_NONE;
    if (!is_plain)
        compress = compress_new(settings->compress, 0, write_out, shared, err);
    bool has_digest = settings->tuning.file_digest != JOB_FILE_NO_DIGEST;
    shared->digest = has_digest ? digest_new(DIGEST_SHA256, err) : NULL;
    if ((!is_plain && compress == NULL) || (has_digest && shared->digest == NULL) ||
        ring_new(settings->blocks != 0 ? settings->blocks : PIPELINE_BLOCKS,
                 settings->block_bytes != 0 ? settings->block_bytes : PIPELINE_BLOCK_BYTES, &ring,
                 err) != 0) {
        digest_free(shared->digest);
        free(shared);
        return -1;
    }
    pthread_condattr_t attributes;
    pthread_mutex_init(&shared->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&shared->ended, &attributes);
    pthread_condattr_destroy(&attributes);
    shared->references = 1;
    shared->sink = *sink;
    shared->compress = compress;
    shared->ring = ring;
    compress = NULL;
    ring = NULL;
    *ret_shared = shared;
    return 0;
}

static int take_block(struct shared *shared, const unsigned char *block, size_t n,
                      struct error *err)
{
    return shared->compress != NULL ? compress_feed(shared->compress, block, n, err)
                                    : write_out(shared, block, n, err);
}

static int take_zeros(struct shared *shared, size_t n, struct error *err)
{
    static const unsigned char zeros[HOLE_BYTES];
    while (n > 0) {
        size_t part = n < sizeof zeros ? n : sizeof zeros;
        if (take_block(shared, zeros, part, err) != 0)
            return -1;
        n -= part;
    }
    return 0;
}

/* Take blocks until the end or a stop. */
static int drain(struct shared *shared, struct error *err)
{
    for (;;) {
        const unsigned char *block = NULL;
        size_t n = 0;
        int got = ring_get(shared->ring, &block, &n, err);
        if (got < 0)
            return -1;
        if (got == 0 && shared->compress != NULL && compress_finish(shared->compress, err) != 0)
            return -1;
        if (got == 0)
            return shared->sink.finish(shared->sink.context, err);
        int written =
            block != NULL ? take_block(shared, block, n, err) : take_zeros(shared, n, err);
        if (written != 0)
            return -1;
        ring_release(shared->ring);
    }
}

static void *write_thread(void *context)
{
    struct shared *shared = context;
    struct error err = ERROR_INIT;
    if (drain(shared, &err) != 0)
        ring_stop(shared->ring, &err);
    pthread_mutex_lock(&shared->mutex);
    shared->error = err;
    if (!error_is_set(&err) && shared->digest != NULL)
        digest_final(shared->digest, shared->sha256);
    /* In one step with the reference, so that who saw the end is the one to release the sink. */
    shared->is_ended = true;
    int left = --shared->references;
    pthread_cond_broadcast(&shared->ended);
    pthread_mutex_unlock(&shared->mutex);
    if (left == 0)
        shared_free(shared);
    return NULL;
}

/* Detached: a hanging thread can't be joined. Signals stay with the main thread. */
static int start_thread(struct shared *shared, struct error *err)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, old;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    shared->references = 2;
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&thread, &attributes, write_thread, shared);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    if (failed == 0)
        return 0;
    shared->references = 1;
    return error_set_sys(err, ERROR_INTERNAL, failed, "start the writing thread");
}

static bool is_cancelled(const struct pipeline_settings *settings)
{
    return settings->is_cancelled != NULL && settings->is_cancelled(settings->context);
}

static int say_cancelled(struct error *err)
{
    return error_set(err, ERROR_CANCELLED, "cancelled");
}

static int say_hung(struct error *err, int64_t hang_ms)
{
    return error_set(err, ERROR_TIMEOUT, "the store took nothing for %lld s: is its share alive?",
                     (long long)(hang_ms / 1000));
}

/* A block to fill, waiting in short looks so that a cancel is heard. */
static int take_room(struct intake *in, struct error *err)
{
    int64_t waited = 0;
    while (in->block == NULL) {
        if (is_cancelled(in->settings))
            return say_cancelled(err);
        int64_t look = in->hang_ms - waited < LOOK_MS ? in->hang_ms - waited : LOOK_MS;
        if (ring_room(in->shared->ring, look, &in->block, err) == 0)
            break;
        if (err->code != ERROR_TIMEOUT)
            return -1;
        error_clear(err);
        waited += look;
        if (waited >= in->hang_ms) {
            in->result->is_hung = true;
            return say_hung(err, in->hang_ms);
        }
    }
    in->n = 0;
    return 0;
}

static void hand_over(struct intake *in)
{
    if (in->block == NULL)
        return;
    digest_update(in->stream_digest, in->block, in->n);
    in->result->stream_bytes += in->n;
    ring_put(in->shared->ring, in->n);
    in->block = NULL;
    if (in->settings->progress != NULL)
        in->settings->progress(in->settings->context, in->result->bytes);
}

static int feed_check(struct intake *in, const void *bytes, size_t n, struct error *err)
{
    if (in->check->feed(in->check->context, bytes, n, &in->check_error) == 0)
        return 0;
    in->check_failed = true;
    struct error why = ERROR_INIT;
    if (in->source->outcome(in->source->context, LATE_OUTCOME_MS, &why) < 0)
        *err = why;
    else
        *err = in->check_error;
    return -1;
}

static int gather_zeros(struct intake *in, size_t n, struct error *err)
{
    hand_over(in);
    if (n == 0)
        return 0;
    if (take_room(in, err) != 0)
        return -1;
    digest_zeros(in->stream_digest, n);
    in->result->stream_bytes += n;
    ring_put_zeros(in->shared->ring, n);
    in->block = NULL;
    return 0;
}

/* What will be written: gathered to whole blocks and handed over. */
static int gather(void *context, const void *bytes, size_t n, struct error *err)
{
    struct intake *in = context;
    const unsigned char *at = bytes;
    size_t block_bytes = ring_block_bytes(in->shared->ring);
    if (at == NULL)
        return gather_zeros(in, n, err);
    while (n > 0) {
        if (in->block == NULL && take_room(in, err) != 0)
            return -1;
        size_t part = block_bytes - in->n < n ? block_bytes - in->n : n;
        memcpy(in->block + in->n, at, part);
        in->n += part;
        at += part;
        n -= part;
        if (in->n == block_bytes)
            hand_over(in);
    }
    return 0;
}

/* The source's bytes: check, pass through the stage, gather. */
static int intake(void *context, const void *bytes, size_t n, struct error *err)
{
    struct intake *in = context;
    const struct pipeline_stage *stage = in->settings->stage;
    if (feed_check(in, bytes, n, err) != 0)
        return -1;
    in->result->bytes += n;
    int result = stage != NULL ? stage->feed(stage->context, bytes, n, gather, in, err)
                               : gather(in, bytes, n, err);
    in->is_ours = result != 0;
    return result;
}

/* The stream has ended in order: nothing is held back any longer. */
static int end_intake(struct intake *in, struct error *err)
{
    const struct pipeline_stage *stage = in->settings->stage;
    int result = stage != NULL ? stage->finish(stage->context, gather, in, err) : 0;
    hand_over(in);
    return result;
}

/* Wait until the writing thread has ended; false when it hangs. */
static bool wait_for_sink(struct shared *shared, int64_t hang_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(hang_ms / 1000);
    until.tv_nsec += (long)(hang_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int late = 0;
    pthread_mutex_lock(&shared->mutex);
    while (!shared->is_ended && late == 0)
        late = pthread_cond_timedwait(&shared->ended, &shared->mutex, &until);
    bool is_ended = shared->is_ended;
    pthread_mutex_unlock(&shared->mutex);
    return is_ended;
}

/* Ask for the task's end; cancel is heard. */
static int ask_outcome(struct intake *in, int64_t wait_ms, struct error *err)
{
    for (int64_t waited = 0; waited < wait_ms; waited += LOOK_MS) {
        int outcome = in->source->outcome(in->source->context, LOOK_MS, err);
        if (outcome != 0)
            return outcome < 0 ? -1 : 0;
        if (is_cancelled(in->settings)) {
            in->is_ours = true;
            return say_cancelled(err);
        }
    }
    return error_set(err, ERROR_TIMEOUT,
                     "the stream has ended but its task is still pending after %lld s",
                     (long long)(wait_ms / 1000));
}

/* Three of the facts; the first failure in the order of pipeline.h is *err. */
static int ask_facts(struct intake *in, struct error *err)
{
    struct error stream_error = ERROR_INIT, task_error = ERROR_INIT, end_error = ERROR_INIT;
    struct pipeline_result *result = in->result;
    const struct pipeline_settings *settings = in->settings;
    int64_t began = clock_monotonic_ms(clock_system());
    int stream = in->source->run(in->source->context, intake, in, &stream_error);
    result->stream_ms = clock_monotonic_ms(clock_system()) - began;
    result->stream_ended = stream == 0;
    /* A time-out is our side's too: behind it the task only tells of our close. */
    if (stream != 0 && (in->is_ours || in->check_failed || stream_error.code == ERROR_TIMEOUT ||
                        is_cancelled(settings))) {
        *err = stream_error;
        return -1;
    }
    int end = stream == 0 ? end_intake(in, &end_error) : 0;
    int64_t wait_ms = settings->outcome_ms != 0 ? settings->outcome_ms : OUTCOME_MS;
    /* A broken stream's task may stay pending for ever: then the break is the cause. */
    int task = ask_outcome(in, stream == 0 ? wait_ms : LATE_OUTCOME_MS, &task_error);
    result->task_succeeded = task == 0;
    if (task != 0 && (stream == 0 || task_error.code != ERROR_TIMEOUT)) {
        *err = task_error;
        return -1;
    }
    if (stream != 0) {
        *err = stream_error;
        return -1;
    }
    if (in->check->finish(in->check->context, err) != 0)
        return -1;
    if (end != 0) {
        *err = end_error;
        return -1;
    }
    result->format_complete = true;
    digest_final(in->stream_digest, result->stream_xxh128);
    return 0;
}

/* The fourth fact, or, after a failure, the end of the writing thread. */
static int end_sink(struct intake *in, bool is_good, struct error *err)
{
    struct shared *shared = in->shared;
    struct pipeline_result *result = in->result;
    struct error sink_error = ERROR_INIT;
    if (is_good)
        ring_end(shared->ring);
    else
        ring_stop(shared->ring, err);
    int64_t wait_ms = in->hang_ms;
    if (!is_good && wait_ms > GIVE_UP_MS)
        wait_ms = GIVE_UP_MS;
    if (result->is_hung) /* it had its time */
        wait_ms = LOOK_MS;
    if (!wait_for_sink(shared, wait_ms)) {
        result->is_hung = true;
        struct error hung = ERROR_INIT;
        say_hung(&hung, in->hang_ms);
        ring_stop(shared->ring, &hung);
        if (is_good)
            *err = hung;
        return -1;
    }
    result->is_hung = false;
    pthread_mutex_lock(&shared->mutex);
    sink_error = shared->error;
    memcpy(result->sha256, shared->sha256, sizeof result->sha256);
    pthread_mutex_unlock(&shared->mutex);
    if (!is_good)
        return -1;
    if (error_is_set(&sink_error)) {
        *err = sink_error;
        return -1;
    }
    result->file_durable = true;
    return 0;
}

int pipeline_run(const struct pipeline_source *source, const struct pipeline_check *check,
                 const struct pipeline_sink *sink, const struct pipeline_settings *settings,
                 struct pipeline_result *ret, struct error *err)
{
    struct error own = ERROR_INIT;
    err = err != NULL ? err : &own;
    memset(ret, 0, sizeof *ret);
    struct shared *shared = NULL;
    CLEAN_DIGEST struct digest *stream_digest = digest_new(DIGEST_XXH128, err);
    if (stream_digest == NULL || shared_new(sink, settings, &shared, err) != 0) {
        if (sink->release != NULL)
            sink->release(sink->context);
        return -1;
    }
    struct intake in = {
        .shared = shared,
        .source = source,
        .check = check,
        .settings = settings,
        .result = ret,
        .stream_digest = stream_digest,
        .hang_ms = settings->hang_ms != 0 ? settings->hang_ms : HANG_MS,
    };
    int result = start_thread(shared, err);
    if (result == 0) {
        result = ask_facts(&in, err);
        result = end_sink(&in, result == 0, err);
    }
    shared_drop(shared);
    return result;
}
