/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * common/store/root, ops and sums: what is refused, what is never followed.
 */
#include "tests/unit/common/store/share.h"

#include "common/base/fd.h"
#include "common/store/sums.h"

static void store_when_root_is_bad_then_says_what_to_do(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct error err = ERROR_INIT;
    assert_int_equal(store_open("exports", NULL, &store, &err), -1);
    assert_int_equal(err.code, ERROR_SETTINGS);
    assert_int_equal(store_open("/nonexistent/exports", NULL, &store, &err), -1);
    assert_int_equal(err.code, ERROR_STORE_MISSING);
    assert_non_null(strstr(err.text, "mounted"));
}

static void folder_when_name_is_hostile_then_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"",    ".",   "..",  "../x", "a/b", "/etc",
                                        ".ssh", "a\nb", "\x7f", "a/.."};
    struct share share;
    share_init(&share);
    CLEAN_STORE struct store *store = share_store(&share);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct error err = ERROR_INIT;
        int fd = -1;
        assert_int_equal(store_open_folder(store, names[i], true, &fd, &err), -1);
        assert_int_equal(err.code, ERROR_BAD_INPUT);
    }
    char longest[300];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(store_check_name(longest, NULL), -1);
    longest[255] = '\0';
    assert_int_equal(store_check_name(longest, NULL), 0);
    assert_int_equal(store_check_name("web 1 \xc3\xa9", NULL), 0);
    share_done(&share);
}

static void file_when_its_name_leads_elsewhere_then_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"", ".", "..", "../x", "a/b", "/etc/passwd", "a\nb"};
    struct share share;
    share_init(&share);
    CLEAN_STORE struct store *store = share_store(&share);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CLEAN_STR struct str text = STR_INIT;
        struct error read = ERROR_INIT, put = ERROR_INIT, gone = ERROR_INIT, look = ERROR_INIT;
        CLEAN_FD int own = -1;
        uint64_t bytes = 0;
        assert_int_equal(store_open_own(store, true, &own, NULL), 0);
        assert_int_equal(store_read_small(store, own, names[i], &text, &read), -1);
        assert_int_equal(read.code, ERROR_BAD_INPUT);
        assert_int_equal(store_replace_small(store, own, names[i], 0644, "x", 1, &put), -1);
        assert_int_equal(put.code, ERROR_BAD_INPUT);
        assert_int_equal(store_unlink(store, own, names[i], &gone), -1);
        assert_int_equal(gone.code, ERROR_BAD_INPUT);
        assert_int_equal(store_file_size(store, own, names[i], &bytes, &look), -1);
        assert_int_equal(look.code, ERROR_BAD_INPUT);
    }
    share_done(&share);
}

/* A folder's EINVAL is that of a network file system; of anything else it is a failure. */
static void sync_when_it_is_no_folder_then_no_refusal_counts_as_done(void **state)
{
    (void)state;
    const struct store_ops *ops = store_ops_system();
    CLEAN_FD int from = -1;
    CLEAN_FD int to = -1;
    assert_int_equal(fd_pipe(&from, &to, NULL), 0);
    assert_int_equal(ops->sync(ops->context, to), -1);
    assert_int_equal(errno, EINVAL);
}

static void folder_when_it_is_a_link_then_not_followed(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    int fd = -1;
    share_init(&share);
    CLEAN_CHAR char *link = str_format("%s/web1", share.root);
    assert_int_equal(symlink("/etc", link), 0);
    CLEAN_STORE struct store *store = share_store(&share);
    assert_int_equal(store_open_folder(store, "web1", true, &fd, &err), -1);
    assert_int_equal(err.code, ERROR_STORE_FOREIGN);
    share_put(&share, "file", "x");
    assert_int_equal(store_open_folder(store, "file", true, &fd, &err), -1);
    assert_int_equal(err.code, ERROR_STORE_FOREIGN);
    share_done(&share);
}

