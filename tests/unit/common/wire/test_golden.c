/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The bytes of released protocol versions, kept in tests/golden/wire, stay readable and, for the
 * version that is spoken, are what we write.
 *
 * A file holds hex digits. With ONYX_GOLDEN_WRITE=1 in the environment the files of a new version
 * are written instead (docs/PROTOCOL.md, "Raising the version"); existing ones are never replaced.
 */
#include "common/wire/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fd.h"
#include "common/base/num.h"
#include "common/wire/seal.h"
#include "tests/unit/common/wire/samples.h"

#define GOLDEN_MAX 65536

static void read_golden(const char *name, struct str *bytes)
{
    CLEAN_CHAR char *path = str_format("%s/tests/golden/wire/v1/%s.hex", TEST_SOURCE_ROOT, name);
    CLEAN_STR struct str hex = STR_INIT;
    struct error err = ERROR_INIT;
    if (fd_read_file(path, GOLDEN_MAX, &hex, &err) < 0)
        fail_msg("%s", err.text);
    char *text = str_trim(hex.data);
    size_t n = strlen(text) / 2;
    unsigned char *to = (unsigned char *)str_reserve(bytes, n);
    assert_int_equal(num_parse_hex(text, to, n, NULL), 0);
    str_set_len(bytes, n);
}

static void check_golden(const char *name, const void *bytes, size_t n)
{
    CLEAN_STR struct str golden = STR_INIT;
    CLEAN_CHAR char *path = str_format("%s/tests/golden/wire/v1/%s.hex", TEST_SOURCE_ROOT, name);
    if (getenv("ONYX_GOLDEN_WRITE") != NULL && access(path, F_OK) != 0) {
        CLEAN_STR struct str hex = STR_INIT;
        num_format_hex(bytes, n, str_reserve(&hex, 2 * n + 1));
        str_set_len(&hex, 2 * n);
        str_add_char(&hex, '\n');
        assert_int_equal(fd_replace_file(path, 0644, hex.data, hex.len, NULL), 0);
    }
    read_golden(name, &golden);
    assert_int_equal(golden.len, n);
    assert_memory_equal(golden.data, bytes, n);
}

static void sync_of_version_1_is_read_and_written_the_same(void **state)
{
    (void)state;
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    CLEAN_WIRE_SYNC struct wire_sync back = {0};
    CLEAN_STR struct str bytes = STR_INIT;
    CLEAN_STR struct str golden = STR_INIT;
    struct wire_packed packed;
    sample_sync(&sync);
    assert_int_equal(wire_sync_pack(&sync, 0, &bytes, &packed, NULL), 0);
    check_golden("sync", bytes.data, bytes.len);
    read_golden("sync", &golden);
    assert_int_equal(wire_sync_unpack(golden.data, golden.len, &back, NULL), 0);
    assert_string_equal(back.reports[0].files[0].sha256, SAMPLE_SHA);
    assert_string_equal(back.reports[1].error.origin, "SR_BACKEND_FAILURE_109");
    assert_string_equal(back.store.uuid, SAMPLE_STORE);
}

static void orders_of_version_1_are_read_and_written_the_same(void **state)
{
    (void)state;
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    CLEAN_WIRE_ORDERS struct wire_orders back = {0};
    CLEAN_STR struct str bytes = STR_INIT;
    CLEAN_STR struct str golden = STR_INIT;
    sample_orders(&orders);
    assert_int_equal(wire_orders_pack(&orders, &bytes, NULL), 0);
    check_golden("orders", bytes.data, bytes.len);
    read_golden("orders", &golden);
    assert_int_equal(wire_orders_unpack(golden.data, golden.len, &back, NULL), 0);
    assert_string_equal(back.assign[0].disks[0].vdi_uuid, SAMPLE_VDI);
    assert_int_equal(back.forget[1].attempt, 99);
}

