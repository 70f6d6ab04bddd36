/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a killed process of ours leaves with XAPI beside snapshots: its session and its tasks.
 *
 * XAPI lists no sessions, so whoever logs in writes the reference into a small file (0600), a line
 * each, and the next process of that place logs it out. Tasks are found by their label: every task that we
 * create is called "onyxpool <job id>".
 */
#ifndef ONYX_COMMON_XAPI_REMAINS_H
#define ONYX_COMMON_XAPI_REMAINS_H

#include <stddef.h>

struct error;
struct text_list;
struct xapi;

#define REMAINS_TASK_PREFIX "onyxpool "
#define REMAINS_SESSIONS_MAX 1024 /* bytes of the file: some twenty references */

/* "onyxpool <job>": the name_label of tasks that belong to a job. Caller frees. */
char *remains_task_label(const char *job);

/*
 * Write down the session that x has, and log out those that path named: of killed processes, or one
 * that x had before. x's own is noted first, so whoever is killed meanwhile leaves no session that
 * nobody knows of. path's folder must exist. 1 one was logged out, 0 there was none, -1 failed: what
 * could not be logged out stays noted.
 */
int remains_take_session(const char *path, struct xapi *x, struct error *err);

/*
 * Destroy the tasks that dead processes left: those with one of these labels (cancelled first if
 * they are pending), and ended ones that were to make one of these objects, whoever asked.
 *
 * objects holds refs that are known to be ours; both lists may be NULL. Tasks of our own process
 * must not carry these labels. *ret_n may be NULL.
 */
int remains_reap_tasks(struct xapi *x, const struct text_list *labels,
                       const struct text_list *objects, size_t *ret_n, struct error *err);

#endif
