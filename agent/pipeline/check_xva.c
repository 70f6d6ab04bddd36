/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Only the shapes of the functions differ.
 */
#include "agent/pipeline/check_xva.h"

#include "common/format/xva.h"

#include "common/base/poison.h"

static int feed(void *context, const void *bytes, size_t n, struct error *err)
{
    return xva_check_feed(context, bytes, n, err);
}

static int finish(void *context, struct error *err)
{
    return xva_check_finish(context, NULL, err);
}

struct pipeline_check check_xva(struct xva_check *check)
{
    return (struct pipeline_check){.feed = feed, .finish = finish, .context = check};
}
