/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * common/format/sparse_digest: the same disk gives the same digest however it came, another disk
 * another one; and it is what its header says, made here by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <xxhash.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/sparse_digest.h"

#define PIECE SPARSE_DIGEST_PIECE
#define DISK  (5 * PIECE + 1000)

/* Data in the second piece, across the third and fourth, and in the short last one. */
static unsigned char *make_disk(void)
{
    unsigned char *disk = mem_zero(1, DISK);
    disk[PIECE + 17] = 1;
    memset(disk + 3 * PIECE - 10, 7, 20);
    disk[DISK - 1] = 9;
    return disk;
}

static char *digest_of(const unsigned char *disk, size_t n, size_t step, bool tells_holes,
                       char text[DIGEST_TEXT_MAX])
{
    struct error err = ERROR_INIT;
    CLEAN_SPARSE_DIGEST struct sparse_digest *sparse = sparse_digest_new(&err);
    assert_non_null(sparse);
    for (size_t at = 0; at < n; at += step) {
        size_t part = n - at < step ? n - at : step;
        bool is_zero = tells_holes;
        for (size_t i = 0; i < part && is_zero; i++)
            is_zero = disk[at + i] == 0;
        sparse_digest_update(sparse, is_zero ? NULL : disk + at, part);
    }
    return sparse_digest_final(sparse, text);
}

static void add(XXH3_state_t *state, uint64_t number)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(number >> (56 - 8 * i));
    XXH3_128bits_update(state, bytes, 8);
}

static void digest_when_made_by_hand_then_the_same(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 3, 5};
    unsigned char *disk = make_disk();
    XXH3_state_t *by_hand = XXH3_createState();
    char text[DIGEST_TEXT_MAX];
    XXH3_128bits_reset(by_hand);
    for (size_t i = 0; i < 4; i++) {
        size_t at = pieces[i] * PIECE;
        add(by_hand, at);
        XXH3_128bits_update(by_hand, disk + at, DISK - at < PIECE ? DISK - at : PIECE);
    }
    add(by_hand, DISK);
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(by_hand));
    CLEAN_STR struct str want = STR_INIT;
    for (size_t i = 0; i < sizeof canonical.digest; i++)
        str_add_format(&want, "%02x", canonical.digest[i]);
    assert_string_equal(digest_of(disk, DISK, DISK, false, text), str_text(&want));
    XXH3_freeState(by_hand);
    free(disk);
}

static void digest_when_the_disk_comes_otherwise_then_the_same(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 512, 4096, 65535, 65536, 65537, 200000, DISK};
    unsigned char *disk = make_disk();
    char want[DIGEST_TEXT_MAX], text[DIGEST_TEXT_MAX];
    digest_of(disk, DISK, DISK, false, want);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        for (int tells = 0; tells < 2; tells++)
            assert_string_equal(digest_of(disk, DISK, steps[i], tells, text), want);
    free(disk);
}

static void digest_when_the_disk_differs_then_it_does(void **state)
{
    (void)state;
    unsigned char *disk = make_disk();
    char want[DIGEST_TEXT_MAX], text[DIGEST_TEXT_MAX];
    digest_of(disk, DISK, 4096, true, want);
    assert_string_not_equal(digest_of(disk, DISK - 1, 4096, true, text), want);
    disk[0] = 1;
    assert_string_not_equal(digest_of(disk, DISK, 4096, true, text), want);
    disk[0] = 0;
    /* The same piece elsewhere. */
    memmove(disk, disk + PIECE, PIECE);
    memset(disk + PIECE, 0, PIECE);
    assert_string_not_equal(digest_of(disk, DISK, 4096, true, text), want);
    /* Empty disks of two sizes. */
    memset(disk, 0, DISK);
    digest_of(disk, DISK, 4096, true, want);
    assert_string_not_equal(digest_of(disk, PIECE, 4096, true, text), want);
    digest_of(disk, 0, 4096, true, text);
    free(disk);
}

static void digest_when_a_hole_is_huge_then_it_costs_nothing(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    char text[DIGEST_TEXT_MAX], other[DIGEST_TEXT_MAX];
    CLEAN_SPARSE_DIGEST struct sparse_digest *sparse = sparse_digest_new(&err);
    sparse_digest_update(sparse, NULL, (size_t)1 << 50);
    sparse_digest_update(sparse, "x", 1);
    CLEAN_SPARSE_DIGEST struct sparse_digest *again = sparse_digest_new(&err);
    sparse_digest_update(again, NULL, ((size_t)1 << 50) - 7);
    sparse_digest_update(again, "\0\0\0\0\0\0\0x", 8);
    assert_string_equal(sparse_digest_final(sparse, text), sparse_digest_final(again, other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digest_when_made_by_hand_then_the_same),
        cmocka_unit_test(digest_when_the_disk_comes_otherwise_then_the_same),
        cmocka_unit_test(digest_when_the_disk_differs_then_it_does),
        cmocka_unit_test(digest_when_a_hole_is_huge_then_it_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
