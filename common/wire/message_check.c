/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One function per record; each is a chain of small checks that ends at the first bad field.
 *
 * Names that become paths on the share are held to one plain component here, whoever sent them:
 * a worker never sees "..", "/" or a leading dot. Which fields a job needs stands in a table by
 * kind; a kind without a row does not cross this version of the protocol.
 */
#include "common/wire/message_check.h"

#include <string.h>

#include "common/base/str.h"

#include "common/base/poison.h"

#define AT_MAX      (INT64_C(1) << 52)  /* wall ms: the year 144,000 */
#define BYTES_MAX   (UINT64_C(1) << 60) /* sizes: an EiB */
#define TIMEOUT_MAX (UINT64_C(7) * 86400 * 1000)
#define SLOTS_MAX   1024
#define LOAD_MAX    10000000
#define NEXT_MIN    50
#define NEXT_MAX    600000

static int bad(struct error *err, const char *field, const char *why)
{
    return error_set(err, ERROR_PROTOCOL, "field %s: %s", field, why);
}

static int check_needed(const char *field, const void *value, struct error *err)
{
    return value != NULL ? 0 : bad(err, field, "is missing");
}

static int check_word(const char *field, const char *text, size_t max, struct error *err)
{
    if (text == NULL)
        return 0;
    if (text[0] == '\0')
        return bad(err, field, "is empty");
    if (strlen(text) > max)
        return bad(err, field, "is too long");
    if (!str_is_utf8(text, strlen(text)))
        return bad(err, field, "is no UTF-8");
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return bad(err, field, "holds control bytes");
    }
    return 0;
}

static int check_uuid(const char *field, const char *text, struct error *err)
{
    return text == NULL || uuid_is_valid(text) ? 0 : bad(err, field, "is no uuid");
}

static int check_id(const char *field, const char *id, struct error *err)
{
    return job_id_is_valid(id) ? 0 : bad(err, field, "is not 16 hex digits");
}

static int check_id_or_none(const char *field, const char *id, struct error *err)
{
    return id[0] == '\0' ? 0 : check_id(field, id, err);
}

static int check_number(const char *field, uint64_t value, uint64_t min, uint64_t max,
                        struct error *err)
{
    return value >= min && value <= max ? 0 : bad(err, field, "is out of range");
}

static int check_at(const char *field, int64_t at, struct error *err)
{
    return at >= 0 && at <= AT_MAX ? 0 : bad(err, field, "is out of range");
}

/* A name that may become one component of a path on the share. */
static int check_component(const char *field, const char *text, size_t max, struct error *err)
{
    if (check_word(field, text, max, err) < 0)
        return -1;
    if (text != NULL && (text[0] == '.' || strchr(text, '/') != NULL))
        return bad(err, field, "is not one plain name");
    return 0;
}

int wire_path_check(const char *field, const char *text, struct error *err)
{
    if (check_word(field, text, WIRE_PATH_MAX, err) < 0)
        return -1;
    if (text == NULL)
        return 0;
    if (text[0] != '/')
        return bad(err, field, "is not an absolute path");
    for (const char *part = text; (part = strstr(part, "/..")) != NULL; part += 3) {
        if (part[3] == '/' || part[3] == '\0')
            return bad(err, field, "goes upward");
    }
    return 0;
}

int message_check_attempt(const char *field, const struct wire_attempt *attempt, struct error *err)
{
    if (check_id(field, attempt->id, err) < 0)
        return -1;
    return check_number(field, attempt->attempt, 1, JOB_ATTEMPTS_MAX, err);
}

static int check_disk(const struct job_disk *disk, struct error *err)
{
    if (check_needed("disk.device", disk->device, err) < 0 ||
        check_component("disk.device", disk->device, WIRE_WORD_MAX, err) < 0 ||
        check_needed("disk.vdi_uuid", disk->vdi_uuid, err) < 0 ||
        check_uuid("disk.vdi_uuid", disk->vdi_uuid, err) < 0)
        return -1;
    return check_number("disk.virtual_size_bytes", disk->virtual_size_bytes, 0, BYTES_MAX, err);
}

