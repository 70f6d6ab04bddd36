/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Written, then durable under its partial name; being published is a later step's affair.
 */
#include "agent/pipeline/sink_file.h"

#include "common/store/publish.h"

#include "common/base/poison.h"

static int write_bytes(void *context, const void *bytes, size_t n, struct error *err)
{
    return publish_write(context, bytes, n, err);
}

static int skip_zeros(void *context, uint64_t n, struct error *err)
{
    return publish_skip(context, n, err);
}

static int finish(void *context, struct error *err)
{
    return publish_end_data(context, err);
}

struct pipeline_sink sink_file(struct publish *publish)
{
    return (struct pipeline_sink){.write = write_bytes, .finish = finish, .context = publish};
}

struct pipeline_sink sink_file_sparse(struct publish *publish)
{
    struct pipeline_sink sink = sink_file(publish);
    sink.skip = skip_zeros;
    return sink;
}

static int drop_bytes(void *context, const void *bytes, size_t n, struct error *err)
{
    (void)context;
    (void)bytes;
    (void)n;
    (void)err;
    return 0;
}

static int drop_zeros(void *context, uint64_t n, struct error *err)
{
    (void)context;
    (void)n;
    (void)err;
    return 0;
}

static int finish_nothing(void *context, struct error *err)
{
    (void)context;
    (void)err;
    return 0;
}

struct pipeline_sink sink_none(void)
{
    return (struct pipeline_sink){
        .write = drop_bytes, .skip = drop_zeros, .finish = finish_nothing};
}
