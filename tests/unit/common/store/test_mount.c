/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * common/store/mount: what the kernel's two texts say, as they are and broken, and who may be
 * written to.
 */
#include "tests/unit/common/store/share.h"

#include "common/base/fd.h"
#include "common/store/marker.h"
#include "common/store/mount.h"

static const char table[] =
    "22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/root rw\n"
    "23 22 0:21 / /proc rw,nosuid,nodev,noexec shared:12 - proc proc rw\n"
    "36 22 0:45 / /mnt/onyx\\040backup\\134x rw,relatime shared:30 master:2 - nfs4 "
    "nas:/export\\040a rw,vers=4.1,hard\n"
    "37 22 0:46 / /mnt/smb rw,relatime - cifs //nas/share rw,vers=3.0\n"
    "38 22 0:47 / /mnt/nosource rw - tmpfs\n"
    "3 22 0:48 / /mnt/short rw - nfs nas:/short rw\n";

static void find_when_it_is_there_then_escapes_and_optional_fields_are_read(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    CLEAN_MOUNT struct mount nfs = {0}, smb = {0}, root = {0};
    assert_int_equal(mount_find(table, 36, &nfs, &err), 1);
    assert_string_equal(nfs.type, "nfs4");
    assert_string_equal(nfs.point, "/mnt/onyx backup\\x");
    assert_string_equal(nfs.source, "nas:/export a");
    assert_int_equal(nfs.id, 36);
    assert_int_equal(mount_find(table, 37, &smb, &err), 1);
    assert_string_equal(smb.type, "cifs");
    assert_int_equal(mount_find(table, 22, &root, &err), 1);
    assert_string_equal(root.point, "/");
}

static void find_when_numbers_are_alike_then_the_whole_number_counts(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    CLEAN_MOUNT struct mount mount = {0};
    assert_int_equal(mount_find(table, 3, &mount, &err), 1);
    assert_string_equal(mount.point, "/mnt/short");
    struct mount none = {0};
    assert_int_equal(mount_find(table, 39, &none, &err), 0);
    assert_int_equal(mount_find("", 1, &none, &err), 0);
    assert_null(none.point);
}

static void find_when_there_is_no_source_then_it_is_empty(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    CLEAN_MOUNT struct mount mount = {0};
    assert_int_equal(mount_find(table, 38, &mount, &err), 1);
    assert_string_equal(mount.type, "tmpfs");
    assert_string_equal(mount.source, "");
}

static void find_when_the_line_is_broken_then_an_error_and_nothing_leaks(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "1 2 3:4 / /mnt", "1 2 3:4 / /mnt rw", "1 2 3:4 / /mnt rw shared:1", "1 ", "1 2 3:4 / /m rw -",
        ("1 2 3:4 / /m rw - "
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa x rw"),
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct error err = ERROR_INIT;
        struct mount mount = {0};
        if (mount_find(broken[i], 1, &mount, &err) != -1)
            fail_msg("%s", broken[i]);
        assert_int_equal(err.code, ERROR_BAD_INPUT);
        assert_null(mount.point);
    }
    struct mount mount = {0};
    assert_int_equal(mount_find("x\n\n99999999999999999999 a\n1", 1, &mount, NULL), 0);
}

static void fdinfo_when_it_tells_a_number_then_that(void **state)
{
    (void)state;
    int64_t id = 0;
    assert_int_equal(mount_parse_fdinfo("pos:\t0\nflags:\t02\nmnt_id:\t36\nino:\t2\n", &id), 1);
    assert_int_equal(id, 36);
    assert_int_equal(mount_parse_fdinfo("mnt_id:\t7", &id), 1);
    assert_int_equal(id, 7);
    assert_int_equal(mount_parse_fdinfo("pos:\t0\nflags:\t02\n", &id), 0);
    assert_int_equal(mount_parse_fdinfo("mnt_id:\tx\n", &id), 0);
    assert_int_equal(mount_parse_fdinfo("", &id), 0);
}

