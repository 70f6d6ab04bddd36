/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Streams: their ends, their refusals, their redirects to other hosts with certificates of their
 * own, receivers that give up, peers that fall silent.
 */
#include "common/xapi/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/xapi/fault.h"
#include "common/xapi/session.h"
#include "common/xapi/target.h"
#include "tests/unit/common/xapi/fake_server.h"

#define HEAD_10                                                                                    \
    "HTTP/1.0 200 OK\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\n"                \
    "task-id:OpaqueRef:t\r\nContent-Type: application/octet-stream\r\n\r\n"
#define BLOCKS 100
#define BLOCK  100000

struct scene {
    const char *behaviour;
    const char *location; /* of a redirect */
    struct fake_server *other;
    char path[2048];
    atomic_uint certificates_n;
};

static void send_blocks(struct fake_connection *connection)
{
    static char block[BLOCK];

    for (int i = 0; i < BLOCKS && fake_send(connection, block, sizeof block); i++)
        ;
}

static void answer_rpc(struct scene *scene, struct fake_connection *connection,
                       const struct fake_request *request)
{
    if (!strcmp(request->rpc, "host.get_all_records")) {
        fake_send_result(connection,
                         "{\"OpaqueRef:h1\":{\"address\":\"127.0.0.9\"},\"OpaqueRef:h2\":"
                         "{\"address\":\"127.0.0.1\"}}");
    } else if (!strcmp(scene->behaviour, "redirect without certificate")) {
        fake_send_fault(connection, "MESSAGE_METHOD_UNKNOWN", "\"host.get_server_certificate\"");
    } else {
        CLEAN_STR struct str text = STR_INIT;

        atomic_fetch_add(&scene->certificates_n, 1);
        str_add_char(&text, '"');
        str_add_json(&text, fake_certificate(scene->other));
        str_add_char(&text, '"');
        fake_send_result(connection, str_text(&text));
    }
}

static void scene_answer(void *context, struct fake_connection *connection,
                         const struct fake_request *request)
{
    struct scene *scene = context;
    const char *behaviour = scene->behaviour;

    if (!strcmp(request->verb, "POST")) {
        answer_rpc(scene, connection, request);
        return;
    }
    snprintf(scene->path, sizeof scene->path, "%s", request->path);
    if (!strcmp(behaviour, "close")) {
        return;
    } else if (!strcmp(behaviour, "500")) {
        fake_send_text(connection,
                       "HTTP/1.1 500 Internal Error\r\ncontent-length: 52\r\ncontent-type: "
                       "text/html\r\nconnection: close\r\n\r\n<html><body>OPERATION_BLOCKED: [ "
                       "vm; no ]</body></html>");
    } else if (!strcmp(behaviour, "401")) {
        fake_send_text(connection, "HTTP/1.1 401 Unauthorised\r\ncontent-length: 0\r\n\r\n");
    } else if (!strncmp(behaviour, "redirect", 8)) {
        CLEAN_CHAR char *answer = str_format("HTTP/1.1 302 Found\r\nConnection: close\r\n"
                                             "Location: %s%s\r\n\r\n",
                                             scene->location, request->path);
        fake_send_text(connection, answer);
    } else if (!strcmp(behaviour, "short length")) {
        fake_send_text(connection, "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nshort");
    } else if (!strcmp(behaviour, "reset")) {
        fake_send_text(connection, HEAD_10 "some data");
        fake_reset(connection);
    } else if (!strcmp(behaviour, "silence")) {
        fake_send_text(connection, HEAD_10 "some data");
        fake_hang(connection);
    } else {
        fake_send_text(connection, HEAD_10);
        send_blocks(connection);
    }
}

struct receiver {
    size_t bytes;
    size_t stop_at;
    int headers_n;
};

static int on_header(void *context, int status, const char *type, struct error *err)
{
    struct receiver *receiver = context;

    (void)err;
    assert_int_equal(status, 200);
    assert_true(!type || *type);
    receiver->headers_n++;
    return 0;
}

static int on_bytes(void *context, const void *bytes, size_t n, struct error *err)
{
    struct receiver *receiver = context;

    (void)bytes;
    receiver->bytes += n;
    if (receiver->stop_at && receiver->bytes >= receiver->stop_at)
        return error_set(err, ERROR_NO_SPACE, "the disk is full");
    return 0;
}

static int get(struct fake_server *server, const char *certificate, unsigned tls_port,
               struct receiver *receiver, int64_t idle_ms, struct stream_facts *facts,
               struct error *err)
{
    CLEAN_XAPI_TARGET struct xapi_target target = {0};
    CLEAN_XAPI struct xapi *xapi = NULL;
    const struct stream_sink sink = {on_header, on_bytes, receiver};

