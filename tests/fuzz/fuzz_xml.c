/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The XML scanner: pieces make no difference, opened elements are closed in order.
 */
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/xml.h"
#include "tests/fuzz/fuzz.h"

#include "common/base/poison.h"

static int on_open(void *context, const char *name, struct error *err)
{
    (void)err;
    FUZZ_MUST(name[0] && strlen(name) < XML_NAME_MAX);
    str_add_format(context, "<%s>", name);
    return 0;
}

static int on_attribute(void *context, const char *name, const char *value, struct error *err)
{
    (void)err;
    FUZZ_MUST(name[0] && strlen(value) < XML_VALUE_MAX);
    str_add_format(context, "%s=%s ", name, value);
    return 0;
}

static int on_text(void *context, const char *bytes, size_t n, struct error *err)
{
    (void)err;
    FUZZ_MUST(n > 0);
    str_add_n(context, bytes, n);
    return 0;
}

static int on_close(void *context, const char *name, struct error *err)
{
    (void)err;
    str_add_format(context, "</%s>", name);
    return 0;
}

static enum error_code scan(const uint8_t *bytes, size_t n, bool in_pieces, struct str *out)
{
    static const struct xml_events events = {on_open, on_attribute, on_text, on_close};
    CLEAN_XML struct xml *xml = xml_new(&events, out);
    struct error err = ERROR_INIT;
    int rc = 0;

    for (size_t at = 0; at < n && !rc;) {
        size_t piece = in_pieces ? 1 + fuzz_piece(bytes, n, at) % 9 : n;
        piece = piece < n - at ? piece : n - at;
        rc = xml_feed(xml, (const char *)bytes + at, piece, &err);
        at += piece;
    }
    if (!rc)
        xml_finish(xml, &err);
    return err.code;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    CLEAN_STR struct str whole = STR_INIT;
    CLEAN_STR struct str pieces = STR_INIT;

    FUZZ_MUST(scan(bytes, n, false, &whole) == scan(bytes, n, true, &pieces));
    FUZZ_MUST(whole.len == pieces.len);
    FUZZ_MUST(!whole.len || memcmp(whole.data, pieces.data, whole.len) == 0);
    return 0;
}

bool fuzz_seed(unsigned i, struct str *out)
{
    static const char *const seeds[] = {
        "<?xml version=\"1.0\"?><a b=\"1&lt;\" c='&#x41;'>x<!-- y --><d/><![CDATA[<]]]>]]></a>\n",
        "<value><struct><member><name>a</name><value>&amp;1</value></member></struct></value>",
    };

    if (i >= sizeof seeds / sizeof *seeds)
        return false;
    str_add(out, seeds[i]);
    return true;
}
