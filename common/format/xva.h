/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The check of an XVA while it streams by: is it whole, and will an import take it?
 *
 * Held are: the tar from ova.xml to its two zero blocks with nothing behind; all disks that
 * ova.xml names, in string order of their refs, each from its first block to its last; a checksum
 * (xxhash, or sha1 of older hosts) behind every block, equal to the data's. Missing blocks are
 * zeros: a block's place is the end of the one before plus the skipped numbers times the length of
 * the archive's first block, as the importer has it; a member of length zero (XAPI's keep-alive in
 * long runs of zeros) takes a number and no place.
 *
 * Memory: a few KiB a disk, whatever its size; the input is never kept.
 * Source: xapi stream_vdi.ml (send_one, recv_all), export.ml, import.ml.
 */
#ifndef ONYX_COMMON_FORMAT_XVA_H
#define ONYX_COMMON_FORMAT_XVA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/format/digest.h"
#include "common/format/ova.h"

struct error;
struct xva_check;

#define XVA_BLOCK_BYTES (1u << 20) /* of all blocks but a disk's last */
#define XVA_OVA_MAX (16u << 20)    /* bytes of ova.xml */
#define XVA_PROOF "blocks"         /* what a passed check proves, for .meta */

/* A disk that the caller wants to see in the archive. */
struct xva_expected {
    char vdi_uuid[UUID_TEXT_MAX];
    uint64_t virtual_size_bytes;
};

struct xva_disk {
    char device[16]; /* "xvda"; "suspend" for a suspend image */
    uint64_t blocks_n;     /* with data; the others are zero */
    uint64_t keep_alive_n; /* members of length zero */
    uint64_t data_bytes;
    char sparse_xxh128[DIGEST_TEXT_MAX]; /* of the disk: see xva_check_take_digests; "" none */
};

struct xva_summary {
    struct ova ova;
    struct xva_disk *disks; /* ova.disks_n, in the same order */
    uint64_t bytes;         /* of the whole archive */
};

void xva_summary_done(struct xva_summary *summary);
#define CLEAN_XVA_SUMMARY CLEANUP(xva_summary_done)

/*
 * A check at the archive's first byte.
 *
 * expected may be NULL: then what ova.xml names is right. Else its disks must be exactly these.
 * Fails:  ERROR_INTERNAL when the digest library gives nothing.
 */
struct xva_check *xva_check_new(const struct xva_expected *expected, size_t expected_n,
                                struct error *err);
void xva_check_free(struct xva_check *check);
#define CLEAN_XVA_CHECK CLEANUP(xva_check_clean)
void xva_check_clean(struct xva_check **check);

/* Before the first byte: take a digest (sparse_digest) of each disk as an import would make it. */
void xva_check_take_digests(struct xva_check *check);

/* Behind xva_check_finish without ret: the digest of the disk with this VDI, NULL if it is not
 * there. Borrowed. */
const char *xva_check_disk_digest(const struct xva_check *check, const char *vdi_uuid);

/*
 * The next n bytes, in pieces of any size.
 *
 * Fails:  ERROR_CORRUPT, ERROR_LIMIT (ova.xml too large), ERROR_UNSUPPORTED (no checksums; blocks
 *         left out behind a first disk under 1 MiB, which no import puts back right), ERROR_XAPI
 *         when the server's late "HTTP/1.1 500" stands in the data: its text is in the error. Not
 *         used after an error.
 */
int xva_check_feed(struct xva_check *check, const void *bytes, size_t n, struct error *err);

/* The stream ended. 0 and *ret (zero or done before) if the archive is whole; ret may be NULL.
 * ERROR_SHORT, ERROR_CORRUPT or ERROR_XAPI if not. */
int xva_check_finish(struct xva_check *check, struct xva_summary *ret, struct error *err);

/* Bytes of disks that are behind the check so far, zero blocks included: for progress. */
uint64_t xva_check_disk_bytes(const struct xva_check *check);

#endif
