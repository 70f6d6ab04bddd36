/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Safe steps below the store's root: descriptors and single names, never paths.
 *
 * The root itself may be reached through links (an administrator's affair); below it O_NOFOLLOW
 * holds in every open, and what is opened is looked at before it is used.
 */
#include "common/store/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/store/mount.h"
#include "common/store/trouble.h"

#include "common/base/poison.h"

#define LOOK_BYTES (16u << 20) /* written between two looks at the floor */

struct store {
    char *root;
    int fd;
    const struct store_ops *ops;
    struct space_rule rule;
    uint64_t unlooked_bytes; /* written since the last look; one thread writes at a time */
};

int store_open(const char *root, const struct store_ops *ops, struct store **ret_store,
               struct error *err)
{
    if (root == NULL || root[0] != '/')
        return error_set(err, ERROR_SETTINGS,
                         "the backup folder '%s' is not an absolute path: give it with -d",
                         root != NULL ? root : "");
    CLEAN_FD int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return error_set_sys(err, ERROR_STORE_MISSING, errno,
                             "the backup folder %s is not there: is its share mounted?", root);
    if (fd < 0)
        return trouble_set(err, errno, "open the backup folder %s", root);
    struct store *store = mem_zero(1, sizeof *store);
    store->root = mem_dup(root);
    store->ops = ops != NULL ? ops : store_ops_system();
    store->fd = fd;
    fd = -1;
    *ret_store = store;
    return 0;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    fd_close(&store->fd);
    free(store->root);
    free(store);
}

void store_clean(struct store **store)
{
    store_close(*store);
    *store = NULL;
}

const char *store_root(const struct store *store)
{
    return store->root;
}

const struct store_ops *store_ops(const struct store *store)
{
    return store->ops;
}

int store_space(struct store *store, struct store_space *ret_space, struct error *err)
{
    struct store_space space = {0};
    if (store->ops->space(store->ops->context, store->fd, &space) != 0)
        return trouble_set(err, errno, "ask for the space of %s", store->root);
    if (space.total_bytes == 0 || space.free_bytes > space.total_bytes) {
        char is_free[NUM_TEXT_MAX], total[NUM_TEXT_MAX];
        return error_set(err, ERROR_IO,
                         "%s says that %s of %s are free, which can't be: is its share alive?",
                         store->root, num_format_bytes(space.free_bytes, is_free),
                         num_format_bytes(space.total_bytes, total));
    }
    *ret_space = space;
    return 0;
}

void store_set_rule(struct store *store, const struct space_rule *rule)
{
    store->rule = *rule;
}

int store_check_room(struct store *store, struct error *err)
{
    struct store_space space = {0};
    if (store_space(store, &space, err) != 0)
        return -1;
    return space_check_begin(space.free_bytes, space.total_bytes, &store->rule, store->root, err);
}

/* A share that can't tell its room at the moment ends nobody who is writing. */
static int check_floor(struct store *store, size_t n, struct error *err)
{
    struct store_space space;
    if (store->rule.floor_percent == 0)
        return 0;
    store->unlooked_bytes += n;
    if (store->unlooked_bytes < LOOK_BYTES)
        return 0;
    store->unlooked_bytes = 0;
    if (store_space(store, &space, NULL) != 0)
        return 0;
    return space_check_floor(space.free_bytes, space.total_bytes, &store->rule, store->root, err);
}

int store_mount(struct store *store, struct mount *ret_mount, struct error *err)
{
    return mount_of_fd(store->fd, ret_mount, err);
}

int store_is_on_root_device(struct store *store, bool *ret_is, struct error *err)
{
    struct stat here, root;
    if (fstat(store->fd, &here) != 0 || stat("/", &root) != 0)
        return trouble_set(err, errno, "look at %s", store->root);
    *ret_is = here.st_dev == root.st_dev;
    return 0;
}

/* Rules for names that we open, our own files with a leading dot included. */
static int check_any_name(const char *name, struct error *err)
{
    if (name == NULL || name[0] == '\0')
        return error_set(err, ERROR_BAD_INPUT, "a name in the store is empty");
    size_t n = strlen(name);
    if (n > STORE_NAME_MAX)
        return error_set(err, ERROR_BAD_INPUT, "a name in the store has %zu bytes, over %d", n,
                         STORE_NAME_MAX);
    for (const char *at = name; *at != '\0'; at++)
        if (*at == '/' || (unsigned char)*at < 0x20 || *at == 0x7f)
            return error_set(err, ERROR_BAD_INPUT,
                             "a name in the store holds a slash or a control byte");
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return error_set(err, ERROR_BAD_INPUT, "'%s' is no name in the store", name);
    return 0;
}

int store_check_name(const char *name, struct error *err)
{
    if (check_any_name(name, err) != 0)
        return -1;
    if (name[0] == '.')
        return error_set(err, ERROR_BAD_INPUT, "the name '%s' in the store begins with a dot",
                         name);
    return 0;
}

static int open_folder(struct store *store, int parent, const char *name, bool create, int *ret_fd,
                       struct error *err)
{
    const struct store_ops *ops = store->ops;
    int fd = ops->open(ops->context, parent, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 && errno == ENOENT && create) {
        if (ops->mkdir(ops->context, parent, name, 0755) != 0 && errno != EEXIST)
            return trouble_set(err, errno, "make the folder %s/%s", store->root, name);
        if (store_sync(store, parent, store->root, err) != 0)
            return -1;
        fd = ops->open(ops->context, parent, name, O_RDONLY | O_DIRECTORY, 0);
    }
    if (fd >= 0) {
        *ret_fd = fd;
        return 0;
    }
    if (errno == ELOOP || errno == ENOTDIR)
        return error_set(err, ERROR_STORE_FOREIGN,
                         "%s/%s is a symbolic link or no folder: it is not followed; move it away",
                         store->root, name);
    return trouble_set(err, errno, "open the folder %s/%s", store->root, name);
}

int store_open_folder(struct store *store, const char *folder, bool create, int *ret_fd,
                      struct error *err)
{
    if (store_check_name(folder, err) != 0)
        return -1;
    return open_folder(store, store->fd, folder, create, ret_fd, err);
}

int store_find_folder(struct store *store, const char *folder, int *ret_fd, struct error *err)
{
    struct error own = ERROR_INIT;
    err = err != NULL ? err : &own;
    if (store_open_folder(store, folder, false, ret_fd, err) == 0)
        return 1;
    if (err->code != ERROR_NOT_FOUND)
        return -1;
    error_clear(err);
    return 0;
}

int store_open_own(struct store *store, bool create, int *ret_fd, struct error *err)
{
    return open_folder(store, store->fd, STORE_OWN_FOLDER, create, ret_fd, err);
}

int store_open_below(struct store *store, int parent, const char *name, bool create, int *ret_fd,
                     struct error *err)
{
    if (store_check_name(name, err) != 0)
        return -1;
    return open_folder(store, parent, name, create, ret_fd, err);
}

/* Read all of fd into out, at most STORE_SMALL_MAX. */
static int read_all(struct store *store, int fd, const char *name, struct str *out,
                    struct error *err)
{
    const struct store_ops *ops = store->ops;
    size_t total = 0;
    for (;;) {
        char *room = str_reserve(out, 65536);
        ssize_t got = ops->read(ops->context, fd, room, 65536);
        if (got < 0)
            return trouble_set(err, errno, "read %s", name);
        if (got == 0)
            return 0;
        total += (size_t)got;
        if (total > STORE_SMALL_MAX)
            return error_set(err, ERROR_LIMIT, "%s is larger than %u bytes", name,
                             STORE_SMALL_MAX);
        str_set_len(out, out->len + (size_t)got);
    }
}

int store_read_small(struct store *store, int folder, const char *name, struct str *out,
                     struct error *err)
{
    const struct store_ops *ops = store->ops;
    if (check_any_name(name, err) != 0)
        return -1;
    /* O_NONBLOCK: a FIFO of that name must not hold us before it is seen to be none of ours. */
    CLEAN_FD int fd = ops->open(ops->context, folder, name, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 && errno == ELOOP)
        return error_set(err, ERROR_STORE_FOREIGN, "%s is a symbolic link: it is not followed",
                         name);
    if (fd < 0)
        return trouble_set(err, errno, "open %s", name);
    struct stat st;
    if (fstat(fd, &st) != 0)
        return trouble_set(err, errno, "look at %s", name);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_STORE_FOREIGN, "%s is no regular file", name);
    return read_all(store, fd, name, out, err) != 0 ? -1 : 1;
}

