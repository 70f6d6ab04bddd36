/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bytes to values: protobuf-c with a bounded allocator, then copies into plain structs, then the
 * checks of message_check.c. Nothing of protobuf-c leaves this file.
 *
 * Memory is bounded because a small frame can describe a very large tree of small messages; it is
 * wiped when it goes because a Task holds a session reference.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <onyxpool.pb-c.h>

#include "common/base/num.h"
#include "common/wire/key.h"
#include "common/wire/message.h"
#include "common/wire/message_check.h"

#include "common/base/poison.h"

/* In front of each piece of memory that protobuf-c asks for. */
union piece {
    size_t n;
    max_align_t align;
};

struct budget {
    size_t left;
    bool is_exceeded;
};

static void *budget_alloc(void *context, size_t n)
{
    struct budget *budget = context;

    if (n > budget->left || budget->left - n < sizeof(union piece)) {
        budget->is_exceeded = true;
        return NULL;
    }
    union piece *piece = malloc(sizeof *piece + n);
    if (piece == NULL)
        return NULL;
    budget->left -= n + sizeof *piece;
    piece->n = n;
    return piece + 1;
}

static void budget_free(void *context, void *bytes)
{
    (void)context;
    if (bytes == NULL)
        return;
    union piece *piece = (union piece *)bytes - 1;
    wire_secret_wipe(bytes, piece->n);
    free(piece);
}

#define BUDGET_INIT                                                                                \
    {                                                                                              \
        .left = WIRE_MEMORY_MAX                                                                    \
    }
#define ALLOCATOR(budget)                                                                          \
    {                                                                                              \
        .alloc = budget_alloc, .free = budget_free, .allocator_data = &(budget)                    \
    }

static ProtobufCMessage *read_message(const ProtobufCMessageDescriptor *descriptor,
                                      struct budget *budget, ProtobufCAllocator *allocator,
                                      const void *bytes, size_t n, struct error *err)
{
    if (n > WIRE_BODY_MAX) {
        error_set(err, ERROR_PROTOCOL, "a message of %zu bytes is over the ceiling of %d", n,
                  WIRE_BODY_MAX);
        return NULL;
    }
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, allocator, n, bytes);
    if (message == NULL && budget->is_exceeded)
        error_set(err, ERROR_PROTOCOL, "a message takes more than %u bytes of memory",
                  WIRE_MEMORY_MAX);
    else if (message == NULL)
        error_set(err, ERROR_PROTOCOL, "the bytes are no message");
    return message;
}

/* Copies fields; the first bad one stands in err and the rest is copied as nothing. */
struct reader {
    struct error *err;
    bool is_bad;
};

static void reader_refuse(struct reader *reader, const char *field, const char *why)
{
    if (!reader->is_bad)
        error_set(reader->err, ERROR_PROTOCOL, "field %s: %s", field, why);
    reader->is_bad = true;
}

static char *read_text(struct reader *reader, const char *field, protobuf_c_boolean has,
                       const ProtobufCBinaryData *data)
{
    if (!has || reader->is_bad)
        return NULL;
    if (data->len > WIRE_PEOPLE_MAX)
        reader_refuse(reader, field, "is too long");
    else if (data->len != 0 && memchr(data->data, '\0', data->len) != NULL)
        reader_refuse(reader, field, "holds a NUL");
    else if (data->len != 0 && !str_is_utf8((const char *)data->data, data->len))
        reader_refuse(reader, field, "is no UTF-8");
    if (reader->is_bad)
        return NULL;
    return mem_dup_n(data->len != 0 ? (const char *)data->data : "", data->len);
}

static void read_field(struct reader *reader, const char *field, protobuf_c_boolean has,
                       const ProtobufCBinaryData *data, char *text, size_t size)
{
    CLEAN_CHAR char *copy = read_text(reader, field, has, data);
    if (copy != NULL && !str_copy(text, size, copy))
        reader_refuse(reader, field, "is too long");
}

static void read_id(protobuf_c_boolean has, uint64_t value, char id[JOB_ID_MAX])
{
    CLEAN_CHAR char *text = has ? str_format("%016" PRIx64, value) : NULL;
    str_copy(id, JOB_ID_MAX, text != NULL ? text : "");
}

/* Numbers of enums; absent is 0. Whether the number is known is checked with the value. */
static int read_enum(struct reader *reader, const char *field, protobuf_c_boolean has,
                     uint32_t value)
{
    if (has && value > INT16_MAX)
        reader_refuse(reader, field, "is out of range");
    return has && value <= INT16_MAX ? (int)value : 0;
}

