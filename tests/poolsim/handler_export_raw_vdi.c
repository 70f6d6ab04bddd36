/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GET /export_raw_vdi: one disk, as raw bytes, VHD, QCOW2 or tar, all of it or what differs from base.
 *
 * 200 goes out before anything is attached. vhd-tool does the rest: it ignores task.cancel, fails
 * with one error for everything, and hangs for ever where its source ends early.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "tests/poolsim/attach.h"
#include "tests/poolsim/handler_vdi.h"
#include "tests/poolsim/qcow2.h"
#include "tests/poolsim/store.h"
#include "tests/poolsim/stream.h"
#include "tests/poolsim/vhd_writer.h"
#include "tests/poolsim/xva_writer.h"

#include "common/base/poison.h"

#define STAMP_EPOCH_S    946684800 /* 2000-01-01, where VHD's time begins */
#define CHUNK_BYTES      (UINT64_C(1) << 20)
#define PROGRESS_EACH_MS 1000

struct raw_job {
    struct connection *connection;
    struct handler_context context;
    struct stream *stream;
    enum disk_format format;
    char vdi_ref[REF_MAX], vdi_uuid[DISK_UUID_MAX];
    char base_ref[REF_MAX], base_uuid[DISK_UUID_MAX], base_path[VHD_PATH_MAX];
    bool has_base, is_vhd_backed, is_qcow2_backed;
    uint64_t size_bytes;
    struct stream_source source;
    int64_t next_progress_ms;
    struct failure failure; /* of ERROR_XAPI */
};

static int sink_to_stream(void *context, const void *bytes, size_t n)
{
    return stream_write(context, bytes, n);
}

static int step(void *context, uint64_t offset, struct error *err)
{
    struct raw_job *job = context;
    bool is_at = offset + CHUNK_BYTES > job->source.at_byte;
    if (handler_is_forgotten(&job->context))
        return error_set(err, ERROR_INTERRUPTED, "the toolstack was restarted");
    if (job->source.fault == SOURCE_SHORT && is_at)
        return error_set(err, ERROR_SHORT, "End_of_file");
    if (job->source.fault == SOURCE_EIO && is_at)
        return error_set_sys(err, ERROR_IO, EIO, "read");
    if (job->source.fault == SOURCE_CHILD_KILLED && is_at)
        return error_set(err, ERROR_DIED, "vhd-tool was killed");
    if (pool_now_ms() >= job->next_progress_ms && job->size_bytes > 0) {
        job->next_progress_ms = pool_now_ms() + PROGRESS_EACH_MS;
        (void)handler_progress(&job->context, (double)offset / (double)job->size_bytes);
    }
    return 0;
}

static int write_chunk(struct raw_job *job, struct disk *disk, struct disk *base, uint64_t at,
                       unsigned char *bytes, struct error *err)
{
    uint64_t left = job->size_bytes - at;
    size_t n = (size_t)(left < CHUNK_BYTES ? left : CHUNK_BYTES);
    /* Raw with a base: what did not change comes as zeros (recording 728). */
    if (base && !disk_cluster_differs(disk, base, at / DISK_CLUSTER_BYTES))
        memset(bytes, 0, n);
    else if (disk_read(disk, at, bytes, n, err) != 0)
        return -1;
    if (stream_write(job->stream, bytes, n) == 0)
        return 0;
    return error_set_sys(err, ERROR_LOST, errno, "write the disk");
}

static int send_raw(struct raw_job *job, struct disk *disk, struct disk *base, struct error *err)
{
    unsigned char *bytes = mem_try(CHUNK_BYTES, err);
    int failed = bytes ? 0 : -1;
    for (uint64_t at = 0; !failed && at < job->size_bytes; at += CHUNK_BYTES) {
        failed = step(job, at, err);
        if (!failed)
            failed = write_chunk(job, disk, base, at, bytes, err);
    }
    free(bytes);
    return failed;
}

static int send_vhd(struct raw_job *job, struct disk *disk, struct disk *base, struct error *err)
{
    const struct sink sink = {sink_to_stream, job->stream};
    struct vhd_request request = {.disk = disk,
                                  .base = base,
                                  .is_raw_backed = !job->is_vhd_backed,
                                  .step = step,
                                  .step_context = job};
    int64_t now_s = clock_wall_ms(clock_system()) / 1000;
    request.parent_stamp = (uint32_t)(now_s - STAMP_EPOCH_S);
    random_fill(job->context.pool->random, request.uuid, sizeof request.uuid);
    (void)str_copy(request.base_path, sizeof request.base_path, job->base_path);
    return vhd_write(&sink, &request, err);
}

static int send_qcow2(struct raw_job *job, struct disk *disk, struct disk *base,
                      struct error *err)
{
    const struct sink sink = {sink_to_stream, job->stream};
    const struct qcow2_request request = {.disk = disk,
                                          .base = base,
                                          .is_qcow2_backed = job->is_qcow2_backed,
                                          .step = step,
                                          .step_context = job};
    return qcow2_write(&sink, &request, err);
}

