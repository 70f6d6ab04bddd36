/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Backups as values: copies and file names.
 */
#include "common/model/backup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void copy_is_deep_when_the_original_goes(void **state)
{
    (void)state;
    struct backup backup = {.state = BACKUP_PROVEN, .size_bytes = 5};
    backup.file = mem_dup("backup_20261122-010203.xva");
    CLEAN_BACKUP struct backup copy;
    backup_copy(&copy, &backup);
    backup_done(&backup);
    assert_string_equal(copy.file, "backup_20261122-010203.xva");
    assert_null(copy.vm_name);
}

static void suffix_follows_kind_compression_and_format(void **state)
{
    (void)state;
    assert_string_equal(backup_suffix(JOB_BACKUP_VM, JOB_COMPRESS_NONE, JOB_DISK_RAW), ".xva");
    assert_string_equal(backup_suffix(JOB_BACKUP_VM, JOB_COMPRESS_GZIP, JOB_DISK_RAW), ".xva.gz");
    assert_string_equal(backup_suffix(JOB_BACKUP_VM, JOB_COMPRESS_ZSTD, JOB_DISK_RAW), ".xva.zst");
    assert_string_equal(backup_suffix(JOB_BACKUP_DISK, JOB_COMPRESS_NONE, JOB_DISK_VHD), ".vhd");
    assert_string_equal(backup_suffix(JOB_BACKUP_DISK, JOB_COMPRESS_NONE, JOB_DISK_RAW), ".raw");
    assert_string_equal(backup_suffix(JOB_BACKUP_DISK, JOB_COMPRESS_GZIP, JOB_DISK_RAW), ".raw.gz");
    assert_string_equal(backup_suffix(JOB_BACKUP_DISK, JOB_COMPRESS_ZSTD, JOB_DISK_VHD),
                        ".vhd.zst");
    assert_string_equal(backup_suffix(JOB_BACKUP_POOL, JOB_COMPRESS_NONE, JOB_DISK_RAW), ".db");
    assert_string_equal(backup_suffix(JOB_BACKUP_HOST, JOB_COMPRESS_NONE, JOB_DISK_RAW), ".xbk");
    assert_string_equal(backup_suffix(JOB_CLEANUP, JOB_COMPRESS_NONE, JOB_DISK_RAW), "");
}

static void meta_stands_beside_every_kind_of_data_file(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"backup_1.xva", "backup_1.meta"},       {"backup_1.xva.gz", "backup_1.meta"},
        {"backup_1.xva.zst", "backup_1.meta"},   {"backup_xvda_1.raw", "backup_xvda_1.meta"},
        {"backup_xvda_1.vhd", "backup_xvda_1.meta"}, {"metadata_1.db", "metadata_1.meta"},
        {"backup_xvda_1.raw.gz", "backup_xvda_1.meta"},
        {"backup_xvda_1.raw.zst", "backup_xvda_1.meta"},
        {"backup_xvda_1.vhd.gz", "backup_xvda_1.meta"},
        {"backup_xvda_1.vhd.zst", "backup_xvda_1.meta"},
        {"host_1.xbk", "host_1.meta"},           {"strange", "strange.meta"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        CLEAN_CHAR char *name = backup_meta_name(pairs[i][0]);
        assert_string_equal(name, pairs[i][1]);
    }
}

static void stem_of_a_disk_has_its_device_and_is_the_jobs(void **state)
{
    (void)state;
    CLEAN_CHAR char *stem = backup_disk_stem("backup_20261122-202734", "xvda");
    assert_string_equal(stem, "backup_xvda_20261122-202734");
    assert_true(backup_stem_is_of(stem, "backup_20261122-202734"));
    assert_true(backup_stem_is_of("backup_20261122-202734", "backup_20261122-202734"));
    static const char *const others[] = {
        "backup_xvda_20261122-202735", "backup_20261122-202735", "backup__20261122-202734",
        "backup_a_b_20261122-202734",  "xbackup_20261122-202734", "backup_120261122-202734", "",
        "backup",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(backup_stem_is_of(others[i], "backup_20261122-202734"));
    assert_false(backup_stem_is_of("metadata_x_1", "metadata"));
}

/* As the coordinator orders the disks of a job. */
static void stems_of_disks_are_in_the_order_of_their_devices(void **state)
{
    (void)state;
    static const char *const stems[] = {
        "backup_20261122-202734",      "backup_sda_20261122-202734",
        "backup_sda1_20261122-202734", "backup_xvda_20261122-202734",
        "backup_xvdb_20261122-202734", "backup_xvdaa_20261122-202734"};
    for (size_t i = 0; i < sizeof stems / sizeof *stems; i++)
        for (size_t k = 0; k < sizeof stems / sizeof *stems; k++)
            assert_int_equal(backup_stem_is_before(stems[i], stems[k]), i < k);
}

static void states_have_names_and_numbers(void **state)
{
    (void)state;
    enum backup_state read = BACKUP_FOUND;
    assert_int_equal(backup_state_from_number(0, &read), 0);
    assert_int_equal(backup_state_from_number(6, &read), 0);
    assert_int_equal(backup_state_from_number(2, &read), 1);
    assert_string_equal(backup_state_name(read), "proven");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_is_deep_when_the_original_goes),
        cmocka_unit_test(suffix_follows_kind_compression_and_format),
        cmocka_unit_test(meta_stands_beside_every_kind_of_data_file),
        cmocka_unit_test(stem_of_a_disk_has_its_device_and_is_the_jobs),
        cmocka_unit_test(stems_of_disks_are_in_the_order_of_their_devices),
        cmocka_unit_test(states_have_names_and_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
