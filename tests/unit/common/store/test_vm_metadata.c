/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * common/store/vm_metadata: written whole, and gone with the last file it belongs to.
 */
#include "tests/unit/common/store/share.h"

#include "common/store/vm_metadata.h"

#define KEPT ".onyxpool/metadata/web1/"

static void metadata_when_pruned_then_those_with_a_file_stay(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    static const char *const stems[] = {"backup_1", "backup_2", "backup_3", "backup_4"};
    share_init(&share);
    share_make_folder(&share, "web1");
    CLEAN_STORE struct store *store = share_store(&share);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(vm_metadata_write(store, "web1", stems[i], "tar", 3, &err), 0);
    share_put(&share, KEPT "note.txt", "a person's");
    share_put(&share, KEPT "note.new", "a person's");
    share_put(&share, KEPT "backup_3.xva.new", "ta"); /* its writer was killed */
    share_put(&share, KEPT "backup_4.xva.new", "ta");
    share_put(&share, "web1/backup_xvda_1.meta", "");
    share_put(&share, "web1/backup_xvdb_2.raw.0123456789abcdef-1.partial", "");
    share_put(&share, "web1/backup_xvda_33.raw", "");
    share_put(&share, "web1/backup_4.xva", "");
    assert_int_equal(vm_metadata_prune(store, "web1", &err), 0);
    assert_true(share_has(&share, KEPT "backup_1.xva"));
    assert_true(share_has(&share, KEPT "backup_2.xva"));
    assert_false(share_has(&share, KEPT "backup_3.xva"));
    assert_false(share_has(&share, KEPT "backup_3.xva.new"));
    assert_true(share_has(&share, KEPT "backup_4.xva.new")); /* it may yet be written */
    assert_true(share_has(&share, KEPT "note.new"));
    assert_true(share_has(&share, KEPT "backup_4.xva"));
    assert_true(share_has(&share, KEPT "note.txt"));
    share_done(&share);
}

static void metadata_when_a_name_leads_elsewhere_then_refused(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    share_init(&share);
    CLEAN_STORE struct store *store = share_store(&share);
    assert_int_equal(vm_metadata_write(store, "../web1", "backup_1", "tar", 3, &err), -1);
    assert_int_equal(err.code, ERROR_BAD_INPUT);
    error_clear(&err);
    assert_int_equal(vm_metadata_write(store, "web1", "a/b", "tar", 3, &err), -1);
    assert_int_equal(err.code, ERROR_BAD_INPUT);
    share_done(&share);
}

static void metadata_when_the_share_fails_then_told_and_no_half_file(void **state)
{
    (void)state;
    bool is_over = false;
    for (int at = 1; !is_over; at++) {
        struct share share;
        struct error err = ERROR_INIT;
        share_init(&share);
        share.fail_at = at;
        CLEAN_STORE struct store *store = share_store(&share);
        is_over = vm_metadata_write(store, "web1", "backup_1", "tar", 3, &err) == 0;
        assert_true(is_over || error_is_set(&err));
        assert_false(share_has(&share, KEPT "backup_1.xva.new"));
        share_done(&share);
        assert_true(at < 40);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metadata_when_pruned_then_those_with_a_file_stay),
        cmocka_unit_test(metadata_when_a_name_leads_elsewhere_then_refused),
        cmocka_unit_test(metadata_when_the_share_fails_then_told_and_no_half_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
