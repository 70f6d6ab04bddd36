/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XAPI's errors as ours: code and parameters become "CODE(p1, p2): what to do" with the origin
 * CODE, and one table says of each what comes next.
 *
 * fault_table.c has a row for every code that a backup can meet; a code without a row is an
 * ERROR_XAPI that another attempt may get over. The table is read where the code arose (a call that
 * is repeated in place) and where the next step is taken (the dispatch, by the report's origin).
 * Source: xapi datamodel_errors.ml, api_errors.ml.
 */
#ifndef ONYX_COMMON_XAPI_FAULT_H
#define ONYX_COMMON_XAPI_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/error.h"

struct text_list;

#define FAULT_PARAM_TEXT_MAX 240 /* bytes of one parameter that stand in the text */

/* What becomes of a job whose attempt ended so. */
enum fault_step {
    FAULT_SOON,      /* again after the back-off, at best on another host; costs an attempt */
    FAULT_LATER,     /* who should do it is not there: again when it is; costs none */
    FAULT_ELSEWHERE, /* not on this host; costs one when no host is left */
    FAULT_REPLAN,    /* the plan is out of date: read the pool again, then again; costs one */
    FAULT_SKIP,      /* there is nothing to back up any more */
    FAULT_GIVE_UP    /* no further attempt of this run can get over it */
};

/* Whom the error concerns. */
enum fault_scope { FAULT_OF_JOB, FAULT_OF_HOST, FAULT_OF_SR, FAULT_OF_POOL };

struct fault_row {
    const char *name; /* XAPI's code; ours in lower case */
    enum error_code code;
    enum fault_step step;
    enum fault_scope scope;
    bool passes;        /* within seconds: a call is repeated in place */
    const char *advice; /* what people are told behind the code */
};

/* What to do next. */
struct fault_verdict {
    enum fault_step step;
    enum fault_scope scope;
};

/* Origins of our own that stand in the table. */
#define FAULT_TASK_GONE "task gone" /* a task vanished before its end was seen */
#define FAULT_VM_GONE   "vm gone"   /* the job's VM is not in the pool any more */
#define FAULT_DISK_GONE "disk gone" /* the VM does not have the chosen disk any more */
#define FAULT_DISK_KEPT "disk kept" /* somebody's VM has a disk of our snapshot */
#define FAULT_POOL_AWAY "pool away" /* toolstack restarted, or no answer, in mid-job */

/* The row of a code; NULL if there is none. */
const struct fault_row *fault_find(const char *name);
/* All rows, for those who list them. */
const struct fault_row *fault_rows(size_t *ret_n);

/* The next step after an error of any kind: by its origin's row, else by its code. */
struct fault_verdict fault_judge(const struct error *err);

/* items[0] is the code, the parameters follow; an empty list is a fault without a name. Gives -1.
 */
int fault_set(struct error *err, const struct text_list *items);

/* A fault in the words of an error page: "UUID_INVALID: [ VM; x ]" finds the code. Gives -1. */
int fault_set_page(struct error *err, int http_status, const char *html);

/* An error of ours that has a row: its code, what to do and its origin. Gives -1. */
int fault_set_own(struct error *err, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether err is this XAPI error. */
bool fault_is(const struct error *err, const char *xapi_code);

/* Whether it is the kind that goes away within seconds: another operation, a toolstack that is
 * starting, a disk still attached for a moment. */
bool fault_is_transient(const struct error *err);

const char *fault_step_name(enum fault_step step);

#endif