static void read_count(struct reader *reader, const char *field, size_t n, size_t max)
{
    if (n > max)
        reader_refuse(reader, field, "has too many items");
}

#define TEXT(reader, message, field)                                                               \
    read_text(reader, #field, (message)->has_##field, &(message)->field)
#define FIELD(reader, message, field, text)                                                        \
    read_field(reader, #field, (message)->has_##field, &(message)->field, text, sizeof(text))
#define NUMBER(message, field) ((message)->has_##field ? (message)->field : 0)
#define ENUM(reader, message, field)                                                               \
    read_enum(reader, #field, (message)->has_##field, (message)->field)
#define ID(message, field, id) read_id((message)->has_##field, (message)->field, id)

static void read_error(struct reader *reader, const Onyxwire__Error *message,
                       struct error *ret_error)
{
    if (message == NULL)
        return;
    ret_error->code = error_code_from_number(ENUM(reader, message, code));
    ret_error->sys = NUMBER(message, sys);
    FIELD(reader, message, origin, ret_error->origin);
    FIELD(reader, message, text, ret_error->text);
}

static void read_copied(struct reader *reader, const Onyxwire__Copied *message,
                        struct job_copied *ret_copied)
{
    ret_copied->file = TEXT(reader, message, file);
    ret_copied->size_bytes = NUMBER(message, size_bytes);
    ID(message, job, ret_copied->job);
}

/* A digest of n bytes as hex; NULL when it is not there or refused. */
static char *read_sum(struct reader *reader, const char *field, protobuf_c_boolean has,
                      const ProtobufCBinaryData *value, size_t n)
{
    char text[2 * WIRE_SHA256_BYTES + 1];
    if (has && value->len != n)
        reader_refuse(reader, field, "has the wrong length");
    return has && value->len == n ? mem_dup(num_format_hex(value->data, n, text)) : NULL;
}

static void read_subject(struct reader *reader, const Onyxwire__Job *message, struct job *ret_job)
{
    if (message->subject == NULL)
        return;
    read_copied(reader, message->subject, &ret_job->subject);
    ret_job->subject_sha256 = read_sum(reader, "subject_sha256", message->has_subject_sha256,
                                       &message->subject_sha256, WIRE_SHA256_BYTES);
}

static void read_job(struct reader *reader, const Onyxwire__Job *message, struct job *ret_job)
{
    ID(message, id, ret_job->id);
    ID(message, run, ret_job->run);
    ret_job->kind = (enum job_kind)ENUM(reader, message, kind);
    ret_job->attempt = NUMBER(message, attempt);
    ret_job->lease = NUMBER(message, lease);
    ret_job->vm_uuid = TEXT(reader, message, vm_uuid);
    ret_job->vm_name = TEXT(reader, message, vm_name);
    ret_job->host_uuid = TEXT(reader, message, host_uuid);
    ret_job->folder = TEXT(reader, message, folder);
    ret_job->stem = TEXT(reader, message, stem);
    ret_job->compress = (enum job_compress)ENUM(reader, message, compress);
    ret_job->disk_format = (enum job_disk_format)ENUM(reader, message, disk_format);
    ret_job->tuning.compress_level = NUMBER(message, compress_level);
    ret_job->tuning.compress_threads = NUMBER(message, compress_threads);
    ret_job->tuning.gzip_effort = (enum job_gzip_effort)ENUM(reader, message, gzip_effort);
    ret_job->tuning.ring_mib = NUMBER(message, ring_mib);
    ret_job->tuning.file_digest = (enum job_file_digest)ENUM(reader, message, file_digest);
    ret_job->tuning.max_rate = NUMBER(message, max_rate);
    ret_job->ways.keeps_ova = NUMBER(message, keeps_ova);
    ret_job->ways.raw_source = (enum job_raw_source)ENUM(reader, message, raw_source);
    ret_job->ways.is_deep = NUMBER(message, is_deep);
    ret_job->estimate_bytes = NUMBER(message, estimate_bytes);
    ret_job->hook = TEXT(reader, message, hook);
    ret_job->chosen_by = TEXT(reader, message, chosen_by);
    ret_job->idle_timeout_ms = NUMBER(message, idle_timeout_ms);
    ret_job->space_threshold_percent = NUMBER(message, space_threshold_percent);
    ret_job->hard_floor_percent = NUMBER(message, hard_floor_percent);
    read_count(reader, "disks", message->n_disks, JOB_DISKS_MAX);
    read_count(reader, "remains", message->n_remains, JOB_REMAINS_MAX);
    for (size_t i = 0; i < message->n_disks && !reader->is_bad; i++) {
        const Onyxwire__Disk *from = message->disks[i];
        struct job_disk *disk = job_add_disk(ret_job);
        disk->device = TEXT(reader, from, device);
        disk->vdi_uuid = TEXT(reader, from, vdi_uuid);
        disk->virtual_size_bytes = NUMBER(from, virtual_size_bytes);
    }
    for (size_t i = 0; i < message->n_remains && !reader->is_bad; i++) {
        const Onyxwire__Remains *from = message->remains[i];
        struct job_remains *remains = job_add_remains(ret_job);
        ID(from, job, remains->job);
        remains->attempt = NUMBER(from, attempt);
        remains->vm_uuid = TEXT(reader, from, vm_uuid);
        remains->folder = TEXT(reader, from, folder);
        remains->stem = TEXT(reader, from, stem);
        remains->is_old_tool = NUMBER(from, is_old_tool) != 0;
    }
    read_count(reader, "victims", message->n_victims, JOB_EXPIRE_MAX);
    read_count(reader, "keepers", message->n_keepers, JOB_EXPIRE_MAX);
    for (size_t i = 0; i < message->n_victims && !reader->is_bad; i++)
        read_copied(reader, message->victims[i], job_add_victim(ret_job));
    for (size_t i = 0; i < message->n_keepers && !reader->is_bad; i++)
        read_copied(reader, message->keepers[i], job_add_keeper(ret_job));
    read_subject(reader, message, ret_job);
}

static void read_file(struct reader *reader, const Onyxwire__File *message,
                      struct job_file *ret_file)
{
    ret_file->name = TEXT(reader, message, name);
    ret_file->size_bytes = NUMBER(message, size_bytes);
    ret_file->proof = TEXT(reader, message, proof);
    ret_file->sha256 = read_sum(reader, "sha256", message->has_sha256, &message->sha256,
                                WIRE_SHA256_BYTES);
    ret_file->stream_xxh128 = read_sum(reader, "stream_xxh128", message->has_stream_xxh128,
                                       &message->stream_xxh128, WIRE_XXH128_BYTES);
}

static void read_verdict(struct reader *reader, const Onyxwire__Verdict *message,
                         struct job_verdict *ret_verdict)
{
    if (message == NULL)
        return;
    ret_verdict->kind = (enum job_verdict_kind)ENUM(reader, message, kind);
    ret_verdict->file = TEXT(reader, message, file);
    ret_verdict->proof = TEXT(reader, message, proof);
    ret_verdict->text = TEXT(reader, message, text);
    ret_verdict->sha256 = read_sum(reader, "sha256", message->has_sha256, &message->sha256,
                                   WIRE_SHA256_BYTES);
}

static void read_report(struct reader *reader, const Onyxwire__Report *message,
                        struct job_report *ret_report)
{
    ID(message, id, ret_report->id);
    ret_report->attempt = NUMBER(message, attempt);
    ret_report->state = (enum job_state)ENUM(reader, message, state);
    ret_report->phase = (enum job_phase)ENUM(reader, message, phase);
    ret_report->bytes = NUMBER(message, bytes);
    ret_report->started_at = NUMBER(message, started_at);
    ret_report->finished_at = NUMBER(message, finished_at);
    ret_report->snapshot_at = NUMBER(message, snapshot_at);
    ret_report->stream_ms = NUMBER(message, stream_ms);
    ret_report->throttled_ms = (int64_t)NUMBER(message, throttled_ms);
    ret_report->rate_limit = NUMBER(message, rate_limit);
    ret_report->consistency = (enum job_consistency)ENUM(reader, message, consistency);
    ret_report->is_clean = NUMBER(message, is_clean) != 0;
    ret_report->is_hung = NUMBER(message, is_hung) != 0;
    read_error(reader, message->error, &ret_report->error);
    read_verdict(reader, message->verdict, &ret_report->verdict);
    read_count(reader, "files", message->n_files, WIRE_FILES_MAX);
    read_count(reader, "warnings", message->n_warnings, WIRE_WARNINGS_MAX);
    for (size_t i = 0; i < message->n_files && !reader->is_bad; i++)
        read_file(reader, message->files[i], job_report_add_file(ret_report));
    read_count(reader, "gone", message->n_gone, JOB_EXPIRE_MAX);
    for (size_t i = 0; i < message->n_gone && !reader->is_bad; i++) {
        char *text = read_text(reader, "gone", 1, &message->gone[i]);
        if (text != NULL)
            text_list_add_take(&ret_report->gone, text);
    }
    for (size_t i = 0; i < message->n_warnings && !reader->is_bad; i++) {
        char *text = read_text(reader, "warnings", 1, &message->warnings[i]);
        if (text != NULL)
            text_list_add_take(&ret_report->warnings, text);
    }
}

static void read_log_line(struct reader *reader, const Onyxwire__LogLine *message,
                          struct wire_log_line *ret_line)
{
    ret_line->at = NUMBER(message, at);
    ret_line->level = (enum log_level)ENUM(reader, message, level);
    ID(message, job, ret_line->job);
    ret_line->room = TEXT(reader, message, room);
    ret_line->text = TEXT(reader, message, text);
}

static void read_store(struct reader *reader, const Onyxwire__Store *message,
                       struct wire_store *ret_store)
{
    if (message == NULL)
        return;
    ret_store->root = TEXT(reader, message, root);
    ret_store->uuid = TEXT(reader, message, uuid);
    ret_store->nonce = TEXT(reader, message, nonce);
    ret_store->free_bytes = NUMBER(message, free_bytes);
    ret_store->total_bytes = NUMBER(message, total_bytes);
    read_error(reader, message->error, &ret_store->error);
}

static void read_sync(struct reader *reader, const Onyxwire__Sync *message, struct wire_sync *sync)
{
    sync->seq = NUMBER(message, seq);
    sync->version = TEXT(reader, message, version);
    sync->lease = NUMBER(message, lease);
    sync->slots = NUMBER(message, slots);
    sync->free_slots = NUMBER(message, free_slots);
    sync->load_percent = NUMBER(message, load_percent);
    sync->is_draining = NUMBER(message, is_draining) != 0;
    sync->is_partial = NUMBER(message, is_partial) != 0;
    sync->hold_back = TEXT(reader, message, hold_back);
    sync->rate_limit = NUMBER(message, rate_limit);
    sync->cpu_percent = NUMBER(message, cpu_percent);
    read_store(reader, message->store, &sync->store);
    read_count(reader, "reports", message->n_reports, WIRE_REPORTS_MAX);
    read_count(reader, "log", message->n_log, WIRE_LOG_MAX);
    for (size_t i = 0; i < message->n_reports && !reader->is_bad; i++)
        read_report(reader, message->reports[i], wire_sync_add_report(sync));
    for (size_t i = 0; i < message->n_log && !reader->is_bad; i++)
        read_log_line(reader, message->log[i], wire_sync_add_log(sync));
}

int wire_sync_unpack(const void *bytes, size_t n, struct wire_sync *ret_sync, struct error *err)
{
    struct budget budget = BUDGET_INIT;
    ProtobufCAllocator allocator = ALLOCATOR(budget);
    struct reader reader = {.err = err};
    CLEAN_WIRE_SYNC struct wire_sync sync = {0};

    ProtobufCMessage *message =
        read_message(&onyxwire__sync__descriptor, &budget, &allocator, bytes, n, err);
    if (message == NULL)
        return error_add(err, "read sync");
    read_sync(&reader, (const Onyxwire__Sync *)message, &sync);
    protobuf_c_message_free_unpacked(message, &allocator);
    if (reader.is_bad || message_check_sync(&sync, err) < 0)
        return error_add(err, "read sync");
    *ret_sync = sync;
    memset(&sync, 0, sizeof sync);
    return 0;
}

static void read_orders(struct reader *reader, const Onyxwire__Orders *message,
                        struct wire_orders *orders)
{
    char id[JOB_ID_MAX];

    orders->lease = NUMBER(message, lease);
    ID(message, run, orders->run);
    orders->store_root = TEXT(reader, message, store_root);
    orders->store_uuid = TEXT(reader, message, store_uuid);
    orders->next_ms = NUMBER(message, next_ms);
    orders->rate_limit = NUMBER(message, rate_limit);
    read_count(reader, "assign", message->n_assign, WIRE_ASSIGN_MAX);
    read_count(reader, "cancel", message->n_cancel, WIRE_LIST_MAX);
    read_count(reader, "forget", message->n_forget, WIRE_LIST_MAX);
    for (size_t i = 0; i < message->n_assign && !reader->is_bad; i++)
        read_job(reader, message->assign[i], wire_orders_add_job(orders));
    for (size_t i = 0; i < message->n_cancel && !reader->is_bad; i++) {
        ID(message->cancel[i], job, id);
        wire_orders_add_cancel(orders, id, NUMBER(message->cancel[i], attempt));
    }
    for (size_t i = 0; i < message->n_forget && !reader->is_bad; i++) {
        ID(message->forget[i], job, id);
        wire_orders_add_forget(orders, id, NUMBER(message->forget[i], attempt));
    }
}

int wire_orders_unpack(const void *bytes, size_t n, struct wire_orders *ret_orders,
                       struct error *err)
{
    struct budget budget = BUDGET_INIT;
    ProtobufCAllocator allocator = ALLOCATOR(budget);
    struct reader reader = {.err = err};
    CLEAN_WIRE_ORDERS struct wire_orders orders = {0};

    ProtobufCMessage *message =
        read_message(&onyxwire__orders__descriptor, &budget, &allocator, bytes, n, err);
    if (message == NULL)
        return error_add(err, "read orders");
    read_orders(&reader, (const Onyxwire__Orders *)message, &orders);
    protobuf_c_message_free_unpacked(message, &allocator);
    if (reader.is_bad || message_check_orders(&orders, err) < 0)
        return error_add(err, "read orders");
    *ret_orders = orders;
    memset(&orders, 0, sizeof orders);
    return 0;
}

static void read_task(struct reader *reader, const Onyxwire__Task *message, struct wire_task *task)
{
    if (message->job != NULL)
        read_job(reader, message->job, &task->job);
    task->host_uuid = TEXT(reader, message, host_uuid);
    task->session = TEXT(reader, message, session);
    task->xapi_socket = TEXT(reader, message, xapi_socket);
    task->xapi_url = TEXT(reader, message, xapi_url);
    task->xapi_certificate = TEXT(reader, message, xapi_certificate);
    task->xapi_tls_port = NUMBER(message, xapi_tls_port);
    task->store_root = TEXT(reader, message, store_root);
    task->store_uuid = TEXT(reader, message, store_uuid);
    task->store_nonce = TEXT(reader, message, store_nonce);
    task->log_level = (enum log_level)ENUM(reader, message, log_level);
    read_count(reader, "settings", message->n_settings, WIRE_SETTINGS_MAX);
    for (size_t i = 0; i < message->n_settings && !reader->is_bad; i++) {
        CLEAN_CHAR char *key = TEXT(reader, message->settings[i], key);
        CLEAN_CHAR char *value = TEXT(reader, message->settings[i], value);
        if (key == NULL || value == NULL)
            reader_refuse(reader, "settings", "lacks a key or a value");
        else
            text_map_set(&task->settings, key, value);
    }
}

static int read_note(const Onyxwire__Note *message, struct wire_note *note, struct error *err)
{
    struct reader reader = {.err = err};
    int parts = (message->task != NULL) + (message->report != NULL) + (message->log != NULL) +
                (message->pace != NULL);

    if (parts != 1)
        return error_set(err, ERROR_PROTOCOL, "one of task, report, log and pace is needed");
    if (message->task != NULL) {
        note->kind = WIRE_NOTE_TASK;
        read_task(&reader, message->task, &note->task);
        return reader.is_bad ? -1 : message_check_task(&note->task, err);
    }
    if (message->report != NULL) {
        note->kind = WIRE_NOTE_REPORT;
        read_report(&reader, message->report, &note->report);
        return reader.is_bad ? -1 : message_check_report(&note->report, err);
    }
    if (message->pace != NULL) {
        note->kind = WIRE_NOTE_PACE;
        note->rate_limit = NUMBER(message->pace, rate_limit);
        return message_check_rate("pace.rate_limit", note->rate_limit, err);
    }
    note->kind = WIRE_NOTE_LOG;
    read_log_line(&reader, message->log, &note->line);
    return reader.is_bad ? -1 : message_check_log_line(&note->line, err);
}

int wire_note_unpack(const void *bytes, size_t n, struct wire_note *ret_note, struct error *err)
{
    struct budget budget = BUDGET_INIT;
    ProtobufCAllocator allocator = ALLOCATOR(budget);
    CLEAN_WIRE_NOTE struct wire_note note = {0};

    ProtobufCMessage *message =
        read_message(&onyxwire__note__descriptor, &budget, &allocator, bytes, n, err);
    if (message == NULL)
        return error_add(err, "read note");
    int rc = read_note((const Onyxwire__Note *)message, &note, err);
    protobuf_c_message_free_unpacked(message, &allocator);
    if (rc < 0)
        return error_add(err, "read note");
    *ret_note = note;
    memset(&note, 0, sizeof note);
    return 0;
}