static int send_tar(struct raw_job *job, struct disk *disk, struct error *err)
{
    const struct sink sink = {sink_to_stream, job->stream};
    const struct profile *profile = job->context.pool->profile;
    const struct xva_style style = {.has_xxhash = profile->has_xxhash,
                                    .sends_clusters =
                                        profile->id >= PROFILE_XS8 && job->is_vhd_backed,
                                    .sends_keepalives = profile->sends_keepalives};
    if (xva_write_disk(&sink, disk, "vdi/", &style, step, job, err) != 0)
        return -1;
    return xva_write_end(&sink, err);
}

/* No VBD is made for a disk whose data were destroyed: only its changed blocks are known. */
static bool refuses_metadata(struct raw_job *job, const struct object *vdi)
{
    if (strcmp(object_text(vdi, F_VDI_type), "cbt_metadata") != 0)
        return false;
    (void)failure_set(&job->failure, "VDI_INCOMPATIBLE_TYPE", object_ref(vdi), "CBT metadata",
                      NULL);
    return true;
}

/* Before the bytes: what XAPI refuses behind its 200. */
static int check(struct raw_job *job, struct error *err)
{
    CLEAN_CHAR char *limit = str_format("%llu", (unsigned long long)VHD_MAX_BYTES);
    CLEAN_CHAR char *not_there =
        str_format("The VDI is not available [opterr=VDI %s not detached cleanly]", job->vdi_uuid);
    if (job->format == FORMAT_VHD && job->size_bytes > VHD_MAX_BYTES)
        (void)failure_set(&job->failure, "VDI_TOO_LARGE", job->vdi_ref, limit, NULL);
    else if (job->source.fault == SOURCE_ATTACH_FAILS)
        (void)failure_set(&job->failure, "SR_BACKEND_FAILURE_46", "", not_there, "", NULL);
    pool_lock(job->context.pool);
    const struct object *vdi = store_find(job->context.pool, CLASS_VDI, job->vdi_ref);
    if (vdi && !failure_is_set(&job->failure))
        (void)refuses_metadata(job, vdi);
    pool_unlock(job->context.pool);
    if (failure_is_set(&job->failure))
        return error_set(err, ERROR_XAPI, "refused");
    return 0;
}

/* base= is looked at once the disk is attached: its errors have texts of their own. */
static int find_base(struct raw_job *job, struct request *request, struct error *err)
{
    const char *text = request_query(request, "base");
    text = text ? text : request_cookie(request, "base");
    job->has_base = text && job->format != FORMAT_TAR;
    if (!job->has_base)
        return 0;
    struct pool *pool = request->pool;
    pool_lock(pool);
    const struct object *base = store_find_any(pool, CLASS_VDI, text);
    if (base) {
        const struct object *sr = object_follow(pool, base, F_VDI_SR);
        CLEAN_CHAR char *path =
            str_format("/dev/sr/%s/%s.vhd", sr ? object_uuid(sr) : "", object_uuid(base));
        (void)str_copy(job->base_ref, sizeof job->base_ref, object_ref(base));
        (void)str_copy(job->base_uuid, sizeof job->base_uuid, object_uuid(base));
        (void)str_copy(job->base_path, sizeof job->base_path, path);
    }
    if (base && refuses_metadata(job, base)) {
        pool_unlock(pool);
        return error_set(err, ERROR_XAPI, "refused");
    }
    /* QCOW2 compares bytes, whatever they stand in. */
    bool is_usable =
        base && (job->format == FORMAT_QCOW2 ||
                 (job->is_vhd_backed && attach_is_vhd_backed(pool, job->base_ref)));
    pool_unlock(pool);
    if (!base)
        return error_set(err, ERROR_NOT_FOUND, "Db_exn.Read_missing_uuid(\"VDI\", \"\", \"%s\")",
                         text);
    if (!is_usable)
        return error_set(err, ERROR_UNSUPPORTED,
                         "Failure(\"Cannot compute differences on non-VHD images\")");
    return 0;
}

static int send_attached(struct raw_job *job, struct request *request, struct error *err)
{
    CLEAN_DISK struct disk *disk = disks_find(job->context.pool->disks, job->vdi_uuid);
    CLEAN_DISK struct disk *base = NULL;
    if (find_base(job, request, err) != 0)
        return -1;
    base = job->has_base ? disks_find(job->context.pool->disks, job->base_uuid) : NULL;
    if (!disk || (job->has_base && !base))
        return error_set(err, ERROR_IO, "the disk has no bytes");
    if (job->format == FORMAT_VHD)
        return send_vhd(job, disk, base, err);
    if (job->format == FORMAT_QCOW2)
        return send_qcow2(job, disk, base, err);
    if (job->format == FORMAT_TAR)
        return send_tar(job, disk, err);
    return send_raw(job, disk, base, err);
}

