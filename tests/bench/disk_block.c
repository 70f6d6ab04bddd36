/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each block starts its own pseudo-random sequence (splitmix64), so blocks can be made in any order.
 */
#include "tests/bench/disk_block.h"

#include <stdio.h>
#include <string.h>

#include "common/base/poison.h"

#define PAGE_BYTES   4096u
#define SPARSE_BYTES 65536u
#define WORDS_N      4096u
#define WORD_MAX     12u

struct dice {
    uint64_t state;
};

static uint64_t roll(struct dice *dice)
{
    uint64_t z = (dice->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

int disk_kind_from_name(const char *name, enum disk_kind *ret_kind)
{
    static const char *const names[] = {"text", "binary", "random", "sparse"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *ret_kind = (enum disk_kind)i;
            return 1;
        }
    return 0;
}

static void fill_random(struct dice *dice, unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
        uint64_t value = roll(dice);
        memcpy(bytes + i, &value, n - i < sizeof value ? n - i : sizeof value);
    }
}

/* Word number i is always the same one; the first ones are short, as in languages. */
static size_t put_word(unsigned number, unsigned char *at)
{
    static const char letters[] = "etaoinshrdlucmfwypvbgkjqxz";
    struct dice dice = {number};
    uint64_t bits = roll(&dice);
    size_t n = 2 + number * 7 / WORDS_N + bits % 4;
    for (size_t i = 0; i < n; i++) {
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        unsigned pick = (unsigned)(bits >> 40) % 26 * ((unsigned)(bits >> 48) % 26 + 6) / 32;
        at[i] = (unsigned char)letters[pick % 26];
    }
    return n;
}

static size_t put_stamp(struct dice *dice, uint64_t line, unsigned char *at)
{
    char text[64];
    int n = snprintf(text, sizeof text, "2026-11-22 %02u:%02u:%02u.%03u web%u app[%u]: ",
                     (unsigned)(line / 3600 % 24), (unsigned)(line / 60 % 60),
                     (unsigned)(line % 60), (unsigned)(roll(dice) % 1000),
                     (unsigned)(roll(dice) % 8), (unsigned)(1000 + roll(dice) % 50));
    memcpy(at, text, (size_t)n);
    return (size_t)n;
}

/* Log lines of words; frequent words are frequent, as Zipf has it. */
static void fill_text(struct dice *dice, unsigned char *bytes, size_t n)
{
    unsigned char line[512];
    uint64_t number = roll(dice) % 86400;
    for (size_t at = 0; at < n;) {
        size_t line_n = put_stamp(dice, number++, line);
        unsigned words = 6 + (unsigned)(roll(dice) % 20);
        for (unsigned i = 0; i < words; i++) {
            uint64_t u = roll(dice) % WORDS_N;
            line_n += put_word((unsigned)(u * u / WORDS_N * u / WORDS_N), line + line_n);
            line[line_n++] = i + 1 < words ? ' ' : '\n';
        }
        size_t part = line_n < n - at ? line_n : n - at;
        memcpy(bytes + at, line, part);
        at += part;
    }
}

/* Opcodes of few kinds, some with an operand. */
static void fill_code(struct dice *dice, unsigned char *bytes, size_t n)
{
    static const unsigned char opcodes[] = {0x48, 0x89, 0x8b, 0xe8, 0x0f, 0x83, 0xc3, 0x41,
                                            0x55, 0x5d, 0x74, 0x75, 0xff, 0x31, 0x85, 0xeb};
    for (size_t i = 0; i < n;) {
        uint64_t bits = roll(dice);
        for (unsigned step = 0; step < 8 && i < n; step++, bits >>= 8)
            bytes[i++] = bits & 0x30 ? opcodes[bits & 0x0f & (bits >> 1 | 3)]
                                     : (unsigned char)(bits >> 3);
    }
}

/* Records of 32 bytes: a counter, small numbers, a pointer. */
static void fill_records(struct dice *dice, unsigned char *bytes, size_t n)
{
    uint64_t counter = roll(dice) % 1000000;
    for (size_t i = 0; i + 32 <= n; i += 32) {
        uint64_t bits = roll(dice);
        uint64_t fields[4] = {counter++, bits & 0xff, UINT64_C(0x00007f3a40000000) + (bits >> 40 << 4),
                              (bits >> 8 & 3) << 32 | (bits >> 16 & 0x0f)};
        memcpy(bytes + i, fields, sizeof fields);
    }
}

static void fill_binary(struct dice *dice, unsigned char *bytes, size_t n)
{
    for (size_t at = 0; at < n; at += PAGE_BYTES) {
        unsigned kind = (unsigned)(roll(dice) % 10);
        if (kind < 4)
            fill_code(dice, bytes + at, PAGE_BYTES);
        else if (kind < 7)
            fill_records(dice, bytes + at, PAGE_BYTES);
        else if (kind < 8)
            fill_text(dice, bytes + at, PAGE_BYTES);
        else if (kind < 9)
            fill_random(dice, bytes + at, PAGE_BYTES);
        else
            memset(bytes + at, 0, PAGE_BYTES);
    }
}

void disk_block_fill(enum disk_kind kind, uint64_t number, unsigned char bytes[DISK_BLOCK_BYTES])
{
    struct dice dice = {number << 8 | (unsigned)kind};
    switch (kind) {
    case DISK_TEXT:
        fill_text(&dice, bytes, DISK_BLOCK_BYTES);
        return;
    case DISK_BINARY:
        fill_binary(&dice, bytes, DISK_BLOCK_BYTES);
        return;
    case DISK_RANDOM:
        fill_random(&dice, bytes, DISK_BLOCK_BYTES);
        return;
    case DISK_SPARSE:
        fill_binary(&dice, bytes, SPARSE_BYTES);
        memset(bytes + SPARSE_BYTES, 0, DISK_BLOCK_BYTES - SPARSE_BYTES);
        return;
    }
}
