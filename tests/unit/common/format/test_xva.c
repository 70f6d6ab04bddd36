/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The XVA check: whole archives in every shape XAPI writes, and what they are held against.
 */
#include "tests/unit/common/format/check_xva.h"

static void a_disk_with_a_gap_and_a_short_last_block_passes(void **state)
{
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_XVA_SUMMARY struct xva_summary summary = {.bytes = 0};

    (void)state;
    begin_one(&a, 5 * MIB / 2);
    make_block(&a, "Ref:12", 0, MIB);
    make_block(&a, "Ref:12", 2, MIB / 2);
    make_end(&a);
    assert_good(&a, &summary);
    assert_int_equal(summary.ova.disks_n, 1);
    assert_string_equal(summary.ova.vm_name, "web1 & more");
    assert_string_equal(summary.ova.vm_uuid, "vm-uuid");
    assert_string_equal(summary.ova.vm_power_state, "Halted");
    assert_false(summary.ova.vm_is_template);
    assert_string_equal(summary.ova.product_brand, "XCP-ng");
    assert_string_equal(summary.ova.disks[0].vdi_uuid, "vdi-0");
    assert_string_equal(summary.ova.disks[0].vdi_name, "disk <1>");
    assert_string_equal(summary.disks[0].device, "xvda");
    assert_int_equal(summary.disks[0].blocks_n, 2);
    assert_int_equal(summary.disks[0].data_bytes, 3 * MIB / 2);
    assert_int_equal(summary.disks[0].keep_alive_n, 0);
}

static void keep_alives_take_numbers_and_no_place(void **state)
{
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_XVA_SUMMARY struct xva_summary summary = {.bytes = 0};

    (void)state;
    begin_one(&a, 5 * MIB / 2);
    make_block(&a, "Ref:12", 0, MIB);
    make_block(&a, "Ref:12", 1, 0);
    make_block(&a, "Ref:12", 3, MIB / 2);
    make_end(&a);
    assert_good(&a, &summary);
    assert_int_equal(summary.disks[0].keep_alive_n, 1);
    assert_int_equal(summary.disks[0].blocks_n, 2);
}

static void disks_stand_in_string_order_of_their_refs(void **state)
{
    static const char *const refs[] = {"Ref:9", "Ref:10", "Ref:100"};
    static const uint64_t sizes[] = {MIB, 2 * MIB, 512};
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_STR struct str wrong = STR_INIT;
    CLEAN_XVA_SUMMARY struct xva_summary summary = {.bytes = 0};

    (void)state;
    make_ova(&a, refs, sizes, 3);
    str_add_n(&wrong, a.data, a.len);
    make_block(&a, "Ref:10", 0, MIB);
    make_block(&a, "Ref:10", 1, MIB);
    make_block(&a, "Ref:100", 0, 512);
    make_block(&a, "Ref:9", 0, MIB);
    make_end(&a);
    assert_good(&a, &summary);
    assert_string_equal(summary.ova.disks[0].ref, "Ref:10");
    assert_string_equal(summary.disks[0].device, "xvdb");
    assert_string_equal(summary.ova.disks[2].ref, "Ref:9");
    make_block(&wrong, "Ref:9", 0, MIB);
    assert_bad(&wrong, ERROR_CORRUPT, "member Ref:9/00000000 where a block of disk xvdb (Ref:10)");
}

static void gaps_behind_a_tiny_first_disk_are_refused(void **state)
{
    static const char *const refs[] = {"Ref:1", "Ref:2"};
    static const uint64_t sizes[] = {4096, 3 * MIB};
    CLEAN_STR struct str whole = STR_INIT;
    CLEAN_STR struct str gap = STR_INIT;
    CLEAN_XVA_SUMMARY struct xva_summary summary = {.bytes = 0};

    (void)state;
    make_ova(&whole, refs, sizes, 2);
    make_block(&whole, "Ref:1", 0, 4096);
    make_block(&whole, "Ref:2", 0, MIB);
    str_add_n(&gap, whole.data, whole.len);
    make_block(&whole, "Ref:2", 1, MIB);
    make_block(&whole, "Ref:2", 2, MIB);
    make_end(&whole);
    assert_good(&whole, &summary);
    make_block(&gap, "Ref:2", 2, MIB);
    assert_bad(&gap, ERROR_UNSUPPORTED, "block Ref:2/00000002 of disk xvdb at a wrong place");
}

