/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An open store: the folder on the share below which backups lie, and safe steps below it.
 *
 * Everything is reached from the root's own descriptor, one name at a time, and no symbolic link
 * is followed, so whoever can write on the share can't lead us elsewhere. This layer is the only
 * one with file calls on the share. A call on a share that hangs does not return: callers run it
 * where that can be borne.
 */
#ifndef ONYX_COMMON_STORE_ROOT_H
#define ONYX_COMMON_STORE_ROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/mem.h"
#include "common/model/space.h"
#include "common/store/ops.h"

struct error;
struct mount;
struct str;
struct store;

#define STORE_OWN_FOLDER ".onyxpool" /* marker, nonce, sums, state: not for backups */
#define STORE_NAME_MAX 255
#define STORE_SMALL_MAX (1u << 20) /* no .meta, marker or nonce is larger */

/*
 * Open the store at an absolute path. ops may be NULL (the system's).
 *
 * Fails:  ERROR_SETTINGS (path not absolute), ERROR_STORE_MISSING (not there, no folder),
 *         ERROR_IO (not readable).
 */
int store_open(const char *root, const struct store_ops *ops, struct store **ret_store,
               struct error *err);
void store_close(struct store *store);
#define CLEAN_STORE CLEANUP(store_clean)
void store_clean(struct store **store);

const char *store_root(const struct store *store);
const struct store_ops *store_ops(const struct store *store);

/* Fails: ERROR_IO, also where the answer can't be true (a size of zero, more free than there is):
 * stale shares give such. */
int store_space(struct store *store, struct store_space *ret_space, struct error *err);

/* What store_check_room and every write hold to from now on; nothing before. Writes look at the
 * floor now and then: ERROR_NO_SPACE. */
void store_set_rule(struct store *store, const struct space_rule *rule);

/* Whether a job may begin here: ERROR_NO_SPACE with the numbers, ERROR_IO. */
int store_check_room(struct store *store, struct error *err);

/* What the root is mounted from. ERROR_STORE_MISSING, ERROR_IO. */
int store_mount(struct store *store, struct mount *ret_mount, struct error *err);

/* Whether the store lies on the device of "/": then a share is most likely not mounted. */
int store_is_on_root_device(struct store *store, bool *ret_is, struct error *err);

/* A name that can be a backup's folder or file: 1 to 255 bytes, no slash, no control byte, no dot
 * in front. ERROR_BAD_INPUT says which rule it breaks. */
int store_check_name(const char *name, struct error *err);

/*
 * Open the folder of a VM below the root; with create it is made (and made durable) if absent.
 *
 * Owns:   the caller closes *ret_fd.
 * Fails:  ERROR_BAD_INPUT (name), ERROR_NOT_FOUND, ERROR_STORE_FOREIGN (it is a symbolic link or
 *         no folder), ERROR_NO_SPACE, ERROR_IO.
 */
int store_open_folder(struct store *store, const char *folder, bool create, int *ret_fd,
                      struct error *err);

/* One that is there already: 1 open, 0 there is none, -1 failed. */
int store_find_folder(struct store *store, const char *folder, int *ret_fd, struct error *err);

/* The same for the store's own folder. */
int store_open_own(struct store *store, bool create, int *ret_fd, struct error *err);

/* The same for a folder in an open one. */
int store_open_below(struct store *store, int parent, const char *name, bool create, int *ret_fd,
                     struct error *err);

/* Append a small regular file to out. 1 read, 0 not there, -1 failed (ERROR_LIMIT: larger than
 * STORE_SMALL_MAX; ERROR_STORE_FOREIGN: a symbolic link or no regular file). */
int store_read_small(struct store *store, int folder, const char *name, struct str *out,
                     struct error *err);

#define STORE_BESIDE ".new" /* behind the name, while it is written; who is killed leaves it */

/* Replace a small file whole: write beside it, fsync, rename, fsync the folder. The old content or
 * the new one is there at any moment. On failure what was written beside it is removed. */
int store_replace_small(struct store *store, int folder, const char *name, mode_t mode,
                        const char *bytes, size_t n, struct error *err);

/* Write all bytes; fsync a descriptor of this store. what names it in errors. */
int store_write_all(struct store *store, int fd, const char *what, const void *bytes, size_t n,
                    struct error *err);
int store_sync(struct store *store, int fd, const char *what, struct error *err);

/* A name becomes another of the same folder; what stood there is gone. Durable by the folder's fsync. */
int store_rename(struct store *store, int folder, const char *from, const char *to,
                 struct error *err);

/*
 * Give a file a name that nothing has yet. A call that was done and answered as if it had not been
 * (NFS sends calls again) is told by the file that has the name then.
 *
 * 1 renamed, 0 from is not there, -1 failed (ERROR_EXISTS: to is something else).
 *
 * Atomic where the file system has RENAME_NOREPLACE (local ones, SMB) or hard links (NFS: both
 * names are there for a moment); elsewhere it is a look and a rename.
 */
int store_rename_new(struct store *store, int folder, const char *from, const char *to,
                     struct error *err);

/* Remove a file. 1 removed, 0 was not there, -1 failed. */
int store_unlink(struct store *store, int folder, const char *name, struct error *err);

/* Size of a regular file. 1 there, 0 not there, -1 failed or no regular file. */
int store_file_size(struct store *store, int folder, const char *name, uint64_t *ret_bytes,
                    struct error *err);

/* Call entry for each name in the folder (-1: the root); entry gives 0 to go on, 1 to end, or -1
 * having set this same *err. */
int store_list(struct store *store, int folder, store_list_fn *entry, void *context,
               struct error *err);

#endif
