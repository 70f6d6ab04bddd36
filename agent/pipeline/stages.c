/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Only the shapes of the functions differ.
 */
#include "agent/pipeline/stages.h"

#include "common/format/sparse_digest.h"
#include "common/format/vhd_raw.h"
#include "common/format/xva_rewrite.h"

#include "common/base/poison.h"

static int pass_raw(void *context, const void *bytes, size_t n, struct error *err)
{
    struct stages_raw *raw = context;
    sparse_digest_update(raw->digest, bytes, n);
    return raw->next(raw->next_context, bytes, n, err);
}

static int feed_raw(void *context, const void *bytes, size_t n, pipeline_intake_fn *next,
                    void *next_context, struct error *err)
{
    struct stages_raw *raw = context;
    raw->next = next;
    raw->next_context = next_context;
    if (raw->raw == NULL)
        return pass_raw(raw, bytes, n, err);
    return vhd_raw_feed(raw->raw, bytes, n, pass_raw, raw, err);
}

static int finish_raw(void *context, pipeline_intake_fn *next, void *next_context,
                      struct error *err)
{
    struct stages_raw *raw = context;
    raw->next = next;
    raw->next_context = next_context;
    return raw->raw != NULL ? vhd_raw_finish(raw->raw, pass_raw, raw, err) : 0;
}

struct pipeline_stage stages_vhd_raw(struct stages_raw *raw)
{
    return (struct pipeline_stage){.feed = feed_raw, .finish = finish_raw, .context = raw};
}

static int feed_xva(void *context, const void *bytes, size_t n, pipeline_intake_fn *next,
                    void *next_context, struct error *err)
{
    return xva_rewrite_feed(context, bytes, n, next, next_context, err);
}

static int finish_xva(void *context, pipeline_intake_fn *next, void *next_context,
                      struct error *err)
{
    return xva_rewrite_finish(context, next, next_context, err);
}

struct pipeline_stage stages_xva_rewrite(struct xva_rewrite *rewrite)
{
    return (struct pipeline_stage){.feed = feed_xva, .finish = finish_xva, .context = rewrite};
}
