/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Answers that are not quite JSON, all shapes of errors, records one at a time.
 */
#include "common/xapi/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/base/text_list.h"

static void what_is_not_json_is_repaired_and_the_rest_is_left(void **state)
{
    (void)state;
#define FFFD "\xef\xbf\xbd"
    static const struct {
        const char *in, *out;
        size_t n;
    } cases[] = {
        {"[NaN,Infinity,-Infinity,nan,1e999]", "[null,null,null,null,null]", 0},
        {"[1,-2,0.5,1e3,9223372036854775807]", "[1,-2,0.5,1e3,9223372036854775807]", 0},
        {"[1.,-0.]", "[1.00000000000000000e+00,-0.00000000000000000e+00]", 0},
        {"[99999999999999999999]", "[1.00000000000000000e+20]", 0},
        {"[012]", "[1.20000000000000000e+01]", 0},
        {"\"a\x01\nb\"", "\"a" FFFD FFFD "b\"", 0},
        {"\"a\\u0000b\"", "\"a" FFFD "b\"", 0},
        {"\"\\ud800 \\udc00 \\ud83d\\ude00\"", "\"" FFFD " " FFFD " \\ud83d\\ude00\"", 0},
        {"\"\xff\xc3\xa4\xed\xa0\x80\"", "\"" FFFD "\xc3\xa4" FFFD FFFD FFFD "\"", 0},
        {"\"\\x\\u12\"", "\"\\\\x\\\\u12\"", 0},
        {"\"a\0b\"", "\"a" FFFD "b\"", 5},
        {"{\"NaN\":\"Infinity\"}", "{\"NaN\":\"Infinity\"}", 0},
        {"true", "true", 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEAN_STR struct str text = STR_INIT;

        str_add_n(&text, cases[i].in, cases[i].n ? cases[i].n : strlen(cases[i].in));
        assert_int_equal(reply_filter(&text, NULL), 0);
        assert_string_equal(str_text(&text), cases[i].out);
        json_t *json = json_loads(str_text(&text), JSON_DECODE_ANY, NULL);
        assert_non_null(json);
        json_decref(json);
    }
}

static void nesting_has_a_limit(void **state)
{
    (void)state;
    CLEAN_STR struct str text = STR_INIT;
    struct error err = ERROR_INIT;

    for (int i = 0; i <= REPLY_DEPTH_MAX; i++)
        str_add_char(&text, '[');
    assert_int_equal(reply_filter(&text, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
}

static int parse(const char *body, json_t **ret, struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;

    str_add(&text, body);
    return reply_parse(&text, ret, err);
}

static void all_shapes_of_errors_give_one(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        ("{\"jsonrpc\":\"2.0\",\"error\":{\"code\":1,\"message\":\"VDI_IN_USE\",\"data\":[\"r\","
         "\"destroy\"]},\"id\":1}"),
        "{\"result\":null,\"error\":[\"VDI_IN_USE\",\"r\",\"destroy\"],\"id\":1}",
        "{\"jsonrpc\":\"2.0\",\"error\":[\"VDI_IN_USE\",\"r\",\"destroy\"],\"id\":0}",
    };
    struct error err = ERROR_INIT;
    json_t *result = NULL;

    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_int_equal(parse(bodies[i], &result, &err), -1);
        assert_memory_equal(err.text, "VDI_IN_USE(r, destroy): ", 24);
        assert_string_equal(err.origin, "VDI_IN_USE");
    }
    assert_int_equal(parse("{\"error\":{\"message\":\"VDI_IN_USE\",\"data\":[]}}", &result, &err),
                     -1);
    assert_memory_equal(err.text, "VDI_IN_USE: ", 12);
    assert_int_equal(parse("{\"error\":[]}", &result, &err), -1);
    assert_int_equal(err.code, ERROR_XAPI);
    assert_int_equal(parse("{\"error\":{\"message\":\"A\",\"data\":\"text\"}}", &result, &err), -1);
    assert_string_equal(err.text, "A(text)");
    assert_null(result);
}

static void what_is_no_answer_is_a_protocol_error(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "", "{", "[]", "\"x\"", "{\"id\":1}", "{\"result\":", "<html>", "{\"result\":1,}"};
    struct error err = ERROR_INIT;
    json_t *result = NULL;

    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_int_equal(parse(bodies[i], &result, &err), -1);
        assert_int_equal(err.code, ERROR_PROTOCOL);
    }
    assert_int_equal(parse("{\"result\":null,\"error\":null,\"id\":1}", &result, &err), 0);
    assert_true(json_is_null(result));
}

struct seen {
    struct str text;
    const char *stop_at;
};

static int see(void *context, const char *ref, const json_t *record, struct error *err)
{
    struct seen *seen = context;

    if (seen->stop_at && !strcmp(ref, seen->stop_at))
        return error_set(err, ERROR_LIMIT, "stopped");
    str_add_format(&seen->text, "%s=%s;", ref, reply_text(record, "uuid", "?"));
    return 0;
}

static int each(const char *body, struct seen *seen, struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;

    str_add(&text, body);
    return reply_each_record(&text, see, seen, err);
}

