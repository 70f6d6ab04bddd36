/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The XML scanner and ova.xml on top of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/ova.h"
#include "common/format/xml.h"
#include "tests/unit/common/format/make_xva.h"

static int on_open(void *context, const char *name, struct error *err)
{
    (void)err;
    str_add_format(context, "<%s", name);
    return 0;
}

static int on_attribute(void *context, const char *name, const char *value, struct error *err)
{
    (void)err;
    str_add_format(context, " %s=[%s]", name, value);
    return 0;
}

static int on_text(void *context, const char *bytes, size_t n, struct error *err)
{
    (void)err;
    str_add_n(context, bytes, n);
    return 0;
}

static int on_close(void *context, const char *name, struct error *err)
{
    (void)err;
    str_add_format(context, "/%s>", name);
    return 0;
}

static const struct xml_events events = {on_open, on_attribute, on_text, on_close};

static int scan(const char *text, size_t n, size_t piece, struct str *out, struct error *err)
{
    CLEAN_XML struct xml *xml = xml_new(&events, out);

    for (size_t at = 0; at < n; at += piece)
        if (xml_feed(xml, text + at, n - at < piece ? n - at : piece, err))
            return -1;
    return xml_finish(xml, err);
}

static const struct {
    const char *text, *want;
} good[] = {
    {"<a/>", "<a/a>"},
    {"<a></a>\n", "<a/a>"},
    {"<?xml version=\"1.0\"?>\n<a>x</a>", "<ax/a>"},
    {"<a>x<b/>y</a>", "<ax<b/b>y/a>"},
    {"<a b=\"1\" c = '2\"'/>", "<a b=[1] c=[2\"]/a>"},
    {"<a b='&lt;&amp;&#65;&#x20AC;&#x1F600;'/>", "<a b=[<&A\xe2\x82\xac\xf0\x9f\x98\x80]/a>"},
    {"<a>&quot;&apos;&gt;</a>", "<a\"'>/a>"},
    {"<a><!-- - -- --x --->t</a>", "<at/a>"},
    {"<!-- before --><a/><!-- after -->", "<a/a>"},
    {"<a><![CDATA[<b>]]&amp;]>]]]></a>", "<a<b>]]&amp;]>]/a>"},
    {"<a><![CDATA[]]></a>", "<a/a>"},
    {"<a:b-c.d_e></a:b-c.d_e >", "<a:b-c.d_e/a:b-c.d_e>"},
    {"<a b=\"x'y>z\"></a>", "<a b=[x'y>z]/a>"},
    {"<a>\xc3\xa4</a>", "<a\xc3\xa4/a>"},
};

static void well_formed_text_gives_its_events_whatever_the_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        for (size_t piece = 1; piece < 40; piece += 3) {
            CLEAN_STR struct str out = STR_INIT;
            struct error err = ERROR_INIT;
            if (scan(good[i].text, strlen(good[i].text), piece, &out, &err))
                fail_msg("%s: %s", good[i].text, err.text);
            assert_string_equal(str_text(&out), good[i].want);
        }
}

static const struct {
    const char *text;
    enum error_code code;
} bad[] = {
    {"", ERROR_SHORT},
    {"  \n", ERROR_SHORT},
    {"<a>", ERROR_SHORT},
    {"<a><b></b>", ERROR_SHORT},
    {"<a", ERROR_SHORT},
    {"<a b='1", ERROR_SHORT},
    {"<a>x</a", ERROR_SHORT},
    {"<a/>&lt", ERROR_SHORT},
    {"<a/><!-- x", ERROR_SHORT},
    {"x<a/>", ERROR_CORRUPT},
    {"<a/>x", ERROR_CORRUPT},
    {"<a/><b/>", ERROR_CORRUPT},
    {"<a></b>", ERROR_CORRUPT},
    {"</a>", ERROR_CORRUPT},
    {"<a><b></a></b>", ERROR_CORRUPT},
    {"<a b=1/>", ERROR_CORRUPT},
    {"<a b/>", ERROR_CORRUPT},
    {"<a b='<'/>", ERROR_CORRUPT},
    {"<a b='1'c='2'/>", ERROR_CORRUPT},
    {"<a / b='1'/>", ERROR_CORRUPT},
    {"< a/>", ERROR_CORRUPT},
    {"<1/>", ERROR_CORRUPT},
    {"<a>&nbsp;</a>", ERROR_CORRUPT},
    {"<a>&#0;</a>", ERROR_CORRUPT},
    {"<a>&#xD800;</a>", ERROR_CORRUPT},
    {"<a>&#x110000;</a>", ERROR_CORRUPT},
    {"<a>&#;</a>", ERROR_CORRUPT},
    {"<a>& b</a>", ERROR_CORRUPT},
    {"<a>&waytoolongforany;</a>", ERROR_CORRUPT},
    {"<!DOCTYPE a><a/>", ERROR_CORRUPT},
    {"<a><!ENTITY></a>", ERROR_CORRUPT},
    {"<![CDATA[x]]><a/>", ERROR_CORRUPT},
    {"&lt;<a/>", ERROR_CORRUPT},
    {"<a></a b>", ERROR_CORRUPT},
};

