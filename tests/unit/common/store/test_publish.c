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
    /* Who takes the data away decides: it goes first. */
    share.fail_at = share.step + 2;
    assert_int_equal(publish_abandon(publish, &err), -1);
    assert_true(share_has(&share, "web1/" STEM ".meta.partial"));
    assert_false(share_has(&share, "web1/" PARTIAL_NAME));
    share.fail_at = 0;
    assert_int_equal(publish_abandon(publish, &err), 0);
    assert_false(assert_whole_or_nothing(&share));
    share_done(&share);
}

/* --- another one acts in the folder at the same time --- */

struct late {
    struct share share;
    struct store *store;
    struct publish *publish;
    struct error err;
};

static void late_begin(struct late *late)
{
    CLEAN_STR struct str meta = STR_INIT;
    *late = (struct late){.publish = NULL};
    share_init(&late->share);
    late->store = share_store(&late->share);
    make_meta(&meta, JOB, 2, strlen(DATA));
    assert_int_equal(publish_begin(late->store, &place, &late->publish, &late->err), 0);
    assert_int_equal(publish_write(late->publish, DATA, strlen(DATA), &late->err), 0);
    assert_int_equal(publish_end_data(late->publish, &late->err), 0);
    assert_int_equal(publish_prepare(late->publish, str_text(&meta), meta.len, &late->err), 0);
}

static void late_end(struct late *late)
{
    publish_free(late->publish);
    store_close(late->store);
    share_done(&late->share);
}

static void late_remove(const struct late *late, const char *path)
{
    CLEAN_CHAR char *full = str_format("%s/%s", late->share.root, path);
    assert_int_equal(unlink(full), 0);
}

static void commit_when_a_name_has_appeared_then_it_is_not_renamed_over(void **state)
{
    (void)state;
    static const char *const names[] = {"web1/" FILE_NAME, "web1/" STEM ".meta"};
    for (size_t i = 0; i < 2; i++) {
        struct late late;
        CLEAN_STR struct str is = STR_INIT;
        late_begin(&late);
        CLEAN_CHAR char *path = str_format("%s/%s", late.share.root, names[i]);
        share_put(&late.share, names[i], "somebody's");
        assert_int_equal(publish_commit(late.publish, NULL, 0, &late.err), -1);
        assert_int_equal(late.err.code, ERROR_EXISTS);
        assert_int_equal(settle(&late.share), SETTLE_FOREIGN_DATA);
        error_clear(&late.err);
        /* Beside a .meta that has appeared nothing is removed. */
        assert_int_equal(publish_take_back(late.publish, &late.err), i == 0 ? 0 : -1);
        assert_int_equal(fd_read_file(path, 4096, &is, NULL), 0);
        assert_string_equal(str_text(&is), "somebody's");
        assert_false(share_has(&late.share, "web1/" PARTIAL_NAME));
        assert_false(share_has(&late.share, "web1/" STEM ".meta.partial"));
        late_end(&late);
    }
}

static void commit_when_a_cleanup_went_back_then_lost_and_nothing_is_left(void **state)
{
    (void)state;
    struct late late;
    late_begin(&late);
    late_remove(&late, "web1/" PARTIAL_NAME);
    assert_int_equal(settle(&late.share), SETTLE_ROLLED_BACK);
    assert_int_equal(publish_commit(late.publish, NULL, 0, &late.err), -1);
    assert_int_equal(late.err.code, ERROR_LOST);
    assert_non_null(strstr(late.err.text, "a cleanup has settled this attempt"));
    assert_int_equal(settle(&late.share), SETTLE_NOTHING);
    assert_int_equal(publish_take_back(late.publish, NULL), 0);
    assert_false(assert_whole_or_nothing(&late.share));
    late_end(&late);
}

static void commit_when_a_cleanup_went_forward_then_the_backup_stands(void **state)
{
    (void)state;
    struct late late;
    late_begin(&late);
    assert_int_equal(settle(&late.share), SETTLE_ROLLED_FORWARD);
    assert_int_equal(publish_commit(late.publish, NULL, 0, &late.err), -1);
    assert_int_equal(late.err.code, ERROR_LOST);
    assert_int_equal(settle(&late.share), SETTLE_WAS_DONE);
    assert_int_equal(publish_take_back(late.publish, &late.err), -1);
    assert_true(assert_whole_or_nothing(&late.share));
    late_end(&late);
}

