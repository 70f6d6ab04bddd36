/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The folder is made under TMPDIR and removed with the pool.
 */
#include "tests/unit/tests/poolsim/sim_pool.h"

#include <ftw.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "tests/poolsim/build.h"

struct pool *sim_pool_begin(const char *text)
{
    const char *root = getenv("TMPDIR");
    CLEAN_CHAR char *folder = str_format("%s/sim-pool-XXXXXX", root ? root : "/tmp");
    struct error err = ERROR_INIT;
    json_error_t problem;
    json_t *file = json_loads(text, 0, &problem);
    struct pool *pool = NULL;
    int result;

    assert_non_null(file);
    assert_non_null(mkdtemp(folder));
    result = build_pool(file, folder, &pool, &err);
    json_decref(file);
    if (result)
        fail_msg("%s", err.text);
    pool_lock(pool);
    return pool;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

void sim_pool_end(struct pool *pool)
{
    CLEAN_CHAR char *folder = mem_dup(pool->dir);

    pool_unlock(pool);
    pool_free(pool);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
