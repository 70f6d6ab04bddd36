/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Archives held against the XVA check in pieces of several sizes, for its tests.
 */
#ifndef ONYX_TESTS_UNIT_COMMON_FORMAT_CHECK_XVA_H
#define ONYX_TESTS_UNIT_COMMON_FORMAT_CHECK_XVA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/sparse_digest.h"
#include "common/format/xva.h"
#include "tests/unit/common/format/make_xva.h"

#define MIB MAKE_MIB

static const char *const one_ref[] = {"Ref:12"};

static inline int check_in_pieces(const struct str *archive, size_t piece,
                           const struct xva_expected *expected, size_t expected_n,
                           struct xva_summary *summary, struct error *err)
{
    CLEAN_XVA_CHECK struct xva_check *check = xva_check_new(expected, expected_n, err);

    assert_non_null(check);
    for (size_t at = 0; at < archive->len; at += piece)
        if (xva_check_feed(check, archive->data + at,
                           archive->len - at < piece ? archive->len - at : piece, err))
            return -1;
    return xva_check_finish(check, summary, err);
}

static inline void assert_good(const struct str *archive, struct xva_summary *summary)
{
    static const size_t pieces[] = {1 << 20, 513, 16384};

    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct error err = ERROR_INIT;
        xva_summary_done(summary);
        if (check_in_pieces(archive, pieces[i], NULL, 0, summary, &err))
            fail_msg("%s", err.text);
        assert_int_equal(summary->bytes, archive->len);
    }
}

static inline void assert_bad(const struct str *archive, enum error_code code, const char *says)
{
    static const size_t pieces[] = {1 << 20, 777, 16384, 61};

    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(check_in_pieces(archive, pieces[i], NULL, 0, NULL, &err), -1);
        if (err.code != code || !strstr(err.text, says))
            fail_msg("%s: '%s' has no '%s'", error_name(err.code), err.text, says);
    }
}

/* ova.xml with one disk "Ref:12" of this size. */
static inline void begin_one(struct str *out, uint64_t size)
{
    make_ova(out, one_ref, &size, 1);
}

#endif
