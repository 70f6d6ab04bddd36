/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One mutex, one condition for each side; the clock of the waits is monotonic.
 *
 * Blocks that are free lie on a stack, the others in a queue that is indexed by their number. A
 * place in the queue is free again when its block is: a reader that has not passed it holds every
 * later block too, and then there is no room.
 */
#include "agent/pipeline/ring.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/wait.h"

#include "common/base/poison.h"

struct ring {
    pthread_mutex_t mutex;
    pthread_cond_t has_room, has_block;
    unsigned char *memory;
    struct ring_block *all, **queue, **idle;
    size_t blocks, block_bytes, readers;
    size_t idle_n;
    uint64_t taken;                   /* blocks that got a place so far */
    uint64_t next[RING_READERS_MAX];  /* of each reader */
    uint64_t freed;
    bool is_ended;
    bool is_stopped;
    struct error reason;
};

static void init_waits(struct ring *ring)
{
    pthread_mutex_init(&ring->mutex, NULL);
    wait_init(&ring->has_room);
    wait_init(&ring->has_block);
}

int ring_new(size_t blocks, size_t block_bytes, size_t readers, struct ring **ret_ring,
             struct error *err)
{
    assert(readers >= 1 && readers <= RING_READERS_MAX);
    CLEAN_RING struct ring *ring = mem_zero(1, sizeof *ring);
    init_waits(ring);
    ring->blocks = blocks;
    ring->block_bytes = block_bytes;
    ring->readers = readers;
    ring->all = mem_zero(blocks, sizeof *ring->all);
    ring->queue = mem_zero(blocks, sizeof(struct ring_block *));
    ring->idle = mem_zero(blocks, sizeof(struct ring_block *));
    ring->memory = mem_try(blocks * block_bytes, err);
    if (ring->memory == NULL)
        return -1;
    for (size_t i = 0; i < blocks; i++) {
        ring->all[i].bytes = ring->memory + i * block_bytes;
        ring->idle[blocks - 1 - i] = &ring->all[i];
    }
    ring->idle_n = blocks;
    *ret_ring = ring;
    ring = NULL;
    return 0;
}

void ring_free(struct ring *ring)
{
    if (ring == NULL)
        return;
    pthread_cond_destroy(&ring->has_block);
    pthread_cond_destroy(&ring->has_room);
    pthread_mutex_destroy(&ring->mutex);
    mem_free_void(&ring->queue);
    mem_free_void(&ring->idle);
    free(ring->all);
    free(ring->memory);
    free(ring);
}

void ring_clean(struct ring **ring)
{
    ring_free(*ring);
    *ring = NULL;
}

size_t ring_block_bytes(const struct ring *ring)
{
    return ring->block_bytes;
}

static int give_reason(const struct ring *ring, struct error *err)
{
    if (err != NULL)
        *err = ring->reason;
    return -1;
}

static void wait_for_room(struct ring *ring, int64_t wait_ms)
{
    struct timespec deadline = wait_until(wait_ms == RING_FOR_EVER ? 0 : wait_ms);
    int late = 0;
    while (!ring->is_stopped && ring->idle_n == 0 && late == 0) {
        if (wait_ms == RING_FOR_EVER)
            pthread_cond_wait(&ring->has_room, &ring->mutex);
        else
            late = pthread_cond_timedwait(&ring->has_room, &ring->mutex, &deadline);
    }
}

static struct ring_block *take_idle(struct ring *ring)
{
    struct ring_block *block = ring->idle[--ring->idle_n];
    block->n = 0;
    block->is_zeros = false;
    block->is_put = false;
    block->readers_left = (unsigned)ring->readers;
    ring->queue[ring->taken++ % ring->blocks] = block;
    return block;
}

int ring_room(struct ring *ring, int64_t wait_ms, struct ring_block **ret_block, struct error *err)
{
    int result = 0;
    pthread_mutex_lock(&ring->mutex);
    wait_for_room(ring, wait_ms);
    if (ring->is_stopped)
        result = give_reason(ring, err);
    else if (ring->idle_n == 0)
        result =
            error_set(err, ERROR_TIMEOUT, "no block came free for %lld ms", (long long)wait_ms);
    else
        *ret_block = take_idle(ring);
    pthread_mutex_unlock(&ring->mutex);
    return result;
}

void ring_put(struct ring *ring, struct ring_block *block)
{
    pthread_mutex_lock(&ring->mutex);
    block->is_put = true;
    pthread_cond_broadcast(&ring->has_block);
    pthread_mutex_unlock(&ring->mutex);
}

void ring_end(struct ring *ring)
{
    pthread_mutex_lock(&ring->mutex);
    ring->is_ended = true;
    pthread_cond_broadcast(&ring->has_block);
    pthread_mutex_unlock(&ring->mutex);
}

/* The block that is next for this reader, NULL when it is not put yet. */
static struct ring_block *next_of(const struct ring *ring, size_t reader)
{
    uint64_t next = ring->next[reader];
    struct ring_block *block = next < ring->taken ? ring->queue[next % ring->blocks] : NULL;
    return block != NULL && block->is_put ? block : NULL;
}

int ring_get(struct ring *ring, size_t reader, struct ring_block **ret_block, struct error *err)
{
    struct ring_block *block = NULL;
    int result = 0;
    pthread_mutex_lock(&ring->mutex);
    while (!ring->is_stopped && (block = next_of(ring, reader)) == NULL &&
           !(ring->is_ended && ring->next[reader] == ring->taken))
        pthread_cond_wait(&ring->has_block, &ring->mutex);
    if (ring->is_stopped)
        result = give_reason(ring, err);
    else if (block != NULL) {
        ring->next[reader]++;
        *ret_block = block;
        result = 1;
    }
    pthread_mutex_unlock(&ring->mutex);
    return result;
}

void ring_release(struct ring *ring, struct ring_block *block)
{
    pthread_mutex_lock(&ring->mutex);
    if (--block->readers_left == 0) {
        ring->idle[ring->idle_n++] = block;
        ring->freed++;
        pthread_cond_signal(&ring->has_room);
    }
    pthread_mutex_unlock(&ring->mutex);
}

uint64_t ring_freed(struct ring *ring)
{
    pthread_mutex_lock(&ring->mutex);
    uint64_t freed = ring->freed;
    pthread_mutex_unlock(&ring->mutex);
    return freed;
}

void ring_stop(struct ring *ring, const struct error *reason)
{
    pthread_mutex_lock(&ring->mutex);
    if (!ring->is_stopped) {
        ring->is_stopped = true;
        ring->reason = *reason;
    }
    pthread_cond_broadcast(&ring->has_room);
    pthread_cond_broadcast(&ring->has_block);
    pthread_mutex_unlock(&ring->mutex);
}
