/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The coordinator's log files: lines handed over by any thread, written and rotated by one of
 * their own.
 *
 * Logs stand beside the program, often on the share. So nobody who logs ever waits for a disk:
 * lines go into a queue, and what a hung share can't take is dropped and counted once it takes
 * lines again. A file or folder that can't be written is one warning, and the run goes on.
 * Another process may write to the same files and rotate them: a line is one write(2) to a file
 * opened for appending, and a file that is no longer under its name is opened anew.
 */
#ifndef ONYX_COORDINATOR_LOG_FILES_H
#define ONYX_COORDINATOR_LOG_FILES_H

#include "common/base/log.h"
#include "common/base/mem.h"

#include <stddef.h>
#include <stdint.h>

struct clock;
struct logging_config;
struct text_list;

#define LOG_FILES_QUEUE_MAX ((size_t)4 << 20) /* bytes that wait */
#define LOG_FILES_CLOSE_MS 5000               /* how long the end of a run waits for the disk */

struct log_files;

/* The handlers of kind LOGGING_FILE; a missing last folder of their paths is made. The clock is
 * borrowed for as long as lines are taken. Warnings go to the log. */
struct log_files *log_files_open(const struct logging_config *config, const struct clock *clock);

/*
 * Write what waits and close; a disk that takes none of it for LOG_FILES_CLOSE_MS is given up.
 * Nothing may log into it any more. Sets *files to NULL.
 *
 * log_files_end adds the folders that could not be written: a warning told of each.
 */
void log_files_close(struct log_files **files);
void log_files_end(struct log_files **files, struct text_list *folders);
#define CLEAN_LOG_FILES CLEANUP(log_files_close)

/* A log_sink_fn: context is the struct log_files. Never waits. */
void log_files_take(void *context, enum log_level level, const char *room, const char *text);

/* The most talkative level that any of the files takes. */
enum log_level log_files_level(const struct log_files *files);

#endif
