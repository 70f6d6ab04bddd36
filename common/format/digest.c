/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * OpenSSL's EVP and xxhash behind one face. The library is told not to read its configuration
 * file: dom0's may name engines that are not there.
 *
 * EVP fails only at its first use of an algorithm, which digest_new makes; later failures would be
 * bugs and end the process.
 *
 * XXH3 is three to four times as fast with the vectors that the processor has (AVX2, AVX-512) as
 * with SSE2, for which a distribution's library is made. Where that library can choose at run time
 * it is asked to; its sums are the same.
 */
#include "common/format/digest.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#ifdef ONYX_XXHASH_DISPATCH
#include <xxh_x86dispatch.h> /* takes the place of xxhash.h's functions */
#else
#include <xxhash.h>
#endif

#include "common/base/error.h"
#include "common/base/num.h"

#include "common/base/poison.h"

#define ZEROS_BYTES 65536

struct digest {
    enum digest_kind kind;
    EVP_MD_CTX *evp;
    XXH64_state_t *xxh64;
    XXH3_state_t *xxh3;
};

static const struct {
    enum digest_kind kind;
    const char *name;
    size_t bytes;
    const EVP_MD *(*evp)(void); /* NULL: xxhash */
} rows[] = {
    [DIGEST_SHA256] = {DIGEST_SHA256, "sha256", 32, EVP_sha256},
    [DIGEST_SHA1] = {DIGEST_SHA1, "sha1", 20, EVP_sha1},
    [DIGEST_XXH64] = {DIGEST_XXH64, "xxhash", 8, NULL},
    [DIGEST_XXH128] = {DIGEST_XXH128, "xxh128", 16, NULL},
};

static void must(int is_good)
{
    if (!is_good)
        abort();
}

static bool begin_xxhash(struct digest *digest)
{
    if (digest->kind == DIGEST_XXH128) {
        digest->xxh3 = XXH3_createState();
        return digest->xxh3 && XXH3_128bits_reset(digest->xxh3) == XXH_OK;
    }
    digest->xxh64 = XXH64_createState();
    return digest->xxh64 && XXH64_reset(digest->xxh64, 0) == XXH_OK;
}

struct digest *digest_new(enum digest_kind kind, struct error *err)
{
    CLEAN_DIGEST struct digest *digest = mem_zero(1, sizeof *digest);

    digest->kind = kind;
    if (rows[kind].evp) {
        OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
        digest->evp = EVP_MD_CTX_new();
        if (!digest->evp || !EVP_DigestInit_ex(digest->evp, rows[kind].evp(), NULL)) {
            error_set(err, ERROR_INTERNAL, "libcrypto gives no %s", rows[kind].name);
            return NULL;
        }
    } else if (!begin_xxhash(digest)) {
        error_set(err, ERROR_INTERNAL, "libxxhash gives no state");
        return NULL;
    }
    struct digest *made = digest;
    digest = NULL;
    return made;
}

void digest_free(struct digest *digest)
{
    if (!digest)
        return;
    EVP_MD_CTX_free(digest->evp);
    XXH64_freeState(digest->xxh64);
    XXH3_freeState(digest->xxh3);
    mem_free_void(&digest);
}

void digest_clean(struct digest **digest)
{
    digest_free(*digest);
    *digest = NULL;
}

void digest_update(struct digest *digest, const void *bytes, size_t n)
{
    if (!n)
        return;
    if (digest->evp)
        must(EVP_DigestUpdate(digest->evp, bytes, n));
    else if (digest->xxh3)
        must(XXH3_128bits_update(digest->xxh3, bytes, n) == XXH_OK);
    else
        must(XXH64_update(digest->xxh64, bytes, n) == XXH_OK);
}

void digest_zeros(struct digest *digest, uint64_t n)
{
    static const unsigned char zeros[ZEROS_BYTES];

    while (n > 0) {
        size_t part = n < sizeof zeros ? (size_t)n : sizeof zeros;
        digest_update(digest, zeros, part);
        n -= part;
    }
}

char *digest_final(struct digest *digest, char text[DIGEST_TEXT_MAX])
{
    unsigned char bytes[DIGEST_BYTES_MAX];

    if (digest->evp) {
        must(EVP_DigestFinal_ex(digest->evp, bytes, NULL));
        must(EVP_DigestInit_ex(digest->evp, NULL, NULL));
    } else if (digest->xxh3) {
        XXH128_canonical_t canonical;
        XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(digest->xxh3));
        memcpy(bytes, canonical.digest, sizeof canonical.digest);
        must(XXH3_128bits_reset(digest->xxh3) == XXH_OK);
    } else {
        XXH64_canonical_t canonical;
        XXH64_canonicalFromHash(&canonical, XXH64_digest(digest->xxh64));
        memcpy(bytes, canonical.digest, sizeof canonical.digest);
        must(XXH64_reset(digest->xxh64, 0) == XXH_OK);
    }
    return num_format_hex(bytes, rows[digest->kind].bytes, text);
}

size_t digest_text_length(enum digest_kind kind)
{
    return 2 * rows[kind].bytes;
}

const char *digest_kind_name(enum digest_kind kind)
{
    return rows[kind].name;
}