    assert_int_equal(xapi_target_parse(fake_address(server), &target, NULL), 0);
    target.certificate_file = mem_dup(certificate);
    target.tls_port = (uint16_t)tls_port;
    assert_int_equal(xapi_adopt(&target, "OpaqueRef:s&x", &xapi, NULL), 0);
    return xapi_stream_get(xapi, "/export?ref=OpaqueRef:snap", "OpaqueRef:task", &sink, idle_ms,
                           facts, err);
}

static void a_stream_is_given_to_its_end(void **state)
{
    (void)state;
    struct scene scene = {.behaviour = "data"};
    struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
    CLEAN_STREAM_FACTS struct stream_facts facts = {0};
    struct receiver receiver = {0};
    struct error err = ERROR_INIT;

    assert_int_equal(get(server, NULL, 0, &receiver, 5000, &facts, &err), 0);
    assert_int_equal(facts.http_status, 200);
    assert_true(facts.ended_in_order);
    assert_int_equal(facts.bytes, BLOCKS * BLOCK);
    assert_int_equal(receiver.bytes, BLOCKS * BLOCK);
    assert_int_equal(receiver.headers_n, 1);
    assert_string_equal(scene.path, "/export?ref=OpaqueRef:snap&session_id=OpaqueRef:s%26x"
                                    "&task_id=OpaqueRef:task");
    fake_stop(server);
}

static void each_bad_end_has_its_error(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour;
        int code, status;
        const char *text;
        size_t bytes;
    } cases[] = {
        {"close", ERROR_SHORT, 0, "without an answer", 0},
        {"500", ERROR_XAPI, 500, "OPERATION_BLOCKED", 0},
        {"401", ERROR_POOL_REFUSED, 401, "HTTP 401", 0},
        {"short length", ERROR_SHORT, 200, "broke off", 5},
        {"reset", ERROR_SHORT, 200, "broke off", 9},
        {"silence", ERROR_TIMEOUT, 200, "sent nothing for", 9},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene scene = {.behaviour = cases[i].behaviour};
        struct fake_server *server = fake_start(FAKE_TCP, scene_answer, &scene);
        CLEAN_STREAM_FACTS struct stream_facts facts = {0};
        struct receiver receiver = {0};
        struct error err = ERROR_INIT;

        assert_int_equal(get(server, NULL, 0, &receiver, 200, &facts, &err), -1);
        if (err.code != (enum error_code)cases[i].code || !strstr(err.text, cases[i].text))
            fail_msg("%s: %d %s", cases[i].behaviour, err.code, err.text);
        assert_int_equal(facts.http_status, cases[i].status);
        assert_false(facts.ended_in_order);
        /* A reset may overtake the data. */
        assert_true(receiver.bytes == cases[i].bytes || !strcmp(cases[i].behaviour, "reset"));
        assert_null(strstr(err.text, "session_id"));
        fake_stop(server);
    }
}

static void a_receiver_that_gives_up_ends_the_stream_with_its_own_error(void **state)
{
    (void)state;
    struct scene scene = {.behaviour = "data"};
    struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
    CLEAN_STREAM_FACTS struct stream_facts facts = {0};
    struct receiver receiver = {.stop_at = BLOCK};
    struct error err = ERROR_INIT;

    assert_int_equal(get(server, NULL, 0, &receiver, 5000, &facts, &err), -1);
    assert_int_equal(err.code, ERROR_NO_SPACE);
    assert_string_equal(err.text, "the disk is full");
    assert_false(facts.ended_in_order);
    assert_true(receiver.bytes < 2 * BLOCK);
    fake_stop(server);
}

static void a_redirect_is_followed_to_a_host_of_the_pool_with_its_certificate(void **state)
{
    (void)state;
    struct scene there = {.behaviour = "data"};
    struct fake_server *other = fake_start(FAKE_TLS, scene_answer, &there);
    struct scene scene = {.behaviour = "redirect", .location = "https://127.0.0.1", .other = other};
    struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
    CLEAN_STREAM_FACTS struct stream_facts facts = {0};
    struct receiver receiver = {0};
    struct error err = ERROR_INIT;

    if (get(server, NULL, fake_port(other), &receiver, 5000, &facts, &err))
        fail_msg("%s", err.text);
    assert_string_equal(facts.redirected_to, "127.0.0.1");
    assert_int_equal(receiver.bytes, BLOCKS * BLOCK);
    assert_int_equal(receiver.headers_n, 1);
    assert_int_equal(scene.certificates_n, 1);
    assert_string_equal(there.path, scene.path);
    fake_stop(server);
    fake_stop(other);
}

