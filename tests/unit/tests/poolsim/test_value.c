/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "tests/poolsim/answer.h"
#include "tests/poolsim/value.h"

static void xml_call_becomes_the_same_values_as_json(void **state)
{
    static const char text[] =
        "<?xml version='1.0'?>\n<!-- c --><methodCall> <methodName>VM.x</methodName><params>"
        "<param><value><string>a&lt;&#x41;</string></value></param>"
        "<param><value> b "
        "</value></param><param><value/></param><param><value><int>-5</int></value></param>"
        "<param><value><i4>7</i4></value></param><param><value><boolean>1</boolean></value></param>"
        "<param><value><double>0.5</double></value></param><param><value><nil/></value></param>"
        "<param><value><array><data><value>x</value><value><![CDATA[<y>]]></value></data></array></"
        "value></param>"
        "<param><value><struct><member><name>k</name><value>v</value></member></struct></value></"
        "param>"
        "<param><value><array><data/></array></value></param></params></methodCall>\n";
    CLEAN_CHAR char *method = NULL;
    CLEAN_CHAR char *error = NULL;
    CLEAN_CHAR char *shown = NULL;
    json_t *params = NULL;

    (void)state;
    assert_int_equal(value_parse_xml_call(text, strlen(text), &method, &params, &error), 0);
    assert_string_equal(method, "VM.x");
    shown = value_show(params);
    assert_string_equal(
        shown, "[S(a<A);S( b );S();I(-5);I(7);B(true);F(0.5);N;[S(x);S(<y>)];{k:S(v)};[]]");
    json_decref(params);
}

