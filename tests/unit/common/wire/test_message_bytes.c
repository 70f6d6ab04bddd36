/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages at their ceilings, and bytes that nobody of ours wrote.
 */
#include "common/wire/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/common/wire/samples.h"

#define assert_text_has(text, part) assert_non_null(strstr(text, part))

/* ---- ceilings ---- */

static void a_long_list_is_told_in_turns_when_one_message_is_too_small(void **state)
{
    (void)state;
    enum { REPORTS = 400 };
    CLEAN_WIRE_SYNC struct wire_sync sync = {.seq = 1};
    bool is_seen[REPORTS] = {false};
    size_t first = 0;
    size_t turns = 0;
    sync.version = mem_dup("1");
    for (size_t i = 0; i < REPORTS; i++) {
        struct job_report *report = wire_sync_add_report(&sync);
        sample_report_done(report);
        CLEAN_CHAR char *id = str_format("%016zx", i);
        str_copy(report->id, sizeof report->id, id);
        for (size_t k = 0; k < 3; k++)
            text_list_add_format(&report->warnings, "%0500zu", k);
    }
    for (size_t told = 0; told < REPORTS; turns++) {
        CLEAN_WIRE_SYNC struct wire_sync back = {0};
        CLEAN_STR struct str bytes = STR_INIT;
        struct wire_packed packed;
        struct error err = ERROR_INIT;
        assert_int_equal(wire_sync_pack(&sync, first, &bytes, &packed, &err), 0);
        assert_true(bytes.len <= WIRE_BODY_MAX);
        assert_true(packed.reports_n > 0);
        assert_int_equal(wire_sync_unpack(bytes.data, bytes.len, &back, &err), 0);
        assert_true(back.is_partial);
        assert_int_equal(back.reports_n, packed.reports_n);
        for (size_t i = 0; i < back.reports_n; i++)
            is_seen[strtoul(back.reports[i].id, NULL, 16)] = true;
        first += packed.reports_n;
        told += packed.reports_n;
    }
    assert_true(turns > 5);
    for (size_t i = 0; i < REPORTS; i++)
        assert_true(is_seen[i]);
}

static void warnings_are_cut_and_counted_when_there_are_too_many(void **state)
{
    (void)state;
    CLEAN_WIRE_NOTE struct wire_note note = {.kind = WIRE_NOTE_REPORT};
    CLEAN_WIRE_NOTE struct wire_note back = {0};
    CLEAN_STR struct str bytes = STR_INIT;
    sample_report_done(&note.report);
    for (size_t i = 0; i < 999; i++)
        text_list_add_format(&note.report.warnings, "%02000zu", i);
    assert_int_equal(wire_note_pack(&note, &bytes, NULL), 0);
    assert_int_equal(wire_note_unpack(bytes.data, bytes.len, &back, NULL), 0);
    assert_int_equal(back.report.warnings.n, WIRE_WARNINGS_MAX);
    assert_int_equal(strlen(back.report.warnings.items[1]), WIRE_PEOPLE_MAX);
    assert_string_equal(back.report.warnings.items[WIRE_WARNINGS_MAX - 1], "(969 more warnings)");
}

static void the_largest_report_fits_a_sync(void **state)
{
    (void)state;
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    CLEAN_WIRE_SYNC struct wire_sync back = {0};
    CLEAN_STR struct str bytes = STR_INIT;
    struct wire_packed packed;
    struct error err = ERROR_INIT;
    sample_sync(&sync);
    mem_set(&sync.store.root, NULL);
    CLEAN_CHAR char *root = str_format("/%01023d", 1);
    mem_set(&sync.store.root, root);
    error_set(&sync.store.error, ERROR_IO, "%0900d", 1);
    struct job_report *report = &sync.reports[0];
    while (report->files_n < WIRE_FILES_MAX) {
        struct job_file *file = job_report_add_file(report);
        file->name = str_format("%0128zu", report->files_n);
        file->size_bytes = UINT64_C(1) << 60;
        file->sha256 = mem_dup(SAMPLE_SHA);
        file->proof = str_format("%016d", 1);
    }
    for (size_t i = 0; i < 40; i++)
        text_list_add_format(&report->warnings, "%01500zu", i);
    assert_int_equal(wire_sync_pack(&sync, 0, &bytes, &packed, &err), 0);
    assert_true(packed.reports_n >= 1);
    assert_int_equal(wire_sync_unpack(bytes.data, bytes.len, &back, &err), 0);
    assert_int_equal(back.reports[0].files_n, WIRE_FILES_MAX);
    assert_text_has(back.reports[0].warnings.items[back.reports[0].warnings.n - 1],
                    "more warnings");
}

