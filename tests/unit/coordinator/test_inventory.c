/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A whole pool read into the model: from answers that are partly wrong, and from very many.
 */
#include "coordinator/inventory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/model/pool.h"
#include "common/xapi/record.h"
#include "common/xapi/session.h"
#include "common/xapi/target.h"
#include "tests/unit/common/xapi/fake_server.h"

#define ANSWER_MAX ((size_t)1 << 20)

struct scene {
    const char *broken;    /* this call fails */
    const char *empty;     /* this class has no objects */
    atomic_uint records_n; /* get_record calls */
    bool must_be_disks;    /* record_read_disks is asked */
};

/* "VM" of "VM.get_all_records", and its answer from the golden folder. */
static bool class_read(const char *method, struct str *text)
{
    CLEAN_CHAR char *path = str_format("%s/tests/golden/xapi/inventory/%.*s.json", TEST_SOURCE_ROOT,
                                       (int)strcspn(method, "."), method);

    return !fd_read_file(path, ANSWER_MAX, text, NULL);
}

static void scene_answer(void *context, struct fake_connection *connection,
                         const struct fake_request *request)
{
    struct scene *scene = context;
    CLEAN_STR struct str text = STR_INIT;

    if (scene->broken && !strcmp(request->rpc, scene->broken))
        fake_send_fault(connection, "INTERNAL_ERROR", "\"x\"");
    else if (scene->empty && !strcmp(request->rpc, scene->empty))
        fake_send_result(connection, "{}");
    else if (strstr(request->rpc, ".get_all_records") && class_read(request->rpc, &text))
        fake_send_json(connection, str_text(&text));
    else
        fake_send_fault(connection, "MESSAGE_METHOD_UNKNOWN", "\"x\"");
}

static int read_from(struct scene *scene, fake_handler *handler, struct pool *pool,
                     struct error *err)
{
    struct fake_server *server = fake_start(FAKE_SOCKET, handler, scene);
    CLEAN_XAPI_TARGET struct xapi_target target = {0};
    struct xapi *xapi = NULL;

    assert_int_equal(xapi_target_parse(fake_address(server), &target, NULL), 0);
    assert_int_equal(xapi_adopt(&target, "OpaqueRef:lent", &xapi, NULL), 0);
    log_set_level(LOG_LEVEL_ERROR);
    int result = inventory_read(xapi, NULL, NULL, pool, err);

    xapi_close(xapi);
    fake_stop(server);
    return result;
}

static const struct vm *vm_of(const struct pool *pool, const char *ref)
{
    size_t i = pool_find_vm(pool, ref);

    assert_true(i != POOL_NONE);
    return &pool->vms[i];
}

static void hosts_and_storage_are_read(const struct pool *pool)
{
    size_t nfs = pool_find_sr(pool, "OpaqueRef:s1");
    size_t raw = pool_find_sr(pool, "OpaqueRef:s2");
    size_t ext = pool_find_sr(pool, "OpaqueRef:s4");
    size_t one = pool_find_host(pool, "OpaqueRef:h1");
    size_t three = pool_find_host(pool, "OpaqueRef:h3");

    assert_int_equal(pool->hosts_n, 3);
    assert_int_equal(pool->master, one);
    assert_true(pool->hosts[one].live && pool->hosts[one].enabled);
    assert_false(pool->hosts[three].live);
    assert_true(pool->hosts[three].enabled);
    assert_string_equal(text_map_get(&pool->other_config, "onyxpool_lease_4"), "released");
    assert_null(text_map_get(&pool->other_config, "n"));
    assert_int_equal(pool->srs[nfs].hosts_n, 2); /* of six PBDs */
    assert_true(pool_host_sees_sr(pool, one, nfs) && pool_host_sees_sr(pool, three, nfs));
    assert_true(pool->srs[nfs].can_snapshot);
    assert_false(pool->srs[raw].can_snapshot);
    assert_true(pool->srs[ext].can_snapshot);
    assert_int_equal(pool->srs[nfs].physical_utilisation_bytes, 0);
    assert_int_equal(pool->srs[raw].physical_size_bytes, 2000);
}

