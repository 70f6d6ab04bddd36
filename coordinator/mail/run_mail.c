/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * People read the subject in a list of mails: how the run ended stands there in capitals when it
 * wants somebody to look.
 */
#include "coordinator/mail/run_mail.h"

#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/option.h"
#include "common/base/quit.h"
#include "common/base/random.h"
#include "common/base/str.h"
#include "common/base/text_list.h"
#include "coordinator/mail/mail.h"
#include "coordinator/mail/mail_message.h"
#include "coordinator/policy/report.h"
#include "coordinator/policy/report_html.h"
#include "coordinator/settings.h"

#define ATTEMPTS 3
#define RETRY_MS 2000
#define EXIT_INTERRUPTED 6
#define HOST_NAME_BYTES 256

static const char *status_word(const struct report *report)
{
    if (report->exit_status == EXIT_INTERRUPTED)
        return "INTERRUPTED";
    if (!report->run[0])
        return "COULD NOT BEGIN";
    return report->error || report->exit_status != 0 ? "FAILED" : "done";
}

void run_mail_format_subject(const struct settings *settings, const struct report *report,
                             struct str *out)
{
    if (*settings->smtp_subject)
        str_add_format(out, "%s: ", settings->smtp_subject);
    str_add(out, status_word(report));
    if (report->pool_name && *report->pool_name)
        str_add_format(out, ", pool %s", report->pool_name);
    str_add(out, ": ");
    report_format_outcome(report, out);
}

void run_mail_format_text(const struct report *report, struct str *out)
{
    char host[HOST_NAME_BYTES] = "", time[CLOCK_ISO_MAX];
    if (report->run[0]) {
        report_format_text(report, out);
        return;
    }
    (void)gethostname(host, sizeof host - 1);
    str_add(out, "The backup could not begin: nothing was backed up.\n\n  - ");
    option_wrap(report->error ? report->error : "no reason was told", 4, 4, out);
    str_add_format(out, "\n  host   %s\n", host);
    if (report->store_root)
        str_add_format(out, "  store  %s\n", report->store_root);
    if (report->started_at)
        str_add_format(out, "  began  %s\n", clock_format_local(report->started_at, time));
}

static int add_bare(const char *text, struct text_list *list, struct error *err)
{
    CLEAN_MAIL_ADDRESS struct mail_address address = {0};
    if (mail_address_parse(text, &address, err) < 0)
        return -1;
    if (!text_list_has(list, address.address))
        text_list_add(list, address.address);
    return 0;
}

static void add_log(const struct report *report, const char *lines, struct str *out)
{
    if (!report->error || !*lines)
        return;
    str_add(out, "\nLog\n");
    str_add(out, lines);
}

static int compose(const struct settings *settings, const struct report *report,
                   const char *lines, struct str *ret_message, struct error *err)
{
    CLEAN_STR struct str subject = STR_INIT, text = STR_INIT, html = STR_INIT;
    char id[RANDOM_ID_MAX];
    run_mail_format_subject(settings, report, &subject);
    run_mail_format_text(report, &text);
    add_log(report, lines, &text);
    report_format_html(report, &html);
    const struct mail_message message = {.from = settings->smtp_from,
                                         .to = settings->smtp_to,
                                         .subject = str_text(&subject),
                                         .hostname = settings->smtp_hostname,
                                         .id = random_id(random_system(), id),
                                         .sent_at = clock_wall_ms(clock_system()),
                                         .text = str_text(&text),
                                         .html = str_text(&html)};
    return mail_message_format(&message, ret_message, err);
}

static bool is_here(const char *host)
{
    return str_equal(host, "localhost") || str_starts(host, "127.") || str_equal(host, "::1");
}

static int compose_and_send(const struct settings *settings, const struct report *report,
                            const char *lines, struct error *err)
{
    CLEAN_STR struct str message = STR_INIT;
    CLEAN_TEXT_LIST struct text_list from = TEXT_LIST_INIT, to = TEXT_LIST_INIT;
    CLEAN_TEXT_LIST struct text_list warnings = TEXT_LIST_INIT;
    if (settings->smtp_to->n == 0)
        return error_set(err, ERROR_SETTINGS, "smtp_to names nobody");
    if (compose(settings, report, lines, &message, err) < 0 ||
        add_bare(settings->smtp_from, &from, err) < 0)
        return -1;
    for (size_t i = 0; i < settings->smtp_to->n; i++)
        if (add_bare(settings->smtp_to->items[i], &to, err) < 0)
            return -1;
    if (settings->smtp_auth && !settings->smtp_starttls && !is_here(settings->smtp_server))
        log_warn("mail", "smtp_pass crosses the network in clear: set smtp_starttls = True");
    const struct mail_server server = {.host = settings->smtp_server,
                                       .port = (uint16_t)settings->smtp_port,
                                       .hostname = settings->smtp_hostname,
                                       .has_starttls = settings->smtp_starttls,
                                       .ca_file = settings->smtp_cert,
                                       .user = settings->smtp_auth ? settings->smtp_user : NULL,
                                       .password = settings->smtp_pass,
                                       .timeout_ms = settings->smtp_timeout_ms,
                                       .attempts = ATTEMPTS,
                                       .retry_ms = RETRY_MS};
    int bad = mail_send(&server, from.items[0], &to, str_text(&message), message.len, &warnings,
                        err);
    for (size_t i = 0; i < warnings.n; i++)
        log_warn("mail", "%s", warnings.items[i]);
    return bad;
}

void run_mail_send(const struct settings *settings, const struct report *report,
                   const char *lines)
{
    struct error err = ERROR_INIT;
    if (!settings->smtp_enabled || quit_count() >= 2)
        return;
    if (compose_and_send(settings, report, lines, &err) < 0)
        log_warn("mail", "the report was not mailed: %s", err.text);
    else
        log_info("mail", "the report was mailed to %s%s", settings->smtp_to->items[0],
                 settings->smtp_to->n > 1 ? " and others" : "");
}
