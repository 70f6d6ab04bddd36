/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XAPI's errors, from lists and from pages, and what they mean to us.
 */
#include "common/xapi/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/text_list.h"

static void codes_mean_what_the_table_says(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int code;
        bool is_transient;
    } cases[] = {
        {"HANDLE_INVALID", ERROR_XAPI_GONE, false},
        {"UUID_INVALID", ERROR_XAPI_GONE, false},
        {"SESSION_AUTHENTICATION_FAILED", ERROR_POOL_REFUSED, false},
        {"SR_BACKEND_FAILURE_44", ERROR_NO_SPACE, false},
        {"SR_FULL", ERROR_NO_SPACE, false},
        {"VDI_IN_USE", ERROR_XAPI, true},
        {"OTHER_OPERATION_IN_PROGRESS", ERROR_XAPI, true},
        {"HOST_STILL_BOOTING", ERROR_POOL_UNREACHABLE, true},
        {"TASK_CANCELLED", ERROR_CANCELLED, false},
        {"MESSAGE_METHOD_UNKNOWN", ERROR_UNSUPPORTED, false},
        {"SOMETHING_NEW", ERROR_XAPI, false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEAN_TEXT_LIST struct text_list items = TEXT_LIST_INIT;
        struct error err = ERROR_INIT;

        text_list_add(&items, cases[i].name);
        assert_int_equal(fault_set(&err, &items), -1);
        assert_int_equal(err.code, cases[i].code);
        assert_true(fault_is(&err, cases[i].name));
        assert_int_equal(fault_is_transient(&err), cases[i].is_transient);
        error_add(&err, "doing this");
        assert_true(fault_is(&err, cases[i].name));
    }
}

static void parameters_are_cut_and_stay_on_one_line(void **state)
{
    (void)state;
    CLEAN_TEXT_LIST struct text_list items = TEXT_LIST_INIT;
    char big[5000];
    struct error err = ERROR_INIT;

    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    text_list_add(&items, "INTERNAL_ERROR");
    text_list_add(&items, "a\nb");
    text_list_add(&items, big);
    fault_set(&err, &items);
    assert_true(strlen(err.text) < 400);
    assert_true(!strncmp(err.text, "INTERNAL_ERROR(a b, xxx", 23));
    assert_null(strchr(err.text, '\n'));
    assert_true(!strcmp(err.text + strlen(err.text) - 4, "...)"));
}

static void a_fault_without_a_name_is_still_one(void **state)
{
    (void)state;
    CLEAN_TEXT_LIST struct text_list items = TEXT_LIST_INIT;
    struct error err = ERROR_INIT;

    assert_int_equal(fault_set(&err, &items), -1);
    assert_int_equal(err.code, ERROR_XAPI);
    assert_false(fault_is(&err, ""));
}

static void a_page_gives_its_code_and_its_text(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;

    fault_set_page(&err, 500,
                   "<html><body><h1>HTTP 500 internal server error</h1>An unexpected error "
                   "occurred.<h1> Additional information </h1>UUID_INVALID: [ VM; 0-0 ]</body>"
                   "</html>");
    assert_int_equal(err.code, ERROR_XAPI_GONE);
    assert_string_equal(err.origin, "UUID_INVALID");
    assert_string_equal(err.text, "HTTP 500: UUID_INVALID: [ VM; 0-0 ] ");
    fault_set_page(&err, 401, "<html><body><h1>HTTP 401 unauthorised</h1></body></html>");
    assert_int_equal(err.code, ERROR_POOL_REFUSED);
    fault_set_page(&err, 404, "");
    assert_string_equal(err.text, "HTTP 404");
    assert_int_equal(err.code, ERROR_XAPI);
    fault_set_page(&err, 500, "lower: [ x ] and <unclosed: [");
    assert_string_equal(err.origin, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_mean_what_the_table_says),
        cmocka_unit_test(parameters_are_cut_and_stay_on_one_line),
        cmocka_unit_test(a_fault_without_a_name_is_still_one),
        cmocka_unit_test(a_page_gives_its_code_and_its_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