static int check_remains(const struct job_remains *remains, struct error *err)
{
    if (check_id("remains.job", remains->job, err) < 0 ||
        check_number("remains.attempt", remains->attempt, 1, JOB_ATTEMPTS_MAX, err) < 0 ||
        check_uuid("remains.vm_uuid", remains->vm_uuid, err) < 0 ||
        check_component("remains.folder", remains->folder, WIRE_FOLDER_MAX, err) < 0 ||
        check_component("remains.stem", remains->stem, WIRE_STEM_MAX, err) < 0)
        return -1;
    if (remains->is_old_tool && check_needed("remains.vm_uuid", remains->vm_uuid, err) < 0)
        return -1;
    if ((remains->folder == NULL) != (remains->stem == NULL))
        return bad(err, "remains.stem", "folder and stem go together");
    return 0;
}

static int check_copied(const struct job_copied *copied, struct error *err)
{
    if (check_needed("copied.file", copied->file, err) < 0 ||
        check_component("copied.file", copied->file, WIRE_FILE_MAX, err) < 0 ||
        check_id_or_none("copied.job", copied->job, err) < 0)
        return -1;
    return check_number("copied.size_bytes", copied->size_bytes, 0, BYTES_MAX, err);
}

/* Without a proven copy that is named nothing may go, and what is named to stay must stay. */
static int check_expire(const struct job *job, struct error *err)
{
    if (check_number("job.victims", job->victims_n, 1, JOB_EXPIRE_MAX, err) < 0 ||
        check_number("job.keepers", job->keepers_n, 1, JOB_EXPIRE_MAX, err) < 0)
        return -1;
    for (size_t i = 0; i < job->keepers_n; i++) {
        const struct job_copied *keeper = &job->keepers[i];

        /* A found one that was verified is as good as ours. */
        if (check_copied(keeper, err) < 0)
            return -1;
        for (size_t k = 0; k < job->victims_n; k++)
            if (str_equal(job->victims[k].file, keeper->file))
                return bad(err, "job.victims", "names a file that justifies the others");
    }
    for (size_t i = 0; i < job->victims_n; i++)
        if (check_copied(&job->victims[i], err) < 0)
            return -1;
    return 0;
}

/* A digest of n bytes as hex, or none. */
static int check_sum(const char *field, const char *text, size_t n, struct error *err)
{
    if (text != NULL && (strspn(text, "0123456789abcdef") != 2 * n || text[2 * n] != '\0'))
        return bad(err, field, "is not a digest of its length in hex digits");
    return 0;
}

static int check_subject(const struct job *job, struct error *err)
{
    if (check_needed("job.folder", job->folder, err) < 0 ||
        check_copied(&job->subject, err) < 0)
        return -1;
    return check_sum("job.subject_sha256", job->subject_sha256, WIRE_SHA256_BYTES, err);
}

enum {
    NEEDS_VM = 1,
    NEEDS_FILES = 2,
    NEEDS_DISKS = 4,
    NEEDS_HOST = 8,
    NEEDS_REMAINS = 16,
    NEEDS_VICTIMS = 32,
    NEEDS_SUBJECT = 64
};

static const struct {
    enum job_kind kind;
    unsigned needs;
} kinds[] = {
    {JOB_BACKUP_VM, NEEDS_VM | NEEDS_FILES},
    {JOB_BACKUP_DISK, NEEDS_VM | NEEDS_FILES | NEEDS_DISKS},
    {JOB_BACKUP_POOL, NEEDS_FILES},
    {JOB_BACKUP_HOST, NEEDS_FILES | NEEDS_HOST},
    {JOB_EXPIRE, NEEDS_VICTIMS},
    {JOB_VERIFY, NEEDS_SUBJECT},
    {JOB_CLEANUP, NEEDS_REMAINS},
};

