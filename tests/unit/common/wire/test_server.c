/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The coordinator's side without a socket: sessions, replays, reordering, floods, refusals.
 */
#include "common/wire/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/log.h"
#include "common/wire/seal.h"
#include "tests/unit/common/wire/samples.h"

static const struct seal_versions v1 = {1, 1};

struct bench {
    struct sample_time time;
    struct wire_pool_key pool;
    struct wire_server *server;
    size_t asked_n; /* how often the handler was asked */
    uint64_t boot;
    uint64_t seq;
    char host[UUID_TEXT_MAX];
    bool is_failing;
    size_t lines_n;
    char line[4096];
};

static int answer(void *context, struct wire_sync *sync, struct wire_orders *ret_orders,
                  struct error *err)
{
    struct bench *bench = context;
    bench->asked_n++;
    bench->boot = sync->boot;
    bench->seq = sync->seq;
    str_copy(bench->host, sizeof bench->host, sync->host_uuid);
    if (bench->is_failing)
        return error_set(err, ERROR_IO, "the catalog is full");
    ret_orders->lease = bench->asked_n;
    ret_orders->next_ms = 1000;
    return 0;
}

static void keep_line(void *context, enum log_level level, const char *room, const char *text)
{
    struct bench *bench = context;
    (void)level;
    (void)room;
    bench->lines_n++;
    str_copy(bench->line, sizeof bench->line, text);
}

static int set_up(void **state)
{
    struct bench *bench = mem_zero(1, sizeof *bench);
    sample_time_init(&bench->time);
    bench->pool.bytes[0] = 42;
    bench->server =
        wire_server_new(&bench->pool, &bench->time.clock, random_system(), answer, bench);
    log_set_sink(keep_line, bench);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    log_set_sink(NULL, NULL);
    wire_server_free(&bench->server);
    assert_null(bench->server);
    free(bench);
    return 0;
}

struct agent {
    struct wire_agent_key key;
    struct seal_greeting greeting;
    struct seal_session session;
    uint64_t seq;
};

static void agent_hello(struct bench *bench, struct agent *agent, const char *host, uint64_t boot)
{
    assert_int_equal(wire_agent_key_make(&bench->pool, host, &agent->key, NULL), 0);
    seal_hello_make(&agent->key, boot, v1, random_system(), &agent->greeting);
}

static void agent_welcome(struct bench *bench, struct agent *agent)
{
    CLEAN_STR struct str reply = STR_INIT;
    assert_true(wire_server_answer(bench->server, agent->greeting.frame, SEAL_HELLO_BYTES, &reply));
    assert_int_equal(seal_welcome_open(reply.data, reply.len, &agent->greeting, &agent->key,
                                       &agent->session, NULL),
                     0);
}

static void agent_frame(struct agent *agent, uint64_t counter, struct str *frame)
{
    CLEAN_WIRE_SYNC struct wire_sync sync = {.seq = ++agent->seq};
    CLEAN_STR struct str body = STR_INIT;
    struct wire_packed packed;
    sync.version = mem_dup("1");
    assert_int_equal(wire_sync_pack(&sync, 0, &body, &packed, NULL), 0);
    assert_int_equal(
        seal_frame_make(&agent->session, SEAL_SYNC, counter, body.data, body.len, frame, NULL), 0);
}

/* Send one Sync; the lease in the Orders, or 0 when there was no answer. */
static uint64_t agent_sync(struct bench *bench, struct agent *agent, uint64_t counter)
{
    CLEAN_STR struct str frame = STR_INIT;
    CLEAN_STR struct str reply = STR_INIT;
    CLEAN_STR struct str body = STR_INIT;
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    agent_frame(agent, counter, &frame);
    if (!wire_server_answer(bench->server, frame.data, frame.len, &reply))
        return 0;
    assert_int_equal(
        seal_frame_open(&agent->session, SEAL_ORDERS, reply.data, reply.len, &body, NULL), 0);
    assert_int_equal(wire_orders_unpack(body.data, body.len, &orders, NULL), 0);
    return orders.lease;
}

