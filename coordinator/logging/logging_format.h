/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Python's log formats ("%(asctime)s - %(levelname)s: %(message)s") read and filled.
 * Source: Python 3.11 logging, LogRecord attributes; printf-style formatting of mappings.
 */
#ifndef ONYX_COORDINATOR_LOGGING_FORMAT_H
#define ONYX_COORDINATOR_LOGGING_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/log.h"

struct logging_handler;
struct str;

/* As Python calls it: "WARNING". */
const char *logging_level_name(enum log_level level);

/* Whether the format can be used; the fields in it that no line has are named in ret_unknown. */
bool logging_format_check(const char *format, struct str *ret_unknown);

/* One line as a handler writes it, with its line feed. */
void logging_format_line(const struct logging_handler *handler, int64_t wall_ms,
                         enum log_level level, const char *room, const char *text,
                         struct str *out);

#endif
