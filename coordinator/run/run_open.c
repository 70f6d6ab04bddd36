/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The way into a run: lock, catalog, key, session, address, lease.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/process_limits.h"
#include "common/base/quit.h"
#include "common/base/str.h"
#include "common/xapi/call.h"
#include "common/xapi/reply.h"
#include "common/xapi/target.h"
#include "coordinator/run/run_inside.h"

#include "common/base/poison.h"

#define LOCK_PAUSE_MS 500
#define INVENTORY_FILE "/etc/xensource-inventory"
#define INVENTORY_FILE_MAX 65536

/* Ask the process that has the lock, so that it knows of us; the row is for status and its log. */
static int64_t run_put_request(const struct run *run)
{
    CLEAN_CATALOG struct catalog *catalog = NULL;
    struct error error = ERROR_INIT;
    CLEAN_CHAR char *verb = mem_dup("run");
    CLEAN_CHAR char *arguments = mem_dup(run->request->selection);
    const struct catalog_request request = {.verb = verb,
                                            .arguments = arguments,
                                            .pid = getpid(),
                                            .asked_at = clock_wall_ms(run->clock)};
    int64_t id = 0;

    if (catalog_open(run->settings.catalog_path, CATALOG_ASK, &catalog, &error) < 0 ||
        catalog_add_request(catalog, &request, &id, &error) < 0) {
        log_debug("run", "put a request: %s", error.text);
        return 0;
    }
    return id;
}

static void run_end_request(const struct run *run, int64_t id, int exit_status,
                            const char *answer)
{
    CLEAN_CATALOG struct catalog *catalog = NULL;
    struct error error = ERROR_INIT;

    if (id == 0)
        return;
    if (catalog_open(run->settings.catalog_path, CATALOG_ASK, &catalog, &error) < 0 ||
        catalog_answer_request(catalog, id, REQUEST_ANSWERED, exit_status, answer,
                               clock_wall_ms(run->clock), &error) < 0)
        log_debug("run", "end a request: %s", error.text);
}

static int run_wait_lock(struct run *run, const struct lock_holder *first, struct error *err)
{
    const int64_t until_ms = clock_monotonic_ms(run->clock) + run->settings.lease_wait_ms;
    int64_t request = run_put_request(run);
    CLEAN_CHAR char *who =
        str_format("process %lld has the catalog", (long long)first->pid);

    run_tell_stage(run, RUN_STAGE_LOCK, who);
    for (;;) {
        struct lock_holder holder = {0};

        run_pause(LOCK_PAUSE_MS);
        int taken = run_check_quit(err) < 0
                        ? -1
                        : lock_take(run->settings.catalog_path, &run->self, &run->lock_fd, &holder,
                                    err);
        if (taken > 0)
            run->former = holder;
        else if (taken == 0 && clock_monotonic_ms(run->clock) >= until_ms)
            taken = error_set(err, ERROR_BUSY,
                              "process %lld is using the catalog %s: one run at a time "
                              "(lease_wait says how long to wait)",
                              (long long)holder.pid, run->settings.catalog_path);
        if (taken == 0)
            continue;
        run_end_request(run, request, taken < 0 ? error_exit_status(ERROR_BUSY) : 0,
                        taken < 0 ? "given up" : "begun");
        return taken < 0 ? -1 : 0;
    }
}

/* A mistyped --catalog is a new catalog, without the history that retention counts by. */
static bool run_has_catalog_folder(const struct run *run)
{
    CLEAN_CHAR char *copy = mem_dup(run->settings.catalog_path);
    char *slash = strrchr(copy, '/');

    if (!slash || slash == copy)
        return true;
    *slash = '\0';
    return access(copy, F_OK) == 0;
}

int run_take_lock(struct run *run, struct error *err)
{
    struct lock_holder holder = {0};
    const bool has_folder = run_has_catalog_folder(run);

    run->self.pid = getpid();
    run->self.since_at = clock_wall_ms(run->clock);
    random_uuid(run->random, run->self.owner);
    int taken =
        lock_take(run->settings.catalog_path, &run->self, &run->lock_fd, &holder, err);
    if (taken < 0)
        return -1;
    if (!has_folder) {
        CLEAN_CHAR char *text = str_format("the catalog %s is made anew, with its folder: it knows "
                                           "of no earlier backup",
                                           run->settings.catalog_path);

        run_warn(run, text);
    }
    if (taken == 0)
        return run_wait_lock(run, &holder, err);
    run->former = holder;
    return 0;
}

