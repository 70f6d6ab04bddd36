/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a real XAPI sent, played back byte for byte and read by our rooms.
 *
 * The recordings are not part of the project: they are looked for beside it, and the tests are
 * skipped, with a line that says so, where they are not.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/model/pool.h"
#include "common/xapi/call.h"
#include "common/xapi/event.h"
#include "common/xapi/fault.h"
#include "common/xapi/record.h"
#include "common/xapi/session.h"
#include "common/xapi/stream.h"
#include "common/xapi/target.h"
#include "common/xapi/task.h"
#include "tests/unit/common/xapi/fake_server.h"

#define GOLDEN        TEST_SOURCE_ROOT "/../shared/xapi/golden"
#define RECORDING_MAX ((size_t)64 << 20)

/* The recording whose name begins so ("505-"), or ends so when it begins with "*"; gzipped or not.
 */
static bool recording_read(const char *name, struct str *bytes)
{
    DIR *folder = opendir(GOLDEN);
    const struct dirent *entry;
    char path[600] = "";

    if (!folder)
        return false;
    while ((entry = readdir(folder))) {
        char plain[256];

        snprintf(plain, sizeof plain, "%s", entry->d_name);
        if (str_ends(plain, ".gz"))
            plain[strlen(plain) - 3] = '\0';
        if (!str_ends(plain, ".rep"))
            continue;
        plain[strlen(plain) - 4] = '\0';
        if (*name == '*' ? str_ends(plain, name + 1) : str_starts(plain, name))
            snprintf(path, sizeof path, "%s/%s", GOLDEN, entry->d_name);
    }
    closedir(folder);
    gzFile file = *path ? gzopen(path, "rb") : NULL;

    if (!file)
        return false;
    for (int n = 1; n > 0 && bytes->len < RECORDING_MAX;) {
        n = gzread(file, str_reserve(bytes, 65536), 65536);
        str_set_len(bytes, bytes->len + (size_t)(n > 0 ? n : 0));
    }
    gzclose(file);
    return true;
}

static void skip_without_recordings(void)
{
    DIR *folder = opendir(GOLDEN);

    if (!folder) {
        print_message("SKIPPED: no recordings of a real XAPI at %s\n", GOLDEN);
        skip();
    }
    closedir(folder);
}

/* Plays back one recording for every request, or, for "*", that of the class asked for. */
static void golden_answer(void *context, struct fake_connection *connection,
                          const struct fake_request *request)
{
    const char *name = *(const char *const *)context;
    CLEAN_STR struct str bytes = STR_INIT;
    char class_name[128];

    if (!strcmp(name, "*")) {
        snprintf(class_name, sizeof class_name, "*-all-%.*s", (int)strcspn(request->rpc, "."),
                 request->rpc);
        name = class_name;
    }
    if (recording_read(name, &bytes))
        fake_send(connection, bytes.data, bytes.len);
    else
        fake_send_fault(connection, "TEST_WITHOUT_RECORDING", "\"x\"");
}

struct scene {
    const char *name;
    struct fake_server *server;
    struct xapi *xapi;
};

static void scene_open(struct scene *scene)
{
    CLEAN_XAPI_TARGET struct xapi_target target = {0};

    scene->server = fake_start(FAKE_SOCKET, golden_answer, &scene->name);
    assert_int_equal(xapi_target_parse(fake_address(scene->server), &target, NULL), 0);
    assert_int_equal(xapi_adopt(&target, "OpaqueRef:lent", &scene->xapi, NULL), 0);
}

static void scene_close(struct scene *scene)
{
    xapi_close(scene->xapi);
    fake_stop(scene->server);
}

static void recorded_answers_give_these_results(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int code;
        const char *origin, *text;
    } cases[] = {
        {"001-", 0, "", "OpaqueRef:"},
        {"004-", ERROR_POOL_REFUSED, "SESSION_AUTHENTICATION_FAILED", "Authentication failure"},
        {"006-", ERROR_POOL_REFUSED, "SESSION_AUTHENTICATION_FAILED", ""},
        {"013-", ERROR_UNSUPPORTED, "MESSAGE_METHOD_UNKNOWN", ""},
        {"016-", ERROR_UNSUPPORTED, "MESSAGE_PARAMETER_COUNT_MISMATCH", ""},
        {"019-", ERROR_XAPI, "INTERNAL_ERROR", "Expected string"},
        {"021-", ERROR_XAPI_GONE, "HANDLE_INVALID", ""},
        {"024-", ERROR_XAPI_GONE, "UUID_INVALID", ""},
        {"025-", ERROR_POOL_REFUSED, "SESSION_INVALID", ""},
        {"029-", ERROR_UNSUPPORTED, "MESSAGE_METHOD_UNKNOWN", ""},
        {"037-", ERROR_XAPI_GONE, "HANDLE_INVALID", ""},
        {"061-", ERROR_XAPI, "", "HTTP 500"},
        {"434-", ERROR_XAPI, "Fault", "No async mode"},
        {"446-", ERROR_XAPI, "EVENT_FROM_TOKEN_PARSE_FAILURE", ""},
        {"901-", ERROR_POOL_REFUSED, "HOST_IS_SLAVE", "10.99.0.2"},
        {"902-", ERROR_POOL_REFUSED, "HOST_IS_SLAVE", "10.99.0.2"},
    };

    skip_without_recordings();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene scene = {.name = cases[i].name};
        struct error err = ERROR_INIT;
        CLEAN_CHAR char *text = NULL;
        json_t *result = NULL;

        scene_open(&scene);
        int failed = xapi_call(scene.xapi, &result, &err, "VM.get_name_label", "[s]", "x");
        if (!failed)
            text = json_dumps(result, JSON_ENCODE_ANY);
        json_decref(result);
        scene_close(&scene);
        if ((failed != 0) != (cases[i].code != 0) || (failed && (int)err.code != cases[i].code) ||
            strcmp(err.origin, cases[i].origin) != 0 ||
            !strstr(failed ? err.text : text, cases[i].text))
            fail_msg("%s: %d %s %s %s", cases[i].name, err.code, err.origin, err.text,
                     text ? text : "");
    }
}

