/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The XVA check: every way to be broken, and answers of a server in the middle of the data.
 */
#include "tests/unit/common/format/check_xva.h"

static void a_flipped_bit_is_named_with_block_disk_and_both_sums(void **state)
{
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_STR struct str where = STR_INIT;

    (void)state;
    begin_one(&a, 4 * MIB);
    make_block(&a, "Ref:12", 0, MIB);
    size_t at = a.len + 512;
    make_block(&a, "Ref:12", 3, MIB);
    make_end(&a);
    a.data[at + 99] ^= 4;
    str_add_format(&where, "(byte offset %zu)", at);
    assert_bad(&a, ERROR_CORRUPT, "xva: block Ref:12/00000003 of disk xvda: xxhash is ");
    assert_bad(&a, ERROR_CORRUPT, ", data gives ");
    assert_bad(&a, ERROR_CORRUPT, str_text(&where));
}

static void a_damaged_checksum_is_shown_without_control_bytes(void **state)
{
    CLEAN_STR struct str a = STR_INIT;

    (void)state;
    begin_one(&a, MIB);
    make_block(&a, "Ref:12", 0, MIB);
    a.data[a.len - 512] = '\x1b';
    make_end(&a);
    assert_bad(&a, ERROR_CORRUPT, "xxhash is ?");
}

static void a_missing_first_block_is_found(void **state)
{
    CLEAN_STR struct str a = STR_INIT;

    (void)state;
    begin_one(&a, 2 * MIB);
    make_block(&a, "Ref:12", 1, MIB);
    make_end(&a);
    assert_bad(&a, ERROR_CORRUPT, "the first block is missing");
}

static void a_missing_first_block_of_a_later_disk_is_found(void **state)
{
    static const char *const refs[] = {"Ref:1", "Ref:2"};
    static const uint64_t sizes[] = {MIB, 2 * MIB};
    CLEAN_STR struct str a = STR_INIT;

    (void)state;
    make_ova(&a, refs, sizes, 2);
    make_block(&a, "Ref:1", 0, MIB);
    make_block(&a, "Ref:2", 1, MIB);
    make_end(&a);
    assert_bad(&a, ERROR_CORRUPT, "block Ref:2/00000001 of disk xvdb comes first");
}

static void a_missing_last_block_is_found(void **state)
{
    static const char *const refs[] = {"Ref:1", "Ref:2"};
    static const uint64_t sizes[] = {2 * MIB, MIB};
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_STR struct str b = STR_INIT;

    (void)state;
    make_ova(&a, refs, sizes, 2);
    make_block(&a, "Ref:1", 0, MIB);
    str_add_n(&b, a.data, a.len);
    make_end(&a);
    assert_bad(&a, ERROR_CORRUPT,
               "disk xvda (Ref:1) ends at byte 1048576 of 2097152: its last block is missing");
    make_block(&b, "Ref:2", 0, MIB);
    make_end(&b);
    assert_bad(&b, ERROR_CORRUPT, "which ends at byte 1048576 of 2097152");
}

static void a_keep_alive_is_no_last_block(void **state)
{
    CLEAN_STR struct str a = STR_INIT;

    (void)state;
    begin_one(&a, 2 * MIB);
    make_block(&a, "Ref:12", 0, MIB);
    make_block(&a, "Ref:12", 2, 0);
    make_end(&a);
    assert_bad(&a, ERROR_CORRUPT, "the last block is missing");
}

static void blocks_out_of_order_or_twice_are_found(void **state)
{
    CLEAN_STR struct str a = STR_INIT;

    (void)state;
    begin_one(&a, 4 * MIB);
    make_block(&a, "Ref:12", 0, MIB);
    make_block(&a, "Ref:12", 2, MIB);
    make_block(&a, "Ref:12", 2, MIB);
    assert_bad(&a, ERROR_CORRUPT, "block Ref:12/00000002 of disk xvda is out of order");
}

