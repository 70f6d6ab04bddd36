/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A stream from a handler of XAPI as a pipeline's source, with the task that tells how it went.
 *
 * The task is made and followed from before the request, so its end is seen even if XAPI forgets
 * ended tasks early; it is destroyed with the source.
 */
#ifndef ONYX_AGENT_PIPELINE_SOURCE_XAPI_H
#define ONYX_AGENT_PIPELINE_SOURCE_XAPI_H

#include <stdint.h>

#include "agent/pipeline/pipeline.h"
#include "common/base/mem.h"

struct error;
struct source_xapi;
struct xapi;

/* query is "/export?ref=..."; label names the task. xapi is borrowed until close. */
int source_xapi_open(struct xapi *xapi, const char *label, const char *query,
                     int64_t idle_timeout_ms, struct source_xapi **ret_source, struct error *err);

struct pipeline_source source_xapi_source(struct source_xapi *source);

/* Address of the host that sent the bytes after a redirect, NULL when it was the one we asked. */
const char *source_xapi_redirected_to(const struct source_xapi *source);

/* End the task, if it is pending, and destroy it. */
void source_xapi_close(struct source_xapi *source);
#define CLEAN_SOURCE_XAPI CLEANUP(source_xapi_clean)
void source_xapi_clean(struct source_xapi **source);

#endif
