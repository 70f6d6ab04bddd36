/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent/pipeline/pipeline with made-up parts: each of the four facts fails once, the store hangs,
 * the user cancels; and whose error is told when several fail.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/pipeline/pipeline.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/format/decompress.h"

#define PIECE 1000
#define PIECES 500
#define BLOCK 4096

struct parts {
    /* what goes wrong, each alone or together */
    int stream_fails_at; /* piece; 0 never */
    bool stream_stands_still;
    int task;            /* what outcome gives at the end */
    int check_fails_at;
    bool check_is_incomplete;
    int write_fails_at;
    bool sync_fails;
    int cancel_at;
    int hang_at;   /* write call that waits for the pipe */
    int64_t hang_ms;
    int hang_pipe[2];
    /* what was seen */
    int pieces, feeds, outcomes;
    atomic_int writes; /* begun */
    uint64_t written;
    bool finished;
    atomic_bool released;
    struct digest *digest;
    enum job_compress compress;
    struct job_tuning tuning;
    int slow_ms;  /* each write */
    int stops_at; /* piece at which the stream ends in order; 0: behind all */
    bool is_cancelled_at_end;
    struct str *kept; /* what was written, NULL: not kept */
    bool has_stage, is_sparse;
    int stage_fails_at; /* feed; -1: finish */
    int stage_feeds;
    uint64_t skipped;
};

static void parts_init(struct parts *parts)
{
    struct error err = ERROR_INIT;
    memset(parts, 0, sizeof *parts);
    parts->task = 1;
    parts->hang_ms = 60000;
    parts->digest = digest_new(DIGEST_SHA256, &err);
    assert_non_null(parts->digest);
    assert_int_equal(pipe(parts->hang_pipe), 0);
}

static void parts_done(struct parts *parts)
{
    close(parts->hang_pipe[0]);
    close(parts->hang_pipe[1]);
    digest_free(parts->digest);
}

/* What the source sends at this place. */
static unsigned char byte_of(size_t at)
{
    return (unsigned char)((at / PIECE + 1) * 7 + at % PIECE);
}

static int run(void *context, pipeline_intake_fn *intake, void *intake_context, struct error *err)
{
    struct parts *parts = context;
    unsigned char piece[PIECE];
    for (parts->pieces = 1; parts->pieces <= PIECES; parts->pieces++) {
        for (size_t i = 0; i < sizeof piece; i++)
            piece[i] = byte_of(((size_t)parts->pieces - 1) * PIECE + i);
        if (parts->pieces == parts->stops_at) {
            parts->pieces = PIECES + 1;
            return 0;
        }
        if (parts->pieces == parts->stream_fails_at)
            return error_set(err, parts->stream_stands_still ? ERROR_TIMEOUT : ERROR_SHORT,
                             "the stream broke");
        if (intake(intake_context, piece, sizeof piece, err) != 0)
            return -1;
    }
    return 0;
}

static int outcome(void *context, int64_t wait_ms, struct error *err)
{
    struct parts *parts = context;
    (void)wait_ms;
    parts->outcomes++;
    if (parts->task < 0)
        error_set(err, ERROR_XAPI, "INTERNAL_ERROR(End_of_file)");
    return parts->task;
}

static int feed(void *context, const void *bytes, size_t n, struct error *err)
{
    struct parts *parts = context;
    digest_update(parts->digest, bytes, n);
    if (++parts->feeds == parts->check_fails_at)
        return error_set(err, ERROR_CORRUPT, "a bad block");
    return 0;
}

static int check_finish(void *context, struct error *err)
{
    const struct parts *parts = context;
    return parts->check_is_incomplete ? error_set(err, ERROR_SHORT, "no end") : 0;
}

static int write_bytes(void *context, const void *bytes, size_t n, struct error *err)
{
    struct parts *parts = context;
    char byte;
    int number = atomic_fetch_add(&parts->writes, 1) + 1;
    if (number == parts->hang_at && read(parts->hang_pipe[0], &byte, 1) < 0)
        return error_set(err, ERROR_IO, "the pipe of the test");
    if (parts->slow_ms != 0)
        (void)poll(NULL, 0, parts->slow_ms);
    parts->written += n;
    if (parts->kept != NULL)
        str_add_n(parts->kept, bytes, n);
    if (number == parts->write_fails_at)
        return error_set(err, ERROR_NO_SPACE, "write: no space");
    return 0;
}

