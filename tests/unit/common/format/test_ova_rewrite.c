/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * common/format/ova_rewrite and xva_rewrite: identity changes and nothing else; what is not
 * understood stays as it is; the archive passes our own check in pieces of any size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/ova.h"
#include "common/format/ova_rewrite.h"
#include "common/format/xva.h"
#include "common/format/xva_rewrite.h"
#include "tests/unit/common/format/make_xva.h"

#define MARK        "<member><name>onyxpool</name><value>1234/vm-uuid/7</value></member>"
#define NO_TEMPLATE "<value><boolean>0</boolean></value>"
#define TEMPLATE    "<value><boolean>1</boolean></value>"

static const char *const refs[] = {"Ref:10", "Ref:9"};
static const uint64_t sizes[] = {MAKE_MIB, 1024};
static const struct ova_identity identity = {
    .snapshot_uuid = "vm-uuid", .vm_uuid = "the-vm's", .vm_name = "web <1> & \"2\""};

/* Every occurrence of from. */
static void swap(struct str *text, const char *from, const char *to)
{
    CLEAN_STR struct str made = STR_INIT;
    const char *at = str_text(text);
    const char *next;

    while ((next = strstr(at, from)) != NULL) {
        str_add_n(&made, at, (size_t)(next - at));
        str_add(&made, to);
        at = next + strlen(from);
    }
    str_add(&made, at);
    str_clear(text);
    str_add(text, str_text(&made));
}

/* As a snapshot's ova.xml is: a template, and our mark copied into every other_config. */
static void make_snapshot_text(struct str *text)
{
    make_ova_text(text, refs, sizes, 2);
    swap(text, NO_TEMPLATE, TEMPLATE);
    swap(text, "<value>7</value></member></struct>", "<value>7</value></member>" MARK "</struct>");
    assert_non_null(strstr(str_text(text), MARK));
}

static void rewrite_when_a_snapshot_then_it_is_the_vm_and_all_else_stays(void **state)
{
    (void)state;
    CLEAN_STR struct str text = STR_INIT, made = STR_INIT;
    struct error err = ERROR_INIT;
    make_snapshot_text(&text);
    assert_int_equal(ova_rewrite(str_text(&text), text.len, &identity, &made, &err), 0);
    /* The same changes made by hand. */
    swap(&text, MARK, "");
    swap(&text, TEMPLATE, NO_TEMPLATE);
    swap(&text, "<value>vm-uuid</value>", "<value>the-vm's</value>");
    swap(&text, "<value>web1 &amp; more</value>", "<value>web &lt;1&gt; &amp; \"2\"</value>");
    assert_string_equal(str_text(&made), str_text(&text));
}

static void rewrite_when_it_is_the_vm_already_then_not_a_byte_changes(void **state)
{
    (void)state;
    CLEAN_STR struct str text = STR_INIT, made = STR_INIT;
    struct error err = ERROR_INIT;
    const struct ova_identity same = {"vm-uuid", "vm-uuid", "web1 & more"};
    make_ova_text(&text, refs, sizes, 2);
    assert_int_equal(ova_rewrite(str_text(&text), text.len, &same, &made, &err), 0);
    assert_string_equal(str_text(&made), str_text(&text));
}

static void rewrite_when_the_name_has_control_bytes_then_they_are_left_out(void **state)
{
    (void)state;
    CLEAN_STR struct str text = STR_INIT, made = STR_INIT;
    struct error err = ERROR_INIT;
    const struct ova_identity odd = {"vm-uuid", "vm-uuid",
                                     "a\x01\x1b"
                                     "b\xc3\xa9"};
    make_ova_text(&text, refs, sizes, 0);
    assert_int_equal(ova_rewrite(str_text(&text), text.len, &odd, &made, &err), 0);
    assert_non_null(strstr(str_text(&made), "<value>ab\xc3\xa9</value>"));
}

/* Each is refused with this code: from is replaced by to in a good text. */
static const struct {
    const char *from, *to;
    enum error_code code;
} refused[] = {
    {"<value>vm-uuid</value>", "<value>another</value>", ERROR_NOT_FOUND},
    {"<value>VM</value>", "<value>VMs</value>", ERROR_NOT_FOUND},
    {"<value>VBD</value>", "<value>VM</value>", ERROR_NOT_FOUND}, /* which one is it? */
    {"<member><name>is_a_template</name>" TEMPLATE "</member>", "", ERROR_CORRUPT},
    {"<name>power_state</name>", "<name>uuid</name>", ERROR_NOT_FOUND},
    {"<name>power_state</name>", "<name>name_label</name>", ERROR_CORRUPT},
    {"</value></member></struct></value>", "</value></member></struct>", ERROR_CORRUPT},
    {"<value>1048576</value>", "<value>many</value>", ERROR_CORRUPT},
    {MARK, "<member><name>onyxpool</name><value><struct>" MARK "</struct></value></member>",
     ERROR_NONE}, /* whatever stands under our key goes whole */
};

static void rewrite_when_not_understood_then_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        CLEAN_STR struct str text = STR_INIT, made = STR_INIT;
        struct error err = ERROR_INIT;
        make_snapshot_text(&text);
        assert_non_null(strstr(str_text(&text), refused[i].from));
        swap(&text, refused[i].from, refused[i].to);
        int result = ova_rewrite(str_text(&text), text.len, &identity, &made, &err);
        if ((result == 0) != (refused[i].code == ERROR_NONE) || err.code != refused[i].code)
            fail_msg("case %zu: %d %s", i, err.code, err.text);
        assert_int_equal(made.len != 0, result == 0);
    }
}

