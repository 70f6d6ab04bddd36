/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Logging in, calling, and what goes wrong on the way: wrong address, password, certificate, host,
 * sessions that vanish, servers that hang or hang up.
 */
#include "common/xapi/session.h"

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
#include "common/base/version.h"
#include "common/xapi/call.h"
#include "common/xapi/fault.h"
#include "common/xapi/target.h"
#include "tests/unit/common/xapi/fake_server.h"

#define SESSION   "\"OpaqueRef:11111111-0000-0000-0000-000000000001\""
#define SESSION_2 "\"OpaqueRef:22222222-0000-0000-0000-000000000002\""

/* What a test's server does and saw. */
struct scene {
    const char *behaviour;
    const char *other; /* address of another server */
    atomic_uint logins_n, logouts_n, calls_n;
    char login_body[1024];
    char call_body[1024];
};

static void answer_login(struct scene *scene, struct fake_connection *connection,
                         const struct fake_request *request)
{
    unsigned n = atomic_fetch_add(&scene->logins_n, 1);

    snprintf(scene->login_body, sizeof scene->login_body, "%s", request->body);
    if (!strcmp(scene->behaviour, "bad password"))
        fake_send_fault(connection, "SESSION_AUTHENTICATION_FAILED",
                        "\"root\", \"Authentication failure\"");
    else if (!strncmp(scene->behaviour, "slave", 5))
        fake_send_fault(connection, "HOST_IS_SLAVE", scene->other);
    else
        fake_send_result(connection, n ? SESSION_2 : SESSION);
}

static void answer_call(struct scene *scene, struct fake_connection *connection,
                        const struct fake_request *request)
{
    unsigned n = atomic_fetch_add(&scene->calls_n, 1);
    const char *behaviour = scene->behaviour;

    snprintf(scene->call_body, sizeof scene->call_body, "%s", request->body);
    if (!strcmp(behaviour, "session ends once") && !n)
        fake_send_fault(connection, "SESSION_INVALID", SESSION);
    else if (!strcmp(behaviour, "slave without session"))
        fake_send_fault(connection, "HOST_IS_SLAVE", scene->other);
    else if (!strcmp(behaviour, "session never holds"))
        fake_send_fault(connection, "SESSION_INVALID", SESSION);
    else if (!strcmp(behaviour, "bare array"))
        fake_send_json(connection, "{\"jsonrpc\":\"2.0\",\"error\":[\"HOST_STILL_BOOTING\"],"
                                   "\"id\":0}");
    else if (!strcmp(behaviour, "json 1"))
        fake_send_json(connection, "{\"result\":null,\"error\":[\"HANDLE_INVALID\",\"VM\",\"x\"],"
                                   "\"id\":1}");
    else if (!strcmp(behaviour, "http 500"))
        fake_send_text(connection,
                       "HTTP/1.1 500 Internal Error\r\ncontent-length: 61\r\ncontent-type: "
                       "text/html\r\nconnection: close\r\n\r\n<html><body><h1>HTTP 500</h1>"
                       "INTERNAL_ERROR: [ x ]</body></html>");
    else if (!strcmp(behaviour, "hang"))
        fake_hang(connection);
    else if (!strcmp(behaviour, "cut"))
        fake_send_text(connection, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"jsonrpc\"");
    else if (!strcmp(behaviour, "no json"))
        fake_send_json(connection, "<html>hello</html>");
    else if (strcmp(behaviour, "nothing") != 0)
        fake_send_result(connection, "\"a text\"");
}

static void scene_answer(void *context, struct fake_connection *connection,
                         const struct fake_request *request)
{
    struct scene *scene = context;

    if (!strcmp(scene->behaviour, "hang up")) {
        return;
    } else if (!strcmp(scene->behaviour, "web server")) {
        fake_send_text(connection, "HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nnot found");
    } else if (!strcmp(request->rpc, "session.login_with_password")) {
        answer_login(scene, connection, request);
    } else if (!strcmp(request->rpc, "session.logout")) {
        atomic_fetch_add(&scene->logouts_n, 1);
        fake_send_result(connection, "\"\"");
    } else {
        answer_call(scene, connection, request);
    }
}

