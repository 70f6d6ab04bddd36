/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Values of options: defaults, files, and the command line. A value is checked in one place
 * (value_take), whoever gave it, so that file and line accept the same and complain alike.
 */
#include "common/base/option.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "common/base/ini.h"
#include "common/base/num.h"
#include "common/base/split.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define NO_OPTION SIZE_MAX

/* ---- checking a value ---- */

static bool choice_has(const char *choices, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = choices; n > 0 && *at;) {
        size_t part = strcspn(at, "|");
        if (part == n && strncmp(at, word, n) == 0)
            return true;
        at += part + (at[part] == '|');
    }
    return false;
}

static char *lower_dup(const char *text)
{
    char *copy = mem_dup(text);
    for (char *at = copy; *at; at++) {
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at + ('a' - 'A'));
    }
    return copy;
}

static int choice_take(struct option_value *value, const struct option *option, const char *text,
                       struct error *err)
{
    CLEAN_CHAR char *word = lower_dup(text);
    if (!choice_has(option->choices, word) && option->given) {
        bool is_true;
        struct error ignored = ERROR_INIT;
        if (num_parse_bool(word, &is_true, &ignored) == 0) {
            mem_free_char(&word);
            word = is_true ? mem_dup(option->given)
                           : mem_dup_n(option->choices, strcspn(option->choices, "|"));
        }
    }
    if (!choice_has(option->choices, word))
        return error_set(err, ERROR_BAD_INPUT, "\"%s\" is none of %s%s", text, option->choices,
                         option->given ? ", True, False" : "");
    mem_set(&value->text, word);
    return 0;
}

/* The home folder for "~/": $HOME, which cron and login shells set. */
static char *path_expand(const char *text)
{
    const char *home = getenv("HOME");
    if (str_starts(text, "~/") && home && *home)
        return str_format("%s%s", home, text + 1);
    return mem_dup(text);
}

static int duration_take(struct option_value *value, const struct option *option, const char *text,
                         struct error *err)
{
    int64_t ms;
    if (num_parse_duration(text, &ms, err) < 0)
        return -1;
    if (ms < option->min || ms > option->max) {
        char low[NUM_TEXT_MAX], high[NUM_TEXT_MAX];
        return error_set(err, ERROR_BAD_INPUT, "\"%s\" is not between %s and %s", text,
                         num_write_duration(option->min, low),
                         num_write_duration(option->max, high));
    }
    value->number = ms;
    mem_set(&value->text, text);
    return 0;
}

static int bytes_take(struct option_value *value, const struct option *option, const char *text,
                      struct error *err)
{
    uint64_t bytes;
    if (num_parse_bytes(text, &bytes, err) < 0)
        return -1;
    if (bytes != 0 && (bytes < (uint64_t)option->min || bytes > (uint64_t)option->max)) {
        char low[NUM_TEXT_MAX], high[NUM_TEXT_MAX];
        return error_set(err, ERROR_BAD_INPUT, "\"%s\" is neither 0 nor between %s and %s", text,
                         num_write_bytes((uint64_t)option->min, low),
                         num_write_bytes((uint64_t)option->max, high));
    }
    value->number = (int64_t)bytes;
    mem_set(&value->text, text);
    return 0;
}

/* Put text into value if it is what the option takes. */
static int value_take(struct option_value *value, const struct option *option, const char *text,
                      struct error *err)
{
    switch (option->kind) {
    case OPTION_BOOL:
        if (num_parse_bool(text, &value->flag, err) < 0)
            return -1;
        mem_set(&value->text, text);
        break;
    case OPTION_INT:
        if (num_parse(text, option->min, option->max, &value->number, err) < 0)
            return -1;
        mem_set(&value->text, text);
        break;
    case OPTION_DURATION:
        if (duration_take(value, option, text, err) < 0)
            return -1;
        break;
    case OPTION_BYTES:
        if (bytes_take(value, option, text, err) < 0)
            return -1;
        break;
    case OPTION_CHOICE:
        if (choice_take(value, option, text, err) < 0)
            return -1;
        break;
    case OPTION_PATH: {
        CLEAN_CHAR char *path = path_expand(text);
        mem_set(&value->text, path);
        break;
    }
    case OPTION_LIST:
        text_list_done(&value->list);
        if (*text)
            split_outside_brackets(text, ',', 0, &value->list);
        mem_set(&value->text, text);
        break;
    case OPTION_TEXT:
    case OPTION_RESET:
        mem_set(&value->text, text);
        break;
    }
    value->is_set = true;
    return 0;
}

