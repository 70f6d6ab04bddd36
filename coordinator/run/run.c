/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The run from end to end: it composes the rooms, keeps the lease in the control thread's sight and
 * tells the watch. What it opens it closes in the opposite order, whatever happened.
 */
#include "coordinator/run/run.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/num.h"
#include "common/base/quit.h"
#include "common/base/str.h"
#include "common/wire/client.h"
#include "coordinator/catalog/catalog.h"
#include "coordinator/run/run_inside.h"

#include "common/base/poison.h"

#define RUN_SLICE_MS 100
#define RUN_PROGRESS_MS 500
#define RUN_LINGER_MS 3000      /* so that agents hear what they may forget */
#define RUN_NAMES_MAX 8         /* hosts named in one error */
/* In this time a living agent says Hello to a coordinator that followed a dead one: it waits for the
 * dead one's answer first. */
#define RUN_HELLO_MS (WIRE_CLIENT_SILENCE_MS + 2000)
#define RUN_RELEASE_RENEWALS 15 /* of the lease, between two looks at jobs that wait by the plan's wish */

static const int64_t SECOND_MS = 1000;

void run_outcome_done(struct run_outcome *outcome)
{
    text_list_done(&outcome->warnings);
    *outcome = (struct run_outcome){0};
}

const char *run_stage_name(enum run_stage stage)
{
    switch (stage) {
#define X(name, text)                                                                              \
    case RUN_STAGE_##name:                                                                         \
        return text;
        RUN_STAGE_TABLE(X)
#undef X
    }
    return "unknown";
}

static void fill_ms(int64_t *value, int64_t otherwise)
{
    if (*value <= 0)
        *value = otherwise;
}

