/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tar reader calls back for each member; what may come next stands in check->want. The first
 * block's checksum kind is not known before its data has gone by, so both digests are taken until
 * the first checksum member tells.
 *
 * A failing export writes an HTTP response into the data, and whatever was being read turns into
 * nonsense there. So an error is held back for as long as the stream could still be that response,
 * and named by it when it was.
 */
#include "common/format/xva.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/num.h"
#include "common/base/str.h"
#include "common/format/digest.h"
#include "common/format/late_error.h"
#include "common/format/sparse_digest.h"
#include "common/format/tar.h"
#include "common/model/pool.h"

#include "common/base/poison.h"

#define SECTOR        512
#define NUMBER_DIGITS 8
#define SUM_TEXT_MAX  41

enum want { WANT_OVA, WANT_BLOCK, WANT_SUM };

struct xva_check {
    struct tar_reader tar;
    struct ova_reader *ova_reader;
    struct xva_summary summary;
    struct xva_expected *expected;
    size_t expected_n;
    bool is_expecting;

    enum want want;
    size_t disk;     /* index of the disk being read */
    bool is_started; /* a block of it was seen */
    uint64_t next;   /* least number that the next block may have */
    uint64_t offset; /* end of the last block in the disk */
    uint64_t done_bytes;
    uint64_t first_length; /* of the archive's first block, 0 before it */

    char block[TAR_NAME_MAX]; /* the block whose checksum must follow */
    uint64_t block_at;        /* where its data stands in the archive */
    struct digest *xxhash, *sha1;
    bool is_kind_known;
    enum digest_kind kind;
    char sum[SUM_TEXT_MAX];
    size_t sum_n;
    bool takes_digests;
    struct sparse_digest *sparse; /* of the disk being read */

    struct late_error late;
};

void xva_summary_done(struct xva_summary *summary)
{
    ova_done(&summary->ova);
    mem_free_void(&summary->disks);
    summary->bytes = 0;
}

static const struct ova_disk *disk_now(const struct xva_check *check)
{
    return &check->summary.ova.disks[check->disk];
}

static const char *device_now(const struct xva_check *check)
{
    return check->summary.disks[check->disk].device;
}

/* Every disk that was expected is there with its size, and no other. */
static int compare_expected(const struct xva_check *check, struct error *err)
{
    const struct ova *ova = &check->summary.ova;

    for (size_t i = 0; i < check->expected_n; i++) {
        const struct xva_expected *want = &check->expected[i];
        const struct ova_disk *found = NULL;
        for (size_t j = 0; j < ova->disks_n && !found; j++)
            if (str_equal(ova->disks[j].vdi_uuid, want->vdi_uuid))
                found = &ova->disks[j];
        if (!found)
            return error_set(err, ERROR_CORRUPT, "xva: the disk with VDI %s is missing in ova.xml",
                             want->vdi_uuid);
        if (found->virtual_size_bytes != want->virtual_size_bytes)
            return error_set(err, ERROR_CORRUPT,
                             "xva: the disk with VDI %s has %" PRIu64 " bytes in ova.xml, %" PRIu64
                             " were expected",
                             want->vdi_uuid, found->virtual_size_bytes, want->virtual_size_bytes);
    }
    if (ova->disks_n != check->expected_n)
        return error_set(err, ERROR_CORRUPT, "xva: ova.xml names %zu disks, %zu were expected",
                         ova->disks_n, check->expected_n);
    return 0;
}

static void name_devices(struct xva_check *check)
{
    const struct ova *ova = &check->summary.ova;

    check->summary.disks = mem_zero(ova->disks_n, sizeof *check->summary.disks);
    for (size_t i = 0; i < ova->disks_n; i++) {
        struct vbd vbd = {.device = ova->disks[i].device, .userdevice = ova->disks[i].userdevice};
        if (ova->disks[i].is_suspend)
            str_copy(check->summary.disks[i].device, sizeof check->summary.disks[i].device,
                     "suspend");
        else
            vbd_device_name(&vbd, check->summary.disks[i].device);
    }
}

/* A disk of no bytes has no blocks. */
static void skip_empty_disks(struct xva_check *check)
{
    while (check->disk < check->summary.ova.disks_n && !disk_now(check)->virtual_size_bytes)
        check->disk++;
}

