/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * common/store/find: backups by job, folders by VM.
 */
#include "tests/unit/common/store/share.h"

#include "common/base/text_list.h"
#include "common/format/meta.h"
#include "common/store/find.h"

#define UUID "11111111-2222-4333-8444-555555555555"
#define JOB "0123456789abcdef"

static void put_meta(const struct share *share, const char *path, const char *job)
{
    CLEAN_META struct meta meta = {.is_ours = true, .has_vm = true};
    CLEAN_STR struct str text = STR_INIT;
    meta.compress = JOB_COMPRESS_NONE;
    meta.vm_uuid = mem_dup(UUID);
    meta.vm_name = mem_dup("web1");
    meta.backup.file = mem_dup("backup_1.xva");
    meta.backup.kind = JOB_BACKUP_VM;
    meta.backup.vm_uuid = mem_dup(UUID);
    meta.backup.sha256 =
        mem_dup("caaa1ec72aad941131c793afeb7ec92a569dfd2759a58ce5d61fbf82f2d436d2");
    meta.backup.proof = mem_dup("blocks");
    meta.backup.consistency = JOB_CRASH_CONSISTENT;
    meta.backup.attempt = 1;
    (void)str_copy(meta.backup.job, sizeof meta.backup.job, job);
    (void)str_copy(meta.backup.run, sizeof meta.backup.run, job);
    meta_format(&meta, &text);
    share_put(share, path, str_text(&text));
}

static int note_backup(void *context, const char *name, const struct meta *meta, struct error *err)
{
    text_list_add_format(context, "%s=%s", name, meta->backup.job);
    return strcmp(name, "backup_1.meta") == 0 ? error_set(err, ERROR_CANCELLED, "enough") : 0;
}

static void backups_when_listed_then_ours_and_the_newest_first(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    CLEAN_TEXT_LIST struct text_list found = TEXT_LIST_INIT;
    share_init(&share);
    share_make_folder(&share, "web1");
    put_meta(&share, "web1/backup_0.meta", JOB);
    put_meta(&share, "web1/backup_1.meta", JOB);
    put_meta(&share, "web1/backup_2.meta", "fedcba9876543210");
    put_meta(&share, "web1/backup_3.meta.partial", "aaaaaaaaaaaaaaaa");
    share_put(&share, "web1/backup_4.meta", "******* VM *******\norig_uuid=x\n");
    share_put(&share, "web1/backup_5.meta", "\x01 no meta at all");
    CLEAN_STORE struct store *store = share_store(&share);
    assert_int_equal(find_backups(store, "web1", note_backup, &found, &err), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
    assert_int_equal(found.n, 2);
    assert_string_equal(found.items[0], "backup_2.meta=fedcba9876543210");
    assert_string_equal(found.items[1], "backup_1.meta=" JOB);
    error_clear(&err);
    assert_int_equal(find_backups(store, "web2", note_backup, &found, &err), 0);
    assert_int_equal(found.n, 2);
    assert_int_equal(find_backups(store, "../web1", note_backup, &found, &err), -1);
    share_done(&share);
}

static int note_folder(void *context, const char *folder, const char *vm_uuid, struct error *err)
{
    (void)err;
    text_list_add_format(context, "%s=%s", folder, vm_uuid != NULL ? vm_uuid : "");
    return 0;
}

static void folders_when_listed_then_ours_and_the_older_tools(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    CLEAN_TEXT_LIST struct text_list seen = TEXT_LIST_INIT;
    share_init(&share);
    share_make_folder(&share, ".onyxpool");
    share_make_folder(&share, "empty");
    share_make_folder(&share, "old");
    share_make_folder(&share, "web1");
    share_put(&share, "a file", "x");
    CLEAN_CHAR char *link = str_format("%s/link", share.root);
    assert_int_equal(symlink("web1", link), 0);
    put_meta(&share, "web1/backup_1.meta", JOB);
    share_put(&share, "old/backup_1.meta", "******* VM *******\nname_label=o\norig_uuid=" UUID "\n");
    CLEAN_STORE struct store *store = share_store(&share);
    assert_int_equal(find_folders(store, note_folder, &seen, &err), 0);
    assert_int_equal(seen.n, 3);
    assert_string_equal(seen.items[0], "empty=");
    assert_string_equal(seen.items[1], "old=" UUID);
    assert_string_equal(seen.items[2], "web1=" UUID);
    share_done(&share);
}

static const char *denied;

static int open_but_one(void *context, int folder, const char *name, int flags, mode_t mode)
{
    if (strcmp(name, denied) != 0)
        return share_open(context, folder, name, flags, mode);
    errno = EACCES;
    return -1;
}

static void folders_when_one_may_not_be_read_then_a_failure_but_lost_and_found(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    CLEAN_TEXT_LIST struct text_list seen = TEXT_LIST_INIT;
    share_init(&share);
    share_make_folder(&share, "lost+found");
    share_make_folder(&share, "web1");
    share.ops.open = open_but_one;
    CLEAN_STORE struct store *store = share_store(&share);
    denied = "lost+found";
    assert_int_equal(find_folders(store, note_folder, &seen, &err), 0);
    assert_int_equal(seen.n, 1);
    assert_string_equal(seen.items[0], "web1=");
    denied = "web1";
    assert_int_equal(find_folders(store, note_folder, &seen, &err), -1);
    assert_non_null(strstr(err.text, "rights"));
    share_done(&share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backups_when_listed_then_ours_and_the_newest_first),
        cmocka_unit_test(folders_when_listed_then_ours_and_the_older_tools),
        cmocka_unit_test(folders_when_one_may_not_be_read_then_a_failure_but_lost_and_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