static void expire_of_version_1_is_read_and_written_the_same(void **state)
{
    (void)state;
    CLEAN_WIRE_ORDERS struct wire_orders orders = {.next_ms = 1000};
    CLEAN_WIRE_ORDERS struct wire_orders back = {0};
    CLEAN_WIRE_NOTE struct wire_note note = {.kind = WIRE_NOTE_REPORT};
    CLEAN_WIRE_NOTE struct wire_note note_back = {0};
    CLEAN_STR struct str bytes = STR_INIT;
    CLEAN_STR struct str golden = STR_INIT;
    sample_expire_job(wire_orders_add_job(&orders));
    assert_int_equal(wire_orders_pack(&orders, &bytes, NULL), 0);
    check_golden("orders-expire", bytes.data, bytes.len);
    read_golden("orders-expire", &golden);
    assert_int_equal(wire_orders_unpack(golden.data, golden.len, &back, NULL), 0);
    assert_string_equal(back.assign[0].victims[1].job, "00c0ffee00000008");
    assert_string_equal(back.assign[0].keepers[0].file, "backup_20261122-202734.xva");
    sample_report_expired(&note.report);
    str_clear(&bytes);
    assert_int_equal(wire_note_pack(&note, &bytes, NULL), 0);
    check_golden("note-expired", bytes.data, bytes.len);
    str_clear(&golden);
    read_golden("note-expired", &golden);
    assert_int_equal(wire_note_unpack(golden.data, golden.len, &note_back, NULL), 0);
    assert_string_equal(note_back.report.gone.items[0], "backup_20261119-202700.xva");
}

static void notes_of_version_1_are_read_and_written_the_same(void **state)
{
    (void)state;
    static const char *const names[] = {"note-task", "note-report", "note-log"};
    for (int kind = WIRE_NOTE_TASK; kind <= WIRE_NOTE_LOG; kind++) {
        CLEAN_WIRE_NOTE struct wire_note note = {.kind = (enum wire_note_kind)kind};
        CLEAN_WIRE_NOTE struct wire_note back = {0};
        CLEAN_STR struct str bytes = STR_INIT;
        CLEAN_STR struct str golden = STR_INIT;
        sample_task(&note.task);
        sample_report_done(&note.report);
        sample_log(&note.line);
        assert_int_equal(wire_note_pack(&note, &bytes, NULL), 0);
        check_golden(names[kind - 1], bytes.data, bytes.len);
        read_golden(names[kind - 1], &golden);
        assert_int_equal(wire_note_unpack(golden.data, golden.len, &back, NULL), 0);
        assert_int_equal(back.kind, kind);
    }
}

static void frames_of_version_1_open_and_are_made_the_same(void **state)
{
    (void)state;
    static const struct seal_versions v1 = {1, 1};
    unsigned char next = 1;
    const struct random counting = {sample_fill, &next};
    struct wire_pool_key pool = {{1, 2, 3}};
    struct wire_agent_key key;
    struct seal_greeting greeting;
    struct seal_session agent;
    struct seal_session coordinator;
    unsigned char welcome[SEAL_WELCOME_BYTES];
    unsigned char refusal_bytes[SEAL_REFUSAL_BYTES];
    CLEAN_STR struct str frame = STR_INIT;
    CLEAN_STR struct str golden = STR_INIT;
    CLEAN_STR struct str body = STR_INIT;
    assert_int_equal(wire_agent_key_make(&pool, SAMPLE_HOST, &key, NULL), 0);
    check_golden("agent-key", key.bytes, sizeof key.bytes);
    seal_hello_make(&key, 0x1122334455667788, v1, &counting, &greeting);
    check_golden("frame-hello", greeting.frame, sizeof greeting.frame);
    assert_int_equal(seal_welcome_make(greeting.frame, SEAL_HELLO_BYTES, &key, v1, &counting,
                                       welcome, &coordinator, NULL),
                     0);
    check_golden("frame-welcome", welcome, sizeof welcome);
    assert_int_equal(seal_welcome_open(welcome, sizeof welcome, &greeting, &key, &agent, NULL), 0);
    assert_int_equal(seal_frame_make(&agent, SEAL_SYNC, 1, "the body", 8, &frame, NULL), 0);
    check_golden("frame-sync", frame.data, frame.len);
    str_clear(&frame);
    assert_int_equal(seal_frame_make(&coordinator, SEAL_ORDERS, 1, "the answer", 10, &frame, NULL),
                     0);
    check_golden("frame-orders", frame.data, frame.len);
    read_golden("frame-orders", &golden);
    assert_int_equal(seal_frame_open(&agent, SEAL_ORDERS, golden.data, golden.len, &body, NULL), 0);
    assert_string_equal(str_text(&body), "the answer");
    struct seal_refusal refusal = {SEAL_REASON_KEY, {1, 1}, 0x0102030405060708};
    seal_refusal_make(&refusal, refusal_bytes);
    check_golden("frame-refusal", refusal_bytes, sizeof refusal_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sync_of_version_1_is_read_and_written_the_same),
        cmocka_unit_test(orders_of_version_1_are_read_and_written_the_same),
        cmocka_unit_test(expire_of_version_1_is_read_and_written_the_same),
        cmocka_unit_test(notes_of_version_1_are_read_and_written_the_same),
        cmocka_unit_test(frames_of_version_1_open_and_are_made_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
