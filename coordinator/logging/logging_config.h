/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is logged where: the file etc/logging.json, or $LOG_CFG, that users of OnyxBackupVM bring.
 *
 * It is written for Python's logging.config.dictConfig. Read of it are: formatters (format,
 * datefmt), handlers (StreamHandler, FileHandler, WatchedFileHandler, RotatingFileHandler,
 * NullHandler: class, level, formatter, filename, mode, maxBytes, backupCount), the loggers
 * "onyxpool" and "onyxbackup" and the root (level, handlers, propagate). Everything else is named
 * in a warning and left out. Where we have no such fact, a field of a format shows "-" or 0.
 * Source: Python 3.11 logging.config, logging.Formatter, logging.handlers.RotatingFileHandler.
 */
#ifndef ONYX_COORDINATOR_LOGGING_CONFIG_H
#define ONYX_COORDINATOR_LOGGING_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text_list.h"

struct error;
struct str;

#define LOGGING_FILE_MAX ((size_t)1 << 20)
#define LOGGING_HANDLERS_MAX 32
#define LOGGING_BACKUPS_MAX 1000
#define LOGGING_ROTATE_BYTES ((uint64_t)10 << 20) /* of the default */
#define LOGGING_ROTATE_N 20

enum logging_kind {
    LOGGING_CONSOLE, /* whatever stream it names: stdout is the report's */
    LOGGING_FILE
};

struct logging_handler {
    enum logging_kind kind;
    enum log_level level; /* the strictest of its own and its logger's */
    char *format;
    char *datefmt;        /* NULL: 2026-11-22 20:27:34,123 */
    char *path;           /* file: absolute, or as relative to the install dir */
    bool is_new;          /* file: emptied when opened (mode "w") */
    uint64_t max_bytes;   /* 0: never rotated */
    unsigned backups_n;   /* path.1 ... path.N */
};

struct logging_config {
    struct logging_handler *handlers; /* those that get lines */
    size_t n, cap;
    struct text_list warnings;
};

void logging_config_done(struct logging_config *config);
#define CLEAN_LOGGING_CONFIG CLEANUP(logging_config_done)

/* Console at info; <install dir>/logs/onyxbackup.log from warnings up, debug.log with everything,
 * both rotated at 10 MiB, 20 kept. */
void logging_config_default(const char *install_dir, struct logging_config *ret_config);

/* Read the text of a file; name stands in warnings. ERROR_SETTINGS when it is no JSON, no
 * dictConfig of version 1. */
int logging_config_parse(const char *text, size_t n, const char *name, const char *install_dir,
                         struct logging_config *ret_config, struct error *err);

/*
 * The file that log_cfg ($LOG_CFG, may be NULL) names, else <install dir>/etc/logging.json, else
 * the default. A file that can't be used is a warning, and the default.
 */
void logging_config_read(const char *install_dir, const char *log_cfg,
                         struct logging_config *ret_config);

#endif
