/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What verify jobs found, by folder: written, read, odd lines passed over, and reading of whole files.
 */
#include "common/store/verdicts.h"

#include <string.h>
#include <sys/stat.h>

#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/store/reader.h"
#include "common/store/root.h"
#include "common/store/sums.h"
#include "tests/unit/common/store/share.h"

#define SUM "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static int begin(void **state)
{
    struct share *share = mem_zero(1, sizeof *share);
    share_init(share);
    *state = share;
    return 0;
}

static int end(void **state)
{
    share_done(*state);
    free(*state);
    return 0;
}

static int add_line(void *context, const struct verdicts_entry *entry, struct error *err)
{
    (void)err;
    str_add_format(context, "%s|%s|%lld|%llu|%s|%s|%s\n", entry->verdict.file,
                   job_verdict_name(entry->verdict.kind), (long long)entry->at,
                   (unsigned long long)entry->size_bytes,
                   entry->verdict.sha256 ? entry->verdict.sha256 : "NULL",
                   entry->verdict.proof ? entry->verdict.proof : "NULL",
                   entry->verdict.text ? entry->verdict.text : "NULL");
    return 0;
}

static void what_was_written_is_read(void **state)
{
    struct share *share = *state;
    CLEAN_STORE struct store *store = share_store(share);
    CLEAN_STR struct str back = STR_INIT;
    char good[] = "backup_1.xva", bad[] = "backup_2.raw", sum[] = SUM, proof[] = "blocks";
    char text[] = "its sha256 is\ta,\nits .meta says b";
    const struct verdicts_entry entries[] = {
        {.verdict = {JOB_VERDICT_PROVEN, good, proof, sum, NULL}, .size_bytes = 5, .at = 1000},
        {.verdict = {JOB_VERDICT_DAMAGED, bad, NULL, NULL, text}, .size_bytes = 0, .at = 2000},
    };
    assert_int_equal(verdicts_write(store, "web1", entries, 2, NULL), 0);
    int steps = share->step;
    assert_int_equal(verdicts_write(store, "web1", entries, 2, NULL), 0);
    assert_int_equal(share->step, steps); /* the same again costs nothing */
    assert_int_equal(verdicts_read(store, "web1", add_line, &back, NULL), 0);
    assert_string_equal(str_text(&back),
                        "backup_1.xva|proven|1000|5|" SUM "|blocks|NULL\n"
                        "backup_2.raw|damaged|2000|0|NULL|NULL|its sha256 is a, its .meta says b\n");
    str_clear(&back);
    assert_int_equal(verdicts_read(store, "web2", add_line, &back, NULL), 0);
    assert_int_equal(verdicts_write(store, "web1", NULL, 0, NULL), 0);
    assert_int_equal(verdicts_read(store, "web1", add_line, &back, NULL), 0);
    assert_int_equal(back.len, 0);
}

static void odd_lines_are_passed_over(void **state)
{
    static const char *const lines[] = {
        "backup_1.xva", "backup_1.xva\tproven\tnever\t5\t-\t-\t-",
        "backup_1.xva\tgood\t2026-11-22T20:27:34Z\t5\t-\t-\t-",
        "backup_1.xva\tproven\t2026-11-22T20:27:34Z\t-5\t-\t-\t-",
        "backup_1.xva\tproven\t2026-11-22T20:27:34Z\t5\tabc\t-\t-",
        "../x\tproven\t2026-11-22T20:27:34Z\t5\t-\t-\t-",
    };
    struct share *share = *state;
    CLEAN_STORE struct store *store = share_store(share);
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_STR struct str back = STR_INIT;
    CLEAN_FD int own = -1, state_fd = -1, fd = -1;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        str_add_format(&text, "%s\n", lines[i]);
    str_add(&text, "backup_3.xva\treadable\t2026-11-22T20:27:34Z\t7\t" SUM "\t-\tno size");
    assert_int_equal(verdicts_write(store, "web1", NULL, 0, NULL), 0);
    assert_int_equal(store_open_own(store, true, &own, NULL), 0);
    assert_int_equal(store_open_below(store, own, "state", true, &state_fd, NULL), 0);
    assert_int_equal(store_open_below(store, state_fd, VERDICTS_FOLDER, true, &fd, NULL), 0);
    assert_int_equal(store_replace_small(store, fd, "web1", 0644, text.data, text.len, NULL), 0);
    assert_int_equal(verdicts_read(store, "web1", add_line, &back, NULL), 0);
    assert_string_equal(str_text(&back),
                        "backup_3.xva|readable|1795379254000|7|" SUM "|NULL|no size\n");
}

