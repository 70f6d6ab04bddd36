/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libcurl through its multi interface, because only there a wait can be cut into short pieces in
 * which we ask whether to go on and how long the peer has been silent.
 */
#include "common/xapi/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/base/version.h"

#include "common/base/poison.h"

#if LIBCURL_VERSION_NUM < 0x075500
#error "libcurl 7.85.0 or newer is needed: run ./deploy/install-deps"
#endif

#define HTTP_BUFFER_BYTES (512L * 1024) /* the most that libcurl reads at once */

struct http {
    CURL *easy;
    CURLM *multi;
    struct curl_slist *post_headers;
    char *post_header; /* the request's own line in them, or NULL */
    bool is_by_ca; /* the last TLS peer was known by who signed it: tried first */
    http_cancel_fn *cancel;
    void *cancel_context;
};

/* One request under way. */
struct exchange {
    struct http *http;
    const struct http_request *request;
    const struct http_sink *sink;
    struct error *err;
    struct http_head head;
    size_t headers_n;
    bool is_head_done;
    bool has_failed; /* err is set by the sink or by us */
    bool has_byte;   /* of the answer */
    int64_t active_ms;
    char detail[CURL_ERROR_SIZE];
    bool is_by_ca;   /* the peer is asked for a signature instead of a pinned key */
    bool is_unknown; /* the peer was refused */
};

static void http_init_library(void)
{
    /* The one place; nothing of ours uses libcurl before. A failure shows in curl_easy_init. */
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* The headers of a POST, with one line of the request's own. */
static void http_set_headers(struct http *http, const char *line)
{
    const char *lines[] = {"Content-Type: application/json", "Expect:", line};

    curl_slist_free_all(http->post_headers);
    http->post_headers = NULL;
    mem_set(&http->post_header, line);
    for (size_t i = 0; i < sizeof lines / sizeof *lines && lines[i]; i++) {
        struct curl_slist *longer = curl_slist_append(http->post_headers, lines[i]);

        if (!longer)
            abort(); /* memory for small objects */
        http->post_headers = longer;
    }
}

void http_load(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, http_init_library);
}

struct http *http_new(void)
{
    struct http *http = mem_zero(1, sizeof *http);

    http_load();
    http->easy = curl_easy_init();
    http->multi = curl_multi_init();
    if (!http->easy || !http->multi)
        abort(); /* memory for small objects */
    http_set_headers(http, NULL);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 2L);
    return http;
}

void http_free(struct http *http)
{
    int kept = errno;

    if (!http)
        return;
    curl_easy_cleanup(http->easy);
    curl_multi_cleanup(http->multi);
    curl_slist_free_all(http->post_headers);
    free(http->post_header);
    free(http);
    errno = kept;
}

void http_set_cancel(struct http *http, http_cancel_fn *cancel, void *context)
{
    http->cancel = cancel;
    http->cancel_context = context;
}

static int64_t now_ms(void)
{
    return clock_monotonic_ms(clock_system());
}

static void head_done(struct http_head *head)
{
    free(head->location);
    free(head->content_type);
    free(head->task);
    memset(head, 0, sizeof *head);
    head->content_length = -1;
}

static void exchange_done(struct exchange *exchange)
{
    head_done(&exchange->head);
}

/* "HTTP/1.0 200 OK"; XAPI writes some lines without a reason. */
static int head_parse_status(const char *line, size_t n)
{
    const char *space = memchr(line, ' ', n);
    int status = 0;

    if (!space)
        return 0;
    for (const char *p = space + 1; p < line + n && *p >= '0' && *p <= '9' && status < 1000; p++)
        status = status * 10 + (*p - '0');
    return status >= 100 && status <= 999 ? status : 0;
}

/* Name and value of "name: value"; the blank may be missing. */
static void head_parse_line(struct http_head *head, const char *line, size_t n)
{
    CLEAN_CHAR char *copy = mem_dup_n(line, n);
    char *colon = strchr(copy, ':');
    uint64_t length;

    if (!colon)
        return;
    *colon = '\0';
    char *value = str_trim(colon + 1);

    if (!strcasecmp(copy, "content-length") && !num_parse_unsigned(value, INT64_MAX, &length, NULL))
        head->content_length = (int64_t)length;
    else if (!strcasecmp(copy, "location"))
        mem_set(&head->location, value);
    else if (!strcasecmp(copy, "content-type"))
        mem_set(&head->content_type, value);
    else if (!strcasecmp(copy, "task-id"))
        mem_set(&head->task, value);
}

