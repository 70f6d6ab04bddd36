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

#define LATE_ERROR_TAIL 4096
#define LATE_ERROR_TEXT_MAX 384

struct late_error {
    size_t n;
    char tail[LATE_ERROR_TAIL];
};

/* Give every piece of the stream. Start with zeroes. */
void late_error_feed(struct late_error *late, const void *bytes, size_t n);

/* Whether the kept end is an HTTP error response (4xx, 5xx), whole or its beginning; text is its
 * status line and its body without mark-up: "HTTP/1.1 500 Internal Error: Got UNIX error: ...". */
bool late_error_find(const struct late_error *late, char text[LATE_ERROR_TEXT_MAX]);

#endif
