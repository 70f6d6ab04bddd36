/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file is walked from our logger to its handlers to their formatters; a handler that no logger
 * of ours names is never made, as its file would stay empty.
 */
#include "coordinator/logging/logging_config.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "coordinator/logging/logging_format.h"

#include "common/base/poison.h"

#define SIMPLE "%(message)s"
#define DETAILED "%(asctime)s - %(levelname)s: %(message)s [ %(module)s ]"
#define DATE "%m/%d/%Y %I:%M:%S %p"
#define LEVEL_NOTSET 0

static const char *const top_keys[] = {"version",  "disable_existing_loggers", "incremental",
                                       "handlers", "formatters",               "filters",
                                       "loggers",  "root",                     NULL};
static const char *const handler_keys[] = {"class",    "level",       "formatter", "stream",
                                           "filename", "mode",        "maxBytes",  "backupCount",
                                           "encoding", "delay",       NULL};
static const char *const formatter_keys[] = {"format", "datefmt", "class", NULL};
static const char *const logger_keys[] = {"level", "handlers", "propagate", NULL};

/* What is being read. */
struct reader {
    const char *name; /* of the file */
    const char *install_dir;
    json_t *root;
    struct logging_config config;
};

static void reader_done(struct reader *reader)
{
    json_decref(reader->root);
    logging_config_done(&reader->config);
}

void logging_config_done(struct logging_config *config)
{
    for (size_t i = 0; i < config->n; i++) {
        mem_free_char(&config->handlers[i].format);
        mem_free_char(&config->handlers[i].datefmt);
        mem_free_char(&config->handlers[i].path);
    }
    mem_free_void(&config->handlers);
    text_list_done(&config->warnings);
    *config = (struct logging_config){0};
}

static struct logging_handler *add_handler(struct logging_config *config,
                                           enum logging_kind kind, enum log_level level)
{
    config->handlers = mem_grow(config->handlers, &config->cap, config->n + 1,
                                sizeof *config->handlers);
    struct logging_handler *handler = &config->handlers[config->n++];
    *handler = (struct logging_handler){.kind = kind, .level = level};
    return handler;
}

static void add_default_file(const char *install_dir, const char *name, enum log_level level,
                             struct logging_config *config)
{
    struct logging_handler *handler = add_handler(config, LOGGING_FILE, level);
    handler->format = mem_dup(DETAILED);
    handler->datefmt = mem_dup(DATE);
    handler->path = str_format("%s/logs/%s", install_dir, name);
    handler->max_bytes = LOGGING_ROTATE_BYTES;
    handler->backups_n = LOGGING_ROTATE_N;
}

void logging_config_default(const char *install_dir, struct logging_config *ret_config)
{
    struct logging_config config = {0};
    add_handler(&config, LOGGING_CONSOLE, LOG_LEVEL_INFO)->format = mem_dup(SIMPLE);
    add_default_file(install_dir, "onyxbackup.log", LOG_LEVEL_WARN, &config);
    add_default_file(install_dir, "debug.log", LOG_LEVEL_DEBUG, &config);
    *ret_config = config;
}

/* ---- small values ---- */

static void warn_unknown_keys(struct reader *reader, const char *what, json_t *object,
                              const char *const *known)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        size_t i = 0;
        while (known[i] && !str_equal(known[i], key))
            i++;
        if (!known[i])
            text_list_add_format(&reader->config.warnings,
                                 "%s: %s: \"%s\" is not known here and left out", reader->name,
                                 what, key);
    }
}

