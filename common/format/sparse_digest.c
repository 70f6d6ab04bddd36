/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A piece that lies whole in the caller's bytes is looked at there; others are gathered.
 */
#include "common/format/sparse_digest.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/poison.h"

struct sparse_digest {
    struct digest *digest;
    uint64_t at; /* bytes of the disk so far */
    size_t n;    /* of them in piece */
    unsigned char piece[SPARSE_DIGEST_PIECE];
};

struct sparse_digest *sparse_digest_new(struct error *err)
{
    struct digest *digest = digest_new(DIGEST_XXH128, err);

    if (!digest)
        return NULL;
    struct sparse_digest *sparse = mem_zero(1, sizeof *sparse);
    sparse->digest = digest;
    return sparse;
}

void sparse_digest_free(struct sparse_digest *sparse)
{
    if (!sparse)
        return;
    digest_free(sparse->digest);
    mem_free_void(&sparse);
}

void sparse_digest_clean(struct sparse_digest **sparse)
{
    sparse_digest_free(*sparse);
    *sparse = NULL;
}

static void add_number(struct sparse_digest *sparse, uint64_t number)
{
    unsigned char bytes[8];

    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(number >> (56 - 8 * i));
    digest_update(sparse->digest, bytes, sizeof bytes);
}

static void add_piece(struct sparse_digest *sparse, const unsigned char *bytes, size_t n)
{
    if (mem_is_zero(bytes, n))
        return;
    add_number(sparse, sparse->at);
    digest_update(sparse->digest, bytes, n);
}

/* Into the gathered piece, which is complete at its full size. */
static size_t gather(struct sparse_digest *sparse, const unsigned char *bytes, size_t n)
{
    size_t room = sizeof sparse->piece - sparse->n;
    size_t part = n < room ? n : room;

    if (bytes)
        memcpy(sparse->piece + sparse->n, bytes, part);
    else
        memset(sparse->piece + sparse->n, 0, part);
    sparse->n += part;
    if (sparse->n == sizeof sparse->piece) {
        add_piece(sparse, sparse->piece, sparse->n);
        sparse->at += sparse->n;
        sparse->n = 0;
    }
    return part;
}

void sparse_digest_update(struct sparse_digest *sparse, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;

    while (n) {
        size_t used;
        if (sparse->n || n < sizeof sparse->piece) {
            used = gather(sparse, at, n);
        } else {
            used = n - n % sizeof sparse->piece;
            for (size_t i = 0; at && i < used; i += sizeof sparse->piece) {
                add_piece(sparse, at + i, sizeof sparse->piece);
                sparse->at += sizeof sparse->piece;
            }
            if (!at)
                sparse->at += used;
        }
        at = at ? at + used : NULL;
        n -= used;
    }
}

char *sparse_digest_final(struct sparse_digest *sparse, char text[DIGEST_TEXT_MAX])
{
    if (sparse->n)
        add_piece(sparse, sparse->piece, sparse->n);
    add_number(sparse, sparse->at + sparse->n);
    return digest_final(sparse->digest, text);
}
