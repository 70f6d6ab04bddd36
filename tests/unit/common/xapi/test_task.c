/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tasks: results in XML, ends by event and by look, tasks that vanish, time-outs, the watch.
 */
#include "common/xapi/task.h"

#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/xapi/event.h"
#include "common/xapi/fault.h"
#include "common/xapi/session.h"
#include "common/xapi/target.h"
#include "tests/unit/common/xapi/fake_server.h"

#define TASK "OpaqueRef:task"

static void results_are_read_whatever_they_hold(void **state)
{
    (void)state;
    static const struct {
        const char *text, *first;
        size_t n;
    } cases[] = {
        {"", NULL, 0},
        {"<value></value>", NULL, 0},
        {"<value/>", NULL, 0},
        {"<value>OpaqueRef:x</value>", "OpaqueRef:x", 1},
        {"<value>a &lt;b&gt; &amp;c</value>", "a <b> &c", 1},
        {"<value><string>x</string></value>", "x", 1},
        {"<value><array><data><value>a</value><value>b</value></data></array></value>", "a", 2},
        {"<value>\n <array><data>\n<value>a</value>\n</data></array>\n</value>", "a", 1},
        {"<value><array><data/></array></value>", NULL, 0},
        {"<value><array><data><value></value><value>b</value></data></array></value>", "", 2},
    };
    static const char *const bad[] = {"OpaqueRef:x", "<value>", "<value>a</valu>", "<", "<a"};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEAN_TEXT_LIST struct text_list texts = TEXT_LIST_INIT;
        struct error err = ERROR_INIT;

        if (task_parse_result(cases[i].text, &texts, &err))
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_int_equal(texts.n, cases[i].n);
        if (cases[i].n)
            assert_string_equal(texts.items[0], cases[i].first);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CLEAN_TEXT_LIST struct text_list texts = TEXT_LIST_INIT;
        struct error err = ERROR_INIT;

        assert_int_equal(task_parse_result(bad[i], &texts, &err), -1);
        assert_int_equal(err.code, ERROR_PROTOCOL);
    }
}

/* A pool with one task: its record by time of asking. */
struct scene {
    const char *before; /* members of the record until `end` events were asked for */
    const char *after;
    unsigned end;
    bool has_no_events, loses_events, loses_token, vanishes;
    atomic_bool hangs;    /* until it is cancelled */
    int64_t answers_at_ms; /* what is begun is answered then */
    unsigned breaks; /* so many task.destroys are broken off */
    atomic_uint events_n, looks_n, destroyed_n, cancelled_n;
    atomic_bool is_over;
};

static void send_record(const struct scene *scene, struct fake_connection *connection, bool event)
{
    CLEAN_CHAR char *record =
        str_format("{\"uuid\":\"u\",\"progress\":0.5,%s}",
                   atomic_load(&scene->is_over) ? scene->after : scene->before);
    CLEAN_CHAR char *answer = str_format(
        "{\"events\":[{\"id\":\"1\",\"timestamp\":\"0.0\",\"class\":\"task\",\"operation\":\"mod\","
        "\"ref\":\"" TASK "\",\"snapshot\":%s}],\"valid_ref_counts\":{},\"token\":\"1,1\"}",
        record);

    fake_send_result(connection, event ? answer : record);
}

/* As XAPI it holds the call while nothing happens; a client that gets its answers at once would come
 * back hundreds of times. */
static void send_nothing(struct fake_connection *connection)
{
    (void)poll(NULL, 0, 5);
    fake_send_result(connection, "{\"events\":[],\"token\":\"2,1\"}");
}

static void answer_event(struct scene *scene, struct fake_connection *connection,
                         const struct fake_request *request)
{
    unsigned n = atomic_fetch_add(&scene->events_n, 1) + 1;

    if (n > scene->end)
        atomic_store(&scene->is_over, true);
    if (scene->has_no_events)
        fake_send_fault(connection, "MESSAGE_METHOD_UNKNOWN", "\"event.from\"");
    else if (scene->loses_token && strstr(request->body, "\"1,1\""))
        fake_send_fault(connection, "EVENT_FROM_TOKEN_PARSE_FAILURE", "\"1,1\"");
    else if (scene->vanishes && n > 1)
        fake_send_result(connection,
                         "{\"events\":[{\"class\":\"task\",\"operation\":\"del\",\"ref\":\"" TASK
                         "\"}],\"token\":\"2,1\"}");
    else if (scene->loses_events && n > 1)
        send_nothing(connection);
    else if (scene->hangs && n > 1)
        fake_hang(connection);
    else
        send_record(scene, connection, true);
}

