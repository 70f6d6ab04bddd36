/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A regular expression of Python's re, said in PCRE2's words.
 *
 * People know list entries as Python patterns; PCRE2 reads many of them differently ({,3}, \Z,
 * \h, \Q, [[:alpha:]], \s, \b, ^ behind a last line feed ...). The pattern is read by Python's
 * grammar and written anew in forms that mean the same to every PCRE2 release. What can't be
 * said is refused by its name.
 * Source: Python 3.11, Lib/re/_parser.py; pcre2pattern(3).
 */
#ifndef ONYX_COORDINATOR_POLICY_PATTERN_H
#define ONYX_COORDINATOR_POLICY_PATTERN_H

#define PATTERN_DEPTH_MAX 200

struct error;
struct str;

/*
 * Append the PCRE2 form of a pattern (UTF-8) to out; it is for PCRE2_UTF | PCRE2_UCP.
 *
 * Fails:  ERROR_BAD_INPUT: what Python calls an error, or what is refused, with the position.
 */
int pattern_translate(const char *pattern, struct str *out, struct error *err);

#endif
