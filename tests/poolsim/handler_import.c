/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * PUT /import: an XVA becomes a VM. PUT /import_metadata: its records alone, disks must be there.
 *
 * 200 goes out before the body is read; failures come as a page behind it, and the task has the
 * truth. The two zero blocks of a plain archive are never read, so the connection ends with a
 * reset when they came: that is normal (recordings 591, 1353).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "tests/poolsim/handler.h"
#include "tests/poolsim/handler_vdi.h"
#include "tests/poolsim/handler_vm.h"
#include "tests/poolsim/import_archive.h"
#include "tests/poolsim/store.h"
#include "tests/poolsim/stream.h"
#include "tests/poolsim/task.h"

#include "common/base/poison.h"

#define HEAD_BYTES 512
#define BARE(status)                                                                               \
    "HTTP/1.1 " status "\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\n\r\n"

struct import_job {
    struct connection *connection;
    struct request *request;
    struct handler_context context;
    struct stream *stream;
    struct import_archive archive;
};

static int read_stream(void *context, void *bytes, size_t n, size_t *ret_n)
{
    return stream_read(context, bytes, n, ret_n);
}

/* --- errors --- */

static void end_failed(struct import_job *job, const struct error *err)
{
    const char *const *wanted = err->code == ERROR_LOST ? stream_finish(job->stream) : NULL;
    if (err->code == ERROR_CANCELLED) {
        CLEAN_CHAR char *text = str_format("TASK_CANCELLED: [ %s ]", job->context.task_ref);
        handler_cancelled(&job->context);
        http_append_error(job->connection, text);
        http_close(job->connection, true);
        return;
    }
    import_archive_set_failure(&job->archive, err);
    if (wanted) {
        handler_end_as_told(&job->context, wanted);
        http_close(job->connection, false);
    } else {
        handler_fail_in_body(job->connection, &job->context, &job->archive.failure);
    }
}

/* Behind a bare status line: the task failed and the page. */
static void refuse(struct import_job *job, const char *bare)
{
    (void)http_write_format(job->connection, "%s", bare);
    handler_fail_in_body(job->connection, &job->context, &job->archive.failure);
}

static void answer(struct import_job *job, const char *kind)
{
    struct error err = ERROR_INIT;
    struct pool *pool = job->context.pool;
    bool is_full = job->archive.import.sr_ref[0] != '\0';
    (void)str_copy(job->archive.import.task_ref, sizeof job->archive.import.task_ref,
                   job->context.task_ref);
    job->stream = stream_begin(job->connection, job->request, kind, job->archive.import.sr_ref);
    job->archive.context = &job->context;
    job->archive.source = (struct source){read_stream, job->stream};
    int failed = http_write_format(job->connection,
                                   "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                                   "Cache-Control: no-cache, no-store\r\ntask-id:%s\r\n"
                                   "content-type: application/octet-stream\r\n\r\n",
                                   job->context.task_ref);
    /* A length of 0 is not honoured: XAPI waits for bytes until the client closes (1427). */
    if (!failed && job->request->has_length && job->request->content_length == 0)
        handler_be_silent(job->connection, pool);
    failed = failed ? error_set_sys(&err, ERROR_LOST, errno, "write the header")
                    : import_archive_read(&job->archive, &err);
    if (failed) {
        end_failed(job, &err);
        return;
    }
    pool_lock(pool);
    CLEAN_CHAR char *result = import_finish(&job->archive.import);
    pool_unlock(pool);
    const char *const *wanted = stream_finish(job->stream);
    if (wanted)
        handler_end_as_told(&job->context, wanted);
    else
        handler_complete(&job->context, result);
    /* What was not read of a full import makes the kernel send a reset; metadata are drained. */
    char rest[HEAD_BYTES * 8];
    size_t n = is_full ? 0 : 1;
    while (n > 0 && job->request->has_length &&
           http_read(job->connection, rest, sizeof rest, &n) == 0)
        continue;
    http_close(job->connection, false);
}

static void job_done(struct import_job *job)
{
    stream_end(job->stream);
    import_archive_done(&job->archive);
}

static void init_flags(struct import_job *job)
{
    const char *restore = request_query(job->request, "restore");
    const char *force = request_query(job->request, "force");
    const char *dry_run = request_query(job->request, "dry_run");
    job->archive.import.pool = job->request->pool;
    job->archive.import.is_restore = str_equal(restore, "true");
    job->archive.import.is_forced = str_equal(force, "true");
    job->archive.import.is_dry_run = str_equal(dry_run, "true");
}

/* --- /import --- */