static void a_sync_is_answered_and_proves_host_and_boot(void **state)
{
    struct bench *bench = *state;
    struct agent agent = {.seq = 0};
    agent_hello(bench, &agent, SAMPLE_HOST, 99);
    agent_welcome(bench, &agent);
    assert_int_equal(bench->asked_n, 0);
    assert_int_equal(agent_sync(bench, &agent, 1), 1);
    assert_int_equal(agent_sync(bench, &agent, 2), 2);
    assert_string_equal(bench->host, SAMPLE_HOST);
    assert_int_equal(bench->boot, 99);
    assert_int_equal(bench->seq, 2);
    assert_int_equal(bench->lines_n, 0);
}

static void the_same_sync_gets_the_same_bytes_and_older_ones_nothing(void **state)
{
    struct bench *bench = *state;
    struct agent agent = {.seq = 0};
    agent_hello(bench, &agent, SAMPLE_HOST, 1);
    agent_welcome(bench, &agent);
    CLEAN_STR struct str one = STR_INIT;
    CLEAN_STR struct str two = STR_INIT;
    CLEAN_STR struct str three = STR_INIT;
    CLEAN_STR struct str first = STR_INIT;
    CLEAN_STR struct str again = STR_INIT;
    agent_frame(&agent, 1, &one);
    agent_frame(&agent, 2, &two);
    agent_frame(&agent, 7, &three);
    assert_true(wire_server_answer(bench->server, two.data, two.len, &first));
    assert_true(wire_server_answer(bench->server, two.data, two.len, &again));
    assert_int_equal(first.len, again.len);
    assert_memory_equal(first.data, again.data, first.len);
    assert_int_equal(bench->asked_n, 1);
    assert_false(wire_server_answer(bench->server, one.data, one.len, &again));
    assert_true(wire_server_answer(bench->server, three.data, three.len, &again));
    assert_false(wire_server_answer(bench->server, two.data, two.len, &again));
    assert_int_equal(bench->asked_n, 2);
}

static void counter_zero_and_changed_frames_are_dropped(void **state)
{
    struct bench *bench = *state;
    struct agent agent = {.seq = 0};
    CLEAN_STR struct str frame = STR_INIT;
    CLEAN_STR struct str reply = STR_INIT;
    agent_hello(bench, &agent, SAMPLE_HOST, 1);
    agent_welcome(bench, &agent);
    assert_int_equal(agent_sync(bench, &agent, 0), 0);
    agent_frame(&agent, 1, &frame);
    frame.data[16] = 2; /* another counter than the one that was sealed */
    assert_false(wire_server_answer(bench->server, frame.data, frame.len, &reply));
    assert_int_equal(bench->asked_n, 0);
    assert_int_equal(reply.len, 0);
    assert_int_equal(agent_sync(bench, &agent, 1), 1);
}

static void a_new_session_replaces_the_old_one_at_its_first_sync_only(void **state)
{
    struct bench *bench = *state;
    struct agent old = {.seq = 0};
    struct agent new = {.seq = 0};
    agent_hello(bench, &old, SAMPLE_HOST, 1);
    agent_welcome(bench, &old);
    assert_int_equal(agent_sync(bench, &old, 1), 1);
    agent_hello(bench, &new, SAMPLE_HOST, 2);
    agent_welcome(bench, &new);
    assert_int_equal(agent_sync(bench, &old, 2), 2);
    assert_int_equal(bench->boot, 1);
    bench->time.ms += WIRE_SERVER_TWIN_MS;
    assert_int_equal(agent_sync(bench, &new, 1), 3);
    assert_int_equal(bench->boot, 2);
    CLEAN_STR struct str frame = STR_INIT;
    CLEAN_STR struct str reply = STR_INIT;
    struct seal_refusal refusal;
    agent_frame(&old, 3, &frame);
    assert_true(wire_server_answer(bench->server, frame.data, frame.len, &reply));
    assert_int_equal(seal_refusal_look(reply.data, reply.len, &refusal, NULL), 0);
    assert_int_equal(refusal.reason, SEAL_REASON_SESSION);
    assert_int_equal(refusal.echo, seal_echo(frame.data, frame.len));
    assert_int_equal(bench->asked_n, 3);
}

static void recorded_hellos_do_not_disturb_a_session(void **state)
{
    struct bench *bench = *state;
    struct agent recorded[20];
    struct agent living = {.seq = 0};
    CLEAN_STR struct str reply = STR_INIT;
    memset(recorded, 0, sizeof recorded);
    for (size_t i = 0; i < 20; i++)
        agent_hello(bench, &recorded[i], SAMPLE_HOST, 1);
    agent_hello(bench, &living, SAMPLE_HOST, 2);
    agent_welcome(bench, &living);
    assert_int_equal(agent_sync(bench, &living, 1), 1);
    for (size_t i = 0; i < 20; i++)
        assert_true(wire_server_answer(bench->server, recorded[i].greeting.frame, SEAL_HELLO_BYTES,
                                       &reply));
    assert_int_equal(agent_sync(bench, &living, 2), 2);
    assert_int_equal(bench->boot, 2);
}

