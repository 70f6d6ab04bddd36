/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One transaction for all that came of one message. An agent's row is written when something about
 * it changed, and every few seconds besides, so that a quiet pool costs few commits.
 */
#include "coordinator/run/control_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/base/text_map.h"
#include "coordinator/catalog/catalog.h"

#include "common/base/poison.h"

#define RECORD_AGENT_MS 5000
#define RECORD_TROUBLE_MS 60000
#define RECORD_BYTES_MS 5000
#define RECORD_REFUSED_MS 5000
#define RECORD_START_MS 5000 /* an agent that has just started is still looking at its store */

void control_record_init(struct control_record *record, struct catalog *catalog)
{
    *record = (struct control_record){.catalog = catalog, .stamp = -1};
}

void control_record_done(struct control_record *record)
{
    events_done(&record->events);
    control_expire_done(&record->expire);
    text_map_done(&record->agents);
    text_map_done(&record->agents_ms);
}

void control_record_set_run(struct control_record *record, const char *run)
{
    str_copy(record->run, sizeof record->run, run);
}

static int record_change(struct control_record *record, struct dispatch_change *change,
                         struct dispatch_now now, struct error *err)
{
    struct catalog *catalog = record->catalog;
    int known = 0;

    switch (change->kind) {
    case DISPATCH_ADD_JOB:
        return catalog_put_job(catalog, &change->job, err);
    case DISPATCH_BEGIN:
        mem_set(&change->stem, NULL);
        return catalog_begin_attempt(catalog, change->id, change->attempt, change->host_uuid,
                                     change->host_name, change->lease, change->prefix, now.at,
                                     &change->stem, err);
    case DISPATCH_END:
        known = catalog_end_attempt(catalog, &change->report, now.at, err);
        if (known == 0)
            log_warn("control", "an agent tells of attempt %u of job %s, which is in no catalog",
                     change->report.attempt, change->report.id);
        return known < 0 ? -1 : 0;
    case DISPATCH_CLEAN:
        return catalog_set_clean(catalog, change->id, change->attempt, err);
    case DISPATCH_STATE:
        return catalog_set_job_state(catalog, change->id, change->state, change->reason, err);
    case DISPATCH_WARN:
        break;
    }
    return 0;
}

static int record_warning(struct control_record *record, const struct dispatch_change *change,
                          struct error *err)
{
    if (change->kind != DISPATCH_WARN || !record->run[0])
        return 0;
    return catalog_add_run_warning(record->catalog, record->run, change->reason, err);
}

/* Events of what is committed now. */
static void record_tell(struct control_record *record, const struct dispatch *dispatch,
                        const struct dispatch_change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct run_job job;

        if (changes[i].kind == DISPATCH_WARN)
            events_add_warning(&record->events, changes[i].reason);
        if ((changes[i].kind == DISPATCH_BEGIN || changes[i].kind == DISPATCH_STATE ||
             changes[i].kind == DISPATCH_ADD_JOB) &&
            dispatch_find_job(dispatch, changes[i].id, &job) &&
            /* One that has gone on since is told of by what it went on to. */
            (changes[i].kind != DISPATCH_ADD_JOB || job.state == JOB_STATE_PLANNED) &&
            (changes[i].kind != DISPATCH_STATE || job.state == changes[i].state))
            events_add_job(&record->events, &job);
    }
}

static int record_lines(struct control_record *record, const struct wire_sync *sync,
                        const char *host_name, struct error *err)
{
    for (size_t i = 0; i < sync->log_n; i++) {
        const struct wire_log_line *line = &sync->log[i];
        struct catalog_line row = {.at = line->at,
                                   .level = (int)line->level,
                                   .run = record->run[0] ? record->run : NULL,
                                   .room = line->room,
                                   .text = line->text};
        CLEAN_CHAR char *name = mem_dup(host_name);

        row.host_name = name;
        if (catalog_add_line(record->catalog, &row, err) < 0)
            return -1;
    }
    return 0;
}

/* Why the host gets no job, without the figures that change each second. */
static bool record_why_not(const struct dispatch *dispatch, const struct agent *agent,
                           char why[AGENTS_REASON_MAX])
{
    if (dispatch_why_not(dispatch, agent->host_uuid, why))
        return true;
    if (agent->sync.hold_back)
        (void)str_copy(why, AGENTS_REASON_MAX, "its dom0 is too busy for another job");
    return agent->sync.hold_back != NULL;
}