static int target_of(const struct fake_server *server, struct xapi_target *target)
{
    struct error err = ERROR_INIT;

    if (xapi_target_parse(fake_address(server), target, &err))
        return -1;
    if (target->kind == XAPI_TARGET_URL)
        target->password = strdup("p\"w");
    return 0;
}

static int open_at(const struct fake_server *server, struct xapi **ret, struct error *err)
{
    CLEAN_XAPI_TARGET struct xapi_target target = {0};

    assert_int_equal(target_of(server, &target), 0);
    if (fake_certificate(server))
        target.certificate_file = strdup(fake_certificate_file(server));
    return xapi_open(&target, "onyxpool/test", ret, err);
}

static void login_over_a_socket_needs_no_password_and_ends_in_a_logout(void **state)
{
    (void)state;
    struct scene scene = {.behaviour = ""};
    struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
    struct error err = ERROR_INIT;
    struct xapi *xapi = NULL;
    char *text = NULL;

    assert_int_equal(open_at(server, &xapi, &err), 0);
    assert_string_equal(xapi_session(xapi), "OpaqueRef:11111111-0000-0000-0000-000000000001");
    assert_non_null(strstr(scene.login_body, "[\"root\",\"\",\"1.0\",\"onyxpool/test\"]"));
    assert_int_equal(xapi_call_text(xapi, &text, &err, "VM.get_name_label", "[s]", "ref"), 0);
    assert_string_equal(text, "a text");
    assert_non_null(strstr(scene.call_body, "[" SESSION ",\"ref\"]"));
    free(text);
    xapi_close(xapi);
    assert_int_equal(scene.logouts_n, 1);
    fake_stop(server);
}

static void a_lent_session_is_used_and_not_logged_out(void **state)
{
    (void)state;
    struct scene scene = {.behaviour = "session never holds"};
    struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
    CLEAN_XAPI_TARGET struct xapi_target target = {0};
    struct error err = ERROR_INIT;
    struct xapi *xapi = NULL;

    assert_int_equal(target_of(server, &target), 0);
    assert_int_equal(xapi_adopt(&target, "OpaqueRef:lent", &xapi, &err), 0);
    assert_int_equal(xapi_call(xapi, NULL, &err, "VM.get_all", NULL), -1);
    assert_true(fault_is(&err, "SESSION_INVALID"));
    assert_int_equal(err.code, ERROR_POOL_REFUSED);
    assert_non_null(strstr(scene.call_body, "OpaqueRef:lent"));
    xapi_close(xapi);
    assert_int_equal(scene.logins_n, 0);
    assert_int_equal(scene.logouts_n, 0);
    fake_stop(server);
}

static void a_forgotten_session_is_replaced_once(void **state)
{
    (void)state;
    struct scene scene = {.behaviour = "session ends once"};
    struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
    struct error err = ERROR_INIT;
    struct xapi *xapi = NULL;

    assert_int_equal(open_at(server, &xapi, &err), 0);
    assert_int_equal(xapi_call(xapi, NULL, &err, "VM.get_all", NULL), 0);
    assert_int_equal(scene.logins_n, 2);
    assert_non_null(strstr(scene.call_body, SESSION_2));
    scene.behaviour = "session never holds";
    assert_int_equal(xapi_call(xapi, NULL, &err, "VM.get_all", NULL), -1);
    assert_true(fault_is(&err, "SESSION_INVALID"));
    assert_int_equal(scene.logins_n, 3);
    xapi_close(xapi);
    fake_stop(server);
}

