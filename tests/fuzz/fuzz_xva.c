/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The XVA check: pieces make no difference to the verdict, and what passes adds up.
 */
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/xva.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/repair_tar.h"
#include "tests/unit/common/format/make_xva.h"

#include "common/base/poison.h"

static enum error_code check_all(const struct str *in, bool in_pieces)
{
    CLEAN_XVA_SUMMARY struct xva_summary summary = {.bytes = 0};
    struct error err = ERROR_INIT;
    CLEAN_XVA_CHECK struct xva_check *check = xva_check_new(NULL, 0, &err);
    int rc = 0;

    for (size_t at = 0; at < in->len && !rc;) {
        size_t piece = in_pieces ? fuzz_piece((const uint8_t *)in->data, in->len, at) : in->len;
        piece = piece < in->len - at ? piece : in->len - at;
        rc = xva_check_feed(check, in->data + at, piece, &err);
        at += piece;
    }
    if (!rc)
        rc = xva_check_finish(check, &summary, &err);
    FUZZ_MUST((rc == 0) == (err.code == ERROR_NONE));
    FUZZ_MUST(rc == 0 || err.text[0]);
    if (rc == 0) {
        FUZZ_MUST(summary.bytes == in->len);
        for (size_t i = 0; i < summary.ova.disks_n; i++)
            FUZZ_MUST(summary.disks[i].data_bytes <= summary.ova.disks[i].virtual_size_bytes);
    }
    return err.code;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEAN_STR struct str in = STR_INIT;

    repair_tar(bytes, n, &in);
    enum error_code whole = check_all(&in, false);
    enum error_code pieces = check_all(&in, true);
    /* Which of two faults is met first, the format's or the server's word, depends on the pieces;
     * whether the archive is good does not. */
    FUZZ_MUST((whole == ERROR_NONE) == (pieces == ERROR_NONE));
    return 0;
}

bool fuzz_seed(unsigned i, struct str *out)
{
    static const char *const refs[] = {"Ref:9", "Ref:10"};
    static const uint64_t sizes[] = {1024, 512};

    if (i > 2)
        return false;
    make_ova(out, refs, sizes, i);
    if (i == 2)
        make_block(out, "Ref:10", 0, 512);
    if (i >= 1) {
        make_block(out, "Ref:9", 0, 0);
        make_block(out, "Ref:9", 1, 1024);
    }
    make_end(out);
    return true;
}
