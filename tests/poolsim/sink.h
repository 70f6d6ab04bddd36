/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where a writer of a format puts its bytes: a socket, a compressor, a buffer of a test.
 */
#ifndef ONYX_TESTS_POOLSIM_SINK_H
#define ONYX_TESTS_POOLSIM_SINK_H

#include <stddef.h>

struct sink {
    int (*write)(void *context, const void *bytes, size_t n); /* all of it: 0, or -1 and errno */
    void *context;
};

#endif
