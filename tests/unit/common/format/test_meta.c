/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The .meta file: its exact text, hostile values there and back, files of others, cut files.
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
#include "common/format/meta.h"

#define SHA256 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define XXH128 "99aa06d3014798d86001c324468d497f"

static void fill(struct meta *meta)
{
    meta->has_vm = true;
    mem_set(&meta->vm_name, "web1");
    mem_set(&meta->vm_description, "two\nlines and 100%25");
    meta->memory_dynamic_max_bytes = 536870912;
    meta->vcpus_max = 2;
    meta->vcpus_at_startup = 1;
    mem_set(&meta->base_template_name, "Debian Buster 10");
    mem_set(&meta->os_version, "Debian GNU/Linux 12");
    mem_set(&meta->vm_uuid, "11111111-1111-4111-8111-111111111111");
    struct meta_disk *disk = meta_add_disk(meta);
    mem_set(&disk->device, "xvda");
    mem_set(&disk->userdevice, "0");
    disk->bootable = true;
    mem_set(&disk->mode, "RW");
    mem_set(&disk->type, "Disk");
    mem_set(&disk->uuid, "22222222-2222-4222-8222-222222222222");
    disk->has_vdi = true;
    mem_set(&disk->vdi_name, "root");
    mem_set(&disk->vdi_description, "");
    disk->virtual_size_bytes = 67108864;
    mem_set(&disk->vdi_type, "user");
    mem_set(&disk->vdi_uuid, "33333333-3333-4333-8333-333333333333");
    mem_set(&disk->sr_uuid, "44444444-4444-4444-8444-444444444444");
    struct meta_vif *vif = meta_add_vif(meta);
    mem_set(&vif->device, "0");
    mem_set(&vif->network_name, "LAN");
    vif->mtu = 1500;
    mem_set(&vif->mac, "aa:bb:cc:00:11:22");
    mem_set(&vif->other_config, "{}");
    mem_set(&vif->uuid, "55555555-5555-4555-8555-555555555555");
    meta->is_ours = true;
    meta->compress = JOB_COMPRESS_NONE;
    mem_set(&meta->tool, "onyxpool 0.1.0");
    meta->backup.kind = JOB_BACKUP_VM;
    meta->backup.state = BACKUP_PROVEN;
    mem_set(&meta->backup.file, "backup_20261122-212734.xva");
    meta->backup.size_bytes = 4225024;
    mem_set(&meta->backup.sha256, SHA256);
    mem_set(&meta->backup.stream_xxh128, XXH128);
    mem_set(&meta->backup.sparse_xxh128, XXH128);
    meta->backup.stream_bytes = 4225024;
    mem_set(&meta->backup.proof, "blocks");
    meta->backup.consistency = JOB_CRASH_CONSISTENT;
    mem_set(&meta->backup.vm_uuid, "11111111-1111-4111-8111-111111111111");
    mem_set(&meta->backup.vm_name, "web1");
    str_copy(meta->backup.job, JOB_ID_MAX, "3f9a2c1b00e4d711");
    str_copy(meta->backup.run, RUN_ID_MAX, "00e4d7113f9a2c1b");
    meta->backup.attempt = 2;
    mem_set(&meta->backup.host_uuid, "66666666-6666-4666-8666-666666666666");
    mem_set(&meta->backup.host_name, "h1");
    meta->backup.snapshot_at = 1795379254000;
    meta->backup.started_at = 1795379250000;
    meta->backup.finished_at = 1795379300000;
    meta->backup.stream_ms = 45123;
}

