/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An XVA read as XAPI's import reads it, with its checks and its blind spots.
 *
 * Errors that XAPI shows as the text of an OCaml exception carry that text: ERROR_CORRUPT with
 * "Stream_vdi.Failure(\"Invalid XVA file\")" and such. ERROR_SHORT is its End_of_file, ERROR_LOST
 * a broken connection (errno in sys).
 * Source: stream_vdi.ml recv_all_vdi; contract 6.2, 6.3; recordings 1388-1429, 1860.
 */
#ifndef ONYX_TESTS_POOLSIM_XVA_READER_H
#define ONYX_TESTS_POOLSIM_XVA_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/str.h"
#include "tests/poolsim/disks.h"
#include "tests/poolsim/source.h"

#define XVA_OVA_MAX (UINT64_C(64) << 20)

struct xva_reader {
    struct source source;
    int64_t first_length; /* of the first block of all; -1 before it */
    bool checks_sums;     /* export_vsn > 0 */
    bool is_forced;       /* a wrong checksum is passed over */
};

void xva_reader_init(struct xva_reader *reader, struct source source);

struct xva_member {
    char name[101];
    uint64_t length;
};

/* The next header. "Tar.Header.End_of_stream" is an ERROR_CORRUPT too. */
int xva_read_header(struct xva_reader *reader, struct xva_member *ret_member, struct error *err);

/* A header from bytes already there; ERROR_CORRUPT when they are none. */
int xva_parse_header(const unsigned char bytes[512], struct xva_member *ret_member,
                     struct error *err);

/* Data and padding of a member as text, behind its header. */
int xva_read_text(struct xva_reader *reader, const struct xva_member *member, struct str *text,
                  struct error *err);

typedef int xva_read_step_fn(void *context, uint64_t offset, struct error *err);

/* One disk of size_bytes whose members begin with prefix ("Ref:5"). */
int xva_read_disk(struct xva_reader *reader, struct disk *disk, uint64_t size_bytes,
                  const char *prefix, xva_read_step_fn *step, void *step_context,
                  struct error *err);

#endif
