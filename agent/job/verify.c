/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What costs nothing comes first: names, sizes, the .meta. Then the file is read once; a second time
 * only when its format is one that can't be checked, for its digest alone.
 */
#include "agent/job/verify.h"

#include <string.h>

#include "agent/job/verify_check.h"
#include "agent/job/verify_judge.h"
#include "agent/pipeline/sink_file.h"
#include "agent/pipeline/source_file.h"
#include "common/base/error.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/format/meta.h"
#include "common/store/reader.h"
#include "common/store/root.h"
#include "common/store/scan.h"
#include "common/store/sums.h"

#include "common/base/poison.h"

#define ROOM "verify"

struct verify {
    const struct job_context *context;
    const struct job *job;
    struct job_report *report;
    struct scan_name name;
    struct meta meta;
    int folder;
    struct pipeline_result read;
};

static void verify_done(struct verify *verify)
{
    meta_done(&verify->meta);
    fd_close(&verify->folder);
}

/* The verdict is spoken: 0. */
static int call_damaged(struct verify *verify, const char *why)
{
    struct job_verdict *verdict = &verify->report->verdict;

    verdict->kind = JOB_VERDICT_DAMAGED;
    mem_set(&verdict->text, why);
    return 0;
}

/* ---- what can be seen without reading it ---- */

/* Whether the .meta speaks of this file, and of the one that the catalog means. */
static bool is_its_meta(const struct verify *verify)
{
    const struct job_copied *subject = &verify->job->subject;
    const struct backup *backup = &verify->meta.backup;

    if (subject->job[0] == '\0')
        return !verify->meta.is_ours;
    return verify->meta.is_ours && strcmp(backup->job, subject->job) == 0 &&
           str_equal(backup->file, subject->file) && backup->size_bytes == subject->size_bytes;
}

/* 1 go on, 0 the verdict is spoken, -1 failed. */
static int look_at_meta(struct verify *verify, struct error *err)
{
    const char *file = verify->job->subject.file;
    CLEAN_CHAR char *name = backup_meta_name(file);
    CLEAN_STR struct str text = STR_INIT;
    struct error why = ERROR_INIT;
    int found = store_read_small(verify->context->store, verify->folder, name, &text, &why);

    if (found < 0 && why.code != ERROR_STORE_FOREIGN && why.code != ERROR_LIMIT) {
        *err = why;
        return -1;
    }
    if (found == 0)
        return call_damaged(verify, "its .meta is not there");
    if (found < 0 || meta_parse(str_text(&text), text.len, &verify->meta, &why) != 0) {
        CLEAN_CHAR char *line = str_format("its .meta can't be read: %s", why.text);
        return call_damaged(verify, line);
    }
    return is_its_meta(verify) ? 1 : call_damaged(verify, "its .meta is that of another backup");
}

/* The same, for the data. */
static int look_at_size(struct verify *verify, struct error *err)
{
    const struct job_copied *subject = &verify->job->subject;
    uint64_t bytes = 0;
    struct error why = ERROR_INIT;
    int found =
        store_file_size(verify->context->store, verify->folder, subject->file, &bytes, &why);

    if (found < 0 && why.code != ERROR_STORE_FOREIGN) {
        *err = why;
        return -1;
    }
    if (found < 0)
        return call_damaged(verify, why.text);
    if (found == 0)
        return call_damaged(verify, "the file is not there");
    if (bytes == subject->size_bytes)
        return 1;
    CLEAN_CHAR char *line = str_format("it has %llu bytes, not %llu", (unsigned long long)bytes,
                                       (unsigned long long)subject->size_bytes);
    return call_damaged(verify, line);
}

static int look_at_names(struct verify *verify, struct error *err)
{
    struct error why = ERROR_INIT;

    if (!scan_parse_name(verify->job->subject.file, &verify->name))
        return error_set(err, ERROR_BAD_INPUT, "%s is not the name of a backup",
                         verify->job->subject.file);
    if (store_open_folder(verify->context->store, verify->job->folder, false, &verify->folder,
                          &why) == 0)
        return 1;
    if (why.code == ERROR_NOT_FOUND)
        return call_damaged(verify, "its folder is not there");
    *err = why;
    return -1;
}

/* ---- reading it ---- */

static void on_progress(void *context, uint64_t bytes)
{
    struct verify *verify = context;

    verify->report->bytes = bytes;
    verify->context->tell(verify->context->context, verify->report);
}

static bool is_cancelled(void *context)
{
    const struct verify *verify = context;

    return verify->context->is_cancelled(verify->context->context);
}

/* Read it through the check. 0 done, or -1; damage stands in the check then. */
static int read_through(struct verify *verify, struct verify_check *check, struct error *err)
{
    CLEAN_READER struct reader *reader = NULL;
    const struct pipeline_check pipeline_check = verify_check_pipeline(check);
    const struct pipeline_sink sink = sink_none();
    const struct pipeline_settings settings = {.compress = JOB_COMPRESS_NONE,
                                               .hang_ms = (int64_t)verify->job->idle_timeout_ms,
                                               .is_cancelled = is_cancelled,
                                               .progress = on_progress,
                                               .context = verify};

    if (reader_open(verify->context->store, verify->folder, verify->job->subject.file, &reader,
                    err) != 0)
        return -1;
    const struct pipeline_source source = source_file(reader);
    return pipeline_run(&source, &pipeline_check, &sink, &settings, &verify->read, err);
}

