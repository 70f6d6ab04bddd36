/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A digest over bytes that come in pieces: sha256 of our files, sha1 and XXH64 of XVA blocks,
 * XXH3-128 of whole streams (in canonical order, as xxhsum -H2 prints it).
 *
 * Texts are lower-case hex.
 */
#ifndef ONYX_COMMON_FORMAT_DIGEST_H
#define ONYX_COMMON_FORMAT_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"

struct error;
struct digest;

enum digest_kind { DIGEST_SHA256, DIGEST_SHA1, DIGEST_XXH64, DIGEST_XXH128 };

#define DIGEST_BYTES_MAX 32
#define DIGEST_TEXT_MAX (2 * DIGEST_BYTES_MAX + 1)

/* NULL with ERROR_INTERNAL when the library can't give this digest. */
struct digest *digest_new(enum digest_kind kind, struct error *err);
void digest_free(struct digest *digest);

#define CLEAN_DIGEST CLEANUP(digest_clean)
void digest_clean(struct digest **digest);

void digest_update(struct digest *digest, const void *bytes, size_t n);
void digest_zeros(struct digest *digest, uint64_t n); /* n zero bytes */

/* The digest of everything since new or the last final, as hex; starts anew. Gives text. */
char *digest_final(struct digest *digest, char text[DIGEST_TEXT_MAX]);

/* Hex digits in a digest's text: 64, 40, 16, 32. */
size_t digest_text_length(enum digest_kind kind);

/* "sha256", "sha1", "xxhash", "xxh128". */
const char *digest_kind_name(enum digest_kind kind);

#endif