/* ---- the set ---- */

void option_set_init(struct option_set *set, const struct option *table, size_t n)
{
    *set = (struct option_set){.table = table, .n = n};
    set->values = mem_zero(n, sizeof *set->values);
    for (size_t i = 0; i < n; i++) {
        if (!table[i].fallback)
            continue;
        int bad = value_take(&set->values[i], &table[i], table[i].fallback, NULL);
        assert(bad == 0);
        (void)bad;
        mem_set(&set->values[i].source, "default");
    }
}

void option_set_done(struct option_set *set)
{
    for (size_t i = 0; set->values && i < set->n; i++) {
        mem_free_char(&set->values[i].text);
        mem_free_char(&set->values[i].source);
        text_list_done(&set->values[i].list);
    }
    mem_free_void(&set->values);
    text_list_done(&set->warnings);
    *set = (struct option_set){0};
}

const char *option_text(const struct option_set *set, size_t option)
{
    assert(option < set->n);
    return set->values[option].is_set ? set->values[option].text : NULL;
}

int64_t option_number(const struct option_set *set, size_t option)
{
    assert(option < set->n);
    return set->values[option].number;
}

bool option_flag(const struct option_set *set, size_t option)
{
    assert(option < set->n);
    return set->values[option].flag;
}

const struct text_list *option_list(const struct option_set *set, size_t option)
{
    assert(option < set->n);
    return &set->values[option].list;
}

/* ---- nearest names ---- */

#define NEAREST_MAX 64

/* How many letters must be changed, added, left out or swapped with their neighbour. */
static size_t distance(const char *a, const char *b)
{
    size_t a_n = strlen(a), b_n = strlen(b);
    if (a_n > NEAREST_MAX || b_n > NEAREST_MAX)
        return SIZE_MAX;
    size_t rows[3][NEAREST_MAX + 1];
    for (size_t j = 0; j <= b_n; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_n; i++) {
        size_t *now = rows[i % 3], *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b_n; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[a_n % 3][b_n];
}

const char *option_nearest(const char *word, const char *const *words, size_t n)
{
    const char *nearest = NULL;
    size_t best = strlen(word) / 3 + 2; /* further away is another word */
    for (size_t i = 0; i < n; i++) {
        size_t d = words[i] ? distance(word, words[i]) : SIZE_MAX;
        if (d < best && d < strlen(words[i])) {
            best = d;
            nearest = words[i];
        }
    }
    return nearest;
}

/* ---- files ---- */

static size_t find_key(const struct option_set *set, const char *section, const char *key)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct option *option = &set->table[i];
        if (option->section && option->kind != OPTION_RESET && str_equal(option->key, key) &&
            (!section || strcasecmp(option->section, section) == 0))
            return i;
    }
    return NO_OPTION;
}

static void warn_unknown(struct option_set *set, const char *file, unsigned line,
                         const char *section, const char *key)
{
    size_t elsewhere = find_key(set, NULL, key);
    if (elsewhere != NO_OPTION) {
        text_list_add_format(&set->warnings,
                             "%s line %u: \"%s\" belongs into section [%s], not [%s]; ignored",
                             file, line, key, set->table[elsewhere].section, section);
        return;
    }
    const char **keys = mem_zero(set->n + 1, sizeof *keys);
    size_t keys_n = 0;
    for (size_t i = 0; i < set->n; i++) {
        if (set->table[i].section && set->table[i].kind != OPTION_RESET)
            keys[keys_n++] = set->table[i].key;
    }
    const char *nearest = option_nearest(key, keys, keys_n);
    text_list_add_format(&set->warnings, "%s line %u: unknown key \"%s\" in section [%s]%s%s%s",
                         file, line, key, section, nearest ? "; did you mean \"" : "; ignored",
                         nearest ? nearest : "", nearest ? "\"? Ignored" : "");
    mem_free_void(&keys);
}

struct file_reader {
    struct option_set *set;
    const char *path;
    struct error bad; /* the first */
};

