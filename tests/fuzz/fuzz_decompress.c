/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Decompressors: pieces make no difference, damage never gives more than the input can hold.
 */
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/decompress.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/common/format/make_packed.h"

#include "common/base/poison.h"

#define OUT_MAX (16u << 20)

static int keep(void *context, const void *bytes, size_t n, struct error *err)
{
    struct str *out = context;

    if (out->len + n > OUT_MAX)
        return error_set(err, ERROR_LIMIT, "enough");
    str_add_n(out, bytes, n);
    return 0;
}

static enum error_code unpack(enum job_compress kind, const uint8_t *bytes, size_t n,
                              bool in_pieces, struct str *out)
{
    struct error err = ERROR_INIT;
    CLEAN_DECOMPRESS struct decompress *back = decompress_new(kind, keep, out, &err);
    int rc = 0;

    for (size_t at = 0; at < n && !rc;) {
        size_t piece = in_pieces ? 1 + fuzz_piece(bytes, n, at) % 50 : n;
        piece = piece < n - at ? piece : n - at;
        rc = decompress_feed(back, bytes + at, piece, &err);
        at += piece;
    }
    if (!rc)
        decompress_finish(back, &err);
    return err.code;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    for (int kind = JOB_COMPRESS_GZIP; kind <= JOB_COMPRESS_ZSTD; kind++) {
        CLEAN_STR struct str whole = STR_INIT;
        CLEAN_STR struct str pieces = STR_INIT;
        enum error_code one = unpack((enum job_compress)kind, bytes, n, false, &whole);
        enum error_code two = unpack((enum job_compress)kind, bytes, n, true, &pieces);
        /* Whether a short stream is bad too is seen sooner or later, as the library likes. */
        FUZZ_MUST((one == ERROR_NONE) == (two == ERROR_NONE));
        FUZZ_MUST(one || whole.len == pieces.len);
        FUZZ_MUST(one || !whole.len || memcmp(whole.data, pieces.data, whole.len) == 0);
    }
    return 0;
}

bool fuzz_seed(unsigned i, struct str *out)
{
    CLEAN_STR struct str plain = STR_INIT;

    if (i > 3)
        return false;
    for (size_t n = 0; n < 50; n++)
        str_add_n(&plain, "some text and more of it", 7 + n % 17);
    for (unsigned members = 0; members <= i / 2; members++)
        make_packed(i % 2 ? JOB_COMPRESS_ZSTD : JOB_COMPRESS_GZIP, plain.data, plain.len, out);
    return true;
}
