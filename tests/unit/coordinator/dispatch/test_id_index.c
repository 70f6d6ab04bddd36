/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The index of ids: thousands of them, several numbers of one, and those that are not there.
 */
#include "coordinator/dispatch/id_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/str.h"

static void empty_when_asked_then_none(void **state)
{
    struct id_index index = {0};
    size_t cursor = 0;

    (void)state;
    assert_true(id_index_next(&index, "a", &cursor) == ID_INDEX_NONE);
    id_index_done(&index);
}

static void thousands_when_asked_then_each_is_found_and_no_other(void **state)
{
    struct id_index index = {0};

    (void)state;
    for (size_t i = 0; i < 5000; i++) {
        CLEAN_CHAR char *id = str_format("%016zx", i * 2);
        id_index_add(&index, id, i);
    }
    for (size_t i = 0; i < 10000; i++) {
        CLEAN_CHAR char *id = str_format("%016zx", i);
        size_t cursor = 0;

        assert_true(id_index_next(&index, id, &cursor) == (i % 2 ? ID_INDEX_NONE : i / 2));
        if (i % 2 == 0)
            assert_true(id_index_next(&index, id, &cursor) == ID_INDEX_NONE);
    }
    id_index_done(&index);
}

static void one_id_when_it_has_several_then_all_are_given(void **state)
{
    struct id_index index = {0};
    size_t cursor = 0, sum = 0, n = 0;

    (void)state;
    for (size_t i = 1; i <= 100; i++)
        id_index_add(&index, i % 2 ? "odd" : "even", i);
    for (size_t at; (at = id_index_next(&index, "even", &cursor)) != ID_INDEX_NONE; n++)
        sum += at;
    assert_int_equal(n, 50);
    assert_int_equal(sum, 2550);
    id_index_done(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_when_asked_then_none),
        cmocka_unit_test(thousands_when_asked_then_each_is_found_and_no_other),
        cmocka_unit_test(one_id_when_it_has_several_then_all_are_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
