/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Changed block tracking and what NBD clients ask.
 *
 * Source: contract 8; recordings 267-276.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "tests/poolsim/behaviour.h"
#include "tests/poolsim/disks.h"
#include "tests/poolsim/nbd.h"
#include "tests/poolsim/operations.h"
#include "tests/poolsim/rpc.h"
#include "tests/poolsim/server.h"
#include "tests/poolsim/vdi_chain.h"

#include "common/base/poison.h"

#define DATA_DESTROY_WAIT_MS 4000
#define NO_CONTENT           "/No content: this is a cbt_metadata VDI/"

/* The plain file driver takes the call and keeps nothing, as recorded (267-273). */
static bool is_untracked(struct pool *pool, const struct object *vdi)
{
    const struct object *sr = object_follow(pool, vdi, F_VDI_SR);

    return sr && strcmp(object_text(sr, F_SR_type), "file") == 0;
}

static int set_tracking(struct call *call)
{
    struct pool *pool = call->pool;
    struct object *vdi = call_object(call, 0, CLASS_VDI);
    bool is_on = strcmp(call->name, "VDI.enable_cbt") == 0;

    if (!vdi ||
        operations_check_vdi(pool, vdi, is_on ? "enable_cbt" : "disable_cbt", call->failure))
        return -1;
    if (!is_untracked(pool, vdi))
        object_set_bool(pool, vdi, F_VDI_cbt_enabled, is_on);
    return 0;
}

static void answer_base64(struct answer *answer, const unsigned char *bytes, size_t n)
{
    char *text = mem_zero(4 * ((n + 2) / 3) + 1, 1);

    EVP_EncodeBlock((unsigned char *)text, bytes, (int)n);
    answer_text(answer, text);
    free(text);
}

static int list_changed_blocks(struct call *call)
{
    struct pool *pool = call->pool;
    struct object *from = call_object(call, 0, CLASS_VDI);
    struct object *to = from ? call_object(call, 1, CLASS_VDI) : NULL;
    CLEAN_DISK struct disk *from_disk = NULL;
    CLEAN_DISK struct disk *to_disk = NULL;
    unsigned char *bytes;

    if (!to || operations_check_vdi(pool, to, "list_changed_blocks", call->failure))
        return -1;
    from_disk = disks_find(pool->disks, object_uuid(from));
    to_disk = disks_find(pool->disks, object_uuid(to));
    if (!from_disk || !to_disk || !object_bool(from, F_VDI_cbt_enabled) ||
        !object_bool(to, F_VDI_cbt_enabled))
        return failure_set(call->failure, "SR_BACKEND_FAILURE_460", "",
                           "Failed to calculate changed blocks for given VDIs.",
                           "[opterr=Source and target VDI are unrelated]", "", NULL);
    bytes = mem_zero(disk_changed_bytes(to_disk) + 1, 1);
    disk_changed_grains(from_disk, to_disk, bytes);
    answer_base64(call->answer, bytes, disk_changed_bytes(to_disk));
    free(bytes);
    return 0;
}

/* The VM that holds the disk must be gone; XAPI waits a moment for its VBDs to go. */
static int data_destroy(struct call *call)
{
    struct pool *pool = call->pool;
    int64_t deadline = pool_now_ms() + DATA_DESTROY_WAIT_MS;
    struct object *vdi = call_object(call, 0, CLASS_VDI);
    struct error err = ERROR_INIT;
    CLEAN_CHAR char *parent = NULL;

    if (!vdi || operations_check_vdi(pool, vdi, "data_destroy", call->failure))
        return -1;
    if (strcmp(object_text(vdi, F_VDI_type), "cbt_metadata") == 0)
        return 0;
    while (object_set(vdi, F_VDI_VBDs)->n) {
        if (pool_now_ms() >= deadline || pool->is_ending)
            return failure_set(call->failure, "VDI_IN_USE", object_ref(vdi), "data_destroy", NULL);
        pool_wait_until(pool, deadline);
        vdi = call_object(call, 0, CLASS_VDI);
        if (!vdi)
            return -1;
    }
    if (disks_drop_data(pool->disks, object_uuid(vdi), &err))
        return sr_backend_failure(call->failure, &err);
    object_set_text(pool, vdi, F_VDI_type, "cbt_metadata");
    object_map_put(pool, vdi, F_VDI_other_config, "content_id", NO_CONTENT);
    object_set_int(pool, vdi, F_VDI_physical_utilisation, 0);
    parent = mem_dup(object_map_get(vdi, F_VDI_sm_config, "vhd-parent"));
    object_map_remove(pool, vdi, F_VDI_sm_config, "vhd-parent");
    sr_recount(pool, object_text(vdi, F_VDI_SR));
    if (pool->coalesces_at_once)
        chain_release(pool, parent);
    return 0;
}

static bool serves_nbd(struct pool *pool, const struct object *pif)
{
    const struct object *network = object_follow(pool, pif, F_PIF_network);

    return network && object_bool(pif, F_PIF_currently_attached) &&
           (text_list_has(object_set(network, F_network_purpose), "nbd") ||
            text_list_has(object_set(network, F_network_purpose), "insecure_nbd"));
}

static void answer_nbd_server(struct call *call, const struct object *vdi, const struct host *host,
                              int port, const struct object *pif)
{
    CLEAN_CHAR char *name = str_format("/%s?session_id=%s", object_uuid(vdi), call->session_ref);

    answer_begin_map(call->answer);
    answer_key(call->answer, "exportname");
    answer_text(call->answer, name);
    answer_key(call->answer, "address");
    answer_text(call->answer, object_text(pif, F_PIF_IP));
    answer_key(call->answer, "port");
    answer_int(call->answer, port);
    answer_key(call->answer, "cert");
    answer_text(call->answer, server_certificate(host->server));
    answer_key(call->answer, "subject");
    answer_text(call->answer, host->name);
    answer_end_map(call->answer);
}

static int get_nbd_info(struct call *call)
{
    struct pool *pool = call->pool;
    struct object *vdi = call_object(call, 0, CLASS_VDI);

    if (!vdi)
        return -1;
    if (strcmp(object_text(vdi, F_VDI_type), "cbt_metadata") == 0)
        return failure_set(call->failure, "VDI_INCOMPATIBLE_TYPE", object_ref(vdi), "CBT metadata",
                           NULL);
    answer_begin_set(call->answer);
    for (size_t i = 0; i < pool->hosts_n; i++) {
        struct host *host = pool->hosts[i];
        int port = NBD_XAPI_PORT;
        if (!pool_host_sees_sr(pool, host, object_text(vdi, F_VDI_SR)) ||
            nbd_port(pool->nbd, host, &port, NULL) != 0)
            continue;
        for (struct object *pif = store_first(pool, CLASS_PIF); pif; pif = store_next(pool, pif))
            if (strcmp(object_text(pif, F_PIF_host), host->ref) == 0 && serves_nbd(pool, pif))
                answer_nbd_server(call, vdi, host, port, pif);
    }
    answer_end_set(call->answer);
    return 0;
}

const struct method_row cbt_methods[] = {
    {"VDI.enable_cbt", set_tracking},
    {"VDI.disable_cbt", set_tracking},
    {"VDI.list_changed_blocks", list_changed_blocks},
    {"VDI.data_destroy", data_destroy},
    {"VDI.get_nbd_info", get_nbd_info},
    {NULL, NULL},
};
