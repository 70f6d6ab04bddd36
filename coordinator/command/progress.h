/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How a run looks while it goes on: on a terminal a line for each running job and a total that
 * stay in place, elsewhere plain lines.
 *
 * Everything goes to stderr; stdout is the report's. At most 80 columns, colours only on a terminal
 * and without NO_COLOR. Below the log level info only what needs a person is told.
 */
#ifndef ONYX_COORDINATOR_COMMAND_PROGRESS_H
#define ONYX_COORDINATOR_COMMAND_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/mem.h"

struct run_event;
struct run_job;
struct run_totals;
struct str;

struct progress;

/* fd is stderr but in tests. Takes the log's lines over too, so that they do not fall into the
 * picture; progress_end gives them back. */
struct progress *progress_begin(int fd);
void progress_end(struct progress **progress);
#define CLEAN_PROGRESS CLEANUP(progress_end)

/* For run_watch: context is the struct progress. */
void progress_event(void *context, const struct run_event *event);

/* One running job, and the total, in at most columns (40 to 80); no line end. */
void progress_format_job(const struct run_job *job, size_t columns, struct str *out);
void progress_format_totals(const struct run_totals *totals, size_t columns, struct str *out);

/* "web1 done on h1: 512 MiB" and its kin; false for a state that is not worth a line. */
bool progress_format_change(const struct run_job *job, struct str *out);

#endif