static void only_the_newest_half_open_hellos_are_kept(void **state)
{
    struct bench *bench = *state;
    enum { N = WIRE_SERVER_HALF_OPEN_MAX + 1 };
    struct agent agents[N];
    memset(agents, 0, sizeof agents);
    for (size_t i = 0; i < N; i++) {
        agent_hello(bench, &agents[i], SAMPLE_HOST, i + 1);
        agent_welcome(bench, &agents[i]);
    }
    CLEAN_STR struct str frame = STR_INIT;
    CLEAN_STR struct str reply = STR_INIT;
    struct seal_refusal refusal;
    agent_frame(&agents[0], 1, &frame);
    assert_true(wire_server_answer(bench->server, frame.data, frame.len, &reply));
    assert_int_equal(seal_refusal_look(reply.data, reply.len, &refusal, NULL), 0);
    assert_int_equal(agent_sync(bench, &agents[1], 1), 1);
}

static void the_same_hello_gets_the_same_welcome(void **state)
{
    struct bench *bench = *state;
    struct agent agent = {.seq = 0};
    CLEAN_STR struct str first = STR_INIT;
    CLEAN_STR struct str again = STR_INIT;
    agent_hello(bench, &agent, SAMPLE_HOST, 1);
    wire_server_answer(bench->server, agent.greeting.frame, SEAL_HELLO_BYTES, &first);
    wire_server_answer(bench->server, agent.greeting.frame, SEAL_HELLO_BYTES, &again);
    assert_int_equal(first.len, SEAL_WELCOME_BYTES);
    assert_memory_equal(first.data, again.data, first.len);
}

static void a_handler_that_fails_gives_silence_and_is_asked_again(void **state)
{
    struct bench *bench = *state;
    struct agent agent = {.seq = 0};
    CLEAN_STR struct str frame = STR_INIT;
    CLEAN_STR struct str reply = STR_INIT;
    agent_hello(bench, &agent, SAMPLE_HOST, 1);
    agent_welcome(bench, &agent);
    agent_frame(&agent, 1, &frame);
    bench->is_failing = true;
    for (int i = 0; i < 5; i++)
        assert_false(wire_server_answer(bench->server, frame.data, frame.len, &reply));
    assert_int_equal(bench->lines_n, 1);
    assert_non_null(strstr(bench->line, "the catalog is full"));
    bench->time.ms += 60000;
    assert_false(wire_server_answer(bench->server, frame.data, frame.len, &reply));
    assert_int_equal(bench->lines_n, 2);
    bench->is_failing = false;
    assert_true(wire_server_answer(bench->server, frame.data, frame.len, &reply));
    assert_int_equal(bench->asked_n, 7);
}

static void a_wrong_key_is_told_once_and_refused_each_time(void **state)
{
    struct bench *bench = *state;
    struct wire_pool_key rival = {{7}};
    struct wire_agent_key key;
    struct seal_greeting greeting;
    assert_int_equal(wire_agent_key_make(&rival, SAMPLE_HOST, &key, NULL), 0);
    for (int i = 0; i < 5; i++) {
        CLEAN_STR struct str reply = STR_INIT;
        struct seal_refusal refusal;
        seal_hello_make(&key, 1, v1, random_system(), &greeting);
        assert_true(wire_server_answer(bench->server, greeting.frame, SEAL_HELLO_BYTES, &reply));
        assert_int_equal(seal_refusal_look(reply.data, reply.len, &refusal, NULL), 0);
        assert_int_equal(refusal.reason, SEAL_REASON_KEY);
        assert_int_equal(refusal.echo, seal_echo(greeting.frame, SEAL_HELLO_BYTES));
    }
    assert_int_equal(bench->lines_n, 1);
    assert_non_null(strstr(bench->line, SAMPLE_HOST));
    assert_non_null(strstr(bench->line, "keygen"));
    bench->time.ms += 60000;
    CLEAN_STR struct str reply = STR_INIT;
    wire_server_answer(bench->server, greeting.frame, SEAL_HELLO_BYTES, &reply);
    assert_int_equal(bench->lines_n, 2);
}