/* As a person does, or a cleanup of an older version. */
static void commit_when_meta_partial_was_removed_then_the_data_is_taken_back(void **state)
{
    (void)state;
    struct late late;
    late_begin(&late);
    late_remove(&late, "web1/" STEM ".meta.partial");
    assert_int_equal(publish_commit(late.publish, NULL, 0, &late.err), -1);
    assert_int_equal(late.err.code, ERROR_LOST);
    assert_int_equal(settle(&late.share), SETTLE_FOREIGN_DATA);
    assert_true(share_has(&late.share, "web1/" FILE_NAME));
    assert_int_equal(publish_take_back(late.publish, NULL), 0);
    assert_false(assert_whole_or_nothing(&late.share));
    late_end(&late);
}

static void take_back_when_the_data_is_not_ours_then_untouched(void **state)
{
    (void)state;
    struct late late;
    late_begin(&late);
    late_remove(&late, "web1/" STEM ".meta.partial");
    assert_int_equal(publish_commit(late.publish, NULL, 0, &late.err), -1);
    CLEAN_CHAR char *is = str_format("%s/web1/" FILE_NAME, late.share.root);
    CLEAN_CHAR char *was = str_format("%s/web1/kept", late.share.root);
    assert_int_equal(rename(is, was), 0); /* so that its inode is not given again */
    share_put(&late.share, "web1/" FILE_NAME, DATA);
    assert_int_equal(publish_take_back(late.publish, NULL), 0);
    assert_true(share_has(&late.share, "web1/" FILE_NAME));
    late_end(&late);
}

/* A client of a share that knows a name for absent which has come meanwhile, up to its own change.
 */
static int forgets_at_rename(void *context, int folder, const char *name, struct stat *ret)
{
    const struct share *share = context;
    if (str_ends(name, ".meta") && share->renames == share->fail_at) {
        errno = ENOENT;
        return -1;
    }
    return store_ops_system()->stat(NULL, folder, name, ret);
}

static void take_back_when_the_meta_is_seen_late_then_the_backup_stands(void **state)
{
    (void)state;
    struct late late;
    late_begin(&late);
    late_remove(&late, "web1/" STEM ".meta.partial");
    assert_int_equal(publish_commit(late.publish, NULL, 0, &late.err), -1);
    CLEAN_STR struct str meta = STR_INIT;
    make_meta(&meta, JOB, 2, strlen(DATA));
    share_put(&late.share, "web1/" STEM ".meta", str_text(&meta));
    late.share.renames = late.share.fail_at = -1000; /* no step fails: only a mark */
    late.share.ops.stat = forgets_at_rename;
    assert_int_equal(publish_take_back(late.publish, NULL), 0);
    assert_true(late.share.renames > -1000);
    assert_true(assert_whole_or_nothing(&late.share));
    late_end(&late);
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
        cmocka_unit_test(commit_when_a_name_has_appeared_then_it_is_not_renamed_over),
        cmocka_unit_test(commit_when_a_cleanup_went_back_then_lost_and_nothing_is_left),
        cmocka_unit_test(commit_when_a_cleanup_went_forward_then_the_backup_stands),
        cmocka_unit_test(commit_when_meta_partial_was_removed_then_the_data_is_taken_back),
        cmocka_unit_test(take_back_when_the_data_is_not_ours_then_untouched),
        cmocka_unit_test(take_back_when_the_meta_is_seen_late_then_the_backup_stands),
        cmocka_unit_test(private_file_when_published_then_nobody_else_reads_it),
        cmocka_unit_test(publish_when_zeros_are_skipped_then_they_read_as_zeros_and_take_no_room),
        cmocka_unit_test(publish_when_the_share_has_no_holes_then_zeros_are_written),
        cmocka_unit_test(publish_when_a_skip_overflows_then_refused),
        cmocka_unit_test(publish_when_the_share_fails_then_it_says_how_and_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