/* At the beginning of each disk. */
static int begin_digest(struct xva_check *check, struct error *err)
{
    sparse_digest_free(check->sparse);
    check->sparse = NULL;
    if (!check->takes_digests || check->disk == check->summary.ova.disks_n)
        return 0;
    check->sparse = sparse_digest_new(err);
    return check->sparse ? 0 : -1;
}

static int end_ova(struct xva_check *check, struct error *err)
{
    if (ova_reader_finish(check->ova_reader, &check->summary.ova, err))
        return error_add(err, "xva");
    if (check->summary.ova.export_vsn < 1)
        return error_set(err, ERROR_UNSUPPORTED, "xva: made without checksums (export_vsn 0)");
    name_devices(check);
    skip_empty_disks(check);
    check->want = WANT_BLOCK;
    if (check->is_expecting && compare_expected(check, err))
        return -1;
    return begin_digest(check, err);
}

static int begin_ova(const struct tar_member *member, struct error *err)
{
    if (!str_equal(member->name, "ova.xml"))
        return error_set(err, ERROR_CORRUPT, "xva: begins with member %s, not with ova.xml",
                         member->name);
    if (member->size_bytes > XVA_OVA_MAX)
        return error_set(err, ERROR_LIMIT, "xva: ova.xml has %" PRIu64 " bytes, more than %u",
                         member->size_bytes, XVA_OVA_MAX);
    return 0;
}

/* "Ref:12/00000003" of the disk being read. */
static int parse_block_name(const struct xva_check *check, const char *name, uint64_t *ret_number,
                            struct error *err)
{
    const char *ref = disk_now(check)->ref;
    size_t n = strlen(ref);
    struct error why = ERROR_INIT;

    if (strncmp(name, ref, n) != 0 || name[n] != '/')
        return error_set(err, ERROR_CORRUPT,
                         "xva: member %s where a block of disk %s (%s) must stand, which ends at "
                         "byte %" PRIu64 " of %" PRIu64,
                         name, device_now(check), ref, check->offset,
                         disk_now(check)->virtual_size_bytes);
    if (strlen(name + n + 1) != NUMBER_DIGITS ||
        num_parse_unsigned(name + n + 1, UINT32_MAX, ret_number, &why))
        return error_set(err, ERROR_CORRUPT, "xva: member %s is neither a block nor a checksum",
                         name);
    return 0;
}

static int bad_block(const struct xva_check *check, const char *name, const char *what,
                     struct error *err)
{
    return error_set(err, ERROR_CORRUPT, "xva: block %s of disk %s %s", name, device_now(check),
                     what);
}

/* Put a block of this number and length at its place in the disk. */
static int place_block(struct xva_check *check, const struct tar_member *member, uint64_t number,
                       struct error *err)
{
    uint64_t size = disk_now(check)->virtual_size_bytes;
    uint64_t length = member->size_bytes;
    uint64_t skipped, start, end;

    if (number < check->next)
        return bad_block(check, member->name, "is out of order", err);
    if (check->first_length && check->first_length < XVA_BLOCK_BYTES && number > check->next)
        return error_set(err, ERROR_UNSUPPORTED,
                         "xva: the first disk is smaller than 1 MiB, so an import would put block "
                         "%s of disk %s at a wrong place: back this VM up disk by disk",
                         member->name, device_now(check));
    if (!num_mul(number - check->next, check->first_length, &skipped) ||
        !num_add(check->offset, skipped, &start) || !num_add(start, length, &end) || end > size)
        return bad_block(check, member->name, "lies behind the disk's end", err);
    if (!check->is_started && length && (start != 0 || number != check->next))
        return bad_block(check, member->name, "comes first: the first block is missing", err);
    if (!length && end == size)
        return bad_block(check, member->name, "ends it without data: the last block is missing",
                         err);
    if (length && length != XVA_BLOCK_BYTES && end != size)
        return bad_block(check, member->name, "is not 1 MiB long and is not the last one", err);
    if (length % SECTOR)
        return bad_block(check, member->name, "is no whole number of sectors long", err);
    if (check->sparse)
        sparse_digest_update(check->sparse, NULL, (size_t)skipped);
    check->done_bytes += end - check->offset;
    check->offset = end;
    check->next = number + 1;
    check->is_started = check->is_started || length;
    if (!check->first_length)
        check->first_length = length;
    return 0;
}

