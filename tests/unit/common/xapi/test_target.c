/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Addresses as people and XAPI write them, and what is too dangerous to use.
 */
#include "common/xapi/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/error.h"

static void addresses_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text, *socket, *url;
    } good[] = {
        {"/var/lib/xcp/xapi", "/var/lib/xcp/xapi", NULL},
        {"unix:/run/x", "/run/x", NULL},
        {"https://10.0.0.1", NULL, "https://10.0.0.1"},
        {"https://host-1.example.org:8443/", NULL, "https://host-1.example.org:8443"},
        {"http://[::1]:80", NULL, "http://[::1]:80"},
        {"https://[fe80::1]", NULL, "https://[fe80::1]"},
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CLEAN_XAPI_TARGET struct xapi_target target = {0};

        assert_int_equal(xapi_target_parse(good[i].text, &target, NULL), 0);
        if (good[i].socket)
            assert_string_equal(target.socket, good[i].socket);
        else
            assert_string_equal(target.url, good[i].url);
        assert_string_equal(xapi_target_name(&target),
                            good[i].socket ? good[i].socket : good[i].url);
    }
}

static void what_is_no_address_is_refused_as_a_setting(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "host",          "ftp://host",      "https://",         "https://h:0",
        "https://h:x",   "https://h:65536", "https://u:p@host", "https://h/jsonrpc",
        "unix:relative", "https://h h",     "https://[::1",     "https://[::1]x",
        "http:///x",     "https://h?x",     "https://a\"b",     "unix:",
    };
    char path[300];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CLEAN_XAPI_TARGET struct xapi_target target = {0};
        struct error err = ERROR_INIT;

        if (!xapi_target_parse(bad[i], &target, &err))
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(err.code, ERROR_SETTINGS);
    }
    CLEAN_XAPI_TARGET struct xapi_target target = {0};
    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    assert_int_equal(xapi_target_parse(path, &target, NULL), -1);
}

static void clear_text_and_missing_secrets_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *url, *password, *certificate;
        bool allowed;
        int code;
    } cases[] = {
        {"http://10.0.0.1", "p", NULL, false, ERROR_SETTINGS},
        {"http://10.0.0.1", "p", NULL, true, ERROR_NONE},
        {"http://127.0.0.9:8080", "p", NULL, false, ERROR_NONE},
        {"http://[::1]", "p", NULL, false, ERROR_NONE},
        {"http://localhost", "p", NULL, false, ERROR_NONE},
        {"http://localhost.evil.org", "p", NULL, false, ERROR_SETTINGS},
        {"http://127.0.0.1", NULL, NULL, false, ERROR_SETTINGS},
        {"https://10.0.0.1", "p", NULL, true, ERROR_SETTINGS},
        {"https://10.0.0.1", "p", "/c.pem", false, ERROR_NONE},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEAN_XAPI_TARGET struct xapi_target target = {0};
        struct error err = ERROR_INIT;

        assert_int_equal(xapi_target_parse(cases[i].url, &target, NULL), 0);
        target.password = mem_dup(cases[i].password);
        target.certificate_file = mem_dup(cases[i].certificate);
        target.is_clear_allowed = cases[i].allowed;
        int result = xapi_target_check(&target, &err);
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(result, cases[i].code ? -1 : 0);
    }
}

static void other_hosts_of_the_pool_get_a_url_of_the_same_kind(void **state)
{
    (void)state;
    CLEAN_XAPI_TARGET struct xapi_target target = {0};
    CLEAN_XAPI_TARGET struct xapi_target socket = {0};

    assert_int_equal(xapi_target_parse("http://127.0.0.1:8080", &target, NULL), 0);
    char *url = xapi_target_url_of_host(&target, "127.0.0.2");
    assert_string_equal(url, "http://127.0.0.2:8080");
    free(url);
    url = xapi_target_url_of_host(&target, "fd00::2");
    assert_string_equal(url, "http://[fd00::2]:8080");
    free(url);
    assert_int_equal(xapi_target_parse("/x", &socket, NULL), 0);
    assert_null(xapi_target_url_of_host(&socket, "127.0.0.2"));
}

static void a_location_is_read_with_and_without_brackets_and_port(void **state)
{
    (void)state;
    static const struct {
        const char *location, *url, *address;
        unsigned port;
    } cases[] = {
        {"https://10.0.0.2/export?ref=OpaqueRef:x&session_id=y", "https://10.0.0.2", "10.0.0.2", 0},
        {"https://10.0.0.2/export?ref=OpaqueRef%3Ax", "https://10.0.0.2:7443", "10.0.0.2", 7443},
        {"https://10.0.0.2:99/export", "https://10.0.0.2:99", "10.0.0.2", 7443},
        {"https://fd00::2/export", "https://[fd00::2]", "fd00::2", 443},
        {"https://[fd00::2]/export", "https://[fd00::2]:7443", "fd00::2", 7443},
        {"https://[fd00::2]:5/export", "https://[fd00::2]:5", "fd00::2", 0},
        {"https://host.example?x", "https://host.example", "host.example", 0},
    };
    static const char *const bad[] = {"http://10.0.0.2/x", "/export",      "",
                                      "https:///x",        "https://a@b/", "https://a\x01/",
                                      "file:///etc/passwd"};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct xapi_target target = {.tls_port = (uint16_t)cases[i].port};
        CLEAN_CHAR char *url = NULL;
        CLEAN_CHAR char *address = NULL;

        assert_int_equal(
            xapi_target_parse_location(&target, cases[i].location, &url, &address, NULL), 0);
        assert_string_equal(url, cases[i].url);
        assert_string_equal(address, cases[i].address);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct xapi_target target = {0};
        struct error err = ERROR_INIT;
        char *url = NULL;
        char *address = NULL;

        assert_int_equal(xapi_target_parse_location(&target, bad[i], &url, &address, &err), -1);
        assert_int_equal(err.code, ERROR_PROTOCOL);
    }
}

static void a_password_is_the_first_line_of_a_private_file(void **state)
{
    (void)state;
    CLEAN_XAPI_TARGET struct xapi_target target = {0};
    struct error err = ERROR_INIT;
    char path[] = "/tmp/onyx-password-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "geheim\r\nmore\n", 13), 13);
    assert_int_equal(xapi_target_read_password(&target, path, &err), 0);
    assert_string_equal(target.password, "geheim");
    assert_int_equal(fchmod(fd, 0640), 0);
    assert_int_equal(xapi_target_read_password(&target, path, &err), -1);
    assert_int_equal(err.code, ERROR_SETTINGS);
    assert_non_null(strstr(err.text, "chmod 600"));
    assert_int_equal(fchmod(fd, 0600), 0);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(xapi_target_read_password(&target, path, &err), -1);
    unlink(path);
    close(fd);
    assert_int_equal(xapi_target_read_password(&target, path, &err), -1);
    assert_int_equal(err.code, ERROR_SETTINGS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_taken_apart),
        cmocka_unit_test(what_is_no_address_is_refused_as_a_setting),
        cmocka_unit_test(clear_text_and_missing_secrets_are_refused),
        cmocka_unit_test(other_hosts_of_the_pool_get_a_url_of_the_same_kind),
        cmocka_unit_test(a_location_is_read_with_and_without_brackets_and_port),
        cmocka_unit_test(a_password_is_the_first_line_of_a_private_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