/* Requests to cancel that nobody was there to hear must not hit this run. */
static int run_drop_requests(struct run *run, struct error *err)
{
    for (;;) {
        CLEAN_CATALOG_REQUEST struct catalog_request request = {0};
        int found = catalog_next_request(run->catalog, &request, err);

        if (found <= 0)
            return found;
        if (catalog_answer_request(run->catalog, request.id, REQUEST_ANSWERED, 0,
                                   "no run was going on", clock_wall_ms(run->clock), err) < 0)
            return -1;
    }
}

int run_open_catalog(struct run *run, struct error *err)
{
    if (catalog_open(run->settings.catalog_path, CATALOG_WRITE, &run->catalog, err) < 0 ||
        catalog_open(run->settings.catalog_path, CATALOG_ASK, &run->control_catalog, err) < 0 ||
        run_drop_requests(run, err) < 0)
        return -1;
    return wire_pool_keys_read(run->settings.key_path, &run->keys, err);
}

static int run_add_pool(void *context, const char *ref, const json_t *record, struct error *err)
{
    struct run *run = context;

    (void)ref;
    (void)err;
    mem_set(&run->pool_uuid, reply_text(record, "uuid", ""));
    mem_set(&run->pool_name, reply_text(record, "name_label", ""));
    return 0;
}

static int run_add_host(void *context, const char *ref, const json_t *record, struct error *err)
{
    struct run *run = context;
    const char *uuid = reply_text(record, "uuid", "");

    (void)ref;
    (void)err;
    text_map_set(&run->host_names, uuid, reply_text(record, "name_label", uuid));
    if (reply_bool(record, "enabled", true))
        text_list_add(&run->hosts, uuid);
    return 0;
}

static int run_read_pool(struct xapi *xapi, void *context, struct error *err)
{
    if (xapi_call_records(xapi, "pool.get_all_records", run_add_pool, context, err) < 0)
        return -1;
    return xapi_call_records(xapi, "host.get_all_records", run_add_host, context, err);
}

int run_log_in(struct run *run, struct error *err)
{
    const struct pool_thread_settings settings = {
        .target = run->settings.target,
        .session_path = run->session_path,
        .owner_uuid = run->self.owner,
        .former_uuid = run->former.owner[0] ? run->former.owner : NULL,
        .renew_ms = run->settings.lease_renew_ms,
        .clock = run->clock};

    run_tell_stage(run, RUN_STAGE_CONNECT, xapi_target_name(run->settings.target));
    if (pool_thread_start(&settings, &run->pool_thread, err) < 0 ||
        pool_thread_log_in(run->pool_thread, err) < 0)
        return -1;
    if (pool_thread_do(run->pool_thread, run_read_pool, run, err) < 0)
        return error_add(err, "read pool and hosts");
    if (!run->pool_uuid || !run->pool_uuid[0])
        return error_set(err, ERROR_PROTOCOL, "XAPI told of no pool");
    return 0;
}

/* INSTALLATION_UUID of the dom0 that this process runs in; false when it is none. */
static bool run_find_own_host(char ret_uuid[UUID_TEXT_MAX])
{
    static const char key[] = "INSTALLATION_UUID=";
    CLEAN_STR struct str text = STR_INIT;

    if (fd_read_file(INVENTORY_FILE, INVENTORY_FILE_MAX, &text, NULL) < 0)
        return false;
    const char *line = strstr(str_text(&text), key);
    if (!line)
        return false;
    line += sizeof key - 1;
    line += strspn(line, "'\"");
    char uuid[UUID_TEXT_MAX] = {0};
    memcpy(uuid, line, strnlen(line, UUID_TEXT_MAX - 1));
    if (!uuid_is_valid(uuid))
        return false;
    str_copy(ret_uuid, UUID_TEXT_MAX, uuid);
    return true;
}