static void another_version_is_told_which_are_spoken(void **state)
{
    struct bench *bench = *state;
    struct agent agent = {.seq = 0};
    CLEAN_STR struct str reply = STR_INIT;
    struct seal_refusal refusal;
    agent_hello(bench, &agent, SAMPLE_HOST, 1);
    seal_hello_make(&agent.key, 1, (struct seal_versions){7, 9}, random_system(), &agent.greeting);
    assert_true(wire_server_answer(bench->server, agent.greeting.frame, SEAL_HELLO_BYTES, &reply));
    assert_int_equal(seal_refusal_look(reply.data, reply.len, &refusal, NULL), 0);
    assert_int_equal(refusal.reason, SEAL_REASON_VERSION);
    assert_int_equal(refusal.versions.min, SEAL_VERSION_MIN);
    assert_non_null(strstr(bench->line, "7 to 9"));
}

static void floods_fill_neither_log_nor_memory(void **state)
{
    struct bench *bench = *state;
    unsigned seed = 1;
    for (int i = 0; i < 3000; i++) {
        struct wire_agent_key key = {.bytes = {1}};
        struct seal_greeting greeting;
        CLEAN_STR struct str reply = STR_INIT;
        char noise[200];
        random_uuid(random_system(), key.host_uuid);
        seal_hello_make(&key, 1, v1, random_system(), &greeting);
        wire_server_answer(bench->server, greeting.frame, SEAL_HELLO_BYTES, &reply);
        for (size_t k = 0; k < sizeof noise; k++)
            noise[k] = (char)rand_r(&seed);
        memcpy(noise, "onyx", i % 2 ? 4 : 0);
        noise[4] = (char)(i % 7);
        wire_server_answer(bench->server, noise, (size_t)(i % 200), &reply);
    }
    assert_int_equal(bench->lines_n, 1);
    assert_int_equal(bench->asked_n, 0);
    CLEAN_STR struct str reply = STR_INIT;
    bench->time.ms += 60000;
    wire_server_answer(bench->server, "GET /", 5, &reply);
    wire_server_answer(bench->server, "GET /", 5, &reply);
    assert_int_equal(bench->lines_n, 2);
    assert_non_null(strstr(bench->line, "of another key"));
    assert_non_null(strstr(bench->line, "; and others; refused or dropped so far: 3000 of"));
}

static void a_restarted_coordinator_knows_no_session(void **state)
{
    struct bench *bench = *state;
    struct agent agent = {.seq = 0};
    CLEAN_STR struct str frame = STR_INIT;
    CLEAN_STR struct str reply = STR_INIT;
    struct seal_refusal refusal;
    agent_hello(bench, &agent, SAMPLE_HOST, 1);
    agent_welcome(bench, &agent);
    assert_int_equal(agent_sync(bench, &agent, 1), 1);
    wire_server_free(&bench->server);
    bench->server =
        wire_server_new(&bench->pool, &bench->time.clock, random_system(), answer, bench);
    agent_frame(&agent, 2, &frame);
    assert_true(wire_server_answer(bench->server, frame.data, frame.len, &reply));
    assert_int_equal(seal_refusal_look(reply.data, reply.len, &refusal, NULL), 0);
    assert_int_equal(refusal.reason, SEAL_REASON_SESSION);
    agent_hello(bench, &agent, SAMPLE_HOST, 1);
    agent_welcome(bench, &agent);
    assert_int_equal(agent_sync(bench, &agent, 1), 2);
}

static struct wire_server_counts counts(const struct bench *bench)
{
    struct wire_server_counts now;
    wire_server_count(bench->server, &now);
    return now;
}

/* The reason of the refusal that a Sync gets. */
static int agent_is_refused(struct bench *bench, struct agent *agent, uint64_t counter)
{
    CLEAN_STR struct str frame = STR_INIT;
    CLEAN_STR struct str reply = STR_INIT;
    struct seal_refusal refusal;
    agent_frame(agent, counter, &frame);
    if (!wire_server_answer(bench->server, frame.data, frame.len, &reply) ||
        seal_refusal_look(reply.data, reply.len, &refusal, NULL) < 0)
        return 0;
    return (int)refusal.reason;
}

