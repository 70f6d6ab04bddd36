/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where a reader of a format gets its bytes: a request's body, a decompressor, a file of a test.
 */
#ifndef ONYX_TESTS_POOLSIM_SOURCE_H
#define ONYX_TESTS_POOLSIM_SOURCE_H

#include <stddef.h>

struct source {
    /* Up to n bytes: 0 with *ret_n (0 at the end), or -1 and errno. */
    int (*read)(void *context, void *bytes, size_t n, size_t *ret_n);
    void *context;
};

struct error;

/* All n bytes. ERROR_SHORT at an early end, ERROR_LOST (errno in sys) when the source fails. */
int source_read_all(const struct source *source, void *bytes, size_t n, struct error *err);

/* Pass over n bytes. Fails as source_read_all. */
int source_skip(const struct source *source, size_t n, struct error *err);

#endif
