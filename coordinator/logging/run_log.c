/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The mail goes before the report file is written: the share may be what broke the run.
 */
#include "coordinator/logging/run_log.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "coordinator/logging/log_files.h"
#include "coordinator/logging/logging_config.h"
#include "coordinator/policy/report.h"
#include "coordinator/mail/run_mail.h"
#include "coordinator/settings.h"

#include "common/base/poison.h"

#define REPORT_MODE 0640
#define FOLDER_MODE 0755

struct run_log {
    const struct settings *settings;
    struct log_files *files;
    enum log_level report_level;
    pthread_mutex_t lock; /* of what follows */
    struct str lines;     /* for the report */
    size_t left_out_n;
    int64_t began_at;
};

static void keep_line(struct run_log *log, enum log_level level, const char *room,
                      const char *text)
{
    char now[CLOCK_ISO_MAX];
    clock_format_local(clock_wall_ms(clock_system()), now);
    pthread_mutex_lock(&log->lock);
    if (log->lines.len > RUN_LOG_LINES_MAX)
        log->left_out_n++;
    else
        str_add_format(&log->lines, "%s %-5s %s: %s\n", now, log_level_name(level), room, text);
    pthread_mutex_unlock(&log->lock);
}

/* What was kept so far. Caller frees. */
static char *copy_lines(struct run_log *log)
{
    pthread_mutex_lock(&log->lock);
    char *copy = mem_dup(str_text(&log->lines));
    pthread_mutex_unlock(&log->lock);
    return copy;
}

static void take(void *context, enum log_level level, const char *room, const char *text)
{
    struct run_log *log = context;
    if (level <= log->report_level)
        keep_line(log, level, room, text);
    log_files_take(log->files, level, room, text);
}

/* The report file is ours alone: a handler that names it gives way. */
static void drop_handlers_of(const char *path, struct logging_config *config)
{
    size_t kept = 0;
    for (size_t i = 0; i < config->n; i++) {
        struct logging_handler *handler = &config->handlers[i];
        if (!str_equal(handler->path, path)) {
            config->handlers[kept++] = *handler;
            continue;
        }
        mem_free_char(&handler->format);
        mem_free_char(&handler->datefmt);
        mem_free_char(&handler->path);
    }
    config->n = kept;
}

/* -l holds for the console; without it, what the file says; no console there: errors alone. */
static void set_console(const struct settings *settings, const struct logging_config *config)
{
    enum log_level level = LOG_LEVEL_ERROR;
    if (settings->has_log_level)
        return;
    for (size_t i = 0; i < config->n; i++)
        if (config->handlers[i].kind == LOGGING_CONSOLE && config->handlers[i].level > level)
            level = config->handlers[i].level;
    log_set_level(level);
}

struct run_log *run_log_begin(const struct settings *settings, const char *log_cfg)
{
    CLEAN_LOGGING_CONFIG struct logging_config config = {0};
    struct run_log *log = mem_zero(1, sizeof *log);
    log->settings = settings;
    pthread_mutex_init(&log->lock, NULL);
    log->began_at = clock_wall_ms(clock_system());
    log->report_level = settings->has_log_level ? settings->log_level : LOG_LEVEL_INFO;
    logging_config_read(settings->install_dir, log_cfg, &config);
    drop_handlers_of(settings->smtp_file, &config);
    set_console(settings, &config);
    log->files = log_files_open(&config, clock_system());
    enum log_level level = log_files_level(log->files);
    log_set_tee(take, log, level > log->report_level ? level : log->report_level);
    for (size_t i = 0; i < config.warnings.n; i++)
        log_warn("logging", "%s", config.warnings.items[i]);
    for (size_t i = 0; i < settings->options.warnings.n; i++)
        log_write_tee(LOG_LEVEL_WARN, "settings", "%s", settings->options.warnings.items[i]);
    return log;
}

static void fill_report(const struct run_log *log, struct report *report, const struct error *err)
{
    bool has_error = err && error_is_set(err);
    if (!report->run[0]) {
        report->started_at = log->began_at;
        report->finished_at = clock_wall_ms(clock_system());
        mem_set(&report->state, "could not begin");
        mem_set(&report->store_root, log->settings->backup_dir);
    }
    if (!report->state)
        report->state = mem_dup("of unknown end"); /* the catalog could not be read */
    if (!has_error)
        return;
    if (!report->error)
        report->error = mem_dup(err->text);
    if (report->exit_status == 0)
        report->exit_status = error_exit_status(err->code);
}

static void write_report(const struct run_log *log, const struct report *report,
                         const struct text_list *bad_folders)
{
    const char *path = log->settings->smtp_file;
    const char *slash = strrchr(path, '/');
    CLEAN_CHAR char *folder = mem_dup_n(path, (size_t)(slash - path));
    CLEAN_STR struct str text = STR_INIT;
    struct error err = ERROR_INIT;
    if (text_list_has(bad_folders, folder))
        return; /* a warning told of it */
    run_mail_format_text(report, &text);
    if (log->lines.len)
        str_add_format(&text, "\nLog\n%s", str_text(&log->lines));
    if (log->left_out_n)
        str_add_format(&text, "and %zu lines more\n", log->left_out_n);
    (void)mkdir(folder, FOLDER_MODE); /* the write behind it tells what is wrong */
    if (fd_replace_file(path, REPORT_MODE, str_text(&text), text.len, &err) < 0)
        log_warn("log", "the report file: %s", err.text);
}

void run_log_close(struct run_log **log)
{
    int kept = errno;
    if (!*log)
        return;
    log_set_tee(NULL, NULL, LOG_LEVEL_ERROR);
    log_files_close(&(*log)->files);
    str_done(&(*log)->lines);
    pthread_mutex_destroy(&(*log)->lock);
    free(*log);
    *log = NULL;
    errno = kept;
}

void run_log_end(struct run_log **log, struct report *report, const struct error *err)
{
    CLEAN_TEXT_LIST struct text_list bad_folders = TEXT_LIST_INIT;
    struct run_log *own = *log;
    if (err && error_is_set(err))
        log_write_tee(LOG_LEVEL_ERROR, "run", "%s", err->text);
    fill_report(own, report, err);
    CLEAN_CHAR char *lines = copy_lines(own);
    run_mail_send(own->settings, report, lines);
    log_set_tee(NULL, NULL, LOG_LEVEL_ERROR);
    log_files_end(&own->files, &bad_folders);
    write_report(own, report, &bad_folders);
    run_log_close(log);
}
