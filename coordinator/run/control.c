/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One mutex around the state: the thread holds it while it serves what has come, which takes as
 * long as a commit; others hold it to copy values.
 *
 * A catalog that can't be written to (a full disk) stops nothing that runs: no attempt begins and
 * none is forgotten until it can.
 */
#include "coordinator/run/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/wire/server.h"
#include "coordinator/catalog/catalog.h"
#include "coordinator/run/control_record.h"

#include "common/base/poison.h"

#define CONTROL_WAIT_MS 200
#define CONTROL_TICK_MS 500
#define CONTROL_REQUESTS_MS 1000
#define CONTROL_KEYS_MS 5000

struct control {
    struct control_settings settings;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex;
    struct wire_server *server;
    struct dispatch *dispatch;
    struct control_record record;
    int wake_read, wake_write;
    bool is_stopping;
    int64_t next_tick_ms;
    int64_t next_requests_ms;
    int64_t next_keys_ms;
    struct wire_pool_keys_stamp keys_stamp;
    struct error error; /* why the thread gave up */
};

static struct dispatch_now control_now(const struct control *control)
{
    return (struct dispatch_now){.ms = clock_monotonic_ms(control->settings.clock),
                                 .at = clock_wall_ms(control->settings.clock)};
}

/* Called by the server inside control_serve, with the mutex held. */
static int control_answer(void *context, struct wire_sync *sync, struct wire_orders *ret_orders,
                          struct error *err)
{
    struct control *control = context;
    struct dispatch_now now = control_now(control);

    if (dispatch_hear(control->dispatch, sync, now, err) < 0)
        return -1;
    dispatch_place(control->dispatch, sync->host_uuid, now);
    control_record_sync(&control->record, control->dispatch, sync, now);
    dispatch_orders(control->dispatch, sync->host_uuid, now, ret_orders);
    return 0;
}

/* A rotation of the keys in mid-run: agents come back with their new ones while it goes on. */
static void control_look_at_keys(struct control *control)
{
    CLEAN_WIRE_POOL_KEYS struct wire_pool_keys keys = {.has_old = false};
    struct error err = ERROR_INIT;

    if (wire_pool_keys_stamp_look(control->settings.key_path, &control->keys_stamp) == 0)
        return;
    if (wire_pool_keys_read(control->settings.key_path, &keys, &err) == 0)
        wire_server_set_keys(control->server, &keys);
    else
        log_warn("control", "the keys go on as they were read before: %s", err.text);
}

static struct catalog_refused control_refused(const struct control *control)
{
    struct wire_server_counts counts;

    wire_server_count(control->server, &counts);
    return (struct catalog_refused){.other_key = counts.key,
                                    .other_version = counts.version,
                                    .strange = counts.foreign,
                                    .unreadable = counts.malformed,
                                    .forged = counts.unsealed,
                                    .repeated = counts.old,
                                    .second_agent = counts.twin,
                                    .shut = counts.shut};
}

static void control_tick(struct control *control)
{
    struct dispatch_now now = control_now(control);

    if (now.ms >= control->next_tick_ms) {
        control->next_tick_ms = now.ms + CONTROL_TICK_MS;
        dispatch_tick(control->dispatch, now);
        control_record_changes(&control->record, control->dispatch, now);
        control_record_bytes(&control->record, control->dispatch, now);
        struct catalog_refused refused = control_refused(control);
        control_record_refused(&control->record, &refused, now);
    }
    if (now.ms >= control->next_keys_ms) {
        control->next_keys_ms = now.ms + CONTROL_KEYS_MS;
        control_look_at_keys(control);
    }
    if (now.ms >= control->next_requests_ms) {
        control->next_requests_ms = now.ms + CONTROL_REQUESTS_MS;
        if (control_record_requests(&control->record, now))
            dispatch_cancel(control->dispatch, now);
    }
}

static void control_drain(int fd)
{
    char bytes[64];

    while (read(fd, bytes, sizeof bytes) > 0)
        ;
}

static void *control_main(void *context)
{
    struct control *control = context;

    for (;;) {
        struct pollfd fds[2] = {{.fd = wire_server_fd(control->server), .events = POLLIN},
                                {.fd = control->wake_read, .events = POLLIN}};

        (void)poll(fds, 2, CONTROL_WAIT_MS);
        control_drain(control->wake_read);
        pthread_mutex_lock(&control->mutex);
        bool is_over = control->is_stopping;
        if (!is_over && wire_server_serve(control->server, &control->error) < 0)
            is_over = true;
        if (!is_over)
            control_tick(control);
        pthread_mutex_unlock(&control->mutex);
        if (is_over)
            return NULL;
    }
}

static int control_open_pipe(struct control *control, struct error *err)
{
    if (fd_pipe(&control->wake_read, &control->wake_write, err) < 0)
        return -1;
    if (fcntl(control->wake_read, F_SETFL, O_NONBLOCK) < 0 ||
        fcntl(control->wake_write, F_SETFL, O_NONBLOCK) < 0)
        return error_set_sys(err, ERROR_INTERNAL, errno, "prepare a pipe");
    return 0;
}

