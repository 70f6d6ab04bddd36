/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One state a block: header, data, padding, more sparse headers, the first zero block, the end.
 * Headers that lie whole in the caller's bytes are read there.
 */
#include "common/format/tar.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"

#include "common/base/poison.h"

enum { AT_HEADER, AT_SPARSE, AT_DATA, AT_PADDING, AT_SECOND_ZERO, AT_END };

/* Offsets and lengths of a header's fields. */
#define NAME_AT        0
#define NAME_LENGTH    100
#define SIZE_AT        124
#define SIZE_LENGTH    12
#define SUM_AT         148
#define SUM_LENGTH     8
#define TYPE_AT        156
#define MAGIC_AT       257
#define PREFIX_AT      345
#define PREFIX_LENGTH  155
#define MORE_SPARSE_AT 482 /* in a header of type 'S' */
#define STILL_MORE_AT  504 /* in a block of more sparse entries */

void tar_reader_init(struct tar_reader *reader, enum tar_rule rule, const struct tar_events *events,
                     void *context)
{
    memset(reader, 0, sizeof *reader);
    reader->events = events;
    reader->context = context;
    reader->rule = rule;
    reader->state = AT_HEADER;
}

/* Octal digits with blanks before and a blank or NUL behind. */
static bool parse_octal(const unsigned char *field, size_t n, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t i = 0;

    while (i < n && field[i] == ' ')
        i++;
    size_t first = i;
    for (; i < n && field[i] >= '0' && field[i] <= '7'; i++) {
        if (value >> 60)
            return false;
        value = value << 3 | (uint64_t)(field[i] - '0');
    }
    if (i == first || (i < n && field[i] != ' ' && field[i] != '\0'))
        return false;
    *ret_value = value;
    return true;
}

/* Octal, or GNU's big-endian number behind a byte 0x80. */
static bool parse_size(const unsigned char *field, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (field[0] != 0x80)
        return parse_octal(field, SIZE_LENGTH, ret_value);
    for (size_t i = 1; i < SIZE_LENGTH; i++) {
        if (value >> 55)
            return false;
        value = value << 8 | field[i];
    }
    *ret_value = value;
    return true;
}

static uint64_t sum_of(const unsigned char *block)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += i >= SUM_AT && i < SUM_AT + SUM_LENGTH ? ' ' : block[i];
    return sum;
}

static bool sum_is_right(const unsigned char *block)
{
    uint64_t stored = 0;
    uint64_t sum = sum_of(block);

    return parse_octal(block + SUM_AT, SUM_LENGTH, &stored) && stored == sum;
}

static size_t copy_field(char *to, const unsigned char *field, size_t n)
{
    size_t length = strnlen((const char *)field, n);

    memcpy(to, field, length);
    return length;
}

static void copy_name(char name[TAR_NAME_MAX], const unsigned char *block)
{
    size_t n = 0;

    /* GNU's own magic "ustar  " uses the prefix's place for times. */
    if (memcmp(block + MAGIC_AT, "ustar\0", 6) == 0 && block[PREFIX_AT]) {
        n = copy_field(name, block + PREFIX_AT, PREFIX_LENGTH);
        name[n++] = '/';
    }
    n += copy_field(name + n, block + NAME_AT, NAME_LENGTH);
    name[n] = '\0';
}

/* Where the reader is, for people: "behind member NAME". */
static int corrupt(const struct tar_reader *reader, const char *what, uint64_t at,
                   struct error *err)
{
    if (!reader->member.name[0])
        return error_set(err, ERROR_CORRUPT, "tar: %s at byte %" PRIu64, what, at);
    return error_set(err, ERROR_CORRUPT, "tar: %s at byte %" PRIu64 ", after member %s", what, at,
                     reader->member.name);
}

static bool type_has_data(char type)
{
    /* Links, devices, folders and pipes may carry a size that stands for no data. */
    return type < '1' || type > '6';
}

static int begin_data(struct tar_reader *reader, struct error *err)
{
    reader->member.data_at = reader->at;
    reader->data = type_has_data(reader->member.type) ? reader->member.size_bytes : 0;
    reader->padding = (uint32_t)((TAR_BLOCK - reader->data % TAR_BLOCK) % TAR_BLOCK);
    reader->state = AT_DATA;
    return reader->events->begin(reader->context, &reader->member, err);
}

/* One whole header block; reader->at is behind it. */
static int read_header(struct tar_reader *reader, const unsigned char *block, struct error *err)
{
    uint64_t at = reader->at - TAR_BLOCK;
    struct tar_member member = {.data_at = 0};
    uint64_t ignored;

    if (mem_is_zero(block, TAR_BLOCK)) {
        reader->state = AT_SECOND_ZERO;
        return 0;
    }
    if (!sum_is_right(block))
        return corrupt(reader, "no header", at, err);
    if (!parse_size(block + SIZE_AT, &member.size_bytes) ||
        !num_add(at, member.size_bytes, &ignored))
        return corrupt(reader, "a header with a bad size", at, err);
    copy_name(member.name, block);
    if (!member.name[0] ||
        (reader->rule == TAR_FILES_ONLY && !str_is_utf8(member.name, strlen(member.name))))
        return corrupt(reader, "a header with a bad name", at, err);
    member.type = block[TYPE_AT] ? (char)block[TYPE_AT] : '0';
    if (reader->rule == TAR_FILES_ONLY && member.type != '0')
        return corrupt(reader, "a member that is no file", at, err);
    reader->member = member;
    if (member.type == 'S' && block[MORE_SPARSE_AT]) {
        reader->state = AT_SPARSE;
        return 0;
    }
    return begin_data(reader, err);
}

