/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A bounded ring of blocks between two threads: one puts, one gets.
 *
 * All memory is taken once. Either side may stop the ring with a reason; the other side's next
 * call then fails with it, blocked ones wake.
 */
#ifndef ONYX_AGENT_PIPELINE_RING_H
#define ONYX_AGENT_PIPELINE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/mem.h"

struct ring;

/* ERROR_NO_MEMORY. */
int ring_new(size_t blocks, size_t block_bytes, struct ring **ret_ring, struct error *err);
void ring_free(struct ring *ring);
#define CLEAN_RING CLEANUP(ring_clean)
void ring_clean(struct ring **ring);

size_t ring_block_bytes(const struct ring *ring);

/*
 * An empty block to fill; it is the caller's until ring_put.
 *
 * Fails:  the reason of a stop; ERROR_TIMEOUT when none came free within wait_ms.
 */
int ring_room(struct ring *ring, int64_t wait_ms, unsigned char **ret_block, struct error *err);

/* Hand over the block of ring_room with n bytes in it. */
void ring_put(struct ring *ring, size_t n);

/* Hand over the block of ring_room as a sign for n zero bytes. */
void ring_put_zeros(struct ring *ring, size_t n);

/* No more blocks come. */
void ring_end(struct ring *ring);

/* The oldest block, borrowed until ring_release; NULL: *ret_n zero bytes. 1 a block, 0 the end, -1
 * stopped. Waits without limit: the putting side ends or stops the ring. */
int ring_get(struct ring *ring, const unsigned char **ret_block, size_t *ret_n, struct error *err);
void ring_release(struct ring *ring);

/* Stop; the first reason holds. */
void ring_stop(struct ring *ring, const struct error *reason);

#endif