static void disks_are_read(const struct pool *pool)
{
    size_t root = pool_find_vdi(pool, "OpaqueRef:d1");
    size_t snap = pool_find_vdi(pool, "OpaqueRef:d2");
    size_t lost = pool_find_vdi(pool, "OpaqueRef:d4");

    assert_int_equal(pool->vdis_n, 3); /* the one without a uuid is left out */
    assert_true(pool->vdis[root].virtual_size_bytes == 8589934592u);
    assert_string_equal(pool->vdis[root].vhd_parent, "x-y");
    assert_null(pool->vdis[root].snapshot_of);
    assert_null(pool->vdis[root].mark);
    assert_true(pool->vdis[root].managed && pool->vdis[root].cbt_enabled);
    assert_int_equal(pool->vdis[snap].virtual_size_bytes, 123);
    assert_string_equal(pool->vdis[snap].snapshot_of, "OpaqueRef:d1");
    assert_non_null(pool->vdis[snap].mark);
    assert_true(pool->vdis[snap].on_boot_reset && pool->vdis[snap].missing);
    assert_true(pool->vdis[lost].sr == POOL_NONE);
    assert_int_equal(pool->vdis[lost].virtual_size_bytes, 0);
}

static void vms_are_read(const struct pool *pool)
{
    const struct vm *web = vm_of(pool, "OpaqueRef:v1");
    const struct vm *snap = vm_of(pool, "OpaqueRef:v2");
    const struct vm *odd = vm_of(pool, "OpaqueRef:v4");

    assert_int_equal(pool->vms_n, 3); /* the one that is no record is left out */
    assert_string_equal(web->name, "w\xc3\xa9"
                                   "b 1");
    assert_string_equal(web->os_version, "Debian \xef\xbf\xbdGNU/Linux \xef\xbf\xbd");
    assert_int_equal(web->power_state, VM_RUNNING);
    assert_true(vm_is_plain(web));
    assert_int_equal(web->tags.n, 2);
    assert_int_equal(web->vbds_n, 2);
    assert_int_equal(web->vifs_n, 2);
    assert_string_equal(web->vifs[0].network_name, "lan");
    assert_string_equal(web->vifs[1].network_name, "");
    assert_int_equal(web->vifs[1].mtu, 9000);
    assert_string_equal(web->base_template_name, "Debian");
    assert_string_equal(text_map_get(&web->blocked_operations, "destroy"), "no");
    assert_true(snap->is_snapshot && snap->has_vusbs);
    assert_string_equal(snap->suspend_vdi, "OpaqueRef:d2");
    assert_true(pool->vbds[snap->vbds[0]].vdi == POOL_NONE);
    assert_int_equal(pool->vbds[snap->vbds[0]].type, VBD_FLOPPY);
    assert_string_equal(odd->name, "");
    assert_true(odd->resident_on == POOL_NONE);
    assert_int_equal(pool->vbds_n, 3); /* the one without VM is left out */
}

static void a_pool_with_odd_records_is_read_without_them(void **state)
{
    (void)state;
    CLEAN_POOL struct pool pool = {0};
    struct scene scene = {0};
    struct error err = ERROR_INIT;

    if (read_from(&scene, scene_answer, &pool, &err))
        fail_msg("%s", err.text);
    hosts_and_storage_are_read(&pool);
    disks_are_read(&pool);
    vms_are_read(&pool);
}

