/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lease under every interleaving: two and three coordinators take, renew and release it, each
 * of their calls to the pool at any moment, and any of them may die between two calls.
 *
 * pool_lease.c itself runs; the calls below it are ours. A coordinator's steps depend on nothing but
 * what its calls gave, so it is run again from its beginning with what they gave before, up to the
 * first call that is new: that one is its next step. States that were met before are not gone
 * through again.
 */
#include "common/xapi/pool_lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/text_list.h"
#include "common/xapi/call.h"
#include "common/xapi/event.h"
#include "common/xapi/fault.h"

#define RIVALS_MAX 3
#define NUMBERS    10 /* leases have numbers below */
#define STEPS_MAX  24
#define RELEASED   9

enum call { CALL_NONE, CALL_READ, CALL_ADD, CALL_REMOVE };
enum program { TAKE, TAKE_AND_RENEW, RENEW_TWICE, RELEASE };

/* What the pool record has: whose the lease of a number is, 0 nobody's. */
struct record {
    unsigned char owner[NUMBERS];
};

struct step {
    enum call call;
    bool was_refused;
    struct record seen;
};

struct rival {
    enum program program;
    bool is_dead;
    struct step steps[STEPS_MAX];
    size_t steps_n;
};

struct scene {
    struct record record;
    struct rival rivals[RIVALS_MAX];
    size_t rivals_n;
    unsigned deaths_left;
    uint64_t first_n; /* the lease that takers saw and owners had; 0 none */
};

static const struct lease_owner owners[] = {
    {"00000000-0000-4000-8000-000000000000", "tcp://none:1", 30},
    {"11111111-1111-4111-8111-111111111111", "tcp://a:1", 30},
    {"22222222-2222-4222-8222-222222222222", "tcp://b:1", 30},
    {"33333333-3333-4333-8333-333333333333", "tcp://c:1", 30},
    {"44444444-4444-4444-8444-444444444444", "tcp://d:1", 30},
};

/* ---- the calls below ---- */

/* The replay that goes on: what calls gave, and the first one that is new. */
static struct {
    const struct rival *rival;
    size_t at;
    enum call next;
    uint64_t n;
    unsigned char owner;
} replay;

/* The step that was made before, or NULL: it is new, and ends the replay. */
static const struct step *replay_step(enum call call)
{
    if (replay.next != CALL_NONE)
        return NULL;
    if (replay.at < replay.rival->steps_n) {
        assert_int_equal(replay.rival->steps[replay.at].call, call);
        return &replay.rival->steps[replay.at++];
    }
    replay.next = call;
    return NULL;
}

static const char *value_of(unsigned char owner, char text[LEASE_VALUE_MAX])
{
    return lease_format_value(owner == RELEASED ? NULL : &owners[owner], text);
}

int xapi_call_records(struct xapi *xapi, const char *method, reply_record_fn *each, void *context,
                      struct error *err)
{
    const struct step *step = replay_step(CALL_READ);

    (void)xapi;
    assert_string_equal(method, "pool.get_all_records");
    if (!step)
        return error_set(err, ERROR_CANCELLED, "not yet");
    json_t *config = json_object();
    for (uint64_t n = 1; n < NUMBERS; n++) {
        char key[LEASE_KEY_MAX], value[LEASE_VALUE_MAX];

        if (step->seen.owner[n])
            json_object_set_new(config, lease_format_key(n, key),
                                json_string(value_of(step->seen.owner[n], value)));
    }
    json_t *record = json_pack("{s:o}", "other_config", config);
    int result = each(context, "OpaqueRef:p", record, err);
    json_decref(record);
    return result;
}

static unsigned char owner_of(const char *value)
{
    char text[LEASE_VALUE_MAX];

    for (unsigned char i = 1; i < sizeof owners / sizeof owners[0]; i++)
        if (strcmp(value, value_of(i, text)) == 0)
            return i;
    assert_string_equal(value, value_of(RELEASED, text));
    return RELEASED;
}

