/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A GET to where the calls go, then to wherever that host sends us.
 *
 * Of a Location only the host is used: path and query are our own, because older releases paste
 * them in without escaping and newer ones escape more than we did.
 */
#include "common/xapi/stream.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/xapi/call.h"
#include "common/xapi/certificate.h"
#include "common/xapi/fault.h"
#include "common/xapi/inside.h"

#include "common/base/poison.h"

void stream_facts_done(struct stream_facts *facts)
{
    free(facts->redirected_to);
    memset(facts, 0, sizeof *facts);
}

void stream_add_escaped(struct str *query, const char *value)
{
    for (const char *p = value; *p; p++)
        if (isalnum((unsigned char)*p) || strchr("-._~:", *p))
            str_add_char(query, *p);
        else
            str_add_format(query, "%%%02X", (unsigned)(unsigned char)*p);
}

/* One GET: what its answer was. */
struct get {
    const struct stream_sink *sink;
    struct stream_facts *facts;
    char *location;
    struct str page; /* beginning of the body of any answer but 200 */
};

static void get_done(struct get *get)
{
    free(get->location);
    str_done(&get->page);
}

static int get_on_head(void *context, const struct http_head *head, struct error *err)
{
    struct get *get = context;

    get->facts->http_status = head->status;
    mem_set(&get->location, head->location);
    if (head->status != 200 || !get->sink->header)
        return 0;
    return get->sink->header(get->sink->context, head->status, head->content_type, err);
}

static int get_on_bytes(void *context, const void *bytes, size_t n, struct error *err)
{
    struct get *get = context;

    if (get->facts->http_status == 200) {
        if (get->sink->bytes(get->sink->context, bytes, n, err))
            return -1;
        get->facts->bytes += n;
        return 0;
    }
    if (n > HTTP_ERROR_BODY_MAX - get->page.len)
        n = HTTP_ERROR_BODY_MAX - get->page.len;
    str_add_n(&get->page, bytes, n);
    return 0;
}

/* Where a GET goes. */
struct place {
    char *base; /* URL without path */
    const char *socket;
    char *pins;
    char *pinned_by;
};

static void place_done(struct place *place)
{
    free(place->base);
    free(place->pins);
    free(place->pinned_by);
}

/* --- redirects ----------------------------------------------------------------------------- */

static bool address_equal(const char *a, const char *b)
{
    struct in6_addr six_a;
    struct in6_addr six_b;

    if (inet_pton(AF_INET6, a, &six_a) == 1 && inet_pton(AF_INET6, b, &six_b) == 1)
        return !memcmp(&six_a, &six_b, sizeof six_a);
    return !strcmp(a, b);
}

struct host_search {
    const char *address;
    char *ref;
};

static int host_search_on_record(void *context, const char *ref, const json_t *record,
                                 struct error *err)
{
    struct host_search *search = context;

    (void)err;
    if (!search->ref && address_equal(search->address, reply_text(record, "address", "")))
        search->ref = mem_dup(ref);
    return 0;
}

/* The certificate that the pool knows for the host of this address, behind the pinned ones. */
static int place_pin_host(struct xapi *xapi, const char *address, struct place *place,
                          struct error *err)
{
    struct host_search search = {address, NULL};
    CLEAN_STR struct str pins = STR_INIT;
    CLEAN_CHAR char *pem = NULL;
    struct error why = ERROR_INIT;
    int result =
        xapi_call_records(xapi, "host.get_all_records", host_search_on_record, &search, err);
    CLEAN_CHAR char *host = search.ref;

    if (result)
        return -1;
    if (!host)
        return error_set(err, ERROR_POOL_REFUSED,
                         "redirected to %s, which is the address of no host in the pool", address);
    if (xapi->pins)
        str_add(&pins, xapi->pins);
    if (xapi_call_text(xapi, &pem, &why, "host.get_server_certificate", "[s]", host) ||
        certificate_add_pins(pem, strlen(pem), address, &pins, &why)) {
        if (why.code == ERROR_CANCELLED)
            return error_set(err, ERROR_CANCELLED, "cancelled");
        if (!pins.len)
            return error_set(err, ERROR_AUTH,
                             "redirected to host %s, whose certificate the pool does not tell "
                             "(%s): put it into a file and name that with --xapi-cert",
                             address, why.text);
    }
    place->pins = str_take(&pins);
    place->pinned_by =
        str_format("the pool's record of host %s%s%s", address, xapi->pins ? " and " : "",
                   xapi->pins ? xapi->target.certificate_file : "");
    return 0;
}

