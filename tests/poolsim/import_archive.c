/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An XVA from wherever it comes: ova.xml, the objects, the disks' blocks.
 */
#include "tests/poolsim/import_archive.h"

#include <errno.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "tests/poolsim/attach.h"
#include "tests/poolsim/decompressor.h"
#include "tests/poolsim/store.h"
#include "tests/poolsim/task.h"
#include "tests/poolsim/xva_reader.h"

#include "common/base/poison.h"

#define TICK_MS    10000
#define HEAD_BYTES 512

/* What XAPI makes of an error of the archive. */
void import_archive_set_failure(struct import_archive *archive, const struct error *err)
{
    struct failure *failure = &archive->failure;
    const char *sys = err->sys == EPIPE ? "EPIPE" : "ECONNRESET";
    CLEAN_CHAR char *inner = str_format("INTERNAL_ERROR: [ %s ]", err->text);
    CLEAN_CHAR char *lost =
        str_format("INTERNAL_ERROR: [ Unix.Unix_error(Unix.%s, \"read\", \"\") ]", sys);
    if (failure_is_set(failure))
        return;
    if (err->code == ERROR_SHORT)
        (void)failure_set(failure, "IMPORT_ERROR_PREMATURE_EOF", NULL);
    else if (err->code == ERROR_LOST)
        (void)failure_set(failure, "IMPORT_ERROR", lost, NULL);
    else if (err->code == ERROR_CORRUPT)
        (void)failure_set(failure, "IMPORT_ERROR", inner, NULL);
    else
        (void)failure_set(failure, "VDI_IO_ERROR", "Device I/O error", NULL);
}

/* ova.xml, plain or packed; leaves the source behind it. */
static int read_ova(struct import_archive *archive, struct xva_reader *reader, struct str *xml,
                    struct error *err)
{
    unsigned char head[HEAD_BYTES];
    struct xva_member member;
    if (source_read_all(&archive->source, head, sizeof head, err) != 0)
        return -1;
    bool is_plain =
        xva_parse_header(head, &member, NULL) == 0 && strcmp(member.name, "ova.xml") == 0;
    if (!is_plain) {
        if (decompressor_new(head, sizeof head, &archive->source, &archive->decompressor, err) != 0)
            return -1;
        xva_reader_init(reader, decompressor_source(archive->decompressor));
        if (xva_read_header(reader, &member, err) != 0)
            return -1;
    } else {
        xva_reader_init(reader, archive->source);
    }
    if (strcmp(member.name, "ova.xml") != 0) {
        (void)failure_set(&archive->failure, "IMPORT_ERROR_UNEXPECTED_FILE", "ova.xml", member.name,
                          NULL);
        return error_set(err, ERROR_XAPI, "unexpected file");
    }
    return xva_read_text(reader, &member, xml, err);
}

static int step(void *context, uint64_t offset, struct error *err)
{
    struct import_archive *archive = context;
    double done = (double)(archive->done_before + offset);
    if (pool_now_ms() < archive->next_tick_ms)
        return 0;
    archive->next_tick_ms = pool_now_ms() + TICK_MS;
    if (!handler_progress(archive->context, done / (double)(archive->all_bytes + 1)))
        return error_set(err, ERROR_CANCELLED, "cancelled");
    return 0;
}

static int read_disk(struct import_archive *archive, struct xva_reader *reader,
                     const struct import_disk *disk, struct error *err)
{
    struct pool *pool = archive->context->pool;
    CLEAN_DISK struct disk *bytes = disks_find(pool->disks, disk->vdi_uuid);
    char vbd_ref[REF_MAX];
    if (!bytes)
        return error_set(err, ERROR_IO, "the disk has no bytes");
    pool_lock(pool);
    attach_to_dom0(archive->context->host, disk->vdi_ref, false, vbd_ref);
    pool_unlock(pool);
    int failed = xva_read_disk(reader, bytes, disk->size_bytes, disk->id, step, archive, err);
    pool_lock(pool);
    attach_end(pool, vbd_ref);
    pool_unlock(pool);
    archive->done_before += disk->size_bytes;
    return failed;
}

static int read_disks(struct import_archive *archive, struct xva_reader *reader, struct error *err)
{
    reader->checks_sums = archive->import.has_inline_sums;
    reader->is_forced = archive->import.is_forced || !archive->import.has_inline_sums;
    for (size_t i = 0; i < archive->import.disks_n; i++)
        archive->all_bytes += archive->import.disks[i].size_bytes;
    for (size_t i = 0; i < archive->import.disks_n; i++)
        if (read_disk(archive, reader, &archive->import.disks[i], err) != 0)
            return -1;
    if (!handler_progress(archive->context, 1.0))
        return error_set(err, ERROR_CANCELLED, "cancelled");
    return 0;
}

static int make_objects(struct import_archive *archive, const struct str *xml, struct error *err)
{
    struct pool *pool = archive->context->pool;
    pool_lock(pool);
    int failed = import_parse(&archive->import, xml, &archive->failure) != 0 ||
                 import_make(&archive->import, &archive->failure) != 0;
    struct object *task = store_find(pool, CLASS_task, archive->context->task_ref);
    if (!failed && task && archive->import.sr_ref[0] != '\0')
        object_map_put(pool, task, F_task_other_config, "object_creation", "complete");
    pool_unlock(pool);
    return failed ? error_set(err, ERROR_XAPI, "refused") : 0;
}

int import_archive_read(struct import_archive *archive, struct error *err)
{
    struct xva_reader reader;
    CLEAN_STR struct str xml = STR_INIT;
    archive->next_tick_ms = pool_now_ms() + TICK_MS;
    if (read_ova(archive, &reader, &xml, err) != 0 || make_objects(archive, &xml, err) != 0)
        return -1;
    if (read_disks(archive, &reader, err) == 0)
        return 0;
    pool_lock(archive->context->pool);
    import_undo(&archive->import);
    pool_unlock(archive->context->pool);
    return -1;
}

void import_archive_done(struct import_archive *archive)
{
    decompressor_free(&archive->decompressor);
    import_done(&archive->import);
    failure_done(&archive->failure);
}
