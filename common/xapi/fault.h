/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XAPI's errors as ours: code and parameters become "CODE(p1, p2)" with the origin CODE.
 *
 * The table says which of them mean that an object is gone, that we are refused, that there is no
 * space; the others are ERROR_XAPI. What to do is said behind the ones a person can act on.
 * Source: xapi datamodel_errors.ml, api_errors.ml.
 */
#ifndef ONYX_COMMON_XAPI_FAULT_H
#define ONYX_COMMON_XAPI_FAULT_H

#include <stdbool.h>

struct error;
struct text_list;

#define FAULT_PARAM_TEXT_MAX 240 /* bytes of one parameter that stand in the text */

/* items[0] is the code, the parameters follow; an empty list is a fault without a name. Gives -1.
 */
int fault_set(struct error *err, const struct text_list *items);

/* A fault in the words of an error page: "UUID_INVALID: [ VM; x ]" finds the code. Gives -1. */
int fault_set_page(struct error *err, int http_status, const char *html);

/* Whether err is this XAPI error. */
bool fault_is(const struct error *err, const char *xapi_code);

/* Whether it is the kind that goes away while one waits: another operation, a toolstack that is
 * starting, a disk still attached for a moment. */
bool fault_is_transient(const struct error *err);

#endif