static size_t exchange_fail(struct exchange *exchange)
{
    if (!error_is_set(exchange->err))
        error_set(exchange->err, ERROR_INTERNAL, "the receiver gave up without a reason");
    exchange->has_failed = true;
    return 0; /* fewer than given: libcurl stops */
}

static size_t on_header(char *line, size_t size, size_t n, void *context)
{
    struct exchange *exchange = context;

    n *= size;
    exchange->active_ms = now_ms();
    exchange->has_byte = true;
    exchange->headers_n += n;
    if (exchange->headers_n > HTTP_HEADERS_MAX) {
        error_set(exchange->err, ERROR_PROTOCOL, "headers of more than %d bytes", HTTP_HEADERS_MAX);
        return exchange_fail(exchange);
    }
    if (exchange->is_head_done)
        return n; /* trailers */
    if (n >= 5 && !memcmp(line, "HTTP/", 5)) {
        head_done(&exchange->head);
        exchange->head.status = head_parse_status(line, n);
    } else if (line[0] != '\r' && line[0] != '\n') {
        head_parse_line(&exchange->head, line, n);
    } else if (exchange->head.status >= 200) {
        exchange->is_head_done = true;
        if (exchange->sink->head &&
            exchange->sink->head(exchange->sink->context, &exchange->head, exchange->err))
            return exchange_fail(exchange);
    }
    return n;
}

static size_t on_bytes(char *bytes, size_t size, size_t n, void *context)
{
    struct exchange *exchange = context;

    n *= size;
    exchange->has_byte = true;
    if (exchange->sink->bytes(exchange->sink->context, bytes, n, exchange->err))
        return exchange_fail(exchange);
    exchange->active_ms = now_ms();
    return n;
}

/* libcurl's own sockets would be inherited by the programs we start. */
static curl_socket_t on_open_socket(void *context, curlsocktype purpose,
                                    struct curl_sockaddr *address)
{
    (void)context;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void exchange_set_options(struct exchange *exchange)
{
    const struct http_request *request = exchange->request;
    CURL *easy = exchange->http->easy;

    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->socket);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, VERSION_USER_AGENT);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, HTTP_BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, request->is_repeatable ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, HTTP_REUSE_MS / 1000L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->detail);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    /* The key is checked instead of the chain of signatures and the name, or these two. */
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, exchange->is_by_ca ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, exchange->is_by_ca ? 2L : 0L);
    curl_easy_setopt(easy, CURLOPT_CAINFO, exchange->is_by_ca ? request->ca_file : NULL);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, exchange->is_by_ca ? NULL : request->pins);
    if (request->body) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_n);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
        if (!str_equal(request->header, exchange->http->post_header))
            http_set_headers(exchange->http, request->header);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->http->post_headers);
    }
}

static const char *exchange_peer(const struct exchange *exchange)
{
    return exchange->request->socket ? exchange->request->socket : exchange->request->url;
}

/* The URL without its path: queries hold sessions, which are told to nobody. */
static char *exchange_name(const struct exchange *exchange)
{
    const char *peer = exchange_peer(exchange);
    const char *slashes = strstr(peer, "://");

    if (exchange->request->socket || !slashes)
        return mem_dup(peer);
    return mem_dup_n(peer, (size_t)(slashes - peer) + 3 + strcspn(slashes + 3, "/?"));
}

static int exchange_error_connect(struct exchange *exchange, const char *name, const char *detail)
{
    long sys = 0;

    curl_easy_getinfo(exchange->http->easy, CURLINFO_OS_ERRNO, &sys);
    if (exchange->request->socket)
        return error_set_sys(exchange->err, ERROR_POOL_UNREACHABLE, sys ? (int)sys : ECONNREFUSED,
                             "cannot connect to XAPI's socket %s (is xapi running there?)", name);
    return error_set(exchange->err, ERROR_POOL_UNREACHABLE,
                     "cannot connect to %s: %s; check the address and that XAPI is running there",
                     name, detail);
}

static int exchange_error_pin(struct exchange *exchange, const char *name, const char *detail)
{
    const char *by = exchange->request->pinned_by;

    exchange->is_unknown = true;
    return error_set(exchange->err, ERROR_AUTH,
                     "the certificate of %s is not the pinned one (%s)%s%s: either this is another "
                     "machine, or its certificate was renewed; fetch it anew in dom0 of the master "
                     "with host.get_server_certificate (xe host-get-server-certificate)",
                     name, by ? by : "none given",
                     exchange->is_by_ca ? ", nor signed by one there: " : "",
                     exchange->is_by_ca ? detail : "");
}

