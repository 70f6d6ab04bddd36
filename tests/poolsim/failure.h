/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A XAPI error on its way to the client: code and parameters, all texts.
 */
#ifndef ONYX_TESTS_POOLSIM_FAILURE_H
#define ONYX_TESTS_POOLSIM_FAILURE_H

#include <stdbool.h>

#include "common/base/text_list.h"

struct failure {
    struct text_list params; /* code first; empty: no failure */
};

#define FAILURE_INIT                                                                               \
    {                                                                                              \
        TEXT_LIST_INIT                                                                             \
    }
#define CLEAN_FAILURE CLEANUP(failure_done)

void failure_done(struct failure *failure);

/* failure_set(&f, "HANDLE_INVALID", "VM", ref, NULL). Always gives -1. */
int failure_set(struct failure *failure, const char *code, ...) __attribute__((sentinel));
int failure_set_list(struct failure *failure, const char *const *params);
bool failure_is_set(const struct failure *failure);
const char *failure_code(const struct failure *failure); /* "" if none */
/* NULL-ended array for task_fail and handler_fail; borrowed, valid until the next change. */
const char *const *failure_params(struct failure *failure);
/* "CODE: [ a; b ]" as XAPI's pages and INTERNAL_ERROR texts have it. Caller frees. */
char *failure_format(const struct failure *failure);

#endif