static int send_disk(struct raw_job *job, struct request *request, struct error *err)
{
    struct pool *pool = request->pool;
    char vbd_ref[REF_MAX];
    job->source = stream_source(job->stream, 0);
    if (check(job, err) != 0)
        return -1;
    pool_lock(pool);
    attach_to_dom0(job->context.host, job->vdi_ref, true, vbd_ref);
    pool_unlock(pool);
    int failed = send_attached(job, request, err);
    if (failed && (err->code == ERROR_SHORT || err->code == ERROR_TIMEOUT))
        handler_be_silent(job->connection, pool);
    pool_lock(pool);
    if (job->source.fault != SOURCE_DETACH_FAILS)
        attach_end(pool, vbd_ref);
    pool_unlock(pool);
    return failed;
}

static void end_failed(struct raw_job *job, const struct error *err)
{
    const char *const *wanted = err->code == ERROR_LOST ? stream_finish(job->stream) : NULL;
    if (wanted || err->code == ERROR_INTERRUPTED) {
        if (wanted)
            handler_end_as_told(&job->context, wanted);
        http_close(job->connection, false);
    } else if (err->code == ERROR_NOT_FOUND || err->code == ERROR_UNSUPPORTED) {
        const char *const params[] = {"INTERNAL_ERROR", err->text, NULL};
        handler_fail(&job->context, params);
        http_append_error(job->connection, err->text);
        http_close(job->connection, false);
    } else {
        if (err->code != ERROR_XAPI)
            (void)failure_set(&job->failure, "VDI_IO_ERROR", "Device I/O errors", NULL);
        handler_fail_in_body(job->connection, &job->context, &job->failure);
    }
}

static int write_head(struct raw_job *job)
{
    static const char *const types[] = {"application/octet-stream", "application/vhd",
                                        "application/x-tar", "application/x-qemu-disk"};
    return http_write_format(job->connection,
                             "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                             "Cache-Control: no-cache, no-store\r\ntask-id:%s\r\n"
                             "content-type:%s\r\n"
                             "content-disposition: attachment; filename=\"%s.%s\"\r\n\r\n",
                             job->context.task_ref, types[job->format], job->vdi_uuid,
                             handler_disk_format_name(job->format));
}

static void answer(struct raw_job *job, struct request *request)
{
    struct error err = ERROR_INIT;
    job->stream = stream_begin(job->connection, request, "export_raw_vdi", job->vdi_ref);
    int failed = write_head(job) != 0 ? error_set_sys(&err, ERROR_LOST, errno, "write the header")
                                      : send_disk(job, request, &err);
    if (failed) {
        end_failed(job, &err);
    } else {
        const char *const *wanted = stream_finish(job->stream);
        if (wanted)
            handler_end_as_told(&job->context, wanted);
        else
            handler_complete(&job->context, "");
        http_close(job->connection, false);
    }
    stream_end(job->stream);
}

/* What the answer needs of the VDI. 0 when it vanished meanwhile. */
static int read_vdi(struct raw_job *job, struct pool *pool, char sr_ref[REF_MAX])
{
    pool_lock(pool);
    const struct object *vdi = store_find(pool, CLASS_VDI, job->vdi_ref);
    if (vdi) {
        (void)str_copy(job->vdi_uuid, sizeof job->vdi_uuid, object_uuid(vdi));
        (void)str_copy(sr_ref, REF_MAX, object_text(vdi, F_VDI_SR));
        job->size_bytes = (uint64_t)object_int(vdi, F_VDI_virtual_size);
        job->is_vhd_backed = attach_is_vhd_backed(pool, job->vdi_ref);
        job->is_qcow2_backed = attach_is_qcow2_backed(pool, job->vdi_ref);
    }
    pool_unlock(pool);
    return vdi ? 1 : 0;
}

void handler_export_raw_vdi(struct connection *connection, struct request *request)
{
    static const char permission[] = "http/get_export_raw_vdi";
    struct raw_job job = {.connection = connection, .failure = FAILURE_INIT};
    char sr_ref[REF_MAX];
    if (handler_authenticate(connection, request, permission, &job.context) != 0)
        return;
    int found = handler_vdi_of_request(connection, request, permission, job.vdi_ref);
    if (found < 0)
        return;
    if (found == 0 || !read_vdi(&job, request->pool, sr_ref)) {
        http_reply_error(connection, request, 500, "Failure(\"Missing vdi query parameter\")");
        return;
    }
    if (handler_choose_host_of_sr(connection, request, sr_ref) == 1 &&
        handler_begin_task(connection, &job.context, "Exporting raw VDI") == 0) {
        job.format = handler_disk_format(request);
        if (job.format == FORMAT_UNKNOWN)
            handler_refuse_format(connection, &job.context, request_query(request, "format"));
        else
            answer(&job, request);
    }
    failure_done(&job.failure);
}