static int skip_zeros(void *context, uint64_t n, struct error *err)
{
    struct parts *parts = context;
    (void)err;
    parts->skipped += n;
    for (uint64_t i = 0; parts->kept != NULL && i < n; i++)
        str_add_n(parts->kept, "", 1);
    return 0;
}

#define STAGE_ZEROS 300000
#define STAGE_TAIL  "end"

/* Puts zeros in front and a word behind. */
static int stage_feed(void *context, const void *bytes, size_t n, pipeline_intake_fn *next,
                      void *next_context, struct error *err)
{
    struct parts *parts = context;
    if (++parts->stage_feeds == parts->stage_fails_at)
        return error_set(err, ERROR_UNSUPPORTED, "the stage gives up");
    if (parts->stage_feeds == 1 && next(next_context, NULL, STAGE_ZEROS, err) != 0)
        return -1;
    return next(next_context, bytes, n, err);
}

static int stage_finish(void *context, pipeline_intake_fn *next, void *next_context,
                        struct error *err)
{
    const struct parts *parts = context;
    if (parts->stage_fails_at == -1)
        return error_set(err, ERROR_UNSUPPORTED, "the stage gives up");
    return next(next_context, STAGE_TAIL, strlen(STAGE_TAIL), err);
}

static int sink_finish(void *context, struct error *err)
{
    struct parts *parts = context;
    parts->finished = true;
    return parts->sync_fails ? error_set(err, ERROR_IO, "fsync") : 0;
}

static void release(void *context)
{
    struct parts *parts = context;
    atomic_store(&parts->released, true);
}

static bool is_cancelled(void *context)
{
    struct parts *parts = context;
    if (parts->is_cancelled_at_end)
        return parts->pieces > PIECES;
    return parts->cancel_at != 0 && parts->pieces >= parts->cancel_at &&
           atomic_load(&parts->writes) >= parts->hang_at;
}

static int run_parts(struct parts *parts, struct pipeline_result *result, struct error *err)
{
    struct pipeline_source source = {run, outcome, parts};
    struct pipeline_check check = {feed, check_finish, parts};
    struct pipeline_sink sink = {.write = write_bytes,
                                 .skip = parts->is_sparse ? skip_zeros : NULL,
                                 .finish = sink_finish,
                                 .release = release,
                                 .context = parts};
    struct pipeline_stage stage = {.feed = stage_feed, .finish = stage_finish, .context = parts};
    struct pipeline_settings settings = {.blocks = 4, .block_bytes = BLOCK, .hang_ms = parts->hang_ms,
                                         .outcome_ms = 400,
                                         .compress = parts->compress,
                                         .tuning = parts->tuning,
                                         .stage = parts->has_stage ? &stage : NULL,
                                         .is_cancelled = is_cancelled,
                                         .context = parts};
    return pipeline_run(&source, &check, &sink, &settings, result, err);
}

static void pipeline_when_all_is_well_then_four_facts_hold(void **state)
{
    (void)state;
    struct parts parts;
    struct pipeline_result result;
    struct error err = ERROR_INIT;
    char own[DIGEST_TEXT_MAX];
    parts_init(&parts);
    assert_int_equal(run_parts(&parts, &result, &err), 0);
    assert_true(result.stream_ended && result.task_succeeded && result.format_complete &&
                result.file_durable);
    assert_int_equal(result.bytes, PIECE * PIECES);
    assert_int_equal(parts.written, PIECE * PIECES);
    assert_string_equal(result.sha256, digest_final(parts.digest, own));
    assert_int_equal(result.stream_bytes, PIECE * PIECES);
    assert_true(atomic_load(&parts.released));
    parts_done(&parts);
}

