/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * common/store/root: room that is asked, shares that lie about it, and the floor under writers.
 */
#include "tests/unit/common/store/share.h"

#include "common/store/publish.h"

struct odd_share {
    struct share share; /* first: its file calls get it as context */
    struct store_space says;
    int why; /* 0: the call succeeds */
    int asked;
};

static int odd_space(void *context, int folder, struct store_space *ret)
{
    struct odd_share *odd = context;
    (void)folder;
    odd->asked++;
    if (odd->why != 0) {
        errno = odd->why;
        return -1;
    }
    *ret = odd->says;
    return 0;
}

static struct store *odd_open(struct odd_share *odd, uint64_t total, uint64_t is_free)
{
    *odd = (struct odd_share){.says = {.total_bytes = total, .free_bytes = is_free}};
    share_init(&odd->share);
    odd->share.ops.space = odd_space;
    return share_store(&odd->share);
}

static const struct publish_place place = {.folder = "web1", .stem = "backup_20261122-202734",
                                           .suffix = ".xva", .job = "0123456789abcdef",
                                           .attempt = 1};

static void space_when_the_share_lies_then_an_error(void **state)
{
    (void)state;
    static const struct {
        uint64_t total, is_free;
        int why;
        const char *says;
    } lies[] = {{0, 0, 0, "can't be"},
                {100, 101, 0, "can't be"},
                {100, 50, ESTALE, "Stale file handle"},
                {100, 50, EIO, "ask for the space"}};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct odd_share odd;
        struct error err = ERROR_INIT;
        struct store_space space = {.total_bytes = 7};
        CLEAN_STORE struct store *store = odd_open(&odd, lies[i].total, lies[i].is_free);
        odd.why = lies[i].why;
        assert_int_equal(store_space(store, &space, &err), -1);
        assert_int_equal(err.code, lies[i].why == ESTALE ? ERROR_STORE_GONE : ERROR_IO);
        assert_non_null(strstr(err.text, lies[i].says));
        assert_int_equal(space.total_bytes, 7);
        assert_int_equal(store_check_room(store, NULL), -1);
        share_done(&odd.share);
    }
}

static void publish_when_below_the_threshold_then_refused_before_the_folder_is_made(void **state)
{
    (void)state;
    struct odd_share odd;
    struct error err = ERROR_INIT;
    CLEAN_PUBLISH struct publish *publish = NULL;
    CLEAN_STORE struct store *store = odd_open(&odd, 1000, 199);
    store_set_rule(store, &(struct space_rule){.threshold_percent = 20});
    assert_int_equal(publish_begin(store, &place, &publish, &err), -1);
    assert_int_equal(err.code, ERROR_NO_SPACE);
    assert_non_null(strstr(err.text, "199 B free of 1000 B (19.9 %)"));
    assert_false(share_has(&odd.share, "web1"));
    odd.says.free_bytes = 200;
    assert_int_equal(publish_begin(store, &place, &publish, &err), 0);
    assert_int_equal(publish_abandon(publish, &err), 0);
    share_done(&odd.share);
}

/* Write MiB by MiB until it fails; gives how many went through, at most max. */
static unsigned write_some(struct publish *publish, unsigned max, struct error *err)
{
    static const char zeros[1u << 20];
    unsigned n = 0;
    while (n < max && publish_write(publish, zeros, sizeof zeros, err) == 0)
        n++;
    return n;
}

static void write_when_the_floor_is_reached_then_ended_soon(void **state)
{
    (void)state;
    struct odd_share odd;
    struct error err = ERROR_INIT;
    CLEAN_PUBLISH struct publish *publish = NULL;
    CLEAN_STORE struct store *store = odd_open(&odd, 1000, 500);
    store_set_rule(store, &(struct space_rule){.threshold_percent = 20, .floor_percent = 1});
    assert_int_equal(publish_begin(store, &place, &publish, &err), 0);
    assert_int_equal(write_some(publish, 20, &err), 20);
    odd.says.free_bytes = 100; /* below the threshold is no reason */
    assert_int_equal(write_some(publish, 20, &err), 20);
    odd.why = ESTALE; /* nor is a share that can't tell */
    assert_int_equal(write_some(publish, 20, &err), 20);
    odd.why = 0;
    odd.says.free_bytes = 9;
    assert_true(write_some(publish, 20, &err) < 17);
    assert_int_equal(err.code, ERROR_NO_SPACE);
    assert_non_null(strstr(err.text, "hard_floor (1 %)"));
    assert_int_equal(publish_abandon(publish, &err), 0);
    share_done(&odd.share);
}

static void write_when_there_is_no_floor_then_nobody_is_asked(void **state)
{
    (void)state;
    struct odd_share odd;
    struct error err = ERROR_INIT;
    CLEAN_PUBLISH struct publish *publish = NULL;
    CLEAN_STORE struct store *store = odd_open(&odd, 1000, 500);
    assert_int_equal(publish_begin(store, &place, &publish, &err), 0);
    odd.asked = 0;
    odd.says.free_bytes = 0;
    assert_int_equal(write_some(publish, 40, &err), 40);
    assert_int_equal(odd.asked, 0);
    assert_int_equal(publish_abandon(publish, &err), 0);
    share_done(&odd.share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(space_when_the_share_lies_then_an_error),
        cmocka_unit_test(publish_when_below_the_threshold_then_refused_before_the_folder_is_made),
        cmocka_unit_test(write_when_the_floor_is_reached_then_ended_soon),
        cmocka_unit_test(write_when_there_is_no_floor_then_nobody_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
