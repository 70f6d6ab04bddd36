/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The mail about a run: what it says, and that it is sent.
 *
 * A mail that can't be sent is a warning in the log; it changes nothing about the run.
 */
#ifndef ONYX_COORDINATOR_RUN_MAIL_H
#define ONYX_COORDINATOR_RUN_MAIL_H

struct report;
struct settings;
struct str;

/* "OnyxBackupVM Backup Report: FAILED, pool lab: 7 of 8 backed up, 1 failed". */
void run_mail_format_subject(const struct settings *settings, const struct report *report,
                             struct str *out);

/* The report as text; of a run that could not begin, its error. */
void run_mail_format_text(const struct report *report, struct str *out);

/* Send it as the settings say; nothing without smtp_enabled, nor after a second wish to quit.
 * lines: what was logged, put behind the text of a run that was broken off; "" none. */
void run_mail_send(const struct settings *settings, const struct report *report,
                   const char *lines);

#endif
