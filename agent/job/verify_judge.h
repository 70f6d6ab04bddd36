/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the facts of a file that was read to its end make of it: proven, readable or damaged.
 *
 * Digests are compared with .meta, the catalog and SHA256SUMS. The first two are witnesses of when the
 * file was written: one that says otherwise is damage. SHA256SUMS is made from the catalog and may be
 * older, or another's: alone against one of the two it is a warning. Pure.
 */
#ifndef ONYX_AGENT_JOB_VERIFY_JUDGE_H
#define ONYX_AGENT_JOB_VERIFY_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/model/job.h"

/* Texts are borrowed; NULL: not known. */
struct verify_facts {
    const char *sha256; /* of what was read; the others are of what should be there */
    const char *meta_sha256;
    const char *catalog_sha256;
    const char *sums_sha256;
    const char *stream_xxh128; /* of what was in it uncompressed */
    const char *meta_stream_xxh128;
    const char *sparse_xxh128; /* of the disk in a raw file, where .meta has it */
    const char *meta_sparse_xxh128;
    uint64_t stream_bytes;
    uint64_t meta_stream_bytes; /* 0: not known */
    const char *meta_proof; /* how it was proven when it was written; NULL: it was not */
    const char *proof;      /* what its own structure proves now */
    const char *why_no_proof;
};

/* Fill kind, proof, sha256 and text of *verdict (zero but for its file). */
void verify_judge(const struct verify_facts *facts, struct job_verdict *verdict,
                  struct text_list *warnings);

#endif