static void without_pool_or_master_or_answer_there_is_no_inventory(void **state)
{
    (void)state;
    static const struct {
        struct scene scene;
        int code;
        const char *text;
    } cases[] = {
        {{.empty = "pool.get_all_records"}, ERROR_PROTOCOL, "no pool"},
        {{.empty = "host.get_all_records"}, ERROR_PROTOCOL, "none of its hosts"},
        {{.broken = "VBD.get_all_records"}, ERROR_XAPI, "VBD.get_all_records: INTERNAL_ERROR"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene scene = {.broken = cases[i].scene.broken, .empty = cases[i].scene.empty};
        struct pool pool = {0};
        struct error err = ERROR_INIT;

        assert_int_equal(read_from(&scene, scene_answer, &pool, &err), -1);
        assert_int_equal(err.code, cases[i].code);
        assert_non_null(strstr(err.text, cases[i].text));
        assert_int_equal(pool.vms_n, 0);
        assert_null(pool.vms);
    }
}

/* --- one VM -------------------------------------------------------------------------------- */

/* get_record out of the same files; what the scene calls broken is gone. */
static void answer_record(struct scene *scene, struct fake_connection *connection,
                          const struct fake_request *request)
{
    CLEAN_STR struct str text = STR_INIT;
    const char *quote = strstr(request->body, "\",\"OpaqueRef:");
    char ref[64] = "";

    if (quote)
        snprintf(ref, sizeof ref, "%.*s", (int)strcspn(quote + 3, "\""), quote + 3);
    atomic_fetch_add(&scene->records_n, 1);
    json_t *all = class_read(request->rpc, &text) ? json_loads(str_text(&text), 0, NULL) : NULL;
    json_t *record = json_object_get(json_object_get(all, "result"), ref);
    char *found = record && !(scene->broken && !strcmp(scene->broken, ref))
                      ? json_dumps(record, JSON_COMPACT)
                      : NULL;

    if (found)
        fake_send_result(connection, found);
    else
        fake_send_fault(connection, "HANDLE_INVALID", "\"x\", \"y\"");
    free(found);
    json_decref(all);
}

static void one_answer(void *context, struct fake_connection *connection,
                       const struct fake_request *request)
{
    if (!strcmp(request->rpc, "VM.get_by_uuid"))
        fake_send_result(connection, "\"OpaqueRef:v1\"");
    else if (!strcmp(request->rpc, "VM.get_record") && strstr(request->body, "OpaqueRef:v1"))
        fake_send_result(connection,
                         "{\"uuid\":\"0000000a-0000-4000-8000-000000000001\",\"name_label\":\"w\","
                         "\"power_state\":\"Running\",\"VBDs\":[\"OpaqueRef:x1\",\"OpaqueRef:x2\","
                         "\"OpaqueRef:gone\"],\"VIFs\":[\"OpaqueRef:i1\"],\"guest_metrics\":"
                         "\"OpaqueRef:NULL\",\"suspend_VDI\":\"OpaqueRef:d2\"}");
    else if (!strcmp(request->rpc, "SR.get_record"))
        fake_send_result(connection,
                         "{\"uuid\":\"00000005-0000-4000-8000-000000000001\",\"type\":\"nfs\","
                         "\"PBDs\":[\"OpaqueRef:b1\",\"OpaqueRef:b2\",\"OpaqueRef:gone\"]}");
    else if (strstr(request->rpc, ".get_record"))
        answer_record(context, connection, request);
    else
        scene_answer(context, connection, request);
}

static int read_one(struct scene *scene, const char *id, struct pool *pool, struct error *err)
{
    struct fake_server *server = fake_start(FAKE_SOCKET, one_answer, scene);
    CLEAN_XAPI_TARGET struct xapi_target target = {0};
    struct xapi *xapi = NULL;

    assert_int_equal(xapi_target_parse(fake_address(server), &target, NULL), 0);
    assert_int_equal(xapi_adopt(&target, "OpaqueRef:lent", &xapi, NULL), 0);
    int result = scene->must_be_disks ? record_read_disks(xapi, id, pool, err)
                                      : record_read_vm(xapi, id, pool, err);

    xapi_close(xapi);
    fake_stop(server);
    return result;
}

static void one_vm_is_read_with_what_it_needs_and_without_what_vanished(void **state)
{
    (void)state;
    CLEAN_POOL struct pool pool = {0};
    CLEAN_POOL struct pool changed = {0};
    struct scene scene = {0};
    struct error err = ERROR_INIT;

    if (read_one(&scene, "0000000a-0000-4000-8000-000000000001", &pool, &err))
        fail_msg("%s", err.text);
    assert_int_equal(pool.vms_n, 1);
    assert_int_equal(pool.vms[0].vbds_n, 2);
    assert_int_equal(pool.vdis_n, 2); /* the disk and the suspend image */
    assert_int_equal(pool.srs_n, 1);
    assert_int_equal(pool.srs[0].hosts_n, 1);
    assert_int_equal(pool.hosts_n, 3);
    assert_string_equal(pool.vms[0].vifs[0].network_name, "lan");
    scene.broken = "OpaqueRef:d1"; /* a disk that vanishes between two calls */
    assert_int_equal(read_one(&scene, "OpaqueRef:v1", &changed, &err), 0);
    assert_int_equal(changed.vdis_n, 1);
    assert_int_equal(changed.vms[0].vbds_n, 2);
}

static void its_disks_alone_are_read_in_fewer_calls(void **state)
{
    (void)state;
    CLEAN_POOL struct pool pool = {0};
    CLEAN_POOL struct pool none = {0};
    struct scene scene = {0};
    struct error err = ERROR_INIT;

    scene.must_be_disks = true;
    if (read_one(&scene, "OpaqueRef:v1", &pool, &err))
        fail_msg("%s", err.text);
    assert_int_equal(pool.vms_n, 1);
    assert_int_equal(pool.vms[0].vbds_n, 2);
    assert_int_equal(pool.vms[0].vifs_n, 0);
    assert_int_equal(pool.vdis_n, 2);
    assert_int_equal(pool.srs_n, 1);
    assert_int_equal(pool.srs[0].hosts_n, 0);
    assert_int_equal(pool.hosts_n, 0);
    assert_int_equal(read_one(&scene, "OpaqueRef:v9", &none, &err), -1);
    assert_int_equal(err.code, ERROR_XAPI_GONE);
}

static void a_vm_that_is_gone_is_gone(void **state)
{
    (void)state;
    struct pool pool = {0};
    struct scene scene = {0};
    struct error err = ERROR_INIT;

    assert_int_equal(read_one(&scene, "OpaqueRef:v9", &pool, &err), -1);
    assert_int_equal(err.code, ERROR_XAPI_GONE);
    assert_int_equal(pool.vms_n, 0);
}

/* --- very many ----------------------------------------------------------------------------- */

#define MANY_VMS   500
#define MANY_DISKS 4 /* of each */

static void send_many(struct fake_connection *connection, const char *class_name)
{
    CLEAN_STR struct str text = STR_INIT;
    bool is_vm = !strcmp(class_name, "VM");
    size_t n = is_vm ? MANY_VMS : MANY_VMS * MANY_DISKS;

    str_add_char(&text, '{');
    for (size_t i = 0; i < n; i++)
        str_add_format(&text,
                       "%s\"OpaqueRef:%s%zu\":{\"uuid\":\"00000000-0000-4000-8000-%012zu\","
                       "\"VM\":\"OpaqueRef:VM%zu\",\"VDI\":\"OpaqueRef:VDI%zu\",\"type\":\"Disk\","
                       "\"SR\":\"OpaqueRef:s1\",\"last_booted_record\":\"%01000d\"}",
                       i ? "," : "", class_name, i, i, i / MANY_DISKS, i, 0);
    str_add_char(&text, '}');
    fake_send_result(connection, str_text(&text));
}

static void many_answer(void *context, struct fake_connection *connection,
                        const struct fake_request *request)
{
    if (str_starts(request->rpc, "VM.") || str_starts(request->rpc, "VBD.") ||
        str_starts(request->rpc, "VDI.")) {
        CLEAN_CHAR char *name = mem_dup_n(request->rpc, strcspn(request->rpc, "."));
        send_many(connection, name);
    } else {
        scene_answer(context, connection, request);
    }
}

static void thousands_of_objects_are_joined_by_their_references(void **state)
{
    (void)state;
    CLEAN_POOL struct pool pool = {0};
    struct scene scene = {0};
    struct error err = ERROR_INIT;

    if (read_from(&scene, many_answer, &pool, &err))
        fail_msg("%s", err.text);
    assert_int_equal(pool.vms_n, MANY_VMS);
    assert_int_equal(pool.vbds_n, MANY_VMS * MANY_DISKS);
    for (size_t i = 0; i < pool.vms_n; i++)
        assert_int_equal(pool.vms[i].vbds_n, MANY_DISKS);
    for (size_t i = 0; i < pool.vbds_n; i++)
        assert_true(pool.vbds[i].vdi == i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_with_odd_records_is_read_without_them),
        cmocka_unit_test(without_pool_or_master_or_answer_there_is_no_inventory),
        cmocka_unit_test(one_vm_is_read_with_what_it_needs_and_without_what_vanished),
        cmocka_unit_test(its_disks_alone_are_read_in_fewer_calls),
        cmocka_unit_test(a_vm_that_is_gone_is_gone),
        cmocka_unit_test(thousands_of_objects_are_joined_by_their_references),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
