/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Events: a job ends, an agent dies or comes back, an agent comes with its Sync, a tick.
 */
#include "tests/bench/makespan_sim/play.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/num.h"
#include "common/base/str.h"
#include "coordinator/dispatch/dispatch.h"
#include "coordinator/policy/plan.h"
#include "coordinator/policy/select.h"

#include "common/base/poison.h"

#define SLOTS 4
#define CLEANUP_S 2.0
#define TICK_S 0.5
#define NEAR_S 1.0      /* all agents have come within so long before an event */
#define LEAP_MAX_S 60.0
#define ERRANDS_MAX 64  /* cleanup jobs at one time on one agent */

struct errand {
    char id[JOB_ID_MAX];
    uint32_t attempt;
    double end_s;
};

struct play_agent {
    bool is_up;
    uint64_t boot, seq;
    double next_s;    /* its next Sync */
    double change_s;  /* it dies, or comes back; INFINITY: never again */
    bool has_come;    /* since the last change */
    size_t *ended, ended_n, ended_cap; /* jobs that are done and not forgotten */
    struct errand errands[ERRANDS_MAX];
    size_t errands_n;
};

struct play {
    const struct world *world;
    struct dispatch *dispatch;
    struct flow flow;
    struct play_agent *agents;
    const struct absence *absences;  /* of each host; NULL: nobody dies */
    struct foresight *foresight;     /* or NULL */
    uint32_t *attempts;     /* of each job, as last assigned */
    bool *was_given;        /* jobs that an agent ever had */
    double next_tick_s;
    double last_change_s;
    double careful_until_s; /* something waits for the time itself: no long leaps */
    struct random random;
    uint32_t random_n;
    struct play_result result;
};

static void fill_random(void *context, void *bytes, size_t n)
{
    struct play *play = context;

    memset(bytes, 0xc1, n); /* ids of cleanups begin with c, those of VMs with 0 */
    play->random_n++;
    memcpy((char *)bytes + n - sizeof play->random_n, &play->random_n, sizeof play->random_n);
}

static struct dispatch_now now_of(double s)
{
    return (struct dispatch_now){.ms = (int64_t)(s * 1000), .at = 1763856000000 + (int64_t)(s * 1000)};
}

static double work_us(void)
{
    struct timespec at;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at); /* whatever else the machine does */
    return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

/* ---- the plan ---- */

static void add_planned(struct play *play, const struct plan_job *planned)
{
    CLEAN_CATALOG_JOB struct catalog_job job = {.state = planned->state};
    size_t vm = (size_t)strtoull(planned->job.vm_uuid + 24, NULL, 16);

    job_copy(&job.job, &planned->job);
    snprintf(job.job.id, sizeof job.job.id, "%016zx", vm);
    job.may_be_redirected = planned->may_be_redirected;
    text_list_copy(&job.hosts, &planned->hosts);
    text_list_copy(&job.srs, &planned->srs);
    dispatch_add_job(play->dispatch, &job, now_of(0));
}

static void make_plan(struct play *play, struct plan *plan)
{
    const struct world *world = play->world;
    CLEAN_SELECTION struct selection selection = {0};
    CLEAN_TEXT_LIST struct text_list all = TEXT_LIST_INIT, none = TEXT_LIST_INIT;
    const struct select_request request = {
        .excludes = &none, .vdi_exports = &none, .vm_exports = &all};
    const struct plan_settings settings = {.compress = JOB_COMPRESS_NONE,
                                           .disk_format = JOB_DISK_RAW,
                                           .max_backups = 4,
                                           .kinds = ~0u};
    double begun = work_us();

    text_list_add(&all, ".*");
    if (select_make(&world->pool, &request, &selection, NULL) < 0)
        abort();
    plan_make(&world->pool, &selection, &settings, plan);
    for (size_t i = 0; i < plan->jobs_n; i++)
        add_planned(play, &plan->jobs[i]);
    dispatch_start(play->dispatch, now_of(0));
    play->result.plan_ms = (work_us() - begun) / 1000;
    if (plan->jobs_n != world->settings.vms_n)
        abort();
}

/* ---- agents ---- */

static void add_report(struct wire_sync *sync, const char *id, uint32_t attempt,
                       enum job_state state, double bytes)
{
    struct job_report *report = wire_sync_add_report(sync);

