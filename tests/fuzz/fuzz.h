/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a fuzz target gives: one run on one input, and seeds to begin with.
 *
 * Under ONYX_FUZZ (clang) libFuzzer drives the run; in every other build tests/fuzz/drive.c does,
 * with a fixed number of mutations of the seeds, as an ordinary test. A run aborts when a promise
 * is broken.
 */
#ifndef ONYX_TESTS_FUZZ_FUZZ_H
#define ONYX_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Appends seed number i; false when there are no more. */
bool fuzz_seed(unsigned i, struct str *out);

/* Ends the process with a line when a promise is broken. */
#define FUZZ_MUST(condition)                                                                       \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fuzz_fail(#condition);                                                                 \
    } while (0)
__attribute__((noreturn)) void fuzz_fail(const char *condition);

/* Sizes for feeding in pieces, from the input's own bytes: 1 to 700. */
size_t fuzz_piece(const uint8_t *bytes, size_t n, size_t at);

#endif
