/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Growth, copies and the cleanup functions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/text_list.h"
#include "common/base/text_map.h"

/* The sanitizer ends the process at an absurd size unless told that NULL is wanted. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void zeroed_memory_of_nothing_is_still_memory(void **state)
{
    (void)state;
    CLEAN_CHAR char *none = mem_zero(0, 8);
    CLEAN_CHAR char *some = mem_zero(3, 5);
    assert_non_null(none);
    for (int i = 0; i < 15; i++)
        assert_int_equal(some[i], 0);
}

static void copies_are_whole_and_null_stays_null(void **state)
{
    (void)state;
    CLEAN_CHAR char *text = mem_dup("web1");
    CLEAN_CHAR char *part = mem_dup_n("web1", 3);
    CLEAN_CHAR char *bytes = mem_copy("a\0b", 3);
    assert_string_equal(text, "web1");
    assert_string_equal(part, "web");
    assert_memory_equal(bytes, "a\0b", 3);
    assert_null(mem_dup(NULL));
}

static void growth_keeps_items_and_raises_the_capacity(void **state)
{
    int *items = NULL;
    size_t cap = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        items = mem_grow(items, &cap, (size_t)i + 1, sizeof *items);
        items[i] = i;
        assert_true(cap > (size_t)i);
    }
    assert_int_equal(items[0], 0);
    assert_int_equal(items[999], 999);
    free(items);
}

static void a_bulk_buffer_that_is_not_to_be_had_is_an_error(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    CLEAN_CHAR char *small = mem_try(1 << 20, &err);
    assert_non_null(small);
    assert_int_equal(small[(1 << 20) - 1], 0);
    assert_null(mem_try(SIZE_MAX / 2, &err));
    assert_int_equal(err.code, ERROR_NO_MEMORY);
}

static void set_replaces_a_field_even_by_its_own_tail(void **state)
{
    char *field = NULL;

    (void)state;
    mem_set(&field, "abc");
    mem_set(&field, field + 1);
    assert_string_equal(field, "bc");
    mem_set(&field, NULL);
    assert_null(field);
}

static void freeing_keeps_errno_and_clears_the_pointer(void **state)
{
    int *numbers = mem_zero(4, sizeof *numbers);

    (void)state;
    errno = EXDEV;
    mem_free_void(&numbers);
    assert_null(numbers);
    assert_int_equal(errno, EXDEV);
}

static void a_list_owns_sorts_and_copies_its_texts(void **state)
{
    CLEAN_TEXT_LIST struct text_list list = TEXT_LIST_INIT;
    CLEAN_TEXT_LIST struct text_list copy = TEXT_LIST_INIT;

    (void)state;
    text_list_sort(&list);
    text_list_add(&list, "b");
    text_list_add_take(&list, mem_dup("a"));
    text_list_add_format(&list, "%s-%d", "c", 1);
    text_list_copy(&copy, &list);
    text_list_copy(&copy, &copy);
    text_list_sort(&list);
    assert_string_equal(list.items[0], "a");
    assert_string_equal(list.items[2], "c-1");
    assert_int_equal(copy.n, 3);
    assert_string_equal(copy.items[0], "b");
    assert_true(text_list_has(&copy, "c-1"));
    assert_false(text_list_has(&copy, "c"));
}

static void a_map_keeps_the_order_and_replaces_values(void **state)
{
    CLEAN_TEXT_MAP struct text_map map = TEXT_MAP_INIT;
    CLEAN_TEXT_MAP struct text_map copy = TEXT_MAP_INIT;

    (void)state;
    assert_null(text_map_get(&map, "a"));
    text_map_set(&map, "z", "1");
    text_map_set(&map, "a", "2");
    text_map_set(&map, "z", "3");
    text_map_copy(&copy, &map);
    assert_int_equal(copy.n, 2);
    assert_string_equal(copy.pairs[0].key, "z");
    assert_string_equal(text_map_get(&copy, "z"), "3");
    assert_string_equal(text_map_get(&copy, "a"), "2");
}

static void zeros_when_one_byte_of_any_place_differs_then_they_are_none(void **state)
{
    unsigned char bytes[67] = {0};

    (void)state;
    for (size_t n = 1; n <= sizeof bytes; n++)
        assert_true(mem_is_zero(bytes, n));
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = 0x80;
        assert_false(mem_is_zero(bytes, sizeof bytes));
        assert_false(mem_is_zero(bytes, i + 1));
        bytes[i] = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_memory_of_nothing_is_still_memory),
        cmocka_unit_test(copies_are_whole_and_null_stays_null),
        cmocka_unit_test(growth_keeps_items_and_raises_the_capacity),
        cmocka_unit_test(a_bulk_buffer_that_is_not_to_be_had_is_an_error),
        cmocka_unit_test(zeros_when_one_byte_of_any_place_differs_then_they_are_none),
        cmocka_unit_test(set_replaces_a_field_even_by_its_own_tail),
        cmocka_unit_test(freeing_keeps_errno_and_clears_the_pointer),
        cmocka_unit_test(a_list_owns_sorts_and_copies_its_texts),
        cmocka_unit_test(a_map_keeps_the_order_and_replaces_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
