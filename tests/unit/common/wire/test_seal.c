/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Frames under attack: wrong keys, changed bytes, frames of another session, version ranges.
 */
#include "common/wire/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "tests/unit/common/wire/samples.h"

static const struct seal_versions v1 = {1, 1};

struct pair {
    struct wire_agent_key key;
    struct seal_greeting greeting;
    unsigned char welcome[SEAL_WELCOME_BYTES];
    struct seal_session agent;
    struct seal_session coordinator;
};

static void key_of(const char *pool_text, const char *host, struct wire_agent_key *ret_key)
{
    struct wire_pool_key pool = {{0}};
    memcpy(pool.bytes, pool_text, strlen(pool_text));
    assert_int_equal(wire_agent_key_make(&pool, host, ret_key, NULL), 0);
}

static void open_pair(struct pair *pair, const struct random *random)
{
    key_of("pool", SAMPLE_HOST, &pair->key);
    seal_hello_make(&pair->key, 7, v1, random, &pair->greeting);
    assert_int_equal(seal_welcome_make(pair->greeting.frame, SEAL_HELLO_BYTES, &pair->key, v1,
                                       random, pair->welcome, &pair->coordinator, NULL),
                     0);
    assert_int_equal(seal_welcome_open(pair->welcome, SEAL_WELCOME_BYTES, &pair->greeting,
                                       &pair->key, &pair->agent, NULL),
                     0);
}

static void both_sides_have_one_session_after_hello_and_welcome(void **state)
{
    (void)state;
    struct pair pair;
    struct seal_hello hello;
    open_pair(&pair, random_system());
    assert_memory_equal(&pair.agent.to_agent, &pair.coordinator.to_agent, 32);
    assert_memory_equal(&pair.agent.to_coordinator, &pair.coordinator.to_coordinator, 32);
    assert_memory_not_equal(&pair.agent.to_coordinator, &pair.agent.to_agent, 32);
    assert_int_equal(pair.agent.id, pair.coordinator.id);
    assert_int_equal(pair.agent.version, 1);
    assert_int_equal(seal_hello_look(pair.greeting.frame, SEAL_HELLO_BYTES, &hello, NULL), 0);
    assert_string_equal(hello.host_uuid, SAMPLE_HOST);
    assert_int_equal(hello.boot, 7);
}

static void a_frame_opens_on_the_other_side_only(void **state)
{
    (void)state;
    struct pair pair;
    CLEAN_STR struct str frame = STR_INIT;
    CLEAN_STR struct str body = STR_INIT;
    uint64_t id;
    uint64_t counter;
    open_pair(&pair, random_system());
    assert_int_equal(seal_frame_make(&pair.agent, SEAL_SYNC, 9, "hello there", 11, &frame, NULL),
                     0);
    assert_int_equal(frame.len, 11 + SEAL_OVERHEAD);
    assert_null(memmem(frame.data, frame.len, "hello", 5));
    assert_int_equal(seal_frame_look(frame.data, frame.len, &id, &counter, NULL), 0);
    assert_int_equal(id, pair.agent.id);
    assert_int_equal(counter, 9);
    assert_int_equal(
        seal_frame_open(&pair.coordinator, SEAL_SYNC, frame.data, frame.len, &body, NULL), 0);
    assert_string_equal(str_text(&body), "hello there");
    assert_int_equal(
        seal_frame_open(&pair.coordinator, SEAL_ORDERS, frame.data, frame.len, &body, NULL), -1);
    frame.data[4] = SEAL_ORDERS; /* reflected to its sender */
    assert_int_equal(seal_frame_open(&pair.agent, SEAL_ORDERS, frame.data, frame.len, &body, NULL),
                     -1);
}

