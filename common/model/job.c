/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Job values: names and numbers from the tables in the header, copies, and the state table.
 */
#include "common/model/job.h"

#include <stdlib.h>
#include <string.h>

void job_done(struct job *job)
{
    for (size_t i = 0; i < job->disks_n; i++) {
        free(job->disks[i].device);
        free(job->disks[i].vdi_uuid);
    }
    for (size_t i = 0; i < job->remains_n; i++) {
        free(job->remains[i].vm_uuid);
        free(job->remains[i].folder);
        free(job->remains[i].stem);
    }
    for (size_t i = 0; i < job->victims_n; i++)
        free(job->victims[i].file);
    for (size_t i = 0; i < job->keepers_n; i++)
        free(job->keepers[i].file);
    free(job->subject.file);
    free(job->subject_sha256);
    free(job->disks);
    free(job->remains);
    free(job->victims);
    free(job->keepers);
    free(job->vm_uuid);
    free(job->vm_name);
    free(job->host_uuid);
    free(job->folder);
    free(job->stem);
    free(job->hook);
    free(job->chosen_by);
    memset(job, 0, sizeof *job);
}

struct job_disk *job_add_disk(struct job *job)
{
    size_t cap = job->disks_n;
    job->disks = mem_grow(job->disks, &cap, job->disks_n + 1, sizeof *job->disks);
    memset(&job->disks[job->disks_n], 0, sizeof *job->disks);
    return &job->disks[job->disks_n++];
}

struct job_remains *job_add_remains(struct job *job)
{
    size_t cap = job->remains_n;
    job->remains = mem_grow(job->remains, &cap, job->remains_n + 1, sizeof *job->remains);
    memset(&job->remains[job->remains_n], 0, sizeof *job->remains);
    return &job->remains[job->remains_n++];
}

static struct job_copied *add_copied(struct job_copied **items, size_t *n)
{
    size_t cap = *n;
    *items = mem_grow(*items, &cap, *n + 1, sizeof **items);
    memset(&(*items)[*n], 0, sizeof **items);
    return &(*items)[(*n)++];
}

struct job_copied *job_add_victim(struct job *job)
{
    return add_copied(&job->victims, &job->victims_n);
}

struct job_copied *job_add_keeper(struct job *job)
{
    return add_copied(&job->keepers, &job->keepers_n);
}

static void copy_copied(struct job_copied *to, const struct job_copied *from)
{
    *to = *from;
    to->file = mem_dup(from->file);
}

void job_copy(struct job *to, const struct job *from)
{
    *to = *from;
    to->vm_uuid = mem_dup(from->vm_uuid);
    to->vm_name = mem_dup(from->vm_name);
    to->host_uuid = mem_dup(from->host_uuid);
    to->folder = mem_dup(from->folder);
    to->stem = mem_dup(from->stem);
    to->hook = mem_dup(from->hook);
    to->chosen_by = mem_dup(from->chosen_by);
    to->disks = NULL;
    to->disks_n = 0;
    for (size_t i = 0; i < from->disks_n; i++) {
        struct job_disk *disk = job_add_disk(to);
        disk->device = mem_dup(from->disks[i].device);
        disk->vdi_uuid = mem_dup(from->disks[i].vdi_uuid);
        disk->virtual_size_bytes = from->disks[i].virtual_size_bytes;
    }
    to->remains = NULL;
    to->remains_n = 0;
    for (size_t i = 0; i < from->remains_n; i++) {
        struct job_remains *remains = job_add_remains(to);
        *remains = from->remains[i];
        remains->vm_uuid = mem_dup(from->remains[i].vm_uuid);
        remains->folder = mem_dup(from->remains[i].folder);
        remains->stem = mem_dup(from->remains[i].stem);
    }
    to->subject.file = mem_dup(from->subject.file);
    to->subject_sha256 = mem_dup(from->subject_sha256);
    to->victims = to->keepers = NULL;
    to->victims_n = to->keepers_n = 0;
    for (size_t i = 0; i < from->victims_n; i++)
        copy_copied(job_add_victim(to), &from->victims[i]);
    for (size_t i = 0; i < from->keepers_n; i++)
        copy_copied(job_add_keeper(to), &from->keepers[i]);
}

