/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One table; what is not in it has only the system's words.
 */
#include "common/store/trouble.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>

#include "common/base/error.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define GONE "the share is gone from this host: mount it again, and look at its server"
#define DENIED                                                                                     \
    "this host may not write there: look at the rights of the export (root_squash) and of the "    \
    "folder"

static const struct {
    int why;
    enum error_code code;
    const char *advice;
} troubles[] = {
    {ENOSPC, ERROR_NO_SPACE, "the share is full: remove something, or let fewer backups be kept"},
    {EDQUOT, ERROR_NO_SPACE,
     "a quota on the share is used up: raise it, or let fewer backups be kept"},
    {EROFS, ERROR_READ_ONLY,
     "the share is mounted read-only here: look at its server, then mount it for writing"},
    {ESTALE, ERROR_STORE_GONE, GONE},
    {ENOTCONN, ERROR_STORE_GONE, GONE},
    {ENODEV, ERROR_STORE_GONE, GONE},
    {ENXIO, ERROR_STORE_GONE, GONE},
    {EHOSTDOWN, ERROR_STORE_GONE, GONE},
    {EIO, ERROR_IO, "the share reports damage or a lost server: look at its server's own log"},
    {EACCES, ERROR_IO, DENIED},
    {EPERM, ERROR_IO, DENIED},
    {EFBIG, ERROR_LIMIT, "the share's file system holds no file so large"},
};

int trouble_set(struct error *err, int why, const char *format, ...)
{
    CLEAN_STR struct str what = STR_INIT;
    va_list args;

    va_start(args, format);
    str_add_format_v(&what, format, args);
    va_end(args);
    for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++) {
        if (troubles[i].why != why || err == NULL)
            continue;
        struct error words = ERROR_INIT;
        error_set_sys(&words, troubles[i].code, why, "%s", str_text(&what));
        error_set(err, troubles[i].code, "%s: %s", words.text, troubles[i].advice);
        err->sys = why;
        return -1;
    }
    return error_set_sys(err, ERROR_IO, why, "%s", str_text(&what));
}
