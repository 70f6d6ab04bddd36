/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One entry of a list: name-or-regex[:max_backups[:disk;disk]].
 *
 * Split at colons outside (), [], {} that are not escaped. A name of letters, digits, spaces,
 * hyphens and underscores is matched exactly; anything else is a regular expression as Python's
 * re.match reads it, anchored in front.
 * Source: manual of OnyxBackupVM; Python 3 re.
 */
#ifndef ONYX_COORDINATOR_POLICY_ENTRY_H
#define ONYX_COORDINATOR_POLICY_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/text_list.h"

#define ENTRY_TEXT_MAX 4096

struct error;
struct regex;

struct entry {
    char *text;    /* as written, trimmed */
    char *pattern; /* the name or the regex */
    bool is_name;
    int64_t max_backups;    /* 0: the global value */
    struct text_list disks; /* as named; empty when none was */
    struct regex *regex;    /* NULL for a name */
};

void entry_done(struct entry *entry);
#define CLEAN_ENTRY CLEANUP(entry_done)

/*
 * Read one entry.
 *
 * A bad max_backups is a warning in warnings and the global value holds. *ret_entry is the
 * caller's.
 *
 * Fails:  ERROR_BAD_INPUT: empty, too long, no UTF-8, or a regex that can't be used; says why.
 */
int entry_parse(const char *text, struct entry *ret_entry, struct text_list *warnings,
                struct error *err);

/* 1 matches, 0 does not, -1 the regex went over its limits on this name (ERROR_LIMIT). */
int entry_match(const struct entry *entry, const char *name, struct error *err);

#endif
