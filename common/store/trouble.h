/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the errno of a call on the share means, and what is to be done about it.
 *
 * A share that is gone from this host, or that this host has read-only, may be fine on another one:
 * both may be tried again, which an agent elsewhere does.
 * Source: errno(3); Linux fs/nfs/inode.c (ESTALE), fs/smb/client (EHOSTDOWN, ENODEV), fs/fuse
 * (ENOTCONN).
 */
#ifndef ONYX_COMMON_STORE_TROUBLE_H
#define ONYX_COMMON_STORE_TROUBLE_H

struct error;

/*
 * Set *err to what was being done, the system's words and the advice. Always gives -1.
 *
 * Fails:  ERROR_NO_SPACE (ENOSPC, EDQUOT), ERROR_READ_ONLY (EROFS), ERROR_STORE_GONE (ESTALE,
 *         ENOTCONN, ENODEV, ENXIO, EHOSTDOWN), ERROR_LIMIT (EFBIG), ERROR_NOT_FOUND, ERROR_EXISTS,
 *         else ERROR_IO.
 */
int trouble_set(struct error *err, int why, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
