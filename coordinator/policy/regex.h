/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A compiled Python pattern. The only room that knows PCRE2.
 *
 * Matching is anchored in front, knows Unicode, and has limits on steps and memory, so that no
 * pattern can hang a run.
 */
#ifndef ONYX_COORDINATOR_POLICY_REGEX_H
#define ONYX_COORDINATOR_POLICY_REGEX_H

#include "common/base/mem.h"

#define REGEX_STEPS_MAX 1000000u
#define REGEX_HEAP_KIB_MAX 20480u

struct error;
struct regex;

/* ERROR_BAD_INPUT: what is wrong with the pattern, or what of it is not supported. Caller frees
 * *ret_regex. */
int regex_compile(const char *python_pattern, struct regex **ret_regex, struct error *err);
void regex_free(struct regex **regex);
#define CLEAN_REGEX CLEANUP(regex_free)

/* As re.match: 1 or 0; -1 with ERROR_LIMIT when the limits are hit. Text that is no UTF-8 is
 * matched with its bad bytes read as U+FFFD. */
int regex_match(const struct regex *regex, const char *text, struct error *err);

#endif
