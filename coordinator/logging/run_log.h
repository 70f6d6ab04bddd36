/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is written down about one run beside the catalog: the log files, the report file
 * (smtp_file), the mail.
 *
 * From begin to end every log line also goes to the log files as etc/logging.json or $LOG_CFG say,
 * and those of the level of -l (info without it) into the report file, behind the report. That
 * file is replaced at the end of each run, whole, so that a run that waits does not empty the
 * report of the one it waits for. Nothing here makes a run fail: trouble is a warning.
 */
#ifndef ONYX_COORDINATOR_RUN_LOG_H
#define ONYX_COORDINATOR_RUN_LOG_H

#include <stddef.h>

#include "common/base/mem.h"

struct error;
struct report;
struct settings;

#define RUN_LOG_LINES_MAX ((size_t)1 << 20) /* bytes of log lines in the report */

struct run_log;

/* Takes the log's tee, and sets the console's level where logging.json has one and nobody gave -l.
 * log_cfg: $LOG_CFG, may be NULL. Settings are borrowed until the end. */
struct run_log *run_log_begin(const struct settings *settings, const char *log_cfg);

/*
 * The run has ended: mail the report, write the report file, close the log files, give the tee
 * back. Sets *log to NULL.
 *
 * report: as the catalog has it, or empty (run "") when it did not come to a run; what it lacks is
 * filled in. err: what broke the run off, NULL or unset when nothing did.
 */
void run_log_end(struct run_log **log, struct report *report, const struct error *err);

/* For CLEANUP: close without mail and report. */
void run_log_close(struct run_log **log);
#define CLEAN_RUN_LOG CLEANUP(run_log_close)

#endif