static void scene_answer(void *context, struct fake_connection *connection,
                         const struct fake_request *request)
{
    struct scene *scene = context;

    if (!strcmp(request->rpc, "event.from")) {
        answer_event(scene, connection, request);
    } else if (!strcmp(request->rpc, "task.get_record")) {
        if (atomic_fetch_add(&scene->looks_n, 1) + 1 > scene->end)
            atomic_store(&scene->is_over, true);
        if (scene->vanishes)
            fake_send_fault(connection, "HANDLE_INVALID", "\"task\", \"" TASK "\"");
        else
            send_record(scene, connection, false);
    } else if (!strcmp(request->rpc, "task.destroy")) {
        if (atomic_fetch_add(&scene->destroyed_n, 1) < scene->breaks)
            return;
        fake_send_result(connection, "\"\"");
    } else if (!strcmp(request->rpc, "task.cancel")) {
        atomic_fetch_add(&scene->cancelled_n, 1);
        atomic_store(&scene->hangs, false);
        atomic_store(&scene->is_over, true);
        fake_send_result(connection, "\"\"");
    } else {
        while (clock_monotonic_ms(clock_system()) < scene->answers_at_ms)
            usleep(1000);
        fake_send_result(connection, "\"" TASK "\"");
    }
}

static struct xapi *adopt(const struct fake_server *server)
{
    CLEAN_XAPI_TARGET struct xapi_target target = {0};
    struct xapi *xapi = NULL;

    assert_int_equal(xapi_target_parse(fake_address(server), &target, NULL), 0);
    assert_int_equal(xapi_adopt(&target, "OpaqueRef:lent", &xapi, NULL), 0);
    return xapi;
}

#define PENDING "\"status\":\"pending\",\"result\":\"\",\"error_info\":[]"
#define SUCCESS                                                                                    \
    "\"status\":\"success\",\"result\":\"<value>OpaqueRef:snap</value>\",\"error_info\":[]"
#define FAILURE                                                                                    \
    "\"status\":\"failure\",\"result\":\"\",\"error_info\":[\"SR_BACKEND_FAILURE_44\",\"\",\"no "  \
    "space\",\"\"]"
#define CANCELLED "\"status\":\"cancelled\",\"result\":\"\",\"error_info\":[]"

static void an_operation_gives_its_value_and_its_task_is_destroyed(void **state)
{
    (void)state;
    const struct {
        struct scene scene;
    } cases[] = {
        {{.before = PENDING, .after = SUCCESS, .end = 2}},
        {{.before = PENDING, .after = SUCCESS, .end = 0}},
        {{.before = PENDING, .after = SUCCESS, .end = 1, .has_no_events = true}},
        {{.before = PENDING, .after = SUCCESS, .end = 1, .loses_events = true}},
        {{.before = PENDING, .after = SUCCESS, .end = 3, .loses_token = true}},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene scene = cases[i].scene;
        struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
        struct xapi *xapi = adopt(server);
        struct error err = ERROR_INIT;
        char *value = NULL;

        if (xapi_run_async(xapi, &value, &err, 5000, "VM.snapshot", "[s, s]", "vm", "name"))
            fail_msg("case %zu: %s", i, err.text);
        assert_string_equal(value, "OpaqueRef:snap");
        assert_int_equal(scene.destroyed_n, 1);
        free(value);
        xapi_close(xapi);
        fake_stop(server);
    }
}