static void pipeline_when_no_digest_of_the_file_is_asked_for_then_none_is_told(void **state)
{
    (void)state;
    struct parts parts;
    struct pipeline_result result;
    struct error err = ERROR_INIT;
    parts_init(&parts);
    parts.tuning.file_digest = JOB_FILE_NO_DIGEST;
    assert_int_equal(run_parts(&parts, &result, &err), 0);
    assert_string_equal(result.sha256, "");
    assert_int_equal(strlen(result.stream_xxh128), 32);
    assert_true(result.file_durable);
    parts_done(&parts);
}

/* XXH3-128 of a text. */
static void check_stream_digest(const struct pipeline_result *result, const struct str *plain)
{
    struct error err = ERROR_INIT;
    char want[DIGEST_TEXT_MAX];
    CLEAN_DIGEST struct digest *digest = digest_new(DIGEST_XXH128, &err);
    digest_update(digest, str_text(plain), plain->len);
    assert_string_equal(result->stream_xxh128, digest_final(digest, want));
    assert_int_equal(result->stream_bytes, plain->len);
}

static int unpack_text(void *context, const void *bytes, size_t n, struct error *err)
{
    (void)err;
    str_add_n(context, bytes, n);
    return 0;
}

/* What stands in the file, uncompressed. */
static void read_kept(enum job_compress kind, const struct str *kept, struct str *plain)
{
    struct error err = ERROR_INIT;
    CLEAN_DECOMPRESS struct decompress *decompress =
        decompress_new(kind != 0 ? kind : JOB_COMPRESS_NONE, unpack_text, plain, &err);
    assert_int_equal(decompress_feed(decompress, str_text(kept), kept->len, &err), 0);
    assert_int_equal(decompress_finish(decompress, &err), 0);
}

/* As many threads as you like: the content is the same. So is the file, where the compressor makes
 * the same of the same block; ISA-L's matches depend on where its state lies. */
static void pipeline_when_it_has_many_packers_then_the_blocks_stay_in_order(void **state)
{
    (void)state;
    static const uint32_t threads[] = {1, 2, 7};
    static const enum job_compress kinds[] = {JOB_COMPRESS_GZIP, JOB_COMPRESS_ZSTD};
    for (size_t k = 0; k < 2; k++) {
        CLEAN_STR struct str first = STR_INIT;
        for (size_t i = 0; i < 3; i++) {
            struct parts parts;
            struct pipeline_result result;
            struct error err = ERROR_INIT;
            CLEAN_STR struct str kept = STR_INIT;
            CLEAN_STR struct str plain = STR_INIT;
            parts_init(&parts);
            parts.compress = kinds[k];
            parts.tuning.compress_threads = threads[i];
            parts.kept = i == 0 ? &first : &kept;
            assert_int_equal(run_parts(&parts, &result, &err), 0);
            read_kept(kinds[k], parts.kept, &plain);
            check_stream_digest(&result, &plain);
            assert_int_equal(plain.len, PIECE * PIECES);
            for (size_t at = 0; at < plain.len; at++)
                if ((unsigned char)plain.data[at] != byte_of(at))
                    fail_msg("%u threads: byte %zu is another", threads[i], at);
            if (i > 0 && kinds[k] == JOB_COMPRESS_ZSTD) {
                assert_int_equal(kept.len, first.len);
                assert_memory_equal(kept.data, first.data, kept.len);
            }
            parts_done(&parts);
        }
    }
}

static int unpack(void *context, const void *bytes, size_t n, struct error *err)
{
    (void)err;
    digest_update(context, bytes, n);
    return 0;
}

