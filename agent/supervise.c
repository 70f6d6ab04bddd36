/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One poll loop on one thread: the coordinator's link, the workers' pipes, the pool's thread, the
 * store's thread, the quit pipe. Nothing in it waits for pool or share.
 *
 * Before the first Sync the workers of a killed predecessor are waited for: they clean up after
 * themselves within a minute, and the coordinator must not hear "I have no such job" before that.
 */
#include "agent/supervise.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/attempts.h"
#include "agent/hook.h"
#include "agent/pool_link.h"
#include "agent/store_watch.h"
#include "agent/worker.h"
#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/num.h"
#include "common/base/quit.h"
#include "common/base/random.h"
#include "common/base/str.h"
#include "common/base/version.h"
#include "common/wire/client.h"
#include "common/xapi/target.h"

#include "common/base/poison.h"

#define ROOM "agent"
#define NEXT_MS 1000
#define ROUND_MS 1000          /* longest wait of a round */
#define ORPHAN_WAIT_MS 150000  /* longer than a worker cleans up */
#define FAREWELL_MS 5000       /* for the last Sync to be answered */
#define LOG_KEPT_MAX 256

struct supervise {
    const struct supervise_settings *settings;
    const struct clock *clock;
    struct attempts attempts;
    struct gentle gentle;
    struct pool_link *pool;
    struct pool_link_view view;
    struct store_watch *store;
    struct wire_store seen;
    struct wire_client *client;
    char *address;     /* of client */
    struct wire_agent_key key;
    struct wire_key_stamp key_stamp;
    uint64_t lease;    /* highest seen in Orders */
    char run[RUN_ID_MAX];
    char *store_uuid;  /* expected by the Orders */
    struct wire_sync kept; /* its log only: lines that were not told yet */
    size_t log_told;   /* of them are on their way */
    int64_t next_sync_ms;
    bool is_waiting_for_orphans;
    int64_t orphans_until_ms;
    bool is_draining, is_stopping;
    int quit_seen; /* signals of all kinds */
    int stops;     /* wishes to end */
    int64_t idle_since_ms; /* when the last worker had ended, while ending; 0 not yet */
};

static void supervise_done(struct supervise *s)
{
    wire_client_close(&s->client);
    attempts_done(&s->attempts);
    pool_link_stop(&s->pool);
    store_watch_stop(&s->store);
    pool_link_view_done(&s->view);
    wire_agent_key_done(&s->key);
    free(s->seen.root);
    free(s->seen.uuid);
    free(s->seen.nonce);
    free(s->address);
    free(s->store_uuid);
    wire_sync_done(&s->kept);
}

static int64_t now_ms(const struct supervise *s)
{
    return clock_monotonic_ms(s->clock);
}

/* --- log ------------------------------------------------------------------------------------- */

/* Workers' lines go to our own log, and those a person should see to the coordinator. */
static void on_worker_log(void *context, const struct wire_log_line *line)
{
    struct supervise *s = context;
    log_write(line->level, line->room != NULL ? line->room : "worker", "%s: %s", line->job,
              line->text != NULL ? line->text : "");
    if (line->level > LOG_LEVEL_WARN || s->kept.log_n >= LOG_KEPT_MAX)
        return;
    struct wire_log_line *kept = wire_sync_add_log(&s->kept);
    *kept = *line;
    kept->room = mem_dup(line->room);
    kept->text = mem_dup(line->text);
}

static void drop_told_log(struct supervise *s)
{
    size_t n = s->log_told < s->kept.log_n ? s->log_told : s->kept.log_n;
    for (size_t i = 0; i < n; i++)
        wire_log_line_done(&s->kept.log[i]);
    if (n > 0)
        memmove(s->kept.log, s->kept.log + n, (s->kept.log_n - n) * sizeof *s->kept.log);
    s->kept.log_n -= n;
    s->log_told = 0;
}

/* --- Sync ------------------------------------------------------------------------------------ */

static void fill_load(const struct supervise *s, struct wire_sync *sync)
{
    const struct gentle *gentle = &s->gentle;
    unsigned processors = gentle->ticks[0].processors;
    sync->load_percent = gentle->facts.average_percent * (processors > 0 ? processors : 1);
    sync->cpu_percent = gentle->facts.cpu_percent;
    sync->rate_limit = gentle_limit(gentle);
    if (gentle->hold.is_held)
        sync->hold_back = mem_dup(gentle->why);
}

static bool takes_jobs(const struct supervise *s)
{
    return !s->is_draining && !s->is_stopping;
}

