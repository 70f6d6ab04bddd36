/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Settings files as Python 2's ConfigParser reads them: bytes in, (section, key, value, line) out.
 *
 * Rules: "[section]"; "key = value" or "key: value"; keys are lower-cased; a line that begins with
 * white space continues the value; "#" or ";" in the first column begin a comment, "rem" too;
 * " ;" ends an "=" value; "%" is kept as it is; a value of '""' is empty; no limit on a line's
 * length but INI_MAX on the file's.
 * Source: Python 2.7 ConfigParser.py, RawConfigParser._read.
 */
#ifndef ONYX_COMMON_BASE_INI_H
#define ONYX_COMMON_BASE_INI_H

#include <stddef.h>

struct error;

#define INI_MAX (16u << 20)
#define INI_KEYS_MAX 4096

/* Called once per key in file order; a section that is given twice is one, and of a key that is
 * given twice the last holds. Lines of a continued value are joined by a line feed. Nothing is
 * called if any line of the file is bad. -1 stops the reading. */
typedef int ini_entry_fn(void *context, const char *section, const char *key, const char *value,
                         unsigned line, struct error *err);

/* Read text; name stands in errors ("FILE line 7: ..."). ERROR_SETTINGS for what is no INI. */
int ini_read(const char *name, const char *text, size_t n, ini_entry_fn *entry, void *context,
             struct error *err);

/* Read a file. *ret_found is false and 0 is given when it is not there. */
int ini_read_file(const char *path, ini_entry_fn *entry, void *context, int *ret_found,
                  struct error *err);

#endif
