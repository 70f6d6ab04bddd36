/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A mutex, a condition and a slot for one work: the caller puts its work in and waits, the thread
 * takes it, and renews the lease when its time comes.
 *
 * The lease counts as renewed for two periods after a success; a rival waits for four without a
 * change, so there are two in which nothing of ours begins.
 */
#include "coordinator/run/pool_thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/quit.h"
#include "common/base/str.h"
#include "common/base/text_map.h"
#include "common/base/wait.h"
#include "common/xapi/call.h"
#include "common/xapi/pool_lease.h"
#include "common/xapi/remains.h"
#include "common/xapi/session.h"
#include "common/xapi/target.h"

#include "common/base/poison.h"

#define POOL_SLICE_MS 100      /* how soon a wish to end is heard */
#define POOL_AGAIN_MS 1000     /* after a renewal that failed */
#define POOL_TELL_EVERY 30     /* of failures in a row, one is told */
#define POOL_LOOK_MS 1000      /* between two looks at another's lease */
#define POOL_RENEWED_PERIODS 2
#define POOL_LEAVE_MS 5000     /* how long giving back and logging out may take */

struct pool_thread {
    struct pool_thread_settings settings;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    pool_thread_work_fn *work; /* NULL: the slot is empty */
    void *work_context;
    struct error *work_error;
    int work_result;
    bool is_working;
    bool is_cancelled; /* the present work shall end */
    bool is_stopping;
    int64_t stop_by_ms;
    struct lease lease; /* touched by the thread alone */
    struct pool_thread_lease seen;
    int64_t renewed_ms; /* last success */
    int64_t next_renewal_ms; /* 0: no lease */
    unsigned failures_n; /* renewals that failed in a row */
    struct text_map away; /* as seen last; guarded */
    bool is_away_new;
    struct xapi *xapi;
};

static bool pool_thread_is_cancelled(void *context)
{
    struct pool_thread *pool = context;

    pthread_mutex_lock(&pool->mutex);
    bool is = pool->is_cancelled;
    if (pool->is_stopping)
        is = clock_monotonic_ms(pool->settings.clock) >= pool->stop_by_ms;
    pthread_mutex_unlock(&pool->mutex);
    return is;
}

/* Wait for a signal of the condition, at most so long. The mutex is held. */
static void pool_thread_wait(struct pool_thread *pool, int64_t ms)
{
    struct timespec until = wait_until(ms);

    pthread_cond_timedwait(&pool->condition, &pool->mutex, &until);
}

static int pool_thread_on_host(void *context, const char *ref, const json_t *record,
                               struct error *err)
{
    struct text_map *away = context;

    (void)ref;
    (void)err;
    if (!reply_bool(record, "enabled", true))
        text_map_set(away, reply_text(record, "uuid", ""),
                     "the host is disabled (maintenance): it gets jobs again when it is enabled");
    return 0;
}