static void file_when_it_is_a_link_or_fifo_then_not_read(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    share_init(&share);
    share_make_folder(&share, "web1");
    CLEAN_CHAR char *link = str_format("%s/web1/a.meta", share.root);
    CLEAN_CHAR char *fifo = str_format("%s/web1/b.meta", share.root);
    assert_int_equal(symlink("/etc/hostname", link), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    CLEAN_STORE struct store *store = share_store(&share);
    CLEAN_FD int fd = -1;
    CLEAN_STR struct str text = STR_INIT;
    assert_int_equal(store_open_folder(store, "web1", false, &fd, &err), 0);
    assert_int_equal(store_read_small(store, fd, "a.meta", &text, &err), -1);
    assert_int_equal(err.code, ERROR_STORE_FOREIGN);
    assert_int_equal(store_read_small(store, fd, "b.meta", &text, &err), -1);
    assert_int_equal(err.code, ERROR_STORE_FOREIGN);
    assert_int_equal(store_read_small(store, fd, "c.meta", &text, &err), 0);
    assert_int_equal(text.len, 0);
    share_done(&share);
}

/* At every step that can fail the old content or the new is there, and nothing beside it. */
static void replace_when_a_step_fails_then_old_or_new_stands(void **state)
{
    (void)state;
    for (int step = 1; step <= 5; step++) {
        struct share share;
        struct error err = ERROR_INIT;
        share_init(&share);
        share_make_folder(&share, "web1");
        share_put(&share, "web1/note", "old");
        CLEAN_STORE struct store *store = share_store(&share);
        CLEAN_FD int fd = -1;
        CLEAN_STR struct str text = STR_INIT;
        assert_int_equal(store_open_folder(store, "web1", false, &fd, &err), 0);
        share.step = 0;
        share.fail_at = step;
        share.why = ENOSPC;
        int result = store_replace_small(store, fd, "note", 0644, "new", 3, &err);
        assert_int_equal(result, -1);
        assert_int_equal(err.code, ERROR_NO_SPACE);
        assert_int_equal(store_read_small(store, fd, "note", &text, &err), 1);
        assert_string_equal(str_text(&text), step == 5 ? "new" : "old");
        assert_false(share_has(&share, "web1/note.new"));
        share_done(&share);
    }
}

static void sums_when_updated_then_others_stay(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    char a[65], b[65];
    memset(a, 'a', 64);
    memset(b, 'b', 64);
    a[64] = b[64] = '\0';
    share_init(&share);
    CLEAN_STORE struct store *store = share_store(&share);
    struct sums_entry first[] = {{"web1", "1.xva", a}, {"web 2", "1.xva", a}};
    struct sums_entry second[] = {{"web1", "1.xva", NULL}, {"db", "2.xva", b}};
    assert_int_equal(sums_update(store, first, 2, NULL, NULL, &err), 0);
    assert_int_equal(sums_update(store, second, 2, NULL, NULL, &err), 0);
    CLEAN_CHAR char *path = str_format("%s/.onyxpool/SHA256SUMS", share.root);
    CLEAN_CHAR char *want = str_format("%s  web 2/1.xva\n%s  db/2.xva\n", a, b);
    CLEAN_STR struct str text = STR_INIT;
    assert_int_equal(fd_read_file(path, 4096, &text, &err), 0);
    assert_string_equal(str_text(&text), want);
    struct sums_entry hostile = {"..", "x", a};
    assert_int_equal(sums_update(store, &hostile, 1, NULL, NULL, &err), -1);
    share_done(&share);
}

static int web_2_is_gone(void *context, const char *path, struct error *err)
{
    (void)err;
    *(size_t *)context += 1;
    return strcmp(path, "web 2/1.xva") == 0 ? 1 : 0;
}

/* A run that could not write them left lines of files that have gone since. */
static void sums_when_a_file_is_known_to_be_gone_then_its_line_goes_too(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    char a[65];
    size_t asked_n = 0;
    memset(a, 'a', 64);
    a[64] = '\0';
    share_init(&share);
    CLEAN_STORE struct store *store = share_store(&share);
    struct sums_entry first[] = {{"web1", "1.xva", a}, {"web 2", "1.xva", a}, {"other", "1.xva", a}};
    assert_int_equal(sums_update(store, first, 3, NULL, NULL, &err), 0);
    assert_int_equal(sums_update(store, first, 1, web_2_is_gone, &asked_n, &err), 0);
    assert_int_equal(asked_n, 2);
    CLEAN_CHAR char *path = str_format("%s/.onyxpool/SHA256SUMS", share.root);
    CLEAN_CHAR char *want = str_format("%s  other/1.xva\n%s  web1/1.xva\n", a, a);
    CLEAN_STR struct str text = STR_INIT;
    assert_int_equal(fd_read_file(path, 4096, &text, &err), 0);
    assert_string_equal(str_text(&text), want);
    share_done(&share);
}

/* --- a name that nothing has yet --- */

static int no_rename_new(void *context, int folder, const char *from, const char *to)
{
    (void)context;
    (void)folder;
    (void)from;
    (void)to;
    errno = EINVAL;
    return -1;
}

static int no_link(void *context, int folder, const char *from, const char *to)
{
    (void)no_rename_new(context, folder, from, to);
    errno = EPERM;
    return -1;
}

/* Done, and told that it was not: the request was sent again. */
static int lied_rename_new(void *context, int folder, const char *from, const char *to)
{
    (void)context;
    assert_int_equal(store_ops_system()->rename_new(NULL, folder, from, to), 0);
    errno = ENOENT;
    return -1;
}

static int lied_link(void *context, int folder, const char *from, const char *to)
{
    (void)context;
    assert_int_equal(store_ops_system()->link(NULL, folder, from, to), 0);
    errno = EEXIST;
    return -1;
}

#define WAYS_N 5

/* A share, local or SMB; NFS; one without links; the first two when an answer is lost. */
static void share_init_way(struct share *share, int way)
{
    share_init(share);
    if (way == 1 || way == 2 || way == 4)
        share->ops.rename_new = no_rename_new;
    if (way == 2)
        share->ops.link = no_link;
    if (way == 3)
        share->ops.rename_new = lied_rename_new;
    if (way == 4)
        share->ops.link = lied_link;
    share_make_folder(share, "web1");
}

/* The store on such a share, and its folder web1. */
static struct store *share_open_way(struct share *share, int way, int *ret_folder)
{
    struct error err = ERROR_INIT;
    share_init_way(share, way);
    struct store *store = share_store(share);
    assert_int_equal(store_open_folder(store, "web1", false, ret_folder, &err), 0);
    return store;
}

static bool share_reads(const struct share *share, const char *path, const char *text)
{
    CLEAN_CHAR char *full = str_format("%s/%s", share->root, path);
    CLEAN_STR struct str is = STR_INIT;
    return fd_read_file(full, 4096, &is, NULL) == 0 && str_equal(str_text(&is), text);
}

static void rename_new_when_the_name_is_free_then_it_is_given(void **state)
{
    (void)state;
    for (int way = 0; way < WAYS_N; way++) {
        struct share share;
        struct error err = ERROR_INIT;
        CLEAN_FD int folder = -1;
        CLEAN_STORE struct store *store = share_open_way(&share, way, &folder);
        assert_int_equal(store_rename_new(store, folder, "a", "b", &err), 0);
        share_put(&share, "web1/a", "mine");
        assert_int_equal(store_rename_new(store, folder, "a", "b", &err), 1);
        assert_false(share_has(&share, "web1/a"));
        assert_true(share_reads(&share, "web1/b", "mine"));
        assert_int_equal(store_rename_new(store, folder, "a", "b", &err), 0);
        assert_true(share_reads(&share, "web1/b", "mine"));
        assert_int_equal(store_rename_new(store, folder, "b", "../b", &err), -1);
        assert_int_equal(err.code, ERROR_BAD_INPUT);
        share_done(&share);
    }
}

static void rename_new_when_the_name_is_taken_then_refused(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        struct share share;
        struct error err = ERROR_INIT;
        CLEAN_FD int folder = -1;
        CLEAN_STORE struct store *store = share_open_way(&share, way, &folder);
        share_put(&share, "web1/a", "mine");
        share_put(&share, "web1/b", "somebody's");
        assert_int_equal(store_rename_new(store, folder, "a", "b", &err), -1);
        assert_int_equal(err.code, ERROR_EXISTS);
        assert_true(share_reads(&share, "web1/a", "mine"));
        assert_true(share_reads(&share, "web1/b", "somebody's"));
        share_done(&share);
    }
}

