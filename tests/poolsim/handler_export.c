/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GET /export: one VM as an XVA, on the host that sees all its SRs.
 *
 * The order of the steps is XAPI's: who asks, where it runs (302, or no answer at all), the task,
 * the VM's lock, 200, ova.xml, disk after disk. What goes wrong behind the 200 shows in the bytes
 * as it does there: nothing at all for a source that ends early, a second reply inside the data
 * for most others, and the truth in the task alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "tests/poolsim/attach.h"
#include "tests/poolsim/compressor.h"
#include "tests/poolsim/handler.h"
#include "tests/poolsim/handler_vdi.h"
#include "tests/poolsim/handler_vm.h"
#include "tests/poolsim/operations.h"
#include "tests/poolsim/ova.h"
#include "tests/poolsim/store.h"
#include "tests/poolsim/stream.h"
#include "tests/poolsim/task.h"
#include "tests/poolsim/xva_writer.h"

#include "common/base/poison.h"

#define LOCK_WAIT_MS 121000 /* recording 1890 */
#define TICK_MS      10000  /* progress moves and a cancel is noticed so often (1113-1124) */
#define DETACH_MS    300    /* dom0's VBD outlives a broken stream so long (1143-1153) */

struct export_job {
    struct connection *connection;
    struct handler_context context;
    struct stream *stream;
    struct compressor *compressor;
    bool is_compressed;
    struct ova ova;
    int disk_number;
    struct stream_source source;
    uint64_t done_blocks, all_blocks;
    int64_t next_tick_ms;
    struct failure failure; /* of ERROR_XAPI */
};

int handler_vm_of_request(struct connection *connection, struct request *request,
                          char ret_ref[REF_MAX])
{
    const char *ref = request_query(request, "ref");
    const char *uuid = request_query(request, "uuid");
    struct pool *pool = request->pool;
    if (ref) {
        (void)str_copy(ret_ref, REF_MAX, ref);
        return 0;
    }
    if (!uuid) {
        http_reply_error(connection, request, 500, "Not_found");
        return -1;
    }
    pool_lock(pool);
    const struct object *vm = store_find_uuid(pool, CLASS_VM, uuid);
    if (vm)
        (void)str_copy(ret_ref, REF_MAX, object_ref(vm));
    pool_unlock(pool);
    if (vm)
        return 0;
    CLEAN_CHAR char *text = str_format("UUID_INVALID: [ VM; %s ]", uuid);
    http_reply_error(connection, request, 500, text);
    return -1;
}

int handler_query_bool(struct connection *connection, struct request *request, const char *name,
                       bool absent, bool *ret)
{
    const char *text = request_query(request, name);
    if (text && strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
        http_reply_error(connection, request, 500, "Invalid_argument(\"bool_of_string\")");
        return -1;
    }
    *ret = text ? strcmp(text, "true") == 0 : absent;
    return 0;
}

static int sink_to_stream(void *context, const void *bytes, size_t n)
{
    return stream_write(context, bytes, n);
}

/* 1: this host serves it. 0: answered otherwise. */
static int choose_host(struct export_job *job, struct request *request, const char *vm_ref)
{
    static const char *const no_hosts[] = {"NO_HOSTS_AVAILABLE", NULL};
    struct pool *pool = request->pool;
    CLEAN_TEXT_LIST struct text_list srs = TEXT_LIST_INIT;
    pool_lock(pool);
    bool exists = attach_vm_srs(pool, vm_ref, &srs) == 0;
    bool is_here = exists && attach_host_sees(pool, request->host, &srs);
    struct host *other = NULL;
    if (exists && !is_here)
        other = pool_host_that_sees(pool, (const char *const *)srs.items, srs.n, NULL);
    pool_unlock(pool);
    if (is_here)
        return 1;
    if (other) {
        http_reply_redirect(job->connection, request, other);
        return 0;
    }
    if (handler_begin_task(job->connection, &job->context, "export") == 0) {
        handler_fail(&job->context, no_hosts);
        http_close(job->connection, false);
    }
    return 0;
}

static int step(void *context, uint64_t offset, struct error *err)
{
    struct export_job *job = context;
    uint64_t end = offset + XVA_BLOCK_BYTES;
    bool is_at = end > job->source.at_byte;
    job->done_blocks++;
    if (handler_is_forgotten(&job->context))
        return error_set(err, ERROR_INTERRUPTED, "the toolstack was restarted");
    if (job->source.fault == SOURCE_SHORT && is_at)
        return error_set(err, ERROR_SHORT, "End_of_file");
    if (job->source.fault == SOURCE_EIO && is_at)
        return error_set_sys(err, ERROR_IO, EIO, "read");
    if (job->source.fault == SOURCE_CHILD_KILLED && is_at && job->is_compressed)
        return error_set(err, ERROR_DIED, "the compressor was killed");
    if (pool_now_ms() < job->next_tick_ms)
        return 0;
    job->next_tick_ms = pool_now_ms() + TICK_MS;
    if (!handler_progress(&job->context, (double)job->done_blocks / (double)job->all_blocks))
        return error_set(err, ERROR_CANCELLED, "cancelled");
    return 0;
}

