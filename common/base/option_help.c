/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What people read of an option table: help lines, usage, the example file, values. All of it is
 * made from the table, so none of it can differ from what the program takes.
 */
#include "common/base/option.h"

#include <assert.h>
#include <string.h>

#include "common/base/num.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define COLUMNS 80
#define HELP_INDENT 26

static void pad_to(struct str *out, size_t from, size_t to)
{
    for (; from < to; from++)
        str_add_char(out, ' ');
}

void option_wrap(const char *text, size_t column, size_t indent, struct str *out)
{
    bool is_first = true;
    while (*text) {
        if (*text == '\n' || *text == ' ') {
            if (*text == '\n') {
                str_add_char(out, '\n');
                pad_to(out, 0, indent);
                column = indent;
                is_first = true;
            }
            text++;
            continue;
        }
        size_t n = strcspn(text, " \n");
        CLEAN_CHAR char *word = mem_dup_n(text, n);
        size_t columns = str_columns(word);
        if (!is_first && column + 1 + columns > COLUMNS) {
            str_add_char(out, '\n');
            pad_to(out, 0, indent);
            column = indent;
        } else if (!is_first) {
            str_add_char(out, ' ');
            column++;
        }
        str_add(out, word);
        column += columns;
        is_first = false;
        text += n;
    }
    str_add_char(out, '\n');
}

/* What a value may be, "" when anything: "1 to 100", "raw or vhd". */
static void add_range(const struct option *option, struct str *out)
{
    char low[NUM_TEXT_MAX], high[NUM_TEXT_MAX];
    switch (option->kind) {
    case OPTION_INT:
        if (option->max >= INT32_MAX)
            str_add_format(out, "%lld or more", (long long)option->min);
        else
            str_add_format(out, "%lld to %lld", (long long)option->min, (long long)option->max);
        break;
    case OPTION_DURATION:
        str_add_format(out, "%s to %s", num_write_duration(option->min, low),
                       num_write_duration(option->max, high));
        break;
    case OPTION_BYTES:
        str_add_format(out, "0, or %s to %s", num_write_bytes((uint64_t)option->min, low),
                       num_write_bytes((uint64_t)option->max, high));
        break;
    case OPTION_CHOICE:
        for (const char *at = option->choices; *at; at++) {
            if (*at == '|')
                str_add(out, ", ");
            else
                str_add_char(out, *at);
        }
        break;
    case OPTION_BOOL:
        str_add(out, "True or False");
        break;
    case OPTION_TEXT:
    case OPTION_PATH:
    case OPTION_LIST:
    case OPTION_RESET:
        break;
    }
}

static void add_forms(const struct option *option, struct str *out)
{
    if (option->letter)
        str_add_format(out, "-%s%s", option->letter, option->name ? ", " : "");
    else
        str_add(out, "    ");
    if (option->name)
        str_add_format(out, "--%s", option->name);
    if (!option->given)
        str_add_format(out, " %s", option->argument);
}

void option_format_help(const struct option *table, size_t n, uint32_t command, struct str *out)
{
    for (size_t i = 0; i < n; i++) {
        const struct option *option = &table[i];
        if (!(option->commands & command) || (!option->name && !option->letter))
            continue;
        CLEAN_STR struct str line = STR_INIT;
        str_add(&line, "  ");
        add_forms(option, &line);
        str_add(out, str_text(&line));
        size_t column = line.len;
        if (column + 2 > HELP_INDENT) {
            str_add_char(out, '\n');
            column = 0;
        }
        pad_to(out, column, HELP_INDENT);
        CLEAN_STR struct str text = STR_INIT;
        str_add(&text, option->help);
        if (option->kind == OPTION_INT || option->kind == OPTION_CHOICE) {
            str_add(&text, " (");
            add_range(option, &text);
            str_add_char(&text, ')');
        }
        if (option->fallback && *option->fallback && !option->given)
            str_add_format(&text, " [%s]", option->fallback);
        option_wrap(str_text(&text), HELP_INDENT, HELP_INDENT, out);
    }
}

void option_format_usage(const struct option *table, size_t n, uint32_t command, size_t column,
                         struct str *out)
{
    size_t indent = column;
    bool is_first = true;
    for (size_t i = 0; i < n; i++) {
        const struct option *option = &table[i];
        if (!(option->commands & command) || (!option->name && !option->letter))
            continue;
        CLEAN_STR struct str word = STR_INIT;
        str_add_format(&word, "[%s%s", option->letter ? "-" : "--",
                       option->letter ? option->letter : option->name);
        if (!option->given)
            str_add_format(&word, " %s", option->argument);
        str_add_char(&word, ']');
        if (!is_first && column + 1 + word.len > COLUMNS) {
            str_add_char(out, '\n');
            pad_to(out, 0, indent);
            column = indent;
        } else if (!is_first) {
            str_add_char(out, ' ');
            column++;
        }
        str_add(out, str_text(&word));
        column += word.len;
        is_first = false;
    }
    str_add_char(out, '\n');
}

/* One comment of the example file, wrapped behind "# ". */
static void add_comment(const char *text, struct str *out)
{
    CLEAN_STR struct str wrapped = STR_INIT;
    option_wrap(text, 2, 2, &wrapped);
    bool at_start = true;
    for (const char *at = str_text(&wrapped); *at; at++) {
        if (at_start) {
            str_add(out, "# ");
            if (str_starts(at, "  "))
                at += 2;
        }
        str_add_char(out, *at);
        at_start = *at == '\n';
    }
}

void option_format_example(const struct option *table, size_t n, struct str *out)
{
    const char *section = NULL;
    for (size_t i = 0; i < n; i++) {
        const struct option *option = &table[i];
        if (!option->section || option->kind == OPTION_RESET)
            continue;
        if (!str_equal(section, option->section))
            str_add_format(out, "%s[%s]\n", section ? "\n" : "", option->section);
        section = option->section;
        CLEAN_STR struct str text = STR_INIT;
        str_add(&text, option->help);
        CLEAN_STR struct str range = STR_INIT;
        add_range(option, &range);
        if (range.len > 0)
            str_add_format(&text, " (%s)", str_text(&range));
        str_add_char(out, '\n');
        add_comment(str_text(&text), out);
        str_add_format(out, "#%s =%s%s\n", option->key,
                       option->fallback && *option->fallback ? " " : "",
                       option->fallback ? option->fallback : "");
    }
}

char *option_show(const struct option_set *set, size_t option)
{
    assert(option < set->n);
    const struct option_value *value = &set->values[option];
    const struct option *facts = &set->table[option];
    if (facts->kind == OPTION_LIST) {
        struct str joined = STR_INIT;
        for (size_t i = 0; i < value->list.n; i++)
            str_add_format(&joined, "%s%s", i ? ", " : "", value->list.items[i]);
        return str_take(&joined);
    }
    if (!value->is_set)
        return mem_dup("");
    if (facts->is_secret)
        return mem_dup(*value->text ? "(set)" : "");
    if (facts->kind == OPTION_BOOL)
        return mem_dup(value->flag ? "True" : "False");
    return mem_dup(value->text);
}