    str_copy(report->id, sizeof report->id, id);
    report->attempt = attempt;
    report->state = state;
    report->phase = JOB_PHASE_STREAM;
    report->bytes = (uint64_t)bytes;
    report->is_clean = state == JOB_STATE_DONE;
}

static void fill_reports(struct play *play, size_t host, struct wire_sync *sync)
{
    struct play_agent *agent = &play->agents[host];
    char id[JOB_ID_MAX];

    for (size_t i = 0; i < play->flow.n; i++) {
        const struct flow_job *one = &play->flow.running[i];

        if (one->host != host)
            continue;
        snprintf(id, sizeof id, "%016zx", one->job);
        add_report(sync, id, play->attempts[one->job], JOB_STATE_RUNNING,
                   play->world->jobs[one->job].bytes - one->left);
    }
    for (size_t i = 0; i < agent->ended_n; i++) {
        snprintf(id, sizeof id, "%016zx", agent->ended[i]);
        add_report(sync, id, play->attempts[agent->ended[i]], JOB_STATE_DONE,
                   play->world->jobs[agent->ended[i]].bytes);
        job_report_add_file(&sync->reports[sync->reports_n - 1])->name = mem_dup("backup.xva");
    }
    for (size_t i = 0; i < agent->errands_n; i++)
        add_report(sync, agent->errands[i].id, agent->errands[i].attempt,
                   play->flow.now_s >= agent->errands[i].end_s ? JOB_STATE_DONE
                                                               : JOB_STATE_RUNNING,
                   0);
}

static void fill_sync(struct play *play, size_t host, struct wire_sync *sync)
{
    struct play_agent *agent = &play->agents[host];
    size_t busy_n = play->flow.hosts_n[host] + agent->errands_n;

    str_copy(sync->host_uuid, sizeof sync->host_uuid, play->world->pool.hosts[host].uuid);
    sync->boot = agent->boot;
    sync->seq = ++agent->seq;
    sync->slots = SLOTS;
    sync->free_slots = busy_n < SLOTS ? (uint32_t)(SLOTS - busy_n) : 0;
    sync->store.root = mem_dup("/backup");
    sync->store.uuid = mem_dup("store");
    sync->store.nonce = mem_dup("nonce");
    sync->store.free_bytes = (uint64_t)1 << 52;
    sync->store.total_bytes = (uint64_t)1 << 52;
    fill_reports(play, host, sync);
}

static void forget(struct play_agent *agent, const char *id)
{
    size_t job = (size_t)strtoull(id, NULL, 16);

    for (size_t i = 0; i < agent->ended_n; i++)
        if (agent->ended[i] == job) {
            agent->ended[i] = agent->ended[--agent->ended_n];
            return;
        }
    for (size_t i = 0; i < agent->errands_n; i++)
        if (strcmp(agent->errands[i].id, id) == 0) {
            agent->errands[i] = agent->errands[--agent->errands_n];
            return;
        }
}

static void take_job(struct play *play, size_t host, const struct job *job)
{
    struct play_agent *agent = &play->agents[host];
    size_t vm = (size_t)strtoull(job->id, NULL, 16);

    if (job->kind == JOB_CLEANUP) {
        if (agent->errands_n < ERRANDS_MAX) {
            struct errand *errand = &agent->errands[agent->errands_n++];

            *errand = (struct errand){.attempt = job->attempt,
                                      .end_s = play->flow.now_s + CLEANUP_S};
            memcpy(errand->id, job->id, sizeof errand->id);
        }
        return;
    }
    play->was_given[vm] = true;
    play->attempts[vm] = job->attempt;
    flow_begin(&play->flow, vm, host);
}

/* What the catalog would do. Gives whether anything has changed that an agent could have a job by. */
static bool record(struct play *play)
{
    size_t n = 0;
    struct dispatch_change *changes = dispatch_changes(play->dispatch, &n);
    bool has_changed = false;

    for (size_t i = 0; i < n; i++) {
        struct dispatch_change *change = &changes[i];

        has_changed = has_changed || change->kind != DISPATCH_STATE ||
                      change->state != JOB_STATE_WAITING;
        if (change->kind == DISPATCH_BEGIN && change->prefix)
            change->stem = str_format("%s%u", change->prefix, change->attempt);
        if (change->kind != DISPATCH_STATE || change->id[0] != '0')
            continue;
        play->result.done_n += change->state == JOB_STATE_DONE;
        play->result.failed_n +=
            change->state == JOB_STATE_FAILED || change->state == JOB_STATE_LOST;
    }
    dispatch_recorded(play->dispatch);
    return has_changed;
}

