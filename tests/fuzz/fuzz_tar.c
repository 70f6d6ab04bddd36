/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tar reader: pieces make no difference, and data is what the headers announced.
 */
#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/tar.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/repair_tar.h"
#include "tests/unit/common/format/make_xva.h"

#include "common/base/poison.h"

struct seen {
    uint64_t announced, data, members, ends;
};

static int on_begin(void *context, const struct tar_member *member, struct error *err)
{
    struct seen *seen = context;

    (void)err;
    FUZZ_MUST(member->name[0] != '\0');
    FUZZ_MUST(seen->ends == seen->members);
    seen->members++;
    seen->announced = member->size_bytes;
    seen->data = 0;
    return 0;
}

static int on_data(void *context, const unsigned char *bytes, size_t n, struct error *err)
{
    struct seen *seen = context;

    (void)bytes, (void)err;
    seen->data += n;
    FUZZ_MUST(n && seen->data <= seen->announced);
    return 0;
}

static int on_end(void *context, struct error *err)
{
    struct seen *seen = context;

    (void)err;
    seen->ends++;
    return 0;
}

static enum error_code read_all(const struct str *in, enum tar_rule rule, bool in_pieces,
                                struct seen *seen)
{
    static const struct tar_events events = {on_begin, on_data, on_end};
    struct tar_reader reader;
    struct error err = ERROR_INIT;
    int rc = 0;

    *seen = (struct seen){.members = 0};
    tar_reader_init(&reader, rule, &events, seen);
    for (size_t at = 0; at < in->len && !rc;) {
        size_t piece = in_pieces ? fuzz_piece((const uint8_t *)in->data, in->len, at) : in->len;
        piece = piece < in->len - at ? piece : in->len - at;
        rc = tar_reader_feed(&reader, in->data + at, piece, &err);
        at += piece;
    }
    if (!rc)
        tar_reader_finish(&reader, &err);
    return err.code;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEAN_STR struct str in = STR_INIT;
    struct seen whole, pieces;

    repair_tar(bytes, n, &in);
    for (int rule = TAR_FILES_ONLY; rule <= TAR_ANY; rule++) {
        enum error_code one = read_all(&in, (enum tar_rule)rule, false, &whole);
        enum error_code two = read_all(&in, (enum tar_rule)rule, true, &pieces);
        FUZZ_MUST(one == two);
        FUZZ_MUST(whole.members == pieces.members && whole.ends == pieces.ends);
        FUZZ_MUST(one != ERROR_NONE || whole.members == whole.ends);
    }
    return 0;
}

bool fuzz_seed(unsigned i, struct str *out)
{
    static const char long_data[600] = "more than one block";

    if (i > 1)
        return false;
    make_member(out, "first", "hello", 5);
    if (i == 1)
        make_header(out, "folder", '5', 99);
    make_member(out, "empty", "", 0);
    make_member(out, "last", long_data, sizeof long_data);
    make_end(out);
    return true;
}
