/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Settings files: keys and sections come out as the rules say, and bad files are refused whole.
 */
#include <string.h>

#include "common/base/error.h"
#include "common/base/ini.h"
#include "common/base/str.h"
#include "tests/fuzz/fuzz.h"

#include "common/base/poison.h"

struct seen {
    unsigned entries;
};

static int on_entry(void *context, const char *section, const char *key, const char *value,
                    unsigned line, struct error *err)
{
    struct seen *seen = context;

    (void)err;
    FUZZ_MUST(section[0] && key[0] && line > 0);
    FUZZ_MUST(!strpbrk(key, "=:\nABCDEFGHIJKLMNOPQRSTUVWXYZ"));
    FUZZ_MUST(value != NULL);
    seen->entries++;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct seen seen = {.entries = 0};
    struct error err = ERROR_INIT;

    if (ini_read("input", (const char *)bytes, n, on_entry, &seen, &err)) {
        FUZZ_MUST(err.code == ERROR_SETTINGS);
        FUZZ_MUST(seen.entries == 0);
    }
    return 0;
}

bool fuzz_seed(unsigned i, struct str *out)
{
    static const char *const seeds[] = {
        "[xenserver]\n# comment\nbackup_dir = /mnt/x ; comment\nExcludes: a,\n  b,\n\tc\nrem x\n"
        "max_backups=4\n[smtp]\nsmtp_pass = \"\"\n[xenserver]\nmax_backups = 5\n",
        "[a]\r\nb=%(c)s\r\n d\r\n\r\n;x\r\n e\r\n",
    };

    if (i >= sizeof seeds / sizeof *seeds)
        return false;
    str_add(out, seeds[i]);
    return true;
}