static void
pipeline_when_it_compresses_then_the_file_is_whole_and_the_check_saw_it_plain(void **state)
{
    (void)state;
    static const enum job_compress kinds[] = {JOB_COMPRESS_GZIP, JOB_COMPRESS_ZSTD};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct parts parts;
        struct pipeline_result result;
        struct error err = ERROR_INIT;
        char seen[DIGEST_TEXT_MAX], unpacked[DIGEST_TEXT_MAX], file[DIGEST_TEXT_MAX];
        CLEAN_STR struct str kept = STR_INIT;
        parts_init(&parts);
        parts.compress = kinds[i];
        parts.kept = &kept;
        assert_int_equal(run_parts(&parts, &result, &err), 0);
        assert_int_equal(result.bytes, PIECE * PIECES);
        assert_true(kept.len > 0 && kept.len < PIECE * PIECES / 2);
        struct digest *digest = digest_new(DIGEST_SHA256, &err);
        digest_update(digest, str_text(&kept), kept.len);
        assert_string_equal(result.sha256, digest_final(digest, file));
        digest_free(digest);
        digest = digest_new(DIGEST_SHA256, &err);
        CLEAN_DECOMPRESS struct decompress *decompress =
            decompress_new(kinds[i], unpack, digest, &err);
        assert_int_equal(decompress_feed(decompress, str_text(&kept), kept.len, &err), 0);
        assert_int_equal(decompress_finish(decompress, &err), 0);
        assert_string_equal(digest_final(digest, unpacked), digest_final(parts.digest, seen));
        digest_free(digest);
        parts_done(&parts);
    }
}

static void pipeline_when_it_compresses_and_the_store_fails_then_that_is_the_cause(void **state)
{
    (void)state;
    for (int at = 1; at < 40; at += 19) { /* gzip's head, a block in the middle, a late one */
        struct parts parts;
        struct pipeline_result result;
        struct error err = ERROR_INIT;
        parts_init(&parts);
        parts.compress = JOB_COMPRESS_GZIP;
        parts.tuning.compress_threads = 3;
        parts.write_fails_at = at;
        assert_int_equal(run_parts(&parts, &result, &err), -1);
        assert_int_equal(err.code, ERROR_NO_SPACE);
        assert_false(parts.finished || result.is_hung || result.file_durable);
        assert_true(atomic_load(&parts.released));
        parts_done(&parts);
    }
}

/* Whether or not the sink can skip: the same bytes, the same digest. */
static void pipeline_when_it_has_a_stage_then_the_file_is_what_leaves_it(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        struct parts parts;
        struct pipeline_result result;
        struct error err = ERROR_INIT;
        char file[DIGEST_TEXT_MAX];
        CLEAN_STR struct str kept = STR_INIT;
        parts_init(&parts);
        parts.has_stage = true;
        parts.is_sparse = round > 0;
        parts.compress = round == 2 ? JOB_COMPRESS_ZSTD : JOB_COMPRESS_NONE;
        parts.kept = &kept;
        assert_int_equal(run_parts(&parts, &result, &err), 0);
        assert_int_equal(result.bytes, PIECE * PIECES);
        struct digest *digest = digest_new(DIGEST_SHA256, &err);
        digest_update(digest, str_text(&kept), kept.len);
        assert_string_equal(result.sha256, digest_final(digest, file));
        digest_free(digest);
        CLEAN_STR struct str plain = STR_INIT;
        read_kept(parts.compress, &kept, &plain);
        check_stream_digest(&result, &plain);
        assert_int_equal(parts.skipped, round == 1 ? STAGE_ZEROS : 0);
        if (round < 2) {
            assert_int_equal(kept.len, STAGE_ZEROS + PIECE * PIECES + strlen(STAGE_TAIL));
            assert_int_equal(str_text(&kept)[STAGE_ZEROS], 7);
            assert_string_equal(str_text(&kept) + kept.len - strlen(STAGE_TAIL), STAGE_TAIL);
        }
        parts_done(&parts);
    }
}

static void pipeline_when_its_stage_fails_then_that_is_the_cause(void **state)
{
    (void)state;
    static const int where[] = {1, PIECES, -1};
    for (size_t i = 0; i < sizeof where / sizeof *where; i++) {
        struct parts parts;
        struct pipeline_result result;
        struct error err = ERROR_INIT;
        parts_init(&parts);
        parts.has_stage = true;
        parts.stage_fails_at = where[i];
        assert_int_equal(run_parts(&parts, &result, &err), -1);
        assert_int_equal(err.code, ERROR_UNSUPPORTED);
        assert_false(result.format_complete || result.file_durable);
        assert_false(parts.finished);
        assert_true(atomic_load(&parts.released));
        parts_done(&parts);
    }
}

struct failing {
    struct parts set;
    enum error_code code;
    bool stream_ended, task_succeeded, format_complete;
};