/* Python's number of a level; LEVEL_NOTSET where none is given. */
static int read_level(struct reader *reader, const char *what, const json_t *object)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {{"NOTSET", 0}, {"DEBUG", 10}, {"INFO", 20},     {"WARN", 30},
                 {"WARNING", 30}, {"ERROR", 40}, {"CRITICAL", 50}, {"FATAL", 50}};
    const json_t *value = json_object_get(object, "level");
    if (!value)
        return LEVEL_NOTSET;
    if (json_is_integer(value)) {
        json_int_t number = json_integer_value(value);
        return number < 0 ? 0 : number > 50 ? 50 : (int)number;
    }
    const char *text = json_string_value(value);
    for (size_t i = 0; text && i < sizeof names / sizeof *names; i++)
        if (strcasecmp(text, names[i].name) == 0)
            return names[i].number;
    text_list_add_format(&reader->config.warnings,
                         "%s: %s: the level %s%s%s is not known; INFO holds", reader->name, what,
                         text ? "\"" : "", text ? text : "given", text ? "\"" : "");
    return 20;
}

/* What passes a level of that number. Nothing is above our errors: they always pass. */
static enum log_level level_from_number(int number)
{
    return number <= 10   ? LOG_LEVEL_DEBUG
           : number <= 20 ? LOG_LEVEL_INFO
           : number <= 30 ? LOG_LEVEL_WARN
                          : LOG_LEVEL_ERROR;
}

static uint64_t read_size(struct reader *reader, const char *what, const json_t *object,
                          const char *key, uint64_t max)
{
    const json_t *value = json_object_get(object, key);
    if (!value)
        return 0;
    json_int_t number = json_integer_value(value);
    if (json_is_integer(value) && number >= 0 && (uint64_t)number <= max)
        return (uint64_t)number;
    text_list_add_format(&reader->config.warnings,
                         "%s: %s: %s is no number from 0 to %llu; 0 holds", reader->name, what,
                         key, (unsigned long long)max);
    return 0;
}

/* A text member, NULL when it is absent or no text. Borrowed. */
static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* ---- formatters ---- */

static void fill_format(struct reader *reader, const char *what, const json_t *handler_json,
                        struct logging_handler *handler)
{
    const char *name = text_of(handler_json, "formatter");
    handler->format = mem_dup(SIMPLE);
    if (!name)
        return;
    json_t *formatter = json_object_get(json_object_get(reader->root, "formatters"), name);
    CLEAN_CHAR char *whose = str_format("formatter \"%s\"", name);
    if (!json_is_object(formatter)) {
        text_list_add_format(&reader->config.warnings, "%s: %s: there is no %s", reader->name,
                             what, whose);
        return;
    }
    warn_unknown_keys(reader, whose, formatter, formatter_keys);
    CLEAN_STR struct str unknown = STR_INIT;
    const char *format = text_of(formatter, "format");
    if (format && !logging_format_check(format, &unknown)) {
        text_list_add_format(&reader->config.warnings,
                             "%s: %s: the format can't be used: \"%s\"; the message alone is "
                             "written", reader->name, whose, format);
        return;
    }
    if (unknown.len)
        text_list_add_format(&reader->config.warnings,
                             "%s: %s: %s is not known here and shown as \"-\"", reader->name,
                             whose, str_text(&unknown));
    if (format)
        mem_set(&handler->format, format);
    mem_set(&handler->datefmt, text_of(formatter, "datefmt"));
}

/* ---- handlers ---- */

enum handler_class { CLASS_UNKNOWN, CLASS_NULL, CLASS_STREAM, CLASS_FILE, CLASS_ROTATING };

static enum handler_class class_of(const char *name)
{
    static const struct {
        const char *name;
        enum handler_class value;
    } classes[] = {{"logging.StreamHandler", CLASS_STREAM},
                   {"logging.FileHandler", CLASS_FILE},
                   {"logging.NullHandler", CLASS_NULL},
                   {"logging.handlers.WatchedFileHandler", CLASS_FILE},
                   {"logging.handlers.RotatingFileHandler", CLASS_ROTATING}};
    for (size_t i = 0; name && i < sizeof classes / sizeof *classes; i++)
        if (str_equal(name, classes[i].name))
            return classes[i].value;
    return CLASS_UNKNOWN;
}