static void note_change(struct play *play)
{
    play->last_change_s = play->flow.now_s;
    for (size_t i = 0; i < play->world->settings.hosts_n; i++)
        play->agents[i].has_come = false;
}

static void come(struct play *play, size_t host)
{
    struct play_agent *agent = &play->agents[host];
    const char *uuid = play->world->pool.hosts[host].uuid;
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    struct dispatch_now now = now_of(play->flow.now_s);

    fill_sync(play, host, &sync);
    foresight_tell(play->foresight, play->dispatch, play->flow.now_s);
    double begun = work_us();
    if (dispatch_hear(play->dispatch, &sync, now, NULL) < 0)
        abort();
    dispatch_place(play->dispatch, uuid, now);
    bool has_changed = record(play);
    dispatch_orders(play->dispatch, uuid, now, &orders);
    double took = work_us() - begun;

    play->result.answer_us += took;
    play->result.answer_max_us = fmax(play->result.answer_max_us, took);
    play->result.answers_n++;
    has_changed = has_changed || orders.assign_n + orders.forget_n + orders.cancel_n > 0;
    for (size_t i = 0; i < orders.forget_n; i++)
        forget(agent, orders.forget[i].id);
    for (size_t i = 0; i < orders.assign_n; i++)
        take_job(play, host, &orders.assign[i]);
    if (has_changed)
        note_change(play);
    agent->has_come = !has_changed;
    agent->next_s = play->flow.now_s + orders.next_ms / 1000.0;
    for (size_t i = 0; i < agent->errands_n; i++)
        agent->next_s = fmin(agent->next_s, fmax(agent->errands[i].end_s, play->flow.now_s + 0.05));
}

/* As a run waits for its agents before it plans. */
static void muster(struct play *play)
{
    for (size_t i = 0; i < play->world->settings.hosts_n; i++) {
        CLEAN_WIRE_SYNC struct wire_sync sync = {0};

        fill_sync(play, i, &sync);
        if (dispatch_hear(play->dispatch, &sync, now_of(0), NULL) < 0)
            abort();
    }
}

static void end_job(struct play *play, size_t index)
{
    struct flow_job one = play->flow.running[index];
    struct play_agent *agent = &play->agents[one.host];

    flow_end(&play->flow, index);
    agent->ended = mem_grow(agent->ended, &agent->ended_cap, agent->ended_n + 1, sizeof(size_t));
    agent->ended[agent->ended_n++] = one.job;
    agent->next_s = play->flow.now_s;
    play->result.took_s = play->flow.now_s;
    note_change(play);
}

/* An agent and its workers die, or come back as another process. */
static void change_agent(struct play *play, size_t host)
{
    struct play_agent *agent = &play->agents[host];

    note_change(play);
    play->careful_until_s = play->flow.now_s + 120;
    if (!agent->is_up) {
        agent->is_up = true;
        agent->boot++;
        agent->seq = 0;
        agent->next_s = play->flow.now_s;
        agent->change_s = INFINITY;
        return;
    }
    play->result.deaths_n += play->flow.hosts_n[host] > 0;
    for (size_t i = play->flow.n; i-- > 0;)
        if (play->flow.running[i].host == host)
            flow_end(&play->flow, i);
    agent->is_up = false;
    agent->ended_n = 0;
    agent->errands_n = 0;
    agent->next_s = INFINITY;
    agent->change_s = play->absences[host].to_s;
}

/* ---- the clock ---- */

static bool is_quiet(const struct play *play)
{
    for (size_t i = 0; i < play->world->settings.hosts_n; i++)
        if (play->agents[i].is_up && !play->agents[i].has_come)
            return false;
    return true;
}

