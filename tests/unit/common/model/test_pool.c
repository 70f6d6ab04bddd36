/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pools as values: growth, look-up, which VBD is exported, which host sees an SR.
 */
#include "common/model/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void pool_grows_and_is_released_when_filled(void **state)
{
    (void)state;
    CLEAN_POOL struct pool pool = {0};
    for (int i = 0; i < 1000; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "OpaqueRef:%d", i);
        struct vm *vm = pool_add_vm(&pool);
        vm->ref = mem_dup(text);
        vm->uuid = mem_dup(text + 10);
        text_list_add(&vm->tags, "a");
        text_map_set(&vm->other_config, "k", "v");
    }
    assert_int_equal(pool.vms_n, 1000);
    assert_int_equal(pool_find_vm(&pool, "OpaqueRef:777"), 777);
    assert_int_equal(pool_find_vm(&pool, "777"), 777);
}

static void find_gives_none_when_absent_null_or_empty(void **state)
{
    (void)state;
    CLEAN_POOL struct pool pool = {0};
    assert_true(pool_find_host(&pool, "x") == POOL_NONE);
    assert_true(pool_find_host(&pool, NULL) == POOL_NONE);
    (void)pool_add_host(&pool);
    assert_true(pool_find_host(&pool, "OpaqueRef:NULL") == POOL_NONE);
    assert_true(pool_find_sr(&pool, "x") == POOL_NONE);
    assert_true(pool_find_vdi(&pool, "x") == POOL_NONE);
}

static void fresh_items_point_nowhere(void **state)
{
    (void)state;
    CLEAN_POOL struct pool pool = {0};
    assert_true(pool_add_vbd(&pool)->vdi == POOL_NONE);
    assert_true(pool_add_vbd(&pool)->vm == POOL_NONE);
    assert_true(pool_add_vdi(&pool)->sr == POOL_NONE);
    assert_true(pool_add_vm(&pool)->resident_on == POOL_NONE);
}

static void disk_is_exported_unless_cd_empty_or_on_an_iso_sr(void **state)
{
    (void)state;
    CLEAN_POOL struct pool pool = {0};
    pool_add_sr(&pool)->content_type = mem_dup("user");
    pool_add_sr(&pool)->content_type = mem_dup("iso");
    struct vdi *vdi = pool_add_vdi(&pool);
    vdi->sr = 0;
    vdi->virtual_size_bytes = 5;
    vdi->physical_utilisation_bytes = 3;
    pool_add_vdi(&pool)->sr = 1;
    struct vbd disk = {.vdi = 0, .type = VBD_DISK};
    struct vbd cd = {.vdi = 0, .type = VBD_CD};
    struct vbd empty = {.vdi = POOL_NONE, .type = VBD_DISK, .empty = true};
    struct vbd iso = {.vdi = 1, .type = VBD_DISK};
    assert_true(pool_vbd_is_exported(&pool, &disk));
    assert_false(pool_vbd_is_exported(&pool, &cd));
    assert_false(pool_vbd_is_exported(&pool, &empty));
    assert_false(pool_vbd_is_exported(&pool, &iso));

    *pool_add_vbd(&pool) = disk;
    *pool_add_vbd(&pool) = cd;
    size_t vbds[] = {0, 1};
    struct vm vm = {.vbds = vbds, .vbds_n = 2};
    assert_int_equal(pool_vm_virtual_bytes(&pool, &vm), 5);
    assert_int_equal(pool_vm_physical_bytes(&pool, &vm), 3);
}

static void device_comes_from_userdevice_when_xapi_left_it_empty(void **state)
{
    (void)state;
    char text[16];
    char device[] = "sda", none[] = "", one[] = "1", bad[] = "x", big[] = "99999999999";
    struct vbd vbd = {.device = device, .userdevice = one};
    assert_string_equal(vbd_device_name(&vbd, text), "sda");
    vbd.device = none;
    assert_string_equal(vbd_device_name(&vbd, text), "xvdb");
    vbd.userdevice = bad;
    assert_string_equal(vbd_device_name(&vbd, text), "xvdz");
    vbd.userdevice = big;
    assert_string_equal(vbd_device_name(&vbd, text), "xvdz");
    vbd.userdevice = NULL;
    assert_string_equal(vbd_device_name(&vbd, text), "xvdz");
}

static void host_sees_an_sr_only_through_an_attached_pbd(void **state)
{
    (void)state;
    CLEAN_POOL struct pool pool = {0};
    struct sr *sr = pool_add_sr(&pool);
    sr->hosts = mem_grow(sr->hosts, &sr->hosts_cap, 1, sizeof *sr->hosts);
    sr->hosts[sr->hosts_n++] = 2;
    assert_true(pool_host_sees_sr(&pool, 2, 0));
    assert_false(pool_host_sees_sr(&pool, 1, 0));
    assert_false(pool_host_sees_sr(&pool, 2, POOL_NONE));
    assert_false(pool_host_sees_sr(&pool, POOL_NONE, 0));
}

static void only_plain_vms_count_as_vms(void **state)
{
    (void)state;
    assert_true(vm_is_plain(&(struct vm){0}));
    assert_false(vm_is_plain(&(struct vm){.is_template = true}));
    assert_false(vm_is_plain(&(struct vm){.is_snapshot = true}));
    assert_false(vm_is_plain(&(struct vm){.is_control_domain = true}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_grows_and_is_released_when_filled),
        cmocka_unit_test(find_gives_none_when_absent_null_or_empty),
        cmocka_unit_test(fresh_items_point_nowhere),
        cmocka_unit_test(disk_is_exported_unless_cd_empty_or_on_an_iso_sr),
        cmocka_unit_test(device_comes_from_userdevice_when_xapi_left_it_empty),
        cmocka_unit_test(host_sees_an_sr_only_through_an_attached_pbd),
        cmocka_unit_test(only_plain_vms_count_as_vms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
