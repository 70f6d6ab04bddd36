/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * common/store/settle: what a dead attempt left is finished or taken back, and nobody else's touched.
 */
#include "tests/unit/common/store/share_attempt.h"

/* The folder's names come to the disk in any order between two fsyncs of it; a person's note beside
 * them changes nothing. */
static void settle_when_a_power_cut_lost_the_first_rename_alone_then_forward(void **state)
{
    (void)state;
    for (int has_note = 0; has_note < 2; has_note++) {
        struct share share;
        struct error err = ERROR_INIT;
        share_init(&share);
        assert_int_equal(run_attempt(&share, false, &err), 0);
        CLEAN_CHAR char *is = str_format("%s/web1/" FILE_NAME, share.root);
        CLEAN_CHAR char *was = str_format("%s/web1/" PARTIAL_NAME, share.root);
        assert_int_equal(rename(is, was), 0);
        if (has_note)
            share_put(&share, "web1/" STEM ".note", "the last one before the upgrade");
        assert_int_equal(settle(&share), SETTLE_ROLLED_FORWARD);
        assert_true(assert_whole_or_nothing(&share));
        assert_int_equal(settle(&share), SETTLE_WAS_DONE);
        share_done(&share);
    }
}

static void settle_when_killed_itself_then_the_next_one_ends_it(void **state)
{
    (void)state;
    int steps = count_steps();
    for (int step = 1; step <= steps; step++)
        for (int second = 1; second <= 6; second++) {
            struct share share;
            struct error err = ERROR_INIT;
            enum settle_outcome outcome;
            share_init(&share);
            share.fail_at = step;
            share.dies = true;
            assert_int_equal(run_attempt(&share, false, &err), -1);
            share.step = 0;
            share.fail_at = second;
            struct store *store = share_store(&share);
            (void)settle_attempt(store, "web1", STEM, JOB, 2, &outcome, &err);
            store_close(store);
            share.fail_at = 0;
            (void)settle(&share);
            (void)assert_whole_or_nothing(&share);
            share_done(&share);
        }
}

static void settle_when_data_has_no_meta_then_left_for_a_person(void **state)
{
    (void)state;
    struct share share;
    share_init(&share);
    share_make_folder(&share, "web1");
    share_put(&share, "web1/" FILE_NAME, DATA);
    assert_int_equal(settle(&share), SETTLE_FOREIGN_DATA);
    assert_true(share_has(&share, "web1/" FILE_NAME));
    share_done(&share);
}

static void settle_when_meta_is_another_attempts_then_untouched(void **state)
{
    (void)state;
    struct share share;
    CLEAN_STR struct str meta = STR_INIT;
    share_init(&share);
    share_make_folder(&share, "web1");
    make_meta(&meta, JOB, 3, strlen(DATA));
    share_put(&share, "web1/" STEM ".meta.partial", str_text(&meta));
    share_put(&share, "web1/" FILE_NAME "." JOB "-3.partial", DATA);
    share_put(&share, "web1/" PARTIAL_NAME, DATA);
    assert_int_equal(settle(&share), SETTLE_ROLLED_BACK);
    assert_true(share_has(&share, "web1/" STEM ".meta.partial"));
    assert_true(share_has(&share, "web1/" FILE_NAME "." JOB "-3.partial"));
    assert_false(share_has(&share, "web1/" PARTIAL_NAME));
    share_done(&share);
}

/* Its writer may have died between a write and its fsync: what gets its name is durable first. */
static void settle_when_it_goes_forward_then_data_and_meta_are_synced_first(void **state)
{
    (void)state;
    struct share share;
    CLEAN_STR struct str meta = STR_INIT;
    share_init(&share);
    share_make_folder(&share, "web1");
    make_meta(&meta, JOB, 2, strlen(DATA));
    share_put(&share, "web1/" STEM ".meta.partial", str_text(&meta));
    share_put(&share, "web1/" PARTIAL_NAME, DATA);
    assert_int_equal(settle(&share), SETTLE_ROLLED_FORWARD);
    assert_true(assert_whole_or_nothing(&share));
    assert_true(share.syncs_before_rename >= 2);
    assert_true(share.syncs > share.syncs_before_rename); /* the folder, behind the renames */
    share_done(&share);
}

