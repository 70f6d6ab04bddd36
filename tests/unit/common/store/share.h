/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A share for tests: a folder of its own, and file calls that fail or die at a chosen step.
 *
 * Steps count the calls that change something (create, write, sync, rename, unlink, mkdir). With
 * dies set, everything from that step on fails, as if the process had been killed there.
 */
#ifndef ONYX_TESTS_STORE_SHARE_H
#define ONYX_TESTS_STORE_SHARE_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/store/root.h"

struct share {
    char *root;
    struct store_ops ops;
    int step;    /* steps done */
    int fail_at; /* 0: never */
    bool dies;
    int why;
    int syncs, renames;
    int syncs_before_rename; /* the first one */
};

static inline bool share_fails(struct share *share)
{
    share->step++;
    bool fails = share->fail_at != 0 && (share->dies ? share->step >= share->fail_at
                                                     : share->step == share->fail_at);
    if (fails)
        errno = share->why;
    return fails;
}

static inline int share_open(void *context, int folder, const char *name, int flags, mode_t mode)
{
    if ((flags & O_CREAT) != 0 && share_fails(context))
        return -1;
    return store_ops_system()->open(NULL, folder, name, flags, mode);
}

static inline ssize_t share_write(void *context, int fd, const void *bytes, size_t n)
{
    struct share *share = context;
    if (!share_fails(share))
        return store_ops_system()->write(NULL, fd, bytes, n);
    if (share->dies && n > 1) /* torn: half of it got there */
        (void)store_ops_system()->write(NULL, fd, bytes, n / 2);
    errno = share->why;
    return -1;
}

static inline int share_seek(void *context, int fd, uint64_t to_bytes)
{
    (void)context;
    return store_ops_system()->seek(NULL, fd, to_bytes);
}

static inline int share_truncate(void *context, int fd, uint64_t to_bytes)
{
    return share_fails(context) ? -1 : store_ops_system()->truncate(NULL, fd, to_bytes);
}

static inline int share_sync(void *context, int fd)
{
    ((struct share *)context)->syncs++;
    return share_fails(context) ? -1 : store_ops_system()->sync(NULL, fd);
}

static inline int share_rename(void *context, int folder, const char *from, const char *to)
{
    struct share *share = context;
    if (share->renames++ == 0)
        share->syncs_before_rename = share->syncs;
    return share_fails(context) ? -1 : store_ops_system()->rename(NULL, folder, from, to);
}

static inline int share_rename_new(void *context, int folder, const char *from, const char *to)
{
    struct share *share = context;
    if (share->renames++ == 0)
        share->syncs_before_rename = share->syncs;
    return share_fails(context) ? -1 : store_ops_system()->rename_new(NULL, folder, from, to);
}

static inline int share_link(void *context, int folder, const char *from, const char *to)
{
    return share_fails(context) ? -1 : store_ops_system()->link(NULL, folder, from, to);
}

static inline int share_unlink(void *context, int folder, const char *name)
{
    return share_fails(context) ? -1 : store_ops_system()->unlink(NULL, folder, name);
}

static inline int share_mkdir(void *context, int folder, const char *name, mode_t mode)
{
    return share_fails(context) ? -1 : store_ops_system()->mkdir(NULL, folder, name, mode);
}

static inline struct store *share_store(struct share *share)
{
    struct store *store = NULL;
    struct error err = ERROR_INIT;
    if (store_open(share->root, &share->ops, &store, &err) != 0)
        fail_msg("%s", err.text);
    return store;
}

static inline void share_init_in(struct share *share, const char *folder)
{
    memset(share, 0, sizeof *share);
    share->root = str_format("%s/onyx-share-XXXXXX", folder);
    assert_non_null(mkdtemp(share->root));
    share->why = EIO;
    share->ops = *store_ops_system();
    share->ops.open = share_open;
    share->ops.write = share_write;
    share->ops.seek = share_seek;
    share->ops.truncate = share_truncate;
    share->ops.sync = share_sync;
    share->ops.rename = share_rename;
    share->ops.rename_new = share_rename_new;
    share->ops.link = share_link;
    share->ops.unlink = share_unlink;
    share->ops.mkdir = share_mkdir;
    share->ops.context = share;
}

static inline void share_init(struct share *share)
{
    share_init_in(share, "/tmp");
}

static inline int share_remove_one(const char *path, const struct stat *st, int type,
                                   struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static inline void share_done(struct share *share)
{
    nftw(share->root, share_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(share->root);
}

static inline bool share_has(const struct share *share, const char *path)
{
    CLEAN_CHAR char *full = str_format("%s/%s", share->root, path);
    return access(full, F_OK) == 0;
}

static inline void share_put(const struct share *share, const char *path, const char *text)
{
    CLEAN_CHAR char *full = str_format("%s/%s", share->root, path);
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static inline void share_make_folder(const struct share *share, const char *path)
{
    CLEAN_CHAR char *full = str_format("%s/%s", share->root, path);
    assert_int_equal(mkdir(full, 0755), 0);
}

#endif
