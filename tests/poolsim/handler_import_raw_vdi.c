/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * PUT /import_raw_vdi: raw bytes, a VHD or a QCOW2 (also of differences, over what is there) or a tar onto
 * an existing VDI; raw with a length makes a new one.
 *
 * 200 goes out before the body is read. A failure behind it is a bare 400 and a page, both inside
 * the reply (recording 586).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "tests/poolsim/attach.h"
#include "tests/poolsim/handler_vdi.h"
#include "tests/poolsim/make_vdi.h"
#include "tests/poolsim/qcow2.h"
#include "tests/poolsim/store.h"
#include "tests/poolsim/stream.h"
#include "tests/poolsim/task.h"
#include "tests/poolsim/vhd_reader.h"
#include "tests/poolsim/xva_reader.h"

#include "common/base/poison.h"

#define CHUNK_BYTES (UINT64_C(1) << 20)
#define BARE_400                                                                                   \
    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\n\r\n"

struct import_job {
    struct connection *connection;
    struct handler_context context;
    struct stream *stream;
    enum disk_format format;
    char vdi_ref[REF_MAX], vdi_uuid[DISK_UUID_MAX], sr_ref[REF_MAX];
    bool has_vdi, is_block_device;
    struct failure failure;
};

static int read_stream(void *context, void *bytes, size_t n, size_t *ret_n)
{
    return stream_read(context, bytes, n, ret_n);
}

/* Zeros where nothing is allocated are not written: the disk stays as sparse as vhd-tool leaves it
 * (recording 705). */
static bool is_hole(struct disk *disk, uint64_t at, const unsigned char *bytes, size_t n)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0 && !disk_has_data(disk, at, n);
}

/* So many bytes as were announced, or as the disk has; a longer body is an error of the device. */
static int read_raw(struct import_job *job, const struct request *request,
                    const struct source *source, struct disk *disk, struct error *err)
{
    uint64_t size = disk_size(disk);
    uint64_t length = request->has_length ? request->content_length : size;
    unsigned char *bytes = mem_try(CHUNK_BYTES, err);
    int failed = bytes ? 0 : -1;
    for (uint64_t at = 0; !failed && at < length; at += CHUNK_BYTES) {
        uint64_t left = length - at;
        size_t n = (size_t)(left < CHUNK_BYTES ? left : CHUNK_BYTES);
        failed = source_read_all(source, bytes, n, err);
        if (failed || at >= size) {
            if (!failed && job->is_block_device)
                failed = error_set(err, ERROR_LIMIT, "the body is longer than the device");
            continue;
        }
        size_t inside = size - at < n ? (size_t)(size - at) : n;
        if (!is_hole(disk, at, bytes, inside))
            failed = disk_write(disk, at, bytes, inside, err);
        (void)handler_progress(&job->context, (double)at / (double)length);
    }
    free(bytes);
    return failed;
}

static int read_tar(const struct source *source, struct disk *disk, struct error *err)
{
    struct xva_reader reader;
    xva_reader_init(&reader, *source);
    return xva_read_disk(&reader, disk, disk_size(disk), "vdi", NULL, NULL, err);
}

static int read_body(struct import_job *job, const struct request *request, struct error *err)
{
    const struct source source = {read_stream, job->stream};
    struct pool *pool = job->context.pool;
    CLEAN_DISK struct disk *disk = disks_find(pool->disks, job->vdi_uuid);
    char vbd_ref[REF_MAX];
    int failed;
    if (!disk)
        return error_set(err, ERROR_IO, "the disk has no bytes");
    pool_lock(pool);
    attach_to_dom0(job->context.host, job->vdi_ref, false, vbd_ref);
    pool_unlock(pool);
    if (job->format == FORMAT_VHD)
        failed = vhd_read(&source, disk, NULL, err);
    else if (job->format == FORMAT_QCOW2)
        failed = qcow2_read(&source, disk, err);
    else if (job->format == FORMAT_TAR)
        failed = read_tar(&source, disk, err);
    else
        failed = read_raw(job, request, &source, disk, err);
    pool_lock(pool);
    attach_end(pool, vbd_ref);
    pool_unlock(pool);
    return failed;
}

static void end_failed(struct import_job *job, const struct error *err)
{
    if (job->format == FORMAT_TAR && err->code == ERROR_CORRUPT)
        (void)failure_set(&job->failure, "INTERNAL_ERROR", err->text, NULL);
    else if (job->format == FORMAT_TAR && err->code == ERROR_SHORT)
        (void)failure_set(&job->failure, "INTERNAL_ERROR", "End_of_file", NULL);
    else
        (void)failure_set(&job->failure, "VDI_IO_ERROR", "Device I/O errors", NULL);
    CLEAN_CHAR char *text = failure_format(&job->failure);
    handler_fail(&job->context, failure_params(&job->failure));
    (void)http_write_format(job->connection, BARE_400);
    http_append_error(job->connection, text);
    http_close(job->connection, false);
}

static void answer(struct import_job *job, struct request *request)
{
    struct error err = ERROR_INIT;
    CLEAN_CHAR char *result = str_format("<value>%s</value>", job->vdi_ref);
    job->stream = stream_begin(job->connection, request, "import_raw_vdi", job->vdi_ref);
    int failed = http_write_format(job->connection,
                                   "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                                   "Cache-Control: no-cache, no-store\r\ntask-id:%s\r\n"
                                   "content-type: application/octet-stream\r\n\r\n",
                                   job->context.task_ref);
    if (failed)
        (void)error_set_sys(&err, ERROR_LOST, errno, "write the header");
    else
        failed = read_body(job, request, &err);
    const char *const *wanted = stream_finish(job->stream);
    if (wanted)
        handler_end_as_told(&job->context, wanted);
    else if (!failed)
        handler_complete(&job->context, result);
    if (failed && !wanted)
        end_failed(job, &err);
    else
        http_close(job->connection, false);
    stream_end(job->stream);
}

