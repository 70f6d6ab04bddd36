/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A late answer in the middle makes a raw disk too short, one behind its end too long: both show.
 */
#include "common/format/length.h"

#include <inttypes.h>

#include "common/base/error.h"

#include "common/base/poison.h"

void length_check_init(struct length_check *check, uint64_t expected_bytes)
{
    *check = (struct length_check){.expected_bytes = expected_bytes};
}

int length_check_feed(struct length_check *check, const void *bytes, size_t n, struct error *err)
{
    struct error why = ERROR_INIT;

    late_error_feed(&check->late, bytes, n);
    if (late_error_is_holding(&check->late))
        return late_error_hold(&check->late, "raw", NULL, err);
    if (check->late.bytes <= check->expected_bytes)
        return 0;
    error_set(&why, ERROR_CORRUPT, "raw: goes on behind its %" PRIu64 " bytes",
              check->expected_bytes);
    return late_error_hold(&check->late, "raw", &why, err);
}

int length_check_finish(const struct length_check *check, struct error *err)
{
    struct error why = ERROR_INIT;

    if (check->late.bytes == check->expected_bytes)
        return 0;
    error_set(&why, ERROR_SHORT, "raw: stops at byte %" PRIu64 " of %" PRIu64, check->late.bytes,
              check->expected_bytes);
    return late_error_explain(&check->late, "raw", &why, err);
}
