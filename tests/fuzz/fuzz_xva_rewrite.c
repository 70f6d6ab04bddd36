/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rewriting of ova.xml: pieces make no difference, what is refused passes byte for byte, and
 * what is rewritten is still an archive of the VM that was asked for.
 */
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/xva.h"
#include "common/format/xva_rewrite.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/repair_tar.h"
#include "tests/unit/common/format/make_xva.h"

#include "common/base/poison.h"

static const struct ova_identity identity = {
    .snapshot_uuid = "vm-uuid", .vm_uuid = "other-uuid", .vm_name = "<name> & more"};

static int keep(void *context, const void *bytes, size_t n, struct error *err)
{
    (void)err;
    str_add_n(context, bytes, n);
    return 0;
}

/* Whether it was rewritten. */
static bool rewrite_all(const struct str *in, bool in_pieces, struct str *out)
{
    CLEAN_XVA_REWRITE struct xva_rewrite *rewrite = xva_rewrite_new(&identity);
    struct error err = ERROR_INIT;

    for (size_t at = 0; at < in->len;) {
        size_t piece = in_pieces ? fuzz_piece((const uint8_t *)in->data, in->len, at) : in->len;
        piece = piece < in->len - at ? piece : in->len - at;
        FUZZ_MUST(xva_rewrite_feed(rewrite, in->data + at, piece, keep, out, &err) == 0);
        at += piece;
    }
    FUZZ_MUST(xva_rewrite_finish(rewrite, keep, out, &err) == 0);
    return xva_rewrite_refusal(rewrite) == NULL;
}

static bool is_good(const struct str *in, struct xva_summary *ret)
{
    struct error err = ERROR_INIT;
    CLEAN_XVA_CHECK struct xva_check *check = xva_check_new(NULL, 0, &err);

    return (!in->len || xva_check_feed(check, in->data, in->len, &err) == 0) &&
           xva_check_finish(check, ret, &err) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEAN_STR struct str in = STR_INIT, out = STR_INIT, pieces = STR_INIT;
    CLEAN_XVA_SUMMARY struct xva_summary before = {.bytes = 0};
    CLEAN_XVA_SUMMARY struct xva_summary after = {.bytes = 0};

    repair_tar(bytes, n, &in);
    bool is_rewritten = rewrite_all(&in, false, &out);
    FUZZ_MUST(rewrite_all(&in, true, &pieces) == is_rewritten);
    FUZZ_MUST(out.len == pieces.len && (!out.len || !memcmp(out.data, pieces.data, out.len)));
    if (!is_rewritten) {
        FUZZ_MUST(out.len == in.len && (!in.len || !memcmp(out.data, in.data, in.len)));
    } else if (is_good(&in, &before)) {
        FUZZ_MUST(is_good(&out, &after));
        FUZZ_MUST(str_equal(after.ova.vm_uuid, identity.vm_uuid));
        FUZZ_MUST(str_equal(after.ova.vm_name, identity.vm_name));
        FUZZ_MUST(!after.ova.vm_is_template && after.ova.disks_n == before.ova.disks_n);
    }
    return 0;
}

bool fuzz_seed(unsigned i, struct str *out)
{
    static const char *const refs[] = {"Ref:9", "Ref:10"};
    static const uint64_t sizes[] = {1024, 512};

    if (i > 1)
        return false;
    make_ova(out, refs, sizes, i);
    if (i == 1)
        make_block(out, "Ref:9", 0, 1024);
    make_end(out);
    return true;
}