static void blocks_behind_the_end_are_found(void **state)
{
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_STR struct str b = STR_INIT;

    (void)state;
    begin_one(&a, 2 * MIB);
    make_block(&a, "Ref:12", 0, MIB);
    str_add_n(&b, a.data, a.len);
    make_block(&a, "Ref:12", 2, MIB);
    assert_bad(&a, ERROR_CORRUPT, "lies behind the disk's end");
    make_block(&b, "Ref:12", 1, MIB);
    make_block(&b, "Ref:12", 2, MIB);
    assert_bad(&b, ERROR_CORRUPT, "member Ref:12/00000002 behind the last disk");
}

static void a_short_block_in_the_middle_is_found(void **state)
{
    CLEAN_STR struct str a = STR_INIT;

    (void)state;
    begin_one(&a, 3 * MIB);
    make_block(&a, "Ref:12", 0, MIB);
    make_block(&a, "Ref:12", 1, MIB / 2);
    assert_bad(&a, ERROR_CORRUPT, "is not 1 MiB long");
}

static void a_block_without_its_checksum_is_found(void **state)
{
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_STR struct str b = STR_INIT;

    (void)state;
    begin_one(&a, 2 * MIB);
    make_block(&a, "Ref:12", 0, MIB);
    str_set_len(&a, a.len - 1024);
    str_add_n(&b, a.data, a.len);
    make_block(&a, "Ref:12", 1, MIB);
    assert_bad(&a, ERROR_CORRUPT,
               "block Ref:12/00000000 of disk xvda has no checksum behind it, but member "
               "Ref:12/00000001");
    make_end(&b);
    assert_bad(&b, ERROR_CORRUPT, "has no checksum behind it, but the archive's end");
}

static void an_archive_cut_at_any_sector_is_short(void **state)
{
    CLEAN_STR struct str a = STR_INIT;

    (void)state;
    begin_one(&a, 2 * MIB + 512);
    make_block(&a, "Ref:12", 0, MIB);
    make_block(&a, "Ref:12", 2, 512);
    make_end(&a);
    for (size_t n = 0; n < a.len; n += n < 8192 || n + 8192 > a.len ? 256 : 99 * 512) {
        CLEAN_STR struct str cut = STR_INIT;
        struct error err = ERROR_INIT;
        str_add_n(&cut, a.data, n);
        assert_int_equal(check_in_pieces(&cut, 65536, NULL, 0, NULL, &err), -1);
        assert_int_equal(err.code, ERROR_SHORT);
    }
}

static void anything_behind_the_end_is_found(void **state)
{
    CLEAN_STR struct str a = STR_INIT;

    (void)state;
    begin_one(&a, MIB);
    make_block(&a, "Ref:12", 0, MIB);
    make_end(&a);
    str_add_n(&a, "\0", 1);
    assert_bad(&a, ERROR_CORRUPT, "data behind the end");
}

static const char answer[] =
    "HTTP/1.1 500 Internal Error\r\ncontent-length: 167\r\ncontent-type: text/html\r\n"
    "connection: close\r\n\r\n<html><body><h1>HTTP 500 internal server error</h1>An unexpected "
    "error occurred.<h1> Additional information </h1>Got UNIX error: Input/output error read "
    "</body></html>";

static void a_late_answer_is_named_wherever_the_stream_was(void **state)
{
    CLEAN_STR struct str whole = STR_INIT;

    (void)state;
    begin_one(&whole, 2 * MIB);
    size_t ova_end = whole.len;
    make_block(&whole, "Ref:12", 0, MIB);
    make_block(&whole, "Ref:12", 1, MIB);
    size_t blocks_end = whole.len;
    make_end(&whole);
    const size_t places[] = {0,
                             700,
                             ova_end - 200,
                             ova_end,
                             ova_end + 100,
                             ova_end + 512,
                             ova_end + 512 + MIB / 2,
                             ova_end + 512 + MIB,
                             ova_end + 512 + MIB + 512 + 7,
                             blocks_end,
                             blocks_end + 512,
                             whole.len};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        CLEAN_STR struct str a = STR_INIT;
        str_add_n(&a, whole.data, places[i]);
        str_add(&a, answer);
        assert_bad(&a, ERROR_XAPI, "Got UNIX error: Input/output error read");
        assert_bad(&a, ERROR_XAPI, "HTTP/1.1 500 Internal Error: ");
    }
}

