/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages as values: growing, and releasing everything inside.
 */
#include "common/wire/message.h"

#include <stdlib.h>
#include <string.h>

#include "common/wire/key.h"

#include "common/base/poison.h"

void wire_log_line_done(struct wire_log_line *line)
{
    free(line->room);
    free(line->text);
    memset(line, 0, sizeof *line);
}

static void store_done(struct wire_store *store)
{
    free(store->root);
    free(store->uuid);
    free(store->nonce);
}

void wire_sync_done(struct wire_sync *sync)
{
    free(sync->version);
    free(sync->hold_back);
    store_done(&sync->store);
    for (size_t i = 0; i < sync->reports_n; i++)
        job_report_done(&sync->reports[i]);
    free(sync->reports);
    for (size_t i = 0; i < sync->log_n; i++)
        wire_log_line_done(&sync->log[i]);
    free(sync->log);
    memset(sync, 0, sizeof *sync);
}

void wire_orders_done(struct wire_orders *orders)
{
    free(orders->store_root);
    free(orders->store_uuid);
    for (size_t i = 0; i < orders->assign_n; i++)
        job_done(&orders->assign[i]);
    free(orders->assign);
    free(orders->cancel);
    free(orders->forget);
    memset(orders, 0, sizeof *orders);
}

void wire_task_done(struct wire_task *task)
{
    job_done(&task->job);
    free(task->host_uuid);
    if (task->session != NULL)
        wire_secret_wipe(task->session, strlen(task->session));
    free(task->session);
    free(task->xapi_socket);
    free(task->xapi_url);
    free(task->xapi_certificate);
    free(task->store_root);
    free(task->store_uuid);
    free(task->store_nonce);
    text_map_done(&task->settings);
    memset(task, 0, sizeof *task);
}

void wire_note_done(struct wire_note *note)
{
    wire_task_done(&note->task);
    job_report_done(&note->report);
    wire_log_line_done(&note->line);
    memset(note, 0, sizeof *note);
}

struct job_report *wire_sync_add_report(struct wire_sync *sync)
{
    sync->reports =
        mem_grow(sync->reports, &sync->reports_cap, sync->reports_n + 1, sizeof *sync->reports);
    struct job_report *report = &sync->reports[sync->reports_n++];
    memset(report, 0, sizeof *report);
    return report;
}

struct wire_log_line *wire_sync_add_log(struct wire_sync *sync)
{
    sync->log = mem_grow(sync->log, &sync->log_cap, sync->log_n + 1, sizeof *sync->log);
    struct wire_log_line *line = &sync->log[sync->log_n++];
    memset(line, 0, sizeof *line);
    return line;
}

struct job *wire_orders_add_job(struct wire_orders *orders)
{
    orders->assign =
        mem_grow(orders->assign, &orders->assign_cap, orders->assign_n + 1, sizeof *orders->assign);
    struct job *job = &orders->assign[orders->assign_n++];
    memset(job, 0, sizeof *job);
    return job;
}

static void add_attempt(struct wire_attempt **items, size_t *n, size_t *cap, const char *id,
                        uint32_t attempt)
{
    *items = mem_grow(*items, cap, *n + 1, sizeof **items);
    struct wire_attempt *item = &(*items)[(*n)++];
    memset(item, 0, sizeof *item);
    str_copy(item->id, sizeof item->id, id);
    item->attempt = attempt;
}

void wire_orders_add_cancel(struct wire_orders *orders, const char *id, uint32_t attempt)
{
    add_attempt(&orders->cancel, &orders->cancel_n, &orders->cancel_cap, id, attempt);
}

void wire_orders_add_forget(struct wire_orders *orders, const char *id, uint32_t attempt)
{
    add_attempt(&orders->forget, &orders->forget_n, &orders->forget_cap, id, attempt);
}