static void a_second_agent_is_refused_while_the_first_is_heard(void **state)
{
    struct bench *bench = *state;
    struct agent first = {.seq = 0};
    struct agent second = {.seq = 0};
    agent_hello(bench, &first, SAMPLE_HOST, 1);
    agent_welcome(bench, &first);
    assert_int_equal(agent_sync(bench, &first, 1), 1);
    for (uint64_t i = 0; i < 5; i++) {
        agent_hello(bench, &second, SAMPLE_HOST, 2);
        agent_welcome(bench, &second);
        bench->time.ms += WIRE_SERVER_TWIN_MS - 1;
        assert_int_equal(agent_is_refused(bench, &second, 1), SEAL_REASON_TWIN);
        assert_int_equal(agent_sync(bench, &first, 2 + i), 2 + i);
    }
    assert_int_equal(counts(bench).twin, 5);
    assert_int_equal(counts(bench).answered, 6);
    assert_int_equal(bench->lines_n, 1);
    assert_non_null(strstr(bench->line, "second agent"));
    bench->time.ms += WIRE_SERVER_TWIN_MS;
    assert_int_equal(agent_sync(bench, &second, 1), 7);
    assert_int_equal(bench->boot, 2);
}

static void a_hello_that_gave_way_is_not_answered_again(void **state)
{
    struct bench *bench = *state;
    enum { N = 40 };
    struct agent recorded[N];
    struct agent living = {.seq = 0};
    CLEAN_STR struct str reply = STR_INIT;
    memset(recorded, 0, sizeof recorded);
    for (size_t i = 0; i < N; i++) {
        agent_hello(bench, &recorded[i], SAMPLE_HOST, 1);
        agent_welcome(bench, &recorded[i]);
    }
    agent_hello(bench, &living, SAMPLE_HOST, 2);
    agent_welcome(bench, &living);
    for (size_t i = 0; i < N - WIRE_SERVER_HALF_OPEN_MAX; i++)
        assert_false(wire_server_answer(bench->server, recorded[i].greeting.frame, SEAL_HELLO_BYTES,
                                        &reply));
    assert_int_equal(counts(bench).old, N - WIRE_SERVER_HALF_OPEN_MAX);
    assert_int_equal(agent_sync(bench, &living, 1), 1);
}

static void the_older_key_counts_until_its_time_is_over(void **state)
{
    struct bench *bench = *state;
    struct agent early = {.seq = 0};
    struct agent late = {.seq = 0};
    struct wire_pool_keys keys = {.now = {{43}}, .has_old = true};
    agent_hello(bench, &early, SAMPLE_HOST, 1);
    agent_welcome(bench, &early);
    assert_int_equal(agent_sync(bench, &early, 1), 1);
    keys.old = bench->pool;
    keys.old_until = bench->time.ms + 1000;
    wire_server_set_keys(bench->server, &keys);
    agent_hello(bench, &late, SAMPLE_HOST_2, 1); /* with the older key */
    agent_welcome(bench, &late);
    assert_int_equal(agent_sync(bench, &late, 1), 2);
    assert_int_equal(agent_sync(bench, &early, 2), 3);
    assert_int_equal(bench->lines_n, 1);
    assert_non_null(strstr(bench->line, "older pool key"));
    bench->time.ms += 1000;
    assert_int_equal(agent_is_refused(bench, &early, 3), SEAL_REASON_SESSION);
    assert_int_equal(agent_is_refused(bench, &late, 2), SEAL_REASON_SESSION);
    for (int days = 0; days < 2; days++) {
        CLEAN_STR struct str reply = STR_INIT;
        struct seal_refusal refusal;
        agent_hello(bench, &late, SAMPLE_HOST_2, 2);
        assert_true(wire_server_answer(bench->server, late.greeting.frame, SEAL_HELLO_BYTES,
                                       &reply));
        assert_int_equal(seal_refusal_look(reply.data, reply.len, &refusal, NULL), 0);
        assert_int_equal(refusal.reason, SEAL_REASON_KEY);
        bench->time.ms += 24 * 3600 * 1000;
    }
    bench->pool = keys.now;
    agent_hello(bench, &early, SAMPLE_HOST, 1);
    agent_welcome(bench, &early);
    assert_int_equal(agent_sync(bench, &early, 1), 4);
}

