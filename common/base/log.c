/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A line goes out in one write(2), so that lines of several processes on one pipe or terminal do
 * not mix. A lock keeps a sink from being called twice at a time or changed under a caller.
 */
#include "common/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define LOG_TEXT_MAX 4096

static atomic_int log_level = LOG_LEVEL_INFO;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static log_sink_fn *log_sink;
static void *log_sink_context;
static atomic_int log_tee_level = -1; /* below every level: there is no tee */
static log_sink_fn *log_tee;
static void *log_tee_context;

void log_set_level(enum log_level level)
{
    atomic_store(&log_level, (int)level);
}

bool log_is_on(enum log_level level)
{
    return (int)level <= atomic_load(&log_level);
}

void log_set_sink(log_sink_fn *sink, void *context)
{
    pthread_mutex_lock(&log_lock);
    log_sink = sink;
    log_sink_context = context;
    pthread_mutex_unlock(&log_lock);
}

void log_set_tee(log_sink_fn *tee, void *context, enum log_level level)
{
    pthread_mutex_lock(&log_lock);
    log_tee = tee;
    log_tee_context = context;
    atomic_store(&log_tee_level, tee ? (int)level : -1);
    pthread_mutex_unlock(&log_lock);
}

static bool is_teed(enum log_level level)
{
    return (int)level <= atomic_load(&log_tee_level);
}

bool log_is_taken(enum log_level level)
{
    return log_is_on(level) || is_teed(level);
}

static const char *const level_names[] = {"error", "warn", "info", "debug"};

const char *log_level_name(enum log_level level)
{
    size_t i = (size_t)level;

    return i < sizeof level_names / sizeof *level_names ? level_names[i] : "unknown";
}

int log_level_from_name(const char *name, enum log_level *ret_level)
{
    static const struct {
        const char *name;
        enum log_level level;
    } others[] = {{"warning", LOG_LEVEL_WARN}, {"critical", LOG_LEVEL_ERROR}};

    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++)
        if (strcasecmp(name, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return 1;
        }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcasecmp(name, others[i].name) == 0) {
            *ret_level = others[i].level;
            return 1;
        }
    return 0;
}

/* text with control bytes shown: a name from the pool must not move the cursor of who reads. */
static void add_shown(struct str *line, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f)
            str_add_format(line, "\\x%02x", c);
        else
            str_add_char(line, *text);
    }
}

static void write_stderr(enum log_level level, const char *room, const char *text)
{
    CLEAN_STR struct str line = STR_INIT;
    char now[CLOCK_ISO_MAX];

    str_add_format(&line, "%s %-5s %s: %s\n",
                   clock_format_local(clock_wall_ms(clock_system()), now), log_level_name(level),
                   room, text);
    ssize_t n = write(STDERR_FILENO, line.data, line.len);
    (void)n; /* there is nobody to tell */
}

__attribute__((format(printf, 1, 0))) static void format_shown(const char *format, va_list args,
                                                                 struct str *out)
{
    char text[LOG_TEXT_MAX];
    int n = vsnprintf(text, sizeof text, format, args);
    if (n < 0)
        str_copy(text, sizeof text, format);
    if (n >= (int)sizeof text)
        text[str_utf8_cut(text, sizeof text - 1, sizeof text - 4)] = '\0';
    add_shown(out, text);
    if (n >= (int)sizeof text)
        str_add(out, "...");
}

/* Under the lock. */
static void give_tee(enum log_level level, const char *room, const char *text)
{
    if (log_tee && is_teed(level))
        log_tee(log_tee_context, level, room, text);
}

void log_write(enum log_level level, const char *room, const char *format, ...)
{
    CLEAN_STR struct str shown = STR_INIT;
    int saved = errno;
    va_list args;

    if (!log_is_taken(level))
        return;
    va_start(args, format);
    format_shown(format, args, &shown);
    va_end(args);
    pthread_mutex_lock(&log_lock);
    give_tee(level, room, str_text(&shown));
    if (log_is_on(level)) {
        if (log_sink)
            log_sink(log_sink_context, level, room, str_text(&shown));
        else
            write_stderr(level, room, str_text(&shown));
    }
    pthread_mutex_unlock(&log_lock);
    errno = saved;
}

void log_write_tee(enum log_level level, const char *room, const char *format, ...)
{
    CLEAN_STR struct str shown = STR_INIT;
    int saved = errno;
    va_list args;

    if (!is_teed(level))
        return;
    va_start(args, format);
    format_shown(format, args, &shown);
    va_end(args);
    pthread_mutex_lock(&log_lock);
    give_tee(level, room, str_text(&shown));
    pthread_mutex_unlock(&log_lock);
    errno = saved;
}
