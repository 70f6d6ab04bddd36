/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One event, one line: error (needs a person), warn (result still good), info (job began, ended),
 * debug.
 *
 * Lines go to stderr ("2026-11-22 20:27:34 warn  agent: text"), or to a sink that main installs
 * (a worker's pipe, a picture on the terminal). A tee takes lines beside it, with a level of its
 * own (the coordinator's files). Level, sink and tee are the only mutable globals of this layer.
 * Control bytes in a line are shown as \xNN. No secret has a format function.
 */
#ifndef ONYX_COMMON_BASE_LOG_H
#define ONYX_COMMON_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Takes one line without its end; called from any thread, one at a time. */
typedef void log_sink_fn(void *context, enum log_level level, const char *room, const char *text);

void log_set_level(enum log_level level);
bool log_is_on(enum log_level level); /* for stderr or the sink */
void log_set_sink(log_sink_fn *sink, void *context); /* NULL: stderr */
void log_set_tee(log_sink_fn *tee, void *context, enum log_level level); /* NULL: none */
bool log_is_taken(enum log_level level); /* by the sink or the tee */

const char *log_level_name(enum log_level level);
/* error, warning, warn, info, debug (any case); critical is error. 1 known, 0 not. */
int log_level_from_name(const char *name, enum log_level *ret_level);

void log_write(enum log_level level, const char *room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A line for the tee alone: people see it by another way. */
void log_write_tee(enum log_level level, const char *room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(room, ...) log_write(LOG_LEVEL_ERROR, room, __VA_ARGS__)
#define log_warn(room, ...) log_write(LOG_LEVEL_WARN, room, __VA_ARGS__)
#define log_info(room, ...) log_write(LOG_LEVEL_INFO, room, __VA_ARGS__)
#define log_debug(room, ...)                                                                       \
    do {                                                                                           \
        if (log_is_taken(LOG_LEVEL_DEBUG))                                                         \
            log_write(LOG_LEVEL_DEBUG, room, __VA_ARGS__);                                         \
    } while (0)

#endif