static int read_block(struct tar_reader *reader, const unsigned char *block, struct error *err)
{
    reader->at += TAR_BLOCK;
    switch (reader->state) {
    case AT_HEADER:
        return read_header(reader, block, err);
    case AT_SPARSE:
        return block[STILL_MORE_AT] ? 0 : begin_data(reader, err);
    case AT_SECOND_ZERO:
        if (!mem_is_zero(block, TAR_BLOCK))
            return corrupt(reader, "one zero block alone", reader->at - 2 * TAR_BLOCK, err);
        reader->state = AT_END;
        return 0;
    default: /* AT_END under TAR_ANY */
        if (!mem_is_zero(block, TAR_BLOCK))
            return corrupt(reader, "data behind the end", reader->at - TAR_BLOCK, err);
        return 0;
    }
}

/* Give what of n bytes belongs to the member; moves on when it is complete. */
static int read_data(struct tar_reader *reader, const unsigned char *bytes, size_t n,
                     size_t *ret_used, struct error *err)
{
    size_t used = reader->data < n ? (size_t)reader->data : n;

    reader->at += used;
    reader->data -= used;
    *ret_used = used;
    if (used && reader->events->data(reader->context, bytes, used, err))
        return -1;
    if (reader->data)
        return 0;
    reader->state = reader->padding ? AT_PADDING : AT_HEADER;
    return reader->events->end(reader->context, err);
}

/* XAPI pads with zeros: anything else there was changed on its way. */
static int skip_padding(struct tar_reader *reader, const unsigned char *bytes, size_t n,
                        size_t *ret_used, struct error *err)
{
    size_t used = reader->padding < n ? reader->padding : n;

    for (size_t i = 0; reader->rule == TAR_FILES_ONLY && i < used; i++)
        if (bytes[i])
            return corrupt(reader, "padding that is not zero", reader->at + i, err);
    reader->at += used;
    reader->padding -= (uint32_t)used;
    if (!reader->padding)
        reader->state = AT_HEADER;
    *ret_used = used;
    return 0;
}

/* Collect or take one whole block. */
static int feed_block(struct tar_reader *reader, const unsigned char *bytes, size_t n,
                      size_t *ret_used, struct error *err)
{
    const unsigned char *block = bytes;
    size_t used = TAR_BLOCK;

    if (reader->have || n < TAR_BLOCK) {
        used = TAR_BLOCK - reader->have < n ? TAR_BLOCK - reader->have : n;
        memcpy(reader->block + reader->have, bytes, used);
        reader->have += used;
        block = reader->block;
    }
    *ret_used = used;
    if (block == reader->block) {
        if (reader->have < TAR_BLOCK)
            return 0;
        reader->have = 0;
    }
    return read_block(reader, block, err);
}

int tar_reader_feed(struct tar_reader *reader, const void *bytes, size_t n, struct error *err)
{
    const unsigned char *at = bytes;
    size_t used;

    /* An empty member has its end as soon as it began, not with the next bytes. */
    while (n || (reader->state == AT_DATA && !reader->data)) {
        used = 0;
        if (reader->state == AT_DATA) {
            if (read_data(reader, at, n, &used, err))
                return -1;
        } else if (reader->state == AT_PADDING) {
            if (skip_padding(reader, at, n, &used, err))
                return -1;
        } else if (reader->state == AT_END && reader->rule == TAR_FILES_ONLY) {
            return corrupt(reader, "data behind the end", reader->at, err);
        } else if (feed_block(reader, at, n, &used, err)) {
            return -1;
        }
        at += used;
        n -= used;
    }
    return 0;
}

int tar_reader_finish(const struct tar_reader *reader, struct error *err)
{
    uint64_t at = reader->at + reader->have;
    const char *name = reader->member.name;

    if (reader->state == AT_END && !reader->have)
        return 0;
    if (at == 0)
        return error_set(err, ERROR_SHORT, "tar: the archive is empty");
    if (reader->state == AT_DATA || reader->state == AT_PADDING || reader->state == AT_SPARSE)
        return error_set(
            err, ERROR_SHORT,
            "tar: stops at byte %" PRIu64 " inside member %s (%" PRIu64 " of %" PRIu64 " bytes)",
            at, name, reader->member.size_bytes - reader->data, reader->member.size_bytes);
    return error_set(err, ERROR_SHORT,
                     "tar: stops at byte %" PRIu64 " without its end mark of two zero blocks%s%s",
                     at, name[0] ? ", after member " : "", name);
}

/* As many octal digits as the field had, so that what stands behind them stays. */
static bool put_octal(unsigned char *field, size_t n, uint64_t value)
{
    size_t digits = 0;

    while (digits < n && (field[digits] == ' ' || (field[digits] >= '0' && field[digits] <= '7')))
        digits++;
    while (digits > 0 && field[digits - 1] == ' ')
        digits--;
    for (size_t i = digits; i > 0; i--, value >>= 3)
        field[i - 1] = (unsigned char)('0' + (value & 7));
    return value == 0;
}

int tar_header_set_size(unsigned char header[TAR_BLOCK], uint64_t size_bytes, struct error *err)
{
    if (header[SIZE_AT] == 0x80 || !put_octal(header + SIZE_AT, SIZE_LENGTH, size_bytes) ||
        !put_octal(header + SUM_AT, SUM_LENGTH, sum_of(header)))
        return error_set(err, ERROR_LIMIT, "tar: %" PRIu64 " bytes do not fit into the header",
                         size_bytes);
    return 0;
}

bool tar_reader_is_at_end(const struct tar_reader *reader)
{
    return reader->state == AT_END;
}
