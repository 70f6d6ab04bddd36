/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bytes of a mail: headers that can't be broken out of, encoded words, quoted-printable bodies,
 * addresses. Python's own parser reads whole messages in tests/e2e/test_mail.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "coordinator/mail/mail_message.h"

static int format(const char *from, const char *to, const char *subject, const char *text,
                  struct str *out, struct error *err)
{
    CLEAN_TEXT_LIST struct text_list list = TEXT_LIST_INIT;
    if (to)
        text_list_add(&list, to);
    const struct mail_message message = {.from = from,
                                         .to = &list,
                                         .subject = subject,
                                         .hostname = "xen host",
                                         .id = "0123456789abcdef",
                                         .sent_at = 1763843254000,
                                         .text = text,
                                         .html = "<p>x</p>"};
    return mail_message_format(&message, out, err);
}

static const char *formatted(const char *to, const char *subject, const char *text,
                             struct str *out)
{
    struct error err = ERROR_INIT;
    if (format("a@b", to, subject, text, out, &err) < 0)
        fail_msg("%s", err.text);
    return str_text(out);
}

/* Every line ends in CRLF, is at most 78 columns of ASCII, and does not begin with a dot. */
static void check_lines(const char *message)
{
    while (*message) {
        size_t n = strcspn(message, "\r\n");
        assert_true(n <= 78);
        assert_true(message[n] == '\r' && message[n + 1] == '\n');
        assert_true(n == 0 || message[0] != '.');
        for (size_t i = 0; i < n; i++)
            assert_true((message[i] >= 0x20 && message[i] < 0x7f) || message[i] == '\t');
        message += n + 2;
    }
}

static void a_plain_message_is_as_the_standard_has_it(void **state)
{
    (void)state;
    CLEAN_STR struct str out = STR_INIT;
    const char *got = formatted("ops@example.com", "Report", "Hello\n\nworld \n", &out);
    assert_string_equal(got, "Date: Sat, 22 Nov 2025 20:27:34 +0000\r\n"
                             "From: a@b\r\nTo: ops@example.com\r\nSubject: Report\r\n"
                             "Message-ID: <0123456789abcdef@xen-host>\r\n"
                             "MIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n"
                             "Content-Type: multipart/alternative;\r\n"
                             " boundary=\"=_onyxpool_0123456789abcdef\"\r\n\r\n"
                             "--=_onyxpool_0123456789abcdef\r\n"
                             "Content-Type: text/plain; charset=utf-8\r\n"
                             "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                             "Hello\r\n\r\nworld=20\r\n\r\n"
                             "--=_onyxpool_0123456789abcdef\r\n"
                             "Content-Type: text/html; charset=utf-8\r\n"
                             "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                             "<p>x</p>\r\n\r\n"
                             "--=_onyxpool_0123456789abcdef--\r\n");
    check_lines(got);
}

static void a_subject_that_is_not_ascii_becomes_encoded_words(void **state)
{
    (void)state;
    CLEAN_STR struct str one = STR_INIT, many = STR_INIT;
    assert_non_null(strstr(formatted("a@b", "K\xc3\xb6ln", "", &one),
                           "\r\nSubject: =?UTF-8?B?S8O2bG4=?=\r\n"));
    CLEAN_STR struct str subject = STR_INIT;
    for (int i = 0; i < 100; i++)
        str_add(&subject, "\xf0\x9f\x98\x80");
    const char *got = formatted("a@b", str_text(&subject), "", &many);
    check_lines(got);
    /* No word cuts a character: the base64 of every word is that of whole characters. */
    size_t words = 0;
    for (const char *at = got; (at = strstr(at, "=?UTF-8?B?")) != NULL; words++) {
        at += strlen("=?UTF-8?B?");
        assert_memory_equal(at, "8J+YgP", 6);
    }
    assert_true(words >= 8);
}

static void a_long_ascii_subject_is_folded_between_words(void **state)
{
    (void)state;
    CLEAN_STR struct str subject = STR_INIT, out = STR_INIT, bare = STR_INIT;
    for (int i = 0; i < 40; i++)
        str_add_format(&subject, "%sword%d", i ? " " : "", i);
    const char *got = formatted("a@b", str_text(&subject), "", &out);
    check_lines(got);
    const char *at = strstr(got, "Subject: ") + strlen("Subject: ");
    for (; strncmp(at, "\r\nM", 3) != 0; at++)
        if (*at != '\r' && *at != '\n')
            str_add_char(&bare, *at);
    assert_string_equal(str_text(&bare), str_text(&subject));
}

static void a_text_cannot_begin_a_header_of_its_own(void **state)
{
    (void)state;
    CLEAN_STR struct str out = STR_INIT;
    const char *got = formatted("\"x\r\nBcc: evil@x\" <a@b>", "x\r\nBcc: evil@x\n\nbody", "",
                                &out);
    assert_null(strstr(got, "\nBcc"));
    assert_non_null(strstr(got, "\r\nSubject: x  Bcc: evil@x  body\r\n"));
    check_lines(got);
}

