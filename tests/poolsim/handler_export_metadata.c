/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GET /export_metadata: ova.xml alone, of one VM or of all, on any host.
 *
 * The reply is made in memory and has a Content-Length. Behind a failure stand two replies, a bare
 * one and the page (recording 531). Up to 24.12 the metadata of a snapshot are refused
 * (xen-api commit f8f3d61988).
 */
#include <string.h>
#include <strings.h>

#include "common/base/clock.h"
#include "common/base/error.h"
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

struct metadata_job {
    struct connection *connection;
    struct handler_context context;
    bool wants_all, has_dom0;
    struct ova_options options;
    struct text_list vms;
    struct failure failure;
};

/* "vif,vbd,vgpu,vtpm" in any case; unknown ones fail. The releases before 24.13 do not know it. */
static int read_excluded(struct metadata_job *job, struct request *request)
{
    const char *text = request_query(request, "excluded_device_types");
    struct ova_options *options = &job->options;
    if (!text || !request->pool->profile->has_excluded_devices)
        return 0;
    for (size_t n; *text; text += n + (text[n] == ',')) {
        n = strcspn(text, ",");
        if (n == 3 && strncasecmp(text, "vif", n) == 0) {
            options->has_no_vifs = true;
        } else if (n == 3 && strncasecmp(text, "vbd", n) == 0) {
            options->has_no_vbds = true;
        } else if (n == 4 && strncasecmp(text, "vtpm", n) == 0) {
            options->has_no_vtpms = true;
        } else if (!(n == 4 && strncasecmp(text, "vgpu", n) == 0)) {
            CLEAN_CHAR char *page = str_format("Failure(\"Importexport.Devicetype.of_string: Type "
                                               "'%.*s' not one of [vif; vbd; vgpu; vtpm]\")",
                                               (int)n, text);
            http_reply_error(job->connection, request, 500, page);
            return -1;
        }
    }
    return 0;
}

static int read_query(struct metadata_job *job, struct request *request)
{
    static const char *const bad[] = {"INTERNAL_ERROR", "Invalid_argument(\"bool_of_string\")",
                                      NULL};
    struct connection *connection = job->connection;
    job->options.keeps_power_state = true;
    if (handler_query_bool(connection, request, "include_vhd_parents", false,
                           &job->options.has_vhd_parents) == 0 &&
        handler_query_bool(connection, request, "all", false, &job->wants_all) == 0 &&
        handler_query_bool(connection, request, "export_snapshots", true,
                           &job->options.has_snapshots) == 0 &&
        handler_query_bool(connection, request, "include_dom0", true, &job->has_dom0) == 0 &&
        read_excluded(job, request) == 0)
        return 0;
    handler_fail(&job->context, bad);
    return -1;
}

static bool is_default_template(const struct object *vm)
{
    const char *key = object_map_get(vm, F_VM_other_config, "default_template");
    return object_bool(vm, F_VM_is_default_template) ||
           (object_bool(vm, F_VM_is_a_template) && key && strcmp(key, "true") == 0);
}

static int find_vms(struct metadata_job *job, struct request *request)
{
    struct pool *pool = request->pool;
    char ref[REF_MAX];
    if (!job->wants_all) {
        static const char *const bad[] = {"INTERNAL_ERROR", "Not_found", NULL};
        if (handler_vm_of_request(job->connection, request, ref) != 0) {
            handler_fail(&job->context, bad);
            return -1;
        }
        text_list_add(&job->vms, ref);
        return 0;
    }
    pool_lock(pool);
    for (const struct object *vm = store_first(pool, CLASS_VM); vm; vm = store_next(pool, vm))
        if (!is_default_template(vm) && (job->has_dom0 || !object_bool(vm, F_VM_is_control_domain)))
            text_list_add(&job->vms, object_ref(vm));
    pool_unlock(pool);
    return 0;
}

