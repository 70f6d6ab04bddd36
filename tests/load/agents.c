/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Many agents in one process: they speak the real wire and pretend their jobs.
 *
 *   load_agents --coordinator ADDRESS --store DIR --slots N --period-ms N KEYFILE...
 *
 * Each key file is an agent. It takes what it is assigned, reports it as running with bytes that
 * grow, and ends it as cancelled when it is told so or when this program is asked to end (SIGTERM).
 * At the begin, at SIGUSR1 and at the end one line of JSON tells answers, their delays, and the longest time that
 * an agent was without one, since the line before.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/num.h"
#include "common/base/random.h"
#include "common/base/str.h"
#include "common/store/marker.h"
#include "common/store/root.h"
#include "common/wire/client.h"

#include "common/base/poison.h"

#define BYTES_A_SYNC  (UINT64_C(64) << 20)
#define FAREWELL_MS   3000
#define WAIT_MS       20

struct load_agent {
    struct wire_agent_key key;
    struct wire_client *client;
    struct job_report *jobs;
    size_t jobs_n;
    size_t jobs_cap;
    int64_t next_ms;
    int64_t sent_us;  /* 0: nothing is unanswered */
    int64_t heard_us; /* of the last answer */
    int64_t silent_us; /* the longest time between two answers */
};

struct load {
    const char *coordinator;
    const char *store_dir;
    int64_t slots;
    int64_t period_ms;
    struct load_agent *agents;
    size_t agents_n;
    char run[RUN_ID_MAX];
    struct wire_store store;
    int32_t *delays_us;
    size_t delays_n;
    size_t delays_cap;
    uint64_t troubles_n;
    uint64_t begun_n;
    bool is_ending;
};

static volatile sig_atomic_t wants_end;
static volatile sig_atomic_t wants_reset;

static void on_signal(int number)
{
    if (number == SIGUSR1)
        wants_reset = 1;
    else
        wants_end = 1;
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Marker and nonce, as an agent reads them on its own mount. */
static void look_at_store(struct load *load)
{
    CLEAN_STORE struct store *store = NULL;
    struct marker marker;
    struct marker_nonce nonce;
    struct error err = ERROR_INIT;

    mem_set(&load->store.root, load->store_dir);
    if (load->store_dir == NULL || store_open(load->store_dir, NULL, &store, &err) != 0 ||
        marker_check(store, NULL, &marker, &err) != 0)
        return;
    mem_set(&load->store.uuid, marker.store_uuid);
    if (marker_read_nonce(store, &nonce, &err) == 1)
        mem_set(&load->store.nonce, nonce.nonce);
    load->store.free_bytes = UINT64_C(1) << 44;
    load->store.total_bytes = UINT64_C(1) << 45;
}

static struct job_report *find_job(struct load_agent *agent, const char *id, uint32_t attempt)
{
    for (size_t i = 0; i < agent->jobs_n; i++) {
        if (strcmp(agent->jobs[i].id, id) == 0 && agent->jobs[i].attempt == attempt)
            return &agent->jobs[i];
    }
    return NULL;
}

static void end_job(struct job_report *job)
{
    job->state = JOB_STATE_CANCELLED;
    job->phase = JOB_PHASE_FINISH;
    job->is_clean = true;
    job->finished_at = clock_wall_ms(clock_system());
    error_set(&job->error, ERROR_CANCELLED, "cancelled");
}

static void obey(struct load *load, struct load_agent *agent, const struct wire_orders *orders)
{
    if (strcmp(load->run, orders->run) != 0) {
        str_copy(load->run, sizeof load->run, orders->run);
        look_at_store(load);
    }
    for (size_t i = 0; i < orders->assign_n && !load->is_ending; i++) {
        const struct job *order = &orders->assign[i];
        if (find_job(agent, order->id, order->attempt) != NULL)
            continue;
        agent->jobs =
            mem_grow(agent->jobs, &agent->jobs_cap, agent->jobs_n + 1, sizeof *agent->jobs);
        struct job_report *job = &agent->jobs[agent->jobs_n++];
        *job = (struct job_report){.attempt = order->attempt,
                                   .state = JOB_STATE_RUNNING,
                                   .phase = JOB_PHASE_STREAM,
                                   .started_at = clock_wall_ms(clock_system())};
        str_copy(job->id, sizeof job->id, order->id);
        load->begun_n++;
    }
    for (size_t i = 0; i < orders->cancel_n; i++) {
        struct job_report *job =
            find_job(agent, orders->cancel[i].id, orders->cancel[i].attempt);
        if (job != NULL && !job_state_is_end(job->state))
            end_job(job);
    }
    for (size_t i = 0; i < orders->forget_n; i++) {
        struct job_report *job =
            find_job(agent, orders->forget[i].id, orders->forget[i].attempt);
        if (job == NULL)
            continue;
        job_report_done(job);
        *job = agent->jobs[--agent->jobs_n];
    }
}

static void send_sync(struct load *load, struct load_agent *agent)
{
    struct wire_sync sync = {.slots = (uint32_t)load->slots, .is_draining = load->is_ending};
    struct error err = ERROR_INIT;
    char version[] = "0.1.0";
    size_t running_n = 0;
    size_t log_n;

    for (size_t i = 0; i < agent->jobs_n; i++) {
        struct job_report *job = &agent->jobs[i];
        if (job_state_is_end(job->state))
            continue;
        running_n++;
        job->bytes += BYTES_A_SYNC;
    }
    sync.version = version;
    sync.free_slots = load->is_ending || running_n >= (size_t)load->slots
                          ? 0
                          : (uint32_t)((size_t)load->slots - running_n);
    sync.store = load->store;
    sync.reports = agent->jobs; /* borrowed for the call */
    sync.reports_n = agent->jobs_n;
    agent->next_ms = clock_monotonic_ms(clock_system()) + load->period_ms;
    agent->sent_us = now_us();
    if (wire_client_send(agent->client, &sync, &log_n, &err) != 0)
        load->troubles_n++;
}

static void take_answer(struct load *load, struct load_agent *agent)
{
    int64_t now = now_us();

    if (agent->sent_us != 0) {
        load->delays_us = mem_grow(load->delays_us, &load->delays_cap, load->delays_n + 1,
                                   sizeof *load->delays_us);
        load->delays_us[load->delays_n++] = (int32_t)(now - agent->sent_us);
    }
    if (agent->heard_us != 0 && now - agent->heard_us > agent->silent_us)
        agent->silent_us = now - agent->heard_us;
    agent->sent_us = 0;
    agent->heard_us = now;
}

static void step(struct load *load, struct load_agent *agent)
{
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};
    struct error err = ERROR_INIT;

    if (wire_client_can_send(agent->client) &&
        clock_monotonic_ms(clock_system()) >= agent->next_ms)
        send_sync(load, agent);
    int found = wire_client_step(agent->client, &orders, &err);
    if (found < 0) {
        load->troubles_n++;
        log_warn("load", "%s", err.text);
    }
    if (found == 1) {
        take_answer(load, agent);
        obey(load, agent, &orders);
    }
}