/* The task of the request fails before anybody took it over; 500 goes out. */
static int fail_sr(struct import_job *job, const char *reason, const char *page)
{
    struct pool *pool = job->request->pool;
    const char *task_ref = request_cookie_or_query(job->request, "task_id");
    const char *const params[] = {"RBAC_PERMISSION_DENIED", "http/put_import", reason, NULL};
    pool_lock(pool);
    if (task_ref && store_find(pool, CLASS_task, task_ref))
        task_fail(pool, task_ref, params);
    pool_unlock(pool);
    http_reply_error(job->connection, job->request, 500, page);
    return -1;
}

/* The target: sr_id, sr_uuid or the pool's default. */
static int find_sr(struct import_job *job)
{
    struct pool *pool = job->request->pool;
    const char *ref = request_cookie_or_query(job->request, "sr_id");
    const char *uuid = request_cookie_or_query(job->request, "sr_uuid");
    CLEAN_CHAR char *default_ref = NULL;
    pool_lock(pool);
    const struct object *record = store_find(pool, CLASS_pool, pool->pool_ref);
    default_ref = mem_dup(record ? object_text(record, F_pool_default_SR) : REF_NULL);
    const struct object *sr = ref    ? store_find(pool, CLASS_SR, ref)
                              : uuid ? store_find_uuid(pool, CLASS_SR, uuid)
                                     : store_find(pool, CLASS_SR, default_ref);
    if (sr)
        (void)str_copy(job->archive.import.sr_ref, sizeof job->archive.import.sr_ref,
                       object_ref(sr));
    pool_unlock(pool);
    if (sr)
        return 0;
    if (ref)
        return fail_sr(job, "NO_HOSTS_AVAILABLE: [  ]", "NO_HOSTS_AVAILABLE: [  ]");
    CLEAN_CHAR char *reason = uuid ? str_format("UUID_INVALID: [ SR; %s ]", uuid)
                                   : str_format("DEFAULT_SR_NOT_FOUND: [ %s ]", default_ref);
    CLEAN_CHAR char *page =
        uuid ? str_format("Db_exn.Read_missing_uuid(\"SR\", \"\", \"%s\")", uuid) : mem_dup(reason);
    return fail_sr(job, reason, page);
}

static bool is_iso_sr(struct pool *pool, const char *sr_ref)
{
    pool_lock(pool);
    const struct object *sr = store_find(pool, CLASS_SR, sr_ref);
    bool is_iso = sr && strcmp(object_text(sr, F_SR_content_type), "iso") == 0;
    pool_unlock(pool);
    return is_iso;
}

static void run_import(struct import_job *job)
{
    if (handler_begin_task(job->connection, &job->context, "VM.import") != 0)
        return;
    (void)handler_progress(&job->context, 0.0);
    if (is_iso_sr(job->context.pool, job->archive.import.sr_ref)) {
        (void)failure_set(&job->archive.failure, "SR_OPERATION_NOT_SUPPORTED", NULL);
        refuse(job, BARE("400 Bad Request"));
    } else if (job->request->is_chunked) {
        (void)failure_set(&job->archive.failure, "IMPORT_ERROR_CANNOT_HANDLE_CHUNKED", NULL);
        refuse(job, BARE("403 Forbidden"));
    } else {
        answer(job, "import");
    }
}

void handler_import(struct connection *connection, struct request *request)
{
    struct import_job job = {
        .connection = connection, .request = request, .archive.failure = FAILURE_INIT};
    if (handler_authenticate(connection, request, "http/put_import", &job.context) != 0)
        return;
    init_flags(&job);
    job.archive.import.is_dry_run = false;
    if (find_sr(&job) == 0 &&
        handler_choose_host_of_sr(connection, request, job.archive.import.sr_ref) == 1)
        run_import(&job);
    job_done(&job);
}

/* --- /import_metadata --- */

void handler_import_metadata(struct connection *connection, struct request *request)
{
    static const char prefix[] = "vdi:";
    struct import_job job = {
        .connection = connection, .request = request, .archive.failure = FAILURE_INIT};
    if (handler_authenticate(connection, request, "http/put_import_metadata", &job.context) != 0)
        return;
    init_flags(&job);
    for (size_t i = 0; i < request->query.n; i++)
        if (str_starts(request->query.pairs[i].key, prefix))
            text_map_set(&job.archive.import.vdi_map, request->query.pairs[i].key + strlen(prefix),
                         request->query.pairs[i].value);
    if (handler_begin_task(connection, &job.context, "VM.metadata_import") == 0)
        answer(&job, "import_metadata");
    job_done(&job);
}