static const char whole[] = "******* VM *******\n"
                            "name_label=web1\n"
                            "name_description=two%0Alines and 100%2525\n"
                            "memory_dynamic_max=536870912\n"
                            "VCPUs_max=2\n"
                            "VCPUs_at_startup=1\n"
                            "base_template_name=Debian Buster 10\n"
                            "os_version=Debian GNU/Linux 12\n"
                            "orig_uuid=11111111-1111-4111-8111-111111111111\n"
                            "\n"
                            "******* DISK *******\n"
                            "device=xvda\n"
                            "userdevice=0\n"
                            "bootable=True\n"
                            "mode=RW\n"
                            "type=Disk\n"
                            "unpluggable=False\n"
                            "empty=False\n"
                            "orig_uuid=22222222-2222-4222-8222-222222222222\n"
                            "---- VDI ----\n"
                            "name_label=root\n"
                            "name_description=\n"
                            "virtual_size=67108864\n"
                            "type=user\n"
                            "sharable=False\n"
                            "read_only=False\n"
                            "orig_uuid=33333333-3333-4333-8333-333333333333\n"
                            "orig_sr_uuid=44444444-4444-4444-8444-444444444444\n"
                            "\n"
                            "******* VIF *******\n"
                            "device=0\n"
                            "network_name_label=LAN\n"
                            "MTU=1500\n"
                            "MAC=aa:bb:cc:00:11:22\n"
                            "other_config={}\n"
                            "orig_uuid=55555555-5555-4555-8555-555555555555\n"
                            "\n"
                            "******* ONYXPOOL *******\n"
                            "onyxpool_format=1\n"
                            "kind=vm-export\n"
                            "file=backup_20261122-212734.xva\n"
                            "size=4225024\n"
                            "sha256=" SHA256 "\n"
                            "stream_size=4225024\n"
                            "stream_xxh128=" XXH128 "\n"
                            "sparse_xxh128=" XXH128 "\n"
                            "proof=blocks\n"
                            "compression=none\n"
                            "consistency=crash-consistent\n"
                            "vm_uuid=11111111-1111-4111-8111-111111111111\n"
                            "vm_name=web1\n"
                            "job=3f9a2c1b00e4d711\n"
                            "attempt=2\n"
                            "run=00e4d7113f9a2c1b\n"
                            "host_uuid=66666666-6666-4666-8666-666666666666\n"
                            "host_name=h1\n"
                            "snapshot_at=2026-11-22T20:27:34Z\n"
                            "started_at=2026-11-22T20:27:30Z\n"
                            "finished_at=2026-11-22T20:28:20Z\n"
                            "stream_ms=45123\n"
                            "tool=onyxpool 0.1.0\n"
                            "onyxpool_end=1\n";

static void a_whole_file_is_written_word_by_word(void **state)
{
    CLEAN_META struct meta meta = {.disks = NULL};
    CLEAN_STR struct str out = STR_INIT;

    (void)state;
    fill(&meta);
    meta_format(&meta, &out);
    assert_string_equal(str_text(&out), whole);
}

/* The whole text again: equal texts of the same table mean equal values. */
static void assert_comes_back(const struct meta *meta)
{
    CLEAN_META struct meta back = {.disks = NULL};
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_STR struct str again = STR_INIT;
    struct error err = ERROR_INIT;

    meta_format(meta, &text);
    if (meta_parse(str_text(&text), text.len, &back, &err))
        fail_msg("%s", err.text);
    meta_format(&back, &again);
    assert_string_equal(str_text(&again), str_text(&text));
    assert_string_equal(back.vm_name, meta->vm_name);
    assert_string_equal(back.vm_description, meta->vm_description);
    assert_int_equal(back.disks_n, meta->disks_n);
    assert_string_equal(back.disks[0].vdi_name, meta->disks[0].vdi_name);
    assert_int_equal(back.vifs_n, meta->vifs_n);
    assert_string_equal(back.vifs[0].other_config, meta->vifs[0].other_config);
    assert_true(back.is_ours);
    assert_string_equal(back.backup.file, meta->backup.file);
    assert_string_equal(back.backup.host_name, meta->backup.host_name);
    assert_true(back.backup.size_bytes == meta->backup.size_bytes);
    assert_true(back.backup.snapshot_at == meta->backup.snapshot_at);
    assert_int_equal(back.backup.state, BACKUP_PROVEN);
}

static void a_whole_file_comes_back(void **state)
{
    CLEAN_META struct meta meta = {.disks = NULL};

    (void)state;
    fill(&meta);
    assert_comes_back(&meta);
}