static void every_changed_bit_is_seen(void **state)
{
    (void)state;
    struct pair pair;
    CLEAN_STR struct str frame = STR_INIT;
    CLEAN_STR struct str body = STR_INIT;
    open_pair(&pair, random_system());
    seal_frame_make(&pair.agent, SEAL_SYNC, 1, "x", 1, &frame, NULL);
    for (size_t bit = 0; bit < frame.len * 8; bit++) {
        frame.data[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(
            seal_frame_open(&pair.coordinator, SEAL_SYNC, frame.data, frame.len, &body, NULL), -1);
        frame.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t n = 0; n < frame.len; n++)
        assert_int_equal(seal_frame_open(&pair.coordinator, SEAL_SYNC, frame.data, n, &body, NULL),
                         -1);
    struct seal_session session;
    unsigned char welcome[SEAL_WELCOME_BYTES];
    for (size_t bit = 0; bit < SEAL_HELLO_BYTES * 8; bit++) {
        pair.greeting.frame[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_int_equal(seal_welcome_make(pair.greeting.frame, SEAL_HELLO_BYTES, &pair.key, v1,
                                           random_system(), welcome, &session, NULL),
                         -1);
        pair.greeting.frame[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < SEAL_WELCOME_BYTES * 8; bit++) {
        pair.welcome[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_int_equal(seal_welcome_open(pair.welcome, SEAL_WELCOME_BYTES, &pair.greeting,
                                           &pair.key, &session, NULL),
                         -1);
        pair.welcome[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}

static void another_key_opens_nothing(void **state)
{
    (void)state;
    struct pair pair;
    struct wire_agent_key other_pool;
    struct wire_agent_key other_host;
    struct seal_session session;
    unsigned char welcome[SEAL_WELCOME_BYTES];
    struct error err = ERROR_INIT;
    open_pair(&pair, random_system());
    key_of("rival", SAMPLE_HOST, &other_pool);
    key_of("pool", SAMPLE_HOST_2, &other_host);
    assert_int_equal(seal_welcome_make(pair.greeting.frame, SEAL_HELLO_BYTES, &other_pool, v1,
                                       random_system(), welcome, &session, &err),
                     -1);
    assert_int_equal(err.code, ERROR_AUTH);
    assert_non_null(strstr(err.text, SAMPLE_HOST));
    /* A host that says it is another one: its own key, the other's name. */
    struct seal_greeting posing;
    memcpy(other_host.host_uuid, SAMPLE_HOST, sizeof SAMPLE_HOST);
    seal_hello_make(&other_host, 7, v1, random_system(), &posing);
    assert_int_equal(seal_welcome_make(posing.frame, SEAL_HELLO_BYTES, &pair.key, v1,
                                       random_system(), welcome, &session, &err),
                     -1);
    assert_int_equal(err.code, ERROR_AUTH);
    assert_int_equal(seal_welcome_open(pair.welcome, SEAL_WELCOME_BYTES, &pair.greeting,
                                       &other_pool, &session, &err),
                     -1);
}

static void an_old_recording_stays_closed_when_everything_is_played_again(void **state)
{
    (void)state;
    struct pair first;
    struct pair second;
    struct seal_session session;
    CLEAN_STR struct str frame = STR_INIT;
    CLEAN_STR struct str body = STR_INIT;
    open_pair(&first, random_system());
    open_pair(&second, random_system());
    seal_frame_make(&first.agent, SEAL_SYNC, 1, "secret", 6, &frame, NULL);
    assert_int_equal(
        seal_frame_open(&second.coordinator, SEAL_SYNC, frame.data, frame.len, &body, NULL), -1);
    /* The recorded Hello makes a session with other keys, even under the first one's id. */
    unsigned char welcome[SEAL_WELCOME_BYTES];
    assert_int_equal(seal_welcome_make(first.greeting.frame, SEAL_HELLO_BYTES, &first.key, v1,
                                       random_system(), welcome, &session, NULL),
                     0);
    session.id = first.agent.id;
    assert_int_equal(seal_frame_open(&session, SEAL_SYNC, frame.data, frame.len, &body, NULL), -1);
    /* A recorded Welcome is no answer to a new Hello. */
    assert_int_equal(seal_welcome_open(first.welcome, SEAL_WELCOME_BYTES, &second.greeting,
                                       &first.key, &session, NULL),
                     -1);
}

static void versions_meet_at_the_highest_that_both_speak(void **state)
{
    (void)state;
    static const struct {
        struct seal_versions agent;
        struct seal_versions coordinator;
        int version; /* -1: none */
    } cases[] = {
        {{1, 1}, {1, 1}, 1},  {{1, 3}, {1, 2}, 2},       {{1, 2}, {2, 5}, 2},  {{2, 3}, {1, 1}, -1},
        {{1, 1}, {2, 3}, -1}, {{1, 255}, {1, 255}, 255}, {{3, 1}, {1, 3}, -1}, {{0, 0}, {1, 3}, -1},
    };
    struct wire_agent_key key;
    key_of("pool", SAMPLE_HOST, &key);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct seal_greeting greeting;
        struct seal_session agent;
        struct seal_session coordinator;
        unsigned char welcome[SEAL_WELCOME_BYTES];
        struct error err = ERROR_INIT;
        seal_hello_make(&key, 1, cases[i].agent, random_system(), &greeting);
        int rc = seal_welcome_make(greeting.frame, SEAL_HELLO_BYTES, &key, cases[i].coordinator,
                                   random_system(), welcome, &coordinator, &err);
        assert_int_equal(rc, cases[i].version < 0 ? -1 : 0);
        if (rc < 0) {
            assert_int_equal(err.code, ERROR_UNSUPPORTED);
            continue;
        }
        assert_int_equal(
            seal_welcome_open(welcome, SEAL_WELCOME_BYTES, &greeting, &key, &agent, &err), 0);
        assert_int_equal(agent.version, cases[i].version);
        assert_int_equal(coordinator.version, cases[i].version);
    }
}

static void a_longer_hello_of_a_later_release_is_told_the_versions(void **state)
{
    (void)state;
    struct wire_agent_key key;
    struct seal_greeting greeting;
    struct seal_session session;
    unsigned char welcome[SEAL_WELCOME_BYTES];
    unsigned char longer[SEAL_HELLO_BYTES + 40] = {0};
    struct error err = ERROR_INIT;
    key_of("pool", SAMPLE_HOST, &key);
    seal_hello_make(&key, 1, (struct seal_versions){2, 4}, random_system(), &greeting);
    memcpy(longer, greeting.frame, SEAL_HELLO_BYTES);
    assert_int_equal(seal_welcome_make(longer, sizeof longer, &key, v1, random_system(), welcome,
                                       &session, &err),
                     -1);
    assert_int_equal(err.code, ERROR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "2 to 4"));
}

static void a_refusal_repeats_a_number_of_what_it_refuses(void **state)
{
    (void)state;
    struct pair pair;
    CLEAN_STR struct str frame = STR_INIT;
    unsigned char bytes[SEAL_REFUSAL_BYTES];
    struct seal_refusal back;
    open_pair(&pair, random_system());
    seal_frame_make(&pair.agent, SEAL_SYNC, 3, "x", 1, &frame, NULL);
    assert_int_not_equal(seal_echo(frame.data, frame.len), 0);
    assert_int_not_equal(seal_echo(pair.greeting.frame, SEAL_HELLO_BYTES), 0);
    assert_int_equal(seal_echo("onyx", 4), 0);
    struct seal_refusal refusal = {SEAL_REASON_SESSION, {1, 2}, seal_echo(frame.data, frame.len)};
    seal_refusal_make(&refusal, bytes);
    assert_int_equal(seal_refusal_look(bytes, sizeof bytes, &back, NULL), 0);
    assert_int_equal(back.reason, SEAL_REASON_SESSION);
    assert_int_equal(back.versions.max, 2);
    assert_int_equal(back.echo, refusal.echo);
    bytes[5] = 9;
    assert_int_equal(seal_refusal_look(bytes, sizeof bytes, &back, NULL), -1);
}

static void a_frame_over_the_ceiling_is_not_made(void **state)
{
    (void)state;
    static char body[65536];
    struct pair pair;
    CLEAN_STR struct str frame = STR_INIT;
    struct error err = ERROR_INIT;
    open_pair(&pair, random_system());
    assert_int_equal(
        seal_frame_make(&pair.agent, SEAL_SYNC, 1, body, 65536 - SEAL_OVERHEAD, &frame, &err), 0);
    assert_int_equal(frame.len, 65536);
    assert_int_equal(
        seal_frame_make(&pair.agent, SEAL_SYNC, 2, body, 65537 - SEAL_OVERHEAD, &frame, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_have_one_session_after_hello_and_welcome),
        cmocka_unit_test(a_frame_opens_on_the_other_side_only),
        cmocka_unit_test(every_changed_bit_is_seen),
        cmocka_unit_test(another_key_opens_nothing),
        cmocka_unit_test(an_old_recording_stays_closed_when_everything_is_played_again),
        cmocka_unit_test(versions_meet_at_the_highest_that_both_speak),
        cmocka_unit_test(a_longer_hello_of_a_later_release_is_told_the_versions),
        cmocka_unit_test(a_refusal_repeats_a_number_of_what_it_refuses),
        cmocka_unit_test(a_frame_over_the_ceiling_is_not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