void job_report_done(struct job_report *report)
{
    for (size_t i = 0; i < report->files_n; i++) {
        free(report->files[i].name);
        free(report->files[i].sha256);
        free(report->files[i].stream_xxh128);
        free(report->files[i].proof);
    }
    free(report->files);
    free(report->verdict.file);
    free(report->verdict.proof);
    free(report->verdict.sha256);
    free(report->verdict.text);
    text_list_done(&report->gone);
    text_list_done(&report->warnings);
    memset(report, 0, sizeof *report);
}

struct job_file *job_report_add_file(struct job_report *report)
{
    size_t cap = report->files_n;
    report->files = mem_grow(report->files, &cap, report->files_n + 1, sizeof *report->files);
    memset(&report->files[report->files_n], 0, sizeof *report->files);
    return &report->files[report->files_n++];
}

void job_report_copy(struct job_report *to, const struct job_report *from)
{
    *to = *from;
    to->files = NULL;
    to->files_n = 0;
    for (size_t i = 0; i < from->files_n; i++) {
        struct job_file *file = job_report_add_file(to);
        file->name = mem_dup(from->files[i].name);
        file->size_bytes = from->files[i].size_bytes;
        file->sha256 = mem_dup(from->files[i].sha256);
        file->stream_xxh128 = mem_dup(from->files[i].stream_xxh128);
        file->proof = mem_dup(from->files[i].proof);
    }
    to->verdict.file = mem_dup(from->verdict.file);
    to->verdict.proof = mem_dup(from->verdict.proof);
    to->verdict.sha256 = mem_dup(from->verdict.sha256);
    to->verdict.text = mem_dup(from->verdict.text);
    to->gone = (struct text_list)TEXT_LIST_INIT;
    text_list_copy(&to->gone, &from->gone);
    to->warnings = (struct text_list)TEXT_LIST_INIT;
    text_list_copy(&to->warnings, &from->warnings);
}

const char *job_kind_name(enum job_kind kind)
{
    switch (kind) {
#define X(name, text, number)                                                                      \
    case JOB_##name:                                                                               \
        return text;
        JOB_KIND_TABLE(X)
#undef X
    }
    return "unknown";
}

const char *job_state_name(enum job_state state)
{
    switch (state) {
#define X(name, text, number, end)                                                                 \
    case JOB_STATE_##name:                                                                         \
        return text;
        JOB_STATE_TABLE(X)
#undef X
    }
    return "unknown";
}

const char *job_phase_name(enum job_phase phase)
{
    switch (phase) {
#define X(name, text, number)                                                                      \
    case JOB_PHASE_##name:                                                                         \
        return text;
        JOB_PHASE_TABLE(X)
#undef X
    }
    return "unknown";
}

const char *job_verdict_name(enum job_verdict_kind kind)
{
    switch (kind) {
    case JOB_VERDICT_NONE:
        break;
#define X(name, text, number)                                                                      \
    case JOB_VERDICT_##name:                                                                       \
        return text;
        JOB_VERDICT_TABLE(X)
#undef X
    }
    return "none";
}

static const char *const compress_names[] = {
    [JOB_COMPRESS_NONE] = "none", [JOB_COMPRESS_GZIP] = "gzip", [JOB_COMPRESS_ZSTD] = "zstd"};

#define COMPRESS_NAMES_N (sizeof compress_names / sizeof *compress_names)

const char *job_compress_name(enum job_compress compress)
{
    bool is_known = compress >= JOB_COMPRESS_NONE && compress < COMPRESS_NAMES_N;
    return is_known ? compress_names[compress] : "unknown";
}

int job_compress_from_name(const char *name, enum job_compress *ret_compress)
{
    for (size_t i = JOB_COMPRESS_NONE; i < COMPRESS_NAMES_N; i++)
        if (strcmp(compress_names[i], name) == 0) {
            *ret_compress = (enum job_compress)i;
            return 1;
        }
    return 0;
}

const char *job_consistency_name(enum job_consistency consistency)
{
    switch (consistency) {
    case JOB_CRASH_CONSISTENT:
        return "crash-consistent";
    case JOB_QUIESCED:
        return "quiesced";
    case JOB_HOOKED:
        return "hooked";
    case JOB_POWERED_OFF:
        return "powered-off";
    }
    return "unknown";
}