static int check_job_needs(const struct job *job, unsigned needs, struct error *err)
{
    if ((needs & NEEDS_VM) != 0 && (check_needed("job.vm_uuid", job->vm_uuid, err) < 0 ||
                                    check_needed("job.vm_name", job->vm_name, err) < 0))
        return -1;
    if ((needs & NEEDS_FILES) != 0 && (check_needed("job.folder", job->folder, err) < 0 ||
                                       check_needed("job.stem", job->stem, err) < 0 ||
                                       check_number("job.compress", (uint64_t)job->compress,
                                                    JOB_COMPRESS_NONE, JOB_COMPRESS_ZSTD, err) < 0))
        return -1;
    if ((needs & NEEDS_DISKS) != 0 &&
        (check_number("job.disks", job->disks_n, 1, JOB_DISKS_MAX, err) < 0 ||
         check_number("job.disk_format", (uint64_t)job->disk_format, JOB_DISK_RAW, JOB_DISK_VHD,
                      err) < 0))
        return -1;
    if ((needs & NEEDS_HOST) != 0 && check_needed("job.host_uuid", job->host_uuid, err) < 0)
        return -1;
    if ((needs & NEEDS_VICTIMS) != 0)
        return check_needed("job.folder", job->folder, err) < 0 ? -1 : check_expire(job, err);
    if ((needs & NEEDS_SUBJECT) != 0 && check_subject(job, err) < 0)
        return -1;
    if ((needs & NEEDS_SUBJECT) == 0 && job->subject.file != NULL)
        return bad(err, "job.subject", "is of verify jobs only");
    if (job->victims_n != 0 || job->keepers_n != 0)
        return bad(err, "job.victims", "are of expire jobs only");
    if ((needs & NEEDS_REMAINS) != 0)
        return check_number("job.remains", job->remains_n, 1, JOB_REMAINS_MAX, err);
    return 0;
}

static int check_job_kind(const struct job *job, struct error *err)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].kind == job->kind)
            return check_job_needs(job, kinds[i].needs, err);
    }
    return bad(err, "job.kind", "is not one that this protocol version knows");
}

int message_check_rate(const char *field, uint64_t rate, struct error *err)
{
    return check_number(field, rate, 0, BYTES_MAX, err);
}

static int check_tuning(const struct job_tuning *tuning, struct error *err)
{
    if (check_number("job.compress_level", tuning->compress_level, 0, JOB_COMPRESS_LEVEL_MAX,
                     err) < 0 ||
        check_number("job.compress_threads", tuning->compress_threads, 0, JOB_COMPRESS_THREADS_MAX,
                     err) < 0 ||
        check_number("job.gzip_effort", (uint64_t)tuning->gzip_effort, 0, JOB_GZIP_SMALL, err) <
            0 ||
        check_number("job.file_digest", (uint64_t)tuning->file_digest, 0, JOB_FILE_NO_DIGEST,
                     err) < 0)
        return -1;
    if (message_check_rate("job.max_rate", tuning->max_rate, err) < 0)
        return -1;
    return tuning->ring_mib == 0 ? 0
                                 : check_number("job.ring_mib", tuning->ring_mib, JOB_RING_MIB_MIN,
                                                JOB_RING_MIB_MAX, err);
}