/* A failure of each fact, and which cause is told when two fail together. */
static void pipeline_when_a_fact_fails_then_so_does_the_whole(void **state)
{
    (void)state;
    static const struct failing cases[] = {
        {{.stream_fails_at = 100, .task = 1}, ERROR_SHORT, false, true, false},
        {{.stream_fails_at = 100, .task = 0}, ERROR_SHORT, false, false, false},
        {{.stream_fails_at = 100, .task = -1}, ERROR_XAPI, false, false, false},
        {{.stream_fails_at = 9, .stream_stands_still = true, .task = -1}, ERROR_TIMEOUT, false,
         false, false},
        {{.task = -1}, ERROR_XAPI, true, false, false},
        {{.task = 0}, ERROR_TIMEOUT, true, false, false},
        {{.check_fails_at = 50, .task = 1}, ERROR_CORRUPT, false, false, false},
        {{.check_fails_at = 50, .task = 0}, ERROR_CORRUPT, false, false, false},
        {{.check_fails_at = 50, .task = -1}, ERROR_XAPI, false, false, false},
        {{.check_is_incomplete = true, .task = 1}, ERROR_SHORT, true, true, false},
        {{.check_is_incomplete = true, .task = -1}, ERROR_XAPI, true, false, false},
        {{.write_fails_at = 2, .task = -1}, ERROR_NO_SPACE, false, false, false},
        {{.write_fails_at = 123, .task = 1}, ERROR_NO_SPACE, true, true, true},
        {{.sync_fails = true, .task = 1}, ERROR_IO, true, true, true},
        {{.cancel_at = 40, .task = -1}, ERROR_CANCELLED, false, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct parts parts;
        struct pipeline_result result;
        struct error err = ERROR_INIT;
        const struct parts *set = &cases[i].set;
        parts_init(&parts);
        parts.stream_fails_at = set->stream_fails_at;
        parts.stream_stands_still = set->stream_stands_still;
        parts.task = set->task;
        parts.check_fails_at = set->check_fails_at;
        parts.check_is_incomplete = set->check_is_incomplete;
        parts.write_fails_at = set->write_fails_at;
        parts.sync_fails = set->sync_fails;
        parts.cancel_at = set->cancel_at;
        assert_int_equal(run_parts(&parts, &result, &err), -1);
        if (err.code != cases[i].code)
            fail_msg("case %zu: %s", i, err.text);
        assert_int_equal(result.stream_ended, cases[i].stream_ended);
        assert_int_equal(result.task_succeeded, cases[i].task_succeeded);
        assert_int_equal(result.format_complete, cases[i].format_complete);
        assert_false(result.file_durable);
        assert_false(result.is_hung);
        assert_int_equal(parts.finished, cases[i].set.sync_fails);
        assert_true(atomic_load(&parts.released));
        parts_done(&parts);
    }
}

static void wait_for_release(const struct parts *parts)
{
    while (!atomic_load(&parts->released))
        (void)poll(NULL, 0, 1);
}

static void pipeline_when_the_store_hangs_then_the_stream_is_not_held(void **state)
{
    (void)state;
    static const int where[] = {2, (PIECE * PIECES + BLOCK - 1) / BLOCK};
    for (size_t i = 0; i < sizeof where / sizeof *where; i++) {
        struct parts parts;
        struct pipeline_result result;
        struct error err = ERROR_INIT;
        parts_init(&parts);
    parts.hang_ms = 300;
        parts.hang_at = where[i];
        assert_int_equal(run_parts(&parts, &result, &err), -1);
        assert_int_equal(err.code, ERROR_TIMEOUT);
        assert_non_null(strstr(err.text, "store"));
        assert_true(result.is_hung);
        assert_false(result.file_durable);
        assert_false(atomic_load(&parts.released));
        assert_int_equal(write(parts.hang_pipe[1], "x", 1), 1); /* the share comes back */
        wait_for_release(&parts);
        assert_false(parts.finished);
        parts_done(&parts);
    }
}

/* The rings are full on both sides of the packers when it is noticed. */
static void pipeline_when_it_compresses_and_the_store_hangs_then_the_stream_is_not_held(void **state)
{
    (void)state;
    struct parts parts;
    struct pipeline_result result;
    struct error err = ERROR_INIT;
    parts_init(&parts);
    parts.hang_ms = 300;
    parts.compress = JOB_COMPRESS_GZIP;
    parts.tuning.compress_threads = 2;
    parts.hang_at = 2;
    assert_int_equal(run_parts(&parts, &result, &err), -1);
    assert_int_equal(err.code, ERROR_TIMEOUT);
    assert_non_null(strstr(err.text, "store"));
    assert_true(result.is_hung);
    assert_false(result.stream_ended || atomic_load(&parts.released));
    assert_int_equal(write(parts.hang_pipe[1], "x", 1), 1);
    wait_for_release(&parts);
    assert_false(parts.finished);
    parts_done(&parts);
}

/* Longer in all than a call may hang, but it gets on. */
static void pipeline_when_the_store_is_slow_behind_the_end_then_it_is_waited_for(void **state)
{
    (void)state;
    struct parts parts;
    struct pipeline_result result;
    struct error err = ERROR_INIT;
    parts_init(&parts);
    parts.hang_ms = 1000;
    parts.slow_ms = 300; /* a ring of four, and what is being written */
    parts.stops_at = 4 * BLOCK / PIECE;
    if (run_parts(&parts, &result, &err) != 0)
        fail_msg("%s", err.text);
    assert_true(result.file_durable);
    parts_done(&parts);
}

static void pipeline_when_cancelled_behind_the_streams_end_then_ends_at_once(void **state)
{
    (void)state;
    struct parts parts;
    struct pipeline_result result;
    struct error err = ERROR_INIT;
    parts_init(&parts);
    parts.hang_ms = 60000; /* were it waited for, the test would time out */
    parts.stops_at = 2 * BLOCK / PIECE;
    parts.slow_ms = 300;
    parts.is_cancelled_at_end = true;
    assert_int_equal(run_parts(&parts, &result, &err), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
    assert_true(result.stream_ended && result.format_complete);
    assert_false(result.file_durable || result.is_hung || parts.finished);
    parts_done(&parts);
}

static void pipeline_when_cancelled_while_the_store_is_slow_then_ends_at_once(void **state)
{
    (void)state;
    struct parts parts;
    struct pipeline_result result;
    struct error err = ERROR_INIT;
    parts_init(&parts);
    parts.hang_at = 1;
    parts.hang_ms = 2000;
    parts.cancel_at = 17; /* the piece that finds the ring full */
    assert_int_equal(run_parts(&parts, &result, &err), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
    assert_true(result.is_hung);
    assert_int_equal(write(parts.hang_pipe[1], "x", 1), 1);
    wait_for_release(&parts);
    parts_done(&parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipeline_when_all_is_well_then_four_facts_hold),
        cmocka_unit_test(pipeline_when_no_digest_of_the_file_is_asked_for_then_none_is_told),
        cmocka_unit_test(pipeline_when_it_has_many_packers_then_the_blocks_stay_in_order),
        cmocka_unit_test(
            pipeline_when_it_compresses_and_the_store_hangs_then_the_stream_is_not_held),
        cmocka_unit_test(pipeline_when_the_store_is_slow_behind_the_end_then_it_is_waited_for),
        cmocka_unit_test(pipeline_when_cancelled_behind_the_streams_end_then_ends_at_once),
        cmocka_unit_test(
            pipeline_when_it_compresses_then_the_file_is_whole_and_the_check_saw_it_plain),
        cmocka_unit_test(pipeline_when_it_compresses_and_the_store_fails_then_that_is_the_cause),
        cmocka_unit_test(pipeline_when_it_has_a_stage_then_the_file_is_what_leaves_it),
        cmocka_unit_test(pipeline_when_its_stage_fails_then_that_is_the_cause),
        cmocka_unit_test(pipeline_when_a_fact_fails_then_so_does_the_whole),
        cmocka_unit_test(pipeline_when_the_store_hangs_then_the_stream_is_not_held),
        cmocka_unit_test(pipeline_when_cancelled_while_the_store_is_slow_then_ends_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