static void broken_xml_is_told_as_xmlm_tells_it(void **state)
{
    static const struct {
        const char *text;
        const char *error;
    } rows[] = {
        {"", "Xmlm.Error(1:1, \"unexpected end of input\")"},
        {"x", "Xmlm.Error(1:1, \"expected root element\")"},
        {"<methodCall><methodName>x", "Xmlm.Error(1:26, \"unexpected end of input\")"},
        {"<methodCall><methodName>x</methodName><params><param><value>", NULL},
        {"<methodCall><methodName>x</methodName><params><param><value><int>z</int></value>", NULL},
        {"<methodCall><methodName>x</methodName><params><param><value>&bad;</value>", NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CLEAN_CHAR char *method = NULL;
        CLEAN_CHAR char *error = NULL;
        json_t *params = NULL;
        assert_int_equal(
            value_parse_xml_call(rows[i].text, strlen(rows[i].text), &method, &params, &error), -1);
        if (rows[i].error)
            assert_string_equal(error, rows[i].error);
        assert_true(strncmp(error, "Xmlm.Error(", 11) == 0);
    }
}

static void nesting_without_end_is_refused(void **state)
{
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_CHAR char *method = NULL;
    CLEAN_CHAR char *error = NULL;
    json_t *params = NULL;

    (void)state;
    str_add(&text, "<methodCall><methodName>x</methodName><params><param>");
    for (int i = 0; i < 100000; i++)
        str_add(&text, "<value><array><data>");
    assert_int_equal(value_parse_xml_call(str_text(&text), text.len, &method, &params, &error), -1);
}

static void misfits_are_told_as_xapis_decoder_tells_them(void **state)
{
    static const struct {
        const char *json;
        struct type type;
        const char *text; /* NULL: fits */
    } rows[] = {
        {"\"a\"", {KIND_TEXT, KIND_VOID, KIND_VOID, ""}, NULL},
        {"42", {KIND_REF, KIND_VOID, KIND_VOID, "VM"}, "Failure(\"Expected string, got 'I(42)'\")"},
        {"{\"a\":\"b\"}",
         {KIND_TEXT, KIND_VOID, KIND_VOID, ""},
         "Failure(\"Expected string, got '{a:S(b)}'\")"},
        {"\"x\"",
         {KIND_SET, KIND_REF, KIND_VOID, "VDI"},
         "Failure(\"Expecting Rpc.Enum, but found 'S(x)'\")"},
        {"[\"x\"]", {KIND_SET, KIND_REF, KIND_VOID, "VDI"}, NULL},
        {"\"12\"", {KIND_INT, KIND_VOID, KIND_VOID, ""}, NULL},
        {"12", {KIND_INT, KIND_VOID, KIND_VOID, ""}, NULL},
        {"\"1x\"", {KIND_INT, KIND_VOID, KIND_VOID, ""}, "Failure(\"Int64.of_string\")"},
        {"1", {KIND_FLOAT, KIND_VOID, KIND_VOID, ""}, NULL},
        {"\"Halted\"", {KIND_ENUM, KIND_VOID, KIND_VOID, "vm_power_state"}, NULL},
        {"\"Halt\"",
         {KIND_ENUM, KIND_VOID, KIND_VOID, "vm_power_state"},
         "Failure(\"Unknown tag/contents\")"},
        {"\"20200101T00:00:00Z\"", {KIND_DATE, KIND_VOID, KIND_VOID, ""}, NULL},
        {"\"not a date\"",
         {KIND_DATE, KIND_VOID, KIND_VOID, ""},
         "Invalid argument: Clock__Date.of_iso8601: not a date"},
        {"{\"destroy\":\"no\"}", {KIND_MAP, KIND_TEXT, KIND_ENUM, "vm_operations"}, NULL},
        {"{\"nope\":\"no\"}",
         {KIND_MAP, KIND_TEXT, KIND_ENUM, "vm_operations"},
         "Failure(\"Unknown tag/contents\")"}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CLEAN_FAILURE struct failure failure = FAILURE_INIT;
        json_t *value = json_loads(rows[i].json, JSON_DECODE_ANY, NULL);
        assert_non_null(value);
        assert_int_equal(value_check(value, &rows[i].type, &failure), rows[i].text ? -1 : 0);
        if (rows[i].text) {
            assert_string_equal(failure_code(&failure), "INTERNAL_ERROR");
            assert_string_equal(failure.params.items[1], rows[i].text);
        }
        json_decref(value);
    }
}

static void answers_are_written_in_both_encodings(void **state)
{
    static const char *const expected[] = {
        "{\"a\":[\"x\\n\\\"\",7,true,1.0,0.1],\"b\":{},\"d\":\"19700101T00:00:00Z\"}",
        "<value><struct><member><name>a</name><value><array><data><value>x\n&quot;</value>"
        "<value>7</value><value><boolean>1</boolean></value><value><double>1</double></value>"
        "<value><double>0.1</double></value></data></array></value></member><member><name>b</name>"
        "<value><struct></struct></value></member><member><name>d</name><value>"
        "<dateTime.iso8601>19700101T00:00:00Z</dateTime.iso8601></value></member></struct></"
        "value>"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        CLEAN_ANSWER struct answer answer;
        answer_init(&answer, i ? ENCODING_XML : ENCODING_JSON);
        answer_begin_map(&answer);
        answer_key(&answer, "a");
        answer_begin_set(&answer);
        answer_text(&answer, "x\n\"");
        answer_int(&answer, 7);
        answer_bool(&answer, true);
        answer_float(&answer, 1.0);
        answer_float(&answer, 0.1);
        answer_end_set(&answer);
        answer_key(&answer, "b");
        answer_begin_map(&answer);
        answer_end_map(&answer);
        answer_key(&answer, "d");
        answer_date(&answer, "19700101T00:00:00Z");
        answer_end_map(&answer);
        assert_string_equal(str_text(&answer.text), expected[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xml_call_becomes_the_same_values_as_json),
        cmocka_unit_test(broken_xml_is_told_as_xmlm_tells_it),
        cmocka_unit_test(nesting_without_end_is_refused),
        cmocka_unit_test(misfits_are_told_as_xapis_decoder_tells_them),
        cmocka_unit_test(answers_are_written_in_both_encodings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