static void fill_file(struct reader *reader, const char *what, const json_t *json,
                      enum handler_class kind, struct logging_handler *handler)
{
    const char *path = text_of(json, "filename");
    const char *mode = text_of(json, "mode");
    handler->path = path[0] == '/' ? mem_dup(path)
                                   : str_format("%s/%s", reader->install_dir, path);
    if (kind == CLASS_ROTATING) {
        handler->max_bytes = read_size(reader, what, json, "maxBytes", INT64_MAX);
        handler->backups_n = (unsigned)read_size(reader, what, json, "backupCount",
                                                 LOGGING_BACKUPS_MAX);
    }
    /* As in Python: a file that is rotated is never emptied. */
    handler->is_new = mode && mode[0] == 'w' && handler->max_bytes == 0;
    const char *encoding = text_of(json, "encoding");
    if (encoding && strcasecmp(encoding, "utf8") != 0 && strcasecmp(encoding, "utf-8") != 0)
        text_list_add_format(&reader->config.warnings,
                             "%s: %s: the encoding %s is not known; UTF-8 is written",
                             reader->name, what, encoding);
}

/* Two handlers of one file would rotate it under each other. */
static bool is_file_taken(const struct logging_config *config, const char *path)
{
    for (size_t i = 0; i + 1 < config->n; i++)
        if (str_equal(config->handlers[i].path, path))
            return true;
    return false;
}

static void drop_last(struct logging_config *config)
{
    struct logging_handler *last = &config->handlers[--config->n];
    mem_free_char(&last->format);
    mem_free_char(&last->datefmt);
    mem_free_char(&last->path);
}

static void read_handler(struct reader *reader, const char *name, int logger_level)
{
    struct text_list *warnings = &reader->config.warnings;
    json_t *json = json_object_get(json_object_get(reader->root, "handlers"), name);
    CLEAN_CHAR char *what = str_format("handler \"%s\"", name);
    if (!json_is_object(json)) {
        text_list_add_format(warnings, "%s: there is no %s", reader->name, what);
        return;
    }
    if (reader->config.n == LOGGING_HANDLERS_MAX) {
        text_list_add_format(warnings, "%s: %s is one more than %d and left out", reader->name,
                             what, LOGGING_HANDLERS_MAX);
        return;
    }
    const char *class_name = text_of(json, "class");
    enum handler_class kind = class_of(class_name);
    if (kind == CLASS_UNKNOWN)
        text_list_add_format(warnings, "%s: %s: its class %s is not known here; it is left out",
                             reader->name, what, class_name ? class_name : "(none)");
    if (kind == CLASS_UNKNOWN || kind == CLASS_NULL)
        return;
    if (kind != CLASS_STREAM && !text_of(json, "filename")) {
        text_list_add_format(warnings, "%s: %s has no filename and is left out", reader->name,
                             what);
        return;
    }
    warn_unknown_keys(reader, what, json, handler_keys);
    int level = read_level(reader, what, json);
    struct logging_handler *handler =
        add_handler(&reader->config, kind == CLASS_STREAM ? LOGGING_CONSOLE : LOGGING_FILE,
                    level_from_number(level > logger_level ? level : logger_level));
    fill_format(reader, what, json, handler);
    if (kind != CLASS_STREAM)
        fill_file(reader, what, json, kind, handler);
    if (kind != CLASS_STREAM && is_file_taken(&reader->config, handler->path)) {
        text_list_add_format(warnings, "%s: %s writes to the file of another one; it is left out",
                             reader->name, what);
        drop_last(&reader->config);
    }
}

/* ---- loggers ---- */

static void read_logger(struct reader *reader, const char *what, const json_t *logger, int level,
                        struct text_list *seen)
{
    const json_t *names = json_object_get(logger, "handlers");
    if (names && !json_is_array(names))
        text_list_add_format(&reader->config.warnings, "%s: %s: handlers is no list",
                             reader->name, what);
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (!name || text_list_has(seen, name))
            continue;
        text_list_add(seen, name);
        read_handler(reader, name, level);
    }
}

