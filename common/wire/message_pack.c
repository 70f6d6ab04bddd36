/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Values to bytes. A tree of protobuf structs is laid in an arena, measured, and written once.
 *
 * Everything that goes in is a copy in the arena (a Task holds a session reference), which is
 * wiped when it goes. What may be left out when there is no room is added last, while the message
 * is measured piece by piece.
 */
#include <stdlib.h>
#include <string.h>

#include <onyxpool.pb-c.h>

#include "common/base/num.h"
#include "common/wire/key.h"
#include "common/wire/message.h"
#include "common/wire/message_check.h"

#include "common/base/poison.h"

#define ITEM_OVERHEAD 5 /* tag and length of an item in a message of at most 64 KiB */

struct block {
    struct block *next;
    size_t n;
    max_align_t bytes[];
};

struct arena {
    struct block *blocks;
};

#define CLEAN_ARENA CLEANUP(arena_done)

static void arena_done(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct block *block = arena->blocks;
        arena->blocks = block->next;
        wire_secret_wipe(block->bytes, block->n);
        free(block);
    }
}

static void *arena_zero(struct arena *arena, size_t n)
{
    struct block *block = mem_zero(1, sizeof *block + n);
    block->next = arena->blocks;
    block->n = n;
    arena->blocks = block;
    return block->bytes;
}

/* A fresh item of a repeated field: message type T of ours. */
#define NEW(arena, Type, type, variable)                                                           \
    Onyxwire__##Type *variable = arena_zero(arena, sizeof *variable);                              \
    onyxwire__##type##__init(variable)
#define LIST(arena, Type, n) arena_zero(arena, ((n) + 1) * sizeof(Onyxwire__##Type *))
#define PUT(message, field, value)                                                                 \
    do {                                                                                           \
        (message)->has_##field = 1;                                                                \
        (message)->field = (value);                                                                \
    } while (0)
/* A number whose absence means zero. */
#define PUT_SOME(message, field, value)                                                            \
    do {                                                                                           \
        if ((value) != 0)                                                                          \
            PUT(message, field, value);                                                            \
    } while (0)
#define PUT_TEXT(arena, message, field, text)                                                      \
    do {                                                                                           \
        if ((text) != NULL)                                                                        \
            PUT(message, field, copy_text(arena, text));                                           \
    } while (0)
#define PUT_PEOPLE(arena, message, field, text, max)                                               \
    do {                                                                                           \
        if ((text) != NULL)                                                                        \
            PUT(message, field, mend_text(arena, text, max));                                      \
    } while (0)
#define PUT_ID(message, field, id)                                                                 \
    do {                                                                                           \
        if ((id)[0] != '\0')                                                                       \
            PUT(message, field, id_number(id));                                                    \
    } while (0)

static ProtobufCBinaryData copy_text(struct arena *arena, const char *text)
{
    size_t n = strlen(text);
    uint8_t *bytes = arena_zero(arena, n + 1);
    memcpy(bytes, text, n);
    return (ProtobufCBinaryData){n, bytes};
}

/* A text for people: bytes that are no UTF-8 become "?", what is too long is cut. */
static ProtobufCBinaryData mend_text(struct arena *arena, const char *text, size_t max)
{
    ProtobufCBinaryData data = copy_text(arena, text);
    unsigned value;

    for (size_t i = 0; i < data.len;) {
        size_t step = str_utf8_next(text + i, data.len - i, &value);
        if (step == 0)
            data.data[i] = '?';
        i += step == 0 ? 1 : step;
    }
    if (data.len > max)
        data.len = str_utf8_cut((const char *)data.data, data.len, max);
    return data;
}

/* id is 16 hex digits: it was checked. */
static uint64_t id_number(const char *id)
{
    return strtoull(id, NULL, 16);
}

