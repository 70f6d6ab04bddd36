/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * common/store/marker: whose store this is, and that every refusal says what to do.
 */
#include "tests/unit/common/store/share.h"

#include "common/store/marker.h"

#define STORE "11111111-2222-4333-8444-555555555555"
#define POOL "aaaaaaaa-2222-4333-8444-555555555555"
#define OTHER "bbbbbbbb-2222-4333-8444-555555555555"
#define RUN "00112233445566aa"

static struct marker make_marker(bool allow_root_fs)
{
    struct marker marker = {.store_uuid = STORE, .pool_uuid = POOL, .created_at = 1700000000000,
                            .allow_root_fs = allow_root_fs};
    return marker;
}

static void marker_when_written_then_read_back_and_kept(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    struct marker marker = make_marker(true), read = {.created_at = 0};
    share_init(&share);
    CLEAN_STORE struct store *store = share_store(&share);
    assert_int_equal(marker_read(store, &read, &err), 0);
    assert_int_equal(marker_write(store, &marker, &err), 0);
    assert_int_equal(marker_read(store, &read, &err), 1);
    assert_string_equal(read.store_uuid, STORE);
    assert_string_equal(read.pool_uuid, POOL);
    assert_int_equal(read.created_at, 1700000000000);
    assert_true(read.allow_root_fs);
    assert_string_equal(read.accepted, "");
    assert_int_equal(marker_write(store, &marker, &err), -1);
    assert_int_equal(err.code, ERROR_EXISTS);
    (void)str_copy(marker.accepted, sizeof marker.accepted, "ext4");
    assert_int_equal(marker_rewrite(store, &marker, &err), 0);
    assert_int_equal(marker_read(store, &read, &err), 1);
    assert_string_equal(read.accepted, "ext4");
    assert_string_equal(read.store_uuid, STORE);
    share_done(&share);
}

static void check_when_not_ours_then_refused(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    struct marker marker = make_marker(true), read;
    share_init(&share);
    CLEAN_STORE struct store *store = share_store(&share);
    assert_int_equal(marker_check(store, POOL, &read, &err), -1);
    assert_int_equal(err.code, ERROR_STORE_MISSING);
    assert_non_null(strstr(err.text, "init-store"));
    assert_int_equal(marker_write(store, &marker, &err), 0);
    assert_int_equal(marker_check(store, POOL, &read, &err), 0);
    assert_int_equal(marker_check(store, NULL, &read, &err), 0);
    assert_int_equal(marker_check(store, OTHER, &read, &err), -1);
    assert_int_equal(err.code, ERROR_STORE_FOREIGN);
    share_done(&share);
}

static void check_when_on_the_device_of_root_then_as_the_marker_allows(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    struct marker marker = make_marker(false), read;
    bool is_on_root = false;
    share_init(&share);
    CLEAN_STORE struct store *store = share_store(&share);
    assert_int_equal(marker_write(store, &marker, &err), 0);
    assert_int_equal(store_is_on_root_device(store, &is_on_root, &err), 0);
    assert_int_equal(marker_check(store, POOL, &read, &err), is_on_root ? -1 : 0);
    if (is_on_root)
        assert_non_null(strstr(err.text, "--allow-root-fs"));
    share_done(&share);
}

static void marker_when_damaged_then_foreign_and_untouched(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "onyxpool_store=2\nstore_uuid=" STORE "\npool_uuid=" POOL "\n",
        "onyxpool_store=1\nstore_uuid=x\npool_uuid=" POOL "\n", "onyxpool_store=1\n",
        "onyxpool_store=1\nstore_uuid=" STORE "\npool_uuid=" POOL "\nallow_root_fs=perhaps\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct share share;
        struct error err = ERROR_INIT;
        struct marker marker = make_marker(true), read;
        share_init(&share);
        share_make_folder(&share, ".onyxpool");
        share_put(&share, ".onyxpool/store", texts[i]);
        CLEAN_STORE struct store *store = share_store(&share);
        assert_int_equal(marker_read(store, &read, &err), -1);
        assert_int_equal(err.code, ERROR_STORE_FOREIGN);
        assert_int_equal(marker_write(store, &marker, &err), -1);
        share_done(&share);
    }
}

static void nonce_when_written_anew_then_differs(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    struct marker_nonce first, second, read;
    share_init(&share);
    CLEAN_STORE struct store *store = share_store(&share);
    assert_int_equal(marker_read_nonce(store, &read, &err), 0);
    assert_int_equal(marker_write_nonce(store, RUN, random_system(), &first, &err), 0);
    assert_int_equal(marker_write_nonce(store, RUN, random_system(), &second, &err), 0);
    assert_string_not_equal(first.nonce, second.nonce);
    assert_int_equal(strlen(second.nonce), 32);
    assert_int_equal(marker_read_nonce(store, &read, &err), 1);
    assert_string_equal(read.nonce, second.nonce);
    assert_string_equal(read.run, RUN);
    assert_int_equal(marker_write_nonce(store, "x", random_system(), &first, &err), -1);
    share_put(&share, ".onyxpool/nonce", "onyxpool_nonce=1\nrun=" RUN "\nnonce=12\n");
    assert_int_equal(marker_read_nonce(store, &read, &err), -1);
    share_done(&share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marker_when_written_then_read_back_and_kept),
        cmocka_unit_test(check_when_not_ours_then_refused),
        cmocka_unit_test(check_when_on_the_device_of_root_then_as_the_marker_allows),
        cmocka_unit_test(marker_when_damaged_then_foreign_and_untouched),
        cmocka_unit_test(nonce_when_written_anew_then_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
