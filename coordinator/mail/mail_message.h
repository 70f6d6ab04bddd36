/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A mail as bytes: headers and one multipart/alternative of plain text and HTML.
 *
 * Pure: time and id come in. The result is 7-bit ASCII with CRLF ends, no line longer than 78
 * characters but a recipient's own address, none that begins with a dot; header texts that are not
 * ASCII are encoded words. A line feed in a subject or a name can't begin a header of its own.
 * Source: RFC 5322, RFC 2045 section 6.7, RFC 2046 section 5.1.4, RFC 2047, RFC 3834.
 */
#ifndef ONYX_COORDINATOR_MAIL_MESSAGE_H
#define ONYX_COORDINATOR_MAIL_MESSAGE_H

#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/text_list.h"

struct error;
struct str;

#define MAIL_ADDRESS_MAX 254 /* RFC 5321 section 4.5.3.1.3, without the brackets */
#define MAIL_RECIPIENTS_MAX 100

/* "ops@example.com" or "Night watch <ops@example.com>"; a local name ("root") has no "@". */
struct mail_address {
    char *name; /* NULL none; UTF-8 */
    char *address;
};

void mail_address_done(struct mail_address *address);
#define CLEAN_MAIL_ADDRESS CLEANUP(mail_address_done)

/* ERROR_SETTINGS for what no server would take: blanks, control or non-ASCII bytes in the address,
 * a missing bracket. */
int mail_address_parse(const char *text, struct mail_address *ret_address, struct error *err);

/* All borrowed. Bytes that are no UTF-8 become U+FFFD, control bytes blanks. */
struct mail_message {
    const char *from;
    const struct text_list *to;
    const char *subject;
    const char *hostname; /* behind the "@" of the message's id */
    const char *id;       /* given once: letters and digits */
    int64_t sent_at;
    const char *text;
    const char *html;
};

/* Append the message. ERROR_SETTINGS names the address that is bad; no recipient, too many. */
int mail_message_format(const struct mail_message *message, struct str *out, struct error *err);

#endif