static void a_session_of_a_key_before_the_older_one_does_not_come_back(void **state)
{
    struct bench *bench = *state;
    struct agent agent = {.seq = 0};
    struct wire_pool_keys keys = {.now = {{43}}, .has_old = true, .old = bench->pool};
    agent_hello(bench, &agent, SAMPLE_HOST, 1);
    agent_welcome(bench, &agent);
    assert_int_equal(agent_sync(bench, &agent, 1), 1);
    keys.old_until = bench->time.ms + 1000;
    wire_server_set_keys(bench->server, &keys);
    assert_int_equal(agent_sync(bench, &agent, 2), 2);
    keys.old = keys.now;
    keys.now.bytes[0] = 44;
    wire_server_set_keys(bench->server, &keys);
    assert_int_equal(agent_is_refused(bench, &agent, 3), SEAL_REASON_SESSION);
}

static void a_recorded_sync_is_no_sign_of_life(void **state)
{
    struct bench *bench = *state;
    struct agent dead = {.seq = 0};
    struct agent next = {.seq = 0};
    CLEAN_STR struct str last = STR_INIT;
    CLEAN_STR struct str reply = STR_INIT;
    agent_hello(bench, &dead, SAMPLE_HOST, 1);
    agent_welcome(bench, &dead);
    agent_frame(&dead, 1, &last);
    assert_true(wire_server_answer(bench->server, last.data, last.len, &reply));
    bench->time.ms += WIRE_SERVER_TWIN_MS;
    assert_true(wire_server_answer(bench->server, last.data, last.len, &reply));
    agent_hello(bench, &next, SAMPLE_HOST, 2);
    agent_welcome(bench, &next);
    assert_int_equal(agent_sync(bench, &next, 1), 2);
}

static void what_is_refused_is_counted_by_its_kind(void **state)
{
    struct bench *bench = *state;
    struct agent agent = {.seq = 0};
    CLEAN_STR struct str frame = STR_INIT;
    CLEAN_STR struct str reply = STR_INIT;
    agent_hello(bench, &agent, SAMPLE_HOST, 1);
    agent_welcome(bench, &agent);
    assert_int_equal(agent_sync(bench, &agent, 3), 1);
    agent_frame(&agent, 4, &frame);
    frame.data[frame.len - 1] ^= 1;
    wire_server_answer(bench->server, frame.data, frame.len, &reply);
    frame.data[8] ^= 1;
    wire_server_answer(bench->server, frame.data, frame.len, &reply);
    assert_int_equal(agent_sync(bench, &agent, 2), 0);
    wire_server_answer(bench->server, "GET /", 5, &reply);
    bench->pool.bytes[0] = 1;
    agent_hello(bench, &agent, SAMPLE_HOST, 1);
    wire_server_answer(bench->server, agent.greeting.frame, SEAL_HELLO_BYTES, &reply);
    struct wire_server_counts now = counts(bench);
    assert_int_equal(now.unsealed, 1);
    assert_int_equal(now.session, 1);
    assert_int_equal(now.old, 1);
    assert_int_equal(now.foreign, 1);
    assert_int_equal(now.key, 1);
    assert_int_equal(now.greeted, 1);
    assert_int_equal(now.answered, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_sync_is_answered_and_proves_host_and_boot),
        CASE(the_same_sync_gets_the_same_bytes_and_older_ones_nothing),
        CASE(counter_zero_and_changed_frames_are_dropped),
        CASE(a_new_session_replaces_the_old_one_at_its_first_sync_only),
        CASE(recorded_hellos_do_not_disturb_a_session),
        CASE(only_the_newest_half_open_hellos_are_kept),
        CASE(the_same_hello_gets_the_same_welcome),
        CASE(a_handler_that_fails_gives_silence_and_is_asked_again),
        CASE(a_wrong_key_is_told_once_and_refused_each_time),
        CASE(another_version_is_told_which_are_spoken),
        CASE(floods_fill_neither_log_nor_memory),
        CASE(a_restarted_coordinator_knows_no_session),
        CASE(a_second_agent_is_refused_while_the_first_is_heard),
        CASE(a_hello_that_gave_way_is_not_answered_again),
        CASE(the_older_key_counts_until_its_time_is_over),
        CASE(a_session_of_a_key_before_the_older_one_does_not_come_back),
        CASE(a_recorded_sync_is_no_sign_of_life),
        CASE(what_is_refused_is_counted_by_its_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
