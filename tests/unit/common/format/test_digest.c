/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Digests against published values, and late answers in a stream's end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/digest.h"
#include "common/format/late_error.h"

/* Of the empty text and of "abc". Source: FIPS 180-4 examples; xxHash's own test vectors. */
static const struct {
    enum digest_kind kind;
    const char *empty, *abc;
} rows[] = {
    {DIGEST_SHA256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {DIGEST_SHA1, "da39a3ee5e6b4b0d3255bfef95601890afd80709",
     "a9993e364706816aba3e25717850c26c9cd0d89d"},
    {DIGEST_XXH64, "ef46db3751d8e999", "44bc2cf5ad770999"},
    {DIGEST_XXH128, "99aa06d3014798d86001c324468d497f", "06b05ab6733a618578af5f94892f3950"},
};

static void zeros_that_are_only_counted_are_zeros(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error err = ERROR_INIT;
        char counted[DIGEST_TEXT_MAX], given[DIGEST_TEXT_MAX];
        const size_t n = 200001;
        CLEAN_CHAR char *bytes = mem_zero(n, 1);
        CLEAN_DIGEST struct digest *digest = digest_new(rows[i].kind, &err);
        digest_zeros(digest, n);
        digest_final(digest, counted);
        digest_update(digest, bytes, n);
        assert_string_equal(counted, digest_final(digest, given));
    }
}

static void stream_digest_is_what_the_program_checks(void **state)
{
    (void)state;
    static const char *const lengths[] = {"1", "17", "129", "241", "1048583"};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct error err = ERROR_INIT;
        char text[DIGEST_TEXT_MAX], want[DIGEST_TEXT_MAX];
        size_t n = strtoul(lengths[i], NULL, 10);
        CLEAN_CHAR char *bytes = mem_zero(n, 1);
        CLEAN_CHAR char *command =
            str_format("head -c %zu /dev/zero | tr '\\0' x | xxhsum -H2 -", n);
        CLEAN_DIGEST struct digest *digest = digest_new(DIGEST_XXH128, &err);
        memset(bytes, 'x', n);
        for (size_t at = 0, piece = 1; at < n; at += piece, piece = piece * 2 + 1)
            digest_update(digest, bytes + at, n - at < piece ? n - at : piece);
        digest_final(digest, text);
        FILE *program = popen(command, "r");
        assert_non_null(program);
        assert_int_equal(fscanf(program, "%32[0-9a-f]", want), 1);
        assert_int_equal(pclose(program), 0);
        assert_string_equal(text, want);
    }
}

static void digests_are_the_published_ones_again_and_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error err = ERROR_INIT;
        char text[DIGEST_TEXT_MAX];
        CLEAN_DIGEST struct digest *digest = digest_new(rows[i].kind, &err);
        assert_non_null(digest);
        for (int round = 0; round < 2; round++) {
            digest_update(digest, NULL, 0);
            assert_string_equal(digest_final(digest, text), rows[i].empty);
            digest_update(digest, "a", 1);
            digest_update(digest, "bc", 2);
            assert_string_equal(digest_final(digest, text), rows[i].abc);
        }
        assert_int_equal(digest_text_length(rows[i].kind), strlen(text));
    }
    assert_string_equal(digest_kind_name(DIGEST_XXH64), "xxhash");
}

#define HEAD "HTTP/1.1 500 Internal Error\r\ncontent-length: 30\r\nconnection: close\r\n\r\n"
#define BODY "<html><b>No  space</b>\nx</html>"

static void an_answer_at_the_end_is_found_in_pieces_of_any_size(void **state)
{
    char text[LATE_ERROR_TEXT_MAX];

    (void)state;
    for (size_t piece = 1; piece < 20000; piece = piece * 3 + 1) {
        CLEAN_STR struct str stream = STR_INIT;
        struct late_error late = {.n = 0};
        for (int i = 0; i < 10000; i++)
            str_add_char(&stream, (char)i);
        str_add(&stream, HEAD "<html><b>No  space</b></html>");
        for (size_t at = 0; at < stream.len; at += piece)
            late_error_feed(&late, stream.data + at,
                            stream.len - at < piece ? stream.len - at : piece);
        assert_true(late_error_find(&late, text));
        assert_string_equal(text, "HTTP/1.1 500 Internal Error: No space");
    }
}

