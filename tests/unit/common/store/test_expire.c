/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Removing backups in a real folder: two witnesses, every crash point, foreign files.
 */
#include "common/store/expire.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/format/meta.h"
#include "common/store/root.h"

#define OLD_JOB  "00c0ffee00000001"
#define NEW_JOB  "00c0ffee00000002"
#define OLD      "backup_20261119-202700.xva"
#define OLD_META "backup_20261119-202700.meta"
#define OLD_TOMB "backup_20261119-202700.meta.expired"
#define NEW      "backup_20261122-202700.xva"
#define NEW_META "backup_20261122-202700.meta"

/* A store whose calls that change something stop working at a chosen one: a crash there. */
struct lab {
    char root[64];
    struct store *store;
    struct store_ops ops;
    const struct store_ops *system;
    int left; /* changes that still work; negative: all do */
    struct job job;
};

static bool may_change(struct lab *lab)
{
    if (lab->left < 0)
        return true;
    if (lab->left == 0) {
        errno = EIO;
        return false;
    }
    lab->left--;
    return true;
}

static int lab_open(void *context, int folder, const char *name, int flags, mode_t mode)
{
    struct lab *lab = context;
    return lab->system->open(lab->system->context, folder, name, flags, mode);
}

static ssize_t lab_read(void *context, int fd, void *bytes, size_t n)
{
    struct lab *lab = context;
    return lab->system->read(lab->system->context, fd, bytes, n);
}

static int lab_sync(void *context, int fd)
{
    struct lab *lab = context;
    return may_change(lab) ? lab->system->sync(lab->system->context, fd) : -1;
}

static int lab_rename(void *context, int folder, const char *from, const char *to)
{
    struct lab *lab = context;
    return may_change(lab) ? lab->system->rename(lab->system->context, folder, from, to) : -1;
}

static int lab_unlink(void *context, int folder, const char *name)
{
    struct lab *lab = context;
    return may_change(lab) ? lab->system->unlink(lab->system->context, folder, name) : -1;
}

static int lab_stat(void *context, int folder, const char *name, struct stat *ret)
{
    struct lab *lab = context;
    return lab->system->stat(lab->system->context, folder, name, ret);
}

static void put(const struct lab *lab, const char *name, const char *bytes)
{
    CLEAN_CHAR char *path = str_format("%s/web1/%s", lab->root, name);
    assert_int_equal(fd_replace_file(path, 0644, bytes, strlen(bytes), NULL), 0);
}

static bool has(const struct lab *lab, const char *name)
{
    CLEAN_CHAR char *path = str_format("%s/web1/%s", lab->root, name);
    return access(path, F_OK) == 0;
}

static void drop(const struct lab *lab, const char *name)
{
    CLEAN_CHAR char *path = str_format("%s/web1/%s", lab->root, name);
    assert_int_equal(unlink(path), 0);
}