/* With nothing more to be had by asking: hosts that do nothing, and could. */
static size_t count_idle(const struct play *play)
{
    const struct world *world = play->world;
    size_t n = 0;

    for (size_t h = 0; h < world->settings.hosts_n; h++) {
        bool could = false;

        if (!play->agents[h].is_up || play->flow.hosts_n[h] > 0)
            continue;
        for (size_t i = 0; i < world->settings.vms_n && !could; i++)
            could = !play->was_given[i] && flow_fits(&play->flow, &world->jobs[i], h) &&
                    world_sees(world, h, &world->jobs[i]) &&
                    !foresight_bars(play->foresight, h, i);
        n += could;
    }
    return n;
}

/* What a silent agent was given may still be running there, and takes its places. */
static bool is_all_up(const struct play *play)
{
    for (size_t i = 0; i < play->world->settings.hosts_n; i++)
        if (!play->agents[i].is_up)
            return false;
    return play->flow.now_s >= play->careful_until_s;
}

/* Cheaper than count_idle: whether there is anything to look for. */
static bool may_idle(const struct play *play)
{
    const struct world *world = play->world;

    if (play->flow.n >= world->settings.store_jobs)
        return false;
    for (size_t h = 0; h < world->settings.hosts_n; h++)
        if (play->agents[h].is_up && play->flow.hosts_n[h] == 0)
            return true;
    return false;
}

/* Nothing will happen for a while: go to just before it does. */
static void leap(struct play *play, double event_s)
{
    double to = fmin(event_s, play->flow.now_s + LEAP_MAX_S) - NEAR_S;

    if (play->flow.now_s < play->careful_until_s)
        to = fmin(to, play->flow.now_s + 1);
    if (to < play->flow.now_s)
        to = event_s; /* they have just been there */
    for (size_t i = 0; i < play->world->settings.hosts_n; i++) {
        struct play_agent *agent = &play->agents[i];
        double phase = (double)(i * 37 % 100) / 500;

        if (agent->is_up && agent->next_s < to + phase)
            agent->next_s = to + phase;
    }
    if (play->next_tick_s < to)
        play->next_tick_s = to;
}

/* The next thing that happens; what and which. */
enum event { EVENT_END, EVENT_CHANGE, EVENT_COME, EVENT_TICK };

static enum event find_event(const struct play *play, double *ret_s, size_t *ret_which)
{
    enum event event = EVENT_END;

    *ret_s = flow_next_s(&play->flow, ret_which);
    for (size_t i = 0; i < play->world->settings.hosts_n; i++)
        if (play->agents[i].change_s < *ret_s) {
            *ret_s = play->agents[i].change_s;
            *ret_which = i;
            event = EVENT_CHANGE;
        }
    return event;
}

static enum event find_next(const struct play *play, double *ret_s, size_t *ret_which)
{
    enum event event = find_event(play, ret_s, ret_which);

    for (size_t i = 0; i < play->world->settings.hosts_n; i++)
        if (play->agents[i].is_up && play->agents[i].next_s < *ret_s) {
            *ret_s = play->agents[i].next_s;
            *ret_which = i;
            event = EVENT_COME;
        }
    if (play->next_tick_s < *ret_s) {
        *ret_s = play->next_tick_s;
        event = EVENT_TICK;
    }
    return event;
}

static void step(struct play *play)
{
    double at = 0, event_s = 0;
    size_t which = 0;

    if (is_quiet(play)) {
        if (may_idle(play) && is_all_up(play))
            play->result.idle_n += count_idle(play);
        (void)find_event(play, &event_s, &which);
        leap(play, event_s);
        /* Those that came before may come again: only a change makes it worth a look. */
        for (size_t i = 0; i < play->world->settings.hosts_n; i++)
            play->agents[i].has_come = false;
    }
    enum event event = find_next(play, &at, &which);
    flow_advance(&play->flow, fmax(at, play->flow.now_s));
    switch (event) {
    case EVENT_END:
        end_job(play, which);
        break;
    case EVENT_CHANGE:
        change_agent(play, which);
        break;
    case EVENT_COME:
        come(play, which);
        break;
    case EVENT_TICK:
        dispatch_tick(play->dispatch, now_of(play->flow.now_s));
        if (record(play))
            note_change(play);
        play->next_tick_s = play->flow.now_s + TICK_S;
        break;
    }
}

