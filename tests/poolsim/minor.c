/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Data handlers that no backup needs: what they answer on a host that has nothing for them.
 *
 * Source: recordings 630-659.
 */
#include <string.h>

#include "common/base/str.h"
#include "tests/poolsim/handler.h"

#include "common/base/poison.h"

static const struct {
    const char *path;
    const char *permission;
    const char *reply; /* whole, or NULL: a page */
    int status;        /* of the page */
    const char *text;
} rows[] = {
    {"/audit_log", "http/get_audit_log",
     "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nCache-Control: no-cache, no-store\r\n"
     "content-type: text/plain\r\n\r\n",
     0, NULL},
    {"/host_logs_download", "http/get_host_logs_download",
     "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nCache-Control: no-cache, no-store\r\n\r\n", 0,
     NULL},
    {"/services", "http/get_services",
     "HTTP/1.0 200 OK\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\n\r\n"
     "{\"smapi_version\":\"SMAPIv2\",\"supported_image_formats\":[],\"required_cluster_stack\":[],"
     "\"configuration\":{},\"features\":[\"/services/SM\"],\"required_api_version\":\"2.0\","
     "\"version\":\"2.0\",\"copyright\":\"see the source code\",\"vendor\":\"XCP\","
     "\"description\":\"forwards calls to other plugins\",\"name\":\"storage multiplexor\","
     "\"driver\":\"mux\"}",
     0, NULL},
    {"/sync_config_files", "http/get_config_sync",
     "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\n\r\n"
     "Warning: legacy dom0 config files not supported",
     0, NULL},
    {"/vncsnapshot", "http/get_vncsnapshot", NULL, 500, "Console.Failure"},
    {"/wlb_report", "http/get_wlb_report", NULL, 500, "Failure(\"Bad request\")"},
    {"/wlb_diagnostics", "http/get_wlb_diagnostics", NULL, 500, "WLB_NOT_INITIALIZED: [  ]"},
    {"/repository", "http/get_repository", NULL, 403, ""},
};

static void run(struct connection *connection, struct request *request)
{
    struct handler_context context;
    size_t i = 0;

    while (!str_starts(request->path, rows[i].path))
        i++;
    if (handler_authenticate(connection, request, rows[i].permission, &context))
        return;
    handler_leave(&context);
    if (rows[i].reply)
        http_write(connection, rows[i].reply, strlen(rows[i].reply));
    else
        http_reply_error(connection, request, rows[i].status, rows[i].text);
    http_close(connection, false);
}

static void run_updates(struct connection *connection, struct request *request)
{
    struct handler_context context;
    CLEAN_CHAR char *text = str_format("GET_HOST_UPDATES_FAILED: [ %s ]", request->host->ref);

    if (handler_authenticate(connection, request, "http/get_host_updates", &context))
        return;
    handler_leave(&context);
    http_reply_error(connection, request, 500, text);
}

/* A restore of the database that is refused: nothing here is one. Recording 619. */
static void run_restore(struct connection *connection, struct request *request)
{
    struct handler_context context;

    if (handler_authenticate(connection, request, "http/put_pool_xml_db_sync", &context))
        return;
    handler_leave(&context);
    http_write_format(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                                  "Cache-Control: no-cache, no-store\r\n\r\n");
    http_append_error(connection, "Not_found");
}

const struct handler_row minor_handlers[] = {
    {"PUT", "/pool/xmldbdump", run_restore},
    {"GET", "/audit_log", run},
    {"GET", "/host_logs_download", run},
    {"GET", "/services", run},
    {"GET", "/sync_config_files", run},
    {"GET", "/vncsnapshot", run},
    {"GET", "/wlb_report", run},
    {"GET", "/wlb_diagnostics", run},
    {"GET", "/repository", run},
    {"GET", "/host_updates", run_updates},
    {NULL, NULL, NULL},
};
