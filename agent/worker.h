/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The worker process: one attempt at one job, from the task on its standard input to its last
 * report.
 *
 * The end of standard input, SIGTERM or SIGINT is a cancel: what was begun is removed, and the
 * worker ends. A worker whose thread hangs in the store reports and leaves without it.
 */
#ifndef ONYX_AGENT_WORKER_H
#define ONYX_AGENT_WORKER_H

/* Descriptors that a worker is started with; all others are closed first. */
#define WORKER_TASK_FD 0
#define WORKER_NOTE_FD 3
#define WORKER_LOCK_FD 4 /* held until the process ends */

/* Gives the exit status: 0 whenever the last report was written. */
/* Keys of a task's settings: how the worker shares its dom0 with others. */
#define WORKER_NICE   "nice"
#define WORKER_IONICE "ionice"

int worker_main(void);

#endif