static int write_beside(struct store *store, int folder, const char *beside, mode_t mode,
                        const char *bytes, size_t n, struct error *err)
{
    const struct store_ops *ops = store->ops;
    CLEAN_FD int fd =
        ops->open(ops->context, folder, beside, O_WRONLY | O_CREAT | O_TRUNC, mode);
    if (fd < 0)
        return trouble_set(err, errno, "create %s", beside);
    if (store_write_all(store, fd, beside, bytes, n, err) != 0)
        return -1;
    return store_sync(store, fd, beside, err);
}

int store_replace_small(struct store *store, int folder, const char *name, mode_t mode,
                        const char *bytes, size_t n, struct error *err)
{
    if (check_any_name(name, err) != 0)
        return -1;
    CLEAN_CHAR char *beside = str_format("%s" STORE_BESIDE, name);
    if (write_beside(store, folder, beside, mode, bytes, n, err) != 0 ||
        store_rename(store, folder, beside, name, err) != 0) {
        (void)store->ops->unlink(store->ops->context, folder, beside);
        return -1;
    }
    return store_sync(store, folder, name, err);
}

int store_write_all(struct store *store, int fd, const char *what, const void *bytes, size_t n,
                    struct error *err)
{
    const struct store_ops *ops = store->ops;
    const unsigned char *at = bytes;
    if (check_floor(store, n, err) != 0)
        return -1;
    while (n > 0) {
        ssize_t put = ops->write(ops->context, fd, at, n);
        if (put < 0)
            return trouble_set(err, errno, "write %s", what);
        if (put == 0)
            return error_set(err, ERROR_IO, "write %s: the file system took nothing", what);
        at += put;
        n -= (size_t)put;
    }
    return 0;
}

