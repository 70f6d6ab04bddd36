/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The check of a raw disk while it streams by: it has no structure, so its length is all there is.
 *
 * Source: xapi export_raw_vdi.ml, format raw: virtual_size bytes.
 */
#ifndef ONYX_COMMON_FORMAT_LENGTH_H
#define ONYX_COMMON_FORMAT_LENGTH_H

#include <stddef.h>
#include <stdint.h>

#include "common/format/late_error.h"

struct error;

#define LENGTH_PROOF "length"

/* In place; fields are the room's own. */
struct length_check {
    uint64_t expected_bytes;
    struct late_error late;
};

void length_check_init(struct length_check *check, uint64_t expected_bytes);

/* ERROR_CORRUPT as soon as it is too long, ERROR_XAPI if the server's late answer made it so. */
int length_check_feed(struct length_check *check, const void *bytes, size_t n, struct error *err);

/* ERROR_SHORT, ERROR_XAPI. */
int length_check_finish(const struct length_check *check, struct error *err);

#endif
