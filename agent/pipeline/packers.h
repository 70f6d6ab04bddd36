/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Compresses the blocks of one ring into another one, by several threads, in order.
 */
#ifndef ONYX_AGENT_PIPELINE_PACKERS_H
#define ONYX_AGENT_PIPELINE_PACKERS_H

#include <stddef.h>

#include "common/base/mem.h"
#include "common/model/job.h"

struct error;
struct packers;
struct ring;

#define PACKERS_AUTO_MAX 4 /* threads unless more are asked for */

/* How many threads a job's tuning asks for: as many as there are processors for us. */
size_t packers_threads(const struct job_tuning *tuning);

/* from has blocks of PACK_BLOCK_MAX bytes at most and one reader, to has blocks of PACK_ROOM; both
 * are borrowed. */
struct packers *packers_new(enum job_compress kind, const struct job_tuning *tuning, size_t threads,
                            struct ring *from, struct ring *to, size_t to_blocks,
                            struct error *err);
void packers_free(struct packers *packers);
#define CLEAN_PACKERS CLEANUP(packers_clean)
void packers_clean(struct packers **packers);

/* One thread's part, until the end of from, which becomes the end of to; as many as were asked for
 * call it. After a failure the caller stops both rings and calls packers_give_up. */
int packers_work(struct packers *packers, struct error *err);
void packers_give_up(struct packers *packers);

#endif
