/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A worker started ahead of its job, at most one: while short jobs follow each other, a good part of
 * each would else be the start of its process.
 *
 * A spare is no job: it holds no session and no file of the share, only its slot's lock, and may be
 * killed at any time. It is there for spare_ms after a short job, so neither an idle host nor one of long
 * jobs has one. It is not used when the program's file has changed since its start.
 */
#ifndef ONYX_AGENT_SPARE_H
#define ONYX_AGENT_SPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/child.h"

struct error;

/* How a file stood there. All zeroes: it is not there. */
struct spare_stamp {
    uint64_t device, inode;
    int64_t changed_ns, size_bytes;
};

struct spare {
    int64_t spare_ms;     /* 0: never any. Also what a short job is */
    int64_t wanted_until_ms; /* monotonic */
    int64_t next_try_ms;
    int64_t pause_ms;     /* behind the next start that fails */
    struct child child;   /* pid 0: none */
    struct spare_stamp program; /* when it was started */
    bool is_leaving;      /* killed, not buried yet */
};

/* A job has ended that ran for so long. */
void spare_note_end(struct spare *spare, int64_t ran_ms, int64_t now_ms);

/* Whether to start one now. */
bool spare_is_due(const struct spare *spare, int64_t now_ms);

/* Start one. lock_fd and slot are those of a worker; lock_fd is closed here. A start that fails is tried
 * again later, and later each time. */
void spare_start(struct spare *spare, const char *program, int lock_fd, size_t slot,
                 int64_t now_ms);

/* Bury one that has ended; end one that nobody wants any more, or that was started from another file
 * than program is now. */
void spare_step(struct spare *spare, const char *program, int64_t now_ms);

/* End it, whatever it is at. */
void spare_dismiss(struct spare *spare);

/* Make the spare the worker of a task: 1 *ret_child is it; 0 there is none that can be used. */
int spare_give(struct spare *spare, const char *program, const struct wire_task *task,
               int64_t now_ms, struct child *ret_child);

#endif