static void fill_facts(struct verify *verify, const struct verify_check *check,
                       struct verify_facts *facts)
{
    const struct backup *backup = &verify->meta.backup;

    *facts = (struct verify_facts){.sha256 = verify->read.sha256,
                                   .catalog_sha256 = verify->job->subject_sha256,
                                   .stream_bytes = verify_check_stream_bytes(check),
                                   .proof = verify_check_proof(check),
                                   .why_no_proof = verify_check_why(check)};
    if (!verify->meta.is_ours)
        return;
    facts->meta_sha256 = backup->sha256;
    facts->meta_stream_xxh128 = backup->stream_xxh128;
    facts->meta_sparse_xxh128 = backup->sparse_xxh128;
    facts->meta_stream_bytes = backup->stream_bytes;
    facts->meta_proof = backup->proof;
}

static int judge(struct verify *verify, struct verify_check *check, const char *why_no_proof,
                 struct error *err)
{
    char stream[DIGEST_TEXT_MAX], sparse[DIGEST_TEXT_MAX];
    CLEAN_CHAR char *sums = NULL;
    struct verify_facts facts;

    if (sums_find(verify->context->store, verify->job->folder, verify->job->subject.file, &sums,
                  err) < 0)
        return -1;
    fill_facts(verify, check, &facts);
    facts.sums_sha256 = sums;
    facts.stream_xxh128 = verify_check_stream_xxh128(check, stream);
    facts.sparse_xxh128 = verify_check_sparse_xxh128(check, sparse);
    if (why_no_proof != NULL) {
        facts.proof = NULL;
        facts.why_no_proof = why_no_proof;
    }
    verify_judge(&facts, &verify->report->verdict, &verify->report->warnings);
    return 0;
}

/* Of a format that can't be checked: unpacked to its end, and its digest. */
static int read_plain(struct verify *verify, const char *why_no_proof, struct error *err)
{
    CLEAN_VERIFY_CHECK struct verify_check *check = NULL;

    if (verify_check_new(verify->job->subject.file, &verify->name, &verify->meta, true, &check,
                         err) != 0)
        return -1;
    if (read_through(verify, check, err) == 0)
        return judge(verify, check, why_no_proof, err);
    const struct error *found = verify_check_error(check);
    return found != NULL ? call_damaged(verify, found->text) : -1;
}

static int read_checked(struct verify *verify, struct error *err)
{
    CLEAN_VERIFY_CHECK struct verify_check *check = NULL;
    struct error why = ERROR_INIT;

    if (verify_check_new(verify->job->subject.file, &verify->name, &verify->meta, false, &check,
                         err) != 0)
        return -1;
    verify->report->phase = JOB_PHASE_STREAM;
    verify->context->tell(verify->context->context, verify->report);
    int result = read_through(verify, check, &why);
    verify->report->stream_ms = verify->read.stream_ms;
    if (result == 0)
        return judge(verify, check, NULL, err);
    const struct error *found = verify_check_error(check);
    if (found == NULL) {
        *err = why;
        return -1;
    }
    return found->code == ERROR_UNSUPPORTED ? read_plain(verify, found->text, err)
                                            : call_damaged(verify, found->text);
}

/* ---- the end ---- */

static int find_verdict(struct verify *verify, struct error *err)
{
    int more = look_at_names(verify, err);

    if (more == 1)
        more = look_at_size(verify, err);
    if (more == 1)
        more = look_at_meta(verify, err);
    return more == 1 ? read_checked(verify, err) : more;
}

static int tell_verdict(const struct verify *verify, struct error *err)
{
    const struct job_verdict *verdict = &verify->report->verdict;

    switch (verdict->kind) {
    case JOB_VERDICT_DAMAGED:
        return error_set(err, ERROR_CORRUPT, "%s/%s is damaged: %s", verify->job->folder,
                         verdict->file, verdict->text);
    case JOB_VERDICT_READABLE:
        text_list_add_format(&verify->report->warnings, "%s/%s was read to its end, but %s",
                             verify->job->folder, verdict->file, verdict->text);
        break;
    case JOB_VERDICT_PROVEN:
    case JOB_VERDICT_NONE:
        break;
    }
    log_info(ROOM, "%s/%s: %s%s%s", verify->job->folder, verdict->file,
             job_verdict_name(verdict->kind), verdict->proof != NULL ? " by " : "",
             verdict->proof != NULL ? verdict->proof : "");
    return 0;
}

int verify_run(const struct job_context *context, struct job_report *report, struct error *err)
{
    CLEANUP(verify_done) struct verify verify = {
        .context = context, .job = context->job, .report = report, .folder = -1};

    report->consistency = 0;
    report->is_clean = true; /* it writes nothing */
    mem_set(&report->verdict.file, context->job->subject.file);
    if (find_verdict(&verify, err) < 0)
        return -1;
    report->is_hung = verify.read.is_hung;
    return tell_verdict(&verify, err);
}
