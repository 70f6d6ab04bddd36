/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Line by line as RawConfigParser._read goes, with its oddities where files may rely on them: an
 * indented comment continues a value, only the first ";" of a value is looked at, and a ";" that
 * is the value's first character ends it if the line has white space at its end.
 */
#include "common/base/ini.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#include "common/base/poison.h"

struct ini_entry {
    const char *section; /* borrowed from ini_reader.sections */
    char *key;
    struct str value;
    unsigned line;
};

struct ini_reader {
    const char *name;
    char **sections;
    size_t n_sections, cap_sections;
    struct ini_entry *entries;
    size_t n, cap;
    const char *section; /* NULL before the first header */
    size_t current;      /* the entry that a continuation line goes to, or SIZE_MAX */
};

#define NO_ENTRY ((size_t)-1)

static void reader_done(struct ini_reader *reader)
{
    for (size_t i = 0; i < reader->n; i++) {
        mem_free_char(&reader->entries[i].key);
        str_done(&reader->entries[i].value);
    }
    for (size_t i = 0; i < reader->n_sections; i++)
        mem_free_char(&reader->sections[i]);
    mem_free_void(&reader->entries);
    mem_free_void(&reader->sections);
}

/* Python's isspace for bytes, whatever the locale. */
static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

struct span {
    const char *at;
    size_t n;
};

static struct span span_trim(struct span s)
{
    while (s.n && is_space(s.at[s.n - 1]))
        s.n--;
    while (s.n && is_space(s.at[0])) {
        s.at++;
        s.n--;
    }
    return s;
}

/* "rem" as the first word in the first column, any case. */
static bool is_rem(struct span line)
{
    return line.n >= 3 && lower(line.at[0]) == 'r' && lower(line.at[1]) == 'e' &&
           lower(line.at[2]) == 'm' && (line.n == 3 || is_space(line.at[3]));
}

static int use_section(struct ini_reader *reader, struct span name, unsigned line,
                       struct error *err)
{
    reader->current = NO_ENTRY;
    for (size_t i = 0; i < reader->n_sections; i++)
        if (strlen(reader->sections[i]) == name.n &&
            memcmp(reader->sections[i], name.at, name.n) == 0) {
            reader->section = reader->sections[i];
            return 0;
        }
    if (reader->n_sections == INI_KEYS_MAX)
        return error_set(err, ERROR_SETTINGS, "%s line %u: more than %d sections", reader->name,
                         line, INI_KEYS_MAX);
    reader->sections = mem_grow(reader->sections, &reader->cap_sections, reader->n_sections + 1,
                                sizeof *reader->sections);
    reader->sections[reader->n_sections] = mem_dup_n(name.at, name.n);
    reader->section = reader->sections[reader->n_sections++];
    return 0;
}

/* The value of "key = value ; comment". */
static struct span value_trim(struct span value)
{
    const char *semicolon = value.n ? memchr(value.at, ';', value.n) : NULL;

    if (semicolon) {
        /* Python's optval[pos - 1] is the last character when pos is 0. */
        size_t pos = (size_t)(semicolon - value.at);
        if (is_space(value.at[pos ? pos - 1 : value.n - 1]))
            value.n = pos;
    }
    value = span_trim(value);
    if (value.n == 2 && memcmp(value.at, "\"\"", 2) == 0)
        value.n = 0;
    return value;
}

static size_t entry_find(const struct ini_reader *reader, const char *key)
{
    for (size_t i = 0; i < reader->n; i++)
        if (reader->entries[i].section == reader->section && str_equal(reader->entries[i].key, key))
            return i;
    return NO_ENTRY;
}

static int set_option(struct ini_reader *reader, struct span key, struct span value, unsigned line,
                      struct error *err)
{
    CLEAN_CHAR char *name = mem_dup_n(key.at, key.n);

    for (char *c = name; *c; c++)
        *c = lower(*c);
    size_t i = entry_find(reader, name);
    if (i == NO_ENTRY) {
        if (reader->n == INI_KEYS_MAX)
            return error_set(err, ERROR_SETTINGS, "%s line %u: more than %d keys", reader->name,
                             line, INI_KEYS_MAX);
        i = reader->n;
        reader->entries =
            mem_grow(reader->entries, &reader->cap, reader->n + 1, sizeof *reader->entries);
        reader->entries[reader->n++] =
            (struct ini_entry){.section = reader->section, .key = name, .value = STR_INIT};
        name = NULL;
    }
    str_clear(&reader->entries[i].value);
    str_add_n(&reader->entries[i].value, value.at, value.n);
    reader->entries[i].line = line;
    reader->current = i;
    return 0;
}

