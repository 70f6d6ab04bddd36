/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One descriptor and how far it has come. Advice that the file system does not take is no failure.
 */
#include "common/store/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/store/root.h"
#include "common/store/trouble.h"

#include "common/base/poison.h"

#define GIVE_UP_BYTES (8 << 20) /* so much is read before its pages are given up */

struct reader {
    struct store *store;
    char *name;
    int fd;
    int64_t at_bytes;
    int64_t given_up_bytes;
};

int reader_open(struct store *store, int folder, const char *file, struct reader **ret_reader,
                struct error *err)
{
    const struct store_ops *ops = store_ops(store);
    struct stat st;

    if (store_check_name(file, err) != 0)
        return -1;
    /* O_NONBLOCK: a FIFO of that name must not hold us before it is seen to be none of ours. */
    CLEAN_FD int fd = ops->open(ops->context, folder, file, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0 && errno == ELOOP)
        return error_set(err, ERROR_STORE_FOREIGN, "%s is a symbolic link: it is not followed",
                         file);
    if (fd < 0)
        return trouble_set(err, errno, "open %s", file);
    if (fstat(fd, &st) != 0)
        return trouble_set(err, errno, "look at %s", file);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_STORE_FOREIGN, "%s is no regular file", file);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    struct reader *reader = mem_zero(1, sizeof *reader);
    *reader = (struct reader){.store = store, .name = mem_dup(file), .fd = fd};
    fd = -1;
    *ret_reader = reader;
    return 0;
}

void reader_close(struct reader *reader)
{
    if (reader == NULL)
        return;
    (void)posix_fadvise(reader->fd, 0, 0, POSIX_FADV_DONTNEED);
    fd_close(&reader->fd);
    free(reader->name);
    free(reader);
}

void reader_clean(struct reader **reader)
{
    reader_close(*reader);
    *reader = NULL;
}

int64_t reader_read(struct reader *reader, void *bytes, size_t n, struct error *err)
{
    const struct store_ops *ops = store_ops(reader->store);
    ssize_t got = ops->read(ops->context, reader->fd, bytes, n);

    if (got < 0)
        return trouble_set(err, errno, "read %s behind byte %lld", reader->name,
                             (long long)reader->at_bytes);
    reader->at_bytes += got;
    if (reader->at_bytes - reader->given_up_bytes >= GIVE_UP_BYTES) {
        (void)posix_fadvise(reader->fd, reader->given_up_bytes,
                            reader->at_bytes - reader->given_up_bytes, POSIX_FADV_DONTNEED);
        reader->given_up_bytes = reader->at_bytes;
    }
    return got;
}
