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
#include "tests/poolsim/attach.h"
#include "tests/poolsim/decompressor.h"
#include "tests/poolsim/handler.h"
#include "tests/poolsim/handler_vdi.h"
#include "tests/poolsim/handler_vm.h"
#include "tests/poolsim/import_objects.h"
#include "tests/poolsim/store.h"
#include "tests/poolsim/stream.h"
#include "tests/poolsim/task.h"
#include "tests/poolsim/xva_reader.h"

#include "common/base/poison.h"

#define TICK_MS    10000
#define HEAD_BYTES 512
#define BARE(status)                                                                               \
    "HTTP/1.1 " status "\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\n\r\n"

struct import_job {
    struct connection *connection;
    struct request *request;
    struct handler_context context;
    struct stream *stream;
    struct source source; /* of the archive, unpacked, behind its first 512 bytes */
    struct decompressor *decompressor;
    struct import import;
    uint64_t done_bytes, all_bytes;
    uint64_t done_before; /* of the disks before this one */
    int64_t next_tick_ms;
    struct failure failure;
};

static int read_stream(void *context, void *bytes, size_t n, size_t *ret_n)
{
    return stream_read(context, bytes, n, ret_n);
}

/* --- errors --- */

/* What XAPI makes of an error of the archive. */
static void set_failure(struct import_job *job, const struct error *err)
{
    struct failure *failure = &job->failure;
    const char *sys = err->sys == EPIPE ? "EPIPE" : "ECONNRESET";
    CLEAN_CHAR char *inner = str_format("INTERNAL_ERROR: [ %s ]", err->text);
    CLEAN_CHAR char *lost =
        str_format("INTERNAL_ERROR: [ Unix.Unix_error(Unix.%s, \"read\", \"\") ]", sys);
    if (failure_is_set(failure))
        return;
    if (err->code == ERROR_SHORT)
        (void)failure_set(failure, "IMPORT_ERROR_PREMATURE_EOF", NULL);
    else if (err->code == ERROR_LOST)
        (void)failure_set(failure, "IMPORT_ERROR", lost, NULL);
    else if (err->code == ERROR_CORRUPT)
        (void)failure_set(failure, "IMPORT_ERROR", inner, NULL);
    else
        (void)failure_set(failure, "VDI_IO_ERROR", "Device I/O error", NULL);
}

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
    set_failure(job, err);
    if (wanted) {
        handler_end_as_told(&job->context, wanted);
        http_close(job->connection, false);
    } else {
        handler_fail_in_body(job->connection, &job->context, &job->failure);
    }
}

/* Behind a bare status line: the task failed and the page. */
static void refuse(struct import_job *job, const char *bare)
{
    (void)http_write_format(job->connection, "%s", bare);
    handler_fail_in_body(job->connection, &job->context, &job->failure);
}

/* --- reading --- */

/* ova.xml, plain or packed; leaves the source behind it. */
static int read_ova(struct import_job *job, struct xva_reader *reader, struct str *xml,
                    struct error *err)
{
    unsigned char head[HEAD_BYTES];
    const struct source raw = {read_stream, job->stream};
    struct xva_member member;
    job->source = raw;
    /* A length of 0 is not honoured: XAPI waits for bytes until the client closes (1427). */
    if (job->request->has_length && job->request->content_length == 0)
        handler_be_silent(job->connection, job->context.pool);
    if (source_read_all(&raw, head, sizeof head, err) != 0)
        return -1;
    bool is_plain =
        xva_parse_header(head, &member, NULL) == 0 && strcmp(member.name, "ova.xml") == 0;
    if (!is_plain) {
        if (decompressor_new(head, sizeof head, &job->source, &job->decompressor, err) != 0)
            return -1;
        xva_reader_init(reader, decompressor_source(job->decompressor));
        if (xva_read_header(reader, &member, err) != 0)
            return -1;
    } else {
        xva_reader_init(reader, raw);
    }
    if (strcmp(member.name, "ova.xml") != 0) {
        (void)failure_set(&job->failure, "IMPORT_ERROR_UNEXPECTED_FILE", "ova.xml", member.name,
                          NULL);
        return error_set(err, ERROR_XAPI, "unexpected file");
    }
    return xva_read_text(reader, &member, xml, err);
}

static int step(void *context, uint64_t offset, struct error *err)
{
    struct import_job *job = context;
    double done = (double)(job->done_before + offset);
    if (pool_now_ms() < job->next_tick_ms)
        return 0;
    job->next_tick_ms = pool_now_ms() + TICK_MS;
    if (!handler_progress(&job->context, done / (double)(job->all_bytes + 1)))
        return error_set(err, ERROR_CANCELLED, "cancelled");
    return 0;
}

static int read_disk(struct import_job *job, struct xva_reader *reader,
                     const struct import_disk *disk, struct error *err)
{
    struct pool *pool = job->context.pool;
    CLEAN_DISK struct disk *bytes = disks_find(pool->disks, disk->vdi_uuid);
    char vbd_ref[REF_MAX];
    if (!bytes)
        return error_set(err, ERROR_IO, "the disk has no bytes");
    pool_lock(pool);
    attach_to_dom0(job->context.host, disk->vdi_ref, false, vbd_ref);
    pool_unlock(pool);
    int failed = xva_read_disk(reader, bytes, disk->size_bytes, disk->id, step, job, err);
    pool_lock(pool);
    attach_end(pool, vbd_ref);
    pool_unlock(pool);
    job->done_before += disk->size_bytes;
    return failed;
}

