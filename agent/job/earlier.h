/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a job has published before: an attempt whose report was lost need not be made again.
 */
#ifndef ONYX_AGENT_JOB_EARLIER_H
#define ONYX_AGENT_JOB_EARLIER_H

#include "agent/job/table.h"

/*
 * Look for all files of the job. 1 they are there and are in the report now, 0 not, -1 failed.
 *
 * A file that does not fit its .meta, or a part of the files, is a warning and 0.
 */
int earlier_look(const struct job_context *context, struct job_report *report, struct error *err);

/*
 * Put what a dead attempt of another job has published into the report, by its .metas: files,
 * times, consistency. For a cleanup that found it whole. 1 something, 0 nothing, -1 failed.
 */
int earlier_report(const struct job_context *context, const struct job_remains *remains,
                   struct job_report *report, struct error *err);

#endif
