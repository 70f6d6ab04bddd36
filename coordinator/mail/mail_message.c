/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Both bodies are quoted-printable: it keeps a report readable in the raw message, and every rule
 * of the transport (7 bit, line length, a dot in front, blanks at the end) is kept by encoding one
 * more byte.
 */
#include "coordinator/mail/mail_message.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

#include "common/base/error.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define LINE_MAX_COLUMNS 76u
#define HOST_COLUMNS 45 /* of the id, which is unique without it */
#define WORD_FRAME 12u /* "=?UTF-8?B?" and "?=" */
#define REPLACEMENT "\xef\xbf\xbd"

/* ---- addresses ---- */

void mail_address_done(struct mail_address *address)
{
    mem_free_char(&address->name);
    mem_free_char(&address->address);
}

static int check_address(const char *address, const char *whole, struct error *err)
{
    if (!*address)
        return error_set(err, ERROR_SETTINGS, "\"%s\" holds no mail address", whole);
    if (strlen(address) > MAIL_ADDRESS_MAX)
        return error_set(err, ERROR_SETTINGS, "the mail address \"%.40s...\" is longer than %d",
                         address, MAIL_ADDRESS_MAX);
    for (const unsigned char *at = (const unsigned char *)address; *at; at++) {
        if (*at > 0x20 && *at < 0x7f && !strchr("<>,;\"\\()", (char)*at))
            continue;
        return error_set(err, ERROR_SETTINGS,
                         "\"%s\" is no mail address: write NAME@DOMAIN, or TEXT <NAME@DOMAIN>; "
                         "the address itself in ASCII", whole);
    }
    const char *sign = strchr(address, '@');
    if (sign && (sign == address || !sign[1] || strchr(sign + 1, '@')))
        return error_set(err, ERROR_SETTINGS, "\"%s\" is no mail address: write NAME@DOMAIN",
                         whole);
    return 0;
}

/* The name in front of the brackets, without the quotes around it. Caller frees. */
static char *display_name(const char *text, size_t n)
{
    CLEAN_CHAR char *copy = mem_dup_n(text, n);
    char *name = str_trim(copy);
    size_t len = strlen(name);
    if (len < 2 || name[0] != '"' || name[len - 1] != '"')
        return len ? mem_dup(name) : NULL;
    CLEAN_STR struct str plain = STR_INIT;
    for (size_t i = 1; i + 1 < len; i++) {
        if (name[i] == '\\' && i + 2 < len)
            i++;
        str_add_char(&plain, name[i]);
    }
    return plain.len ? str_take(&plain) : NULL;
}

int mail_address_parse(const char *text, struct mail_address *ret_address, struct error *err)
{
    CLEAN_CHAR char *copy = mem_dup(text);
    char *whole = str_trim(copy);
    const char *open = strrchr(whole, '<');
    if (!open) {
        if (check_address(whole, whole, err) < 0)
            return -1;
        *ret_address = (struct mail_address){.address = mem_dup(whole)};
        return 0;
    }
    size_t n = strlen(open + 1);
    if (n == 0 || open[n] != '>')
        return error_set(err, ERROR_SETTINGS, "\"%s\" is no mail address: the \">\" is missing",
                         whole);
    CLEAN_CHAR char *inside = mem_dup_n(open + 1, n - 1);
    if (check_address(inside, whole, err) < 0)
        return -1;
    *ret_address = (struct mail_address){.name = display_name(whole, (size_t)(open - whole)),
                                         .address = mem_dup(inside)};
    return 0;
}

/* ---- header texts ---- */

/* One line of UTF-8 without control characters. */
static void add_clean_line(const char *text, struct str *out)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        unsigned value;
        size_t len = str_utf8_next(text + i, n - i, &value);
        if (len == 0) {
            str_add(out, REPLACEMENT);
            i++;
            continue;
        }
        if (value < 0x20 || (value >= 0x7f && value < 0xa0))
            str_add_char(out, ' ');
        else
            str_add_n(out, text + i, len);
        i += len;
    }
}