static void what_reads_as_an_encoded_word_is_encoded(void **state)
{
    (void)state;
    CLEAN_STR struct str out = STR_INIT;
    assert_null(strstr(formatted("a@b", "=?UTF-8?B?S8O2bG4=?=", "", &out),
                       "Subject: =?UTF-8?B?S8O2bG4=?="));
}

static void bodies_are_quoted_where_the_transport_wants_it(void **state)
{
    (void)state;
    CLEAN_STR struct str out = STR_INIT;
    const char *got = formatted("a@b", "x", ".\n..x\nFrom here\na=b\t\n\xc3\xa4\xff\r\nx\x1by",
                                &out);
    assert_non_null(strstr(got, "\r\n=2E\r\n=2E.x\r\n=46rom here\r\na=3Db=09\r\n"
                                "=C3=A4=EF=BF=BD\r\nx y\r\n"));
    check_lines(got);
}

static void long_lines_are_cut_softly(void **state)
{
    (void)state;
    CLEAN_STR struct str text = STR_INIT, out = STR_INIT, read = STR_INIT;
    for (int i = 0; i < 1000; i++)
        str_add(&text, i % 7 ? "x." : "\xc3\xa4");
    const char *got = formatted("a@b", "x", str_text(&text), &out);
    check_lines(got);
    const char *at = strstr(got, "printable\r\n\r\n") + strlen("printable\r\n\r\n");
    while (strncmp(at, "\r\n", 2) != 0) {
        unsigned byte = 0;
        if (strncmp(at, "=\r\n", 3) == 0) {
            at += 3;
        } else if (*at == '=') {
            for (int i = 1; i < 3; i++)
                byte = byte * 16 + (unsigned)(at[i] > '9' ? at[i] - 'A' + 10 : at[i] - '0');
            str_add_char(&read, (char)byte);
            at += 3;
        } else {
            str_add_char(&read, *at++);
        }
    }
    assert_string_equal(str_text(&read), str_text(&text));
}

static void check_parsed(const char *text, const char *name, const char *address)
{
    CLEAN_MAIL_ADDRESS struct mail_address got = {0};
    struct error err = ERROR_INIT;
    if (mail_address_parse(text, &got, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(str_equal(got.name, name));
    assert_string_equal(got.address, address);
}

static void addresses_come_with_and_without_a_name(void **state)
{
    (void)state;
    check_parsed(" ops@example.com ", NULL, "ops@example.com");
    check_parsed("root", NULL, "root");
    check_parsed("<ops@example.com>", NULL, "ops@example.com");
    check_parsed("Night Watch <ops@example.com>", "Night Watch", "ops@example.com");
    check_parsed("\"Watch, \\\"Night\\\"\" <o@e>", "Watch, \"Night\"", "o@e");
    check_parsed("J\xc3\xbcrgen <j@e>", "J\xc3\xbcrgen", "j@e");
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",       "a b@c", "a@",        "@b",        "a@b@c",
                                      "X <a@b", "X <>",  "a\r\nRCPT", "j\xc3\xbc@e", "a@b> <c"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CLEAN_MAIL_ADDRESS struct mail_address got = {0};
        struct error err = ERROR_INIT;
        assert_int_equal(mail_address_parse(bad[i], &got, &err), -1);
        assert_int_equal(err.code, ERROR_SETTINGS);
        assert_null(got.address);
    }
    CLEAN_STR struct str out = STR_INIT;
    struct error err = ERROR_INIT;
    assert_int_equal(format("a@b", NULL, "x", "", &out, &err), -1);
    assert_int_equal(format("a b", "a@b", "x", "", &out, &err), -1);
    assert_non_null(strstr(err.text, "smtp_from"));
    assert_int_equal(out.len, 0);
}

static void names_are_atoms_quoted_or_encoded(void **state)
{
    (void)state;
    CLEAN_STR struct str a = STR_INIT, b = STR_INIT, c = STR_INIT;
    assert_non_null(strstr(formatted("Night Watch <o@e>", "", "", &a),
                           "\r\nTo: Night Watch <o@e>\r\n"));
    assert_non_null(strstr(formatted("\"Watch, \\\"N\\\"\" <o@e>", "", "", &b),
                           "\r\nTo: \"Watch, \\\"N\\\"\" <o@e>\r\n"));
    assert_non_null(strstr(formatted("K\xc3\xb6ln <o@e>", "", "", &c),
                           "\r\nTo: =?UTF-8?B?S8O2bG4=?= <o@e>\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_message_is_as_the_standard_has_it),
        cmocka_unit_test(a_subject_that_is_not_ascii_becomes_encoded_words),
        cmocka_unit_test(a_long_ascii_subject_is_folded_between_words),
        cmocka_unit_test(a_text_cannot_begin_a_header_of_its_own),
        cmocka_unit_test(what_reads_as_an_encoded_word_is_encoded),
        cmocka_unit_test(bodies_are_quoted_where_the_transport_wants_it),
        cmocka_unit_test(long_lines_are_cut_softly),
        cmocka_unit_test(addresses_come_with_and_without_a_name),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(names_are_atoms_quoted_or_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
