/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small objects: there is no sensible way on without a few bytes, so the process ends with a line
 * on stderr and its supervisor starts it anew.
 */
#include "common/base/mem.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"

#include "common/base/poison.h"

__attribute__((noreturn)) static void mem_die(void)
{
    static const char text[] = "onyxpool: out of memory\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);

    (void)n;
    abort();
}

void *mem_zero(size_t n, size_t item_size)
{
    void *memory = calloc(n ? n : 1, item_size ? item_size : 1);

    if (!memory)
        mem_die();
    return memory;
}

char *mem_dup(const char *text)
{
    return text ? mem_dup_n(text, strlen(text)) : NULL;
}

char *mem_dup_n(const char *bytes, size_t n)
{
    if (n == SIZE_MAX)
        mem_die();
    char *copy = malloc(n + 1);

    if (!copy)
        mem_die();
    if (n)
        memcpy(copy, bytes, n);
    copy[n] = '\0';
    return copy;
}

void *mem_copy(const void *bytes, size_t n)
{
    void *copy = malloc(n ? n : 1);

    if (!copy)
        mem_die();
    if (n)
        memcpy(copy, bytes, n);
    return copy;
}

void *mem_grow(void *items, size_t *cap, size_t need, size_t item_size)
{
    size_t bytes;
    size_t want = *cap;

    if (need <= *cap)
        return items;
    /* Doubling keeps the sum of all copies linear. */
    while (want < need) {
        if (want > SIZE_MAX / 2)
            mem_die();
        want = want ? want * 2 : 8;
    }
    if (__builtin_mul_overflow(want, item_size, &bytes))
        mem_die();
    void *grown = realloc(items, bytes);
    if (!grown)
        mem_die();
    *cap = want;
    return grown;
}

void *mem_try(size_t n, struct error *err)
{
    void *memory = calloc(1, n ? n : 1);

    if (!memory)
        error_set(err, ERROR_NO_MEMORY, "no memory for a buffer of %zu bytes", n);
    return memory;
}

bool mem_is_zero(const void *bytes, size_t n)
{
    const unsigned char *at = bytes;

    return at[0] == 0 && memcmp(at, at + 1, n - 1) == 0;
}

void mem_set(char **field, const char *text)
{
    char *copy = mem_dup(text);

    free(*field);
    *field = copy;
}

void mem_free_char(char **pointer)
{
    mem_free_void(pointer);
}

void mem_free_void(void *pointer_to_pointer)
{
    int saved = errno;
    void *memory;

    /* Through memcpy: the pointer behind may be of any object type. */
    memcpy(&memory, pointer_to_pointer, sizeof memory);
    free(memory);
    memset(pointer_to_pointer, 0, sizeof memory);
    errno = saved;
}
