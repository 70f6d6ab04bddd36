/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Blocks go to the disk before their checksum is known, as there: with force wrong data stay.
 */
#include "tests/poolsim/xva_reader.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/base/error.h"
#include "common/base/num.h"

#include "common/base/poison.h"

#define TAR_BYTES 512U
#define BLOCK_MAX (UINT64_C(64) << 20)
#define SUM_MAX   128U

void xva_reader_init(struct xva_reader *reader, struct source source)
{
    *reader = (struct xva_reader){.source = source, .first_length = -1, .checks_sums = true};
}

static uint64_t parse_octal(const unsigned char *field, size_t n)
{
    uint64_t value = 0;
    size_t i = 0;
    while (i < n && field[i] == ' ')
        i++;
    for (; i < n && field[i] >= '0' && field[i] <= '7'; i++)
        value = value * 8 + (uint64_t)(field[i] - '0');
    return value;
}

int xva_parse_header(const unsigned char bytes[512], struct xva_member *ret_member,
                     struct error *err)
{
    unsigned sum = 0;
    for (size_t i = 0; i < TAR_BYTES; i++)
        sum += i >= 148 && i < 156 ? ' ' : bytes[i];
    if (parse_octal(bytes + 148, 8) != sum)
        return error_set(err, ERROR_CORRUPT, "Tar.Header.Checksum_mismatch");
    memcpy(ret_member->name, bytes, 100);
    ret_member->name[100] = '\0';
    ret_member->length = parse_octal(bytes + 124, 12);
    return 0;
}

static bool is_zero(const unsigned char *bytes)
{
    static const unsigned char zeros[TAR_BYTES];
    return memcmp(bytes, zeros, TAR_BYTES) == 0;
}

int xva_read_header(struct xva_reader *reader, struct xva_member *ret_member, struct error *err)
{
    unsigned char bytes[TAR_BYTES];
    if (source_read_all(&reader->source, bytes, sizeof bytes, err) != 0)
        return -1;
    if (!is_zero(bytes))
        return xva_parse_header(bytes, ret_member, err);
    if (source_read_all(&reader->source, bytes, sizeof bytes, err) != 0)
        return -1;
    if (!is_zero(bytes))
        return xva_parse_header(bytes, ret_member, err);
    return error_set(err, ERROR_CORRUPT, "Tar.Header.End_of_stream");
}

static size_t padding(uint64_t length)
{
    return (size_t)((TAR_BYTES - length % TAR_BYTES) % TAR_BYTES);
}

int xva_read_text(struct xva_reader *reader, const struct xva_member *member, struct str *text,
                  struct error *err)
{
    if (member->length > XVA_OVA_MAX)
        return error_set(err, ERROR_CORRUPT, "Stream_vdi.Failure(\"%s is too large\")",
                         member->name);
    size_t n = (size_t)member->length;
    if (source_read_all(&reader->source, str_reserve(text, n), n, err) != 0)
        return -1;
    str_set_len(text, text->len + n);
    return source_skip(&reader->source, padding(member->length), err);
}

struct disk_input {
    struct xva_reader *reader;
    struct disk *disk;
    const char *prefix;
    uint64_t size_bytes;
    uint64_t offset;
    char last[64]; /* suffix of the last member */
    int64_t number;
    unsigned char *buffer;
    size_t buffer_bytes;
};

static int fail_invalid(struct error *err)
{
    return error_set(err, ERROR_CORRUPT, "Stream_vdi.Failure(\"Invalid XVA file\")");
}

/* The suffix behind "prefix/", which has to grow; gives how many blocks were passed over. */
static int check_name(struct disk_input *input, const struct xva_member *member,
                      int64_t *ret_passed, struct error *err)
{
    const char *suffix = member->name + strlen(input->prefix) + 1;
    int64_t number = 0;
    if (!str_starts(member->name, input->prefix) || strlen(member->name) <= strlen(input->prefix))
        return fail_invalid(err);
    if (strcmp(suffix, input->last) <= 0)
        return fail_invalid(err);
    if (num_parse(suffix, 0, INT32_MAX, &number, NULL) != 0)
        return error_set(err, ERROR_CORRUPT, "Stream_vdi.Failure(\"int_of_string\")");
    *ret_passed = number - input->number - 1;
    input->number = number;
    (void)str_copy(input->last, sizeof input->last, suffix);
    return 0;
}