static void put_meta(const struct lab *lab, const char *name, const char *file, const char *job,
                     uint64_t size)
{
    CLEAN_META struct meta meta = {.is_ours = true, .compress = JOB_COMPRESS_NONE};
    CLEAN_STR struct str text = STR_INIT;
    meta.tool = mem_dup("test");
    meta.backup.file = mem_dup(file);
    meta.backup.kind = JOB_BACKUP_VM;
    meta.backup.size_bytes = size;
    meta.backup.attempt = 1;
    meta.backup.consistency = JOB_CRASH_CONSISTENT;
    meta.backup.proof = mem_dup("blocks");
    meta.backup.sha256 =
        mem_dup("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    str_copy(meta.backup.job, sizeof meta.backup.job, job);
    str_copy(meta.backup.run, sizeof meta.backup.run, job);
    meta_format(&meta, &text);
    put(lab, name, str_text(&text));
}

static void name(struct job_copied *copied, const char *file, uint64_t size, const char *job)
{
    copied->file = mem_dup(file);
    copied->size_bytes = size;
    str_copy(copied->job, sizeof copied->job, job);
}

/* An old backup of 3 bytes, a new one of 4; the job to remove the old for the new. */
static int begin(void **state)
{
    struct lab *lab = mem_zero(1, sizeof *lab);
    str_copy(lab->root, sizeof lab->root, "/tmp/onyx-expire-XXXXXX");
    assert_non_null(mkdtemp(lab->root));
    CLEAN_CHAR char *folder = str_format("%s/web1", lab->root);
    assert_int_equal(mkdir(folder, 0755), 0);
    lab->system = store_ops_system();
    lab->ops = *lab->system;
    lab->ops.open = lab_open;
    lab->ops.read = lab_read;
    lab->ops.sync = lab_sync;
    lab->ops.rename = lab_rename;
    lab->ops.unlink = lab_unlink;
    lab->ops.stat = lab_stat;
    lab->ops.context = lab;
    lab->left = -1;
    assert_int_equal(store_open(lab->root, &lab->ops, &lab->store, NULL), 0);
    put(lab, OLD, "old");
    put_meta(lab, OLD_META, OLD, OLD_JOB, 3);
    put(lab, NEW, "newer");
    put_meta(lab, NEW_META, NEW, NEW_JOB, 5);
    lab->job.kind = JOB_EXPIRE;
    lab->job.folder = mem_dup("web1");
    name(job_add_victim(&lab->job), OLD, 3, OLD_JOB);
    name(job_add_keeper(&lab->job), NEW, 5, NEW_JOB);
    *state = lab;
    return 0;
}

static int end(void **state)
{
    struct lab *lab = *state;
    CLEAN_CHAR char *folder = str_format("%s/web1", lab->root);
    DIR *dir = opendir(folder);
    const struct dirent *item;
    while (dir != NULL && (item = readdir(dir)) != NULL)
        if (item->d_name[0] != '.')
            drop(lab, item->d_name);
    if (dir != NULL)
        closedir(dir);
    (void)rmdir(folder);
    assert_int_equal(rmdir(lab->root), 0);
    store_close(lab->store);
    job_done(&lab->job);
    free(lab);
    return 0;
}

static int run(struct lab *lab, size_t *ret_gone, struct error *err)
{
    CLEAN_TEXT_LIST struct text_list gone = TEXT_LIST_INIT;
    int result = expire_files(lab->store, &lab->job, NULL, NULL, &gone, err);
    *ret_gone = gone.n;
    return result;
}

static void assert_removed(const struct lab *lab)
{
    assert_false(has(lab, OLD) || has(lab, OLD_META) || has(lab, OLD_TOMB));
    assert_true(has(lab, NEW) && has(lab, NEW_META));
}

static void assert_untouched(const struct lab *lab)
{
    assert_true(has(lab, OLD) && has(lab, OLD_META) && !has(lab, OLD_TOMB));
    assert_true(has(lab, NEW) && has(lab, NEW_META));
}

static void the_old_one_goes_when_the_newer_one_is_there(void **state)
{
    struct lab *lab = *state;
    struct error err = ERROR_INIT;
    size_t gone = 0;
    assert_int_equal(run(lab, &gone, &err), 0);
    assert_int_equal(gone, 1);
    assert_removed(lab);
}

static void a_second_expire_finds_nothing_to_do_and_says_so(void **state)
{
    struct lab *lab = *state;
    size_t gone = 0;
    assert_int_equal(run(lab, &gone, NULL), 0);
    assert_int_equal(run(lab, &gone, NULL), 0);
    assert_int_equal(gone, 1);
    assert_removed(lab);
}

static void every_crash_is_continued_and_leaves_no_data_without_a_witness(void **state)
{
    struct lab *lab = *state;
    struct error err = ERROR_INIT;
    size_t gone = 0;
    int failed = 0;
    for (int step = 0;; step++) {
        lab->left = step;
        put(lab, OLD, "old");
        put_meta(lab, OLD_META, OLD, OLD_JOB, 3);
        int result = run(lab, &gone, &err);
        lab->left = -1;
        assert_true(!has(lab, OLD) || has(lab, OLD_META) || has(lab, OLD_TOMB));
        assert_true(has(lab, NEW) && has(lab, NEW_META));
        if (result == 0)
            break;
        failed++;
        assert_int_equal(gone, 0);
        assert_int_equal(err.code, ERROR_IO);
        assert_int_equal(run(lab, &gone, &err), 0);
        assert_int_equal(gone, 1);
        assert_removed(lab);
    }
    assert_int_equal(failed, 6); /* three changes, each made durable */
}

static void nothing_goes_when_the_newer_ones_data_is_missing(void **state)
{
    struct lab *lab = *state;
    struct error err = ERROR_INIT;
    size_t gone = 0;
    drop(lab, NEW);
    assert_int_equal(run(lab, &gone, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_int_equal(gone, 0);
    assert_true(has(lab, OLD) && has(lab, OLD_META));
}

static void nothing_goes_when_the_newer_ones_meta_is_missing(void **state)
{
    struct lab *lab = *state;
    struct error err = ERROR_INIT;
    size_t gone = 0;
    drop(lab, NEW_META);
    assert_int_equal(run(lab, &gone, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_true(has(lab, OLD) && has(lab, OLD_META));
}

static void nothing_goes_when_the_newer_one_was_cut(void **state)
{
    struct lab *lab = *state;
    struct error err = ERROR_INIT;
    size_t gone = 0;
    put(lab, NEW, "newe");
    assert_int_equal(run(lab, &gone, &err), -1);
    assert_int_equal(err.code, ERROR_CORRUPT);
    assert_non_null(strstr(err.text, "4 bytes, not 5"));
    assert_untouched(lab);
}

static void nothing_goes_when_the_newer_ones_meta_is_another_jobs(void **state)
{
    struct lab *lab = *state;
    struct error err = ERROR_INIT;
    size_t gone = 0;
    put_meta(lab, NEW_META, NEW, OLD_JOB, 5);
    assert_int_equal(run(lab, &gone, &err), -1);
    assert_int_equal(err.code, ERROR_CORRUPT);
    assert_untouched(lab);
}

static void nothing_goes_when_no_newer_one_is_named(void **state)
{
    struct lab *lab = *state;
    struct error err = ERROR_INIT;
    size_t gone = 0;
    free(lab->job.keepers[0].file);
    lab->job.keepers_n = 0;
    assert_int_equal(run(lab, &gone, &err), -1);
    assert_untouched(lab);
}

static void data_without_meta_stays(void **state)
{
    struct lab *lab = *state;
    struct error err = ERROR_INIT;
    size_t gone = 0;
    drop(lab, OLD_META);
    assert_int_equal(run(lab, &gone, &err), -1);
    assert_int_equal(err.code, ERROR_STORE_FOREIGN);
    assert_int_equal(gone, 0);
    assert_true(has(lab, OLD));
}

static void a_file_of_another_size_or_job_stays(void **state)
{
    struct lab *lab = *state;
    struct error err = ERROR_INIT;
    size_t gone = 0;
    put(lab, OLD, "older");
    assert_int_equal(run(lab, &gone, &err), -1);
    assert_int_equal(err.code, ERROR_STORE_FOREIGN);
    assert_untouched(lab);
    put(lab, OLD, "old");
    put_meta(lab, OLD_META, OLD, NEW_JOB, 3);
    assert_int_equal(run(lab, &gone, &err), -1);
    assert_int_equal(err.code, ERROR_STORE_FOREIGN);
    assert_untouched(lab);
    put(lab, OLD_META, "******* VM *******\nname_label=web1\n");
    assert_int_equal(run(lab, &gone, &err), -1);
    assert_int_equal(err.code, ERROR_STORE_FOREIGN);
    assert_untouched(lab);
}

static void a_tombstone_that_is_anothers_protects_the_data(void **state)
{
    struct lab *lab = *state;
    struct error err = ERROR_INIT;
    size_t gone = 0;
    drop(lab, OLD_META);
    put_meta(lab, OLD_TOMB, OLD, NEW_JOB, 3);
    assert_int_equal(run(lab, &gone, &err), -1);
    assert_int_equal(err.code, ERROR_STORE_FOREIGN);
    assert_true(has(lab, OLD) && has(lab, OLD_TOMB));
}

static void a_found_one_goes_only_with_an_older_tools_meta(void **state)
{
    struct lab *lab = *state;
    struct error err = ERROR_INIT;
    size_t gone = 0;
    lab->job.victims[0].job[0] = '\0';
    assert_int_equal(run(lab, &gone, &err), -1);
    assert_untouched(lab);
    put(lab, OLD_META, "******* VM *******\nname_label=web1\n");
    assert_int_equal(run(lab, &gone, &err), 0);
    assert_removed(lab);
}

static void the_others_go_when_one_is_refused(void **state)
{
    struct lab *lab = *state;
    struct error err = ERROR_INIT;
    size_t gone = 0;
    put(lab, "backup_20261120-202700.xva", "odd");
    name(job_add_victim(&lab->job), "backup_20261120-202700.xva", 3, OLD_JOB);
    put(lab, "backup_20261121-202700.xva", "mid");
    put_meta(lab, "backup_20261121-202700.meta", "backup_20261121-202700.xva", OLD_JOB, 3);
    name(job_add_victim(&lab->job), "backup_20261121-202700.xva", 3, OLD_JOB);
    assert_int_equal(run(lab, &gone, &err), -1);
    assert_int_equal(gone, 2);
    assert_true(has(lab, "backup_20261120-202700.xva"));
    assert_false(has(lab, "backup_20261121-202700.xva"));
    assert_removed(lab);
}

static bool second_time(void *context)
{
    int *n = context;
    return ++*n > 1;
}

static void a_cancel_stops_between_two(void **state)
{
    struct lab *lab = *state;
    CLEAN_TEXT_LIST struct text_list gone = TEXT_LIST_INIT;
    struct error err = ERROR_INIT;
    int asked = 0;
    name(job_add_victim(&lab->job), "backup_20261120-202700.xva", 3, OLD_JOB);
    assert_int_equal(expire_files(lab->store, &lab->job, second_time, &asked, &gone, &err), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
    assert_int_equal(gone.n, 1);
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
    struct lab *lab = *state;
    static const char *const names[] = {("../web2/" OLD), ".meta", "", "a/b"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct error err = ERROR_INIT;
        size_t gone = 0;
        mem_set(&lab->job.victims[0].file, names[i]);
        assert_int_equal(run(lab, &gone, &err), -1);
        assert_int_equal(err.code, ERROR_BAD_INPUT);
        assert_untouched(lab);
    }
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
    struct lab *lab = *state;
    struct error err = ERROR_INIT;
    size_t gone = 0;
    mem_set(&lab->job.folder, "web2");
    assert_int_equal(run(lab, &gone, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_old_one_goes_when_the_newer_one_is_there),
        CASE(a_second_expire_finds_nothing_to_do_and_says_so),
        CASE(every_crash_is_continued_and_leaves_no_data_without_a_witness),
        CASE(nothing_goes_when_the_newer_ones_data_is_missing),
        CASE(nothing_goes_when_the_newer_ones_meta_is_missing),
        CASE(nothing_goes_when_the_newer_one_was_cut),
        CASE(nothing_goes_when_the_newer_ones_meta_is_another_jobs),
        CASE(nothing_goes_when_no_newer_one_is_named),
        CASE(data_without_meta_stays),
        CASE(a_file_of_another_size_or_job_stays),
        CASE(a_tombstone_that_is_anothers_protects_the_data),
        CASE(a_found_one_goes_only_with_an_older_tools_meta),
        CASE(the_others_go_when_one_is_refused),
        CASE(a_cancel_stops_between_two),
        CASE(names_that_lead_elsewhere_are_refused),
        CASE(a_folder_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
