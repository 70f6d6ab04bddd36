/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lock, the clocks, the rates, and who sees what.
 */
#include "tests/poolsim/pool.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "tests/poolsim/store.h"

#include "common/base/poison.h"

static const struct profile profiles[] = {
    {.id = PROFILE_XS71,
     .name = "xs71",
     .since_max = 19, /* ely */
     .product_brand = "XenServer",
     .product_version = "7.1.0",
     .xapi_version = "1.9",
     .api_major = 2,
     .api_minor = 6,
     .has_quiesce = true,
     .sends_keepalives = true},
    {.id = PROFILE_CH82,
     .name = "ch82",
     .since_max = 28, /* stockholm_psr */
     .product_brand = "XCP-ng",
     .product_version = "8.2.1",
     .xapi_version = "1.20",
     .api_major = 2,
     .api_minor = 15,
     .has_jsonrpc2 = true,
     .sends_keepalives = true,
     .has_xxhash = true,
     .has_zstd = true},
    {.id = PROFILE_XCP83,
     .name = "xcp83",
     .since_max = 24019002,
     .product_brand = "XCP-ng",
     .product_version = "8.3.0",
     .xapi_version = "24.19",
     .api_major = 2,
     .api_minor = 21,
     .has_ignore_vdis = true,
     .has_jsonrpc2 = true,
     .escapes_location = true,
     .sends_keepalives = true,
     .has_xxhash = true,
     .has_zstd = true,
     .has_excluded_devices = true},
    {.id = PROFILE_XS8,
     .name = "xs8",
     .since_max = 25006000,
     .product_brand = "XenServer",
     .product_version = "8.4.0",
     .xapi_version = "25.6",
     .api_major = 2,
     .api_minor = 21,
     .has_ignore_vdis = true,
     .has_jsonrpc2 = true,
     .escapes_location = true,
     .sends_keepalives = true,
     .has_xxhash = true,
     .has_zstd = true,
     .has_excluded_devices = true},
    {.id = PROFILE_HEAD,
     .name = "head",
     .since_max = INT64_MAX,
     .product_brand = "XenServer",
     .product_version = "9.0.0",
     .xapi_version = "26.17",
     .api_major = 2,
     .api_minor = 23,
     .has_ignore_vdis = true,
     .has_jsonrpc2 = true,
     .escapes_location = true,
     .sends_keepalives = true,
     .has_zero_clusters = true,
     .has_xxhash = true,
     .has_zstd = true,
     .has_excluded_devices = true,
     .in_progress_has_op = true},
};

const struct profile *profile_find(const char *name)
{
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++)
        if (strcmp(profiles[i].name, name) == 0)
            return &profiles[i];
    return NULL;
}

void pool_lock(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
}

void pool_unlock(struct pool *pool)
{
    pthread_mutex_unlock(&pool->lock);
}

void pool_notify(struct pool *pool)
{
    pthread_cond_broadcast(&pool->changed);
}

int64_t pool_now_ms(void)
{
    return clock_monotonic_ms(clock_system());
}

bool pool_wait_until(struct pool *pool, int64_t deadline_ms)
{
    struct timespec at;

    if (deadline_ms - pool_now_ms() > 3600 * 1000) {
        pthread_cond_wait(&pool->changed, &pool->lock);
        return true;
    }
    at.tv_sec = deadline_ms / 1000;
    at.tv_nsec = deadline_ms % 1000 * 1000000;
    return pthread_cond_timedwait(&pool->changed, &pool->lock, &at) != ETIMEDOUT;
}

bool pool_sleep(struct pool *pool, int64_t ms)
{
    int64_t deadline = pool_now_ms() + ms;
    bool is_ending;

    pool_lock(pool);
    while (!pool->is_ending && pool_now_ms() < deadline)
        pool_wait_until(pool, deadline);
    is_ending = pool->is_ending;
    pool_unlock(pool);
    return !is_ending;
}

bool pool_is_master(const struct host *host)
{
    return host->pool->master == host;
}

struct host *pool_host_by_ref(struct pool *pool, const char *ref)
{
    for (size_t i = 0; i < pool->hosts_n; i++)
        if (strcmp(pool->hosts[i]->ref, ref) == 0)
            return pool->hosts[i];
    return NULL;
}

struct host *pool_host_by_name(struct pool *pool, const char *name)
{
    for (size_t i = 0; i < pool->hosts_n; i++) {
        struct host *host = pool->hosts[i];
        const struct object *record = store_find(pool, CLASS_host, host->ref);
        if (strcmp(host->name, name) == 0 || strcmp(host->ref, name) == 0 ||
            (record && strcmp(object_uuid(record), name) == 0))
            return host;
    }
    return NULL;
}

char *pool_format_time(const struct host *host, char text[32])
{
    int64_t at_ms = clock_wall_ms(clock_system()) + host->clock_offset_ms;
    time_t at = (time_t)(at_ms / 1000);
    struct tm parts;

    gmtime_r(&at, &parts);
    strftime(text, 32, "%Y%m%dT%H:%M:%SZ", &parts);
    return text;
}

bool pool_host_sees_sr(struct pool *pool, const struct host *host, const char *sr_ref)
{
    const struct object *sr = store_find(pool, CLASS_SR, sr_ref);
    const struct text_list *pbds;

    if (!sr || host->is_down)
        return false;
    pbds = object_set(sr, F_SR_PBDs);
    for (size_t i = 0; i < pbds->n; i++) {
        const struct object *pbd = store_find(pool, CLASS_PBD, pbds->items[i]);
        if (pbd && object_bool(pbd, F_PBD_currently_attached) &&
            strcmp(object_text(pbd, F_PBD_host), host->ref) == 0)
            return true;
    }
    return false;
}

static bool sees_all(struct pool *pool, const struct host *host, const char *const *sr_refs,
                     size_t n)
{
    const struct object *record = store_find(pool, CLASS_host, host->ref);

    if (!record || !object_bool(record, F_host_enabled) || host->is_down)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!pool_host_sees_sr(pool, host, sr_refs[i]))
            return false;
    return true;
}

struct host *pool_host_that_sees(struct pool *pool, const char *const *sr_refs, size_t n,
                                 struct host *prefer)
{
    if (prefer && sees_all(pool, prefer, sr_refs, n))
        return prefer;
    for (size_t i = 0; i < pool->hosts_n; i++)
        if (sees_all(pool, pool->hosts[i], sr_refs, n))
            return pool->hosts[i];
    return NULL;
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Each piece books its time behind the ones before it, so that streams share the rate. */
void pool_pace(struct host *host, size_t n)
{
    struct pool *pool = host->pool;
    int64_t until_ns = 0;
    struct timespec at;

    pool_lock(pool);
    if (host->rate_bytes_per_s) {
        int64_t now = now_ns();
        if (host->rate_next_free_ns < now)
            host->rate_next_free_ns = now;
        until_ns = host->rate_next_free_ns;
        host->rate_next_free_ns +=
            (int64_t)((double)n / (double)host->rate_bytes_per_s * 1000000000.0);
    }
    pool_unlock(pool);
    if (until_ns <= now_ns())
        return;
    at.tv_sec = until_ns / 1000000000;
    at.tv_nsec = until_ns % 1000000000;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        continue;
}