static int begin_block(struct xva_check *check, const struct tar_member *member, struct error *err)
{
    struct xva_disk *disk;
    uint64_t number = 0;

    if (check->disk == check->summary.ova.disks_n)
        return error_set(err, ERROR_CORRUPT, "xva: member %s behind the last disk", member->name);
    if (parse_block_name(check, member->name, &number, err) ||
        place_block(check, member, number, err))
        return -1;
    disk = &check->summary.disks[check->disk];
    disk->blocks_n += member->size_bytes > 0;
    disk->keep_alive_n += member->size_bytes == 0;
    disk->data_bytes += member->size_bytes;
    str_copy(check->block, sizeof check->block, member->name);
    check->block_at = member->data_at;
    return 0;
}

static bool is_sum_of(const struct xva_check *check, const struct tar_member *member,
                      const char *suffix, enum digest_kind kind)
{
    size_t n = strlen(check->block);

    return strncmp(member->name, check->block, n) == 0 && str_equal(member->name + n, suffix) &&
           member->size_bytes == digest_text_length(kind);
}

static int begin_sum(struct xva_check *check, const struct tar_member *member, struct error *err)
{
    enum digest_kind kind;

    if (is_sum_of(check, member, ".xxhash", DIGEST_XXH64))
        kind = DIGEST_XXH64;
    else if (is_sum_of(check, member, ".checksum", DIGEST_SHA1))
        kind = DIGEST_SHA1;
    else
        return error_set(
            err, ERROR_CORRUPT,
            "xva: block %s of disk %s has no checksum behind it, but member %s (%" PRIu64 " bytes)",
            check->block, device_now(check), member->name, member->size_bytes);
    if (check->is_kind_known && kind != check->kind)
        return error_set(err, ERROR_CORRUPT, "xva: member %s is of another kind than those before",
                         member->name);
    check->is_kind_known = true;
    check->kind = kind;
    check->sum_n = 0;
    return 0;
}

static int on_begin(void *context, const struct tar_member *member, struct error *err)
{
    struct xva_check *check = context;

    switch (check->want) {
    case WANT_OVA:
        return begin_ova(member, err);
    case WANT_BLOCK:
        return begin_block(check, member, err);
    case WANT_SUM:
        break;
    }
    return begin_sum(check, member, err);
}

static int on_data(void *context, const unsigned char *bytes, size_t n, struct error *err)
{
    struct xva_check *check = context;

    switch (check->want) {
    case WANT_OVA:
        return ova_reader_feed(check->ova_reader, bytes, n, err) ? error_add(err, "xva") : 0;
    case WANT_BLOCK:
        if (!check->is_kind_known || check->kind == DIGEST_XXH64)
            digest_update(check->xxhash, bytes, n);
        if (!check->is_kind_known || check->kind == DIGEST_SHA1)
            digest_update(check->sha1, bytes, n);
        if (check->sparse)
            sparse_digest_update(check->sparse, bytes, n);
        return 0;
    case WANT_SUM:
        break;
    }
    memcpy(check->sum + check->sum_n, bytes, n); /* its size was checked when it began */
    check->sum_n += n;
    return 0;
}

/* xxhash is written in upper case, sha1 in lower. */
static void to_upper(char *text)
{
    for (; *text; text++)
        if (*text >= 'a' && *text <= 'z')
            *text = (char)(*text - 'a' + 'A');
}