static void play_begin(struct play *play, const struct world *world)
{
    const struct world_settings *limits = &world->settings;
    struct dispatch_settings settings = {.attempts_max = 5,
                                         .backoff_ms = 5000,
                                         .lost_ms = 20 * 60 * 1000,
                                         .strange_ms = INT64_MAX / 4,
                                         .stall_ms = INT64_MAX / 4,
                                         .run_max_ms = INT64_MAX / 4,
                                         .host_jobs_max = limits->host_jobs,
                                         .sr_jobs_max = limits->sr_jobs,
                                         .store_jobs_max = limits->store_jobs,
                                         .space = {.threshold_percent = 20, .floor_percent = 1},
                                         .run = "00000000000000ff",
                                         .store_uuid = "store",
                                         .store_nonce = "nonce",
                                         .store_root = "/backup"};

    *play = (struct play){.world = world};
    play->random = (struct random){.fill = fill_random, .context = play};
    settings.random = &play->random;
    play->dispatch = dispatch_new(&settings, now_of(0));
    dispatch_set_lease(play->dispatch, 7, true);
    flow_init(&play->flow, world);
    play->agents = mem_zero(limits->hosts_n, sizeof *play->agents);
    play->attempts = mem_zero(limits->vms_n, sizeof *play->attempts);
    play->was_given = mem_zero(limits->vms_n, sizeof *play->was_given);
    for (size_t i = 0; i < limits->hosts_n; i++)
        play->agents[i] = (struct play_agent){
            .is_up = true, .boot = 1, .next_s = (double)(i * 37 % 100) / 100, .change_s = INFINITY};
}

static void play_end(struct play *play)
{
    foresight_free(&play->foresight);
    dispatch_free(&play->dispatch);
    flow_done(&play->flow);
    for (size_t i = 0; i < play->world->settings.hosts_n; i++)
        free(play->agents[i].ended);
    free(play->agents);
    free(play->attempts);
    free(play->was_given);
}

void play_run(const struct world *world, const struct absence *absences, enum foresight_kind known,
              struct play_result *ret_result)
{
    CLEAN_PLAN struct plan plan = {0};
    struct play play;

    play_begin(&play, world);
    play.absences = absences;
    for (size_t i = 0; absences && i < world->settings.hosts_n; i++)
        play.agents[i].change_s = absences[i].from_s;
    muster(&play);
    make_plan(&play, &plan);
    if (known != FORESIGHT_NONE)
        play.foresight = foresight_new(world, absences, &plan, known);
    while (play.result.done_n + play.result.failed_n < world->settings.vms_n)
        step(&play);
    play.result.broken_n = play.flow.broken_n;
    play.result.answer_us /= (double)play.result.answers_n;
    *ret_result = play.result;
    play_end(&play);
}

/* ---- what it is compared with ---- */

double play_first_come(const struct world *world)
{
    struct flow flow;
    size_t n = world->settings.vms_n, begun_n = 0, which = 0;
    bool *is_begun = mem_zero(n, sizeof *is_begun);

    flow_init(&flow, world);
    for (;;) {
        for (uint32_t round = 0; begun_n < n && round < world->settings.host_jobs; round++)
            for (size_t h = 0; h < world->settings.hosts_n; h++) {
                if (flow.hosts_n[h] > round || flow.n >= world->settings.store_jobs)
                    continue;
                for (size_t i = 0; i < n; i++)
                    if (!is_begun[i] && flow_fits(&flow, &world->jobs[i], h) &&
                        world_sees(world, h, &world->jobs[i])) {
                        is_begun[i] = true;
                        begun_n++;
                        flow_begin(&flow, i, h);
                        break;
                    }
            }
        if (flow.n == 0)
            break;
        flow_advance(&flow, flow_next_s(&flow, &which));
        flow_end(&flow, which);
    }
    double took = flow.now_s;
    flow_done(&flow);
    free(is_begun);
    return took;
}

double play_one_host(const struct world *world)
{
    double total = 0, best = 0;

    for (size_t h = 0; h < world->settings.hosts_n; h++)
        best = fmax(best, world->hosts_bytes_s[h]);
    for (size_t i = 0; i < world->settings.vms_n; i++)
        total += world->jobs[i].bytes;
    return total / fmin(best, world->settings.store_bytes_s);
}