static void older_archives_with_sha1_pass(void **state)
{
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_XVA_SUMMARY struct xva_summary summary = {.bytes = 0};

    (void)state;
    begin_one(&a, 3 * MIB);
    make_block_sha1(&a, "Ref:12", 0, MIB);
    make_block_sha1(&a, "Ref:12", 1, MIB);
    make_block_sha1(&a, "Ref:12", 2, MIB);
    make_end(&a);
    assert_good(&a, &summary);
    assert_int_equal(summary.disks[0].blocks_n, 3);
}

/* It is not damaged: who reads it back goes on without the check. */
static void an_archive_of_before_checksums_can_not_be_checked(void **state)
{
    static const char vsn[] = "<name>export_vsn</name><value>";
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_CHAR char *block = mem_zero(MIB, 1);
    uint64_t size = MIB;

    (void)state;
    make_ova_text(&text, one_ref, &size, 1);
    char *value = strstr(text.data, vsn);
    assert_non_null(value);
    assert_int_equal(value[strlen(vsn)], '2');
    value[strlen(vsn)] = '0';
    make_member(&a, "ova.xml", text.data, text.len);
    make_member(&a, "Ref:12/00000000", block, MIB);
    make_end(&a);
    assert_bad(&a, ERROR_UNSUPPORTED, "without checksums");
}

static void checksum_kinds_do_not_mix(void **state)
{
    CLEAN_STR struct str a = STR_INIT;

    (void)state;
    begin_one(&a, 2 * MIB);
    make_block(&a, "Ref:12", 0, MIB);
    make_block_sha1(&a, "Ref:12", 1, MIB);
    make_end(&a);
    assert_bad(&a, ERROR_CORRUPT, "of another kind");
}

static void a_vm_without_disks_passes(void **state)
{
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_XVA_SUMMARY struct xva_summary summary = {.bytes = 0};

    (void)state;
    make_ova(&a, NULL, NULL, 0);
    make_end(&a);
    assert_good(&a, &summary);
    assert_int_equal(summary.ova.disks_n, 0);
}

static void a_disk_of_no_bytes_has_no_blocks(void **state)
{
    static const char *const refs[] = {"Ref:1", "Ref:2", "Ref:3"};
    static const uint64_t sizes[] = {0, MIB, 0};
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_XVA_SUMMARY struct xva_summary summary = {.bytes = 0};

    (void)state;
    make_ova(&a, refs, sizes, 3);
    make_block(&a, "Ref:2", 0, MIB);
    make_end(&a);
    assert_good(&a, &summary);
}

static void an_archive_must_begin_with_ova_xml(void **state)
{
    CLEAN_STR struct str a = STR_INIT;
    CLEAN_STR struct str b = STR_INIT;
    CLEAN_STR struct str c = STR_INIT;
    CLEAN_STR struct str d = STR_INIT;
    CLEAN_STR struct str nothing = STR_INIT;

    (void)state;
    make_block(&a, "Ref:12", 0, MIB);
    assert_bad(&a, ERROR_CORRUPT, "begins with member Ref:12/00000000");
    make_header(&b, "ova.xml", '\0', XVA_OVA_MAX + 1);
    assert_bad(&b, ERROR_LIMIT, "ova.xml has 16777217 bytes");
    make_end(&c);
    assert_bad(&c, ERROR_CORRUPT, "without ova.xml");
    make_member(&d, "ova.xml", "<value>", 7);
    assert_bad(&d, ERROR_SHORT, "ova.xml");
    assert_bad(&nothing, ERROR_SHORT, "the archive is empty");
}

static void expected_disks_are_compared_by_uuid_and_size(void **state)
{
    static const struct {
        struct xva_expected disks[2];
        size_t n;
        const char *says; /* NULL: passes */
    } cases[] = {
        {{{"vdi-0", MIB}}, 1, NULL},
        {{{"vdi-0", 2 * MIB}}, 1, "has 1048576 bytes in ova.xml, 2097152 were expected"},
        {{{"vdi-1", MIB}}, 1, "VDI vdi-1 is missing"},
        {{{"vdi-0", MIB}, {"vdi-1", MIB}}, 2, "VDI vdi-1 is missing"},
        {{{"", 0}}, 0, "names 1 disks, 0 were expected"},
    };
    CLEAN_STR struct str a = STR_INIT;

    (void)state;
    begin_one(&a, MIB);
    make_block(&a, "Ref:12", 0, MIB);
    make_end(&a);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = ERROR_INIT;
        int rc = check_in_pieces(&a, 1 << 20, cases[i].disks, cases[i].n, NULL, &err);
        assert_int_equal(rc, cases[i].says ? -1 : 0);
        if (cases[i].says && !strstr(err.text, cases[i].says))
            fail_msg("%s", err.text);
    }
}

