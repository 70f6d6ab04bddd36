/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keys, values and the rival's patience.
 */
#include "common/model/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"

#define UUID "8b0c1d2e-1111-2222-3333-444455556666"

static const struct lease_owner somebody = {UUID, "tcp://10.0.0.5:7451", 30};

static void keys_have_one_spelling(void **state)
{
    (void)state;
    static const char *const bad[] = {"onyxpool_lease_",
                                      "onyxpool_lease_0",
                                      "onyxpool_lease_01",
                                      "onyxpool_lease_+1",
                                      "onyxpool_lease_1x",
                                      "onyxpool",
                                      "onyxpool_lease_9999999999999999999",
                                      "xonyxpool_lease_1",
                                      "onyxpool_lease_-1",
                                      "onyxpool_lease_ 1",
                                      ""};
    char key[LEASE_KEY_MAX];
    uint64_t n;

    assert_true(lease_parse_key(lease_format_key(17, key), &n));
    assert_true(n == 17);
    assert_true(lease_parse_key(lease_format_key(LEASE_N_MAX, key), &n));
    assert_true(n == LEASE_N_MAX);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(lease_parse_key(bad[i], &n));
}

static void values_read_back_and_strange_ones_count_as_held(void **state)
{
    (void)state;
    static const char *const strange[] = {"",
                                          "x",
                                          UUID,
                                          UUID " tcp://h:1",
                                          UUID " tcp://h:1 0",
                                          UUID " tcp://h:1 x",
                                          UUID "  30",
                                          "no-uuid tcp://h:1 30",
                                          UUID " tcp://h:1 30 more",
                                          "Released"};
    struct lease lease = {.n = 1};
    char value[LEASE_VALUE_MAX];

    lease_parse_value(lease_format_value(&somebody, value), &lease);
    assert_true(lease.is_held && lease.is_readable);
    assert_string_equal(lease.owner.uuid, UUID);
    assert_string_equal(lease.owner.address, "tcp://10.0.0.5:7451");
    assert_int_equal(lease.owner.renew_s, 30);
    lease_parse_value(lease_format_value(NULL, value), &lease);
    assert_false(lease.is_held);
    assert_string_equal(lease.owner.uuid, "");
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        lease_parse_value(strange[i], &lease);
        assert_true(lease.is_held);
        assert_false(lease.is_readable);
    }
}

static void owners_are_checked(void **state)
{
    (void)state;
    struct lease_owner owner = somebody;
    struct error err = ERROR_INIT;

    assert_int_equal(lease_owner_check(&owner, &err), 0);
    memcpy(owner.address, "tcp://a b", sizeof "tcp://a b");
    assert_int_equal(lease_owner_check(&owner, &err), -1);
    assert_int_equal(err.code, ERROR_BAD_INPUT);
    owner = somebody;
    owner.renew_s = 0;
    assert_int_equal(lease_owner_check(&owner, &err), -1);
    owner = somebody;
    owner.uuid[0] = 'x';
    assert_int_equal(lease_owner_check(&owner, &err), -1);
}

static void the_highest_number_counts_and_lower_ones_are_listed(void **state)
{
    (void)state;
    CLEAN_TEXT_MAP struct text_map map = TEXT_MAP_INIT;
    CLEAN_TEXT_LIST struct text_list keys = TEXT_LIST_INIT;
    struct lease lease = {0};

    assert_int_equal(lease_find(&map, &lease), 0);
    text_map_set(&map, "onyxpool_lease_9", "released");
    text_map_set(&map, "onyxpool_lease_10", UUID " tcp://10.0.0.5:7451 30");
    text_map_set(&map, "onyxpool_lease_2", "released");
    text_map_set(&map, "other", "1");
    assert_int_equal(lease_find(&map, &lease), 1);
    assert_true(lease.n == 10 && lease.is_held);
    lease_list_below(&map, 10, &keys);
    assert_int_equal(keys.n, 2);
    assert_true(text_list_has(&keys, "onyxpool_lease_9"));
    assert_true(text_list_has(&keys, "onyxpool_lease_2"));
}

static void a_rival_waits_for_the_whole_term_from_its_first_look(void **state)
{
    (void)state;
    struct lease held = {.n = 5, .is_held = true, .is_readable = true, .owner = somebody};
    struct lease_rival rival = {0};
    int64_t term = lease_term_ms(&held);
    int64_t wait = -1;

    assert_int_equal(term, 30 * 1000 * LEASE_TERM_FACTOR);
    assert_false(lease_rival_may_take(&rival, 1, &held, 1000, &wait));
    assert_int_equal(wait, term);
    assert_false(lease_rival_may_take(&rival, 1, &held, 1000 + term - 1, &wait));
    assert_int_equal(wait, 1);
    held.n = 6; /* renewed: from the beginning */
    assert_false(lease_rival_may_take(&rival, 1, &held, 1000 + term, &wait));
    assert_int_equal(wait, term);
    assert_true(lease_rival_may_take(&rival, 1, &held, 1000 + 2 * term, &wait));
    assert_int_equal(wait, 0);
}

static void what_is_free_may_be_taken_at_once(void **state)
{
    (void)state;
    struct lease released = {.n = 5, .is_readable = true};
    struct lease strange = {.n = 5, .is_held = true};
    struct lease_rival rival = {0};
    int64_t wait = -1;

    assert_true(lease_rival_may_take(&rival, 0, NULL, 0, &wait));
    assert_true(lease_rival_may_take(&rival, 1, &released, 0, &wait));
    assert_int_equal(wait, 0);
    rival = (struct lease_rival){0};
    assert_false(lease_rival_may_take(&rival, 1, &strange, 0, &wait));
    assert_int_equal(wait, (int64_t)LEASE_RENEW_MAX_S * 1000 * LEASE_TERM_FACTOR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_have_one_spelling),
        cmocka_unit_test(values_read_back_and_strange_ones_count_as_held),
        cmocka_unit_test(owners_are_checked),
        cmocka_unit_test(the_highest_number_counts_and_lower_ones_are_listed),
        cmocka_unit_test(a_rival_waits_for_the_whole_term_from_its_first_look),
        cmocka_unit_test(what_is_free_may_be_taken_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
