/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * PEM in, SHA-256 of the DER public key out, in base64.
 */
#include "common/xapi/certificate.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#include "common/base/poison.h"

static void bio_clean(BIO **bio)
{
    BIO_free(*bio);
}

static void x509_clean(X509 **certificate)
{
    X509_free(*certificate);
}

static int certificate_add_pin(X509 *certificate, struct str *pins)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char text[4 * ((EVP_MAX_MD_SIZE + 2) / 3) + 1];
    unsigned char *der = NULL;
    unsigned n = 0;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    int ok = len > 0 && EVP_Digest(der, (size_t)len, digest, &n, EVP_sha256(), NULL);

    OPENSSL_free(der);
    if (!ok)
        return -1;
    EVP_EncodeBlock(text, digest, (int)n);
    str_add_format(pins, "%ssha256//%s", pins->len ? ";" : "", (const char *)text);
    return 0;
}

int certificate_add_pins(const char *pem, size_t n, const char *name, struct str *pins,
                         struct error *err)
{
    CLEANUP(bio_clean) BIO *bio = n <= INT_MAX ? BIO_new_mem_buf(pem, (int)n) : NULL;
    size_t found = 0;

    ERR_clear_error();
    while (bio && found < CERTIFICATE_PINS_MAX) {
        CLEANUP(x509_clean) X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

        if (!certificate)
            break;
        if (certificate_add_pin(certificate, pins))
            return error_set(err, ERROR_BAD_INPUT, "%s: a certificate without a key", name);
        found++;
    }
    /* The end of the text looks like "no start line"; anything else is a broken certificate. */
    unsigned long last = ERR_peek_last_error();
    int broken = last && ERR_GET_REASON(last) != PEM_R_NO_START_LINE;

    ERR_clear_error();
    if (broken)
        return error_set(err, ERROR_BAD_INPUT, "%s: certificate %zu is damaged", name, found + 1);
    if (!found)
        return error_set(err, ERROR_BAD_INPUT,
                         "%s holds no certificate (\"-----BEGIN CERTIFICATE-----\")", name);
    return 0;
}

int certificate_add_file(const char *file, struct str *pins, struct error *err)
{
    CLEAN_STR struct str pem = STR_INIT;

    if (!fd_read_file(file, CERTIFICATE_FILE_MAX, &pem, err) &&
        !certificate_add_pins(str_text(&pem), pem.len, file, pins, err))
        return 0;
    error_add(err, "pinned certificate (--xapi-cert)");
    if (err)
        err->code = ERROR_SETTINGS;
    return -1;
}