static void fill_sync(struct supervise *s, struct wire_sync *sync)
{
    sync->version = mem_dup(VERSION_TEXT);
    sync->lease = s->lease;
    sync->slots = (uint32_t)s->settings->slots;
    /* Without a session there is nothing that a worker could be lent. */
    size_t running = attempts_count_running(&s->attempts);
    sync->free_slots = takes_jobs(s) && s->view.session != NULL &&
                               hold_back_may_start(&s->gentle.hold, running, now_ms(s))
                           ? (uint32_t)attempts_count_free(&s->attempts)
                           : 0;
    fill_load(s, sync);
    sync->is_draining = !takes_jobs(s);
    sync->store.root = mem_dup(s->seen.root);
    sync->store.uuid = mem_dup(s->seen.uuid);
    sync->store.nonce = mem_dup(s->seen.nonce);
    sync->store.free_bytes = s->seen.free_bytes;
    sync->store.total_bytes = s->seen.total_bytes;
    sync->store.error = s->seen.error;
    attempts_fill(&s->attempts, sync);
    for (size_t i = 0; i < s->kept.log_n; i++) {
        struct wire_log_line *line = wire_sync_add_log(sync);
        *line = s->kept.log[i];
        line->room = mem_dup(s->kept.log[i].room);
        line->text = mem_dup(s->kept.log[i].text);
    }
}

static void send_sync(struct supervise *s)
{
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    struct error err = ERROR_INIT;
    if (s->client == NULL || s->is_waiting_for_orphans || now_ms(s) < s->next_sync_ms ||
        !wire_client_can_send(s->client))
        return;
    fill_sync(s, &sync);
    s->log_told = 0;
    if (wire_client_send(s->client, &sync, &s->log_told, &err) != 0)
        log_warn(ROOM, "tell the coordinator: %s", err.text);
    s->next_sync_ms = now_ms(s) + NEXT_MS;
}

/* --- Orders ---------------------------------------------------------------------------------- */

static void fill_task(const struct supervise *s, struct wire_task *task)
{
    const struct xapi_target *target = s->settings->target;
    task->host_uuid = mem_dup(s->settings->host_uuid);
    task->session = mem_dup(s->view.session);
    task->xapi_socket = mem_dup(target->kind == XAPI_TARGET_SOCKET ? target->socket : NULL);
    task->xapi_url = mem_dup(target->kind == XAPI_TARGET_URL ? s->view.url : NULL);
    task->xapi_certificate = mem_dup(target->certificate_file);
    task->xapi_tls_port = target->tls_port != 0 ? target->tls_port : XAPI_TLS_PORT;
    task->store_root = mem_dup(s->seen.root);
    task->store_uuid = mem_dup(s->store_uuid != NULL ? s->store_uuid : s->seen.uuid);
    task->store_nonce = mem_dup(s->seen.nonce);
    task->log_level = s->settings->log_level;
    if (s->view.host_name != NULL)
        text_map_set(&task->settings, "host_name", s->view.host_name);
    text_map_set(&task->settings, WORKER_NICE, s->settings->nice);
    text_map_set(&task->settings, WORKER_IONICE, s->settings->ionice);
}

static void start_jobs(struct supervise *s, const struct wire_orders *orders)
{
    if (!takes_jobs(s) || s->view.session == NULL || s->seen.root == NULL)
        return;
    for (size_t i = 0; i < orders->assign_n; i++) {
        CLEAN_WIRE_TASK struct wire_task task = {0};
        fill_task(s, &task);
        hook_copy(s->settings->hooks, orders->assign[i].hook, &task.settings);
        if (attempts_start(&s->attempts, &orders->assign[i], &task) == 1)
            s->next_sync_ms = now_ms(s);
    }
}

/* Which store the run uses: our own root stays ours, the uuid is compared by each worker. */
static void take_store(struct supervise *s, const struct wire_orders *orders)
{
    if (orders->store_uuid != NULL)
        mem_set(&s->store_uuid, orders->store_uuid);
    if (s->settings->root == NULL && orders->store_root != NULL) {
        store_watch_set_root(s->store, orders->store_root);
        store_watch_look(s->store, &s->seen);
    }
    if (orders->run[0] != '\0' && strcmp(orders->run, s->run) != 0) {
        (void)str_copy(s->run, sizeof s->run, orders->run);
        store_watch_poke(s->store); /* a new run has written a new nonce */
    }
}