static void add_base64(const char *bytes, size_t n, struct str *out)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        unsigned value = (unsigned)(unsigned char)bytes[i] << 16;
        if (i + 1 < n)
            value |= (unsigned)(unsigned char)bytes[i + 1] << 8;
        if (i + 2 < n)
            value |= (unsigned char)bytes[i + 2];
        str_add_char(out, digits[value >> 18 & 63]);
        str_add_char(out, digits[value >> 12 & 63]);
        str_add_char(out, i + 1 < n ? digits[value >> 6 & 63] : '=');
        str_add_char(out, i + 2 < n ? digits[value & 63] : '=');
    }
}

/* Encoded words from column on, cut between characters; gives the column behind. */
static size_t add_encoded(const char *text, size_t column, struct str *out)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        size_t room = column + WORD_FRAME + 8 <= LINE_MAX_COLUMNS
                          ? (LINE_MAX_COLUMNS - column - WORD_FRAME) / 4 * 3
                          : 0;
        size_t rest = n - i;
        size_t take = rest <= room ? rest : str_utf8_cut(text + i, rest, room);
        if (take > 0) {
            size_t before = out->len;
            str_add(out, "=?UTF-8?B?");
            add_base64(text + i, take, out);
            str_add(out, "?=");
            column += out->len - before;
            i += take;
        }
        if (i < n) {
            str_add(out, "\r\n ");
            column = 1;
        }
    }
    return column;
}

/* Whether text can stand in a header as it is: ASCII, nothing that reads as an encoded word, no
 * word too long for a line. */
static bool is_plain(const char *text)
{
    size_t word = 0;
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        word = *at == ' ' ? 0 : word + 1;
        if (*at >= 0x7f || word > LINE_MAX_COLUMNS - 20)
            return false;
    }
    return strstr(text, "=?") == NULL;
}

/* Words, folded in front of the one that does not fit. */
static void add_folded(const char *text, size_t column, struct str *out)
{
    for (const char *at = text; *at;) {
        size_t blanks = strspn(at, " ");
        size_t word = strcspn(at + blanks, " ");
        if (blanks > 0 && word > 0 && column + blanks + word > LINE_MAX_COLUMNS) {
            str_add(out, "\r\n");
            column = 0;
        }
        str_add_n(out, at, blanks + word);
        column += blanks + word;
        at += blanks + word;
    }
}

static void add_header(const char *name, const char *value, struct str *out)
{
    CLEAN_STR struct str line = STR_INIT;
    add_clean_line(value, &line);
    CLEAN_CHAR char *copy = str_take(&line);
    const char *trimmed = str_trim(copy);
    size_t column = strlen(name) + 2;
    str_add_format(out, "%s: ", name);
    if (is_plain(trimmed))
        add_folded(trimmed, column, out);
    else
        add_encoded(trimmed, column, out);
    str_add(out, "\r\n");
}

static bool is_atom_text(const char *text)
{
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr(" !#$%&'*+-/=?^_`{|}~", *text))
            return false;
    return true;
}

/* One address on a line of its own. */
static void add_address(const struct mail_address *address, size_t column, struct str *out)
{
    if (!address->name) {
        str_add(out, address->address);
        return;
    }
    CLEAN_STR struct str name = STR_INIT;
    add_clean_line(address->name, &name);
    size_t before = out->len;
    if (!is_plain(str_text(&name)) || name.len > LINE_MAX_COLUMNS - 20) {
        column = add_encoded(str_text(&name), column, out);
    } else if (is_atom_text(str_text(&name))) {
        str_add(out, str_text(&name));
        column += out->len - before;
    } else {
        str_add_char(out, '"');
        for (const char *at = str_text(&name); *at; at++) {
            if (*at == '"' || *at == '\\')
                str_add_char(out, '\\');
            str_add_char(out, *at);
        }
        str_add_char(out, '"');
        column += out->len - before;
    }
    str_add(out, column + strlen(address->address) + 3 > LINE_MAX_COLUMNS ? "\r\n " : " ");
    str_add_format(out, "<%s>", address->address);
}

