/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which VM's snapshot has which hook: a list of NAME-OR-REGEX:HOOK, the first match decides.
 *
 * What a hook runs stands in the agent's own settings on each host, never in a message: the
 * coordinator can only name one.
 */
#ifndef ONYX_COORDINATOR_POLICY_HOOK_LIST_H
#define ONYX_COORDINATOR_POLICY_HOOK_LIST_H

#include <stdbool.h>

struct error;
struct pool;
struct selection;
struct text_list;

/*
 * Give each selected VM its hook. A bad entry is a warning in the selection.
 *
 * Fails:  ERROR_SETTINGS (is_strict only): the first bad entry.
 */
int hook_list_apply(const struct text_list *texts, const struct pool *pool, bool is_strict,
                    struct selection *selection, struct error *err);

#endif
