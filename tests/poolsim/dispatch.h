/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which method a call means, whether it may run, and running it here, on the master or in the
 * background.
 */
#ifndef ONYX_TESTS_POOLSIM_DISPATCH_H
#define ONYX_TESTS_POOLSIM_DISPATCH_H

#include "tests/poolsim/rpc.h"

enum error_shape {
    SHAPE_OBJECT, /* 2.0: {"code":1,"message":CODE,"data":[...]} */
    SHAPE_ARRAY,  /* forwarded by a slave: bare array */
    SHAPE_EARLY   /* raised before dispatch: 2.0, bare array, id 0 */
};

struct incoming {
    struct request *request;
    const char *method;
    json_t *params; /* with the session */
    struct answer *answer;
    struct failure *failure;
    enum error_shape shape; /* out */
    bool drops_connection;  /* out */
};

/* Fills answer or failure. Takes the lock itself. */
void dispatch(struct incoming *incoming);

#endif
