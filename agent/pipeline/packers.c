/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A block and the room for what it becomes are taken in one step, so the order of both rings is the
 * same and the oldest block always has its room. The joined stream's sums are added up in that
 * order, whoever is ready first.
 */
#include "agent/pipeline/packers.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/pipeline/ring.h"
#include "common/base/error.h"
#include "common/format/pack.h"

#include "common/base/poison.h"

struct ready {
    bool is_ready;
    struct packed packed;
};

struct packers {
    enum job_compress kind;
    struct ring *from, *to;
    struct pack **packs; /* one a thread */
    size_t n;
    unsigned char *zeros;

    pthread_mutex_t order; /* of taking; held while waiting for a block */
    bool is_begun;
    bool is_ended;
    uint64_t taken;

    pthread_mutex_t mutex; /* of the rest */
    pthread_cond_t moved;
    size_t begun; /* threads that have a pack */
    bool has_failed;
    struct pack_join join;
    uint64_t joined;
    struct ready *ready; /* by number modulo ready_n */
    size_t ready_n;
};

size_t packers_threads(const struct job_tuning *tuning)
{
    cpu_set_t set;
    if (tuning->compress_threads != 0)
        return tuning->compress_threads;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > PACKERS_AUTO_MAX ? PACKERS_AUTO_MAX : (size_t)n;
}

struct packers *packers_new(enum job_compress kind, const struct job_tuning *tuning, size_t threads,
                            struct ring *from, struct ring *to, size_t to_blocks,
                            struct error *err)
{
    CLEAN_PACKERS struct packers *packers = mem_zero(1, sizeof *packers);
    packers->kind = kind;
    packers->from = from;
    packers->to = to;
    packers->ready_n = to_blocks;
    packers->ready = mem_zero(to_blocks, sizeof *packers->ready);
    packers->n = threads;
    packers->packs = mem_zero(packers->n, sizeof(struct pack *));
    pthread_mutex_init(&packers->order, NULL);
    pthread_mutex_init(&packers->mutex, NULL);
    pthread_cond_init(&packers->moved, NULL);
    packers->zeros = mem_try(PACK_BLOCK_MAX, err);
    if (packers->zeros == NULL)
        return NULL;
    for (size_t i = 0; i < packers->n; i++) {
        packers->packs[i] = pack_new(kind, tuning, err);
        if (packers->packs[i] == NULL)
            return NULL;
    }
    struct packers *made = packers;
    packers = NULL;
    return made;
}

void packers_free(struct packers *packers)
{
    if (packers == NULL)
        return;
    for (size_t i = 0; i < packers->n; i++)
        pack_free(packers->packs[i]);
    pthread_cond_destroy(&packers->moved);
    pthread_mutex_destroy(&packers->mutex);
    pthread_mutex_destroy(&packers->order);
    mem_free_void(&packers->packs);
    free(packers->zeros);
    free(packers->ready);
    free(packers);
}

void packers_clean(struct packers **packers)
{
    packers_free(*packers);
    *packers = NULL;
}

/* What stands before or behind the blocks. */
static int put_edge(struct packers *packers, const unsigned char *edge, size_t n,
                    struct error *err)
{
    struct ring_block *block = NULL;
    if (n == 0)
        return 0;
    if (ring_room(packers->to, RING_FOR_EVER, &block, err) != 0)
        return -1;
    memcpy(block->bytes, edge, n);
    block->n = n;
    ring_put(packers->to, block);
    return 0;
}

/* Under the lock of the order. 1 both taken, 0 the end, -1 stopped. */
static int take_locked(struct packers *packers, struct ring_block **ret_in,
                       struct ring_block **ret_out, uint64_t *ret_number, struct error *err)
{
    unsigned char edge[PACK_EDGE_MAX];
    if (!packers->is_begun) {
        packers->is_begun = true;
        size_t n = pack_begin(&packers->join, packers->kind, edge);
        if (put_edge(packers, edge, n, err) != 0)
            return -1;
    }
    int got = ring_get(packers->from, 0, ret_in, err);
    if (got <= 0)
        return got;
    if (ring_room(packers->to, RING_FOR_EVER, ret_out, err) != 0)
        return -1;
    *ret_number = packers->taken++;
    return 1;
}

/* A block is ready: add up as far as there is no gap. */
static void note_ready(struct packers *packers, uint64_t number, const struct packed *packed)
{
    pthread_mutex_lock(&packers->mutex);
    packers->ready[number % packers->ready_n] = (struct ready){true, *packed};
    for (;;) {
        struct ready *next = &packers->ready[packers->joined % packers->ready_n];
        if (!next->is_ready)
            break;
        pack_add(&packers->join, &next->packed);
        next->is_ready = false;
        packers->joined++;
    }
    pthread_cond_broadcast(&packers->moved);
    pthread_mutex_unlock(&packers->mutex);
}

/* All blocks are taken: when they are ready too, the end goes behind them. */
static int end_stream(struct packers *packers, uint64_t taken, struct error *err)
{
    unsigned char edge[PACK_EDGE_MAX];
    pthread_mutex_lock(&packers->mutex);
    while (packers->joined < taken && !packers->has_failed)
        pthread_cond_wait(&packers->moved, &packers->mutex);
    bool has_failed = packers->has_failed;
    size_t n = pack_end(&packers->join, edge);
    pthread_mutex_unlock(&packers->mutex);
    if (has_failed)
        return 0; /* whoever failed says why */
    if (put_edge(packers, edge, n, err) != 0)
        return -1;
    ring_end(packers->to);
    return 0;
}

static struct pack *take_pack(struct packers *packers)
{
    pthread_mutex_lock(&packers->mutex);
    assert(packers->begun < packers->n);
    struct pack *pack = packers->packs[packers->begun++];
    pthread_mutex_unlock(&packers->mutex);
    return pack;
}

int packers_work(struct packers *packers, struct error *err)
{
    struct pack *pack = take_pack(packers);
    for (;;) {
        struct ring_block *in = NULL, *out = NULL;
        struct packed packed;
        uint64_t number = 0;
        pthread_mutex_lock(&packers->order);
        int got = take_locked(packers, &in, &out, &number, err);
        bool is_first_at_end = got == 0 && !packers->is_ended;
        if (got == 0)
            packers->is_ended = true;
        uint64_t taken = packers->taken;
        pthread_mutex_unlock(&packers->order);
        if (got < 0)
            return -1;
        if (got == 0)
            return is_first_at_end ? end_stream(packers, taken, err) : 0;
        const unsigned char *bytes = in->is_zeros ? packers->zeros : in->bytes;
        if (pack_block(pack, bytes, in->n, out->bytes, &packed, err) != 0)
            return -1;
        ring_release(packers->from, in);
        out->n = packed.n;
        note_ready(packers, number, &packed);
        ring_put(packers->to, out);
    }
}

void packers_give_up(struct packers *packers)
{
    pthread_mutex_lock(&packers->mutex);
    packers->has_failed = true;
    pthread_cond_broadcast(&packers->moved);
    pthread_mutex_unlock(&packers->mutex);
}