int message_check_job(const struct job *job, struct error *err)
{
    if (check_id("job.id", job->id, err) < 0 || check_id_or_none("job.run", job->run, err) < 0 ||
        check_number("job.attempt", job->attempt, 1, JOB_ATTEMPTS_MAX, err) < 0 ||
        check_uuid("job.vm_uuid", job->vm_uuid, err) < 0 ||
        check_uuid("job.host_uuid", job->host_uuid, err) < 0 ||
        check_component("job.folder", job->folder, WIRE_FOLDER_MAX, err) < 0 ||
        check_component("job.stem", job->stem, WIRE_STEM_MAX, err) < 0 ||
        check_component("job.hook", job->hook, WIRE_WORD_MAX, err) < 0 ||
        check_number("job.compress", (uint64_t)job->compress, 0, JOB_COMPRESS_ZSTD, err) < 0 ||
        check_number("job.disk_format", (uint64_t)job->disk_format, 0, JOB_DISK_VHD, err) < 0 ||
        check_tuning(&job->tuning, err) < 0 ||
        check_number("job.raw_source", (uint64_t)job->ways.raw_source, 0, JOB_RAW_VHD, err) < 0 ||
        check_number("job.estimate_bytes", job->estimate_bytes, 0, BYTES_MAX, err) < 0 ||
        check_number("job.idle_timeout_ms", job->idle_timeout_ms, 0, TIMEOUT_MAX, err) < 0 ||
        check_number("job.space_threshold_percent", job->space_threshold_percent, 0, 100, err) <
            0 ||
        check_number("job.hard_floor_percent", job->hard_floor_percent, 0, 100, err) < 0 ||
        check_number("job.disks", job->disks_n, 0, JOB_DISKS_MAX, err) < 0 ||
        check_number("job.remains", job->remains_n, 0, JOB_REMAINS_MAX, err) < 0)
        return -1;
    for (size_t i = 0; i < job->disks_n; i++) {
        if (check_disk(&job->disks[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < job->remains_n; i++) {
        if (check_remains(&job->remains[i], err) < 0)
            return -1;
    }
    return check_job_kind(job, err);
}

static int check_file(const struct job_file *file, struct error *err)
{
    if (check_needed("file.name", file->name, err) < 0 ||
        check_component("file.name", file->name, WIRE_FILE_MAX, err) < 0 ||
        check_number("file.size_bytes", file->size_bytes, 0, BYTES_MAX, err) < 0 ||
        check_sum("file.sha256", file->sha256, WIRE_SHA256_BYTES, err) < 0 ||
        check_sum("file.stream_xxh128", file->stream_xxh128, WIRE_XXH128_BYTES, err) < 0 ||
        check_needed("file.proof", file->proof, err) < 0)
        return -1;
    return check_word("file.proof", file->proof, WIRE_PROOF_MAX, err);
}

/* A file is called proven by a done job alone, and damaged by a failed one. */
static int check_verdict(const struct job_report *report, struct error *err)
{
    const struct job_verdict *verdict = &report->verdict;
    bool is_good = verdict->kind == JOB_VERDICT_PROVEN || verdict->kind == JOB_VERDICT_READABLE;

    if (verdict->kind == JOB_VERDICT_NONE)
        return 0;
    if (check_number("verdict.kind", (uint64_t)verdict->kind, JOB_VERDICT_PROVEN,
                     JOB_VERDICT_DAMAGED, err) < 0 ||
        check_needed("verdict.file", verdict->file, err) < 0 ||
        check_component("verdict.file", verdict->file, WIRE_FILE_MAX, err) < 0 ||
        check_word("verdict.proof", verdict->proof, WIRE_PROOF_MAX, err) < 0 ||
        check_sum("verdict.sha256", verdict->sha256, WIRE_SHA256_BYTES, err) < 0)
        return -1;
    if (is_good != (report->state == JOB_STATE_DONE) ||
        is_good == (report->state == JOB_STATE_FAILED))
        return bad(err, "verdict.kind", "does not fit the report's state");
    if (is_good && verdict->sha256 == NULL)
        return bad(err, "verdict.sha256", "is missing");
    if (verdict->kind == JOB_VERDICT_PROVEN)
        return check_needed("verdict.proof", verdict->proof, err);
    return check_needed("verdict.text", verdict->text, err);
}

static int check_report_state(const struct job_report *report, struct error *err)
{
    bool is_end = report->state != JOB_STATE_RUNNING;

    if (report->state != JOB_STATE_RUNNING && report->state != JOB_STATE_DONE &&
        report->state != JOB_STATE_FAILED && report->state != JOB_STATE_CANCELLED)
        return bad(err, "report.state", "is not running, done, failed or cancelled");
    if (report->state == JOB_STATE_FAILED && report->error.code == ERROR_NONE)
        return bad(err, "report.error", "is missing in a failed report");
    if (report->state == JOB_STATE_DONE && report->error.code != ERROR_NONE)
        return bad(err, "report.error", "stands in a done report");
    if (report->state != JOB_STATE_DONE && report->files_n != 0)
        return bad(err, "report.files", "are published by done reports only");
    if (is_end != (report->finished_at != 0))
        return bad(err, "report.finished_at", is_end ? "is missing" : "is set while running");
    return 0;
}

int message_check_report(const struct job_report *report, struct error *err)
{
    enum job_phase phase;

    if (check_id("report.id", report->id, err) < 0 ||
        check_number("report.attempt", report->attempt, 1, JOB_ATTEMPTS_MAX, err) < 0 ||
        check_number("report.bytes", report->bytes, 0, BYTES_MAX, err) < 0 ||
        check_at("report.started_at", report->started_at, err) < 0 ||
        check_at("report.finished_at", report->finished_at, err) < 0 ||
        check_at("report.snapshot_at", report->snapshot_at, err) < 0 ||
        check_at("report.stream_ms", report->stream_ms, err) < 0 ||
        check_at("report.throttled_ms", report->throttled_ms, err) < 0 ||
        message_check_rate("report.rate_limit", report->rate_limit, err) < 0 ||
        check_number("report.consistency", (uint64_t)report->consistency, 0, JOB_POWERED_OFF, err) <
            0 ||
        check_number("report.files", report->files_n, 0, WIRE_FILES_MAX, err) < 0 ||
        check_number("report.gone", report->gone.n, 0, JOB_EXPIRE_MAX, err) < 0)
        return -1;
    if (!job_phase_from_number((int)report->phase, &phase))
        return bad(err, "report.phase", "is not a known phase");
    for (size_t i = 0; i < report->files_n; i++) {
        if (check_file(&report->files[i], err) < 0)
            return -1;
    }
    if (report->gone.n != 0 && report->files_n != 0)
        return bad(err, "report.gone", "and report.files are of different kinds of jobs");
    for (size_t i = 0; i < report->gone.n; i++) {
        if (check_component("report.gone", report->gone.items[i], WIRE_FILE_MAX, err) < 0)
            return -1;
    }
    return check_verdict(report, err) < 0 ? -1 : check_report_state(report, err);
}

int message_check_log_line(const struct wire_log_line *line, struct error *err)
{
    if (check_at("log.at", line->at, err) < 0 ||
        check_number("log.level", (uint64_t)line->level, LOG_LEVEL_ERROR, LOG_LEVEL_DEBUG, err) <
            0 ||
        check_id_or_none("log.job", line->job, err) < 0 ||
        check_needed("log.room", line->room, err) < 0 ||
        check_word("log.room", line->room, WIRE_WORD_MAX, err) < 0)
        return -1;
    return check_needed("log.text", line->text, err);
}

static int check_store(const struct wire_store *store, struct error *err)
{
    if (wire_path_check("store.root", store->root, err) < 0 ||
        check_uuid("store.uuid", store->uuid, err) < 0 ||
        check_word("store.nonce", store->nonce, WIRE_WORD_MAX, err) < 0 ||
        check_number("store.free_bytes", store->free_bytes, 0, BYTES_MAX, err) < 0)
        return -1;
    return check_number("store.total_bytes", store->total_bytes, 0, BYTES_MAX, err);
}

int message_check_sync(const struct wire_sync *sync, struct error *err)
{
    if (check_number("sync.seq", sync->seq, 1, INT64_MAX, err) < 0 ||
        check_needed("sync.version", sync->version, err) < 0 ||
        check_word("sync.version", sync->version, WIRE_WORD_MAX, err) < 0 ||
        check_number("sync.slots", sync->slots, 0, SLOTS_MAX, err) < 0 ||
        check_number("sync.free_slots", sync->free_slots, 0, sync->slots, err) < 0 ||
        check_number("sync.load_percent", sync->load_percent, 0, LOAD_MAX, err) < 0 ||
        message_check_rate("sync.rate_limit", sync->rate_limit, err) < 0 ||
        check_number("sync.cpu_percent", sync->cpu_percent, 0, 100, err) < 0 ||
        check_store(&sync->store, err) < 0)
        return -1;
    for (size_t i = 0; i < sync->reports_n; i++) {
        if (message_check_report(&sync->reports[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < sync->log_n; i++) {
        if (message_check_log_line(&sync->log[i], err) < 0)
            return -1;
    }
    return 0;
}

int message_check_orders(const struct wire_orders *orders, struct error *err)
{
    if (check_id_or_none("orders.run", orders->run, err) < 0 ||
        wire_path_check("orders.store_root", orders->store_root, err) < 0 ||
        check_uuid("orders.store_uuid", orders->store_uuid, err) < 0 ||
        check_number("orders.next_ms", orders->next_ms, NEXT_MIN, NEXT_MAX, err) < 0 ||
        message_check_rate("orders.rate_limit", orders->rate_limit, err) < 0)
        return -1;
    for (size_t i = 0; i < orders->cancel_n; i++) {
        if (message_check_attempt("orders.cancel", &orders->cancel[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < orders->forget_n; i++) {
        if (message_check_attempt("orders.forget", &orders->forget[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < orders->assign_n; i++) {
        if (message_check_job(&orders->assign[i], err) < 0)
            return -1;
    }
    return 0;
}

static int check_settings(const struct text_map *settings, struct error *err)
{
    if (check_number("task.settings", settings->n, 0, WIRE_SETTINGS_MAX, err) < 0)
        return -1;
    for (size_t i = 0; i < settings->n; i++) {
        const struct text_pair *pair = &settings->pairs[i];
        if (check_needed("setting.key", pair->key, err) < 0 ||
            check_word("setting.key", pair->key, WIRE_WORD_MAX, err) < 0 ||
            check_needed("setting.value", pair->value, err) < 0)
            return -1;
        if (strlen(pair->value) > WIRE_PATH_MAX)
            return bad(err, "setting.value", "is too long");
    }
    return 0;
}

int message_check_task(const struct wire_task *task, struct error *err)
{
    if (message_check_job(&task->job, err) < 0 ||
        check_needed("task.host_uuid", task->host_uuid, err) < 0 ||
        check_uuid("task.host_uuid", task->host_uuid, err) < 0 ||
        check_needed("task.session", task->session, err) < 0 ||
        check_word("task.session", task->session, WIRE_SECRET_MAX, err) < 0 ||
        wire_path_check("task.xapi_socket", task->xapi_socket, err) < 0 ||
        check_word("task.xapi_url", task->xapi_url, WIRE_PATH_MAX, err) < 0 ||
        wire_path_check("task.xapi_certificate", task->xapi_certificate, err) < 0 ||
        check_number("task.xapi_tls_port", task->xapi_tls_port, 0, 65535, err) < 0 ||
        wire_path_check("task.store_root", task->store_root, err) < 0 ||
        check_uuid("task.store_uuid", task->store_uuid, err) < 0 ||
        check_word("task.store_nonce", task->store_nonce, WIRE_WORD_MAX, err) < 0 ||
        check_number("task.log_level", (uint64_t)task->log_level, LOG_LEVEL_ERROR, LOG_LEVEL_DEBUG,
                     err) < 0)
        return -1;
    if ((task->xapi_socket == NULL) == (task->xapi_url == NULL))
        return bad(err, "task.xapi_socket", "one of socket and url is needed");
    return check_settings(&task->settings, err);
}
