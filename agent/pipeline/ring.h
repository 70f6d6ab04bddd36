/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A bounded ring of blocks between threads: some put, and each of one or two readers gets every
 * block, in the order in which room was taken.
 *
 * All memory is taken once, but touched only when it is needed: the block that came free last is
 * the first to be filled again, so it is still in the processor's cache, and a ring whose readers
 * keep up stays small. Any side may stop the ring with a reason; every other call then fails with
 * it, blocked ones wake.
 */
#ifndef ONYX_AGENT_PIPELINE_RING_H
#define ONYX_AGENT_PIPELINE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/mem.h"

struct ring;

#define RING_READERS_MAX 2
#define RING_FOR_EVER    (-1) /* as a wait */

struct ring_block {
    unsigned char *bytes;
    size_t n;      /* filled; the putting side sets it */
    bool is_zeros; /* bytes are not filled: the block stands for n zero bytes */
    /* The ring's own. */
    unsigned readers_left;
    bool is_put;
};

/* ERROR_NO_MEMORY. */
int ring_new(size_t blocks, size_t block_bytes, size_t readers, struct ring **ret_ring,
             struct error *err);
void ring_free(struct ring *ring);
#define CLEAN_RING CLEANUP(ring_clean)
void ring_clean(struct ring **ring);

size_t ring_block_bytes(const struct ring *ring);

/*
 * An empty block to fill; it is the caller's until ring_put, and takes its place in the order now.
 *
 * Fails:  the reason of a stop; ERROR_TIMEOUT when none came free within wait_ms.
 */
int ring_room(struct ring *ring, int64_t wait_ms, struct ring_block **ret_block, struct error *err);
void ring_put(struct ring *ring, struct ring_block *block);

/* No more room is asked for. */
void ring_end(struct ring *ring);

/* A reader's next block, borrowed until ring_release. 1 a block, 0 the end, -1 stopped. Waits
 * without limit: the putting side ends or stops the ring. Several threads may share a reader. */
int ring_get(struct ring *ring, size_t reader, struct ring_block **ret_block, struct error *err);
void ring_release(struct ring *ring, struct ring_block *block);

/* How many blocks came free so far: whether there is progress. */
uint64_t ring_freed(struct ring *ring);

/* Stop; the first reason holds. */
void ring_stop(struct ring *ring, const struct error *reason);

#endif
