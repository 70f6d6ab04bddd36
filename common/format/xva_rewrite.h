/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An XVA that flows by, its first member ova.xml rewritten to another identity (ova_rewrite).
 *
 * ova.xml is held until it is whole (at most OVA_REWRITE_MAX), everything behind it passes as it
 * is. When something is not understood the original passes, and the reason is kept: an archive is
 * never made worse by this.
 */
#ifndef ONYX_COMMON_FORMAT_XVA_REWRITE_H
#define ONYX_COMMON_FORMAT_XVA_REWRITE_H

#include <stddef.h>

#include "common/base/mem.h"
#include "common/format/ova_rewrite.h"

struct error;
struct xva_rewrite;

/* Takes what leaves; 0, or -1 with the error set to stop. */
typedef int xva_rewrite_sink_fn(void *context, const void *bytes, size_t n, struct error *err);

/* identity is copied. */
struct xva_rewrite *xva_rewrite_new(const struct ova_identity *identity);
void xva_rewrite_free(struct xva_rewrite *rewrite);
#define CLEAN_XVA_REWRITE CLEANUP(xva_rewrite_clean)
void xva_rewrite_clean(struct xva_rewrite **rewrite);

/* Fails with what the sink says only. */
int xva_rewrite_feed(struct xva_rewrite *rewrite, const void *bytes, size_t n,
                     xva_rewrite_sink_fn *sink, void *context, struct error *err);

/* The stream has ended: what is still held goes out as it came. */
int xva_rewrite_finish(struct xva_rewrite *rewrite, xva_rewrite_sink_fn *sink, void *context,
                       struct error *err);

/* Why ova.xml was left as it is; NULL: it was rewritten, or has not come yet. Borrowed. */
const char *xva_rewrite_refusal(const struct xva_rewrite *rewrite);

#endif
