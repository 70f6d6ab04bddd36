/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Byte by byte; a character of UTF-8 is kept whole. An empty name becomes "%00", which no other
 * name can become. Reserved and special names are compared without case, because a share that
 * folds case would make them one.
 */
#include "common/model/name_on_share.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include <unicase.h>
#include <uninorm.h>

#include "common/base/percent.h"
#include "common/base/str.h"

#include "common/base/poison.h"

#define UUID_BEGINNING 8
#define EMPTY_NAME     "%00"

/* "CON", "con.txt", "Lpt1 .x": what stands before the first dot is a device of Windows. */
static bool is_reserved(const char *name)
{
    static const char *const devices[] = {"CON", "PRN", "AUX", "NUL"};
    size_t n = strcspn(name, ".");

    while (n && name[n - 1] == ' ')
        n--;
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        if (n == 3 && strncasecmp(name, devices[i], n) == 0)
            return true;
    return n == 4 && (strncasecmp(name, "COM", 3) == 0 || strncasecmp(name, "LPT", 3) == 0) &&
           name[3] >= '1' && name[3] <= '9';
}

/* A folder that holds something else than a VM's backups. */
static bool is_special(const char *name)
{
    return strcasecmp(name, "POOL_DB") == 0 || strncasecmp(name, "HOST_", 5) == 0;
}

/* Whether the byte at this place of the name can't stand on a share. */
static bool must_encode(const char *name, size_t i)
{
    unsigned char c = (unsigned char)name[i];
    bool is_last = name[i + 1] == '\0';

    if (c < 0x20 || c == 0x7f || strchr("/\\:*?\"<>|", c))
        return true;
    if (c == '.' && (i == 0 || is_last))
        return true;
    if (c == ' ' && is_last)
        return true;
    if (c == '%' && percent_byte(name + i, strlen(name + i)) >= 0)
        return true;
    return i == 0 && (is_reserved(name) || is_special(name));
}

/* Append one character's encoding unless that makes more than max bytes; false then. */
static bool add_character(struct str *out, const char *name, size_t i, size_t length, size_t max)
{
    bool is_encoded = !length || must_encode(name, i);

    if (out->len + (is_encoded ? 3 : length) > max)
        return false;
    if (is_encoded)
        percent_add(out, name[i]);
    else
        str_add_n(out, name + i, length);
    return true;
}

static void add_uuid_beginning(struct str *out, char before, const char *uuid)
{
    str_add_char(out, before);
    str_add_n(out, uuid ? uuid : "", uuid ? strnlen(uuid, UUID_BEGINNING) : 0);
}

/* The encoding in at most max bytes; false if it had to be cut. */
static bool encode_within(struct str *out, const char *name, size_t max)
{
    size_t n = strlen(name);
    unsigned value;

    if (!n)
        str_add(out, EMPTY_NAME);
    for (size_t i = 0; i < n;) {
        size_t length = str_utf8_next(name + i, n - i, &value);
        if (!add_character(out, name, i, length, max))
            return false;
        i += length ? length : 1;
    }
    return true;
}

static void encode(struct str *out, const char *name, const char *uuid)
{
    if (!encode_within(out, name, NAME_ON_SHARE_MAX))
        add_uuid_beginning(out, '~', uuid);
}

char *name_on_share_encode(const char *name, const char *uuid)
{
    CLEAN_STR struct str out = STR_INIT;

    encode(&out, name, uuid);
    return str_take(&out);
}

char *name_on_share_encode_twin(const char *name, const char *uuid)
{
    CLEAN_STR struct str out = STR_INIT;

    encode(&out, name, uuid);
    add_uuid_beginning(&out, '_', uuid);
    return str_take(&out);
}

bool name_on_share_decode(const char *folder, char **ret_name)
{
    CLEAN_STR struct str out = STR_INIT;

    if (strlen(folder) > NAME_ON_SHARE_MAX || !folder[0])
        return false;
    for (const char *at = folder; !str_equal(folder, EMPTY_NAME) && *at; at++) {
        int byte = percent_byte(at, strlen(at));
        if (byte == 0)
            return false;
        str_add_char(&out, byte > 0 ? (char)byte : *at);
        if (byte > 0)
            at += 2;
    }
    *ret_name = str_take(&out);
    return true;
}

bool name_on_share_is_plain(const char *name)
{
    CLEAN_STR struct str out = STR_INIT;

    return encode_within(&out, name, NAME_ON_SHARE_MAX) && str_equal(str_text(&out), name);
}

bool name_on_share_same(const char *a, const char *b)
{
    size_t a_n = strlen(a);
    size_t b_n = strlen(b);
    const uint8_t *a_bytes = (const uint8_t *)a;
    const uint8_t *b_bytes = (const uint8_t *)b;
    int order = 1;

    if (str_equal(a, b))
        return true;
    if (!str_is_utf8(a, a_n) || !str_is_utf8(b, b_n))
        return strcasecmp(a, b) == 0;
    if (u8_casecmp(a_bytes, a_n, b_bytes, b_n, NULL, UNINORM_NFC, &order))
        return strcasecmp(a, b) == 0;
    return order == 0;
}
