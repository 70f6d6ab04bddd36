/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The list of pinned backups: written, read, and as it was when writing fails.
 */
#include "common/store/pins.h"

#include "common/base/text_list.h"
#include "tests/unit/common/store/share.h"

static int begin(void **state)
{
    struct share *share = mem_zero(1, sizeof *share);
    share_init(share);
    *state = share;
    return 0;
}

static int end(void **state)
{
    share_done(*state);
    free(*state);
    return 0;
}

static void none_are_read_from_a_store_that_has_none(void **state)
{
    struct share *share = *state;
    CLEAN_STORE struct store *store = share_store(share);
    CLEAN_TEXT_LIST struct text_list paths = TEXT_LIST_INIT;
    assert_int_equal(pins_read(store, &paths, NULL), 0);
    assert_int_equal(paths.n, 0);
}

static void what_was_written_is_read(void **state)
{
    struct share *share = *state;
    CLEAN_STORE struct store *store = share_store(share);
    CLEAN_TEXT_LIST struct text_list paths = TEXT_LIST_INIT;
    CLEAN_TEXT_LIST struct text_list back = TEXT_LIST_INIT;
    CLEAN_TEXT_LIST struct text_list empty = TEXT_LIST_INIT;
    text_list_add(&paths, "web1/backup_20261122-202734.xva");
    text_list_add(&paths, "W\xc3\xa4" "b 1%3A/backup_xvda_20261122-202734.raw");
    assert_int_equal(pins_write(store, &paths, NULL), 0);
    int steps = share->step;
    assert_int_equal(pins_write(store, &paths, NULL), 0);
    assert_int_equal(share->step, steps); /* the same again costs nothing */
    assert_int_equal(pins_read(store, &back, NULL), 0);
    assert_int_equal(back.n, 2);
    assert_string_equal(back.items[1], paths.items[1]);
    assert_int_equal(pins_write(store, &empty, NULL), 0);
    text_list_done(&back);
    assert_int_equal(pins_read(store, &back, NULL), 0);
    assert_int_equal(back.n, 0);
}

static void the_old_list_stands_when_writing_fails(void **state)
{
    struct share *share = *state;
    CLEAN_TEXT_LIST struct text_list old = TEXT_LIST_INIT;
    CLEAN_TEXT_LIST struct text_list new = TEXT_LIST_INIT;
    text_list_add(&old, "web1/a.xva");
    text_list_add(&new, "web1/b.xva");
    {
        CLEAN_STORE struct store *store = share_store(share);
        assert_int_equal(pins_write(store, &old, NULL), 0);
    }
    for (int step = 1;; step++) {
        CLEAN_STORE struct store *store = share_store(share);
        CLEAN_TEXT_LIST struct text_list back = TEXT_LIST_INIT;
        struct error err = ERROR_INIT;
        share->step = 0;
        share->fail_at = step;
        share->why = EIO;
        int result = pins_write(store, &new, &err);
        share->fail_at = 0;
        assert_int_equal(pins_read(store, &back, NULL), 0);
        assert_int_equal(back.n, 1);
        if (result == 0) {
            assert_string_equal(back.items[0], "web1/b.xva");
            assert_true(step > 3);
            return;
        }
        assert_int_equal(err.code, ERROR_IO);
        if (strcmp(back.items[0], "web1/b.xva") == 0) /* only the folder's fsync failed */
            assert_int_equal(pins_write(store, &old, NULL), 0);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(none_are_read_from_a_store_that_has_none),
        CASE(what_was_written_is_read),
        CASE(the_old_list_stands_when_writing_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
