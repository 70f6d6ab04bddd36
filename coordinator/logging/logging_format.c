/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Python's "%(levelname)-8s" formats. Each field is made a text first and padded then, so that a
 * wrong conversion in a file can't do more than look odd.
 */
#include "coordinator/logging/logging_format.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "coordinator/logging/logging_config.h"

#include "common/base/poison.h"

#define WIDTH_MAX 100u
#define NAME_MAX_BYTES 32u
#define TIME_MAX 256u

struct line {
    int64_t wall_ms;
    enum log_level level;
    const char *room;
    const char *text;
    const char *datefmt;
};

/* One "%(name)-8s". */
struct field {
    char name[NAME_MAX_BYTES];
    bool is_left, is_zero;
    size_t width;
    char conversion;
};

const char *logging_level_name(enum log_level level)
{
    static const char *const names[] = {"ERROR", "WARNING", "INFO", "DEBUG"};
    return names[(size_t)level < 4 ? (size_t)level : 3];
}

/* The field at text (behind the "%"); gives the bytes it takes, 0 if it is none. */
static size_t read_field(const char *text, struct field *ret_field)
{
    struct field field = {.name = ""};
    const char *end = *text == '(' ? strchr(text, ')') : NULL;
    if (!end || (size_t)(end - text - 1) >= sizeof field.name)
        return 0;
    memcpy(field.name, text + 1, (size_t)(end - text - 1));
    const char *at = end + 1;
    for (; *at && strchr("-0 +#", *at); at++) {
        field.is_left |= *at == '-';
        field.is_zero |= *at == '0';
    }
    for (; isdigit((unsigned char)*at); at++)
        field.width = field.width * 10 + (size_t)(*at - '0') > WIDTH_MAX
                          ? WIDTH_MAX
                          : field.width * 10 + (size_t)(*at - '0');
    if (*at == '.')
        for (at++; isdigit((unsigned char)*at);)
            at++;
    if (!*at || !strchr("sdifrxX", *at))
        return 0;
    field.conversion = *at;
    *ret_field = field;
    return (size_t)(at + 1 - text);
}

static void add_time(const struct line *line, struct str *out)
{
    char text[TIME_MAX];
    if (!line->datefmt) {
        str_add_format(out, "%s,%03d", clock_format_local(line->wall_ms, text),
                       (int)(line->wall_ms % 1000));
        return;
    }
    time_t seconds = (time_t)(line->wall_ms / 1000);
    struct tm tm;
    localtime_r(&seconds, &tm);
    /* The format is the user's; strftime stays within the buffer whatever it says. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t n = strftime(text, sizeof text, line->datefmt, &tm);
#pragma GCC diagnostic pop
    str_add_n(out, text, n);
}

/* false: there is no such field. line may be NULL: the name alone is looked at. */
static bool add_value(const char *name, const struct line *line, struct str *out)
{
    static const char *const unknown_texts[] = {"funcName", "threadName", "processName",
                                                "taskName", "exc_info", "stack_info"};
    static const char *const rooms[] = {"module", "name", "filename", "pathname"};
    for (size_t i = 0; i < sizeof unknown_texts / sizeof *unknown_texts; i++)
        if (str_equal(name, unknown_texts[i])) {
            str_add(out, "-");
            return true;
        }
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        if (str_equal(name, rooms[i])) {
            str_add(out, line ? line->room : "");
            return true;
        }
    if (str_equal(name, "message"))
        str_add(out, line ? line->text : "");
    else if (str_equal(name, "levelname"))
        str_add(out, line ? logging_level_name(line->level) : "");
    else if (str_equal(name, "levelno"))
        str_add_format(out, "%d", line ? 40 - 10 * (int)line->level : 0);
    else if (str_equal(name, "process"))
        str_add_format(out, "%ld", (long)getpid());
    else if (str_equal(name, "lineno") || str_equal(name, "thread") ||
             str_equal(name, "relativeCreated"))
        str_add(out, "0");
    else if (str_equal(name, "msecs"))
        str_add_format(out, "%d", line ? (int)(line->wall_ms % 1000) : 0);
    else if (str_equal(name, "created"))
        str_add_format(out, "%" PRId64 ".%03d", line ? line->wall_ms / 1000 : 0,
                       line ? (int)(line->wall_ms % 1000) : 0);
    else if (!str_equal(name, "asctime"))
        return false;
    else if (line)
        add_time(line, out);
    return true;
}

static void add_padded(const struct field *field, const char *value, struct str *out)
{
    size_t columns = str_columns(value);
    size_t pad = columns < field->width ? field->width - columns : 0;
    char fill = field->is_zero && field->conversion != 's' && !field->is_left ? '0' : ' ';
    for (size_t i = 0; i < pad && !field->is_left; i++)
        str_add_char(out, fill);
    str_add(out, value);
    for (size_t i = 0; i < pad && field->is_left; i++)
        str_add_char(out, ' ');
}

bool logging_format_check(const char *format, struct str *ret_unknown)
{
    for (const char *at = format; *at; at++) {
        struct field field;
        CLEAN_STR struct str value = STR_INIT;
        if (*at != '%')
            continue;
        size_t n = at[1] == '%' ? 1 : read_field(at + 1, &field);
        if (n == 0)
            return false;
        if (at[1] != '%' && !add_value(field.name, NULL, &value))
            str_add_format(ret_unknown, "%s%s", ret_unknown->len ? ", " : "", field.name);
        at += n;
    }
    return true;
}

void logging_format_line(const struct logging_handler *handler, int64_t wall_ms,
                         enum log_level level, const char *room, const char *text,
                         struct str *out)
{
    const struct line line = {wall_ms, level, room, text, handler->datefmt};
    for (const char *at = handler->format; *at; at++) {
        struct field field;
        size_t n = *at == '%' && at[1] != '%' ? read_field(at + 1, &field) : 0;
        if (n == 0) {
            str_add_char(out, *at);
            at += *at == '%' && at[1] == '%';
            continue;
        }
        CLEAN_STR struct str value = STR_INIT;
        if (!add_value(field.name, &line, &value))
            str_add(&value, "-");
        add_padded(&field, str_text(&value), out);
        at += n;
    }
    str_add_char(out, '\n');
}
