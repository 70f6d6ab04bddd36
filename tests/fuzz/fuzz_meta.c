/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * .meta: what was read and written is read as the same.
 */
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/meta.h"
#include "tests/fuzz/fuzz.h"

#include "common/base/poison.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEAN_META struct meta meta = {.disks = NULL};
    CLEAN_META struct meta again = {.disks = NULL};
    CLEAN_STR struct str text = STR_INIT;
    CLEAN_STR struct str text_again = STR_INIT;
    struct error err = ERROR_INIT;

    if (meta_parse((const char *)bytes, n, &meta, &err)) {
        FUZZ_MUST(err.code == ERROR_CORRUPT || err.code == ERROR_LIMIT ||
                  err.code == ERROR_UNSUPPORTED);
        return 0;
    }
    if (!meta.is_ours)
        return 0;
    meta_format(&meta, &text);
    FUZZ_MUST(meta_parse(text.data, text.len, &again, &err) == 0);
    meta_format(&again, &text_again);
    FUZZ_MUST(str_equal(str_text(&text), str_text(&text_again)));
    return 0;
}

#define OURS                                                                                       \
    "******* ONYXPOOL *******\nonyxpool_format=1\nkind=vm-export\nfile=a.xva\nsize=1\n"            \
    "sha256=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"                    \
    "compression=gzip\nconsistency=quiesced\njob=3f9a2c1b00e4d711\nattempt=1\n"                    \
    "run=3f9a2c1b00e4d711\nsnapshot_at=2026-11-22T20:27:34Z\nhost_name=a%0Ab\nonyxpool_end=1\n"

bool fuzz_seed(unsigned i, struct str *out)
{
    if (i > 1)
        return false;
    if (i == 1)
        str_add(out, "******* VM *******\nname_label=a%25\norig_uuid=x\n\n"
                     "******* DISK *******\ndevice=xvda\nbootable=True\n"
                     "---- VDI ----\nvirtual_size=5\n\n******* VIF *******\nMTU=1\n\n");
    str_add(out, OURS);
    return true;
}
