/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names of backups, and whose a file is by the .meta beside it.
 */
#include "common/store/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/format/meta.h"
#include "common/store/root.h"

static void names_of_the_manual_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        enum job_kind kind;
        const char *device;
    } good[] = {
        {"backup_20261122-202734.xva", JOB_BACKUP_VM, ""},
        {"backup_20261122-202734.xva.gz", JOB_BACKUP_VM, ""},
        {"backup_20261122-202734.xva.zst", JOB_BACKUP_VM, ""},
        {"backup_20261122-202734.raw", JOB_BACKUP_DISK, ""},
        {"backup_xvda_20261122-202734.raw", JOB_BACKUP_DISK, "xvda"},
        {"backup_xvda_20261122-202734.raw.gz", JOB_BACKUP_DISK, "xvda"},
        {"backup_xvdb_20261122-202734.raw.zst", JOB_BACKUP_DISK, "xvdb"},
        {"backup_20261122-202734.vhd.gz", JOB_BACKUP_DISK, ""},
        {"backup_xvda_20261122-202734.vhd.zst", JOB_BACKUP_DISK, "xvda"},
        {"backup_xvdaa_20261122-202734.vhd", JOB_BACKUP_DISK, "xvdaa"},
        {"metadata_20261122-202734.db", JOB_BACKUP_POOL, ""},
        {"host_20261122-202734.xbk", JOB_BACKUP_HOST, ""},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct scan_name name;
        assert_true(scan_parse_name(good[i].file, &name));
        assert_int_equal(name.kind, good[i].kind);
        assert_string_equal(name.device, good[i].device);
        assert_string_equal(name.stamp, "20261122-202734");
    }
}

static void other_names_are_not(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "backup_20261122-202734.meta", "backup_20261122-202734", "backup_.xva",
        "backup_20261122-20273.xva", "backup_20261122202734x.xva", "backup__20261122-202734.raw",
        "backup_xvda_20261122-202734.xva", "backup_20261122-2027345.xva", "notes.txt", "", "backup_xvda_20261122-202734.gz",
        "metadata_20261122-202734.db.gz",
        "backup_20261122-202734.xva.0123456789abcdef-1.partial", "host_20261122-202734.db",
        "backup_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_20261122-202734.raw"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct scan_name name;
        assert_false(scan_parse_name(bad[i], &name));
    }
}

struct seen {
    struct str text;
};

static int note(void *context, const struct scan_file *file, struct error *err)
{
    static const char *const kinds[] = {"ours", "found", "stray", "partial", "expired"};
    struct seen *seen = context;
    (void)err;
    str_add_format(&seen->text, "%s %s %llu%s%s\n", kinds[file->kind], file->file,
                   (unsigned long long)file->size_bytes, file->meta != NULL ? " " : "",
                   file->meta != NULL && file->meta->vm_name != NULL ? file->meta->vm_name : "");
    return 0;
}

static void put(const char *folder, const char *name, const char *bytes)
{
    CLEAN_CHAR char *path = str_format("%s/%s", folder, name);
    assert_int_equal(fd_replace_file(path, 0644, bytes, strlen(bytes), NULL), 0);
}