/* Which hosts went into maintenance, or came back. A look that fails changes nothing. */
static void pool_thread_look_hosts(struct pool_thread *pool)
{
    CLEAN_TEXT_MAP struct text_map away = TEXT_MAP_INIT;
    struct error error = ERROR_INIT;

    if (xapi_call_records(pool->xapi, "host.get_all_records", pool_thread_on_host, &away, &error)) {
        log_debug("pool", "look at the hosts: %s", error.text);
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    text_map_done(&pool->away);
    text_map_copy(&pool->away, &away);
    pool->is_away_new = true;
    pthread_mutex_unlock(&pool->mutex);
}

int pool_thread_take_away(struct pool_thread *pool, struct text_map *ret_away)
{
    pthread_mutex_lock(&pool->mutex);
    int is_new = pool->is_away_new;
    if (is_new)
        text_map_copy(ret_away, &pool->away);
    pool->is_away_new = false;
    pthread_mutex_unlock(&pool->mutex);
    return is_new;
}

/* Without the mutex: it talks to the pool. */
static void pool_thread_renew(struct pool_thread *pool)
{
    const int64_t began_ms = clock_monotonic_ms(pool->settings.clock);
    struct error error = ERROR_INIT;
    int result = pool_lease_renew(pool->xapi, &pool->lease, &error);

    pthread_mutex_lock(&pool->mutex);
    if (result == 0) {
        pool->renewed_ms = began_ms;
        pool->seen.n = pool->lease.n;
        pool->next_renewal_ms = began_ms + pool->settings.renew_ms;
    } else if (error.code == ERROR_LEASE) {
        pool->seen.is_lost = true;
        pool->next_renewal_ms = 0;
    } else {
        pool->next_renewal_ms = clock_monotonic_ms(pool->settings.clock) + POOL_AGAIN_MS;
    }
    pthread_mutex_unlock(&pool->mutex);
    if (result == 0) {
        pool->failures_n = 0;
        pool_thread_look_hosts(pool);
    } else if (error.code != ERROR_CANCELLED && pool->failures_n++ % POOL_TELL_EVERY == 0) {
        log_warn("pool", "%s", error.text);
    }
}

void pool_thread_renew_due(struct pool_thread *pool)
{
    pthread_mutex_lock(&pool->mutex);
    bool is_due = pool->next_renewal_ms > 0 &&
                  clock_monotonic_ms(pool->settings.clock) >= pool->next_renewal_ms;
    pthread_mutex_unlock(&pool->mutex);
    if (is_due)
        pool_thread_renew(pool);
}

static void pool_thread_leave(struct pool_thread *pool)
{
    struct error error = ERROR_INIT;

    if (pool->lease.n > 0 && !pool->seen.is_lost &&
        pool_lease_release(pool->xapi, &pool->lease, &error) < 0)
        log_warn("pool", "give the lease back: %s", error.text);
    if (!pool->xapi)
        return;
    /* Should the log-out not have arrived, the next one does it by what was written down. */
    if (xapi_close(pool->xapi) == 0)
        (void)unlink(pool->settings.session_path);
    pool->xapi = NULL;
}

static void *pool_thread_main(void *context)
{
    struct pool_thread *pool = context;

    pthread_mutex_lock(&pool->mutex);
    while (!pool->is_stopping) {
        int64_t now_ms = clock_monotonic_ms(pool->settings.clock);

        if (pool->next_renewal_ms > 0 && now_ms >= pool->next_renewal_ms) {
            pthread_mutex_unlock(&pool->mutex);
            pool_thread_renew(pool);
            pthread_mutex_lock(&pool->mutex);
        } else if (pool->work && !pool->is_working) {
            pool_thread_work_fn *work = pool->work;

            pool->is_working = true;
            pthread_mutex_unlock(&pool->mutex);
            int result = work(pool->xapi, pool->work_context, pool->work_error);
            pthread_mutex_lock(&pool->mutex);
            pool->work_result = result;
            pool->work = NULL;
            pool->is_working = false;
            pthread_cond_broadcast(&pool->condition);
        } else {
            pool_thread_wait(pool, pool->next_renewal_ms > 0 ? pool->next_renewal_ms - now_ms
                                                             : 1000);
        }
    }
    pthread_mutex_unlock(&pool->mutex);
    pool_thread_leave(pool);
    return NULL;
}

int pool_thread_start(const struct pool_thread_settings *settings, struct pool_thread **ret_pool,
                      struct error *err)
{
    struct pool_thread *pool = mem_zero(1, sizeof *pool);

    pool->settings = *settings;
    pthread_mutex_init(&pool->mutex, NULL);
    wait_init(&pool->condition);
    int result = pthread_create(&pool->thread, NULL, pool_thread_main, pool);
    if (result != 0) {
        pthread_cond_destroy(&pool->condition);
        pthread_mutex_destroy(&pool->mutex);
        free(pool);
        return error_set_sys(err, ERROR_INTERNAL, result, "start the pool thread");
    }
    *ret_pool = pool;
    return 0;
}

int pool_thread_do(struct pool_thread *pool, pool_thread_work_fn *work, void *context,
                   struct error *err)
{
    struct error error = ERROR_INIT;

    pthread_mutex_lock(&pool->mutex);
    pool->work = work;
    pool->work_context = context;
    pool->work_error = &error;
    pool->is_cancelled = false;
    pthread_cond_broadcast(&pool->condition);
    while (pool->work) {
        pool_thread_wait(pool, POOL_SLICE_MS);
        if (quit_count() > 0)
            pool->is_cancelled = true;
    }
    int result = pool->work_result;
    bool was_cancelled = pool->is_cancelled;
    pool->is_cancelled = false;
    pthread_mutex_unlock(&pool->mutex);
    if (result == 0)
        return 0;
    if (was_cancelled && error.code == ERROR_CANCELLED)
        return error_set(err, ERROR_INTERRUPTED, "interrupted");
    if (err)
        *err = error;
    return -1;
}

static int pool_thread_work_log_in(struct xapi *xapi, void *context, struct error *err)
{
    struct pool_thread *pool = context;
    const char *path = pool->settings.session_path;
    struct xapi *opened = NULL;
    struct error error = ERROR_INIT;

    (void)xapi;
    if (xapi_open_cancellable(pool->settings.target, "onyxpool", pool_thread_is_cancelled, pool,
                              &opened, err) < 0)
        return -1;
    xapi_set_cancel(opened, pool_thread_is_cancelled, pool);
    pool->xapi = opened;
    if (remains_take_session(path, opened, &error) < 0)
        log_warn("pool", "%s: a session may stay in the pool", error.text);
    return 0;
}

int pool_thread_log_in(struct pool_thread *pool, struct error *err)
{
    return pool_thread_do(pool, pool_thread_work_log_in, pool, err);
}

/* One look at the lease, and the take if it may be taken. */
struct look {
    struct pool_thread *pool;
    struct lease_owner owner;
    struct lease_rival rival;
    bool is_taken;
    char holder[LEASE_ADDRESS_MAX + 16];
    int64_t wait_ms;
};

static void look_name_holder(struct look *look, const struct lease *seen)
{
    const char *address = seen->is_readable ? seen->owner.address : "an unknown program";

    str_copy(look->holder, sizeof look->holder, address);
}

static int pool_thread_work_look(struct xapi *xapi, void *context, struct error *err)
{
    struct look *look = context;
    struct pool_thread *pool = look->pool;
    struct lease seen = {0};
    struct lease taken = {0};
    const int64_t now_ms = clock_monotonic_ms(pool->settings.clock);
    int found = pool_lease_look(xapi, &seen, err);

    if (found < 0)
        return -1;
    bool is_dead = found && seen.is_held && seen.is_readable && pool->settings.former_uuid &&
                   strcmp(seen.owner.uuid, pool->settings.former_uuid) == 0;
    if (!lease_rival_may_take(&look->rival, found, &seen, now_ms, &look->wait_ms) && !is_dead) {
        look_name_holder(look, &seen);
        return 0;
    }
    if (pool_lease_take(xapi, found ? &seen : NULL, &look->owner, &taken, err) < 0) {
        if (!err || err->code != ERROR_LEASE)
            return -1;
        error_clear(err); /* somebody was faster: look again */
        look->wait_ms = POOL_LOOK_MS;
        return 0;
    }
    look->is_taken = true;
    pool->lease = taken;
    pthread_mutex_lock(&pool->mutex);
    pool->renewed_ms = now_ms;
    pool->seen = (struct pool_thread_lease){.n = taken.n};
    pool->next_renewal_ms = now_ms + pool->settings.renew_ms;
    pthread_mutex_unlock(&pool->mutex);
    return 0;
}

static void pool_thread_pause(struct pool_thread *pool, int64_t ms)
{
    pthread_mutex_lock(&pool->mutex);
    for (int64_t rest = ms; rest > 0 && quit_count() == 0; rest -= POOL_SLICE_MS)
        pool_thread_wait(pool, rest < POOL_SLICE_MS ? rest : POOL_SLICE_MS);
    pthread_mutex_unlock(&pool->mutex);
}

int pool_thread_take_lease(struct pool_thread *pool, const char *address, int64_t wait_ms,
                           pool_thread_waiting_fn *waiting, void *context, struct error *err)
{
    const int64_t until_ms = clock_monotonic_ms(pool->settings.clock) + wait_ms;
    struct look look = {.pool = pool};
    bool was_told = false;

    str_copy(look.owner.uuid, sizeof look.owner.uuid, pool->settings.owner_uuid);
    str_copy(look.owner.address, sizeof look.owner.address, address);
    look.owner.renew_s = (uint32_t)((pool->settings.renew_ms + 999) / 1000);
    if (lease_owner_check(&look.owner, err) < 0)
        return -1;
    for (;;) {
        if (pool_thread_do(pool, pool_thread_work_look, &look, err) < 0)
            return error_add(err, "take the pool's lease");
        if (look.is_taken)
            return 0;
        if (quit_count() > 0)
            return error_set(err, ERROR_INTERRUPTED, "interrupted while waiting for the lease");
        if (clock_monotonic_ms(pool->settings.clock) >= until_ms)
            return error_set(err, ERROR_LEASE,
                             "the coordinator at %s holds the pool's lease: one run at a time in "
                             "a pool (lease_wait says how long to wait)",
                             look.holder);
        if (!was_told && waiting && look.holder[0])
            waiting(context, look.holder);
        was_told = was_told || look.holder[0];
        pool_thread_pause(pool, look.wait_ms > 0 && look.wait_ms < POOL_LOOK_MS ? look.wait_ms
                                                                               : POOL_LOOK_MS);
    }
}

struct pool_thread_lease pool_thread_look_lease(struct pool_thread *pool)
{
    pthread_mutex_lock(&pool->mutex);
    struct pool_thread_lease lease = pool->seen;
    int64_t age_ms = clock_monotonic_ms(pool->settings.clock) - pool->renewed_ms;
    lease.is_renewed =
        lease.n > 0 && !lease.is_lost && age_ms < POOL_RENEWED_PERIODS * pool->settings.renew_ms;
    if (lease.n > 0 && !lease.is_lost && !lease.is_renewed)
        lease.away_ms = age_ms;
    pthread_mutex_unlock(&pool->mutex);
    return lease;
}

void pool_thread_stop(struct pool_thread **pool)
{
    struct pool_thread *p = *pool;

    if (!p)
        return;
    pthread_mutex_lock(&p->mutex);
    p->is_stopping = true;
    p->stop_by_ms = clock_monotonic_ms(p->settings.clock) + POOL_LEAVE_MS;
    pthread_cond_broadcast(&p->condition);
    pthread_mutex_unlock(&p->mutex);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->condition);
    pthread_mutex_destroy(&p->mutex);
    text_map_done(&p->away);
    free(p);
    *pool = NULL;
}
