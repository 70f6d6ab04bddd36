/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which values may cross the wire: needed fields, ranges and counts, the same before packing and
 * after unpacking. For message_pack.c and message_unpack.c.
 *
 * Each gives 0, or -1 with ERROR_PROTOCOL naming the field. Texts for people (mended by packing)
 * are checked for presence only.
 */
#ifndef ONYX_COMMON_WIRE_MESSAGE_CHECK_H
#define ONYX_COMMON_WIRE_MESSAGE_CHECK_H

#include "common/wire/message.h"

int message_check_job(const struct job *job, struct error *err);
int message_check_rate(const char *field, uint64_t rate, struct error *err); /* bytes a second */
int message_check_report(const struct job_report *report, struct error *err);
int message_check_log_line(const struct wire_log_line *line, struct error *err);
int message_check_attempt(const char *field, const struct wire_attempt *attempt, struct error *err);
int message_check_sync(const struct wire_sync *sync, struct error *err);
int message_check_orders(const struct wire_orders *orders, struct error *err);
int message_check_task(const struct wire_task *task, struct error *err);

#endif
