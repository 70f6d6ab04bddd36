/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the server said stands in libcurl's trace only, so the trace is read: the last refusal for
 * the error's text, and the answer to each RCPT. What we send in AUTH passes there too and is not
 * looked at.
 */
#include "coordinator/mail/mail.h"

#include <curl/curl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/quit.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define ANSWER_MAX 200u
#define TOTAL_FACTOR 20 /* the whole delivery, in time-outs */

struct delivery {
    CURL *easy;
    const struct mail_server *server;
    const char *message;
    size_t message_n, sent_n;
    struct str rcpt;      /* the address that is being asked for; empty otherwise */
    struct str refusal;   /* the last answer of 4xx or 5xx */
    struct text_list refused; /* "ADDRESS: 550 ..." */
    char detail[CURL_ERROR_SIZE];
    bool is_tls_unknown; /* the certificate could not be checked */
};

static void delivery_done(struct delivery *delivery)
{
    curl_easy_cleanup(delivery->easy);
    str_done(&delivery->rcpt);
    str_done(&delivery->refusal);
    text_list_done(&delivery->refused);
}

static void init_library(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT); /* counted: common/xapi/http has its own */
}

static size_t give_bytes(char *buffer, size_t size, size_t n, void *context)
{
    struct delivery *delivery = context;
    size_t room = size * n, rest = delivery->message_n - delivery->sent_n;
    if (room > rest)
        room = rest;
    memcpy(buffer, delivery->message + delivery->sent_n, room);
    delivery->sent_n += room;
    return room;
}

static int ask_to_go_on(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)context, (void)a, (void)b, (void)c, (void)d;
    return quit_count() >= 2;
}

/* ---- the trace ---- */

static void hear_answer(struct delivery *delivery, const char *line, size_t n)
{
    if (n < 4 || line[0] < '2' || line[0] > '5' || line[3] == '-')
        return;
    if (line[0] >= '4') {
        str_clear(&delivery->refusal);
        str_add_n(&delivery->refusal, line, str_utf8_cut(line, n, ANSWER_MAX));
        if (delivery->rcpt.len)
            text_list_add_format(&delivery->refused, "%s: %s", str_text(&delivery->rcpt),
                                 str_text(&delivery->refusal));
    }
    str_clear(&delivery->rcpt);
}

static int hear(CURL *easy, curl_infotype type, char *data, size_t n, void *context)
{
    static const char rcpt[] = "RCPT TO:<";
    struct delivery *delivery = context;
    (void)easy;
    while (n > 0 && (data[n - 1] == '\n' || data[n - 1] == '\r'))
        n--;
    if (type == CURLINFO_HEADER_IN) {
        hear_answer(delivery, data, n);
    } else if (type == CURLINFO_HEADER_OUT) {
        str_clear(&delivery->rcpt);
        size_t head = sizeof rcpt - 1;
        const char *end = n > head ? memchr(data + head, '>', n - head) : NULL;
        if (end && memcmp(data, rcpt, head) == 0)
            str_add_n(&delivery->rcpt, data + head, (size_t)(end - data) - head);
    }
    return 0;
}

/* ---- one attempt ---- */

/* "smtp://host:port/name-we-go-by". ERROR_SETTINGS. */
static int make_url(const struct mail_server *server, struct str *ret_url, struct error *err)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:%";
    size_t n = strspn(server->host, letters);
    if (n == 0 || server->host[n])
        return error_set(err, ERROR_SETTINGS,
                         "smtp_server \"%s\" is no name or address of a server", server->host);
    n = strspn(server->hostname, letters);
    if (n == 0 || server->hostname[n])
        return error_set(err, ERROR_SETTINGS, "smtp_hostname \"%s\" is no name of a host",
                         server->hostname);
    bool is_ipv6 = strchr(server->host, ':') != NULL;
    str_add_format(ret_url, "smtp://%s%s%s:%u/%s", is_ipv6 ? "[" : "", server->host,
                   is_ipv6 ? "]" : "", (unsigned)server->port, server->hostname);
    return 0;
}

static void set_times(CURL *easy, int64_t timeout_ms)
{
    long seconds = (long)((timeout_ms + 999) / 1000);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, seconds);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, seconds);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(timeout_ms * TOTAL_FACTOR));
}