static void settle_when_the_final_name_is_taken_then_never_renamed_over(void **state)
{
    (void)state;
    static const char *const taken[] = {FILE_NAME, STEM ".raw"};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        struct share share;
        CLEAN_STR struct str meta = STR_INIT;
        CLEAN_CHAR char *path = str_format("web1/%s", taken[i]);
        CLEAN_CHAR char *full = NULL;
        struct stat st;
        share_init(&share);
        share_make_folder(&share, "web1");
        make_meta(&meta, JOB, 2, strlen(DATA));
        share_put(&share, "web1/" STEM ".meta.partial", str_text(&meta));
        share_put(&share, "web1/" PARTIAL_NAME, DATA);
        share_put(&share, path, "somebody's");
        assert_int_equal(settle(&share), SETTLE_FOREIGN_DATA);
        full = str_format("%s/%s", share.root, path);
        assert_int_equal(stat(full, &st), 0);
        assert_int_equal(st.st_size, strlen("somebody's"));
        assert_false(share_has(&share, "web1/" STEM ".meta"));
        share_done(&share);
    }
}

static void settle_when_data_is_short_then_back(void **state)
{
    (void)state;
    struct share share;
    CLEAN_STR struct str meta = STR_INIT;
    share_init(&share);
    share_make_folder(&share, "web1");
    make_meta(&meta, JOB, 2, strlen(DATA) + 1);
    share_put(&share, "web1/" STEM ".meta.partial", str_text(&meta));
    share_put(&share, "web1/" PARTIAL_NAME, DATA);
    assert_int_equal(settle(&share), SETTLE_ROLLED_BACK);
    assert_false(assert_whole_or_nothing(&share));
    share_done(&share);
}

/* Two disks of one attempt: what stands of each when its writer is killed. */
enum disk_stands { WRITTEN, PREPARED, RENAMED, PUBLISHED };

static void put_disk(const struct share *share, const char *device, enum disk_stands stands)
{
    CLEAN_STR struct str meta = STR_INIT;
    CLEAN_CHAR char *file = str_format("backup_%s_20261122-202734.raw", device);
    CLEAN_CHAR char *data =
        str_format("web1/%s%s", file, stands < RENAMED ? "." JOB "-2.partial" : "");
    CLEAN_CHAR char *beside = str_format("web1/backup_%s_20261122-202734.meta%s", device,
                                         stands < PUBLISHED ? ".partial" : "");
    make_meta_of(&meta, file, JOB, 2, strlen(DATA));
    share_put(share, data, DATA);
    if (stands > WRITTEN)
        share_put(share, beside, str_text(&meta));
}