static void obey(struct supervise *s, const struct wire_orders *orders)
{
    drop_told_log(s);
    s->next_sync_ms = now_ms(s) + orders->next_ms;
    if (orders->lease < s->lease && orders->lease != 0) {
        log_warn(ROOM, "orders of an older lease (%llu, seen %llu) are refused",
                 (unsigned long long)orders->lease, (unsigned long long)s->lease);
        return;
    }
    s->gentle.ordered = orders->rate_limit;
    if (orders->lease > s->lease)
        s->lease = orders->lease;
    take_store(s, orders);
    for (size_t i = 0; i < orders->cancel_n; i++)
        attempts_cancel(&s->attempts, orders->cancel[i].id, orders->cancel[i].attempt);
    for (size_t i = 0; i < orders->forget_n; i++)
        attempts_forget(&s->attempts, orders->forget[i].id, orders->forget[i].attempt);
    if (orders->lease != 0)
        start_jobs(s, orders);
}

static void step_client(struct supervise *s)
{
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    struct error err = ERROR_INIT;
    if (s->client == NULL || s->is_waiting_for_orphans)
        return;
    int found = wire_client_step(s->client, &orders, &err);
    if (found < 0)
        log_warn(ROOM, "%s", err.text);
    else if (found == 1)
        obey(s, &orders);
}

/* --- where the coordinator is ---------------------------------------------------------------- */

static void connect_to(struct supervise *s, const char *address)
{
    struct error err = ERROR_INIT;
    if (str_equal(address, s->address))
        return;
    if (address == NULL) {
        log_info(ROOM, "no coordinator holds the pool's lease");
        wire_client_close(&s->client);
    } else if (s->client != NULL) {
        if (wire_client_move(s->client, address, &err) != 0)
            log_warn(ROOM, "%s", err.text);
    } else if (wire_client_open(address, &s->key, s->clock, random_system(), &s->client,
                                &err) != 0) {
        log_warn(ROOM, "%s", err.text);
    } else {
        log_info(ROOM, "the coordinator is at %s", address);
    }
    mem_set(&s->address, address);
    s->next_sync_ms = now_ms(s);
}

/* A new key is taken without an end of anything: the next Hello is made with it. */
static void look_at_key(struct supervise *s)
{
    CLEAN_WIRE_AGENT_KEY struct wire_agent_key key = {.host_uuid = ""};
    struct error err = ERROR_INIT;
    if (wire_key_stamp_look(s->settings->key_path, &s->key_stamp) == 0)
        return;
    if (wire_agent_key_read(s->settings->key_path, &key, &err) != 0) {
        log_warn(ROOM, "the key goes on as it was read before: %s", err.text);
    } else if (strcasecmp(key.host_uuid, s->settings->host_uuid) != 0) {
        log_warn(ROOM, "%s is the key of the host %s now, not of this one: the one before goes on",
                 s->settings->key_path, key.host_uuid);
    } else if (memcmp(key.bytes, s->key.bytes, sizeof key.bytes) != 0) {
        log_info(ROOM, "a new key is in %s: it is used from now on", s->settings->key_path);
        s->key = key;
        if (s->client != NULL)
            wire_client_rekey(s->client, &s->key);
    }
}

static void look_at_pool(struct supervise *s)
{
    pool_link_look(s->pool, &s->view);
    if (s->settings->coordinator != NULL)
        connect_to(s, s->settings->coordinator);
    else
        connect_to(s, s->view.has_lease ? s->view.lease.owner.address : NULL);
}

static void look_at_store(struct supervise *s)
{
    CLEAN_CHAR char *nonce = mem_dup(s->seen.nonce);
    enum error_code code = s->seen.error.code;
    store_watch_look(s->store, &s->seen);
    if (!str_equal(nonce, s->seen.nonce) || code != s->seen.error.code)
        s->next_sync_ms = now_ms(s); /* the coordinator may be waiting for this */
}

/* --- the loop -------------------------------------------------------------------------------- */

static void look_at_signals(struct supervise *s)
{
    quit_drain();
    int heard = quit_count() - s->quit_seen;
    if (heard == 0)
        return;
    s->quit_seen += heard;
    if (quit_signal() == SIGHUP) {
        log_info(ROOM, "draining: no new jobs, %zu still run", attempts_count_running(&s->attempts));
        s->is_draining = true;
    } else {
        log_info(ROOM, "ending: %zu jobs are cancelled", attempts_count_running(&s->attempts));
        s->is_stopping = true;
        s->stops += heard;
        attempts_cancel_all(&s->attempts);
    }
    s->next_sync_ms = now_ms(s);
}