/* The checksum's text for an error: it may be anything. */
static void hide_control_bytes(char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

static int end_sum(struct xva_check *check, struct error *err)
{
    char have[DIGEST_TEXT_MAX], other[DIGEST_TEXT_MAX];
    bool is_xxhash = check->kind == DIGEST_XXH64;

    digest_final(is_xxhash ? check->xxhash : check->sha1, have);
    digest_final(is_xxhash ? check->sha1 : check->xxhash, other); /* empties the idle one */
    if (is_xxhash)
        to_upper(have);
    check->sum[check->sum_n] = '\0';
    if (check->sum_n != strlen(have) || memcmp(check->sum, have, check->sum_n) != 0) {
        hide_control_bytes(check->sum);
        return error_set(err, ERROR_CORRUPT,
                         "xva: block %s of disk %s: %s is %s, data gives %s (byte offset %" PRIu64
                         ")",
                         check->block, device_now(check), digest_kind_name(check->kind), check->sum,
                         have, check->block_at);
    }
    check->want = WANT_BLOCK;
    if (check->offset == disk_now(check)->virtual_size_bytes) {
        if (check->sparse)
            sparse_digest_final(check->sparse, check->summary.disks[check->disk].sparse_xxh128);
        check->disk++;
        check->next = check->offset = 0;
        check->is_started = false;
        skip_empty_disks(check);
        return begin_digest(check, err);
    }
    return 0;
}

static int on_end(void *context, struct error *err)
{
    struct xva_check *check = context;

    switch (check->want) {
    case WANT_OVA:
        return end_ova(check, err);
    case WANT_BLOCK:
        check->want = WANT_SUM;
        return 0;
    case WANT_SUM:
        break;
    }
    return end_sum(check, err);
}

struct xva_check *xva_check_new(const struct xva_expected *expected, size_t expected_n,
                                struct error *err)
{
    static const struct tar_events events = {on_begin, on_data, on_end};
    CLEAN_XVA_CHECK struct xva_check *check = mem_zero(1, sizeof *check);

    tar_reader_init(&check->tar, TAR_FILES_ONLY, &events, check);
    check->ova_reader = ova_reader_new();
    check->is_expecting = expected != NULL;
    check->expected = mem_copy(expected, expected ? expected_n * sizeof *expected : 0);
    check->expected_n = expected_n;
    check->xxhash = digest_new(DIGEST_XXH64, err);
    check->sha1 = check->xxhash ? digest_new(DIGEST_SHA1, err) : NULL;
    if (!check->sha1)
        return NULL;
    struct xva_check *made = check;
    check = NULL;
    return made;
}

void xva_check_free(struct xva_check *check)
{
    if (!check)
        return;
    ova_reader_free(check->ova_reader);
    xva_summary_done(&check->summary);
    digest_free(check->xxhash);
    digest_free(check->sha1);
    sparse_digest_free(check->sparse);
    mem_free_void(&check->expected);
    mem_free_void(&check);
}

void xva_check_clean(struct xva_check **check)
{
    xva_check_free(*check);
    *check = NULL;
}

void xva_check_take_digests(struct xva_check *check)
{
    check->takes_digests = true;
}

const char *xva_check_disk_digest(const struct xva_check *check, const char *vdi_uuid)
{
    for (size_t i = 0; i < check->summary.ova.disks_n; i++)
        if (str_equal(check->summary.ova.disks[i].vdi_uuid, vdi_uuid))
            return check->summary.disks[i].sparse_xxh128;
    return NULL;
}

int xva_check_feed(struct xva_check *check, const void *bytes, size_t n, struct error *err)
{
    struct error why = ERROR_INIT;

    late_error_feed(&check->late, bytes, n);
    if (late_error_is_holding(&check->late))
        return late_error_hold(&check->late, "xva", NULL, err);
    if (tar_reader_feed(&check->tar, bytes, n, &why))
        return late_error_hold(&check->late, "xva", &why, err);
    return 0;
}

/* The tar is in order: are all disks there? */
static int check_complete(const struct xva_check *check, struct error *err)
{
    if (check->want == WANT_OVA)
        return error_set(err, ERROR_CORRUPT, "xva: ends without ova.xml");
    if (check->want == WANT_SUM)
        return error_set(
            err, ERROR_CORRUPT,
            "xva: block %s of disk %s has no checksum behind it, but the archive's end",
            check->block, device_now(check));
    if (check->disk < check->summary.ova.disks_n)
        return error_set(err, ERROR_CORRUPT,
                         "xva: disk %s (%s) ends at byte %" PRIu64 " of %" PRIu64
                         ": its last block is missing",
                         device_now(check), disk_now(check)->ref, check->offset,
                         disk_now(check)->virtual_size_bytes);
    return 0;
}

int xva_check_finish(struct xva_check *check, struct xva_summary *ret, struct error *err)
{
    struct error why = ERROR_INIT;

    if (late_error_is_holding(&check->late) || tar_reader_finish(&check->tar, &why) ||
        check_complete(check, &why))
        return late_error_explain(&check->late, "xva", &why, err);
    if (ret) {
        check->summary.bytes = check->tar.at;
        *ret = check->summary;
        check->summary = (struct xva_summary){.bytes = 0};
    }
    return 0;
}

uint64_t xva_check_disk_bytes(const struct xva_check *check)
{
    return check->done_bytes;
}