/* libcurl's verdict as our error. */
static int exchange_error(struct exchange *exchange, CURLcode code)
{
    CLEAN_CHAR char *name = exchange_name(exchange);
    const char *detail = *exchange->detail ? exchange->detail : curl_easy_strerror(code);
    struct error *err = exchange->err;

    if (exchange->has_failed)
        return -1;
    switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_OPERATION_TIMEDOUT:
        return exchange_error_connect(exchange, name, detail);
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_PEER_FAILED_VERIFICATION:
        return exchange_error_pin(exchange, name, detail);
    case CURLE_SSL_CONNECT_ERROR:
        return error_set(err, ERROR_POOL_UNREACHABLE, "no TLS with %s: %s; is its port right?",
                         name, detail);
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        if (!exchange->has_byte)
            return error_set(err, ERROR_SHORT, "%s closed the connection without an answer", name);
        return error_set(err, ERROR_SHORT, "%s broke off in its answer: %s", name, detail);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        return error_set(err, ERROR_PROTOCOL, "%s does not answer in HTTP as XAPI does: %s", name,
                         detail);
    case CURLE_OUT_OF_MEMORY:
        return error_set(err, ERROR_NO_MEMORY, "no memory to talk to %s", name);
    default:
        return error_set(err, ERROR_PROTOCOL, "talking to %s: %s", name, detail);
    }
}

/* Whether to go on: asks for the cancel and looks at both time-outs. */
static int exchange_check(struct exchange *exchange, int64_t begun_ms)
{
    const struct http_request *request = exchange->request;
    const struct http *http = exchange->http;
    int64_t now = now_ms();

    if (http->cancel && http->cancel(http->cancel_context))
        return error_set(exchange->err, ERROR_CANCELLED, "cancelled");
    bool is_idle = request->idle_timeout_ms && now - exchange->active_ms > request->idle_timeout_ms;
    bool is_late = request->timeout_ms && now - begun_ms > request->timeout_ms;

    if (!is_idle && !is_late)
        return 0;
    CLEAN_CHAR char *name = exchange_name(exchange);
    char text[NUM_TEXT_MAX];

    if (is_idle)
        return error_set(exchange->err, ERROR_TIMEOUT, "%s sent nothing for %s", name,
                         num_format_duration(request->idle_timeout_ms, text));
    return error_set(exchange->err, ERROR_TIMEOUT, "%s did not answer within %s", name,
                     num_format_duration(request->timeout_ms, text));
}

static int exchange_run(struct exchange *exchange)
{
    struct http *http = exchange->http;
    int64_t begun_ms = exchange->active_ms;

    for (;;) {
        CURLMsg *message;
        int running;
        int left;
        CURLMcode code = curl_multi_perform(http->multi, &running);

        while ((message = curl_multi_info_read(http->multi, &left)))
            if (message->msg == CURLMSG_DONE && message->easy_handle == http->easy)
                return message->data.result == CURLE_OK && !exchange->has_failed
                           ? 0
                           : exchange_error(exchange, message->data.result);
        if (code != CURLM_OK || !running)
            return error_set(exchange->err, ERROR_INTERNAL, "libcurl: %s",
                             curl_multi_strerror(code));
        if (exchange_check(exchange, begun_ms))
            return -1;
        curl_multi_poll(http->multi, NULL, 0, HTTP_POLL_MS, NULL);
    }
}

static int exchange_once(struct exchange *exchange)
{
    struct http *http = exchange->http;

    exchange->active_ms = now_ms();
    exchange->is_unknown = false;
    exchange_set_options(exchange);
    curl_multi_add_handle(http->multi, http->easy);
    int result = exchange_run(exchange);

    curl_multi_remove_handle(http->multi, http->easy);
    return result;
}

int http_perform(struct http *http, const struct http_request *request,
                 const struct http_sink *sink, struct error *err)
{
    struct error own = ERROR_INIT;
    CLEANUP(exchange_done)
    struct exchange exchange = {
        .http = http, .request = request, .sink = sink, .err = err ? err : &own};

    if (str_starts(request->url, "https:") && !request->socket && !request->pins)
        return error_set(err, ERROR_AUTH, "%s: no certificate is pinned", request->url);
    exchange.head.content_length = -1;
    exchange.is_by_ca = request->ca_file && http->is_by_ca;
    int result = exchange_once(&exchange);

    /* Nothing was sent to a peer that we do not know: know it in the other way. */
    if (result && exchange.is_unknown && request->ca_file) {
        exchange.is_by_ca = !exchange.is_by_ca;
        result = exchange_once(&exchange);
    }
    if (!result)
        http->is_by_ca = exchange.is_by_ca;
    if (!result && !exchange.is_head_done)
        return error_set(err, ERROR_PROTOCOL, "the answer had no complete headers");
    return result;
}