static void look_at_orphans(struct supervise *s)
{
    if (s->attempts.orphans_n == 0)
        return;
    size_t n = attempts_look_for_orphans(&s->attempts);
    if (!s->is_waiting_for_orphans || (n > 0 && now_ms(s) < s->orphans_until_ms))
        return;
    if (n > 0)
        log_warn(ROOM, "%zu workers of a killed agent do not end: their slots are not used", n);
    s->is_waiting_for_orphans = false;
}

/* Whether the wish to end is fulfilled: workers gone, the coordinator knows, or had its time. */
static bool is_over(struct supervise *s)
{
    if (!s->is_stopping && !s->is_draining)
        return false;
    if (attempts_count_running(&s->attempts) > 0)
        return false;
    if (s->idle_since_ms == 0) {
        s->idle_since_ms = now_ms(s);
        s->next_sync_ms = s->idle_since_ms;
    }
    return s->attempts.n == 0 || s->client == NULL || !wire_client_is_connected(s->client) ||
           now_ms(s) - s->idle_since_ms > FAREWELL_MS;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void wait_for_news(struct supervise *s)
{
    struct pollfd fds[4 + ATTEMPTS_SLOTS_MAX];
    nfds_t n = 0;
    int64_t wait_ms = ROUND_MS;
    fds[n++] = (struct pollfd){.fd = quit_fd(), .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = pool_link_fd(s->pool), .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = store_watch_fd(s->store), .events = POLLIN};
    if (s->client != NULL && !s->is_waiting_for_orphans) {
        wait_ms = least(wait_ms, wire_client_wait_ms(s->client));
        if (wire_client_can_send(s->client))
            wait_ms = least(wait_ms, s->next_sync_ms - now_ms(s));
        if (wire_client_fd(s->client) >= 0)
            fds[n++] = (struct pollfd){.fd = wire_client_fd(s->client), .events = POLLIN};
    }
    for (size_t i = 0; i < s->attempts.n; i++) {
        const struct attempts_item *item = &s->attempts.items[i];
        if (!item->is_running)
            continue;
        if (item->child.is_silent)
            wait_ms = least(wait_ms, child_next_look_ms(&item->child));
        else if (n < sizeof fds / sizeof *fds)
            fds[n++] = (struct pollfd){.fd = item->child.note_fd, .events = POLLIN};
    }
    poll(fds, n, wait_ms > 0 ? (int)wait_ms : 0);
}

static void look_at_load(struct supervise *s)
{
    gentle_step(&s->gentle, s->attempts.taken_bytes, attempts_count_running(&s->attempts),
                now_ms(s));
    attempts_pace(&s->attempts, gentle_limit(&s->gentle));
}

static int start(struct supervise *s, struct error *err)
{
    const struct supervise_settings *settings = s->settings;
    if (store_watch_start(settings->root, &s->store, err) != 0 ||
        pool_link_start(settings->target, settings->host_uuid, settings->state_file, &s->pool,
                        err) != 0)
        return -1;
    size_t orphans = attempts_look_for_orphans(&s->attempts);
    s->is_waiting_for_orphans = orphans > 0;
    s->orphans_until_ms = now_ms(s) + ORPHAN_WAIT_MS;
    if (orphans > 0)
        log_info(ROOM, "%zu workers of a killed agent are still cleaning up", orphans);
    log_info(ROOM, "ready for host %s with %zu slots", settings->host_uuid, settings->slots);
    return 0;
}

int supervise_run(const struct supervise_settings *settings, struct error *err)
{
    CLEANUP(supervise_done) struct supervise s = {.settings = settings, .clock = clock_system()};
    s.key = *settings->key;
    s.attempts = (struct attempts){
        .scope = settings->scope,
        .program = settings->program,
        .clock = s.clock,
        .clean_ms = settings->clean_ms,
        .spare = {.spare_ms = settings->spare_ms},
        .slots = settings->slots < ATTEMPTS_SLOTS_MAX ? settings->slots : ATTEMPTS_SLOTS_MAX,
        .log = on_worker_log,
        .log_context = &s,
    };
    s.gentle = (struct gentle){.rule = settings->gentle, .proc = "/proc"};
    if (start(&s, err) != 0)
        return -1;
    while (!is_over(&s)) {
        look_at_signals(&s);
        if (s.stops > 1)
            break;
        look_at_key(&s);
        look_at_pool(&s);
        look_at_store(&s);
        look_at_orphans(&s);
        if (attempts_step(&s.attempts))
            s.next_sync_ms = now_ms(&s);
        look_at_load(&s);
        send_sync(&s);
        attempts_keep_spare(&s.attempts, takes_jobs(&s));
        wait_for_news(&s);
        step_client(&s);
    }
    log_info(ROOM, "ended");
    return 0;
}
