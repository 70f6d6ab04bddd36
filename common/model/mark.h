/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Our mark on snapshots in the pool: what it says, and when it proves that an object is ours.
 *
 * other_config:onyxpool = <job>/<uuid of the marked object>/<lease n>. Marks travel: exports,
 * imports, clones and snapshots copy other_config, so a mark that does not name its bearer's own
 * uuid proves nothing. A snapshot that has no mark yet is ours only by its birth name.
 */
#ifndef ONYX_COMMON_MODEL_MARK_H
#define ONYX_COMMON_MODEL_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/random.h"
#include "common/model/job.h"

struct error;

#define MARK_KEY "onyxpool"
#define MARK_TEXT_MAX 96
#define MARK_BIRTH_PREFIX "ONYXBACKUP-"
#define MARK_BIRTH_MAX 64

struct mark {
    char job[JOB_ID_MAX];
    char uuid[UUID_TEXT_MAX];
    uint64_t lease;
};

char *mark_format(const struct mark *mark, char text[MARK_TEXT_MAX]);

/* ERROR_BAD_INPUT when text is not a mark of ours. */
int mark_parse(const char *text, struct mark *ret_mark, struct error *err);

/* Whether text is a mark that names this object's own uuid; fills *ret_mark then. */
bool mark_proves(const char *text, const char *own_uuid, struct mark *ret_mark);

/* "ONYXBACKUP-<job>", the name a VM snapshot is born with; and back. */
char *mark_format_birth_name(const char *job, char text[MARK_BIRTH_MAX]);
bool mark_parse_birth_name(const char *name, char ret_job[JOB_ID_MAX]);

#endif
