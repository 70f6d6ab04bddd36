/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An EC key and a certificate that signs itself, by OpenSSL.
 */
#include "tests/poolsim/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/base/error.h"
#include "common/base/mem.h"

#include "common/base/poison.h"

#define DAY_S 86400L

static int fail(struct error *err, const char *what)
{
    char text[256];

    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    ERR_clear_error();
    return error_set(err, ERROR_INTERNAL, "TLS: %s: %s", what, text);
}

static int add_names(X509 *certificate, const char *alternatives)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, alternatives);
    if (!extension)
        return -1;
    int result = X509_add_ext(certificate, extension, -1) == 1 ? 0 : -1;
    X509_EXTENSION_free(extension);
    return result;
}

/* By its own key, or by the signer's. */
static int sign(X509 *certificate, EVP_PKEY *key, const struct tls_signer *signer)
{
    if (!signer) {
        X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
        return X509_sign(certificate, key, EVP_sha256()) > 0 ? 0 : -1;
    }
    BIO *pem = BIO_new_mem_buf(signer->pem, -1);
    BIO *key_pem = BIO_new_mem_buf(signer->key_pem, -1);
    X509 *ca = PEM_read_bio_X509(pem, NULL, NULL, NULL);
    EVP_PKEY *ca_key = PEM_read_bio_PrivateKey(key_pem, NULL, NULL, NULL);
    int result = -1;

    if (ca && ca_key && X509_set_issuer_name(certificate, X509_get_subject_name(ca)) == 1 &&
        X509_sign(certificate, ca_key, EVP_sha256()) > 0)
        result = 0;
    EVP_PKEY_free(ca_key);
    X509_free(ca);
    BIO_free(key_pem);
    BIO_free(pem);
    return result;
}

static int fill(X509 *certificate, EVP_PKEY *key, const char *name, const char *alternatives,
                const struct tls_signer *signer)
{
    X509_NAME *subject = X509_get_subject_name(certificate);

    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3650 * DAY_S);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1,
                               0);
    if (add_names(certificate, alternatives))
        return -1;
    return sign(certificate, key, signer);
}

static char *bio_text(BIO *bio)
{
    char *bytes;
    long n = BIO_get_mem_data(bio, &bytes);
    char *text = mem_dup_n(bytes, (size_t)n);

    BIO_free(bio);
    return text;
}

int tls_make(const char *name, const char *alternatives, const struct tls_signer *signer,
             struct ssl_ctx_st **ret_context, char **ret_pem, char **ret_key_pem,
             struct error *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    int result = 0;

    if (!key || !certificate || !context || fill(certificate, key, name, alternatives, signer) ||
        SSL_CTX_use_certificate(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey(context, key) != 1)
        result = fail(err, "make a certificate");
    if (result == 0) {
        BIO *bio = BIO_new(BIO_s_mem());
        PEM_write_bio_X509(bio, certificate);
        *ret_pem = bio_text(bio);
        bio = BIO_new(BIO_s_mem());
        PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
        *ret_key_pem = bio_text(bio);
        *ret_context = context;
        context = NULL;
    }
    SSL_CTX_free(context);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return result;
}
