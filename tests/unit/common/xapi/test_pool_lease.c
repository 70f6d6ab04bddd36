/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lease in a pool record: taken by one, renewed by its owner, lost to a rival, given back; and
 * a connection that breaks after the key was added.
 */
#include "common/xapi/pool_lease.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/base/text_map.h"
#include "common/xapi/event.h"
#include "common/xapi/session.h"
#include "common/xapi/target.h"
#include "tests/unit/common/xapi/fake_server.h"

static const struct lease_owner one = {"11111111-1111-4111-8111-111111111111", "tcp://a:1", 30};
static const struct lease_owner two = {"22222222-2222-4222-8222-222222222222", "tcp://b:1", 30};

/* The pool record's other_config. */
struct scene {
    pthread_mutex_t mutex;
    struct text_map config; /* guarded; removed keys have the value "" */
    atomic_bool drops_after_add;
    atomic_bool has_no_events;
    struct fake_server *server;
};

static void send_pool(struct scene *scene, struct fake_connection *connection)
{
    CLEAN_STR struct str text = STR_INIT;
    const char *comma = "";

    str_add(&text, "{\"OpaqueRef:p\":{\"uuid\":\"u\",\"other_config\":{");
    for (size_t i = 0; i < scene->config.n; i++)
        if (*scene->config.pairs[i].value) {
            str_add_format(&text, "%s\"%s\":\"%s\"", comma, scene->config.pairs[i].key,
                           scene->config.pairs[i].value);
            comma = ",";
        }
    str_add(&text, "}}}");
    fake_send_result(connection, str_text(&text));
}

/* The arguments behind session and pool: key and value. */
static void arguments(const struct fake_request *request, char key[64], char value[256])
{
    const char *at = strstr(request->body, "\"OpaqueRef:p\",\"");

    key[0] = value[0] = '\0';
    if (at)
        sscanf(at + strlen("\"OpaqueRef:p\",\""), "%63[^\"]\",\"%255[^\"]", key, value);
}

static void answer_locked(struct scene *scene, struct fake_connection *connection,
                          const struct fake_request *request)
{
    char key[64];
    char value[256];

    arguments(request, key, value);
    const char *present = text_map_get(&scene->config, key);

    if (!strcmp(request->rpc, "pool.get_all_records")) {
        send_pool(scene, connection);
    } else if (!strcmp(request->rpc, "pool.add_to_other_config")) {
        if (present && *present) {
            fake_send_fault(connection, "MAP_DUPLICATE_KEY", "\"pool\", \"other_config\"");
            return;
        }
        text_map_set(&scene->config, key, value);
        if (!atomic_exchange(&scene->drops_after_add, false))
            fake_send_result(connection, "\"\"");
    } else if (!strcmp(request->rpc, "pool.remove_from_other_config")) {
        text_map_set(&scene->config, key, "");
        fake_send_result(connection, "\"\"");
    } else if (scene->has_no_events) {
        fake_send_fault(connection, "MESSAGE_METHOD_UNKNOWN", "\"event.from\"");
    } else {
        fake_send_result(connection, "{\"events\":[],\"token\":\"1\"}");
    }
}

static void scene_answer(void *context, struct fake_connection *connection,
                         const struct fake_request *request)
{
    struct scene *scene = context;

    pthread_mutex_lock(&scene->mutex);
    answer_locked(scene, connection, request);
    pthread_mutex_unlock(&scene->mutex);
}

static struct xapi *scene_open(struct scene *scene)
{
    CLEAN_XAPI_TARGET struct xapi_target target = {0};
    struct xapi *xapi = NULL;

    pthread_mutex_init(&scene->mutex, NULL);
    scene->server = fake_start(FAKE_SOCKET, scene_answer, scene);
    assert_int_equal(xapi_target_parse(fake_address(scene->server), &target, NULL), 0);
    assert_int_equal(xapi_adopt(&target, "OpaqueRef:lent", &xapi, NULL), 0);
    return xapi;
}

static void scene_close(struct scene *scene, struct xapi *xapi)
{
    xapi_close(xapi);
    fake_stop(scene->server);
    text_map_done(&scene->config);
    pthread_mutex_destroy(&scene->mutex);
}

static size_t keys_n(const struct scene *scene)
{
    size_t n = 0;

    for (size_t i = 0; i < scene->config.n; i++)
        n += *scene->config.pairs[i].value != '\0';
    return n;
}

static void a_lease_is_taken_renewed_and_released_and_its_number_only_grows(void **state)
{
    (void)state;
    struct scene scene = {0};
    struct xapi *xapi = scene_open(&scene);
    struct error err = ERROR_INIT;
    struct lease lease = {0};
    struct lease seen = {0};

    assert_int_equal(pool_lease_look(xapi, &seen, &err), 0);
    assert_int_equal(pool_lease_take(xapi, NULL, &one, &lease, &err), 0);
    assert_int_equal(lease.n, 1);
    assert_int_equal(pool_lease_renew(xapi, &lease, &err), 0);
    assert_int_equal(pool_lease_look(xapi, &seen, &err), 1);
    assert_int_equal(seen.n, 2);
    assert_string_equal(seen.owner.address, "tcp://a:1");
    assert_int_equal(pool_lease_release(xapi, &lease, &err), 0);
    assert_int_equal(pool_lease_look(xapi, &seen, &err), 1);
    assert_int_equal(seen.n, 3);
    assert_false(seen.is_held);
    assert_int_equal(keys_n(&scene), 1); /* the lower ones are removed */
    assert_int_equal(pool_lease_take(xapi, &seen, &two, &lease, &err), 0);
    assert_int_equal(lease.n, 4);
    scene_close(&scene, xapi);
}