static void wait_for_news(const struct load *load)
{
    struct pollfd *fds = mem_zero(load->agents_n, sizeof *fds);

    for (size_t i = 0; i < load->agents_n; i++)
        fds[i] = (struct pollfd){.fd = wire_client_fd(load->agents[i].client), .events = POLLIN};
    (void)poll(fds, load->agents_n, WAIT_MS);
    free(fds);
}

static void reset(struct load *load)
{
    int64_t now = now_us();

    load->delays_n = 0;
    load->troubles_n = 0;
    for (size_t i = 0; i < load->agents_n; i++) {
        load->agents[i].silent_us = 0;
        load->agents[i].heard_us = load->agents[i].heard_us != 0 ? now : 0;
    }
}

static int by_size(const void *a, const void *b)
{
    return *(const int32_t *)a < *(const int32_t *)b   ? -1
           : *(const int32_t *)a > *(const int32_t *)b ? 1
                                                        : 0;
}

static double percentile_ms(const struct load *load, unsigned percent)
{
    if (load->delays_n == 0)
        return -1;
    return load->delays_us[(load->delays_n - 1) * percent / 100] / 1000.0;
}

static void print_result(struct load *load)
{
    int64_t silent_us = 0;
    size_t heard_n = 0;
    int64_t now = now_us();

    if (load->delays_n > 0)
        qsort(load->delays_us, load->delays_n, sizeof *load->delays_us, by_size);
    for (size_t i = 0; i < load->agents_n; i++) {
        struct load_agent *agent = &load->agents[i];
        heard_n += agent->heard_us != 0;
        if (agent->heard_us != 0 && now - agent->heard_us > agent->silent_us)
            agent->silent_us = now - agent->heard_us;
        silent_us = agent->silent_us > silent_us ? agent->silent_us : silent_us;
    }
    json_t *result = json_pack(
        "{s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:f,s:f}", "agents", (json_int_t)load->agents_n, "heard",
        (json_int_t)heard_n, "answered", (json_int_t)load->delays_n, "troubles",
        (json_int_t)load->troubles_n, "jobs", (json_int_t)load->begun_n, "p50_ms",
        percentile_ms(load, 50), "p99_ms", percentile_ms(load, 99), "max_ms",
        percentile_ms(load, 100), "silent_ms", (double)silent_us / 1000.0);
    (void)json_dumpf(result, stdout, JSON_COMPACT);
    (void)fputc('\n', stdout);
    (void)fflush(stdout);
    json_decref(result);
}

