/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Why an operation failed, as a value on the caller's stack.
 *
 * An error carries a stable code, the errno behind it, who raised it (a XAPI code, a library) and
 * a text that grows at the front as it passes up: "export web1: read xvda: HTTP 500 from host-2".
 * It allocates nothing and crosses the wire as code and text. Functions that can fail take a
 * struct error * as last parameter and give 0, or -1 with the error set; look-ups give 1 found,
 * 0 absent, -1 failed. A function returns an error or logs it, never both.
 */
#ifndef ONYX_COMMON_BASE_ERROR_H
#define ONYX_COMMON_BASE_ERROR_H

#include <stdbool.h>

#define ERROR_ORIGIN_MAX 64
#define ERROR_TEXT_MAX 768

/* Number, name, may be tried again, exit status of a program that ends with it. Numbers cross the
 * wire and stand in the catalog: they are never reused. */
#define ERROR_TABLE(X)                                                                             \
    X(NONE, 0, false, 0)                                                                           \
    X(INTERNAL, 1, false, 7)                                                                       \
    X(USAGE, 2, false, 2)                                                                          \
    X(SETTINGS, 3, false, 2)                                                                       \
    X(POOL_UNREACHABLE, 4, true, 3)                                                                \
    X(POOL_REFUSED, 5, false, 3)                                                                   \
    X(XAPI, 6, true, 1)                                                                            \
    X(XAPI_GONE, 7, false, 1)                                                                      \
    X(BUSY, 8, true, 4)                                                                            \
    X(STORE_MISSING, 9, false, 5)                                                                  \
    X(STORE_FOREIGN, 10, false, 5)                                                                 \
    X(NO_SPACE, 11, true, 5)                                                                       \
    X(INTERRUPTED, 12, false, 6)                                                                   \
    X(CANCELLED, 13, false, 6)                                                                     \
    X(EXISTS, 14, false, 1)                                                                        \
    X(NOT_FOUND, 15, false, 1)                                                                     \
    X(IO, 16, true, 1)                                                                             \
    X(SHORT, 17, true, 1)                                                                          \
    X(CORRUPT, 18, true, 1)                                                                        \
    X(TIMEOUT, 19, true, 1)                                                                        \
    X(PROTOCOL, 20, true, 1)                                                                       \
    X(AUTH, 21, false, 3)                                                                          \
    X(UNSUPPORTED, 22, false, 1)                                                                   \
    X(LIMIT, 23, false, 1)                                                                         \
    X(NO_MEMORY, 24, true, 7)                                                                      \
    X(DIED, 25, true, 1)                                                                           \
    X(LOST, 26, true, 1)                                                                           \
    X(BAD_INPUT, 27, false, 1)                                                                     \
    X(LEASE, 28, true, 4)                                                                          \
    X(READ_ONLY, 29, true, 5)                                                                      \
    X(STORE_GONE, 30, true, 5)                                                                     \
    X(HUNG, 31, false, 5)

enum error_code {
#define X(name, number, again, status) ERROR_##name = number,
    ERROR_TABLE(X)
#undef X
};

struct error {
    enum error_code code;
    int sys;                       /* errno, or 0 */
    char origin[ERROR_ORIGIN_MAX]; /* e.g. "VDI_IN_USE"; empty when it is ours */
    char text[ERROR_TEXT_MAX];
};

/* No error. */
#define ERROR_INIT                                                                                 \
    {                                                                                              \
        .code = ERROR_NONE                                                                         \
    }

/* Set code and text; any former content goes. Always gives -1. err may be NULL (nothing is kept). */
int error_set(struct error *err, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As error_set, with ": " and the text of sys behind it. ENOSPC, EDQUOT give ERROR_NO_SPACE and
 * ENOENT gives ERROR_NOT_FOUND, EEXIST ERROR_EXISTS when code is ERROR_IO. Always gives -1. */
int error_set_sys(struct error *err, enum error_code code, int sys, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Name where the error came from (a XAPI code, a library's name). */
void error_set_origin(struct error *err, const char *origin);

/* Put "what was being done: " in front; code and origin stay. Always gives -1. */
int error_add(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Forget the error. */
void error_clear(struct error *err);

bool error_is_set(const struct error *err);

/* Stable name ("NO_SPACE"), "UNKNOWN" for a number that is in no table. */
const char *error_name(enum error_code code);

/* The code of a number from the wire or the catalog; ERROR_INTERNAL if it is in no table. */
enum error_code error_code_from_number(int number);

/* Whether another attempt may succeed. */
bool error_may_be_retried(enum error_code code);

/* Exit status of a program that ends with this error (docs/DESIGN.md, Processes). */
int error_exit_status(enum error_code code);

#endif