static int add_addresses(const struct mail_message *message, struct str *out, struct error *err)
{
    CLEAN_MAIL_ADDRESS struct mail_address from = {0};
    if (mail_address_parse(message->from, &from, err) < 0)
        return error_add(err, "smtp_from");
    str_add(out, "From: ");
    add_address(&from, 6, out);
    str_add(out, "\r\nTo: ");
    if (message->to->n == 0 || message->to->n > MAIL_RECIPIENTS_MAX)
        return error_set(err, ERROR_SETTINGS, "smtp_to names %zu addresses; 1 to %d are possible",
                         message->to->n, MAIL_RECIPIENTS_MAX);
    for (size_t i = 0; i < message->to->n; i++) {
        CLEAN_MAIL_ADDRESS struct mail_address to = {0};
        if (mail_address_parse(message->to->items[i], &to, err) < 0)
            return error_add(err, "smtp_to");
        str_add(out, i ? ",\r\n " : "");
        add_address(&to, i ? 1 : 4, out);
    }
    str_add(out, "\r\n");
    return 0;
}

static void add_date(int64_t sent_at, struct str *out)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(sent_at / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    str_add_format(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday],
                   tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                   tm.tm_sec);
}

static void add_message_id(const struct mail_message *message, struct str *out)
{
    str_add_format(out, "Message-ID: <%s@", message->id);
    for (const char *at = message->hostname; *at && at - message->hostname < HOST_COLUMNS; at++)
        str_add_char(out, isalnum((unsigned char)*at) || *at == '.' ? *at : '-');
    str_add(out, *message->hostname ? ">\r\n" : "localhost>\r\n");
}

/* ---- bodies ---- */

/* UTF-8, line feeds and tabs; nothing else below a blank. */
static void add_clean_text(const char *text, struct str *out)
{
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, "\n\t\r");
        CLEAN_CHAR char *piece = mem_dup_n(at, n);
        add_clean_line(piece, out);
        at += n;
        if (*at && *at != '\r')
            str_add_char(out, *at);
        at += *at != '\0';
    }
}

/* One line, without its end. */
static void add_quoted_line(const char *line, size_t n, struct str *out)
{
    size_t column = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)line[i];
        bool is_last = i + 1 == n;
        bool is_from = i == 0 && n >= 5 && memcmp(line, "From ", 5) == 0;
        bool is_literal = (c > 0x20 && c < 0x7f && c != '=') || ((c == ' ' || c == '\t') &&
                                                                  !is_last);
        size_t width = is_literal ? 1 : 3;
        /* One column is the soft break's, unless this ends the line. */
        if (column + width > LINE_MAX_COLUMNS - (is_last ? 0 : 1)) {
            str_add(out, "=\r\n");
            column = 0;
        }
        if ((c == '.' && column == 0) || is_from) {
            is_literal = false;
            width = 3;
        }
        if (is_literal)
            str_add_char(out, (char)c);
        else
            str_add_format(out, "=%02X", c);
        column += width;
    }
    str_add(out, "\r\n");
}

static void add_part(const char *boundary, const char *type, const char *text, struct str *out)
{
    CLEAN_STR struct str clean = STR_INIT;
    add_clean_text(text, &clean);
    str_add_format(out,
                   "--%s\r\nContent-Type: %s; charset=utf-8\r\n"
                   "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
                   boundary, type);
    for (const char *at = str_text(&clean); *at;) {
        size_t n = strcspn(at, "\n");
        add_quoted_line(at, n, out);
        at += n + (at[n] == '\n');
    }
    str_add(out, "\r\n");
}

int mail_message_format(const struct mail_message *message, struct str *out, struct error *err)
{
    CLEAN_STR struct str bytes = STR_INIT;
    CLEAN_CHAR char *boundary = str_format("=_onyxpool_%s", message->id);
    add_date(message->sent_at, &bytes);
    if (add_addresses(message, &bytes, err) < 0)
        return -1;
    add_header("Subject", message->subject, &bytes);
    add_message_id(message, &bytes);
    str_add_format(&bytes,
                   "MIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n"
                   "Content-Type: multipart/alternative;\r\n boundary=\"%s\"\r\n\r\n",
                   boundary);
    add_part(boundary, "text/plain", message->text, &bytes);
    add_part(boundary, "text/html", message->html, &bytes);
    str_add_format(&bytes, "--%s--\r\n", boundary);
    str_add_n(out, str_text(&bytes), bytes.len);
    return 0;
}
