/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The last response in the tail counts: what stands before it may be the guest's own bytes.
 */
#include "common/format/late_error.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "common/base/error.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define LATE_ERROR_HEAD_MAX 1024  /* status line and headers */
#define LATE_ERROR_HOLD_MAX 65536 /* a response of XAPI is some hundred bytes long */
#define STATUS_LINE_MIN     13    /* "HTTP/1.1 500 " */

void late_error_feed(struct late_error *late, const void *bytes, size_t n)
{
    const char *from = bytes;

    late->bytes += n;
    if (n >= LATE_ERROR_TAIL) {
        memcpy(late->tail, from + (n - LATE_ERROR_TAIL), LATE_ERROR_TAIL);
        late->n = LATE_ERROR_TAIL;
        return;
    }
    if (!n)
        return;
    size_t keep = late->n < LATE_ERROR_TAIL - n ? late->n : LATE_ERROR_TAIL - n;
    memmove(late->tail, late->tail + (late->n - keep), keep);
    memcpy(late->tail + keep, from, n);
    late->n = keep + n;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.x 4NN " or "HTTP/1.x 5NN " at text, or as much of it as n bytes can be. */
static bool may_be_status_line(const char *text, size_t n)
{
    static const char pattern[STATUS_LINE_MIN + 1] = "HTTP/1.d edd ";

    for (size_t i = 0; i < n && i < STATUS_LINE_MIN; i++) {
        bool is_right = pattern[i] == 'd'   ? is_digit(text[i])
                        : pattern[i] == 'e' ? text[i] == '4' || text[i] == '5'
                                            : text[i] == pattern[i];
        if (!is_right)
            return false;
    }
    return true;
}

static bool is_status_line(const char *text, size_t n)
{
    return n >= STATUS_LINE_MIN && may_be_status_line(text, n);
}

/* Whether the stream so far ends in the middle of a status line. */
static bool may_begin(const struct late_error *late)
{
    for (size_t n = 1; n < STATUS_LINE_MIN && n <= late->n; n++)
        if (may_be_status_line(late->tail + late->n - n, n))
            return true;
    return false;
}

/* Append text with mark-up and runs of white space turned into single blanks. */
static void add_plain(struct str *out, const char *text, size_t n)
{
    bool in_tag = false;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        bool is_blank = c <= ' ' || c == 0x7f || c == '<' || c == '>';
        if (c == '<')
            in_tag = true;
        if (in_tag || is_blank) {
            if (out->len && out->data[out->len - 1] != ' ')
                str_add_char(out, ' ');
            in_tag = in_tag && c != '>';
            continue;
        }
        str_add_char(out, (char)c);
    }
    while (out->len && out->data[out->len - 1] == ' ')
        str_set_len(out, out->len - 1);
}

/* XAPI's page says the same for every error and names the cause under this heading. */
static void skip_to_cause(const char **body, size_t *n)
{
    static const char heading[] = "Additional information </h1>";
    const char *at = memmem(*body, *n, heading, sizeof heading - 1);

    if (!at)
        return;
    at += sizeof heading - 1;
    *n -= (size_t)(at - *body);
    *body = at;
}

/* Whether what stands behind the head can be this response's body: a text in the guest's data goes
 * on with something else. n bytes from the status line on. */
static bool is_last_thing(const char *line, size_t n)
{
    static const char key[] = "content-length:";
    const char *head_end = memmem(line, n, "\r\n\r\n", 4);
    size_t body = head_end ? n - (size_t)(head_end + 4 - line) : 0;
    uint64_t length = 0;

    if (!head_end)
        return n <= LATE_ERROR_HEAD_MAX;
    for (const char *at = line; at < head_end; at++) {
        if ((size_t)(head_end - at) < sizeof key || strncasecmp(at, key, sizeof key - 1) != 0)
            continue;
        at += sizeof key - 1;
        while (*at == ' ')
            at++;
        for (; is_digit(*at) && length <= LATE_ERROR_TAIL; at++)
            length = length * 10 + (uint64_t)(*at - '0');
        return body <= length;
    }
    return true;
}

bool late_error_find(const struct late_error *late, char text[LATE_ERROR_TEXT_MAX])
{
    CLEAN_STR struct str out = STR_INIT;
    size_t at = late->n;

    while (at > 0 && !is_status_line(late->tail + at - 1, late->n - at + 1))
        at--;
    if (at == 0 || !is_last_thing(late->tail + at - 1, late->n - at + 1))
        return false;
    const char *line = late->tail + at - 1;
    size_t left = late->n - at + 1;
    const char *end = memchr(line, '\r', left);
    add_plain(&out, line, end ? (size_t)(end - line) : left);
    const char *body = memmem(line, left, "\r\n\r\n", 4);
    if (body && (size_t)(body - line) + 4 < left) {
        body += 4;
        size_t n = left - (size_t)(body - line);
        skip_to_cause(&body, &n);
        str_add(&out, ": ");
        add_plain(&out, body, n);
    }
    str_copy(text, LATE_ERROR_TEXT_MAX, str_text(&out));
    return true;
}

bool late_error_is_holding(const struct late_error *late)
{
    return error_is_set(&late->held);
}

int late_error_hold(struct late_error *late, const char *what, const struct error *why,
                    struct error *err)
{
    char text[LATE_ERROR_TEXT_MAX];

    if (why) {
        late->held = *why;
        late->held_at = late->bytes;
    }
    if ((late_error_find(late, text) || may_begin(late)) &&
        late->bytes - late->held_at <= LATE_ERROR_HOLD_MAX)
        return 0;
    return late_error_explain(late, what, why, err);
}

int late_error_explain(const struct late_error *late, const char *what, const struct error *why,
                       struct error *err)
{
    char text[LATE_ERROR_TEXT_MAX];

    if (late_error_find(late, text))
        return error_set(err, ERROR_XAPI,
                         "%s: the server broke off after %" PRIu64 " bytes and said: %s", what,
                         late->bytes, text);
    if (err)
        *err = late_error_is_holding(late) ? late->held : *why;
    return -1;
}