static void a_guests_own_text_of_an_answer_does_no_harm(void **state)
{
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_CHAR char *block = mem_zero(MIB, 1);
    CLEAN_XVA_SUMMARY struct xva_summary summary = {.bytes = 0};

    (void)state;
    memcpy(block + 4096, answer, sizeof answer);
    memcpy(block + MIB - sizeof answer, answer, sizeof answer);
    begin_one(&a, MIB);
    make_member(&a, "Ref:12/00000000", block, MIB);
    /* The sum is taken from the check's own complaint: made here it would prove nothing more. */
    make_member(&a, "Ref:12/00000000.xxhash", "0000000000000000", 16);
    make_end(&a);
    struct error err = ERROR_INIT;
    assert_int_equal(check_in_pieces(&a, 4096, NULL, 0, NULL, &err), -1);
    const char *sum = strstr(err.text, "data gives ");
    assert_non_null(sum);
    memcpy(a.data + a.len - 1024 - 512, sum + strlen("data gives "), 16);
    assert_good(&a, &summary);
}

static void long_garbage_is_not_held_back_for_an_answer(void **state)
{
    CLEAN_STR struct str a = STR_INIT;
    struct error err = ERROR_INIT;

    (void)state;
    begin_one(&a, MIB);
    for (int i = 0; i < 2000; i++)
        str_add(&a, answer);
    CLEAN_XVA_CHECK struct xva_check *check = xva_check_new(NULL, 0, &err);
    int rc = 0;
    size_t fed = 0;
    for (; fed + 4096 < a.len && !rc; fed += 4096)
        rc = xva_check_feed(check, a.data + fed, 4096, &err);
    assert_int_equal(rc, -1);
    assert_true(fed < a.len / 2);
}

static void random_damage_never_passes(void **state)
{
    CLEAN_STR struct str a = STR_INIT;
    unsigned seed = 11;

    (void)state;
    begin_one(&a, MIB + 1024);
    size_t data = a.len;
    make_block(&a, "Ref:12", 0, MIB);
    make_block(&a, "Ref:12", 1, 1024);
    make_end(&a);
    for (int round = 0; round < 150; round++) {
        CLEAN_STR struct str b = STR_INIT;
        CLEAN_XVA_SUMMARY struct xva_summary summary = {.bytes = 0};
        struct error err = ERROR_INIT;
        seed = seed * 1103515245u + 12345u;
        size_t at = data + (seed >> 4) % (MIB + 1024 + 512);
        str_add_n(&b, a.data, a.len);
        b.data[at] ^= (char)(1 << (seed >> 28 & 7));
        if (check_in_pieces(&b, 65536, NULL, 0, &summary, &err) == 0)
            fail_msg("byte %zu changed and nobody saw it", at - data);
    }
}

static void make_small(struct str *out, size_t *ret_ova_end)
{
    begin_one(out, 1536);
    *ret_ova_end = out->len;
    make_block(out, "Ref:12", 0, 1536);
    make_end(out);
}

/*
 * Nothing vouches for ova.xml but its form and the disks it must name: a changed text in it passes,
 * with the same disks. And blanks may stand round a header's checksum instead of a zero and a NUL.
 */
static bool may_pass(const struct str *archive, size_t at, size_t ova_end,
                     const struct xva_summary *summary)
{
    if (at >= 512 && at < ova_end)
        return summary->ova.disks_n == 1 && summary->ova.disks[0].virtual_size_bytes == 1536;
    return archive->data[at] == ' ' && (at % 512 == 148 || at % 512 == 155);
}

