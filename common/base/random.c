/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * getrandom(2) with its loop for short answers.
 */
#include "common/base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/log.h"
#include "common/base/num.h"

#include "common/base/poison.h"

static void system_fill(void *context, void *bytes, size_t n)
{
    unsigned char *at = bytes;

    (void)context;
    while (n) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            log_error("random", "the kernel gives no random bytes: %s", strerrorname_np(errno));
            abort();
        }
        at += got;
        n -= (size_t)got;
    }
}

const struct random *random_system(void)
{
    static const struct random random = {system_fill, NULL};

    return &random;
}

void random_fill(const struct random *random, void *bytes, size_t n)
{
    random->fill(random->context, bytes, n);
}

uint64_t random_u64(const struct random *random)
{
    uint64_t value;

    random_fill(random, &value, sizeof value);
    return value;
}

char *random_uuid(const struct random *random, char text[UUID_TEXT_MAX])
{
    static const size_t groups[] = {4, 2, 2, 2, 6};
    unsigned char bytes[16];
    const unsigned char *from = bytes;
    char *to = text;

    random_fill(random, bytes, sizeof bytes);
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40); /* version 4, RFC 4122 4.4 */
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (i)
            *to++ = '-';
        num_format_hex(from, groups[i], to);
        from += groups[i];
        to += 2 * groups[i];
    }
    return text;
}

char *random_id(const struct random *random, char text[RANDOM_ID_MAX])
{
    unsigned char bytes[8];

    random_fill(random, bytes, sizeof bytes);
    return num_format_hex(bytes, sizeof bytes, text);
}

int uuid_is_valid(const char *text)
{
    size_t i = 0;

    for (; i < UUID_TEXT_MAX - 1; i++) {
        char c = text[i];
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (i == 8 || i == 13 || i == 18 || i == 23 ? c != '-' : !is_hex)
            return 0;
    }
    return text[i] == '\0';
}
