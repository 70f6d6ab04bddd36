/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A store with an older tool's files, and crontabs that start it.
 */
#include "coordinator/adopt.h"

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
#include "coordinator/catalog/catalog.h"

#define OLD_META "******* VM *******\nname_label=web1\norig_uuid=7d9f2a34-52ab-4f6e-8d0b-000000000001\n"

struct lab {
    char folder[64];
    char *store_path;
    struct store *store;
    struct catalog *catalog;
};

static int begin(void **state)
{
    struct lab *lab = mem_zero(1, sizeof *lab);
    str_copy(lab->folder, sizeof lab->folder, "/tmp/onyx-adopt-XXXXXX");
    assert_non_null(mkdtemp(lab->folder));
    CLEAN_CHAR char *catalog = str_format("%s/catalog.db", lab->folder);
    lab->store_path = str_format("%s/store", lab->folder);
    CLEAN_CHAR char *web1 = str_format("%s/web1", lab->store_path);
    assert_int_equal(mkdir(lab->store_path, 0755), 0);
    assert_int_equal(mkdir(web1, 0755), 0);
    assert_int_equal(catalog_open(catalog, CATALOG_WRITE, &lab->catalog, NULL), 0);
    assert_int_equal(store_open(lab->store_path, NULL, &lab->store, NULL), 0);
    *state = lab;
    return 0;
}

static int end(void **state)
{
    struct lab *lab = *state;
    CLEAN_CHAR char *clear = str_format("rm -r '%s'", lab->folder);
    catalog_close(&lab->catalog);
    store_close(lab->store);
    assert_int_equal(system(clear), 0);
    free(lab->store_path);
    free(lab);
    return 0;
}

static void put(const char *folder, const char *name, const char *bytes)
{
    CLEAN_CHAR char *path = str_format("%s/%s", folder, name);
    assert_int_equal(fd_replace_file(path, 0644, bytes, strlen(bytes), NULL), 0);
}

static void put_old(const struct lab *lab, const char *stamp)
{
    CLEAN_CHAR char *folder = str_format("%s/web1", lab->store_path);
    CLEAN_CHAR char *data = str_format("backup_%s.xva", stamp);
    CLEAN_CHAR char *meta = str_format("backup_%s.meta", stamp);
    put(folder, data, "old");
    put(folder, meta, OLD_META);
}

struct seen {
    struct str text;
    int64_t newest_at;
};

static int note(void *context, const struct backup *backup, struct error *err)
{
    struct seen *seen = context;
    (void)err;
    if (backup->snapshot_at > seen->newest_at)
        seen->newest_at = backup->snapshot_at;
    str_add_format(&seen->text, "%s %s/%s %s %s %llu; ", backup_state_name(backup->state),
                   backup->folder, backup->file, job_kind_name(backup->kind),
                   backup->vm_name ? backup->vm_name : "?", (unsigned long long)backup->size_bytes);
    return 0;
}

static char *rows(struct lab *lab, int64_t *ret_newest_at)
{
    struct seen seen = {.text = STR_INIT};
    assert_int_equal(catalog_each_backup(lab->catalog, NULL, note, &seen, NULL), 0);
    if (ret_newest_at)
        *ret_newest_at = seen.newest_at;
    return str_take(&seen.text);
}

static void add_run(struct lab *lab, int64_t started_at)
{
    CLEAN_CATALOG_RUN struct catalog_run run = {.state = CATALOG_RUN_DONE};
    run.selection = mem_dup("all");
    run.started_at = started_at;
    str_copy(run.id, sizeof run.id, "00000000000000aa");
    assert_int_equal(catalog_add_run(lab->catalog, &run, NULL), 0);
}

static void an_older_tools_files_become_found_ones(void **state)
{
    struct lab *lab = *state;
    CLEAN_ADOPT_RESULT struct adopt_result result = {.known_n = 0};
    CLEAN_ADOPT_RESULT struct adopt_result again = {.known_n = 0};
    int64_t newest_at = 0, expected_at = 0;
    put_old(lab, "20260101-010203");
    CLEAN_CHAR char *web1 = str_format("%s/web1", lab->store_path);
    put(web1, "backup_20260102-000000.xva", "no meta");
    assert_int_equal(adopt_store(lab->catalog, lab->store, false, &result, NULL), 0);
    assert_int_equal(result.found.n, 1);
    assert_int_equal(result.found_bytes, 3);
    assert_int_equal(result.strays.n, 1);
    assert_string_equal(result.strays.items[0], "web1/backup_20260102-000000.xva");
    CLEAN_CHAR char *told = rows(lab, &newest_at);
    assert_string_equal(told, "found web1/backup_20260101-010203.xva vm-export web1 3; ");
    assert_int_equal(clock_parse_stamp("20260101-010203", &expected_at, NULL), 0);
    assert_int_equal(newest_at, expected_at);
    assert_int_equal(adopt_store(lab->catalog, lab->store, false, &again, NULL), 0);
    assert_int_equal(again.known_n, 1);
    assert_int_equal(again.found.n, 0);
}

