/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Damage first, then how much is proven.
 */
#include "agent/job/verify_judge.h"

#include "common/base/mem.h"
#include "common/base/str.h"

#include "common/base/poison.h"

static bool differs(const char *known, const char *found)
{
    return known && !str_equal(known, found);
}

static bool agrees(const char *known, const char *found)
{
    return known && str_equal(known, found);
}

static char *find_damage(const struct verify_facts *facts)
{
    bool has_witness = agrees(facts->meta_sha256, facts->sha256) ||
                       agrees(facts->meta_sparse_xxh128, facts->sparse_xxh128) ||
                       agrees(facts->catalog_sha256, facts->sha256);

    if (differs(facts->meta_sha256, facts->sha256))
        return str_format("its sha256 is %s, its .meta says %s", facts->sha256,
                          facts->meta_sha256);
    if (differs(facts->catalog_sha256, facts->sha256))
        return str_format("its sha256 is %s, the catalog says %s", facts->sha256,
                          facts->catalog_sha256);
    if (differs(facts->sums_sha256, facts->sha256) && !has_witness)
        return str_format("its sha256 is %s, SHA256SUMS says %s", facts->sha256,
                          facts->sums_sha256);
    if (differs(facts->meta_stream_xxh128, facts->stream_xxh128))
        return str_format("the xxh128 of its content is %s, its .meta says %s",
                          facts->stream_xxh128, facts->meta_stream_xxh128);
    if (differs(facts->meta_sparse_xxh128, facts->sparse_xxh128))
        return str_format("the sparse_xxh128 of its disk is %s, its .meta says %s",
                          facts->sparse_xxh128, facts->meta_sparse_xxh128);
    if (facts->meta_stream_bytes != 0 && facts->meta_stream_bytes != facts->stream_bytes)
        return str_format("its content has %llu bytes, its .meta says %llu",
                          (unsigned long long)facts->stream_bytes,
                          (unsigned long long)facts->meta_stream_bytes);
    return NULL;
}

/* Whether what stands there is what was written, to the byte. */
static bool is_what_was_written(const struct verify_facts *facts)
{
    return agrees(facts->meta_sha256, facts->sha256) ||
           agrees(facts->meta_stream_xxh128, facts->stream_xxh128) ||
           agrees(facts->meta_sparse_xxh128, facts->sparse_xxh128);
}

void verify_judge(const struct verify_facts *facts, struct job_verdict *verdict,
                  struct text_list *warnings)
{
    verdict->text = find_damage(facts);
    if (verdict->text) {
        verdict->kind = JOB_VERDICT_DAMAGED;
        return;
    }
    if (differs(facts->sums_sha256, facts->sha256))
        text_list_add_format(warnings,
                             "%s: SHA256SUMS has another sha256 (%s) than the file, its .meta or "
                             "the catalog: the line is written anew",
                             verdict->file, facts->sums_sha256);
    verdict->sha256 = mem_dup(facts->sha256);
    verdict->proof = mem_dup(facts->proof ? facts->proof
                             : facts->meta_proof && is_what_was_written(facts) ? facts->meta_proof
                                                                               : NULL);
    verdict->kind = verdict->proof ? JOB_VERDICT_PROVEN : JOB_VERDICT_READABLE;
    if (!verdict->proof)
        verdict->text = mem_dup(facts->why_no_proof ? facts->why_no_proof
                                                    : "there is nothing to hold its content against");
}