int xapi_call(struct xapi *xapi, json_t **ret_result, struct error *err, const char *method,
              const char *format, ...)
{
    bool is_add = strcmp(method, "pool.add_to_other_config") == 0;
    bool was_new = replay.next == CALL_NONE;
    const struct step *step = replay_step(is_add ? CALL_ADD : CALL_REMOVE);
    uint64_t n = 0;
    va_list args;

    (void)xapi;
    (void)ret_result;
    va_start(args, format);
    assert_string_equal(va_arg(args, const char *), "OpaqueRef:p");
    assert_true(lease_parse_key(va_arg(args, const char *), &n));
    if (!step && was_new) {
        assert_true(n < NUMBERS);
        replay.n = n;
        replay.owner = is_add ? owner_of(va_arg(args, const char *)) : 0;
    }
    va_end(args);
    if (!step)
        return error_set(err, ERROR_CANCELLED, "not yet");
    if (!step->was_refused)
        return 0;
    CLEAN_TEXT_LIST struct text_list fault = TEXT_LIST_INIT;
    text_list_add(&fault, "MAP_DUPLICATE_KEY");
    return fault_set(err, &fault);
}

int event_next(struct xapi *xapi, struct event_stream *stream, int64_t timeout_ms,
               event_fn *each, void *context, size_t *ret_n, struct error *err)
{
    (void)xapi, (void)stream, (void)timeout_ms, (void)each, (void)context, (void)ret_n;
    return error_set(err, ERROR_UNSUPPORTED, "no events here");
}

int xapi_sleep(struct xapi *xapi, int64_t ms, struct error *err)
{
    (void)xapi, (void)ms, (void)err;
    return 0;
}

/* ---- what a coordinator does ---- */

/* Whether it holds the lease and knows it, as far as its steps go. *ret_is_over: it has no more. */
static bool run_program(const struct scene *scene, size_t index, bool *ret_is_over)
{
    const struct rival *rival = &scene->rivals[index];
    unsigned char own = (unsigned char)(index + 1);
    struct lease seen = {.n = scene->first_n, .is_held = true, .is_readable = true,
                         .owner = owners[4]};
    struct lease lease = {.n = scene->first_n, .is_held = true, .is_readable = true,
                          .owner = owners[own]};
    struct error err = ERROR_INIT;
    bool is_owner = false;
    int result = 0;

    replay.rival = rival;
    replay.at = 0;
    replay.next = CALL_NONE;
    if (rival->program == TAKE || rival->program == TAKE_AND_RENEW) {
        result = pool_lease_take(NULL, scene->first_n ? &seen : NULL, &owners[own], &lease, &err);
        is_owner = result == 0;
    }
    if (rival->program == RELEASE)
        (void)pool_lease_release(NULL, &lease, &err);
    unsigned renewals = rival->program == RENEW_TWICE ? 2 : rival->program == TAKE_AND_RENEW;
    for (unsigned i = 0; i < renewals && result == 0; i++) {
        result = pool_lease_renew(NULL, &lease, &err);
        if (replay.next != CALL_NONE)
            break;
        is_owner = result == 0;
    }
    *ret_is_over = replay.next == CALL_NONE;
    return is_owner;
}

static void make_step(struct scene *scene, size_t index)
{
    struct rival *rival = &scene->rivals[index];
    struct step *step = &rival->steps[rival->steps_n++];

    assert_true(rival->steps_n < STEPS_MAX);
    *step = (struct step){.call = replay.next};
    switch (replay.next) {
    case CALL_READ:
        step->seen = scene->record;
        break;
    case CALL_ADD:
        step->was_refused = scene->record.owner[replay.n] != 0;
        if (!step->was_refused)
            scene->record.owner[replay.n] = replay.owner;
        break;
    case CALL_REMOVE:
        scene->record.owner[replay.n] = 0;
        break;
    case CALL_NONE:
        fail();
    }
}

/* ---- all orders ---- */

