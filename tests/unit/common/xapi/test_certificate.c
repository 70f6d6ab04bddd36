/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pins out of PEM: known keys, several certificates, files that hold none.
 */
#include "common/xapi/certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/error.h"
#include "common/base/str.h"

/* Its pin is what `openssl x509 -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256
 * -binary | base64` says. */
static const char certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBdDCCARmgAwIBAgIUaXb34xe3LZfL90ZNUxPxYTxW1wUwCgYIKoZIzj0EAwIw\n"
    "DzENMAsGA1UEAwwEeGFwaTAeFw0yNjExMjIyMzUzNDZaFw0yNjExMjQyMzUzNDZa\n"
    "MA8xDTALBgNVBAMMBHhhcGkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARPuLji\n"
    "3iEqkcY6CxpPKtznR75qz5zK7ASvKw0Ko7wPhu5BKWjHKOtnw7mxcUEKIpnB3796\n"
    "ftQluXUTaHACEmyjo1MwUTAdBgNVHQ4EFgQUdPECCfyqDQbB3PENsnkfNOd6oqww\n"
    "HwYDVR0jBBgwFoAUdPECCfyqDQbB3PENsnkfNOd6oqwwDwYDVR0TAQH/BAUwAwEB\n"
    "/zAKBggqhkjOPQQDAgNJADBGAiEAji6m3Ll1dSSE9dIg+1+t5g/HC5Hb+97TO1Uh\n"
    "JK52/bgCIQCeIPBJQ9kr7fedpsev5XI7YSiPrGKM8L+/dVPu0QX0Wg==\n"
    "-----END CERTIFICATE-----\n";
static const char pin[] = "sha256//Lrxei9Pbj2+KsuagJ02yYOigGXERigu2a8kN0RYd4X4=";

static int pins_of(const char *pem, struct str *pins, struct error *err)
{
    return certificate_add_pins(pem, strlen(pem), "cert.pem", pins, err);
}

static void a_certificate_gives_the_hash_of_its_key(void **state)
{
    (void)state;
    CLEAN_STR struct str pins = STR_INIT;

    assert_int_equal(pins_of(certificate, &pins, NULL), 0);
    assert_string_equal(str_text(&pins), pin);
}

static void several_certificates_give_several_pins_and_text_between_them_is_ignored(void **state)
{
    (void)state;
    CLEAN_STR struct str pins = STR_INIT;
    CLEAN_CHAR char *two =
        str_format("# host one\n%s\nhost two\n%s\nend\n", certificate, certificate);
    CLEAN_CHAR char *expected = str_format("%s;%s", pin, pin);

    assert_int_equal(pins_of(two, &pins, NULL), 0);
    assert_string_equal(str_text(&pins), expected);
}

static void what_holds_no_or_a_damaged_certificate_is_refused(void **state)
{
    (void)state;
    CLEAN_STR struct str pins = STR_INIT;
    CLEAN_CHAR char *damaged = mem_dup(certificate);
    CLEAN_CHAR char *second = NULL;
    struct error err = ERROR_INIT;

    assert_int_equal(pins_of("", &pins, &err), -1);
    assert_int_equal(err.code, ERROR_BAD_INPUT);
    assert_non_null(strstr(err.text, "BEGIN CERTIFICATE"));
    assert_int_equal(
        pins_of("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", &pins, &err), -1);
    damaged[60] = '!';
    assert_int_equal(pins_of(damaged, &pins, &err), -1);
    assert_non_null(strstr(err.text, "certificate 1 is damaged"));
    second = str_format("%s%s", certificate, damaged);
    assert_int_equal(pins_of(second, &pins, &err), -1);
    assert_non_null(strstr(err.text, "certificate 2 is damaged"));
}

static void a_file_that_is_not_there_is_a_wrong_setting(void **state)
{
    (void)state;
    CLEAN_STR struct str pins = STR_INIT;
    struct error err = ERROR_INIT;
    char path[] = "/tmp/onyx-cert-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, certificate, strlen(certificate)), (int)strlen(certificate));
    close(fd);
    assert_int_equal(certificate_add_file(path, &pins, &err), 0);
    assert_string_equal(str_text(&pins), pin);
    unlink(path);
    assert_int_equal(certificate_add_file(path, &pins, &err), -1);
    assert_int_equal(err.code, ERROR_SETTINGS);
    assert_non_null(strstr(err.text, "--xapi-cert"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_gives_the_hash_of_its_key),
        cmocka_unit_test(several_certificates_give_several_pins_and_text_between_them_is_ignored),
        cmocka_unit_test(what_holds_no_or_a_damaged_certificate_is_refused),
        cmocka_unit_test(a_file_that_is_not_there_is_a_wrong_setting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