static void set_tls(CURL *easy, const struct mail_server *server, bool is_checked)
{
    curl_easy_setopt(easy, CURLOPT_USE_SSL,
                     (long)(server->has_starttls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, is_checked ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, is_checked ? 2L : 0L);
    if (server->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, server->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
}

static struct curl_slist *recipients(const struct text_list *to)
{
    struct curl_slist *list = NULL;
    for (size_t i = 0; i < to->n; i++) {
        struct curl_slist *longer = curl_slist_append(list, to->items[i]);
        if (!longer)
            abort(); /* memory for small objects */
        list = longer;
    }
    return list;
}

static int set_error(const struct delivery *delivery, CURLcode code, struct error *err)
{
    const struct mail_server *server = delivery->server;
    const char *words = delivery->refusal.len ? str_text(&delivery->refusal)
                        : *delivery->detail   ? delivery->detail
                                              : curl_easy_strerror(code);
    bool is_later = delivery->refusal.len && str_text(&delivery->refusal)[0] == '4';
    CLEAN_CHAR char *who = str_format("mail server %s port %u", server->host,
                                      (unsigned)server->port);
    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
        return error_set(err, ERROR_INTERRUPTED, "%s: interrupted", who);
    case CURLE_OPERATION_TIMEDOUT:
        return error_set(err, ERROR_TIMEOUT, "%s: no answer within smtp_timeout: %s", who,
                         delivery->detail);
    case CURLE_LOGIN_DENIED:
        if (is_later)
            break;
        return error_set(err, ERROR_AUTH, "%s refuses smtp_user and smtp_pass: %s", who, words);
    case CURLE_USE_SSL_FAILED:
        return error_set(err, ERROR_BAD_INPUT,
                         "%s offers no STARTTLS: %s; without TLS set smtp_starttls = False", who,
                         words);
    case CURLE_PEER_FAILED_VERIFICATION:
        return error_set(err, ERROR_AUTH,
                         "%s shows a certificate that smtp_cert does not vouch for: %s", who,
                         delivery->detail);
    case CURLE_SSL_CACERT_BADFILE:
        return error_set(err, ERROR_SETTINGS, "smtp_cert %s can't be read as PEM certificates",
                         server->ca_file ? server->ca_file : "(not set)");
    default:
        break;
    }
    return error_set(err, delivery->refusal.len && !is_later ? ERROR_BAD_INPUT : ERROR_IO,
                     "%s: %s", who, words);
}

/* 0, -1 with the error set. */
static int attempt(struct delivery *delivery, const char *from, const struct text_list *to,
                   bool is_checked, struct error *err)
{
    const struct mail_server *server = delivery->server;
    CLEAN_STR struct str url = STR_INIT;
    if (make_url(server, &url, err) < 0)
        return -1;
    delivery->easy = curl_easy_init();
    if (!delivery->easy)
        abort(); /* memory for small objects */
    CURL *easy = delivery->easy;
    struct curl_slist *rcpt = recipients(to);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, delivery->detail);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp");
    curl_easy_setopt(easy, CURLOPT_URL, str_text(&url));
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    set_times(easy, server->timeout_ms);
    set_tls(easy, server, is_checked);
    if (server->user) {
        curl_easy_setopt(easy, CURLOPT_USERNAME, server->user);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, server->password);
    }
    curl_easy_setopt(easy, CURLOPT_MAIL_FROM, from);
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, rcpt);
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_bytes);
    curl_easy_setopt(easy, CURLOPT_READDATA, delivery);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)delivery->message_n);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, ask_to_go_on);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, hear);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, delivery);
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
    CURLcode code = curl_easy_perform(easy);
    curl_slist_free_all(rcpt);
    if (code == CURLE_OK)
        return 0;
    delivery->is_tls_unknown = code == CURLE_PEER_FAILED_VERIFICATION ||
                               code == CURLE_SSL_CACERT_BADFILE;
    return set_error(delivery, code, err);
}

/* ---- all attempts ---- */

/* doubt: why the certificate is not believed; empty as long as it must be. */
static int attempt_once(const struct mail_server *server, const char *from,
                        const struct text_list *to, const char *message, size_t message_n,
                        struct str *doubt, struct text_list *warnings, struct error *err)
{
    CLEANUP(delivery_done) struct delivery delivery = {
        .server = server, .message = message, .message_n = message_n};
    if (attempt(&delivery, from, to, doubt->len == 0, err) == 0) {
        for (size_t i = 0; i < delivery.refused.n; i++)
            text_list_add_format(warnings, "the mail server refuses the recipient %s",
                                 delivery.refused.items[i]);
        return 0;
    }
    if (!delivery.is_tls_unknown || doubt->len || server->ca_file)
        return -1;
    str_add(doubt, *delivery.detail ? delivery.detail : "no certificates to compare with");
    return attempt_once(server, from, to, message, message_n, doubt, warnings, err);
}

static bool is_worth_retrying(const struct error *err)
{
    return err->code == ERROR_IO || err->code == ERROR_TIMEOUT;
}

/* false: the wish to leave at once came. */
static bool wait_ms(int64_t ms)
{
    for (int64_t left = ms; left > 0 && quit_count() < 2; left -= 100)
        (void)poll(NULL, 0, (int)(left < 100 ? left : 100));
    return quit_count() < 2;
}

int mail_send(const struct mail_server *server, const char *from, const struct text_list *to,
              const char *message, size_t message_n, struct text_list *warnings,
              struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct error mine = ERROR_INIT;
    CLEAN_STR struct str doubt = STR_INIT;
    int64_t pause_ms = server->retry_ms;
    unsigned n = 1;
    pthread_once(&once, init_library);
    while (attempt_once(server, from, to, message, message_n, &doubt, warnings, &mine) < 0) {
        if (n >= server->attempts || !is_worth_retrying(&mine) || !wait_ms(pause_ms)) {
            if (err)
                *err = mine;
            return n > 1 ? error_add(err, "tried %u times", n) : -1;
        }
        n++;
        pause_ms *= 2;
    }
    if (doubt.len)
        text_list_add_format(warnings,
                             "nobody here vouches for the certificate of mail server %s (%s); the "
                             "mail was sent all the same. Name the certificate in smtp_cert of "
                             "[onyxpool] to insist", server->host, str_text(&doubt));
    return 0;
}