struct search {
    uint64_t *met; /* hashes of states; open addressing */
    size_t cap, n;
    size_t ends_n, owners_n; /* ends, and those with an owner that knows it */
};

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t hash_scene(const struct scene *scene)
{
    uint64_t hash = hash_bytes(0xcbf29ce484222325u, &scene->record, sizeof scene->record);

    for (size_t i = 0; i < scene->rivals_n; i++) {
        const struct rival *rival = &scene->rivals[i];

        hash = hash_bytes(hash, &rival->is_dead, sizeof rival->is_dead);
        for (size_t k = 0; k < rival->steps_n; k++) {
            hash = hash_bytes(hash, &rival->steps[k].was_refused, sizeof(bool));
            hash = hash_bytes(hash, &rival->steps[k].seen, sizeof(struct record));
        }
        hash = hash_bytes(hash, &rival->steps_n, sizeof rival->steps_n);
    }
    return hash ? hash : 1;
}

static bool is_new(struct search *search, uint64_t hash)
{
    size_t at = (size_t)hash & (search->cap - 1);

    while (search->met[at] != 0) {
        if (search->met[at] == hash)
            return false;
        at = (at + 1) & (search->cap - 1);
    }
    search->met[at] = hash;
    search->n++;
    assert_true(search->n * 2 < search->cap);
    return true;
}

static void tell(const struct scene *scene)
{
    for (size_t i = 0; i < scene->rivals_n; i++) {
        print_message("coordinator %zu%s:", i + 1, scene->rivals[i].is_dead ? " (dead)" : "");
        for (size_t k = 0; k < scene->rivals[i].steps_n; k++)
            print_message(" %s%s", (const char *[]){"", "read", "add", "remove"}[
                              scene->rivals[i].steps[k].call],
                          scene->rivals[i].steps[k].was_refused ? " refused" : "");
        print_message("\n");
    }
}

/* Whoever comes next, and has waited as long as it must, gets the lease. */
static void check_next(const struct scene *scene)
{
    struct scene after = {.record = scene->record, .rivals_n = 1};
    bool is_over = false, is_owner = false;

    for (uint64_t n = 1; n < NUMBERS; n++)
        if (scene->record.owner[n])
            after.first_n = n;
    while (!is_over) {
        is_owner = run_program(&after, 0, &is_over);
        if (!is_over)
            make_step(&after, 0);
    }
    if (!is_owner) {
        tell(scene);
        fail_msg("nobody can take the lease any more");
    }
}

static void explore(struct search *search, const struct scene *scene)
{
    bool is_over[RIVALS_MAX] = {false};
    size_t owners_n = 0, open_n = 0;

    if (!is_new(search, hash_scene(scene)))
        return;
    for (size_t i = 0; i < scene->rivals_n; i++) {
        bool is_owner = run_program(scene, i, &is_over[i]);

        owners_n += is_owner && !scene->rivals[i].is_dead;
        open_n += !is_over[i] && !scene->rivals[i].is_dead;
    }
    if (owners_n > 1) {
        tell(scene);
        fail_msg("%zu coordinators hold the lease", owners_n);
    }
    if (open_n == 0) {
        search->ends_n++;
        search->owners_n += owners_n;
        check_next(scene);
    }
    for (size_t i = 0; i < scene->rivals_n; i++) {
        struct scene next = *scene;

        if (is_over[i] || scene->rivals[i].is_dead)
            continue;
        (void)run_program(scene, i, &is_over[i]);
        make_step(&next, i);
        explore(search, &next);
        if (scene->deaths_left == 0)
            continue;
        next = *scene;
        next.rivals[i].is_dead = true;
        next.deaths_left--;
        explore(search, &next);
    }
}

static void explore_all(uint64_t first_n, unsigned char first_owner, unsigned deaths,
                        const enum program *programs, size_t n, struct search *ret_search)
{
    struct scene scene = {.rivals_n = n, .deaths_left = deaths, .first_n = first_n};

    *ret_search = (struct search){.cap = (size_t)1 << 21};
    ret_search->met = mem_zero(ret_search->cap, sizeof *ret_search->met);
    if (first_n > 0)
        scene.record.owner[first_n] = first_owner;
    for (size_t i = 0; i < n; i++)
        scene.rivals[i].program = programs[i];
    explore(ret_search, &scene);
    free(ret_search->met);
    print_message("%zu states, %zu ends, %zu with an owner\n", ret_search->n, ret_search->ends_n,
                  ret_search->owners_n);
}