static void records_come_one_by_one(void **state)
{
    (void)state;
    struct seen seen = {STR_INIT, NULL};
    struct error err = ERROR_INIT;

    assert_int_equal(
        each(" { \"jsonrpc\" : \"2.0\" , \"result\" : { \"r:1\" : {\"uuid\":\"a\\\"}\","
             "\"x\":[{\"]\":1}]} , \"r2\":{\"uuid\":NaN}, \"r\\u0033\":{} } ,"
             "\"id\":7}",
             &seen, &err),
        0);
    assert_string_equal(str_text(&seen.text), "r:1=a\"};r2=?;r3=?;");
    str_clear(&seen.text);
    assert_int_equal(each("{\"result\":{}}", &seen, &err), 0);
    assert_string_equal(str_text(&seen.text), "");
    seen.stop_at = "b";
    assert_int_equal(each("{\"result\":{\"a\":{},\"b\":{},\"c\":{}}}", &seen, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
    assert_string_equal(str_text(&seen.text), "a=?;");
    str_done(&seen.text);
}

static void damaged_records_and_errors_are_told(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"result\":{\"a\":{}",
        "{\"result\":{\"a\":{},}}",
        "{\"result\":{\"a\"}}",
        "{\"result\":[]}",
        "{\"result\":{\"a\":}}",
        "{\"result\":{\"a\":{\"b\"}}}",
        "{\"result\":\"x\"}",
        "{}",
        "nothing",
        "{\"result\":{\"a\":{} \"b\"",
        "{\"result\":{a:{}}}",
        "{\"result\":{\"a\":{}]}}",
    };
    struct seen seen = {STR_INIT, NULL};
    struct error err = ERROR_INIT;

    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        if (!each(bodies[i], &seen, &err))
            fail_msg("%s was taken", bodies[i]);
        assert_int_equal(err.code, ERROR_PROTOCOL);
    }
    assert_int_equal(
        each("{\"result\":{\"a\":{}},\"error\":[\"SESSION_INVALID\",\"x\"]}", &seen, &err), -1);
    assert_string_equal(err.origin, "SESSION_INVALID");
    str_done(&seen.text);
}

static void members_of_another_type_are_the_default(void **state)
{
    (void)state;
    json_t *json = json_loads("{\"t\":\"x\",\"n\":5,\"neg\":-1,\"s\":\"42\",\"b\":true,"
                              "\"bs\":\"false\",\"f\":0.5,\"o\":{},\"null\":null,"
                              "\"ref\":\"OpaqueRef:a\",\"none\":\"OpaqueRef:NULL\",\"e\":\"\"}",
                              0, NULL);

    assert_string_equal(reply_text(json, "t", "d"), "x");
    assert_string_equal(reply_text(json, "n", "d"), "d");
    assert_string_equal(reply_text(json, "missing", "d"), "d");
    assert_true(reply_u64(json, "n", 9) == 5);
    assert_true(reply_u64(json, "neg", 9) == 0);
    assert_true(reply_u64(json, "s", 9) == 42);
    assert_true(reply_u64(json, "t", 9) == 9);
    assert_true(reply_u64(json, "o", 9) == 9);
    assert_true(reply_bool(json, "b", false));
    assert_false(reply_bool(json, "bs", true));
    assert_true(reply_bool(json, "n", true));
    assert_true(reply_real(json, "f", 0) > 0.4);
    assert_true(reply_real(json, "t", 2) > 1.9);
    assert_string_equal(reply_ref(json, "ref"), "OpaqueRef:a");
    assert_null(reply_ref(json, "none"));
    assert_null(reply_ref(json, "e"));
    assert_null(reply_ref(json, "o"));
    assert_null(reply_ref(NULL, "o"));
    json_decref(json);
}

/* A small generator of our own: the same bytes everywhere. */
static uint32_t noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static int take_any(void *context, const char *ref, const json_t *record, struct error *err)
{
    (void)ref;
    (void)err;
    *(size_t *)context += json_object_size(record);
    return 0;
}

static void damaged_answers_are_read_or_refused_never_more(void **state)
{
    (void)state;
    static const char sample[] =
        "{\"jsonrpc\":\"2.0\",\"result\":{\"OpaqueRef:1\":{\"uuid\":\"a\\u00e4\\ud83d\\ude00\","
        "\"n\":-12.5e3,\"s\":[\"x\",NaN,true,null],\"m\":{\"k\":\"\xc3\xa4\"}},\"r2\":{}},\"id\":"
        "1}";
    static const char alphabet[] = "{}[]\",:\\u0dNI-1e.+ \x01\xff\xc3";
    uint32_t seed = 7;
    size_t members = 0;
    int taken = 0;

    for (int i = 0; i < 20000; i++) {
        CLEAN_STR struct str records = STR_INIT;
        CLEAN_STR struct str whole = STR_INIT;
        struct error err = ERROR_INIT;
        json_t *result = NULL;

        str_add_n(&records, sample, sizeof sample - 1);
        for (uint32_t n = noise(&seed) % 5; n; n--)
            records.data[noise(&seed) % records.len] =
                alphabet[noise(&seed) % (sizeof alphabet - 1)];
        if (noise(&seed) % 4 == 0)
            str_set_len(&records, noise(&seed) % records.len);
        str_add_n(&whole, str_text(&records), records.len);
        bool is_taken = !reply_each_record(&records, take_any, &members, &err);
        bool is_error = is_taken || error_is_set(&err);
        assert_true(is_error);
        taken += is_taken;
        if (!reply_parse(&whole, &result, NULL))
            json_decref(result);
    }
    assert_true(taken > 1000 && taken < 19000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_json_is_repaired_and_the_rest_is_left),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(all_shapes_of_errors_give_one),
        cmocka_unit_test(what_is_no_answer_is_a_protocol_error),
        cmocka_unit_test(records_come_one_by_one),
        cmocka_unit_test(damaged_records_and_errors_are_told),
        cmocka_unit_test(members_of_another_type_are_the_default),
        cmocka_unit_test(damaged_answers_are_read_or_refused_never_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
