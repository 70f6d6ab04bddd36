/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * XAPI's late answer: after "200 OK" and part of the data, a failing export writes a whole second
 * HTTP response into the data and closes.
 *
 * The last bytes of a stream are kept here, so that whoever finds the stream incomplete can say
 * what the server said. It proves nothing alone: a disk may hold such a text.
 * Source: xapi http_svr.ml, response_internal_error; recorded exchanges of exports that fail.
 */
#ifndef ONYX_COMMON_FORMAT_LATE_ERROR_H
#define ONYX_COMMON_FORMAT_LATE_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

#define LATE_ERROR_TAIL 4096
#define LATE_ERROR_TEXT_MAX 384

struct late_error {
    uint64_t bytes; /* of the stream so far */
    size_t n;
    char tail[LATE_ERROR_TAIL];
    struct error held; /* what was found wrong, while the server's answer may still be coming */
    uint64_t held_at;
};

/* Give every piece of the stream. Start with zeroes. */
void late_error_feed(struct late_error *late, const void *bytes, size_t n);

/* Whether the kept end is an HTTP error response (4xx, 5xx), whole or its beginning; text is its
 * status line and its body without mark-up: "HTTP/1.1 500 Internal Error: Got UNIX error: ...". */
bool late_error_find(const struct late_error *late, char text[LATE_ERROR_TEXT_MAX]);

/*
 * The stream is wrong: hold why back as long as the server's answer may be what made it so.
 *
 * Called with why when the fault is found, and with NULL for each further piece while
 * late_error_is_holding. Gives 0 to go on, or -1 with *err as late_error_explain sets it.
 */
int late_error_hold(struct late_error *late, const char *what, const struct error *why,
                    struct error *err);
bool late_error_is_holding(const struct late_error *late);

/* The stream has ended, or nobody waits any longer. Sets *err to the server's word (ERROR_XAPI:
 * "xva: the server broke off after N bytes and said: ...") if the kept end is one, else to what is
 * held, else to why. Always gives -1. */
int late_error_explain(const struct late_error *late, const char *what, const struct error *why,
                       struct error *err);

#endif