static void rewrite_when_too_large_then_refused(void **state)
{
    (void)state;
    CLEAN_STR struct str text = STR_INIT, made = STR_INIT;
    struct error err = ERROR_INIT;
    make_snapshot_text(&text);
    while (text.len <= OVA_REWRITE_MAX)
        str_add(&text, "                                                                ");
    assert_int_equal(ova_rewrite(str_text(&text), text.len, &identity, &made, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
}

/* --- the archive --- */

static int keep(void *context, const void *bytes, size_t n, struct error *err)
{
    (void)err;
    str_add_n(context, bytes, n);
    return 0;
}

static void make_archive(struct str *archive, const struct str *text)
{
    make_member(archive, "ova.xml", text->data, text->len);
    make_block(archive, "Ref:10", 0, MAKE_MIB);
    make_block(archive, "Ref:9", 0, 1024);
    make_end(archive);
}

static void pass(struct xva_rewrite *rewrite, const struct str *archive, size_t piece,
                 struct str *out)
{
    struct error err = ERROR_INIT;
    for (size_t at = 0; at < archive->len; at += piece) {
        size_t n = archive->len - at < piece ? archive->len - at : piece;
        assert_int_equal(xva_rewrite_feed(rewrite, archive->data + at, n, keep, out, &err), 0);
    }
    assert_int_equal(xva_rewrite_finish(rewrite, keep, out, &err), 0);
}

static void xva_when_rewritten_then_our_check_passes_whatever_the_pieces(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 511, 512, 4097, SIZE_MAX / 2};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        CLEAN_STR struct str text = STR_INIT, archive = STR_INIT, out = STR_INIT;
        CLEAN_STR struct str made = STR_INIT, want = STR_INIT;
        struct error err = ERROR_INIT;
        CLEAN_XVA_REWRITE struct xva_rewrite *rewrite = xva_rewrite_new(&identity);
        CLEAN_XVA_CHECK struct xva_check *check = xva_check_new(NULL, 0, &err);
        CLEAN_XVA_SUMMARY struct xva_summary summary = {.bytes = 0};
        make_snapshot_text(&text);
        make_archive(&archive, &text);
        pass(rewrite, &archive, pieces[i], &out);
        assert_null(xva_rewrite_refusal(rewrite));
        assert_int_equal(xva_check_feed(check, out.data, out.len, &err), 0);
        assert_int_equal(xva_check_finish(check, &summary, &err), 0);
        assert_string_equal(summary.ova.vm_uuid, "the-vm's");
        assert_string_equal(summary.ova.vm_name, "web <1> & \"2\"");
        assert_false(summary.ova.vm_is_template);
        assert_int_equal(summary.bytes, out.len);
        assert_int_equal(ova_rewrite(text.data, text.len, &identity, &made, &err), 0);
        make_archive(&want, &made);
        assert_int_equal(out.len, want.len);
        assert_memory_equal(out.data, want.data, want.len);
    }
}

static void xva_when_not_understood_then_it_passes_as_it_came(void **state)
{
    (void)state;
    static const char *const names[] = {"ova.xml", "ova.xmm", "ova.xml"};
    for (size_t i = 0; i < 3; i++) {
        CLEAN_STR struct str text = STR_INIT, archive = STR_INIT, out = STR_INIT;
        CLEAN_XVA_REWRITE struct xva_rewrite *rewrite = xva_rewrite_new(&identity);
        make_snapshot_text(&text);
        if (i == 0)
            swap(&text, "vm-uuid", "another");
        make_member(&archive, names[i], text.data, text.len);
        make_end(&archive);
        if (i == 2)
            str_set_len(&archive, 3000); /* inside ova.xml */
        pass(rewrite, &archive, 1000, &out);
        assert_non_null(xva_rewrite_refusal(rewrite));
        assert_int_equal(out.len, archive.len);
        assert_memory_equal(out.data, archive.data, archive.len);
    }
}

static void xva_when_empty_then_nothing_leaves(void **state)
{
    (void)state;
    CLEAN_STR struct str archive = STR_INIT, out = STR_INIT;
    CLEAN_XVA_REWRITE struct xva_rewrite *rewrite = xva_rewrite_new(&identity);
    pass(rewrite, &archive, 1, &out);
    assert_int_equal(out.len, 0);
    assert_non_null(xva_rewrite_refusal(rewrite));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rewrite_when_a_snapshot_then_it_is_the_vm_and_all_else_stays),
        cmocka_unit_test(rewrite_when_it_is_the_vm_already_then_not_a_byte_changes),
        cmocka_unit_test(rewrite_when_the_name_has_control_bytes_then_they_are_left_out),
        cmocka_unit_test(rewrite_when_not_understood_then_refused),
        cmocka_unit_test(rewrite_when_too_large_then_refused),
        cmocka_unit_test(xva_when_rewritten_then_our_check_passes_whatever_the_pieces),
        cmocka_unit_test(xva_when_not_understood_then_it_passes_as_it_came),
        cmocka_unit_test(xva_when_empty_then_nothing_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
