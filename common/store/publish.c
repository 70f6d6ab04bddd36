/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Partial files, their durable writing, and the renames that make a backup visible.
 *
 * The folder is fsynced before the first rename too: else a power cut could keep the data's new
 * name and lose .meta.partial, which would leave a data file that nobody vouches for. Between the
 * renames it is not: a power cut may keep the second alone, which settle ends. Errors of
 * early write-back are taken seriously: the kernel reports each of them once per descriptor, so
 * one that we passed over would be missing at fsync.
 * Source: fsync(2), sync_file_range(2), rename(2); Linux mm/filemap.c, errseq.
 */
#include "common/store/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/model/job.h"
#include "common/store/root.h"
#include "common/store/trouble.h"

#include "common/base/poison.h"

#define FLUSH_BYTES (8u << 20)
#define ZEROS_BYTES 65536

enum publish_step {
    STEP_DATA,     /* data is being written */
    STEP_DURABLE,  /* data is durable under its partial name */
    STEP_PREPARED, /* .meta too */
    STEP_RENAMING, /* from here on settle_files decides */
    STEP_DONE
};

struct publish {
    struct store *store;
    int folder;
    int fd;
    enum publish_step step;
    mode_t mode;
    char *place; /* the folder's name */
    char *file, *meta;
    char *file_partial, *meta_partial;
    bool has_meta;     /* .meta.partial was made by us */
    bool is_withdrawn; /* its data was taken away by us */
    struct stat own;   /* of STEP_RENAMING: the data */
    uint64_t bytes;
    uint64_t written; /* so far the file reaches: behind bytes while a hole is open */
    uint64_t flushed; /* write-back was begun up to here */
    uint64_t dropped; /* and ended, and the pages given up, up to here */
};

static char *partial_name(const char *file, const char *job, uint32_t attempt)
{
    return str_format("%s.%s-%u" PUBLISH_PARTIAL, file, job, (unsigned)attempt);
}

void publish_free(struct publish *publish)
{
    if (publish == NULL)
        return;
    fd_close(&publish->fd);
    fd_close(&publish->folder);
    free(publish->place);
    free(publish->file);
    free(publish->meta);
    free(publish->file_partial);
    free(publish->meta_partial);
    free(publish);
}

void publish_clean(struct publish **publish)
{
    publish_free(*publish);
    *publish = NULL;
}

/* Neither the final names nor .meta.partial may be there. */
static int refuse_existing(struct publish *publish, const char *folder, struct error *err)
{
    const char *names[] = {publish->file, publish->meta, publish->meta_partial};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uint64_t bytes;
        int found = store_file_size(publish->store, publish->folder, names[i], &bytes, err);
        if (found < 0)
            return -1;
        if (found == 1)
            return error_set(err, ERROR_EXISTS, "%s/%s is there already", folder, names[i]);
    }
    return 0;
}

static int check_place(const struct publish_place *place, struct error *err)
{
    CLEAN_CHAR char *longest = str_format("%s%s.%s-%u" PUBLISH_PARTIAL, place->stem, place->suffix,
                                          place->job, (unsigned)place->attempt);
    if (!job_id_is_valid(place->job))
        return error_set(err, ERROR_BAD_INPUT, "'%s' is no job's id", place->job);
    return store_check_name(longest, err);
}

int publish_begin(struct store *store, const struct publish_place *place,
                  struct publish **ret_publish, struct error *err)
{
    const struct store_ops *ops = store_ops(store);
    if (check_place(place, err) != 0 || store_check_room(store, err) != 0)
        return -1;
    CLEANUP(publish_clean) struct publish *publish = mem_zero(1, sizeof *publish);
    publish->store = store;
    publish->fd = publish->folder = -1;
    publish->mode = place->is_private ? 0600 : 0644;
    publish->place = mem_dup(place->folder);
    publish->file = str_format("%s%s", place->stem, place->suffix);
    publish->meta = str_format("%s" PUBLISH_META, place->stem);
    publish->file_partial = partial_name(publish->file, place->job, place->attempt);
    publish->meta_partial = str_format("%s" PUBLISH_PARTIAL, publish->meta);
    if (store_open_folder(store, place->folder, true, &publish->folder, err) != 0 ||
        refuse_existing(publish, place->folder, err) != 0)
        return -1;
    publish->fd = ops->open(ops->context, publish->folder, publish->file_partial,
                            O_WRONLY | O_CREAT | O_EXCL, publish->mode);
    if (publish->fd < 0)
        return trouble_set(err, errno, "create %s/%s", place->folder, publish->file_partial);
    *ret_publish = publish;
    publish = NULL;
    return 0;
}

/* Whether sync_file_range tells of lost data, not of a file system that lacks it. */
static bool is_write_error(int result, int why)
{
    return result != 0 && why != EINVAL && why != ESPIPE && why != ENOSYS && why != EOPNOTSUPP;
}

