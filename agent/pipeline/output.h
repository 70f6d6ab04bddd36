/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Everything behind the check: the ring that the stream is gathered in, and the threads that
 * compress, digest and write what is in it.
 *
 *     ring -> writer, digester                          plain: both read every block
 *     ring -> packers -> ring of packed blocks -> writer, digester
 *
 * The writer alone calls the sink, so it alone can hang in the share; then the whole is left to it
 * and frees itself when that call returns.
 */
#ifndef ONYX_AGENT_PIPELINE_OUTPUT_H
#define ONYX_AGENT_PIPELINE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/pipeline/pipeline.h"

struct output;
struct ring;

/* Start the threads. Takes over the sink when it succeeds: its release is called then. */
int output_new(const struct pipeline_sink *sink, const struct pipeline_settings *settings,
               struct output **ret_output, struct error *err);
/* Drop the caller's half. */
void output_drop(struct output *output);

/* What the caller puts into. */
struct ring *output_ring(struct output *output);
/* The most zero bytes that one block may stand for. */
size_t output_zeros_max(const struct output *output);

/* Whether any block went on since the last look; the caller keeps *last. */
bool output_has_moved(struct output *output, uint64_t *last);

void output_end(struct output *output);
void output_stop(struct output *output, const struct error *reason);

/* Wait until all threads have ended; false when they have not within wait_ms. */
bool output_wait(struct output *output, int64_t wait_ms);

/* When all have ended: 0 with the digest ("" when none was asked for), or the first failure. */
int output_result(struct output *output, char sha256[DIGEST_TEXT_MAX], struct error *err);

#endif