static void put_ours(const char *folder, const char *stem, uint64_t size)
{
    CLEAN_META struct meta meta = {.is_ours = true, .compress = JOB_COMPRESS_NONE};
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_CHAR char *name = str_format("%s.meta", stem);
    meta.tool = mem_dup("test");
    meta.backup.file = str_format("%s.xva", stem);
    meta.backup.kind = JOB_BACKUP_VM;
    meta.backup.size_bytes = size;
    meta.backup.attempt = 1;
    meta.backup.consistency = JOB_CRASH_CONSISTENT;
    meta.backup.proof = mem_dup("blocks");
    meta.backup.sha256 =
        mem_dup("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    str_copy(meta.backup.job, sizeof meta.backup.job, "00c0ffee00000001");
    str_copy(meta.backup.run, sizeof meta.backup.run, "00c0ffee00000002");
    meta_format(&meta, &text);
    put(folder, name, str_text(&text));
}

static void each_file_is_told_by_whose_it_is(void **state)
{
    (void)state;
    char root[] = "/tmp/onyx-scan-XXXXXX";
    CLEANUP(store_clean) struct store *store = NULL;
    struct seen seen = {.text = STR_INIT};
    struct error err = ERROR_INIT;
    assert_non_null(mkdtemp(root));
    CLEAN_CHAR char *folder = str_format("%s/web1", root);
    assert_int_equal(mkdir(folder, 0755), 0);
    put(folder, "backup_20260101-000000.xva", "old");
    put(folder, "backup_20260101-000000.meta", "******* VM *******\nname_label=web1\n");
    put(folder, "backup_20260102-000000.xva", "alone");
    put(folder, "backup_20260103-000000.xva", "ours");
    put_ours(folder, "backup_20260103-000000", 4);
    put(folder, "backup_20260104-000000.xva", "cut");
    put_ours(folder, "backup_20260104-000000", 4);
    put(folder, "backup_20260105-000000.xva", "going");
    put(folder, "backup_20260105-000000.meta.expired", "x");
    put(folder, "backup_20260106-000000.meta", "******* VM *******\n");
    put(folder, "backup_20260107-000000.xva.00c0ffee00000001-1.partial", "half");
    put(folder, "notes.txt", "hello");
    assert_int_equal(store_open(root, NULL, &store, &err), 0);
    assert_int_equal(scan_folder(store, "web1", note, &seen, &err), 0);
    assert_string_equal(str_text(&seen.text),
                        "found backup_20260101-000000.xva 3 web1\n"
                        "stray backup_20260102-000000.xva 5\n"
                        "ours backup_20260103-000000.xva 4 \n"
                        "stray backup_20260104-000000.xva 3\n"
                        "expired backup_20260105-000000.meta.expired 1\n"
                        "expired backup_20260105-000000.xva 5\n"
                        "stray backup_20260106-000000.meta 19\n"
                        "partial backup_20260107-000000.xva.00c0ffee00000001-1.partial 4\n"
                        "stray notes.txt 5\n");
    assert_int_equal(scan_folder(store, "web2", note, &seen, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    str_done(&seen.text);
    CLEAN_CHAR char *clear = str_format("rm -r '%s'", root);
    assert_int_equal(system(clear), 0);
}

static bool knows_web2(void *context, const char *folder, const char *file)
{
    (void)context;
    return strcmp(folder, "web2") == 0 && strcmp(file, "backup_20260105-000000.xva") == 0;
}

static void newer_files_of_the_older_tool_are_found_and_no_others(void **state)
{
    (void)state;
    char root[] = "/tmp/onyx-scan-XXXXXX";
    CLEANUP(store_clean) struct store *store = NULL;
    CLEAN_CHAR char *first = NULL;
    struct error err = ERROR_INIT;
    int64_t since_at = 0;
    size_t n = 0;
    assert_non_null(mkdtemp(root));
    static const char *const folders[] = {"web1", "web2"};
    for (size_t i = 0; i < 2; i++) {
        CLEAN_CHAR char *folder = str_format("%s/%s", root, folders[i]);
        assert_int_equal(mkdir(folder, 0755), 0);
        put(folder, "backup_20260101-000000.xva", "before");
        put(folder, "backup_20260101-000000.meta", "******* VM *******\n");
        put(folder, "backup_20260105-000000.xva", "behind");
        put(folder, "backup_20260105-000000.meta", "******* VM *******\n");
        put(folder, "backup_20260106-000000.xva", "alone");
        put(folder, "backup_20260107-000000.xva", "ours");
        put_ours(folder, "backup_20260107-000000", 4);
    }
    assert_int_equal(clock_parse_stamp("20260103-000000", &since_at, NULL), 0);
    assert_int_equal(store_open(root, NULL, &store, &err), 0);
    assert_int_equal(scan_find_newer(store, "web1", since_at, knows_web2, NULL, &n, &first, &err),
                     0);
    assert_int_equal(n, 1);
    assert_string_equal(first, "web1/backup_20260105-000000.xva");
    assert_int_equal(scan_find_newer(store, "web2", since_at, knows_web2, NULL, &n, &first, &err),
                     0);
    assert_int_equal(n, 1);
    assert_int_equal(scan_find_newer(store, "web3", since_at, NULL, NULL, &n, &first, &err), 0);
    assert_int_equal(n, 1);
    CLEAN_CHAR char *clear = str_format("rm -r '%s'", root);
    assert_int_equal(system(clear), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_the_manual_are_known),
        cmocka_unit_test(other_names_are_not),
        cmocka_unit_test(each_file_is_told_by_whose_it_is),
        cmocka_unit_test(newer_files_of_the_older_tool_are_found_and_no_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