static void settle_when_a_part_of_the_disks_was_prepared_then_all_or_none(void **state)
{
    (void)state;
    static const struct {
        enum disk_stands first, second;
        bool is_kept;
    } cases[] = {
        {WRITTEN, WRITTEN, false},   {PREPARED, WRITTEN, false}, {WRITTEN, PREPARED, false},
        {PREPARED, PREPARED, true},  {RENAMED, PREPARED, true},  {PUBLISHED, PREPARED, true},
        {PREPARED, PUBLISHED, true}, {PUBLISHED, PUBLISHED, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct share share;
        enum settle_outcome outcome;
        share_init(&share);
        share_make_folder(&share, "web1");
        put_disk(&share, "xvda", cases[i].first);
        put_disk(&share, "xvdb", cases[i].second);
        CLEAN_STORE struct store *store = share_store(&share);
        assert_int_equal(settle_files(store, "web1", STEM, JOB, 2, &outcome, NULL), 0);
        assert_int_equal(share_has(&share, "web1/backup_xvda_20261122-202734.raw"),
                         cases[i].is_kept);
        assert_int_equal(share_has(&share, "web1/backup_xvdb_20261122-202734.raw"),
                         cases[i].is_kept);
        assert_int_equal(share_has(&share, "web1/backup_xvda_20261122-202734.meta"),
                         cases[i].is_kept);
        assert_int_equal(share_has(&share, "web1/backup_xvdb_20261122-202734.meta"),
                         cases[i].is_kept);
        share_done(&share);
    }
}

static void note_attempt(void *context, const char *stem, const char *job, uint32_t attempt)
{
    str_add_format(context, "%s %s %u\n", stem, job, (unsigned)attempt);
}

static void settle_find_when_files_are_half_done_then_their_attempts_are_named(void **state)
{
    (void)state;
    struct share share;
    CLEAN_STR struct str meta = STR_INIT, found = STR_INIT;
    share_init(&share);
    CLEAN_STORE struct store *store = share_store(&share);
    assert_int_equal(settle_find(store, "web1", note_attempt, &found, NULL), 0);
    assert_int_equal(found.len, 0);
    share_make_folder(&share, "web1");
    make_meta(&meta, "fedcba9876543210", 7, strlen(DATA));
    share_put(&share, "web1/" FILE_NAME, DATA);
    share_put(&share, "web1/" STEM ".meta.partial", str_text(&meta));
    share_put(&share, "web1/backup_xvda_20261122-101010.raw." JOB "-12.partial", DATA);
    share_put(&share, "web1/backup_xvdb_20261122-101010.meta.partial", "torn");
    share_put(&share, "web1/notes.partial", DATA);
    share_put(&share, "web1/" FILE_NAME ".b-1.partial", DATA);
    share_put(&share, "web1/" FILE_NAME "." JOB "-0.partial", DATA);
    share_put(&share, "web1/" FILE_NAME "." JOB "-1x.partial", DATA);
    share_put(&share, "web1/" FILE_NAME "." JOB "-1", DATA);
    share_put(&share, "web1/a." JOB "-1.partial", DATA);
    CLEAN_CHAR char *fifo = str_format("%s/web1/" FILE_NAME "." JOB "-3.partial", share.root);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(settle_find(store, "web1", note_attempt, &found, NULL), 0);
    assert_string_equal(str_text(&found), STEM " fedcba9876543210 7\n"
                                          "backup_20261122-101010 " JOB " 12\n"
                                          "backup_20261122-101010 0000000000000000 1\n");
    share_done(&share);
}

/* As a call leaves it that a share which hung did when its attempt was settled already. */
static void settle_find_when_a_meta_came_late_then_it_is_named_and_goes(void **state)
{
    (void)state;
    static const char stray[] = "web1/backup_20261122-101010.meta.partial";
    struct share share;
    CLEAN_STR struct str found = STR_INIT;
    enum settle_outcome outcome;
    share_init(&share);
    CLEAN_STORE struct store *store = share_store(&share);
    share_make_folder(&share, "web1");
    share_put(&share, stray, "");
    share_put(&share, "web1/backup_20261122-111111.meta.partial", "torn"); /* it may yet be written */
    share_put(&share, "web1/backup_20261122-111111.xva." JOB "-1.partial", DATA);
    share_put(&share, "web1/backup_20261122-121212.meta.partial", "torn");
    share_put(&share, "web1/backup_20261122-121212.xva", DATA); /* a person should look at it */
    share_put(&share, "web1/notes.meta.partial", "");
    assert_int_equal(settle_find(store, "web1", note_attempt, &found, NULL), 0);
    assert_string_equal(str_text(&found), "backup_20261122-101010 0000000000000000 1\n"
                                          "backup_20261122-111111 " JOB " 1\n");
    assert_int_equal(settle_files(store, "web1", "backup_20261122-101010", "0000000000000000", 1,
                                  &outcome, NULL),
                     0);
    assert_int_equal(outcome, SETTLE_ROLLED_BACK);
    assert_false(share_has(&share, stray));
    share_done(&share);
}

static void settle_when_folder_is_absent_then_nothing(void **state)
{
    (void)state;
    struct share share;
    share_init(&share);
    assert_int_equal(settle(&share), SETTLE_NOTHING);
    share_done(&share);
}

/* --- several files of one attempt ------------------------------------------------------------- */

#define DISKS_N 2

static const char *const devices[DISKS_N] = {"xvda", "xvdb"};

/* As a job of several disks does it: data of all, .meta of all, then the names. */
static int run_disks(struct share *share, struct error *err)
{
    CLEAN_STORE struct store *store = share_store(share);
    struct publish *publish[DISKS_N] = {NULL, NULL};
    int result = 0;
    for (size_t i = 0; i < DISKS_N && result == 0; i++) {
        CLEAN_CHAR char *stem = backup_disk_stem(STEM, devices[i]);
        struct publish_place disk = place;
        disk.stem = stem;
        disk.suffix = ".raw";
        result = publish_begin(store, &disk, &publish[i], err);
        if (result == 0)
            result = publish_write(publish[i], DATA, strlen(DATA), err);
        if (result == 0)
            result = publish_end_data(publish[i], err);
    }
    for (size_t i = 0; i < DISKS_N && result == 0; i++) {
        CLEAN_STR struct str meta = STR_INIT;
        make_meta_of(&meta, publish_file(publish[i]), JOB, 2, strlen(DATA));
        result = publish_prepare(publish[i], str_text(&meta), meta.len, err);
    }
    for (size_t i = 0; i < DISKS_N && result == 0; i++)
        result = publish_commit(publish[i], NULL, 0, err);
    for (size_t i = 0; i < DISKS_N; i++)
        publish_free(publish[i]);
    return result;
}

static void disks_when_their_writer_dies_anywhere_then_settled_to_whole_pairs(void **state)
{
    (void)state;
    bool is_over = false;
    size_t seen[DISKS_N + 1] = {0};
    for (int at = 1; !is_over; at++) {
        struct share share;
        struct error err = ERROR_INIT;
        enum settle_outcome outcome = SETTLE_FOREIGN_DATA;
        share_init(&share);
        share.fail_at = at;
        share.dies = true;
        is_over = run_disks(&share, &err) == 0;
        share.fail_at = 0;
        CLEAN_STORE struct store *store = share_store(&share);
        error_clear(&err);
        if (settle_files(store, "web1", STEM, JOB, 2, &outcome, &err) != 0)
            fail_msg("step %d: %s", at, err.text);
        assert_int_not_equal(outcome, SETTLE_FOREIGN_DATA);
        size_t pairs = 0;
        for (size_t i = 0; i < DISKS_N; i++) {
            CLEAN_CHAR char *stem = backup_disk_stem(STEM, devices[i]);
            CLEAN_CHAR char *data = str_format("web1/%s.raw", stem);
            CLEAN_CHAR char *meta = str_format("web1/%s.meta", stem);
            CLEAN_CHAR char *part = str_format("web1/%s.raw." JOB "-2.partial", stem);
            CLEAN_CHAR char *meta_part = str_format("web1/%s.meta.partial", stem);
            assert_int_equal(share_has(&share, data), share_has(&share, meta));
            assert_false(share_has(&share, part) || share_has(&share, meta_part));
            pairs += share_has(&share, meta);
        }
        seen[pairs]++;
        if (settle_files(store, "web1", STEM, JOB, 2, &outcome, &err) != 0)
            fail_msg("step %d, again: %s", at, err.text);
        share_done(&share);
    }
    assert_true(seen[0] > 0 && seen[DISKS_N] > 0);
    assert_int_equal(seen[1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settle_when_a_power_cut_lost_the_first_rename_alone_then_forward),
        cmocka_unit_test(settle_when_killed_itself_then_the_next_one_ends_it),
        cmocka_unit_test(settle_when_data_has_no_meta_then_left_for_a_person),
        cmocka_unit_test(settle_when_meta_is_another_attempts_then_untouched),
        cmocka_unit_test(settle_when_it_goes_forward_then_data_and_meta_are_synced_first),
        cmocka_unit_test(settle_when_the_final_name_is_taken_then_never_renamed_over),
        cmocka_unit_test(settle_when_data_is_short_then_back),
        cmocka_unit_test(settle_when_a_part_of_the_disks_was_prepared_then_all_or_none),
        cmocka_unit_test(settle_find_when_files_are_half_done_then_their_attempts_are_named),
        cmocka_unit_test(settle_find_when_a_meta_came_late_then_it_is_named_and_goes),
        cmocka_unit_test(settle_when_folder_is_absent_then_nothing),
        cmocka_unit_test(disks_when_their_writer_dies_anywhere_then_settled_to_whole_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
