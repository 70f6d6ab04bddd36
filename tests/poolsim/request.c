/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A request's line and headers: read up to the empty line, then taken apart by http-parser.
 *
 * XAPI knows GET, POST, PUT, CONNECT and OPTIONS; a header over 64 KiB is 431; what is no HTTP
 * at all is never answered.
 */
#include <errno.h>
#include <http_parser.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/error.h"
#include "common/base/num.h"
#include "tests/poolsim/http_inside.h"

#include "common/base/poison.h"

#define HEADER_READ_MS  10000 /* for each piece of a header on TCP */
#define HEADER_TOTAL_MS 60000

struct header_parse {
    struct request *request;
    struct str url, name, value;
    bool in_value;
};

static void header_store(struct header_parse *parse)
{
    struct str name = STR_INIT;

    if (parse->name.len) {
        for (const char *c = str_text(&parse->name); *c; c++)
            str_add_char(&name, (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c));
        text_map_set(&parse->request->headers, str_text(&name), str_text(&parse->value));
    }
    str_done(&name);
    str_clear(&parse->name);
    str_clear(&parse->value);
    parse->in_value = false;
}

static int on_url(http_parser *parser, const char *at, size_t n)
{
    str_add_n(&((struct header_parse *)parser->data)->url, at, n);
    return 0;
}

static int on_name(http_parser *parser, const char *at, size_t n)
{
    struct header_parse *parse = parser->data;

    if (parse->in_value)
        header_store(parse);
    str_add_n(&parse->name, at, n);
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t n)
{
    struct header_parse *parse = parser->data;

    parse->in_value = true;
    str_add_n(&parse->value, at, n);
    return 0;
}

static int on_headers_end(http_parser *parser)
{
    header_store(parser->data);
    http_parser_pause(parser, 1); /* the body is the handler's */
    return 0;
}

static int hex_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

char *request_decode(const char *text, size_t n)
{
    struct str out = STR_INIT;

    for (size_t i = 0; i < n; i++) {
        int high = text[i] == '%' && i + 2 < n ? hex_of(text[i + 1]) : -1;
        int low = high >= 0 ? hex_of(text[i + 2]) : -1;
        if (low >= 0 && (high || low)) {
            str_add_char(&out, (char)(high * 16 + low));
            i += 2;
        } else {
            str_add_char(&out, text[i]);
        }
    }
    return str_take(&out);
}

/* "a=1&b=2" (or ";" between cookies) into a map; spaces in front of cookie names go. */
static void split_pairs(const char *text, const char *separators, struct text_map *map)
{
    while (*text) {
        size_t n = strcspn(text, separators);
        const char *equals = memchr(text, '=', n);
        size_t name_n = equals ? (size_t)(equals - text) : n;
        while (name_n && *text == ' ') {
            text++;
            name_n--;
            n--;
        }
        if (name_n) {
            CLEAN_CHAR char *name = request_decode(text, name_n);
            CLEAN_CHAR char *value =
                equals ? request_decode(equals + 1, n - name_n - 1) : mem_dup("");
            text_map_set(map, name, value);
        }
        text += n;
        if (*text)
            text++;
    }
}

static void request_finish(struct request *request, const char *url)
{
    const char *question = strchr(url, '?');
    const char *text;
    const char *connection = text_map_get(&request->headers, "connection");

    request->target = mem_dup(url);
    request->path = request_decode(url, question ? (size_t)(question - url) : strlen(url));
    if (question)
        split_pairs(question + 1, "&", &request->query);
    text = text_map_get(&request->headers, "cookie");
    if (text)
        split_pairs(text, ";&", &request->cookies);
    text = text_map_get(&request->headers, "content-length");
    request->has_length =
        text && num_parse_unsigned(text, UINT64_MAX, &request->content_length, NULL) == 0;
    request->is_chunked = text_map_get(&request->headers, "transfer-encoding") != NULL;
    request->wants_close = request->minor_version == 0;
    if (connection && strcasecmp(connection, "close") == 0)
        request->wants_close = true;
}

/* Where the header ends (behind its empty line), 0 if not yet. */
static size_t header_end(const char *bytes, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++)
        if (bytes[i] == '\n' &&
            (bytes[i + 1] == '\n' || (i + 2 < n && bytes[i + 1] == '\r' && bytes[i + 2] == '\n')))
            return i + (bytes[i + 1] == '\n' ? 2 : 3);
    return 0;
}

/* Whether more of a header comes while XAPI waits for it: only the first one on TCP is in a hurry.
 * Source: http_svr.ml, handle_connection. */