static Onyxwire__Error *put_error(struct arena *arena, const struct error *error)
{
    if (error->code == ERROR_NONE)
        return NULL;
    NEW(arena, Error, error, message);
    PUT(message, code, (uint32_t)error->code);
    PUT_SOME(message, sys, error->sys);
    if (error->origin[0] != '\0')
        PUT_PEOPLE(arena, message, origin, error->origin, ERROR_ORIGIN_MAX - 1);
    PUT_PEOPLE(arena, message, text, error->text, ERROR_TEXT_MAX - 1);
    return message;
}

static Onyxwire__Disk *put_disk(struct arena *arena, const struct job_disk *disk)
{
    NEW(arena, Disk, disk, message);
    PUT_TEXT(arena, message, device, disk->device);
    PUT_TEXT(arena, message, vdi_uuid, disk->vdi_uuid);
    PUT(message, virtual_size_bytes, disk->virtual_size_bytes);
    return message;
}

static Onyxwire__Remains *put_remains(struct arena *arena, const struct job_remains *remains)
{
    NEW(arena, Remains, remains, message);
    PUT_ID(message, job, remains->job);
    PUT(message, attempt, remains->attempt);
    PUT_TEXT(arena, message, vm_uuid, remains->vm_uuid);
    PUT_TEXT(arena, message, folder, remains->folder);
    PUT_TEXT(arena, message, stem, remains->stem);
    PUT_SOME(message, is_old_tool, remains->is_old_tool);
    return message;
}

static Onyxwire__Copied *put_copied(struct arena *arena, const struct job_copied *copied)
{
    NEW(arena, Copied, copied, message);
    PUT_TEXT(arena, message, file, copied->file);
    PUT(message, size_bytes, copied->size_bytes);
    PUT_ID(message, job, copied->job);
    return message;
}

static void put_expire(struct arena *arena, const struct job *job, Onyxwire__Job *message)
{
    message->victims = LIST(arena, Copied, job->victims_n);
    for (size_t i = 0; i < job->victims_n; i++)
        message->victims[message->n_victims++] = put_copied(arena, &job->victims[i]);
    message->keepers = LIST(arena, Copied, job->keepers_n);
    for (size_t i = 0; i < job->keepers_n; i++)
        message->keepers[message->n_keepers++] = put_copied(arena, &job->keepers[i]);
}

static void put_tuning(const struct job_tuning *tuning, Onyxwire__Job *message)
{
    PUT_SOME(message, compress_level, tuning->compress_level);
    PUT_SOME(message, compress_threads, tuning->compress_threads);
    PUT_SOME(message, gzip_effort, (uint32_t)tuning->gzip_effort);
    PUT_SOME(message, ring_mib, tuning->ring_mib);
    PUT_SOME(message, file_digest, (uint32_t)tuning->file_digest);
    PUT_SOME(message, max_rate, tuning->max_rate);
}

/* A digest of n bytes; hex was checked. */
static ProtobufCBinaryData put_sum(struct arena *arena, const char *hex, size_t n)
{
    uint8_t *sum = arena_zero(arena, n);
    (void)num_parse_hex(hex, sum, n, NULL);
    return (ProtobufCBinaryData){n, sum};
}

static void put_subject(struct arena *arena, const struct job *job, Onyxwire__Job *message)
{
    if (job->subject.file == NULL)
        return;
    message->subject = put_copied(arena, &job->subject);
    if (job->subject_sha256 != NULL)
        PUT(message, subject_sha256, put_sum(arena, job->subject_sha256, WIRE_SHA256_BYTES));
}