static void a_folder_of_a_bad_name_is_refused(void **state)
{
    CLEAN_STORE struct store *store = share_store(*state);
    struct error err = ERROR_INIT;
    assert_int_equal(verdicts_read(store, "../web1", add_line, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_BAD_INPUT);
}

static void the_digest_of_one_file_is_found_among_many(void **state)
{
    CLEAN_STORE struct store *store = share_store(*state);
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_CHAR char *sum = NULL;
    CLEAN_FD int own = -1;
    assert_int_equal(sums_find(store, "web1", "a.xva", &sum, NULL), 0); /* no such file yet */
    for (int i = 0; i < 5000; i++) /* several times what is held at once */
        str_add_format(&text, SUM "  vm%d/backup_20261122-202734.xva\n", i);
    str_add_format(&text, "%064d  web1/a.xva\n" SUM "  web1/a.xva2", 7);
    assert_int_equal(store_open_own(store, true, &own, NULL), 0);
    assert_int_equal(store_replace_small(store, own, SUMS_FILE, 0644, text.data, text.len, NULL), 0);
    assert_int_equal(sums_find(store, "web1", "a.xva", &sum, NULL), 1);
    assert_int_equal(strlen(sum), 64);
    assert_int_equal(sum[63], '7');
    mem_free_char(&sum);
    assert_int_equal(sums_find(store, "web1", "a.xva2", &sum, NULL), 1); /* no line feed behind it */
    mem_free_char(&sum);
    assert_int_equal(sums_find(store, "vm4999", "backup_20261122-202734.xva", &sum, NULL), 1);
    mem_free_char(&sum);
    assert_int_equal(sums_find(store, "web1", "a.xv", &sum, NULL), 0);
}

static void a_file_is_read_to_its_end_and_nothing_else_is_opened(void **state)
{
    CLEAN_STORE struct store *store = share_store(*state);
    CLEAN_READER struct reader *reader = NULL;
    struct error err = ERROR_INIT;
    CLEAN_FD int folder = -1;
    char bytes[4];
    assert_int_equal(store_open_folder(store, "web1", true, &folder, NULL), 0);
    assert_int_equal(store_replace_small(store, folder, "a.xva", 0644, "abcdef", 6, NULL), 0);
    assert_int_equal(reader_open(store, folder, "a.xva", &reader, NULL), 0);
    assert_int_equal(reader_read(reader, bytes, 4, NULL), 4);
    assert_int_equal(reader_read(reader, bytes, 4, NULL), 2);
    assert_memory_equal(bytes, "ef", 2);
    assert_int_equal(reader_read(reader, bytes, 4, NULL), 0);
    reader_clean(&reader);
    assert_int_equal(reader_open(store, folder, "b.xva", &reader, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_int_equal(symlinkat("a.xva", folder, "link.xva"), 0);
    assert_int_equal(reader_open(store, folder, "link.xva", &reader, &err), -1);
    assert_int_equal(err.code, ERROR_STORE_FOREIGN);
    assert_int_equal(mkfifoat(folder, "fifo.xva", 0600), 0);
    assert_int_equal(reader_open(store, folder, "fifo.xva", &reader, &err), -1);
    assert_int_equal(err.code, ERROR_STORE_FOREIGN);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_written_is_read),
        CASE(odd_lines_are_passed_over),
        CASE(a_folder_of_a_bad_name_is_refused),
        CASE(the_digest_of_one_file_is_found_among_many),
        CASE(a_file_is_read_to_its_end_and_nothing_else_is_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