static void the_pool_of_another_master_is_where_the_login_is_sent(void **state)
{
    (void)state;
    struct scene scene = {.name = "901-"};
    CLEAN_XAPI_TARGET struct xapi_target target = {0};
    struct error err = ERROR_INIT;
    struct xapi *xapi = NULL;

    skip_without_recordings();
    scene_open(&scene);
    assert_int_equal(xapi_target_parse(fake_address(scene.server), &target, NULL), 0);
    assert_int_equal(xapi_open(&target, "t", &xapi, &err), -1); /* a socket is never a slave's */
    assert_true(fault_is(&err, "HOST_IS_SLAVE"));
    scene_close(&scene);
}

static size_t bytes_n;

static int on_bytes(void *context, const void *bytes, size_t n, struct error *err)
{
    struct str *head = context;

    (void)err;
    bytes_n += n;
    if (head->len < 512)
        str_add_n(head, bytes, n < 512 ? n : 512);
    return 0;
}

static void recorded_streams_end_like_this(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int code; /* 0: the stream ended in order, whatever it is worth */
        int status;
        const char *text; /* of the error, or in the first bytes */
    } cases[] = {
        {"503-", ERROR_POOL_REFUSED, 401, "HTTP 401"},
        {"505-", ERROR_SHORT, 0, "without an answer"},
        {"506-", ERROR_XAPI_GONE, 500, "UUID_INVALID"},
        {"507-", ERROR_XAPI, 500, "Not_found"},
        {"511-", ERROR_XAPI, 500, "DBCache_NotFound"},
        {"513-", 0, 200, "ova.xml"},
        {"515-", 0, 200, "ova.xml"},
        {"527-", 0, 200, "ova.xml"},
        {"531-", ERROR_XAPI, 500, "HTTP 500"},
        {"539-", 0, 200, ""},
        {"542-", 0, 200, "conectix"},
        {"551-", ERROR_XAPI, 404, "HTTP 404"},
        {"557-", 0, 200, "HTTP/1.1 500"}, /* the late error is data to us */
        {"613-", 0, 200, "<database>"},
        {"811-", ERROR_POOL_REFUSED, 302, "is the address of no host"},
        {"1009-", ERROR_XAPI, 500, "VM_BAD_POWER_STATE"},
        {"1011-", 0, 200, "ova.xml"},
        {"1050-", 0, 200, "ova.xml"},
        {"1673-", ERROR_SHORT, 0, "without an answer"},
    };

    skip_without_recordings();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEAN_STREAM_FACTS struct stream_facts facts = {0};
        CLEAN_STR struct str head = STR_INIT;
        const struct stream_sink sink = {NULL, on_bytes, &head};
        struct scene scene = {.name = cases[i].name};
        struct error err = ERROR_INIT;

        scene_open(&scene);
        bytes_n = 0;
        int failed =
            xapi_stream_get(scene.xapi, "/export?ref=x", "OpaqueRef:t", &sink, 5000, &facts, &err);
        scene_close(&scene);
        /* The 302 is played back for the look for its host too, which can't be read then. */
        if (!strcmp(cases[i].name, "811-")) {
            assert_int_equal(failed, -1);
            assert_string_equal(facts.redirected_to, "10.99.0.2");
            continue;
        }
        if ((failed != 0) != (cases[i].code != 0) || (failed && (int)err.code != cases[i].code) ||
            facts.http_status != cases[i].status || facts.bytes != bytes_n ||
            !memmem(failed ? err.text : str_text(&head), failed ? strlen(err.text) : head.len,
                    cases[i].text, strlen(cases[i].text)))
            fail_msg("%s: %d %s, status %d, %zu bytes", cases[i].name, err.code, err.text,
                     facts.http_status, bytes_n);
        assert_int_equal(facts.ended_in_order, !failed);
    }
}

