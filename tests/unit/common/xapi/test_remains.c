/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sessions of killed processes: ended where that can be, kept in the file where it can't yet.
 */
#include "common/xapi/remains.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/xapi/session.h"
#include "common/xapi/target.h"
#include "tests/unit/common/xapi/fake_server.h"

#define OWN   "OpaqueRef:11111111-0000-0000-0000-000000000001"
#define DEAD  "OpaqueRef:22222222-0000-0000-0000-000000000002"
#define GONE  "OpaqueRef:33333333-0000-0000-0000-000000000003"
#define STUCK "OpaqueRef:44444444-0000-0000-0000-000000000004"

struct scene {
    struct fake_server *server;
    struct xapi *xapi;
    char folder[64];
    char *path;
    atomic_bool is_healed;
    atomic_uint logouts_n;
    bool was_noted_first; /* our own session stood in the file when the first one was ended */
};

static char *read_file(const char *path)
{
    CLEAN_STR struct str text = STR_INIT;
    struct stat st;
    assert_int_equal(fd_read_file(path, 4096, &text, NULL), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    return mem_dup(str_text(&text));
}

static void answer(void *context, struct fake_connection *connection,
                   const struct fake_request *request)
{
    struct scene *scene = context;
    if (strcmp(request->rpc, "session.login_with_password") == 0) {
        fake_send_result(connection, "\"" OWN "\"");
        return;
    }
    if (atomic_fetch_add(&scene->logouts_n, 1) == 0) {
        CLEAN_STR struct str noted = STR_INIT; /* asserted by the test's own thread alone */
        scene->was_noted_first = fd_read_file(scene->path, 4096, &noted, NULL) == 0 &&
                                 strstr(str_text(&noted), OWN) != NULL;
    }
    if (strstr(request->body, GONE) != NULL)
        fake_send_fault(connection, "SESSION_INVALID", "\"" GONE "\"");
    else if (strstr(request->body, STUCK) != NULL && !atomic_load(&scene->is_healed))
        fake_reset(connection);
    else
        fake_send_result(connection, "\"\"");
}

static void scene_init(struct scene *scene, const char *sessions)
{
    CLEAN_XAPI_TARGET struct xapi_target target = {0};
    (void)snprintf(scene->folder, sizeof scene->folder, "/tmp/onyx-remains-XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    scene->path = str_format("%s/agent.session", scene->folder);
    if (sessions != NULL)
        assert_int_equal(fd_replace_file(scene->path, 0600, sessions, strlen(sessions), NULL), 0);
    scene->server = fake_start(FAKE_SOCKET, answer, scene);
    assert_int_equal(xapi_target_parse(fake_address(scene->server), &target, NULL), 0);
    assert_int_equal(xapi_open(&target, "onyxpool/test", &scene->xapi, NULL), 0);
}

static void scene_done(struct scene *scene)
{
    xapi_close(scene->xapi);
    fake_stop(scene->server);
    (void)unlink(scene->path);
    (void)rmdir(scene->folder);
    free(scene->path);
}

static void session_when_nobody_died_then_noted_alone(void **state)
{
    (void)state;
    struct scene scene = {.path = NULL};
    struct error err = ERROR_INIT;
    scene_init(&scene, NULL);
    assert_int_equal(remains_take_session(scene.path, scene.xapi, &err), 0);
    CLEAN_CHAR char *text = read_file(scene.path);
    assert_string_equal(text, OWN "\n");
    assert_int_equal(remains_take_session(scene.path, scene.xapi, &err), 0); /* never our own */
    assert_int_equal(scene.logouts_n, 0);
    scene_done(&scene);
}

static void sessions_of_the_dead_when_they_stand_or_are_gone_then_none_is_left(void **state)
{
    (void)state;
    struct scene scene = {.path = NULL};
    struct error err = ERROR_INIT;
    scene_init(&scene, DEAD "\n\n" GONE "\n");
    assert_int_equal(remains_take_session(scene.path, scene.xapi, &err), 1);
    assert_int_equal(scene.logouts_n, 2);
    assert_true(scene.was_noted_first);
    CLEAN_CHAR char *text = read_file(scene.path);
    assert_string_equal(text, OWN "\n");
    scene_done(&scene);
}

static void session_when_it_can_not_be_ended_then_kept_for_the_next_time(void **state)
{
    (void)state;
    struct scene scene = {.path = NULL};
    struct error err = ERROR_INIT;
    scene_init(&scene, STUCK "\n" DEAD "\n");
    assert_int_equal(remains_take_session(scene.path, scene.xapi, &err), -1);
    assert_true(error_is_set(&err));
    CLEAN_CHAR char *kept = read_file(scene.path);
    assert_string_equal(kept, OWN "\n" STUCK "\n");
    atomic_store(&scene.is_healed, true);
    error_clear(&err);
    assert_int_equal(remains_take_session(scene.path, scene.xapi, &err), 1);
    CLEAN_CHAR char *text = read_file(scene.path);
    assert_string_equal(text, OWN "\n");
    scene_done(&scene);
}

static void session_when_it_can_not_be_noted_then_nobody_elses_is_ended(void **state)
{
    (void)state;
    struct scene scene = {.path = NULL};
    struct error err = ERROR_INIT;
    scene_init(&scene, NULL);
    CLEAN_CHAR char *nowhere = str_format("%s/no-such-folder/agent.session", scene.folder);
    assert_int_equal(remains_take_session(nowhere, scene.xapi, &err), -1);
    assert_int_equal(scene.logouts_n, 0);
    scene_done(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_when_nobody_died_then_noted_alone),
        cmocka_unit_test(sessions_of_the_dead_when_they_stand_or_are_gone_then_none_is_left),
        cmocka_unit_test(session_when_it_can_not_be_ended_then_kept_for_the_next_time),
        cmocka_unit_test(session_when_it_can_not_be_noted_then_nobody_elses_is_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
