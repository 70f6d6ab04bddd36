/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The caller's thread: what comes in is checked, passed through the stage and gathered in the ring;
 * and the order in which the facts are asked for.
 *
 * Compression stands behind the ring, so it can't hold an export open longer than the share may,
 * and the check has seen the bytes as XAPI sent them.
 *
 * When the check fails in mid-stream the task is asked before the stream is closed: XAPI writes its
 * late error into the data, and after our close the task would tell of the close instead.
 */
#include "agent/pipeline/pipeline.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/pipeline/output.h"
#include "agent/pipeline/pace.h"
#include "agent/pipeline/ring.h"
#include "common/base/clock.h"
#include "common/model/rate.h"

#include "common/base/poison.h"

#define HANG_MS         600000
#define OUTCOME_MS      60000
#define LATE_OUTCOME_MS 3000 /* how long the task may take to tell why the data went wrong */
#define LOOK_MS         200
#define GIVE_UP_MS      30000 /* for the store's last call behind a failed or cancelled stream */

/* The caller's thread. */
struct intake {
    struct output *output;
    struct ring *ring;
    const struct pipeline_source *source;
    const struct pipeline_check *check;
    const struct pipeline_settings *settings;
    struct pipeline_result *result;
    struct pace pace;
    int64_t hang_ms;
    struct digest *stream_digest;
    struct ring_block *block; /* being filled, NULL none */
    bool is_ours; /* what ended the stream was done on our side */
    bool check_failed;
    struct error check_error;
};

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
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
        if (ring_room(in->ring, look, &in->block, err) == 0)
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
    return 0;
}

static void hand_over(struct intake *in)
{
    struct ring_block *block = in->block;
    if (block == NULL)
        return;
    if (in->stream_digest != NULL && block->is_zeros)
        digest_zeros(in->stream_digest, block->n);
    in->result->stream_bytes += block->n;
    ring_put(in->ring, block);
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
    size_t most = output_zeros_max(in->output);
    hand_over(in);
    while (n > 0) {
        if (take_room(in, err) != 0)
            return -1;
        in->block->is_zeros = true;
        in->block->n = n < most ? n : most;
        n -= in->block->n;
        hand_over(in);
    }
    return 0;
}

/* What will be written: gathered to whole blocks and handed over. */
static int gather(void *context, const void *bytes, size_t n, struct error *err)
{
    struct intake *in = context;
    const unsigned char *at = bytes;
    size_t block_bytes = ring_block_bytes(in->ring);
    if (at == NULL)
        return gather_zeros(in, n, err);
    while (n > 0) {
        if (take_room(in, err) != 0)
            return -1;
        struct ring_block *block = in->block;
        size_t part = block_bytes - block->n < n ? block_bytes - block->n : n;
        if (in->stream_digest != NULL) /* now, while the check has it in the nearest cache */
            digest_update(in->stream_digest, at, part);
        memcpy(block->bytes + block->n, at, part);
        block->n += part;
        at += part;
        n -= part;
        if (block->n == block_bytes)
            hand_over(in);
    }
    return 0;
}

/* Wait as the limit of rate has it; a cancel is heard. */
static int keep_pace(struct intake *in, size_t n, struct error *err)
{
    const struct pipeline_settings *settings = in->settings;
    uint64_t rate = settings->rate_limit != NULL ? settings->rate_limit(settings->context) : 0;
    int64_t left_us = pace_take(&in->pace, rate, n, rate != 0 ? now_us() : 0);
    if (left_us > 0)
        in->result->rate_limit = rate_lower(in->result->rate_limit, rate);
    for (int64_t step_us; left_us > 0; left_us -= step_us) {
        step_us = left_us < LOOK_MS * 1000 ? left_us : LOOK_MS * 1000;
        struct timespec step = {.tv_sec = step_us / 1000000,
                                .tv_nsec = (long)(step_us % 1000000) * 1000};
        nanosleep(&step, NULL);
        in->result->throttled_us += step_us;
        if (is_cancelled(settings))
            return say_cancelled(err);
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
    if (result == 0)
        result = keep_pace(in, n, err);
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
    if (in->stream_digest != NULL)
        digest_final(in->stream_digest, result->stream_xxh128);
    return 0;
}

/* Wait for the threads as long as they get on; a cancel is heard. */
static bool wait_while_it_moves(struct intake *in, struct error *err)
{
    uint64_t last = 0;
    (void)output_has_moved(in->output, &last);
    for (int64_t still = 0; still < in->hang_ms; still += LOOK_MS) {
        int64_t look = in->hang_ms - still < LOOK_MS ? in->hang_ms - still : LOOK_MS;
        if (output_wait(in->output, look))
            return true;
        if (is_cancelled(in->settings)) {
            say_cancelled(err);
            output_stop(in->output, err);
            return output_wait(in->output, GIVE_UP_MS);
        }
        if (output_has_moved(in->output, &last))
            still = 0;
    }
    return false;
}

/* The fourth fact, or, after a failure, the end of the other threads. */
static int end_output(struct intake *in, bool is_good, struct error *err)
{
    struct pipeline_result *result = in->result;
    bool has_ended;
    if (is_good) {
        output_end(in->output);
        has_ended = wait_while_it_moves(in, err);
    } else {
        int64_t wait_ms = in->hang_ms < GIVE_UP_MS ? in->hang_ms : GIVE_UP_MS;
        output_stop(in->output, err);
        has_ended = output_wait(in->output, result->is_hung ? LOOK_MS : wait_ms);
    }
    result->is_hung = !has_ended;
    if (!has_ended) {
        struct error hung = ERROR_INIT;
        say_hung(&hung, in->hang_ms);
        output_stop(in->output, &hung);
        if (!error_is_set(err))
            *err = hung;
        return -1;
    }
    struct error why = ERROR_INIT;
    int written = output_result(in->output, result->sha256, &why);
    if (!error_is_set(err) && written != 0)
        *err = why;
    if (error_is_set(err))
        return -1;
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
    struct output *output = NULL;
    bool has_digest = !settings->has_no_digests;
    CLEAN_DIGEST struct digest *stream_digest =
        has_digest ? digest_new(DIGEST_XXH128, err) : NULL;
    if ((has_digest && stream_digest == NULL) ||
        output_new(sink, settings, &output, err) != 0) {
        if (sink->release != NULL)
            sink->release(sink->context);
        return -1;
    }
    struct intake in = {
        .output = output,
        .ring = output_ring(output),
        .source = source,
        .check = check,
        .settings = settings,
        .result = ret,
        .stream_digest = stream_digest,
        .hang_ms = settings->hang_ms != 0 ? settings->hang_ms : HANG_MS,
    };
    int result = ask_facts(&in, err);
    result = end_output(&in, result == 0, err);
    output_drop(output);
    return result;
}
