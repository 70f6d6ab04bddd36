/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Single words and lines that others write: marks, birth names and leases in the pool, addresses,
 * targets, times, sizes. All of them read each input.
 */
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/model/lease.h"
#include "common/model/mark.h"
#include "common/wire/link.h"
#include "common/xapi/target.h"
#include "tests/fuzz/fuzz.h"

#include "common/base/poison.h"

static void run_marks(const char *text)
{
    struct mark mark, again;
    char written[MARK_TEXT_MAX];
    char job[JOB_ID_MAX];

    if (mark_parse(text, &mark, NULL) == 0) {
        FUZZ_MUST(mark_parse(mark_format(&mark, written), &again, NULL) == 0);
        FUZZ_MUST(strcmp(mark.uuid, again.uuid) == 0 && mark.lease == again.lease);
        FUZZ_MUST(!mark_proves(text, "00000000-0000-0000-0000-000000000000", &again) ||
                  strstr(text, "00000000-0000-0000-0000-000000000000") != NULL);
    }
    if (mark_parse_birth_name(text, job))
        FUZZ_MUST(strlen(job) == JOB_ID_MAX - 1);
}

static void run_leases(const char *text)
{
    char key[LEASE_KEY_MAX];
    char value[LEASE_VALUE_MAX];
    struct lease lease = {.n = 1};
    struct lease again = {.n = 1};
    uint64_t n;

    if (lease_parse_key(text, &n))
        FUZZ_MUST(strcmp(lease_format_key(n, key), text) == 0);
    lease_parse_value(text, &lease);
    if (lease.is_held && lease.is_readable && lease_owner_check(&lease.owner, NULL) == 0) {
        lease_parse_value(lease_format_value(&lease.owner, value), &again);
        FUZZ_MUST(again.is_held && again.is_readable);
        FUZZ_MUST(strcmp(lease.owner.address, again.owner.address) == 0);
    }
}

static void run_addresses(const char *text)
{
    CLEAN_XAPI_TARGET struct xapi_target target = {0};
    char address[WIRE_ADDRESS_MAX];
    char again[WIRE_ADDRESS_MAX];
    struct error err = ERROR_INIT;

    if (wire_address_parse(text, address, &err) == 0) {
        FUZZ_MUST(wire_address_parse(address, again, &err) == 0);
        FUZZ_MUST(strcmp(address, again) == 0);
    }
    if (xapi_target_parse(text, &target, &err) != 0)
        FUZZ_MUST(error_is_set(&err));
}

static void run_numbers(const char *text)
{
    char written[CLOCK_ISO_MAX];
    int64_t value, again;
    bool flag;

    if (clock_parse_utc(text, &value, NULL) == 0 &&
        clock_parse_utc(clock_format_utc(value, written), &again, NULL) == 0)
        FUZZ_MUST(value / 1000 == again / 1000);
    (void)clock_parse_stamp(text, &value, NULL);
    if (num_parse_duration(text, &value, NULL) == 0)
        FUZZ_MUST(value >= 0);
    (void)num_parse(text, INT64_MIN, INT64_MAX, &value, NULL);
    (void)num_parse_bool(text, &flag, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEAN_CHAR char *text = mem_dup_n((const char *)bytes, n);

    run_marks(text);
    run_leases(text);
    run_addresses(text);
    run_numbers(text);
    return 0;
}

bool fuzz_seed(unsigned i, struct str *out)
{
    static const char *const seeds[] = {
        "00c0ffee00000001/7d9f2a34-52ab-4f6e-8d0b-000000000001/41",
        "ONYXBACKUP-00c0ffee00000001",
        "onyxpool_lease_18446744073709551615",
        "7d9f2a34-52ab-4f6e-8d0b-000000000001 10.0.0.1:7451 20",
        "released",
        "tcp://[fd00::1]:7451",
        "https://[fd00::1%25eth0]:443/",
        "/var/lib/xcp/xapi",
        "ipc:///tmp/x",
        "2026-11-22T20:27:34Z",
        "20261122T20:27:34Z",
        "20261122-202734",
        "1h 30m",
        "-9223372036854775808",
    };

    if (i >= sizeof seeds / sizeof *seeds)
        return false;
    str_add(out, seeds[i]);
    return true;
}
