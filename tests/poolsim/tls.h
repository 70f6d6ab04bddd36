/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The TLS side: a self-signed certificate made at start, as a fresh XenServer has one.
 */
#ifndef ONYX_TESTS_POOLSIM_TLS_H
#define ONYX_TESTS_POOLSIM_TLS_H

struct error;
struct ssl_ctx_st;

/* A context with a new key and certificate for the name and the addresses ("IP:127.0.1.1,...").
 * *ret_pem (certificate) and *ret_key_pem are the caller's. */
struct tls_signer {
    const char *pem, *key_pem;
};

int tls_make(const char *name, const char *alternatives, const struct tls_signer *signer,
             struct ssl_ctx_st **ret_context, char **ret_pem, char **ret_key_pem,
             struct error *err);

#endif
