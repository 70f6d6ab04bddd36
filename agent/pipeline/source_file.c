/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads of whole blocks, handed on as they come.
 */
#include "agent/pipeline/source_file.h"

#include "common/base/mem.h"
#include "common/store/reader.h"

#include "common/base/poison.h"

static int run(void *context, pipeline_intake_fn *intake, void *intake_context, struct error *err)
{
    CLEANUP(mem_free_void) unsigned char *block = mem_zero(1, PIPELINE_BLOCK_BYTES);

    for (;;) {
        int64_t got = reader_read(context, block, PIPELINE_BLOCK_BYTES, err);

        if (got <= 0)
            return got < 0 ? -1 : 0;
        if (intake(intake_context, block, (size_t)got, err) != 0)
            return -1;
    }
}

static int outcome(void *context, int64_t wait_ms, struct error *err)
{
    (void)context;
    (void)wait_ms;
    (void)err;
    return 1;
}

struct pipeline_source source_file(struct reader *reader)
{
    return (struct pipeline_source){.run = run, .outcome = outcome, .context = reader};
}