static void what_is_not_well_formed_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (size_t piece = 1; piece < 40; piece += 7) {
            CLEAN_STR struct str out = STR_INIT;
            struct error err = ERROR_INIT;
            if (!scan(bad[i].text, strlen(bad[i].text), piece, &out, &err) ||
                err.code != bad[i].code)
                fail_msg("%s: %s", bad[i].text, err.text);
        }
}

static void depth_and_names_are_bounded_and_long_values_cut(void **state)
{
    CLEAN_STR struct str deep = STR_INIT;
    CLEAN_STR struct str name = STR_INIT;
    CLEAN_STR struct str value = STR_INIT;
    CLEAN_STR struct str out = STR_INIT;
    struct error err = ERROR_INIT;

    (void)state;
    for (int i = 0; i <= XML_DEPTH_MAX; i++)
        str_add(&deep, "<a>");
    assert_int_equal(scan(deep.data, deep.len, 100, &out, &err), -1);
    assert_non_null(strstr(err.text, "too deep"));
    str_add_char(&name, '<');
    for (int i = 0; i < XML_NAME_MAX; i++)
        str_add_char(&name, 'n');
    str_add(&name, "/>");
    assert_int_equal(scan(name.data, name.len, 100, &out, &err), -1);
    assert_non_null(strstr(err.text, "too long"));
    str_add(&value, "<a b='");
    for (int i = 0; i < 3 * XML_VALUE_MAX; i++)
        str_add(&value, "v&amp;");
    str_add(&value, "'/>");
    str_clear(&out);
    assert_int_equal(scan(value.data, value.len, 1000, &out, &err), 0);
    assert_int_equal(out.len, strlen("<a b=[") + XML_VALUE_MAX - 1 + strlen("]/a>"));
}

static int read_ova(const struct str *text, struct ova *ova, struct error *err)
{
    CLEAN_OVA_READER struct ova_reader *reader = ova_reader_new();

    for (size_t at = 0; at < text->len; at += 100)
        if (ova_reader_feed(reader, text->data + at, text->len - at < 100 ? text->len - at : 100,
                            err))
            return -1;
    return ova_reader_finish(reader, ova, err);
}

static void ova_xml_names_the_vm_and_its_disks_in_order(void **state)
{
    static const char *const refs[] = {"Ref:9", "Ref:10"};
    static const uint64_t sizes[] = {111, 222};
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_OVA struct ova ova = {.disks = NULL};
    struct error err = ERROR_INIT;

    (void)state;
    make_ova_text(&text, refs, sizes, 2);
    assert_int_equal(read_ova(&text, &ova, &err), 0);
    assert_string_equal(ova.vm_name, "web1 & more");
    assert_int_equal(ova.xapi_major, 1);
    assert_int_equal(ova.xapi_minor, 20);
    assert_int_equal(ova.export_vsn, 2);
    assert_int_equal(ova.disks_n, 2);
    assert_string_equal(ova.disks[0].ref, "Ref:10");
    assert_string_equal(ova.disks[0].userdevice, "1");
    assert_int_equal(ova.disks[0].virtual_size_bytes, 222);
    assert_string_equal(ova.disks[1].vdi_uuid, "vdi-0");
}

/* Replaces the first occurrence. */
static void replace(struct str *text, const char *from, const char *to)
{
    CLEAN_STR struct str out = STR_INIT;
    const char *at = strstr(text->data, from);

    assert_non_null(at);
    str_add_n(&out, text->data, (size_t)(at - text->data));
    str_add(&out, to);
    str_add(&out, at + strlen(from));
    str_clear(text);
    str_add_n(text, out.data, out.len);
}

