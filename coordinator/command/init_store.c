/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * onyxpool init-store: mark a folder as the store of this pool.
 *
 * A run writes nothing into a folder without this marker, so a share that is not mounted is seen
 * as such. That is why a folder on the device of "/" is refused here unless it is meant.
 */
#include "coordinator/command/command.h"

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/random.h"
#include "common/base/str.h"
#include "common/model/pool.h"
#include "common/store/marker.h"
#include "common/store/root.h"
#include "common/xapi/call.h"
#include "common/xapi/session.h"
#include "common/xapi/target.h"

#define ORIGINATOR "onyxpool/init-store"

/* The uuid of the pool we talk to. */
static int read_pool_uuid(const struct settings *settings, char ret_uuid[UUID_TEXT_MAX],
                          struct error *err)
{
    CLEANUP(xapi_target_done) struct xapi_target target = {.kind = XAPI_TARGET_SOCKET};
    CLEANUP(xapi_clean) struct xapi *xapi = NULL;
    json_t *pools = NULL;

    if (command_make_target(settings, &target, err) != 0 ||
        xapi_open(&target, ORIGINATOR, &xapi, err) != 0 ||
        xapi_call(xapi, &pools, err, "pool.get_all_records", "[]") != 0)
        return -1;
    const char *uuid = NULL;
    const char *ref;
    json_t *record;
    json_object_foreach (pools, ref, record) {
        uuid = json_string_value(json_object_get(record, "uuid"));
    }
    if (uuid != NULL && uuid_is_valid(uuid))
        (void)str_copy(ret_uuid, UUID_TEXT_MAX, uuid);
    else
        (void)error_set(err, ERROR_PROTOCOL, "%s tells no pool with an uuid", xapi_name(xapi));
    int result = uuid != NULL && uuid_is_valid(uuid) ? 0 : -1;
    json_decref(pools);
    return result;
}

static int refuse_root_device(const struct settings *settings, struct store *store,
                              struct error *err)
{
    bool is_on_root = false;
    if (store_is_on_root_device(store, &is_on_root, err) != 0)
        return -1;
    if (!is_on_root)
        return 0;
    if (!settings->allow_root_fs)
        return error_set(err, ERROR_STORE_MISSING,
                         "%s lies on the file system of \"/\", so the share is most likely not "
                         "mounted. Mount it, or say --allow-root-fs if the backups shall go "
                         "there",
                         settings->backup_dir);
    log_warn("store", "%s lies on the file system of \"/\": backups will fill it",
             settings->backup_dir);
    return 0;
}

/* Who marks a folder by hand accepts what is mounted there; it is noted, so that a run can tell it
 * from a share that is missing. */
static int accept_mount(const struct settings *settings, struct store *store,
                        struct marker *marker, struct error *err)
{
    CLEAN_MOUNT struct mount mount = {0};
    enum mount_kind share = mount_kind_of_share(settings->share_type);

    if (store_mount(store, &mount, err) != 0)
        return -1;
    if (mount_is_share(&mount, share))
        return 0;
    (void)str_copy(marker->accepted, sizeof marker->accepted, mount.type);
    log_info("store", "%s lies on %s, not on a mounted %s share: accepted", settings->backup_dir,
             mount.type, mount_kind_name(share));
    return 0;
}

static int mark(const struct settings *settings, struct store *store, struct marker *marker,
                struct error *err)
{
    struct marker old;
    int found = marker_read(store, &old, err);

    if (found < 0 || accept_mount(settings, store, marker, err) != 0)
        return -1;
    if (found == 0)
        return marker_write(store, marker, err);
    if (!str_equal(old.pool_uuid, marker->pool_uuid))
        return error_set(err, ERROR_STORE_FOREIGN,
                         "%s is the store of another pool (%s); choose another folder",
                         settings->backup_dir, old.pool_uuid);
    bool is_same = str_equal(old.accepted, marker->accepted) &&
                   (old.allow_root_fs || !marker->allow_root_fs);
    (void)str_copy(old.accepted, sizeof old.accepted, marker->accepted);
    old.allow_root_fs = old.allow_root_fs || marker->allow_root_fs;
    *marker = old;
    log_info("store", "%s was this pool's store already; %s", settings->backup_dir,
             is_same ? "nothing is changed" : "what is accepted there is changed");
    return is_same ? 0 : marker_rewrite(store, marker, err);
}

int command_init_store(const struct settings *settings, struct error *err)
{
    CLEANUP(store_clean) struct store *store = NULL;
    struct marker marker = {.allow_root_fs = settings->allow_root_fs};

    if (command_check_operands(settings, 0, 0, "", err) != 0 ||
        store_open(settings->backup_dir, NULL, &store, err) != 0 ||
        refuse_root_device(settings, store, err) != 0 ||
        read_pool_uuid(settings, marker.pool_uuid, err) != 0)
        return -1;
    (void)random_uuid(random_system(), marker.store_uuid);
    marker.created_at = clock_wall_ms(clock_system());
    if (mark(settings, store, &marker, err) != 0)
        return -1;
    if (settings->is_json)
        return command_print_json_take(
            json_pack("{s:o,s:s,s:s}", "backup_dir", command_json_text(settings->backup_dir),
                      "store", marker.store_uuid, "pool", marker.pool_uuid),
            err);
    CLEAN_STR struct str text = STR_INIT;
    str_add_format(&text, "%s is the store %s of pool %s.\n", settings->backup_dir,
                   marker.store_uuid, marker.pool_uuid);
    return command_print(&text, err);
}