struct own_host {
    char uuid[UUID_TEXT_MAX];
    char *address;
};

static int run_read_address(struct xapi *xapi, void *context, struct error *err)
{
    struct own_host *host = context;
    CLEAN_CHAR char *ref = NULL;

    if (xapi_call_text(xapi, &ref, err, "host.get_by_uuid", "[s]", host->uuid) < 0)
        return -1;
    return xapi_call_text(xapi, &host->address, err, "host.get_address", "[s]", ref);
}

/* The management address of this dom0, where agents can reach us. */
static int run_default_address(struct run *run, struct error *err)
{
    struct own_host host = {.address = NULL};

    if (run->settings.target->kind != XAPI_TARGET_SOCKET || !run_find_own_host(host.uuid))
        return error_set(err, ERROR_SETTINGS,
                         "name the address under which the agents reach this machine, with "
                         "--listen ADDRESS:%d",
                         RUN_LISTEN_PORT);
    int result = pool_thread_do(run->pool_thread, run_read_address, &host, err);
    CLEAN_CHAR char *address = host.address;
    if (result < 0)
        return error_add(err, "read this host's address (or name one with --listen)");
    CLEAN_CHAR char *text = str_format(strchr(address, ':') ? "[%s]:%d" : "%s:%d", address,
                                       RUN_LISTEN_PORT);
    return wire_address_parse(text, run->address, err);
}

static int run_find_address(struct run *run, struct error *err)
{
    if (!run->settings.listen || !run->settings.listen[0])
        return run_default_address(run, err);
    if (wire_address_parse(run->settings.listen, run->address, err) < 0)
        return -1;
    if (strstr(run->address, "//*"))
        return error_set(err, ERROR_SETTINGS,
                         "--listen %s: name the address itself, agents connect to it",
                         run->settings.listen);
    return 0;
}

int run_listen(struct run *run, struct error *err)
{
    const struct run_settings *s = &run->settings;
    const struct control_settings settings = {
        .catalog = run->control_catalog,
        .keys = &run->keys,
        .key_path = s->key_path,
        .address = run->address,
        .clock = run->clock,
        .random = run->random,
        .dispatch = {.attempts_max = s->attempts_max,
                     .backoff_ms = s->backoff_ms,
                     .later_ms = s->pool_lost_ms,
                     .lost_ms = s->lost_ms,
                     .idle_timeout_ms = (uint64_t)s->idle_timeout_ms,
                     .strange_ms = s->muster_ms,
                     .stall_ms = 4 * s->muster_ms,
                     .run_max_ms = s->run_max_ms,
                     .host_jobs_max = s->host_jobs_max,
                     .sr_jobs_max = s->sr_jobs_max,
                     .store_jobs_max = s->store_jobs_max,
                     .pool_jobs_max = s->pool_jobs_max,
                     .host_rate = s->host_rate,
                     .pool_rate = s->pool_rate,
                     .space = s->space,
                     .tuning = s->tuning,
                     .ways = s->ways,
                     .store_root = s->store_root,
                     .random = run->random}};

    (void)process_limits_raise_files();
    if (run_find_address(run, err) < 0 || control_start(&settings, &run->control, err) < 0)
        return -1;
    for (size_t i = 0; i < run->host_names.n; i++)
        control_name_host(run->control, run->host_names.pairs[i].key,
                          run->host_names.pairs[i].value);
    return 0;
}

static void run_tell_waiting(void *context, const char *holder)
{
    const struct run *run = context;
    CLEAN_CHAR char *text = str_format("the coordinator at %s has it", holder);

    run_tell_stage(run, RUN_STAGE_LEASE, text);
}

int run_take_lease(struct run *run, struct error *err)
{
    if (pool_thread_take_lease(run->pool_thread, run->address, run->settings.lease_wait_ms,
                               run_tell_waiting, run, err) < 0)
        return -1;
    struct pool_thread_lease lease = pool_thread_look_lease(run->pool_thread);
    control_set_lease(run->control, lease.n, lease.is_renewed);
    return 0;
}
