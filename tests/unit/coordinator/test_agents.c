/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of agents: what a Sync makes of them, and who gets no job.
 */
#include "coordinator/agents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/str.h"

static enum agents_heard hear(struct agents *agents, const char *host, uint64_t boot, uint64_t seq,
                              int64_t now_ms)
{
    CLEAN_WIRE_SYNC struct wire_sync sync = {.boot = boot, .seq = seq, .free_slots = 2};
    enum agents_heard heard = AGENTS_STALE;
    struct agent *agent = NULL;

    str_copy(sync.host_uuid, sizeof sync.host_uuid, host);
    sync.store.uuid = mem_dup("store");
    sync.store.nonce = mem_dup("nonce");
    assert_int_equal(agents_hear(agents, &sync, now_ms, &heard, &agent, NULL), 0);
    assert_string_equal(agent->host_uuid, host);
    return heard;
}

static void syncs_are_new_next_stale_or_of_a_restarted_agent(void **state)
{
    CLEAN_AGENTS struct agents agents = {0};

    (void)state;
    assert_int_equal(hear(&agents, "h1", 1, 5, 0), AGENTS_NEW);
    assert_int_equal(hear(&agents, "h1", 1, 6, 10), AGENTS_NEXT);
    assert_int_equal(hear(&agents, "h1", 1, 6, 20), AGENTS_STALE);
    assert_int_equal(hear(&agents, "h1", 1, 2, 30), AGENTS_STALE);
    assert_true(agents_find(&agents, "h1")->heard_ms == 10);
    assert_int_equal(hear(&agents, "h1", 2, 1, 40), AGENTS_RESTARTED);
    assert_int_equal(hear(&agents, "h2", 2, 1, 40), AGENTS_NEW);
    assert_int_equal(agents_present_n(&agents), 2);
}

static void silent_agent_is_lost_once_and_comes_back(void **state)
{
    CLEAN_AGENTS struct agents agents = {0};

    (void)state;
    hear(&agents, "h1", 1, 1, 0);
    hear(&agents, "h2", 1, 1, 50);
    assert_null(agents_next_lost(&agents, 99, 100));
    assert_string_equal(agents_next_lost(&agents, 100, 100)->host_uuid, "h1");
    assert_null(agents_next_lost(&agents, 100, 100));
    assert_int_equal(agents_present_n(&agents), 1);
    assert_int_equal(hear(&agents, "h1", 1, 2, 200), AGENTS_NEW);
    assert_int_equal(agents_present_n(&agents), 2);
}

static void expected_agent_gets_no_job_until_it_is_heard_or_lost(void **state)
{
    CLEAN_AGENTS struct agents agents = {0};
    char text[AGENTS_REASON_MAX];

    (void)state;
    const struct agent *late = agents_expect(&agents, "h1", 10);
    assert_true(late->is_expected);
    assert_int_equal(agents_present_n(&agents), 0);
    assert_true(agents_why_not(late, &(struct agents_store){0}, text));
    assert_non_null(strstr(text, "not been heard of since the run was continued"));
    assert_int_equal(hear(&agents, "h1", 7, 3, 50), AGENTS_NEW);
    assert_int_equal(agents_present_n(&agents), 1);
    assert_false(agents_expect(&agents, "h1", 60)->is_expected); /* it is known */
    assert_true(agents_find(&agents, "h1")->first_heard_ms == 50);
    assert_true(agents_expect(&agents, "h2", 100)->is_expected);
    assert_string_equal(agents_next_lost(&agents, 150, 100)->host_uuid, "h1");
    assert_null(agents_next_lost(&agents, 199, 100));
    assert_string_equal(agents_next_lost(&agents, 200, 100)->host_uuid, "h2");
}

static void reasons_say_what_is_wrong(void **state)
{
    CLEAN_AGENTS struct agents agents = {0};
    const struct agents_store store = {.uuid = "store", .nonce = "nonce"};
    const struct agents_store other = {.uuid = "other", .nonce = "nonce"};
    const struct agents_store newer = {.uuid = "store", .nonce = "newer"};
    char why[AGENTS_REASON_MAX];

    (void)state;
    hear(&agents, "h1", 1, 1, 0);
    struct agent *agent = agents_find(&agents, "h1");
    assert_false(agents_why_not(agent, &store, why));
    assert_string_equal(why, "");
    assert_true(agents_why_not(agent, &other, why));
    assert_non_null(strstr(why, "another store"));
    assert_true(agents_why_not(agent, &newer, why));
    assert_non_null(strstr(why, "nonce"));
    agent->sync.is_draining = true;
    assert_true(agents_why_not(agent, &store, why));
    assert_non_null(strstr(why, "draining"));
    error_set(&agent->sync.store.error, ERROR_STORE_MISSING, "%0*d", ERROR_TEXT_MAX - 1, 7);
    assert_true(agents_why_not(agent, &store, why));
    assert_non_null(strstr(why, "can't be used"));
    agent->is_lost = true;
    assert_true(agents_why_not(agent, &store, why));
    assert_non_null(strstr(why, "not been heard"));
}

static void more_hosts_than_a_pool_has_are_refused(void **state)
{
    CLEAN_AGENTS struct agents agents = {0};
    struct wire_sync sync = {.boot = 1, .seq = 1};
    enum agents_heard heard = AGENTS_NEW;
    struct agent *agent = NULL;
    struct error error = ERROR_INIT;

    (void)state;
    for (int i = 0; i < AGENTS_MAX; i++) {
        snprintf(sync.host_uuid, sizeof sync.host_uuid, "host-%d", i);
        assert_int_equal(agents_hear(&agents, &sync, 0, &heard, &agent, NULL), 0);
    }
    str_copy(sync.host_uuid, sizeof sync.host_uuid, "one too many");
    assert_int_equal(agents_hear(&agents, &sync, 0, &heard, &agent, &error), -1);
    assert_int_equal(error.code, ERROR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syncs_are_new_next_stale_or_of_a_restarted_agent),
        cmocka_unit_test(silent_agent_is_lost_once_and_comes_back),
        cmocka_unit_test(expected_agent_gets_no_job_until_it_is_heard_or_lost),
        cmocka_unit_test(reasons_say_what_is_wrong),
        cmocka_unit_test(more_hosts_than_a_pool_has_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