static void every_shape_of_error_gives_its_code(void **state)
{
    (void)state;
    struct scene scene = {.behaviour = "bare array"};
    struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
    struct error err = ERROR_INIT;
    struct xapi *xapi = NULL;

    assert_int_equal(open_at(server, &xapi, &err), 0);
    assert_int_equal(xapi_call(xapi, NULL, &err, "VM.get_all", NULL), -1);
    assert_true(fault_is(&err, "HOST_STILL_BOOTING"));
    assert_true(fault_is_transient(&err));
    scene.behaviour = "json 1";
    assert_int_equal(xapi_call(xapi, NULL, &err, "VM.get_all", NULL), -1);
    assert_int_equal(err.code, ERROR_XAPI_GONE);
    assert_string_equal(err.text, "VM.get_all: HANDLE_INVALID(VM, x): it was removed meanwhile");
    scene.behaviour = "http 500";
    assert_int_equal(xapi_call(xapi, NULL, &err, "VM.get_all", NULL), -1);
    assert_int_equal(err.code, ERROR_XAPI);
    assert_non_null(strstr(err.text, "HTTP 500"));
    scene.behaviour = "no json";
    assert_int_equal(xapi_call(xapi, NULL, &err, "VM.get_all", NULL), -1);
    assert_int_equal(err.code, ERROR_PROTOCOL);
    xapi_close(xapi);
    fake_stop(server);
}

static void a_peer_that_hangs_up_is_told_apart_from_one_that_breaks_off(void **state)
{
    (void)state;
    struct scene scene = {.behaviour = "nothing"};
    struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
    struct error err = ERROR_INIT;
    struct xapi *xapi = NULL;

    assert_int_equal(open_at(server, &xapi, &err), 0);
    assert_int_equal(xapi_call(xapi, NULL, &err, "VM.destroy", "[s]", "x"), -1);
    assert_int_equal(err.code, ERROR_SHORT);
    assert_non_null(strstr(err.text, "without an answer"));
    assert_int_equal(scene.calls_n, 1); /* never sent twice */
    scene.behaviour = "cut";
    assert_int_equal(xapi_call(xapi, NULL, &err, "VM.destroy", "[s]", "x"), -1);
    assert_int_equal(err.code, ERROR_SHORT);
    assert_non_null(strstr(err.text, "broke off"));
    xapi_close(xapi);
    fake_stop(server);
}

static bool cancel_after(void *context)
{
    return clock_monotonic_ms(clock_system()) > *(int64_t *)context;
}

