/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The report of a run as HTML for a mail: one document, tables and inline styles only, nothing
 * fetched.
 *
 * Bad news comes first, as in the text. Mail programs cut long pages, so of what went well at most
 * REPORT_HTML_ROWS_MAX rows are shown and the rest is counted; what went wrong is shown up to ten
 * times as many.
 */
#ifndef ONYX_COORDINATOR_POLICY_REPORT_HTML_H
#define ONYX_COORDINATOR_POLICY_REPORT_HTML_H

struct report;
struct str;

#define REPORT_HTML_ROWS_MAX 200

/* One line: "7 of 8 backed up, 1 failed". For the subject of a mail and the head of the page. */
void report_format_outcome(const struct report *report, struct str *out);

void report_format_html(const struct report *report, struct str *out);

#endif