static int record_agent(struct control_record *record, const struct dispatch *dispatch,
                        const struct agent *agent, struct dispatch_now now, struct error *err)
{
    char why[AGENTS_REASON_MAX];
    bool is_refused = record_why_not(dispatch, agent, why);
    const struct wire_sync *sync = &agent->sync;
    struct catalog_agent row = {.host_uuid = agent->host_uuid,
                                .host_name = agent->host_name,
                                .version = sync->version,
                                .is_ready = !is_refused,
                                .reason = is_refused ? why : NULL,
                                .store_root = sync->store.root,
                                .store_uuid = sync->store.uuid,
                                .store_free_bytes = sync->store.free_bytes,
                                .store_total_bytes = sync->store.total_bytes,
                                .slots_free = sync->free_slots,
                                .cpu_percent = sync->cpu_percent,
                                .load_percent = sync->load_percent,
                                .rate_limit = sync->rate_limit,
                                .hold_back = sync->hold_back,
                                .running_n = sync->slots - (sync->free_slots < sync->slots
                                                                ? sync->free_slots
                                                                : sync->slots),
                                .first_seen_at = now.at,
                                .seen_at = now.at};

    return catalog_put_agent(record->catalog, &row, err);
}

/* Whether the agent's row is due, and what of it people should hear now. */
static bool record_is_agent_due(struct control_record *record, const struct dispatch *dispatch,
                                const struct agent *agent, struct dispatch_now now)
{
    char why[AGENTS_REASON_MAX];
    bool is_refused = record_why_not(dispatch, agent, why);
    const char *told = text_map_get(&record->agents, agent->host_uuid);
    const char *written = text_map_get(&record->agents_ms, agent->host_uuid);
    int64_t written_ms = 0;

    bool is_new = !told || strcmp(told, why) != 0;
    bool is_starting = now.ms - agent->boot_ms < RECORD_START_MS;
    if (is_new && (!is_refused || (record->is_planned && !is_starting))) {
        text_map_set(&record->agents, agent->host_uuid, why);
        events_add_agent(&record->events, agent->host_uuid, agent->host_name,
                         is_refused ? why : NULL);
        return true;
    }
    if (written)
        (void)num_parse(written, 0, INT64_MAX, &written_ms, NULL);
    return now.ms - written_ms >= RECORD_AGENT_MS;
}

struct due {
    const struct wire_sync *sync; /* NULL: no message behind it */
    const struct agent *agent;
    bool is_agent_due;
};

