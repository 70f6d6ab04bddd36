/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The check that a backup's file passed when it was written, for one that is read back: unpacked
 * where it is compressed, then held against its format.
 */
#ifndef ONYX_AGENT_JOB_VERIFY_CHECK_H
#define ONYX_AGENT_JOB_VERIFY_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/pipeline/pipeline.h"
#include "common/base/mem.h"
#include "common/format/digest.h"

struct error;
struct meta;
struct scan_name;
struct verify_check;

/*
 * A check for the file of that name. Sizes of disks are those of its .meta. is_plain: the format is
 * not looked at, but an archive must still unpack to its end.
 */
int verify_check_new(const char *file, const struct scan_name *name, const struct meta *meta,
                     bool is_plain, struct verify_check **ret_check, struct error *err);
void verify_check_free(struct verify_check *check);
#define CLEAN_VERIFY_CHECK CLEANUP(verify_check_clean)
void verify_check_clean(struct verify_check **check);

/* Borrowed by the pipeline. */
struct pipeline_check verify_check_pipeline(struct verify_check *check);

/* What a passed check proves; NULL: nothing, verify_check_why says why. */
const char *verify_check_proof(const struct verify_check *check);
const char *verify_check_why(const struct verify_check *check);

/* Why the content did not pass; NULL when it was not the check that failed. Borrowed. */
const struct error *verify_check_error(const struct verify_check *check);

/* Of what was in it uncompressed, behind its end. The digests are asked for once. */
uint64_t verify_check_stream_bytes(const struct verify_check *check);
char *verify_check_stream_xxh128(struct verify_check *check, char text[DIGEST_TEXT_MAX]);
/* NULL: the .meta has none to hold it against, so it was not taken. */
char *verify_check_sparse_xxh128(struct verify_check *check, char text[DIGEST_TEXT_MAX]);

#endif
