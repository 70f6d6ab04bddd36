/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names on a share, there and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "common/model/name_on_share.h"

#define UUID "3f9a2c1b-00e4-4d71-8000-000000000001"

static const struct {
    const char *name, *folder;
} rows[] = {
    {"web1", "web1"},
    {"DEV MYSQL", "DEV MYSQL"},
    {" leading blank", " leading blank"},
    {"a/b\\c:d*e?f\"g<h>i|j", "a%2Fb%5Cc%3Ad%2Ae%3Ff%22g%3Ch%3Ei%7Cj"},
    {"tab\tlf\n\x7f", "tab%09lf%0A%7F"},
    {".hidden", "%2Ehidden"},
    {"a.b.c", "a.b.c"},
    {"dot.", "dot%2E"},
    {"dots...", "dots..%2E"},
    {"blank ", "blank%20"},
    {".", "%2E"},
    {"..", "%2E%2E"},
    {"", "%00"},
    {"100%", "100%"},
    {"100%25", "100%2525"},
    {"%zz", "%zz"},
    {"%a", "%a"},
    {"%00", "%2500"},
    {"CON", "%43ON"},
    {"con.txt", "%63on.txt"},
    {"Nul .x", "%4Eul .x"},
    {"COM1", "%43OM1"},
    {"lpt9.a", "%6Cpt9.a"},
    {"COM0", "COM0"},
    {"COM10", "COM10"},
    {"CONSOLE", "CONSOLE"},
    {"POOL_DB", "%50OOL_DB"},
    {"pool_db", "%70ool_db"},
    {"POOL_DB2", "POOL_DB2"},
    {"HOST_a", "%48OST_a"},
    {"host_a", "%68ost_a"},
    {"HOST", "HOST"},
    {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
    {"\xe6\x97\xa5", "\xe6\x97\xa5"},
    {"bad\xff\xc3", "bad%FF%C3"},
    {"~12345678", "~12345678"},
};

static void names_become_folders_and_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CLEAN_CHAR char *folder = name_on_share_encode(rows[i].name, UUID);
        CLEAN_CHAR char *name = NULL;
        assert_string_equal(folder, rows[i].folder);
        assert_true(name_on_share_decode(folder, &name));
        assert_string_equal(name, rows[i].name);
        assert_int_equal(name_on_share_is_plain(rows[i].name),
                         str_equal(rows[i].name, rows[i].folder));
    }
}

static void any_short_name_comes_back(void **state)
{
    static const char alphabet[] = "%2.0aA/ \xc3\xa4\xff\n\\HOST_CN:";
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char name[25];
        size_t n = (size_t)(seed >> 8) % 24;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1103515245u + 12345u;
            name[i] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        name[n] = '\0';
        CLEAN_CHAR char *folder = name_on_share_encode(name, UUID);
        CLEAN_CHAR char *back = NULL;
        assert_true(name_on_share_decode(folder, &back));
        assert_string_equal(back, name);
        assert_true(str_is_utf8(folder, strlen(folder)));
        assert_null(strpbrk(folder, "/\\:*?\"<>|\n"));
        assert_true(folder[0] != '.' && !str_ends(folder, ".") && !str_ends(folder, " "));
    }
}

static void a_long_name_is_cut_between_characters_and_gets_its_uuid(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        CLEAN_STR struct str name = STR_INIT;
        CLEAN_CHAR char *back = NULL;
        for (size_t i = 0; i < shift; i++)
            str_add_char(&name, 'x');
        while (name.len < 250)
            str_add(&name, "\xe2\x82\xac");
        CLEAN_CHAR char *folder = name_on_share_encode(str_text(&name), UUID);
        assert_true(str_ends(folder, "\xac~3f9a2c1b"));
        assert_true(str_is_utf8(folder, strlen(folder)));
        assert_true(strlen(folder) > NAME_ON_SHARE_MAX);
        assert_true(strlen(folder) <= NAME_ON_SHARE_MAX + 9);
        assert_false(name_on_share_decode(folder, &back));
        assert_null(back);
        assert_false(name_on_share_is_plain(str_text(&name)));
    }
}

static void an_encoded_byte_is_never_cut(void **state)
{
    CLEAN_STR struct str name = STR_INIT;

    (void)state;
    for (int i = 0; i < 100; i++)
        str_add_char(&name, ':');
    CLEAN_CHAR char *folder = name_on_share_encode(str_text(&name), UUID);
    assert_true(str_ends(folder, "%3A~3f9a2c1b"));
}

static void a_name_of_exactly_the_limit_stays(void **state)
{
    CLEAN_CHAR char *name = mem_zero(NAME_ON_SHARE_MAX + 2, 1);

    (void)state;
    memset(name, 'n', NAME_ON_SHARE_MAX);
    CLEAN_CHAR char *folder = name_on_share_encode(name, UUID);
    assert_string_equal(folder, name);
    name[NAME_ON_SHARE_MAX] = 'n';
    CLEAN_CHAR char *cut = name_on_share_encode(name, UUID);
    assert_true(str_ends(cut, "n~3f9a2c1b"));
}

static void a_twin_gets_its_uuid_behind_the_encoded_name(void **state)
{
    (void)state;
    CLEAN_CHAR char *folder = name_on_share_encode_twin("web:1.", UUID);
    assert_string_equal(folder, "web%3A1%2E_3f9a2c1b");
    CLEAN_CHAR char *bare = name_on_share_encode_twin("web", NULL);
    assert_string_equal(bare, "web_");
}

static void what_no_name_becomes_is_not_decoded(void **state)
{
    char *name = NULL;

    (void)state;
    assert_false(name_on_share_decode("", &name));
    assert_false(name_on_share_decode("a%00b", &name));
    assert_null(name);
}

static void folders_are_the_same_without_case_and_form(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } pairs[] = {
        {"web1", "web1", true},
        {"web1", "WEB1", true},
        {"web1", "web2", false},
        {"web", "web1", false},
        {"", "", true},
        {"\xc3\xa4", "a\xcc\x88", true}, /* composed, decomposed */
        {"\xc3\x84", "a\xcc\x88", true}, /* and the other case */
        {"\xc3\xa4", "a", false},
        {"\xce\xa3", "\xcf\x82", true}, /* Sigma, final sigma */
        {"\xef\xac\x81", "fi", true},   /* ligature folds */
        {"a\xff", "A\xff", true},       /* no UTF-8: ASCII case */
        {"a\xff", "a\xfe", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_int_equal(name_on_share_same(pairs[i].a, pairs[i].b), pairs[i].same);
        assert_int_equal(name_on_share_same(pairs[i].b, pairs[i].a), pairs[i].same);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_become_folders_and_come_back),
        cmocka_unit_test(any_short_name_comes_back),
        cmocka_unit_test(a_long_name_is_cut_between_characters_and_gets_its_uuid),
        cmocka_unit_test(an_encoded_byte_is_never_cut),
        cmocka_unit_test(a_name_of_exactly_the_limit_stays),
        cmocka_unit_test(a_twin_gets_its_uuid_behind_the_encoded_name),
        cmocka_unit_test(what_no_name_becomes_is_not_decoded),
        cmocka_unit_test(folders_are_the_same_without_case_and_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