int control_start(const struct control_settings *settings, struct control **ret_control,
                  struct error *err)
{
    CLEAN_CONTROL struct control *control = mem_zero(1, sizeof *control);

    control->settings = *settings;
    control->wake_read = -1;
    control->wake_write = -1;
    pthread_mutex_init(&control->mutex, NULL);
    control->dispatch = dispatch_new(&settings->dispatch, control_now(control));
    control_record_init(&control->record, settings->catalog);
    control->server = wire_server_new(&settings->keys->now, settings->clock, settings->random,
                                      control_answer, control);
    wire_server_set_keys(control->server, settings->keys);
    if (control_open_pipe(control, err) < 0 ||
        wire_server_listen(control->server, settings->address, err) < 0)
        return -1;
    int result = pthread_create(&control->thread, NULL, control_main, control);
    if (result != 0)
        return error_set_sys(err, ERROR_INTERNAL, result, "start the control thread");
    control->has_thread = true;
    *ret_control = control;
    control = NULL;
    return 0;
}

static void control_wake(struct control *control)
{
    /* A full pipe wakes as well. */
    (void)!write(control->wake_write, "", 1);
}

void control_stop(struct control **control)
{
    struct control *c = *control;

    if (!c)
        return;
    if (c->has_thread) {
        pthread_mutex_lock(&c->mutex);
        c->is_stopping = true;
        pthread_mutex_unlock(&c->mutex);
        control_wake(c);
        pthread_join(c->thread, NULL);
        struct catalog_refused refused = control_refused(c);
        c->record.next_refused_ms = 0; /* the last of it */
        control_record_refused(&c->record, &refused, control_now(c));
    }
    wire_server_free(&c->server);
    dispatch_free(&c->dispatch);
    control_record_done(&c->record);
    fd_close(&c->wake_read);
    fd_close(&c->wake_write);
    pthread_mutex_destroy(&c->mutex);
    free(c);
    *control = NULL;
}

void control_set_run(struct control *control, const char *run, const char *store_uuid,
                     const char *store_nonce)
{
    pthread_mutex_lock(&control->mutex);
    control_record_set_run(&control->record, run);
    dispatch_set_run(control->dispatch, run, store_uuid, store_nonce);
    pthread_mutex_unlock(&control->mutex);
}

void control_set_rules_take(struct control *control, struct expiry_rules_list *rules)
{
    pthread_mutex_lock(&control->mutex);
    expiry_rules_list_done(&control->record.expire.rules);
    control->record.expire.rules = *rules;
    *rules = (struct expiry_rules_list){0};
    pthread_mutex_unlock(&control->mutex);
}

void control_set_lease(struct control *control, uint64_t lease, bool is_renewed)
{
    pthread_mutex_lock(&control->mutex);
    dispatch_set_lease(control->dispatch, lease, is_renewed);
    pthread_mutex_unlock(&control->mutex);
}

void control_name_host(struct control *control, const char *host_uuid, const char *name)
{
    pthread_mutex_lock(&control->mutex);
    dispatch_name_host(control->dispatch, host_uuid, name);
    pthread_mutex_unlock(&control->mutex);
}

static int control_put_jobs(struct control *control, const struct catalog_job *jobs, size_t n,
                            struct error *err)
{
    struct catalog *catalog = control->settings.catalog;

