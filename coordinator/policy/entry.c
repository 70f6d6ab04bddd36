/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A name counts as simple when each character is an ASCII or other letter, a digit, a space, a
 * hyphen or an underscore; the letters of other alphabets are letters too, so that "Büro" does not
 * take "Büro2" along.
 */
#include "coordinator/policy/entry.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/split.h"
#include "common/base/str.h"
#include "coordinator/policy/regex.h"

#include "common/base/poison.h"

#define SIMPLE_NAME "[\\w -]+\\Z"
#define MAX_BACKUPS_GLOBAL (-1)
#define MAX_BACKUPS_MAX 1000000

void entry_done(struct entry *entry)
{
    mem_free_char(&entry->text);
    mem_free_char(&entry->pattern);
    text_list_done(&entry->disks);
    regex_free(&entry->regex);
}

static bool is_plain_ascii(const char *text)
{
    for (; *text; text++) {
        char c = *text;
        bool is_simple = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == ' ' || c == '-' || c == '_';
        if (!is_simple)
            return false;
    }
    return true;
}

static bool has_high_byte(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text >= 0x80)
            return true;
    }
    return false;
}

static int is_simple_name(const char *text, bool *ret_is_simple, struct error *err)
{
    *ret_is_simple = is_plain_ascii(text);
    if (*ret_is_simple || !has_high_byte(text))
        return 0;
    CLEAN_REGEX struct regex *simple = NULL;
    if (regex_compile(SIMPLE_NAME, &simple, err) < 0)
        return -1;
    int matches = regex_match(simple, text, err);
    *ret_is_simple = matches == 1;
    return matches < 0 ? -1 : 0;
}

static void parse_max_backups(const char *text, struct entry *entry, struct text_list *warnings)
{
    struct error why = ERROR_INIT;
    int64_t value = 0;
    if (num_parse(text, MAX_BACKUPS_GLOBAL, MAX_BACKUPS_MAX, &value, &why) == 0 && value != 0) {
        entry->max_backups = value == MAX_BACKUPS_GLOBAL ? 0 : value;
        return;
    }
    text_list_add_format(warnings,
                         "entry \"%s\": \"%s\" is no max_backups (a number from 1, or -1 for the "
                         "global value); the global value holds",
                         entry->text, text);
}

static void parse_disks(const char *text, struct entry *entry)
{
    CLEAN_TEXT_LIST struct text_list parts = TEXT_LIST_INIT;
    split_outside_brackets(text, ';', 0, &parts);
    for (size_t i = 0; i < parts.n; i++) {
        if (*parts.items[i] && !text_list_has(&entry->disks, parts.items[i]))
            text_list_add(&entry->disks, parts.items[i]);
    }
}

int entry_parse(const char *text, struct entry *ret_entry, struct text_list *warnings,
                struct error *err)
{
    CLEAN_ENTRY struct entry entry = {0};
    CLEAN_CHAR char *copy = mem_dup(text);
    entry.text = mem_dup(str_trim(copy));
    if (!*entry.text)
        return error_set(err, ERROR_BAD_INPUT, "empty entry");
    if (strlen(entry.text) > ENTRY_TEXT_MAX)
        return error_set(err, ERROR_BAD_INPUT, "entry of %zu bytes; %d are allowed",
                         strlen(entry.text), ENTRY_TEXT_MAX);
    if (!str_is_utf8(entry.text, strlen(entry.text)))
        return error_set(err, ERROR_BAD_INPUT, "the entry is no UTF-8 text");
    CLEAN_TEXT_LIST struct text_list fields = TEXT_LIST_INIT;
    split_outside_brackets(entry.text, ':', 3, &fields);
    entry.pattern = mem_dup(fields.items[0]);
    if (!*entry.pattern)
        return error_set(err, ERROR_BAD_INPUT, "entry \"%s\" names no VM", entry.text);
    if (is_simple_name(entry.pattern, &entry.is_name, err) < 0 ||
        (!entry.is_name && regex_compile(entry.pattern, &entry.regex, err) < 0))
        return error_add(err, "entry \"%s\"", entry.text);
    if (fields.n > 1)
        parse_max_backups(fields.items[1], &entry, warnings);
    if (fields.n > 2)
        parse_disks(fields.items[2], &entry);
    *ret_entry = entry;
    entry = (struct entry){0};
    return 0;
}

int entry_match(const struct entry *entry, const char *name, struct error *err)
{
    if (entry->is_name)
        return strcmp(entry->pattern, name) == 0;
    int matches = regex_match(entry->regex, name, err);
    if (matches < 0)
        error_add(err, "entry \"%s\"", entry->text);
    return matches;
}