static bool find(const char *stream, char text[LATE_ERROR_TEXT_MAX])
{
    struct late_error late = {.n = 0};

    late_error_feed(&late, stream, strlen(stream));
    return late_error_find(&late, text);
}

static void only_what_can_be_the_streams_end_is_an_answer(void **state)
{
    char text[LATE_ERROR_TEXT_MAX];

    (void)state;
    assert_false(find("", text));
    assert_false(find("HTTP/1.1 200 OK\r\n\r\n", text));
    assert_false(find("HTTP/2 500 x\r\n\r\n", text));
    assert_false(find("GET / HTTP/1.1\" 500 12\r\n", text));
    assert_false(find(HEAD BODY "and more data of the guest's disk", text));
    assert_false(find("HTTP/1.1 500 a\r\ncontent-length: 0\r\n\r\nthe guest's disk", text));
    assert_true(find("HTTP/1.1 500 a\r\ncontent-length: 0\r\n\r\n", text));
    assert_true(find("HTTP/1.0 404 Not found\r\n\r\n", text));
    assert_string_equal(text, "HTTP/1.0 404 Not found");
    assert_true(find("xxHTTP/1.1 500 Internal Er", text));
    assert_string_equal(text, "HTTP/1.1 500 Internal Er");
    assert_true(find(HEAD "<html><b>half", text));
    assert_string_equal(text, "HTTP/1.1 500 Internal Error: half");
    assert_true(find("HTTP/1.1 500 a\r\nContent-Length: 3\r\n\r\n\x1b\x01z", text));
    assert_string_equal(text, "HTTP/1.1 500 a: z");
}

static void a_fault_is_held_until_the_answer_is_whole_or_out_of_question(void **state)
{
    static const char answer[] = HEAD "<html><b>half";
    struct error why = ERROR_INIT;

    (void)state;
    error_set(&why, ERROR_CORRUPT, "the fault");
    for (size_t first = 1; first < sizeof answer; first++) {
        struct late_error late = {.n = 0};
        struct error err = ERROR_INIT;
        late_error_feed(&late, "data", 4);
        late_error_feed(&late, answer, first);
        assert_int_equal(late_error_hold(&late, "xva", &why, &err), 0);
        assert_true(late_error_is_holding(&late));
        late_error_feed(&late, answer + first, sizeof answer - 1 - first);
        assert_int_equal(late_error_hold(&late, "xva", NULL, &err), 0);
        assert_int_equal(late_error_explain(&late, "xva", NULL, &err), -1);
        assert_int_equal(err.code, ERROR_XAPI);
        assert_true(str_ends(err.text, "said: HTTP/1.1 500 Internal Error: half"));
    }
}

static void a_fault_without_an_answer_is_told_at_once_or_soon(void **state)
{
    struct late_error at_once = {.n = 0};
    struct late_error soon = {.n = 0};
    struct error why = ERROR_INIT;
    struct error err = ERROR_INIT;

    (void)state;
    error_set(&why, ERROR_CORRUPT, "the fault");
    late_error_feed(&at_once, "data", 4);
    assert_int_equal(late_error_hold(&at_once, "xva", &why, &err), -1);
    assert_string_equal(err.text, "the fault");
    error_clear(&err);
    late_error_feed(&soon, "data HTTP/", 10);
    assert_int_equal(late_error_hold(&soon, "xva", &why, &err), 0);
    late_error_feed(&soon, "2 is no answer", 14);
    assert_int_equal(late_error_hold(&soon, "xva", NULL, &err), -1);
    assert_string_equal(err.text, "the fault");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_the_published_ones_again_and_again),
        cmocka_unit_test(zeros_that_are_only_counted_are_zeros),
        cmocka_unit_test(stream_digest_is_what_the_program_checks),
        cmocka_unit_test(an_answer_at_the_end_is_found_in_pieces_of_any_size),
        cmocka_unit_test(only_what_can_be_the_streams_end_is_an_answer),
        cmocka_unit_test(a_fault_is_held_until_the_answer_is_whole_or_out_of_question),
        cmocka_unit_test(a_fault_without_an_answer_is_told_at_once_or_soon),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
