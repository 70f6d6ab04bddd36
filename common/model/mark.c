/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Text of marks and birth names, both ways. Parsing takes nothing on trust: a mark that is not
 * exactly ours is no mark, since what it proves is destroyed.
 */
#include "common/model/mark.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"

char *mark_format(const struct mark *mark, char text[MARK_TEXT_MAX])
{
    (void)snprintf(text, MARK_TEXT_MAX, "%s/%s/%llu", mark->job, mark->uuid,
                   (unsigned long long)mark->lease);
    return text;
}

int mark_parse(const char *text, struct mark *ret_mark, struct error *err)
{
    const size_t job_n = JOB_ID_MAX - 1;
    const size_t uuid_n = UUID_TEXT_MAX - 1;
    struct mark mark = {.lease = 0};
    size_t n = strlen(text);

    if (n < job_n + uuid_n + 3 || n >= MARK_TEXT_MAX || text[job_n] != '/' ||
        text[job_n + 1 + uuid_n] != '/')
        return error_set(err, ERROR_BAD_INPUT, "not a mark of ours");
    memcpy(mark.job, text, job_n);
    memcpy(mark.uuid, text + job_n + 1, uuid_n);
    if (!job_id_is_valid(mark.job) || !uuid_is_valid(mark.uuid))
        return error_set(err, ERROR_BAD_INPUT, "not a mark of ours");
    if (num_parse_unsigned(text + job_n + uuid_n + 2, UINT64_MAX, &mark.lease, err) != 0)
        return error_add(err, "mark's lease");
    *ret_mark = mark;
    return 0;
}

bool mark_proves(const char *text, const char *own_uuid, struct mark *ret_mark)
{
    struct mark mark;
    if (text == NULL || own_uuid == NULL || mark_parse(text, &mark, NULL) != 0)
        return false;
    if (strcmp(mark.uuid, own_uuid) != 0)
        return false;
    *ret_mark = mark;
    return true;
}

char *mark_format_birth_name(const char *job, char text[MARK_BIRTH_MAX])
{
    (void)snprintf(text, MARK_BIRTH_MAX, "%s%s", MARK_BIRTH_PREFIX, job);
    return text;
}

bool mark_parse_birth_name(const char *name, char ret_job[JOB_ID_MAX])
{
    if (!str_starts(name, MARK_BIRTH_PREFIX))
        return false;
    const char *job = name + strlen(MARK_BIRTH_PREFIX);
    if (!job_id_is_valid(job))
        return false;
    memcpy(ret_job, job, JOB_ID_MAX);
    return true;
}
