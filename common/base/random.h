/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Random bytes and the names made of them, from a source that is passed in.
 */
#ifndef ONYX_COMMON_BASE_RANDOM_H
#define ONYX_COMMON_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#define UUID_TEXT_MAX 37 /* 8-4-4-4-12 and NUL */
#define RANDOM_ID_MAX 17 /* 16 hex digits and NUL */

struct random {
    void (*fill)(void *context, void *bytes, size_t n);
    void *context;
};

/* The kernel's random source. Borrowed. Ends the process if the kernel gives none. */
const struct random *random_system(void);

void random_fill(const struct random *random, void *bytes, size_t n);
uint64_t random_u64(const struct random *random);
char *random_uuid(const struct random *random, char text[UUID_TEXT_MAX]); /* version 4 */
char *random_id(const struct random *random, char text[RANDOM_ID_MAX]);   /* "3f9a2c1b00e4d711" */

/* Whether text is 8-4-4-4-12 hex digits. */
int uuid_is_valid(const char *text);

#endif
