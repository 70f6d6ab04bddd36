/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One mutex, one condition; the clock of the waits is monotonic.
 */
#include "agent/pipeline/ring.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/poison.h"

struct ring {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned char *memory;
    struct filled {
        size_t n;
        bool is_zeros;
    } * filled;
    size_t blocks, block_bytes;
    size_t first; /* oldest filled block */
    size_t n;     /* filled blocks, the one being read included */
    bool is_ended;
    bool is_stopped;
    struct error reason;
};

int ring_new(size_t blocks, size_t block_bytes, struct ring **ret_ring, struct error *err)
{
    CLEAN_RING struct ring *ring = mem_zero(1, sizeof *ring);
    pthread_condattr_t attributes;
    pthread_mutex_init(&ring->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&ring->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    ring->blocks = blocks;
    ring->block_bytes = block_bytes;
    ring->filled = mem_zero(blocks, sizeof *ring->filled);
    ring->memory = mem_try(blocks * block_bytes, err);
    if (ring->memory == NULL)
        return -1;
    *ret_ring = ring;
    ring = NULL;
    return 0;
}

void ring_free(struct ring *ring)
{
    if (ring == NULL)
        return;
    pthread_cond_destroy(&ring->changed);
    pthread_mutex_destroy(&ring->mutex);
    free(ring->filled);
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

static struct timespec deadline_in(int64_t wait_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t ns = at.tv_nsec + (wait_ms % 1000) * 1000000;
    at.tv_sec += (time_t)(wait_ms / 1000 + ns / 1000000000);
    at.tv_nsec = (long)(ns % 1000000000);
    return at;
}

int ring_room(struct ring *ring, int64_t wait_ms, unsigned char **ret_block, struct error *err)
{
    struct timespec deadline = deadline_in(wait_ms);
    int result = 0;
    pthread_mutex_lock(&ring->mutex);
    while (!ring->is_stopped && ring->n == ring->blocks && result == 0)
        result = pthread_cond_timedwait(&ring->changed, &ring->mutex, &deadline);
    if (ring->is_stopped)
        result = give_reason(ring, err);
    else if (ring->n == ring->blocks)
        result =
            error_set(err, ERROR_TIMEOUT, "no block came free for %lld ms", (long long)wait_ms);
    else {
        *ret_block = ring->memory + (ring->first + ring->n) % ring->blocks * ring->block_bytes;
        result = 0;
    }
    pthread_mutex_unlock(&ring->mutex);
    return result;
}

static void put(struct ring *ring, struct filled filled)
{
    pthread_mutex_lock(&ring->mutex);
    ring->filled[(ring->first + ring->n) % ring->blocks] = filled;
    ring->n++;
    pthread_cond_broadcast(&ring->changed);
    pthread_mutex_unlock(&ring->mutex);
}

void ring_put(struct ring *ring, size_t n)
{
    put(ring, (struct filled){.n = n});
}

void ring_put_zeros(struct ring *ring, size_t n)
{
    put(ring, (struct filled){.n = n, .is_zeros = true});
}

void ring_end(struct ring *ring)
{
    pthread_mutex_lock(&ring->mutex);
    ring->is_ended = true;
    pthread_cond_broadcast(&ring->changed);
    pthread_mutex_unlock(&ring->mutex);
}

int ring_get(struct ring *ring, const unsigned char **ret_block, size_t *ret_n, struct error *err)
{
    int result;
    pthread_mutex_lock(&ring->mutex);
    while (!ring->is_stopped && !ring->is_ended && ring->n == 0)
        pthread_cond_wait(&ring->changed, &ring->mutex);
    if (ring->is_stopped)
        result = give_reason(ring, err);
    else if (ring->n == 0)
        result = 0;
    else {
        const struct filled *filled = &ring->filled[ring->first];
        *ret_block = filled->is_zeros ? NULL : ring->memory + ring->first * ring->block_bytes;
        *ret_n = filled->n;
        result = 1;
    }
    pthread_mutex_unlock(&ring->mutex);
    return result;
}

void ring_release(struct ring *ring)
{
    pthread_mutex_lock(&ring->mutex);
    ring->first = (ring->first + 1) % ring->blocks;
    ring->n--;
    pthread_cond_broadcast(&ring->changed);
    pthread_mutex_unlock(&ring->mutex);
}

void ring_stop(struct ring *ring, const struct error *reason)
{
    pthread_mutex_lock(&ring->mutex);
    if (!ring->is_stopped) {
        ring->is_stopped = true;
        ring->reason = *reason;
    }
    pthread_cond_broadcast(&ring->changed);
    pthread_mutex_unlock(&ring->mutex);
}
