/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * File descriptors: whole reads and writes, small files as one value, closing in scope.
 *
 * Everything is opened close-on-exec.
 */
#ifndef ONYX_COMMON_BASE_FD_H
#define ONYX_COMMON_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base/mem.h"

struct error;
struct str;

/* An owned descriptor is an int initialised to -1. */
#define CLEAN_FD CLEANUP(fd_close)
void fd_close(int *fd); /* closes if >= 0, sets -1, keeps errno */

/* Write all n bytes, through EINTR and short writes. ERROR_NO_SPACE, ERROR_IO. */
int fd_write_all(int fd, const void *bytes, size_t n, struct error *err);

/* Read until n bytes or the end; *ret_n < n means end. */
int fd_read_upto(int fd, void *bytes, size_t n, size_t *ret_n, struct error *err);

/* The whole of a file of at most max bytes, appended to out. ERROR_LIMIT if it is larger. */
int fd_read_file(const char *path, size_t max, struct str *out, struct error *err);

/*
 * Open a file that holds a secret: a regular one that nobody but its owner may read or write, whose
 * owner is root or whoever runs this. kind names it in errors: "key file".
 *
 * Fails:  ERROR_SETTINGS says what to do; errno in it when the file can't be opened.
 */
int fd_open_secret(const char *path, const char *kind, int *ret_fd, struct error *err);

/* Replace a small file: write beside it, fsync, rename, fsync the folder. */
int fd_replace_file(const char *path, mode_t mode, const void *bytes, size_t n, struct error *err);

/* A pipe, both ends close-on-exec. */
int fd_pipe(int *ret_read, int *ret_write, struct error *err);

/* Reads and writes give EAGAIN instead of waiting. */
int fd_set_nonblocking(int fd, struct error *err);

#endif