/* "[name]" with anything behind it: 1 it is one, 0 it is not. */
static int find_header(struct span line, struct span *ret_name)
{
    const char *end = line.n && line.at[0] == '[' ? memchr(line.at, ']', line.n) : NULL;

    if (!end || end == line.at + 1)
        return 0;
    *ret_name = (struct span){line.at + 1, (size_t)(end - line.at - 1)};
    return 1;
}

/* "key = value" or "key: value": 1 it is one, 0 it is not. */
static int find_option(struct span line, struct span *ret_key, struct span *ret_value)
{
    size_t n = 0;

    if (!line.n || is_space(line.at[0]))
        return 0;
    while (n < line.n && line.at[n] != '=' && line.at[n] != ':')
        n++;
    if (n == 0 || n == line.n)
        return 0;
    *ret_key = span_trim((struct span){line.at, n});
    n++;
    while (n < line.n && is_space(line.at[n]))
        n++;
    *ret_value = value_trim((struct span){line.at + n, line.n - n});
    return 1;
}

static int read_line(struct ini_reader *reader, struct span line, unsigned number,
                     struct error *err)
{
    struct span trimmed = span_trim(line);
    struct span key, value;

    if (!trimmed.n || line.at[0] == '#' || line.at[0] == ';' || is_rem(line))
        return 0;
    if (is_space(line.at[0]) && reader->current != NO_ENTRY) {
        struct str *whole = &reader->entries[reader->current].value;
        str_add_char(whole, '\n');
        str_add_n(whole, trimmed.at, trimmed.n);
        return 0;
    }
    if (find_header(line, &key))
        return use_section(reader, key, number, err);
    if (!reader->section)
        return error_set(err, ERROR_SETTINGS,
                         "%s line %u: a [section] must come before the first key", reader->name,
                         number);
    if (!find_option(line, &key, &value))
        return error_set(err, ERROR_SETTINGS,
                         "%s line %u: '%.*s' is neither [section] nor key = value", reader->name,
                         number, (int)(trimmed.n < 60 ? trimmed.n : 60), trimmed.at);
    return set_option(reader, key, value, number, err);
}

static int read_lines(struct ini_reader *reader, const char *text, size_t n, struct error *err)
{
    static const char bom[] = "\xef\xbb\xbf"; /* what Windows editors put in front */
    size_t at = n >= 3 && memcmp(text, bom, 3) == 0 ? 3 : 0;

    for (unsigned number = 1; at < n; number++) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t length = end ? (size_t)(end - text) - at : n - at;
        if (read_line(reader, (struct span){text + at, length}, number, err))
            return -1;
        at += length + 1;
    }
    return 0;
}

int ini_read(const char *name, const char *text, size_t n, ini_entry_fn *entry, void *context,
             struct error *err)
{
    CLEANUP(reader_done) struct ini_reader reader = {.name = name, .current = NO_ENTRY};

    if (n > INI_MAX)
        return error_set(err, ERROR_SETTINGS, "%s: larger than %u bytes", name, INI_MAX);
    if (n && memchr(text, '\0', n))
        return error_set(err, ERROR_SETTINGS, "%s: holds a NUL byte, so it is no text", name);
    if (read_lines(&reader, text, n, err))
        return -1;
    for (size_t i = 0; i < reader.n; i++) {
        const struct ini_entry *e = &reader.entries[i];
        if (entry(context, e->section, e->key, str_text(&e->value), e->line, err))
            return -1;
    }
    return 0;
}

int ini_read_file(const char *path, ini_entry_fn *entry, void *context, int *ret_found,
                  struct error *err)
{
    CLEAN_STR struct str text = STR_INIT;
    struct error why = ERROR_INIT;

    *ret_found = 0;
    if (fd_read_file(path, INI_MAX, &text, &why)) {
        if (why.code == ERROR_NOT_FOUND)
            return 0;
        return error_set(err, ERROR_SETTINGS, "%s", why.text);
    }
    *ret_found = 1;
    return ini_read(path, str_text(&text), text.len, entry, context, err);
}
