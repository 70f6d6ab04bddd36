/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Commands before and after a snapshot: only those that the administrator of this host has written
 * into the agent's own settings. A job names one; what it does is never told from outside, so a
 * stolen pool key runs nothing here that was not meant to be run.
 *
 *     [hook mysql]
 *     before_snapshot = /usr/local/sbin/freeze --db "my shop"
 *     after_snapshot = /usr/local/sbin/thaw
 *     timeout = 30s
 *
 * No shell: words are parted at blanks, quotes hold them together. The command gets
 * ONYXPOOL_VM_UUID, ONYXPOOL_VM_NAME, ONYXPOOL_JOB and ONYXPOOL_WHEN in its environment, /dev/null
 * as its input.
 */
#ifndef ONYX_AGENT_HOOK_H
#define ONYX_AGENT_HOOK_H

#include <stdint.h>

#include "common/base/text_list.h"

struct error;
struct job;
struct text_map;

#define HOOK_SECTION        "hook "
#define HOOK_TIMEOUT_MS     60000
#define HOOK_TIMEOUT_MAX_MS (15 * 60 * 1000)
#define HOOK_NAME_MAX       32

enum hook_when { HOOK_BEFORE, HOOK_AFTER };

const char *hook_when_name(enum hook_when when); /* "before_snapshot" */

/*
 * Read the hooks of a settings file into a map of "hook.NAME.KEY"; a file that is not there has
 * none. ERROR_SETTINGS: a bad name, key, command (no absolute path, an open quote) or time.
 */
int hook_read_file(const char *path, struct text_map *ret_hooks, struct error *err);

/* Copy what belongs to one hook; name NULL: nothing. */
void hook_copy(const struct text_map *hooks, const char *name, struct text_map *to);

/* Words of a command. ERROR_SETTINGS. */
int hook_split(const char *command, struct text_list *ret_words, struct error *err);

/*
 * Run the job's hook and wait for it. A hook without a command for this moment is fine.
 *
 * Fails:  ERROR_SETTINGS (this host has no such hook), ERROR_NOT_FOUND, ERROR_IO (not started,
 *         another status than 0), ERROR_TIMEOUT (its process group was killed).
 */
int hook_run(const struct text_map *settings, const struct job *job, enum hook_when when,
             struct error *err);

#endif
