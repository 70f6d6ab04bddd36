/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * List entries with their patterns: what is taken can be matched, within the limits, against names
 * that are made of the same bytes.
 */
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "coordinator/policy/entry.h"
#include "coordinator/policy/pattern.h"
#include "tests/fuzz/fuzz.h"

#include "common/base/poison.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEAN_CHAR char *text = mem_dup_n((const char *)bytes, n);
    CLEAN_TEXT_LIST struct text_list warnings = {0};
    CLEAN_ENTRY struct entry entry = {0};
    CLEAN_STR struct str translated = STR_INIT;
    struct error err = ERROR_INIT;

    if (pattern_translate(text, &translated, &err) != 0)
        FUZZ_MUST(err.code == ERROR_BAD_INPUT || err.code == ERROR_LIMIT);
    error_clear(&err);
    if (entry_parse(text, &entry, &warnings, &err) != 0) {
        FUZZ_MUST(err.code == ERROR_BAD_INPUT || err.code == ERROR_LIMIT);
        return 0;
    }
    FUZZ_MUST(entry.max_backups >= 0);
    FUZZ_MUST(entry.is_name == (entry.regex == NULL));
    const char *const names[] = {"", "web1", entry.pattern, text + n / 2};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int found = entry_match(&entry, names[i], &err);
        FUZZ_MUST(found >= 0 || err.code == ERROR_LIMIT);
        FUZZ_MUST(!entry.is_name || found == (strcmp(names[i], entry.pattern) == 0));
    }
    return 0;
}

bool fuzz_seed(unsigned i, struct str *out)
{
    static const char *const seeds[] = {
        "web1:4:xvda;xvdb", "DEV-.*", "(?:a|b):7", "[[:alpha:]:x]{2,3}:-1", "(?P<x>a)(?P=x)",
        "(?i)caf\xc3\xa9\\d+$", "\\:a\\x41\\u00e9", "(a+)+b", "^(?=x)(?!y)(?<=z).*?", "a{,3}|b*+c",
    };

    if (i >= sizeof seeds / sizeof *seeds)
        return false;
    str_add(out, seeds[i]);
    return true;
}