/* Lock held. Later releases read the cluster lists of VHDs; raw devices are scanned for zeros. */
static void find_style(struct pool *pool, const char *vdi_ref, struct xva_style *ret_style)
{
    ret_style->has_xxhash = pool->profile->has_xxhash;
    ret_style->sends_clusters =
        pool->profile->id >= PROFILE_XS8 && attach_is_vhd_backed(pool, vdi_ref);
    ret_style->sends_keepalives = pool->profile->sends_keepalives;
}

static int attach_fails(struct export_job *job, const struct ova_disk *disk, struct error *err)
{
    CLEAN_CHAR char *text =
        str_format("The VDI is not available [opterr=VDI %s not detached cleanly]", disk->vdi_uuid);
    (void)failure_set(&job->failure, "SR_BACKEND_FAILURE_46", "", text, "", NULL);
    return error_set(err, ERROR_XAPI, "attach");
}

static int send_disk(struct export_job *job, const struct ova_disk *disk, struct error *err)
{
    struct pool *pool = job->context.pool;
    CLEAN_DISK struct disk *bytes = disks_find(pool->disks, disk->vdi_uuid);
    CLEAN_CHAR char *prefix = str_format("%s/", disk->id);
    char vbd_ref[REF_MAX];
    struct xva_style style;
    int failed;
    job->source = stream_source(job->stream, job->disk_number++);
    if (!bytes || job->source.fault == SOURCE_ATTACH_FAILS)
        return attach_fails(job, disk, err);
    pool_lock(pool);
    find_style(pool, disk->vdi_ref, &style);
    attach_to_dom0(job->context.host, disk->vdi_ref, true, vbd_ref);
    pool_unlock(pool);
    failed =
        xva_write_disk(compressor_sink(job->compressor), bytes, prefix, &style, step, job, err);
    if (failed && error_is_set(err) && err->code == ERROR_LOST)
        (void)pool_sleep(pool, DETACH_MS);
    pool_lock(pool);
    if (job->source.fault != SOURCE_DETACH_FAILS)
        attach_end(pool, vbd_ref);
    pool_unlock(pool);
    return failed;
}

static void count_blocks(struct export_job *job)
{
    job->all_blocks = 1;
    for (size_t i = 0; i < job->ova.disks_n; i++) {
        CLEAN_DISK struct disk *disk =
            disks_find(job->context.pool->disks, job->ova.disks[i].vdi_uuid);
        job->all_blocks += disk ? disk_size(disk) / XVA_BLOCK_BYTES + 1 : 0;
    }
}

static int send_all(struct export_job *job, struct error *err)
{
    const struct sink *sink = compressor_sink(job->compressor);
    int64_t now_s = clock_wall_ms(clock_system()) / 1000;
    if (xva_write_member(sink, "ova.xml", now_s, str_text(&job->ova.xml), job->ova.xml.len, err) !=
        0)
        return -1;
    count_blocks(job);
    for (size_t i = 0; i < job->ova.disks_n; i++)
        if (send_disk(job, &job->ova.disks[i], err) != 0)
            return -1;
    if (xva_write_end(sink, err) != 0)
        return -1;
    if (compressor_finish(job->compressor) != 0)
        return error_set_sys(err, ERROR_LOST, errno, "write the archive");
    return 0;
}

static void fail_client(struct export_job *job, int sys)
{
    const char *name = sys == EPIPE || job->is_compressed ? "EPIPE" : "ECONNRESET";
    CLEAN_CHAR char *text =
        str_format("INTERNAL_ERROR: [ Unix.Unix_error(Unix.%s, \"write\", \"\") ]", name);
    const char *const params[] = {"CLIENT_ERROR", text, NULL};
    handler_fail(&job->context, params);
}

/* The wire is over: the client left, or a fault of ours cut it and may say how the task ends. */
static void end_lost(struct export_job *job, int sys)
{
    const char *const *wanted = stream_finish(job->stream);
    if (wanted)
        handler_end_as_told(&job->context, wanted);
    else
        fail_client(job, sys == EPIPE && !job->is_compressed ? ECONNRESET : sys);
    http_close(job->connection, false);
}

/* A second reply inside the data; the task is ended by then. */
static void end_with_page(struct export_job *job, const char *text)
{
    http_append_error(job->connection, text);
    http_close(job->connection, false);
}

