/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The data handlers of XAPI (/export, /export_metadata, /export_raw_vdi, /host_backup,
 * /pool/xmldbdump): a GET whose answer goes to a sink.
 *
 * A stream that ended in order proves nothing: XAPI answers 200 before it reads the disk, says no
 * length and writes late errors into the data. The sink checks the format, task.h tells the
 * outcome. A redirect is followed by hand to the host it names, which must be one of the pool's
 * and have its certificate: the pinned file's, or the one XAPI gives for that host.
 */
#ifndef ONYX_COMMON_XAPI_STREAM_H
#define ONYX_COMMON_XAPI_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"

struct error;
struct xapi;

#define STREAM_REDIRECTS_MAX 3

/* Called on this thread; 0, or -1 with the error set to end the stream. header comes once, with a
 * 200, before the first byte; it may be NULL. Pieces are of at most 16 KiB. */
struct stream_sink {
    int (*header)(void *context, int http_status, const char *content_type, struct error *err);
    int (*bytes)(void *context, const void *bytes, size_t n, struct error *err);
    void *context;
};

struct stream_facts {
    int http_status;     /* 0: the peer closed without an answer */
    uint64_t bytes;      /* given to the sink */
    bool ended_in_order; /* the peer closed, or the length it said was reached */
    char *redirected_to; /* address of the host that answered in the end; NULL none */
};

void stream_facts_done(struct stream_facts *facts);
#define CLEAN_STREAM_FACTS CLEANUP(stream_facts_done)

/*
 * GET path_and_query ("/export?ref=OpaqueRef:..."); session_id and task_id (task NULL: none) are
 * put behind it. Values in it are the caller's to escape (stream_add_escaped).
 *
 * Units:  idle_timeout_ms without a byte ends it (time inside the sink does not count); 0 none.
 * Fails:  http.h's codes; ERROR_POOL_REFUSED (401, 403), ERROR_XAPI or fault.h's codes (other
 *         answers than 200: the text of the page is in the error); what the sink says. The facts
 *         are set in every case: ret_facts is zero before, released by the caller.
 */
int xapi_stream_get(struct xapi *xapi, const char *path_and_query, const char *task,
                    const struct stream_sink *sink, int64_t idle_timeout_ms,
                    struct stream_facts *ret_facts, struct error *err);

struct str;
/* Append a query's value, percent-encoded. */
void stream_add_escaped(struct str *query, const char *value);

#endif