/* Cancel what runs and tell it, as an agent on SIGTERM does. */
static void farewell(struct load *load)
{
    int64_t until_ms = clock_monotonic_ms(clock_system()) + FAREWELL_MS;

    load->is_ending = true;
    for (size_t i = 0; i < load->agents_n; i++) {
        load->agents[i].next_ms = 0;
        for (size_t k = 0; k < load->agents[i].jobs_n; k++) {
            if (!job_state_is_end(load->agents[i].jobs[k].state))
                end_job(&load->agents[i].jobs[k]);
        }
    }
    for (size_t left_n = 1; left_n > 0 && clock_monotonic_ms(clock_system()) < until_ms;) {
        left_n = 0;
        wait_for_news(load);
        for (size_t i = 0; i < load->agents_n; i++) {
            step(load, &load->agents[i]);
            left_n += load->agents[i].jobs_n;
        }
    }
}

static int open_agents(struct load *load, char **files, size_t n, struct error *err)
{
    load->agents = mem_zero(n, sizeof *load->agents);
    for (size_t i = 0; i < n; i++) {
        struct load_agent *agent = &load->agents[i];
        if (wire_agent_key_read(files[i], &agent->key, err) != 0 ||
            wire_client_open(load->coordinator, &agent->key, clock_system(), random_system(),
                             &agent->client, err) != 0)
            return -1;
        load->agents_n++;
        /* Spread over the period, as agents of as many hosts are. */
        agent->next_ms = clock_monotonic_ms(clock_system()) +
                         load->period_ms * (int64_t)i / (int64_t)n;
    }
    return 0;
}

static void load_done(struct load *load)
{
    for (size_t i = 0; i < load->agents_n; i++) {
        wire_client_close(&load->agents[i].client);
        for (size_t k = 0; k < load->agents[i].jobs_n; k++)
            job_report_done(&load->agents[i].jobs[k]);
        free(load->agents[i].jobs);
    }
    free(load->agents);
    free(load->delays_us);
    free(load->store.root);
    free(load->store.uuid);
    free(load->store.nonce);
}

/* The options in front of the key files; how many words they were, -1 with a line. */
static int read_options(int argc, char **argv, struct load *load)
{
    struct error err = ERROR_INIT;
    int at = 1;

    for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
        int bad = 0;
        if (strcmp(argv[at], "--coordinator") == 0)
            load->coordinator = argv[at + 1];
        else if (strcmp(argv[at], "--store") == 0)
            load->store_dir = argv[at + 1];
        else if (strcmp(argv[at], "--slots") == 0)
            bad = num_parse(argv[at + 1], 0, 64, &load->slots, &err);
        else if (strcmp(argv[at], "--period-ms") == 0)
            bad = num_parse(argv[at + 1], 1, 60000, &load->period_ms, &err);
        else
            bad = error_set(&err, ERROR_USAGE, "unknown option");
        if (bad != 0) {
            fprintf(stderr, "load_agents: %s: %s\n", argv[at], err.text);
            return -1;
        }
    }
    if (load->coordinator == NULL || at >= argc) {
        fprintf(stderr, "load_agents: --coordinator and key files are needed\n");
        return -1;
    }
    return at;
}

int main(int argc, char **argv)
{
    CLEANUP(load_done) struct load load = {.slots = 0, .period_ms = 1000};
    struct error err = ERROR_INIT;
    const struct sigaction action = {.sa_handler = on_signal};
    int first = read_options(argc, argv, &load);

    if (first < 0)
        return 2;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    look_at_store(&load);
    if (open_agents(&load, argv + first, (size_t)(argc - first), &err) != 0) {
        fprintf(stderr, "load_agents: %s\n", err.text);
        return 2;
    }
    print_result(&load);
    while (!wants_end) {
        wait_for_news(&load);
        for (size_t i = 0; i < load.agents_n; i++)
            step(&load, &load.agents[i]);
        if (wants_reset) {
            wants_reset = 0;
            print_result(&load);
            reset(&load);
        }
    }
    print_result(&load);
    farewell(&load);
    return 0;
}