/* Lock held. Takes every VM's metadata_export; gives the number taken. */
static size_t lock_vms(struct metadata_job *job, struct pool *pool)
{
    for (size_t i = 0; i < job->vms.n; i++) {
        const char *ref = job->vms.items[i];
        const struct object *vm = store_find(pool, CLASS_VM, ref);
        if (!vm) {
            (void)failure_set(&job->failure, "HANDLE_INVALID", "VM", ref, NULL);
            return i;
        }
        if (!job->wants_all && object_bool(vm, F_VM_is_a_snapshot) &&
            pool->profile->id < PROFILE_XCP83) {
            (void)failure_set(&job->failure, "OPERATION_NOT_ALLOWED",
                              "Exporting metadata of a snapshot is not allowed", NULL);
            return i;
        }
        if (operations_begin_vm(pool, ref, "metadata_export", job->context.task_ref, 0,
                                &job->failure) != 0)
            return i;
    }
    return job->vms.n;
}

static void fail(struct metadata_job *job)
{
    CLEAN_CHAR char *text = failure_format(&job->failure);
    if (strcmp(failure_code(&job->failure), "HANDLE_INVALID") == 0) {
        free(text);
        text = str_format("Db_exn.DBCache_NotFound(\"missing row\", \"VM\", \"%s\")",
                          job->vms.items[0]);
    }
    handler_fail(&job->context, failure_params(&job->failure));
    /* The refusal of a snapshot comes before the writer's thread and has one page only. */
    if (strcmp(failure_code(&job->failure), "OPERATION_NOT_ALLOWED") != 0)
        (void)http_write_format(job->connection,
                                "HTTP/1.1 500 internal error\r\ncontent-length: 0\r\n\r\n");
    http_append_error(job->connection, text);
    http_close(job->connection, false);
}

static int append(void *context, const void *bytes, size_t n)
{
    str_add_n(context, bytes, n);
    return 0;
}

static int make_tar(struct metadata_job *job, struct str *tar)
{
    struct pool *pool = job->context.pool;
    const struct sink sink = {append, tar};
    CLEAN_OVA struct ova ova = OVA_INIT;
    pool_lock(pool);
    size_t taken = lock_vms(job, pool);
    bool is_whole = taken == job->vms.n;
    if (is_whole)
        ova_make(pool, job->context.host, (const char *const *)job->vms.items, job->vms.n,
                 &job->options, &ova);
    for (size_t i = 0; i < taken; i++)
        operation_end(pool, CLASS_VM, job->vms.items[i], job->context.task_ref);
    pool_unlock(pool);
    if (!is_whole)
        return -1;
    (void)xva_write_member(&sink, "ova.xml", clock_wall_ms(clock_system()) / 1000,
                           str_text(&ova.xml), ova.xml.len, NULL);
    return xva_write_end(&sink, NULL);
}

static void send_tar(struct metadata_job *job, struct request *request, const struct str *tar)
{
    static const char *const lost[] = {"INTERNAL_ERROR",
                                       "Unix.Unix_error(Unix.EPIPE, \"write\", \"\")", NULL};
    struct stream *stream = stream_begin(job->connection, request, "export_metadata",
                                         job->vms.n == 1 ? job->vms.items[0] : "");
    int failed = http_write_format(
        job->connection,
        "HTTP/1.0 200 OK\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\n"
        "task-id: %s\r\nServer: xapi/%s\r\ncontent-type: application/octet-stream\r\n"
        "Content-Length: %zu\r\nContent-Disposition: attachment; filename=\"export.xva\"\r\n\r\n",
        job->context.task_ref, job->context.pool->profile->xapi_version, tar->len);
    failed = failed || stream_write(stream, str_text(tar), tar->len) != 0;
    const char *const *wanted = stream_finish(stream);
    if (wanted)
        handler_end_as_told(&job->context, wanted);
    else if (failed)
        handler_fail(&job->context, lost);
    else
        handler_complete(&job->context, "");
    http_close(job->connection, false);
    stream_end(stream);
}

void handler_export_metadata(struct connection *connection, struct request *request)
{
    struct metadata_job job = {
        .connection = connection, .vms = TEXT_LIST_INIT, .failure = FAILURE_INIT};
    CLEAN_STR struct str tar = STR_INIT;
    if (handler_authenticate(connection, request, "http/get_export_metadata", &job.context) != 0 ||
        handler_begin_task(connection, &job.context, "VM.export_metadata") != 0)
        return;
    if (read_query(&job, request) == 0 && find_vms(&job, request) == 0) {
        if (make_tar(&job, &tar) == 0)
            send_tar(&job, request, &tar);
        else
            fail(&job);
    }
    text_list_done(&job.vms);
    failure_done(&job.failure);
}