/* Begin write-back of the newest piece; wait for the one before and give up its pages. */
static int flush_behind(struct publish *publish, struct error *err)
{
    off_t from = (off_t)publish->dropped;
    off_t middle = (off_t)publish->flushed;
    off_t end = (off_t)publish->bytes;
    int result = sync_file_range(publish->fd, middle, end - middle, SYNC_FILE_RANGE_WRITE);
    if (is_write_error(result, errno))
        return trouble_set(err, errno, "write %s", publish->file_partial);
    if (middle > from) {
        result = sync_file_range(publish->fd, from, middle - from,
                                 SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                     SYNC_FILE_RANGE_WAIT_AFTER);
        if (is_write_error(result, errno))
            return trouble_set(err, errno, "write %s", publish->file_partial);
        (void)posix_fadvise(publish->fd, from, middle - from, POSIX_FADV_DONTNEED);
    }
    publish->dropped = publish->flushed;
    publish->flushed = publish->bytes;
    return 0;
}

static bool is_refusal(int why)
{
    return why == EOPNOTSUPP || why == EINVAL || why == EPERM || why == ENOSYS;
}

int publish_skip(struct publish *publish, uint64_t n, struct error *err)
{
    if (n > INT64_MAX - publish->bytes)
        return error_set(err, ERROR_LIMIT, "%s becomes too large", publish->file_partial);
    publish->bytes += n;
    return 0;
}

/* For shares that have no holes. */
static int write_zeros(struct publish *publish, struct error *err)
{
    static const char zeros[ZEROS_BYTES];
    while (publish->written < publish->bytes) {
        uint64_t left = publish->bytes - publish->written;
        size_t n = left < sizeof zeros ? (size_t)left : sizeof zeros;
        if (store_write_all(publish->store, publish->fd, publish->file_partial, zeros, n, err) != 0)
            return -1;
        publish->written += n;
    }
    return 0;
}

/* What was skipped is left out by seeking over it, or, at the end, by setting the length. */
static int leave_hole(struct publish *publish, bool is_end, struct error *err)
{
    const struct store_ops *ops = store_ops(publish->store);
    if (publish->written == publish->bytes)
        return 0;
    int result = is_end ? ops->truncate(ops->context, publish->fd, publish->bytes)
                        : ops->seek(ops->context, publish->fd, publish->bytes);
    if (result != 0 && is_refusal(errno))
        return write_zeros(publish, err);
    if (result != 0)
        return trouble_set(err, errno, "leave a hole in %s", publish->file_partial);
    publish->written = publish->bytes;
    return 0;
}

int publish_write(struct publish *publish, const void *bytes, size_t n, struct error *err)
{
    if (leave_hole(publish, false, err) != 0)
        return -1;
    if (store_write_all(publish->store, publish->fd, publish->file_partial, bytes, n, err) != 0)
        return -1;
    publish->bytes += n;
    publish->written += n;
    if (publish->bytes - publish->flushed >= FLUSH_BYTES)
        return flush_behind(publish, err);
    return 0;
}

int publish_end_data(struct publish *publish, struct error *err)
{
    if (leave_hole(publish, true, err) != 0 ||
        store_sync(publish->store, publish->fd, publish->file_partial, err) != 0)
        return -1;
    (void)posix_fadvise(publish->fd, 0, 0, POSIX_FADV_DONTNEED);
    publish->step = STEP_DURABLE;
    return 0;
}

uint64_t publish_bytes(const struct publish *publish)
{
    return publish->bytes;
}

const char *publish_file(const struct publish *publish)
{
    return publish->file;
}

static int write_meta(struct publish *publish, const char *meta, size_t n, struct error *err)
{
    const struct store_ops *ops = store_ops(publish->store);
    CLEAN_FD int fd = ops->open(ops->context, publish->folder, publish->meta_partial,
                                O_WRONLY | O_CREAT | O_EXCL, publish->mode);
    if (fd < 0)
        return trouble_set(err, errno, "create %s", publish->meta_partial);
    publish->has_meta = true;
    if (store_write_all(publish->store, fd, publish->meta_partial, meta, n, err) != 0 ||
        store_sync(publish->store, fd, publish->meta_partial, err) != 0)
        return -1;
    return store_sync(publish->store, publish->folder, "the folder", err);
}

static int set_settled(const struct publish *publish, const char *name, struct error *err)
{
    return error_set(err, ERROR_LOST,
                     "%s/%s was taken away while it was published: a cleanup has settled this "
                     "attempt, whose agent or run it took for dead",
                     publish->place, name);
}

/* Our descriptors follow a folder that is moved away and a share that is unmounted lazily: whoever
 * looks for the backup goes by the path. Told by name and size, for not every share has inode
 * numbers that last. */
static int check_is_seen(struct publish *publish, struct error *err)
{
    struct stat ours, seen;
    CLEAN_STORE struct store *store = NULL;
    CLEAN_FD int folder = -1;
    uint64_t bytes = 0;
    struct error why = ERROR_INIT;
    int found = -1;
    if (store_open(store_root(publish->store), store_ops(publish->store), &store, &why) == 0 &&
        store_open_folder(store, publish->place, false, &folder, &why) == 0)
        found = store_file_size(store, folder, publish->file_partial, &bytes, &why);
    if (found == 1 && bytes == publish->bytes)
        return 0;
    if (found == 0 && fstat(publish->folder, &ours) == 0 && fstat(folder, &seen) == 0 &&
        ours.st_dev == seen.st_dev && ours.st_ino == seen.st_ino)
        return set_settled(publish, publish->file_partial, err);
    return error_set(err, ERROR_STORE_MISSING,
                     "%s/%s does not lead to what was written there: was its share unmounted, or "
                     "the folder moved? (%s)",
                     store_root(publish->store), publish->place,
                     found < 0    ? why.text
                     : found == 0 ? "the file is not there"
                                  : "the file has another size");
}