static Onyxwire__Job *put_job(struct arena *arena, const struct job *job)
{
    NEW(arena, Job, job, message);
    PUT_ID(message, id, job->id);
    PUT_ID(message, run, job->run);
    PUT(message, kind, (uint32_t)job->kind);
    PUT(message, attempt, job->attempt);
    PUT_SOME(message, lease, job->lease);
    PUT_TEXT(arena, message, vm_uuid, job->vm_uuid);
    PUT_PEOPLE(arena, message, vm_name, job->vm_name, WIRE_PEOPLE_MAX);
    PUT_TEXT(arena, message, host_uuid, job->host_uuid);
    PUT_TEXT(arena, message, folder, job->folder);
    PUT_TEXT(arena, message, stem, job->stem);
    PUT_SOME(message, compress, (uint32_t)job->compress);
    PUT_SOME(message, disk_format, (uint32_t)job->disk_format);
    put_tuning(&job->tuning, message);
    PUT_SOME(message, keeps_ova, job->ways.keeps_ova);
    PUT_SOME(message, raw_source, (uint32_t)job->ways.raw_source);
    PUT_SOME(message, is_deep, job->ways.is_deep);
    PUT_SOME(message, estimate_bytes, job->estimate_bytes);
    PUT_TEXT(arena, message, hook, job->hook);
    PUT_PEOPLE(arena, message, chosen_by, job->chosen_by, WIRE_PEOPLE_MAX);
    PUT_SOME(message, idle_timeout_ms, job->idle_timeout_ms);
    PUT_SOME(message, space_threshold_percent, job->space_threshold_percent);
    PUT_SOME(message, hard_floor_percent, job->hard_floor_percent);
    message->disks = LIST(arena, Disk, job->disks_n);
    for (size_t i = 0; i < job->disks_n; i++)
        message->disks[message->n_disks++] = put_disk(arena, &job->disks[i]);
    message->remains = LIST(arena, Remains, job->remains_n);
    for (size_t i = 0; i < job->remains_n; i++)
        message->remains[message->n_remains++] = put_remains(arena, &job->remains[i]);
    put_expire(arena, job, message);
    put_subject(arena, job, message);
    return message;
}

/* A checked job that fits, or ERROR_LIMIT. */
static Onyxwire__Job *put_job_that_fits(struct arena *arena, const struct job *job,
                                        size_t *ret_bytes, struct error *err)
{
    Onyxwire__Job *message = put_job(arena, job);
    *ret_bytes = onyxwire__job__get_packed_size(message);
    if (*ret_bytes > WIRE_PART_MAX) {
        error_set(err, ERROR_LIMIT,
                  "job %s takes %zu bytes of a message, at most %d are possible: it names %zu "
                  "disks and %zu remains",
                  job->id, *ret_bytes, WIRE_PART_MAX, job->disks_n, job->remains_n);
        return NULL;
    }
    return message;
}

static Onyxwire__File *put_file(struct arena *arena, const struct job_file *file)
{
    NEW(arena, File, file, message);
    PUT_TEXT(arena, message, name, file->name);
    PUT(message, size_bytes, file->size_bytes);
    if (file->sha256 != NULL)
        PUT(message, sha256, put_sum(arena, file->sha256, WIRE_SHA256_BYTES));
    if (file->stream_xxh128 != NULL)
        PUT(message, stream_xxh128, put_sum(arena, file->stream_xxh128, WIRE_XXH128_BYTES));
    PUT_TEXT(arena, message, proof, file->proof);
    return message;
}

static Onyxwire__Verdict *put_verdict(struct arena *arena, const struct job_verdict *verdict)
{
    if (verdict->kind == JOB_VERDICT_NONE)
        return NULL;
    NEW(arena, Verdict, verdict, message);
    PUT(message, kind, (uint32_t)verdict->kind);
    PUT_TEXT(arena, message, file, verdict->file);
    PUT_TEXT(arena, message, proof, verdict->proof);
    PUT_PEOPLE(arena, message, text, verdict->text, ERROR_TEXT_MAX - 1);
    if (verdict->sha256 != NULL)
        PUT(message, sha256, put_sum(arena, verdict->sha256, WIRE_SHA256_BYTES));
    return message;
}

