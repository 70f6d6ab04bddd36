/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GET /pool/xmldbdump. On a slave the database is elsewhere: that shows behind the 200.
 */
#include <errno.h>
#include <string.h>

#include "common/base/str.h"
#include "tests/poolsim/handler.h"
#include "tests/poolsim/handler_pool.h"
#include "tests/poolsim/handler_vdi.h"
#include "tests/poolsim/stream.h"

#include "common/base/poison.h"

/* What every pool sends while its hosts are of two releases: tables without rows. */
static const char stub[] =
    "<database><manifest><pair key=\"schema_major_vsn\" value=\"5\"/>"
    "<pair key=\"schema_minor_vsn\" value=\"35\"/><pair key=\"generation_count\" value=\"103\"/>"
    "</manifest><table name=\"SR\" /><table name=\"pool\" /><table name=\"host\" />"
    "<table name=\"PBD\" /><table name=\"VBD\" /><table name=\"VDI\" /><table name=\"VM\" />"
    "<table name=\"network\" /><table name=\"PIF\" /><table name=\"VIF\" /></database>";

static void send_dump(struct connection *connection, struct handler_context *context,
                      struct stream *stream)
{
    static const char *const lost[] = {"INTERNAL_ERROR",
                                       "Unix.Unix_error(Unix.EPIPE, \"write\", \"\")", NULL};
    struct pool *pool = context->pool;
    CLEAN_STR struct str dump = STR_INIT;
    if (stream_source(stream, 0).fault == SOURCE_SHORT) {
        str_add(&dump, stub);
    } else {
        pool_lock(pool);
        pool_dump_make(pool, &dump);
        pool_unlock(pool);
    }
    int failed = stream_write(stream, dump.data, dump.len);
    const char *const *wanted = stream_finish(stream);
    if (wanted || failed)
        handler_end_as_told(context, wanted ? wanted : lost);
    else
        handler_complete(context, "");
    http_close(connection, false);
}

void handler_xmldbdump(struct connection *connection, struct request *request)
{
    struct handler_context context;
    if (handler_authenticate(connection, request, "http/get_pool_xml_db_sync", &context) != 0 ||
        handler_begin_task(connection, &context, "Dumping database as XML") != 0)
        return;
    struct stream *stream = stream_begin(connection, request, "xmldbdump", request->host->ref);
    pool_lock(request->pool);
    bool has_database = pool_is_master(request->host);
    pool_unlock(request->pool);
    int failed = http_write_format(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                                               "Cache-Control: no-cache, no-store\r\n\r\n");
    if (!failed && !has_database) {
        static const char text[] = "Xapi_database.Db_ref.Database_not_in_memory";
        const char *const params[] = {"INTERNAL_ERROR", text, NULL};
        handler_fail(&context, params);
        http_append_error(connection, text);
        http_close(connection, false);
    } else {
        send_dump(connection, &context, stream);
    }
    stream_end(stream);
}
