/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Of the VM, not of its snapshot: releases before XenServer 8 refuse a snapshot's.
 * Source: xapi export.ml, metadata_handler; the answer has a length, and is a tar of one member.
 */
#include "agent/vm_metadata.h"

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/tar.h"
#include "common/model/job.h"
#include "common/store/root.h"
#include "common/store/vm_metadata.h"
#include "common/xapi/stream.h"

#include "common/base/poison.h"

#define IDLE_MS 60000

struct intake {
    struct str text;
    struct tar_reader tar;
};

static void intake_done(struct intake *intake)
{
    str_done(&intake->text);
}

static int on_member(void *context, const struct tar_member *member, struct error *err)
{
    (void)context;
    return str_equal(member->name, "ova.xml")
               ? 0
               : error_set(err, ERROR_CORRUPT, "the metadata hold a member %s", member->name);
}

static int on_data(void *context, const unsigned char *bytes, size_t n, struct error *err)
{
    (void)context, (void)bytes, (void)n, (void)err;
    return 0;
}

static int on_end(void *context, struct error *err)
{
    (void)context, (void)err;
    return 0;
}

static int on_bytes(void *context, const void *bytes, size_t n, struct error *err)
{
    struct intake *intake = context;
    if (intake->text.len + n > STORE_SMALL_MAX)
        return error_set(err, ERROR_LIMIT, "the metadata are larger than %u bytes",
                         STORE_SMALL_MAX);
    str_add_n(&intake->text, bytes, n);
    return tar_reader_feed(&intake->tar, bytes, n, err);
}

int vm_metadata_keep(struct xapi *xapi, struct store *store, const struct job *job,
                     struct error *err)
{
    static const struct tar_events events = {on_member, on_data, on_end};
    CLEANUP(intake_done) struct intake intake = {.text = STR_INIT};
    CLEAN_STREAM_FACTS struct stream_facts facts = {0};
    CLEAN_STR struct str query = STR_INIT;
    struct stream_sink sink = {.bytes = on_bytes, .context = &intake};
    str_add(&query, "/export_metadata?export_snapshots=false&uuid=");
    stream_add_escaped(&query, job->vm_uuid);
    tar_reader_init(&intake.tar, TAR_FILES_ONLY, &events, &intake);
    if (xapi_stream_get(xapi, str_text(&query), NULL, &sink, IDLE_MS, &facts, err) != 0 ||
        tar_reader_finish(&intake.tar, err) != 0)
        return -1;
    if (vm_metadata_write(store, job->folder, job->stem, str_text(&intake.text), intake.text.len,
                          err) != 0)
        return -1;
    return vm_metadata_prune(store, job->folder, err);
}