/* As who dies between link and unlink leaves it. */
static void rename_new_when_the_file_has_both_names_then_one_is_left(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        struct share share;
        struct error err = ERROR_INIT;
        CLEAN_FD int folder = -1;
        CLEAN_STORE struct store *store = share_open_way(&share, way, &folder);
        share_put(&share, "web1/a", "mine");
        assert_int_equal(linkat(folder, "a", folder, "b", 0), 0);
        assert_int_equal(store_rename_new(store, folder, "a", "b", &err), 1);
        assert_false(share_has(&share, "web1/a"));
        assert_true(share_reads(&share, "web1/b", "mine"));
        share_done(&share);
    }
}

static void rename_new_when_the_share_fails_then_so_does_it(void **state)
{
    (void)state;
    struct share share;
    struct error err = ERROR_INIT;
    CLEAN_FD int folder = -1;
    CLEAN_STORE struct store *store = share_open_way(&share, 0, &folder);
    share_put(&share, "web1/a", "mine");
    share.fail_at = share.step + 1;
    assert_int_equal(store_rename_new(store, folder, "a", "b", &err), -1);
    assert_int_equal(err.code, ERROR_IO);
    assert_true(share_has(&share, "web1/a"));
    share_done(&share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_when_root_is_bad_then_says_what_to_do),
        cmocka_unit_test(folder_when_name_is_hostile_then_refused),
        cmocka_unit_test(file_when_its_name_leads_elsewhere_then_refused),
        cmocka_unit_test(sync_when_it_is_no_folder_then_no_refusal_counts_as_done),
        cmocka_unit_test(folder_when_it_is_a_link_then_not_followed),
        cmocka_unit_test(file_when_it_is_a_link_or_fifo_then_not_read),
        cmocka_unit_test(replace_when_a_step_fails_then_old_or_new_stands),
        cmocka_unit_test(rename_new_when_the_name_is_free_then_it_is_given),
        cmocka_unit_test(rename_new_when_the_name_is_taken_then_refused),
        cmocka_unit_test(rename_new_when_the_file_has_both_names_then_one_is_left),
        cmocka_unit_test(rename_new_when_the_share_fails_then_so_does_it),
        cmocka_unit_test(sums_when_updated_then_others_stay),
        cmocka_unit_test(sums_when_a_file_is_known_to_be_gone_then_its_line_goes_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