/* Warnings as far as count and room allow; the last one tells how many are missing. */
static void put_warnings(struct arena *arena, const struct text_list *warnings,
                         Onyxwire__Report *message)
{
    size_t room = WIRE_PART_MAX - 128 - onyxwire__report__get_packed_size(message);
    CLEAN_STR struct str rest = STR_INIT;

    message->warnings = arena_zero(arena, (warnings->n + 1) * sizeof *message->warnings);
    for (size_t i = 0; i < warnings->n; i++) {
        ProtobufCBinaryData text = mend_text(arena, warnings->items[i], WIRE_PEOPLE_MAX);
        bool is_last = i + 1 == warnings->n;
        if ((message->n_warnings + 1 >= WIRE_WARNINGS_MAX && !is_last) ||
            text.len + ITEM_OVERHEAD > room) {
            str_add_format(&rest, "(%zu more warnings)", warnings->n - i);
            message->warnings[message->n_warnings++] = copy_text(arena, str_text(&rest));
            return;
        }
        room -= text.len + ITEM_OVERHEAD;
        message->warnings[message->n_warnings++] = text;
    }
}

/* Always fits: limits of files and texts are such that a report without warnings does. */
static Onyxwire__Report *put_report(struct arena *arena, const struct job_report *report)
{
    NEW(arena, Report, report, message);
    PUT_ID(message, id, report->id);
    PUT(message, attempt, report->attempt);
    PUT(message, state, (uint32_t)report->state);
    PUT(message, phase, (uint32_t)report->phase);
    PUT_SOME(message, bytes, report->bytes);
    PUT_SOME(message, started_at, report->started_at);
    PUT_SOME(message, finished_at, report->finished_at);
    PUT_SOME(message, snapshot_at, report->snapshot_at);
    PUT_SOME(message, stream_ms, report->stream_ms);
    PUT_SOME(message, throttled_ms, (uint64_t)report->throttled_ms);
    PUT_SOME(message, rate_limit, report->rate_limit);
    PUT_SOME(message, consistency, (uint32_t)report->consistency);
    PUT_SOME(message, is_clean, report->is_clean);
    PUT_SOME(message, is_hung, report->is_hung);
    message->files = LIST(arena, File, report->files_n);
    for (size_t i = 0; i < report->files_n; i++)
        message->files[message->n_files++] = put_file(arena, &report->files[i]);
    message->gone = arena_zero(arena, (report->gone.n + 1) * sizeof *message->gone);
    for (size_t i = 0; i < report->gone.n; i++)
        message->gone[message->n_gone++] = copy_text(arena, report->gone.items[i]);
    message->verdict = put_verdict(arena, &report->verdict);
    message->error = put_error(arena, &report->error);
    put_warnings(arena, &report->warnings, message);
    return message;
}

static Onyxwire__LogLine *put_log_line(struct arena *arena, const struct wire_log_line *line)
{
    NEW(arena, LogLine, log_line, message);
    PUT(message, at, line->at);
    PUT(message, level, (uint32_t)line->level);
    PUT_ID(message, job, line->job);
    PUT_TEXT(arena, message, room, line->room);
    PUT_PEOPLE(arena, message, text, line->text, WIRE_PEOPLE_MAX);
    return message;
}

static Onyxwire__Store *put_store(struct arena *arena, const struct wire_store *store)
{
    NEW(arena, Store, store, message);
    PUT_TEXT(arena, message, root, store->root);
    PUT_TEXT(arena, message, uuid, store->uuid);
    PUT_TEXT(arena, message, nonce, store->nonce);
    PUT_SOME(message, free_bytes, store->free_bytes);
    PUT_SOME(message, total_bytes, store->total_bytes);
    message->error = put_error(arena, &store->error);
    return message;
}

/* Write a laid message; a bug if it exceeds the ceiling, since all parts were measured. */
static int write_message(const ProtobufCMessage *message, struct str *out, struct error *err)
{
    size_t n = protobuf_c_message_get_packed_size(message);
    if (n > WIRE_BODY_MAX)
        return error_set(err, ERROR_LIMIT, "a message of %zu bytes is over the ceiling of %d", n,
                         WIRE_BODY_MAX);
    size_t written = protobuf_c_message_pack(message, (uint8_t *)str_reserve(out, n));
    str_set_len(out, out->len + written);
    return 0;
}

