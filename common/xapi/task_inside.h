/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Steps of following one task, shared by the waiting and the watching; nobody else includes it.
 */
#ifndef ONYX_COMMON_XAPI_TASK_INSIDE_H
#define ONYX_COMMON_XAPI_TASK_INSIDE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/xapi/event.h"
#include "common/xapi/task.h"

struct task_follower {
    char *task;
    struct event_stream events;
    int64_t poll_ms; /* the next pause between two looks, when there are no events */
    bool is_polling;
};

void task_follower_init(struct task_follower *follower, const char *task);
void task_follower_done(struct task_follower *follower);

/* One wait of at most timeout_ms; facts hold the task's state then (gone included). */
int task_follower_next(struct xapi *xapi, struct task_follower *follower, int64_t timeout_ms,
                       struct task_facts *facts, struct error *err);

/* A record of the class task as facts. ERROR_PROTOCOL. */
int task_read_record(const json_t *record, struct task_facts *facts, struct error *err);

#endif