static void a_redirect_without_a_known_certificate_or_host_is_refused(void **state)
{
    (void)state;
    struct scene there = {.behaviour = "data"};
    struct fake_server *other = fake_start(FAKE_TLS, scene_answer, &there);
    struct fake_server *third = fake_start(FAKE_TLS, scene_answer, &there);
    static const struct {
        const char *behaviour, *location;
        bool is_third;
        int code;
    } cases[] = {
        {"redirect without certificate", "https://127.0.0.1", false, ERROR_AUTH},
        {"redirect to a stranger", "https://127.0.0.77", false, ERROR_POOL_REFUSED},
        {"redirect with a wrong certificate", "https://127.0.0.1", true, ERROR_AUTH},
        {"redirect in clear", "http://127.0.0.1", false, ERROR_PROTOCOL},
        {"redirect to nowhere", "", false, ERROR_PROTOCOL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene scene = {.behaviour = cases[i].behaviour,
                              .location = cases[i].location,
                              .other = cases[i].is_third ? third : other};
        struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
        CLEAN_STREAM_FACTS struct stream_facts facts = {0};
        struct receiver receiver = {0};
        struct error err = ERROR_INIT;

        assert_int_equal(get(server, NULL, fake_port(other), &receiver, 5000, &facts, &err), -1);
        if (err.code != (enum error_code)cases[i].code)
            fail_msg("%s: %d %s", cases[i].behaviour, err.code, err.text);
        assert_int_equal(receiver.bytes, 0);
        fake_stop(server);
    }
    assert_int_equal(fake_requests(other) + fake_requests(third), 0); /* no session was sent */

    /* The file's certificates count too, where the pool tells none. */
    struct scene scene = {.behaviour = "redirect without certificate",
                          .location = "https://127.0.0.1"};
    struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
    CLEAN_STREAM_FACTS struct stream_facts facts = {0};
    struct receiver receiver = {0};
    struct error err = ERROR_INIT;

    assert_int_equal(
        get(server, fake_certificate_file(other), fake_port(other), &receiver, 5000, &facts, &err),
        0);
    fake_stop(server);
    fake_stop(other);
    fake_stop(third);
}

static void redirects_in_a_circle_end(void **state)
{
    (void)state;
    struct scene there = {.behaviour = "redirect", .location = "https://127.0.0.1"};
    struct fake_server *server = fake_start(FAKE_TLS, scene_answer, &there);
    CLEAN_STREAM_FACTS struct stream_facts facts = {0};
    struct receiver receiver = {0};
    struct error err = ERROR_INIT;

    there.other = server;
    assert_int_equal(get(server, fake_certificate_file(server), fake_port(server), &receiver, 5000,
                         &facts, &err),
                     -1);
    assert_int_equal(err.code, ERROR_PROTOCOL);
    assert_non_null(strstr(err.text, "redirected more than"));
    fake_stop(server);
}

static bool is_cancelled(void *context)
{
    return clock_monotonic_ms(clock_system()) > *(int64_t *)context;
}

static void a_silent_stream_can_be_cancelled(void **state)
{
    (void)state;
    struct scene scene = {.behaviour = "silence"};
    struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
    CLEAN_XAPI_TARGET struct xapi_target target = {0};
    CLEAN_STREAM_FACTS struct stream_facts facts = {0};
    struct receiver receiver = {0};
    const struct stream_sink sink = {NULL, on_bytes, &receiver};
    struct error err = ERROR_INIT;
    struct xapi *xapi = NULL;
    int64_t at = clock_monotonic_ms(clock_system()) + 100;

    assert_int_equal(xapi_target_parse(fake_address(server), &target, NULL), 0);
    assert_int_equal(xapi_adopt(&target, "s", &xapi, NULL), 0);
    xapi_set_cancel(xapi, is_cancelled, &at);
    assert_int_equal(xapi_stream_get(xapi, "/pool/xmldbdump", NULL, &sink, 0, &facts, &err), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
    assert_string_equal(scene.path, "/pool/xmldbdump?session_id=s");
    xapi_close(xapi);
    fake_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_given_to_its_end),
        cmocka_unit_test(each_bad_end_has_its_error),
        cmocka_unit_test(a_receiver_that_gives_up_ends_the_stream_with_its_own_error),
        cmocka_unit_test(a_redirect_is_followed_to_a_host_of_the_pool_with_its_certificate),
        cmocka_unit_test(a_redirect_without_a_known_certificate_or_host_is_refused),
        cmocka_unit_test(redirects_in_a_circle_end),
        cmocka_unit_test(a_silent_stream_can_be_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