#define EXPLORE(first_n, first_owner, deaths, search, ...)                                         \
    do {                                                                                           \
        const enum program programs[] = {__VA_ARGS__};                                             \
        explore_all(first_n, first_owner, deaths, programs, sizeof programs / sizeof *programs,    \
                    search);                                                                       \
    } while (0)

static void two_begin_at_once_then_one_has_it(void **state)
{
    struct search search;

    (void)state;
    EXPLORE(0, 0, 0, &search, TAKE, TAKE);
    assert_true(search.ends_n > 1);
    assert_int_equal(search.owners_n, search.ends_n);
    EXPLORE(0, 0, 2, &search, TAKE, TAKE_AND_RENEW);
}

static void three_take_from_a_dead_one_then_one_has_it(void **state)
{
    struct search search;

    (void)state;
    EXPLORE(3, 4, 0, &search, TAKE, TAKE, TAKE);
    assert_int_equal(search.owners_n, search.ends_n);
    EXPLORE(3, 4, 1, &search, TAKE, TAKE, TAKE);
    EXPLORE(3, 4, 1, &search, TAKE_AND_RENEW, TAKE, TAKE);
}

static void owner_that_comes_back_from_a_pause_then_one_has_it(void **state)
{
    struct search search;

    (void)state;
    EXPLORE(3, 1, 1, &search, RENEW_TWICE, TAKE);
    EXPLORE(3, 1, 0, &search, RENEW_TWICE, TAKE, TAKE);
    assert_int_equal(search.owners_n, search.ends_n);
    EXPLORE(3, 1, 0, &search, RENEW_TWICE, TAKE_AND_RENEW, TAKE);
    assert_int_equal(search.owners_n, search.ends_n);
}

static void owner_that_gives_it_back_meanwhile_then_one_has_it_at_most(void **state)
{
    struct search search;

    (void)state;
    EXPLORE(3, 1, 1, &search, RELEASE, TAKE);
    EXPLORE(3, 1, 1, &search, RELEASE, TAKE, TAKE);
}

/*
 * Time. An owner assigns for three renew periods from before its last renewal, a rival takes after
 * it saw one number for four: each by a clock of its own, an hour off, and up to a tenth fast or slow.
 */
static void clocks_when_they_differ_then_nobody_takes_while_the_owner_assigns(void **state)
{
    const int64_t renew_ms = 30000, hour_ms = 3600000;

    (void)state;
    for (int64_t offset = -hour_ms; offset <= hour_ms; offset += hour_ms)
        for (int64_t seen_ms = 0; seen_ms <= 2 * renew_ms; seen_ms += 500)
            for (int64_t speed = 90; speed <= 110; speed += 10) {
                struct lease_rival rival = {0};
                struct lease seen = {.n = 5, .is_held = true, .is_readable = true,
                                     .owner = owners[1]};
                seen.owner.renew_s = (uint32_t)(renew_ms / 1000);
                int64_t at = seen_ms; /* true time since the owner began its last renewal */

                while (!lease_rival_may_take(&rival, 1, &seen, offset + at * speed / 100, NULL))
                    at += 500;
                assert_true(at > 3 * renew_ms * 11 / 10 || (speed == 110 && at > 3 * renew_ms));
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_begin_at_once_then_one_has_it),
        cmocka_unit_test(three_take_from_a_dead_one_then_one_has_it),
        cmocka_unit_test(owner_that_comes_back_from_a_pause_then_one_has_it),
        cmocka_unit_test(owner_that_gives_it_back_meanwhile_then_one_has_it_at_most),
        cmocka_unit_test(clocks_when_they_differ_then_nobody_takes_while_the_owner_assigns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