static void set_random_text(char **field, unsigned *seed)
{
    static const char *const pieces[] = {"%",
                                         "%0A",
                                         "\n",
                                         "\r",
                                         "\r\n",
                                         "=",
                                         "2",
                                         "5",
                                         " ",
                                         "\xff",
                                         "\xc3\xa4",
                                         "\n******* ONYXPOOL *******\nonyxpool_format=9\n",
                                         "---- VDI ----",
                                         "\nonyxpool_end=1\n",
                                         "\t",
                                         "a"};
    CLEAN_STR struct str text = STR_INIT;

    *seed = *seed * 1103515245u + 12345u;
    for (unsigned n = *seed >> 16 & 15; n; n--) {
        *seed = *seed * 1103515245u + 12345u;
        str_add(&text, pieces[*seed >> 16 & 15]);
    }
    mem_set(field, str_text(&text));
}

static void hostile_values_come_back(void **state)
{
    unsigned seed = 7;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        CLEAN_META struct meta meta = {.disks = NULL};
        fill(&meta);
        set_random_text(&meta.vm_name, &seed);
        set_random_text(&meta.vm_description, &seed);
        set_random_text(&meta.os_version, &seed);
        set_random_text(&meta.disks[0].vdi_name, &seed);
        set_random_text(&meta.disks[0].vdi_description, &seed);
        set_random_text(&meta.vifs[0].network_name, &seed);
        set_random_text(&meta.vifs[0].other_config, &seed);
        set_random_text(&meta.backup.vm_name, &seed);
        set_random_text(&meta.backup.host_name, &seed);
        meta.backup.size_bytes = seed;
        assert_comes_back(&meta);
    }
}

static int parse(const char *text, struct meta *meta, struct error *err)
{
    return meta_parse(text, strlen(text), meta, err);
}

static void a_file_cut_anywhere_is_never_ours(void **state)
{
    size_t ours = (size_t)(strstr(whole, "******* ONYXPOOL") - whole) + strlen("******* ONYXPOOL");

    (void)state;
    for (size_t n = 0; n < sizeof whole - 2; n++) {
        CLEAN_META struct meta meta = {.disks = NULL};
        struct error err = ERROR_INIT;
        if (meta_parse(whole, n, &meta, &err) == 0)
            assert_false(meta.is_ours);
        else
            assert_true(n > ours);
    }
}

static void a_file_of_onyxbackupvm_is_read_as_it_stands(void **state)
{
    CLEAN_META struct meta meta = {.disks = NULL};
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(parse("******* VM *******\n"
                           "name_label=old\n"
                           "name_description=first\nsecond line\n"
                           "memory_dynamic_max=1073741824\n"
                           "VCPUs_max=4\nVCPUs_at_startup=4\n"
                           "os_version=100%25\n"
                           "orig_uuid=aaaa\n\n"
                           "******* DISK *******\n"
                           "device=xvda\nbootable=True\nempty=maybe\n"
                           "---- VDI ----\nvirtual_size=none\nname_label=root\n\n"
                           "******* VIF *******\nMTU=1500\nnew_key=x\n"
                           "******* ONYXPOOL *******\n"
                           "file=../../etc/passwd\n",
                           &meta, &err),
                     0);
    assert_false(meta.is_ours);
    assert_int_equal(meta.backup.state, BACKUP_FOUND);
    assert_null(meta.backup.file);
    assert_string_equal(meta.vm_name, "old");
    assert_string_equal(meta.vm_description, "first");
    assert_string_equal(meta.os_version, "100%25");
    assert_null(meta.base_template_name);
    assert_int_equal(meta.vcpus_max, 4);
    assert_int_equal(meta.disks_n, 1);
    assert_true(meta.disks[0].bootable);
    assert_true(meta.disks[0].has_vdi);
    assert_string_equal(meta.disks[0].vdi_name, "root");
    assert_int_equal(meta.disks[0].virtual_size_bytes, 0);
    assert_int_equal(meta.vifs[0].mtu, 1500);
}

static void an_empty_file_is_nobodys(void **state)
{
    CLEAN_META struct meta meta = {.disks = NULL};
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(parse("", &meta, &err), 0);
    assert_false(meta.is_ours);
    assert_false(meta.has_vm);
}

