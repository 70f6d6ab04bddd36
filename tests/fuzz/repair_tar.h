/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Makes the checksums of a tar's headers right again, so that mutations reach what lies behind
 * the first check. An input whose last byte is odd is left as it is.
 */
#ifndef ONYX_TESTS_FUZZ_REPAIR_TAR_H
#define ONYX_TESTS_FUZZ_REPAIR_TAR_H

#include <stddef.h>
#include <stdint.h>

struct str;

/* Appends the repaired archive to out. */
void repair_tar(const uint8_t *bytes, size_t n, struct str *out);

#endif
