/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Handing a finished message to a mail server, by SMTP with STARTTLS and AUTH.
 *
 * Beside common/xapi/http the one room that knows libcurl. It speaks smtp to the one server that
 * is named, follows nothing, reads no .netrc and no proxy from the environment.
 * Source: RFC 5321, RFC 3207, RFC 4954.
 */
#ifndef ONYX_COORDINATOR_MAIL_H
#define ONYX_COORDINATOR_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/text_list.h"

struct error;

/* All borrowed. */
struct mail_server {
    const char *host; /* name or address */
    uint16_t port;
    const char *hostname; /* what we call ourselves */
    bool has_starttls;    /* no TLS, no mail */
    const char *ca_file;  /* PEM: the server's certificate, or who signed it; NULL: see below */
    const char *user;     /* NULL: no AUTH */
    const char *password;
    int64_t timeout_ms;   /* to connect, and for each answer */
    unsigned attempts;    /* 1 and up */
    int64_t retry_ms;     /* before the second attempt; doubles */
};

/*
 * Deliver the message to all recipients; addresses are bare ("ops@example.com").
 *
 * With ca_file the server must prove who it is. Without, the system's certificates are tried
 * first; when they don't know the server, the mail goes all the same, encrypted, as OnyxBackupVM
 * sent it, and a warning says how to insist. Recipients that the server refused while it took
 * others become warnings too. What a server may answer differently later (4xx, no connection, no
 * answer) is tried again. At the second wish to quit it ends.
 *
 * Fails:  ERROR_TIMEOUT, ERROR_IO, ERROR_AUTH (password or certificate), ERROR_BAD_INPUT (refused
 *         for good), ERROR_SETTINGS, ERROR_INTERRUPTED. The text has the server's own words.
 */
int mail_send(const struct mail_server *server, const char *from, const struct text_list *to,
              const char *message, size_t message_n, struct text_list *warnings,
              struct error *err);

#endif