static void unknown_keys_and_sections_of_later_versions_are_passed_over(void **state)
{
    CLEAN_META struct meta meta = {.disks = NULL};
    CLEAN_STR struct str text = STR_INIT;
    struct error err = ERROR_INIT;

    (void)state;
    str_add_n(&text, whole, strlen(whole) - strlen("onyxpool_end=1\n"));
    str_add(&text, "shiny=1\nno equals sign\nonyxpool_end=1\n******* LATER *******\nx=1\n");
    assert_int_equal(parse(str_text(&text), &meta, &err), 0);
    assert_true(meta.is_ours);
}

static void windows_line_ends_do_no_harm(void **state)
{
    CLEAN_META struct meta meta = {.disks = NULL};
    CLEAN_STR struct str text = STR_INIT;
    struct error err = ERROR_INIT;

    (void)state;
    for (const char *c = "******* VM *******\nname_label=web1\n"; *c; c++)
        str_add(&text, *c == '\n' ? "\r\n" : (char[]){*c, 0});
    assert_int_equal(parse(str_text(&text), &meta, &err), 0);
    assert_string_equal(meta.vm_name, "web1");
}

/* Lines of our section that replace the good one of their key. */
static const struct {
    const char *from, *to, *says;
    enum error_code code;
} bad[] = {
    {"onyxpool_format=1", "onyxpool_format=2", "newer onyxpool", ERROR_UNSUPPORTED},
    {"onyxpool_format=1", "onyxpool_format=x", "format number", ERROR_CORRUPT},
    {"kind=vm-export", "kind=vm-import", "kind", ERROR_CORRUPT},
    {"kind=vm-export", "knid=vm-export", "missing", ERROR_CORRUPT},
    {"file=backup_20261122-212734.xva", "file=../x", "file", ERROR_CORRUPT},
    {"file=backup_20261122-212734.xva", "file=", "file", ERROR_CORRUPT},
    {"size=4225024", "size=-1", "size", ERROR_CORRUPT},
    {"sha256=0", "sha256=x", "sha256", ERROR_CORRUPT},
    {"sha256=0", "sha256=", "sha256", ERROR_CORRUPT},
    {"stream_xxh128=", "stream_xxh128=x", "stream_xxh128", ERROR_CORRUPT},
    {"sparse_xxh128=", "sparse_xxh128=x", "sparse_xxh128", ERROR_CORRUPT},
    {"compression=none", "compression=lzma", "compression", ERROR_CORRUPT},
    {"consistency=crash-consistent", "consistency=lucky", "consistency", ERROR_CORRUPT},
    {"job=3f9a2c1b00e4d711", "job=3f9a", "job", ERROR_CORRUPT},
    {"job=3f9a2c1b00e4d711", "job=", "missing", ERROR_CORRUPT},
    {"attempt=2", "attempt=100", "attempt", ERROR_CORRUPT},
    {"attempt=2", "attempt=0", "missing", ERROR_CORRUPT},
    {"snapshot_at=2026", "snapshot_at=yesterday", "snapshot_at", ERROR_CORRUPT},
    {"onyxpool_end=1", "", "cut", ERROR_CORRUPT},
};

static void a_bad_value_in_our_section_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CLEAN_META struct meta meta = {.disks = NULL};
        CLEAN_STR struct str text = STR_INIT;
        struct error err = ERROR_INIT;
        const char *at = strstr(strstr(whole, "onyxpool_format") - 1, bad[i].from);
        str_add_n(&text, whole, (size_t)(at - whole));
        str_add(&text, bad[i].to);
        str_add(&text, at + strlen(bad[i].from));
        assert_int_equal(parse(str_text(&text), &meta, &err), -1);
        if (err.code != bad[i].code || !strstr(err.text, bad[i].says))
            fail_msg("%s: %s", bad[i].to, err.text);
    }
}

/* One digest is enough, whichever it is; none is none. */
static void a_backup_has_at_least_one_digest(void **state)
{
    (void)state;
    for (unsigned has = 0; has < 8; has++) {
        CLEAN_META struct meta meta = {.disks = NULL};
        CLEAN_META struct meta back = {.disks = NULL};
        CLEAN_STR struct str text = STR_INIT;
        struct error err = ERROR_INIT;
        fill(&meta);
        mem_set(&meta.backup.sha256, has & 1 ? SHA256 : NULL);
        mem_set(&meta.backup.stream_xxh128, has & 2 ? XXH128 : NULL);
        mem_set(&meta.backup.sparse_xxh128, has & 4 ? XXH128 : NULL);
        meta_format(&meta, &text);
        assert_int_equal(parse(str_text(&text), &back, &err), has ? 0 : -1);
        if (!has)
            assert_non_null(strstr(err.text, "digests are missing"));
        else
            assert_true(str_equal(back.backup.sparse_xxh128, meta.backup.sparse_xxh128));
    }
}