static void files_that_are_gone_protect_nothing_any_more(void **state)
{
    struct lab *lab = *state;
    CLEAN_ADOPT_RESULT struct adopt_result result = {.known_n = 0};
    CLEAN_ADOPT_RESULT struct adopt_result again = {.known_n = 0};
    put_old(lab, "20260101-010203");
    assert_int_equal(adopt_store(lab->catalog, lab->store, false, &result, NULL), 0);
    CLEAN_CHAR char *data = str_format("%s/web1/backup_20260101-010203.xva", lab->store_path);
    assert_int_equal(unlink(data), 0);
    assert_int_equal(adopt_store(lab->catalog, lab->store, false, &again, NULL), 0);
    assert_int_equal(again.missing.n, 1);
    CLEAN_CHAR char *told = rows(lab, NULL);
    assert_string_equal(told, "damaged web1/backup_20260101-010203.xva vm-export web1 3; ");
}

static void a_folder_that_the_older_tool_still_writes_to_is_refused(void **state)
{
    struct lab *lab = *state;
    CLEAN_ADOPT_RESULT struct adopt_result result = {.known_n = 0};
    CLEAN_ADOPT_RESULT struct adopt_result forced = {.known_n = 0};
    struct error err = ERROR_INIT;
    int64_t at = 0;
    put_old(lab, "20260101-010203");
    assert_int_equal(clock_parse_stamp("20251231-010203", &at, NULL), 0);
    add_run(lab, at);
    assert_int_equal(adopt_store(lab->catalog, lab->store, false, &result, &err), -1);
    assert_int_equal(err.code, ERROR_STORE_FOREIGN);
    assert_non_null(strstr(err.text, "--force-shared-folder"));
    CLEAN_CHAR char *told = rows(lab, NULL);
    assert_string_equal(told, "");
    assert_int_equal(adopt_store(lab->catalog, lab->store, true, &forced, &err), 0);
    assert_int_equal(forced.found.n, 1);
}

static void ours_come_back_into_an_empty_catalog(void **state)
{
    struct lab *lab = *state;
    CLEAN_ADOPT_RESULT struct adopt_result result = {.known_n = 0};
    CLEAN_META struct meta meta = {.is_ours = true, .compress = JOB_COMPRESS_NONE};
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_CHAR char *web1 = str_format("%s/web1", lab->store_path);
    meta.tool = mem_dup("test");
    meta.backup.file = mem_dup("backup_20260103-000000.xva");
    meta.backup.kind = JOB_BACKUP_VM;
    meta.backup.size_bytes = 4;
    meta.backup.attempt = 1;
    meta.backup.consistency = JOB_CRASH_CONSISTENT;
    meta.backup.proof = mem_dup("blocks");
    meta.backup.vm_name = mem_dup("web1");
    meta.backup.sha256 =
        mem_dup("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    str_copy(meta.backup.job, sizeof meta.backup.job, "00c0ffee00000001");
    str_copy(meta.backup.run, sizeof meta.backup.run, "00c0ffee00000002");
    meta_format(&meta, &text);
    put(web1, "backup_20260103-000000.xva", "ours");
    put(web1, "backup_20260103-000000.meta", str_text(&text));
    assert_int_equal(adopt_store(lab->catalog, lab->store, false, &result, NULL), 0);
    assert_int_equal(result.regained.n, 1);
    CLEAN_CHAR char *told = rows(lab, NULL);
    assert_int_equal(strncmp(told, "proven web1/backup_20260103-000000.xva vm-export", 47), 0);
}

static void cron_lines_of_the_older_tool_are_found_and_ours_are_not(void **state)
{
    struct lab *lab = *state;
    CLEAN_TEXT_LIST struct text_list lines = TEXT_LIST_INIT;
    CLEAN_CHAR char *etc = str_format("%s/etc", lab->folder);
    CLEAN_CHAR char *cron_d = str_format("%s/cron.d", etc);
    CLEAN_CHAR char *spool = str_format("%s/spool", lab->folder);
    CLEAN_CHAR char *program = str_format("%s/onyxpool", lab->folder);
    CLEAN_CHAR char *own = str_format("%s/onyxbackup-vm.py", lab->folder);
    CLEAN_CHAR char *own_line =
        str_format("10 0 * * * root %s -l warning >/dev/null 2>&1\n", own);
    assert_int_equal(mkdir(etc, 0755), 0);
    assert_int_equal(mkdir(cron_d, 0755), 0);
    assert_int_equal(mkdir(spool, 0755), 0);
    put(lab->folder, "onyxpool", "");
    assert_int_equal(symlink(program, own), 0);
    put(etc, "crontab", "# 1 1 * * * root /old/onyxbackup-vm.py\n5 4 * * * root /bin/true\n");
    put(cron_d, "backup", "10 0 * * 6 root /mnt/onyx/onyxbackup-vm.py >/dev/null 2>&1\n");
    put(cron_d, "ours", own_line);
    put(spool, "root", "0 1 * * * ./onyxbackup-vm.py -e 'x'\n");
    adopt_find_cron(etc, spool, &lines);
    assert_int_equal(lines.n, 2);
    assert_non_null(strstr(lines.items[0], "cron.d/backup: 10 0 * * 6 root /mnt/onyx/"));
    assert_non_null(strstr(lines.items[1], "./root: 0 1 * * * ./onyxbackup-vm.py -e 'x'"));
    CLEAN_TEXT_LIST struct text_list none = TEXT_LIST_INIT;
    adopt_find_cron("/nowhere", "/nowhere", &none);
    assert_int_equal(none.n, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_older_tools_files_become_found_ones),
        CASE(files_that_are_gone_protect_nothing_any_more),
        CASE(a_folder_that_the_older_tool_still_writes_to_is_refused),
        CASE(ours_come_back_into_an_empty_catalog),
        CASE(cron_lines_of_the_older_tool_are_found_and_ours_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