static int read_block(struct disk_input *input, const struct xva_member *member, struct error *err)
{
    if (member->length > BLOCK_MAX)
        return fail_invalid(err);
    if (member->length > input->buffer_bytes) {
        free(input->buffer);
        input->buffer_bytes = 0;
        input->buffer = mem_try((size_t)member->length, err);
        if (!input->buffer)
            return -1;
        input->buffer_bytes = (size_t)member->length;
    }
    if (source_read_all(&input->reader->source, input->buffer, (size_t)member->length, err) != 0)
        return -1;
    return disk_write(input->disk, input->offset, input->buffer, (size_t)member->length, err);
}

/* Digits of the sum that the checksum member's name asks for; -1 when it is no checksum. */
static int make_sum(const struct disk_input *input, const struct xva_member *member,
                    const char *sum_name, char digits[SUM_MAX], struct error *err)
{
    static const unsigned char nothing[1];
    unsigned char sha1[SHA_DIGEST_LENGTH];
    const unsigned char *bytes = input->buffer ? input->buffer : nothing;
    if (str_ends(sum_name, ".xxhash")) {
        (void)snprintf(digits, SUM_MAX, "%016llX",
                       (unsigned long long)XXH64(bytes, (size_t)member->length, 0));
        return 0;
    }
    if (str_ends(sum_name, ".checksum")) {
        SHA1(bytes, (size_t)member->length, sha1);
        num_format_hex(sha1, sizeof sha1, digits);
        return 0;
    }
    return error_set(err, ERROR_CORRUPT,
                     "Stream_vdi.Failure(\"Found unsupported checksum file: %s\")", sum_name);
}

static int check_sum(struct disk_input *input, const struct xva_member *member, struct error *err)
{
    struct xva_member sum;
    char digits[SUM_MAX];
    CLEAN_STR struct str text = STR_INIT;
    if (xva_read_header(input->reader, &sum, err) != 0 ||
        make_sum(input, member, sum.name, digits, err) != 0 ||
        source_skip(&input->reader->source, padding(member->length), err) != 0)
        return -1;
    if (sum.length > SUM_MAX)
        return fail_invalid(err);
    if (xva_read_text(input->reader, &sum, &text, err) != 0)
        return -1;
    size_t stem = strlen(member->name);
    if (strncmp(sum.name, member->name, stem) != 0 || sum.name[stem] != '.')
        return error_set(err, ERROR_CORRUPT, "Not_found");
    if (strcmp(str_text(&text), digits) == 0 || input->reader->is_forced)
        return 0;
    return error_set(err, ERROR_CORRUPT,
                     "Stream_vdi.Invalid_checksum(\"Block %s checksum failed: original = %s; "
                     "recomputed = %s\")",
                     member->name, str_text(&text), digits);
}

static int read_member(struct disk_input *input, struct error *err)
{
    struct xva_reader *reader = input->reader;
    struct xva_member member;
    int64_t passed = 0;
    if (xva_read_header(reader, &member, err) != 0)
        return -1;
    if (reader->first_length < 0)
        reader->first_length = (int64_t)member.length;
    if (check_name(input, &member, &passed, err) != 0)
        return -1;
    input->offset += (uint64_t)passed * (uint64_t)reader->first_length;
    if (read_block(input, &member, err) != 0 || check_sum(input, &member, err) != 0)
        return -1;
    input->offset += member.length;
    return 0;
}

int xva_read_disk(struct xva_reader *reader, struct disk *disk, uint64_t size_bytes,
                  const char *prefix, xva_read_step_fn *step, void *step_context, struct error *err)
{
    struct disk_input input = {.reader = reader,
                               .disk = disk,
                               .prefix = prefix,
                               .size_bytes = size_bytes,
                               .last = "-1",
                               .number = -1};
    int failed = 0;
    while (!failed && input.offset < size_bytes) {
        failed = step ? step(step_context, input.offset, err) : 0;
        if (!failed)
            failed = read_member(&input, err);
    }
    free(input.buffer);
    return failed;
}
