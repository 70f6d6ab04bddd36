/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/poolsim/filter.h"
#include "tests/poolsim/store.h"
#include "tests/poolsim/store_inside.h"
#include "tests/unit/tests/poolsim/sim_pool.h"

static void new_object_has_the_defaults_of_its_types(void **state)
{
    struct pool *pool = sim_pool_begin("{}");
    struct object *vdi = store_create(pool, CLASS_VDI);

    (void)state;
    assert_true(strncmp(object_ref(vdi), "OpaqueRef:", 10) == 0);
    assert_string_equal(object_text(vdi, F_VDI_uuid), object_uuid(vdi));
    assert_string_equal(object_text(vdi, F_VDI_SR), REF_NULL);
    assert_string_equal(object_text(vdi, F_VDI_snapshot_time), "19700101T00:00:00Z");
    assert_string_equal(object_text(vdi, F_VDI_on_boot), "persist");
    assert_int_equal(object_set(vdi, F_VDI_tags)->n, 0);
    assert_int_equal(object_map(vdi, F_VDI_sm_config)->n, 0);
    assert_ptr_equal(store_find(pool, CLASS_VDI, object_ref(vdi)), vdi);
    assert_ptr_equal(store_find_uuid(pool, CLASS_VDI, object_uuid(vdi)), vdi);
    assert_null(store_find(pool, CLASS_VM, object_ref(vdi)));
    assert_null(store_find_uuid(pool, CLASS_VDI, ""));
    sim_pool_end(pool);
}

static void back_references_follow_the_forward_field(void **state)
{
    struct pool *pool = sim_pool_begin("{}");
    struct object *one = store_create(pool, CLASS_VM);
    struct object *two = store_create(pool, CLASS_VM);
    struct object *vbds[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        vbds[i] = store_create(pool, CLASS_VBD);
        object_set_text(pool, vbds[i], F_VBD_VM, object_ref(one));
    }
    assert_int_equal(object_set(one, F_VM_VBDs)->n, 3);
    for (int i = 0; i < 2; i++) /* references descend, as XAPI's do */
        assert_true(strcmp(object_set(one, F_VM_VBDs)->items[i],
                           object_set(one, F_VM_VBDs)->items[i + 1]) > 0);
    object_set_text(pool, vbds[1], F_VBD_VM, object_ref(two));
    assert_int_equal(object_set(one, F_VM_VBDs)->n, 2);
    assert_string_equal(object_set(two, F_VM_VBDs)->items[0], object_ref(vbds[1]));
    store_destroy(pool, vbds[1]);
    assert_int_equal(object_set(two, F_VM_VBDs)->n, 0);
    object_set_text(pool, vbds[0], F_VBD_VM, "OpaqueRef:dead");
    assert_int_equal(object_set(one, F_VM_VBDs)->n, 1);
    sim_pool_end(pool);
}

static void changes_move_an_object_to_the_end_once_each(void **state)
{
    struct pool *pool = sim_pool_begin("{}");
    struct object *one = store_create(pool, CLASS_VM);
    struct object *two = store_create(pool, CLASS_VM);
    uint64_t before;

    (void)state;
    assert_ptr_equal(pool->store->newest, two);
    object_set_text(pool, one, F_VM_name_label, "a");
    assert_ptr_equal(pool->store->newest, one);
    before = pool->store->change_n;
    object_set_text(pool, one, F_VM_name_label, "a"); /* the value that is there is no change */
    object_map_remove(pool, one, F_VM_other_config, "absent");
    object_set_bool(pool, one, F_VM_is_a_template, false);
    assert_int_equal(pool->store->change_n, before);
    object_map_put(pool, two, F_VM_other_config, "k", "v");
    assert_ptr_equal(pool->store->newest, two);
    assert_int_equal(two->changed_n, before + 1);
    sim_pool_end(pool);
}

