/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Task, watch and stream together. After a stream that we closed XAPI needs a moment to notice: the
 * task is waited for, so that it is not pulled away under a handler that still writes to it.
 */
#include "agent/pipeline/source_xapi.h"

#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/text_list.h"
#include "common/xapi/remains.h"
#include "common/xapi/session.h"
#include "common/xapi/stream.h"
#include "common/xapi/task.h"

#include "common/base/poison.h"

#define CLOSE_WAIT_MS 10000

struct source_xapi {
    struct xapi *xapi;
    char *query;
    char *task;
    struct task_watch *watch;
    struct stream_facts facts;
    int64_t idle_timeout_ms;
};

/* A task whose making was not answered: only its label is known. */
static void forget_task(struct xapi *xapi, const char *label)
{
    CLEAN_TEXT_LIST struct text_list labels = TEXT_LIST_INIT;
    struct error ignored = ERROR_INIT;
    text_list_add(&labels, label);
    (void)remains_reap_tasks(xapi, &labels, NULL, NULL, &ignored);
}

int source_xapi_open(struct xapi *xapi, const char *label, const char *query,
                     int64_t idle_timeout_ms, struct source_xapi **ret_source, struct error *err)
{
    CLEAN_SOURCE_XAPI struct source_xapi *source = mem_zero(1, sizeof *source);
    source->xapi = xapi;
    source->query = mem_dup(query);
    source->idle_timeout_ms = idle_timeout_ms;
    if (xapi_task_create(xapi, label, "onyxpool export", &source->task, err) != 0) {
        forget_task(xapi, label);
        return -1;
    }
    if (task_watch_begin(xapi, source->task, &source->watch, err) != 0)
        return -1;
    *ret_source = source;
    source = NULL;
    return 0;
}

void source_xapi_close(struct source_xapi *source)
{
    if (source == NULL)
        return;
    bool is_pending = true;
    if (source->watch != NULL) {
        CLEAN_TASK_FACTS struct task_facts facts = {0};
        struct error ignored = ERROR_INIT;
        int is_ended = task_watch_look(source->watch, &facts, &ignored);
        task_facts_done(&facts);
        is_pending = is_ended <= 0;
        if (is_ended == 0 && source->facts.http_status == 200) {
            error_clear(&ignored);
            (void)xapi_task_cancel(source->xapi, source->task, &ignored);
            error_clear(&ignored);
            is_pending = task_watch_wait(source->watch, CLOSE_WAIT_MS, NULL, NULL, &facts,
                                         &ignored) != 0;
        }
    }
    task_watch_end(&source->watch);
    if (source->task != NULL && is_pending)
        xapi_task_give_up(source->xapi, source->task);
    else if (source->task != NULL)
        xapi_task_destroy(source->xapi, source->task);
    stream_facts_done(&source->facts);
    free(source->task);
    free(source->query);
    free(source);
}

void source_xapi_clean(struct source_xapi **source)
{
    source_xapi_close(*source);
    *source = NULL;
}

struct handing {
    pipeline_intake_fn *intake;
    void *context;
};

static int hand_bytes(void *context, const void *bytes, size_t n, struct error *err)
{
    const struct handing *handing = context;
    return handing->intake(handing->context, bytes, n, err);
}

static int run(void *context, pipeline_intake_fn *intake, void *intake_context, struct error *err)
{
    struct source_xapi *source = context;
    struct handing handing = {intake, intake_context};
    struct stream_sink sink = {.bytes = hand_bytes, .context = &handing};
    if (xapi_stream_get(source->xapi, source->query, source->task, &sink,
                        source->idle_timeout_ms, &source->facts, err) != 0)
        return -1;
    if (!source->facts.ended_in_order)
        return error_set(err, ERROR_SHORT, "the stream did not end in order");
    return 0;
}

static int outcome(void *context, int64_t wait_ms, struct error *err)
{
    struct source_xapi *source = context;
    CLEAN_TASK_FACTS struct task_facts facts = {0};
    struct error why = ERROR_INIT;
    if (task_watch_wait(source->watch, wait_ms, NULL, NULL, &facts, &why) != 0) {
        if (why.code == ERROR_TIMEOUT)
            return 0;
        *err = why;
        return -1;
    }
    if (task_facts_check(&facts, err) != 0)
        return error_add(err, "the pool's task failed");
    return 1;
}

struct pipeline_source source_xapi_source(struct source_xapi *source)
{
    return (struct pipeline_source){.run = run, .outcome = outcome, .context = source};
}

const char *source_xapi_redirected_to(const struct source_xapi *source)
{
    return source->facts.redirected_to;
}
