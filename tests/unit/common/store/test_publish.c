/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * common/store/publish: whatever call fails, and wherever the writer dies, a folder ends with a whole
 * pair of files or with none.
 */
#include "tests/unit/common/store/share_attempt.h"

static void publish_when_killed_at_any_step_then_settle_ends_it(void **state)
{
    (void)state;
    int steps = count_steps(), forward = 0, back = 0;
    assert_true(steps >= 11);
    for (int step = 1; step <= steps; step++) {
        struct share share;
        struct error err = ERROR_INIT;
        share_init(&share);
        share.fail_at = step;
        share.dies = true;
        assert_int_equal(run_attempt(&share, false, &err), -1);
        share.fail_at = 0;
        enum settle_outcome outcome = settle(&share);
        bool is_there = assert_whole_or_nothing(&share);
        assert_int_equal(is_there,
                         outcome == SETTLE_ROLLED_FORWARD || outcome == SETTLE_WAS_DONE);
        forward += outcome == SETTLE_ROLLED_FORWARD;
        back += outcome == SETTLE_ROLLED_BACK;
        assert_int_equal(settle(&share), is_there ? SETTLE_WAS_DONE : SETTLE_NOTHING);
        share_done(&share);
    }
    assert_true(forward >= 2); /* before the rename of the data, before that of .meta */
    assert_true(back >= 3);
}

static void publish_when_one_call_fails_then_nothing_is_half_done(void **state)
{
    (void)state;
    static const int whys[] = {ENOSPC, EIO, EDQUOT};
    int steps = count_steps();
    for (size_t i = 0; i < sizeof whys / sizeof *whys; i++)
        for (int step = 1; step <= steps; step++) {
            struct share share;
            struct error err = ERROR_INIT;
            share_init(&share);
            share.fail_at = step;
            share.why = whys[i];
            assert_int_equal(run_attempt(&share, true, &err), -1);
            assert_int_equal(err.code, whys[i] == EIO ? ERROR_IO : ERROR_NO_SPACE);
            (void)settle(&share);
            (void)assert_whole_or_nothing(&share);
            share_done(&share);
        }
}

static void publish_when_names_are_taken_then_refused(void **state)
{
    (void)state;
    static const char *const taken[] = {"web1/" FILE_NAME, "web1/" STEM ".meta",
                                        "web1/" STEM ".meta.partial", "web1/" PARTIAL_NAME};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        struct share share;
        struct error err = ERROR_INIT;
        share_init(&share);
        share_make_folder(&share, "web1");
        share_put(&share, taken[i], "mine");
        assert_int_equal(run_attempt(&share, true, &err), -1);
        assert_int_equal(err.code, ERROR_EXISTS);
        assert_true(share_has(&share, taken[i]));
        share_done(&share);
    }
}

static void publish_when_not_durable_then_not_committed(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    share_init(&share);
    CLEAN_STORE struct store *store = share_store(&share);
    CLEAN_PUBLISH struct publish *publish = NULL;
    assert_int_equal(publish_begin(store, &place, &publish, &err), 0);
    assert_int_equal(publish_commit(publish, "x", 1, &err), -1);
    assert_int_equal(publish_abandon(publish, &err), 0);
    (void)assert_whole_or_nothing(&share);
    share_done(&share);
}

/* Moved away behind our back, with an empty one or nothing in its place. */
static void publish_when_its_place_is_moved_then_nothing_is_published(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct share share;
        struct error err = ERROR_INIT;
        CLEAN_STR struct str meta = STR_INIT;
        share_init(&share);
        CLEAN_STORE struct store *store = share_store(&share);
        CLEAN_PUBLISH struct publish *publish = NULL;
        CLEAN_CHAR char *from = mem_dup(share.root);
        CLEAN_CHAR char *to = str_format("%s.away", share.root);
        if (i < 2) {
            mem_set(&from, NULL);
            mem_set(&to, NULL);
            from = str_format("%s/web1", share.root);
            to = str_format("%s/moved", share.root);
        }
        make_meta(&meta, JOB, 2, strlen(DATA));
        assert_int_equal(publish_begin(store, &place, &publish, &err), 0);
        assert_int_equal(publish_write(publish, DATA, strlen(DATA), &err), 0);
        assert_int_equal(publish_end_data(publish, &err), 0);
        assert_int_equal(rename(from, to), 0);
        if (i % 2 == 0)
            assert_int_equal(mkdir(from, 0755), 0);
        assert_int_equal(publish_commit(publish, str_text(&meta), meta.len, &err), -1);
        assert_int_equal(err.code, ERROR_STORE_MISSING);
        assert_int_equal(publish_abandon(publish, NULL), 0);
        if (i % 2 == 0)
            assert_int_equal(rmdir(from), 0);
        assert_int_equal(rename(to, from), 0);
        assert_false(assert_whole_or_nothing(&share));
        assert_false(share_has(&share, "web1/" PARTIAL_NAME));
        share_done(&share);
    }
}

