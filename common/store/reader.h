/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A published file read from its first byte to its last.
 *
 * What this host's memory holds of the file is given up before and behind the reading, so that the
 * share answers and not the memory, and a large file does not drive everything else out of it.
 */
#ifndef ONYX_COMMON_STORE_READER_H
#define ONYX_COMMON_STORE_READER_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"

struct error;
struct reader;
struct store;

/*
 * Open a file in an open folder of the store; store is borrowed until close.
 *
 * Fails:  ERROR_BAD_INPUT (name), ERROR_NOT_FOUND, ERROR_STORE_FOREIGN (a symbolic link, no regular
 *         file), ERROR_IO.
 */
int reader_open(struct store *store, int folder, const char *file, struct reader **ret_reader,
                struct error *err);
void reader_close(struct reader *reader);
#define CLEAN_READER CLEANUP(reader_clean)
void reader_clean(struct reader **reader);

/* The next bytes, at most n: how many, 0 at the end, -1 ERROR_IO. */
int64_t reader_read(struct reader *reader, void *bytes, size_t n, struct error *err);

#endif
