/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One table of options for settings files, the command line, help texts and the example file.
 *
 * A program has one const table; an option is known by its index there. Values come in this
 * order, later ones hold: the default, each settings file, the command line (where lists are
 * appended to, and a reset option starts its list anew). Every value knows where it came from.
 */
#ifndef ONYX_COMMON_BASE_OPTION_H
#define ONYX_COMMON_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/text_list.h"

struct error;
struct str;

enum option_kind {
    OPTION_TEXT,
    OPTION_PATH,     /* "~/" in front is the home folder */
    OPTION_BOOL,     /* True False yes no on off 1 0 */
    OPTION_INT,      /* min..max */
    OPTION_DURATION, /* min..max in milliseconds; 90, 90s, 15m, 12h, 2d */
    OPTION_BYTES,    /* 0 (none) or min..max; 65536, 800K, 100MiB, 2G: units are steps of 1024 */
    OPTION_CHOICE,   /* one of choices; with given set, true and false are understood too */
    OPTION_LIST,     /* file: parts at commas outside brackets; command line: one part each time */
    OPTION_RESET     /* command line only: empties the list named by key */
};

struct option {
    const char *name;     /* long form without dashes; NULL: in files only */
    const char *letter;   /* short form without dash, "e" or "ov"; NULL none */
    const char *section;  /* NULL: on the command line only */
    const char *key;      /* in the file; reset: the list's key */
    enum option_kind kind;
    const char *argument; /* what the argument is called: "FILE" */
    const char *given;    /* the value when given without argument; NULL: it wants one */
    const char *fallback; /* default as one would write it; NULL: not set */
    int64_t min, max;
    const char *choices;  /* "raw|vhd"; the first one means false where given means true */
    const char *help;     /* one or two sentences, without the default */
    uint32_t commands;    /* bits of the commands whose line takes it */
    bool is_secret;       /* never printed */
};

struct option_value {
    bool is_set;   /* false: no default and nobody gave one */
    char *text;    /* as given; choices in lower case */
    int64_t number;
    bool flag;
    struct text_list list;
    char *source;  /* "default", "FILE line 3", "-e" */
};

struct option_set {
    const struct option *table;
    size_t n;
    struct option_value *values;
    struct text_list warnings; /* unknown keys */
    const char *others; /* sections that begin so are read elsewhere: no warning; NULL none */
};

#define CLEAN_OPTION_SET CLEANUP(option_set_done)

/* Every value at its default. The table is borrowed for ever; a default that is not valid is a
 * bug. */
void option_set_init(struct option_set *set, const struct option *table, size_t n);
void option_set_done(struct option_set *set);

/*
 * Read a settings file; *ret_found false when it is not there and must_exist is false.
 *
 * Unknown keys and sections become warnings with the nearest known name. Of several bad values the
 * first is the error; the good ones hold whether they stand before or behind it.
 *
 * Fails:  ERROR_SETTINGS with file, line, key and the range; ERROR_NOT_FOUND, ERROR_IO.
 */
int option_read_file(struct option_set *set, const char *path, bool must_exist, bool *ret_found,
                     struct error *err);

/* A command line, cut into options and operands but not yet applied. */
struct option_given {
    size_t option;
    char *as;    /* "-e", "--vm-export" */
    char *value; /* never NULL */
};

struct option_line {
    struct option_given *items;
    size_t n, cap;
    struct text_list operands;
};

void option_line_done(struct option_line *line);
#define CLEAN_OPTION_LINE CLEANUP(option_line_done)

/*
 * Cut argv (without the program's and command's name) for a command (one bit).
 *
 * Forms: --name VALUE, --name=VALUE, -e VALUE, -eVALUE, -pH, -ov, "--" ends the options.
 *
 * Fails:  ERROR_USAGE: unknown option (with the nearest), missing or superfluous argument.
 */
int option_parse_line(const struct option *table, size_t n, uint32_t command, size_t argc,
                      const char *const *argv, struct option_line *ret_line, struct error *err);

/* The last value given for an option on the line; NULL if none was. Borrowed. */
const char *option_line_find(const struct option_line *line, size_t option);

/* Put the line's values into the set. ERROR_USAGE with the option, the value and the range. */
int option_apply_line(struct option_set *set, const struct option_line *line, struct error *err);

/* Values by index; option_text gives NULL when not set. Borrowed. */
const char *option_text(const struct option_set *set, size_t option);
int64_t option_number(const struct option_set *set, size_t option);
bool option_flag(const struct option_set *set, size_t option);
const struct text_list *option_list(const struct option_set *set, size_t option);

/* The value as preview shows it: lists joined by ", ", secrets as "(set)". Caller frees. */
char *option_show(const struct option_set *set, size_t option);

/* Option lines of a command's --help, at most 80 columns. */
void option_format_help(const struct option *table, size_t n, uint32_t command, struct str *out);

/* "[-c FILE] [-p] ..." wrapped at 80 columns behind an indent of that many columns; column is
 * where the text goes on. */
void option_format_usage(const struct option *table, size_t n, uint32_t command, size_t column,
                         struct str *out);

/* A settings file that names every key with its help, range and default, all commented out. */
void option_format_example(const struct option *table, size_t n, struct str *out);

/* The word of the list that is nearest to word, NULL when none is near. Borrowed from words. */
const char *option_nearest(const char *word, const char *const *words, size_t n);

/* Append text wrapped at 80 columns, its later lines indented; column is where it begins. A line
 * feed in text begins a new line. Ends with a line feed. */
void option_wrap(const char *text, size_t column, size_t indent, struct str *out);

#endif