static void orders_keep_the_ceiling_when_many_jobs_are_assigned(void **state)
{
    (void)state;
    CLEAN_WIRE_ORDERS struct wire_orders orders = {.next_ms = 1000};
    CLEAN_WIRE_ORDERS struct wire_orders back = {0};
    CLEAN_STR struct str bytes = STR_INIT;
    struct error err = ERROR_INIT;
    for (size_t i = 0; i < 10; i++)
        sample_cleanup_job(wire_orders_add_job(&orders), 150);
    for (size_t i = 0; i < 1000; i++)
        wire_orders_add_forget(&orders, "00c0ffee00000005", 3);
    assert_int_equal(wire_orders_pack(&orders, &bytes, &err), 0);
    assert_true(bytes.len <= WIRE_BODY_MAX);
    assert_int_equal(wire_orders_unpack(bytes.data, bytes.len, &back, &err), 0);
    assert_true(back.assign_n >= 1 && back.assign_n < 10);
    assert_int_equal(back.forget_n, WIRE_LIST_MAX);
}

static void a_job_that_can_not_cross_says_so(void **state)
{
    (void)state;
    CLEAN_JOB struct job job = {.id = ""};
    struct error err = ERROR_INIT;
    sample_cleanup_job(&job, JOB_REMAINS_MAX);
    assert_int_equal(wire_job_check(&job, &err), 0);
    for (size_t i = 0; i < job.remains_n; i++) {
        free(job.remains[i].folder);
        job.remains[i].folder = str_format("%0250d", 1);
    }
    assert_int_equal(wire_job_check(&job, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
    assert_text_has(err.text, "remains");
}

static void texts_for_people_are_mended_when_they_are_no_utf8(void **state)
{
    (void)state;
    CLEAN_WIRE_NOTE struct wire_note note = {.kind = WIRE_NOTE_LOG};
    CLEAN_WIRE_NOTE struct wire_note back = {0};
    CLEAN_STR struct str bytes = STR_INIT;
    sample_log(&note.line);
    mem_set(&note.line.text, "caf\xc3\xa9 \xff\xc3");
    assert_int_equal(wire_note_pack(&note, &bytes, NULL), 0);
    assert_int_equal(wire_note_unpack(bytes.data, bytes.len, &back, NULL), 0);
    assert_string_equal(back.line.text, "caf\xc3\xa9 ??");
}

/* ---- bytes that nobody of ours wrote ---- */

static int unpack_any(int which, const void *bytes, size_t n, struct error *err)
{
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    CLEAN_WIRE_NOTE struct wire_note note = {0};
    if (which == 0)
        return wire_sync_unpack(bytes, n, &sync, err);
    return which == 1 ? wire_orders_unpack(bytes, n, &orders, err)
                      : wire_note_unpack(bytes, n, &note, err);
}

static void hand_made_bytes_are_refused_by_rule(void **state)
{
    (void)state;
    static const struct {
        int which;
        const char *bytes;
        size_t n;
        const char *why;
    } cases[] = {
        {0, "", 0, "sync.seq"},
        {1, "", 0, "orders.next_ms"},
        {2, "", 0, "one of task, report, log and pace"},
        {0, "\xff\xff\xff\xff", 4, "no message"},
        {0,
         "\x08\x01\x12\x03"
         "a\0b",
         7, "version: holds a NUL"},
        {0, "\x08\x01\x12\x02\xc3\x28", 6, "version: is no UTF-8"},
        {0, "\x08\x01\x12\x00", 4, "sync.version: is empty"},
        {0,
         "\x08\x01\x12\x7f"
         "a",
         5, "no message"},
        {1, "\x40\x01", 2, "orders.next_ms: is out of range"},
        {1,
         "\x1a\x03"
         "abc\x40\xe8\x07",
         8, "orders.store_root: is not an absolute path"},
        {1, "\x40\xe8\x07\x2a\x00", 5, "job.id"},
        {2, "\x12\x00\x1a\x00", 4, "one of task, report, log and pace"},
        {2, "\x1a\x06\x08\x01\x10\xff\xff\x03", 8, "level: is out of range"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(unpack_any(cases[i].which, cases[i].bytes, cases[i].n, &err), -1);
        assert_int_equal(err.code, ERROR_PROTOCOL);
        assert_text_has(err.text, cases[i].why);
    }
}

/* A coordinator that is not ours checks nothing before it packs: the bytes themselves are changed. */
static void names_that_lead_out_of_the_store_are_refused_by_the_agent(void **state)
{
    static const struct {
        const char *field;
        const char *good;
        const char *bad;
    } cases[] = {
        {"job.folder", "folder-name-1", "../../../etc/"}, {"job.folder", "folder-name-1", "/etc/cron.d/x"},
        {"job.folder", "folder-name-1", "a/../../b/../"}, {"job.folder", "folder-name-1", ".onyxpool-abc"},
        {"job.stem", "the-file-stem", "../file-stem1"},   {"job.stem", "the-file-stem", "/tmp/the-stem"},
        {"job.stem", "the-file-stem", "a/the-file-st"},   {"disk.device", "xvd-device-01", "../../dev/sda"},
        {"orders.store_root", "/store-root-1", "../store-root"},
        {"orders.store_root", "/store-root-1", "/mnt/../etc/x"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEAN_WIRE_ORDERS struct wire_orders orders = {.next_ms = 1000};
        CLEAN_WIRE_ORDERS struct wire_orders back = {0};
        CLEAN_STR struct str bytes = STR_INIT;
        struct error err = ERROR_INIT;
        orders.store_root = mem_dup("/store-root-1");
        struct job *job = wire_orders_add_job(&orders);
        sample_vm_job(job);
        mem_set(&job->folder, "folder-name-1");
        mem_set(&job->stem, "the-file-stem");
        mem_set(&job->disks[0].device, "xvd-device-01");
        assert_int_equal(wire_orders_pack(&orders, &bytes, &err), 0);
        size_t n = strlen(cases[i].good);
        assert_int_equal(strlen(cases[i].bad), n);
        char *at = memmem(bytes.data, bytes.len, cases[i].good, n);
        assert_non_null(at);
        memcpy(at, cases[i].bad, n);
        assert_int_equal(wire_orders_unpack(bytes.data, bytes.len, &back, &err), -1);
        assert_int_equal(err.code, ERROR_PROTOCOL);
        assert_text_has(err.text, cases[i].field);
    }
}

static void too_many_items_are_refused(void **state)
{
    (void)state;
    CLEAN_STR struct str bytes = STR_INIT;
    struct error err = ERROR_INIT;
    str_add_n(&bytes,
              "\x08\x01\x12\x01"
              "1",
              5);
    for (size_t i = 0; i <= WIRE_REPORTS_MAX; i++)
        str_add_n(&bytes, "\x52\x00", 2);
    assert_int_equal(unpack_any(0, bytes.data, bytes.len, &err), -1);
    assert_text_has(err.text, "reports: has too many items");
}

static void memory_is_bounded_when_a_frame_describes_a_huge_tree(void **state)
{
    (void)state;
    CLEAN_STR struct str bytes = STR_INIT;
    struct error err = ERROR_INIT;
    while (bytes.len + 2 <= WIRE_BODY_MAX)
        str_add_n(&bytes, "\x52\x00", 2);
    assert_int_equal(unpack_any(0, bytes.data, bytes.len, &err), -1);
    assert_text_has(err.text, "bytes of memory");
    while (bytes.len <= WIRE_BODY_MAX)
        str_add_n(&bytes, "\x52\x00", 2);
    assert_int_equal(unpack_any(0, bytes.data, bytes.len, &err), -1);
    assert_text_has(err.text, "over the ceiling");
}

static void changed_and_random_bytes_never_do_harm(void **state)
{
    (void)state;
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    CLEAN_WIRE_NOTE struct wire_note note = {.kind = WIRE_NOTE_TASK};
    struct str good[3] = {STR_INIT, STR_INIT, STR_INIT};
    struct wire_packed packed;
    unsigned seed = 20261122;
    size_t refused = 0;
    sample_sync(&sync);
    sample_orders(&orders);
    sample_task(&note.task);
    assert_int_equal(wire_sync_pack(&sync, 0, &good[0], &packed, NULL), 0);
    assert_int_equal(wire_orders_pack(&orders, &good[1], NULL), 0);
    assert_int_equal(wire_note_pack(&note, &good[2], NULL), 0);
    for (int which = 0; which < 3; which++) {
        for (size_t n = 0; n < good[which].len; n++)
            unpack_any(which, good[which].data, n, NULL);
        for (int round = 0; round < 3000; round++) {
            CLEAN_STR struct str bytes = STR_INIT;
            str_add_n(&bytes, good[which].data, good[which].len);
            for (int k = 0; k < 1 + round % 8; k++)
                bytes.data[(size_t)rand_r(&seed) % bytes.len] = (char)rand_r(&seed);
            refused += unpack_any(which, bytes.data, bytes.len, NULL) < 0;
        }
        for (int round = 0; round < 1000; round++) {
            char noise[64];
            for (size_t k = 0; k < sizeof noise; k++)
                noise[k] = (char)rand_r(&seed);
            refused += unpack_any(which, noise, (size_t)rand_r(&seed) % sizeof noise, NULL) < 0;
        }
    }
    assert_true(refused > 3000);
    for (size_t i = 0; i < 3; i++)
        str_done(&good[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_list_is_told_in_turns_when_one_message_is_too_small),
        cmocka_unit_test(warnings_are_cut_and_counted_when_there_are_too_many),
        cmocka_unit_test(the_largest_report_fits_a_sync),
        cmocka_unit_test(orders_keep_the_ceiling_when_many_jobs_are_assigned),
        cmocka_unit_test(a_job_that_can_not_cross_says_so),
        cmocka_unit_test(texts_for_people_are_mended_when_they_are_no_utf8),
        cmocka_unit_test(hand_made_bytes_are_refused_by_rule),
        cmocka_unit_test(names_that_lead_out_of_the_store_are_refused_by_the_agent),
        cmocka_unit_test(too_many_items_are_refused),
        cmocka_unit_test(memory_is_bounded_when_a_frame_describes_a_huge_tree),
        cmocka_unit_test(changed_and_random_bytes_never_do_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