int store_sync(struct store *store, int fd, const char *what, struct error *err)
{
    if (store->ops->sync(store->ops->context, fd) != 0)
        return trouble_set(err, errno, "make %s durable", what);
    return 0;
}

int store_rename(struct store *store, int folder, const char *from, const char *to,
                 struct error *err)
{
    if (store->ops->rename(store->ops->context, folder, from, to) != 0)
        return trouble_set(err, errno, "rename %s to %s", from, to);
    return 0;
}

/* Whether a name is that very file, which may have grown; false also when it can't be told. */
static bool is_same_file(struct store *store, int folder, const char *name, const struct stat *st)
{
    struct stat its;
    return store->ops->stat(store->ops->context, folder, name, &its) == 0 &&
           its.st_ino == st->st_ino && its.st_dev == st->st_dev;
}

static bool has_no_such_call(int why)
{
    return why == EINVAL || why == ENOSYS || why == EOPNOTSUPP;
}

static bool has_no_links(int why)
{
    return has_no_such_call(why) || why == EPERM || why == EMLINK || why == EACCES;
}

/* 0, or -1 with errno; the last of the three looks first, which is not atomic. */
static int rename_unless_there(struct store *store, int folder, const char *from, const char *to)
{
    const struct store_ops *ops = store->ops;
    struct stat st;
    if (ops->rename_new(ops->context, folder, from, to) == 0)
        return 0;
    if (!has_no_such_call(errno))
        return -1;
    if (ops->link(ops->context, folder, from, to) == 0)
        return ops->unlink(ops->context, folder, from) == 0 || errno == ENOENT ? 0 : -1;
    if (!has_no_links(errno))
        return -1;
    if (ops->stat(ops->context, folder, to, &st) == 0) {
        errno = EEXIST;
        return -1;
    }
    return errno == ENOENT ? ops->rename(ops->context, folder, from, to) : -1;
}

int store_rename_new(struct store *store, int folder, const char *from, const char *to,
                     struct error *err)
{
    const struct store_ops *ops = store->ops;
    struct stat st;
    if (check_any_name(from, err) != 0 || check_any_name(to, err) != 0)
        return -1;
    if (ops->stat(ops->context, folder, from, &st) != 0)
        return errno == ENOENT ? 0 : trouble_set(err, errno, "look at %s", from);
    if (rename_unless_there(store, folder, from, to) == 0)
        return 1;
    int why = errno;
    if ((why == ENOENT || why == EEXIST) && is_same_file(store, folder, to, &st))
        return store_unlink(store, folder, from, err) < 0 ? -1 : 1;
    if (why == ENOENT)
        return 0;
    if (why == EEXIST)
        return error_set(err, ERROR_EXISTS, "rename %s to %s: that name has appeared meanwhile",
                         from, to);
    return trouble_set(err, why, "rename %s to %s", from, to);
}

int store_unlink(struct store *store, int folder, const char *name, struct error *err)
{
    if (check_any_name(name, err) != 0)
        return -1;
    if (store->ops->unlink(store->ops->context, folder, name) == 0)
        return 1;
    if (errno == ENOENT)
        return 0;
    return trouble_set(err, errno, "remove %s", name);
}

int store_file_size(struct store *store, int folder, const char *name, uint64_t *ret_bytes,
                    struct error *err)
{
    struct stat st;
    if (check_any_name(name, err) != 0)
        return -1;
    if (store->ops->stat(store->ops->context, folder, name, &st) != 0) {
        if (errno == ENOENT)
            return 0;
        return trouble_set(err, errno, "look at %s", name);
    }
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_STORE_FOREIGN, "%s is no regular file", name);
    *ret_bytes = (uint64_t)st.st_size;
    return 1;
}

int store_list(struct store *store, int folder, store_list_fn *entry, void *context,
               struct error *err)
{
    struct error own = ERROR_INIT;
    struct error *keep = err != NULL ? err : &own;
    error_clear(keep);
    int where = folder >= 0 ? folder : store->fd;
    if (store->ops->list(store->ops->context, where, entry, context) >= 0)
        return 0;
    if (!error_is_set(keep)) /* the entry's own failure has filled it */
        return trouble_set(keep, errno, "list a folder of %s", store->root);
    return -1;
}