static void kinds_when_named_then_as_share_type_has_them(void **state)
{
    (void)state;
    assert_int_equal(mount_kind_of("nfs"), MOUNT_NFS);
    assert_int_equal(mount_kind_of("nfs4"), MOUNT_NFS);
    assert_int_equal(mount_kind_of("cifs"), MOUNT_SMB);
    assert_int_equal(mount_kind_of("smb3"), MOUNT_SMB);
    assert_int_equal(mount_kind_of("nfsd"), MOUNT_OTHER);
    assert_int_equal(mount_kind_of("autofs"), MOUNT_OTHER);
    assert_int_equal(mount_kind_of("ext4"), MOUNT_OTHER);
    assert_int_equal(mount_kind_of_share("smb"), MOUNT_SMB);
    assert_int_equal(mount_kind_of_share("nfs"), MOUNT_NFS);
}

/* accepted by the marker, mounted type, point, wanted kind, allowed. */
static const struct {
    const char *accepted, *type, *point;
    enum mount_kind share;
    bool may;
} judged[] = {
    {"", "nfs4", "/mnt", MOUNT_NFS, true},      {"", "nfs", "/mnt", MOUNT_NFS, true},
    {"", "nfs4", "/mnt", MOUNT_SMB, false},     {"", "cifs", "/mnt", MOUNT_SMB, true},
    {"", "nfs", "/", MOUNT_NFS, false},         {"", "ext4", "/", MOUNT_NFS, false},
    {"", "ext4", "/mnt", MOUNT_NFS, false},     {"ext4", "ext4", "/mnt", MOUNT_NFS, true},
    {"ext4", "xfs", "/mnt", MOUNT_NFS, false},  {"ext4", "nfs4", "/mnt", MOUNT_NFS, true},
    {"overlay", "overlay", "/", MOUNT_NFS, true},
};

static void judge_when_mounted_so_then_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof judged / sizeof *judged; i++) {
        struct error err = ERROR_INIT;
        struct marker marker = {.created_at = 0};
        struct mount mount = {.point = (char *)(uintptr_t)judged[i].point};
        (void)str_copy(marker.accepted, sizeof marker.accepted, judged[i].accepted);
        (void)str_copy(mount.type, sizeof mount.type, judged[i].type);
        int result = marker_judge_mount(&marker, &mount, judged[i].share, "/mnt/b", &err);
        if ((result == 0) != judged[i].may)
            fail_msg("row %zu: %s", i, err.text);
        if (result == 0)
            continue;
        assert_int_equal(err.code, ERROR_STORE_MISSING);
        assert_non_null(strstr(err.text, judged[i].type));
        assert_non_null(strstr(err.text, "init-store -d /mnt/b"));
    }
}

static void mount_of_fd_when_asked_then_it_is_where_the_folder_is(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    CLEAN_MOUNT struct mount mount = {0};
    CLEAN_FD int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    if (mount_of_fd(fd, &mount, &err) != 0)
        fail_msg("%s", err.text);
    assert_string_equal(mount.type, "proc");
    assert_string_equal(mount.point, "/proc");
    struct mount none = {0};
    assert_int_equal(mount_of_fd(-1, &none, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(find_when_it_is_there_then_escapes_and_optional_fields_are_read),
        cmocka_unit_test(find_when_numbers_are_alike_then_the_whole_number_counts),
        cmocka_unit_test(find_when_there_is_no_source_then_it_is_empty),
        cmocka_unit_test(find_when_the_line_is_broken_then_an_error_and_nothing_leaks),
        cmocka_unit_test(fdinfo_when_it_tells_a_number_then_that),
        cmocka_unit_test(kinds_when_named_then_as_share_type_has_them),
        cmocka_unit_test(judge_when_mounted_so_then_as_the_table_says),
        cmocka_unit_test(mount_of_fd_when_asked_then_it_is_where_the_folder_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