static bool comes_in_time(struct connection *connection, int64_t deadline_ms)
{
    struct pollfd poll_fd = {.fd = connection->fd, .events = POLLIN};
    int64_t left = deadline_ms - pool_now_ms();

    if (connection->transport == TRANSPORT_UNIX || connection->is_served ||
        (connection->ssl && SSL_pending(connection->ssl)))
        return true;
    if (left > HEADER_READ_MS)
        left = HEADER_READ_MS;
    return left > 0 && poll(&poll_fd, 1, (int)left) != 0;
}

/* Bytes of the whole header in the buffer: length, 0 at the end of input, -1 answered. */
static ssize_t gather_header(struct connection *connection)
{
    int64_t deadline_ms = pool_now_ms() + HEADER_TOTAL_MS;

    memmove(connection->buffer, connection->buffer + connection->buffer_at,
            connection->buffer_n - connection->buffer_at);
    connection->buffer_n -= connection->buffer_at;
    connection->buffer_at = 0;
    for (;;) {
        size_t got;
        size_t end = header_end(connection->buffer, connection->buffer_n);
        if (end)
            return (ssize_t)end;
        if (connection->buffer_n >= HTTP_HEADER_MAX) {
            http_reply_error(connection, NULL, 431, "");
            return -1;
        }
        if (!comes_in_time(connection, deadline_ms)) {
            http_reply_error(connection, NULL, 408, "");
            return -1;
        }
        if (connection_read_some(connection, connection->buffer + connection->buffer_n,
                                 HTTP_HEADER_MAX - connection->buffer_n, &got) ||
            got == 0)
            return 0;
        connection->buffer_n += got;
    }
}

static bool is_known_method(enum http_method method)
{
    return method == HTTP_GET || method == HTTP_POST || method == HTTP_PUT ||
           method == HTTP_CONNECT || method == HTTP_OPTIONS;
}

static int parse_header(struct connection *connection, size_t n, struct request *request)
{
    struct header_parse parse = {.request = request};
    http_parser_settings settings;
    http_parser parser;
    int result = 0;

    http_parser_settings_init(&settings);
    settings.on_url = on_url;
    settings.on_header_field = on_name;
    settings.on_header_value = on_value;
    settings.on_headers_complete = on_headers_end;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &parse;
    http_parser_execute(&parser, &settings, connection->buffer, n);
    if (HTTP_PARSER_ERRNO(&parser) == HPE_PAUSED) {
        str_copy(request->method, sizeof request->method,
                 http_method_str((enum http_method)parser.method));
        request->minor_version = parser.http_minor ? 1 : 0;
        request_finish(request, str_text(&parse.url));
        result = 1;
        if (!is_known_method((enum http_method)parser.method)) {
            CLEAN_CHAR char *text = str_format("Unknown %s", request->method);
            http_reply_error(connection, request, 501, text);
            result = 0;
        }
    }
    str_done(&parse.url);
    str_done(&parse.name);
    str_done(&parse.value);
    return result;
}

int connection_read_request(struct connection *connection, struct request *ret_request)
{
    ssize_t n = gather_header(connection);

    if (n <= 0)
        return 0;
    *ret_request = (struct request){.host = connection->host,
                                    .pool = connection->host->pool,
                                    .transport = connection->transport};
    if (parse_header(connection, (size_t)n, ret_request) == 0) {
        request_done(ret_request);
        return 0;
    }
    connection->is_served = true;
    connection->buffer_at = (size_t)n;
    connection->ignores_length = false;
    connection->has_length = ret_request->has_length;
    connection->body_left = ret_request->content_length;
    return 1;
}

void request_done(struct request *request)
{
    free(request->target);
    free(request->path);
    text_map_done(&request->query);
    text_map_done(&request->headers);
    text_map_done(&request->cookies);
    request->target = request->path = NULL;
}

const char *request_query(const struct request *request, const char *name)
{
    return text_map_get(&request->query, name);
}

const char *request_header(const struct request *request, const char *lower_case_name)
{
    return text_map_get(&request->headers, lower_case_name);
}

void request_task_config(const struct request *request, struct text_map *ret_config)
{
    static const char prefix[] = "x-http-other-config-";

    for (size_t i = 0; i < request->headers.n; i++) {
        const struct text_pair *header = &request->headers.pairs[i];

        if (!str_starts(header->key, prefix))
            continue;
        CLEAN_CHAR char *key = str_format("http:%s", header->key + sizeof prefix - 1);
        text_map_set(ret_config, key, header->value);
    }
}

const char *request_cookie(const struct request *request, const char *name)
{
    return text_map_get(&request->cookies, name);
}

const char *request_cookie_or_query(const struct request *request, const char *name)
{
    const char *value = request_cookie(request, name);

    return value ? value : request_query(request, name);
}