static size_t put_reports(struct arena *arena, const struct wire_sync *sync, size_t first,
                          Onyxwire__Sync *message, size_t *room)
{
    message->reports = LIST(arena, Report, sync->reports_n);
    while (message->n_reports < sync->reports_n && message->n_reports < WIRE_REPORTS_MAX) {
        size_t at = (first + message->n_reports) % sync->reports_n;
        Onyxwire__Report *report = put_report(arena, &sync->reports[at]);
        size_t bytes = onyxwire__report__get_packed_size(report) + ITEM_OVERHEAD;
        if (bytes > *room)
            break;
        *room -= bytes;
        message->reports[message->n_reports++] = report;
    }
    return message->n_reports;
}

static size_t put_log(struct arena *arena, const struct wire_sync *sync, Onyxwire__Sync *message,
                      size_t room)
{
    message->log = LIST(arena, LogLine, sync->log_n);
    while (message->n_log < sync->log_n && message->n_log < WIRE_LOG_MAX) {
        Onyxwire__LogLine *line = put_log_line(arena, &sync->log[message->n_log]);
        size_t bytes = onyxwire__log_line__get_packed_size(line) + ITEM_OVERHEAD;
        if (bytes > room)
            break;
        room -= bytes;
        message->log[message->n_log++] = line;
    }
    return message->n_log;
}

int wire_sync_pack(const struct wire_sync *sync, size_t first_report, struct str *out,
                   struct wire_packed *ret_packed, struct error *err)
{
    CLEAN_ARENA struct arena arena = {NULL};
    struct wire_packed packed;

    if (message_check_sync(sync, err) < 0)
        return error_add(err, "pack sync");
    NEW(&arena, Sync, sync, message);
    PUT(message, seq, sync->seq);
    PUT_TEXT(&arena, message, version, sync->version);
    PUT_SOME(message, lease, sync->lease);
    PUT(message, slots, sync->slots);
    PUT(message, free_slots, sync->free_slots);
    PUT(message, load_percent, sync->load_percent);
    PUT_SOME(message, is_draining, sync->is_draining);
    PUT_PEOPLE(&arena, message, hold_back, sync->hold_back, WIRE_PEOPLE_MAX);
    PUT_SOME(message, rate_limit, sync->rate_limit);
    PUT_SOME(message, cpu_percent, sync->cpu_percent);
    PUT(message, is_partial, 1); /* measured with it */
    message->store = put_store(&arena, &sync->store);
    size_t room = WIRE_BODY_MAX - onyxwire__sync__get_packed_size(message);
    packed.reports_n = put_reports(&arena, sync, first_report, message, &room);
    packed.log_n =
        put_log(&arena, sync, message, room < WIRE_BODY_MAX / 2 ? room : WIRE_BODY_MAX / 2);
    message->is_partial = sync->is_partial || packed.reports_n < sync->reports_n;
    if (write_message(&message->base, out, err) < 0)
        return error_add(err, "pack sync");
    *ret_packed = packed;
    return 0;
}

static size_t put_attempts(struct arena *arena, const struct wire_attempt *attempts, size_t n,
                           Onyxwire__Attempt ***ret_list)
{
    size_t count = n < WIRE_LIST_MAX ? n : WIRE_LIST_MAX;

    *ret_list = LIST(arena, Attempt, count);
    for (size_t i = 0; i < count; i++) {
        NEW(arena, Attempt, attempt, message);
        PUT_ID(message, job, attempts[i].id);
        PUT(message, attempt, attempts[i].attempt);
        (*ret_list)[i] = message;
    }
    return count;
}

