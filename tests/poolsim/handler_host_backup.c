/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GET /host_backup: a small tree in which the host's own names stand and no other host's, as a
 * gzip'd tar; the pool's database, which the real script puts in, is left out for that.
 *
 * The reply says keep-alive and closes. The script is polled every two seconds, so the connection
 * ends no sooner; what it says on stderr is the failure (recordings 1600-1601).
 */
#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "tests/poolsim/compressor.h"
#include "tests/poolsim/content.h"
#include "tests/poolsim/handler.h"
#include "tests/poolsim/handler_pool.h"
#include "tests/poolsim/handler_vdi.h"
#include "tests/poolsim/store.h"
#include "tests/poolsim/stream.h"
#include "tests/poolsim/xva_writer.h"

#include "common/base/poison.h"

#define POLL_MS      2000
#define FILLER_BYTES (256U << 10)

static int sink_to_stream(void *context, const void *bytes, size_t n)
{
    return stream_write(context, bytes, n);
}

static int put_text(const struct sink *sink, const char *name, const char *text, struct error *err)
{
    return xva_write_member(sink, name, clock_wall_ms(clock_system()) / 1000, text, strlen(text),
                            err);
}

static int put_filler(const struct sink *sink, const struct host *host, struct error *err)
{
    const struct content_spec spec = {.kind = CONTENT_SEED, .seed = host->index + 1, .fill = 1.0};
    struct content *content = NULL;
    unsigned char *bytes = mem_try(FILLER_BYTES, err);
    int failed =
        !bytes || content_open(&spec, FILLER_BYTES, NULL, &content, err) != 0 ||
        content_read(content, 0, bytes, FILLER_BYTES, err) != 0 ||
        xva_write_member(sink, "var/lib/misc/random-seed", 0, bytes, FILLER_BYTES, err) != 0;
    content_free(content);
    free(bytes);
    return failed ? -1 : 0;
}

static int put_tree(const struct sink *sink, const struct host *host, const char *host_uuid,
                    const char *hostname, struct error *err)
{
    CLEAN_CHAR char *name = str_format("%s\n", hostname);
    CLEAN_CHAR char *inventory = str_format(
        "PRODUCT_BRAND='%s'\nPRODUCT_VERSION='%s'\nINSTALLATION_UUID='%s'\n",
        host->pool->profile->product_brand, host->pool->profile->product_version, host_uuid);
    if (put_text(sink, "etc/hostname", name, err) != 0 ||
        put_text(sink, "etc/xensource-inventory", inventory, err) != 0 ||
        put_filler(sink, host, err) != 0)
        return -1;
    return xva_write_end(sink, err);
}

static int send_tar(struct handler_context *context, struct stream *stream, struct error *err)
{
    struct pool *pool = context->pool;
    const struct sink sink = {sink_to_stream, stream};
    CLEAN_COMPRESSOR struct compressor *gzip = NULL;
    CLEAN_CHAR char *uuid = NULL;
    CLEAN_CHAR char *hostname = NULL;
    pool_lock(pool);
    const struct object *record = store_find(pool, CLASS_host, context->host->ref);
    uuid = mem_dup(record ? object_uuid(record) : "");
    hostname = mem_dup(record ? object_text(record, F_host_hostname) : "");
    pool_unlock(pool);
    if (compressor_new(COMPRESSION_GZIP, &sink, &gzip, err) != 0 ||
        put_tree(compressor_sink(gzip), context->host, uuid, hostname, err) != 0)
        return -1;
    if (compressor_finish(gzip) != 0)
        return error_set_sys(err, ERROR_LOST, errno, "write the backup");
    return 0;
}

/* The script calls xe, so it needs a master that answers. */
static bool script_fails(struct pool *pool, struct stream *stream)
{
    bool is_without_master;
    pool_lock(pool);
    is_without_master = !pool->master || pool->master->is_down || pool->master->is_silent;
    pool_unlock(pool);
    return is_without_master || stream_source(stream, 0).fault != SOURCE_GOOD;
}

static void end_lost(struct connection *connection, struct handler_context *context,
                     struct stream *stream)
{
    static const char *const lost[] = {"INTERNAL_ERROR",
                                       "Unix.Unix_error(Unix.EPIPE, \"write\", \"\")", NULL};
    const char *const *wanted = stream_finish(stream);
    handler_end_as_told(context, wanted ? wanted : lost);
    http_close(connection, false);
}

void handler_host_backup(struct connection *connection, struct request *request)
{
    struct handler_context context;
    struct error err = ERROR_INIT;
    CLEAN_FAILURE struct failure failure = FAILURE_INIT;
    int64_t end_ms = pool_now_ms() + POLL_MS;
    if (handler_authenticate(connection, request, "http/get_host_backup", &context) != 0 ||
        handler_begin_task(connection, &context, "Downloading host backup") != 0)
        return;
    struct stream *stream = stream_begin(connection, request, "host_backup", request->host->ref);
    int failed = http_write_format(connection, "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n"
                                               "Cache-Control: no-cache, no-store\r\n\r\n");
    failed = failed != 0 || send_tar(&context, stream, &err) != 0;
    int64_t left_ms = end_ms - pool_now_ms();
    if (!failed && left_ms > 0)
        (void)pool_sleep(request->pool, left_ms);
    if (failed) {
        end_lost(connection, &context, stream);
    } else if (script_fails(request->pool, stream)) {
        (void)failure_set(&failure, "BACKUP_SCRIPT_FAILED",
                          "xe pool-dump-database: cannot reach the pool master\n", NULL);
        handler_fail_in_body(connection, &context, &failure);
    } else {
        const char *const *wanted = stream_finish(stream);
        if (wanted)
            handler_end_as_told(&context, wanted);
        else
            handler_complete(&context, "");
        http_close(connection, false);
    }
    stream_end(stream);
}
