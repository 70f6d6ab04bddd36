/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The XVA check against archives that a real XAPI wrote. They are not part of this repository:
 * without the folder ../shared/xapi/golden beside it the test is skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/xva.h"

#define RECORDED TEST_SOURCE_ROOT "/../shared/xapi/golden/"

static const struct {
    const char *file;
    enum error_code want;
    size_t disks, blocks, keep_alives;
    const char *says; /* part of the error's text */
} archives[] = {
    {"513-export-full-ref.rep.gz", ERROR_NONE, 1, 4, 0, NULL},
    {"523-export-preserve_power_state.rep.gz", ERROR_NONE, 1, 4, 0, NULL},
    {"1011-export-snap-tcp-uuid.rep.gz", ERROR_NONE, 2, 8, 0, NULL},
    {"1086-export-detach-fails.rep.gz", ERROR_NONE, 2, 36, 0, NULL},
    {"1200-export-keepalive.rep.gz", ERROR_NONE, 2, 8, 16, NULL},
    {"1243-export-ignore_vdis.rep.gz", ERROR_NONE, 1, 4, 0, NULL},
    {"1350-export-for-import.rep.gz", ERROR_NONE, 2, 8, 0, NULL},
    {"1663-export-iso-inserted.rep.gz", ERROR_NONE, 1, 2, 0, NULL},
    {"1783-export-999-1000.rep.gz", ERROR_NONE, 2, 4, 0, NULL},
    {"1784-export-1000s.rep.gz", ERROR_NONE, 2, 4, 0, NULL},
    {"1050-export-trunc-src.rep.gz", ERROR_SHORT, 0, 0, 0, "without its end mark"},
    {"1052-export-trunc-src-odd.rep.gz", ERROR_SHORT, 0, 0, 0, "without its end mark"},
    {"1056-export-second-attach-fails.rep.gz", ERROR_XAPI, 0, 0, 0, "HTTP/1.1 500 Internal Error"},
    {"1388-import-flip.req.gz", ERROR_CORRUPT, 0, 0, 0, "data gives"},
    {"1405-import-hash-removed.req.gz", ERROR_CORRUPT, 0, 0, 0, "has no checksum behind it"},
    {"1407-import-noend.req.gz", ERROR_SHORT, 0, 0, 0, "without its end mark"},
    {"1410-import-trunc-cl.req.gz", ERROR_SHORT, 0, 0, 0, "tar: stops at byte"},
    {"1828-export-eio-disk0.rep.gz", ERROR_XAPI, 0, 0, 0, "Input/output error"},
};

/* What stands behind the HTTP head. */
static void read_body(const char *file, struct str *body)
{
    CLEAN_CHAR char *path = str_format("%s%s", RECORDED, file);
    gzFile gz = gzopen(path, "rb");
    int n = 0;

    assert_non_null(gz);
    while ((n = gzread(gz, str_reserve(body, 65536), 65536)) > 0)
        str_set_len(body, body->len + (size_t)n);
    gzclose(gz);
    const char *end = memmem(body->data, body->len, "\r\n\r\n", 4);
    assert_non_null(end);
    size_t head = (size_t)(end + 4 - body->data);
    memmove(body->data, body->data + head, body->len - head);
    str_set_len(body, body->len - head);
}

static void check_one(size_t i, size_t piece)
{
    CLEAN_STR struct str body = STR_INIT;
    CLEAN_XVA_SUMMARY struct xva_summary summary = {.bytes = 0};
    struct error err = ERROR_INIT;
    int rc = 0;

    read_body(archives[i].file, &body);
    CLEAN_XVA_CHECK struct xva_check *check = xva_check_new(NULL, 0, &err);
    assert_non_null(check);
    for (size_t at = 0; at < body.len && !rc; at += piece)
        rc = xva_check_feed(check, body.data + at, body.len - at < piece ? body.len - at : piece,
                            &err);
    if (!rc)
        rc = xva_check_finish(check, &summary, &err);
    if (err.code != archives[i].want)
        fail_msg("%s: %s", archives[i].file, err.text);
    assert_int_equal(rc, archives[i].want ? -1 : 0);
    if (rc && !strstr(err.text, archives[i].says))
        fail_msg("%s: %s", archives[i].file, err.text);
    if (rc)
        return;
    size_t blocks = 0, keep_alives = 0;
    for (size_t j = 0; j < summary.ova.disks_n; j++) {
        blocks += summary.disks[j].blocks_n;
        keep_alives += summary.disks[j].keep_alive_n;
    }
    assert_int_equal(summary.ova.disks_n, archives[i].disks);
    assert_int_equal(blocks, archives[i].blocks);
    assert_int_equal(keep_alives, archives[i].keep_alives);
    assert_int_equal(summary.bytes, body.len);
}

static void recorded_archives_get_the_verdict_that_an_import_gave(void **state)
{
    (void)state;
    if (access(RECORDED, R_OK) != 0) {
        print_message("SKIPPED: there is no %s\n", RECORDED);
        skip();
    }
    for (size_t i = 0; i < sizeof archives / sizeof *archives; i++) {
        check_one(i, 1 << 20);
        check_one(i, 777);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_archives_get_the_verdict_that_an_import_gave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