static void a_destroy_that_is_broken_off_is_asked_again_but_not_for_ever(void **state)
{
    (void)state;
    static const struct {
        unsigned breaks, asked;
    } cases[] = {{0, 1}, {1, 2}, {9, 2}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene scene = {.before = PENDING, .after = SUCCESS, .breaks = cases[i].breaks};
        struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
        struct xapi *xapi = adopt(server);

        xapi_task_destroy(xapi, TASK);
        assert_int_equal(scene.destroyed_n, cases[i].asked);
        xapi_close(xapi);
        fake_stop(server);
    }
}

static void failures_of_a_task_are_those_of_the_operation(void **state)
{
    (void)state;
    static const struct {
        const char *after;
        bool vanishes;
        int code;
        const char *origin;
    } cases[] = {
        {FAILURE, false, ERROR_NO_SPACE, "SR_BACKEND_FAILURE_44"},
        {CANCELLED, false, ERROR_XAPI, "TASK_CANCELLED"},
        {SUCCESS, true, ERROR_XAPI, FAULT_TASK_GONE},
        {"\"status\":\"strange\"", false, ERROR_PROTOCOL, ""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene scene = {
            .before = PENDING, .after = cases[i].after, .end = 1, .vanishes = cases[i].vanishes};
        struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
        struct xapi *xapi = adopt(server);
        struct error err = ERROR_INIT;

        assert_int_equal(xapi_run_async(xapi, NULL, &err, 5000, "VM.snapshot", NULL), -1);
        assert_int_equal(err.code, cases[i].code);
        assert_string_equal(err.origin, cases[i].origin);
        assert_true(!strncmp(err.text, "VM.snapshot: ", 13));
        assert_int_equal(scene.destroyed_n, 1);
        xapi_close(xapi);
        fake_stop(server);
    }
}

static bool is_cancelled(void *context)
{
    return clock_monotonic_ms(clock_system()) > *(int64_t *)context;
}

static void a_task_that_does_not_end_is_cancelled_and_destroyed(void **state)
{
    (void)state;
    struct scene scene = {
        .before = PENDING, .after = CANCELLED, .end = UINT_MAX, .loses_events = true};
    struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
    struct xapi *xapi = adopt(server);
    struct error err = ERROR_INIT;
    int64_t at;

    assert_int_equal(xapi_run_async(xapi, NULL, &err, 100, "VM.snapshot", NULL), -1);
    assert_int_equal(err.code, ERROR_TIMEOUT);
    assert_int_equal(scene.cancelled_n, 1);
    assert_int_equal(scene.destroyed_n, 1);
    scene.is_over = false;
    scene.hangs = true;
    scene.loses_events = false;
    scene.events_n = 0;
    at = clock_monotonic_ms(clock_system()) + 100;
    xapi_set_cancel(xapi, is_cancelled, &at);
    assert_int_equal(xapi_run_async(xapi, NULL, &err, 60000, "VM.snapshot", NULL), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
    assert_int_equal(scene.cancelled_n, 2);
    assert_int_equal(scene.destroyed_n, 2);
    xapi_close(xapi);
    fake_stop(server);
}

/* Who left before the answer would clean up in front of what is made. */
static void a_task_whose_answer_comes_behind_the_wish_to_stop_is_taken_away(void **state)
{
    (void)state;
    struct scene scene = {.before = PENDING, .after = CANCELLED, .end = UINT_MAX};
    struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
    struct xapi *xapi = adopt(server);
    struct error err = ERROR_INIT;
    int64_t at = clock_monotonic_ms(clock_system()) + 50;

    scene.answers_at_ms = at + 300;
    xapi_set_cancel(xapi, is_cancelled, &at);
    assert_int_equal(xapi_run_async(xapi, NULL, &err, 60000, "VM.snapshot", NULL), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
    assert_int_equal(scene.cancelled_n, 1);
    assert_int_equal(scene.destroyed_n, 1);
    /* In front of a call it is heard at once. */
    unsigned n = fake_requests(server);
    assert_int_equal(xapi_run_async(xapi, NULL, &err, 60000, "VM.snapshot", NULL), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
    assert_int_equal(fake_requests(server), n);
    xapi_close(xapi);
    fake_stop(server);
}

static void a_watch_tells_the_end_from_its_own_thread(void **state)
{
    (void)state;
    struct scene scene = {.before = PENDING, .after = SUCCESS, .end = 2};
    struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
    struct xapi *xapi = adopt(server);
    CLEAN_TASK_FACTS struct task_facts facts = {0};
    CLEAN_TASK_FACTS struct task_facts looked = {0};
    struct task_watch *watch = NULL;
    struct error err = ERROR_INIT;

    assert_int_equal(task_watch_begin(xapi, TASK, &watch, &err), 0);
    assert_int_equal(task_watch_wait(watch, 5000, NULL, NULL, &facts, &err), 0);
    assert_int_equal(facts.status, TASK_SUCCESS);
    assert_string_equal(facts.result.items[0], "OpaqueRef:snap");
    assert_int_equal(task_watch_look(watch, &looked, &err), 1);
    task_watch_end(&watch);
    assert_null(watch);
    assert_int_equal(scene.destroyed_n, 0);
    xapi_close(xapi);
    fake_stop(server);
}

static void a_watch_can_be_given_up(void **state)
{
    (void)state;
    struct scene scene = {.before = PENDING, .after = PENDING, .hangs = true};
    struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
    struct xapi *xapi = adopt(server);
    CLEAN_TASK_FACTS struct task_facts facts = {0};
    struct task_watch *watch = NULL;
    struct error err = ERROR_INIT;
    int64_t begun = clock_monotonic_ms(clock_system());
    int64_t at = begun + 150;

    assert_int_equal(task_watch_begin(xapi, TASK, &watch, &err), 0);
    assert_int_equal(task_watch_look(watch, &facts, &err), 0);
    assert_true(facts.progress > 0.4);
    assert_int_equal(task_watch_wait(watch, 50, NULL, NULL, &facts, &err), -1);
    assert_int_equal(err.code, ERROR_TIMEOUT);
    assert_int_equal(task_watch_wait(watch, 50000, is_cancelled, &at, &facts, &err), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
    task_watch_end(&watch);
    assert_true(clock_monotonic_ms(clock_system()) - begun < 5000);
    xapi_close(xapi);
    fake_stop(server);
}

static void a_watched_task_that_vanishes_is_gone(void **state)
{
    (void)state;
    struct scene scene = {.before = PENDING, .after = PENDING, .vanishes = true, .end = 100};
    struct fake_server *server = fake_start(FAKE_SOCKET, scene_answer, &scene);
    struct xapi *xapi = adopt(server);
    CLEAN_TASK_FACTS struct task_facts facts = {0};
    struct task_watch *watch = NULL;
    struct error err = ERROR_INIT;

    assert_int_equal(task_watch_begin(xapi, TASK, &watch, &err), 0);
    assert_int_equal(task_watch_wait(watch, 5000, NULL, NULL, &facts, &err), 0);
    assert_int_equal(facts.status, TASK_GONE);
    assert_int_equal(task_facts_check(&facts, &err), -1);
    task_watch_end(&watch);
    xapi_close(xapi);
    fake_stop(server);
}

static void a_task_that_was_not_seen_to_end_is_no_success(void **state)
{
    (void)state;
    const struct task_facts pending = {.status = TASK_PENDING, .progress = 1};
    struct error err = ERROR_INIT;

    assert_int_equal(task_facts_check(&pending, &err), -1);
    assert_int_equal(err.code, ERROR_TIMEOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_that_was_not_seen_to_end_is_no_success),
        cmocka_unit_test(results_are_read_whatever_they_hold),
        cmocka_unit_test(an_operation_gives_its_value_and_its_task_is_destroyed),
        cmocka_unit_test(a_destroy_that_is_broken_off_is_asked_again_but_not_for_ever),
        cmocka_unit_test(failures_of_a_task_are_those_of_the_operation),
        cmocka_unit_test(a_task_that_does_not_end_is_cancelled_and_destroyed),
        cmocka_unit_test(a_task_whose_answer_comes_behind_the_wish_to_stop_is_taken_away),
        cmocka_unit_test(a_watch_tells_the_end_from_its_own_thread),
        cmocka_unit_test(a_watch_can_be_given_up),
        cmocka_unit_test(a_watched_task_that_vanishes_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