/* Task failed so, and the bare status line that goes with it. */
static void refuse(struct import_job *job, const char *status, const char *text)
{
    const char *const params[] = {"INTERNAL_ERROR", text, NULL};
    handler_fail(&job->context, params);
    (void)http_write_format(job->connection,
                            "HTTP/1.0 %s\r\nConnection: close\r\n"
                            "Cache-Control: no-cache, no-store\r\n\r\n",
                            status);
    http_close(job->connection, false);
}

static int make_new_vdi(struct import_job *job, const struct request *request)
{
    struct pool *pool = job->context.pool;
    struct object *vdi = NULL;
    pool_lock(pool);
    int failed =
        make_vdi(pool, job->sr_ref, "Imported VDI", request->content_length, &vdi, &job->failure);
    if (!failed) {
        (void)str_copy(job->vdi_ref, sizeof job->vdi_ref, object_ref(vdi));
        (void)str_copy(job->vdi_uuid, sizeof job->vdi_uuid, object_uuid(vdi));
    }
    pool_unlock(pool);
    return failed;
}

static void run(struct import_job *job, struct request *request)
{
    const char *format_text = request_query(request, "format");
    if (handler_begin_task(job->connection, &job->context, "Importing raw VDI") != 0)
        return;
    job->format = handler_disk_format(request);
    if (job->format == FORMAT_UNKNOWN) {
        handler_refuse_format(job->connection, &job->context, format_text ? format_text : "");
    } else if (request->is_chunked) {
        refuse(job, "404 Not Found", "Cannot handle encoding: chunked");
    } else if (!job->has_vdi && job->format == FORMAT_VHD) {
        refuse(job, "400 Bad Request", "Importing a VHD directly into an SR not yet supported");
    } else if (!job->has_vdi && job->format == FORMAT_QCOW2) {
        refuse(job, "400 Bad Request", "Importing a QCOW2 directly into an SR not yet supported");
    } else if (!job->has_vdi && (job->format != FORMAT_RAW || !request->has_length)) {
        refuse(job, "400 Bad Request", "Not enough info supplied to import");
    } else if (!job->has_vdi && make_new_vdi(job, request) != 0) {
        CLEAN_CHAR char *text = failure_format(&job->failure);
        handler_fail(&job->context, failure_params(&job->failure));
        (void)http_write_format(job->connection, BARE_400);
        http_append_error(job->connection, text);
        http_close(job->connection, false);
    } else {
        answer(job, request);
    }
}

/* The task that the request names fails with this, and a bare 400 goes out. */
static void fail_unlocked(struct import_job *job, struct request *request,
                          const char *const *params)
{
    const char *task_ref = request_cookie_or_query(request, "task_id");
    pool_lock(request->pool);
    if (task_ref && store_find(request->pool, CLASS_task, task_ref))
        task_fail(request->pool, task_ref, params);
    pool_unlock(request->pool);
    (void)http_write_format(job->connection, BARE_400);
    http_close(job->connection, false);
}

/* The SR of the VDI, or the one that is named: 1, 0 none, -1 answered. */
static int find_sr(struct import_job *job, struct request *request)
{
    struct pool *pool = request->pool;
    const char *ref = request_cookie_or_query(request, "sr_id");
    const char *uuid = request_cookie_or_query(request, "sr_uuid");
    pool_lock(pool);
    const struct object *vdi = job->has_vdi ? store_find(pool, CLASS_VDI, job->vdi_ref) : NULL;
    const struct object *sr = vdi ? object_follow(pool, vdi, F_VDI_SR) : NULL;
    if (!vdi && (ref || uuid))
        sr = ref ? store_find(pool, CLASS_SR, ref) : store_find_uuid(pool, CLASS_SR, uuid);
    if (sr)
        (void)str_copy(job->sr_ref, sizeof job->sr_ref, object_ref(sr));
    if (vdi) {
        (void)str_copy(job->vdi_uuid, sizeof job->vdi_uuid, object_uuid(vdi));
        job->is_block_device = attach_is_vhd_backed(pool, job->vdi_ref) ||
                               attach_is_qcow2_backed(pool, job->vdi_ref);
    }
    pool_unlock(pool);
    if (sr)
        return 1;
    if (!vdi && !ref && !uuid)
        return 0;
    const char *name = ref ? ref : uuid ? uuid : job->vdi_ref;
    const char *const params[] = {"UUID_INVALID", "SR", name, NULL};
    CLEAN_CHAR char *text = str_format("Db_exn.Read_missing_uuid(\"SR\", \"\", \"%s\")", name);
    fail_unlocked(job, request, params);
    http_append_error(job->connection, text);
    return -1;
}

void handler_import_raw_vdi(struct connection *connection, struct request *request)
{
    static const char permission[] = "http/put_import_raw_vdi";
    static const char *const missing[] = {"VDI_MISSING", NULL};
    struct import_job job = {.connection = connection, .failure = FAILURE_INIT};
    if (handler_authenticate(connection, request, permission, &job.context) != 0)
        return;
    int found = handler_vdi_of_request(connection, request, permission, job.vdi_ref);
    if (found < 0)
        return;
    job.has_vdi = found == 1;
    found = find_sr(&job, request);
    if (found == 0)
        fail_unlocked(&job, request, missing);
    else if (found == 1 && handler_choose_host_of_sr(connection, request, job.sr_ref) == 1)
        run(&job, request);
    failure_done(&job.failure);
}