static void too_much_is_refused(void **state)
{
    CLEAN_META struct meta meta = {.disks = NULL};
    CLEAN_STR struct str text = STR_INIT;
    struct error err = ERROR_INIT;

    (void)state;
    for (int i = 0; i <= META_DISKS_MAX; i++)
        str_add(&text, "******* DISK *******\n");
    assert_int_equal(parse(str_text(&text), &meta, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
    str_clear(&text);
    while (text.len <= META_MAX)
        str_add(&text, "x=0123456789012345678901234567890123456789\n");
    assert_int_equal(parse(str_text(&text), &meta, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
    assert_int_equal(meta_parse("a\0b", 3, &meta, &err), -1);
    assert_int_equal(err.code, ERROR_CORRUPT);
}

static void a_vm_of_the_pool_fills_the_manuals_part(void **state)
{
    CLEAN_POOL struct pool pool = {.hosts = NULL};
    CLEAN_META struct meta meta = {.disks = NULL};

    (void)state;
    struct sr *sr = pool_add_sr(&pool);
    mem_set(&sr->uuid, "sr-uuid");
    struct vdi *vdi = pool_add_vdi(&pool);
    mem_set(&vdi->name, "root");
    mem_set(&vdi->uuid, "vdi-uuid");
    vdi->sr = 0;
    vdi->virtual_size_bytes = 4096;
    struct vbd *disk = pool_add_vbd(&pool);
    mem_set(&disk->userdevice, "1");
    disk->type = VBD_DISK;
    disk->vdi = 0;
    disk->is_read_only = true;
    struct vbd *cd = pool_add_vbd(&pool);
    cd->type = VBD_CD;
    struct vm *vm = pool_add_vm(&pool);
    mem_set(&vm->name, "web1");
    mem_set(&vm->os_version, "");
    vm->vbds = mem_grow(vm->vbds, &vm->vbds_cap, 2, sizeof *vm->vbds);
    vm->vbds[vm->vbds_n++] = 1;
    vm->vbds[vm->vbds_n++] = 0;
    vm->vifs = mem_zero(1, sizeof *vm->vifs);
    vm->vifs_n = 1;
    text_map_set(&vm->vifs[0].other_config, "it's", "a\\b");
    text_map_set(&vm->vifs[0].other_config, "k", "v");
    meta_set_vm(&meta, &pool, vm);
    assert_true(meta.has_vm);
    assert_int_equal(meta.disks_n, 1);
    assert_string_equal(meta.disks[0].device, "xvdb");
    assert_string_equal(meta.disks[0].mode, "RO");
    assert_string_equal(meta.disks[0].vdi_name, "root");
    assert_string_equal(meta.disks[0].sr_uuid, "sr-uuid");
    assert_true(meta.disks[0].virtual_size_bytes == 4096);
    assert_null(meta.base_template_name);
    assert_string_equal(meta.vifs[0].other_config, "{'it\\'s': 'a\\\\b', 'k': 'v'}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_is_written_word_by_word),
        cmocka_unit_test(a_whole_file_comes_back),
        cmocka_unit_test(hostile_values_come_back),
        cmocka_unit_test(a_file_cut_anywhere_is_never_ours),
        cmocka_unit_test(a_file_of_onyxbackupvm_is_read_as_it_stands),
        cmocka_unit_test(an_empty_file_is_nobodys),
        cmocka_unit_test(unknown_keys_and_sections_of_later_versions_are_passed_over),
        cmocka_unit_test(windows_line_ends_do_no_harm),
        cmocka_unit_test(a_bad_value_in_our_section_is_named),
        cmocka_unit_test(a_backup_has_at_least_one_digest),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(a_vm_of_the_pool_fills_the_manuals_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