static void fill_n(uint32_t *value, uint32_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

void run_settings_fill(struct run_settings *settings)
{
    fill_ms(&settings->muster_ms, 15 * SECOND_MS);
    fill_ms(&settings->lease_wait_ms, 12 * 3600 * SECOND_MS);
    fill_ms(&settings->lease_renew_ms, 20 * SECOND_MS);
    fill_ms(&settings->lost_ms, 20 * 60 * SECOND_MS);
    fill_ms(&settings->pool_lost_ms, 30 * 60 * SECOND_MS);
    fill_ms(&settings->run_max_ms, 20 * 3600 * SECOND_MS);
    fill_ms(&settings->continue_ms, 12 * 3600 * SECOND_MS);
    fill_ms(&settings->backoff_ms, 5 * SECOND_MS);
    fill_ms(&settings->idle_timeout_ms, 10 * 60 * SECOND_MS);
    fill_n(&settings->attempts_max, 3);
    fill_n(&settings->host_jobs_max, 2);
    fill_n(&settings->sr_jobs_max, 4);
    fill_n(&settings->store_jobs_max, 8);
}

static void run_tell_event(struct run *run, const struct events_item *item)
{
    switch (item->kind) {
    case EVENTS_JOB:
        run_tell(run, &(struct run_event){.kind = RUN_EVENT_JOB, .job = item->job.job});
        break;
    case EVENTS_AGENT:
        run_tell(run, &(struct run_event){.kind = RUN_EVENT_AGENT,
                                          .host_uuid = item->host_uuid,
                                          .host_name = item->host_name,
                                          .text = item->text});
        break;
    case EVENTS_WARNING:
        run_warn(run, item->text);
        break;
    }
}

static void run_tell_events(struct run *run)
{
    CLEAN_EVENTS struct events events = {0};

    control_take_events(run->control, &events);
    for (size_t i = 0; i < events.n; i++)
        run_tell_event(run, &events.items[i]);
}

/* Count, and with tell show, what goes on now. */
static void run_look(struct run *run, bool tell)
{
    struct run_totals totals = {0};
    size_t n = 0;
    struct events_job *jobs = control_view(run->control, &n, &totals);
    struct run_job *views = mem_zero(n, sizeof *views);

    totals.elapsed_ms = clock_monotonic_ms(run->clock) - run->began_ms;
    totals.away_ms = pool_thread_look_lease(run->pool_thread).away_ms;
    for (size_t i = 0; i < n; i++)
        views[i] = jobs[i].job;
    if (tell)
        run_tell(run, &(struct run_event){.kind = RUN_EVENT_PROGRESS,
                                          .jobs = views,
                                          .jobs_n = n,
                                          .totals = totals});
    run->outcome->totals = totals;
    for (size_t i = 0; i < n; i++)
        events_job_done(&jobs[i]);
    free(jobs);
    free(views);
}

/* The control thread lives, the lease is ours. */
static int run_check(struct run *run, struct error *err)
{
    struct pool_thread_lease lease = pool_thread_look_lease(run->pool_thread);

    CLEAN_TEXT_MAP struct text_map away = TEXT_MAP_INIT;

    control_set_lease(run->control, lease.n, lease.is_renewed && !lease.is_lost);
    if (pool_thread_take_away(run->pool_thread, &away) > 0)
        control_set_away(run->control, &away);
    if (lease.is_lost)
        return error_set(err, ERROR_LEASE,
                         "another coordinator has taken the pool's lease: its run goes on, this "
                         "one ends");
    return control_check(run->control, err);
}

/* Which jobs a run leaves that ends before them. */
static void run_tell_left(struct run *run)
{
    struct run_totals totals = {0};
    size_t n = 0;
    struct events_job *jobs = control_view(run->control, &n, &totals);

    for (size_t i = 0; i < n; i++) {
        const struct run_job *job = &jobs[i].job;
        CLEAN_CHAR char *text =
            str_format("%s is left to the agent of %s: the next run takes up what it makes of it",
                       job->vm_name  ? job->vm_name
                       : job->folder ? job->folder
                                     : job_kind_name(job->kind),
                       job->host_name ? job->host_name : "its host");

        run_warn(run, text);
        events_job_done(&jobs[i]);
    }
    free(jobs);
    if (totals.waiting_n > 0) {
        CLEAN_CHAR char *text =
            str_format("%zu job%s not begun", totals.waiting_n,
                       totals.waiting_n == 1 ? " has" : "s have");

        run_warn(run, text);
    }
}

/* A pool that is gone for a while is waited for; one that is gone ends the run. */
static int run_heed_pool(struct run *run, struct error *err)
{
    const int64_t away_ms = pool_thread_look_lease(run->pool_thread).away_ms;
    char limit[NUM_TEXT_MAX];

    num_format_duration(run->settings.pool_lost_ms, limit);
    if (away_ms >= run->settings.pool_lost_ms) {
        run_tell_left(run);
        return error_set(err, ERROR_POOL_UNREACHABLE,
                         "the pool could not be reached for %s (pool_lost): the run ends, the "
                         "next one with the same selection continues it",
                         limit);
    }
    if (away_ms > 0 && !run->is_away) {
        CLEAN_CHAR char *text = str_format("the pool can't be reached: no job begins until it "
                                           "answers, and after %s the run ends (pool_lost)",
                                           limit);

        run_warn(run, text);
    } else if (away_ms == 0 && run->is_away) {
        log_info("run", "the pool answers again");
    }
    run->is_away = away_ms > 0;
    return 0;
}

/* Nobody is there, or nobody with our key. */
static int run_fail_unanswered(struct run *run, const char *names, struct error *err)
{
    const long long s = (long long)(run->settings.muster_ms / 1000);
    struct catalog_refused refused;

    control_count_refused(run->control, &refused);
    if (refused.other_key > 0)
        return error_set(err, ERROR_NOT_FOUND,
                         "no agent with a key of this pool answered within %lld s, and such with "
                         "another key were refused: give each of %s the file that \"onyxpool "
                         "keygen --host UUID\" makes",
                         s, names);
    return error_set(err, ERROR_NOT_FOUND,
                     "no agent answered within %lld s: start onyxpool-agent on %s (they connect "
                     "to %s)",
                     s, names, run->address);
}

static int run_fail_muster(struct run *run, struct error *err)
{
    CLEAN_TEXT_LIST struct text_list troubles = TEXT_LIST_INIT;
    CLEAN_TEXT_LIST struct text_list names = TEXT_LIST_INIT;
    CLEAN_STR struct str list = STR_INIT;

    control_list_troubles(run->control, &troubles);
    if (troubles.n > 0) {
        for (size_t i = 1; i < troubles.n; i++)
            run_warn(run, troubles.items[i]);
        return error_set(err, ERROR_NOT_FOUND, "no agent can take a job: %s", troubles.items[0]);
    }
    for (size_t i = 0; i < run->hosts.n; i++) {
        const char *name = text_map_get(&run->host_names, run->hosts.items[i]);

        text_list_add(&names, name ? name : run->hosts.items[i]);
    }
    text_list_sort(&names);
    for (size_t i = 0; i < names.n && i < RUN_NAMES_MAX; i++)
        str_add_format(&list, "%s%s", i ? ", " : "", names.items[i]);
    if (names.n > RUN_NAMES_MAX)
        str_add(&list, ", ...");
    return run_fail_unanswered(run, str_text(&list), err);
}

struct left_hosts {
    const struct run *run;
    struct text_list uuids;
};

static void left_hosts_done(struct left_hosts *left)
{
    text_list_done(&left->uuids);
}

static int note_left_host(void *context, const struct catalog_attempt *attempt, struct error *err)
{
    struct left_hosts *left = context;

    (void)err;
    if (attempt->finished_at == 0 && attempt->host_uuid &&
        strcmp(attempt->run, left->run->record.id) != 0 &&
        text_list_has(&left->run->hosts, attempt->host_uuid) &&
        !text_list_has(&left->uuids, attempt->host_uuid))
        text_list_add(&left->uuids, attempt->host_uuid);
    return 0;
}

/*
 * Until every host has an agent that can work, or the time is over. What an agent does yet for another
 * run is cleaned up when it is not heard: where one may, a short muster is made as long as a living
 * agent needs to be heard. (Attempts of the run that is continued are waited for behind it.)
 */
static int run_muster(struct run *run, struct error *err)
{
    const int64_t begun_ms = clock_monotonic_ms(run->clock);
    CLEANUP(left_hosts_done) struct left_hosts left = {.run = run};
    int64_t waited_ms = 0;
    size_t ready_n = 0;

    if (catalog_each_remains(run->catalog, note_left_host, &left, err) < 0)
        return -1;
    run_tell_stage(run, RUN_STAGE_MUSTER, NULL);
    do {
        if (run_check_quit(err) < 0 || run_check(run, err) < 0)
            return -1;
        run_tell_events(run);
        ready_n = control_ready_n(run->control, &run->hosts);
        if (ready_n == run->hosts.n && ready_n > 0)
            return 0;
        run_pause(RUN_SLICE_MS);
        waited_ms = clock_monotonic_ms(run->clock) - begun_ms;
    } while (waited_ms < run->settings.muster_ms ||
             (waited_ms < RUN_HELLO_MS &&
              control_heard_n(run->control, &left.uuids) < left.uuids.n));
    return ready_n > 0 ? 0 : run_fail_muster(run, err);
}

static void run_heed_quit(struct run *run)
{
    if (run->is_interrupted || (quit_count() == 0 && !control_was_asked_to_cancel(run->control)))
        return;
    run->is_interrupted = true;
    run_tell_stage(run, RUN_STAGE_CANCEL, NULL);
    control_cancel(run->control);
}

static int run_leave_at_once(struct error *err)
{
    return error_set(err, ERROR_INTERRUPTED,
                     "left at once: the agents end what they were doing by themselves, and the "
                     "next run cleans up");
}

/* The plan is out of date, said an attempt: its next one shall begin by what is true now. */
static void run_heed_replan(struct run *run)
{
    struct error error = ERROR_INIT;

    if (run->is_interrupted || run->is_away || !control_take_replan(run->control))
        return;
    if (run_replan(run, &error) < 0)
        log_warn("run", "read the pool again: %s", error.text);
    else
        log_info("run", "the pool has changed: it was read again");
}

/* Until every job has come to its end. */
static int run_follow(struct run *run, struct error *err)
{
    const int64_t release_ms = RUN_RELEASE_RENEWALS * run->settings.lease_renew_ms;
    int64_t next_progress_ms = 0;
    int64_t next_release_ms = clock_monotonic_ms(run->clock) + release_ms;

    run_tell_stage(run, RUN_STAGE_RUN, NULL);
    for (;;) {
        const int64_t now_ms = clock_monotonic_ms(run->clock);

        if (run_check(run, err) < 0 || run_heed_pool(run, err) < 0)
            return -1;
        run_tell_events(run);
        run_heed_quit(run);
        if (quit_count() > 1)
            return run_leave_at_once(err);
        if (now_ms >= next_progress_ms) {
            run_look(run, true);
            next_progress_ms = now_ms + RUN_PROGRESS_MS;
        }
        if (control_is_over(run->control))
            return 0;
        if (now_ms >= next_release_ms && !run->is_interrupted && !run->is_away) {
            struct error error = ERROR_INIT;

            if (run_release_waiting(run, &error) < 0)
                log_warn("run", "look again at waiting jobs: %s", error.text);
            next_release_ms = now_ms + release_ms;
        }
        run_heed_replan(run);
        run_pause(RUN_SLICE_MS);
    }
}

static void run_linger(struct run *run)
{
    const int64_t until_ms = clock_monotonic_ms(run->clock) + RUN_LINGER_MS;

    while (control_is_listed(run->control) && quit_count() < 2 &&
           clock_monotonic_ms(run->clock) < until_ms)
        run_pause(RUN_SLICE_MS);
}

static int run_begin(struct run *run, struct error *err)
{
    if (run_take_lock(run, err) < 0 || run_open_catalog(run, err) < 0 ||
        run_log_in(run, err) < 0 || run_listen(run, err) < 0 || run_take_lease(run, err) < 0 ||
        run_check_store(run, err) < 0)
        return -1;
    run->began_ms = clock_monotonic_ms(run->clock);
    return 0;
}

/* With the row of the run there. */
static int run_work(struct run *run, struct error *err)
{
    if (run_write_nonce(run, err) < 0)
        return -1;
    control_set_run(run->control, run->record.id, run->marker.store_uuid, run->nonce.nonce);
    run_tell(run, &(struct run_event){.kind = RUN_EVENT_STARTED,
                                      .run = run->record.id,
                                      .is_continued = run->outcome->is_continued});
    if (run_muster(run, err) < 0 || run_plan_jobs(run, err) < 0)
        return -1;
    int result = run_follow(run, err);
    run_tell_stage(run, RUN_STAGE_END, NULL);
    run_look(run, true);
    if (result == 0)
        run_linger(run);
    run_tell_events(run);
    return result;
}

static int run_status(const struct run *run)
{
    const struct run_totals *totals = &run->outcome->totals;

    if (run->is_interrupted)
        return error_exit_status(ERROR_INTERRUPTED);
    return totals->failed_n > 0 || totals->cleanups_failed_n > 0 ? 1 : 0;
}

/* Whether the next run shall go on where this one broke off. */
static bool run_may_be_continued(const struct run *run, const struct error *error)
{
    if (error->code == ERROR_INTERRUPTED)
        return false;
    return run->outcome->is_continued || error->code == ERROR_LEASE ||
           run->outcome->totals.jobs_n > 0;
}

static void run_fill_end(struct run *run, int result, const struct error *error)
{
    struct catalog_run *record = &run->record;

    text_list_done(&record->warnings);
    text_list_copy(&record->warnings, &run->outcome->warnings);
    record->lease = pool_thread_look_lease(run->pool_thread).n;
    if (result < 0) {
        record->error = *error;
        record->exit_status = error_exit_status(error->code);
        if (run_may_be_continued(run, error))
            return;
    } else {
        record->exit_status = run_status(run);
    }
    record->finished_at = clock_wall_ms(run->clock);
    record->state = record->exit_status == error_exit_status(ERROR_INTERRUPTED)
                        ? CATALOG_RUN_INTERRUPTED
                    : record->exit_status == 0 ? CATALOG_RUN_DONE
                                               : CATALOG_RUN_FAILED;
}

/* A share that hangs would keep us too; the next run writes what is missing. */
static int run_publish_if_alive(struct run *run, struct error *err)
{
    int hung = catalog_has_error(run->catalog, run->record.id, ERROR_HUNG, err);

    if (hung < 0)
        return -1;
    if (hung)
        return error_set(err, ERROR_HUNG, "the share hangs: the digests and the copy of the catalog "
                                          "are written by the next run");
    return run_publish(run, err);
}

/* Record the end of the run; the control thread has ended. */
static int run_end(struct run *run, int result, struct error *err)
{
    struct error error = ERROR_INIT;

    if (result == 0 && quit_count() < 2 && run_publish_if_alive(run, &error) < 0) {
        run_warn(run, error.text);
        error_clear(&error);
    }
    run_fill_end(run, result, err);
    run->outcome->exit_status = run->record.exit_status;
    if (catalog_update_run(run->catalog, &run->record, &error) < 0) {
        log_error("run", "record the end of the run: %s", error.text);
        if (result == 0) {
            *err = error;
            return -1;
        }
    }
    return result;
}

static void run_close(struct run *run)
{
    control_stop(&run->control);
    pool_thread_stop(&run->pool_thread);
    store_clean(&run->store);
    catalog_close(&run->control_catalog);
    catalog_close(&run->catalog);
    fd_close(&run->lock_fd);
    wire_pool_keys_done(&run->keys);
    catalog_run_done(&run->record);
    plan_done(&run->plan);
    pool_done(&run->inventory);
    text_list_done(&run->hosts);
    text_map_done(&run->host_names);
    text_map_done(&run->waiting);
    free(run->session_path);
    free(run->pool_uuid);
    free(run->pool_name);
}

int run_conduct(const struct run_settings *settings, const struct run_request *request,
                    struct run_outcome *ret_outcome, struct error *err)
{
    struct error error = ERROR_INIT;
    CLEANUP(run_close) struct run run = {
        .settings = *settings,
        .request = request,
        .clock = request->clock ? request->clock : clock_system(),
        .random = request->random ? request->random : random_system(),
        .outcome = ret_outcome,
        .lock_fd = -1,
        .session_path = str_format("%s.session", settings->catalog_path)};

    run_settings_fill(&run.settings);
    int result = run_begin(&run, &error);
    if (result == 0)
        result = run_begin_record(&run, &error);
    if (result == 0) {
        result = run_work(&run, &error);
        control_stop(&run.control);
        result = run_end(&run, result, &error);
    }
    if (result < 0 && err)
        *err = error;
    if (result < 0)
        ret_outcome->exit_status = error_exit_status(error.code);
    return result;
}
