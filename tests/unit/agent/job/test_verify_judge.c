/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What facts make of a file: a table of what is known and what was read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "agent/job/verify_judge.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/base/text_list.h"

/* Digests by one letter. */
static const struct {
    const char *name;
    struct verify_facts facts;
    enum job_verdict_kind kind;
    const char *proof;
    const char *text; /* part of it */
    size_t warnings_n;
} cases[] = {
    {"ours, all agree",
     {.sha256 = "a", .meta_sha256 = "a", .catalog_sha256 = "a", .sums_sha256 = "a",
      .meta_proof = "blocks", .proof = "blocks"},
     JOB_VERDICT_PROVEN, "blocks", NULL, 0},
    {"the data changed",
     {.sha256 = "b", .meta_sha256 = "a", .catalog_sha256 = "a", .sums_sha256 = "a",
      .meta_proof = "blocks", .proof = "blocks"},
     JOB_VERDICT_DAMAGED, NULL, "its sha256 is b, its .meta says a", 0},
    {"the .meta is of another mind than the catalog",
     {.sha256 = "a", .meta_sha256 = "b", .catalog_sha256 = "a", .sums_sha256 = "a",
      .meta_proof = "blocks", .proof = "blocks"},
     JOB_VERDICT_DAMAGED, NULL, "its sha256 is a, its .meta says b", 0},
    {"data and .meta changed",
     {.sha256 = "b", .meta_sha256 = "b", .catalog_sha256 = "a", .proof = "blocks"},
     JOB_VERDICT_DAMAGED, NULL, "the catalog says a", 0},
    {"SHA256SUMS alone is of another mind",
     {.sha256 = "a", .meta_sha256 = "a", .sums_sha256 = "c", .proof = "blocks"},
     JOB_VERDICT_PROVEN, "blocks", NULL, 1},
    {"SHA256SUMS is all that there is",
     {.sha256 = "a", .sums_sha256 = "c", .proof = "blocks"},
     JOB_VERDICT_DAMAGED, NULL, "SHA256SUMS says c", 0},
    {"no sha256 was taken, the content has another digest",
     {.sha256 = "a", .stream_xxh128 = "x", .meta_stream_xxh128 = "y", .meta_proof = "blocks",
      .proof = "blocks"},
     JOB_VERDICT_DAMAGED, NULL, "the xxh128 of its content is x, its .meta says y", 0},
    {"the disk has another digest",
     {.sha256 = "a", .stream_xxh128 = "x", .sparse_xxh128 = "p", .meta_sparse_xxh128 = "q",
      .meta_proof = "structure", .proof = "length"},
     JOB_VERDICT_DAMAGED, NULL, "the sparse_xxh128 of its disk is p, its .meta says q", 0},
    {"the disk's digest alone is of another mind",
     {.sha256 = "a", .meta_sha256 = "a", .catalog_sha256 = "a", .sparse_xxh128 = "p",
      .meta_sparse_xxh128 = "q", .meta_proof = "structure", .proof = "length"},
     JOB_VERDICT_DAMAGED, NULL, "the sparse_xxh128 of its disk is p, its .meta says q", 0},
    {"the disk's digest is all that was taken, and it agrees",
     {.sha256 = "a", .sparse_xxh128 = "p", .meta_sparse_xxh128 = "p", .meta_proof = "structure",
      .why_no_proof = "no structure"},
     JOB_VERDICT_PROVEN, "structure", NULL, 0},
    {"SHA256SUMS is of another mind than the disk's digest",
     {.sha256 = "a", .sums_sha256 = "c", .sparse_xxh128 = "p", .meta_sparse_xxh128 = "p",
      .meta_proof = "structure", .proof = "length"},
     JOB_VERDICT_PROVEN, "length", NULL, 1},
    {"the content has another length",
     {.sha256 = "a", .stream_bytes = 7, .meta_stream_bytes = 8, .proof = "blocks"},
     JOB_VERDICT_DAMAGED, NULL, "its content has 7 bytes, its .meta says 8", 0},
    {"found, its structure is whole",
     {.sha256 = "a", .proof = "structure"},
     JOB_VERDICT_PROVEN, "structure", NULL, 0},
    {"found, nothing to hold it against",
     {.sha256 = "a", .why_no_proof = "a raw disk has no structure"},
     JOB_VERDICT_READABLE, NULL, "a raw disk has no structure", 0},
    {"found and read before: it is as it was then, which proves nothing",
     {.sha256 = "a", .catalog_sha256 = "a", .sums_sha256 = "a", .why_no_proof = "no structure"},
     JOB_VERDICT_READABLE, NULL, "no structure", 0},
    {"ours, its structure tells nothing now, but it is what was proven then",
     {.sha256 = "a", .meta_sha256 = "a", .meta_proof = "length", .why_no_proof = "no structure"},
     JOB_VERDICT_PROVEN, "length", NULL, 0},
    {"ours, and no digest says that it is what was proven then",
     {.sha256 = "a", .meta_proof = "length", .why_no_proof = "no structure"},
     JOB_VERDICT_READABLE, NULL, "no structure", 0},
};

static void file_when_judged_then_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEAN_JOB_REPORT struct job_report report = {.attempt = 1};
        struct job_verdict *verdict = &report.verdict;
        verdict->file = mem_dup("backup_20261122-202734.xva");
        verify_judge(&cases[i].facts, verdict, &report.warnings);
        if (verdict->kind != cases[i].kind || !str_equal(verdict->proof, cases[i].proof) ||
            report.warnings.n != cases[i].warnings_n)
            fail_msg("%s: %s by %s, %zu warnings", cases[i].name, job_verdict_name(verdict->kind),
                     verdict->proof ? verdict->proof : "nothing", report.warnings.n);
        if (!cases[i].text)
            assert_null(verdict->text);
        else if (!verdict->text || !strstr(verdict->text, cases[i].text))
            fail_msg("%s: says %s", cases[i].name, verdict->text);
        /* What damaged ones hold is kept nowhere as if it were right. */
        assert_true(str_equal(verdict->sha256, verdict->kind == JOB_VERDICT_DAMAGED ? NULL : "a"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_when_judged_then_as_the_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
