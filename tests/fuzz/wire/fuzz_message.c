/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages: what is read can be written, and reads as the same again. The first byte chooses which.
 */
#include <string.h>

#include "common/wire/message.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/common/wire/samples.h"

#include "common/base/poison.h"

static void must_settle(const struct str *once, const struct str *twice)
{
    FUZZ_MUST(once->len == twice->len);
    FUZZ_MUST(once->len == 0 || memcmp(once->data, twice->data, once->len) == 0);
}

static void run_sync(const uint8_t *bytes, size_t n)
{
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    CLEAN_WIRE_SYNC struct wire_sync back = {0};
    CLEAN_STR struct str once = STR_INIT;
    CLEAN_STR struct str twice = STR_INIT;
    struct wire_packed packed;

    if (wire_sync_unpack(bytes, n, &sync, NULL) < 0)
        return;
    FUZZ_MUST(wire_sync_pack(&sync, 0, &once, &packed, NULL) == 0);
    FUZZ_MUST(wire_sync_unpack(str_text(&once), once.len, &back, NULL) == 0);
    FUZZ_MUST(wire_sync_pack(&back, 0, &twice, &packed, NULL) == 0);
    must_settle(&once, &twice);
}

static void run_orders(const uint8_t *bytes, size_t n)
{
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    CLEAN_WIRE_ORDERS struct wire_orders back = {0};
    CLEAN_STR struct str once = STR_INIT;
    CLEAN_STR struct str twice = STR_INIT;
    struct error err = ERROR_INIT;

    if (wire_orders_unpack(bytes, n, &orders, NULL) < 0)
        return;
    if (wire_orders_pack(&orders, &once, &err) < 0) {
        FUZZ_MUST(err.code == ERROR_LIMIT);
        return;
    }
    FUZZ_MUST(wire_orders_unpack(str_text(&once), once.len, &back, NULL) == 0);
    FUZZ_MUST(wire_orders_pack(&back, &twice, NULL) == 0);
    must_settle(&once, &twice);
}

static void run_note(const uint8_t *bytes, size_t n)
{
    CLEAN_WIRE_NOTE struct wire_note note = {0};
    CLEAN_WIRE_NOTE struct wire_note back = {0};
    CLEAN_STR struct str once = STR_INIT;
    CLEAN_STR struct str twice = STR_INIT;
    struct error err = ERROR_INIT;

    if (wire_note_unpack(bytes, n, &note, NULL) < 0)
        return;
    if (wire_note_pack(&note, &once, &err) < 0) {
        FUZZ_MUST(err.code == ERROR_LIMIT);
        return;
    }
    FUZZ_MUST(wire_note_unpack(str_text(&once), once.len, &back, NULL) == 0);
    FUZZ_MUST(wire_note_pack(&back, &twice, NULL) == 0);
    must_settle(&once, &twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n == 0)
        return 0;
    if (bytes[0] % 3 == 0)
        run_sync(bytes + 1, n - 1);
    else if (bytes[0] % 3 == 1)
        run_orders(bytes + 1, n - 1);
    else
        run_note(bytes + 1, n - 1);
    return 0;
}

bool fuzz_seed(unsigned i, struct str *out)
{
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    CLEAN_WIRE_NOTE struct wire_note note = {.kind = (enum wire_note_kind)(i - 1)};
    struct wire_packed packed;

    sample_sync(&sync);
    sample_orders(&orders);
    sample_task(&note.task);
    sample_report_failed(&note.report);
    sample_log(&note.line);
    if (i > 4)
        return false;
    str_add_char(out, (char)(i < 2 ? i : 2));
    if (i == 0)
        return wire_sync_pack(&sync, 0, out, &packed, NULL) == 0;
    if (i == 1)
        return wire_orders_pack(&orders, out, NULL) == 0;
    return wire_note_pack(&note, out, NULL) == 0;
}
