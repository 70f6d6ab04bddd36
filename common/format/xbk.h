/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The check of a host backup while it streams by: whole gzip, whole tar inside.
 *
 * Source: xapi xapi_host_backup.ml; scripts/host-backup-restore/host-backup (GNU tar --gzip).
 */
#ifndef ONYX_COMMON_FORMAT_XBK_H
#define ONYX_COMMON_FORMAT_XBK_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"

struct error;
struct xbk_check;

#define XBK_PROOF "archive" /* gzip and tar complete */

/* ERROR_NO_MEMORY. */
struct xbk_check *xbk_check_new(struct error *err);
void xbk_check_free(struct xbk_check *check);
#define CLEAN_XBK_CHECK CLEANUP(xbk_check_clean)
void xbk_check_clean(struct xbk_check **check);

/* ERROR_CORRUPT, ERROR_XAPI (late answer). */
int xbk_check_feed(struct xbk_check *check, const void *bytes, size_t n, struct error *err);

/* ERROR_SHORT, ERROR_CORRUPT (no member), ERROR_XAPI. ret_members_n may be NULL. */
int xbk_check_finish(struct xbk_check *check, uint64_t *ret_members_n, struct error *err);

#endif