static void a_flipped_bit_in_any_byte_is_found(void **state)
{
    static const struct xva_expected expected = {"vdi-0", 1536};
    CLEAN_STR struct str a = STR_INIT;
    size_t ova_end = 0, passed = 0;

    (void)state;
    make_small(&a, &ova_end);
    for (size_t at = 0; at < a.len; at++)
        for (int bit = at % 2; bit < 8; bit += at < ova_end ? 7 : 1) {
            CLEAN_XVA_SUMMARY struct xva_summary summary = {.bytes = 0};
            struct error err = ERROR_INIT;
            a.data[at] ^= (char)(1 << bit);
            if (check_in_pieces(&a, 4096, &expected, 1, &summary, &err) == 0) {
                passed++;
                if (!may_pass(&a, at, ova_end, &summary))
                    fail_msg("bit %d of byte %zu changed and nobody saw it", bit, at);
            }
            a.data[at] ^= (char)(1 << bit);
        }
    assert_true(passed < ova_end * 2);
}

static void an_archive_cut_at_any_byte_is_short(void **state)
{
    CLEAN_STR struct str a = STR_INIT;
    size_t ova_end = 0;

    (void)state;
    make_small(&a, &ova_end);
    for (size_t n = 0; n < a.len; n++) {
        CLEAN_STR struct str cut = STR_INIT;
        struct error err = ERROR_INIT;
        str_add_n(&cut, a.data, n);
        assert_int_equal(check_in_pieces(&cut, 65536, NULL, 0, NULL, &err), -1);
        assert_int_equal(err.code, ERROR_SHORT);
    }
}

/* Whole members gone, twice, or changed for one another: what is left is a tar in good order. */
static void members_gone_twice_or_swapped_are_found(void **state)
{
    struct str parts[8];
    size_t n = 0;

    (void)state;
    memset(parts, 0, sizeof parts);
    begin_one(&parts[n++], 4 * MIB + 512);
    for (unsigned i = 0; i < 5; i++)
        make_block(&parts[n++], "Ref:12", i, i < 4 ? MIB : 512);
    make_end(&parts[n++]);
    for (size_t i = 0; i < n; i++)
        for (int what = 0; what < 3; what++) {
            CLEAN_STR struct str b = STR_INIT;
            struct error err = ERROR_INIT;
            for (size_t k = 0; k < n; k++) {
                size_t from = what == 2 && k == i && i + 1 < n ? i + 1
                              : what == 2 && k == i + 1        ? i
                                                               : k;
                if (what != 0 || k != i)
                    str_add_n(&b, parts[from].data, parts[from].len);
                if (what == 1 && k == i)
                    str_add_n(&b, parts[from].data, parts[from].len);
            }
            /* A middle block that is gone with its sum is zeros, for any reader. */
            bool is_fine = what == 0 ? i > 1 && i < 5 : what == 2 && i + 1 == n;
            if ((check_in_pieces(&b, 1 << 20, NULL, 0, NULL, &err) == 0) != is_fine)
                fail_msg("part %zu, change %d: %s", i, what, err.text);
        }
    for (size_t i = 0; i < n; i++)
        str_done(&parts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_bit_is_named_with_block_disk_and_both_sums),
        cmocka_unit_test(a_damaged_checksum_is_shown_without_control_bytes),
        cmocka_unit_test(a_missing_first_block_is_found),
        cmocka_unit_test(a_missing_first_block_of_a_later_disk_is_found),
        cmocka_unit_test(a_missing_last_block_is_found),
        cmocka_unit_test(a_keep_alive_is_no_last_block),
        cmocka_unit_test(blocks_out_of_order_or_twice_are_found),
        cmocka_unit_test(blocks_behind_the_end_are_found),
        cmocka_unit_test(a_short_block_in_the_middle_is_found),
        cmocka_unit_test(a_block_without_its_checksum_is_found),
        cmocka_unit_test(an_archive_cut_at_any_sector_is_short),
        cmocka_unit_test(anything_behind_the_end_is_found),
        cmocka_unit_test(a_late_answer_is_named_wherever_the_stream_was),
        cmocka_unit_test(a_guests_own_text_of_an_answer_does_no_harm),
        cmocka_unit_test(long_garbage_is_not_held_back_for_an_answer),
        cmocka_unit_test(random_damage_never_passes),
        cmocka_unit_test(a_flipped_bit_in_any_byte_is_found),
        cmocka_unit_test(an_archive_cut_at_any_byte_is_short),
        cmocka_unit_test(members_gone_twice_or_swapped_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