static int record_all(struct control_record *record, struct dispatch *dispatch,
                      struct dispatch_change *changes, size_t n, const struct due *due,
                      struct dispatch_now now, struct error *err)
{
    if (catalog_begin(record->catalog, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (record_change(record, &changes[i], now, err) < 0 ||
            record_warning(record, &changes[i], err) < 0)
            return -1;
    if (due->sync && record_lines(record, due->sync,
                                  due->agent->host_name ? due->agent->host_name
                                                        : due->agent->host_uuid,
                                  err) < 0)
        return -1;
    if (due->is_agent_due && record_agent(record, dispatch, due->agent, now, err) < 0)
        return -1;
    return catalog_commit(record->catalog, err);
}

static void record_trouble(struct control_record *record, const struct error *error,
                           struct dispatch_now now)
{
    if (record->has_trouble && now.ms - record->trouble_ms < RECORD_TROUBLE_MS)
        return;
    record->trouble_ms = now.ms;
    record->has_trouble = true;
    log_error("control", "nothing new begins until this is over: %s", error->text);
    events_add_warning(&record->events, error->text);
}

static void record_due(struct control_record *record, struct dispatch *dispatch,
                       const struct due *due, struct dispatch_now now)
{
    struct error error = ERROR_INIT;
    size_t n = 0;
    struct dispatch_change *changes = dispatch_changes(dispatch, &n);
    bool has_lines = due->sync && due->sync->log_n > 0;

    if (n == 0 && !has_lines && !due->is_agent_due)
        return;
    if (record_all(record, dispatch, changes, n, due, now, &error) < 0) {
        catalog_undo(record->catalog);
        record_trouble(record, &error, now);
        return;
    }
    record->has_trouble = false;
    record_tell(record, dispatch, changes, n);
    control_expire_note(&record->expire, dispatch, changes, n);
    dispatch_recorded(dispatch);
    control_expire_step(&record->expire, record->catalog, dispatch, now);
    if (due->is_agent_due) {
        char text[NUM_TEXT_MAX];

        snprintf(text, sizeof text, "%lld", (long long)now.ms);
        text_map_set(&record->agents_ms, due->agent->host_uuid, text);
    }
}

void control_record_changes(struct control_record *record, struct dispatch *dispatch,
                            struct dispatch_now now)
{
    struct due due = {0};

    record_due(record, dispatch, &due, now);
}

static int record_bytes(struct control_record *record, const struct dispatch *dispatch,
                        struct error *err)
{
    if (catalog_begin(record->catalog, err) < 0)
        return -1;
    for (size_t i = 0; i < dispatch_jobs_n(dispatch); i++) {
        struct run_job job;

        dispatch_view_job(dispatch, i, &job);
        if (job.state == JOB_STATE_RUNNING && job.bytes > 0 &&
            catalog_set_attempt_bytes(record->catalog, job.id, job.attempt, job.bytes, err) < 0)
            return -1;
    }
    return catalog_commit(record->catalog, err);
}

void control_record_bytes(struct control_record *record, const struct dispatch *dispatch,
                          struct dispatch_now now)
{
    struct error error = ERROR_INIT;

    if (now.ms < record->next_bytes_ms)
        return;
    record->next_bytes_ms = now.ms + RECORD_BYTES_MS;
    if (record_bytes(record, dispatch, &error) == 0)
        return;
    catalog_undo(record->catalog);
    log_debug("control", "write down how far jobs are: %s", error.text);
}

void control_record_refused(struct control_record *record, const struct catalog_refused *refused,
                            struct dispatch_now now)
{
    const uint64_t n = refused->other_key + refused->other_version + refused->strange +
                       refused->unreadable + refused->forged + refused->repeated +
                       refused->second_agent + refused->shut;
    struct error error = ERROR_INIT;

    if (!record->run[0] || n == record->refused_n || now.ms < record->next_refused_ms)
        return;
    record->next_refused_ms = now.ms + RECORD_REFUSED_MS;
    if (catalog_put_refused(record->catalog, record->run, refused, &error) == 0)
        record->refused_n = n;
    else
        log_debug("control", "write down who was refused: %s", error.text);
}

static void record_log_lines(const struct wire_sync *sync, const struct agent *agent)
{
    for (size_t i = 0; i < sync->log_n; i++)
        log_write(sync->log[i].level, "agent", "%s: %s",
                  agent->host_name ? agent->host_name : agent->host_uuid,
                  sync->log[i].text ? sync->log[i].text : "");
}

void control_record_sync(struct control_record *record, struct dispatch *dispatch,
                         const struct wire_sync *sync, struct dispatch_now now)
{
    const struct agent *agent = agents_find(dispatch_agents(dispatch), sync->host_uuid);
    struct due due = {.sync = sync, .agent = agent};

    if (!agent)
        return;
    due.is_agent_due = record_is_agent_due(record, dispatch, agent, now);
    record_log_lines(sync, agent);
    record_due(record, dispatch, &due, now);
}

/* The arguments are "folder/file". The end of the run tells the store. */
static int record_pin(struct control_record *record, const struct catalog_request *request,
                      char **ret_answer, int *ret_status, struct error *err)
{
    CLEAN_CHAR char *path = mem_dup(request->arguments ? request->arguments : "");
    char *slash = strchr(path, '/');
    size_t n = 0;

    if (slash) {
        *slash = '\0';
        if (catalog_pin_backup(record->catalog, path, slash + 1,
                               strcmp(request->verb, "pin") == 0, &n, err) < 0)
            return -1;
    }
    *ret_status = n > 0 ? 0 : error_exit_status(ERROR_NOT_FOUND);
    *ret_answer = n > 0 ? str_format("%zu files", n)
                        : str_format("there is no backup %s", request->arguments);
    return 0;
}

static int record_answer(struct control_record *record, const struct catalog_request *request,
                         struct dispatch_now now, struct error *err)
{
    CLEAN_CHAR char *answer = NULL;
    enum catalog_request_state state = REQUEST_ANSWERED;
    int exit_status = 0;

    if (strcmp(request->verb, "run") == 0) {
        state = REQUEST_NOTED;
        answer = str_format("run %s goes on; yours begins when it has ended",
                            record->run[0] ? record->run : "(starting)");
    } else if (strcmp(request->verb, "pin") == 0 || strcmp(request->verb, "unpin") == 0) {
        if (record_pin(record, request, &answer, &exit_status, err) < 0)
            return -1;
    } else if (strcmp(request->verb, "cancel") == 0) {
        record->is_cancel_asked = true;
        answer = str_format("run %s is being cancelled", record->run);
    } else {
        exit_status = error_exit_status(ERROR_USAGE);
        answer = str_format("this coordinator does not know the request \"%s\"", request->verb);
    }
    return catalog_answer_request(record->catalog, request->id, state, exit_status, answer, now.at,
                                  err);
}

bool control_record_requests(struct control_record *record, struct dispatch_now now)
{
    struct error error = ERROR_INIT;
    bool was_asked = record->is_cancel_asked;
    int64_t stamp = 0;
    int found = 0;

    if (catalog_read_stamp(record->catalog, &stamp, &error) < 0 || stamp == record->stamp)
        return false;
    for (;;) {
        CLEAN_CATALOG_REQUEST struct catalog_request request = {0};

        found = catalog_next_request(record->catalog, &request, &error);
        if (found <= 0)
            break;
        if (record_answer(record, &request, now, &error) < 0) {
            found = -1;
            break;
        }
    }
    if (found < 0)
        record_trouble(record, &error, now);
    else
        record->stamp = stamp;
    return record->is_cancel_asked && !was_asked;
}