static void end_failed(struct export_job *job, const struct error *err)
{
    static const char *const short_source[] = {"INTERNAL_ERROR", "End_of_file", NULL};
    static const char *const io_error[] = {"INTERNAL_ERROR",
                                           "Unix.Unix_error(Unix.EIO, \"read\", \"\")", NULL};
    if (err->code == ERROR_LOST) {
        end_lost(job, err->sys);
        return;
    }
    if (err->code == ERROR_INTERRUPTED) {
        http_close(job->connection, false);
        return;
    }
    if (err->code != ERROR_DIED)
        (void)compressor_finish(job->compressor);
    if (err->code == ERROR_SHORT) {
        handler_fail(&job->context, short_source);
        http_close(job->connection, false);
    } else if (err->code == ERROR_CANCELLED) {
        CLEAN_CHAR char *text = str_format("TASK_CANCELLED: [ %s ]", job->context.task_ref);
        handler_cancelled(&job->context);
        end_with_page(job, text);
    } else if (err->code == ERROR_DIED) {
        fail_client(job, EPIPE);
        end_with_page(job, "CLIENT_ERROR: [ INTERNAL_ERROR: [ Unix.Unix_error(Unix.EPIPE, "
                           "\"write\", \"\") ] ]");
    } else if (err->code == ERROR_XAPI) {
        CLEAN_CHAR char *text = failure_format(&job->failure);
        handler_fail(&job->context, failure_params(&job->failure));
        end_with_page(job, text);
    } else {
        handler_fail(&job->context, io_error);
        end_with_page(job, "Got UNIX error: Input/output error read ");
    }
}

static enum compression compression_of(const struct request *request)
{
    const char *text = request_query(request, "use_compression");
    if (text && (strcmp(text, "true") == 0 || strcmp(text, "gzip") == 0))
        return COMPRESSION_GZIP;
    if (text && strcmp(text, "zstd") == 0 && request->pool->profile->has_zstd)
        return COMPRESSION_ZSTD;
    return COMPRESSION_NONE;
}

static int write_head(struct export_job *job)
{
    return http_write_format(job->connection,
                             "HTTP/1.0 200 OK\r\nConnection: close\r\n"
                             "Cache-Control: no-cache, no-store\r\ntask-id: %s\r\n"
                             "Server: xapi/%s\r\ncontent-type: application/octet-stream\r\n"
                             "Content-Disposition: attachment; filename=\"export.xva\"\r\n\r\n",
                             job->context.task_ref, job->context.pool->profile->xapi_version);
}

/* Behind the VM's lock: the answer. The VM is free again before the task ends. */
static void answer(struct export_job *job, struct request *request, const char *vm_ref,
                   bool keeps_power_state)
{
    struct pool *pool = request->pool;
    const struct ova_options options = {.keeps_power_state = keeps_power_state};
    struct sink sink = {sink_to_stream, NULL};
    struct error err = ERROR_INIT;
    pool_lock(pool);
    ova_make(pool, request->host, &vm_ref, 1, &options, &job->ova);
    pool_unlock(pool);
    job->stream = stream_begin(job->connection, request, "export", vm_ref);
    sink.context = job->stream;
    job->next_tick_ms = pool_now_ms() + TICK_MS;
    job->is_compressed = compression_of(request) != COMPRESSION_NONE;
    int failed = compressor_new(compression_of(request), &sink, &job->compressor, &err);
    if (!failed && write_head(job) != 0)
        failed = error_set_sys(&err, ERROR_LOST, errno, "write the header");
    if (!failed)
        failed = send_all(job, &err);
    pool_lock(pool);
    operation_end(pool, CLASS_VM, vm_ref, job->context.task_ref);
    pool_unlock(pool);
    if (failed) {
        end_failed(job, &err);
        return;
    }
    const char *const *wanted = stream_finish(job->stream);
    if (wanted)
        handler_end_as_told(&job->context, wanted);
    else
        handler_complete(&job->context, "");
    http_close(job->connection, false);
}

static void run_export(struct export_job *job, struct request *request, const char *vm_ref,
                       bool keeps_power_state)
{
    struct pool *pool = request->pool;
    if (handler_begin_task(job->connection, &job->context, "VM.export") != 0)
        return;
    (void)handler_progress(&job->context, 0.0);
    pool_lock(pool);
    int failed = operations_begin_vm(pool, vm_ref, "export", job->context.task_ref, LOCK_WAIT_MS,
                                     &job->failure);
    pool_unlock(pool);
    if (failed) {
        CLEAN_CHAR char *text = failure_format(&job->failure);
        handler_fail(&job->context, failure_params(&job->failure));
        http_reply_error(job->connection, request, 500, text);
        return;
    }
    answer(job, request, vm_ref, keeps_power_state);
}

void handler_export(struct connection *connection, struct request *request)
{
    struct export_job job = {.connection = connection, .ova = OVA_INIT, .failure = FAILURE_INIT};
    char vm_ref[REF_MAX];
    bool keeps_power_state = false;
    if (handler_authenticate(connection, request, "http/get_export", &job.context) != 0 ||
        handler_vm_of_request(connection, request, vm_ref) != 0 ||
        handler_query_bool(connection, request, "preserve_power_state", false,
                           &keeps_power_state) != 0)
        return;
    if (choose_host(&job, request, vm_ref) == 1)
        run_export(&job, request, vm_ref, keeps_power_state);
    compressor_free(&job.compressor);
    stream_end(job.stream);
    ova_done(&job.ova);
    failure_done(&job.failure);
}