static int read_entry(void *context, const char *section, const char *key, const char *value,
                      unsigned line, struct error *err)
{
    struct file_reader *reader = context;
    size_t at = find_key(reader->set, section, key);
    const char *others = reader->set->others;
    if (at == NO_OPTION && others != NULL && strncasecmp(section, others, strlen(others)) == 0)
        return 0;
    if (at == NO_OPTION) {
        warn_unknown(reader->set, reader->path, line, section, key);
        return 0;
    }
    struct option_value *slot = &reader->set->values[at];
    struct error bad = ERROR_INIT;
    (void)err;
    if (value_take(slot, &reader->set->table[at], value, &bad) < 0) {
        bad.code = ERROR_SETTINGS;
        error_add(&bad, "%s line %u: %s", reader->path, line, key);
        if (!error_is_set(&reader->bad))
            reader->bad = bad;
        return 0; /* who mails the error needs what stands behind it */
    }
    mem_free_char(&slot->source);
    slot->source = str_format("%s line %u", reader->path, line);
    return 0;
}

/* Others need not only look at the file, they may be given a copy of it: it is told, not refused,
 * since the settings of before stand there as they were. */
static void warn_secret(struct option_set *set, const char *path)
{
    struct stat facts;

    if (stat(path, &facts) != 0 || (facts.st_mode & 077) == 0)
        return;
    for (size_t i = 0; i < set->n; i++) {
        const struct option_value *value = &set->values[i];
        if (set->table[i].is_secret && value->text && *value->text &&
            str_starts(value->source, path))
            text_list_add_format(&set->warnings,
                                 "%s: %s stands in a file that others may read: chmod 600 %s",
                                 value->source, set->table[i].key, path);
    }
}

int option_read_file(struct option_set *set, const char *path, bool must_exist, bool *ret_found,
                     struct error *err)
{
    struct file_reader reader = {set, path, ERROR_INIT};
    struct error own = ERROR_INIT;
    int found = 0;
    int bad = ini_read_file(path, read_entry, &reader, &found, &own);
    if (!bad && error_is_set(&reader.bad)) {
        own = reader.bad;
        bad = -1;
    }
    if (bad) {
        if (err)
            *err = own;
        return -1;
    }
    if (!found && must_exist)
        return error_set(err, ERROR_SETTINGS, "settings file %s: there is no such file", path);
    if (found)
        warn_secret(set, path);
    *ret_found = found != 0;
    return 0;
}

/* ---- the command line ---- */

void option_line_done(struct option_line *line)
{
    for (size_t i = 0; i < line->n; i++) {
        mem_free_char(&line->items[i].as);
        mem_free_char(&line->items[i].value);
    }
    mem_free_void(&line->items);
    text_list_done(&line->operands);
    *line = (struct option_line){0};
}

struct line_cutter {
    const struct option *table;
    size_t n;
    uint32_t command;
    size_t argc;
    const char *const *argv;
    size_t at;
    struct option_line *line;
};

static void line_add(struct line_cutter *cutter, size_t option, const char *as, const char *value)
{
    struct option_line *line = cutter->line;
    line->items = mem_grow(line->items, &line->cap, line->n + 1, sizeof *line->items);
    line->items[line->n++] = (struct option_given){option, mem_dup(as), mem_dup(value)};
}

static size_t find_long(const struct line_cutter *cutter, const char *name, size_t n)
{
    for (size_t i = 0; i < cutter->n; i++) {
        const struct option *option = &cutter->table[i];
        if ((option->commands & cutter->command) && option->name && strlen(option->name) == n &&
            strncmp(option->name, name, n) == 0)
            return i;
    }
    return NO_OPTION;
}

static size_t find_short(const struct line_cutter *cutter, const char *letters, size_t n)
{
    for (size_t i = 0; i < cutter->n; i++) {
        const struct option *option = &cutter->table[i];
        if ((option->commands & cutter->command) && option->letter &&
            strlen(option->letter) == n && strncmp(option->letter, letters, n) == 0)
            return i;
    }
    return NO_OPTION;
}

static int fail_unknown(const struct line_cutter *cutter, const char *as, const char *name,
                        struct error *err)
{
    const char **names = mem_zero(cutter->n + 1, sizeof *names);
    size_t names_n = 0;
    for (size_t i = 0; i < cutter->n; i++) {
        if ((cutter->table[i].commands & cutter->command) && cutter->table[i].name)
            names[names_n++] = cutter->table[i].name;
    }
    const char *nearest = name ? option_nearest(name, names, names_n) : NULL;
    int given = nearest ? error_set(err, ERROR_USAGE, "unknown option %s; did you mean --%s?", as,
                                    nearest)
                        : error_set(err, ERROR_USAGE, "unknown option %s; --help lists them", as);
    mem_free_void(&names);
    return given;
}

