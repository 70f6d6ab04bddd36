/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The checks of pool databases, host backups and raw disks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/format/db.h"
#include "common/format/length.h"
#include "common/format/xbk.h"
#include "tests/unit/common/format/make_packed.h"
#include "tests/unit/common/format/make_xva.h"

#define RECORDED TEST_SOURCE_ROOT "/../shared/xapi/golden/613-pool_xmldbdump.rep"
#define ANSWER   "HTTP/1.1 500 Internal Error\r\ncontent-length: 20\r\n\r\n<html>disk</html>"

static int check_db(const char *text, size_t n, const char *const *hosts, size_t hosts_n,
                    uint64_t *tables, struct error *err)
{
    CLEAN_TEXT_LIST struct text_list list = TEXT_LIST_INIT;

    for (size_t i = 0; i < hosts_n; i++)
        text_list_add(&list, hosts[i]);
    CLEAN_DB_CHECK struct db_check *check = db_check_new(&list);
    for (size_t at = 0; at < n; at += 100)
        if (db_check_feed(check, text + at, n - at < 100 ? n - at : 100, err))
            return -1;
    return db_check_finish(check, tables, err);
}

#define DB_HEAD                                                                                    \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<database><manifest><pair key=\"a\" "             \
    "value=\"5\"/></manifest><table name=\"VM\"><row ref=\"r\" uuid=\"h9\"/></table>"
#define DB_HOSTS                                                                                   \
    "<table name=\"host\"><row ref=\"a\" uuid=\"h1\"/><row ref=\"b\" uuid=\"h2\"></row></table>"
#define DB_TAIL "<table name=\"VDI\"/></database>\n"

static const struct {
    const char *text;
    size_t hosts_n; /* of h1, h2, h9 */
    enum error_code code;
    const char *says;
} databases[] = {
    {DB_HEAD DB_HOSTS DB_TAIL, 0, ERROR_NONE, NULL},
    {DB_HEAD DB_HOSTS DB_TAIL, 2, ERROR_NONE, NULL},
    {DB_HEAD DB_HOSTS DB_TAIL, 3, ERROR_CORRUPT, "host h9"},
    {DB_HEAD DB_TAIL, 0, ERROR_CORRUPT, "stub"},
    {DB_HEAD "<table name=\"host\"/>" DB_TAIL, 0, ERROR_CORRUPT, "stub"},
    {DB_HEAD DB_HOSTS, 0, ERROR_SHORT, "inside <database>"},
    {DB_HEAD DB_HOSTS DB_TAIL "x", 0, ERROR_CORRUPT, "outside the root"},
    {DB_HEAD DB_HOSTS ANSWER, 0, ERROR_XAPI, "said: HTTP/1.1 500 Internal Error: disk"},
    {"<html>no</html>", 0, ERROR_CORRUPT, "not <database>"},
    {"", 0, ERROR_SHORT, "no element"},
};

static void a_database_needs_its_end_and_a_row_per_host(void **state)
{
    static const char *const hosts[] = {"h1", "h2", "h9"};

    (void)state;
    for (size_t i = 0; i < sizeof databases / sizeof *databases; i++) {
        struct error err = ERROR_INIT;
        uint64_t tables = 0;
        int rc = check_db(databases[i].text, strlen(databases[i].text), hosts, databases[i].hosts_n,
                          &tables, &err);
        if (err.code != databases[i].code)
            fail_msg("%s: %s", databases[i].text, err.text);
        assert_int_equal(rc, databases[i].code ? -1 : 0);
        if (rc && !strstr(err.text, databases[i].says))
            fail_msg("'%s' has no '%s'", err.text, databases[i].says);
        if (!rc)
            assert_int_equal(tables, 3);
    }
}