static void new_map_keys_stand_first_and_old_ones_keep_their_place(void **state)
{
    struct pool *pool = sim_pool_begin("{}");
    struct object *vm = store_create(pool, CLASS_VM);
    const struct text_map *map;

    (void)state;
    object_map_put(pool, vm, F_VM_other_config, "a", "1");
    object_map_put(pool, vm, F_VM_other_config, "b", "2");
    object_map_put(pool, vm, F_VM_other_config, "a", "3");
    map = object_map(vm, F_VM_other_config);
    assert_string_equal(map->pairs[0].key, "b");
    assert_string_equal(map->pairs[1].value, "3");
    object_map_remove(pool, vm, F_VM_other_config, "b");
    assert_int_equal(object_map(vm, F_VM_other_config)->n, 1);
    sim_pool_end(pool);
}

static void thousands_of_objects_are_found_after_the_tables_grew(void **state)
{
    enum { N = 6000 };
    struct pool *pool = sim_pool_begin("{}");
    size_t before = store_count(pool, CLASS_VBD);
    size_t n;
    struct object **sorted;

    (void)state;
    for (int i = 0; i < N; i++)
        store_create(pool, CLASS_VBD);
    assert_int_equal(store_count(pool, CLASS_VBD), before + N);
    for (struct object *vbd = store_first(pool, CLASS_VBD); vbd; vbd = store_next(pool, vbd))
        assert_ptr_equal(store_find(pool, CLASS_VBD, object_ref(vbd)), vbd);
    sorted = store_sorted(pool, CLASS_VBD, &n);
    for (size_t i = 1; i < n; i++)
        assert_true(strcmp(object_ref(sorted[i - 1]), object_ref(sorted[i])) > 0);
    mem_free_void(&sorted);
    while (store_count(pool, CLASS_VBD))
        store_destroy(pool, store_first(pool, CLASS_VBD));
    sim_pool_end(pool);
}

static bool fits(struct pool *pool, const struct object *vm, const char *text)
{
    CLEAN_FAILURE struct failure failure = FAILURE_INIT;
    struct filter *filter = filter_parse(text, CLASS_VM, &failure);
    bool result;

    assert_non_null(filter);
    result = filter_fits(filter, pool, vm);
    filter_free(filter);
    return result;
}

static void expressions_bind_as_xapis_parser_does(void **state)
{
    static const char *const broken[] = {
        "",           "(((",        "field", "\"a\" =",
        "true and",   "true false", "not",   "field \"uuid\" = field",
        "\"a\" = \"b"};
    struct pool *pool = sim_pool_begin("{}");
    struct object *vm = store_create(pool, CLASS_VM);

    (void)state;
    object_set_text(pool, vm, F_VM_name_label, "web");
    assert_true(fits(pool, vm, "field \"name__label\" = \"web\""));
    assert_true(fits(pool, vm, "\"web\" = field \"name__label\""));
    assert_true(fits(pool, vm, "field \"is_a_template\" = \"false\""));
    assert_true(fits(pool, vm, "field \"VCPUs_max\" = \"0\""));
    assert_false(fits(pool, vm, "true or false and false")); /* left to right */
    assert_true(fits(pool, vm, "not false and false"));      /* not (false and false) */
    assert_false(fits(pool, vm, "(not false) and false"));
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        CLEAN_FAILURE struct failure failure = FAILURE_INIT;
        assert_null(filter_parse(broken[i], CLASS_VM, &failure));
        assert_string_equal(failure_code(&failure), "INVALID_VALUE");
    }
    sim_pool_end(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_object_has_the_defaults_of_its_types),
        cmocka_unit_test(back_references_follow_the_forward_field),
        cmocka_unit_test(changes_move_an_object_to_the_end_once_each),
        cmocka_unit_test(new_map_keys_stand_first_and_old_ones_keep_their_place),
        cmocka_unit_test(thousands_of_objects_are_found_after_the_tables_grew),
        cmocka_unit_test(expressions_bind_as_xapis_parser_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