/* The argument of an option that wants one: what is attached, else the next word. */
static int take_argument(struct line_cutter *cutter, size_t option, const char *as,
                         const char *attached, struct error *err)
{
    const char *value = attached;
    if (!value) {
        if (cutter->at >= cutter->argc)
            return error_set(err, ERROR_USAGE, "option %s wants an argument: %s", as,
                             cutter->table[option].argument);
        value = cutter->argv[cutter->at];
        if (value[0] == '-' && value[1] != '\0')
            return error_set(err, ERROR_USAGE,
                             "option %s wants an argument (%s), but \"%s\" is an option; attach it "
                             "if it is meant: %s%s%s",
                             as, cutter->table[option].argument, value, as,
                             str_starts(as, "--") ? "=" : "", value);
        cutter->at++;
    }
    line_add(cutter, option, as, value);
    return 0;
}

static int cut_long(struct line_cutter *cutter, const char *word, struct error *err)
{
    size_t n = strcspn(word + 2, "=");
    const char *attached = word[2 + n] == '=' ? word + 2 + n + 1 : NULL;
    CLEAN_CHAR char *as = mem_dup_n(word, 2 + n);
    size_t option = find_long(cutter, word + 2, n);
    if (option == NO_OPTION)
        return fail_unknown(cutter, as, as + 2, err);
    const struct option *facts = &cutter->table[option];
    if (!facts->given)
        return take_argument(cutter, option, as, attached, err);
    if (attached && facts->kind == OPTION_RESET)
        return error_set(err, ERROR_USAGE, "option %s takes no argument", as);
    line_add(cutter, option, as, attached ? attached : facts->given);
    return 0;
}

/* "-ov" whole, or "-eNAME", or "-pH". */
static int cut_short(struct line_cutter *cutter, const char *word, struct error *err)
{
    size_t whole = find_short(cutter, word + 1, strlen(word + 1));
    if (whole != NO_OPTION && cutter->table[whole].given) {
        line_add(cutter, whole, word, cutter->table[whole].given);
        return 0;
    }
    for (const char *letter = word + 1; *letter; letter++) {
        const char as[3] = {'-', *letter, '\0'};
        size_t option = find_short(cutter, letter, 1);
        if (option == NO_OPTION)
            return fail_unknown(cutter, letter == word + 1 ? word : as, NULL, err);
        if (!cutter->table[option].given)
            return take_argument(cutter, option, as, letter[1] ? letter + 1 : NULL, err);
        line_add(cutter, option, as, cutter->table[option].given);
    }
    return 0;
}

int option_parse_line(const struct option *table, size_t n, uint32_t command, size_t argc,
                      const char *const *argv, struct option_line *ret_line, struct error *err)
{
    CLEAN_OPTION_LINE struct option_line line = {0};
    struct line_cutter cutter = {table, n, command, argc, argv, 0, &line};
    bool only_operands = false;
    while (cutter.at < argc) {
        const char *word = argv[cutter.at++];
        int bad = 0;
        if (only_operands || word[0] != '-' || word[1] == '\0')
            text_list_add(&line.operands, word);
        else if (str_equal(word, "--"))
            only_operands = true;
        else if (word[1] == '-')
            bad = cut_long(&cutter, word, err);
        else
            bad = cut_short(&cutter, word, err);
        if (bad)
            return -1;
    }
    *ret_line = line;
    line = (struct option_line){0};
    return 0;
}

const char *option_line_find(const struct option_line *line, size_t option)
{
    for (size_t i = line->n; i > 0; i--) {
        if (line->items[i - 1].option == option)
            return line->items[i - 1].value;
    }
    return NULL;
}

static void list_append(struct option_value *slot, const char *value)
{
    CLEAN_CHAR char *copy = mem_dup(value);
    text_list_add(&slot->list, str_trim(copy));
    slot->is_set = true;
}

int option_apply_line(struct option_set *set, const struct option_line *line, struct error *err)
{
    for (size_t i = 0; i < line->n; i++) {
        const struct option_given *given = &line->items[i];
        const struct option *option = &set->table[given->option];
        size_t target = option->kind == OPTION_RESET ? find_key(set, option->section, option->key)
                                                     : given->option;
        assert(target != NO_OPTION);
        struct option_value *slot = &set->values[target];
        if (option->kind == OPTION_RESET) {
            text_list_done(&slot->list);
        } else if (option->kind == OPTION_LIST) {
            list_append(slot, given->value);
        } else if (value_take(slot, option, given->value, err) < 0) {
            if (err)
                err->code = ERROR_USAGE;
            return error_add(err, "option %s", given->as);
        }
        mem_set(&slot->source, given->as);
    }
    return 0;
}