static void the_second_of_two_rivals_loses(void **state)
{
    (void)state;
    struct scene scene = {0};
    struct xapi *xapi = scene_open(&scene);
    struct error err = ERROR_INIT;
    struct lease lease = {0};
    struct lease other = {0};

    assert_int_equal(pool_lease_take(xapi, NULL, &one, &lease, &err), 0);
    assert_int_equal(pool_lease_take(xapi, NULL, &two, &other, &err), -1);
    assert_int_equal(err.code, ERROR_LEASE);
    assert_non_null(strstr(err.text, "tcp://a:1"));
    /* One who looked long ago adds a number that is free again: it is lower than the highest. */
    assert_int_equal(pool_lease_renew(xapi, &lease, &err), 0);
    assert_int_equal(pool_lease_take(xapi, NULL, &two, &other, &err), -1);
    assert_int_equal(err.code, ERROR_LEASE);
    assert_int_equal(keys_n(&scene), 1);
    assert_int_equal(pool_lease_renew(xapi, &lease, &err), 0);
    scene_close(&scene, xapi);
}

static void an_owner_that_was_replaced_learns_so(void **state)
{
    (void)state;
    struct scene scene = {0};
    struct xapi *xapi = scene_open(&scene);
    struct error err = ERROR_INIT;
    struct lease lease = {0};
    struct lease other = {0};

    assert_int_equal(pool_lease_take(xapi, NULL, &one, &lease, &err), 0);
    assert_int_equal(pool_lease_take(xapi, &lease, &two, &other, &err), 0);
    assert_int_equal(pool_lease_renew(xapi, &lease, &err), -1);
    assert_int_equal(err.code, ERROR_LEASE);
    assert_int_equal(pool_lease_release(xapi, &lease, &err), -1);
    assert_int_equal(err.code, ERROR_LEASE);
    assert_int_equal(pool_lease_renew(xapi, &other, &err), 0);
    text_map_set(&scene.config, "onyxpool_lease_3", "");
    assert_int_equal(pool_lease_renew(xapi, &other, &err), -1);
    assert_int_equal(err.code, ERROR_LEASE);
    scene_close(&scene, xapi);
}

static void an_add_that_was_not_heard_of_is_found_by_the_next_try(void **state)
{
    (void)state;
    struct scene scene = {0};
    struct xapi *xapi = scene_open(&scene);
    struct error err = ERROR_INIT;
    struct lease lease = {0};

    scene.drops_after_add = true;
    assert_int_equal(pool_lease_take(xapi, NULL, &one, &lease, &err), -1);
    assert_int_equal(err.code, ERROR_SHORT);
    assert_int_equal(pool_lease_take(xapi, NULL, &one, &lease, &err), 0);
    assert_int_equal(lease.n, 1);
    scene.drops_after_add = true;
    assert_int_equal(pool_lease_renew(xapi, &lease, &err), -1);
    assert_int_equal(err.code, ERROR_SHORT);
    assert_int_equal(lease.n, 1);
    assert_int_equal(pool_lease_renew(xapi, &lease, &err), 0);
    assert_true(lease.n >= 2);
    assert_int_equal(keys_n(&scene), 1);
    scene_close(&scene, xapi);
}

static void an_agent_finds_the_address_with_and_without_events(void **state)
{
    (void)state;
    for (int without = 0; without < 2; without++) {
        struct scene scene = {0};
        struct xapi *xapi = scene_open(&scene);
        CLEANUP(event_stream_done) struct event_stream events = {0};
        struct error err = ERROR_INIT;
        struct lease lease = {0};
        struct lease seen = {0};

        scene.has_no_events = without;
        event_stream_init(&events, "pool");
        assert_int_equal(pool_lease_follow(xapi, &events, 50, &seen, &err), 0);
        assert_int_equal(pool_lease_take(xapi, NULL, &one, &lease, &err), 0);
        assert_int_equal(pool_lease_follow(xapi, &events, 50, &seen, &err), 1);
        assert_string_equal(seen.owner.address, "tcp://a:1");
        assert_int_equal(pool_lease_release(xapi, &lease, &err), 0);
        assert_int_equal(pool_lease_follow(xapi, &events, 50, &seen, &err), 0);
        text_map_set(&scene.config, "onyxpool_lease_9", "of another format");
        assert_int_equal(pool_lease_follow(xapi, &events, 50, &seen, &err), 0);
        scene_close(&scene, xapi);
    }
}

static void an_owner_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct scene scene = {0};
    struct xapi *xapi = scene_open(&scene);
    struct lease_owner bad = one;
    struct error err = ERROR_INIT;
    struct lease lease = {0};

    bad.address[0] = ' ';
    assert_int_equal(pool_lease_take(xapi, NULL, &bad, &lease, &err), -1);
    assert_int_equal(err.code, ERROR_BAD_INPUT);
    assert_int_equal(keys_n(&scene), 0);
    scene_close(&scene, xapi);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_is_taken_renewed_and_released_and_its_number_only_grows),
        cmocka_unit_test(the_second_of_two_rivals_loses),
        cmocka_unit_test(an_owner_that_was_replaced_learns_so),
        cmocka_unit_test(an_add_that_was_not_heard_of_is_found_by_the_next_try),
        cmocka_unit_test(an_agent_finds_the_address_with_and_without_events),
        cmocka_unit_test(an_owner_that_makes_no_sense_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
