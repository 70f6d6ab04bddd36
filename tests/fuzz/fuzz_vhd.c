/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The VHD check: pieces make no difference to the verdict, and no table asks for too much. And the
 * raw disk made of it: of what the check passes it has the exact size, whatever the pieces.
 */
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/sparse_digest.h"
#include "common/format/vhd.h"
#include "common/format/vhd_raw.h"
#include "tests/fuzz/fuzz.h"

#include "common/base/poison.h"

static enum error_code check_all(const struct str *in, bool in_pieces)
{
    CLEAN_VHD_CHECK struct vhd_check *check = vhd_check_new(VHD_ANY, 0);
    struct vhd_summary summary = {.bytes = 0};
    struct error err = ERROR_INIT;
    int rc = 0;

    for (size_t at = 0; at < in->len && !rc;) {
        size_t piece = in_pieces ? fuzz_piece((const uint8_t *)in->data, in->len, at) : in->len;
        piece = piece < in->len - at ? piece : in->len - at;
        rc = vhd_check_feed(check, in->data + at, piece, &err);
        at += piece;
    }
    if (!rc && vhd_check_finish(check, &summary, &err) == 0) {
        FUZZ_MUST(summary.bytes == in->len);
        FUZZ_MUST((uint64_t)summary.blocks_n * summary.block_bytes <= summary.bytes);
    }
    return err.code;
}

struct disk {
    struct sparse_digest *digest;
    uint64_t bytes;
};

static int keep(void *context, const void *bytes, size_t n, struct error *err)
{
    struct disk *disk = context;

    (void)err;
    FUZZ_MUST(n > 0);
    disk->bytes += n;
    sparse_digest_update(disk->digest, bytes, n);
    return 0;
}

#define DISK_BYTES 7000

static enum error_code convert(const struct str *in, bool in_pieces, char text[DIGEST_TEXT_MAX])
{
    CLEAN_VHD_RAW struct vhd_raw *raw = vhd_raw_new(DISK_BYTES);
    struct error err = ERROR_INIT;
    CLEAN_SPARSE_DIGEST struct sparse_digest *digest = sparse_digest_new(&err);
    struct disk disk = {.digest = digest};
    int rc = 0;

    for (size_t at = 0; at < in->len && !rc;) {
        size_t piece = in_pieces ? fuzz_piece((const uint8_t *)in->data, in->len, at) : in->len;
        piece = piece < in->len - at ? piece : in->len - at;
        rc = vhd_raw_feed(raw, in->data + at, piece, keep, &disk, &err);
        at += piece;
    }
    if (!rc && vhd_raw_finish(raw, keep, &disk, &err) == 0)
        FUZZ_MUST(disk.bytes == DISK_BYTES);
    FUZZ_MUST(disk.bytes <= DISK_BYTES);
    sparse_digest_final(digest, text);
    return err.code;
}

/* One's complement of the byte sum, big-endian, as both head structures have it. */
static void repair_sum(char *bytes, size_t n, size_t at)
{
    uint32_t sum = 0;

    memset(bytes + at, 0, 4);
    for (size_t i = 0; i < n; i++)
        sum += (unsigned char)bytes[i];
    for (size_t i = 0; i < 4; i++)
        bytes[at + i] = (char)(~sum >> (24 - 8 * i));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEAN_STR struct str in = STR_INIT;

    str_add_n(&in, (const char *)bytes, n);
    if (n >= 2048 && !(bytes[n / 2] & 1)) {
        repair_sum(in.data, 512, 64);
        repair_sum(in.data + 512, 1024, 36);
        memcpy(in.data + n - 512, in.data, 512);
    }
    char whole[DIGEST_TEXT_MAX], pieces[DIGEST_TEXT_MAX];
    bool is_good = check_all(&in, false) == ERROR_NONE;
    FUZZ_MUST(is_good == (check_all(&in, true) == ERROR_NONE));
    enum error_code code = convert(&in, false, whole);
    FUZZ_MUST(code == convert(&in, true, pieces) && (code || str_equal(whole, pieces)));
    FUZZ_MUST(!is_good || code == ERROR_NONE || code == ERROR_UNSUPPORTED);
    return 0;
}

/* A disk of 8 KiB in blocks of 4 KiB, of which the second is there. */
bool fuzz_seed(unsigned i, struct str *out)
{
    char head[2560] = "conectix";

    if (i)
        return false;
    head[13] = 1;    /* version 0x00010000 */
    head[22] = 2;    /* data at 512 */
    head[54] = 0x20; /* current size 8192 */
    head[63] = 3;    /* dynamic */
    memcpy(head + 512, "cxsparse", 8);
    head[512 + 22] = 8;  /* table at 2048 */
    head[512 + 25] = 1;  /* version */
    head[512 + 31] = 2;  /* entries */
    head[512 + 34] = 16; /* blocks of 4096 */
    memset(head + 2048, 0xff, 512);
    memcpy(head + 2052, "\0\0\0\5", 4);
    repair_sum(head, 512, 64);
    repair_sum(head + 512, 1024, 36);
    str_add_n(out, head, sizeof head);
    memset(str_reserve(out, 512 + 4096), 0, 512 + 4096);
    str_set_len(out, out->len + 512 + 4096);
    str_add_n(out, head, 512);
    return true;
}
