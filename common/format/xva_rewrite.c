/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Held are header, text and padding of the first member, since its header tells a length that is
 * known only when the text is rewritten.
 */
#include "common/format/xva_rewrite.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/format/tar.h"

#include "common/base/poison.h"

struct xva_rewrite {
    char *snapshot_uuid, *vm_uuid, *vm_name;
    struct str held;
    size_t need; /* bytes to hold: the header, then the whole member */
    size_t size; /* of ova.xml */
    bool is_passing;
    struct error refusal;
};

static size_t padding_of(size_t n)
{
    return (TAR_BLOCK - n % TAR_BLOCK) % TAR_BLOCK;
}

struct xva_rewrite *xva_rewrite_new(const struct ova_identity *identity)
{
    struct xva_rewrite *rewrite = mem_zero(1, sizeof *rewrite);

    rewrite->snapshot_uuid = mem_dup(identity->snapshot_uuid);
    rewrite->vm_uuid = mem_dup(identity->vm_uuid);
    rewrite->vm_name = mem_dup(identity->vm_name);
    rewrite->need = TAR_BLOCK;
    return rewrite;
}

void xva_rewrite_free(struct xva_rewrite *rewrite)
{
    if (!rewrite)
        return;
    free(rewrite->snapshot_uuid);
    free(rewrite->vm_uuid);
    free(rewrite->vm_name);
    str_done(&rewrite->held);
    free(rewrite);
}

void xva_rewrite_clean(struct xva_rewrite **rewrite)
{
    xva_rewrite_free(*rewrite);
    *rewrite = NULL;
}

static int keep_member(void *context, const struct tar_member *member, struct error *err)
{
    (void)err;
    *(struct tar_member *)context = *member;
    return 0;
}

/* Called at once for a member without data. */
static int end_member(void *context, struct error *err)
{
    (void)context;
    (void)err;
    return 0;
}

static int read_header(struct xva_rewrite *rewrite, struct error *err)
{
    static const struct tar_events events = {.begin = keep_member, .end = end_member};
    struct tar_reader reader;
    struct tar_member member = {.size_bytes = 0};

    tar_reader_init(&reader, TAR_FILES_ONLY, &events, &member);
    if (tar_reader_feed(&reader, str_text(&rewrite->held), TAR_BLOCK, err) != 0)
        return -1;
    if (!str_equal(member.name, "ova.xml") || member.size_bytes == 0)
        return error_set(err, ERROR_CORRUPT, "the archive does not begin with it");
    if (member.size_bytes > OVA_REWRITE_MAX)
        return error_set(err, ERROR_LIMIT, "it has more than %u bytes", OVA_REWRITE_MAX);
    rewrite->size = (size_t)member.size_bytes;
    rewrite->need = TAR_BLOCK + rewrite->size + padding_of(rewrite->size);
    return 0;
}

/* The member anew in place of the held one. */
static int make_member(struct xva_rewrite *rewrite, struct error *err)
{
    static const char zeros[TAR_BLOCK];
    CLEAN_STR struct str made = STR_INIT;
    unsigned char header[TAR_BLOCK];
    const char *text = str_text(&rewrite->held) + TAR_BLOCK;
    struct ova_identity identity = {.snapshot_uuid = rewrite->snapshot_uuid,
                                    .vm_uuid = rewrite->vm_uuid,
                                    .vm_name = rewrite->vm_name};

    memcpy(header, str_text(&rewrite->held), TAR_BLOCK);
    str_add_n(&made, (const char *)header, TAR_BLOCK);
    if (ova_rewrite(text, rewrite->size, &identity, &made, err) != 0)
        return -1;
    size_t size = made.len - TAR_BLOCK;
    if (tar_header_set_size(header, size, err) != 0)
        return -1;
    memcpy(made.data, header, TAR_BLOCK);
    str_add_n(&made, zeros, padding_of(size));
    str_done(&rewrite->held);
    rewrite->held = made;
    made = (struct str)STR_INIT;
    return 0;
}

/* Let go of what is held; from here on everything passes. */
static int pass_on(struct xva_rewrite *rewrite, xva_rewrite_sink_fn *sink, void *context,
                   struct error *err)
{
    size_t n = rewrite->held.len;
    int result = n ? sink(context, str_text(&rewrite->held), n, err) : 0;

    rewrite->is_passing = true;
    str_done(&rewrite->held);
    rewrite->held = (struct str)STR_INIT;
    return result;
}

/* Enough is held for the next step. */
static int step(struct xva_rewrite *rewrite, xva_rewrite_sink_fn *sink, void *context,
                struct error *err)
{
    bool is_header = rewrite->size == 0;
    int result = is_header ? read_header(rewrite, &rewrite->refusal)
                           : make_member(rewrite, &rewrite->refusal);

    return result == 0 && is_header ? 0 : pass_on(rewrite, sink, context, err);
}

int xva_rewrite_feed(struct xva_rewrite *rewrite, const void *bytes, size_t n,
                     xva_rewrite_sink_fn *sink, void *context, struct error *err)
{
    const char *at = bytes;

    while (n && !rewrite->is_passing) {
        size_t room = rewrite->need - rewrite->held.len;
        size_t part = n < room ? n : room;
        str_add_n(&rewrite->held, at, part);
        at += part;
        n -= part;
        if (rewrite->held.len == rewrite->need && step(rewrite, sink, context, err) != 0)
            return -1;
    }
    return n ? sink(context, at, n, err) : 0;
}

int xva_rewrite_finish(struct xva_rewrite *rewrite, xva_rewrite_sink_fn *sink, void *context,
                       struct error *err)
{
    if (rewrite->is_passing)
        return 0;
    error_set(&rewrite->refusal, ERROR_SHORT, "the stream ends inside it");
    return pass_on(rewrite, sink, context, err);
}

const char *xva_rewrite_refusal(const struct xva_rewrite *rewrite)
{
    return error_is_set(&rewrite->refusal) ? rewrite->refusal.text : NULL;
}