static int place_redirect(struct xapi *xapi, const char *location, struct place *place,
                          struct stream_facts *facts, struct error *err)
{
    CLEAN_CHAR char *address = NULL;
    CLEAN_CHAR char *url = NULL;

    if (!location)
        return error_set(err, ERROR_PROTOCOL, "a redirect that says not where to");
    if (xapi_target_parse_location(&xapi->target, location, &url, &address, err))
        return -1;
    place_done(place);
    *place = (struct place){.base = mem_dup(url)};
    mem_set(&facts->redirected_to, address);
    return place_pin_host(xapi, address, place, err);
}

/* --- the stream ---------------------------------------------------------------------------- */

static char *query_make(const struct xapi *xapi, const char *path_and_query, const char *task)
{
    struct str path = STR_INIT;

    str_add(&path, path_and_query);
    str_add(&path, strchr(path_and_query, '?') ? "&session_id=" : "?session_id=");
    stream_add_escaped(&path, xapi_session(xapi));
    if (task) {
        str_add(&path, "&task_id=");
        stream_add_escaped(&path, task);
    }
    return str_take(&path);
}

static int get_run(struct xapi *xapi, const struct place *place, const char *path,
                   int64_t idle_timeout_ms, struct get *get, struct error *err)
{
    CLEAN_CHAR char *url = str_format("%s%s", place->base, path);
    const struct http_sink sink = {get_on_head, get_on_bytes, get};
    const struct http_request request = {
        .socket = place->socket,
        .url = url,
        .pins = place->pins,
        .pinned_by = place->pinned_by,
        .ca_file = xapi->target.certificate_file,
        .idle_timeout_ms = idle_timeout_ms,
    };

    get->facts->http_status = 0;
    if (!http_perform(xapi->http, &request, &sink, err)) {
        get->facts->ended_in_order = get->facts->http_status == 200;
        return 0;
    }
    if (!get->facts->http_status && err && err->code == ERROR_SHORT)
        return error_add(err, "no answer to %.*s (its task says why)", (int)strcspn(path, "?"),
                         path);
    return -1;
}

static int stream_run(struct xapi *xapi, struct place *place, const char *path,
                      const struct stream_sink *sink, int64_t idle_timeout_ms,
                      struct stream_facts *facts, struct error *err)
{
    for (int i = 0; i <= STREAM_REDIRECTS_MAX; i++) {
        CLEANUP(get_done) struct get get = {.sink = sink, .facts = facts};

        if (get_run(xapi, place, path, idle_timeout_ms, &get, err))
            return -1;
        if (facts->http_status == 200)
            return 0;
        if (facts->http_status != 302) {
            fault_set_page(err, facts->http_status, str_text(&get.page));
            return error_add(err, "%.*s at %s", (int)strcspn(path, "?"), path,
                             place->socket ? place->socket : place->base);
        }
        if (place_redirect(xapi, get.location, place, facts, err))
            return -1;
    }
    return error_set(err, ERROR_PROTOCOL, "redirected more than %d times", STREAM_REDIRECTS_MAX);
}

int xapi_stream_get(struct xapi *xapi, const char *path_and_query, const char *task,
                    const struct stream_sink *sink, int64_t idle_timeout_ms,
                    struct stream_facts *ret_facts, struct error *err)
{
    CLEAN_CHAR char *path = query_make(xapi, path_and_query, task);
    CLEANUP(place_done)
    struct place place = {
        .base = mem_dup(xapi->base),
        .socket = xapi->target.socket,
        .pins = mem_dup(xapi->pins),
        .pinned_by = mem_dup(xapi->target.certificate_file),
    };
    struct error own = ERROR_INIT;

    return stream_run(xapi, &place, path, sink, idle_timeout_ms, ret_facts, err ? err : &own);
}