int job_kind_from_number(int number, enum job_kind *ret_kind)
{
    switch (number) {
#define X(name, text, n)                                                                           \
    case n:                                                                                        \
        *ret_kind = JOB_##name;                                                                    \
        return 1;
        JOB_KIND_TABLE(X)
#undef X
    default:
        return 0;
    }
}

int job_kind_from_name(const char *name, enum job_kind *ret_kind)
{
#define X(constant, text, n)                                                                       \
    if (strcmp(name, text) == 0) {                                                                 \
        *ret_kind = JOB_##constant;                                                                \
        return 1;                                                                                  \
    }
    JOB_KIND_TABLE(X)
#undef X
    return 0;
}

bool job_kind_is_backup(enum job_kind kind)
{
    return kind == JOB_BACKUP_VM || kind == JOB_BACKUP_DISK || kind == JOB_BACKUP_POOL ||
           kind == JOB_BACKUP_HOST;
}

int job_state_from_number(int number, enum job_state *ret_state)
{
    switch (number) {
#define X(name, text, n, end)                                                                      \
    case n:                                                                                        \
        *ret_state = JOB_STATE_##name;                                                             \
        return 1;
        JOB_STATE_TABLE(X)
#undef X
    default:
        return 0;
    }
}

int job_state_from_name(const char *name, enum job_state *ret_state)
{
#define X(constant, text, n, end)                                                                  \
    if (strcmp(name, text) == 0) {                                                                 \
        *ret_state = JOB_STATE_##constant;                                                         \
        return 1;                                                                                  \
    }
    JOB_STATE_TABLE(X)
#undef X
    return 0;
}

int job_phase_from_number(int number, enum job_phase *ret_phase)
{
    switch (number) {
#define X(name, text, n)                                                                           \
    case n:                                                                                        \
        *ret_phase = JOB_PHASE_##name;                                                             \
        return 1;
        JOB_PHASE_TABLE(X)
#undef X
    default:
        return 0;
    }
}

bool job_state_is_end(enum job_state state)
{
    switch (state) {
#define X(name, text, n, end)                                                                      \
    case JOB_STATE_##name:                                                                         \
        return end;
        JOB_STATE_TABLE(X)
#undef X
    }
    return false;
}

/* Row: from. Bit: to. A job that is done stays done, whatever is heard about other attempts. */
bool job_state_may_follow(enum job_state from, enum job_state to)
{
#define BIT(name) (1u << (unsigned)JOB_STATE_##name)
    static const unsigned may[] = {
        [JOB_STATE_PLANNED] = BIT(WAITING) | BIT(ASSIGNED) | BIT(CANCELLED) | BIT(SKIPPED) |
                              BIT(FAILED) | BIT(DONE),
        [JOB_STATE_WAITING] = BIT(PLANNED) | BIT(WAITING) | BIT(ASSIGNED) | BIT(CANCELLED) |
                              BIT(SKIPPED) | BIT(FAILED),
        [JOB_STATE_ASSIGNED] = BIT(RUNNING) | BIT(DONE) | BIT(FAILED) | BIT(CANCELLED) | BIT(LOST) |
                               BIT(PLANNED) | BIT(SKIPPED),
        [JOB_STATE_RUNNING] = BIT(RUNNING) | BIT(DONE) | BIT(FAILED) | BIT(CANCELLED) | BIT(LOST) |
                              BIT(PLANNED) | BIT(SKIPPED),
        [JOB_STATE_DONE] = 0,
        [JOB_STATE_FAILED] = BIT(PLANNED) | BIT(DONE),
        [JOB_STATE_CANCELLED] = BIT(PLANNED) | BIT(DONE),
        [JOB_STATE_LOST] = BIT(PLANNED) | BIT(FAILED) | BIT(DONE),
        [JOB_STATE_SKIPPED] = BIT(PLANNED),
    };
#undef BIT
    if ((size_t)from >= sizeof may / sizeof *may)
        return false;
    return (may[from] & (1u << (unsigned)to)) != 0;
}

bool job_id_is_valid(const char *text)
{
    return strspn(text, "0123456789abcdef") == JOB_ID_MAX - 1 && text[JOB_ID_MAX - 1] == '\0';
}