static bool is_on(const json_t *value, bool otherwise)
{
    if (json_is_boolean(value))
        return json_is_true(value);
    return json_is_integer(value) ? json_integer_value(value) != 0 : otherwise;
}

static void read_loggers(struct reader *reader)
{
    CLEAN_TEXT_LIST struct text_list seen = TEXT_LIST_INIT;
    json_t *loggers = json_object_get(reader->root, "loggers");
    json_t *root = json_object_get(reader->root, "root");
    const char *name = json_object_get(loggers, "onyxpool") ? "onyxpool" : "onyxbackup";
    json_t *ours = json_object_get(loggers, name);
    const char *key;
    json_t *value;
    json_object_foreach(loggers, key, value) {
        if (!str_equal(key, "onyxpool") && !str_equal(key, "onyxbackup"))
            text_list_add_format(&reader->config.warnings,
                                 "%s: the logger \"%s\" is none of ours and left out",
                                 reader->name, key);
    }
    int level = root ? read_level(reader, "root", root) : 30;
    if (ours) {
        CLEAN_CHAR char *what = str_format("logger \"%s\"", name);
        warn_unknown_keys(reader, what, ours, logger_keys);
        int own = read_level(reader, what, ours);
        level = own == LEVEL_NOTSET ? level : own;
        read_logger(reader, what, ours, level, &seen);
    }
    if (root)
        warn_unknown_keys(reader, "root", root, logger_keys);
    /* A line that the logger took goes on to the root's handlers, whatever the root's level. */
    if (root && (!ours || is_on(json_object_get(ours, "propagate"), true)))
        read_logger(reader, "root", root, level, &seen);
}

int logging_config_parse(const char *text, size_t n, const char *name, const char *install_dir,
                         struct logging_config *ret_config, struct error *err)
{
    CLEANUP(reader_done) struct reader reader = {.name = name, .install_dir = install_dir};
    json_error_t bad;
    reader.root = json_loadb(text, n, 0, &bad);
    if (!reader.root)
        return error_set(err, ERROR_SETTINGS, "%s line %d: %s", name, bad.line, bad.text);
    const json_t *version = json_object_get(reader.root, "version");
    if (json_integer_value(version) != 1)
        return error_set(err, ERROR_SETTINGS, "%s: no \"version\": 1, as logging.dictConfig has it",
                         name);
    warn_unknown_keys(&reader, "the file", reader.root, top_keys);
    if (json_object_get(reader.root, "filters"))
        text_list_add_format(&reader.config.warnings, "%s: filters are not known here; left out",
                             name);
    if (is_on(json_object_get(reader.root, "incremental"), false))
        text_list_add_format(&reader.config.warnings,
                             "%s: incremental is not known here; the file is read as a whole",
                             name);
    read_loggers(&reader);
    *ret_config = reader.config;
    reader.config = (struct logging_config){0};
    return 0;
}

void logging_config_read(const char *install_dir, const char *log_cfg,
                         struct logging_config *ret_config)
{
    CLEAN_CHAR char *installed = str_format("%s/etc/logging.json", install_dir);
    bool is_named = log_cfg && *log_cfg;
    const char *path = is_named ? log_cfg : installed;
    CLEAN_STR struct str text = STR_INIT;
    struct error err = ERROR_INIT;
    if (fd_read_file(path, LOGGING_FILE_MAX, &text, &err) == 0 &&
        logging_config_parse(str_text(&text), text.len, path, install_dir, ret_config, &err) == 0)
        return;
    logging_config_default(install_dir, ret_config);
    if (err.code != ERROR_NOT_FOUND || is_named)
        text_list_add_format(&ret_config->warnings, "%s%s; the usual logging holds",
                             is_named ? "LOG_CFG: " : "", err.text);
}
