/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One worker process as its agent sees it: started, heard, cancelled, buried.
 */
#ifndef ONYX_AGENT_CHILD_H
#define ONYX_AGENT_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/mem.h"
#include "common/wire/message.h"
#include "common/wire/pipe.h"

struct error;

#define CHILD_CLEAN_MS 180000 /* a cancelled worker may take so long to clean up, unless set */

struct child {
    pid_t pid;   /* 0: none */
    int task_fd; /* its standard input: closing it is the cancel */
    int note_fd;
    size_t slot;
    struct wire_pipe_reader reader;
    bool is_silent;       /* its pipe has ended */
    unsigned silent_looks; /* since then, for its end */
    int64_t cancelled_ms; /* monotonic; 0: not cancelled */
    bool is_killed;
    int64_t clean_ms; /* after a cancel, until it is killed */
};

/*
 * Start program ("--worker") with a task; task NULL: ("--standby") one that waits for child_give.
 * lock_fd becomes the child's; it is closed here.
 *
 * Fails:  ERROR_NOT_FOUND, ERROR_IO, ERROR_PROTOCOL (the task can't be packed); no process is left.
 */
int child_start(const char *program, int lock_fd, const struct wire_task *task,
                struct child *ret_child, struct error *err);

/* Give its task to one that waits. Once. ERROR_IO (it is gone), ERROR_PROTOCOL; it has none then. */
int child_give(const struct child *child, const struct wire_task *task, struct error *err);

/* The next note that has come: 1 (caller releases it), 0 none now; is_silent says when there will
 * be none any more. */
int child_read(struct child *child, struct wire_note *ret_note);

/* Tell it how fast it may go, bytes a second (0: no limit). 0 told; -1 its pipe is full or gone. */
int child_pace(const struct child *child, uint64_t rate_limit);

/* Ask it to stop; again and it is the same. now_ms is not 0. */
void child_cancel(struct child *child, int64_t now_ms);

/* Whether it has ended (it is buried then). One that was cancelled and is over its time is killed;
 * one that even then does not end hangs in the kernel: keep asking. */
bool child_has_ended(struct child *child, int64_t now_ms, int *ret_status);

/* When to look again for the end of one that is silent: a moment, then longer and longer. */
int64_t child_next_look_ms(const struct child *child);

bool child_is_hung(const struct child *child, int64_t now_ms);

/* Close descriptors. The process, if any, sees the end of its standard input. */
void child_done(struct child *child);

/* "ended with status 1", "was killed by signal 9". Caller frees. */
char *child_describe_end(int status);

#endif