int publish_sync_names(struct publish *publish, struct error *err)
{
    return store_sync(publish->store, publish->folder, "the folder", err);
}

int publish_prepare(struct publish *publish, const char *meta, size_t n, struct error *err)
{
    if (publish->step != STEP_DURABLE)
        return error_set(err, ERROR_INTERNAL, "%s is not durable yet", publish->file_partial);
    if (check_is_seen(publish, err) != 0 || write_meta(publish, meta, n, err) != 0)
        return -1;
    publish->step = STEP_PREPARED;
    return 0;
}

static int rename_in(struct publish *publish, const char *from, const char *to, struct error *err)
{
    int renamed = store_rename_new(publish->store, publish->folder, from, to, err);
    if (renamed == 0)
        return set_settled(publish, from, err);
    return renamed < 0 ? -1 : 0;
}

int publish_commit(struct publish *publish, const char *meta, size_t n, struct error *err)
{
    if (publish->step != STEP_PREPARED && publish_prepare(publish, meta, n, err) != 0)
        return -1;
    /* Closed, for an NFS client gives open files that are unlinked a name of its own. */
    if (fstat(publish->fd, &publish->own) != 0)
        return trouble_set(err, errno, "look at %s", publish->file_partial);
    fd_close(&publish->fd);
    publish->step = STEP_RENAMING;
    if (rename_in(publish, publish->file_partial, publish->file, err) != 0 ||
        rename_in(publish, publish->meta_partial, publish->meta, err) != 0)
        return -1;
    if (store_sync(publish->store, publish->folder, "the folder", err) != 0)
        return -1;
    publish->step = STEP_DONE;
    return 0;
}

static int withdraw(struct publish *publish, struct error *err)
{
    fd_close(&publish->fd);
    int removed = store_unlink(publish->store, publish->folder, publish->file_partial, err);
    publish->is_withdrawn = publish->is_withdrawn || removed == 1;
    return removed < 0 ? -1 : 0;
}

int publish_withdraw(struct publish *publish, struct error *err)
{
    if (withdraw(publish, err) != 0)
        return -1;
    return store_sync(publish->store, publish->folder, "the folder", err);
}

/* The data first: who finds it gone does not go forward by .meta.partial. Where somebody else has
 * it, or is linking it to its final name, he needs its .meta.partial. */
int publish_abandon(struct publish *publish, struct error *err)
{
    uint64_t bytes = 0;
    if (publish->step == STEP_RENAMING || publish->step == STEP_DONE)
        return 0;
    if (withdraw(publish, err) != 0)
        return -1;
    if (!publish->is_withdrawn || !publish->has_meta)
        return 0;
    int final = store_file_size(publish->store, publish->folder, publish->file, &bytes, err);
    if (final != 0)
        return final < 0 ? -1 : 0;
    return store_unlink(publish->store, publish->folder, publish->meta_partial, err) < 0 ? -1 : 0;
}

/* 1 there, 0 not, -1 failed. What becomes another one is looked for first. */
static int has_any_meta(struct publish *publish, struct error *err)
{
    const char *names[] = {publish->meta_partial, publish->meta};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uint64_t bytes = 0;
        int found = store_file_size(publish->store, publish->folder, names[i], &bytes, err);
        if (found != 0)
            return found;
    }
    return 0;
}

/* Under its partial name first: should a .meta be seen then (our client of the share may have known
 * it for absent), all is as after a power cut between the renames, and it goes forward. */
int publish_take_back(struct publish *publish, struct error *err)
{
    const struct store_ops *ops = store_ops(publish->store);
    struct stat st;
    if (publish->step != STEP_RENAMING ||
        ops->stat(ops->context, publish->folder, publish->file, &st) != 0 ||
        st.st_ino != publish->own.st_ino || st.st_dev != publish->own.st_dev ||
        st.st_size != publish->own.st_size)
        return 0;
    int has_meta = has_any_meta(publish, err);
    if (has_meta == 1)
        return error_set(err, ERROR_EXISTS, "%s/%s stands beside a .meta: it is left",
                         publish->place, publish->file);
    if (has_meta < 0)
        return -1;
    if (store_rename_new(publish->store, publish->folder, publish->file, publish->file_partial,
                         err) < 0)
        return -1;
    has_meta = has_any_meta(publish, err);
    if (has_meta < 0)
        return -1;
    if (has_meta == 1)
        return store_rename_new(publish->store, publish->folder, publish->file_partial,
                                publish->file, err) < 0
                   ? -1
                   : 0;
    return store_unlink(publish->store, publish->folder, publish->file_partial, err) < 0 ? -1 : 0;
}