static void a_call_that_hangs_can_be_cancelled_and_has_a_time_limit(void **state)
{
    (void)state;
    struct scene scene = {.behaviour = "hang"};
    struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
    struct error err = ERROR_INIT;
    struct xapi *xapi = NULL;
    int64_t begun = clock_monotonic_ms(clock_system());
    int64_t cancel_at = begun + 100;

    assert_int_equal(open_at(server, &xapi, &err), 0);
    xapi_set_cancel(xapi, cancel_after, &cancel_at);
    assert_int_equal(xapi_call(xapi, NULL, &err, "VM.get_all", NULL), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
    assert_true(clock_monotonic_ms(clock_system()) - begun < 3000);
    xapi_set_cancel(xapi, NULL, NULL);
    assert_int_equal(xapi_call_params(xapi, "VM.get_all", NULL, 150, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_TIMEOUT);
    xapi_set_cancel(xapi, cancel_after, &cancel_at);
    assert_int_equal(xapi_sleep(xapi, 60000, &err), -1);
    xapi_close(xapi);
    assert_int_equal(scene.logouts_n, 1); /* in spite of the cancel */
    fake_stop(server);
}

static void a_wrong_password_is_refused_with_what_to_check(void **state)
{
    (void)state;
    struct scene scene = {.behaviour = "bad password"};
    struct fake_server *server = fake_start(FAKE_TCP, scene_answer, &scene);
    struct error err = ERROR_INIT;
    struct xapi *xapi = NULL;

    assert_int_equal(open_at(server, &xapi, &err), -1);
    assert_int_equal(err.code, ERROR_POOL_REFUSED);
    assert_non_null(strstr(err.text, "wrong user or password"));
    assert_null(strstr(err.text, "p\"w"));
    assert_null(xapi);
    fake_stop(server);
}

static void another_host_than_the_master_sends_us_to_the_master(void **state)
{
    (void)state;
    struct scene slave = {.behaviour = "slave", .other = "\"127.0.0.1\""};
    struct fake_server *server = fake_start(FAKE_TCP, scene_answer, &slave);
    struct error err = ERROR_INIT;
    struct xapi *xapi = NULL;

    /* It sends us to its own address for ever: that ends, with the reason. */
    assert_int_equal(open_at(server, &xapi, &err), -1);
    assert_int_equal(err.code, ERROR_POOL_REFUSED);
    assert_true(fault_is(&err, "HOST_IS_SLAVE"));
    assert_int_equal(slave.logins_n, XAPI_MASTER_HOPS_MAX + 1);
    fake_stop(server);
}

static void the_master_is_used_and_when_it_dies_the_given_host_is_asked_again(void **state)
{
    (void)state;
    struct scene slave = {.behaviour = "slave", .other = "\"127.0.0.2\""};
    struct scene old = {.behaviour = ""};
    struct scene new = {.behaviour = ""};
    struct fake_server *given = NULL;
    struct fake_server *master = NULL;
    struct fake_server *elected = NULL;
    struct error err = ERROR_INIT;
    struct xapi *xapi = NULL;

    /* Three addresses and one port: try until they are all free. */
    for (int i = 0; i < 100 && !elected; i++) {
        given = fake_start(FAKE_TCP, scene_answer, &slave);
        master = fake_start_at("127.0.0.2", fake_port(given), scene_answer, &old);
        elected = fake_start_at("127.0.0.3", fake_port(given), scene_answer, &new);
        if (elected && master)
            break;
        fake_stop(given);
        if (master)
            fake_stop(master);
        if (elected)
            fake_stop(elected);
        elected = NULL;
    }
    assert_non_null(elected);
    if (open_at(given, &xapi, &err))
        fail_msg("%s", err.text);
    assert_false(error_is_set(&err)); /* the way there is nobody's error */
    assert_int_equal(old.logins_n, 1);
    assert_non_null(strstr(xapi_name(xapi), "127.0.0.2"));
    assert_int_equal(xapi_call(xapi, NULL, &err, "VM.get_all", NULL), 0);
    fake_stop(master);
    slave.other = "\"127.0.0.3\"";
    slave.behaviour = "slave";
    assert_int_equal(xapi_call(xapi, NULL, &err, "VM.destroy", "[s]", "x"), -1);
    assert_int_equal(err.code, ERROR_POOL_UNREACHABLE);
    /* The given host does not know the old session: a login, which leads to the new master. */
    slave.behaviour = "slave without session";
    assert_int_equal(xapi_call(xapi, NULL, &err, "VM.get_all", NULL), 0);
    assert_int_equal(new.logins_n, 1);
    assert_int_equal(new.calls_n, 1);
    xapi_close(xapi);
    assert_int_equal(new.logouts_n, 1);
    fake_stop(given);
    fake_stop(elected);
}

static void what_is_no_xapi_is_called_so(void **state)
{
    (void)state;
    struct scene scene = {.behaviour = "web server"};
    struct fake_server *server = fake_start(FAKE_TCP, scene_answer, &scene);
    struct error err = ERROR_INIT;
    struct xapi *xapi = NULL;

    assert_int_equal(open_at(server, &xapi, &err), -1);
    assert_int_equal(err.code, ERROR_POOL_UNREACHABLE);
    assert_non_null(strstr(err.text, "does not answer as a XAPI"));
    scene.behaviour = "hang up";
    assert_int_equal(open_at(server, &xapi, &err), -1);
    assert_int_equal(err.code, ERROR_POOL_UNREACHABLE);
    fake_stop(server);
}

static void nobody_there_is_unreachable(void **state)
{
    (void)state;
    CLEAN_XAPI_TARGET struct xapi_target target = {0};
    CLEAN_XAPI_TARGET struct xapi_target closed = {0};
    struct scene scene = {.behaviour = ""};
    struct fake_server *server = fake_start(FAKE_TCP, scene_answer, &scene);
    struct error err = ERROR_INIT;
    struct xapi *xapi = NULL;

    assert_int_equal(target_of(server, &closed), 0);
    fake_stop(server);
    assert_int_equal(xapi_open(&closed, "t", &xapi, &err), -1);
    assert_int_equal(err.code, ERROR_POOL_UNREACHABLE);
    assert_int_equal(xapi_target_parse("unix:/nowhere/xapi", &target, &err), 0);
    assert_int_equal(xapi_open(&target, "t", &xapi, &err), -1);
    assert_int_equal(err.code, ERROR_POOL_UNREACHABLE);
    assert_non_null(strstr(err.text, "/nowhere/xapi"));
}

static void tls_needs_the_pinned_certificate_and_no_other(void **state)
{
    (void)state;
    struct scene scene = {.behaviour = ""};
    struct fake_server *server = fake_start(FAKE_TLS, scene_answer, &scene);
    struct fake_server *other = fake_start(FAKE_TLS, scene_answer, &scene);
    CLEAN_XAPI_TARGET struct xapi_target target = {0};
    struct error err = ERROR_INIT;
    struct xapi *xapi = NULL;

    assert_int_equal(open_at(server, &xapi, &err), 0);
    xapi_close(xapi);
    xapi = NULL;
    assert_int_equal(target_of(server, &target), 0);
    assert_int_equal(xapi_open(&target, "t", &xapi, &err), -1);
    assert_int_equal(err.code, ERROR_SETTINGS);
    assert_non_null(strstr(err.text, "--xapi-cert"));
    target.certificate_file = strdup(fake_certificate_file(other));
    unsigned before = fake_requests(server);
    assert_int_equal(xapi_open(&target, "t", &xapi, &err), -1);
    assert_int_equal(err.code, ERROR_AUTH);
    assert_non_null(strstr(err.text, "is not the pinned one"));
    assert_non_null(strstr(err.text, target.certificate_file));
    assert_int_equal(fake_requests(server), before); /* the password was not sent */
    fake_stop(server);
    fake_stop(other);
}

static void arguments_that_are_no_utf8_are_refused(void **state)
{
    (void)state;
    struct scene scene = {.behaviour = ""};
    struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
    struct error err = ERROR_INIT;
    struct xapi *xapi = NULL;

    assert_int_equal(open_at(server, &xapi, &err), 0);
    assert_int_equal(xapi_call(xapi, NULL, &err, "VM.set_name_label", "[s, s]", "r", "\xff"), -1);
    assert_int_equal(err.code, ERROR_BAD_INPUT);
    assert_int_equal(scene.calls_n, 0);
    xapi_close(xapi);
    fake_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(login_over_a_socket_needs_no_password_and_ends_in_a_logout),
        cmocka_unit_test(a_lent_session_is_used_and_not_logged_out),
        cmocka_unit_test(a_forgotten_session_is_replaced_once),
        cmocka_unit_test(every_shape_of_error_gives_its_code),
        cmocka_unit_test(a_peer_that_hangs_up_is_told_apart_from_one_that_breaks_off),
        cmocka_unit_test(a_call_that_hangs_can_be_cancelled_and_has_a_time_limit),
        cmocka_unit_test(a_wrong_password_is_refused_with_what_to_check),
        cmocka_unit_test(another_host_than_the_master_sends_us_to_the_master),
        cmocka_unit_test(the_master_is_used_and_when_it_dies_the_given_host_is_asked_again),
        cmocka_unit_test(what_is_no_xapi_is_called_so),
        cmocka_unit_test(nobody_there_is_unreachable),
        cmocka_unit_test(tls_needs_the_pinned_certificate_and_no_other),
        cmocka_unit_test(arguments_that_are_no_utf8_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
