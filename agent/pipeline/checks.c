/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Only the shapes of the functions differ.
 */
#include "agent/pipeline/checks.h"

#include "common/format/db.h"
#include "common/format/length.h"
#include "common/format/vhd.h"
#include "common/format/xbk.h"
#include "common/format/xva.h"

#include "common/base/poison.h"

static int feed_db(void *context, const void *bytes, size_t n, struct error *err)
{
    return db_check_feed(context, bytes, n, err);
}

static int finish_db(void *context, struct error *err)
{
    return db_check_finish(context, NULL, err);
}

struct pipeline_check checks_db(struct db_check *check)
{
    return (struct pipeline_check){.feed = feed_db, .finish = finish_db, .context = check};
}

static int feed_length(void *context, const void *bytes, size_t n, struct error *err)
{
    return length_check_feed(context, bytes, n, err);
}

static int finish_length(void *context, struct error *err)
{
    return length_check_finish(context, err);
}

struct pipeline_check checks_length(struct length_check *check)
{
    return (struct pipeline_check){.feed = feed_length, .finish = finish_length, .context = check};
}

static int feed_vhd(void *context, const void *bytes, size_t n, struct error *err)
{
    return vhd_check_feed(context, bytes, n, err);
}

static int finish_vhd(void *context, struct error *err)
{
    return vhd_check_finish(context, NULL, err);
}

struct pipeline_check checks_vhd(struct vhd_check *check)
{
    return (struct pipeline_check){.feed = feed_vhd, .finish = finish_vhd, .context = check};
}

static int feed_xbk(void *context, const void *bytes, size_t n, struct error *err)
{
    return xbk_check_feed(context, bytes, n, err);
}

static int finish_xbk(void *context, struct error *err)
{
    return xbk_check_finish(context, NULL, err);
}

struct pipeline_check checks_xbk(struct xbk_check *check)
{
    return (struct pipeline_check){.feed = feed_xbk, .finish = finish_xbk, .context = check};
}

static int feed_xva(void *context, const void *bytes, size_t n, struct error *err)
{
    return xva_check_feed(context, bytes, n, err);
}

static int finish_xva(void *context, struct error *err)
{
    return xva_check_finish(context, NULL, err);
}

struct pipeline_check checks_xva(struct xva_check *check)
{
    return (struct pipeline_check){.feed = feed_xva, .finish = finish_xva, .context = check};
}
