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

/* How it is started: for the task that is in its input; or to wait for one, which may never come. */
#define WORKER_ARGUMENT         "--worker"
#define WORKER_STANDBY_ARGUMENT "--standby"

/* Keys of a task's settings: how the worker shares its dom0 with others. */
#define WORKER_NICE   "nice"
#define WORKER_IONICE "ionice"

/*
 * argument is argv[1], one of the two above. One that waits has loaded what a job needs, and holds
 * nothing: no session, no key, no file of the share. A signal or the end of its input ends it with
 * status 0. With its task it is a worker as any other, and its command line says so.
 *
 * Gives the exit status: 0 whenever the last report was written.
 */
int worker_main(char *argument);

#endif