static int read_disks(struct import_job *job, struct xva_reader *reader, struct error *err)
{
    reader->checks_sums = job->import.has_inline_sums;
    reader->is_forced = job->import.is_forced || !job->import.has_inline_sums;
    for (size_t i = 0; i < job->import.disks_n; i++)
        job->all_bytes += job->import.disks[i].size_bytes;
    for (size_t i = 0; i < job->import.disks_n; i++)
        if (read_disk(job, reader, &job->import.disks[i], err) != 0)
            return -1;
    if (!handler_progress(&job->context, 1.0))
        return error_set(err, ERROR_CANCELLED, "cancelled");
    return 0;
}

static int make_objects(struct import_job *job, const struct str *xml, struct error *err)
{
    struct pool *pool = job->context.pool;
    pool_lock(pool);
    int failed = import_parse(&job->import, xml, &job->failure) != 0 ||
                 import_make(&job->import, &job->failure) != 0;
    struct object *task = store_find(pool, CLASS_task, job->context.task_ref);
    if (!failed && task && job->import.sr_ref[0] != '\0')
        object_map_put(pool, task, F_task_other_config, "object_creation", "complete");
    pool_unlock(pool);
    return failed ? error_set(err, ERROR_XAPI, "refused") : 0;
}

static int read_archive(struct import_job *job, struct error *err)
{
    struct xva_reader reader;
    CLEAN_STR struct str xml = STR_INIT;
    if (read_ova(job, &reader, &xml, err) != 0 || make_objects(job, &xml, err) != 0)
        return -1;
    if (read_disks(job, &reader, err) == 0)
        return 0;
    pool_lock(job->context.pool);
    import_undo(&job->import);
    pool_unlock(job->context.pool);
    return -1;
}

static void answer(struct import_job *job, const char *kind)
{
    struct error err = ERROR_INIT;
    struct pool *pool = job->context.pool;
    bool is_full = job->import.sr_ref[0] != '\0';
    (void)str_copy(job->import.task_ref, sizeof job->import.task_ref, job->context.task_ref);
    job->stream = stream_begin(job->connection, job->request, kind, job->import.sr_ref);
    job->next_tick_ms = pool_now_ms() + TICK_MS;
    int failed = http_write_format(job->connection,
                                   "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                                   "Cache-Control: no-cache, no-store\r\ntask-id:%s\r\n"
                                   "content-type: application/octet-stream\r\n\r\n",
                                   job->context.task_ref);
    failed = failed ? error_set_sys(&err, ERROR_LOST, errno, "write the header")
                    : read_archive(job, &err);
    if (failed) {
        end_failed(job, &err);
        return;
    }
    pool_lock(pool);
    CLEAN_CHAR char *result = import_finish(&job->import);
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
    decompressor_free(&job->decompressor);
    import_done(&job->import);
    failure_done(&job->failure);
}

static void init_flags(struct import_job *job)
{
    const char *restore = request_query(job->request, "restore");
    const char *force = request_query(job->request, "force");
    const char *dry_run = request_query(job->request, "dry_run");
    job->import.pool = job->request->pool;
    job->import.is_restore = str_equal(restore, "true");
    job->import.is_forced = str_equal(force, "true");
    job->import.is_dry_run = str_equal(dry_run, "true");
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
        (void)str_copy(job->import.sr_ref, sizeof job->import.sr_ref, object_ref(sr));
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
    if (is_iso_sr(job->context.pool, job->import.sr_ref)) {
        (void)failure_set(&job->failure, "SR_OPERATION_NOT_SUPPORTED", NULL);
        refuse(job, BARE("400 Bad Request"));
    } else if (job->request->is_chunked) {
        (void)failure_set(&job->failure, "IMPORT_ERROR_CANNOT_HANDLE_CHUNKED", NULL);
        refuse(job, BARE("403 Forbidden"));
    } else {
        answer(job, "import");
    }
}

void handler_import(struct connection *connection, struct request *request)
{
    struct import_job job = {.connection = connection, .request = request, .failure = FAILURE_INIT};
    if (handler_authenticate(connection, request, "http/put_import", &job.context) != 0)
        return;
    init_flags(&job);
    job.import.is_dry_run = false;
    if (find_sr(&job) == 0 &&
        handler_choose_host_of_sr(connection, request, job.import.sr_ref) == 1)
        run_import(&job);
    job_done(&job);
}

/* --- /import_metadata --- */

void handler_import_metadata(struct connection *connection, struct request *request)
{
    static const char prefix[] = "vdi:";
    struct import_job job = {.connection = connection, .request = request, .failure = FAILURE_INIT};
    if (handler_authenticate(connection, request, "http/put_import_metadata", &job.context) != 0)
        return;
    init_flags(&job);
    for (size_t i = 0; i < request->query.n; i++)
        if (str_starts(request->query.pairs[i].key, prefix))
            text_map_set(&job.import.vdi_map, request->query.pairs[i].key + strlen(prefix),
                         request->query.pairs[i].value);
    if (handler_begin_task(connection, &job.context, "VM.metadata_import") == 0)
        answer(&job, "import_metadata");
    job_done(&job);
}
