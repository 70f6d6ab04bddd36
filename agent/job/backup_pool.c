/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * On a slave the dump fails behind its 200, so who the master is is asked first; it may have moved
 * since the plan was made.
 * Source: xapi pool_db_backup.ml.
 */
#include "agent/job/backup_pool.h"

#include "agent/job/attempt.h"
#include "agent/pipeline/checks.h"
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "common/format/db.h"
#include "common/xapi/call.h"

#include "common/base/poison.h"

struct hosts {
    struct text_list uuids;
    char *master; /* uuid */
    const char *master_ref;
};

static void hosts_done(struct hosts *hosts)
{
    text_list_done(&hosts->uuids);
    mem_free_char(&hosts->master);
}

static int look_at_host(void *context, const char *ref, const json_t *record, struct error *err)
{
    struct hosts *hosts = context;
    (void)err;
    text_list_add(&hosts->uuids, reply_text(record, "uuid", ""));
    if (str_equal(ref, hosts->master_ref))
        mem_set(&hosts->master, reply_text(record, "uuid", ""));
    return 0;
}

static int look_at_pool(void *context, const char *ref, const json_t *record, struct error *err)
{
    (void)ref;
    (void)err;
    mem_set(context, reply_ref(record, "master"));
    return 0;
}

static int read_hosts(struct xapi *xapi, struct hosts *hosts, struct error *err)
{
    CLEAN_CHAR char *master = NULL;
    if (xapi_call_records(xapi, "pool.get_all_records", look_at_pool, &master, err) != 0)
        return -1;
    hosts->master_ref = master;
    return xapi_call_records(xapi, "host.get_all_records", look_at_host, hosts, err);
}

static int steps(struct attempt *attempt, struct error *err)
{
    CLEANUP(hosts_done) struct hosts hosts = {0};
    CLEAN_DB_CHECK struct db_check *check = NULL;
    size_t file = 0;
    if (read_hosts(attempt->context->xapi, &hosts, err) != 0)
        return error_add(err, "ask who is the pool's master");
    if (!str_equal(hosts.master, attempt->context->host_uuid))
        return error_set(err, ERROR_POOL_REFUSED,
                         "the pool's database is dumped by its master alone, and %s is not (any "
                         "more): run again",
                         attempt->context->host_name != NULL ? attempt->context->host_name
                                                             : attempt->context->host_uuid);
    if (attempt_begin_file(attempt, NULL, &file, err) != 0)
        return -1;
    check = db_check_new(&hosts.uuids);
    struct attempt_stream from = {
        .query = "/pool/xmldbdump", .check = checks_db(check), .proof = DB_PROOF};
    return attempt_run_stream(attempt, file, &from, err);
}

int backup_pool_run(const struct job_context *context, struct job_report *report, struct error *err)
{
    report->consistency = 0;
    return attempt_run(context, report, steps, err);
}