static void recorded_tasks_came_to_this(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum task_status status;
        int code;
        const char *origin;
    } cases[] = {
        {"1012-", TASK_SUCCESS, 0, ""},
        {"1010-", TASK_FAILURE, ERROR_XAPI, "VM_BAD_POWER_STATE"},
        {"1051-", TASK_FAILURE, ERROR_XAPI, "INTERNAL_ERROR"},
        {"1057-", TASK_FAILURE, ERROR_XAPI, "SR_BACKEND_FAILURE_46"},
        {"1077-", TASK_PENDING, ERROR_TIMEOUT, ""},
        {"1264-", TASK_FAILURE, ERROR_XAPI, "OPERATION_BLOCKED"},
        {"592-", TASK_SUCCESS, 0, ""},
        {"510-", TASK_FAILURE, ERROR_XAPI, "NO_HOSTS_AVAILABLE"},
    };

    skip_without_recordings();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEAN_TASK_FACTS struct task_facts facts = {0};
        struct scene scene = {.name = cases[i].name};
        struct error err = ERROR_INIT;

        scene_open(&scene);
        if (xapi_task_look(scene.xapi, "OpaqueRef:t", &facts, &err))
            fail_msg("%s: %s", cases[i].name, err.text);
        scene_close(&scene);
        if (facts.status != cases[i].status)
            fail_msg("%s: status %d", cases[i].name, facts.status);
        task_facts_check(&facts, &err);
        assert_int_equal(err.code, cases[i].code);
        assert_string_equal(err.origin, cases[i].origin);
    }
}

static int count_event(void *context, const char *ref, const json_t *snapshot, struct error *err)
{
    (void)snapshot;
    (void)err;
    assert_true(str_starts(ref, "OpaqueRef:") || *ref);
    ++*(size_t *)context;
    return 0;
}

static void recorded_events_are_read(void **state)
{
    (void)state;
    CLEANUP(event_stream_done) struct event_stream events = {0};
    struct scene scene = {.name = "438-"};
    struct error err = ERROR_INIT;
    size_t seen = 0;
    size_t n = 99;

    skip_without_recordings();
    event_stream_init(&events, "task");
    scene_open(&scene);
    assert_int_equal(event_next(scene.xapi, &events, 1000, count_event, &seen, &n, &err), 0);
    assert_int_equal(seen, n);
    assert_int_equal(strlen(events.token), 41);
    scene.name = "455-"; /* a deletion */
    assert_int_equal(event_next(scene.xapi, &events, 1000, count_event, &seen, &n, &err), 0);
    assert_true(n >= 1);
    scene_close(&scene);
}

struct reading {
    struct record_reader *reader;
    int (*add)(struct record_reader *, const char *, const json_t *, struct error *);
};

static int on_record(void *context, const char *ref, const json_t *record, struct error *err)
{
    const struct reading *reading = context;

    return reading->add(reading->reader, ref, record, err);
}

static void the_recorded_pool_is_read(void **state)
{
    (void)state;
    skip_without_recordings(); /* jumps: nothing may be owned yet */
    CLEAN_POOL struct pool pool = {0};
    CLEAN_RECORD_READER struct record_reader *reader = record_reader_new(&pool);
    struct scene scene = {.name = "*"};
    struct error err = ERROR_INIT;
    size_t plain_n = 0;

    scene_open(&scene);
#define X(class_name, name)                                                                        \
    do {                                                                                           \
        struct reading reading = {reader, record_add_##name};                                      \
        if (xapi_call_records(scene.xapi, class_name ".get_all_records", on_record, &reading,      \
                              &err))                                                               \
            fail_msg("%s: %s", class_name, err.text);                                              \
    } while (0);
    RECORD_ORDER(X)
#undef X
    scene_close(&scene);
    if (record_reader_finish(reader, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < pool.vms_n; i++)
        plain_n += vm_is_plain(&pool.vms[i]);
    assert_int_equal(pool.hosts_n, 1);
    assert_string_equal(pool.hosts[pool.master].name, "xapisim");
    assert_int_equal(pool.vms_n, 38);
    assert_int_equal(plain_n, 17);
    assert_int_equal(pool.vdis_n, 44);
    assert_int_equal(pool.vbds_n, 50);
    assert_int_equal(pool.srs_n, 2);
    assert_int_equal(pool.srs[0].hosts_n + pool.srs[1].hosts_n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_answers_give_these_results),
        cmocka_unit_test(the_pool_of_another_master_is_where_the_login_is_sent),
        cmocka_unit_test(recorded_streams_end_like_this),
        cmocka_unit_test(recorded_tasks_came_to_this),
        cmocka_unit_test(recorded_events_are_read),
        cmocka_unit_test(the_recorded_pool_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