static void abandon_when_prepared_then_nothing_is_left(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    CLEAN_STR struct str meta = STR_INIT;
    share_init(&share);
    CLEAN_STORE struct store *store = share_store(&share);
    CLEAN_PUBLISH struct publish *publish = NULL;
    make_meta(&meta, JOB, 2, strlen(DATA));
    assert_int_equal(publish_begin(store, &place, &publish, &err), 0);
    assert_int_equal(publish_write(publish, DATA, strlen(DATA), &err), 0);
    assert_int_equal(publish_end_data(publish, &err), 0);
    assert_int_equal(publish_prepare(publish, str_text(&meta), meta.len, &err), 0);
    assert_true(share_has(&share, "web1/" STEM ".meta.partial"));
    /* While .meta.partial is there whole data beside it counts: it goes first. */
    share.fail_at = share.step + 2;
    assert_int_equal(publish_abandon(publish, &err), -1);
    assert_false(share_has(&share, "web1/" STEM ".meta.partial"));
    assert_true(share_has(&share, "web1/" PARTIAL_NAME));
    share.fail_at = 0;
    assert_int_equal(publish_abandon(publish, &err), 0);
    assert_false(assert_whole_or_nothing(&share));
    share_done(&share);
}

static void private_file_when_published_then_nobody_else_reads_it(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    share_init(&share);
    CLEAN_STORE struct store *store = share_store(&share);
    CLEAN_PUBLISH struct publish *publish = NULL;
    struct publish_place secret = place;
    CLEAN_STR struct str meta = STR_INIT;
    secret.is_private = true;
    make_meta(&meta, JOB, 2, strlen(DATA));
    assert_int_equal(publish_begin(store, &secret, &publish, &err), 0);
    assert_int_equal(publish_write(publish, DATA, strlen(DATA), &err), 0);
    assert_int_equal(publish_prepare(publish, str_text(&meta), meta.len, &err), -1);
    assert_int_equal(err.code, ERROR_INTERNAL);
    error_clear(&err);
    assert_int_equal(publish_end_data(publish, &err), 0);
    assert_int_equal(publish_commit(publish, str_text(&meta), meta.len, &err), 0);
    static const char *const names[] = {"web1/" FILE_NAME, "web1/" STEM ".meta"};
    for (size_t i = 0; i < 2; i++) {
        struct stat st;
        CLEAN_CHAR char *path = str_format("%s/%s", share.root, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    share_done(&share);
}

/* --- holes --- */

/* "head", a hole, "mid", a hole at the end if asked; the bytes that must stand there. */
static int write_with_holes(struct share *share, uint64_t hole, bool at_end, struct stat *ret_stat,
                            struct error *err)
{
    CLEAN_STORE struct store *store = share_store(share);
    CLEAN_PUBLISH struct publish *publish = NULL;
    CLEAN_CHAR char *path = str_format("%s/web1/" PARTIAL_NAME, share->root);
    if (publish_begin(store, &place, &publish, err) != 0 ||
        publish_write(publish, "head", 4, err) != 0 || publish_skip(publish, hole, err) != 0 ||
        publish_skip(publish, 0, err) != 0 || publish_write(publish, "mid", 3, err) != 0 ||
        (at_end && publish_skip(publish, hole, err) != 0) || publish_end_data(publish, err) != 0)
        return -1;
    assert_int_equal(publish_bytes(publish), 7 + hole * (at_end ? 2 : 1));
    assert_int_equal(stat(path, ret_stat), 0);
    CLEAN_STR struct str bytes = STR_INIT;
    assert_int_equal(fd_read_file(path, 16 << 20, &bytes, err), 0);
    assert_int_equal(bytes.len, publish_bytes(publish));
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.data[i] != (i < 4 ? "head"[i] : i >= 4 + hole && i < 7 + hole
                                        ? "mid"[i - 4 - hole] : '\0'))
            fail_msg("byte %zu is %d", i, bytes.data[i]);
    return 0;
}

static void publish_when_zeros_are_skipped_then_they_read_as_zeros_and_take_no_room(void **state)
{
    (void)state;
    for (int at_end = 0; at_end < 2; at_end++) {
        struct share share;
        struct error err = ERROR_INIT;
        struct stat st;
        share_init(&share);
        if (write_with_holes(&share, 4 << 20, at_end, &st, &err) != 0)
            fail_msg("%s", err.text);
        assert_true((uint64_t)st.st_blocks * 512 < 1 << 20);
        share_done(&share);
    }
}

static int refuse_seek(void *context, int fd, uint64_t to_bytes)
{
    (void)context;
    (void)fd;
    (void)to_bytes;
    errno = EOPNOTSUPP;
    return -1;
}

static void publish_when_the_share_has_no_holes_then_zeros_are_written(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    struct stat st;
    share_init(&share);
    share.ops.seek = share.ops.truncate = refuse_seek;
    if (write_with_holes(&share, 1 << 20, true, &st, &err) != 0)
        fail_msg("%s", err.text);
    assert_true((uint64_t)st.st_blocks * 512 >= 2 << 20);
    share_done(&share);
}

static void publish_when_a_skip_overflows_then_refused(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    share_init(&share);
    {
        CLEAN_STORE struct store *store = share_store(&share);
        CLEAN_PUBLISH struct publish *publish = NULL;
        assert_int_equal(publish_begin(store, &place, &publish, &err), 0);
        assert_int_equal(publish_skip(publish, INT64_MAX, &err), 0);
        assert_int_equal(publish_skip(publish, 1, &err), -1);
        assert_int_equal(err.code, ERROR_LIMIT);
    }
    share_done(&share);
}

/* --- what is said when the share fails --- */

static const struct {
    int why;
    enum error_code code;
    const char *says;
} troubles[] = {
    {ENOSPC, ERROR_NO_SPACE, "the share is full"},
    {EDQUOT, ERROR_NO_SPACE, "quota"},
    {EROFS, ERROR_READ_ONLY, "mounted read-only"},
    {EIO, ERROR_IO, "look at its server"},
    {ESTALE, ERROR_STORE_GONE, "mount it again"},
    {ENOTCONN, ERROR_STORE_GONE, "mount it again"},
    {ENODEV, ERROR_STORE_GONE, "mount it again"},
    {EHOSTDOWN, ERROR_STORE_GONE, "mount it again"},
    {EACCES, ERROR_IO, "rights"},
    {EFBIG, ERROR_LIMIT, "no file so large"},
    {EBUSY, ERROR_IO, "busy"},
};

/* At every step of an attempt that can fail: code and advice, and a folder that is clean. */
static void publish_when_the_share_fails_then_it_says_how_and_what_to_do(void **state)
{
    (void)state;
    int steps = count_steps();
    for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++)
        for (int step = 1; step <= steps; step++) {
            struct share share;
            struct error err = ERROR_INIT;
            share_init(&share);
            share.why = troubles[i].why;
            share.fail_at = step;
            if (run_attempt(&share, true, &err) != 0) {
                share.fail_at = 0;
                if (err.code != troubles[i].code || err.sys != troubles[i].why ||
                    !strstr(err.text, troubles[i].says))
                    fail_msg("errno %d, step %d: %s %s", troubles[i].why, step,
                             error_name(err.code), err.text);
                (void)settle(&share);
                (void)assert_whole_or_nothing(&share);
            }
            share_done(&share);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(publish_when_killed_at_any_step_then_settle_ends_it),
        cmocka_unit_test(publish_when_one_call_fails_then_nothing_is_half_done),
        cmocka_unit_test(publish_when_names_are_taken_then_refused),
        cmocka_unit_test(publish_when_not_durable_then_not_committed),
        cmocka_unit_test(publish_when_its_place_is_moved_then_nothing_is_published),
        cmocka_unit_test(abandon_when_prepared_then_nothing_is_left),
        cmocka_unit_test(private_file_when_published_then_nobody_else_reads_it),
        cmocka_unit_test(publish_when_zeros_are_skipped_then_they_read_as_zeros_and_take_no_room),
        cmocka_unit_test(publish_when_the_share_has_no_holes_then_zeros_are_written),
        cmocka_unit_test(publish_when_a_skip_overflows_then_refused),
        cmocka_unit_test(publish_when_the_share_fails_then_it_says_how_and_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