static void progress_counts_zero_blocks_too(void **state)
{
    CLEAN_STR struct str a = STR_INIT;
    struct error err = ERROR_INIT;

    (void)state;
    begin_one(&a, 100 * (uint64_t)MIB);
    make_block(&a, "Ref:12", 0, MIB);
    make_block(&a, "Ref:12", 99, MIB);
    make_end(&a);
    CLEAN_XVA_CHECK struct xva_check *check = xva_check_new(NULL, 0, &err);
    assert_int_equal(xva_check_disk_bytes(check), 0);
    assert_int_equal(xva_check_feed(check, a.data, a.len, &err), 0);
    assert_int_equal(xva_check_disk_bytes(check), 100 * (uint64_t)MIB);
}

/* The first block of an archive of two, a hole, and the second one, found behind their headers. */
static void add_blocks(struct sparse_digest *digest, const struct str *archive, size_t first,
                       size_t hole)
{
    const char *at = memmem(archive->data, archive->len, "Ref:12/00000000", 15);
    const char *last = memmem(archive->data, archive->len, "Ref:12/00000004", 15);

    sparse_digest_update(digest, at + 512, first);
    sparse_digest_update(digest, NULL, hole);
    sparse_digest_update(digest, last + 512, 512);
}

/* The digest of a disk is of what an import makes of it: gaps, keep-alives and a short end. */
static void digests_are_of_the_disks_as_imported(void **state)
{
    CLEAN_STR struct str a = STR_INIT, b = STR_INIT;
    const struct str *archives[] = {&a, &b};
    char texts[2][DIGEST_TEXT_MAX];

    (void)state;
    begin_one(&a, 4 * MIB + 512);
    make_block(&a, "Ref:12", 0, MIB);
    make_block(&a, "Ref:12", 2, 0);
    make_block(&a, "Ref:12", 3, MIB); /* at 2 MiB: the keep-alive took a number and no place */
    make_block(&a, "Ref:12", 5, 512);
    make_end(&a);
    begin_one(&b, 4 * MIB + 512);
    make_block(&b, "Ref:12", 0, MIB);
    make_block(&b, "Ref:12", 4, 512);
    make_end(&b);
    for (size_t i = 0; i < 2; i++) {
        struct error err = ERROR_INIT;
        CLEAN_XVA_CHECK struct xva_check *check = xva_check_new(NULL, 0, &err);
        xva_check_take_digests(check);
        assert_int_equal(xva_check_feed(check, archives[i]->data, archives[i]->len, &err), 0);
        assert_int_equal(xva_check_finish(check, NULL, &err), 0);
        assert_null(xva_check_disk_digest(check, "another"));
        str_copy(texts[i], DIGEST_TEXT_MAX, xva_check_disk_digest(check, "vdi-0"));
    }
    struct error err = ERROR_INIT;
    CLEAN_SPARSE_DIGEST struct sparse_digest *by_hand = sparse_digest_new(&err);
    char want[DIGEST_TEXT_MAX];
    add_blocks(by_hand, &b, MIB, 3 * MIB);
    assert_string_equal(texts[1], sparse_digest_final(by_hand, want));
    assert_string_not_equal(texts[0], texts[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_with_a_gap_and_a_short_last_block_passes),
        cmocka_unit_test(keep_alives_take_numbers_and_no_place),
        cmocka_unit_test(disks_stand_in_string_order_of_their_refs),
        cmocka_unit_test(gaps_behind_a_tiny_first_disk_are_refused),
        cmocka_unit_test(older_archives_with_sha1_pass),
        cmocka_unit_test(an_archive_of_before_checksums_can_not_be_checked),
        cmocka_unit_test(checksum_kinds_do_not_mix),
        cmocka_unit_test(a_vm_without_disks_passes),
        cmocka_unit_test(a_disk_of_no_bytes_has_no_blocks),
        cmocka_unit_test(an_archive_must_begin_with_ova_xml),
        cmocka_unit_test(expected_disks_are_compared_by_uuid_and_size),
        cmocka_unit_test(progress_counts_zero_blocks_too),
        cmocka_unit_test(digests_are_of_the_disks_as_imported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