int wire_orders_pack(const struct wire_orders *orders, struct str *out, struct error *err)
{
    CLEAN_ARENA struct arena arena = {NULL};

    if (message_check_orders(orders, err) < 0)
        return error_add(err, "pack orders");
    NEW(&arena, Orders, orders, message);
    PUT_SOME(message, lease, orders->lease);
    PUT_ID(message, run, orders->run);
    PUT_TEXT(&arena, message, store_root, orders->store_root);
    PUT_TEXT(&arena, message, store_uuid, orders->store_uuid);
    PUT(message, next_ms, orders->next_ms);
    PUT_SOME(message, rate_limit, orders->rate_limit);
    message->n_cancel = put_attempts(&arena, orders->cancel, orders->cancel_n, &message->cancel);
    message->n_forget = put_attempts(&arena, orders->forget, orders->forget_n, &message->forget);
    size_t room = WIRE_BODY_MAX - onyxwire__orders__get_packed_size(message);
    message->assign = LIST(&arena, Job, orders->assign_n);
    for (size_t i = 0; i < orders->assign_n && i < WIRE_ASSIGN_MAX; i++) {
        size_t bytes;
        Onyxwire__Job *job = put_job_that_fits(&arena, &orders->assign[i], &bytes, err);
        if (job == NULL)
            return error_add(err, "pack orders");
        if (bytes + ITEM_OVERHEAD > room)
            break;
        room -= bytes + ITEM_OVERHEAD;
        message->assign[message->n_assign++] = job;
    }
    if (write_message(&message->base, out, err) < 0)
        return error_add(err, "pack orders");
    return 0;
}

int wire_job_check(const struct job *job, struct error *err)
{
    CLEAN_ARENA struct arena arena = {NULL};
    size_t bytes;

    if (message_check_job(job, err) < 0)
        return -1;
    return put_job_that_fits(&arena, job, &bytes, err) != NULL ? 0 : -1;
}

static Onyxwire__Task *put_task(struct arena *arena, const struct wire_task *task,
                                struct error *err)
{
    size_t bytes;

    if (message_check_task(task, err) < 0)
        return NULL;
    NEW(arena, Task, task, message);
    message->job = put_job_that_fits(arena, &task->job, &bytes, err);
    if (message->job == NULL)
        return NULL;
    PUT_TEXT(arena, message, host_uuid, task->host_uuid);
    PUT_TEXT(arena, message, session, task->session);
    PUT_TEXT(arena, message, xapi_socket, task->xapi_socket);
    PUT_TEXT(arena, message, xapi_url, task->xapi_url);
    PUT_TEXT(arena, message, xapi_certificate, task->xapi_certificate);
    PUT_SOME(message, xapi_tls_port, task->xapi_tls_port);
    PUT_TEXT(arena, message, store_root, task->store_root);
    PUT_TEXT(arena, message, store_uuid, task->store_uuid);
    PUT_TEXT(arena, message, store_nonce, task->store_nonce);
    PUT(message, log_level, (uint32_t)task->log_level);
    message->settings = LIST(arena, Setting, task->settings.n);
    for (size_t i = 0; i < task->settings.n; i++) {
        NEW(arena, Setting, setting, setting);
        PUT_TEXT(arena, setting, key, task->settings.pairs[i].key);
        PUT_TEXT(arena, setting, value, task->settings.pairs[i].value);
        message->settings[message->n_settings++] = setting;
    }
    return message;
}

static Onyxwire__Pace *put_pace(struct arena *arena, uint64_t rate_limit)
{
    NEW(arena, Pace, pace, message);
    PUT_SOME(message, rate_limit, rate_limit);
    return message;
}

int wire_note_pack(const struct wire_note *note, struct str *out, struct error *err)
{
    CLEAN_ARENA struct arena arena = {NULL};
    int rc = -1;

    NEW(&arena, Note, note, message);
    switch (note->kind) {
    case WIRE_NOTE_TASK:
        message->task = put_task(&arena, &note->task, err);
        rc = message->task != NULL ? 0 : -1;
        break;
    case WIRE_NOTE_REPORT:
        rc = message_check_report(&note->report, err);
        if (rc == 0)
            message->report = put_report(&arena, &note->report);
        break;
    case WIRE_NOTE_LOG:
        rc = message_check_log_line(&note->line, err);
        if (rc == 0)
            message->log = put_log_line(&arena, &note->line);
        break;
    case WIRE_NOTE_PACE:
        rc = message_check_rate("pace.rate_limit", note->rate_limit, err);
        if (rc == 0)
            message->pace = put_pace(&arena, note->rate_limit);
        break;
    }
    if (rc < 0 || write_message(&message->base, out, err) < 0)
        return error_add(err, "pack note");
    return 0;
}