static void spellings_of_other_writers_are_read(void **state)
{
    static const uint64_t size = 111;
    static const char *const ref = "Ref:9";
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_OVA struct ova ova = {.disks = NULL};
    struct error err = ERROR_INIT;

    (void)state;
    make_ova_text(&text, &ref, &size, 1);
    replace(&text, "<value>VDI</value>", "<value>\n  <string>VDI</string>\n </value>");
    replace(&text, "<value>VM</value>", "<value> <string>VM</string> </value>");
    replace(&text, "<boolean>0</boolean>", "<boolean>1</boolean>");
    replace(&text, "<value>user</value>", "<value><string>suspend</string></value>");
    replace(&text, "<value>Disk</value>", "<value>CD</value>");
    assert_int_equal(read_ova(&text, &ova, &err), 0);
    assert_true(ova.vm_is_template);
    assert_int_equal(ova.disks_n, 1);
    assert_true(ova.disks[0].is_suspend);
}

static const struct {
    const char *from, *to, *says;
    enum error_code code;
} broken[] = {
    {"<value>111</value>", "<value>x</value>", "virtual_size", ERROR_CORRUPT},
    {"<value>111</value>", "<value>-1</value>", "virtual_size", ERROR_CORRUPT},
    {"<value>VM</value>", "<value>MV</value>", "no VM", ERROR_CORRUPT},
    {"<name>export_vsn</name><value>2", "<name>export_vsn</name><value>two", "export_vsn",
     ERROR_CORRUPT},
    {"</struct></value></data></array>", "</struct></value></data>", "closes nothing",
     ERROR_CORRUPT},
};

static void a_broken_ova_xml_is_refused_with_the_reason(void **state)
{
    static const uint64_t size = 111;
    static const char *const ref = "Ref:9";

    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        CLEAN_STR struct str text = STR_INIT;
        CLEAN_OVA struct ova ova = {.disks = NULL};
        struct error err = ERROR_INIT;
        make_ova_text(&text, &ref, &size, 1);
        replace(&text, broken[i].from, broken[i].to);
        assert_int_equal(read_ova(&text, &ova, &err), -1);
        if (err.code != broken[i].code || !strstr(err.text, broken[i].says))
            fail_msg("%s: %s", broken[i].to, err.text);
    }
}

static void refs_that_meet_or_name_paths_are_refused(void **state)
{
    static const uint64_t sizes[] = {1, 2};
    static const char *const twice[] = {"Ref:9", "Ref:9"};
    static const char *const path[] = {"Ref:9/1", "Ref:8"};
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_STR struct str b = STR_INIT;
    CLEAN_OVA struct ova ova = {.disks = NULL};
    struct error err = ERROR_INIT;

    (void)state;
    make_ova_text(&a, twice, sizes, 2);
    assert_int_equal(read_ova(&a, &ova, &err), -1);
    assert_non_null(strstr(err.text, "two VDIs are called Ref:9"));
    make_ova_text(&b, path, sizes, 2);
    assert_int_equal(read_ova(&b, &ova, &err), -1);
    assert_non_null(strstr(err.text, "'Ref:9/1' is no reference"));
}

static void too_many_objects_are_refused(void **state)
{
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_OVA struct ova ova = {.disks = NULL};
    struct error err = ERROR_INIT;

    (void)state;
    str_add(&text, "<value><struct><member><name>objects</name><value><array><data>");
    for (int i = 0; i <= OVA_OBJECTS_MAX; i++)
        str_add(&text, "<value><struct><member><name>class</name><value>SR</value></member>"
                       "</struct></value>");
    assert_int_equal(read_ova(&text, &ova, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_text_gives_its_events_whatever_the_pieces),
        cmocka_unit_test(what_is_not_well_formed_is_refused),
        cmocka_unit_test(depth_and_names_are_bounded_and_long_values_cut),
        cmocka_unit_test(ova_xml_names_the_vm_and_its_disks_in_order),
        cmocka_unit_test(spellings_of_other_writers_are_read),
        cmocka_unit_test(a_broken_ova_xml_is_refused_with_the_reason),
        cmocka_unit_test(refs_that_meet_or_name_paths_are_refused),
        cmocka_unit_test(too_many_objects_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