    if (catalog_begin(catalog, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (catalog_put_job(catalog, &jobs[i], err) < 0) {
            catalog_undo(catalog);
            return -1;
        }
    return catalog_commit(catalog, err);
}

/* A run that was killed behind a success has not expired anything for it yet. */
static void control_expire_ended(struct control *control, const struct catalog_job *jobs,
                                 size_t jobs_n, struct dispatch_now now)
{
    struct control_record *record = &control->record;

    for (size_t i = 0; i < jobs_n; i++)
        if (jobs[i].state == JOB_STATE_DONE && job_kind_is_backup(jobs[i].job.kind) &&
            jobs[i].job.folder)
            control_expire_add(&record->expire, jobs[i].job.folder);
    control_expire_step(&record->expire, record->catalog, control->dispatch, now);
}

int control_plan(struct control *control, const struct catalog_job *jobs, size_t jobs_n,
                 const struct job_remains *remains, size_t remains_n, struct error *err)
{
    struct dispatch_now now = control_now(control);

    pthread_mutex_lock(&control->mutex);
    int result = control_put_jobs(control, jobs, jobs_n, err);
    if (result == 0) {
        for (size_t i = 0; i < jobs_n; i++)
            dispatch_add_job(control->dispatch, &jobs[i], now);
        for (size_t i = 0; i < remains_n; i++)
            dispatch_add_remains(control->dispatch, &remains[i], now);
        control_record_changes(&control->record, control->dispatch, now);
        dispatch_start(control->dispatch, now);
        control_expire_ended(control, jobs, jobs_n, now);
        control->record.is_planned = true;
    }
    pthread_mutex_unlock(&control->mutex);
    control_wake(control);
    return result;
}

void control_set_away(struct control *control, const struct text_map *away)
{
    pthread_mutex_lock(&control->mutex);
    dispatch_set_away(control->dispatch, away);
    pthread_mutex_unlock(&control->mutex);
}

bool control_take_replan(struct control *control)
{
    pthread_mutex_lock(&control->mutex);
    bool is = dispatch_take_replan(control->dispatch);
    pthread_mutex_unlock(&control->mutex);
    return is;
}

void control_follow_plan(struct control *control, const struct plan *plan)
{
    pthread_mutex_lock(&control->mutex);
    dispatch_follow_plan(control->dispatch, plan);
    pthread_mutex_unlock(&control->mutex);
}

void control_release_job(struct control *control, const char *id)
{
    pthread_mutex_lock(&control->mutex);
    dispatch_release_job(control->dispatch, id);
    pthread_mutex_unlock(&control->mutex);
}

void control_cancel(struct control *control)
{
    pthread_mutex_lock(&control->mutex);
    dispatch_cancel(control->dispatch, control_now(control));
    pthread_mutex_unlock(&control->mutex);
    control_wake(control);
}

void control_list_alive(struct control *control, struct text_list *ret_ids)
{
    pthread_mutex_lock(&control->mutex);
    dispatch_list_alive(control->dispatch, ret_ids);
    pthread_mutex_unlock(&control->mutex);
}

size_t control_ready_n(struct control *control, const struct text_list *host_uuids)
{
    char why[AGENTS_REASON_MAX];
    size_t n = 0;

    pthread_mutex_lock(&control->mutex);
    for (size_t i = 0; i < host_uuids->n; i++)
        n += !dispatch_why_not(control->dispatch, host_uuids->items[i], why);
    pthread_mutex_unlock(&control->mutex);
    return n;
}

size_t control_heard_n(struct control *control, const struct text_list *host_uuids)
{
    size_t n = 0;

    pthread_mutex_lock(&control->mutex);
    for (size_t i = 0; i < host_uuids->n; i++) {
        const struct agent *agent =
            agents_find(dispatch_agents(control->dispatch), host_uuids->items[i]);

        n += agent && !agent->is_expected;
    }
    pthread_mutex_unlock(&control->mutex);
    return n;
}

void control_list_troubles(struct control *control, struct text_list *ret_lines)
{
    char why[AGENTS_REASON_MAX];

    pthread_mutex_lock(&control->mutex);
    const struct agents *agents = dispatch_agents(control->dispatch);
    for (size_t i = 0; i < agents->n; i++) {
        const struct agent *agent = &agents->items[i];

        if (dispatch_why_not(control->dispatch, agent->host_uuid, why))
            text_list_add_format(ret_lines, "the agent of host %s gets no job: %s",
                                 agent->host_name ? agent->host_name : agent->host_uuid, why);
    }
    pthread_mutex_unlock(&control->mutex);
}

void control_count_refused(struct control *control, struct catalog_refused *ret_refused)
{
    pthread_mutex_lock(&control->mutex);
    *ret_refused = control_refused(control);
    pthread_mutex_unlock(&control->mutex);
}

bool control_is_over(struct control *control)
{
    pthread_mutex_lock(&control->mutex);
    bool is = dispatch_is_over(control->dispatch);
    pthread_mutex_unlock(&control->mutex);
    return is;
}

bool control_is_listed(struct control *control)
{
    pthread_mutex_lock(&control->mutex);
    bool is = dispatch_is_listed(control->dispatch);
    pthread_mutex_unlock(&control->mutex);
    return is;
}

bool control_was_asked_to_cancel(struct control *control)
{
    pthread_mutex_lock(&control->mutex);
    bool is = control->record.is_cancel_asked;
    pthread_mutex_unlock(&control->mutex);
    return is;
}

void control_take_events(struct control *control, struct events *ret)
{
    pthread_mutex_lock(&control->mutex);
    events_move(&control->record.events, ret);
    pthread_mutex_unlock(&control->mutex);
}

struct events_job *control_view(struct control *control, size_t *ret_n,
                                struct run_totals *ret_totals)
{
    struct events_job *jobs = NULL;
    size_t cap = 0;
    size_t n = 0;

    pthread_mutex_lock(&control->mutex);
    dispatch_view_totals(control->dispatch, ret_totals);
    for (size_t i = 0; i < dispatch_jobs_n(control->dispatch); i++) {
        struct run_job job;

        dispatch_view_job(control->dispatch, i, &job);
        if (job.state != JOB_STATE_ASSIGNED && job.state != JOB_STATE_RUNNING)
            continue;
        jobs = mem_grow(jobs, &cap, n + 1, sizeof *jobs);
        events_job_copy(&jobs[n++], &job);
    }
    pthread_mutex_unlock(&control->mutex);
    *ret_n = n;
    return jobs;
}

int control_check(struct control *control, struct error *err)
{
    int result = 0;

    pthread_mutex_lock(&control->mutex);
    if (error_is_set(&control->error)) {
        if (err)
            *err = control->error;
        result = -1;
    }
    pthread_mutex_unlock(&control->mutex);
    return result;
}