static void a_recorded_database_passes(void **state)
{
    CLEAN_STR struct str in = STR_INIT;
    struct error err = ERROR_INIT;
    uint64_t tables = 0;

    (void)state;
    if (access(RECORDED, R_OK) != 0) {
        print_message("SKIPPED: there is no %s\n", RECORDED);
        skip();
    }
    assert_int_equal(fd_read_file(RECORDED, 1 << 24, &in, &err), 0);
    const char *body = strstr(in.data, "\r\n\r\n") + 4;
    if (check_db(body, in.len - (size_t)(body - in.data), NULL, 0, &tables, &err))
        fail_msg("%s", err.text);
    assert_true(tables > 40);
}

/* A gzip'd tar of two files; without its end if is_cut. */
static void make_xbk(struct str *out, bool is_cut)
{
    CLEAN_STR struct str tar = STR_INIT;

    make_header(&tar, "etc/", '5', 0);
    make_member(&tar, "etc/passwd", "root", 4);
    if (!is_cut)
        make_end(&tar);
    memset(str_reserve(&tar, 4096), 0, 4096);
    str_set_len(&tar, tar.len + (is_cut ? 0 : 4096));
    make_packed(JOB_COMPRESS_GZIP, tar.data, tar.len, out);
}

static int check_xbk(const struct str *in, uint64_t *members, struct error *err)
{
    CLEAN_XBK_CHECK struct xbk_check *check = xbk_check_new(err);

    for (size_t at = 0; at < in->len; at += 10)
        if (xbk_check_feed(check, in->data + at, in->len - at < 10 ? in->len - at : 10, err))
            return -1;
    return xbk_check_finish(check, members, err);
}

static void a_host_backup_is_whole_outside_and_inside(void **state)
{
    CLEAN_STR struct str good = STR_INIT;
    CLEAN_STR struct str cut_inside = STR_INIT;
    CLEAN_STR struct str cut_outside = STR_INIT;
    CLEAN_STR struct str broken_off = STR_INIT;
    CLEAN_STR struct str plain = STR_INIT;
    CLEAN_STR struct str nothing = STR_INIT;
    uint64_t members = 0;
    struct error err = ERROR_INIT;

    (void)state;
    make_xbk(&good, false);
    assert_int_equal(check_xbk(&good, &members, &err), 0);
    assert_int_equal(members, 2);
    make_xbk(&cut_inside, true);
    assert_int_equal(check_xbk(&cut_inside, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_SHORT);
    assert_non_null(strstr(err.text, "xbk: tar: stops"));
    str_add_n(&cut_outside, good.data, good.len - 1);
    assert_int_equal(check_xbk(&cut_outside, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_SHORT);
    str_add_n(&broken_off, good.data, good.len);
    str_add(&broken_off, ANSWER);
    assert_int_equal(check_xbk(&broken_off, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_XAPI);
    str_add(&plain, "this is no gzip, and it is longer than anything that may be one");
    assert_int_equal(check_xbk(&plain, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_CORRUPT);
    assert_int_equal(check_xbk(&nothing, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_SHORT);
}

static void a_raw_disk_has_its_length_and_not_a_byte_more(void **state)
{
    static const struct {
        size_t n;
        const char *tail;
        enum error_code code;
    } rows[] = {{1000, "", ERROR_NONE},
                {999, "", ERROR_SHORT},
                {1001, "", ERROR_CORRUPT},
                {500, ANSWER, ERROR_XAPI},
                {1000, ANSWER, ERROR_XAPI}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CLEAN_STR struct str in = STR_INIT;
        struct length_check check;
        struct error err = ERROR_INIT;
        memset(str_reserve(&in, rows[i].n), 'd', rows[i].n);
        str_set_len(&in, rows[i].n);
        str_add(&in, rows[i].tail);
        length_check_init(&check, 1000);
        int rc = length_check_feed(&check, in.data, in.len, &err);
        if (!rc)
            rc = length_check_finish(&check, &err);
        assert_int_equal(err.code, rows[i].code);
        assert_int_equal(rc, rows[i].code ? -1 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_database_needs_its_end_and_a_row_per_host),
        cmocka_unit_test(a_recorded_database_passes),
        cmocka_unit_test(a_host_backup_is_whole_outside_and_inside),
        cmocka_unit_test(a_raw_disk_has_its_length_and_not_a_byte_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
