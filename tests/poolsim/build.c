/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pool itself and the order in which its parts are made.
 */
#include "tests/poolsim/build.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/str.h"
#include "tests/poolsim/call_log.h"
#include "tests/poolsim/disks.h"
#include "tests/poolsim/fault.h"
#include "tests/poolsim/pool_file.h"
#include "tests/poolsim/store_inside.h"

#include "common/base/poison.h"

#define LOGIN_DELAY_MS 2000
#define HEARTBEAT_MS   30000
#define HEARTBEAT_MAX  (INT64_C(1) << 40)

static const char *const pool_members[] = {"name",
                                           "profile",
                                           "user",
                                           "password",
                                           "login_delay_ms",
                                           "hosts",
                                           "srs",
                                           "networks",
                                           "vms",
                                           "other_config",
                                           "tags",
                                           "default_sr",
                                           "description",
                                           "default_templates",
                                           "heartbeat_ms",
                                           "coalesce",
                                           "guests_report",
                                           "qcow2",
                                           NULL};

static struct pool *pool_new(const char *dir)
{
    struct pool *pool = mem_zero(1, sizeof *pool);
    pthread_condattr_t monotonic;

    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pool->random = random_system();
    pool->dir = mem_dup(dir);
    pool->store = store_new();
    pool->faults = faults_new();
    pool->calls = call_log_new();
    pool->next_xva_ref = 1;
    return pool;
}

static void host_free(struct host *host)
{
    free(host->name);
    free(host->address);
    free(host->socket_path);
    text_list_done(&host->local_sessions);
    free(host);
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    for (size_t i = 0; i < pool->hosts_n; i++)
        host_free(pool->hosts[i]);
    disks_free(pool->disks);
    store_free(pool->store);
    faults_free(pool->faults);
    call_log_free(pool->calls);
    text_map_done(&pool->registrations);
    text_list_done(&pool->kept_vbds);
    free(pool->dir);
    free(pool->user);
    free(pool->password);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

struct object *build_find(struct pool *pool, enum class_id class, const char *name)
{
    enum field_id field;

    schema_find_field(class, "name_label", &field);
    for (struct object *object = store_first(pool, class); object;
         object = store_next(pool, object))
        if (strcmp(object_text(object, field), name) == 0)
            return object;
    return NULL;
}

static void build_record(struct pool *pool, const struct node *file)
{
    struct object *record = store_create(pool, CLASS_pool);
    CLEAN_TEXT_MAP struct text_map other = TEXT_MAP_INIT;
    CLEAN_TEXT_LIST struct text_list tags = TEXT_LIST_INIT;

    str_copy(pool->pool_ref, REF_MAX, object_ref(record));
    text_map_set(&other, "memory-ratio-hvm", "0.25");
    text_map_set(&other, "memory-ratio-pv", "0.25");
    node_map(file, "other_config", &other);
    node_texts(file, "tags", &tags);
    object_set_text(pool, record, F_pool_name_label, node_text(file, "name", ""));
    object_set_text(pool, record, F_pool_name_description, node_text(file, "description", ""));
    object_set_map(pool, record, F_pool_other_config, &other);
    object_set_set(pool, record, F_pool_tags, &tags);
    object_set_text(pool, record, F_pool_ha_cluster_stack, "xhad");
    object_set_bool(pool, record, F_pool_coordinator_bias, true);
    object_set_bool(pool, record, F_pool_ha_reboot_vm_on_internal_shutdown, true);
    object_set_int(pool, record, F_pool_local_auth_max_threads, 8);
    object_set_int(pool, record, F_pool_ext_auth_max_threads, 1);
    object_set_int(pool, record, F_pool_ext_auth_cache_size, 50);
    object_set_int(pool, record, F_pool_ext_auth_cache_expiry, 300);
}

static void build_defaults(struct pool *pool, const struct node *file)
{
    struct object *record = store_find(pool, CLASS_pool, pool->pool_ref);
    const char *name = node_text(file, "default_sr", NULL);
    struct object *sr = name ? build_find(pool, CLASS_SR, name) : NULL;
    struct node place = node_member(file, "default_sr");

    object_set_text(pool, record, F_pool_master, pool->master->ref);
    if (name && !sr)
        node_fail(&place, "there is no SR %s in srs", name);
    if (sr)
        object_set_text(pool, record, F_pool_default_SR, object_ref(sr));
}

static int build_settings(struct pool *pool, const struct node *file)
{
    const char *profile = node_text(file, "profile", "xcp83");
    struct node place = node_member(file, "profile");

    pool->profile = profile_find(profile);
    if (!pool->profile)
        return node_fail(&place, "one of ch82, xcp83, xs8, head, xs71 is expected, not %s",
                         profile);
    pool->user = mem_dup(node_text(file, "user", "root"));
    pool->password = mem_dup(node_text(file, "password", "poolsim"));
    pool->login_delay_ms = node_number(file, "login_delay_ms", 0, 60000, LOGIN_DELAY_MS);
    pool->heartbeat_ms = node_number(file, "heartbeat_ms", 1, HEARTBEAT_MAX, HEARTBEAT_MS);
    pool->beat_next_ms = pool_now_ms() + pool->heartbeat_ms;
    pool->coalesces_at_once = node_bool(file, "coalesce", true);
    pool->has_qcow2 = node_bool(file, "qcow2", pool->profile->id == PROFILE_HEAD);
    pool->guests_report = node_bool(file, "guests_report", false);
    return 0;
}

static int build_parts(struct pool *pool, const struct node *file, const char *dir)
{
    if (!node_check_members(file, pool_members) || build_settings(pool, file) ||
        disks_open(dir, &pool->disks, file->err))
        return -1;
    build_record(pool, file);
    if (build_hosts(pool, file) || build_storage(pool, file))
        return -1;
    build_defaults(pool, file);
    if (build_vms(pool, file))
        return -1;
    return error_is_set(file->err) ? -1 : 0;
}

int build_pool(const json_t *json, const char *dir, struct pool **ret_pool, struct error *err)
{
    struct node file = node_root(json, err);
    struct pool *pool = pool_new(dir);
    int result;

    pool_lock(pool);
    result = build_parts(pool, &file, dir);
    pool_unlock(pool);
    if (result) {
        pool_free(pool);
        return -1;
    }
    *ret_pool = pool;
    return 0;
}
