/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An add of n + 1, a look whether a higher one exists, the removal of the lower ones.
 *
 * Not to be told of an add that happened (the connection broke) is no harm: the next try finds the
 * key there with our own uuid in it.
 */
#include "common/xapi/pool_lease.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/text_list.h"
#include "common/base/text_map.h"
#include "common/xapi/call.h"
#include "common/xapi/event.h"
#include "common/xapi/fault.h"

#include "common/base/poison.h"

/* The pool's reference and the keys of ours in its other_config. */
struct pool_keys {
    char *ref;
    struct text_map keys;
};

static void pool_keys_done(struct pool_keys *keys)
{
    mem_free_char(&keys->ref);
    text_map_done(&keys->keys);
}

static int pool_keys_on_record(void *context, const char *ref, const json_t *record,
                               struct error *err)
{
    struct pool_keys *keys = context;
    const char *key;
    const json_t *value;
    uint64_t n;

    (void)err;
    mem_set(&keys->ref, ref);
    json_object_foreach(json_object_get(record, "other_config"), key,
                        value) if (lease_parse_key(key, &n) && json_is_string(value))
        text_map_set(&keys->keys, key, json_string_value(value));
    return 0;
}

static int pool_keys_read(struct xapi *xapi, struct pool_keys *ret_keys, struct error *err)
{
    if (xapi_call_records(xapi, "pool.get_all_records", pool_keys_on_record, ret_keys, err))
        return -1;
    if (!ret_keys->ref)
        return error_set(err, ERROR_PROTOCOL, "XAPI tells of no pool");
    return 0;
}

int pool_lease_look(struct xapi *xapi, struct lease *ret_lease, struct error *err)
{
    CLEANUP(pool_keys_done) struct pool_keys keys = {0};

    if (pool_keys_read(xapi, &keys, err))
        return error_add(err, "look at the pool's lease");
    return lease_find(&keys.keys, ret_lease);
}

static void pool_keys_remove(struct xapi *xapi, const struct pool_keys *keys, const char *key)
{
    struct error err = ERROR_INIT;

    /* What is left is removed by the next one. */
    if (xapi_call(xapi, NULL, &err, "pool.remove_from_other_config", "[s, s]", keys->ref, key))
        log_debug("xapi", "an old lease key stays: %s", err.text);
}

static int lease_error_lost(const struct lease *seen, struct error *err)
{
    if (seen->is_held && seen->is_readable)
        return error_set(err, ERROR_LEASE, "the pool's lease %llu belongs to the coordinator at %s",
                         (unsigned long long)seen->n, seen->owner.address);
    return error_set(err, ERROR_LEASE, "the pool's lease went on to number %llu",
                     (unsigned long long)seen->n);
}

/*
 * Add the key n with the owner (NULL: released) and see whether it is the highest.
 *
 */
static int lease_put(struct xapi *xapi, uint64_t n, const struct lease_owner *owner,
                     struct error *err)
{
    CLEANUP(pool_keys_done) struct pool_keys before = {0};
    CLEANUP(pool_keys_done) struct pool_keys after = {0};
    CLEAN_TEXT_LIST struct text_list old = TEXT_LIST_INIT;
    struct error failure = ERROR_INIT;
    struct lease seen = {0};
    char key[LEASE_KEY_MAX];
    char value[LEASE_VALUE_MAX];

    lease_format_key(n, key);
    lease_format_value(owner, value);
    if (pool_keys_read(xapi, &before, err))
        return -1;
    if (xapi_call(xapi, NULL, &failure, "pool.add_to_other_config", "[s, s, s]", before.ref, key,
                  value) &&
        !fault_is(&failure, "MAP_DUPLICATE_KEY")) {
        if (err)
            *err = failure;
        return -1;
    }
    if (pool_keys_read(xapi, &after, err))
        return -1;
    const char *now = text_map_get(&after.keys, key);

    if (lease_find(&after.keys, &seen) != 1)
        return error_set(err, ERROR_LEASE, "somebody removed the pool's lease");
    bool is_ours =
        now && !strcmp(now, value) && (owner || !fault_is(&failure, "MAP_DUPLICATE_KEY"));

    if (seen.n > n && is_ours)
        pool_keys_remove(xapi, &after, key);
    if (seen.n != n || !is_ours)
        return lease_error_lost(&seen, err);
    lease_list_below(&after.keys, n, &old);
    for (size_t i = 0; i < old.n; i++)
        pool_keys_remove(xapi, &after, old.items[i]);
    return 0;
}

int pool_lease_take(struct xapi *xapi, const struct lease *seen, const struct lease_owner *owner,
                    struct lease *ret_lease, struct error *err)
{
    uint64_t n = (seen ? seen->n : 0) + 1;

    if (lease_owner_check(owner, err) || lease_put(xapi, n, owner, err))
        return error_add(err, "take the pool's lease");
    *ret_lease = (struct lease){.n = n, .is_held = true, .is_readable = true, .owner = *owner};
    return 0;
}

/* Our key is still the highest: nobody took over while we slept. 0, or -1 with the error set. An
 * add of ours that was not heard of moves lease->n on. */
static int lease_check_ours(struct xapi *xapi, struct lease *lease, struct error *err)
{
    struct lease seen = {0};
    int found = pool_lease_look(xapi, &seen, err);

    if (found < 0)
        return -1;
    if (!found)
        return error_set(err, ERROR_LEASE, "somebody removed the pool's lease");
    if (!seen.is_held || !seen.is_readable || strcmp(seen.owner.uuid, lease->owner.uuid) != 0 ||
        seen.n < lease->n)
        return lease_error_lost(&seen, err);
    lease->n = seen.n;
    return 0;
}

int pool_lease_renew(struct xapi *xapi, struct lease *lease, struct error *err)
{
    if (lease_check_ours(xapi, lease, err) || lease_put(xapi, lease->n + 1, &lease->owner, err))
        return error_add(err, "renew the pool's lease");
    lease->n++;
    return 0;
}

int pool_lease_release(struct xapi *xapi, struct lease *lease, struct error *err)
{
    if (lease_check_ours(xapi, lease, err) || lease_put(xapi, lease->n + 1, NULL, err))
        return error_add(err, "release the pool's lease");
    lease->n++;
    lease->is_held = false;
    return 0;
}

static int follow_on_event(void *context, const char *ref, const json_t *snapshot,
                           struct error *err)
{
    /* The events only say that it is time to look: one more read, and no two ways to read. */
    (void)context;
    (void)ref;
    (void)snapshot;
    (void)err;
    return 0;
}

int pool_lease_follow(struct xapi *xapi, struct event_stream *events, int64_t timeout_ms,
                      struct lease *ret_lease, struct error *err)
{
    struct error failure = ERROR_INIT;
    size_t n = 0;

    if (event_next(xapi, events, timeout_ms, follow_on_event, NULL, &n, &failure)) {
        if (failure.code != ERROR_UNSUPPORTED) {
            if (err)
                *err = failure;
            return error_add(err, "wait for the pool's lease");
        }
        if (xapi_sleep(xapi, timeout_ms, err))
            return -1;
    }
    int found = pool_lease_look(xapi, ret_lease, err);

    return found == 1 && !(ret_lease->is_held && ret_lease->is_readable) ? 0 : found;
}
